//! A program: statements in runs of equal operations, with a place for each value and each cotangent.

use std::cmp::Reverse;
use std::panic::Location;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::fuse::{Fused, Op, Request, Statement, fuse};
use super::graph::{Code, Graph, NONE, Relation, from_bits};
use super::rows::Row;
use crate::kernels::number::Element;
use crate::scalar::traits::Comparison;

/// How the operands of a run lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anywhere.
    Gather,
    /// One after the other.
    Contiguous,
    /// The same for all.
    Broadcast,
}

/// Statements of one kind that do not need each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) op: Op,
    /// How many statements.
    pub(super) count: u32,
    /// Operands of each.
    pub(super) width: u32,
    /// Bit t: part t of the sum is subtracted.
    pub(super) signs: u64,
    /// Bit k: operand k gets a cotangent; 0 where nothing flows back.
    pub(super) active: u64,
    /// The first of `count` places of values.
    pub(super) out: u32,
    /// The first of `count` places of cotangents.
    pub(super) out_adjoint: u32,
    /// Operand k of statement i is `args[first + k * count + i]`.
    pub(super) first: u32,
    /// The access of operand k is `access[accesses + k]`.
    pub(super) accesses: u32,
}

/// A comparison to check.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check {
    pub(super) relation: Relation,
    pub(super) a: u32,
    pub(super) b: u32,
    pub(super) outcome: bool,
    pub(super) location: &'static Location<'static>,
}

impl Check {
    fn says_number(&self) -> bool {
        self.a == self.b && !self.outcome && self.relation == Relation::Compared(Comparison::NotEqual)
    }
}

/// Statements ready to run.
#[derive(Clone, Debug)]
pub(super) struct Program<T: Element> {
    pub(super) inputs: usize,
    pub(super) runs: Vec<Run>,
    /// Places of the operands' values.
    pub(super) args: Vec<u32>,
    /// Places of the operands' cotangents, likewise.
    pub(super) adjoint_args: Vec<u32>,
    /// How operands are read, and how their cotangents are.
    pub(super) access: Vec<[Access; 2]>,
    pub(super) constants: Vec<(u32, T)>,
    /// Places of the value and the cotangent (`NONE` where nothing flows back) of each output.
    pub(super) outputs: Vec<[u32; 2]>,
    pub(super) checks: Vec<Check>,
    /// Places of what must not be NaN, in order; they are among the checks too.
    pub(super) numbers: Vec<u32>,
    pub(super) rows: Vec<Row<T>>,
    /// Places of values.
    pub(super) slots: usize,
    /// Places of cotangents; the inputs' come first.
    pub(super) adjoint_slots: usize,
}

impl<T: Element> Program<T> {
    /// How many statements it has.
    pub(super) fn statements(&self) -> usize {
        self.runs.iter().map(|run| run.count as usize).sum()
    }
}

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Values only: a place is given to another value as soon as nothing needs it.
    Value,
    /// Values and cotangents.
    Gradient,
    /// Values and their derivatives along directions, which lie beside them: `active` says what has some.
    Tangent,
}

/// Statements that are ordered together: within a window the order is by depth, which makes runs long; windows follow
/// each other as recorded, which keeps values in the cache.
const WINDOW: usize = 4096;

/// Makes the program of a request.
pub(super) fn build<T: Element>(graph: &mut Graph<T>, request: Request<'_>, purpose: Purpose) -> Program<T> {
    let one = graph.constant(T::ONE);
    let fused = fuse(graph, request, one);
    Builder::new(graph, request, &fused, purpose).build()
}

/// Places that are handed out in ranges and come back.
#[derive(Debug, Default)]
struct Places {
    free: Vec<(u32, u32)>,
    end: u32,
}

impl Places {
    fn take(&mut self, count: u32) -> u32 {
        if let Some(i) = self.free.iter().position(|&(_, length)| length >= count) {
            let (start, length) = self.free[i];
            match length == count {
                true => drop(self.free.remove(i)),
                false => self.free[i] = (start + count, length - count),
            }
            return start;
        }
        self.end += count;
        self.end - count
    }

    fn give_back(&mut self, start: u32, count: u32) {
        let i = self.free.partition_point(|&(other, _)| other < start);
        self.free.insert(i, (start, count));
        if i + 1 < self.free.len() && start + count == self.free[i + 1].0 {
            self.free[i].1 += self.free.remove(i + 1).1;
        }
        if i > 0 && self.free[i - 1].0 + self.free[i - 1].1 == start {
            self.free[i - 1].1 += self.free.remove(i).1;
        }
    }
}

/// What makes statements equal.
type Key = (usize, Op, usize, u64, u64);

