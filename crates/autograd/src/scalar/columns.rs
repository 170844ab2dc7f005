//! The memory of a scalar tape: records in columns that grow together. This file and `handle` are those of the scalar side
//! with unsafe code; must know no derivative rule.
//!
//! A record is an operation of at most two operands: the records of the operands, and the partial derivatives by them.
//! Its own place is that of its result, so no result is stored, and an operation takes 24 bytes in `f64`. Record 0
//! stands for everything that has no derivative.
//!
//! A record can be *joined*: then the record before it, which is no result of its own, is a further operand, with the
//! partial derivative 1. Operations of a few operands are chains of joined records. Or it can have a *summand*: a further
//! operand with the partial derivative 1, whose place is in a column of its own. That is `a b + c`, in 28 bytes.

use std::cell::Cell;

use super::number::Scalar;

/// Records before the first growth.
const FIRST: usize = 256;
/// The bit in the first link of a joined record, and in the second link of one with a summand.
const MARK: u32 = 1 << 31;
/// Records that the other bits reach.
const MOST: usize = MARK as usize - 1;

/// What a tape says that has no number left.
const FULL: &str = "scalar tape: full, 2147483647 records are the most that it can number; split sums with `Tape::sum`, and recursions with `scalar::checkpointed_loop`";

/// The records of a tape. Always at least record 0.
pub(super) struct Columns<T> {
    links: Cell<*mut [u32; 2]>,
    partials: Cell<*mut [T; 2]>,
    /// The summands, in the order of their records. There is room for one a record.
    summands: Cell<*mut u32>,
    /// The word of the next record's handle: the tape's number above the 32 bits of the length.
    next: Cell<u64>,
    summed: Cell<usize>,
    /// Where the next slow push is, as a word too, so that a push compares once: at the capacity, or at the first blank
    /// record.
    limit: Cell<u64>,
    /// Of all columns. The allocations are at least this large.
    capacity: Cell<usize>,
    /// How many records at the beginning are known to be those of variables, forgotten ones included.
    blank: Cell<usize>,
    /// How many of them are not forgotten.
    leaves: Cell<usize>,
    /// The exact capacities of the allocations.
    allocated: Cell<[usize; 3]>,
}

// SAFETY: the columns own their allocations, and all access goes through `&self` of a type that is not `Sync`.
unsafe impl<T: Send> Send for Columns<T> {}

impl<T: Copy> Columns<T> {
    /// Memory for so many records of the tape whose handles' words begin at `tape`.
    pub(super) fn with_capacity(tape: u64, zero: T, capacity: usize) -> Self {
        let columns = Columns {
            links: Cell::new(std::ptr::null_mut()),
            partials: Cell::new(std::ptr::null_mut()),
            summands: Cell::new(std::ptr::null_mut()),
            next: Cell::new(tape),
            summed: Cell::new(0),
            limit: Cell::new(tape),
            capacity: Cell::new(0),
            blank: Cell::new(0),
            leaves: Cell::new(0),
            allocated: Cell::new([0, 0, 0]),
        };
        columns.reserve(capacity.saturating_add(1));
        columns.push_leaves(zero, 1);
        columns
    }

    /// Appends a record and gives the word of its handle; `None` where [`make_room`](Self::make_room) has to be called
    /// first.
    #[inline(always)]
    pub(super) fn push(&self, links: [u32; 2], partials: [T; 2]) -> Option<u64> {
        let next = self.next.get();
        if next == self.limit.get() {
            return None;
        }
        let place = next as u32 as usize;
        // SAFETY: place < capacity, and both allocations have that many places. Nothing else holds a reference into
        // them: slices are given out by `records` only, which is given back before the next push.
        unsafe {
            self.links.get().add(place).write(links);
            self.partials.get().add(place).write(partials);
        }
        self.next.set(next + 1);
        Some(next)
    }

    /// Appends a record with a summand, as [`push`](Self::push) does without. All operands have records.
    #[inline(always)]
    pub(super) fn push_summed(&self, [first, second, summand]: [u32; 3], partials: [T; 2]) -> Option<u64> {
        let word = self.push([first, second | MARK], partials)?;
        // SAFETY: the record has one summand.
        unsafe { self.add_summand(summand) };
        Some(word)
    }

