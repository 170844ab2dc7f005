//! The error function and the gamma family.

use std::f64::consts::FRAC_2_SQRT_PI;

use super::methods;
use crate::kernels::number::Element;
use crate::ops::elementwise::{Zero, apply, row};
use crate::tape::var::Var;

row! {
    Erf(x) = "erf({0})", erf;
    value: x.erf();
    pullback(y, g): [g.scaled(x.constant(FRAC_2_SQRT_PI) * (-(x * x)).exp())];
    derivatives: ["2 / sqrt(pi) exp(-x^2)"];
    domain: [(-2.0, 2.0)];
    kinks: [];
}

row! {
    Erfc(x) = "erfc({0})", erfc;
    value: x.erfc();
    pullback(y, g): [g.scaled(x.constant(-FRAC_2_SQRT_PI) * (-(x * x)).exp())];
    derivatives: ["-2 / sqrt(pi) exp(-x^2)"];
    domain: [(-2.0, 2.0)];
    kinks: [];
}

row! {
    LogGamma(x) = "lgamma({0})", lgamma;
    value: x.lgamma();
    pullback(y, g): [g.scaled(x.digamma())];
    derivatives: ["digamma(x)"];
    domain: [(0.5, 4.0)];
    kinks: [];
}

row! {
    Digamma(x) = "digamma({0})", digamma;
    value: x.digamma();
    pullback(y, g): [g.scaled(x.polygamma(x.constant(1.0)))];
    derivatives: ["polygamma(1, x)"];
    domain: [(0.5, 4.0)];
    kinks: [];
}

row! {
    /// The order is rounded to an integer, so the function is constant around each order, and the derivative by it 0.
    ///
    Polygamma(x, order) = "polygamma({1}, {0})", polygamma;
    value: N::polygamma(order.round(), x);
    pullback(y, g): [g.scaled(x.polygamma(order + order.constant(1.0))), Zero];
    derivatives: ["polygamma(order + 1, x)", "0"];
    domain: [(0.7, 4.0), (2.0, 2.0)];
    kinks: [];
}

methods! {
    /// `yᵢ = erf(xᵢ) = 2/√π ∫₀ˣ exp(−t²) dt`, the error function.
    ///
    /// Same shape as the operand. Defined and smooth everywhere.
    ///
    /// Derivative: `2/√π exp(−x²)`. Source: Abramowitz & Stegun 7.1.1.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(0.0f64));
    /// let z = x.erf();
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 0.0);
    /// assert_eq!(gx.item()?, std::f64::consts::FRAC_2_SQRT_PI);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    erf() => Erf;

    /// `yᵢ = 1 − erf(xᵢ)`, the complementary error function, with full relative accuracy for large x.
    ///
    /// Same shape as the operand. Defined and smooth everywhere.
    ///
    /// Derivative: `−2/√π exp(−x²)`. Source: Abramowitz & Stegun 7.1.2.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(0.0f64));
    /// let z = x.erfc();
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 1.0);
    /// assert_eq!(gx.item()?, -std::f64::consts::FRAC_2_SQRT_PI);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    erfc() => Erfc;

    /// `yᵢ = ln |Γ(xᵢ)|`
    ///
    /// Same shape as the operand. +∞ at 0, −1, −2, ...
    ///
    /// Derivative: `ψ(x)`, that is [`Var::digamma`]. Source: Abramowitz & Stegun 6.1 and 6.3.1.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(5.0f64));
    /// let z = x.lgamma();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - 24f64.ln()).abs() < 1e-14);
    /// assert!((gx.item()? - (25.0 / 12.0 - 0.5772156649015329)).abs() < 1e-14);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    lgamma() => LogGamma;

    /// `yᵢ = ψ(xᵢ) = d/dx ln Γ(xᵢ)`
    ///
    /// Same shape as the operand. ±∞ at 0, NaN at the poles −1, −2, ...
    ///
    /// Derivative: `ψ′(x)`, that is [`Var::polygamma`] of order 1, and so on to every order. Source: Abramowitz &
    /// Stegun 6.3.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(1.0f64));
    /// let z = x.digamma();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? + 0.5772156649015329).abs() < 1e-14);
    /// assert!((gx.item()? - std::f64::consts::PI.powi(2) / 6.0).abs() < 1e-14);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    digamma() => Digamma;
}

impl<T: Element> Var<'_, T> {
    /// `yᵢ = ψ⁽ⁿ⁾(xᵢ)`, the n-th derivative of [`Var::digamma`].
    ///
    /// Same shape as the operand. Poles at 0, −1, −2, ...; order 0 is digamma itself.
    ///
    /// Derivative: `ψ⁽ⁿ⁺¹⁾(x)`, so every order of derivative is exact. Source: Abramowitz & Stegun 6.4.10.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(1.0f64));
    /// let z = x.polygamma(1);
    /// let [gx] = z.grad([x]);
    /// let zeta_2 = std::f64::consts::PI.powi(2) / 6.0;
    /// assert!((z.item()? - zeta_2).abs() < 1e-14);
    /// assert!((gx.item()? + 2.0 * 1.2020569031595942).abs() < 1e-14);     // -2 zeta(3)
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn polygamma(self, order: u32) -> Self {
        apply(Polygamma, [self, self.tape.scalar(T::of(f64::from(order)))])
    }
}
