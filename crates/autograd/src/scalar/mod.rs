//! Derivatives of functions of numbers: objective functions of thousands of scalar operations. Values are computed at
//! once; a tape records partial derivatives. Shares the rows of `ops` with the tensor side, and must not know it.
//!
//! ```
//! use wengert_autograd::scalar::{self, Tape};
//! let tape = Tape::new();
//! let (x, y) = (tape.var(2.0), tape.var(3.0));
//! let z = (x * y).sin() + x.exp() / y;
//! let adjoints = z.backward();
//! assert!((adjoints.wrt(x) - (3.0 * 6f64.cos() + 2f64.exp() / 3.0)).abs() < 1e-14);
//! // The same for functions.
//! let gradient = scalar::grad(|x| (x[0] * x[1]).sin() + x[0].exp() / x[1], &[2.0, 3.0]);
//! assert_eq!(gradient[0], adjoints.wrt(x));
//! ```
//!
//! # Which to use
//!
//! | for | use |
//! |---|---|
//! | a gradient | [`grad`], or [`Tape::value_and_grad`] again and again in the same memory |
//! | a sum over many data | [`sum_terms`], [`Tape::sum`]: memory for one term |
//! | sums and products of many numbers | [`dot`], [`sum`], [`sqnorm`], [`logsumexp`], [`linear_combination`], [`weighted_dot`]: one record each |
//! | a function of a few numbers | [`Dual`], [`DualVector`] |
//! | second and higher derivatives | [`hvp`], [`hessian`]; a [`derivative`] within a [`derivative`] |
//! | matrices of derivatives, mostly zeros | [`sparse_jacobian`], [`sparse_hessian`] |
//! | the same function again and again | [`Compiled`], [`MapReduce`] over rows of data, [`Recursion`] over steps: recorded once |
//! | a recursion of a million steps | [`checkpointed_loop`], [`checkpointed_loop_within`] |
//!
//! # Code that knows nothing of this
//!
//! [`Var`], [`Dual`] and [`DualVector`] implement the traits of `num_traits` (`Num`, `Float`, `FloatConst`, `Signed`,
//! `FromPrimitive`, `ToPrimitive`, `NumCast`), so code that is generic over `Float` is differentiable unchanged. Where it
//! turns a number into an integer or a plain float (`to_f64`, `classify`), the derivative ends.
//!
//! `ndarray` multiplies matrices of numbers that are `'static`: [`Dual`] is, and so is a [`Var`] of a tape made by
//! [`Tape::leak`]; sums and elementwise operators have no such bound. `nalgebra` asks `'static` of every number in a matrix,
//! and no more for sums, matrix products, `dot` and `cross`: those take [`Dual`], [`DualVector`] and a [`Var`] of a leaked tape.
//! Its norms, inverses and decompositions ask for `ComplexField` or `RealField` of `simba`. These want `Send` and `Sync`, which
//! a [`Var`] isn't, since its tape isn't. For [`Dual`], only this crate could implement them (they rest on `SimdValue`, `Field`,
//! `SubsetOf` and `SupersetOf` of `simba`, and on `RelativeEq` and `UlpsEq` of `approx`), by depending on both; it doesn't.

mod checkpoint;
mod colouring;
mod columns;
mod compiled;
mod dual;
mod float;
mod forward;
mod handle;
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

pub use checkpoint::{checkpointed_loop, checkpointed_loop_within};
pub use compiled::{Compiled, MapReduce, Outputs, Plain, Recursion, Steps, Traced};
pub use dual::Dual;
pub use float::IntoNumber;
pub use forward::Tangents;
pub use lanes::DualVector;
pub use local::sum_terms;
pub use number::Scalar;
pub use reverse::{Adjoints, LaneAdjoints};
pub use sparse::{SparseMatrix, sparse_hessian, sparse_jacobian};
pub use statement::{dot, linear_combination, logsumexp, sqnorm, sum, weighted_dot};
pub use tape::Tape;
pub use transform::{derivative, grad, hessian, hvp, jacobian, value_and_grad};
pub use var::Var;
