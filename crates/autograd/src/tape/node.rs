//! A node: one line of the tape.

use std::panic::Location;

use smallvec::SmallVec;

use super::op::OpRef;
use crate::kernels::number::Element;
use crate::module::ParamId;
use crate::tensor::{IndexTensor, Shape};

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Kind<T: Element> {
    /// A differentiable leaf.
    Input,
    /// A leaf that is not differentiable.
    Constant,
    /// A number in a formula.
    Scalar(T),
    /// A differentiable leaf that a model owns; a frozen one is not differentiable.
    Parameter(ParamId),
    /// Indices: read by ops, never differentiated.
    Indices(IndexTensor),
    /// The result of an op.
    Op(OpRef<T>),
}

/// One line of the tape.
#[derive(Clone, Debug)]
pub(crate) struct Node<T: Element> {
    pub(crate) kind: Kind<T>,
    pub(crate) inputs: SmallVec<[u32; 4]>,
    pub(crate) shape: Shape,
    pub(crate) location: &'static Location<'static>,
    pub(crate) scope: u32,
    /// Whether a differentiable leaf is reached from here.
    pub(crate) active: bool,
    pub(crate) hash: u64,
    /// The checkpoint that it was recorded in, counted from 1: what a run computes of it is not left on the tape.
    pub(crate) checkpoint: u32,
}
