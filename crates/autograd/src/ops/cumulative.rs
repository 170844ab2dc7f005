//! Running sums and products along an axis.

use super::join::cat;
use super::registry::{Sample, Text};
use super::samples::{along_axis, by_row};
use crate::error::Result;
use crate::kernels::number::Element;
use crate::kernels::scan;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// `yⱼ = Σᵢ₍ᵢ≤ⱼ₎ xᵢ` along an axis, or the sum of those from `j` on. A primitive for speed: one pass, and its pullback is
/// the sum from the other end.
#[derive(Clone, Debug, PartialEq, Hash)]
struct CumulativeSum {
    axis: usize,
    backwards: bool,
}

impl<T: Element> Op<T> for CumulativeSum {
    fn name(&self) -> &str {
        "cumsum"
    }

    fn formula(&self, operands: &[String]) -> String {
        let backwards = if self.backwards { ", from the end" } else { "" };
        format!("cumsum({}, axis {}{backwards})", operands[0], self.axis)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok(inputs[0].clone())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let (_, n, inner) = inputs[0].shape.around(self.axis);
        scan::sums(inputs[0].values, [n, inner], self.backwards, output);
        Ok(())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let back = CumulativeSum { axis: self.axis, backwards: !self.backwards };
        Pullback::one(call.cotangent.tape.record_shared(back, &[call.cotangent]))
    }
}

impl<T: Element> Var<'_, T> {
    /// `yⱼ = x₀ + x₁ + ... + xⱼ` along an axis, in the shape of `x`.
    ///
    /// Negative axes count from the end. The cotangent of `xᵢ` is the sum of those of `yᵢ` and all behind it.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0, 3.0]));
    /// let y = x.cumsum(0);
    /// assert_eq!(y.value()?.to_vec(), [1.0, 3.0, 6.0]);
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.to_vec(), [3.0, 2.0, 1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn cumsum(self, axis: isize) -> Self {
        let record = |x: Self, axis| x.tape.record_shared(CumulativeSum { axis, backwards: false }, &[x]);
        self.with_shape("cumsum", |shape| shape.axis(axis), record)
    }

    /// `yⱼ = x₀ x₁ ... xⱼ` along an axis, in the shape of `x`.
    ///
    /// Negative axes count from the end. No division takes part in the derivative, so it is exact through zeros and at
    /// every order. A composition of products of parts of the axis, whose lengths double: `log₂ n` passes (D. Hillis,
    /// G. Steele, *Data parallel algorithms*, 1986).
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([2.0, 0.0, 5.0]));
    /// let y = x.cumprod(0);
    /// assert_eq!(y.value()?.to_vec(), [2.0, 0.0, 0.0]);
    /// let [gx] = y.sum().grad([x]);                    // 1 + x1 + x1 x2, x0 + x0 x2, x0 x1
    /// assert_eq!(gx.value()?.to_vec(), [1.0, 12.0, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn cumprod(self, axis: isize) -> Self {
        let plan = |shape: &Shape| shape.axis(axis).map(|axis| (axis as isize, shape[axis]));
        self.with_shape("cumprod", plan, |mut x, (axis, n)| {
            // After each pass, every element is the product of `reach` factors that end at it.
            let mut reach = 1;
            while reach < n {
                let later = x.narrow(axis, reach, n - reach) * x.narrow(axis, 0, n - reach);
                x = cat(&[x.narrow(axis, 0, reach), later], axis);
                reach = reach.saturating_mul(2);
            }
            x
        })
    }
}

fn running(x: Vec<f64>, start: f64, next: fn(f64, f64) -> f64) -> Vec<f64> {
    x.iter()
        .scan(start, |total, &x| {
            *total = next(*total, x);
            Some(*total)
        })
        .collect()
}

/// What the docs say of `cumsum`.
pub(super) const CUMSUM: Text = Text::primitive("y[j] = x[0] + ... + x[j] along an axis", "Σ g from j to the end", "");

/// Samples of `cumsum`.
pub(super) fn cumsum_samples<T: Element>() -> Vec<Sample<T>> {
    along_axis(
        "cumsum",
        (-2.0, 2.0),
        |x, axis| x.cumsum(axis),
        |x, axis| by_row(x, axis, |row| running(row, 0.0, |total, x| total + x)),
    )
}

/// What the docs say of `cumprod`.
pub(super) const CUMPROD: Text = Text::composed(
    "y[j] = x[0] ... x[j] along an axis",
    "products of parts of doubling length: exact through zeros",
    "",
);

/// Samples of `cumprod`, also through zeros.
pub(super) fn cumprod_samples<T: Element>() -> Vec<Sample<T>> {
    let slow = |x: &ndarray::ArrayD<f64>, axis| by_row(x, axis, |row| running(row, 1.0, |total, x| total * x));
    let mut samples = along_axis("cumprod", (-1.5, 1.5), |x, axis| x.cumprod(axis), slow);
    for zeros in [vec![1], vec![0], vec![1, 3]] {
        let mut input = super::registry::spread([5], -1.5, 1.5, 3);
        for &zero in &zeros {
            input.as_mut_slice()[zero] = T::of(0.0);
        }
        let label = format!("zeros at {zeros:?}");
        samples.push(Sample::new(label, [input], |x| x[0].cumprod(0), move |x| slow(&x[0], 0)));
    }
    samples
}