    /// Appends an operation of two operands a record and maybe an odd one, each given by the word of its handle and its
    /// partial derivative. `None`, and nothing recorded, where one isn't of this tape or has a partial that is exactly 0,
    /// and where there is no room.
    #[inline(always)]
    pub(super) fn push_chain(
        &self,
        pairs: usize,
        odd: Option<(u64, T)>,
        pair: impl Fn(usize) -> [(u64, T); 2],
    ) -> Option<u64>
    where
        T: Scalar,
    {
        let next = self.next.get();
        if pairs == 0 || self.limit.get() - next < (pairs + usize::from(odd.is_some())) as u64 {
            return None;
        }
        let place = next as u32 as usize;
        let counts = |(word, by): (u64, T)| (word ^ next) >> 32 == 0 && !by.is_exactly(0.0);
        // SAFETY: there is room for `pairs` records from `place` on, and for one more if there is an odd operand. As for
        // `push`; the operands' arithmetic can't reach these columns, as it is that of another type.
        unsafe {
            let (links, partials) = (self.links.get().add(place), self.partials.get().add(place));
            for i in 0..pairs {
                let [first, second] = pair(i);
                if !counts(first) || !counts(second) {
                    return None;
                }
                let joined = if i == 0 { 0 } else { MARK };
                links.add(i).write([first.0 as u32 | joined, second.0 as u32]);
                partials.add(i).write([first.1, second.1]);
            }
            let last = match odd {
                None => next + (pairs - 1) as u64,
                Some(odd) if !counts(odd) => return None,
                Some((word, by)) => next + self.add_odd(place, pairs, (word as u32, by)) as u64,
            };
            self.next.set(last + 1);
            Some(last)
        }
    }

    /// Adds an operand to a chain of full records: as a summand where it or the first operand can be one, else in a
    /// record of its own. How many records come before the last.
    ///
    /// # Safety
    /// The chain must be there, from `place` on, and have a record at least, and there must be room for one more.
    #[inline(always)]
    unsafe fn add_odd(&self, place: usize, records: usize, (operand, by): (u32, T)) -> usize
    where
        T: Scalar,
    {
        // SAFETY: the caller's promise.
        unsafe {
            let (links, partials) = (self.links.get().add(place), self.partials.get().add(place));
            let ([first, second], [by_first, by_second]) = (*links, *partials);
            if by.is_exactly(1.0) {
                links.write([first, second | MARK]);
                self.add_summand(operand);
            } else if by_first.is_exactly(1.0) {
                links.write([operand, second | MARK]);
                partials.write([by, by_second]);
                self.add_summand(first);
            } else {
                links.add(records).write([operand | MARK, 0]);
                partials.add(records).write([by, T::of(0.0)]);
                return records;
            }
            records - 1
        }
    }

    /// Appends a summand.
    ///
    /// # Safety
    /// It must be of a record for which there is room, at most one for each.
    #[inline(always)]
    unsafe fn add_summand(&self, summand: u32) {
        let summed = self.summed.get();
        // SAFETY: one a record at most, so there is room for this one as for its record.
        unsafe { self.summands.get().add(summed).write(summand) };
        self.summed.set(summed + 1);
    }

    /// Appends an operation of some operands, each with its partial derivative. Operands without a record, and partials
    /// that are exactly 0, are left out; where at most one operand is left, nothing is recorded.
    #[track_caller]
    pub(super) fn push_joined(&self, operands: impl ExactSizeIterator<Item = (u32, T)>) -> Joined<T>
    where
        T: Scalar,
    {
        let most = operands.len();
        if self.room() < most.div_ceil(2) {
            self.make_room(most.div_ceil(2));
        }
        let place = self.len();
        let (mut count, mut last) = (0, (0, T::of(0.0)));
        // SAFETY: there is room for `most` operands, two a record, from `place` on, and `count` is below `most` before each
        // of the at most `most` of them. As for `push`; the operands' arithmetic can't reach these columns, as it is that
        // of another type.
        unsafe {
            let (links, partials) = (self.links.get().add(place), self.partials.get().add(place));
            for (operand, by) in operands.take(most) {
                if operand != 0 && !by.is_exactly(0.0) {
                    let joined = if count < 2 || count % 2 == 1 { 0 } else { MARK };
                    links.cast::<u32>().add(count).write(operand | joined);
                    partials.cast::<T>().add(count).write(by);
                    (count, last) = (count + 1, (operand, by));
                }
            }
            if count < 2 {
                return Joined { count, last };
            }
            let before = if count % 2 == 0 { count / 2 - 1 } else { self.add_odd(place, count / 2, last) };
            let word = self.next.get() + before as u64;
            self.next.set(word + 1);
            Joined { count, last: (word as u32, T::of(1.0)) }
        }
    }

