//! A plan of small passes over small tensors, which is all that a small model is: one list of instructions over one
//! stretch of memory. Running it makes no lists, counts no references and chooses nothing.

use std::ops::Range;

use smallvec::SmallVec;

use super::execute::{Memory, Run, function};
use super::pass;
use super::plan::{Fused, Instruction, Load, Pattern, Place, Source, Step, Steps, Target};
use crate::error::Result;
use crate::kernels::chain::{self, Fixed, Slot};
use crate::kernels::number::Element;
use crate::kernels::{gather, reduce};
use crate::tape::Inner;
use crate::tape::op::RowWise;
use crate::tensor::shape::Axes;

/// Bytes of all values together, at most.
pub(super) const MOST_BYTES: usize = 64 << 10;

/// A plan over one stretch of memory.
#[derive(Debug)]
pub(super) struct Compact<T: Element> {
    work: Vec<Work<T>>,
    /// Where each buffer and each result begins.
    buffers: Vec<usize>,
    results: Vec<usize>,
    /// The elements of the memory.
    pub(super) length: usize,
}

/// What is done at once. Leaves are the lists, by their numbers in the plan.
#[derive(Debug)]
enum Work<T: Element> {
    /// An op by its own kernel.
    Op { node: u32, inputs: SmallVec<[(u32, Slot); 4]>, to: Range<usize>, add: bool, transposed: bool },
    /// A row.
    Row { row: fn(&[&[T]], &mut [T]), sources: SmallVec<[Slot; 3]>, to: Range<usize> },
    /// Rows by an op's own kernel.
    RowWise { kernel: RowWise<T>, n: usize, from: Slot, to: Range<usize> },
    /// A chain of arithmetic.
    Chain(Fixed),
    /// An operand repeated, or read by strides.
    Repeat { from: (Slot, usize), axes: (Axes, Axes), to: Range<usize> },
    /// One number, for rows.
    Fill { from: Slot, to: Range<usize> },
    /// Zeros, for sums.
    Zero(Range<usize>),
    /// Elements joined.
    Join { kernel: fn(&[T], [usize; 3], &mut [T]), from: Slot, shape: [usize; 3], to: Range<usize> },
}

/// Writes the list.
struct Writer<'a, T: Element> {
    tape: &'a Inner<T>,
    ids: &'a [u32],
    compact: Compact<T>,
    /// Where the registers of passes begin.
    registers: usize,
}

impl<T: Element> Compact<T> {
    /// The plan in this form, if all of it is small and no memory limit counts every byte.
    pub(super) fn of(tape: &Inner<T>, ids: &[u32], steps: &Steps) -> Option<Self> {
        let options = steps.asked().options;
        let small = |step: &Step| match step {
            Step::Op { .. } => true,
            Step::Copy { from: (_, offset), .. } => u32::try_from(*offset).is_ok(),
            Step::Fused(fused) => is_small::<T>(fused),
        };
        if options.separate || options.limit.is_some() || !steps.steps.iter().all(small) {
            return None;
        }
        let mut length = 0usize;
        let mut begin = |count: usize| {
            let at = length;
            length = length.saturating_add(whole_lines::<T>(count));
            at
        };
        let buffers = steps.buffers.iter().map(|&count| begin(count)).collect();
        let results = steps.results.iter().map(|&(_, count)| begin(count)).collect();
        let compact = Compact { work: Vec::new(), buffers, results, length };
        let fits = |compact: &Compact<T>| compact.length <= MOST_BYTES / size_of::<T>();
        if !fits(&compact) {
            return None;
        }
        let mut writer = Writer { tape, ids, registers: length, compact };
        for step in &steps.steps {
            match step {
                Step::Op { node, inputs, output, sum, transposed } => {
                    let inputs = inputs.iter().map(|&(input, place)| (input, writer.slot(place, 0))).collect();
                    let to = writer.written(*output, steps.selection.shapes[*node as usize].volume());
                    let (add, transposed) = (sum.is_some(), *transposed);
                    writer.compact.work.push(Work::Op { node: *node, inputs, to, add, transposed });
                }
                Step::Copy { node, from: (place, offset), axes, output, .. } => {
                    let to = writer.written(*output, steps.selection.shapes[*node as usize].volume());
                    let from = (writer.slot(*place, *offset), span(axes));
                    writer.compact.work.push(Work::Repeat { from, axes: axes.clone(), to });
                }
                Step::Fused(fused) => writer.fused(fused)?,
            }
        }
        Some(writer.compact).filter(fits)
    }

    /// Where the values of a place begin that are not the tape's.
    pub(super) fn start(&self, place: Place) -> usize {
        match place {
            Place::Buffer(i) => self.buffers[i as usize],
            Place::Result(i) => self.results[i as usize],
            Place::Tape(_) => 0,
        }
    }
}

