//! Windows laid side by side (`unfold`, im2col), and added back to where they came from (`fold`, col2im).

use super::axis::Axis;
use crate::kernels::lanes::{LaneKernel, Lanes, Vectorised, launch};

/// The windows along the last two axes, for one channel, element of the window and place along the first axis. In the
/// columns they are rows of windows one behind the other; those inside the image are the range `rows` of these, and of each
/// row the range `inside`.
struct Sheet {
    /// The first element in the columns.
    column: usize,
    rows: (usize, usize),
    inside: (usize, usize),
    /// The place in the image of the first element inside.
    place: usize,
    /// It is repeated in so many channels, so far apart in the columns and in the image.
    channels: usize,
    apart: (usize, usize),
}

impl Sheet {
    /// Whether all of it lies in the padding.
    fn is_padding(&self) -> bool {
        self.rows.0 >= self.rows.1 || self.inside.0 >= self.inside.1
    }
}

/// What is done with a sheet. A trait and not a closure, since only a function marked `inline(always)` is compiled for the
/// registers `L`: in a closure every operation on a register would be a call.
trait Visit<T> {
    /// How many channels are visited together.
    const CHANNELS: usize;

    fn visit<L: Lanes<Scalar = T>>(&mut self, sheet: Sheet);
}

/// Visits every sheet.
struct Sheets<'a, V> {
    axes: &'a [Axis; 3],
    channels: usize,
    visitor: V,
}

