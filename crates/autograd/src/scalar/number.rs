//! What a scalar tape can compute with: plain numbers, and numbers that carry derivatives themselves.

use std::fmt::{Debug, Display};

use num_traits::{Float, FloatConst, FromPrimitive};

use crate::kernels::block::map;
use crate::kernels::native::Native;
use crate::kernels::number::{Element, Number};
use crate::ops::{Elementwise, Exp, Real, Scaled};

/// The value type of a [`Tape`](super::Tape) or a [`Dual`](super::Dual): `f32`, `f64`, a dual number, or a
/// [`Var`](super::Var) of another tape, so that derivatives nest to any order.
pub trait Scalar: Real + PartialOrd + Debug + Display {
    /// The plain number inside.
    type Base: Element + Float + FloatConst + FromPrimitive;

    /// A constant.
    fn of_base(value: Self::Base) -> Self;

    /// The plain value, all derivatives left out.
    fn base(self) -> Self::Base;

    /// Whether it carries no derivative: of a dual number, whether the derivative is exactly 0.
    fn is_constant(self) -> bool;

    /// The constant `value`, rounded to nearest.
    #[inline(always)]
    fn of(value: f64) -> Self {
        Self::of_base(<Self::Base as Number>::of(value))
    }

    /// `self + adjoint · partial`, by the zero rule; for a plain number the adjoint isn't 0.
    #[inline(always)]
    #[track_caller]
    fn plus_scaled(self, adjoint: Self, partial: Self) -> Self {
        self + adjoint.scaled(partial)
    }

    /// The value of a row of the registry.
    #[inline(always)]
    #[track_caller]
    fn evaluate<F: Elementwise<A>, const A: usize>(function: F, operands: [Self; A]) -> Self {
        Self::apply(function, operands)
    }

    /// Replaces each number by `e` to its power.
    #[track_caller]
    fn exp_all(numbers: &mut [Self]) {
        numbers.iter_mut().for_each(|number| *number = Real::exp(*number));
    }

    /// Whether it is the constant `value`.
    #[inline(always)]
    fn is_exactly(self, value: f64) -> bool {
        self.base() == <Self::Base as Number>::of(value) && self.is_constant()
    }
}

macro_rules! plain {
    ($($float:ident { $($evaluate:tt)* })*) => {$(
        impl Scalar for $float {
            $($evaluate)*

            type Base = $float;

            #[inline(always)]
            fn of_base(value: $float) -> $float {
                value
            }

            #[inline(always)]
            fn base(self) -> $float {
                self
            }

            #[inline(always)]
            fn is_constant(self) -> bool {
                true
            }

            fn exp_all(numbers: &mut [$float]) {
                let mut block = [0.0; 512];
                for numbers in numbers.chunks_mut(512) {
                    block[..numbers.len()].copy_from_slice(numbers);
                    map::<Exp, $float, 1>([&block[..numbers.len()]], numbers);
                }
            }

            #[inline(always)]
            fn plus_scaled(self, adjoint: $float, partial: $float) -> $float {
                self + adjoint * partial
            }
        }
    )*};
}

plain! {
    f32 {}
    f64 {
        #[inline(always)]
        fn evaluate<F: Elementwise<A>, const A: usize>(_: F, operands: [f64; A]) -> f64 {
            F::value(operands.map(Native)).0
        }
    }
}

/// 1 in one lane, 0 in the others.
#[inline(always)]
pub(super) fn unit<T: Scalar, const L: usize>(lane: usize) -> [T; L] {
    std::array::from_fn(|k| T::of(f64::from(u8::from(k == lane))))
}

/// A value in a derivative rule: multiplies plainly, and knows the cotangent 1, so that a partial derivative comes out
/// of the rule without a factor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partial<T> {
    value: T,
    is_one: bool,
}

impl<T: Scalar> Partial<T> {
    #[inline(always)]
    fn new(value: T) -> Self {
        Partial { value, is_one: false }
    }
}

/// `∂F/∂xᵢ` at `x`, where `F(x) = y`; `None` where it is zero everywhere.
#[inline(always)]
#[track_caller]
pub(crate) fn partial<T: Scalar, F: Elementwise<A>, const A: usize>(operand: usize, x: [T; A], y: T) -> Option<T> {
    let one = Partial { value: T::of(1.0), is_one: true };
    F::contribution(operand, x.map(Partial::new), Partial::new(y), one).map(|partial| partial.value)
}

macro_rules! operators {
    ($($trait:ident $method:ident $symbol:tt;)*) => {$(
        impl<T: Scalar> std::ops::$trait for Partial<T> {
            type Output = Self;
            #[inline(always)]
            #[track_caller]
            fn $method(self, right: Self) -> Self {
                Partial::new(self.value $symbol right.value)
            }
        }
    )*};
}

operators! {
    Add add +;
    Sub sub -;
    Mul mul *;
    Div div /;
}

impl<T: Scalar> std::ops::Neg for Partial<T> {
    type Output = Self;
    #[inline(always)]
    #[track_caller]
    fn neg(self) -> Self {
        Partial::new(-self.value)
    }
}

impl<T: Scalar> Real for Partial<T> {
    #[inline(always)]
    fn constant(self, value: f64) -> Self {
        Partial::new(T::of(value))
    }

    #[inline(always)]
    #[track_caller]
    fn apply<F: Elementwise<A>, const A: usize>(function: F, operands: [Self; A]) -> Self {
        Partial::new(T::evaluate(function, operands.map(|operand| operand.value)))
    }

    #[inline(always)]
    #[track_caller]
    fn scaled(self, derivative: Self) -> Self {
        match self.is_one {
            true => derivative,
            // A rule of several factors, the first of which may be zero.
            false => Self::apply(Scaled, [self, derivative]),
        }
    }
}
