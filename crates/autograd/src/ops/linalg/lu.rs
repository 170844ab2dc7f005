//! Systems of equations, inverses and determinants: everything that an LU factorisation gives.

use nalgebra::{DMatrix, DVector};

use super::{batch, batched, each, hinted, matrices, matrix, part, scaled, sides, solution, square, system, write};
use crate::error::Result;
use crate::kernels::number::Element;
use crate::kernels::scratch;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// `P A = L U` with partial pivoting: `L` below the diagonal, `U` above, and a last row with the row of `A` that each row
/// comes from. Nothing is differentiated through it: it is an operand of the ops below, beside the matrix itself, so that
/// they share it.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Factor;

impl<T: Element> Op<T> for Factor {
    fn name(&self) -> &str {
        "lu"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        let n = square(inputs[0])?;
        Ok(batched(inputs[0], &[n.saturating_add(1), n]))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let n = square(inputs[0].shape)?;
        each(output, (n + 1) * n, matrices(3, n, n), |i, output| {
            let lu = matrix(n, n, part(inputs[0].values, i, n * n)).lu();
            let mut packed = lu.u();
            let lower = lu.l();
            for (row, column) in (0..n).flat_map(|row| (0..row).map(move |column| (row, column))) {
                packed[(row, column)] = lower[(row, column)];
            }
            let mut order = DVector::from_fn(n, |row, _| row as f64);
            lu.p().permute_rows(&mut order);
            write(&packed, &mut output[..n * n]);
            output[n * n..].iter_mut().zip(order.iter()).for_each(|(to, &from)| *to = T::of(from));
            Ok(())
        })
    }

    fn pullback<'t>(&self, _: &Call<'t, T>) -> Pullback<'t, T> {
        Pullback::new([None])
    }

    fn is_differentiable(&self) -> bool {
        false
    }

    fn flops(&self, inputs: &[&Shape], _: &Shape) -> usize {
        cubed(inputs[0]).saturating_mul(2) / 3
    }
}

/// `n³` for each matrix.
fn cubed(shape: &Shape) -> usize {
    shape.volume().saturating_mul(*shape.last().unwrap_or(&0))
}

/// `X = A⁻¹ B` or `A⁻ᵀ B`, from factors as [`Factor`] packs them.
fn solve_packed(packed: &[f64], n: usize, mut b: DMatrix<f64>, transpose: bool) -> Result<DMatrix<f64>, &'static str> {
    let upper = DMatrix::from_row_slice(n, n, &packed[..n * n]);
    let mut lower = upper.clone();
    lower.fill_diagonal(1.0);
    if upper.diagonal().iter().any(|&pivot| pivot == 0.0) {
        return Err("is singular: it has no inverse");
    }
    let order = |row: usize| packed[n * n + row] as usize;
    if transpose {
        let done = upper.tr_solve_upper_triangular_mut(&mut b) && lower.tr_solve_lower_triangular_mut(&mut b);
        let mut x = b.clone();
        (0..n).for_each(|row| x.set_row(order(row), &b.row(row)));
        return if done { Ok(x) } else { Err("is singular: it has no inverse") };
    }
    let mut x = DMatrix::from_fn(n, b.ncols(), |row, column| b[(order(row), column)]);
    let done = lower.solve_lower_triangular_mut(&mut x) && upper.solve_upper_triangular_mut(&mut x);
    if done { Ok(x) } else { Err("is singular: it has no inverse") }
}

/// What to do about a matrix that has no inverse.
const HINT: &str = "add a small multiple of the identity, or use svd() for the least squares solution";

fn numbers<T: Element>(values: &[T]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}

/// `X = A⁻¹ B` or `A⁻ᵀ B`, of operands `A`, its factors, and `B`.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Solve {
    transpose: bool,
}

impl<T: Element> Op<T> for Solve {
    fn name(&self) -> &str {
        "solve"
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("solve({}{}, {})", operands[0], if self.transpose { "ᵀ" } else { "" }, operands[2])
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        solution(inputs[0], inputs[2])
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let (n, k) = sides(inputs[2].shape)?;
        let memory = matrices(3, n, n).saturating_add(matrices(2, n, k));
        let done = each(output, n * k, memory, |i, output| {
            let packed = numbers(part(inputs[1].values, i, (n + 1) * n));
            let b = matrix(n, k, part(inputs[2].values, i, n * k));
            write(&solve_packed(&packed, n, b, self.transpose)?, output);
            Ok(())
        });
        hinted(done, HINT)
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let (x, a, factor) = (call.output, call.inputs[0], call.inputs[1]);
        let to_b = Solve { transpose: !self.transpose };
        let to_b = x.tape.record_shared(to_b, &[a, factor, call.cotangent]);
        // dX = -A⁻¹ dA X, and the transpose of that for the transposed system.
        let to_a = call.wanted[0].then(|| match self.transpose {
            false => -to_b.matmul(x.t()),
            true => -x.matmul(to_b.t()),
        });
        Pullback::new([to_a, None, Some(to_b)])
    }