    /// Appends records of variables, which have no operands, and gives the place of the first.
    #[track_caller]
    pub(super) fn push_leaves(&self, zero: T, count: usize) -> u32 {
        let place = self.len();
        if count > self.capacity.get() - place {
            assert!(count <= MOST - place, "{FULL}");
            self.reserve((2 * place).max(place + count).clamp(FIRST, MOST));
        }
        let (end, blank) = (place + count, self.blank.get());
        for place in place.max(blank)..end {
            // SAFETY: place < end <= capacity, and both allocations have that many places; as for `push`.
            unsafe {
                self.links.get().add(place).write([0, 0]);
                self.partials.get().add(place).write([zero, zero]);
            }
        }
        self.set_len(end);
        if place == self.leaves.get() {
            // Whatever lay beyond the place was forgotten.
            self.leaves.set(end);
            self.blank.set(blank.max(end));
        }
        self.set_limit();
        place as u32
    }

    /// How many records at the beginning are those of variables, record 0 included.
    #[inline(always)]
    pub(super) fn leaves(&self) -> usize {
        self.leaves.get()
    }

    /// The next push that has to look: it overwrites a forgotten variable, or is beyond the capacity.
    fn set_limit(&self) {
        let len = self.len();
        let limit = if len < self.blank.get() { len } else { self.capacity.get() };
        self.limit.set(self.word(limit));
    }

    /// The word of the handle of a record.
    fn word(&self, record: usize) -> u64 {
        self.next.get() >> 32 << 32 | record as u64
    }

    fn set_len(&self, len: usize) {
        self.next.set(self.word(len));
    }

    /// How many records can be pushed before `make_room` has to be called.
    fn room(&self) -> usize {
        (self.limit.get() - self.next.get()) as usize
    }

    /// Before pushes of so many records beyond the place `limit`.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(super) fn make_room(&self, records: usize) {
        let len = self.len();
        self.blank.set(self.blank.get().min(len));
        if records > self.capacity.get() - len {
            assert!(records <= MOST - len, "{FULL}");
            self.reserve((2 * len).max(len + records).clamp(FIRST, MOST));
        }
        self.set_limit();
    }

    /// Memory for so many records in all.
    #[track_caller]
    fn reserve(&self, capacity: usize) {
        let (len, summed, [first, second, third]) = (self.len(), self.summed.get(), self.allocated.get());
        // SAFETY: the pointers and capacities are those of vectors taken apart below, or null and 0.
        let (mut links, mut partials, mut summands) = unsafe {
            (
                rebuilt(self.links.get(), len, first),
                rebuilt(self.partials.get(), len, second),
                rebuilt(self.summands.get(), summed, third),
            )
        };
        let enough = links
            .try_reserve_exact(capacity.saturating_sub(len))
            .and_then(|()| partials.try_reserve_exact(capacity.saturating_sub(len)))
            .and_then(|()| summands.try_reserve_exact(capacity.saturating_sub(summed)));
        let allocated = [links.capacity(), partials.capacity(), summands.capacity()];
        self.allocated.set(allocated);
        self.capacity.set(allocated.into_iter().fold(MOST, usize::min));
        self.links.set(links.as_mut_ptr());
        self.partials.set(partials.as_mut_ptr());
        self.summands.set(summands.as_mut_ptr());
        std::mem::forget((links, partials, summands));
        if enough.is_err() {
            let size = size_of::<[u32; 2]>() + size_of::<[T; 2]>() + size_of::<u32>();
            panic!(
                "scalar tape: no memory for {capacity} records of {size} bytes; split sums with `Tape::sum`, and recursions with `scalar::checkpointed_loop`"
            );
        }
    }

    /// How many records there are, record 0 included.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.next.get() as u32 as usize
    }

    /// How many summands there are.
    pub(super) fn summed(&self) -> usize {
        self.summed.get()
    }

    /// Forgets the records from `len` on, never record 0. The memory stays.
    pub(super) fn truncate(&self, len: usize) {
        let summed = match len <= self.leaves.get() {
            // Variables have none.
            true => 0,
            false => self.records(|records| records.summed(len.min(self.len()))),
        };
        self.summed.set(summed);
        self.set_len(self.len().min(len.max(1)));
        self.leaves.set(self.leaves.get().min(self.len()));
        self.set_limit();
    }

    /// How many records there is memory for.
    pub(super) fn capacity(&self) -> usize {
        self.capacity.get()
    }

    /// All records. `read` must not push.
    #[inline(always)]
    pub(super) fn records<R>(&self, read: impl FnOnce(Records<'_, T>) -> R) -> R {
        let len = self.len();
        // SAFETY: len records were written to both columns, and so many summands. The caller doesn't push in `read`;
        // `Columns` is private to the scalar side, and no arithmetic of the user's runs there.
        unsafe {
            read(Records {
                links: std::slice::from_raw_parts(self.links.get(), len),
                partials: std::slice::from_raw_parts(self.partials.get(), len),
                summands: std::slice::from_raw_parts(self.summands.get(), self.summed.get()),
            })
        }
    }
}

