//! Sums, extremes and their places along one axis, and the row kernels of softmax.
//!
//! An array is seen as `[outer, n, inner]` and reduced along its middle axis. The order of a sum depends on the
//! shape alone: runs of [`RUN`] steps are folded one after the other, in many lanes at once, and the results of
//! runs are joined in pairs, then pairs of pairs. The error therefore grows like that of pairwise summation, and
//! since threads take whole subtrees, no number of threads and no instruction set changes a bit of a sum.

use super::dispatch::{self, Kernel};
use super::pool;
use std::ops::{Add, Div, Mul, Sub};

/// How many elements or columns are folded side by side: four registers of AVX-512 in f32, eight in f64.
const LANES: usize = 64;

/// How many steps a lane takes one after the other before the pairwise part begins.
const RUN: usize = 16;

/// The elements of a run along contiguous data.
const BLOCK: usize = LANES * RUN;

/// Reductions of fewer elements run on one thread.
const PARALLEL: usize = 65_536;

/// Into how many parts a single long reduction is cut at most.
const SEGMENTS: usize = 16;

/// Numbers that can be reduced.
pub trait Real:
    Copy
    + Send
    + Sync
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The least number, minus infinity.
    const LOWEST: Self;
    /// The greatest number, infinity.
    const HIGHEST: Self;
    /// Whether it is not a number.
    fn not_a_number(self) -> bool;
    /// e to the power `self`.
    #[doc(hidden)]
    fn exp_lane<const FMA: bool>(self) -> Self;
    /// The natural logarithm.
    #[doc(hidden)]
    fn ln_lane<const FMA: bool>(self) -> Self;
}

macro_rules! real {
    ($t:ident) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const LOWEST: Self = $t::NEG_INFINITY;
            const HIGHEST: Self = $t::INFINITY;
            #[inline(always)]
            fn not_a_number(self) -> bool {
                self.is_nan()
            }
            #[inline(always)]
            fn exp_lane<const FMA: bool>(self) -> Self {
                {
                    use super::number::{Element, Lane, Number};
                    if FMA {
                        <$t as Element>::Fused::load(self).exp().store()
                    } else {
                        <$t as Element>::Plain::load(self).exp().store()
                    }
                }
            }
            #[inline(always)]
            fn ln_lane<const FMA: bool>(self) -> Self {
                {
                    use super::number::{Element, Lane, Number};
                    if FMA {
                        <$t as Element>::Fused::load(self).ln().store()
                    } else {
                        <$t as Element>::Plain::load(self).ln().store()
                    }
                }
            }
        }
    };
}
real!(f32);
real!(f64);

/// What a reduction does with its elements. `join` must be associative but for rounding.
trait Fold<T>: Copy + Send + Sync {
    const START: T;
    fn map(x: T) -> T;
    fn join(a: T, b: T) -> T;
}

macro_rules! fold {
    ($name:ident, $start:ident, |$x:ident| $map:expr, |$a:ident, $b:ident| $join:expr) => {
        #[derive(Clone, Copy)]
        struct $name;

        impl<T: Real> Fold<T> for $name {
            const START: T = T::$start;
            #[inline(always)]
            fn map($x: T) -> T {
                $map
            }
            #[inline(always)]
            fn join($a: T, $b: T) -> T {
                $join
            }
        }
    };
}
fold!(Sum, ZERO, |x| x, |a, b| a + b);
fold!(Squares, ZERO, |x| x * x, |a, b| a + b);
// Where `b` is not a number no comparison holds and `b` is taken; the second test keeps an `a` that is not one.
fold!(Max, LOWEST, |x| x, |a, b| if (a > b) | a.not_a_number() { a } else { b });
fold!(Min, HIGHEST, |x| x, |a, b| if (a < b) | a.not_a_number() { a } else { b });

/// Joins the results of runs in pairs, pairs of pairs and so on, as they come: after `count` of them, one subtree of
/// 2^level runs waits at each level that is a one in `count`. `N` values travel together.
struct Pairs<T, const N: usize, const LEVELS: usize> {
    waiting: [[T; N]; LEVELS],
    count: usize,
}

