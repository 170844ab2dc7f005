//! A plan as text: kernels in order, what was fused, shapes, bytes, flops.

use std::fmt;

/// A plan in words.
#[derive(Clone, Debug)]
pub struct Plan(String);

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
