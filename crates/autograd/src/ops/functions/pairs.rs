//! Functions of two numbers that are stable where their formula is not, and each as a free function where its two
//! operands play the same part.

use super::{IntoVar, methods};
use crate::kernels::number::{Element, Number};
use crate::ops::elementwise::row;
use crate::ops::real::Real;
use crate::tape::var::Var;

row! {
    /// Neither square overflows nor underflows. The derivatives are the row [`Direction`], so that they are exact at the
    /// origin and at infinity.
    ///
    Hypot(a, b) = "hypot({0}, {1})", hypot;
    value: length(a, b);
    pullback(y, g): [g.scaled(R::apply(Direction, [a, b])), g.scaled(R::apply(Direction, [b, a]))];
    derivatives: ["a / y", "b / y"];
    domain: [(-3.0, 3.0), (0.5, 3.0)];
    kinks: [];
}

row! {
    /// A coordinate of the unit vector along `(a, b)`, 0 at the origin: what the derivatives of `hypot` are made of.
    ///
    Direction(a, b) = "direction({0}, {1})", direction;
    value: {
        let size = a.abs().max(b.abs());
        // An infinite coordinate is the whole of the vector, two share it.
        let infinite = size == N::of(f64::INFINITY);
        let unit = |x: N| N::select(x.abs() == size, N::of(1.0).copysign(x), N::ZERO);
        let u = N::select(infinite, unit(a), a / size);
        let v = N::select(infinite, unit(b), b / size);
        N::select(size == N::ZERO, N::ZERO, u / (u * u + v * v).sqrt())
    };
    pullback(y, g): [
        {
            let v = R::apply(Direction, [b, a]);
            g.scaled(v * v).scaled(a.hypot(b).recip())
        },
        -g.scaled(y * R::apply(Direction, [b, a])).scaled(a.hypot(b).recip()),
    ];
    derivatives: ["b^2 / (a^2 + b^2)^(3/2)", "-a b / (a^2 + b^2)^(3/2)"];
    domain: [(-3.0, 3.0), (0.5, 3.0)];
    kinks: [];
}

/// `sqrt(a^2 + b^2)` by the ratio of the two; infinite where either is, even beside NaN, as IEEE 754 has it.
#[inline(always)]
fn length<N: Number>(a: N, b: N) -> N {
    let infinity = N::of(f64::INFINITY);
    let (large, small) = (a.abs().max(b.abs()), a.abs().min(b.abs()));
    let ratio = small / large;
    let y = N::select(large == N::ZERO, N::ZERO, large * (N::ONE + ratio * ratio).sqrt());
    N::select((a.abs() == infinity) | (b.abs() == infinity), infinity, y)
}

row! {
    /// The derivatives are the two shares, `sigmoid(a - b)` and `sigmoid(b - a)`, which do not overflow. Equal infinities
    /// do not cancel: two of plus infinity share equally, two of minus infinity have nothing to share.
    ///
    LogAddExp(a, b) = "logaddexp({0}, {1})", logaddexp;
    value: {
        let difference = (a - b).abs();
        N::select(difference.is_nan() & (a == b), a, a.max(b) + (-difference).exp().ln_1p())
    };
    pullback(y, g): [portion(a, b, g), portion(b, a, g)];
    derivatives: ["sigmoid(a - b)", "sigmoid(b - a)"];
    domain: [(-3.0, 3.0), (-3.0, 3.0)];
    kinks: [];
}

/// What `a` gets of the cotangent of `logaddexp(a, b)`.
#[track_caller]
fn portion<R: Real>(a: R, b: R, g: R) -> R {
    let difference = a - b;
    let infinite = a.eq(b) * difference.ne(difference);
    let half = a.gt(a.constant(0.0)) * a.constant(0.5);
    infinite.select(g.scaled(half), g.scaled(difference.sigmoid()))
}

row! {
    /// 0 where x is 0, whatever the logarithm. Where both are 0 the derivative by y is 0, so that that of `xlogy(x, x)`
    /// is the limit of `ln x + 1`.
    ///
    XLogY(x, y) = "xlogy({0}, {1})", xlogy;
    value: N::select((x == N::ZERO) & !y.is_nan(), N::ZERO, x * y.ln());
    pullback(z, g): [
        g.scaled(y.ln()),
        {
            let zero = x.constant(0.0);
            (x.eq(zero) * y.eq(zero)).select(zero, g.scaled(x / y))
        },
    ];
    derivatives: ["ln(y)", "x / y, 0 where both are 0"];
    domain: [(-3.0, 3.0), (0.5, 3.0)];
    kinks: [];
}