/// The records of a tape, to be read.
#[derive(Clone, Copy)]
pub(super) struct Records<'a, T> {
    pub(super) links: &'a [[u32; 2]],
    pub(super) partials: &'a [[T; 2]],
    summands: &'a [u32],
}

impl<T> Records<'_, T> {
    /// How many of the first `end` records have a summand.
    pub(super) fn summed(&self, end: usize) -> usize {
        self.summands.len() - self.links[end..].iter().filter(|links| links[1] & MARK != 0).count()
    }

    /// Whether there is such a record, and it is joined to the one before.
    #[inline(always)]
    pub(super) fn is_joined(&self, place: usize) -> bool {
        self.links.get(place).is_some_and(|links| links[0] & MARK != 0)
    }

    /// Whether a record has a summand.
    pub(super) fn has_summand(&self, place: usize) -> bool {
        self.links[place][1] & MARK != 0
    }

    /// The operands of a record, 0 for none: its own two, the record before it where it is joined, and the summand, of
    /// which `summed` belong to the records before.
    #[inline(always)]
    pub(super) fn operands(&self, place: usize, summed: usize) -> [u32; 4] {
        let [first, second] = self.links[place];
        let before = if first & MARK == 0 { 0 } else { place as u32 - 1 };
        [first & !MARK, second & !MARK, before, if second & MARK == 0 { 0 } else { self.summands[summed] }]
    }
}

/// What became of an operation of some operands.
pub(super) struct Joined<T> {
    /// How many operands count; below 2 nothing was recorded.
    pub(super) count: usize,
    /// The record, or the only operand that is left.
    pub(super) last: (u32, T),
}

impl<T: Scalar> Records<'_, T> {
    /// One stretch of the reverse sweep: from record `high` down to above record `low`, each record passes its adjoint,
    /// times the partials, to its operands. What is exactly zero isn't passed on. The records up to `high` have `summed`
    /// summands; those up to `low` as many as is returned.
    // Apart from its caller, so that all it needs stays in registers.
    #[inline(never)]
    pub(super) fn sweep<const L: usize>(
        &self,
        adjoints: &mut [[T; L]],
        low: usize,
        high: usize,
        mut summed: usize,
    ) -> usize {
        let Records { links, partials, summands } = *self;
        assert!(high < links.len() && high < partials.len() && high < adjoints.len());
        let mut place = high;
        while place > low {
            // SAFETY: place <= high, which is below all three lengths.
            let (adjoint, [first, second]) = unsafe { (*adjoints.get_unchecked(place), *links.get_unchecked(place)) };
            let idle = (0..L).all(|lane| adjoint[lane].is_exactly(0.0));
            debug_assert!(((first & !MARK) as usize) < place && ((second & !MARK) as usize) < place);
            // SAFETY: as above; the operands of a record were recorded before it, so their places are below `place`.
            // Before a joined record there is one.
            unsafe {
                if (first | second) & MARK == 0 {
                    if !idle {
                        let by = partials.get_unchecked(place);
                        pass_to_both(adjoints, adjoint, [first, second], by);
                    }
                } else {
                    let summand = if second & MARK == 0 {
                        None
                    } else {
                        summed -= 1;
                        Some(summands[summed] as usize)
                    };
                    if !idle {
                        let by = partials.get_unchecked(place);
                        pass_to_both(adjoints, adjoint, [first & !MARK, second & !MARK], by);
                        if let Some(summand) = summand {
                            debug_assert!(summand < place);
                            add(adjoints.get_unchecked_mut(summand), adjoint);
                        }
                        if first & MARK != 0 {
                            // What is no result of its own gets its adjoint here only. It is added, as a copy would bring
                            // the adjoint of every record through an integer register.
                            add(adjoints.get_unchecked_mut(place - 1), adjoint);
                        }
                    }
                }
            }
            place -= 1;
        }
        summed
    }
}

