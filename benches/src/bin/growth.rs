//! How cost grows: recording, planning and running of a training step over three decades of batch, width, depth, and
//! number of ops on the tape. Prints a table; `--json` a line for each measurement; `--write DIR` writes `growth.svg` and
//! `growth.md`.
//!
//! Recording is the formula and its backward pass on a cleared tape. Planning is the first call of `plan` on a fresh thread,
//! which has no plans, less a second one, which finds the plan. Running is a replayed step. All on one thread; each is the
//! least of several, in the processor's time of the thread, which a busy machine disturbs little.

use std::fmt::Write;
use std::process::Command;
use std::time::Duration;

use cpu_time::ThreadTime;
use lexopt::{Arg, Parser, ValueExt};
use plotters::prelude::*;
use wengert::prelude::*;
use wengert::{Replay, plan_counters};

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Axis {
    Batch,
    Width,
    Depth,
    Ops,
}

const AXES: [Axis; 4] = [Axis::Batch, Axis::Width, Axis::Depth, Axis::Ops];
const STAGES: [&str; 3] = ["record", "plan", "run"];

impl Axis {
    fn name(self) -> &'static str {
        match self {
            Axis::Batch => "batch",
            Axis::Width => "width",
            Axis::Depth => "depth",
            Axis::Ops => "ops",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Axis::Batch => "rows of a batch (4 layers of 64)",
            Axis::Width => "width of the layers (2 layers, batch 8)",
            Axis::Depth => "layers (batch 8, width 8)",
            Axis::Ops => "elementwise ops (of 16 numbers)",
        }
    }

    fn sizes(self) -> Vec<usize> {
        let from = match self {
            Axis::Batch => 16,
            Axis::Width => 2,
            Axis::Depth => 4,
            Axis::Ops => 32,
        };
        (0..=10).map(|i| from << i).collect()
    }
}

/// A formula whose cost grows with a size.
struct Subject {
    axis: Axis,
    size: usize,
    model: Vec<Param>,
    batch: Tensor,
}

impl Subject {
    fn new(axis: Axis, size: usize) -> Self {
        let [batch, width, depth] = match axis {
            Axis::Batch => [size, 64, 4],
            Axis::Width => [8, size, 2],
            Axis::Depth => [8, 8, size],
            Axis::Ops => [1, 16, 1],
        };
        let wave = |scale: f32| move |i: usize| (i as f32 * 0.37).sin() * scale;
        let scale = 1.0 / (width as f32).sqrt();
        let shape = if axis == Axis::Ops { [1, width] } else { [width, width] };
        let model = (0..depth).map(|_| Param::new(Tensor::from_fn(shape, wave(scale)))).collect();
        Subject { axis, size, model, batch: Tensor::from_fn([batch, width], wave(1.0)) }
    }

    fn loss<'t>(&self, tape: &'t Tape, batch: &Tensor) -> Var<'t> {
        let x = tape.constant(batch);
        if self.axis == Axis::Ops {
            let w = tape.param(&self.model[0]);
            return (0..self.size / 2).fold(x, |h, _| (h * w).sin()).sum();
        }
        self.model.iter().fold(x, |h, weight| h.matmul(tape.param(weight)).tanh()).square().mean()
    }

    fn outputs<'t>(&self, tape: &'t Tape) -> [Var<'t>; 2] {
        let loss = self.loss(tape, &self.batch);
        let first = tape.param(&self.model[0]);
        let [gradient] = loss.grad([first]);
        [loss, gradient]
    }

    /// Nodes on the tape, and seconds of recording, planning and running.
    fn measure(&self) -> Result<(usize, [f64; 3])> {
        let mut tape = Tape::new();
        let mut record = || {
            tape.clear();
            self.outputs(&tape)[0].shape()
        };
        let recorded = least(record_time(self.size), &mut record);
        let planned = (0..3).map(|_| self.plan()).collect::<Result<Vec<f64>>>()?;
        let planned = planned.into_iter().fold(f64::INFINITY, f64::min);
        let mut replay = Replay::record(Tape::new(), &self.batch, |tape, batch| Ok(self.loss(tape, batch)))?;
        let ran = least(Duration::from_millis(100), &mut || replay.run(&self.model, &self.batch, 0));
        Ok((tape.len(), [recorded, planned, ran]))
    }

    /// Seconds of planning.
    fn plan(&self) -> Result<f64> {
        let plan = || {
            let tape = Tape::new();
            let outputs = self.outputs(&tape);
            let timed = || {
                let start = ThreadTime::now();
                tape.plan(outputs).map(|_| start.elapsed().as_secs_f64())
            };
            let first = timed()?;
            assert_eq!(plan_counters().planned, 1, "a thread begins without plans");
            Ok(first - timed()?.min(timed()?).min(timed()?))
        };
        std::thread::scope(|scope| scope.spawn(plan).join().expect("a thread that plans"))
    }
}

