//! The second stage: work that need not be done.
//!
//! A node that equals one of its operands is replaced by it. Each rule is one line of the table.

use std::any::TypeId;

use super::select::{Number, Selection, Tag};
use crate::ops::{Difference, Negate, Product, Quotient, Scaled, Sum2};

/// `(row, operand, number)`: where the operand is this number, the result is the other operand.
fn neutral() -> [(TypeId, usize, Number); 8] {
    [
        (TypeId::of::<Product>(), 0, Number::One),
        (TypeId::of::<Product>(), 1, Number::One),
        (TypeId::of::<Sum2>(), 0, Number::Zero),
        (TypeId::of::<Sum2>(), 1, Number::Zero),
        (TypeId::of::<Difference>(), 1, Number::Zero),
        (TypeId::of::<Quotient>(), 1, Number::One),
        (TypeId::of::<Scaled>(), 0, Number::One),
        (TypeId::of::<Scaled>(), 1, Number::One),
    ]
}

/// Rows that undo themselves.
fn involutions() -> [TypeId; 1] {
    [TypeId::of::<Negate>()]
}

/// What each node is replaced by: itself, or an earlier node of the same shape and value; and which nodes are still
/// needed then.
#[derive(Debug)]
pub(crate) struct Simplified {
    pub(crate) replaced: Vec<u32>,
    pub(crate) needed: Vec<bool>,
}

impl Simplified {
    /// Applies every rule, in the order of the tape, so that rules meet simplified operands.
    pub(crate) fn of(selection: &Selection) -> Simplified {
        let (neutral, involutions) = (neutral(), involutions());
        let mut replaced: Vec<u32> = (0..selection.len() as u32).collect();
        let simplifies = !selection.options.literal;
        for node in (0..selection.len() as u32).filter(|_| simplifies) {
            let Tag::Row(row) = selection.tags[node as usize] else { continue };
            let operand = |i: usize| selection.inputs(node).get(i).map(|&input| replaced[input as usize]);
            let tag = |node: u32| selection.tags[node as usize];
            let by_number = neutral.iter().find_map(|&(rule, i, number)| {
                let is_number = |operand| repeated(selection, &replaced, operand) == Tag::Number(number);
                (rule == row && operand(i).is_some_and(is_number)).then(|| operand(1 - i)).flatten()
            });
            let by_inverse = operand(0)
                .filter(|&inner| involutions.contains(&row) && tag(inner) == Tag::Row(row))
                .map(|inner| replaced[selection.inputs(inner)[0] as usize]);
            let same_shape = |&other: &u32| selection.shapes[other as usize] == selection.shapes[node as usize];
            if let Some(other) = by_number.or(by_inverse).filter(same_shape) {
                replaced[node as usize] = other;
            }
        }
        let needed = needed(selection, &replaced);
        Simplified { replaced, needed }
    }

    /// Whether a node is still computed.
    pub(crate) fn runs(&self, selection: &Selection, node: u32) -> bool {
        let is_leaf = matches!(selection.tags[node as usize], Tag::Value | Tag::Number(_) | Tag::Indices);
        self.needed[node as usize] && self.replaced[node as usize] == node && !is_leaf
    }

    /// The node whose memory a node lies in: views lie in their operand's.
    pub(crate) fn memory(&self, selection: &Selection, node: u32) -> u32 {
        let mut node = self.replaced[node as usize];
        while selection.tags[node as usize] == Tag::View {
            node = self.replaced[selection.inputs(node)[0] as usize];
        }
        node
    }

    /// The inputs of a node after simplification.
    pub(crate) fn operands<'a>(&'a self, selection: &'a Selection, node: u32) -> impl Iterator<Item = u32> + 'a {
        selection.inputs(node).iter().map(|&input| self.replaced[input as usize])
    }
}

/// What a node is but for its shape: a number that is repeated is that number.
fn repeated(selection: &Selection, replaced: &[u32], mut node: u32) -> Tag {
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
