//! The loops that run a program backwards, from the cotangents of the outputs to those of the inputs.

use std::slice;

use super::fuse::Op;
use super::graph::NONE;
use super::machine::{MOST, Machine};
use super::program::{Access, Program, Run};
use super::rows::Block;
use super::slot::{CHUNK, Memory, Slot};
use crate::kernels::dispatch::{self, Kernel};

/// Takes the cotangents of the outputs down to the inputs. With `ZERO_RULE`, products with an exact zero are zero; without
/// it, they are NaN where the rule matters, and a NaN among the results asks for another sweep with the rule.
pub(super) fn backward<S: Slot, const L: usize, const ZERO_RULE: bool>(
    program: &Program<S::Base>,
    memory: &mut Memory<S>,
) {
    dispatch::run(Backward::<S, L, ZERO_RULE>(Machine::new(program, memory)));
}

struct Backward<'a, S: Slot, const L: usize, const ZERO_RULE: bool>(Machine<'a, S, L>);

impl<S: Slot, const L: usize, const ZERO_RULE: bool> Kernel for Backward<'_, S, L, ZERO_RULE> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for run in self.0.program.runs.iter().rev() {
            if run.active == 0 {
                continue;
            }
            match run.op {
                Op::Row(row) => self.row(run, row),
                Op::LogSumExp => self.log_sum_exp(run),
                _ if Machine::<S, L>::is_wide(run) => self.wide(run),
                Op::Add => self.direct::<2, 0>(run, |_| false, |g, _, _, _| g),
                Op::Sub => self.direct::<2, 0>(run, |k| k == 1, |g, _, _, _| g),
                Op::Neg => self.direct::<1, 0>(run, |_| true, |g, _, _, _| g),
                Op::Mul => self.direct::<2, 2>(run, |_| false, |g, k, x, _| Self::scaled(g, x[1 - k])),
                Op::Div => self.direct::<2, 2>(run, |k| k == 1, |g, k, x, y| Self::quotient(g, k, x[1], y)),
                Op::Sum => self.direct_sum(run),
                Op::Dot => self.direct_products(run, 0),
                Op::Accumulate => self.direct_products(run, 1),
            }
            self.0.cotangents(run, 0, run.count as usize).fill(S::NOTHING);
        }
    }
}

