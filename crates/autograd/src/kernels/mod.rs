//! Loops over plain slices: the only floor with `unsafe` code. It must know nothing of tensors, ops or tapes.

pub mod block;
pub mod chain;
pub mod dispatch;
pub mod gather;
pub mod gemm;
pub mod indexing;
pub mod lane;
mod lanes;
pub mod lists;
pub mod math;
pub mod native;
pub mod number;
pub mod peak;
pub mod philox;
mod places;
mod pointwise;
pub mod pool;
pub mod reduce;
pub mod scan;
pub mod scratch;
mod softmax;
pub mod sort;
mod tile;
pub mod windows;
