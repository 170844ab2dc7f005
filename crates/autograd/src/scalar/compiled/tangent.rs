//! Forward mode: values in one lane, and beside each its derivatives along many directions in lanes.
//!
//! Each partial derivative is computed once for all directions. A place of values is given to another one as soon as nothing
//! needs it, and its derivatives with it, so that both stay in the cache.

use std::slice;

use aligned_vec::AVec;

use super::forward::Forward;
use super::fuse::Op;
use super::graph::NONE;
use super::machine::{MOST, Machine};
use super::program::{Program, Run};
use super::rows::Block;
use super::slot::{CHUNK, Memory, Slot};
use crate::kernels::dispatch::{self, Kernel};
use crate::kernels::number::{Element, Lane, Number};

/// Directions that are computed together in registers.
const GROUP: usize = 8;

/// Groups of directions that go through a program at once: more would push values out of the cache.
const MOST_GROUPS: usize = 4;

/// A number with each of [`GROUP`] directions.
type Group<T> = [T; GROUP];

/// Values of a program with their tangents.
#[derive(Debug)]
pub(super) struct Tangents<T: Element> {
    /// Groups at each place.
    groups: usize,
    pub(super) memory: Memory<T>,
    tangents: AVec<Group<T>>,
    /// Partial derivatives of a part of a run, an operand after the other; then ones.
    partials: AVec<T>,
}

impl<T: Element> Tangents<T> {
    /// Memory for as many of the directions as are taken at once.
    pub(super) fn new(program: &Program<T>, directions: usize) -> Self {
        let groups = directions.div_ceil(GROUP).clamp(1, MOST_GROUPS);
        let mut partials = AVec::from_iter(64, std::iter::repeat_n(T::ZERO, MOST * CHUNK));
        (0..CHUNK).for_each(|_| partials.push(T::ONE));
        let tangents = AVec::from_iter(64, std::iter::repeat_n([T::ZERO; GROUP], program.slots * groups));
        Tangents { groups, memory: Memory::new(program, 1), tangents, partials }
    }

    /// How many directions there are.
    pub(super) fn directions(&self) -> usize {
        self.groups * GROUP
    }

    /// The derivatives of a value, or of an input.
    pub(super) fn of(&self, place: u32) -> &[T] {
        self.tangents[place as usize * self.groups..][..self.groups].as_flattened()
    }

    /// [`Tangents::of`], to be set.
    pub(super) fn of_mut(&mut self, place: u32) -> &mut [T] {
        self.tangents[place as usize * self.groups..][..self.groups].as_flattened_mut()
    }

    /// Computes all values and tangents from those of the inputs. Where a derivative of an output comes out NaN, again with
    /// exact zeros that pass nothing on.
    pub(super) fn run(&mut self, program: &Program<T>) {
        self.push::<false>(program);
        let tangents =
            program.outputs.iter().filter(|[_, place]| *place != NONE).flat_map(|[_, place]| self.of(*place));
        // Without a branch for each.
        if tangents.fold(false, |any, tangent| any | tangent.is_nan()) {
            self.push::<true>(program);
        }
    }

    fn push<const ZERO_RULE: bool>(&mut self, program: &Program<T>) {
        assert!(self.tangents.len() == program.slots * self.groups && self.partials.len() == (MOST + 1) * CHUNK);
        let (tangents, partials) = (self.tangents.as_mut_ptr(), self.partials.as_mut_ptr());
        let forward = Forward(Machine::new(program, &mut self.memory));
        dispatch::run(Push::<T, ZERO_RULE> { forward, tangents, groups: self.groups, partials });
    }
}

struct Push<'a, T: Element, const ZERO_RULE: bool> {
    forward: Forward<'a, T, 1>,
    tangents: *mut Group<T>,
    groups: usize,
    partials: *mut T,
}

