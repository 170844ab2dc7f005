//! Operators and comparisons, for the macro `number_traits!`.

/// The binary operators and unary minus, between variables, references and numbers.
macro_rules! number_operators {
    ([$($generics:tt)*] $type:ty, $value:ty;) => {
        impl<$($generics)*> Neg for $type {
            type Output = Self;
            #[inline(always)]
            #[track_caller]
            fn neg(self) -> Self {
                <Self as Active>::row(ops::Negate, [self])
            }
        }

        impl<$($generics)*> Neg for &$type {
            type Output = $type;
            #[inline(always)]
            #[track_caller]
            fn neg(self) -> $type {
                -*self
            }
        }
    };
    ([$($generics:tt)*] $type:ty, $value:ty;
     $trait:ident $method:ident $assign_trait:ident $assign:ident $row:ident $symbol:literal; $($rest:tt)*) => {
        impl<$($generics)*> $trait for $type {
            type Output = Self;
            #[inline(always)]
            #[track_caller]
            fn $method(self, right: Self) -> Self {
                <Self as Active>::row(ops::$row, [self, right])
            }
        }

        impl<$($generics)*> $trait<&$type> for $type {
            type Output = Self;
            #[inline(always)]
            #[track_caller]
            fn $method(self, right: &$type) -> Self {
                <Self as Active>::row(ops::$row, [self, *right])
            }
        }

        impl<$($generics)*> $trait<$type> for &$type {
            type Output = $type;
            #[inline(always)]
            #[track_caller]
            fn $method(self, right: $type) -> $type {
                <$type as Active>::row(ops::$row, [*self, right])
            }
        }

        impl<$($generics)*> $trait<&$type> for &$type {
            type Output = $type;
            #[inline(always)]
            #[track_caller]
            fn $method(self, right: &$type) -> $type {
                <$type as Active>::row(ops::$row, [*self, *right])
            }
        }

        impl<$($generics)*> $trait<$value> for $type {
            type Output = Self;
            #[inline(always)]
            #[track_caller]
            fn $method(self, right: $value) -> Self {
                <Self as Active>::row(ops::$row, [self, <Self as Active>::passive(right)])
            }
        }

        impl<$($generics)*> $trait<$value> for &$type {
            type Output = $type;
            #[inline(always)]
            #[track_caller]
            fn $method(self, right: $value) -> $type {
                $trait::$method(*self, right)
            }
        }

        impl<$($generics)*> $trait<$type> for f64 {
            type Output = $type;
            #[inline(always)]
            #[track_caller]
            fn $method(self, right: $type) -> $type {
                <$type as Active>::row(ops::$row, [<$type as Active>::of_f64(self), right])
            }
        }

        impl<'r, $($generics)*> $trait<&'r $type> for f64 {
            type Output = $type;
            #[inline(always)]
            #[track_caller]
            fn $method(self, right: &'r $type) -> $type {
                $trait::$method(self, *right)
            }
        }

        impl<$($generics)*> $assign_trait for $type {
            #[inline(always)]
            #[track_caller]
            fn $assign(&mut self, right: Self) {
                *self = $trait::$method(*self, right);
            }
        }

        impl<$($generics)*> $assign_trait<&$type> for $type {
            #[inline(always)]
            #[track_caller]
            fn $assign(&mut self, right: &$type) {
                *self = $trait::$method(*self, *right);
            }
        }

        impl<$($generics)*> $assign_trait<$value> for $type {
            #[inline(always)]
            #[track_caller]
            fn $assign(&mut self, right: $value) {
                *self = $trait::$method(*self, right);
            }
        }

        $crate::scalar::operators::number_operators! { [$($generics)*] $type, $value; $($rest)* }
    };
}
pub(crate) use number_operators;

/// Operators between a variable over numbers that carry derivatives themselves, and a plain number or a value.
macro_rules! nested_operators {
    (@one [$($generics:tt)*] $type:ty, $value:ty;
     $trait:ident $method:ident $assign_trait:ident $assign:ident) => {
        impl<$($generics)*> std::ops::$trait<f64> for $type {
            type Output = Self;
            #[inline(always)]
            #[track_caller]
            fn $method(self, right: f64) -> Self {
                std::ops::$trait::$method(self, <$value as $crate::scalar::number::Scalar>::of(right))
            }
        }

        impl<$($generics)*> std::ops::$assign_trait<f64> for $type {
            #[inline(always)]
            #[track_caller]
            fn $assign(&mut self, right: f64) {
                *self = std::ops::$trait::$method(*self, right);
            }
        }

        impl<$($generics)*> std::ops::$trait<$type> for $value {
            type Output = $type;
            #[inline(always)]
            #[track_caller]
            fn $method(self, right: $type) -> $type {
                std::ops::$trait::$method(<$type as $crate::scalar::traits::Active>::passive(self), right)
            }
        }
    };
    ($generics:tt $type:ty, $value:ty) => {
        $crate::scalar::operators::nested_operators! { @one $generics $type, $value; Add add AddAssign add_assign }
        $crate::scalar::operators::nested_operators! { @one $generics $type, $value; Sub sub SubAssign sub_assign }
        $crate::scalar::operators::nested_operators! { @one $generics $type, $value; Mul mul MulAssign mul_assign }
        $crate::scalar::operators::nested_operators! { @one $generics $type, $value; Div div DivAssign div_assign }
        $crate::scalar::operators::nested_operators! { @one $generics $type, $value; Rem rem RemAssign rem_assign }
    };
}
pub(crate) use nested_operators;