struct Builder<'a, T: Element> {
    graph: &'a Graph<T>,
    request: Request<'a>,
    fused: &'a Fused,
    purpose: Purpose,
    /// Statements of each run, as indices.
    groups: Vec<Vec<u32>>,
    /// The run that computes a node, and its number there.
    made: FxHashMap<u32, (u32, u32)>,
    /// Places of leaves.
    leaves: FxHashMap<u32, u32>,
    constants: Vec<(u32, T)>,
    /// First place of the values of each run.
    values: Vec<u32>,
    /// First place of the cotangents of each run.
    adjoints: Vec<u32>,
}

impl<'a, T: Element> Builder<'a, T> {
    fn new(graph: &'a Graph<T>, request: Request<'a>, fused: &'a Fused, purpose: Purpose) -> Self {
        let mut builder = Builder {
            graph,
            request,
            fused,
            purpose,
            groups: Vec::new(),
            made: FxHashMap::default(),
            leaves: request.leaves.iter().zip(0..).map(|(&node, place)| (node, place)).collect(),
            constants: Vec::new(),
            values: Vec::new(),
            adjoints: Vec::new(),
        };
        builder.place_constants();
        builder.group();
        builder
    }

    /// Numbers that something uses lie behind the inputs.
    fn place_constants(&mut self) {
        let operands = self.fused.statements.iter().flat_map(|statement| statement.args.iter().copied());
        let guarded = self.request.guards.iter().flat_map(|guard| [guard.a, guard.b]);
        let mut next = self.request.leaves.len() as u32;
        for node in operands.chain(guarded).chain(self.request.outputs.iter().copied()) {
            let at = self.graph.nodes[node as usize];
            if at.code == Code::Constant && !self.leaves.contains_key(&node) {
                self.leaves.insert(node, next);
                self.constants.push((next, from_bits(at.args)));
                next += 1;
            }
        }
    }

    fn is_active(&self, node: u32) -> bool {
        self.purpose != Purpose::Value && self.fused.active[node as usize]
    }

    fn activity(&self, statement: &Statement) -> u64 {
        let mut active = statement.args.iter().map(|&node| self.is_active(node));
        match statement.op {
            // Of many operands, those without cotangents have no place for them.
            Op::LogSumExp => u64::from(active.any(|active| active)),
            _ => active.enumerate().map(|(k, active)| u64::from(active) << k).sum(),
        }
    }

    /// Orders the statements of each window by depth and kind, and cuts them into runs.
    fn group(&mut self) {
        let statements = &self.fused.statements;
        let mut depth: FxHashMap<u32, usize> = FxHashMap::default();
        for (window, part) in statements.chunks(WINDOW).enumerate() {
            depth.clear();
            let mut keyed: Vec<(Key, u32)> = Vec::with_capacity(part.len());
            for (i, statement) in part.iter().enumerate() {
                let below = statement.args.iter().filter_map(|node| depth.get(node)).max();
                let level = below.map_or(0, |level| level + 1);
                depth.insert(statement.node, level);
                let key = (level, statement.op, statement.args.len(), statement.signs, self.activity(statement));
                keyed.push((key, (window * WINDOW + i) as u32));
            }
            keyed.sort_unstable();
            for group in keyed.chunk_by(|a, b| a.0 == b.0) {
                let run = self.groups.len() as u32;
                let mut group: Vec<u32> = group.iter().map(|&(_, i)| i).collect();
                // In the order of their operands, so that these lie side by side.
                group.sort_by_cached_key(|&i| self.order(&statements[i as usize]));
                for (&i, number) in group.iter().zip(0..) {
                    self.made.insert(statements[i as usize].node, (run, number));
                }
                self.groups.push(group);
            }
        }
    }

    /// Where the operands of a statement lie: first the runs that they belong to (all are there already), so that statements
    /// of one kind stay together, then their numbers there.
    fn order(&self, statement: &Statement) -> [SmallVec<[u32; 4]>; 2] {
        let inputs = self.request.leaves.len() as u32;
        let place = |node: &u32| match self.made.get(node) {
            Some(&(run, number)) => (run + 1, number),
            None => match self.leaves[node] {
                place if place < inputs => (0, place),
                // A number is a kind of its own.
                place => (NONE - place, 0),
            },
        };
        [
            statement.args.iter().map(|node| place(node).0).collect(),
            statement.args.iter().map(|node| place(node).1).collect(),
        ]
    }

