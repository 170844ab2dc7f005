//! The table of known mistakes: each gives the gradients that would come of it. Must not compare them with anything.

use super::finding::Finding;
use super::fit::{Candidate, Form, proportional};
use super::problem::{Alteration, Change, Node, Problem, derivative};

/// Operations and ways through them that are looked at, at most: those next to the result.
const MOST: usize = 96;

/// Operations of which several may be wrong at once.
const MOST_TOGETHER: usize = 6;

/// The input whose gradient is in question.
pub(super) struct Suspect<'a> {
    pub(super) problem: &'a Problem<'a>,
    pub(super) which: usize,
    pub(super) nodes: &'a [Node],
}

/// A known mistake: how far-fetched it is at least, and the gradients that come of it.
pub(super) struct Hypothesis {
    pub(super) cost: u32,
    pub(super) candidates: fn(&Suspect<'_>) -> Vec<Candidate>,
}

/// Every known mistake, the simplest first. Signs, factors, added terms and shapes combine with each.
pub(super) const HYPOTHESES: &[Hypothesis] = &[
    Hypothesis { cost: 0, candidates: the_gradient_itself },
    Hypothesis { cost: 2, candidates: a_derivative_forgotten },
    Hypothesis { cost: 2, candidates: another_input },
    Hypothesis { cost: 2, candidates: a_derivative_twice },
    Hypothesis { cost: 2, candidates: a_square_for_the_value },
    Hypothesis { cost: 2, candidates: a_term_weighted_otherwise },
    Hypothesis { cost: 2, candidates: a_part_of_a_derivative },
    Hypothesis { cost: 3, candidates: a_derivative_elsewhere },
    Hypothesis { cost: 3, candidates: an_absolute_value_for_a_square },
    Hypothesis { cost: 3, candidates: softmax_without_competition },
    Hypothesis { cost: 3, candidates: a_product_not_transposed },
    Hypothesis { cost: 3, candidates: the_point_after_the_update },
    Hypothesis { cost: 4, candidates: several_derivatives_forgotten },
    Hypothesis { cost: 4, candidates: one_forgotten_and_one_in_part },
];

impl Suspect<'_> {
    fn truth(&self) -> &[f64] {
        self.problem.gradients[self.which].as_slice()
    }

    /// Candidates by broken rules, each with what it shows; those that can't be recorded, vanish, or are multiples of
    /// the truth are left out.
    fn altered(&self, cost: u32, sets: Vec<(Vec<Alteration>, Vec<Finding>)>) -> Vec<Candidate> {
        let (sets, findings): (Vec<_>, Vec<_>) = sets.into_iter().unzip();
        let gradients = self.problem.altered(self.which, &sets);
        let known = gradients.into_iter().zip(findings).filter_map(|(values, findings)| Some((values?, findings)));
        let telling = known.filter(|(values, _)| !proportional(values, self.truth()));
        telling.map(|(values, findings)| Candidate { form: Form::Plain(values), findings, cost }).collect()
    }

    /// Elementwise operations other than sums, with the operands that lead to the input.
    fn functions(&self) -> Vec<(&Node, usize)> {
        let curved = |node: &&Node| node.elementwise && !["add", "sub", "neg"].contains(&node.place.op.as_str());
        let nodes = self.nodes.iter().filter(curved);
        nodes.flat_map(|node| wanted(node).map(move |operand| (node, operand))).take(MOST).collect()
    }

    /// The same for functions of one operand.
    fn curves(&self) -> Vec<&Node> {
        self.functions().into_iter().map(|(node, _)| node).filter(|node| node.operands.len() == 1).collect()
    }

    /// One broken rule for each curve of the same shape as its operand.
    fn replaced(&self, cost: u32, changes: &[(Change, &str)], of: impl Fn(&Node) -> bool) -> Vec<Candidate> {
        let curves = self.curves().into_iter().filter(|node| of(node));
        let sets = curves.flat_map(|node| {
            changes.iter().map(move |&(change, used)| {
                let (place, derivative) = (node.place.clone(), derivative(&node.place.op, 0));
                let finding = Finding::DerivativeReplaced { place, derivative, used: used.to_string() };
                (vec![Alteration { node: node.id, operand: 0, change }], vec![finding])
            })
        });
        self.altered(cost, sets.collect())
    }

