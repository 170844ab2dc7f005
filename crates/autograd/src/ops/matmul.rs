//! The matrix product.

use ndarray::{ArrayD, Axis, Dimension};

use super::layout::Permute;
use super::registry::{Sample, Text, spread};
use super::samples::widened;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::gather;
use crate::kernels::gemm::{self, View};
use crate::kernels::number::Element;
use crate::tape::node::Kind;
use crate::tape::op::{Abilities, Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;
use crate::tensor::shape::Axes;

/// The elements of a matrix that is worth a transposed copy.
const LEAST_TRANSPOSED: usize = 1024;

/// `C = A B` over the last two axes, batched over the others; either operand may be read transposed.
///
/// An operand that is itself a transposition stays the operand, so that derivatives with respect to it are right; but
/// the kernel reads what lies *through* it, and nothing is copied.
#[derive(Clone, Debug, PartialEq, Hash)]
struct MatMul {
    transpose: [bool; 2],
    through: [bool; 2],
}

impl MatMul {
    /// Records a product of matrices or batches of them.
    #[track_caller]
    fn record<'t, T: Element>(operands: [Var<'t, T>; 2], transpose: [bool; 2]) -> Var<'t, T> {
        let through = operands.map(Var::is_transposition);
        operands[0].tape.record_shared(MatMul { transpose, through }, &operands)
    }

    /// Whether one right matrix meets a batch of left ones, which lie below one another: its contribution is then one product
    /// over all their rows, and not a batch of products to be added.
    fn is_tall<T: Element>(&self, call: &Call<'_, T>) -> bool {
        let [a, b, g] = [call.inputs[0], call.inputs[1], call.cotangent].map(Var::shape);
        let one = b[..b.len() - 2].iter().product::<usize>() == 1;
        one && g.len() > 2 && a[..a.len() - 2] == g[..g.len() - 2] && !self.transpose[0] && !self.through[0]
    }

    /// Whether the kernel reads each operand transposed.
    fn reads_transposed(&self) -> [bool; 2] {
        [0, 1].map(|i| self.transpose[i] != self.through[i])
    }
}

/// Rows and columns of the last two axes, as the product reads them.
fn sides(shape: &[usize], transposed: bool) -> (usize, usize) {
    let (rows, columns) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    if transposed { (columns, rows) } else { (rows, columns) }
}

/// How far apart matrices of `size` elements lie along each axis of a batch, in an operand whose batch axes are repeated.
fn repeated_strides(shape: &[usize], batch: &[usize], size: usize) -> Axes {
    let own = Shape::from(&shape[..shape.len() - 2]);
    let (new, strides) = (batch.len() - own.len(), own.strides());
    let stride = |axis: usize| if axis < new || own[axis - new] == 1 { 0 } else { strides[axis - new] * size };
    (0..batch.len()).map(stride).collect()
}

/// The products of a batch whose axes are repeated in an operand. Apart from the rest, which is called for every small
/// product.
#[inline(never)]
fn repeated<'a, T: Element>(
    [m, n, k]: [usize; 3],
    batch: &[usize],
    (a, a_view): (Operand<'a, T>, View<'a, T>),
    (b, b_view): (Operand<'a, T>, View<'a, T>),
    (output, add): (&mut [T], bool),
) -> Result<()> {
    let strides = |operand: Operand<'_, T>, size: usize| repeated_strides(operand.shape, batch, size);
    let (a_strides, b_strides) = (strides(a, m * k), strides(b, k * n));
    let mut results = output.chunks_exact_mut((m * n).max(1));
    let mut done = Ok(());
    gather::walk(batch, [&a_strides, &b_strides], |[a_start, b_start]| {
        let (Some(out), Ok(())) = (results.next(), done) else { return };
        let a_view = View { data: &a.values[a_start..], ..a_view };
        let b_view = View { data: &b.values[b_start..], ..b_view };
        done = gemm::matmul([m, n, k], a_view, b_view, out, add);
    });
    finish(done)
}

/// A product whose operands were too short would be a mistake of the shape rule.
fn finish(done: Result<(), gemm::TooShort>) -> Result<()> {
    done.map_err(|short| Error::new(ErrorKind::Shape, "an operand has too few elements").caused_by(short))
}

