//! The traits of `num_traits` and the methods, for the macro `number_traits!`.

/// What may stand beside a variable as an operand of a method: another variable, or a number.
///
/// ```
/// use wengert_autograd::scalar::Tape;
/// let tape = Tape::new();
/// let x = tape.var(3.0);
/// let y = x.maximum(2.0) * x.minimum(x * x);
/// assert_eq!(y.value(), 9.0);
/// assert_eq!(y.backward().wrt(x), 6.0);
/// ```
pub trait IntoNumber<X> {
    /// The operand; a number becomes a constant.
    fn into_number(self) -> X;
}

/// `Num`, `Signed`, `Zero`, `One`, conversions and constants.
macro_rules! number_num {
    ([$($generics:tt)*] $type:ty, $value:ty) => {
        impl<$($generics)*> $crate::scalar::IntoNumber<$type> for $type {
            #[inline(always)]
            fn into_number(self) -> $type {
                self
            }
        }

        impl<$($generics)*> $crate::scalar::IntoNumber<$type> for f64 {
            #[inline(always)]
            fn into_number(self) -> $type {
                <$type as Active>::of_f64(self)
            }
        }

        impl<$($generics)*> $crate::scalar::IntoNumber<$type> for f32 {
            #[inline(always)]
            fn into_number(self) -> $type {
                <$type as Active>::of_f64(<f64 as From<f32>>::from(self))
            }
        }

        impl<$($generics)*> From<$value> for $type {
            #[inline(always)]
            fn from(value: $value) -> Self {
                <Self as Active>::passive(value)
            }
        }

        impl<$($generics)*> Zero for $type {
            #[inline(always)]
            fn zero() -> Self {
                <Self as Active>::of_f64(0.0)
            }

            #[inline(always)]
            #[track_caller]
            fn is_zero(&self) -> bool {
                <Self as Active>::compare(*self, Self::zero(), Comparison::Equal)
            }
        }

        impl<$($generics)*> One for $type {
            #[inline(always)]
            fn one() -> Self {
                <Self as Active>::of_f64(1.0)
            }
        }

        impl<$($generics)*> Num for $type {
            type FromStrRadixErr = <Base<$value> as Num>::FromStrRadixErr;

            fn from_str_radix(text: &str, radix: u32) -> Result<Self, Self::FromStrRadixErr> {
                <Base<$value> as Num>::from_str_radix(text, radix).map(<Self as Active>::of_base)
            }
        }

        impl<$($generics)*> Signed for $type {
            #[track_caller]
            fn abs(&self) -> Self {
                <Self as Active>::row(ops::Abs, [*self])
            }

            #[track_caller]
            fn abs_sub(&self, other: &Self) -> Self {
                <Self as Active>::row(ops::Relu, [*self - *other])
            }

            #[track_caller]
            fn signum(&self) -> Self {
                traits::signum(*self)
            }

            #[track_caller]
            fn is_positive(&self) -> bool {
                <Self as Active>::compare(*self, Self::zero(), Comparison::Greater)
            }

            #[track_caller]
            fn is_negative(&self) -> bool {
                <Self as Active>::compare(*self, Self::zero(), Comparison::Less)
            }
        }

        impl<$($generics)*> FromPrimitive for $type {
            fn from_i64(n: i64) -> Option<Self> {
                <Base<$value> as FromPrimitive>::from_i64(n).map(<Self as Active>::of_base)
            }

            fn from_u64(n: u64) -> Option<Self> {
                <Base<$value> as FromPrimitive>::from_u64(n).map(<Self as Active>::of_base)
            }

            fn from_f32(n: f32) -> Option<Self> {
                <Base<$value> as FromPrimitive>::from_f32(n).map(<Self as Active>::of_base)
            }

            fn from_f64(n: f64) -> Option<Self> {
                <Base<$value> as FromPrimitive>::from_f64(n).map(<Self as Active>::of_base)
            }
        }

        impl<$($generics)*> ToPrimitive for $type {
            #[track_caller]
            fn to_i64(&self) -> Option<i64> {
                ToPrimitive::to_i64(&<Self as Active>::read(*self))
            }

            #[track_caller]
            fn to_u64(&self) -> Option<u64> {
                ToPrimitive::to_u64(&<Self as Active>::read(*self))
            }

            #[track_caller]
            fn to_f32(&self) -> Option<f32> {
                ToPrimitive::to_f32(&<Self as Active>::read(*self))
            }

            #[track_caller]
            fn to_f64(&self) -> Option<f64> {
                ToPrimitive::to_f64(&<Self as Active>::read(*self))
            }
        }

        impl<$($generics)*> NumCast for $type {
            #[track_caller]
            fn from<Other: ToPrimitive>(n: Other) -> Option<Self> {
                <Base<$value> as NumCast>::from(n).map(<Self as Active>::of_base)
            }
        }

        $crate::scalar::float::number_constants! { [$($generics)*] $type, $value;
            E FRAC_1_PI FRAC_1_SQRT_2 FRAC_2_PI FRAC_2_SQRT_PI FRAC_PI_2 FRAC_PI_3 FRAC_PI_4 FRAC_PI_6 FRAC_PI_8
            LN_10 LN_2 LOG10_E LOG2_E PI SQRT_2 TAU LOG10_2 LOG2_10 }
    };
}
pub(crate) use number_num;

