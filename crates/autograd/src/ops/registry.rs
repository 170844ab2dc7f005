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

/// An op of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Registered {
    /// The name in listings.
    pub name: &'static str,
    /// The printed formula, `{0}` and `{1}` standing for the operands; for rows only.
    pub formula: &'static str,
    /// The printed derivative with respect to each operand; for rows only.
    pub derivatives: &'static [&'static str],
    /// Where it is not smooth; for rows only.
    pub kinks: &'static [f64],
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
            formula: F::TEXT,
            derivatives: &F::DERIVATIVES,
            kinks: F::KINKS,
            samples: row_samples::<f64, F, A>,
            samples_f32: row_samples::<f32, F, A>,
        }
    }

    /// An op that is not a row.
    pub(crate) const fn op(
        name: &'static str,
        samples: fn() -> Vec<Sample<f64>>,
        samples_f32: fn() -> Vec<Sample<f32>>,
    ) -> Self {
        Registered { name, formula: "", derivatives: &[], kinks: &[], samples, samples_f32 }
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

/// Samples of a row: each pattern of broadcasting that its number of operands allows.
fn row_samples<T: Element, F: Elementwise<A>, const A: usize>() -> Vec<Sample<T>> {
    let patterns: &[&[&[usize]]] = match A {
        1 => &[&[&[]], &[&[1]], &[&[5]], &[&[2, 3]], &[&[0, 3]], &[&[2, 1, 2, 1, 2]]],
        _ => &[
            &[&[], &[], &[]],
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
        ],
    };
    patterns
        .iter()
        .map(|pattern| {
            let input = |i: usize| {
                let kinks = if i == 0 { F::KINKS } else { &[] };
                spread_off_kinks(Shape::from(pattern[i]), F::DOMAIN[i], 7 * i, kinks)
            };
            let label = pattern[..A].iter().map(|shape| format!("{shape:?}")).collect::<Vec<_>>().join(" with ");
            Sample::new(
                label,
                (0..A).map(input),
                |x| Entry::apply(F::default(), std::array::from_fn(|i| Entry(x[i]))).0,
                |x| {
                    let mut shape = Shape::default();
                    x.iter().for_each(|x| shape = shape.broadcast(&Shape::from(x.shape())).unwrap_or_default());
                    let x: Vec<_> = x.iter().filter_map(|x| x.broadcast(shape.to_vec())).collect();
                    ArrayD::from_shape_fn(shape.to_vec(), |place| {
                        F::value::<f64>(std::array::from_fn(|i| x[i][&place]))
                    })
                },
            )
        })
        .collect()
}