impl<T: Real, const N: usize, const LEVELS: usize> Pairs<T, N, LEVELS> {
    #[inline(always)]
    fn new() -> Self {
        Self { waiting: [[T::ZERO; N]; LEVELS], count: 0 }
    }

    #[inline(always)]
    fn push<F: Fold<T>>(&mut self, mut value: [T; N]) {
        let mut level = 0;
        while self.count >> level & 1 == 1 {
            join::<T, F, N>(&self.waiting[level], &mut value);
            level += 1;
        }
        self.waiting[level] = value;
        self.count += 1;
    }

    #[inline(always)]
    fn finish<F: Fold<T>>(&self) -> [T; N] {
        if self.count == 0 {
            return [F::START; N];
        }
        let mut level = self.count.trailing_zeros() as usize;
        let mut value = self.waiting[level];
        level += 1;
        while self.count >> level > 0 {
            if self.count >> level & 1 == 1 {
                join::<T, F, N>(&self.waiting[level], &mut value);
            }
            level += 1;
        }
        value
    }
}

/// `value = earlier joined with value`.
#[inline(always)]
fn join<T: Real, F: Fold<T>, const N: usize>(earlier: &[T; N], value: &mut [T; N]) {
    for (x, &y) in value.iter_mut().zip(earlier) {
        *x = F::join(y, *x);
    }
}

/// Levels enough for any array.
const ALL: usize = 48;

/// Levels enough for [`FEW_RUNS`] runs: clearing more costs as much as a small reduction.
const FEW: usize = 5;
const FEW_RUNS: usize = (1 << FEW) - 1;

/// Folds contiguous elements to one.
#[inline(always)]
fn contiguous<T: Real, F: Fold<T>>(data: &[T]) -> T {
    if data.len() < LANES {
        return lanes::<T, F, 8>(data);
    }
    if data.len() <= BLOCK {
        return lanes::<T, F, LANES>(data);
    }
    let mut pairs = Pairs::<T, 1, ALL>::new();
    for block in data.chunks(BLOCK) {
        pairs.push::<F>([lanes::<T, F, LANES>(block)]);
    }
    pairs.finish::<F>()[0]
}

/// Folds a block in `N` lanes and the lanes by halving.
#[inline(always)]
fn lanes<T: Real, F: Fold<T>, const N: usize>(data: &[T]) -> T {
    let (whole, rest) = data.as_chunks::<N>();
    let mut sums = [F::START; N];
    for chunk in whole {
        for lane in 0..N {
            sums[lane] = F::join(sums[lane], F::map(chunk[lane]));
        }
    }
    for (sum, &x) in sums.iter_mut().zip(rest) {
        *sum = F::join(*sum, F::map(x));
    }
    let mut half = N / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] = F::join(sums[lane], sums[lane + half]);
        }
        half /= 2;
    }
    sums[0]
}

/// Folds `N` neighbouring columns of rows `stride` apart; `data` begins at the first of them.
#[inline(always)]
fn columns<T: Real, F: Fold<T>, const N: usize, const LEVELS: usize>(data: &[T], stride: usize, rows: usize) -> [T; N] {
    let mut pairs = Pairs::<T, N, LEVELS>::new();
    let mut row = 0;
    while row < rows {
        let end = rows.min(row + RUN);
        let mut sums = [F::START; N];
        for i in row..end {
            let (chunk, _) = data[i * stride..].as_chunks::<N>();
            for lane in 0..N {
                sums[lane] = F::join(sums[lane], F::map(chunk[0][lane]));
            }
        }
        pairs.push::<F>(sums);
        row = end;
    }
    pairs.finish::<F>()
}

/// Folds `out.len()` neighbouring columns in strips.
#[inline(always)]
fn strips<T: Real, F: Fold<T>>(data: &[T], stride: usize, rows: usize, out: &mut [T]) {
    let mut from = 0;
    macro_rules! strip {
        ($width:expr, $levels:expr) => {
            while out.len() - from >= $width {
                let sums = columns::<T, F, { $width }, { $levels }>(&data[from.min(data.len())..], stride, rows);
                out[from..from + $width].copy_from_slice(&sums);
                from += $width;
            }
        };
    }
    if rows <= FEW_RUNS * RUN {
        strip!(LANES, FEW);
    } else {
        strip!(LANES, ALL);
    }
    strip!(16, ALL);
    strip!(4, ALL);
    strip!(1, ALL);
}

