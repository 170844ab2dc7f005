//! Parts of an axis: narrow, slice, split, chunk; and pad, which is the reverse.

use std::ops::{Bound, RangeBounds};
use std::rc::Rc;

use ndarray::{ArrayD, Axis, Slice as Part};
use smallvec::SmallVec;

use super::assemble::Assemble;
use super::registry::{Sample, Text, spread};
use super::samples::widened;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::gather::{self, Walk};
use crate::kernels::number::Element;
use crate::tape::op::{Call, Context, Layout, Op, OpRef, Operand, Pullback};
use crate::tape::var::{POISONED, Var};
use crate::tensor::Shape;

/// The places `start`, `start + step`, ... of an axis; `count` of them.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(super) struct Slice {
    pub(super) axis: usize,
    pub(super) start: usize,
    pub(super) step: usize,
    pub(super) count: usize,
}

impl Slice {
    /// Along an axis of a shape.
    pub(super) fn walk(&self, shape: &Shape) -> Walk {
        let (outer, n, inner) = shape.around(self.axis);
        Walk { outer, n, inner, start: self.start, step: self.step, count: self.count }
    }
}

/// The same shape with another length of one axis.
pub(super) fn with_length(shape: &Shape, axis: usize, length: usize) -> Shape {
    Shape::collect(shape.iter().enumerate().map(|(i, &own)| if i == axis { length } else { own }))
}

impl<T: Element> Op<T> for Slice {
    fn name(&self) -> &str {
        "slice"
    }

    fn formula(&self, operands: &[String]) -> String {
        let Slice { axis, start, step, count } = self;
        let step = if *step == 1 { String::new() } else { format!(", step {step}") };
        format!("slice({}, axis {axis}, {count} from {start}{step})", operands[0])
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok(with_length(inputs[0], self.axis, self.count))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        gather::slice(inputs[0].values, self.walk(inputs[0].shape), output);
        Ok(())
    }

    fn layout(&self, input: &Shape) -> Option<Layout> {
        let mut strides = input.strides();
        let offset = self.start * strides[self.axis];
        if self.count > 1 {
            strides[self.axis] *= self.step;
        }
        Some(Layout { offset, strides })
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let n = call.inputs[0].shape()[self.axis];
        Pullback::one(call.cotangent.tape.record_shared(Embed { part: self.clone(), n, fill: 0 }, &[call.cotangent]))
    }
}

/// The reverse of a slice: the elements at its places along an axis of length `n`, the fill everywhere else.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Embed {
    part: Slice,
    n: usize,
    /// The bits of the number as f64, which hash.
    fill: u64,
}

impl<T: Element> Op<T> for Embed {
    fn name(&self) -> &str {
        "pad"
    }

    fn formula(&self, operands: &[String]) -> String {
        let Slice { axis, start, step, .. } = self.part;
        let step = if step == 1 { String::new() } else { format!(", step {step}") };
        let fill = f64::from_bits(self.fill);
        format!("pad({}, axis {axis}, from {start}{step} of {} x {fill})", operands[0], self.n)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok(with_length(inputs[0], self.part.axis, self.n))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], context: &Context<'_>) -> Result<()> {
        gather::embed(inputs[0].values, self.part.walk(context.shape), T::of(f64::from_bits(self.fill)), output);
        Ok(())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        Pullback::one(call.cotangent.tape.record_shared(self.part.clone(), &[call.cotangent]))
    }

    fn is_part(&self) -> bool {
        self.fill == 0
    }

    fn assembled(&self, parts: &[&dyn Op<T>]) -> Option<OpRef<T>> {
        let embeds = parts.iter().map(|part| part.as_any().downcast_ref::<Embed>());
        let fits = |embed: &Embed| embed.part.axis == self.part.axis && embed.n == self.n && embed.fill == 0;
        let parts: Option<_> = embeds.map(|embed| Some(embed.filter(|embed| fits(embed))?.part.clone())).collect();
        Some(OpRef::Shared(Rc::new(Assemble::of(self.n, parts?))))
    }
}

/// A range as it is written.
fn text_of(range: &impl RangeBounds<isize>) -> String {
    let start = match range.start_bound() {
        Bound::Unbounded => String::new(),
        Bound::Included(start) => start.to_string(),
        Bound::Excluded(start) => start.saturating_add(1).to_string(),
    };
    match range.end_bound() {
        Bound::Unbounded => start + "..",
        Bound::Included(end) => format!("{start}..={end}"),
        Bound::Excluded(end) => format!("{start}..{end}"),
    }
}

