//! The doctor: gradients that are wrong on purpose, gradients that are right, and noise.

mod models;
#[allow(dead_code)]
mod program;

use models::{Classes, Layer, Linear, Logistic, Matrix, TwoLayers, constant, matrix, sigmoid, tensor};
use ndarray::{Array1, Axis};
use program::programs;
use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};
use wengert_autograd::check::{Diagnosis, Finding, HandGradient, hand_gradient, hand_gradients};
use wengert_autograd::{Tape, Tensor, Var};

/// The kinds of a diagnosis, sorted: the order of findings means nothing.
fn kinds(diagnosis: &Diagnosis) -> Vec<String> {
    let mut kinds: Vec<String> = diagnosis.findings.iter().map(Finding::kind).collect();
    kinds.sort();
    kinds
}

#[track_caller]
fn expect(diagnosis: &Diagnosis, expected: &[&str]) {
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(kinds(diagnosis), expected, "{diagnosis}");
    let text = diagnosis.to_string();
    assert!(!text.is_empty() && !text.contains("NaN of"), "{text}");
}

#[test]
fn right_gradients_of_the_models_are_right() {
    expect(&Linear::new(2).diagnose(&Linear::new(2).gradient()), &["right"]);
    expect(&Layer::new().diagnose(&Layer::new().gradient()), &["right"]);
    expect(&Classes::new().diagnose(&Classes::new().gradient()), &["right"]);
    expect(&Logistic::new(0.0).diagnose(&Logistic::new(0.0).gradient()), &["right"]);
    expect(&Logistic::new(0.1).diagnose(&Logistic::new(0.1).gradient()), &["right"]);
    let two = TwoLayers::new();
    assert!(two.diagnose(&two.gradients(true, true)).is_right());
}

#[test]
fn signs_and_factors() {
    let linear = Linear::new(2);
    let right = linear.gradient();
    expect(&linear.diagnose(&-&right), &["sign_flipped"]);
    expect(&linear.diagnose(&(&right * 0.5)), &["factor_missing"]);
    expect(&linear.diagnose(&(&right * 5.0)), &["factor_extra"]);
    let both = linear.diagnose(&(&right * -0.5));
    expect(&both, &["factor_missing", "sign_flipped"]);
    assert_eq!(both.factor, Some(-0.5));
    let text = both.to_string();
    assert!(text.contains("-1/2 of the gradient: the sign is flipped and the factor 2 is missing"), "{text}");
    // The mean is over 7 examples of 2 outputs.
    expect(&linear.diagnose(&(&right * 14.0)), &["sum_for_mean"]);
    // 14 / 2 is the number of examples too: the simpler explanation is told.
    expect(&linear.diagnose(&(&right * -7.0)), &["factor_extra", "sign_flipped"]);
    let by_examples = linear.diagnose(&(&right * 7.0));
    assert!(by_examples.to_string().contains("7"), "{by_examples}");
    expect(&linear.diagnose(&(&right * 0.377)), &["proportional"]);

    let classes = Classes::new();
    let right = classes.gradient();
    expect(&classes.diagnose(&(&right * 7.0)), &["factor_extra"]);
    let again = classes.diagnose(&(&right / 7.0));
    assert!(again.to_string().contains("axis 0 of the constant [7, 4]"), "{again}");

    let layer = Layer::new();
    expect(&layer.diagnose(&(layer.gradient() * -0.3)), &["learning_rate", "sign_flipped"]);
    expect(&layer.diagnose(&(layer.gradient() * -14.0)), &["sign_flipped", "sum_for_mean"]);
}

#[test]
fn a_mean_where_the_function_sums() {
    let x = Tensor::from([0.3, -1.0, 2.0, 0.7, 1.1]);
    let mine = x.map_values(|x: f64| x.cos() / 5.0);
    expect(&hand_gradient(|x| x.sin().sum(), &x, &mine).expect("a diagnosis"), &["mean_for_sum"]);
}

