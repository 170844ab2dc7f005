//! Sums, products and exponentials of many recorded numbers: the counterparts of the functions of the tape.

use std::panic::Location;

use super::exponentials;
use super::traced::{Plain, Traced};
use crate::scalar::statement::same_length;

impl<T: Plain> Traced<T> {
    /// `Σ xᵢ`; 0 for none. See [`scalar::sum`](crate::scalar::sum).
    ///
    /// ```
    /// use wengert_autograd::scalar::{Compiled, Traced};
    /// let mut f = Compiled::record(&[0.0; 3], |x| Traced::sum(x))?;
    /// let mut g = [0.0; 3];
    /// assert_eq!(f.value_and_gradient(&[1.0, 2.0, 3.0], &mut g)?, 6.0);
    /// assert_eq!(g, [1.0, 1.0, 1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn sum(x: &[Self]) -> Self {
        x.iter().fold(Self::from(T::ZERO), |sum, &x| sum + x)
    }

    /// `Σ xᵢ yᵢ`; 0 for none. See [`scalar::dot`](crate::scalar::dot).
    ///
    /// # Panics
    /// Where the lengths differ.
    ///
    /// ```
    /// use wengert_autograd::scalar::{Compiled, Traced};
    /// let mut f = Compiled::record(&[0.0; 3], |x| Traced::dot(&x[..2], &x[1..]))?;       // x₀ x₁ + x₁ x₂
    /// let mut g = [0.0; 3];
    /// assert_eq!(f.value_and_gradient(&[1.0, 2.0, 3.0], &mut g)?, 8.0);
    /// assert_eq!(g, [2.0, 4.0, 2.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn dot(x: &[Self], y: &[Self]) -> Self {
        same_length("Traced::dot", x.len(), y.len());
        x.iter().zip(y).fold(Self::from(T::ZERO), |sum, (&x, &y)| sum + x * y)
    }

    /// `Σ xᵢ²`; 0 for none. See [`scalar::sqnorm`](crate::scalar::sqnorm).
    ///
    /// ```
    /// use wengert_autograd::scalar::{Compiled, Traced};
    /// let mut f = Compiled::record(&[0.0; 2], |x| Traced::sqnorm(x))?;
    /// let mut g = [0.0; 2];
    /// assert_eq!(f.value_and_gradient(&[3.0, 4.0], &mut g)?, 25.0);
    /// assert_eq!(g, [6.0, 8.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn sqnorm(x: &[Self]) -> Self {
        Self::dot(x, x)
    }

    /// `ln Σ e^xᵢ`, as one operation, without overflow; −∞ for none. See [`scalar::logsumexp`](crate::scalar::logsumexp).
    ///
    /// Derivatives: `e^(xᵢ − y)`, scaled to sum to 1 although y is rounded; 0 where all are −∞, and shared equally by those
    /// that are +∞. (In a [`Recursion`](super::Recursion) they are NaN where y is infinite.)
    ///
    /// ```
    /// use wengert_autograd::scalar::{Compiled, Traced};
    /// let mut f = Compiled::record(&[0.0; 2], |x| Traced::logsumexp(x))?;
    /// let mut g = [0.0; 2];
    /// assert_eq!(f.value_and_gradient(&[1000.0, 1000.0], &mut g)?, 1000.0 + 2f64.ln());
    /// assert!(g.iter().all(|share| (share - 0.5).abs() < 1e-15));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn logsumexp(x: &[Self]) -> Self {
        let values: Vec<T> = x.iter().map(|x| x.value).collect();
        Self::record_list(x, exponentials::value(&values), Location::caller(), |graph, nodes| graph.log_sum_exp(nodes))
    }
}
