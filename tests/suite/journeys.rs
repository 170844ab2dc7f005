//! Whole journeys of a user, with the facade alone.

use rand::SeedableRng;
use rand::rngs::StdRng;
use wengert::data;
use wengert::prelude::*;

use crate::model::{Mlp, RunningMean};

const fn is_plain_data<T: Send + Sync + Clone + 'static>() {}
const _: () = is_plain_data::<Mlp>();
const _: () = is_plain_data::<RunningMean>();
const _: () = is_plain_data::<Linear<f64>>();
const _: () = is_plain_data::<Gradients>();
const _: () = is_plain_data::<Adam>();
const _: () = is_plain_data::<Tensor>();
const _: () = is_plain_data::<wengert::Error>();

fn accuracy(model: &Mlp, points: &data::Dataset) -> Result<f64> {
    let tape = Tape::inference();
    let answers = model.forward(tape.constant(points.inputs())).argmax(-1, false).value()?;
    let pairs = answers.as_slice().iter().zip(points.targets().as_slice());
    Ok(pairs.filter(|(answer, label)| **answer == **label as f32).count() as f64 / points.len() as f64)
}

#[test]
fn train_save_load() -> Result<()> {
    let (train, test) = data::moons(600, 0.1, 3).split(0.75, 1)?;
    let mut model = Mlp::new(2, 24, 2, 5).dropout(0.05);
    let mut optimizer = Adam::new(1e-2);
    for epoch in 0..30 {
        for (i, batch) in train.loader(50).shuffle(epoch).into_iter().enumerate() {
            let batch = batch?;
            let tape = Tape::training(epoch * 100 + i as u64);
            let loss = loss::cross_entropy(model.forward(tape.constant(&batch.inputs)), &batch.targets);
            let mut grads = loss.backward()?;
            grads.clip_norm(5.0);
            optimizer.step(&mut model, &grads)?;
        }
    }
    let reached = accuracy(&model, &test)?;
    assert!(reached > 0.95, "accuracy {reached}");

    let path = std::env::temp_dir().join(format!("wengert-journey-{}.safetensors", std::process::id()));
    nn::save(&model, &path)?;
    let mut other = model.clone();
    for parameter in other.parameters_mut() {
        parameter.as_mut_slice().fill(0.0);
    }
    assert!(accuracy(&other, &test)? < 0.9, "a clone is a model of its own");
    assert_eq!(accuracy(&model, &test)?, reached);
    let mut fresh = Mlp::new(2, 24, 2, 99);
    for restored in [&mut other, &mut fresh] {
        nn::load(restored, &path)?;
        let tape = Tape::inference();
        let x = tape.constant(test.inputs());
        assert_eq!(model.forward(x).value()?, restored.forward(x).value()?);
    }
    std::fs::remove_file(&path)?;
    Ok(())
}

fn gradients(model: &Mlp, points: &data::Dataset, rows: &[usize], share: f32) -> Result<Gradients> {
    let batch = points.batch(rows)?;
    let tape = Tape::training(0);
    (loss::cross_entropy(model.forward(tape.constant(&batch.inputs)), &batch.targets) * share).backward()
}

fn assert_alike(model: &Mlp, left: &Gradients, right: &Gradients) {
    assert_eq!((left.len(), right.len()), (6, 6));
    for (path, parameter) in model.named_parameters() {
        let (Some(left), Some(right)) = (left.get(parameter), right.get(parameter)) else { panic!("{path}") };
        for (a, b) in left.as_slice().iter().zip(right.as_slice()) {
            assert!((a - b).abs() <= 1e-6 + 1e-5 * b.abs(), "{path}: {a} and {b}");
        }
    }
}

#[test]
fn two_halves_make_a_whole() -> Result<()> {
    let (points, model) = (data::spiral(40, 0.1, 1), Mlp::new(2, 12, 2, 5));
    let rows: Vec<usize> = (0..40).collect();
    let whole = gradients(&model, &points, &rows, 1.0)?;
    let halves = gradients(&model, &points, &rows[..20], 0.5)? + gradients(&model, &points, &rows[20..], 0.5)?;
    assert!(whole.norm() > 1e-3);
    assert_alike(&model, &halves, &whole);
    let mut twice = gradients(&model, &points, &rows, 2.0)?;
    twice.scale(0.5);
    assert_alike(&model, &twice, &whole);
    Ok(())
}

#[test]
fn threads_record_shards_against_one_model() -> Result<()> {
    let (points, model) = (data::spiral(64, 0.1, 1), Mlp::new(2, 12, 2, 5));
    let rows: Vec<usize> = (0..64).collect();
    let shards: Vec<Result<Gradients>> = std::thread::scope(|scope| {
        let (model, points) = (&model, &points);
        let start = |shard| scope.spawn(move || gradients(model, points, shard, 0.25));
        let threads: Vec<_> = rows.chunks(16).map(start).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let mut sum = Gradients::default();
    for shard in shards {
        sum = sum + shard?;
    }
    assert_alike(&model, &sum, &gradients(&model, &points, &rows, 1.0)?);
    let mut stepped = model.clone();
    let error = Sgd::new(0.1).step(&mut stepped, &sum).expect_err("a clone has parameters of its own");
    assert!(error.to_string().contains("\"first.weight\" has no gradient"), "{error}");
    let mut model = model;
    Sgd::new(0.1).step(&mut model, &sum)
}

/// `(1 - |∂critic/∂x|)²`, averaged.
fn penalty<'t>(model: &Mlp, tape: &'t Tape, x: &Tensor) -> Var<'t> {
    let x = tape.input(x);
    let [gx] = model.forward(x).sum().grad([x]);
    (gx.square().sum_axes(&[1], false).sqrt() - 1.0).square().mean()
}