impl<T: Element> Op<T> for MatMul {
    fn name(&self) -> &str {
        "matmul"
    }

    fn formula(&self, operands: &[String]) -> String {
        let transposed = |operand: &String, flag: bool| if flag { format!("{operand}ᵀ") } else { operand.clone() };
        let a = transposed(&operands[0], self.transpose[0]);
        format!("matmul({a}, {})", transposed(&operands[1], self.transpose[1]))
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        let (a, b) = (inputs[0], inputs[1]);
        let ((m, inner_a), (inner_b, n)) = (sides(a, self.transpose[0]), sides(b, self.transpose[1]));
        let seen = |shape: &Shape, flag| {
            let (rows, columns) = sides(shape, flag);
            Shape::collect(shape[..shape.len() - 2].iter().copied().chain([rows, columns]))
        };
        let (seen_a, seen_b) = (seen(a, self.transpose[0]), seen(b, self.transpose[1]));
        if inner_a != inner_b {
            let message = format!("inner dimensions differ: left {seen_a}, right {seen_b} ({inner_a} vs {inner_b})");
            let error = Error::new(ErrorKind::Shape, message);
            return Err(match (inner_a == n, inner_b == m) {
                (true, _) => error.hint("did you mean right.t()?"),
                (_, true) => error.hint("did you mean left.t()?"),
                _ => error.hint("the last axis of the left operand meets the last but one of the right"),
            });
        }
        let batch = |shape: &Shape| Shape::from(&shape[..shape.len() - 2]);
        let Some(batch) = batch(a).broadcast(&batch(b)) else {
            let message = format!("batch axes don't broadcast: left {seen_a}, right {seen_b}");
            return Err(Error::new(ErrorKind::Shape, message));
        };
        Ok(Shape::collect(batch.iter().copied().chain([m, n])))
    }

    fn run<'a>(&self, inputs: &[Operand<'a, T>], output: &mut [T], context: &Context<'_>) -> Result<()> {
        let (a, b) = (inputs[0], inputs[1]);
        let [transpose_a, transpose_b] = self.reads_transposed();
        let ((m, k), (_, n)) = (sides(a.shape, transpose_a), sides(b.shape, transpose_b));
        let (batch, own) = context.shape.split_at(context.shape.len() - 2);
        debug_assert_eq!(own, [m, n]);
        let view = |operand: Operand<'a, T>, (rows, columns): (usize, usize), transposed| match transposed {
            false => View::rows(operand.values, columns),
            true => View::transposed(operand.values, rows),
        };
        let a_view = view(a, (m, k), transpose_a);
        let b_view = view(b, (k, n), transpose_b != context.transposed);
        // A batch that lies evenly in both operands is one call; repeated batch axes are walked.
        let even = |operand: Operand<'_, T>, size: usize| match &operand.shape[..operand.shape.len() - 2] {
            lengths if lengths.iter().product::<usize>() == 1 => Some(0),
            lengths if lengths == batch => Some(size),
            _ => None,
        };
        let count = batch.iter().product();
        if let (Some(a_step), Some(b_step)) = (even(a, m * k), even(b, k * n)) {
            return finish(gemm::matmul_batch(
                count,
                [m, n, k],
                (a_view, a_step),
                (b_view, b_step),
                output,
                context.add,
            ));
        }
        repeated([m, n, k], batch, (a, a_view), (b, b_view), (output, context.add))
    }

    fn flops(&self, inputs: &[&Shape], output: &Shape) -> usize {
        output.volume().saturating_mul(2).saturating_mul(sides(inputs[0], self.reads_transposed()[0]).1)
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let (a, b, g) = (call.inputs[0], call.inputs[1], call.cotangent);
        let [transpose_a, transpose_b] = self.transpose;
        let product = |a, transpose_a, b, transpose_b| MatMul::record([a, b], [transpose_a, transpose_b]);
        // dA = G Bᵀ and dB = Aᵀ G; where an operand was read transposed, its contribution is transposed by swapping.
        let to_a = call.wanted[0].then(|| match transpose_a {
            false => product(g, false, b, !transpose_b),
            true => product(b, transpose_b, g, true),
        });
        let to_b = call.wanted[1].then(|| {
            let tall = self.is_tall(call);
            let (a, g) = if tall { (a.stacked(), g.stacked()) } else { (a, g) };
            let to_b = match transpose_b {
                false => product(a, !transpose_a, g, false),
                true => product(g, true, a, transpose_a),
            };
            if tall { to_b.reshape(b.shape()) } else { to_b }
        });
        Pullback::new([to_a, to_b])
    }

    fn reads_through(&self, operand: usize) -> bool {
        self.through[operand]
    }

    fn abilities(&self, inputs: &[&Shape]) -> Abilities {
        let [a, b] = self.reads_transposed();
        let ((m, k), matrix) = (sides(inputs[0], a), inputs[1]);
        let one = matrix[..matrix.len() - 2].iter().product::<usize>() == 1;
        // Of fewer rows each element is a dot product, for which a transposed operand lies well.
        Abilities { adds: k <= gemm::DEPTH, transposes: b && one && m > 3 && matrix.volume() >= LEAST_TRANSPOSED }
    }
}