/// Comparisons, by value, with variables and with numbers; sums, products and printing.
macro_rules! number_order {
    ([$($generics:tt)*] $type:ty, $value:ty) => {
        $crate::scalar::operators::number_order! { [$($generics)*] $type, $value, $type, |other| other }
        $crate::scalar::operators::number_order! { [$($generics)*] $type, $value, $value, |other| {
            <$type as Active>::passive(other)
        } }

        impl<$($generics)*> std::iter::Sum for $type {
            #[inline]
            #[track_caller]
            fn sum<I: Iterator<Item = Self>>(numbers: I) -> Self {
                <Self as Active>::total(numbers)
            }
        }

        impl<'r, $($generics)*> std::iter::Sum<&'r $type> for $type {
            #[inline]
            #[track_caller]
            fn sum<I: Iterator<Item = &'r $type>>(numbers: I) -> Self {
                <Self as Active>::total(numbers.copied())
            }
        }

        impl<$($generics)*> std::iter::Product for $type {
            #[inline]
            #[track_caller]
            fn product<I: Iterator<Item = Self>>(numbers: I) -> Self {
                numbers.fold(<Self as Active>::of_f64(1.0), |product, x| product * x)
            }
        }

        impl<'r, $($generics)*> std::iter::Product<&'r $type> for $type {
            #[inline]
            #[track_caller]
            fn product<I: Iterator<Item = &'r $type>>(numbers: I) -> Self {
                numbers.fold(<Self as Active>::of_f64(1.0), |product, x| product * x)
            }
        }

        impl<$($generics)*> std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&<Self as Active>::value(*self), f)
            }
        }
    };
    ([$($generics:tt)*] $type:ty, $value:ty, $other:ty, |$right:ident| $lift:expr) => {
        #[expect(clippy::partialeq_ne_impl, reason = "a recorder guards the comparison that was written")]
        impl<$($generics)*> PartialEq<$other> for $type {
            #[inline(always)]
            #[track_caller]
            fn eq(&self, other: &$other) -> bool {
                let $right = *other;
                <Self as Active>::compare(*self, $lift, Comparison::Equal)
            }

            #[inline(always)]
            #[track_caller]
            fn ne(&self, other: &$other) -> bool {
                let $right = *other;
                <Self as Active>::compare(*self, $lift, Comparison::NotEqual)
            }
        }

        impl<$($generics)*> PartialOrd<$other> for $type {
            #[inline(always)]
            #[track_caller]
            fn partial_cmp(&self, other: &$other) -> Option<Ordering> {
                let $right = *other;
                let other = $lift;
                if <Self as Active>::compare(*self, other, Comparison::Less) {
                    Some(Ordering::Less)
                } else if <Self as Active>::compare(*self, other, Comparison::Equal) {
                    Some(Ordering::Equal)
                } else if <Self as Active>::compare(*self, other, Comparison::Greater) {
                    Some(Ordering::Greater)
                } else {
                    None
                }
            }

            #[inline(always)]
            #[track_caller]
            fn lt(&self, other: &$other) -> bool {
                let $right = *other;
                <Self as Active>::compare(*self, $lift, Comparison::Less)
            }

            #[inline(always)]
            #[track_caller]
            fn le(&self, other: &$other) -> bool {
                let $right = *other;
                <Self as Active>::compare(*self, $lift, Comparison::LessEqual)
            }

            #[inline(always)]
            #[track_caller]
            fn gt(&self, other: &$other) -> bool {
                let $right = *other;
                <Self as Active>::compare(*self, $lift, Comparison::Greater)
            }

            #[inline(always)]
            #[track_caller]
            fn ge(&self, other: &$other) -> bool {
                let $right = *other;
                <Self as Active>::compare(*self, $lift, Comparison::GreaterEqual)
            }
        }
    };
}
pub(crate) use number_order;
