//! A user's models: nothing but the prelude.

use rand::SeedableRng;
use rand::rngs::StdRng;
use wengert::prelude::*;

/// Two hidden layers of one width, with dropout after each.
#[derive(Module, Clone, Debug)]
pub(crate) struct Mlp {
    pub(crate) first: Linear,
    pub(crate) second: Linear,
    pub(crate) out: Linear,
    #[module(skip)]
    pub(crate) dropout: Dropout,
}

impl Mlp {
    pub(crate) fn new(inputs: usize, hidden: usize, outputs: usize, seed: u64) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        Mlp {
            first: Linear::new(inputs, hidden, rng),
            second: Linear::new(hidden, hidden, rng),
            out: Linear::new(hidden, outputs, rng),
            dropout: Dropout::new(0.0),
        }
    }

    pub(crate) fn dropout(mut self, probability: f64) -> Self {
        self.dropout = Dropout::new(probability);
        self
    }

    #[track_caller]
    pub(crate) fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let tape = x.tape();
        let first = tape.scope("first", || self.dropout.forward(self.first.forward(x).relu()));
        let second = tape.scope("second", || self.dropout.forward(self.second.forward(first).tanh()));
        tape.scope("out", || self.out.forward(second))
    }
}

/// Centres its input by a running mean of the batches' means.
#[derive(Module, Clone, Debug)]
pub(crate) struct RunningMean {
    pub(crate) mean: Param,
    pub(crate) scale: Param,
}

impl RunningMean {
    pub(crate) fn new(width: usize) -> Self {
        RunningMean { mean: Param::buffer(Tensor::zeros([width])), scale: Param::new(Tensor::ones([width])) }
    }

    pub(crate) fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let (tape, mean) = (x.tape(), x.tape().param(&self.mean));
        if !tape.is_training() {
            return (x - mean) * tape.param(&self.scale);
        }
        let of_batch = x.mean_axes(&[0], false);
        tape.update(&self.mean, 0.9 * mean + 0.1 * of_batch.detach());
        (x - of_batch) * tape.param(&self.scale)
    }
}