/// Folds whole rows: `data` is `[out.len(), n]`.
struct Rows<'a, T, F> {
    data: &'a [T],
    n: usize,
    out: &'a mut [T],
    _fold: F,
}

impl<T: Real, F: Fold<T>> Kernel for Rows<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { data, n, out, .. } = self;
        for (i, x) in out.iter_mut().enumerate() {
            *x = contiguous::<T, F>(&data[i * n..(i + 1) * n]);
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

impl<T: Real, F: Fold<T>> Kernel for Columns<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        strips::<T, F>(self.data, self.stride, self.rows, self.out);
    }
}

/// Checks the lengths and says whether there is anything to do.
fn check(input: usize, [outer, n, inner]: [usize; 3], output: usize) -> bool {
    assert!(outer.checked_mul(n).and_then(|x| x.checked_mul(inner)) == Some(input), "input and shape differ");
    assert!(outer.checked_mul(inner) == Some(output), "output and shape differ");
    output > 0
}

/// Half of what is needed for two threads to be worth it.
fn chunk_of(total: usize, each: usize) -> usize {
    if total < PARALLEL { usize::MAX } else { (PARALLEL / 4).div_ceil(each.max(1)) }
}

fn reduce<T: Real, F: Fold<T>>(input: &[T], shape: [usize; 3], output: &mut [T], fold: F) {
    if !check(input.len(), shape, output.len()) {
        return;
    }
    let [outer, n, inner] = shape;
    let total = input.len();
    if inner == 1 {
        if total >= PARALLEL && outer < 2 * SEGMENTS {
            let rows = output.iter_mut().enumerate();
            return rows.for_each(|(i, x)| *x = long(&input[i * n..(i + 1) * n], fold));
        }
        return pool::split(output, chunk_of(total, n), |start, out| {
            dispatch::run(Rows { data: &input[start * n..], n, out, _fold: fold });
        });
    }
    let slab = n * inner;
    if outer >= SEGMENTS && total >= PARALLEL {
        // Whole slabs per task. A task's part of `output` is a multiple of `inner` long.
        let chunk = (PARALLEL / 4).div_ceil(slab.max(1)) * inner;
        return pool::split(output, chunk, |start, out| {
            for (i, out) in out.chunks_mut(inner).enumerate() {
                let data = &input[(start / inner + i) * slab..][..slab];
                dispatch::run(Columns { data, stride: inner, rows: n, out, _fold: fold });
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
            dispatch::run(Columns { data: &data[start.min(slab)..], stride: inner, rows: n, out, _fold: fold });
        });
    }
}

/// How many steps of `unit` a part takes so that `steps` steps make at most [`SEGMENTS`] parts: a power of two, so
/// that every part is a subtree of the tree over all runs.
fn part_of(steps: usize, unit: usize) -> usize {
    steps.div_ceil(unit).div_ceil(SEGMENTS).next_power_of_two() * unit
}

/// One long contiguous reduction, cut into subtrees.
fn long<T: Real, F: Fold<T>>(data: &[T], fold: F) -> T {
    let part = part_of(data.len(), BLOCK);
    let mut sums = [T::ZERO; SEGMENTS];
    let count = data.len().div_ceil(part).max(1);
    pool::split(&mut sums[..count], 1, |i, out| {
        let data = &data[i * part..data.len().min((i + 1) * part)];
        dispatch::run(Rows { data, n: data.len(), out, _fold: fold });
    });
    let mut pairs = Pairs::<T, 1, FEW>::new();
    sums[..count].iter().for_each(|&sum| pairs.push::<F>([sum]));
    pairs.finish::<F>()[0]
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
        dispatch::run(Columns { data, stride: inner, rows, out: &mut sums[0][..inner], _fold: fold });
    });
    let mut pairs = Pairs::<T, LANES, FEW>::new();
    sums[..count].iter().for_each(|&sum| pairs.push::<F>(sum));
    out.copy_from_slice(&pairs.finish::<F>()[..inner]);
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

