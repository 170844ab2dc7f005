//! The scalar tape: values, adjoints, operators, limits, and what must be refused.

use num_traits::{Float, FloatConst, FromPrimitive, Num, NumCast, One, Signed, ToPrimitive, Zero};
use wengert_autograd::scalar::{Dual, Tape, Var};

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * (1.0 + b.abs())
}

#[test]
fn a_formula_of_the_contract() {
    let tape = Tape::new();
    let (x, y) = (tape.var(2.0), tape.var(3.0));
    let z = (x * y).sin() + x.exp() / y;
    assert!(close(z.value(), 6f64.sin() + 2f64.exp() / 3.0));
    let adjoints = z.backward();
    assert!(close(adjoints.wrt(x), 3.0 * 6f64.cos() + 2f64.exp() / 3.0));
    assert!(close(adjoints.wrt(y), 2.0 * 6f64.cos() - 2f64.exp() / 9.0));
}

#[test]
fn numbers_stand_on_either_side_of_every_operator() {
    let tape = Tape::new();
    let x = tape.var(2.0);
    let cases: [(Var<'_>, f64, f64); 12] = [
        (x + 3.0, 5.0, 1.0),
        (3.0 + x, 5.0, 1.0),
        (x - 3.0, -1.0, 1.0),
        (3.0 - x, 1.0, -1.0),
        (x * 3.0, 6.0, 3.0),
        (3.0 * x, 6.0, 3.0),
        (x / 4.0, 0.5, 0.25),
        (4.0 / x, 2.0, -1.0),
        (x % 1.5, 0.5, 1.0),
        (7.0 % x, 1.0, -3.0),
        (&x * &x, 4.0, 4.0),
        (3.0 * &x - &x * 1.0, 4.0, 2.0),
    ];
    for (i, (y, value, derivative)) in cases.into_iter().enumerate() {
        assert_eq!((y.value(), y.backward().wrt(x)), (value, derivative), "case {i}");
    }
    let mut y = x;
    y += 1.0;
    y *= x;
    y -= x;
    y /= 2.0;
    y %= 10.0;
    assert_eq!((y.value(), y.backward().wrt(x)), (2.0, 2.0)); // x² / 2
}

#[test]
fn single_precision() {
    let tape = Tape::<f32>::new();
    let x = tape.var(2.0);
    let rate = 0.5f32;
    let y = 3.0 * x * x * rate + 1.0;
    assert_eq!((y.value(), y.backward().wrt(x)), (7.0f32, 6.0f32));
}

#[test]
fn comparisons_are_by_value() {
    let tape = Tape::new();
    let (x, y) = (tape.var(2.0), tape.var(3.0));
    assert!(x < y && x <= 2.0 && x == 2.0 && y > 2.5 && x != y && x >= x);
    let nan = tape.var(f64::NAN);
    assert!(nan != nan && nan.partial_cmp(&x).is_none() && !(nan < x));
    assert_eq!(x.partial_cmp(&y), Some(std::cmp::Ordering::Less));
    assert_eq!(x.max(y).backward().wrt(y), 1.0);
    assert_eq!(nan.max(x).value(), 2.0);
}

#[test]
fn sums_and_products_of_iterators() {
    let tape = Tape::new();
    let x = tape.vars(&[1.0, 2.0, 3.0]);
    let sum: Var<'_> = x.iter().map(|&x| x * x).sum();
    let product: Var<'_> = x.iter().product();
    assert_eq!((sum.value(), product.value()), (14.0, 6.0));
    assert_eq!(sum.backward().wrt_all(&x), [2.0, 4.0, 6.0]);
    assert_eq!(product.backward().wrt_all(&x), [6.0, 3.0, 2.0]);
    assert_eq!(std::iter::empty::<Var<'_>>().sum::<Var<'_>>().value(), 0.0);
}

#[test]
fn results_that_are_inputs_or_constants() {
    let tape = Tape::new();
    let (x, y) = (tape.var(2.0), tape.var(3.0));
    let adjoints = x.backward();
    assert_eq!((adjoints.wrt(x), adjoints.wrt(y)), (1.0, 0.0));
    drop(adjoints);
    let constant = Var::constant(5.0);
    assert_eq!(constant.backward().wrt(x), 0.0);
    assert_eq!((constant * 2.0).value(), 10.0);
    assert_eq!((x * 0.0).backward().wrt(x), 0.0);
}

#[test]
fn what_does_not_count_cannot_spoil_a_gradient() {
    let tape = Tape::new();
    let (x, y) = (tape.var(0.0), tape.var(1.0));
    // The square root's derivative is infinite, those of the squares are 0.
    assert_eq!((x * x + x.powi(4)).sqrt().backward().wrt(x), 0.0);
    // A product with 0 keeps the infinity away.
    let z = x.sqrt() * 0.0 + y;
    assert_eq!(z.backward().wrt_all(&[x, y]), [0.0, 1.0]);
    assert!(tape.var(f64::NAN).sin().backward().wrt(y) == 0.0);
    assert!((tape.var(-1.0).powf(0.5)).value().is_nan());
    let nan = tape.var(f64::NAN);
    assert!((nan * y).backward().wrt(y).is_nan());
}

#[test]
fn several_results_in_one_sweep() {
    let tape = Tape::new();
    let (x, y) = (tape.var(2.0), tape.var(3.0));
    let (first, second) = (x * y, x.sin() + y * y);
    let mixed = tape.backward(&[(first, 2.0), (second, -1.0)]);
    assert!(close(mixed.wrt(x), 6.0 - 2f64.cos()) && close(mixed.wrt(y), 4.0 - 6.0));
    drop(mixed);
    let lanes = tape.backward_lanes(&[(first, [1.0, 0.0, 2.0]), (second, [0.0, 1.0, -1.0])]);
    assert!(close(lanes.wrt(x)[0], 3.0) && close(lanes.wrt(x)[1], 2f64.cos()));
    assert!(close(lanes.wrt(x)[2], 6.0 - 2f64.cos()));
    assert_eq!(lanes.wrt(y), [2.0, 6.0, -2.0]);
}

#[test]
#[should_panic(expected = "a variable of the tape made at")]
fn two_tapes_do_not_mix() {
    let (first, second) = (Tape::new(), Tape::new());
    let _ = first.var(1.0) + second.var(2.0);
}

#[test]
#[should_panic(expected = "a variable of the tape made at")]
fn an_adjoint_of_another_tape_is_refused() {
    let (first, second) = (Tape::new(), Tape::new());
    let x = first.var(1.0);
    let _ = x.backward().wrt(second.var(2.0));
}

#[test]
fn derivatives_nest_in_all_four_orders() {
    // f = x³ y; fxx = 6 x y, fxy = 3 x²
    fn f<R: wengert_autograd::Real>(x: R, y: R) -> R {
        x * x * x * y
    }
    let (a, b) = (2.0, 5.0);
    let (xx, xy) = (6.0 * a * b, 3.0 * a * a);

    // Forward over forward.
    let x = Dual::new(Dual::new(a, 1.0), Dual::new(1.0, 0.0));
    assert_eq!(f(x, Dual::constant(Dual::constant(b))).derivative.derivative, xx);
    // Forward over reverse: a tape of duals.
    let tape = Tape::new();
    let (x, y) = (tape.var(Dual::new(a, 1.0)), tape.var(Dual::new(b, 0.0)));
    let adjoints = f(x, y).backward();
    assert_eq!((adjoints.wrt(x).derivative, adjoints.wrt(y).derivative), (xx, xy));
    // Reverse over forward: duals of variables.
    let tape = Tape::new();
    let (x, y) = (tape.var(a), tape.var(b));
    let slope = f(Dual::new(x, Var::constant(1.0)), Dual::constant(y)).derivative;
    assert_eq!(slope.backward().wrt_all(&[x, y]), [xx, xy]);
    // Reverse over reverse: a tape of variables.
    let outer = Tape::new();
    let (x, y) = (outer.var(a), outer.var(b));
    let inner = Tape::new();
    let (u, v) = (inner.var(x), inner.var(y));
    let gradient = f(u, v).backward().wrt(u);
    assert_eq!(gradient.value(), 3.0 * a * a * b);
    assert_eq!(gradient.backward().wrt_all(&[x, y]), [xx, xy]);
}

#[test]
fn perturbations_are_not_confused() {
    // d/dx (x d/dy (x + y)) is 1; who confuses the two derivatives says 2 (Siskind and Pearlmutter 2005).
    let outer = Tape::new();
    let x = outer.var(1.0);
    let inner = Tape::new();
    let y = inner.var(Var::constant(1.0));
    let slope = (y + x).backward().wrt(y);
    assert_eq!((x * slope).backward().wrt(x), 1.0);
}

#[test]
fn the_second_run_touches_no_new_memory() {
    let mut tape = Tape::new();
    let run = |tape: &Tape| {
        let x = tape.var(0.5);
        let y = (0..10_000).fold(x, |y, _| y.sin() * x);
        y.backward().wrt(x)
    };
    let first = run(&tape);
    let capacity = tape.capacity();
    tape.clear();
    assert!(tape.is_empty());
    assert_eq!(run(&tape), first);
    assert_eq!(tape.capacity(), capacity);
}

fn simpson<F: Float + FromPrimitive>(f: impl Fn(F) -> F, low: F, high: F, steps: usize) -> F {
    let n = F::from_usize(steps).expect("a float");
    let width = (high - low) / n;
    let inner = (1..steps).fold(F::zero(), |sum, i| {
        let weight = F::from(if i % 2 == 1 { 4 } else { 2 }).expect("a float");
        sum + weight * f(low + width * F::from_usize(i).expect("a float"))
    });
    (f(low) + inner + f(high)) * width / (F::one() + F::one() + F::one())
}

fn newton<F: Float>(square: F) -> F {
    let two = F::one() + F::one();
    let mut root = square;
    while (root * root - square).abs() > square * F::epsilon() * two {
        root = (root + square / root) / two;
    }
    root
}

#[test]
fn code_that_knows_nothing_of_us() {
    let tape = Tape::new();
    let (x, s) = (tape.var(1.5), tape.var(3.0));
    // d/dx of the integral of exp(s t) from 0 to x is exp(s x), by s it is (x exp(s x) - (exp(s x) - 1) / s) / s
    let integral = simpson(|t| (s * t).exp(), Var::zero(), x, 2000);
    let adjoints = integral.backward();
    let e = 4.5f64.exp();
    assert!((integral.value() - (e - 1.0) / 3.0).abs() < 1e-9);
    assert!((adjoints.wrt(x) - e).abs() < 1e-8);
    assert!((adjoints.wrt(s) - (1.5 * e - (e - 1.0) / 3.0) / 3.0).abs() < 1e-8);
    drop(adjoints);
    let root = newton(tape.var(2.0));
    assert!(close(root.value(), 2f64.sqrt()));
    let square = tape.var(2.0);
    let root = newton(square);
    assert!((root.backward().wrt(square) - 0.5 / 2f64.sqrt()).abs() < 1e-9);
    let dual = newton(Dual::variable(2.0));
    assert!((dual.derivative - 0.5 / 2f64.sqrt()).abs() < 1e-9);
}

/// `Float` of the type agrees with that of f64, and its derivative with a difference.
fn float_functions<F: Float>() -> Vec<(&'static str, fn(F) -> F)> {
    vec![
        ("floor", F::floor),
        ("ceil", F::ceil),
        ("round", F::round),
        ("trunc", F::trunc),
        ("fract", F::fract),
        ("abs", F::abs),
        ("signum", F::signum),
        ("recip", F::recip),
        ("exp", F::exp),
        ("exp2", F::exp2),
        ("exp_m1", F::exp_m1),
        ("sin", F::sin),
        ("cos", F::cos),
        ("tan", F::tan),
        ("atan", F::atan),
        ("sinh", F::sinh),
        ("cosh", F::cosh),
        ("tanh", F::tanh),
        ("asinh", F::asinh),
        ("cbrt", F::cbrt),
        ("to_degrees", F::to_degrees),
        ("to_radians", F::to_radians),
        ("powi 3", |x| x.powi(3)),
        ("powi -2", |x| x.powi(-2)),
        ("mul_add", |x| x.mul_add(x, x)),
        ("sqrt", |x| (x * x + F::one()).sqrt()),
        ("ln", |x| (x * x + F::one()).ln()),
        ("log2", |x| (x * x + F::one()).log2()),
        ("log10", |x| (x * x + F::one()).log10()),
        ("ln_1p", |x| (x * x).ln_1p()),
        ("asin", |x| (x / F::from(9).unwrap_or(x)).asin()),
        ("acos", |x| (x / F::from(9).unwrap_or(x)).acos()),
        ("atanh", |x| (x / F::from(9).unwrap_or(x)).atanh()),
        ("acosh", |x| (x * x + F::one()).acosh()),
        ("powf", |x| (x * x).powf(x)),
        ("hypot", |x| x.hypot(F::one() + x)),
        ("atan2", |x| x.atan2(F::one() + x)),
        ("max", |x| x.max(F::one())),
        ("min", |x| x.min(F::one())),
        ("abs_sub", |x| Float::max(x - F::one(), F::zero())),
        ("log", |x| (x * x + F::one()).log(x * x + F::one() + F::one())),
        ("rem", |x| x % F::from(0.7).unwrap_or(x)),
        ("rem by", |x| F::from(7.3).unwrap_or(x) % x),
        ("sin_cos", |x| x.sin_cos().0 * x.sin_cos().1),
        ("clamp", |x| Float::clamp(x, -F::one(), F::one())),
        ("copysign", |x| x.copysign(-F::one())),
    ]
}

#[test]
fn float_of_num_traits_is_that_of_f64_and_differentiates() {
    let tape = Tape::new();
    let (plain, of_var, of_dual) = (float_functions::<f64>(), float_functions::<Var<'_>>(), float_functions::<Dual>());
    for ((name, f), ((_, g), (_, h))) in plain.into_iter().zip(of_var.into_iter().zip(of_dual)) {
        for point in [-2.3, -1.6, -0.45, 0.3, 0.85, 1.7, 2.6] {
            let x = tape.var(point);
            let y = g(x);
            let slope = y.backward().wrt(x);
            let step = 1e-5;
            let difference = (8.0 * (f(point + step) - f(point - step))
                - (f(point + 2.0 * step) - f(point - 2.0 * step)))
                / (12.0 * step);
            assert!((y.value() - f(point)).abs() <= 4e-15 * (1.0 + f(point).abs()), "{name} at {point}: {y}");
            assert!(
                (slope - difference).abs() < 1e-8 * (1.0 + slope.abs()),
                "{name} at {point}: {slope}, {difference}"
            );
            let dual = h(Dual::variable(point));
            assert_eq!(dual.value, y.value(), "{name} at {point}");
            assert!(
                (dual.derivative - slope).abs() <= 1e-13 * (1.0 + slope.abs()),
                "{name} at {point}: {dual:?}, {slope}"
            );
        }
    }
}

#[test]
fn special_values_of_float() {
    let tape = Tape::new();
    let x = tape.var(0.49999999999999994);
    assert_eq!(Float::round(x).value(), 0.0);
    assert_eq!(Float::round(tape.var(-2.5)).value(), -3.0);
    assert_eq!(Float::signum(tape.var(-0.0)).value(), -1.0);
    assert_eq!(Float::signum(tape.var(0.0)).value(), 1.0);
    assert_eq!((tape.var(-5.5) % 2.0).value(), -1.5);
    let (zero, huge) = (tape.var(0.0), tape.var(1e300));
    let origin = Float::hypot(zero, zero);
    assert_eq!((origin.value(), origin.backward().wrt(zero)), (0.0, 0.0));
    assert!(close(Float::hypot(huge, huge).value() / 1e300, 2f64.sqrt()));
    assert_eq!(Float::hypot(zero, Var::infinity()).value(), f64::INFINITY);
    assert!(
        Var::<f64>::nan().is_nan() && Var::<f64>::max_value() == f64::MAX && Var::<f64>::PI() == std::f64::consts::PI
    );
    assert_eq!(<Var<'_> as Num>::from_str_radix("2.5", 10).expect("a number").value(), 2.5);
    assert_eq!(<Var<'_> as NumCast>::from(7u8).expect("a number").value(), 7.0);
    assert_eq!((tape.var(3.7).to_i64(), tape.var(3.7).to_f32()), (Some(3), Some(3.7f32)));
    assert!(Var::<f64>::zero().is_zero() && Var::<f64>::one().is_one());
    assert!(Signed::is_negative(&tape.var(-1.0)) && !Signed::is_positive(&zero));
    assert_eq!(format!("{:.2} {:?}", tape.var(1.5), Var::constant(2.0)), "1.50 constant 2.0");
}

#[test]
fn sums_a_hundred_thousand_deep_use_no_stack() {
    let tape = Tape::new();
    let x = tape.var(1e-3);
    let mut y = x;
    for _ in 0..1_000_000 {
        y = y * 0.999 + x * x;
    }
    assert!(close(y.backward().wrt(x), 0.999f64.powi(1_000_000) + 2e-3 * (1.0 - 0.999f64.powi(1_000_000)) / 0.001));
}
