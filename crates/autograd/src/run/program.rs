//! Writes the program of a fused group: loads, instructions over registers, stores.
//!
//! Arithmetic runs as chains, as much of it at a time as is ready; then all other rows that are ready; and so on. So a
//! program has few instructions, and what only the next step of a chain reads is never in memory.

use smallvec::SmallVec;

use super::chains::{self, Light};
use super::place::{Kernel, Placer};
use super::plan::{Fused, Instruction, Joined, Load, Pattern, Source, Store, Target};
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
    /// What each member reads: nodes, and that against whose shape each is repeated.
    pub(super) reads: Vec<SmallVec<[(u32, u32); 4]>>,
    /// The same, once all loads are listed.
    operands: Vec<SmallVec<[Operand; 4]>>,
    /// How each member runs in a chain.
    lights: Vec<Option<Light>>,
    /// How often each member is still read.
    uses: Vec<u32>,
    /// How often each is still read repeated along the rows, and the register that has it so.
    spreads: Vec<(u32, Option<u16>)>,
    done: Vec<bool>,
    /// Where each member's value is in memory.
    values: Vec<Option<Source>>,
    /// Which outside operand each load is, against whose shape, and how often it is still read.
    loaded: Vec<(u32, u32, u32)>,
    /// The loads in whose place stores are written.
    ended: Vec<(u16, u16)>,
    free: Vec<u16>,
    /// The steps of the chain that is written.
    steps: Vec<(Action, Place)>,
    /// Whose value the registers of the machine hold.
    tile: Option<Operand>,
}

/// What a member reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operand {
    /// Another member, by its position.
    Member(usize),
    Load(u16),
}

/// Writes the program of a group and takes places for what it stores.
pub(crate) fn write(placer: &mut Placer<'_>, kernel: &Kernel) -> Fused {
    let mut writer = Writer::new(placer, kernel);
    writer.load_all();
    loop {
        let before = writer.done.iter().filter(|&&done| done).count();
        writer.chain(false);
        while let Some(position) = (0..kernel.nodes.len()).find(|&p| writer.is_ready(p) && !writer.in_chain(p)) {
            writer.instruct(position);
        }
        if writer.fused.row > 1 {
            writer.chain(true);
            (0..kernel.nodes.len()).for_each(|position| writer.spread(position));
        }
        if writer.done.iter().filter(|&&done| done).count() == before {
            break;
        }
    }
    debug_assert!(writer.done.iter().all(|&done| done), "members are in the order of the tape");
    in_place(writer.fused, &writer.ended)
}

/// A program in which some loads are what lies in stores before they are written.
fn in_place(mut fused: Fused, ended: &[(u16, u16)]) -> Fused {
    if ended.is_empty() {
        return fused;
    }
    let store_of = |load: u16| ended.iter().find(|ended| ended.0 == load).map(|ended| ended.1);
    let left = |load: u16| load - ended.iter().filter(|ended| ended.0 < load).count() as u16;
    let source = |source: &mut Source| {
        if let Source::Load(load) = *source {
            *source = store_of(load).map_or(Source::Load(left(load)), Source::Store);
        }
    };
    for instruction in &mut fused.instructions {
        match instruction {
            Instruction::Row { sources, .. } => sources.iter_mut().for_each(source),
            Instruction::Chain { chain, .. } => chain.replace(|place| match place {
                Place::Input(load) => store_of(load).map_or(Place::Input(left(load)), Place::Output),
                Place::Number(load) => Place::Number(left(load)),
                other => other,
            }),
            Instruction::RowWise { source: from, .. }
            | Instruction::Rows { source: from, .. }
            | Instruction::Spread { source: from, .. }
            | Instruction::Join { source: from, .. } => source(from),
        }
    }
    fused.fills.iter_mut().for_each(|fill| fill.0 = left(fill.0));
    let mut load = 0..;
    fused.loads.retain(|_| load.next().is_none_or(|load| store_of(load).is_none()));
    fused
}

