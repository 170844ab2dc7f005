//! Transforms: functions in, the values of their derivatives out. Every order: a function may itself take gradients.

mod checkpoint;
mod implicit;
mod per_example;

use crate::error::Result;
use crate::kernels::number::Element;
use crate::run::Keep;
use crate::tape::Tape;
use crate::tape::var::Var;
use crate::tensor::{Shape, Tensor};
pub use checkpoint::{checkpoint, checkpoint_many};
pub use implicit::{Implicit, fixed_point, root};
pub use per_example::{per_example_grads, per_example_grads_of};

/// `∇f(x)`, for a function of one tensor to one number.
///
/// # Errors
/// The first mistake that `f` records; a result of more than one element; a result that does not depend on `x`.
///
/// ```
/// use wengert_autograd::{Tensor, transform::grad};
/// let x = Tensor::from([0.0, 1.0]);
/// let g = grad(|x| x.tanh().sum(), &x)?;
/// assert_eq!(g.as_slice()[0], 1.0);                         // 1 - tanh(0)^2
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn grad<T: Element>(f: impl for<'t> FnOnce(Var<'t, T>) -> Var<'t, T>, x: &Tensor<T>) -> Result<Tensor<T>> {
    Ok(value_and_grad(f, x)?.1)
}

/// `f(x)` and `∇f(x)`, computed together.
///
/// # Errors
/// As [`grad`].
///
/// ```
/// use wengert_autograd::{Tensor, transform::value_and_grad};
/// let (value, gradient) = value_and_grad(|x| (x * x).sum(), &Tensor::from([3.0, 4.0]))?;
/// assert_eq!((value, gradient.to_vec()), (25.0, vec![6.0, 8.0]));
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn value_and_grad<T: Element>(
    f: impl for<'t> FnOnce(Var<'t, T>) -> Var<'t, T>,
    x: &Tensor<T>,
) -> Result<(T, Tensor<T>)> {
    let tape = Tape::new();
    let x = tape.input(x);
    let y = f(x);
    let [g] = y.grad([x]);
    let [value, gradient] = tape.eval_dropping([y, g])?;
    Ok((value.item()?, gradient))
}

/// `∂f/∂xᵢ` for each of several tensors, for a function to one number.
///
/// # Errors
/// As [`grad`], for each of the inputs.
///
/// ```
/// use wengert_autograd::{Tensor, transform::grads};
/// let (x, w) = (Tensor::from([1.0, 2.0]), Tensor::from([3.0, 4.0]));
/// let g = grads(|v| (v[0] * v[1]).sum(), &[x, w])?;
/// assert_eq!((g[0].to_vec(), g[1].to_vec()), (vec![3.0, 4.0], vec![1.0, 2.0]));
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn grads<T: Element>(
    f: impl for<'a, 't> FnOnce(&'a [Var<'t, T>]) -> Var<'t, T>,
    inputs: &[Tensor<T>],
) -> Result<Vec<Tensor<T>>> {
    let tape = Tape::new();
    let inputs: Vec<Var<'_, T>> = inputs.iter().map(|input| tape.input(input)).collect();
    let y = f(&inputs);
    match y.gradients(&inputs) {
        Some(gradients) => Ok(tape.eval_all(&gradients)?.into_vec()),
        None => tape.first_error().map(|()| Vec::new()),
    }
}

/// `cotangentᵀ ∂f(x)/∂x`: the vector-Jacobian product, of the shape of `x`.
///
/// # Errors
/// As [`grad`]; and where the cotangent does not have the shape of `f(x)` or one that broadcasts to it.
///
/// ```
/// use wengert_autograd::{Tensor, transform::vjp};
/// let g = vjp(|x| x * x, &Tensor::from([1.0, 2.0]), &Tensor::from([10.0, 1.0]))?;
/// assert_eq!(g.to_vec(), [20.0, 4.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn vjp<T: Element>(
    f: impl for<'t> FnOnce(Var<'t, T>) -> Var<'t, T>,
    x: &Tensor<T>,
    cotangent: &Tensor<T>,
) -> Result<Tensor<T>> {
    let tape = Tape::new();
    let x = tape.input(x);
    let [g] = f(x).vjp(tape.constant(cotangent), [x]);
    g.value()
}

