//! The reverse sweep with other rules than the ops' own: what the gradient would be if a rule were wrong in a certain
//! way, for checks that ask which mistake gives a gradient. Names no op.

use std::panic::Location;
use std::rc::Rc;

use super::{Reach, sweep_by};
use crate::kernels::number::Element;
use crate::tape::Inner;
use crate::tape::node::Kind;
use crate::tape::op::{Call, OpRef, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// A node between an output and targets.
#[derive(Clone, Debug)]
pub(crate) struct PathNode {
    pub(crate) id: u32,
    /// The op's name.
    pub(crate) name: String,
    /// The formula, written out to some depth.
    pub(crate) formula: String,
    pub(crate) location: &'static Location<'static>,
    pub(crate) scope: Rc<str>,
    pub(crate) shape: Shape,
    pub(crate) elementwise: bool,
    pub(crate) inputs: Vec<PathInput>,
}

/// An operand of such a node.
#[derive(Clone, Debug)]
pub(crate) struct PathInput {
    pub(crate) id: u32,
    /// Whether a target is reached from here.
    pub(crate) wanted: bool,
    /// The value, where it is a number in a formula.
    pub(crate) number: Option<f64>,
    pub(crate) formula: String,
    pub(crate) shape: Shape,
}

/// What a rule is given in place of an op's own.
pub(crate) struct Step<'a, 't, T: Element> {
    op: &'a OpRef<T>,
    call: &'a Call<'t, T>,
}

impl<'t, T: Element> Step<'_, 't, T> {
    pub(crate) fn node(&self) -> u32 {
        self.call.output.id
    }

    pub(crate) fn inputs(&self) -> &[Var<'t, T>] {
        &self.call.inputs
    }

    pub(crate) fn output(&self) -> Var<'t, T> {
        self.call.output
    }

    pub(crate) fn cotangent(&self) -> Var<'t, T> {
        self.call.cotangent
    }

    /// The op's own rule, at other inputs perhaps; without an output it is recorded for these inputs.
    pub(crate) fn own(
        &self,
        inputs: &[Var<'t, T>],
        output: Option<Var<'t, T>>,
        cotangent: Var<'t, T>,
    ) -> Pullback<'t, T> {
        let output = output.unwrap_or_else(|| self.call.output.tape.record(self.op.clone(), inputs));
        let (inputs, wanted) = (inputs.iter().copied().collect(), self.call.wanted.clone());
        self.op.pullback(&Call { inputs, output, cotangent, wanted })
    }
}

/// Formulas are written out to this depth at most, and to no more letters if there is a choice.
const DEPTH: usize = 7;
const LETTERS: usize = 64;

/// The formula of a node, as far written out as is good to read.
fn readable<T: Element>(inner: &Inner<T>, id: u32) -> String {
    let short = |&depth: &usize| inner.written_out(id, depth).chars().count() <= LETTERS;
    let depth = (1..=DEPTH).rev().find(short).unwrap_or(1);
    inner.written_out(id, depth)
}

impl<'t, T: Element> Var<'t, T> {
    /// The nodes that pass a cotangent on to a target, from the output down.
    pub(crate) fn path_to(self, targets: &[Var<'t, T>]) -> Vec<PathNode> {
        if self.is_poisoned() || targets.iter().any(|target| target.is_poisoned()) {
            return vec![];
        }
        let ids: Vec<u32> = targets.iter().map(|target| target.id).collect();
        let reach = Reach::of(self.tape, self.id, &ids);
        let inner = self.tape.inner.borrow();
        let node = |id: u32| {
            let node = &inner.nodes[id as usize];
            let Kind::Op(op) = &node.kind else { return None };
            let input = |&id: &u32| PathInput {
                id,
                wanted: reach.contains(id),
                number: match inner.nodes[id as usize].kind {
                    Kind::Scalar(value) => Some(value.to_f64()),
                    _ => None,
                },
                formula: inner.names.get(&id).map_or_else(|| readable(&inner, id), |name| name.to_string()),
                shape: inner.nodes[id as usize].shape.clone(),
            };
            Some(PathNode {
                id,
                name: op.name().to_string(),
                formula: readable(&inner, id),
                location: node.location,
                scope: inner.scope_of(id),
                shape: node.shape.clone(),
                elementwise: op.row().is_some(),
                inputs: node.inputs.iter().map(input).collect(),
            })
        };
        let first = ids.iter().copied().min().unwrap_or(self.id);
        (first..=self.id).rev().filter(|&id| reach.contains(id)).filter_map(node).collect()
    }

    /// The shapes of the constants recorded so far, each with the line that made it.
    pub(crate) fn constants_before(self) -> Vec<(Shape, &'static Location<'static>)> {
        let inner = self.tape.inner.borrow();
        let constants = inner.nodes.iter().filter(|node| matches!(node.kind, Kind::Constant));
        constants.map(|node| (node.shape.clone(), node.location)).collect()
    }

    /// The derivatives of a `self` of one element by other rules: `rule` gives the contributions of a node, or `None`
    /// for the op's own. A target that is not reached gets zeros. `None` after a mistake, which the tape keeps.
    #[track_caller]
    pub(crate) fn pull_by(
        self,
        targets: &[Var<'t, T>],
        mut rule: impl FnMut(&Step<'_, 't, T>) -> Option<Pullback<'t, T>>,
    ) -> Option<Vec<Var<'t, T>>> {
        let seed = self.scalar_seed("gradient")?;
        let ids: Vec<u32> = targets.iter().map(|target| target.id).collect();
        let mut rule =
            |op: &OpRef<T>, call: &Call<'t, T>| rule(&Step { op, call }).unwrap_or_else(|| op.pullback(call));
        let cotangents = sweep_by(self, seed, &ids, &mut rule)?;
        let zeros = |target: &Var<'t, T>| self.tape.scalar(T::of(0.0)).expand(target.shape());
        Some(targets.iter().map(|target| cotangents.get(target.id).unwrap_or_else(|| zeros(target))).collect())
    }
}
