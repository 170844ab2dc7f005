//! What single precision does to a function and its gradient: both in f32 against f64 at the same point.

use std::fmt;

use super::checker::weights;
use super::subject::guard;
use crate::{Element, Error, ErrorKind, Result, Shape, Tape, Tensor, Var};

/// A function that can be recorded in f32 and in f64. No closure can: implement it for a type of one's own.
pub trait Generic {
    /// Records the function.
    fn call<'t, T: Element>(&self, x: &[Var<'t, T>]) -> Var<'t, T>;
}

/// How far f32 is from f64, in units of the rounding that the problem itself makes inevitable.
///
/// The unit of an element `y` is `ε (|y| + Σ |∂y/∂x| |x| + max |y|)` with `ε = 2⁻²³`: the rounding of the result, that of
/// the inputs magnified by the condition of the function, and that of the largest element, since terms that cancel are as
/// large. A sound formula of a few operations stays below 10; one that loses digits is at hundreds.
#[derive(Clone, Debug, PartialEq)]
pub struct Precision {
    /// The worst element of the values.
    pub value: f64,
    /// The worst element of the gradients of a weighted sum of the outputs.
    pub gradient: f64,
    /// The input that the worst gradient belongs to, and the place of the element in row-major order.
    pub worst: (usize, usize),
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Precision { value, gradient, worst: (input, element) } = self;
        write!(f, "f32 against f64: values to {value:.1} units, gradients to {gradient:.1} units")?;
        write!(f, " (worst: input {input}, element {element} in row-major order)")
    }
}

/// Measures a function and its gradient in f32 against f64, at points that f32 has.
///
/// # Errors
/// Mistakes of the function itself, a panic among them; other shapes in f32 than in f64.
///
/// ```
/// use wengert_autograd::check::{Generic, precision};
/// use wengert_autograd::{Element, Tensor, Var};
///
/// struct Stable;
/// impl Generic for Stable {
///     fn call<'t, T: Element>(&self, x: &[Var<'t, T>]) -> Var<'t, T> {
///         x[0].softplus()
///     }
/// }
/// struct Naive;
/// impl Generic for Naive {
///     fn call<'t, T: Element>(&self, x: &[Var<'t, T>]) -> Var<'t, T> {
///         (x[0].exp() + T::of(1.0)).ln()                          // loses all digits far below zero
///     }
/// }
/// let x = [Tensor::from([-14.0f32, -0.5, 3.0])];
/// let (stable, naive) = (precision(&Stable, &x)?, precision(&Naive, &x)?);
/// assert!(stable.value < 4.0 && stable.gradient < 4.0);
/// assert!(naive.value < 4.0);                              // next to ln(1 + e^3), the first is nothing
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub fn precision(function: &impl Generic, inputs: &[Tensor<f32>]) -> Result<Precision> {
    guard(|| {
        let low = Run::of(|x: &[Var<'_, f32>]| function.call(x), inputs, false)?;
        let doubles: Vec<Tensor<f64>> = inputs.iter().map(|input| input.cast()).collect();
        let high = Run::of(|x: &[Var<'_, f64>]| function.call(x), &doubles, true)?;
        if low.shape != high.shape {
            let message = format!("the output has shape {} in f32 and {} in f64", low.shape, high.shape);
            return Err(Error::new(ErrorKind::Shape, message).op("precision"));
        }
        let (value, _) = units(&low.values, &high.values, &high.value_conditions);
        let (gradient, place) = units(&low.gradients, &high.gradients, &high.gradient_conditions);
        Ok(Precision { value, gradient, worst: located(inputs, place) })
    })
}

/// Values, gradients, and how far a relative error of 1 in the inputs moves them.
struct Run {
    shape: Shape,
    values: Vec<f64>,
    gradients: Vec<f64>,
    value_conditions: Vec<f64>,
    gradient_conditions: Vec<f64>,
}

impl Run {
    fn of<T: Element>(
        function: impl for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
        inputs: &[Tensor<T>],
        conditions: bool,
    ) -> Result<Run> {
        let tape = Tape::new();
        let x: Vec<Var<'_, T>> = inputs.iter().map(|input| tape.input(input)).collect();
        let y = super::subject::own(&tape, function(&x))?;
        // Few digits, so that they are the same numbers in f32.
        let weights = weights::<T>(&y.shape(), 1).map_values(|weight| T::of((weight.to_f64() * 256.0).round() / 256.0));
        let gradients = (y * tape.constant(weights)).sum().pull_or_zero(tape.scalar(T::of(1.0)), &x);
        let (mut value_conditions, mut gradient_conditions) = (vec![], vec![]);
        if conditions {
            let condition = |row: Vec<Tensor<T>>| -> f64 {
                let terms = row.iter().zip(inputs).flat_map(|(row, x)| row.as_slice().iter().zip(x.as_slice()));
                terms.map(|(slope, x)| (slope.to_f64() * x.to_f64()).abs()).sum()
            };
            value_conditions.extend(y.jacobian_rows(&x)?.into_iter().map(condition));
            for gradient in &gradients {
                gradient_conditions.extend(gradient.jacobian_rows(&x)?.into_iter().map(condition));
            }
        }
        let flat = |tensors: &[Tensor<T>]| tensors.iter().flat_map(Tensor::to_vec).map(|v| v.to_f64()).collect();
        let values = flat(&tape.eval_all(&[y])?);
        let gradients = flat(&tape.eval_all(&gradients)?);
        Ok(Run { shape: y.shape(), values, gradients, value_conditions, gradient_conditions })
    }
}

/// The largest distance in units, and its place.
fn units(low: &[f64], high: &[f64], conditions: &[f64]) -> (f64, usize) {
    let largest = high.iter().filter(|value| value.is_finite()).fold(0.0f64, |largest, value| largest.max(value.abs()));
    let mut worst = (0.0, 0);
    for (place, ((low, high), condition)) in low.iter().zip(high).zip(conditions).enumerate() {
        let unit = f64::from(f32::EPSILON) * (high.abs() + condition + largest).max(f64::from(f32::MIN_POSITIVE));
        let same = low == high || (low.is_nan() && high.is_nan());
        let distance = if same { 0.0 } else { (low - high).abs() / unit };
        let distance = if distance.is_nan() { f64::INFINITY } else { distance };
        if distance > worst.0 {
            worst = (distance, place);
        }
    }
    worst
}

/// The input and the element that a place in all inputs one after the other belongs to.
fn located(inputs: &[Tensor<f32>], mut place: usize) -> (usize, usize) {
    for (input, tensor) in inputs.iter().enumerate() {
        if place < tensor.len() {
            return (input, place);
        }
        place -= tensor.len();
    }
    (0, 0)
}
