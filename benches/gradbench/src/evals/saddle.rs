//! A saddle point by gradient descent whose objective is a gradient ascent: differentiation of what differentiates.

use std::marker::PhantomData;

use serde_json::Value;
use wengert::scalar::Scalar;

use crate::descent::{argmax, argmin};
use crate::json::{self, Result};
use crate::number::{Number, Over};
use crate::ways::{Function, Mode};

/// Where every descent starts.
#[derive(Clone, Debug)]
pub struct Saddle(pub [f64; 2]);

impl Saddle {
    /// From the input of a message.
    pub fn parse(input: &Value) -> Result<Saddle> {
        let start = json::numbers(input, "start")?;
        start.try_into().map(Saddle).map_err(|_| "\"start\" must have two numbers".into())
    }

    /// The point that minimises, then the one that maximises.
    ///
    /// `through`: whether the minimisation differentiates all of the maximisation, step by step. It needn't: where the
    /// height is greatest it doesn't change with the place of the maximum (Danskin 1966), which may count as constant.
    pub fn solve<Outer: Mode, Inner: Mode>(&self, through: bool) -> Vec<f64> {
        let outer = Greatest::<Inner> { start: self.0, through, inner: PhantomData };
        let mut space = Outer::Space::default();
        let first = argmin(&self.0, |x| outer.call::<f64>(x), |x| Outer::gradient(&mut space, &outer, x));
        let height = Height { at: first };
        let second = argmax(&self.0, |y| height.call::<f64>(y), |y| Outer::gradient(&mut space, &height, y));
        [first, second].concat()
    }
}

/// `|at|² - |y|²`.
struct Height<T> {
    at: [T; 2],
}

impl<T: Number + Scalar<Base = f64>> Function<T, 2> for Height<T> {
    fn call<U: Over<T>>(&self, y: &[U; 2]) -> U {
        let [a, b] = self.at;
        U::lift(a * a + b * b) - (y[0] * y[0] + y[1] * y[1])
    }
}

/// The greatest height over a point, found by ascent.
struct Greatest<Inner> {
    start: [f64; 2],
    through: bool,
    inner: PhantomData<Inner>,
}

impl<Inner: Mode> Greatest<Inner> {
    fn top<T: Number + Scalar<Base = f64>>(&self, x: [T; 2]) -> [T; 2] {
        let height = Height { at: x };
        let mut space = Inner::Space::default();
        let start = self.start.map(<T as Number>::plain);
        argmax(&start, |y| height.call::<T>(y), |y| Inner::gradient(&mut space, &height, y))
    }
}

impl<Inner: Mode> Function<f64, 2> for Greatest<Inner> {
    fn call<U: Over<f64>>(&self, x: &[U; 2]) -> U {
        let top = match self.through {
            true => self.top(*x),
            false => self.top(x.map(|x| x.value())).map(U::plain),
        };
        Height { at: *x }.call::<U>(&top)
    }
}