impl<T: Element, const ZERO_RULE: bool> Kernel for Push<'_, T, ZERO_RULE> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for run in &self.forward.0.program.runs {
            self.forward.values(run);
            if run.active == 0 {
                continue;
            }
            let machine = &self.forward.0;
            let (head, count) = (usize::from(run.op == Op::Accumulate), run.count as usize);
            match run.op {
                Op::Row(row) => self.row::<FMA>(run, row),
                Op::Div => self.quotient::<FMA>(run),
                Op::LogSumExp => self.log_sum_exp::<FMA>(run),
                Op::Add | Op::Neg | Op::Sum => self.each::<FMA>(run, 0, count, |k, _| Self::sign(run, k)),
                Op::Sub => self.each::<FMA>(run, 0, count, |k, _| if k == 0 { T::ONE } else { -T::ONE }),
                Op::Mul | Op::Dot | Op::Accumulate => self.each::<FMA>(run, 0, count, |k, i| match k < head {
                    true => T::ONE,
                    false => {
                        let [other] = machine.operand(run, ((k - head) ^ 1) + head, i);
                        let minus = run.signs & (1 << ((k - head) / 2)) != 0;
                        T::select(minus, -other, other)
                    }
                }),
            }
        }
    }
}

impl<T: Element, const ZERO_RULE: bool> Push<'_, T, ZERO_RULE> {
    #[inline(always)]
    fn sign(run: &Run, k: usize) -> T {
        match (run.op, run.signs & (1 << k)) {
            (Op::Add, _) | (Op::Sum, 0) => T::ONE,
            _ => -T::ONE,
        }
    }

    /// A group of tangents at a place.
    #[inline(always)]
    fn at(&self, place: u32, group: usize) -> *mut Group<T> {
        debug_assert!((place as usize) < self.forward.0.program.slots && group < self.groups);
        // SAFETY: places are below `slots`, and there are `groups` groups for each.
        unsafe { self.tangents.add(place as usize * self.groups + group) }
    }

    /// The tangents of the statements `start..end`, of which operand `k` of statement `i` has the derivative `by(k, i)`.
    #[inline(always)]
    fn each<const FMA: bool>(&self, run: &Run, start: usize, end: usize, by: impl Fn(usize, usize) -> T) {
        for i in start..end {
            let mut group = 0;
            while group + 4 <= self.groups {
                self.four::<FMA>(run, i, group, &by);
                group += 4;
            }
            while group < self.groups {
                self.single::<FMA>(run, i, group, &by);
                group += 1;
            }
        }
    }

    /// Four groups of one statement. Each has a name: in an array they would not stay in registers.
    #[inline(always)]
    fn four<const FMA: bool>(&self, run: &Run, i: usize, first: usize, by: &impl Fn(usize, usize) -> T) {
        let (mut a, mut b) = ([T::ZERO; GROUP], [T::ZERO; GROUP]);
        let (mut c, mut d) = (a, b);
        let mut rest = run.active;
        while rest != 0 {
            let k = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let (partial, place) = (by(k, i), self.place(run, k, i));
            a = self.plus::<FMA>(a, place, first, partial);
            b = self.plus::<FMA>(b, place, first + 1, partial);
            c = self.plus::<FMA>(c, place, first + 2, partial);
            d = self.plus::<FMA>(d, place, first + 3, partial);
        }
        let out = self.at(run.out + i as u32, first);
        // SAFETY: four groups from there on are the statement's own.
        unsafe {
            out.write(a);
            out.add(1).write(b);
            out.add(2).write(c);
            out.add(3).write(d);
        }
    }

    #[inline(always)]
    fn single<const FMA: bool>(&self, run: &Run, i: usize, group: usize, by: &impl Fn(usize, usize) -> T) {
        let mut sum = [T::ZERO; GROUP];
        let mut rest = run.active;
        while rest != 0 {
            let k = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            sum = self.plus::<FMA>(sum, self.place(run, k, i), group, by(k, i));
        }
        // SAFETY: the statement's own place.
        unsafe { self.at(run.out + i as u32, group).write(sum) };
    }

    #[inline(always)]
    fn place(&self, run: &Run, k: usize, i: usize) -> u32 {
        debug_assert!(k < run.width as usize && i < run.count as usize);
        // SAFETY: an active operand is below the width of the run, and `i` below its count.
        unsafe { *self.forward.0.places(run, k).get_unchecked(i) }
    }

    /// `sum` and what an operand's tangents add.
    #[inline(always)]
    fn plus<const FMA: bool>(&self, sum: Group<T>, place: u32, group: usize, partial: T) -> Group<T> {
        // SAFETY: nobody writes that group now: places of operands are apart from those of results.
        let tangents = unsafe { self.at(place, group).read() };
        let mut result = sum;
        let mut lane = 0;
        if ZERO_RULE {
            while lane < GROUP {
                result[lane] = sum[lane] + tangents[lane].by_zero_rule(partial);
                lane += 1;
            }
        } else {
            while lane < GROUP {
                result[lane] = plus_product::<T, FMA>(sum[lane], tangents[lane], partial);
                lane += 1;
            }
        }
        result
    }

    /// The buffer of partial derivatives by operand `k`; behind the last one are ones.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "through a raw pointer; each operand has a buffer of its own")]
    fn partials(&self, k: usize, count: usize) -> &mut [T] {
        debug_assert!(k <= MOST && count <= CHUNK);
        // SAFETY: there are `MOST + 1` buffers of `CHUNK` numbers.
        unsafe { slice::from_raw_parts_mut(self.partials.add(k * CHUNK), count) }
    }

    #[inline(always)]
    fn row<const FMA: bool>(&self, run: &Run, row: u16) {
        let machine = &self.forward.0;
        let function = T::functions(&machine.program.rows[row as usize]).reverse;
        for start in Machine::<T, 1>::starts(run) {
            let count = Machine::<T, 1>::part(run, start);
            let mut x: [&[T]; MOST] = [&[]; MOST];
            for (k, x) in x.iter_mut().enumerate().take(run.width as usize) {
                *x = machine.fetch(run, k, start, count, k);
            }
            let (y, ones) = (&*machine.results(run, start, count), &*self.partials(MOST, count));
            for k in (0..run.width as usize).filter(|k| run.active & (1 << k) != 0) {
                function(k, Block { x, y, g: ones }, self.partials(k, count));
            }
            self.buffered::<FMA>(run, start, count);
        }
    }

    #[inline(always)]
    fn quotient<const FMA: bool>(&self, run: &Run) {
        let machine = &self.forward.0;
        for start in Machine::<T, 1>::starts(run) {
            let count = Machine::<T, 1>::part(run, start);
            let (b, y) = (machine.fetch(run, 1, start, count, 1), &*machine.results(run, start, count));
            let [above, below] = [0, 1].map(|k| self.partials(k, count));
            for i in 0..count {
                above[i] = T::ONE / b[i];
                below[i] = -(y[i] * above[i]);
            }
            self.buffered::<FMA>(run, start, count);
        }
    }

    #[inline(always)]
    fn log_sum_exp<const FMA: bool>(&self, run: &Run) {
        let machine = &self.forward.0;
        let scale = machine.scale(run);
        for group in 0..self.groups {
            let mut sum = [T::ZERO; GROUP];
            for start in (0..run.width as usize).step_by(CHUNK) {
                let count = CHUNK.min(run.width as usize - start);
                let shares = machine.shares(run, scale, start, count);
                let places = &machine.list_adjoints(run)[start..start + count];
                for (&place, &share) in places.iter().zip(shares).filter(|(place, _)| **place != NONE) {
                    sum = self.plus::<FMA>(sum, place, group, share);
                }
            }
            // SAFETY: the statement's own place.
            unsafe { self.at(run.out, group).write(sum) };
        }
    }

    /// The tangents of a part of a run whose partial derivatives are in the buffers.
    #[inline(always)]
    fn buffered<const FMA: bool>(&self, run: &Run, start: usize, count: usize) {
        // SAFETY: within the buffer of operand `k`, as `partials` says.
        self.each::<FMA>(run, start, start + count, |k, i| unsafe { *self.partials.add(k * CHUNK + i - start) });
    }
}

/// `sum + a b`
#[inline(always)]
fn plus_product<T: Element, const FMA: bool>(sum: T, a: T, b: T) -> T {
    match FMA {
        true => T::Fused::load(a).mul_add(T::Fused::load(b), T::Fused::load(sum)).store(),
        false => sum + a * b,
    }
}
