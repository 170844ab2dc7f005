//! The function of a sample and its derivatives, as functions of tensors that return numbers.

use wengert_autograd::check::Estimate;
use wengert_autograd::{Element, Result, Shape, Tape, Tensor, Var};

/// A function of several `Var`s.
pub(crate) type Function<'a, T = f64> = &'a dyn for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>;

/// Fixed pseudo-random numbers of magnitude 0.5 to 1.5 and either sign, so that every output counts.
pub(crate) fn weights<T: Element>(shape: &Shape, salt: usize) -> Tensor<T> {
    Tensor::from_fn(shape, |i| {
        let fraction = ((i + 1) as f64 * 0.754_877_666_246_692_7 + salt as f64 * 0.569_840_290_998_053_3).fract();
        // Few digits, so that they are the same numbers in f32.
        let magnitude = 0.5 + ((fraction * 64.0).fract() * 1024.0).round() / 1024.0;
        T::of(if fraction < 0.5 { -magnitude } else { magnitude })
    })
}

pub(crate) fn record<'t, T: Element>(tape: &'t Tape<T>, inputs: &[Tensor<T>]) -> Vec<Var<'t, T>> {
    inputs.iter().map(|input| tape.input(input)).collect()
}

/// `Σ w y + 0 Σ x`: depends on every output, and formally on every input, so that each has a gradient.
fn contract<'t, T: Element>(outputs: &[Var<'t, T>], x: &[Var<'t, T>], salt: usize) -> Var<'t, T> {
    let tape = outputs[0].tape();
    let mut sum = tape.scalar(T::of(0.0));
    for (i, &output) in outputs.iter().enumerate() {
        sum += (output * tape.constant(weights(&output.shape(), salt + i))).sum();
    }
    x.iter().fold(sum, |sum, &x| sum + (x * T::of(0.0)).sum())
}

/// A function whose outputs are the derivatives of the given order: the function's own value for order 0, the gradient
/// of a weighted sum of the outputs of the order below for each further one.
pub(crate) fn derivative<'t, T: Element>(function: Function<'_, T>, x: &[Var<'t, T>], order: usize) -> Vec<Var<'t, T>> {
    let mut outputs = vec![function(x)];
    for order in 1..=order {
        let sum = contract(&outputs, x, 100 * order);
        outputs = x.iter().map(|&x| sum.grad([x])[0]).collect();
    }
    outputs
}

/// The derivatives of the given order as tensors.
pub(crate) fn derivatives<T: Element>(
    function: Function<'_, T>,
    inputs: &[Tensor<T>],
    order: usize,
) -> Result<Vec<Tensor<T>>> {
    let tape = Tape::new();
    let x = record(&tape, inputs);
    Ok(tape.eval_all(&derivative(function, &x, order))?.to_vec())
}

/// The weighted sum of the outputs of the given order.
pub(crate) fn contracted(function: Function<'_>, inputs: &[Tensor<f64>], order: usize) -> Result<f64> {
    let tape = Tape::new();
    let x = record(&tape, inputs);
    contract(&derivative(function, &x, order), &x, 100 * (order + 1)).item()
}

/// For each output of the given order, in row-major order, `Σ |∂output/∂x| |x|` over all elements of all inputs: how far
/// a relative error of 1 in the inputs moves it.
pub(crate) fn conditions(function: Function<'_>, inputs: &[Tensor<f64>], order: usize) -> Result<Vec<f64>> {
    let tape = Tape::new();
    let x = record(&tape, inputs);
    let mut conditions = vec![];
    for output in derivative(function, &x, order) {
        for element in 0..output.shape().volume() {
            let unit: Tensor<f64> = Tensor::from_fn(output.shape(), |i| if i == element { 1.0 } else { 0.0 });
            let mut sum = (output * tape.constant(unit)).sum();
            sum = x.iter().fold(sum, |sum, &x| sum + (x * 0.0).sum());
            let row: Vec<Var<'_, f64>> = x.iter().map(|&x| sum.grad([x])[0]).collect();
            let row = tape.eval_all(&row)?;
            let terms = row.iter().zip(inputs).flat_map(|(row, input)| row.as_slice().iter().zip(input.as_slice()));
            conditions.push(terms.map(|(slope, x)| (slope * x).abs()).sum());
        }
    }
    Ok(conditions)
}

/// For each element of the gradients of the first order, how large the terms are that it is the sum of, `Σ |w ∂y/∂x|` over
/// all outputs: they may cancel.
pub(crate) fn terms(function: Function<'_>, inputs: &[Tensor<f64>]) -> Result<Vec<f64>> {
    let tape = Tape::new();
    let x = record(&tape, inputs);
    let y = function(&x);
    let weights: Tensor<f64> = weights(&y.shape(), 100);
    let mut sizes = vec![0.0; inputs.iter().map(Tensor::len).sum()];
    for element in 0..weights.len() {
        let one = |i: usize| if i == element { weights.as_slice()[i] } else { 0.0 };
        let mut sum = (y * tape.constant(Tensor::from_fn(y.shape(), one))).sum();
        sum = x.iter().fold(sum, |sum, &x| sum + (x * 0.0).sum());
        let row: Vec<Var<'_, f64>> = x.iter().map(|&x| sum.grad([x])[0]).collect();
        let row = tape.eval_all(&row)?;
        let slopes = row.iter().flat_map(|slopes| slopes.as_slice());
        sizes.iter_mut().zip(slopes).for_each(|(size, slope)| *size += slope.abs());
    }
    Ok(sizes)
}

/// The better of two estimates of each result.
pub(crate) fn better(first: Vec<Estimate>, second: Vec<Estimate>) -> Vec<Estimate> {
    first.into_iter().zip(second).map(|(a, b)| if b.error < a.error { b } else { a }).collect()
}
