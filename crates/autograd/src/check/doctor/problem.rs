//! The function whose gradient is in question: its values, its gradients, and the gradients that wrong rules would give.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::finding::Place;
use crate::ops::REGISTRY;
use crate::{Error, ErrorKind, Pullback, Result, Shape, Tape, Tensor, Var};

pub(super) type Function<'a> = &'a dyn for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>;

/// A function and a point, with what is known about them.
pub(super) struct Problem<'a> {
    pub(super) function: Function<'a>,
    pub(super) inputs: Vec<Tensor<f64>>,
    pub(super) names: Vec<String>,
    pub(super) rate: Option<f64>,
    pub(super) value: f64,
    pub(super) gradients: Vec<Tensor<f64>>,
}

/// An operation between the function's value and an input.
pub(super) struct Node {
    pub(super) id: u32,
    pub(super) place: Place,
    pub(super) shape: Shape,
    pub(super) elementwise: bool,
    pub(super) operands: Vec<Operand>,
}

pub(super) struct Operand {
    pub(super) id: u32,
    /// Whether the input is reached from here.
    pub(super) wanted: bool,
    pub(super) number: Option<f64>,
    pub(super) formula: String,
    pub(super) shape: Shape,
}

/// A rule broken at one operand of one node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alteration {
    pub(super) node: u32,
    pub(super) operand: usize,
    pub(super) change: Change,
}

/// How a rule is broken. `x` is the operand, `y` the value, `g` its cotangent, `f'` the derivative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    /// `g`.
    One,
    /// `g f'(x) f'(x)`.
    Twice,
    /// `g y`.
    Value,
    /// `g (1 - y)`.
    Complement,
    /// `g x`.
    Operand,
    /// `g sign(x)`.
    OperandSign,
    /// `g f'(y)`.
    AtValue,
    /// `g f'(x)`, where the rule computes `f'` from `y` and is given `x` in its place.
    OperandForValue,
    /// Nothing.
    Nothing,
    /// `g y (1 - y)`.
    Diagonal,
    /// The other operand of a product, not transposed.
    Straight,
    /// As if `y²` were taken: `2 g y f'(x)`.
    Squared,
}

