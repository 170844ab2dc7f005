//! Hyperbolic functions and their inverses.

use super::methods;
use crate::ops::elementwise::row;

row! {
    Sinh(x) = "sinh({0})", sinh;
    value: x.sinh();
    pullback(y, g): [g.scaled(x.cosh())];
    derivatives: ["cosh(x)"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    Cosh(x) = "cosh({0})", cosh;
    value: x.cosh();
    pullback(y, g): [g.scaled(x.sinh())];
    derivatives: ["sinh(x)"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    Tanh(x) = "tanh({0})", tanh;
    value: x.tanh();
    pullback(y, g): [g.scaled(y.constant(1.0) - y * y)];
    derivatives: ["1 - y^2"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    Asinh(x) = "asinh({0})", asinh;
    value: x.asinh();
    pullback(y, g): [g.scaled((x.constant(1.0) + x * x).rsqrt())];
    derivatives: ["1 / sqrt(1 + x^2)"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    /// Two roots rather than the root of a product: no overflow, and NaN below 1 as the function itself.
    ///
    Acosh(x) = "acosh({0})", acosh;
    value: x.acosh();
    pullback(y, g): [g.scaled((x - x.constant(1.0)).rsqrt() * (x + x.constant(1.0)).rsqrt())];
    derivatives: ["1 / sqrt((x - 1)(x + 1))"];
    domain: [(1.2, 4.0)];
    kinks: [];
}

row! {
    Atanh(x) = "atanh({0})", atanh;
    value: x.atanh();
    pullback(y, g): [g.scaled(((x.constant(1.0) - x) * (x.constant(1.0) + x)).recip())];
    derivatives: ["1 / ((1 - x)(1 + x))"];
    domain: [(-0.8, 0.8)];
    kinks: [];
}

methods! {
    /// `yᵢ = sinh xᵢ`
    ///
    /// Same shape as the operand. Defined and smooth everywhere.
    ///
    /// Derivative: `cosh x`.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(0.5f64));
    /// let z = x.sinh();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - 0.5f64.sinh()).abs() < 1e-15);
    /// assert!((gx.item()? - 0.5f64.cosh()).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    sinh() => Sinh;

    /// `yᵢ = cosh xᵢ`
    ///
    /// Same shape as the operand. Defined and smooth everywhere.
    ///
    /// Derivative: `sinh x`.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(0.5f64));
    /// let z = x.cosh();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - 0.5f64.cosh()).abs() < 1e-15);
    /// assert!((gx.item()? - 0.5f64.sinh()).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    cosh() => Cosh;

    /// `yᵢ = tanh xᵢ`
    ///
    /// Same shape as the operand. Defined and smooth everywhere.
    ///
    /// Derivative: `1 − y²`.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(0.5f64));
    /// let z = x.tanh();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - 0.5f64.tanh()).abs() < 1e-15);
    /// assert!((gx.item()? - (1.0 - 0.5f64.tanh().powi(2))).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    tanh() => Tanh;

    /// `yᵢ = arsinh xᵢ`
    ///
    /// Same shape as the operand. Defined and smooth everywhere.
    ///
    /// Derivative: `1 / √(1 + x²)`; 0 where x² overflows.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(0.75f64));
    /// let z = x.asinh();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - 0.75f64.asinh()).abs() < 1e-15);
    /// assert!((gx.item()? - 0.8).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    asinh() => Asinh;

    /// `yᵢ = arcosh xᵢ`
    ///
    /// Same shape as the operand. Defined from 1 upwards, NaN below.
    ///
    /// Derivative: `1 / √((x − 1)(x + 1))`; +∞ at 1.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(1.25f64));
    /// let z = x.acosh();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - 1.25f64.acosh()).abs() < 1e-15);
    /// assert!((gx.item()? - 4.0 / 3.0).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    acosh() => Acosh;

    /// `yᵢ = artanh xᵢ`
    ///
    /// Same shape as the operand. ±∞ at ±1, NaN outside [−1, 1].
    ///
    /// Derivative: `1 / ((1 − x)(1 + x))`; +∞ at ±1.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(0.5f64));
    /// let z = x.atanh();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - 0.5f64.atanh()).abs() < 1e-15);
    /// assert!((gx.item()? - 4.0 / 3.0).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    atanh() => Atanh;
}
