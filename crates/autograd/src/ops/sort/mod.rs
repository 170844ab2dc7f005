//! Orders along an axis: sorting, the first few, medians; and elements at places that were computed.
//!
//! An order is computed as numbers, which have no derivative; the elements are then taken at those places, and their
//! cotangents go back to the very same places. So a sort is a linear function of its operand.

pub(super) mod samples;

use super::arithmetic::scaled;
use super::elementwise::apply;
use super::functions::Equal;
use super::reduce::{check_countable, check_not_empty, reduction_formula};
use super::slice::with_length;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::kernels::sort::{self, NoPlace};
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;
use crate::tensor::shape::Axes;

/// The places of the first `count` elements along an axis, in ascending or descending order.
#[derive(Clone, Debug, PartialEq, Hash)]
struct ArgSort {
    axis: usize,
    count: usize,
    descending: bool,
}

impl<T: Element> Op<T> for ArgSort {
    fn name(&self) -> &str {
        "argsort"
    }

    fn formula(&self, operands: &[String]) -> String {
        let order = if self.descending { "descending" } else { "ascending" };
        format!("argsort({}, axis {}, first {}, {order})", operands[0], self.axis, self.count)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        check_countable::<T>(inputs[0], self.axis)?;
        Ok(with_length(inputs[0], self.axis, self.count))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let (_, n, inner) = inputs[0].shape.around(self.axis);
        Ok(sort::places(inputs[0].values, [n, self.count, inner], self.descending, output)?)
    }

    fn pullback<'t>(&self, _: &Call<'t, T>) -> Pullback<'t, T> {
        Pullback::new([None])
    }

    fn is_differentiable(&self) -> bool {
        false
    }
}

/// `y[.., j, ..] = x[.., places[.., j, ..], ..]` along an axis.
#[derive(Clone, Debug, PartialEq, Hash)]
struct TakeAlong {
    axis: usize,
}

/// The mistake of a number that is no place.
fn no_place(error: NoPlace, axis: usize, shape: &Shape) -> Error {
    let message = format!(
        "{} at position {} is no place on axis {axis} of length {} in shape {shape}",
        error.number, error.position, shape[axis]
    );
    Error::new(ErrorKind::Index, message).hint("places are whole numbers from 0 on, as argsort and argmax give them")
}

impl<T: Element> Op<T> for TakeAlong {
    fn name(&self) -> &str {
        "take_along"
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("take_along({}, axis {}, {})", operands[0], self.axis, operands[1])
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        let (x, places) = (inputs[0], inputs[1]);
        if x.len() != places.len() || *places != with_length(x, self.axis, places[self.axis]) {
            let message = format!("places of shape {places} do not fit an operand of shape {x}");
            let hint = format!("only the length of axis {} may differ", self.axis);
            return Err(Error::new(ErrorKind::Shape, message).hint(hint));
        }
        Ok(places.clone())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let (x, places) = (inputs[0], inputs[1]);
        let (_, n, inner) = x.shape.around(self.axis);
        sort::take(x.values, places.values, [n, places.shape[self.axis], inner], output)
            .map_err(|error| no_place(error, self.axis, x.shape))
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let back = PutAlong { axis: self.axis, n: call.inputs[0].shape()[self.axis] };
        Pullback::new([Some(call.cotangent.tape.record_shared(back, &[call.cotangent, call.inputs[1]])), None])
    }
}

/// `y[.., places[.., j, ..], ..] += x[.., j, ..]` along an axis of length `n`, from zeros: the adjoint.
#[derive(Clone, Debug, PartialEq, Hash)]
struct PutAlong {
    axis: usize,
    n: usize,
}

impl<T: Element> Op<T> for PutAlong {
    fn name(&self) -> &str {
        "put_along"
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("put_along({}, axis {} of length {}, {})", operands[0], self.axis, self.n, operands[1])
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok(with_length(inputs[0], self.axis, self.n))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], context: &Context<'_>) -> Result<()> {
        let (_, k, inner) = inputs[0].shape.around(self.axis);
        sort::put(inputs[0].values, inputs[1].values, [self.n, k, inner], output)
            .map_err(|error| no_place(error, self.axis, context.shape))
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let back = TakeAlong { axis: self.axis };
        Pullback::new([Some(call.cotangent.tape.record_shared(back, &[call.cotangent, call.inputs[1]])), None])
    }
}

/// The element of an axis that is number `rank` in ascending order. A primitive for speed, as nothing is sorted, and so
/// that ties share.
#[derive(Clone, Debug, PartialEq, Hash)]
struct OrderStatistic {
    axis: usize,
    rank: usize,
    keepdim: bool,
}

impl<T: Element> Op<T> for OrderStatistic {
    fn name(&self) -> &str {
        "order_statistic"
    }

    fn formula(&self, operands: &[String]) -> String {
        reduction_formula(&format!("number {} of sorted", self.rank), &[self.axis], self.keepdim, operands)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok(inputs[0].reduced(&[self.axis], self.keepdim))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let (_, n, inner) = inputs[0].shape.around(self.axis);
        Ok(sort::ranked(inputs[0].values, [n, self.rank, inner], output)?)
    }

