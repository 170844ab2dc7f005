//! `ln Σ e^xᵢ` of many operands as one statement: the value, and each operand's share `e^(xᵢ - y)`.
//!
//! Operands are taken a part at a time, as many as fit a buffer. The shares are computed again in the sweep: the
//! exponentials cost less than the memory that would keep them.

use super::machine::Machine;
use super::program::{Access, Run};
use super::rows::Row;
use super::slot::{CHUNK, Slot};
use crate::kernels::number::{Element, Number};
use crate::ops::{Exp, Ln};

/// Numbers whose sums are kept apart, so that no addition waits for the one before.
const APART: usize = 8;

/// Replaces numbers by `e` to their power; `target` has the same length.
#[inline(always)]
fn exponentials<S: Slot>(source: &[S], target: &mut [S]) {
    (S::functions(&Row::<S::Base>::new::<Exp, 1>()).forward)([source, &[], &[]], target);
}

/// The larger of two; NaN where one is.
#[inline(always)]
fn larger<T: Element>(a: T, b: T) -> T {
    T::select((b > a) | b.is_nan(), b, a)
}

/// `x - shift`, and 0 where both are the same infinity.
#[inline(always)]
fn apart<S: Slot>(x: S, shift: S) -> S {
    if x.number() == shift.number() && !x.number().is_finite() { S::NOTHING } else { x - shift }
}

/// `ln Σ e^xᵢ` of numbers in lanes, from parts that `part` hands out twice, in order.
#[inline(always)]
fn log_sum_exp<'a, S: Slot, const L: usize>(
    count: usize,
    part: impl Fn(usize, usize) -> &'a [S],
    [shifted, powers]: [&mut [S]; 2],
) -> [S; L] {
    let most = CHUNK / L;
    let mut largest = [<S::Base as Element>::NEG_INFINITY; L];
    for start in (0..count).step_by(most) {
        let x = part(start, most.min(count - start));
        let mut lanes = [<S::Base as Element>::NEG_INFINITY; APART];
        if L == 1 {
            let (chunks, rest) = x.as_chunks::<APART>();
            for chunk in chunks {
                let mut i = 0;
                while i < APART {
                    lanes[i] = larger(lanes[i], chunk[i].number());
                    i += 1;
                }
            }
            let all = lanes.into_iter().chain(rest.iter().map(|x| x.number()));
            largest[0] = all.fold(largest[0], larger);
        } else {
            for x in x.chunks_exact(L) {
                let mut lane = 0;
                while lane < L {
                    largest[lane] = larger(largest[lane], x[lane].number());
                    lane += 1;
                }
            }
        }
    }
    let shift = largest.map(S::fixed);
    let width = if L == 1 { APART } else { L };
    let mut sums = [S::NOTHING; APART];
    for start in (0..count).step_by(most) {
        let x = part(start, most.min(count - start));
        let (shifted, powers) = (&mut shifted[..x.len()], &mut powers[..x.len()]);
        subtract::<S, L>(x, &shift, shifted);
        exponentials(shifted, powers);
        for powers in powers.chunks(width) {
            sums.iter_mut().zip(powers).for_each(|(sum, &power)| *sum = *sum + power);
        }
    }
    if L == 1 {
        let [a, b, c, d, e, f, g, h] = sums;
        sums[0] = ((a + b) + (c + d)) + ((e + f) + (g + h));
    }
    let mut logarithms = [S::NOTHING; L];
    (S::functions(&Row::<S::Base>::new::<Ln, 1>()).forward)([&sums[..L], &[], &[]], &mut logarithms);
    let mut y = shift;
    let mut lane = 0;
    while lane < L {
        y[lane] = y[lane] + logarithms[lane];
        lane += 1;
    }
    y
}

/// Each number less the shift of its lane.
#[inline(always)]
fn subtract<S: Slot, const L: usize>(x: &[S], shift: &[S; L], to: &mut [S]) {
    let infinite = shift.iter().any(|shift| !shift.number().is_finite());
    for (to, x) in to.chunks_exact_mut(L).zip(x.chunks_exact(L)) {
        let mut lane = 0;
        while lane < L {
            to[lane] = if infinite { apart(x[lane], shift[lane]) } else { x[lane] - shift[lane] };
            lane += 1;
        }
    }
}

/// Adds numbers to the sums of their lanes.
#[inline(always)]
fn add_lanes<S: Slot, const L: usize>(sums: &mut [S; L], x: &[S]) {
    let width = if L == 1 { APART } else { L };
    let mut parts = [S::NOTHING; APART];
    for x in x.chunks(width) {
        parts.iter_mut().zip(x).for_each(|(part, &x)| *part = *part + x);
    }
    if L == 1 {
        parts[0] = parts.iter().fold(S::NOTHING, |sum, &part| sum + part);
    }
    sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum = *sum + part);
}

