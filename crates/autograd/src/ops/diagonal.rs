//! Diagonals and triangles of matrices.

use ndarray::ArrayD;

use super::registry::{Sample, Text, spread};
use super::samples::repeated;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;
use crate::tensor::shape::Axes;

/// The part of each matrix on one side of a diagonal, zeros elsewhere. A primitive for speed: a mask would be another
/// matrix to make and to read.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Triangle {
    upper: bool,
    offset: isize,
}

impl Triangle {
    /// The columns of a row that stay.
    fn kept(&self, row: usize, columns: usize) -> std::ops::Range<usize> {
        // The column of the diagonal in this row.
        let diagonal = (row as isize).saturating_add(self.offset);
        let bound = |column: isize| column.clamp(0, columns as isize) as usize;
        match self.upper {
            true => bound(diagonal)..columns,
            false => 0..bound(diagonal.saturating_add(1)),
        }
    }
}

impl<T: Element> Op<T> for Triangle {
    fn name(&self) -> &str {
        if self.upper { "triu" } else { "tril" }
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("{}({}, offset {})", Op::<T>::name(self), operands[0], self.offset)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        match inputs[0].len() {
            0 | 1 => Err(no_matrix(inputs[0])),
            _ => Ok(inputs[0].clone()),
        }
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let [rows, columns] = last_two(inputs[0].shape);
        output.fill(T::of(0.0));
        let rows_of = inputs[0].values.chunks_exact(columns.max(1)).zip(output.chunks_exact_mut(columns.max(1)));
        for (i, (from, to)) in rows_of.enumerate() {
            let kept = self.kept(i % rows, columns);
            to[kept.clone()].copy_from_slice(&from[kept]);
        }
        Ok(())
    }

    fn flops(&self, _: &[&Shape], _: &Shape) -> usize {
        0
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        Pullback::one(call.cotangent.tape.record_shared(self.clone(), &[call.cotangent]))
    }
}

fn last_two(shape: &Shape) -> [usize; 2] {
    [shape[shape.len() - 2], shape[shape.len() - 1]]
}

fn no_matrix(shape: &Shape) -> Error {
    Error::new(ErrorKind::Shape, format!("a matrix needed, or a batch of them: got shape {shape}"))
        .hint("the last two axes are rows and columns")
}

/// Where the diagonal starts in the rows and columns read as one row, and its length.
fn along_diagonal([rows, columns]: [usize; 2], offset: isize) -> (usize, usize) {
    let far = offset.unsigned_abs();
    match offset < 0 {
        false => (far.min(columns), rows.min(columns.saturating_sub(far))),
        true => (far.min(rows) * columns, columns.min(rows.saturating_sub(far))),
    }
}

