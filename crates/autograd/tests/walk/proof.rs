//! What is proved of one sample. Every part returns the worst error it saw, or a text that says what is wrong.

use ndarray::ArrayD;
use wengert_autograd::check::Difference;
use wengert_autograd::ops::registry::Sample;
use wengert_autograd::{Shape, Tape, Tensor, Var};

use crate::functions::{Function, better, conditions, contracted, derivative, derivatives, record, terms, weights};

/// The worst error of a part, or what is wrong.
pub(crate) type Verdict = Result<f64, String>;

/// Differences are taken with respect to at most this many elements of a sample beyond the first order.
const MOST_ELEMENTS: usize = 40;

fn text(error: wengert_autograd::Error) -> String {
    error.to_string()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

/// The largest `|a - b| / max(1, scale, |b|)`; wrong above the tolerance. NaN is always wrong, and so is an infinity
/// that only one side has.
fn compare(what: &str, a: &[f64], b: &[f64], scale: f64, tolerance: f64) -> Verdict {
    if a.len() != b.len() {
        return Err(format!("{what}: {} values, expected {}", a.len(), b.len()));
    }
    let mut worst = 0.0f64;
    for (i, (&a, &b)) in a.iter().zip(b).enumerate() {
        let error = if a == b { 0.0 } else { (a - b).abs() / b.abs().max(scale).max(1.0) };
        if error.is_nan() || error > tolerance {
            return Err(format!("{what}: element {i} is {a}, expected {b} (error {error:.2e})"));
        }
        worst = worst.max(error);
    }
    Ok(worst)
}

/// The value against the slow reference.
pub(crate) fn value(sample: &Sample<f64>) -> Verdict {
    let y = derivatives(&*sample.function, &sample.inputs, 0).map_err(text)?;
    let inputs: Vec<ArrayD<f64>> = sample.inputs.iter().map(|input| input.view().to_owned()).collect();
    let reference = (sample.reference)(&inputs);
    if y[0].shape()[..] != *reference.shape() {
        return Err(format!("value: shape {}, expected {:?}", y[0].shape(), reference.shape()));
    }
    let reference: Vec<f64> = reference.iter().copied().collect();
    compare("value", y[0].as_slice(), &reference, 0.0, 1e-12)
}

/// The derivative of an order, by the tape, against differences of the order below, by the tape.
pub(crate) fn order(function: Function<'_>, inputs: &[Tensor<f64>], order: usize, tolerance: f64) -> Verdict {
    let analytic = derivatives(function, inputs, order).map_err(text)?;
    let scale = analytic.iter().map(|gradient| largest(gradient.as_slice())).fold(0.0, f64::max);
    let below = |x: &[Tensor<f64>]| Ok(vec![contracted(function, x, order - 1)?]);
    let mut worst = 0.0f64;
    for (input, gradient) in analytic.iter().enumerate() {
        if gradient.shape() != inputs[input].shape() {
            return Err(format!("order {order}: the gradient of input {input} has shape {}", gradient.shape()));
        }
        let stride = if order == 1 { 1 } else { gradient.len().div_ceil(MOST_ELEMENTS).max(1) };
        for element in (0..gradient.len()).step_by(stride) {
            let part = |step: f64| Difference::new().levels(8).step(step).partial(inputs, input, element, below);
            let mut numeric = part(0.04).map_err(text)?;
            // Near the end of a domain, or with steep derivatives, a shorter step is better.
            if numeric[0].error > 1e-3 * tolerance * scale.max(1.0) {
                numeric = better(numeric, part(0.005).map_err(text)?);
            }
            let (a, numeric) = (gradient.as_slice()[element], numeric[0]);
            // The estimate has to be good itself: its error bar never excuses more than the tolerance.
            let scale = scale.max(numeric.value.abs()).max(1.0);
            let error = (a - numeric.value).abs() / scale;
            if error.is_nan() || error > tolerance || numeric.error > 100.0 * tolerance * scale {
                return Err(format!(
                    "order {order}: input {input}, element {element}: analytic {a}, numeric {} ± {:.1e} (error {error:.2e})",
                    numeric.value, numeric.error
                ));
            }
            worst = worst.max(error);
        }
    }
    Ok(worst)
}

/// `<u, J v> = <Jᵀ u, v>`, `J v` by the pullback of the pullback; and `J v` against differences along `v`, output by
/// output.
pub(crate) fn transposition(function: Function<'_>, inputs: &[Tensor<f64>]) -> Verdict {
    let tape = Tape::new();
    let x = record(&tape, inputs);
    let y = x.iter().fold(function(&x), |y, &x| y + (x * 0.0).sum());
    let u = tape.input(weights(&y.shape(), 5));
    let v: Vec<Tensor<f64>> = inputs.iter().enumerate().map(|(i, x)| weights(x.shape(), 50 + i)).collect();
    let product = x.iter().zip(&v).fold(u.sum() * 0.0, |sum, (&x, v)| {
        let [pulled] = y.vjp(u, [x]);
        sum + (pulled * tape.constant(v)).sum()
    });
    let [pushed] = product.grad([u]);
    let pairing = (u * pushed).sum();
    let [left, right, pushed] = tape.eval([pairing, product, pushed]).map_err(text)?;
    let magnitude = largest(pushed.as_slice()) * pushed.len().max(1) as f64;
    let identity = compare("transposition", left.as_slice(), right.as_slice(), magnitude, 1e-12)?;
    let values = |x: &[Tensor<f64>]| Ok(derivatives(function, x, 0)?[0].to_vec());
    let part = |step: f64| Difference::new().levels(8).step(step).along(inputs, &v, values).map_err(text);
    let numeric: Vec<f64> = better(part(0.02)?, part(0.002)?).iter().map(|estimate| estimate.value).collect();
    compare("jvp", pushed.as_slice(), &numeric, largest(pushed.as_slice()), 1e-8)?;
    Ok(identity)
}

/// Value and derivatives with inputs that reach the op as views: stored with all axes reversed, and stored flat.
pub(crate) fn views(function: Function<'_>, inputs: &[Tensor<f64>]) -> Verdict {
    let shapes: Vec<Shape> = inputs.iter().map(|input| input.shape().clone()).collect();
    let reverse = |rank: usize| (0..rank as isize).rev().collect::<Vec<isize>>();
    let turn = |x: &Tensor<f64>| Tensor::from(x.view().reversed_axes().to_owned());
    let flat = |x: &Tensor<f64>| Tensor::from(x.as_slice());
    let turned: Function<'_> = &|x| function(&x.iter().map(|x| x.permute(&reverse(x.rank()))).collect::<Vec<_>>());
    let reshaped: Function<'_> = &|x| {
        let x: Vec<Var<'_, f64>> = x.iter().zip(&shapes).map(|(x, shape)| x.reshape(shape)).collect();
        function(&x)
    };
    let mut worst = targets(function, inputs, turn)?;
    // Of the second order the contraction differs: its weights lie in the order of the leaves.
    for order in [0, 1] {
        let plain = derivatives(function, inputs, order).map_err(text)?;
        let from_turned = derivatives(turned, &inputs.iter().map(turn).collect::<Vec<_>>(), order).map_err(text)?;
        let from_flat = derivatives(reshaped, &inputs.iter().map(flat).collect::<Vec<_>>(), order).map_err(text)?;
        for (i, plain) in plain.iter().enumerate() {
            let scale = largest(plain.as_slice());
            let back = if order == 0 { from_turned[i].clone() } else { turn(&from_turned[i]) };
            worst = worst.max(compare("permuted", back.as_slice(), plain.as_slice(), scale, 1e-12)?);
            worst = worst.max(compare("reshaped", from_flat[i].as_slice(), plain.as_slice(), scale, 1e-12)?);
        }
    }
    Ok(worst)
}

