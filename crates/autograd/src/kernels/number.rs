//! The numbers that formulas are written in, and the two element types of the framework.

use super::lanes::Vectorised;
use super::philox::Draw;
use super::reduce;
use std::fmt::{Debug, Display, LowerExp};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use super::lane::{Fma, Plain};

/// A real number as a formula sees it: f32, f64, or one of them compiled for particular instructions.
///
/// [`f32`] and [`f64`] themselves are right everywhere. [`Fma`] and [`Plain`] are for loops that are to be vectorised; they
/// differ from the scalar types in one point: beyond [`REDUCIBLE`](super::math::real::REDUCIBLE) their `sin`, `cos` and
/// `tan` give NaN, and the loop (as [`map`](super::block::map) does) has to redo elements that came out NaN with the
/// scalar type. A formula must therefore not hide a NaN by deciding on a comparison with a sine.
pub trait Number:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Debug
    + Send
    + Sync
    + 'static
{
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;

    /// The constant `value`, rounded to nearest.
    fn of(value: f64) -> Self;
    /// The value as f64 (exact).
    fn to_f64(self) -> f64;
    /// `x a + b`, rounded once where that is one instruction, else twice.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// `|x|`
    fn abs(self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// The cube root.
    fn cbrt(self) -> Self;
    /// `1 / x`
    fn recip(self) -> Self;
    /// `e^x`
    fn exp(self) -> Self;
    /// `2^x`
    fn exp2(self) -> Self;
    /// `e^x - 1`, accurate near 0.
    fn expm1(self) -> Self;
    /// `ln x`
    fn ln(self) -> Self;
    /// The logarithm to base 2.
    fn log2(self) -> Self;
    /// The logarithm to base 10.
    fn log10(self) -> Self;
    /// `ln(1 + x)`, accurate near 0.
    fn ln_1p(self) -> Self;
    /// `sin x`
    fn sin(self) -> Self;
    /// `cos x`
    fn cos(self) -> Self;
    /// `tan x`
    fn tan(self) -> Self;
    /// The angle in `[-pi/2, pi/2]` whose sine is x.
    fn asin(self) -> Self;
    /// The angle in `[0, pi]` whose cosine is x.
    fn acos(self) -> Self;
    /// The angle in `[-pi/2, pi/2]` whose tangent is x.
    fn atan(self) -> Self;
    /// `(e^x - e^-x) / 2`
    fn sinh(self) -> Self;
    /// `(e^x + e^-x) / 2`
    fn cosh(self) -> Self;
    /// `sinh x / cosh x`
    fn tanh(self) -> Self;
    /// `ln(x + sqrt(x^2 + 1))`
    fn asinh(self) -> Self;
    /// `ln(x + sqrt(x^2 - 1))`, NaN for x < 1.
    fn acosh(self) -> Self;
    /// `ln((1 + x) / (1 - x)) / 2`
    fn atanh(self) -> Self;
    /// `1 / (1 + e^-x)`
    fn sigmoid(self) -> Self;
    /// `ln(1 + e^x)`, without overflow.
    fn softplus(self) -> Self;
    /// `2 / sqrt(pi) * integral of e^(-t^2) dt from 0 to x`
    fn erf(self) -> Self;
    /// `1 - erf x`, with full relative accuracy for large x.
    fn erfc(self) -> Self;
    /// `ln |Gamma(x)|`
    fn lgamma(self) -> Self;
    /// `d/dx ln Gamma(x)`
    fn digamma(self) -> Self;
    /// The largest integer not above x.
    fn floor(self) -> Self;
    /// The smallest integer not below x.
    fn ceil(self) -> Self;
    /// The nearest integer, ties to even.
    fn round(self) -> Self;
    /// The angle of the point `(x, self)` in `[-pi, pi]`.
    fn atan2(self, x: Self) -> Self;
    /// `psi^(order)(x)`, the derivative of digamma of integer order >= 0; NaN for any other order.
    fn polygamma(order: Self, x: Self) -> Self;
    /// `x^exponent`; a negative base takes any integer exponent, and gives NaN for others.
    fn pow(self, exponent: Self) -> Self;
    /// `x - divisor floor(x / divisor)`: the remainder with the sign of the divisor, as in Python.
    fn rem(self, divisor: Self) -> Self;
    /// `|x|` with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// The larger of two; NaN if either is.
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self::select(self > other || self.is_nan(), self, other)
    }
    /// The smaller of two; NaN if either is.
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self::select(self < other || self.is_nan(), self, other)
    }
    /// `x != x`
    #[inline(always)]
    #[expect(clippy::eq_op, reason = "only NaN differs from itself")]
    fn is_nan(self) -> bool {
        self != self
    }
    /// Neither infinite nor NaN.
    #[inline(always)]
    #[expect(clippy::eq_op, reason = "only finite numbers cancel")]
    fn is_finite(self) -> bool {
        !(self - self).is_nan()
    }
    /// `a` if the condition holds, else `b`; both are computed.
    #[inline(always)]
    fn select(condition: bool, a: Self, b: Self) -> Self {
        if condition { a } else { b }
    }
}

