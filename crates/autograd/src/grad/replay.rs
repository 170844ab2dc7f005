//! A training step recorded once: loss and gradients as one plan over fixed memory, run again with other values.

use std::panic::Location;
use std::rc::Rc;

use smallvec::SmallVec;

use super::gradients::{Gradients, Recorded};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::lists::emptied;
use crate::kernels::number::Element;
use crate::module::{Module, ParamId, Path};
use crate::run::{Bound, Prepared};
use crate::tape::node::Kind;
use crate::tape::var::Var;
use crate::tape::{Inner, Tape};
use crate::tensor::{IndexTensor, Shape, Tensor};

/// A tensor of a batch.
#[derive(Clone, Copy, Debug)]
pub enum Part<'b, T: Element = f32> {
    /// Numbers: what `tape.constant` or `tape.input` is given.
    Tensor(&'b Tensor<T>),
    /// Labels or indices.
    Indices(&'b IndexTensor),
}

/// What changes from step to step: tensors in a fixed order.
///
/// Implemented for tensors, indices, references, tuples of up to four batches, slices and arrays.
pub trait Batch<T: Element = f32> {
    /// Shows each tensor, in the same order every time.
    fn parts<'b>(&'b self, visit: &mut dyn FnMut(Part<'b, T>));
}

impl<T: Element> Batch<T> for Tensor<T> {
    fn parts<'b>(&'b self, visit: &mut dyn FnMut(Part<'b, T>)) {
        visit(Part::Tensor(self));
    }
}

impl<T: Element> Batch<T> for IndexTensor {
    fn parts<'b>(&'b self, visit: &mut dyn FnMut(Part<'b, T>)) {
        visit(Part::Indices(self));
    }
}

impl<T: Element> Batch<T> for () {
    fn parts<'b>(&'b self, _: &mut dyn FnMut(Part<'b, T>)) {}
}

impl<T: Element, B: Batch<T> + ?Sized> Batch<T> for &B {
    fn parts<'b>(&'b self, visit: &mut dyn FnMut(Part<'b, T>)) {
        (**self).parts(visit);
    }
}

impl<T: Element, B: Batch<T>> Batch<T> for [B] {
    fn parts<'b>(&'b self, visit: &mut dyn FnMut(Part<'b, T>)) {
        self.iter().for_each(|part| part.parts(visit));
    }
}

impl<T: Element, B: Batch<T>, const N: usize> Batch<T> for [B; N] {
    fn parts<'b>(&'b self, visit: &mut dyn FnMut(Part<'b, T>)) {
        self.as_slice().parts(visit);
    }
}

macro_rules! tuples {
    ($(($($name:ident $place:tt),+))*) => {
        $(impl<T: Element, $($name: Batch<T>),+> Batch<T> for ($($name,)+) {
            fn parts<'b>(&'b self, visit: &mut dyn FnMut(Part<'b, T>)) {
                $(self.$place.parts(visit);)+
            }
        })*
    };
}
tuples! { (A 0) (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) }

impl<'b, T: Element> Part<'b, T> {
    fn shape(&self) -> &'b Shape {
        match self {
            Part::Tensor(tensor) => tensor.shape(),
            Part::Indices(indices) => indices.shape(),
        }
    }

    /// Whether both are the same memory.
    fn same(&self, other: &Part<'_, T>) -> bool {
        match (self, other) {
            (Part::Tensor(a), Part::Tensor(b)) => a.storage().same(b.storage()),
            (Part::Indices(a), Part::Indices(b)) => a.same(b),
            _ => false,
        }
    }

    /// Whether a leaf was made of it.
    fn is_in(&self, inner: &Inner<T>, node: usize) -> bool {
        match (self, &inner.nodes[node].kind, &inner.values[node]) {
            (Part::Indices(own), Kind::Indices(kept), _) => own.same(kept),
            (Part::Tensor(own), Kind::Input | Kind::Constant, Some(kept)) => own.storage().same(kept.storage()),
            _ => false,
        }
    }
}

fn parts_of<'b, T: Element>(batch: &'b (impl Batch<T> + ?Sized)) -> SmallVec<[Part<'b, T>; 4]> {
    let mut parts = SmallVec::new();
    batch.parts(&mut |part| parts.push(part));
    parts
}

/// Where a part of the batch lies on the tape.
#[derive(Debug)]
struct Slot {
    shape: Shape,
    /// The leaves that were made of it; several where it was reshaped.
    leaves: SmallVec<[u32; 2]>,
    /// The first part that was the same memory when the step was recorded.
    alias: usize,
}

/// Loss and gradients of a step, recorded once and run with other batches and parameters. `Program` of the crate of
/// optimisers is the whole step.
///
/// Running it again records nothing, plans nothing, and computes bit for bit what recording anew would.
///
/// ```
/// use wengert_autograd::{Param, Replay, Tape, Tensor};
/// let weight = Param::new(Tensor::from([1.0, 2.0]));
/// let mut replay = Replay::record(Tape::new(), &Tensor::from([3.0, 1.0]), |tape, x| {
///     Ok(tape.param(&weight).dot(tape.constant(x)).square())
/// })?;
/// assert_eq!(replay.run(&weight, &Tensor::from([1.0, 1.0]), 0)?, 9.0);          // (1 · 1 + 2 · 1)²
/// assert_eq!(replay.gradients().get(&weight).unwrap().to_vec(), [6.0, 6.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub struct Replay<T: Element = f32> {
    tape: Tape<T>,
    prepared: Prepared<T>,
    recorded: Rc<Recorded>,
    slots: Vec<Slot>,
    /// By identity, ascending.
    parameters: Vec<Bindable>,
    gradients: Gradients<T>,
    /// For each output whether it lies in memory of its own.
    alone: Vec<bool>,
    /// The memory of the walk's path.
    path: Path,
    /// Memory for the values of a model's parameters.
    bound: Vec<(u32, &'static [T])>,
}

/// A parameter that was recorded.
#[derive(Debug)]
struct Bindable {
    parameter: ParamId,
    shape: Shape,
    trained: bool,
    /// Its place in the plan, if it is needed.
    place: Option<u32>,
}

impl<T: Element> Replay<T> {
    /// Records a step on a tape, which is empty. What is made of the tensors of the batch by `tape.constant` and
    /// `tape.input`, or of its indices, will be those of the batch of each run.
    ///
    /// # Errors
    /// The first mistake recorded; a value asked for other than by [`decide`](Var::decide); what
    /// [`backward`](Var::backward) refuses; memory that cannot be had, or that the tape's limit forbids.
    #[track_caller]
    pub fn record<B: Batch<T> + ?Sized>(
        tape: Tape<T>,
        batch: &B,
        loss: impl for<'t> FnOnce(&'t Tape<T>, &B) -> Result<Var<'t, T>>,
    ) -> Result<Self> {
        tape.replayed.set(true);
        let recorded = loss(&tape, batch)?.record_backward()?;
        tape.replayed.set(false);
        tape.forget_results();
        let parts = parts_of(batch);
        let inner = tape.inner.borrow();
        let slots = parts.iter().map(|part| Slot {
            shape: part.shape().clone(),
            leaves: (0..inner.nodes.len()).filter(|&node| part.is_in(&inner, node)).map(|node| node as u32).collect(),
            alias: parts.iter().position(|earlier| earlier.same(part)).unwrap_or(0),
        });
        let slots = slots.collect();
        let mut leaves: Vec<(ParamId, u32)> = inner.parameters.iter().map(|(&id, &node)| (id, node)).collect();
        leaves.sort_unstable();
        let decisions = inner.decisions.iter().map(|decision| decision.0);
        let outputs: SmallVec<[u32; 32]> = recorded.outputs.iter().copied().chain(decisions).collect();
        drop(inner);
        let prepared = tape.prepare(&outputs)?;
        let mut inner = tape.inner.borrow_mut();
        let bindable = |&(parameter, node): &(ParamId, u32)| {
            let leaf = &inner.nodes[node as usize];
            Bindable { parameter, shape: leaf.shape.clone(), trained: leaf.active, place: prepared.place_of(node) }
        };
        let parameters = leaves.iter().map(bindable).collect();
        // The model may write them in place.
        leaves.iter().for_each(|&(_, node)| inner.values[node as usize] = None);
        drop(inner);
        Ok(Replay {
            alone: (0..outputs.len()).map(|output| prepared.is_alone(output)).collect(),
            prepared,
            recorded,
            slots,
            parameters,
            gradients: Gradients::default(),
            path: Path::default(),
            bound: Vec::new(),
            tape,
        })
    }

    /// Whether a batch has the shapes of the recorded one.
    pub fn fits(&self, batch: &(impl Batch<T> + ?Sized)) -> bool {
        self.misfit(&parts_of(batch)).is_none()
    }

    /// The gradients of the last run.
    pub fn gradients(&self) -> &Gradients<T> {
        &self.gradients
    }

    /// Loss and gradients at the present values of the model's parameters. The seed is that of a training tape.
    ///
    /// # Errors
    /// [`ErrorKind::Replay`]: the batch has other shapes than the recorded one; a decision comes out otherwise; a
    /// parameter that was recorded is not the model's. Mistakes of the computation, as an index out of range.
    pub fn run(&mut self, model: &(impl Module<T> + ?Sized), batch: &(impl Batch<T> + ?Sized), seed: u64) -> Result<T> {
        let parts = parts_of(batch);
        if let Some(misfit) = self.misfit(&parts) {
            let hint = "record a program for each shape, or let it record again";
            return Err(Error::new(ErrorKind::Replay, misfit).op("replay").hint(hint));
        }
        self.bind_batch(&parts);
        let mut bound = emptied(std::mem::take(&mut self.bound));
        let loss = self.bind_parameters(model, &mut bound).and_then(|()| self.compute(&bound, seed));
        self.bound = emptied(bound);
        if loss.is_err() {
            self.gradients.release();
        }
        loss
    }

    /// Runs on the values of the parameters, and writes the gradients where they lie.
    fn compute(&mut self, bound: &Bound<'_, T>, seed: u64) -> Result<T> {
        let Replay { tape, prepared, recorded, gradients, alone, .. } = self;
        let (first, exchanged) = (gradients.is_released(), alone.contains(&true));
        let exchange = |gradients: &mut Gradients<T>, prepared: &mut Prepared<T>| {
            if !exchanged {
                return;
            }
            gradients.targets(tape, recorded, |output, tensor| {
                if alone[output] {
                    prepared.exchange(output, tensor);
                }
            });
        };
        exchange(gradients, prepared);
        let done = tape.run_prepared(prepared, bound, seed);
        if first && done.is_ok() {
            let inner = tape.inner.borrow();
            let mut outputs = recorded.outputs.iter().zip(&*alone).skip(1);
            gradients.fill(tape, recorded, || {
                let (&node, &alone) = outputs.next()?;
                let shape = &inner.nodes[node as usize].shape;
                Some(if alone { Tensor::without_memory(shape.clone()) } else { Tensor::zeros(shape) })
            });
        }
        exchange(gradients, prepared);
        done?;
        self.check_decisions(bound)?;
        let Replay { tape, prepared, recorded, gradients, alone, .. } = self;
        let inner = tape.inner.borrow();
        gradients.targets(tape, recorded, |output, tensor| {
            if !alone[output] {
                tensor.as_mut_slice().copy_from_slice(prepared.elements(&inner, bound, output));
            }
        });
        match prepared.elements(&inner, bound, 0) {
            &[loss] => Ok(loss),
            // `backward` has refused any other.
            _ => Err(Error::new(ErrorKind::Replay, "the loss has not one element").op("replay")),
        }
    }

    /// What is wrong with a batch.
    fn misfit(&self, parts: &[Part<'_, T>]) -> Option<String> {
        if parts.len() != self.slots.len() {
            return Some(format!("the batch has {} parts, the recorded one had {}", parts.len(), self.slots.len()));
        }
        parts.iter().zip(&self.slots).enumerate().find_map(|(i, (part, slot))| {
            let (shape, alias) = (part.shape(), slot.alias);
            if *shape != slot.shape {
                return Some(format!("part {i} of the batch has shape {shape}, the recorded one had {}", slot.shape));
            }
            let parted = alias != i && !part.same(&parts[alias]);
            parted.then(|| {
                format!("parts {alias} and {i} of the batch were one tensor in the recorded step, and now are two")
            })
        })
    }

    fn bind_batch(&self, parts: &[Part<'_, T>]) {
        let inner = &mut *self.tape.inner.borrow_mut();
        for (part, slot) in parts.iter().zip(&self.slots) {
            for &leaf in &slot.leaves {
                if part.is_in(inner, leaf as usize) {
                    continue;
                }
                let (node, value) = (&mut inner.nodes[leaf as usize], &mut inner.values[leaf as usize]);
                match (part, &mut node.kind) {
                    (Part::Tensor(tensor), _) => {
                        *value = Some(Tensor::of_storage(node.shape.clone(), tensor.storage().clone()));
                    }
                    (Part::Indices(indices), Kind::Indices(kept)) => kept.refill(indices),
                    _ => {}
                }
            }
        }
    }

    /// Lists the values of the model's parameters. They are borrowed, not shared.
    fn bind_parameters<'m>(
        &mut self,
        model: &'m (impl Module<T> + ?Sized),
        bound: &mut Vec<(u32, &'m [T])>,
    ) -> Result<()> {
        let Replay { parameters, path, .. } = self;
        let (mut met, mut misfit) = (0, None);
        model.visit(path, &mut |path, parameter| {
            let known = parameters.binary_search_by_key(&parameter.id(), |known| known.parameter);
            let Ok(known) = known.map(|place| &parameters[place]) else { return };
            if *parameter.shape() != known.shape {
                misfit.get_or_insert_with(|| format!("parameter {path:?} has another shape than when it was recorded"));
            }
            if parameter.is_trained() != known.trained {
                let now = if known.trained { "is frozen now" } else { "was frozen" };
                misfit.get_or_insert_with(|| format!("parameter {path:?} {now}, other than when it was recorded"));
            }
            bound.extend(known.place.map(|place| (place, parameter.value().as_slice())));
            met += 1;
        });
        if misfit.is_none() && met < parameters.len() {
            misfit = Some(format!("{} recorded parameters are not of this model", parameters.len() - met));
        }
        match misfit {
            Some(message) => Err(Error::new(ErrorKind::Replay, message).op("replay")),
            None => Ok(()),
        }
    }

    fn check_decisions(&self, bound: &Bound<'_, T>) -> Result<()> {
        let inner = self.tape.inner.borrow();
        for (i, &(node, held)) in inner.decisions.iter().enumerate() {
            let values = self.prepared.elements(&inner, bound, self.recorded.outputs.len() + i);
            if values.first().is_some_and(|&value| value != T::of(0.0)) != held {
                let location = inner.nodes[node as usize].location;
                let message = format!("the condition {} was {held} when the step was recorded", inner.equation(node));
                let error = Error::new(ErrorKind::Replay, message).op("replay").at(location);
                return Err(error.hint("let it record again where the other branch is taken"));
            }
        }
        Ok(())
    }

    /// Compares the recordings of a step for two batches: they differ only in what is of the batch, of the model, or
    /// drawn.
    ///
    /// # Errors
    /// [`ErrorKind::Replay`] with the source line of the first node that differs: a value of the batch that went into
    /// the formula as a plain number, or decided in Rust code what is recorded; or an op of the user's with data of its
    /// own that is not shared (see [`Tape::custom_shared`]).
    pub fn compare(&self, other: &Replay<T>) -> Result<()> {
        let (own, others) = (self.tape.inner.borrow(), other.tape.inner.borrow());
        let of_batch = |node: usize| self.slots.iter().any(|slot| slot.leaves.contains(&(node as u32)));
        let same = |node: usize| {
            let (a, b) = (&own.nodes[node], &others.nodes[node]);
            a.inputs == b.inputs
                && a.shape == b.shape
                && match (&a.kind, &b.kind) {
                    (Kind::Op(a), Kind::Op(b)) => a.same(b.as_any()),
                    (Kind::Indices(a), Kind::Indices(b)) => of_batch(node) || a == b,
                    (Kind::Parameter(a), Kind::Parameter(b)) => a == b,
                    (Kind::Scalar(a), Kind::Scalar(b)) => a.to_f64().to_bits() == b.to_f64().to_bits(),
                    (Kind::Input, Kind::Input) | (Kind::Constant, Kind::Constant) => {
                        let bits = |inner: &Inner<T>| inner.values[node].as_ref().map(bits_of);
                        of_batch(node) || bits(&own) == bits(&others)
                    }
                    _ => false,
                }
        };
        let shorter = own.nodes.len().min(others.nodes.len());
        let differs =
            (0..shorter).find(|&node| !same(node)).or((own.nodes.len() != others.nodes.len()).then_some(shorter));
        let Some(node) = differs else { return Ok(()) };
        let inner = if node < own.nodes.len() { &own } else { &others };
        let message = format!("recorded with another batch, the step differs in {}", inner.equation(node as u32));
        let of_user = |inner: &Inner<T>| match inner.nodes.get(node).map(|node| &node.kind) {
            Some(Kind::Op(op)) => op.is_of_user(),
            _ => false,
        };
        let hint = match of_user(&own) && of_user(&others) {
            true => {
                "nobody can tell whether an op with data of its own is the same again: record one Rc of it with custom_shared"
            }
            false => "pass what depends on the batch as a tensor of the batch, and decide with condition.decide()?",
        };
        let location: &'static Location<'static> = inner.nodes[node].location;
        Err(Error::new(ErrorKind::Replay, message).op("replay").at(location).hint(hint))
    }
}

fn bits_of<T: Element>(tensor: &Tensor<T>) -> Vec<u64> {
    tensor.as_slice().iter().map(|value| value.to_f64().to_bits()).collect()
}

impl<T: Element> std::fmt::Debug for Replay<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay").field("nodes", &self.tape.len()).field("parts", &self.slots.len()).finish()
    }
}
