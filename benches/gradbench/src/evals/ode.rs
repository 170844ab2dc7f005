//! A linear chain of differential equations, integrated to time 2 by the classical Runge-Kutta method.

use serde_json::Value;
use wengert::scalar::{Recursion, Traced};

use crate::json::{self, Result};
use crate::number::Number;
use crate::ways::{Gradient, Objective, compiled};

/// The rates and the number of steps.
#[derive(Clone, Debug)]
pub struct Ode {
    /// One rate an equation.
    pub x: Vec<f64>,
    /// Steps.
    pub s: usize,
}

impl Ode {
    /// From the input of a message.
    pub fn parse(input: &Value) -> Result<Ode> {
        let ode = Ode { x: json::numbers(input, "x")?, s: json::size(input, "s")? };
        json::product(&[ode.x.len(), ode.s, 4])?;
        if ode.x.is_empty() || ode.s == 0 {
            return Err("one equation and one step are needed".into());
        }
        Ok(ode)
    }

    /// `y(2)`, where `y_0' = x_0`, `y_i' = x_i y_(i - 1)` and `y(0) = 0`.
    pub fn solution<T: Number>(&self, x: &[T]) -> Vec<T> {
        let mut y = vec![T::plain(0.0); x.len()];
        let mut stages = Stages::new(x.len());
        for _ in 0..self.s {
            stages.step(x, &mut y, 2.0 / self.s as f64);
        }
        y
    }
}

/// What a step computes on the way.
struct Stages<T> {
    moved: Vec<T>,
    k: [Vec<T>; 4],
}

impl<T: Number> Stages<T> {
    fn new(n: usize) -> Self {
        let zero = vec![T::plain(0.0); n];
        Stages { moved: zero.clone(), k: [zero.clone(), zero.clone(), zero.clone(), zero] }
    }

    /// One step of size `h`.
    fn step(&mut self, x: &[T], y: &mut [T], h: f64) {
        let Stages { moved, k } = self;
        slopes(x, y, &mut k[0]);
        for (stage, h) in [(1, h / 2.0), (2, h / 2.0), (3, h)] {
            for ((moved, &y), &k) in moved.iter_mut().zip(&*y).zip(&k[stage - 1]) {
                *moved = T::linear([y, k], [1.0, h]);
            }
            slopes(x, moved, &mut k[stage]);
        }
        let [k1, k2, k3, k4] = &*k;
        for ((((y, &k1), &k2), &k3), &k4) in y.iter_mut().zip(k1).zip(k2).zip(k3).zip(k4) {
            *y = T::linear([*y, k1, k2, k3, k4], [1.0, h / 6.0, h / 3.0, h / 3.0, h / 6.0]);
        }
    }
}

fn slopes<T: Number>(x: &[T], y: &[T], k: &mut [T]) {
    k[0] = x[0];
    for ((k, &x), &y) in k[1..].iter_mut().zip(&x[1..]).zip(y) {
        *k = x * y;
    }
}

impl Objective for Ode {
    fn point(&self) -> &[f64] {
        &self.x
    }

    fn value<T: Number>(&self, x: &[T]) -> T {
        *self.solution(x).last().expect("one equation at least")
    }

    /// One step is recorded, and replayed for all. A step moves four equations up what the last one depends on: where the
    /// steps are too few to reach all equations, the whole is recorded instead, from which the others are left out.
    fn replayed(self) -> Result<Gradient> {
        if 4 * self.s < self.x.len() {
            return compiled(self);
        }
        let Ode { x, s } = self;
        let start = vec![0.0; x.len()];
        let step = |x: &[Traced], y: &[Traced], _: &[Traced]| {
            let mut y = y.to_vec();
            Stages::new(x.len()).step(x, &mut y, 2.0 / s as f64);
            (y, 0.0.into())
        };
        let last = |_: &[Traced], y: &[Traced]| *y.last().expect("one equation at least");
        let mut steps = Recursion::record(&x, &start, &[], step, last).map_err(|error| error.to_string())?;
        let mut by_start = start.clone();
        Ok(Box::new(move |out| {
            out.resize(x.len(), 0.0);
            let x = std::hint::black_box(&x);
            steps.value_and_gradient(x, &start, s, [out, &mut by_start]).map(drop).map_err(|error| error.to_string())
        }))
    }
}
