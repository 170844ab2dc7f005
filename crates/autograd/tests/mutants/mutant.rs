//! An op of the registry with a rule broken on purpose.

use std::rc::Rc;

use wengert_autograd::ndarray::{ArrayViewD, ArrayViewMutD};
use wengert_autograd::ops::registry::Sample;
use wengert_autograd::{CustomOp, Pullback, Result, Shape, Tape, Tensor, Var};

/// What is broken. The number is the operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mutation {
    /// Nothing: the control.
    Nothing,
    /// 0.1 % too much.
    Thousandth(usize),
    /// The sign.
    Sign(usize),
    /// No contribution.
    Dropped(usize),
    /// The contributions of an operand and the next one, of the same shape.
    Swapped(usize),
    /// A mean where a sum is due: divided by how often the operand is repeated, or by how many of its elements are summed.
    Mean(usize),
    /// The contribution of one slice of the output, as if the sum over a broadcast axis took its first element.
    OneSlice(usize),
    /// One number for all elements: their mean.
    Averaged(usize),
    /// 1 in place of the cotangent.
    CotangentIgnored(usize),
    /// Transposed, where it is square.
    Transposed(usize),
    /// Backwards along the first axis.
    Reversed(usize),
    /// A thousandth of the sum of the cotangent, added.
    LittleAdded(usize),
    /// The sum of the cotangent, added: straight through.
    StraightThrough(usize),
    /// A thousandth, added whatever the cotangent is.
    ConstantAdded(usize),
    /// The first derivative is right; the second is not, by a factor that is 1 at the point.
    SecondFactor(usize),
    /// The first derivative is right; the second is not, by a term that is 0 at the point.
    SecondTerm(usize),
    /// The first derivative is right; the derivative by the cotangent is not.
    SecondCotangent(usize),
}

impl Mutation {
    /// Every kind.
    pub(crate) const KINDS: [fn(usize) -> Mutation; 16] = [
        Mutation::Thousandth,
        Mutation::Sign,
        Mutation::Dropped,
        Mutation::Swapped,
        Mutation::Mean,
        Mutation::OneSlice,
        Mutation::Averaged,
        Mutation::CotangentIgnored,
        Mutation::Transposed,
        Mutation::Reversed,
        Mutation::LittleAdded,
        Mutation::StraightThrough,
        Mutation::ConstantAdded,
        Mutation::SecondFactor,
        Mutation::SecondTerm,
        Mutation::SecondCotangent,
    ];

    /// In words, as the page of the proof has it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Mutation::Nothing => "nothing broken",
            Mutation::Thousandth(_) => "0.1 % off",
            Mutation::Sign(_) => "sign flipped",
            Mutation::Dropped(_) => "contribution dropped",
            Mutation::Swapped(_) => "contributions of two operands swapped",
            Mutation::Mean(_) => "mean where a sum is due",
            Mutation::OneSlice(_) => "one slice of the output in place of all",
            Mutation::Averaged(_) => "one number for all elements",
            Mutation::CotangentIgnored(_) => "cotangent ignored",
            Mutation::Transposed(_) => "transposed",
            Mutation::Reversed(_) => "backwards",
            Mutation::LittleAdded(_) => "a thousandth of the cotangent added",
            Mutation::StraightThrough(_) => "cotangent added",
            Mutation::ConstantAdded(_) => "a constant added",
            Mutation::SecondFactor(_) => "second order: a factor",
            Mutation::SecondTerm(_) => "second order: a term",
            Mutation::SecondCotangent(_) => "second order: by the cotangent",
        }
    }

    pub(crate) fn operand(self) -> usize {
        match self {
            Mutation::Nothing => 0,
            Mutation::Thousandth(i)
            | Mutation::Sign(i)
            | Mutation::Dropped(i)
            | Mutation::Swapped(i)
            | Mutation::Mean(i)
            | Mutation::OneSlice(i)
            | Mutation::Averaged(i)
            | Mutation::CotangentIgnored(i)
            | Mutation::Transposed(i)
            | Mutation::Reversed(i)
            | Mutation::LittleAdded(i)
            | Mutation::StraightThrough(i)
            | Mutation::ConstantAdded(i)
            | Mutation::SecondFactor(i)
            | Mutation::SecondTerm(i)
            | Mutation::SecondCotangent(i) => i,
        }
    }

    /// The first order that it makes wrong.
    pub(crate) fn order(self) -> usize {
        match self {
            Mutation::SecondFactor(_) | Mutation::SecondTerm(_) | Mutation::SecondCotangent(_) => 2,
            _ => 1,
        }
    }

    /// Whether it means anything for operands and an output of these shapes.
    pub(crate) fn fits(self, operands: &[&[usize]], output: &[usize]) -> bool {
        let shape = operands[self.operand()];
        let (volume, given) = (output.iter().product::<usize>(), shape.iter().product::<usize>());
        match self {
            Mutation::Swapped(i) => operands.get(i + 1).is_some_and(|next| *next == shape),
            Mutation::Mean(_) => volume != given,
            Mutation::OneSlice(_) => volume > 1,
            Mutation::Averaged(_) => given > 1,
            Mutation::Transposed(_) => shape.len() >= 2 && shape[shape.len() - 1] == shape[shape.len() - 2],
            Mutation::Reversed(_) => shape.first().is_some_and(|&length| length > 1),
            _ => true,
        }
    }
}