    fn statement(&self, run: usize, number: usize) -> &'a Statement {
        &self.fused.statements[self.groups[run][number] as usize]
    }

    fn build(mut self) -> Program<T> {
        let slots = self.place_values();
        let adjoint_slots = self.place_adjoints();
        let mut program = Program {
            inputs: self.request.leaves.len(),
            runs: Vec::with_capacity(self.groups.len()),
            args: Vec::new(),
            adjoint_args: Vec::new(),
            access: Vec::new(),
            constants: std::mem::take(&mut self.constants),
            outputs: self.request.outputs.iter().map(|&node| [self.value(node), self.adjoint(node)]).collect(),
            checks: Vec::new(),
            numbers: Vec::new(),
            rows: self.graph.rows.clone(),
            slots,
            adjoint_slots,
        };
        for guard in self.request.guards {
            let (a, b) = (self.value(guard.a), self.value(guard.b));
            let (relation, outcome, location) = (guard.relation, guard.outcome, guard.location);
            program.checks.push(Check { relation, a, b, outcome, location });
            if guard.says_number() {
                program.numbers.push(a);
            }
        }
        // Behind the others; looked at one by one only where the quick look at all finds one.
        program.checks.sort_by_key(|check| check.says_number());
        program.numbers.sort_unstable();
        (0..self.groups.len()).for_each(|run| self.lower(run, &mut program));
        program
    }

    fn value(&self, node: u32) -> u32 {
        match self.made.get(&node) {
            Some(&(run, number)) => self.values[run as usize] + number,
            None => self.leaves[&node],
        }
    }

    /// The place of a cotangent or of tangents, `NONE` where there are none.
    fn adjoint(&self, node: u32) -> u32 {
        match self.made.get(&node) {
            _ if !self.is_active(node) => NONE,
            _ if self.purpose == Purpose::Tangent => self.value(node),
            Some(&(run, _)) if self.adjoints[run as usize] == NONE => NONE,
            Some(&(run, number)) => self.adjoints[run as usize] + number,
            None => self.leaves[&node],
        }
    }

    /// Gives each run places for its values, for as long as something reads them. Returns how many there are.
    fn place_values(&mut self) -> usize {
        let last = self.last_uses();
        let count = self.groups.len();
        let mut dying: Vec<(usize, usize)> = (0..count).map(|run| (last[run], run)).collect();
        dying.sort_unstable_by_key(|&death| Reverse(death));
        let mut places = Places { free: Vec::new(), end: (self.request.leaves.len() + self.constants.len()) as u32 };
        for run in 0..count {
            let start = places.take(self.groups[run].len() as u32);
            self.values.push(start);
            // Operands and results of one run never share a place.
            while let Some(&(time, dead)) = dying.last()
                && time <= run
            {
                places.give_back(self.values[dead], self.groups[dead].len() as u32);
                dying.pop();
            }
        }
        places.end as usize
    }

    /// When the values of each run are read last: a run, or later than all where the backward sweep or a caller does.
    fn last_uses(&self) -> Vec<usize> {
        let count = self.groups.len();
        let mut last: Vec<usize> = (0..count).collect();
        let looked_at = self.request.guards.iter().flat_map(|guard| [guard.a, guard.b]);
        for node in looked_at.chain(self.request.outputs.iter().copied()) {
            if let Some(&(run, _)) = self.made.get(&node) {
                last[run as usize] = usize::MAX;
            }
        }
        for run in 0..count {
            for number in 0..self.groups[run].len() {
                let statement = self.statement(run, number);
                let activity = if self.purpose == Purpose::Gradient { self.activity(statement) } else { 0 };
                if activity != 0 && matches!(statement.op, Op::Row(_) | Op::Div | Op::LogSumExp) {
                    last[run] = usize::MAX;
                }
                for (k, node) in statement.args.iter().enumerate() {
                    if let Some(&(from, _)) = self.made.get(node) {
                        let needed = read_backwards(statement.op, activity, k);
                        let time = if needed { usize::MAX } else { run };
                        last[from as usize] = last[from as usize].max(time);
                    }
                }
            }
        }
        last
    }

    /// Gives each run places for its cotangents, from the first contribution to the end of its own pullback.
    fn place_adjoints(&mut self) -> usize {
        self.adjoints = vec![NONE; self.groups.len()];
        if self.purpose != Purpose::Gradient {
            return 0;
        }
        let mut places = Places { free: Vec::new(), end: self.request.leaves.len() as u32 };
        for &node in self.request.outputs {
            self.bear(node, &mut places);
        }
        for run in (0..self.groups.len()).rev() {
            if self.adjoints[run] == NONE {
                continue;
            }
            for number in 0..self.groups[run].len() {
                for &node in &self.statement(run, number).args {
                    self.bear(node, &mut places);
                }
            }
            places.give_back(self.adjoints[run], self.groups[run].len() as u32);
        }
        places.end as usize
    }

    fn bear(&mut self, node: u32, places: &mut Places) {
        if let Some(&(run, _)) = self.made.get(&node)
            && self.is_active(node)
            && self.adjoints[run as usize] == NONE
        {
            self.adjoints[run as usize] = places.take(self.groups[run as usize].len() as u32);
        }
    }

    fn lower(&self, run: usize, program: &mut Program<T>) {
        let count = self.groups[run].len();
        let first = self.statement(run, 0);
        let width = first.args.len();
        if first.op == Op::LogSumExp {
            return self.lower_list(run, first, program);
        }
        let places = |of: &dyn Fn(u32) -> u32| -> Vec<Vec<u32>> {
            let place = |number, k| of(self.statement(run, number).args[k]);
            (0..width).map(|k| (0..count).map(|number| place(number, k)).collect()).collect()
        };
        let (values, adjoints) = (places(&|node| self.value(node)), places(&|node| self.adjoint(node)));
        // Where nothing comes from above, nothing goes down.
        let swept = self.purpose == Purpose::Tangent || self.adjoints[run] != NONE;
        let active = if swept { self.activity(first) } else { 0 };
        let mut start = 0;
        for end in cuts(values.iter().chain(&adjoints), count) {
            let (args, accesses) = (program.args.len(), program.access.len());
            for (values, adjoints) in values.iter().zip(&adjoints) {
                let (values, adjoints) = (&values[start..end], &adjoints[start..end]);
                program.args.extend_from_slice(values);
                program.adjoint_args.extend_from_slice(adjoints);
                program.access.push([access(values), access(adjoints)]);
            }
            let out_adjoint = self.adjoints[run];
            program.runs.push(Run {
                op: first.op,
                count: (end - start) as u32,
                width: width as u32,
                signs: first.signs,
                active,
                out: self.values[run] + start as u32,
                out_adjoint: if out_adjoint == NONE { NONE } else { out_adjoint + start as u32 },
                first: args as u32,
                accesses: accesses as u32,
            });
            start = end;
        }
    }

    /// A statement of any number of operands: they are one list, with one access.
    fn lower_list(&self, run: usize, statement: &Statement, program: &mut Program<T>) {
        let (args, accesses) = (program.args.len(), program.access.len());
        program.args.extend(statement.args.iter().map(|&node| self.value(node)));
        program.adjoint_args.extend(statement.args.iter().map(|&node| self.adjoint(node)));
        program.access.push([list_access(&program.args[args..]), list_access(&program.adjoint_args[args..])]);
        let swept = self.purpose == Purpose::Tangent || self.adjoints[run] != NONE;
        program.runs.push(Run {
            op: statement.op,
            count: 1,
            width: statement.args.len() as u32,
            signs: 0,
            active: if swept { self.activity(statement) } else { 0 },
            out: self.values[run],
            out_adjoint: self.adjoints[run],
            first: args as u32,
            accesses: accesses as u32,
        });
    }
}