/// The place of the greatest along the middle axis: the first of several, or of the first that is not a number.
///
/// # Panics
/// As [`sum`], and if `n` is 0 while there is something to output.
pub fn argmax<T: Real>(input: &[T], shape: [usize; 3], output: &mut [usize]) {
    places(input, shape, output, Max);
}

/// The place of the least along the middle axis: the first of several, or of the first that is not a number.
///
/// # Panics
/// As [`argmax`].
pub fn argmin<T: Real>(input: &[T], shape: [usize; 3], output: &mut [usize]) {
    places(input, shape, output, Min);
}

fn places<T: Real, F: Fold<T>>(input: &[T], shape: [usize; 3], output: &mut [usize], fold: F) {
    if !check(input.len(), shape, output.len()) {
        return;
    }
    let [_, n, inner] = shape;
    assert!(n > 0, "no greatest or least of nothing");
    let slab = n * inner;
    if inner == 1 {
        return pool::split(output, chunk_of(input.len(), n), |start, out| {
            dispatch::run(RowPlaces { data: &input[start * n..], n, out, _fold: fold });
        });
    }
    let chunk = if input.len() < PARALLEL { usize::MAX } else { chunk_of(input.len(), slab).saturating_mul(inner) };
    pool::split(output, chunk, |start, out| {
        for (i, out) in out.chunks_mut(inner).enumerate() {
            let data = &input[(start / inner + i) * slab..][..slab];
            dispatch::run(ColumnPlaces { data, stride: inner, rows: n, out, _fold: fold });
        }
    });
}

/// Whether `x` is a place of the extreme `best`: if anything is not a number, `best` is none and only such count.
#[inline(always)]
fn is_best<T: Real>(x: T, best: T) -> bool {
    (x == best) | x.not_a_number()
}

struct RowPlaces<'a, T, F> {
    data: &'a [T],
    n: usize,
    out: &'a mut [usize],
    _fold: F,
}

impl<T: Real, F: Fold<T>> Kernel for RowPlaces<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { data, n, out, .. } = self;
        for (i, place) in out.iter_mut().enumerate() {
            let row = &data[i * n..(i + 1) * n];
            let best = contiguous::<T, F>(row);
            // A chunk is searched whole, without leaving early, so that the loop is vectorised.
            let (whole, rest) = row.as_chunks::<LANES>();
            let hit = |chunk: &&[T; LANES]| chunk.iter().fold(false, |any, &x| any | is_best(x, best));
            let skip = whole.iter().take_while(|chunk| !hit(chunk)).count();
            let chunk = whole.get(skip).map_or(rest, |chunk| &chunk[..]);
            let within = chunk.iter().position(|&x| is_best(x, best));
            *place = skip * LANES + within.expect("the extreme is one of the elements");
        }
    }
}

struct ColumnPlaces<'a, T, F> {
    data: &'a [T],
    stride: usize,
    rows: usize,
    out: &'a mut [usize],
    _fold: F,
}

impl<T: Real, F: Fold<T>> Kernel for ColumnPlaces<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { data, stride, rows, out, .. } = self;
        for (i, out) in out.chunks_mut(LANES).enumerate() {
            let data = &data[i * LANES..];
            let mut best = [T::ZERO; LANES];
            let best = &mut best[..out.len()];
            strips::<T, F>(data, stride, rows, best);
            // From the last row to the first, so that the first of several stays.
            for row in (0..rows).rev() {
                let data = &data[row * stride..][..out.len()];
                for ((place, &x), &best) in out.iter_mut().zip(data).zip(best.iter()) {
                    *place = if is_best(x, best) { row } else { *place };
                }
            }
        }
    }
}

/// What a row kernel makes of its rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RowKind {
    Softmax,
    LogSoftmax,
}

/// Elements that a row kernel takes through all its passes together: they stay in the nearest cache.
const NEAR: usize = 2048;

struct Softmax<'a, T> {
    input: &'a [T],
    n: usize,
    output: &'a mut [T],
    kind: RowKind,
}

