//! The traits of numbers, implemented once for every type that carries derivatives. Must know no tape.

use num_traits::Float;

use super::number::Scalar;
use crate::ops::Elementwise;

/// A comparison of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Comparison {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}

impl Comparison {
    /// Whether it holds between two numbers.
    #[inline(always)]
    pub(crate) fn holds<N: PartialOrd>(self, a: N, b: N) -> bool {
        match self {
            Comparison::Less => a < b,
            Comparison::LessEqual => a <= b,
            Comparison::Greater => a > b,
            Comparison::GreaterEqual => a >= b,
            Comparison::Equal => a == b,
            Comparison::NotEqual => a != b,
        }
    }
}

/// What the macro [`number_traits!`] needs to know of a type.
pub(crate) trait Active: Copy {
    /// The type of the value.
    type Value: Scalar;

    /// The value, for computing with it and for showing it.
    fn value(self) -> Self::Value;

    /// A constant.
    fn passive(value: Self::Value) -> Self;

    /// Applies a row of the registry.
    #[track_caller]
    fn row<F: Elementwise<A>, const A: usize>(function: F, operands: [Self; A]) -> Self;

    /// A comparison that the program may branch on: a recorder of programs guards it.
    #[inline(always)]
    #[track_caller]
    fn compare(self, other: Self, comparison: Comparison) -> bool {
        comparison.holds(self.value().base(), other.value().base())
    }

    /// The value, given away as a plain number that the program may do anything with.
    #[inline(always)]
    #[track_caller]
    fn read(self) -> <Self::Value as Scalar>::Base {
        self.value().base()
    }

    /// The sum of many.
    #[inline(always)]
    #[track_caller]
    fn total(numbers: impl Iterator<Item = Self>) -> Self {
        numbers.fold(Self::passive(Self::Value::of(0.0)), |sum, x| Self::row(crate::ops::Sum2, [sum, x]))
    }

    /// A constant from a plain number.
    #[inline(always)]
    fn of_f64(value: f64) -> Self {
        Self::passive(Self::Value::of(value))
    }

    /// A constant from a plain number.
    #[inline(always)]
    fn of_base(value: <Self::Value as Scalar>::Base) -> Self {
        Self::passive(Self::Value::of_base(value))
    }
}

/// The integer part, rounded towards 0; without a branch on the value.
#[inline(always)]
#[track_caller]
pub(crate) fn trunc<X: Active>(x: X) -> X {
    let negative = X::row(crate::ops::Less, [x, X::of_f64(0.0)]);
    let (up, down) = (X::row(crate::ops::Ceil, [x]), X::row(crate::ops::Floor, [x]));
    X::row(crate::ops::Select, [negative, up, down])
}

/// The nearest integer, halves away from 0, as the `round` of Rust's numbers.
#[inline(always)]
#[track_caller]
pub(crate) fn round_away<X: Active>(x: X) -> X {
    use crate::ops::{Abs, Difference, GreaterEqual, Select, Sign, Sum2};
    let whole = trunc(x);
    let rest = X::row(Abs, [X::row(Difference, [x, whole])]);
    let further = X::row(Sum2, [whole, X::row(Sign, [x])]);
    X::row(Select, [X::row(GreaterEqual, [rest, X::of_f64(0.5)]), further, whole])
}

/// 1 or -1 with the sign of `x`, that of a zero too; NaN for NaN. Its derivative is 0.
#[inline(always)]
#[track_caller]
pub(crate) fn signum<X: Active>(x: X) -> X {
    let zero = X::of_f64(0.0);
    match x.compare(zero, Comparison::Equal) {
        true => X::of_base(Float::signum(x.read())),
        false => X::row(crate::ops::Sign, [x]),
    }
}

/// The larger, or the one that is a number.
#[inline(always)]
#[track_caller]
pub(crate) fn larger<X: Active>(a: X, b: X) -> X {
    if a.compare(a, Comparison::NotEqual) {
        b
    } else if b.compare(b, Comparison::NotEqual) {
        a
    } else {
        X::row(crate::ops::Maximum, [a, b])
    }
}

/// The smaller, or the one that is a number.
#[inline(always)]
#[track_caller]
pub(crate) fn smaller<X: Active>(a: X, b: X) -> X {
    if a.compare(a, Comparison::NotEqual) {
        b
    } else if b.compare(b, Comparison::NotEqual) {
        a
    } else {
        X::row(crate::ops::Minimum, [a, b])
    }
}