    fn flops(&self, inputs: &[&Shape], output: &Shape) -> usize {
        output.volume().saturating_mul(2 * inputs[0].last().unwrap_or(&0))
    }
}

/// `Y = A⁻¹` or its transpose, of operands `A` and its factors.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Inverse {
    transpose: bool,
}

impl<T: Element> Op<T> for Inverse {
    fn name(&self) -> &str {
        "inv"
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("inv({}{})", operands[0], if self.transpose { "ᵀ" } else { "" })
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        square(inputs[0])?;
        Ok(inputs[0].clone())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let n = square(inputs[0].shape)?;
        let done = each(output, n * n, matrices(5, n, n), |i, output| {
            let packed = numbers(part(inputs[1].values, i, (n + 1) * n));
            write(&solve_packed(&packed, n, DMatrix::identity(n, n), self.transpose)?, output);
            Ok(())
        });
        hinted(done, HINT)
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let (y, g) = (call.output, call.cotangent);
        let product = match self.transpose {
            false => y.t().matmul(g).matmul(y.t()),
            true => (y.t().matmul(g).matmul(y.t())).t(),
        };
        Pullback::new([Some(-product), None])
    }

    fn flops(&self, inputs: &[&Shape], _: &Shape) -> usize {
        cubed(inputs[0]).saturating_mul(2)
    }
}

/// What of the determinant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Whole,
    Sign,
    /// Of the absolute value.
    Logarithm,
    /// NaN where it is negative.
    SignedLogarithm,
}

/// The determinant or a part of it, of operands `A` and its factors.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Determinant(Part);

impl<T: Element> Op<T> for Determinant {
    fn name(&self) -> &str {
        match self.0 {
            Part::Whole => "det",
            Part::Sign => "sign of det",
            Part::Logarithm => "log of |det|",
            Part::SignedLogarithm => "logdet",
        }
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("{} {}", Op::<T>::name(self), operands[0])
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        square(inputs[0])?;
        Ok(batch(inputs[0]).into())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let n = square(inputs[0].shape)?;
        for (i, output) in output.iter_mut().enumerate() {
            let packed = part(inputs[1].values, i, (n + 1) * n);
            let diagonal = (0..n).map(|row| packed[row * n + row].to_f64());
            let parity = scratch::with_places(n, |order| parity(&packed[n * n..], order))?;
            let sign = diagonal.clone().fold(parity, |sign, pivot| match pivot == 0.0 {
                true => 0.0,
                false => sign * pivot.signum(),
            });
            let logarithm = diagonal.clone().map(|pivot| pivot.abs().ln()).sum::<f64>();
            *output = T::of(match self.0 {
                Part::Whole => diagonal.fold(parity, |product, pivot| product * pivot),
                Part::Sign => sign,
                Part::SignedLogarithm if sign < 0.0 => f64::NAN,
                Part::Logarithm | Part::SignedLogarithm => logarithm,
            });
        }
        Ok(())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let (a, factor, y) = (call.inputs[0], call.inputs[1], call.output);
        let weight = if self.0 == Part::Whole { scaled(call.cotangent, y) } else { call.cotangent };
        let inverse = a.tape.record_shared(Inverse { transpose: true }, &[a, factor]);
        let shape = Shape::collect(y.shape().iter().copied().chain([1, 1]));
        Pullback::new([Some(scaled(weight.reshape(shape), inverse)), None])
    }

    fn is_differentiable(&self) -> bool {
        self.0 != Part::Sign
    }
}

/// 1 for an even permutation, -1 for an odd one.
fn parity<T: Element>(rows: &[T], order: &mut [usize]) -> f64 {
    order.iter_mut().zip(rows).for_each(|(to, row)| *to = row.to_usize().unwrap_or(0));
    let mut sign = 1.0;
    for place in 0..order.len() {
        while order[place] != place {
            let other = order[place];
            order.swap(place, other);
            sign = -sign;
        }
    }
    sign
}

impl<'t, T: Element> Var<'t, T> {
    /// Records an op of the matrix and its factors.
    #[track_caller]
    fn factored(self, name: &str, op: impl Op<T>) -> Self {
        self.with_shape(name, square, |a, _| {
            let factor = a.tape.record_static(&Factor, &[a]);
            a.tape.record_shared(op, &[a, factor])
        })
    }

