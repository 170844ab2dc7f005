//! Differences beside the tape's gradient: what neither the tape nor the hand computed.

use super::problem::Problem;
use crate::Result;
use crate::check::{Difference, Estimate};

/// What differences say about one element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Support {
    /// None were taken, or they are too inexact to say anything.
    Unknown,
    /// They agree with the tape.
    Agrees,
    /// The function has a kink here, with these slopes.
    Kink(f64, f64),
    /// They differ from the tape.
    Differs,
}

/// Which elements are looked at: all, or some spread evenly.
fn sampled(element: usize, total: usize, most: usize) -> bool {
    total <= most || (element as u128 * most as u128) % (total as u128) < most as u128
}

/// An estimate for each element, and what it says about the tape's.
pub(super) fn gather(
    problem: &Problem<'_>,
    which: usize,
    noise: f64,
    most: usize,
) -> Result<Vec<(Option<Estimate>, Support)>> {
    let analytic = problem.gradients[which].as_slice();
    let mut all = Vec::with_capacity(analytic.len());
    for (element, &analytic) in analytic.iter().enumerate() {
        all.push(match sampled(element, problem.inputs[which].len(), most) {
            true => look(problem, which, element, analytic, noise)?,
            false => (None, Support::Unknown),
        });
    }
    Ok(all)
}

fn look(
    problem: &Problem<'_>,
    which: usize,
    element: usize,
    analytic: f64,
    noise: f64,
) -> Result<(Option<Estimate>, Support)> {
    let value = |x: &[crate::Tensor<f64>]| Ok(vec![problem.value_at(x)?]);
    let mut best: Option<Estimate> = None;
    // A kink within the step spoils an estimate: smaller steps get around one that is not at the point itself.
    for step in [0.05, 1e-3, 1e-4] {
        let estimate = Difference::new().step(step).partial(&problem.inputs, which, element, value)?;
        let Some(&estimate) = estimate.first() else { continue };
        if agrees(analytic, estimate, noise) {
            return Ok((Some(estimate), Support::Agrees));
        }
        best = best.filter(|best| best.error <= estimate.error).or(Some(estimate));
    }
    let Some(estimate) = best.filter(|best| best.value.is_finite()) else { return Ok((best, Support::Unknown)) };
    let off = (analytic - estimate.value).abs();
    let support = match slopes(problem, which, element)? {
        Some((left, right)) => Support::Kink(left, right),
        None if !off.is_finite() || off > 10.0 * estimate.error + 1e-5 * estimate.value.abs() => Support::Differs,
        None => Support::Unknown,
    };
    Ok((Some(estimate), support))
}

/// Whether an estimate confirms a number: an estimate that is itself worth little confirms nothing.
pub(super) fn agrees(number: f64, estimate: Estimate, noise: f64) -> bool {
    let tolerance = 1e-6 * estimate.value.abs() + noise + 1e-9 * number.abs();
    (number - estimate.value).abs() <= tolerance + estimate.error
        && estimate.error <= 1e-3 * number.abs() + 1e-8 + noise
}

/// The slopes to both sides, where the function has a kink: where they differ, and do so at a smaller step too.
fn slopes(problem: &Problem<'_>, which: usize, element: usize) -> Result<Option<(f64, f64)>> {
    let at = problem.inputs[which].as_slice()[element];
    let mut sides = [[0.0; 2]; 2];
    for (sides, step) in sides.iter_mut().zip([1e-4, 1e-6]) {
        for (side, direction) in sides.iter_mut().zip([-1.0, 1.0]) {
            let mut moved = problem.inputs.clone();
            let to = at + direction * step * at.abs().max(1.0);
            moved[which].as_mut_slice()[element] = to;
            *side = (problem.value_at(&moved)? - problem.value) / (to - at) + 0.0;
        }
    }
    let [near, nearer] = sides;
    let gap = |[left, right]: [f64; 2]| (right - left).abs();
    let scale = nearer[0].abs().max(nearer[1].abs()).max(1e-6);
    let stays = gap(nearer) > 1e-3 * scale && gap(nearer) > 0.5 * gap(near);
    Ok(stays.then_some((nearer[0], nearer[1])))
}
