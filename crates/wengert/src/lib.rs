//! Reverse-mode automatic differentiation: everything a user needs, under one name. Must hold no logic.
//!
//! # A tour
//!
//! **Record.** A [`Tape`] writes down the operations of a formula; a [`Var`] is a `Copy` handle on one of them. Nothing is
//! computed until a value is asked for, and a mistake in the formula is returned there, with its source line.
//!
//! ```
//! use wengert::prelude::*;
//! let tape = Tape::new();
//! let x = tape.input([[1.0, 2.0], [3.0, 4.0]]);
//! let y = (x.square() + 1.0).ln().sum();
//! assert!((y.item()? - 100f64.ln() - 17f64.ln()).abs() < 1e-14);       // 2 · 5 · 10 · 17 = 1700
//! # Ok::<(), Error>(())
//! ```
//!
//! **Differentiate.** The gradient is recorded too, so it can be differentiated again. [`transform`] has the same for
//! functions: `grad`, `jacobian`, `hessian`, `hvp`, `vjp`, `jvp`.
//!
//! ```
//! use wengert::prelude::*;
//! let tape = Tape::new();
//! let x = tape.input([2.0]);
//! let y = (x * x * x).sum();
//! let [first] = y.grad([x]);
//! let [second] = first.sum().grad([x]);
//! assert_eq!((first.item()?, second.item()?), (12.0, 12.0));           // 3 x² and 6 x
//!
//! let hessian = wengert::transform::hessian(|x| (x * x * x).sum(), &Tensor::from([2.0, 3.0]))?;
//! assert_eq!(hessian, Tensor::from([[12.0, 0.0], [0.0, 18.0]]));
//! # Ok::<(), Error>(())
//! ```
//!
//! **Train.** A model is a struct of layers and parameters that the tape borrows for one step; see [`nn`], [`optim`] and
//! [`data`].
//!
//! ```
//! use rand::{SeedableRng, rngs::StdRng};
//! use wengert::prelude::*;
//!
//! #[derive(Module)]
//! struct Mlp {
//!     hidden: Linear,
//!     out: Linear,
//! }
//!
//! impl Mlp {
//!     fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
//!         self.out.forward(self.hidden.forward(x).tanh())
//!     }
//! }
//!
//! let mut rng = StdRng::seed_from_u64(0);
//! let mut model = Mlp { hidden: Linear::new(1, 16, &mut rng), out: Linear::new(16, 1, &mut rng) };
//! let mut optimizer = Adam::new(0.02);
//! let sine = wengert::data::sine(100, 0.0, 0);
//! let mut losses = vec![];
//! for step in 0..300 {
//!     let tape = Tape::training(step);
//!     let loss = loss::mse(model.forward(tape.constant(sine.inputs())), tape.constant(sine.targets()));
//!     optimizer.step(&mut model, &loss.backward()?)?;
//!     losses.push(loss.item()?);
//! }
//! assert!(losses[0] > 0.1 && losses[299] < 0.01);
//! # Ok::<(), Error>(())
//! ```
//!
//! **Check.** [`check::gradcheck`] compares a function's derivatives with finite differences, element by element: worth a
//! line in the tests of every operation of one's own ([`CustomOp`]).
//!
//! ```
//! use wengert::{check::gradcheck, prelude::*};
//! let (a, b) = (Tensor::from([[0.5, -1.0]]), Tensor::from([[2.0], [0.25]]));
//! let report = gradcheck(|x| x[0].matmul(x[1]).tanh(), &[a, b])?;
//! assert!(report.is_ok());
//! assert_eq!(report.comparisons.len(), 4);                             // one output by two and two inputs
//! # Ok::<(), Error>(())
//! ```
//!
//! **Look inside.** A tape prints its numbered formulas with shapes and source lines, a plan the kernels it will run.
//!
//! ```
//! use wengert::prelude::*;
//! let tape = Tape::new();
//! let x = tape.input([1.0, 2.0]);
//! let y = (x.tanh() * 3.0).sum();
//! assert!(tape.to_string().contains("%1 = tanh(%0) : [2]"));
//! let plan = tape.plan([y])?;
//! assert!(plan.to_string().contains("kernel 0"));
//! # Ok::<(), Error>(())
//! ```

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
    pub use wengert_optim::{self as optim, Adam, AdamW, Optimizer, Program, Sgd};
}

/// The README's snippets are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
