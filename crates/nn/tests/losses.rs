//! Losses against tables computed from their definitions in another language; gradients against finite differences.

use wengert_autograd::{Tape, Tensor, Var};
use wengert_nn::loss::*;

const PREDICTION: [f64; 4] = [0.2, -1.5, 3.0, 0.7];
const TARGET: [f64; 4] = [0.0, 1.0, 1.0, 0.7];
const LOGITS: [[f64; 3]; 2] = [[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]];
const LABELS: [usize; 2] = [2, 1];
const WEIGHTS: [f64; 3] = [0.5, 2.0, 1.5];

/// The value, and whether the gradient by the first operand is that of central differences.
fn value(x: impl Into<Tensor<f64>>, loss: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>) -> f64 {
    let x = x.into();
    let tape = Tape::new();
    let input = tape.input(&x);
    let y = loss(input);
    let [gradient] = y.grad([input]);
    let gradient = gradient.value().unwrap();
    let at = |i: usize, step: f64| {
        let mut moved = x.clone();
        moved.as_mut_slice()[i] += step;
        let tape = Tape::new();
        loss(tape.input(moved)).item().unwrap()
    };
    for (i, analytic) in gradient.as_slice().iter().enumerate() {
        let numeric = (at(i, 1e-5) - at(i, -1e-5)) / 2e-5;
        assert!((analytic - numeric).abs() < 1e-8, "element {i}: {analytic} {numeric}");
    }
    y.item().unwrap()
}

fn near(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-14, "{value} {expected}");
}

macro_rules! elementwise {
    ($x:expr, $t:expr, $loss:expr) => {
        value($x, |x| $loss(x, x.tape().constant($t)))
    };
}

#[test]
fn regression() {
    near(elementwise!(PREDICTION, TARGET, mse), 2.5725);
    near(elementwise!(PREDICTION, TARGET, l1), 1.175);
    near(elementwise!(PREDICTION, TARGET, huber), 0.88);
    near(elementwise!(PREDICTION, TARGET, |x, t| Huber::new().delta(1.5).forward(x, t)), 1.13);
    near(elementwise!(PREDICTION, TARGET, |x, t| SmoothL1::new().beta(0.5).forward(x, t)), 1.01);
    near(elementwise!(PREDICTION, TARGET, |x, t| SmoothL1::new().beta(0.0).forward(x, t)), 1.175);
    near(elementwise!(PREDICTION, TARGET, smooth_l1), 0.88);
}

#[test]
fn binary() {
    near(elementwise!([0.2, 0.9, 0.5, 0.7], TARGET, bce), 0.4081288873967187);
    near(elementwise!(PREDICTION, TARGET, bce_with_logits), 0.7903313869558861);
    near(
        elementwise!(PREDICTION, TARGET, |x, t| BceWithLogits::new().pos_weight(3.0).forward(x, t)),
        1.806446818844044,
    );
    near(elementwise!(PREDICTION, [-1.0, 1.0, 1.0, -1.0], hinge), 1.35);
}

#[test]
fn cross_entropies() {
    near(value(LOGITS, |x| cross_entropy(x, LABELS)), 0.852840040382551);
    near(value(LOGITS, |x| nll(x.exp().ln() - x.exp().sum_axes(&[1], true).ln(), LABELS)), 0.852840040382551);
    near(value(LOGITS[0], |x| cross_entropy(x, [2])), 0.24131129665715707);
    let weighted = || CrossEntropy::new().class_weights(WEIGHTS);
    near(value(LOGITS, |x| weighted().forward(x, LABELS)), 0.9402012894861788);
    near(value(LOGITS, |x| weighted().label_smoothing(0.1).forward(x, LABELS)), 0.977826115995279);
    let smooth = CrossEntropy::new().label_smoothing(0.1);
    near(
        value(LOGITS, |x| smooth.clone().reduction(Reduction::Sum).forward(x, LABELS)),
        0.39131129665715714 + 1.447702117441278,
    );
    let target = [[0.2, 0.3, 0.5], [0.1, 0.6, 0.3]];
    near(value(LOGITS, |x| cross_entropy_probabilities(x, x.tape().constant(target))), 1.477840040382551);
}

