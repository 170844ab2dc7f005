//! How long gradients take, in units of the plain `f64` objective, each ratio measured within one run.

use std::time::Instant;

use cpu_time::ThreadTime;
use serde_json::json;

use crate::evals::{Evaluation, particle::Particle, saddle::Saddle};
use crate::inputs;
use crate::job::Job;
use crate::json::Result;
use crate::ways::Way;

/// What the command line can say.
#[derive(Clone, Debug)]
pub struct Options {
    /// Time for each case.
    pub seconds: f64,
    /// One JSON object a line instead of a table.
    pub json: bool,
    /// Only the cases whose names begin so.
    pub only: Option<String>,
    /// Only this way of computing gradients.
    pub way: Option<Way>,
}

impl Default for Options {
    fn default() -> Self {
        Options { seconds: 2.0, json: false, only: None, way: None }
    }
}

/// A case: what is measured, CoDiPack's published ratio, and what is to be reached by recording and by replaying.
struct Case {
    name: &'static str,
    make: fn() -> Evaluation,
    functions: [&'static str; 2],
    published: f64,
    targets: [f64; 2],
}

const GRADIENT: [&str; 2] = ["primal", "gradient"];
const JACOBIAN: [&str; 2] = ["objective", "jacobian"];

fn cases() -> Vec<Case> {
    let case = |name, make, functions, published, targets| Case { name, make, functions, published, targets };
    vec![
        case("gmm 10_25_1000", || Evaluation::Gmm(inputs::gmm(10, 25, 1000, 0)), JACOBIAN, 9.8, [12.0, 2.5]),
        case("lstm l=2 c=1024", || Evaluation::Lstm(inputs::lstm(2, 1024, 14)), JACOBIAN, 2.15, [2.2, 2.0]),
        case("det 8", || Evaluation::Det(inputs::det(8)), GRADIENT, 3.4, [3.0, 2.0]),
        case("det 9", || Evaluation::Det(inputs::det(9)), GRADIENT, 3.4, [3.0, 2.0]),
        case("lse 10000", || Evaluation::Lse(inputs::lse(10_000)), GRADIENT, 3.7, [3.0, 1.3]),
        case("lse 640000", || Evaluation::Lse(inputs::lse(640_000)), GRADIENT, 3.7, [3.0, 1.3]),
        case("llsq n=128", || Evaluation::Llsq(inputs::llsq(128, 128)), GRADIENT, 11.0, [8.0, 2.0]),
        case("llsq n=4096", || Evaluation::Llsq(inputs::llsq(4096, 128)), GRADIENT, 11.0, [8.0, 2.0]),
        case("ode n=1000 s=10", || Evaluation::Ode(inputs::ode(1000, 10)), GRADIENT, 8.0, [8.0, 4.0]),
        case("ode n=1000 s=100", || Evaluation::Ode(inputs::ode(1000, 100)), GRADIENT, 8.0, [8.0, 4.0]),
        case("ba 1 (p=31843)", || Evaluation::Ba(inputs::ba(49, 7776, 31_843)), JACOBIAN, 20.9, [15.0, 5.0]),
        case("ht small c=800", || Evaluation::Ht(inputs::ht(544, 800, true)), JACOBIAN, 44.5, [30.0, 15.0]),
        case(
            "kmeans 10_1000_8",
            || Evaluation::Kmeans(inputs::kmeans(10, 1000, 8)),
            ["cost", "dir"],
            42.9,
            [30.0, 5.0],
        ),
        case(
            "kmeans 100_10000_8",
            || Evaluation::Kmeans(inputs::kmeans(100, 10_000, 8)),
            ["cost", "dir"],
            42.9,
            [30.0, 5.0],
        ),
    ]
}

/// A nested evaluation: the milliseconds that ad.hpp publishes for each order of modes.
type Nested = (&'static str, fn() -> Evaluation, [(&'static str, f64); 4]);

const NESTED: [Nested; 2] = [
    ("saddle", || Evaluation::Saddle(Saddle([1.0, 1.0])), [("rr", 3.4), ("ff", 1.6), ("fr", 3.4), ("rf", 1.6)]),
    ("particle", || Evaluation::Particle(Particle(0.0)), [("rr", 28.9), ("ff", 9.7), ("fr", 7.3), ("rf", 63.5)]),
];

