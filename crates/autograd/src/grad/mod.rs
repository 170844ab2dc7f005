//! Differentiation: one reverse sweep over the tape, which records the pullbacks as ordinary nodes. Names no op.

mod altered;
mod gradients;
mod krylov;
mod local;
mod region;
mod replay;
mod swept;
pub mod transform;

use std::panic::Location;
use std::rc::Rc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::module::ParamId;
use crate::tape::node::Kind;
use crate::tape::op::{Call, OpRef, Pullback};
use crate::tape::var::{POISONED, Var};
use crate::tape::{Mode, Tape};
pub use gradients::Gradients;
use gradients::Recorded;
pub use replay::{Batch, Part, Replay};
use swept::Place;

/// Which nodes pass a cotangent on: those that depend on a target.
struct Reach {
    first: usize,
    reached: Vec<bool>,
}

impl Reach {
    fn of<T: Element>(tape: &Tape<T>, output: u32, targets: &[u32]) -> Reach {
        let inner = tape.inner.borrow();
        let first = targets.iter().copied().min().unwrap_or(output).min(output) as usize;
        let mut reached = vec![false; output as usize + 1 - first];
        for &target in targets.iter().filter(|&&target| target <= output) {
            reached[target as usize - first] = true;
        }
        for id in first..=output as usize {
            if let Kind::Op(op) = &inner.nodes[id].kind {
                let depends = |&input: &u32| input as usize >= first && reached[input as usize - first];
                reached[id - first] |= op.is_differentiable() && inner.nodes[id].inputs.iter().any(depends);
            }
        }
        Reach { first, reached }
    }

    fn contains(&self, id: u32) -> bool {
        (id as usize).checked_sub(self.first).is_some_and(|i| self.reached.get(i) == Some(&true))
    }
}

/// The cotangents of nodes, as they are added up.
struct Cotangents<'t, T: Element> {
    tape: &'t Tape<T>,
    first: usize,
    ids: Vec<u32>,
    /// Contributions that are parts, which are put together when all are there.
    parts: FxHashMap<u32, SmallVec<[Var<'t, T>; 8]>>,
}

impl<'t, T: Element> Cotangents<'t, T> {
    fn get(&self, id: u32) -> Option<Var<'t, T>> {
        let id = *self.ids.get((id as usize).checked_sub(self.first)?)?;
        (id != POISONED).then_some(Var { tape: self.tape, id })
    }

    /// Moves the first contribution in, adds later ones; parts wait for the others.
    #[track_caller]
    fn add(&mut self, id: u32, contribution: Var<'t, T>) {
        if self.tape.is_part(contribution) {
            self.parts.entry(id).or_default().push(contribution);
        } else {
            self.add_whole(id, contribution);
        }
    }

    /// Adds up what has waited for a node.
    #[track_caller]
    fn settle(&mut self, id: u32) {
        if self.parts.is_empty() {
            return;
        }
        let Some(parts) = self.parts.remove(&id) else { return };
        match self.tape.assembled(&parts) {
            Some(whole) => self.add_whole(id, whole),
            None => parts.into_iter().for_each(|part| self.add_whole(id, part)),
        }
    }

    #[track_caller]
    fn add_whole(&mut self, id: u32, contribution: Var<'t, T>) {
        let sum = match self.get(id) {
            None => contribution,
            Some(before) => before + contribution,
        };
        self.ids[id as usize - self.first] = sum.id;
    }
}

