//! Several operands joined: one behind the other, or along a new axis; and the products of two vectors.

use ndarray::{ArrayD, Axis};
use smallvec::SmallVec;

use super::registry::{Sample, Text, spread};
use super::samples::widened;
use super::shape::with_axis;
use super::slice::with_length;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::gather::{self, Walk};
use crate::kernels::number::Element;
use crate::tape::Tape;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// Operands one behind the other along an axis.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Cat(usize);

/// `[2, 3], [2, 4] and [1, 3]`.
fn listed(shapes: &[&Shape]) -> String {
    let texts: Vec<String> = shapes.iter().take(8).map(|shape| shape.to_string()).collect();
    let more = if shapes.len() > 8 { format!(" and {} more", shapes.len() - 8) } else { String::new() };
    format!("{}{more}", texts.join(", "))
}

impl<T: Element> Op<T> for Cat {
    fn name(&self) -> &str {
        "cat"
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("cat([{}], axis {})", operands.join(", "), self.0)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        let first = inputs[0];
        for (i, shape) in inputs.iter().enumerate() {
            if shape.len() != first.len() || (0..first.len()).any(|axis| axis != self.0 && shape[axis] != first[axis]) {
                let message = format!("shapes don't fit along axis {}: {}", self.0, listed(inputs));
                let hint = format!("operand {i} is {shape}, operand 0 is {first}; only axis {} may differ", self.0);
                return Err(Error::new(ErrorKind::Shape, message).hint(hint));
            }
        }
        let length = inputs.iter().try_fold(0usize, |sum, shape| sum.checked_add(shape[self.0]));
        Ok(with_length(first, self.0, length.unwrap_or(usize::MAX)))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], context: &Context<'_>) -> Result<()> {
        let (outer, n, inner) = context.shape.around(self.0);
        let mut start = 0;
        for input in inputs {
            let count = input.shape[self.0];
            gather::place(input.values, Walk { outer, n, inner, start, step: 1, count }, output);
            start += count;
        }
        Ok(())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let mut start = 0;
        let contributions: SmallVec<[Option<Var<'t, T>>; 4]> = call
            .inputs
            .iter()
            .zip(&call.wanted)
            .map(|(input, &wanted)| {
                let (from, length) = (start, input.shape()[self.0]);
                start += length;
                wanted.then(|| call.cotangent.narrow(self.0 as isize, from, length))
            })
            .collect();
        Pullback::new(contributions)
    }
}

/// The tape of the operands. Nothing at all has no tape, so that the mistake gets one of its own.
#[track_caller]
pub(super) fn tape_of<'t, T: Element>(operands: &[Var<'t, T>]) -> &'t Tape<T> {
    // Leaked, a few hundred bytes for a mistake in a program: the Var that reports it has to live on some tape.
    match operands.first() {
        Some(first) => first.tape,
        None => Box::leak(Box::default()),
    }
}

/// `y = [x₀; x₁; ...]`: operands one behind the other along an axis. `[2, 3]` and `[4, 3]` along axis 0 give `[6, 3]`.
///
/// All lengths but that of the axis must be the same; a negative axis counts from the end. Each operand's cotangent is
/// its own part of the result's.
///
/// # Errors
/// Kept on the tape: an axis out of range; shapes that don't fit; no operands.
///
/// ```
/// use wengert_autograd::{Tape, Tensor, cat};
/// let tape = Tape::new();
/// let a = tape.input(Tensor::from([1.0, 2.0]));
/// let b = tape.input(Tensor::from([3.0]));
/// let y = cat(&[a, b, a], 0);
/// assert_eq!(y.value()?.to_vec(), [1.0, 2.0, 3.0, 1.0, 2.0]);
/// let [ga, gb] = y.square().sum().grad([a, b]);
/// assert_eq!((ga.value()?.to_vec(), gb.value()?.to_vec()), (vec![4.0, 8.0], vec![6.0]));
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn cat<'t, T: Element>(operands: &[Var<'t, T>], axis: isize) -> Var<'t, T> {
    tape_of(operands).cat(operands, axis)
}

/// `y[.., k, ..] = xₖ[.., ..]`: operands of one shape along a new axis, which has the number `axis` in the result.
///
/// Three operands of shape `[2, 5]` give `[3, 2, 5]` along axis 0 and `[2, 5, 3]` along axis −1.
///
/// # Errors
/// Kept on the tape: an axis that the result doesn't have; different shapes; no operands.
///
/// ```
/// use wengert_autograd::{Tape, Tensor, stack};
/// let tape = Tape::new();
/// let a = tape.input(Tensor::from([1.0, 2.0]));
/// let b = tape.input(Tensor::from([3.0, 4.0]));
/// assert_eq!(stack(&[a, b], 0).value()?, Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
/// assert_eq!(stack(&[a, b], -1).value()?, Tensor::from([[1.0, 3.0], [2.0, 4.0]]));
/// let [ga] = stack(&[a, b], 0).square().sum().grad([a]);
/// assert_eq!(ga.value()?.to_vec(), [2.0, 4.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn stack<'t, T: Element>(operands: &[Var<'t, T>], axis: isize) -> Var<'t, T> {
    tape_of(operands).stack(operands, axis)
}

