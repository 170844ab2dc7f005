//! Training steps, inference and second derivatives of small networks.

use wengert::nn::loss::{cross_entropy, mse};
use wengert::prelude::*;
use wengert::{Batch, Conv};

use crate::data::{Data, Own};
use crate::measure::Bench;

/// Classes of the images and sequences.
const CLASSES: usize = 10;

type Loss<M, B> = for<'t> fn(&M, &'t Tape, &B) -> Var<'t>;

/// A training step, recorded anew every time; with `replay` also recorded once and replayed.
fn train<M, B, O>(
    model: M,
    optimizer: O,
    batches: Vec<B>,
    loss: Loss<M, B>,
    checked: usize,
    replay: bool,
) -> Result<Bench>
where
    M: Module + Clone + 'static,
    B: Batch + Clone + 'static,
    O: Optimizer + Clone + 'static,
{
    let replayed = match replay {
        true => Some((Program::record(&model, &optimizer, loss)?, batches.clone())),
        false => None,
    };
    let (mut model, mut optimizer) = (model, optimizer);
    let bench = Bench::new(
        move |i, read| {
            let tape = Tape::new();
            let loss = loss(&model, &tape, &batches[i % batches.len()]);
            optimizer.step(&mut model, &loss.backward()?)?;
            if read { Ok(f64::from(loss.item()?)) } else { Ok(0.0) }
        },
        checked,
    );
    Ok(match replayed {
        Some((mut program, batches)) => {
            bench.with("replay", true, move |i, _| Ok(f64::from(program.step(&batches[i % batches.len()])?)))
        }
        None => bench,
    })
}

#[derive(Module, Clone, Debug)]
struct Mlp {
    first: Linear,
    second: Linear,
    last: Linear,
}

impl Mlp {
    fn new(data: &Data) -> Result<Self> {
        Ok(Mlp {
            first: data.linear("w1_fc1", 784, 128)?,
            second: data.linear("w1_fc2", 128, 128)?,
            last: data.linear("w1_fc3", 128, CLASSES)?,
        })
    }

    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        self.last.forward(self.second.forward(self.first.forward(x).relu()).relu())
    }
}

fn images(data: &Data, count: usize) -> Result<Vec<(Tensor, IndexTensor)>> {
    let images = data.tensors("w1_x", count, &[128, 784], Own::Uniform(0.0, 1.0))?;
    Ok(images.into_iter().zip(data.labels("w1_y", count, 128, CLASSES)?).collect())
}

fn classified<'t>(model: &Mlp, tape: &'t Tape, (x, labels): &(Tensor, IndexTensor)) -> Var<'t> {
    cross_entropy(model.forward(tape.constant(x)), labels)
}

pub(crate) fn mnist(data: &Data, replay: bool) -> Result<Bench> {
    train(Mlp::new(data)?, Adam::new(1e-3), images(data, 64)?, classified, 20, replay)
}

#[derive(Module, Clone, Debug)]
struct Xor {
    hidden: Linear,
    out: Linear,
}