#[test]
fn reductions() {
    let tape = Tape::new();
    let (p, t) = (tape.input([1.0, 4.0]), tape.constant([3.0, 3.0]));
    let loss = |reduction| Mse::new().reduction(reduction).forward(p, t).value().unwrap().to_vec();
    assert_eq!(loss(Reduction::None), [4.0, 1.0]);
    assert_eq!(loss(Reduction::Sum), [5.0]);
    assert_eq!(loss(Reduction::Mean), [2.5]);
    let x = tape.input(LOGITS);
    let each = CrossEntropy::new().reduction(Reduction::None).forward(x, LABELS);
    assert_eq!(each.shape(), [2]);
    near(each.value().unwrap().as_slice()[1], 1.464368784107945);
    let one = CrossEntropy::new().reduction(Reduction::None).forward(tape.input(LOGITS[1]), [1]);
    assert_eq!(one.shape(), []);
}

#[test]
fn large_logits_in_f32() {
    let tape = Tape::<f32>::new();
    let x = tape.input([[1e4, 0.0, -1e4], [0.0, 1e4, 0.0]]);
    let loss = cross_entropy(x, [2, 1]);
    assert_eq!(loss.item().unwrap(), 1e4);
    let [g] = loss.grad([x]);
    assert_eq!(g.value().unwrap().as_slice(), [0.5, 0.0, -0.5, 0.0, 0.0, 0.0]);
    let x = tape.input([1e4, -1e4, -20.0]);
    let each = BceWithLogits::new().reduction(Reduction::None).forward(x, tape.constant([0.0, 1.0, 0.0]));
    assert_eq!(each.value().unwrap().as_slice()[..2], [1e4, 1e4]);
    assert!(each.sum().grad([x])[0].value().unwrap().is_finite());
}

fn refusal(record: impl for<'t> Fn(&'t Tape<f64>) -> Var<'t, f64>) -> String {
    let tape = Tape::new();
    let text = record(&tape).item().unwrap_err().to_string();
    assert!(text.contains("losses.rs:"), "{text}");
    text
}

#[test]
fn what_does_not_fit_is_an_error() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape);
    let text = refusal(|tape| mse(tape.input(zeros(&[5])), tape.constant(zeros(&[5, 1]))));
    assert!(text.starts_with("mse: prediction [5] and target [5, 1] have different shapes at "), "{text}");
    let text = refusal(|tape| mse(tape.input(zeros(&[0, 3])), tape.constant(zeros(&[0, 3]))));
    assert!(text.starts_with("mse: the mean of no losses at ") && text.contains("the batch is empty"), "{text}");
    let text = refusal(|tape| cross_entropy(tape.input(zeros(&[0, 3])), Vec::new()));
    assert!(text.starts_with("cross_entropy: the mean of no losses at "), "{text}");
    let text = refusal(|tape| cross_entropy(tape.input(zeros(&[2, 3])), [1]));
    assert!(
        text.starts_with("cross_entropy: 2 labels needed for operand [2, 3], got labels of shape [1] at "),
        "{text}"
    );
    let text = refusal(|tape| cross_entropy(tape.input(zeros(&[2, 3])), [1, 3]));
    assert!(text.starts_with("cross_entropy: label 3 at position 1 is outside the 3 classes at "), "{text}");
    let text = refusal(|tape| nll(tape.input(zeros(&[2, 3, 4])), [1, 3]));
    assert!(text.starts_with("nll: an operand of shape [2, 3, 4] at "), "{text}");
    let text = refusal(|tape| CrossEntropy::new().class_weights([1.0]).forward(tape.input(zeros(&[1, 3])), [1]));
    assert!(text.starts_with("cross_entropy: 1 class weights for 3 classes at "), "{text}");
    let text = refusal(|tape| CrossEntropy::new().label_smoothing(2.0).forward(tape.input(zeros(&[1, 3])), [1]));
    assert!(text.starts_with("cross_entropy: label smoothing is 2, but must be from 0 to 1 at "), "{text}");
}

#[test]
fn an_earlier_mistake_is_the_one_that_is_reported() {
    let tape = Tape::<f64>::new();
    let bad = tape.input([1.0, 2.0]) + tape.input([1.0, 2.0, 3.0]);
    assert!(mse(bad, tape.constant([1.0])).item().unwrap_err().to_string().starts_with("add: "));
    assert!(cross_entropy(bad, [1]).item().unwrap_err().to_string().starts_with("add: "));
}