/// `ln Σ e^xᵢ` of plain numbers, by the same operations as in a statement.
pub(super) fn value<T: Element>(x: &[T]) -> T {
    let mut buffers = [[T::ZERO; CHUNK]; 2];
    let [shifted, powers] = &mut buffers;
    let [y] = log_sum_exp::<T, 1>(x.len(), |start, count| &x[start..start + count], [shifted, powers]);
    y
}

impl<S: Slot, const L: usize> Machine<'_, S, L> {
    /// The operands `start..start + count` of one statement side by side: where they lie, or in the first buffer.
    #[inline(always)]
    fn list(&self, run: &Run, start: usize, count: usize) -> &[S] {
        let places = &self.list_places(run)[start..start + count];
        if self.access(run, 0)[0] == Access::Contiguous {
            // SAFETY: places are below `slots`; nobody writes them while the slice is in use.
            return unsafe { std::slice::from_raw_parts(self.values.add(places[0] as usize * L), count * L) };
        }
        let buffer = self.buffer(0, count);
        for (to, &place) in buffer.chunks_exact_mut(L).zip(places) {
            to.copy_from_slice(&self.load(place));
        }
        buffer
    }

    /// Computes the one statement of a run.
    #[inline(always)]
    pub(super) fn log_sum_exp(&self, run: &Run) {
        let part = |start, count| self.list(run, start, count);
        let y = log_sum_exp::<S, L>(run.width as usize, part, [1, 2].map(|k| self.buffer(k, CHUNK / L)));
        self.store(run.out as usize, y);
    }

    /// What the powers `e^(xᵢ - y)` are divided by so that they sum to 1 although y is rounded. `None` where all operands fit
    /// one part, which sees to it itself.
    #[inline(always)]
    pub(super) fn scale(&self, run: &Run) -> Option<[S; L]> {
        let (width, most) = (run.width as usize, CHUNK / L);
        if width <= most {
            return None;
        }
        // The rounding of a small y changes a share by less than 2e-15 of it (1e-6 in f32), too little
        // for another pass over all operands.
        let small = <S::Base as Number>::of(16.0);
        if self.load(run.out).iter().all(|y| y.number().abs() <= small) {
            return Some([S::fixed(<S::Base as Number>::ONE); L]);
        }
        let mut sums = [S::NOTHING; L];
        for start in (0..width).step_by(most) {
            add_lanes(&mut sums, self.powers(run, start, most.min(width - start)));
        }
        Some(sums)
    }

    /// The derivatives by the operands `start..start + count`: `e^(xᵢ - y)`; of infinite ones, those equal to y share 1.
    #[inline(always)]
    pub(super) fn shares(&self, run: &Run, scale: Option<[S; L]>, start: usize, count: usize) -> &[S] {
        let shares = self.powers(run, start, count);
        let mut sums = scale.unwrap_or([S::NOTHING; L]);
        if scale.is_none() {
            add_lanes(&mut sums, shares);
        }
        let y = self.load(run.out);
        let one = S::fixed(<S::Base as Number>::ONE);
        let mut factors = [one; L];
        for lane in (0..L).filter(|&lane| y[lane].number().is_finite()) {
            factors[lane] = one / sums[lane];
        }
        for shares in shares.chunks_exact_mut(L) {
            let mut lane = 0;
            while lane < L {
                shares[lane] = shares[lane] * factors[lane];
                lane += 1;
            }
        }
        shares
    }

    /// `e^(xᵢ - y)`
    #[inline(always)]
    fn powers(&self, run: &Run, start: usize, count: usize) -> &mut [S] {
        let y = self.load(run.out);
        let x = self.list(run, start, count);
        let (shifted, powers) = (self.buffer(1, count), self.buffer(2, count));
        subtract::<S, L>(x, &y, shifted);
        exponentials(shifted, powers);
        if y.iter().any(|y| !y.number().is_finite() && !y.number().is_nan()) {
            self.infinite_shares(run, &y, x, powers);
        }
        powers
    }

    #[cold]
    #[inline(never)]
    fn infinite_shares(&self, run: &Run, y: &[S; L], x: &[S], shares: &mut [S]) {
        let infinity = <S::Base as Element>::INFINITY;
        for lane in (0..L).filter(|&lane| !y[lane].number().is_finite() && !y[lane].number().is_nan()) {
            let all = self.list_places(run).iter().map(|&place| self.load(place)[lane].number());
            let equal = all.filter(|&x| x == infinity).count();
            let share = <S::Base as Number>::ONE / <S::Base as Element>::from_usize(equal.max(1));
            for (share_of, x) in shares.chunks_exact_mut(L).zip(x.chunks_exact(L)) {
                // Where all are -inf, nothing changes the result.
                let takes_part = x[lane].number() == infinity;
                share_of[lane] = if takes_part { S::fixed(share) } else { S::NOTHING };
            }
        }
    }
}
