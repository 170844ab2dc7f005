//! Reductions over axes: sums, extremes and the places of extremes.

use smallvec::SmallVec;

use super::arithmetic::scaled;
use super::elementwise::apply;
use super::functions::Equal;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::kernels::reduce;
use crate::kernels::scratch::{self, NoMemory, Purpose};
use crate::tape::op::{Call, Context, Join, Op, Operand, Pullback};
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
        Ok(reduce_axes(inputs[0], &self.axes, output, &plainly(reduce::sum))?)
    }

    fn joins(&self) -> Option<(Join, &[usize])> {
        Some((Join::Sum, &self.axes))
    }

    fn flops(&self, inputs: &[&Shape], _: &Shape) -> usize {
        inputs[0].volume()
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let shape = call.inputs[0].shape();
        Pullback::one(call.cotangent.reshape(shape.reduced(&self.axes, true)).expand(shape))
    }
}

/// Which of the two extremes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Extreme {
    Greatest,
    Least,
}

/// The greatest or the least over axes.
#[derive(Clone, Debug, PartialEq, Hash)]
struct ExtremeValue {
    extreme: Extreme,
    axes: Axes,
    keepdim: bool,
}

/// The mistake of an axis without elements, of which none is the greatest.
pub(super) fn check_not_empty(shape: &Shape, axes: &[usize]) -> Result<()> {
    match axes.iter().find(|&&axis| shape[axis] == 0) {
        None => Ok(()),
        Some(axis) => {
            let message = format!("axis {axis} of an operand of shape {shape} has no elements");
            Err(Error::new(ErrorKind::Shape, message).hint("nothing has no greatest and no least element"))
        }
    }
}

/// The mistake of an axis with more places than the element type counts exactly.
pub(super) fn check_countable<T: Element>(shape: &Shape, axis: usize) -> Result<()> {
    let (n, most) = (shape[axis], 2.0 / T::EPSILON.to_f64());
    if n as f64 <= most {
        return Ok(());
    }
    let message = format!("axis {axis} of an operand of shape {shape} has {n} places");
    let hint = format!("{} counts exactly to {most}; cast to f64", T::NAME);
    Err(Error::new(ErrorKind::Argument, message).hint(hint))
}

impl<T: Element> Op<T> for ExtremeValue {
    fn name(&self) -> &str {
        match self.extreme {
            Extreme::Greatest => "max",
            Extreme::Least => "min",
        }
    }

    fn formula(&self, operands: &[String]) -> String {
        reduction_formula(Op::<T>::name(self), &self.axes, self.keepdim, operands)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        check_not_empty(inputs[0], &self.axes)?;
        Ok(inputs[0].reduced(&self.axes, self.keepdim))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let done = match self.extreme {
            Extreme::Greatest => reduce_axes(inputs[0], &self.axes, output, &plainly(reduce::max)),
            Extreme::Least => reduce_axes(inputs[0], &self.axes, output, &plainly(reduce::min)),
        };
        Ok(done?)
    }

    fn joins(&self) -> Option<(Join, &[usize])> {
        let join = match self.extreme {
            Extreme::Greatest => Join::Greatest,
            Extreme::Least => Join::Least,
        };
        Some((join, &self.axes))
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let x = call.inputs[0];
        let kept = x.shape().reduced(&self.axes, true);
        let ties = apply(Equal, [x, call.output.reshape(&kept)]);
        // Constant wherever there is a derivative: detached, so that no further sweep walks through it.
        let share = (ties / ties.total(self.axes.clone(), true)).detach();
        Pullback::one(scaled(call.cotangent.reshape(kept), share))
    }
}

/// The place of the greatest or least along an axis, as a number.
#[derive(Clone, Debug, PartialEq, Hash)]
struct ExtremePlace {
    extreme: Extreme,
    axis: usize,
    keepdim: bool,
}

impl<T: Element> Op<T> for ExtremePlace {
    fn name(&self) -> &str {
        match self.extreme {
            Extreme::Greatest => "argmax",
            Extreme::Least => "argmin",
        }
    }

    fn formula(&self, operands: &[String]) -> String {
        reduction_formula(Op::<T>::name(self), &[self.axis], self.keepdim, operands)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        check_not_empty(inputs[0], &[self.axis])?;
        check_countable::<T>(inputs[0], self.axis)?;
        Ok(inputs[0].reduced(&[self.axis], self.keepdim))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let (outer, n, inner) = inputs[0].shape.around(self.axis);
        let kernel = match self.extreme {
            Extreme::Greatest => reduce::argmax,
            Extreme::Least => reduce::argmin,
        };
        Ok(scratch::with_places(output.len(), |places| {
            kernel(inputs[0].values, [outer, n, inner], places);
            output.iter_mut().zip(places).for_each(|(to, place)| *to = T::from_usize(*place));
        })?)
    }

    fn pullback<'t>(&self, _: &Call<'t, T>) -> Pullback<'t, T> {
        Pullback::new([None])
    }

    fn is_differentiable(&self) -> bool {
        false
    }
}