/// `∂f(x)/∂x · tangent`: the Jacobian-vector product, of the shape of `f(x)`.
///
/// It is the pullback of the pullback, which is linear in its cotangent; what the second pullback does not need is never
/// run. So no op has a forward rule that could disagree with its pullback.
///
/// # Errors
/// As [`grad`]; and where the tangent does not have the shape of `x` or one that broadcasts to it.
///
/// ```
/// use wengert_autograd::{Tensor, transform::jvp};
/// let d = jvp(|x| x * x, &Tensor::from([1.0, 2.0]), &Tensor::from([10.0, 1.0]))?;
/// assert_eq!(d.to_vec(), [20.0, 4.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn jvp<T: Element>(
    f: impl for<'t> FnOnce(Var<'t, T>) -> Var<'t, T>,
    x: &Tensor<T>,
    tangent: &Tensor<T>,
) -> Result<Tensor<T>> {
    let tape = Tape::new();
    let x = tape.input(x);
    f(x).pushforward(x, tape.constant(tangent)).value()
}

/// `∂fᵢ/∂xⱼ`, of shape `[shape of f(x)..., shape of x...]`.
///
/// Row by row with vector-Jacobian products, or column by column with Jacobian-vector products where there are fewer
/// columns. Each product is recorded once and run again for the others.
///
/// # Errors
/// As [`grad`], but `f(x)` may have any shape.
///
/// ```
/// use wengert_autograd::{Tensor, transform::jacobian};
/// let j = jacobian(|x| x * x.sum(), &Tensor::from([1.0, 2.0]))?;      // yᵢ = xᵢ (x₁ + x₂)
/// assert_eq!(j.shape().to_string(), "[2, 2]");
/// assert_eq!(j.to_vec(), [4.0, 1.0, 2.0, 5.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn jacobian<T: Element>(f: impl for<'t> FnOnce(Var<'t, T>) -> Var<'t, T>, x: &Tensor<T>) -> Result<Tensor<T>> {
    let tape = Tape::new();
    let x = tape.input(x);
    let y = f(x);
    y.value()?;
    y.jacobian(x)
}

/// `∂²f/∂xᵢ∂xⱼ`, of shape `[shape of x..., shape of x...]`, for a function to one number.
///
/// # Errors
/// As [`grad`].
///
/// ```
/// use wengert_autograd::{Tensor, transform::hessian};
/// let h = hessian(|x| (x * x * x).sum(), &Tensor::from([1.0, 2.0]))?;
/// assert_eq!(h.to_vec(), [6.0, 0.0, 0.0, 12.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn hessian<T: Element>(f: impl for<'t> FnOnce(Var<'t, T>) -> Var<'t, T>, x: &Tensor<T>) -> Result<Tensor<T>> {
    let tape = Tape::new();
    let x = tape.input(x);
    let [g] = f(x).grad([x]);
    g.value()?;
    g.jacobian(x)
}

/// `∇²f(x) · v`: the Hessian-vector product, of the shape of `x`, without the Hessian.
///
/// # Errors
/// As [`grad`]; and where `v` does not have the shape of `x` or one that broadcasts to it.
///
/// ```
/// use wengert_autograd::{Tensor, transform::hvp};
/// let p = hvp(|x| (x * x * x).sum(), &Tensor::from([1.0, 2.0]), &Tensor::from([1.0, 10.0]))?;
/// assert_eq!(p.to_vec(), [6.0, 120.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn hvp<T: Element>(
    f: impl for<'t> FnOnce(Var<'t, T>) -> Var<'t, T>,
    x: &Tensor<T>,
    v: &Tensor<T>,
) -> Result<Tensor<T>> {
    let tape = Tape::new();
    let x = tape.input(x);
    let [g] = f(x).grad([x]);
    // The Hessian is symmetric: the product from the left is the product from the right.
    g.vjp_or_zero(tape.constant(v).expand(x.shape()), x).value()
}

/// `∂²f/∂xᵢ²`, of the shape of `x`, for a function to one number.
///
/// Every element is read off a Hessian-vector product with a unit vector, recorded once: as much work as the whole
/// Hessian, in the memory of `x`.
///
/// # Errors
/// As [`grad`].
///
/// ```
/// use wengert_autograd::{Tensor, transform::hessian_diagonal};
/// let d = hessian_diagonal(|x| (x * x * x).sum() + x.prod(), &Tensor::from([1.0, 2.0]))?;
/// assert_eq!(d.to_vec(), [6.0, 12.0]);                      // 6 x: the product has no square in it
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn hessian_diagonal<T: Element>(
    f: impl for<'t> FnOnce(Var<'t, T>) -> Var<'t, T>,
    x: &Tensor<T>,
) -> Result<Tensor<T>> {
    let tape = Tape::new();
    let x = tape.input(x);
    let [g] = f(x).grad([x]);
    g.value()?;
    if !g.reaches(x) {
        return Ok(Tensor::zeros(x.shape()));
    }
    let unit = tape.input(Tensor::zeros(x.shape()));
    let product = g.vjp_or_zero(unit, x);
    let mut diagonal = vec![T::of(0.0); x.shape().volume()];
    for (i, element) in diagonal.iter_mut().enumerate() {
        tape.rebind(unit, Tensor::from_fn(x.shape(), |place| T::of(if place == i { 1.0 } else { 0.0 })));
        *element = tape.run_plan(&[product.id], Keep::Nothing)?[0].as_slice()[i];
    }
    Tensor::from_vec(x.shape(), diagonal)
}

