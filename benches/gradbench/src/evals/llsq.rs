//! Least squares: how well a polynomial follows the sign function on `[-1, 1]`.

use serde_json::Value;
use wengert::scalar::{MapReduce, Traced};

use crate::json::{self, Result};
use crate::number::Number;
use crate::ways::{Gradient, Objective};

/// The polynomial's coefficients and the number of samples.
#[derive(Clone, Debug)]
pub struct Llsq {
    /// Coefficients, constant first.
    pub x: Vec<f64>,
    /// Samples.
    pub n: usize,
}

impl Llsq {
    /// From the input of a message.
    pub fn parse(input: &Value) -> Result<Llsq> {
        let llsq = Llsq { x: json::numbers(input, "x")?, n: json::size(input, "n")? };
        json::product(&[llsq.n, llsq.x.len()])?;
        if llsq.n < 2 || llsq.x.is_empty() {
            return Err("two samples and one coefficient are needed".into());
        }
        Ok(llsq)
    }

    /// Where the `i`-th sample lies.
    pub fn sample(&self, i: usize) -> f64 {
        -1.0 + i as f64 * 2.0 / (self.n - 1) as f64
    }
}

/// `sign(t) - sum_j x_j t^j`. The powers are written to `powers`.
pub fn residual<T: Number>(x: &[T], t: f64, powers: &mut [f64]) -> T {
    let mut power = -1.0;
    for slot in powers.iter_mut() {
        *slot = power;
        power *= t;
    }
    let sign = if t == 0.0 { 0.0 } else { t.signum() };
    T::weighted(x, powers) + T::plain(sign)
}

impl Objective for Llsq {
    fn point(&self) -> &[f64] {
        &self.x
    }

    fn value<T: Number>(&self, x: &[T]) -> T {
        let mut powers = vec![0.0; x.len()];
        let residuals: Vec<T> = (0..self.n).map(|i| residual(x, self.sample(i), &mut powers)).collect();
        T::square_norm(&residuals) * T::plain(0.5)
    }

    /// One sample is recorded.
    fn replayed(self) -> Result<Gradient> {
        let sign = |t: f64| if t == 0.0 { 0.0 } else { t.signum() };
        let data: Vec<f64> = (0..self.n).map(|i| self.sample(i)).flat_map(|t| [t, sign(t)]).collect();
        let recording = MapReduce::record(&self.x, &data[..2], |x, row| {
            let powers = std::iter::successors(Some(Traced::plain(1.0)), |&power| Some(power * row[0]));
            let powers: Vec<Traced> = powers.take(x.len()).collect();
            let residual = row[1] - Traced::dot(x, &powers);
            residual * residual * 0.5
        });
        let mut sum = recording.map_err(|error| error.to_string())?;
        Ok(Box::new(move |out| {
            out.resize(self.x.len(), 0.0);
            sum.gradient(std::hint::black_box(&self.x), &data, out).map_err(|error| error.to_string())
        }))
    }
}
