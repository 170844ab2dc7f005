//! Memory that a kernel cannot have is an error: every op of the registry, of its pullback and of the pullback of that is
//! run with each of its allocations refused, one after the other. An op that takes one for granted ends the process; its
//! name is the last that the test prints with `-- --nocapture`.

use std::collections::HashSet;

use smallvec::SmallVec;

use super::list::REGISTRY;
use super::registry::Sample;
use crate::error::{ErrorKind, Result};
use crate::kernels::scratch;
use crate::tape::Tape;
use crate::tape::node::Kind;
use crate::tape::op::{Context, Op, Operand};
use crate::tape::var::Var;
use crate::tensor::{IndexTensor, Shape, Tensor};

#[path = "../../tests/counting/mod.rs"]
mod counting;

/// Ops that nalgebra computes, which ends the process where it has no memory: they ask before whether all that it takes
/// can be had.
const OF_NALGEBRA: [&str; 8] = ["lu", "solve", "inv", "triangular_solve", "cholesky", "eigh", "svd", "qr"];

/// What was tried.
#[derive(Default)]
struct Tally {
    seen: HashSet<String>,
    ops: HashSet<String>,
    refused: usize,
    errors: HashSet<String>,
}

/// An op with its operands, as a plan would run it.
struct Run<'a> {
    op: &'a dyn Op<f64>,
    operands: Vec<Value>,
    shape: Shape,
}

impl Run<'_> {
    fn run(&self, output: &mut [f64]) -> Result<()> {
        let operands: SmallVec<[Operand<'_, f64>; 8]> = self.operands.iter().map(as_operand).collect();
        self.op.run(&operands, output, &Context { seed: 1, shape: &self.shape, add: false, transposed: false })
    }

    /// Refuses each allocation.
    fn try_all(&self, tally: &mut Tally) {
        let name = self.op.name();
        let shapes: Vec<&Shape> = self.operands.iter().map(|operand| as_operand(operand).shape).collect();
        if !tally.seen.insert(format!("{:?} {shapes:?} {:?}", self.op, self.shape)) {
            return;
        }
        println!("{name} {shapes:?}");
        tally.ops.insert(name.to_string());
        let mut output = vec![0.0; self.shape.volume()];
        if self.run(&mut output).is_err() {
            return;
        }
        // Lists of axes lie on the stack up to four of them: longer ones are no data.
        let deep = shapes.iter().any(|shape| shape.len() > 4) || self.shape.len() > 4;
        let least = if deep { 65 } else { 0 };
        scratch::forget();
        let before = counting::allocations();
        self.run(&mut output).expect("as before");
        let expected = output.clone();
        for skipped in 0..counting::allocations() - before {
            scratch::forget();
            let (done, refused) = match OF_NALGEBRA.contains(&name) {
                true => counting::without_more(skipped, || self.run(&mut output)),
                false => counting::without_one(skipped, least, || self.run(&mut output)),
            };
            tally.refused += usize::from(refused);
            if let Err(error) = done {
                assert_eq!(error.kind(), ErrorKind::Memory, "{error}");
                assert!(error.to_string().ends_with("bytes that it needs cannot be had"), "{error}");
                tally.errors.insert(name.to_string());
            }
            self.run(&mut output).expect("as before");
            assert!(output.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits()), "{name}");
        }
    }
}

/// What an op reads.
enum Value {
    Tensor(Tensor<f64>),
    Indices(IndexTensor),
}

fn as_operand(value: &Value) -> Operand<'_, f64> {
    match value {
        Value::Tensor(tensor) => Operand { values: tensor.as_slice(), indices: &[], shape: tensor.shape() },
        Value::Indices(indices) => Operand { values: &[], indices: indices.as_slice(), shape: indices.shape() },
    }
}

/// The value of a node, or its indices.
fn value_of(tape: &Tape<f64>, id: u32) -> Result<Value> {
    let indices = match &tape.inner.borrow().nodes[id as usize].kind {
        Kind::Indices(indices) => Some(indices.clone()),
        _ => None,
    };
    match indices {
        Some(indices) => Ok(Value::Indices(indices)),
        None => Var { tape, id }.value().map(Value::Tensor),
    }
}

