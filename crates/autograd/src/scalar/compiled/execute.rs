//! The loops that run a program forwards and backwards: the one file here that reads without bounds checks.
//!
//! One loop a run, so that an operation is chosen once for many statements. With several lanes, each statement is a few
//! vector instructions on whole registers. With one lane, the statements of a run are themselves the lanes: operands that
//! lie apart are gathered, those that lie side by side are read where they are.

use std::slice;

use super::fuse::Op;
use super::program::{Access, Program, Run};
use super::rows::Block;
use super::slot::{CHUNK, Memory, Slot};
use crate::kernels::dispatch::{self, Kernel};

/// Below this many statements gathering does not pay.
const WIDE: usize = 8;

/// The most operands of what is not a sum.
const MOST: usize = 3;

/// Computes all values from those of the inputs.
pub(super) fn forward<S: Slot, const L: usize>(program: &Program<S::Base>, memory: &mut Memory<S>) {
    dispatch::run(Forward(Machine::<S, L>::new(program, memory)));
}

/// Takes the cotangents of the outputs down to the inputs. With `ZERO_RULE`, products with an exact zero are zero; without
/// it, they are NaN where the rule matters, and a NaN among the results asks for another sweep with the rule.
pub(super) fn backward<S: Slot, const L: usize, const ZERO_RULE: bool>(
    program: &Program<S::Base>,
    memory: &mut Memory<S>,
) {
    dispatch::run(Backward::<S, L, ZERO_RULE>(Machine::new(program, memory)));
}

/// A program with its memory, as pointers.
struct Machine<'a, S: Slot, const L: usize> {
    program: &'a Program<S::Base>,
    values: *mut S,
    adjoints: *mut S,
    scratch: *mut S,
}

impl<'a, S: Slot, const L: usize> Machine<'a, S, L> {
    fn new(program: &'a Program<S::Base>, memory: &'a mut Memory<S>) -> Self {
        // Whoever built the program put all its places below these two numbers.
        assert!(memory.lanes == L && memory.values.len() == program.slots * L);
        assert!(memory.adjoints.len() == program.adjoint_slots * L);
        let (values, adjoints) = (memory.values.as_mut_ptr(), memory.adjoints.as_mut_ptr());
        Machine { program, values, adjoints, scratch: memory.scratch.as_mut_ptr() }
    }

