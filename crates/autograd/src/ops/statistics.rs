//! Reductions made of others: means, spreads, products, and whether any or all elements hold.

use super::elementwise::apply;
use super::functions::Equal;
use super::reduce_samples::{of_all, reduction_samples};
use super::registry::{Sample, Text, spread};
use super::samples::widened;
use crate::kernels::number::Element;
use crate::ops::join::cat;
use crate::tape::var::Var;
use crate::tensor::Shape;
use crate::tensor::shape::Axes;

/// The number of elements that fall on one place of the result.
fn count(shape: &Shape, axes: &[usize]) -> usize {
    axes.iter().map(|&axis| shape[axis]).product()
}

impl<'t, T: Element> Var<'t, T> {
    fn every_axis(self) -> Axes {
        (0..self.rank()).collect()
    }

    #[track_caller]
    fn mean_over(self, axes: Axes, keepdim: bool) -> Self {
        let count = count(&self.shape(), &axes) as f64;
        self.total(axes, keepdim) / T::of(count)
    }

    /// `y = 1/n Σᵢ xᵢ`: the mean of all elements, of shape `[]`. The mean of nothing is NaN.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0, 6.0]));
    /// assert_eq!(x.mean().item()?, 3.0);
    /// let [gx] = x.mean().grad([x]);
    /// assert_eq!(gx.value()?.to_vec(), [1.0 / 3.0; 3]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn mean(self) -> Self {
        self.mean_over(self.every_axis(), false)
    }

    /// The mean over some axes; negative axes count from the end. Over an empty axis it is NaN.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range or named twice.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 2.0], [3.0, 6.0]]));
    /// let y = x.mean_axes(&[-1], true);
    /// assert_eq!(y.value()?, Tensor::from([[1.5], [4.5]]));
    /// let [gx] = y.square().sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[1.5, 1.5], [4.5, 4.5]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn mean_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.with_shape("mean_axes", |shape| shape.axes(axes), |x, axes| x.mean_over(axes, keepdim))
    }

    /// The variance in two passes. It doesn't depend on an offset of all elements, so the first of them is taken away
    /// before the mean is: the deviations of equal elements are then exactly zero, and those of elements that are large
    /// against their spread keep their digits.
    #[track_caller]
    fn var_over(self, axes: Axes, correction: usize, keepdim: bool) -> Self {
        let shape = self.shape();
        let n = count(&shape, &axes);
        let mut shifted = self;
        if shape.volume() > 0 {
            let mut first = self;
            for &axis in &axes {
                first = first.narrow(axis as isize, 0, 1);
            }
            shifted = self - first.detach();
        }
        let deviation = shifted - shifted.mean_over(axes.clone(), true);
        deviation.square().total(axes, keepdim) / T::of(n.saturating_sub(correction) as f64)
    }

    /// `y = 1/(n − 1) Σᵢ (xᵢ − mean)²`: the variance of all elements, with Bessel's correction as in PyTorch.
    ///
    /// NaN for fewer than two elements. In two passes (T. Chan, G. Golub, R. LeVeque, *Algorithms for computing the
    /// sample variance*, 1983).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0, 6.0]));
    /// assert_eq!(x.var().item()?, 7.0);
    /// let [gx] = x.var().grad([x]);                    // 2 (x - mean) / (n - 1)
    /// assert_eq!(gx.value()?.to_vec(), [-2.0, -1.0, 3.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn var(self) -> Self {
        self.var_over(self.every_axis(), 1, false)
    }

    /// `y = 1/(n − correction) Σᵢ (xᵢ − mean)²` over some axes; negative axes count from the end.
    ///
    /// A `correction` of 1 gives the variance of a sample, 0 that of a population. Where `n ≤ correction`, the sum is
    /// divided by 0, as in PyTorch.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range or named twice.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 3.0], [2.0, 6.0]]));
    /// let y = x.var_axes(&[1], 0, false);
    /// assert_eq!(y.value()?.to_vec(), [1.0, 4.0]);
    /// let [gx] = y.sum().grad([x]);                    // 2 (x - mean) / n
    /// assert_eq!(gx.value()?, Tensor::from([[-1.0, 1.0], [-2.0, 2.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn var_axes(self, axes: &[isize], correction: usize, keepdim: bool) -> Self {
        self.with_shape("var_axes", |shape| shape.axes(axes), |x, axes| x.var_over(axes, correction, keepdim))
    }

    /// `y = √var(x)`: the standard deviation of all elements, with Bessel's correction as in PyTorch.
    ///
    /// NaN for fewer than two elements. Where all elements are equal, the derivative is 0.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 1.0, 4.0, 4.0]));
    /// assert!((x.std().item()? - 3f64.sqrt()).abs() < 1e-15);
    /// let [gx] = x.std().grad([x]);                    // (x - mean) / ((n - 1) std)
    /// assert!((gx.value()?.as_slice()[3] - 0.5 / 3f64.sqrt()).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn std(self) -> Self {
        self.var().sqrt()
    }

    /// `y = √var(x)` over some axes. See [`var_axes`](Var::var_axes).
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range or named twice.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 3.0], [2.0, 6.0]]));
    /// let y = x.std_axes(&[1], 0, true);
    /// assert_eq!(y.value()?, Tensor::from([[1.0], [2.0]]));
    /// let [gx] = y.sum().grad([x]);                    // (x - mean) / (n std)
    /// assert_eq!(gx.value()?, Tensor::from([[-0.5, 0.5], [-0.5, 0.5]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn std_axes(self, axes: &[isize], correction: usize, keepdim: bool) -> Self {
        self.with_shape("std_axes", |shape| shape.axes(axes), |x, axes| x.var_over(axes, correction, keepdim).sqrt())
    }

    /// The product along one axis, which stays with length 1: a binary tree, whose derivative is the product of the
    /// other factors without a division, so that it is exact at a zero and at every order.
    #[track_caller]
    fn product_along(self, axis: usize) -> Self {
        let (mut product, axis, mut n) = (self, axis as isize, self.shape()[axis]);
        if n == 0 {
            return self.sum_axes(&[axis], true) + T::of(1.0);
        }
        while n > 1 {
            let half = n / 2;
            let pairs = product.narrow(axis, 0, half) * product.narrow(axis, half, half);
            product = match n % 2 {
                0 => pairs,
                _ => cat(&[pairs, product.narrow(axis, n - 1, 1)], axis),
            };
            n = n.div_ceil(2);
        }
        product
    }

    /// `y = Πᵢ xᵢ`: the product of all elements, of shape `[]`. The product of nothing is 1.
    ///
    /// The derivative is the product of the other factors and exact where some are 0.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([2.0, 0.0, 5.0]));
    /// assert_eq!(x.prod().item()?, 0.0);
    /// let [gx] = x.prod().grad([x]);                   // the products of the other two
    /// assert_eq!(gx.value()?.to_vec(), [0.0, 10.0, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn prod(self) -> Self {
        if self.is_poisoned() { self } else { self.flatten().product_along(0).reshape([0usize; 0]) }
    }

    /// The product over some axes; negative axes count from the end. Over an empty axis it is 1.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range or named twice.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[2.0, 3.0], [4.0, 5.0]]));
    /// let y = x.prod_axes(&[1], true);
    /// assert_eq!(y.value()?, Tensor::from([[6.0], [20.0]]));
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[3.0, 2.0], [5.0, 4.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn prod_axes(self, axes: &[isize], keepdim: bool) -> Self {
        let plan = |shape: &Shape| shape.axes(axes).map(|axes| (shape.reduced(&axes, keepdim), axes));
        self.with_shape("prod_axes", plan, |x, (shape, axes)| {
            axes.iter().fold(x, |x, &axis| x.product_along(axis)).reshape(shape)
        })
    }

    /// 1 where an element is not 0, else 0. NaN is not 0.
    #[track_caller]
    pub(super) fn is_nonzero(self) -> Self {
        1.0 - apply(Equal, [self, self.tape.scalar(T::of(0.0))])
    }

    /// 1 if any element is not 0, else 0; of shape `[]`. Of nothing 0. NaN counts as not 0.
    ///
    /// It has no derivative: what is reached only through it counts as not reached.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([0.0, 2.0]));
    /// assert_eq!(x.any().item()?, 1.0);
    /// let [gx] = (x.any() * x).sum().grad([x]);        // any(x) counts as a number
    /// assert_eq!(gx.value()?.to_vec(), [1.0, 1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn any(self) -> Self {
        self.any_over(self.every_axis(), false)
    }

    /// 1 where any element over some axes is not 0, else 0. See [`any`](Var::any).
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range or named twice.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[0.0, 2.0], [0.0, 0.0]]));
    /// assert_eq!(x.any_axes(&[1], false).value()?.to_vec(), [1.0, 0.0]);
    /// let [gx] = (x.any_axes(&[1], true) * x).sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[1.0, 1.0], [0.0, 0.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn any_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.with_shape("any_axes", |shape| shape.axes(axes), |x, axes| x.any_over(axes, keepdim))
    }

    #[track_caller]
    fn any_over(self, axes: Axes, keepdim: bool) -> Self {
        // The numbers of elements may round, but not to 0.
        let found = self.is_nonzero().total(axes, keepdim);
        let zero = self.tape.scalar(T::of(0.0));
        (1.0 - apply(Equal, [found, zero])).detach()
    }

    /// 1 if all elements are not 0, else 0; of shape `[]`. Of nothing 1. NaN counts as not 0.
    ///
    /// It has no derivative: what is reached only through it counts as not reached.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([0.0, 2.0]));
    /// assert_eq!(x.all().item()?, 0.0);
    /// let [gx] = (x.all() * x).sum().grad([x]);        // all(x) counts as a number
    /// assert_eq!(gx.value()?.to_vec(), [0.0, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn all(self) -> Self {
        self.all_over(self.every_axis(), false)
    }

    /// 1 where all elements over some axes are not 0, else 0. See [`all`](Var::all).
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range or named twice.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 2.0], [0.0, 3.0]]));
    /// assert_eq!(x.all_axes(&[1], false).value()?.to_vec(), [1.0, 0.0]);
    /// let [gx] = (x.all_axes(&[1], true) * x).sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[1.0, 1.0], [0.0, 0.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn all_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.with_shape("all_axes", |shape| shape.axes(axes), |x, axes| x.all_over(axes, keepdim))
    }

    #[track_caller]
    fn all_over(self, axes: Axes, keepdim: bool) -> Self {
        let zero = self.tape.scalar(T::of(0.0));
        let zeros = apply(Equal, [self, zero]).total(axes, keepdim);
        apply(Equal, [zeros, zero]).detach()
    }
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// What the docs say of `mean`.
pub(super) const MEAN: Text = Text::composed("y = 1/n Σ x over axes", "sum, division", "");

