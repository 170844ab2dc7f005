//! What the elementary functions need to know of f32 and f64: constants, exponents and bits.

use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::polynomials::Polynomials;

/// A value as an unevaluated sum `head + tail`, where the tail is below the last bit of the head.
#[derive(Clone, Copy, Debug)]
pub struct Pair<F> {
    /// The leading digits.
    pub head: F,
    /// The digits that follow.
    pub tail: F,
}

/// `x - quadrant * pi / 2`, at most about `pi / 4` in size.
#[derive(Clone, Copy, Debug)]
pub struct Reduced<F> {
    /// The remainder to about twice the working precision.
    pub angle: Pair<F>,
    /// The multiple of `pi / 2` modulo 4, as one of -2, -1, 0, 1, 2.
    pub quadrant: F,
}

/// f32 or f64, seen as sign, exponent and digits.
///
/// Everything here is branch-free and uses no conversion between integers and floats, for which AVX2 has no 64-bit
/// instruction: integers appear in the low digits of a float once a large constant is added.
pub trait Real:
    Polynomials
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
    /// `1.5 * 2^(digits - 1)`: adding and subtracting it rounds to an integer, ties to even.
    const ROUNDER: Self;
    /// From here on every value is an integer.
    const INTEGERS: Self;
    /// The smallest normal value.
    const SMALLEST: Self;
    /// Infinity.
    const INFINITE: Self;
    /// Not a number.
    const UNDEFINED: Self;
    /// `ln 2`; the head has enough trailing zeros that its products with exponents are exact.
    const LN_2: Pair<Self>;
    /// `log10 2`, cut like [`Real::LN_2`].
    const LOG10_2: Pair<Self>;
    /// `1 / ln 2`; the head has half the digits, so that its product with another such half is exact.
    const LOG2_E: Pair<Self>;
    /// `1 / ln 10`, cut like [`Real::LOG2_E`].
    const LOG10_E: Pair<Self>;
    /// `pi / 2` as the sum of three floats.
    const HALF_PI: [Self; 3];
    /// Half the largest exponent.
    const HALF_RANGE: Self;
    /// Just above this `e^x` overflows; `round(x / ln 2)` is still a legal exponent plus one.
    const EXP_MAX: Self;
    /// Below this `e^x` rounds to zero.
    const EXP_MIN: Self;
    /// From here on `2^x` overflows.
    const EXP2_MAX: Self;
    /// Below this `2^x` rounds to zero.
    const EXP2_MIN: Self;
    /// From here on `cosh x` overflows.
    const COSH_MAX: Self;
    /// From here on `tanh x` rounds to 1.
    const TANH_MAX: Self;
    /// From here on `erf x` rounds to 1.
    const ERF_MAX: Self;
    /// From here on `erfc x` rounds to 0.
    const ERFC_MAX: Self;

    /// `value`, rounded to nearest.
    fn of(value: f64) -> Self;
    /// The value as f64 (exact).
    fn wide(self) -> f64;
    /// `|x|`
    fn abs(self) -> Self;
    /// `|x|` with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// The square root, correctly rounded.
    fn sqrt(self) -> Self;
    /// The remainder of the division truncated to an integer (C's `fmod`).
    fn truncated_remainder(self, divisor: Self) -> Self;
    /// Rounds to an integer by one instruction where the target has it: nearest-even, down, up.
    fn rounded(self) -> [Self; 3];
    /// `2^n` for an integer n in the range of normal exponents.
    fn exp2i(n: Self) -> Self;
    /// `(k, m)` with `x = 2^k m` and `m` in `[sqrt(1/2), sqrt(2))`, for positive finite x.
    fn split(self) -> (Self, Self);
    /// The leading half of the digits, rounded toward zero.
    fn leading(self) -> Self;
    /// Takes multiples of `pi / 2` away without fused multiply-add; right for `|x| <= REDUCIBLE`.
    fn reduce(self) -> Reduced<Self>;
    /// `x^y`
    fn pow<const FMA: bool>(self, y: Self) -> Self;
}

/// The largest argument that [`Real::reduce`] takes: the multiple of `pi / 2` then has less than 20 bits.
pub const REDUCIBLE: f64 = 1e6;

/// `pi / 2` as 33 + 33 + 33 digits and the rest (Cody and Waite 1980): products with a multiple below `2^20` are exact.
const HALF_PI_PARTS: [f64; 4] =
    [1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21, 8.4784276603689e-32];
/// `pi / 2` less the first of [`HALF_PI_PARTS`].
const HALF_PI_TAIL: f64 = 6.077100506506192e-11;