impl<T: Element> Tape<T> {
    /// [`cat`](crate::cat) on a known tape, which also keeps the mistake of no operands.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0]));
    /// let y = tape.cat(&[x, x], 0);
    /// assert_eq!(y.value()?.to_vec(), [1.0, 2.0, 1.0, 2.0]);
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.to_vec(), [2.0, 2.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn cat<'t>(&'t self, operands: &[Var<'t, T>], axis: isize) -> Var<'t, T> {
        match operands {
            [] => self.fail(no_operands().op("cat")),
            operands if operands.iter().any(|x| x.is_poisoned()) => self.record_shared(Cat(0), operands),
            // A mistake of the axis is reported before one of the shapes, and both before tapes are compared.
            operands => match (operands[0].shape().axis(axis), operands) {
                (Ok(_), [only]) => *only,
                (Ok(axis), _) => self.record_shared(Cat(axis), operands),
                (Err(error), _) => self.fail(error.op("cat")),
            },
        }
    }

    /// [`stack`](crate::stack) on a known tape, which also keeps the mistake of no operands.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0]));
    /// let y = tape.stack(&[x, x], 0);
    /// assert_eq!(y.value()?, Tensor::from([[1.0, 2.0], [1.0, 2.0]]));
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.to_vec(), [2.0, 2.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn stack<'t>(&'t self, operands: &[Var<'t, T>], axis: isize) -> Var<'t, T> {
        if operands.is_empty() {
            return self.fail(no_operands().op("stack"));
        }
        if operands.iter().any(|x| x.is_poisoned()) {
            return self.record_shared(Cat(0), operands);
        }
        let shapes: SmallVec<[Shape; 8]> = operands.iter().map(|x| x.shape()).collect();
        if let Some(i) = shapes.iter().position(|shape| *shape != shapes[0]) {
            let message = format!("shapes differ: {}", listed(&shapes.iter().collect::<Vec<_>>()));
            let hint = format!("operand {i} is {}, operand 0 is {}; did you mean cat?", shapes[i], shapes[0]);
            return self.fail(Error::new(ErrorKind::Shape, message).op("stack").hint(hint));
        }
        match with_axis(&shapes[0], axis) {
            Err(error) => self.fail(error.op("stack")),
            Ok((shape, axis)) => {
                let mut raised: SmallVec<[Var<'t, T>; 8]> = SmallVec::new();
                for operand in operands {
                    raised.push(operand.reshape(&shape));
                }
                self.cat(&raised, axis as isize)
            }
        }
    }
}

fn no_operands() -> Error {
    Error::new(ErrorKind::Argument, "no operands to join").hint("the result would have no shape; give one at least")
}

impl<'t, T: Element> Var<'t, T> {
    /// Both operands, or the mistake that one of them is not a vector.
    #[track_caller]
    fn vectors(self, other: Self, name: &str, same: bool) -> Result<(usize, usize), Self> {
        if self.is_poisoned() || other.is_poisoned() {
            // Recording finds the operand that was a mistake.
            return Err(self * other);
        }
        let (left, right) = (self.shape(), other.shape());
        let message = format!("two vectors needed: left {left}, right {right}");
        match (&left[..], &right[..]) {
            (&[m], &[n]) if m == n || !same => Ok((m, n)),
            (&[m], &[n]) => Err(self.tape.fail(
                Error::new(ErrorKind::Shape, format!("lengths differ: left {left}, right {right} ({m} vs {n})"))
                    .op(name)
                    .hint("outer() takes vectors of any lengths"),
            )),
            _ => Err(self.tape.fail(
                Error::new(ErrorKind::Shape, message).op(name).hint("flatten() makes a vector; matmul takes matrices"),
            )),
        }
    }

    /// `y = Σᵢ aᵢ bᵢ`: the inner product of two vectors of one length, of shape `[]`.
    ///
    /// # Errors
    /// Kept on the tape: an operand that is not a vector; lengths that differ.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let a = tape.input(Tensor::from([1.0, 2.0]));
    /// let b = tape.input(Tensor::from([3.0, 4.0]));
    /// let y = a.dot(b);
    /// assert_eq!(y.item()?, 11.0);
    /// let [ga] = y.grad([a]);
    /// assert_eq!(ga.value()?.to_vec(), [3.0, 4.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn dot(self, other: Self) -> Self {
        match self.vectors(other, "dot", true) {
            Ok(_) => (self * other).sum(),
            Err(failed) => failed,
        }
    }

    /// `yᵢⱼ = aᵢ bⱼ`: the outer product of two vectors, `[m]` and `[n]` to `[m, n]`.
    ///
    /// # Errors
    /// Kept on the tape: an operand that is not a vector.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let a = tape.input(Tensor::from([1.0, 2.0]));
    /// let b = tape.input(Tensor::from([3.0, 4.0]));
    /// let y = a.outer(b);
    /// assert_eq!(y.value()?, Tensor::from([[3.0, 4.0], [6.0, 8.0]]));
    /// let [ga] = y.sum().grad([a]);
    /// assert_eq!(ga.value()?.to_vec(), [7.0, 7.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn outer(self, other: Self) -> Self {
        match self.vectors(other, "outer", false) {
            Ok((m, n)) => self.reshape([m, 1]) * other.reshape([1, n]),
            Err(failed) => failed,
        }
    }
}

/// What the docs say of `cat`.
pub(super) const CAT: Text =
    Text::primitive("y = operands one behind the other along an axis; stack", "to each its part of g", "");

/// Samples of `cat` and `stack`.
pub(super) fn cat_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let input = |shape: &[usize], start| spread(shape, -2.0, 2.0, start);
        let joined = |axis: usize| {
            move |x: &[ArrayD<f64>]| {
                let mut all = x[0].clone();
                x[1..].iter().for_each(|x| all.append(Axis(axis), x.view()).unwrap_or_default());
                all
            }
        };
        let stacked = |axis: usize| {
            move |x: &[ArrayD<f64>]| {
                let mut all = x[0].clone().insert_axis(Axis(axis));
                let raised = |x: &ArrayD<f64>| x.clone().insert_axis(Axis(axis));
                x[1..].iter().for_each(|x| all.append(Axis(axis), raised(x).view()).unwrap_or_default());
                all
            }
        };
        vec![
            Sample::new("vectors", [input(&[2], 0), input(&[3], 9)], |x| cat(x, 0), joined(0)),
            Sample::new("axis 1 of 3", [input(&[2, 1, 2], 0), input(&[2, 3, 2], 9)], |x| cat(x, 1), joined(1)),
            Sample::new("an empty operand", [input(&[2, 0], 0), input(&[2, 3], 9)], |x| cat(x, -1), joined(1)),
            Sample::new("one operand", [input(&[2, 3], 0)], |x| cat(x, 0), joined(0)),
            Sample::new(
                "the same operand, transposed",
                [input(&[2, 2], 0)],
                |x| cat(&[x[0], x[0].t()], 0),
                move |x| joined(0)(&[x[0].clone(), x[0].t().to_owned()]),
            ),
            Sample::new("stack along axis 0", [input(&[2, 3], 0), input(&[2, 3], 9)], |x| stack(x, 0), stacked(0)),
            Sample::new("stack along the last axis", [input(&[2], 0), input(&[2], 9)], |x| stack(x, -1), stacked(1)),
            Sample::new("stack numbers", [input(&[], 0), input(&[], 9)], |x| stack(x, 0), stacked(0)),
        ]
    })
}

