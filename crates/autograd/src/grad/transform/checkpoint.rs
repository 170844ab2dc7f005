//! Recomputation: values inside a function are computed again in the backward pass instead of kept.
//!
//! The function is recorded once, between an `Enter` for each input and a `Leave` for its result, all of them views
//! that cost nothing. The pullback of `Leave` records the nodes between them again. Equal nodes are one node, so the
//! copies must differ from the originals, and they must not run before the backward pass: each input reaches them
//! through `Late`, which has one element of the cotangent as a further operand.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::error::Result;
use crate::grad::region::{Region, pull_through};
use crate::kernels::number::Element;
use crate::tape::Mode;
use crate::tape::node::Kind;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// An input of a checkpoint. The number tells checkpoints apart: two of the same function and input are two.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Enter(u32);

/// The result of a checkpoint; the operands after the first are what the nodes below it are computed from.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Leave;

/// The first operand, not before the second is there. It counts as a broadcast, so that elementwise ops read through it.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Late;

/// One element of the operand, for others to wait for.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Token;

impl<T: Element> Op<T> for Enter {
    fn name(&self) -> &str {
        "checkpoint input"
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("checkpoint input {}", operands[0])
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok(inputs[0].clone())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        output.copy_from_slice(inputs[0].values);
        Ok(())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        Pullback::one(call.cotangent)
    }

    fn is_view(&self) -> bool {
        true
    }

    fn flops(&self, _: &[&Shape], _: &Shape) -> usize {
        0
    }
}

impl<T: Element> Op<T> for Leave {
    fn name(&self) -> &str {
        "checkpoint"
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("checkpoint({})", operands[0])
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok(inputs[0].clone())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        output.copy_from_slice(inputs[0].values);
        Ok(())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let tape = call.output.tape;
        let pulled = tape.in_checkpoint(true, || pull_again(call));
        // After a mistake nothing is passed on; the tape has the mistake.
        Pullback::new(pulled.unwrap_or_else(|| vec![None; call.inputs.len()]))
    }

    fn is_view(&self) -> bool {
        true
    }

    fn flops(&self, _: &[&Shape], _: &Shape) -> usize {
        0
    }
}

/// Records the nodes of a checkpoint again, and their pullbacks: the contributions to the operands of its `Leave`.
fn pull_again<'t, T: Element>(call: &Call<'t, T>) -> Option<Vec<Option<Var<'t, T>>>> {
    let (tape, result, edge) = (call.output.tape, call.inputs[0], &call.inputs[1..]);
    let token = tape.record_static(&Token, &[call.cotangent]);
    let mut map = FxHashMap::default();
    for var in edge.iter().filter(|var| is_entry(**var)) {
        let late = tape.record_static(&Late, &[entered(*var), token]);
        map.insert(var.id, late.id);
    }
    let targets: SmallVec<[u32; 8]> = edge.iter().map(|var| *map.get(&var.id).unwrap_or(&var.id)).collect();
    let region = Region::below(tape, result.id, |id| edge.iter().any(|var| var.id == id));
    let copies = region.copy(tape, tape, &mut map, Some(token))?;
    let output = Var { tape, id: *map.get(&result.id)? };
    let wanted: SmallVec<[u32; 8]> = targets.iter().zip(&call.wanted[1..]).filter(|x| *x.1).map(|x| *x.0).collect();
    let cotangents = pull_through(output, call.cotangent, &copies, &wanted)?;
    Some(std::iter::once(None).chain(targets.iter().map(|target| cotangents.get(target).copied())).collect())
}

fn is_entry<T: Element>(var: Var<'_, T>) -> bool {
    let inner = var.tape.inner.borrow();
    matches!(&inner.nodes[var.id as usize].kind, Kind::Op(op) if op.as_any().is::<Enter>())
}

