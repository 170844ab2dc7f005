//! The registry: one place for each op. Must know no plan.

mod activations;
mod arithmetic;
mod cumulative;
pub mod custom;
mod diagonal;
mod einsum;
pub(crate) mod elementwise;
mod functions;
mod index;
mod join;
mod layout;
mod list;
mod matmul;
mod norm;
mod random;
pub(crate) mod real;
mod reduce;
mod reduce_samples;
pub mod registry;
mod samples;
mod shape;
mod slice;
mod softmax;
mod sort;
mod statistics;

pub use activations::*;
pub use arithmetic::*;
pub use einsum::einsum;
pub use functions::*;
pub use join::{cat, stack};
pub use list::REGISTRY;
pub use norm::PowerOfTwo;
pub use real::{Elementwise, Entry, Formula, Real};
pub use softmax::Share;
