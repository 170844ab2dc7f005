//! Norms, and the cosine of the angle between two vectors.

use ndarray::ArrayD;

use super::elementwise::{Zero, apply, row};
use super::functions::Equal;
use super::real::Real;
use super::reduce_samples::{of_all, reduced, reduction_samples};
use super::registry::{Sample, Text, spread};
use super::samples::{repeated, widened};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::tape::var::Var;
use crate::tensor::Shape;

row! {
    /// The greatest power of two that is not above a magnitude, which is raised to the second operand first; 1 for 0 and for
    /// infinity. What norms are scaled by.
    ///
    PowerOfTwo(x, least) = "power_of_two({0}, {1})", power_of_two;
    value: {
        let size = x.abs();
        let scale = size.max(least).log2().floor().exp2();
        N::select((size == N::ZERO) | (size == N::of(f64::INFINITY)), N::ONE, scale)
    };
    pullback(y, g): [Zero, Zero];
    derivatives: ["0", "0"];
    domain: [(1.1, 1.85), (0.6, 0.9)];
    kinks: [];
}

/// `|x|` with the slope 0 at 0.
fn magnitude<R: Real>(x: R) -> R {
    let zero = x.constant(0.0);
    x * (x.gt(zero) - zero.gt(x))
}

fn checked_power(p: f64) -> Result<()> {
    match p.is_nan() {
        false => Ok(()),
        true => Err(Error::new(ErrorKind::Argument, "the power of a norm is NaN").hint("2 is the Euclidean norm")),
    }
}

impl<'t, T: Element> Var<'t, T> {
    #[track_caller]
    fn norm_over(self, p: f64, axes: &[isize], keepdim: bool) -> Self {
        let sum = |x: Self| x.sum_axes(axes, keepdim);
        if p == 2.0 {
            self.euclidean(axes, keepdim)
        } else if p == 1.0 {
            sum(self.map(magnitude))
        } else if p == 0.0 {
            sum(self.is_nonzero())
        } else if p == f64::INFINITY {
            self.map(magnitude).amax(axes, keepdim)
        } else if p == f64::NEG_INFINITY {
            self.map(magnitude).amin(axes, keepdim)
        } else {
            let powers = self.map(|x| (x.constant(p) * magnitude(x).ln()).exp());
            sum(powers).map(|y| (y.ln() / y.constant(p)).exp())
        }
    }

    /// `s √(Σ (x / s)²)` with a power of two near the greatest magnitude for `s`: the squares neither overflow nor vanish,
    /// and dividing rounds nothing. The value does not depend on `s`, so `s` counts as a constant.
    #[track_caller]
    fn euclidean(self, axes: &[isize], keepdim: bool) -> Self {
        let shape = self.shape();
        if shape.axes(axes).is_ok_and(|axes| axes.iter().any(|&axis| shape[axis] == 0)) {
            return self.square().sum_axes(axes, keepdim).sqrt();
        }
        let least = self.tape.scalar(T::MIN_POSITIVE);
        let greatest = apply(PowerOfTwo, [self.detach().abs().amax(axes, true), least]);
        let sum = (self / greatest).square().sum_axes(axes, keepdim).sqrt();
        sum * if keepdim { greatest } else { greatest.reshape(sum.shape()) }
    }

