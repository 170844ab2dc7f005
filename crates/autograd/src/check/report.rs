//! What a check found, element by element.

use std::fmt;

use crate::{Error, ErrorKind, Result};

/// What became of one comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// The two agree within the tolerance and the estimate's own error.
    Agrees,
    /// The point is a kink: the slopes to both sides differ, and the analytic number lies between them.
    Kink {
        /// The slope to the left.
        left: f64,
        /// The slope to the right.
        right: f64,
    },
    /// The two differ.
    Differs,
}

/// One derivative, found in two ways.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// 1 for the first derivative; the comparison of order 2 differentiates the gradient of a weighted sum of outputs.
    pub order: usize,
    /// Which input.
    pub input: usize,
    /// The position of the element in the input; empty for a number, and for a derivative along a direction.
    pub position: Vec<usize>,
    /// Which output, counted in row-major order over all of them.
    pub output: usize,
    /// By the tape.
    pub analytic: f64,
    /// By differences.
    pub numeric: f64,
    /// How far the numeric one may be off.
    pub error: f64,
    /// What follows.
    pub verdict: Verdict,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Comparison { order, input, position, output, analytic, numeric, error, verdict } = self;
        write!(f, "input {input}, element {position:?}, output {output}, order {order}: ")?;
        write!(f, "analytic {analytic}, numeric {numeric} ± {error:.1e}")?;
        match verdict {
            Verdict::Agrees => Ok(()),
            Verdict::Kink { left, right } => write!(f, ": a kink, slopes {left:.6} and {right:.6}"),
            Verdict::Differs => write!(f, ": off by {:.3e}", (analytic - numeric).abs()),
        }
    }
}

/// Everything a check compared.
///
/// ```
/// use wengert_autograd::check::gradcheck;
/// let report = gradcheck(|x| x[0].relu().sum(), &[wengert_autograd::Tensor::from([-1.0, 0.0, 2.0])])?;
/// assert_eq!(report.comparisons.len(), 3);
/// assert_eq!(report.kinks().count(), 1);                 // relu at 0
/// assert!(report.to_string().starts_with("3 derivatives agree"));
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GradReport {
    /// Every comparison.
    pub comparisons: Vec<Comparison>,
    /// Inputs that the output does not depend on, as the tape says.
    pub unreached: Vec<usize>,
}

impl GradReport {
    /// Whether nothing differs.
    pub fn is_ok(&self) -> bool {
        self.failures().next().is_none()
    }

    /// What differs.
    pub fn failures(&self) -> impl Iterator<Item = &Comparison> {
        self.comparisons.iter().filter(|comparison| comparison.verdict == Verdict::Differs)
    }

    /// Where the function is not smooth.
    pub fn kinks(&self) -> impl Iterator<Item = &Comparison> {
        self.comparisons.iter().filter(|comparison| matches!(comparison.verdict, Verdict::Kink { .. }))
    }

    /// The largest difference away from kinks, relative to the larger of 1 and the numeric value.
    pub fn worst(&self) -> f64 {
        let relative = |c: &Comparison| (c.analytic - c.numeric).abs() / c.numeric.abs().max(1.0);
        let smooth = self.comparisons.iter().filter(|c| !matches!(c.verdict, Verdict::Kink { .. }));
        smooth.map(relative).fold(0.0, |worst, next| if next > worst || next.is_nan() { next } else { worst })
    }

    /// The report itself, or, where something differs, its text as an error of kind [`ErrorKind::Check`].
    ///
    /// # Errors
    /// Something differs.
    pub fn into_result(self) -> Result<Self> {
        match self.is_ok() {
            true => Ok(self),
            false => Err(Error::new(ErrorKind::Check, self.to_string()).op("gradcheck")),
        }
    }
}

/// At most this many lines of a kind are printed.
const MOST_LINES: usize = 10;

impl fmt::Display for GradReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failures, all) = (self.failures().count(), self.comparisons.len());
        match failures {
            0 => write!(f, "{all} derivatives agree with differences, the worst to {:.1e}", self.worst())?,
            _ => write!(f, "{failures} of {all} derivatives differ from differences")?,
        }
        for input in &self.unreached {
            write!(f, "\n  input {input} is not reached: the output does not depend on it")?;
        }
        for comparison in self.failures().take(MOST_LINES) {
            write!(f, "\n  {comparison}")?;
        }
        if failures > MOST_LINES {
            write!(f, "\n  and {} more", failures - MOST_LINES)?;
        }
        for comparison in self.kinks().take(MOST_LINES) {
            write!(f, "\n  {comparison}")?;
        }
        Ok(())
    }
}
