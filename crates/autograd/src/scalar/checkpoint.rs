//! Long recursions: states kept at every √n-th step only, and computed again in the reverse sweep.

use super::number::Scalar;
use super::tape::Tape;
use super::var::Var;
use crate::error::{Error, ErrorKind, Result};

/// `last(sₙ, p)` with `sᵢ₊₁ = step(i, sᵢ, p)`, as one operation of the first state `s₀` and the parameters `p`.
///
/// Only about `2 √n` states are kept and one step is on a tape at a time; every step is run twice on plain constants
/// and once recorded. The gradient is that of the recursion written out: the same operations in the same order (up to the
/// order in which contributions to a state are added that a step hands on unchanged). The closures can't use variables
/// from outside: those are parameters.
///
/// Two levels of checkpoints: Griewank, "Achieving logarithmic growth of temporal and spatial complexity in reverse
/// automatic differentiation", 1992, has the schedule for more.
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
    let tape = state.iter().chain(parameters).fold(None, |tape, x| Var::common(tape, x.tape()));
    let values = |x: &[Var<'t, T>]| x.iter().map(|x| x.value()).collect::<Vec<_>>();
    let recursion = Recursion { step, parameters: values(parameters), states: state.len() };

    let stride = steps.isqrt().max(1);
    let mut checkpoints = vec![values(state)];
    let mut current = values(state);
    for i in 0..steps {
        current = recursion.forward(i, &current)?;
        // The end of the recursion needs no checkpoint: what comes after it is not computed again.
        if (i + 1) % stride == 0 && i + 1 < steps {
            checkpoints.push(current.clone());
        }
    }

    let mut sweep = Sweep { tape: Tape::new(), state: vec![], parameters: vec![T::of(0.0); parameters.len()] };
    let value = sweep.last(&current, &recursion.parameters, last);
    if let Some(tape) = tape {
        for (segment, start) in checkpoints.iter().enumerate().rev() {
            let first = segment * stride;
            let end = steps.min(first + stride);
            let mut states = vec![start.clone()];
            for i in first..end.saturating_sub(1) {
                states.push(recursion.forward(i, &states[i - first])?);
            }
            for i in (first..end).rev() {
                sweep.step(i, &states[i - first], &recursion);
            }
        }
        let operands = state.iter().zip(&sweep.state).chain(parameters.iter().zip(&sweep.parameters));
        return Ok(tape.statement(value, operands.map(|(x, &by)| (x.record(), by))));
    }
    Ok(Var::constant(value))
}

struct Recursion<T, F> {
    step: F,
    parameters: Vec<T>,
    states: usize,
}

impl<T: Scalar, F: for<'s> Fn(usize, &[Var<'s, T>], &[Var<'s, T>]) -> Vec<Var<'s, T>>> Recursion<T, F> {
    /// A step on constants, which records nothing.
    fn forward(&self, i: usize, state: &[T]) -> Result<Vec<T>> {
        let constants = |x: &[T]| x.iter().map(|&x| Var::constant(x)).collect::<Vec<_>>();
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
