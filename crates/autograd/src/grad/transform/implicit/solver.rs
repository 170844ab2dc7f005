//! The iterations that solve an equation: plain, Newton's, and one linear system.

use super::{Equation, Implicit};
use crate::error::{Error, ErrorKind, Result};
use crate::grad::krylov::{self, Unsolved, norm};
use crate::kernels::number::Element;
use crate::run::Keep;
use crate::tape::var::Var;
use crate::tensor::Tensor;

/// How an equation is solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// The result of the function is the next guess.
    Iterate,
    /// The result is brought to zero by linear models.
    Newton,
    /// The result is linear in the unknown.
    Linear,
}

impl Method {
    /// The name of the op.
    pub(super) fn name(self) -> &'static str {
        match self {
            Method::Iterate => "fixed_point",
            Method::Newton => "root",
            Method::Linear => "adjoint system",
        }
    }

    fn most_iterations(self) -> usize {
        if self == Method::Iterate { 1000 } else { 100 }
    }
}

/// `a + factor b`
fn moved(a: &[f64], factor: f64, b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + factor * b).collect()
}

fn failure(message: String, hint: &str) -> Error {
    Error::new(ErrorKind::Numeric, message).hint(hint)
}

fn not_finite(iteration: usize) -> Error {
    failure(format!("NaN or infinity after {iteration} iterations"), "start closer to the solution")
}

impl<T: Element> Equation<T> {
    /// The solution, for the operands that are bound.
    pub(super) fn solve(&self, options: Implicit, start: &Tensor<T>) -> Result<Vec<f64>> {
        let start: Vec<f64> = start.as_slice().iter().map(|value| value.to_f64()).collect();
        let tolerance = options.tolerance.unwrap_or_else(|| T::EPSILON.to_f64().powf(0.75));
        let most = options.iterations.unwrap_or_else(|| self.method.most_iterations());
        match self.method {
            Method::Iterate => self.iterate(start, tolerance, most),
            Method::Newton => self.newton(start, tolerance, most),
            Method::Linear => {
                let zero = vec![0.0; start.len()];
                let right = self.at(self.residual, &zero)?;
                let step = self.step(&right)?;
                step.map_err(|Unsolved(left)| {
                    let message =
                        format!("the linear system of the derivative was not solved: {left:.1e} of it is left");
                    failure(message, "the Jacobian of the function is singular there, so there is no derivative")
                })
            }
        }
    }

    /// The value of a node at a guess.
    fn at(&self, node: u32, x: &[f64]) -> Result<Vec<f64>> {
        self.bind(self.unknown, x);
        self.value(node)
    }

    fn bind(&self, leaf: u32, values: &[f64]) {
        let leaf = Var { tape: &self.tape, id: leaf };
        self.tape.rebind(leaf, Tensor::from_fn(leaf.shape(), |i| T::of(values[i])));
    }

    fn value(&self, node: u32) -> Result<Vec<f64>> {
        let results = self.tape.run_plan(&[node], Keep::Nothing)?;
        Ok(results[0].as_slice().iter().map(|value| value.to_f64()).collect())
    }

    /// The step that brings the residual to zero, were the function linear at the guess that is bound.
    fn step(&self, residual: &[f64]) -> Result<Result<Vec<f64>, Unsolved>> {
        let right: Vec<f64> = residual.iter().map(|value| -value).collect();
        let product = |direction: &[f64]| {
            self.bind(self.tangent, direction);
            self.value(self.product)
        };
        krylov::solve(product, &right, T::EPSILON.to_f64())
    }

    fn iterate(&self, mut x: Vec<f64>, tolerance: f64, most: usize) -> Result<Vec<f64>> {
        let mut last = f64::INFINITY;
        for iteration in 0..most {
            let next = self.at(self.function, &x)?;
            let (length, size) = (norm(&moved(&next, -1.0, &x)), norm(&next));
            if !size.is_finite() {
                return Err(not_finite(iteration));
            }
            // Beyond the tolerance it goes on as long as it gains anything.
            if length <= tolerance * (1.0 + size) && (length == 0.0 || length > 0.9 * last) {
                return Ok(next);
            }
            (x, last) = (next, length);
        }
        if last <= tolerance * (1.0 + norm(&x)) {
            return Ok(x);
        }
        let message = format!("no convergence in {most} iterations: the last step was {last:.1e}");
        Err(failure(message, "is the function a contraction near the start? root(..) needs no contraction"))
    }

    fn newton(&self, mut x: Vec<f64>, tolerance: f64, most: usize) -> Result<Vec<f64>> {
        let mut residual = self.at(self.residual, &x)?;
        for iteration in 0..most {
            let size = norm(&residual);
            if !size.is_finite() {
                return Err(not_finite(iteration));
            }
            if size == 0.0 {
                return Ok(x);
            }
            self.bind(self.unknown, &x);
            let step = self.step(&residual)?.map_err(|_| {
                let message = format!("the Jacobian is singular after {iteration} iterations, |f| being {size:.1e}");
                failure(message, "start elsewhere, or closer to the solution")
            })?;
            let last = norm(&step) <= tolerance * (1.0 + norm(&x));
            let (mut factor, mut next) = (1.0, moved(&x, 1.0, &step));
            let mut left = self.at(self.residual, &next)?;
            let falls = |left: &[f64], factor: f64| norm(left) <= (1.0 - 1e-4 * factor) * size;
            while !last && !falls(&left, factor) {
                factor *= 0.5;
                if factor < 1e-12 {
                    let message =
                        format!("no step along which |f| falls below {size:.1e}, after {iteration} iterations");
                    return Err(failure(message, "there may be no root near the start; start elsewhere"));
                }
                next = moved(&x, factor, &step);
                left = self.at(self.residual, &next)?;
            }
            if last {
                return Ok(if norm(&left) <= size { next } else { x });
            }
            (x, residual) = (next, left);
        }
        let message = format!("no convergence in {most} iterations: |f| is {:.1e}", norm(&residual));
        Err(failure(message, "start closer to the solution, or allow more iterations"))
    }
}
