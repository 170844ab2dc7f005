//! An allocator that counts, and that refuses on demand: for tests of what allocates how much, and of what cannot be had.

#![allow(dead_code, reason = "each test counts something else")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static PROCESS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static ALL: Bytes = const { Bytes::new() };
    static TENSORS: Bytes = const { Bytes::new() };
}

/// Bytes in use by a thread, and the most that were at the same time.
struct Bytes {
    live: Cell<isize>,
    peak: Cell<isize>,
}

impl Bytes {
    const fn new() -> Self {
        Bytes { live: Cell::new(0), peak: Cell::new(0) }
    }

    fn add(&self, bytes: isize) {
        self.live.set(self.live.get() + bytes);
        self.peak.set(self.peak.get().max(self.live.get()));
    }

    fn peak_during<R>(&self, run: impl FnOnce() -> R) -> (R, isize) {
        let before = self.live.get();
        self.peak.set(before);
        let result = run();
        (result, self.peak.get() - before)
    }
}

/// Which allocation of a thread is refused.
#[derive(Clone, Copy)]
struct Refusal {
    /// The number of the first that may be.
    from: usize,
    /// Bytes that are had in any case.
    least: usize,
    /// Whether it must exceed the most bytes that were in use before.
    beyond: bool,
}

thread_local! {
    static REFUSAL: Cell<Option<Refusal>> = const { Cell::new(None) };
}

/// Whether the allocation is the one to be refused; then no other is.
fn refuses(layout: Layout) -> bool {
    let refused = REFUSAL.get().is_some_and(|refusal| {
        let beyond = || ALL.with(|all| all.live.get() + layout.size() as isize > all.peak.get());
        ALLOCATIONS.get() >= refusal.from && layout.size() >= refusal.least && (!refusal.beyond || beyond())
    });
    if refused {
        REFUSAL.set(None);
    }
    refused
}

fn refusing<R>(refusal: Refusal, run: impl FnOnce() -> R) -> (R, bool) {
    ALL.with(|all| all.peak.set(all.live.get()));
    REFUSAL.set(Some(refusal));
    let result = run();
    (result, REFUSAL.take().is_none())
}

/// Runs while one allocation of this thread is refused, the first of at least `least` bytes after `skipped` allocations.
/// Says whether there was one.
pub(crate) fn without_one<R>(skipped: usize, least: usize, run: impl FnOnce() -> R) -> (R, bool) {
    refusing(Refusal { from: allocations() + skipped, least, beyond: false }, run)
}

/// The same, but what was in use at the same time before can be had again.
pub(crate) fn without_more<R>(skipped: usize, run: impl FnOnce() -> R) -> (R, bool) {
    refusing(Refusal { from: allocations() + skipped, least: 0, beyond: true }, run)
}

/// How often this thread has allocated: what other threads allocate, those of the test runner too, doesn't count.
pub(crate) fn allocations() -> usize {
    ALLOCATIONS.get()
}

/// How often all threads have allocated.
pub(crate) fn allocations_of_process() -> usize {
    PROCESS.load(Relaxed)
}

/// The most bytes of this thread that were in use at the same time while `run` ran, beyond those before.
pub(crate) fn peak(run: impl FnOnce()) -> isize {
    ALL.with(|all| all.peak_during(run).1)
}

/// What `run` returns, and the most bytes of tensors of this thread that were in use at the same time while it ran, beyond
/// those before.
pub(crate) fn peak_of_tensors<R>(run: impl FnOnce() -> R) -> (R, isize) {
    TENSORS.with(|tensors| tensors.peak_during(run))
}

fn add(layout: Layout, sign: isize) {
    let bytes = sign * layout.size() as isize;
    ALL.with(|all| all.add(bytes));
    // Tensors alone are aligned to 64 bytes.
    if layout.align() >= 64 {
        TENSORS.with(|tensors| tensors.add(bytes));
    }
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if refuses(layout) {
            return std::ptr::null_mut();
        }
        PROCESS.fetch_add(1, Relaxed);
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        let pointer = unsafe { System.alloc(layout) };
        if !pointer.is_null() {
            add(layout, 1);
        }
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(layout, -1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}
