//! Rounding to integers, and the remainder that goes with it.

use super::real::Real;

/// `round(x)`, ties to even.
#[inline(always)]
pub fn round<F: Real, const FMA: bool>(x: F) -> F {
    if FMA {
        return x.rounded()[0];
    }
    // Targets without the instruction would call a function here; the sum with a large constant rounds as well.
    let a = x.abs();
    let rounded = (a + F::INTEGERS) - F::INTEGERS;
    if a < F::INTEGERS { rounded.copysign(x) } else { x }
}

/// The largest integer not above x.
#[inline(always)]
pub fn floor<F: Real, const FMA: bool>(x: F) -> F {
    if FMA {
        return x.rounded()[1];
    }
    let rounded = round::<F, false>(x);
    let excess = if rounded > x { F::of(1.0) } else { F::of(0.0) };
    (rounded - excess).copysign(x)
}

/// The smallest integer not below x.
#[inline(always)]
pub fn ceil<F: Real, const FMA: bool>(x: F) -> F {
    -floor::<F, FMA>(-x)
}

/// `x - y floor(x / y)`, exactly: the remainder with the sign of the divisor, as in Python.
#[inline(always)]
pub fn rem<F: Real>(x: F, y: F) -> F {
    let zero = F::of(0.0);
    let r = x.truncated_remainder(y);
    let shifted = if (r < zero) != (y < zero) { r + y } else { r };
    if r == zero { r.copysign(y) } else { shifted }
}
