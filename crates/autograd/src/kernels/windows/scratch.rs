//! Memory of a thread that a kernel uses again in every call, so that a steady step allocates nothing.

use std::cell::Cell;

use crate::kernels::number::Element;

/// What memory is cut into: a cache line.
#[repr(align(64))]
#[derive(Clone, Copy)]
struct Line(#[expect(dead_code, reason = "read as elements")] [u64; 8]);

/// More than this many lines (64 MiB) are given back after use.
const MOST: usize = 1 << 20;

thread_local! {
    static COLUMNS: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
    static SUMS: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// Which memory of the thread: a kernel may hold both kinds at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Columns,
    Sums,
}

/// Memory that cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory {
    /// How much.
    pub bytes: usize,
}

impl std::fmt::Display for NoMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the {} bytes that it needs cannot be had", self.bytes)
    }
}

impl std::error::Error for NoMemory {}

/// Calls `body` with `length` elements whose values are unspecified.
///
/// # Errors
/// Memory that cannot be had.
pub(super) fn with<T: Element, R>(
    purpose: Purpose,
    length: usize,
    body: impl FnOnce(&mut [T]) -> R,
) -> Result<R, NoMemory> {
    let cell = match purpose {
        Purpose::Columns => &COLUMNS,
        Purpose::Sums => &SUMS,
    };
    let mut lines = cell.take();
    let needed = length.div_ceil(size_of::<Line>() / size_of::<T>());
    if lines.len() < needed {
        lines.clear();
        if lines.try_reserve_exact(needed).is_err() {
            return Err(NoMemory { bytes: length.saturating_mul(size_of::<T>()) });
        }
        lines.resize(needed, Line([0; 8]));
    }
    // SAFETY: the lines are initialised, have room for `length` elements and are aligned to 64 bytes; an `Element` is f32
    // or f64, for which any bits are a value; nobody else has the lines, they were taken out of the cell.
    let elements = unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast::<T>(), length) };
    let result = body(elements);
    if lines.len() <= MOST {
        cell.set(lines);
    }
    Ok(result)
}
