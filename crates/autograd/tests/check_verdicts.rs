//! Each verdict of a gradient check, on functions made for it.

use std::cell::Cell;

use wengert_autograd::check::{GradCheck, GradReport, Mode, Reason, Verdict, gradcheck};
use wengert_autograd::ndarray::{ArrayViewD, ArrayViewMutD};
use wengert_autograd::{CustomOp, ErrorKind, Pullback, Result, Shape, Tape, Tensor, Var, assert_close};

type Slope = fn(f64) -> f64;

/// A function of one number by its value and its slope, right or wrong.
struct Curve {
    value: fn(f64) -> f64,
    slope: fn(f64) -> f64,
}

impl std::fmt::Debug for Curve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Curve")
    }
}

impl CustomOp<f64> for Curve {
    fn name(&self) -> &str {
        "curve"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0].clone())
    }

    fn forward(&self, inputs: &[ArrayViewD<f64>], mut out: ArrayViewMutD<f64>) -> Result<()> {
        out.zip_mut_with(&inputs[0], |y, &x| *y = (self.value)(x));
        Ok(())
    }

    fn pullback<'t>(&self, x: &[Var<'t, f64>], _: Var<'t, f64>, cotangent: Var<'t, f64>) -> Pullback<'t, f64> {
        let slopes = Curve { value: self.slope, slope: |_| f64::NAN };
        Pullback::one(cotangent * x[0].tape().custom(slopes, &[x[0]]))
    }
}

/// The report on a curve at a point.
fn at(x: f64, value: fn(f64) -> f64, slope: fn(f64) -> f64) -> GradReport {
    let report = GradCheck::new().report(|v| v[0].tape().custom(Curve { value, slope }, v), &[Tensor::from([x])]);
    report.expect("a report")
}

#[track_caller]
fn verdict(x: f64, value: fn(f64) -> f64, slope: fn(f64) -> f64) -> Verdict {
    let report = at(x, value, slope);
    assert_eq!(report.comparisons.len(), 1);
    report.comparisons[0].verdict
}

#[test]
fn smooth_functions_pass_at_every_scale() {
    let points = [1e-8, 1e-3, 0.1, 1.0, -3.0, 17.0, 1e3, -1e5, 1e8];
    for x in points {
        assert_eq!(verdict(x, f64::sin, f64::cos), Verdict::Pass, "sin at {x}");
        assert_eq!(verdict(x, |x| x * x * x, |x| 3.0 * x * x), Verdict::Pass, "cube at {x}");
        assert_eq!(verdict(x, f64::atan, |x| 1.0 / (1.0 + x * x)), Verdict::Pass, "atan at {x}");
        assert_eq!(verdict(x, |x| x / (1.0 + x.abs()), |x| (1.0 + x.abs()).powi(-2)), Verdict::Pass, "softsign at {x}");
    }
    for x in [1e-8, 1e-5, 0.02, 1.0, 700.0, 1e6] {
        assert_eq!(verdict(x, f64::sqrt, |x| 0.5 / x.sqrt()), Verdict::Pass, "sqrt at {x}");
        assert_eq!(verdict(x, f64::ln, |x| 1.0 / x), Verdict::Pass, "ln at {x}");
    }
    for x in [0.03, -0.7, 2.0] {
        assert_eq!(verdict(x, |x| (100.0 * x).sin(), |x| 100.0 * (100.0 * x).cos()), Verdict::Pass, "fast wave at {x}");
        assert_eq!(verdict(x, |x| 1e12 * x.exp(), |x| 1e12 * x.exp()), Verdict::Pass, "large at {x}");
        assert_eq!(verdict(x, |x| 1e-3 * x.exp(), |x| 1e-3 * x.exp()), Verdict::Pass, "small at {x}");
    }
}

