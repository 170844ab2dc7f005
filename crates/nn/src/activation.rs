//! Activations as layers.

use wengert_autograd::{Element, Module, Param, Path, Tensor, Var, Visitor, VisitorMut};
use wengert_derive::Module;

use crate::Layer;

/// An elementwise function as a layer without parameters. Parameters of the functions have no defaults here; PyTorch's
/// are named at each. Same shape as the input.
///
/// ```
/// use wengert_autograd::Tape;
/// use wengert_nn::{Activation, Layer};
/// let tape = Tape::new();
/// let x = tape.input([-2.0, 3.0]);
/// let y = Activation::LeakyRelu(0.1).forward(x);
/// assert_eq!(y.value()?.as_slice(), [-0.2, 3.0]);
/// let [gx] = y.sum().grad([x]);
/// assert_eq!(gx.value()?.as_slice(), [0.1, 1.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `x` above 0, else `slope x`; PyTorch's slope is 0.01.
    LeakyRelu(f64),
    /// `x` above 0, else `alpha (eˣ - 1)`; PyTorch's alpha is 1.
    Elu(f64),
    /// `x` above 0, else `alpha (e^(x / alpha) - 1)`; PyTorch's alpha is 1.
    Celu(f64),
    /// `1.0507 elu(x)` with `alpha = 1.6733`.
    Selu,
    /// `x Φ(x)`, with the distribution function of the normal distribution.
    Gelu,
    /// `x Φ(x)`, approximated by a hyperbolic tangent.
    GeluTanh,
    /// `x sigmoid(x)`
    Silu,
    /// `x tanh(softplus(x))`
    Mish,
    /// `tanh x`
    Tanh,
    /// `1 / (1 + e⁻ˣ)`
    Sigmoid,
    /// `ln(1 / (1 + e⁻ˣ))`
    LogSigmoid,
    /// `x / 6 + 1/2`, cut to `[0, 1]`.
    HardSigmoid,
    /// `x hard_sigmoid(x)`
    HardSwish,
    /// `x`, cut to `[-1, 1]`.
    HardTanh,
    /// `ln(1 + eˣ)`
    Softplus,
    /// `x / (1 + |x|)`
    Softsign,
    /// `x` where `|x| > lambda`, else 0; PyTorch's lambda is 0.5.
    HardShrink(f64),
    /// `x` moved towards 0 by lambda, 0 where that would pass 0; PyTorch's lambda is 0.5.
    SoftShrink(f64),
    /// `x - tanh x`
    TanhShrink,
    /// `x` where it is above the threshold, else `value`.
    Threshold {
        /// The bound.
        threshold: f64,
        /// What stands in for elements that are not above it.
        value: f64,
    },
    /// `eˣ / Σ eˣ` along an axis.
    Softmax(isize),
    /// `x - ln Σ eˣ` along an axis.
    LogSoftmax(isize),
}

impl<T: Element> Layer<T> for Activation {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        match *self {
            Activation::Relu => x.relu(),
            Activation::Relu6 => x.relu6(),
            Activation::LeakyRelu(slope) => x.leaky_relu(slope),
            Activation::Elu(alpha) => x.elu(alpha),
            Activation::Celu(alpha) => x.celu(alpha),
            Activation::Selu => x.selu(),
            Activation::Gelu => x.gelu(),
            Activation::GeluTanh => x.gelu_tanh(),
            Activation::Silu => x.silu(),
            Activation::Mish => x.mish(),
            Activation::Tanh => x.tanh(),
            Activation::Sigmoid => x.sigmoid(),
            Activation::LogSigmoid => x.log_sigmoid(),
            Activation::HardSigmoid => x.hard_sigmoid(),
            Activation::HardSwish => x.hard_swish(),
            Activation::HardTanh => x.hard_tanh(),
            Activation::Softplus => x.softplus(),
            Activation::Softsign => x.softsign(),
            Activation::HardShrink(lambda) => x.hard_shrink(lambda),
            Activation::SoftShrink(lambda) => x.soft_shrink(lambda),
            Activation::TanhShrink => x.tanh_shrink(),
            Activation::Threshold { threshold, value } => x.threshold(threshold, value),
            Activation::Softmax(axis) => x.softmax(axis),
            Activation::LogSoftmax(axis) => x.log_softmax(axis),
        }
    }
}

impl<T: Element> Module<T> for Activation {
    fn visit<'m>(&'m self, _: &mut Path, _: &mut Visitor<'_, 'm, T>) {}

    fn visit_mut<'m>(&'m mut self, _: &mut Path, _: &mut VisitorMut<'_, 'm, T>) {}
}

/// `x` above 0, else `w x`, with one trained slope `w` for all elements.
///
/// Default, that of PyTorch: `w = 0.25`. `weight` is `[1]`.
///
/// Source: He and others, "Delving deep into rectifiers", 2015.
///
/// ```
/// use wengert_autograd::Tape;
/// use wengert_nn::{Layer, PRelu};
/// let layer = PRelu::new();
/// let tape = Tape::new();
/// let y = layer.forward(tape.constant([-2.0, 3.0]));
/// assert_eq!(y.value()?.as_slice(), [-0.5, 3.0]);
/// assert_eq!(y.sum().backward()?.get(&layer.weight).unwrap().as_slice(), [-2.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug, Module)]
#[module(crate = wengert_autograd)]
pub struct PRelu<T: Element = f32> {
    /// `w`, of shape `[1]`.
    pub weight: Param<T>,
}

impl<T: Element> PRelu<T> {
    /// The layer with its default slope.
    pub fn new() -> Self {
        PRelu { weight: Param::new(Tensor::full([1], T::of(0.25))) }
    }
}

impl<T: Element> Default for PRelu<T> {
    fn default() -> Self {
        PRelu::new()
    }
}

impl<T: Element> Layer<T> for PRelu<T> {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        x.relu() - x.tape().param(&self.weight) * (-x).relu()
    }
}