/// `FloatConst`.
macro_rules! number_constants {
    ([$($generics:tt)*] $type:ty, $value:ty; $($name:ident)*) => {
        impl<$($generics)*> FloatConst for $type {
            $(
                #[inline(always)]
                fn $name() -> Self {
                    <Self as Active>::of_base(<Base<$value> as FloatConst>::$name())
                }
            )*
        }
    };
}
pub(crate) use number_constants;

/// `Float`.
macro_rules! number_float {
    ([$($generics:tt)*] $type:ty, $value:ty) => {
        impl<$($generics)*> Float for $type {
            $crate::scalar::float::float_constants! { $value;
                nan infinity neg_infinity neg_zero min_value min_positive_value max_value epsilon }
            $crate::scalar::float::float_tests! { $value;
                is_infinite is_finite is_normal is_sign_positive is_sign_negative }
            $crate::scalar::float::float_rows! {
                floor Floor, ceil Ceil, abs Abs, recip Reciprocal, sqrt Sqrt, exp Exp, exp2 Exp2, ln Ln, log2 Log2,
                log10 Log10, cbrt Cbrt, sin Sin, cos Cos, tan Tan, asin Asin, acos Acos, atan Atan,
                exp_m1 ExpMinusOne, ln_1p LnOnePlus, sinh Sinh, cosh Cosh, tanh Tanh, asinh Asinh, acosh Acosh,
                atanh Atanh }

            #[inline(always)]
            #[track_caller]
            fn is_nan(self) -> bool {
                <Self as Active>::compare(self, self, Comparison::NotEqual)
            }

            #[track_caller]
            fn classify(self) -> FpCategory {
                Float::classify(<Self as Active>::read(self))
            }

            #[track_caller]
            fn round(self) -> Self {
                traits::round_away(self)
            }

            #[track_caller]
            fn trunc(self) -> Self {
                traits::trunc(self)
            }

            #[track_caller]
            fn fract(self) -> Self {
                self - traits::trunc(self)
            }

            #[track_caller]
            fn signum(self) -> Self {
                traits::signum(self)
            }

            #[inline(always)]
            #[track_caller]
            fn mul_add(self, factor: Self, summand: Self) -> Self {
                <Self as Active>::row(ops::MultiplyAdd, [self, factor, summand])
            }

            #[inline(always)]
            #[track_caller]
            fn powi(self, exponent: i32) -> Self {
                Real::powi(self, exponent)
            }

            #[inline(always)]
            #[track_caller]
            fn powf(self, exponent: Self) -> Self {
                <Self as Active>::row(ops::Power, [self, exponent])
            }

            #[track_caller]
            fn log(self, base: Self) -> Self {
                <Self as Active>::row(ops::Ln, [self]) / <Self as Active>::row(ops::Ln, [base])
            }

            #[inline(always)]
            #[track_caller]
            fn max(self, other: Self) -> Self {
                traits::larger(self, other)
            }

            #[inline(always)]
            #[track_caller]
            fn min(self, other: Self) -> Self {
                traits::smaller(self, other)
            }

            #[track_caller]
            fn abs_sub(self, other: Self) -> Self {
                Signed::abs_sub(&self, &other)
            }

            #[track_caller]
            fn hypot(self, other: Self) -> Self {
                traits::hypot(self, other)
            }

            #[inline(always)]
            #[track_caller]
            fn atan2(self, other: Self) -> Self {
                <Self as Active>::row(ops::Atan2, [self, other])
            }

            #[inline(always)]
            #[track_caller]
            fn sin_cos(self) -> (Self, Self) {
                (<Self as Active>::row(ops::Sin, [self]), <Self as Active>::row(ops::Cos, [self]))
            }

            #[track_caller]
            fn to_degrees(self) -> Self {
                self * <Self as Active>::of_f64(180.0 / std::f64::consts::PI)
            }

            #[track_caller]
            fn to_radians(self) -> Self {
                self * <Self as Active>::of_f64(std::f64::consts::PI / 180.0)
            }

            #[track_caller]
            fn integer_decode(self) -> (u64, i16, i8) {
                Float::integer_decode(<Self as Active>::read(self))
            }
        }
    };
}
pub(crate) use number_float;

