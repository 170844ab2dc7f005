//! The three products of a convolution: each is the derivative of the trilinear form `Σ y · (x * w)` by one of its parts.
//!
//! Image by image the windows are laid side by side in memory that stays near the core, and the rest is one matrix
//! product. Images are shared out to threads. Sums over images have a fixed tree, so no number of threads changes a bit.

use super::axis::Axis;
use super::columns::{fold, unfold};
use crate::kernels::gather::transpose;
use crate::kernels::gemm::{TooShort, View, matmul};
use crate::kernels::number::Element;
use crate::kernels::pool;
pub use crate::kernels::scratch::NoMemory;
use crate::kernels::scratch::{self, Outcome, Purpose};

/// The sizes of a convolution. An image is `[groups · inputs, input lengths]`, the weight
/// `[groups · outputs, inputs, kernel lengths]`, a result `[groups · outputs, output lengths]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// The spatial axes.
    pub axes: [Axis; 3],
    /// Channels are cut into so many parts that do not meet.
    pub groups: usize,
    /// The channels of an image in a group.
    pub inputs: usize,
    /// The channels of a result in a group.
    pub outputs: usize,
}

/// Sums over images are cut into at most this many parts.
const PARTS: usize = 16;

/// The elements of all these parts together, at most (unless one part is larger).
const PART_ELEMENTS: usize = 1 << 22;

impl Geometry {
    fn product(&self, length: fn(&Axis) -> usize) -> usize {
        self.axes.iter().map(length).product()
    }

    /// The windows of an image.
    fn positions(&self) -> usize {
        self.product(|axis| axis.output)
    }

    /// The elements of a window in all channels of a group.
    fn window(&self) -> usize {
        self.inputs * self.product(|axis| axis.kernel)
    }

    /// The elements of a group of an image.
    fn image(&self) -> usize {
        self.inputs * self.product(|axis| axis.input)
    }

    /// The elements of a group of a result.
    fn result(&self) -> usize {
        self.outputs * self.positions()
    }

    /// The elements of a group of the weight.
    fn weight(&self) -> usize {
        self.outputs * self.window()
    }

    /// Multiplications and additions of one image.
    pub fn flops(&self) -> usize {
        2usize.saturating_mul(self.groups).saturating_mul(self.weight()).saturating_mul(self.positions())
    }

    /// Whether the columns are the image as it is.
    fn is_plain(&self) -> bool {
        self.axes.iter().all(Axis::is_identity)
    }

    /// The elements of the columns of a group of an image.
    fn columns(&self) -> usize {
        self.window().saturating_mul(self.positions())
    }

    /// Multiplies the columns of a group of an image.
    fn with_columns<T: Element>(
        &self,
        image: &[T],
        multiply: impl FnOnce(&[T]) -> Result<(), TooShort>,
    ) -> Result<(), Failure> {
        if self.is_plain() {
            return Ok(multiply(image)?);
        }
        let done = scratch::with(Purpose::Operands, self.columns(), |columns: &mut [T]| {
            unfold(&self.axes, self.inputs, image, columns);
            multiply(columns)
        });
        Ok(done??)
    }
}

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An operand has too few elements.
    TooShort(TooShort),
    /// The columns, or the sums of parts, would be too much.
    NoMemory(NoMemory),
}

impl From<TooShort> for Failure {
    fn from(short: TooShort) -> Self {
        Failure::TooShort(short)
    }
}

impl From<NoMemory> for Failure {
    fn from(memory: NoMemory) -> Self {
        Failure::NoMemory(memory)
    }
}

