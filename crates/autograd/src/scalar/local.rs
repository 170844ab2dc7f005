//! Sums of many terms whose tape is as long as one term: record a term, sweep it, forget it.

use std::ops::Range;

use super::number::Scalar;
use super::tape::Tape;
use super::var::{Var, tape_of};

/// `Σᵢ term(i, parameters)`, as one operation of the parameters: [`Tape::sum`] on whatever tape they are of. Without
/// any, the sum is a constant.
///
/// # Panics
/// Where parameters are of two tapes.
///
/// ```
/// use wengert_autograd::scalar::{Tape, sum_terms};
/// let tape = Tape::new();
/// let x = tape.vars(&[2.0, 3.0]);
/// let y = sum_terms(0..4, &x, |i, x| x[0] * x[1] * i as f64);
/// assert_eq!(y.value(), 36.0);
/// assert_eq!(y.backward().wrt_all(&x), [18.0, 12.0]);
/// ```
#[track_caller]
pub fn sum_terms<'t, T: Scalar>(
    range: Range<usize>,
    parameters: &[Var<'t, T>],
    mut term: impl for<'s> FnMut(usize, &[Var<'s, T>]) -> Var<'s, T>,
) -> Var<'t, T> {
    match tape_of(parameters) {
        Some(tape) => tape.sum(range, parameters, term),
        None => range.map(|i| term(i, parameters)).sum(),
    }
}

impl<T: Scalar> Tape<T> {
    /// `Σᵢ term(i, parameters)`, as one operation of the parameters.
    ///
    /// Each term is recorded on a small tape of its own, swept, and forgotten: memory for one term, which stays in the
    /// cache. The closure gets the parameters as variables of that small tape; variables from outside can't be used in it
    /// (their values can). The derivatives are those of the sum written out, up to the order of additions.
    ///
    /// # Panics
    /// Where parameters are of another tape.
    ///
    /// ```
    /// let tape = wengert_autograd::scalar::Tape::new();
    /// let (x, y) = ([1.0, 2.0, 3.0], [3.1, 4.9, 7.2]);
    /// let line = tape.vars(&[2.0f64, 1.0]);                 // slope and intercept
    /// let loss = tape.sum(0..3, &line, |i, line| (line[0] * x[i] + line[1] - y[i]).powi(2));
    /// assert!((loss.value() - 0.06).abs() < 1e-12);
    /// let adjoints = loss.backward();
    /// assert!((adjoints.wrt(line[0]) + 1.0).abs() < 1e-12);                 // 2 Σ residual · x
    /// ```
    #[track_caller]
    pub fn sum<'t>(
        &'t self,
        range: Range<usize>,
        parameters: &[Var<'t, T>],
        mut term: impl for<'s> FnMut(usize, &[Var<'s, T>]) -> Var<'s, T>,
    ) -> Var<'t, T> {
        for x in parameters {
            Var::common(Some(self), x.tape());
        }
        let inner = self.inner.take().unwrap_or_else(|| Box::new(Tape::new()));
        inner.forget(1);
        let mut adjoints = inner.spare.take();
        let value = {
            let own: Vec<Var<'_, T>> = parameters.iter().map(|x| inner.var(x.value())).collect();
            let first = inner.columns.len();
            adjoints.clear();
            adjoints.resize(first, T::of(0.0));
            let mut value = T::of(0.0);
            for i in range {
                let y = term(i, &own);
                Var::common(Some(&*inner), y.tape());
                value = value + y.value();
                inner.sweep_term(&mut adjoints, first, y);
                inner.forget(first);
            }
            value
        };
        let partials = adjoints[1..].iter().copied();
        let operands = parameters.iter().zip(partials).map(|(x, by)| (x.record(), by));
        let sum = self.statement(value, operands);
        inner.spare.set(adjoints);
        self.inner.set(Some(inner));
        sum
    }

    /// Adds the derivatives of a term to the adjoints of the records below `first`.
    fn sweep_term(&self, adjoints: &mut Vec<T>, first: usize, y: Var<'_, T>) {
        let last = y.record() as usize;
        adjoints.truncate(first);
        adjoints.resize(first.max(last + 1), T::of(0.0));
        if last != 0 {
            adjoints[last] = adjoints[last] + T::of(1.0);
        }
        if last >= first {
            self.sweep_down(adjoints.as_chunks_mut::<1>().0, first - 1, last);
        }
        adjoints.truncate(first);
    }
}
