//! The third stage: which elementwise nodes run together, in one pass over memory, and in which order all runs.
//!
//! Every group and every other node has a *time*, later than that of each of its operands: so the times are an order to
//! run in, and a group can never wait for itself. A node joins the group of an operand if the group need not run later
//! for it, or if nothing outside the group has used the group yet.

use smallvec::SmallVec;

use super::select::{Selection, Tag};
use super::simplify::Simplified;

/// The largest number of nodes in one group: their registers stay in the first-level cache.
const MOST_NODES: usize = 48;

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
        let times = of.iter().map(|&group| fuser.extents[group as usize].time).collect();
        Groups { of, times }
    }
}

/// Whether the block interpreter runs the node.
pub(crate) fn is_elementwise(tag: Tag) -> bool {
    matches!(tag, Tag::Row(_) | Tag::Broadcast)
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
        let operands: SmallVec<[u32; 4]> =
            simplified.operands(selection, node).filter(|&operand| simplified.runs(selection, operand)).collect();
        if is_elementwise(selection.tags[node as usize]) && !selection.options.separate {
            for &operand in &operands {
                self.try_merge(node, operand, &operands);
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

    /// Puts the groups of a node and of its operand together, where nothing can lie between.
    fn try_merge(&mut self, node: u32, operand: u32, operands: &[u32]) {
        let Selection { tags, shapes, .. } = self.selection;
        let fits = is_elementwise(tags[operand as usize]) && shapes[node as usize] == shapes[operand as usize];
        let (own, group) = (self.root(node), self.root(operand));
        if !fits || own == group {
            return;
        }
        // The earliest time for the group with the node in it.
        let mut time = self.extents[own as usize].time.max(self.extents[group as usize].time);
        for &other in operands {
            let outside = self.root(other);
            if outside != group && outside != own {
                time = time.max(self.extents[outside as usize].time + 1);
            }
        }
        let (left, right) = (self.extents[own as usize], self.extents[group as usize]);
        let waits = |extent: Extent| extent.time < time && extent.used;
        if left.size + right.size > MOST_NODES || waits(left) || waits(right) {
            return;
        }
        self.parents[own as usize] = group;
        self.extents[group as usize] = Extent { size: left.size + right.size, time, used: left.used || right.used };
    }
}
