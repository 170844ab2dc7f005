//! The logarithm of a sum of exponentials.

use serde_json::Value;

use crate::json::{self, Result};
use crate::number::Number;
use crate::ways::Objective;

/// The exponents.
#[derive(Clone, Debug)]
pub struct Lse(pub Vec<f64>);

impl Lse {
    /// From the input of a message.
    pub fn parse(input: &Value) -> Result<Lse> {
        let x = json::numbers(input, "x")?;
        if x.is_empty() { Err("\"x\" is empty".into()) } else { Ok(Lse(x)) }
    }
}

impl Objective for Lse {
    fn point(&self) -> &[f64] {
        &self.0
    }

    fn value<T: Number>(&self, x: &[T]) -> T {
        T::log_sum_exp(x)
    }
}