/// What was passed to an `Enter`.
fn entered<T: Element>(var: Var<'_, T>) -> Var<'_, T> {
    Var { tape: var.tape, id: var.tape.inner.borrow().nodes[var.id as usize].inputs[0] }
}

impl<T: Element> Op<T> for Late {
    fn name(&self) -> &str {
        "recompute"
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("{} after {}", operands[0], operands[1])
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok(inputs[0].clone())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        output.copy_from_slice(inputs[0].values);
        Ok(())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        Pullback::new([Some(call.cotangent), None])
    }

    fn is_broadcast(&self) -> bool {
        true
    }

    fn flops(&self, _: &[&Shape], _: &Shape) -> usize {
        0
    }
}

impl<T: Element> Op<T> for Token {
    fn name(&self) -> &str {
        "token"
    }

    fn shape(&self, _: &[&Shape]) -> Result<Shape> {
        Ok(Shape::default())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        output.fill(inputs[0].values.first().copied().unwrap_or_else(|| T::of(0.0)));
        Ok(())
    }

    fn pullback<'t>(&self, _: &Call<'t, T>) -> Pullback<'t, T> {
        Pullback::new([None])
    }

    fn is_differentiable(&self) -> bool {
        false
    }

    fn flops(&self, _: &[&Shape], _: &Shape) -> usize {
        0
    }
}

/// `f(x)`, of which only `x` and the result are kept for the backward pass: what lies between is computed again there.
///
/// Values have the same bits as without, and so have gradients; but contributions to what several checkpoints use are
/// added in another order, which may change the last digit. A chain of `n` blocks whose results are all kept takes memory for
/// `n` of them; in `√n` checkpoints of `√n` blocks each it takes memory for about `2√n`, for one more forward pass
/// (Chen, Xu, Zhang and Guestrin, *Training deep nets with sublinear memory cost*, 2016).
///
/// - `f` is recorded once. What is recorded again draws the same random numbers, so dropout has the same mask.
/// - Parameters that `f` uses get their gradients, and so does every other `Var` that it captures. What `f` computes
///   from captured values alone is computed once and kept: pass them as inputs ([`checkpoint_many`]) to have that
///   computed again too.
/// - Checkpoints nest, and derivatives of every order are right; those of the second order keep what they need.
/// - On an inference tape it is `f(x)`.
///
/// # Errors
/// Kept on the tape: the mistakes that `f` records; a result on another tape. Asking for a gradient with respect to a
/// `Var` that `f` recorded inside.
///
/// ```
/// use wengert_autograd::{Tape, Tensor, transform::checkpoint};
/// let tape = Tape::new();
/// let x = tape.input(Tensor::from([0.5, -0.5]));
/// let y = checkpoint(x, |x| x.tanh().tanh());
/// assert_eq!(y.value()?, x.tanh().tanh().value()?);
/// let [gx] = y.sum().grad([x]);
/// let [expected] = x.tanh().tanh().sum().grad([x]);
/// assert_eq!(gx.value()?, expected.value()?);
/// # let _: Tensor<f64> = gx.value()?;
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn checkpoint<'t, T: Element>(x: Var<'t, T>, f: impl FnOnce(Var<'t, T>) -> Var<'t, T>) -> Var<'t, T> {
    record(&[x], |x| f(x[0]))
}

