//! A function along a line through the point: values at falling steps on both sides, and what they say about its slopes.
//!
//! Steps fall by halves from the largest to where rounding takes over, and are taken only when they are asked for. From
//! six neighbouring steps come three slopes, each extrapolated to a step of zero with an error estimate: to the left, to
//! the right, and the central one. Where the function is smooth, all agree at every step that rounding allows.

use super::difference::{Estimate, Table};
use super::report::Reason;
use crate::{Error, Result};

/// How steps are taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Steps {
    /// The largest, for a point of magnitude up to 1.
    pub(super) largest: f64,
    /// The distance between neighbouring numbers around 1.
    pub(super) epsilon: f64,
    /// Steps in one extrapolation.
    pub(super) window: usize,
}

/// The values on both sides at one step.
#[derive(Clone, Debug)]
struct Level {
    left: (f64, Vec<f64>),
    right: (f64, Vec<f64>),
}

/// The three slopes from neighbouring steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slopes {
    pub(super) central: Estimate,
    pub(super) left: Estimate,
    pub(super) right: Estimate,
}

impl Slopes {
    /// Whether the slopes to both sides agree within their errors.
    pub(super) fn agree(&self, slack: f64) -> bool {
        (self.left.value - self.right.value).abs() <= slack + 2.0 * (self.left.error + self.right.error)
    }
}

/// A function on a line: is given where to go, and returns where it went (after rounding) and its values.
pub(super) type Walk<'f> = &'f mut dyn FnMut(f64) -> Result<(f64, Vec<f64>)>;

/// What is known of a function on a line.
pub(super) struct Line<'f> {
    at: f64,
    steps: Steps,
    function: Walk<'f>,
    middle: Vec<f64>,
    levels: Vec<Option<Level>>,
    /// The first mistake beside the point.
    pub(super) failure: Option<Error>,
    reshaped: bool,
}

impl<'f> Line<'f> {
    /// The line through `at`, where the values are `middle`.
    pub(super) fn new(at: f64, middle: &[f64], steps: Steps, function: Walk<'f>) -> Self {
        let (largest, smallest) = (steps.largest, 12.0 * steps.epsilon);
        let count = (largest / smallest).log2().floor().clamp(steps.window as f64, 64.0) as usize;
        let levels = vec![None; count];
        Line { at, steps, function, middle: middle.to_vec(), levels, failure: None, reshaped: false }
    }

    pub(super) fn count(&self) -> usize {
        self.levels.len()
    }

    pub(super) fn middle(&self, output: usize) -> f64 {
        self.middle[output]
    }

    fn step(&self, level: usize) -> f64 {
        self.steps.largest * self.at.abs().max(1.0) * 0.5f64.powi(level as i32)
    }

    fn level(&mut self, level: usize) -> &Level {
        if self.levels[level].is_none() {
            let step = self.step(level);
            let (left, right) = (self.sample(self.at - step), self.sample(self.at + step));
            self.levels[level] = Some(Level { left, right });
        }
        self.levels[level].as_ref().expect("it was just put there")
    }

    fn sample(&mut self, at: f64) -> (f64, Vec<f64>) {
        let (at, values) = (self.function)(at).unwrap_or_else(|error| {
            self.failure.get_or_insert(error);
            (at, vec![f64::NAN; self.middle.len()])
        });
        if values.len() == self.middle.len() {
            return (at, values);
        }
        self.reshaped = true;
        (at, vec![f64::NAN; self.middle.len()])
    }

    /// The slopes of an output from a window of steps; `noise` is how far values may be off.
    pub(super) fn slopes(&mut self, output: usize, first: usize, noise: f64) -> Slopes {
        let (at, middle, epsilon) = (self.at, self.middle[output], self.steps.epsilon);
        let mut tables = [Table::default(), Table::new(2.0), Table::new(2.0)];
        for level in first..(first + self.steps.window).min(self.levels.len()) {
            let Level { left: (low, below), right: (high, above) } = self.level(level);
            let (low, below, high, above) = (*low, below[output], *high, above[output]);
            let rounding = noise.max(epsilon * (below.abs() + above.abs()));
            tables[0].add((above - below) / (high - low), rounding / (high - low));
            // Extrapolating by halves from one side multiplies rounding by about eight.
            tables[1].add((middle - below) / (at - low), 8.0 * rounding / (at - low));
            tables[2].add((above - middle) / (high - at), 8.0 * rounding / (high - at));
        }
        let [central, left, right] = tables.map(|table| table.best());
        Slopes { central, left, right }
    }