#[test]
fn wrong_slopes_are_mismatches_at_every_scale() {
    for x in [1e-3, 0.1, 1.0, -3.0, 17.0, 1e3, 1e8] {
        for factor in [0usize, 1, 2, 3] {
            let slopes: [fn(f64) -> f64; 4] = [|x| x.cos() * (1.0 + 1e-5), |x| -x.cos(), |_| 0.0, |x| x.cos() + 1e-6];
            assert_eq!(verdict(x, f64::sin, slopes[factor]), Verdict::Mismatch, "slope {factor} at {x}");
        }
    }
    assert_eq!(verdict(1e10, f64::sin, |_| 0.0), Verdict::Mismatch);
    assert_eq!(verdict(0.5, f64::sin, |_| f64::NAN), Verdict::Mismatch);
    assert_eq!(verdict(0.5, f64::sin, |_| f64::INFINITY), Verdict::Mismatch);
    assert_eq!(verdict(0.3, |_| 2.0, |_| 1e-4), Verdict::Mismatch);
}

#[test]
fn a_kink_at_the_point_is_no_failure_where_the_number_is_a_subgradient() {
    let slopes: [(Slope, bool); 6] =
        [(|_| 0.0, true), (|_| 1.0, true), (|_| -1.0, true), (|_| 0.3, true), (|_| 1.01, false), (|_| -1.001, false)];
    for (slope, right) in slopes {
        let report = at(0.0, f64::abs, slope);
        assert_eq!(report.is_ok(), right, "{report}");
        if right {
            let Verdict::Kink { left, right } = report.comparisons[0].verdict else { panic!("{report}") };
            assert_close!([left, right], [-1.0, 1.0], rtol = 1e-9);
            assert!(report.to_string().contains("a kink, slopes -1.000000 and 1.000000"), "{report}");
        } else {
            assert_eq!(report.comparisons[0].verdict, Verdict::Mismatch);
        }
    }
}

#[test]
fn a_kink_between_curves_has_the_slopes_of_both() {
    let report = at(1.0, |x| if x < 1.0 { x.exp() } else { 1f64.exp() + (x - 1.0).sin() * 5.0 }, |_| 3.0);
    let Verdict::Kink { left, right } = report.comparisons[0].verdict else { panic!("{report}") };
    assert_close!([left, right], [1f64.exp(), 5.0], rtol = 1e-7);
}

#[test]
fn what_differences_cannot_tell_is_unresolved_with_its_reason() {
    let reason = |x: f64, value: fn(f64) -> f64, slope: fn(f64) -> f64| match at(x, value, slope) {
        report if report.is_ok() => panic!("a pass: {report}"),
        report => match report.comparisons[0].verdict {
            Verdict::Unresolved(reason) => reason,
            other => panic!("{other:?}"),
        },
    };
    assert_eq!(reason(0.0, f64::sqrt, |_| f64::INFINITY), Reason::NanBeside);
    assert_eq!(reason(0.0, |x| x * x.sqrt(), |_| 0.0), Reason::NanBeside);
    assert_eq!(reason(1.0, f64::asin, |_| f64::INFINITY), Reason::NanBeside);
    assert_eq!(reason(0.0, |x| if x == 0.0 { 1.0 } else { 1.0 / x }, |_| 0.0), Reason::Steep);
    assert_eq!(reason(0.0, |x| if x > 0.0 { f64::INFINITY } else { x }, |_| 1.0), Reason::InfiniteBeside);
    assert_eq!(reason(-1.0, f64::ln, |x| 1.0 / x), Reason::NotFinite);
    assert_eq!(reason(1e200, |x| x * x, |x| 2.0 * x), Reason::NotFinite);
    assert_eq!(reason(0.0, |x| if x < 0.0 { 0.0 } else { 1.0 }, |_| 0.0), Reason::Steep);
    assert_eq!(reason(0.0, f64::cbrt, |_| f64::INFINITY), Reason::Steep);
    assert_eq!(reason(3.0, |x| f64::from((x * x) as f32), |x| 2.0 * x), Reason::Steps);
    let noisy = |x: f64| x * x + 1e-3 * ((x * 1e15).sin() * 43758.5453).fract();
    assert_eq!(reason(0.5, noisy, |x| 2.0 * x), Reason::Noisy);
}

