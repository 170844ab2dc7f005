//! Numbers one at a time: the elementary functions of the standard library, which choose the machine's instructions
//! themselves. The polynomials of [`math`](super::math) are made for loops; alone, compiled for the target's baseline,
//! they take two to four times as long.

use super::lane::arithmetic;
use super::math::real::Real;
use super::number::Number;

/// A float that is computed with alone.
#[derive(Clone, Copy, Debug, Default)]
#[repr(transparent)]
pub struct Native<F>(pub F);

arithmetic!(Native);

/// `tanh x` with an error of at most 1.4 units in the last place, in half the time of the C library's, which has 2.1. A
/// quotient of polynomials near 0, where `e^2x - 1` would cancel. Source: Moshier, Cephes, `tanh.c`.
#[inline]
fn tanh(x: f64) -> f64 {
    let size = x.abs();
    let y = if size < 0.625 {
        let z = x * x;
        let over = (-0.964_399_179_425_052_2 * z - 99.287_723_100_191_86) * z - 1_614.687_684_417_084_5;
        let under = ((z + 112.811_678_491_632_93) * z + 2_235.488_390_601_004_5) * z + 4_844.063_053_251_255;
        x + x * z * (over / under)
    } else {
        1.0 - 2.0 / ((2.0 * size).exp() + 1.0)
    };
    // The sign of -0 would be lost.
    y.copysign(x)
}

/// Methods that are one function of the float.
macro_rules! functions {
    ($($name:ident = $function:expr;)+) => {$(
        #[inline(always)]
        fn $name(self) -> Self {
            Native(($function)(self.0))
        }
    )+};
}

impl Number for Native<f64> {
    const ZERO: Self = Native(0.0);
    const ONE: Self = Native(1.0);

    functions! {
        abs = f64::abs;
        sqrt = f64::sqrt;
        recip = f64::recip;
        cbrt = f64::cbrt;
        exp = f64::exp;
        exp2 = f64::exp2;
        expm1 = f64::exp_m1;
        ln = f64::ln;
        log2 = f64::log2;
        log10 = f64::log10;
        ln_1p = f64::ln_1p;
        sin = f64::sin;
        cos = f64::cos;
        tan = f64::tan;
        asin = f64::asin;
        acos = f64::acos;
        atan = f64::atan;
        sinh = f64::sinh;
        cosh = f64::cosh;
        tanh = tanh;
        asinh = <f64 as Number>::asinh;
        acosh = <f64 as Number>::acosh;
        atanh = <f64 as Number>::atanh;
        softplus = <f64 as Number>::softplus;
        erf = <f64 as Number>::erf;
        erfc = <f64 as Number>::erfc;
        lgamma = <f64 as Number>::lgamma;
        digamma = <f64 as Number>::digamma;
        floor = <f64 as Number>::floor;
        ceil = <f64 as Number>::ceil;
        round = <f64 as Number>::round;
    }

    #[inline(always)]
    fn of(value: f64) -> Self {
        Native(value)
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self.0
    }

    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        Native(Number::mul_add(self.0, a.0, b.0))
    }

    /// With `z = e^-|x|` nothing overflows, and the left tail `z / (1 + z)` keeps its relative accuracy.
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let z = (-self.0.abs()).exp();
        Native((if self.0 < 0.0 { z } else { 1.0 }) / (1.0 + z))
    }

    #[inline(always)]
    fn atan2(self, x: Self) -> Self {
        Native(self.0.atan2(x.0))
    }

    #[inline(always)]
    fn polygamma(order: Self, x: Self) -> Self {
        Native(Number::polygamma(order.0, x.0))
    }

    #[inline(always)]
    fn pow(self, exponent: Self) -> Self {
        Native(self.0.powf(exponent.0))
    }

    #[inline(always)]
    fn rem(self, divisor: Self) -> Self {
        Native(Number::rem(self.0, divisor.0))
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        Native(self.0.copysign(sign.0))
    }
}
