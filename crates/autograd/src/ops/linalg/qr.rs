//! The QR factorisation.

use super::triangular::Triangle;
use super::{batched, each, mask, matrices, matrix, part, sides, write};
use crate::error::Result;
use crate::kernels::number::Element;
use crate::ops::join::cat;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// `Q` and below it `R`, of a matrix that has at least as many rows as columns.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Factors;

impl<T: Element> Op<T> for Factors {
    fn name(&self) -> &str {
        "qr"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        let (m, n) = sides(inputs[0])?;
        Ok(batched(inputs[0], &[m.saturating_add(n), n]))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let (m, n) = sides(inputs[0].shape)?;
        each(output, (m + n) * n, matrices(3, m, n).saturating_add(matrices(2, n, n)), |i, output| {
            let qr = matrix(m, n, part(inputs[0].values, i, m * n)).qr();
            let (mut q, mut r) = (qr.q(), qr.r());
            let largest = r.diagonal().amax();
            for j in 0..n {
                if r[(j, j)] < 0.0 {
                    q.column_mut(j).neg_mut();
                    r.row_mut(j).neg_mut();
                }
                // What is nothing but rounding is zero: derivatives then say so.
                if r[(j, j)] <= m as f64 * f64::EPSILON * largest {
                    r[(j, j)] = 0.0;
                }
            }
            let (q_part, r_part) = output.split_at_mut(m * n);
            write(&q, q_part);
            write(&r, r_part);
            Ok(())
        })
    }

    /// `gA = (gQ + Q C) R⁻ᵀ`, `C` being the symmetric matrix with the lower triangle of `R gRᵀ − gQᵀ Q` (Walter and Lehmann,
    /// *Algorithmic differentiation of linear algebra functions*, 2010).
    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let shape = call.inputs[0].shape();
        let (m, n) = (shape[shape.len() - 2], shape[shape.len() - 1]);
        let (q, r) = (call.output.rows(0, m), call.output.rows(m, n));
        let (gq, gr) = (call.cotangent.rows(0, m), call.cotangent.rows(m, n));
        let product = r.matmul(gr.t()) - gq.t().matmul(q);
        let lower = product * mask(q, n, |i, j| i >= j);
        let symmetric = lower + (product * mask(q, n, |i, j| i > j)).t();
        let right = gq + q.matmul(symmetric);
        Pullback::one(r.triangular_solve(right.t(), Triangle::upper()).t())
    }

    fn flops(&self, inputs: &[&Shape], _: &Shape) -> usize {
        inputs[0].volume().saturating_mul(4 * inputs[0].last().unwrap_or(&0))
    }
}

impl<'t, T: Element> Var<'t, T> {
    /// `A = Q R` with `k = min(m, n)`: `Q` of shape `[..., m, k]` with orthonormal columns, and `R` of shape `[..., k, n]`,
    /// upper triangular with a diagonal that isn't negative, for `A` of shape `[..., m, n]`: the reduced form, which is
    /// unique where the first `k` columns are independent.
    ///
    /// By Householder's reflections (Golub and Van Loan, *Matrix computations*, 2013, chapter 5). Diagonal elements of `R`
    /// that are nothing but rounding are set to 0.
    ///
    /// # Errors
    /// Kept on the tape: fewer than two axes. When a derivative is computed: the first `k` columns depend on each other, so
    /// that there is none.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let a = tape.input(Tensor::from([[3.0, 1.0], [4.0, 7.0]]));
    /// let (q, r) = a.qr();
    /// let expected = [5.0f64, 6.2, 0.0, 3.4];
    /// assert!(r.value()?.as_slice().iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-14));
    /// let [ga] = r.narrow(0, 0, 1).narrow(1, 0, 1).sum().grad([a]);       // the norm of the first column
    /// assert!((ga.value()?.as_slice()[2] - 0.8f64).abs() < 1e-15);
    /// assert_eq!(q.shape().to_vec(), [2, 2]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn qr(self) -> (Self, Self) {
        let checked = self.with_shape("qr", sides, |a, _| a);
        let Some((m, n)) = sides(&checked.shape()).ok().filter(|_| !checked.is_poisoned()) else {
            return (checked, checked);
        };
        let square = if m < n { self.narrow(-1, 0, m) } else { self };
        let packed = self.tape.record_static(&Factors, &[square]);
        let k = m.min(n);
        let (q, r) = (packed.rows(0, m), packed.rows(m, k));
        // The columns beyond the square are those of A in the basis Q.
        let rest = || q.t().matmul(self.narrow(-1, m, n - m));
        (q, if m < n { cat(&[r, rest()], -1) } else { r })
    }
}
