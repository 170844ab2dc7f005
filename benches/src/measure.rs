//! The timing protocol, that of the peers' programs: the first step apart, some checked steps, a warm-up, then samples of
//! at least 2 ms each. Ways of running the same step are sampled in turns, so that a busy machine slows all alike.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wengert::prelude::*;

/// Does step number `i`. Returns its loss if asked for, else anything.
pub(crate) type Step = Box<dyn FnMut(usize, bool) -> Result<f64>>;

/// One way of running a workload.
pub(crate) struct Way {
    /// The name of its times in the row; empty for the first way.
    pub(crate) name: &'static str,
    pub(crate) step: Step,
    /// Whether it has to come to the same losses, bit for bit, as the first way.
    pub(crate) same: bool,
}

/// A workload, ready to run.
pub(crate) struct Bench {
    pub(crate) ways: Vec<Way>,
    /// Steps until the loss is looked at.
    pub(crate) checked: usize,
}

impl Bench {
    pub(crate) fn new(step: impl FnMut(usize, bool) -> Result<f64> + 'static, checked: usize) -> Self {
        Bench { ways: vec![Way { name: "", step: Box::new(step), same: true }], checked }
    }

    pub(crate) fn with(
        mut self,
        name: &'static str,
        same: bool,
        step: impl FnMut(usize, bool) -> Result<f64> + 'static,
    ) -> Self {
        self.ways.push(Way { name, step: Box::new(step), same });
        self
    }
}

/// A way while it is measured.
struct Running {
    way: Way,
    /// Steps done.
    done: usize,
    per_sample: usize,
    /// Microseconds a step.
    samples: Vec<f64>,
    first: f64,
    check: f64,
}

impl Running {
    fn step(&mut self, read: bool) -> Result<f64> {
        self.done += 1;
        (self.way.step)(self.done - 1, read)
    }

    /// The first and the checked steps.
    fn check(way: Way, checked: usize) -> Result<Self> {
        let mut running = Running { way, done: 0, per_sample: 1, samples: vec![], first: 0.0, check: 0.0 };
        running.first = running.step(true)?;
        running.check = running.first;
        for i in 1..checked {
            running.check = running.step(i + 1 == checked)?;
        }
        Ok(running)
    }

    fn warm_up(&mut self, warm: Duration) -> Result<()> {
        let (start, mut steps) = (Instant::now(), 0);
        while start.elapsed() < warm || steps < 3 {
            self.step(steps % 8 == 7)?;
            steps += 1;
        }
        let each = start.elapsed().as_secs_f64() / steps as f64;
        self.per_sample = (0.002 / each).ceil().max(1.0) as usize;
        Ok(())
    }

    fn sample(&mut self) -> Result<()> {
        let start = Instant::now();
        for i in 0..self.per_sample {
            self.step(i + 1 == self.per_sample)?;
        }
        self.samples.push(start.elapsed().as_secs_f64() / self.per_sample as f64 * 1e6);
        Ok(())
    }

    fn median(&self) -> f64 {
        let samples = &self.samples;
        (samples[samples.len() / 2] + samples[(samples.len() - 1) / 2]) / 2.0
    }
}

/// The row of a workload.
pub(crate) struct Row {
    ways: Vec<Running>,
    first_ms: f64,
    cold_ms: Option<f64>,
    memory: f64,
}

/// Fewest samples of a way.
const FEWEST: usize = 11;

/// Runs a workload for some seconds for each way.
pub(crate) fn measure(bench: Bench, seconds: f64) -> Result<Row> {
    let start = Instant::now();
    let mut first_ms = None;
    let mut cold = None;
    let mut ways = vec![];
    for mut way in bench.ways {
        if first_ms.is_none() {
            // The first step of all is looked at by itself, and is still step 0 of the checked ones.
            let first = (way.step)(0, true)?;
            first_ms = Some(start.elapsed().as_secs_f64() * 1e3);
            cold = cold_ms();
            let mut step = way.step;
            let mut known = Some(first);
            way.step = Box::new(move |i, read| match known.take() {
                Some(first) => Ok(first),
                None => step(i, read),
            });
        }
        ways.push(Running::check(way, bench.checked)?);
    }
    let (first, check) = (ways[0].first, ways[0].check);
    if let Some(other) = ways.iter().find(|way| way.way.same && (way.first, way.check) != (first, check)) {
        let message = format!("losses {first}, {check}, but {}: {}, {}", other.way.name, other.first, other.check);
        return Err(Error::new(ErrorKind::Argument, message).op("bench"));
    }
    let budget = Duration::from_secs_f64(seconds);
    ways.iter_mut().try_for_each(|way| way.warm_up(budget.min(Duration::from_millis(700))))?;
    let (start, count) = (Instant::now(), ways.len() as u32);
    while start.elapsed() < budget * count || (ways[0].samples.len() < FEWEST && start.elapsed() < budget * 6 * count) {
        ways.iter_mut().try_for_each(Running::sample)?;
    }
    ways.iter_mut().for_each(|way| way.samples.sort_by(f64::total_cmp));
    Ok(Row { ways, first_ms: first_ms.unwrap_or(f64::NAN), cold_ms: cold, memory: peak_megabytes() })
}

impl Row {
    pub(crate) fn print(&self, name: &str, what: &str, threads: usize, json: bool) {
        let Row { ways, first_ms, cold_ms, memory } = self;
        let (main, others) = (&ways[0], &ways[1..]);
        if !json {
            println!(
                "{name}, {threads} threads: {:.2} us at best, {:.2} us median ({what})",
                main.samples[0],
                main.median()
            );
            for way in others {
                println!("    {}: {:.2} us at best, {:.2} us median", way.way.name, way.samples[0], way.median());
            }
            return;
        }
        let others: String = others
            .iter()
            .map(|way| {
                let name = way.way.name;
                format!("\"{name}_us\":{:.3},\"{name}_us_min\":{:.3},", way.median(), way.samples[0])
            })
            .collect();
        let cold = cold_ms.map_or(String::new(), |cold| format!("\"cold_ms\":{cold:.1},"));
        println!(
            "{{\"peer\":\"wengert\",\"workload\":\"{name}\",\"threads\":{threads},\"step_us_median\":{:.3},\
             \"step_us_min\":{:.3},{others}\"peak_rss_mb\":{memory:.1},{cold}\"first_step_ms\":{first_ms:.1},\
             \"loss_first\":{},\"loss_check\":{},\"samples\":{},\"per_sample\":{},\"version\":\"{}\"}}",
            main.median(),
            main.samples[0],
            main.first,
            main.check,
            main.samples.len(),
            main.per_sample,
            env!("CARGO_PKG_VERSION"),
        );
    }
}

/// Milliseconds since the process was started, where the caller says when that was.
fn cold_ms() -> Option<f64> {
    let started: f64 = std::env::var("BENCH_T0").ok()?.parse().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some((now.as_secs_f64() - started) * 1e3)
}

/// The most memory that the process had, where the system says so.
fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}