#[test]
fn nothing_wrong_passes_as_noise() {
    let noisy = |x: f64| x * x + 1e-3 * ((x * 1e15).sin() * 43758.5453).fract();
    assert!(!at(0.5, noisy, |_| 0.0).is_ok());
    assert!(!at(0.5, noisy, |_| 1e3).is_ok());
    assert!(!at(0.0, |x| if x < 0.0 { 0.0 } else { 1.0 }, |_| 1.0).is_ok());
    assert!(!at(0.0, |x| x * x.sqrt(), |_| 1.0).is_ok());
}

#[test]
fn a_little_noise_is_no_obstacle() {
    let noisy = |x: f64| x.sin() + 1e-13 * ((x * 1e15).sin() * 43758.5453).fract();
    assert_eq!(verdict(0.5, noisy, f64::cos), Verdict::Pass);
    assert_eq!(verdict(0.5, noisy, |x| x.cos() + 1e-3), Verdict::Mismatch);
    assert_eq!(verdict(3.0, |x| f64::from((x * x) as f32), |_| 0.0), Verdict::Pass);
}

#[test]
fn a_random_function_is_nondeterministic_for_each_element() {
    let calls = Cell::new(0u32);
    let random = || {
        calls.set(calls.get() + 1);
        1.0 + 1e-12 * f64::from(calls.get())
    };
    fn scaled<'t>(x: Var<'t, f64>, factor: f64) -> Var<'t, f64> {
        x * factor
    }
    let report = GradCheck::new().report(|x| scaled(x[0], random()), &[Tensor::from([1.0, 2.0])]).expect("a report");
    assert!(!report.is_ok());
    assert_eq!(report.counts().nondeterministic, 4, "{report}");
    assert!(report.to_string().contains("are not deterministic"), "{report}");
    let tolerant = GradCheck::new().nondeterminism(1e-6).rtol(1e-5);
    assert!(tolerant.run(|x| scaled(x[0], random()), &[Tensor::from([1.0, 2.0])]).is_ok());
}

#[test]
fn an_output_that_changes_later_is_noticed() {
    // The same at the first calls, and another function from then on.
    let calls = Cell::new(0u32);
    let report = GradCheck::new().report(
        |x| {
            calls.set(calls.get() + 1);
            x[0] * if calls.get() < 12 { 1.0 } else { 1.5 }
        },
        &[Tensor::from([1.0])],
    );
    assert!(!report.expect("a report").is_ok());
}

#[test]
fn inputs_that_are_not_reached() {
    let inputs = [Tensor::from([1.0]), Tensor::from([2.0, 3.0])];
    let report = gradcheck(|x| x[0].exp(), &inputs).expect("zero is right");
    assert_eq!((report.unreached.as_slice(), report.counts().not_reached), (&[1][..], 2));
    assert!(report.to_string().contains("input 1 is not reached"), "{report}");
    let nothing = GradCheck::new().report(|x| x[0].tape().scalar(2.0), &inputs).expect("a report");
    assert!(!nothing.is_ok());
    assert!(nothing.to_string().contains("the output depends on no input"), "{nothing}");
    assert!(GradCheck::new().fast(true).run(|x| x[0].tape().scalar(2.0), &inputs).is_err());
}

#[test]
fn nothing_to_compare_is_no_pass() {
    let report = GradCheck::new().report(|x| x[0].exp(), &[Tensor::<f64>::zeros([0, 3])]).expect("a report");
    assert!(!report.is_ok());
    let text = report.to_string();
    assert!(text.contains("nothing was compared") && text.contains("input 0 has no elements"), "{text}");
    let empty = GradCheck::new().report(|x| x[0].narrow(0, 0, 0), &[Tensor::from([1.0, 2.0])]).expect("a report");
    assert!(!empty.is_ok() && empty.to_string().contains("the output has no elements"), "{empty}");
    // Beside one that has elements, an input without is only mentioned.
    let report = gradcheck(|x| x[0].sum() + x[1].exp(), &[Tensor::<f64>::zeros([0]), Tensor::from([1.0])]);
    assert!(report.expect("right").to_string().contains("input 0 has no elements"));
    let none: [Tensor<f64>; 0] = [];
    let tape_less = GradCheck::new().report(|x| x[0].exp(), &none);
    assert!(tape_less.expect_err("no input 0").to_string().contains("the function panicked: index out of bounds"));
}

