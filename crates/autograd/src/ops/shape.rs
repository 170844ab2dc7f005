//! Other axes for the same elements: reshaping and repeating.

use std::panic::Location;

use ndarray::ArrayD;
use smallvec::SmallVec;

use super::registry::{Sample, Text, spread};
use super::samples::widened;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// The same elements in row-major order under another shape.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Reshape(Shape);

impl<T: Element> Op<T> for Reshape {
    fn name(&self) -> &str {
        "reshape"
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("reshape({}, {})", operands[0], self.0)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        if self.0.checked_volume()? != inputs[0].volume() {
            let message = format!("{} elements of shape {} do not fit shape {}", inputs[0].volume(), inputs[0], self.0);
            return Err(Error::new(ErrorKind::Shape, message));
        }
        Ok(self.0.clone())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        output.copy_from_slice(inputs[0].values);
        Ok(())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        Pullback::one(call.cotangent.reshape(call.inputs[0].shape()))
    }

    fn is_view(&self) -> bool {
        true
    }
}

/// The same value, through which no derivative passes.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Detach;

impl<T: Element> Op<T> for Detach {
    fn name(&self) -> &str {
        "detach"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok(inputs[0].clone())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        output.copy_from_slice(inputs[0].values);
        Ok(())
    }

    fn pullback<'t>(&self, _: &Call<'t, T>) -> Pullback<'t, T> {
        Pullback::new([None])
    }

    fn is_view(&self) -> bool {
        true
    }

    fn is_differentiable(&self) -> bool {
        false
    }
}

/// The elements repeated along new leading axes and axes of length 1.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Expand(Shape);

impl<T: Element> Op<T> for Expand {
    fn name(&self) -> &str {
        "expand"
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("expand({}, {})", operands[0], self.0)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        match inputs[0].broadcast(&self.0) {
            Some(shape) if shape == self.0 => Ok(shape),
            _ => Err(Error::new(ErrorKind::Shape, format!("shape {} can't be repeated to {}", inputs[0], self.0))
                .hint("axes are aligned at the end, and only axes of length 1 repeat")),
        }
    }

    fn run(&self, _: &[Operand<'_, T>], _: &mut [T], _: &Context<'_>) -> Result<()> {
        Err(Error::new(ErrorKind::Argument, "a broadcast is run by the block interpreter"))
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        // The sweep sums over the repeated axes.
        Pullback::one(call.cotangent)
    }

    fn is_broadcast(&self) -> bool {
        true
    }
}

impl<'t, T: Element> Var<'t, T> {
    /// Records what `plan` finds out about the shape; a mistake is kept on the tape under the name of the op.
    #[track_caller]
    pub(super) fn with_shape<P>(
        self,
        name: &str,
        plan: impl FnOnce(&Shape) -> Result<P>,
        record: impl FnOnce(Self, P) -> Self,
    ) -> Self {
        if self.is_poisoned() {
            return self;
        }
        match plan(&self.shape()) {
            Ok(plan) => self.tape.on_line(Location::caller(), || record(self, plan)),
            Err(error) => self.tape.fail(error.op(name)),
        }
    }

