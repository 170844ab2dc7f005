//! The fourth stage: a place for every value.
//!
//! Views lie where their operand lies. A buffer is free again after the last kernel that reads it, and the next value
//! that fits takes it; a fused pass writes over what it reads for the last time, element for element.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::fuse::{Groups, can_fuse, is_blockwise, is_elementwise, row_of};
use super::plan::{Place, Step, Steps};
use super::program;
use super::select::{Selection, Tag};
use super::simplify::Simplified;
use super::sums::Added;
use super::transposed::{Copied, Transposed};

/// A kernel before it knows where its operands lie: one op, or the members of a group in order.
pub(crate) struct Kernel {
    pub(crate) nodes: SmallVec<[u32; 4]>,
    pub(crate) fused: bool,
}

pub(crate) struct Placer<'a> {
    pub(crate) selection: &'a Selection,
    pub(crate) simplified: &'a Simplified,
    pub(crate) groups: &'a Groups,
    /// The kernel that computes each node.
    kernel_of: Vec<u32>,
    /// The last kernel that reads each node's memory.
    last_use: Vec<u32>,
    places: Vec<Option<Place>>,
    /// Free buffers by length, those freed last at the end.
    free: BTreeMap<usize, Vec<u32>>,
    buffers: Vec<usize>,
    results: Vec<(u32, usize)>,
    transposed: Transposed,
}

/// Plans what was selected.
pub(crate) fn plan(selection: &Selection) -> Steps {
    let simplified = &Simplified::of(selection);
    let groups = Groups::of(selection, simplified);
    let count = selection.len();
    let mut placer = Placer {
        selection,
        simplified,
        groups: &groups,
        kernel_of: vec![u32::MAX; count],
        last_use: vec![0; count],
        places: vec![None; count],
        free: BTreeMap::new(),
        buffers: Vec::new(),
        results: Vec::new(),
        transposed: Transposed::default(),
    };
    let kernels = placer.order();
    placer.find_last_uses(&kernels);
    placer.place_leaves_and_results(&kernels);
    placer.transposed = Transposed::of(&placer, &kernels);
    let mut ending: Vec<SmallVec<[u32; 2]>> = vec![SmallVec::new(); kernels.len()];
    let mut steps = Vec::with_capacity(kernels.len());
    for (i, kernel) in kernels.iter().enumerate() {
        steps.extend(placer.copy_transposed(i as u32, &mut ending));
        steps.push(placer.step(i as u32, kernel, &mut ending));
    }
    let outputs = selection.outputs.iter().map(|&output| placer.place(simplified.replaced[output as usize])).collect();
    let (buffers, results) = (placer.buffers, placer.results);
    Steps { selection: selection.clone(), steps, buffers, results, outputs, lean: None }
}

