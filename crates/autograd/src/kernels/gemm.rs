//! Products of strided matrices.
//!
//! The product is computed in tiles of at most 6 rows by 4 registers that stay in registers for up to [`DEPTH`]
//! steps. Element (i, j) is the sum over blocks of `DEPTH` steps, in order, of a chain of fused multiply-adds. Which
//! tile an element falls into changes nothing about that sum, so the cut between threads changes no bit. Rows are
//! never copied; columns are, into a panel on the stack, where they are not contiguous or too far apart. Products of
//! one row (or column) whose long sides lie along the sum are dot products instead. Nothing is allocated.

use super::lanes::{LaneKernel, Lanes, across, launch};
pub use super::lanes::Vectorised;
use super::pool;
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

/// How many steps of the sum a tile takes before it adds to the output: a panel of so many rows stays near the core.
const DEPTH: usize = 256;

/// The rows of a tile.
const ROWS: usize = 6;

/// The rows of a tile one register wide.
const TALL: usize = 8;

/// The bytes of a panel: `DEPTH` rows of 4 registers of 64 bytes.
const PANEL: usize = DEPTH * 256;

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
    if batch == 1 {
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
    let last = axes.iter().try_fold(0_usize, |sum, &(size, stride)| {
        sum.checked_add((size - 1).checked_mul(stride)?)
    });
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
        unsafe {
            if self.plan == Plan::Dots { self.dots::<L>() } else { self.tiles::<L>() }
        }
    }
}