fn record_time(size: usize) -> Duration {
    Duration::from_millis(if size > 4096 { 300 } else { 60 })
}

/// The least seconds of one call.
fn least<R>(budget: Duration, work: &mut dyn FnMut() -> R) -> f64 {
    let (start, mut least, mut calls) = (ThreadTime::now(), f64::INFINITY, 0);
    while calls < 3 || start.elapsed() < budget {
        let start = ThreadTime::now();
        std::hint::black_box(work());
        least = least.min(start.elapsed().as_secs_f64());
        calls += 1;
    }
    least
}

/// One measurement.
struct Point {
    axis: Axis,
    size: usize,
    nodes: usize,
    seconds: [f64; 3],
}

/// The exponent of growth: least squares over the points of the upper half of the sizes, on logarithmic scales.
fn slope(points: &[&Point], stage: usize) -> f64 {
    let upper = &points[points.len() / 2..];
    let pairs: Vec<(f64, f64)> = upper.iter().map(|p| ((p.size as f64).ln(), p.seconds[stage].ln())).collect();
    let count = pairs.len() as f64;
    let (x, y) = pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0 / count, sum.1 + pair.1 / count));
    let covariance: f64 = pairs.iter().map(|pair| (pair.0 - x) * (pair.1 - y)).sum();
    covariance / pairs.iter().map(|pair| (pair.0 - x).powi(2)).sum::<f64>()
}

type Failure = Box<dyn std::error::Error>;

/// Four diagrams, one for each axis, on logarithmic scales.
fn plot(points: &[Point], path: &str) -> Result<(), Failure> {
    let root = SVGBackend::new(path, (1080, 800)).into_drawing_area();
    root.fill(&WHITE)?;
    let colours = [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115)];
    for (area, axis) in root.split_evenly((2, 2)).iter().zip(AXES) {
        let own: Vec<&Point> = points.iter().filter(|point| point.axis == axis).collect();
        let (low, high) = (own[0].size as f64, own[own.len() - 1].size as f64);
        let times = own.iter().flat_map(|point| point.seconds).map(|seconds| 1e6 * seconds);
        let (least, most) = times.fold((f64::INFINITY, 0.0f64), |range, us| (range.0.min(us), range.1.max(us)));
        let mut chart = ChartBuilder::on(area)
            .margin(14)
            .caption(format!("microseconds by {}", axis.words()), ("sans-serif", 18))
            .x_label_area_size(34)
            .y_label_area_size(64)
            .build_cartesian_2d((low / 1.2..high * 1.2).log_scale(), (least / 2.0..most * 2.0).log_scale())?;
        let number = |value: &f64| if *value < 1.0 { format!("{value:.2}") } else { format!("{value:.0}") };
        chart
            .configure_mesh()
            .x_desc(axis.name())
            .x_label_formatter(&number)
            .y_label_formatter(&number)
            .x_labels(6)
            .y_labels(6)
            .light_line_style(RGBColor(240, 240, 240))
            .label_style(("sans-serif", 13))
            .draw()?;
        for (stage, colour) in colours.into_iter().enumerate() {
            let line: Vec<(f64, f64)> = own.iter().map(|p| (p.size as f64, 1e6 * p.seconds[stage])).collect();
            let label = format!("{}: slope {:.2}", STAGES[stage], slope(&own, stage));
            chart
                .draw_series(LineSeries::new(line.iter().copied(), colour.stroke_width(2)))?
                .label(label)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 20, y)], colour.stroke_width(2)));
            chart.draw_series(line.iter().map(|&point| Circle::new(point, 3, colour.filled())))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(RGBColor(200, 200, 200))
            .label_font(("sans-serif", 14))
            .draw()?;
    }
    root.present()?;
    Ok(())
}

