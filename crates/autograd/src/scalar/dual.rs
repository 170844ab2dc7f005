//! Dual numbers: derivatives carried along.

use super::number::{Scalar, partial};
use super::traits::{Active, number_traits, of_value, scalar_of_value};
use crate::ops::Elementwise;

/// A value with its derivative along one direction: forward mode.
///
/// `f(Dual::new(x, 1))` is `Dual { f(x), f'(x) }`. It nests: with `Dual<Dual<f64>>` the derivative has a derivative.
/// It is a number for code that is generic over `num_traits::Float`. Source: Clifford, "Preliminary sketch of
/// biquaternions", 1873; Wengert, "A simple automatic derivative evaluation program", 1964.
///
/// Two derivatives that are taken inside of one another need two levels (`Dual<Dual<T>>`): one level can't tell them
/// apart. The transforms ([`derivative`](super::derivative), ...) use tapes, whose lifetimes can.
///
/// ```
/// use wengert_autograd::scalar::Dual;
/// let x = Dual::new(2.0, 1.0);
/// let y = x * x * x + 1.0;
/// assert_eq!((y.value, y.derivative), (9.0, 12.0));
/// let x = Dual::new(Dual::new(2.0, 1.0), Dual::new(1.0, 0.0));
/// assert_eq!((x * x * x).derivative.derivative, 12.0);                  // 6 x
/// ```
#[derive(Clone, Copy)]
pub struct Dual<T: Scalar = f64> {
    /// The value.
    pub value: T,
    /// The derivative.
    pub derivative: T,
}

impl<T: Scalar> Dual<T> {
    /// A value with a derivative.
    #[inline(always)]
    pub fn new(value: T, derivative: T) -> Self {
        Dual { value, derivative }
    }

    /// A number with derivative 0.
    #[inline(always)]
    pub fn constant(value: T) -> Self {
        Dual { value, derivative: T::of(0.0) }
    }

    /// A number with derivative 1: what is differentiated by.
    #[inline(always)]
    pub fn variable(value: T) -> Self {
        Dual { value, derivative: T::of(1.0) }
    }
}

impl<T: Scalar> Active for Dual<T> {
    of_value! { T }

    // A hint only: within nested value types, everything inlined would be megabytes.
    #[inline]
    #[track_caller]
    fn row<F: Elementwise<A>, const A: usize>(function: F, operands: [Self; A]) -> Self {
        let x = operands.map(|operand| operand.value);
        let y = T::evaluate(function, x);
        let mut derivative: Option<T> = None;
        for (i, operand) in operands.into_iter().enumerate() {
            // By the zero rule nothing comes of an operand that doesn't move.
            if operand.derivative.is_exactly(0.0) {
                continue;
            }
            let Some(partial) = partial::<T, F, A>(i, x, y) else { continue };
            let term = operand.derivative.scaled(partial);
            derivative = Some(derivative.map_or(term, |sum| sum + term));
        }
        Dual { value: y, derivative: derivative.unwrap_or(T::of(0.0)) }
    }
}

number_traits! { [T: Scalar] Dual<T>, T }

macro_rules! methods {
    ($($list:tt)*) => {
        super::float::number_methods! { [T: Scalar] Dual<T>; $($list)* }
    };
}
crate::ops::list::real_methods!(methods);

super::operators::nested_operators! { [T: Scalar] Dual<Dual<T>>, Dual<T> }
super::operators::nested_operators! { ['t, T: Scalar] Dual<super::Var<'t, T>>, super::Var<'t, T> }

scalar_of_value! { [T: Scalar] Dual<T>, T; |x| x.derivative.is_exactly(0.0) }

impl<T: Scalar> std::fmt::Debug for Dual<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dual").field("value", &self.value).field("derivative", &self.derivative).finish()
    }
}