/// How the one statement of many operands reads them.
fn list_access(places: &[u32]) -> Access {
    if places.contains(&NONE) { Access::Gather } else { access(places) }
}

/// A run is cut where that leaves parts of so many statements on average.
const PART: usize = 64;

/// The ends of the parts of a run within which operands lie side by side, as far as cutting there pays: a single place
/// elsewhere, as at the boundary of a grid, would make the whole run gather.
fn cuts<'a>(operands: impl Iterator<Item = &'a Vec<u32>>, count: usize) -> Vec<usize> {
    let mut ends = vec![count];
    for places in operands {
        let mut breaks = Vec::new();
        let mut step = None;
        for (i, pair) in places.windows(2).enumerate() {
            let next = pair[1].wrapping_sub(pair[0]);
            let goes_on = next < 2 && step.is_none_or(|step| step == next);
            step = goes_on.then_some(next);
            if !goes_on {
                breaks.push(i + 1);
            }
        }
        if breaks.len() <= count / PART {
            ends.extend(breaks);
        }
    }
    ends.sort_unstable();
    ends.dedup();
    // Many operands can each have few.
    if ends.len() <= 1 + count / (PART / 4) { ends } else { vec![count] }
}

fn access(places: &[u32]) -> Access {
    let start = places[0];
    if start == NONE {
        return Access::Broadcast;
    }
    if places.iter().zip(start..).all(|(&place, expected)| place == expected) {
        return Access::Contiguous;
    }
    match places.iter().all(|&place| place == start) {
        true => Access::Broadcast,
        false => Access::Gather,
    }
}

/// Whether the pullback of an operation reads the value of operand `k`.
fn read_backwards(op: Op, activity: u64, k: usize) -> bool {
    let active = |k: usize| activity & (1 << k) != 0;
    match op {
        Op::Add | Op::Sub | Op::Neg | Op::Sum => false,
        Op::Mul | Op::Dot => active(k ^ 1),
        Op::Accumulate => k > 0 && active(((k - 1) ^ 1) + 1),
        Op::Div => activity != 0 && k == 1,
        Op::Row(_) | Op::LogSumExp => activity != 0,
    }
}
