//! Products of strided matrices.
//!
//! The product is computed in tiles of at most 6 rows by 4 registers that stay in registers for up to `DEPTH`
//! steps. Element (i, j) is the sum over blocks of `DEPTH` steps, in order, of a chain of fused multiply-adds. Which
//! tile an element falls into changes nothing about that sum, so the cut between threads changes no bit. Rows are
//! never copied; columns are, into a panel on the stack, where they are not contiguous or too far apart. Products of
//! one row (or column) whose long sides lie along the sum are dot products instead. Nothing is allocated.

use super::dispatch::{self, Kernel};
pub use super::lanes::Vectorised;
use super::lanes::{LaneKernel, Lanes, launch};
use super::pool;
use super::tile::{ROWS, Tile, band, dot, pack};
use std::mem::MaybeUninit;

/// A matrix in a slice: element (i, j) lies at `i * strides.0 + j * strides.1`.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T> {
    /// Where the elements lie.
    pub data: &'a [T],
    /// The distance between rows and that between columns, in elements.
    pub strides: (usize, usize),
}

impl<'a, T> View<'a, T> {
    /// A row-major matrix with `columns` columns.
    pub fn rows(data: &'a [T], columns: usize) -> Self {
        Self { data, strides: (columns, 1) }
    }

    /// The transpose of a row-major matrix with `rows` columns: its columns are contiguous.
    pub fn transposed(data: &'a [T], rows: usize) -> Self {
        Self { data, strides: (1, rows) }
    }
}

/// A slice is shorter than the sizes and strides say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooShort {
    /// Which operand: `"a"`, `"b"` or `"out"`.
    pub operand: &'static str,
}

impl std::fmt::Display for TooShort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "operand {} of a matrix product has too few elements for its sizes and strides", self.operand)
    }
}

impl std::error::Error for TooShort {}

/// How many steps of the sum a tile takes before it adds to the output: a panel of so many rows stays near the core. A
/// longer sum is added to the output in parts.
pub const DEPTH: usize = 256;

/// The bytes of a panel: `DEPTH` rows of 4 registers of 64 bytes.
const PANEL: usize = DEPTH * 256;

/// Below this many multiplications no registers are filled and nothing is packed: an element after the other.
const SMALL: usize = 256;

/// Below this many multiplications a product runs on one thread (measured: two threads then gain nothing).
const PARALLEL: usize = 150_000;

/// The same for dot products and single rows, which wait for memory.
const PARALLEL_VECTOR: usize = 60_000;

/// Writes `a * b` to `out`, or adds it if `accumulate`. `sizes` is `[m, n, k]`, `a` is m x k, `b` is k x n and
/// `out` is m x n, row-major.
///
/// # Errors
/// [`TooShort`] if an operand has too few elements; `out` is then untouched.
pub fn matmul<T: Vectorised>(
    sizes: [usize; 3],
    a: View<'_, T>,
    b: View<'_, T>,
    out: &mut [T],
    accumulate: bool,
) -> Result<(), TooShort> {
    matmul_batch(1, sizes, (a, 0), (b, 0), out, accumulate)
}