/// The gradient with respect to the views themselves: an op that reads through a view must not pass it by.
fn targets(function: Function<'_>, inputs: &[Tensor<f64>], turn: impl Fn(&Tensor<f64>) -> Tensor<f64>) -> Verdict {
    let plain = derivatives(function, inputs, 1).map_err(text)?;
    let tape = Tape::new();
    let leaves = record(&tape, &inputs.iter().map(turn).collect::<Vec<_>>());
    let reverse = |rank: usize| (0..rank as isize).rev().collect::<Vec<isize>>();
    let x: Vec<Var<'_, f64>> = leaves.iter().map(|leaf| leaf.permute(&reverse(leaf.rank()))).collect();
    let values = tape.eval_all(&derivative(function, &x, 1)).map_err(text)?;
    let mut worst = 0.0f64;
    for (value, plain) in values.iter().zip(&plain) {
        worst = worst.max(compare("view", value.as_slice(), plain.as_slice(), largest(plain.as_slice()), 1e-12)?);
    }
    Ok(worst)
}

/// The same `Var` for all operands, where shapes allow it: one leaf gets the sum of all contributions. `None` where no
/// operand suits all places.
pub(crate) fn shared(sample: &Sample<f64>) -> Option<Verdict> {
    let first = sample.inputs.first()?.shape();
    if sample.inputs.len() < 2 || sample.inputs.iter().any(|input| input.shape() != first) {
        return None;
    }
    let count = sample.inputs.len();
    let function: Function<'_> = &|x| (sample.function)(&vec![x[0]; count]);
    sample.inputs.iter().rev().find_map(|input| {
        let inputs = [input.clone()];
        let finite = [0, 1].into_iter().all(|order| {
            derivatives(function, &inputs, order).is_ok_and(|tensors| tensors.iter().all(Tensor::is_finite))
        });
        finite.then(|| {
            let same = vec![input.view().to_owned(); count];
            let reference: Vec<f64> = (sample.reference)(&same).iter().copied().collect();
            let y = derivatives(function, &inputs, 0).map_err(text)?;
            compare("shared operand", y[0].as_slice(), &reference, 0.0, 1e-12)?;
            order(function, &inputs, 1, 1e-8).map_err(|error| format!("shared operand: {error}"))
        })
    })
}