impl Placer<'_> {
    /// The kernels in the order of their times.
    fn order(&mut self) -> Vec<Kernel> {
        let mut runs: Vec<bool> =
            (0..self.selection.len() as u32).map(|node| self.simplified.runs(self.selection, node)).collect();
        // A product that is added to what is there runs with its sum.
        self.simplified.added.iter().flatten().for_each(|added| runs[added.product as usize] = false);
        let mut nodes: Vec<u32> = (0..self.selection.len() as u32).filter(|&node| runs[node as usize]).collect();
        let key = |&node: &u32| (self.groups.times[node as usize], self.groups.of[node as usize], node);
        nodes.sort_unstable_by_key(key);
        let mut kernels: Vec<Kernel> = Vec::new();
        let mut group = u32::MAX;
        for node in nodes {
            let tag = self.selection.tags[node as usize];
            let added = self.simplified.added[node as usize].map(|added| added.product);
            if can_fuse(tag) && group == self.groups.of[node as usize] {
                if let Some(kernel) = kernels.last_mut() {
                    kernel.nodes.push(node);
                    kernel.fused = true;
                }
            } else {
                let nodes = added.into_iter().chain([node]).collect();
                kernels.push(Kernel { nodes, fused: is_elementwise(tag) && added.is_none() });
            }
            for node in added.into_iter().chain([node]) {
                self.kernel_of[node as usize] = kernels.len() as u32 - 1;
            }
            group = self.groups.of[node as usize];
        }
        kernels
    }

    /// The node whose memory a node lies in.
    pub(crate) fn memory(&self, node: u32) -> u32 {
        self.simplified.memory(self.selection, node)
    }

    fn find_last_uses(&mut self, kernels: &[Kernel]) {
        for (i, kernel) in kernels.iter().enumerate() {
            for &node in &kernel.nodes {
                for input in 0..self.selection.inputs(node).len() {
                    let memory = self.memory(self.selection.inputs(node)[input]) as usize;
                    self.last_use[memory] = self.last_use[memory].max(i as u32);
                }
            }
        }
    }

    /// Leaves lie on the tape; what is asked for, or kept, leaves with the results.
    fn place_leaves_and_results(&mut self, kernels: &[Kernel]) {
        for node in 0..self.selection.len() {
            if matches!(self.selection.tags[node], Tag::Value | Tag::Number(_) | Tag::Indices) {
                self.places[node] = Some(Place::Tape(node as u32));
            }
        }
        let asked: Vec<u32> = self.selection.outputs.iter().map(|&output| self.memory(output)).collect();
        let keep = self.selection.options.keep;
        let dropped = |node: u32| self.selection.dropped.binary_search(&node).is_ok();
        let kept = kernels
            .iter()
            .flat_map(|kernel| kernel.nodes.iter().copied())
            .filter(|&node| keep && !dropped(node) && self.is_stored(node));
        // What a checkpoint returns lies in memory of the checkpoint.
        let returned = (0..self.selection.len() as u32)
            .filter(|&node| keep && self.selection.tags[node as usize] == Tag::View && !dropped(node))
            .filter(|&node| self.simplified.needed[node as usize])
            .map(|node| self.memory(node))
            .filter(|&memory| dropped(memory));
        let all: Vec<u32> = asked.into_iter().chain(kept).chain(returned).collect();
        for node in all {
            if self.places[node as usize].is_none() {
                let place = Place::Result(self.results.len() as u32);
                self.places[node as usize] = Some(place);
                // A sum is made there from the first product on.
                let mut made = node;
                while let Some(Added { to, .. }) = self.simplified.added[made as usize] {
                    self.places[to as usize] = Some(place);
                    made = to;
                }
                self.results.push((node, self.selection.shapes[node as usize].volume()));
            }
        }
    }

    /// Whether a computed node is read outside its kernel, so that it needs memory.
    pub(crate) fn is_stored(&self, node: u32) -> bool {
        self.last_use[node as usize] > self.kernel_of[node as usize]
            || matches!(self.places[node as usize], Some(Place::Result(_)))
            || !(is_blockwise(self.selection.tags[node as usize]) || self.is_row(node))
    }

    /// Whether a join leaves an element for each row of its group, so that it can be read inside.
    pub(crate) fn is_row(&self, node: u32) -> bool {
        let row = self.groups.form(node).row;
        row > 1 && row_of(self.selection, self.simplified, node) == Some(row)
    }

    /// Where a node lies that has a place by now.
    pub(crate) fn place(&self, node: u32) -> Place {
        self.places[self.memory(node) as usize].unwrap_or(Place::Tape(node))
    }

    /// The place of a node that is computed now: a free buffer that is large enough and not wasteful, or a new one.
    pub(crate) fn take(&mut self, node: u32) -> Place {
        if let Some(place) = self.places[node as usize] {
            return place;
        }
        let place = self.buffer(self.selection.shapes[node as usize].volume());
        self.places[node as usize] = Some(place);
        place
    }

    /// A free buffer that is large enough and not wasteful, or a new one.
    fn buffer(&mut self, volume: usize) -> Place {
        let fitting = volume..=volume.saturating_mul(4).saturating_add(3);
        let mut best = self.free.range_mut(fitting).filter(|(_, free)| !free.is_empty());
        let buffer = match best.next().and_then(|(_, free)| free.pop()) {
            Some(buffer) => buffer,
            None => {
                self.buffers.push(volume);
                self.buffers.len() as u32 - 1
            }
        };
        Place::Buffer(buffer)
    }

    /// The copy that a kernel reads first of all that read it.
    fn copy_transposed(&mut self, index: u32, ending: &mut [SmallVec<[u32; 2]>]) -> Option<Step> {
        let Copied { node, last, place: None } = *self.transposed.of_kernel(index)? else { return None };
        let &[.., rows, columns] = &self.selection.shapes[node as usize][..] else { return None };
        let output = self.buffer(rows * columns);
        if let (Place::Buffer(buffer), Some(copied)) = (output, self.transposed.of_kernel(index)) {
            copied.place = Some(output);
            ending[last as usize].push(buffer);
        }
        let axes = (SmallVec::from_slice(&[columns, rows]), SmallVec::from_slice(&[1, columns]));
        Some(Step::Copy { node, from: (self.place(node), 0), axes, output, transposed: true })
    }

    /// Whether it is settled already where a node lies.
    pub(crate) fn has_place(&self, node: u32) -> bool {
        self.places[node as usize].is_some()
    }

    /// Whether a kernel is the last that reads the buffer a node lies in.
    pub(crate) fn ends_with(&self, node: u32, kernel: &Kernel) -> bool {
        let memory = self.memory(node) as usize;
        matches!(self.places[memory], Some(Place::Buffer(_)))
            && self.last_use[memory] == self.kernel_of[kernel.nodes[0] as usize]
    }

    /// Writes a node that is computed now where another lay.
    pub(crate) fn take_over(&mut self, node: u32, place: Place) -> Place {
        self.places[node as usize] = Some(place);
        place
    }

    /// A node by itself, or a product with the sum that it is added to.
    fn alone(&mut self, kernel: &Kernel) -> Step {
        let (node, sum) = (kernel.nodes[0], kernel.nodes.get(1).copied());
        let inputs = self.selection.inputs(node);
        if let Some(layout) = self.simplified.lying(self.selection, node) {
            let axes = layout.merged(&self.selection.shapes[node as usize]);
            let from = (self.place(inputs[0]), layout.offset);
            return Step::Copy { node, from, axes, output: self.take(node), transposed: false };
        }
        let mut inputs: SmallVec<[_; 4]> = inputs.iter().map(|&input| (input, self.place(input))).collect();
        let copy = self.transposed.of_kernel(self.kernel_of[node as usize]).and_then(|copied| copied.place);
        if let (Some(copy), Some(operand)) = (copy, inputs.get_mut(1)) {
            operand.1 = copy;
        }
        let to = sum.and_then(|sum| self.simplified.added[sum as usize]).map(|added| self.place(added.to));
        let output = match (sum, to) {
            (Some(sum), Some(to)) => self.take_over(sum, to),
            _ => self.take(node),
        };
        Step::Op { node, inputs, output, sum, transposed: copy.is_some() }
    }

    fn step(&mut self, index: u32, kernel: &Kernel, ending: &mut [SmallVec<[u32; 2]>]) -> Step {
        let step = match kernel.fused {
            true => Step::Fused(program::write(self, kernel)),
            false => self.alone(kernel),
        };
        ending[index as usize].retain(|buffer| !step.in_place(Place::Buffer(*buffer)));
        for &node in &kernel.nodes {
            if let Some(Place::Buffer(buffer)) = self.places[node as usize] {
                ending[self.last_use[node as usize].max(index) as usize].push(buffer);
            }
        }
        for buffer in ending[index as usize].drain(..) {
            self.free.entry(self.buffers[buffer as usize]).or_default().push(buffer);
        }
        step
    }
}
