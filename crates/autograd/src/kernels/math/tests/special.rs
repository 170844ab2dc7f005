//! Zeros, infinities, NaN, denormals and the edges of the range.

use crate::kernels::lane::{Fma, Plain};
use crate::kernels::number::{Element, Number};

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// `(function, x, exact result)`; a NaN result means any NaN.
macro_rules! values {
    ($($name:ident: $($x:expr => $y:expr),+;)+) => {$($(
        check(stringify!($name), $x, $y, [
            Number::$name($x),
            Fma($x).$name().0,
            Plain($x).$name().0,
            f64::from(Number::$name($x as f32)),
            f64::from(Fma($x as f32).$name().0),
            f64::from(Plain($x as f32).$name().0),
        ]);
    )+)+};
}

fn check(name: &str, x: f64, expected: f64, values: [f64; 6]) {
    for (kind, value) in values.into_iter().enumerate() {
        let same = value.to_bits() == expected.to_bits() || (value.is_nan() && expected.is_nan());
        assert!(same, "{name}({x:e}) [{kind}] is {value:e}, not {expected:e}");
    }
}

#[test]
fn exponentials_at_special_values() {
    values! {
        exp: 0.0 => 1.0, -0.0 => 1.0, INF => INF, -INF => 0.0, NAN => NAN, 800.0 => INF, -800.0 => 0.0, 1e-42 => 1.0;
        exp2: 0.0 => 1.0, 3.0 => 8.0, -2.0 => 0.25, 100.0 => (1u128 << 100) as f64, INF => INF, -INF => 0.0, NAN => NAN,
            1e9 => INF, -1e9 => 0.0;
        expm1: 0.0 => 0.0, -0.0 => -0.0, INF => INF, -INF => -1.0, NAN => NAN, 800.0 => INF, -800.0 => -1.0;
        sinh: 0.0 => 0.0, -0.0 => -0.0, INF => INF, -INF => -INF, NAN => NAN, 800.0 => INF, -800.0 => -INF;
        cosh: 0.0 => 1.0, -0.0 => 1.0, INF => INF, -INF => INF, NAN => NAN, -800.0 => INF;
        tanh: 0.0 => 0.0, -0.0 => -0.0, INF => 1.0, -INF => -1.0, NAN => NAN, 1e30 => 1.0, -50.0 => -1.0;
        sigmoid: 0.0 => 0.5, -0.0 => 0.5, INF => 1.0, -INF => 0.0, NAN => NAN, 800.0 => 1.0, -800.0 => 0.0;
        softplus: INF => INF, -INF => 0.0, NAN => NAN, 1024.0 => 1024.0, -800.0 => 0.0;
    }
}

#[test]
fn logarithms_at_special_values() {
    values! {
        ln: 1.0 => 0.0, 0.0 => -INF, -0.0 => -INF, -1.0 => NAN, -INF => NAN, INF => INF, NAN => NAN;
        log2: 1.0 => 0.0, 8.0 => 3.0, 0.125 => -3.0, 0.0 => -INF, -1.0 => NAN, INF => INF, NAN => NAN;
        log10: 1.0 => 0.0, 10.0 => 1.0, 1000.0 => 3.0, 1e10 => 10.0, 0.0 => -INF, -1.0 => NAN, INF => INF, NAN => NAN;
        ln_1p: 0.0 => 0.0, -0.0 => -0.0, -1.0 => -INF, -2.0 => NAN, INF => INF, -INF => NAN, NAN => NAN;
    }
    for exponent in -1074..1024 {
        let x = libm::ldexp(1.0, exponent);
        assert_eq!(Fma(x).log2().0, f64::from(exponent));
    }
}

#[test]
fn other_functions_at_special_values() {
    values! {
        sin: 0.0 => 0.0, -0.0 => -0.0, INF => NAN, -INF => NAN, NAN => NAN;
        cos: 0.0 => 1.0, -0.0 => 1.0, INF => NAN, NAN => NAN;
        tan: 0.0 => 0.0, -0.0 => -0.0, INF => NAN, NAN => NAN;
        erf: 0.0 => 0.0, -0.0 => -0.0, INF => 1.0, -INF => -1.0, NAN => NAN, 30.0 => 1.0, -1e30 => -1.0;
        erfc: 0.0 => 1.0, -0.0 => 1.0, INF => 0.0, -INF => 2.0, NAN => NAN, 30.0 => 0.0, -1e30 => 2.0;
        floor: 2.5 => 2.0, -2.5 => -3.0, 0.0 => 0.0, -0.0 => -0.0, INF => INF, NAN => NAN, -0.25 => -1.0, 0.75 => 0.0;
        ceil: 2.5 => 3.0, -2.5 => -2.0, 0.0 => 0.0, -0.0 => -0.0, -INF => -INF, NAN => NAN, -0.25 => -0.0, 0.75 => 1.0;
        round: 2.5 => 2.0, 3.5 => 4.0, -0.5 => -0.0, 0.5 => 0.0, -2.75 => -3.0, INF => INF, NAN => NAN;
        recip: 0.0 => INF, -0.0 => -INF, INF => 0.0, 4.0 => 0.25;
        abs: -0.0 => 0.0, -INF => INF;
        sqrt: 4.0 => 2.0, -0.0 => -0.0, -1.0 => NAN;
        lgamma: 1.0 => 0.0, 2.0 => 0.0, INF => INF, 0.0 => INF, -3.0 => INF;
    }
}

