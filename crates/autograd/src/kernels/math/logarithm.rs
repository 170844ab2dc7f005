//! Logarithms.
//!
//! `x = 2^k (1 + f)` with `1 + f` in `[sqrt(1/2), sqrt(2))`, and `ln(1 + f) = 2 artanh(s)` with `s = f / (2 + f)`, whose
//! series (Abramowitz and Stegun 4.1.27) is replaced by a minimax polynomial. It is written as `f - f^2/2 + s (f^2/2 + R)`,
//! so that only terms small against f carry rounding errors.

use super::real::{Pair, Real};

/// `ln(1 + f) = f - square + rest`
struct Series<F> {
    square: F,
    rest: F,
}

#[inline(always)]
fn series<F: Real, const FMA: bool>(f: F) -> Series<F> {
    let s = f / (F::of(2.0) + f);
    let z = s * s;
    let square = F::of(0.5) * f * f;
    let rest = s * F::fma::<FMA>(z, F::ln::<FMA>(z), square);
    Series { square, rest }
}

/// What every logarithm is at the ends: -inf at 0, NaN below, and x itself at +inf and NaN.
#[inline(always)]
fn with_ends<F: Real>(x: F, result: F) -> F {
    let zero = F::of(0.0);
    let result = if x < F::INFINITE { result } else { x };
    let result = if x == zero { -F::INFINITE } else { result };
    if x < zero { F::UNDEFINED } else { result }
}

#[inline(always)]
fn natural<F: Real, const FMA: bool>(k: F, f: F) -> F {
    let Series { square, rest } = series::<F, FMA>(f);
    k * F::LN_2.head - ((square - F::fma::<FMA>(k, F::LN_2.tail, rest)) - f)
}

/// `ln x`
#[inline(always)]
pub fn ln<F: Real, const FMA: bool>(x: F) -> F {
    let (k, m) = x.split();
    with_ends(x, natural::<F, FMA>(k, m - F::of(1.0)))
}

/// `ln(1 + x)`
#[inline(always)]
pub fn ln_1p<F: Real, const FMA: bool>(x: F) -> F {
    // 1 + x is rounded; what it lost goes into f, where it counts.
    let sum = super::real::two_sum(F::of(1.0), x);
    let (k, m) = sum.head.split();
    // Beyond 2^60 nothing is lost, and 2^-k could leave the range.
    let shift = if k > F::of(60.0) { F::of(60.0) } else { k };
    let f = (m - F::of(1.0)) + sum.tail * F::exp2i(-shift);
    let result = with_ends(sum.head, natural::<F, FMA>(k, f));
    if x == F::of(0.0) { x } else { result }
}

/// `log_b x = k log_b 2 + ln(1 + f) / ln b` with the products in head and tail.
#[inline(always)]
fn to_base<F: Real, const FMA: bool>(x: F, two: Pair<F>, inverse: Pair<F>) -> F {
    let (k, m) = x.split();
    let f = m - F::of(1.0);
    let Series { square, rest } = series::<F, FMA>(f);
    let head = (f - square).leading();
    let tail = ((f - head) - square) + rest;
    let product = head * inverse.head;
    let correction = F::fma::<FMA>(tail + head, inverse.tail, tail * inverse.head);
    let whole = k * two.head;
    let sum = whole + product;
    let lost = (whole - sum) + product;
    with_ends(x, sum + (lost + F::fma::<FMA>(k, two.tail, correction)))
}

/// `log2 x`
#[inline(always)]
pub fn log2<F: Real, const FMA: bool>(x: F) -> F {
    let two = Pair { head: F::of(1.0), tail: F::of(0.0) };
    to_base::<F, FMA>(x, two, F::LOG2_E)
}

/// `log10 x`
#[inline(always)]
pub fn log10<F: Real, const FMA: bool>(x: F) -> F {
    to_base::<F, FMA>(x, F::LOG10_2, F::LOG10_E)
}

/// `ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|)`
#[inline(always)]
pub fn softplus<F: Real, const FMA: bool>(x: F) -> F {
    let log = ln_1p::<F, FMA>(super::exponential::exp::<F, FMA>(-x.abs()));
    log + if x < F::of(0.0) { F::of(0.0) } else { x }
}
