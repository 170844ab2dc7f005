//! Long recursions: a few states kept, and the others computed again in the reverse sweep, by the binomial schedule.

use std::ops::Range;

use super::number::Scalar;
use super::tape::Tape;
use super::var::Var;
use crate::error::{Error, ErrorKind, Result};

/// `last(sₙ, p)` with `sᵢ₊₁ = step(i, sᵢ, p)`, as one operation of the first state `s₀` and the parameters `p`.
///
/// About `√(2 n)` states are kept and one step is on a tape at a time; every step is run at most twice on plain constants
/// and once recorded. The gradient is that of the recursion written out: the same operations in the same order (up to the
/// order in which contributions to a state are added that a step hands on unchanged). The closures can't use variables
/// from outside: those are parameters.
///
/// [`checkpointed_loop_within`] takes less memory and more time, or the other way round.
///
/// # Errors
/// Where a step returns another number of states than it got.
///
/// # Panics
/// Where variables are of two tapes.
///
/// ```
/// use wengert_autograd::scalar::{Tape, checkpointed_loop};
/// // x' = -r x by 1000 steps of Euler's method: x(1) = (1 - r / 1000)^1000
/// let tape = Tape::new();
/// let (x, r) = (tape.var(1.0), tape.var(0.5));
/// let end = checkpointed_loop(&[x], &[r], 1000, |_, x, r| vec![x[0] - x[0] * r[0] / 1000.0], |x, _| x[0])?;
/// assert!((end.value() - 0.9995f64.powi(1000)).abs() < 1e-12);
/// assert!((end.backward().wrt(r) + 0.9995f64.powi(999)).abs() < 1e-12);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn checkpointed_loop<'t, T: Scalar>(
    state: &[Var<'t, T>],
    parameters: &[Var<'t, T>],
    steps: usize,
    step: impl for<'s> Fn(usize, &[Var<'s, T>], &[Var<'s, T>]) -> Vec<Var<'s, T>>,
    last: impl for<'s> FnOnce(&[Var<'s, T>], &[Var<'s, T>]) -> Var<'s, T>,
) -> Result<Var<'t, T>> {
    // The fewest with which no step is run more than twice.
    let mut snapshots = steps.isqrt().max(1);
    while reach(snapshots, 2) <= steps {
        snapshots += 1;
    }
    checkpointed_loop_within(snapshots, state, parameters, steps, step, last)
}

