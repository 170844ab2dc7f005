//! One function of one evaluation at one input, ready to be run as often as wanted.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::json::Result;

/// What the protocol and the bench run.
pub trait Job {
    /// Computes the output.
    fn run(&mut self) -> Result<()>;
    /// The output of the last run.
    fn output(&self) -> Value;
}

/// A job from a function that writes its output and another that prints it.
#[derive(Debug)]
pub struct Work<O, R, P> {
    output: O,
    run: R,
    print: P,
}

impl<O, R: FnMut(&mut O) -> Result<()>, P: Fn(&O) -> Value> Job for Work<O, R, P> {
    fn run(&mut self) -> Result<()> {
        (self.run)(&mut self.output)
    }

    fn output(&self) -> Value {
        (self.print)(&self.output)
    }
}

/// Boxes the two functions.
pub fn job<'j, O: Default + 'j>(
    run: impl FnMut(&mut O) -> Result<()> + 'j,
    print: impl Fn(&O) -> Value + 'j,
) -> Box<dyn Job + 'j> {
    Box::new(Work { output: O::default(), run, print })
}

/// The times of `min_runs` runs and of `min_seconds` at least.
pub fn times(job: &mut dyn Job, min_runs: usize, min_seconds: f64) -> Result<Vec<Duration>> {
    let mut times = vec![];
    let mut total = 0.0;
    while times.len() < min_runs || total < min_seconds {
        let start = Instant::now();
        job.run()?;
        let time = start.elapsed();
        total += time.as_secs_f64();
        times.push(time);
    }
    Ok(times)
}
