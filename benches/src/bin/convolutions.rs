//! Measures convolutions and pooling: `cargo run --release -p wengert-benches --bin convolutions [NAME]`.
//!
//! Each figure is the median (and the best) in milliseconds of many steps, in f32: recording and running the forward pass,
//! and recording and running it with the gradients. The last is a training step of a small network. With `--core` as the
//! second argument it is the time that one thread had the core (Linux only): for a machine that others use too.

use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use wengert::nn::Linear;
use wengert::nn::loss::cross_entropy;
use wengert::prelude::*;
use wengert::{Conv, Param};

/// The time that this thread has had a core, in milliseconds; 0 where the system does not tell.
fn core_time() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(0.0) * 1e-6
}

/// Median and best of many calls, in milliseconds.
fn time(mut step: impl FnMut() -> Result<()>) -> Result<(f64, f64)> {
    if std::env::args().any(|argument| argument == "--core") {
        step()?;
        let mut samples = Vec::new();
        // Batches, since the system counts in steps of some milliseconds.
        for _ in 0..7 {
            let (begin, mut count) = (core_time(), 0);
            while core_time() - begin < 80.0 {
                step()?;
                count += 1;
            }
            samples.push((core_time() - begin) / f64::from(count));
        }
        samples.sort_by(f64::total_cmp);
        return Ok((samples[3], samples[0]));
    }
    let warm = Instant::now();
    while warm.elapsed().as_secs_f64() < 0.3 {
        step()?;
    }
    let mut samples = Vec::new();
    let start = Instant::now();
    while samples.len() < 30 || (start.elapsed().as_secs_f64() < 2.0 && samples.len() < 2000) {
        let begin = Instant::now();
        step()?;
        samples.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    samples.sort_by(f64::total_cmp);
    Ok((samples[samples.len() / 2], samples[0]))
}

/// Numbers in no simple order.
fn numbers(shape: impl Into<Shape>) -> Tensor {
    Tensor::from_fn(shape, |i| ((i * 37 % 101) as f32 - 50.0) / 100.0)
}

/// A layer with its input, the weight if it has one, and whether the gradient of the input is wanted.
struct Measured {
    name: &'static str,
    x: Tensor,
    w: Option<Tensor>,
    to_input: bool,
    forward: for<'t> fn(Var<'t>, Option<Var<'t>>) -> Var<'t>,
}

fn padded<'t>(x: Var<'t>, w: Option<Var<'t>>) -> Var<'t> {
    w.map_or(x, |w| x.conv2d(w, Conv::new().padding(1)))
}

fn layers() -> Vec<Measured> {
    let conv = |name, x: [usize; 4], w: [usize; 4], to_input| Measured {
        name,
        x: numbers(x),
        w: Some(numbers(w)),
        to_input,
        forward: padded,
    };
    let pool = |name, x: [usize; 4], forward| Measured { name, x: numbers(x), w: None, to_input: true, forward };
    vec![
        conv("conv 1->32, 3x3, 28x28", [64, 1, 28, 28], [32, 1, 3, 3], false),
        conv("conv 32->64, 3x3, 14x14", [64, 32, 14, 14], [64, 32, 3, 3], true),
        conv("conv 32->32, 3x3, 28x28", [64, 32, 28, 28], [32, 32, 3, 3], true),
        conv("conv 64->64, 1x1, 14x14", [64, 64, 14, 14], [64, 64, 1, 1], true),
        pool("max pool 2x2, 32x28x28", [64, 32, 28, 28], |x, _| x.max_pool2d(2)),
        pool("max pool 2x2, 64x14x14", [64, 64, 14, 14], |x, _| x.max_pool2d(2)),
        pool("average pool 2x2, 32x28x28", [64, 32, 28, 28], |x, _| x.avg_pool2d(2)),
    ]
}

impl Measured {
    fn forward(&self) -> Result<()> {
        let tape = Tape::inference();
        let w = self.w.as_ref().map(|w| tape.constant(w));
        (self.forward)(tape.constant(&self.x), w).value().map(drop)
    }

    fn backward(&self, cotangent: &Tensor) -> Result<()> {
        let tape = Tape::new();
        let x = if self.to_input { tape.input(&self.x) } else { tape.constant(&self.x) };
        let w = self.w.as_ref().map(|w| tape.input(w));
        let y = (self.forward)(x, w);
        let g = tape.constant(cotangent);
        let gradients = match (w, self.to_input) {
            (Some(w), true) => y.vjp(g, [x, w]).to_vec(),
            (Some(w), false) => y.vjp(g, [w]).to_vec(),
            (None, _) => y.vjp(g, [x]).to_vec(),
        };
        tape.eval_all(&[&[y][..], &gradients].concat()).map(drop)
    }
}

#[derive(Module)]
struct Network {
    first: Param,
    first_bias: Param,
    second: Param,
    second_bias: Param,
    hidden: Linear,
    out: Linear,
}

impl Network {
    fn new() -> Self {
        let mut rng = SmallRng::seed_from_u64(0);
        let mut weight = |shape: [usize; 4]| {
            let bound = 1.0 / ((shape[1] * 9) as f32).sqrt();
            Param::new(Tensor::rand_uniform(shape, -bound, bound, &mut rng))
        };
        let (first, second) = (weight([32, 1, 3, 3]), weight([64, 32, 3, 3]));
        Network {
            first,
            first_bias: Param::new(Tensor::zeros([32, 1, 1])),
            second,
            second_bias: Param::new(Tensor::zeros([64, 1, 1])),
            hidden: Linear::new(1600, 128, &mut rng),
            out: Linear::new(128, 10, &mut rng),
        }
    }

    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let block = |x: Var<'t>, weight: &Param, bias: &Param| {
            (x.conv2d(x.tape().param(weight), Conv::new()) + x.tape().param(bias)).relu().max_pool2d(2)
        };
        let x = block(x, &self.first, &self.first_bias);
        let x = block(x, &self.second, &self.second_bias);
        self.out.forward(self.hidden.forward(x.reshape([x.shape()[0], 1600])).relu())
    }
}

