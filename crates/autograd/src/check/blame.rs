//! Which op is to blame: each node on the tape alone, over leaves that hold the operands it was recorded with, its pullback
//! against differences of its own forward.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::checker::{Checker, Settings};
use super::report::{Comparison, GradReport, Mode, Verdict};
use super::subject::{Subject, guard};
use crate::{Element, Result, Tape, Tensor, Var};

/// Elements of an operand that are compared to show a number, at most.
const SHOWN: usize = 32;

/// Where a wrong contribution enters.
///
/// ```
/// use wengert_autograd::Tensor;
/// use wengert_autograd::check::{Cause, GradCheck};
/// let report = GradCheck::new().report(|x| x[0].tanh().detach() * x[0], &[Tensor::from([0.5])])?;
/// let blame = report.blame.unwrap();
/// assert_eq!((blame.op.as_str(), blame.cause), ("detach", Cause::Cut));
/// assert!(blame.location.file().ends_with(".rs"));
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Blame {
    /// The name of the op: [`CustomOp::name`](crate::CustomOp::name) for one of one's own.
    pub op: String,
    /// The node as the tape prints it, such as `%3 = swish(%2)`.
    pub equation: String,
    /// Which operand gets the wrong contribution.
    pub operand: usize,
    /// The order of the derivative that is wrong: 1 for the pullback itself, 2 for the pullback's own derivative.
    pub order: usize,
    /// What is wrong.
    pub cause: Cause,
    /// The op inside the pullback that brings the error in, where the order is above 1 and one can be named.
    pub inner: Option<String>,
    /// The source line that recorded the op.
    pub location: &'static Location<'static>,
    /// The scope that it was recorded in; empty for none.
    pub scope: String,
    /// What the pullback gives. For a cut, the derivative with it.
    pub analytic: f64,
    /// What differences of the op's forward give. For a cut, the derivative without it.
    pub numeric: f64,
}

/// What is wrong with an op that is blamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Its pullback is not the derivative of its forward.
    Pullback,
    /// No derivative passes it, though the value does: `detach()`.
    Cut,
}

impl Cause {
    pub(super) fn word(self) -> &'static str {
        match self {
            Cause::Pullback => "pullback",
            Cause::Cut => "cut",
        }
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Blame { op, operand, order, location, analytic, numeric, .. } = self;
        let scope = if self.scope.is_empty() { String::new() } else { format!(" in scope {:?}", self.scope) };
        if self.cause == Cause::Cut {
            write!(f, "the gradient stops at {op}() at {location}{scope}: ")?;
            return write!(f, "the derivative is {analytic} with it, {numeric} by differences");
        }
        write!(f, "op {op:?} (operand {operand}) at {location}{scope}: ")?;
        match order {
            1 => write!(f, "its pullback gives {analytic}, differences of its forward give {numeric}")?,
            _ => {
                write!(f, "its derivatives below order {order} are right, but those of order {order} are not: ")?;
                write!(f, "its pullback, differentiated, gives {analytic}, differences give {numeric}")?;
            }
        }
        match &self.inner {
            Some(inner) => write!(f, "; inside its pullback, op {inner:?} is wrong"),
            None => Ok(()),
        }
    }
}

/// One node alone, as a function of those operands that derivatives flow to.
struct Replica<'a, T: Element> {
    tape: &'a Tape<T>,
    node: u32,
    wanted: Vec<bool>,
    operands: Vec<Tensor<T>>,
    /// How large the values are, where a curved function of them is taken: then the cotangent depends on the operands, and
    /// a pullback whose derivative by the cotangent is wrong is seen.
    bent: Option<f64>,
}

impl<T: Element> Subject<T> for Replica<'_, T> {
    fn tape(&self) -> Tape<T> {
        self.tape.like()
    }

    fn record<'t>(&self, tape: &'t Tape<T>, values: &[Tensor<T>]) -> Result<(Vec<Var<'t, T>>, Var<'t, T>)> {
        let mut given = values.iter();
        let fill = |(operand, &wanted): (&Tensor<T>, &bool)| {
            let value = if wanted { given.next() } else { None };
            value.unwrap_or(operand).clone()
        };
        let operands: Vec<Tensor<T>> = self.operands.iter().zip(&self.wanted).map(fill).collect();
        let (leaves, node) = self.tape.replica(self.node, tape, &operands, &self.wanted)?;
        let leaves = leaves.into_iter().zip(&self.wanted).filter(|leaf| *leaf.1).map(|leaf| leaf.0);
        let node = match self.bent {
            Some(size) => {
                let small = node * tape.scalar(T::of(1.0 / size));
                small + (small * small + tape.scalar(T::of(1.0))).sqrt()
            }
            None => node,
        };
        Ok((leaves.collect(), node))
    }
}

