//! Step times: the MNIST network, XOR, and value and gradient of an elementwise chain on a million elements.
//!
//! `cargo run --release -p wengert-benches -- [--workload w1|w2|w6] [--threads N] [--seconds S] [--json]`

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;
use wengert::nn::loss::{cross_entropy, mse};
use wengert::prelude::*;

/// What is measured, and for how long.
struct Options {
    workload: Option<String>,
    threads: Option<usize>,
    seconds: f64,
    json: bool,
}

/// A workload: runs one step and returns its loss.
type Step = Box<dyn FnMut() -> Result<f64>>;

/// Its name, what it is, and how it is made.
type Workload = (&'static str, &'static str, fn() -> Step);

fn main() {
    let options = options().unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(2);
    });
    let all: [Workload; 3] = [
        ("w1", "MNIST network 784-128-128-10, batch 128, Adam, one training step", mnist_step),
        ("w2", "XOR 2-4-1, batch 4, gradient descent, one training step", xor_step),
        ("w6", "value and gradient of sum(tanh(a x + b) sigmoid(c x) + exp(-x x)), 1,000,000 elements", chain_step),
    ];
    let counts = options.threads.map_or(vec![1, 2], |threads| vec![threads]);
    for (name, what, make) in all {
        if options.workload.as_deref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        for &threads in &counts {
            wengert::kernels::pool::set_threads(threads);
            match measure(make(), options.seconds) {
                Ok(row) => row.print(name, what, threads, options.json),
                Err(error) => {
                    eprintln!("{name}: {error}");
                    std::process::exit(1);
                }
            }
        }
    }
}

fn options() -> std::result::Result<Options, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options { workload: None, threads: None, seconds: 2.0, json: false };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("workload") => options.workload = Some(parser.value()?.string()?),
            Long("threads") => options.threads = Some(parser.value()?.parse()?),
            Long("seconds") => options.seconds = parser.value()?.parse()?,
            Long("json") => options.json = true,
            // What `cargo bench` adds.
            Long("bench") => {}
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(options)
}

/// The times of many steps, in microseconds.
struct Row {
    median: f64,
    min: f64,
    steps: usize,
    loss_first: f64,
    loss_check: f64,
}

/// Runs steps for some seconds, after a fiftieth of them unmeasured. The loss is looked at after 20 steps.
fn measure(mut step: Step, seconds: f64) -> Result<Row> {
    let loss_first = step()?;
    let mut loss_check = loss_first;
    for _ in 1..20 {
        loss_check = step()?;
    }
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs_f64(seconds) || times.is_empty() {
        let before = Instant::now();
        step()?;
        times.push(before.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    let steps = times.len();
    Ok(Row { median: times[steps / 2], min: times[0], steps, loss_first, loss_check })
}

impl Row {
    fn print(&self, name: &str, what: &str, threads: usize, json: bool) {
        let Row { median, min, steps, loss_first, loss_check } = self;
        let memory = peak_megabytes();
        if json {
            println!(
                "{{\"workload\":\"{name}\",\"threads\":{threads},\"step_us_median\":{median:.3},\
                 \"step_us_min\":{min:.3},\"steps\":{steps},\"peak_rss_mb\":{memory:.1},\
                 \"loss_first\":{loss_first:.6},\"loss_check\":{loss_check:.6}}}"
            );
        } else {
            println!("{name}, {threads} threads: {min:.2} us at best, {median:.2} us median of {steps}   ({what})");
        }
    }
}

/// The most memory that the process had, where the system says so.
fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) / 1024.0
}

#[derive(Module)]
struct Mlp {
    first: Linear,
    second: Linear,
    last: Linear,
}

fn mnist_step() -> Step {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut model = Mlp {
        first: Linear::new(784, 128, &mut rng),
        second: Linear::new(128, 128, &mut rng),
        last: Linear::new(128, 10, &mut rng),
    };
    let mut optim = Adam::new(1e-3);
    let images: Tensor = Tensor::rand_uniform([128, 784], 0.0, 1.0, &mut rng);
    let labels: IndexTensor = (0..128).map(|i| i % 10).collect::<Vec<usize>>().into();
    let mut seed = 0;
    Box::new(move || {
        seed += 1;
        let tape = Tape::training(seed);
        let hidden = model.first.forward(tape.constant(&images)).relu();
        let hidden = model.second.forward(hidden).relu();
        let loss = cross_entropy(model.last.forward(hidden), &labels);
        let gradients = loss.backward()?;
        optim.step(&mut model, &gradients)?;
        Ok(f64::from(loss.item()?))
    })
}

fn xor_step() -> Step {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut model = Sequential::new()
        .push(Linear::new(2, 4, &mut rng))
        .push(Activation::Sigmoid)
        .push(Linear::new(4, 1, &mut rng))
        .push(Activation::Sigmoid);
    let mut optim = Sgd::new(0.5);
    let points: Tensor = Tensor::from([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
    let targets: Tensor = Tensor::from([[0.0], [1.0], [1.0], [0.0]]);
    Box::new(move || {
        let tape = Tape::new();
        let loss = mse(model.forward(tape.constant(&points)), tape.constant(&targets));
        let gradients = loss.backward()?;
        optim.step(&mut model, &gradients)?;
        Ok(f64::from(loss.item()?))
    })
}

fn chain_step() -> Step {
    let n = 1_000_000;
    let x = Tensor::<f32>::from_fn([n], |i| i as f32 / n as f32 * 4.0 - 2.0);
    let [a, b, c] = [1.1f32, 0.3, 0.7].map(Tensor::scalar);
    Box::new(move || {
        let tape = Tape::new();
        let [x, a, b, c] = [&x, &a, &b, &c].map(|tensor| tape.input(tensor));
        let y = ((a * x + b).tanh() * (c * x).sigmoid() + (-x * x).exp()).sum();
        y.backward()?;
        Ok(f64::from(y.item()?))
    })
}