    /// `y = (Σᵢ |xᵢ|ᵖ)^(1/p)`: the norm of all elements, of shape `[]`.
    ///
    /// `p = 2` is the Euclidean norm, 1 the sum of magnitudes, infinity the greatest magnitude, −infinity the least, 0 the
    /// number of elements that are not 0. The derivative is 0 at `x = 0` for every `p > 1`, and 0 for an entry of 0
    /// where `p` is 1. Ties share where `p` is infinite. For other `p` than 1, 2 and infinity the powers may overflow. The
    /// Euclidean norm is scaled as in LAPACK (J. Blue, *A portable Fortran program to find the Euclidean norm of a
    /// vector*, 1978).
    ///
    /// # Errors
    /// Kept on the tape: `p` is NaN; no elements where `p` is infinite.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([3.0, -4.0]));
    /// assert_eq!(x.norm(2.0).item()?, 5.0);
    /// let [gx] = x.norm(2.0).grad([x]);                // x / norm
    /// assert!((gx.value()?.as_slice()[1] - -0.8f64).abs() < 1e-15);
    /// let [gx] = x.norm(1.0).grad([x]);                // the signs
    /// assert_eq!(gx.value()?.to_vec(), [1.0, -1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn norm(self, p: f64) -> Self {
        self.with_shape("norm", |_| checked_power(p), |x, ()| x.flatten().norm_over(p, &[0], false))
    }

    /// The norm over some axes; negative axes count from the end. See [`norm`](Var::norm).
    ///
    /// # Errors
    /// Kept on the tape: `p` is NaN; an axis out of range, named twice, or, where `p` is infinite, without elements.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[3.0, 4.0], [0.0, 0.0]]));
    /// let y = x.norm_axes(2.0, &[-1], false);
    /// assert_eq!(y.value()?.to_vec(), [5.0, 0.0]);
    /// let [gx] = y.sum().grad([x]);
    /// let gx = gx.value()?;
    /// assert!((gx.as_slice()[0] - 0.6f64).abs() < 1e-15 && gx.as_slice()[2..] == [0.0, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn norm_axes(self, p: f64, axes: &[isize], keepdim: bool) -> Self {
        let plan = |shape: &Shape| checked_power(p).and_then(|()| shape.axes(axes));
        self.with_shape("norm_axes", plan, |x, _| x.norm_over(p, axes, keepdim))
    }

    /// `y = Σᵢ aᵢ bᵢ / (‖a‖ ‖b‖)` along an axis: the cosine of the angle between vectors.
    ///
    /// Shapes are broadcast by NumPy's rule; the axis, which is left out of the result, counts in what comes out of that.
    /// Vectors are brought to length 1 first, so nothing overflows. With a zero vector the cosine is 0, and so are both
    /// derivatives there. PyTorch's, without its `eps`.
    ///
    /// # Errors
    /// Kept on the tape: shapes that do not broadcast; an axis out of range.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let a = tape.input(Tensor::from([[3.0, 4.0], [0.0, 0.0]]));
    /// let b = tape.input(Tensor::from([1.0, 0.0]));
    /// let y = a.cosine_similarity(b, -1);
    /// let [ga] = y.sum().grad([a]);
    /// let (y, ga) = (y.value()?, ga.value()?);
    /// assert!((y.as_slice()[0] - 0.6f64).abs() < 1e-15 && y.as_slice()[1] == 0.0);
    /// assert!((ga.as_slice()[0] - 0.128f64).abs() < 1e-15);         // (b - y a / |a|) / |a|
    /// assert_eq!(ga.as_slice()[2..], [0.0, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn cosine_similarity(self, other: Self, axis: isize) -> Self {
        let product = |x: Self, shape: Shape| {
            (x.expand(&shape).unit(axis) * other.expand(&shape).unit(axis)).sum_axes(&[axis], false)
        };
        let (left, right) = (self.shape(), other.shape());
        match left.broadcast(&right).filter(|_| !self.is_poisoned() && !other.is_poisoned()) {
            // Recording the product finds the mistake.
            None => self * other,
            Some(shape) => self.with_shape("cosine_similarity", |_| shape.axis(axis).map(|_| shape.clone()), product),
        }
    }

    /// `x / ‖x‖` along an axis, 0 for a zero vector.
    #[track_caller]
    fn unit(self, axis: isize) -> Self {
        let norm = self.norm_axes(2.0, &[axis], true);
        let zero = self.tape.scalar(T::of(0.0));
        apply(Equal, [norm, zero]).where_(zero, self / norm)
    }
}

fn p_norm(x: &[f64], p: f64) -> f64 {
    x.iter().map(|element| element.abs().powf(p)).sum::<f64>().powf(1.0 / p)
}

/// What the docs say of `norm`.
pub(super) const NORM: Text = Text::composed(
    "y = (Σ |x|^p)^(1/p) over axes",
    "for p = 2 division by a power of two, square, sum, sqrt; otherwise abs, exp, ln, sum, max or min",
    "at the zero vector: 0; for p = 1 at an entry of 0: 0; for infinite p where entries tie: shared",
);

