//! A number on a scalar tape.

use std::marker::PhantomData;

use super::number::{Scalar, partial};
use super::tape::Tape;
use super::traits::{Active, number_traits};
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
    /// `None` exactly where the record is 0.
    tape: Option<&'t Tape<T>>,
    record: u32,
    /// Invariant, so that a closure that must work for every lifetime can't mix in variables from outside.
    brand: PhantomData<fn(&'t ()) -> &'t ()>,
}

impl<'t, T: Scalar> Var<'t, T> {
    /// A number that nothing is differentiated by.
    #[inline(always)]
    pub fn constant(value: T) -> Self {
        Var { value, tape: None, record: 0, brand: PhantomData }
    }

    /// The value.
    #[inline(always)]
    pub fn value(self) -> T {
        self.value
    }

    #[inline(always)]
    pub(super) fn recorded(value: T, tape: &'t Tape<T>, record: u32) -> Self {
        Var { value, tape: Some(tape), record, brand: PhantomData }
    }

    /// The tape, of what depends on a variable.
    #[inline(always)]
    pub(super) fn tape(self) -> Option<&'t Tape<T>> {
        self.tape
    }

    /// The place of the record, 0 for a constant.
    #[inline(always)]
    pub(super) fn record(self) -> u32 {
        self.record
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

impl<'t, T: Scalar> Active for Var<'t, T> {
    type Value = T;

    #[inline(always)]
    fn value(self) -> T {
        self.value
    }

    #[inline(always)]
    fn passive(value: T) -> Self {
        Var::constant(value)
    }

    // On plain numbers an operation is a few instructions once it is inlined, and twice as slow where it isn't.
    #[inline(always)]
    #[track_caller]
    fn row<F: Elementwise<A>, const A: usize>(function: F, operands: [Self; A]) -> Self {
        let x = operands.map(|operand| operand.value);
        let y = T::evaluate(function, x);
        let by = |i: usize| partial::<T, F, A>(i, x, y).unwrap_or(T::of(0.0));
        let mut common = None;
        for operand in operands {
            common = Var::common(common, operand.tape);
        }
        let Some(tape) = common else { return Var::constant(y) };
        let active = |i: usize| operands[i].record != 0;
        match A {
            1 => tape.unary(y, operands[0].record, by(0)),
            2 if !active(1) => tape.unary(y, operands[0].record, by(0)),
            2 if !active(0) => tape.unary(y, operands[1].record, by(1)),
            2 => tape.binary(y, [operands[0].record, operands[1].record], [by(0), by(1)]),
            _ => tape.few(y, (0..A).map(|i| (operands[i].record, if active(i) { by(i) } else { T::of(0.0) }))),
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

impl<'t, T: Scalar> Scalar for Var<'t, T> {
    type Base = T::Base;

    #[inline(always)]
    fn of_base(value: T::Base) -> Self {
        Var::constant(T::of_base(value))
    }

    #[inline(always)]
    fn base(self) -> T::Base {
        self.value.base()
    }

    #[inline(always)]
    fn is_constant(self) -> bool {
        self.record == 0 && self.value.is_constant()
    }
}

impl<T: Scalar> std::fmt::Debug for Var<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.record {
            0 => write!(f, "constant {:?}", self.value),
            record => write!(f, "%{record} = {:?}", self.value),
        }
    }
}