/// Whether all elements of a group are few, and lie at no great distance.
fn is_small<T: Element>(fused: &Fused) -> bool {
    let is_near = |load: &Load| u32::try_from(load.offset).is_ok();
    (1..=pass::BLOCK_BYTES.0 / size_of::<T>()).contains(&fused.volume) && fused.loads.iter().all(is_near)
}

/// The elements from the first to the last that is read along some axes.
fn span((lengths, strides): &(Axes, Axes)) -> usize {
    1 + lengths.iter().zip(strides).map(|(length, stride)| (length - 1) * stride).sum::<usize>()
}

/// Elements in whole lines of the cache, one line at least: no two places begin alike.
fn whole_lines<T>(count: usize) -> usize {
    let line = 64 / size_of::<T>();
    count.div_ceil(line).max(1).saturating_mul(line)
}

impl<T: Element> Writer<'_, T> {
    /// So far from the start of a place.
    fn slot(&self, place: Place, offset: usize) -> Slot {
        match place {
            Place::Tape(leaf) => Slot::List(leaf, offset as u32),
            place => Slot::Memory((self.compact.start(place) + offset) as u32),
        }
    }

    fn load(&self, load: &Load) -> Slot {
        self.slot(load.place, load.offset)
    }

    fn written(&self, place: Place, count: usize) -> Range<usize> {
        let start = self.compact.start(place);
        start..start + count
    }

    /// The place of a register of a pass.
    fn register(&self, fused: &Fused, register: u16) -> Range<usize> {
        let start = self.registers + usize::from(register) * whole_lines::<T>(fused.volume);
        start..start + fused.volume
    }

    /// The place of sums, behind the registers.
    fn sums(&self, fused: &Fused, sums: u16) -> Range<usize> {
        let start = self.register(fused, fused.registers as u16).start;
        let count = chain::sums::<T>();
        start + usize::from(sums) * count..start + (usize::from(sums) + 1) * count
    }

    fn source(&self, fused: &Fused, source: Source) -> Slot {
        match source {
            Source::Load(i) => self.load(&fused.loads[i as usize]),
            Source::Register(i) => Slot::Memory(self.register(fused, i).start as u32),
            Source::Store(i) => self.slot(fused.stores[i as usize].place, 0),
        }
    }

    fn target(&self, fused: &Fused, target: Target, count: usize) -> Range<usize> {
        match target {
            Target::Register(i) => {
                let start = self.register(fused, i).start;
                start..start + count
            }
            Target::Store(i) => self.written(fused.stores[i as usize].place, count),
        }
    }

    fn fused(&mut self, fused: &Fused) -> Option<()> {
        let end = self.sums(fused, fused.sums as u16).start;
        self.compact.length = self.compact.length.max(end);
        if fused.sums > 0 {
            self.compact.work.push(Work::Zero(self.sums(fused, 0).start..end));
        }
        for load in &fused.loads {
            if let Pattern::Repeat { register, lengths, strides, .. } = &load.pattern {
                let axes = (lengths.clone(), strides.clone());
                let to = self.target(fused, Target::Register(*register), fused.count(fused.volume, load.of_rows));
                self.compact.work.push(Work::Repeat { from: (self.load(load), span(&axes)), axes, to });
            }
        }
        for &(load, register) in &fused.fills {
            let from = self.load(&fused.loads[load as usize]);
            self.compact.work.push(Work::Fill { from, to: self.register(fused, register) });
        }
        for instruction in &fused.instructions {
            let work = self.instruction(fused, instruction)?;
            self.compact.work.push(work);
        }
        for joined in &fused.joins {
            if let Some(sums) = joined.sums {
                let from = Slot::Memory(self.sums(fused, sums).start as u32);
                let (shape, to) = ([1, chain::sums::<T>(), 1], self.written(joined.place, 1));
                self.compact.work.push(Work::Join { kernel: reduce::sum, from, shape, to });
            }
        }
        Some(())
    }

    fn instruction(&self, fused: &Fused, instruction: &Instruction) -> Option<Work<T>> {
        Some(match instruction {
            Instruction::Row { sources, target, of_rows, .. } => {
                let to = self.target(fused, *target, fused.count(fused.volume, *of_rows));
                let sources = sources.iter().map(|&source| self.source(fused, source)).collect();
                let pass::Function::Row(row) = function(self.tape, self.ids, instruction) else { return None };
                Work::Row { row, sources, to }
            }
            Instruction::RowWise { n, source, target, .. } => {
                let (from, to) = (self.source(fused, *source), self.target(fused, *target, fused.volume));
                let pass::Function::RowWise(kernel) = function(self.tape, self.ids, instruction) else { return None };
                Work::RowWise { kernel, n: *n, from, to }
            }
            Instruction::Chain { chain, of_rows } => {
                Work::Chain(chain.fixed::<T>(fused.count(fused.volume, *of_rows), |place| match place {
                    chain::Place::None | chain::Place::Count(_) => Slot::Memory(0),
                    chain::Place::Input(i) | chain::Place::Number(i) => self.source(fused, Source::Load(i)),
                    chain::Place::Register(i) => self.source(fused, Source::Register(i)),
                    chain::Place::Output(i) => self.source(fused, Source::Store(i)),
                    chain::Place::Sums(i) => Slot::Memory(self.sums(fused, i).start as u32),
                })?)
            }
            Instruction::Rows { join, source, target } => {
                let count = fused.count(fused.volume, true);
                let (from, shape) = (self.source(fused, *source), [count, fused.row, 1]);
                Work::Join { kernel: pass::kernel::<T>(*join), from, shape, to: self.target(fused, *target, count) }
            }
            Instruction::Spread { source, register } => {
                let count = fused.count(fused.volume, true);
                let axes = (SmallVec::from_slice(&[count, fused.row]), SmallVec::from_slice(&[1, 0]));
                let to = self.register(fused, *register);
                Work::Repeat { from: (self.source(fused, *source), count), axes, to }
            }
            Instruction::Join { join, source } => {
                let joined = &fused.joins[*join as usize];
                let to = self.written(joined.place, joined.made(fused.volume, fused.volume, chain::sums::<T>()));
                let (from, shape) = (self.source(fused, *source), joined.shape(fused.volume));
                Work::Join { kernel: pass::kernel::<T>(joined.join), from, shape, to }
            }
        })
    }
}

