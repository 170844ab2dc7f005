//! One pass of a fused group over memory, block by block. Must know no tape.

use std::sync::Mutex;

use smallvec::SmallVec;

use super::plan::{Fused, Instruction, Joined, Pattern, Source, Target};
use crate::kernels::chain::{self, Chain};
use crate::kernels::number::Element;
use crate::kernels::{gather, pool, reduce};
use crate::tape::op::{Join, RowWise};
use crate::tensor::storage::Storage;

/// Bytes that the registers and the blocks of what is read and written have together: the first-level cache.
const CACHE_BYTES: usize = 32 << 10;

/// Bytes of a block at least and at most: long enough to be worth an instruction, short enough to leave blocks to
/// several threads.
pub(super) const BLOCK_BYTES: (usize, usize) = (1 << 10, 8 << 10);

/// Steps of a sum that a block takes one after the other at most.
const SUM_STEPS: usize = 16;

/// Elements read and written from which on a pass looks ahead: fewer are in a near cache anyway.
const STREAMED: usize = 256 << 10;

/// Elements below which a fused group runs on one thread.
const PARALLEL_ELEMENTS: usize = 16 << 10;

/// Stretches for each thread where there is enough work: a thread that is held up then holds up little.
const STRETCHES: usize = 4;

/// The elements of a block. They depend on the plan alone, so what is joined block by block does too.
pub(super) fn block_of<T: Element>(fused: &Fused) -> usize {
    // What is repeated has a register; one number takes no room.
    let direct = fused.loads.iter().filter(|load| load.pattern == Pattern::Direct).count();
    // Blocks, and with them sums, are the same wherever values lie.
    let in_place = fused.stores.iter().filter(|store| store.in_place).count();
    let streams = fused.registers + direct + fused.stores.len() + in_place;
    // What is done to rows costs something for each block: those are longer, in the second-level cache.
    let cache = if fused.row > 1 { 2 * CACHE_BYTES } else { CACHE_BYTES };
    let bytes = (cache / streams.max(1)).clamp(BLOCK_BYTES.0, BLOCK_BYTES.1);
    // Whole tiles: a part of one costs a chain as much.
    let tile = chain::tile::<T>();
    let mut block = (bytes / size_of::<T>() / tile).max(1) * tile;
    if fused.sums > 0 {
        block = block.min(SUM_STEPS * chain::sums::<T>());
    }
    (block / fused.unit).max(1) * fused.unit
}

/// How joins of one kind join the middle axis of `[outer, n, inner]`.
pub(super) fn kernel<T: Element>(join: Join) -> fn(&[T], [usize; 3], &mut [T]) {
    match join {
        Join::Sum => reduce::sum,
        Join::Greatest => reduce::max,
        Join::Least => reduce::min,
    }
}

/// Joins the parts of all blocks.
pub(super) fn join_parts<T: Element>(joined: &Joined, parts: &[T], output: &mut [T]) {
    let inner = joined.extent[2];
    if joined.sums.is_none() {
        return kernel::<T>(joined.join)(parts, [1, parts.len() / inner, inner], &mut output[..inner]);
    }
    let mut sums = SmallVec::<[T; 64]>::from_elem(T::of(0.0), chain::sums::<T>());
    reduce::sum(parts, [1, parts.len() / chain::sums::<T>(), chain::sums::<T>()], &mut sums);
    reduce::sum(&sums, [1, chain::sums::<T>(), 1], &mut output[..1]);
}

/// The loop of an instruction that is not of the pass itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Function<T> {
    None,
    Row(fn(&[&[T]], &mut [T])),
    RowWise(RowWise<T>),
}

/// The registers of a thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scratch {
    /// From one register to the next.
    stride: usize,
    /// The elements of all registers.
    registers: usize,
    /// The same, with the sums of a block that chains keep.
    pub(super) length: usize,
}

impl Scratch {
    pub(super) fn of<T: Element>(fused: &Fused, block: usize) -> Scratch {
        // Whole lines of the cache, and one more: neighbours at a distance of 4096 bytes would be in each other's way.
        let line = 64 / size_of::<T>();
        let stride = block.min(fused.volume).next_multiple_of(line) + line;
        let registers = stride * fused.registers;
        Scratch { stride, registers, length: registers + fused.sums * chain::sums::<T>() }
    }
}

