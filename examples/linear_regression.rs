//! A line through 100 noisy points of `y = 2x + 1`, by gradient descent.

use wengert::data;
use wengert::prelude::*;

/// The noise (standard deviation 0.1, mean square about 0.01) stays: the best line through these points has 0.0084.
const LOSS_THRESHOLD: f32 = 0.0085;
const MAX_ITERATIONS: u64 = 1000;

/// `y = x w + b`. A model is a struct of parameters; its formula is an ordinary method.
#[derive(Module, Clone, Debug)]
struct Line {
    w: Param,
    b: Param,
}

impl Line {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let tape = x.tape();
        x * tape.param(&self.w) + tape.param(&self.b)
    }
}

fn main() -> Result<()> {
    let points = data::linear(100, 0.1, 0);
    let mut line = Line { w: Param::new([0.0]), b: Param::new([0.0]) };
    let mut optimizer = Sgd::new(0.1);

    let mut iteration = 0;
    let stopped_by = loop {
        let tape = Tape::training(iteration);
        let loss = loss::mse(line.forward(tape.constant(points.inputs())), tape.constant(points.targets()));
        let value = loss.item()?;
        if iteration % 20 == 0 {
            println!("iteration {iteration:4}   loss {value:.6}");
        }
        if value < LOSS_THRESHOLD {
            break format!("the loss {value:.6} is below {LOSS_THRESHOLD}");
        }
        if iteration == MAX_ITERATIONS {
            break format!("{MAX_ITERATIONS} iterations are done, at a loss of {value:.6}");
        }
        optimizer.step(&mut line, &loss.backward()?)?;
        iteration += 1;
    };

    let (w, b) = (line.w.value().item()?, line.b.value().item()?);
    println!("stopped after {iteration} iterations: {stopped_by}");
    println!("true line   y = 2.0000 x + 1.0000");
    println!("found line  y = {w:.4} x + {b:.4}");
    println!("recovered within 0.05: {}", (w - 2.0).abs() < 0.05 && (b - 1.0).abs() < 0.05);
    Ok(())
}