/// Tries every op on a tape.
fn try_tape(tape: &Tape<f64>, tally: &mut Tally) {
    for id in 0..tape.len() {
        let (op, inputs, shape) = {
            let inner = tape.inner.borrow();
            let node = &inner.nodes[id];
            let Kind::Op(op) = &node.kind else { continue };
            let through = |(i, &input): (usize, &u32)| match op.reads_through(i) {
                true => inner.nodes[input as usize].inputs[0],
                false => input,
            };
            let inputs: Vec<u32> = node.inputs.iter().enumerate().map(through).collect();
            (op.clone(), inputs, node.shape.clone())
        };
        let operands: Result<Vec<_>> = inputs.iter().map(|&input| value_of(tape, input)).collect();
        if let Ok(operands) = operands {
            Run { op: &*op, operands, shape }.try_all(tally);
        }
    }
}

/// Records a use and its derivatives of two orders, and tries what was recorded.
fn try_sample(sample: &Sample<f64>, tally: &mut Tally) {
    let tape = Tape::training(3);
    let x: Vec<Var<'_, f64>> = sample.inputs.iter().map(|input| tape.input(input)).collect();
    let mut y = vec![(sample.function)(&x)];
    for _ in 0..if sample.differentiable { 2 } else { 0 } {
        let loss = y.iter().map(|y| y.square().sum()).reduce(|a, b| a + b).expect("a result");
        y = x.iter().map(|&x| loss.grad([x])[0]).collect();
    }
    try_tape(&tape, tally);
}

#[test]
fn an_allocation_that_is_refused_is_an_error() {
    let mut tally = Tally::default();
    for entry in REGISTRY {
        let samples = (entry.samples)();
        // All rows run in one loop, which allocates nothing.
        let most = if entry.operands.is_empty() { samples.len() } else { 2 };
        samples.iter().take(most).for_each(|sample| try_sample(sample, &mut tally));
    }
    try_large(&mut tally);
    for name in ["argsort", "order_statistic", "argmax", "gather", "sum", "softmax", "logsumexp", "conv2d"] {
        assert!(tally.errors.contains(name), "no allocation of {name} was refused: {:?}", tally.errors);
    }
    assert!(tally.ops.len() > 120 && tally.refused > 200, "{} ops, {} times", tally.ops.len(), tally.refused);
    if cfg!(feature = "linalg") {
        assert!(OF_NALGEBRA.iter().all(|&name| tally.errors.contains(name)), "{:?}", tally.errors);
    }
}

/// Operands large enough that their sides no longer count.
fn try_large(tally: &mut Tally) {
    #[cfg(feature = "linalg")]
    for (m, n) in [(60, 60), (60, 20), (20, 60)] {
        let tape = Tape::training(3);
        let number = |i: usize| (i as f64 * 0.618).fract() + if i.is_multiple_of(n + 1) { 60.0 } else { 0.0 };
        let a = tape.input(Tensor::from_fn([m, n], number));
        let b = tape.input(Tensor::from_fn([m, 45], number));
        let (q, r) = a.qr();
        let (u, s, v) = a.svd();
        let mut y = vec![q, r, u, s, v];
        if m == n {
            let gram = a.matmul(a.t());
            y.extend([
                gram.cholesky(),
                gram.eigh().1,
                a.solve(b),
                a.inv(),
                a.triangular_solve(b, super::linalg::Triangle::upper()),
            ]);
        }
        let loss = y.iter().map(|y| y.square().sum()).reduce(|a, b| a + b).expect("a result");
        let _ = loss.grad([a]);
        try_tape(&tape, tally);
    }
    let tape = Tape::training(3);
    let x = tape.input(Tensor::from_fn([3, 700, 2], |i| (i as f64 * 0.618).fract()));
    let y = [x.sum_axes(&[0, 2], false), x.sort(1, true).0, x.softmax(1), x.logsumexp_axes(&[0, 2], false)];
    let loss = y.iter().map(|y| y.square().sum()).reduce(|a, b| a + b).expect("a result");
    let _ = loss.grad([x]);
    try_tape(&tape, tally);
}