/// A number in the registers of a loop over elements of type `T`.
pub trait Lane<T>: Number {
    /// The lane holding `value`.
    fn load(value: T) -> Self;
    /// The element that the lane holds.
    fn store(self) -> T;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// What a tensor can hold: exactly [`f32`] and [`f64`].
pub trait Element:
    Number
    + Lane<Self>
    + Default
    + Display
    + LowerExp
    + AddAssign
    + Sum
    + PartialEq
    + Vectorised
    + Draw
    + reduce::Real
    + sealed::Sealed
{
    /// The lane for loops compiled with fused multiply-add.
    type Fused: Lane<Self>;
    /// The lane for loops compiled without.
    type Plain: Lane<Self>;

    /// `"f32"` or `"f64"`.
    const NAME: &'static str;
    /// The distance from 1 to the next larger number.
    const EPSILON: Self;
    /// Positive infinity.
    const INFINITY: Self;
    /// Negative infinity.
    const NEG_INFINITY: Self;
    /// Not a number.
    const NAN: Self;
    /// The largest finite number.
    const MAX: Self;
    /// The smallest positive normal number.
    const MIN_POSITIVE: Self;

    /// The bits of the value, zero-extended.
    fn to_bits_u64(self) -> u64;
    /// The value with these bits; what [`Element::to_bits_u64`] gave.
    fn of_bits(bits: u64) -> Self;
    /// `value`, rounded to nearest.
    fn from_usize(value: usize) -> Self;
    /// The integer that the value is, or None if it is negative, fractional, too large or NaN.
    fn to_usize(self) -> Option<usize>;
}

macro_rules! element {
    ($float:ident) => {
        impl Element for $float {
            type Fused = Fma<$float>;
            type Plain = Plain<$float>;

            const NAME: &'static str = stringify!($float);
            const EPSILON: Self = $float::EPSILON;
            const INFINITY: Self = $float::INFINITY;
            const NEG_INFINITY: Self = $float::NEG_INFINITY;
            const NAN: Self = $float::NAN;
            const MAX: Self = $float::MAX;
            const MIN_POSITIVE: Self = $float::MIN_POSITIVE;

            #[inline(always)]
            fn to_bits_u64(self) -> u64 {
                u64::from(self.to_bits())
            }

            #[inline(always)]
            fn of_bits(bits: u64) -> Self {
                $float::from_bits(bits as _)
            }

            #[inline(always)]
            fn from_usize(value: usize) -> Self {
                value as $float
            }

            #[inline]
            fn to_usize(self) -> Option<usize> {
                // 2^64 (or 2^32) itself is the first value out of range.
                let limit = 2.0 * (usize::MAX / 2 + 1) as $float;
                (self >= 0.0 && self < limit && self.fract() == 0.0).then_some(self as usize)
            }
        }
    };
}

element!(f32);
element!(f64);