pub(crate) fn xor(data: &Data, _: bool) -> Result<Bench> {
    let model = Xor { hidden: data.linear("w2_fc1", 2, 4)?, out: data.linear("w2_fc2", 4, 1)? };
    let points = Tensor::from([[0.0f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
    let targets = Tensor::from([[0.0f32], [1.0], [1.0], [0.0]]);
    let loss: Loss<Xor, (Tensor, Tensor)> = |model, tape, (x, y)| {
        let hidden = model.hidden.forward(tape.constant(x)).tanh();
        mse(model.out.forward(hidden).sigmoid(), tape.constant(y))
    };
    train(model, Sgd::new(0.5), vec![(points, targets)], loss, 20, true)
}

#[derive(Module, Clone, Debug)]
struct Convolution {
    weight: Param,
    bias: Param,
}

impl Convolution {
    fn new(data: &Data, name: &str, inputs: usize, outputs: usize) -> Result<Self> {
        let bound = 1.0 / (9.0 * inputs as f32).sqrt();
        let parameter = |part: &str, shape: &[usize]| -> Result<Param> {
            Ok(Param::new(data.tensor(&format!("{name}_{part}"), shape, Own::Uniform(-bound, bound))?))
        };
        Ok(Convolution { weight: parameter("w", &[outputs, inputs, 3, 3])?, bias: parameter("b", &[outputs])? })
    }

    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let bias = x.tape().param(&self.bias).reshape([self.bias.shape()[0], 1, 1]);
        (x.conv2d(x.tape().param(&self.weight), Conv::new()) + bias).relu().max_pool2d(2)
    }
}

#[derive(Module, Clone, Debug)]
struct Convolutional {
    first: Convolution,
    second: Convolution,
    hidden: Linear,
    last: Linear,
}

pub(crate) fn convolutional(data: &Data, replay: bool) -> Result<Bench> {
    let model = Convolutional {
        first: Convolution::new(data, "w3_c1", 1, 32)?,
        second: Convolution::new(data, "w3_c2", 32, 64)?,
        hidden: data.linear("w3_fc1", 1600, 128)?,
        last: data.linear("w3_fc2", 128, CLASSES)?,
    };
    let images = data.tensors("w3_x", 16, &[64, 1, 28, 28], Own::Uniform(0.0, 1.0))?;
    let batches = images.into_iter().zip(data.labels("w3_y", 16, 64, CLASSES)?).collect();
    let loss: Loss<Convolutional, (Tensor, IndexTensor)> = |model, tape, (x, labels)| {
        let x = model.second.forward(model.first.forward(tape.constant(x)));
        let hidden = model.hidden.forward(x.reshape([x.shape()[0], 1600])).relu();
        cross_entropy(model.last.forward(hidden), labels)
    };
    train(model, Adam::new(1e-3), batches, loss, 20, replay)
}

#[derive(Module, Clone, Debug)]
struct Lstm {
    input: Param,
    hidden: Param,
    bias: Param,
    last: Linear,
}

/// The LSTM's equations, with the gates in the order input, forget, cell, output, and one bias.
fn recurrent_loss<'t>(model: &Lstm, tape: &'t Tape, (x, labels): &(Tensor, IndexTensor)) -> Var<'t> {
    let [input, hidden, bias] = [&model.input, &model.hidden, &model.bias].map(|parameter| tape.param(parameter));
    let (x, steps) = (tape.constant(x), x.shape()[1]);
    // All inputs' products at once; time goes first, so that a step is a stretch of memory.
    let driven = x.transpose(0, 1).matmul(input) + bias;
    let zeros = Tensor::zeros([x.shape()[0], hidden.shape()[0]]);
    let (mut state, mut cell) = (tape.constant(&zeros), tape.constant(&zeros));
    for step in 0..steps {
        let gates = driven.narrow(0, step, 1).squeeze() + state.matmul(hidden);
        let [i, f, g, o] = [0, 1, 2, 3].map(|gate| gates.narrow(1, gate * 128, 128));
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh();
        state = o.sigmoid() * cell.tanh();
    }
    cross_entropy(model.last.forward(state), labels)
}

pub(crate) fn recurrent(data: &Data, replay: bool) -> Result<Bench> {
    let bound = 1.0 / 128f32.sqrt();
    let weight = |name: &str, shape: &[usize]| -> Result<Param> {
        Ok(Param::new(data.tensor(name, shape, Own::Uniform(-bound, bound))?))
    };
    let model = Lstm {
        input: weight("w4_wih", &[64, 512])?,
        hidden: weight("w4_whh", &[128, 512])?,
        bias: weight("w4_b", &[512])?,
        last: data.linear("w4_fc", 128, CLASSES)?,
    };
    let sequences = data.tensors("w4_x", 16, &[32, 50, 64], Own::Uniform(-1.0, 1.0))?;
    let batches = sequences.into_iter().zip(data.labels("w4_y", 16, 32, CLASSES)?).collect();
    train(model, Adam::new(1e-3), batches, recurrent_loss, 20, replay)
}

#[derive(Module, Clone, Debug)]
struct Norm {
    weight: Param,
    bias: Param,
}

