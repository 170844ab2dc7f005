//! Measures convolutions and pooling: `cargo run --release -p wengert-benches --bin convolutions [NAME]`.
//!
//! Each figure is the median (and the best) in milliseconds of many steps, in f32: recording and running the forward pass,
//! and recording and running it with the gradients. With `--core` as the second argument it is the time that one thread had the core (Linux only): for a machine that others use too.

use std::time::Instant;

use wengert::Conv;
use wengert::prelude::*;

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

fn main() -> Result<()> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let counts: &[usize] = if std::env::args().any(|argument| argument == "--core") { &[1] } else { &[1, 2] };
    println!("{:32} {:>7}   {:>17}   {:>19}", "ms: median (best)", "threads", "forward", "forward+backward");
    let text = |(median, best): (f64, f64)| format!("{median:.3} ({best:.3})");
    for layer in layers().iter().filter(|layer| layer.name.contains(&wanted)) {
        let tape = Tape::inference();
        let y = (layer.forward)(tape.constant(&layer.x), layer.w.as_ref().map(|w| tape.constant(w)));
        let cotangent = numbers(y.shape());
        for &threads in counts {
            wengert::set_threads(threads);
            let (forward, both) = (time(|| layer.forward())?, time(|| layer.backward(&cotangent))?);
            println!("{:32} {threads:>7}   {:>17}   {:>19}", layer.name, text(forward), text(both));
        }
    }
    Ok(())
}
