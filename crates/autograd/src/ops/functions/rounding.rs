//! Signs, rounding to integers and the remainder.

use super::methods;
use crate::kernels::number::Element;
use crate::ops::arithmetic::Negate;
use crate::ops::elementwise::{Zero, apply, row};
use crate::tape::var::Var;

row! {
    Abs(x) = "abs({0})", abs;
    value: x.abs();
    pullback(y, g): [g.scaled(x.sign())];
    derivatives: ["sign(x)"];
    domain: [(-3.0, 3.0)];
    kinks: [0.0];
}

row! {
    /// `x * 0` for what is neither positive nor negative: 0, or NaN.
    ///
    Sign(x) = "sign({0})", sign;
    value: N::select(x > N::ZERO, N::ONE, N::select(x < N::ZERO, -N::ONE, x * N::ZERO));
    pullback(y, g): [Zero];
    derivatives: ["0"];
    domain: [(-3.0, 3.0)];
    kinks: [0.0];
}

row! {
    Floor(x) = "floor({0})", floor;
    value: x.floor();
    pullback(y, g): [Zero];
    derivatives: ["0"];
    domain: [(-2.4, 2.4)];
    kinks: [-2.0, -1.0, 0.0, 1.0, 2.0];
}

row! {
    Ceil(x) = "ceil({0})", ceil;
    value: x.ceil();
    pullback(y, g): [Zero];
    derivatives: ["0"];
    domain: [(-2.4, 2.4)];
    kinks: [-2.0, -1.0, 0.0, 1.0, 2.0];
}

row! {
    Round(x) = "round({0})", round;
    value: x.round();
    pullback(y, g): [Zero];
    derivatives: ["0"];
    domain: [(-2.4, 2.4)];
    kinks: [-1.5, -0.5, 0.5, 1.5];
}

row! {
    /// The remainder is exact, so `(y - a) / b` rounds to the integer it means, where `floor(a / b)` could miss it by
    /// one.
    ///
    Remainder(a, b) = "{0} mod {1}", rem;
    value: a.rem(b);
    pullback(y, g): [g, g.scaled(((y - a) / b).round())];
    derivatives: ["1", "-floor(a / b)"];
    domain: [(4.4, 5.6), (3.0, 4.0)];
    kinks: [];
}

row! {
    /// The operator `%` of Rust's numbers: the sign is that of the dividend.
    ///
    TruncatedRemainder(a, b) = "{0} % {1}", truncated_rem;
    value: a.abs().rem(b.abs()).copysign(a);
    pullback(y, g): [g, g.scaled(((y - a) / b).round())];
    derivatives: ["1", "-trunc(a / b)"];
    domain: [(-5.6, -4.4), (3.0, 4.0)];
    kinks: [];
}

methods! {
    /// `yᵢ = |xᵢ|`
    ///
    /// Same shape as the operand. Defined everywhere, with a kink at 0.
    ///
    /// Derivative: `sign(x)`; 0 at 0.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(-3.0f64));
    /// let z = x.abs();
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 3.0);
    /// assert_eq!(gx.item()?, -1.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    abs() => Abs;

    /// `yᵢ` is 1 for positive xᵢ, −1 for negative, 0 for 0 and NaN for NaN.
    ///
    /// Same shape as the operand. Jumps at 0.
    ///
    /// Derivative: 0 everywhere, also at 0.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(-3.0f64));
    /// let z = x.sign();
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, -1.0);
    /// assert_eq!(gx.item()?, 0.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    sign() => Sign;

    /// `yᵢ = ⌊xᵢ⌋`, the largest integer not above.
    ///
    /// Same shape as the operand. Jumps at every integer.
    ///
    /// Derivative: 0 everywhere.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(-1.5f64));
    /// let z = x.floor();
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, -2.0);
    /// assert_eq!(gx.item()?, 0.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    floor() => Floor;

    /// `yᵢ = ⌈xᵢ⌉`, the smallest integer not below.
    ///
    /// Same shape as the operand. Jumps at every integer.
    ///
    /// Derivative: 0 everywhere.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(-1.5f64));
    /// let z = x.ceil();
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, -1.0);
    /// assert_eq!(gx.item()?, 0.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    ceil() => Ceil;

    /// `yᵢ` is the integer nearest to xᵢ, the even one of two (IEEE 754, as in PyTorch).
    ///
    /// Same shape as the operand. Jumps halfway between integers.
    ///
    /// Derivative: 0 everywhere.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(2.5f64));
    /// let z = x.round();
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 2.0);
    /// assert_eq!(gx.item()?, 0.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    round() => Round;

    /// `zᵢ = xᵢ − yᵢ ⌊xᵢ / yᵢ⌋`: the remainder with the sign of the divisor, as in Python.
    ///
    /// Shapes are broadcast by NumPy's rule; the other operand may be a number. Exact; NaN for a divisor 0. Jumps
    /// where x / y is an integer.
    ///
    /// Derivatives: 1 by x, `−⌊x / y⌋` by y.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(5.0f64));
    /// let y = tape.input(Tensor::scalar(2.0f64));
    /// let z = x.rem(y);
    /// let [gx, gy] = z.grad([x, y]);
    /// assert_eq!(z.item()?, 1.0);
    /// assert_eq!(gx.item()?, 1.0);
    /// assert_eq!(gy.item()?, -2.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[expect(clippy::should_implement_trait, reason = "`%` is another function: its sign is that of the dividend")]
    rem(other) => Remainder;
}

impl<T: Element> Var<'_, T> {
    /// `yᵢ = −xᵢ`; the operator `-` as a method.
    ///
    /// Same shape as the operand. Defined and smooth everywhere.
    ///
    /// Derivative: −1.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(2.0f64));
    /// let z = x.neg();
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, -2.0);
    /// assert_eq!(gx.item()?, -1.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    #[expect(clippy::should_implement_trait, reason = "it does; this is for chains of methods without the import")]
    pub fn neg(self) -> Self {
        apply(Negate, [self])
    }
}
