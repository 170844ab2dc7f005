//! A fused group of one block, which is most of what a small model runs: on the calling thread, instruction by
//! instruction, with no lists of what other threads or blocks would need.

use smallvec::SmallVec;

use super::execute::{Block, Memory, Run, cut};
use super::plan::{Fused, Pattern, Place, Source, Target};
use crate::error::Result;
use crate::kernels::gather;
use crate::kernels::number::Element;
use crate::tape::op::Join;
use crate::tensor::storage::Storage;

/// The memory of a pass, borrowed: `taken` are the stores, and the register that is written is empty.
struct Pass<'p, 'm, T: Element> {
    run: &'p Run<'p, T>,
    memory: &'p Memory<T>,
    fused: &'p Fused,
    registers: SmallVec<[&'m mut [T]; 32]>,
    stores: SmallVec<[&'m mut [T]; 8]>,
}

impl<T: Element> Pass<'_, '_, T> {
    #[inline]
    fn load(&self, load: usize) -> &[T] {
        match self.fused.loads[load].place {
            Place::Buffer(i) => &self.memory.buffers[i as usize],
            Place::Result(i) => &self.memory.results[i as usize],
            Place::Tape(leaf) => self.run.leaf(leaf),
        }
    }

    #[inline]
    fn source(&self, source: Source) -> &[T] {
        match source {
            Source::Load(i) => &self.load(i as usize)[..self.fused.volume],
            Source::Register(i) => &*self.registers[i as usize],
            Source::Store(i) => &*self.stores[i as usize],
        }
    }

    /// Fills the registers of what has to be repeated.
    fn repeat(&mut self) {
        for (i, load) in self.fused.loads.iter().enumerate() {
            match &load.pattern {
                Pattern::Direct => {}
                Pattern::Splat { register } => {
                    let value = self.load(i)[0];
                    self.registers[*register as usize].fill(value);
                }
                Pattern::Repeat { register, lengths, strides } => {
                    let whole = std::mem::take(&mut self.registers[*register as usize]);
                    gather::repeat(self.load(i), lengths, strides, 0, whole);
                    self.registers[*register as usize] = whole;
                }
            }
        }
    }

    #[inline]
    fn compute(&self, row: Block<T>, sources: &[Source], output: &mut [T]) {
        let mut values: [&[T]; 4] = [&[]; 4];
        for (to, &from) in values.iter_mut().zip(sources) {
            *to = self.source(from);
        }
        match row {
            Some(row) => row(&values[..sources.len()], output),
            None => output.copy_from_slice(values[0]),
        }
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
        let volume = fused.volume;
        let mut scratch = memory.take_scratch(volume * fused.registers);
        let mut storages = SmallVec::<[Storage<T>; 8]>::new();
        for &(_, place) in &fused.stores {
            storages.push(memory.take(place));
        }
        let mut joined = SmallVec::<[T; 8]>::new();
        joined.resize(fused.joins.len(), T::NAN);
        let (registers, stores) = (SmallVec::new(), SmallVec::new());
        let mut pass = Pass { run: self, memory, fused, registers, stores };
        let mut rest = scratch.make_mut();
        for _ in 0..fused.registers {
            pass.registers.push(cut(&mut rest, volume));
        }
        for storage in &mut storages {
            pass.stores.push(&mut storage.make_mut()[..volume]);
        }
        pass.repeat();
        for (instruction, &row) in fused.instructions.iter().zip(rows) {
            match instruction.target {
                Target::Register(i) => {
                    let whole = std::mem::take(&mut pass.registers[i as usize]);
                    pass.compute(row, &instruction.sources, whole);
                    pass.registers[i as usize] = whole;
                }
                Target::Store(i) => {
                    let whole = std::mem::take(&mut pass.stores[i as usize]);
                    pass.compute(row, &instruction.sources, whole);
                    pass.stores[i as usize] = whole;
                }
                Target::Join(i) => {
                    if let Some(join) = joins[i as usize] {
                        joined[i as usize] = join(pass.source(instruction.sources[0]));
                    }
                }
            }
        }
        drop(pass);
        memory.give_scratch(scratch);
        for (&(_, place), value) in fused.joins.iter().zip(joined) {
            let mut storage = memory.take(place);
            storage.make_mut()[0] = value;
            memory.put(place, storage);
        }
        self.put_checked(fused, storages, memory)
    }
}
