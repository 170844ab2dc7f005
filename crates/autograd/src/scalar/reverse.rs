//! The sweeps over a scalar tape: backwards for adjoints. Must know no function by name.

use super::columns::pass_all;
use super::number::Scalar;
use super::tape::Tape;
use super::var::Var;

/// The derivatives of a result by everything on the tape: what a reverse sweep leaves.
///
/// Its memory goes back to the tape, for the next sweep.
#[derive(Debug)]
pub struct Adjoints<'t, T: Scalar = f64>(LaneAdjoints<'t, T, 1>);

impl<'t, T: Scalar> Adjoints<'t, T> {
    /// The derivative by a variable: exactly 0 where the result doesn't depend on it.
    ///
    /// `x` and `x + c` are one variable here. By a constant it is 0.
    ///
    /// # Panics
    /// For a variable of another tape.
    #[inline]
    #[track_caller]
    pub fn wrt(&self, x: Var<'t, T>) -> T {
        self.0.wrt(x)[0]
    }

    /// The derivatives by several variables.
    ///
    /// # Panics
    /// For variables of another tape.
    #[track_caller]
    pub fn wrt_all(&self, x: &[Var<'t, T>]) -> Vec<T> {
        x.iter().map(|&x| self.wrt(x)).collect()
    }
}

/// The derivatives of several results, or in several directions, from one sweep: `L` adjoints for each record.
#[derive(Debug)]
pub struct LaneAdjoints<'t, T: Scalar, const L: usize> {
    tape: Option<&'t Tape<T>>,
    adjoints: Vec<T>,
}

impl<'t, T: Scalar, const L: usize> LaneAdjoints<'t, T, L> {
    /// The derivatives by a variable, one a lane.
    ///
    /// # Panics
    /// For a variable of another tape.
    #[inline]
    #[track_caller]
    pub fn wrt(&self, x: Var<'t, T>) -> [T; L] {
        Var::common(self.tape, x.tape());
        match x.record() {
            0 => [T::of(0.0); L],
            record => self.adjoints.as_chunks::<L>().0.get(record as usize).copied().unwrap_or([T::of(0.0); L]),
        }
    }
}

impl<T: Scalar, const L: usize> Drop for LaneAdjoints<'_, T, L> {
    fn drop(&mut self) {
        if let Some(tape) = self.tape {
            tape.spare.set(std::mem::take(&mut self.adjoints));
        }
    }
}

impl<'t, T: Scalar> Var<'t, T> {
    /// The derivatives of this number by everything that it was computed from, by one sweep over the tape.
    ///
    /// ```
    /// let tape = wengert_autograd::scalar::Tape::new();
    /// let (x, y) = (tape.var(3.0f64), tape.var(4.0));
    /// let z = (x * x + y * y).sqrt();
    /// let adjoints = z.backward();
    /// assert_eq!(z.value(), 5.0);
    /// assert!((adjoints.wrt(x) - 0.6).abs() < 1e-15 && (adjoints.wrt(y) - 0.8).abs() < 1e-15);
    /// ```
    #[track_caller]
    pub fn backward(self) -> Adjoints<'t, T> {
        Adjoints(sweep(self.tape(), &[(self, [T::of(1.0)])]))
    }
}

