//! The registry: one place for each op. Must know no plan.

mod activations;
mod arithmetic;
mod assemble;
mod cumulative;
pub mod custom;
mod diagonal;
mod einsum;
pub(crate) mod elementwise;
mod functions;
mod index;
mod join;
mod layout;
#[cfg(feature = "linalg")]
mod linalg;
pub(crate) mod list;
mod matmul;
#[cfg(all(test, not(loom)))]
mod memory_tests;
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
mod windows;

pub use activations::*;
pub use arithmetic::*;
pub use einsum::einsum;
pub use functions::*;
pub use join::{cat, stack};
#[cfg(feature = "linalg")]
pub use linalg::Triangle;
pub use list::{REGISTRY, visit_rows};
pub use norm::PowerOfTwo;
pub use real::{Elementwise, Entry, Formula, Real};
pub use registry::RowVisitor;
pub use softmax::Share;
pub use windows::{AvgPool, Conv, ConvTranspose, Interpolation, MaxPool, PerAxis, Unfold};
