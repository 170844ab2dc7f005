//! What `backward` returns: gradients as values, by the identity of the parameter.

use std::ops::Add;

use smallvec::SmallVec;

use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::module::{Module, Param, ParamId, Path};
use crate::run::Keep;
use crate::tape::Tape;
use crate::tape::node::{Kind, Node};
use crate::tape::var::Var;
use crate::tensor::Tensor;

/// The gradients of a loss: of each parameter by identity, and of each input.
///
/// A value like any other: gradients of several shards add up with `+`, are scaled, clipped and measured.
///
/// ```
/// use wengert_autograd::{Param, Tape, Tensor};
/// let weight = Param::new(Tensor::from([3.0, 4.0]));
/// let tape = Tape::new();
/// let mut gradients = (0.5 * tape.param(&weight).square()).sum().backward()?;
/// assert_eq!(gradients.norm(), 5.0);
/// assert_eq!(gradients.clip_norm(1.0), 5.0);                 // returns the norm before
/// assert!((gradients.get(&weight).unwrap().as_slice()[0] - 0.6f64).abs() < 1e-6);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gradients<T: Element = f32> {
    /// By identity, ascending.
    parameters: Vec<(ParamId, Tensor<T>)>,
    /// By node, for the tape of the serial number.
    inputs: Vec<(u32, Tensor<T>)>,
    tape: u64,
    updates: Vec<(ParamId, Tensor<T>)>,
    /// Parameters that were recorded but not reached, and why.
    unreached: Vec<(ParamId, String)>,
}

/// A backward pass as it lies on the tape.
#[derive(Debug)]
pub(super) struct Recorded {
    /// The loss, the gradient of each leaf, the updates.
    pub(super) outputs: SmallVec<[u32; 32]>,
    pub(super) leaves: SmallVec<[u32; 8]>,
    pub(super) updates: SmallVec<[ParamId; 4]>,
}

impl<T: Element> Default for Gradients<T> {
    fn default() -> Self {
        Gradients { parameters: vec![], inputs: vec![], tape: 0, updates: vec![], unreached: vec![] }
    }
}

impl<T: Element> Gradients<T> {
    /// Runs forward and backward as one plan.
    pub(super) fn run(loss: Var<'_, T>, recorded: &Recorded) -> Result<Self> {
        let mut results = loss.tape.run_plan(&recorded.outputs, Keep::First)?.into_iter().skip(1);
        let mut gradients = Gradients::default();
        gradients.fill(loss.tape, recorded, || results.next());
        gradients.note_unreached(loss);
        Ok(gradients)
    }

    /// Takes up the gradients of a backward pass, and the updates, from its results in their order.
    pub(super) fn fill(&mut self, tape: &Tape<T>, recorded: &Recorded, mut next: impl FnMut() -> Option<Tensor<T>>) {
        self.tape = tape.serial;
        self.parameters.clear();
        self.inputs.clear();
        self.updates.clear();
        self.parameters.reserve(recorded.leaves.len());
        let inner = tape.inner.borrow();
        for &leaf in &recorded.leaves {
            let Some(gradient) = next() else { break };
            match inner.nodes[leaf as usize].kind {
                Kind::Parameter(parameter) => self.parameters.push((parameter, gradient)),
                _ => self.inputs.push((leaf, gradient)),
            }
        }
        self.updates.extend(recorded.updates.iter().filter_map(|&parameter| Some((parameter, next()?))));
        self.parameters.sort_unstable_by_key(|entry| entry.0);
    }

    /// The tensors in the order in which a backward pass computes them, to be written again.
    pub(super) fn targets(
        &mut self,
        tape: &Tape<T>,
        recorded: &Recorded,
        mut visit: impl FnMut(usize, &mut Tensor<T>),
    ) {
        let (inner, mut inputs) = (tape.inner.borrow(), self.inputs.iter_mut());
        for (i, &leaf) in recorded.leaves.iter().enumerate() {
            let tensor = match inner.nodes[leaf as usize].kind {
                Kind::Parameter(id) => match self.parameters.binary_search_by_key(&id, |entry| entry.0) {
                    Ok(place) => Some(&mut self.parameters[place].1),
                    Err(_) => None,
                },
                _ => inputs.next().map(|entry| &mut entry.1),
            };
            tensor.into_iter().for_each(|tensor| visit(1 + i, tensor));
        }
        let first = 1 + recorded.leaves.len();
        self.updates.iter_mut().enumerate().for_each(|(i, update)| visit(first + i, &mut update.1));
    }