impl<S: Slot, const L: usize, const ZERO_RULE: bool> Backward<'_, S, L, ZERO_RULE> {
    #[inline(always)]
    fn scaled(g: S, d: S) -> S {
        if ZERO_RULE { g.by_zero_rule(d) } else { g * d }
    }

    /// The contribution to operand `k` of `y = a / b`, without the sign.
    #[inline(always)]
    fn quotient(g: S, k: usize, b: S, y: S) -> S {
        let slope = S::fixed(<S::Base as crate::kernels::number::Number>::ONE) / b;
        Self::scaled(g, if k == 0 { slope } else { y * slope })
    }

    #[inline(always)]
    fn cotangent(&self, run: &Run, i: usize) -> [S; L] {
        let mut g = [S::NOTHING; L];
        g.copy_from_slice(self.0.cotangents(run, i, 1));
        g
    }

    /// Statements of `A` operands, of which the rule reads the first `X`.
    #[inline(always)]
    fn direct<const A: usize, const X: usize>(
        &self,
        run: &Run,
        minus: impl Fn(usize) -> bool,
        rule: impl Fn(S, usize, [S; X], S) -> S,
    ) {
        let machine = &self.0;
        for i in 0..run.count as usize {
            let g = self.cotangent(run, i);
            let mut x = [[S::NOTHING; L]; X];
            let mut k = 0;
            while k < X {
                x[k] = machine.operand(run, k, i);
                k += 1;
            }
            let y = if X > 0 { machine.load(run.out + i as u32) } else { g };
            let mut k = 0;
            while k < A {
                if run.active & (1 << k) != 0 {
                    machine.give(run, k, i, |lane| {
                        let mut operands = [S::NOTHING; X];
                        let mut j = 0;
                        while j < X {
                            operands[j] = x[j][lane];
                            j += 1;
                        }
                        let part = rule(g[lane], k, operands, y[lane]);
                        if minus(k) { -part } else { part }
                    });
                }
                k += 1;
            }
        }
    }

    #[inline(always)]
    fn direct_sum(&self, run: &Run) {
        for i in 0..run.count as usize {
            let g = self.cotangent(run, i);
            for k in (0..run.width as usize).filter(|k| run.active & (1 << k) != 0) {
                match run.signs & (1 << k) {
                    0 => self.0.give(run, k, i, |lane| g[lane]),
                    _ => self.0.give(run, k, i, |lane| -g[lane]),
                }
            }
        }
    }

    #[inline(always)]
    fn direct_products(&self, run: &Run, head: usize) {
        let machine = &self.0;
        for i in 0..run.count as usize {
            let g = self.cotangent(run, i);
            if head == 1 && run.active & 1 != 0 {
                machine.give(run, 0, i, |lane| g[lane]);
            }
            for t in 0..(run.width as usize - head) / 2 {
                let (k, j) = (head + 2 * t, head + 2 * t + 1);
                let mut signed = g;
                if run.signs & (1 << t) != 0 {
                    let mut lane = 0;
                    while lane < L {
                        signed[lane] = -g[lane];
                        lane += 1;
                    }
                }
                if run.active & (1 << k) != 0 {
                    let x = machine.operand(run, j, i);
                    machine.give(run, k, i, |lane| Self::scaled(signed[lane], x[lane]));
                }
                if run.active & (1 << j) != 0 {
                    let x = machine.operand(run, k, i);
                    machine.give(run, j, i, |lane| Self::scaled(signed[lane], x[lane]));
                }
            }
        }
    }

    #[inline(always)]
    fn log_sum_exp(&self, run: &Run) {
        let machine = &self.0;
        let (g, scale) = (self.cotangent(run, 0), machine.scale(run));
        for start in (0..run.width as usize).step_by(CHUNK / L) {
            let count = (CHUNK / L).min(run.width as usize - start);
            let shares = machine.shares(run, scale, start, count);
            let places = &machine.list_adjoints(run)[start..start + count];
            if machine.access(run, 0)[1] == Access::Contiguous {
                // SAFETY: `count` places of cotangents side by side, below `adjoint_slots`.
                let sums =
                    unsafe { slice::from_raw_parts_mut(machine.adjoints.add(places[0] as usize * L), count * L) };
                for (sums, shares) in sums.chunks_exact_mut(L).zip(shares.chunks_exact(L)) {
                    let mut lane = 0;
                    while lane < L {
                        sums[lane] = sums[lane] + Self::scaled(g[lane], shares[lane]);
                        lane += 1;
                    }
                }
                continue;
            }
            for (&place, shares) in places.iter().zip(shares.chunks_exact(L)).filter(|(place, _)| **place != NONE) {
                machine.add(place, |lane| Self::scaled(g[lane], shares[lane]));
            }
        }
    }

    /// One lane, many statements: the cotangents lie side by side.
    #[inline(always)]
    fn wide(&self, run: &Run) {
        let machine = &self.0;
        for start in Machine::<S, L>::starts(run) {
            let count = Machine::<S, L>::part(run, start);
            let g = &*machine.cotangents(run, start, count);
            let active = |k: usize| run.active & (1 << k) != 0;
            let minus = |part: usize| run.signs & (1 << part) != 0;
            match run.op {
                Op::Dot => self.wide_products(run, 0, start, count),
                Op::Accumulate => self.wide_products(run, 1, start, count),
                Op::Mul => {
                    for k in (0..2).filter(|&k| active(k)) {
                        self.wide_product(run, k, 1 - k, false, start, g);
                    }
                }
                Op::Div => {
                    let b = machine.fetch(run, 1, start, count, 0);
                    let y = &*machine.results(run, start, count);
                    if active(0) {
                        machine.scatter(run, 0, start, count, |i| Self::quotient(g[i], 0, b[i], y[i]));
                    }
                    if active(1) {
                        machine.scatter(run, 1, start, count, |i| -Self::quotient(g[i], 1, b[i], y[i]));
                    }
                }
                _ => {
                    for k in (0..run.width as usize).filter(|&k| active(k)) {
                        match (run.op, k) {
                            (Op::Neg, _) | (Op::Sub, 1) => machine.scatter(run, k, start, count, |i| -g[i]),
                            (Op::Sum, k) if minus(k) => machine.scatter(run, k, start, count, |i| -g[i]),
                            _ => machine.scatter(run, k, start, count, |i| g[i]),
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn wide_products(&self, run: &Run, head: usize, start: usize, count: usize) {
        let machine = &self.0;
        let g = &*machine.cotangents(run, start, count);
        if head == 1 && run.active & 1 != 0 {
            machine.scatter(run, 0, start, count, |i| g[i]);
        }
        for k in (head..run.width as usize).filter(|k| run.active & (1 << k) != 0) {
            let t = (k - head) / 2;
            self.wide_product(run, k, ((k - head) ^ 1) + head, run.signs & (1 << t) != 0, start, g);
        }
    }

    /// What the product with operand `other` gives to operand `k`.
    #[inline(always)]
    fn wide_product(&self, run: &Run, k: usize, other: usize, minus: bool, start: usize, g: &[S]) {
        let (machine, count) = (&self.0, g.len());
        if let Some(x) = machine.same(run, other) {
            let x = if minus { -x } else { x };
            return machine.scatter(run, k, start, count, |i| Self::scaled(g[i], x));
        }
        let x = machine.fetch(run, other, start, count, 0);
        match minus {
            false => machine.scatter(run, k, start, count, |i| Self::scaled(g[i], x[i])),
            true => machine.scatter(run, k, start, count, |i| Self::scaled(-g[i], x[i])),
        }
    }

    #[inline(always)]
    fn row(&self, run: &Run, row: u16) {
        let machine = &self.0;
        let function = S::functions(&machine.program.rows[row as usize]).reverse;
        for start in Machine::<S, L>::starts(run) {
            let count = Machine::<S, L>::part(run, start);
            let x = machine.fetch_all(run, start, count);
            let (y, g) = (&*machine.results(run, start, count), &*machine.cotangents(run, start, count));
            // The buffer that no operand uses.
            let parts = machine.buffer(MOST, count);
            for k in (0..run.width as usize).filter(|k| run.active & (1 << k) != 0) {
                function(k, Block { x, y, g }, parts);
                let parts = &*parts;
                machine.scatter(run, k, start, count, |i| parts[i]);
            }
        }
    }
}
