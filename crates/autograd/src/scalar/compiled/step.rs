//! One step of a recursion: its program, and the recorded sweep back through it.

use super::fuse::Request;
use super::graph::{Code, Graph, Guard};
use super::moves::Moves;
use super::program::{Program, Purpose, build};
use super::symbolic::cotangents;
use crate::kernels::number::Element;

/// The nodes of a step that come from outside and go there.
#[derive(Debug)]
struct Nodes {
    /// θ's parts that the step uses.
    frontier: Vec<u32>,
    row: Vec<u32>,
    state: Vec<u32>,
    /// The next state, then the term.
    outputs: Vec<u32>,
    /// Results that are kept for the sweep back.
    kept: Vec<u32>,
}

/// One step, forwards and backwards.
#[derive(Debug)]
pub(super) struct Body<T: Element> {
    graph: Graph<T>,
    nodes: Nodes,
    /// From θ's parts, the row and the state to the next state, the term, and what is kept.
    pub(super) step: Program<T>,
    /// From the results of a step to what is kept in its record, behind the state, and to the next state.
    pub(super) keep: Moves,
    pub(super) next: Moves,
    /// The sweep, and the one by the zero rule, which is made where it is needed.
    pub(super) back: [Option<Back<T>>; 2],
}

/// The sweep back through a step: from θ's parts, the row, the state, what was kept, and the cotangents of the next state and
/// of θ's parts so far, to the cotangents of the state and of θ's parts.
#[derive(Debug)]
pub(super) struct Back<T: Element> {
    pub(super) program: Program<T>,
    /// From the results to a row of these cotangents.
    pub(super) moves: Moves,
}

/// The sweep as nodes: the cotangents that it starts from, and those that it ends with.
struct Sweep {
    given: Vec<u32>,
    results: Vec<u32>,
}

impl<T: Element> Body<T> {
    /// Makes the programs. The inputs of the graph are parameters, row and state.
    pub(super) fn new(
        mut graph: Graph<T>,
        frontier: Vec<u32>,
        outputs: Vec<u32>,
        guards: &[Guard],
        [parameters, width]: [usize; 2],
    ) -> Self {
        let inputs: Vec<u32> = (0..graph.inputs as u32).collect();
        let (row, state) = inputs[parameters..].split_at(width);
        let (row, state) = (row.to_vec(), state.to_vec());
        let mut nodes = Nodes { frontier, row, state, outputs, kept: Vec::new() };
        let recorded = graph.nodes.len();
        let sweep = nodes.sweep(&mut graph, false);
        nodes.kept = nodes.dear(&graph, &sweep, recorded);
        let back = nodes.back(&mut graph, &sweep);
        let leaves = [&nodes.frontier[..], &nodes.row, &nodes.state].concat();
        let outputs = [&nodes.outputs[..], &nodes.kept].concat();
        let passive = vec![false; leaves.len()];
        let request = Request { leaves: &leaves, active: &passive, outputs: &outputs, guards };
        let step = build(&mut graph, request, Purpose::Value);
        let state = nodes.state.len();
        let place = |(i, &[from, _]): (usize, &[u32; 2])| (from as usize, i);
        let next = Moves::new(step.outputs[..state].iter().enumerate().map(place));
        // The record has the state in front; the term, between the two, is not kept.
        let kept = step.outputs[state + 1..].iter().enumerate();
        let keep = Moves::new(kept.map(place).map(|(from, i)| (from, state + i)));
        Body { graph, nodes, step, keep, next, back: [Some(back), None] }
    }

    /// How many parts of θ the step uses.
    pub(super) fn parts(&self) -> usize {
        self.nodes.frontier.len()
    }

    /// Results that are kept of each step.
    pub(super) fn kept(&self) -> usize {
        self.nodes.kept.len()
    }

    /// Makes the sweep by the zero rule, if it is not there yet.
    pub(super) fn make_careful(&mut self) {
        if self.back[1].is_none() {
            let sweep = self.nodes.sweep(&mut self.graph, true);
            self.back[1] = Some(self.nodes.back(&mut self.graph, &sweep));
        }
    }
}

impl Nodes {
    fn sweep<T: Element>(&self, graph: &mut Graph<T>, zero_rule: bool) -> Sweep {
        let count = self.state.len() + self.frontier.len();
        let given: Vec<u32> = (0..count).map(|i| graph.input(graph.inputs + i)).collect();
        let one = graph.constant(T::ONE);
        let (of_state, of_frontier) = given.split_at(self.state.len());
        // θ's parts so far come first, so that a sum begins with them.
        let so_far = self.frontier.iter().zip(of_frontier);
        let seeds = so_far.chain(self.outputs.iter().zip(of_state.iter().chain([&one])));
        let seeds: Vec<(u32, u32)> = seeds.map(|(&node, &cotangent)| (node, cotangent)).collect();
        let wrt = [&self.state[..], &self.frontier].concat();
        let results = cotangents(graph, &seeds, &wrt, zero_rule);
        Sweep { given, results }
    }

    /// What the sweep uses of the recorded nodes and what is dear to compute again: quotients and elementary functions.
    fn dear<T: Element>(&self, graph: &Graph<T>, sweep: &Sweep, recorded: usize) -> Vec<u32> {
        let mut seen = vec![false; graph.nodes.len()];
        let leaves = self.frontier.iter().chain(&self.row).chain(&self.state).chain(&sweep.given);
        leaves.for_each(|&leaf| seen[leaf as usize] = true);
        let (mut rest, mut dear) = (sweep.results.clone(), Vec::new());
        while let Some(i) = rest.pop() {
            if std::mem::replace(&mut seen[i as usize], true) {
                continue;
            }
            let node = graph.nodes[i as usize];
            match node.code {
                Code::Row(_) | Code::Div | Code::LogSumExp if (i as usize) < recorded => dear.push(i),
                _ => rest.extend(graph.operands(&node)),
            }
        }
        dear.sort_unstable();
        dear
    }

    fn back<T: Element>(&self, graph: &mut Graph<T>, sweep: &Sweep) -> Back<T> {
        let leaves = [&self.frontier[..], &self.row, &self.state, &self.kept, &sweep.given].concat();
        let passive = vec![false; leaves.len()];
        let request = Request { leaves: &leaves, active: &passive, outputs: &sweep.results, guards: &[] };
        let program = build(graph, request, Purpose::Value);
        let moves = Moves::new(program.outputs.iter().enumerate().map(|(i, &[from, _])| (from as usize, i)));
        Back { program, moves }
    }
}