row! {
    FMax(a, b) = "fmax({0}, {1})", fmax;
    value: N::select(a.is_nan(), b, N::select(b.is_nan(), a, a.max(b)));
    pullback(y, g): [winning(a, b, a.lt(b), g), winning(b, a, b.lt(a), g)];
    derivatives: ["1 where a > b, 1/2 where equal, else 0", "1 where b > a, 1/2 where equal, else 0"];
    domain: [(-3.0, 3.0), (-3.0, 3.0)];
    kinks: [];
}

row! {
    FMin(a, b) = "fmin({0}, {1})", fmin;
    value: N::select(a.is_nan(), b, N::select(b.is_nan(), a, a.min(b)));
    pullback(y, g): [winning(a, b, a.gt(b), g), winning(b, a, b.gt(a), g)];
    derivatives: ["1 where a < b, 1/2 where equal, else 0", "1 where b < a, 1/2 where equal, else 0"];
    domain: [(-3.0, 3.0), (-3.0, 3.0)];
    kinks: [];
}

/// What `a` gets of the cotangent of `fmax(a, b)`: nothing where it loses or is not a number, half where both are equal,
/// and half where neither is a number.
#[track_caller]
fn winning<R: Real>(a: R, b: R, loses: R, g: R) -> R {
    let (no_a, no_b) = (a.ne(a), b.ne(b));
    let out = loses + no_a * (a.constant(1.0) - no_b);
    let ties = a.eq(b) + no_a * no_b;
    out.select(g.constant(0.0), ties.select(g * g.constant(0.5), g))
}

methods! {
    /// `zᵢ = √(xᵢ² + yᵢ²)`, without overflow: the length of the vector (x, y).
    ///
    /// Shapes are broadcast by NumPy's rule; the other operand may be a number. +∞ where either is infinite.
    ///
    /// Derivatives: `x / z` and `y / z`; 0 and 0 at the origin. Also as the function [`hypot`](crate::hypot).
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let (x, y) = (tape.input(Tensor::scalar(3e200f64)), tape.input(Tensor::scalar(4e200f64)));
    /// let z = x.hypot(y);
    /// let [gx, gy] = z.grad([x, y]);
    /// assert!((z.item()? / 5e200 - 1.0).abs() < 1e-15);
    /// assert!((gx.item()? - 0.6).abs() < 1e-15 && (gy.item()? - 0.8).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    hypot(other) => Hypot;

    /// `zᵢ = ln(exp(xᵢ) + exp(yᵢ))`, without overflow: the sum of two numbers that are given by their logarithms.
    ///
    /// Shapes are broadcast by NumPy's rule; the other operand may be a number. −∞ where both are.
    ///
    /// Derivatives: `sigmoid(x − y)` and `sigmoid(y − x)`; 0 and 0 where both are −∞, a half each where both are +∞.
    /// For more than two operands see [`Var::logsumexp`]. Also as the function [`logaddexp`](crate::logaddexp).
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let (x, y) = (tape.input(Tensor::scalar(1000.0f64)), tape.input(Tensor::scalar(1000.0f64)));
    /// let z = x.logaddexp(y);
    /// let [gx, gy] = z.grad([x, y]);
    /// assert_eq!(z.item()?, 1000.0 + 2f64.ln());
    /// assert_eq!((gx.item()?, gy.item()?), (0.5, 0.5));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    logaddexp(other) => LogAddExp;

    /// `zᵢ = xᵢ ln yᵢ`, and 0 where `xᵢ` is 0 whatever `yᵢ`, called on x: a term of an entropy.
    ///
    /// Shapes are broadcast by NumPy's rule; the other operand may be a number. NaN where y is negative or NaN, but 0 where x
    /// is 0 and y negative.
    ///
    /// Derivatives: `ln y` by x, which is −∞ at y = 0; `x / y` by y, which is 0 where both are 0. So that of
    /// `xlogy(x, x)` at 0 is −∞, the limit.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let (x, y) = (tape.input(Tensor::from([0.0f64, 3.0])), tape.input(Tensor::from([0.0f64, 1.0])));
    /// let z = x.xlogy(y);
    /// let [gy] = z.sum().grad([y]);
    /// assert_eq!(z.value()?.as_slice(), [0.0, 0.0]);
    /// assert_eq!(gy.value()?.as_slice(), [0.0, 3.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    xlogy(other) => XLogY;

    /// `zᵢ = max(xᵢ, yᵢ)`, where NaN counts as missing: the other operand is the value.
    ///
    /// Shapes are broadcast by NumPy's rule; the other operand may be a number. NaN only where both are. Where a NaN is to
    /// be seen, use [`Var::maximum`].
    ///
    /// Derivatives: 1 for the value and 0 for the other; 1/2 for each where they are equal. Also as the function
    /// [`fmax`](crate::fmax).
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let (x, y) = (tape.input(Tensor::from([f64::NAN, 2.0])), tape.input(Tensor::from([1.0, 2.0])));
    /// let z = x.fmax(y);
    /// let [gx, gy] = z.sum().grad([x, y]);
    /// assert_eq!(z.value()?.as_slice(), [1.0, 2.0]);
    /// assert_eq!((gx.value()?.to_vec(), gy.value()?.to_vec()), (vec![0.0, 0.5], vec![1.0, 0.5]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    fmax(other) => FMax;

    /// `zᵢ = min(xᵢ, yᵢ)`, where NaN counts as missing: the other operand is the value. See [`Var::fmax`].
    ///
    /// Shapes are broadcast by NumPy's rule; the other operand may be a number. NaN only where both are.
    ///
    /// Derivatives: 1 for the value and 0 for the other; 1/2 for each where they are equal. Also as the function
    /// [`fmin`](crate::fmin).
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor};
    /// # let tape = Tape::new();
    /// let (x, y) = (tape.input(Tensor::from([f64::NAN, 2.0])), tape.input(Tensor::from([1.0, 3.0])));
    /// let z = x.fmin(y);
    /// let [gx, gy] = z.sum().grad([x, y]);
    /// assert_eq!(z.value()?.as_slice(), [1.0, 2.0]);
    /// assert_eq!((gx.value()?.to_vec(), gy.value()?.to_vec()), (vec![0.0, 1.0], vec![1.0, 0.0]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    fmin(other) => FMin;
}