    fn flops(&self, inputs: &[&Shape], _: &Shape) -> usize {
        inputs[0].volume()
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let x = call.inputs[0];
        let kept = x.shape().reduced(&[self.axis], true);
        let ties = apply(Equal, [x, call.output.reshape(&kept)]);
        // Constant wherever there is a derivative: detached, so that no further sweep walks through it.
        let share = (ties / ties.total(Axes::from_slice(&[self.axis]), true)).detach();
        Pullback::one(scaled(call.cotangent.reshape(kept), share))
    }
}

impl<'t, T: Element> Var<'t, T> {
    /// `y[.., j, ..] = x[.., places[.., j, ..], ..]` along an axis, with places that were computed: whole numbers, as
    /// [`argsort`](Var::argsort) and [`argmax`](Var::argmax) with `keepdim` give them. NumPy's `take_along_axis`.
    ///
    /// The shape is that of the places, which differs from that of `x` in the length of the axis only. A place may be named
    /// several times; its gradient is then the sum. The places have no derivative. For places that are known while
    /// recording see [`gather`](Var::gather).
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range; places of a shape that does not fit. When it is computed: a number that is
    /// no place on the axis.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([3.0, 1.0, 2.0]));
    /// let error = tape.input(Tensor::from([0.1, 0.9, 0.5]));
    /// let y = x.take_along(0, error.argmin(0, true));            // the element where another is least
    /// assert_eq!(y.value()?.to_vec(), [3.0]);
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.to_vec(), [1.0, 0.0, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn take_along(self, axis: isize, places: Self) -> Self {
        self.with_shape("take_along", |shape| shape.axis(axis), |x, axis| x.taken(axis, places))
    }

    #[track_caller]
    fn taken(self, axis: usize, places: Self) -> Self {
        self.tape.record_shared(TakeAlong { axis }, &[self, places])
    }

    /// The places of the elements along an axis in ascending or `descending` order, as whole numbers in `T`.
    ///
    /// Stable in either direction: equal elements keep their order. NaN counts as greater than every number. It has no
    /// derivative: what is reached only through it counts as not reached.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range, or longer than `T` counts exactly (2²⁴ for `f32`).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([3.0, 1.0, 2.0]));
    /// assert_eq!(x.argsort(0, false).value()?.to_vec(), [1.0, 2.0, 0.0]);
    /// let [gx] = (x * x.argsort(0, true)).sum().grad([x]);       // places count as numbers
    /// assert_eq!(gx.value()?.to_vec(), [0.0, 2.0, 1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn argsort(self, axis: isize, descending: bool) -> Self {
        let plan = |shape: &Shape| shape.axis(axis).map(|axis| (axis, shape[axis]));
        self.with_shape("argsort", plan, |x, (axis, count)| x.order(axis, count, descending))
    }

    #[track_caller]
    fn order(self, axis: usize, count: usize, descending: bool) -> Self {
        self.tape.record_shared(ArgSort { axis, count, descending }, &[self])
    }