impl<T: Element> Var<'_, T> {
    /// `yᵢⱼ = xᵢⱼ` where `j ≤ i + offset`, else 0: the lower triangle of a matrix, or of each matrix of a batch.
    ///
    /// The cotangent is cut in the same way, so an element above the diagonal gets 0, whatever stands there.
    ///
    /// # Errors
    /// Kept on the tape: fewer than two axes.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// let y = x.tril(0);
    /// assert_eq!(y.value()?, Tensor::from([[1.0, 0.0], [3.0, 4.0]]));
    /// let [gx] = y.square().sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[2.0, 0.0], [6.0, 8.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn tril(self, offset: isize) -> Self {
        self.tape.record_shared(Triangle { upper: false, offset }, &[self])
    }

    /// `yᵢⱼ = xᵢⱼ` where `j ≥ i + offset`, else 0: the upper triangle of a matrix, or of each matrix of a batch.
    ///
    /// # Errors
    /// Kept on the tape: fewer than two axes.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// let y = x.triu(1);
    /// assert_eq!(y.value()?, Tensor::from([[0.0, 2.0], [0.0, 0.0]]));
    /// let [gx] = y.square().sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[0.0, 4.0], [0.0, 0.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn triu(self, offset: isize) -> Self {
        self.tape.record_shared(Triangle { upper: true, offset }, &[self])
    }

    /// `y[.., i] = x[.., i, .., i + offset, ..]`: the diagonal of two axes, which becomes the last axis of the result.
    ///
    /// `[2, 3, 4]` by `diagonal(0, 0, 2)` to `[3, 2]`. Negative axes count from the end; a negative offset is below the
    /// main diagonal; one that is outside the matrix gives an axis of length 0. A composition of `permute`, `reshape` and a
    /// slice with a step.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range; an axis named twice.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// let y = x.diagonal(0, 0, 1);
    /// assert_eq!(y.value()?.to_vec(), [1.0, 4.0]);
    /// let [gx] = y.square().sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[2.0, 0.0], [0.0, 8.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn diagonal(self, offset: isize, first: isize, second: isize) -> Self {
        let plan = |shape: &Shape| {
            shape.axes(&[first, second])?;
            let (first, second) = (shape.axis(first)?, shape.axis(second)?);
            let others = (0..shape.len()).filter(|&axis| axis != first && axis != second);
            let order: Vec<isize> = others.chain([first, second]).map(|axis| axis as isize).collect();
            Ok((order, [shape[first], shape[second]]))
        };
        self.with_shape("diagonal", plan, |x, (order, sides)| {
            let (start, count) = along_diagonal(sides, offset);
            let outer = order[..order.len() - 2].iter().map(|&axis| x.shape()[axis as usize]);
            let flat = Shape::collect(outer.chain([sides[0] * sides[1]]));
            let start = if count == 0 { 0 } else { start };
            let end = if count == 0 { 0 } else { start + (count - 1) * (sides[1] + 1) + 1 };
            let range = start as isize..end as isize;
            x.permute(&order).reshape(flat).slice(-1, range, sides[1].saturating_add(1))
        })
    }

    /// A vector as a diagonal of a square matrix of zeros, `[n]` to `[n + |offset|, n + |offset|]`; or the diagonal of a
    /// matrix, `[m, n]` to a vector.
    ///
    /// # Errors
    /// Kept on the tape: an operand with other than one or two axes; a matrix that is too large for memory.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0]));
    /// let y = x.diag(0);
    /// assert_eq!(y.value()?, Tensor::from([[1.0, 0.0], [0.0, 2.0]]));
    /// let [gx] = y.diag(0).square().sum().grad([x]);
    /// assert_eq!(gx.value()?.to_vec(), [2.0, 4.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn diag(self, offset: isize) -> Self {
        let plan = |shape: &Shape| match shape.len() {
            1 => {
                let side = shape[0].saturating_add(offset.unsigned_abs());
                Shape::from([side, side]).checked_volume().map(|_| Some(side))
            }
            2 => Ok(None),
            _ => {
                let message = format!("a vector or a matrix needed: got shape {shape}");
                Err(Error::new(ErrorKind::Shape, message).hint("diagonal() takes the diagonal of two axes of many"))
            }
        };
        self.with_shape("diag", plan, |x, side| match side {
            None => x.diagonal(offset, 0, 1),
            Some(side) => {
                let (start, _) = along_diagonal([side, side], offset);
                x.spaced(0, start, side + 1, side * side).reshape([side, side])
            }
        })
    }

    /// `y = Σᵢ xᵢᵢ`: the sum of the main diagonal of a matrix, or of each matrix of a batch: `[m, n]` to `[]`.
    ///
    /// # Errors
    /// Kept on the tape: fewer than two axes.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// assert_eq!(x.trace().item()?, 5.0);
    /// let [gx] = x.trace().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::eye(2));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn trace(self) -> Self {
        let plan = |shape: &Shape| if shape.len() < 2 { Err(no_matrix(shape)) } else { Ok(()) };
        self.with_shape("trace", plan, |x, ()| x.diagonal(0, -2, -1).sum_axes(&[-1], false))
    }
}

const MATRICES: [&[usize]; 9] =
    [&[1, 1], &[2, 2], &[3, 3], &[2, 3], &[4, 2], &[2, 2, 3], &[1, 2, 1, 2, 2], &[0, 3], &[2, 0]];

/// Samples of a function of matrices: every form of matrix with several offsets, and views of them.
fn matrix_samples<T: Element>(
    name: &str,
    function: for<'t> fn(Var<'t, T>, isize) -> Var<'t, T>,
    slow: fn(&ArrayD<f64>, isize) -> ArrayD<f64>,
) -> Vec<Sample<T>> {
    let input = |shape: &[usize], start| spread(shape, -2.0, 2.0, start);
    let mut samples = vec![];
    for (i, shape) in MATRICES.into_iter().enumerate() {
        let offset = [0, 1, -1, 0, -2, 2][i % 6];
        samples.push(Sample::new(
            format!("{name} of {shape:?}, offset {offset}"),
            [input(shape, i)],
            move |x| function(x[0], offset),
            move |x| slow(&x[0], offset),
        ));
    }
    for offset in [-5, -1, 1, 5] {
        let label = format!("{name} of a transpose, offset {offset}");
        let turned = move |x: &[ArrayD<f64>]| slow(&x[0].t().to_owned(), offset);
        samples.push(Sample::new(label, [input(&[2, 3], 4)], move |x| function(x[0].t(), offset), turned));
    }
    samples.push(Sample::new(
        format!("{name} of a repeated row"),
        [input(&[3], 2)],
        move |x| function(x[0].expand([3, 3]), 0),
        move |x| slow(&repeated(&x[0], &[3, 3]), 0),
    ));
    samples.push(Sample::new(
        format!("{name} of a part"),
        [input(&[4, 3], 2)],
        move |x| function(x[0].narrow(0, 1, 2), 0),
        move |x| slow(&x[0].slice_axis(ndarray::Axis(0), ndarray::Slice::from(1..3)).to_owned(), 0),
    ));
    samples.push(Sample::new(
        format!("{name}, the result with itself"),
        [input(&[2, 2], 7)],
        move |x| function(x[0], 0) * function(x[0], 0),
        move |x| slow(&x[0], 0).mapv(|y| y * y),
    ));
    samples
}

