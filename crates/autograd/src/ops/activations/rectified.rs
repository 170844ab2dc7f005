//! The rectifier and its relatives: the identity on the right, something flatter on the left.

use super::super::elementwise::{Zero, apply, row};
use super::super::real::Real;
use crate::kernels::number::Element;
use crate::ops::IntoVar;
use crate::tape::var::Var;

row! {
    Relu(x) = "relu({0})", relu;
    // Asked this way round, NaN stays NaN.
    value: N::select(x <= N::of(0.0), N::of(0.0), x);
    // By the result, which is kept anyway: a mask would be written in the forward pass, and as much memory as the result
    // takes read again in the backward pass.
    pullback(y, g): [y.select(g, g.constant(0.0))];
    derivatives: ["1 where x > 0, else 0"];
    domain: [(-3.0, 3.0)];
    kinks: [0.0];
}

row! {
    LeakyRelu(x, slope) = "leaky_relu({0}, {1})", leaky_relu;
    value: N::select(x > N::of(0.0), x, slope * x);
    pullback(y, g): [
        x.gt(x.constant(0.0)).select(g, g.scaled(slope)),
        g.scaled(left(x)),
    ];
    derivatives: ["1 where x > 0, else slope", "min(x, 0)"];
    domain: [(-3.0, 3.0), (0.1, 0.5)];
    kinks: [0.0];
}

row! {
    Elu(x, alpha) = "elu({0}, {1})", elu;
    value: N::select(x > N::of(0.0), x, alpha * x.expm1());
    pullback(y, g): [
        // Not `y + alpha`, which has no digits left where the exponential is small.
        x.gt(x.constant(0.0)).select(g, g.scaled(alpha * left(x).exp())),
        // The row itself is e^x - 1 on the left, and 0 at 0.
        g.scaled(R::apply(Elu, [left(x), x.constant(1.0)])),
    ];
    derivatives: ["1 where x > 0, else alpha exp(x)", "exp(min(x, 0)) - 1"];
    domain: [(-3.0, 3.0), (0.5, 1.5)];
    kinks: [0.0];
}

row! {
    Celu(x, alpha) = "celu({0}, {1})", celu;
    value: N::select(x > N::of(0.0), x, alpha * (x / alpha).expm1());
    pullback(y, g): [
        x.gt(x.constant(0.0)).select(g, g.scaled((left(x) / alpha).exp())),
        {
            let ratio = left(x) / alpha;
            g.scaled(R::apply(Celu, [left(x), alpha]) / alpha - ratio * ratio.exp())
        },
    ];
    derivatives: ["1 where x > 0, else exp(x / alpha)", "exp(r) - 1 - r exp(r), r = min(x, 0) / alpha"];
    domain: [(-3.0, 3.0), (0.5, 1.5)];
    kinks: [0.0];
}

row! {
    Threshold(x, threshold, replacement) = "threshold({0}, {1}, {2})", threshold;
    value: N::select(x <= threshold, replacement, x);
    pullback(y, g): [
        x.gt(threshold).select(g, g.constant(0.0)),
        Zero,
        x.gt(threshold).select(g.constant(0.0), g),
    ];
    derivatives: ["1 where x > threshold, else 0", "0", "0 where x > threshold, else 1"];
    domain: [(-3.0, 3.0), (-0.01, 0.01), (-1.0, 1.0)];
    kinks: [0.0];
}

/// `min(x, 0)`, with derivative 1 at 0: the operand of the left branch, harmless where the right one is taken.
#[track_caller]
fn left<R: Real>(x: R) -> R {
    x.gt(x.constant(0.0)).select(x.constant(0.0), x)
}

/// Selu's two numbers: mean 0 and variance 1 are its fixed point (Klambauer et al. 2017, equation 14).
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

