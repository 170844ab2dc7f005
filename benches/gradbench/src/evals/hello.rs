//! `x²`, and its derivative.

use crate::number::Number;
use crate::ways::Objective;

/// The point.
#[derive(Clone, Debug)]
pub struct Hello(pub [f64; 1]);

impl Objective for Hello {
    fn point(&self) -> &[f64] {
        &self.0
    }

    fn value<T: Number>(&self, x: &[T]) -> T {
        x[0] * x[0]
    }
}
