//! The third stage: which elementwise nodes run together, in one pass over memory, and in which order all runs.
//!
//! Every group and every other node has a *time*, later than that of each of its operands: so the times are an order to
//! run in, and a group can never wait for itself. A node joins the group of an operand if the group need not run later
//! for it, or if nothing outside the group has used the group yet.
//!
//! What is joined along whole rows is a value of fewer elements, one for each row, and is ready as soon as its block is:
//! members of the same pass may read it, compute with it, and spread it over the rows again.

use smallvec::SmallVec;

use super::plan::Joined;
use super::select::{Selection, Tag, extent};
use super::simplify::Simplified;
use crate::tensor::Shape;

/// The largest number of nodes in one group: their registers stay in the first-level cache.
const MOST_NODES: usize = 48;

/// The longest rows that are joined in a pass: a block has whole ones.
const MOST_ROW: usize = 1024;

/// The most columns that are joined in a pass: a block has several rows of them, and gives one.
const MOST_COLUMNS: usize = 256;

/// The group of each node, named by one of its members, and when it runs. A node of no group is one by itself.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) of: Vec<u32>,
    pub(crate) times: Vec<u32>,
    /// For the name of each group, what its members are.
    forms: Vec<Form>,
}

/// The shapes of the members of a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// A node of the shape of most members; the group of a join that leaves no rows has none.
    pub(crate) whole: Option<u32>,
    /// The elements of `whole` for each element of the other members, which have one for each row; 1 where there are none.
    pub(crate) row: usize,
    /// Whether there are joins, or what needs whole rows in a block.
    joins: bool,
}

#[derive(Clone, Copy, Debug)]
struct Extent {
    size: usize,
    time: u32,
    /// Whether a node outside uses a member.
    used: bool,
    form: Form,
}

struct Fuser<'a> {
    selection: &'a Selection,
    simplified: &'a Simplified,
    parents: Vec<u32>,
    extents: Vec<Extent>,
}

impl Groups {
    pub(crate) fn of(selection: &Selection, simplified: &Simplified) -> Groups {
        let nodes = 0..selection.len() as u32;
        let lone = |node| {
            let tag = selection.tags[node as usize];
            let form = Form { whole: Some(node).filter(|_| !is_join(tag)), row: 1, joins: !is_elementwise(tag) };
            Extent { size: 1, time: 0, used: false, form }
        };
        let (parents, extents) = (nodes.clone().collect(), nodes.clone().map(lone).collect());
        let mut fuser = Fuser { selection, simplified, parents, extents };
        for node in nodes.clone() {
            if simplified.runs(selection, node) {
                fuser.visit(node);
            }
        }
        let of: Vec<u32> = nodes.map(|node| fuser.root(node)).collect();
        let mut times: Vec<u32> = of.iter().map(|&group| fuser.extents[group as usize].time).collect();
        postpone(selection, simplified, &mut times);
        Groups { of, times, forms: fuser.extents.iter().map(|extent| extent.form).collect() }
    }

    /// The form of the group of a node.
    pub(crate) fn form(&self, node: u32) -> Form {
        self.forms[self.of[node as usize] as usize]
    }
}

/// What has no operands (a random draw) runs just before its first reader, not before all else: its memory is not taken
/// while nobody reads it.
fn postpone(selection: &Selection, simplified: &Simplified, times: &mut [u32]) {
    let mut first = vec![u32::MAX; selection.len()];
    for node in 0..selection.len() as u32 {
        if simplified.runs(selection, node) {
            for operand in simplified.operands(selection, node) {
                let memory = simplified.memory(selection, operand) as usize;
                first[memory] = first[memory].min(times[node as usize]);
            }
        }
    }
    for node in 0..selection.len() {
        let is_op = matches!(selection.tags[node], Tag::Op(_));
        if is_op && selection.inputs(node as u32).is_empty() && first[node] != u32::MAX {
            times[node] = first[node].saturating_sub(1);
        }
    }
}

/// Whether a node has an element for each element of its group, computed from those at the same place.
pub(crate) fn is_elementwise(tag: Tag) -> bool {
    matches!(tag, Tag::Row(_) | Tag::Broadcast | Tag::Times(_))
}

fn is_join(tag: Tag) -> bool {
    matches!(tag, Tag::Join(..))
}

/// The length of the rows that a node joins, each to one element, if it does that.
pub(crate) fn row_of(selection: &Selection, simplified: &Simplified, node: u32) -> Option<usize> {
    let Tag::Join(_, outer, joined) = selection.tags[node as usize] else { return None };
    let input = simplified.replaced[selection.inputs(node)[0] as usize];
    match extent(&selection.shapes[input as usize], outer, joined) {
        [outer, n, 1] if outer > 1 => Some(n),
        _ => None,
    }
}