impl<T: Scalar> Tape<T> {
    /// The derivatives of `Σ seedᵢ yᵢ`: a cotangent for each of several results, and one sweep.
    ///
    /// # Panics
    /// For a result of another tape.
    ///
    /// ```
    /// let tape = wengert_autograd::scalar::Tape::new();
    /// let x = tape.var(2.0);
    /// let (y, z) = (x * x, x.recip());
    /// assert_eq!((y.value(), z.value()), (4.0, 0.5));
    /// assert_eq!(tape.backward(&[(y, 10.0), (z, 4.0)]).wrt(x), 39.0);       // 10 · 2 x - 4 / x²
    /// ```
    #[track_caller]
    pub fn backward<'t>(&'t self, results: &[(Var<'t, T>, T)]) -> Adjoints<'t, T> {
        let mut adjoints = start(Some(self), results.iter().map(|&(y, _)| y), 1);
        for &(y, seed) in results {
            add_seed(&mut adjoints, y, [seed]);
        }
        Adjoints(finish(Some(self), adjoints))
    }

    /// Several sweeps in one: each result has a cotangent in each of `L` lanes.
    ///
    /// # Panics
    /// For a result of another tape.
    ///
    /// ```
    /// let tape = wengert_autograd::scalar::Tape::new();
    /// let x = tape.var(2.0);
    /// let (y, z) = (x * x, x.recip());
    /// assert_eq!((y.value(), z.value()), (4.0, 0.5));
    /// let both = tape.backward_lanes(&[(y, [1.0, 0.0]), (z, [0.0, 1.0])]);
    /// assert_eq!(both.wrt(x), [4.0, -0.25]);
    /// ```
    #[track_caller]
    pub fn backward_lanes<'t, const L: usize>(&'t self, results: &[(Var<'t, T>, [T; L])]) -> LaneAdjoints<'t, T, L> {
        sweep(Some(self), results)
    }

    /// Passes adjoints from the record `high` down to those above `low`.
    pub(super) fn sweep_down<const L: usize>(&self, adjoints: &mut [[T; L]], low: usize, high: usize) {
        // Variables at the beginning pass nothing on.
        let low = low.max(self.columns.leaves() - 1);
        if low >= high {
            return;
        }
        let statements = self.statements.borrow();
        let mut count = statements.heads.partition_point(|&[record, _]| record as usize <= high);
        let further: usize = statements.heads[count..].iter().map(|&[_, count]| count as usize).sum();
        let mut end = statements.links.len() - further;
        self.columns.records(|records| {
            let (mut high, mut summed) = (high, records.summed(high + 1));
            loop {
                let head = count.checked_sub(1).map(|last| statements.heads[last]);
                let Some([record, operands]) = head.filter(|&[record, _]| record as usize > low) else { break };
                let record = record as usize;
                summed = records.sweep(adjoints, record, high, summed);
                let adjoint = adjoints[record];
                let start = end - operands as usize;
                if adjoint.iter().any(|lane| !lane.is_exactly(0.0)) {
                    pass_all(adjoints, &statements.links[start..end], adjoint, &statements.partials[start..end]);
                }
                // The record itself has two more operands, and is the first of the next stretch.
                (count, end, high) = (count - 1, start, record);
            }
            records.sweep(adjoints, low, high, summed);
        });
    }
}

/// A sweep from several results, each with its cotangents.
#[track_caller]
fn sweep<'t, T: Scalar, const L: usize>(
    tape: Option<&'t Tape<T>>,
    results: &[(Var<'t, T>, [T; L])],
) -> LaneAdjoints<'t, T, L> {
    let mut adjoints = start(tape, results.iter().map(|&(y, _)| y), L);
    for &(y, seeds) in results {
        add_seed(&mut adjoints, y, seeds);
    }
    finish(tape, adjoints)
}

/// Zeros for every record up to the last of the results, in memory of an earlier sweep.
#[track_caller]
fn start<'t, T: Scalar>(tape: Option<&'t Tape<T>>, results: impl Iterator<Item = Var<'t, T>>, lanes: usize) -> Vec<T> {
    let last = results.fold(0, |last, y| {
        Var::common(tape, y.tape());
        last.max(y.record() as usize)
    });
    let mut adjoints = tape.map_or_else(Vec::new, |tape| tape.spare.take());
    adjoints.clear();
    if adjoints.try_reserve((last + 1) * lanes).is_err() {
        panic!("scalar tape: no memory for the adjoints of {last} records");
    }
    adjoints.resize((last + 1) * lanes, T::of(0.0));
    adjoints
}

fn add_seed<T: Scalar, const L: usize>(adjoints: &mut [T], y: Var<'_, T>, seeds: [T; L]) {
    if y.record() != 0 {
        let place = &mut adjoints.as_chunks_mut::<L>().0[y.record() as usize];
        *place = std::array::from_fn(|lane| place[lane] + seeds[lane]);
    }
}

fn finish<T: Scalar, const L: usize>(tape: Option<&Tape<T>>, mut adjoints: Vec<T>) -> LaneAdjoints<'_, T, L> {
    if let Some(tape) = tape {
        let lanes = adjoints.as_chunks_mut::<L>().0;
        let high = lanes.len() - 1;
        tape.sweep_down(lanes, 0, high);
    }
    LaneAdjoints { tape, adjoints }
}
