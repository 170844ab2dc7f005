//! The first stage: which nodes are needed for the outputs, and how they hang together.
//!
//! What is selected is renumbered from 0, so that the same structure looks the same wherever it lies on a tape.

use std::any::TypeId;
use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;
use smallvec::SmallVec;

use crate::kernels::number::Element;
use crate::tape::Inner;
use crate::tape::node::{Kind, Node};
use crate::tape::op::{Abilities, Join, Layout, Op};
use crate::tensor::Shape;

/// What a plan must know of a node besides its shape and inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tag {
    /// A value that is there: a leaf, or what was computed and kept.
    Value,
    /// A number in a formula; 0 and 1 are told apart because they simplify.
    Number(Number),
    /// Indices.
    Indices,
    /// An elementwise function.
    Row(TypeId),
    /// The input's memory under another shape.
    View,
    /// The input repeated.
    Broadcast,
    /// Elements of the input at places that this one of the layouts says.
    Strided(u32),
    /// Elements of the input joined along axes that lie side by side, as `[outer, n, inner]` along the middle one: the
    /// number of axes, without those of length 1, that are outer, and of those that are joined.
    Join(Join, u8, u8),
    /// Each row of so many elements computed from the row of the input at the same place.
    RowWise(u32),
    /// The input so many times: the sum of the input repeated, over the axes along which it was.
    Times(u32),
    /// Any other op: run by its own kernel, which can do this besides.
    Op(Abilities),
}

/// The numbers that simplify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Number {
    Zero,
    One,
    Other,
}

/// The nodes that a run needs, in the order of the tape.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selection {
    pub(crate) tags: Vec<Tag>,
    pub(crate) shapes: Vec<Shape>,
    /// Inputs of all nodes in a row; those of node `i` are `starts[i]..starts[i + 1]`.
    pub(crate) inputs: Vec<u32>,
    pub(crate) starts: Vec<u32>,
    pub(crate) outputs: Vec<u32>,
    /// Where elements of operands lie.
    pub(crate) layouts: Vec<Layout>,
    /// Nodes of checkpoints, ascending: they aren't kept. Listed only where anything is.
    pub(crate) dropped: Vec<u32>,
    /// `(node, other)`, ascending: nodes that are not to run before another, which they do not read. What is selected has
    /// none; what is rewritten to compute values again has.
    pub(crate) after: Vec<(u32, u32)>,
    pub(crate) options: Options,
}

/// What else decides a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Options {
    /// Keep whatever is materialised.
    pub(crate) keep: bool,
    /// Run every op alone.
    pub(crate) separate: bool,
    /// Replace nothing by what equals it.
    pub(crate) literal: bool,
    /// The bytes that a run may take.
    pub(crate) limit: Option<Limit>,
}

/// A limit of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Limit {
    pub(crate) bytes: usize,
    /// The bytes of an element.
    pub(crate) element: usize,
}

/// Selects, with memory that is used again.
#[derive(Debug, Default)]
pub(crate) struct Selector {
    pub(crate) selection: Selection,
    /// The tape's number of each selected node.
    pub(crate) ids: Vec<u32>,
    /// The tape's number and the value of each node of one element that is computed from nothing but numbers, ascending.
    /// To the plan it is a number.
    pub(crate) constants: Vec<(u32, f64)>,
    /// The new number of each node of the tape, where `round` says that it is of this run.
    local: Vec<(u32, u32)>,
    round: u32,
    waiting: Vec<u32>,
}

impl Selector {
    /// Selects what the outputs need and is not there yet.
    pub(crate) fn select<T: Element>(&mut self, tape: &Inner<T>, outputs: &[u32], options: Options) {
        self.mark(tape, outputs, options);
        let Selector { selection, ids, local, constants, .. } = self;
        selection.clear();
        constants.clear();
        selection.options = options;
        for (place, &id) in ids.iter().enumerate() {
            let node = &tape.nodes[id as usize];
            local[id as usize].1 = place as u32;
            selection.starts.push(selection.inputs.len() as u32);
            let mut tag = tag_of(tape, id, options);
            if let Some((layout, whole)) = layout_of(tape, node, tag, options) {
                tag = selection.strided(node, layout, whole);
            }
            if let Some(value) = constant(tape, id, tag, constants).filter(|_| !options.literal) {
                constants.push((id, value.to_f64()));
                tag = number(value);
            }
            if !matches!(tag, Tag::Value | Tag::Number(_) | Tag::Indices) {
                selection.inputs.extend(read_by(tape, node, options).map(|input| local[input as usize].1));
            }
            if options.keep && node.checkpoint != 0 {
                selection.dropped.push(place as u32);
            }
            selection.tags.push(tag);
            selection.shapes.push(node.shape.clone());
        }
        selection.starts.push(selection.inputs.len() as u32);
        selection.outputs.extend(outputs.iter().map(|&output| local[output as usize].1));
    }

