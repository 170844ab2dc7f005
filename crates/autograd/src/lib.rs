//! Tensors, a tape, and reverse-mode differentiation of everything recorded on it.

pub mod check;
mod error;
mod grad;
pub mod kernels;
mod module;
pub mod ops;
mod run;
pub mod scalar;
mod tape;
mod tensor;

#[doc(hidden)]
pub use error::json;
pub use error::{Error, ErrorKind, Result};
/// The arrays that [`CustomOp`] computes on, and that [`Tensor::view`] gives.
pub use ndarray;

pub use grad::transform;
pub use grad::{Batch, Gradients, Part, Replay};
pub use kernels::number::Element;
pub use kernels::peak::Peak;
pub use module::{Module, Param, ParamId, Path, StateDict, Visitor, VisitorMut};
pub use ops::custom::CustomOp;
pub use ops::{AvgPool, Conv, ConvTranspose, Interpolation, MaxPool, PerAxis, Unfold};
pub use ops::{Entry, IntoVar, Real, cat, einsum, stack, where_};
pub use ops::{fmax, fmin, hypot, logaddexp, maximum, minimum};
pub use run::{Plan, PlanCounters, PlannedKernel, Profile, plan_counters};
pub use tape::Tape;
pub use tape::op::Pullback;
pub use tape::var::Var;
pub use tensor::{IndexTensor, Shape, Tensor};
