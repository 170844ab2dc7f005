//! The logarithm of a sum of exponentials, and what it normalises: softmax and its logarithm.
//!
//! All three subtract the greatest element before anything is raised to a power, forwards and backwards: no overflow,
//! and no digits lost.

use ndarray::ArrayD;

use super::arithmetic::scaled;
use super::elementwise::{apply, row};
use super::functions::Equal;
use super::reduce::{reduce_axes, reduction_formula};
use super::reduce_samples::{of_all, reduced, reduction_samples};
use super::registry::{Sample, Text, spread};
use super::samples::widened;
use crate::error::Result;
use crate::kernels::gather;
use crate::kernels::number::Element;
use crate::kernels::reduce;
use crate::kernels::scratch::{self, NoMemory, Purpose};
use crate::tape::op::{Call, Context, Op, Operand, Pullback, RowWise};
use crate::tape::var::Var;
use crate::tensor::Shape;
use crate::tensor::shape::Axes;

row! {
    /// The share of one summand in a sum of exponentials, `exp(x)` of `exp(y)`. Equal infinities don't cancel: where
    /// the sum is 0, so is every share; where it is infinite, an infinite summand is the whole of it.
    Share(x, y) = "exp({0} - {1})", share;
    value: {
        let infinite = N::select(x > N::ZERO, N::ONE, N::ZERO);
        N::select(x == y, N::select((x - y).is_nan(), infinite, N::ONE), (x - y).exp())
    };
    pullback(s, g): [g.scaled(s), -g.scaled(s)];
    derivatives: ["exp(x - y)", "-exp(x - y)"];
    domain: [(-3.0, 3.0), (-3.0, 3.0)];
    kinks: [];
}

/// `y = ln Σ exp x` over axes.
#[derive(Clone, Debug, PartialEq, Hash)]
struct LogSumExp {
    axes: Axes,
    keepdim: bool,
}

impl<T: Element> Op<T> for LogSumExp {
    fn name(&self) -> &str {
        "logsumexp"
    }

    fn formula(&self, operands: &[String]) -> String {
        reduction_formula("logsumexp", &self.axes, self.keepdim, operands)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok(inputs[0].reduced(&self.axes, self.keepdim))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        Ok(reduce_axes(inputs[0], &self.axes, output, &|input, [outer, n, inner], output| {
            by_rows(input, [outer, n, inner], output, 1, |rows, _, sums| reduce::logsumexp(rows, n, sums))
        })?)
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let x = call.inputs[0];
        let kept = x.shape().reduced(&self.axes, true);
        // Of several infinite elements each would be the whole of the sum: they share it equally.
        let infinite = apply(Equal, [x, x.tape.scalar(T::INFINITY)]).total(self.axes.clone(), true);
        let wholes = infinite.maximum(1.0).detach();
        let share = apply(Share, [x, call.output.reshape(&kept)]) / wholes;
        Pullback::one(scaled(call.cotangent.reshape(kept), share))
    }
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scale {
    Plain,
    Logarithm,
}

/// `y = exp(x) / Σ exp x` along an axis, or its logarithm.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Softmax {
    scale: Scale,
    axis: usize,
}

impl Softmax {
    fn kernel<T: Element>(&self) -> RowWise<T> {
        match self.scale {
            Scale::Plain => reduce::softmax,
            Scale::Logarithm => reduce::log_softmax,
        }
    }
}

impl<T: Element> Op<T> for Softmax {
    fn name(&self) -> &str {
        match self.scale {
            Scale::Plain => "softmax",
            Scale::Logarithm => "log_softmax",
        }
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("{}({}, axis {})", Op::<T>::name(self), operands[0], self.axis)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok(inputs[0].clone())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let (outer, n, inner) = inputs[0].shape.around(self.axis);
        Ok(by_rows(inputs[0].values, [outer, n, inner], output, n, self.kernel())?)
    }

    fn row_wise(&self) -> Option<(RowWise<T>, usize)> {
        Some((self.kernel(), self.axis))
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let (g, y) = (call.cotangent, call.output);
        let sum = |x: Var<'t, T>| x.total(Axes::from_slice(&[self.axis]), true);
        Pullback::one(match self.scale {
            Scale::Plain => {
                let weighted = scaled(g, y);
                weighted - scaled(sum(weighted), y)
            }
            Scale::Logarithm => g - scaled(sum(g), y.exp()),
        })
    }
}

/// Elements that are turned round together where the axis is not the last.
const TURNED: usize = 16_384;

