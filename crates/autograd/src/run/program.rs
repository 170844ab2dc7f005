//! Writes the program of a fused group: loads, instructions over registers, stores.

use smallvec::SmallVec;

use super::place::{Kernel, Placer};
use super::plan::{Fused, Instruction, Load, Pattern, Source, Target};
use super::select::Tag;

/// The program of a group while it is written.
struct Writer<'p, 'a> {
    placer: &'p mut Placer<'a>,
    kernel: &'p Kernel,
    fused: Fused,
    /// Where each member's value is, by its position in the kernel.
    values: Vec<Option<Source>>,
    /// Which outside operand each load is.
    loaded: Vec<u32>,
    free: Vec<u16>,
}

/// Writes the program of a group and takes places for what it stores.
pub(crate) fn write(placer: &mut Placer<'_>, kernel: &Kernel) -> Fused {
    let node = kernel.nodes[0];
    let volume = placer.selection.shapes[node as usize].volume();
    let fused = Fused { node, volume, ..Fused::default() };
    let values = vec![None; kernel.nodes.len()];
    let mut writer = Writer { placer, kernel, fused, values, loaded: Vec::new(), free: Vec::new() };
    writer.load_all();
    for position in 0..kernel.nodes.len() {
        writer.instruct(position);
    }
    writer.fused
}

impl Writer<'_, '_> {
    fn position(&self, node: u32) -> Option<usize> {
        self.kernel.nodes.binary_search(&node).ok()
    }

    /// The operands of a member; a view of another member is that member.
    fn operands(&self, position: usize) -> SmallVec<[u32; 4]> {
        let (selection, simplified) = (self.placer.selection, self.placer.simplified);
        let resolve = |operand: u32| {
            let memory = simplified.memory(selection, operand);
            if self.position(memory).is_some() { memory } else { operand }
        };
        simplified.operands(selection, self.kernel.nodes[position]).map(resolve).collect()
    }

    /// Lists what comes from outside; what has to be repeated gets a register for the whole program.
    fn load_all(&mut self) {
        for position in 0..self.kernel.nodes.len() {
            for operand in self.operands(position) {
                if self.position(operand).is_some() || self.loaded.contains(&operand) {
                    continue;
                }
                let pattern = self.pattern(operand);
                let place = self.placer.place(operand);
                self.loaded.push(operand);
                let volume = self.placer.selection.shapes[operand as usize].volume();
                self.fused.loads.push(Load { place, volume, pattern });
            }
        }
    }

    fn register(&mut self) -> u16 {
        self.free.pop().unwrap_or_else(|| {
            self.fused.registers += 1;
            self.fused.registers as u16 - 1
        })
    }

    /// How an operand's elements repeat in the shape of the group.
    fn pattern(&mut self, operand: u32) -> Pattern {
        let shapes = &self.placer.selection.shapes;
        let (shape, own) = (&shapes[self.fused.node as usize], &shapes[operand as usize]);
        if own.volume() == self.fused.volume {
            return Pattern::Direct;
        }
        if own.volume() == 1 {
            return Pattern::Splat { register: self.register() };
        }
        let (new, own_strides) = (shape.len() - own.len(), own.strides());
        let stride = |axis: usize| match axis < new || own[axis - new] == 1 {
            true => 0,
            false => own_strides[axis - new],
        };
        let (mut lengths, mut strides) = (SmallVec::<[usize; 4]>::new(), SmallVec::<[usize; 4]>::new());
        for (axis, &length) in shape.iter().enumerate().filter(|&(_, &length)| length != 1) {
            let stride = stride(axis);
            match (lengths.last_mut(), strides.last_mut()) {
                (Some(outer), Some(outer_stride)) if *outer_stride == stride * length => {
                    *outer *= length;
                    *outer_stride = stride;
                }
                _ => {
                    lengths.push(length);
                    strides.push(stride);
                }
            }
        }
        Pattern::Repeat { register: self.register(), lengths, strides }
    }

    fn source(&self, operand: u32) -> Option<Source> {
        if let Some(position) = self.position(operand) {
            return self.values[position];
        }
        let load = self.loaded.iter().position(|&loaded| loaded == operand)?;
        Some(match self.fused.loads[load].pattern {
            Pattern::Direct => Source::Load(load as u16),
            Pattern::Splat { register } | Pattern::Repeat { register, .. } => Source::Register(register),
        })
    }

    fn instruct(&mut self, position: usize) {
        let node = self.kernel.nodes[position];
        let operands = self.operands(position);
        let sources: SmallVec<[Source; 3]> = operands.iter().filter_map(|&operand| self.source(operand)).collect();
        let stored = self.placer.is_stored(node);
        let tag = self.placer.selection.tags[node as usize];
        let copies = tag == Tag::Broadcast;
        if copies && !stored {
            self.values[position] = sources.first().copied();
            return;
        }
        let target = match stored {
            true if tag == Tag::Join => {
                let place = self.placer.take(node);
                self.fused.joins.push((node, place));
                Target::Join(self.fused.joins.len() as u16 - 1)
            }
            true => {
                let place = self.placer.take(node);
                self.fused.stores.push((node, place));
                Target::Store(self.fused.stores.len() as u16 - 1)
            }
            false => Target::Register(self.register()),
        };
        self.values[position] = match target {
            Target::Register(register) => Some(Source::Register(register)),
            Target::Store(store) => Some(Source::Store(store)),
            Target::Join(_) => None,
        };
        self.fused.instructions.push(Instruction { node, sources, target, copies });
        self.release(position, &operands);
    }

    /// Frees the registers of members that no later member reads.
    fn release(&mut self, position: usize, operands: &[u32]) {
        let mut seen = SmallVec::<[u32; 4]>::new();
        for &operand in operands {
            let Some(Source::Register(register)) = self.member_value(operand) else { continue };
            let later = (position + 1..self.kernel.nodes.len()).any(|later| self.operands(later).contains(&operand));
            if !later && !seen.contains(&operand) && self.owns(operand) {
                self.free.push(register);
            }
            seen.push(operand);
        }
    }

    fn member_value(&self, operand: u32) -> Option<Source> {
        self.position(operand).and_then(|position| self.values[position])
    }

    /// Whether a member's register is its own, not that of an operand it repeats.
    fn owns(&self, member: u32) -> bool {
        self.placer.selection.tags[member as usize] != Tag::Broadcast
    }
}
