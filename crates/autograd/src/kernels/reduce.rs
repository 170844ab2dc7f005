//! Sums and extremes along one axis (and, from their own files, their places and the row kernels of softmax).
//!
//! An array is seen as `[outer, n, inner]` and reduced along its middle axis. The order of a sum depends on the
//! shape alone: runs of `RUN` steps are folded one after the other, in many lanes at once, and the results of
//! runs are joined in pairs, then pairs of pairs. The error therefore grows like that of pairwise summation, and
//! since threads take whole subtrees, no number of threads and no instruction set changes a bit of a sum.

use super::lane::{Fma, Plain};
use super::lanes::{LaneKernel, Lanes, Vectorised, across, launch};
use super::number::Number;
pub use super::places::{argmax, argmin};
use super::pool;
pub use super::softmax::{log_softmax, logsumexp, softmax};
use std::mem::MaybeUninit;

/// How many columns at most are cut into subtrees or searched together.
pub(super) const LANES: usize = 64;

/// The registers of a strip of columns.
const STRIP: usize = 4;

/// How many steps a lane takes one after the other before the pairwise part begins.
const RUN: usize = 16;

/// A multiple of the elements of a run along contiguous data.
pub(super) const BLOCK: usize = 64 * RUN;

/// Reductions of fewer elements run on one thread.
pub(super) const PARALLEL: usize = 65_536;

/// Into how many parts a single long reduction is cut at most.
const SEGMENTS: usize = 16;

/// Numbers that can be reduced.
pub trait Real: Vectorised {
    /// The least number, minus infinity.
    const LOWEST: Self;
    /// The greatest number, infinity.
    const HIGHEST: Self;
    /// e to the power `self`, for loops.
    #[doc(hidden)]
    fn exp_lane<const FMA: bool>(self) -> Self;
    /// The natural logarithm, for loops.
    #[doc(hidden)]
    fn ln_lane<const FMA: bool>(self) -> Self;
}

macro_rules! real {
    ($t:ident) => {
        impl Real for $t {
            const LOWEST: Self = $t::NEG_INFINITY;
            const HIGHEST: Self = $t::INFINITY;
            #[inline(always)]
            fn exp_lane<const FMA: bool>(self) -> Self {
                if FMA { Number::exp(Fma(self)).0 } else { Number::exp(Plain(self)).0 }
            }
            #[inline(always)]
            fn ln_lane<const FMA: bool>(self) -> Self {
                if FMA { Number::ln(Fma(self)).0 } else { Number::ln(Plain(self)).0 }
            }
        }
    };
}
real!(f32);
real!(f64);

/// What a reduction does with its elements. `join` must be commutative, and associative but for rounding.
pub(super) trait Fold<T>: Copy + Send + Sync {
    const START: T;
    fn map<L: Lanes<Scalar = T>>(x: L::Vector) -> L::Vector;
    fn join<L: Lanes<Scalar = T>>(a: L::Vector, b: L::Vector) -> L::Vector;
}

macro_rules! fold {
    ($name:ident, $start:ident, |$x:ident| $map:expr, $join:ident) => {
        #[derive(Clone, Copy)]
        pub(super) struct $name;

        impl<T: Real> Fold<T> for $name {
            const START: T = T::$start;
            #[inline(always)]
            fn map<L: Lanes<Scalar = T>>($x: L::Vector) -> L::Vector {
                $map
            }
            #[inline(always)]
            fn join<L: Lanes<Scalar = T>>(a: L::Vector, b: L::Vector) -> L::Vector {
                L::$join(a, b)
            }
        }
    };
}
fold!(Sum, ZERO, |x| x, add);
fold!(Squares, ZERO, |x| L::mul(x, x), add);
fold!(Max, LOWEST, |x| x, max);
fold!(Min, HIGHEST, |x| x, min);

/// Joins the results of runs in pairs, pairs of pairs and so on, as they come: after `count` of them, one subtree of
/// 2^level runs waits at each level that is a one in `count`.
pub(super) struct Pairs<V> {
    waiting: [MaybeUninit<V>; 48],
    count: usize,
}

