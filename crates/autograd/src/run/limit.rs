//! Planning within a memory limit: what a plan takes at most is known before it runs, and where that is too much, values
//! are computed again instead of kept.

use super::execute::scratch_bytes;
use super::place;
use super::plan::{Lean, Place, Steps};
use super::recompute::Recompute;
use super::select::{Limit, Selection, Tag};
use crate::tape::op::Abilities;

/// A plan that no recomputation brings below the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excess {
    /// The bytes of the least plan that was found.
    pub(crate) needed: usize,
    pub(crate) limit: usize,
    /// The selected node whose value is the first that does not fit.
    pub(crate) node: Option<u32>,
    /// The bytes of that value.
    pub(crate) bytes: usize,
}

impl Steps {
    /// The bytes that a run takes at most: buffers, results, and the scratch memory of fused passes.
    pub(crate) fn peak_bytes(&self, element: usize) -> usize {
        let lengths = self.buffers.iter().copied().chain(self.results.iter().map(|result| result.1));
        let bytes = lengths.fold(0usize, |sum, length| sum.saturating_add(length.saturating_mul(element)));
        bytes.saturating_add(scratch_bytes(self, element))
    }
}

/// Plans what was selected, within its limit if it has one.
pub(crate) fn plan(selection: &Selection) -> Result<Steps, Excess> {
    let steps = place::plan(selection);
    let Some(limit) = selection.options.limit else { return Ok(steps) };
    let mut search = Search { asked: selection, limit, least: steps.peak_bytes(limit.element), best: None };
    if search.least <= limit.bytes {
        return Ok(steps);
    }
    search.best = Some(steps);
    search.run().ok_or_else(|| search.excess())
}

/// The search for a plan within a limit.
struct Search<'a> {
    asked: &'a Selection,
    limit: Limit,
    /// The bytes of the least plan so far.
    least: usize,
    best: Option<Steps>,
}

impl Search<'_> {
    /// The plan that fits and computes least again, as far as the search goes.
    fn run(&mut self) -> Option<Steps> {
        // What is not asked for need not stay on the tape.
        let mut bare = self.asked.clone();
        bare.options.keep = false;
        bare.dropped.clear();
        if let Some(steps) = self.plan_within(&bare) {
            return Some(steps);
        }
        // A copy of a part may be less than the whole, which lies there until the part is read by strides.
        bare.tags
            .iter_mut()
            .filter(|tag| matches!(tag, Tag::Strided(_)))
            .for_each(|tag| *tag = Tag::Op(Abilities::default()));
        if !std::mem::take(&mut bare.layouts).is_empty()
            && let Some(steps) = self.plan_within(&bare)
        {
            return Some(steps);
        }
        // Elementwise values first: they cost a pass at most. Then whatever has operands that are there.
        [false, true].into_iter().find_map(|everything| self.recompute(&Recompute::of(&bare, everything)))
    }

    /// The plan in which nothing is computed again, if it fits.
    fn plan_within(&mut self, bare: &Selection) -> Option<Steps> {
        let steps = self.plan(bare, (0..bare.len() as u32).collect(), Vec::new());
        if self.fits(&steps) {
            return Some(steps);
        }
        self.consider(steps);
        None
    }

    /// Finds how long the stretches of values that are computed again together may be, and then how few of them do.
    fn recompute(&mut self, recompute: &Recompute<'_>) -> Option<Steps> {
        let (all, mut stretch) = (recompute.candidates(), recompute.elements());
        while stretch > 0 && all > 0 {
            let steps = self.rewrite(recompute, all, stretch);
            if self.fits(&steps) {
                return Some(self.fewest(recompute, stretch, steps));
            }
            self.consider(steps);
            if stretch < recompute.least() {
                break;
            }
            stretch -= stretch.div_ceil(4);
        }
        None
    }

    /// Bisects the number of candidates, the best first, down to the fewest that suffice.
    fn fewest(&mut self, recompute: &Recompute<'_>, stretch: usize, mut best: Steps) -> Steps {
        let (mut low, mut high) = (0, recompute.candidates());
        while high - low > 1 {
            let middle = low.midpoint(high);
            let steps = self.rewrite(recompute, middle, stretch);
            match self.fits(&steps) {
                true => (high, best) = (middle, steps),
                false => low = middle,
            }
        }
        best
    }

    fn rewrite(&self, recompute: &Recompute<'_>, count: usize, stretch: usize) -> Steps {
        let rewritten = recompute.rewrite(count, stretch);
        self.plan(&rewritten.selection, rewritten.origins, rewritten.again)
    }

    fn plan(&self, selection: &Selection, origins: Vec<u32>, again: Vec<u32>) -> Steps {
        let mut steps = place::plan(selection);
        steps.lean = Some(Box::new(Lean { asked: self.asked.clone(), origins, again }));
        steps
    }

    fn fits(&self, steps: &Steps) -> bool {
        steps.peak_bytes(self.limit.element) <= self.limit.bytes
    }

    fn consider(&mut self, steps: Steps) {
        let bytes = steps.peak_bytes(self.limit.element);
        if bytes < self.least {
            (self.least, self.best) = (bytes, Some(steps));
        }
    }

    /// Which value of the least plan is the first that does not fit.
    fn excess(&self) -> Excess {
        let mut excess = Excess { needed: self.least, limit: self.limit.bytes, node: None, bytes: 0 };
        let Some(best) = &self.best else { return excess };
        let mut left = self.limit.bytes.checked_sub(scratch_bytes(best, self.limit.element));
        let (mut buffers, mut results) = (vec![false; best.buffers.len()], vec![false; best.results.len()]);
        for (node, place) in best.steps.iter().flat_map(|step| step.written()) {
            let (taken, length) = match place {
                Place::Buffer(i) => (&mut buffers[i as usize], best.buffers[i as usize]),
                Place::Result(i) => (&mut results[i as usize], best.results[i as usize].1),
                Place::Tape(_) => continue,
            };
            if std::mem::replace(taken, true) {
                continue;
            }
            let bytes = length.saturating_mul(self.limit.element);
            left = left.and_then(|left| left.checked_sub(bytes));
            if left.is_none() {
                let origin = best.lean.as_ref().map_or(node, |lean| lean.origins[node as usize]);
                (excess.node, excess.bytes) = (Some(origin), bytes);
                break;
            }
        }
        excess
    }
}
