//! The facade: everything a user needs, under one name. Must hold no logic.

pub use wengert_autograd::kernels::pool::{set_threads, threads};
pub use wengert_autograd::*;
pub use wengert_data as data;
pub use wengert_nn as nn;
pub use wengert_optim as optim;

/// What a model usually needs: `use wengert::prelude::*;`.
pub mod prelude {
    pub use wengert_autograd::{
        Element, Entry, Error, ErrorKind, Gradients, IndexTensor, Param, Real, Result, Shape, Tape, Tensor, Var,
    };
    pub use wengert_nn::{self as nn, Activation, Dropout, Layer, Linear, Module, Sequential, loss};
    pub use wengert_optim::{self as optim, Adam, AdamW, Optimizer, Sgd};
}
