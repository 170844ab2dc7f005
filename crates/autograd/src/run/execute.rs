//! The last stage: runs a plan on the values of one tape.

use std::sync::Mutex;

use smallvec::SmallVec;

use super::plan::{Fused, Instruction, Pattern, Place, Source, Step, Steps, Target};
use super::select::Tag;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::kernels::{gather, pool};
use crate::tape::Inner;
use crate::tape::node::Kind;
use crate::tape::op::{Context, Join, Operand};
use crate::tensor::Tensor;
use crate::tensor::storage::Storage;

/// Bytes that the registers and the blocks of what is read and written have together: the first-level cache.
const CACHE_BYTES: usize = 32 << 10;

/// Bytes of a block at least and at most: long enough to be worth an instruction, short enough to leave blocks to
/// several threads.
const BLOCK_BYTES: (usize, usize) = (1 << 10, 8 << 10);

/// What is joined to one is joined in parts of this many bytes, which are joined then: blocks are a multiple of it, so the
/// result depends neither on the block nor on what else is computed in the same pass.
const PART_BYTES: usize = 1 << 10;

/// The bytes of a block: they depend on the plan alone.
fn block_bytes(fused: &Fused) -> usize {
    let streams = fused.registers + fused.loads.len() + fused.stores.len();
    let bytes = (CACHE_BYTES / streams.max(1)).clamp(BLOCK_BYTES.0, BLOCK_BYTES.1);
    (bytes + PART_BYTES / 2) / PART_BYTES * PART_BYTES
}

fn block_of<T>(fused: &Fused) -> usize {
    block_bytes(fused) / size_of::<T>()
}

/// The elements that are joined at once.
fn part_of<T>() -> usize {
    PART_BYTES / size_of::<T>()
}

/// The bytes of the largest scratch memory that a step takes on the calling thread, for elements of some bytes.
pub(crate) fn scratch_bytes(steps: &Steps, element: usize) -> usize {
    steps.steps.iter().map(|step| scratch_of(steps, step, element)).max().unwrap_or(0)
}

fn scratch_of(steps: &Steps, step: &Step, element: usize) -> usize {
    match step {
        Step::Op { node, inputs, .. } => match (steps.selection.tags[*node as usize], inputs.first()) {
            (Tag::Join, Some(&(input, _))) => {
                let bytes = steps.selection.shapes[input as usize].volume().saturating_mul(element);
                bytes.div_ceil(PART_BYTES) * element
            }
            _ => 0,
        },
        Step::Fused(fused) => {
            let bytes = fused.volume.saturating_mul(element);
            let parts = bytes.div_ceil(PART_BYTES).max(1) * fused.joins.len() * element;
            parts.saturating_add(block_bytes(fused).min(bytes) * fused.registers)
        }
    }
}

/// Elements below which a fused group runs on one thread.
const PARALLEL_ELEMENTS: usize = 16 << 10;

/// A run of a plan on a tape.
pub(crate) struct Run<'a, T: Element> {
    pub(crate) tape: &'a Inner<T>,
    /// The tape's number of each node of the plan.
    pub(crate) ids: &'a [u32],
    pub(crate) steps: &'a Steps,
    pub(crate) seed: u64,
    pub(crate) check_finite: bool,
}

/// The memory of a run.
pub(crate) struct Memory<T: Element> {
    buffers: SmallVec<[Storage<T>; 32]>,
    pub(crate) results: SmallVec<[Storage<T>; 32]>,
    /// For registers and for what parts join to, as long as any step needs it.
    scratch: Storage<T>,
}

impl<T: Element> Memory<T> {
    /// Memory for a plan, or the place that could not be had, and its length.
    pub(crate) fn of(steps: &Steps) -> Result<Self, (Place, usize)> {
        let mut memory = Memory { buffers: SmallVec::new(), results: SmallVec::new(), scratch: Storage::default() };
        for (i, &length) in steps.buffers.iter().enumerate() {
            memory.buffers.push(Storage::try_unspecified(length).ok_or((Place::Buffer(i as u32), length))?);
        }
        for (i, &(_, length)) in steps.results.iter().enumerate() {
            memory.results.push(Storage::try_unspecified(length).ok_or((Place::Result(i as u32), length))?);
        }
        let length = scratch_bytes(steps, size_of::<T>()) / size_of::<T>();
        if length > 0 {
            memory.scratch = Storage::try_unspecified(length).ok_or((Place::Tape(0), length))?;
        }
        Ok(memory)
    }

