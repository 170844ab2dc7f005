//! Zeros of roots, logarithms, powers, products and angles.

use super::{INF, NAN};

edges! { "Roots, logarithms, powers and products at 0";
    x;
    sqrt: "`sqrt` at 0"
        at [&[0.0]];
        x[0].sqrt();
        value [0.0], gradients [&[INF]];
    sqrt_unused: "`sqrt` at 0, where the cotangent is exactly 0", "zero rule"
        at [&[0.0]];
        x[0].sqrt() * 0.0;
        value [0.0], gradients [&[0.0]];
    rsqrt: "`rsqrt` at 0"
        at [&[0.0]];
        x[0].rsqrt();
        value [INF], gradients [&[-INF]];
    cbrt: "`cbrt` at 0"
        at [&[0.0]];
        x[0].cbrt();
        value [0.0], gradients [&[INF]];
    recip: "`recip` at 0"
        at [&[0.0]];
        x[0].recip();
        value [INF], gradients [&[-INF]];
    ln: "`ln` at 0"
        at [&[0.0]];
        x[0].ln();
        value [-INF], gradients [&[INF]];
    log2: "`log2` and `log10` at 0"
        at [&[0.0]];
        x[0].log2() + x[0].log10();
        value [-INF], gradients [&[INF]];
    ln_1p: "`ln_1p` at −1"
        at [&[-1.0]];
        x[0].ln_1p();
        value [-INF], gradients [&[INF]];
    x_ln_x: "`x * ln(x)` at 0", "the derivative is the limit; the value is 0 · −∞, see `xlogy`"
        at [&[0.0]];
        x[0] * x[0].ln();
        value [NAN], gradients [&[-INF]];
    xlogy: "`xlogy(x, x)` at 0", "the limit"
        at [&[0.0]];
        x[0].xlogy(x[0]);
        value [0.0], gradients [&[-INF]];
    xlogy_zero: "`xlogy` of 0 and 0, 0 and 2"
        at [&[0.0, 0.0], &[0.0, 2.0]];
        x[0].xlogy(x[1]);
        value [0.0, 0.0], gradients [&[-INF, std::f64::consts::LN_2], &[0.0, 0.0]];
    entropy: "the entropy `-Σ p ln p` of a certain event, by `xlogy`"
        at [&[1.0, 0.0]];
        -x[0].xlogy(x[0]).sum();
        value [0.0], gradients [&[-1.0, INF]];
    square: "`x` to the power 2.0, at 0"
        at [&[0.0]];
        x[0].powf(2.0);
        value [0.0], gradients [&[0.0]];
    cube: "`x` to the power 3.5, at 0"
        at [&[0.0]];
        x[0].powf(3.5);
        value [0.0], gradients [&[0.0]];
    root: "`x` to the power 0.75, at 0"
        at [&[0.0]];
        x[0].powf(0.75);
        value [0.0], gradients [&[INF]];
    power_zero: "`x` to the power 0.0, at 0"
        at [&[0.0]];
        x[0].powf(0.0);
        value [1.0], gradients [&[0.0]];
    powi_zero: "`powi(0)` and `powi(1)` at 0"
        at [&[0.0]];
        x[0].powi(0) + x[0].powi(1);
        value [1.0], gradients [&[1.0]];
    pow_zero_zero: "`pow` of 0 and 0"
        at [&[0.0], &[0.0]];
        x[0].pow(x[1]);
        value [1.0], gradients [&[0.0], &[0.0]];
    pow_zero_two: "`pow` of 0 and 2"
        at [&[0.0], &[2.0]];
        x[0].pow(x[1]);
        value [0.0], gradients [&[0.0], &[0.0]];
    pow_zero_negative: "`pow` of 0 and −1"
        at [&[0.0], &[-1.0]];
        x[0].pow(x[1]);
        value [INF], gradients [&[-INF], &[-INF]];
    pow_negative: "`pow` of −1 and 2", "neighbouring exponents have no real value"
        at [&[-1.0], &[2.0]];
        x[0].pow(x[1]);
        value [1.0], gradients [&[-2.0], &[NAN]];
    prod_one_zero: "`prod` with one factor 0", "exact"
        at [&[2.0, 0.0, 5.0]];
        x[0].prod();
        value [0.0], gradients [&[0.0, 10.0, 0.0]];
    prod_two_zeros: "`prod` with two factors 0", "exact"
        at [&[0.0, 3.0, 0.0]];
        x[0].prod();
        value [0.0], gradients [&[0.0, 0.0, 0.0]];
    cumprod: "the sum of `cumprod` through a 0", "exact"
        at [&[2.0, 0.0, 5.0]];
        x[0].cumprod(0).sum();
        value [2.0], gradients [&[1.0, 12.0, 0.0]];
    prod_of_nothing: "`prod` and `sum` of nothing"
        at [&[]];
        x[0].prod() + x[0].sum();
        value [1.0], gradients [&[]];
    asin: "`asin` at 1"
        at [&[1.0]];
        x[0].asin();
        value [std::f64::consts::FRAC_PI_2], gradients [&[INF]];
    acos: "`acos` at 1"
        at [&[1.0]];
        x[0].acos();
        value [0.0], gradients [&[-INF]];
    acosh: "`acosh` at 1"
        at [&[1.0]];
        x[0].acosh();
        value [0.0], gradients [&[INF]];
    atanh: "`atanh` at 1"
        at [&[1.0]];
        x[0].atanh();
        value [INF], gradients [&[INF]];
    atan2: "`atan2(0, 0)`"
        at [&[0.0], &[0.0]];
        x[0].atan2(x[1]);
        value [0.0], gradients [&[0.0], &[0.0]];
    atan2_branch: "`atan2(0, -2)`", "on the branch cut, the derivative of either side"
        at [&[0.0], &[-2.0]];
        x[0].atan2(x[1]);
        value [std::f64::consts::PI], gradients [&[-0.5], &[0.0]];
    hypot: "`hypot(0, 0)`"
        at [&[0.0], &[0.0]];
        x[0].hypot(x[1]);
        value [0.0], gradients [&[0.0], &[0.0]];
}
