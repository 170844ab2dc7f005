//! Running: select, simplify, fuse, place, execute. Must know no derivative.

mod cache;
mod chains;
mod compact;
mod execute;
mod fuse;
mod limit;
mod pass;
mod place;
mod plan;
mod prepared;
mod print;
mod profile;
mod program;
mod recompute;
mod select;
mod simplify;
mod strides;
mod sums;
mod trace;
mod transposed;

use std::rc::Rc;

use smallvec::SmallVec;

use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::tape::var::{POISONED, Var};
use crate::tape::{Inner, Mode, Tape};
use crate::tensor::Tensor;
pub use cache::{PlanCounters, plan_counters};
pub(crate) use prepared::{Bound, Prepared};
pub use print::{Plan, PlannedKernel};
pub use profile::Profile;
use select::{Limit, Options, Selector};

/// What a run leaves on the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Everything that was materialised.
    All,
    /// What was asked for.
    Asked,
    /// The first output only.
    First,
    /// Nothing.
    Nothing,
}

impl<T: Element> Tape<T> {
    /// Computes nodes, as one plan.
    pub(crate) fn run_plan(&self, outputs: &[u32], keep: Keep) -> Result<SmallVec<[Tensor<T>; 8]>> {
        self.first_error()?;
        self.runs.set(self.runs.get() + 1);
        let mut prepared = self.prepared(outputs, self.options(keep))?;
        let inner = self.inner.borrow();
        prepared.run(&inner, &[], self.seed, self.check_finite.get())?;
        let tensors: SmallVec<[Tensor<T>; 8]> = (0..outputs.len()).map(|i| prepared.output(&inner, i)).collect();
        drop(inner);
        self.keep(outputs, keep, &mut prepared, &tensors);
        self.keep_prepared(prepared);
        Ok(tensors)
    }

    /// What decides a plan besides the structure.
    pub(crate) fn options(&self, keep: Keep) -> Options {
        let limit = self.limit.get().map(|bytes| Limit { bytes, element: size_of::<T>() });
        let (separate, literal) = self.without.get();
        Options { keep: keep == Keep::All, separate: separate || self.check_finite.get(), literal, limit }
    }

    /// Leaves values on the tape.
    fn keep(&self, outputs: &[u32], keep: Keep, prepared: &mut Prepared<T>, tensors: &[Tensor<T>]) {
        let inner = &mut *self.inner.borrow_mut();
        let asked = match keep {
            Keep::Nothing => 0,
            Keep::First => 1,
            Keep::All | Keep::Asked => outputs.len(),
        };
        for (&output, tensor) in outputs.iter().zip(tensors).take(asked) {
            inner.values[output as usize].get_or_insert_with(|| tensor.clone());
        }
        if keep == Keep::All {
            for result in 0..prepared.steps.results.len() {
                let id = prepared.ids[prepared.steps.results[result].0 as usize] as usize;
                let shape = inner.nodes[id].shape.clone();
                inner.values[id].get_or_insert_with(|| Tensor::of_storage(shape, prepared.take_result(result)));
            }
        }
    }