#[test]
fn shapes_and_orders() {
    let linear = Linear::new(2);
    let right = linear.gradient();
    let transposed = right.t().as_standard_layout().to_owned();
    expect(&linear.diagnose(&transposed), &["transposed"]);
    expect(&linear.diagnose(&-&transposed), &["sign_flipped", "transposed"]);
    let column_major = Matrix::from_shape_vec((3, 2), transposed.iter().copied().collect()).expect("six");
    expect(&linear.diagnose(&column_major), &["reordered"]);
    let (w, flat) = (tensor(&linear.w), Tensor::from(right.iter().copied().collect::<Vec<f64>>()));
    expect(&hand_gradient(|w| linear.loss(w), &w, &flat).expect("a diagnosis"), &["reshaped"]);
    let square = Tensor::from([[0.1, 0.7], [-0.4, 1.3]]);
    let cosines = Tensor::from([[0.1f64.cos(), 0.4f64.cos()], [0.7f64.cos(), 1.3f64.cos()]]);
    expect(&hand_gradient(|x| x.sin().sum(), &square, &cosines).expect("a diagnosis"), &["transposed"]);

    let cube = Tensor::from_fn([2, 3, 4], |i| (i as f64 * 0.7).sin() + 0.1);
    let view = cube.view().permuted_axes(ndarray::IxDyn(&[2, 0, 1])).mapv(|x: f64| 2.0 * x);
    let permuted = hand_gradient(|x| x.square().sum(), &cube, &Tensor::from(view)).expect("a diagnosis");
    expect(&permuted, &["permuted"]);
    assert!(permuted.findings.contains(&Finding::Permuted { axes: vec![2, 0, 1] }));

    let odd = hand_gradient(|w| linear.loss(w), &w, &Tensor::from([1.0, 2.0, 3.0, 4.0])).expect("a diagnosis");
    expect(&odd, &["shapes"]);
}

#[test]
fn not_reduced_or_too_far() {
    let (x, y) = (Array1::from(vec![1.0, 2.0, -0.5, 3.0]), Array1::from(vec![0.5, 3.0, 1.0, 2.5]));
    let regression = RegressionLine { x, y };
    let w = Tensor::scalar(0.7);
    let each = regression.each(0.7);
    let verdict = hand_gradient(|w| regression.loss(w), &w, &Tensor::from(each.clone())).expect("a diagnosis");
    expect(&verdict, &["not_reduced"]);
    assert!(verdict.to_string().contains("take the mean over axis 0"), "{verdict}");
    let halves: Vec<f64> = each.iter().map(|value| value / -8.0).collect();
    let verdict = hand_gradient(|w| regression.loss(w), &w, &Tensor::from(halves)).expect("a diagnosis");
    assert!(verdict.findings.contains(&Finding::SignFlipped), "{verdict}");

    // The offset's gradient kept for each example.
    let layer = Layer::new();
    let s = sigmoid(&layer.z());
    let each = (&s - &layer.y) * &s * (1.0 - &s) * (2.0 / 14.0);
    let b = Tensor::from(layer.b.row(0).to_vec());
    let verdict = hand_gradient(|b| loss_of_offset(&layer, b), &b, &tensor(&each)).expect("a diagnosis");
    expect(&verdict, &["not_reduced"]);
    assert!(verdict.to_string().contains("take the sum over axis 0"), "{verdict}");

    // Reduced over the outputs too, and the same repeated.
    let linear = Linear::new(2);
    let sums = linear.gradient().sum_axis(Axis(1));
    let w = tensor(&linear.w);
    let verdict = hand_gradient(|w| linear.loss(w), &w, &Tensor::from(sums.clone())).expect("a diagnosis");
    expect(&verdict, &["reduced"]);
    let repeated = Matrix::from_shape_fn((3, 2), |(i, _)| sums[i] / 2.0);
    expect(&linear.diagnose(&repeated), &["repeated"]);
}

/// `mean((y - w x)²)` of one number `w`.
struct RegressionLine {
    x: Array1<f64>,
    y: Array1<f64>,
}

impl RegressionLine {
    fn loss<'t>(&self, w: Var<'t, f64>) -> Var<'t, f64> {
        let (x, y) = (w.tape().constant(self.x.to_vec()), w.tape().constant(self.y.to_vec()));
        (y - w * x).square().mean()
    }

    fn each(&self, w: f64) -> Vec<f64> {
        self.x.iter().zip(&self.y).map(|(x, y)| -2.0 * (y - w * x) * x).collect()
    }
}

