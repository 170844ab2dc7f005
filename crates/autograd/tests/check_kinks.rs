//! The campaign across kinks: stencils placed on, beside and across the kinks of functions that are right must raise no
//! alarm, and wrong rules there must not hide behind them.

use wengert_autograd::check::{GradCheck, Verdict};
use wengert_autograd::ndarray::{ArrayViewD, ArrayViewMutD};
use wengert_autograd::{CustomOp, Pullback, Result, Shape, Tensor, Var};

/// A function in pieces: below and above each kink, by value and slope.
#[derive(Clone, Copy)]
struct Pieces {
    name: &'static str,
    kinks: &'static [f64],
    value: fn(f64) -> f64,
    /// The slope away from kinks; at one, some subgradient.
    slope: fn(f64) -> f64,
}

const FUNCTIONS: [Pieces; 7] = [
    Pieces { name: "relu", kinks: &[0.0], value: |x| x.max(0.0), slope: |x| f64::from(u8::from(x > 0.0)) },
    Pieces { name: "abs", kinks: &[0.0], value: f64::abs, slope: |x| if x == 0.0 { 0.0 } else { x.signum() } },
    Pieces {
        name: "clamp",
        kinks: &[-0.5, 0.5],
        value: |x| x.clamp(-0.5, 0.5),
        slope: |x| f64::from(u8::from(x.abs() < 0.5)),
    },
    Pieces {
        name: "exp or line",
        kinks: &[1.0],
        value: |x| if x < 1.0 { x.exp() } else { 1f64.exp() + 7.0 * (x - 1.0) },
        slope: |x| if x < 1.0 { x.exp() } else { 7.0 },
    },
    Pieces {
        name: "shallow",
        kinks: &[2.0],
        value: |x| x.sin() + 1e-3 * (x - 2.0).abs(),
        slope: |x| x.cos() + 1e-3 * if x < 2.0 { -1.0 } else { 1.0 },
    },
    Pieces {
        name: "hat on a hill",
        kinks: &[-1.0, 0.0, 1.0],
        value: |x| 10.0 + x * x + (1.0 - x.abs()).max(0.0),
        slope: |x| 2.0 * x + if x.abs() < 1.0 { -x.signum() } else { 0.0 },
    },
    Pieces {
        name: "huber",
        kinks: &[1.0, -1.0],
        value: |x| if x.abs() <= 1.0 { 0.5 * x * x } else { x.abs() - 0.5 },
        slope: |x| x.clamp(-1.0, 1.0),
    },
];

/// What a rule makes of the right slope.
type Error = fn(f64) -> f64;

struct Rule {
    pieces: Pieces,
    wrong: Option<Error>,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.pieces.name)
    }
}

impl CustomOp<f64> for Rule {
    fn name(&self) -> &str {
        self.pieces.name
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0].clone())
    }

    fn forward(&self, inputs: &[ArrayViewD<f64>], mut out: ArrayViewMutD<f64>) -> Result<()> {
        out.zip_mut_with(&inputs[0], |y, &x| *y = (self.pieces.value)(x));
        Ok(())
    }

    fn pullback<'t>(&self, x: &[Var<'t, f64>], _: Var<'t, f64>, cotangent: Var<'t, f64>) -> Pullback<'t, f64> {
        let right = x[0].value().map(|x| x.map_values(self.pieces.slope)).unwrap_or_else(|_| Tensor::scalar(f64::NAN));
        let slopes = right.map_values(|slope| self.wrong.map_or(slope, |wrong| wrong(slope)));
        Pullback::one(cotangent * cotangent.tape().constant(slopes))
    }
}

/// How far a point lies from a kink, either side: from a stencil that reaches far across to the last digits.
const DISTANCES: [f64; 14] =
    [0.0, 1e-15, 1e-13, 1e-11, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1.5625e-3, 1e-2, 0.025, 0.049];