    /// `y[j] = x[j]`, with places counted in row-major order: the same elements under another shape.
    ///
    /// `[2, 3]` to `[3, 2]`, `[6]`, `[1, 6, 1]` and so on; nothing is copied. For a length to be found out see
    /// [`reshape_infer`](Var::reshape_infer).
    ///
    /// # Errors
    /// Kept on the tape: the shape has another number of elements.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// let y = x.reshape([4]);
    /// assert_eq!(y.value()?.to_vec(), [1.0, 2.0, 3.0, 4.0]);
    /// let [gx] = (y * tape.constant(Tensor::from([1.0, 0.0, 0.0, 5.0]))).sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[1.0, 0.0], [0.0, 5.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn reshape(self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        match self.is_poisoned() || self.shape() == shape {
            true => self,
            false => self.tape.record_shared(Reshape(shape), &[self]),
        }
    }

    /// [`reshape`](Var::reshape) with one length given as −1, which follows from the others.
    ///
    /// # Errors
    /// Kept on the tape: more than one length is negative, or one is below −1; the elements don't divide evenly; the
    /// other lengths have the product 0, so that any length would do.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]));
    /// let y = x.reshape_infer(&[3, -1]);
    /// assert_eq!(y.value()?, Tensor::from([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]));
    /// let [gx] = y.square().sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[2.0, 4.0, 6.0], [8.0, 10.0, 12.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn reshape_infer(self, lengths: &[isize]) -> Self {
        let infer = |shape: &Shape| {
            let given = lengths.iter().filter(|&&length| length >= 0).map(|&length| length as usize);
            let known = Shape::collect(given).checked_volume()?;
            let open = lengths.iter().filter(|&&length| length < 0).count();
            let fits = known > 0 && shape.volume().is_multiple_of(known);
            if lengths.iter().any(|&length| length < -1) || open > 1 || (open == 1 && !fits) {
                let message = format!("{} elements of shape {shape} do not fit {lengths:?}", shape.volume());
                let hint = "one length may be -1, and the others must divide the number of elements";
                return Err(Error::new(ErrorKind::Shape, message).hint(hint));
            }
            Ok(Shape::collect(lengths.iter().map(|&length| match length {
                -1 => shape.volume() / known,
                length => length as usize,
            })))
        };
        self.with_shape("reshape_infer", infer, |x, shape| x.reshape(shape))
    }

    /// All elements in one axis, in row-major order: shape `[x.len()]`; a number becomes `[1]`.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// assert_eq!(x.flatten().value()?.to_vec(), [1.0, 2.0, 3.0, 4.0]);
    /// let [gx] = x.flatten().square().sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[2.0, 4.0], [6.0, 8.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn flatten(self) -> Self {
        self.with_shape("flatten", |shape| Ok([shape.volume()]), |x, shape| x.reshape(shape))
    }

    /// The axes from `start` to `end`, both included, as one: `[2, 3, 4, 5]` by `flatten_axes(1, -2)` to `[2, 12, 5]`.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range; `start` behind `end`.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::<f64>::ones([2, 3, 4]));
    /// let y = x.flatten_axes(1, -1);
    /// assert_eq!(y.value()?, Tensor::ones([2, 12]));
    /// let [gx] = y.square().sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::full([2, 3, 4], 2.0));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn flatten_axes(self, start: isize, end: isize) -> Self {
        let plan = |shape: &Shape| {
            let (first, last) = (shape.axis(start)?, shape.axis(end)?);
            if first > last {
                let message = format!("axis {start} lies behind axis {end} of shape {shape}");
                return Err(Error::new(ErrorKind::Axis, message).hint("name the first axis, then the last"));
            }
            let middle = shape[first..=last].iter().product();
            Ok(Shape::collect(shape[..first].iter().copied().chain([middle]).chain(shape[last + 1..].iter().copied())))
        };
        self.with_shape("flatten_axes", plan, |x, shape| x.reshape(shape))
    }

    /// Without the axes of length 1: `[1, 3, 1]` to `[3]`.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[2.0], [3.0]]));
    /// assert_eq!(x.squeeze().value()?, Tensor::from([2.0, 3.0]));
    /// let [gx] = x.squeeze().square().sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[4.0], [6.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn squeeze(self) -> Self {
        let plan = |shape: &Shape| Ok(Shape::collect(shape.iter().copied().filter(|&length| length != 1)));
        self.with_shape("squeeze", plan, |x, shape| x.reshape(shape))
    }

    /// Without one axis of length 1: `[1, 3, 1]` by `squeeze_axis(-1)` to `[1, 3]`.
    ///
    /// # Errors
    /// Kept on the tape: the axis is out of range, or is not of length 1. (PyTorch then does nothing.)
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[2.0], [3.0]]));
    /// assert_eq!(x.squeeze_axis(-1).value()?, Tensor::from([2.0, 3.0]));
    /// let [gx] = x.squeeze_axis(-1).square().sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[4.0], [6.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn squeeze_axis(self, axis: isize) -> Self {
        let plan = |shape: &Shape| {
            let counted = shape.axis(axis)?;
            match shape[counted] {
                1 => Ok(shape.reduced(&[counted], false)),
                length => {
                    let message = format!("axis {axis} of shape {shape} has length {length}");
                    Err(Error::new(ErrorKind::Axis, message).hint("only an axis of length 1 can be left out"))
                }
            }
        };
        self.with_shape("squeeze_axis", plan, |x, shape| x.reshape(shape))
    }

    /// With a new axis of length 1, which has the number `axis` in the result: `[3]` by `unsqueeze(0)` to `[1, 3]`, by
    /// `unsqueeze(-1)` to `[3, 1]`.
    ///
    /// # Errors
    /// Kept on the tape: the result has no such axis.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([2.0, 3.0]));
    /// assert_eq!(x.unsqueeze(-1).value()?, Tensor::from([[2.0], [3.0]]));
    /// let [gx] = x.unsqueeze(-1).square().sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([4.0, 6.0]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn unsqueeze(self, axis: isize) -> Self {
        self.with_shape("unsqueeze", |shape| with_axis(shape, axis), |x, (shape, _)| x.reshape(shape))
    }

    /// The elements repeated along new leading axes and along axes of length 1: `[3, 1]` to `[2, 3, 4]`.
    ///
    /// By NumPy's rule of broadcasting: axes are aligned at the end. A cotangent is summed over the repeated axes.
    ///
    /// # Errors
    /// Kept on the tape: an axis of another length than 1 would have to change.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0], [2.0]]));
    /// let y = x.expand([2, 3]);
    /// assert_eq!(y.value()?, Tensor::from([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]));
    /// let [gx] = y.square().sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[6.0], [12.0]]));     // three times 2x
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn expand(self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        match self.is_poisoned() || self.shape() == shape {
            true => self,
            false => self.tape.record_shared(Expand(shape), &[self]),
        }
    }

    /// [`expand`](Var::expand) by the name that NumPy has for it.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0]));
    /// let y = x.broadcast_to([3, 2]);
    /// assert_eq!(y.value()?, Tensor::from([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]));
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([3.0, 3.0]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn broadcast_to(self, shape: impl Into<Shape>) -> Self {
        self.expand(shape)
    }

    /// `y = x`, through which no derivative passes.
    ///
    /// What is reached only through it counts as not reached: asking for its gradient is an error that says so.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([3.0]));
    /// let y = (x * x.detach()).sum();
    /// assert_eq!(y.item()?, 9.0);
    /// let [gx] = y.grad([x]);                          // the second factor counts as a number
    /// assert_eq!(gx.value()?, Tensor::from([3.0]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn detach(self) -> Self {
        self.tape.record_static(&Detach, &[self])
    }

    /// `x` repeated `counts[i]` times along axis `i`, one copy behind the other: `[2, 3]` by `repeat(&[1, 2])` to
    /// `[2, 6]`.
    ///
    /// Further counts at the front make new axes: `[3]` by `repeat(&[4, 2])` to `[4, 6]`. As PyTorch's `repeat`.
    ///
    /// # Errors
    /// Kept on the tape: fewer counts than axes. See [`tile`](Var::tile).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0]));
    /// let y = x.repeat(&[2]);
    /// assert_eq!(y.value()?.to_vec(), [1.0, 2.0, 1.0, 2.0]);
    /// let [gx] = y.square().sum().grad([x]);
    /// assert_eq!(gx.value()?.to_vec(), [4.0, 8.0]);             // twice 2x
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn repeat(self, counts: &[usize]) -> Self {
        let plan = |shape: &Shape| {
            let Some(new) = counts.len().checked_sub(shape.len()) else {
                let message =
                    format!("{} counts {counts:?} for the {} axes of shape {shape}", counts.len(), shape.len());
                let hint = "give one count for each axis, 1 for an axis that stays; tile() adds those at the front";
                return Err(Error::new(ErrorKind::Shape, message).hint(hint));
            };
            // Each axis gets a companion before it, along which the whole of it repeats.
            let lengths: SmallVec<[usize; 8]> = std::iter::repeat_n(1, new).chain(shape.iter().copied()).collect();
            let apart = Shape::collect(lengths.iter().flat_map(|&length| [1, length]));
            let repeated = Shape::collect(counts.iter().zip(&lengths).flat_map(|(&count, &length)| [count, length]));
            let product = |(&count, &length): (&usize, &usize)| {
                count.checked_mul(length).ok_or_else(|| {
                    Error::new(ErrorKind::Shape, format!("shape {shape} by counts {counts:?} is too large for memory"))
                })
            };
            let joined = counts.iter().zip(&lengths).map(product).collect::<Result<SmallVec<[usize; 8]>>>()?;
            Ok([apart, repeated, Shape::collect(joined)])
        };
        self.with_shape("repeat", plan, |x, [apart, repeated, joined]| {
            x.reshape(apart).expand(repeated).reshape(joined)
        })
    }

    /// [`repeat`](Var::repeat), with a count of 1 for each axis at the front that has none: `[2, 3]` by `tile(&[2])` to
    /// `[2, 6]`. As NumPy's `tile`.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0], [2.0]]));
    /// let y = x.tile(&[2]);
    /// assert_eq!(y.value()?, Tensor::from([[1.0, 1.0], [2.0, 2.0]]));
    /// let [gx] = y.square().sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[4.0], [8.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn tile(self, counts: &[usize]) -> Self {
        let missing = self.rank().saturating_sub(counts.len());
        let counts: SmallVec<[usize; 8]> = std::iter::repeat_n(1, missing).chain(counts.iter().copied()).collect();
        self.repeat(&counts)
    }
}

