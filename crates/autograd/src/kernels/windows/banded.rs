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
struct Taps<T> {
    start: usize,
    count: usize,
    first: T,
    rest: T,
}

impl<T: Element> Taps<T> {
    /// The weight of element `k` of them.
    #[inline(always)]
    fn weight(&self, k: usize) -> T {
        if k == 0 { self.first } else { self.rest }
    }

    /// The weighted sum of elements, or of rows as long as the output.
    #[inline(always)]
    fn gather(&self, x: &[T], y: &mut [T]) {
        let inner = y.len();
        if let [y] = y {
            let taps = x[self.start..self.start + self.count].iter().enumerate();
            *y = taps.fold(T::ZERO, |sum, (k, &x)| sum + self.weight(k) * x);
            return;
        }
        y.fill(T::ZERO);
        for k in 0..self.count {
            let weight = self.weight(k);
            let from = &x[(self.start + k) * inner..][..inner];
            y.iter_mut().zip(from).for_each(|(to, &from)| *to += weight * from);
        }
    }

    /// The transpose: adds the weighted row to each of them.
    #[inline(always)]
    fn scatter(&self, y: &[T], x: &mut [T]) {
        for k in 0..self.count {
            let weight = self.weight(k);
            match (&mut x[(self.start + k) * y.len()..][..y.len()], y) {
                ([to], [from]) => *to += weight * *from,
                (to, row) => to.iter_mut().zip(row).for_each(|(to, &from)| *to += weight * from),
            }
        }
    }
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
    fn taps<T: Element>(&self, j: usize) -> Taps<T> {
        let (start, count, first, rest) = match *self {
            Band::Mean { axis, end, padding_counts } => {
                let (start, count, _) = axis.window(j);
                let begin = j * axis.stride;
                let stop = (begin + axis.kernel).min(axis.input + axis.padding + end);
                let counted = if padding_counts { stop - begin } else { count };
                let weight = 1.0 / counted.max(1) as f64;
                (start, count, weight, weight)
            }
            Band::Covering { input, output } => {
                let (start, end) = covering(input, output, j);
                let weight = 1.0 / (end - start) as f64;
                (start, end - start, weight, weight)
            }
            Band::Nearest { input, output } => {
                let (start, _) = covering(input, output, j);
                (start, 1, 1.0, 0.0)
            }
            Band::Linear { input, output, align_corners } => {
                let place = match align_corners {
                    true if output == 1 => 0.0,
                    true => j as f64 * ((input - 1) as f64 / (output - 1) as f64),
                    false => ((j as f64 + 0.5) * (input as f64 / output as f64) - 0.5).max(0.0),
                };
                let start = (place as usize).min(input - 1);
                let rest = if start + 1 < input { place - start as f64 } else { 0.0 };
                (start, if rest == 0.0 { 1 } else { 2 }, 1.0 - rest, rest)
            }
        };
        Taps { start, count, first: T::of(first), rest: T::of(rest) }
    }
}

/// `y[o, j, i] = Σ over k of B[j, k] · x[o, k, i]`, for arrays seen as `[outer, length, inner]`.
///
/// # Panics
/// Slices shorter than the lengths say.
pub fn apply<T: Element>(band: &Band, inner: usize, x: &[T], y: &mut [T]) {
    in_slabs::<T, false>(band, inner, x, y);
}

/// The transpose: `x[o, k, i] = Σ over j of B[j, k] · y[o, j, i]`.
///
/// # Panics
/// Slices shorter than the lengths say.
pub fn transpose<T: Element>(band: &Band, inner: usize, y: &[T], x: &mut [T]) {
    in_slabs::<T, true>(band, inner, y, x);
}

/// The elements of a slab of the input and of the output.
#[inline(always)]
fn lengths<const TRANSPOSE: bool>(band: &Band, inner: usize) -> (usize, usize) {
    let (columns, rows) = (band.input() * inner, band.output() * inner);
    if TRANSPOSE { (rows, columns) } else { (columns, rows) }
}

/// Cuts the output into slabs, several to a task.
fn in_slabs<T: Element, const TRANSPOSE: bool>(band: &Band, inner: usize, input: &[T], output: &mut [T]) {
    let (from, to) = lengths::<TRANSPOSE>(band, inner);
    if to == 0 {
        return;
    }
    pool::split(output, (TASK / to).max(1) * to, |start, output| {
        let input = &input[start / to * from..][..output.len() / to * from];
        dispatch::run(Slabs::<T, TRANSPOSE> { band, inner, input, output });
    });
}

/// Some slabs. Rows of the matrix come first, then slabs, so that each row's weights are computed once.
struct Slabs<'a, T, const TRANSPOSE: bool> {
    band: &'a Band,
    inner: usize,
    input: &'a [T],
    output: &'a mut [T],
}

impl<T: Element, const TRANSPOSE: bool> Kernel for Slabs<'_, T, TRANSPOSE> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Slabs { band, inner, input, output } = self;
        let (from, to) = lengths::<TRANSPOSE>(band, inner);
        if TRANSPOSE {
            output.fill(T::ZERO);
        }
        for j in 0..band.output() {
            let taps = band.taps::<T>(j);
            for (input, output) in input.chunks_exact(from).zip(output.chunks_exact_mut(to)) {
                if TRANSPOSE {
                    taps.scatter(&input[j * inner..][..inner], output);
                } else {
                    taps.gather(input, &mut output[j * inner..][..inner]);
                }
            }
        }
    }
}
