//! The facade: everything a user needs, under one name. Must hold no logic.

pub use wengert_autograd::*;
pub use wengert_data as data;

/// What a model usually needs: `use wengert::prelude::*;`.
pub mod prelude {
    pub use wengert_autograd::{
        Element, Entry, Error, ErrorKind, Gradients, IndexTensor, Module, Param, Real, Result, Shape, Tape, Tensor, Var,
    };
}
