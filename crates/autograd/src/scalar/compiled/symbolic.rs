//! The reverse sweep as operations of the graph itself: what a cotangent is, is a sum of products like any other, so that it
//! is simplified, fused, ordered and run by the same hands as the values.

use std::any::TypeId;
use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Neg, Sub};

use smallvec::SmallVec;

use super::graph::{Code, Graph};
use crate::kernels::number::Element;
use crate::ops::{Elementwise, Exp, MultiplyAdd, Real, Scaled};

/// A node as the pullbacks of rows see it.
pub(super) struct Symbol<'a, T: Element> {
    graph: &'a RefCell<Graph<T>>,
    node: u32,
    /// Whether a derivative is multiplied by the zero rule.
    zero_rule: bool,
}

impl<T: Element> Clone for Symbol<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Element> Copy for Symbol<'_, T> {}

impl<'a, T: Element> Symbol<'a, T> {
    fn like(self, node: u32) -> Self {
        Symbol { node, ..self }
    }

    fn of(self, make: impl FnOnce(&mut Graph<T>) -> u32) -> Self {
        let node = make(&mut self.graph.borrow_mut());
        self.like(node)
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $node:ident),*) => {$(
        impl<T: Element> $trait for Symbol<'_, T> {
            type Output = Self;

            fn $method(self, other: Self) -> Self {
                self.of(|graph| graph.$node(self.node, other.node))
            }
        }
    )*};
}
operators!(Add add add, Sub sub sub, Mul mul mul, Div div div);

impl<T: Element> Neg for Symbol<'_, T> {
    type Output = Self;

    fn neg(self) -> Self {
        self.of(|graph| graph.neg(self.node))
    }
}

impl<T: Element> Real for Symbol<'_, T> {
    fn constant(self, value: f64) -> Self {
        self.of(|graph| graph.constant(T::of(value)))
    }

    fn apply<F: Elementwise<A>, const A: usize>(_: F, operands: [Self; A]) -> Self {
        let first = operands[0];
        let nodes = operands.map(|operand| operand.node);
        let id = TypeId::of::<F>();
        if id == TypeId::of::<Scaled>() {
            return first.of(|graph| scaled(graph, [nodes[0], nodes[A - 1]], first.zero_rule));
        }
        if id == TypeId::of::<MultiplyAdd>() {
            return operands[0] * operands[A - 2] + operands[A - 1];
        }
        first.of(|graph| graph.row::<F, A>(nodes))
    }
}

/// A cotangent times a derivative.
fn scaled<T: Element>(graph: &mut Graph<T>, [cotangent, derivative]: [u32; 2], zero_rule: bool) -> u32 {
    match graph.number(derivative) {
        Some(number) if number == T::ZERO => derivative,
        // A number that is neither zero nor infinite needs no rule.
        Some(number) if number.is_finite() => graph.mul(cotangent, derivative),
        _ if zero_rule => graph.row::<Scaled, 2>([cotangent, derivative]),
        _ => graph.mul(cotangent, derivative),
    }
}

/// The pullback of a row as operations of a graph: the contribution to one operand, `None` where it is zero everywhere.
pub(super) type Pullback<T> = fn(&RefCell<Graph<T>>, Use) -> Option<u32>;

/// Which contribution of which operation is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    pub(super) operand: usize,
    pub(super) to: u32,
    pub(super) args: [u32; 3],
    pub(super) result: u32,
    pub(super) cotangent: u32,
    pub(super) zero_rule: bool,
}

