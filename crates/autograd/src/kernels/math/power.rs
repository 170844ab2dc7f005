//! Powers.

use super::exponential::exp;
use super::logarithm::ln;
use super::rounding::round;

/// `x^y = e^(y ln |x|)` in f64, whose rounding errors are far below the last bit of an f32; signs as IEEE 754 has them.
#[inline(always)]
pub(super) fn pow_through_f64<const FMA: bool>(x: f32, y: f32) -> f32 {
    let (x, y) = (f64::from(x), f64::from(y));
    let size = exp::<f64, FMA>(y * ln::<f64, FMA>(x.abs()));
    // 1^y is 1 even for y NaN, and (-1)^inf is 1: there y ln|x| is not a number.
    let unit = x == 1.0 || y == 0.0 || (x == -1.0 && y.abs() == f64::INFINITY);
    let size = if unit { 1.0 } else { size };
    // Infinity counts as an even integer.
    let whole = round::<f64, FMA>(y) == y;
    let odd = whole && round::<f64, FMA>(0.5 * y) != 0.5 * y;
    let negative = if odd { -size } else { size };
    // A fractional power of a negative number is defined only at -0 and -inf, where it has no sign.
    let fractional = if x < 0.0 && x > f64::NEG_INFINITY { f64::NAN } else { size };
    let signed = if whole { negative } else { fractional };
    // copysign tells -0 from 0.
    (if 1f64.copysign(x) < 0.0 { signed } else { size }) as f32
}
