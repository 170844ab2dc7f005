//! The second stage: work that need not be done.
//!
//! A node that equals one of its operands is replaced by it. Each rule is one line of the table; all hold for infinities
//! and for what is not a number as well, and up to the sign of zero.

use std::any::TypeId;

use super::select::{Number, Selection, Tag};
use super::strides;
use super::sums::{self, Added};
use crate::ops::{
    Abs, Ceil, Difference, Floor, Maximum, Minimum, Negate, Product, Quotient, Relu, Round, Scaled, Select, Sign, Sum2,
};
use crate::tape::op::Layout;

/// Why a row's result is one of its operands, or an operand's operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// This operand is this number: the result is the other one.
    Neutral(usize, Number),
    /// These two operands are the same: so is the result.
    Same(usize, usize),
    /// The operand is the same row of something: the result is that something.
    Undone,
    /// The operand is the same row of something: it is the result already.
    Done,
}

/// The rules.
pub(crate) fn rules() -> [(TypeId, Why); 18] {
    [
        (TypeId::of::<Product>(), Why::Neutral(0, Number::One)),
        (TypeId::of::<Product>(), Why::Neutral(1, Number::One)),
        (TypeId::of::<Sum2>(), Why::Neutral(0, Number::Zero)),
        (TypeId::of::<Sum2>(), Why::Neutral(1, Number::Zero)),
        (TypeId::of::<Difference>(), Why::Neutral(1, Number::Zero)),
        (TypeId::of::<Quotient>(), Why::Neutral(1, Number::One)),
        (TypeId::of::<Scaled>(), Why::Neutral(0, Number::One)),
        (TypeId::of::<Scaled>(), Why::Neutral(1, Number::One)),
        (TypeId::of::<Maximum>(), Why::Same(0, 1)),
        (TypeId::of::<Minimum>(), Why::Same(0, 1)),
        (TypeId::of::<Select>(), Why::Same(1, 2)),
        (TypeId::of::<Negate>(), Why::Undone),
        (TypeId::of::<Abs>(), Why::Done),
        (TypeId::of::<Relu>(), Why::Done),
        (TypeId::of::<Sign>(), Why::Done),
        (TypeId::of::<Floor>(), Why::Done),
        (TypeId::of::<Ceil>(), Why::Done),
        (TypeId::of::<Round>(), Why::Done),
    ]
}

/// What each node is replaced by: itself, or an earlier node of the same shape and value; which nodes are still needed
/// then; where those lie that are read by strides in the memory of another; and which sums are made in place.
#[derive(Debug)]
pub(crate) struct Simplified {
    pub(crate) replaced: Vec<u32>,
    pub(crate) needed: Vec<bool>,
    pub(crate) layouts: Vec<Option<Layout>>,
    /// The sums that are made where an operand lies.
    pub(crate) added: Vec<Option<Added>>,
}

impl Simplified {
    /// Applies every rule, in the order of the tape, so that rules meet simplified operands.
    pub(crate) fn of(selection: &Selection) -> Simplified {
        let rules = rules();
        let mut replaced: Vec<u32> = (0..selection.len() as u32).collect();
        let simplifies = !selection.options.literal;
        for node in (0..selection.len() as u32).filter(|_| simplifies) {
            let other = match selection.tags[node as usize] {
                Tag::Row(row) => {
                    let own = rules.iter().filter(|rule| rule.0 == row);
                    own.filter_map(|rule| applied(selection, &replaced, node, rule.1))
                        .find(|&other| selection.shapes[other as usize] == selection.shapes[node as usize])
                }
                // Repeated to the shape that it has.
                Tag::Broadcast => Some(replaced[selection.inputs(node)[0] as usize])
                    .filter(|&other| selection.shapes[other as usize] == selection.shapes[node as usize]),
                _ => None,
            };
            if let Some(other) = other {
                replaced[node as usize] = other;
            }
        }
        let needed = needed(selection, &replaced);
        let layouts = strides::layouts(selection, &replaced, &needed);
        let added = sums::added(selection, &replaced, &needed);
        Simplified { replaced, needed, layouts, added }
    }

    /// Whether a kernel computes a node.
    pub(crate) fn runs(&self, selection: &Selection, node: u32) -> bool {
        let is_leaf = matches!(selection.tags[node as usize], Tag::Value | Tag::Number(_) | Tag::Indices);
        let lies_there = is_leaf || self.is_alias(selection, node);
        self.needed[node as usize] && self.replaced[node as usize] == node && !lies_there
    }

    /// Whether a node lies in the memory of its operand.
    pub(crate) fn is_alias(&self, selection: &Selection, node: u32) -> bool {
        selection.tags[node as usize] == Tag::View || self.layouts[node as usize].is_some()
    }

    /// The node whose memory a node lies in.
    pub(crate) fn memory(&self, selection: &Selection, node: u32) -> u32 {
        let mut node = self.replaced[node as usize];
        while self.is_alias(selection, node) {
            node = self.replaced[selection.inputs(node)[0] as usize];
        }
        node
    }

    /// Where a strided node lies in the memory of its operand.
    pub(crate) fn lying(&self, selection: &Selection, node: u32) -> Option<Layout> {
        strides::lying(selection, &self.replaced, &self.layouts, node)
    }

    /// The inputs of a node after simplification.
    pub(crate) fn operands<'a>(&'a self, selection: &'a Selection, node: u32) -> impl Iterator<Item = u32> + 'a {
        selection.inputs(node).iter().map(|&input| self.replaced[input as usize])
    }
}

/// What a node of the rule's row may be replaced by, where the rule applies.
fn applied(selection: &Selection, replaced: &[u32], node: u32, why: Why) -> Option<u32> {
    let operand = |i: usize| selection.inputs(node).get(i).map(|&input| replaced[input as usize]);
    let inner = || operand(0).filter(|&inner| selection.tags[inner as usize] == selection.tags[node as usize]);
    match why {
        Why::Neutral(i, number) => {
            let is_number = repeated(selection, replaced, operand(i)?) == Tag::Number(number);
            is_number.then(|| operand(1 - i)).flatten()
        }
        Why::Same(i, k) => operand(i).filter(|_| operand(i) == operand(k)),
        Why::Undone => inner().map(|inner| replaced[selection.inputs(inner)[0] as usize]),
        Why::Done => inner(),
    }
}

/// What a node is but for its shape: a number that is repeated is that number.
pub(crate) fn repeated(selection: &Selection, replaced: &[u32], mut node: u32) -> Tag {
    while matches!(selection.tags[node as usize], Tag::View | Tag::Broadcast) {
        node = replaced[selection.inputs(node)[0] as usize];
    }
    selection.tags[node as usize]
}

/// Marks what the outputs still need.
fn needed(selection: &Selection, replaced: &[u32]) -> Vec<bool> {
    let mut needed = vec![false; selection.len()];
    for &output in &selection.outputs {
        needed[replaced[output as usize] as usize] = true;
    }
    for node in (0..selection.len() as u32).rev().filter(|&node| replaced[node as usize] == node) {
        if needed[node as usize] {
            for &input in selection.inputs(node) {
                needed[replaced[input as usize] as usize] = true;
            }
        }
    }
    needed
}

#[cfg(all(test, not(loom)))]
#[path = "simplify_tests.rs"]
mod tests;
