//! The last stage: runs a plan on the values of one tape.

use std::sync::Mutex;

use smallvec::SmallVec;

use super::plan::{Fused, Instruction, Pattern, Place, Source, Step, Steps, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::kernels::{gather, pool};
use crate::tape::Inner;
use crate::tape::node::Kind;
use crate::tape::op::{Context, Join, Operand};
use crate::tensor::storage::Storage;

/// Bytes that the registers and the blocks of what is read and written have together: the first-level cache.
const CACHE_BYTES: usize = 32 << 10;

/// Bytes of a block at least and at most: long enough to be worth an instruction, short enough to leave blocks to
/// several threads.
const BLOCK_BYTES: (usize, usize) = (1 << 10, 8 << 10);

/// The elements of a block. They depend on the plan alone, so what is joined block by block does too.
fn block_of<T>(fused: &Fused) -> usize {
    let streams = fused.registers + fused.loads.len() + fused.stores.len();
    let bytes = (CACHE_BYTES / streams.max(1)).clamp(BLOCK_BYTES.0, BLOCK_BYTES.1);
    (bytes & !255) / size_of::<T>()
}

/// Elements below which a fused group runs on one thread.
const PARALLEL_ELEMENTS: usize = 16 << 10;

/// A run of a plan on a tape.
pub(crate) struct Run<'a, T: Element> {
    pub(crate) tape: &'a Inner<T>,
    /// The tape's number of each node of the plan.
    pub(crate) ids: &'a [u32],
    pub(crate) steps: &'a Steps,
    pub(crate) functions: &'a Functions<T>,
    /// The values of each leaf, at its number in the plan; nothing for other nodes.
    pub(crate) leaves: &'a [&'a [T]],
    pub(crate) seed: u64,
    pub(crate) check_finite: bool,
}

/// The loops of all instructions, and the functions of all joins, in the order of the steps: looked up once for a plan.
#[derive(Debug)]
pub(crate) struct Functions<T: Element> {
    rows: Vec<Block<T>>,
    joins: Vec<Option<Join<T>>>,
    /// For each step whether it is a fused group whose elements are one block, whatever the plan.
    small: Vec<bool>,
}

impl<T: Element> Functions<T> {
    pub(crate) fn of(tape: &Inner<T>, ids: &[u32], steps: &Steps) -> Self {
        let mut functions = Functions { rows: Vec::new(), joins: Vec::new(), small: Vec::new() };
        for step in &steps.steps {
            let small = |fused: &Fused| fused.volume > 0 && fused.volume * size_of::<T>() <= BLOCK_BYTES.0;
            functions.small.push(matches!(step, Step::Fused(fused) if small(fused)));
            if let Step::Fused(fused) = step {
                functions.rows.extend(fused.instructions.iter().map(|instruction| row(tape, ids, instruction)));
                functions.joins.extend(fused.joins.iter().map(|&(node, _)| join(tape, ids, node)));
            }
        }
        functions
    }
}

/// The loop of an instruction; a copy has none.
fn row<T: Element>(tape: &Inner<T>, ids: &[u32], instruction: &Instruction) -> Block<T> {
    match &tape.nodes[ids[instruction.node as usize] as usize].kind {
        Kind::Op(op) if !instruction.copies => op.row().map(|row| row.block),
        _ => None,
    }
}

fn join<T: Element>(tape: &Inner<T>, ids: &[u32], node: u32) -> Option<Join<T>> {
    let node = &tape.nodes[ids[node as usize] as usize];
    match &node.kind {
        Kind::Op(op) => op.joins_all(&tape.nodes[node.inputs[0] as usize].shape),
        _ => None,
    }
}

/// The memory of a run.
pub(crate) struct Memory<T: Element> {
    pub(super) buffers: Vec<Storage<T>>,
    pub(super) results: Vec<Storage<T>>,
    /// For registers and for what blocks join to, as long as any pass needed it.
    scratch: Storage<T>,
}

impl<T: Element> Default for Memory<T> {
    fn default() -> Self {
        Memory { buffers: Vec::new(), results: Vec::new(), scratch: Storage::default() }
    }
}

impl<T: Element> Memory<T> {
    /// Memory for a run of a plan, always the same: what is there is used again.
    pub(crate) fn renew(&mut self, steps: &Steps) {
        self.buffers.resize_with(steps.buffers.len(), Storage::default);
        self.results.resize_with(steps.results.len(), Storage::default);
        let lengths = steps.buffers.iter().copied().chain(steps.results.iter().map(|result| result.1));
        for (storage, length) in self.buffers.iter_mut().chain(&mut self.results).zip(lengths) {
            if storage.len() != length {
                *storage = Storage::unspecified(length);
            } else if cfg!(debug_assertions) {
                // An element that is read before it is written is then seen.
                storage.make_mut().fill(T::NAN);
            }
        }
    }

