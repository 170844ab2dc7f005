//! The last stage: runs a plan on the values of one tape.

use smallvec::SmallVec;

use super::pass;
use super::plan::{Fused, Instruction, Joined, Place, Step, Steps, Store};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::kernels::scratch::NoMemory;
use crate::kernels::{chain, gather};
use crate::tape::Inner;
use crate::tape::node::Kind;
use crate::tape::op::{Context, Operand};
use crate::tensor::storage::Storage;

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

/// The loops of all instructions, in the order of the steps: looked up once for a plan.
#[derive(Debug)]
pub(crate) struct Functions<T: Element> {
    functions: Vec<pass::Function<T>>,
    /// For each step where its loops begin.
    starts: Vec<usize>,
    /// The elements of scratch memory that any step takes.
    pub(super) scratch: usize,
}

impl<T: Element> Functions<T> {
    pub(crate) fn of(tape: &Inner<T>, ids: &[u32], steps: &Steps) -> Self {
        let scratch = scratch_bytes(steps, size_of::<T>()) / size_of::<T>();
        let mut functions = Functions { functions: Vec::new(), starts: Vec::new(), scratch };
        for step in &steps.steps {
            functions.starts.push(functions.functions.len());
            if let Step::Fused(fused) = step {
                let own = fused.instructions.iter().map(|instruction| function(tape, ids, instruction));
                functions.functions.extend(own);
            }
        }
        functions
    }
}

/// The bytes of the largest scratch memory that a step takes on the calling thread, for elements of some bytes.
pub(crate) fn scratch_bytes(steps: &Steps, element: usize) -> usize {
    steps.steps.iter().map(|step| scratch_of(step, element)).max().unwrap_or(0)
}

fn scratch_of(step: &Step, element: usize) -> usize {
    let Step::Fused(fused) = step else { return 0 };
    let length = if element == size_of::<f32>() { scratch_length::<f32>(fused) } else { scratch_length::<f64>(fused) };
    length.saturating_mul(element)
}

/// Registers, and the parts of joins.
fn scratch_length<T: Element>(fused: &Fused) -> usize {
    let block = pass::block_of::<T>(fused);
    let parts = fused.joins.iter().map(|joined| parts_of::<T>(joined, fused.volume, block));
    parts.fold(pass::Scratch::of::<T>(fused, block).length, usize::saturating_add)
}

/// Memory that could not be had: where, if not scratch memory, and so many elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Missing {
    place: Option<Place>,
    length: usize,
}

impl Missing {
    /// Names the bytes, and the op that is the first to write them.
    fn error<T: Element>(self, tape: &Inner<T>, ids: &[u32], steps: &Steps) -> Error {
        let message = NoMemory::of::<T>(self.length).to_string();
        let writes = |step: &&Step| step.written().iter().any(|&(_, place)| Some(place) == self.place);
        let most = |step: &&Step| scratch_of(step, size_of::<T>());
        let step = steps.steps.iter().find(writes).or_else(|| steps.steps.iter().max_by_key(most));
        let written = step.map(|step| step.written()).unwrap_or_default();
        match written.iter().find(|&&(_, place)| Some(place) == self.place).or(written.first()) {
            Some(&(node, _)) => memory_error(tape, ids[node as usize], message),
            None => Error::new(ErrorKind::Memory, message),
        }
    }
}

/// Makes memory be of a length, of no matter which values.
fn renew<T: Element>(storage: &mut Storage<T>, length: usize, place: Option<Place>) -> Result<(), Missing> {
    if storage.len() != length {
        *storage = Storage::try_unspecified(length).ok_or(Missing { place, length })?;
    } else if cfg!(debug_assertions) {
        // An element that is read before it is written is then seen.
        storage.make_mut().fill(T::NAN);
    }
    Ok(())
}

