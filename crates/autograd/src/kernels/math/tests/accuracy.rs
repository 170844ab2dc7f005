//! Largest errors, against tables of exact values, against `libm` and (for f32) against f64.

use super::tables::{self, Table};
use super::{Ulp, by_size, even};
use crate::kernels::lane::{Fma, Plain};
use crate::kernels::number::Number;

/// One function under test and the errors allowed, in ULP.
struct Case {
    name: &'static str,
    narrow: [fn(f32) -> f32; 3],
    wide: [fn(f64) -> f64; 3],
    table: Table,
    /// Another implementation in f64, right to within 1.5 ULP.
    peer: Option<fn(f64) -> f64>,
    /// Where the function is compared with its peer, in f64 and in f32.
    range: [(f64, f64); 2],
    /// Sizes, as powers of 2, over which it is compared as well.
    sizes: Option<(f64, f64)>,
    allowed: f64,
}

macro_rules! case {
    ($name:ident, $table:ident, $peer:expr, [$wide:expr, $narrow:expr], $sizes:expr, $allowed:expr) => {
        Case {
            name: stringify!($name),
            narrow: [|x| Number::$name(x), |x| Fma(x).$name().0, |x| Plain(x).$name().0],
            wide: [|x| Number::$name(x), |x| Fma(x).$name().0, |x| Plain(x).$name().0],
            table: tables::$table,
            peer: $peer,
            range: [$wide, $narrow],
            sizes: $sizes,
            allowed: $allowed,
        }
    };
}

fn cases() -> Vec<Case> {
    vec![
        case!(exp, EXP, Some(libm::exp), [(-745.2, 709.7), (-104.0, 88.7)], Some((-40.0, 3.0)), 1.2),
        case!(exp2, EXP2, Some(libm::exp2), [(-1075.0, 1023.9), (-150.0, 127.9)], Some((-40.0, 3.0)), 1.2),
        case!(expm1, EXPM1, Some(libm::expm1), [(-40.0, 709.7), (-20.0, 88.7)], Some((-120.0, 2.0)), 1.8),
        case!(ln, LN, Some(libm::log), [(0.0, 3.0), (0.0, 3.0)], Some((-149.0, 127.9)), 1.2),
        case!(log2, LOG2, Some(libm::log2), [(0.0, 3.0), (0.0, 3.0)], Some((-149.0, 127.9)), 1.2),
        case!(log10, LOG10, Some(libm::log10), [(0.0, 3.0), (0.0, 3.0)], Some((-149.0, 127.9)), 1.2),
        case!(ln_1p, LN_1P, Some(libm::log1p), [(-1.0, 3.0), (-1.0, 3.0)], Some((-120.0, 127.9)), 1.5),
        case!(sin, SIN, Some(libm::sin), [(-1e6, 1e6), (-1e6, 1e6)], Some((-120.0, 5.0)), 1.2),
        case!(cos, COS, Some(libm::cos), [(-1e6, 1e6), (-1e6, 1e6)], Some((-30.0, 5.0)), 1.2),
        case!(tan, TAN, Some(libm::tan), [(-1e6, 1e6), (-1e6, 1e6)], Some((-120.0, 5.0)), 1.5),
        case!(sinh, SINH, Some(libm::sinh), [(-710.4, 710.4), (-89.4, 89.4)], Some((-120.0, 2.0)), 1.8),
        case!(cosh, COSH, Some(libm::cosh), [(-710.4, 710.4), (-89.4, 89.4)], Some((-30.0, 2.0)), 1.8),
        case!(tanh, TANH, None, [(-20.0, 20.0), (-10.0, 10.0)], Some((-120.0, 2.0)), 1.8),
        case!(sigmoid, SIGMOID, None, [(-744.0, 40.0), (-103.0, 20.0)], Some((-30.0, 3.0)), 2.0),
        case!(softplus, SOFTPLUS, None, [(-744.0, 40.0), (-103.0, 20.0)], Some((-30.0, 3.0)), 2.0),
        case!(erf, ERF, Some(libm::erf), [(-6.5, 6.5), (-4.5, 4.5)], Some((-120.0, 2.0)), 1.6),
        case!(erfc, ERFC, Some(libm::erfc), [(-6.0, 27.2), (-4.0, 10.0)], Some((-60.0, 2.0)), 3.5),
    ]
}