/// The distances from one on, and as many more as `WENGERT_CASES` asks for, spread evenly by their logarithms.
fn distances(first: usize) -> Vec<f64> {
    let more = std::env::var("WENGERT_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let lowest = DISTANCES[first].max(1e-16).ln();
    let spread =
        |i: usize| (lowest + (0.05f64.ln() - lowest) * ((i + 1) as f64 * 0.618_033_988_749_894_9).fract()).exp();
    DISTANCES[first..].iter().copied().chain((0..more).map(spread)).collect()
}

fn points(pieces: &Pieces, distances: &[f64]) -> Vec<f64> {
    let sides = |kink: f64| distances.iter().flat_map(move |distance| [kink + distance, kink - distance]);
    pieces.kinks.iter().flat_map(|&kink| sides(kink)).collect()
}

/// Some points at a time: the whole Jacobian is compared.
fn verdicts(pieces: Pieces, wrong: Option<Error>, points: &[f64]) -> Vec<Verdict> {
    points.chunks(32).flat_map(|points| verdicts_of_some(pieces, wrong, points)).collect()
}

fn verdicts_of_some(pieces: Pieces, wrong: Option<Error>, points: &[f64]) -> Vec<Verdict> {
    let inputs = [Tensor::from_fn([points.len()], |i| points[i])];
    let report = GradCheck::new().report(|x| x[0].tape().custom(Rule { pieces, wrong }, x), &inputs).expect("a report");
    let diagonal = report.comparisons.iter().filter(|comparison| comparison.output == comparison.position[0]);
    diagonal.map(|comparison| comparison.verdict).collect()
}

#[test]
fn right_rules_raise_no_alarm_across_kinks() {
    let mut count = 0;
    for pieces in FUNCTIONS {
        let points = points(&pieces, &distances(0));
        for (x, verdict) in points.iter().zip(verdicts(pieces, None, &points)) {
            assert!(!verdict.is_failure(), "{} at {x:e}: {verdict:?}", pieces.name);
            count += 1;
        }
    }
    println!("{count} right rules on, beside and across kinks: no alarm");
    assert!(count >= 300, "{count}");
}

#[test]
fn wrong_rules_beside_kinks_are_not_missed() {
    // Beside a kink, the slope of the other side is wrong too: from where rounding leaves the two sides apart.
    let errors: [Error; 6] =
        [|s| s + 0.3, |s| s * 1.001 + 2.7e-3, |s| -s - 0.1, |s| s - 2.0, |s| s + 1e-4, |_| f64::NAN];
    let mut count = 0;
    for pieces in FUNCTIONS {
        let points = points(&pieces, &distances(5));
        for wrong in errors {
            for (x, verdict) in points.iter().zip(verdicts(pieces, Some(wrong), &points)) {
                assert!(
                    verdict.is_failure(),
                    "{} at {x:e}: slope {}, {verdict:?}",
                    pieces.name,
                    wrong((pieces.slope)(*x))
                );
                count += 1;
            }
        }
    }
    println!("{count} wrong rules beside kinks: none missed");
    assert!(count >= 1000, "{count}");
}

#[test]
fn a_number_outside_the_slopes_at_a_kink_is_a_mismatch() {
    for pieces in FUNCTIONS.into_iter().filter(|pieces| pieces.name != "huber") {
        for wrong in [(|s| s + 10.0) as Error, |s| s - 10.0] {
            for (x, verdict) in pieces.kinks.iter().zip(verdicts(pieces, Some(wrong), pieces.kinks)) {
                assert_eq!(verdict, Verdict::Mismatch, "{} at {x}", pieces.name);
            }
        }
    }
}

#[test]
fn kinks_of_built_in_operations() {
    let x = [Tensor::from([0.0, 1e-9, -1e-9, 1e-3, 0.5, -0.5, 0.5 + 1e-6, 6.0, 3.0, -3.0])];
    let functions: [fn(Var<'_, f64>) -> Var<'_, f64>; 8] = [
        |x| x.relu(),
        |x| x.abs(),
        |x| x.clamp(-0.5, 0.5),
        |x| x.relu6(),
        |x| x.hard_tanh(),
        |x| x.leaky_relu(0.1),
        |x| x.maximum(x * 2.0),
        |x| (x.relu() + x.abs()) * x.sin(),
    ];
    for (i, function) in functions.into_iter().enumerate() {
        let report = GradCheck::new().report(|x| function(x[0]), &x).expect("a report");
        assert!(report.is_ok(), "function {i}: {report}");
    }
    // Ties of a maximum over an axis share the cotangent.
    let ties = [Tensor::from([[1.0, 1.0, 0.5], [2.0, -1.0, 2.0]])];
    let report = GradCheck::new().report(|x| x[0].max_axes(&[1], false), &ties).expect("a report");
    assert!(report.is_ok() && report.counts().kink == 4, "{report}");
}
