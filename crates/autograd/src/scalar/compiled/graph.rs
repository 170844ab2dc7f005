//! What a recording leaves: each operation once, constants folded.
//!
//! Nodes are looked up by hash before they are made, so a common subexpression costs one node however often the closure
//! computes it, and the memory of a recording is that of its distinct operations.

use std::any::TypeId;
use std::panic::Location;

use rustc_hash::FxHashMap;

use super::exponentials;
use super::rows::Row;
use crate::kernels::number::Element;
use crate::ops::{Difference, Elementwise, Maximum, Minimum, Negate, Product, Quotient, Reciprocal, Square, Sum2};
use crate::scalar::traits::Comparison;

/// Where a node has no operand.
pub(super) const NONE: u32 = u32::MAX;

/// What a node computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Code {
    /// The input of the number in `args[0]`.
    Input,
    /// The number whose bits are in `args[0]` (low) and `args[1]`.
    Constant,
    Add,
    Sub,
    Mul,
    Div,
    Neg,
    /// `ln Σ e^x` of the operands that stand in the list of operands from `args[0]` on, as many as `args[1]`.
    LogSumExp,
    /// A row of the registry, by its place in the list of rows.
    Row(u16),
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) code: Code,
    pub(super) args: [u32; 3],
}

impl Node {
    /// The operands that are nodes and stand in the node itself.
    fn own_operands(&self) -> &[u32] {
        match self.code {
            Code::Input | Code::Constant | Code::LogSumExp => &[],
            _ => &self.args[..self.args.iter().take_while(|&&a| a != NONE).count()],
        }
    }
}

/// How two numbers were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Relation {
    Compared(Comparison),
    /// The value left the recording as a plain number: it has to be the same again, the sign of zero included.
    Same,
}

impl Relation {
    /// Whether it holds between two numbers.
    #[inline(always)]
    pub(super) fn holds<T: Element>(self, a: T, b: T) -> bool {
        match self {
            Relation::Compared(comparison) => comparison.holds(a, b),
            Relation::Same => a.to_bits_u64() == b.to_bits_u64() || (a.is_nan() && b.is_nan()),
        }
    }
}

/// A comparison that the recording went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Guard {
    pub(super) relation: Relation,
    pub(super) a: u32,
    pub(super) b: u32,
    pub(super) outcome: bool,
    pub(super) location: &'static Location<'static>,
}

impl Guard {
    /// Whether it says that a node is not NaN.
    pub(super) fn says_number(&self) -> bool {
        self.a == self.b && !self.outcome && self.relation == Relation::Compared(Comparison::NotEqual)
    }
}

/// The recorded operations in the order in which they were made.
#[derive(Clone, Debug)]
pub(super) struct Graph<T: Element> {
    pub(super) nodes: Vec<Node>,
    pub(super) rows: Vec<Row<T>>,
    pub(super) guards: Vec<Guard>,
    pub(super) inputs: usize,
    /// Operands of nodes that have many.
    lists: Vec<u32>,
    known: FxHashMap<Node, u32>,
    guarded: FxHashMap<Guard, ()>,
    /// Nodes that a guard says are not NaN.
    numbers: FxHashMap<u32, ()>,
}

impl<T: Element> Graph<T> {
    /// A graph of `inputs` inputs, which are its first nodes.
    pub(super) fn new(inputs: usize) -> Self {
        let mut graph = Graph {
            nodes: Vec::new(),
            rows: Vec::new(),
            guards: Vec::new(),
            inputs,
            lists: Vec::new(),
            known: FxHashMap::default(),
            guarded: FxHashMap::default(),
            numbers: FxHashMap::default(),
        };
        for i in 0..inputs {
            graph.input(i);
        }
        graph
    }

    /// The operands of a node.
    pub(super) fn operands<'a>(&'a self, node: &'a Node) -> &'a [u32] {
        match node.code {
            Code::LogSumExp => &self.lists[node.args[0] as usize..][..node.args[1] as usize],
            _ => node.own_operands(),
        }
    }

