//! A plan: what runs in which order, and where every value lies. Holds no value and no op: it is made once for a
//! structure and used for every tape that has it.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::select::Selection;
use crate::kernels::chain::Chain;
use crate::tape::op::Join;
use crate::tensor::shape::Axes;

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
    /// An op by its own kernel. With a sum, what it computes is added to what lies in the output, and that node is made. The
    /// second operand may be read from a copy that is transposed.
    Op { node: u32, inputs: SmallVec<[(u32, Place); 4]>, output: Place, sum: Option<u32>, transposed: bool },
    /// A node that is some elements of a place, of which the first lies so far from its start: the lengths of the axes and
    /// the strides, merged. Or, if it is transposed, a copy of the node with the rows of its matrix for columns.
    Copy { node: u32, from: (Place, usize), axes: (Axes, Axes), output: Place, transposed: bool },
    /// Elementwise nodes in one pass.
    Fused(Fused),
}

/// Elementwise nodes of one shape, and joins of theirs, run block by block. Nodes that have one element for each row are
/// run beside, for the rows of the block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fused {
    /// A node of the shape that most have.
    pub(crate) node: u32,
    pub(crate) volume: usize,
    /// The length of a row.
    pub(crate) row: usize,
    /// Every block but the last has a multiple of so many elements.
    pub(crate) unit: usize,
    /// All nodes that the pass computes, in the order of the tape.
    pub(crate) members: Vec<u32>,
    pub(crate) loads: Vec<Load>,
    /// Registers that one number of a load fills, for rows.
    pub(crate) fills: Vec<(u16, u16)>,
    pub(crate) instructions: Vec<Instruction>,
    pub(crate) registers: usize,
    pub(crate) stores: Vec<Store>,
    pub(crate) joins: Vec<Joined>,
    /// How many of the joins are sums that chains keep.
    pub(crate) sums: usize,
}

/// Where a result goes, with the node that it is the value of.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) node: u32,
    pub(crate) place: Place,
    /// Whether it has one element for each row.
    pub(crate) of_rows: bool,
    /// Whether an operand lies there until it is written, which the pass reads there.
    pub(crate) in_place: bool,
}

/// Elements of a member joined to fewer, at the end of the pass.
#[derive(Clone, Debug)]
pub(crate) struct Joined {
    pub(crate) node: u32,
    pub(crate) place: Place,
    pub(crate) join: Join,
    /// The shape of the group around the axes that are joined.
    pub(crate) extent: [usize; 3],
    /// The sums of a chain that hold a block's part.
    pub(crate) sums: Option<u16>,
}

impl Fused {
    /// So many elements of the group, or their rows.
    pub(crate) fn count(&self, elements: usize, of_rows: bool) -> usize {
        if of_rows { elements / self.row } else { elements }
    }
}

/// So many sums there are at least of a group with more blocks: enough for many threads.
const LEAST_SUMS: usize = 64;

/// Blocks whose sums are added one after the other, at most.
const MOST_BLOCKS: usize = 16;

impl Joined {
    /// How many elements have to be of one block.
    pub(crate) fn unit([outer, n, inner]: [usize; 3]) -> usize {
        if outer == 1 { inner } else { n * inner }
    }

    /// Whether a block gives a part of the result, to be joined with those of other blocks.
    pub(crate) fn is_partial(&self) -> bool {
        self.extent[0] == 1
    }

    /// Elements whose sums are added one after the other: those of some blocks, where there are many.
    pub(crate) fn summed(&self, block: usize) -> usize {
        let [outer, n, inner] = self.extent;
        block * (outer * n * inner / block / LEAST_SUMS).clamp(1, MOST_BLOCKS)
    }

    /// How many elements some elements of the group become: by chains, so many sums as they keep, for some blocks.
    pub(crate) fn made(&self, elements: usize, block: usize, sums: usize) -> usize {
        let [_, n, inner] = self.extent;
        match (self.is_partial(), self.sums) {
            (true, Some(_)) => elements.div_ceil(self.summed(block)) * sums,
            (true, None) => elements.div_ceil(block) * inner,
            (false, _) => elements / (n * inner) * inner,
        }
    }

    /// A block as `[outer, n, inner]`.
    pub(crate) fn shape(&self, elements: usize) -> [usize; 3] {
        let [_, n, inner] = self.extent;
        if self.is_partial() { [1, elements / inner, inner] } else { [elements / (n * inner), n, inner] }
    }
}

/// An operand from outside.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) place: Place,
    /// From the start of the place to the first element.
    pub(crate) offset: usize,
    pub(crate) volume: usize,
    pub(crate) pattern: Pattern,
    /// Whether those that read it have one element for each row.
    pub(crate) of_rows: bool,
}

/// How an operand's elements lie against the elements of those that read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// One for one.
    Direct,
    /// One for all.
    Number,
    /// Repeated: the lengths of the axes and the operand's strides, adjacent axes joined where they lie alike; and whether
    /// every block finds the same.
    Repeat { register: u16, lengths: Axes, strides: Axes, steady: bool },
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
}

/// What is done to every block. What is of rows has one element for each row.
#[derive(Clone, Debug)]
pub(crate) enum Instruction {
    /// A node by its row.
    Row { node: u32, sources: SmallVec<[Source; 3]>, target: Target, of_rows: bool },
    /// A node that needs whole rows, by its own kernel.
    RowWise { node: u32, n: usize, source: Source, target: Target },
    /// Nodes of mere arithmetic, on a few elements at a time.
    Chain { chain: Chain, of_rows: bool },
    /// Each row of the block joined to one element.
    Rows { join: Join, source: Source, target: Target },
    /// One element for each row repeated along the row.
    Spread { source: Source, register: u16 },
    /// The block joined.
    Join { join: u16, source: Source },
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
            Step::Op { node, output, sum, .. } => SmallVec::from_slice(&[(sum.unwrap_or(*node), *output)]),
            Step::Copy { node, output, .. } => SmallVec::from_slice(&[(*node, *output)]),
            Step::Fused(fused) => {
                let joined = fused.joins.iter().map(|joined| (joined.node, joined.place));
                fused.stores.iter().map(|store| (store.node, store.place)).chain(joined).collect()
            }
        }
    }

    /// Whether it writes over an operand that lay in a place.
    pub(crate) fn in_place(&self, place: Place) -> bool {
        match self {
            Step::Op { output, sum, .. } => sum.is_some() && *output == place,
            Step::Copy { .. } => false,
            Step::Fused(fused) => fused.stores.iter().any(|store| store.in_place && store.place == place),
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
