//! Reductions: sums, products and extremes over axes.

use ndarray::{ArrayD, Axis, arr0};

use super::registry::{Sample, spread};
use crate::error::Result;
use smallvec::SmallVec;

use crate::kernels::number::Element;
use crate::kernels::reduce;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;
use crate::tensor::shape::Axes;
use crate::tensor::storage::Storage;

/// `y = Σ x` over axes.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Sum {
    /// Ascending.
    axes: Axes,
    keepdim: bool,
}

impl<T: Element> Op<T> for Sum {
    fn name(&self) -> &str {
        "sum"
    }

    fn formula(&self, operands: &[String]) -> String {
        reduction_formula("sum", &self.axes, self.keepdim, operands)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok(inputs[0].reduced(&self.axes, self.keepdim))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        reduce_axes(inputs[0], &self.axes, output, reduce::sum);
        Ok(())
    }

    fn flops(&self, inputs: &[&Shape], _: &Shape) -> usize {
        inputs[0].volume()
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let shape = call.inputs[0].shape();
        Pullback::one(call.cotangent.reshape(shape.reduced(&self.axes, true)).expand(shape))
    }
}

/// Reduces over axes, adjacent ones in one go, the last ones first.
fn reduce_axes<T: Element>(
    input: Operand<'_, T>,
    axes: &[usize],
    output: &mut [T],
    kernel: impl Fn(&[T], [usize; 3], &mut [T]),
) {
    let mut shape = input.shape.clone();
    let mut stretches: SmallVec<[(usize, usize); 4]> = SmallVec::new();
    for &axis in axes {
        match stretches.last_mut() {
            Some((_, end)) if *end == axis => *end += 1,
            _ => stretches.push((axis, axis + 1)),
        }
    }
    let mut partial: Option<Storage<T>> = None;
    for (i, &(start, end)) in stretches.iter().enumerate().rev() {
        let (outer, n, inner): (usize, usize, usize) =
            (shape[..start].iter().product(), shape[start..end].iter().product(), shape[end..].iter().product());
        let values = partial.as_deref().unwrap_or(input.values);
        if i == 0 {
            kernel(values, [outer, n, inner], output);
            return;
        }
        let mut next = Storage::unspecified(outer * inner);
        kernel(values, [outer, n, inner], next.make_mut());
        partial = Some(next);
        shape = shape.reduced(&(start..end).collect::<Axes>(), true);
    }
    output.copy_from_slice(input.values);
}

/// `sum(%3, axes [0], keepdim)`.
fn reduction_formula(name: &str, axes: &[usize], keepdim: bool, operands: &[String]) -> String {
    let keepdim = if keepdim { ", keepdim" } else { "" };
    format!("{name}({}, axes {axes:?}{keepdim})", operands[0])
}

impl<'t, T: Element> Var<'t, T> {
    /// Records a reduction over axes; none named means all.
    #[track_caller]
    fn reduce<O: Op<T>>(self, name: &str, axes: &[isize], op: impl FnOnce(Axes) -> O) -> Self {
        if self.is_poisoned() {
            return self;
        }
        match self.shape().axes(axes) {
            Ok(axes) => self.tape.record_shared(op(axes), &[self]),
            Err(error) => self.tape.fail(error.op(name)),
        }
    }

    /// `y = Σ x`: the sum of all elements, of shape `[]`.
    #[track_caller]
    pub fn sum(self) -> Self {
        let axes: Axes = (0..self.rank()).collect();
        self.tape.record_shared(Sum { axes, keepdim: false }, &[self])
    }

    /// The sum over some axes; negative axes count from the end.
    #[track_caller]
    pub fn sum_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.reduce("sum_axes", axes, |axes| Sum { axes, keepdim })
    }

    /// The mean of all elements.
    #[track_caller]
    pub fn mean(self) -> Self {
        let count = self.shape().volume() as f64;
        self.sum() / T::of(count)
    }

    /// Sums over the axes that broadcasting repeated, back to `shape`.
    #[track_caller]
    pub(crate) fn sum_to(self, shape: &Shape) -> Self {
        let from = self.shape();
        if self.is_poisoned() || from == *shape {
            return self;
        }
        let new = from.len() - shape.len();
        let repeated: Axes =
            (0..from.len()).filter(|&axis| axis < new || (shape[axis - new] == 1 && from[axis] != 1)).collect();
        self.tape.record_shared(Sum { axes: repeated, keepdim: true }, &[self]).reshape(shape)
    }
}

/// Samples of `sum`.
pub(super) fn sum_samples<T: Element>() -> Vec<Sample<T>> {
    let sum_axes =
        |x: &ArrayD<f64>, axes: &[usize]| axes.iter().rev().fold(x.clone(), |x, &axis| x.sum_axis(Axis(axis)));
    vec![
        Sample::new("all", [spread([2, 3], -2.0, 2.0, 0)], |x| x[0].sum(), |x| arr0(x[0].sum()).into_dyn()),
        Sample::new(
            "axes 0 and 2 of 3",
            [spread([2, 3, 4], -2.0, 2.0, 0)],
            |x| x[0].sum_axes(&[0, -1], false),
            move |x| sum_axes(&x[0], &[0, 2]),
        ),
        Sample::new(
            "axis 1, keepdim",
            [spread([2, 3], -2.0, 2.0, 0)],
            |x| x[0].sum_axes(&[1], true),
            move |x| sum_axes(&x[0], &[1]).insert_axis(Axis(1)),
        ),
        Sample::new(
            "over an empty axis",
            [spread([2, 0], -2.0, 2.0, 0)],
            |x| x[0].sum_axes(&[1], false),
            move |x| sum_axes(&x[0], &[1]),
        ),
    ]
}