    /// `ln Σ e^x` of several nodes.
    pub(super) fn log_sum_exp(&mut self, operands: &[u32]) -> u32 {
        let numbers: Option<Vec<T>> = operands.iter().map(|&operand| self.number(operand)).collect();
        if let Some(numbers) = numbers {
            return self.constant(exponentials::value(&numbers));
        }
        let first = self.lists.len();
        assert!(first + operands.len() < NONE as usize, "a recording holds fewer than 2^32 - 1 operands of sums");
        self.lists.extend_from_slice(operands);
        self.node(Code::LogSumExp, [first as u32, operands.len() as u32, NONE])
    }

    /// The node of an input.
    pub(super) fn input(&mut self, number: usize) -> u32 {
        self.node(Code::Input, [number as u32, NONE, NONE])
    }

    /// The graph itself; an empty one stays behind.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Graph::new(0))
    }

    /// The node, made if it is not there yet.
    fn node(&mut self, code: Code, args: [u32; 3]) -> u32 {
        let node = Node { code, args };
        let next = self.nodes.len() as u32;
        let index = *self.known.entry(node).or_insert(next);
        if index == next {
            assert!(next < u32::MAX - 1, "a recording holds fewer than 2^32 - 2 distinct operations");
            self.nodes.push(node);
        }
        index
    }

    /// The node of a number.
    pub(super) fn constant(&mut self, value: T) -> u32 {
        let bits = value.to_bits_u64();
        self.node(Code::Constant, [bits as u32, (bits >> 32) as u32, NONE])
    }

    /// The number that a node is, where it is one.
    pub(super) fn number(&self, index: u32) -> Option<T> {
        let node = self.nodes[index as usize];
        (node.code == Code::Constant).then(|| from_bits(node.args))
    }

    /// Notes a comparison; between numbers that no input reaches there is nothing to guard.
    pub(super) fn guard(&mut self, guard: Guard) {
        if self.number(guard.a).is_some() && self.number(guard.b).is_some() {
            return;
        }
        if guard.says_number() && self.is_number(guard.a) {
            return;
        }
        if self.guarded.insert(guard, ()).is_none() {
            self.guards.push(guard);
        }
    }

    /// Whether guards say already that a node is not NaN; if not, this one does. The larger of two numbers is a number.
    fn is_number(&mut self, index: u32) -> bool {
        let node = self.nodes[index as usize];
        let known = |operand: &u32| {
            let number = self.number(*operand).is_some_and(|value| !value.is_nan());
            number || self.numbers.contains_key(operand)
        };
        let follows = self.is_extreme(node.code) && self.operands(&node).iter().all(known);
        self.numbers.insert(index, ()).is_some() || follows
    }

    /// Whether a node is the larger or the smaller of two.
    fn is_extreme(&self, code: Code) -> bool {
        match code {
            Code::Row(row) => {
                let id = self.rows[row as usize].id;
                id == TypeId::of::<Maximum>() || id == TypeId::of::<Minimum>()
            }
            _ => false,
        }
    }

    /// Makes trees of chains `max(max(max(a, b), c), d)`, so that their operations don't wait for each other. The value
    /// is the same; where several operands tie for the extreme, they may share the derivative in other parts.
    pub(super) fn balance(&mut self, outputs: &mut [u32], guards: &mut [Guard]) {
        let mut uses = vec![0_u8; self.nodes.len()];
        let mut inner = vec![false; self.nodes.len()];
        let outside = guards.iter().flat_map(|guard| [guard.a, guard.b]).chain(outputs.iter().copied());
        outside.for_each(|node| uses[node as usize] = 2);
        for node in &self.nodes {
            self.operands(node).iter().for_each(|&i| uses[i as usize] = uses[i as usize].saturating_add(1));
        }
        for node in self.nodes.iter().filter(|node| self.is_extreme(node.code)) {
            for &i in node.own_operands() {
                inner[i as usize] |= uses[i as usize] == 1 && self.nodes[i as usize].code == node.code;
            }
        }
        if !inner.contains(&true) {
            return;
        }
        let old = std::mem::take(&mut self.nodes);
        self.known.clear();
        let mut place = vec![NONE; old.len()];
        let mut leaves: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for (i, node) in old.iter().enumerate() {
            let joined =
                self.is_extreme(node.code) && node.own_operands().iter().any(|&operand| inner[operand as usize]);
            if joined || inner[i] {
                let mut all = Vec::new();
                for operand in node.own_operands() {
                    match leaves.remove(operand) {
                        Some(more) if all.is_empty() => all = more,
                        Some(more) => all.extend(more),
                        None => all.push(place[*operand as usize]),
                    }
                }
                match inner[i] {
                    true => drop(leaves.insert(i as u32, all)),
                    false => place[i] = self.tree(node.code, all),
                }
                continue;
            }
            let mut moved = *node;
            if node.code == Code::LogSumExp {
                let [first, count, _] = node.args.map(|arg| arg as usize);
                self.lists[first..first + count].iter_mut().for_each(|operand| *operand = place[*operand as usize]);
            }
            if !node.own_operands().is_empty() {
                moved.args = node.args.map(|operand| if operand == NONE { NONE } else { place[operand as usize] });
            }
            place[i] = self.nodes.len() as u32;
            self.nodes.push(moved);
        }
        outputs.iter_mut().for_each(|node| *node = place[*node as usize]);
        guards.iter_mut().for_each(|guard| (guard.a, guard.b) = (place[guard.a as usize], place[guard.b as usize]));
    }

    /// Joins nodes by halves, the first of each half, the second of each half and so on: operands lie side by side.
    fn tree(&mut self, code: Code, mut level: Vec<u32>) -> u32 {
        while level.len() > 1 {
            let (half, odd) = (level.len() / 2, level.len() % 2);
            for i in 0..half {
                self.nodes.push(Node { code, args: [level[i], level[half + i], NONE] });
                level[i] = self.nodes.len() as u32 - 1;
            }
            if odd == 1 {
                level[half] = level[2 * half];
            }
            level.truncate(half + odd);
        }
        level[0]
    }

    /// A row of the registry; the arithmetic rows become arithmetic.
    pub(super) fn row<F: Elementwise<A>, const A: usize>(&mut self, args: [u32; A]) -> u32 {
        let id = TypeId::of::<F>();
        let of = |known: TypeId| known == id;
        let (first, second) = (args[0], args.get(1).copied().unwrap_or(NONE));
        if of(TypeId::of::<Negate>()) {
            return self.neg(first);
        }
        if of(TypeId::of::<Square>()) {
            return self.mul(first, first);
        }
        if of(TypeId::of::<Reciprocal>()) {
            let one = self.constant(T::ONE);
            return self.div(one, first);
        }
        if of(TypeId::of::<Sum2>()) {
            return self.add(first, second);
        }
        if of(TypeId::of::<Difference>()) {
            return self.sub(first, second);
        }
        if of(TypeId::of::<Product>()) {
            return self.mul(first, second);
        }
        if of(TypeId::of::<Quotient>()) {
            return self.div(first, second);
        }
        let numbers: [Option<T>; A] = args.map(|a| self.number(a));
        if numbers.iter().all(Option::is_some) {
            let value = Row::<T>::value::<F, A>(numbers.map(|number| number.unwrap_or(T::ZERO)));
            return self.constant(value);
        }
        let place = self.rows.iter().position(|row| row.id == id).unwrap_or_else(|| {
            self.rows.push(Row::new::<F, A>());
            self.rows.len() - 1
        });
        let mut all = [NONE; 3];
        all[..A].copy_from_slice(&args);
        self.node(Code::Row(place as u16), all)
    }

    fn two(&mut self, code: Code, a: u32, b: u32) -> u32 {
        self.node(code, [a, b, NONE])
    }

    /// Operands of a commutative operation in one order: numbers last, else the older first.
    fn ordered(&self, a: u32, b: u32) -> (u32, u32) {
        match (self.number(a).is_some(), self.number(b).is_some()) {
            (true, false) => (b, a),
            (false, true) => (a, b),
            _ => (a.min(b), a.max(b)),
        }
    }

    fn negated(&self, index: u32) -> Option<u32> {
        let node = self.nodes[index as usize];
        (node.code == Code::Neg).then_some(node.args[0])
    }

    /// `a + b`; `x + 0` is x (for x = -0 the sign of zero differs), `x + (-y)` is `x - y`.
    pub(super) fn add(&mut self, a: u32, b: u32) -> u32 {
        let (a, b) = self.ordered(a, b);
        match (self.number(a), self.number(b)) {
            (Some(x), Some(y)) => return self.constant(x + y),
            (None, Some(y)) if y == T::ZERO => return a,
            _ => {}
        }
        if let Some(b) = self.negated(b) {
            return self.sub(a, b);
        }
        if let Some(a) = self.negated(a) {
            return self.sub(b, a);
        }
        self.two(Code::Add, a, b)
    }

    /// `a - b`; a number is added with the other sign, `x - (-y)` is `x + y`.
    pub(super) fn sub(&mut self, a: u32, b: u32) -> u32 {
        match (self.number(a), self.number(b)) {
            (Some(x), Some(y)) => return self.constant(x - y),
            (None, Some(y)) if y == T::ZERO => return a,
            (None, Some(y)) => {
                let minus = self.constant(-y);
                return self.add(a, minus);
            }
            _ => {}
        }
        if let Some(b) = self.negated(b) {
            return self.add(a, b);
        }
        self.two(Code::Sub, a, b)
    }

    /// `a b`; `x 1` is x, `x (-1)` is `-x`, and a power of two is moved into a number beside it.
    pub(super) fn mul(&mut self, a: u32, b: u32) -> u32 {
        let (a, b) = self.ordered(a, b);
        match (self.number(a), self.number(b)) {
            (Some(x), Some(y)) => return self.constant(x * y),
            (None, Some(y)) if y == T::ONE => return a,
            (None, Some(y)) if y == -T::ONE => return self.neg(a),
            (None, Some(y)) => {
                if let Some(a) = self.negated(a) {
                    let minus = self.constant(-y);
                    return self.mul(a, minus);
                }
                if let Some((x, product)) = self.joined(a, y) {
                    let product = self.constant(product);
                    return self.mul(x, product);
                }
            }
            _ => {}
        }
        if let (Some(a), Some(b)) = (self.negated(a), self.negated(b)) {
            return self.mul(a, b);
        }
        self.two(Code::Mul, a, b)
    }

    /// `(x c) y` as `x (c y)`, where one of the numbers is a power of two, so that no rounding changes.
    fn joined(&self, a: u32, y: T) -> Option<(u32, T)> {
        let node = self.nodes[a as usize];
        let c = (node.code == Code::Mul).then(|| self.number(node.args[1])).flatten()?;
        let product = c * y;
        let exact = modest_power_of_two(c) || modest_power_of_two(y);
        let usual = |x: T| x.is_finite() && x.abs() >= T::MIN_POSITIVE;
        (exact && usual(product) && usual(c) && usual(y)).then_some((node.args[0], product))
    }

    /// `a / b`; `x / 1` is x, and by a power of two it is the product with its reciprocal.
    pub(super) fn div(&mut self, a: u32, b: u32) -> u32 {
        match (self.number(a), self.number(b)) {
            (Some(x), Some(y)) => return self.constant(x / y),
            (None, Some(y)) if modest_power_of_two(y) => {
                let reciprocal = self.constant(T::ONE / y);
                return self.mul(a, reciprocal);
            }
            _ => {}
        }
        self.two(Code::Div, a, b)
    }

    /// `-a`; `-(-x)` is x, `-(x c)` is `x (-c)`, `-(x - y)` stays.
    pub(super) fn neg(&mut self, a: u32) -> u32 {
        if let Some(x) = self.number(a) {
            return self.constant(-x);
        }
        if let Some(x) = self.negated(a) {
            return x;
        }
        let node = self.nodes[a as usize];
        if node.code == Code::Mul
            && let Some(c) = self.number(node.args[1])
        {
            let minus = self.constant(-c);
            return self.mul(node.args[0], minus);
        }
        self.node(Code::Neg, [a, NONE, NONE])
    }
}

/// The number of a constant node.
pub(super) fn from_bits<T: Element>(args: [u32; 3]) -> T {
    T::of_bits(u64::from(args[0]) | (u64::from(args[1]) << 32))
}

/// Whether multiplying by it is exact short of the ends of the range.
fn modest_power_of_two<T: Element>(x: T) -> bool {
    let x = x.to_f64().abs();
    (1e-9..=1e9).contains(&x) && x.to_bits().trailing_zeros() >= 52
}
