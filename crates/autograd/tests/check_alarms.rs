//! Random programs whose gradients are right: not one may be called wrong, kinks or not, by elements, by directions, in
//! forward mode and in the second order. And what single precision costs.

use wengert_autograd::check::{Generic, GradCheck, Verdict, precision};
use wengert_autograd::{Element, Tensor, Var};

/// A sequence of numbers below a bound.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// One step of a program on `[2, 3]` tensors.
fn step<'t>(op: usize, a: Var<'t, f64>, b: Var<'t, f64>) -> Var<'t, f64> {
    match op {
        0 => a + b,
        1 => a * b.tanh(),
        2 => a / (1.5 + b.square()),
        3 => a.sin() - b,
        4 => (a * 0.5).exp().ln_1p() * b,
        5 => a.softmax(-1) + b,
        6 => a.matmul(b.t()).matmul(a) * 0.1,
        7 => a.sum_axes(&[0], true) * b * 0.3,
        8 => a.reshape([3, 2]).t() + b,
        9 => (a.square() + 0.1).sqrt() - b.sigmoid(),
        10 => a.relu() + b,
        11 => a.abs() * 0.5 + b,
        12 => a.maximum(b),
        13 => a.clamp(-0.5, 0.5) * b,
        _ => a.leaky_relu(0.2) + b.hard_tanh(),
    }
}

fn program<'t>(seed: u64, ops: usize, x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let mut draw = Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
    let mut values = x.to_vec();
    for _ in 0..3 + draw.below(6) {
        let (a, b) = (values[draw.below(values.len())], values[draw.below(values.len())]);
        values.push(step(draw.below(ops), a, b));
    }
    values.iter().skip(2).fold(values[0].mean() * x[1].mean(), |sum, &value| sum + value.mean())
        + values[values.len() - 1]
}

/// Numbers of which some lie next to kinks. Not on them: where several kinks meet, the chain rule may give a number that
/// is no subgradient of the whole, and no rule is to blame.
fn inputs(seed: u64) -> [Tensor<f64>; 2] {
    let mut draw = Draw(seed + 77);
    let mut number = |i: usize| (draw.below(81) as f64 - 40.0) / 20.0 + 1e-7 * (i as f64 + 0.3).sin();
    [Tensor::from_fn([2, 3], &mut number), Tensor::from_fn([2, 3], &mut number)]
}

#[test]
fn smooth_programs_pass_in_every_way() {
    for seed in 0..120 {
        let check = match seed % 4 {
            0 => GradCheck::new(),
            1 => GradCheck::new().fast(true),
            2 => GradCheck::new().forward(true).elements(4),
            _ => GradCheck::new().order(2).fast(true),
        };
        let report = check.report(|x| program(seed, 10, x), &inputs(seed)).expect("a report");
        let clear = |verdict: Verdict| matches!(verdict, Verdict::Pass | Verdict::NotReached);
        assert!(report.comparisons.iter().all(|comparison| clear(comparison.verdict)), "program {seed}: {report}");
        assert!(report.is_ok() && report.blame.is_none());
    }
}

#[test]
fn programs_with_kinks_raise_no_alarm() {
    for seed in 0..200 {
        let report = GradCheck::new().report(|x| program(seed, 15, x), &inputs(seed)).expect("a report");
        assert!(report.is_ok(), "program {seed}: {report}");
    }
}

/// `ln(1 + exp x)`, written out or by the operation for it.
struct Softplus {
    naive: bool,
}

impl Generic for Softplus {
    fn call<'t, T: Element>(&self, x: &[Var<'t, T>]) -> Var<'t, T> {
        if self.naive { (x[0].exp() + T::of(1.0)).ln() } else { x[0].softplus() }
    }
}

#[test]
fn single_precision_is_measured_in_units_of_the_inevitable() {
    let x = [Tensor::from([-9.0f32, -8.0])];
    let stable = precision(&Softplus { naive: false }, &x).expect("a measure");
    assert!(stable.value < 2.0 && stable.gradient < 2.0, "{stable}");
    let naive = precision(&Softplus { naive: true }, &x).expect("a measure");
    assert!(naive.value > 20.0, "{naive}");
    let overflow = precision(&Softplus { naive: true }, &[Tensor::from([100.0f32])]).expect("a measure");
    assert_eq!((overflow.value, overflow.worst), (f64::INFINITY, (0, 0)));
}