/// The whole record again, with some nodes passed over.
struct Passing<'a, T: Element> {
    tape: &'a Tape<T>,
    leaves: Vec<Var<'a, T>>,
    output: Var<'a, T>,
    skip: Vec<u32>,
}

impl<T: Element> Subject<T> for Passing<'_, T> {
    fn tape(&self) -> Tape<T> {
        self.tape.like()
    }

    fn record<'t>(&self, tape: &'t Tape<T>, values: &[Tensor<T>]) -> Result<(Vec<Var<'t, T>>, Var<'t, T>)> {
        self.tape.retrace(self.output, tape, &self.leaves, values, &self.skip)
    }
}

/// Finds where the first mismatch comes from; none where every op is right by itself.
pub(super) fn find<T: Element>(checker: &Checker<'_, T>, report: &GradReport) -> Option<Blame> {
    let order = report.mismatches().map(|mismatch| mismatch.order).min()?;
    let first: Vec<&Comparison> = report.mismatches().filter(|mismatch| mismatch.order == order).collect();
    let worst = first.iter().copied().max_by(|a, b| a.distance().total_cmp(&b.distance()))?;
    guard(|| {
        let tape = checker.subject.tape();
        let (leaves, output) = checker.subject.record(&tape, checker.values)?;
        output.value()?;
        let mut inputs: Vec<Var<'_, T>> = first.iter().map(|mismatch| leaves[mismatch.input]).collect();
        inputs.dedup_by_key(|leaf| leaf.id);
        let nodes = tape.ops_between(&inputs, &[output]);
        let wrong = |order| nodes.iter().find_map(|&node| wrong_pullback(&tape, node, order, checker.settings));
        match (1..=order).find_map(wrong) {
            Some(blame) => Ok(Some(blame)),
            None => cut(checker, &tape, &leaves, output, &nodes, worst),
        }
    })
    .ok()
    .flatten()
}

fn clear(comparison: &Comparison) -> bool {
    matches!(comparison.verdict, Verdict::Pass | Verdict::NotReached)
}

/// One order of a node alone.
fn along<T: Element>(
    replica: &Replica<'_, T>,
    settings: Settings,
    values: &[Tensor<T>],
    names: &[Arc<str>],
    order: usize,
) -> Option<GradReport> {
    let mut report = GradReport::default();
    Checker { settings, subject: replica, values, names }.check(order, &mut report).ok()?;
    Some(report)
}

/// Compares the derivatives of one node with differences.
fn wrong_pullback<T: Element>(tape: &Tape<T>, node: u32, order: usize, settings: Settings) -> Option<Blame> {
    let card = tape.card(node).filter(|card| card.differentiable)?;
    let wanted = tape.active_operands(node);
    let operands = tape.operand_values(node).ok()?;
    let kept = operands.iter().zip(&wanted).filter(|operand| *operand.1);
    let values: Vec<Tensor<T>> = kept.map(|operand| operand.0.clone()).collect();
    let places: Vec<usize> = (0..wanted.len()).filter(|&operand| wanted[operand]).collect();
    let names: Vec<Arc<str>> = places.iter().map(|operand| format!("operand {operand}").into()).collect();
    let settings = Settings { fast: true, only_fast: true, contract: true, forward: false, ..settings };
    let mut replica = Replica { tape, node, wanted, operands, bent: None };
    let mut report = along(&replica, settings, &values, &names, order)?;
    if report.comparisons.iter().all(clear) && order > 1 {
        let size = tape.node_value(node).ok()?.as_slice().iter().fold(1.0, |size, y| y.to_f64().abs().max(size));
        replica.bent = Some(size).filter(|size| size.is_finite());
        report = along(&replica, settings, &values, &names, order)?;
    }
    if report.comparisons.iter().all(clear) {
        return None;
    }
    let along = Checker { settings, subject: &replica, values: &values, names: &names };
    let sampled = values.iter().any(|value| value.len() > SHOWN);
    let directional = report.mismatches().next().filter(|_| sampled).cloned();
    let found = element_of(&along, order).or(directional)?;
    Some(Blame {
        op: card.op,
        equation: card.equation,
        operand: places[found.input],
        order,
        cause: Cause::Pullback,
        inner: if order > 1 { inside(&along, order) } else { None },
        location: card.location,
        scope: card.scope.to_string(),
        analytic: found.analytic,
        numeric: found.numeric,
    })
}

