//! The matrix product.

use super::shape::Permute;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::tape::node::Kind;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// `C = A B` over the last two axes, batched over the others; either operand may be read transposed.
#[derive(Clone, Debug, PartialEq, Hash)]
struct MatMul {
    transpose_a: bool,
    transpose_b: bool,
}

/// Rows and columns of the last two axes, as the product reads them.
fn sides(shape: &[usize], transposed: bool) -> (usize, usize) {
    let (rows, columns) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    if transposed { (columns, rows) } else { (rows, columns) }
}

impl<T: Element> Op<T> for MatMul {
    fn name(&self) -> &str {
        "matmul"
    }

    fn formula(&self, operands: &[String]) -> String {
        let transposed = |operand: &String, flag: bool| if flag { format!("{operand}ᵀ") } else { operand.clone() };
        let a = transposed(&operands[0], self.transpose_a);
        format!("matmul({a}, {})", transposed(&operands[1], self.transpose_b))
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        let (a, b) = (inputs[0], inputs[1]);
        let ((m, inner_a), (inner_b, n)) = (sides(a, self.transpose_a), sides(b, self.transpose_b));
        let seen = |shape: &Shape, flag| {
            let (rows, columns) = sides(shape, flag);
            Shape::collect(shape[..shape.len() - 2].iter().copied().chain([rows, columns]))
        };
        let (seen_a, seen_b) = (seen(a, self.transpose_a), seen(b, self.transpose_b));
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

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], context: &Context<'_>) -> Result<()> {
        let (a, b) = (inputs[0], inputs[1]);
        let ((m, k), (_, n)) = (sides(a.shape, self.transpose_a), sides(b.shape, self.transpose_b));
        let batches: usize = context.shape[..context.shape.len() - 2].iter().product();
        let _ = batches;
        for i in 0..m {
            for j in 0..n {
                let mut s = T::of(0.0);
                for l in 0..k {
                    let x = if self.transpose_a { a.values[l * m + i] } else { a.values[i * k + l] };
                    let y = if self.transpose_b { b.values[j * k + l] } else { b.values[l * n + j] };
                    s += x * y;
                }
                output[i * n + j] = s;
            }
        }
        Ok(())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let (a, b, g) = (call.inputs[0], call.inputs[1], call.cotangent);
        let product = |a: Var<'t, T>, transpose_a, b: Var<'t, T>, transpose_b| {
            a.tape.record_shared(MatMul { transpose_a, transpose_b }, &[a, b])
        };
        // dA = G Bᵀ and dB = Aᵀ G; where an operand was read transposed, its contribution is transposed by swapping.
        let to_a = call.wanted[0].then(|| match self.transpose_a {
            false => product(g, false, b, !self.transpose_b),
            true => product(b, self.transpose_b, g, true),
        });
        let to_b = call.wanted[1].then(|| match self.transpose_b {
            false => product(a, !self.transpose_a, g, false),
            true => product(g, true, a, self.transpose_a),
        });
        Pullback::new([to_a, to_b])
    }
}

impl<'t, T: Element> Var<'t, T> {
    /// `C = A B`.
    #[track_caller]
    pub fn matmul(self, other: Self) -> Self {
        if self.is_poisoned() || other.is_poisoned() || !std::ptr::eq(self.tape, other.tape) {
            return self.tape.record_static(&MatMul { transpose_a: false, transpose_b: false }, &[self, other]);
        }
        let (left, right) = (self.shape(), other.shape());
        if left.is_empty() || right.is_empty() {
            let message = format!("a number has no rows: left {left}, right {right}");
            return self.tape.fail(Error::new(ErrorKind::Shape, message).op("matmul").hint("multiply with * instead"));
        }
        // A vector on the left is a row, on the right a column; the axis added is taken away again.
        let a = if left.len() == 1 { self.reshape([1, left[0]]) } else { self };
        let b = if right.len() == 1 { other.reshape([right[0], 1]) } else { other };
        let ((a, transpose_a), (b, transpose_b)) = (a.untransposed(), b.untransposed());
        let product = self.tape.record_shared(MatMul { transpose_a, transpose_b }, &[a, b]);
        if product.is_poisoned() || (left.len() > 1 && right.len() > 1) {
            return product;
        }
        let shape = product.shape();
        let mut kept: Vec<usize> = shape[..shape.len() - 2].to_vec();
        kept.extend((left.len() > 1).then(|| shape[shape.len() - 2]));
        kept.extend((right.len() > 1).then(|| shape[shape.len() - 1]));
        product.reshape(kept)
    }

    /// The matrix under a transposition of the last two axes, which the product then reads transposed.
    fn untransposed(self) -> (Self, bool) {
        let inner = self.tape.inner.borrow();
        let node = &inner.nodes[self.id as usize];
        let Kind::Op(op) = &node.kind else { return (self, false) };
        let Some(Permute(order)) = op.as_any().downcast_ref() else { return (self, false) };
        let rank = order.len();
        let swaps_last = rank >= 2
            && order[rank - 1] == rank - 2
            && order[rank - 2] == rank - 1
            && order[..rank - 2].iter().copied().eq(0..rank - 2);
        match swaps_last {
            true => (Var { tape: self.tape, id: node.inputs[0] }, true),
            false => (self, false),
        }
    }
}
