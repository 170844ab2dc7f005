//! The error function and its complement.

use super::exponential::{exp_parts, scale};
use super::real::{Pair, Real};

/// `erf x = 2 / sqrt(pi) * integral of e^(-t^2) from 0 to x`
///
/// Up to 1 a polynomial in `x^2`, beyond it `1 - e^G(x)` with `G` a polynomial for `ln(erfc x)`: as `erfc` vanishes
/// beside 1, the farther out, the less accurate `G` need be, which keeps its degree low.
#[inline(always)]
pub fn erf<F: Real, const FMA: bool>(x: F) -> F {
    let near = F::fma::<FMA>(x, F::erf::<FMA>(x * x), x);
    let a = x.abs();
    let bounded = if a > F::ERF_MAX { F::ERF_MAX } else { a };
    let log = F::erf_tail::<FMA>(bounded);
    let (c, n) = exp_parts::<F, FMA>(Pair { head: log, tail: F::of(0.0) });
    let power = F::exp2i(n);
    let far = (F::of(1.0) - F::fma::<FMA>(power, c, power)).copysign(x);
    if a < F::of(1.0) { near } else { far }
}

/// `erfc x = 1 - erf x`
///
/// `(1 + 2 x) e^(x^2) erfc x` varies little over all x >= 0, and `t = (x - k) / (x + k)` maps that half-line to `[-1, 1)`,
/// so one polynomial serves it (Shepherd and Laframboise, Mathematics of Computation 36, 1981). `erfc(-x) = 2 - erfc x`.
#[inline(always)]
pub fn erfc<F: Real, const FMA: bool>(x: F) -> F {
    let a = x.abs();
    let a = if a > F::ERFC_MAX { F::ERFC_MAX } else { a };
    // 1 + t is the better known one near x = 0.
    let u = (a + a) / (a + F::ERFC_CENTRE);
    let y = F::fma::<FMA>(u, F::erfc::<FMA>(u - F::of(1.0)), F::of(1.0)) / F::fma::<FMA>(a, F::of(2.0), F::of(1.0));
    // The square of the leading half is exact; what is left of a^2 goes into the tail. A rounded square would cost
    // as many digits as the exponent has.
    let leading = a.leading();
    let square = Pair { head: -(leading * leading), tail: (leading - a) * (leading + a) };
    let (c, n) = exp_parts::<F, FMA>(square);
    let positive = scale(F::fma::<FMA>(c, y, y), n);
    if x < F::of(0.0) { F::of(2.0) - positive } else { positive }
}
