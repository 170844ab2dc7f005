//! Digamma and polygamma against published values and identities.

use crate::kernels::math::gamma::{digamma, polygamma};
use crate::kernels::number::Number;

fn assert_close(name: &str, value: f64, expected: f64, tolerance: f64) {
    let error = ((value - expected) / expected).abs();
    assert!(error <= tolerance, "{name}: {value:e} is not {expected:e} (relative error {error:e})");
}

#[test]
fn digamma_matches_abramowitz_and_stegun() {
    // Table 6.1, to its ten digits.
    for (x, psi) in [
        (1.0, -0.5772156649),
        (1.05, -0.4978449913),
        (1.25, -0.2274535334),
        (1.5, 0.0364899740),
        (1.75, 0.2474724535),
        (2.0, 0.4227843351),
    ] {
        assert!((digamma(x) - psi).abs() <= 5.1e-11, "psi({x})");
    }
    // 6.3.2 and 6.3.3 in closed form.
    let euler = 0.577_215_664_901_532_9;
    assert_close("psi(1)", digamma(1.0), -euler, 1e-15);
    assert_close("psi(1/2)", digamma(0.5), -euler - 2.0 * std::f64::consts::LN_2, 1e-15);
}

#[test]
fn trigamma_and_tetragamma_match_abramowitz_and_stegun() {
    // 6.4.2 to 6.4.4: zeta(2), zeta(3) and zeta(4) by their values at 1 and 1/2.
    let pi = std::f64::consts::PI;
    let zeta3 = 1.202_056_903_159_594_2;
    assert_close("psi'(1)", polygamma(1.0, 1.0), pi * pi / 6.0, 1e-14);
    assert_close("psi'(1/2)", polygamma(1.0, 0.5), pi * pi / 2.0, 1e-14);
    assert_close("psi''(1)", polygamma(2.0, 1.0), -2.0 * zeta3, 1e-14);
    assert_close("psi''(1/2)", polygamma(2.0, 0.5), -14.0 * zeta3, 1e-14);
    assert_close("psi'''(1)", polygamma(3.0, 1.0), pi.powi(4) / 15.0, 1e-14);
}

#[test]
fn values_match_high_precision() {
    // Computed for this test with 150 bits.
    for (order, x, expected) in [
        (0.0, 0.3, -3.502524222200133),
        (0.0, 1.4616321, -4.3514636958769774e-8),
        (0.0, 1.5, 0.03648997397857652),
        (0.0, 25.25, 3.2088934898690553),
        (0.0, -3.7, -0.8450768588704194),
        (1.0, 0.3, 12.245364546107732),
        (1.0, 7.5, 0.1426158966967038),
        (1.0, -2.3, 14.725912160961292),
        (2.0, 1.25, -1.3277399375369203),
        (2.0, -1.5, -0.2362040516417274),
        (3.0, 0.01, 600000006.2510618),
        (3.0, 30.0, 7.78600366473613e-5),
        (3.0, -0.6, 282.49155533024333),
        (4.0, -0.5, -3.4742498266672253),
        (5.0, 2.5, 0.5785691785671835),
        (10.0, 3.5, -4.026693041232995),
        (20.0, 1.5, -487772949462609.9),
        (40.0, 55.0, -6.979030777998693e-24),
        (100.0, 2000.0, -7.547742835794974e-175),
        (170.0, 120.5, -1.3602957960463125e-49),
        (200.0, 150.25, -3.0942586898405117e-63),
        (300.0, 24.25, -4.8704679048016736e197),
        (550.0, 597.75, -2.919698030713229e-260),
        (7.0, -4.4, 7990964.65490047),
    ] {
        assert_close(&format!("polygamma({order}, {x})"), polygamma(order, x), expected, 1e-13);
    }
}

#[test]
fn digamma_keeps_its_accuracy_beside_its_zero() {
    let zero = 1.461_632_144_968_362_3;
    for step in [1e-3, 1e-6, 1e-9] {
        // psi(x0 + d) = d psi'(x0) + d^2 psi''(x0) / 2 + ...
        let x: f64 = zero + step;
        let d = (x - zero) - 9.549_995_429_965_697e-17;
        let series = d * polygamma(1.0, zero) * (1.0 + 0.5 * d * polygamma(2.0, zero) / polygamma(1.0, zero));
        assert_close("psi next to its zero", digamma(x), series, 4.0 * step * step + 1e-14);
    }
}

#[test]
fn recurrence_holds() {
    // psi^(n)(x + 1) - psi^(n)(x) = (-1)^n n! / x^(n + 1), A&S 6.4.6.
    let mut factorial = 1.0;
    for n in 0..12u32 {
        let order = f64::from(n);
        factorial *= if n == 0 { 1.0 } else { order };
        for x in [0.1, 0.7, 1.3, 2.9, 9.9, 11.4, -0.3, -2.6] {
            let sign = if n % 2 == 0 { 1.0 } else { -1.0 };
            let step = sign * factorial / f64::powi(x, n as i32 + 1);
            let (here, there) = (polygamma(order, x), polygamma(order, x + 1.0));
            let scale = here.abs().max(there.abs());
            assert!((there - here - step).abs() <= 4e-14 * scale, "order {n} at {x}");
        }
    }
}

#[test]
fn poles_and_ends() {
    let inf = f64::INFINITY;
    assert_eq!(digamma(0.0), -inf);
    assert_eq!(digamma(-0.0), inf);
    assert_eq!(digamma(inf), inf);
    assert_eq!(polygamma(1.0, 0.0), inf);
    assert_eq!(polygamma(2.0, 0.0), -inf);
    assert_eq!(polygamma(1.0, -3.0), inf);
    assert_eq!(polygamma(3.0, inf), 0.0);
    assert_eq!(polygamma(100.0, 1e-5), -inf);
    for nan in [
        digamma(-2.0),
        digamma(-inf),
        digamma(f64::NAN),
        polygamma(2.0, -3.0),
        polygamma(0.5, 1.0),
        polygamma(-1.0, 1.0),
        polygamma(1.0, f64::NAN),
        polygamma(f64::NAN, 1.0),
        polygamma(inf, 1.0),
    ] {
        assert!(nan.is_nan());
    }
}

#[test]
fn f32_goes_through_f64() {
    assert_eq!(Number::digamma(2.5f32), digamma(2.5) as f32);
    assert_eq!(<f32 as Number>::polygamma(1.0, 2.5), polygamma(1.0, 2.5) as f32);
    assert_eq!(Number::lgamma(5.0f32), 24f64.ln() as f32);
}