/// What an instruction may read: everything but what it writes.
struct Readable<'r, T> {
    lists: &'r [&'r [T]],
    low: &'r [T],
    high: &'r [T],
    /// Where `high` begins.
    end: usize,
}

impl<'r, T> Readable<'r, T> {
    /// The elements that are written, and the others.
    #[inline(always)]
    fn split(lists: &'r [&'r [T]], memory: &'r mut [T], written: &Range<usize>) -> (Self, &'r mut [T]) {
        let (low, rest) = memory.split_at_mut(written.start);
        let (output, high) = rest.split_at_mut(written.len());
        (Readable { lists, low, high, end: written.end }, output)
    }

    #[inline(always)]
    fn get(&self, from: Slot, count: usize) -> &'r [T] {
        match from {
            Slot::List(i, at) => &self.lists[i as usize][at as usize..][..count],
            Slot::Memory(at) if (at as usize) < self.low.len() => &self.low[at as usize..][..count],
            Slot::Memory(at) => &self.high[at as usize - self.end..][..count],
        }
    }
}

impl<T: Element> Run<'_, T> {
    /// Runs a plan in this form.
    pub(super) fn run_compact(&self, compact: &Compact<T>, memory: &mut Memory<T>) -> Result<()> {
        let memory = memory.stretch(compact.length).map_err(|missing| self.lack(missing))?;
        compact.work.iter().try_for_each(|work| self.work(work, memory))
    }

    #[inline(always)]
    fn work(&self, work: &Work<T>, memory: &mut [T]) -> Result<()> {
        match work {
            Work::Chain(chain) => chain.run(self.leaves, memory),
            Work::Row { row, sources, to } => {
                let (readable, output) = Readable::split(self.leaves, memory, to);
                let mut values: [&[T]; 4] = [&[]; 4];
                for (value, &from) in values.iter_mut().zip(sources) {
                    *value = readable.get(from, to.len());
                }
                row(&values[..sources.len()], output);
            }
            Work::Op { node, inputs, to, add, transposed } => {
                let (readable, output) = Readable::split(self.leaves, memory, to);
                let values = |&(input, from): &(u32, Slot)| match from {
                    // Indices have no values.
                    Slot::List(i, _) => (input, self.leaves[i as usize]),
                    from => (input, readable.get(from, self.steps.selection.shapes[input as usize].volume())),
                };
                return self.run_kernel((*node, *transposed), inputs.iter().map(values), (output, *add));
            }
            Work::Repeat { from, axes: (lengths, strides), to } => {
                let (readable, output) = Readable::split(self.leaves, memory, to);
                gather::repeat(readable.get(from.0, from.1), lengths, strides, 0, output);
            }
            other => self.other_work(other, memory),
        }
        Ok(())
    }

    /// What is seldom in a list, apart from what is frequent.
    #[inline(never)]
    fn other_work(&self, work: &Work<T>, memory: &mut [T]) {
        match work {
            Work::RowWise { kernel, n, from, to } => {
                let (readable, output) = Readable::split(self.leaves, memory, to);
                kernel(readable.get(*from, to.len()), *n, output);
            }
            Work::Fill { from, to } => {
                let (readable, output) = Readable::split(self.leaves, memory, to);
                output.fill(readable.get(*from, 1)[0]);
            }
            Work::Zero(to) => memory[to.clone()].fill(T::ZERO),
            Work::Join { kernel, from, shape, to } => {
                let (readable, output) = Readable::split(self.leaves, memory, to);
                kernel(readable.get(*from, shape.iter().product()), *shape, output);
            }
            Work::Chain(_) | Work::Row { .. } | Work::Op { .. } | Work::Repeat { .. } => {}
        }
    }
}