/// Measures every case and prints what came out.
///
/// # Errors
/// Those of the evaluations.
pub fn bench(options: &Options) -> Result<()> {
    let wanted = |name: &str| options.only.as_ref().is_none_or(|only| name.starts_with(only.as_str()));
    if !options.json {
        println!("{:20} {:7} {:>10} {:>10} {:>7} {:>7}  CoDiPack", "case", "way", "primal ms", "ms", "ratio", "target");
    }
    for case in cases().into_iter().filter(|case| wanted(case.name)) {
        measure_case(&case, options)?;
    }
    if !options.json {
        println!("\n{:20} {:7} {:>10} {:>10} {:>10}", "nested", "modes", "ms", "through", "ad.hpp ms");
    }
    let nested = NESTED.into_iter().filter(|(name, ..)| options.way.is_none() && wanted(name));
    for (name, make, modes) in nested {
        for (mode, published) in modes {
            let mut jobs = vec![make().job(mode, None)?, make().job(mode, Some(Way::Record))?];
            let times = medians(&mut jobs, options.seconds / 4.0)?;
            let [time, through] = [times[0].0 * 1e3, times[1].0 * 1e3];
            if options.json {
                println!(
                    "{}",
                    json!({"case": name, "way": mode, "ms": time, "through_ms": through, "published_ms": published})
                );
            } else {
                let verdict = if time <= 2.0 * published { "" } else { "  above twice ad.hpp's" };
                println!("{name:20} {mode:7} {time:10.3} {through:10.3} {published:10.1}{verdict}");
            }
        }
    }
    Ok(())
}

fn measure_case(case: &Case, options: &Options) -> Result<()> {
    let [plain, gradient] = case.functions;
    let mut jobs = vec![(case.make)().job(plain, None)?];
    let mut ways = vec![];
    for (way, target) in [(Way::Record, case.targets[0]), (Way::Replay, case.targets[1]), (Way::Tensor, f64::NAN)] {
        let exists = way != Way::Tensor || case.name.starts_with("gmm");
        if exists && options.way.is_none_or(|only| way == only) {
            jobs.push((case.make)().job(gradient, Some(way))?);
            ways.push((way, target));
        }
    }
    let medians = medians(&mut jobs, options.seconds)?;
    let primal = medians[0].0 * 1e3;
    for ((way, target), (time, ratio)) in ways.into_iter().zip(&medians[1..]) {
        let (name, way, time) = (case.name, way.to_string(), time * 1e3);
        let target = if target.is_nan() { None } else { Some(target) };
        if options.json {
            let line = json!({
                "case": name, "way": way, "primal_ms": primal, "ms": time, "ratio": ratio, "target": target,
                "published_ratio": case.published,
            });
            println!("{line}");
        } else {
            let met = target.map_or(String::from("      -"), |target| format!("{target:7.1}"));
            let verdict = target.map_or("", |target| if *ratio <= target { "" } else { "  above the target" });
            println!("{name:20} {way:7} {primal:10.4} {time:10.4} {ratio:7.2} {met}  {:.2}{verdict}", case.published);
        }
    }
    Ok(())
}

/// The median time of each job, in seconds, and the median of its ratio to the first one, run in turn. It is the processor's
/// time of this thread, so that other programs on the machine don't count.
fn medians(jobs: &mut [Box<dyn Job>], seconds: f64) -> Result<Vec<(f64, f64)>> {
    let mut repeats = vec![];
    for job in jobs.iter_mut() {
        job.run()?;
        let start = ThreadTime::now();
        job.run()?;
        let time = start.elapsed().as_secs_f64();
        repeats.push((1e-3 / time.max(1e-9)).ceil() as usize);
    }
    let (start, mut rounds) = (Instant::now(), vec![]);
    while rounds.len() < 5 || start.elapsed().as_secs_f64() < seconds {
        let mut round = vec![];
        for (job, &repeats) in jobs.iter_mut().zip(&repeats) {
            let start = ThreadTime::now();
            for _ in 0..repeats {
                job.run()?;
            }
            round.push(start.elapsed().as_secs_f64() / repeats as f64);
        }
        rounds.push(round);
    }
    let median = |of: &dyn Fn(&Vec<f64>) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    Ok((0..jobs.len()).map(|job| (median(&|round| round[job]), median(&|round| round[job] / round[0]))).collect())
}
