//! How a number says where it was recorded: the tape's number and the record's, in one word.
//!
//! A variable in `f64` is two words so, which compilers keep in registers. A reference beside the record made it three,
//! which they pass through memory.

use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use super::number::Scalar;
use super::tape::Tape;

/// Tapes that there can be at the same time, and one more.
const TAPES: usize = 1 << u16::BITS;

/// Where each tape is. A tape writes its place when it makes a variable: it can't move as long as that is used.
static PLACES: [AtomicPtr<()>; TAPES] = [const { AtomicPtr::new(ptr::null_mut()) }; TAPES];

/// The numbers that no tape has: those given back, and all from the second entry on.
static FREE: Mutex<(Vec<u16>, usize)> = Mutex::new((Vec::new(), 1));

/// The number of a tape, never 0. No other tape has it at the same time.
pub(super) struct TapeNumber(u16);

impl TapeNumber {
    #[track_caller]
    pub(super) fn new() -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = free.0.pop() {
            return TapeNumber(number);
        }
        let Ok(number) = u16::try_from(free.1) else {
            drop(free);
            panic!("scalar: more than {} tapes at the same time; clear one and use it again", TAPES - 1);
        };
        free.1 += 1;
        TapeNumber(number)
    }

    /// The word of a handle of the tape, with record 0.
    #[inline(always)]
    pub(super) fn word(&self) -> u64 {
        u64::from(self.0) << 32
    }
}

impl Drop for TapeNumber {
    fn drop(&mut self) {
        FREE.lock().unwrap_or_else(PoisonError::into_inner).0.push(self.0);
    }
}

/// A tape and a record of it, or neither.
pub(super) struct Handle<'t, T: Scalar> {
    /// The tape's number above the 32 bits of the record; 0 for neither.
    word: u64,
    brand: PhantomData<Brand<'t, T>>,
}

/// As good as a reference to the tape, and invariant in `'t`, so that a closure that must work for every lifetime can't mix in
/// variables from outside.
type Brand<'t, T> = (&'t Tape<T>, fn(&'t ()) -> &'t ());

impl<T: Scalar> Clone for Handle<'_, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Scalar> Copy for Handle<'_, T> {}

impl<'t, T: Scalar> Handle<'t, T> {
    /// No tape, and no record.
    pub(super) const NONE: Self = Handle { word: 0, brand: PhantomData };

    /// A variable that `tape` has just made.
    #[inline]
    pub(super) fn leaf(tape: &'t Tape<T>, record: u32) -> Self {
        // The thread that has the reference is the one that reads.
        PLACES[tape.number.0 as usize].store(ptr::from_ref(tape).cast_mut().cast(), Ordering::Relaxed);
        Handle::new(tape, record)
    }

    /// What was computed from variables of `tape`.
    #[inline(always)]
    pub(super) fn new(tape: &'t Tape<T>, record: u32) -> Self {
        Handle::of(tape, tape.number.word() | u64::from(record))
    }

    /// What was computed from variables of `tape`, from the word that its columns gave.
    #[inline(always)]
    pub(super) fn of(tape: &'t Tape<T>, word: u64) -> Self {
        debug_assert!(word >> 32 << 32 == tape.number.word(), "the columns know the number of their tape");
        Handle { word, brand: PhantomData }
    }

    /// Whether it is neither.
    #[inline(always)]
    pub(super) fn is_none(self) -> bool {
        self.word >> 32 == 0
    }

    /// The number of the tape and that of the record.
    #[inline(always)]
    pub(super) fn word(self) -> u64 {
        self.word
    }

    /// The tape, unless it is neither.
    #[inline(always)]
    pub(super) fn tape(self) -> Option<&'t Tape<T>> {
        if self.is_none() {
            return None;
        }
        let number = (self.word >> 32) as usize;
        // SAFETY: the upper half of a word is the number of a tape, or 0, and those are of 16 bits.
        let place = unsafe { PLACES.get_unchecked(number) }.load(Ordering::Relaxed);
        // SAFETY: a handle with this word comes from `leaf`, directly or through the tape of another handle, with the
        // same lifetime. The reference given to `leaf` is good for that lifetime, so the tape is where it was then, and its
        // number is its own: whatever `leaf` stored at it since, was the same address of the same type.
        unsafe {
            std::hint::assert_unchecked(!place.is_null());
            Some(&*place.cast::<Tape<T>>().cast_const())
        }
    }

    /// The record, 0 for neither.
    #[inline(always)]
    pub(super) fn record(self) -> u32 {
        self.word as u32
    }

    /// Whether both are of one tape, or neither is of any.
    #[inline(always)]
    pub(super) fn is_beside(self, other: Self) -> bool {
        (self.word ^ other.word) >> 32 == 0
    }

    /// The tape of several, if any of them is on one.
    #[inline(always)]
    #[track_caller]
    pub(super) fn common(handles: impl Iterator<Item = Self> + Clone) -> Option<&'t Tape<T>> {
        let first = handles.clone().find(|handle| !handle.is_none())?;
        // Most often all are of one tape, which takes few instructions to see.
        if handles.clone().fold(0, |apart, handle| apart | (first.word ^ handle.word)) >> 32 != 0
            && handles.clone().fold(false, |mixed, handle| mixed | (!handle.is_none() & !first.is_beside(handle)))
        {
            for handle in handles {
                first.check(handle);
            }
        }
        first.tape()
    }

    /// Stops where both are of tapes, and not of the same one.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(super) fn check(self, other: Self) {
        if let (Some(tape), Some(other)) = (self.tape(), other.tape())
            && !ptr::eq(tape, other)
        {
            tape.refuse_mixture(other);
        }
    }
}
