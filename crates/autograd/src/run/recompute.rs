//! Which values to compute again instead of keeping, and the selection in which that is done.
//!
//! A value that is read early and again much later (in the forward pass, and in the backward pass) is kept all that
//! time. Here it is not: late readers read a copy of its node, which runs just before them. Copies read copies, so a chain
//! of dropped values is computed again from the last value before it that is kept. Time is cut into stretches, since all of
//! a stretch is there at once when it is computed again; what is read on both sides of a cut is kept (Chen, Xu, Zhang and
//! Guestrin, *Training deep nets with sublinear memory cost*, 2016).

use smallvec::SmallVec;

use super::fuse::{Groups, is_elementwise};
use super::select::{Selection, Tag};
use super::simplify::Simplified;

const NONE: u32 = u32::MAX;

/// Values that wait for less than this part of the longest wait are kept.
const SHORT: u32 = 16;

/// A value that may be dropped.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    node: u32,
    /// How long nobody reads it.
    gap: u32,
    /// Elements kept, times how long, for each operation of computing them again.
    score: f64,
}

/// What is known of a selection.
pub(crate) struct Recompute<'a> {
    selection: &'a Selection,
    simplified: Simplified,
    groups: Groups,
    /// When each node's memory is read early for the last time, and late for the first; `NONE` where it is not late.
    early: Vec<u32>,
    late: Vec<u32>,
    last: Vec<u32>,
    /// Whether a value stays anyway: leaves, and what is asked for.
    stays: Vec<bool>,
    /// What it costs to compute a value again; infinite where it cannot be.
    costs: Vec<f64>,
    /// The last to be there of what each group reads from outside.
    latest: Vec<u32>,
    /// The best first.
    candidates: Vec<Candidate>,
}

/// A selection in which some values are computed again.
pub(crate) struct Rewritten {
    pub(crate) selection: Selection,
    /// The node that each node was before.
    pub(crate) origins: Vec<u32>,
    pub(crate) again: Vec<u32>,
}

impl<'a> Recompute<'a> {
    /// Looks for candidates among elementwise nodes, or among all.
    pub(crate) fn of(selection: &'a Selection, everything: bool) -> Self {
        let simplified = Simplified::of(selection);
        let groups = Groups::of(selection, &simplified);
        let count = selection.len();
        let mut recompute = Recompute {
            selection,
            simplified,
            groups,
            early: vec![0; count],
            late: vec![NONE; count],
            last: vec![0; count],
            stays: vec![false; count],
            costs: vec![f64::INFINITY; count],
            latest: vec![NONE; count],
            candidates: Vec::new(),
        };
        recompute.find_uses();
        recompute.find_candidates(everything);
        recompute
    }

    pub(crate) fn candidates(&self) -> usize {
        self.candidates.len()
    }

    /// The elements of all candidates.
    pub(crate) fn elements(&self) -> usize {
        self.candidates.iter().fold(0usize, |sum, candidate| sum.saturating_add(self.volume(candidate.node)))
    }

    /// The elements of the smallest candidate.
    pub(crate) fn least(&self) -> usize {
        self.candidates.iter().map(|candidate| self.volume(candidate.node)).min().unwrap_or(0).max(1)
    }

    fn volume(&self, node: u32) -> usize {
        self.selection.shapes[node as usize].volume()
    }

    fn tag(&self, node: u32) -> Tag {
        self.selection.tags[node as usize]
    }

    fn time(&self, node: u32) -> u32 {
        self.groups.times[node as usize]
    }

    /// Whether a kernel computes a node.
    fn runs(&self, node: u32) -> bool {
        self.simplified.runs(self.selection, node)
    }

    /// The nodes in whose memory the operands of a node lie.
    fn memories(&self, node: u32) -> SmallVec<[u32; 4]> {
        let operands = self.simplified.operands(self.selection, node);
        operands.map(|operand| self.simplified.memory(self.selection, operand)).collect()
    }

    /// The nodes that run, in an order in which they can.
    fn order(&self) -> Vec<u32> {
        let mut nodes: Vec<u32> = (0..self.selection.len() as u32).filter(|&node| self.runs(node)).collect();
        nodes.sort_unstable_by_key(|&node| (self.time(node), self.groups.of[node as usize], node));
        nodes
    }