/// The [`Pullback`] of a row.
pub(super) fn contribution<F: Elementwise<A>, T: Element, const A: usize>(
    graph: &RefCell<Graph<T>>,
    at: Use,
) -> Option<u32> {
    let symbol = |node: u32| Symbol { graph, node, zero_rule: at.zero_rule };
    let operands: [Symbol<'_, T>; A] = std::array::from_fn(|k| symbol(at.args[k]));
    F::contribution(at.operand, operands, symbol(at.result), symbol(at.cotangent)).map(|part| part.node)
}

/// The cotangents of the nodes `wrt` where nodes have the cotangents `seeds`; what nothing flows to has the number 0.
///
/// Without the zero rule, products of an exact zero with an infinity or a NaN are NaN where by the rule they are zero.
pub(super) fn cotangents<T: Element>(
    graph: &mut Graph<T>,
    seeds: &[(u32, u32)],
    wrt: &[u32],
    zero_rule: bool,
) -> Vec<u32> {
    let count =
        seeds.iter().map(|&(node, _)| node).chain(wrt.iter().copied()).max().map_or(0, |last| last as usize + 1);
    let mut active = vec![false; count];
    wrt.iter().for_each(|&node| active[node as usize] = true);
    for i in 0..count {
        active[i] |= graph.operands(&graph.nodes[i]).iter().any(|&operand| active[operand as usize]);
    }
    // The parts of each cotangent, and whether they are subtracted.
    let mut parts: Vec<Vec<(u32, bool)>> = vec![Vec::new(); count];
    seeds
        .iter()
        .filter(|(node, _)| active[*node as usize])
        .for_each(|&(node, g)| parts[node as usize].push((g, false)));
    let zero = graph.constant(T::ZERO);
    let mut sums = vec![zero; count];
    let given: rustc_hash::FxHashSet<u32> = wrt.iter().copied().collect();
    let shared = RefCell::new(graph.take());
    for i in (0..count as u32).rev() {
        let own = std::mem::take(&mut parts[i as usize]);
        let Some(g) = total(&mut shared.borrow_mut(), own) else { continue };
        sums[i as usize] = g;
        if given.contains(&i) {
            continue;
        }
        let mut node = shared.borrow().nodes[i as usize];
        let operands: SmallVec<[u32; 3]> = shared.borrow().operands(&node).into();
        if node.code == Code::LogSumExp {
            node.args[0] = powers(&mut shared.borrow_mut(), &operands, i);
        }
        for (operand, &to) in operands.iter().enumerate().filter(|(_, to)| active[**to as usize]) {
            let at = Use { operand, to, args: node.args, result: i, cotangent: g, zero_rule };
            parts[to as usize].extend(part(&shared, node.code, at).filter(|(part, _)| *part != zero));
        }
    }
    *graph = shared.into_inner();
    wrt.iter().map(|&node| sums[node as usize]).collect()
}

/// `Σ e^(xᵢ - y)`: 1, but for the rounding of y.
fn powers<T: Element>(graph: &mut Graph<T>, operands: &[u32], result: u32) -> u32 {
    let zero = graph.constant(T::ZERO);
    operands.iter().fold(zero, |sum, &operand| {
        let apart = graph.sub(operand, result);
        let power = graph.row::<Exp, 1>([apart]);
        graph.add(sum, power)
    })
}

/// The sum of the parts of a cotangent.
fn total<T: Element>(graph: &mut Graph<T>, mut parts: Vec<(u32, bool)>) -> Option<u32> {
    // One that is added comes first, so that no negation is needed.
    let first = parts.iter().position(|(_, minus)| !minus).unwrap_or(0);
    if !parts.is_empty() {
        parts[..=first].rotate_right(1);
    }
    let mut parts = parts.into_iter();
    let (first, minus) = parts.next()?;
    let first = if minus { graph.neg(first) } else { first };
    Some(parts.fold(first, |sum, (part, minus)| if minus { graph.sub(sum, part) } else { graph.add(sum, part) }))
}

/// The contribution to one operand, and whether it is subtracted.
fn part<T: Element>(graph: &RefCell<Graph<T>>, code: Code, at: Use) -> Option<(u32, bool)> {
    let Use { operand, to, args, result, cotangent: g, zero_rule } = at;
    let mut graph_now = graph.borrow_mut();
    let other = args[1 - operand.min(1)];
    match code {
        Code::Input | Code::Constant => None,
        Code::Add => Some((g, false)),
        Code::Sub => Some((g, operand == 1)),
        Code::Neg => Some((g, true)),
        Code::Mul => Some((scaled(&mut graph_now, [g, other], zero_rule), false)),
        Code::Div => {
            let one = graph_now.constant(T::ONE);
            let slope = graph_now.div(one, args[1]);
            let slope = if operand == 0 { slope } else { graph_now.mul(result, slope) };
            Some((scaled(&mut graph_now, [g, slope], zero_rule), operand == 1))
        }
        Code::LogSumExp => {
            let apart = graph_now.sub(to, result);
            let power = graph_now.row::<Exp, 1>([apart]);
            let share = graph_now.div(power, args[0]);
            Some((scaled(&mut graph_now, [g, share], zero_rule), false))
        }
        Code::Row(row) => {
            let pullback = graph_now.rows[row as usize].pullback;
            drop(graph_now);
            pullback(graph, at).map(|part| (part, false))
        }
    }
}