impl<V: Copy> Pairs<V> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { waiting: [const { MaybeUninit::uninit() }; 48], count: 0 }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, mut value: V, join: impl Fn(V, V) -> V) {
        let mut level = 0;
        while self.count >> level & 1 == 1 {
            // SAFETY: the bit says that a subtree was written to this level.
            value = join(unsafe { self.waiting[level].assume_init() }, value);
            level += 1;
        }
        self.waiting[level].write(value);
        self.count += 1;
    }

    /// What all pushed values join to, or `start` if there were none.
    #[inline(always)]
    pub(super) fn finish(&self, start: V, join: impl Fn(V, V) -> V) -> V {
        let mut result = None;
        let mut level = 0;
        while self.count >> level > 0 {
            if self.count >> level & 1 == 1 {
                // SAFETY: as in `push`.
                let earlier = unsafe { self.waiting[level].assume_init() };
                result = Some(result.map_or(earlier, |later| join(earlier, later)));
            }
            level += 1;
        }
        result.unwrap_or(start)
    }
}

/// Joins registers one by one.
#[inline(always)]
fn join_all<T, L: Lanes<Scalar = T>, F: Fold<T>, const N: usize>(
    a: [L::Vector; N],
    b: [L::Vector; N],
) -> [L::Vector; N] {
    std::array::from_fn(|i| F::join::<L>(a[i], b[i]))
}

/// Folds contiguous elements to one, `4 * V4::WIDTH` side by side whatever the registers.
#[inline(always)]
pub(super) fn contiguous<T: Real, L: Lanes<Scalar = T>, F: Fold<T>>(data: &[T]) -> T {
    // The number of registers is a constant of `L`, so two of the three arms are dropped.
    match 4 * T::V4::WIDTH / L::WIDTH {
        4 => contiguous_in::<T, L, F, 4>(data),
        8 => contiguous_in::<T, L, F, 8>(data),
        _ => contiguous_in::<T, L, F, 16>(data),
    }
}

#[inline(always)]
fn contiguous_in<T: Real, L: Lanes<Scalar = T>, F: Fold<T>, const N: usize>(data: &[T]) -> T {
    let start = L::splat(F::START);
    let total = if data.len() <= N * L::WIDTH * RUN {
        run_of::<T, L, F, N>(data)
    } else {
        let mut pairs = Pairs::new();
        for block in data.chunks(N * L::WIDTH * RUN) {
            pairs.push(run_of::<T, L, F, N>(block), join_all::<T, L, F, N>);
        }
        pairs.finish([start; N], join_all::<T, L, F, N>)
    };
    let mut total = total;
    let mut half = N / 2;
    while half > 0 {
        for i in 0..half {
            total[i] = F::join::<L>(total[i], total[i + half]);
        }
        half /= 2;
    }
    across::<L>(total[0], F::join::<L>)
}

/// Folds a block of at most `RUN` steps of `N` registers.
#[inline(always)]
fn run_of<T: Real, L: Lanes<Scalar = T>, F: Fold<T>, const N: usize>(data: &[T]) -> [L::Vector; N] {
    let mut sums = [L::splat(F::START); N];
    let mut at = 0;
    while at + N * L::WIDTH <= data.len() {
        for (i, sum) in sums.iter_mut().enumerate() {
            // SAFETY: the registers end inside `data`, and the kernels choose `L` by the machine.
            let x = unsafe { L::load(data.as_ptr().add(at + i * L::WIDTH)) };
            *sum = F::join::<L>(*sum, F::map::<L>(x));
        }
        at += N * L::WIDTH;
    }
    for sum in &mut sums {
        let count = (data.len() - at).min(L::WIDTH);
        if count > 0 {
            // SAFETY: `count` elements are left. The other lanes are not read but replaced by the start.
            let x = unsafe { L::load_or(data.as_ptr().add(at), L::mask(count), L::splat(F::START)) };
            *sum = F::join::<L>(*sum, F::map::<L>(x));
        }
        at += count;
    }
    sums
}

/// Folds `count` neighbouring columns in `N` registers, the last partly filled, from rows `stride` apart.
///
/// # Safety
/// The machine has the registers, and `data` and `out` have the elements named.
#[inline(always)]
unsafe fn columns<T: Real, L: Lanes<Scalar = T>, F: Fold<T>, const N: usize>(
    data: *const T,
    (stride, rows): (usize, usize),
    count: usize,
    out: *mut T,
) {
    let start = [L::splat(F::START); N];
    let mask = L::mask(count - (N - 1) * L::WIDTH);
    let mut pairs = Pairs::new();
    let mut row = 0;
    while row < rows {
        let end = rows.min(row + RUN);
        let mut sums = start;
        for i in row..end {
            for (r, sum) in sums.iter_mut().enumerate() {
                // SAFETY: row `i` and the columns of the register are inside the array.
                let x = unsafe {
                    let from = data.add(i * stride + r * L::WIDTH);
                    if r + 1 < N { L::load(from) } else { L::load_some(from, mask) }
                };
                *sum = F::join::<L>(*sum, F::map::<L>(x));
            }
        }
        pairs.push(sums, join_all::<T, L, F, N>);
        row = end;
    }
    let total = pairs.finish(start, join_all::<T, L, F, N>);
    for (r, &x) in total.iter().enumerate() {
        // SAFETY: as above; what the unused lanes folded is not stored.
        unsafe {
            let to = out.add(r * L::WIDTH);
            if r + 1 < N { L::store(to, x) } else { L::store_some(to, mask, x) }
        }
    }
}

