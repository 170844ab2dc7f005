//! The registry as data: every op with samples of its use, for the proof that walks it and for the table in the docs.

use ndarray::ArrayD;

use super::real::{Elementwise, Entry, Real};
use crate::kernels::number::Element;
use crate::tape::var::Var;
use crate::tensor::{Shape, Tensor};

/// A function of several `Var`s.
pub type Function<T> = Box<dyn for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>>;

/// A slow, obvious computation of the same value.
pub type Reference = Box<dyn Fn(&[ArrayD<f64>]) -> ArrayD<f64>>;

/// One use of an op, with inputs at which it is smooth.
pub struct Sample<T: Element> {
    /// What the sample shows: `"axis 1, keepdim"`.
    pub label: String,
    /// The operands.
    pub inputs: Vec<Tensor<T>>,
    /// The use.
    pub function: Function<T>,
    /// The value by a slow, obvious computation that shares nothing with the op.
    pub reference: Reference,
    /// Whether a derivative is promised. Where not, the op is to say so.
    pub differentiable: bool,
}

impl<T: Element> Sample<T> {
    /// A use of a differentiable op.
    pub fn new(
        label: impl Into<String>,
        inputs: impl IntoIterator<Item = Tensor<T>>,
        function: impl for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + 'static,
        reference: impl Fn(&[ArrayD<f64>]) -> ArrayD<f64> + 'static,
    ) -> Self {
        Sample {
            label: label.into(),
            inputs: inputs.into_iter().collect(),
            function: Box::new(function),
            reference: Box::new(reference),
            differentiable: true,
        }
    }

    /// The highest order of derivative that the proof compares with differences. The third takes sweeps of sweeps of
    /// sweeps for each step of each element: it is left to the small samples, of which each op has some.
    pub fn orders(&self) -> usize {
        let elements: usize = self.inputs.iter().map(Tensor::len).sum();
        match self.differentiable {
            false => 0,
            true if elements <= 16 => 3,
            true => 2,
        }
    }

    /// The same for an op that has no derivative.
    pub fn without_derivative(self) -> Self {
        Sample { differentiable: false, ..self }
    }
}

impl<T: Element> std::fmt::Debug for Sample<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sample").field("label", &self.label).field("inputs", &self.inputs).finish_non_exhaustive()
    }
}

/// What kind of thing an entry of the registry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A function of numbers, applied to each element.
    Row,
    /// An op with a kernel and a pullback of its own.
    Primitive,
    /// Made of other ops, whose pullbacks are its own.
    Composed,
}

/// What the table in the docs says of an op that is not a row. It stands in the op's own file.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    kind: Kind,
    formula: &'static str,
    pullback: &'static str,
    kinks: &'static str,
}

impl Text {
    /// Of an op with a pullback of its own: its formula, its pullback with `g` for the cotangent of the result, and where it
    /// is not smooth, with the promise made there.
    pub(crate) const fn primitive(formula: &'static str, pullback: &'static str, kinks: &'static str) -> Self {
        Text { kind: Kind::Primitive, formula, pullback, kinks }
    }

    /// Of a composition: its formula, what it is made of, and where it is not smooth.
    pub(crate) const fn composed(formula: &'static str, made_of: &'static str, kinks: &'static str) -> Self {
        Text { kind: Kind::Composed, formula, pullback: made_of, kinks }
    }

    /// Of an op whose line in the list names no text; the test of the table in the docs fails then.
    #[allow(dead_code, reason = "unused where every line names one")]
    pub(crate) const MISSING: Text = Text::primitive("", "", "");
}

/// An op of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Registered {
    /// The name in listings.
    pub name: &'static str,
    /// What kind of op it is.
    pub kind: Kind,
    /// The printed formula; of a row with `{0}` and `{1}` for the operands.
    pub formula: &'static str,
    /// The names of the operands in the derivatives; for rows only.
    pub operands: &'static [&'static str],
    /// The printed derivative with respect to each operand; for rows only.
    pub derivatives: &'static [&'static str],
    /// The pullback in words, or what the op is made of; not for rows.
    pub pullback: &'static str,
    /// Values of the first operand where it is not smooth; for rows only.
    pub kinks: &'static [f64],
    /// Where it is not smooth, in words; not for rows.
    pub kinks_text: &'static str,
    /// Samples in f64.
    pub samples: fn() -> Vec<Sample<f64>>,
    /// The same samples in f32.
    pub samples_f32: fn() -> Vec<Sample<f32>>,
}

impl Registered {
    /// A row, with samples made from its domain.
    pub(crate) const fn row<F: Elementwise<A>, const A: usize>() -> Self {
        Registered {
            name: F::NAME,
            kind: Kind::Row,
            formula: F::TEXT,
            operands: &F::OPERANDS,
            derivatives: &F::DERIVATIVES,
            pullback: "",
            kinks: F::KINKS,
            kinks_text: "",
            samples: row_samples::<f64, F, A>,
            samples_f32: row_samples::<f32, F, A>,
        }
    }