    /// Lists the needed nodes in ascending order.
    fn mark<T: Element>(&mut self, tape: &Inner<T>, outputs: &[u32], options: Options) {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.local.clear();
            self.round = 1;
        }
        if self.local.len() < tape.nodes.len() {
            self.local.resize(tape.nodes.len(), (0, 0));
        }
        self.ids.clear();
        self.waiting.extend_from_slice(outputs);
        while let Some(id) = self.waiting.pop() {
            if self.local[id as usize].0 == self.round {
                continue;
            }
            self.local[id as usize].0 = self.round;
            self.ids.push(id);
            if tape.values[id as usize].is_none() {
                self.waiting.extend(read_by(tape, &tape.nodes[id as usize], options));
            }
        }
        self.ids.sort_unstable();
    }
}

/// The nodes that the kernel of a node reads: its inputs, or what lies through them.
fn read_by<'a, T: Element>(tape: &'a Inner<T>, node: &'a Node<T>, options: Options) -> impl Iterator<Item = u32> + 'a {
    let times = !options.literal && times(tape, node).is_some();
    let through = move |operand: usize| times || matches!(&node.kind, Kind::Op(op) if op.reads_through(operand));
    node.inputs.iter().enumerate().map(move |(operand, &input)| match through(operand) {
        true => tape.nodes[input as usize].inputs[0],
        false => input,
    })
}

fn tag_of<T: Element>(tape: &Inner<T>, id: u32, options: Options) -> Tag {
    let node = &tape.nodes[id as usize];
    match &node.kind {
        Kind::Indices(_) => Tag::Indices,
        Kind::Scalar(value) => number(*value),
        Kind::Op(op) if tape.values[id as usize].is_none() => match op.row() {
            Some(row) => Tag::Row(row.id),
            None if op.is_view() => Tag::View,
            None if op.is_broadcast() => Tag::Broadcast,
            None => {
                let times = times(tape, node).filter(|_| !options.literal);
                let row_wise = || row_wise(&node.shape, &**op);
                let alone = || Tag::Op(abilities(tape, node, &**op, options));
                times.map(Tag::Times).or_else(|| join_of(tape, id, &**op)).or_else(row_wise).unwrap_or_else(alone)
            }
        },
        _ => Tag::Value,
    }
}

/// What the kernel of an op can do besides, with what it reads.
fn abilities<T: Element>(tape: &Inner<T>, node: &Node<T>, op: &dyn Op<T>, options: Options) -> Abilities {
    let shapes: SmallVec<[&Shape; 4]> =
        read_by(tape, node, options).map(|input| &tape.nodes[input as usize].shape).collect();
    op.abilities(&shapes)
}

/// Where the elements of a node lie in its operand, and whether they are all that the operand has.
fn layout_of<T: Element>(tape: &Inner<T>, node: &Node<T>, tag: Tag, options: Options) -> Option<(Layout, bool)> {
    let (Kind::Op(op), Tag::Op(_), &[input]) = (&node.kind, tag, &node.inputs[..]) else { return None };
    if options.literal || options.separate || node.shape.volume() == 0 {
        return None;
    }
    let shape = &tape.nodes[input as usize].shape;
    Some((op.layout(shape)?, shape.volume() == node.shape.volume()))
}

/// How often the sum of a repeated operand has each of its elements, if it is taken over just the axes along which it was
/// repeated.
fn times<T: Element>(tape: &Inner<T>, node: &Node<T>) -> Option<u32> {
    let (Kind::Op(op), &[input]) = (&node.kind, &node.inputs[..]) else { return None };
    let (join, axes) = op.joins()?;
    let repeated = &tape.nodes[input as usize];
    let Kind::Op(broadcast) = &repeated.kind else { return None };
    if join != Join::Sum || !broadcast.is_broadcast() || repeated.shape.volume() == 0 {
        return None;
    }
    let (whole, own) = (&repeated.shape, &tape.nodes[*repeated.inputs.first()? as usize].shape);
    let new = whole.len() - own.len();
    let is_repeated = |axis: usize| axis < new || own[axis - new] != whole[axis];
    let fits = |axis: usize| whole[axis] == 1 || axes.contains(&axis) == is_repeated(axis);
    let count = u32::try_from(whole.volume() / own.volume()).ok()?;
    (0..whole.len()).all(fits).then_some(count)
}

fn number<T: Element>(value: T) -> Tag {
    Tag::Number(match value.to_f64() {
        0.0 => Number::Zero,
        1.0 => Number::One,
        _ => Number::Other,
    })
}

