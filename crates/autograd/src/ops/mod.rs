//! The registry: one place for each op. Must know no plan.

mod activations;
mod arithmetic;
pub mod custom;
pub(crate) mod elementwise;
mod functions;
mod index;
mod list;
mod matmul;
mod random;
pub(crate) mod real;
mod reduce;
pub mod registry;
mod shape;

pub use activations::*;
pub use arithmetic::*;
pub use functions::*;
pub use list::REGISTRY;
pub use real::{Elementwise, Entry, Formula, Real};