/// The largest error of `f` over `points`, and where.
fn worst<F: Ulp>(points: &[f64], f: impl Fn(f64) -> F, reference: impl Fn(f64) -> f64) -> (f64, f64) {
    points.iter().fold((0.0, 0.0), |worst, &x| {
        let error = F::error(f(x), reference(x));
        if error > worst.0 || error.is_nan() { (error, x) } else { worst }
    })
}

#[test]
fn f64_matches_tables() {
    for case in cases() {
        for (kind, f) in case.wide.iter().enumerate() {
            for &(x, y) in case.table {
                let error = f64::error(f(x), y);
                // The table itself is rounded.
                assert!(error <= case.allowed + 0.5, "{} [{kind}] at {x:e}: {error} ULP", case.name);
            }
        }
    }
}

#[test]
fn f64_matches_libm() {
    for case in cases() {
        let Some(peer) = case.peer else { continue };
        let mut points = even(case.range[0].0, case.range[0].1, 4_000);
        if let Some((low, high)) = case.sizes {
            points.extend(by_size(low, high, 4_000));
        }
        for (kind, f) in case.wide.iter().enumerate() {
            let (error, x) = worst(&points, f, peer);
            assert!(error <= case.allowed + 1.5, "{} [{kind}] at {x:e}: {error} ULP", case.name);
        }
    }
}

#[test]
fn f32_matches_f64() {
    for case in cases() {
        let mut points = even(case.range[1].0, case.range[1].1, 8_000);
        if let Some((low, high)) = case.sizes {
            points.extend(by_size(low, high, 8_000));
        }
        // The arguments must be f32 values, or the function would be blamed for their rounding.
        let points: Vec<f64> = points.iter().map(|&x| f64::from(x as f32)).collect();
        for (kind, f) in case.narrow.iter().enumerate() {
            let (error, x) = worst(&points, |x| f(x as f32), case.wide[0]);
            assert!(error <= case.allowed, "{} [{kind}] at {x:e}: {error} ULP", case.name);
        }
    }
}

#[test]
fn f32_circle_functions_are_right_next_to_multiples_of_half_pi() {
    for k in 1..60_000 {
        let x = (f64::from(k * 10) * std::f64::consts::FRAC_PI_2) as f32;
        let wide = f64::from(x);
        for (value, reference) in [
            (Fma(x).sin().0, libm::sin(wide)),
            (Plain(x).sin().0, libm::sin(wide)),
            (Fma(x).cos().0, libm::cos(wide)),
            (Plain(x).tan().0, libm::tan(wide)),
        ] {
            let error = f32::error(value, reference);
            assert!(error <= 1.5, "at {x}: {error} ULP");
        }
    }
}

#[test]
fn powers_are_accurate() {
    for (i, &exponent) in even(-30.0, 30.0, 200).iter().enumerate() {
        for &base in &even(0.01, 20.0, 40) {
            let wide = Number::pow(base, exponent);
            assert!(f64::error(wide, libm::pow(base, exponent)) <= 1.5, "{base}^{exponent}");
            let (x, y) = (base as f32, exponent as f32);
            let reference = libm::pow(f64::from(x), f64::from(y));
            for value in [Number::pow(x, y), Fma(x).pow(Fma(y)).0, Plain(x).pow(Plain(y)).0] {
                assert!(f32::error(value, reference) <= 0.6, "{x}^{y}, case {i}");
            }
        }
    }
}
