//! Checking: derivatives against differences. Uses only the public face of the crate, so that what it proves is what
//! users get; the doctor alone also sweeps with rules that it broke, and blame looks at single nodes of the tape.
//!
//! ```
//! use wengert_autograd::Tensor;
//! use wengert_autograd::check::gradcheck;
//! let a = Tensor::from([[0.5, -1.0], [0.25, 2.0]]);
//! let b = Tensor::from([[1.0, 0.0], [-0.5, 0.75]]);
//! let report = gradcheck(|x| x[0].matmul(x[1]).tanh().sum(), &[a, b])?;
//! assert!(report.worst() < 1e-10);
//! # Ok::<(), wengert_autograd::Error>(())
//! ```

mod blame;
mod checker;
pub mod close;
mod difference;
mod doctor;
mod gradcheck;
mod json;
mod judge;
mod line;
mod module;
mod precision;
mod report;
mod subject;

pub use blame::{Blame, Cause};
pub use difference::{Difference, Estimate};
pub use doctor::{Diagnoses, Diagnosis, Finding, HandGradient, Place, hand_gradient, hand_gradients};
pub use gradcheck::{GradCheck, gradcheck};
pub use module::{Coverage, ModuleReport, Reach, module};
pub use precision::{Generic, Precision, precision};
pub use report::{Comparison, Counts, GradReport, Mode, Reason, Verdict};
