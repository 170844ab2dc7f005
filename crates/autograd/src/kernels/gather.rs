//! Copies between layouts.

use super::dispatch::{self, Kernel};

/// Copies the elements of a strided view into row-major order.
pub fn strided<T: Copy>(input: &[T], shape: &[usize], strides: &[usize], offset: usize, output: &mut [T]) {
    let Some((&n, outer)) = shape.split_last() else {
        output[0] = input[offset];
        return;
    };
    if n == 0 || output.is_empty() {
        return;
    }
    let stride = strides[outer.len()];
    let mut position = smallvec::SmallVec::<[usize; 8]>::from_elem(0, outer.len());
    let mut at = [offset];
    for row in output.chunks_exact_mut(n) {
        match stride {
            1 => copy_run(&input[at[0]..at[0] + n], row),
            _ => row.iter_mut().enumerate().for_each(|(i, to)| *to = input[at[0] + i * stride]),
        }
        advance(&mut position, outer, [strides], &mut at);
    }
}

/// Goes on to the next place along some axes, the last of them fastest, and from the last place to the first, in several
/// operands at once.
#[inline(always)]
fn advance<const N: usize>(position: &mut [usize], lengths: &[usize], strides: [&[usize]; N], at: &mut [usize; N]) {
    for axis in (0..lengths.len()).rev() {
        position[axis] += 1;
        (0..N).for_each(|i| at[i] += strides[i][axis]);
        if position[axis] < lengths[axis] {
            break;
        }
        (0..N).for_each(|i| at[i] -= strides[i][axis] * position[axis]);
        position[axis] = 0;
    }
}

/// Calls `visit` for each place along some axes, the last of them fastest, with where it lies in each of several operands.
pub fn walk<const N: usize>(lengths: &[usize], strides: [&[usize]; N], mut visit: impl FnMut([usize; N])) {
    let mut position = smallvec::SmallVec::<[usize; 8]>::from_elem(0, lengths.len());
    let mut at = [0; N];
    for _ in 0..lengths.iter().product() {
        visit(at);
        advance(&mut position, lengths, strides, &mut at);
    }
}

/// Writes the elements of a repeated operand that stand against the output's elements from `start` on. `lengths` are
/// the output's axes, `strides` the operand's, 0 where it repeats. No axes stand for one element.
#[inline(never)]
pub fn repeat<T: Copy>(input: &[T], lengths: &[usize], strides: &[usize], start: usize, output: &mut [T]) {
    match output.len() {
        // The choice of instructions would take longer.
        ..FEW => repeated(input, lengths, strides, start, output),
        _ => dispatch::run(Repeat { input, lengths, strides, start, output }),
    }
}

/// Elements below which a repeated operand is written by the instructions of every machine.
const FEW: usize = 64;

/// A repeated operand: short rows of one element are filled by whole registers.
struct Repeat<'a, T> {
    input: &'a [T],
    lengths: &'a [usize],
    strides: &'a [usize],
    start: usize,
    output: &'a mut [T],
}

impl<T: Copy> Kernel for Repeat<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Repeat { input, lengths, strides, start, output } = self;
        repeated(input, lengths, strides, start, output);
    }
}

#[inline(always)]
fn repeated<T: Copy>(input: &[T], lengths: &[usize], strides: &[usize], start: usize, output: &mut [T]) {
    let Some((&n, outer)) = lengths.split_last() else { return output.fill(input[0]) };
    let stride = strides[outer.len()];
    let mut position = smallvec::SmallVec::<[usize; 8]>::from_elem(0, outer.len());
    let (mut within, mut rest, mut at) = (start % n.max(1), start / n.max(1), [0]);
    for axis in (0..outer.len()).rev() {
        position[axis] = rest % outer[axis];
        rest /= outer[axis];
        at[0] += position[axis] * strides[axis];
    }
    let mut written = 0;
    while written < output.len() {
        let count = (n - within).min(output.len() - written);
        let (row, to) = (at[0], &mut output[written..written + count]);
        match stride {
            0 => to.fill(input[row]),
            1 => copy_run(&input[row + within..row + within + count], to),
            _ => to.iter_mut().enumerate().for_each(|(i, to)| *to = input[row + (within + i) * stride]),
        }
        (written, within) = (written + count, 0);
        advance(&mut position, outer, [strides], &mut at);
    }
}

/// A walk along one axis of an array seen as `[outer, n, inner]`: the places `start`, `start + step`, ...
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// The axes before, as one.
    pub outer: usize,
    /// The length of the axis that is walked along.
    pub n: usize,
    /// The axes behind, as one.
    pub inner: usize,
    /// The first place.
    pub start: usize,
    /// From one place to the next.
    pub step: usize,
    /// The number of places.
    pub count: usize,
}

impl Walk {
    /// Calls `copy(of the long array, of the short array, length)` for the start of every contiguous run.
    #[inline(always)]
    fn runs(self, mut copy: impl FnMut(usize, usize, usize)) {
        let Walk { outer, n, inner, start, step, count } = self;
        if count == 0 || inner == 0 {
            return;
        }
        for i in 0..outer {
            let (long, short) = ((i * n + start) * inner, i * count * inner);
            if step == 1 {
                copy(long, short, count * inner);
            } else {
                (0..count).for_each(|k| copy(long + k * step * inner, short + k * inner, inner));
            }
        }
    }
}

