//! Step times of the workloads that other frameworks were measured on; see `benches/README.md`.
//!
//! `cargo run --release -p wengert-benches -- [--workload w1] [--threads N] [--seconds S] [--data DIR] [--replay] [--json]`

mod chain;
mod data;
mod measure;
mod networks;

use std::path::PathBuf;

use measure::Bench;
use wengert::prelude::*;

/// What is measured, and for how long.
struct Options {
    workload: Option<String>,
    threads: Option<usize>,
    seconds: f64,
    data: data::Data,
    replay: bool,
    json: bool,
}

/// Its name, what it is, and how it is made.
type Workload = (&'static str, &'static str, fn(&data::Data, bool) -> Result<Bench>);

const WORKLOADS: [Workload; 11] = [
    ("w1", "MNIST network 784-128-128-10, batch 128, Adam, one training step", networks::mnist),
    ("w2", "XOR 2-4-1, batch 4, gradient descent, one training step", networks::xor),
    ("w3", "two 3x3 convolutions with max pooling, two dense layers, batch 64, Adam", networks::convolutional),
    ("w4", "LSTM of 128 on 50 steps of 64, batch 32, Adam, one training step", networks::recurrent),
    ("w5", "two transformer blocks of 128 on 64 tokens, batch 16, AdamW, one training step", networks::transformer),
    ("w6", "value and gradient of sum(tanh(a x + b) sigmoid(c x) + exp(-x x)), 1,000,000 elements", chain::chain),
    ("w7", "linear regression, 100 points, gradient descent, one training step", networks::regression),
    ("w8b1", "the MNIST network's outputs, batch 1", |data, _| networks::outputs(data, 1)),
    ("w8b1024", "the MNIST network's outputs, batch 1024", |data, _| networks::outputs(data, 1024)),
    ("updates", "Adam's step of 200 parameters of 64 elements", networks::updates),
    ("w9", "product of the Hessian of the MNIST network's loss and a vector", networks::hessian_vector),
];

fn main() {
    let options = options().unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(2);
    });
    let wanted = |name: &str| options.workload.as_deref().is_none_or(|wanted| name.starts_with(wanted));
    if !WORKLOADS.iter().any(|workload| wanted(workload.0)) {
        eprintln!("no such workload; there are {}", WORKLOADS.map(|workload| workload.0).join(", "));
        std::process::exit(2);
    }
    let counts = options.threads.map_or(vec![1, 2], |threads| vec![threads]);
    for (name, what, make) in WORKLOADS.into_iter().filter(|workload| wanted(workload.0)) {
        for &threads in &counts {
            wengert::set_threads(threads);
            let row = make(&options.data, options.replay).and_then(|bench| measure::measure(bench, options.seconds));
            match row {
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
    let data = data::Data { folder: None };
    let mut options = Options { workload: None, threads: None, seconds: 2.5, data, replay: false, json: false };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("workload") => options.workload = Some(parser.value()?.string()?),
            Long("threads") => options.threads = Some(parser.value()?.parse()?),
            Long("seconds") => options.seconds = parser.value()?.parse_with(seconds)?,
            Long("data") => options.data.folder = Some(PathBuf::from(parser.value()?)),
            Long("replay") => options.replay = true,
            Long("json") => options.json = true,
            // What `cargo bench` adds.
            Long("bench") => {}
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(options)
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.0..=3600.0).contains(&seconds) { Ok(seconds) } else { Err("0 to 3600 seconds".into()) }
}
