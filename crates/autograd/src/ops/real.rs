//! The trait that a scalar formula can be written over, and what an elementwise op is: a row.

use std::fmt::Debug;
use std::hash::Hash;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::arithmetic::Scaled;
pub use crate::kernels::block::Formula;
use crate::kernels::number::Element;
use crate::tape::var::Var;

/// One row of the registry: a scalar function with its derivative, which serves plain numbers, tensors and every order
/// of derivative. Written with the macro `row!`.
pub trait Elementwise<const A: usize>: Formula<A> + Copy + Debug + Default + PartialEq + Hash {
    /// The name in listings and errors.
    const NAME: &'static str;
    /// The printed formula: `{0}`, `{1}` stand for the operands.
    const TEXT: &'static str;
    /// The names of the operands in the printed derivatives.
    const OPERANDS: [&'static str; A] = ["x"; A];
    /// The printed derivative with respect to each operand.
    const DERIVATIVES: [&'static str; A];
    /// Where each operand is sampled by the proof: an interval on which the function is defined.
    const DOMAIN: [(f64, f64); A];
    /// Values of the first operand around which the function is not smooth.
    const KINKS: &'static [f64];

    /// The contribution of the cotangent `g` of the output `y` to the cotangent of one operand; `None` where the
    /// derivative is zero everywhere.
    fn contribution<R: Real>(operand: usize, x: [R; A], y: R, g: R) -> Option<R>;
}

macro_rules! declare_real {
    ($($method:ident($($operand:ident),*) => $row:ident;)*) => {
        /// A number in a formula: `f32`, `f64`, or an entry of a tensor on a tape.
        ///
        /// A function over `Real` runs on plain numbers and, through [`Var::map`], on every element of a tensor, where
        /// it has exact derivatives of every order.
        ///
        /// ```
        /// use wengert_autograd::{Real, Tape, Tensor};
        /// fn swish<R: Real>(x: R) -> R {
        ///     x * x.sigmoid()
        /// }
        /// let tape = Tape::new();
        /// let x = tape.input(Tensor::from([0.0, 1.0]));
        /// let y = x.map(swish);
        /// assert_eq!(y.value()?.as_slice(), [swish(0.0), swish(1.0)]);
        /// let [gx] = y.sum().grad([x]);
        /// assert_eq!(gx.value()?.as_slice()[0], 0.5);       // sigmoid(0) + 0 * sigmoid'(0)
        /// # Ok::<(), wengert_autograd::Error>(())
        /// ```
        pub trait Real:
            Copy
            + Add<Output = Self>
            + Sub<Output = Self>
            + Mul<Output = Self>
            + Div<Output = Self>
            + Neg<Output = Self>
        {
            /// A number of the same kind as `self`.
            #[track_caller]
            fn constant(self, value: f64) -> Self;

            /// Applies a row of the registry.
            #[track_caller]
            fn apply<F: Elementwise<A>, const A: usize>(function: F, operands: [Self; A]) -> Self;

            /// `self * derivative`, and exactly zero where `self` is exactly zero, whatever the derivative.
            #[track_caller]
            fn scaled(self, derivative: Self) -> Self {
                Self::apply(Scaled, [self, derivative])
            }

            /// `a` where `self`, a mask, isn't 0, else `b`; see [`Var::where_`].
            #[track_caller]
            fn select(self, a: Self, b: Self) -> Self {
                Self::apply(super::Select, [self, a, b])
            }

            /// `self^exponent`; see [`Var::powi`].
            #[track_caller]
            fn powi(self, exponent: i32) -> Self {
                super::functions::powi(self, exponent)
            }

            /// `self^exponent` for a number; see [`Var::powf`].
            #[track_caller]
            fn powf(self, exponent: f64) -> Self {
                super::functions::powf(self, exponent)
            }

            $(
                #[doc = concat!("See [`Var::", stringify!($method), "`].")]
                #[track_caller]
                fn $method(self $(, $operand: Self)*) -> Self {
                    Self::apply(super::$row, [self $(, $operand)*])
                }
            )*
        }
    };
}
super::list::real_methods!(declare_real);

impl Real for f64 {
    fn constant(self, value: f64) -> f64 {
        value
    }

    fn apply<F: Elementwise<A>, const A: usize>(_: F, operands: [f64; A]) -> f64 {
        F::value(operands)
    }
}

impl Real for f32 {
    fn constant(self, value: f64) -> f32 {
        value as f32
    }

    fn apply<F: Elementwise<A>, const A: usize>(_: F, operands: [f32; A]) -> f32 {
        F::value(operands)
    }
}

/// One entry of a tensor, standing for all: what a closure given to [`Var::map`] computes with.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'t, T: Element = f32>(pub(crate) Var<'t, T>);

impl<T: Element> Real for Entry<'_, T> {
    #[track_caller]
    fn constant(self, value: f64) -> Self {
        Entry(self.0.tape.scalar(T::of(value)))
    }

    #[track_caller]
    fn apply<F: Elementwise<A>, const A: usize>(function: F, operands: [Self; A]) -> Self {
        Entry(super::elementwise::apply(function, operands.map(|entry| entry.0)))
    }

    #[track_caller]
    fn scaled(self, derivative: Self) -> Self {
        Entry(super::arithmetic::scaled(self.0, derivative.0))
    }
}

impl<'t, T: Element> Var<'t, T> {
    /// `yᵢ = f(xᵢ)`: a function of numbers, written over [`Real`], applied to each element.
    ///
    /// Same shape as the operand. The function is run once, on an [`Entry`] that stands for all; what it does is
    /// recorded, so its derivative is exact at every order and nothing needs to be registered.
    ///
    /// ```
    /// use wengert_autograd::{Real, Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0]));
    /// let y = x.map(|v| v.tanh() * v);
    /// assert_eq!(y.value()?.as_slice()[0], 1f64.tanh());
    /// let [gx] = y.sum().grad([x]);                     // tanh(v) + v (1 - tanh(v)^2)
    /// let t = 1f64.tanh();
    /// assert!((gx.value()?.as_slice()[0] - (t + 1.0 - t * t)).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn map(self, function: impl FnOnce(Entry<'t, T>) -> Entry<'t, T>) -> Self {
        let mapped = function(Entry(self)).0;
        // A function that ignores its argument still has the shape of its operand.
        match mapped.is_poisoned() || self.is_poisoned() || mapped.shape() == self.shape() {
            true => mapped,
            false => mapped.expand(self.shape()),
        }
    }

    /// `zᵢ = f(xᵢ, yᵢ)`: a function of two numbers, written over [`Real`], applied to the elements of two operands.
    ///
    /// Shapes are broadcast by NumPy's rule.
    ///
    /// ```
    /// use wengert_autograd::{Real, Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([3.0]));
    /// let y = tape.input(Tensor::from([4.0]));
    /// let r = x.zip_map(y, |a, b| (a * a + b * b).sqrt());
    /// assert_eq!(r.value()?.as_slice(), [5.0]);
    /// let [gx] = r.sum().grad([x]);
    /// assert!((gx.value()?.as_slice()[0] - 0.6f64).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn zip_map(self, other: Self, function: impl FnOnce(Entry<'t, T>, Entry<'t, T>) -> Entry<'t, T>) -> Self {
        function(Entry(self), Entry(other)).0
    }
}
