//! A plan with measured times: which kernel takes how long, and how far that is from what the machine can do.

use std::fmt;
use std::time::Instant;

use super::print::{Plan, PlannedKernel};
use crate::error::{Result, json};
use crate::kernels::number::Element;
use crate::kernels::peak::{Peak, peak};
use crate::kernels::pool;
use crate::tape::Tape;
use crate::tape::var::Var;

/// A plan is run this often at most, after once that is not timed.
const MOST_RUNS: usize = 50;

/// Seconds after which it is not run again.
const MOST_SECONDS: f64 = 0.2;

/// A plan that was run and timed: made by [`Tape::profile`].
///
/// Times are the least of several runs. The share of the limit is the time that the machine would need for the kernel's
/// arithmetic or for its bytes, whichever is more, over the measured time; [`Profile::peak`] is what the machine can do, measured
/// by multiply-adds in registers and by passes over memory of several sizes. A function such as `exp` counts as one
/// operation and costs more, so kernels full of them stay below; a kernel that finds its operands in a nearer cache than
/// all its bytes fit into can be above 1.
#[derive(Clone, Debug)]
pub struct Profile {
    plan: Plan,
    seconds: Vec<f64>,
    runs: usize,
    threads: usize,
    peak: Peak,
}

impl<T: Element> Tape<T> {
    /// Runs the plan for some outputs several times, and measures each kernel. Leaves no value on the tape; what is on it
    /// already is not computed.
    ///
    /// # Errors
    /// As [`eval`](Tape::eval).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::<f64>::ones([64, 64]));
    /// let y = x.matmul(x).tanh().sum();
    /// let profile = tape.profile([y, y.grad([x])[0]])?;
    /// assert_eq!(profile.seconds().len(), profile.plan().kernels().len());
    /// assert!(profile.seconds().iter().all(|&seconds| seconds > 0.0));
    /// assert!(profile.to_string().contains("GFLOP/s"));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn profile<'t, const N: usize>(&'t self, outputs: [Var<'t, T>; N]) -> Result<Profile> {
        let ids = self.ids_of("profile", &outputs)?;
        let mut prepared = self.prepare(&ids)?;
        let inner = self.inner.borrow();
        let steps = prepared.steps.clone();
        let (seconds, runs) =
            prepared.with_run(&inner, &[], (self.seed, self.check_finite.get()), |run, memory, _| {
                run.run_in(memory)?;
                let mut seconds = vec![f64::INFINITY; steps.steps.len()];
                let (start, mut runs) = (Instant::now(), 0);
                while runs < MOST_RUNS && (runs < 2 || start.elapsed().as_secs_f64() < MOST_SECONDS) {
                    for (step, least) in seconds.iter_mut().enumerate() {
                        let start = Instant::now();
                        run.run_step(step, memory)?;
                        // A clock may be too coarse for the smallest kernels.
                        *least = least.min(start.elapsed().as_secs_f64().max(1e-9));
                    }
                    runs += 1;
                }
                Ok((seconds, runs))
            })?;
        let plan = Plan::of(&inner, &prepared.ids, &steps);
        Ok(Profile { plan, seconds, runs, threads: pool::threads(), peak: peak::<T>() })
    }
}

impl Profile {
    /// The plan that was run.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The seconds of each kernel, in their order.
    pub fn seconds(&self) -> &[f64] {
        &self.seconds
    }

    /// The seconds of all kernels together.
    pub fn total_seconds(&self) -> f64 {
        // The sum of nothing is -0 by itself.
        0.0 + self.seconds.iter().sum::<f64>()
    }

    /// How often the plan was run and timed.
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// What the machine can do, on as many threads.
    pub fn peak(&self) -> &Peak {
        &self.peak
    }

    /// The seconds that each kernel would take at the limit of the machine.
    pub fn limits(&self) -> impl Iterator<Item = f64> + '_ {
        self.plan.kernels().iter().map(|kernel| {
            let arithmetic = kernel.flops as f64 / self.peak.flops;
            arithmetic.max(kernel.bytes as f64 / self.peak.bandwidth(kernel.bytes))
        })
    }

    fn lines(&self) -> impl Iterator<Item = (&PlannedKernel, f64, f64)> {
        let timed = self.plan.kernels().iter().zip(&self.seconds).zip(self.limits());
        timed.map(|((kernel, &seconds), limit)| (kernel, seconds, limit / seconds))
    }

    /// The profile as a JSON object: that of the plan, with `seconds`, `flops_per_second`, `bytes_per_second` and
    /// `share_of_limit` in each kernel, and `seconds`, `runs`, `threads` and `peak` beside them.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::<f64>::ones([100]));
    /// assert!(tape.profile([x.tanh()])?.to_json().contains(r#""share_of_limit":"#));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn to_json(&self) -> String {
        let kernel = |(kernel, seconds, share): (&PlannedKernel, f64, f64)| {
            format!(
                "{{{},\"seconds\":{},\"flops_per_second\":{},\"bytes_per_second\":{},\"share_of_limit\":{}}}",
                kernel.json_fields(),
                json::number(seconds),
                json::number(kernel.flops as f64 / seconds),
                json::number(kernel.bytes as f64 / seconds),
                json::number(share),
            )
        };
        let passes = self.peak.passes.iter();
        let passes =
            passes.map(|pass| format!("{{\"bytes\":{},\"bytes_per_second\":{}}}", pass.0, json::number(pass.1)));
        format!(
            "{{\"kernels\":{},{},\"seconds\":{},\"runs\":{},\"threads\":{},\
             \"peak\":{{\"flops_per_second\":{},\"passes\":{}}}}}",
            json::array(self.lines().map(kernel)),
            self.plan.json_fields(),
            json::number(self.total_seconds()),
            self.runs,
            self.threads,
            json::number(self.peak.flops),
            json::array(passes),
        )
    }
}

/// A table, a line for each kernel, in the order in which they run.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total_seconds();
        writeln!(
            f,
            "{:>6} {:>10} {:>6} {:>9} {:>8} {:>9}   computes",
            "kernel", "us", "time", "GFLOP/s", "GB/s", "of limit"
        )?;
        for (i, (kernel, seconds, share)) in self.lines().enumerate() {
            let (gflops, gbytes) = (kernel.flops as f64 / seconds / 1e9, kernel.bytes as f64 / seconds / 1e9);
            let (time, share, us) = (100.0 * seconds / total, 100.0 * share, 1e6 * seconds);
            let last = kernel.formulas.last().map_or("", String::as_str);
            let more = match kernel.formulas.len() {
                0 | 1 => String::new(),
                fused => format!("   {fused} fused"),
            };
            let shape = &kernel.shape;
            writeln!(
                f,
                "{i:>6} {us:>10.2} {time:>5.1}% {gflops:>9.2} {gbytes:>8.2} {share:>8.1}%   {last} : {shape}{more}"
            )?;
        }
        let (runs, threads, us) = (self.runs, self.threads, 1e6 * total);
        writeln!(f, "{us:.2} us on {threads} threads, the least of {runs} runs for each kernel")?;
        write!(f, "the machine: {:.1} GFLOP/s; ", self.peak.flops / 1e9)?;
        let passes = self.peak.passes.iter();
        let passes = passes.map(|(bytes, speed)| format!("{:.1} GB/s over {} KiB", speed / 1e9, bytes >> 10));
        writeln!(f, "{}", passes.collect::<Vec<_>>().join(", "))
    }
}
