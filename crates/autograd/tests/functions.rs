//! The functions of numbers: every order of derivative against differences, both element types, every kink and edge.

use wengert_autograd::ops::REGISTRY;
use wengert_autograd::ops::registry::{Kind, Registered, Sample};
use wengert_autograd::{Element, ErrorKind, IntoVar, Real, Result, Tape, Tensor, Var, where_};

/// Wherever a derivative is looked at: `∂/∂x_path[n] ... ∂/∂x_path[0]` of each element.
fn derivative<T: Element>(sample: &Sample<T>, inputs: &[Tensor<T>], path: &[usize]) -> Vec<T> {
    let tape = Tape::new();
    let x: Vec<Var<'_, T>> = inputs.iter().map(|input| tape.input(input)).collect();
    let mut y = (sample.function)(&x);
    for &operand in path {
        [y] = y.sum().grad([x[operand]]);
    }
    match y.value() {
        Ok(value) => value.as_slice().to_vec(),
        // What was differentiated is constant.
        Err(error) if error.kind() == ErrorKind::Unreached => vec![T::of(0.0); inputs[0].len()],
        Err(error) => panic!("{error}"),
    }
}

/// Ridders' method: central differences of shrinking steps, extrapolated to step 0; each element takes the entry of
/// the tableau with the least estimated error.
fn ridders(f: impl Fn(f64) -> Vec<f64>) -> Vec<(f64, f64)> {
    const SHRINK: f64 = 1.4;
    let mut step = 0.02;
    let mut previous: Vec<Vec<f64>> = Vec::new();
    let mut best: Vec<(f64, f64)> = Vec::new();
    for round in 0..8 {
        let (up, down) = (f(step), f(-step));
        let mut row: Vec<Vec<f64>> = vec![up.iter().zip(&down).map(|(u, d)| (u - d) / (2.0 * step)).collect()];
        best.resize(up.len(), (f64::NAN, f64::INFINITY));
        for order in 1..=round {
            let factor = SHRINK.powi(2 * order as i32);
            let next: Vec<f64> = (0..up.len())
                .map(|i| {
                    let (fine, coarse) = (row[order - 1][i], previous[order - 1][i]);
                    let value = (factor * fine - coarse) / (factor - 1.0);
                    let error = (value - fine).abs().max((value - coarse).abs());
                    if error <= best[i].1 {
                        best[i] = (value, error);
                    }
                    value
                })
                .collect();
            row.push(next);
        }
        previous = row;
        step /= SHRINK;
    }
    best
}

fn rows() -> impl Iterator<Item = &'static Registered> {
    REGISTRY.iter().filter(|op| op.kind == Kind::Row)
}

/// A sample without broadcasting, several elements long.
fn plain_sample<T: Element>(samples: Vec<Sample<T>>) -> Sample<T> {
    samples
        .into_iter()
        .find(|sample| {
            sample.inputs[0].len() > 1 && sample.inputs.iter().all(|x| x.shape() == sample.inputs[0].shape())
        })
        .expect("each row has a sample without broadcasting")
}

