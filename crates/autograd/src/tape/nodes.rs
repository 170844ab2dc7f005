//! The nodes of a tape, and in the same memory those of the recording before it.
//!
//! A training step is recorded over the step before. As long as each node equals the one that was recorded at its place
//! last time, op by op and input by input, that node is taken up again: nothing is hashed, inferred or built. At the
//! first difference the rest is forgotten. Nothing that a user owns is kept from one recording to the next: no value, no
//! indices, no op of a user's.

use std::ops::{Deref, DerefMut};
use std::panic::Location;

use super::Inner;
use super::node::{Kind, Node};
use crate::kernels::number::Element;
use crate::tensor::IndexTensor;

/// The nodes recorded, as a slice; behind them, ahead of the recording, those of the last one.
#[derive(Debug)]
pub(crate) struct Nodes<T: Element> {
    all: Vec<Node<T>>,
    recorded: usize,
}

impl<T: Element> Nodes<T> {
    pub(super) fn new() -> Self {
        Nodes { all: Vec::new(), recorded: 0 }
    }

    /// Nodes that there is memory for.
    pub(super) fn capacity(&self) -> usize {
        self.all.capacity()
    }

    /// How many nodes the last recording has ahead of this one.
    fn ahead(&self) -> usize {
        self.all.len() - self.recorded
    }

    /// Adds a node; nothing may be ahead.
    pub(super) fn push(&mut self, node: Node<T>) {
        debug_assert_eq!(self.ahead(), 0);
        self.all.push(node);
        self.recorded = self.all.len();
    }
}

impl<T: Element> Deref for Nodes<T> {
    type Target = [Node<T>];
    #[inline]
    fn deref(&self) -> &[Node<T>] {
        &self.all[..self.recorded]
    }
}

impl<T: Element> DerefMut for Nodes<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Node<T>] {
        &mut self.all[..self.recorded]
    }
}

impl<T: Element> Inner<T> {
    /// Takes up the node that the last recording has here, if it is the one that is to be recorded: its number.
    #[inline]
    pub(super) fn follow(
        &mut self,
        caller: &'static Location<'static>,
        same: impl FnOnce(&Node<T>) -> bool,
    ) -> Option<u32> {
        let (location, scope) = self.origin(caller);
        let id = self.nodes.recorded;
        let node = self.nodes.all.get_mut(id)?;
        if node.checkpoint != self.checkpoint || !same(node) {
            return None;
        }
        if !std::ptr::eq(node.location, location) || node.scope != scope {
            (node.location, node.scope) = (location, scope);
            self.findings.moved(id);
        }
        self.nodes.recorded += 1;
        Some(id as u32)
    }

    /// Takes up the nodes that the last recording has here, up to a number of nodes.
    pub(crate) fn follow_to(&mut self, end: usize) {
        debug_assert!(self.nodes.recorded <= end && end <= self.nodes.all.len());
        self.nodes.recorded = end;
    }

    /// The recording differs from the last one from here on.
    pub(super) fn forget_ahead(&mut self) {
        if self.nodes.ahead() > 0 {
            self.forget_from(self.nodes.recorded);
        }
    }

    fn forget_from(&mut self, end: usize) {
        self.nodes.all.truncate(end);
        self.nodes.recorded = self.nodes.recorded.min(end);
        self.values.truncate(end);
        self.table.retain(|&mut id| (id as usize) < end);
        self.findings.forget_from(end);
    }

    /// Goes back to the start: what was recorded is ahead. Lets go of everything that a user owns.
    pub(super) fn rewind(&mut self) {
        if let Some(first) = self.first_of_user.take() {
            self.forget_from(first as usize);
        }
        let recorded = self.nodes.recorded;
        for id in self.indices.drain(..) {
            if let Some(node) = self.nodes.all.get_mut(id as usize) {
                node.kind = Kind::Indices(IndexTensor::empty());
            }
        }
        for (node, value) in self.nodes.all[..recorded].iter().zip(&mut self.values) {
            if !matches!(node.kind, Kind::Scalar(_)) {
                *value = None;
            }
        }
        self.nodes.recorded = 0;
        self.constants.clear();
        // Their names are not copied again by the next recording.
        if self.scopes.len() > super::MOST_SCOPES {
            self.scopes.truncate(1);
            self.scope_by_name.clear();
            self.forget_from(0);
        }
    }
}