    /// `X` with `A X = B`, for a square `A` of shape `[..., n, n]`, and `B` of shape `[..., n, k]` or `[n]`.
    ///
    /// By LU factorisation with partial pivoting (Golub and Van Loan, *Matrix computations*, 2013, chapter 3), which the
    /// pullback uses again. Leading axes are batches, and broadcast. `gB = A⁻ᵀ gX` and `gA = −gB Xᵀ`.
    ///
    /// # Errors
    /// Kept on the tape: `A` isn't square, `B` has another number of rows. When it is computed: a matrix is singular, that
    /// is, a pivot is exactly zero. One that is singular only but for rounding gives large numbers, as in PyTorch.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let a = tape.input(Tensor::from([[2.0, 0.0], [0.0, 4.0]]));
    /// let b = tape.input(Tensor::from([2.0, 8.0]));
    /// let x = a.solve(b);
    /// assert_eq!(x.value()?.to_vec(), [1.0, 2.0]);
    /// let [ga, gb] = x.sum().grad([a, b]);
    /// assert_eq!(gb.value()?.to_vec(), [0.5, 0.25]);
    /// assert_eq!(ga.value()?, Tensor::from([[-0.5, -1.0], [-0.25, -0.5]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn solve(self, b: Self) -> Self {
        if self.is_poisoned() || b.is_poisoned() || !std::ptr::eq(self.tape, b.tape) {
            return self.tape.record_static(&Solve { transpose: false }, &[self, b]);
        }
        let vector = b.rank() == 1;
        let b = if vector { b.unsqueeze(1) } else { b };
        let plan = |shape: &Shape| system(shape, &b.shape());
        self.with_shape("solve", plan, |a, (left, right)| {
            let (a, b) = (a.expand(left), b.expand(right));
            let factor = a.tape.record_static(&Factor, &[a]);
            let x = a.tape.record_static(&Solve { transpose: false }, &[a, factor, b]);
            if vector { x.squeeze_axis(-1) } else { x }
        })
    }

    /// `A⁻¹`, of the shape of `A`: `[..., n, n]`. To multiply by it, [`solve`](Var::solve) is faster and more accurate.
    ///
    /// `gA = −A⁻ᵀ g A⁻ᵀ`.
    ///
    /// # Errors
    /// As [`solve`](Var::solve).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let a = tape.input(Tensor::from([[2.0, 0.0], [0.0, 4.0]]));
    /// let y = a.inv();
    /// assert_eq!(y.value()?, Tensor::from([[0.5, 0.0], [0.0, 0.25]]));
    /// let [ga] = y.sum().grad([a]);
    /// assert_eq!(ga.value()?, Tensor::from([[-0.25, -0.125], [-0.125, -0.0625]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn inv(self) -> Self {
        self.factored("inv", Inverse { transpose: false })
    }

    /// `det A` for each matrix, of shape `[...]` for `A` of shape `[..., n, n]`; 1 for a matrix without rows.
    ///
    /// `gA = g det(A) A⁻ᵀ`. The value of a singular matrix is 0; its derivative, which exists, is an error, as it is
    /// computed by the inverse.
    ///
    /// # Errors
    /// Kept on the tape: `A` isn't square. When its derivative is computed: a matrix is singular.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let a = tape.input(Tensor::from([[3.0, 1.0], [2.0, 4.0]]));
    /// let y = a.det();
    /// assert!((y.item()? - 10f64).abs() < 1e-14);
    /// let [ga] = y.grad([a]);                                     // the cofactors
    /// let expected = [4.0, -2.0, -1.0, 3.0];
    /// assert!(ga.value()?.as_slice().iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-14));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn det(self) -> Self {
        self.factored("det", Determinant(Part::Whole))
    }

    /// `ln det A` for each matrix, without overflow; −∞ where the determinant is 0, NaN where it is negative.
    ///
    /// `gA = g A⁻ᵀ`. See [`det`](Var::det) and [`slogdet`](Var::slogdet).
    ///
    /// # Errors
    /// As [`det`](Var::det).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let a = tape.input(Tensor::from([[2.0, 0.0], [0.0, 4.0]]));
    /// let y = a.logdet();
    /// assert!((y.item()? - 8f64.ln()).abs() < 1e-15);
    /// let [ga] = y.grad([a]);
    /// assert_eq!(ga.value()?, Tensor::from([[0.5, 0.0], [0.0, 0.25]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn logdet(self) -> Self {
        self.factored("logdet", Determinant(Part::SignedLogarithm))
    }

    /// The sign of `det A` and `ln |det A|`, for each matrix: of a singular one 0 and −∞. The sign has no derivative.
    ///
    /// # Errors
    /// As [`det`](Var::det).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let a = tape.input(Tensor::from([[0.0, 2.0], [4.0, 0.0]]));
    /// let (sign, log) = a.slogdet();
    /// assert_eq!(sign.item()?, -1.0);
    /// assert!((log.item()? - 8f64.ln()).abs() < 1e-15);
    /// let [ga] = log.grad([a]);
    /// assert_eq!(ga.value()?, Tensor::from([[0.0, 0.5], [0.25, 0.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn slogdet(self) -> (Self, Self) {
        let sign = self.factored("slogdet", Determinant(Part::Sign));
        (sign, self.factored("slogdet", Determinant(Part::Logarithm)))
    }
}