/// Samples of `mean`.
pub(super) fn mean_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let mut samples = reduction_samples((-2.0, 2.0), false, |x, axes, keepdim| x.mean_axes(axes, keepdim), mean);
        samples.push(of_all((-2.0, 2.0), |x| x.mean(), mean));
        samples
    })
}

fn variance(x: &[f64]) -> f64 {
    x.iter().map(|element| (element - mean(x)).powi(2)).sum::<f64>() / x.len() as f64
}

fn sample_variance(x: &[f64]) -> f64 {
    variance(x) * x.len() as f64 / (x.len() - 1) as f64
}

/// What the docs say of `var`.
pub(super) const VAR: Text = Text::composed("y = 1/(n - correction) Σ (x - mean)² over axes", "mean, square, sum", "");

/// Samples of `var`.
pub(super) fn var_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let mut samples =
            reduction_samples((-2.0, 2.0), false, |x, axes, keepdim| x.var_axes(axes, 0, keepdim), variance);
        samples.push(of_all((-2.0, 2.0), |x| x.var(), sample_variance));
        samples
    })
}

/// What the docs say of `std`.
pub(super) const STD: Text =
    Text::composed("y = sqrt(var x) over axes", "var, sqrt", "where all elements are equal: 0");

/// Samples of `std`: over two elements at least, one alone has no derivative.
pub(super) fn std_samples<T: Element>() -> Vec<Sample<T>> {
    let mut all = widened(&|| {
        let mut samples = reduction_samples(
            (-2.0, 2.0),
            false,
            |x, axes, keepdim| x.std_axes(axes, 0, keepdim),
            |x| variance(x).sqrt(),
        );
        samples.retain(|sample| !sample.label.starts_with("[2, 1, 3]") && !sample.label.contains("over []"));
        samples.push(of_all((-2.0, 2.0), |x| x.std(), |x| sample_variance(x).sqrt()));
        samples
    });
    // Equal elements have no spread, and its second derivative there is no number.
    all.retain(|sample| !sample.label.ends_with("repeated"));
    all
}