    /// Takes scratch memory of at least a length out.
    fn take_scratch(&mut self, length: usize) -> Storage<T> {
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

    /// Takes the memory of a place out, for writing.
    fn take(&mut self, place: Place) -> Storage<T> {
        match place {
            Place::Buffer(i) => self.buffers[i as usize].take(),
            Place::Result(i) => self.results[i as usize].take(),
            Place::Tape(_) => Storage::default(),
        }
    }

    fn put(&mut self, place: Place, storage: Storage<T>) {
        match place {
            Place::Buffer(i) => self.buffers[i as usize] = storage,
            Place::Result(i) => self.results[i as usize] = storage,
            Place::Tape(_) => {}
        }
    }
}

impl<T: Element> Run<'_, T> {
    /// Runs every step; the results are in the memory that comes back.
    pub(crate) fn run(&self) -> Result<Memory<T>> {
        let mut memory = self.memory()?;
        self.run_in(&mut memory)?;
        Ok(memory)
    }

    /// Memory for the plan.
    ///
    /// # Errors
    /// It cannot be had: names the bytes, and the op that is the first to write them.
    pub(crate) fn memory(&self) -> Result<Memory<T>> {
        Memory::of(self.steps).map_err(|(wanted, length)| {
            let bytes = length.saturating_mul(size_of::<T>());
            let writes = |step: &&Step| step.written().iter().any(|&(_, place)| place == wanted);
            let most = |step: &&Step| scratch_of(self.steps, step, size_of::<T>());
            let steps = &self.steps.steps;
            let step = steps.iter().find(writes).or_else(|| steps.iter().max_by_key(most));
            let message = format!("the {bytes} bytes that it needs cannot be had");
            let written = step.map(|step| step.written()).unwrap_or_default();
            match written.iter().find(|&&(_, place)| place == wanted).or(written.first()) {
                Some(&(node, _)) => memory_error(self.tape, self.ids[node as usize], message),
                None => Error::new(ErrorKind::Memory, message),
            }
        })
    }

    /// Runs every step in memory that is there already.
    pub(crate) fn run_in(&self, memory: &mut Memory<T>) -> Result<()> {
        if self.check_finite {
            self.check_leaves()?;
        }
        self.steps.steps.iter().try_for_each(|step| self.run_step(step, memory))
    }

    /// Runs one step.
    pub(crate) fn run_step(&self, step: &Step, memory: &mut Memory<T>) -> Result<()> {
        match step {
            Step::Op { node, inputs, output } => match (self.steps.selection.tags[*node as usize], &inputs[..]) {
                (Tag::Join, &[input]) => self.run_join(*node, input, *output, memory),
                _ => self.run_op(*node, inputs, *output, memory),
            },
            Step::Fused(fused) => self.run_fused(fused, memory),
        }
    }

    /// Joins all elements in the same parts as at the end of a pass.
    fn run_join(&self, node: u32, input: (u32, Place), output: Place, memory: &mut Memory<T>) -> Result<()> {
        let length = self.steps.selection.shapes[input.0 as usize].volume();
        let Some(join) = self.join(node) else { return Ok(()) };
        let mut scratch = memory.take_scratch(length.div_ceil(part_of::<T>()));
        let mut storage = memory.take(output);
        let values = self.values(input.0, input.1, memory);
        let parts = &mut scratch.make_mut()[..length.div_ceil(part_of::<T>())];
        let chunk = if length < PARALLEL_ELEMENTS { parts.len() } else { PARALLEL_ELEMENTS / part_of::<T>() };
        pool::split(parts, chunk.max(1), |start, parts| {
            let values = values[start * part_of::<T>()..].chunks(part_of::<T>());
            parts.iter_mut().zip(values).for_each(|(part, values)| *part = join(values));
        });
        storage.make_mut()[0] = join(parts);
        let done = self.check(self.ids[node as usize], &storage[..1]);
        memory.put(output, storage);
        memory.scratch = scratch;
        done
    }

    /// What is requested, as a tensor.
    pub(crate) fn output(&self, memory: &Memory<T>, output: usize) -> Tensor<T> {
        let node = self.steps.selection.outputs[output];
        let shape = self.steps.selection.shapes[node as usize].clone();
        let storage = match self.steps.outputs[output] {
            Place::Result(i) => memory.results[i as usize].clone(),
            Place::Buffer(i) => Storage::from_slice(&memory.buffers[i as usize][..shape.volume()]),
            Place::Tape(leaf) => match &self.tape.values[self.ids[leaf as usize] as usize] {
                Some(value) => value.storage().clone(),
                None => Storage::default(),
            },
        };
        Tensor::of_storage(shape, storage)
    }

    fn values<'m>(&'m self, node: u32, place: Place, memory: &'m Memory<T>) -> &'m [T] {
        let volume = self.steps.selection.shapes[node as usize].volume();
        match place {
            Place::Buffer(i) => &memory.buffers[i as usize][..volume],
            Place::Result(i) => &memory.results[i as usize],
            Place::Tape(leaf) => self.leaf(leaf),
        }
    }

