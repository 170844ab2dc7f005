//! Functions in, derivatives of functions out.

use ndarray::Array2;

use super::dual::Dual;
use super::number::{Scalar, unit};
use super::tape::Tape;
use super::var::Var;

/// How many rows or columns of a Jacobian one sweep gives.
pub(super) const LANES: usize = 8;

/// `f'(x)`
///
/// The closure can't use variables of a derivative around it except as values of the inner one, so derivatives within
/// derivatives are right: `x` below is a number for the inner one.
///
/// ```
/// use wengert_autograd::scalar::{Var, derivative};
/// assert_eq!(derivative(|x| x.sin(), 0.0), 1.0);
/// assert_eq!(derivative(|x| derivative(|y| y * y * y, x), 2.0), 12.0);
/// // Perturbations are not confused: d/dx (x · d/dy (x + y)) = 1.
/// assert_eq!(derivative(|x| x * derivative(|y| y + x, Var::constant(1.0)), 1.0), 1.0);
/// ```
#[track_caller]
pub fn derivative<T: Scalar>(f: impl for<'t> FnOnce(Var<'t, T>) -> Var<'t, T>, x: T) -> T {
    let tape = Tape::new();
    let x = tape.var(x);
    f(x).backward().wrt(x)
}

/// `∇f(x)`
///
/// ```
/// use wengert_autograd::scalar::grad;
/// assert_eq!(grad(|x| x[0] * x[1], &[2.0, 3.0]), [3.0, 2.0]);
/// ```
#[track_caller]
pub fn grad<T: Scalar>(f: impl for<'t> FnOnce(&[Var<'t, T>]) -> Var<'t, T>, x: &[T]) -> Vec<T> {
    value_and_grad(f, x).1
}

/// `(f(x), ∇f(x))`
///
/// ```
/// use wengert_autograd::scalar::value_and_grad;
/// let (value, gradient) = value_and_grad(|x| x[0] * x[1], &[2.0, 3.0]);
/// assert_eq!((value, gradient), (6.0, vec![3.0, 2.0]));
/// ```
#[track_caller]
pub fn value_and_grad<T: Scalar>(f: impl for<'t> FnOnce(&[Var<'t, T>]) -> Var<'t, T>, x: &[T]) -> (T, Vec<T>) {
    let mut gradient = Vec::new();
    let value = Tape::new().value_and_grad(f, x, &mut gradient);
    (value, gradient)
}

impl<T: Scalar> Tape<T> {
    /// `f(x)`, and `∇f(x)` into a vector: in the memory of the tape, which is cleared.
    ///
    /// From the second time on, nothing is allocated but the variables handed to `f`.
    ///
    /// ```
    /// let mut tape = wengert_autograd::scalar::Tape::new();
    /// let mut gradient = vec![];
    /// for x in [1.0, 2.0] {
    ///     let value = tape.value_and_grad(|x| x[0] * x[0], &[x], &mut gradient);
    ///     assert_eq!((value, gradient[0]), (x * x, 2.0 * x));
    /// }
    /// ```
    #[track_caller]
    pub fn value_and_grad(
        &mut self,
        f: impl for<'t> FnOnce(&[Var<'t, T>]) -> Var<'t, T>,
        x: &[T],
        gradient: &mut Vec<T>,
    ) -> T {
        self.clear();
        let x = self.vars(x);
        let y = f(&x);
        let adjoints = y.backward();
        gradient.clear();
        gradient.extend(x.iter().map(|&x| adjoints.wrt(x)));
        y.value()
    }
}

