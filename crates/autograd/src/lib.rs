//! Tensors, a tape, and reverse-mode differentiation of everything recorded on it.

pub mod kernels;