    /// Each operation whose derivative makes a difference, and what leaving it out means.
    fn forgettable(&self) -> Vec<(Alteration, Finding)> {
        let all = self.functions().into_iter().map(|(node, operand)| {
            let alteration = Alteration { node: node.id, operand, change: Change::One };
            (alteration, forgotten(node, operand))
        });
        let all: Vec<(Alteration, Finding)> = all.collect();
        let gradients = self.problem.altered(self.which, &all.iter().map(|(one, _)| vec![*one]).collect::<Vec<_>>());
        let telling = |values: Option<Vec<f64>>| values.is_some_and(|values| !proportional(&values, self.truth()));
        all.into_iter().zip(gradients).filter_map(|(one, values)| telling(values).then_some(one)).collect()
    }
}

fn wanted(node: &Node) -> impl Iterator<Item = usize> {
    node.operands.iter().enumerate().filter(|(_, operand)| operand.wanted).map(|(place, _)| place)
}

/// What leaving out the derivative of an operation means.
fn forgotten(node: &Node, operand: usize) -> Finding {
    let derivative = match (node.place.op.as_str(), node.operands.get(1 - operand.min(1))) {
        ("mul", Some(other)) => format!("the factor `{}`", other.formula),
        ("square", _) => format!("2 ({})", node.operands[0].formula),
        (op, _) => derivative(op, operand),
    };
    Finding::DerivativeForgotten { place: node.place.clone(), derivative }
}

fn the_gradient_itself(suspect: &Suspect<'_>) -> Vec<Candidate> {
    vec![Candidate { form: Form::Plain(suspect.truth().to_vec()), findings: vec![], cost: 0 }]
}

fn a_derivative_forgotten(suspect: &Suspect<'_>) -> Vec<Candidate> {
    let sets = suspect.functions().into_iter().map(|(node, operand)| {
        let alteration = Alteration { node: node.id, operand, change: Change::One };
        (vec![alteration], vec![forgotten(node, operand)])
    });
    suspect.altered(2, sets.collect())
}

fn several_derivatives_forgotten(suspect: &Suspect<'_>) -> Vec<Candidate> {
    let all: Vec<(Alteration, Finding)> = suspect.forgettable().into_iter().take(MOST_TOGETHER).collect();
    let mut candidates = vec![];
    for size in [2, 3] {
        let subsets = (0u32..1 << all.len()).filter(|set| set.count_ones() == size);
        let sets = subsets.map(|set| {
            let chosen = all.iter().enumerate().filter(|(i, _)| set & (1 << i) != 0).map(|(_, one)| one.clone());
            chosen.unzip()
        });
        candidates.extend(suspect.altered(2 * size, sets.collect()));
    }
    candidates
}

fn one_forgotten_and_one_in_part(suspect: &Suspect<'_>) -> Vec<Candidate> {
    let forgettable: Vec<(Alteration, Finding)> = suspect.forgettable().into_iter().take(MOST_TOGETHER).collect();
    let mut sets = vec![];
    for (first, finding) in &forgettable {
        for (second, other) in forgettable.iter().filter(|(second, _)| second.node != first.node) {
            let Finding::DerivativeForgotten { place, derivative } = other else { continue };
            for (change, used) in PARTS {
                let (place, derivative) = (place.clone(), derivative.clone());
                let part = Finding::DerivativeReplaced { place, derivative, used: used.to_string() };
                sets.push((vec![*first, Alteration { change, ..*second }], vec![finding.clone(), part]));
            }
        }
    }
    suspect.altered(4, sets)
}

fn a_derivative_twice(suspect: &Suspect<'_>) -> Vec<Candidate> {
    let sets = suspect.curves().into_iter().map(|node| {
        let (place, derivative) = (node.place.clone(), derivative(&node.place.op, 0));
        let alteration = Alteration { node: node.id, operand: 0, change: Change::Twice };
        (vec![alteration], vec![Finding::DerivativeTwice { place, derivative }])
    });
    suspect.altered(2, sets.collect())
}