macro_rules! float_constants {
    ($value:ty; $($name:ident)*) => {$(
        #[inline(always)]
        fn $name() -> Self {
            <Self as Active>::of_base(<Base<$value> as Float>::$name())
        }
    )*};
}
pub(crate) use float_constants;

macro_rules! float_tests {
    ($value:ty; $($name:ident)*) => {$(
        #[inline(always)]
        #[track_caller]
        fn $name(self) -> bool {
            Float::$name(<Self as Active>::read(self))
        }
    )*};
}
pub(crate) use float_tests;

macro_rules! float_rows {
    ($($name:ident $row:ident),*) => {$(
        #[inline(always)]
        #[track_caller]
        fn $name(self) -> Self {
            <Self as Active>::row(ops::$row, [self])
        }
    )*};
}
pub(crate) use float_rows;

/// The functions of [`Real`](crate::Real) as methods, so that nothing has to be imported for a formula.
macro_rules! number_methods {
    // The operators compare; the masks are for formulas over `Real`.
    (@one [$($generics:tt)*] $type:ty; lt($($operand:ident),*) => $row:ident) => {};
    (@one [$($generics:tt)*] $type:ty; le($($operand:ident),*) => $row:ident) => {};
    (@one [$($generics:tt)*] $type:ty; gt($($operand:ident),*) => $row:ident) => {};
    (@one [$($generics:tt)*] $type:ty; ge($($operand:ident),*) => $row:ident) => {};
    (@one [$($generics:tt)*] $type:ty; eq($($operand:ident),*) => $row:ident) => {};
    (@one [$($generics:tt)*] $type:ty; ne($($operand:ident),*) => $row:ident) => {};
    (@one [$($generics:tt)*] $type:ty; $method:ident($($operand:ident),*) => $row:ident) => {
        impl<$($generics)*> $type {
            #[doc = concat!("See [`Var::", stringify!($method), "`](crate::Var::", stringify!($method), ").")]
            #[allow(clippy::should_implement_trait, reason = "`rem` is another function than `%`")]
            #[inline(always)]
            #[track_caller]
            pub fn $method(self $(, $operand: impl $crate::scalar::IntoNumber<$type>)*) -> Self {
                $crate::scalar::traits::Active::row($crate::ops::$row, [self $(, $operand.into_number())*])
            }
        }
    };
    (@shared [$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> $type {
            /// `xⁿ` for an integer n; see [`Real::powi`](crate::Real::powi).
            #[inline(always)]
            #[track_caller]
            pub fn powi(self, exponent: i32) -> Self {
                $crate::ops::Real::powi(self, exponent)
            }

            /// `xᵖ` for a number p; see [`Real::powf`](crate::Real::powf). A variable as exponent is for `pow`.
            #[inline(always)]
            #[track_caller]
            pub fn powf(self, exponent: f64) -> Self {
                $crate::ops::Real::powf(self, exponent)
            }

            /// The larger of two; the other where one is NaN, as the `max` of Rust's numbers.
            #[inline(always)]
            #[track_caller]
            pub fn max(self, other: impl $crate::scalar::IntoNumber<$type>) -> Self {
                $crate::scalar::traits::larger(self, other.into_number())
            }

            /// The smaller of two; the other where one is NaN, as the `min` of Rust's numbers.
            #[inline(always)]
            #[track_caller]
            pub fn min(self, other: impl $crate::scalar::IntoNumber<$type>) -> Self {
                $crate::scalar::traits::smaller(self, other.into_number())
            }

            /// `(sin x, cos x)`
            #[inline(always)]
            #[track_caller]
            pub fn sin_cos(self) -> (Self, Self) {
                (self.sin(), self.cos())
            }

            /// `x a + b`, as one operation.
            #[inline(always)]
            #[track_caller]
            pub fn mul_add(
                self,
                factor: impl $crate::scalar::IntoNumber<$type>,
                summand: impl $crate::scalar::IntoNumber<$type>,
            ) -> Self {
                let operands = [self, factor.into_number(), summand.into_number()];
                $crate::scalar::traits::Active::row($crate::ops::MultiplyAdd, operands)
            }
        }
    };
    ($generics:tt $type:ty; $($method:ident($($operand:ident),*) => $row:ident;)*) => {
        $crate::scalar::float::number_methods! { @shared $generics $type }
        $($crate::scalar::float::number_methods! { @one $generics $type; $method($($operand),*) => $row })*
    };
}
pub(crate) use number_methods;
