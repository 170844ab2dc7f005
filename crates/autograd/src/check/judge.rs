//! The verdict on one derivative: the analytic number against the slopes of the function along a line.

use super::difference::Estimate;
use super::line::{Line, Slopes};
use super::report::{Reason, Verdict};

/// How near is near enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tolerance {
    pub(super) absolute: f64,
    pub(super) relative: f64,
    /// A slope whose own error is more than 1000 tolerances, or more than this and the tolerance, decides nothing:
    /// absolute and relative.
    pub(super) loosest: (f64, f64),
}

impl Tolerance {
    pub(super) fn at(&self, value: f64) -> f64 {
        let relative = self.relative * value.abs();
        self.absolute + if relative.is_finite() { relative } else { 0.0 }
    }

    /// The error beyond which a slope decides nothing.
    fn resolution(&self, value: f64) -> f64 {
        let tolerance = self.at(value);
        tolerance.max((1e3 * tolerance).min(self.loosest.0 + self.loosest.1 * value.abs()))
    }

    fn resolves(&self, estimate: Estimate) -> bool {
        estimate.value.is_finite() && estimate.error <= self.resolution(estimate.value)
    }

    /// Whether a number is the estimate's, as far as can be told.
    pub(super) fn agrees(&self, analytic: f64, estimate: Estimate) -> bool {
        (analytic - estimate.value).abs() <= self.at(estimate.value) + estimate.error
    }
}

/// What was found out about one derivative.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finding {
    pub(super) numeric: Estimate,
    pub(super) verdict: Verdict,
}

/// Judges the derivative of one output along a line.
pub(super) fn judge(line: &mut Line<'_>, output: usize, analytic: f64, tolerance: &Tolerance) -> Finding {
    let nothing = Estimate { value: f64::NAN, error: f64::INFINITY };
    if !line.middle(output).is_finite() {
        return Finding { numeric: nothing, verdict: Verdict::Unresolved(Reason::NotFinite) };
    }
    quickly(line, output, analytic, tolerance).unwrap_or_else(|| thoroughly(line, output, analytic, tolerance))
}

/// Accepts where the largest steps leave no doubt: a sharp estimate, the same slope to both sides, and the same again at
/// a step that is smaller by orders of magnitude.
fn quickly(line: &mut Line<'_>, output: usize, analytic: f64, tolerance: &Tolerance) -> Option<Finding> {
    let slopes = line.slopes(output, 0, 0.0);
    let numeric = slopes.central;
    let near = tolerance.at(numeric.value);
    let sharp = numeric.value.is_finite() && numeric.error <= near && tolerance.agrees(analytic, numeric);
    let sided = tolerance.resolves(slopes.left) && tolerance.resolves(slopes.right) && slopes.agree(near);
    if !sharp || !sided {
        return None;
    }
    let (slope, rounding) = line.probe(output);
    let same = (slope - numeric.value).abs() <= tolerance.resolution(numeric.value) + rounding;
    same.then_some(Finding { numeric, verdict: Verdict::Pass })
}

/// Takes every step down to rounding, and believes the smallest steps that tell something: what larger ones say counts
/// only where it agrees, for they may have stepped over a kink.
fn thoroughly(line: &mut Line<'_>, output: usize, analytic: f64, tolerance: &Tolerance) -> Finding {
    let noise = line.noise(output);
    let windows: Vec<Slopes> = (0..line.count() - 2).map(|first| line.slopes(output, first, noise)).collect();
    let told = |slopes: &&Slopes| tolerance.resolves(slopes.left) && tolerance.resolves(slopes.right);
    let Some(nearest) = windows.iter().rev().find(told) else {
        let best = windows.iter().map(|slopes| slopes.central).min_by(|a, b| a.error.total_cmp(&b.error));
        let numeric = best.unwrap_or(Estimate { value: f64::NAN, error: f64::INFINITY });
        return Finding { numeric, verdict: Verdict::Unresolved(line.reason(output)) };
    };
    if !nearest.agree(tolerance.at(nearest.left.value.abs().max(nearest.right.value.abs()))) {
        return at_kink(nearest, &windows, analytic, tolerance);
    }
    let numeric = refined(nearest, &windows, tolerance);
    let near = tolerance.at(numeric.value);
    if tolerance.agrees(analytic, numeric) {
        return Finding { numeric, verdict: Verdict::Pass };
    }
    // A function that rounds to steps is flat near by, and has another slope further away.
    let wider = |slopes: &Slopes| {
        let central = slopes.central;
        let other = (central.value - numeric.value).abs() > near + central.error + numeric.error;
        let same = (analytic - central.value).abs() <= tolerance.resolution(central.value);
        tolerance.resolves(central) && same && other
    };
    if line.is_flat(output) && windows.iter().any(wider) {
        return Finding { numeric, verdict: Verdict::Unresolved(Reason::Steps) };
    }
    Finding { numeric, verdict: Verdict::Mismatch }
}

/// The slopes to both sides differ: a number between them is a subgradient.
fn at_kink(nearest: &Slopes, windows: &[Slopes], analytic: f64, tolerance: &Tolerance) -> Finding {
    let on_left = sharpest(nearest.left, windows.iter().map(|slopes| slopes.left), tolerance);
    let on_right = sharpest(nearest.right, windows.iter().map(|slopes| slopes.right), tolerance);
    // Adding zero turns -0 into 0.
    let (left, right) = (on_left.value + 0.0, on_right.value + 0.0);
    let (low, high) = (left.min(right), left.max(right));
    let slack = tolerance.at(low.abs().max(high.abs())) + on_left.error.max(on_right.error);
    let side = if (analytic - left).abs() < (analytic - right).abs() { on_left } else { on_right };
    match low - slack <= analytic && analytic <= high + slack {
        true => Finding { numeric: side, verdict: Verdict::Kink { left, right } },
        false => Finding { numeric: side, verdict: Verdict::Mismatch },
    }
}

/// The sharpest of several slopes among those that agree with one.
fn sharpest(start: Estimate, others: impl Iterator<Item = Estimate>, tolerance: &Tolerance) -> Estimate {
    let slack = tolerance.at(start.value);
    let agrees = |other: &Estimate| (other.value - start.value).abs() <= slack + start.error + other.error;
    others.filter(agrees).fold(start, |best, other| if other.error < best.error { other } else { best })
}

/// The sharpest of the central slopes that agree with the nearest ones, each over a smooth piece.
fn refined(nearest: &Slopes, windows: &[Slopes], tolerance: &Tolerance) -> Estimate {
    let both = Estimate {
        value: 0.5 * (nearest.left.value + nearest.right.value),
        error: nearest.left.error.max(nearest.right.error),
    };
    let start = if nearest.central.error <= both.error { nearest.central } else { both };
    let slack = tolerance.at(start.value);
    let smooth = windows.iter().filter(|slopes| slopes.agree(slack)).map(|slopes| slopes.central);
    sharpest(start, smooth, tolerance)
}
