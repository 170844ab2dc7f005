//! Stretches of a tape as things of their own: found, recorded again elsewhere, and differentiated with everything
//! outside held fixed.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::{call_of, pull_back};
use crate::error::Result;
use crate::kernels::number::Element;
use crate::tape::Tape;
use crate::tape::node::Kind;
use crate::tape::op::{Call, Context, Op, OpRef, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// What lies below an output down to a frontier, in the order of the tape.
pub(super) struct Region {
    /// The nodes of ops.
    pub(super) ops: Vec<u32>,
    /// Nodes of the frontier and leaves.
    pub(super) edge: Vec<u32>,
}

impl Region {
    /// Walks down from an output; what the frontier holds belongs to the edge.
    pub(super) fn below<T: Element>(tape: &Tape<T>, output: u32, frontier: impl Fn(u32) -> bool) -> Region {
        let inner = tape.inner.borrow();
        let (mut seen, mut waiting) = (FxHashSet::default(), vec![output]);
        let mut region = Region { ops: Vec::new(), edge: Vec::new() };
        while let Some(id) = waiting.pop() {
            if !seen.insert(id) {
                continue;
            }
            let node = &inner.nodes[id as usize];
            match node.kind {
                Kind::Op(_) if !frontier(id) => {
                    region.ops.push(id);
                    waiting.extend(&node.inputs);
                }
                _ => region.edge.push(id),
            }
        }
        region.ops.sort_unstable();
        region.edge.sort_unstable();
        region
    }

    /// Records the ops again, on the same tape or another, with nodes of the edge replaced: every one of them, where it is
    /// another tape. Completes the map with the copies, and lists these; `None` after a mistake.
    ///
    /// With a token, an op without operands (a random draw) waits for it; all others wait for what replaces the edge.
    #[track_caller]
    pub(super) fn copy<'t, T: Element>(
        &self,
        from: &Tape<T>,
        to: &'t Tape<T>,
        map: &mut FxHashMap<u32, u32>,
        token: Option<Var<'t, T>>,
    ) -> Option<Vec<u32>> {
        let same = std::ptr::eq(from, to);
        let mut copies = Vec::with_capacity(self.ops.len());
        for &id in &self.ops {
            let (op, inputs) = {
                let inner = from.inner.borrow();
                let node = &inner.nodes[id as usize];
                let Kind::Op(op) = &node.kind else { continue };
                let copied = |input: &u32| Var { tape: to, id: *map.get(input).unwrap_or(input) };
                (op.clone(), node.inputs.iter().map(copied).collect::<SmallVec<[Var<'t, T>; 4]>>())
            };
            let record = || match token {
                Some(token) if inputs.is_empty() => to.record_shared(Late(op), &[token]),
                _ => to.record(op, &inputs),
            };
            let copy = if same { to.on_behalf_of(id, record) } else { record() };
            if copy.is_poisoned() {
                return None;
            }
            map.insert(id, copy.id);
            copies.push(copy.id);
        }
        Some(copies)
    }
}

/// The cotangents of targets, with everything but the given nodes held fixed. `None` after a mistake; no cotangent where
/// none arrives.
#[track_caller]
pub(super) fn pull_through<'t, T: Element>(
    output: Var<'t, T>,
    seed: Var<'t, T>,
    nodes: &[u32],
    targets: &[u32],
) -> Option<FxHashMap<u32, Var<'t, T>>> {
    let tape = output.tape;
    let mut nodes = nodes.to_vec();
    nodes.sort_unstable();
    nodes.dedup();
    let mut reached: FxHashSet<u32> = targets.iter().copied().collect();
    for &id in &nodes {
        let inner = tape.inner.borrow();
        let Kind::Op(op) = &inner.nodes[id as usize].kind else { continue };
        if op.is_differentiable() && inner.nodes[id as usize].inputs.iter().any(|input| reached.contains(input)) {
            reached.insert(id);
        }
    }
    let mut cotangents: FxHashMap<u32, Var<'t, T>> = FxHashMap::default();
    cotangents.insert(output.id, seed);
    for &id in nodes.iter().rev().filter(|id| !targets.contains(id)) {
        let Some(&cotangent) = cotangents.get(&id).filter(|_| reached.contains(&id)) else { continue };
        let Some((op, call)) = call_of(tape, id, cotangent, |input| reached.contains(&input)) else { continue };
        let mut add = |id: u32, contribution: Var<'t, T>| {
            let sum = cotangents.get(&id).map_or(contribution, |&before| before + contribution);
            cotangents.insert(id, sum);
        };
        if !tape.on_behalf_of(id, || pull_back(&op, &call, &mut add, &mut |op, call| op.pullback(call))) {
            return None;
        }
    }
    Some(cotangents)
}

/// An op without operands that waits for a token. It computes what it would have computed before.
#[derive(Clone, Debug)]
struct Late<T: Element>(OpRef<T>);

impl<T: Element> PartialEq for Late<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.same(other.0.as_any())
    }
}

impl<T: Element> Hash for Late<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.feed(state);
    }
}

impl<T: Element> Op<T> for Late<T> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("{} after {}", self.0.formula(&[]), operands[0])
    }

    fn shape(&self, _: &[&Shape]) -> Result<Shape> {
        self.0.shape(&[])
    }

    fn run(&self, _: &[Operand<'_, T>], output: &mut [T], context: &Context<'_>) -> Result<()> {
        self.0.run(&[], output, context)
    }

    fn pullback<'t>(&self, _: &Call<'t, T>) -> Pullback<'t, T> {
        Pullback::new([None])
    }

    fn is_of_user(&self) -> bool {
        self.0.is_of_user()
    }

    fn is_differentiable(&self) -> bool {
        false
    }
}