#[test]
fn denormals_pass_through_odd_functions() {
    for x in [5e-324, -5e-324, 1.5e-310, -2.2e-308, f64::MIN_POSITIVE] {
        for f in [Fma::<f64>::sin, Fma::tan, Fma::sinh, Fma::tanh, Fma::expm1, Fma::ln_1p] {
            assert_eq!(f(Fma(x)).0, x);
        }
        for f in [Plain::<f64>::sin, Plain::tan, Plain::sinh, Plain::tanh, Plain::expm1, Plain::ln_1p] {
            assert_eq!(f(Plain(x)).0, x);
        }
    }
    for x in [1e-45f32, -1e-45, 3e-41, f32::MIN_POSITIVE] {
        for f in [Fma::<f32>::sin, Fma::tan, Fma::sinh, Fma::tanh, Fma::expm1, Fma::ln_1p] {
            assert_eq!(f(Fma(x)).0, x);
        }
    }
}

#[test]
fn results_are_right_at_the_edges_of_the_range() {
    // The last arguments before overflow, and the first beyond.
    assert!(Fma(709.782712893384f64).exp().0.is_finite());
    assert!(Fma(709.782712893385f64).exp().0.is_infinite());
    assert!(Plain(88.72283f32).exp().0.is_finite());
    assert!(Plain(88.72284f32).exp().0.is_infinite());
    assert!(Fma(709.782712893384f64).expm1().0.is_finite());
    assert!(Fma(710.4758600739439f64).cosh().0.is_finite());
    assert!(Fma(710.475860073944f64).sinh().0.is_infinite());
    assert!(Fma(1023.9999999999999f64).exp2().0.is_finite());
    assert!(Fma(1024.0f64).exp2().0.is_infinite());
    // Denormal results, by hand: e^-745 is nearest to the smallest denormal, 2^-1074 is it.
    assert_eq!(Plain(-745.0f64).exp().0, 5e-324);
    assert_eq!(Fma(-1074.0f64).exp2().0, 5e-324);
    assert_eq!(Fma(-149.0f32).exp2().0, 1e-45);
    assert_eq!(Fma(5e-324f64).ln().0, Plain(5e-324f64).ln().0);
}

#[test]
fn scalars_take_sines_of_huge_arguments() {
    for x in [1.000_000_1e6, 1e15, -1e22, 1e300] {
        assert_eq!(Number::sin(x), libm::sin(x));
        assert_eq!(Number::cos(x), libm::cos(x));
        assert_eq!(Number::tan(x), libm::tan(x));
        assert!(Fma(x).sin().is_nan() && Plain(x).cos().is_nan());
    }
    assert_eq!(Number::sin(1e30f32), libm::sin(f64::from(1e30f32)) as f32);
}

#[test]
fn powers_at_special_values() {
    let bases = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, INF, -INF, NAN, 1e-40, -3.0];
    let exponents = [0.0, -0.0, 1.0, -1.0, 2.0, 3.0, -3.0, 0.5, -0.5, 2.5, INF, -INF, NAN, 1e30, 16_777_215.0];
    for x in bases.map(|x| x as f32) {
        for y in exponents.map(|y| y as f32) {
            let expected = libm::pow(f64::from(x), f64::from(y)) as f32;
            for value in [Number::pow(x, y), Fma(x).pow(Fma(y)).0, Plain(x).pow(Plain(y)).0] {
                let same = value.to_bits() == expected.to_bits() || (value.is_nan() && expected.is_nan());
                assert!(same, "{x}^{y} is {value}, not {expected}");
            }
        }
    }
    assert_eq!(Number::pow(-2.0f64, 3.0), -8.0);
    assert!(Number::pow(-2.0f64, 0.5).is_nan());
}

#[test]
fn remainder_has_the_sign_of_the_divisor() {
    // What Python's % gives.
    for (x, y, r) in [(7.0, 3.0, 1.0), (-7.0, 3.0, 2.0), (7.0, -3.0, -2.0), (-7.0, -3.0, -1.0), (-6.0, 3.0, 0.0)] {
        assert_eq!(f64::to_bits(Number::rem(x, y)), f64::to_bits(r));
        assert_eq!(Fma(x as f32).rem(Fma(y as f32)).0, r as f32);
    }
    assert_eq!(Number::rem(-1.0f64, INF), INF);
    assert!(Number::rem(1.0f64, 0.0).is_nan());
}

#[test]
fn extremes_propagate_nan() {
    assert!(Number::max(NAN, 1.0).is_nan() && Number::max(1.0, NAN).is_nan());
    assert!(Number::min(NAN, 1.0).is_nan() && Number::min(1.0, NAN).is_nan());
    assert_eq!(Number::max(2.0, 1.0), 2.0);
    assert_eq!(Fma(2.0f32).min(Fma(1.0)).0, 1.0);
    assert!(Number::is_finite(1e308) && !Number::is_finite(INF) && !Number::is_finite(NAN));
}

#[test]
fn elements_convert() {
    assert_eq!(<f32 as Element>::from_usize(7), 7.0);
    assert_eq!(Element::to_usize(7.0f64), Some(7));
    assert_eq!(Element::to_usize(-1.0f64), None);
    assert_eq!(Element::to_usize(0.5f32), None);
    assert_eq!(Element::to_usize(f64::NAN), None);
    assert_eq!(Element::to_usize(1e30f32), None);
    assert_eq!(1.0f32.to_bits_u64(), 0x3f80_0000);
    assert_eq!(<f64 as Element>::NAME, "f64");
}
