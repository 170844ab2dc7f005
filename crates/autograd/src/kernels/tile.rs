//! The innermost loops of matrix products: tiles that stay in registers, dot products, and copies to a panel.

use super::lanes::{Lanes, across};

/// The rows of a tile.
pub(super) const ROWS: usize = 6;

/// The rows of a tile one register wide.
const TALL: usize = 8;

/// What a tile reads and writes: pointers to its first elements and distances between rows.
#[derive(Clone, Copy)]
pub(super) struct Tile<T> {
    pub(super) depth: usize,
    pub(super) a: *const T,
    pub(super) a_strides: (usize, usize),
    pub(super) b: *const T,
    pub(super) b_stride: usize,
    pub(super) out: *mut T,
    pub(super) out_stride: usize,
    /// Columns in the last register.
    pub(super) last: usize,
    /// Whether to add to what is in `out`.
    pub(super) add: bool,
}

/// Copies rows and columns of `b` to a panel with `width` columns, the missing ones 0.
///
/// # Safety
/// The rows and columns are inside `b`, and `panel` has room for `rows * width` elements.
#[inline(always)]
pub(super) unsafe fn pack<L: Lanes>(
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
        if strides.0 == 1 {
            // The width of the registers is a constant of `L`, so all arms but one are dropped.
            return match L::WIDTH {
                16 => turn::<L, 16>(b, strides.1, (rows, columns), panel, width),
                8 => turn::<L, 8>(b, strides.1, (rows, columns), panel, width),
                4 => turn::<L, 4>(b, strides.1, (rows, columns), panel, width),
                _ => turn::<L, 2>(b, strides.1, (rows, columns), panel, width),
            };
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

/// One stage of a transposition: swaps the off-diagonal quarters of every square of `2 * S` lanes.
#[inline(always)]
fn swap<L: Lanes, const N: usize, const S: usize>(square: &mut [L::Vector; N]) {
    for l in 0..N {
        if l & S == 0 && l + S < N {
            let (x, y) = (square[l], square[l + S]);
            square[l] = L::blend(x, L::exchange(y, S), S);
            square[l + S] = L::blend(L::exchange(x, S), y, S);
        }
    }
}

/// [`pack`] for contiguous columns `stride` apart: squares of `N` registers are transposed in registers.
///
/// # Safety
/// As for [`pack`], and `N` is `L::WIDTH`.
#[inline(always)]
unsafe fn turn<L: Lanes, const N: usize>(
    b: *const L::Scalar,
    stride: usize,
    (rows, columns): (usize, usize),
    panel: *mut L::Scalar,
    width: usize,
) {
    for j in (0..columns).step_by(N) {
        for i in (0..rows).step_by(N) {
            let mask = L::mask((rows - i).min(N));
            let mut square = [L::zero(); N];
            for (l, v) in square.iter_mut().enumerate() {
                // SAFETY: the column is inside `b`, and so are the rows of the mask.
                unsafe {
                    let from = b.add(i).wrapping_add((j + l) * stride);
                    if i + N <= rows && j + l < columns {
                        *v = L::load(from);
                    } else if j + l < columns {
                        *v = L::load_some(from, mask);
                    }
                }
            }
            // One call per stage, so that every index is a constant and the square stays in registers.
            swap::<L, N, 8>(&mut square);
            swap::<L, N, 4>(&mut square);
            swap::<L, N, 2>(&mut square);
            swap::<L, N, 1>(&mut square);
            for (r, &v) in square.iter().enumerate().take(rows - i) {
                // SAFETY: row `i + r` of the panel has room for whole registers.
                unsafe { L::store(panel.add((i + r) * width + j), v) };
            }
        }
    }
}

/// All tiles of a band of columns: as even heights as possible, since a tile of one row costs like one of three.
///
/// # Safety
/// `tile` describes `rows` rows and `registers` registers of a checked product.
#[inline(always)]
pub(super) unsafe fn band<L: Lanes>(mut tile: Tile<L::Scalar>, rows: usize, registers: usize) {
    let most = if registers == 1 {
        TALL
    } else if registers > 4 {
        2
    } else {
        ROWS
    };
    let (tiles, mut left) = (rows.div_ceil(most), rows);
    for index in 0..tiles {
        let height = if tiles - index == 1 { left } else { left.div_ceil(tiles - index) };
        left -= height;
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
#[allow(clippy::needless_range_loop)] // index loops of known length become registers
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
#[allow(clippy::needless_range_loop)] // as in `multiply`
pub(super) unsafe fn dot<L: Lanes, const C: usize>(
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
