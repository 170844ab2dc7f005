//! Derivatives of functions, no model in sight: each next to what finite differences say.

use wengert::prelude::*;
use wengert::transform::{grad, hessian, hvp, jacobian, value_and_grad};

/// `f(x, y) = sin(x) y² + exp(x y)`, of the vector `(x, y)`.
fn f<'t>(v: Var<'t, f64>) -> Var<'t, f64> {
    let (x, y) = (v.narrow(0, 0, 1), v.narrow(0, 1, 1));
    (x.sin() * y.square() + (x * y).exp()).sum()
}

/// `(r, φ)` to `(r cos φ, r sin φ)`.
fn polar<'t>(v: Var<'t, f64>) -> Var<'t, f64> {
    let (r, angle) = (v.narrow(0, 0, 1), v.narrow(0, 1, 1));
    wengert::cat(&[r * angle.cos(), r * angle.sin()], 0)
}

/// `(g(x + h d) - g(x - h d)) / 2h`: how fast `g` changes from `x` in the direction `d`.
fn difference(g: impl Fn(&Tensor<f64>) -> Result<Tensor<f64>>, x: &Tensor<f64>, d: &[f64]) -> Result<Vec<f64>> {
    let h = 1e-5;
    let moved = |h: f64| g(&Tensor::from_fn(x.shape(), |i| x.as_slice()[i] + h * d[i]));
    let (up, down) = (moved(h)?, moved(-h)?);
    Ok(up.as_slice().iter().zip(down.as_slice()).map(|(up, down)| (up - down) / (2.0 * h)).collect())
}

fn row(name: &str, exact: f64, numeric: f64) {
    println!("{name:20}  {exact:15.10}  {numeric:15.10}  {:8.1e}", (exact - numeric).abs());
}

fn main() -> Result<()> {
    let x = Tensor::from([0.5, 2.0]);
    let v = [1.0, -1.0];
    let axes = [[1.0, 0.0], [0.0, 1.0]];
    println!("{:20}  {:>15}  {:>15}  {:>8}", "", "wengert", "difference", "apart");

    let one = Tensor::from([1.0]);
    let sin = |x: &Tensor<f64>| value_and_grad(|x| x.sin().sum(), x);
    row("sin(1)", sin(&one)?.0, 1f64.sin());
    row("sin'(1)", sin(&one)?.1.item()?, difference(|x| Ok(Tensor::from([sin(x)?.0])), &one, &[1.0])?[0]);

    let gradient = grad(f, &x)?;
    let value = |x: &Tensor<f64>| Ok(Tensor::from([value_and_grad(f, x)?.0]));
    for (i, axis) in axes.iter().enumerate() {
        row(&format!("gradient of f [{i}]"), gradient.as_slice()[i], difference(value, &x, axis)?[0]);
    }

    // The derivative of the gradient. The gradient is exact, so its difference is as good as a first difference.
    let second = hessian(f, &x)?;
    for (j, axis) in axes.iter().enumerate() {
        let numeric = difference(|x| grad(f, x), &x, axis)?;
        for (i, numeric) in numeric.into_iter().enumerate() {
            row(&format!("Hessian of f [{i}, {j}]"), second.as_slice()[2 * i + j], numeric);
        }
    }

    // The Hessian times a vector, at the cost of two gradients however many variables there are.
    let product = hvp(f, &x, &Tensor::from(v))?;
    let numeric = difference(|x| grad(f, x), &x, &v)?;
    for (i, numeric) in numeric.into_iter().enumerate() {
        row(&format!("Hessian of f · v [{i}]"), product.as_slice()[i], numeric);
    }

    let map = jacobian(polar, &x)?;
    for (j, axis) in axes.iter().enumerate() {
        let numeric = difference(|x| polar(Tape::inference().constant(x)).value(), &x, axis)?;
        for (i, numeric) in numeric.into_iter().enumerate() {
            row(&format!("Jacobian [{i}, {j}]"), map.as_slice()[2 * i + j], numeric);
        }
    }
    Ok(())
}