/// One pass of a fused group over memory.
pub(super) struct Pass<'a, T: Element> {
    pub(super) fused: &'a Fused,
    pub(super) loads: &'a [&'a [T]],
    /// The loop of each instruction.
    pub(super) functions: &'a [Function<T>],
    /// The elements of a block.
    pub(super) block: usize,
    pub(super) scratch: Scratch,
}

/// Cuts the first elements off a slice.
pub(super) fn cut<'a, T>(slice: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (head, tail) = std::mem::take(slice).split_at_mut(count);
    *slice = tail;
    head
}

/// What one thread writes: a stretch of every store.
struct Stretch<'a, T> {
    start: usize,
    end: usize,
    stores: SmallVec<[&'a mut [T]; 8]>,
    /// What joins make of the stretch. Blocks do not depend on the threads, so this does not either.
    parts: SmallVec<[&'a mut [T]; 4]>,
}

/// The registers of a thread while it runs.
type Registers<'a, T> = SmallVec<[&'a mut [T]; 32]>;

/// A block: `count` elements from `low`, which is `own` from the start of the thread's stretch.
#[derive(Clone, Copy)]
struct Part {
    low: usize,
    own: usize,
    count: usize,
}

/// A block, and its rows: of what has an element for each row.
#[derive(Clone, Copy)]
struct Parts {
    all: Part,
    rows: Part,
}

impl Parts {
    fn of(all: Part, row: usize) -> Parts {
        let rows = match row {
            1 => all,
            _ => Part { low: all.low / row, own: all.own / row, count: all.count / row },
        };
        Parts { all, rows }
    }

    #[inline(always)]
    fn get(self, of_rows: bool) -> Part {
        if of_rows { self.rows } else { self.all }
    }
}