/// `√(a² + b²)` without overflow. Both derivatives are 0 at the origin.
#[inline(always)]
#[track_caller]
pub(crate) fn hypot<X: Active>(a: X, b: X) -> X {
    use crate::ops::{Abs, Product, Quotient, Sqrt, Square, Sum2};
    let (a, b) = (X::row(Abs, [a]), X::row(Abs, [b]));
    let infinite = X::of_base(Float::infinity());
    if a.compare(infinite, Comparison::Equal) {
        return a;
    }
    if b.compare(infinite, Comparison::Equal) {
        return b;
    }
    let zero = X::of_f64(0.0);
    if a.compare(zero, Comparison::Equal) && b.compare(zero, Comparison::Equal) {
        return zero;
    }
    // The function is homogeneous, so a constant factor taken out leaves the derivatives right.
    let size = X::of_base(Float::max(a.value().base(), b.value().base()));
    let (a, b) = (X::row(Quotient, [a, size]), X::row(Quotient, [b, size]));
    let sum = X::row(Sum2, [X::row(Square, [a]), X::row(Square, [b])]);
    X::row(Product, [size, X::row(Sqrt, [sum])])
}

/// The part of [`Active`] that is the same for every type with a `value` and a `constant`.
macro_rules! of_value {
    ($value:ty) => {
        type Value = $value;

        #[inline(always)]
        fn value(self) -> $value {
            self.value
        }

        #[inline(always)]
        fn passive(value: $value) -> Self {
            Self::constant(value)
        }
    };
}
pub(crate) use of_value;

/// Implements [`Scalar`] for a type that is [`Active`], and that carries no derivative of its own where the condition holds.
///
/// ```text
/// scalar_of_value! { ['t, T: Scalar] Var<'t, T>, T; |x| x.record() == 0 }
/// ```
macro_rules! scalar_of_value {
    ([$($generics:tt)*] $type:ty, $value:ty; |$x:ident| $still:expr) => {
        impl<$($generics)*> $crate::scalar::number::Scalar for $type {
            type Base = <$value as $crate::scalar::number::Scalar>::Base;

            #[inline(always)]
            fn of_base(value: Self::Base) -> Self {
                Self::constant(<$value as $crate::scalar::number::Scalar>::of_base(value))
            }

            #[inline(always)]
            fn base(self) -> Self::Base {
                $crate::scalar::number::Scalar::base(self.value)
            }

            #[inline(always)]
            fn is_constant(self) -> bool {
                let $x = self;
                $still && $crate::scalar::number::Scalar::is_constant(self.value)
            }
        }
    };
}
pub(crate) use scalar_of_value;

/// Implements [`Real`](crate::Real), the operators and the traits of `num_traits` for a type that is [`Active`].
///
/// ```text
/// number_traits! { ['t, T: Scalar] Var<'t, T>, T }      generics, type, value type
/// ```
macro_rules! number_traits {
    ([$($generics:tt)*] $type:ty, $value:ty) => {
        const _: () = {
            use std::cmp::Ordering;
            use std::num::FpCategory;
            use std::ops::{
                Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Rem, RemAssign, Sub, SubAssign,
            };
            use num_traits::{
                Float, FloatConst, FromPrimitive, Num, NumCast, One, Signed, ToPrimitive, Zero,
            };
            use $crate::ops::{self, Elementwise, Real};
            use $crate::scalar::number::Scalar;
            use $crate::scalar::traits::{self, Active, Comparison};

            type Base<T> = <T as Scalar>::Base;

            $crate::scalar::operators::number_operators! { [$($generics)*] $type, $value;
                Add add AddAssign add_assign Sum2 "+";
                Sub sub SubAssign sub_assign Difference "-";
                Mul mul MulAssign mul_assign Product "*";
                Div div DivAssign div_assign Quotient "/";
                Rem rem RemAssign rem_assign TruncatedRemainder "%";
            }
            $crate::scalar::operators::number_order! { [$($generics)*] $type, $value }
            $crate::scalar::float::number_num! { [$($generics)*] $type, $value }
            $crate::scalar::float::number_float! { [$($generics)*] $type, $value }

            impl<$($generics)*> Real for $type {
                #[inline(always)]
                fn constant(self, value: f64) -> Self {
                    <Self as Active>::of_f64(value)
                }

                #[inline(always)]
                #[track_caller]
                fn apply<F: Elementwise<A>, const A: usize>(function: F, operands: [Self; A]) -> Self {
                    <Self as Active>::row(function, operands)
                }
            }
        };
    };
}
pub(crate) use number_traits;