/// The places of an axis of length `n` that a range names; negative ends count from the end.
fn places(range: impl RangeBounds<isize>, n: usize) -> Option<(usize, usize)> {
    let counted = |place: isize| if place < 0 { n.checked_sub(place.unsigned_abs()) } else { Some(place as usize) };
    let start = match range.start_bound() {
        Bound::Unbounded => 0,
        Bound::Included(&start) => counted(start)?,
        Bound::Excluded(&start) => counted(start)? + 1,
    };
    let end = match range.end_bound() {
        Bound::Unbounded => n,
        Bound::Included(&end) => counted(end)? + 1,
        Bound::Excluded(&end) => counted(end)?,
    };
    (start <= end && end <= n).then_some((start, end))
}

impl<'t, T: Element> Var<'t, T> {
    #[track_caller]
    fn part(self, part: Slice) -> Self {
        let whole = part.step == 1 && part.count == self.shape()[part.axis];
        if whole { self } else { self.tape.record_shared(part, &[self]) }
    }

    /// The reverse of a slice: the elements of an axis `step` apart from `start` on, along an axis of length `n`, zeros
    /// between them.
    #[track_caller]
    pub(super) fn spaced(self, axis: usize, start: usize, step: usize, n: usize) -> Self {
        let part = Slice { axis, start, step, count: self.shape()[axis] };
        self.tape.record_shared(Embed { part, n, fill: 0 }, &[self])
    }

