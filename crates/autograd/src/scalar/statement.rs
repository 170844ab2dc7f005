//! Statements: operations of many operands as one record.

use std::cell::RefMut;

use super::number::Scalar;
use super::tape::{Statements, Tape};
use super::var::Var;
use crate::kernels::number::Number;
use crate::ops::Real;

/// An operation of many operands while it is recorded: each has its partial derivative.
struct Recording<'t, T: Scalar> {
    tape: &'t Tape<T>,
    stream: RefMut<'t, Statements<T>>,
    /// The first two, which stand in the record.
    head: [(u32, T); 2],
    count: usize,
    start: usize,
}

impl<'t, T: Scalar> Recording<'t, T> {
    /// Begins a statement of at most so many operands.
    #[inline]
    #[track_caller]
    fn begin(tape: &'t Tape<T>, most: usize) -> Self {
        let mut stream = tape.statements.borrow_mut();
        let Statements { links, partials, .. } = &mut *stream;
        if links.try_reserve(most).and_then(|()| partials.try_reserve(most)).is_err() {
            panic!("scalar tape: no memory for a statement of {most} operands");
        }
        let start = stream.links.len();
        Recording { tape, stream, head: [(0, T::of(0.0)); 2], count: 0, start }
    }

    #[inline(always)]
    fn add(&mut self, operand: u32, by: T) {
        if operand == 0 || by.is_exactly(0.0) {
            return;
        }
        match self.head.get_mut(self.count) {
            Some(place) => *place = (operand, by),
            None => {
                self.stream.links.push(operand);
                self.stream.partials.push(by);
            }
        }
        self.count += 1;
    }

    /// The variable of the result.
    #[inline]
    #[track_caller]
    fn end(mut self, value: T) -> Var<'t, T> {
        let [(first, by_first), (second, by_second)] = self.head;
        let further = self.stream.links.len() - self.start;
        match self.count {
            0 => Var::constant(value),
            1 => self.tape.unary(value, first, by_first),
            _ => {
                let record = self.tape.columns.push([first, second], [by_first, by_second]);
                if further > 0 {
                    self.stream.heads.push([record, u32::try_from(further).expect("fewer operands than records")]);
                }
                Var::recorded(value, self.tape, record)
            }
        }
    }
}

impl<T: Scalar> Tape<T> {
    /// Records an operation of many operands, each with its partial derivative.
    #[inline]
    #[track_caller]
    pub(super) fn statement<'t>(&'t self, value: T, operands: impl Iterator<Item = (u32, T)>) -> Var<'t, T> {
        let mut recording = Recording::begin(self, operands.size_hint().1.unwrap_or(0));
        operands.for_each(|(operand, by)| recording.add(operand, by));
        recording.end(value)
    }
}

/// The tape of several numbers, if any of them is on one.
#[inline]
#[track_caller]
fn tape_of<'t, T: Scalar>(numbers: &[Var<'t, T>]) -> Option<&'t Tape<T>> {
    let tape = numbers.iter().find_map(|x| x.tape())?;
    for x in numbers {
        Var::common(Some(tape), x.tape());
    }
    Some(tape)
}

/// Records a statement: one partial derivative for each of the numbers.
#[inline]
#[track_caller]
fn record<'t, T: Scalar>(x: &[Var<'t, T>], value: T, by: impl Fn(usize) -> T) -> Var<'t, T> {
    let Some(tape) = tape_of(x) else { return Var::constant(value) };
    let mut recording = Recording::begin(tape, x.len());
    for (i, x) in x.iter().enumerate() {
        recording.add(x.record(), by(i));
    }
    recording.end(value)
}

#[track_caller]
fn same_length(name: &str, left: usize, right: usize) {
    assert!(left == right, "scalar::{name}: {left} numbers on the left, {right} on the right");
}

/// `Σ xᵢ`, as one operation; 0 for none.
///
/// # Panics
/// Where numbers are of two tapes.
///
/// ```
/// use wengert_autograd::scalar::{Tape, sum};
/// let tape = Tape::new();
/// let x = tape.vars(&[1.0, 2.0, 3.0]);
/// let y = sum(&x);
/// assert_eq!(y.value(), 6.0);
/// assert_eq!(y.backward().wrt_all(&x), [1.0, 1.0, 1.0]);
/// ```
#[track_caller]
pub fn sum<'t, T: Scalar>(x: &[Var<'t, T>]) -> Var<'t, T> {
    let value = x.iter().fold(T::of(0.0), |sum, x| sum + x.value());
    record(x, value, |_| T::of(1.0))
}