impl Norm {
    fn new() -> Self {
        Norm { weight: Param::new(Tensor::ones([WIDTH])), bias: Param::new(Tensor::zeros([WIDTH])) }
    }

    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let centred = x - x.mean_axes(&[-1], true);
        let scale = (centred.square().mean_axes(&[-1], true) + 1e-5).rsqrt();
        centred * scale * x.tape().param(&self.weight) + x.tape().param(&self.bias)
    }
}

#[derive(Module, Clone, Debug)]
struct Attending {
    before: Norm,
    between: Norm,
    qkv: Linear,
    out: Linear,
    up: Linear,
    down: Linear,
}

#[derive(Module, Clone, Debug)]
struct Transformer {
    tokens: Param,
    positions: Param,
    blocks: Vec<Attending>,
    norm: Norm,
    head: Linear,
}

const WIDTH: usize = 128;
const HEADS: usize = 4;
const TOKENS: usize = 64;
const VOCABULARY: usize = 96;
const SEQUENCES: usize = 16;

impl Attending {
    fn forward<'t>(&self, x: Var<'t>, mask: Var<'t>) -> Var<'t> {
        let split = [SEQUENCES, TOKENS, 3, HEADS, WIDTH / HEADS];
        let z = self.qkv.forward(self.before.forward(x)).reshape(split).permute(&[2, 0, 3, 1, 4]);
        let [q, k, v] = [0, 1, 2].map(|i| z.narrow(0, i, 1).reshape([SEQUENCES, HEADS, TOKENS, WIDTH / HEADS]));
        let scores = q.matmul(k.transpose(-1, -2)) * (1.0 / ((WIDTH / HEADS) as f32).sqrt()) + mask;
        let heads = scores.softmax(-1).matmul(v).transpose(1, 2).reshape([SEQUENCES, TOKENS, WIDTH]);
        let x = x + self.out.forward(heads);
        x + self.down.forward(self.up.forward(self.between.forward(x)).gelu_tanh())
    }
}

fn next_token<'t>(model: &Transformer, tape: &'t Tape, (x, labels): &(IndexTensor, IndexTensor)) -> Var<'t> {
    let above = |i: usize| if i % TOKENS > i / TOKENS { f32::NEG_INFINITY } else { 0.0 };
    let mask = tape.constant(Tensor::from_fn([TOKENS, TOKENS], above));
    let tokens = tape.param(&model.tokens).index_select(0, x).reshape([SEQUENCES, TOKENS, WIDTH]);
    let x = tokens + tape.param(&model.positions);
    let x = model.blocks.iter().fold(x, |x, block| block.forward(x, mask));
    cross_entropy(model.head.forward(model.norm.forward(x)).reshape([SEQUENCES * TOKENS, VOCABULARY]), labels)
}

pub(crate) fn transformer(data: &Data, replay: bool) -> Result<Bench> {
    let small = |name: &str, shape: &[usize]| -> Result<Param> {
        Ok(Param::new(data.tensor(name, shape, Own::Uniform(-0.03, 0.03))?))
    };
    let block = |i: usize| -> Result<Attending> {
        let linear = |name: &str, inputs, outputs| data.linear(&format!("w5_l{i}_{name}"), inputs, outputs);
        Ok(Attending {
            before: Norm::new(),
            between: Norm::new(),
            qkv: linear("qkv", WIDTH, 3 * WIDTH)?,
            out: linear("proj", WIDTH, WIDTH)?,
            up: linear("up", WIDTH, 4 * WIDTH)?,
            down: linear("down", 4 * WIDTH, WIDTH)?,
        })
    };
    let model = Transformer {
        tokens: small("w5_tok", &[VOCABULARY, WIDTH])?,
        positions: small("w5_pos", &[TOKENS, WIDTH])?,
        blocks: vec![block(0)?, block(1)?],
        norm: Norm::new(),
        head: data.linear("w5_head", WIDTH, VOCABULARY)?,
    };
    let labels = |name| data.labels(name, 16, SEQUENCES * TOKENS, VOCABULARY);
    let batches = labels("w5_x")?.into_iter().zip(labels("w5_y")?).collect();
    train(model, AdamW::new(3e-4), batches, next_token, 20, replay)
}

