//! Statements: operations of many operands as one record.

use std::cell::RefMut;

use super::handle::Handle;
use super::number::Scalar;
use super::tape::{Statements, Tape};
use super::var::{Var, tape_of};
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
        // Where arithmetic on the values of a statement panicked, partials may be left.
        partials.truncate(links.len());
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
            1 => Var::unary(value, Handle::new(self.tape, first), by_first),
            _ => {
                let result = self.tape.push(value, [first, second], [by_first, by_second]);
                if further > 0 {
                    let further = u32::try_from(further).expect("fewer operands than records");
                    self.stream.heads.push([result.record(), further]);
                }
                result
            }
        }
    }
}

/// Statements of at most so many operands are chains of records.
const FEW: usize = 16;

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

/// An operand and the partial derivative by it.
type Operand<'t, T> = (Handle<'t, T>, T);

/// Whether an operand has to be stored.
#[inline(always)]
fn counts<T: Scalar>((operand, by): Operand<'_, T>) -> bool {
    !operand.is_none() && !by.is_exactly(0.0)
}

/// Records an operation of three operands of which one, most often, doesn't count.
// Apart from each other, so that the operands stay in registers.
#[inline(never)]
#[track_caller]
pub(super) fn three<'t, T: Scalar>(
    value: T,
    first: Operand<'t, T>,
    second: Operand<'t, T>,
    third: Operand<'t, T>,
) -> Var<'t, T> {
    let Some(tape) = Handle::common([first.0, second.0, third.0].into_iter()) else { return Var::constant(value) };
    let (left, right) = match (counts(first), counts(second), counts(third)) {
        (true, true, true) => return several(value, &[first, second, third]),
        (false, ..) => (second, third),
        (_, false, _) => (first, third),
        _ => (first, second),
    };
    match (counts(left), counts(right)) {
        (true, true) => tape.push(value, [left.0.record(), right.0.record()], [left.1, right.1]),
        (true, false) => Var::unary(value, left.0, left.1),
        _ => Var::unary(value, right.0, right.1),
    }
}

/// Records an operation of a few operands.
#[inline(never)]
#[track_caller]
pub(super) fn several<'t, T: Scalar>(value: T, operands: &[Operand<'t, T>]) -> Var<'t, T> {
    let handles = operands.iter().map(|operand| operand.0);
    let Some(tape) = Handle::common(handles) else { return Var::constant(value) };
    let joined = tape.columns.push_joined(operands.iter().map(|&(operand, by)| (operand.record(), by)));
    match joined.count {
        0 => Var::constant(value),
        1 => Var::unary(value, Handle::new(tape, joined.last.0), joined.last.1),
        _ => Var::new(value, Handle::new(tape, joined.last.0)),
    }
}

/// Records a statement of `count` operands, each with its partial derivative. The usual case of a few operands that all
/// count is recorded where it is called, without a list of them.
#[inline(always)]
#[track_caller]
fn record<'t, T: Scalar>(
    value: T,
    count: usize,
    operand: impl Fn(usize) -> Handle<'t, T>,
    by: impl Fn(usize) -> T,
) -> Var<'t, T> {
    if count > FEW {
        return match Handle::common((0..count).map(&operand)) {
            Some(tape) => tape.statement(value, (0..count).map(|i| (operand(i).record(), by(i)))),
            None => Var::constant(value),
        };
    }
    if count > 1
        && let Some(tape) = operand(0).tape()
    {
        let word = |i: usize| (operand(i).word(), by(i));
        let odd = if count % 2 == 1 { Some(word(count - 1)) } else { None };
        if let Some(word) = tape.columns.push_chain(count / 2, odd, |i| [word(2 * i), word(2 * i + 1)]) {
            return Var::new(value, Handle::of(tape, word));
        }
    } else if (0..count).all(|i| operand(i).is_none()) {
        return Var::constant(value);
    }
    let mut operands = [(Handle::NONE, T::of(0.0)); FEW];
    operands.iter_mut().take(count).enumerate().for_each(|(i, place)| *place = (operand(i), by(i)));
    several(value, &operands[..count])
}

#[inline(always)]
#[track_caller]
pub(super) fn same_length(function: &str, left: usize, right: usize) {
    assert!(left == right, "{function}: {left} numbers on the left, {right} on the right");
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
    record(value, x.len(), |i| x[i].handle, |_| T::of(1.0))
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
    same_length("scalar::dot", x.len(), y.len());
    let value = x.iter().zip(y).fold(T::of(0.0), |sum, (x, y)| sum + x.value() * y.value());
    record(value, 2 * x.len(), |i| paired(x, y, i).handle, |i| paired(y, x, i).value())
}

/// The numbers of two lists in turn.
#[inline(always)]
fn paired<'t, T: Scalar>(first: &[Var<'t, T>], second: &[Var<'t, T>], i: usize) -> Var<'t, T> {
    if i.is_multiple_of(2) { first[i / 2] } else { second[i / 2] }
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
#[inline(always)]
pub fn linear_combination<'t, T: Scalar>(coefficients: &[T], x: &[Var<'t, T>]) -> Var<'t, T> {
    same_length("scalar::linear_combination", coefficients.len(), x.len());
    let value = coefficients.iter().zip(x).fold(T::of(0.0), |sum, (&c, x)| sum + c * x.value());
    record(value, x.len(), |i| x[i].handle, |i| coefficients[i])
}