/// The value of a row, or of a view, of nothing but numbers.
fn constant<T: Element>(tape: &Inner<T>, id: u32, tag: Tag, constants: &[(u32, f64)]) -> Option<T> {
    let node = &tape.nodes[id as usize];
    let (Kind::Op(op), Tag::Row(_) | Tag::View) = (&node.kind, tag) else { return None };
    let number = |&input: &u32| match &tape.nodes[input as usize].kind {
        Kind::Scalar(value) => Some(*value),
        _ => constant_of(constants, input).map(T::of),
    };
    let values: SmallVec<[T; 4]> = node.inputs.iter().map(number).collect::<Option<_>>()?;
    if node.shape.volume() != 1 {
        return None;
    }
    let operands: SmallVec<[&[T]; 4]> = values.iter().map(std::slice::from_ref).collect();
    let mut value = *values.first()?;
    if let Some(row) = op.row() {
        (row.block)(&operands, std::slice::from_mut(&mut value));
    }
    Some(value)
}

/// The value of a node of the tape among the constants.
pub(crate) fn constant_of(constants: &[(u32, f64)], id: u32) -> Option<f64> {
    constants.binary_search_by_key(&id, |constant| constant.0).ok().map(|place| constants[place].1)
}

/// The tag of an op that joins elements along axes that lie side by side.
fn join_of<T: Element>(tape: &Inner<T>, id: u32, op: &dyn Op<T>) -> Option<Tag> {
    let (join, axes) = op.joins()?;
    let input = &tape.nodes[*tape.nodes[id as usize].inputs.first()? as usize].shape;
    if input.volume() == 0 {
        return None;
    }
    // Axes of length 1 count for nothing.
    let (mut outer, mut joined, mut inner) = (0, 0, 0);
    for (axis, _) in input.iter().enumerate().filter(|&(_, &length)| length != 1) {
        match axes.contains(&axis) {
            true if inner > 0 => return None,
            true => joined += 1,
            false if joined > 0 => inner += 1,
            false => outer += 1,
        }
    }
    // What is joined of one element alone is that element, of whatever sign zero is.
    Some(if joined == 0 { Tag::View } else { Tag::Join(join, outer, joined) })
}

/// The tag of an op that computes rows along the last axis.
fn row_wise<T: Element>(shape: &Shape, op: &dyn Op<T>) -> Option<Tag> {
    let (_, n, inner) = shape.around(op.row_wise()?.1);
    (inner == 1 && n > 0).then(|| u32::try_from(n).ok().map(Tag::RowWise)).flatten()
}

/// A shape as `[outer, n, inner]` around the axes that a join says.
pub(crate) fn extent(shape: &Shape, outer: u8, joined: u8) -> [usize; 3] {
    let mut extent = [1; 3];
    for (axis, &length) in shape.iter().filter(|&&length| length != 1).enumerate() {
        let part = usize::from(axis >= outer.into()) + usize::from(axis >= usize::from(outer) + usize::from(joined));
        extent[part] *= length;
    }
    extent
}

impl Selection {
    /// The tag of a node that lies so in its operand.
    fn strided<T: Element>(&mut self, node: &Node<T>, layout: Layout, whole: bool) -> Tag {
        // Only axes of length 1 have moved.
        if whole && layout.offset == 0 && layout.run(&node.shape) == node.shape.volume() {
            return Tag::View;
        }
        self.layouts.push(layout);
        Tag::Strided(self.layouts.len() as u32 - 1)
    }

    fn clear(&mut self) {
        self.tags.clear();
        self.shapes.clear();
        self.inputs.clear();
        self.starts.clear();
        self.outputs.clear();
        self.layouts.clear();
        self.dropped.clear();
        self.after.clear();
    }

    /// The number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.tags.len()
    }

    /// The inputs of a node.
    pub(crate) fn inputs(&self, node: u32) -> &[u32] {
        &self.inputs[self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize]
    }

    /// The nodes that a node is not to run before, besides its inputs.
    pub(crate) fn waits_for(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        let first = self.after.partition_point(|pair| pair.0 < node);
        self.after[first..].iter().take_while(move |pair| pair.0 == node).map(|pair| pair.1)
    }

    /// The structure as a number: equal structures have equal numbers.
    pub(crate) fn hash(&self) -> u64 {
        let mut hasher = FxHasher::default();
        self.tags.hash(&mut hasher);
        for shape in &self.shapes {
            hasher.write_usize(shape.len());
            shape.iter().for_each(|&length| hasher.write_usize(length));
        }
        self.inputs.hash(&mut hasher);
        self.outputs.hash(&mut hasher);
        self.layouts.hash(&mut hasher);
        self.dropped.hash(&mut hasher);
        self.options.hash(&mut hasher);
        hasher.finish()
    }
}
