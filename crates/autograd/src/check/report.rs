//! What a check found, element by element, for people and for programs.

use std::fmt;
use std::sync::Arc;

use super::blame::Blame;
use super::json;
use crate::{Error, ErrorKind, Result};

/// What became of one comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// The two agree within the tolerance and the estimate's own error.
    Pass,
    /// The point is a kink: the slopes to both sides differ, and the analytic number lies between them, as a subgradient
    /// does. No failure.
    Kink {
        /// The slope to the left.
        left: f64,
        /// The slope to the right.
        right: f64,
    },
    /// The two differ.
    Mismatch,
    /// Differences say nothing here, so nothing is proved. A failure: a check must not pass unseen.
    Unresolved(Reason),
    /// Two evaluations at the same point gave different numbers. A failure.
    Nondeterministic,
    /// The tape says that the output does not depend on the input, and differences say so too. No failure by itself.
    NotReached,
}

impl Verdict {
    /// Whether it makes the check fail: a mismatch, a number that could not be resolved, a function that is not
    /// deterministic.
    pub fn is_failure(self) -> bool {
        matches!(self, Verdict::Mismatch | Verdict::Unresolved(_) | Verdict::Nondeterministic)
    }

    /// The word for programs: `"pass"`, `"kink"`, `"mismatch"`, `"unresolved"`, `"nondeterministic"`, `"not reached"`.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Kink { .. } => "kink",
            Verdict::Mismatch => "mismatch",
            Verdict::Unresolved(_) => "unresolved",
            Verdict::Nondeterministic => "nondeterministic",
            Verdict::NotReached => "not reached",
        }
    }
}

/// Why differences say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The function itself is NaN or infinite at the point.
    NotFinite,
    /// The function is NaN right beside the point, as at the end of a domain.
    NanBeside,
    /// The function is infinite right beside the point.
    InfiniteBeside,
    /// The slope grows without bound as the step falls: a jump, or a vertical tangent.
    Steep,
    /// The function is flat near by and has a slope further away: it rounds to steps.
    Steps,
    /// The values are too noisy: at no step is the estimate's error small enough.
    Noisy,
    /// The function fails or panics beside the point.
    Fails,
    /// The function has another number of outputs beside the point.
    Reshapes,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::NotFinite => "the function is not finite at the point",
            Reason::NanBeside => "the function is NaN right beside the point",
            Reason::InfiniteBeside => "the function is infinite right beside the point",
            Reason::Steep => "the slope grows without bound: a jump or a vertical tangent",
            Reason::Steps => "the function is flat near by and sloped further away: it rounds to steps",
            Reason::Noisy => "the values are too noisy for differences",
            Reason::Fails => "the function fails beside the point",
            Reason::Reshapes => "the output has another shape beside the point",
        })
    }
}

/// How the analytic number was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// By the reverse sweep.
    #[default]
    Reverse,
    /// By the pullback of the pullback, against differences.
    Forward,
    /// `<Jᵀu, v>` of the reverse sweep against `<u, J v>` of the pullback of the pullback: no step, so to the last digits.
    Transposed,
}

/// One derivative, found in two ways.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// 1 for the first derivative; the comparison of order 2 differentiates the gradient of a weighted sum of outputs.
    pub order: usize,
    /// Which input, or parameter in the order of the model.
    pub input: usize,
    /// Its name: `input 0`, or `parameter "hidden.weight"`.
    pub name: Arc<str>,
    /// The position of the element in the input; empty for a number.
    pub position: Vec<usize>,
    /// Whether the derivative is along a random direction of the whole input, not of one element.
    pub directional: bool,
    /// Which output, counted in row-major order over all of them; 0 for a weighted sum.
    pub output: usize,
    /// How the analytic number was found.
    pub mode: Mode,
    /// By the tape.
    pub analytic: f64,
    /// By differences.
    pub numeric: f64,
    /// How far the numeric one may be off.
    pub error: f64,
    /// What follows.
    pub verdict: Verdict,
}

