//! Recording one node: leaves and ops.

use std::hash::Hasher;
use std::panic::Location;

use rustc_hash::FxHasher;
use smallvec::SmallVec;

use super::node::{Kind, Node};
use super::op::{Op, OpRef};
use super::var::{POISONED, Var};
use super::{Inner, Tape};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::module::{Param, ParamId};
use crate::tensor::{IndexTensor, Shape, Tensor};

impl<T: Element> Tape<T> {
    /// A differentiable leaf.
    #[track_caller]
    pub fn input(&self, value: impl Into<Tensor<T>>) -> Var<'_, T> {
        self.leaf(Kind::Input, value.into())
    }

    /// A leaf that is not differentiable.
    #[track_caller]
    pub fn constant(&self, value: impl Into<Tensor<T>>) -> Var<'_, T> {
        let value = value.into();
        let mut hasher = FxHasher::default();
        hasher.write_usize(value.storage().address());
        let hash = hasher.finish();
        let known = self.inner.borrow().find(hash, |inner, id| {
            let node = &inner.nodes[id as usize];
            matches!(node.kind, Kind::Constant)
                && inner.values[id as usize].as_ref().is_some_and(|kept| kept.storage().same(value.storage()))
                && node.shape == *value.shape()
        });
        match known {
            Some(id) => Var { tape: self, id },
            None => self.hashed_leaf(Kind::Constant, value, hash),
        }
    }

    /// A number: a constant of shape `[]`.
    #[track_caller]
    pub fn scalar(&self, value: T) -> Var<'_, T> {
        let mut hasher = FxHasher::default();
        hasher.write_u64(value.to_f64().to_bits());
        let hash = hasher.finish();
        let bits = value.to_f64().to_bits();
        let known = self.inner.borrow().find(
            hash,
            |inner, id| matches!(inner.nodes[id as usize].kind, Kind::Scalar(kept) if kept.to_f64().to_bits() == bits),
        );
        match known {
            Some(id) => Var { tape: self, id },
            None => self.hashed_leaf(Kind::Scalar(value), Tensor::scalar(value), hash),
        }
    }

    /// A differentiable leaf owned by a model. The same parameter used twice is one node; a frozen parameter or a
    /// buffer is not differentiable.
    #[track_caller]
    pub fn param(&self, parameter: &Param<T>) -> Var<'_, T> {
        self.parameter_leaf(parameter.id(), parameter.value(), parameter.is_trained())
    }

    /// The leaf of a parameter of which the identity and the value are known.
    #[track_caller]
    pub(crate) fn parameter_leaf(&self, parameter: ParamId, value: &Tensor<T>, trained: bool) -> Var<'_, T> {
        if let Some(&id) = self.inner.borrow().parameters.get(&parameter) {
            return Var { tape: self, id };
        }
        let leaf = self.leaf(Kind::Parameter(parameter), value.clone());
        if !leaf.is_poisoned() {
            let mut inner = self.inner.borrow_mut();
            inner.nodes[leaf.id as usize].active = trained;
            inner.parameters.insert(parameter, leaf.id);
        }
        leaf
    }

    /// Asks for a parameter or buffer to take a new value after this pass, such as running statistics. The value comes
    /// back with the gradients: the optimiser's `step` or `Gradients::apply_updates` applies it.
    #[track_caller]
    pub fn update(&self, parameter: &Param<T>, value: Var<'_, T>) {
        if value.is_poisoned() {
            // A mistake made on another tape is one of this tape from now on.
            if let Err(error) = value.tape.first_error() {
                self.fail(error);
            }
            return;
        }
        if !std::ptr::eq(self, value.tape) {
            self.fail(mixed_tapes().op("update"));
        } else if value.shape() != *parameter.shape() {
            let message = format!("a parameter of shape {} can't take shape {}", parameter.shape(), value.shape());
            self.fail(Error::new(ErrorKind::Shape, message).op("update"));
        } else {
            self.push_update(parameter.id(), value);
        }
    }

    /// Indices as an operand.
    #[track_caller]
    pub(crate) fn indices(&self, indices: IndexTensor) -> Var<'_, T> {
        let shape = indices.shape().clone();
        self.push(Kind::Indices(indices), SmallVec::new(), shape, None, 0, false)
    }

    #[track_caller]
    fn leaf(&self, kind: Kind<T>, value: Tensor<T>) -> Var<'_, T> {
        let active = matches!(kind, Kind::Input | Kind::Parameter(_));
        let shape = value.shape().clone();
        self.push(kind, SmallVec::new(), shape, Some(value), 0, active)
    }

    #[track_caller]
    fn hashed_leaf(&self, kind: Kind<T>, value: Tensor<T>, hash: u64) -> Var<'_, T> {
        let shape = value.shape().clone();
        let leaf = self.push(kind, SmallVec::new(), shape, Some(value), hash, false);
        self.inner.borrow_mut().insert(leaf.id);
        leaf
    }

    /// Records an op: infers the shape, or keeps the first error.
    #[track_caller]
    pub(crate) fn record<'t>(&'t self, op: OpRef<T>, inputs: &[Var<'t, T>]) -> Var<'t, T> {
        if let Some(poisoned) = inputs.iter().find(|input| input.is_poisoned()) {
            // A mistake made on another tape is one of this tape from now on: a poisoned Var has an error on its tape.
            return match poisoned.tape.first_error() {
                Err(error) if !std::ptr::eq(self, poisoned.tape) => self.fail(error),
                _ => Var { tape: self, id: POISONED },
            };
        }
        if inputs.iter().any(|input| !std::ptr::eq(self, input.tape)) {
            return self.fail(mixed_tapes().op(op.name()));
        }
        let ids: SmallVec<[u32; 4]> = inputs.iter().map(|input| input.id).collect();
        let mut hasher = FxHasher::default();
        op.feed(&mut hasher);
        ids.iter().for_each(|&id| hasher.write_u32(id));
        let hash = hasher.finish();
        let found = self.inner.borrow().find(hash, |inner, id| {
            let node = &inner.nodes[id as usize];
            node.inputs == ids && matches!(&node.kind, Kind::Op(known) if known.same(op.as_any()))
        });
        if let Some(id) = found {
            return Var { tape: self, id };
        }
        match self.infer(&op, &ids) {
            Err(error) => self.fail(error.op(op.name())),
            Ok((shape, active)) => {
                let node = self.push(Kind::Op(op), ids, shape, None, hash, active);
                self.inner.borrow_mut().insert(node.id);
                node
            }
        }
    }

    /// Whether a node is zero but for a part.
    pub(crate) fn is_part(&self, var: Var<'_, T>) -> bool {
        matches!(&self.inner.borrow().nodes[var.id as usize].kind, Kind::Op(op) if op.is_part())
    }

    /// The sum of parts, by one op where they fit together.
    #[track_caller]
    pub(crate) fn assembled<'t>(&'t self, parts: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        let inner = self.inner.borrow();
        let node = |var: &Var<'t, T>| &inner.nodes[var.id as usize];
        let op = |var: &Var<'t, T>| match &node(var).kind {
            Kind::Op(op) => Some(&**op),
            _ => None,
        };
        let ops: SmallVec<[&dyn Op<T>; 8]> = parts.iter().filter_map(op).collect();
        let whole = match &ops[..] {
            [] | [_] => return parts.first().copied(),
            [first, ..] => first.assembled(&ops)?,
        };
        let operands = parts.iter().map(|part| Var { tape: self, id: node(part).inputs[0] });
        let operands: SmallVec<[Var<'t, T>; 8]> = operands.collect();
        drop(ops);
        drop(inner);
        Some(self.record(whole, &operands))
    }

    fn infer(&self, op: &OpRef<T>, ids: &[u32]) -> Result<(Shape, bool)> {
        let inner = self.inner.borrow();
        let shapes: SmallVec<[&Shape; 4]> = ids.iter().map(|&id| &inner.nodes[id as usize].shape).collect();
        let shape = op.shape(&shapes)?;
        shape.checked_volume()?;
        let active = op.is_differentiable() && ids.iter().any(|&id| inner.nodes[id as usize].active);
        Ok((shape, active))
    }

    #[track_caller]
    fn push(
        &self,
        kind: Kind<T>,
        inputs: SmallVec<[u32; 4]>,
        shape: Shape,
        value: Option<Tensor<T>>,
        hash: u64,
        active: bool,
    ) -> Var<'_, T> {
        let mut inner = self.inner.borrow_mut();
        let Some(id) = u32::try_from(inner.nodes.len()).ok().filter(|&id| id < POISONED) else {
            drop(inner);
            return self.fail(Error::new(ErrorKind::Argument, "a tape holds at most 4294967295 nodes"));
        };
        let (location, scope) = inner.origin(Location::caller());
        let checkpoint = inner.checkpoint;
        inner.nodes.push(Node { kind, inputs, shape, location, scope, active, hash, checkpoint });
        inner.values.push(value);
        Var { tape: self, id }
    }
}

impl<T: Element> Inner<T> {
    fn find(&self, hash: u64, same: impl Fn(&Self, u32) -> bool) -> Option<u32> {
        self.table.find(hash, |&id| self.nodes[id as usize].hash == hash && same(self, id)).copied()
    }

    fn insert(&mut self, id: u32) {
        if id != POISONED {
            let nodes = &self.nodes;
            self.table.insert_unique(nodes[id as usize].hash, id, |&id| nodes[id as usize].hash);
        }
    }
}

fn mixed_tapes() -> Error {
    Error::new(ErrorKind::Tape, "the operands are recorded on two different tapes")
        .hint("a Var lives on the tape that made it; pass a value over with other.input(x.value()?)")
}
