//! Activation functions, with PyTorch's names, defaults and kinks.
//!
//! Their numbers (slope, alpha, lambda, ...) are further operands of the rows, so derivatives with respect to them come
//! for free: `prelu` is the row of `leaky_relu` with a slope that is learnt.

mod piecewise;
mod rectified;
mod smooth;

pub use piecewise::*;
pub use rectified::*;
pub use smooth::*;