fn loss_of_offset<'t>(layer: &Layer, b: Var<'t, f64>) -> Var<'t, f64> {
    let s = (constant(b, &layer.x).matmul(constant(b, &layer.w)) + b).sigmoid();
    (constant(b, &layer.y) - s).square().mean()
}

#[test]
fn derivatives_forgotten_doubled_and_replaced() {
    let layer = Layer::new();
    let (z, s) = (layer.z(), sigmoid(&layer.z()));
    let derivative = &s * &(1.0 - &s);
    let ones = Matrix::ones(s.raw_dim());
    let forgotten = layer.diagnose(&layer.gradient_with(&ones));
    expect(&forgotten, &["derivative_forgotten"]);
    let text = forgotten.to_string();
    assert!(text.contains("sigmoid(") && text.contains("y (1 - y)") && text.contains("tests/models/mod.rs:"), "{text}");
    expect(
        &layer.diagnose(&(layer.gradient_with(&ones) * -0.5)),
        &["derivative_forgotten", "factor_missing", "sign_flipped"],
    );
    expect(&layer.diagnose(&layer.gradient_with(&(&derivative * &derivative))), &["derivative_twice"]);
    expect(&layer.diagnose(&layer.gradient_with(&s)), &["derivative_replaced"]);
    expect(&layer.diagnose(&layer.gradient_with(&(1.0 - &s))), &["derivative_replaced"]);
    let again = sigmoid(&s);
    let at_value = layer.diagnose(&layer.gradient_with(&(&again * &(1.0 - &again))));
    expect(&at_value, &["derivative_replaced"]);
    assert!(at_value.to_string().contains("at the value y"), "{at_value}");
    let of_operand = layer.diagnose(&layer.gradient_with(&(&z * &(1.0 - &z))));
    expect(&of_operand, &["derivative_replaced"]);
    assert!(of_operand.to_string().contains("the operand x in place of the value y"), "{of_operand}");

    let linear = Linear::new(2);
    let ones = Matrix::ones((7, 2));
    let of_mean = linear.diagnose(&(linear.x.t().dot(&ones) / -14.0));
    expect(&of_mean, &["derivative_forgotten"]);
    assert!(of_mean.to_string().contains("([7, 2] - matmul([7, 3], x))^2"), "{of_mean}");
    let absolute = linear.diagnose(&(linear.x.t().dot(&linear.error().mapv(f64::signum)) / -14.0));
    expect(&absolute, &["other_function"]);

    let two = TwoLayers::new();
    let hidden = two.diagnose(&two.gradients(true, false));
    expect(&hidden.inputs[0], &["derivative_forgotten"]);
    expect(&hidden.inputs[1], &["right"]);
    let [dw1, dw2] = two.gradients(false, false);
    let neither = two.diagnose(&[dw1 * -0.5, dw2 * -0.5]);
    expect(&neither.inputs[0], &["derivative_forgotten", "derivative_forgotten", "factor_missing", "sign_flipped"]);
    expect(&neither.inputs[1], &["derivative_forgotten", "factor_missing", "sign_flipped"]);
    assert!(neither.to_string().contains("4 mistakes together"), "{neither}");

    // The error of a squared loss under a cross entropy: the derivative of the sigmoid is in it once too often.
    let logistic = Logistic::new(0.0);
    let s = logistic.s();
    let twice = logistic.x.t().dot(&((&s - &logistic.y) * &s * (1.0 - &s))) / 9.0;
    expect(&logistic.diagnose(&twice), &["derivative_twice"]);
}

#[test]
fn the_gradient_of_another_function() {
    // The mean of the error, differentiated as if it were the mean of its square.
    let linear = Linear::new(1);
    let mine = linear.x.t().dot(&linear.error()) / 7.0;
    let verdict =
        hand_gradient(|w| constant_error(&linear, w).mean(), &tensor(&linear.w), &tensor(&mine)).expect("a diagnosis");
    expect(&verdict, &["factor_missing", "other_function", "sign_flipped"]);
    assert!(verdict.to_string().contains("the square of `"), "{verdict}");
}

fn constant_error<'t>(linear: &Linear, w: Var<'t, f64>) -> Var<'t, f64> {
    constant(w, &linear.y) - constant(w, &linear.x).matmul(w)
}