/// What a tile reads and writes: pointers to its first elements and distances between rows.
#[derive(Clone, Copy)]
struct Tile<T> {
    depth: usize,
    a: *const T,
    a_strides: (usize, usize),
    b: *const T,
    b_stride: usize,
    out: *mut T,
    out_stride: usize,
    /// Columns in the last register.
    last: usize,
    /// Whether to add to what is in `out`.
    add: bool,
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
        for block in 0..blocks {
            let (from, to) = (k * block / blocks, k * (block + 1) / blocks);
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

/// Copies rows and columns of `b` to a panel with `width` columns, the missing ones 0.
///
/// # Safety
/// The rows and columns are inside `b`, and `panel` has room for `rows * width` elements.
#[inline(always)]
unsafe fn pack<L: Lanes>(
    b: *const L::Scalar,
    strides: (usize, usize),
    (rows, columns): (usize, usize),
    panel: *mut L::Scalar,
    width: usize,
) {
    // SAFETY: the caller's promise; `last` columns are in the last register.
    unsafe {
        if strides.1 == 1 {
            let full = columns / L::WIDTH;
            let mask = L::mask(columns - full * L::WIDTH);
            for i in 0..rows {
                let (from, to) = (b.add(i * strides.0), panel.add(i * width));
                for r in 0..full {
                    L::store(to.add(r * L::WIDTH), L::load(from.add(r * L::WIDTH)));
                }
                if columns > full * L::WIDTH {
                    let r = full * L::WIDTH;
                    L::store(to.add(r), L::load_some(from.add(r), mask));
                }
            }
            return;
        }
        if columns < width {
            for i in 0..rows {
                L::store(panel.add(i * width + width - L::WIDTH), L::zero());
            }
        }
        // Eight columns at a time, so that the lines being read stay in the nearest cache.
        let mut j = 0;
        while j < columns {
            let some = (columns - j).min(8);
            for i in 0..rows {
                for l in j..j + some {
                    *panel.add(i * width + l) = *b.add(i * strides.0 + l * strides.1);
                }
            }
            j += some;
        }
    }
}

/// All tiles of a band of columns: as even heights as possible, since a tile of one row costs like one of three.
///
/// # Safety
/// `tile` describes `rows` rows and `registers` registers of a checked product.
#[inline(always)]
unsafe fn band<L: Lanes>(mut tile: Tile<L::Scalar>, rows: usize, registers: usize) {
    let most = if registers == 1 { TALL } else if registers > 4 { 2 } else { ROWS };
    let tiles = rows.div_ceil(most);
    for index in 0..tiles {
        let height = rows * (index + 1) / tiles - rows * index / tiles;
        // SAFETY: the caller's promise; the tiles follow one another down the rows.
        unsafe {
            by_height::<L>(tile, height, registers);
            tile.a = tile.a.wrapping_add(height * tile.a_strides.0);
            tile.out = tile.out.wrapping_add(height * tile.out_stride);
        }
    }
}

/// # Safety
/// As for [`band`].
#[inline(always)]
unsafe fn by_height<L: Lanes>(tile: Tile<L::Scalar>, height: usize, registers: usize) {
    macro_rules! choose {
        ($($width:literal: $($height:literal)*;)*) => {
            match (registers, height) {
                // SAFETY: the caller's promise.
                $($(($width, $height) => unsafe { multiply::<L, $height, $width>(tile) },)*)*
                _ => unreachable!("tiles have the sizes above"),
            }
        };
    }
    if L::ACROSS >= 4 {
        choose! {
            1: 1 2 3 4 5 6 7 8; 2: 1 2 3 4 5 6; 3: 1 2 3 4 5 6; 4: 1 2 3 4 5 6;
            5: 1 2; 6: 1 2; 7: 1 2; 8: 1 2;
        }
    } else {
        choose! { 1: 1 2 3 4 5 6 7 8; 2: 1 2 3 4 5 6; 3: 1 2; 4: 1 2; }
    }
}

/// One tile of `R` rows by `V` registers.
///
/// # Safety
/// `tile` describes `R` rows and `V` registers, `last` columns in the last, of a checked product.
#[inline(always)]
unsafe fn multiply<L: Lanes, const R: usize, const V: usize>(tile: Tile<L::Scalar>) {
    let mask = L::mask(tile.last);
    let mut sums = [[L::zero(); V]; R];
    let (mut a, mut b) = (tile.a, tile.b);
    for _ in 0..tile.depth {
        // SAFETY: the caller's promise; the pointers pass the last element only after the last step.
        unsafe {
            let mut row = [L::zero(); V];
            for v in 0..V - 1 {
                row[v] = L::load(b.add(v * L::WIDTH));
            }
            row[V - 1] = L::load_some(b.add((V - 1) * L::WIDTH), mask);
            for r in 0..R {
                let x = L::splat(*a.add(r * tile.a_strides.0));
                for v in 0..V {
                    sums[r][v] = L::mul_add(x, row[v], sums[r][v]);
                }
            }
        }
        a = a.wrapping_add(tile.a_strides.1);
        b = b.wrapping_add(tile.b_stride);
    }
    for (r, row) in sums.iter().enumerate() {
        for (v, &sum) in row.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe {
                let out = tile.out.add(r * tile.out_stride + v * L::WIDTH);
                if v + 1 < V {
                    L::store(out, if tile.add { L::add(L::load(out), sum) } else { sum });
                } else if tile.add {
                    L::store_some(out, mask, L::add(L::load_some(out, mask), sum));
                } else {
                    L::store_some(out, mask, sum);
                }
            }
        }
    }
}

/// `C` dot products of one row with columns `stride` apart, in two registers each.
///
/// # Safety
/// `a` and each column have `k` elements, `out` has `C`.
#[inline(always)]
unsafe fn dot<L: Lanes, const C: usize>(
    k: usize,
    a: *const L::Scalar,
    b: *const L::Scalar,
    stride: usize,
    out: *mut L::Scalar,
    add: bool,
) {
    let mut sums = [[L::zero(); 2]; C];
    let mut i = 0;
    // SAFETY: the caller's promise; a step reads only below `k`.
    unsafe {
        while i + 2 * L::WIDTH <= k {
            for half in 0..2 {
                let at = i + half * L::WIDTH;
                let x = L::load(a.add(at));
                for c in 0..C {
                    sums[c][half] = L::mul_add(x, L::load(b.add(c * stride + at)), sums[c][half]);
                }
            }
            i += 2 * L::WIDTH;
        }
        while i < k {
            let mask = L::mask((k - i).min(L::WIDTH));
            let x = L::load_some(a.add(i), mask);
            for c in 0..C {
                sums[c][0] = L::mul_add(x, L::load_some(b.add(c * stride + i), mask), sums[c][0]);
            }
            i += L::WIDTH;
        }
        for c in 0..C {
            let sum = across::<L>(L::add(sums[c][0], sums[c][1]), L::add);
            *out.add(c) = if add { *out.add(c) + sum } else { sum };
        }
    }
}

#[cfg(all(test, not(loom)))]
#[path = "gemm_tests.rs"]
mod tests;
