//! Singular values and vectors.

use super::eigen::orientation;
use super::{batched, each, hinted, matrices, matrix, part, scaled, sides};
use crate::error::Result;
use crate::kernels::number::Element;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// Singular values in the first row, descending, the left vectors as columns below, and the right ones below these.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Singular;

impl<T: Element> Op<T> for Singular {
    fn name(&self) -> &str {
        "svd"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        let (m, n) = sides(inputs[0])?;
        Ok(batched(inputs[0], &[m.saturating_add(n).saturating_add(1), m.min(n)]))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let (m, n) = sides(inputs[0].shape)?;
        let k = m.min(n);
        let memory = matrices(3, m, n).saturating_add(matrices(2, m.max(n), k));
        let done = each(output, (1 + m + n) * k, memory, |i, output| {
            let a = matrix(m, n, part(inputs[0].values, i, m * n));
            if a.iter().any(|element| !element.is_finite()) {
                return Err("holds NaN or infinity");
            }
            let svd = a.try_svd(true, true, 5.0 * f64::EPSILON, 1000 * k).ok_or("made the iteration diverge")?;
            let (Some(u), Some(vt)) = (&svd.u, &svd.v_t) else { return Err("has no singular vectors") };
            for place in 0..k {
                let sign = orientation(u.column(place).iter());
                output[place] = T::of(svd.singular_values[place]);
                let column = u.column(place).iter().chain(vt.row(place).iter()).copied().collect::<Vec<f64>>();
                column.iter().enumerate().for_each(|(row, &x)| output[(row + 1) * k + place] = T::of(sign * x));
            }
            Ok(())
        });
        hinted(done, "check what is computed before with tape.check_finite(true)")
    }

    /// Townsend, *Differentiating the singular value decomposition*, 2016.
    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let shape = call.inputs[0].shape();
        let (m, n) = (shape[shape.len() - 2], shape[shape.len() - 1]);
        let k = m.min(n);
        let split = |x: Var<'t, T>| (x.rows(0, 1), x.rows(1, m), x.rows(1 + m, n));
        let ((s, u, v), (gs, gu, gv)) = (split(call.output), split(call.cotangent));
        let column = s.t();
        let skew = |x: Var<'t, T>, g: Var<'t, T>| {
            let product = x.t().matmul(g);
            (product - product.t()).over_differences((s - column) * (s + column))
        };
        let inner = skew(u, gu) * s + column * skew(v, gv);
        let mut to_a = (u.matmul(inner) + scaled(gs, u)).matmul(v.t());
        // What leaves the space of the vectors, where that is not all.
        let outside = |x: Var<'t, T>, g: Var<'t, T>| {
            let over = scaled(g, s.recip());
            over - x.matmul(x.t().matmul(over))
        };
        if m > k {
            to_a += outside(u, gu).matmul(v.t());
        }
        if n > k {
            to_a += u.matmul(outside(v, gv).t());
        }
        Pullback::one(to_a)
    }

    fn flops(&self, inputs: &[&Shape], output: &Shape) -> usize {
        inputs[0].volume().saturating_mul(14 * output.last().unwrap_or(&0))
    }
}

impl<'t, T: Element> Var<'t, T> {
    /// `A = U diag(s) Vᵀ` with `k = min(m, n)`: `U` of shape `[..., m, k]`, the singular values `s ≥ 0`, descending, of
    /// shape `[..., k]`, and `Vᵀ` of shape `[..., k, n]`, for `A` of shape `[..., m, n]`: the reduced form.
    ///
    /// In each column of `U` the element of largest absolute value is positive (of several the first), so results are the
    /// same every time. By bidiagonalisation and implicit QR (Golub and Van Loan, *Matrix computations*, 2013, chapter 8).
    ///
    /// Where singular values are equal, or one is 0, vectors have no derivative: gradients through them hold infinities or
    /// NaN there. First derivatives through `s` alone stay right; at `s = 0`, where `s` has a kink, they are those of the
    /// vectors that were found.
    ///
    /// # Errors
    /// Kept on the tape: fewer than two axes. When it is computed: NaN or infinity in a matrix.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let a = tape.input(Tensor::from([[3.0, 0.0], [0.0, 5.0]]));
    /// let (_, s, _) = a.svd();
    /// assert!((s.value()?.as_slice()[0] - 5f64).abs() < 1e-14);
    /// let [ga] = s.sum().grad([a]);                                // the nuclear norm: U Vᵀ
    /// assert!((ga.value()?.as_slice()[0] - 1.0).abs() < 1e-14);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn svd(self) -> (Self, Self, Self) {
        let record = |a: Self, _| a.tape.record_static(&Singular, &[a]);
        let packed = self.with_shape("svd", sides, record);
        match sides(&self.shape()) {
            Ok((m, n)) if !packed.is_poisoned() => {
                (packed.rows(1, m), packed.rows(0, 1).squeeze_axis(-2), packed.rows(1 + m, n).t())
            }
            _ => (packed, packed, packed),
        }
    }
}