/// `Σ xᵢ yᵢ`, as one operation; 0 for none.
///
/// # Panics
/// Where the lengths differ, or numbers are of two tapes.
///
/// ```
/// use wengert_autograd::scalar::{Tape, dot};
/// let tape = Tape::new();
/// let x = tape.vars(&[1.0, 2.0, 3.0]);
/// let y = dot(&x[..2], &x[1..]);                        // x₀ x₁ + x₁ x₂
/// assert_eq!(y.value(), 8.0);
/// assert_eq!(y.backward().wrt_all(&x), [2.0, 4.0, 2.0]);
/// ```
#[track_caller]
pub fn dot<'t, T: Scalar>(x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Var<'t, T> {
    same_length("dot", x.len(), y.len());
    let value = x.iter().zip(y).fold(T::of(0.0), |sum, (x, y)| sum + x.value() * y.value());
    let Some(tape) = Var::common(tape_of(x), tape_of(y)) else { return Var::constant(value) };
    let mut recording = Recording::begin(tape, 2 * x.len());
    for (x, y) in x.iter().zip(y) {
        recording.add(x.record(), y.value());
        recording.add(y.record(), x.value());
    }
    recording.end(value)
}

/// `Σ cᵢ xᵢ` with numbers c, as one operation; 0 for none.
///
/// # Panics
/// Where the lengths differ, or numbers are of two tapes.
///
/// ```
/// use wengert_autograd::scalar::{Tape, linear_combination};
/// let tape = Tape::new();
/// let x = tape.vars(&[1.0, 2.0, 3.0]);
/// let y = linear_combination(&[0.5, 0.0, 2.0], &x);
/// assert_eq!(y.value(), 6.5);
/// assert_eq!(y.backward().wrt_all(&x), [0.5, 0.0, 2.0]);
/// ```
#[track_caller]
pub fn linear_combination<'t, T: Scalar>(coefficients: &[T], x: &[Var<'t, T>]) -> Var<'t, T> {
    same_length("linear_combination", coefficients.len(), x.len());
    let value = coefficients.iter().zip(x).fold(T::of(0.0), |sum, (&c, x)| sum + c * x.value());
    record(x, value, |i| coefficients[i])
}

/// `Σ xᵢ²`, as one operation; 0 for none.
///
/// # Panics
/// Where numbers are of two tapes.
///
/// ```
/// use wengert_autograd::scalar::{Tape, sqnorm};
/// let tape = Tape::new();
/// let x = tape.vars(&[3.0, 4.0]);
/// let y = sqnorm(&x);
/// assert_eq!(y.value(), 25.0);
/// assert_eq!(y.backward().wrt_all(&x), [6.0, 8.0]);
/// ```
#[track_caller]
pub fn sqnorm<'t, T: Scalar>(x: &[Var<'t, T>]) -> Var<'t, T> {
    let value = x.iter().fold(T::of(0.0), |sum, x| sum + x.value() * x.value());
    record(x, value, |i| x[i].value() + x[i].value())
}

/// `ln Σ e^xᵢ`, as one operation, without overflow; −∞ for none.
///
/// Derivatives: `e^(xᵢ − y)`; 0 where all are −∞, and shared equally by those that are +∞.
///
/// # Panics
/// Where numbers are of two tapes.
///
/// ```
/// use wengert_autograd::scalar::{Tape, logsumexp};
/// let tape = Tape::new();
/// let x = tape.vars(&[1000.0, 1000.0]);
/// let y = logsumexp(&x);
/// assert_eq!(y.value(), 1000.0 + 2f64.ln());
/// assert_eq!(y.backward().wrt_all(&x), [0.5, 0.5]);
/// ```
#[track_caller]
pub fn logsumexp<'t, T: Scalar>(x: &[Var<'t, T>]) -> Var<'t, T> {
    let largest = x.iter().fold(-infinity::<T>(), |largest, x| {
        let base = x.value().base();
        if base > largest || Number::is_nan(base) { base } else { largest }
    });
    if largest == -infinity::<T>() {
        return Var::constant(T::of_base(largest));
    }
    let shift = T::of_base(largest);
    let tape = tape_of(x);
    let mut shares = tape.map_or_else(Vec::new, |tape| tape.spare.take());
    shares.clear();
    shares.extend(x.iter().map(|x| {
        // The difference of two infinities would be NaN; that of others carries a derivative.
        let same_infinity = x.value().base() == largest && largest == infinity::<T>();
        if same_infinity { T::of(0.0) } else { x.value() - shift }
    }));
    T::exp_all(&mut shares);
    let total = shares.iter().fold(T::of(0.0), |sum, &share| sum + share);
    let inverse = T::of(1.0) / total;
    let y = record(x, shift + Real::ln(total), |i| shares[i] * inverse);
    if let Some(tape) = tape {
        tape.spare.set(shares);
    }
    y
}

fn infinity<T: Scalar>() -> T::Base {
    num_traits::Float::infinity()
}
