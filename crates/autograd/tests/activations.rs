//! Activations: kinks, stability, derivatives up to the third, precision, published formulas at high precision.

use wengert_autograd::{Element, Real, Result, Tape, Tensor, Var};

type Function<T> = for<'t> fn(Var<'t, T>) -> Var<'t, T>;

struct Case<T: Element> {
    name: &'static str,
    function: Function<T>,
    kinks: &'static [f64],
}

fn case<T: Element>(name: &'static str, function: Function<T>, kinks: &'static [f64]) -> Case<T> {
    Case { name, function, kinks }
}

/// Every activation, with the points around which it is not smooth.
fn cases<T: Element>() -> Vec<Case<T>> {
    vec![
        case("relu", |x| x.relu(), &[0.0]),
        case("relu6", |x| x.relu6(), &[0.0, 6.0]),
        case("leaky_relu", |x| x.leaky_relu(0.125), &[0.0]),
        case("elu", |x| x.elu(1.5), &[0.0]),
        case("celu", |x| x.celu(0.75), &[0.0]),
        case("selu", |x| x.selu(), &[0.0]),
        case("threshold", |x| x.threshold(0.5, -2.0), &[0.5]),
        case("gelu", |x| x.gelu(), &[]),
        case("gelu_tanh", |x| x.gelu_tanh(), &[]),
        case("silu", |x| x.silu(), &[]),
        case("mish", |x| x.mish(), &[]),
        case("sigmoid", |x| x.sigmoid(), &[]),
        case("log_sigmoid", |x| x.log_sigmoid(), &[]),
        case("softplus", |x| x.softplus(), &[]),
        case("softsign", |x| x.softsign(), &[0.0]),
        case("tanh_shrink", |x| x.tanh_shrink(), &[]),
        case("hard_sigmoid", |x| x.hard_sigmoid(), &[-3.0, 3.0]),
        case("hard_swish", |x| x.hard_swish(), &[-3.0, 3.0]),
        case("hard_tanh", |x| x.hard_tanh(), &[-1.0, 1.0]),
        case("hard_shrink", |x| x.hard_shrink(0.5), &[-0.5, 0.5]),
        case("soft_shrink", |x| x.soft_shrink(0.5), &[-0.5, 0.5]),
    ]
}

fn named(name: &str) -> Function<f64> {
    cases().into_iter().find(|case| case.name == name).expect("a case of this name").function
}

fn tensor<T: Element>(x: &[f64]) -> Result<Tensor<T>> {
    Tensor::from_vec([x.len()], x.iter().map(|&x| T::of(x)).collect())
}

/// The values and the gradients of the sum.
fn both<T: Element>(function: Function<T>, x: &[f64]) -> Result<[Vec<T>; 2]> {
    let tape = Tape::new();
    let x = tape.input(tensor::<T>(x)?);
    let y = function(x);
    let [gx] = y.sum().grad([x]);
    Ok([y.value()?.to_vec(), gx.value()?.to_vec()])
}

#[test]
fn kinks_have_the_promised_derivative() -> Result<()> {
    let expected: [(&str, &[f64], &[f64]); 14] = [
        ("relu", &[0.0, -0.0], &[0.0, 0.0]),
        ("relu6", &[0.0, 6.0], &[0.0, 0.0]),
        ("leaky_relu", &[0.0, -0.0], &[0.125, 0.125]),
        ("elu", &[0.0], &[1.5]),
        ("celu", &[0.0], &[1.0]),
        ("selu", &[0.0], &[1.0507009873554805 * 1.6732632423543772]),
        ("threshold", &[0.5], &[0.0]),
        ("hard_sigmoid", &[-3.0, 3.0], &[0.0, 0.0]),
        ("hard_swish", &[-3.0, 3.0], &[0.0, 1.0]),
        ("hard_tanh", &[-1.0, 1.0], &[0.0, 0.0]),
        ("hard_shrink", &[-0.5, 0.0, 0.5], &[0.0, 0.0, 0.0]),
        ("soft_shrink", &[-0.5, 0.0, 0.5], &[0.0, 0.0, 0.0]),
        ("softsign", &[0.0], &[1.0]),
        ("tanh_shrink", &[0.0], &[0.0]),
    ];
    for (name, x, derivatives) in expected {
        assert_eq!(both(named(name), x)?[1], derivatives, "{name}");
    }
    Ok(())
}

