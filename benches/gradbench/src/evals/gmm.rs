//! The log posterior of a Gaussian mixture with a Wishart prior.

use std::f64::consts::PI;

use serde_json::Value;
use wengert::scalar::{Compiled, MapReduce, Traced};

use crate::json::{self, Result};
use crate::number::{Number, Terms};
use crate::ways::{Gradient, Objective};

/// Data, prior and parameters.
#[derive(Clone, Debug)]
pub struct Gmm {
    /// Dimensions of a point.
    pub d: usize,
    /// Components.
    pub k: usize,
    /// Points.
    pub n: usize,
    /// The points, one after the other.
    pub x: Vec<f64>,
    /// Degrees of freedom of the prior, beyond `d + 1`.
    pub m: usize,
    /// Scale of the prior.
    pub gamma: f64,
    /// `alpha [k]`, `mu [k, d]`, `q [k, d]`, `l [k, d (d - 1) / 2]`, one after the other.
    pub parameters: Vec<f64>,
}

/// Parameters taken apart.
#[derive(Debug)]
pub struct Parts<'p, T> {
    /// Logarithms of the weights.
    pub alpha: &'p [T],
    /// Means.
    pub mu: &'p [T],
    /// Logarithms of the diagonals.
    pub q: &'p [T],
    /// What lies below the diagonals, column after column.
    pub l: &'p [T],
}

impl Gmm {
    /// From the input of a message.
    pub fn parse(input: &Value) -> Result<Gmm> {
        let [d, k, n, m] = ["d", "k", "n", "m"].map(|name| json::size(input, name));
        let (d, k, n, m) = (d?, k?, n?, m?);
        if d == 0 || k == 0 {
            return Err("one dimension and one component are needed".into());
        }
        json::product(&[d, k + n])?;
        json::product(&[d, d, k])?;
        let mut parameters = json::numbers(input, "alpha")?;
        json::expect("alpha", parameters.len(), k)?;
        for (name, columns) in [("mu", d), ("q", d), ("l", d * (d - 1) / 2)] {
            let (entries, rows, _) = json::matrix(input, name)?;
            json::expect(name, rows, k)?;
            json::expect(name, entries.len(), k * columns)?;
            parameters.extend(entries);
        }
        let (x, _, _) = json::matrix(input, "x")?;
        json::expect("x", x.len(), n * d)?;
        Ok(Gmm { d, k, n, x, m, gamma: json::number(input, "gamma")?, parameters })
    }

    /// Entries of `l` a component.
    pub fn below(&self) -> usize {
        self.d * (self.d - 1) / 2
    }

    /// The parameters by name.
    pub fn parts<'p, T>(&self, parameters: &'p [T]) -> Parts<'p, T> {
        let (alpha, rest) = parameters.split_at(self.k);
        let (mu, rest) = rest.split_at(self.k * self.d);
        let (q, l) = rest.split_at(self.k * self.d);
        Parts { alpha, mu, q, l }
    }

    /// What the parameters don't change: the normalisation of the data and of the prior.
    pub fn constant(&self) -> f64 {
        let (d, degrees) = (self.d as f64, (self.d + self.m + 1) as f64);
        let scale = degrees * d * (self.gamma.ln() - 0.5 * 2f64.ln()) - log_gamma_distribution(0.5 * degrees, self.d);
        -(self.n as f64) * d * 0.5 * (2.0 * PI).ln() + self.k as f64 * scale
    }

    /// The parameters as the points need them: `alpha + sum q`, `mu`, `exp q`, `l`.
    pub fn shared<T: Number>(&self, parameters: &[T]) -> Vec<T> {
        let Parts { alpha, mu, q, l } = self.parts(parameters);
        let mut shared: Vec<T> = alpha.iter().zip(q.chunks(self.d)).map(|(&alpha, q)| alpha + T::sum(q)).collect();
        shared.extend(mu);
        shared.extend(q.iter().map(|q| q.exp()));
        shared.extend(l);
        shared
    }

    /// What one point adds.
    pub fn point_term<T: Number>(&self, shared: &[T], x: impl Fn(usize) -> T, buffers: &mut Buffers<T>) -> T {
        let Parts { alpha, mu, q, l } = self.parts(shared);
        let (d, below) = (self.d, self.below());
        for component in 0..self.k {
            let span = component * d..(component + 1) * d;
            let (mu, q, l) = (&mu[span.clone()], &q[span], &l[component * below..(component + 1) * below]);
            for i in 0..d {
                buffers.apart[i] = mu[i] - x(i);
                buffers.scaled[i] = q[i] * buffers.apart[i];
            }
            let mut entries = l.iter();
            for i in 0..d {
                for j in i + 1..d {
                    let entry = *entries.next().expect("as many as pairs");
                    buffers.scaled[j] = buffers.scaled[j].add_product(entry, buffers.apart[i]);
                }
            }
            buffers.terms[component] = alpha[component] - T::square_norm(&buffers.scaled) * T::plain(0.5);
        }
        T::log_sum_exp(&buffers.terms)
    }

    /// What the prior and the weights' normalisation add.
    pub fn rest<T: Number>(&self, parameters: &[T]) -> T {
        let Parts { alpha, q, l, .. } = self.parts(parameters);
        let diagonal: Vec<T> = q.iter().map(|q| q.exp()).collect();
        let squares = T::square_norm(&diagonal) + T::square_norm(l);
        let prior = squares * T::plain(0.5 * self.gamma * self.gamma) - T::sum(q) * T::plain(self.m as f64);
        T::log_sum_exp(alpha) * T::plain(-(self.n as f64)) - prior + T::plain(self.constant())
    }
}

