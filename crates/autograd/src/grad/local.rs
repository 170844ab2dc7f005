//! One node at a time, for checking: what lies between leaves and an output, a node alone over operands of one's own, the
//! record again with nodes passed over. Names no op.

use std::panic::Location;
use std::rc::Rc;

use smallvec::SmallVec;

use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::module::Param;
use crate::run::Keep;
use crate::tape::Tape;
use crate::tape::node::Kind;
use crate::tape::var::Var;
use crate::tensor::Tensor;

/// What is to be said about a node that is an op.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    pub(crate) op: String,
    pub(crate) equation: String,
    pub(crate) location: &'static Location<'static>,
    pub(crate) scope: Rc<str>,
    /// Whether derivatives may pass.
    pub(crate) differentiable: bool,
    /// Whether the value is its only operand's, with the shape.
    pub(crate) identity: bool,
}

impl<'t, T: Element> Var<'t, T> {
    /// The vjp for each target, zero for those that are not reached.
    pub(crate) fn pull_or_zero(self, cotangent: Var<'t, T>, targets: &[Var<'t, T>]) -> Vec<Var<'t, T>> {
        let reached: Vec<Var<'t, T>> = match self.is_poisoned() {
            true => vec![],
            false => targets.iter().copied().filter(|&target| self.reaches(target)).collect(),
        };
        let pulled = match reached.is_empty() {
            true => vec![],
            false => self.pull("vjp", cotangent.expand(self.shape()), &reached).unwrap_or_default(),
        };
        let zero = |target: Var<'t, T>| self.tape.scalar(T::of(0.0)).expand(target.shape());
        let of = |target: &Var<'t, T>| reached.iter().position(|reached| reached.id == target.id);
        targets.iter().map(|target| of(target).and_then(|i| pulled.get(i)).copied().unwrap_or(zero(*target))).collect()
    }

    /// For each element of a computed `self`, in row-major order, its derivatives with respect to each target. One sweep
    /// is recorded, and run for each row.
    pub(crate) fn jacobian_rows(self, targets: &[Var<'t, T>]) -> Result<Vec<Vec<Tensor<T>>>> {
        let (tape, shape) = (self.tape, self.shape());
        self.value()?;
        let unit = tape.input(Tensor::zeros(shape.clone()));
        let row: Vec<u32> = self.pull_or_zero(unit, targets).iter().map(|row| row.id).collect();
        tape.first_error()?;
        let mut rows = Vec::with_capacity(shape.volume());
        for element in 0..shape.volume() {
            // Not 1, whose square and magnitude are 1 too: a pullback has to be linear. Scaling by 2 rounds nothing; adding
            // zero turns -0 into 0.
            let direction = Tensor::from_fn(shape.clone(), |i| T::of(if i == element { -2.0 } else { 0.0 }));
            tape.rebind(unit, direction);
            let scaled = tape.run_plan(&row, Keep::Nothing)?;
            let back = |value: T| value * T::of(-0.5) + T::of(0.0);
            rows.push(scaled.iter().map(|row| row.map_values(back)).collect());
        }
        Ok(rows)
    }
}

impl<T: Element> Tape<T> {
    /// An empty tape of the same mode and seed.
    pub(crate) fn like(&self) -> Tape<T> {
        Tape::with(self.mode, self.seed)
    }

