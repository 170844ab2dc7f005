//! Loops over plain slices: the only floor with `unsafe` code. It must know nothing of tensors, ops or tapes.

pub mod block;
pub mod dispatch;
pub mod gather;
pub mod gemm;
#[cfg(test)]
mod gemm_tests;
pub mod lane;
pub mod lanes;
pub mod math;
pub mod number;
pub mod philox;
pub mod pool;
#[cfg(test)]
mod pool_tests;
pub mod reduce;
#[cfg(test)]
mod reduce_tests;
