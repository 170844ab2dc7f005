//! [`Number`] for the scalar types and for the two kinds of lanes.

use super::math::polynomials::Polynomials;
use super::math::real::{REDUCIBLE, Real};
use super::math::{error, exponential, gamma, logarithm, rounding, trigonometric};
use super::number::{Lane, Number};

/// A float in a loop compiled with fused multiply-add (AVX2, AVX-512, NEON).
#[derive(Clone, Copy, Debug, Default)]
#[repr(transparent)]
pub struct Fma<F>(pub F);

/// A float in a loop compiled without fused multiply-add.
#[derive(Clone, Copy, Debug, Default)]
#[repr(transparent)]
pub struct Plain<F>(pub F);

/// The arithmetic of a lane is that of its float. Comparisons are spelled out, for the derived ones go through
/// `Ordering`, which the vectoriser does not see through.
macro_rules! arithmetic {
    ($lane:ident) => {
        impl<F: Real> PartialEq for $lane<F> {
            #[inline(always)]
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0
            }
        }

        impl<F: Real> PartialOrd for $lane<F> {
            #[inline(always)]
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                self.0.partial_cmp(&other.0)
            }
            #[inline(always)]
            fn lt(&self, other: &Self) -> bool {
                self.0 < other.0
            }
            #[inline(always)]
            fn le(&self, other: &Self) -> bool {
                self.0 <= other.0
            }
            #[inline(always)]
            fn gt(&self, other: &Self) -> bool {
                self.0 > other.0
            }
            #[inline(always)]
            fn ge(&self, other: &Self) -> bool {
                self.0 >= other.0
            }
        }

        impl<F: Real> std::ops::Neg for $lane<F> {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                $lane(-self.0)
            }
        }

        $crate::kernels::lane::arithmetic!($lane, Add add, Sub sub, Mul mul, Div div);
    };
    ($lane:ident, $($trait:ident $method:ident),+) => {$(
        impl<F: Real> std::ops::$trait for $lane<F> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                $lane(std::ops::$trait::$method(self.0, other.0))
            }
        }
    )+};
}

pub(super) use arithmetic;

arithmetic!(Fma);
arithmetic!(Plain);

/// Methods that are one function of the float, `path::<F, FMA>`.
macro_rules! vectorised {
    ($float:ty, $fma:expr, $load:expr, $store:expr; $($module:ident { $($name:ident)+ })+) => {$($(
        #[inline(always)]
        fn $name(self) -> Self {
            $load($module::$name::<$float, { $fma }>($store(self)))
        }
    )+)+};
}

/// Methods computed one at a time in f64, which also gives f32 results rounded once.
macro_rules! scalar {
    ($float:ty, $load:expr, $store:expr; $($name:ident = $function:path),+) => {$(
        #[inline(always)]
        fn $name(self) -> Self {
            $load(<$float as Real>::of($function($store(self).wide())))
        }
    )+};
}

/// Everything in [`Number`] that does not depend on how the circle functions treat large arguments.
macro_rules! methods {
    ($float:ty, $fma:expr, $load:expr, $store:expr) => {
        #[inline(always)]
        fn of(value: f64) -> Self {
            $load(<$float as Real>::of(value))
        }
        #[inline(always)]
        fn to_f64(self) -> f64 {
            $store(self).wide()
        }
        #[inline(always)]
        fn mul_add(self, a: Self, b: Self) -> Self {
            $load(<$float as Polynomials>::fma::<{ $fma }>($store(self), $store(a), $store(b)))
        }
        #[inline(always)]
        fn abs(self) -> Self {
            $load(Real::abs($store(self)))
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            $load(Real::sqrt($store(self)))
        }
        #[inline(always)]
        fn recip(self) -> Self {
            Self::ONE / self
        }
        #[inline(always)]
        fn copysign(self, sign: Self) -> Self {
            $load(Real::copysign($store(self), $store(sign)))
        }
        #[inline(always)]
        fn pow(self, exponent: Self) -> Self {
            $load(Real::pow::<{ $fma }>($store(self), $store(exponent)))
        }
        #[inline(always)]
        fn rem(self, divisor: Self) -> Self {
            $load(rounding::rem($store(self), $store(divisor)))
        }
        #[inline(always)]
        fn atan2(self, x: Self) -> Self {
            $load(<$float as Real>::of(libm::atan2($store(self).wide(), $store(x).wide())))
        }
        #[inline(always)]
        fn polygamma(order: Self, x: Self) -> Self {
            $load(<$float as Real>::of(gamma::polygamma($store(order).wide(), $store(x).wide())))
        }
        vectorised!($float, $fma, $load, $store;
            exponential { exp exp2 expm1 sigmoid sinh cosh tanh }
            logarithm { ln log2 log10 ln_1p softplus }
            error { erf erfc }
            rounding { floor ceil round });
        scalar!($float, $load, $store;
            cbrt = libm::cbrt, asin = libm::asin, acos = libm::acos, atan = libm::atan,
            asinh = libm::asinh, acosh = libm::acosh, atanh = libm::atanh,
            lgamma = libm::lgamma, digamma = gamma::digamma);
    };
}

/// Takes a scalar for what it is, where `methods!` packs and unpacks lanes.
#[inline(always)]
fn same<F>(x: F) -> F {
    x
}

macro_rules! lane {
    ($lane:ident, $fma:expr) => {
        lane!(f32, $lane, $fma);
        lane!(f64, $lane, $fma);
    };
    ($float:ty, $lane:ident, $fma:expr) => {
        impl Number for $lane<$float> {
            const ZERO: Self = $lane(0.0);
            const ONE: Self = $lane(1.0);
            methods!($float, $fma, $lane, $lane::bare);
            vectorised!($float, $fma, $lane, $lane::bare; trigonometric { sin cos tan });
        }

        impl Lane<$float> for $lane<$float> {
            #[inline(always)]
            fn load(value: $float) -> Self {
                $lane(value)
            }
            #[inline(always)]
            fn store(self) -> $float {
                self.0
            }
        }
    };
}

impl<F> Fma<F> {
    #[inline(always)]
    fn bare(self) -> F {
        self.0
    }
}

impl<F> Plain<F> {
    #[inline(always)]
    fn bare(self) -> F {
        self.0
    }
}

lane!(Fma, true);
lane!(Plain, false);

macro_rules! scalar_number {
    ($float:ident) => {
        impl Number for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            methods!($float, false, same, same);
            scalar_number!($float; sin cos tan);
        }

        impl Lane<$float> for $float {
            #[inline(always)]
            fn load(value: $float) -> Self {
                value
            }
            #[inline(always)]
            fn store(self) -> $float {
                self
            }
        }
    };
    ($float:ident; $($circle:ident)+) => {$(
        #[inline]
        fn $circle(self) -> Self {
            if Real::abs(self) <= REDUCIBLE as $float {
                trigonometric::$circle::<$float, false>(self)
            } else {
                libm::$circle(self.wide()) as $float
            }
        }
    )+};
}

scalar_number!(f32);
scalar_number!(f64);
