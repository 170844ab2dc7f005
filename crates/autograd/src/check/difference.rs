//! Derivatives from values alone: central differences, extrapolated to a step of zero. Must know no tape.
//!
//! C. J. F. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", Advances in Engineering Software 4 (1982): the
//! error of a central difference is a series in the square of the step, so differences at falling steps are
//! extrapolated by Neville's scheme, and how much neighbouring entries of the scheme differ is the error estimate.

use crate::{Result, Tensor};

/// A derivative from differences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The derivative.
    pub value: f64,
    /// How far from it the true derivative may be; infinite where the function is nowhere finite around the point.
    pub error: f64,
}

/// How differences are taken.
///
/// ```
/// use wengert_autograd::check::Difference;
/// let estimate = Difference::new().derivative(1.0, |x| Ok(vec![x.sin()]))?[0];
/// assert!((estimate.value - 1f64.cos()).abs() < 1e-12);
/// assert!(estimate.error < 1e-10);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    step: f64,
    levels: usize,
}

impl Default for Difference {
    fn default() -> Self {
        Difference { step: 0.05, levels: 6 }
    }
}

impl Difference {
    /// Six levels from a step of 0.05.
    pub fn new() -> Self {
        Difference::default()
    }

    /// The largest step, for a point of magnitude up to 1; in proportion to the magnitude beyond. Each further level
    /// halves it.
    pub fn step(self, step: f64) -> Self {
        Difference { step, ..self }
    }

    /// The number of steps; each costs two evaluations.
    pub fn levels(self, levels: usize) -> Self {
        Difference { levels: levels.max(2), ..self }
    }

    /// `df/dx` of a function of one number with any number of results.
    ///
    /// Steps at which a result is not finite, as outside the function's domain, are left out for that result.
    ///
    /// # Errors
    /// Those of the function.
    pub fn derivative(&self, x: f64, mut function: impl FnMut(f64) -> Result<Vec<f64>>) -> Result<Vec<Estimate>> {
        let mut tables: Vec<Table> = Vec::new();
        let mut step = self.step * x.abs().max(1.0);
        for _ in 0..self.levels {
            // The step actually taken is the difference of the two points after rounding.
            let (high, low) = (x + step, x - step);
            let (above, below) = (function(high)?, function(low)?);
            tables.resize_with(above.len().max(tables.len()), Table::default);
            for (table, (above, below)) in tables.iter_mut().zip(above.iter().zip(&below)) {
                table.add((above - below) / (high - low), (above.abs() + below.abs()) * f64::EPSILON / (high - low));
            }
            step *= 0.5;
        }
        Ok(tables.iter().map(Table::best).collect())
    }

    /// `∂f/∂x` with respect to one element of one of several tensors.
    ///
    /// # Errors
    /// Those of the function.
    ///
    /// ```
    /// use wengert_autograd::Tensor;
    /// use wengert_autograd::check::Difference;
    /// let product = |x: &[Tensor<f64>]| Ok(vec![x[0].as_slice()[1] * x[1].as_slice()[0]]);
    /// let inputs = [Tensor::from([2.0, 3.0]), Tensor::from([5.0])];
    /// let estimate = Difference::new().partial(&inputs, 0, 1, product)?[0];
    /// assert!((estimate.value - 5.0).abs() < 1e-12);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn partial(
        &self,
        inputs: &[Tensor<f64>],
        input: usize,
        element: usize,
        mut function: impl FnMut(&[Tensor<f64>]) -> Result<Vec<f64>>,
    ) -> Result<Vec<Estimate>> {
        let mut moved = inputs.to_vec();
        self.derivative(inputs[input].as_slice()[element], |value| {
            moved[input].as_mut_slice()[element] = value;
            function(&moved)
        })
    }

    /// `d f(x + t v)/dt` at `t = 0`: the derivative along a direction.
    ///
    /// # Errors
    /// Those of the function.
    ///
    /// ```
    /// use wengert_autograd::Tensor;
    /// use wengert_autograd::check::Difference;
    /// let sum = |x: &[Tensor<f64>]| Ok(vec![x[0].as_slice().iter().map(|x| x.exp()).sum()]);
    /// let (x, v) = ([Tensor::from([0.0, 1.0])], [Tensor::from([1.0, -1.0])]);
    /// let estimate = Difference::new().along(&x, &v, sum)?[0];
    /// assert!((estimate.value - (1.0 - 1f64.exp())).abs() < 1e-11);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn along(
        &self,
        inputs: &[Tensor<f64>],
        direction: &[Tensor<f64>],
        mut function: impl FnMut(&[Tensor<f64>]) -> Result<Vec<f64>>,
    ) -> Result<Vec<Estimate>> {
        self.derivative(0.0, |t| {
            let mut moved = inputs.to_vec();
            for (to, along) in moved.iter_mut().zip(direction) {
                for (to, along) in to.as_mut_slice().iter_mut().zip(along.as_slice()) {
                    *to += t * along;
                }
            }
            function(&moved)
        })
    }
}

/// Neville's scheme for one result: the last row, and the entry that its neighbours agree with best.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// What half a step does to the leading error: 4 for central differences, 2 for those to one side.
    base: f64,
    row: Vec<f64>,
    best: Option<Estimate>,
}

impl Default for Table {
    fn default() -> Self {
        Table::new(4.0)
    }
}

impl Table {
    pub(super) fn new(base: f64) -> Self {
        Table { base, row: vec![], best: None }
    }

    /// Adds a difference at half the step of the one before; `rounding` is what the values' last digits make of it.
    pub(super) fn add(&mut self, difference: f64, rounding: f64) {
        if !difference.is_finite() {
            self.row.clear();
            return;
        }
        let mut next = vec![difference];
        let mut factor = 1.0;
        for (order, &before) in self.row.iter().enumerate() {
            factor *= self.base;
            let entry = next[order] + (next[order] - before) / (factor - 1.0);
            // Agreement by chance is no better than the rounding of the values.
            let error = (entry - next[order]).abs().max((entry - before).abs()) + rounding;
            if self.best.is_none_or(|best| error <= best.error) {
                self.best = Some(Estimate { value: entry, error });
            }
            next.push(entry);
        }
        self.row = next;
    }

    pub(super) fn best(&self) -> Estimate {
        self.best.unwrap_or(Estimate { value: f64::NAN, error: f64::INFINITY })
    }
}