/// `a + b` as head and tail, exactly, whichever is larger (Knuth's two-sum).
#[inline(always)]
pub fn two_sum<F: Real>(a: F, b: F) -> Pair<F> {
    let head = a + b;
    let virtual_b = head - a;
    let tail = (a - (head - virtual_b)) + (b - virtual_b);
    Pair { head, tail }
}

/// `round(x)` for `|x| < 2^(digits - 2)`, ties to even.
#[inline(always)]
pub fn nearest<F: Real>(x: F) -> F {
    (x + F::ROUNDER) - F::ROUNDER
}

/// `n mod 4` as one of -2, -1, 0, 1, 2, for an integer n.
#[inline(always)]
fn quarter_turns<F: Real>(n: F) -> F {
    n - F::of(4.0) * nearest(n * F::of(0.25))
}

/// Takes multiples of `pi / 2` away; right for `|x| <= REDUCIBLE`.
#[inline(always)]
pub fn reduce<F: Real, const FMA: bool>(x: F) -> Reduced<F> {
    if !FMA {
        return x.reduce();
    }
    let [first, second, third] = F::HALF_PI;
    let n = nearest(x * F::of(std::f64::consts::FRAC_2_PI));
    // This remainder is below 1, a multiple of the last bit of x or of `first`, and so exact. The next product is kept
    // as a pair, so that the result is good even where x is the nearest float to a multiple of pi / 2.
    let remainder = F::fma::<FMA>(-n, first, x);
    let product = n * second;
    let sum = two_sum(remainder, -product);
    let tail = (sum.tail - F::fma::<FMA>(n, second, -product)) - n * third;
    Reduced { angle: renormalised(sum.head, tail), quadrant: quarter_turns(n) }
}

/// `head + tail` with all digits that fit moved into the head, for a tail below the head.
#[inline(always)]
fn renormalised<F: Real>(head: F, tail: F) -> Pair<F> {
    let sum = head + tail;
    Pair { head: sum, tail: tail - (sum - head) }
}

impl Real for f64 {
    const ROUNDER: Self = 6_755_399_441_055_744.0;
    const INTEGERS: Self = 4_503_599_627_370_496.0;
    const SMALLEST: Self = Self::MIN_POSITIVE;
    const INFINITE: Self = Self::INFINITY;
    const UNDEFINED: Self = Self::NAN;
    const LN_2: Pair<Self> = Pair { head: 0.6931471805598903, tail: 5.497923018708371e-14 };
    const LOG10_2: Pair<Self> = Pair { head: 0.30102999566395283, tail: 2.8363394551044964e-14 };
    const LOG2_E: Pair<Self> = Pair { head: 1.4426950216293335, tail: 1.9259629911266175e-8 };
    const LOG10_E: Pair<Self> = Pair { head: 0.4342944771051407, tail: 4.798111141615973e-9 };
    const HALF_PI: [Self; 3] = [std::f64::consts::FRAC_PI_2, 6.123233995736766e-17, -1.4973849048591698e-33];
    const HALF_RANGE: Self = 512.0;
    const EXP_MAX: Self = 709.79;
    const EXP_MIN: Self = -746.0;
    const EXP2_MAX: Self = 1025.0;
    const EXP2_MIN: Self = -1080.0;
    const COSH_MAX: Self = 712.0;
    const TANH_MAX: Self = 22.0;
    const ERF_MAX: Self = 6.0;
    const ERFC_MAX: Self = 28.0;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.abs()
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        self.copysign(sign)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    fn truncated_remainder(self, divisor: Self) -> Self {
        self % divisor
    }

    #[inline(always)]
    fn rounded(self) -> [Self; 3] {
        [self.round_ties_even(), self.floor(), self.ceil()]
    }

    #[inline(always)]
    fn exp2i(n: Self) -> Self {
        // The low digits of the sum are the biased exponent; the shift drops all above them.
        Self::from_bits((n + (Self::ROUNDER + 1023.0)).to_bits() << 52)
    }

    #[inline(always)]
    fn split(self) -> (Self, Self) {
        const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
        const ONE: u64 = 0x3ff0_0000_0000_0000;
        let tiny = self < Self::SMALLEST;
        let scaled = if tiny { self * 18_014_398_509_481_984.0 } else { self };
        let bits = scaled.to_bits().wrapping_add(ONE - SQRT_HALF);
        let exponent = Self::from_bits((bits >> 52) | Self::INTEGERS.to_bits()) - (Self::INTEGERS + 1023.0);
        let digits = (bits & 0x000f_ffff_ffff_ffff) + SQRT_HALF;
        (exponent - if tiny { 54.0 } else { 0.0 }, Self::from_bits(digits))
    }

