//! A layer and an operation of one's own: checked against finite differences first, trained afterwards.
//!
//! A network of radial basis functions measures how far a point is from each of its centres, which it moves as it learns.

use rand::{SeedableRng, rngs::StdRng};
use wengert::check::gradcheck;
use wengert::ndarray::{ArrayViewD, ArrayViewMutD, Axis};
use wengert::prelude::*;
use wengert::{CustomOp, Pullback, data};

/// `d[i, j] = |x[i] - c[j]|²` for points `x: [n, k]` and centres `c: [m, k]`.
///
/// With operators it would take an intermediate result of shape `[n, m, k]`; as one operation it needs none.
#[derive(Debug)]
struct SquaredDistances;

impl<T: Element> CustomOp<T> for SquaredDistances {
    fn name(&self) -> &str {
        "squared_distances"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        match inputs {
            [x, c] if x.len() == 2 && c.len() == 2 && x[1] == c[1] => Ok(Shape::from([x[0], c[0]])),
            _ => Err(Error::new(ErrorKind::Shape, format!("points [n, k] and centres [m, k] needed, got {inputs:?}"))),
        }
    }

    fn forward(&self, inputs: &[ArrayViewD<T>], mut out: ArrayViewMutD<T>) -> Result<()> {
        for (x, mut row) in inputs[0].axis_iter(Axis(0)).zip(out.axis_iter_mut(Axis(0))) {
            for (c, distance) in inputs[1].axis_iter(Axis(0)).zip(&mut row) {
                *distance = x.iter().zip(&c).fold(T::of(0.0), |sum, (&x, &c)| sum + (x - c) * (x - c));
            }
        }
        Ok(())
    }

    /// `d d[i, j] / d x[i] = 2 (x[i] - c[j])`, and the opposite for `c[j]`; the sums over `j` and `i` are products of
    /// matrices. Written on the tape, so that it can be differentiated again.
    fn pullback<'t>(&self, inputs: &[Var<'t, T>], _: Var<'t, T>, g: Var<'t, T>) -> Pullback<'t, T> {
        let (x, c) = (inputs[0], inputs[1]);
        let gx = x * g.sum_axes(&[1], true) - g.matmul(c);
        let gc = c * g.t().sum_axes(&[1], true) - g.t().matmul(x);
        Pullback::of([2.0 * gx, 2.0 * gc])
    }
}

/// `y[i, j] = exp(-|x[i] - centre[j]|² / width[j]²)`
#[derive(Module, Clone, Debug)]
struct Radial {
    centre: Param,
    width: Param,
}

impl Layer for Radial {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let tape = x.tape();
        let distances = tape.custom(SquaredDistances, &[x, tape.param(&self.centre)]);
        (-distances / tape.param(&self.width).square()).exp()
    }
}

fn main() -> Result<()> {
    let mut rng = StdRng::seed_from_u64(0);

    // Two derivatives of the operation, each element against finite differences. Break the pullback to see the report.
    let inputs: [Tensor<f64>; 2] = [Tensor::randn([3, 2], &mut rng), Tensor::randn([4, 2], &mut rng)];
    let report = gradcheck(|v| v[0].tape().custom(SquaredDistances, v), &inputs)?;
    println!("{} derivatives checked, largest difference {:.1e}", report.comparisons.len(), report.worst());

    let (train, test) = data::moons(1000, 0.1, 0).split(0.8, 0)?;
    let mut model = Sequential::new()
        .push(Radial {
            centre: Param::new(Tensor::rand_uniform([16, 2], -1.0, 2.0, &mut rng)),
            width: Param::new(Tensor::full([16], 0.7)),
        })
        .push(Linear::new(16, 2, &mut rng));
    let mut optimizer = Adam::new(0.02);
    for epoch in 0..30 {
        let mut last = 0.0;
        for batch in train.loader(50).shuffle(epoch) {
            let batch = batch?;
            let tape = Tape::training(epoch);
            let loss = loss::cross_entropy(model.forward(tape.constant(&batch.inputs)), &batch.targets);
            optimizer.step(&mut model, &loss.backward()?)?;
            last = loss.item()?;
        }
        if epoch % 5 == 4 {
            println!("epoch {:2}   loss of the last batch {last:.4}", epoch + 1);
        }
    }

    let classes = model.forward(Tape::inference().constant(test.inputs())).argmax(1, false).value()?;
    let right = classes.as_slice().iter().zip(test.targets().as_slice()).filter(|(c, t)| **c as usize == **t).count();
    println!("test accuracy: {:.4}", right as f64 / test.len() as f64);
    Ok(())
}
