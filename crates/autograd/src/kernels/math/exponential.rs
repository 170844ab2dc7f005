//! The exponential and what is made of it alone.
//!
//! `e^x = 2^n e^r` with `n = round(x / ln 2)` and `|r| <= ln(2) / 2` (Cody and Waite, Software Manual for the
//! Elementary Functions, 1980, ch. 6), and a polynomial for `e^r`. The power of two is applied in two halves, so that
//! results beyond the normal range round once, to infinity, a denormal or zero.

use super::real::{Pair, Real, nearest};

/// `x` between `least` and `most`; NaN stays.
#[inline(always)]
pub(super) fn clamp<F: Real>(x: F, least: F, most: F) -> F {
    let x = if x > most { most } else { x };
    if x < least { least } else { x }
}

/// `(c, n)` with `e^(head + tail) = 2^n (1 + c)`, for a head in the range that `n` can have and a small tail.
#[inline(always)]
pub(super) fn exp_parts<F: Real, const FMA: bool>(x: Pair<F>) -> (F, F) {
    let n = nearest(x.head * F::of(std::f64::consts::LOG2_E));
    // The first product is exact, and so is its difference from the head.
    let r = (x.head - n * F::LN_2.head) - F::fma::<FMA>(n, F::LN_2.tail, -x.tail);
    (F::fma::<FMA>(r * r, F::exp::<FMA>(r), r), n)
}

/// `2^n x` for an integer n of up to twice the range of exponents.
#[inline(always)]
pub(super) fn scale<F: Real>(x: F, n: F) -> F {
    scale_from(x, n, F::HALF_RANGE.copysign(n))
}

/// `2^n x` as `2^from (2^(n - from) x)`: half the range of exponents at a time, so that the inner product is exact.
#[inline(always)]
fn scale_from<F: Real>(x: F, n: F, from: F) -> F {
    x * F::exp2i(n - from) * F::exp2i(from)
}

/// `e^x`
#[inline(always)]
pub fn exp<F: Real, const FMA: bool>(x: F) -> F {
    let head = clamp(x, F::EXP_MIN, F::EXP_MAX);
    let (c, n) = exp_parts::<F, FMA>(Pair { head, tail: F::of(0.0) });
    scale(F::of(1.0) + c, n)
}

/// `2^x`
#[inline(always)]
pub fn exp2<F: Real, const FMA: bool>(x: F) -> F {
    let x = clamp(x, F::EXP2_MIN, F::EXP2_MAX);
    let n = nearest(x);
    let r = (x - n) * F::of(std::f64::consts::LN_2);
    let c = F::fma::<FMA>(r * r, F::exp::<FMA>(r), r);
    scale(F::of(1.0) + c, n)
}

/// `e^x - 1`
#[inline(always)]
pub fn expm1<F: Real, const FMA: bool>(x: F) -> F {
    let head = clamp(x, F::of(-50.0), F::EXP_MAX);
    let (c, n) = exp_parts::<F, FMA>(Pair { head, tail: F::of(0.0) });
    // Half of the result, because 2^n itself may overflow where the result does not.
    let half = F::exp2i(n - F::of(1.0));
    let result = F::of(2.0) * F::fma::<FMA>(half, c, half - F::of(0.5));
    // Halving a denormal would lose its last digit, and -0 would become 0.
    if x.abs() < F::of(1e-20) { x } else { result }
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub fn sigmoid<F: Real, const FMA: bool>(x: F) -> F {
    // With z = e^-|x| nothing overflows, and the left tail z / (1 + z) keeps its relative accuracy.
    let size = -x.abs();
    let head = if size < F::EXP_MIN { F::EXP_MIN } else { size };
    let (c, n) = exp_parts::<F, FMA>(Pair { head, tail: F::of(0.0) });
    let p = F::of(1.0) + c;
    let z = scale_from(p, n, -F::HALF_RANGE);
    let denominator = F::of(1.0) + z;
    let left = x < F::of(0.0);
    let quotient = (if left { z } else { F::of(1.0) }) / denominator;
    // Three roundings in a row would pass 2 ULP, so those of p (relative to p, where 1 - c stands for 1 / p) and of the
    // denominator are put back. Its reciprocal is at hand: the two tails add up to 1.
    let of_z = (c - (p - F::of(1.0))) * (F::of(1.0) - c);
    let of_sum = F::fma::<FMA>(z, of_z, z - (denominator - F::of(1.0)));
    let reciprocal = if left { F::of(1.0) - quotient } else { quotient };
    let relative = F::fma::<FMA>(-of_sum, reciprocal, if left { of_z } else { F::of(0.0) });
    F::fma::<FMA>(quotient, relative, quotient)
}

/// `sinh x` by its series near 0 and by `(E - 1/E) / 2` elsewhere.
#[inline(always)]
pub fn sinh<F: Real, const FMA: bool>(x: F) -> F {
    let z = x * x;
    let near = F::fma::<FMA>(x * z, F::sinh::<FMA>(z), x);
    let half = half_exp::<F, FMA>(x.abs());
    let far = (half - F::of(0.25) / half).copysign(x);
    if x.abs() < F::of(1.0) { near } else { far }
}

/// `cosh x = (E + 1/E) / 2`
#[inline(always)]
pub fn cosh<F: Real, const FMA: bool>(x: F) -> F {
    let half = half_exp::<F, FMA>(x.abs());
    half + F::of(0.25) / half
}

/// `e^x / 2` for x >= 0, which overflows only where `cosh x` does.
#[inline(always)]
fn half_exp<F: Real, const FMA: bool>(x: F) -> F {
    let head = if x > F::COSH_MAX { F::COSH_MAX } else { x };
    let (c, n) = exp_parts::<F, FMA>(Pair { head, tail: F::of(0.0) });
    scale(F::of(1.0) + c, n - F::of(1.0))
}

/// `tanh x` by its series near 0 and by `1 - 2 / (e^2x + 1)` elsewhere.
#[inline(always)]
pub fn tanh<F: Real, const FMA: bool>(x: F) -> F {
    let z = x * x;
    let near = F::fma::<FMA>(x * z, F::tanh::<FMA>(z), x);
    let a = x.abs();
    let head = if a > F::TANH_MAX { F::TANH_MAX } else { a };
    let (c, n) = exp_parts::<F, FMA>(Pair { head: head + head, tail: F::of(0.0) });
    let power = F::exp2i(n);
    let e = F::fma::<FMA>(power, c, power);
    let far = F::of(1.0) - F::of(2.0) / (e + F::of(1.0));
    // The sign goes on last, for the series alone would turn -0 into 0.
    (if a < F::of(0.55) { near } else { far }).copysign(x)
}