    /// Whether there is nothing in it.
    pub(super) fn is_released(&self) -> bool {
        self.parameters.is_empty() && self.inputs.is_empty() && self.updates.is_empty()
    }

    /// Lets go of the tensors.
    pub(super) fn release(&mut self) {
        self.parameters.clear();
        self.inputs.clear();
        self.updates.clear();
    }

    /// Why the parameters that are recorded but have no gradient have none.
    fn note_unreached(&mut self, loss: Var<'_, T>) {
        if loss.tape.inner.borrow().parameters.len() == self.parameters.len() {
            return;
        }
        for (parameter, node) in loss.tape.recorded_parameters() {
            if self.of(parameter).is_none() {
                let inner = loss.tape.inner.borrow();
                let why = match (inner.nodes[node as usize].active, cut_between(&inner.nodes, node, loss.id)) {
                    (false, _) => "it is frozen".to_string(),
                    (true, Some(cut)) => format!("cut off at {}", cut.location),
                    (true, None) => {
                        format!("recorded at {}, but the loss does not use it", inner.nodes[node as usize].location)
                    }
                };
                self.unreached.push((parameter, why));
            }
        }
    }

    /// The gradient of a parameter; `None` where the loss does not reach it.
    pub fn get(&self, parameter: &Param<T>) -> Option<&Tensor<T>> {
        self.of(parameter.id())
    }

    fn of(&self, parameter: ParamId) -> Option<&Tensor<T>> {
        let place = self.parameters.binary_search_by_key(&parameter, |entry| entry.0).ok()?;
        Some(&self.parameters[place].1)
    }

    /// The gradient of an input `Var` of the tape that the loss was recorded on; `None` where the loss does not reach it.
    pub fn wrt(&self, input: Var<'_, T>) -> Option<&Tensor<T>> {
        if input.tape.serial != self.tape {
            return None;
        }
        self.inputs.iter().find(|entry| entry.0 == input.id).map(|entry| &entry.1)
    }

    /// Why a parameter has no gradient, where it was recorded and not reached.
    pub fn why_missing(&self, parameter: &Param<T>) -> Option<&str> {
        self.unreached.iter().find(|entry| entry.0 == parameter.id()).map(|entry| entry.1.as_str())
    }

    /// The number of parameters that have a gradient.
    pub fn len(&self) -> usize {
        self.parameters.len()
    }

    /// Whether no parameter has a gradient.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    /// The Euclidean norm of all parameters' gradients together, summed in f64.
    pub fn norm(&self) -> f64 {
        let squares = self
            .parameters
            .iter()
            .map(|(_, gradient)| gradient.as_slice().iter().map(|value| value.to_f64().powi(2)).sum::<f64>());
        squares.sum::<f64>().sqrt()
    }

    /// Scales all parameters' gradients so that their norm is at most `max_norm`, and returns the norm before.
    ///
    /// The factor is `max_norm / (norm + 1e-6)` where that is below 1, as in PyTorch's `clip_grad_norm_`.
    pub fn clip_norm(&mut self, max_norm: f64) -> f64 {
        let norm = self.norm();
        let factor = max_norm / (norm + 1e-6);
        if factor < 1.0 {
            self.scale(factor);
        }
        norm
    }

    /// Cuts every element of every parameter's gradient to `[-limit, limit]`.
    pub fn clip_value(&mut self, limit: f64) {
        let (low, high) = (T::of(-limit.abs()), T::of(limit.abs()));
        self.change(|value| {
            let cut = if value > high { high } else { value };
            if cut < low { low } else { cut }
        });
    }

    /// Multiplies all parameters' gradients by a number.
    pub fn scale(&mut self, factor: f64) {
        let factor = T::of(factor);
        self.change(|value| value * factor);
    }

    fn change(&mut self, change: impl Fn(T) -> T) {
        for (_, gradient) in &mut self.parameters {
            gradient.as_mut_slice().iter_mut().for_each(|value| *value = change(*value));
        }
    }

