//! What an objective is written in: plain `f64`, dual numbers, or variables of a tape.

use std::fmt::Debug;
use std::ops::AddAssign;

use num_traits::{Float, ToPrimitive};
use wengert::Real;
use wengert::scalar::{self, Dual, Scalar, Traced, Var};

/// A number of an objective: `num_traits::Float`, and the sums that a tape records as one statement. On `f64` these are
/// the plain loops.
pub trait Number: Float + AddAssign + Debug {
    /// A number that doesn't depend on anything.
    fn plain(value: f64) -> Self;

    /// The plain value, whatever is recorded or nested around it.
    fn value(self) -> f64;

    /// `self + a b`.
    fn add_product(self, a: Self, b: Self) -> Self {
        self + a * b
    }

    /// `self - a b`.
    fn sub_product(self, a: Self, b: Self) -> Self {
        self - a * b
    }

    /// `1 / (1 + exp(-self))`.
    fn sigmoid(self) -> Self {
        ((-self).exp() + Self::plain(1.0)).recip()
    }

    /// `sum_i x_i`.
    fn sum(x: &[Self]) -> Self {
        x.iter().fold(Self::plain(0.0), |sum, &x| sum + x)
    }

    /// `sum_i a_i b_i`.
    fn dot(a: &[Self], b: &[Self]) -> Self {
        a.iter().zip(b).fold(Self::plain(0.0), |sum, (&a, &b)| sum + a * b)
    }

    /// `sum_i x_i c_i` for plain numbers `c`.
    fn weighted(x: &[Self], c: &[f64]) -> Self {
        x.iter().zip(c).fold(Self::plain(0.0), |sum, (&x, &c)| sum + x * Self::plain(c))
    }

    /// `sum_i x_i c_i`, few terms.
    fn linear<const N: usize>(x: [Self; N], c: [f64; N]) -> Self {
        Self::weighted(&x, &c)
    }

    /// `sum_i s_i a_i b_i` for at most 16 signs `s`.
    #[inline(always)]
    fn signed_dot(signs: &[f64], a: &[Self], b: &[Self]) -> Self {
        let terms = signs.iter().zip(a.iter().zip(b));
        terms.fold(Self::plain(0.0), |sum, (&sign, (&a, &b))| sum + Self::plain(sign) * (a * b))
    }

    /// `sum_i x_i²`.
    fn square_norm(x: &[Self]) -> Self {
        x.iter().fold(Self::plain(0.0), |sum, &x| sum + x * x)
    }

    /// `sum_i term(i, parameters)` for `i` below `count`.
    fn sum_terms<S: Terms>(sum: &S, count: usize, parameters: &[Self]) -> Self {
        let mut buffers = sum.buffers();
        (0..count).fold(Self::plain(0.0), |total, i| total + sum.term(i, parameters, &mut buffers))
    }

    /// `ln sum_i exp(x_i)`, computed with the greatest one taken out.
    fn log_sum_exp(x: &[Self]) -> Self {
        let greatest = x.iter().fold(x[0], |max, &x| if x > max { x } else { max });
        let sum = x.iter().fold(Self::plain(0.0), |sum, &x| sum + Float::exp(x - greatest));
        sum.ln() + greatest
    }
}

/// A sum of terms, each of which depends on the same parameters.
pub trait Terms {
    /// What a term needs beside its result. Nothing goes from one term to the next.
    type Buffers<T: Number>;

    /// New ones.
    fn buffers<T: Number>(&self) -> Self::Buffers<T>;

    /// One term.
    fn term<T: Number>(&self, i: usize, parameters: &[T], buffers: &mut Self::Buffers<T>) -> T;
}

impl Number for f64 {
    #[inline(always)]
    fn plain(value: f64) -> f64 {
        value
    }

    #[inline(always)]
    fn value(self) -> f64 {
        self
    }
}

macro_rules! methods {
    () => {
        #[inline(always)]
        fn plain(value: f64) -> Self {
            Scalar::of(value)
        }

        #[inline(always)]
        fn value(self) -> f64 {
            Scalar::base(self)
        }
    };
}

