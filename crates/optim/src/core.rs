//! What all optimisers share: the walk over the model, the checks before it, and the state by path. Must know no rule.

use std::collections::BTreeMap;

use wengert_autograd::kernels::pool;
use wengert_autograd::{Element, Error, ErrorKind, Gradients, Module, Path, Result, Shape, StateDict, Tensor};

/// State tensors of one parameter, at most.
pub(crate) const MOST: usize = 3;

/// The state of one parameter.
#[derive(Clone, Debug)]
pub(crate) struct Slot<T: Element> {
    path: String,
    pub(crate) shape: Shape,
    /// Steps taken, the present one included.
    pub(crate) steps: u64,
    pub(crate) moments: [Option<Tensor<T>>; MOST],
}

/// How one parameter is changed.
pub(crate) trait Rule<T: Element> {
    /// The names of the state tensors.
    fn moments(&self) -> &'static [&'static str];

    /// Whether the options are in their ranges.
    fn check(&self) -> Result<()>;

    /// One step of one parameter. The values are `new` where `old` is `None`, else they are written there.
    fn update(&self, learning_rate: f64, slot: &mut Slot<T>, gradient: &[T], old: Option<&[T]>, new: &mut [T]);
}

/// The part of an optimiser that is the same for all.
#[derive(Clone, Debug)]
pub(crate) struct Core<T: Element> {
    pub(crate) learning_rate: f64,
    pub(crate) allow_missing: bool,
    /// In the order of the walk, as far as it is known.
    slots: Vec<Slot<T>>,
    /// Whether the state was loaded and no step has compared it with a model.
    loaded: bool,
    /// The memory of the walk's path.
    path: Path,
}

/// The place of a path, looked for at the cursor first: there it is in every step but the first.
fn place<T: Element>(slots: &[Slot<T>], cursor: usize, path: &str) -> Option<usize> {
    match slots.get(cursor) {
        Some(slot) if slot.path == path => Some(cursor),
        _ => slots.iter().position(|slot| slot.path == path),
    }
}

/// A mistake in an option.
pub(crate) fn out_of_range(option: &str, value: f64, range: &str) -> Error {
    Error::new(ErrorKind::Argument, format!("{option} is {value}, but must be {range}")).op("step")
}

/// Whether an option is finite and not negative.
pub(crate) fn not_negative(option: &str, value: f64) -> Result<()> {
    match value.is_finite() && value >= 0.0 {
        true => Ok(()),
        false => Err(out_of_range(option, value, "a finite number of at least 0")),
    }
}

impl<T: Element> Core<T> {
    pub(crate) fn new(learning_rate: f64) -> Self {
        Core { learning_rate, allow_missing: false, slots: Vec::new(), loaded: false, path: Path::default() }
    }

    pub(crate) fn step(&mut self, rule: &impl Rule<T>, model: &mut dyn Module<T>, grads: &Gradients<T>) -> Result<()> {
        not_negative("the learning rate", self.learning_rate)?;
        rule.check()?;
        let mut path = std::mem::take(&mut self.path);
        let compared = self.compare(&mut path, model, grads);
        self.path = path;
        compared?;
        grads.apply_updates(model)?;
        self.loaded = false;
        let (slots, learning_rate, mut cursor) = (&mut self.slots, self.learning_rate, 0);
        model.visit_mut(&mut self.path, &mut |path, parameter| {
            let Some(gradient) = grads.get(parameter).filter(|_| parameter.is_trained()) else { return };
            let found = place(slots, cursor, path).unwrap_or_else(|| {
                let (path, shape) = (path.to_string(), parameter.shape().clone());
                slots.push(Slot { path, shape, steps: 0, moments: [const { None }; MOST] });
                slots.len() - 1
            });
            slots.swap(cursor.min(found), found);
            let slot = &mut slots[cursor.min(found)];
            cursor += 1;
            slot.steps += 1;
            parameter.update_with(|old, new| rule.update(learning_rate, slot, gradient.as_slice(), old, new));
        });
        Ok(())
    }