/// A use of an op, and which of its operands the tape has a derivative for.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) sample: Sample<f64>,
    reached: Vec<bool>,
    pub(crate) output: Vec<usize>,
}

impl Case {
    /// None where the sample is of no use here: without elements, large, or not finite.
    pub(crate) fn new(name: &str, sample: Sample<f64>) -> Option<Case> {
        let elements: usize = sample.inputs.iter().map(|input| input.len()).sum();
        if elements > 16 || sample.inputs.is_empty() || sample.inputs.iter().any(|input| input.is_empty()) {
            return None;
        }
        let tape = Tape::new();
        let x = leaves(&tape, &sample.inputs);
        let y = (sample.function)(&x).value().ok()?;
        if y.is_empty() || y.len() > 16 || y.as_slice().iter().any(|value| !value.is_finite()) {
            return None;
        }
        let reached = (0..x.len()).map(|operand| {
            let tape = Tape::new();
            let x = leaves(&tape, &sample.inputs);
            let y = (sample.function)(&x);
            let [g] = y.vjp(tape.constant(Tensor::ones(y.shape())), [x[operand]]);
            g.value().is_ok()
        });
        let reached = reached.collect();
        Some(Case { name: format!("broken {name}"), output: y.shape().to_vec(), reached, sample })
    }

