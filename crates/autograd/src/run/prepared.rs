//! A plan with memory and functions of its own, for the same outputs of equal recordings again and again.

use std::rc::Rc;

use smallvec::SmallVec;

use super::compact::{self, Compact};
use super::plan::Place;
use super::select::{Options, Tag, constant_of};
use super::{Keep, cache, execute, plan, planned};
use crate::error::Result;
use crate::kernels::lists::emptied;
use crate::kernels::number::Element;
use crate::tape::node::Kind;
use crate::tape::{Inner, Tape};
use crate::tensor::Tensor;
use crate::tensor::storage::Storage;

/// Bytes of buffers that a plan keeps from one run to the next at most: more goes back to the thread, for others to use.
const KEPT_BYTES: usize = compact::MOST_BYTES;

/// A plan of a tape, and its memory.
pub(crate) struct Prepared<T: Element> {
    outputs: SmallVec<[u32; 16]>,
    options: Options,
    pub(super) ids: Vec<u32>,
    pub(super) steps: Rc<plan::Steps>,
    functions: execute::Functions<T>,
    /// The plan in one stretch of memory, if it is small.
    compact: Option<Compact<T>>,
    memory: execute::Memory<T>,
    /// The leaves, by their numbers in the plan.
    leaves: Vec<u32>,
    /// What is computed from nothing but numbers, by the numbers in the plan.
    constants: Vec<(u32, T)>,
    /// Memory for the list of their values.
    values: Vec<&'static [T]>,
}

/// Values that stand in for those of leaves, by their numbers in the plan.
pub(crate) type Bound<'a, T> = [(u32, &'a [T])];

impl<T: Element> Prepared<T> {
    fn new(tape: &Inner<T>, outputs: &[u32], options: Options) -> Result<Self> {
        cache::with_selector(|selector| {
            let steps = planned(tape, selector, outputs, options)?;
            let ids = steps.ids(&selector.ids).into_owned();
            let functions = execute::Functions::of(tape, &ids, &steps);
            let is_leaf = |&node: &u32| matches!(steps.selection.tags[node as usize], Tag::Value | Tag::Number(_));
            let (mut leaves, mut constants) = (Vec::new(), Vec::new());
            for leaf in (0..steps.selection.len() as u32).filter(is_leaf) {
                match constant_of(&selector.constants, ids[leaf as usize]) {
                    Some(value) => constants.push((leaf, T::of(value))),
                    None => leaves.push(leaf),
                }
            }
            Ok(Prepared {
                outputs: outputs.into(),
                options,
                compact: Compact::of(tape, &ids, &steps),
                ids,
                steps,
                functions,
                memory: execute::Memory::default(),
                leaves,
                constants,
                values: Vec::new(),
            })
        })
    }

    /// Whether it is what would be planned for outputs of a tape whose nodes are those that it was made for: it is, if
    /// the same values are there. A walk down from the outputs that finds the same values comes by the same nodes.
    fn serves(&self, tape: &Inner<T>, outputs: &[u32], options: Options) -> bool {
        let there = |(&tag, &id): (&Tag, &u32)| {
            let is_there = tape.values[id as usize].is_some();
            match tag {
                Tag::Value => is_there,
                Tag::Number(_) | Tag::Indices => true,
                _ => !is_there,
            }
        };
        self.options == options
            && self.outputs[..] == *outputs
            && self.steps.selection.tags.iter().zip(&self.ids).all(there)
    }

    /// The nodes that it speaks of lie before this one.
    fn end(&self) -> usize {
        self.ids.iter().max().map_or(0, |&id| id as usize + 1)
    }

    /// Runs on a tape.
    pub(super) fn run(&mut self, tape: &Inner<T>, bound: &Bound<'_, T>, seed: u64, check_finite: bool) -> Result<()> {
        self.with_run(tape, bound, (seed, check_finite), |run, memory, compact| match compact {
            Some(compact) => run.run_compact(compact, memory),
            None => run.run_in(memory),
        })
    }

