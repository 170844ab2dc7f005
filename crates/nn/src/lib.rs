//! Models: parameters, layers, losses, initialisers and state dicts. Names, layouts and defaults are PyTorch's, so a state
//! dict in safetensors moves both ways without an adapter.
//!
//! A layer is a struct of [`Param`]s and a `forward(&self, x: Var) -> Var`; `#[derive(Module)]` finds the parameters.

mod activation;
mod dropout;
mod file;
pub mod init;
mod layer;
mod linear;
pub mod loss;
mod sequential;
mod summary;

pub use activation::{Activation, PRelu};
pub use dropout::Dropout;
pub use file::{load, load_state, save, save_state};
pub use layer::Layer;
pub use linear::{Linear, LinearBuilder};
pub use sequential::Sequential;
pub use summary::{Summary, summary};
pub use wengert_autograd::{Module, Param, ParamId, Path, StateDict, Visitor, VisitorMut};
pub use wengert_derive::Module;