impl<'t, T: Element> Var<'t, T> {
    /// `C = A B`.
    #[track_caller]
    pub fn matmul(self, other: Self) -> Self {
        if self.is_poisoned() || other.is_poisoned() || !std::ptr::eq(self.tape, other.tape) {
            return self.tape.record_static(&MatMul { transpose: [false; 2], through: [false; 2] }, &[self, other]);
        }
        let (left, right) = (self.shape(), other.shape());
        if left.is_empty() || right.is_empty() {
            let message = format!("a number has no rows: left {left}, right {right}");
            return self.tape.fail(Error::new(ErrorKind::Shape, message).op("matmul").hint("multiply with * instead"));
        }
        // A vector on the left is a row, on the right a column; the axis added is taken away again.
        let a = if left.len() == 1 { self.reshape([1, left[0]]) } else { self };
        let b = if right.len() == 1 { other.reshape([right[0], 1]) } else { other };
        let product = MatMul::record([a, b], [false; 2]);
        if product.is_poisoned() || (left.len() > 1 && right.len() > 1) {
            return product;
        }
        let shape = product.shape();
        let mut kept: Vec<usize> = shape[..shape.len() - 2].to_vec();
        kept.extend((left.len() > 1).then(|| shape[shape.len() - 2]));
        kept.extend((right.len() > 1).then(|| shape[shape.len() - 1]));
        product.reshape(kept)
    }

    /// The matrices of a batch below one another, as one.
    #[track_caller]
    fn stacked(self) -> Self {
        let shape = self.shape();
        let (batch, columns) = (&shape[..shape.len() - 1], shape[shape.len() - 1]);
        self.reshape([batch.iter().product(), columns])
    }

    /// Whether the node exchanges the last two axes and nothing else.
    fn is_transposition(self) -> bool {
        if self.is_poisoned() {
            return false;
        }
        let inner = self.tape.inner.borrow();
        let Kind::Op(op) = &inner.nodes[self.id as usize].kind else { return false };
        op.as_any().downcast_ref().is_some_and(|Permute(order)| is_transposition(order))
    }

    /// The transpose of a product, `(A B)ᵀ = Bᵀ Aᵀ`, as a product; none where the node is no product.
    #[track_caller]
    pub(super) fn transposed_product(self) -> Option<Self> {
        let (transpose, inputs) = {
            let inner = self.tape.inner.borrow();
            let node = &inner.nodes[self.id as usize];
            let Kind::Op(op) = &node.kind else { return None };
            let product: &MatMul = op.as_any().downcast_ref()?;
            (product.transpose, [node.inputs[0], node.inputs[1]])
        };
        let [a, b] = inputs.map(|id| Var { tape: self.tape, id });
        Some(MatMul::record([b, a], [!transpose[1], !transpose[0]]))
    }
}

/// Whether an order of axes exchanges the last two and nothing else.
pub(super) fn is_transposition(order: &[usize]) -> bool {
    let rank = order.len();
    rank >= 2
        && order[rank - 1] == rank - 2
        && order[rank - 2] == rank - 1
        && order[..rank - 2].iter().copied().eq(0..rank - 2)
}