    /// The right contributions.
    fn right<'t>(&self, x: &[Var<'t, f64>], g: Var<'t, f64>) -> Vec<Option<Var<'t, f64>>> {
        let y = (self.sample.function)(x);
        x.iter().zip(&self.reached).map(|(&x, &reached)| reached.then(|| y.vjp(g, [x])[0])).collect()
    }

    /// The contributions with a mistake.
    fn broken<'t>(&self, mutation: Mutation, x: &[Var<'t, f64>], g: Var<'t, f64>) -> Vec<Option<Var<'t, f64>>> {
        let i = mutation.operand();
        let (tape, shape) = (g.tape(), x[i].shape());
        let instead = |cotangent| self.right(x, cotangent)[i];
        let mut parts = self.right(x, g);
        let zero = tape.constant(Tensor::zeros(shape.clone()));
        let part = parts[i].unwrap_or(zero);
        let ratio = self.output.iter().product::<usize>() as f64 / shape.volume() as f64;
        parts[i] = match mutation {
            Mutation::Nothing => parts[i],
            Mutation::Thousandth(_) => Some(part * 1.001),
            Mutation::Sign(_) => Some(-part),
            Mutation::Dropped(_) => None,
            Mutation::Swapped(i) => parts[i + 1].replace(part),
            Mutation::Mean(_) => Some(part * ratio.min(1.0 / ratio)),
            Mutation::OneSlice(_) => {
                let axis = self.output.iter().position(|&length| length > 1).unwrap_or(0);
                let inner: usize = self.output[axis + 1..].iter().product();
                let slice = |place: usize| f64::from(u8::from((place / inner).is_multiple_of(self.output[axis])));
                instead(g * tape.constant(Tensor::from_fn(self.output.as_slice(), slice)))
            }
            Mutation::Averaged(_) => Some(part.mean().expand(shape)),
            Mutation::CotangentIgnored(_) => instead(tape.constant(Tensor::ones(self.output.as_slice()))),
            Mutation::Transposed(_) => Some(part.transpose(-1, -2)),
            Mutation::Reversed(_) => Some(part.flip(&[0])),
            Mutation::LittleAdded(_) => Some(part + 1e-3 * g.sum()),
            Mutation::StraightThrough(_) => Some(part + g.sum()),
            Mutation::ConstantAdded(_) => Some(part + 1e-3),
            Mutation::SecondFactor(i) => Some(part * (1.0 + 0.01 * (x[i] - x[i].detach()).sum())),
            Mutation::SecondTerm(i) => Some(part + 0.01 * (x[i] - x[i].detach()).sum() * g.sum()),
            Mutation::SecondCotangent(_) => instead(g * 1.01 - 0.01 * g.detach()),
        };
        parts
    }

    /// How much a mutation changes the contributions at the sample, the most; for the second order, how large the factor is
    /// by which it changes the second derivative.
    pub(crate) fn effect(&self, mutation: Mutation) -> f64 {
        let tape = Tape::new();
        let x = leaves(&tape, &self.sample.inputs);
        let weight = |i: usize| (i as f64 + 1.0) * 0.37 - if i.is_multiple_of(2) { 1.7 } else { 0.2 };
        let g = tape.constant(Tensor::from_fn(self.output.as_slice(), weight));
        let right = self.right(&x, g);
        let broken = match mutation {
            Mutation::SecondFactor(i) | Mutation::SecondCotangent(i) => {
                let mut none = right.clone();
                none[i] = None;
                none
            }
            Mutation::SecondTerm(_) => return 1.0,
            _ => self.broken(mutation, &x, g),
        };
        let values = |part: &Option<Var<'_, f64>>, i: usize| match part {
            Some(part) => part.value().expect("a contribution").as_slice().to_vec(),
            None => vec![0.0; self.sample.inputs[i].len()],
        };
        let pairs = right.iter().zip(&broken).enumerate();
        let change = pairs.flat_map(|(i, (right, broken))| {
            let (right, broken) = (values(right, i), values(broken, i));
            let broken = if broken.len() == right.len() { broken } else { vec![broken[0]; right.len()] };
            right.into_iter().zip(broken).map(|(right, broken)| (right - broken).abs()).collect::<Vec<_>>()
        });
        change.fold(0.0, f64::max)
    }
}

fn leaves<'t>(tape: &'t Tape<f64>, values: &[Tensor<f64>]) -> Vec<Var<'t, f64>> {
    values.iter().map(|value| tape.input(value)).collect()
}

/// The op: right forward, broken pullback.
#[derive(Debug)]
pub(crate) struct Mutant {
    pub(crate) case: Rc<Case>,
    pub(crate) mutation: Mutation,
}

impl CustomOp<f64> for Mutant {
    fn name(&self) -> &str {
        &self.case.name
    }

    fn shape(&self, _: &[Shape]) -> Result<Shape> {
        Ok(Shape::from(self.case.output.as_slice()))
    }

    fn forward(&self, inputs: &[ArrayViewD<f64>], mut out: ArrayViewMutD<f64>) -> Result<()> {
        let tape = Tape::inference();
        let inputs: Vec<Tensor<f64>> = inputs.iter().map(|input| Tensor::from(input.to_owned())).collect();
        let y = (self.case.sample.function)(&leaves(&tape, &inputs)).value()?;
        out.assign(&y.view());
        Ok(())
    }

    fn pullback<'t>(&self, x: &[Var<'t, f64>], _: Var<'t, f64>, g: Var<'t, f64>) -> Pullback<'t, f64> {
        // A contribution is not of another shape than its operand: what was added as a number is repeated.
        let own = |(part, x): (Option<Var<'t, f64>>, &Var<'t, f64>)| part.map(|part| part.expand(x.shape()));
        Pullback::new(self.case.broken(self.mutation, x, g).into_iter().zip(x).map(own))
    }
}