    /// Finds the longest time in which nobody reads a value.
    fn find_uses(&mut self) {
        for node in 0..self.selection.len() {
            self.stays[node] = matches!(self.selection.tags[node], Tag::Value | Tag::Number(_) | Tag::Indices);
            (self.early[node], self.last[node]) = (self.groups.times[node], self.groups.times[node]);
        }
        for &output in &self.selection.outputs {
            self.stays[self.simplified.memory(self.selection, output) as usize] = true;
        }
        let mut gaps: Vec<u32> = vec![1; self.selection.len()];
        for reader in self.order() {
            let (time, group) = (self.time(reader), self.groups.of[reader as usize] as usize);
            for memory in self.memories(reader) {
                let m = memory as usize;
                let gap = time.saturating_sub(self.last[m]);
                if gap > gaps[m] {
                    (gaps[m], self.early[m], self.late[m]) = (gap, self.last[m], time);
                }
                self.last[m] = time;
                let outside = self.runs(memory) && self.groups.of[m] as usize != group;
                let before = self.latest[group];
                if outside && (before == NONE || self.time(memory) > self.time(before)) {
                    self.latest[group] = memory;
                }
            }
        }
        for node in (0..self.selection.len()).filter(|&node| self.late[node] == NONE) {
            self.early[node] = self.last[node];
        }
    }

    /// Rates the values that can be computed again from what is there.
    fn find_candidates(&mut self, everything: bool) {
        // No value costs more than everything, however often its operands are counted.
        let most: f64 = (0..self.selection.len() as u32).map(|node| self.own_cost(node)).sum();
        for node in 0..self.selection.len() as u32 {
            let n = node as usize;
            if !self.runs(node) || self.stays[n] || !(everything || is_elementwise(self.tag(node))) {
                continue;
            }
            // A helper has no late readers of its own; it is rated for when it may be needed at the earliest.
            let when = if self.late[n] == NONE { self.last[n] + 1 } else { self.late[n] };
            let mut cost = self.own_cost(node);
            for operand in self.memories(node) {
                cost += if self.is_there(operand, when, node) { 0.0 } else { self.costs[operand as usize] };
            }
            let cost = if cost.is_finite() { cost.min(most) } else { cost };
            self.costs[n] = cost;
            if cost.is_finite() && self.late[n] != NONE {
                let gap = self.late[n] - self.early[n];
                let kept = self.volume(node) as f64 * f64::from(gap);
                self.candidates.push(Candidate { node, gap, score: kept / cost.max(1.0) });
            }
        }
        // What waits shortly frees little, and may need all of the pass that it is of.
        let longest = self.candidates.iter().map(|candidate| candidate.gap).max().unwrap_or(0);
        self.candidates.retain(|candidate| candidate.gap >= longest / SHORT);
        self.candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.node.cmp(&b.node)));
    }

    /// Whether an operand is there at a time at no great cost: it stays, it is read then or later, or it is small.
    fn is_there(&self, operand: u32, when: u32, reader: u32) -> bool {
        let o = operand as usize;
        self.stays[o] || self.last[o] >= when || self.volume(operand) <= self.volume(reader) / 8
    }

    /// Operations, for comparing: exact for elementwise nodes and for products of matrices.
    fn own_cost(&self, node: u32) -> f64 {
        let (own, inputs) = (self.volume(node) as f64, self.memories(node));
        let read = inputs.iter().map(|&input| self.volume(input) as f64);
        match self.tag(node) {
            Tag::Op(_) if inputs.len() >= 2 => 2.0 * (read.take(2).product::<f64>() * own).sqrt(),
            Tag::Op(_) | Tag::RowWise(_) | Tag::Join(..) => own + read.sum::<f64>(),
            _ => own,
        }
    }

    /// The selection in which the best `count` candidates are computed again, in stretches of so many elements of them.
    pub(crate) fn rewrite(&self, count: usize, stretch: usize) -> Rewritten {
        let mut dropped = vec![false; self.selection.len()];
        self.candidates[..count].iter().for_each(|candidate| dropped[candidate.node as usize] = true);
        let order = self.order();
        let kept = self.cut(&order, &dropped, stretch);
        dropped.iter_mut().zip(&kept).for_each(|(dropped, kept)| *dropped &= !kept);
        self.add_helpers(&order, &mut dropped, &kept);
        Writer::new(self, dropped).write(&order)
    }

    /// What is kept so that no copy needs a copy of an earlier stretch: all that is read early on both sides of a cut.
    fn cut(&self, order: &[u32], wanted: &[bool], stretch: usize) -> Vec<bool> {
        let (mut cuts, mut elements) = (Vec::new(), 0usize);
        for &node in order.iter().filter(|&&node| wanted[node as usize]) {
            elements = elements.saturating_add(self.volume(node));
            if elements > stretch {
                // The last time before the cut.
                cuts.extend(self.time(node).checked_sub(1).filter(|time| cuts.last() != Some(time)));
                elements = self.volume(node);
            }
        }
        let crosses = |node: usize| {
            let next = cuts.partition_point(|&cut| cut < self.groups.times[node]);
            cuts.get(next).is_some_and(|&cut| cut < self.early[node])
        };
        (0..wanted.len()).map(crosses).collect()
    }

    /// Drops too what has no late readers, but what copies read.
    fn add_helpers(&self, order: &[u32], dropped: &mut [bool], kept: &[bool]) {
        let mut when = self.late.clone();
        for &node in order.iter().rev() {
            if !dropped[node as usize] {
                continue;
            }
            for operand in self.memories(node) {
                let o = operand as usize;
                let is_there = kept[o] || dropped[o] || self.is_there(operand, when[node as usize], node);
                if !is_there && self.costs[o].is_finite() {
                    dropped[o] = true;
                }
                if dropped[o] {
                    when[o] = when[o].min(when[node as usize]);
                }
            }
        }
    }
}