impl Comparison {
    /// How far apart the two are, relative to the larger of 1 and the numeric value; infinite where either is not finite.
    pub fn distance(&self) -> f64 {
        let distance = (self.analytic - self.numeric).abs() / self.numeric.abs().max(1.0);
        if distance.is_nan() { f64::INFINITY } else { distance }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Comparison { order, name, position, output, analytic, numeric, error, .. } = self;
        match self.directional {
            true => write!(f, "{name}, along a random direction, order {order}: ")?,
            false => write!(f, "{name}, element {position:?}, output {output}, order {order}: ")?,
        }
        match self.mode {
            Mode::Reverse => write!(f, "analytic {analytic}, numeric {numeric} ± {error:.1e}")?,
            Mode::Forward => write!(f, "forward {analytic}, numeric {numeric} ± {error:.1e}")?,
            Mode::Transposed => write!(f, "reverse {analytic}, forward {numeric} ± {error:.1e}")?,
        }
        match self.verdict {
            Verdict::Pass => Ok(()),
            Verdict::Kink { left, right } => write!(f, ": a kink, slopes {left:.6} and {right:.6}"),
            Verdict::Mismatch => write!(f, ": off by {:.3e}", (analytic - numeric).abs()),
            Verdict::Unresolved(reason) => write!(f, ": unresolved, {reason}"),
            Verdict::Nondeterministic => write!(f, ": two evaluations differ"),
            Verdict::NotReached => write!(f, ": not reached"),
        }
    }
}

/// How many comparisons came to each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// [`Verdict::Pass`].
    pub pass: usize,
    /// [`Verdict::Kink`].
    pub kink: usize,
    /// [`Verdict::Mismatch`].
    pub mismatch: usize,
    /// [`Verdict::Unresolved`].
    pub unresolved: usize,
    /// [`Verdict::Nondeterministic`].
    pub nondeterministic: usize,
    /// [`Verdict::NotReached`].
    pub not_reached: usize,
}

/// Everything a check compared.
///
/// ```
/// use wengert_autograd::check::gradcheck;
/// let report = gradcheck(|x| x[0].relu().sum(), &[wengert_autograd::Tensor::from([-1.0, 0.0, 2.0])])?;
/// assert_eq!(report.comparisons.len(), 3);
/// assert_eq!((report.counts().pass, report.counts().kink), (2, 1));     // a kink: relu at 0
/// assert!(report.to_string().starts_with("3 derivatives agree"));
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GradReport {
    /// Every comparison.
    pub comparisons: Vec<Comparison>,
    /// Inputs that the output does not depend on, as the tape says.
    pub unreached: Vec<usize>,
    /// Where the wrong contribution enters, where there is a mismatch and one place explains it.
    pub blame: Option<Blame>,
    /// What else is to be known: elements left out, mistakes beside the point, inputs without elements.
    pub notes: Vec<String>,
}

impl GradReport {
    /// Whether the gradient is proved: no comparison failed ([`Verdict::is_failure`]), and at least one passed or lies on
    /// a kink. A check that compared nothing, of no elements or of a function that depends on nothing, is not ok.
    pub fn is_ok(&self) -> bool {
        let counts = self.counts();
        self.failures().next().is_none() && counts.pass + counts.kink > 0
    }

