//! Assertions on numbers and derivatives.

use crate::{Element, Shape, Tensor};

/// What [`assert_close!`](crate::assert_close) compares: numbers, slices, arrays, vectors and tensors.
pub trait Values {
    /// The shape, and the elements in row-major order.
    fn values(&self) -> (Shape, Vec<f64>);
}

macro_rules! number {
    ($($number:ty),*) => {$(
        impl Values for $number {
            fn values(&self) -> (Shape, Vec<f64>) {
                (Shape::default(), vec![f64::from(*self)])
            }
        }
    )*};
}
number!(f32, f64);

impl<T: Element> Values for Tensor<T> {
    fn values(&self) -> (Shape, Vec<f64>) {
        (self.shape().clone(), self.as_slice().iter().map(|value| value.to_f64()).collect())
    }
}

impl<T: Element> Values for [T] {
    fn values(&self) -> (Shape, Vec<f64>) {
        (Shape::from([self.len()]), self.iter().map(|value| value.to_f64()).collect())
    }
}

impl<T: Element> Values for Vec<T> {
    fn values(&self) -> (Shape, Vec<f64>) {
        self.as_slice().values()
    }
}

impl<T: Element, const N: usize> Values for [T; N] {
    fn values(&self) -> (Shape, Vec<f64>) {
        self.as_slice().values()
    }
}

impl<V: Values + ?Sized> Values for &V {
    fn values(&self) -> (Shape, Vec<f64>) {
        (**self).values()
    }
}

/// Why two values are not close, or `None` where `|a - b| <= atol + rtol |b|` for all elements.
///
/// ```
/// use wengert_autograd::check::close::difference;
/// assert_eq!(difference(&1.0, &1.0, 0.0, 0.0), None);
/// assert_eq!(difference(&[1.0, 2.0], &[1.0, 2.5], 0.0, 0.1).unwrap(), "element 1: 2 and 2.5 differ by 5.000e-1");
/// ```
pub fn difference(a: &(impl Values + ?Sized), b: &(impl Values + ?Sized), rtol: f64, atol: f64) -> Option<String> {
    let ((left_shape, left), (right_shape, right)) = (a.values(), b.values());
    if left_shape != right_shape {
        return Some(format!("shapes {left_shape} and {right_shape}"));
    }
    // The same infinity on both sides is close; a NaN never is.
    let close = |a: f64, b: f64| a == b || (a - b).abs() <= atol + rtol * b.abs();
    let place = left.iter().zip(&right).position(|(&a, &b)| !close(a, b) || (a.is_finite() != b.is_finite()))?;
    let (a, b) = (left[place], right[place]);
    Some(format!("element {place}: {a} and {b} differ by {:.3e}", (a - b).abs()))
}

/// Stops unless all elements of two values are close: `|a - b| <= atol + rtol |b|`, `rtol` 1e-6 and `atol` 0 unless
/// given.
///
/// ```
/// use wengert_autograd::{Tensor, assert_close};
/// assert_close!(Tensor::from([1.0, 2.0]), [1.0, 2.0 + 1e-9]);
/// assert_close!(0.1 + 0.2, 0.3, rtol = 1e-15);
/// assert_close!(1f64.sin().powi(2) + 1f64.cos().powi(2) - 1.0, 0.0, rtol = 0.0, atol = 1e-15);
/// ```
#[macro_export]
macro_rules! assert_close {
    ($a:expr, $b:expr $(,)?) => {
        $crate::assert_close!($a, $b, rtol = 1e-6, atol = 0.0)
    };
    ($a:expr, $b:expr, rtol = $rtol:expr $(,)?) => {
        $crate::assert_close!($a, $b, rtol = $rtol, atol = 0.0)
    };
    ($a:expr, $b:expr, atol = $atol:expr $(,)?) => {
        $crate::assert_close!($a, $b, rtol = 0.0, atol = $atol)
    };
    ($a:expr, $b:expr, rtol = $rtol:expr, atol = $atol:expr $(,)?) => {
        if let Some(difference) = $crate::check::close::difference(&$a, &$b, $rtol, $atol) {
            panic!("{} is not close to {}: {difference}", stringify!($a), stringify!($b));
        }
    };
}

/// Stops unless the derivatives of a function agree with differences: see [`gradcheck`](crate::check::gradcheck).
///
/// ```
/// use wengert_autograd::{Tensor, assert_grad};
/// assert_grad!(|x| (x[0] * x[1]).sigmoid(), &[Tensor::from([1.0, -0.5]), Tensor::from([0.25, 2.0])]);
/// ```
#[macro_export]
macro_rules! assert_grad {
    ($function:expr, $inputs:expr $(,)?) => {
        if let Err(report) = $crate::check::gradcheck($function, $inputs) {
            panic!("{report}");
        }
    };
}