/// Reduces elements along the middle axis of three.
type Kernel<'a, T> = &'a dyn Fn(&[T], [usize; 3], &mut [T]) -> Result<(), NoMemory>;

/// A kernel that needs no memory.
fn plainly<T>(
    kernel: impl Fn(&[T], [usize; 3], &mut [T]),
) -> impl Fn(&[T], [usize; 3], &mut [T]) -> Result<(), NoMemory> {
    move |input, shape, output| {
        kernel(input, shape, output);
        Ok(())
    }
}

/// Reduces over axes, adjacent ones in one go, the last ones first.
///
/// # Errors
/// Memory for what is reduced further that cannot be had.
pub(super) fn reduce_axes<T: Element>(
    input: Operand<'_, T>,
    axes: &[usize],
    output: &mut [T],
    kernel: Kernel<'_, T>,
) -> Result<(), NoMemory> {
    let mut stretches: SmallVec<[(usize, usize); 4]> = SmallVec::new();
    for &axis in axes {
        match stretches.last_mut() {
            // Axes of length 1 between them count for nothing.
            Some((_, end)) if input.shape[*end..axis].iter().all(|&length| length == 1) => *end = axis + 1,
            _ => stretches.push((axis, axis + 1)),
        }
    }
    reduce_stretches((input.values, input.shape), &stretches, output, kernel)
}

/// Reduces the last stretch of axes, and what that gives along the others.
fn reduce_stretches<T: Element>(
    (values, shape): (&[T], &Shape),
    stretches: &[(usize, usize)],
    output: &mut [T],
    kernel: Kernel<'_, T>,
) -> Result<(), NoMemory> {
    let Some((&(start, end), others)) = stretches.split_last() else {
        output.copy_from_slice(values);
        return Ok(());
    };
    let volume = |axes: &[usize]| axes.iter().product::<usize>();
    let (outer, n, inner) = (volume(&shape[..start]), volume(&shape[start..end]), volume(&shape[end..]));
    if others.is_empty() {
        return kernel(values, [outer, n, inner], output);
    }
    scratch::with(Purpose::Results, outer * inner, |partial| {
        kernel(values, [outer, n, inner], partial)?;
        let shape = shape.reduced(&(start..end).collect::<Axes>(), true);
        reduce_stretches((partial, &shape), others, output, kernel)
    })?
}

/// `sum(%3, axes [0], keepdim)`.
pub(super) fn reduction_formula(name: &str, axes: &[usize], keepdim: bool, operands: &[String]) -> String {
    let keepdim = if keepdim { ", keepdim" } else { "" };
    format!("{name}({}, axes {axes:?}{keepdim})", operands[0])
}

impl<'t, T: Element> Var<'t, T> {
    /// The sum over axes that are known to exist, ascending.
    #[track_caller]
    pub(super) fn total(self, axes: Axes, keepdim: bool) -> Self {
        self.tape.record_shared(Sum { axes, keepdim }, &[self])
    }

    #[track_caller]
    fn extreme(self, extreme: Extreme, axes: Axes, keepdim: bool) -> Self {
        self.tape.record_shared(ExtremeValue { extreme, axes, keepdim }, &[self])
    }

    #[track_caller]
    fn extreme_axes(self, name: &str, extreme: Extreme, axes: &[isize], keepdim: bool) -> Self {
        self.with_shape(name, |shape| shape.axes(axes), |x, axes| x.extreme(extreme, axes, keepdim))
    }