#[test]
fn a_panic_is_an_error_with_its_words() {
    let error = gradcheck(|_| panic!("no model of {}", 7), &[Tensor::from([1.0])]).expect_err("a panic");
    assert!(error.to_string().contains("the function panicked: no model of 7"), "{error}");
    // A tape goes on working after.
    gradcheck(|x| x[0].exp(), &[Tensor::from([1.0])]).expect("right");
    // Beside the point only: not at it.
    let beside = |x: &[Var<'_, f64>]| assert!(x[0].item().is_ok_and(|x| x == 1.0), "never elsewhere");
    let report = GradCheck::new().report(
        |x| {
            beside(x);
            x[0].exp()
        },
        &[Tensor::from([1.0])],
    );
    let report = report.expect("a report");
    assert_eq!(report.comparisons[0].verdict, Verdict::Unresolved(Reason::Fails));
    assert!(report.to_string().contains("never elsewhere"), "{report}");
}

#[test]
fn another_shape_each_time_or_elsewhere() {
    let calls = Cell::new(0usize);
    let growing = |x: &[Var<'_, f64>]| {
        calls.set(calls.get() + 1);
        assert!(!x.is_empty());
        calls.get()
    };
    let error = gradcheck(|x| x[0].broadcast_to([growing(x)]), &[Tensor::scalar(1.0)]).expect_err("it grows");
    assert!(error.to_string().contains("the function returned 1 values, then 2 for the same inputs"), "{error}");
    let report = GradCheck::new().report(
        |x| if x[0].item().is_ok_and(|x| x > 1.0) { x[0].broadcast_to([2]) } else { x[0].reshape([1]) },
        &[Tensor::scalar(1.0)],
    );
    assert_eq!(report.expect("a report").comparisons[0].verdict, Verdict::Unresolved(Reason::Reshapes));
}

#[test]
fn a_value_of_another_tape_is_an_error() {
    let error = gradcheck(
        |_| {
            let other: &'static Tape<f64> = Box::leak(Box::new(Tape::new()));
            other.input([1.0])
        },
        &[Tensor::from([1.0])],
    );
    assert_eq!(error.expect_err("another tape").kind(), ErrorKind::Tape);
    let error = gradcheck(
        |x| {
            let other: &'static Tape<f64> = Box::leak(Box::new(Tape::new()));
            x[0] + other.input([1.0])
        },
        &[Tensor::from([1.0])],
    );
    assert_eq!(error.expect_err("another tape").kind(), ErrorKind::Tape);
}

#[test]
fn higher_orders_tell_right_from_wrong() {
    let x = [Tensor::from([0.5, 1.5])];
    let report = GradCheck::new().order(4).run(|x| (x[0] * x[0].sin()).exp(), &x).expect("right");
    assert!((1..=4).all(|order| report.comparisons.iter().any(|comparison| comparison.order == order)));
    // The slope of the curve is right, and its own slope is NaN.
    let wrong = GradCheck::new()
        .order(2)
        .report(|v| v[0].tape().custom(Curve { value: f64::sin, slope: f64::cos }, v).square(), &[Tensor::from([0.4])]);
    let wrong = wrong.expect("a report");
    assert!(wrong.failures().all(|failure| failure.order == 2) && !wrong.is_ok(), "{wrong}");
}

#[test]
fn forward_mode_is_checked_against_differences_and_the_pullback() {
    let inputs = [Tensor::from([[0.5, -1.0], [0.25, 2.0]]), Tensor::from([0.3, 0.7])];
    let check = GradCheck::new().forward(true);
    let report = check.run(|x| x[0].matmul(x[1]).tanh() * x[1].exp(), &inputs).expect("right");
    let of = |mode: Mode| report.comparisons.iter().filter(move |comparison| comparison.mode == mode);
    assert_eq!((of(Mode::Forward).count(), of(Mode::Transposed).count()), (4, 2));
    // A detached factor is wrong in both modes alike: differences tell, transposition does not.
    let wrong = check.report(|x| x[0].sum() * x[1] * x[1].detach(), &inputs).expect("a report");
    let wrong_in = |mode: Mode| wrong.mismatches().filter(move |comparison| comparison.mode == mode).count();
    assert!(wrong_in(Mode::Reverse) > 0 && wrong_in(Mode::Forward) > 0, "{wrong}");
    assert_eq!(wrong_in(Mode::Transposed), 0);
}

#[test]
fn the_fast_check_falls_back_to_elements_to_explain() {
    let inputs = [Tensor::from_fn([20], |i| 0.1 * i as f64 - 0.7)];
    let fast = GradCheck::new().fast(true);
    let right = fast.run(|x| x[0].sin(), &inputs).expect("right");
    assert_eq!(right.comparisons.len(), 1);
    assert!(right.comparisons[0].directional);
    let wrong = fast.report(|x| x[0].sin() * x[0].detach(), &inputs).expect("a report");
    assert!(wrong.mismatches().all(|mismatch| !mismatch.directional) && wrong.mismatches().count() > 10, "{wrong}");
    assert!(wrong.to_string().contains("the random direction did not pass"), "{wrong}");
    let kinks = fast.run(|x| x[0].relu(), &[Tensor::from([0.0, 1.0])]).expect("a kink is no failure");
    assert_eq!(kinks.counts().kink, 1);
}

#[test]
fn large_inputs_can_be_sampled_and_the_report_says_so() {
    let x = [Tensor::from_fn([1000], |i| (i as f64).sin())];
    let report = GradCheck::new().elements(10).seed(3).run(|x| x[0].square().sum(), &x).expect("right");
    assert_eq!(report.comparisons.len(), 10);
    assert!(report.to_string().contains("input 0: 10 of 1000 elements, drawn with seed 3"), "{report}");
    let places = |seed: u64| {
        let report = GradCheck::new().elements(10).seed(seed).run(|x| x[0].square().sum(), &x).expect("right");
        report.comparisons.into_iter().map(|comparison| comparison.position[0]).collect::<Vec<_>>()
    };
    assert_eq!(places(3), places(3));
    assert_ne!(places(3), places(4));
    assert!(places(5).windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn reports_are_short_and_worst_comes_first() {
    let x = [Tensor::from_fn([30], |i| 1.0 + i as f64)];
    let report = GradCheck::new().report(|x| (x[0] * x[0].detach()).sum(), &x).expect("a report");
    let text = report.to_string();
    assert!(text.starts_with("30 of 30 derivatives differ from differences"), "{text}");
    assert!(text.contains("and 20 more failures"), "{text}");
    // All are off by half; an absolute distance of 30 is the largest, and relative to the size they are alike.
    assert_eq!(text.lines().count(), 1 + 1 + 10 + 1, "{text}");
    let uneven = GradCheck::new().report(|x| (x[0] * 1e-3 + x[0].detach() * x[0].floor().detach()).sum(), &x);
    assert!(!uneven.expect("a report").is_ok());
}

#[test]
fn programs_read_the_report_as_json() {
    let x = [Tensor::from([0.0, 2.0])];
    let report = GradCheck::new().report(|x| x[0].relu() * x[0].detach(), &x).expect("a report");
    let json = report.to_json();
    for part in [
        r#""ok":false"#,
        r#""mismatch":1"#,
        r#""name":"input 0","input":0,"position":[1]"#,
        r#""blame":{"op":"detach","#,
        r#""cause":"cut""#,
        r#""verdict":"mismatch""#,
    ] {
        assert!(json.contains(part), "{part} in {json}");
    }
    let depth = json.chars().fold(0i32, |depth, letter| depth + i32::from(letter == '{') - i32::from(letter == '}'));
    assert_eq!(depth, 0);
    let undefined = at(-1.0, f64::ln, |x| 1.0 / x).to_json();
    assert!(undefined.contains(r#""numeric":"NaN""#) && undefined.contains(r#""reason":"the function is not"#));
}