/// The shape with a new axis of length 1, and the number of that axis.
pub(super) fn with_axis(shape: &Shape, axis: isize) -> Result<(Shape, usize)> {
    let new = Shape::collect(shape.iter().copied().chain([1]));
    let counted = new.axis(axis).map_err(|_| {
        let message = format!("axis {axis} for the new axis of an operand of shape {shape}");
        let rank = new.len();
        Error::new(ErrorKind::Axis, message).hint(format!("it can be 0 to {}, or -1 to -{rank} from the end", rank - 1))
    })?;
    let lengths = shape[..counted].iter().copied().chain([1]).chain(shape[counted..].iter().copied());
    Ok((Shape::collect(lengths), counted))
}

/// A sample with one input, whose reference is the input under the shape of the result.
fn reshaping<T: Element>(
    label: &str,
    from: &[usize],
    to: &[usize],
    function: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T> + 'static,
) -> Sample<T> {
    let to = to.to_vec();
    Sample::new(
        label,
        [spread(from, -2.0, 2.0, 3)],
        move |x| function(x[0]),
        move |x| {
            let mut elements = x[0].iter().copied();
            ArrayD::from_shape_simple_fn(to.clone(), || elements.next().unwrap_or(f64::NAN))
        },
    )
}

/// What the docs say of `reshape`.
pub(super) const RESHAPE: Text =
    Text::primitive("y = the elements of x in row-major order under another shape", "g under the shape of x", "");