/// Value and gradient in f32 against f64 at the same point: the rounding of so many operations, times the condition.
pub(crate) fn single(f32_sample: &Sample<f32>, f64_sample: &Sample<f64>, most: f64) -> Verdict {
    let inputs: Vec<Tensor<f64>> = f32_sample.inputs.iter().map(|input| input.cast()).collect();
    let mut worst = 0.0f64;
    let orders: &[usize] = if f32_sample.differentiable { &[0, 1] } else { &[0] };
    for &order in orders {
        let low = derivatives(&*f32_sample.function, &f32_sample.inputs, order).map_err(text)?;
        let high = derivatives(&*f64_sample.function, &inputs, order).map_err(text)?;
        let conditions = match f32_sample.differentiable {
            true => conditions(&*f64_sample.function, &inputs, order).map_err(text)?,
            false => vec![0.0; high.iter().map(Tensor::len).sum()],
        };
        let low = low.iter().flat_map(|tensor| tensor.as_slice().iter().map(|&x| f64::from(x)));
        // Terms that cancel are at least as large as the largest element of the result.
        let high: Vec<f64> = high.iter().flat_map(|tensor| tensor.to_vec()).collect();
        let least = largest(&high);
        let sizes = match order {
            0 => vec![0.0; high.len()],
            _ => terms(&*f64_sample.function, &inputs).map_err(text)?,
        };
        for (i, (((low, high), condition), size)) in low.zip(&high).zip(conditions).zip(sizes).enumerate() {
            let magnitude = high.abs() + condition + size.max(least);
            let unit = f64::from(f32::EPSILON) * magnitude.max(f64::from(f32::MIN_POSITIVE));
            let error = if low == *high { 0.0 } else { (low - high).abs() / unit };
            if error.is_nan() || error > most {
                return Err(format!("f32, order {order}: element {i} is {low}, in f64 {high} ({error:.1} units)"));
            }
            worst = worst.max(error);
        }
    }
    Ok(worst)
}

/// An op without a derivative says so: an error, or zeros.
pub(crate) fn refuses(sample: &Sample<f64>) -> Verdict {
    for target in 0..sample.inputs.len() {
        let tape = Tape::new();
        let x = record(&tape, &sample.inputs);
        let [gradient] = (sample.function)(&x).vjp(tape.scalar(1.0), [x[target]]);
        let zero = gradient.value().map(|gradient| gradient.as_slice().iter().all(|&value| value == 0.0));
        if zero.is_ok_and(|zero| !zero) {
            return Err("it says that it has no derivative, and returns one".into());
        }
    }
    Ok(0.0)
}
