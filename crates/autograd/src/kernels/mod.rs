//! Loops over plain slices: the only floor with `unsafe` code. It must know nothing of tensors, ops or tapes.

pub mod dispatch;
pub mod gemm;
mod lanes;
pub mod philox;
mod places;
pub mod pool;
pub mod reduce;
mod softmax;
mod tile;
