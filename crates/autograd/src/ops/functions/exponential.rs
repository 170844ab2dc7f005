//! Exponentials and logarithms.

use std::f64::consts::{LN_2, LOG2_E, LOG10_E};

use super::methods;
use crate::ops::elementwise::row;

row! {
    Exp(x) = "exp({0})", exp;
    value: x.exp();
    pullback(y, g): [g.scaled(y)];
    derivatives: ["y"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    Exp2(x) = "2^({0})", exp2;
    value: x.exp2();
    pullback(y, g): [g.scaled(y * y.constant(LN_2))];
    derivatives: ["y ln 2"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    /// The derivative is `exp(x)` rather than `y + 1`, which would cancel for negative x.
    ///
    ExpMinusOne(x) = "expm1({0})", expm1;
    value: x.expm1();
    pullback(y, g): [g.scaled(x.exp())];
    derivatives: ["exp(x)"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    Ln(x) = "ln({0})", ln;
    value: x.ln();
    pullback(y, g): [g.scaled(x.recip())];
    derivatives: ["1 / x"];
    domain: [(0.1, 3.0)];
    kinks: [];
}

row! {
    Log2(x) = "log2({0})", log2;
    value: x.log2();
    pullback(y, g): [g.scaled(x.recip() * x.constant(LOG2_E))];
    derivatives: ["1 / (x ln 2)"];
    domain: [(0.1, 3.0)];
    kinks: [];
}

row! {
    Log10(x) = "log10({0})", log10;
    value: x.log10();
    pullback(y, g): [g.scaled(x.recip() * x.constant(LOG10_E))];
    derivatives: ["1 / (x ln 10)"];
    domain: [(0.1, 3.0)];
    kinks: [];
}

row! {
    LnOnePlus(x) = "ln_1p({0})", ln_1p;
    value: x.ln_1p();
    pullback(y, g): [g.scaled((x.constant(1.0) + x).recip())];
    derivatives: ["1 / (1 + x)"];
    domain: [(-0.9, 3.0)];
    kinks: [];
}

methods! {
    /// `yᵢ = exp(xᵢ)`, the exponential function.
    ///
    /// Same shape as the operand. Defined and smooth everywhere.
    ///
    /// Derivative: `y`.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(0.0f64));
    /// let z = x.exp();
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 1.0);
    /// assert_eq!(gx.item()?, 1.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    exp() => Exp;

    /// `yᵢ = 2^xᵢ`
    ///
    /// Same shape as the operand. Defined and smooth everywhere; exact for integers.
    ///
    /// Derivative: `y ln 2`.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(3.0f64));
    /// let z = x.exp2();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - 8.0).abs() < 1e-15);
    /// assert!((gx.item()? - 8.0 * std::f64::consts::LN_2).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    exp2() => Exp2;

    /// `yᵢ = exp(xᵢ) − 1`, accurate near 0.
    ///
    /// Same shape as the operand. Defined and smooth everywhere.
    ///
    /// Derivative: `exp(x)`.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(1e-20f64));
    /// let z = x.expm1();
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 1e-20);
    /// assert_eq!(gx.item()?, 1.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    expm1() => ExpMinusOne;

    /// `yᵢ = ln xᵢ`, the natural logarithm.
    ///
    /// Same shape as the operand. −∞ at 0, NaN below.
    ///
    /// Derivative: `1 / x`; +∞ at 0.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(2.0f64));
    /// let z = x.ln();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - std::f64::consts::LN_2).abs() < 1e-15);
    /// assert!((gx.item()? - 0.5).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    ln() => Ln;

    /// `yᵢ = log₂ xᵢ`
    ///
    /// Same shape as the operand. −∞ at 0, NaN below.
    ///
    /// Derivative: `1 / (x ln 2)`; +∞ at 0.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(8.0f64));
    /// let z = x.log2();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - 3.0).abs() < 1e-15);
    /// assert!((gx.item()? - std::f64::consts::LOG2_E / 8.0).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    log2() => Log2;

    /// `yᵢ = log₁₀ xᵢ`
    ///
    /// Same shape as the operand. −∞ at 0, NaN below.
    ///
    /// Derivative: `1 / (x ln 10)`; +∞ at 0.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(100.0f64));
    /// let z = x.log10();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - 2.0).abs() < 1e-15);
    /// assert!((gx.item()? - std::f64::consts::LOG10_E / 100.0).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    log10() => Log10;

    /// `yᵢ = ln(1 + xᵢ)`, accurate near 0.
    ///
    /// Same shape as the operand. −∞ at −1, NaN below.
    ///
    /// Derivative: `1 / (1 + x)`; +∞ at −1.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(1e-20f64));
    /// let z = x.ln_1p();
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 1e-20);
    /// assert_eq!(gx.item()?, 1.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    ln_1p() => LnOnePlus;
}
