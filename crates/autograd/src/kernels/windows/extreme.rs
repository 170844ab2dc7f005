//! The greatest element of each window, where it lies, and what depends on that place.
//!
//! The first of equal elements in row-major order wins, and NaN wins over all numbers. Evenly spaced windows are searched
//! as if there were one at every place of the plane: that is redundant, and still faster, because every step is then a
//! vector operation on neighbouring elements.

use super::axis::{Axis, Windows};
use super::pairs::Pairs;
use crate::kernels::dispatch::{self, Kernel};
use crate::kernels::number::Element;
use crate::kernels::pool;
use crate::kernels::scratch::{self, Purpose};

/// Places that are searched together.
const BLOCK: usize = 1024;

/// Evenly spaced windows are searched at every place up to this many places for each window.
const REDUNDANT: usize = 9;

/// The elements of the planes of one task, about.
const TASK: usize = 1 << 14;

/// Stands for a place that is not known.
const UNKNOWN: u32 = u32::MAX;

/// The windows of a plane of three axes, and how many planes there are.
#[derive(Clone, Copy, Debug)]
pub struct Planes<'a> {
    /// The windows along each axis. Every window has an element inside the axis.
    pub windows: &'a [Windows; 3],
    /// The number of planes.
    pub count: usize,
}

/// A window's greatest element.
struct Found<T> {
    /// Which window, in row-major order.
    window: usize,
    /// Where in the plane it lies.
    place: usize,
    value: T,
}

impl Planes<'_> {
    /// The elements of a plane.
    fn input(&self) -> usize {
        self.windows.iter().map(Windows::input).product()
    }

    /// The windows of a plane.
    fn output(&self) -> usize {
        self.windows.iter().map(Windows::output).product()
    }

    /// The planes of one task.
    fn each(&self) -> usize {
        (TASK / self.input().max(1)).max(1)
    }
}

/// Whether the places of the greatest elements are wanted, or their values alone.
const PLACES: bool = true;
const VALUES: bool = false;

/// Cuts the output into planes of `own` elements and calls `visit` with each plane of the input, its part of the output
/// and each window found in it.
fn search<T: Element, const WITH: bool>(
    planes: Planes<'_>,
    x: &[T],
    output: &mut [T],
    own: usize,
    visit: impl Fn(usize, &mut [T], Found<T>) + Sync,
) {
    let input = planes.input();
    if own == 0 || planes.output() == 0 || input == 0 {
        return;
    }
    pool::split(output, planes.each() * own, |start, output| {
        for (i, output) in output.chunks_exact_mut(own).enumerate() {
            let plane = start / own + i;
            let x = &x[plane * input..][..input];
            search_plane::<T, WITH>(planes.windows, x, |found| visit(plane, output, found));
        }
    });
}

/// `y = max of x` over each window.
///
/// # Panics
/// Slices shorter than the planes say.
pub fn max<T: Element>(planes: Planes<'_>, x: &[T], y: &mut [T]) {
    if let Some(pairs) = Pairs::of(planes.windows) {
        let (input, output) = (planes.input(), planes.output());
        return pool::split(y, planes.each() * output, |start, y| {
            pairs.max(&x[start / output * input..][..y.len() / output * input], y);
        });
    }
    search::<T, VALUES>(planes, x, y, planes.output(), |_, y, found| y[found.window] = found.value);
}

/// The place of the greatest element of each window in its plane, as a number.
///
/// # Panics
/// Slices shorter than the planes say.
pub fn places<T: Element>(planes: Planes<'_>, x: &[T], y: &mut [T]) {
    search::<T, PLACES>(planes, x, y, planes.output(), |_, y, found| y[found.window] = T::from_usize(found.place));
}

/// `y = v` at the place of the greatest element of `x` in each window.
///
/// # Panics
/// Slices shorter than the planes say.
pub fn take<T: Element>(planes: Planes<'_>, x: &[T], v: &[T], y: &mut [T]) {
    let input = planes.input();
    search::<T, PLACES>(planes, x, y, planes.output(), |plane, y, found| {
        y[found.window] = v[plane * input + found.place]
    });
}

/// The transpose of [`take`] by `v`: adds each `g` at the place of the greatest element of `x` in its window, to zeros.
///
/// # Panics
/// Slices shorter than the planes say.
pub fn put<T: Element>(planes: Planes<'_>, x: &[T], g: &[T], v: &mut [T]) {
    let output = planes.output();
    if let Some(pairs) = Pairs::of(planes.windows) {
        let input = planes.input();
        return pool::split(v, planes.each() * input, |start, v| {
            let g = &g[start / input * output..][..v.len() / input * output];
            pairs.put(&x[start..start + v.len()], g, v);
        });
    }
    v.fill(T::ZERO);
    search::<T, PLACES>(planes, x, v, planes.input(), |plane, v, found| {
        v[found.place] += g[plane * output + found.window]
    });
}