/// What gives the contributions of a node.
type Rule<'a, 't, T> = dyn FnMut(&OpRef<T>, &Call<'t, T>) -> Pullback<'t, T> + 'a;

/// The reverse sweep: the cotangents of everything between the output and the targets. `None` after a mistake.
#[track_caller]
fn sweep<'t, T: Element>(output: Var<'t, T>, seed: Var<'t, T>, targets: &[u32]) -> Option<Cotangents<'t, T>> {
    sweep_by(output, seed, targets, &mut |op, call| op.pullback(call))
}

/// The reverse sweep by a rule.
#[track_caller]
fn sweep_by<'t, T: Element>(
    output: Var<'t, T>,
    seed: Var<'t, T>,
    targets: &[u32],
    rule: &mut Rule<'_, 't, T>,
) -> Option<Cotangents<'t, T>> {
    let tape = output.tape;
    let reach = Reach::of(tape, output.id, targets);
    let reached = |id| reach.contains(id);
    let ids = vec![POISONED; output.id as usize + 1 - reach.first];
    let mut cotangents = Cotangents { tape, first: reach.first, ids, parts: FxHashMap::default() };
    cotangents.add(output.id, seed);
    for id in (reach.first as u32..=output.id).rev() {
        tape.on_behalf_of(id, || cotangents.settle(id));
        let Some(cotangent) = cotangents.get(id).filter(|_| reach.contains(id)) else { continue };
        let Some((op, call)) = call_of(tape, id, cotangent, reached) else { continue };
        let mut add = |id, contribution| cotangents.add(id, contribution);
        let passed = tape.on_behalf_of(id, || pull_back(&op, &call, &mut add, rule));
        if !passed {
            return None;
        }
    }
    Some(cotangents)
}

/// What the pullback of a node is given; `None` for leaves.
fn call_of<'t, T: Element>(
    tape: &'t Tape<T>,
    id: u32,
    cotangent: Var<'t, T>,
    reached: impl Fn(u32) -> bool,
) -> Option<(OpRef<T>, Call<'t, T>)> {
    let inner = tape.inner.borrow();
    let node = &inner.nodes[id as usize];
    let Kind::Op(op) = &node.kind else { return None };
    let wanted: SmallVec<[bool; 4]> = node.inputs.iter().map(|&input| reached(input)).collect();
    if !wanted.contains(&true) || !op.is_differentiable() {
        return None;
    }
    let inputs = node.inputs.iter().map(|&id| Var { tape, id }).collect();
    Some((op.clone(), Call { inputs, output: Var { tape, id }, cotangent, wanted }))
}

/// Records the contributions of one node. Whether all went well.
#[track_caller]
fn pull_back<'t, T: Element>(
    op: &OpRef<T>,
    call: &Call<'t, T>,
    add: &mut dyn FnMut(u32, Var<'t, T>),
    rule: &mut Rule<'_, 't, T>,
) -> bool {
    let tape = call.output.tape;
    let Some(contributions) = rule(op, call).0 else {
        let message = "the op has no pullback, so nothing can be differentiated through it";
        let hint = "return the contributions from its pullback, or cut it off with detach()";
        tape.fail(Error::new(ErrorKind::Gradient, message).op(op.name()).hint(hint));
        return false;
    };
    if contributions.len() != call.inputs.len() {
        let message =
            format!("its pullback returned {} contributions for {} inputs", contributions.len(), call.inputs.len());
        tape.fail(Error::new(ErrorKind::Gradient, message).op(op.name()));
        return false;
    }
    for (i, contribution) in contributions.into_iter().enumerate() {
        let Some(contribution) = contribution.filter(|_| call.wanted[i]) else { continue };
        if contribution.is_poisoned() {
            return false;
        }
        let (shape, given) = (call.inputs[i].shape(), contribution.shape());
        if shape.broadcast(&given).as_ref() != Some(&given) {
            let message =
                format!("its pullback returned a contribution of shape {given} to input {i} of shape {shape}");
            tape.fail(Error::new(ErrorKind::Gradient, message).op(op.name()));
            return false;
        }
        add(call.inputs[i].id, contribution.sum_to(&shape));
    }
    true
}

