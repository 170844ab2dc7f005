//! Dropout.

use wengert_autograd::{Element, Error, ErrorKind, Module, Path, Var, Visitor, VisitorMut};

use crate::Layer;

/// `y = x m / (1 - p)` with `m` drawn from `{0, 1}`, 0 with the probability `p`, for each element; `y = x` on any tape but
/// [`Tape::training`](wengert_autograd::Tape::training).
///
/// Default `p`, that of PyTorch: 0.5. The draws depend on the seed of the tape. Same shape as the input. A probability
/// outside `[0, 1]` is an error on every tape.
///
/// Source: Srivastava and others, "Dropout: a simple way to prevent neural networks from overfitting", 2014.
///
/// ```
/// use wengert_autograd::{Tape, Tensor};
/// use wengert_nn::{Dropout, Layer};
/// let dropout = Dropout::new(0.5);
/// let tape = Tape::new();
/// let x = tape.input([1.0f32, 2.0]);
/// assert_eq!(dropout.forward(x).value()?.as_slice(), [1.0, 2.0]);
/// let tape = Tape::<f32>::training(7);
/// let x = tape.input(Tensor::ones([100]));
/// let y = dropout.forward(x);
/// assert!(y.value()?.as_slice().iter().all(|&value| value == 0.0 || value == 2.0));
/// let [gx] = y.sum().grad([x]);                     // the same factor for the cotangent
/// assert_eq!(gx.value()?, y.value()?);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The probability that an element becomes 0.
    pub probability: f64,
}

impl Dropout {
    /// Dropout with a probability.
    pub fn new(probability: f64) -> Self {
        Dropout { probability }
    }
}

impl Default for Dropout {
    fn default() -> Self {
        Dropout::new(0.5)
    }
}

impl<T: Element> Layer<T> for Dropout {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        if !(0.0..=1.0).contains(&self.probability) {
            let message = format!("the probability is {}, but must be from 0 to 1", self.probability);
            return x.tape().fail(Error::new(ErrorKind::Argument, message).op("dropout"));
        }
        match x.tape().is_training() && self.probability > 0.0 {
            true if self.probability == 1.0 => x * T::of(0.0),
            true => x.dropout(self.probability),
            false => x,
        }
    }
}

impl<T: Element> Module<T> for Dropout {
    fn visit<'m>(&'m self, _: &mut Path, _: &mut Visitor<'_, 'm, T>) {}

    fn visit_mut<'m>(&'m mut self, _: &mut Path, _: &mut VisitorMut<'_, 'm, T>) {}
}
