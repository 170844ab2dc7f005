//! The gradient of each example of a batch, where `backward` has their sum.

use crate::error::{Error, ErrorKind, Result};
use crate::grad::Gradients;
use crate::kernels::number::Element;
use crate::tape::Tape;
use crate::tape::var::Var;
use crate::tensor::{Shape, Tensor};

/// Example `i` of each tensor of a batch.
fn example<T: Element>(batch: &[Tensor<T>], i: usize) -> Result<Vec<Tensor<T>>> {
    let one = |tensor: &Tensor<T>| {
        let shape = Shape::from(&tensor.shape()[1..]);
        let length = shape.volume();
        Tensor::from_slice(shape, &tensor.as_slice()[i * length..(i + 1) * length])
    };
    batch.iter().map(one).collect()
}

/// The number of examples.
fn count<T: Element>(batch: &[Tensor<T>]) -> Result<usize> {
    let counts: Vec<Option<usize>> = batch.iter().map(|tensor| tensor.shape().first().copied()).collect();
    match counts.first() {
        Some(&Some(first)) if counts.iter().all(|&count| count == Some(first)) => Ok(first),
        _ => {
            let shapes: Vec<String> = batch.iter().map(|tensor| tensor.shape().to_string()).collect();
            let message = format!("the tensors of the batch have the shapes {}", shapes.join(", "));
            let hint = "give one tensor at least; the first axis of each counts the examples";
            Err(Error::new(ErrorKind::Shape, message).op("per_example_grads").hint(hint))
        }
    }
}

/// `∇f(xᵢ)` by the parameters that `f` uses, for each example `xᵢ` of a batch.
///
/// The first axis of each tensor of the batch counts the examples; `f` gets one example of each, without that axis, as
/// constants, and returns its loss. It is recorded for every example, so it may decide by their values; examples of the
/// same structure share a plan. Layers behave as in evaluation.
///
/// Each [`Gradients`] can be clipped and scaled, and they add up: so a step of DP-SGD (Abadi and others, *Deep learning
/// with differential privacy*, 2016) is a fold over them. What `vmap(grad(f))` is in JAX and in PyTorch's `func`.
///
/// # Errors
/// No tensor, one without axes, or different numbers of examples; the first mistake that `f` records; a loss of more than
/// one element, or one that depends on no parameter. An empty batch gives no gradients.
///
/// ```
/// use wengert_autograd::{Gradients, Param, Tensor, transform::per_example_grads};
/// let weight = Param::new(Tensor::from([1.0, 1.0]));
/// let batch = [Tensor::from([[1.0, 2.0], [3.0, 4.0]]), Tensor::from([2.0, 7.0])];
/// let gradients = per_example_grads(
///     |example| {
///         let weight = example[0].tape().param(&weight);
///         (weight.dot(example[0]) - example[1]).square()            // the gradient is 2 (w x - y) x
///     },
///     &batch,
/// )?;
/// assert_eq!(gradients[0].get(&weight).unwrap().to_vec(), [2.0, 4.0]);
/// let clipped = gradients.into_iter().map(|mut one| {
///     one.clip_norm(1.0);
///     one
/// });
/// let sum = clipped.fold(Gradients::default(), |sum, one| sum + one);
/// assert!((sum.norm() - 1f64).abs() < 1e-6);                         // the second example fits exactly
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn per_example_grads<T: Element>(
    mut f: impl for<'a, 't> FnMut(&'a [Var<'t, T>]) -> Var<'t, T>,
    batch: &[Tensor<T>],
) -> Result<Vec<Gradients<T>>> {
    let mut all = Vec::new();
    for i in 0..count(batch)? {
        let tape = Tape::new();
        let example: Vec<Var<'_, T>> = example(batch, i)?.into_iter().map(|tensor| tape.constant(tensor)).collect();
        let gradients = f(&example).backward();
        all.push(gradients.map_err(|error| error.hint(format!("this is example {i} of the batch")))?);
    }
    Ok(all)
}

/// `∂f(p, xᵢ)/∂pⱼ` for each example `xᵢ` of a batch and each parameter `pⱼ`: for parameter `j` a tensor of shape
/// `[examples, shape of pⱼ...]`.
///
/// `f` gets the parameters, and one example of each tensor of the batch as constants. See [`per_example_grads`].
///
/// # Errors
/// As [`per_example_grads`]; and a parameter that the loss does not depend on.
///
/// ```
/// use wengert_autograd::{Tensor, transform::per_example_grads_of};
/// let weight = Tensor::from([1.0, 1.0]);
/// let batch = [Tensor::from([[1.0, 2.0], [3.0, 4.0]])];
/// let g = per_example_grads_of(|p, x| p[0].dot(x[0]).square(), &[weight], &batch)?;
/// assert_eq!(g[0], Tensor::from([[6.0, 12.0], [42.0, 56.0]]));       // 2 (w x) x
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn per_example_grads_of<T: Element>(
    mut f: impl for<'a, 't> FnMut(&'a [Var<'t, T>], &'a [Var<'t, T>]) -> Var<'t, T>,
    parameters: &[Tensor<T>],
    batch: &[Tensor<T>],
) -> Result<Vec<Tensor<T>>> {
    let count = count(batch)?;
    let mut values: Vec<Vec<T>> = vec![Vec::new(); parameters.len()];
    for i in 0..count {
        let tape = Tape::new();
        let leaves: Vec<Var<'_, T>> = parameters.iter().map(|parameter| tape.input(parameter)).collect();
        let example: Vec<Var<'_, T>> = example(batch, i)?.into_iter().map(|tensor| tape.constant(tensor)).collect();
        let blame = |error: Error| error.hint(format!("this is example {i} of the batch"));
        let Some(gradients) = f(&leaves, &example).gradients(&leaves) else {
            tape.first_error().map_err(blame)?;
            continue;
        };
        for (values, gradient) in values.iter_mut().zip(tape.eval_all(&gradients).map_err(blame)?) {
            values.extend_from_slice(gradient.as_slice());
        }
    }
    let stacked = parameters.iter().zip(values).map(|(parameter, values)| {
        Tensor::from_vec(Shape::collect(std::iter::once(count).chain(parameter.shape().iter().copied())), values)
    });
    stacked.collect()
}