/// Passes an adjoint, which isn't exactly zero in every lane, to the operands of a record.
///
/// # Safety
/// There must be adjoints of both.
#[inline(always)]
unsafe fn pass_to_both<T: Scalar, const L: usize>(
    adjoints: &mut [[T; L]],
    adjoint: [T; L],
    [first, second]: [u32; 2],
    by: &[T; 2],
) {
    // SAFETY: the caller's promise.
    unsafe {
        pass_on(adjoints.get_unchecked_mut(first as usize), adjoint, by[0]);
        // A branch, as one place that all records of one operand add to would make each wait for the one before.
        if second != 0 {
            pass_on(adjoints.get_unchecked_mut(second as usize), adjoint, by[1]);
        }
    }
}

/// `operand += adjoint`, lane by lane.
#[inline(always)]
fn add<T: Scalar, const L: usize>(operand: &mut [T; L], adjoint: [T; L]) {
    *operand = std::array::from_fn(|lane| operand[lane] + adjoint[lane]);
}

/// `operands[i] += adjoint * partials[i]`; the adjoint isn't exactly zero in every lane, and no partial is.
#[inline(always)]
pub(super) fn pass_all<T: Scalar, const L: usize>(
    adjoints: &mut [[T; L]],
    links: &[u32],
    adjoint: [T; L],
    partials: &[T],
) {
    for (links, partials) in links.chunks(RUN).zip(partials.chunks(RUN)) {
        let first = links[0];
        // Operands that were recorded one after the other, as variables are, take no scattering.
        let apart = (0u32..).zip(links).fold(0, |apart, (i, &link)| apart | (link ^ first.wrapping_add(i)));
        if apart == 0
            && let Some(operands) = adjoints.get_mut(first as usize..first as usize + links.len())
        {
            operands.iter_mut().zip(partials).for_each(|(operand, &by)| pass_on(operand, adjoint, by));
        } else {
            links.iter().zip(partials).for_each(|(&link, &by)| pass_on(&mut adjoints[link as usize], adjoint, by));
        }
    }
}

/// Operands of a statement that are looked at together.
const RUN: usize = 64;

/// `operand += adjoint * partial`, lane by lane; the adjoint isn't exactly zero in every lane.
#[inline(always)]
fn pass_on<T: Scalar, const L: usize>(operand: &mut [T; L], adjoint: [T; L], partial: T) {
    match L {
        1 => operand[0] = operand[0].plus_scaled(adjoint[0], partial),
        _ => pass(operand, adjoint, partial),
    }
}

/// `operand += adjoint * partial`, lane by lane, without those lanes where the adjoint is exactly zero.
#[inline(always)]
pub(super) fn pass<T: Scalar, const L: usize>(operand: &mut [T; L], adjoint: [T; L], partial: T) {
    for lane in 0..L {
        let sum = operand[lane].plus_scaled(adjoint[lane], partial);
        operand[lane] = if adjoint[lane].is_exactly(0.0) { operand[lane] } else { sum };
    }
}

/// The vector that was taken apart into these.
///
/// # Safety
/// They are the parts of a vector that nobody else owns, or null and 0.
unsafe fn rebuilt<V>(pointer: *mut V, len: usize, capacity: usize) -> Vec<V> {
    match pointer.is_null() {
        true => Vec::new(),
        // SAFETY: the caller's promise.
        false => unsafe { Vec::from_raw_parts(pointer, len, capacity) },
    }
}

impl<T> Drop for Columns<T> {
    fn drop(&mut self) {
        let [first, second, third] = self.allocated.get();
        // SAFETY: the parts of the vectors that `reserve` took apart; they are `Copy`, so none has to be dropped.
        unsafe {
            drop(rebuilt(self.summands.get(), 0, third));
            drop(rebuilt(self.links.get(), 0, first));
            drop(rebuilt(self.partials.get(), 0, second));
        }
    }
}
