//! Comparisons, and what chooses between values: extremes, clamping, `where_`.

use super::{IntoVar, methods};
use crate::kernels::number::Element;
use crate::ops::elementwise::{Zero, apply, row};
use crate::ops::real::Real;
use crate::tape::var::Var;

row! {
    Less(a, b) = "{0} < {1}", lt;
    value: N::select(a < b, N::ONE, N::ZERO);
    pullback(y, g): [Zero, Zero];
    derivatives: ["0", "0"];
    domain: [(-3.0, 3.0), (-3.0, 3.0)];
    kinks: [];
}

row! {
    LessEqual(a, b) = "{0} <= {1}", le;
    value: N::select(a <= b, N::ONE, N::ZERO);
    pullback(y, g): [Zero, Zero];
    derivatives: ["0", "0"];
    domain: [(-3.0, 3.0), (-3.0, 3.0)];
    kinks: [];
}

row! {
    Greater(a, b) = "{0} > {1}", gt;
    value: N::select(a > b, N::ONE, N::ZERO);
    pullback(y, g): [Zero, Zero];
    derivatives: ["0", "0"];
    domain: [(-3.0, 3.0), (-3.0, 3.0)];
    kinks: [];
}

row! {
    GreaterEqual(a, b) = "{0} >= {1}", ge;
    value: N::select(a >= b, N::ONE, N::ZERO);
    pullback(y, g): [Zero, Zero];
    derivatives: ["0", "0"];
    domain: [(-3.0, 3.0), (-3.0, 3.0)];
    kinks: [];
}

row! {
    Equal(a, b) = "{0} == {1}", eq;
    value: N::select(a == b, N::ONE, N::ZERO);
    pullback(y, g): [Zero, Zero];
    derivatives: ["0", "0"];
    domain: [(-3.0, 3.0), (-3.0, 3.0)];
    kinks: [];
}

row! {
    NotEqual(a, b) = "{0} != {1}", ne;
    value: N::select(a != b, N::ONE, N::ZERO);
    pullback(y, g): [Zero, Zero];
    derivatives: ["0", "0"];
    domain: [(-3.0, 3.0), (-3.0, 3.0)];
    kinks: [];
}

row! {
    Maximum(a, b) = "max({0}, {1})", maximum;
    value: a.max(b);
    pullback(y, g): [share(a.lt(b), a.eq(b), g), share(b.lt(a), a.eq(b), g)];
    derivatives: ["1 where a > b, 1/2 where equal, else 0", "1 where b > a, 1/2 where equal, else 0"];
    domain: [(-3.0, 3.0), (-3.0, 3.0)];
    kinks: [];
}

row! {
    Minimum(a, b) = "min({0}, {1})", minimum;
    value: a.min(b);
    pullback(y, g): [share(a.gt(b), a.eq(b), g), share(b.gt(a), a.eq(b), g)];
    derivatives: ["1 where a < b, 1/2 where equal, else 0", "1 where b < a, 1/2 where equal, else 0"];
    domain: [(-3.0, 3.0), (-3.0, 3.0)];
    kinks: [];
}

/// What the larger of two gets of a cotangent: selected rather than multiplied, so ties are exact and what doesn't count
/// stays out even if it is infinite. Where either is NaN both get all, so that the NaN isn't hidden.
#[track_caller]
fn share<R: Real>(loses: R, ties: R, g: R) -> R {
    loses.select(g.constant(0.0), ties.select(g * g.constant(0.5), g))
}

row! {
    Clamp(x, low, high) = "clamp({0}, {1}, {2})", clamp;
    value: x.max(low).min(high);
    pullback(y, g): [
        x.le(low).select(g.constant(0.0), x.ge(high).select(g.constant(0.0), g)),
        low.ge(high).select(g.constant(0.0), x.le(low).select(g, g.constant(0.0))),
        low.ge(high).select(g, x.ge(high).select(g, g.constant(0.0))),
    ];
    derivatives: ["1 where low < x < high, else 0", "1 where x <= low < high, else 0", "1 where high is the value, else 0"];
    domain: [(-3.0, 3.0), (-1.02, -1.0), (1.0, 1.02)];
    kinks: [-1.01, 1.01];
}

row! {
    Select(mask, a, b) = "where({0}, {1}, {2})", where_;
    value: N::select(mask != N::ZERO, a, b);
    pullback(y, g): [Zero, mask.select(g, g.constant(0.0)), mask.select(g.constant(0.0), g)];
    derivatives: ["0", "1 where mask, else 0", "0 where mask, else 1"];
    domain: [(-1.0, 1.0), (-3.0, 3.0), (-3.0, 3.0)];
    kinks: [0.0];
}