    /// Lends a run on a tape, its memory, and the plan in one stretch of memory, if it has one.
    pub(super) fn with_run<R>(
        &mut self,
        tape: &Inner<T>,
        bound: &Bound<'_, T>,
        (seed, check_finite): (u64, bool),
        work: impl FnOnce(&execute::Run<'_, T>, &mut execute::Memory<T>, Option<&Compact<T>>) -> Result<R>,
    ) -> Result<R> {
        let Prepared { ids, steps, functions, compact, memory, leaves, constants, values, .. } = self;
        let mut given: Vec<&[T]> = emptied(std::mem::take(values));
        given.resize(ids.len(), &[]);
        for &leaf in &*leaves {
            given[leaf as usize] = tape.values[ids[leaf as usize] as usize].as_ref().map_or(&[], Tensor::as_slice);
        }
        for (leaf, value) in &*constants {
            given[*leaf as usize] = std::slice::from_ref(value);
        }
        bound.iter().for_each(|&(leaf, values)| given[leaf as usize] = values);
        let run = execute::Run { tape, ids, steps, functions, leaves: &given, seed, check_finite };
        let done = work(&run, memory, compact.as_ref());
        *values = emptied(given);
        done
    }

    /// An output of the last run, of which the leaves are the tape's.
    pub(super) fn output(&self, tape: &Inner<T>, output: usize) -> Tensor<T> {
        let node = self.steps.selection.outputs[output] as usize;
        let shape = self.steps.selection.shapes[node].clone();
        let storage = match self.steps.outputs[output] {
            Place::Result(i) if self.compact.is_none() => self.memory.results[i as usize].clone(),
            place @ (Place::Result(_) | Place::Buffer(_)) => Storage::from_slice(self.lying(place, shape.volume())),
            Place::Tape(leaf) => match &tape.values[self.ids[leaf as usize] as usize] {
                Some(value) => value.storage().clone(),
                None => Storage::from_slice(self.constant(leaf)),
            },
        };
        Tensor::of_storage(shape, storage)
    }

    /// What the last run left in a place that is not the tape's.
    fn lying(&self, place: Place, volume: usize) -> &[T] {
        match (&self.compact, place) {
            (Some(compact), place) => &self.memory.stretched()[compact.start(place)..][..volume],
            (None, Place::Result(i)) => &self.memory.results[i as usize][..volume],
            (None, Place::Buffer(i)) => &self.memory.buffers[i as usize][..volume],
            (None, Place::Tape(_)) => &[],
        }
    }

    /// The value of a leaf that is computed from nothing but numbers.
    fn constant(&self, leaf: u32) -> &[T] {
        let constant = self.constants.iter().find(|constant| constant.0 == leaf);
        constant.map_or(&[], |constant| std::slice::from_ref(&constant.1))
    }

    /// The memory of a result of the last run.
    pub(super) fn take_result(&mut self, result: usize) -> Storage<T> {
        match self.compact {
            Some(_) => Storage::from_slice(self.lying(Place::Result(result as u32), self.steps.results[result].1)),
            None => self.memory.results[result].take(),
        }
    }

    /// The place in the plan of a node of the tape, if it is needed.
    pub(crate) fn place_of(&self, node: u32) -> Option<u32> {
        // In the order of the tape, where a memory limit changed nothing.
        let place = match self.steps.lean {
            None => self.ids.binary_search(&node).ok(),
            Some(_) => self.ids.iter().position(|&id| id == node),
        };
        place.map(|place| place as u32)
    }

    /// The elements of an output of the last run, with the same values bound.
    pub(crate) fn elements<'a>(&'a self, tape: &'a Inner<T>, bound: &Bound<'a, T>, output: usize) -> &'a [T] {
        let volume = || self.steps.selection.shapes[self.steps.selection.outputs[output] as usize].volume();
        match self.steps.outputs[output] {
            place @ (Place::Result(_) | Place::Buffer(_)) => self.lying(place, volume()),
            Place::Tape(leaf) => match bound.iter().find(|bound| bound.0 == leaf) {
                Some(&(_, values)) => values,
                None => {
                    let value = tape.values[self.ids[leaf as usize] as usize].as_ref();
                    value.map_or_else(|| self.constant(leaf), Tensor::as_slice)
                }
            },
        }
    }

    /// Whether an output lies in memory of its own, which can be exchanged.
    pub(crate) fn is_alone(&self, output: usize) -> bool {
        let place = self.steps.outputs[output];
        let shared = self.steps.outputs.iter().filter(|&&other| other == place).count() > 1;
        matches!(place, Place::Result(_)) && !shared && self.compact.is_none()
    }

    /// Exchanges the memory of an output that lies alone with a tensor's.
    pub(crate) fn exchange(&mut self, output: usize, tensor: &mut Tensor<T>) {
        if let Place::Result(i) = self.steps.outputs[output] {
            tensor.exchange(&mut self.memory.results[i as usize]);
        }
    }
}

impl<T: Element> Tape<T> {
    /// The plan of outputs: what the last recording knew, or a new one.
    ///
    /// # Errors
    /// A memory limit that cannot be met.
    pub(super) fn prepared(&self, outputs: &[u32], options: Options) -> Result<Box<Prepared<T>>> {
        let inner = &mut *self.inner.borrow_mut();
        let mut findings = std::mem::take(&mut inner.findings);
        let known = findings.take(|known: &Prepared<T>| known.serves(inner, outputs, options));
        inner.findings = findings;
        match known {
            Some(known) => {
                cache::count_reuse();
                Ok(known)
            }
            None => Ok(Box::new(Prepared::new(inner, outputs, options)?)),
        }
    }

    /// Keeps a plan for the next recording.
    pub(super) fn keep_prepared(&self, mut prepared: Box<Prepared<T>>) {
        prepared.memory.release(KEPT_BYTES);
        self.inner.borrow_mut().findings.put(prepared.end(), false, prepared);
    }

    /// Plans outputs, to be run any number of times.
    ///
    /// # Errors
    /// A memory limit that cannot be met.
    pub(crate) fn prepare(&self, outputs: &[u32]) -> Result<Prepared<T>> {
        Prepared::new(&self.inner.borrow(), outputs, self.options(Keep::Nothing))
    }

    /// Runs with the present values of the leaves, or others that are given.
    pub(crate) fn run_prepared(&self, prepared: &mut Prepared<T>, bound: &Bound<'_, T>, seed: u64) -> Result<()> {
        prepared.run(&self.inner.borrow(), bound, seed, self.check_finite.get())
    }

    /// Drops what was computed, so that it is computed again.
    pub(crate) fn forget_results(&self) {
        let inner = &mut *self.inner.borrow_mut();
        for (node, value) in inner.nodes.iter().zip(&mut inner.values) {
            if matches!(node.kind, Kind::Op(_)) {
                *value = None;
            }
        }
    }
}