/// Whether shapes are the same but for axes of length 1.
fn alike(a: &Shape, b: &Shape) -> bool {
    let long = |shape: &Shape| shape.iter().copied().filter(|&length| length != 1).collect::<SmallVec<[usize; 8]>>();
    long(a) == long(b)
}

/// How often a broadcast repeats each element of a shape, if it repeats each so many times before the next.
fn spread(from: &Shape, to: &Shape) -> Option<usize> {
    let new = to.len().checked_sub(from.len())?;
    let mut n = 1;
    let mut repeats = true;
    for (axis, &length) in to.iter().enumerate().rev().filter(|&(_, &length)| length != 1) {
        let own = if axis < new { 1 } else { from[axis - new] };
        repeats &= own == 1;
        match (repeats, own == length) {
            (true, _) => n *= length,
            (false, true) => {}
            (false, false) => return None,
        }
    }
    Some(n).filter(|&n| n > 1 && from.volume() > 1)
}

/// Whether a node has an element for each element of its group, in a block if there are whole rows in it.
pub(crate) fn is_blockwise(tag: Tag) -> bool {
    is_elementwise(tag) || matches!(tag, Tag::RowWise(_))
}

/// Whether a node can be of a group. Of joins, only those of rows can be read inside.
pub(crate) fn can_fuse(tag: Tag) -> bool {
    is_blockwise(tag) || is_join(tag)
}

/// An operand that can be read in the pass that computes it.
#[derive(Clone, Copy, Debug)]
struct Edge {
    memory: u32,
    /// The length of the rows that it has an element for, or 1.
    row: usize,
    /// Whether it must have an element for each element of the group.
    whole: bool,
}

/// What has to be there before a node.
struct Reads<'a> {
    /// What can be read in the pass that computes it.
    fitting: SmallVec<[Edge; 4]>,
    /// What cannot be of the same group.
    barred: SmallVec<[u32; 4]>,
    all: &'a [u32],
}