/// The loop of an instruction, if it is an op's.
pub(super) fn function<T: Element>(tape: &Inner<T>, ids: &[u32], instruction: &Instruction) -> pass::Function<T> {
    let (Instruction::Row { node, .. } | Instruction::RowWise { node, .. }) = instruction else {
        return pass::Function::None;
    };
    let Kind::Op(op) = &tape.nodes[ids[*node as usize] as usize].kind else { return pass::Function::None };
    let row = op.row().map(|row| pass::Function::Row(row.block));
    let row_wise = || op.row_wise().map(|(kernel, _)| pass::Function::RowWise(kernel));
    row.or_else(row_wise).unwrap_or(pass::Function::None)
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
    ///
    /// # Errors
    /// What could not be had.
    fn renew(&mut self, steps: &Steps, scratch: usize) -> Result<(), Missing> {
        self.buffers.resize_with(steps.buffers.len(), Storage::default);
        self.results.resize_with(steps.results.len(), Storage::default);
        for (i, (storage, &length)) in self.buffers.iter_mut().zip(&steps.buffers).enumerate() {
            renew(storage, length, Some(Place::Buffer(i as u32)))?;
        }
        for (i, (storage, &(_, length))) in self.results.iter_mut().zip(&steps.results).enumerate() {
            renew(storage, length, Some(Place::Result(i as u32)))?;
        }
        if self.scratch.len() < scratch {
            renew(&mut self.scratch, scratch, None)?;
        }
        Ok(())
    }

    /// One stretch of memory for a whole run.
    ///
    /// # Errors
    /// It could not be had.
    pub(super) fn stretch(&mut self, length: usize) -> Result<&mut [T], Missing> {
        renew(&mut self.scratch, length, None)?;
        Ok(self.scratch.make_mut())
    }

    /// What a run left in its stretch of memory.
    pub(super) fn stretched(&self) -> &[T] {
        &self.scratch
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
    ///
    /// # Errors
    /// It could not be had.
    pub(super) fn take_scratch(&mut self, length: usize) -> Result<Storage<T>, Missing> {
        let mut scratch = self.scratch.take();
        if scratch.len() < length {
            scratch = Storage::try_unspecified(length).ok_or(Missing { place: None, length })?;
        }
        if cfg!(debug_assertions) {
            // An element that is read before it is written is then seen.
            scratch.make_mut().fill(T::NAN);
        }
        Ok(scratch)
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
    /// Runs every step.
    pub(crate) fn run_in(&self, memory: &mut Memory<T>) -> Result<()> {
        memory.renew(self.steps, self.functions.scratch).map_err(|missing| self.lack(missing))?;
        if self.check_finite {
            self.check_leaves()?;
        }
        (0..self.steps.steps.len()).try_for_each(|step| self.run_step(step, memory))
    }

    /// Runs one step.
    #[inline]
    pub(super) fn run_step(&self, step: usize, memory: &mut Memory<T>) -> Result<()> {
        match &self.steps.steps[step] {
            Step::Op { node, inputs, output, sum, transposed } => {
                self.run_op((*node, inputs, *transposed), (*output, sum.is_some()), memory)
            }
            Step::Copy { node, from: (place, offset), axes: (lengths, strides), output, .. } => {
                let mut storage = memory.take(*output);
                let to = &mut storage.make_mut()[..self.steps.selection.shapes[*node as usize].volume()];
                gather::copy(&self.whole(*place, memory)[*offset..], lengths, strides, to);
                memory.put(*output, storage);
                Ok(())
            }
            Step::Fused(fused) => {
                let functions = &self.functions.functions[self.functions.starts[step]..][..fused.instructions.len()];
                self.run_fused(fused, functions, memory)
            }
        }
    }

    #[inline]
    fn values<'m>(&'m self, node: u32, place: Place, memory: &'m Memory<T>) -> &'m [T] {
        let whole = self.whole(place, memory);
        match place {
            Place::Buffer(_) => &whole[..self.steps.selection.shapes[node as usize].volume()],
            _ => whole,
        }
    }

    /// All that lies in a place.
    #[inline]
    fn whole<'m>(&'m self, place: Place, memory: &'m Memory<T>) -> &'m [T] {
        match place {
            Place::Buffer(i) => &memory.buffers[i as usize],
            Place::Result(i) => &memory.results[i as usize],
            Place::Tape(leaf) => self.leaf(leaf),
        }
    }

    #[inline]
    fn leaf(&self, leaf: u32) -> &[T] {
        self.leaves[leaf as usize]
    }

    fn run_op(
        &self,
        (node, inputs, transposed): (u32, &[(u32, Place)], bool),
        (output, add): (Place, bool),
        memory: &mut Memory<T>,
    ) -> Result<()> {
        let mut storage = memory.take(output);
        let out = &mut storage.make_mut()[..self.steps.selection.shapes[node as usize].volume()];
        let values = |&(input, place): &(u32, Place)| (input, self.values(input, place, memory));
        let done = self.run_kernel((node, transposed), inputs.iter().map(values), (out, add));
        memory.put(output, storage);
        done
    }

    /// Runs an op by its own kernel, on the values of its inputs, and adds to what lies in the output if that is said.
    #[inline]
    pub(super) fn run_kernel<'m>(
        &'m self,
        (node, transposed): (u32, bool),
        inputs: impl Iterator<Item = (u32, &'m [T])>,
        (output, add): (&mut [T], bool),
    ) -> Result<()> {
        let id = self.ids[node as usize];
        let Kind::Op(op) = &self.tape.nodes[id as usize].kind else { return Ok(()) };
        let shapes = &self.steps.selection.shapes;
        let mut operands = SmallVec::<[Operand<'_, T>; 8]>::new();
        for (input, values) in inputs {
            operands.push(Operand { values, indices: self.indices(input), shape: &shapes[input as usize] });
        }
        match op.run(&operands, output, &Context { seed: self.seed, shape: &shapes[node as usize], add, transposed }) {
            Ok(()) if !self.check_finite => Ok(()),
            Ok(()) => self.check(id, output),
            Err(error) => Err(self.blame(error.op(op.name()), id)),
        }
    }

    fn indices(&self, node: u32) -> &[usize] {
        match &self.tape.nodes[self.ids[node as usize] as usize].kind {
            Kind::Indices(indices) => indices.as_slice(),
            _ => &[],
        }
    }

    fn run_fused(&self, fused: &Fused, functions: &[pass::Function<T>], memory: &mut Memory<T>) -> Result<()> {
        let block = pass::block_of::<T>(fused);
        let scratch_of = pass::Scratch::of::<T>(fused, block);
        let parts_length: usize = fused.joins.iter().map(|joined| parts_of::<T>(joined, fused.volume, block)).sum();
        let mut scratch =
            memory.take_scratch(scratch_of.length + parts_length).map_err(|missing| self.lack(missing))?;
        let mut storages = SmallVec::<[Storage<T>; 8]>::new();
        storages.extend(fused.stores.iter().map(|store| memory.take(store.place)));
        let mut joined = SmallVec::<[Storage<T>; 4]>::new();
        joined.extend(fused.joins.iter().map(|joined| memory.take(joined.place)));
        let load = |load: &super::plan::Load| &self.whole(load.place, memory)[load.offset..];
        // Filled where they lie: moving lists of this size costs as much as a small pass.
        let mut loads = SmallVec::<[&[T]; 16]>::new();
        loads.extend(fused.loads.iter().map(load));
        let (own, mut rest) = scratch.make_mut().split_at_mut(scratch_of.length);
        let volume = |store: &Store| fused.count(fused.volume, store.of_rows);
        let stores = storages.iter_mut().zip(&fused.stores);
        let stores = stores.map(|(storage, store)| &mut storage.make_mut()[..volume(store)]).collect();
        let mut parts = SmallVec::<[&mut [T]; 4]>::new();
        for (join, storage) in fused.joins.iter().zip(&mut joined) {
            let made = join.made(fused.volume, block, chain::sums::<T>());
            parts.push(match join.is_partial() {
                true => pass::cut(&mut rest, made),
                false => &mut storage.make_mut()[..made],
            });
            if join.sums.is_some() {
                parts.last_mut().into_iter().for_each(|part| part.fill(T::of(0.0)));
            }
        }
        pass::Pass { fused, loads: &loads, functions, block, scratch: scratch_of }.run(own, stores, parts);
        drop(loads);
        let mut rest = &scratch[scratch_of.length..];
        for (join, mut storage) in fused.joins.iter().zip(joined) {
            if join.is_partial() {
                let (parts, others) = rest.split_at(join.made(fused.volume, block, chain::sums::<T>()));
                pass::join_parts(join, parts, storage.make_mut());
                rest = others;
            }
            memory.put(join.place, storage);
        }
        memory.give_scratch(scratch);
        let mut done = Ok(());
        for (store, storage) in fused.stores.iter().zip(storages) {
            done = done.and_then(|()| self.check(self.ids[store.node as usize], &storage[..volume(store)]));
            memory.put(store.place, storage);
        }
        done
    }

    /// The mistake that memory could not be had.
    pub(super) fn lack(&self, missing: Missing) -> Error {
        missing.error(self.tape, self.ids, self.steps)
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

/// The elements of scratch memory that the parts of a join need.
fn parts_of<T: Element>(joined: &Joined, volume: usize, block: usize) -> usize {
    if joined.is_partial() { joined.made(volume, block, chain::sums::<T>()) } else { 0 }
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
