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
    rows: Vec<pass::Row<T>>,
    /// For each step whether it is a fused group whose elements are one block, whatever the plan.
    small: Vec<bool>,
}

impl<T: Element> Functions<T> {
    pub(crate) fn of(tape: &Inner<T>, ids: &[u32], steps: &Steps) -> Self {
        let mut functions = Functions { rows: Vec::new(), small: Vec::new() };
        for step in &steps.steps {
            functions.small.push(matches!(step, Step::Fused(fused) if pass::is_small::<T>(fused)));
            if let Step::Fused(fused) = step {
                functions.rows.extend(fused.instructions.iter().map(|instruction| row(tape, ids, instruction)));
            }
        }
        functions
    }
}

/// The loop of a row; other instructions have none.
fn row<T: Element>(tape: &Inner<T>, ids: &[u32], instruction: &Instruction) -> pass::Row<T> {
    let Instruction::Row { node, .. } = instruction else { return None };
    match &tape.nodes[ids[*node as usize] as usize].kind {
        Kind::Op(op) => op.row().map(|row| row.block),
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
        let mut rows = &self.functions.rows[..];
        for (step, &small) in self.steps.steps.iter().zip(&self.functions.small) {
            match step {
                Step::Op { node, inputs, output } => self.run_op(*node, inputs, *output, memory)?,
                Step::Fused(fused) => {
                    let Some(rows) = rows.split_off(..fused.instructions.len()) else { continue };
                    match small {
                        true => self.run_small(fused, rows, memory)?,
                        false => self.run_fused(fused, rows, memory)?,
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

    fn run_fused(&self, fused: &Fused, rows: &[pass::Row<T>], memory: &mut Memory<T>) -> Result<()> {
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
        let mut loads = SmallVec::<[&[T]; 16]>::new();
        loads.extend(fused.loads.iter().map(load));
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
        pass::Pass { fused, loads: &loads, rows, block, scratch: scratch_of }.run(own, stores, parts);
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

/// The elements of scratch memory that the parts of a join need.
fn parts_of<T: Element>(joined: &Joined, volume: usize, block: usize) -> usize {
    if joined.is_partial() { joined.made(volume, block, chain::sums::<T>()) } else { 0 }
}
