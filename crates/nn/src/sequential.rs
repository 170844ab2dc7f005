//! Layers one after the other.

use std::fmt::{self, Debug};

use wengert_autograd::{Element, Module, Path, Var, Visitor, VisitorMut};

use crate::Layer;

/// A layer that can be kept in a list of different ones and cloned from there.
trait Boxed<T: Element>: Layer<T> + Debug + Send + Sync {
    fn boxed_clone(&self) -> Box<dyn Boxed<T>>;
}

impl<T: Element, L: Layer<T> + Clone + Debug + Send + Sync + 'static> Boxed<T> for L {
    fn boxed_clone(&self) -> Box<dyn Boxed<T>> {
        Box::new(self.clone())
    }
}

/// `y = fₙ(... f₂(f₁(x)))`: layers one after the other.
///
/// The paths of the parameters start with the position of the layer, as in PyTorch: `"0.weight"`. Each layer is recorded
/// in a scope of that name.
///
/// ```
/// use rand::SeedableRng;
/// use wengert_autograd::{Tape, Tensor};
/// use wengert_nn::{Activation, Layer, Linear, Module, Sequential};
/// let mut rng = rand::rngs::StdRng::seed_from_u64(1);
/// let model: Sequential =
///     Sequential::new().push(Linear::new(2, 4, &mut rng)).push(Activation::Tanh).push(Linear::new(4, 1, &mut rng));
/// let paths: Vec<String> = model.named_parameters().into_iter().map(|(path, _)| path).collect();
/// assert_eq!(paths, ["0.weight", "0.bias", "2.weight", "2.bias"]);
/// let tape = Tape::new();
/// let y = model.forward(tape.constant(Tensor::zeros([3, 2])));
/// assert_eq!(y.shape(), [3, 1]);
/// let grads = y.sum().backward()?;
/// assert_eq!(grads.get(model.parameters()[3]).unwrap().as_slice(), [3.0]);   // the last bias counts once a row
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub struct Sequential<T: Element = f32> {
    layers: Vec<Box<dyn Boxed<T>>>,
}

impl<T: Element> Sequential<T> {
    /// No layers: `y = x`.
    pub fn new() -> Self {
        Sequential { layers: Vec::new() }
    }

    /// Adds a layer at the end.
    pub fn push(mut self, layer: impl Layer<T> + Clone + Debug + Send + Sync + 'static) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// The number of layers.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
}

impl<T: Element> Layer<T> for Sequential<T> {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let mut y = x;
        for (position, layer) in self.layers.iter().enumerate() {
            y = x.tape().scope(&position.to_string(), || layer.forward(y));
        }
        y
    }
}

impl<T: Element> Module<T> for Sequential<T> {
    fn visit<'m>(&'m self, path: &mut Path, visitor: &mut Visitor<'_, 'm, T>) {
        for (position, layer) in self.layers.iter().enumerate() {
            path.enter(position, |path| layer.visit(path, visitor));
        }
    }

    fn visit_mut<'m>(&'m mut self, path: &mut Path, visitor: &mut VisitorMut<'_, 'm, T>) {
        for (position, layer) in self.layers.iter_mut().enumerate() {
            path.enter(position, |path| layer.visit_mut(path, visitor));
        }
    }
}

impl<T: Element> Default for Sequential<T> {
    fn default() -> Self {
        Sequential::new()
    }
}

impl<T: Element> Clone for Sequential<T> {
    fn clone(&self) -> Self {
        Sequential { layers: self.layers.iter().map(|layer| (**layer).boxed_clone()).collect() }
    }
}

impl<T: Element> Debug for Sequential<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.layers).finish()
    }
}