/// `Σ cᵢ xᵢ yᵢ` with numbers c, as one operation; 0 for none.
///
/// # Panics
/// Where the lengths differ, or numbers are of two tapes.
///
/// ```
/// use wengert_autograd::scalar::{Tape, weighted_dot};
/// let tape = Tape::new();
/// let x = tape.vars(&[1.0, 2.0, 3.0, 4.0]);
/// let y = weighted_dot(&[1.0, -1.0], &[x[0], x[1]], &[x[3], x[2]]);        // a determinant: x₀ x₃ - x₁ x₂
/// assert_eq!(y.value(), -2.0);
/// assert_eq!(y.backward().wrt_all(&x), [4.0, -3.0, -2.0, 1.0]);
/// ```
#[track_caller]
#[inline]
pub fn weighted_dot<'t, T: Scalar>(coefficients: &[T], x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Var<'t, T> {
    same_length("scalar::weighted_dot", coefficients.len(), x.len());
    same_length("scalar::weighted_dot", x.len(), y.len());
    let triples = || coefficients.iter().zip(x.iter().zip(y));
    let value = triples().fold(T::of(0.0), |sum, (&c, (x, y))| sum + c * (x.value() * y.value()));
    let by = |i: usize| coefficients[i / 2] * paired(y, x, i).value();
    record(value, 2 * x.len(), |i| paired(x, y, i).handle, by)
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
    record(value, x.len(), |i| x[i].handle, |i| x[i].value() + x[i].value())
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
    let largest = largest(x);
    if largest == -infinity::<T>() {
        return Var::constant(T::of_base(largest));
    }
    let shift = T::of_base(largest);
    // The difference of two infinities would be NaN; that of others carries a derivative.
    let apart = |x: &Var<'t, T>| match x.value().base() == largest && largest == infinity::<T>() {
        true => T::of(0.0),
        false => x.value() - shift,
    };
    let Some(tape) = tape_of(x) else {
        let mut shares: Vec<T> = x.iter().map(apart).collect();
        T::exp_all(&mut shares);
        return Var::constant(shift + Real::ln(total(&shares)));
    };
    let (head, tail) = x.split_at(x.len().min(2));
    let mut recording = Recording::begin(tape, tail.len());
    let mut first = [T::of(0.0); 2];
    first.iter_mut().zip(head).for_each(|(share, x)| *share = apart(x));
    T::exp_all(&mut first[..head.len()]);
    // The partials are computed where they will stay.
    let Recording { stream, start, .. } = &mut recording;
    stream.partials.extend(tail.iter().map(apart));
    let shares = &mut stream.partials[*start..];
    T::exp_all(shares);
    let sum = total(&first[..head.len()]) + total(shares);
    let inverse = T::of(1.0) / sum;
    let scaled = |share: &T| *share * inverse;
    let first = first.map(|share| scaled(&share));
    shares.iter_mut().for_each(|share| *share = scaled(share));
    let value = shift + Real::ln(sum);
    let kept = |x: &[Var<'t, T>], shares: &[T]| {
        x.iter().zip(shares).fold(true, |kept, (x, by)| kept & (x.record() != 0) & !by.is_exactly(0.0))
    };
    if kept(head, &first) && kept(tail, shares) {
        stream.links.extend(tail.iter().map(|x| x.record()));
        recording.head = std::array::from_fn(|i| (head.get(i).map_or(0, |x| x.record()), first[i]));
        recording.count = x.len();
        return recording.end(value);
    }
    let shares = stream.partials.split_off(*start);
    let shares = first[..head.len()].iter().chain(&shares);
    x.iter().zip(shares).for_each(|(x, &by)| recording.add(x.record(), by));
    recording.end(value)
}

/// The largest value; NaN where one is, −∞ of none.
fn largest<T: Scalar>(x: &[Var<'_, T>]) -> T::Base {
    let larger = |a: T::Base, b: T::Base| if b > a || Number::is_nan(b) { b } else { a };
    let (chunks, rest) = x.as_chunks::<WIDTH>();
    // Several at a time, so that no comparison waits for the one before.
    let mut lanes = [-infinity::<T>(); WIDTH];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane = larger(*lane, x.value().base()));
    }
    let rest = rest.iter().map(|x| x.value().base());
    lanes.into_iter().chain(rest).fold(-infinity::<T>(), larger)
}

/// The sum, several at a time, so that no addition waits for the one before.
fn total<T: Scalar>(x: &[T]) -> T {
    let (chunks, rest) = x.as_chunks::<WIDTH>();
    let mut lanes = [T::of(0.0); WIDTH];
    if !chunks.is_empty() {
        chunks.iter().for_each(|chunk| lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane = *lane + x));
    }
    let lanes = lanes.iter().take(if chunks.is_empty() { 0 } else { WIDTH });
    lanes.chain(rest).fold(T::of(0.0), |sum, &x| sum + x)
}

/// Numbers that are computed with at a time.
const WIDTH: usize = 8;

fn infinity<T: Scalar>() -> T::Base {
    num_traits::Float::infinity()
}
