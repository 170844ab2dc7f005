//! Losses: what training makes small. Names and defaults are PyTorch's; each is the mean unless another [`Reduction`] is
//! asked for.
//!
//! Prediction and target must have equal shapes. PyTorch repeats `[n]` against `[n, 1]` to `[n, n]` with a warning; here
//! that is an error. The mean of nothing is an error too.

mod classes;
mod elementwise;

pub use classes::{CrossEntropy, CrossEntropyProbabilities, Nll, cross_entropy, cross_entropy_probabilities, nll};
pub use elementwise::{
    Bce, BceWithLogits, Hinge, Huber, L1, Mse, SmoothL1, bce, bce_with_logits, hinge, huber, l1, mse, smooth_l1,
};

use wengert_autograd::{Element, Error, ErrorKind, Var};

/// How the losses of the elements, or of the examples where there are labels, become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// They stay apart.
    None,
    /// Their sum.
    Sum,
    /// Their mean: the default.
    #[default]
    Mean,
}

/// Reduces the losses `each`; the mean is the sum divided by `divisor`, or by their number.
#[track_caller]
fn reduce<'t, T: Element>(name: &str, each: Var<'t, T>, reduction: Reduction, divisor: Option<f64>) -> Var<'t, T> {
    match reduction {
        Reduction::None => each,
        Reduction::Sum => each.sum(),
        Reduction::Mean => match (each.shape().volume(), divisor) {
            (0, _) => fail(each, name, ErrorKind::Shape, "the mean of no losses".into(), EMPTY),
            (_, Some(divisor)) => each.sum() / T::of(divisor),
            (_, None) => each.mean(),
        },
    }
}

const EMPTY: &str = "the batch is empty; skip it, or ask for Reduction::Sum, which is then 0";

/// Keeps a mistake on the tape.
#[track_caller]
fn fail<'t, T: Element>(x: Var<'t, T>, name: &str, kind: ErrorKind, message: String, hint: &str) -> Var<'t, T> {
    x.tape().fail(Error::new(kind, message).op(name).hint(hint))
}

/// Whether nothing went wrong before and the shapes are equal; the mistake is kept otherwise.
#[track_caller]
fn fits<'t, T: Element>(name: &str, prediction: Var<'t, T>, target: Var<'t, T>) -> Result<(), Var<'t, T>> {
    let (shape, other) = (prediction.shape(), target.shape());
    let earlier = [prediction, target].iter().any(|x| x.tape().first_error().is_err());
    match shape == other || earlier {
        true => Ok(()),
        false => {
            let message = format!("prediction {shape} and target {other} have different shapes");
            let hint = "a loss does not broadcast; reshape one of them";
            Err(fail(prediction, name, ErrorKind::Shape, message, hint))
        }
    }
}