    /// Lets go of the results, and of all else beyond some bytes.
    pub(crate) fn release(&mut self, bytes: usize) {
        self.results.clear();
        let kept: usize = self.buffers.iter().map(|buffer| buffer.len()).sum();
        if (kept + self.scratch.len()) * size_of::<T>() > bytes {
            self.buffers.clear();
            self.scratch = Storage::default();
        }
    }

    /// Takes scratch memory of at least a length out.
    pub(super) fn take_scratch(&mut self, length: usize) -> Storage<T> {
        let mut scratch = self.scratch.take();
        if scratch.len() < length {
            scratch = Storage::unspecified(length);
        }
        if cfg!(debug_assertions) {
            // An element that is read before it is written is then seen.
            scratch.make_mut().fill(T::NAN);
        }
        scratch
    }

    pub(super) fn give_scratch(&mut self, scratch: Storage<T>) {
        self.scratch = scratch;
    }

    /// Takes the memory of a place out, for writing.
    #[inline]
    pub(super) fn take(&mut self, place: Place) -> Storage<T> {
        match place {
            Place::Buffer(i) => self.buffers[i as usize].take(),
            Place::Result(i) => self.results[i as usize].take(),
            Place::Tape(_) => Storage::default(),
        }
    }

    #[inline]
    pub(super) fn put(&mut self, place: Place, storage: Storage<T>) {
        match place {
            Place::Buffer(i) => self.buffers[i as usize] = storage,
            Place::Result(i) => self.results[i as usize] = storage,
            Place::Tape(_) => {}
        }
    }
}

