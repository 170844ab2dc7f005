//! A fused group of one block, which is most of what a small model runs: on the calling thread, instruction by
//! instruction, with no lists of what other threads or blocks would need.

use smallvec::SmallVec;

use super::execute::{Block, Memory, Run};
use super::plan::{Fused, Instruction, Pattern, Place, Source, Target};
use crate::error::Result;
use crate::kernels::gather;
use crate::kernels::number::Element;
use crate::tape::op::Join;
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
    fn compute(&self, instruction: &Instruction, row: Block<T>, output: &mut [T]) {
        let mut values: [&[T]; 4] = [&[]; 4];
        for (to, &from) in values.iter_mut().zip(&instruction.sources) {
            *to = self.source(from);
        }
        match row {
            Some(row) => row(&values[..instruction.sources.len()], output),
            None => output.copy_from_slice(values[0]),
        }
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
    pub(super) fn run_small(
        &self,
        fused: &Fused,
        rows: &[Block<T>],
        joins: &[Option<Join<T>>],
        memory: &mut Memory<T>,
    ) -> Result<()> {
        let mut scratch = memory.take_scratch(fused.volume * fused.registers);
        let mut storages = SmallVec::<[Storage<T>; 8]>::new();
        for &(_, place) in fused.stores.iter().chain(&fused.joins) {
            storages.push(memory.take(place));
        }
        let mut written = SmallVec::<[&mut [T]; 8]>::new();
        for storage in &mut storages {
            written.push(storage.make_mut());
        }
        let (stores, joined) = written.split_at_mut(fused.stores.len());
        stores.iter_mut().for_each(|store| *store = &mut std::mem::take(store)[..fused.volume]);
        self.instruct_small(fused, (rows, joins), memory, scratch.make_mut(), stores, joined);
        drop(written);
        memory.give_scratch(scratch);
        let mut done = Ok(());
        for (&(node, place), storage) in fused.stores.iter().chain(&fused.joins).zip(storages) {
            if self.check_finite && done.is_ok() {
                done = self.check(self.ids[node as usize], &storage[..fused.volume.min(storage.len())]);
            }
            memory.put(place, storage);
        }
        done
    }

    /// Runs the instructions, on registers that lie one after the other.
    fn instruct_small(
        &self,
        fused: &Fused,
        (rows, joins): (&[Block<T>], &[Option<Join<T>>]),
        memory: &Memory<T>,
        registers: &mut [T],
        stores: &mut [&mut [T]],
        joined: &mut [&mut [T]],
    ) {
        let volume = fused.volume;
        for repeated in &fused.loads {
            match &repeated.pattern {
                Pattern::Direct => {}
                Pattern::Splat { register } => {
                    let value = load(self, memory, repeated.place)[0];
                    registers[*register as usize * volume..][..volume].fill(value);
                }
                Pattern::Repeat { register, lengths, strides } => {
                    let values = load(self, memory, repeated.place);
                    let register = &mut registers[*register as usize * volume..][..volume];
                    gather::repeat(values, lengths, strides, 0, register);
                }
            }
        }
        for (instruction, &row) in fused.instructions.iter().zip(rows) {
            match instruction.target {
                Target::Register(i) => {
                    let written = i as usize;
                    let (low, rest) = registers.split_at_mut(written * volume);
                    let (output, high) = rest.split_at_mut(volume);
                    Readable { run: self, memory, fused, low, high, written, stores }.compute(instruction, row, output);
                }
                Target::Store(i) => {
                    let output = std::mem::take(&mut stores[i as usize]);
                    let (low, high, written) = (&*registers, &[][..], usize::MAX);
                    Readable { run: self, memory, fused, low, high, written, stores }.compute(instruction, row, output);
                    stores[i as usize] = output;
                }
                Target::Join(i) => {
                    let (low, high, written) = (&*registers, &[][..], usize::MAX);
                    let readable = Readable { run: self, memory, fused, low, high, written, stores };
                    let values = readable.source(instruction.sources[0]);
                    joined[i as usize][0] = joins[i as usize].map_or(T::NAN, |join| join(values));
                }
            }
        }
    }
}
