//! Dense linear algebra over the last two axes, batched over the others: the feature `linalg`.
//!
//! The factorisations are those of the crate nalgebra, computed in f64 whatever the element type is, so that those of f32
//! lose nothing but the rounding of their result. Few are ops: an LU, shared by everything that solves with the same
//! matrix; triangular systems; Cholesky; eigenvalues; singular values; QR. Several results of one op are packed into one
//! tensor and sliced. Pullbacks are written with the same methods, so every order of derivative works.

mod eigen;
mod lu;
mod qr;
mod reference;
pub(super) mod samples;
mod singular;
mod triangular;

use nalgebra::DMatrix;

use super::arithmetic::scaled;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::kernels::scratch;
use crate::tape::var::Var;
use crate::tensor::{Shape, Tensor};
pub use triangular::Triangle;

/// Rows and columns, the last two axes.
fn sides(shape: &Shape) -> Result<(usize, usize)> {
    match shape[..] {
        [.., rows, columns] => Ok((rows, columns)),
        _ => {
            let message = format!("a matrix needed, or a batch of them, the operand has shape {shape}");
            Err(Error::new(ErrorKind::Shape, message).hint("the last two axes are rows and columns"))
        }
    }
}

/// The shapes of a square matrix and a right side of several columns, with their batch axes broadcast.
fn system(shape: &Shape, right: &Shape) -> Result<(Shape, Shape)> {
    let (n, (rows, columns)) = (square(shape)?, sides(right)?);
    let common = Shape::from(batch(shape)).broadcast(&batch(right).into());
    let common = common.filter(|_| rows == n).ok_or_else(|| {
        let message = format!("sides don't fit: left {shape}, right {right}");
        let hint = "the right side has as many rows as the matrix, and batch axes that broadcast";
        Error::new(ErrorKind::Shape, message).hint(hint)
    })?;
    let with = |last: [usize; 2]| Shape::collect(common.iter().copied().chain(last));
    Ok((with([n, n]), with([n, columns])))
}

/// The shape of a system's solution, whose matrix and right side have the same batch axes.
fn solution(matrix: &Shape, right: &Shape) -> Result<Shape> {
    let (n, (rows, _)) = (square(matrix)?, sides(right)?);
    if n != rows || batch(matrix) != batch(right) {
        let message = format!("sides differ: left {matrix}, right {right}");
        return Err(Error::new(ErrorKind::Shape, message).hint("the right side has as many rows as the matrix"));
    }
    Ok(right.clone())
}

/// The rows of square matrices.
fn square(shape: &Shape) -> Result<usize> {
    let (rows, columns) = sides(shape)?;
    if rows != columns {
        let message = format!("a square matrix needed, or a batch of them, the operand has shape {shape}");
        return Err(Error::new(ErrorKind::Shape, message));
    }
    Ok(rows)
}

/// The axes before the last two.
fn batch(shape: &Shape) -> &[usize] {
    &shape[..shape.len() - 2]
}

/// The shape of a batch with other last axes.
fn batched(shape: &Shape, last: &[usize]) -> Shape {
    Shape::collect(batch(shape).iter().chain(last).copied())
}

/// A matrix from its elements in row-major order.
fn matrix<T: Element>(rows: usize, columns: usize, values: &[T]) -> DMatrix<f64> {
    DMatrix::from_row_iterator(rows, columns, values.iter().map(|value| value.to_f64()))
}

/// The elements of some matrices of `rows` by `columns`, and of as many lists as long as their sides as any
/// factorisation has.
fn matrices(count: usize, rows: usize, columns: usize) -> usize {
    let sides = rows.saturating_add(columns).saturating_mul(8);
    rows.saturating_mul(columns).saturating_mul(count).saturating_add(sides)
}

/// Writes a matrix in row-major order.
fn write<T: Element>(matrix: &DMatrix<f64>, output: &mut [T]) {
    for (i, row) in matrix.row_iter().enumerate() {
        let to = &mut output[i * row.len()..(i + 1) * row.len()];
        to.iter_mut().zip(row.iter()).for_each(|(to, &from)| *to = T::of(from));
    }
}

/// Runs a kernel on one matrix of a batch after the other; it gets the place, and its part of the output. What it says is
/// wrong is said of that matrix.
///
/// Where nalgebra finds no memory it ends the process. So what a kernel takes at most, in elements of f64, is asked for
/// before, and given back for it to take.
fn each<T: Element>(
    output: &mut [T],
    size: usize,
    memory: usize,
    mut kernel: impl FnMut(usize, &mut [T]) -> Result<(), &'static str>,
) -> Result<()> {
    // Without elements there is nothing to compute, and a matrix without rows is never singular.
    let count = output.len().checked_div(size).unwrap_or(0);
    if count > 0 {
        scratch::room::<f64>(memory)?;
    }
    for (i, output) in output.chunks_exact_mut(size.max(1)).enumerate() {
        kernel(i, output).map_err(|what| {
            let which =
                if count == 1 { "the matrix".to_string() } else { format!("matrix {i} of the batch of {count}") };
            Error::new(ErrorKind::Numeric, format!("{which} {what}"))
        })?;
    }
    Ok(())
}

/// Says what to do about a matrix; where memory is missing, that is no fault of the matrix.
fn hinted(done: Result<()>, hint: &str) -> Result<()> {
    done.map_err(|error| match error.kind() {
        ErrorKind::Numeric => error.hint(hint),
        _ => error,
    })
}

/// Part `i` of operands that hold one matrix of `size` elements each for a batch.
fn part<T>(values: &[T], i: usize, size: usize) -> &[T] {
    &values[i * size..(i + 1) * size]
}

/// A mask of shape `[n, n]`.
fn mask<'t, T: Element>(like: Var<'t, T>, n: usize, holds: impl Fn(usize, usize) -> bool) -> Var<'t, T> {
    let number = |place: usize| if holds(place / n, place % n) { 1.0 } else { 0.0 };
    like.tape.constant(Tensor::from_fn([n, n], |place| T::of(number(place))))
}

impl<'t, T: Element> Var<'t, T> {
    /// `(A + Aᵀ) / 2`
    #[track_caller]
    fn symmetrised(self) -> Self {
        (self + self.t()) * T::of(0.5)
    }

    /// Some rows.
    #[track_caller]
    fn rows(self, start: usize, count: usize) -> Self {
        self.narrow(-2, start, count)
    }

    /// `G ∘ F` with `Fᵢⱼ = 1 / (sⱼ − sᵢ)`, and 0 on the diagonal, for a row `s` of shape `[..., 1, n]`; of two equal
    /// numbers an infinity, which meets only cotangents that are not zero.
    #[track_caller]
    fn over_differences(self, difference: Self) -> Self {
        let n = *self.shape().last().unwrap_or(&0);
        let identity = mask(self, n, |i, j| i == j);
        scaled(self, (difference + identity).recip() - identity)
    }
}
