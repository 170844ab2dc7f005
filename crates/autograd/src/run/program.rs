//! Writes the program of a fused group: loads, instructions over registers, stores.
//!
//! Arithmetic runs as chains, as much of it at a time as is ready; then all other rows that are ready; and so on. So a
//! program has few instructions, and what only the next step of a chain reads is never in memory.

use smallvec::SmallVec;

use super::chains::{self, Light};
use super::place::{Kernel, Placer};
use super::plan::{Fused, Instruction, Joined, Load, Pattern, Source, Target};
use super::select::{Tag, extent};
use super::strides::merged;
use crate::kernels::chain::{Action, Chain, Place};

/// The longest stretch of repeated elements that blocks are fitted to.
const MOST_PERIOD: usize = 1024;

/// The program of a group while it is written.
pub(super) struct Writer<'p, 'a> {
    pub(super) placer: &'p mut Placer<'a>,
    pub(super) kernel: &'p Kernel,
    fused: Fused,
    /// What each member reads: members, or what comes from outside.
    pub(super) operands: Vec<SmallVec<[u32; 4]>>,
    /// How each member runs in a chain.
    lights: Vec<Option<Light>>,
    /// How often each member is still read.
    uses: Vec<u32>,
    done: Vec<bool>,
    /// Where each member's value is in memory.
    values: Vec<Option<Source>>,
    /// Which outside operand each load is.
    loaded: Vec<u32>,
    free: Vec<u16>,
    /// The steps of the chain that is written.
    steps: Vec<(Action, Place)>,
    /// Whose value the registers of the machine hold.
    tile: Option<u32>,
}

/// Writes the program of a group and takes places for what it stores.
pub(crate) fn write(placer: &mut Placer<'_>, kernel: &Kernel) -> Fused {
    let mut writer = Writer::new(placer, kernel);
    writer.load_all();
    loop {
        let before = writer.done.iter().filter(|&&done| done).count();
        writer.chain();
        while let Some(position) = (0..kernel.nodes.len()).find(|&p| writer.is_ready(p) && !writer.in_chain(p)) {
            writer.instruct(position);
        }
        if writer.done.iter().filter(|&&done| done).count() == before {
            break;
        }
    }
    debug_assert!(writer.done.iter().all(|&done| done), "members are in the order of the tape");
    writer.fused
}

impl<'p, 'a> Writer<'p, 'a> {
    fn new(placer: &'p mut Placer<'a>, kernel: &'p Kernel) -> Self {
        let (count, node) = (kernel.nodes.len(), kernel.nodes[0]);
        let volume = placer.selection.shapes[node as usize].volume();
        let fused = Fused { node, volume, unit: 1, members: kernel.nodes.to_vec(), ..Fused::default() };
        let mut writer = Writer {
            placer,
            kernel,
            fused,
            operands: Vec::with_capacity(count),
            lights: vec![None; count],
            uses: vec![0; count],
            done: vec![false; count],
            values: vec![None; count],
            loaded: Vec::new(),
            free: Vec::new(),
            steps: Vec::new(),
            tile: None,
        };
        for position in 0..count {
            let operands = writer.resolved(position);
            writer.operands.push(operands);
            // What is only repeated is read where it lies.
            writer.done[position] = writer.is_alias(kernel.nodes[position]);
        }
        for position in 0..count {
            let separate = writer.placer.selection.options.separate;
            let light = chains::light(&writer, position);
            writer.lights[position] =
                light.filter(|&light| !separate || matches!(light, Light::Copy | Light::Times(_)));
            if let Some(Light::Choose) = writer.lights[position] {
                writer.operands[position].truncate(2);
            }
            if !writer.done[position] {
                for operand in writer.operands[position].clone() {
                    if let Some(read) = writer.position(operand) {
                        writer.uses[read] += 1;
                    }
                }
            }
        }
        writer
    }

    fn position(&self, node: u32) -> Option<usize> {
        self.kernel.nodes.binary_search(&node).ok()
    }

