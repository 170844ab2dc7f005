//! Circular functions and their inverses; angles are in radians.

use super::methods;
use crate::kernels::number::Number;
use crate::ops::elementwise::row;

row! {
    Sin(x) = "sin({0})", sin;
    value: x.sin();
    pullback(y, g): [g.scaled(x.cos())];
    derivatives: ["cos(x)"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    Cos(x) = "cos({0})", cos;
    value: x.cos();
    pullback(y, g): [g.scaled(-x.sin())];
    derivatives: ["-sin(x)"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    Tan(x) = "tan({0})", tan;
    value: x.tan();
    pullback(y, g): [g.scaled(y.constant(1.0) + y * y)];
    derivatives: ["1 + y^2"];
    domain: [(-1.2, 1.2)];
    kinks: [];
}

row! {
    /// `(1 - x)(1 + x)` keeps the digits that `1 - x^2` loses near the ends.
    ///
    Asin(x) = "asin({0})", asin;
    value: x.asin();
    pullback(y, g): [g.scaled(((x.constant(1.0) - x) * (x.constant(1.0) + x)).rsqrt())];
    derivatives: ["1 / sqrt((1 - x)(1 + x))"];
    domain: [(-0.8, 0.8)];
    kinks: [];
}

row! {
    Acos(x) = "acos({0})", acos;
    value: x.acos();
    pullback(y, g): [-g.scaled(((x.constant(1.0) - x) * (x.constant(1.0) + x)).rsqrt())];
    derivatives: ["-1 / sqrt((1 - x)(1 + x))"];
    domain: [(-0.8, 0.8)];
    kinks: [];
}

row! {
    Atan(x) = "atan({0})", atan;
    value: x.atan();
    pullback(y, g): [g.scaled((x.constant(1.0) + x * x).recip())];
    derivatives: ["1 / (1 + x^2)"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    Atan2(a, b) = "atan2({0}, {1})", atan2;
    value: a.atan2(b);
    pullback(y, g): [g.scaled(R::apply(Inversion, [b, a])), -g.scaled(R::apply(Inversion, [a, b]))];
    derivatives: ["b / (a^2 + b^2)", "-a / (a^2 + b^2)"];
    domain: [(0.5, 3.0), (-3.0, 3.0)];
    kinks: [];
}

row! {
    /// A coordinate of the point that mirrors `(a, b)` in the unit circle: what the derivatives of `atan2` are made of.
    ///
    /// Computed without overflow, and 0 at the origin. Its derivatives are made of the two coordinates again, so
    /// both promises hold for every order.
    ///
    Inversion(a, b) = "inversion({0}, {1})", inversion;
    value: inversion(a, b);
    pullback(y, g): [
        g.scaled((R::apply(Inversion, [b, a]) - y) * (R::apply(Inversion, [b, a]) + y)),
        g.scaled(y.constant(-2.0) * y * R::apply(Inversion, [b, a])),
    ];
    derivatives: ["(b^2 - a^2) / (a^2 + b^2)^2", "-2 a b / (a^2 + b^2)^2"];
    domain: [(-3.0, 3.0), (0.5, 3.0)];
    kinks: [];
}

/// `a / (a^2 + b^2)`, 0 at the origin and at infinity.
#[inline(always)]
fn inversion<N: Number>(a: N, b: N) -> N {
    let size = a.abs().max(b.abs());
    let (u, v) = (a / size, b / size);
    let inverse = u / (u * u + v * v) / size;
    N::select(size == N::ZERO || size == N::of(f64::INFINITY), N::ZERO, inverse)
}

methods! {
    /// `yᵢ = sin xᵢ`
    ///
    /// Same shape as the operand. Smooth everywhere; NaN at ±∞.
    ///
    /// Derivative: `cos x`.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(0.0f64));
    /// let z = x.sin();
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 0.0);
    /// assert_eq!(gx.item()?, 1.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    sin() => Sin;

    /// `yᵢ = cos xᵢ`
    ///
    /// Same shape as the operand. Smooth everywhere; NaN at ±∞.
    ///
    /// Derivative: `−sin x`.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(0.5f64));
    /// let z = x.cos();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - 0.5f64.cos()).abs() < 1e-15);
    /// assert!((gx.item()? + 0.5f64.sin()).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    cos() => Cos;

    /// `yᵢ = tan xᵢ`
    ///
    /// Same shape as the operand. Poles at odd multiples of π/2.
    ///
    /// Derivative: `1 + y²`.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(0.5f64));
    /// let z = x.tan();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - 0.5f64.tan()).abs() < 1e-14);
    /// assert!((gx.item()? - (1.0 + 0.5f64.tan().powi(2))).abs() < 1e-14);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    tan() => Tan;

    /// `yᵢ = arcsin xᵢ`, in [−π/2, π/2].
    ///
    /// Same shape as the operand. Defined on [−1, 1], NaN outside.
    ///
    /// Derivative: `1 / √((1 − x)(1 + x))`; +∞ at ±1.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(0.6f64));
    /// let z = x.asin();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - 0.6f64.asin()).abs() < 1e-15);
    /// assert!((gx.item()? - 1.25).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    asin() => Asin;

    /// `yᵢ = arccos xᵢ`, in [0, π].
    ///
    /// Same shape as the operand. Defined on [−1, 1], NaN outside.
    ///
    /// Derivative: `−1 / √((1 − x)(1 + x))`; −∞ at ±1.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(0.6f64));
    /// let z = x.acos();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - 0.6f64.acos()).abs() < 1e-15);
    /// assert!((gx.item()? + 1.25).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    acos() => Acos;

    /// `yᵢ = arctan xᵢ`, in [−π/2, π/2].
    ///
    /// Same shape as the operand. Defined and smooth everywhere.
    ///
    /// Derivative: `1 / (1 + x²)`.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(1.0f64));
    /// let z = x.atan();
    /// let [gx] = z.grad([x]);
    /// assert!((z.item()? - std::f64::consts::FRAC_PI_4).abs() < 1e-15);
    /// assert!((gx.item()? - 0.5).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    atan() => Atan;

    /// `zᵢ = atan2(yᵢ, xᵢ)`: the angle of the point (x, y), in [−π, π], called on y.
    ///
    /// Shapes are broadcast by NumPy's rule; the other operand may be a number. Jumps by 2π across the negative x
    /// axis, where the derivatives are those of either side.
    ///
    /// Derivatives: `x / (x² + y²)` by y, `−y / (x² + y²)` by x; 0 and 0 at the origin. Neither overflows.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let y = tape.input(Tensor::scalar(3.0f64));
    /// let x = tape.input(Tensor::scalar(4.0f64));
    /// let z = y.atan2(x);
    /// let [gy, gx] = z.grad([y, x]);
    /// assert!((z.item()? - 0.75f64.atan()).abs() < 1e-15);
    /// assert!((gy.item()? - 0.16).abs() < 1e-15);
    /// assert!((gx.item()? + 0.12).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    atan2(other) => Atan2;
}
