//! A saddle point by gradient descent whose objective is a gradient ascent: differentiation of what differentiates.

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
    pub fn solve<Outer: Mode, Inner: Mode>(&self) -> Vec<f64> {
        let outer = Greatest::<Inner> { start: self.0, inner: std::marker::PhantomData };
        let first = argmin(&self.0, |x| outer.call::<f64>(x), |x| Outer::gradient(&outer, x));
        let height = Height { at: [first[0], first[1]] };
        let second = argmax(&self.0, |y| height.call::<f64>(y), |y| Outer::gradient(&height, y));
        [first, second].concat()
    }
}

/// `|at|² - |y|²`.
struct Height<T> {
    at: [T; 2],
}

impl<T: Number + Scalar<Base = f64>> Function<T> for Height<T> {
    fn call<U: Over<T>>(&self, y: &[U]) -> U {
        U::lift(T::square_norm(&self.at)) - U::square_norm(y)
    }
}

/// The greatest height over a point, found by ascent.
struct Greatest<Inner> {
    start: [f64; 2],
    inner: std::marker::PhantomData<Inner>,
}

impl<Inner: Mode> Function<f64> for Greatest<Inner> {
    fn call<U: Over<f64>>(&self, x: &[U]) -> U {
        let height = Height { at: [x[0], x[1]] };
        let start = self.start.map(U::plain);
        let top = argmax(&start, |y| height.call::<U>(y), |y| Inner::gradient(&height, y));
        height.call::<U>(&top)
    }
}