/// Writes the new selection in an order in which it can run.
struct Writer<'r, 'a> {
    recompute: &'r Recompute<'a>,
    dropped: Vec<bool>,
    selection: Selection,
    origins: Vec<u32>,
    again: Vec<u32>,
    /// The new number of each node, and of its copy for late readers.
    numbers: [Vec<u32>; 2],
}

impl<'r, 'a> Writer<'r, 'a> {
    fn new(recompute: &'r Recompute<'a>, dropped: Vec<bool>) -> Self {
        let count = recompute.selection.len();
        let selection = Selection { options: recompute.selection.options, ..Selection::default() };
        let numbers = [vec![NONE; count], vec![NONE; count]];
        Writer { recompute, dropped, selection, origins: Vec::new(), again: Vec::new(), numbers }
    }

    fn write(mut self, order: &[u32]) -> Rewritten {
        let recompute = self.recompute;
        for &node in order {
            let after = recompute.latest[recompute.groups.of[node as usize] as usize];
            self.obtain(node, false, after);
        }
        for &output in &recompute.selection.outputs {
            let output = recompute.simplified.replaced[output as usize];
            let number = self.obtain(output, false, NONE);
            self.selection.outputs.push(number);
        }
        self.selection.starts.push(self.selection.inputs.len() as u32);
        Rewritten { selection: self.selection, origins: self.origins, again: self.again }
    }

    /// The new number of a node or its copy, which is written first with all that it needs if it is not there.
    fn obtain(&mut self, node: u32, copy: bool, after: u32) -> u32 {
        let mut waiting = vec![(node, copy)];
        while let Some(&(node, copy)) = waiting.last() {
            let versions = self.versions(node, copy);
            let is_missing = |&&(operand, copy): &&(u32, bool)| self.number(operand, copy) == NONE;
            if self.number(node, copy) != NONE {
                waiting.pop();
            } else if let Some(&missing) = versions.iter().find(is_missing) {
                waiting.push(missing);
            } else {
                self.put(node, copy, &versions, after);
                waiting.pop();
            }
        }
        self.number(node, copy)
    }

    fn number(&self, node: u32, copy: bool) -> u32 {
        self.numbers[usize::from(copy)][node as usize]
    }

    /// The operands of a node, each with whether its copy is read.
    fn versions(&self, node: u32, copy: bool) -> SmallVec<[(u32, bool); 4]> {
        let Recompute { selection, simplified, early, .. } = self.recompute;
        if matches!(selection.tags[node as usize], Tag::Value | Tag::Number(_) | Tag::Indices) {
            return SmallVec::new();
        }
        let version = |operand: u32| {
            let memory = simplified.memory(selection, operand) as usize;
            // A view is of the version that its reader asks for.
            let late = match self.recompute.tag(node) {
                Tag::View => copy,
                _ => copy || self.recompute.time(node) > early[memory],
            };
            (operand, late && self.dropped[memory])
        };
        simplified.operands(selection, node).map(version).collect()
    }

    fn put(&mut self, node: u32, copy: bool, versions: &[(u32, bool)], after: u32) {
        let (from, number) = (self.recompute.selection, self.origins.len() as u32);
        self.selection.starts.push(self.selection.inputs.len() as u32);
        for &(operand, copy) in versions {
            let operand = self.number(operand, copy);
            self.selection.inputs.push(operand);
        }
        self.selection.tags.push(from.tags[node as usize]);
        self.selection.shapes.push(from.shapes[node as usize].clone());
        self.origins.push(node);
        self.numbers[usize::from(copy)][node as usize] = number;
        if copy && from.tags[node as usize] != Tag::View {
            self.again.push(number);
            let after = if after == NONE { NONE } else { self.number(after, false) };
            if after != NONE {
                self.selection.after.push((number, after));
            }
        }
    }
}
