//! What is linear along one axis, each output a weighted sum of a few neighbouring elements: averages over windows and
//! interpolation; and the transpose.

use super::axis::{Axis, covering};
use crate::kernels::dispatch::{self, Kernel};
use crate::kernels::number::Element;
use crate::kernels::pool;

/// The elements of one task, about.
const TASK: usize = 1 << 14;

/// A matrix with one row for each output place, whose elements that are not zero are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Band {
    /// The mean over windows without dilation. The padding counts as elements of value 0 if `padding_counts`, as far as it
    /// is asked for: `end` is how far it reaches behind the axis.
    Mean {
        /// The windows.
        axis: Axis,
        /// The padding behind the axis.
        end: usize,
        /// Whether elements of the padding count.
        padding_counts: bool,
    },
    /// The mean over windows that together cover the axis.
    Covering {
        /// The length of the axis.
        input: usize,
        /// The number of windows.
        output: usize,
    },
    /// Output `j` is the element `floor(j n / m)`, for `n` elements and `m` outputs.
    Nearest {
        /// The length of the axis.
        input: usize,
        /// The number of outputs.
        output: usize,
    },
    /// Output `j` lies between two elements: at `(j + 1/2) n / m - 1/2`, or with aligned corners at
    /// `j (n - 1) / (m - 1)`.
    Linear {
        /// The length of the axis.
        input: usize,
        /// The number of outputs.
        output: usize,
        /// Whether the first and the last output are the first and the last element.
        align_corners: bool,
    },
}

/// The elements that an output is made of: `count` from `start` on; the weight of the first, and that of all others.
struct Taps {
    start: usize,
    count: usize,
    first: f64,
    rest: f64,
}

impl Band {
    /// The length of the input.
    pub fn input(&self) -> usize {
        match *self {
            Band::Mean { axis, .. } => axis.input,
            Band::Covering { input, .. } | Band::Nearest { input, .. } | Band::Linear { input, .. } => input,
        }
    }

    /// The length of the output.
    pub fn output(&self) -> usize {
        match *self {
            Band::Mean { axis, .. } => axis.output,
            Band::Covering { output, .. } | Band::Nearest { output, .. } | Band::Linear { output, .. } => output,
        }
    }

    /// Row `j` of the matrix.
    #[inline(always)]
    fn taps(&self, j: usize) -> Taps {
        match *self {
            Band::Mean { axis, end, padding_counts } => {
                let (start, count, _) = axis.window(j);
                let begin = j * axis.stride;
                let stop = (begin + axis.kernel).min(axis.input + axis.padding + end);
                let counted = if padding_counts { stop - begin } else { count };
                let weight = 1.0 / counted.max(1) as f64;
                Taps { start, count, first: weight, rest: weight }
            }
            Band::Covering { input, output } => {
                let (start, end) = covering(input, output, j);
                let weight = 1.0 / (end - start) as f64;
                Taps { start, count: end - start, first: weight, rest: weight }
            }
            Band::Nearest { input, output } => {
                let (start, _) = covering(input, output, j);
                Taps { start, count: 1, first: 1.0, rest: 0.0 }
            }
            Band::Linear { input, output, align_corners } => {
                let place = match align_corners {
                    true if output == 1 => 0.0,
                    true => j as f64 * ((input - 1) as f64 / (output - 1) as f64),
                    false => ((j as f64 + 0.5) * (input as f64 / output as f64) - 0.5).max(0.0),
                };
                let start = (place as usize).min(input - 1);
                let rest = if start + 1 < input { place - start as f64 } else { 0.0 };
                Taps { start, count: if rest == 0.0 { 1 } else { 2 }, first: 1.0 - rest, rest }
            }
        }
    }
}

/// `y[o, j, i] = Σ over k of B[j, k] · x[o, k, i]`, for arrays seen as `[outer, length, inner]`.
///
/// # Panics
/// Slices shorter than the lengths say.
pub fn apply<T: Element>(band: &Band, inner: usize, x: &[T], y: &mut [T]) {
    let (from, to) = (band.input() * inner, band.output() * inner);
    in_slabs(to, y, |first, count, y| dispatch::run(Apply { band, inner, x: &x[first * from..][..count * from], y }));
}

/// The transpose: `x[o, k, i] = Σ over j of B[j, k] · y[o, j, i]`.
///
/// # Panics
/// Slices shorter than the lengths say.
pub fn transpose<T: Element>(band: &Band, inner: usize, y: &[T], x: &mut [T]) {
    let (from, to) = (band.output() * inner, band.input() * inner);
    in_slabs(to, x, |first, count, x| {
        dispatch::run(Transpose { band, inner, y: &y[first * from..][..count * from], x });
    });
}

/// Cuts the output into slabs of a length, several to a task, and calls `task` with the first one's number, how many there
/// are, and their elements.
fn in_slabs<T: Element>(length: usize, output: &mut [T], task: impl Fn(usize, usize, &mut [T]) + Sync) {
    if length == 0 {
        return;
    }
    let chunk = (TASK / length).max(1) * length;
    pool::split(output, chunk, |start, part| task(start / length, part.len() / length, part));
}

/// Some slabs. Rows of the matrix come first, then slabs, so that each row's weights are computed once.
struct Apply<'a, T> {
    band: &'a Band,
    inner: usize,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Element> Kernel for Apply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Apply { band, inner, x, y } = self;
        let (from, to) = (band.input() * inner, band.output() * inner);
        for j in 0..band.output() {
            let Taps { start, count, first, rest } = band.taps(j);
            let (first, rest) = (T::of(first), T::of(rest));
            for (x, y) in x.chunks_exact(from).zip(y.chunks_exact_mut(to)) {
                if inner == 1 {
                    let taps = x[start..start + count].iter().enumerate();
                    y[j] = taps.fold(T::ZERO, |sum, (k, &x)| sum + if k == 0 { first } else { rest } * x);
                    continue;
                }
                let row = &mut y[j * inner..][..inner];
                row.fill(T::ZERO);
                for k in 0..count {
                    let weight = if k == 0 { first } else { rest };
                    let from = &x[(start + k) * inner..][..inner];
                    row.iter_mut().zip(from).for_each(|(to, &from)| *to += weight * from);
                }
            }
        }
    }
}

/// The same for the transpose.
struct Transpose<'a, T> {
    band: &'a Band,
    inner: usize,
    y: &'a [T],
    x: &'a mut [T],
}

impl<T: Element> Kernel for Transpose<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Transpose { band, inner, y, x } = self;
        let (from, to) = (band.output() * inner, band.input() * inner);
        x.fill(T::ZERO);
        for j in 0..band.output() {
            let Taps { start, count, first, rest } = band.taps(j);
            let (first, rest) = (T::of(first), T::of(rest));
            for (y, x) in y.chunks_exact(from).zip(x.chunks_exact_mut(to)) {
                let row = &y[j * inner..][..inner];
                for k in 0..count {
                    let weight = if k == 0 { first } else { rest };
                    let to = &mut x[(start + k) * inner..][..inner];
                    match (to, row) {
                        ([to], [from]) => *to += weight * *from,
                        (to, row) => to.iter_mut().zip(row).for_each(|(to, &from)| *to += weight * from),
                    }
                }
            }
        }
    }
}