/// What the docs say of `matmul`.
pub(super) const MATMUL: Text = Text::primitive(
    "y = a b for matrices, vectors and batches of them",
    "g bᵀ to a, aᵀ g to b, summed over repeated batches",
    "",
);

/// Samples of `matmul`: every operand form, each transposed form, batches and repeated batches, empty sides.
pub(super) fn samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let cases: [(&str, &[usize], &[usize]); 9] = [
            ("matrix by matrix", &[2, 3], &[3, 4]),
            ("vector by vector", &[3], &[3]),
            ("vector by matrix", &[3], &[3, 2]),
            ("matrix by vector", &[2, 3], &[3]),
            ("batch by batch", &[2, 2, 3], &[2, 3, 2]),
            ("batch by matrix", &[2, 2, 3], &[3, 2]),
            ("repeated batches", &[2, 1, 2, 3], &[3, 3, 1]),
            ("no rows", &[0, 3], &[3, 2]),
            ("no inner axis", &[2, 0], &[0, 2]),
        ];
        let mut samples: Vec<Sample<T>> = cases
            .into_iter()
            .map(|(label, a, b)| {
                let inputs = [spread(a, -1.0, 1.0, 0), spread(b, -1.0, 1.0, 40)];
                Sample::new(label, inputs, |x| x[0].matmul(x[1]), |x| slow_product(&x[0], &x[1]))
            })
            .collect();
        for (flip_a, flip_b) in [(true, false), (false, true), (true, true)] {
            let shape = |flip: bool, rows: usize, columns: usize| if flip { [columns, rows] } else { [rows, columns] };
            let inputs = [spread(shape(flip_a, 2, 3), -1.0, 1.0, 0), spread(shape(flip_b, 3, 4), -1.0, 1.0, 40)];
            samples.push(Sample::new(
                format!("transposed: left {flip_a}, right {flip_b}"),
                inputs,
                move |x| turned(flip_a, x[0]).matmul(turned(flip_b, x[1])),
                move |x| {
                    let turn = |flip: bool, x: &ArrayD<f64>| if flip { x.t().to_owned() } else { x.clone() };
                    slow_product(&turn(flip_a, &x[0]), &turn(flip_b, &x[1]))
                },
            ));
        }
        samples
    })
}

fn turned<T: Element>(flip: bool, x: Var<'_, T>) -> Var<'_, T> {
    if flip { x.t() } else { x }
}

/// The definition, element by element, on a copy of each operand with all axes.
fn slow_product(a: &ArrayD<f64>, b: &ArrayD<f64>) -> ArrayD<f64> {
    let (row, column) = (a.ndim() == 1, b.ndim() == 1);
    let a = if row { a.clone().insert_axis(Axis(0)) } else { a.clone() };
    let b = if column { b.clone().insert_axis(Axis(1)) } else { b.clone() };
    let (outer_a, outer_b) = (Shape::from(&a.shape()[..a.ndim() - 2]), Shape::from(&b.shape()[..b.ndim() - 2]));
    let batch = outer_a.broadcast(&outer_b).unwrap_or_default();
    let (m, k, n) = (a.shape()[a.ndim() - 2], a.shape()[a.ndim() - 1], b.shape()[b.ndim() - 1]);
    let full = |rows: usize, columns: usize| [batch.to_vec(), vec![rows, columns]].concat();
    let (a, b) = (a.broadcast(full(m, k)).map(|a| a.to_owned()), b.broadcast(full(k, n)).map(|b| b.to_owned()));
    let (Some(a), Some(b)) = (a, b) else { return ArrayD::zeros(vec![]) };
    let rank = batch.len() + 2;
    let product = ArrayD::from_shape_fn(full(m, n), |place| {
        let place = place.slice().to_vec();
        let at = |i: usize, j: usize| [&place[..rank - 2], &[i, j]].concat();
        (0..k).map(|l| a[&*at(place[rank - 2], l)] * b[&*at(l, place[rank - 1])]).sum()
    });
    match (row, column) {
        (true, true) => product.index_axis_move(Axis(rank - 1), 0).index_axis_move(Axis(rank - 2), 0),
        (true, false) => product.index_axis_move(Axis(rank - 2), 0),
        (false, true) => product.index_axis_move(Axis(rank - 1), 0),
        (false, false) => product,
    }
}