impl<'t, T: Element> Var<'t, T> {
    /// `∂self/∂target` for each target, for a `self` of one element: `Var`s on the same tape, so they can be
    /// differentiated again.
    ///
    /// # Errors
    /// Kept on the tape: `self` has more than one element; a target is constant, frozen or detached; a target is not
    /// reached.
    ///
    /// ```
    /// use wengert_autograd::Tape;
    /// let tape = Tape::new();
    /// let x = tape.input(wengert_autograd::Tensor::scalar(2.0));
    /// let y = x * x * x;
    /// let [gx] = y.grad([x]);                  // 3 x^2
    /// let [ggx] = gx.grad([x]);                // 6 x
    /// assert_eq!((gx.item()?, ggx.item()?), (12.0, 12.0));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn grad<const N: usize>(self, targets: [Var<'t, T>; N]) -> [Var<'t, T>; N] {
        fixed(self, self.gradients(&targets))
    }

    /// `cotangentᵀ ∂self/∂target` for each target: the vector-Jacobian product, for a `self` of any shape.
    ///
    /// The cotangent has the shape of `self`, or one that broadcasts to it.
    ///
    /// # Errors
    /// Kept on the tape: the cotangent's shape does not fit; a target is constant, frozen or detached; a target is not
    /// reached.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0]));
    /// let y = x * x;
    /// let [g] = y.vjp(tape.constant(Tensor::from([10.0, 1.0])), [x]);
    /// assert_eq!(g.value()?.as_slice(), [20.0, 4.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn vjp<const N: usize>(self, cotangent: Var<'t, T>, targets: [Var<'t, T>; N]) -> [Var<'t, T>; N] {
        let (shape, given) = (self.shape(), cotangent.shape());
        let earlier = self.is_poisoned() || cotangent.is_poisoned();
        if !earlier && shape.broadcast(&given).as_ref() != Some(&shape) {
            let message = format!("the cotangent has shape {given}, the output {shape}");
            let hint = "the cotangent has the output's shape, or one that broadcasts to it";
            return [self.tape.fail(Error::new(ErrorKind::Shape, message).op("vjp").hint(hint)); N];
        }
        fixed(self, self.pull("vjp", cotangent.expand(shape), &targets))
    }

    /// The gradients of all parameters and inputs that the loss reaches; forward and backward run as one plan.
    ///
    /// What the forward pass wants to change (running statistics) comes back with them.
    ///
    /// # Errors
    /// The first mistake recorded on the tape; a loss of more than one element; a loss that no parameter or input
    /// reaches; an inference tape; with `check_finite`, the first NaN or infinity.
    ///
    /// ```
    /// use wengert_autograd::{Param, Tape, Tensor};
    /// let weight = Param::new(Tensor::from([1.0, 2.0]));
    /// let tape = Tape::new();
    /// let loss = tape.param(&weight).square().sum();
    /// let gradients = loss.backward()?;
    /// assert_eq!(gradients.get(&weight).unwrap().as_slice(), [2.0, 4.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn backward(self) -> Result<Gradients<T>> {
        let recorded = self.record_backward()?;
        Gradients::run(self, &recorded)
    }

    /// Records the backward pass and runs nothing; where it was recorded at this place last time, it is taken up as it was.
    #[track_caller]
    fn record_backward(self) -> Result<Rc<Recorded>> {
        self.tape.first_error()?;
        let place = Place::of(self, Location::caller());
        if let Some(recorded) = place.recorded_before(self.tape) {
            return Ok(recorded);
        }
        let before = self.tape.marks();
        let recorded = Rc::new(self.record_sweep()?);
        place.remember(self.tape, before, &recorded);
        Ok(recorded)
    }

    #[track_caller]
    fn record_sweep(self) -> Result<Recorded> {
        let tape = self.tape;
        let seed = self.scalar_seed("backward");
        tape.first_error()?;
        let leaves = tape.leaves_below(self.id);
        if leaves.is_empty() {
            let message = "the loss depends on no parameter and no input";
            let hint =
                "make leaves with tape.param(..) or tape.input(..); constants and detached values have no gradient";
            tape.fail(Error::new(ErrorKind::Gradient, message).op("backward").hint(hint));
        }
        let cotangents = seed.and_then(|seed| sweep(self, seed, &leaves));
        tape.first_error()?;
        let mut outputs = SmallVec::from_slice(&[self.id]);
        for &leaf in &leaves {
            let gradient = cotangents.as_ref().and_then(|cotangents| cotangents.get(leaf));
            // Every derivative on the way may be zero: then so is the gradient.
            let zero = || tape.scalar(T::of(0.0)).expand(Var { tape, id: leaf }.shape());
            outputs.push(gradient.unwrap_or_else(zero).id);
        }
        let inner = tape.inner.borrow();
        outputs.extend(inner.updates.iter().map(|update| update.1));
        Ok(Recorded { outputs, leaves, updates: inner.updates.iter().map(|update| update.0).collect() })
    }

    /// The vjp for any number of targets.
    #[track_caller]
    pub(crate) fn pull(self, op: &str, seed: Var<'t, T>, targets: &[Var<'t, T>]) -> Option<Vec<Var<'t, T>>> {
        let ids: SmallVec<[u32; 8]> = self.check_targets(op, seed, targets)?;
        let cotangents = sweep(self, seed, &ids)?;
        let reach = Reach::of(self.tape, self.id, &ids);
        let mut all = Vec::with_capacity(ids.len());
        for (position, &id) in ids.iter().enumerate() {
            all.push(match cotangents.get(id) {
                Some(cotangent) => cotangent,
                // On the way, but every derivative on it is zero.
                None if self.depends_on(&reach, id, &ids) => {
                    self.tape.scalar(T::of(0.0)).expand(targets[position].shape())
                }
                None => {
                    self.tape.fail(unreached(self, targets[position]).op(op));
                    return None;
                }
            });
        }
        Some(all)
    }

    /// Whether `self` depends on one target, derivatives being zero or not.
    fn depends_on(self, reach: &Reach, target: u32, targets: &[u32]) -> bool {
        match targets {
            [_] => reach.contains(self.id),
            _ => Reach::of(self.tape, self.id, &[target]).contains(self.id),
        }
    }

    #[track_caller]
    fn check_targets(self, op: &str, seed: Var<'t, T>, targets: &[Var<'t, T>]) -> Option<SmallVec<[u32; 8]>> {
        if let Some(poisoned) = [self, seed].iter().chain(targets).find(|var| var.is_poisoned()) {
            // A mistake made on another tape is one of this tape from now on.
            if let Err(error) = poisoned.tape.first_error() {
                self.tape.fail(error);
            }
            return None;
        }
        if self.refuses_gradients(op) {
            return None;
        }
        if targets.iter().chain([&seed]).any(|target| !std::ptr::eq(self.tape, target.tape)) {
            let message = "the output and the targets are recorded on two different tapes";
            self.tape.fail(Error::new(ErrorKind::Tape, message).op(op));
            return None;
        }
        if let Some(constant) = targets.iter().find(|target| !target.is_active()) {
            self.tape.fail(not_differentiable(*constant).op(op));
            return None;
        }
        if let Some(hidden) = targets.iter().find(|target| self.looks_into_checkpoint(**target)) {
            self.tape.fail(recomputed(*hidden).op(op));
            return None;
        }
        Some(targets.iter().map(|target| target.id).collect())
    }

    /// Whether a target was recorded in a checkpoint that `self` lies outside of: its values are dropped, and the pullback
    /// passes it by.
    fn looks_into_checkpoint(self, target: Var<'t, T>) -> bool {
        let inner = self.tape.inner.borrow();
        let wanted = inner.nodes[target.id as usize].checkpoint;
        if wanted == 0
            || inner.checkpoints[wanted as usize - 1].again
            || !matches!(inner.nodes[target.id as usize].kind, Kind::Op(_))
        {
            return false;
        }
        let mut around = inner.nodes[self.id as usize].checkpoint;
        while around != 0 && around != wanted {
            around = inner.checkpoints[around as usize - 1].outer;
        }
        around != wanted
    }

    /// Whether it is a differentiable leaf, or depends on one.
    fn is_active(self) -> bool {
        self.tape.inner.borrow().nodes[self.id as usize].active
    }

    /// Keeps an error where the tape is for inference.
    #[track_caller]
    fn refuses_gradients(self, op: &str) -> bool {
        let refuses = self.tape.mode == Mode::Inference;
        if refuses {
            let message = "gradients were asked of an inference tape";
            let hint = "record on Tape::new() or Tape::training(seed)";
            self.tape.fail(Error::new(ErrorKind::Gradient, message).op(op).hint(hint));
        }
        refuses
    }

    /// The cotangent 1 of an output of one element.
    #[track_caller]
    fn scalar_seed(self, op: &str) -> Option<Var<'t, T>> {
        if self.is_poisoned() || self.refuses_gradients(op) {
            return None;
        }
        let shape = self.shape();
        if shape.volume() != 1 {
            let message = format!("one element needed, the output has shape {shape}");
            let hint = "reduce it first, for example with mean() or sum(), or use vjp with a cotangent";
            self.tape.fail(Error::new(ErrorKind::Gradient, message).op(op).hint(hint));
            return None;
        }
        Some(self.tape.scalar(T::of(1.0)).expand(shape))
    }
}

