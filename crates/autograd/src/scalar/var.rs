//! A number on a scalar tape.

use super::handle::Handle;
use super::number::{Scalar, partial};
use super::statement::{several, three};
use super::tape::Tape;
use super::traits::{Active, number_traits, of_value, scalar_of_value};
use crate::ops::Elementwise;

/// A number on a tape: a value, and the place of its record.
///
/// It is `Copy`, and a number for code that is generic over `num_traits::Float`. Comparisons are by value. Constants
/// need no tape: [`Var::constant`], `Var::from(2.0)`, `zero()`, `one()`.
///
/// ```
/// use wengert_autograd::scalar::{Tape, Var};
/// fn horner<'t>(x: Var<'t>, coefficients: &[f64]) -> Var<'t> {
///     coefficients.iter().fold(Var::constant(0.0), |sum, &c| sum * x + c)
/// }
/// let tape = Tape::new();
/// let x = tape.var(2.0);
/// let y = horner(x, &[1.0, -3.0, 5.0]);                 // x² - 3 x + 5
/// assert_eq!(y, 3.0);
/// assert_eq!(y.backward().wrt(x), 1.0);
/// ```
#[derive(Clone, Copy)]
pub struct Var<'t, T: Scalar = f64> {
    value: T,
    pub(super) handle: Handle<'t, T>,
}

impl<'t, T: Scalar> Var<'t, T> {
    /// A number that nothing is differentiated by.
    #[inline(always)]
    pub fn constant(value: T) -> Self {
        Var { value, handle: Handle::NONE }
    }

    /// The value.
    #[inline(always)]
    pub fn value(self) -> T {
        self.value
    }

    #[inline(always)]
    pub(super) fn new(value: T, handle: Handle<'t, T>) -> Self {
        Var { value, handle }
    }

    /// Records an operation of one operand with the partial derivative `by`; the variable of the result.
    #[inline(always)]
    #[track_caller]
    pub(super) fn unary(value: T, operand: Handle<'t, T>, by: T) -> Self {
        if by.is_exactly(1.0) {
            // The result differs from the operand by a constant: the same record serves both.
            return Var::new(value, operand);
        }
        match operand.tape() {
            Some(tape) if !by.is_exactly(0.0) => tape.push(value, [operand.record(), 0], [by, T::of(0.0)]),
            _ => Var::constant(value),
        }
    }

    /// The tape, of what depends on a variable.
    #[inline(always)]
    pub(super) fn tape(self) -> Option<&'t Tape<T>> {
        self.handle.tape()
    }

    /// The place of the record, 0 for a constant.
    #[inline(always)]
    pub(super) fn record(self) -> u32 {
        self.handle.record()
    }

    /// The tape of one of two.
    #[inline(always)]
    #[track_caller]
    pub(super) fn common(left: Option<&'t Tape<T>>, right: Option<&'t Tape<T>>) -> Option<&'t Tape<T>> {
        match (left, right) {
            (Some(left), Some(right)) => {
                if !std::ptr::eq(left, right) {
                    left.refuse_mixture(right);
                }
                Some(left)
            }
            (Some(tape), None) | (None, Some(tape)) => Some(tape),
            (None, None) => None,
        }
    }
}

/// The tape of several numbers, if any of them is on one.
#[inline(always)]
#[track_caller]
pub(super) fn tape_of<'t, T: Scalar>(numbers: &[Var<'t, T>]) -> Option<&'t Tape<T>> {
    Handle::common(numbers.iter().map(|x| x.handle))
}

impl<'t, T: Scalar> Active for Var<'t, T> {
    of_value! { T }

    // On plain numbers an operation is a few instructions once it is inlined, and twice as slow where it isn't.
    #[inline(always)]
    #[track_caller]
    fn row<F: Elementwise<A>, const A: usize>(function: F, operands: [Self; A]) -> Self {
        let x = operands.map(|operand| operand.value);
        let y = T::evaluate(function, x);
        let by = |i: usize| partial::<T, F, A>(i, x, y).unwrap_or(T::of(0.0));
        let handle = operands.map(|operand| operand.handle);
        match A {
            1 if handle[0].is_none() => Var::constant(y),
            1 => Var::unary(y, handle[0], by(0)),
            2 => {
                let (left, right) = (handle[0], handle[1]);
                if left.is_beside(right) {
                    let Some(tape) = left.tape() else { return Var::constant(y) };
                    return tape.binary(y, [left.record(), right.record()], [by(0), by(1)]);
                }
                if right.is_none() {
                    return Var::unary(y, left, by(0));
                }
                if !left.is_none() {
                    left.check(right);
                }
                Var::unary(y, right, by(1))
            }
            3 => {
                let (first, second, third) = (by(0), by(1), by(2));
                if handle[0].is_beside(handle[1]) && handle[0].is_beside(handle[2]) {
                    let Some(tape) = handle[0].tape() else { return Var::constant(y) };
                    if third.is_exactly(1.0) && !first.is_exactly(0.0) && !second.is_exactly(0.0) {
                        let records = [handle[0].record(), handle[1].record(), handle[2].record()];
                        return tape.push_summed(y, records, [first, second]);
                    }
                }
                three(y, (handle[0], first), (handle[1], second), (handle[2], third))
            }
            _ => several(y, &std::array::from_fn::<_, A, _>(|i| (handle[i], by(i)))),
        }
    }
}

number_traits! { ['t, T: Scalar] Var<'t, T>, T }

macro_rules! methods {
    ($($list:tt)*) => {
        super::float::number_methods! { ['t, T: Scalar] Var<'t, T>; $($list)* }
    };
}
crate::ops::list::real_methods!(methods);

super::operators::nested_operators! { ['t, 's, T: Scalar] Var<'t, Var<'s, T>>, Var<'s, T> }
super::operators::nested_operators! { ['t, T: Scalar] Var<'t, super::Dual<T>>, super::Dual<T> }

scalar_of_value! { ['t, T: Scalar] Var<'t, T>, T; |x| x.handle.is_none() }

impl<T: Scalar> std::fmt::Debug for Var<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.record() {
            0 => write!(f, "constant {:?}", self.value),
            record => write!(f, "%{record} = {:?}", self.value),
        }
    }
}
