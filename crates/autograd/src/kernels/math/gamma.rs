//! Derivatives of the logarithm of the gamma function, in f64.
//!
//! Formula numbers are those of Abramowitz and Stegun, Handbook of Mathematical Functions, ch. 6 and 23.

/// `B_2k / (2k)` for k = 1, 2, ...: the coefficients of the asymptotic series of digamma (A&S 6.3.18).
const BERNOULLI_OVER_INDEX: [f64; 8] = [
    1.0 / 12.0,
    -1.0 / 120.0,
    1.0 / 252.0,
    -1.0 / 240.0,
    1.0 / 132.0,
    -691.0 / 32_760.0,
    1.0 / 12.0,
    -3_617.0 / 8_160.0,
];

/// `B_2k / (2k)!` for k = 1, 2, ...: the coefficients of the formula of Euler and Maclaurin (A&S 23.1.30).
const BERNOULLI_OVER_FACTORIAL: [f64; 10] = [
    8.333333333333333e-2,
    -1.388888888888889e-3,
    3.306878306878307e-5,
    -8.267195767195768e-7,
    2.08767569878681e-8,
    -5.284190138687493e-10,
    1.3382536530684679e-11,
    -3.3896802963225827e-13,
    8.586062056277845e-15,
    -2.174868698558062e-16,
];

/// `psi(x) / (x - x0)` on `[1, 2]` in powers of `x - 3/2`, where x0 is the positive zero of psi; error at most 2^-58.5.
const DIGAMMA_NEAR_ROOT: [f64; 23] = [
    0.9510558760318328,
    -0.4236274212814606,
    0.24054248424078722,
    -0.1484049230538804,
    0.0949887244528498,
    -0.06192213327553348,
    0.0407608339433876,
    -0.026975796658002853,
    0.017907248235737354,
    -0.011908220144695508,
    0.007927023323595857,
    -0.005279936750008605,
    0.003518088758023868,
    -0.002345498875005005,
    0.0015635029489032724,
    -0.0010364371211022973,
    0.000690284536038575,
    -0.00048601804555070194,
    0.0003258729599014576,
    -0.0001446865031562549,
    9.330926776783874e-5,
    -0.0001783099777782288,
    0.00012116228656170007,
];

/// The positive zero of digamma, and what its f64 leaves out.
const DIGAMMA_ROOT: [f64; 2] = [1.4616321449683622, 9.549995429965697e-17];

/// `psi(x) = d/dx ln Gamma(x)`
///
/// Dividing the zero out keeps the relative accuracy beside it. Elsewhere the recurrence (6.3.5) carries x up to where
/// the asymptotic series holds, and the reflection formula (6.3.7) serves negative x.
pub fn digamma(x: f64) -> f64 {
    if x == 0.0 {
        return f64::INFINITY.copysign(-x);
    }
    if x < 0.0 {
        let fraction = x - x.round();
        // Negative integers, and with them -inf and all large floats, are poles.
        if fraction == 0.0 || x == f64::NEG_INFINITY {
            return f64::NAN;
        }
        return digamma(1.0 - x) - std::f64::consts::PI / (std::f64::consts::PI * fraction).tan();
    }
    if x < 1.0 {
        return digamma(x + 1.0) - 1.0 / x;
    }
    if x <= 2.0 {
        let factor = DIGAMMA_NEAR_ROOT.iter().rev().fold(0.0, |sum, c| sum * (x - 1.5) + c);
        return ((x - DIGAMMA_ROOT[0]) - DIGAMMA_ROOT[1]) * factor;
    }
    digamma_by_series(x)
}

/// Digamma of x > 0 by recurrence and asymptotic series.
fn digamma_by_series(x: f64) -> f64 {
    let mut y = x;
    let mut passed = 0.0;
    while y < 12.0 {
        passed += 1.0 / y;
        y += 1.0;
    }
    let z = 1.0 / (y * y);
    let series = BERNOULLI_OVER_INDEX.iter().rev().fold(0.0, |sum, c| (sum + c) * z);
    y.ln() - (0.5 / y + series) - passed
}

/// `psi^(n)(x)`, the n-th derivative of digamma; NaN unless n is an integer >= 0. For x > 0 the relative error is below 1e-13
/// up to order 600.
///
/// For x > 0 it is `(-1)^(n+1) n! zeta(n + 1, x)` (6.4.10). For negative x the terms of that sum up to the pole next to x
/// form two more zeta functions of positive arguments.
pub fn polygamma(order: f64, x: f64) -> f64 {
    if order == 0.0 {
        return digamma(x);
    }
    if !(order > 0.0 && order.fract() == 0.0 && order.is_finite()) || x.is_nan() {
        return f64::NAN;
    }
    let even = (order * 0.5).fract() == 0.0;
    let signed = |value: f64| if even { -value } else { value };
    if x == 0.0 {
        return if even { f64::INFINITY.copysign(-x) } else { f64::INFINITY };
    }
    if x > 0.0 {
        return signed(scaled_zeta(order, x));
    }
    if x == x.floor() {
        // Poles of even order have the same sign on both sides.
        return if even || x == f64::NEG_INFINITY { f64::NAN } else { f64::INFINITY };
    }
    let to_the_right = scaled_zeta(order, x - x.floor());
    let to_the_left = scaled_zeta(order, x.ceil() - x) - scaled_zeta(order, 1.0 - x);
    signed(to_the_right) + to_the_left
}

/// `n! zeta(n + 1, x) = sum over k >= 0 of n! / (x + k)^(n + 1)`, for x > 0 and n >= 1.
///
/// The terms up to `x + k = n + 12` are added one by one, and the rest by the formula of Euler and Maclaurin.
fn scaled_zeta(n: f64, x: f64) -> f64 {
    if x == f64::INFINITY {
        return 0.0;
    }
    let term = term_of_zeta(n);
    let mut y = x;
    let mut sum = 0.0;
    while y < n + 12.0 {
        let next = term(y);
        sum += next;
        y += 1.0;
        // For large n the terms fall so fast that those left cannot change the sum.
        if next <= sum * 1e-18 || sum == f64::INFINITY || y + 1.0 == y {
            return sum;
        }
    }
    // The k-th correction is B_2k / (2k)! (n + 1) (n + 2) ... (n + 2k - 1) / y^(2k - 1), relative to the term at y.
    let mut rising = (n + 1.0) / y;
    let mut index = n + 1.0;
    let mut rest = y / n + 0.5;
    for c in BERNOULLI_OVER_FACTORIAL {
        rest += c * rising;
        rising *= ((index + 1.0) / y) * ((index + 2.0) / y);
        index += 2.0;
    }
    sum + term(y) * rest
}

/// `y -> n! / y^(n + 1)`, which may be in range where its parts are not.
fn term_of_zeta(n: f64) -> impl Fn(f64) -> f64 {
    // 170! is the last factorial in range. Up to 600 the further factors k / y are multiplied one by one, whose product
    // stays in range; beyond that logarithms are used, which lose digits as the order grows.
    let most = n.min(170.0);
    let factorial = (1..=most as u32).fold(1.0, |f, k| f * f64::from(k));
    let first = ((most + 1.0) * 0.5).floor();
    let second = most + 1.0 - first;
    let log = if n > 600.0 { libm::lgamma(n + 1.0) } else { 0.0 };
    move |y: f64| {
        if n > 600.0 {
            return (log - (n + 1.0) * y.ln()).exp();
        }
        let start = (y.powi(-first as i32) * factorial) * y.powi(-second as i32);
        (171..=n as u32).fold(start, |term, k| term * (f64::from(k) / y))
    }
}
