//! From the graph to statements: what nothing reaches is left out, and chains of additions become one statement.
//!
//! A chain `s + a b - c d + e` whose inner results have no other use is one statement: the inner results are neither
//! stored nor given cotangents. The order of the additions stays, so the value is the same to the last bit.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::graph::{Code, Graph, Guard, NONE};
use crate::kernels::number::Element;

/// Operands of one statement: as many as there are bits for signs and activity.
const MOST_OPERANDS: usize = 63;

/// What a statement computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Neg,
    /// `x0 + x1 - x2 + ...`
    Sum,
    /// `x0 x1 - x2 x3 + ...`
    Dot,
    /// `x0 + x1 x2 - x3 x4 + ...`
    Accumulate,
    /// `ln Σ e^x` of any number of operands; a run has one.
    LogSumExp,
    /// A row of the registry.
    Row(u16),
}

/// One statement, with nodes for operands.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) op: Op,
    pub(super) args: SmallVec<[u32; 4]>,
    /// Bit t: the t-th part of the sum is subtracted.
    pub(super) signs: u64,
    /// The node that it computes.
    pub(super) node: u32,
}

/// What is to be computed from what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    /// The nodes that are given, in the order in which they will be.
    pub(super) leaves: &'a [u32],
    /// Which of them the derivatives are by.
    pub(super) active: &'a [bool],
    /// The nodes that are wanted.
    pub(super) outputs: &'a [u32],
    /// The comparisons to check.
    pub(super) guards: &'a [Guard],
}

/// Statements in an order in which they can run.
#[derive(Clone, Debug)]
pub(super) struct Fused {
    pub(super) statements: Vec<Statement>,
    /// Whether a node depends on an active leaf.
    pub(super) active: Vec<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Term {
    a: u32,
    /// `NONE` for a term that is no product.
    b: u32,
    minus: bool,
}

/// `start ± term ± term ...`; without a start the first term is added to nothing.
#[derive(Clone, Debug, Default)]
struct Chain {
    start: Option<u32>,
    terms: Vec<Term>,
}

impl Chain {
    fn width(&self) -> usize {
        1 + 2 * self.terms.len()
    }
}

/// What is known about each node.
struct Fuser<'a, T: Element> {
    graph: &'a Graph<T>,
    /// Not computed: given, or a number.
    leaf: Vec<bool>,
    live: Vec<bool>,
    uses: Vec<u32>,
    absorbed: Vec<bool>,
    chains: FxHashMap<u32, Chain>,
}

/// The statements of a request. `one` is the node of the number 1.
pub(super) fn fuse<T: Element>(graph: &Graph<T>, request: Request<'_>, one: u32) -> Fused {
    let mut fuser = Fuser::new(graph, request);
    for node in 0..graph.nodes.len() as u32 {
        if fuser.computed(node) && matches!(fuser.code(node), Code::Add | Code::Sub) {
            let chain = fuser.chain(node);
            fuser.chains.insert(node, chain);
        }
    }
    let active = fuser.activity(request);
    let nodes = (0..graph.nodes.len() as u32).filter(|&node| fuser.computed(node) && !fuser.absorbed[node as usize]);
    let statements = nodes.map(|node| fuser.statement(node, one)).collect();
    Fused { statements, active }
}

impl<'a, T: Element> Fuser<'a, T> {
    fn new(graph: &'a Graph<T>, request: Request<'_>) -> Self {
        let count = graph.nodes.len();
        let mut leaf: Vec<bool> = graph.nodes.iter().map(|node| node.code == Code::Constant).collect();
        request.leaves.iter().for_each(|&node| leaf[node as usize] = true);
        let (mut live, mut uses) = (vec![false; count], vec![0_u32; count]);
        let guarded = request.guards.iter().flat_map(|guard| [guard.a, guard.b]);
        for node in request.outputs.iter().copied().chain(guarded) {
            live[node as usize] = true;
            // What is looked at from outside has to be stored: as if it had another use.
            uses[node as usize] += 2;
        }
        for node in (0..count).rev() {
            if live[node] && !leaf[node] {
                for &operand in graph.operands(&graph.nodes[node]) {
                    live[operand as usize] = true;
                    uses[operand as usize] += 1;
                }
            }
        }
        Fuser { graph, leaf, live, uses, absorbed: vec![false; count], chains: FxHashMap::default() }
    }

