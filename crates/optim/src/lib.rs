//! Optimisers: the update rules and defaults of PyTorch. State is kept by parameter path, never by identity or position,
//! so it can be saved, restored bit by bit, and given to a clone of the model. Must know no layer and no loss.

mod adam;
mod core;
mod program;
mod sgd;

pub use adam::{Adam, AdamW};
pub use program::Program;
pub use sgd::Sgd;

use wengert_autograd::{Element, Gradients, Module, Result, StateDict};

/// A rule that changes the parameters of a model by their gradients.
///
/// ```
/// use wengert_autograd::{Param, Tape, Tensor};
/// use wengert_optim::{Optimizer, Sgd};
/// let mut weight = Param::new(Tensor::from([3.0]));
/// let mut optimizer = Sgd::new(0.1);
/// let tape = Tape::new();
/// let grads = tape.param(&weight).square().sum().backward()?;      // d/dw w^2 = 6
/// optimizer.step(&mut weight, &grads)?;
/// assert!((weight.value().item()? - 2.4f64).abs() < 1e-15);        // 3 - 0.1 * 6
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub trait Optimizer<T: Element = f32> {
    /// Changes every trained parameter by its gradient, and gives buffers the values that the forward pass wants them to
    /// take. Frozen parameters stay as they are.
    ///
    /// # Errors
    /// The model is then unchanged. [`ErrorKind::Unreached`](wengert_autograd::ErrorKind::Unreached): a trained
    /// parameter has no gradient, unless missing gradients are allowed.
    /// [`ErrorKind::Argument`](wengert_autograd::ErrorKind::Argument): an option out of its range.
    /// [`ErrorKind::State`](wengert_autograd::ErrorKind::State): the state is not that of this model.
    fn step(&mut self, model: &mut dyn Module<T>, grads: &Gradients<T>) -> Result<()>;

    /// The learning rate.
    fn learning_rate(&self) -> f64;

    /// Sets the learning rate of later steps.
    fn set_learning_rate(&mut self, learning_rate: f64);

    /// The state by parameter path: `"out.weight.exp_avg"`, and for each parameter the number of its steps as
    /// `"out.weight.step"`, in two parts: the remainder by 2^24 and the quotient, each exact in `f32`. Options such as
    /// the learning rate are no part of it.
    fn state_dict(&self) -> StateDict<T>;

    /// Takes up a state exactly as it was saved. The next step then demands that state and model have the same
    /// parameters.
    ///
    /// # Errors
    /// [`ErrorKind::State`](wengert_autograd::ErrorKind::State), with every key that is missing, unexpected or misshapen;
    /// the state is then unchanged.
    fn load_state_dict(&mut self, dict: &StateDict<T>) -> Result<()>;
}

/// The trait for an optimiser of a `core` and a `rule`.
macro_rules! implement_optimizer {
    ($name:ident) => {
        impl<T: Element> $name<T> {
            /// Whether a trained parameter without a gradient is left as it is instead of being an error. Default
            /// false.
            pub fn allow_missing(mut self, allow: bool) -> Self {
                self.core.allow_missing = allow;
                self
            }
        }

        impl<T: Element> Optimizer<T> for $name<T> {
            fn step(&mut self, model: &mut dyn Module<T>, grads: &Gradients<T>) -> Result<()> {
                self.core.step(&self.rule, model, grads)
            }

            fn learning_rate(&self) -> f64 {
                self.core.learning_rate
            }

            fn set_learning_rate(&mut self, learning_rate: f64) {
                self.core.learning_rate = learning_rate;
            }

            fn state_dict(&self) -> StateDict<T> {
                self.core.state_dict(&self.rule)
            }

            fn load_state_dict(&mut self, dict: &StateDict<T>) -> Result<()> {
                self.core.load_state_dict(&self.rule, dict)
            }
        }
    };
}
pub(crate) use implement_optimizer;