/// What is taken for a derivative that has more to it, such as `y` for `y (1 - y)`.
const PARTS: [(Change, &str); 2] = [(Change::Value, "y"), (Change::Complement, "1 - y")];

fn a_part_of_a_derivative(suspect: &Suspect<'_>) -> Vec<Candidate> {
    suspect.replaced(2, &PARTS, |node| !["square", "abs"].contains(&node.place.op.as_str()))
}

fn a_derivative_elsewhere(suspect: &Suspect<'_>) -> Vec<Candidate> {
    let changes = [
        (Change::AtValue, "the derivative at the value y, instead of at the operand x"),
        (Change::OperandForValue, "the same formula with the operand x in place of the value y"),
    ];
    suspect.replaced(3, &changes, |node| node.shape == node.operands[0].shape)
}

/// The nodes whose values the result sums or averages, and nothing else.
fn summed<'a>(suspect: &'a Suspect<'_>) -> Option<&'a Node> {
    let passes = |node: &Node| {
        let op = node.place.op.as_str();
        let by_number = ["mul", "div"].contains(&op) && node.operands.iter().any(|operand| operand.number.is_some());
        ["sum", "neg", "reshape"].contains(&op) || by_number
    };
    let mut node = suspect.nodes.first()?;
    while passes(node) {
        let below = node.operands.iter().find(|operand| operand.wanted)?.id;
        node = suspect.nodes.iter().find(|node| node.id == below)?;
    }
    Some(node)
}

fn a_square_for_the_value(suspect: &Suspect<'_>) -> Vec<Candidate> {
    let Some(node) = summed(suspect).filter(|node| node.place.op != "square") else { return vec![] };
    let instead = "the square of".to_string();
    let finding = Finding::OtherFunction { place: node.place.clone(), instead };
    let changes = wanted(node).map(|operand| Alteration { node: node.id, operand, change: Change::Squared });
    suspect.altered(2, vec![(changes.collect(), vec![finding])])
}

fn an_absolute_value_for_a_square(suspect: &Suspect<'_>) -> Vec<Candidate> {
    let mut sets = vec![];
    for node in suspect.curves() {
        let (change, instead) = match node.place.op.as_str() {
            "square" => (Change::OperandSign, "the absolute value in place of"),
            "abs" => (Change::Operand, "half the square in place of"),
            _ => continue,
        };
        let finding = Finding::OtherFunction { place: node.place.clone(), instead: instead.to_string() };
        sets.push((vec![Alteration { node: node.id, operand: 0, change }], vec![finding]));
    }
    suspect.altered(3, sets)
}

fn softmax_without_competition(suspect: &Suspect<'_>) -> Vec<Candidate> {
    let nodes = suspect.nodes.iter().filter(|node| node.place.op == "softmax");
    let sets = nodes.map(|node| {
        let alteration = Alteration { node: node.id, operand: 0, change: Change::Diagonal };
        (vec![alteration], vec![Finding::DiagonalOnly { place: node.place.clone() }])
    });
    suspect.altered(3, sets.collect())
}

fn a_product_not_transposed(suspect: &Suspect<'_>) -> Vec<Candidate> {
    let products = suspect.nodes.iter().filter(|node| node.place.op == "matmul");
    let mut sets = vec![];
    for node in products {
        for operand in wanted(node) {
            let other = &node.operands[1 - operand];
            // Otherwise the shapes tell.
            if other.shape.len() == 2 && other.shape[0] == other.shape[1] && node.shape == node.operands[operand].shape
            {
                let finding = Finding::NotTransposed { place: node.place.clone(), operand: other.formula.clone() };
                sets.push((vec![Alteration { node: node.id, operand, change: Change::Straight }], vec![finding]));
            }
        }
    }
    suspect.altered(3, sets)
}

