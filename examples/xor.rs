//! Exclusive or, which no single layer can compute: a 2-4-1 network learns it by plain gradient descent.

use std::process::ExitCode;

use rand::{SeedableRng, rngs::StdRng};
use wengert::prelude::*;

/// The squared error of sigmoids is flat, so the steps are long and many.
const LEARNING_RATE: f64 = 5.0;
const STEPS: u64 = 5_000;

fn layer(inputs: usize, outputs: usize, rng: &mut StdRng) -> Linear {
    let xavier = |shape: &Shape, mut rng: &mut dyn rand::Rng| nn::init::xavier_normal(shape, 1.0, &mut rng);
    Linear::builder(inputs, outputs).init(xavier).build(rng)
}

fn solve(seed: u64) -> Result<bool> {
    let x = Tensor::from([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
    let y = Tensor::from([[0.0], [1.0], [1.0], [0.0]]);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut model = Sequential::new()
        .push(layer(2, 4, &mut rng))
        .push(Activation::Sigmoid)
        .push(layer(4, 1, &mut rng))
        .push(Activation::Sigmoid);

    let mut optimizer = Sgd::new(LEARNING_RATE);
    for step in 0..STEPS {
        let tape = Tape::training(step);
        let loss = loss::mse(model.forward(tape.constant(&x)), tape.constant(&y));
        optimizer.step(&mut model, &loss.backward()?)?;
        if step % 1000 == 0 {
            println!("step {step:5}   loss {:.6}", loss.item()?);
        }
    }

    let prediction = model.forward(Tape::inference().constant(&x)).value()?;
    let mut solved = true;
    for ((point, target), prediction) in x.as_slice().chunks(2).zip(y.as_slice()).zip(prediction.as_slice()) {
        println!("{} xor {} = {target}   predicted {prediction:.4}", point[0], point[1]);
        solved &= (prediction - target).abs() < 0.5;
    }
    println!("xor solved: {solved}");
    Ok(solved)
}

/// `--seed N`, of the first weights; 0 unless given.
fn seed() -> std::result::Result<u64, lexopt::Error> {
    use lexopt::ValueExt;
    let mut parser = lexopt::Parser::from_env();
    let mut seed = 0;
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("seed") => seed = parser.value()?.parse()?,
            other => return Err(other.unexpected()),
        }
    }
    Ok(seed)
}

fn main() -> ExitCode {
    match seed().map(solve) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        Ok(Ok(false)) => ExitCode::FAILURE,
        Ok(Err(error)) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}\nusage: xor [--seed N]");
            ExitCode::from(2)
        }
    }
}
