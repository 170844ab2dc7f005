//! The update rules against tables computed from the published formulas in another language.

use wengert_autograd::kernels::pool::set_threads;
use wengert_autograd::{Gradients, Param, Result, StateDict, Tape, Tensor};
use wengert_optim::{Adam, AdamW, Optimizer, Sgd};

const GRADIENTS: [[f64; 2]; 4] = [[0.5, -1.25], [-0.75, 2.0], [0.1, 0.3], [1.5, -0.2]];

/// A loss whose gradient is given.
fn gradient_of(parameter: &Param<f64>, gradient: impl Into<Tensor<f64>>) -> Result<Gradients<f64>> {
    let tape = Tape::new();
    (tape.param(parameter) * tape.constant(gradient)).sum().backward()
}

fn follows(mut optimizer: impl Optimizer<f64>, table: [[f64; 2]; 4]) {
    let mut parameter = Param::new([1.0, -2.0]);
    for (gradient, expected) in GRADIENTS.into_iter().zip(table) {
        let grads = gradient_of(&parameter, gradient).unwrap();
        optimizer.step(&mut parameter, &grads).unwrap();
        for (value, expected) in parameter.value().as_slice().iter().zip(expected) {
            assert!((value - expected).abs() < 1e-14, "{value} {expected}");
        }
    }
}

#[test]
fn sgd() {
    follows(Sgd::new(0.1), [[0.95, -1.875], [1.025, -2.075], [1.015, -2.105], [0.865, -2.085]]);
    follows(
        Sgd::new(0.1).weight_decay(0.01).maximize(true),
        [
            [1.049, -2.123],
            [0.9729509999999999, -1.920877],
            [0.9819780489999999, -1.8889561230000003],
            [1.1309960709509999, -1.9070671668770003],
        ],
    );
    follows(
        Sgd::new(0.1).momentum(0.9).dampening(0.5).weight_decay(0.01),
        [
            [0.949, -1.873],
            [0.9401255, -1.8577635],
            [0.92666838725, -1.85812176825],
            [0.8390936515813749, -1.847515148790875],
        ],
    );
    follows(
        Sgd::new(0.1).momentum(0.9).nesterov(true).weight_decay(0.1),
        [[0.886, -1.7245], [0.963066, -1.9542845], [0.935601146, -2.0164796445], [0.625773949626, -1.9867307218045]],
    );
}

#[test]
fn adam() {
    follows(
        Adam::new(0.1),
        [
            [0.900000002, -1.9000000008],
            [0.9247701832248268, -1.9276112998378323],
            [0.936752360411164, -1.9568499256658636],
            [0.8920812357848029, -1.975839106796231],
        ],
    );
    follows(
        Adam::new(0.1).weight_decay(0.1).betas(0.8, 0.5).eps(1e-3),
        [
            [0.9001663893510815, -1.9000689179875947],
            [0.9157506612609739, -1.9213168416944943],
            [0.9113647077625291, -1.944376093074933],
            [0.8654450179321216, -1.9488574162032926],
        ],
    );
    follows(
        Adam::new(0.1).betas(0.9, 0.5).amsgrad(true).maximize(true),
        [
            [1.099999998, -2.0999999992],
            [1.0766774000536765, -2.074205366217647],
            [1.0666690543840578, -2.0499276254270544],
            [1.1010970982917836, -2.0357469867638196],
        ],
    );
    follows(
        Adam::new(0.1).betas(0.3, 0.999),
        [
            [0.900000002, -1.9000000008],
            [0.9724051471187246, -1.9749449553312595],
            [0.9833985284729265, -2.016224295343],
            [0.8646008445830504, -2.0183695483228252],
        ],
    );
}

#[test]
fn adam_w() {
    follows(
        AdamW::new(0.1),
        [
            [0.899000002, -1.8980000008],
            [0.9228711832228268, -1.9237132998370323],
            [0.9339304892259411, -1.9510282123652265],
            [0.888325434110354, -1.9680663652832289],
        ],
    );
}

type Model = (Param<f64>, Param<f64>);

fn model() -> Model {
    (Param::new([1.0, -2.0]), Param::new([0.5]))
}

fn backward(model: &Model) -> Gradients<f64> {
    let tape = Tape::new();
    (tape.param(&model.0).square().sum() * tape.param(&model.1).sum()).backward().unwrap()
}

fn values(model: &Model) -> [Tensor<f64>; 2] {
    [model.0.value().clone(), model.1.value().clone()]
}