/// Samples of `reshape` and of what is made of it.
pub(super) fn reshape_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        vec![
            reshaping("to a vector", &[2, 3], &[6], |x| x.reshape([6])),
            reshaping("of a number", &[], &[1, 1], |x| x.reshape([1, 1])),
            reshaping("of nothing", &[0, 3], &[2, 0], |x| x.reshape([2, 0])),
            reshaping("one length inferred", &[2, 6], &[3, 2, 2], |x| x.reshape_infer(&[3, -1, 2])),
            reshaping("flatten", &[2, 3, 2], &[12], |x| x.flatten()),
            reshaping("flatten a number", &[], &[1], |x| x.flatten()),
            reshaping("flatten axes 1 to -2", &[2, 3, 2, 2], &[2, 6, 2], |x| x.flatten_axes(1, -2)),
            reshaping("squeeze", &[1, 3, 1, 2], &[3, 2], |x| x.squeeze()),
            reshaping("squeeze axis -2", &[1, 3, 1, 2], &[1, 3, 2], |x| x.squeeze_axis(-2)),
            reshaping("unsqueeze axis -1", &[2, 3], &[2, 3, 1], |x| x.unsqueeze(-1)),
            reshaping("unsqueeze a number", &[], &[1], |x| x.unsqueeze(0)),
        ]
    })
}

/// What the docs say of `expand`.
pub(super) const EXPAND: Text = Text::primitive(
    "y = x repeated along new axes and axes of length 1; repeat and tile are made of it",
    "Σ g over the repeated axes",
    "",
);

/// Samples of `expand`, `repeat` and `tile`.
pub(super) fn expand_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let expand = |label: &str, from: &[usize], to: &'static [usize]| {
            Sample::new(
                label,
                [spread(from, -2.0, 2.0, 3)],
                move |x| x[0].expand(to),
                move |x| x[0].broadcast(to).map_or_else(|| ArrayD::zeros(vec![]), |x| x.to_owned()),
            )
        };
        // Element j of a repeated axis is element j modulo the length.
        let repeat = |label: &str, from: &[usize], counts: &'static [usize]| {
            Sample::new(
                label,
                [spread(from, -2.0, 2.0, 3)],
                move |x| x[0].tile(counts),
                move |x| {
                    let rank = counts.len().max(x[0].ndim());
                    let at_front = |list: &[usize]| [vec![1; rank - list.len()], list.to_vec()].concat();
                    let (counts, lengths) = (at_front(counts), at_front(x[0].shape()));
                    let shape: Vec<usize> = counts.iter().zip(&lengths).map(|(count, length)| count * length).collect();
                    let new = rank - x[0].ndim();
                    ArrayD::from_shape_fn(shape, |place| {
                        let own: Vec<usize> = (new..rank).map(|axis| place[axis] % lengths[axis]).collect();
                        x[0][&*own]
                    })
                },
            )
        };
        vec![
            expand("a number", &[], &[2, 3]),
            expand("inner and new axes", &[3, 1], &[2, 3, 2]),
            expand("to nothing", &[1, 2], &[0, 2]),
            expand("an empty axis", &[0, 1], &[0, 3]),
            repeat("repeat both axes", &[2, 3], &[2, 2]),
            repeat("repeat with a new axis", &[3], &[2, 2]),
            repeat("repeat a number", &[], &[3]),
            repeat("repeat none", &[2], &[0]),
            repeat("tile the last axis", &[2, 2], &[3]),
        ]
    })
}
