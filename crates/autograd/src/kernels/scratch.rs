//! Memory of a thread that a kernel uses again in every call, so that a steady step allocates nothing. Memory that cannot be
//! had is a mistake of the op that needs it, and not the end of the process: whatever grows with the operands comes from
//! here.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};
use std::thread::LocalKey;

use super::number::Element;
use crate::error::{Error, ErrorKind};

/// What memory is cut into: a cache line.
#[repr(align(64))]
#[derive(Clone, Copy)]
struct Line(#[expect(dead_code, reason = "read as elements")] [u64; 8]);

/// More than this many lines (64 MiB) are given back after use.
const MOST: usize = 1 << 20;

thread_local! {
    static OPERANDS: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
    static RESULTS: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
    static PLACES: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// Which memory of the thread: a kernel may hold both kinds at once, and places beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Operands in another order: the columns of a convolution, an axis turned to the end.
    Operands,
    /// Results on the way: sums of parts, values that are reduced further.
    Results,
}

/// Memory that cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory {
    /// How much.
    pub bytes: usize,
}

impl NoMemory {
    /// Memory for so many elements.
    pub(crate) fn of<T>(length: usize) -> Self {
        NoMemory { bytes: length.saturating_mul(size_of::<T>()) }
    }
}

impl std::fmt::Display for NoMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the {} bytes that it needs cannot be had", self.bytes)
    }
}

impl std::error::Error for NoMemory {}

impl From<NoMemory> for Error {
    fn from(memory: NoMemory) -> Self {
        Error::new(ErrorKind::Memory, memory.to_string())
    }
}

/// Calls `body` with `length` elements whose values are unspecified.
///
/// # Errors
/// Memory that cannot be had.
pub(crate) fn with<T: Element, R>(
    purpose: Purpose,
    length: usize,
    body: impl FnOnce(&mut [T]) -> R,
) -> Result<R, NoMemory> {
    let memory = match purpose {
        Purpose::Operands => &OPERANDS,
        Purpose::Results => &RESULTS,
    };
    // SAFETY: an `Element` is f32 or f64, for which any bits are a value.
    unsafe { in_lines(memory, length, body) }
}

/// Calls `body` with `length` whole numbers whose values are unspecified.
///
/// # Errors
/// Memory that cannot be had.
pub(crate) fn with_places<R>(length: usize, body: impl FnOnce(&mut [usize]) -> R) -> Result<R, NoMemory> {
    // SAFETY: any bits are a whole number.
    unsafe { in_lines(&PLACES, length, body) }
}

/// # Safety
/// Any bits are a value of `T`.
unsafe fn in_lines<T, R>(
    memory: &'static LocalKey<Cell<Vec<Line>>>,
    length: usize,
    body: impl FnOnce(&mut [T]) -> R,
) -> Result<R, NoMemory> {
    const { assert!(align_of::<T>() <= align_of::<Line>() && size_of::<T>() <= size_of::<Line>()) };
    let mut lines = memory.take();
    let needed = length.div_ceil(size_of::<Line>() / size_of::<T>());
    if lines.len() < needed {
        // The old memory goes first, so that both are never held at once.
        lines = Vec::new();
        lines.try_reserve_exact(needed).map_err(|_| NoMemory::of::<T>(length))?;
        lines.resize(needed, Line([0; 8]));
    }
    if cfg!(debug_assertions) {
        // An element that is read before it is written is then seen: not a number, or no place.
        lines[..needed].fill(Line([u64::MAX; 8]));
    }
    // SAFETY: the lines are initialised, have room for `length` elements and are aligned to 64 bytes; any bits are a value, as
    // the caller promises; nobody else has the lines, they were taken out of the cell.
    let elements = unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast::<T>(), length) };
    let result = body(elements);
    if lines.len() <= MOST {
        memory.set(lines);
    }
    Ok(result)
}

/// Whether memory for so many elements can be had now: for libraries that end the process where theirs cannot. It is given
/// back at once.
///
/// # Errors
/// It cannot.
#[cfg(feature = "linalg")]
pub(crate) fn room<T>(length: usize) -> Result<(), NoMemory> {
    let mut memory = Vec::<T>::new();
    memory.try_reserve_exact(length).map_err(|_| NoMemory::of::<T>(length))?;
    // Memory that nobody looks at would not be asked for at all.
    std::hint::black_box(memory.as_mut_ptr());
    Ok(())
}

/// Lets go of the memory of this thread.
#[cfg(test)]
pub(crate) fn forget() {
    [&OPERANDS, &RESULTS, &PLACES].into_iter().for_each(|memory| memory.set(Vec::new()));
}

/// Collects whether any task of a parallel loop failed.
#[derive(Debug)]
pub(super) struct Outcome<E>(Mutex<Option<E>>);

impl<E> Default for Outcome<E> {
    fn default() -> Self {
        Outcome(Mutex::new(None))
    }
}

impl<E> Outcome<E> {
    pub(super) fn note(&self, done: Result<(), E>) {
        if let Err(failure) = done {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        }
    }

    pub(super) fn done(self) -> Result<(), E> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}
