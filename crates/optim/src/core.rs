//! What all optimisers share: the walk over the model, the checks before anything is changed, one pass over all
//! parameters, and the state by path. Must know no rule.

use std::collections::BTreeMap;

use wengert_autograd::kernels::lists::emptied;
use wengert_autograd::kernels::pool;
use wengert_autograd::{Element, Error, ErrorKind, Gradients, Module, Param, Path, Result, Shape, StateDict, Tensor};

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
    /// What the loop is given.
    type Numbers: Copy + Sync;

    /// The names of the state tensors.
    fn moments(&self) -> &'static [&'static str];

    /// Whether the options are in their ranges.
    fn check(&self) -> Result<()>;

    /// The options as the loop needs them, in the step of this number; `fresh` where there was no state before it.
    fn numbers(&self, learning_rate: f64, steps: u64, fresh: bool) -> Self::Numbers;

    /// One step of a stretch of a parameter: the values, then the state tensors.
    fn update(numbers: Self::Numbers, parts: Parts<'_, T>, gradient: &[T]);
}

/// A stretch of the values and of each state tensor, empty where the rule has no such.
pub(crate) type Parts<'a, T> = [&'a mut [T]; 1 + MOST];

/// A parameter that a step changes.
struct Claim<'m, T: Element> {
    parameter: &'m mut Param<T>,
    gradient: &'m Tensor<T>,
}

/// What a parameter's step reads, besides what it writes.
struct Source<'m, T: Element> {
    gradient: &'m [T],
    /// The values, where they are not changed in place.
    old: Option<Tensor<T>>,
    steps: u64,
    fresh: bool,
}

/// Memory for the lists of a step, empty between steps.
struct Lists<T: Element> {
    claims: Vec<Claim<'static, T>>,
    sources: Vec<Source<'static, T>>,
    groups: Vec<Parts<'static, T>>,
}

impl<T: Element> Default for Lists<T> {
    fn default() -> Self {
        Lists { claims: Vec::new(), sources: Vec::new(), groups: Vec::new() }
    }
}

/// A clone has memory of its own.
impl<T: Element> Clone for Lists<T> {
    fn clone(&self) -> Self {
        Lists::default()
    }
}

