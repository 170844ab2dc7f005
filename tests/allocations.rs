//! What a training step allocates once the first few have warmed up: a small number of small things, whatever the
//! widths and the size of the batch. The count belongs to the process, so this file is a program of its own.
//!
//! What is left: the name of each layer's scope in a `Sequential`, and the list of gradients. Recording a step like the last
//! one, running a plan and changing parameters allocate nothing.

use rand::SeedableRng;
use wengert::prelude::*;

#[path = "../crates/autograd/tests/counting/mod.rs"]
mod counting;

/// The allocations of a step of an MLP with two hidden layers: recording, backward, step, and giving all back.
fn of_a_step(inputs: usize, hidden: usize, batch: usize) -> Result<[usize; 3]> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let mut model: Sequential = Sequential::new()
        .push(Linear::new(inputs, hidden, &mut rng))
        .push(Activation::Relu)
        .push(Linear::new(hidden, hidden, &mut rng))
        .push(Activation::Relu)
        .push(Linear::new(hidden, 10, &mut rng));
    let mut optimizer = Adam::new(1e-3);
    let (x, labels) = (Tensor::ones([batch, inputs]), IndexTensor::from(vec![3; batch]));
    let mut counts = [0; 3];
    for seed in 0..8 {
        let start = counting::allocations();
        let tape = Tape::training(seed);
        let loss = loss::cross_entropy(model.forward(tape.constant(&x)), &labels);
        let recorded = counting::allocations();
        let grads = loss.backward()?;
        let differentiated = counting::allocations();
        optimizer.step(&mut model, &grads)?;
        drop(grads);
        drop(tape);
        counts = [recorded - start, differentiated - recorded, counting::allocations() - differentiated];
    }
    Ok(counts)
}

/// The allocations of computing what is recorded already.
fn of_a_run() -> Result<usize> {
    let (x, w) = (Tensor::<f32>::ones([32, 100]), Tensor::full([100, 20], 0.01));
    let mut count = 0;
    for _ in 0..8 {
        let tape = Tape::inference();
        let y = tape.constant(&x).matmul(tape.constant(&w)).tanh();
        let loss = (y * y + 1.0).ln().softmax(-1).sum_axes(&[0], false).mean();
        let start = counting::allocations();
        let [loss, y] = tape.eval([loss, y])?;
        drop((loss, y));
        count = counting::allocations() - start;
    }
    Ok(count)
}

/// The allocations of a step that was recorded once and is replayed.
fn of_a_replayed_step(optimizer: impl Optimizer + Clone + 'static) -> Result<usize> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let model = Linear::new(20, 10, &mut rng);
    let mut program =
        Program::record(&model, &optimizer, |model: &Linear, tape, (x, labels): &(Tensor, IndexTensor)| {
            loss::cross_entropy(model.forward(tape.constant(x)).tanh(), labels)
        })?
        .training(true);
    let batches = [0.5, 1.5].map(|value| (Tensor::full([16, 20], value), IndexTensor::from(vec![3; 16])));
    let mut count = 0;
    for step in 0..12 {
        let start = counting::allocations();
        program.step(&batches[step % 2])?;
        count = counting::allocations() - start;
    }
    Ok(count)
}

/// The allocations of an optimiser's step of many parameters.
fn of_an_update(mut optimizer: impl Optimizer) -> Result<usize> {
    let mut model: Vec<Param> = (0..200).map(|i| Param::new(Tensor::ones([i % 7]))).collect();
    let tape = Tape::new();
    let loss = model.iter().fold(tape.scalar(0.0), |sum, param| sum + tape.param(param).sum());
    let gradients = loss.backward()?;
    drop(tape);
    let mut count = 0;
    for _ in 0..6 {
        let start = counting::allocations();
        optimizer.step(&mut model, &gradients)?;
        count = counting::allocations() - start;
    }
    Ok(count)
}

#[test]
fn a_steady_step() -> Result<()> {
    // Workers have lists of memory of their own, and which of them takes a task is chance.
    wengert::set_threads(1);
    let counts = of_a_step(784, 128, 32)?;
    // The name of each layer's scope; the list of gradients.
    assert!(counts[0] <= 5, "recording: {counts:?}");
    assert!(counts[1] <= 1, "backward: {counts:?}");
    assert_eq!(counts[2], 0, "step: {counts:?}");
    assert_eq!(of_a_step(20, 16, 4)?, counts);
    assert_eq!(of_a_step(300, 256, 100)?, counts);
    assert_eq!(of_a_run()?, 0);
    assert_eq!(of_an_update(Sgd::new(0.1))?, 0);
    assert_eq!(of_an_update(Adam::new(0.1))?, 0);
    assert_eq!(of_a_replayed_step(Sgd::new(0.1).momentum(0.9))?, 0);
    assert_eq!(of_a_replayed_step(Adam::new(0.1))?, 0);
    Ok(())
}