#[test]
fn a_missing_gradient_is_an_error_before_anything_changes() {
    let mut model = model();
    let before = values(&model);
    let tape = Tape::new();
    let loss = tape.param(&model.0).square().sum() * tape.param(&model.1).detach().sum();
    let grads = loss.backward().unwrap();
    let mut optimizer = Adam::new(0.1);
    let text = optimizer.step(&mut model, &grads).unwrap_err().to_string();
    assert!(text.contains("parameter \"1\" has no gradient: cut off at "), "{text}");
    assert!(text.contains("rules.rs:"), "{text}");
    assert_eq!(values(&model), before);
    assert!(optimizer.state_dict().is_empty());
    let mut optimizer = optimizer.allow_missing(true);
    optimizer.step(&mut model, &grads).unwrap();
    assert_ne!(values(&model)[0], before[0]);
    assert_eq!(values(&model)[1], before[1]);
    assert_eq!(optimizer.state_dict().keys().collect::<Vec<_>>(), ["0.exp_avg", "0.exp_avg_sq", "0.step"]);
}

#[test]
fn frozen_parameters_stay() {
    let mut model = model();
    model.1.freeze();
    let before = values(&model);
    let grads = backward(&model);
    Sgd::new(0.1).step(&mut model, &grads).unwrap();
    assert_ne!(values(&model)[0], before[0]);
    assert_eq!(values(&model)[1], before[1]);
}

#[test]
fn updates_of_buffers_are_applied() {
    let mut model: Model = (Param::new([1.0]), Param::buffer([0.0]));
    let tape = Tape::new();
    let x = tape.param(&model.0);
    tape.update(&model.1, x * 7.0);
    let grads = x.sum().backward().unwrap();
    Sgd::new(0.1).step(&mut model, &grads).unwrap();
    assert_eq!(model.1.value().as_slice(), [7.0]);
    assert_eq!(model.0.value().as_slice(), [0.9]);
}

fn resumes_bit_by_bit<O: Optimizer<f64>>(new: impl Fn() -> O) {
    let (mut straight, mut optimizer) = (model(), new());
    for _ in 0..3 {
        let grads = backward(&straight);
        optimizer.step(&mut straight, &grads).unwrap();
    }
    let (mut resumed, dict) = (straight.clone(), optimizer.state_dict());
    let mut other = new();
    other.load_state_dict(&dict).unwrap();
    assert_eq!(other.state_dict(), dict);
    for _ in 0..3 {
        let grads = backward(&straight);
        optimizer.step(&mut straight, &grads).unwrap();
        let grads = backward(&resumed);
        other.step(&mut resumed, &grads).unwrap();
    }
    assert_eq!(values(&straight), values(&resumed));
    assert_eq!(optimizer.state_dict(), other.state_dict());
}

#[test]
fn state_is_restored_bit_by_bit() {
    resumes_bit_by_bit(|| Sgd::new(0.01).momentum(0.9));
    resumes_bit_by_bit(|| Adam::new(0.01));
    resumes_bit_by_bit(|| Adam::new(0.01).amsgrad(true));
    resumes_bit_by_bit(|| AdamW::new(0.01));
}

#[test]
fn a_state_of_another_model_is_refused() {
    let mut optimizer = Adam::<f64>::new(0.1);
    let mut first = model();
    let grads = backward(&first);
    optimizer.step(&mut first, &grads).unwrap();
    let dict = optimizer.state_dict();

    let mut broken = dict.clone();
    broken.remove("0.exp_avg");
    broken.remove("1.step");
    broken.insert("0.momentum", [1.0]);
    let text = Adam::<f64>::new(0.1).load_state_dict(&broken).unwrap_err().to_string();
    let expected = "load_state_dict: unexpected: \"0.momentum\"; missing: \"0.exp_avg\"; missing: \"1.step\"";
    assert_eq!(text, expected);

    let mut larger = (model(), Param::new([3.0]));
    let tape = Tape::new();
    let sum = |p: &Param<f64>| tape.param(p).sum();
    let grads = (sum(&larger.0.0) + sum(&larger.0.1) + sum(&larger.1)).backward().unwrap();
    let mut optimizer = Adam::new(0.1);
    optimizer.load_state_dict(&dict).unwrap();
    let before = values(&larger.0);
    let text = optimizer.step(&mut larger, &grads).unwrap_err().to_string();
    assert_eq!(text, "step: parameter \"0.0\" has no state in the loaded state dict");
    assert_eq!(values(&larger.0), before);

    let mut smaller = (first.0.clone(),);
    let grads = gradient_of(&smaller.0, [1.0, 1.0]).unwrap();
    let text = optimizer.step(&mut smaller, &grads).unwrap_err().to_string();
    assert_eq!(text, "step: the loaded state dict has a state of \"1\", which the model has not");

    let mut misshapen = (Param::new([1.0]), Param::new([1.0]));
    let grads = backward(&misshapen);
    let text = optimizer.step(&mut misshapen, &grads).unwrap_err().to_string();
    assert_eq!(text, "step: the state of parameter \"0\" has shape [2], the parameter [1]");
}