/// Samples of `norm`: off the kinks, at which an entry is 0.
pub(super) fn norm_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let greatest = |x: &[f64]| x.iter().fold(0f64, |most, element| most.max(element.abs()));
        let least = |x: &[f64]| x.iter().fold(f64::INFINITY, |least, element| least.min(element.abs()));
        let mut samples = reduction_samples(
            (0.3, 2.0),
            false,
            |x, axes, keepdim| x.norm_axes(2.0, axes, keepdim),
            |x| p_norm(x, 2.0),
        );
        samples.extend([
            of_all((-2.0, 2.0), |x| x.norm(2.0), |x| p_norm(x, 2.0)),
            of_all((-2.0, 2.0), |x| x.norm(1.0), |x| p_norm(x, 1.0)),
            of_all((-2.0, 2.0), |x| x.norm(3.0), |x| p_norm(x, 3.0)),
            of_all((-2.0, 2.0), |x| x.norm(1.5), |x| p_norm(x, 1.5)),
            of_all((-2.0, 2.0), |x| x.norm(f64::INFINITY), greatest),
            of_all((-2.0, 2.0), |x| x.norm(f64::NEG_INFINITY), least),
        ]);
        samples
    })
}

/// What the docs say of `cosine_similarity`.
pub(super) const COSINE_SIMILARITY: Text = Text::composed(
    "y = Σ a b / (|a| |b|) along an axis",
    "norm, division, where_, sum",
    "where a or b is the zero vector: 0",
);

/// Samples of `cosine_similarity`.
pub(super) fn cosine_samples<T: Element>() -> Vec<Sample<T>> {
    type Case = (&'static [usize], &'static [usize], isize);
    const CASES: [Case; 13] = [
        (&[2], &[2], 0),
        (&[3], &[3], 0),
        (&[2, 3], &[2, 3], 1),
        (&[2, 3], &[2, 3], 0),
        (&[2, 3], &[3], -1),
        (&[3], &[2, 3], -1),
        (&[2, 1, 3], &[2, 3], -1),
        (&[2, 1], &[1, 3], 0),
        (&[2, 3], &[1, 1], 1),
        (&[2, 1, 2, 1, 2], &[2, 1], -1),
        (&[0, 3], &[3], 1),
        (&[2, 3], &[], 1),
        (&[2, 2, 2], &[2, 1, 2], -2),
    ];
    fn slow(a: &ArrayD<f64>, b: &ArrayD<f64>, axis: isize) -> ArrayD<f64> {
        let full = Shape::from(a.shape()).broadcast(&Shape::from(b.shape())).unwrap_or_default();
        let (a, b) = (repeated(a, &full), repeated(b, &full));
        let axis = axis.rem_euclid(full.len() as isize) as usize;
        let total = |x: ArrayD<f64>| reduced(&x, &[axis], false, |x| x.iter().sum());
        total(&a * &b) / (total(&a * &a).mapv(f64::sqrt) * total(&b * &b).mapv(f64::sqrt))
    }
    let input = |shape: &[usize], start| spread(shape, 0.3, 2.0, start);
    let mut samples: Vec<Sample<T>> = CASES
        .into_iter()
        .map(|(a, b, axis)| {
            Sample::new(
                format!("{a:?} and {b:?} along {axis}"),
                [input(a, 0), input(b, 40)],
                move |x| x[0].cosine_similarity(x[1], axis),
                move |x| slow(&x[0], &x[1], axis),
            )
        })
        .collect();
    samples.push(Sample::new(
        "of a transpose and a part",
        [input(&[3, 2], 0), input(&[2, 5], 40)],
        |x| x[0].t().cosine_similarity(x[1].slice(1, .., 2), 1),
        |x| {
            let part = x[1].slice_axis(ndarray::Axis(1), ndarray::Slice::new(0, None, 2)).to_owned();
            slow(&x[0].t().to_owned(), &part, 1)
        },
    ));
    samples.push(Sample::new(
        "of rows with one row of them",
        [input(&[2, 3], 0)],
        |x| x[0].cosine_similarity(x[0].narrow(0, 1, 1), 1),
        |x| slow(&x[0], &x[0].slice_axis(ndarray::Axis(0), ndarray::Slice::from(1..2)).to_owned(), 1),
    ));
    samples.push(Sample::new(
        "of large and small numbers",
        [input(&[3], 5).map_values(|x| x * T::of(4.0)), input(&[3], 9).map_values(|x| x * T::of(0.25))],
        |x| x[0].cosine_similarity(x[1], 0),
        |x| slow(&x[0], &x[1], 0),
    ));
    samples
}
