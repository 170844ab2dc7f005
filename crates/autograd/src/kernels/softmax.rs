//! Softmax and its logarithms along the last axis.

use super::lanes::{LaneKernel, Lanes, launch};
use super::pool;
use super::reduce::{BLOCK, Max, Pairs, Real, Sum, contiguous};

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

impl<T: Real> LaneKernel<T> for Softmax<'_, T> {
    #[inline(always)]
    fn run<L: Lanes<Scalar = T>, const FMA: bool>(self) {
        let Self { input, n, output, kind } = self;
        let near = (NEAR / n).max(1) * n;
        for (input, output) in input.chunks(near).zip(output.chunks_mut(near)) {
            for (x, y) in input.chunks_exact(n).zip(output.chunks_exact_mut(n)) {
                let most = contiguous::<T, L, Max>(x);
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = x - most);
            }
            if kind == RowKind::Softmax {
                // Over all rows at once, so that short rows fill the registers too.
                output.iter_mut().for_each(|y| *y = y.exp_lane::<FMA>());
                for y in output.chunks_exact_mut(n) {
                    let scale = T::ONE / contiguous::<T, L, Sum>(y);
                    y.iter_mut().for_each(|y| *y = *y * scale);
                }
            } else {
                normalise_logarithms::<T, L, FMA>(output, n);
            }
        }
    }
}

/// Elements of rows whose exponentials, and then the logarithms of whose sums, are taken over all rows at once.
const SHORT: usize = 512;

/// Subtracts from each row of `n` the logarithm of the sum of its exponentials.
#[inline(always)]
fn normalise_logarithms<T: Real, L: Lanes<Scalar = T>, const FMA: bool>(rows: &mut [T], n: usize) {
    if n > SHORT / 2 {
        for row in rows.chunks_exact_mut(n) {
            let shift = sum_of_exp::<T, L, FMA>(row, T::ZERO).ln_lane::<FMA>();
            row.iter_mut().for_each(|y| *y = *y - shift);
        }
        return;
    }
    let (mut powers, mut shifts) = ([T::ZERO; SHORT], [T::ZERO; SHORT]);
    for rows in rows.chunks_mut(SHORT / n * n) {
        let (powers, shifts) = (&mut powers[..rows.len()], &mut shifts[..rows.len() / n]);
        powers.iter_mut().zip(&*rows).for_each(|(power, &y)| *power = y.exp_lane::<FMA>());
        let sums = powers.chunks_exact(n).map(|row| contiguous::<T, L, Sum>(row));
        shifts.iter_mut().zip(sums).for_each(|(shift, sum)| *shift = sum);
        shifts.iter_mut().for_each(|shift| *shift = shift.ln_lane::<FMA>());
        for (row, &shift) in rows.chunks_exact_mut(n).zip(&*shifts) {
            row.iter_mut().for_each(|y| *y = *y - shift);
        }
    }
}

/// The sum of `exp(x - shift)`, in the order of [`contiguous`].
#[inline(always)]
fn sum_of_exp<T: Real, L: Lanes<Scalar = T>, const FMA: bool>(row: &[T], shift: T) -> T {
    let mut buffer = [T::ZERO; BLOCK];
    let mut pairs = Pairs::new();
    for block in row.chunks(BLOCK) {
        let buffer = &mut buffer[..block.len()];
        buffer.iter_mut().zip(block).for_each(|(y, &x)| *y = (x - shift).exp_lane::<FMA>());
        pairs.push(contiguous::<T, L, Sum>(buffer), |a, b| a + b);
    }
    pairs.finish(T::ZERO, |a, b| a + b)
}

struct LogSumExp<'a, T> {
    input: &'a [T],
    n: usize,
    output: &'a mut [T],
}

impl<T: Real> LaneKernel<T> for LogSumExp<'_, T> {
    #[inline(always)]
    fn run<L: Lanes<Scalar = T>, const FMA: bool>(self) {
        for (x, y) in self.input.chunks_exact(self.n).zip(self.output) {
            let most = contiguous::<T, L, Max>(x);
            // Rows of -infinity, or with infinity, must not become inf - inf.
            let finite = most > T::LOWEST && most < T::HIGHEST;
            let shift = if finite { most } else { T::ZERO };
            *y = sum_of_exp::<T, L, FMA>(x, shift).ln_lane::<FMA>() + shift;
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
        launch(Softmax { input, n, output, kind });
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
        launch(LogSumExp { input, n, output });
    });
}