/// Folds `out.len()` neighbouring columns in strips.
#[inline(always)]
pub(super) fn strips<T: Real, L: Lanes<Scalar = T>, F: Fold<T>>(data: &[T], stride: usize, rows: usize, out: &mut [T]) {
    assert!(rows == 0 || (rows - 1) * stride + out.len() <= data.len(), "columns inside the array");
    let (wide, mut from) = (STRIP * L::WIDTH, 0);
    while from < out.len() {
        let left = out.len() - from;
        // SAFETY: by the assertion; `wrapping_add` because there may be columns but no rows.
        unsafe {
            let (data, to) = (data.as_ptr().wrapping_add(from), out.as_mut_ptr().add(from));
            if left > wide - L::WIDTH {
                columns::<T, L, F, STRIP>(data, (stride, rows), left.min(wide), to);
                from += left.min(wide);
            } else {
                columns::<T, L, F, 1>(data, (stride, rows), left.min(L::WIDTH), to);
                from += left.min(L::WIDTH);
            }
        }
    }
}

/// Folds whole rows: `data` is `[out.len(), n]`.
struct Rows<'a, T, F> {
    data: &'a [T],
    n: usize,
    out: &'a mut [T],
    _fold: F,
}

impl<T: Real, F: Fold<T>> LaneKernel<T> for Rows<'_, T, F> {
    #[inline(always)]
    fn run<L: Lanes<Scalar = T>, const FMA: bool>(self) {
        let Self { data, n, out, .. } = self;
        for (i, x) in out.iter_mut().enumerate() {
            *x = contiguous::<T, L, F>(&data[i * n..(i + 1) * n]);
        }
    }
}

/// Folds columns: `out.len()` of them, from rows `stride` apart.
struct Columns<'a, T, F> {
    data: &'a [T],
    stride: usize,
    rows: usize,
    out: &'a mut [T],
    _fold: F,
}

impl<T: Real, F: Fold<T>> LaneKernel<T> for Columns<'_, T, F> {
    #[inline(always)]
    fn run<L: Lanes<Scalar = T>, const FMA: bool>(self) {
        strips::<T, L, F>(self.data, self.stride, self.rows, self.out);
    }
}

/// Checks the lengths and says whether there is anything to do.
pub(super) fn check(input: usize, [outer, n, inner]: [usize; 3], output: usize) -> bool {
    assert!(outer.checked_mul(n).and_then(|x| x.checked_mul(inner)) == Some(input), "input and shape differ");
    assert!(outer.checked_mul(inner) == Some(output), "output and shape differ");
    output > 0
}

/// Half of what is needed for two threads to be worth it.
pub(super) fn chunk_of(total: usize, each: usize) -> usize {
    if total < PARALLEL { usize::MAX } else { (PARALLEL / 4).div_ceil(each.max(1)) }
}

fn reduce<T: Real, F: Fold<T>>(input: &[T], shape: [usize; 3], output: &mut [T], fold: F) {
    if !check(input.len(), shape, output.len()) {
        return;
    }
    let [outer, n, inner] = shape;
    let total = input.len();
    if inner == 1 && total < PARALLEL {
        return launch(Rows { data: input, n, out: output, _fold: fold });
    }
    if inner == 1 {
        if total >= PARALLEL && outer < 2 * SEGMENTS {
            let rows = output.iter_mut().enumerate();
            return rows.for_each(|(i, x)| *x = long(&input[i * n..(i + 1) * n], fold));
        }
        return pool::split(output, chunk_of(total, n), |start, out| {
            launch(Rows { data: &input[start * n..], n, out, _fold: fold });
        });
    }
    let slab = n * inner;
    if outer >= SEGMENTS && total >= PARALLEL {
        // Whole slabs per task. A task's part of `output` is a multiple of `inner` long.
        let chunk = (PARALLEL / 4).div_ceil(slab.max(1)) * inner;
        return pool::split(output, chunk, |start, out| {
            for (i, out) in out.chunks_mut(inner).enumerate() {
                let data = &input[(start / inner + i) * slab..][..slab];
                launch(Columns { data, stride: inner, rows: n, out, _fold: fold });
            }
        });
    }
    for (i, out) in output.chunks_mut(inner).enumerate() {
        let data = &input[i * slab..(i + 1) * slab];
        if total >= PARALLEL && inner <= LANES {
            tall(data, inner, out, fold);
            continue;
        }
        let chunk = chunk_of(slab, n).max(1).checked_next_multiple_of(LANES).unwrap_or(usize::MAX);
        pool::split(out, chunk, |start, out| {
            launch(Columns { data: &data[start.min(slab)..], stride: inner, rows: n, out, _fold: fold });
        });
    }
}