/// An op's own rule, of operands, value and cotangent; without a value it is recorded for these operands.
type OwnRule<'a, 't> = dyn Fn(&[Var<'t, f64>], Option<Var<'t, f64>>, Var<'t, f64>) -> Pullback<'t, f64> + 'a;

impl Change {
    fn contribution<'t>(
        self,
        operand: usize,
        (inputs, y, g): (&[Var<'t, f64>], Var<'t, f64>, Var<'t, f64>),
        own: &OwnRule<'_, 't>,
    ) -> Option<Var<'t, f64>> {
        let x = inputs[operand];
        let own_part = |inputs: &[Var<'t, f64>], y, g| own(inputs, y, g).0?.get(operand).copied().flatten();
        match self {
            Change::One => Some(g),
            Change::Twice => own_part(inputs, Some(y), own_part(inputs, Some(y), g)?),
            Change::Value => Some(g * y),
            Change::Complement => Some(g * (1.0 - y)),
            Change::Operand => Some(g * x),
            Change::OperandSign => Some(g * x.sign()),
            Change::AtValue => {
                let mut at = inputs.to_vec();
                at[operand] = y;
                own_part(&at, None, g)
            }
            Change::OperandForValue => own_part(inputs, Some(x), g),
            Change::Nothing => None,
            Change::Diagonal => Some(g * y * (1.0 - y)),
            Change::Straight if operand == 0 => Some(g.matmul(inputs[1])),
            Change::Straight => Some(inputs[0].matmul(g)),
            Change::Squared => own_part(inputs, Some(y), g * y * 2.0),
        }
    }
}

/// Alterations of one sweep; a tape records a few of them before it is thrown away.
const SWEEPS_A_TAPE: usize = 16;

impl<'a> Problem<'a> {
    /// Records the function and computes what it is compared with.
    pub(super) fn new(
        function: Function<'a>,
        inputs: Vec<Tensor<f64>>,
        names: Vec<String>,
        rate: Option<f64>,
    ) -> Result<Self> {
        let mut problem = Problem { function, inputs, names, rate, value: f64::NAN, gradients: vec![] };
        problem.value = problem.value_at(&problem.inputs)?;
        problem.gradients = problem.gradients_at(&problem.inputs)?;
        Ok(problem)
    }

    /// Records the function at a point. A panic is an error.
    fn record<'t>(&self, tape: &'t Tape<f64>, inputs: &[Tensor<f64>]) -> Result<(Vec<Var<'t, f64>>, Var<'t, f64>)> {
        let x: Vec<Var<'t, f64>> =
            inputs.iter().zip(&self.names).map(|(input, name)| tape.input(input).named(name)).collect();
        let y = catch_unwind(AssertUnwindSafe(|| (self.function)(&x))).map_err(|panic| {
            let words = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
            let words = words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Error::new(ErrorKind::Check, format!("the function panicked: {words}")).op("hand_gradient")
        })?;
        tape.first_error()?;
        Ok((x, y))
    }

    pub(super) fn value_at(&self, inputs: &[Tensor<f64>]) -> Result<f64> {
        let tape = Tape::new();
        let (_, y) = self.record(&tape, inputs)?;
        y.item()
    }

    /// All gradients; zeros for inputs that are not reached.
    pub(super) fn gradients_at(&self, inputs: &[Tensor<f64>]) -> Result<Vec<Tensor<f64>>> {
        let tape = Tape::new();
        let (x, y) = self.record(&tape, inputs)?;
        let gradients = y.pull_by(&x, |_| None);
        tape.first_error()?;
        Ok(tape.eval_all(&gradients.unwrap_or_default())?.to_vec())
    }

    /// The gradient of one input by broken rules, for each set of them; `None` where a set can't be recorded.
    pub(super) fn altered(&self, which: usize, sets: &[Vec<Alteration>]) -> Vec<Option<Vec<f64>>> {
        let mut all = Vec::with_capacity(sets.len());
        for sets in sets.chunks(SWEEPS_A_TAPE) {
            match self.altered_on_one_tape(which, sets) {
                Ok(gradients) => all.extend(gradients.into_iter().map(Some)),
                // One of them spoils the tape of all.
                Err(_) => all.extend(sets.iter().map(|set| {
                    self.altered_on_one_tape(which, std::slice::from_ref(set)).ok().and_then(|mut one| one.pop())
                })),
            }
        }
        all
    }

    fn altered_on_one_tape(&self, which: usize, sets: &[Vec<Alteration>]) -> Result<Vec<Vec<f64>>> {
        let tape = Tape::new();
        let (x, y) = self.record(&tape, &self.inputs)?;
        let mut gradients = vec![];
        for set in sets {
            let gradient = y.pull_by(&[x[which]], |step| {
                let mut changes = set.iter().filter(|alteration| alteration.node == step.node()).peekable();
                changes.peek()?;
                let mut contributions = step.own(step.inputs(), Some(step.output()), step.cotangent()).0?;
                for Alteration { operand, change, .. } in changes {
                    let call = (step.inputs(), step.output(), step.cotangent());
                    let contribution = change.contribution(*operand, call, &|x, y, g| step.own(x, y, g));
                    *contributions.get_mut(*operand)? = contribution;
                }
                Some(Pullback::new(contributions))
            });
            tape.first_error()?;
            gradients.extend(gradient.unwrap_or_default());
        }
        Ok(tape.eval_all(&gradients)?.iter().map(Tensor::to_vec).collect())
    }

    /// The operations between the value and an input, from the value down.
    pub(super) fn nodes(&self, which: usize) -> Result<Vec<Node>> {
        let tape = Tape::new();
        let (x, y) = self.record(&tape, &self.inputs)?;
        let nodes = y.path_to(&[x[which]]).into_iter().map(|node| Node {
            id: node.id,
            place: Place {
                op: node.name,
                formula: node.formula,
                file: node.location.file().to_string(),
                line: node.location.line(),
                column: node.location.column(),
                scope: node.scope.to_string(),
            },
            shape: node.shape,
            elementwise: node.elementwise,
            operands: node
                .inputs
                .into_iter()
                .map(|input| Operand {
                    id: input.id,
                    wanted: input.wanted,
                    number: input.number,
                    formula: input.formula,
                    shape: input.shape,
                })
                .collect(),
        });
        Ok(nodes.collect())
    }

    /// The shapes that a factor may come from, each with what it is the shape of.
    pub(super) fn shapes(&self) -> Result<Vec<(Shape, String)>> {
        let tape = Tape::new();
        let (_, y) = self.record(&tape, &self.inputs)?;
        let constants = y.constants_before().into_iter().map(|(shape, location)| {
            let words =
                format!("the constant {shape} at {}:{}:{}", location.file(), location.line(), location.column());
            (shape, words)
        });
        let inputs = self.inputs.iter().zip(&self.names);
        let inputs = inputs.map(|(input, name)| (input.shape().clone(), format!("{name} {}", input.shape())));
        Ok(constants.chain(inputs).collect())
    }

    /// How far rounding alone may move an element of a gradient: how much the gradient moves when the inputs move by
    /// little, in proportion to that little.
    pub(super) fn noise(&self, which: usize, single: bool) -> Result<f64> {
        let (step, rounding) =
            if single { (1e-4, 16.0 * f64::from(f32::EPSILON)) } else { (1e-7, 64.0 * f64::EPSILON) };
        let moved: Vec<Tensor<f64>> = self
            .inputs
            .iter()
            .map(|input| {
                let largest = largest(input.as_slice());
                let least = if largest > 0.0 { 0.1 * largest } else { 1.0 };
                Tensor::from_fn(input.shape(), |i| {
                    let up = ((i + 1) as f64 * 0.618_033_988_749_894_9).fract() < 0.5;
                    let x = input.as_slice()[i];
                    x + if up { step } else { -step } * x.abs().max(least)
                })
            })
            .collect();
        let beside = self.gradients_at(&moved)?;
        let (here, beside) = (self.gradients[which].as_slice(), beside[which].as_slice());
        let change = here.iter().zip(beside).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        Ok(if change.is_finite() { change / step * rounding } else { 0.0 })
    }
}

/// The largest magnitude.
pub(super) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

/// The derivative of an op by an operand as a formula, from the registry; empty where it has none.
pub(super) fn derivative(op: &str, operand: usize) -> String {
    let row = REGISTRY.iter().find(|row| row.name == op);
    row.and_then(|row| row.derivatives.get(operand)).map(|text| (*text).to_string()).unwrap_or_default()
}