/// `batch` products of the same sizes. Each operand comes with the distance between its matrices, which may be 0 for
/// one matrix used in every product; the results lie in `out` one after the other.
///
/// # Errors
/// [`TooShort`] if an operand has too few elements; `out` is then untouched.
pub fn matmul_batch<T: Vectorised>(
    batch: usize,
    [m, n, k]: [usize; 3],
    (a, a_batch): (View<'_, T>, usize),
    (b, b_batch): (View<'_, T>, usize),
    out: &mut [T],
    accumulate: bool,
) -> Result<(), TooShort> {
    let length = m.checked_mul(n).and_then(|x| x.checked_mul(batch));
    let length = length.filter(|&x| x <= out.len()).ok_or(TooShort { operand: "out" })?;
    if length == 0 {
        return Ok(());
    }
    if k == 0 {
        if !accumulate {
            out[..length].fill(T::ZERO);
        }
        return Ok(());
    }
    check("a", a.data.len(), [(batch, a_batch), (m, a.strides.0), (k, a.strides.1)])?;
    check("b", b.data.len(), [(batch, b_batch), (k, b.strides.0), (n, b.strides.1)])?;
    let product = Product {
        sizes: [m, n, k],
        a: a.data.as_ptr(),
        b: b.data.as_ptr(),
        out: out.as_mut_ptr(),
        a_strides: a.strides,
        b_strides: b.strides,
        accumulate,
    };
    if batch == 1 && m * n <= SMALL && m * n * k <= SMALL {
        dispatch::run(Small(product));
    } else if batch == 1 {
        product.parallel();
    } else if b_batch == 0 && (a_batch == m * a.strides.0 || m == 1) {
        // The matrices of `a` lie below one another: one tall product.
        let a_strides = (if m == 1 { a_batch } else { a.strides.0 }, a.strides.1);
        Product { sizes: [m * batch, n, k], a_strides, ..product }.parallel();
    } else {
        product.batch(batch, a_batch, b_batch);
    }
    Ok(())
}

/// Whether the last element of a view with these (size, stride) pairs, none of size 0, lies inside the slice.
fn check(operand: &'static str, length: usize, axes: [(usize, usize); 3]) -> Result<(), TooShort> {
    let last = axes.iter().try_fold(0_usize, |sum, &(size, stride)| sum.checked_add((size - 1).checked_mul(stride)?));
    match last {
        Some(last) if last < length => Ok(()),
        _ => Err(TooShort { operand }),
    }
}

/// A checked product: sizes are positive and every element that they name is inside its slice.
#[derive(Clone, Copy)]
struct Product<T> {
    sizes: [usize; 3],
    a: *const T,
    b: *const T,
    out: *mut T,
    a_strides: (usize, usize),
    b_strides: (usize, usize),
    accumulate: bool,
}

// SAFETY: the slices behind the pointers are borrowed for the whole call, and tasks write disjoint parts of `out`.
unsafe impl<T: Sync + Send> Sync for Product<T> {}

/// How to compute a product. It depends on sizes and strides only, never on threads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plan {
    /// Tiles that read `b` where it lies.
    Direct,
    /// Tiles that read a copy of `b`, panel by panel.
    Packed,
    /// One dot product per element.
    Dots,
}

impl<T: Vectorised> Product<T> {
    /// A product with one column is the transposed product with one row: `out` is the same vector.
    fn upright(self) -> Self {
        let [m, n, k] = self.sizes;
        if n != 1 || m == 1 {
            return self;
        }
        Self {
            sizes: [1, m, k],
            a: self.b,
            b: self.a,
            a_strides: (self.b_strides.1, self.b_strides.0),
            b_strides: (self.a_strides.1, self.a_strides.0),
            ..self
        }
    }

    fn plan(&self) -> Plan {
        let [m, n, k] = self.sizes;
        if m <= 3 && k >= 16 && self.b_strides.0 == 1 && self.a_strides.1 == 1 {
            return Plan::Dots;
        }
        // Rows of `b` far apart cost a page each; with many rows of `a` a copy is cheaper.
        let far = self.b_strides.0 * size_of::<T>() >= 2048 && m >= 64;
        if n == 1 || (self.b_strides.1 == 1 && !far) { Plan::Direct } else { Plan::Packed }
    }

    fn parallel(self) {
        let this = self.upright();
        let [m, n, k] = this.sizes;
        let plan = this.plan();
        let work = m.saturating_mul(n).saturating_mul(k);
        let least = if m <= 3 { PARALLEL_VECTOR } else { PARALLEL };
        let threads = if work < least { 1 } else { pool::threads().min(work / (least / 2)) };
        if threads == 1 {
            return this.part(plan, (0, m), (0, n));
        }
        let (down, across) = grid(m, n, threads, plan);
        let unit = 64 / size_of::<T>();
        pool::run(down * across, &|task| {
            let (i, j) = (task / across, task % across);
            // Columns are cut at multiples of a cache line, so that two threads seldom write the same one.
            let cut = |j: usize| (n.div_ceil(unit) * j / across * unit).min(n);
            this.part(plan, (m * i / down, m * (i + 1) / down), (cut(j), cut(j + 1)));
        });
    }

    /// One product of a batch: inside the slices, because `check` saw the whole batch.
    fn matrix(&self, index: usize, a_batch: usize, b_batch: usize) -> Self {
        Self {
            a: self.a.wrapping_add(index * a_batch),
            b: self.b.wrapping_add(index * b_batch),
            out: self.out.wrapping_add(index * self.sizes[0] * self.sizes[1]),
            ..*self
        }
    }

    fn batch(self, batch: usize, a_batch: usize, b_batch: usize) {
        let [m, n, k] = self.sizes;
        let each = m.saturating_mul(n).saturating_mul(k);
        let at = |index: usize| self.matrix(index, a_batch, b_batch);
        if each >= 4 * PARALLEL && batch < 4 * pool::threads() {
            return (0..batch).for_each(|index| at(index).parallel());
        }
        let chunk = (PARALLEL / 4 / each).max(1);
        let whole = self.upright();
        let (plan, [m, n, _]) = (whole.plan(), whole.sizes);
        let task = |index: usize| {
            for i in index * chunk..((index + 1) * chunk).min(batch) {
                at(i).upright().part(plan, (0, m), (0, n));
            }
        };
        let tasks = batch.div_ceil(chunk);
        if each.saturating_mul(batch) < PARALLEL {
            (0..tasks).for_each(task);
        } else {
            pool::run(tasks, &task);
        }
    }

    /// Computes some rows and columns with the widest registers of the machine.
    fn part(&self, plan: Plan, rows: (usize, usize), columns: (usize, usize)) {
        if rows.0 >= rows.1 || columns.0 >= columns.1 {
            return;
        }
        match plan {
            Plan::Packed => self.with_panel(rows, columns),
            _ => self.dispatch(plan, rows, columns, std::ptr::null_mut()),
        }
    }

    /// Apart from the rest, so that only products that need the panel pay for 64 KiB of stack.
    #[inline(never)]
    fn with_panel(&self, rows: (usize, usize), columns: (usize, usize)) {
        let mut panel = Panel(MaybeUninit::uninit());
        self.dispatch(Plan::Packed, rows, columns, panel.0.as_mut_ptr().cast());
    }

    fn dispatch(&self, plan: Plan, rows: (usize, usize), columns: (usize, usize), panel: *mut T) {
        launch(Part { product: self, plan, rows, columns, panel });
    }
}

/// A product of a few elements. Each is the same chain of multiply-adds as in a tile.
struct Small<T>(Product<T>);

impl<T: Vectorised> Kernel for Small<T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let p = self.0;
        let [m, n, k] = p.sizes;
        for i in 0..m {
            for j in 0..n {
                // SAFETY: `matmul_batch` has checked the product; the pointers pass the last element only after the last
                // step.
                unsafe {
                    let (mut a, mut b) = (p.a.add(i * p.a_strides.0), p.b.add(j * p.b_strides.1));
                    let mut sum = T::ZERO;
                    for _ in 0..k {
                        sum = if FMA { (*a).mul_add(*b, sum) } else { sum + *a * *b };
                        (a, b) = (a.wrapping_add(p.a_strides.1), b.wrapping_add(p.b_strides.0));
                    }
                    let out = p.out.add(i * n + j);
                    *out = if p.accumulate { *out + sum } else { sum };
                }
            }
        }
    }
}