#[test]
fn terms_missing_extra_and_misweighted() {
    let logistic = Logistic::new(0.1);
    let missing = logistic.diagnose(&logistic.entropy_gradient());
    expect(&missing, &["term_missing"]);
    assert!(missing.to_string().contains("the term `0.1 * sum(x^2, axes [0, 1])` of the sum"), "{missing}");
    expect(&logistic.diagnose(&-logistic.entropy_gradient()), &["sign_flipped", "term_missing"]);
    let half = logistic.entropy_gradient() + 0.1 * &logistic.w;
    let half = logistic.diagnose(&half);
    expect(&half, &["term_scaled"]);
    assert!(half.findings.iter().any(|f| matches!(f, Finding::TermScaled { factor, .. } if *factor == 0.5)), "{half}");
    let against = logistic.diagnose(&(logistic.entropy_gradient() - 0.2 * &logistic.w));
    assert!(against.to_string().contains("wrong sign"), "{against}");

    let plain = Logistic::new(0.0);
    let decay = plain.diagnose(&(plain.gradient() + 0.25 / 9.0 * &plain.w));
    expect(&decay, &["term_extra"]);
    assert!(decay.to_string().contains("the learning rate 0.25 divided by 9"), "{decay}");
    expect(&plain.diagnose(&(plain.gradient() + 0.0137 * &plain.w)), &["term_extra"]);
    let lasso = plain.diagnose(&(plain.gradient() + 0.05 * plain.w.mapv(f64::signum)));
    assert!(lasso.to_string().contains("the input's signs"), "{lasso}");

    // Sigmoid layer: xᵀ ((y - s) s) / n + (rate / n) w.
    let layer = Layer::new();
    let s = sigmoid(&layer.z());
    let mine = layer.x.t().dot(&((&layer.y - &s) * &s)) / 7.0 + 0.3 / 7.0 * &layer.w;
    let verdict = layer.diagnose(&mine);
    assert!(kinds(&verdict).contains(&"derivative_replaced".to_string()), "{verdict}");
    assert!(kinds(&verdict).contains(&"sign_flipped".to_string()), "{verdict}");
    assert!(verdict.to_string().contains("the learning rate 0.3 divided by 7"), "{verdict}");

    // A value that is used twice, and one use counted.
    let x = Tensor::from([0.4, -1.2, 0.9, 2.0]);
    let mine = x.map_values(|x: f64| x.exp());
    let verdict = hand_gradient(|x| (x.exp() + (3.0 * x).sin()).sum(), &x, &mine).expect("a diagnosis");
    expect(&verdict, &["term_missing"]);
    let product = x.map_values(|x: f64| x.sin());
    let verdict = hand_gradient(|x| (x * x.sin()).sum(), &x, &product).expect("a diagnosis");
    expect(&verdict, &["term_missing"]);
}

#[test]
fn other_inputs_and_other_points() {
    let (a, b) = (Tensor::from([1.0, 2.0, 5.0]), Tensor::from([3.0, -4.0, 0.5]));
    let verdict =
        hand_gradients(|x| (x[0] * x[1]).sum(), &[a.clone(), b.clone()], &[a.clone(), b]).expect("a diagnosis");
    expect(&verdict.inputs[0], &["other_input"]);
    assert!(verdict.to_string().contains("dx0: it is the gradient of x1"), "{verdict}");

    let layer = Layer::new();
    let moved = Layer { w: &layer.w - &(0.3 * layer.gradient()), ..Layer::new() };
    expect(&layer.diagnose(&moved.gradient()), &["updated_point"]);
    expect(&layer.diagnose(&moved.w), &["updated_input"]);
    // The second layer's weights were updated before the first's gradient was taken.
    let two = TwoLayers::new();
    let [_, dw2] = two.gradients(true, true);
    let later = TwoLayers { w2: &two.w2 - &(0.5 * dw2), ..TwoLayers::new() };
    let verdict = two.diagnose(&[later.gradients(true, true)[0].clone(), two.gradients(true, true)[1].clone()]);
    expect(&verdict.inputs[0], &["updated_point"]);
    expect(&verdict.inputs[1], &["right"]);
}

