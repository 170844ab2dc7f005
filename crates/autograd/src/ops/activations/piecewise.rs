//! Activations made of straight and parabolic pieces.

use super::super::elementwise::{Zero, apply, row};
use super::super::real::Real;
use crate::kernels::number::{Element, Number};
use crate::ops::IntoVar;
use crate::tape::var::Var;

/// `x` between the bounds; NaN stays NaN.
#[inline(always)]
fn between<N: Number>(x: N, low: N, high: N) -> N {
    N::select(x <= low, low, N::select(x >= high, high, x))
}

/// `g` where `low < x < high`, else 0.
#[track_caller]
fn inside<R: Real>(x: R, low: f64, high: f64, g: R) -> R {
    let zero = g.constant(0.0);
    x.gt(x.constant(low)).select(x.constant(high).gt(x).select(g, zero), zero)
}

row! {
    Relu6(x) = "relu6({0})", relu6;
    value: between(x, N::of(0.0), N::of(6.0));
    pullback(y, g): [inside(x, 0.0, 6.0, g)];
    derivatives: ["1 where 0 < x < 6, else 0"];
    domain: [(-3.0, 9.0)];
    kinks: [0.0, 6.0];
}

row! {
    HardTanh(x) = "hard_tanh({0})", hard_tanh;
    value: between(x, N::of(-1.0), N::of(1.0));
    pullback(y, g): [inside(x, -1.0, 1.0, g)];
    derivatives: ["1 where -1 < x < 1, else 0"];
    domain: [(-3.0, 3.0)];
    kinks: [-1.0, 1.0];
}

row! {
    HardSigmoid(x) = "hard_sigmoid({0})", hard_sigmoid;
    value: between(x / N::of(6.0) + N::of(0.5), N::of(0.0), N::of(1.0));
    pullback(y, g): [inside(x, -3.0, 3.0, g.scaled(x.constant(1.0 / 6.0)))];
    derivatives: ["1/6 where -3 < x < 3, else 0"];
    domain: [(-5.0, 5.0)];
    kinks: [-3.0, 3.0];
}

row! {
    HardSwish(x) = "hard_swish({0})", hard_swish;
    value: N::select(
        x <= N::of(-3.0),
        N::of(0.0),
        N::select(x >= N::of(3.0), x, x * (x / N::of(6.0) + N::of(0.5))),
    );
    pullback(y, g): [{
        let parabola = g.scaled(x / x.constant(3.0) + x.constant(0.5));
        x.gt(x.constant(-3.0)).select(x.constant(3.0).gt(x).select(parabola, g), g.constant(0.0))
    }];
    derivatives: ["0 where x <= -3, x/3 + 1/2 where -3 < x < 3, else 1"];
    domain: [(-5.0, 5.0)];
    kinks: [-3.0, 3.0];
}

/// Nonzero where `|x| > lambda`.
#[track_caller]
fn outside<R: Real>(x: R, lambda: R) -> R {
    x.gt(lambda) + (-lambda).gt(x)
}

row! {
    HardShrink(x, lambda) = "hard_shrink({0}, {1})", hard_shrink;
    value: N::select(x.abs() <= lambda, N::of(0.0), x);
    pullback(y, g): [outside(x, lambda).select(g, g.constant(0.0)), Zero];
    derivatives: ["1 where |x| > lambda, else 0", "0"];
    domain: [(-2.0, 2.0), (0.49, 0.51)];
    kinks: [-0.5, 0.5];
}

row! {
    SoftShrink(x, lambda) = "soft_shrink({0}, {1})", soft_shrink;
    value: N::select(x.abs() <= lambda, N::of(0.0), x - lambda.copysign(x));
    pullback(y, g): [
        outside(x, lambda).select(g, g.constant(0.0)),
        x.gt(lambda).select(-g, (-lambda).gt(x).select(g, g.constant(0.0))),
    ];
    derivatives: ["1 where |x| > lambda, else 0", "-sign(x) where |x| > lambda, else 0"];
    domain: [(-2.0, 2.0), (0.49, 0.51)];
    kinks: [-0.5, 0.5];
}