    /// The places of operand `k` of all statements.
    #[inline(always)]
    fn places(&self, run: &Run, k: usize) -> &'a [u32] {
        let count = run.count as usize;
        // SAFETY: the builder pushed `count` places for each operand of the run, from `first` on.
        unsafe { slice::from_raw_parts(self.program.args.as_ptr().add(run.first as usize + k * count), count) }
    }

    /// The places of their cotangents.
    #[inline(always)]
    fn adjoint_places(&self, run: &Run, k: usize) -> &'a [u32] {
        let count = run.count as usize;
        // SAFETY: as for `places`.
        unsafe { slice::from_raw_parts(self.program.adjoint_args.as_ptr().add(run.first as usize + k * count), count) }
    }

    #[inline(always)]
    fn access(&self, run: &Run, k: usize) -> [Access; 2] {
        debug_assert!(k < run.width as usize);
        // SAFETY: the builder pushed one entry for each operand of the run.
        unsafe { *self.program.access.get_unchecked(run.accesses as usize + k) }
    }

    /// The lanes of a value.
    #[inline(always)]
    fn load(&self, place: u32) -> [S; L] {
        debug_assert!((place as usize) < self.program.slots);
        // SAFETY: places are below `slots`, and `values` has `L` numbers for each.
        unsafe { self.values.add(place as usize * L).cast::<[S; L]>().read() }
    }

    #[inline(always)]
    fn store(&self, place: usize, lanes: [S; L]) {
        debug_assert!(place < self.program.slots);
        // SAFETY: as for `load`.
        unsafe { self.values.add(place * L).cast::<[S; L]>().write(lanes) };
    }

    /// The lanes of operand `k` of statement `i`.
    #[inline(always)]
    fn operand(&self, run: &Run, k: usize, i: usize) -> [S; L] {
        debug_assert!(i < run.count as usize && k < run.width as usize);
        // SAFETY: `i` is below the count and `k` below the width of the run, at both places of the call.
        self.load(unsafe { *self.places(run, k).get_unchecked(i) })
    }

    /// Adds to the cotangent of operand `k` of statement `i`.
    #[inline(always)]
    fn give(&self, run: &Run, k: usize, i: usize, part: impl Fn(usize) -> S) {
        debug_assert!(i < run.count as usize && k < run.width as usize && run.active & (1 << k) != 0);
        // SAFETY: as for `operand`; an active operand has a place below `adjoint_slots`.
        let sum = unsafe {
            let place = *self.adjoint_places(run, k).get_unchecked(i) as usize;
            &mut *self.adjoints.add(place * L).cast::<[S; L]>()
        };
        let mut lane = 0;
        while lane < L {
            sum[lane] = sum[lane] + part(lane);
            lane += 1;
        }
    }

    /// The values of operand `k` of the statements `start..start + count` side by side: where they lie, or in a buffer.
    #[inline(always)]
    fn fetch(&self, run: &Run, k: usize, start: usize, count: usize, buffer: usize) -> &[S] {
        debug_assert!(start + count <= run.count as usize && count * L <= CHUNK);
        let places = &self.places(run, k)[start..start + count];
        let from = match self.access(run, k)[0] {
            // SAFETY: places are below `slots`.
            Access::Contiguous => unsafe { self.values.add(places[0] as usize * L).cast_const() },
            _ => {
                // SAFETY: there are `BUFFERS` buffers of `CHUNK` numbers, and `count * L` is at most `CHUNK`.
                let to = unsafe { self.scratch.add(buffer * CHUNK) };
                for (i, &place) in places.iter().enumerate() {
                    // SAFETY: as above.
                    unsafe { to.add(i * L).cast::<[S; L]>().write(self.load(place)) };
                }
                to.cast_const()
            }
        };
        // SAFETY: `count * L` numbers from there on are inside `values` or the buffer, and nobody writes them while the
        // slice is in use: results go to other places, and each operand has a buffer of its own.
        unsafe { slice::from_raw_parts(from, count * L) }
    }

    /// The places for the results of the statements `start..start + count`.
    #[inline(always)]
    fn results(&self, run: &Run, start: usize, count: usize) -> &mut [S] {
        debug_assert!(run.out as usize + start + count <= self.program.slots);
        // SAFETY: the builder gave the run `run.count` places from `out` on, apart from all operands of the run.
        unsafe { slice::from_raw_parts_mut(self.values.add((run.out as usize + start) * L), count * L) }
    }

    /// The cotangents of the statements `start..start + count`.
    #[inline(always)]
    fn cotangents(&self, run: &Run, start: usize, count: usize) -> &mut [S] {
        debug_assert!(run.out_adjoint as usize + start + count <= self.program.adjoint_slots);
        // SAFETY: as for `results`: a run with active operands has places for cotangents, apart from its operands'.
        unsafe { slice::from_raw_parts_mut(self.adjoints.add((run.out_adjoint as usize + start) * L), count * L) }
    }

    /// Adds contributions that lie side by side to the cotangents of operand `k`.
    #[inline(always)]
    fn scatter(&self, run: &Run, k: usize, start: usize, count: usize, part: impl Fn(usize) -> S) {
        let places = &self.adjoint_places(run, k)[start..start + count];
        match self.access(run, k)[1] {
            Access::Contiguous => {
                // SAFETY: active operands have places below `adjoint_slots`, here `count` of them side by side.
                let sums = unsafe { slice::from_raw_parts_mut(self.adjoints.add(places[0] as usize * L), count * L) };
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = *sum + part(i);
                }
            }
            Access::Broadcast if L == 1 => {
                let mut partial = [S::NOTHING; 8];
                for i in 0..count {
                    partial[i % 8] = partial[i % 8] + part(i);
                }
                let [a, b, c, d, e, f, g, h] = partial;
                let all = ((a + b) + (c + d)) + ((e + f) + (g + h));
                self.give(run, k, start, |_| all);
            }
            _ => (0..count).for_each(|i| self.give(run, k, start + i, |lane| part(i * L + lane))),
        }
    }

    /// Calls with the start and the length of parts of a run that fit a buffer.
    #[inline(always)]
    fn chunks(run: &Run, mut task: impl FnMut(usize, usize)) {
        let (count, step) = (run.count as usize, CHUNK / L);
        let mut start = 0;
        while start < count {
            task(start, step.min(count - start));
            start += step;
        }
    }

    #[inline(always)]
    fn is_wide(run: &Run) -> bool {
        L == 1 && run.count as usize >= WIDE
    }
}