/// What the docs say of `dot`.
pub(super) const DOT: Text =
    Text::composed("y = Σ a b for vectors; outer: y[i, j] = a[i] b[j]", "product, sum; reshape, product", "");

/// Samples of `dot` and `outer`.
pub(super) fn vector_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let input = |length: usize, start| spread([length], -2.0, 2.0, start);
        let dot = |x: &[ArrayD<f64>]| {
            ArrayD::from_elem(vec![], x[0].iter().zip(x[x.len() - 1].iter()).map(|(a, b)| a * b).sum())
        };
        let outer = |x: &[ArrayD<f64>]| {
            let (a, b) = (&x[0], &x[x.len() - 1]);
            ArrayD::from_shape_fn(vec![a.len(), b.len()], |place| a[place[0]] * b[place[1]])
        };
        vec![
            Sample::new("dot", [input(3, 0), input(3, 9)], |x| x[0].dot(x[1]), dot),
            Sample::new("dot with itself", [input(3, 0)], |x| x[0].dot(x[0]), dot),
            Sample::new("dot of nothing", [input(0, 0), input(0, 0)], |x| x[0].dot(x[1]), dot),
            Sample::new("outer", [input(3, 0), input(2, 9)], |x| x[0].outer(x[1]), outer),
            Sample::new("outer with itself", [input(3, 0)], |x| x[0].outer(x[0]), outer),
        ]
    })
}
