//! Which values to compute again instead of keeping, and the selection in which that is done.
//!
//! A value that is read early and again much later (in the forward pass, and in the backward pass) is kept all that
//! time. Here it is not: late readers read a copy of its node, which runs just before them. Copies read copies, so a chain
//! of dropped values is computed again from the last value before it that is kept; a chain is cut into stretches, since all
//! of a stretch is there at once when it is computed again (Chen, Xu, Zhang and Guestrin, *Training deep nets with
//! sublinear memory cost*, 2016).

use smallvec::SmallVec;

use super::fuse::{Groups, is_elementwise};
use super::select::{Selection, Tag};
use super::simplify::Simplified;

const NONE: u32 = u32::MAX;

/// A value that may be dropped.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    node: u32,
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

/// Where a chain of dropped values is cut that would be too long to be computed again at once: what is kept there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The operands of the first value after the cut: best for a chain with one value at a time.
    Operands,
    /// The dropped values before the cut that what lies after it needs: for chains that hand on several values.
    Joined,
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
        self.simplified.runs(self.selection, node) && self.tag(node) != Tag::View
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
            self.costs[n] = cost;
            if cost.is_finite() && self.late[n] != NONE {
                let kept = self.volume(node) as f64 * f64::from(self.late[n] - self.early[n]);
                self.candidates.push(Candidate { node, score: kept / cost.max(1.0) });
            }
        }
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
            Tag::Op if inputs.len() >= 2 => 2.0 * (read.take(2).product::<f64>() * own).sqrt(),
            Tag::Op | Tag::Join => own + read.sum::<f64>(),
            _ => own,
        }
    }

    /// The selection in which the best `count` candidates are computed again, in stretches of at most so many elements.
    pub(crate) fn rewrite(&self, count: usize, stretch: usize, cut: Cut) -> Rewritten {
        let mut wanted = vec![false; self.selection.len()];
        self.candidates[..count].iter().for_each(|candidate| wanted[candidate.node as usize] = true);
        let dropped = Stretches::choose(self, &wanted, stretch, cut);
        Writer::new(self, dropped).write()
    }
}

/// Values that are computed again together, joined as they are found.
struct Stretches<'r, 'a> {
    recompute: &'r Recompute<'a>,
    longest: usize,
    cut: Cut,
    parents: Vec<u32>,
    elements: Vec<usize>,
    dropped: Vec<bool>,
    /// What stays until it is read late, so that a stretch begins there.
    kept: Vec<bool>,
}

impl<'r, 'a> Stretches<'r, 'a> {
    /// Which candidates are dropped, with the helpers they need; a chain is cut where its stretch would be too long.
    fn choose(recompute: &'r Recompute<'a>, wanted: &[bool], longest: usize, cut: Cut) -> Vec<bool> {
        let count = wanted.len();
        let parents = (0..count as u32).collect();
        let (dropped, kept) = (vec![false; count], vec![false; count]);
        let mut stretches = Stretches { recompute, longest, cut, parents, elements: vec![0; count], dropped, kept };
        for node in (0..count as u32).filter(|&node| wanted[node as usize]) {
            stretches.consider(node);
        }
        stretches.dropped
    }

    /// Drops a value, in the stretch of what it is computed from or in a new one.
    fn consider(&mut self, node: u32) {
        let recompute = self.recompute;
        if recompute.volume(node) > self.longest || self.kept[node as usize] {
            return;
        }
        if let Some((helpers, joined)) = self.below(node) {
            if self.try_join(node, &helpers, &joined) {
                return;
            }
            if self.cut == Cut::Joined {
                joined.iter().for_each(|&other| self.keep(other));
                if self.try_join(node, &helpers, &[]) {
                    return;
                }
            }
        }
        for operand in recompute.memories(node) {
            if !recompute.is_there(operand, recompute.late[node as usize], node) || self.dropped[operand as usize] {
                self.keep(operand);
            }
        }
        self.try_join(node, &[], &[]);
    }

    /// Keeps a value that was to be dropped: a stretch begins there.
    fn keep(&mut self, node: u32) {
        (self.dropped[node as usize], self.kept[node as usize]) = (false, true);
    }

    /// Drops a node with its helpers, in one stretch with other dropped nodes, where that is not too long. Whether it did.
    fn try_join(&mut self, node: u32, helpers: &[u32], others: &[u32]) -> bool {
        let mut joined: Vec<u32> = others.iter().map(|&other| self.root(other)).collect();
        joined.sort_unstable();
        joined.dedup();
        let own = helpers.iter().chain([&node]).map(|&node| self.recompute.volume(node));
        let together = joined.iter().map(|&other| self.elements[other as usize]);
        let elements = own.chain(together).fold(0usize, usize::saturating_add);
        if elements > self.longest {
            return false;
        }
        for &member in helpers.iter().chain(&joined) {
            self.parents[member as usize] = node;
        }
        helpers.iter().chain([&node]).for_each(|&member| self.dropped[member as usize] = true);
        self.elements[node as usize] = elements;
        true
    }

    /// What a node needs besides what is there: helpers that are not dropped yet, and dropped values. Nothing where that is
    /// more than a stretch may have.
    fn below(&self, node: u32) -> Option<(Vec<u32>, Vec<u32>)> {
        let recompute = self.recompute;
        let (when, mut elements) = (recompute.late[node as usize], 0usize);
        let (mut helpers, mut joined, mut waiting) = (Vec::new(), Vec::new(), vec![node]);
        while let Some(reader) = waiting.pop() {
            elements = elements.saturating_add(recompute.volume(reader));
            if elements > self.longest {
                return None;
            }
            for operand in recompute.memories(reader) {
                let o = operand as usize;
                if recompute.stays[o] || self.kept[o] {
                    continue;
                }
                if self.dropped[o] {
                    joined.push(operand);
                } else if !recompute.is_there(operand, when, reader)
                    && recompute.costs[o].is_finite()
                    && !helpers.contains(&operand)
                {
                    helpers.push(operand);
                    waiting.push(operand);
                }
            }
        }
        Some((helpers, joined))
    }

    fn root(&mut self, mut node: u32) -> u32 {
        while self.parents[node as usize] != node {
            self.parents[node as usize] = self.parents[self.parents[node as usize] as usize];
            node = self.parents[node as usize];
        }
        node
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

    fn write(mut self) -> Rewritten {
        let recompute = self.recompute;
        for node in recompute.order() {
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
