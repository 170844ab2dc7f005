//! Reductions: sums, products and extremes over axes.

use crate::error::Result;
use crate::kernels::number::Element;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;
use crate::tensor::shape::Axes;

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
        let mut values: std::borrow::Cow<[T]> = inputs[0].values.into();
        let mut shape = inputs[0].shape.clone();
        for &axis in self.axes.iter().rev() {
            let (outer, n, inner) = shape.around(axis);
            let mut next = vec![T::of(0.0); outer * inner];
            for o in 0..outer {
                for k in 0..n {
                    for i in 0..inner {
                        next[o * inner + i] += values[(o * n + k) * inner + i];
                    }
                }
            }
            values = next.into();
            shape = shape.reduced(&[axis], true);
        }
        output.copy_from_slice(&values);
        Ok(())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let shape = call.inputs[0].shape();
        Pullback::one(call.cotangent.reshape(shape.reduced(&self.axes, true)).expand(shape))
    }
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
