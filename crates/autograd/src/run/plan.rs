//! A plan: what runs in which order, and where every value lies. Holds no value and no op: it is made once for a
//! structure and used for every tape that has it.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::select::Selection;

/// Where the values of a node lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// With the tape: a leaf, or what was kept.
    Tape(u32),
    /// In a buffer that is used again.
    Buffer(u32),
    /// In memory that leaves with the results.
    Result(u32),
}

/// One kernel.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// An op by its own kernel.
    Op { node: u32, inputs: SmallVec<[(u32, Place); 4]>, output: Place },
    /// Elementwise nodes in one pass.
    Fused(Fused),
}

/// Elementwise nodes of one shape, run block by block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fused {
    /// A node of the group, for its shape.
    pub(crate) node: u32,
    pub(crate) volume: usize,
    pub(crate) loads: Vec<Load>,
    pub(crate) instructions: Vec<Instruction>,
    pub(crate) registers: usize,
    /// Where results go, with the node that they are the values of.
    pub(crate) stores: Vec<(u32, Place)>,
    /// Where all elements of a member go, joined to one, with the node that does it.
    pub(crate) joins: Vec<(u32, Place)>,
}

/// An operand from outside.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) place: Place,
    pub(crate) volume: usize,
    pub(crate) pattern: Pattern,
}

/// How an operand's elements lie against the elements of the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// One for one.
    Direct,
    /// One for all, put into a register once.
    Splat { register: u16 },
    /// Repeated: the lengths of the axes and the operand's strides, adjacent axes joined where they lie alike.
    Repeat { register: u16, lengths: SmallVec<[usize; 4]>, strides: SmallVec<[usize; 4]> },
}

/// Where an instruction reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Load(u16),
    Register(u16),
    Store(u16),
}

/// Where an instruction writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Register(u16),
    Store(u16),
    Join(u16),
}

/// One node of a group: its row on one block. A broadcast is a copy.
#[derive(Clone, Debug)]
pub(crate) struct Instruction {
    pub(crate) node: u32,
    pub(crate) sources: SmallVec<[Source; 3]>,
    pub(crate) target: Target,
    pub(crate) copies: bool,
}

/// What runs, and where everything lies.
#[derive(Clone, Debug)]
pub(crate) struct Steps {
    pub(crate) selection: Selection,
    pub(crate) steps: Vec<Step>,
    /// The lengths of the buffers that are used again.
    pub(crate) buffers: Vec<usize>,
    /// The lengths of the results, with the node that each is the value of.
    pub(crate) results: Vec<(u32, usize)>,
    /// Where each requested output lies.
    pub(crate) outputs: Vec<Place>,
    /// What a memory limit changed.
    pub(crate) lean: Option<Box<Lean>>,
}

/// How a plan within a memory limit came from what was selected: `selection` is another then.
#[derive(Clone, Debug)]
pub(crate) struct Lean {
    pub(crate) asked: Selection,
    /// The selected node of each node of the plan.
    pub(crate) origins: Vec<u32>,
    /// The nodes that compute a value again, ascending.
    pub(crate) again: Vec<u32>,
}

impl Step {
    /// The nodes whose values it leaves in memory, and where.
    pub(crate) fn written(&self) -> SmallVec<[(u32, Place); 4]> {
        match self {
            Step::Op { node, output, .. } => SmallVec::from_slice(&[(*node, *output)]),
            Step::Fused(fused) => fused.stores.iter().chain(&fused.joins).copied().collect(),
        }
    }
}

impl Steps {
    /// What was selected when this was planned.
    pub(crate) fn asked(&self) -> &Selection {
        self.lean.as_ref().map_or(&self.selection, |lean| &lean.asked)
    }

    /// The tape's number of each node of the plan, from that of each selected node.
    pub(crate) fn ids<'i>(&self, selected: &'i [u32]) -> Cow<'i, [u32]> {
        match &self.lean {
            None => Cow::Borrowed(selected),
            Some(lean) => lean.origins.iter().map(|&origin| selected[origin as usize]).collect(),
        }
    }
}
