//! Statements: operations of many operands as one record.

use super::number::Scalar;
use super::tape::{Statements, Tape};
use super::var::Var;
use crate::ops::Real;

impl<T: Scalar> Tape<T> {
    /// Records an operation of many operands, each with its partial derivative.
    #[inline]
    #[track_caller]
    pub(super) fn statement<'t>(&'t self, value: T, operands: impl Iterator<Item = (u32, T)>) -> Var<'t, T> {
        let zero = T::of(0.0);
        let mut head = [(0, zero); 2];
        let mut count = 0usize;
        let mut statements = self.statements.borrow_mut();
        let Statements { heads, links, partials } = &mut *statements;
        // The first two stand in the record.
        let mut operands = operands.filter(|(operand, by)| *operand != 0 && !by.is_exactly(0.0));
        for place in &mut head {
            let Some(operand) = operands.next() else { break };
            *place = operand;
            count += 1;
        }
        let start = links.len();
        let most = operands.size_hint().1.unwrap_or(0);
        if links.try_reserve(most).and_then(|()| partials.try_reserve(most)).is_err() {
            panic!("scalar tape: no memory for a statement of {most} operands");
        }
        for (operand, by) in operands {
            links.push(operand);
            partials.push(by);
        }
        let further = links.len() - start;
        let [(first, by_first), (second, by_second)] = head;
        match count {
            0 => Var::constant(value),
            1 => self.unary(value, first, by_first),
            _ => {
                let record = self.columns.push([first, second], [by_first, by_second]);
                if further > 0 {
                    heads.push([record, u32::try_from(further).expect("less operands than records")]);
                }
                Var::recorded(value, self, record)
            }
        }
    }
}

/// The tape of several numbers, if any of them is on one.
#[inline]
#[track_caller]
fn tape_of<'t, T: Scalar>(numbers: &[Var<'t, T>]) -> Option<&'t Tape<T>> {
    numbers.iter().fold(None, |tape, x| Var::common(tape, x.tape()))
}

/// Records a statement whose operands are numbers, each with its partial derivative.
#[inline]
#[track_caller]
fn record<'t, T: Scalar>(
    tape: Option<&'t Tape<T>>,
    value: T,
    operands: impl Iterator<Item = (Var<'t, T>, T)>,
) -> Var<'t, T> {
    match tape {
        Some(tape) => tape.statement(value, operands.map(|(x, by)| (x.record(), by))),
        None => Var::constant(value),
    }
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
    record(tape_of(x), value, x.iter().map(|&x| (x, T::of(1.0))))
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
    let pairs = x.iter().zip(y).flat_map(|(&x, &y)| [(x, y.value()), (y, x.value())]);
    record(Var::common(tape_of(x), tape_of(y)), value, pairs)
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
    record(tape_of(x), value, x.iter().zip(coefficients).map(|(&x, &c)| (x, c)))
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
    record(tape_of(x), value, x.iter().map(|&x| (x, x.value() + x.value())))
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
        if base > largest || base != base { base } else { largest }
    });
    if largest == -infinity::<T>() {
        return Var::constant(T::of_base(largest));
    }
    let shift = T::of_base(largest);
    let mut shares: Vec<T> = x.iter().map(|x| x.value()).collect();
    for share in &mut shares {
        // The difference of two infinities would be NaN; that of others carries a derivative.
        let same_infinity = share.base() == largest && largest == infinity::<T>();
        *share = if same_infinity { T::of(0.0) } else { *share - shift };
    }
    T::exp_all(&mut shares);
    let total = shares.iter().fold(T::of(0.0), |sum, &share| sum + share);
    let inverse = T::of(1.0) / total;
    record(tape_of(x), shift + Real::ln(total), x.iter().zip(shares).map(|(&x, share)| (x, share * inverse)))
}

fn infinity<T: Scalar>() -> T::Base {
    num_traits::Float::infinity()
}