impl<T: Element> Run<'_, T> {
    /// Runs every step in memory that is there already.
    pub(crate) fn run_in(&self, memory: &mut Memory<T>) -> Result<()> {
        if self.check_finite {
            self.check_leaves()?;
        }
        let (mut rows, mut joins) = (&self.functions.rows[..], &self.functions.joins[..]);
        for (step, &small) in self.steps.steps.iter().zip(&self.functions.small) {
            match step {
                Step::Op { node, inputs, output } => self.run_op(*node, inputs, *output, memory)?,
                Step::Fused(fused) => {
                    let own = (rows.split_off(..fused.instructions.len()), joins.split_off(..fused.joins.len()));
                    let (Some(rows), Some(joins)) = own else { continue };
                    match small {
                        true => self.run_small(fused, rows, joins, memory)?,
                        false => self.run_fused(fused, rows, joins, memory)?,
                    }
                }
            }
        }
        Ok(())
    }

    #[inline]
    pub(super) fn values<'m>(&'m self, node: u32, place: Place, memory: &'m Memory<T>) -> &'m [T] {
        let volume = self.steps.selection.shapes[node as usize].volume();
        match place {
            Place::Buffer(i) => &memory.buffers[i as usize][..volume],
            Place::Result(i) => &memory.results[i as usize],
            Place::Tape(leaf) => self.leaf(leaf),
        }
    }

    #[inline]
    pub(super) fn leaf(&self, leaf: u32) -> &[T] {
        self.leaves[leaf as usize]
    }

    fn run_op(&self, node: u32, inputs: &[(u32, Place)], output: Place, memory: &mut Memory<T>) -> Result<()> {
        let id = self.ids[node as usize];
        let Kind::Op(op) = &self.tape.nodes[id as usize].kind else { return Ok(()) };
        let mut storage = memory.take(output);
        let shape = &self.steps.selection.shapes[node as usize];
        let operand = |&(input, place): &(u32, Place)| Operand {
            values: self.values(input, place, memory),
            indices: self.indices(input),
            shape: &self.steps.selection.shapes[input as usize],
        };
        let mut operands = SmallVec::<[Operand<'_, T>; 8]>::new();
        for input in inputs {
            operands.push(operand(input));
        }
        let out = &mut storage.make_mut()[..shape.volume()];
        let done = op.run(&operands, out, &Context { seed: self.seed, shape });
        let done = match done {
            Ok(()) if !self.check_finite => Ok(()),
            Ok(()) => self.check(id, out),
            Err(error) => Err(self.blame(error.op(op.name()), id)),
        };
        drop(operands);
        memory.put(output, storage);
        done
    }

    fn indices(&self, node: u32) -> &[usize] {
        match &self.tape.nodes[self.ids[node as usize] as usize].kind {
            Kind::Indices(indices) => indices.as_slice(),
            _ => &[],
        }
    }

    fn run_fused(
        &self,
        fused: &Fused,
        rows: &[Block<T>],
        joins: &[Option<Join<T>>],
        memory: &mut Memory<T>,
    ) -> Result<()> {
        let block = block_of::<T>(fused);
        let blocks = fused.volume.div_ceil(block).max(1);
        let registers = block.min(fused.volume) * fused.registers;
        let mut scratch = memory.take_scratch(registers + blocks * fused.joins.len());
        let mut storages = SmallVec::<[Storage<T>; 8]>::new();
        storages.extend(fused.stores.iter().map(|&(_, place)| memory.take(place)));
        let load = |load: &super::plan::Load| match load.place {
            Place::Buffer(i) => &memory.buffers[i as usize][..],
            Place::Result(i) => &memory.results[i as usize][..],
            Place::Tape(leaf) => self.leaf(leaf),
        };
        // Filled where they lie: moving lists of this size costs as much as a small pass.
        let mut loads = SmallVec::<[&[T]; 16]>::new();
        loads.extend(fused.loads.iter().map(load));
        let (registers, parts) = scratch.make_mut().split_at_mut(registers);
        let stores = storages.iter_mut().map(|storage| &mut storage.make_mut()[..fused.volume]).collect();
        let pass = Pass { fused, loads: &loads, rows, joins, block };
        pass.run(registers, stores, parts.chunks_exact_mut(blocks).take(joins.len()).collect());
        drop(loads);
        for ((&(_, place), join), parts) in fused.joins.iter().zip(joins).zip(parts.chunks_exact(blocks)) {
            let mut storage = memory.take(place);
            storage.make_mut()[0] = join.map_or(T::NAN, |join| join(parts));
            memory.put(place, storage);
        }
        memory.give_scratch(scratch);
        let mut done = Ok(());
        for (&(node, place), storage) in fused.stores.iter().zip(storages) {
            done = done.and_then(|()| self.check(self.ids[node as usize], &storage[..fused.volume]));
            memory.put(place, storage);
        }
        done
    }

    /// Adds where the op was recorded.
    fn blame(&self, error: Error, id: u32) -> Error {
        error.at(self.tape.nodes[id as usize].location).scope(&self.tape.scope_of(id))
    }

    pub(super) fn check(&self, id: u32, values: &[T]) -> Result<()> {
        let place = match self.check_finite {
            true => values.iter().position(|value| !value.is_finite()),
            false => None,
        };
        let Some(place) = place else { return Ok(()) };
        let node = &self.tape.nodes[id as usize];
        let message = format!(
            "the first value that is not finite: element {place} of {} : {} is {}",
            self.tape.equation(id),
            node.shape,
            values[place]
        );
        let error = Error::new(ErrorKind::NonFinite, message);
        let error = match &node.kind {
            Kind::Op(op) => error.op(op.name()),
            _ => error,
        };
        Err(self.blame(error, id))
    }

    fn check_leaves(&self) -> Result<()> {
        for (place, &id) in self.ids.iter().enumerate() {
            self.check(id, self.leaf(place as u32))?;
        }
        Ok(())
    }
}

/// The loop of a row, or none for a copy.
pub(super) type Block<T> = Option<fn(&[&[T]], &mut [T])>;

/// One pass of a fused group over memory.
struct Pass<'a, T: Element> {
    fused: &'a Fused,
    loads: &'a [&'a [T]],
    rows: &'a [Block<T>],
    joins: &'a [Option<Join<T>>],
    /// The elements of a block.
    block: usize,
}

/// Cuts the first elements off a slice.
fn cut<'a, T>(slice: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (head, tail) = std::mem::take(slice).split_at_mut(count);
    *slice = tail;
    head
}