methods! {
    /// `zᵢ` is 1 where `xᵢ < yᵢ`, else 0: a mask, for [`Var::where_`].
    ///
    /// Shapes are broadcast by NumPy's rule; the other operand may be a number. 0 where either is NaN.
    ///
    /// Derivatives: 0 everywhere.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(1.0f64));
    /// let z = x.lt(2.0);
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 1.0);
    /// assert_eq!(gx.item()?, 0.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    lt(other) => Less;

    /// `zᵢ` is 1 where `xᵢ ≤ yᵢ`, else 0: a mask, for [`Var::where_`].
    ///
    /// Shapes are broadcast by NumPy's rule; the other operand may be a number. 0 where either is NaN.
    ///
    /// Derivatives: 0 everywhere.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(1.0f64));
    /// let z = x.le(1.0);
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 1.0);
    /// assert_eq!(gx.item()?, 0.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    le(other) => LessEqual;

    /// `zᵢ` is 1 where `xᵢ > yᵢ`, else 0: a mask, for [`Var::where_`].
    ///
    /// Shapes are broadcast by NumPy's rule; the other operand may be a number. 0 where either is NaN.
    ///
    /// Derivatives: 0 everywhere.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(1.0f64));
    /// let z = x.gt(0.0);
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 1.0);
    /// assert_eq!(gx.item()?, 0.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    gt(other) => Greater;

    /// `zᵢ` is 1 where `xᵢ ≥ yᵢ`, else 0: a mask, for [`Var::where_`].
    ///
    /// Shapes are broadcast by NumPy's rule; the other operand may be a number. 0 where either is NaN.
    ///
    /// Derivatives: 0 everywhere.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(1.0f64));
    /// let z = x.ge(1.0);
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 1.0);
    /// assert_eq!(gx.item()?, 0.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    ge(other) => GreaterEqual;

    /// `zᵢ` is 1 where `xᵢ = yᵢ`, else 0: a mask, for [`Var::where_`].
    ///
    /// Shapes are broadcast by NumPy's rule; the other operand may be a number. 0 where either is NaN.
    ///
    /// Derivatives: 0 everywhere.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(1.0f64));
    /// let z = x.eq(1.0);
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 1.0);
    /// assert_eq!(gx.item()?, 0.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    eq(other) => Equal;

    /// `zᵢ` is 1 where `xᵢ ≠ yᵢ`, else 0: a mask, for [`Var::where_`].
    ///
    /// Shapes are broadcast by NumPy's rule; the other operand may be a number. 1 where either is NaN.
    ///
    /// Derivatives: 0 everywhere.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(1.0f64));
    /// let z = x.ne(0.0);
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 1.0);
    /// assert_eq!(gx.item()?, 0.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    ne(other) => NotEqual;

    /// `zᵢ = max(xᵢ, yᵢ)`, the larger of two.
    ///
    /// Shapes are broadcast by NumPy's rule; the other operand may be a number. NaN where either is NaN.
    ///
    /// Derivatives: 1 for the larger and 0 for the other; 1/2 for each where they are equal. Where either is NaN, 1
    /// for both, as in PyTorch.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(1.0f64));
    /// let z = x.maximum(2.0);
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 2.0);
    /// assert_eq!(gx.item()?, 0.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    maximum(other) => Maximum;

    /// `zᵢ = min(xᵢ, yᵢ)`, the smaller of two.
    ///
    /// Shapes are broadcast by NumPy's rule; the other operand may be a number. NaN where either is NaN.
    ///
    /// Derivatives: 1 for the smaller and 0 for the other; 1/2 for each where they are equal. Where either is NaN, 1
    /// for both, as in PyTorch.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(1.0f64));
    /// let z = x.minimum(2.0);
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 1.0);
    /// assert_eq!(gx.item()?, 1.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    minimum(other) => Minimum;
}

impl<'t, T: Element> Var<'t, T> {
    /// `yᵢ = min(max(xᵢ, low), high)`
    ///
    /// Shapes are broadcast by NumPy's rule; the bounds may be numbers or `Var`s. NaN stays NaN; where low is above
    /// high the value is high, as in PyTorch.
    ///
    /// Derivatives: 1 by x strictly between the bounds, else 0, also at the bounds; 1 by the bound that is the value.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(2.0f64));
    /// let z = x.clamp(-1.0, 1.0);
    /// let [gx] = z.grad([x]);
    /// assert_eq!(z.item()?, 1.0);
    /// assert_eq!(gx.item()?, 0.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn clamp(self, low: impl IntoVar<'t, T>, high: impl IntoVar<'t, T>) -> Self {
        apply(Clamp, [self, low.into_var(self.tape), high.into_var(self.tape)])
    }

    /// `zᵢ = aᵢ` where the mask isn't 0, else `bᵢ`, called on the mask.
    ///
    /// Shapes are broadcast by NumPy's rule; `a` and `b` may be numbers.
    ///
    /// Derivatives: the cotangent to the one that was taken, exactly 0 to the other, whatever its value and its own
    /// derivative are; 0 by the mask. So a branch that is invalid where it isn't taken does no harm.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let x = tape.input(Tensor::from([4.0f64, -1.0]));
    /// let y = x.gt(0.0).where_(x.sqrt(), 0.0);                // or where_(x.gt(0.0), x.sqrt(), 0.0)
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(y.value()?.as_slice(), [2.0, 0.0]);
    /// assert_eq!(gx.value()?.as_slice(), [0.25, 0.0]);        // and no NaN from the root of -1
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn where_(self, a: impl IntoVar<'t, T>, b: impl IntoVar<'t, T>) -> Self {
        apply(Select, [self, a.into_var(self.tape), b.into_var(self.tape)])
    }
}

/// `zᵢ = aᵢ` where the mask isn't 0, else `bᵢ`: [`Var::where_`] as a function.
///
/// Shapes are broadcast by NumPy's rule; `a` and `b` may be numbers.
///
/// Derivatives: the cotangent to the one that was taken, exactly 0 to the other.
///
/// ```
/// # use wengert_autograd::{Tape, Tensor, where_};
/// # let tape = Tape::new();
/// let x = tape.input(Tensor::scalar(3.0f64));
/// let y = where_(x.gt(1.0), x.square(), 0.0);
/// let [gx] = y.grad([x]);
/// assert_eq!((y.item()?, gx.item()?), (9.0, 6.0));
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn where_<'t, T: Element>(mask: Var<'t, T>, a: impl IntoVar<'t, T>, b: impl IntoVar<'t, T>) -> Var<'t, T> {
    mask.where_(a, b)
}