#[derive(Module, Clone, Debug)]
struct Line {
    slope: Param,
    offset: Param,
}

pub(crate) fn regression(data: &Data, _: bool) -> Result<Bench> {
    let points = ["w7_x", "w7_y"].map(|name| data.tensor(name, &[100], Own::Uniform(-1.0, 1.0)));
    let [x, y] = points;
    let zero = || Param::new(Tensor::scalar(0.0));
    let loss: Loss<Line, (Tensor, Tensor)> = |model, tape, (x, y)| {
        let [slope, offset] = [&model.slope, &model.offset].map(|parameter| tape.param(parameter));
        mse(tape.constant(x) * slope + offset, tape.constant(y))
    };
    train(Line { slope: zero(), offset: zero() }, Sgd::new(0.1), vec![(x?, y?)], loss, 1000, true)
}

/// What an optimiser's step costs beside the arithmetic: 200 parameters of 64 elements, with gradients that are there. The
/// checked number is the first element.
pub(crate) fn updates(_: &Data, _: bool) -> Result<Bench> {
    let mut model: Vec<Param> = (0..200).map(|i| Param::new(Tensor::full([64], 0.01 * i as f32))).collect();
    let gradients = {
        let tape = Tape::new();
        model.iter().fold(tape.scalar(0.0), |sum, param| sum + tape.param(param).square().sum()).backward()?
    };
    let mut optimizer = Adam::new(1e-3);
    let step = move |_, _| {
        optimizer.step(&mut model, &gradients)?;
        Ok(f64::from(model[1].value().as_slice()[0]))
    };
    Ok(Bench::new(step, 20))
}

/// Inference. The checked number is the sum of the outputs of the first batch.
pub(crate) fn outputs(data: &Data, batch: usize) -> Result<Bench> {
    let (model, batches) = (Mlp::new(data)?, data.tensors("w1_x", 8, &[batch, 784], Own::Uniform(0.0, 1.0))?);
    let step = move |i: usize, read| {
        let tape = Tape::inference();
        let outputs = model.forward(tape.constant(&batches[i % 8])).value()?;
        Ok(if read { outputs.as_slice().iter().map(|&value| f64::from(value)).sum() } else { 0.0 })
    };
    Ok(Bench::new(step, 1))
}

/// The checked number is the Euclidean norm of the product.
pub(crate) fn hessian_vector(data: &Data, _: bool) -> Result<Bench> {
    let (model, batches) = (Mlp::new(data)?, images(data, 64)?);
    let own = Own::Uniform(-1.7, 1.7);
    let mut vector = vec![];
    for (name, inputs, outputs) in [("fc1", 784, 128), ("fc2", 128, 128), ("fc3", 128, CLASSES)] {
        vector.push(crate::data::transposed(&data.tensor(&format!("w9_v_{name}_w"), &[inputs, outputs], own)?)?);
        vector.push(data.tensor(&format!("w9_v_{name}_b"), &[outputs], own)?);
    }
    let step = move |i: usize, read| {
        let tape = Tape::new();
        let loss = classified(&model, &tape, &batches[i % batches.len()]);
        let Mlp { first, second, last } = &model;
        let layers = [&first.weight, &second.weight, &last.weight].map(|weight| tape.param(weight));
        let biases = [&first.bias, &second.bias, &last.bias].map(|bias| bias.as_ref().map(|bias| tape.param(bias)));
        let (Some(b1), Some(b2), Some(b3)) = biases.into() else { return Ok(f64::NAN) };
        let parameters = [layers[0], b1, layers[1], b2, layers[2], b3];
        let gradients = loss.grad(parameters);
        let products =
            gradients.iter().zip(&vector).map(|(&gradient, vector)| (gradient * tape.constant(vector)).sum());
        let along = products.reduce(|sum, product| sum + product).unwrap_or(loss);
        let product = tape.eval(along.grad(parameters))?;
        let square = |tensor: &Tensor| tensor.as_slice().iter().map(|&value| f64::from(value).powi(2)).sum::<f64>();
        Ok(if read { product.iter().map(square).sum::<f64>().sqrt() } else { 0.0 })
    };
    Ok(Bench::new(step, 20))
}
