//! Eigenvalues and eigenvectors of symmetric matrices.

use super::{batched, each, hinted, matrices, matrix, part, scaled, square};
use crate::error::Result;
use crate::kernels::number::Element;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// The factor that makes the element of largest absolute value positive; of several the first.
pub(super) fn orientation<'a>(vector: impl Iterator<Item = &'a f64>) -> f64 {
    let largest =
        vector.fold(0.0f64, |largest, &element| if element.abs() > largest.abs() { element } else { largest });
    if largest < 0.0 { -1.0 } else { 1.0 }
}

/// Eigenvalues in the first row, ascending, and the eigenvectors as columns below, of a symmetric matrix.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Eigen;

impl<T: Element> Op<T> for Eigen {
    fn name(&self) -> &str {
        "eigh"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        let n = square(inputs[0])?;
        Ok(batched(inputs[0], &[n.saturating_add(1), n]))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let n = square(inputs[0].shape)?;
        let done = each(output, (n + 1) * n, matrices(4, n, n), |i, output| {
            let a = matrix(n, n, part(inputs[0].values, i, n * n));
            if a.iter().any(|element| !element.is_finite()) {
                return Err("holds NaN or infinity");
            }
            let eigen = a.try_symmetric_eigen(f64::EPSILON, 1000 * n).ok_or("made the iteration diverge")?;
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by(|&i, &j| eigen.eigenvalues[i].total_cmp(&eigen.eigenvalues[j]));
            for (place, &column) in order.iter().enumerate() {
                let vector = eigen.eigenvectors.column(column);
                let sign = orientation(vector.iter());
                output[place] = T::of(eigen.eigenvalues[column]);
                vector.iter().enumerate().for_each(|(row, &v)| output[(row + 1) * n + place] = T::of(sign * v));
            }
            Ok(())
        });
        hinted(done, "check what is computed before with tape.check_finite(true)")
    }

    /// `gA = V (diag(gw) + F ∘ (Vᵀ gV)) Vᵀ` with `Fᵢⱼ = 1 / (wⱼ − wᵢ)` off the diagonal.
    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let n = *call.output.shape().last().unwrap_or(&0);
        let (w, v) = (call.output.rows(0, 1), call.output.rows(1, n));
        let (gw, gv) = (call.cotangent.rows(0, 1), call.cotangent.rows(1, n));
        let turned = v.t().matmul(gv).over_differences(w - w.t());
        Pullback::one((scaled(gw, v) + v.matmul(turned)).matmul(v.t()))
    }

    fn flops(&self, inputs: &[&Shape], _: &Shape) -> usize {
        inputs[0].volume().saturating_mul(9 * inputs[0].last().unwrap_or(&0))
    }
}

impl<'t, T: Element> Var<'t, T> {
    /// The eigenvalues `w`, ascending, of shape `[..., n]`, and the eigenvectors as the columns of an orthogonal `V`, of
    /// shape `[..., n, n]`: `A = V diag(w) Vᵀ`, for symmetric `A` of shape `[..., n, n]`.
    ///
    /// `A` is symmetrised, `(A + Aᵀ) / 2`, before anything else. In each eigenvector the element of largest absolute value
    /// is positive (of several the first), so results are the same every time. By tridiagonalisation and implicit QR
    /// (Golub and Van Loan, *Matrix computations*, 2013, chapter 8).
    ///
    /// Where eigenvalues are equal, eigenvectors have no derivative: gradients through `V` hold infinities or NaN there, and
    /// huge numbers nearby. First derivatives through `w` alone stay right; second ones pass through `V`.
    ///
    /// # Errors
    /// Kept on the tape: `A` isn't square. When it is computed: NaN or infinity in a matrix.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let a = tape.input(Tensor::from([[2.0, 1.0], [1.0, 2.0]]));
    /// let (w, v) = a.eigh();
    /// assert!((w.value()?.as_slice()[1] - 3f64).abs() < 1e-14);
    /// let [ga] = w.narrow(0, 1, 1).sum().grad([a]);                // v vᵀ, with v = (1, 1) / √2
    /// assert!(ga.value()?.as_slice().iter().all(|g| (g - 0.5).abs() < 1e-14));
    /// assert_eq!(v.shape().to_vec(), [2, 2]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn eigh(self) -> (Self, Self) {
        let record = |a: Self, _| a.tape.record_static(&Eigen, &[a.symmetrised()]);
        let packed = self.with_shape("eigh", square, record);
        if packed.is_poisoned() {
            return (packed, packed);
        }
        let n = *packed.shape().last().unwrap_or(&0);
        (packed.rows(0, 1).squeeze_axis(-2), packed.rows(1, n))
    }
}
