//! A program with its memory: the places that the loops read and write without bounds checks.
//!
//! With several lanes, each statement is a few vector instructions on whole registers. With one lane, the statements of a
//! run are themselves the lanes: operands that lie apart are gathered, those that lie side by side are read where they are.

use std::slice;

use super::program::{Access, Program, Run};
use super::slot::{BUFFERS, CHUNK, Memory, Slot};

/// Below this many statements gathering does not pay.
const WIDE: usize = 8;

/// The most operands of what is not a sum.
pub(super) const MOST: usize = 3;

/// A program with its memory, as pointers.
pub(super) struct Machine<'a, S: Slot, const L: usize> {
    pub(super) program: &'a Program<S::Base>,
    pub(super) values: *mut S,
    pub(super) adjoints: *mut S,
    pub(super) scratch: *mut S,
}

impl<'a, S: Slot, const L: usize> Machine<'a, S, L> {
    pub(super) fn new(program: &'a Program<S::Base>, memory: &'a mut Memory<S>) -> Self {
        // Whoever built the program put all its places below these two numbers.
        assert!(memory.lanes == L && memory.values.len() == program.slots * L);
        assert!(memory.adjoints.len() == program.adjoint_slots * L);
        let (values, adjoints) = (memory.values.as_mut_ptr(), memory.adjoints.as_mut_ptr());
        Machine { program, values, adjoints, scratch: memory.scratch.as_mut_ptr() }
    }