/// What the function tends to, as `(value, slope)`, at the left and the right end.
#[test]
fn large_numbers_give_exact_values_and_gradients() -> Result<()> {
    for size in [1000.0, 1e4] {
        let (zero, identity) = ([0.0, 0.0], [size, 1.0]);
        let expected = [
            ("relu", zero, identity),
            ("relu6", zero, [6.0, 0.0]),
            ("leaky_relu", [-size / 8.0, 0.125], identity),
            ("elu", [-1.5, 0.0], identity),
            ("celu", [-0.75, 0.0], identity),
            ("selu", [-1.0507009873554805 * 1.6732632423543772, 0.0], [1.0507009873554805 * size, 1.0507009873554805]),
            ("threshold", [-2.0, 0.0], identity),
            ("gelu", zero, identity),
            ("gelu_tanh", zero, identity),
            ("silu", zero, identity),
            ("mish", zero, identity),
            ("sigmoid", zero, [1.0, 0.0]),
            ("log_sigmoid", [-size, 1.0], zero),
            ("softplus", zero, identity),
            ("tanh_shrink", [1.0 - size, 1.0], [size - 1.0, 1.0]),
            ("hard_sigmoid", zero, [1.0, 0.0]),
            ("hard_swish", zero, identity),
            ("hard_tanh", [-1.0, 0.0], [1.0, 0.0]),
            ("hard_shrink", [-size, 1.0], identity),
            ("soft_shrink", [0.5 - size, 1.0], [size - 0.5, 1.0]),
        ];
        for (name, left, right) in expected {
            let [value, gradient] = both(named(name), &[-size, size])?;
            assert_eq!([value[0], gradient[0]], left, "{name} at -{size}");
            assert_eq!([value[1], gradient[1]], right, "{name} at {size}");
        }
    }
    Ok(())
}

#[test]
fn three_derivatives_are_finite_for_large_numbers() -> Result<()> {
    fn finite<T: Element>() -> Result<()> {
        let ends = [-1e4, -1000.0, -100.0, -30.0, 30.0, 100.0, 1000.0, 1e4];
        for Case { name, function, .. } in cases::<T>() {
            for (order, derivative) in derivatives(function, &ends)?.iter().enumerate() {
                let fine = derivative.iter().all(|value| value.is_finite());
                assert!(fine, "{name}, order {order}, {}: {derivative:?}", T::NAME);
            }
        }
        Ok(())
    }
    finite::<f32>()?;
    finite::<f64>()
}

#[test]
fn infinities_have_their_limits_and_nan_stays() -> Result<()> {
    for name in ["relu", "gelu", "gelu_tanh", "silu", "mish", "softplus", "hard_swish"] {
        let [value, _] = both(named(name), &[f64::NEG_INFINITY, f64::INFINITY])?;
        assert_eq!(value, [0.0, f64::INFINITY], "{name}");
    }
    assert_eq!(both(named("softsign"), &[f64::NEG_INFINITY, f64::INFINITY])?, [vec![-1.0, 1.0], vec![0.0, 0.0]]);
    for Case { name, function, .. } in cases::<f64>() {
        assert!(both(function, &[f64::NAN])?[0][0].is_nan(), "{name}");
    }
    Ok(())
}

