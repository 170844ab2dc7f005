//! Loops over plain slices: the only floor with `unsafe` code. It must know nothing of tensors, ops or tapes.

pub mod block;
pub mod dispatch;
pub mod gather;
pub mod number;
pub mod pool;