#[test]
fn a_gradient_penalty_trains() -> Result<()> {
    let mut model = Mlp::new(3, 16, 1, 2);
    // A bias at the end has no influence on the gradient by the input.
    model.out.bias = None;
    let x = Tensor::randn([20, 3], &mut StdRng::seed_from_u64(4));
    let mut optimizer = Adam::new(1e-2);
    let first = penalty(&model, &Tape::new(), &x).item()?;

    // The derivative by one weight against a difference quotient.
    let tape = Tape::new();
    let grads = penalty(&model, &tape, &x).backward()?;
    let analytic = grads.get(&model.second.weight).expect("reached").as_slice()[5];
    let at = |offset: f32| {
        let mut moved = model.clone();
        moved.second.weight.as_mut_slice()[5] += offset;
        penalty(&moved, &Tape::new(), &x).item()
    };
    let numeric = (at(0.01)? - at(-0.01)?) / 0.02;
    assert!((analytic - numeric).abs() < 1e-3 + 0.02 * numeric.abs(), "{analytic} and {numeric}");

    for _ in 0..60 {
        let tape = Tape::new();
        let grads = penalty(&model, &tape, &x).backward()?;
        optimizer.step(&mut model, &grads)?;
    }
    let last = penalty(&model, &Tape::new(), &x).item()?;
    assert!(last < 0.25 * first, "{first} to {last}");
    Ok(())
}

#[test]
fn looking_inside() -> Result<()> {
    let model = Mlp::new(3, 4, 2, 1);
    let tape = Tape::new();
    let x = tape.constant(Tensor::ones([5, 3])).named("images");
    let logits = tape.scope("mlp", || model.forward(x)).named("logits");
    let loss = loss::cross_entropy(logits, [0, 1, 0, 1, 0]).named("loss");

    let listing = tape.to_string();
    let lines: Vec<&str> = listing.lines().collect();
    assert_eq!(lines.len(), tape.len());
    assert!(lines[0].starts_with("%0 images = constant : [5, 3] "), "{listing}");
    assert!(lines.iter().enumerate().all(|(i, line)| line.starts_with(&format!("%{i} "))), "{listing}");
    let line =
        |part: &str| lines.iter().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part} in\n{listing}"));
    assert!(line("tanh(").ends_with("   mlp.second"), "{listing}");
    assert!(line(" logits = ").ends_with("   mlp.out"), "{listing}");
    assert!(line(" logits = ").contains(" : [5, 2] "), "{listing}");
    assert!(line(" loss = ").contains("journeys.rs:"), "{listing}");
    assert!(line("relu(").contains("model.rs:"), "{listing}");
    assert_eq!(lines.iter().filter(|line| line.contains("= parameter :")).count(), 6, "{listing}");

    let plan = tape.plan([loss])?;
    let text = plan.to_string();
    assert_eq!(text.lines().filter(|line| line.starts_with("kernel ")).count(), plan.kernels().len());
    assert!(text.contains("tanh("), "{text}");
    assert!(text.contains(" fused"), "{text}");
    let total = format!("{} kernels, {} flops, ", plan.kernels().len(), plan.flops());
    assert!(text.lines().last().is_some_and(|line| line.starts_with(&total)), "{text}");
    // Three products, 2 n m k each.
    assert!(plan.flops() >= 2 * 5 * (3 * 4 + 4 * 4 + 4 * 2), "{text}");

    let summary = nn::summary(&model).to_string();
    assert!(summary.contains("second.weight"), "{summary}");
    Ok(())
}

#[test]
fn running_means_are_updated_by_the_step() -> Result<()> {
    let mut layer = RunningMean::new(2);
    let mut optimizer = Sgd::new(0.0);
    let batch = Tensor::from([[1.0, 10.0], [3.0, 30.0]]);
    for steps in 1..=3 {
        let tape = Tape::training(steps);
        let grads = layer.forward(tape.constant(&batch)).square().mean().backward()?;
        let before = layer.mean.value().clone();
        assert_eq!(grads.updates().count(), 1);
        assert_eq!(grads.len(), 1, "the buffer has no gradient");
        assert_eq!(*layer.mean.value(), before, "nothing is changed before the step");
        optimizer.step(&mut layer, &grads)?;
        let expected = 1.0 - 0.9f32.powi(steps as i32);
        for (mean, of_batch) in layer.mean.value().as_slice().iter().zip([2.0, 20.0]) {
            assert!((mean - expected * of_batch).abs() < 1e-5, "{mean} after {steps} steps");
        }
    }
    // In evaluation the buffer is used, and nothing asks for a change.
    let tape = Tape::new();
    let y = layer.forward(tape.constant(&batch));
    let expected = 1.0 - layer.mean.value().as_slice()[0];
    assert_eq!(y.value()?.as_slice()[0], expected);
    assert_eq!(y.sum().backward()?.updates().count(), 0);
    // Without an optimiser.
    let tape = Tape::training(9);
    let grads = layer.forward(tape.constant(&batch)).sum().backward()?;
    let before = layer.mean.value().as_slice()[0];
    grads.apply_updates(&mut layer)?;
    assert!((layer.mean.value().as_slice()[0] - (0.9 * before + 0.2)).abs() < 1e-6);
    assert!(layer.state_dict().contains_key("mean"), "a buffer is saved");
    Ok(())
}
