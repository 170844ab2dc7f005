//! Loops over plain slices: the only floor with `unsafe` code. It must know nothing of tensors, ops or tapes.

pub mod block;
pub mod dispatch;
pub mod lane;
pub mod math;
pub mod number;
