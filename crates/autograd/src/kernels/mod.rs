//! Loops over plain slices: the only floor with `unsafe` code. It must know nothing of tensors, ops or tapes.

pub mod dispatch;
pub mod gemm;
pub(crate) mod lanes;
pub mod philox;
pub mod pool;
pub mod reduce;