/// What a point needs beside its result.
#[derive(Debug)]
pub struct Buffers<T> {
    apart: Vec<T>,
    scaled: Vec<T>,
    terms: Vec<T>,
}

impl<T: Number> Buffers<T> {
    /// For the shapes of `gmm`.
    pub fn new(gmm: &Gmm) -> Self {
        let zeros = |n| vec![T::plain(0.0); n];
        Buffers { apart: zeros(gmm.d), scaled: zeros(gmm.d), terms: zeros(gmm.k) }
    }
}

/// `ln Γ_p(a)`, the multivariate gamma function.
fn log_gamma_distribution(a: f64, p: usize) -> f64 {
    let factors: f64 = (1..=p).map(|j| log_gamma(a + 0.5 * (1.0 - j as f64))).sum();
    0.25 * (p * (p - 1)) as f64 * PI.ln() + factors
}

/// `ln Γ(x)` of a positive number: Stirling's series, beyond 20 by the recurrence.
fn log_gamma(mut x: f64) -> f64 {
    let mut shift = 0.0;
    while x < 20.0 {
        shift += x.ln();
        x += 1.0;
    }
    let series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1260.0 * x.powi(5));
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln() + series - shift
}

impl Terms for Gmm {
    type Buffers<T: Number> = Buffers<T>;

    fn buffers<T: Number>(&self) -> Buffers<T> {
        Buffers::new(self)
    }

    fn term<T: Number>(&self, i: usize, shared: &[T], buffers: &mut Buffers<T>) -> T {
        let x = &self.x[i * self.d..][..self.d];
        self.point_term(shared, |i| T::plain(x[i]), buffers)
    }
}

impl Objective for Gmm {
    fn point(&self) -> &[f64] {
        &self.parameters
    }

    fn value<T: Number>(&self, parameters: &[T]) -> T {
        T::sum_terms(self, self.n, &self.shared(parameters)) + self.rest(parameters)
    }

    /// One point's term is recorded, and what isn't part of the sum.
    fn replayed(self) -> Result<Gradient> {
        let words = |error: wengert::Error| error.to_string();
        let parameters = self.parameters.as_slice();
        let mut rest = Compiled::record(parameters, |x| self.rest(x)).map_err(words)?;
        if self.n == 0 {
            return crate::ways::compiled(self);
        }
        let term =
            |x: &[Traced], row: &[Traced]| self.point_term(&self.shared(x), |i| row[i], &mut Buffers::new(&self));
        let mut sum = MapReduce::record(parameters, &self.x[..self.d], term).map_err(words)?;
        let mut prior = vec![0.0; parameters.len()];
        Ok(Box::new(move |out| {
            out.resize(prior.len(), 0.0);
            rest.gradient(std::hint::black_box(&self.parameters), &mut prior).map_err(words)?;
            sum.gradient(&self.parameters, &self.x, out).map_err(words)?;
            out.iter_mut().zip(&prior).for_each(|(out, prior)| *out += prior);
            Ok(())
        }))
    }

    fn fastest(self) -> Result<Gradient> {
        self.tensor()
    }

    fn tensor(self) -> Result<Gradient> {
        super::gmm_tensor::gradient(self)
    }
}