/// Into how many parts to cut rows and columns for so many threads: the cheapest of the possible grids.
fn grid(m: usize, n: usize, threads: usize, plan: Plan) -> (usize, usize) {
    let mut best = (usize::MAX, (1, 1));
    for down in (1..=threads.min(m)).filter(|down| threads.is_multiple_of(*down)) {
        let across = threads / down;
        let rows = m.div_ceil(down).next_multiple_of(if m <= 3 { 1 } else { ROWS / 2 });
        let columns = n.div_ceil(across).next_multiple_of(16);
        // Packing a panel costs about as much as four rows of the product, and wide parts are a little faster.
        let extra = if plan == Plan::Packed { 4 } else { 1 };
        let cost = (rows + extra) * (columns + 4);
        if cost < best.0 {
            best = (cost, (down, across));
        }
    }
    best.1
}

/// Some rows and columns of a product.
struct Part<'a, T> {
    product: &'a Product<T>,
    plan: Plan,
    rows: (usize, usize),
    columns: (usize, usize),
    /// Room for `PANEL` bytes if the plan packs.
    panel: *mut T,
}

impl<T: Vectorised> LaneKernel<T> for Part<'_, T> {
    #[inline(always)]
    fn run<L: Lanes<Scalar = T>, const FMA: bool>(self) {
        // SAFETY: `launch` chooses registers that the machine has, `matmul_batch` has checked the product, and the rows
        // and columns are inside it.
        unsafe { if self.plan == Plan::Dots { self.dots::<L>() } else { self.tiles::<L>() } }
    }
}

