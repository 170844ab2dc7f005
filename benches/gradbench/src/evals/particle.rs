//! A charged particle is steered to the origin: a descent through an integration that uses a gradient at every step.

use num_traits::Float;
use serde_json::Value;
use wengert::scalar::Scalar;

use crate::descent::argmin;
use crate::json::{self, Result};
use crate::number::{Number, Over};
use crate::ways::{Function, Mode};

/// A particle that hasn't come down after so many steps won't: the charges pushed it away.
const STEPS: usize = 1_000_000;

/// Where the first charge stands, which is what is looked for.
#[derive(Clone, Debug)]
pub struct Particle(pub f64);

impl Particle {
    /// From the input of a message.
    pub fn parse(input: &Value) -> Result<Particle> {
        json::number(input, "w").map(Particle)
    }

    /// The control that brings the particle to the origin.
    pub fn solve<Outer: Mode, Inner: Mode>(&self) -> Result<f64> {
        let flight = Flight::<Inner>(std::marker::PhantomData);
        if flight.call::<f64>(&[self.0]).is_nan() {
            return Err("the particle never comes down".into());
        }
        let mut space = Outer::Space::default();
        Ok(argmin(&[self.0], |w| flight.call::<f64>(w), |w| Outer::gradient(&mut space, &flight, w))[0])
    }
}

/// The potential of two charges.
struct Potential<T>([[T; 2]; 2]);

impl<T: Number + Scalar<Base = f64>> Function<T, 2> for Potential<T> {
    fn call<U: Over<T>>(&self, x: &[U; 2]) -> U {
        let one = |charge: [T; 2]| {
            let apart = [x[0] - U::lift(charge[0]), x[1] - U::lift(charge[1])];
            Float::recip(Float::sqrt(apart[0] * apart[0] + apart[1] * apart[1]))
        };
        one(self.0[0]) + one(self.0[1])
    }
}

/// The square of where the particle crosses the axis.
struct Flight<Inner>(std::marker::PhantomData<Inner>);

impl<Inner: Mode> Function<f64, 1> for Flight<Inner> {
    fn call<U: Over<f64>>(&self, w: &[U; 1]) -> U {
        let ten = U::plain(10.0);
        let potential = Potential([[ten, ten - w[0]], [ten, U::plain(0.0)]]);
        let mut x = [0.0, 8.0].map(U::plain);
        let mut v = [0.75, 0.0].map(U::plain);
        let step = 0.1;
        let mut space = Inner::Space::default();
        for _ in 0..STEPS {
            let slope = Inner::gradient(&mut space, &potential, &x);
            x = [0, 1].map(|i| x[i] + v[i] * U::plain(step));
            if x[1].value() <= 0.0 {
                let back = -(x[1] / v[1]);
                let crossing = x[0].add_product(back, v[0]);
                return crossing * crossing;
            }
            v = [0, 1].map(|i| v[i] - slope[i] * U::plain(step));
        }
        U::plain(f64::NAN)
    }
}