/// Copies the places of a walk: `[outer, n, inner]` to `[outer, count, inner]`.
pub fn slice<T: Copy>(input: &[T], walk: Walk, output: &mut [T]) {
    walk.runs(|long, short, length| copy_run(&input[long..][..length], &mut output[short..][..length]));
}

/// The reverse of [`slice()`]: the elements at the places of a walk, `fill` everywhere else.
pub fn embed<T: Copy>(input: &[T], walk: Walk, fill: T, output: &mut [T]) {
    output.fill(fill);
    place(input, walk, output);
}

/// Copies a run. Short ones aren't worth a call of memcpy: they are copied in pieces of lengths that are known.
#[inline(always)]
fn copy_run<T: Copy>(from: &[T], to: &mut [T]) {
    debug_assert_eq!(from.len(), to.len());
    if to.len() >= 32 {
        return to.copy_from_slice(from);
    }
    let (from, to) = copy_piece::<T, 16>(from, to);
    let (from, to) = copy_piece::<T, 8>(from, to);
    let (from, to) = copy_piece::<T, 4>(from, to);
    let (from, to) = copy_piece::<T, 2>(from, to);
    copy_piece::<T, 1>(from, to);
}

/// Copies `N` elements, a power of two, if the length is a sum of powers of which it is one; what is left.
#[inline(always)]
fn copy_piece<'a, T: Copy, const N: usize>(from: &'a [T], to: &'a mut [T]) -> (&'a [T], &'a mut [T]) {
    match (from.split_first_chunk::<N>(), to.len() & N != 0) {
        (Some((piece, left)), true) => {
            let (head, tail) = to.split_at_mut(N);
            head.copy_from_slice(piece);
            (left, tail)
        }
        _ => (from, to),
    }
}

/// Writes one part of a concatenation: `[outer, count, inner]` to the rows from `start` on of `[outer, n, inner]`.
pub fn place<T: Copy>(input: &[T], walk: Walk, output: &mut [T]) {
    walk.runs(|long, short, length| copy_run(&input[short..][..length], &mut output[long..][..length]));
}

/// Adds to the places of a walk: the operands of [`place`].
pub fn add<T: Copy + std::ops::AddAssign>(input: &[T], walk: Walk, output: &mut [T]) {
    walk.runs(|long, short, length| {
        let to = output[long..][..length].iter_mut();
        to.zip(&input[short..][..length]).for_each(|(to, &from)| *to += from);
    });
}

/// Turns the middle axis of `[outer, n, inner]` round.
pub fn flip<T: Copy>(input: &[T], n: usize, inner: usize, output: &mut [T]) {
    if input.is_empty() {
        return;
    }
    for (from, to) in input.chunks_exact(n * inner).zip(output.chunks_exact_mut(n * inner)) {
        match inner {
            1 => from.iter().rev().zip(to).for_each(|(&from, to)| *to = from),
            _ => from.chunks_exact(inner).rev().zip(to.chunks_exact_mut(inner)).for_each(|(a, b)| b.copy_from_slice(a)),
        }
    }
}

/// Turns `[rows, columns]`, rows `stride` apart in the input, into `[columns, rows]`, rows `rows` apart in the output.
pub fn transpose<T: Copy>(input: &[T], stride: usize, columns: usize, rows: usize, output: &mut [T]) {
    for (column, to) in output.chunks_exact_mut(rows.max(1)).take(columns).enumerate() {
        to.iter_mut().enumerate().for_each(|(row, to)| *to = input[row * stride + column]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_every_length_are_copied() {
        for n in 1..70 {
            for (outer, apart, stride) in [(3, n + 5, 1), (2, 0, 1), (3, 2, 3), (2, 7, 0)] {
                let input: Vec<usize> = (100..100 + outer * apart + n * stride + 1).collect();
                let all: Vec<usize> = (0..outer * n).map(|i| input[i / n * apart + i % n * stride]).collect();
                for (start, end) in [(0, outer * n), (0, n), (n / 2, outer * n), (n - 1, n + 1)] {
                    let mut output = vec![0; end - start];
                    repeat(&input, &[outer, n], &[apart, stride], start, &mut output);
                    assert_eq!(output, all[start..end], "{n} elements, {stride} apart, from {start}");
                }
                let mut output = vec![0; outer * n];
                strided(&input[1..], &[outer, n], &[apart, stride], 0, &mut output);
                assert!(output.iter().zip(&all).all(|(a, b)| *a == b + 1));
            }
            let mut output = vec![0; 2 * n];
            let walk = Walk { outer: 2, n: n + 1, inner: 1, start: 1, step: 1, count: n };
            slice(&(0..2 * n + 2).collect::<Vec<_>>(), walk, &mut output);
            assert!(output.iter().copied().eq((1..=n).chain(n + 2..2 * n + 2)), "{n} of each row");
        }
        let mut one = [0];
        repeat(&[7, 8], &[], &[], 0, &mut one);
        assert_eq!(one, [7]);
    }
}