/// Runs a kernel of rows along the middle axis of `[outer, n, inner]`; it makes `made` elements of each row. Where the
/// axis is not the last, a stretch of columns at a time is copied to rows and back.
///
/// # Errors
/// Memory for that stretch that cannot be had.
fn by_rows<T: Element>(
    input: &[T],
    [outer, n, inner]: [usize; 3],
    output: &mut [T],
    made: usize,
    kernel: impl Fn(&[T], usize, &mut [T]),
) -> Result<(), NoMemory> {
    if inner == 1 || output.is_empty() {
        kernel(input, n, output);
        return Ok(());
    }
    let columns = (TURNED / n.max(1)).clamp(1, inner);
    let mut turn = |rows: &mut [T], results: &mut [T]| {
        for slab in 0..outer {
            let (from, to) =
                (&input[slab * n * inner..][..n * inner], &mut output[slab * made * inner..][..made * inner]);
            for start in (0..inner).step_by(columns) {
                let width = columns.min(inner - start);
                let (rows, results) = (&mut rows[..width * n], &mut results[..width * made]);
                gather::transpose(&from[start.min(from.len())..], inner, width, n, rows);
                kernel(rows, n, results);
                for (place, to) in to.chunks_exact_mut(inner).enumerate() {
                    let to = to[start..start + width].iter_mut().zip(results.iter().skip(place).step_by(made));
                    to.for_each(|(to, &result)| *to = result);
                }
            }
        }
    };
    let rows = columns.saturating_mul(n);
    scratch::with(Purpose::Operands, rows, |rows| {
        scratch::with(Purpose::Results, columns.saturating_mul(made), |results| turn(rows, results))
    })?
}

impl<'t, T: Element> Var<'t, T> {
    /// `y = ln Σᵢ exp(xᵢ)` over all elements, of shape `[]`, without overflow. Of nothing it is −∞.
    ///
    /// Elements of −∞ count for nothing; where all are −∞, `y` is, and the derivative is 0: there is no mass to share.
    /// An element of ∞ makes `y` ∞ and gets the whole cotangent, several share it. The derivative is the softmax of `x`.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1000.0, 1000.0]));
    /// assert_eq!(x.logsumexp().item()?, 1000.0 + 2f64.ln());
    /// let [gx] = x.logsumexp().grad([x]);
    /// assert!((gx.value()?.as_slice()[0] - 0.5f64).abs() < 1e-12);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn logsumexp(self) -> Self {
        let axes = (0..self.rank()).collect();
        self.tape.record_shared(LogSumExp { axes, keepdim: false }, &[self])
    }

    /// `y = ln Σᵢ exp(xᵢ)` over some axes; negative axes count from the end. See [`logsumexp`](Var::logsumexp).
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range or named twice.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[0.0, 0.0], [1000.0, 0.0]]));
    /// let y = x.logsumexp_axes(&[-1], false);
    /// assert_eq!(y.value()?.to_vec(), [2f64.ln(), 1000.0]);
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[0.5, 0.5], [1.0, 0.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn logsumexp_axes(self, axes: &[isize], keepdim: bool) -> Self {
        let record = |x: Self, axes| x.tape.record_shared(LogSumExp { axes, keepdim }, &[x]);
        self.with_shape("logsumexp_axes", |shape| shape.axes(axes), record)
    }

    /// `yᵢ = exp(xᵢ) / Σⱼ exp(xⱼ)` along an axis: positive numbers of sum 1, in the shape of `x`, without overflow.
    ///
    /// Exact for elements of −∞, which get 0. NaN where all are −∞ or one is ∞, as in PyTorch.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[0.0, 0.0], [1e4, 0.0]]));
    /// let y = x.softmax(-1);
    /// assert_eq!(y.value()?, Tensor::from([[0.5, 0.5], [1.0, 0.0]]));
    /// let [gx] = y.narrow(1, 0, 1).sum().grad([x]);      // y0 (1 - y0), -y0 y1
    /// assert_eq!(gx.value()?, Tensor::from([[0.25, -0.25], [0.0, 0.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn softmax(self, axis: isize) -> Self {
        let record = |x: Self, axis| x.tape.record_shared(Softmax { scale: Scale::Plain, axis }, &[x]);
        self.with_shape("softmax", |shape| shape.axis(axis), record)
    }

    /// `yᵢ = xᵢ − ln Σⱼ exp(xⱼ)` along an axis: the logarithm of [`softmax`](Var::softmax), where that is nearly 0 or 1 as
    /// well.
    ///
    /// Exact for elements of −∞, which stay −∞. NaN where all are −∞ or one is ∞, as in PyTorch.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[0.0, 0.0], [1e4, 0.0]]));
    /// let y = x.log_softmax(1);
    /// assert_eq!(y.value()?, Tensor::from([[-2f64.ln(), -2f64.ln()], [0.0, -1e4]]));
    /// let [gx] = y.narrow(1, 0, 1).sum().grad([x]);      // 1 - softmax, -softmax
    /// let gx = gx.value()?;
    /// assert!((gx.as_slice()[0] - 0.5f64).abs() < 1e-15 && gx.as_slice()[2..] == [0.0, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn log_softmax(self, axis: isize) -> Self {
        let record = |x: Self, axis| x.tape.record_shared(Softmax { scale: Scale::Logarithm, axis }, &[x]);
        self.with_shape("log_softmax", |shape| shape.axis(axis), record)
    }
}