    /// A parameter as a leaf that holds another value than its own.
    pub(crate) fn bind(&self, parameter: &Param<T>, value: &Tensor<T>) -> Var<'_, T> {
        let leaf = self.input(value);
        if !leaf.is_poisoned() {
            self.inner.borrow_mut().parameters.insert(parameter.id(), leaf.id);
        }
        leaf
    }

    /// What there is to say about a node; `None` for leaves.
    pub(crate) fn card(&self, id: u32) -> Option<Card> {
        let inner = self.inner.borrow();
        let node = inner.nodes.get(id as usize)?;
        let Kind::Op(op) = &node.kind else { return None };
        let same_shape = node.inputs.len() == 1 && inner.nodes[node.inputs[0] as usize].shape == node.shape;
        Some(Card {
            op: op.name().to_string(),
            equation: inner.equation(id),
            location: node.location,
            scope: inner.scope_of(id),
            differentiable: op.is_differentiable(),
            identity: op.is_view() && same_shape,
        })
    }

    /// The ops on the ways from some nodes to others, in the order of the tape; derivatives may pass or not.
    pub(crate) fn ops_between(&self, from: &[Var<'_, T>], to: &[Var<'_, T>]) -> Vec<u32> {
        let inner = self.inner.borrow();
        let count = inner.nodes.len();
        let (mut above, mut below) = (vec![false; count], vec![false; count]);
        from.iter().for_each(|var| above[var.id as usize] = true);
        to.iter().for_each(|var| below[var.id as usize] = true);
        for id in 0..count {
            above[id] |= inner.nodes[id].inputs.iter().any(|&input| above[input as usize]);
        }
        for id in (0..count).rev() {
            if below[id] {
                inner.nodes[id].inputs.iter().for_each(|&input| below[input as usize] = true);
            }
        }
        let is_op = |id: usize| matches!(inner.nodes[id].kind, Kind::Op(_));
        (0..count).filter(|&id| above[id] && below[id] && is_op(id)).map(|id| id as u32).collect()
    }

    /// Which operands of a node depend on a differentiable leaf.
    pub(crate) fn active_operands(&self, id: u32) -> Vec<bool> {
        let inner = self.inner.borrow();
        let active = |&input: &u32| inner.nodes[input as usize].active;
        inner.nodes[id as usize].inputs.iter().map(active).collect()
    }

    /// The value of a node.
    pub(crate) fn node_value(&self, id: u32) -> Result<Tensor<T>> {
        Var { tape: self, id }.value()
    }

    /// The values that the kernel of a node read, an operand each; of an operand read through, what lies behind it.
    /// Indices are empty.
    pub(crate) fn operand_values(&self, id: u32) -> Result<Vec<Tensor<T>>> {
        let sources: Vec<u32> = self.sources(id).iter().map(|source| source.0).collect();
        let is_indices = |id: u32| matches!(self.inner.borrow().nodes[id as usize].kind, Kind::Indices(_));
        let value = |&id: &u32| match is_indices(id) {
            true => Ok(Tensor::zeros([0])),
            false => Var { tape: self, id }.value(),
        };
        sources.iter().map(value).collect()
    }

    /// For each operand the node that its value comes from, and whether that lies behind the operand.
    fn sources(&self, id: u32) -> SmallVec<[(u32, bool); 4]> {
        let inner = self.inner.borrow();
        let node = &inner.nodes[id as usize];
        let Kind::Op(op) = &node.kind else { return SmallVec::new() };
        let source = |(operand, &input): (usize, &u32)| match op.reads_through(operand) {
            true => (inner.nodes[input as usize].inputs[0], true),
            false => (input, false),
        };
        node.inputs.iter().enumerate().map(source).collect()
    }

    /// Records one node of this tape alone on another, over leaves of the given values: those leaves, and the node.
    /// Leaves that are not wanted are constants.
    pub(crate) fn replica<'n>(
        &self,
        id: u32,
        fresh: &'n Tape<T>,
        values: &[Tensor<T>],
        wanted: &[bool],
    ) -> Result<(Vec<Var<'n, T>>, Var<'n, T>)> {
        let (mut leaves, mut operands) = (vec![], vec![]);
        for (operand, &(source, behind)) in self.sources(id).iter().enumerate() {
            let kind = self.inner.borrow().nodes[source as usize].kind.clone();
            let leaf = match kind {
                Kind::Indices(indices) => fresh.indices(indices),
                _ if wanted[operand] => fresh.input(&values[operand]),
                // Recorded as it was: a pullback may look at numbers.
                Kind::Scalar(value) => fresh.scalar(value),
                _ => fresh.constant(&values[operand]),
            };
            leaves.push(leaf);
            operands.push(match behind {
                true => {
                    let view = self.inner.borrow().nodes[id as usize].inputs[operand];
                    self.again(view, fresh, &[leaf])?
                }
                false => leaf,
            });
        }
        let node = self.again(id, fresh, &operands)?;
        fresh.first_error()?;
        Ok((leaves, node))
    }

    /// The op of a node, recorded over other operands.
    fn again<'n>(&self, id: u32, fresh: &'n Tape<T>, operands: &[Var<'n, T>]) -> Result<Var<'n, T>> {
        let kind = self.inner.borrow().nodes[id as usize].kind.clone();
        match kind {
            Kind::Op(op) => Ok(fresh.record(op, operands)),
            _ => Err(Error::new(ErrorKind::Argument, format!("node %{id} is a leaf"))),
        }
    }

    /// Records this tape up to a node again on another, with other values for some leaves; where `skip` says so, a node
    /// is passed over, as if it were its first operand. Returns those leaves and the node.
    pub(crate) fn retrace<'n>(
        &self,
        output: Var<'_, T>,
        fresh: &'n Tape<T>,
        leaves: &[Var<'_, T>],
        values: &[Tensor<T>],
        skip: &[u32],
    ) -> Result<(Vec<Var<'n, T>>, Var<'n, T>)> {
        let mut copies: Vec<Var<'n, T>> = Vec::with_capacity(output.id as usize + 1);
        let last = leaves.iter().map(|leaf| leaf.id).fold(output.id, u32::max);
        for id in 0..=last {
            let (kind, inputs, value) = {
                let inner = self.inner.borrow();
                let node = &inner.nodes[id as usize];
                (node.kind.clone(), node.inputs.clone(), inner.values[id as usize].clone())
            };
            let value = || value.unwrap_or_else(|| Tensor::zeros([0]));
            let given = leaves.iter().position(|leaf| leaf.id == id);
            copies.push(match kind {
                _ if given.is_some() => fresh.input(&values[given.unwrap_or(0)]),
                Kind::Op(_) if skip.contains(&id) => copies[inputs[0] as usize],
                Kind::Op(op) => {
                    let operands: Vec<Var<'n, T>> = inputs.iter().map(|&input| copies[input as usize]).collect();
                    fresh.record(op, &operands)
                }
                Kind::Scalar(value) => fresh.scalar(value),
                Kind::Indices(indices) => fresh.indices(indices),
                Kind::Input | Kind::Parameter(_) => fresh.input(value()),
                Kind::Constant => fresh.constant(value()),
            });
        }
        fresh.first_error()?;
        Ok((leaves.iter().map(|leaf| copies[leaf.id as usize]).collect(), copies[output.id as usize]))
    }

    /// The first node without a derivative on the ways from a leaf to an output, as a card.
    pub(crate) fn cut(&self, leaf: Var<'_, T>, output: Var<'_, T>) -> Option<Card> {
        let between = self.ops_between(&[leaf], &[output]);
        between.into_iter().filter_map(|id| self.card(id)).find(|card| !card.differentiable)
    }

    /// Whether a node is an operand of another.
    pub(crate) fn is_used(&self, leaf: Var<'_, T>) -> bool {
        self.inner.borrow().nodes.iter().any(|node| node.inputs.contains(&leaf.id))
    }
}