impl<T: Vectorised> Part<'_, T> {
    /// # Safety
    /// As in `run`.
    #[inline(always)]
    unsafe fn tiles<L: Lanes<Scalar = T>>(&self) {
        let (p, panel) = (self.product, self.panel);
        let [_, n, k] = p.sizes;
        let rows = self.rows.1 - self.rows.0;
        let across = if rows <= 2 && self.plan == Plan::Direct { L::WIDE } else { L::ACROSS };
        let blocks = k.div_ceil(DEPTH);
        let step = if blocks == 1 { k } else { k.div_ceil(blocks) };
        for block in 0..blocks {
            let (from, to) = (block * step, k.min((block + 1) * step));
            let mut column = self.columns.0;
            while column < self.columns.1 {
                let count = (across * L::WIDTH).min(self.columns.1 - column);
                let registers = count.div_ceil(L::WIDTH);
                // SAFETY: (from, column) is an element of `b`; the panel has room for `DEPTH` rows of `ACROSS`
                // registers, and the tile rows stay inside the part.
                unsafe {
                    let mut b = p.b.add(from * p.b_strides.0 + column * p.b_strides.1);
                    let mut b_stride = p.b_strides.0;
                    if self.plan == Plan::Packed {
                        pack::<L>(b, p.b_strides, (to - from, count), panel, registers * L::WIDTH);
                        (b, b_stride) = (panel, registers * L::WIDTH);
                    }
                    let tile = Tile {
                        depth: to - from,
                        a: p.a.add(self.rows.0 * p.a_strides.0 + from * p.a_strides.1),
                        a_strides: p.a_strides,
                        b,
                        b_stride,
                        out: p.out.add(self.rows.0 * n + column),
                        out_stride: n,
                        last: count - (registers - 1) * L::WIDTH,
                        add: p.accumulate || block > 0,
                    };
                    band::<L>(tile, rows, registers);
                }
                column += count;
            }
        }
    }

    /// # Safety
    /// As in `run`.
    #[inline(always)]
    unsafe fn dots<L: Lanes<Scalar = T>>(&self) {
        let p = self.product;
        let [_, n, k] = p.sizes;
        for row in self.rows.0..self.rows.1 {
            let mut column = self.columns.0;
            while column < self.columns.1 {
                // SAFETY: rows of `a` and columns of `b` are contiguous in this plan and have `k` elements.
                unsafe {
                    let a = p.a.add(row * p.a_strides.0);
                    let b = p.b.add(column * p.b_strides.1);
                    let out = p.out.add(row * n + column);
                    if self.columns.1 - column >= 4 {
                        dot::<L, 4>(k, a, b, p.b_strides.1, out, p.accumulate);
                        column += 4;
                    } else {
                        dot::<L, 1>(k, a, b, p.b_strides.1, out, p.accumulate);
                        column += 1;
                    }
                }
            }
        }
    }
}

/// Room for the copy of a part of `b`.
#[repr(align(64))]
struct Panel(MaybeUninit<[u8; PANEL]>);

#[cfg(all(test, not(loom)))]
#[path = "gemm_tests.rs"]
mod tests;