    /// The plain central difference at the step next to the one where truncation and rounding are alike: far below the
    /// first window, so that what it steps over is seen. And what rounding makes of it.
    pub(super) fn probe(&mut self, output: usize) -> (f64, f64) {
        let epsilon = self.steps.epsilon;
        let wanted = epsilon.powf(0.38).max(1e5 * epsilon * self.at.abs());
        let level = (self.step(0) / wanted).log2().round().clamp(0.0, self.levels.len() as f64 - 1.0) as usize;
        let Level { left: (low, below), right: (high, above) } = self.level(level);
        let (width, below, above) = (high - low, below[output], above[output]);
        ((above - below) / width, 64.0 * epsilon * (below.abs() + above.abs()) / width)
    }

    /// How far the values of an output are off, from the smallest steps: there a smooth function is a line, and one with
    /// a kink two, so that `2 e(h/2) - e(h)` of `e(h) = f(x + h) + f(x - h) - 2 f(x)` is rounding and nothing else.
    pub(super) fn noise(&mut self, output: usize) -> f64 {
        let last = self.levels.len() - 1;
        let middle = self.middle[output];
        let mut even = |level: usize| {
            let Level { left, right } = self.level(level);
            left.1[output] + right.1[output] - 2.0 * middle
        };
        let noise = (last.saturating_sub(6)..last).map(|level| (2.0 * even(level + 1) - even(level)).abs());
        let noise = noise.fold(0.0, f64::max);
        if noise.is_finite() { noise } else { 0.0 }
    }

    /// Whether the values at the smallest steps are all the same number as at the point: a flat function, or one that
    /// rounds to steps.
    pub(super) fn is_flat(&mut self, output: usize) -> bool {
        let last = self.levels.len() - 1;
        let middle = self.middle[output];
        (last.saturating_sub(6)..=last).all(|level| {
            let Level { left, right } = self.level(level);
            left.1[output] == middle && right.1[output] == middle
        })
    }

    /// Why no slope can be had at the point.
    pub(super) fn reason(&mut self, output: usize) -> Reason {
        let last = self.levels.len() - 1;
        if self.failure.is_some() {
            return Reason::Fails;
        }
        if self.reshaped {
            return Reason::Reshapes;
        }
        let near: Vec<f64> = (last.saturating_sub(3)..=last)
            .flat_map(|level| {
                let Level { left, right } = self.level(level);
                [left.1[output], right.1[output]]
            })
            .collect();
        if near.iter().any(|value| value.is_nan()) {
            return Reason::NanBeside;
        }
        if near.iter().any(|value| value.is_infinite()) {
            return Reason::InfiniteBeside;
        }
        if self.is_steep(output) { Reason::Steep } else { Reason::Noisy }
    }

    /// Whether the slope to one side grows with falling steps and keeps its sign; that of noise changes it.
    fn is_steep(&mut self, output: usize) -> bool {
        let (at, last, middle) = (self.at, self.levels.len() - 1, self.middle[output]);
        let mut slopes = |level: usize| {
            let Level { left: (low, below), right: (high, above) } = self.level(level);
            [(middle - below[output]) / (at - low), (above[output] - middle) / (high - at)]
        };
        let near: Vec<[f64; 2]> = (last.saturating_sub(9)..=last).map(&mut slopes).collect();
        let far = slopes(last / 2);
        (0..2).any(|side| {
            let nearest = near[near.len() - 1][side];
            let keeps = near.iter().all(|slopes| slopes[side] * nearest > 0.0);
            keeps && nearest.abs() > 8.0 * far[side].abs()
        })
    }
}