    /// `y[.., j, ..] = x[.., start + j, ..]` for `length` places of one axis.
    ///
    /// `[2, 6]` by `narrow(-1, 1, 3)` to `[2, 3]`. The cotangent of all other elements is zero.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range; places beyond its end.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0, 3.0, 4.0]));
    /// let y = x.narrow(0, 1, 2);
    /// assert_eq!(y.value()?.to_vec(), [2.0, 3.0]);
    /// let [gx] = y.square().sum().grad([x]);
    /// assert_eq!(gx.value()?.to_vec(), [0.0, 4.0, 6.0, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn narrow(self, axis: isize, start: usize, length: usize) -> Self {
        let plan = |shape: &Shape| {
            let counted = shape.axis(axis)?;
            let n = shape[counted];
            if start.checked_add(length).is_none_or(|end| end > n) {
                let message = format!("{length} places from {start} on along axis {axis} of shape {shape}");
                return Err(Error::new(ErrorKind::Index, message).hint(format!("the axis has length {n}")));
            }
            Ok(Slice { axis: counted, start, step: 1, count: length })
        };
        self.with_shape("narrow", plan, Self::part)
    }

    /// `y[.., j, ..] = x[.., start + j · step, ..]`: every `step`-th place of a range of one axis.
    ///
    /// Negative ends of the range count from the end of the axis: `x.slice(0, ..-1, 1)` leaves out the last place,
    /// `x.slice(0, -3.., 1)` keeps the last three. Ends are never moved to fit, as they are in Python. Clippy takes a literal
    /// `1..-1` for an empty range: slice twice, by `1..` and by `..-1`. For a negative step see [`flip`](Var::flip).
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range; a range that is not inside it; a step of 0.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0, 3.0, 4.0, 5.0]));
    /// let y = x.slice(0, 1.., 2);
    /// assert_eq!(y.value()?.to_vec(), [2.0, 4.0]);
    /// let [gx] = y.square().sum().grad([x]);
    /// assert_eq!(gx.value()?.to_vec(), [0.0, 4.0, 0.0, 8.0, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn slice(self, axis: isize, range: impl RangeBounds<isize>, step: usize) -> Self {
        let plan = |shape: &Shape| {
            let counted = shape.axis(axis)?;
            if step == 0 {
                let message = format!("a step of 0 along axis {axis} of shape {shape}");
                return Err(Error::new(ErrorKind::Argument, message).hint("the step is 1 or more"));
            }
            let text = text_of(&range);
            let Some((start, end)) = places(range, shape[counted]) else {
                let message = format!("the range {text} along axis {axis} of shape {shape}");
                let hint = format!("the axis has length {}, negative ends count from its end", shape[counted]);
                return Err(Error::new(ErrorKind::Index, message).hint(hint));
            };
            Ok(Slice { axis: counted, start, step, count: (end - start).div_ceil(step) })
        };
        self.with_shape("slice", plan, Self::part)
    }

    /// The axis cut into parts of these lengths, one behind the other. The reverse of [`cat`](super::cat).
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range; lengths whose sum isn't that of the axis. There are as many parts as
    /// lengths even then.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0, 3.0]));
    /// let parts = x.split(&[1, 2], 0);
    /// assert_eq!(parts[1].value()?.to_vec(), [2.0, 3.0]);
    /// let [gx] = (parts[0] * parts[1]).sum().grad([x]);          // x0 (x1 + x2)
    /// assert_eq!(gx.value()?.to_vec(), [5.0, 1.0, 1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn split(self, lengths: &[usize], axis: isize) -> Vec<Self> {
        self.split_as("split", lengths, axis)
    }

    #[track_caller]
    fn split_as(self, name: &str, lengths: &[usize], axis: isize) -> Vec<Self> {
        let poisoned = vec![Var { tape: self.tape, id: POISONED }; lengths.len().max(1)];
        if self.is_poisoned() {
            return poisoned;
        }
        let shape = self.shape();
        let sum = lengths.iter().try_fold(0usize, |sum, &length| sum.checked_add(length));
        let counted = match shape.axis(axis) {
            Ok(counted) if sum == Some(shape[counted]) => counted,
            Ok(counted) => {
                let message = format!("lengths {lengths:?} along axis {axis} of shape {shape}");
                let error = Error::new(ErrorKind::Shape, message).op(name);
                self.tape.fail(error.hint(format!("the lengths must sum to that of the axis, {}", shape[counted])));
                return poisoned;
            }
            Err(error) => {
                self.tape.fail(error.op(name));
                return poisoned;
            }
        };
        let mut start = 0;
        let mut parts = Vec::with_capacity(lengths.len());
        for &count in lengths {
            parts.push(self.part(Slice { axis: counted, start, step: 1, count }));
            start += count;
        }
        parts
    }

    /// The axis cut into at most `count` parts of equal length; the last one may be shorter. As PyTorch's `chunk`.
    ///
    /// An axis of length 7 in 3 chunks gives 3, 3 and 1 places; of length 4 in 3 chunks 2 and 2. An empty axis gives one
    /// empty part.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range; no chunks.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0, 3.0]));
    /// let parts = x.chunk(2, 0);
    /// assert_eq!((parts[0].value()?.to_vec(), parts[1].value()?.to_vec()), (vec![1.0, 2.0], vec![3.0]));
    /// let [gx] = (parts[0] * parts[1]).sum().grad([x]);          // (x0 + x1) x2
    /// assert_eq!(gx.value()?.to_vec(), [3.0, 3.0, 3.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn chunk(self, count: usize, axis: isize) -> Vec<Self> {
        let shape = self.shape();
        if self.is_poisoned() || count == 0 || shape.axis(axis).is_err() {
            let failed = match (self.is_poisoned(), shape.axis(axis)) {
                (true, _) => self,
                (_, Err(error)) => self.tape.fail(error.op("chunk")),
                _ => {
                    let message = format!("0 chunks of axis {axis} of shape {shape}");
                    self.tape.fail(Error::new(ErrorKind::Argument, message).op("chunk").hint("ask for 1 or more"))
                }
            };
            return vec![failed; count.clamp(1, 1 << 10)];
        }
        let n = shape.axis(axis).map_or(0, |axis| shape[axis]);
        let length = n.div_ceil(count).max(1);
        let mut lengths: SmallVec<[usize; 8]> = (0..n).step_by(length).map(|start| length.min(n - start)).collect();
        if lengths.is_empty() {
            lengths.push(0);
        }
        self.split_as("chunk", &lengths, axis)
    }

    /// `x` with `before` and `after` places more at the ends of each axis, which hold `value`: `[2, 3]` by
    /// `pad(&[(0, 0), (1, 2)], 0.0)` to `[2, 6]`.
    ///
    /// One pair for each axis, in their order (PyTorch's list begins with the last). The cotangent is that of the part
    /// that holds `x`.
    ///
    /// # Errors
    /// Kept on the tape: another number of pairs than axes; a result that is too large for memory.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0]));
    /// let y = x.pad(&[(1, 2)], 9.0);
    /// assert_eq!(y.value()?.to_vec(), [9.0, 1.0, 2.0, 9.0, 9.0]);
    /// let [gx] = y.square().sum().grad([x]);
    /// assert_eq!(gx.value()?.to_vec(), [2.0, 4.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn pad(self, widths: &[(usize, usize)], value: T) -> Self {
        let plan = |shape: &Shape| {
            if widths.len() != shape.len() {
                let message = format!("{} pairs of widths for the {} axes of shape {shape}", widths.len(), shape.len());
                return Err(Error::new(ErrorKind::Shape, message).hint("give (before, after) for every axis, in order"));
            }
            let long = |(&length, &(before, after)): (&usize, &(usize, usize))| {
                length.checked_add(before)?.checked_add(after).filter(|&length| length <= isize::MAX as usize)
            };
            let lengths: Option<SmallVec<[usize; 8]>> = shape.iter().zip(widths).map(long).collect();
            lengths.ok_or_else(|| {
                let message = format!("shape {shape} with {widths:?} more places is too large for memory");
                Error::new(ErrorKind::Shape, message).hint("widths are numbers of places")
            })
        };
        self.with_shape("pad", plan, |mut x, lengths| {
            for (axis, (&n, &(start, _))) in lengths.iter().zip(widths).enumerate() {
                let count = x.shape().get(axis).copied().unwrap_or(n);
                if count != n {
                    let part = Slice { axis, start, step: 1, count };
                    x = x.tape.record_shared(Embed { part, n, fill: value.to_f64().to_bits() }, &[x]);
                }
            }
            x
        })
    }
}