    /// The places of operand `k` of all statements.
    #[inline(always)]
    pub(super) fn places(&self, run: &Run, k: usize) -> &'a [u32] {
        let count = run.count as usize;
        // SAFETY: the builder pushed `count` places for each operand of the run, from `first` on.
        unsafe { slice::from_raw_parts(self.program.args.as_ptr().add(run.first as usize + k * count), count) }
    }

    /// The places of their cotangents.
    #[inline(always)]
    pub(super) fn adjoint_places(&self, run: &Run, k: usize) -> &'a [u32] {
        let count = run.count as usize;
        // SAFETY: as for `places`.
        unsafe { slice::from_raw_parts(self.program.adjoint_args.as_ptr().add(run.first as usize + k * count), count) }
    }

    #[inline(always)]
    pub(super) fn access(&self, run: &Run, k: usize) -> [Access; 2] {
        debug_assert!(k < run.width as usize);
        // SAFETY: the builder pushed one entry for each operand of the run.
        unsafe { *self.program.access.get_unchecked(run.accesses as usize + k) }
    }

    /// The places of all operands of a run's one statement of many operands.
    #[inline(always)]
    pub(super) fn list_places(&self, run: &Run) -> &'a [u32] {
        debug_assert!(run.count == 1);
        // SAFETY: the builder pushed a place for each operand, from `first` on.
        unsafe { slice::from_raw_parts(self.program.args.as_ptr().add(run.first as usize), run.width as usize) }
    }

    /// The places of their cotangents; `NONE` where there is none.
    #[inline(always)]
    pub(super) fn list_adjoints(&self, run: &Run) -> &'a [u32] {
        debug_assert!(run.count == 1);
        // SAFETY: as for `list_places`.
        unsafe { slice::from_raw_parts(self.program.adjoint_args.as_ptr().add(run.first as usize), run.width as usize) }
    }

    /// A buffer for so many statements.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "through a raw pointer; each use takes a buffer of its own")]
    pub(super) fn buffer(&self, buffer: usize, count: usize) -> &mut [S] {
        debug_assert!(buffer < BUFFERS && count * L <= CHUNK);
        // SAFETY: there are `BUFFERS` buffers of `CHUNK` numbers.
        unsafe { slice::from_raw_parts_mut(self.scratch.add(buffer * CHUNK), count * L) }
    }

    /// The lanes of a value.
    #[inline(always)]
    pub(super) fn load(&self, place: u32) -> [S; L] {
        debug_assert!((place as usize) < self.program.slots);
        // SAFETY: places are below `slots`, and `values` has `L` numbers for each.
        unsafe { self.values.add(place as usize * L).cast::<[S; L]>().read() }
    }

    #[inline(always)]
    pub(super) fn store(&self, place: usize, lanes: [S; L]) {
        debug_assert!(place < self.program.slots);
        // SAFETY: as for `load`.
        unsafe { self.values.add(place * L).cast::<[S; L]>().write(lanes) };
    }

    /// The lanes of operand `k` of statement `i`.
    #[inline(always)]
    pub(super) fn operand(&self, run: &Run, k: usize, i: usize) -> [S; L] {
        debug_assert!(i < run.count as usize && k < run.width as usize);
        // SAFETY: `i` is below the count and `k` below the width of the run, at both places of the call.
        self.load(unsafe { *self.places(run, k).get_unchecked(i) })
    }

    /// Adds to the cotangent of operand `k` of statement `i`.
    #[inline(always)]
    pub(super) fn give(&self, run: &Run, k: usize, i: usize, part: impl Fn(usize) -> S) {
        debug_assert!(i < run.count as usize && k < run.width as usize && run.active & (1 << k) != 0);
        // SAFETY: `i` is below the count and `k` below the width of the run.
        self.add(unsafe { *self.adjoint_places(run, k).get_unchecked(i) }, part);
    }

    /// Adds to a cotangent.
    #[inline(always)]
    pub(super) fn add(&self, place: u32, part: impl Fn(usize) -> S) {
        debug_assert!((place as usize) < self.program.adjoint_slots);
        // SAFETY: places of cotangents are below `adjoint_slots`, and `adjoints` has `L` numbers for each.
        let sum = unsafe { &mut *self.adjoints.add(place as usize * L).cast::<[S; L]>() };
        let mut lane = 0;
        while lane < L {
            sum[lane] = sum[lane] + part(lane);
            lane += 1;
        }
    }

    /// The values of operand `k` of the statements `start..start + count` side by side: where they lie, or in a buffer.
    #[inline(always)]
    pub(super) fn fetch(&self, run: &Run, k: usize, start: usize, count: usize, buffer: usize) -> &[S] {
        debug_assert!(start + count <= run.count as usize && count * L <= CHUNK);
        let places = &self.places(run, k)[start..start + count];
        let from = match self.access(run, k)[0] {
            // SAFETY: places are below `slots`.
            Access::Contiguous => unsafe { self.values.add(places[0] as usize * L).cast_const() },
            _ => {
                // SAFETY: there are `BUFFERS` buffers of `CHUNK` numbers, and `count * L` is at most `CHUNK`.
                let to = unsafe { self.scratch.add(buffer * CHUNK) };
                for (i, &place) in places.iter().enumerate() {
                    // SAFETY: as above.
                    unsafe { to.add(i * L).cast::<[S; L]>().write(self.load(place)) };
                }
                to.cast_const()
            }
        };
        // SAFETY: `count * L` numbers from there on are inside `values` or the buffer, and nobody writes them while the
        // slice is in use: results go to other places, and each operand has a buffer of its own.
        unsafe { slice::from_raw_parts(from, count * L) }
    }

    /// The values of all operands of the statements `start..start + count`, as [`fetch`](Self::fetch) gives them.
    #[inline(always)]
    pub(super) fn fetch_all(&self, run: &Run, start: usize, count: usize) -> [&[S]; MOST] {
        let mut x: [&[S]; MOST] = [&[]; MOST];
        for (k, x) in x.iter_mut().enumerate().take(run.width as usize) {
            *x = self.fetch(run, k, start, count, k);
        }
        x
    }

    /// The value of operand `k` where it is one and the same for all statements of a run.
    #[inline(always)]
    pub(super) fn same(&self, run: &Run, k: usize) -> Option<S> {
        match self.access(run, k)[0] {
            Access::Broadcast if L == 1 => Some(self.operand(run, k, 0)[0]),
            _ => None,
        }
    }

    /// The places for the results of the statements `start..start + count`.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "through a raw pointer; each run's places are apart from its operands'")]
    pub(super) fn results(&self, run: &Run, start: usize, count: usize) -> &mut [S] {
        debug_assert!(run.out as usize + start + count <= self.program.slots);
        // SAFETY: the builder gave the run `run.count` places from `out` on, apart from all operands of the run.
        unsafe { slice::from_raw_parts_mut(self.values.add((run.out as usize + start) * L), count * L) }
    }

    /// The cotangents of the statements `start..start + count`.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "through a raw pointer; each run's places are apart from its operands'")]
    pub(super) fn cotangents(&self, run: &Run, start: usize, count: usize) -> &mut [S] {
        debug_assert!(run.out_adjoint as usize + start + count <= self.program.adjoint_slots);
        // SAFETY: as for `results`: a run with active operands has places for cotangents, apart from its operands'.
        unsafe { slice::from_raw_parts_mut(self.adjoints.add((run.out_adjoint as usize + start) * L), count * L) }
    }

    /// Adds contributions that lie side by side to the cotangents of operand `k`.
    #[inline(always)]
    pub(super) fn scatter(&self, run: &Run, k: usize, start: usize, count: usize, part: impl Fn(usize) -> S) {
        let places = &self.adjoint_places(run, k)[start..start + count];
        match self.access(run, k)[1] {
            Access::Contiguous => {
                // SAFETY: active operands have places below `adjoint_slots`, here `count` of them side by side.
                let sums = unsafe { slice::from_raw_parts_mut(self.adjoints.add(places[0] as usize * L), count * L) };
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = *sum + part(i);
                }
            }
            Access::Broadcast if L == 1 => {
                let mut partial = [S::NOTHING; 8];
                for i in 0..count {
                    partial[i % 8] = partial[i % 8] + part(i);
                }
                let [a, b, c, d, e, f, g, h] = partial;
                let all = ((a + b) + (c + d)) + ((e + f) + (g + h));
                self.give(run, k, start, |_| all);
            }
            _ => (0..count).for_each(|i| self.give(run, k, start + i, |lane| part(i * L + lane))),
        }
    }

    /// The starts of parts of a run that fit a buffer.
    ///
    /// A loop over them, not a method with a closure: closures are compiled for themselves, without the vector
    /// instructions.
    #[inline(always)]
    pub(super) fn starts(run: &Run) -> std::iter::StepBy<std::ops::Range<usize>> {
        (0..run.count as usize).step_by(CHUNK / L)
    }

    /// The statements of the part that begins at `start`.
    #[inline(always)]
    pub(super) fn part(run: &Run, start: usize) -> usize {
        (CHUNK / L).min(run.count as usize - start)
    }

    #[inline(always)]
    pub(super) fn is_wide(run: &Run) -> bool {
        L == 1 && run.count as usize >= WIDE
    }
}