impl<T, V: Visit<T>> LaneKernel<T> for Sheets<'_, V> {
    /// The elements of the window outside, some channels inside. A fold so comes back to a place of the image only after a
    /// while: reading what was written just before at another alignment would wait for memory.
    #[inline(always)]
    fn run<L: Lanes<Scalar = T>, const FMA: bool>(self) {
        let Sheets { axes: [a, b, c], channels, mut visitor } = self;
        let (kernel, positions) = (a.kernel * b.kernel * c.kernel, a.output * b.output * c.output);
        let pixels = a.input * b.input * c.input;
        for k in 0..kernel {
            let (k0, k1, k2) = (k / (b.kernel * c.kernel), k / c.kernel % b.kernel, k % c.kernel);
            let (rows, inside) = (b.inside(k1), c.inside(k2));
            let first = b.place(rows.0, k1).unwrap_or(0) * c.input + c.place(inside.0, k2).unwrap_or(0);
            for channel in (0..channels).step_by(V::CHANNELS) {
                let image = channel * pixels;
                let mut column = (channel * kernel + k) * positions;
                let channels = V::CHANNELS.min(channels - channel);
                for p0 in 0..a.output {
                    let (rows, place) = match a.place(p0, k0) {
                        Some(i0) => (rows, image + i0 * b.input * c.input + first),
                        None => ((0, 0), 0),
                    };
                    let sheet = Sheet { column, rows, inside, place, channels, apart: (kernel * positions, pixels) };
                    visitor.visit::<L>(sheet);
                    column += b.output * c.output;
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
    let visitor = Unfold { axes, image: &image[..pixels], columns: &mut columns[..length] };
    launch(Sheets { axes, channels, visitor });
}

struct Unfold<'a, T> {
    axes: &'a [Axis; 3],
    image: &'a [T],
    columns: &'a mut [T],
}

impl<T: Vectorised> Visit<T> for Unfold<'_, T> {
    const CHANNELS: usize = 1;

    #[inline(always)]
    fn visit<L: Lanes<Scalar = T>>(&mut self, sheet: Sheet) {
        let [_, b, c] = self.axes;
        let step = b.stride.saturating_mul(c.input);
        let to = &mut self.columns[sheet.column..sheet.column + b.output * c.output];
        if sheet.is_padding() {
            return clear(to);
        }
        let (rows, (low, end)) = (sheet.rows, sheet.inside);
        clear(&mut to[..rows.0 * c.output]);
        clear(&mut to[rows.1 * c.output..]);
        let to = &mut to[rows.0 * c.output..rows.1 * c.output];
        if end - low < c.output {
            clear(to);
        }
        let from = &self.image[sheet.place..];
        if c.stride == 1 {
            let strips = Strips { count: rows.1 - rows.0, length: end - low, steps: (step, c.output) };
            return strips.copy::<L>(from, &mut to[low..]);
        }
        for (row, to) in to.chunks_exact_mut(c.output).enumerate() {
            let from = from[row * step..].iter().step_by(c.stride);
            to[low..end].iter_mut().zip(from).for_each(|(to, &from)| *to = from);
        }
    }
}

/// Rows of one length in two places: how many, how long, and how far apart in each.
struct Strips {
    count: usize,
    length: usize,
    steps: (usize, usize),
}

impl Strips {
    /// The elements from the first one to the last one, in rows so far apart.
    #[inline(always)]
    fn reach(&self, step: usize) -> usize {
        (self.count - 1) * step + self.length
    }

    /// Copies the rows. They are short: registers first, the rest by a mask.
    #[inline(always)]
    fn copy<L: Lanes>(&self, from: &[L::Scalar], to: &mut [L::Scalar]) {
        let Strips { count, length, steps } = *self;
        let (from, to) = (&from[..self.reach(steps.0)], &mut to[..self.reach(steps.1)]);
        let (full, mask) = (length - length % L::WIDTH, L::mask(length % L::WIDTH));
        // Rows that touch are written in their order: a whole register then, and the next row over what was too much.
        let whole = |step: usize| (self.reach(step).saturating_sub(full + L::WIDTH) / step.max(1) + 1).min(count);
        let fits = self.reach(steps.0.min(steps.1)) >= full + L::WIDTH && full < length && length == steps.1;
        let whole = if fits { whole(steps.0).min(whole(steps.1)) } else { 0 };
        for row in 0..count {
            // SAFETY: row `row` of `length` elements is inside both slices, which were cut at the end of the last row; the
            // mask covers the elements from `full` on; the first `whole` rows end a register in front of the end of both;
            // `launch` chose registers that the machine has.
            unsafe {
                let (from, to) = (from.as_ptr().add(row * steps.0), to.as_mut_ptr().add(row * steps.1));
                let mut i = 0;
                while i < full {
                    L::store(to.add(i), L::load(from.add(i)));
                    i += L::WIDTH;
                }
                if row < whole {
                    L::store(to.add(full), L::load(from.add(full)));
                } else if full < length {
                    L::store_some(to.add(full), mask, L::load_some(from.add(full), mask));
                }
            }
        }
    }

    /// Adds the rows, those of so many channels together, each so far apart: a register that is read then is never one
    /// that was just written.
    #[inline(always)]
    fn add<L: Lanes>(&self, channels: usize, apart: (usize, usize), from: &[L::Scalar], to: &mut [L::Scalar]) {
        let Strips { count, length, steps } = *self;
        let last = (channels - 1) * apart.0 + self.reach(steps.0);
        let (from, to) = (&from[..last], &mut to[..(channels - 1) * apart.1 + self.reach(steps.1)]);
        let (full, mask) = (length - length % L::WIDTH, L::mask(length % L::WIDTH));
        for row in 0..count {
            for channel in 0..channels {
                // SAFETY: row `row` of `length` elements of each channel is inside both slices, which were cut at the end of
                // the last row of the last channel; the mask covers the elements from `full` on; `launch` chose registers
                // that the machine has.
                unsafe {
                    let from = from.as_ptr().add(channel * apart.0 + row * steps.0);
                    let to = to.as_mut_ptr().add(channel * apart.1 + row * steps.1);
                    let mut i = 0;
                    while i < full {
                        L::store(to.add(i), L::add(L::load(to.add(i)), L::load(from.add(i))));
                        i += L::WIDTH;
                    }
                    if full < length {
                        let (to, new) = (to.add(full), L::load_some(from.add(full), mask));
                        L::store_some(to, mask, L::add(L::load_some(to, mask), new));
                    }
                }
            }
        }
    }
}

/// Zeros; a loop, because rows are too short for a call.
#[inline(always)]
fn clear<T: Vectorised>(to: &mut [T]) {
    to.iter_mut().for_each(|to| *to = T::ZERO);
}

/// The transpose of [`unfold`]: each element of the image is the sum of its copies in the columns, in their order.
///
/// # Panics
/// Slices shorter than the axes say.
pub fn fold<T: Vectorised + std::ops::AddAssign>(axes: &[Axis; 3], channels: usize, columns: &[T], image: &mut [T]) {
    let (pixels, length) = lengths(axes, channels);
    image[..pixels].fill(T::ZERO);
    let visitor = Fold { axes, columns: &columns[..length], image: &mut image[..pixels] };
    launch(Sheets { axes, channels, visitor });
}

struct Fold<'a, T> {
    axes: &'a [Axis; 3],
    columns: &'a [T],
    image: &'a mut [T],
}

impl<T: Vectorised + std::ops::AddAssign> Visit<T> for Fold<'_, T> {
    const CHANNELS: usize = 8;

    #[inline(always)]
    fn visit<L: Lanes<Scalar = T>>(&mut self, sheet: Sheet) {
        let [_, b, c] = self.axes;
        let step = b.stride.saturating_mul(c.input);
        if sheet.is_padding() {
            return;
        }
        let (rows, (low, end)) = (sheet.rows, sheet.inside);
        if c.stride == 1 {
            let strips = Strips { count: rows.1 - rows.0, length: end - low, steps: (c.output, step) };
            let from = &self.columns[sheet.column + rows.0 * c.output + low..];
            return strips.add::<L>(sheet.channels, sheet.apart, from, &mut self.image[sheet.place..]);
        }
        for channel in 0..sheet.channels {
            let column = sheet.column + channel * sheet.apart.0;
            let from = &self.columns[column + rows.0 * c.output..column + rows.1 * c.output];
            let to = &mut self.image[sheet.place + channel * sheet.apart.1..];
            for (row, from) in from.chunks_exact(c.output).enumerate() {
                let to = to[row * step..].iter_mut().step_by(c.stride);
                to.zip(&from[low..end]).for_each(|(to, &from)| *to += from);
            }
        }
    }
}
