//! Sine, cosine and tangent.
//!
//! The argument is reduced to `[-pi/4, pi/4]` by multiples of `pi / 2` held in several parts (Cody and Waite 1980, ch. 8),
//! and both polynomials are evaluated, so that no branch is left. That works for `|x| <= REDUCIBLE` (a million). Beyond,
//! these functions return NaN: the scalar types then ask `libm`, and [`map`](crate::kernels::block::map) redoes the element
//! with the scalar type.

use super::real::{Pair, REDUCIBLE, Real, Reduced, reduce};

struct Circle<F> {
    sine: Pair<F>,
    cosine: Pair<F>,
    quadrant: F,
}

impl<F: Real> Circle<F> {
    /// The quadrant is odd: sine and cosine change places.
    #[inline(always)]
    fn odd(&self) -> bool {
        self.quadrant * self.quadrant == F::of(1.0)
    }

    /// The quadrant is opposite: both change sign.
    #[inline(always)]
    fn opposite(&self) -> bool {
        self.quadrant * self.quadrant > F::of(2.0)
    }
}

/// Sine and cosine of the reduced angle, as pairs.
#[inline(always)]
fn circle<F: Real, const FMA: bool>(x: F) -> Circle<F> {
    // A NaN goes through all that follows and marks what cannot be done here.
    let x = if x.abs() <= F::of(REDUCIBLE) { x } else { F::UNDEFINED };
    let Reduced { angle, quadrant } = reduce::<F, FMA>(x);
    let r = angle.head;
    let z = r * r;
    let rest = F::fma::<FMA>(r * z, F::sin::<FMA>(z), angle.tail);
    let sine = r + rest;
    let half = F::of(0.5) * z;
    let base = F::of(1.0) - half;
    let low = (F::of(1.0) - base) - half;
    let rest_of_cosine = low + F::fma::<FMA>(z * z, F::cos::<FMA>(z), -(r * angle.tail));
    let cosine = base + rest_of_cosine;
    Circle {
        sine: Pair { head: sine, tail: rest - (sine - r) },
        cosine: Pair { head: cosine, tail: rest_of_cosine - (cosine - base) },
        quadrant,
    }
}

/// `sin x` for `|x| <= REDUCIBLE`, else NaN.
#[inline(always)]
pub fn sin<F: Real, const FMA: bool>(x: F) -> F {
    let c = circle::<F, FMA>(x);
    let value = if c.odd() { c.cosine.head } else { c.sine.head };
    let negative = c.opposite() || c.quadrant == F::of(-1.0);
    let result = if negative { -value } else { value };
    // The sum of the parts loses the sign of -0.
    if x == F::of(0.0) { x } else { result }
}

/// `cos x` for `|x| <= REDUCIBLE`, else NaN.
#[inline(always)]
pub fn cos<F: Real, const FMA: bool>(x: F) -> F {
    let c = circle::<F, FMA>(x);
    let value = if c.odd() { c.sine.head } else { c.cosine.head };
    let negative = c.opposite() || c.quadrant == F::of(1.0);
    if negative { -value } else { value }
}

/// `tan x = sin x / cos x` for `|x| <= REDUCIBLE`, else NaN.
#[inline(always)]
pub fn tan<F: Real, const FMA: bool>(x: F) -> F {
    let c = circle::<F, FMA>(x);
    let odd = c.odd();
    let (above, below) = if odd { (c.cosine, c.sine) } else { (c.sine, c.cosine) };
    let quotient = above.head / below.head;
    let correction = (above.tail - quotient * below.tail) / below.head;
    let result = quotient + correction;
    let result = if odd { -result } else { result };
    if x == F::of(0.0) { x } else { result }
}