/// Finds the greatest element of each window of a plane.
fn search_plane<T: Element, const WITH: bool>(windows: &[Windows; 3], x: &[T], mut visit: impl FnMut(Found<T>)) {
    let even = windows.map(|windows| match windows {
        Windows::Even(axis) => Some(axis),
        Windows::Covering { .. } => None,
    });
    match even {
        [Some(a), Some(b), Some(c)] if b.stride.saturating_mul(c.stride) <= REDUNDANT && x.len() < UNKNOWN as usize => {
            let axes = [a, b, c];
            let padded = axes.map(reach);
            if (0..3).all(|i| axes[i].padding == 0 && padded[i] <= axes[i].input) {
                let lengths = axes.map(|axis| axis.input);
                return dispatch::run(Even::<_, _, WITH> { axes: &axes, lengths, padded: x, x, visit: &mut visit });
            }
            let length = padded.iter().fold(1, |product: usize, &length| product.saturating_mul(length));
            let done = scratch::with(Purpose::Operands, length, |room: &mut [T]| {
                pad(&axes, padded, x, room);
                dispatch::run(Even::<_, _, WITH> { axes: &axes, lengths: padded, padded: room, x, visit: &mut visit });
            });
            if done.is_err() {
                search_windows(windows, x, visit);
            }
        }
        _ => search_windows(windows, x, visit),
    }
}

/// The same, element by element.
fn search_windows<T: Element>(windows: &[Windows; 3], x: &[T], mut visit: impl FnMut(Found<T>)) {
    let [a, b, c] = windows.map(|windows| windows.output());
    for window in 0..a * b * c {
        let p = [window / (b * c), window / c % b, window % c];
        visit(search_window(windows, x, p, window));
    }
}

/// The length of an axis with all its padding: where the last window ends.
fn reach(axis: Axis) -> usize {
    let last = axis.output.saturating_sub(1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1;
    last.max(axis.padding + axis.input)
}

/// Copies a plane into a larger one of the least number.
fn pad<T: Element>(axes: &[Axis; 3], lengths: [usize; 3], x: &[T], padded: &mut [T]) {
    padded.fill(T::NEG_INFINITY);
    let [a, b, c] = axes;
    for (i, row) in x.chunks_exact(c.input).enumerate() {
        let (i0, i1) = (i / b.input + a.padding, i % b.input + b.padding);
        let start = (i0 * lengths[1] + i1) * lengths[2] + c.padding;
        padded[start..start + row.len()].copy_from_slice(row);
    }
}

/// Finds the greatest element of one window, element by element.
fn search_window<T: Element>(windows: &[Windows; 3], x: &[T], p: [usize; 3], window: usize) -> Found<T> {
    let [(start0, n0, d0), (start1, n1, d1), (start2, n2, d2)] = std::array::from_fn(|i| windows[i].window(p[i]));
    let (rows, columns) = (windows[1].input(), windows[2].input());
    let mut found: Option<Found<T>> = None;
    for i0 in 0..n0 {
        for i1 in 0..n1 {
            let row = ((start0 + i0 * d0) * rows + start1 + i1 * d1) * columns + start2;
            for i2 in 0..n2 {
                let (place, value) = (row + i2 * d2, x[row + i2 * d2]);
                if found.as_ref().is_none_or(|found| beats(value, found.value)) {
                    found = Some(Found { window, place, value });
                }
            }
        }
    }
    found.unwrap_or(Found { window, place: 0, value: T::NEG_INFINITY })
}

/// Whether a later element takes the place of the greatest so far.
#[inline(always)]
fn beats<T: Element>(value: T, best: T) -> bool {
    // Not `value > best`: NaN is to win over numbers, and to stay.
    value > best || (value.is_nan() && !best.is_nan())
}

/// Evenly spaced windows over a plane with its padding.
struct Even<'a, T, V, const WITH: bool> {
    axes: &'a [Axis; 3],
    /// The lengths of the padded plane.
    lengths: [usize; 3],
    padded: &'a [T],
    /// The plane itself.
    x: &'a [T],
    visit: V,
}

/// A block of windows: from the first along each axis on, so many.
struct Block {
    p: [usize; 3],
    rows: usize,
    columns: usize,
}

