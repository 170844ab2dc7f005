//! Windows laid side by side (`unfold`, im2col), and added back to where they came from (`fold`, col2im).

use super::axis::Axis;
use crate::kernels::lanes::{LaneKernel, Lanes, Vectorised, launch};

/// Where a row of the columns comes from: places along the last axis that step by its stride.
struct Row {
    /// The first element of the row in the columns.
    column: usize,
    /// The windows of the row inside the last axis.
    inside: (usize, usize),
    /// The place in the image of the first window inside, where the row is inside the other axes.
    place: Option<usize>,
}

/// Calls `visit` with every row: for each channel, each element of the window, each window of the outer axes.
#[inline(always)]
fn rows(axes: &[Axis; 3], channels: usize, mut visit: impl FnMut(Row)) {
    let [a, b, c] = axes;
    let mut column = 0;
    for channel in 0..channels {
        let image = channel * a.input * b.input * c.input;
        for k in 0..a.kernel * b.kernel * c.kernel {
            let (k0, k1, k2) = (k / (b.kernel * c.kernel), k / c.kernel % b.kernel, k % c.kernel);
            let inside = c.inside(k2);
            let start = c.place(inside.0, k2).unwrap_or(0);
            for p0 in 0..a.output {
                let outer = a.place(p0, k0);
                for p1 in 0..b.output {
                    let place = match (outer, b.place(p1, k1)) {
                        (Some(i0), Some(i1)) if inside.0 < inside.1 => {
                            Some(image + (i0 * b.input + i1) * c.input + start)
                        }
                        _ => None,
                    };
                    visit(Row { column, inside, place });
                    column += c.output;
                }
            }
        }
    }
}

/// The elements of an image and of its columns.
fn lengths(axes: &[Axis; 3], channels: usize) -> (usize, usize) {
    let product = |length: fn(&Axis) -> usize| axes.iter().map(length).product::<usize>();
    (channels * product(|axis| axis.input), channels * product(|axis| axis.kernel) * product(|axis| axis.output))
}

/// Writes `columns[c, k, p] = image[c, place of element k of window p]`, 0 in the padding: `[channels, input]` to
/// `[channels · kernel, output]`.
///
/// # Panics
/// Slices shorter than the axes say.
pub fn unfold<T: Vectorised>(axes: &[Axis; 3], channels: usize, image: &[T], columns: &mut [T]) {
    let (pixels, length) = lengths(axes, channels);
    launch(Unfold { axes, channels, image: &image[..pixels], columns: &mut columns[..length] });
}

struct Unfold<'a, T> {
    axes: &'a [Axis; 3],
    channels: usize,
    image: &'a [T],
    columns: &'a mut [T],
}

impl<T: Vectorised> LaneKernel<T> for Unfold<'_, T> {
    #[inline(always)]
    fn run<L: Lanes<Scalar = T>, const FMA: bool>(self) {
        let (width, stride) = (self.axes[2].output, self.axes[2].stride);
        let (image, columns) = (self.image, self.columns);
        rows(self.axes, self.channels, |row| {
            let to = &mut columns[row.column..row.column + width];
            let Some(place) = row.place else { return clear(to) };
            let (low, end) = row.inside;
            clear(&mut to[..low]);
            clear(&mut to[end..]);
            let (from, to) = (&image[place..], &mut to[low..end]);
            if stride == 1 {
                copy::<L>(&from[..to.len()], to);
            } else {
                to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, &from)| *to = from);
            }
        });
    }
}

/// Zeros; a loop, because rows are too short for a call.
#[inline(always)]
fn clear<T: Vectorised>(to: &mut [T]) {
    to.iter_mut().for_each(|to| *to = T::ZERO);
}

/// Copies a short row: two registers at a time, the rest by a mask.
#[inline(always)]
fn copy<L: Lanes>(from: &[L::Scalar], to: &mut [L::Scalar]) {
    let count = to.len().min(from.len());
    let mut i = 0;
    // SAFETY: both slices have `count` elements, the mask covers those from `i` on; `launch` chose registers that the
    // machine has.
    unsafe {
        while i + L::WIDTH <= count {
            L::store(to.as_mut_ptr().add(i), L::load(from.as_ptr().add(i)));
            i += L::WIDTH;
        }
        if i < count {
            let mask = L::mask(count - i);
            L::store_some(to.as_mut_ptr().add(i), mask, L::load_some(from.as_ptr().add(i), mask));
        }
    }
}

/// Adds a short row to another.
#[inline(always)]
fn add<L: Lanes>(from: &[L::Scalar], to: &mut [L::Scalar]) {
    let count = to.len().min(from.len());
    let mut i = 0;
    // SAFETY: as in `copy`.
    unsafe {
        while i + L::WIDTH <= count {
            let at = to.as_mut_ptr().add(i);
            L::store(at, L::add(L::load(at), L::load(from.as_ptr().add(i))));
            i += L::WIDTH;
        }
        if i < count {
            let (mask, at) = (L::mask(count - i), to.as_mut_ptr().add(i));
            L::store_some(at, mask, L::add(L::load_some(at, mask), L::load_some(from.as_ptr().add(i), mask)));
        }
    }
}

/// The transpose of [`unfold`]: each element of the image is the sum of its copies in the columns, in their order.
///
/// # Panics
/// Slices shorter than the axes say.
pub fn fold<T: Vectorised + std::ops::AddAssign>(axes: &[Axis; 3], channels: usize, columns: &[T], image: &mut [T]) {
    let (pixels, length) = lengths(axes, channels);
    image[..pixels].fill(T::ZERO);
    launch(Fold { axes, channels, columns: &columns[..length], image: &mut image[..pixels] });
}

struct Fold<'a, T> {
    axes: &'a [Axis; 3],
    channels: usize,
    columns: &'a [T],
    image: &'a mut [T],
}

impl<T: Vectorised + std::ops::AddAssign> LaneKernel<T> for Fold<'_, T> {
    #[inline(always)]
    fn run<L: Lanes<Scalar = T>, const FMA: bool>(self) {
        let stride = self.axes[2].stride;
        let (image, columns) = (self.image, self.columns);
        rows(self.axes, self.channels, |row| {
            let Some(place) = row.place else { return };
            let from = &columns[row.column + row.inside.0..row.column + row.inside.1];
            let to = &mut image[place..];
            if stride == 1 {
                add::<L>(from, &mut to[..from.len()]);
            } else {
                to.iter_mut().step_by(stride).zip(from).for_each(|(to, &from)| *to += from);
            }
        });
    }
}