/// A polynomial added to each function, so that each derivative still depends on x.
fn quintic<T: Element>(x: Var<'_, T>) -> Var<'_, T> {
    x.square() * x.square() * x * T::of(1.0 / 120.0)
}

/// The values and the first three derivatives of the function plus the quintic.
fn derivatives<T: Element>(function: Function<T>, x: &[f64]) -> Result<[Vec<T>; 4]> {
    let tape = Tape::new();
    let x = tape.input(tensor::<T>(x)?);
    let y = function(x) + quintic(x);
    let [first] = y.sum().grad([x]);
    let [second] = first.sum().grad([x]);
    let [third] = second.sum().grad([x]);
    Ok([y.value()?.to_vec(), first.value()?.to_vec(), second.value()?.to_vec(), third.value()?.to_vec()])
}

/// Numbers from -8 to 8 at least 0.01 away from each kink.
fn grid(kinks: &[f64]) -> Vec<f64> {
    let all = (0..=220).map(|i| -8.0 + 16.0 * f64::from(i) / 220.0 + 0.003);
    all.filter(|x| kinks.iter().all(|kink| (x - kink).abs() > 0.01)).collect()
}

#[test]
fn each_derivative_is_the_difference_quotient_of_the_one_before() -> Result<()> {
    const STEP: f64 = 1e-3;
    for Case { name, function, kinks } in cases::<f64>() {
        let x = grid(kinks);
        let at = |offset: f64| derivatives(function, &x.iter().map(|x| x + offset).collect::<Vec<_>>());
        let [far_left, left, here, right, far_right] =
            [at(-2.0 * STEP)?, at(-STEP)?, at(0.0)?, at(STEP)?, at(2.0 * STEP)?];
        for order in 1..=3 {
            for i in 0..x.len() {
                let near = right[order - 1][i] - left[order - 1][i];
                let far = far_right[order - 1][i] - far_left[order - 1][i];
                let quotient = (8.0 * near - far) / (12.0 * STEP);
                let error = (here[order][i] - quotient).abs();
                let allowed = 1e-9 * (1.0 + quotient.abs());
                assert!(error <= allowed, "{name}, order {order} at {}: {} is not {quotient}", x[i], here[order][i]);
            }
        }
    }
    Ok(())
}

#[test]
fn derivatives_by_the_numbers_of_a_row_are_difference_quotients() -> Result<()> {
    type Two = for<'t> fn(Var<'t, f64>, Var<'t, f64>) -> Var<'t, f64>;
    let rows: [(&str, Two); 5] = [
        ("prelu", |x, slope| x.prelu(slope)),
        ("elu", |x, alpha| x.zip_map(alpha, |x, alpha| x.elu(alpha))),
        ("celu", |x, alpha| x.zip_map(alpha, |x, alpha| x.celu(alpha))),
        ("soft_shrink", |x, lambda| x.zip_map(lambda, |x, lambda| x.soft_shrink(lambda))),
        ("threshold", |x, value| x.zip_map(value, |x, value| x.threshold(x.constant(0.5), value))),
    ];
    let points = [-4.0, -1.5, -0.2, 0.0, 0.2, 1.5, 4.0];
    for (name, row) in rows {
        let at = |number: f64| -> Result<[Vec<f64>; 2]> {
            let tape = Tape::new();
            let x = tape.input(tensor::<f64>(&points)?);
            let number = tape.input(tensor::<f64>(&[number; 7])?);
            let y = row(x, number);
            let [gradient] = y.sum().grad([number]);
            Ok([y.value()?.to_vec(), gradient.value()?.to_vec()])
        };
        let (left, here, right) = (at(0.7 - 1e-5)?, at(0.7)?, at(0.7 + 1e-5)?);
        for i in 0..points.len() {
            let quotient = (right[0][i] - left[0][i]) / 2e-5;
            assert!((here[1][i] - quotient).abs() < 1e-8, "{name} at {}: {} is not {quotient}", points[i], here[1][i]);
        }
    }
    Ok(())
}

#[test]
fn f32_agrees_with_f64() -> Result<()> {
    for (single, double) in cases::<f32>().iter().zip(cases::<f64>()) {
        let x: Vec<f64> = grid(double.kinks).iter().map(|&x| f64::from(x as f32)).collect();
        for (low, high) in both(single.function, &x)?.iter().zip(both(double.function, &x)?) {
            for i in 0..x.len() {
                let error = (f64::from(low[i]) - high[i]).abs();
                assert!(
                    error <= 1e-6 * (1.0 + high[i].abs()),
                    "{} at {}: {} is not {}",
                    double.name,
                    x[i],
                    low[i],
                    high[i]
                );
            }
        }
    }
    Ok(())
}

/// `(x, y)`
type Points = &'static [(f64, f64)];

/// By mpmath 1.3 with 600 digits, from the formulas of the papers.
#[rustfmt::skip]
const TABLE: &[(&str, Points)] = &[
    ("gelu", &[(-20.0, -5.507248237212468e-88), (-5.0, -1.4332578593959695e-06), (-1.5, -0.1002108019032871), (-0.25, -0.10032341857926907), (0.001, 0.000500398942213911), (0.75, 0.5800294857173488), (3.0, 2.99595030590511), (12.0, 12.0)]),
    ("gelu_tanh", &[(-20.0, -3.3754509563109673e-261), (-5.0, -2.291796196629506e-07), (-1.5, -0.10042842301976708), (-0.25, -0.100324649298315), (0.001, 0.000500398942213582), (0.75, 0.5799605551656203), (3.0, 2.996362607918227), (12.0, 12.0)]),
    ("mish", &[(-20.0, -4.122307240628761e-08), (-5.0, -0.033576237730161704), (-1.5, -0.29809974216680674), (-0.25, -0.12992696367914103), (0.001, 0.000600319983954133), (0.75, 0.6100183352182934), (3.0, 2.9865350049679575), (12.0, 11.999999999093978)]),
    ("silu", &[(-20.0, -4.122307236380407e-08), (-5.0, -0.03346425462142428), (-1.5, -0.2736382857095345), (-0.25, -0.10945587477855047), (0.001, 0.0005002499999791667), (0.75, 0.5093840243815447), (3.0, 2.8577223804672998), (12.0, 11.999926269904773)]),
    ("softplus", &[(-20.0, 2.061153620314381e-09), (-5.0, 0.006715348489118068), (-1.5, 0.2014132779827524), (-0.25, 0.5759394198788436), (0.001, 0.6936473055599401), (0.75, 1.1368710061148999), (3.0, 3.048587351573742), (12.0, 12.000006144193478)]),
    ("selu", &[(-20.0, -1.758099337223664), (-5.0, -1.7462533606696202), (-1.5, -1.3658143533672527), (-0.25, -0.38889019747811904), (0.001, 0.0010507009873554805), (0.75, 0.7880257405166103), (3.0, 3.1521029620664414), (12.0, 12.608411848265765)]),
    ("log_sigmoid", &[(-20.0, -20.000000002061153), (-5.0, -5.006715348489118), (-1.5, -1.7014132779827524), (-0.25, -0.8259394198788436), (0.001, -0.6926473055599401), (0.75, -0.38687100611489994), (3.0, -0.04858735157374206), (12.0, -6.144193477732806e-06)]),
];

#[test]
fn values_are_those_of_high_precision() -> Result<()> {
    for (name, points) in TABLE {
        let x: Vec<f64> = points.iter().map(|point| point.0).collect();
        let [value, _] = both(named(name), &x)?;
        for (&(x, expected), value) in points.iter().zip(value) {
            // Where the function is conditioned badly, the rounding of x / sqrt 2 or of the cubic costs x^2 roundings.
            let condition = match *name {
                "gelu" if x < 0.0 => 1.0 + 0.2 * x * x,
                "gelu_tanh" if x < 0.0 => 1.0 + 0.2 * x.abs().powi(3),
                _ => 1.0,
            };
            let error = ((value - expected) / expected).abs();
            assert!(error <= 1e-15 * condition, "{name} at {x}: {value:e} is not {expected:e}, off by {error:e}");
        }
    }
    Ok(())
}

#[test]
fn a_slope_for_each_channel_gets_its_sum() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(Tensor::from([[-1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]]));
    let slope = tape.input(Tensor::from([0.5, 0.25, 0.125]));
    let y = x.prelu(slope);
    assert_eq!(y.value()?.as_slice(), [-0.5, -0.5, 3.0, -2.0, 5.0, -0.75]);
    let [gx, by_slope] = y.sum().grad([x, slope]);
    assert_eq!(gx.value()?.as_slice(), [0.5, 0.25, 1.0, 0.5, 1.0, 0.125]);
    assert_eq!(by_slope.value()?.as_slice(), [-5.0, -2.0, -6.0]);
    Ok(())
}