    /// An op that is not a row.
    pub(crate) const fn op(
        name: &'static str,
        samples: fn() -> Vec<Sample<f64>>,
        samples_f32: fn() -> Vec<Sample<f32>>,
        text: Text,
    ) -> Self {
        let Text { kind, formula, pullback, kinks } = text;
        Registered {
            name,
            kind,
            formula,
            operands: &[],
            derivatives: &[],
            pullback,
            kinks: &[],
            kinks_text: kinks,
            samples,
            samples_f32,
        }
    }
}

/// What is to be done with every row; see [`visit_rows`](super::visit_rows).
pub trait RowVisitor {
    /// Called once for each row.
    fn visit<F: Elementwise<A>, const A: usize>(&mut self);
}

/// Numbers spread over an interval in no simple order: the fractional parts of multiples of the golden ratio.
pub(crate) fn spread<T: Element>(shape: impl Into<Shape>, low: f64, high: f64, start: usize) -> Tensor<T> {
    Tensor::from_fn(shape, |i| {
        let fraction = ((i + start) as f64 * 0.618_033_988_749_894_9 + 0.137).fract();
        T::of(low + (high - low) * fraction)
    })
}

/// The same, at least 0.05 away from each kink.
fn spread_off_kinks<T: Element>(shape: Shape, (low, high): (f64, f64), start: usize, kinks: &[f64]) -> Tensor<T> {
    spread::<T>(shape, low, high, start).map_values(|value| {
        match kinks.iter().find(|&&kink| (value.to_f64() - kink).abs() < 0.05) {
            Some(kink) if kink + 0.1 <= high => T::of(kink + 0.07),
            Some(kink) => T::of(kink - 0.07),
            None => value,
        }
    })
}

/// Shapes of the operands of a row.
type Pattern = &'static [&'static [usize]];

const OF_ONE: [Pattern; 6] = [&[&[]], &[&[1]], &[&[5]], &[&[2, 3]], &[&[0, 3]], &[&[2, 1, 2, 1, 2]]];

/// Each pattern of broadcasting.
const OF_SEVERAL: [Pattern; 12] = [
    &[&[], &[], &[]],
    &[&[1], &[1], &[1]],
    &[&[4], &[4], &[4]],
    &[&[2, 3], &[], &[2, 3]],
    &[&[], &[2, 3], &[]],
    &[&[2, 3], &[3], &[2, 1]],
    &[&[3], &[2, 3], &[1]],
    &[&[2, 1], &[1, 3], &[2, 3]],
    &[&[2, 3], &[2, 1], &[3]],
    &[&[2, 1, 2], &[3, 1], &[]],
    &[&[0, 2], &[2], &[1]],
    &[&[1, 2, 1, 2, 1], &[2, 1, 1, 3], &[1]],
];

/// Which part of a row's domain the numbers of a sample are from.
const CLASSES: [(&str, f64, f64, usize); 4] = [
    ("other numbers", 0.0, 1.0, 53),
    ("near the low end", 0.0, 0.12, 2),
    ("near the high end", 0.88, 1.0, 2),
    ("close together in the middle", 0.45, 0.5, 11),
];

/// Samples of a row: each pattern of broadcasting that its number of operands allows, each class of numbers, and each way
/// in which an operand can reach it.
fn row_samples<T: Element, F: Elementwise<A>, const A: usize>() -> Vec<Sample<T>> {
    let patterns: &[Pattern] = if A == 1 { &OF_ONE } else { &OF_SEVERAL };
    let everywhere = |pattern: &Pattern| {
        let label = pattern[..A].iter().map(|shape| format!("{shape:?}")).collect::<Vec<_>>().join(" with ");
        row_sample::<T, F, A>(label, pattern, (0.0, 1.0), 0)
    };
    let samples = || patterns.iter().map(everywhere).collect();
    let mut all = super::samples::widened(&samples);
    all.extend(CLASSES.iter().map(|&(label, low, high, start)| {
        row_sample::<T, F, A>(label.into(), &[&[4], &[4], &[4]], (low, high), start)
    }));
    all
}

/// A sample of a row with numbers from one part of its domain.
fn row_sample<T: Element, F: Elementwise<A>, const A: usize>(
    label: String,
    shapes: &[&[usize]],
    part: (f64, f64),
    start: usize,
) -> Sample<T> {
    let input = |i: usize| {
        let kinks = if i == 0 { F::KINKS } else { &[] };
        let (low, high) = F::DOMAIN[i];
        let range = (low + part.0 * (high - low), low + part.1 * (high - low));
        spread_off_kinks(Shape::from(shapes[i]), range, start + 7 * i, kinks)
    };
    Sample::new(
        label,
        (0..A).map(input),
        |x| Entry::apply(F::default(), std::array::from_fn(|i| Entry(x[i]))).0,
        |x| {
            let mut shape = Shape::default();
            x.iter().for_each(|x| shape = shape.broadcast(&Shape::from(x.shape())).unwrap_or_default());
            let x: Vec<_> = x.iter().filter_map(|x| x.broadcast(shape.to_vec())).collect();
            ArrayD::from_shape_fn(shape.to_vec(), |place| F::value::<f64>(std::array::from_fn(|i| x[i][&place])))
        },
    )
}