impl<T: Element> Tape<T> {
    /// The differentiable leaves recorded before a node that it depends on.
    fn leaves_below(&self, output: u32) -> SmallVec<[u32; 8]> {
        let inner = self.inner.borrow();
        let Some(last) = inner.nodes.get(output as usize).map(|_| output as usize) else { return SmallVec::new() };
        let mut below = vec![false; last + 1];
        below[last] = true;
        let mut leaves = SmallVec::new();
        for id in (0..=last).rev().filter(|&id| inner.nodes[id].active) {
            if !std::mem::take(&mut below[id]) {
                continue;
            }
            match &inner.nodes[id].kind {
                Kind::Op(_) => inner.nodes[id].inputs.iter().for_each(|&input| below[input as usize] = true),
                _ => leaves.push(id as u32),
            }
        }
        leaves.reverse();
        leaves
    }

    /// The parameters recorded on the tape, each with its node.
    fn recorded_parameters(&self) -> Vec<(ParamId, u32)> {
        self.inner.borrow().parameters.iter().map(|(&parameter, &node)| (parameter, node)).collect()
    }
}

/// The mistake of a target that is constant, or cut off.
fn not_differentiable<T: Element>(target: Var<'_, T>) -> Error {
    let inner = target.tape.inner.borrow();
    let location = inner.nodes[target.id as usize].location;
    let message = format!("{} (recorded at {location}) is not differentiable", inner.equation(target.id));
    let hint =
        "constants, frozen parameters and detached values have no gradient; tape.input(..) makes a leaf that has";
    Error::new(ErrorKind::Gradient, message).hint(hint)
}

