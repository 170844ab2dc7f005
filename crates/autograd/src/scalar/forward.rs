//! The forward sweep: directions pushed through the partial derivatives that the tape holds.

use super::columns::{Records, pass};
use super::number::Scalar;
use super::tape::{Statements, Tape};
use super::var::Var;
use crate::kernels::dispatch::{self, Kernel};

/// The derivatives of everything on the tape along `L` directions.
#[derive(Debug)]
pub struct Tangents<'t, T: Scalar, const L: usize> {
    tape: &'t Tape<T>,
    tangents: Vec<T>,
}

impl<'t, T: Scalar, const L: usize> Tangents<'t, T, L> {
    /// The derivatives of a result along the directions; of a constant they are 0.
    ///
    /// # Panics
    /// For a result of another tape.
    #[inline]
    #[track_caller]
    pub fn of(&self, y: Var<'t, T>) -> [T; L] {
        Var::common(Some(self.tape), y.tape());
        match y.record() {
            0 => [T::of(0.0); L],
            record => self.tangents.as_chunks::<L>().0[record as usize],
        }
    }
}

impl<T: Scalar, const L: usize> Drop for Tangents<'_, T, L> {
    fn drop(&mut self) {
        self.tape.spare.set(std::mem::take(&mut self.tangents));
    }
}

impl<T: Scalar> Tape<T> {
    /// The derivatives along directions of everything computed from some variables: forward mode, on the tape.
    ///
    /// # Panics
    /// For a variable of another tape.
    ///
    /// ```
    /// let tape = wengert_autograd::scalar::Tape::new();
    /// let (x, y) = (tape.var(2.0), tape.var(3.0));
    /// let z = x * x * y;
    /// assert_eq!(z.value(), 12.0);
    /// let tangents = tape.forward_lanes(&[(x, [1.0, 0.0]), (y, [0.0, 1.0])]);
    /// assert_eq!(tangents.of(z), [12.0, 4.0]);              // its gradient, by its two directions
    /// ```
    #[track_caller]
    pub fn forward_lanes<'t, const L: usize>(&'t self, directions: &[(Var<'t, T>, [T; L])]) -> Tangents<'t, T, L> {
        let (records, first) = (self.columns.len(), self.columns.leaves());
        // Directions of what was computed come on top of what the sweep finds.
        let seeded = directions.iter().any(|(x, _)| x.record() as usize >= first);
        let mut tangents = start(self, directions.iter().map(|&(x, _)| x), records * L);
        let lanes = tangents.as_chunks_mut::<L>().0;
        // Whatever else is left from an earlier sweep is written before it is read.
        lanes[..if seeded { records } else { first }].fill([T::of(0.0); L]);
        for &(x, direction) in directions.iter().filter(|(x, _)| x.record() != 0) {
            let place = &mut lanes[x.record() as usize];
            *place = std::array::from_fn(|lane| place[lane] + direction[lane]);
        }
        let statements = &*self.statements.borrow();
        self.columns.records(|records| {
            let push = Push { records, statements, lanes, first, seeded };
            // One lane has nothing to gain from wider instructions.
            if L == 1 { push.run::<false>() } else { dispatch::run(push) }
        });
        Tangents { tape: self, tangents }
    }
}

/// The loop over the records from `first` on; those before are variables, and keep their directions.
struct Push<'a, T, const L: usize> {
    records: Records<'a, T>,
    statements: &'a Statements<T>,
    lanes: &'a mut [[T; L]],
    first: usize,
    seeded: bool,
}

/// Room for so many numbers, in memory of an earlier sweep: what it left stands there.
#[track_caller]
fn start<'t, T: Scalar>(tape: &'t Tape<T>, from: impl Iterator<Item = Var<'t, T>>, count: usize) -> Vec<T> {
    from.for_each(|x| _ = Var::common(Some(tape), x.tape()));
    let mut tangents = tape.spare.take();
    if tangents.try_reserve(count.saturating_sub(tangents.len())).is_err() {
        panic!("scalar tape: no memory for {count} tangents");
    }
    tangents.resize(count, T::of(0.0));
    tangents
}

impl<T: Scalar, const L: usize> Kernel for Push<'_, T, L> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Push { records, statements, lanes, first, seeded } = self;
        let mut heads = statements.heads.iter().peekable();
        let (mut further, mut summed, zero) = (0, 0, [T::of(0.0); L]);
        // What a record that is no result of its own hands to the next one.
        let mut carried = zero;
        for (record, &[by_left, by_right]) in records.partials.iter().enumerate().skip(first) {
            let [left, right, _, summand] = records.operands(record, summed);
            let mut tangent = if records.is_joined(record) { carried } else { zero };
            if seeded {
                let own = lanes[record];
                tangent = std::array::from_fn(|lane| own[lane] + tangent[lane]);
            }
            if summand != 0 {
                let summand = lanes[summand as usize];
                tangent = std::array::from_fn(|lane| tangent[lane] + summand[lane]);
                summed += 1;
            }
            if left != 0 {
                pass(&mut tangent, lanes[left as usize], by_left);
            }
            if right != 0 {
                pass(&mut tangent, lanes[right as usize], by_right);
            }
            if let Some(&[_, count]) = heads.next_if(|head| head[0] as usize == record) {
                let more = further..further + count as usize;
                for (&link, &by) in statements.links[more.clone()].iter().zip(&statements.partials[more]) {
                    pass(&mut tangent, lanes[link as usize], by);
                }
                further += count as usize;
            }
            if records.is_joined(record + 1) {
                carried = tangent;
            } else {
                lanes[record] = tangent;
            }
        }
    }
}