impl<T: Element> std::fmt::Debug for Lists<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lists")
    }
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
    lists: Lists<T>,
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
        Core {
            learning_rate,
            allow_missing: false,
            slots: Vec::new(),
            loaded: false,
            path: Path::default(),
            lists: Lists::default(),
        }
    }

    pub(crate) fn step<R: Rule<T>>(&mut self, rule: &R, model: &mut dyn Module<T>, grads: &Gradients<T>) -> Result<()> {
        not_negative("the learning rate", self.learning_rate)?;
        rule.check()?;
        let mut path = std::mem::take(&mut self.path);
        let done = self.walk(rule, &mut path, model, grads);
        self.path = path;
        done
    }

    fn walk<R: Rule<T>>(
        &mut self,
        rule: &R,
        path: &mut Path,
        model: &mut dyn Module<T>,
        grads: &Gradients<T>,
    ) -> Result<()> {
        let mut claims = emptied(std::mem::take(&mut self.lists.claims));
        let in_place = self.claim(path, model, grads, &mut claims)?;
        if in_place && grads.updates().next().is_none() {
            self.loaded = false;
            self.update(rule, claims);
            return Ok(());
        }
        // Nothing can go wrong any more but an update.
        let mut claims = emptied(claims);
        grads.apply_updates(model)?;
        self.loaded = false;
        self.arrange(path, model, grads);
        self.claim(path, model, grads, &mut claims)?;
        self.update(rule, claims);
        Ok(())
    }

    /// Lists the parameters to change, and looks for everything that can go wrong before anything is changed. Whether the
    /// states are there and in the order of the list.
    fn claim<'m>(
        &self,
        path: &mut Path,
        model: &'m mut dyn Module<T>,
        grads: &'m Gradients<T>,
        claims: &mut Vec<Claim<'m, T>>,
    ) -> Result<bool> {
        let (mut outcome, mut in_place) = (Ok(()), true);
        let mut unclaimed: Vec<&str> = match self.loaded {
            true => self.slots.iter().map(|slot| slot.path.as_str()).collect(),
            false => Vec::new(),
        };
        model.visit_mut(path, &mut |path, parameter| {
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
            let found = place(&self.slots, claims.len(), path);
            in_place &= found == Some(claims.len());
            match self.problem(path, parameter, gradient, found.map(|found| &self.slots[found].shape)) {
                Some(problem) => outcome = Err(Error::new(ErrorKind::State, problem).op("step")),
                None => claims.push(Claim { parameter, gradient }),
            }
        });
        outcome?;
        match unclaimed.first() {
            Some(path) => {
                let message = format!("the loaded state dict has a state of {path:?}, which the model has not");
                Err(Error::new(ErrorKind::State, message).op("step"))
            }
            None => Ok(in_place),
        }
    }

    /// What is wrong with a parameter, its gradient and the shape of its state.
    fn problem(&self, path: &str, parameter: &Param<T>, gradient: &Tensor<T>, state: Option<&Shape>) -> Option<String> {
        let own = parameter.shape();
        match state {
            None if !self.slots.is_empty() && self.loaded && !self.allow_missing => {
                Some(format!("parameter {path:?} has no state in the loaded state dict"))
            }
            Some(shape) if shape != own => {
                Some(format!("the state of parameter {path:?} has shape {shape}, the parameter {own}"))
            }
            _ if gradient.shape() != own => {
                let shape = gradient.shape();
                Some(format!("the gradient of parameter {path:?} has shape {shape}, the parameter {own}"))
            }
            _ => None,
        }
    }

    /// Brings the states into the order of the walk, and makes those that are not there.
    fn arrange(&mut self, path: &mut Path, model: &mut dyn Module<T>, grads: &Gradients<T>) {
        let (slots, mut cursor) = (&mut self.slots, 0);
        model.visit(path, &mut |path, parameter| {
            if !parameter.is_trained() || grads.get(parameter).is_none() {
                return;
            }
            let found = place(slots, cursor, path).unwrap_or_else(|| {
                let (path, shape) = (path.to_string(), parameter.shape().clone());
                slots.push(Slot { path, shape, steps: 0, moments: [const { None }; MOST] });
                slots.len() - 1
            });
            slots.swap(cursor.min(found), found);
            cursor += 1;
        });
    }

    /// One pass over all parameters, each with the state at its place in the list.
    fn update<R: Rule<T>>(&mut self, rule: &R, mut claims: Vec<Claim<'_, T>>) {
        let mut sources = emptied(std::mem::take(&mut self.lists.sources));
        let mut groups = emptied(std::mem::take(&mut self.lists.groups));
        let count = rule.moments().len();
        for (claim, slot) in claims.drain(..).zip(&mut self.slots) {
            slot.steps += 1;
            let fresh = slot.moments[0].is_none();
            let (old, new) = claim.parameter.rewrite();
            let mut parts: Parts<'_, T> = [new, &mut [], &mut [], &mut []];
            let Slot { shape, moments, steps, .. } = slot;
            for (part, moment) in parts[1..].iter_mut().zip(&mut moments[..count]) {
                *part = moment.get_or_insert_with(|| Tensor::zeros(&*shape)).as_mut_slice();
            }
            sources.push(Source { gradient: claim.gradient.as_slice(), old, steps: *steps, fresh });
            groups.push(parts);
        }
        let mut start = 0;
        for alike in sources.chunk_by(|a, b| (a.steps, a.fresh) == (b.steps, b.fresh)) {
            let numbers = rule.numbers(self.learning_rate, alike[0].steps, alike[0].fresh);
            pass::<T, R>(numbers, alike, &mut groups[start..start + alike.len()]);
            start += alike.len();
        }
        self.lists = Lists { claims: emptied(claims), sources: emptied(sources), groups: emptied(groups) };
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

/// Elements of all parameters together from which on they are updated by several threads.
const PARALLEL: usize = 1 << 16;
/// Elements that one thread takes at a time, of one parameter or of several.
const CHUNK: usize = 1 << 14;
/// Elements whose values, gradients and state stay in the nearest cache.
const BLOCK: usize = 1 << 10;

/// Updates parameters that count the same steps, block by block, on several threads where it pays. Where the values are
/// not changed in place, each block of the old ones is copied just before it is changed.
fn pass<T: Element, R: Rule<T>>(numbers: R::Numbers, sources: &[Source<'_, T>], groups: &mut [Parts<'_, T>]) {
    let total: usize = sources.iter().map(|source| source.gradient.len()).sum();
    let chunk = if total >= PARALLEL { CHUNK } else { total };
    pool::split_groups(groups, chunk, |group, start, mut parts| {
        let Source { gradient, old, .. } = &sources[group];
        let count = parts[0].len();
        for first in (0..count).step_by(BLOCK) {
            let range = first..(first + BLOCK).min(count);
            let (from, to) = (start + range.start, start + range.end);
            if let Some(old) = old {
                parts[0][range.clone()].copy_from_slice(&old.as_slice()[from..to]);
            }
            R::update(numbers, stretch(&mut parts, range), &gradient[from..to]);
        }
    });
}

/// A range of each part that has one.
fn stretch<'a, T>(parts: &'a mut Parts<'_, T>, range: std::ops::Range<usize>) -> Parts<'a, T> {
    parts.each_mut().map(|part| part.get_mut(range.clone()).unwrap_or_default())
}