    /// Whether a member only repeats what it reads, and nobody outside wants it.
    fn is_alias(&self, node: u32) -> bool {
        self.placer.selection.tags[node as usize] == Tag::Broadcast && !self.placer.is_stored(node)
    }

    /// The operands of a member; a view of another member is that member, what is only repeated is what it repeats.
    fn resolved(&self, position: usize) -> SmallVec<[u32; 4]> {
        let (selection, simplified) = (self.placer.selection, self.placer.simplified);
        let resolve = |mut operand: u32| loop {
            let memory = simplified.memory(selection, operand);
            if self.position(memory).is_none() {
                return operand;
            }
            if !self.is_alias(memory) {
                return memory;
            }
            operand = simplified.replaced[selection.inputs(memory)[0] as usize];
        };
        simplified.operands(selection, self.kernel.nodes[position]).map(resolve).collect()
    }

    /// Lists what comes from outside; what has to be repeated gets a register for the whole program.
    fn load_all(&mut self) {
        for position in 0..self.kernel.nodes.len() {
            if self.done[position] {
                continue;
            }
            for operand in self.operands[position].clone() {
                if self.position(operand).is_some() || self.loaded.contains(&operand) {
                    continue;
                }
                let (offset, pattern) = self.pattern(operand);
                let place = self.placer.place(operand);
                self.loaded.push(operand);
                let volume = self.placer.selection.shapes[operand as usize].volume();
                self.fused.loads.push(Load { place, offset, volume, pattern });
            }
        }
    }

    fn register(&mut self) -> u16 {
        self.free.pop().unwrap_or_else(|| {
            self.fused.registers += 1;
            self.fused.registers as u16 - 1
        })
    }

    /// Where an operand's elements begin, and how they repeat in the shape of the group.
    fn pattern(&mut self, operand: u32) -> (usize, Pattern) {
        let shapes = &self.placer.selection.shapes;
        let (shape, own) = (&shapes[self.fused.node as usize], &shapes[operand as usize]);
        let layout = self.placer.simplified.layouts[operand as usize].as_ref();
        let offset = layout.map_or(0, |layout| layout.offset);
        let (lengths, strides) = if own.volume() == self.fused.volume {
            match layout.filter(|layout| layout.run(own) < own.volume()) {
                // In the order of its own elements, whatever its shape.
                Some(layout) => layout.merged(own),
                None => return (offset, Pattern::Direct),
            }
        } else {
            if own.volume() == 1 {
                return (offset, Pattern::Number);
            }
            let (new, own_strides) =
                (shape.len() - own.len(), layout.map_or_else(|| own.strides(), |l| l.strides.clone()));
            let stride = |axis: usize| match axis < new || own[axis - new] == 1 {
                true => 0,
                false => own_strides[axis - new],
            };
            merged(shape.iter().enumerate().map(|(axis, &length)| (length, stride(axis))))
        };
        // Where whole periods fit into a block, one filling serves all blocks.
        let period = if strides[0] == 0 { lengths[1..].iter().product() } else { self.fused.volume };
        let steady = period <= MOST_PERIOD;
        if steady {
            self.fused.unit = self.fused.unit.max(period);
        }
        (offset, Pattern::Repeat { register: self.register(), lengths, strides, steady })
    }

    fn is_ready(&self, position: usize) -> bool {
        let there = |&operand: &u32| self.position(operand).is_none_or(|read| self.done[read]);
        !self.done[position] && self.operands[position].iter().all(there)
    }

    fn in_chain(&self, position: usize) -> bool {
        self.lights[position].is_some()
    }