    /// What would run for some outputs: kernels in order, what is fused, shapes, flops and bytes. Runs nothing.
    ///
    /// # Errors
    /// The first mistake recorded on the tape; an output of another tape; a memory limit that cannot be met.
    ///
    /// # Example
    /// A normalisation by hand, a loss behind it and its gradient are one pass over memory. A sum of products is made where
    /// the first lies:
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::<f32>::from_fn([64, 128], |i| (i as f32).sin()));
    /// let centred = x - x.mean_axes(&[-1], true);
    /// let y = centred / (centred.square().mean_axes(&[-1], true) + 1e-5).sqrt();
    /// let loss = y.tanh().sum();
    /// let gradient = loss.grad([x])[0];
    /// let plan = tape.plan([loss, gradient])?;
    /// assert_eq!((plan.kernels().len(), plan.buffer_bytes()), (1, 0));
    ///
    /// let sum = x.matmul(x.t()) + y.matmul(y.t());
    /// let last = tape.plan([sum])?.kernels().last().map(|kernel| kernel.writes.clone());
    /// assert_eq!(last, Some(vec!["result 0 in place".to_string()]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn plan<'t, const N: usize>(&'t self, outputs: [Var<'t, T>; N]) -> Result<Plan> {
        let ids = self.ids_of("plan", &outputs)?;
        let inner = self.inner.borrow();
        cache::with_selector(|selector| {
            let steps = planned(&inner, selector, &ids, self.options(Keep::Asked))?;
            Ok(Plan::of(&inner, &steps.ids(&selector.ids), &steps))
        })
    }

    /// The nodes of outputs, after the mistakes that stand in the way.
    #[track_caller]
    fn ids_of(&self, op: &str, outputs: &[Var<'_, T>]) -> Result<SmallVec<[u32; 8]>> {
        self.first_error()?;
        if let Some(other) = outputs.iter().find(|output| !std::ptr::eq(self, output.tape)) {
            other.tape.first_error()?;
            let error = Error::new(ErrorKind::Tape, "a value of another tape was asked for");
            return Err(error.op(op).at(std::panic::Location::caller()));
        }
        debug_assert!(outputs.iter().all(|output| output.id != POISONED), "a poisoned Var has an error on its tape");
        Ok(outputs.iter().map(|output| output.id).collect())
    }

    /// Computes several values as one plan.
    ///
    /// # Errors
    /// The first mistake recorded on the tape; an index out of range; with `check_finite`, the first NaN or infinity;
    /// memory that cannot be had, or that [`memory_limit`](Tape::memory_limit) forbids.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([3.0, 4.0]));
    /// let y = x.square();
    /// let [squares, sum] = tape.eval([y, y.sum()])?;
    /// assert_eq!((squares.to_vec(), sum.item()?), (vec![9.0, 16.0], 25.0));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn eval<'t, const N: usize>(&'t self, outputs: [Var<'t, T>; N]) -> Result<[Tensor<T>; N]> {
        let mut tensors = self.eval_all(&outputs)?.into_iter();
        Ok(std::array::from_fn(|_| tensors.next().unwrap_or_else(|| Tensor::scalar(T::of(f64::NAN)))))
    }

    /// Computes any number of values as one plan. See [`eval`](Tape::eval).
    ///
    /// # Errors
    /// As `eval`.
    #[track_caller]
    pub fn eval_all<'t>(&'t self, outputs: &[Var<'t, T>]) -> Result<SmallVec<[Tensor<T>; 8]>> {
        let ids = self.ids_of("eval", outputs)?;
        if self.replayed.get() {
            let message = "a value was asked for while a step was recorded to be replayed";
            let hint = "a decision by a value goes through tape.decide(condition), which is checked in every replay";
            let error = Error::new(ErrorKind::Replay, message).hint(hint);
            return Err(error.op("eval").at(std::panic::Location::caller()));
        }
        self.run_plan(&ids, if self.mode == Mode::Inference { Keep::Asked } else { Keep::All })
    }
}

/// Selects what some outputs need, and plans it.
fn planned<T: Element>(
    tape: &Inner<T>,
    selector: &mut Selector,
    outputs: &[u32],
    options: Options,
) -> Result<Rc<plan::Steps>> {
    selector.select(tape, outputs, options);
    cache::plan_of(&selector.selection, |selection| {
        let steps = limit::plan(selection).map_err(|excess| too_much(tape, &selector.ids, &excess))?;
        trace::show(tape, &steps.ids(&selector.ids), &steps);
        Ok(steps)
    })
}

/// The mistake of a plan that no recomputation brings below the limit.
fn too_much<T: Element>(tape: &Inner<T>, selected: &[u32], excess: &limit::Excess) -> Error {
    let limit::Excess { needed, limit, bytes, node } = *excess;
    let message = format!("the least plan that was found needs {needed} bytes, and the memory limit is {limit}");
    let Some(node) = node else { return Error::new(ErrorKind::Memory, message) };
    let id = selected[node as usize];
    let message = format!("{message}; its result of {bytes} bytes is the first that does not fit");
    execute::memory_error(tape, id, message).hint("raise the limit, or compute with smaller batches")
}

impl<'t, T: Element> Var<'t, T> {
    /// Whether a condition of one element holds (is not 0), for `if` and `while` in Rust code: the branch taken decides
    /// what is recorded next. A step that is recorded to be replayed remembers the answer, and a replay whose condition
    /// is answered otherwise is an error.
    ///
    /// # Errors
    /// As [`item`](Var::item).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::scalar(-3.0));
    /// let y = if x.lt(0.0).decide()? { -x } else { x.square() };
    /// assert_eq!((y.item()?, y.grad([x])[0].item()?), (3.0, -1.0));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn decide(self) -> Result<bool> {
        let location = std::panic::Location::caller();
        let replayed = self.tape.replayed.replace(false);
        let value = self.item();
        self.tape.replayed.set(replayed);
        let holds = value.map_err(|error| error.at(location))? != T::of(0.0);
        if replayed {
            self.tape.inner.borrow_mut().decisions.push((self.id, holds));
        }
        Ok(holds)
    }
}

impl<T: Element> Var<'_, T> {
    /// The value, computed now if it is not there yet.
    ///
    /// # Errors
    /// The first mistake recorded on the tape; an index out of range; with `check_finite`, the first NaN or infinity.
    #[track_caller]
    pub fn value(self) -> Result<Tensor<T>> {
        let [value] = self.tape.eval([self])?;
        Ok(value)
    }

    /// The value of a `Var` of one element, as a number.
    ///
    /// # Errors
    /// As [`value`](Var::value); and where there is not exactly one element.
    #[track_caller]
    pub fn item(self) -> Result<T> {
        let location = std::panic::Location::caller();
        self.value()?.item().map_err(|error| error.at(location))
    }
}