/// What the docs say of `triangle`.
pub(super) const TRIANGLE: Text =
    Text::primitive("y[i, j] = x[i, j] on one side of a diagonal, else 0; tril, triu", "g cut in the same way", "");

/// Samples of `tril` and `triu`.
pub(super) fn triangle_samples<T: Element>() -> Vec<Sample<T>> {
    type Keep = fn(isize, isize) -> bool;
    fn slow(x: &ArrayD<f64>, offset: isize, keep: Keep) -> ArrayD<f64> {
        let rank = x.ndim();
        ArrayD::from_shape_fn(x.raw_dim(), |place| {
            let beyond = place[rank - 1] as isize - place[rank - 2] as isize;
            if keep(beyond, offset) { x[&place] } else { 0.0 }
        })
    }
    let lower = |x: &ArrayD<f64>, offset: isize| slow(x, offset, |beyond, offset| beyond <= offset);
    let upper = |x: &ArrayD<f64>, offset: isize| slow(x, offset, |beyond, offset| beyond >= offset);
    let mut samples = matrix_samples("tril", |x, offset| x.tril(offset), lower);
    samples.extend(matrix_samples("triu", |x, offset| x.triu(offset), upper));
    samples
}

/// The diagonal of the last two axes, by definition.
fn slow_diagonal(x: &ArrayD<f64>, offset: isize) -> ArrayD<f64> {
    let rank = x.ndim();
    let mut shape = x.shape()[..rank - 2].to_vec();
    let place = |i: usize| (i + offset.min(0).unsigned_abs(), i + offset.max(0) as usize);
    let inside = |i: &usize| place(*i).0 < x.shape()[rank - 2] && place(*i).1 < x.shape()[rank - 1];
    shape.push((0..x.shape()[rank - 2] + x.shape()[rank - 1]).filter(inside).count());
    ArrayD::from_shape_fn(shape, |at| {
        let (row, column) = place(at[rank - 2]);
        let outer: Axes = (0..rank - 2).map(|axis| at[axis]).collect();
        x[&*[&outer[..], &[row, column]].concat()]
    })
}

/// What the docs say of `diagonal`.
pub(super) const DIAGONAL: Text =
    Text::composed("y[i] = x[i, i + offset]; diag, trace", "permute, reshape, slice; pad; sum", "");

/// Samples of `diagonal`, `diag` and `trace`.
pub(super) fn diagonal_samples<T: Element>() -> Vec<Sample<T>> {
    let input = |shape: &[usize]| spread(shape, -2.0, 2.0, 6);
    let mut samples = matrix_samples("diagonal", |x, offset| x.diagonal(offset, -2, -1), slow_diagonal);
    samples.push(Sample::new(
        "of the first and the last axis, in the other order",
        [input(&[2, 2, 3])],
        |x| x[0].diagonal(-1, -1, 0),
        |x| slow_diagonal(&x[0].clone().permuted_axes(vec![1, 2, 0]), -1),
    ));
    for offset in [0isize, 2, -1] {
        samples.push(Sample::new(
            format!("diag of a vector, offset {offset}"),
            [input(&[3])],
            move |x| x[0].diag(offset),
            move |x| {
                let side = x[0].len() + offset.unsigned_abs();
                ArrayD::from_shape_fn(vec![side, side], |at| {
                    let on = at[1] as isize - at[0] as isize == offset;
                    if on { x[0][[at[0].min(at[1])]] } else { 0.0 }
                })
            },
        ));
    }
    samples.push(Sample::new("diag of nothing", [input(&[0])], |x| x[0].diag(1), |_| ArrayD::zeros(vec![1, 1])));
    samples.push(Sample::new("diag of a matrix", [input(&[2, 3])], |x| x[0].diag(1), |x| slow_diagonal(&x[0], 1)));
    let traced = |x: &[ArrayD<f64>]| {
        let diagonal = slow_diagonal(&x[0], 0);
        diagonal.sum_axis(ndarray::Axis(diagonal.ndim() - 1))
    };
    for shape in [&[3, 3][..], &[2, 2, 3], &[0, 0]] {
        samples.push(Sample::new(format!("trace of {shape:?}"), [input(shape)], |x| x[0].trace(), traced));
    }
    samples
}