impl<'t, T: Element> Var<'t, T> {
    /// `y = min(max(x, 0), 6)`: the rectified linear unit cut at 6.
    ///
    /// Same shape as the operand. The derivative is 1 between 0 and 6, and 0 elsewhere, at both kinks too.
    /// Source: Krizhevsky, "Convolutional deep belief networks on CIFAR-10" (2010).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([-1.0, 2.0, 7.0]));
    /// let y = x.relu6();
    /// assert_eq!(y.value()?.as_slice(), [0.0, 2.0, 6.0]);
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.as_slice(), [0.0, 1.0, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn relu6(self) -> Self {
        apply(Relu6, [self])
    }

    /// `y = min(max(x, -1), 1)`: a tangent hyperbolic made of straight pieces.
    ///
    /// Same shape as the operand. The derivative is 1 between -1 and 1, and 0 elsewhere, at both kinks too. The bounds
    /// are PyTorch's defaults. Source: Collobert, "Large scale machine learning" (2004).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([-1.0, 0.5, 7.0]));
    /// let y = x.hard_tanh();
    /// assert_eq!(y.value()?.as_slice(), [-1.0, 0.5, 1.0]);
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.as_slice(), [0.0, 1.0, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn hard_tanh(self) -> Self {
        apply(HardTanh, [self])
    }

    /// `y = min(max(x/6 + 1/2, 0), 1)`: a sigmoid made of straight pieces.
    ///
    /// Same shape as the operand. The derivative is 1/6 between -3 and 3, and 0 elsewhere, at both kinks too.
    /// Sources: Courbariaux, Bengio and David, "BinaryConnect" (2015); the slope 1/6 is that of Howard et al.,
    /// "Searching for MobileNetV3" (2019), and of PyTorch (Keras' was 1/5 before version 3).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([-3.0, 0.0, 7.0]));
    /// let y = x.hard_sigmoid();
    /// assert_eq!(y.value()?.as_slice(), [0.0, 0.5, 1.0]);
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.as_slice(), [0.0, 1.0 / 6.0, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn hard_sigmoid(self) -> Self {
        apply(HardSigmoid, [self])
    }

    /// `y = x hard_sigmoid(x)`: [`silu`](Var::silu) made of a parabola between two straight pieces.
    ///
    /// Same shape as the operand. The derivative is 0 below -3, `x/3 + 1/2` between, 1 above 3; at the kinks it is the
    /// smaller of those on either side: 0 at -3 and 1 at 3. Source: Howard et al., "Searching for MobileNetV3" (2019).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([-4.0, 0.0, 4.0]));
    /// let y = x.hard_swish();
    /// assert_eq!(y.value()?.as_slice(), [0.0, 0.0, 4.0]);
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.as_slice(), [0.0, 0.5, 1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn hard_swish(self) -> Self {
        apply(HardSwish, [self])
    }

    /// `y = x where |x| > lambda, else 0`: keeps what is large.
    ///
    /// Same shape as the operand. PyTorch's default for lambda is 0.5. The derivative is 1 where `|x| > lambda`, else 0,
    /// at the jumps `x = ±lambda` too. Source: Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage"
    /// (1994).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([-2.0, 0.25, 0.5]));
    /// let y = x.hard_shrink(0.5);
    /// assert_eq!(y.value()?.as_slice(), [-2.0, 0.0, 0.0]);
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.as_slice(), [1.0, 0.0, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn hard_shrink(self, lambda: impl IntoVar<'t, T>) -> Self {
        apply(HardShrink, [self, lambda.into_var(self.tape)])
    }

    /// `y = sign(x) max(|x| - lambda, 0)`: moves everything towards 0 by lambda.
    ///
    /// Same shape as the operand. PyTorch's default for lambda is 0.5. The derivative is 1 where `|x| > lambda`, else 0,
    /// at the kinks `x = ±lambda` too. Source: Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage"
    /// (1994). It is the proximal map of `lambda |x|`.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([-2.0, 0.25, 0.5]));
    /// let y = x.soft_shrink(0.5);
    /// assert_eq!(y.value()?.as_slice(), [-1.5, 0.0, 0.0]);
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.as_slice(), [1.0, 0.0, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn soft_shrink(self, lambda: impl IntoVar<'t, T>) -> Self {
        apply(SoftShrink, [self, lambda.into_var(self.tape)])
    }
}