    /// Where a row reads an operand.
    fn source(&mut self, operand: u32) -> Option<Source> {
        if let Some(position) = self.position(operand) {
            return self.values[position];
        }
        let load = self.loaded.iter().position(|&loaded| loaded == operand)?;
        Some(match self.fused.loads[load].pattern {
            Pattern::Direct => Source::Load(load as u16),
            Pattern::Repeat { register, .. } => Source::Register(register),
            Pattern::Number => {
                let filled = self.fused.fills.iter().find(|fill| fill.0 == load as u16).map(|fill| fill.1);
                Source::Register(filled.unwrap_or_else(|| {
                    // Not a free one, for it holds the number through the whole program.
                    let register = self.fused.registers as u16;
                    self.fused.registers += 1;
                    self.fused.fills.push((load as u16, register));
                    register
                }))
            }
        })
    }

    /// Where a chain reads an operand.
    fn operand(&self, operand: u32) -> Place {
        if let Some(position) = self.position(operand) {
            return match self.values[position] {
                Some(Source::Register(register)) => Place::Register(register),
                Some(Source::Store(store)) => Place::Output(store),
                _ => Place::None,
            };
        }
        let load = self.loaded.iter().position(|&loaded| loaded == operand).unwrap_or(0);
        match self.fused.loads[load].pattern {
            Pattern::Direct => Place::Input(load as u16),
            Pattern::Number => Place::Number(load as u16),
            Pattern::Repeat { register, .. } => Place::Register(register),
        }
    }

    /// A place for a member that leaves the pass.
    fn store(&mut self, node: u32) -> u16 {
        let place = self.placer.take(node);
        self.fused.stores.push((node, place));
        self.fused.stores.len() as u16 - 1
    }

    /// A place for a member that is joined.
    fn join(&mut self, position: usize, sums: Option<u16>) -> u16 {
        let node = self.kernel.nodes[position];
        let selection = self.placer.selection;
        let Tag::Join(join, outer, joined) = selection.tags[node as usize] else { return 0 };
        let extent = extent(&selection.shapes[selection.inputs(node)[0] as usize], outer, joined);
        let place = self.placer.take(node);
        // Lengths of whole rows of one shape, so that each divides the next.
        self.fused.unit = self.fused.unit.max(Joined::unit(extent));
        self.fused.joins.push(Joined { node, place, join, extent, sums });
        self.fused.joins.len() as u16 - 1
    }

    /// A row, a copy or a join by itself.
    fn instruct(&mut self, position: usize) {
        let node = self.kernel.nodes[position];
        let operands = self.operands[position].clone();
        let sources: SmallVec<[Source; 3]> = operands.iter().filter_map(|&operand| self.source(operand)).collect();
        if matches!(self.placer.selection.tags[node as usize], Tag::Join(..)) {
            let join = self.join(position, None);
            self.fused.instructions.push(Instruction::Join { join, source: sources[0] });
        } else {
            let target = match self.placer.is_stored(node) {
                true => Target::Store(self.store(node)),
                false => Target::Register(self.register()),
            };
            self.values[position] = Some(match target {
                Target::Register(register) => Source::Register(register),
                Target::Store(store) => Source::Store(store),
            });
            self.fused.instructions.push(Instruction::Row { node, sources, target });
        }
        self.finish(position);
    }

    /// Counts what a member read, and frees registers that nobody reads any more.
    fn finish(&mut self, position: usize) {
        self.done[position] = true;
        for operand in self.operands[position].clone() {
            let Some(read) = self.position(operand) else { continue };
            self.uses[read] -= 1;
            if let (0, Some(Source::Register(register))) = (self.uses[read], self.values[read]) {
                self.free.push(register);
                self.values[read] = None;
            }
        }
    }

    /// All arithmetic that is ready, as one chain.
    fn chain(&mut self) {
        while let Some(position) = self.next_light() {
            self.light(position);
        }
        self.keep(0);
        self.tile = None;
        if let Some(chain) = Chain::new(&std::mem::take(&mut self.steps)).filter(|chain| !chain.is_empty()) {
            self.fused.instructions.push(Instruction::Chain(chain));
        }
    }