    /// Whether every gradient is finite.
    pub fn is_finite(&self) -> bool {
        self.parameters.iter().all(|(_, gradient)| gradient.is_finite())
    }

    /// The values that the forward pass wants buffers to take, such as running statistics.
    pub fn updates(&self) -> impl Iterator<Item = (ParamId, &Tensor<T>)> {
        self.updates.iter().map(|(parameter, value)| (*parameter, value))
    }

    /// Gives the model's buffers the values that the forward pass wants them to take. An optimiser's `step` does this
    /// too.
    ///
    /// # Errors
    /// A buffer of the model has another shape than its update.
    pub fn apply_updates(&self, model: &mut (impl Module<T> + ?Sized)) -> Result<()> {
        if self.updates.is_empty() {
            return Ok(());
        }
        let mut outcome = Ok(());
        model.visit_mut(&mut Path::default(), &mut |path, parameter| {
            let update = self.updates.iter().find(|update| update.0 == parameter.id());
            if let Some((_, value)) = update.filter(|_| outcome.is_ok()) {
                let done = parameter.set(value.clone());
                outcome = done.map_err(|error| error.hint(format!("the update of {path:?}")));
            }
        });
        outcome
    }

    /// The gradient of a parameter, or the mistake that it has none.
    ///
    /// # Errors
    /// The loss does not reach the parameter; the text names the path and says why.
    pub fn require(&self, path: &str, parameter: &Param<T>) -> Result<&Tensor<T>> {
        self.get(parameter).ok_or_else(|| {
            let why = self.why_missing(parameter).unwrap_or("it was not recorded on the tape of the loss");
            Error::new(ErrorKind::Unreached, format!("parameter {path:?} has no gradient: {why}"))
                .hint("freeze the parameter, or let the optimiser skip it with allow_missing(true)")
        })
    }
}

/// The first node without a derivative on the ways from a leaf to an output; none where no way leads there.
fn cut_between<T: Element>(nodes: &[Node<T>], leaf: u32, output: u32) -> Option<&Node<T>> {
    let mut below = vec![false; output as usize + 1];
    below[output as usize] = true;
    for id in (0..below.len()).rev().filter(|&id| id > leaf as usize) {
        if below[id] {
            nodes[id].inputs.iter().for_each(|&input| below[input as usize] = true);
        }
    }
    let mut reached = vec![false; below.len()];
    *reached.get_mut(leaf as usize)? = true;
    for id in leaf as usize + 1..below.len() {
        if below[id] && nodes[id].inputs.iter().any(|&input| reached[input as usize]) {
            if !nodes[id].active {
                return Some(&nodes[id]);
            }
            reached[id] = true;
        }
    }
    None
}

/// The sum of two losses' gradients: parameters by identity. Gradients of inputs are kept from the left operand, those
/// of the same inputs added; updates of the right operand win.
impl<T: Element> Add for Gradients<T> {
    type Output = Gradients<T>;

    fn add(mut self, right: Gradients<T>) -> Gradients<T> {
        for (parameter, gradient) in right.parameters {
            match self.parameters.binary_search_by_key(&parameter, |entry| entry.0) {
                Ok(place) => add_into(&mut self.parameters[place].1, &gradient),
                Err(place) => self.parameters.insert(place, (parameter, gradient)),
            }
        }
        if self.tape == right.tape {
            for (input, gradient) in right.inputs {
                match self.inputs.iter_mut().find(|entry| entry.0 == input) {
                    Some(entry) => add_into(&mut entry.1, &gradient),
                    None => self.inputs.push((input, gradient)),
                }
            }
        }
        for (parameter, value) in right.updates {
            self.updates.retain(|update| update.0 != parameter);
            self.updates.push((parameter, value));
        }
        let reached: Vec<ParamId> = self.parameters.iter().map(|entry| entry.0).collect();
        self.unreached.extend(right.unreached);
        self.unreached.retain(|entry| reached.binary_search(&entry.0).is_err());
        self
    }
}

fn add_into<T: Element>(sum: &mut Tensor<T>, other: &Tensor<T>) {
    for (to, from) in sum.as_mut_slice().iter_mut().zip(other.as_slice()) {
        *to += *from;
    }
}