macro_rules! free_functions {
    ($($(#[$meta:meta])* $function:ident;)*) => {$(
        $(#[$meta])*
        #[track_caller]
        pub fn $function<'t, T: Element>(a: Var<'t, T>, b: impl IntoVar<'t, T>) -> Var<'t, T> {
            a.$function(b)
        }
    )*};
}

free_functions! {
    /// `zᵢ = max(aᵢ, bᵢ)`: [`Var::maximum`] as a function.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor, maximum};
    /// # let tape = Tape::new();
    /// let (a, b) = (tape.input(Tensor::scalar(2.0f64)), tape.input(Tensor::scalar(2.0f64)));
    /// let z = maximum(a, b);
    /// let [ga, gb] = z.grad([a, b]);
    /// assert_eq!((z.item()?, ga.item()?, gb.item()?), (2.0, 0.5, 0.5));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    maximum;

    /// `zᵢ = min(aᵢ, bᵢ)`: [`Var::minimum`] as a function.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor, minimum};
    /// # let tape = Tape::new();
    /// let (a, b) = (tape.input(Tensor::scalar(2.0f64)), tape.input(Tensor::scalar(5.0f64)));
    /// let z = minimum(a, b);
    /// let [ga, gb] = z.grad([a, b]);
    /// assert_eq!((z.item()?, ga.item()?, gb.item()?), (2.0, 1.0, 0.0));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    minimum;

    /// `zᵢ = √(aᵢ² + bᵢ²)`: [`Var::hypot`] as a function.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor, hypot};
    /// # let tape = Tape::new();
    /// let (a, b) = (tape.input(Tensor::scalar(0.0f64)), tape.input(Tensor::scalar(0.0f64)));
    /// let z = hypot(a, b);
    /// let [ga, gb] = z.grad([a, b]);
    /// assert_eq!((z.item()?, ga.item()?, gb.item()?), (0.0, 0.0, 0.0));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    hypot;

    /// `zᵢ = ln(exp(aᵢ) + exp(bᵢ))`: [`Var::logaddexp`] as a function.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor, logaddexp};
    /// # let tape = Tape::new();
    /// let (a, b) = (tape.input(Tensor::scalar(0.0f64)), tape.input(Tensor::scalar(-1000.0f64)));
    /// let z = logaddexp(a, b);
    /// let [ga, gb] = z.grad([a, b]);
    /// assert_eq!((z.item()?, ga.item()?, gb.item()?), (0.0, 1.0, 0.0));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    logaddexp;

    /// `zᵢ = max(aᵢ, bᵢ)`, where NaN counts as missing: [`Var::fmax`] as a function.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor, fmax};
    /// # let tape = Tape::new();
    /// let a = tape.input(Tensor::scalar(3.0f64));
    /// let z = fmax(a, f64::NAN);
    /// let [ga] = z.grad([a]);
    /// assert_eq!((z.item()?, ga.item()?), (3.0, 1.0));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    fmax;

    /// `zᵢ = min(aᵢ, bᵢ)`, where NaN counts as missing: [`Var::fmin`] as a function.
    ///
    /// ```
    /// # use wengert_autograd::{Tape, Tensor, fmin};
    /// # let tape = Tape::new();
    /// let a = tape.input(Tensor::scalar(3.0f64));
    /// let z = fmin(a, f64::NAN);
    /// let [ga] = z.grad([a]);
    /// assert_eq!((z.item()?, ga.item()?), (3.0, 1.0));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    fmin;
}