    /// What runs next in a chain: a sum of what the machine's registers hold, then what reads it, then anything.
    fn next_light(&self) -> Option<usize> {
        let rank = |position: &usize| {
            let reads = self.tile.is_some_and(|tile| self.operands[*position].contains(&tile));
            match self.lights[*position] {
                Some(Light::Sum) if reads => 0,
                _ if reads => 1,
                _ => 2,
            }
        };
        (0..self.kernel.nodes.len()).filter(|&p| self.in_chain(p) && self.is_ready(p)).min_by_key(rank)
    }

    /// Stores what the machine's registers hold, if it is read more often than that and is not in memory.
    fn keep(&mut self, reads: u32) {
        let Some(position) = self.tile.and_then(|tile| self.position(tile)) else { return };
        if self.uses[position] > reads && self.values[position].is_none() {
            let register = self.register();
            self.values[position] = Some(Source::Register(register));
            self.steps.push((Action::Store, Place::Register(register)));
        }
    }

    /// Brings an operand into the machine's registers.
    fn load(&mut self, operand: u32) {
        if self.tile != Some(operand) {
            self.keep(0);
            self.steps.push((Action::Load, self.operand(operand)));
            self.tile = Some(operand);
        }
    }

    /// Writes the step of a member of a chain.
    fn light(&mut self, position: usize) {
        let node = self.kernel.nodes[position];
        let operands = self.operands[position].clone();
        let Some(light) = self.lights[position] else { return };
        let (first, second) = (operands[0], operands.get(1).copied());
        let [behind, before, alone] = light.actions();
        if self.weighed_sum(position) {
            return;
        }
        if light == Light::Sum {
            self.load(first);
            let sums = self.fused.sums as u16;
            self.fused.sums += 1;
            self.join(position, Some(sums));
            self.steps.push((Action::Sum, Place::Sums(sums)));
            return self.finish(position);
        }
        match second {
            Some(second) if second == first && alone.is_none() => {
                // Both at once: once from memory.
                self.load(first);
                self.keep(0);
                self.steps.extend(behind.map(|action| (action, self.operand(first))));
            }
            Some(second) if second != first => {
                let (action, operand) = match self.tile == Some(second) {
                    true => (before, first),
                    false => {
                        self.load(first);
                        (behind, second)
                    }
                };
                self.keep(1);
                self.steps.extend(action.map(|action| (action, self.operand(operand))));
            }
            _ => {
                self.load(first);
                self.keep(operands.len() as u32);
                self.steps.extend(alone.map(|action| (action, light.place())));
            }
        }
        self.finish(position);
        self.tile = Some(node);
        if self.placer.is_stored(node) {
            let store = self.store(node);
            self.values[position] = Some(Source::Store(store));
            self.steps.push((Action::Store, Place::Output(store)));
        }
    }

    /// A product that is only summed, of what the machine's registers hold: they hold it still afterwards. Whether it was
    /// one.
    fn weighed_sum(&mut self, position: usize) -> bool {
        let (node, operands) = (self.kernel.nodes[position], self.operands[position].clone());
        let reads = |&p: &usize| !self.done[p] && self.operands[p].contains(&node);
        let reader = (position + 1..self.kernel.nodes.len()).find(reads);
        let Some(sum) = reader.filter(|&reader| self.lights[reader] == Some(Light::Sum)) else { return false };
        if self.uses[position] != 1 || self.placer.is_stored(node) || operands.len() != 2 || operands[0] == operands[1]
        {
            return false;
        }
        let (place, other) = match self.tile {
            Some(tile) if tile == operands[1] => (1, operands[0]),
            _ => (0, operands[1]),
        };
        let Some(action) = self.lights[position].and_then(|light| light.weighed(place)) else { return false };
        self.load(operands[place]);
        self.steps.push((action, self.operand(other)));
        let sums = self.fused.sums as u16;
        self.fused.sums += 1;
        self.join(sum, Some(sums));
        self.steps.push((Action::Sum, Place::Sums(sums)));
        self.finish(position);
        self.finish(sum);
        true
    }
}