impl<T: Scalar<Base = f64>> Number for Dual<T> {
    methods!();
}

impl<T: Scalar<Base = f64>> Number for Var<'_, T> {
    methods!();

    #[inline(always)]
    fn add_product(self, a: Self, b: Self) -> Self {
        Float::mul_add(a, b, self)
    }

    #[inline(always)]
    fn sigmoid(self) -> Self {
        Real::sigmoid(self)
    }

    #[inline(always)]
    fn sum(x: &[Self]) -> Self {
        scalar::sum(x)
    }

    #[inline(always)]
    fn dot(a: &[Self], b: &[Self]) -> Self {
        scalar::dot(a, b)
    }

    #[inline(always)]
    fn weighted(x: &[Self], c: &[f64]) -> Self {
        let mut few = [T::of(0.0); 32];
        if let Some(few) = few.get_mut(..c.len()) {
            few.iter_mut().zip(c).for_each(|(few, &c)| *few = T::of(c));
            return scalar::linear_combination(few, x);
        }
        let c: Vec<T> = c.iter().map(|&c| T::of(c)).collect();
        scalar::linear_combination(&c, x)
    }

    #[inline(always)]
    fn linear<const N: usize>(x: [Self; N], c: [f64; N]) -> Self {
        if x.iter().all(|x| x.is_constant()) {
            let terms = x.into_iter().zip(c).map(|(x, c)| x.value() * T::of(c));
            return Var::constant(terms.fold(T::of(0.0), |sum, term| sum + term));
        }
        scalar::linear_combination(&c.map(T::of), &x)
    }

    #[inline(always)]
    fn signed_dot(signs: &[f64], a: &[Self], b: &[Self]) -> Self {
        let mut all = [T::of(0.0); 16];
        all.iter_mut().zip(signs).for_each(|(all, &sign)| *all = T::of(sign));
        scalar::weighted_dot(&all[..signs.len()], a, b)
    }

    #[inline(always)]
    fn square_norm(x: &[Self]) -> Self {
        scalar::sqnorm(x)
    }

    fn sum_terms<S: Terms>(sum: &S, count: usize, parameters: &[Self]) -> Self {
        scalar::sum_terms(0..count, parameters, |i, x| sum.term(i, x, &mut sum.buffers()))
    }

    #[inline(always)]
    fn log_sum_exp(x: &[Self]) -> Self {
        scalar::logsumexp(x)
    }
}

impl Number for Traced {
    fn plain(value: f64) -> Self {
        value.into()
    }

    /// Read so, a number is a guard: a replay at which it differs is refused.
    fn value(self) -> f64 {
        self.to_f64().unwrap_or(f64::NAN)
    }

    fn add_product(self, a: Self, b: Self) -> Self {
        Float::mul_add(a, b, self)
    }

    fn sigmoid(self) -> Self {
        Real::sigmoid(self)
    }

    fn sum(x: &[Self]) -> Self {
        Traced::sum(x)
    }

    fn dot(a: &[Self], b: &[Self]) -> Self {
        Traced::dot(a, b)
    }

    fn square_norm(x: &[Self]) -> Self {
        Traced::sqnorm(x)
    }

    fn log_sum_exp(x: &[Self]) -> Self {
        Traced::logsumexp(x)
    }
}

/// A number around another one, whose values it takes as constants: a dual number or a variable over `T`, or `T` itself.
pub trait Over<T>: Number + Scalar<Base = f64> {
    /// `value`, as something that doesn't change with the differentiation at this level.
    fn lift(value: T) -> Self;
}

/// At the lowest level nothing is differentiated.
impl<T: Number + Scalar<Base = f64>> Over<T> for T {
    fn lift(value: T) -> T {
        value
    }
}

impl<T: Scalar<Base = f64>> Over<T> for Dual<T> {
    fn lift(value: T) -> Self {
        Dual::constant(value)
    }
}

impl<T: Scalar<Base = f64>> Over<T> for Var<'_, T> {
    fn lift(value: T) -> Self {
        Var::constant(value)
    }
}