/// Every way that is one of several: leaving it out shows what it contributes, and so what any weight of it would give.
fn a_term_weighted_otherwise(suspect: &Suspect<'_>) -> Vec<Candidate> {
    let uses =
        |id: u32| suspect.nodes.iter().flat_map(|node| &node.operands).filter(|operand| operand.id == id).count();
    let mut ways = vec![];
    for node in suspect.nodes {
        let several = wanted(node).count() > 1;
        ways.extend(wanted(node).filter(|&operand| several || uses(node.operands[operand].id) > 1).map(|o| (node, o)));
    }
    ways.truncate(MOST);
    let alteration = |&(node, operand): &(&Node, usize)| Alteration { node: node.id, operand, change: Change::Nothing };
    let sets: Vec<Vec<Alteration>> = ways.iter().map(|way| vec![alteration(way)]).collect();
    let mut candidates: Vec<Candidate> = vec![];
    for ((node, operand), rest) in ways.into_iter().zip(suspect.problem.altered(suspect.which, &sets)) {
        let Some(rest) = rest else { continue };
        let part: Vec<f64> = suspect.truth().iter().zip(&rest).map(|(truth, rest)| truth - rest).collect();
        let known = |other: &Candidate| matches!(&other.form, Form::Part { rest: known, .. } if equal(known, &rest));
        let nothing = rest.iter().all(|&value| value == 0.0) || proportional(&part, suspect.truth());
        if nothing || candidates.iter().any(known) {
            continue;
        }
        let (place, term) = (node.place.clone(), node.operands[operand].formula.clone());
        candidates.push(Candidate { form: Form::Part { rest, part, place, term }, findings: vec![], cost: 2 });
    }
    candidates
}

fn equal(a: &[f64], b: &[f64]) -> bool {
    let slack = 1e-12 * super::problem::largest(a);
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= slack)
}

fn another_input(suspect: &Suspect<'_>) -> Vec<Candidate> {
    let (problem, here) = (suspect.problem, suspect.truth());
    let others = problem.gradients.iter().zip(&problem.names).enumerate();
    let fitting = others.filter(|(index, (gradient, _))| {
        *index != suspect.which && gradient.len() == here.len() && !proportional(gradient.as_slice(), here)
    });
    let candidate = |(index, (gradient, name)): (usize, (&crate::Tensor<f64>, &String))| Candidate {
        form: Form::Plain(gradient.to_vec()),
        findings: vec![Finding::OtherInput { index, name: name.clone() }],
        cost: 2,
    };
    fitting.map(candidate).collect()
}

/// Learning rates that are tried where none is given.
pub(super) const RATES: [f64; 12] = [1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01, 0.005, 0.001, 1e-4];

fn the_point_after_the_update(suspect: &Suspect<'_>) -> Vec<Candidate> {
    let (problem, which) = (suspect.problem, suspect.which);
    let rates = problem.rate.map_or_else(|| RATES.to_vec(), |rate| vec![rate]);
    let cost = if problem.rate.is_some() { 2 } else { 3 };
    let mut candidates: Vec<Candidate> = vec![];
    for rate in rates {
        // All inputs may have been updated before, this one alone, or the others alone.
        for moves in [&|_| true, &|input| input == which, &|input| input != which] as [&dyn Fn(usize) -> bool; 3] {
            let after = |(i, (input, gradient)): (usize, (&crate::Tensor<f64>, &crate::Tensor<f64>))| {
                let rate = if moves(i) { rate } else { 0.0 };
                let moved = input.as_slice().iter().zip(gradient.as_slice()).map(|(x, g)| x - rate * g);
                crate::Tensor::from_vec(input.shape().clone(), moved.collect())
            };
            let inputs = problem.inputs.iter().zip(&problem.gradients).enumerate().map(after);
            let inputs = inputs.collect::<crate::Result<Vec<_>>>();
            let Ok(gradients) = inputs.and_then(|inputs| problem.gradients_at(&inputs)) else { continue };
            let values = gradients[which].to_vec();
            let known = |other: &Candidate| matches!(&other.form, Form::Plain(known) if equal(known, &values));
            if !proportional(&values, suspect.truth()) && !candidates.iter().any(known) {
                let findings = vec![Finding::UpdatedPoint { rate }];
                candidates.push(Candidate { form: Form::Plain(values), findings, cost });
            }
        }
    }
    candidates
}