impl<'t, T: Element> Var<'t, T> {
    /// The gradients with respect to any number of targets; none after a mistake.
    #[track_caller]
    pub(crate) fn gradients(self, targets: &[Var<'t, T>]) -> Option<Vec<Var<'t, T>>> {
        let seed = self.scalar_seed("grad")?;
        self.pull("grad", seed, targets)
    }

    /// The vjp with respect to a target that may not be reached: its derivative is then zero.
    #[track_caller]
    fn vjp_or_zero(self, cotangent: Var<'t, T>, target: Var<'t, T>) -> Var<'t, T> {
        if self.is_poisoned() || target.is_poisoned() || self.reaches(target) {
            let [g] = self.vjp(cotangent, [target]);
            return g;
        }
        self.tape.scalar(T::of(0.0)).expand(target.shape())
    }

    /// The jvp: the pullback of the pullback, at a cotangent whose value does not matter.
    #[track_caller]
    fn pushforward(self, x: Var<'t, T>, tangent: Var<'t, T>) -> Var<'t, T> {
        if self.is_poisoned() {
            return self;
        }
        let cotangent = self.tape.input(Tensor::zeros(self.shape()));
        let [g] = self.vjp(cotangent, [x]);
        g.vjp_or_zero(tangent.expand(x.shape()), cotangent)
    }

    /// The Jacobian of a computed `self`, by the products of which fewer are needed.
    #[track_caller]
    fn jacobian(self, x: Var<'t, T>) -> Result<Tensor<T>> {
        let (tape, rows, columns) = (self.tape, self.shape(), x.shape());
        let shape = Shape::collect(rows.iter().chain(columns.iter()).copied());
        let (m, n) = (rows.volume(), columns.volume());
        if !self.reaches(x) {
            return Ok(Tensor::zeros(shape));
        }
        let by_rows = m <= n;
        let unit = tape.input(Tensor::zeros(if by_rows { rows } else { columns }));
        let product = match by_rows {
            true => self.vjp_or_zero(unit, x),
            false => self.pushforward(x, unit),
        };
        let mut values = vec![T::of(0.0); m * n];
        for i in 0..m.min(n) {
            let direction = Tensor::from_fn(unit.shape(), |place| T::of(if place == i { 1.0 } else { 0.0 }));
            tape.rebind(unit, direction);
            let result = tape.run_plan(&[product.id], Keep::Nothing)?;
            for (j, &value) in result[0].as_slice().iter().enumerate() {
                let place = if by_rows { i * n + j } else { j * n + i };
                values[place] = value;
            }
        }
        Tensor::from_vec(shape, values)
    }

    /// Whether `self` depends on a target.
    pub(crate) fn reaches(self, target: Var<'t, T>) -> bool {
        crate::grad::Reach::of(self.tape, self.id, &[target.id]).contains(self.id)
    }
}

impl<T: Element> Tape<T> {
    /// Computes several values as one plan and keeps nothing else: for a tape that nothing more is asked of.
    fn eval_dropping<const N: usize>(&self, outputs: [Var<'_, T>; N]) -> Result<[Tensor<T>; N]> {
        self.first_error()?;
        let mut tensors = self.run_plan(&outputs.map(|output| output.id), Keep::Nothing)?.into_iter();
        Ok(std::array::from_fn(|_| tensors.next().unwrap_or_else(|| Tensor::scalar(T::of(f64::NAN)))))
    }

    /// Gives a leaf another value of the same shape. What was computed from it must not have been kept.
    pub(crate) fn rebind(&self, leaf: Var<'_, T>, value: Tensor<T>) {
        self.inner.borrow_mut().values[leaf.id as usize] = Some(value);
    }
}
