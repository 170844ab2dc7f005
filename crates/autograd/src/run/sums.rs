//! Sums of matrix products, as a weight's gradient is that many steps share: each product but the first is added where the
//! first lies, by its own kernel. No product is written by itself, and nothing is read again to be added.

use super::select::{Selection, Tag};
use crate::ops::Sum2;
use crate::tape::op::Abilities;

/// A sum that is made where one of its operands lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Added {
    /// The operand that is there.
    pub(crate) to: u32,
    /// The operand that is added by its own kernel.
    pub(crate) product: u32,
}

/// For each node how it adds a product to a product, or to a sum of products, that nobody else reads.
pub(super) fn added(selection: &Selection, replaced: &[u32], needed: &[bool]) -> Vec<Option<Added>> {
    let mut added = vec![None; selection.len()];
    let options = selection.options;
    let can_add = |node: u32| matches!(selection.tags[node as usize], Tag::Op(Abilities { adds: true, .. }));
    if options.literal || options.separate || options.keep || !(0..selection.len() as u32).any(can_add) {
        return added;
    }
    let runs = |&node: &u32| needed[node as usize] && replaced[node as usize] == node;
    let nodes = || (0..selection.len() as u32).filter(runs);
    let mut uses = vec![0u32; selection.len()];
    let read = nodes().flat_map(|node| selection.inputs(node)).chain(&selection.outputs);
    read.for_each(|&input| uses[replaced[input as usize] as usize] += 1);
    for node in nodes() {
        let &[a, b] = selection.inputs(node) else { continue };
        let (a, b) = (replaced[a as usize], replaced[b as usize]);
        let shape = |node: u32| &selection.shapes[node as usize];
        let fits = |other: u32| uses[other as usize] == 1 && shape(other) == shape(node);
        if selection.tags[node as usize] == Tag::Row(std::any::TypeId::of::<Sum2>()) && fits(a) && fits(b) {
            let is_there = |other: u32| can_add(other) || added[other as usize].is_some();
            added[node as usize] = match () {
                _ if is_there(a) && can_add(b) => Some(Added { to: a, product: b }),
                _ if is_there(b) && can_add(a) => Some(Added { to: b, product: a }),
                _ => None,
            };
        }
    }
    added
}