/// [`checkpointed_loop`] with at most so many states kept, the first one included.
///
/// With `c` states kept, `(c + r)! / (c! r!) - 1` steps are run at most `r` times each on plain constants: 8 states and
/// `r = 8` are enough for 12,869 steps. All in all the fewest runs that there can be: `r (n + 1) - (c + r)! / ((c + 1)! (r -
/// 1)!)` with the smallest `r` that is enough. Source: Griewank and Walther, "Algorithm 799: revolve", 2000.
///
/// # Errors
/// Where no state may be kept, or a step returns another number of states than it got.
///
/// # Panics
/// Where variables are of two tapes.
///
/// ```
/// use wengert_autograd::scalar::{Tape, checkpointed_loop_within};
/// let tape = Tape::new();
/// let x = tape.var(2.0);
/// let end = checkpointed_loop_within(3, &[x], &[], 10, |_, x, _| vec![x[0] * x[0] * 0.5], |x, _| x[0])?;
/// assert_eq!((end.value(), end.backward().wrt(x)), (2.0, 1024.0));          // each step doubles a change
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn checkpointed_loop_within<'t, T: Scalar>(
    snapshots: usize,
    state: &[Var<'t, T>],
    parameters: &[Var<'t, T>],
    steps: usize,
    step: impl for<'s> Fn(usize, &[Var<'s, T>], &[Var<'s, T>]) -> Vec<Var<'s, T>>,
    last: impl for<'s> FnOnce(&[Var<'s, T>], &[Var<'s, T>]) -> Var<'s, T>,
) -> Result<Var<'t, T>> {
    if snapshots == 0 {
        return Err(Error::new(ErrorKind::Argument, "no state may be kept".to_string())
            .op("checkpointed_loop_within")
            .hint("the first state is kept always: at least 1 snapshot"));
    }
    let tape = state.iter().chain(parameters).fold(None, |tape, x| Var::common(tape, x.tape()));
    let values = |x: &[Var<'t, T>]| x.iter().map(|x| x.value()).collect::<Vec<_>>();
    let recursion = Recursion { step, parameters: values(parameters), states: state.len() };
    let Some(tape) = tape else {
        let end = recursion.advance(0..steps, values(state))?;
        return Ok(Var::constant(last(&constants(&end), &constants(&recursion.parameters)).value()));
    };

    let mut sweep = Sweep { tape: Tape::new(), state: vec![], parameters: vec![T::of(0.0); parameters.len()] };
    // The function of the last state counts as a step.
    let (mut end, mut last, mut value) = (steps + 1, Some(last), T::of(0.0));
    // States by the number of the step that they go into. What comes after the last of them is to be reversed first.
    let mut kept = vec![(0, values(state))];
    while let Some((start, state)) = kept.last() {
        let (start, length) = (*start, end - *start);
        if length > 1 && kept.len() < snapshots {
            let next = start + advance(length, snapshots - kept.len() + 1);
            let state = recursion.advance(start..next, state.clone())?;
            kept.push((next, state));
            continue;
        }
        end -= 1;
        let state = match length {
            1 => kept.pop().map_or_else(Vec::new, |(_, state)| state),
            _ => recursion.advance(start..end, state.clone())?,
        };
        match last.take() {
            Some(last) => value = sweep.last(&state, &recursion.parameters, last),
            None => sweep.step(end, &state, &recursion),
        }
    }
    let operands = state.iter().zip(&sweep.state).chain(parameters.iter().zip(&sweep.parameters));
    Ok(tape.statement(value, operands.map(|(x, &by)| (x.record(), by))))
}

/// `(c + r)! / (c! r!)`: how many steps can be reversed with `c` states kept, if none is run more than `r` times before it is
/// recorded. The largest number where it would be larger.
fn reach(snapshots: usize, runs: usize) -> usize {
    let (few, many) = (snapshots.min(runs) as u128, snapshots.max(runs) as u128);
    let mut reach = 1u128;
    for i in 1..=few {
        reach = match reach.checked_mul(many + i) {
            Some(product) if product / i < usize::MAX as u128 => product / i,
            _ => return usize::MAX,
        };
    }
    reach as usize
}

/// After how many steps the next state is kept, of `length` steps, more than one, and `snapshots` states that may be kept,
/// more than one, that before the first step included: the last of the places for which all runs together are the fewest.
fn advance(length: usize, snapshots: usize) -> usize {
    let mut runs = 1;
    while reach(snapshots, runs) < length {
        runs += 1;
    }
    reach(snapshots, runs - 1).min(length - reach(snapshots - 1, runs - 1))
}

/// Numbers that nothing is differentiated by.
fn constants<'s, T: Scalar>(x: &[T]) -> Vec<Var<'s, T>> {
    x.iter().map(|&x| Var::constant(x)).collect()
}

struct Recursion<T, F> {
    step: F,
    parameters: Vec<T>,
    states: usize,
}

impl<T: Scalar, F: for<'s> Fn(usize, &[Var<'s, T>], &[Var<'s, T>]) -> Vec<Var<'s, T>>> Recursion<T, F> {
    /// Several steps.
    fn advance(&self, steps: Range<usize>, mut state: Vec<T>) -> Result<Vec<T>> {
        for i in steps {
            state = self.forward(i, &state)?;
        }
        Ok(state)
    }

    /// A step on constants, which records nothing.
    fn forward(&self, i: usize, state: &[T]) -> Result<Vec<T>> {
        let next = (self.step)(i, &constants(state), &constants(&self.parameters));
        if next.len() != self.states {
            let message = format!("step {i} returns {} numbers for a state of {}", next.len(), self.states);
            return Err(Error::new(ErrorKind::Shape, message)
                .op("checkpointed_loop")
                .hint("each step returns the whole next state; what doesn't change is a parameter"));
        }
        Ok(next.iter().map(|x| x.value()).collect())
    }
}

/// The reverse sweep: the adjoints of the state at hand, and those of the parameters so far.
struct Sweep<T: Scalar> {
    tape: Tape<T>,
    state: Vec<T>,
    parameters: Vec<T>,
}

impl<T: Scalar> Sweep<T> {
    /// Records the function of the last state, and begins with its derivatives.
    #[track_caller]
    fn last(
        &mut self,
        state: &[T],
        parameters: &[T],
        last: impl for<'s> FnOnce(&[Var<'s, T>], &[Var<'s, T>]) -> Var<'s, T>,
    ) -> T {
        let (state, parameters) = (self.tape.vars(state), self.tape.vars(parameters));
        let y = last(&state, &parameters);
        let adjoints = self.tape.backward(&[(y, T::of(1.0))]);
        self.state = adjoints.wrt_all(&state);
        self.parameters = adjoints.wrt_all(&parameters);
        y.value()
    }

    /// Records a step, and goes from the adjoints of its result to those of its state.
    #[track_caller]
    fn step<F>(&mut self, i: usize, state: &[T], recursion: &Recursion<T, F>)
    where
        F: for<'s> Fn(usize, &[Var<'s, T>], &[Var<'s, T>]) -> Vec<Var<'s, T>>,
    {
        self.tape.clear();
        let (state, parameters) = (self.tape.vars(state), self.tape.vars(&recursion.parameters));
        let next = (recursion.step)(i, &state, &parameters);
        // The parameters' adjoints go on from where they stand, so that they are added up in the order of the sweep.
        let seeds = next.iter().zip(&self.state).chain(parameters.iter().zip(&self.parameters));
        let seeds: Vec<_> = seeds.map(|(&x, &seed)| (x, seed)).collect();
        let adjoints = self.tape.backward(&seeds);
        self.state.clear();
        self.state.extend(state.iter().map(|&x| adjoints.wrt(x)));
        self.parameters.clear();
        self.parameters.extend(parameters.iter().map(|&x| adjoints.wrt(x)));
    }
}