#[test]
fn softmax_and_products() {
    let classes = Classes::new();
    let s = classes.softmax();
    // -y / s, through s (1 - s) alone.
    let diagonal = classes.x.t().dot(&(-&classes.y * &(1.0 - &s))) / 7.0;
    expect(&classes.diagnose(&diagonal), &["diagonal_only"]);

    let (x, w) = (matrix(4, 3, 20), matrix(3, 3, 21));
    let delta = x.dot(&w).mapv(|z| 1.0 - z.tanh().powi(2));
    let diagnose = |mine: &Matrix| {
        hand_gradient(|x| x.matmul(constant(x, &w)).tanh().sum(), &tensor(&x), &tensor(mine)).expect("a diagnosis")
    };
    expect(&diagnose(&delta.dot(&w.t())), &["right"]);
    expect(&diagnose(&delta.dot(&w)), &["not_transposed"]);
}

#[test]
fn single_elements_and_slices() {
    let linear = Linear::new(4);
    let mut mine = linear.gradient();
    mine[[1, 2]] += 0.1;
    let one = linear.diagnose(&mine);
    assert_eq!(one.findings, [Finding::Elements { positions: vec![vec![1, 2]], total: 12 }], "{one}");
    let mut mine = linear.gradient();
    mine.row_mut(2).mapv_inplace(|value| value * 1.7 + 0.01);
    assert_eq!(linear.diagnose(&mine).findings, [Finding::Slice { axis: 0, index: 2 }]);
    expect(&linear.diagnose(&Matrix::zeros((3, 4))), &["zero"]);
    let rounded = linear.gradient().mapv(|value| (value * 1e5).round() / 1e5);
    expect(&linear.diagnose(&rounded), &["imprecise"]);
}

#[test]
fn what_cannot_be_compared_is_told_in_words() {
    let x = Tensor::from([1.0, 2.0]);
    let nan = hand_gradient(|x| x.square().sum(), &x, &Tensor::from([f64::NAN, 4.0])).expect("a diagnosis");
    assert_eq!(nan.findings, [Finding::NotFinite { positions: vec![vec![0]], total: 2 }]);
    let none: Tensor<f64> = Tensor::from(Vec::<f64>::new());
    expect(&hand_gradient(|x| x.square().sum(), &none, &none).expect("a diagnosis"), &["empty"]);
    expect(&hand_gradient(|x| x.square().sum(), &none, &x).expect("a diagnosis"), &["shapes"]);
    expect(
        &hand_gradient(|x| x.tape().scalar(2.0), &x, &Tensor::from([1.0, 1.0])).expect("a diagnosis"),
        &["unreached"],
    );
    expect(
        &hand_gradient(|x| x.ln().sum(), &Tensor::from([-1.0]), &Tensor::from([-1.0])).expect("one"),
        &["undefined"],
    );
    let wrong_tape = hand_gradient(|x| (x * x.detach()).sum(), &x, &Tensor::from([2.0, 4.0])).expect("a diagnosis");
    assert_eq!(wrong_tape.findings, [Finding::TapeDiffers { by_hand_agrees: true }]);
    let counter = std::cell::Cell::new(0.0);
    let count = || {
        counter.set(counter.get() + 1.0);
        counter.get()
    };
    expect(&hand_gradient(|x| (x * count()).sum(), &x, &x).expect("a diagnosis"), &["random"]);
    let error = hand_gradient(|x| x.square(), &x, &x).expect_err("not one element");
    assert!(error.to_string().contains("one element needed"), "{error}");
    let error = hand_gradient(|x| if x.rank() == 1 { panic!("no vectors") } else { x }, &x, &x).expect_err("a panic");
    assert!(error.to_string().contains("the function panicked: no vectors"), "{error}");
    assert!(hand_gradients(|x| x[0].sum(), &[x.clone(), x.clone()], &[x]).is_err());
}

#[test]
fn a_subgradient_at_a_kink_is_right() {
    let x = Tensor::from([-1.0, 0.0, 2.0]);
    for slope in [0.0, 0.5, 1.0] {
        let mine = Tensor::from([0.0, slope, 1.0]);
        expect(&hand_gradient(|x| x.relu().sum(), &x, &mine).expect("a diagnosis"), &["right"]);
    }
    let outside = hand_gradient(|x| x.relu().sum(), &x, &Tensor::from([0.0, 1.5, 1.0])).expect("a diagnosis");
    expect(&outside, &["elements"]);
}