/// The mistake of a target inside a checkpoint.
fn recomputed<T: Element>(target: Var<'_, T>) -> Error {
    let inner = target.tape.inner.borrow();
    let location = inner.nodes[target.id as usize].location;
    let message = format!("{} (recorded at {location}) lies inside a checkpoint", inner.equation(target.id));
    let hint = "it is computed again in the backward pass; make it an input or the result of the checkpoint";
    Error::new(ErrorKind::Gradient, message).hint(hint)
}

/// The mistake of a target that the output does not depend on.
fn unreached<T: Element>(output: Var<'_, T>, target: Var<'_, T>) -> Error {
    let inner = output.tape.inner.borrow();
    let message = format!(
        "{} does not depend on {} (recorded at {})",
        inner.equation(output.id),
        inner.equation(target.id),
        inner.nodes[target.id as usize].location
    );
    let hint = "was it used in the formula, or cut off by detach() or by an op without a derivative?";
    Error::new(ErrorKind::Unreached, message).hint(hint)
}

fn poisoned<T: Element>(tape: &Tape<T>) -> Var<'_, T> {
    Var { tape, id: POISONED }
}

fn fixed<'t, T: Element, const N: usize>(output: Var<'t, T>, vars: Option<Vec<Var<'t, T>>>) -> [Var<'t, T>; N] {
    vars.and_then(|vars| vars.try_into().ok()).unwrap_or([poisoned(output.tape); N])
}
