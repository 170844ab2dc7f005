//! Tensors, a tape, and reverse-mode differentiation of everything recorded on it.

mod error;
pub mod kernels;
mod module;
mod tensor;

pub use error::{Error, ErrorKind, Result};
pub use kernels::number::Element;
pub use module::{Module, Param, ParamId, Path, Visitor, VisitorMut};
pub use tensor::{IndexTensor, Shape, Tensor};