    fn code(&self, node: u32) -> Code {
        self.graph.nodes[node as usize].code
    }

    fn computed(&self, node: u32) -> bool {
        self.live[node as usize] && !self.leaf[node as usize]
    }

    /// Whether a node can vanish in the one statement that uses it.
    fn private(&self, node: u32) -> bool {
        self.computed(node) && self.uses[node as usize] == 1
    }

    fn is_product(&self, node: u32) -> bool {
        self.private(node) && self.code(node) == Code::Mul
    }

    /// The length of the chain that can be continued at a node.
    fn extendable(&self, node: u32) -> Option<usize> {
        let chain = self.chains.get(&node).filter(|_| self.private(node))?;
        (chain.width() + 2 <= MOST_OPERANDS).then_some(chain.terms.len())
    }

    fn term(&mut self, node: u32, minus: bool) -> Term {
        match self.is_product(node) {
            true => {
                self.absorbed[node as usize] = true;
                let [a, b, _] = self.graph.nodes[node as usize].args;
                Term { a, b, minus }
            }
            false => Term { a: node, b: NONE, minus },
        }
    }

    fn chain(&mut self, node: u32) -> Chain {
        let [mut a, mut b, _] = self.graph.nodes[node as usize].args;
        let minus = self.code(node) == Code::Sub;
        // Either operand of an addition can be the beginning.
        let swapped = match (self.extendable(a), self.extendable(b)) {
            (Some(first), Some(second)) => second > first,
            (None, Some(_)) => true,
            (None, None) => self.is_product(a) && !self.is_product(b),
            (Some(_), None) => false,
        };
        if swapped && !minus {
            (a, b) = (b, a);
        }
        let mut chain = match self.extendable(a) {
            Some(_) => {
                self.absorbed[a as usize] = true;
                self.chains.remove(&a).unwrap_or_default()
            }
            None if self.is_product(a) => Chain { start: None, terms: vec![self.term(a, false)] },
            None => Chain { start: Some(a), terms: Vec::new() },
        };
        let term = self.term(b, minus);
        chain.terms.push(term);
        chain
    }

    fn activity(&self, request: Request<'_>) -> Vec<bool> {
        let mut active = vec![false; self.graph.nodes.len()];
        for (&node, &is_active) in request.leaves.iter().zip(request.active) {
            active[node as usize] = is_active;
        }
        for node in 0..active.len() {
            if self.live[node] && !self.leaf[node] {
                active[node] =
                    self.graph.operands(&self.graph.nodes[node]).iter().any(|&operand| active[operand as usize]);
            }
        }
        active
    }

    fn statement(&self, node: u32, one: u32) -> Statement {
        let op = match self.code(node) {
            Code::Mul => Op::Mul,
            Code::Div => Op::Div,
            Code::Neg => Op::Neg,
            Code::LogSumExp => Op::LogSumExp,
            Code::Row(row) => Op::Row(row),
            _ => return self.sum(node, one),
        };
        let args = SmallVec::from_slice(self.graph.operands(&self.graph.nodes[node as usize]));
        // A mark that no other has.
        let signs = if op == Op::LogSumExp { u64::from(node) } else { 0 };
        Statement { op, args, signs, node }
    }

    fn sum(&self, node: u32, one: u32) -> Statement {
        let chain = &self.chains[&node];
        let products = chain.terms.iter().any(|term| term.b != NONE);
        let mut args: SmallVec<[u32; 4]> = chain.start.into_iter().collect();
        let first = usize::from(chain.start.is_some() && !products);
        let mut signs = 0;
        for (place, term) in chain.terms.iter().enumerate() {
            args.push(term.a);
            if products {
                args.push(if term.b == NONE { one } else { term.b });
            }
            signs |= u64::from(term.minus) << (place + first);
        }
        let op = match (products, chain.start.is_some(), args.len(), signs) {
            (true, true, ..) => Op::Accumulate,
            (true, false, ..) => Op::Dot,
            (false, _, 2, 0) => Op::Add,
            (false, _, 2, _) => Op::Sub,
            _ => Op::Sum,
        };
        let signs = if matches!(op, Op::Add | Op::Sub) { 0 } else { signs };
        Statement { op, args, signs, node }
    }
}
