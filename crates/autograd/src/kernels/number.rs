//! Interim numbers.
use std::fmt::{Debug, Display, LowerExp};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

macro_rules! unary { ($($f:ident),*) => { $(fn $f(self) -> Self;)* } }
/// interim
#[allow(missing_docs)]
pub trait Number:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Debug
    + Send
    + Sync
    + 'static
{
    fn of(value: f64) -> Self;
    fn to_f64(self) -> f64;
    unary!(abs, sqrt, cbrt, exp, ln, sin, tanh, erf);
    fn pow(self, exponent: Self) -> Self;
    fn is_nan(self) -> bool;
    fn is_finite(self) -> bool;
}
/// interim
#[allow(missing_docs)]
pub trait Element: Number + Default + Display + LowerExp + AddAssign + Sum {
    const NAME: &'static str;
    type Fused: Number;
}
macro_rules! imp {
    ($t:ident, $n:literal) => {
        impl Number for $t {
            fn of(value: f64) -> Self {
                value as $t
            }
            fn to_f64(self) -> f64 {
                self as f64
            }
            fn abs(self) -> Self {
                self.abs()
            }
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            fn cbrt(self) -> Self {
                self.cbrt()
            }
            fn exp(self) -> Self {
                self.exp()
            }
            fn ln(self) -> Self {
                self.ln()
            }
            fn sin(self) -> Self {
                self.sin()
            }
            fn tanh(self) -> Self {
                self.tanh()
            }
            fn erf(self) -> Self {
                libm::erf(self as f64) as $t
            }
            fn pow(self, e: Self) -> Self {
                self.powf(e)
            }
            fn is_nan(self) -> bool {
                self.is_nan()
            }
            fn is_finite(self) -> bool {
                self.is_finite()
            }
        }
        impl Element for $t {
            const NAME: &'static str = $n;
            type Fused = $t;
        }
    };
}
imp!(f32, "f32");
imp!(f64, "f64");