impl<'p, 'a> Writer<'p, 'a> {
    fn new(placer: &'p mut Placer<'a>, kernel: &'p Kernel) -> Self {
        let (count, form) = (kernel.nodes.len(), placer.groups.form(kernel.nodes[0]));
        let node = form.whole.unwrap_or(kernel.nodes[0]);
        let volume = placer.selection.shapes[node as usize].volume();
        let members = kernel.nodes.to_vec();
        let fused = Fused { node, volume, row: form.row, unit: form.row, members, ..Fused::default() };
        let mut writer = Writer {
            placer,
            kernel,
            fused,
            reads: Vec::with_capacity(count),
            operands: Vec::with_capacity(count),
            lights: vec![None; count],
            uses: vec![0; count],
            spreads: vec![(0, None); count],
            done: vec![false; count],
            values: vec![None; count],
            loaded: Vec::new(),
            ended: Vec::new(),
            free: Vec::new(),
            steps: Vec::new(),
            tile: None,
        };
        for position in 0..count {
            let reads = writer.resolved(position);
            writer.reads.push(reads);
            // What is only repeated is read where it lies.
            writer.done[position] = writer.is_alias(kernel.nodes[position]);
        }
        for position in 0..count {
            let separate = writer.placer.selection.options.separate;
            let light = chains::light(&writer, position);
            writer.lights[position] =
                light.filter(|&light| !separate || matches!(light, Light::Copy | Light::Times(_)));
            if let Some(Light::Choose) = writer.lights[position] {
                writer.reads[position].truncate(2);
            }
        }
        writer
    }

    fn position(&self, node: u32) -> Option<usize> {
        self.kernel.nodes.binary_search(&node).ok()
    }

    fn volume(&self, node: u32) -> usize {
        self.placer.selection.shapes[node as usize].volume()
    }

    /// Whether a member has one element for each row.
    fn is_of_rows(&self, node: u32) -> bool {
        self.fused.row > 1 && self.volume(node) != self.fused.volume
    }

    /// Whether a member reads one element for each row.
    fn reads_rows(&self, node: u32) -> bool {
        !self.is_join(node) && self.is_of_rows(node)
    }

    /// Whether a member reads another once for each element of a row.
    fn is_spread(&self, read: usize, reader: usize) -> bool {
        self.is_of_rows(self.kernel.nodes[read]) != self.reads_rows(self.kernel.nodes[reader])
    }

    /// Whether a member only repeats what it reads, and nobody wants it outside or repeats it once more.
    fn is_alias(&self, node: u32) -> bool {
        let is_broadcast = self.placer.selection.tags[node as usize] == Tag::Broadcast;
        is_broadcast && !self.placer.is_stored(node) && !self.is_of_rows(node)
    }

    /// The operands of a member; a view of another member is that member, what is only repeated is what it repeats.
    fn resolved(&self, position: usize) -> SmallVec<[(u32, u32); 4]> {
        let (selection, simplified) = (self.placer.selection, self.placer.simplified);
        let node = self.kernel.nodes[position];
        let resolve = |mut operand: u32| {
            let mut against = if self.is_join(node) { operand } else { node };
            loop {
                let memory = simplified.memory(selection, operand);
                if self.position(memory).is_none() {
                    return (operand, against);
                }
                if !self.is_alias(memory) {
                    return (memory, against);
                }
                against = memory;
                operand = simplified.replaced[selection.inputs(memory)[0] as usize];
            }
        };
        simplified.operands(selection, node).map(resolve).collect()
    }

    /// Lists what comes from outside, where what has to be repeated gets a register for the whole program; and counts how
    /// often members are read.
    fn load_all(&mut self) {
        for position in 0..self.kernel.nodes.len() {
            let reads = if self.done[position] { SmallVec::new() } else { self.reads[position].clone() };
            let operands = reads.into_iter().map(|(node, against)| match self.position(node) {
                Some(read) => Operand::Member(read),
                None => Operand::Load(self.load_of(node, against, position)),
            });
            let operands: SmallVec<[Operand; 4]> = operands.collect();
            for &operand in &operands {
                let Operand::Member(read) = operand else { continue };
                if !self.is_spread(read, position) {
                    self.uses[read] += 1;
                    continue;
                }
                // What repeats it reads it once.
                self.uses[read] += u32::from(self.spreads[read].0 == 0);
                self.spreads[read].0 += 1;
            }
            self.operands.push(operands);
        }
    }

