//! Powers and roots.

use super::methods;
use crate::kernels::number::Element;
use crate::ops::arithmetic::Scaled;
use crate::ops::elementwise::row;
use crate::ops::real::{Entry, Real};
use crate::tape::var::Var;

row! {
    Square(x) = "{0}^2", square;
    value: x * x;
    pullback(y, g): [x.constant(2.0) * g.scaled(x)];
    derivatives: ["2 x"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    Sqrt(x) = "sqrt({0})", sqrt;
    value: x.sqrt();
    pullback(y, g): [g.scaled(y.constant(0.5) / y)];
    derivatives: ["1 / (2 y)"];
    domain: [(0.1, 3.0)];
    kinks: [];
}

row! {
    ReciprocalSqrt(x) = "rsqrt({0})", rsqrt;
    value: x.sqrt().recip();
    pullback(y, g): [g.scaled(y.constant(-0.5) * (y * y * y))];
    derivatives: ["-y^3 / 2"];
    domain: [(0.2, 3.0)];
    kinks: [];
}

row! {
    Cbrt(x) = "cbrt({0})", cbrt;
    value: x.cbrt();
    pullback(y, g): [g.scaled((y.constant(3.0) * (y * y)).recip())];
    derivatives: ["1 / (3 y^2)"];
    domain: [(-3.0, 3.0)];
    kinks: [0.0];
}

row! {
    Reciprocal(x) = "1 / {0}", recip;
    value: x.recip();
    pullback(y, g): [g.scaled(-(y * y))];
    derivatives: ["-y^2"];
    domain: [(0.3, 3.0)];
    kinks: [];
}

row! {
    /// Both derivatives follow the limit where there is one: `x^0` has derivative 0 by x even at 0, and `0^p` has
    /// derivative 0 by p from 0 upwards.
    ///
    Power(x, p) = "({0})^({1})", pow;
    value: x.pow(p);
    pullback(y, g): [
        // The row itself, not the method: 0 times infinity is 0 here even where pullbacks multiply plainly.
        g.scaled(R::apply(Scaled, [p, x.pow(p - p.constant(1.0))])),
        (x.eq(x.constant(0.0)) * p.ge(p.constant(0.0))).select(g.constant(0.0), g.scaled(R::apply(Scaled, [y, x.ln()]))),
    ];
    derivatives: ["p x^(p - 1)", "y ln(x)"];
    domain: [(0.5, 3.0), (-2.0, 2.5)];
    kinks: [];
}

methods! {
    /// `yᵢ = xᵢ²`
    ///
    /// Same shape as the operand. Defined and smooth everywhere.
    ///
    /// Derivative: `2 x`.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(3.0f64));
    /// let z = x.square();
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 9.0);
    /// assert_eq!(gx.item()?, 6.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    square() => Square;

    /// `yᵢ = √xᵢ`
    ///
    /// Same shape as the operand. NaN below 0.
    ///
    /// Derivative: `1 / (2 y)`; +∞ at 0, and exactly 0 there where the incoming cotangent is exactly 0.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(4.0f64));
    /// let z = x.sqrt();
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 2.0);
    /// assert_eq!(gx.item()?, 0.25);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    sqrt() => Sqrt;

    /// `yᵢ = 1 / √xᵢ`
    ///
    /// Same shape as the operand. +∞ at 0, NaN below.
    ///
    /// Derivative: `−y³ / 2`; −∞ at 0, and exactly 0 there where the incoming cotangent is exactly 0.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(4.0f64));
    /// let z = x.rsqrt();
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 0.5);
    /// assert_eq!(gx.item()?, -0.0625);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    rsqrt() => ReciprocalSqrt;

    /// `yᵢ = ∛xᵢ`
    ///
    /// Same shape as the operand. Defined everywhere, negative for negative x.
    ///
    /// Derivative: `1 / (3 y²)`; +∞ at 0.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(-8.0f64));
    /// let z = x.cbrt();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - -2.0).abs() < 1e-15);
    /// assert!((gx.item()? - 1.0 / 12.0).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    cbrt() => Cbrt;

    /// `yᵢ = 1 / xᵢ`
    ///
    /// Same shape as the operand. Infinite at 0.
    ///
    /// Derivative: `−y²`; −∞ at 0.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(4.0f64));
    /// let z = x.recip();
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 0.25);
    /// assert_eq!(gx.item()?, -0.0625);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    recip() => Reciprocal;

    /// `zᵢ = xᵢ^pᵢ`
    ///
    /// Shapes are broadcast by NumPy's rule; the other operand may be a number. A negative x takes integers p and
    /// gives NaN for others; `0⁰` is 1.
    ///
    /// Derivatives: `p xᵖ⁻¹` by x, which is 0 where p is 0, and 0 at x = 0 for p above 1; `z ln x` by p, which at x =
    /// 0 is 0 for p of 0 and above, −∞ for p below 0, and NaN for negative x.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(3.0f64));
    /// let p = tape.input(Tensor::scalar(2.0f64));
    /// let z = x.pow(p);
    /// let [gx, gp] = z.grad([x, p]);
    /// assert!((z.item()? - 9.0).abs() < 1e-14);
    /// assert!((gx.item()? - 6.0).abs() < 1e-14);
    /// assert!((gp.item()? - 9.0 * 3f64.ln()).abs() < 1e-14);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pow(exponent) => Power;
}

