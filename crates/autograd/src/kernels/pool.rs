//! A small pool of threads for loops that last microseconds.
//!
//! A dispatch to a spinning worker costs a few hundred nanoseconds, against 7 to 18 us for a work-stealing pool.
//! Workers spin on a counter for a short while after each job and then sleep. The caller takes part in its own job
//! and never waits for a worker that has not begun: workers *join* a job while it is open, and the caller closes it
//! as soon as no task is left. Everything about a job lives on the stack of its caller, so nothing is allocated.

#[cfg(all(loom, test))]
use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::*, fence},
    sync::{Condvar, Mutex},
    thread::yield_now,
};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::OnceLock;
#[cfg(not(all(loom, test)))]
use std::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::*, fence},
    sync::{Condvar, Mutex},
    thread::yield_now,
};

/// The state of the pool is one word: workers inside the job, whether it is open, and the number of the job.
const OPEN: usize = 1 << 16;
const STOP: usize = 1 << 17;
const JOB: usize = 1 << 18;
const INSIDE: usize = OPEN - 1;

/// One call of [`run`], on the stack of the caller, which leaves only when no worker is inside.
#[repr(align(128))] // `next` is written by everyone: keep it away from the caller's other data
struct Job<'a> {
    next: AtomicUsize,
    tasks: usize,
    task: &'a (dyn Fn(usize) + Sync),
    panic: std::sync::Mutex<Option<Box<dyn Any + Send>>>,
}

impl Job<'_> {
    /// Takes tasks until none is left. The first panic is kept for the caller; whoever panicked takes no more tasks.
    fn take_part(&self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let index = self.next.fetch_add(1, Relaxed);
                if index >= self.tasks {
                    return;
                }
                (self.task)(index);
            }
        }));
        if let Err(payload) = outcome {
            let mut kept = self.panic.lock().unwrap_or_else(|e| e.into_inner());
            kept.get_or_insert(payload);
        }
    }
}

struct Pool {
    /// Held by the one caller whose job may use the workers.
    claimed: AtomicBool,
    state: AtomicUsize,
    job: AtomicPtr<Job<'static>>,
    /// How many workers may be inside the current job at once.
    helpers: AtomicUsize,
    workers: AtomicUsize,
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Pool {
    fn new() -> Self {
        Self {
            claimed: AtomicBool::new(false),
            state: AtomicUsize::new(0),
            job: AtomicPtr::new(std::ptr::null_mut()),
            helpers: AtomicUsize::new(0),
            workers: AtomicUsize::new(0),
            sleepers: AtomicUsize::new(0),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        }
    }

    fn claim(&self) -> bool {
        !self.claimed.load(Relaxed) && !self.claimed.swap(true, Acquire)
    }

    /// Runs a job with up to `helpers` workers. The caller must hold the claim, which ends here.
    fn dispatch(&self, tasks: usize, helpers: usize, task: &(dyn Fn(usize) + Sync)) {
        let (next, panic) = (AtomicUsize::new(0), std::sync::Mutex::new(None));
        let job = Job { next, tasks, task, panic };
        self.job.store((&raw const job).cast_mut().cast(), Relaxed);
        self.helpers.store(helpers, Relaxed);
        let number = (self.state.load(Relaxed) & !(JOB - 1)).wrapping_add(JOB);
        self.state.store(number | OPEN, Release);
        // Pairs with the fence in `sleep`: either the sleeper is seen here, or it sees the new job.
        fence(SeqCst);
        if self.sleepers.load(Relaxed) > 0 {
            drop(self.lock.lock());
            self.wake.notify_all();
        }
        job.take_part();
        let mut waited = 0_u32;
        let mut state = self.state.fetch_and(!OPEN, AcqRel);
        while state & INSIDE != 0 {
            waited += 1;
            if waited.is_multiple_of(1024) {
                yield_now()
            } else {
                spin_loop()
            }
            state = self.state.load(Acquire);
        }
        self.claimed.store(false, Release);
        let payload = job.panic.into_inner().unwrap_or_else(|e| e.into_inner());
        if let Some(payload) = payload {
            resume_unwind(payload);
        }
    }

    /// Whether `state` offers a job that this worker, which was last inside job `last`, can join.
    fn can_join(&self, state: usize, last: usize) -> bool {
        state & OPEN != 0 && state & !(JOB - 1) != last && state & INSIDE < self.helpers.load(Relaxed)
    }

    /// The life of a worker.
    fn work(&self, spins: u32) {
        let (mut last, mut idle) = (0, 0);
        loop {
            let state = self.state.load(Acquire);
            if state & STOP != 0 {
                return;
            }
            if self.can_join(state, last) {
                // The number of the job is part of the compared word, so this joins that job or none.
                let joined = self.state.compare_exchange(state, state + 1, AcqRel, Relaxed);
                if joined.is_ok() {
                    (last, idle) = (state & !(JOB - 1), 0);
                    // SAFETY: the caller stored the job before it opened it and cannot leave while we are inside.
                    unsafe { &*self.job.load(Relaxed) }.take_part();
                    self.state.fetch_sub(1, Release);
                }
            } else if idle < spins {
                idle += 1;
                // Where something else wants this core, perhaps the caller itself, it must not wait for our slice.
                if idle.is_multiple_of(256) { yield_now() } else { spin_loop() }
            } else {
                idle = 0;
                self.sleep(last);
            }
        }
    }

    fn sleep(&self, last: usize) {
        let mut guard = self.lock.lock().unwrap_or_else(|e| e.into_inner());
        self.sleepers.fetch_add(1, Relaxed);
        fence(SeqCst);
        loop {
            let state = self.state.load(Acquire);
            if state & STOP != 0 || self.can_join(state, last) {
                break;
            }
            guard = self.wake.wait(guard).unwrap_or_else(|e| e.into_inner());
        }
        self.sleepers.fetch_sub(1, Relaxed);
    }
}

/// The number chosen with [`set_threads`], 0 if none was.
static CHOSEN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
}