    /// `y = Σᵢ xᵢ`: the sum of all elements, of shape `[]`. The sum of nothing is 0.
    ///
    /// In pairs, and pairs of pairs: the rounding error grows with the logarithm of the number of elements, and
    /// no number of threads changes a bit of it.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 5.0], [7.0, 3.0]]));
    /// assert_eq!(x.sum().item()?, 16.0);
    /// let [gx] = x.sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[1.0, 1.0], [1.0, 1.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn sum(self) -> Self {
        self.total((0..self.rank()).collect(), false)
    }

    /// The sum over some axes: `[2, 3, 4]` by `sum_axes(&[0, -1], false)` to `[3]`, with `keepdim` to `[1, 3, 1]`.
    ///
    /// Negative axes count from the end. Over none of them nothing changes, over an empty one the sum is 0.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range or named twice.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 5.0], [7.0, 3.0]]));
    /// let y = x.sum_axes(&[0], false);
    /// assert_eq!(y.value()?.to_vec(), [8.0, 8.0]);
    /// let [gx] = y.square().sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[16.0, 16.0], [16.0, 16.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn sum_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.with_shape("sum_axes", |shape| shape.axes(axes), |x, axes| x.total(axes, keepdim))
    }

    /// `y = maxᵢ xᵢ`: the greatest of all elements, of shape `[]`.
    ///
    /// NaN if an element is. Ties share the cotangent equally.
    ///
    /// # Errors
    /// Kept on the tape: there are no elements.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 5.0], [7.0, 3.0]]));
    /// assert_eq!(x.max().item()?, 7.0);
    /// let [gx] = x.max().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[0.0, 0.0], [1.0, 0.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn max(self) -> Self {
        self.extreme(Extreme::Greatest, (0..self.rank()).collect(), false)
    }

    /// The greatest over some axes; negative axes count from the end. Over none of them nothing changes.
    ///
    /// NaN where an element is. Ties share the cotangent equally; PyTorch's `max(dim)`, which also returns places, gives
    /// it to one of them, its `amax` shares as here.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range, named twice, or without elements.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 5.0], [7.0, 3.0]]));
    /// let y = x.max_axes(&[-1], true);
    /// assert_eq!(y.value()?, Tensor::from([[5.0], [7.0]]));
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[0.0, 1.0], [1.0, 0.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn max_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.extreme_axes("max_axes", Extreme::Greatest, axes, keepdim)
    }

    /// [`max_axes`](Var::max_axes) by PyTorch's name.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 5.0], [7.0, 3.0]]));
    /// let y = x.amax(&[1], true);
    /// assert_eq!(y.value()?, Tensor::from([[5.0], [7.0]]));
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[0.0, 1.0], [1.0, 0.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn amax(self, axes: &[isize], keepdim: bool) -> Self {
        self.extreme_axes("amax", Extreme::Greatest, axes, keepdim)
    }

    /// `y = minᵢ xᵢ`: the least of all elements, of shape `[]`.
    ///
    /// NaN if an element is. Ties share the cotangent equally.
    ///
    /// # Errors
    /// Kept on the tape: there are no elements.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 5.0], [7.0, 3.0]]));
    /// assert_eq!(x.min().item()?, 1.0);
    /// let [gx] = x.min().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[1.0, 0.0], [0.0, 0.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn min(self) -> Self {
        self.extreme(Extreme::Least, (0..self.rank()).collect(), false)
    }

    /// The least over some axes; negative axes count from the end. Over none of them nothing changes.
    ///
    /// NaN where an element is. Ties share the cotangent equally; PyTorch's `min(dim)`, which also returns places, gives
    /// it to one of them, its `amin` shares as here.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range, named twice, or without elements.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 5.0], [7.0, 3.0]]));
    /// let y = x.min_axes(&[-1], true);
    /// assert_eq!(y.value()?, Tensor::from([[1.0], [3.0]]));
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[1.0, 0.0], [0.0, 1.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn min_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.extreme_axes("min_axes", Extreme::Least, axes, keepdim)
    }

    /// [`min_axes`](Var::min_axes) by PyTorch's name.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 5.0], [7.0, 3.0]]));
    /// let y = x.amin(&[1], true);
    /// assert_eq!(y.value()?, Tensor::from([[1.0], [3.0]]));
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[1.0, 0.0], [0.0, 1.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn amin(self, axes: &[isize], keepdim: bool) -> Self {
        self.extreme_axes("amin", Extreme::Least, axes, keepdim)
    }

    /// The place of the greatest along an axis, as whole numbers in `T`: the first of several, or of the first NaN.
    ///
    /// It has no derivative: what is reached only through it counts as not reached.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range, without elements, or longer than `T` counts exactly (2²⁴ for `f32`).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 5.0], [7.0, 3.0]]));
    /// assert_eq!(x.argmax(1, false).value()?.to_vec(), [1.0, 0.0]);
    /// let y = (x * x.argmax(1, true)).sum();               // places count as numbers
    /// let [gx] = y.grad([x]);
    /// assert_eq!(gx.value()?, x.argmax(1, true).expand([2, 2]).value()?);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn argmax(self, axis: isize, keepdim: bool) -> Self {
        let op = |axis| ExtremePlace { extreme: Extreme::Greatest, axis, keepdim };
        self.with_shape("argmax", |shape| shape.axis(axis), |x, axis| x.tape.record_shared(op(axis), &[x]))
    }

    /// The place of the least along an axis, as whole numbers in `T`: the first of several, or of the first NaN.
    ///
    /// It has no derivative: what is reached only through it counts as not reached.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range, without elements, or longer than `T` counts exactly (2²⁴ for `f32`).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 5.0], [7.0, 3.0]]));
    /// assert_eq!(x.argmin(1, false).value()?.to_vec(), [0.0, 1.0]);
    /// let y = (x * x.argmin(1, true)).sum();               // places count as numbers
    /// let [gx] = y.grad([x]);
    /// assert_eq!(gx.value()?, x.argmin(1, true).expand([2, 2]).value()?);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn argmin(self, axis: isize, keepdim: bool) -> Self {
        let op = |axis| ExtremePlace { extreme: Extreme::Least, axis, keepdim };
        self.with_shape("argmin", |shape| shape.axis(axis), |x, axis| x.tape.record_shared(op(axis), &[x]))
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