impl Fuser<'_> {
    fn root(&mut self, mut node: u32) -> u32 {
        while self.parents[node as usize] != node {
            self.parents[node as usize] = self.parents[self.parents[node as usize] as usize];
            node = self.parents[node as usize];
        }
        node
    }

    fn visit(&mut self, node: u32) {
        let (selection, simplified) = (self.selection, self.simplified);
        // What lies in other memory takes no time: what counts is that memory.
        let runs = |operand: u32| {
            let memory = simplified.memory(selection, operand);
            simplified.runs(selection, memory).then_some(memory)
        };
        let mut operands: SmallVec<[u32; 4]> = simplified.operands(selection, node).filter_map(runs).collect();
        let read = operands.len();
        operands.extend(selection.waits_for(node).filter_map(runs));
        let tag = selection.tags[node as usize];
        let alone = selection.options.separate || simplified.added[node as usize].is_some();
        if can_fuse(tag) && !alone && self.joins_in_blocks(node) {
            if row_of(selection, simplified, node).is_some() {
                self.extents[node as usize].form.whole = Some(simplified.replaced[selection.inputs(node)[0] as usize]);
            }
            let (mut fitting, mut barred) = (SmallVec::<[Edge; 4]>::new(), SmallVec::<[u32; 4]>::new());
            for input in simplified.operands(selection, node) {
                match (self.edge(node, input), runs(input)) {
                    (Some(edge), _) => fitting.push(edge),
                    (None, memory) => barred.extend(memory),
                }
            }
            barred.extend(operands[read..].iter().copied().filter(|&other| is_join(selection.tags[other as usize])));
            let reads = Reads { fitting, barred, all: &operands };
            // All together if possible; else one by one, since a group that waits for another may not be the first.
            if !self.try_merge(node, &reads.fitting, &reads) {
                reads.fitting.iter().for_each(|edge| {
                    self.try_merge(node, std::slice::from_ref(edge), &reads);
                });
            }
        }
        let own = self.root(node);
        for &operand in &operands {
            let group = self.root(operand);
            if group != own {
                self.extents[group as usize].used = true;
                let time = self.extents[group as usize].time + 1;
                self.extents[own as usize].time = self.extents[own as usize].time.max(time);
            }
        }
    }

    /// Whether there are whole rows in one block if the node needs such, or few enough columns if it joins those.
    fn joins_in_blocks(&self, node: u32) -> bool {
        let (outer, joined) = match self.selection.tags[node as usize] {
            Tag::Join(_, outer, joined) => (outer, joined),
            Tag::RowWise(n) => return n as usize <= MOST_ROW,
            _ => return true,
        };
        let input = self.simplified.replaced[self.selection.inputs(node)[0] as usize];
        let shape = |node: u32| &self.selection.shapes[node as usize];
        let extent = extent(shape(input), outer, joined);
        let most = if extent[0] == 1 { MOST_COLUMNS } else { MOST_ROW };
        // Rows of another shape than the pass has need not fit into its blocks.
        let memory = self.simplified.memory(self.selection, input);
        let own = || shape(input).iter().filter(|&&length| length != 1);
        let same = || own().eq(shape(memory).iter().filter(|&&length| length != 1));
        Joined::unit(extent) == 1 || (Joined::unit(extent) <= most && same())
    }

    /// How a node can read an operand in the same pass, if it can.
    fn edge(&self, node: u32, input: u32) -> Option<Edge> {
        let (selection, simplified) = (self.selection, self.simplified);
        let memory = simplified.memory(selection, input);
        let (tag, operand) = (selection.tags[node as usize], selection.tags[memory as usize]);
        let shape = |node: u32| &selection.shapes[node as usize];
        // Of what is read by strides, elements at other places are needed.
        let elsewhere = simplified.layouts[input as usize].is_some() || simplified.added[memory as usize].is_some();
        if !simplified.runs(selection, memory) || elsewhere {
            return None;
        }
        let row = match row_of(selection, simplified, memory) {
            _ if !self.joins_in_blocks(memory) => return None,
            Some(row) => row,
            _ if is_blockwise(operand) => 1,
            _ => return None,
        };
        if is_join(tag) {
            return (row == 1).then_some(Edge { memory, row: 1, whole: true });
        }
        if alike(shape(memory), shape(node)) {
            return Some(Edge { memory, row, whole: false });
        }
        let spread = spread(shape(input), shape(node))?;
        let fits = (row == 1 || row == spread) && spread <= MOST_ROW && alike(shape(memory), shape(input));
        fits.then_some(Edge { memory, row: spread, whole: false })
    }

    /// Puts the groups of a node and of some of its operands together, where nothing can lie between. Whether it did.
    fn try_merge(&mut self, node: u32, inside: &[Edge], reads: &Reads<'_>) -> bool {
        let mut groups: SmallVec<[u32; 4]> = inside.iter().map(|edge| self.root(edge.memory)).collect();
        groups.push(self.root(node));
        groups.sort_unstable();
        groups.dedup();
        if reads.barred.iter().any(|&operand| groups.contains(&self.root(operand))) {
            return false;
        }
        // The earliest time for all of them as one.
        let mut time = groups.iter().map(|&group| self.extents[group as usize].time).max().unwrap_or(0);
        for &operand in reads.all {
            let outside = self.root(operand);
            if !groups.contains(&outside) {
                time = time.max(self.extents[outside as usize].time + 1);
            }
        }
        let edges: SmallVec<[Edge; 4]> =
            reads.fitting.iter().copied().filter(|edge| groups.contains(&self.root(edge.memory))).collect();
        let extents: SmallVec<[Extent; 4]> = groups.iter().map(|&group| self.extents[group as usize]).collect();
        let size = extents.iter().map(|extent| extent.size).sum();
        let waits = |extent: &Extent| extent.time < time && extent.used;
        if size > MOST_NODES || extents.iter().any(waits) {
            return false;
        }
        let Some(form) = self.form(&extents, &edges) else { return false };
        let name = groups[0];
        groups.iter().for_each(|&group| self.parents[group as usize] = name);
        self.extents[name as usize] = Extent { size, time, used: extents.iter().any(|extent| extent.used), form };
        true
    }

    /// The form of several groups as one, if they can be: all of one shape, or with one element for each row of that.
    fn form(&self, extents: &[Extent], edges: &[Edge]) -> Option<Form> {
        let shape = |node: u32| &self.selection.shapes[node as usize];
        let whole = extents.iter().filter_map(|extent| extent.form.whole).max_by_key(|&node| shape(node).volume())?;
        let mut rows = SmallVec::<[usize; 8]>::new();
        for Extent { form, .. } in extents {
            match form.whole.map(shape) {
                Some(own) if own.volume() != shape(whole).volume() => {
                    if form.joins || form.row > 1 {
                        return None;
                    }
                    rows.push(shape(whole).volume() / own.volume().max(1));
                }
                Some(own) if !alike(own, shape(whole)) => return None,
                _ => rows.push(form.row),
            }
        }
        for edge in edges {
            rows.push(edge.row);
            if edge.whole && shape(edge.memory).volume() != shape(whole).volume() {
                return None;
            }
        }
        let row = rows.iter().copied().max().unwrap_or(1);
        let fits = rows.iter().all(|&other| other == 1 || other == row);
        fits.then(|| Form { whole: Some(whole), row, joins: extents.iter().any(|extent| extent.form.joins) })
    }
}