impl<T: Element, V: FnMut(Found<T>), const WITH: bool> Kernel for Even<'_, T, V, WITH> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(mut self) {
        let [a, b, c] = *self.axes;
        let mut best = [T::ZERO; BLOCK];
        let mut place = [UNKNOWN; BLOCK];
        // As many rows as fit a block, else parts of rows.
        let columns = c.output.min((BLOCK - 1) / c.stride + 1);
        let width = (columns - 1) * c.stride + 1;
        let step = b.stride * self.lengths[2];
        let rows = if columns < c.output { 1 } else { ((BLOCK - width) / step + 1).min(b.output) };
        for p0 in 0..a.output {
            for p1 in (0..b.output).step_by(rows) {
                for p2 in (0..c.output).step_by(columns) {
                    let block =
                        Block { p: [p0, p1, p2], rows: rows.min(b.output - p1), columns: columns.min(c.output - p2) };
                    let count = (block.rows - 1) * step + (block.columns - 1) * c.stride + 1;
                    self.search(&block, &mut best[..count], &mut place[..count]);
                    self.report(&block, step, &best[..count], &place[..count]);
                }
            }
        }
    }
}

impl<T: Element, V: FnMut(Found<T>), const WITH: bool> Even<'_, T, V, WITH> {
    /// Finds the greatest element of a window that starts at each place of a block, and its distance from the window's
    /// first element in the plane without padding.
    #[inline(always)]
    fn search(&self, block: &Block, best: &mut [T], place: &mut [u32]) {
        let [a, b, c] = *self.axes;
        let [_, rows, columns] = self.lengths;
        let [s0, s1, s2] = [0, 1, 2].map(|i| block.p[i] * self.axes[i].stride);
        let first = (s0 * rows + s1) * columns + s2;
        // Without padding the first element of a window is the first candidate.
        let padded = self.lengths != self.axes.map(|axis| axis.input);
        if padded {
            best.fill(T::NEG_INFINITY);
            place.fill(UNKNOWN);
        } else {
            best.copy_from_slice(&self.padded[first..][..best.len()]);
            place.fill(0);
        }
        for k0 in 0..a.kernel {
            for k1 in 0..b.kernel {
                for k2 in 0..c.kernel {
                    if !padded && k0 + k1 + k2 == 0 {
                        continue;
                    }
                    let [d0, d1, d2] = [k0 * a.dilation, k1 * b.dilation, k2 * c.dilation];
                    let from = &self.padded[first + (d0 * rows + d1) * columns + d2..][..best.len()];
                    let own = ((d0 * b.input + d1) * c.input + d2) as u32;
                    if !WITH {
                        best.iter_mut().zip(from).for_each(|(best, &value)| *best = T::max(*best, value));
                        continue;
                    }
                    for ((best, place), &value) in best.iter_mut().zip(&mut *place).zip(from) {
                        let better = (value > *best) | (value.is_nan() & !best.is_nan());
                        *best = if better { value } else { *best };
                        *place = if better { own } else { *place };
                    }
                }
            }
        }
    }

    /// Visits the windows of a block.
    #[inline(always)]
    fn report(&mut self, block: &Block, step: usize, best: &[T], place: &[u32]) {
        let [a, b, c] = *self.axes;
        let [p0, p1, p2] = block.p;
        for row in 0..block.rows {
            let window = (p0 * b.output + p1 + row) * c.output + p2;
            // Where the row's first window starts; wrapping, since that may lie in front of the plane.
            let start0 = (p0 * a.stride).wrapping_sub(a.padding).wrapping_mul(b.input);
            let start1 = start0.wrapping_add(((p1 + row) * b.stride).wrapping_sub(b.padding));
            let start = start1.wrapping_mul(c.input).wrapping_add((p2 * c.stride).wrapping_sub(c.padding));
            if !WITH {
                for (column, &value) in best[row * step..].iter().step_by(c.stride).take(block.columns).enumerate() {
                    (self.visit)(Found { window: window + column, place: 0, value });
                }
                continue;
            }
            for column in 0..block.columns {
                let at = row * step + column * c.stride;
                let found = match place[at] {
                    // Nothing above minus infinity: the first element then, which may not be that of the padding.
                    UNKNOWN => {
                        let windows = self.axes.map(Windows::Even);
                        search_window(&windows, self.x, [p0, p1 + row, p2 + column], window + column)
                    }
                    own => {
                        let place = start.wrapping_add(column * c.stride).wrapping_add(own as usize);
                        Found { window: window + column, place, value: best[at] }
                    }
                };
                (self.visit)(found);
            }
        }
    }
}
