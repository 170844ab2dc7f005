//! Windows that slide over up to three axes: convolution, pooling, and what is linear along one axis.
//!
//! Fewer than three axes are three with axes of length 1 in front, so every loop is written once.

mod axis;
pub mod banded;
mod columns;
pub mod convolution;
pub mod extreme;
mod pairs;

pub use axis::{Axis, Windows};
pub use columns::{fold, unfold};
