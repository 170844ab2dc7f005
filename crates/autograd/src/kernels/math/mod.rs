//! Elementary and special functions for loops over slices.
//!
//! Each function is one generic over [`Real`](real::Real) (f32 or f64) and over `FMA`, which says that a fused
//! multiply-add is one instruction. Those in the modules `exponential`, `logarithm`, `trigonometric` and `error` are
//! free of branches, calls and table look-ups, so that the compiler vectorises a loop around them. Their errors, in units
//! of the last place, are bounded in `tests`.

pub mod error;
pub mod exponential;
pub mod gamma;
pub mod logarithm;
pub mod polynomials;
pub mod power;
pub mod real;
pub mod rounding;
pub mod trigonometric;

#[cfg(test)]
mod tests;