impl<'t, T: Element> Var<'t, T> {
    /// `y = max(x, 0)`: the rectified linear unit.
    ///
    /// Same shape as the operand. The derivative is 1 where `x > 0`, else 0, at the kink 0 too. NaN stays NaN, and passes its
    /// cotangent on.
    /// Sources: Fukushima, "Visual feature extraction by a multilayered network of analog threshold elements" (1969);
    /// Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines" (2010).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([-1.0, 0.0, 2.0]));
    /// let y = x.relu();
    /// assert_eq!(y.value()?.as_slice(), [0.0, 0.0, 2.0]);
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.as_slice(), [0.0, 0.0, 1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn relu(self) -> Self {
        apply(Relu, [self])
    }

    /// `y = x where x > 0, else slope x`: a rectifier that still passes a little on the left.
    ///
    /// Same shape as the operand. PyTorch's default slope is 0.01. The derivative is 1 where `x > 0`, else the slope, at
    /// the kink 0 too. Source: Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models"
    /// (2013).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([-1.0, 0.0, 2.0]));
    /// let y = x.leaky_relu(0.01);
    /// assert_eq!(y.value()?.as_slice(), [-0.01, 0.0, 2.0]);
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.as_slice(), [0.01, 0.01, 1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn leaky_relu(self, slope: impl IntoVar<'t, T>) -> Self {
        apply(LeakyRelu, [self, slope.into_var(self.tape)])
    }

    /// `y = x where x > 0, else slope x`, with a slope that is learnt.
    ///
    /// Shapes are broadcast by NumPy's rule: `[channels]` fits `[batch, channels]`; for images, where PyTorch takes
    /// `[channels]` along axis 1, reshape the slope to `[channels, 1, 1]`. PyTorch starts the slope at 0.25. The
    /// derivatives are 1 where `x > 0`, else the slope, and `min(x, 0)` by the slope; at the kink 0 the slope and 0.
    /// Source: He, Zhang, Ren and Sun, "Delving deep into rectifiers" (2015).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([-1.0, -3.0, 2.0]));
    /// let slope = tape.input(Tensor::scalar(0.25));
    /// let y = x.prelu(slope);
    /// assert_eq!(y.value()?.as_slice(), [-0.25, -0.75, 2.0]);
    /// let [gx, g_slope] = y.sum().grad([x, slope]);
    /// assert_eq!(gx.value()?.as_slice(), [0.25, 0.25, 1.0]);
    /// assert_eq!(g_slope.item()?, -4.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn prelu(self, slope: Var<'t, T>) -> Self {
        apply(LeakyRelu, [self, slope])
    }

    /// `y = x where x > 0, else alpha (exp(x) - 1)`: the exponential linear unit.
    ///
    /// Same shape as the operand. PyTorch's default for alpha is 1. The derivative is 1 where `x > 0`, else
    /// `alpha exp(x)`; alpha at the kink 0. Source: Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network
    /// learning by exponential linear units" (2015).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([-1000.0, 0.0, 3.0]));
    /// let y = x.elu(2.0);
    /// assert_eq!(y.value()?.as_slice(), [-2.0, 0.0, 3.0]);
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.as_slice(), [0.0, 2.0, 1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn elu(self, alpha: impl IntoVar<'t, T>) -> Self {
        apply(Elu, [self, alpha.into_var(self.tape)])
    }

    /// `y = x where x > 0, else alpha (exp(x / alpha) - 1)`: an exponential linear unit without a kink.
    ///
    /// Same shape as the operand. PyTorch's default for alpha is 1; 0 is not allowed (NaN). The derivative is 1 where
    /// `x > 0`, else `exp(x / alpha)`; the second one jumps at 0, where it is `1 / alpha`. Source: Barron, "Continuously
    /// differentiable exponential linear units" (2017).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([-4000.0, 0.0, 3.0]));
    /// let y = x.celu(2.0);
    /// assert_eq!(y.value()?.as_slice(), [-2.0, 0.0, 3.0]);
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.as_slice(), [0.0, 1.0, 1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn celu(self, alpha: impl IntoVar<'t, T>) -> Self {
        apply(Celu, [self, alpha.into_var(self.tape)])
    }

    /// `y = scale elu(x, alpha)`, scale = 1.0507009873554805, alpha = 1.6732632423543772: keeps mean 0 and variance 1.
    ///
    /// Same shape as the operand. The derivative is `scale` where `x > 0`, else `scale alpha exp(x)`, which is 1.758 at
    /// the kink 0. Source: Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks" (2017).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([0.0, 1.0]));
    /// let y = x.selu();
    /// assert_eq!(y.value()?.as_slice(), [0.0, 1.0507009873554805]);
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.as_slice()[1], 1.0507009873554805);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn selu(self) -> Self {
        // A composition: the product is fused with the row and adds one rounding.
        self.elu(SELU_ALPHA) * T::of(SELU_SCALE)
    }

    /// `y = x where x > threshold, else value`.
    ///
    /// Same shape as the operand. PyTorch has no defaults. The derivative is 1 where `x > threshold`, else 0, at the
    /// threshold too. NaN stays NaN.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([-1.0, 1.0, 2.0]));
    /// let y = x.threshold(1.0, -5.0);
    /// assert_eq!(y.value()?.as_slice(), [-5.0, -5.0, 2.0]);
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.as_slice(), [0.0, 0.0, 1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn threshold(self, threshold: impl IntoVar<'t, T>, value: impl IntoVar<'t, T>) -> Self {
        apply(Threshold, [self, threshold.into_var(self.tape), value.into_var(self.tape)])
    }
}