    fn leaf(&self, leaf: u32) -> &[T] {
        self.tape.values[self.ids[leaf as usize] as usize].as_ref().map_or(&[], |value| value.as_slice())
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
        let operands: SmallVec<[Operand<'_, T>; 8]> = inputs.iter().map(operand).collect();
        let out = &mut storage.make_mut()[..shape.volume()];
        let done = op.run(&operands, out, &Context { seed: self.seed, shape });
        let done = done.map_err(|error| self.blame(error.op(op.name()), id));
        let done = done.and_then(|()| self.check(id, out));
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

    fn run_fused(&self, fused: &Fused, memory: &mut Memory<T>) -> Result<()> {
        let block = block_of::<T>(fused);
        let length = fused.volume.div_ceil(part_of::<T>()).max(1);
        let registers = block.min(fused.volume) * fused.registers;
        let mut scratch = memory.take_scratch(registers + length * fused.joins.len());
        let mut storages = SmallVec::<[Storage<T>; 8]>::new();
        storages.extend(fused.stores.iter().map(|&(_, place)| memory.take(place)));
        let load = |load: &super::plan::Load| match load.place {
            Place::Buffer(i) => &memory.buffers[i as usize][..],
            Place::Result(i) => &memory.results[i as usize][..],
            Place::Tape(leaf) => self.leaf(leaf),
        };
        // Filled where they lie: moving lists of this size costs as much as a small pass.
        let (mut loads, mut rows) = (SmallVec::<[&[T]; 16]>::new(), SmallVec::<[Block<T>; 48]>::new());
        let mut joins = SmallVec::<[Option<Join<T>>; 4]>::new();
        loads.extend(fused.loads.iter().map(load));
        rows.extend(fused.instructions.iter().map(|instruction| self.row(instruction)));
        joins.extend(fused.joins.iter().map(|&(node, _)| self.join(node)));
        let (registers, parts) = scratch.make_mut().split_at_mut(registers);
        let stores = storages.iter_mut().map(|storage| &mut storage.make_mut()[..fused.volume]).collect();
        let pass = Pass { fused, loads: &loads, rows: &rows, joins: &joins, block };
        pass.run(registers, stores, parts.chunks_exact_mut(length).take(joins.len()).collect());
        drop(loads);
        for ((&(_, place), join), parts) in fused.joins.iter().zip(joins).zip(parts.chunks_exact(length)) {
            let mut storage = memory.take(place);
            storage.make_mut()[0] = join.map_or(T::NAN, |join| join(parts));
            memory.put(place, storage);
        }
        memory.scratch = scratch;
        let mut done = Ok(());
        for (&(node, place), storage) in fused.stores.iter().zip(storages) {
            done = done.and_then(|()| self.check(self.ids[node as usize], &storage[..fused.volume]));
            memory.put(place, storage);
        }
        done
    }

    /// The loop of an instruction; a copy has none.
    fn row(&self, instruction: &Instruction) -> Block<T> {
        match &self.tape.nodes[self.ids[instruction.node as usize] as usize].kind {
            Kind::Op(op) if !instruction.copies => op.row().map(|row| row.block),
            _ => None,
        }
    }

    fn join(&self, node: u32) -> Option<Join<T>> {
        let node = &self.tape.nodes[self.ids[node as usize] as usize];
        match &node.kind {
            Kind::Op(op) => op.joins_all(&self.tape.nodes[node.inputs[0] as usize].shape),
            _ => None,
        }
    }

    /// Adds where the op was recorded.
    fn blame(&self, error: Error, id: u32) -> Error {
        error.at(self.tape.nodes[id as usize].location).scope(&self.tape.scope_of(id))
    }

    fn check(&self, id: u32, values: &[T]) -> Result<()> {
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

/// A lack of memory, with the op that is the first to need it.
pub(crate) fn memory_error<T: Element>(tape: &Inner<T>, id: u32, message: String) -> Error {
    let node = &tape.nodes[id as usize];
    let error = Error::new(ErrorKind::Memory, message);
    let error = match &node.kind {
        Kind::Op(op) => error.op(op.name()),
        _ => error,
    };
    error.at(node.location).scope(&tape.scope_of(id))
}

/// The loop of a row, or none for a copy.
type Block<T> = Option<fn(&[&[T]], &mut [T])>;

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
    /// For each join, one number for each part of the elements.
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
            let parts = parts.iter_mut().map(|parts| cut(parts, (end - start).div_ceil(part_of::<T>()))).collect();
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
                let first = part.own / part_of::<T>();
                if let Some(join) = self.joins[i as usize] {
                    let parts = stretch.parts[i as usize][first..].iter_mut().zip(values.chunks(part_of::<T>()));
                    parts.for_each(|(part, values)| *part = join(values));
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