/// `x^n` over [`Real`], for [`Var::powi`] and [`Real::powi`].
#[track_caller]
pub(crate) fn powi<R: Real>(x: R, exponent: i32) -> R {
    // Up to here an f32 holds every integer.
    const EXACT: u32 = 1 << 24;
    match exponent {
        1 => x,
        2 => x.square(),
        3 => x.square() * x,
        4 => x.square().square(),
        -1 => x.recip(),
        // Rounding the exponent could change its parity, and with it the sign: two factors have exact exponents.
        _ if exponent.unsigned_abs() > EXACT => {
            let rest = exponent % 256;
            x.pow(x.constant(f64::from(exponent - rest))) * x.pow(x.constant(f64::from(rest)))
        }
        _ => x.pow(x.constant(f64::from(exponent))),
    }
}

/// `x^p` over [`Real`], for [`Var::powf`] and [`Real::powf`].
#[track_caller]
pub(crate) fn powf<R: Real>(x: R, exponent: f64) -> R {
    match exponent {
        0.5 => x.sqrt(),
        -0.5 => x.rsqrt(),
        -1.0 | 1.0 | 2.0 | 3.0 | 4.0 => powi(x, exponent as i32),
        _ => x.pow(x.constant(exponent)),
    }
}

impl<T: Element> Var<'_, T> {
    /// `yᵢ = xᵢⁿ` for an integer n.
    ///
    /// Same shape as the operand. Right for negative x and negative n; `x⁰` is 1, also at 0. A composition of
    /// `square`, `*` and `recip` for n of −1 and 1 to 4; otherwise the row of [`Var::pow`].
    ///
    /// Derivative: `n xⁿ⁻¹`, so at 0 it is 0 for n = 0 and for n above 1, of every order what the polynomial has.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(-2.0f64));
    /// let z = x.powi(3);
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, -8.0);
    /// assert_eq!(gx.item()?, 12.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn powi(self, exponent: i32) -> Self {
        powi(Entry(self), exponent).0
    }

    /// `yᵢ = xᵢᵖ` for a number p.
    ///
    /// Same shape as the operand. No gradient goes to p; a `Var` as exponent is for [`Var::pow`]. A negative x takes
    /// integers p and gives NaN for others. [`Var::sqrt`] and [`Var::rsqrt`] for p = ±0.5, [`Var::powi`] for small
    /// integers, otherwise the row of [`Var::pow`].
    ///
    /// Derivative: `p xᵖ⁻¹`; at 0 it is 0 for p = 0 and for p above 1, and +∞ for p between 0 and 1.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(4.0f64));
    /// let z = x.powf(1.5);
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - 8.0).abs() < 1e-14);
    /// assert!((gx.item()? - 3.0).abs() < 1e-14);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn powf(self, exponent: impl Into<f64>) -> Self {
        powf(Entry(self), exponent.into()).0
    }
}