    #[inline(always)]
    fn leading(self) -> Self {
        Self::from_bits(self.to_bits() & 0xffff_ffff_f800_0000)
    }

    #[inline(always)]
    fn reduce(self) -> Reduced<Self> {
        let n = nearest(self * std::f64::consts::FRAC_2_PI);
        // The first subtraction is exact. The others are kept as pairs, so that the remainder is good even where x is
        // the nearest float to a multiple of pi / 2.
        let first = two_sum(self - n * HALF_PI_PARTS[0], -(n * HALF_PI_PARTS[1]));
        let second = two_sum(first.head, -(n * HALF_PI_PARTS[2]));
        let tail = (first.tail + second.tail) - n * HALF_PI_PARTS[3];
        Reduced { angle: renormalised(second.head, tail), quadrant: quarter_turns(n) }
    }

    #[inline(always)]
    fn pow<const FMA: bool>(self, y: Self) -> Self {
        self.powf(y)
    }
}

impl Real for f32 {
    const ROUNDER: Self = 12_582_912.0;
    const INTEGERS: Self = 8_388_608.0;
    const SMALLEST: Self = Self::MIN_POSITIVE;
    const INFINITE: Self = Self::INFINITY;
    const UNDEFINED: Self = Self::NAN;
    const LN_2: Pair<Self> = Pair { head: 0.693_145_75, tail: 1.428_606_8e-6 };
    const LOG10_2: Pair<Self> = Pair { head: 0.301_025_4, tail: 4.605_039e-6 };
    const LOG2_E: Pair<Self> = Pair { head: 1.442_382_8, tail: 0.000_312_228_4 };
    const LOG10_E: Pair<Self> = Pair { head: 0.434_204_1, tail: 9.038_034e-5 };
    const HALF_PI: [Self; 3] = [std::f32::consts::FRAC_PI_2, -4.371139e-8, -1.7151245e-15];
    const HALF_RANGE: Self = 64.0;
    const EXP_MAX: Self = 88.73;
    const EXP_MIN: Self = -104.0;
    const EXP2_MAX: Self = 129.0;
    const EXP2_MIN: Self = -160.0;
    const COSH_MAX: Self = 90.0;
    const TANH_MAX: Self = 10.0;
    const ERF_MAX: Self = 4.0;
    const ERFC_MAX: Self = 11.0;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value as f32
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.abs()
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        self.copysign(sign)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    fn truncated_remainder(self, divisor: Self) -> Self {
        self % divisor
    }

    #[inline(always)]
    fn rounded(self) -> [Self; 3] {
        [self.round_ties_even(), self.floor(), self.ceil()]
    }

    #[inline(always)]
    fn exp2i(n: Self) -> Self {
        Self::from_bits((n + (Self::ROUNDER + 127.0)).to_bits() << 23)
    }

    #[inline(always)]
    fn split(self) -> (Self, Self) {
        const SQRT_HALF: u32 = 0x3f35_04f3;
        const ONE: u32 = 0x3f80_0000;
        let tiny = self < Self::SMALLEST;
        let scaled = if tiny { self * 33_554_432.0 } else { self };
        let bits = scaled.to_bits().wrapping_add(ONE - SQRT_HALF);
        let exponent = Self::from_bits((bits >> 23) | Self::INTEGERS.to_bits()) - (Self::INTEGERS + 127.0);
        let digits = (bits & 0x007f_ffff) + SQRT_HALF;
        (exponent - if tiny { 25.0 } else { 0.0 }, Self::from_bits(digits))
    }

    #[inline(always)]
    fn leading(self) -> Self {
        Self::from_bits(self.to_bits() & 0xffff_f000)
    }

    #[inline(always)]
    fn reduce(self) -> Reduced<Self> {
        // In f64 two parts of pi / 2 are enough for every f32.
        let wide = f64::from(self);
        let n = nearest(wide * std::f64::consts::FRAC_2_PI);
        let rest = (wide - n * HALF_PI_PARTS[0]) - n * HALF_PI_TAIL;
        let head = rest as f32;
        let tail = (rest - f64::from(head)) as f32;
        Reduced { angle: Pair { head, tail }, quadrant: quarter_turns(n) as f32 }
    }

    #[inline(always)]
    fn pow<const FMA: bool>(self, y: Self) -> Self {
        super::power::pow_through_f64::<FMA>(self, y)
    }
}