    /// The load of an outside operand that a member reads, perhaps a new one.
    fn load_of(&mut self, operand: u32, against: u32, reader: usize) -> u16 {
        let shape = |node: u32| &self.placer.selection.shapes[node as usize];
        let is = |&(loaded, other, _): &(u32, u32, u32)| loaded == operand && shape(other) == shape(against);
        if let Some(load) = self.loaded.iter().position(is) {
            self.loaded[load].2 += 1;
            return load as u16;
        }
        let of_rows = self.reads_rows(self.kernel.nodes[reader]);
        let (offset, pattern) = self.pattern(operand, against, of_rows);
        let place = self.placer.place(operand);
        self.loaded.push((operand, against, 1));
        self.fused.loads.push(Load { place, offset, volume: self.volume(operand), pattern, of_rows });
        self.fused.loads.len() as u16 - 1
    }

    fn is_join(&self, node: u32) -> bool {
        matches!(self.placer.selection.tags[node as usize], Tag::Join(..))
    }

    fn register(&mut self) -> u16 {
        self.free.pop().unwrap_or_else(|| {
            self.fused.registers += 1;
            self.fused.registers as u16 - 1
        })
    }

    /// Where an operand's elements begin, and how they repeat in a shape.
    fn pattern(&mut self, operand: u32, against: u32, of_rows: bool) -> (usize, Pattern) {
        let shapes = &self.placer.selection.shapes;
        let (shape, own) = (&shapes[against as usize], &shapes[operand as usize]);
        let layout = self.placer.simplified.layouts[operand as usize].as_ref();
        let offset = layout.map_or(0, |layout| layout.offset);
        let (lengths, strides) = if own.volume() == shape.volume() {
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
        let period = if strides[0] == 0 { lengths[1..].iter().product() } else { shape.volume() };
        let period = if of_rows { period * self.fused.row } else { period };
        let steady = period <= MOST_PERIOD;
        if steady {
            self.fused.unit = self.fused.unit.max(period);
        }
        (offset, Pattern::Repeat { register: self.register(), lengths, strides, steady })
    }

    fn is_ready(&self, position: usize) -> bool {
        let there = |&operand: &Operand| match operand {
            Operand::Member(read) if self.is_spread(read, position) => self.spreads[read].1.is_some(),
            Operand::Member(read) => self.done[read],
            Operand::Load(_) => true,
        };
        !self.done[position] && self.operands[position].iter().all(there)
    }

    fn in_chain(&self, position: usize) -> bool {
        self.lights[position].is_some()
    }

    /// Where a member reads another.
    fn value(&self, read: usize, reader: usize) -> Option<Source> {
        if self.is_spread(read, reader) { self.spreads[read].1.map(Source::Register) } else { self.values[read] }
    }

    /// Where a row reads an operand.
    fn source(&mut self, operand: Operand, reader: usize) -> Option<Source> {
        let load = match operand {
            Operand::Member(read) => return self.value(read, reader),
            Operand::Load(load) => load,
        };
        Some(match self.fused.loads[load as usize].pattern {
            Pattern::Direct => Source::Load(load),
            Pattern::Repeat { register, .. } => Source::Register(register),
            Pattern::Number => {
                let filled = self.fused.fills.iter().find(|fill| fill.0 == load).map(|fill| fill.1);
                Source::Register(filled.unwrap_or_else(|| {
                    // Not a free one, for it holds the number through the whole program.
                    let register = self.fused.registers as u16;
                    self.fused.registers += 1;
                    self.fused.fills.push((load, register));
                    register
                }))
            }
        })
    }

    /// Where a chain reads an operand.
    fn operand(&self, operand: Operand, reader: usize) -> Place {
        let load = match operand {
            Operand::Load(load) => load,
            Operand::Member(read) => {
                return match self.value(read, reader) {
                    Some(Source::Register(register)) => Place::Register(register),
                    Some(Source::Store(store)) => Place::Output(store),
                    _ => Place::None,
                };
            }
        };
        match self.fused.loads[load as usize].pattern {
            Pattern::Direct => Place::Input(load),
            Pattern::Number => Place::Number(load),
            Pattern::Repeat { register, .. } => Place::Register(register),
        }
    }

    /// A place for a member that leaves the pass: where an operand lay that is read for the last time, if there is one.
    fn store(&mut self, node: u32) -> u16 {
        let of_rows = self.is_of_rows(node);
        let ended = if of_rows { None } else { self.ended_load().filter(|_| !self.placer.has_place(node)) };
        let place = match ended {
            Some(load) => {
                self.ended.push((load, self.fused.stores.len() as u16));
                self.placer.take_over(node, self.fused.loads[load as usize].place)
            }
            None => self.placer.take(node),
        };
        self.fused.stores.push(Store { node, place, of_rows, in_place: ended.is_some() });
        self.fused.stores.len() as u16 - 1
    }

    /// A load that nobody reads any more, here or later, and whose memory no other load shares.
    fn ended_load(&self) -> Option<u16> {
        let loads = &self.fused.loads;
        let ended = |&i: &usize| {
            let (load, (operand, _, reads)) = (&loads[i], self.loaded[i]);
            let shared = || loads.iter().filter(|other| other.place == load.place).count() > 1;
            let whole = load.pattern == Pattern::Direct && !load.of_rows && load.offset == 0;
            reads == 0 && whole && self.placer.ends_with(operand, self.kernel) && !shared()
        };
        let is_new = |&i: &usize| self.ended.iter().all(|ended| usize::from(ended.0) != i);
        let separate = self.placer.selection.options.separate;
        (0..loads.len()).filter(|_| !separate).filter(is_new).find(ended).map(|load| load as u16)
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
        let sources: SmallVec<[Source; 3]> =
            operands.iter().filter_map(|&operand| self.source(operand, position)).collect();
        let tag = self.placer.selection.tags[node as usize];
        let instruction = match tag {
            Tag::Join(..) if !self.placer.is_row(node) => {
                Instruction::Join { join: self.join(position, None), source: sources[0] }
            }
            Tag::RowWise(n) => {
                let n = n as usize;
                self.fused.unit = self.fused.unit.max(n);
                Instruction::RowWise { node, n, source: sources[0], target: self.target(position) }
            }
            Tag::Join(join, ..) => Instruction::Rows { join, source: sources[0], target: self.target(position) },
            _ => Instruction::Row { node, sources, target: self.target(position), of_rows: self.is_of_rows(node) },
        };
        self.fused.instructions.push(instruction);
        self.finish(position);
    }

    /// Where a member that is read, inside or outside, is written.
    fn target(&mut self, position: usize) -> Target {
        let node = self.kernel.nodes[position];
        let (target, source) = match self.placer.is_stored(node) {
            true => {
                let store = self.store(node);
                (Target::Store(store), Source::Store(store))
            }
            false => {
                let register = self.register();
                (Target::Register(register), Source::Register(register))
            }
        };
        self.values[position] = Some(source);
        target
    }

    /// Repeats a member that has one element for each row along the rows, if it is there and is read so.
    fn spread(&mut self, position: usize) {
        if let ((1.., None), true, Some(source)) = (self.spreads[position], self.done[position], self.values[position])
        {
            let register = self.register();
            self.fused.instructions.push(Instruction::Spread { source, register });
            self.spreads[position].1 = Some(register);
            self.read_once(position);
        }
    }

    /// Counts what a member read, and frees registers that nobody reads any more.
    fn finish(&mut self, position: usize) {
        self.done[position] = true;
        for operand in self.operands[position].clone() {
            let read = match operand {
                Operand::Member(read) => read,
                Operand::Load(load) => {
                    self.loaded[load as usize].2 -= 1;
                    continue;
                }
            };
            if !self.is_spread(read, position) {
                self.read_once(read);
                continue;
            }
            self.spreads[read].0 -= 1;
            if let (0, Some(register)) = self.spreads[read] {
                self.free.push(register);
            }
        }
    }

    fn read_once(&mut self, read: usize) {
        self.uses[read] -= 1;
        if let (0, Some(Source::Register(register))) = (self.uses[read], self.values[read]) {
            self.free.push(register);
            self.values[read] = None;
        }
    }

    /// All arithmetic that is ready, as one chain: of members that have one element for each row, or of others.
    fn chain(&mut self, of_rows: bool) {
        while let Some(position) = self.next_light(of_rows) {
            self.light(position);
        }
        self.keep(0);
        self.tile = None;
        if let Some(chain) = Chain::new(&std::mem::take(&mut self.steps)).filter(|chain| !chain.is_empty()) {
            self.fused.instructions.push(Instruction::Chain { chain, of_rows });
        }
    }

    /// What runs next in a chain: a sum of what the machine's registers hold, then what reads it, then anything.
    fn next_light(&self, of_rows: bool) -> Option<usize> {
        let rank = |position: &usize| {
            let reads = self.tile.is_some_and(|tile| self.operands[*position].contains(&tile));
            match self.lights[*position] {
                Some(Light::Sum) if reads => 0,
                _ if reads => 1,
                _ => 2,
            }
        };
        let fits = |p: usize| self.reads_rows(self.kernel.nodes[p]) == of_rows;
        let is_next = |&p: &usize| self.in_chain(p) && fits(p) && self.is_ready(p);
        (0..self.kernel.nodes.len()).filter(is_next).min_by_key(rank)
    }

    /// Stores what the machine's registers hold, if it is read more often than that and is not in memory.
    fn keep(&mut self, reads: u32) {
        let Some(Operand::Member(position)) = self.tile else { return };
        if self.uses[position] > reads && self.values[position].is_none() {
            let register = self.register();
            self.values[position] = Some(Source::Register(register));
            self.steps.push((Action::Store, Place::Register(register)));
        }
    }

    /// Brings an operand of a member into the machine's registers.
    fn load(&mut self, operand: Operand, reader: usize) {
        if self.tile != Some(operand) {
            self.keep(0);
            self.steps.push((Action::Load, self.operand(operand, reader)));
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
            self.load(first, position);
            let sums = self.fused.sums as u16;
            self.fused.sums += 1;
            self.join(position, Some(sums));
            self.steps.push((Action::Sum, Place::Sums(sums)));
            return self.finish(position);
        }
        match second {
            Some(second) if second == first && alone.is_none() => {
                // Both at once: once from memory.
                self.load(first, position);
                self.keep(0);
                self.steps.extend(behind.map(|action| (action, self.operand(first, position))));
            }
            Some(second) if second != first => {
                let (action, operand) = match self.tile == Some(second) {
                    true => (before, first),
                    false => {
                        self.load(first, position);
                        (behind, second)
                    }
                };
                self.keep(1);
                self.steps.extend(action.map(|action| (action, self.operand(operand, position))));
            }
            _ => {
                self.load(first, position);
                self.keep(operands.len() as u32);
                self.steps.extend(alone.map(|action| (action, light.place())));
            }
        }
        self.finish(position);
        self.tile = Some(Operand::Member(position));
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
        let reads = |&p: &usize| !self.done[p] && self.operands[p].contains(&Operand::Member(position));
        let reader = (position + 1..self.kernel.nodes.len()).find(reads);
        let Some(sum) = reader.filter(|&reader| self.lights[reader] == Some(Light::Sum)) else { return false };
        let alone = self.uses[position] == 1 && self.spreads[position].0 == 0 && !self.placer.is_stored(node);
        if !alone || operands.len() != 2 || operands[0] == operands[1] {
            return false;
        }
        let (place, other) = match self.tile {
            Some(tile) if tile == operands[1] => (1, operands[0]),
            _ => (0, operands[1]),
        };
        let Some(action) = self.lights[position].and_then(|light| light.weighed(place)) else { return false };
        self.load(operands[place], position);
        self.steps.push((action, self.operand(other, position)));
        let sums = self.fused.sums as u16;
        self.fused.sums += 1;
        self.join(sum, Some(sums));
        self.steps.push((Action::Sum, Place::Sums(sums)));
        self.finish(position);
        self.finish(sum);
        true
    }
}
