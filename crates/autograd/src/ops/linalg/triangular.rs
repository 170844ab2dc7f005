//! Triangular systems, and the Cholesky factor.

use nalgebra::DMatrix;

use super::{each, hinted, mask, matrices, matrix, part, scaled, sides, solution, square, system, write};
use crate::error::Result;
use crate::kernels::number::Element;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// Which part of a matrix is read, and how: for [`Var::triangular_solve`].
///
/// ```
/// use wengert_autograd::{Tape, Tensor, ops::Triangle};
/// let tape = Tape::new();
/// let a = tape.input(Tensor::from([[9.0, 2.0], [0.0, 9.0]]));
/// // The diagonal counts as ones, and Aᵀ is what is solved with.
/// let x = a.triangular_solve(tape.constant([1.0, 3.0]), Triangle::upper().unit().transposed());
/// assert_eq!(x.value()?.to_vec(), [1.0, 1.0]);
/// let [ga] = x.sum().grad([a]);
/// assert_eq!(ga.value()?, Tensor::from([[0.0, -1.0], [0.0, 0.0f64]]));
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Triangle {
    upper: bool,
    transpose: bool,
    unit: bool,
}

impl Triangle {
    /// The diagonal and what is below.
    pub fn lower() -> Self {
        Triangle { upper: false, transpose: false, unit: false }
    }

    /// The diagonal and what is above.
    pub fn upper() -> Self {
        Triangle { upper: true, ..Triangle::lower() }
    }

    /// The transpose of the triangle is solved with.
    pub fn transposed(self) -> Self {
        Triangle { transpose: !self.transpose, ..self }
    }

    /// The diagonal isn't read: it counts as ones.
    pub fn unit(self) -> Self {
        Triangle { unit: true, ..self }
    }

    fn holds(self, row: usize, column: usize) -> bool {
        (if self.upper { row < column } else { row > column }) || (row == column && !self.unit)
    }
}

/// `X` with `A X = B`, of which a triangle of `A` is read.
#[derive(Clone, Debug, PartialEq, Hash)]
struct TriangularSolve(Triangle);

impl<T: Element> Op<T> for TriangularSolve {
    fn name(&self) -> &str {
        "triangular_solve"
    }

    fn formula(&self, operands: &[String]) -> String {
        let triangle = if self.0.upper { "triu" } else { "tril" };
        let transposed = if self.0.transpose { "ᵀ" } else { "" };
        format!("triangular_solve({triangle}({}){transposed}, {})", operands[0], operands[1])
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        solution(inputs[0], inputs[1])
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let (n, k) = sides(inputs[1].shape)?;
        let Triangle { upper, transpose, unit } = self.0;
        let done = each(output, n * k, matrices(1, n, n).saturating_add(matrices(1, n, k)), |i, output| {
            let mut a = matrix(n, n, part(inputs[0].values, i, n * n));
            if unit {
                a.fill_diagonal(1.0);
            }
            let mut x = matrix(n, k, part(inputs[1].values, i, n * k));
            let solved = match (upper, transpose) {
                (false, false) => a.solve_lower_triangular_mut(&mut x),
                (false, true) => a.tr_solve_lower_triangular_mut(&mut x),
                (true, false) => a.solve_upper_triangular_mut(&mut x),
                (true, true) => a.tr_solve_upper_triangular_mut(&mut x),
            };
            write(&x, output);
            if solved { Ok(()) } else { Err("is singular: it has a zero on its diagonal") }
        });
        hinted(done, "in a derivative of qr() it says that the columns depend on each other")
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let (a, x) = (call.inputs[0], call.output);
        let to_b = x.tape.record_shared(TriangularSolve(self.0.transposed()), &[a, call.cotangent]);
        let to_a = call.wanted[0].then(|| {
            let full = if self.0.transpose { x.matmul(to_b.t()) } else { to_b.matmul(x.t()) };
            let n = *a.shape().last().unwrap_or(&0);
            -(full * mask(a, n, |row, column| self.0.holds(row, column)))
        });
        Pullback::new([to_a, Some(to_b)])
    }

    fn flops(&self, inputs: &[&Shape], output: &Shape) -> usize {
        output.volume().saturating_mul(*inputs[0].last().unwrap_or(&0))
    }
}

/// `L` with `L Lᵀ = A`, of a symmetric `A`.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Cholesky;

