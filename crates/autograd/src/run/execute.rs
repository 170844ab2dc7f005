//! The last stage: runs a plan on the values of one tape.

use smallvec::SmallVec;

use super::pass;
use super::plan::{Fused, Instruction, Joined, Place, Step, Steps};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::chain;
use crate::kernels::number::Element;
use crate::tape::Inner;
use crate::tape::node::Kind;
use crate::tape::op::{Context, Operand};
use crate::tensor::Tensor;
use crate::tensor::storage::Storage;

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
    /// For registers and for what blocks join to, as long as any pass needed it.
    scratch: Storage<T>,
}

impl<T: Element> Memory<T> {
    pub(crate) fn of(steps: &Steps) -> Self {
        Memory {
            buffers: steps.buffers.iter().map(|&length| Storage::unspecified(length)).collect(),
            results: steps.results.iter().map(|&(_, length)| Storage::unspecified(length)).collect(),
            scratch: Storage::default(),
        }
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
        let mut memory = Memory::of(self.steps);
        self.run_in(&mut memory)?;
        Ok(memory)
    }

    /// Runs every step in memory that is there already.
    pub(crate) fn run_in(&self, memory: &mut Memory<T>) -> Result<()> {
        if self.check_finite {
            self.check_leaves()?;
        }
        for step in &self.steps.steps {
            match step {
                Step::Op { node, inputs, output } => self.run_op(*node, inputs, *output, memory)?,
                Step::Fused(fused) => self.run_fused(fused, memory)?,
            }
        }
        Ok(())
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
        let block = pass::block_of::<T>(fused);
        let scratch_of = pass::Scratch::of::<T>(fused, block);
        let parts_length: usize = fused.joins.iter().map(|joined| parts_of::<T>(joined, fused.volume, block)).sum();
        let mut scratch = memory.take_scratch(scratch_of.length + parts_length);
        let mut storages = SmallVec::<[Storage<T>; 8]>::new();
        storages.extend(fused.stores.iter().map(|&(_, place)| memory.take(place)));
        let mut joined = SmallVec::<[Storage<T>; 4]>::new();
        joined.extend(fused.joins.iter().map(|joined| memory.take(joined.place)));
        let load = |load: &super::plan::Load| match load.place {
            Place::Buffer(i) => &memory.buffers[i as usize][..],
            Place::Result(i) => &memory.results[i as usize][..],
            Place::Tape(leaf) => self.leaf(leaf),
        };
        // Filled where they lie: moving lists of this size costs as much as a small pass.
        let (mut loads, mut rows) = (SmallVec::<[&[T]; 16]>::new(), SmallVec::<[pass::Row<T>; 48]>::new());
        loads.extend(fused.loads.iter().map(load));
        rows.extend(fused.instructions.iter().map(|instruction| self.row(instruction)));
        let (own, mut rest) = scratch.make_mut().split_at_mut(scratch_of.length);
        let stores = storages.iter_mut().map(|storage| &mut storage.make_mut()[..fused.volume]).collect();
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
        pass::Pass { fused, loads: &loads, rows: &rows, block, scratch: scratch_of }.run(own, stores, parts);
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
        memory.scratch = scratch;
        let mut done = Ok(());
        for (&(node, place), storage) in fused.stores.iter().zip(storages) {
            done = done.and_then(|()| self.check(self.ids[node as usize], &storage[..fused.volume]));
            memory.put(place, storage);
        }
        done
    }

    /// The loop of a row; other instructions have none.
    fn row(&self, instruction: &Instruction) -> pass::Row<T> {
        let Instruction::Row { node, .. } = instruction else { return None };
        match &self.tape.nodes[self.ids[*node as usize] as usize].kind {
            Kind::Op(op) => op.row().map(|row| row.block),
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

/// The elements of scratch memory that the parts of a join need.
fn parts_of<T: Element>(joined: &Joined, volume: usize, block: usize) -> usize {
    if joined.is_partial() { joined.made(volume, block, chain::sums::<T>()) } else { 0 }
}