/// How many steps of `unit` a part takes so that `steps` steps make at most [`SEGMENTS`] parts: a power of two, so
/// that every part is a subtree of the tree over all runs.
fn part_of(steps: usize, unit: usize) -> usize {
    steps.div_ceil(unit).div_ceil(SEGMENTS).next_power_of_two() * unit
}

fn join_one<T: Real, F: Fold<T>>(a: T, b: T) -> T {
    fn join<L: Lanes, F: Fold<L::Scalar>>(a: L::Scalar, b: L::Scalar) -> L::Scalar {
        L::first(F::join::<L>(L::splat(a), L::splat(b)))
    }
    join::<T::Baseline, F>(a, b)
}

/// One long contiguous reduction, cut into subtrees.
fn long<T: Real, F: Fold<T>>(data: &[T], fold: F) -> T {
    let part = part_of(data.len(), BLOCK);
    let mut sums = [T::ZERO; SEGMENTS];
    let count = data.len().div_ceil(part).max(1);
    pool::split(&mut sums[..count], 1, |i, out| {
        let data = &data[i * part..data.len().min((i + 1) * part)];
        launch(Rows { data, n: data.len(), out, _fold: fold });
    });
    let mut pairs = Pairs::new();
    sums[..count].iter().for_each(|&sum| pairs.push(sum, join_one::<T, F>));
    pairs.finish(F::START, join_one::<T, F>)
}

/// One reduction of many rows of at most [`LANES`] columns, cut into subtrees.
fn tall<T: Real, F: Fold<T>>(data: &[T], inner: usize, out: &mut [T], fold: F) {
    let rows = data.len() / inner;
    let part = part_of(rows, RUN);
    let mut sums = [[T::ZERO; LANES]; SEGMENTS];
    let count = rows.div_ceil(part).max(1);
    pool::split(&mut sums[..count], 1, |i, sums| {
        let rows = part.min(rows - i * part);
        let data = &data[i * part * inner..];
        launch(Columns { data, stride: inner, rows, out: &mut sums[0][..inner], _fold: fold });
    });
    for (j, x) in out.iter_mut().enumerate() {
        let mut pairs = Pairs::new();
        sums[..count].iter().for_each(|sum| pairs.push(sum[j], join_one::<T, F>));
        *x = pairs.finish(F::START, join_one::<T, F>);
    }
}

/// Sums along the middle axis of `[outer, n, inner]` into `[outer, inner]`.
///
/// # Panics
/// If the lengths of the slices are not those of the shape.
pub fn sum<T: Real>(input: &[T], shape: [usize; 3], output: &mut [T]) {
    reduce(input, shape, output, Sum);
}

/// Sums of squares along the middle axis.
///
/// # Panics
/// As [`sum`].
pub fn sum_of_squares<T: Real>(input: &[T], shape: [usize; 3], output: &mut [T]) {
    reduce(input, shape, output, Squares);
}

/// The greatest along the middle axis; not a number where one of the elements is none, -infinity where `n` is 0.
///
/// # Panics
/// As [`sum`].
pub fn max<T: Real>(input: &[T], shape: [usize; 3], output: &mut [T]) {
    reduce(input, shape, output, Max);
}

/// The least along the middle axis; not a number where one of the elements is none, infinity where `n` is 0.
///
/// # Panics
/// As [`sum`].
pub fn min<T: Real>(input: &[T], shape: [usize; 3], output: &mut [T]) {
    reduce(input, shape, output, Min);
}

#[cfg(all(test, not(loom)))]
#[path = "reduce_tests.rs"]
mod tests;