    /// Looks for everything that can go wrong before anything is changed.
    fn compare(&self, path: &mut Path, model: &dyn Module<T>, grads: &Gradients<T>) -> Result<()> {
        let (mut outcome, mut cursor) = (Ok(()), 0);
        let mut unclaimed: Vec<&str> = match self.loaded {
            true => self.slots.iter().map(|slot| slot.path.as_str()).collect(),
            false => Vec::new(),
        };
        let fresh = self.slots.is_empty() || !self.loaded || self.allow_missing;
        model.visit(path, &mut |path, parameter| {
            unclaimed.retain(|&claimed| claimed != path);
            if outcome.is_err() || !parameter.is_trained() {
                return;
            }
            let gradient = match grads.require(path, parameter) {
                Ok(gradient) => gradient,
                Err(_) if self.allow_missing => return,
                Err(error) => {
                    outcome = Err(error);
                    return;
                }
            };
            let state = place(&self.slots, cursor, path).map(|found| &self.slots[found].shape);
            let problem = match state {
                None if !fresh => format!("parameter {path:?} has no state in the loaded state dict"),
                Some(shape) if shape != parameter.shape() => {
                    format!("the state of parameter {path:?} has shape {shape}, the parameter {}", parameter.shape())
                }
                _ if gradient.shape() != parameter.shape() => {
                    let (shape, own) = (gradient.shape(), parameter.shape());
                    format!("the gradient of parameter {path:?} has shape {shape}, the parameter {own}")
                }
                _ => {
                    cursor += 1;
                    return;
                }
            };
            outcome = Err(Error::new(ErrorKind::State, problem).op("step"));
        });
        outcome?;
        match unclaimed.first() {
            Some(path) => {
                let message = format!("the loaded state dict has a state of {path:?}, which the model has not");
                Err(Error::new(ErrorKind::State, message).op("step"))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn state_dict(&self, rule: &impl Rule<T>) -> StateDict<T> {
        let mut dict = StateDict::new();
        for slot in &self.slots {
            let parts = [slot.steps % COUNT_BASE, slot.steps / COUNT_BASE].map(|part| T::of(part as f64));
            dict.insert(format!("{}.{STEP}", slot.path), parts);
            for (name, moment) in rule.moments().iter().zip(&slot.moments) {
                if let Some(moment) = moment {
                    dict.insert(format!("{}.{name}", slot.path), moment);
                }
            }
        }
        dict
    }

    pub(crate) fn load_state_dict(&mut self, rule: &impl Rule<T>, dict: &StateDict<T>) -> Result<()> {
        let mut slots: BTreeMap<&str, Slot<T>> = BTreeMap::new();
        let mut problems = Vec::new();
        for (key, tensor) in dict.iter() {
            let (path, name) = key.rsplit_once('.').unwrap_or(("", key));
            let moment = rule.moments().iter().position(|&moment| moment == name);
            if name != STEP && moment.is_none() {
                problems.push(format!("unexpected: {key:?}"));
                continue;
            }
            let empty =
                || Slot { path: path.into(), shape: Shape::default(), steps: 0, moments: [const { None }; MOST] };
            let slot = slots.entry(path).or_insert_with(empty);
            match (moment, steps_of(tensor)) {
                (Some(moment), _) => {
                    let other = slot.moments.iter().flatten().find(|other| other.shape() != tensor.shape());
                    if let Some(other) = other {
                        problems.push(format!("shapes differ: {key:?} is {}, not {}", tensor.shape(), other.shape()));
                    }
                    slot.shape = tensor.shape().clone();
                    slot.moments[moment] = Some(tensor.clone());
                }
                (None, Some(steps)) => slot.steps = steps,
                (None, None) => problems.push(format!("{key:?} is no number of steps")),
            }
        }
        for slot in slots.values() {
            if slot.steps == 0 && !dict.contains_key(&format!("{}.{STEP}", slot.path)) {
                problems.push(format!("missing: {:?}", format!("{}.{STEP}", slot.path)));
            }
            for (name, _) in rule.moments().iter().zip(&slot.moments).filter(|(_, moment)| moment.is_none()) {
                problems.push(format!("missing: {:?}", format!("{}.{name}", slot.path)));
            }
        }
        if !problems.is_empty() {
            return Err(Error::new(ErrorKind::State, problems.join("; ")).op("load_state_dict"));
        }
        self.slots = slots.into_values().collect();
        self.loaded = true;
        Ok(())
    }
}

/// The last segment of the key under which the number of steps is saved.
const STEP: &str = "step";
/// The number of steps is saved as its remainder and quotient by this.
const COUNT_BASE: u64 = 1 << 24;

/// The number of steps that a saved tensor means.
fn steps_of<T: Element>(tensor: &Tensor<T>) -> Option<u64> {
    let &[low, high] = tensor.as_slice() else { return None };
    let (low, high) = (low.to_usize()? as u64, high.to_usize()? as u64);
    (low < COUNT_BASE && high < COUNT_BASE).then_some(high * COUNT_BASE + low)
}

/// Elements from which on a parameter is updated by several threads.
const PARALLEL: usize = 1 << 16;
/// Elements that one thread takes at a time.
const CHUNK: usize = 1 << 14;
/// Elements whose values, gradients and moments stay in the nearest cache.
const BLOCK: usize = 1 << 10;

/// Runs an update block by block, on several threads where it pays. `slices[0]` are the new values; where there are old
/// ones, each block is copied just before it is changed.
pub(crate) fn blocks<T: Element, const N: usize>(
    slices: [&mut [T]; N],
    old: Option<&[T]>,
    gradient: &[T],
    update: impl Fn([&mut [T]; N], &[T]) + Sync,
) {
    let length = gradient.len();
    let chunk = if length >= PARALLEL { CHUNK } else { length };
    pool::split_each(slices, chunk, |start, mut parts| {
        let count = parts[0].len();
        for first in (0..count).step_by(BLOCK) {
            let range = first..(first + BLOCK).min(count);
            let (from, to) = (start + range.start, start + range.end);
            if let Some(old) = old {
                parts[0][range.clone()].copy_from_slice(&old[from..to]);
            }
            update(parts.each_mut().map(|part| &mut part[range.clone()]), &gradient[from..to]);
        }
    });
}