impl<T: Real> Kernel for Softmax<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { input, n, output, kind } = self;
        let near = (NEAR / n).max(1) * n;
        for (input, output) in input.chunks(near).zip(output.chunks_mut(near)) {
            for (x, y) in input.chunks_exact(n).zip(output.chunks_exact_mut(n)) {
                let most = contiguous::<T, Max>(x);
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = x - most);
            }
            if kind == RowKind::Softmax {
                // Over all rows at once, so that short rows fill the registers too.
                output.iter_mut().for_each(|y| *y = y.exp_lane::<FMA>());
                for y in output.chunks_exact_mut(n) {
                    let scale = T::ONE / contiguous::<T, Sum>(y);
                    y.iter_mut().for_each(|y| *y = *y * scale);
                }
            } else {
                for y in output.chunks_exact_mut(n) {
                    let shift = sum_of_exp::<T, FMA>(y, T::ZERO).ln_lane::<FMA>();
                    y.iter_mut().for_each(|y| *y = *y - shift);
                }
            }
        }
    }
}

/// The sum of `exp(x - shift)`, in the order of [`contiguous`].
#[inline(always)]
fn sum_of_exp<T: Real, const FMA: bool>(row: &[T], shift: T) -> T {
    let mut buffer = [T::ZERO; BLOCK];
    let mut pairs = Pairs::<T, 1, ALL>::new();
    for block in row.chunks(BLOCK) {
        let buffer = &mut buffer[..block.len()];
        buffer.iter_mut().zip(block).for_each(|(y, &x)| *y = (x - shift).exp_lane::<FMA>());
        pairs.push::<Sum>([contiguous::<T, Sum>(buffer)]);
    }
    pairs.finish::<Sum>()[0]
}

struct LogSumExp<'a, T> {
    input: &'a [T],
    n: usize,
    output: &'a mut [T],
}

impl<T: Real> Kernel for LogSumExp<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (x, y) in self.input.chunks_exact(self.n).zip(self.output) {
            let most = contiguous::<T, Max>(x);
            // Rows of -infinity, or with infinity, must not become inf - inf.
            let finite = most > T::LOWEST && most < T::HIGHEST;
            let shift = if finite { most } else { T::ZERO };
            *y = sum_of_exp::<T, FMA>(x, shift).ln_lane::<FMA>() + shift;
        }
    }
}

/// Softmax of rows of `n`: `exp(x)` over its sum. Rows of -infinity, or with infinity, are not numbers.
///
/// # Panics
/// If the slices differ in length or are not whole rows.
pub fn softmax<T: Real>(input: &[T], n: usize, output: &mut [T]) {
    soft(input, n, output, RowKind::Softmax);
}

/// The logarithm of [`softmax`], without the loss of digits.
///
/// # Panics
/// As [`softmax`].
pub fn log_softmax<T: Real>(input: &[T], n: usize, output: &mut [T]) {
    soft(input, n, output, RowKind::LogSoftmax);
}

/// Elements per task of the row kernels, whose exponentials cost more than loads.
const SOFT_CHUNK: usize = 8192;

fn soft<T: Real>(input: &[T], n: usize, output: &mut [T], kind: RowKind) {
    assert_eq!(input.len(), output.len(), "input and output differ in length");
    if input.is_empty() {
        return;
    }
    assert!(n > 0 && input.len().is_multiple_of(n), "not whole rows");
    let chunk = SOFT_CHUNK.div_ceil(n) * n;
    pool::split(output, chunk, |start, output| {
        let input = &input[start..start + output.len()];
        dispatch::run(Softmax { input, n, output, kind });
    });
}

/// The logarithm of the sum of `exp(x)` of each row of `n`; -infinity where `n` is 0.
///
/// # Panics
/// If `input` is not `output.len()` rows of `n`.
pub fn logsumexp<T: Real>(input: &[T], n: usize, output: &mut [T]) {
    assert!(output.len().checked_mul(n) == Some(input.len()), "input and output differ in rows");
    if n == 0 {
        return output.fill(T::LOWEST);
    }
    pool::split(output, SOFT_CHUNK.div_ceil(n), |start, output| {
        let input = &input[start * n..][..output.len() * n];
        dispatch::run(LogSumExp { input, n, output });
    });
}

#[cfg(all(test, not(loom)))]
#[path = "reduce_tests.rs"]
mod tests;