    /// The elements along an axis in ascending or `descending` order, and the places that they come from.
    ///
    /// Stable in either direction: equal elements keep their order, and each gets its own cotangent. NaN counts as greater
    /// than every number.
    ///
    /// # Errors
    /// As [`argsort`](Var::argsort).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([3.0, 1.0, 2.0]));
    /// let (sorted, places) = x.sort(0, false);
    /// assert_eq!(sorted.value()?.to_vec(), [1.0, 2.0, 3.0]);
    /// assert_eq!(places.value()?.to_vec(), [1.0, 2.0, 0.0]);
    /// let [gx] = (sorted * tape.constant(Tensor::from([10.0, 20.0, 30.0]))).sum().grad([x]);
    /// assert_eq!(gx.value()?.to_vec(), [30.0, 10.0, 20.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn sort(self, axis: isize, descending: bool) -> (Self, Self) {
        let plan = |shape: &Shape| shape.axis(axis).map(|axis| (axis, shape[axis]));
        self.taken_in_order("sort", plan, descending)
    }

    /// The `k` greatest elements along an axis, the greatest first, and the places that they come from.
    ///
    /// `[2, 5]` by `topk(3, 1)` to `[2, 3]`, twice. Of equal elements the first come first, and each element gets its own
    /// cotangent. NaN counts as greater than every number. For the least elements take those of `-x`.
    ///
    /// # Errors
    /// As [`argsort`](Var::argsort); and `k` greater than the length of the axis.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([3.0, 1.0, 2.0]));
    /// let (greatest, places) = x.topk(2, 0);
    /// assert_eq!(greatest.value()?.to_vec(), [3.0, 2.0]);
    /// assert_eq!(places.value()?.to_vec(), [0.0, 2.0]);
    /// let [gx] = greatest.square().sum().grad([x]);
    /// assert_eq!(gx.value()?.to_vec(), [6.0, 0.0, 4.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn topk(self, k: usize, axis: isize) -> (Self, Self) {
        let plan = |shape: &Shape| {
            let counted = shape.axis(axis)?;
            if k > shape[counted] {
                let message = format!("the {k} greatest along axis {axis} of shape {shape}");
                let hint = format!("the axis has {} elements", shape[counted]);
                return Err(Error::new(ErrorKind::Argument, message).hint(hint));
            }
            Ok((counted, k))
        };
        self.taken_in_order("topk", plan, true)
    }

    /// The elements at the first places in an order, and the places.
    #[track_caller]
    fn taken_in_order(
        self,
        name: &str,
        plan: impl FnOnce(&Shape) -> Result<(usize, usize)>,
        descending: bool,
    ) -> (Self, Self) {
        let mut axis_taken = 0;
        let order = self.with_shape(name, plan, |x, (axis, count)| {
            axis_taken = axis;
            x.order(axis, count, descending)
        });
        if order.is_poisoned() { (order, order) } else { (self.taken(axis_taken, order), order) }
    }

    /// The greatest elements along an axis, and their places as whole numbers in `T`: the first of several.
    ///
    /// Unlike [`max_axes`](Var::max_axes), where ties share, all of the cotangent goes to the place that is returned. NaN
    /// if an element is; then the place is that of the first NaN.
    ///
    /// # Errors
    /// As [`argmax`](Var::argmax).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[5.0, 5.0], [7.0, 3.0]]));
    /// let (greatest, places) = x.max_with_indices(1, false);
    /// assert_eq!(greatest.value()?.to_vec(), [5.0, 7.0]);
    /// assert_eq!(places.value()?.to_vec(), [0.0, 0.0]);
    /// let [gx] = greatest.sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[1.0, 0.0], [1.0, 0.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn max_with_indices(self, axis: isize, keepdim: bool) -> (Self, Self) {
        self.with_places(self.argmax(axis, true), axis, keepdim)
    }

    /// The least elements along an axis, and their places. See [`max_with_indices`](Var::max_with_indices).
    ///
    /// # Errors
    /// As [`argmin`](Var::argmin).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[5.0, 5.0], [7.0, 3.0]]));
    /// let (least, places) = x.min_with_indices(1, false);
    /// assert_eq!(least.value()?.to_vec(), [5.0, 3.0]);
    /// assert_eq!(places.value()?.to_vec(), [0.0, 1.0]);
    /// let [gx] = least.sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[1.0, 0.0], [0.0, 1.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn min_with_indices(self, axis: isize, keepdim: bool) -> (Self, Self) {
        self.with_places(self.argmin(axis, true), axis, keepdim)
    }

    #[track_caller]
    fn with_places(self, places: Self, axis: isize, keepdim: bool) -> (Self, Self) {
        let taken = self.take_along(axis, places);
        match keepdim || taken.is_poisoned() {
            true => (taken, places),
            false => (taken.squeeze_axis(axis), places.squeeze_axis(axis)),
        }
    }

    /// The median of all elements, of shape `[]`: the one in the middle of their order, the mean of the two in the middle
    /// for an even count (PyTorch returns the lower one).
    ///
    /// NaN if an element is. The cotangent goes to the one in the middle, half of it to each of two; elements that are equal
    /// to it share its part equally. Found by selection, nothing is sorted (C. Hoare, *Algorithm 65: Find*, 1961).
    ///
    /// # Errors
    /// Kept on the tape: there are no elements.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([4.0, 1.0, 3.0, 9.0]));
    /// assert_eq!(x.median().item()?, 3.5);
    /// let [gx] = x.median().grad([x]);
    /// assert_eq!(gx.value()?.to_vec(), [0.5, 0.0, 0.5, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn median(self) -> Self {
        let plan = |shape: &Shape| match shape.volume() {
            0 => check_not_empty(&Shape::from([0]), &[0]).map(|()| 0),
            n => Ok(n),
        };
        self.with_shape("median", plan, |x, _| x.flatten().middle(0, false))
    }

    /// The median along an axis. See [`median`](Var::median).
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range or without elements.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[4.0, 1.0, 3.0], [2.0, 2.0, 9.0]]));
    /// let y = x.median_axis(1, true);
    /// assert_eq!(y.value()?, Tensor::from([[3.0], [2.0]]));
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[0.0, 0.0, 1.0], [0.5, 0.5, 0.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn median_axis(self, axis: isize, keepdim: bool) -> Self {
        let plan = |shape: &Shape| shape.axis(axis).and_then(|axis| check_not_empty(shape, &[axis]).map(|()| axis));
        self.with_shape("median_axis", plan, |x, axis| x.middle(axis, keepdim))
    }

    #[track_caller]
    fn middle(self, axis: usize, keepdim: bool) -> Self {
        let n = self.shape()[axis];
        let number = |rank| self.tape.record_shared(OrderStatistic { axis, rank, keepdim }, &[self]);
        match n % 2 {
            1 => number(n / 2),
            // Halved before they are added: no overflow.
            _ => number(n / 2 - 1) * T::of(0.5) + number(n / 2) * T::of(0.5),
        }
    }
}