#[test]
fn large_counts_of_steps_survive_in_f32() {
    let count = 3 * (1u64 << 24) + 12345;
    let parts = [(count % (1 << 24)) as f32, (count / (1 << 24)) as f32];
    let ones = Tensor::<f32>::ones([1]);
    let entries = [("w.step", Tensor::from(parts)), ("w.exp_avg", ones.clone()), ("w.exp_avg_sq", ones)];
    let dict = StateDict::from_iter(entries);
    let mut optimizer = Adam::<f32>::new(0.1);
    optimizer.load_state_dict(&dict).unwrap();
    assert_eq!(optimizer.state_dict(), dict);
}

#[test]
fn options_out_of_range() {
    let mut model = model();
    let grads = backward(&model);
    let mut refused = |optimizer: &mut dyn Optimizer<f64>| optimizer.step(&mut model, &grads).unwrap_err().to_string();
    let text = refused(&mut Sgd::new(-1.0));
    assert_eq!(text, "step: the learning rate is -1, but must be a finite number of at least 0");
    refused(&mut Sgd::new(0.1).nesterov(true));
    refused(&mut Adam::new(f64::NAN));
    refused(&mut Adam::new(0.1).betas(1.0, 0.9));
    refused(&mut AdamW::new(0.1).eps(-1.0));
}

#[test]
fn large_parameters_get_the_same_bits_whole_and_in_parts() {
    // Alone each element is updated as in a crowd, whatever thread it is on, and whether a tape holds the old values.
    let length = 200_003;
    let start = Tensor::from_fn([length], |i| (i as f32 * 0.37).sin());
    let gradient = Tensor::from_fn([length], |i| (i as f32 * 0.11).cos());
    let update = |start: Tensor<f32>, gradient: Tensor<f32>, keep: bool| {
        let (mut parameter, mut optimizer) = (Param::new(start), AdamW::new(0.01).amsgrad(true));
        for _ in 0..2 {
            let tape = Tape::new();
            let grads = (tape.param(&parameter) * tape.constant(&gradient)).sum().backward().unwrap();
            if keep {
                optimizer.step(&mut parameter, &grads).unwrap();
            } else {
                drop(tape);
                optimizer.step(&mut parameter, &grads).unwrap();
            }
        }
        parameter.value().clone()
    };
    let whole = update(start.clone(), gradient.clone(), true);
    assert_eq!(update(start.clone(), gradient.clone(), false), whole);
    for i in [0, 1, 1023, 1024, 16_384, 99_999, length - 1] {
        let one = |tensor: &Tensor<f32>| Tensor::from([tensor.as_slice()[i]]);
        assert_eq!(update(one(&start), one(&gradient), true), one(&whole), "{i}");
    }
}

/// Many parameters in one pass, some frozen in some steps, against each by itself with an optimiser of its own.
fn one_pass_is_each_alone<O: Optimizer<f64>>(new: impl Fn() -> O) {
    let lengths: Vec<usize> = [1, 0, 3, 40_000, 16_384, 5].into_iter().chain((0..200).map(|i| i % 7)).collect();
    let start = |salt: usize, length: usize| Tensor::from_fn([length], |i| ((i + 31 * salt) as f64 * 0.37).sin());
    for threads in [1, 2, 3, 8] {
        set_threads(threads);
        let params: Vec<Param<f64>> = lengths.iter().enumerate().map(|(i, &n)| Param::new(start(i, n))).collect();
        let (mut together, mut alone) = (params.clone(), params);
        let (mut one, mut each) = (new(), lengths.iter().map(|_| new()).collect::<Vec<_>>());
        for step in 0..4 {
            let is_frozen = |i: usize| step % 2 == 1 && (i * i + step).is_multiple_of(3);
            let tape = Tape::new();
            let mut loss = tape.scalar(0.0);
            for (i, param) in together.iter_mut().enumerate() {
                if is_frozen(i) {
                    param.freeze()
                } else {
                    param.unfreeze()
                }
                loss += (tape.param(param) * tape.constant(start(i + step, lengths[i]))).sum();
            }
            let grads = loss.backward().unwrap();
            for (i, (param, optimizer)) in alone.iter_mut().zip(&mut each).enumerate().filter(|(i, _)| !is_frozen(*i)) {
                let grads = gradient_of(param, start(i + step, lengths[i])).unwrap();
                optimizer.step(param, &grads).unwrap();
            }
            // In some steps a tape still holds the old values, in others they are written in place.
            if step % 3 == 0 {
                drop(tape);
                one.step(&mut together, &grads).unwrap();
            } else {
                one.step(&mut together, &grads).unwrap();
                drop(tape);
            }
            for (i, (own, expected)) in together.iter().zip(&alone).enumerate() {
                assert_eq!(own.value(), expected.value(), "parameter {i} after step {step}, {threads} threads");
            }
        }
    }
    set_threads(0);
}

#[test]
fn all_parameters_in_one_pass() {
    one_pass_is_each_alone(|| Sgd::new(0.1));
    one_pass_is_each_alone(|| Sgd::new(0.1).momentum(0.9).dampening(0.1));
    one_pass_is_each_alone(|| Adam::new(0.1).amsgrad(true));
    one_pass_is_each_alone(|| AdamW::new(0.1));
}
