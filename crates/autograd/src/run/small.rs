//! A fused group of one block, which is most of what a small model runs: on the calling thread, instruction by
//! instruction, with no lists of what other threads or blocks would need.

use smallvec::SmallVec;

use super::execute::{Memory, Run};
use super::pass::{self, Row};
use super::plan::{Fused, Instruction, Pattern, Place, Source, Target};
use crate::error::Result;
use crate::kernels::chain::{self, Chain};
use crate::kernels::gather;
use crate::kernels::number::Element;
use crate::tensor::storage::Storage;

/// What an instruction may read: everything but what it writes.
struct Readable<'r, T: Element> {
    run: &'r Run<'r, T>,
    memory: &'r Memory<T>,
    fused: &'r Fused,
    /// The registers before the one that is written, and those after it.
    low: &'r [T],
    high: &'r [T],
    written: usize,
    /// The one that is written is empty.
    stores: &'r [&'r mut [T]],
}

impl<'r, T: Element> Readable<'r, T> {
    #[inline(always)]
    fn source(&self, source: Source) -> &'r [T] {
        let volume = self.fused.volume;
        match source {
            Source::Load(i) => &load(self.run, self.memory, self.fused.loads[i as usize].place)[..volume],
            Source::Register(i) if (i as usize) < self.written => &self.low[i as usize * volume..][..volume],
            Source::Register(i) => &self.high[(i as usize - self.written - 1) * volume..][..volume],
            Source::Store(i) => &*self.stores[i as usize],
        }
    }

    #[inline(always)]
    fn compute(&self, sources: &[Source], row: Row<T>, output: &mut [T]) {
        let Some(row) = row else { return };
        let mut values: [&[T]; 4] = [&[]; 4];
        for (to, &from) in values.iter_mut().zip(sources) {
            *to = self.source(from);
        }
        row(&values[..sources.len()], output);
    }
}

#[inline(always)]
fn load<'r, T: Element>(run: &'r Run<'_, T>, memory: &'r Memory<T>, place: Place) -> &'r [T] {
    match place {
        Place::Buffer(i) => &memory.buffers[i as usize],
        Place::Result(i) => &memory.results[i as usize],
        Place::Tape(leaf) => run.leaf(leaf),
    }
}

impl<T: Element> Run<'_, T> {
    /// Runs a group whose elements are one block.
    pub(super) fn run_small(&self, fused: &Fused, rows: &[Row<T>], memory: &mut Memory<T>) -> Result<()> {
        let mut scratch = memory.take_scratch(fused.volume * fused.registers + fused.sums * chain::sums::<T>());
        let mut storages = SmallVec::<[Storage<T>; 8]>::new();
        for &(_, place) in &fused.stores {
            storages.push(memory.take(place));
        }
        for joined in &fused.joins {
            storages.push(memory.take(joined.place));
        }
        let mut written = SmallVec::<[&mut [T]; 8]>::new();
        for storage in &mut storages {
            written.push(storage.make_mut());
        }
        let (stores, joined) = written.split_at_mut(fused.stores.len());
        stores.iter_mut().for_each(|store| *store = &mut std::mem::take(store)[..fused.volume]);
        self.instruct_small(fused, rows, memory, scratch.make_mut(), stores, joined);
        drop(written);
        memory.give_scratch(scratch);
        let mut done = Ok(());
        let nodes = fused.stores.iter().copied().chain(fused.joins.iter().map(|joined| (joined.node, joined.place)));
        for ((node, place), storage) in nodes.zip(storages) {
            if self.check_finite && done.is_ok() {
                let volume = self.steps.selection.shapes[node as usize].volume();
                done = self.check(self.ids[node as usize], &storage[..volume]);
            }
            memory.put(place, storage);
        }
        done
    }

    /// Runs the instructions, on registers that lie one after the other.
    fn instruct_small(
        &self,
        fused: &Fused,
        rows: &[Row<T>],
        memory: &Memory<T>,
        scratch: &mut [T],
        stores: &mut [&mut [T]],
        joined: &mut [&mut [T]],
    ) {
        let volume = fused.volume;
        let (registers, sums) = scratch.split_at_mut(volume * fused.registers);
        sums[..fused.sums * chain::sums::<T>()].fill(T::of(0.0));
        for repeated in &fused.loads {
            if let Pattern::Repeat { register, lengths, strides, .. } = &repeated.pattern {
                let values = load(self, memory, repeated.place);
                let register = &mut registers[*register as usize * volume..][..volume];
                gather::repeat(values, lengths, strides, 0, register);
            }
        }
        for &(number, register) in &fused.fills {
            let value = load(self, memory, fused.loads[number as usize].place)[0];
            registers[register as usize * volume..][..volume].fill(value);
        }
        for (instruction, &row) in fused.instructions.iter().zip(rows) {
            match instruction {
                Instruction::Row { sources, target: Target::Register(i), .. } => {
                    let written = *i as usize;
                    let (low, rest) = registers.split_at_mut(written * volume);
                    let (output, high) = rest.split_at_mut(volume);
                    Readable { run: self, memory, fused, low, high, written, stores }.compute(sources, row, output);
                }
                Instruction::Row { sources, target: Target::Store(i), .. } => {
                    let output = std::mem::take(&mut stores[*i as usize]);
                    let (low, high, written) = (&*registers, &[][..], usize::MAX);
                    Readable { run: self, memory, fused, low, high, written, stores }.compute(sources, row, output);
                    stores[*i as usize] = output;
                }
                Instruction::Chain(chain) => self.chain_small(chain, fused, memory, registers, stores, sums),
                Instruction::Join { join, source } => {
                    let (low, high, written) = (&*registers, &[][..], usize::MAX);
                    let readable = Readable { run: self, memory, fused, low, high, written, stores };
                    let (values, own) = (readable.source(*source), &fused.joins[*join as usize]);
                    let made = own.made(volume, volume, chain::sums::<T>());
                    let output = &mut joined[*join as usize][..made];
                    pass::kernel::<T>(own.join)(values, own.shape(volume), output);
                }
            }
        }
        let kept = fused.joins.iter().zip(joined).filter(|(own, _)| own.sums.is_some());
        for ((own, output), sums) in kept.zip(sums.chunks_exact(chain::sums::<T>())) {
            pass::join_parts(own, sums, output);
        }
    }

    fn chain_small(
        &self,
        chain: &Chain,
        fused: &Fused,
        memory: &Memory<T>,
        registers: &mut [T],
        stores: &mut [&mut [T]],
        sums: &mut [T],
    ) {
        let mut inputs = SmallVec::<[&[T]; 8]>::new();
        for from in &fused.loads {
            inputs.push(load(self, memory, from.place));
        }
        let mut lists = (SmallVec::<[&mut [T]; 8]>::new(), SmallVec::<[&mut [T]; 4]>::new());
        for register in registers.chunks_exact_mut(fused.volume) {
            lists.0.push(register);
        }
        for sum in sums.chunks_exact_mut(chain::sums::<T>()).take(fused.sums) {
            lists.1.push(sum);
        }
        chain.run(&mut chain::Block {
            inputs: &inputs,
            low: 0,
            registers: &mut lists.0,
            outputs: stores,
            own: 0,
            sums: &mut lists.1,
            count: fused.volume,
        });
    }
}
