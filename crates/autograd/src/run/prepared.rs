//! A plan with memory and functions of its own, for the same outputs of equal recordings again and again.

use std::rc::Rc;

use smallvec::SmallVec;

use super::select::{Options, Tag};
use super::{cache, execute, place, plan};
use crate::error::Result;
use crate::kernels::number::Element;
use crate::tape::node::Kind;
use crate::tape::{Inner, Tape};
use crate::tensor::Tensor;

/// Bytes of buffers that a plan keeps from one run to the next at most: more goes back to the thread, for others to use.
const KEPT_BYTES: usize = 64 << 10;

/// A plan of a tape, and its memory.
pub(crate) struct Prepared<T: Element> {
    outputs: SmallVec<[u32; 16]>,
    options: Options,
    pub(super) ids: Vec<u32>,
    pub(super) steps: Rc<plan::Steps>,
    functions: execute::Functions<T>,
    pub(super) memory: execute::Memory<T>,
}

impl<T: Element> Prepared<T> {
    fn new(tape: &Inner<T>, outputs: &[u32], options: Options) -> Self {
        cache::with_selector(|selector| {
            selector.select(tape, outputs, options);
            let steps = cache::plan_of(&selector.selection, place::plan);
            let functions = execute::Functions::of(tape, &selector.ids, &steps);
            let (ids, memory) = (selector.ids.clone(), execute::Memory::default());
            Prepared { outputs: outputs.into(), options, ids, steps, functions, memory }
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
        self.ids.last().map_or(0, |&id| id as usize + 1)
    }

    /// Runs on a tape.
    pub(super) fn run(&mut self, tape: &Inner<T>, seed: u64, check_finite: bool) -> Result<()> {
        let Prepared { ids, steps, functions, memory, .. } = self;
        memory.renew(steps);
        execute::Run { tape, ids, steps, functions, seed, check_finite }.run_in(memory)
    }

    /// An output of the last run.
    pub(super) fn output(&self, tape: &Inner<T>, output: usize) -> Tensor<T> {
        let Prepared { ids, steps, functions, memory, .. } = self;
        execute::Run { tape, ids, steps, functions, seed: 0, check_finite: false }.output(memory, output)
    }
}

impl<T: Element> Tape<T> {
    /// The plan of outputs: what the last recording knew, or a new one.
    pub(super) fn prepared(&self, outputs: &[u32], options: Options) -> Box<Prepared<T>> {
        let inner = &mut *self.inner.borrow_mut();
        let mut findings = std::mem::take(&mut inner.findings);
        let known = findings.take(|known: &Prepared<T>| known.serves(inner, outputs, options));
        inner.findings = findings;
        match known {
            Some(known) => {
                cache::count_reuse();
                known
            }
            None => Box::new(Prepared::new(inner, outputs, options)),
        }
    }

    /// Keeps a plan for the next recording.
    pub(super) fn keep_prepared(&self, mut prepared: Box<Prepared<T>>) {
        prepared.memory.release(KEPT_BYTES);
        self.inner.borrow_mut().findings.put(prepared.end(), false, prepared);
    }

    /// Plans outputs, to be run any number of times.
    pub(crate) fn prepare(&self, outputs: &[u32]) -> Prepared<T> {
        let options = Options { keep: false, separate: self.check_finite.get() };
        Prepared::new(&self.inner.borrow(), outputs, options)
    }

    /// Runs with the present values of the leaves.
    pub(crate) fn run_prepared(&self, prepared: &mut Prepared<T>, seed: u64) -> Result<()> {
        prepared.run(&self.inner.borrow(), seed, self.check_finite.get())
    }

    /// An output of the last run.
    pub(crate) fn prepared_output(&self, prepared: &Prepared<T>, output: usize) -> Tensor<T> {
        prepared.output(&self.inner.borrow(), output)
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