fn log_sum_exp(x: &[f64]) -> f64 {
    x.iter().map(|element| element.exp()).sum::<f64>().ln()
}

/// What the docs say of `logsumexp`.
pub(super) const LOGSUMEXP: Text =
    Text::primitive("y = ln Σ exp(x) over axes", "g exp(x - y); 0 where y is -inf, shared equally by several inf", "");

/// Samples of `logsumexp`.
pub(super) fn logsumexp_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let mut samples =
            reduction_samples((-2.0, 2.0), false, |x, axes, keepdim| x.logsumexp_axes(axes, keepdim), log_sum_exp);
        samples.push(of_all((-2.0, 2.0), |x| x.logsumexp(), log_sum_exp));
        samples
    })
}

/// Without those whose rows are all equal: the shares of equal elements are constant, and there is nothing to prove.
fn differing<T: Element>(mut samples: Vec<Sample<T>>) -> Vec<Sample<T>> {
    samples.retain(|sample| !sample.label.ends_with("repeated"));
    samples
}

/// Samples of `softmax` or its logarithm.
fn soft_samples<T: Element>(
    function: for<'t> fn(Var<'t, T>, isize) -> Var<'t, T>,
    value: fn(f64, f64) -> f64,
) -> Vec<Sample<T>> {
    let along = move |x: &ArrayD<f64>, axis: usize| {
        let sums = reduced(x, &[axis], true, log_sum_exp);
        let sums = sums.broadcast(x.raw_dim()).map_or_else(|| x.clone(), |sums| sums.to_owned());
        ArrayD::from_shape_fn(x.raw_dim(), |place| value(x[&place], sums[&place]))
    };
    let cases: [(&[usize], isize); 7] =
        [(&[3], 0), (&[2, 3], -1), (&[3, 2], 0), (&[2, 3, 2], 1), (&[2, 1], 1), (&[0, 2], 1), (&[2, 0], 1)];
    let mut samples: Vec<Sample<T>> = cases
        .into_iter()
        .map(|(shape, axis)| {
            let counted = axis.rem_euclid(shape.len() as isize) as usize;
            Sample::new(
                format!("{shape:?} along {axis}"),
                [spread(shape, -2.0, 2.0, 4)],
                move |x| function(x[0], axis),
                move |x| along(&x[0], counted),
            )
        })
        .collect();
    samples.push(Sample::new(
        "of a transpose, with the operand itself",
        [spread([2, 2], -2.0, 2.0, 4)],
        move |x| function(x[0].t(), 0) * x[0],
        move |x| along(&x[0].t().to_owned(), 0) * &x[0],
    ));
    samples
}

/// What the docs say of `softmax`.
pub(super) const SOFTMAX: Text = Text::primitive("y = exp(x) / Σ exp(x) along an axis", "y g - y Σ y g", "");

/// Samples of `softmax`.
pub(super) fn softmax_samples<T: Element>() -> Vec<Sample<T>> {
    differing(widened(&|| soft_samples(|x, axis| x.softmax(axis), |x, sum| (x - sum).exp())))
}

/// What the docs say of `log_softmax`.
pub(super) const LOG_SOFTMAX: Text = Text::primitive("y = x - ln Σ exp(x) along an axis", "g - exp(y) Σ g", "");

/// Samples of `log_softmax`.
pub(super) fn log_softmax_samples<T: Element>() -> Vec<Sample<T>> {
    differing(widened(&|| soft_samples(|x, axis| x.log_softmax(axis), |x, sum| x - sum)))
}
