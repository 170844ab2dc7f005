//! Smooth activations. Each is one row, so that the forward pass is one instruction of a fused chain, and each stays
//! finite and exact for large numbers of either sign, forwards and backwards.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};

use super::super::elementwise::{apply, row};
use super::super::real::Real;
use crate::kernels::number::{Element, Number};
use crate::tape::var::Var;

/// `1 / sqrt(2 pi)`
const NORMAL_DENSITY_AT_0: f64 = 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
/// `2 sqrt(2 / pi)`: twice the factor in `gelu_tanh`, for `1 + tanh u = 2 sigmoid(2 u)`.
const GELU_TANH_FACTOR: f64 = SQRT_2 * FRAC_2_SQRT_PI;
/// The cubic term in `gelu_tanh`.
const GELU_TANH_CUBIC: f64 = 0.044715;

/// `max(x, low)`: beyond `low` the other factor is 0, and must not meet an infinity. NaN stays NaN.
#[inline(always)]
fn at_least<N: Number>(x: N, low: f64) -> N {
    N::select(x < N::of(low), N::of(low), x)
}

row! {
    Sigmoid(x) = "sigmoid({0})", sigmoid;
    value: x.sigmoid();
    pullback(y, g): [g.scaled(y * (y.constant(1.0) - y))];
    derivatives: ["y (1 - y)"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    LogSigmoid(x) = "log_sigmoid({0})", log_sigmoid;
    value: -(-x).softplus();
    pullback(y, g): [g.scaled((-x).sigmoid())];
    derivatives: ["sigmoid(-x)"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    Softplus(x) = "softplus({0})", softplus;
    value: x.softplus();
    pullback(y, g): [g.scaled(x.sigmoid())];
    derivatives: ["sigmoid(x)"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    Silu(x) = "silu({0})", silu;
    value: at_least(x, -800.0) * x.sigmoid();
    pullback(y, g): [{
        let s = x.sigmoid();
        g.scaled(s + y * (s.constant(1.0) - s))
    }];
    derivatives: ["s + y (1 - s), s = sigmoid(x)"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    Mish(x) = "mish({0})", mish;
    value: {
        // tanh(ln(1 + n)) = n (n + 2) / (n (n + 2) + 2) for n = e^x; on the right divided by n^2. One exponential, never
        // of a positive number.
        let z = (-x.abs()).exp();
        let two = N::of(2.0);
        let left = x < N::of(0.0);
        let p = N::select(left, z * (z + two), N::of(1.0) + two * z);
        let q = N::select(left, two, two * z * z);
        at_least(x, -800.0) * (p / (p + q))
    };
    pullback(y, g): [{
        let t = x.softplus().tanh();
        g.scaled(t + x * x.sigmoid() * (t.constant(1.0) - t * t))
    }];
    derivatives: ["t + x sigmoid(x) (1 - t^2), t = tanh(softplus(x))"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    /// Phi: the probability that a standard normal number is below x.
    NormalProbability(x) = "normal_probability({0})", normal_probability;
    value: N::of(0.5) * (x * N::of(-FRAC_1_SQRT_2)).erfc();
    pullback(y, g): [g.scaled(normal_density(x))];
    derivatives: ["exp(-x^2 / 2) / sqrt(2 pi)"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

/// `exp(-x^2 / 2) / sqrt(2 pi)`
#[track_caller]
fn normal_density<R: Real>(x: R) -> R {
    x.constant(NORMAL_DENSITY_AT_0) * (x.constant(-0.5) * x * x).exp()
}

row! {
    Gelu(x) = "gelu({0})", gelu;
    // By erfc: 1 + erf(x / sqrt 2) would have no digits left for x < -8, and few before.
    value: {
        let x = at_least(x, -40.0);
        N::of(0.5) * x * (x * N::of(-FRAC_1_SQRT_2)).erfc()
    };
    pullback(y, g): [g.scaled(R::apply(NormalProbability, [x]) + x * normal_density(x))];
    derivatives: ["Phi(x) + x exp(-x^2 / 2) / sqrt(2 pi)"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    GeluTanh(x) = "gelu_tanh({0})", gelu_tanh;
    value: {
        let x = at_least(x, -40.0);
        let cubic = x * x * N::of(GELU_TANH_CUBIC);
        x * (N::of(GELU_TANH_FACTOR) * x * (N::of(1.0) + cubic)).sigmoid()
    };
    pullback(y, g): [{
        let one = x.constant(1.0);
        let cubic = x * x * x.constant(GELU_TANH_CUBIC);
        let factor = x.constant(GELU_TANH_FACTOR);
        let s = (factor * x * (one + cubic)).sigmoid();
        g.scaled(s + y * ((one - s) * factor * (one + x.constant(3.0) * cubic)))
    }];
    derivatives: ["s + y (1 - s) u', s = sigmoid(u), u = sqrt(8 / pi) (x + 0.044715 x^3)"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    Softsign(x) = "softsign({0})", softsign;
    // An infinite x has the limit for its value.
    value: N::select(x.abs() > N::of(1e30), N::of(1.0).copysign(x), x / (N::of(1.0) + x.abs()));
    pullback(y, g): [{
        // |x| as a sum of rectifiers: its derivative at 0 is 0, and so is the second derivative here.
        let d = x.constant(1.0) + (x.relu() + (-x).relu());
        g.scaled(x.constant(1.0) / (d * d))
    }];
    derivatives: ["1 / (1 + |x|)^2"];
    domain: [(-3.0, 3.0)];
    kinks: [0.0];
}

row! {
    // A row and not the difference written out, whose derivative 1 - (1 - t^2) has no digits left near 0.
    TanhShrink(x) = "tanh_shrink({0})", tanh_shrink;
    value: x - x.tanh();
    pullback(y, g): [{
        let t = x.tanh();
        g.scaled(t * t)
    }];
    derivatives: ["tanh(x)^2"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

macro_rules! method {
    ($(#[$documentation:meta])* $method:ident $row:ident) => {
        $(#[$documentation])*
        #[track_caller]
        pub fn $method(self) -> Self {
            apply($row, [self])
        }
    };
}

impl<T: Element> Var<'_, T> {
    method! {
        /// `y = 1 / (1 + exp(-x))`: the logistic function.
        ///
        /// Same shape as the operand. The derivative is `y (1 - y)`. No overflow for any x. For the logarithm of it use
        /// [`log_sigmoid`](Var::log_sigmoid). Source: Verhulst, "Recherches mathématiques sur la loi d'accroissement de
        /// la population" (1845).
        ///
        /// ```
        /// use wengert_autograd::{Tape, Tensor};
        /// let tape = Tape::new();
        /// let x = tape.input(Tensor::from([-1000.0, 0.0, 1000.0]));
        /// let y = x.sigmoid();
        /// assert_eq!(y.value()?.as_slice(), [0.0, 0.5, 1.0]);
        /// let [gx] = y.sum().grad([x]);
        /// assert_eq!(gx.value()?.as_slice(), [0.0, 0.25, 0.0]);
        /// # Ok::<(), wengert_autograd::Error>(())
        /// ```
        sigmoid Sigmoid
    }
    method! {
        /// `y = ln(1 / (1 + exp(-x)))`: the logarithm of the logistic function.
        ///
        /// Same shape as the operand. The derivative is `sigmoid(-x)`. Computed as `-softplus(-x)`, exact for large x of
        /// either sign. It is the log-likelihood of logistic regression: Cox, "The regression analysis of binary
        /// sequences" (1958).
        ///
        /// ```
        /// use wengert_autograd::{Tape, Tensor};
        /// let tape = Tape::new();
        /// let x = tape.input(Tensor::from([-1000.0, 0.0, 1000.0]));
        /// let y = x.log_sigmoid();
        /// assert_eq!(y.value()?.as_slice(), [-1000.0, -2f64.ln(), 0.0]);
        /// let [gx] = y.sum().grad([x]);
        /// assert_eq!(gx.value()?.as_slice(), [1.0, 0.5, 0.0]);
        /// # Ok::<(), wengert_autograd::Error>(())
        /// ```
        log_sigmoid LogSigmoid
    }
    method! {
        /// `y = ln(1 + exp(x))`: a rectifier with a rounded corner.
        ///
        /// Same shape as the operand. The derivative is `sigmoid(x)`. Exact for large x of either sign, so there is no
        /// threshold above which it turns linear. PyTorch's beta is 1 by default; for another write
        /// `(x * beta).softplus() / beta`. Source: Dugas et al., "Incorporating second-order functional knowledge for
        /// better option pricing" (2000).
        ///
        /// ```
        /// use wengert_autograd::{Tape, Tensor};
        /// let tape = Tape::new();
        /// let x = tape.input(Tensor::from([-1000.0, 0.0, 1000.0]));
        /// let y = x.softplus();
        /// assert_eq!(y.value()?.as_slice(), [0.0, 2f64.ln(), 1000.0]);
        /// let [gx] = y.sum().grad([x]);
        /// assert_eq!(gx.value()?.as_slice(), [0.0, 0.5, 1.0]);
        /// # Ok::<(), wengert_autograd::Error>(())
        /// ```
        softplus Softplus
    }
    method! {
        /// `y = x sigmoid(x)`: the sigmoid-weighted linear unit, also called swish.
        ///
        /// Same shape as the operand. The derivative is `s + y (1 - s)` with `s = sigmoid(x)`. Sources: Elfwing, Uchibe
        /// and Doya, "Sigmoid-weighted linear units for neural network function approximation in reinforcement learning"
        /// (2017); Ramachandran, Zoph and Le, "Searching for activation functions" (2017).
        ///
        /// ```
        /// use wengert_autograd::{Tape, Tensor};
        /// let tape = Tape::new();
        /// let x = tape.input(Tensor::from([-1000.0, 0.0, 1000.0]));
        /// let y = x.silu();
        /// assert_eq!(y.value()?.as_slice(), [0.0, 0.0, 1000.0]);
        /// let [gx] = y.sum().grad([x]);
        /// assert_eq!(gx.value()?.as_slice(), [0.0, 0.5, 1.0]);
        /// # Ok::<(), wengert_autograd::Error>(())
        /// ```
        silu Silu
    }
    method! {
        /// `y = x tanh(softplus(x))`
        ///
        /// Same shape as the operand. The derivative is `t + x sigmoid(x) (1 - t^2)` with `t = tanh(softplus(x))`.
        /// Source: Misra, "Mish: a self regularized non-monotonic activation function" (2019).
        ///
        /// ```
        /// use wengert_autograd::{Tape, Tensor};
        /// let tape = Tape::new();
        /// let x = tape.input(Tensor::from([-1000.0, 0.0, 1000.0]));
        /// let y = x.mish();
        /// assert_eq!(y.value()?.as_slice(), [0.0, 0.0, 1000.0]);
        /// let [gx] = y.sum().grad([x]);
        /// assert!((gx.value()?.as_slice()[1] - 0.6f64).abs() < 1e-15);
        /// # Ok::<(), wengert_autograd::Error>(())
        /// ```
        mish Mish
    }
    method! {
        /// `y = x Phi(x) = x erfc(-x / sqrt 2) / 2`: the Gaussian error linear unit, exact.
        ///
        /// Same shape as the operand. The derivative is `Phi(x) + x phi(x)`, with the probability Phi and the density phi
        /// of the standard normal distribution. The left tail keeps its relative accuracy, about `x^2` roundings.
        /// PyTorch's default (`approximate="none"`). Source: Hendrycks and Gimpel, "Gaussian error linear units" (2016).
        ///
        /// ```
        /// use wengert_autograd::{Tape, Tensor};
        /// let tape = Tape::new();
        /// let x = tape.input(Tensor::from([-1000.0, 0.0, 1000.0]));
        /// let y = x.gelu();
        /// assert_eq!(y.value()?.as_slice(), [0.0, 0.0, 1000.0]);
        /// let [gx] = y.sum().grad([x]);
        /// assert_eq!(gx.value()?.as_slice(), [0.0, 0.5, 1.0]);
        /// # Ok::<(), wengert_autograd::Error>(())
        /// ```
        gelu Gelu
    }
    method! {
        /// `y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`: the approximation of [`gelu`](Var::gelu) by tanh.
        ///
        /// Same shape as the operand. Within 0.0005 of the exact one. PyTorch's `approximate="tanh"`. Computed as
        /// `x sigmoid(u)` with `u = sqrt(8 / pi) (x + 0.044715 x^3)`, which does not cancel on the left; the derivative
        /// is `s + y (1 - s) u'` with `s = sigmoid(u)`. Source: Hendrycks and Gimpel, "Gaussian error linear units"
        /// (2016).
        ///
        /// ```
        /// use wengert_autograd::{Tape, Tensor};
        /// let tape = Tape::new();
        /// let x = tape.input(Tensor::from([-1000.0, 0.0, 1000.0]));
        /// let y = x.gelu_tanh();
        /// assert_eq!(y.value()?.as_slice(), [0.0, 0.0, 1000.0]);
        /// let [gx] = y.sum().grad([x]);
        /// assert_eq!(gx.value()?.as_slice(), [0.0, 0.5, 1.0]);
        /// # Ok::<(), wengert_autograd::Error>(())
        /// ```
        gelu_tanh GeluTanh
    }
    method! {
        /// `y = x / (1 + |x|)`: a sigmoid curve without an exponential.
        ///
        /// Same shape as the operand. The derivative is `1 / (1 + |x|)^2`; the second one jumps at 0, where it is 0.
        /// Source: Turian, Bergstra and Bengio, "Quadratic features and deep architectures for chunking" (2009).
        ///
        /// ```
        /// use wengert_autograd::{Tape, Tensor};
        /// let tape = Tape::new();
        /// let x = tape.input(Tensor::from([-1.0, 0.0, 3.0]));
        /// let y = x.softsign();
        /// assert_eq!(y.value()?.as_slice(), [-0.5, 0.0, 0.75]);
        /// let [gx] = y.sum().grad([x]);
        /// assert_eq!(gx.value()?.as_slice(), [0.25, 1.0, 0.0625]);
        /// # Ok::<(), wengert_autograd::Error>(())
        /// ```
        softsign Softsign
    }
    method! {
        /// `y = x - tanh(x)`
        ///
        /// Same shape as the operand. The derivative is `tanh(x)^2`. Near 0, where y is about `x^3 / 3`, the difference
        /// is exact to a rounding of x, not of y, as in PyTorch, whose name (`tanhshrink`) is the only source.
        ///
        /// ```
        /// use wengert_autograd::{Tape, Tensor};
        /// let tape = Tape::new();
        /// let x = tape.input(Tensor::from([0.0, 1000.0]));
        /// let y = x.tanh_shrink();
        /// assert_eq!(y.value()?.as_slice(), [0.0, 999.0]);
        /// let [gx] = y.sum().grad([x]);
        /// assert_eq!(gx.value()?.as_slice(), [0.0, 1.0]);
        /// # Ok::<(), wengert_autograd::Error>(())
        /// ```
        tanh_shrink TanhShrink
    }
}
