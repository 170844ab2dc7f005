//! A plan with memory of its own, for the same outputs of one tape again and again. Must know no cache.

use std::rc::Rc;

use super::{Keep, cache, execute, plan};
use crate::error::Result;
use crate::kernels::number::Element;
use crate::tape::Tape;
use crate::tape::node::Kind;
use crate::tensor::Tensor;

/// A plan of a tape, and its memory.
pub(crate) struct Prepared<T: Element> {
    ids: Vec<u32>,
    steps: Rc<plan::Steps>,
    memory: execute::Memory<T>,
}

impl<T: Element> Tape<T> {
    /// Plans outputs, to be run any number of times.
    ///
    /// # Errors
    /// A memory limit that cannot be met; memory that cannot be had.
    pub(crate) fn prepare(&self, outputs: &[u32]) -> Result<Prepared<T>> {
        cache::with_selector(|selector| {
            let steps = self.planned(selector, outputs, Keep::Nothing)?;
            let ids = steps.ids(&selector.ids).into_owned();
            let (tape, seed) = (&*self.inner.borrow(), self.seed);
            let memory = execute::Run { tape, ids: &ids, steps: &steps, seed, check_finite: false }.memory()?;
            Ok(Prepared { ids, steps, memory })
        })
    }

    /// Runs with the present values of the leaves.
    pub(crate) fn run_prepared(&self, prepared: &mut Prepared<T>, seed: u64) -> Result<()> {
        let (tape, check_finite) = (&*self.inner.borrow(), self.check_finite.get());
        let Prepared { ids, steps, memory } = prepared;
        execute::Run { tape, ids, steps, seed, check_finite }.run_in(memory)
    }

    /// An output of the last run.
    pub(crate) fn prepared_output(&self, prepared: &Prepared<T>, output: usize) -> Tensor<T> {
        let Prepared { ids, steps, memory } = prepared;
        execute::Run { tape: &self.inner.borrow(), ids, steps, seed: 0, check_finite: false }.output(memory, output)
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
