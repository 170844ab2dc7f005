//! The places of extremes along one axis.

use super::lanes::{LaneKernel, Lanes, launch};
use super::pool;
use super::reduce::{Fold, LANES, Max, Min, PARALLEL, Real, check, chunk_of, contiguous, strips};

/// The place of the greatest along the middle axis: the first of several, or of the first that is not a number.
///
/// # Panics
/// As [`sum`](super::reduce::sum), and if `n` is 0 while there is something to output.
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
            launch(RowPlaces { data: &input[start * n..], n, out, _fold: fold });
        });
    }
    let chunk = if input.len() < PARALLEL { usize::MAX } else { chunk_of(input.len(), slab).saturating_mul(inner) };
    pool::split(output, chunk, |start, out| {
        for (i, out) in out.chunks_mut(inner).enumerate() {
            let data = &input[(start / inner + i) * slab..][..slab];
            launch(ColumnPlaces { data, stride: inner, rows: n, out, _fold: fold });
        }
    });
}

/// Whether `x` is a place of the extreme `best`: if anything is not a number, `best` is none and only such count.
#[inline(always)]
fn is_best<T: Real>(x: T, best: T) -> bool {
    (x == best) | x.is_nan()
}

struct RowPlaces<'a, T, F> {
    data: &'a [T],
    n: usize,
    out: &'a mut [usize],
    _fold: F,
}

impl<T: Real, F: Fold<T>> LaneKernel<T> for RowPlaces<'_, T, F> {
    #[inline(always)]
    fn run<L: Lanes<Scalar = T>, const FMA: bool>(self) {
        let Self { data, n, out, .. } = self;
        for (i, place) in out.iter_mut().enumerate() {
            let row = &data[i * n..(i + 1) * n];
            let best = contiguous::<T, L, F>(row);
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

impl<T: Real, F: Fold<T>> LaneKernel<T> for ColumnPlaces<'_, T, F> {
    #[inline(always)]
    fn run<L: Lanes<Scalar = T>, const FMA: bool>(self) {
        let Self { data, stride, rows, out, .. } = self;
        for (i, out) in out.chunks_mut(LANES).enumerate() {
            let data = &data[i * LANES..];
            let mut best = [T::ZERO; LANES];
            let best = &mut best[..out.len()];
            strips::<T, L, F>(data, stride, rows, best);
            // Few rows hold the first extreme of a column, so a row is tested whole and seldom looked at closely.
            out.fill(usize::MAX);
            let mut missing = out.len();
            for row in 0..rows {
                let data = &data[row * stride..][..out.len()];
                let hit = data.iter().zip(best.iter()).fold(false, |any, (&x, &best)| any | is_best(x, best));
                if !hit {
                    continue;
                }
                for ((place, &x), &best) in out.iter_mut().zip(data).zip(best.iter()) {
                    if *place == usize::MAX && is_best(x, best) {
                        (*place, missing) = (row, missing - 1);
                    }
                }
                if missing == 0 {
                    break;
                }
            }
        }
    }
}
