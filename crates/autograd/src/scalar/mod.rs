//! Derivatives of functions of numbers: objective functions of thousands of scalar operations. Values are computed at
//! once; a tape records partial derivatives. Shares the rows of `ops` with the tensor side, and must not know it.

mod columns;
mod dual;
mod float;
mod number;
mod operators;
mod reverse;
mod statement;
mod tape;
mod traits;
mod var;

pub use dual::Dual;
pub use float::IntoNumber;
pub use number::Scalar;
pub use reverse::{Adjoints, LaneAdjoints};
pub use tape::Tape;
pub use var::Var;