/// More threads than this are never used.
const MOST: usize = 1024;

/// The environment variable: a number of threads; 0, nothing, or no variable leaves it to the machine.
const VARIABLE: &str = "WENGERT_NUM_THREADS";

/// How many threads a parallel loop may use, the caller included: the last [`set_threads`], else the environment
/// variable `WENGERT_NUM_THREADS` as it was at the first call, else the number of cores; 1024 at most.
pub fn threads() -> usize {
    static DEFAULT: OnceLock<usize> = OnceLock::new();
    match CHOSEN.load(std::sync::atomic::Ordering::Relaxed) {
        0 => *DEFAULT.get_or_init(|| asked().unwrap_or_else(|| cores().min(MOST))),
        chosen => chosen,
    }
}

/// What the environment asks for. What cannot be had is said, once.
fn asked() -> Option<usize> {
    let value = std::env::var_os(VARIABLE)?;
    let text = value.to_str().map_or("?", str::trim);
    match text.parse() {
        Ok(0) => None,
        Ok(n) if n <= MOST => Some(n),
        Ok(_) => {
            eprintln!("{VARIABLE}={text}: {MOST} threads are used, the most that there may be");
            Some(MOST)
        }
        Err(_) if text.is_empty() => None,
        Err(_) => {
            eprintln!("{VARIABLE}={value:?} is no number of threads; {} are used, one for each core", cores());
            None
        }
    }
}

/// Sets how many threads later parallel loops may use, the caller included: 1024 at most; 0 goes back to the default.
/// No result depends on it.
pub fn set_threads(n: usize) {
    CHOSEN.store(n.min(MOST), std::sync::atomic::Ordering::Relaxed);
}

fn global() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(Pool::new)
}

/// Starts workers until there are `wanted`. Fewer start if the system refuses; the caller does their tasks.
#[cold]
fn start_workers(pool: &'static Pool, wanted: usize) {
    // More threads than cores: a spinning worker would keep the others from their work.
    let spins = if wanted < cores() { 20_000 } else { 100 };
    for index in pool.workers.load(Relaxed)..wanted {
        let name = format!("wengert-{index}");
        let worker = std::thread::Builder::new().name(name);
        if worker.spawn(move || pool.work(spins)).is_err() {
            return;
        }
        pool.workers.store(index + 1, Relaxed);
    }
}

/// Calls `task` once for each of `0..tasks`, on several threads, and returns when all are done.
///
/// Inside a task, or while another thread's `run` has the workers, the tasks run on the calling thread alone.
///
/// # Panics
/// A panic in a task is passed on once no thread is inside a task any more; tasks not yet begun may then be left out.
pub fn run(tasks: usize, task: &(dyn Fn(usize) + Sync)) {
    let helpers = threads().min(tasks).saturating_sub(1);
    if helpers == 0 || !global().claim() {
        return (0..tasks).for_each(task);
    }
    let pool = global();
    if pool.workers.load(Relaxed) < helpers {
        start_workers(pool, helpers);
    }
    pool.dispatch(tasks, helpers, task);
}

/// A pointer to elements that several threads write at different places.
#[derive(Debug)]
pub(crate) struct Shared<T>(pub(crate) *mut T);