impl<T: Element> Pass<'_, T> {
    /// Runs all blocks, in several stretches where there are several threads: elements do not depend on each other, so
    /// the result does not depend on the number of threads.
    /// The scratch memory is that of the calling thread.
    pub(super) fn run<'m>(
        &self,
        own: &mut [T],
        mut stores: SmallVec<[&'m mut [T]; 8]>,
        mut parts: SmallVec<[&'m mut [T]; 4]>,
    ) {
        let (block, volume) = (self.block, self.fused.volume);
        let threads = if volume < PARALLEL_ELEMENTS { 1 } else { pool::threads().min(volume / block).max(1) };
        if threads == 1 {
            self.run_stretch(own, Stretch { start: 0, end: volume, stores, parts });
            return;
        }
        // What is summed together is of one stretch.
        let unit = self.summed().map(|joined| joined.summed(block)).max().unwrap_or(block);
        let units = volume.div_ceil(unit);
        let count = (volume / PARALLEL_ELEMENTS).clamp(threads, STRETCHES * threads).min(units);
        let mut stretches = SmallVec::<[Mutex<Option<Stretch<'_, T>>>; 8]>::new();
        for i in 0..count {
            let [start, end] = [i, i + 1].map(|i| (units * i / count * unit).min(volume));
            let own = self.fused.stores.iter().map(|store| self.fused.count(end - start, store.of_rows));
            let stores = stores.iter_mut().zip(own).map(|(store, own)| cut(store, own)).collect();
            let made = self.fused.joins.iter().map(|joined| joined.made(end - start, block, chain::sums::<T>()));
            let parts = parts.iter_mut().zip(made).map(|(parts, made)| cut(parts, made)).collect();
            stretches.push(Mutex::new(Some(Stretch { start, end, stores, parts })));
        }
        let take = |stretch: &Mutex<Option<_>>| stretch.lock().ok().and_then(|mut stretch| stretch.take());
        pool::run(stretches.len(), &|i| {
            if let Some(mut own) = Storage::try_unspecified(self.scratch.length)
                && let Some(stretch) = take(&stretches[i])
            {
                self.run_stretch(own.make_mut(), stretch);
            }
        });
        // What a thread had no memory for.
        for stretch in stretches.iter().filter_map(take) {
            self.run_stretch(own, stretch);
        }
    }

    /// The joins that are sums which chains keep, in the order of these.
    fn summed(&self) -> impl Iterator<Item = &Joined> {
        self.fused.joins.iter().filter(|joined| joined.sums.is_some())
    }

    fn run_stretch(&self, memory: &mut [T], mut stretch: Stretch<'_, T>) {
        let (start, end) = (stretch.start, stretch.end);
        if start == end {
            return;
        }
        let (memory, sums) = memory.split_at_mut(self.scratch.registers);
        let mut registers: Registers<'_, T> = SmallVec::new();
        registers.extend(memory.chunks_exact_mut(self.scratch.stride).take(self.fused.registers));
        for &(load, register) in &self.fused.fills {
            registers[register as usize].fill(self.loads[load as usize][0]);
        }
        let first = Part { low: start, own: 0, count: self.block.min(end - start) };
        self.repeat(Parts::of(first, self.fused.row), &mut registers, true);
        let is_function = |instruction: &&Instruction| matches!(instruction, Instruction::Row { of_rows: false, .. });
        let functions = self.fused.instructions.iter().filter(is_function).count();
        let streams = self.fused.volume * (self.fused.loads.len() + self.fused.stores.len()) >= STREAMED;
        for low in (start..end).step_by(self.block) {
            let part = Part { low, own: low - start, count: self.block.min(end - low) };
            let parts = Parts::of(part, self.fused.row);
            self.repeat(parts, &mut registers, false);
            sums.fill(T::of(0.0));
            let mut seen = 0;
            for (instruction, function) in self.fused.instructions.iter().zip(self.functions) {
                if streams && is_function(&instruction) {
                    self.prefetch(part, end, (seen, functions), &stretch.stores);
                    seen += 1;
                }
                match instruction {
                    Instruction::Chain { chain, of_rows } => {
                        self.run_chain(chain, parts.get(*of_rows), &mut registers, &mut stretch.stores, sums);
                    }
                    Instruction::Join { join, source } => {
                        let values = self.source(source, part, &registers, &stretch.stores);
                        self.join(*join as usize, values, part, &mut stretch.parts);
                    }
                    _ => self.run_row((*function, instruction), parts, &mut registers, &mut stretch.stores),
                }
            }
            self.add_sums(sums, part, &mut stretch.parts);
        }
    }

    /// Adds the sums of a block to their place among the parts.
    fn add_sums(&self, sums: &[T], part: Part, parts: &mut [&mut [T]]) {
        let mut sums = sums.chunks_exact(chain::sums::<T>());
        for (joined, parts) in self.fused.joins.iter().zip(parts).filter(|(joined, _)| joined.sums.is_some()) {
            let from = part.own / joined.summed(self.block) * chain::sums::<T>();
            let sums = sums.next().unwrap_or_default();
            parts[from..][..sums.len()].iter_mut().zip(sums).for_each(|(part, &sum)| *part += sum);
        }
    }

    /// Fills registers with a block of repeated operands: those that are the same for every block, or the others.
    fn repeat(&self, parts: Parts, registers: &mut Registers<'_, T>, same: bool) {
        for (load, values) in self.fused.loads.iter().zip(self.loads) {
            if let Pattern::Repeat { register, lengths, strides, steady } = &load.pattern
                && *steady == same
            {
                let part = parts.get(load.of_rows);
                let to = &mut registers[*register as usize][..part.count];
                gather::repeat(values, lengths, strides, part.low, to);
            }
        }
    }

    /// Brings a share of the next block near while a function is computed. Left to the loads and stores themselves, the
    /// memory would stand still during one instruction and be waited for during another.
    fn prefetch(&self, part: Part, end: usize, (seen, functions): (usize, usize), stores: &[&mut [T]]) {
        let next = part.low + part.count;
        let count = self.block.min(end - next);
        let share = |place: usize| count * place / functions;
        let (from, to) = (share(seen), share(seen + 1));
        for (load, values) in self.fused.loads.iter().zip(self.loads) {
            if load.pattern == Pattern::Direct && !load.of_rows {
                chain::prefetch(&values[next + from..next + to]);
            }
        }
        let own = part.own + part.count;
        let whole = stores.iter().zip(&self.fused.stores).filter(|(_, store)| !store.of_rows);
        whole.for_each(|(values, _)| chain::prefetch(&values[own + from..own + to]));
    }

    fn run_chain(
        &self,
        chain: &Chain,
        part: Part,
        registers: &mut Registers<'_, T>,
        stores: &mut [&mut [T]],
        sums: &mut [T],
    ) {
        let Part { low, own, count } = part;
        let mut lists = SmallVec::<[&mut [T]; 4]>::new();
        lists.extend(sums.chunks_exact_mut(chain::sums::<T>()));
        chain.run(&mut chain::Block {
            inputs: self.loads,
            low,
            registers,
            outputs: stores,
            own,
            sums: &mut lists,
            count,
        });
    }

    /// Joins a block to its place among the parts.
    fn join(&self, join: usize, values: &[T], part: Part, parts: &mut [&mut [T]]) {
        let joined = &self.fused.joins[join];
        let made = |elements| joined.made(elements, self.block, chain::sums::<T>());
        let (from, made) = (made(part.own), made(part.count));
        kernel::<T>(joined.join)(values, joined.shape(part.count), &mut parts[join][from..from + made]);
    }

    /// Runs an instruction that writes to a register or a store, on one block.
    #[inline]
    fn run_row(
        &self,
        (function, instruction): (Function<T>, &Instruction),
        parts: Parts,
        registers: &mut [&mut [T]],
        stores: &mut [&mut [T]],
    ) {
        let (target, of_rows) = match *instruction {
            Instruction::Row { target, of_rows, .. } => (target, of_rows),
            Instruction::RowWise { target, .. } => (target, false),
            Instruction::Rows { target, .. } => (target, true),
            Instruction::Spread { register, .. } => (Target::Register(register), false),
            Instruction::Chain { .. } | Instruction::Join { .. } => return,
        };
        let Part { own, count, .. } = parts.get(of_rows);
        match target {
            Target::Register(i) => {
                let whole = std::mem::take(&mut registers[i as usize]);
                self.compute((function, instruction), parts, registers, stores, &mut whole[..count]);
                registers[i as usize] = whole;
            }
            Target::Store(i) => {
                let whole = std::mem::take(&mut stores[i as usize]);
                self.compute((function, instruction), parts, registers, stores, &mut whole[own..own + count]);
                stores[i as usize] = whole;
            }
        }
    }

    #[inline]
    fn compute(
        &self,
        (function, instruction): (Function<T>, &Instruction),
        parts: Parts,
        registers: &[&mut [T]],
        stores: &[&mut [T]],
        output: &mut [T],
    ) {
        let n = self.fused.row;
        match (instruction, function) {
            (Instruction::Row { sources, of_rows, .. }, Function::Row(function)) => {
                let mut inputs: [&[T]; 4] = [&[]; 4];
                for (to, from) in inputs.iter_mut().zip(sources) {
                    *to = self.source(from, parts.get(*of_rows), registers, stores);
                }
                function(&inputs[..sources.len()], output);
            }
            (Instruction::RowWise { n, source, .. }, Function::RowWise(function)) => {
                function(self.source(source, parts.all, registers, stores), *n, output);
            }
            (Instruction::Rows { join, source, .. }, _) => {
                kernel::<T>(*join)(self.source(source, parts.all, registers, stores), [output.len(), n, 1], output);
            }
            (Instruction::Spread { source, .. }, _) => {
                let from = self.source(source, parts.rows, registers, stores);
                gather::repeat(from, &[from.len(), n], &[1, 0], 0, output);
            }
            _ => {}
        }
    }

    /// The elements of a block that an instruction reads.
    #[inline]
    fn source<'s>(
        &'s self,
        source: &Source,
        Part { low, own, count }: Part,
        registers: &'s [&mut [T]],
        stores: &'s [&mut [T]],
    ) -> &'s [T] {
        match *source {
            Source::Load(i) => &self.loads[i as usize][low..low + count],
            Source::Register(i) => &registers[i as usize][..count],
            Source::Store(i) => &stores[i as usize][own..own + count],
        }
    }
}
