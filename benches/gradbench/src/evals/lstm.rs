//! The loss of a long short-term memory network whose weights are diagonal, on a sequence of bits.

use serde_json::Value;
use wengert::scalar::{Recursion, Traced};

use crate::json::{self, Result};
use crate::number::Number;
use crate::ways::{Gradient, Objective};

/// Network, start and sequence.
#[derive(Clone, Debug)]
pub struct Lstm {
    /// Layers.
    pub l: usize,
    /// Steps.
    pub c: usize,
    /// Bits a step, which is also the width of every layer.
    pub b: usize,
    /// Weights and biases of each layer (gates forget, input, output, change), then weights in, weights out, biases out.
    pub parameters: Vec<f64>,
    /// Hidden values and cells of each layer.
    pub state: Vec<f64>,
    /// `[c, b]`.
    pub sequence: Vec<f64>,
}

impl Lstm {
    /// From the input of a message.
    pub fn parse(input: &Value) -> Result<Lstm> {
        let (main, rows, columns) = json::matrix(input, "main_params")?;
        let (l, b) = (rows / 2, columns / 4);
        if l == 0 || b == 0 || rows % 2 != 0 || columns % 4 != 0 {
            return Err(format!("\"main_params\" must have shape [2 l, 4 b], not [{rows}, {columns}]"));
        }
        let (extra, rows, columns) = json::matrix(input, "extra_params")?;
        json::expect("extra_params", rows * columns, 3 * b)?;
        let (state, rows, columns) = json::matrix(input, "state")?;
        json::expect("state", rows * columns, 2 * l * b)?;
        let (sequence, c, columns) = json::matrix(input, "sequence")?;
        json::expect("a row of \"sequence\"", columns, b)?;
        if c < 2 {
            return Err("a sequence of two steps is needed".into());
        }
        Ok(Lstm { l, c, b, parameters: [main, extra].concat(), state, sequence })
    }

    /// One step: `state` goes on, `output` is what the network expects next. All layers, all bits.
    pub fn step<T: Number>(&self, parameters: &[T], state: &mut [T], input: &[T], output: &mut [T]) {
        let (main, extra) = parameters.split_at(8 * self.l * self.b);
        for i in 0..self.b {
            let mut x = input[i] * extra[i];
            for (main, state) in main.chunks(8 * self.b).zip(state.chunks_mut(2 * self.b)) {
                x = self.cell(main, state, i, x);
            }
            output[i] = extra[2 * self.b + i].add_product(x, extra[self.b + i]);
        }
    }

    /// Bit `i` of a layer: weights are diagonal, so bits don't meet before the loss.
    fn cell<T: Number>(&self, main: &[T], state: &mut [T], i: usize, x: T) -> T {
        let b = self.b;
        let gate = |gate: usize, x: T| main[(4 + gate) * b + i].add_product(x, main[gate * b + i]);
        let (hidden, cell) = (state[i], state[b + i]);
        let forget = gate(0, x).sigmoid();
        let ingate = gate(1, hidden).sigmoid();
        let outgate = gate(2, x).sigmoid();
        let change = gate(3, hidden).tanh();
        state[b + i] = (cell * forget).add_product(ingate, change);
        state[i] = outgate * state[b + i].tanh();
        state[i]
    }

    /// How badly `output` says what comes next: how many bits are set, and the sum of the outputs for them.
    pub fn loss<T: Number>(output: &[T], ones: T, set: T) -> T {
        let exponentials: Vec<T> = output.iter().map(|x| x.exp()).collect();
        let normaliser = (T::sum(&exponentials) + T::plain(2.0)).ln();
        normaliser * ones - set
    }

    /// What sums of losses are divided by.
    pub fn count(&self) -> f64 {
        ((self.c - 1) * self.b) as f64
    }
}

impl Objective for Lstm {
    fn point(&self) -> &[f64] {
        &self.parameters
    }

    fn value<T: Number>(&self, parameters: &[T]) -> T {
        let mut state: Vec<T> = self.state.iter().map(|&x| T::plain(x)).collect();
        let mut output = vec![T::plain(0.0); self.b];
        let mut input = output.clone();
        let mut sum = T::plain(0.0);
        for (now, next) in self.sequence.chunks(self.b).zip(self.sequence.chunks(self.b).skip(1)) {
            for (input, &now) in input.iter_mut().zip(now) {
                *input = T::plain(now);
            }
            self.step(parameters, &mut state, &input, &mut output);
            sum += Lstm::loss(&output, T::plain(next.iter().sum()), T::weighted(&output, next));
        }
        sum / T::plain(self.count())
    }

    /// One step is recorded, with its bits and the next ones as data, and replayed for the whole sequence.
    fn replayed(self) -> Result<Gradient> {
        let b = self.b;
        let mut rows = vec![];
        for (now, next) in self.sequence.chunks(b).zip(self.sequence.chunks(b).skip(1)) {
            rows.extend_from_slice(now);
            rows.extend_from_slice(next);
        }
        let step = |parameters: &[Traced], state: &[Traced], row: &[Traced]| {
            let (now, next) = row.split_at(b);
            let (mut state, mut output) = (state.to_vec(), now.to_vec());
            self.step(parameters, &mut state, now, &mut output);
            let loss = Lstm::loss(&output, Traced::sum(next), Traced::dot(&output, next));
            (state, loss / Traced::plain(self.count()))
        };
        let recording =
            Recursion::record(&self.parameters, &self.state, &rows[..2 * b], step, |_, _| Traced::plain(0.0));
        let mut steps = recording.map_err(|error| error.to_string())?;
        let mut by_state = vec![0.0; self.state.len()];
        Ok(Box::new(move |out| {
            out.resize(self.parameters.len(), 0.0);
            let parameters = std::hint::black_box(&self.parameters);
            let result = steps.value_and_gradient(parameters, &self.state, &rows, [out, &mut by_state]);
            result.map(drop).map_err(|error| error.to_string())
        }))
    }
}