/// What the docs say of `slice`.
pub(super) const SLICE: Text =
    Text::primitive("y[j] = x[start + j step] along an axis; narrow, split, chunk", "g at the places, 0 elsewhere", "");

/// Samples of `slice`, `narrow`, `split` and `chunk`.
pub(super) fn slice_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let input = |shape: &[usize]| [spread(shape, -2.0, 2.0, 11)];
        let part = |axis: usize, part: Part| move |x: &[ArrayD<f64>]| x[0].slice_axis(Axis(axis), part).to_owned();
        vec![
            Sample::new("narrow", input(&[5]), |x| x[0].narrow(0, 1, 3), part(0, Part::new(1, Some(4), 1))),
            Sample::new("narrow axis 1 of 3", input(&[2, 4, 3]), |x| x[0].narrow(1, 2, 2), part(1, Part::from(2..))),
            Sample::new("narrow to nothing", input(&[2, 3]), |x| x[0].narrow(-1, 3, 0), part(1, Part::from(3..))),
            Sample::new("step 2", input(&[2, 5]), |x| x[0].slice(1, 1.., 2), part(1, Part::new(1, None, 2))),
            Sample::new(
                "step 3, outer axis",
                input(&[7, 2]),
                |x| x[0].slice(0, ..=-2, 3),
                part(0, Part::new(0, Some(-1), 3)),
            ),
            Sample::new(
                "negative ends",
                input(&[5]),
                |x| x[0].slice(-1, -4..-1, 1),
                part(0, Part::new(-4, Some(-1), 1)),
            ),
            Sample::new("all", input(&[3]), |x| x[0].slice(0, .., 1), |x| x[0].clone()),
            Sample::new(
                "of a transpose, neighbours multiplied",
                input(&[2, 3]),
                |x| x[0].t().narrow(0, 0, 2) * x[0].t().narrow(0, 1, 2),
                |x| {
                    let x = x[0].t().to_owned().into_dyn();
                    ArrayD::from_shape_fn(vec![2, 2], |place| x[[place[0], place[1]]] * x[[place[0] + 1, place[1]]])
                },
            ),
            Sample::new("split", input(&[2, 4]), |x| x[0].split(&[1, 0, 3], 1)[2], part(1, Part::from(1..))),
            Sample::new("chunk", input(&[7]), |x| x[0].chunk(3, 0)[2], part(0, Part::from(6..))),
            Sample::new(
                "chunk, both used",
                input(&[4, 2]),
                |x| x[0].chunk(2, 0)[0] * x[0].chunk(2, 0)[1],
                |x| ArrayD::from_shape_fn(vec![2, 2], |at| x[0][[at[0], at[1]]] * x[0][[at[0] + 2, at[1]]]),
            ),
        ]
    })
}

/// What the docs say of `pad`.
pub(super) const PAD: Text = Text::primitive(
    "y = x with places more at the ends of axes, which hold a number",
    "the part of g that holds x",
    "",
);

/// Samples of `pad`.
pub(super) fn pad_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let pad = |label: &str, shape: &[usize], widths: &'static [(usize, usize)], value: f64| {
            Sample::new(
                label,
                [spread(shape, -2.0, 2.0, 11)],
                move |x| x[0].pad(widths, T::of(value)),
                move |x| {
                    let lengths: Vec<usize> = x[0].shape().iter().zip(widths).map(|(n, (a, b))| n + a + b).collect();
                    ArrayD::from_shape_fn(lengths, |place| {
                        let own: Option<Vec<usize>> = widths
                            .iter()
                            .enumerate()
                            .map(|(axis, (before, _))| place[axis].checked_sub(*before))
                            .collect();
                        own.and_then(|own| x[0].get(&*own).copied()).unwrap_or(value)
                    })
                },
            )
        };
        vec![
            pad("a vector with zeros", &[3], &[(1, 2)], 0.0),
            pad("two axes with a number", &[2, 3], &[(1, 0), (2, 1)], -1.5),
            pad("the inner axis", &[2, 1, 2], &[(0, 0), (0, 0), (1, 1)], 0.5),
            pad("nothing", &[0, 2], &[(1, 1), (0, 0)], 3.0),
            pad("by nothing", &[2], &[(0, 0)], 3.0),
            pad("a number", &[], &[], 3.0),
        ]
    })
}
