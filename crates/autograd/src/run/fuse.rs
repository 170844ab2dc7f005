//! The third stage: which elementwise nodes run together, in one pass over memory, and in which order all runs.
//!
//! Every group and every other node has a *time*, later than that of each of its operands: so the times are an order to
//! run in, and a group can never wait for itself. A node joins the group of an operand if the group need not run later
//! for it, or if nothing outside the group has used the group yet.

use smallvec::SmallVec;

use super::plan::Joined;
use super::select::{Selection, Tag, extent};
use super::simplify::Simplified;

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
}

#[derive(Clone, Copy, Debug)]
struct Extent {
    size: usize,
    time: u32,
    /// Whether a node outside uses a member.
    used: bool,
}

struct Fuser<'a> {
    selection: &'a Selection,
    simplified: &'a Simplified,
    parents: Vec<u32>,
    extents: Vec<Extent>,
}

impl Groups {
    pub(crate) fn of(selection: &Selection, simplified: &Simplified) -> Groups {
        let lone = Extent { size: 1, time: 0, used: false };
        let (parents, extents) = ((0..selection.len() as u32).collect(), vec![lone; selection.len()]);
        let mut fuser = Fuser { selection, simplified, parents, extents };
        for node in 0..selection.len() as u32 {
            if simplified.runs(selection, node) {
                fuser.visit(node);
            }
        }
        let of: Vec<u32> = (0..selection.len() as u32).map(|node| fuser.root(node)).collect();
        let mut times: Vec<u32> = of.iter().map(|&group| fuser.extents[group as usize].time).collect();
        postpone(selection, simplified, &mut times);
        Groups { of, times }
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
        if selection.tags[node] == Tag::Op && selection.inputs(node as u32).is_empty() && first[node] != u32::MAX {
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

/// Whether a node can be of a group. A join is ready at the end of the pass only, so no member reads it.
pub(crate) fn can_fuse(tag: Tag) -> bool {
    is_elementwise(tag) || is_join(tag)
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
        operands.extend(selection.waits_for(node).filter_map(runs));
        let tag = selection.tags[node as usize];
        if can_fuse(tag) && !selection.options.separate && self.joins_in_blocks(node) {
            let shape = &selection.shapes[node as usize];
            let fits = |&operand: &u32| {
                is_elementwise(selection.tags[operand as usize])
                    && (is_join(tag) || selection.shapes[operand as usize] == *shape)
            };
            let read = simplified.operands(selection, node).filter(|&read| simplified.layouts[read as usize].is_none());
            let fitting: SmallVec<[u32; 4]> = read.filter_map(runs).filter(fits).collect();
            // All together if possible; else one by one, since a group that waits for another may not be the first.
            if !self.try_merge(node, &fitting, &operands) {
                fitting.iter().for_each(|&operand| {
                    self.try_merge(node, &[operand], &operands);
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

    /// Whether a join, if the node is one, has whole rows to join in one block, or few enough columns.
    fn joins_in_blocks(&self, node: u32) -> bool {
        let Tag::Join(_, outer, joined) = self.selection.tags[node as usize] else { return true };
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

    /// Puts the groups of a node and of some of its operands together, where nothing can lie between. Whether it did.
    fn try_merge(&mut self, node: u32, inside: &[u32], operands: &[u32]) -> bool {
        let mut groups: SmallVec<[u32; 4]> = inside.iter().map(|&operand| self.root(operand)).collect();
        groups.push(self.root(node));
        groups.sort_unstable();
        groups.dedup();
        let is_join = |operand: &&u32| is_join(self.selection.tags[**operand as usize]);
        if operands.iter().filter(is_join).any(|&operand| groups.contains(&self.root(operand))) {
            return false;
        }
        // Of what is read by strides, elements at other places are needed.
        let (selection, simplified) = (self.selection, self.simplified);
        let mut strided =
            simplified.operands(selection, node).filter(|&read| simplified.layouts[read as usize].is_some());
        if strided.any(|read| groups.contains(&self.root(simplified.memory(selection, read)))) {
            return false;
        }
        // The earliest time for all of them as one.
        let mut time = groups.iter().map(|&group| self.extents[group as usize].time).max().unwrap_or(0);
        for &operand in operands {
            let outside = self.root(operand);
            if !groups.contains(&outside) {
                time = time.max(self.extents[outside as usize].time + 1);
            }
        }
        let extents: SmallVec<[Extent; 4]> = groups.iter().map(|&group| self.extents[group as usize]).collect();
        let size = extents.iter().map(|extent| extent.size).sum();
        let waits = |extent: &Extent| extent.time < time && extent.used;
        if size > MOST_NODES || extents.iter().any(waits) {
            return false;
        }
        let name = groups[0];
        groups.iter().for_each(|&group| self.parents[group as usize] = name);
        self.extents[name as usize] = Extent { size, time, used: extents.iter().any(|extent| extent.used) };
        true
    }
}
