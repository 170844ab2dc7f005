//! The loops that run a program forwards: one a run, so that an operation is chosen once for many statements.

use super::fuse::Op;
use super::machine::Machine;
use super::program::{Program, Run};
use super::slot::{Memory, Slot};
use crate::kernels::dispatch::{self, Kernel};

/// Computes all values from those of the inputs.
pub(super) fn forward<S: Slot, const L: usize>(program: &Program<S::Base>, memory: &mut Memory<S>) {
    dispatch::run(Forward(Machine::<S, L>::new(program, memory)));
}

pub(super) struct Forward<'a, S: Slot, const L: usize>(pub(super) Machine<'a, S, L>);

impl<S: Slot, const L: usize> Kernel for Forward<'_, S, L> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for run in &self.0.program.runs {
            self.values(run);
        }
    }
}

impl<S: Slot, const L: usize> Forward<'_, S, L> {
    /// Computes the values of one run.
    #[inline(always)]
    pub(super) fn values(&self, run: &Run) {
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
            Op::LogSumExp => self.0.log_sum_exp(run),
        }
    }

    #[inline(always)]
    fn each<const A: usize>(&self, run: &Run, function: impl Fn([S; A]) -> S) {
        let machine = &self.0;
        if Machine::<S, L>::is_wide(run) {
            for start in Machine::<S, L>::starts(run) {
                let count = Machine::<S, L>::part(run, start);
                let first = machine.fetch(run, 0, start, count, 0);
                if let (2, Some(second)) = (A, machine.same(run, A - 1)) {
                    let mut operands = [second; A];
                    for (y, &x) in machine.results(run, start, count).iter_mut().zip(first) {
                        operands[0] = x;
                        *y = function(operands);
                    }
                    continue;
                }
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
            }
            return;
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
            for start in Machine::<S, L>::starts(run) {
                let count = Machine::<S, L>::part(run, start);
                let y = machine.results(run, start, count);
                y.copy_from_slice(machine.fetch(run, 0, start, count, 0));
                for k in 1..width {
                    let x = machine.fetch(run, k, start, count, 0);
                    match run.signs & (1 << k) {
                        0 => y.iter_mut().zip(x).for_each(|(y, &x)| *y = *y + x),
                        _ => y.iter_mut().zip(x).for_each(|(y, &x)| *y = *y - x),
                    }
                }
            }
            return;
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
            for start in Machine::<S, L>::starts(run) {
                self.wide_products(run, start_given, start, Machine::<S, L>::part(run, start));
            }
            return;
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
        let minus = |t: usize| run.signs & (1 << t) != 0;
        let factor = |t: usize, side: usize, buffer| machine.fetch(run, head + 2 * t + side, start, count, buffer);
        let constant = |t: usize| (t < terms).then(|| machine.same(run, head + 2 * t + 1)).flatten();
        let mut t = 0;
        if start_given {
            y.copy_from_slice(machine.fetch(run, 0, start, count, 0));
        } else {
            let (a, b) = (factor(0, 0, 0), factor(0, 1, 1));
            y.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (&a, &b))| *y = a * b);
            t = 1;
        }
        // A few terms at a time: each time, the sums go through memory.
        while t < terms {
            let signed = |t: usize, c: S| if minus(t) { -c } else { c };
            match [constant(t), constant(t + 1), constant(t + 2), constant(t + 3)] {
                [Some(b), Some(c), Some(d), Some(e)] => {
                    let constants = [signed(t, b), signed(t + 1, c), signed(t + 2, d), signed(t + 3, e)];
                    add_four(
                        y,
                        [factor(t, 0, 0), factor(t + 1, 0, 1), factor(t + 2, 0, 2), factor(t + 3, 0, 3)],
                        constants,
                    );
                    t += 4;
                }
                [Some(b), Some(c), ..] => {
                    add_two(y, [factor(t, 0, 0), factor(t + 1, 0, 1)], [signed(t, b), signed(t + 1, c)]);
                    t += 2;
                }
                [Some(b), ..] => {
                    let b = signed(t, b);
                    y.iter_mut().zip(factor(t, 0, 0)).for_each(|(y, &a)| *y = *y + a * b);
                    t += 1;
                }
                [None, None, ..] if t + 1 < terms && !minus(t) && !minus(t + 1) => {
                    let (a, b) = (factor(t, 0, 0), factor(t, 1, 1));
                    let (c, d) = (factor(t + 1, 0, 2), factor(t + 1, 1, 3));
                    let pairs = a.iter().zip(b).zip(c.iter().zip(d));
                    y.iter_mut().zip(pairs).for_each(|(y, ((&a, &b), (&c, &d)))| *y = *y + a * b + c * d);
                    t += 2;
                }
                [None, ..] => {
                    let pairs = y.iter_mut().zip(factor(t, 0, 0).iter().zip(factor(t, 1, 1)));
                    match minus(t) {
                        false => pairs.for_each(|(y, (&a, &b))| *y = *y + a * b),
                        true => pairs.for_each(|(y, (&a, &b))| *y = *y - a * b),
                    }
                    t += 1;
                }
            }
        }
    }

    #[inline(always)]
    fn row(&self, run: &Run, row: u16) {
        let machine = &self.0;
        let function = S::functions(&machine.program.rows[row as usize]).forward;
        for start in Machine::<S, L>::starts(run) {
            let count = Machine::<S, L>::part(run, start);
            function(machine.fetch_all(run, start, count), machine.results(run, start, count));
        }
    }
}

/// Adds products with numbers, one after the other.
#[inline(always)]
fn add_two<S: Slot>(y: &mut [S], [a, b]: [&[S]; 2], [c, d]: [S; 2]) {
    for (y, (&a, &b)) in y.iter_mut().zip(a.iter().zip(b)) {
        *y = *y + a * c + b * d;
    }
}

/// [`add_two`] for four.
#[inline(always)]
fn add_four<S: Slot>(y: &mut [S], [a, b, c, d]: [&[S]; 4], [e, f, g, h]: [S; 4]) {
    for (y, ((&a, &b), (&c, &d))) in y.iter_mut().zip(a.iter().zip(b).zip(c.iter().zip(d))) {
        *y = *y + a * e + b * f + c * g + d * h;
    }
}