/// `Jᵢⱼ = ∂fᵢ/∂xⱼ`, a matrix of one row for each output.
///
/// The function is recorded once. With fewer inputs than outputs the tape is swept forwards, else backwards, eight
/// columns or rows a sweep.
///
/// ```
/// use wengert_autograd::{ndarray::array, scalar::jacobian};
/// let j = jacobian(|x| vec![x[0] * x[1], x[0].sin(), x[1] * 3.0], &[0.0, 2.0]);
/// assert_eq!(j, array![[2.0, 0.0], [1.0, 0.0], [0.0, 3.0]]);
/// ```
#[track_caller]
pub fn jacobian<T: Scalar>(f: impl for<'t> FnOnce(&[Var<'t, T>]) -> Vec<Var<'t, T>>, x: &[T]) -> Array2<T> {
    let tape = Tape::new();
    let x = tape.vars(x);
    let y = f(&x);
    let mut jacobian = Array2::from_elem((y.len(), x.len()), T::of(0.0));
    if x.len() < y.len() {
        for (group, x) in x.chunks(LANES).enumerate() {
            let directions: Vec<_> = x.iter().enumerate().map(|(lane, &x)| (x, unit::<T, LANES>(lane))).collect();
            let tangents = tape.forward_lanes(&directions);
            for (i, &y) in y.iter().enumerate() {
                let row = tangents.of(y);
                (0..x.len()).for_each(|lane| jacobian[[i, group * LANES + lane]] = row[lane]);
            }
        }
    } else {
        for (group, y) in y.chunks(LANES).enumerate() {
            let seeds: Vec<_> = y.iter().enumerate().map(|(lane, &y)| (y, unit::<T, LANES>(lane))).collect();
            let adjoints = tape.backward_lanes(&seeds);
            for (j, &x) in x.iter().enumerate() {
                let column = adjoints.wrt(x);
                (0..y.len()).for_each(|lane| jacobian[[group * LANES + lane, j]] = column[lane]);
            }
        }
    }
    jacobian
}

/// `H v`, the Hessian along a direction: one recording in dual numbers, one sweep.
///
/// # Panics
/// Where `x` and `v` have different lengths.
///
/// ```
/// use wengert_autograd::scalar::hvp;
/// assert_eq!(hvp(|x| x[0] * x[0] * x[1], &[1.0, 3.0], &[1.0, 0.0]), [6.0, 2.0]);
/// ```
#[track_caller]
pub fn hvp<T: Scalar>(f: impl for<'t> FnOnce(&[Var<'t, Dual<T>>]) -> Var<'t, Dual<T>>, x: &[T], v: &[T]) -> Vec<T> {
    assert!(x.len() == v.len(), "scalar::hvp: {} numbers, and a direction of {}", x.len(), v.len());
    let duals: Vec<Dual<T>> = x.iter().zip(v).map(|(&x, &v)| Dual::new(x, v)).collect();
    grad(f, &duals).into_iter().map(|adjoint| adjoint.derivative).collect()
}

/// `Hᵢⱼ = ∂²f/∂xᵢ∂xⱼ`: one recording in dual numbers for each column.
///
/// ```
/// use wengert_autograd::{ndarray::array, scalar::hessian};
/// let h = hessian(|x| x[0] * x[0] * x[1], &[1.0, 3.0]);
/// assert_eq!(h, array![[6.0, 2.0], [2.0, 0.0]]);
/// ```
#[track_caller]
pub fn hessian<T: Scalar>(f: impl for<'t> Fn(&[Var<'t, Dual<T>>]) -> Var<'t, Dual<T>>, x: &[T]) -> Array2<T> {
    let mut hessian = Array2::from_elem((x.len(), x.len()), T::of(0.0));
    let mut tape = Tape::new();
    let mut duals: Vec<Dual<T>> = x.iter().map(|&x| Dual::constant(x)).collect();
    let mut column = Vec::new();
    for j in 0..x.len() {
        duals[j] = Dual::variable(x[j]);
        tape.value_and_grad(&f, &duals, &mut column);
        duals[j] = Dual::constant(x[j]);
        column.iter().enumerate().for_each(|(i, adjoint)| hessian[[i, j]] = adjoint.derivative);
    }
    hessian
}
