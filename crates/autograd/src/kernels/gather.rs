//! Copies between layouts.

use super::dispatch::{self, Kernel};
use super::pool;

/// Elements from which on a copy runs on several threads.
const PARALLEL: usize = 1 << 16;

/// Copies the elements that lie so far apart along the axes of the output, in row-major order. No axes stand for one element.
pub fn copy<T: Copy + Send + Sync>(input: &[T], lengths: &[usize], strides: &[usize], output: &mut [T]) {
    let Some((&first, rest)) = lengths.split_first() else { return output.fill(input[0]) };
    let each: usize = rest.iter().product();
    if output.is_empty() {
        return;
    }
    let rows = match output.len() {
        ..PARALLEL => first,
        _ => (PARALLEL / 4).div_ceil(each).next_multiple_of(if strides[0] == 1 { SQUARE } else { 1 }),
    };
    pool::split(output, rows * each, |start, output| {
        let (mut own, input) = (Lengths::from_slice(lengths), &input[start / each * strides[0]..]);
        own[0] = output.len() / each;
        match own.iter().zip(strides).position(|(&length, &stride)| length >= SQUARE && stride == 1) {
            Some(axis) if axis + 1 < own.len() && own[own.len() - 1] >= SQUARE => {
                dispatch::run(Turned { input, lengths: &own, strides, axis, output });
            }
            _ => repeat(input, &own, strides, 0, output),
        }
    });
}

type Lengths = smallvec::SmallVec<[usize; 8]>;

/// The sides of a square that is turned at once: what is read are whole lines, and what is written.
const SQUARE: usize = 16;

/// Neighbours along one axis of the input become neighbours along another: `axis` and the last one.
struct Turned<'a, T> {
    input: &'a [T],
    lengths: &'a [usize],
    strides: &'a [usize],
    axis: usize,
    output: &'a mut [T],
}

impl<T: Copy> Kernel for Turned<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Turned { input, lengths, strides, axis, output } = self;
        let last = lengths.len() - 1;
        let apart: Lengths = (0..lengths.len()).map(|axis| lengths[axis + 1..].iter().product()).collect();
        let others =
            |of: &[usize]| (0..last).filter(|&other| other != axis).map(|other| of[other]).collect::<Lengths>();
        walk(&others(lengths), [&others(strides), &others(&apart)], |[from, to]| {
            let (rows, columns) = ((lengths[axis], apart[axis]), (lengths[last], strides[last]));
            turn(&input[from..], rows, columns, &mut output[to..]);
        });
    }
}

/// Writes rows so far apart, of elements so far apart; the rows' first elements lie side by side.
#[inline(always)]
fn turn<T: Copy>(input: &[T], (rows, apart): (usize, usize), (columns, stride): (usize, usize), output: &mut [T]) {
    let Some(&first) = input.first() else { return };
    // Many lines at a time, so that memory is asked for all of them before the first is waited for.
    let mut lines = [[first; SQUARE]; 4 * SQUARE];
    for row in (0..rows).step_by(SQUARE) {
        let high = (rows - row).min(SQUARE);
        for column in (0..columns).step_by(lines.len()) {
            let wide = (columns - column).min(lines.len());
            for (k, line) in lines.iter_mut().enumerate().take(wide) {
                let from = &input[(column + k) * stride + row..];
                match high {
                    SQUARE => line.copy_from_slice(&from[..SQUARE]),
                    _ => line[..high].copy_from_slice(&from[..high]),
                }
            }
            for k in 0..high {
                let to = &mut output[(row + k) * apart + column..][..wide];
                to.iter_mut().zip(&lines).for_each(|(to, line)| *to = line[k]);
            }
        }
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
    turn(input, (columns, rows), (rows, stride), output);
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
                copy(&input[1..], &[outer, n], &[apart, stride], &mut output);
                assert!(output.iter().zip(&all).all(|(a, b)| *a == b + 1));
            }
            let mut output = vec![0; 2 * n];
            let walk = Walk { outer: 2, n: n + 1, inner: 1, start: 1, step: 1, count: n };
            slice(&(0..2 * n + 2).collect::<Vec<_>>(), walk, &mut output);
            assert!(output.iter().copied().eq((1..=n).chain(n + 2..2 * n + 2)), "{n} of each row");
        }
        let mut one = [0];
        copy(&[9, 8], &[], &[], &mut one);
        assert_eq!(one, [9]);
        repeat(&[7, 8], &[], &[], 0, &mut one);
        assert_eq!(one, [7]);
    }

    #[test]
    fn axes_in_any_order_are_copied() {
        for [a, b, c] in [[1, 1, 1], [2, 3, 5], [16, 16, 16], [17, 5, 33], [40, 1, 48], [3, 64, 31], [70, 31, 40]] {
            let input: Vec<usize> = (0..a * b * c + 7).collect();
            let (lengths, strides) = ([a, b, c], [b * c, c, 1]);
            for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                let (own, apart) = (order.map(|axis| lengths[axis]), order.map(|axis| strides[axis]));
                let mut expected = Vec::new();
                for i in 0..own[0] {
                    for j in 0..own[1] {
                        expected.extend((0..own[2]).map(|k| 7 + i * apart[0] + j * apart[1] + k * apart[2]));
                    }
                }
                let mut output = vec![0; a * b * c];
                copy(&input[7..], &own, &apart, &mut output);
                assert_eq!(output, expected, "axes {order:?} of {lengths:?}");
            }
        }
    }
}