/// Checks that each operand has as many elements as the sizes say.
fn check(lengths: [(&'static str, usize, usize); 3]) -> Result<(), TooShort> {
    match lengths.into_iter().find(|&(_, length, needed)| length < needed) {
        Some((operand, ..)) => Err(TooShort { operand }),
        None => Ok(()),
    }
}

/// `y[n, o, p] = Σ over c, k of x[n, c, place of k in window p] · w[o, c, k]`.
///
/// # Errors
/// Operands that are too short; memory that cannot be had.
pub fn forward<T: Element>(g: &Geometry, batch: usize, x: &[T], w: &[T], y: &mut [T]) -> Result<(), Failure> {
    let (image, weight, result) = (g.image(), g.weight(), g.result());
    let count = batch * g.groups;
    check([("a", x.len(), count * image), ("b", w.len(), g.groups * weight), ("out", y.len(), count * result)])?;
    let sizes = [g.outputs, g.positions(), g.window()];
    let outcome = Outcome::default();
    pool::split(&mut y[..count * result], g.groups * result, |start, y| {
        let x = &x[start / result.max(1) * image..];
        for (i, y) in y.chunks_exact_mut(result.max(1)).enumerate() {
            let w = View::rows(&w[i * weight..], sizes[2]);
            let multiply = |columns: &[T]| matmul(sizes, w, View::rows(columns, sizes[1]), y, false);
            outcome.note(g.with_columns(&x[i * image..][..image], multiply));
        }
    });
    outcome.done()
}

/// `x[n, c, i] = Σ over o and all (p, k) at place i of y[n, o, p] · w[o, c, k]`: the transpose of [`forward`] by `x`.
///
/// # Errors
/// Operands that are too short; memory that cannot be had.
pub fn to_input<T: Element>(g: &Geometry, batch: usize, y: &[T], w: &[T], x: &mut [T]) -> Result<(), Failure> {
    let (image, weight, result) = (g.image(), g.weight(), g.result());
    let count = batch * g.groups;
    check([("a", y.len(), count * result), ("b", w.len(), g.groups * weight), ("out", x.len(), count * image)])?;
    let sizes = [g.window(), g.positions(), g.outputs];
    let outcome = Outcome::default();
    pool::split(&mut x[..count * image], g.groups * image, |start, x| {
        let y = &y[start / image.max(1) * result..];
        for (i, x) in x.chunks_exact_mut(image.max(1)).enumerate() {
            let w = View::transposed(&w[i * weight..], sizes[0]);
            let y = View::rows(&y[i * result..], sizes[1]);
            if g.is_plain() {
                outcome.note(matmul(sizes, w, y, x, false).map_err(Failure::from));
                continue;
            }
            let done = scratch::with(Purpose::Operands, g.columns(), |columns: &mut [T]| {
                matmul(sizes, w, y, columns, false)?;
                fold(&g.axes, g.inputs, columns, x);
                Ok(())
            });
            outcome.note(done.map_err(Failure::from).flatten());
        }
    });
    outcome.done()
}

/// `w[o, c, k] = Σ over n, p of x[n, c, place of k in window p] · y[n, o, p]`: the transpose of [`forward`] by `w`.
///
/// # Errors
/// Operands that are too short; memory that cannot be had.
pub fn to_weight<T: Element>(g: &Geometry, batch: usize, x: &[T], y: &[T], w: &mut [T]) -> Result<(), Failure> {
    let (count, whole) = (batch * g.groups, g.groups * g.weight());
    check([("a", x.len(), count * g.image()), ("b", y.len(), count * g.result()), ("out", w.len(), whole)])?;
    if batch == 0 || whole == 0 {
        w.fill(T::ZERO);
        return Ok(());
    }
    let most = (PART_ELEMENTS / whole).clamp(1, PARTS).min(batch);
    let each = batch.div_ceil(most);
    let parts = batch.div_ceil(each);
    let outcome = Outcome::default();
    scratch::with(Purpose::Results, parts.saturating_mul(whole), |sums: &mut [T]| {
        pool::split(sums, whole, |start, sum| {
            let first = start / whole * each;
            let images = first..(first + each).min(batch);
            add_images(g, images, x, y, sum, &outcome);
        });
        join(sums, whole, parts);
        turn(g, &sums[..whole], w);
    })?;
    outcome.done()
}

/// The sum over some images, each group transposed: `[inputs · kernel, outputs]`, so that of the two operands of the
/// product the smaller one is copied.
fn add_images<T: Element>(
    g: &Geometry,
    images: std::ops::Range<usize>,
    x: &[T],
    y: &[T],
    sum: &mut [T],
    outcome: &Outcome<Failure>,
) {
    let (image, weight, result) = (g.image(), g.weight(), g.result());
    let sizes = [g.window(), g.outputs, g.positions()];
    for (count, n) in images.enumerate() {
        for (i, sum) in sum.chunks_exact_mut(weight).enumerate() {
            let at = n * g.groups + i;
            let y = View::transposed(&y[at * result..][..result], sizes[2]);
            let multiply = |columns: &[T]| matmul(sizes, View::rows(columns, sizes[2]), y, sum, count > 0);
            outcome.note(g.with_columns(&x[at * image..][..image], multiply));
        }
    }
}

/// Adds the parts in pairs, pairs of pairs and so on; the sum ends in the first part.
fn join<T: Element>(sums: &mut [T], whole: usize, parts: usize) {
    let mut step = 1;
    while step < parts {
        for start in (0..parts - step).step_by(2 * step) {
            let (left, right) = sums[start * whole..].split_at_mut(step * whole);
            left[..whole].iter_mut().zip(&right[..whole]).for_each(|(to, &from)| *to += from);
        }
        step *= 2;
    }
}

/// Transposes each group of the sum into the weight.
fn turn<T: Element>(g: &Geometry, sum: &[T], w: &mut [T]) {
    for (sum, w) in sum.chunks_exact(g.weight()).zip(w.chunks_exact_mut(g.weight())) {
        transpose(sum, g.outputs, g.outputs, g.window(), w);
    }
}