struct Forward<'a, S: Slot, const L: usize>(Machine<'a, S, L>);

impl<S: Slot, const L: usize> Kernel for Forward<'_, S, L> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for run in &self.0.program.runs {
            match run.op {
                Op::Add => self.each(run, |[a, b]| a + b),
                Op::Sub => self.each(run, |[a, b]| a - b),
                Op::Mul => self.each(run, |[a, b]| a * b),
                Op::Div => self.each(run, |[a, b]| a / b),
                Op::Neg => self.each(run, |[a]| -a),
                Op::Sum => self.sum(run),
                Op::Dot => self.products(run, false),
                Op::Accumulate => self.products(run, true),
                Op::Row(row) => self.row(run, row),
            }
        }
    }
}

impl<S: Slot, const L: usize> Forward<'_, S, L> {
    #[inline(always)]
    fn each<const A: usize>(&self, run: &Run, function: impl Fn([S; A]) -> S) {
        let machine = &self.0;
        if Machine::<S, L>::is_wide(run) {
            return Machine::<S, L>::chunks(run, |start, count| {
                let first = machine.fetch(run, 0, start, count, 0);
                let mut x = [first; A];
                let mut k = 1;
                while k < A {
                    x[k] = &machine.fetch(run, k, start, count, k)[..first.len()];
                    k += 1;
                }
                for (i, y) in machine.results(run, start, count).iter_mut().enumerate().take(first.len()) {
                    let mut operands = [first[i]; A];
                    let mut k = 1;
                    while k < A {
                        operands[k] = x[k][i];
                        k += 1;
                    }
                    *y = function(operands);
                }
            });
        }
        for i in 0..run.count as usize {
            let mut x = [[S::NOTHING; L]; A];
            let mut k = 0;
            while k < A {
                x[k] = machine.operand(run, k, i);
                k += 1;
            }
            let mut y = [S::NOTHING; L];
            let mut lane = 0;
            while lane < L {
                let mut operands = [S::NOTHING; A];
                let mut k = 0;
                while k < A {
                    operands[k] = x[k][lane];
                    k += 1;
                }
                y[lane] = function(operands);
                lane += 1;
            }
            machine.store(run.out as usize + i, y);
        }
    }

    #[inline(always)]
    fn sum(&self, run: &Run) {
        let machine = &self.0;
        let width = run.width as usize;
        if Machine::<S, L>::is_wide(run) {
            return Machine::<S, L>::chunks(run, |start, count| {
                let y = machine.results(run, start, count);
                y.copy_from_slice(machine.fetch(run, 0, start, count, 0));
                for k in 1..width {
                    let x = machine.fetch(run, k, start, count, 0);
                    match run.signs & (1 << k) {
                        0 => y.iter_mut().zip(x).for_each(|(y, &x)| *y = *y + x),
                        _ => y.iter_mut().zip(x).for_each(|(y, &x)| *y = *y - x),
                    }
                }
            });
        }
        for i in 0..run.count as usize {
            let mut y = machine.operand(run, 0, i);
            for k in 1..width {
                let x = machine.operand(run, k, i);
                let minus = run.signs & (1 << k) != 0;
                let mut lane = 0;
                while lane < L {
                    y[lane] = if minus { y[lane] - x[lane] } else { y[lane] + x[lane] };
                    lane += 1;
                }
            }
            machine.store(run.out as usize + i, y);
        }
    }

    /// `x0 + x1 x2 + ...` with a start, `x0 x1 + ...` without.
    #[inline(always)]
    fn products(&self, run: &Run, start_given: bool) {
        let machine = &self.0;
        let head = usize::from(start_given);
        let terms = (run.width as usize - head) / 2;
        if Machine::<S, L>::is_wide(run) {
            return Machine::<S, L>::chunks(run, |start, count| self.wide_products(run, start_given, start, count));
        }
        for i in 0..run.count as usize {
            let mut y = machine.operand(run, 0, i);
            let mut first = 0;
            if !start_given {
                let b = machine.operand(run, 1, i);
                let mut lane = 0;
                while lane < L {
                    y[lane] = y[lane] * b[lane];
                    lane += 1;
                }
                first = 1;
            }
            for t in first..terms {
                let (a, b) = (machine.operand(run, head + 2 * t, i), machine.operand(run, head + 2 * t + 1, i));
                let minus = run.signs & (1 << t) != 0;
                let mut lane = 0;
                while lane < L {
                    let product = a[lane] * b[lane];
                    y[lane] = if minus { y[lane] - product } else { y[lane] + product };
                    lane += 1;
                }
            }
            machine.store(run.out as usize + i, y);
        }
    }

    #[inline(always)]
    fn wide_products(&self, run: &Run, start_given: bool, start: usize, count: usize) {
        let machine = &self.0;
        let head = usize::from(start_given);
        let terms = (run.width as usize - head) / 2;
        let y = machine.results(run, start, count);
        if start_given {
            y.copy_from_slice(machine.fetch(run, 0, start, count, 0));
        }
        for t in 0..terms {
            let a = machine.fetch(run, head + 2 * t, start, count, 0);
            let b = machine.fetch(run, head + 2 * t + 1, start, count, 1);
            let pairs = y.iter_mut().zip(a.iter().zip(b));
            match (t == 0 && !start_given, run.signs & (1 << t)) {
                (true, _) => pairs.for_each(|(y, (&a, &b))| *y = a * b),
                (false, 0) => pairs.for_each(|(y, (&a, &b))| *y = *y + a * b),
                (false, _) => pairs.for_each(|(y, (&a, &b))| *y = *y - a * b),
            }
        }
    }

    #[inline(always)]
    fn row(&self, run: &Run, row: u16) {
        let machine = &self.0;
        let function = S::functions(&machine.program.rows[row as usize]).forward;
        Machine::<S, L>::chunks(run, |start, count| {
            let mut x: [&[S]; MOST] = [&[]; MOST];
            for (k, x) in x.iter_mut().enumerate().take(run.width as usize) {
                *x = machine.fetch(run, k, start, count, k);
            }
            function(x, machine.results(run, start, count));
        });
    }
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

    /// One lane, many statements: the cotangents lie side by side.
    #[inline(always)]
    fn wide(&self, run: &Run) {
        let machine = &self.0;
        Machine::<S, L>::chunks(run, |start, count| {
            let g = &*machine.cotangents(run, start, count);
            let active = |k: usize| run.active & (1 << k) != 0;
            let minus = |part: usize| run.signs & (1 << part) != 0;
            match run.op {
                Op::Dot => self.wide_products(run, 0, start, count),
                Op::Accumulate => self.wide_products(run, 1, start, count),
                Op::Mul => {
                    for k in (0..2).filter(|&k| active(k)) {
                        let x = machine.fetch(run, 1 - k, start, count, 0);
                        machine.scatter(run, k, start, count, |i| Self::scaled(g[i], x[i]));
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
        });
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
            let x = machine.fetch(run, ((k - head) ^ 1) + head, start, count, 0);
            match run.signs & (1 << t) {
                0 => machine.scatter(run, k, start, count, |i| Self::scaled(g[i], x[i])),
                _ => machine.scatter(run, k, start, count, |i| Self::scaled(-g[i], x[i])),
            }
        }
    }

    #[inline(always)]
    fn row(&self, run: &Run, row: u16) {
        let machine = &self.0;
        let function = S::functions(&machine.program.rows[row as usize]).reverse;
        Machine::<S, L>::chunks(run, |start, count| {
            let mut x: [&[S]; MOST] = [&[]; MOST];
            for (k, x) in x.iter_mut().enumerate().take(run.width as usize) {
                *x = machine.fetch(run, k, start, count, k);
            }
            let (y, g) = (&*machine.results(run, start, count), &*machine.cotangents(run, start, count));
            // SAFETY: the last buffer, which no operand uses.
            let parts = unsafe { slice::from_raw_parts_mut(machine.scratch.add(MOST * CHUNK), count * L) };
            for k in (0..run.width as usize).filter(|k| run.active & (1 << k) != 0) {
                function(k, Block { x, y, g }, parts);
                let parts = &*parts;
                machine.scatter(run, k, start, count, |i| parts[i]);
            }
        });
    }
}