/// What one thread writes: a stretch of every store.
struct Stretch<'a, T> {
    start: usize,
    stores: SmallVec<[&'a mut [T]; 8]>,
    /// For each join, one number a block: blocks do not depend on the threads, so what they join to does not either.
    parts: SmallVec<[&'a mut [T]; 4]>,
}

impl<T: Element> Pass<'_, T> {
    /// Runs all blocks, in as many stretches as there are threads: elements do not depend on each other, so the result
    /// does not depend on the number of threads.
    /// The registers are those of the calling thread.
    fn run<'m>(
        &self,
        registers: &mut [T],
        mut stores: SmallVec<[&'m mut [T]; 8]>,
        mut parts: SmallVec<[&'m mut [T]; 4]>,
    ) {
        let block = self.block;
        let volume = self.fused.volume;
        let threads = if volume < PARALLEL_ELEMENTS { 1 } else { pool::threads().min(volume / block).max(1) };
        if threads == 1 {
            self.run_stretch(registers, Stretch { start: 0, stores, parts }, volume);
            return;
        }
        let length = volume.div_ceil(threads).next_multiple_of(block);
        let mut stretches = SmallVec::<[Mutex<Option<Stretch<'_, T>>>; 8]>::new();
        for start in (0..volume).step_by(length) {
            let end = (start + length).min(volume);
            let stores = stores.iter_mut().map(|store| cut(store, end - start)).collect();
            let parts = parts.iter_mut().map(|parts| cut(parts, (end - start).div_ceil(block))).collect();
            stretches.push(Mutex::new(Some(Stretch { start, stores, parts })));
        }
        pool::run(stretches.len(), &|i| {
            let stretch = stretches[i].lock().ok().and_then(|mut stretch| stretch.take());
            if let Some(stretch) = stretch {
                let end = (stretch.start + length).min(volume);
                let mut registers = Storage::unspecified(block * self.fused.registers);
                self.run_stretch(registers.make_mut(), stretch, end);
            }
        });
    }

    fn run_stretch(&self, memory: &mut [T], mut stretch: Stretch<'_, T>, end: usize) {
        let start = stretch.start;
        let block = self.block.min(end - start);
        if block == 0 {
            return;
        }
        let mut registers = SmallVec::<[&mut [T]; 32]>::new();
        registers.extend(memory.chunks_exact_mut(block).take(self.fused.registers));
        for (load, values) in self.fused.loads.iter().zip(self.loads) {
            if let Pattern::Splat { register } = load.pattern {
                registers[register as usize].fill(values[0]);
            }
        }
        for low in (start..end).step_by(block) {
            let count = block.min(end - low);
            for (load, values) in self.fused.loads.iter().zip(self.loads) {
                if let Pattern::Repeat { register, lengths, strides } = &load.pattern {
                    gather::repeat(values, lengths, strides, low, &mut registers[*register as usize][..count]);
                }
            }
            for (instruction, row) in self.fused.instructions.iter().zip(self.rows) {
                let part = Part { low, own: low - start, count };
                self.instruct(instruction, *row, part, &mut registers, &mut stretch);
            }
        }
    }

    /// Runs one instruction on one block.
    #[inline]
    fn instruct(
        &self,
        instruction: &Instruction,
        row: Block<T>,
        part: Part,
        registers: &mut [&mut [T]],
        stretch: &mut Stretch<'_, T>,
    ) {
        let stores = &mut stretch.stores;
        match instruction.target {
            Target::Register(i) => {
                let whole = std::mem::take(&mut registers[i as usize]);
                self.compute(instruction, row, part, registers, stores, &mut whole[..part.count]);
                registers[i as usize] = whole;
            }
            Target::Store(i) => {
                let whole = std::mem::take(&mut stores[i as usize]);
                self.compute(instruction, row, part, registers, stores, &mut whole[part.own..part.own + part.count]);
                stores[i as usize] = whole;
            }
            Target::Join(i) => {
                let values = self.source(&instruction.sources[0], part, registers, stores);
                let block = part.own / self.block;
                if let Some(join) = self.joins[i as usize] {
                    stretch.parts[i as usize][block] = join(values);
                }
            }
        }
    }

    #[inline]
    fn compute(
        &self,
        instruction: &Instruction,
        row: Block<T>,
        part: Part,
        registers: &[&mut [T]],
        stores: &[&mut [T]],
        output: &mut [T],
    ) {
        let mut sources: [&[T]; 4] = [&[]; 4];
        for (to, from) in sources.iter_mut().zip(&instruction.sources) {
            *to = self.source(from, part, registers, stores);
        }
        match row {
            Some(row) => row(&sources[..instruction.sources.len()], output),
            None => output.copy_from_slice(sources[0]),
        }
    }
}

impl<'a, T: Element> Pass<'a, T> {
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

/// A block: `count` elements from `low`, which is `own` from the start of the thread's stretch.
#[derive(Clone, Copy)]
struct Part {
    low: usize,
    own: usize,
    count: usize,
}
