//! Plans by structure: the next step of the same structure plans nothing.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::plan::Steps;
use super::select::{Selection, Selector};

/// Nodes in all kept plans of a thread together, at most.
const MOST_NODES: usize = 1 << 20;

thread_local! {
    static PLANS: RefCell<Plans> = RefCell::new(Plans::default());
    static SELECTOR: RefCell<Selector> = RefCell::new(Selector::default());
    static COUNTERS: Cell<PlanCounters> = const { Cell::new(PlanCounters { planned: 0, reused: 0 }) };
}

/// How often this thread made a plan, and how often it used one again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanCounters {
    /// Plans made.
    pub planned: u64,
    /// Runs that used a kept plan.
    pub reused: u64,
}

/// How often this thread made a plan, and how often it used one again.
///
/// ```
/// use wengert_autograd::{Tape, Tensor, plan_counters};
/// let step = |value: f64| Tape::new().input(Tensor::scalar(value)).tanh().item();
/// step(1.0)?;
/// let before = plan_counters();
/// step(2.0)?;                                            // the same structure
/// assert_eq!(plan_counters().planned, before.planned);
/// assert_eq!(plan_counters().reused, before.reused + 1);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub fn plan_counters() -> PlanCounters {
    COUNTERS.get()
}

/// Counts a plan that was used again without being looked for here.
pub(super) fn count_reuse() {
    let counters = COUNTERS.get();
    COUNTERS.set(PlanCounters { reused: counters.reused + 1, ..counters });
}

#[derive(Debug, Default)]
struct Plans {
    by_hash: HashMap<u64, Vec<Kept>>,
    nodes: usize,
    clock: u64,
}

#[derive(Debug)]
struct Kept {
    steps: Rc<Steps>,
    used: u64,
}

/// The plan of a selection: a kept one, or a new one. What cannot be planned is not kept.
pub(crate) fn plan_of<E>(
    selection: &Selection,
    make: impl FnOnce(&Selection) -> Result<Steps, E>,
) -> Result<Rc<Steps>, E> {
    let hash = selection.hash();
    let mut counters = COUNTERS.get();
    let known = PLANS.with_borrow_mut(|plans| {
        plans.clock += 1;
        let clock = plans.clock;
        let kept = plans.by_hash.get_mut(&hash)?.iter_mut().find(|kept| kept.steps.asked() == selection)?;
        kept.used = clock;
        Some(kept.steps.clone())
    });
    let steps = match known {
        Some(steps) => {
            counters.reused += 1;
            steps
        }
        None => {
            let steps = Rc::new(make(selection)?);
            // A run inside may have planned too.
            counters = COUNTERS.get();
            counters.planned += 1;
            PLANS.with_borrow_mut(|plans| plans.keep(hash, steps.clone()));
            steps
        }
    };
    COUNTERS.set(counters);
    Ok(steps)
}

impl Plans {
    fn keep(&mut self, hash: u64, steps: Rc<Steps>) {
        let size = steps.selection.len();
        if size > MOST_NODES {
            return;
        }
        while self.nodes + size > MOST_NODES && self.drop_oldest() {}
        self.nodes += size;
        self.by_hash.entry(hash).or_default().push(Kept { steps, used: self.clock });
    }

    /// Drops the plan that was not used for the longest time. Whether there was one.
    fn drop_oldest(&mut self) -> bool {
        let oldest = self.by_hash.iter().flat_map(|(&hash, kept)| kept.iter().map(move |kept| (kept.used, hash))).min();
        let Some((used, hash)) = oldest else { return false };
        if let Some(kept) = self.by_hash.get_mut(&hash) {
            let before: usize = kept.iter().map(|kept| kept.steps.selection.len()).sum();
            kept.retain(|kept| kept.used != used);
            let after: usize = kept.iter().map(|kept| kept.steps.selection.len()).sum();
            self.nodes -= before - after;
            if kept.is_empty() {
                self.by_hash.remove(&hash);
            }
        }
        true
    }
}

/// Lends the selector of this thread; a run inside a run (from a user's op) has its own.
pub(crate) fn with_selector<R>(work: impl FnOnce(&mut Selector) -> R) -> R {
    let mut selector = SELECTOR.take();
    let done = work(&mut selector);
    SELECTOR.set(selector);
    done
}