    /// How many comparisons came to each verdict.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for comparison in &self.comparisons {
            *match comparison.verdict {
                Verdict::Pass => &mut counts.pass,
                Verdict::Kink { .. } => &mut counts.kink,
                Verdict::Mismatch => &mut counts.mismatch,
                Verdict::Unresolved(_) => &mut counts.unresolved,
                Verdict::Nondeterministic => &mut counts.nondeterministic,
                Verdict::NotReached => &mut counts.not_reached,
            } += 1;
        }
        counts
    }

    /// What fails: mismatches, what could not be resolved, what is not deterministic.
    pub fn failures(&self) -> impl Iterator<Item = &Comparison> {
        self.comparisons.iter().filter(|comparison| comparison.verdict.is_failure())
    }

    /// What differs.
    pub fn mismatches(&self) -> impl Iterator<Item = &Comparison> {
        self.comparisons.iter().filter(|comparison| comparison.verdict == Verdict::Mismatch)
    }

    /// Where the function is not smooth.
    pub fn kinks(&self) -> impl Iterator<Item = &Comparison> {
        self.comparisons.iter().filter(|comparison| matches!(comparison.verdict, Verdict::Kink { .. }))
    }

    /// The largest difference away from kinks, relative to the larger of 1 and the numeric value.
    pub fn worst(&self) -> f64 {
        let smooth = self.comparisons.iter().filter(|c| !matches!(c.verdict, Verdict::Kink { .. }));
        smooth.map(Comparison::distance).fold(0.0, f64::max)
    }

    /// The report itself, or, where it is not ok, its text as an error of kind [`ErrorKind::Check`].
    ///
    /// # Errors
    /// The gradient is not proved.
    pub fn into_result(self) -> Result<Self> {
        match self.is_ok() {
            true => Ok(self),
            false => Err(Error::new(ErrorKind::Check, self.to_string()).op("gradcheck")),
        }
    }

    /// The report for programs: counts, blame and every comparison. A number that is not finite is a string.
    ///
    /// ```
    /// use wengert_autograd::check::gradcheck;
    /// let report = gradcheck(|x| x[0].square(), &[wengert_autograd::Tensor::from([1.5])])?;
    /// assert!(report.to_json().contains(r#""analytic":3.0,"#));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn to_json(&self) -> String {
        json::report(self)
    }

    fn headline(&self) -> String {
        let (counts, all) = (self.counts(), self.comparisons.len());
        if self.is_ok() {
            let agreeing = all - counts.not_reached;
            let mut line = format!("{agreeing} derivatives agree with differences, the worst to {:.1e}", self.worst());
            if counts.kink > 0 {
                line += &format!("; {} on a kink", counts.kink);
            }
            return line;
        }
        let parts = [
            (counts.mismatch, "differ from differences"),
            (counts.unresolved, "could not be resolved"),
            (counts.nondeterministic, "are not deterministic"),
        ];
        let mut words: Vec<String> = vec![];
        for (count, what) in parts.iter().filter(|part| part.0 > 0) {
            let of = if words.is_empty() { format!(" of {all} derivatives") } else { String::new() };
            words.push(format!("{count}{of} {what}"));
        }
        match (words.is_empty(), all) {
            (false, _) => words.join(", "),
            (true, 0) => "nothing was compared".to_string(),
            (true, _) => "nothing was compared: the output depends on no input".to_string(),
        }
    }
}

/// At most this many lines of a kind are printed.
const MOST_LINES: usize = 10;

impl fmt::Display for GradReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        if let Some(blame) = &self.blame {
            write!(f, "\n  {blame}")?;
        } else if self.mismatches().next().is_some() {
            write!(
                f,
                "\n  every op on the tape has the pullback that its forward asks for: was a value taken off the "
            )?;
            write!(f, "tape with value() or item() and put back as a constant?")?;
        }
        for &input in &self.unreached {
            let name = self.comparisons.iter().find(|comparison| comparison.input == input);
            let name = name.map_or_else(|| format!("input {input}"), |comparison| comparison.name.to_string());
            write!(f, "\n  {name} is not reached: the output does not depend on it")?;
        }
        for note in &self.notes {
            write!(f, "\n  {note}")?;
        }
        let rank = |comparison: &Comparison| (comparison.verdict != Verdict::Mismatch, -comparison.distance());
        let mut failures: Vec<&Comparison> = self.failures().collect();
        failures.sort_by(|a, b| rank(a).partial_cmp(&rank(b)).unwrap_or(std::cmp::Ordering::Equal));
        lines(f, &failures, "failures")?;
        lines(f, &self.kinks().collect::<Vec<_>>(), "kinks")
    }
}

fn lines(f: &mut fmt::Formatter<'_>, all: &[&Comparison], what: &str) -> fmt::Result {
    for comparison in all.iter().take(MOST_LINES) {
        write!(f, "\n  {comparison}")?;
    }
    match all.len().checked_sub(MOST_LINES) {
        Some(more) if more > 0 => write!(f, "\n  and {more} more {what}"),
        _ => Ok(()),
    }
}