/// What the docs say of `prod`.
pub(super) const PROD: Text =
    Text::composed("y = Π x over axes", "products of halves, a binary tree: exact through zeros", "");

/// Samples of `prod`.
pub(super) fn prod_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let product = |x: &[f64]| x.iter().product();
        let mut samples = reduction_samples((-2.0, 2.0), true, |x, axes, keepdim| x.prod_axes(axes, keepdim), product);
        samples.push(of_all((-2.0, 2.0), |x| x.prod(), product));
        samples.push(Sample::new(
            "seven factors",
            [spread([7], 0.5, 1.5, 0)],
            |x| x[0].prod(),
            |x| ndarray::arr0(x[0].product()).into_dyn(),
        ));
        samples
    })
}

/// What the docs say of `any`.
pub(super) const ANY: Text =
    Text::composed("y = 1 if an element is not 0, else 0, over axes", "comparisons, sum: it has no derivative", "");

/// Samples of `any`.
pub(super) fn any_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let any = |x: &[f64]| f64::from(u8::from(x.iter().any(|&element| element != 0.0)));
        let mut samples = reduction_samples((0.5, 2.0), true, |x, axes, keepdim| x.any_axes(axes, keepdim), any);
        samples.pop();
        samples.push(of_all((0.0, 0.0), |x| x.any(), any));
        samples.into_iter().map(Sample::without_derivative).collect()
    })
}

/// What the docs say of `all`.
pub(super) const ALL: Text =
    Text::composed("y = 1 if all elements are not 0, else 0, over axes", "comparisons, sum: it has no derivative", "");

/// Samples of `all`.
pub(super) fn all_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let all = |x: &[f64]| f64::from(u8::from(x.iter().all(|&element| element != 0.0)));
        let mut samples = reduction_samples((0.5, 2.0), true, |x, axes, keepdim| x.all_axes(axes, keepdim), all);
        samples.pop();
        samples.push(of_all((0.0, 0.0), |x| x.all(), all));
        samples.into_iter().map(Sample::without_derivative).collect()
    })
}