/// What a program prints, or nothing.
fn answer(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string()).unwrap_or_default()
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")).and_then(|rest| rest.split_once(": "));
    name.map_or("an unnamed processor", |name| name.1).to_string()
}

/// The page of the docs.
fn page(points: &[Point]) -> Result<String, std::fmt::Error> {
    let mut page = String::from("# How cost grows\n\n");
    writeln!(
        page,
        "Written by `cargo run --release -p wengert-benches --bin growth -- --write docs`, {} on {},",
        answer("date", &["+%Y-%m-%d"]),
        machine()
    )?;
    writeln!(page, "one thread, {}.\n", answer("rustc", &["--version"]))?;
    page.push_str(
        "A training step is recorded (formula and backward pass), planned and run, each while one thing grows a\n\
         thousandfold. A slope is the exponent of growth in the upper half of the sizes, where fixed costs no longer\n\
         hide it: 1 is linear, 0 constant.\n\n\
         ![Microseconds by batch, width, depth and ops](growth.svg)\n\n\
         | what grows | from | to | recording | planning | running |\n|---|--:|--:|--:|--:|--:|\n",
    );
    for axis in AXES {
        let own: Vec<&Point> = points.iter().filter(|point| point.axis == axis).collect();
        let slopes: Vec<String> = (0..3).map(|stage| format!("{:.2}", slope(&own, stage))).collect();
        let (from, to) = (own[0].size, own[own.len() - 1].size);
        writeln!(page, "| {} | {from} | {to} | {} |", axis.words(), slopes.join(" | "))?;
    }
    page.push_str("\n| | size | nodes | record us | plan us | run us |\n|---|--:|--:|--:|--:|--:|\n");
    for Point { axis, size, nodes, seconds } in points {
        let us = seconds.map(|seconds| format!("{:.1}", 1e6 * seconds));
        writeln!(page, "| {} | {size} | {nodes} | {} |", axis.name(), us.join(" | "))?;
    }
    page.push_str(
        "\nRecording and planning depend on the number of nodes alone: they are constant in batch and width, and linear in\n\
         depth and ops. Running is linear in the batch, the depth and the ops, and quadratic in the width, as the products\n\
         of matrices are. What is above these exponents is memory: tapes of more than some ten thousand nodes, and\n\
         activations and weights of more than a megabyte, leave the caches. A planned step of a large tape takes\n\
         longer to plan than to run, and is planned once.\n",
    );
    Ok(page)
}

fn main() -> Result<(), Failure> {
    let (mut json, mut folder, mut arguments) = (false, None, Parser::from_env());
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("json") => json = true,
            Arg::Long("write") => folder = Some(arguments.value()?.string()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    wengert::set_threads(1);
    let mut points = vec![];
    for axis in AXES {
        for size in axis.sizes() {
            let (nodes, seconds) = Subject::new(axis, size).measure()?;
            let [record, plan, run] = seconds.map(|seconds| 1e6 * seconds);
            let name = axis.name();
            match json {
                true => println!(
                    "{{\"axis\":\"{name}\",\"size\":{size},\"nodes\":{nodes},\"record_us\":{record:.2},\
                     \"plan_us\":{plan:.2},\"run_us\":{run:.2}}}"
                ),
                false => println!(
                    "{name:>6} {size:>6} {nodes:>8} nodes   record {record:>10.1} us   plan {plan:>10.1} us   \
                     run {run:>10.1} us"
                ),
            }
            points.push(Point { axis, size, nodes, seconds });
        }
        let own: Vec<&Point> = points.iter().filter(|point| point.axis == axis).collect();
        let slopes = [0, 1, 2].map(|stage| slope(&own, stage));
        match json {
            true => println!(
                "{{\"axis\":\"{}\",\"record_slope\":{:.3},\"plan_slope\":{:.3},\"run_slope\":{:.3}}}",
                axis.name(),
                slopes[0],
                slopes[1],
                slopes[2]
            ),
            false => println!("{:>6} slopes: {:.2} {:.2} {:.2}", axis.name(), slopes[0], slopes[1], slopes[2]),
        }
    }
    if let Some(folder) = folder {
        plot(&points, &format!("{folder}/growth.svg"))?;
        std::fs::write(format!("{folder}/growth.md"), page(&points)?)?;
    }
    Ok(())
}