/// The element of an operand whose derivative is most wrong: of one output where there are few, else of a weighted sum.
fn element_of<T: Element>(along: &Checker<'_, T>, order: usize) -> Option<Comparison> {
    let few = order == 1 && {
        let tape = along.subject.tape();
        along.subject.record(&tape, along.values).is_ok_and(|(_, output)| output.shape().volume() <= SHOWN)
    };
    for contract in if few { &[false, true][..] } else { &[true][..] } {
        let settings = Settings { contract: *contract, fast: false, elements: Some(SHOWN), ..along.settings };
        let mut report = GradReport::default();
        let each = Checker { settings, ..*along };
        each.check(order, &mut report).ok()?;
        let mismatches = report.mismatches().filter(|mismatch| mismatch.mode == Mode::Reverse);
        if let Some(worst) = mismatches.max_by(|a, b| a.distance().total_cmp(&b.distance())) {
            return Some(worst.clone());
        }
    }
    None
}

/// The op among those that a pullback recorded that is itself wrong, or cuts the derivative off.
fn inside<T: Element>(along: &Checker<'_, T>, order: usize) -> Option<String> {
    let tape = along.subject.tape();
    let (leaves, outputs) = along.outputs(&tape, along.values, order).ok()?;
    tape.eval_all(&outputs).ok()?;
    let (_, node) = along.subject.record(&tape, along.values).ok()?;
    let nodes = tape.ops_between(&leaves, &outputs);
    let wrong = nodes.iter().filter(|&&id| id != node.id).find_map(|&id| wrong_pullback(&tape, id, 1, along.settings));
    let cut = || nodes.iter().filter_map(|&id| tape.card(id)).find(|card| !card.differentiable && card.identity);
    wrong.map(|blame| blame.op).or_else(|| cut().map(|card| card.op))
}

/// The node that lets the value pass and not the derivative, and without which the tape says what differences say.
fn cut<T: Element>(
    checker: &Checker<'_, T>,
    tape: &Tape<T>,
    leaves: &[Var<'_, T>],
    output: Var<'_, T>,
    nodes: &[u32],
    worst: &Comparison,
) -> Result<Option<Blame>> {
    let cards = nodes.iter().filter_map(|&id| Some((id, tape.card(id)?)));
    let cuts: Vec<_> = cards.filter(|(_, card)| !card.differentiable && card.identity).collect();
    if worst.mode != Mode::Reverse {
        return Ok(None);
    }
    let without = |skip: Vec<u32>| {
        let passing = Passing { tape, leaves: leaves.to_vec(), output, skip };
        let Checker { settings, values, names, .. } = *checker;
        let checker = Checker { settings, subject: &passing, values, names };
        checker.analytic(worst).unwrap_or(f64::NAN)
    };
    let numeric = super::Estimate { value: worst.numeric, error: worst.error };
    let agrees = |analytic: f64| checker.settings.tolerance.agrees(analytic, numeric);
    let mut found = cuts.iter().find(|(id, _)| agrees(without(vec![*id])));
    if found.is_none() && agrees(without(cuts.iter().map(|cut| cut.0).collect())) {
        found = cuts.iter().find(|(id, _)| without(vec![*id]) != worst.analytic);
    }
    Ok(found.map(|(_, card)| Blame {
        op: card.op.clone(),
        equation: card.equation.clone(),
        operand: 0,
        order: worst.order,
        cause: Cause::Cut,
        inner: None,
        location: card.location,
        scope: card.scope.to_string(),
        analytic: worst.analytic,
        numeric: worst.numeric,
    }))
}