#[test]
fn three_orders_of_derivative_agree_with_differences_of_the_order_before() {
    assert!(rows().count() > 50, "the list of rows is read");
    let mut wrong = Vec::new();
    for op in rows() {
        let sample = plain_sample((op.samples)());
        let operands = sample.inputs.len();
        let mut paths: Vec<Vec<usize>> = vec![Vec::new()];
        for _ in 0..3 {
            paths = paths.iter().flat_map(|p| (0..operands).map(|i| [&p[..], &[i]].concat())).collect();
            for path in &paths {
                let (&last, before) = path.split_last().unwrap();
                let exact = derivative(&sample, &sample.inputs, path);
                let numeric = ridders(|step| {
                    let mut inputs = sample.inputs.clone();
                    inputs[last] = inputs[last].map_values(|value| value + step);
                    derivative(&sample, &inputs, before)
                });
                for (i, (&exact, (numeric, error))) in exact.iter().zip(numeric).enumerate() {
                    let close = (exact - numeric).abs() <= 1e-8 * (1.0 + exact.abs()) + 10.0 * error.min(1e-6);
                    if !close {
                        wrong.push(format!("{} {path:?}[{i}]: {exact} is not {numeric} +- {error:e}", op.name));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn single_precision_agrees_with_double() {
    for op in rows() {
        let (double, single) = (plain_sample((op.samples)()), plain_sample((op.samples_f32)()));
        // The same numbers, so that rounding the operands is no part of the difference.
        let inputs: Vec<Tensor<f64>> = single.inputs.iter().map(|x| x.cast::<f64>()).collect();
        for path in [&[][..], &[0], &[0, 0]] {
            let (wide, narrow) = (derivative(&double, &inputs, path), derivative(&single, &single.inputs, path));
            for (wide, narrow) in wide.iter().zip(&narrow) {
                let difference = (wide - f64::from(*narrow)).abs();
                assert!(difference <= 4e-6 * (1.0 + wide.abs()), "{} {path:?}: {wide} and {narrow}", op.name);
            }
        }
    }
}

/// The values of a function and of its first derivatives, one operand.
fn orders<const N: usize>(x: f64, f: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>) -> [f64; N] {
    let mut order = 0;
    [(); N].map(|()| {
        let tape = Tape::new();
        let x = tape.input(Tensor::scalar(x));
        let mut y = f(x);
        for _ in 0..order {
            [y] = y.grad([x]);
        }
        order += 1;
        y.item().unwrap_or_else(|error| match error.kind() {
            ErrorKind::Unreached => 0.0,
            _ => panic!("{error}"),
        })
    })
}

/// Value and both derivatives of a function of two operands.
fn both(a: f64, b: f64, f: impl for<'t> Fn(Var<'t, f64>, Var<'t, f64>) -> Var<'t, f64>) -> [f64; 3] {
    let tape = Tape::new();
    let (a, b) = (tape.input(Tensor::scalar(a)), tape.input(Tensor::scalar(b)));
    let y = f(a, b);
    let [ga, gb] = y.grad([a, b]);
    [y, ga, gb].map(|var| var.item().unwrap())
}

/// Equal, NaN being equal to NaN.
#[track_caller]
fn same<const N: usize>(actual: [f64; N], expected: [f64; N]) {
    let equal = actual.iter().zip(&expected).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()));
    assert!(equal, "{actual:?} is not {expected:?}");
}

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

#[test]
fn kinks_have_the_derivative_of_least_norm() {
    same(orders(0.0, |x| x.abs()), [0.0, 0.0, 0.0]);
    same(orders(-2.0, |x| x.abs()), [2.0, -1.0, 0.0]);
    for x in [-1.5, 0.0, 1.5] {
        same(orders::<2>(x, |x| x.sign())[1..].try_into().unwrap(), [0.0]);
        same(orders::<2>(x, |x| x.floor())[1..].try_into().unwrap(), [0.0]);
        same(orders::<2>(x, |x| x.ceil())[1..].try_into().unwrap(), [0.0]);
        same(orders::<2>(x, |x| x.round())[1..].try_into().unwrap(), [0.0]);
    }
    same(orders(0.0, |x| x.sign()), [0.0]);
    for x in [-1.0, 1.0] {
        same(orders(x, |x| x.clamp(-1.0, 1.0)), [x, 0.0, 0.0]);
    }
    same(orders(0.5, |x| x.clamp(-1.0, 1.0)), [0.5, 1.0, 0.0]);
    same(orders(3.0, |x| x.clamp(2.0, 1.0)), [1.0, 0.0]);
}

#[test]
fn ties_are_shared_exactly() {
    for value in [0.0, 0.1, -3.7, INF, -INF] {
        same(both(value, value, |a, b| a.maximum(b)), [value, 0.5, 0.5]);
        same(both(value, value, |a, b| a.minimum(b)), [value, 0.5, 0.5]);
    }
    same(both(1.0, 2.0, |a, b| a.maximum(b)), [2.0, 0.0, 1.0]);
    same(both(1.0, 2.0, |a, b| a.minimum(b)), [1.0, 1.0, 0.0]);
    same(orders(1.5, |x| x.maximum(x)), [1.5, 1.0, 0.0]);
    // At the tie of x^2 and x^3 the second derivative is the mean of 2 and 6.
    same(orders(1.0, |x| x.square().maximum(x.powi(3))), [1.0, 2.5, 4.0]);
    same(orders(1.0, |x| x.square().minimum(x.powi(3))), [1.0, 2.5, 4.0]);
}

#[test]
fn roots_and_logarithms_at_0_are_infinite_and_keep_the_zero_rule() {
    same(orders(0.0, |x| x.sqrt()), [0.0, INF]);
    same(orders(0.0, |x| x.cbrt()), [0.0, INF]);
    same(orders(0.0, |x| x.rsqrt()), [INF, -INF]);
    same(orders(0.0, |x| x.ln()), [-INF, INF]);
    same(orders(0.0, |x| x.log2()), [-INF, INF]);
    same(orders(0.0, |x| x.log10()), [-INF, INF]);
    same(orders(-1.0, |x| x.ln_1p()), [-INF, INF]);
    same(orders::<2>(1.0, |x| x.asin())[1..].try_into().unwrap_or([0.0]), [INF]);
    same(orders::<2>(1.0, |x| x.acos()), [0.0, -INF]);
    same(orders::<2>(1.0, |x| x.acosh()), [0.0, INF]);
    same(orders::<2>(1.0, |x| x.atanh()), [INF, INF]);
    same(orders(-2.0, |x| x.acosh()), [NAN, NAN]);
    let functions: [for<'t> fn(Var<'t, f64>) -> Var<'t, f64>; 5] =
        [|x| x.sqrt(), |x| x.rsqrt(), |x| x.ln(), |x| x.cbrt(), |x| x.powf(0.3)];
    for function in functions {
        let chosen: [f64; 2] = orders(0.0, |x| where_(x.gt(0.0), function(x), x * 3.0));
        same(chosen, [0.0, 3.0]);
    }
    same(orders(-1.0, |x| where_(x.gt(0.0), x.ln(), x)), [-1.0, 1.0, 0.0]);
    same(orders(0.0, |x| x.square().sqrt()), [0.0, 0.0]);
    same(orders(0.0, |x| x * x.ln()), [NAN, -INF]);
}

#[test]
fn powers_of_0_and_of_negative_numbers() {
    same(orders(0.0, |x| x.powf(2.0)), [0.0, 0.0, 2.0, 0.0]);
    same(orders(0.0, |x| x.powi(2)), [0.0, 0.0, 2.0, 0.0]);
    same(orders(0.0, |x| x.powi(3)), [0.0, 0.0, 0.0, 6.0]);
    same(orders(0.0, |x| x.powi(5)), [0.0, 0.0, 0.0, 0.0, 0.0, 120.0, 0.0]);
    same(orders(0.0, |x| x.pow(2.0)), [0.0, 0.0, 2.0, 0.0, 0.0]);
    same(orders(0.0, |x| x.powf(0.0)), [1.0, 0.0, 0.0]);
    same(orders(0.0, |x| x.powi(0)), [1.0, 0.0, 0.0]);
    same(orders(0.0, |x| x.powi(1)), [0.0, 1.0, 0.0]);
    same(orders(0.0, |x| x.powf(0.5)), [0.0, INF]);
    same(orders(0.0, |x| x.powf(1.5)), [0.0, 0.0, INF]);
    same(both(0.0, 0.0, |x, p| x.pow(p)), [1.0, 0.0, 0.0]);
    same(both(0.0, 2.0, |x, p| x.pow(p)), [0.0, 0.0, 0.0]);
    same(both(0.0, -1.0, |x, p| x.pow(p)), [INF, -INF, -INF]);
    same(both(-1.0, 2.0, |x, p| x.pow(p)), [1.0, -2.0, NAN]);
    same(both(INF, -1.0, |x, p| x.pow(p)), [0.0, -0.0, 0.0]);
    same(orders(-2.0, |x| x.powi(3)), [-8.0, 12.0, -12.0, 6.0, 0.0]);
    same(orders(-2.0, |x| x.powi(5)), [-32.0, 80.0, -160.0, 240.0, -240.0, 120.0, 0.0]);
    same(orders(-2.0, |x| x.powi(-1)), [-0.5, -0.25, -0.25]);
    same(orders(-2.0, |x| x.powi(-3)), [-0.125, -0.1875, -0.375]);
    same(orders(-1.0, |x| x.powf(0.3)), [NAN, NAN]);
    let tape = Tape::new();
    tape.strict(true);
    let x = tape.input(Tensor::scalar(0.0f64));
    assert_eq!(x.powf(0.0).grad([x])[0].item().unwrap(), 0.0);
}

#[test]
fn integer_powers_keep_the_parity_of_exponents_that_f32_cannot_hold() {
    let tape = Tape::new();
    let x = tape.input(Tensor::scalar(-1.0f32));
    for (exponent, value) in [(16_777_217, -1.0), (i32::MAX, -1.0), (i32::MIN, 1.0), (-16_777_219, -1.0)] {
        assert_eq!(x.powi(exponent).item().unwrap(), value, "{exponent}");
    }
    assert_eq!(Real::powi(-2.0f64, 7), -128.0);
}

#[test]
fn angles_at_the_origin_and_far_away() {
    same(both(0.0, 0.0, |y, x| y.atan2(x)), [0.0, 0.0, 0.0]);
    same(both(0.0, 2.0, |y, x| y.atan2(x)), [0.0, 0.5, 0.0]);
    for scale in [1e-250, 1e250] {
        let [angle, gy, gx] = both(3.0 * scale, 4.0 * scale, |y, x| y.atan2(x));
        assert!((angle - 0.75f64.atan()).abs() < 1e-15);
        assert!((gy * scale - 0.16).abs() < 1e-15 && (gx * scale + 0.12).abs() < 1e-15, "{gy} {gx}");
    }
}

#[test]
fn remainders_have_the_divisors_sign_and_the_quotients_slope() {
    same(both(5.0, 2.0, |x, y| x.rem(y)), [1.0, 1.0, -2.0]);
    same(both(-5.0, 2.0, |x, y| x.rem(y)), [1.0, 1.0, 3.0]);
    same(both(5.0, -2.0, |x, y| x.rem(y)), [-1.0, 1.0, 3.0]);
    // 1 / 0.1 rounds to 10, but 0.1 as a float goes into 1 only 9 times.
    same(both(1.0, 0.1, |x, y| x.rem(y))[1..].try_into().unwrap_or([0.0; 2]), [1.0, -9.0]);
}

#[test]
fn nan_is_passed_on_by_what_chooses() {
    for [a, b] in [[NAN, 1.0], [1.0, NAN], [NAN, NAN]] {
        same(both(a, b, |a, b| a.maximum(b)), [NAN, 1.0, 1.0]);
        same(both(a, b, |a, b| a.minimum(b)), [NAN, 1.0, 1.0]);
        same(both(a, b, |a, b| a.lt(b) + a.le(b) + a.gt(b) + a.ge(b) + a.eq(b)), [0.0, 0.0, 0.0]);
        same(both(a, b, |a, b| a.ne(b)), [1.0, 0.0, 0.0]);
    }
    same(orders(NAN, |x| x.clamp(0.0, 1.0)), [NAN]);
    same(orders(1.0, |x| x.clamp(NAN, 2.0)), [NAN]);
    same(orders(1.0, |x| x.clamp(0.0, NAN)), [NAN]);
    same(orders(NAN, |x| x.sign()), [NAN]);
    same(orders(NAN, |x| x.abs()), [NAN, NAN]);
    same(orders(NAN, |x| where_(x, 1.0, 2.0)), [1.0]);
}

#[test]
fn every_function_of_nan_is_nan() {
    let not_so = |name| {
        let masks = matches!(name, "lt" | "le" | "gt" | "ge" | "eq" | "ne" | "where_" | "relu");
        // For which NaN counts as missing.
        masks || matches!(name, "fmax" | "fmin")
    };
    for op in rows().filter(|op| !not_so(op.name)) {
        let sample = plain_sample((op.samples)());
        let mut inputs = sample.inputs.clone();
        inputs[0] = inputs[0].map_values(|_| NAN);
        assert!(derivative(&sample, &inputs, &[]).iter().all(|y| y.is_nan()), "{}", op.name);
    }
}

#[test]
fn limits_at_infinity() {
    same(orders(INF, |x| x.tanh()), [1.0, 0.0, -0.0]);
    same(orders(-INF, |x| x.exp()), [0.0, 0.0, 0.0]);
    same(orders(-INF, |x| x.expm1()), [-1.0, 0.0, 0.0]);
    same(orders(INF, |x| x.atan()), [std::f64::consts::FRAC_PI_2, 0.0]);
    same(orders(INF, |x| x.erf()), [1.0, 0.0]);
    same(orders(INF, |x| x.erfc()), [0.0, -0.0]);
    same(orders(INF, |x| x.recip()), [0.0, -0.0]);
    same(orders(INF, |x| x.rsqrt()), [0.0, -0.0]);
    same(orders(INF, |x| x.sqrt()), [INF, 0.0]);
    same(orders(INF, |x| x.ln()), [INF, 0.0]);
    same(orders(INF, |x| x.acosh()), [INF, 0.0]);
    same(orders(-INF, |x| x.abs()), [INF, -1.0]);
    same(orders(INF, |x| x.sin()), [NAN, NAN]);
}

#[test]
fn gamma_functions_differentiate_into_one_another() {
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "{a} {b}");
    // psi^(n)(1) = (-1)^(n+1) n! zeta(n+1): Abramowitz & Stegun 6.4.2.
    let zeta = [1.6449340668482264, 1.2020569031595942, 1.0823232337111382, 1.03692775514337];
    let orders_of_log: [f64; 6] = orders(1.0, |x| x.lgamma());
    let expected = [0.0, -0.5772156649015329, zeta[0], -2.0 * zeta[1], 6.0 * zeta[2], -24.0 * zeta[3]];
    orders_of_log.iter().zip(expected).for_each(|(&a, b)| close(a, b));
    same(orders::<1>(1.0, |x| x.polygamma(0)), orders::<1>(1.0, |x| x.digamma()));
}

#[test]
fn numbers_stand_beside_vars_of_both_element_types() -> Result<()> {
    fn generic<'t, T: Element>(x: Var<'t, T>, bound: impl IntoVar<'t, T>) -> Var<'t, T> {
        x.maximum(bound).pow(2.0).where_(x.gt(0.0), 7.0)
    }
    let tape = Tape::new();
    let x = tape.input(Tensor::from([2.0f32, 0.5]));
    assert_eq!(generic(x, 1.0).value()?.as_slice(), [1.0, 1.0]);
    assert_eq!(x.minimum(1.0f32).value()?.as_slice(), [1.0, 0.5]);
    let tape = Tape::new();
    let x = tape.input(Tensor::from([2.0f64, 0.5]));
    assert_eq!(x.pow(x).value()?.as_slice(), [4.0, 0.5f64.sqrt()]);
    assert_eq!(x.map(|v| v.powi(2).maximum(v.constant(1.0))).value()?.as_slice(), [4.0, 1.0]);
    Ok(())
}

#[test]
fn a_mistake_names_the_line_of_the_caller() {
    let tape = Tape::new();
    let (x, y) = (tape.input(Tensor::from([1.0, 2.0f64])), tape.input(Tensor::from([1.0, 2.0, 3.0])));
    let line = line!() + 1;
    let error = x.maximum(y).item().unwrap_err().to_string();
    assert!(error.contains(&format!("functions.rs:{line}")), "{error}");
}