/// Two convolutions with pooling and two dense layers on 64 images, one step of Adam.
fn network_step() -> impl FnMut() -> Result<()> {
    let (mut network, mut optimizer, mut step) = (Network::new(), Adam::new(1e-3), 0);
    let images = numbers([64, 1, 28, 28]);
    let labels: Vec<usize> = (0..64).map(|i| i * 7 % 10).collect();
    move || {
        step += 1;
        let tape = Tape::training(step);
        let loss = cross_entropy(network.forward(tape.constant(&images)), &labels);
        optimizer.step(&mut network, &loss.backward()?)?;
        Ok(())
    }
}

fn main() -> Result<()> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let counts: &[usize] = if std::env::args().any(|argument| argument == "--core") { &[1] } else { &[1, 2] };
    println!("{:32} {:>7}   {:>17}   {:>19}", "ms: median (best)", "threads", "forward", "forward+backward");
    let print = |name: &str, threads: usize, forward: Option<(f64, f64)>, both: (f64, f64)| {
        let text = |(median, best): (f64, f64)| format!("{median:.3} ({best:.3})");
        println!("{name:32} {threads:>7}   {:>17}   {:>19}", forward.map_or(String::new(), text), text(both));
    };
    for layer in layers().iter().filter(|layer| layer.name.contains(&wanted)) {
        let tape = Tape::inference();
        let y = (layer.forward)(tape.constant(&layer.x), layer.w.as_ref().map(|w| tape.constant(w)));
        let cotangent = numbers(y.shape());
        for &threads in counts {
            wengert::set_threads(threads);
            print(layer.name, threads, Some(time(|| layer.forward())?), time(|| layer.backward(&cotangent))?);
        }
    }
    let name = "network (W3), a training step";
    if name.contains(&wanted) {
        for &threads in counts {
            wengert::set_threads(threads);
            print(name, threads, None, time(network_step())?);
        }
    }
    Ok(())
}
