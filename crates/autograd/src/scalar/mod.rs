//! Derivatives of functions of numbers: objective functions of thousands of scalar operations. Values are computed at
//! once; a tape records partial derivatives. Shares the rows of `ops` with the tensor side, and must not know it.

mod checkpoint;
mod colouring;
mod columns;
mod compiled;
mod dual;
mod float;
mod forward;
mod lanes;
mod local;
mod number;
mod operators;
mod reverse;
mod sparse;
mod statement;
mod tape;
mod traits;
mod transform;
mod var;

pub use checkpoint::checkpointed_loop;
pub use compiled::{Compiled, MapReduce, Outputs, Traced};
pub use dual::Dual;
pub use float::IntoNumber;
pub use forward::Tangents;
pub use lanes::DualVector;
pub use number::Scalar;
pub use reverse::{Adjoints, LaneAdjoints};
pub use sparse::{SparseMatrix, sparse_hessian, sparse_jacobian};
pub use statement::{dot, linear_combination, logsumexp, sqnorm, sum};
pub use tape::Tape;
pub use transform::{derivative, grad, hessian, hvp, jacobian, value_and_grad};
pub use var::Var;