#[test]
fn one_number_fits_more_than_one_mistake() {
    // d/dw mean over two of (w x)² by hand without the 2: or is it the mean over 2 for a sum?
    let w = Tensor::scalar(0.7);
    let mine = Tensor::scalar(0.7 * (1.0 + 9.0) / 2.0);
    let verdict = hand_gradient(|w| (w * Var::tape(w).constant([1.0, 3.0])).square().mean(), &w, &mine).expect("one");
    assert!(!verdict.alternatives.is_empty(), "{verdict}");
    assert!(verdict.to_string().contains("it could as well be"), "{verdict}");
}

#[test]
fn json_has_what_the_text_has() {
    let linear = Linear::new(2);
    let json = linear.diagnose(&(linear.gradient() * -0.5)).to_json();
    assert!(
        json.starts_with(r#"{"name":"","right":false,"factor":-0.5,"findings":[{"kind":"sign_flipped","text":"#),
        "{json}"
    );
    assert!(json.contains(r#""shape":[3,2]"#) && json.ends_with('}'), "{json}");
    let nan = hand_gradient(|x| x.sum(), &Tensor::from([1.0]), &Tensor::from([f64::NAN])).expect("one").to_json();
    assert!(nan.contains(r#""mine":[null]"#), "{nan}");
}

fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("WENGERT_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// By the tape, one gradient after the other.
fn gradients(program: &program::Program) -> Vec<Tensor<f64>> {
    let tape = Tape::new();
    let x: Vec<Var<'_, f64>> = program.inputs().iter().map(|input| tape.input(input)).collect();
    let loss = program.loss(&tape, &x);
    x.iter().map(|&x| loss.grad([x])[0].value().expect("a gradient")).collect()
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn right_gradients_are_never_accused(program in programs(), salt in 0u32..1000) {
        let inputs = program.inputs();
        let right = gradients(&program);
        let rounded: Vec<Tensor<f64>> = right.iter().map(|gradient| {
            let mut turn = f64::from(salt);
            Tensor::from_fn(gradient.shape(), |i| {
                turn += 0.618;
                gradient.as_slice()[i] * (1.0 + 1e-14 * (turn.fract() - 0.5))
            })
        }).collect();
        let doctor = HandGradient::new().differences(2);
        let verdict = doctor.run(|x| program.loss(x[0].tape(), x), &inputs, &rounded).expect("a diagnosis");
        prop_assert!(verdict.is_right(), "{}", verdict);
        let single: Vec<Tensor<f32>> = right.iter().map(Tensor::cast).collect();
        let doctor = HandGradient::new().differences(0);
        let verdict = doctor.run(|x| program.loss(x[0].tape(), x), &inputs, &single).expect("a diagnosis");
        prop_assert!(verdict.is_right(), "{}", verdict);
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn noise_is_never_explained(program in programs(), seed in any::<u64>()) {
        let inputs = program.inputs();
        let mut rng = StdRng::seed_from_u64(seed);
        let noise: Vec<Tensor<f64>> = inputs.iter().map(|input| Tensor::randn(input.shape(), &mut rng)).collect();
        let doctor = HandGradient::new().differences(0);
        let verdict = doctor.run(|x| program.loss(x[0].tape(), x), &inputs, &noise).expect("a diagnosis");
        for diagnosis in &verdict.inputs {
            let silent = diagnosis.findings.iter().all(|finding| matches!(finding, Finding::Unknown { .. } | Finding::Unreached));
            prop_assert!(silent, "{}", diagnosis);
        }
    }

    #[test]
    fn constructed_mistakes_of_random_programs_are_named(program in programs(), choice in 0usize..3) {
        let inputs = program.inputs();
        let factor = [-1.0, 0.5, -2.0][choice];
        let wrong: Vec<Tensor<f64>> =
            gradients(&program).iter().map(|gradient| gradient.map_values(|value| factor * value)).collect();
        let doctor = HandGradient::new().differences(0);
        let verdict = doctor.run(|x| program.loss(x[0].tape(), x), &inputs, &wrong).expect("a diagnosis");
        for diagnosis in &verdict.inputs {
            let nothing = diagnosis.analytic.as_slice().iter().all(|&value| value.abs() < 1e-9);
            let named = diagnosis.factor == Some(factor) || diagnosis.is_right() && nothing;
            prop_assert!(named, "{}", diagnosis);
        }
    }
}