/// [`checkpoint`] for a function of several inputs.
///
/// # Errors
/// As [`checkpoint`]. Without any input there is nothing to compute again from, and it is `f` itself.
///
/// ```
/// use wengert_autograd::{Tape, Tensor, transform::checkpoint_many};
/// let tape = Tape::new();
/// let (x, w) = (tape.input(Tensor::from([[1.0, 2.0]])), tape.input(Tensor::from([[3.0], [4.0]])));
/// let y = checkpoint_many(&[x, w], |v| v[0].matmul(v[1]).square()).sum();
/// assert_eq!(y.item()?, 121.0);
/// let [gx, gw] = y.grad([x, w]);                                     // 2 · 11 w and 2 · 11 x
/// assert_eq!((gx.value()?.to_vec(), gw.value()?.to_vec()), (vec![66.0, 88.0], vec![22.0, 44.0]));
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn checkpoint_many<'t, T: Element>(
    inputs: &[Var<'t, T>],
    f: impl FnOnce(&[Var<'t, T>]) -> Var<'t, T>,
) -> Var<'t, T> {
    record(inputs, f)
}

/// Records `Enter`s, the function and `Leave`.
#[track_caller]
fn record<'t, T: Element>(inputs: &[Var<'t, T>], f: impl FnOnce(&[Var<'t, T>]) -> Var<'t, T>) -> Var<'t, T> {
    let Some(tape) = inputs.first().map(|first| first.tape) else { return f(inputs) };
    if tape.mode == Mode::Inference || inputs.iter().any(|input| input.is_poisoned()) {
        return f(inputs);
    }
    if let Some(other) = inputs.iter().find(|input| !std::ptr::eq(tape, input.tape)) {
        // The recording of anything on both says so.
        return tape.record_static(&Leave, &[inputs[0], *other]);
    }
    let start = tape.len() as u32;
    let mut entries = SmallVec::<[Var<'t, T>; 4]>::new();
    let mut enter = |input| entries.push(tape.record_shared(Enter(start), &[input]));
    inputs.iter().copied().for_each(&mut enter);
    let result = tape.in_checkpoint(false, || f(&entries));
    if result.is_poisoned() || !std::ptr::eq(tape, result.tape) {
        // One operand is on this tape: a result of another one, or a mistake made there, is a mistake of this one.
        return tape.record_static(&Leave, &[result, entries[0]]);
    }
    let region = Region::below(tape, result.id, |id| id < start || entries.iter().any(|entry| entry.id == id));
    if region.ops.is_empty() {
        return result;
    }
    let is_needed = |&&id: &&u32| {
        let inner = tape.inner.borrow();
        matches!(inner.nodes[id as usize].kind, Kind::Op(_)) || inner.nodes[id as usize].active
    };
    let edge = region.edge.iter().filter(is_needed).map(|&id| Var { tape, id });
    let operands: SmallVec<[Var<'t, T>; 8]> = std::iter::once(result).chain(edge).collect();
    tape.record_static(&Leave, &operands)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::Tape;
    use crate::tensor::Tensor;

    /// Bytes of computed values that lie on a tape.
    fn kept(tape: &Tape<f64>) -> usize {
        let inner = tape.inner.borrow();
        let ops = inner.nodes.iter().zip(&inner.values).filter(|(node, _)| matches!(node.kind, Kind::Op(_)));
        ops.filter_map(|(_, value)| value.as_ref()).map(|value| 8 * value.len()).sum()
    }

    #[test]
    fn a_run_leaves_no_value_of_a_checkpoint_on_the_tape() {
        fn block(mut x: Var<'_, f64>) -> Var<'_, f64> {
            for _ in 0..8 {
                x = x.cumsum(0);
            }
            x.reshape([10, 100])
        }
        let (tape, x0) = (Tape::new(), Tensor::<f64>::ones([1000]));
        let x = tape.input(&x0);
        let y = checkpoint(x, |x| block(x).reshape([1000]));
        let loss = y.square().sum();
        loss.value().unwrap();
        // The result of the checkpoint (in whose memory it lies) and the sum; the square is one pass with nothing.
        assert!(kept(&tape) <= 8 * (2 * 1000 + 1), "{} bytes", kept(&tape));
        let before = kept(&tape);
        let [gx] = loss.grad([x]);
        gx.value().unwrap();
        assert!(kept(&tape) <= before + 8 * 4 * 1000, "{} bytes more", kept(&tape) - before);
        let plain = Tape::new();
        let x = plain.input(&x0);
        let loss = block(x).square().sum();
        loss.value().unwrap();
        assert!(kept(&plain) >= 8 * 8 * 1000, "{} bytes", kept(&plain));
        let [expected] = loss.grad([x]);
        assert_eq!(gx.value().unwrap(), expected.value().unwrap());
    }
}