impl<T: Element> Op<T> for Cholesky {
    fn name(&self) -> &str {
        "cholesky"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        square(inputs[0])?;
        Ok(inputs[0].clone())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let n = square(inputs[0].shape)?;
        let done = each(output, n * n, matrices(2, n, n), |i, output| {
            let a: DMatrix<f64> = matrix(n, n, part(inputs[0].values, i, n * n));
            let factor = a.cholesky().ok_or("is not positive definite")?;
            write(&factor.l(), output);
            Ok(())
        });
        hinted(done, "is it a covariance or a Gram matrix? then add a small multiple of the identity")
    }

    /// Murray, *Differentiation of the Cholesky decomposition*, 2016: `gA` is the symmetric part of
    /// `L⁻ᵀ Φ(Lᵀ gL) L⁻¹`, where `Φ` takes the lower triangle and halves the diagonal.
    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let (l, g) = (call.output, call.cotangent);
        let n = *l.shape().last().unwrap_or(&0);
        let halved = (mask(l, n, |i, j| i > j) + mask(l, n, |i, j| i >= j)) * T::of(0.5);
        let inner = scaled(l.t().matmul(g), halved);
        let back = |x: Var<'t, T>| l.triangular_solve(x, Triangle::lower().transposed());
        Pullback::one(back(back(inner).t()).symmetrised())
    }

    fn flops(&self, inputs: &[&Shape], output: &Shape) -> usize {
        output.volume().saturating_mul(*inputs[0].last().unwrap_or(&0)) / 3
    }
}

impl<'t, T: Element> Var<'t, T> {
    /// `X` with `A X = B`, for a triangle of a square `A` of shape `[..., n, n]`; the rest of `A` isn't read and has
    /// derivative 0. `B` has shape `[..., n, k]` or `[n]`; batch axes broadcast. See [`Triangle`] for the choices.
    ///
    /// `gB = A⁻ᵀ gX`, and `gA` is the triangle of `−gB Xᵀ`.
    ///
    /// # Errors
    /// Kept on the tape: `A` isn't square, `B` has another number of rows. When it is computed: a zero on the diagonal.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor, ops::Triangle};
    /// let tape = Tape::new();
    /// let a = tape.input(Tensor::from([[2.0, 7.0], [1.0, 4.0]]));
    /// let b = tape.input(Tensor::from([2.0, 9.0]));
    /// let x = a.triangular_solve(b, Triangle::lower());
    /// assert_eq!(x.value()?.to_vec(), [1.0, 2.0]);
    /// let [gb] = x.sum().grad([b]);
    /// assert_eq!(gb.value()?.to_vec(), [0.375, 0.25]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn triangular_solve(self, b: Self, triangle: Triangle) -> Self {
        let op = || TriangularSolve(triangle);
        if self.is_poisoned() || b.is_poisoned() || !std::ptr::eq(self.tape, b.tape) {
            return self.tape.record_shared(op(), &[self, b]);
        }
        let vector = b.rank() == 1;
        let b = if vector { b.unsqueeze(1) } else { b };
        let plan = |shape: &Shape| system(shape, &b.shape());
        self.with_shape("triangular_solve", plan, |a, (left, right)| {
            let x = a.tape.record_shared(op(), &[a.expand(left), b.expand(right)]);
            if vector { x.squeeze_axis(-1) } else { x }
        })
    }

    /// The lower triangular `L` with a positive diagonal and `L Lᵀ = A`, for positive definite `A` of shape `[..., n, n]`.
    ///
    /// `A` is symmetrised, `(A + Aᵀ) / 2`, before anything else: value and gradient of a symmetric `A` are PyTorch's, which
    /// reads the lower triangle only and returns a symmetric gradient as well.
    ///
    /// # Errors
    /// Kept on the tape: `A` isn't square. When it is computed: a matrix isn't positive definite, or holds NaN.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let a = tape.input(Tensor::from([[4.0, 2.0], [2.0, 10.0]]));
    /// let l = a.cholesky();
    /// assert_eq!(l.value()?, Tensor::from([[2.0, 0.0], [1.0, 3.0]]));
    /// let diagonal = l * tape.constant(Tensor::eye(2));
    /// let [ga] = (diagonal.sum_axes(&[-1], false).ln().sum()).grad([a]);   // ln √det A: half of the inverse
    /// assert!((ga.value()?.as_slice()[0] - 10.0 / 72f64).abs() < 1e-15);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn cholesky(self) -> Self {
        let record = |a: Self, _| a.tape.record_static(&Cholesky, &[a.symmetrised()]);
        self.with_shape("cholesky", square, record)
    }
}
