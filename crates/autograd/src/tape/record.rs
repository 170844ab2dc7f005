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
        let value = value.into();
        self.leaf(&mut self.inner.borrow_mut(), Kind::Input, value)
    }

    /// A leaf that is not differentiable.
    #[track_caller]
    pub fn constant(&self, value: impl Into<Tensor<T>>) -> Var<'_, T> {
        let value = value.into();
        let mut hasher = FxHasher::default();
        hasher.write_usize(value.storage().address());
        let hash = hasher.finish();
        let inner = &mut *self.inner.borrow_mut();
        let known = inner.constants.find(hash, |&id| {
            let kept = inner.values[id as usize].as_ref();
            kept.is_some_and(|kept| kept.storage().same(value.storage()) && kept.shape() == value.shape())
        });
        if let Some(&id) = known {
            return Var { tape: self, id };
        }
        let leaf = self.leaf(inner, Kind::Constant, value);
        if !leaf.is_poisoned() {
            let nodes = &mut inner.nodes;
            nodes[leaf.id as usize].hash = hash;
            inner.constants.insert_unique(hash, leaf.id, |&id| nodes[id as usize].hash);
        }
        leaf
    }

    /// A number: a constant of shape `[]`.
    #[track_caller]
    pub fn scalar(&self, value: T) -> Var<'_, T> {
        let bits = value.to_f64().to_bits();
        let inner = &mut *self.inner.borrow_mut();
        let same = |node: &Node<T>| matches!(node.kind, Kind::Scalar(kept) if kept.to_f64().to_bits() == bits);
        // Its value was kept.
        if let Some(id) = inner.follow(Location::caller(), same) {
            return Var { tape: self, id };
        }
        let mut hasher = FxHasher::default();
        hasher.write_u64(bits);
        let hash = hasher.finish();
        if let Some(id) = inner.find(hash, same) {
            return Var { tape: self, id };
        }
        let tensor = Tensor::scalar(value);
        let shape = tensor.shape().clone();
        let leaf = self.push(inner, Kind::Scalar(value), SmallVec::new(), shape, Some(tensor), (hash, false));
        inner.insert(leaf.id);
        leaf
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
        let inner = &mut *self.inner.borrow_mut();
        if let Some(&id) = inner.parameters.get(&parameter) {
            return Var { tape: self, id };
        }
        let same = |node: &Node<T>| {
            matches!(node.kind, Kind::Parameter(_)) && node.active == trained && node.shape == *value.shape()
        };
        let leaf = match inner.follow(Location::caller(), same) {
            Some(id) => {
                // It may be that of another model.
                inner.nodes[id as usize].kind = Kind::Parameter(parameter);
                inner.values[id as usize] = Some(value.clone());
                Var { tape: self, id }
            }
            None => {
                let (kind, shape) = (Kind::Parameter(parameter), value.shape().clone());
                self.push(inner, kind, SmallVec::new(), shape, Some(value.clone()), (0, trained))
            }
        };
        if !leaf.is_poisoned() {
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
        let inner = &mut *self.inner.borrow_mut();
        let same = |node: &Node<T>| matches!(node.kind, Kind::Indices(_)) && node.shape == *indices.shape();
        let leaf = match inner.follow(Location::caller(), same) {
            Some(id) => {
                inner.nodes[id as usize].kind = Kind::Indices(indices);
                Var { tape: self, id }
            }
            None => {
                let shape = indices.shape().clone();
                self.push(inner, Kind::Indices(indices), SmallVec::new(), shape, None, (0, false))
            }
        };
        inner.indices.push(leaf.id);
        leaf
    }

    /// An input or a constant.
    #[track_caller]
    fn leaf<'t>(&'t self, inner: &mut Inner<T>, kind: Kind<T>, value: Tensor<T>) -> Var<'t, T> {
        let active = matches!(kind, Kind::Input);
        let same = |node: &Node<T>| {
            std::mem::discriminant(&node.kind) == std::mem::discriminant(&kind) && node.shape == *value.shape()
        };
        if let Some(id) = inner.follow(Location::caller(), same) {
            inner.values[id as usize] = Some(value);
            return Var { tape: self, id };
        }
        let shape = value.shape().clone();
        self.push(inner, kind, SmallVec::new(), shape, Some(value), (0, active))
    }

    /// Records an op: infers the shape, or keeps the first error.
    #[track_caller]
    pub(crate) fn record<'t>(&'t self, op: OpRef<T>, inputs: &[Var<'t, T>]) -> Var<'t, T> {
        match self.recorded(&*op, inputs) {
            Ok(node) => node,
            Err(hash) => self.record_new(op, inputs, hash),
        }
    }

    /// The node of an op of some inputs, where it is on the tape or was recorded here last time; or what comes of inputs
    /// that can't be had. Else its hash.
    #[track_caller]
    pub(super) fn recorded<'t>(
        &'t self,
        op: &dyn Op<T>,
        inputs: &[Var<'t, T>],
    ) -> std::result::Result<Var<'t, T>, u64> {
        if inputs.iter().any(|input| input.is_poisoned() || !std::ptr::eq(self, input.tape)) {
            return Ok(self.refuse(op, inputs));
        }
        let inner = &mut *self.inner.borrow_mut();
        let same = |node: &Node<T>| {
            matches!(&node.kind, Kind::Op(known)
                if node.inputs.iter().eq(inputs.iter().map(|input| &input.id)) && known.same(op.as_any()))
        };
        if let Some(id) = inner.follow(Location::caller(), same) {
            return Ok(Var { tape: self, id });
        }
        let mut hasher = FxHasher::default();
        op.feed(&mut hasher);
        inputs.iter().for_each(|input| hasher.write_u32(input.id));
        let hash = hasher.finish();
        inner.find(hash, same).map(|id| Var { tape: self, id }).ok_or(hash)
    }

    /// Records an op that is not on the tape.
    #[track_caller]
    pub(super) fn record_new<'t>(&'t self, op: OpRef<T>, inputs: &[Var<'t, T>], hash: u64) -> Var<'t, T> {
        let ids: SmallVec<[u32; 4]> = inputs.iter().map(|input| input.id).collect();
        match self.infer(&op, &ids) {
            Err(error) => self.fail(error.op(op.name())),
            Ok((shape, active)) => {
                let inner = &mut *self.inner.borrow_mut();
                let of_user = op.is_of_user();
                let node = self.push(inner, Kind::Op(op), ids, shape, None, (hash, active));
                inner.insert(node.id);
                if of_user && !node.is_poisoned() {
                    inner.first_of_user.get_or_insert(node.id);
                }
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

    /// What an op gives of inputs that follow from a mistake, or are on another tape.
    #[cold]
    #[track_caller]
    fn refuse<'t>(&'t self, op: &dyn Op<T>, inputs: &[Var<'t, T>]) -> Var<'t, T> {
        match inputs.iter().find(|input| input.is_poisoned()) {
            // A mistake made on another tape is one of this tape from now on: a poisoned Var has an error on its tape.
            Some(poisoned) => match poisoned.tape.first_error() {
                Err(error) if !std::ptr::eq(self, poisoned.tape) => self.fail(error),
                _ => Var { tape: self, id: POISONED },
            },
            None => self.fail(mixed_tapes().op(op.name())),
        }
    }

    fn infer(&self, op: &OpRef<T>, ids: &[u32]) -> Result<(Shape, bool)> {
        let inner = self.inner.borrow();
        let shapes: SmallVec<[&Shape; 4]> = ids.iter().map(|&id| &inner.nodes[id as usize].shape).collect();
        let shape = op.shape(&shapes)?;
        shape.checked_volume()?;
        let active = op.is_differentiable() && ids.iter().any(|&id| inner.nodes[id as usize].active);
        Ok((shape, active))
    }

    /// Adds a node; the hash and whether a differentiable leaf is reached come last.
    #[track_caller]
    fn push<'t>(
        &'t self,
        inner: &mut Inner<T>,
        kind: Kind<T>,
        inputs: SmallVec<[u32; 4]>,
        shape: Shape,
        value: Option<Tensor<T>>,
        (hash, active): (u64, bool),
    ) -> Var<'t, T> {
        let (location, scope) = inner.origin(Location::caller());
        let Some(id) = u32::try_from(inner.nodes.len()).ok().filter(|&id| id < POISONED) else {
            let error = Error::new(ErrorKind::Argument, "a tape holds at most 4294967295 nodes");
            inner.keep_error(error, location, scope);
            return Var { tape: self, id: POISONED };
        };
        inner.forget_ahead();
        let checkpoint = inner.checkpoint;
        inner.nodes.push(Node { kind, inputs, shape, location, scope, active, hash, checkpoint });
        inner.values.push(value);
        Var { tape: self, id }
    }
}

impl<T: Element> Inner<T> {
    fn find(&self, hash: u64, same: impl Fn(&Node<T>) -> bool) -> Option<u32> {
        // Nodes ahead are not on the tape.
        let is_it = |&id: &u32| self.nodes.get(id as usize).is_some_and(|node| node.hash == hash && same(node));
        self.table.find(hash, is_it).copied()
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
