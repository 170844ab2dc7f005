//! Dual numbers with several derivatives: forward mode along several directions at once.

use super::number::{Scalar, partial, unit};
use super::traits::{Active, number_traits, of_value, scalar_of_value};
use crate::ops::Elementwise;

/// A value with its derivatives along `N` directions.
///
/// For Jacobians of functions of few numbers: each partial derivative is computed once for all directions, and the loops
/// over the directions vectorise. It is a number for code that is generic over `num_traits::Float`, and can be the value
/// type of a tape.
///
/// ```
/// use wengert_autograd::scalar::DualVector;
/// let [x, y] = DualVector::variables([2.0, 3.0]);
/// let z = x * x * y;
/// assert_eq!((z.value, z.derivatives), (12.0, [12.0, 4.0]));
/// ```
#[derive(Clone, Copy)]
pub struct DualVector<T: Scalar, const N: usize> {
    /// The value.
    pub value: T,
    /// The derivatives.
    pub derivatives: [T; N],
}

impl<T: Scalar, const N: usize> DualVector<T, N> {
    /// A value with derivatives.
    #[inline(always)]
    pub fn new(value: T, derivatives: [T; N]) -> Self {
        DualVector { value, derivatives }
    }

    /// A number whose derivatives are 0.
    #[inline(always)]
    pub fn constant(value: T) -> Self {
        DualVector { value, derivatives: [T::of(0.0); N] }
    }

    /// Numbers to differentiate by: each has derivative 1 along its own direction.
    #[inline]
    pub fn variables(values: [T; N]) -> [Self; N] {
        std::array::from_fn(|i| DualVector { value: values[i], derivatives: unit(i) })
    }
}

impl<T: Scalar, const N: usize> Active for DualVector<T, N> {
    of_value! { T }

    // A hint only: within nested value types, everything inlined would be megabytes.
    #[inline]
    #[track_caller]
    fn row<F: Elementwise<A>, const A: usize>(function: F, operands: [Self; A]) -> Self {
        let x = operands.map(|operand| operand.value);
        let y = T::evaluate(function, x);
        let mut derivatives = [T::of(0.0); N];
        for (i, operand) in operands.iter().enumerate() {
            let Some(partial) = partial::<T, F, A>(i, x, y) else { continue };
            for (sum, &derivative) in derivatives.iter_mut().zip(&operand.derivatives) {
                // By the zero rule nothing comes of a direction in which the operand doesn't move.
                let still = derivative.is_exactly(0.0) || partial.is_exactly(0.0);
                *sum = if still { *sum } else { sum.plus_scaled(derivative, partial) };
            }
        }
        DualVector { value: y, derivatives }
    }
}

number_traits! { [T: Scalar, const N: usize] DualVector<T, N>, T }

macro_rules! methods {
    ($($list:tt)*) => {
        super::float::number_methods! { [T: Scalar, const N: usize] DualVector<T, N>; $($list)* }
    };
}
crate::ops::list::real_methods!(methods);

super::operators::nested_operators! { ['t, T: Scalar, const N: usize] super::Var<'t, DualVector<T, N>>, DualVector<T, N> }

scalar_of_value! { [T: Scalar, const N: usize] DualVector<T, N>, T; |x| x.derivatives.iter().all(|derivative| derivative.is_exactly(0.0)) }

impl<T: Scalar, const N: usize> std::fmt::Debug for DualVector<T, N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DualVector").field("value", &self.value).field("derivatives", &self.derivatives).finish()
    }
}