// SAFETY: it is only a place; whoever dereferences it says why no other thread has the same element.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// The pointer (a method, so that closures capture the whole struct and not its raw field).
    #[inline(always)]
    pub(crate) fn pointer(&self) -> *mut T {
        self.0
    }
}

/// Cuts `output` into chunks of `chunk` elements (the last may be shorter) and calls `task` with the start and the
/// elements of each, on several threads. The cuts do not depend on the number of threads.
pub fn split<T: Send>(output: &mut [T], chunk: usize, task: impl Fn(usize, &mut [T]) + Sync) {
    split_each([output], chunk, |start, [part]| task(start, part));
}

/// As [`split`], for several slices of one length that are cut at the same places: the task is given the start and the
/// part of each slice. Slices of different lengths are cut to the shortest.
pub fn split_each<T: Send, const N: usize>(
    slices: [&mut [T]; N],
    chunk: usize,
    task: impl Fn(usize, [&mut [T]; N]) + Sync,
) {
    let rows = slices.first().map_or(0, |slice| slice.len());
    split_rows(slices, [1; N], chunk, rows, task);
}

/// As [`split_each`], for several groups of `N` slices each, laid end to end: `task` is given the number of a group, the
/// start in it, and the part of each slice. The length of a group is that of its first slice; a shorter slice is cut to
/// what it has. Chunks go on from one group to the next.
pub fn split_groups<T: Send, const N: usize>(
    groups: &mut [[&mut [T]; N]],
    chunk: usize,
    task: impl Fn(usize, usize, [&mut [T]; N]) + Sync,
) {
    let length = |group: &[&mut [T]; N]| group.first().map_or(0, |slice| slice.len());
    let (total, chunk) = (groups.iter().map(length).sum::<usize>(), chunk.max(1));
    if total <= chunk {
        return groups
            .iter_mut()
            .enumerate()
            .for_each(|(i, group)| task(i, 0, group.each_mut().map(|slice| &mut **slice)));
    }
    let count = groups.len();
    let base = Shared(groups.as_mut_ptr());
    run(total.div_ceil(chunk), &|index| {
        let (from, to) = (index * chunk, ((index + 1) * chunk).min(total));
        let mut before = 0;
        for group in 0..count {
            // SAFETY: there are `count` groups of `N` references, which stay borrowed until `run` returns. A reference to
            // a slice has the layout of a pointer to it, and read as a pointer it is borrowed by nobody.
            let slice = |k: usize| unsafe { *base.pointer().cast::<*mut [T]>().add(group * N + k) };
            let length = if N == 0 { 0 } else { slice(0).len() };
            let (start, end) = (from.max(before) - before, to.clamp(before, before + length) - before);
            if start < end {
                let parts = std::array::from_fn(|k| {
                    let (slice, held) = (slice(k).cast::<T>(), slice(k).len());
                    let (start, end) = (start.min(held), end.min(held));
                    // SAFETY: inside the slice; each index is run once, and the ranges of different indices are disjoint.
                    unsafe { std::slice::from_raw_parts_mut(slice.add(start), end - start) }
                });
                task(group, start, parts);
            }
            before += length;
            if before >= to {
                break;
            }
        }
    });
}

/// Cuts slices of rows, `widths[k]` elements a row in slice k, after every `chunk` rows, and calls `task` with the first
/// row and the part of each slice. `rows` is cut down to what every slice has.
pub fn split_rows<T: Send, const N: usize>(
    slices: [&mut [T]; N],
    widths: [usize; N],
    chunk: usize,
    rows: usize,
    task: impl Fn(usize, [&mut [T]; N]) + Sync,
) {
    let held = slices.iter().zip(widths).filter(|(_, width)| *width > 0).map(|(slice, width)| slice.len() / width);
    let (rows, chunk) = (held.fold(rows, usize::min), chunk.max(1));
    let bases = slices.map(|slice| Shared(slice.as_mut_ptr()));
    run(rows.div_ceil(chunk), &|index| {
        let start = index * chunk;
        let count = chunk.min(rows - start);
        let parts = std::array::from_fn(|k| {
            // SAFETY: each slice has `rows` rows of its width; each index is run once, and the rows of different indices are
            // apart; the slices are distinct, and stay borrowed until `run` returns.
            unsafe { std::slice::from_raw_parts_mut(bases[k].pointer().add(start * widths[k]), count * widths[k]) }
        });
        task(start, parts);
    });
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
#[cfg(all(test, not(loom)))]
pub(crate) use tests::with_threads;
