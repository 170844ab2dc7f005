//! Five gradients derived by hand, each wrong in a way that is often met, and what the doctor finds.
//!
//! The gradients are written on `ndarray`, as one would without a framework; the losses are recorded on a tape. Each
//! finding stands above the numbers by hand, by the tape, and by finite differences.

use wengert::check::HandGradient;
use wengert::ndarray::{Array2, array};
use wengert::prelude::*;

type Matrix = Array2<f64>;

fn tensor(matrix: &Matrix) -> Tensor<f64> {
    Tensor::from(matrix.clone())
}

/// A matrix as a constant of the tape that another value is on.
fn beside<'t>(other: Var<'t, f64>, matrix: &Matrix) -> Var<'t, f64> {
    other.tape().constant(tensor(matrix))
}

fn sigmoid(z: &Matrix) -> Matrix {
    z.mapv(|z| 1.0 / (1.0 + (-z).exp()))
}

fn main() -> Result<()> {
    // Five examples of three features, with one target each.
    let x = array![[0.5, 1.0, -1.5], [2.0, -0.5, 1.0], [-1.0, 0.3, 0.8], [1.5, 2.0, -0.7], [0.2, -1.2, 0.4]];
    let y = array![[0.4], [1.0], [0.3], [-0.8], [0.6]];
    let w = array![[0.2], [-0.4], [0.1]];
    let (n, rate) = (5.0, 0.1);
    let doctor = HandGradient::new().learning_rate(rate);

    println!("1. Linear model. Loss: mean((y - x w)²). By hand: dw = xᵀ (y - x w) / n\n");
    let mine = tensor(&(x.t().dot(&(&y - &x.dot(&w))) / n));
    let of_w = doctor.clone().name("w");
    let verdict = of_w.run_one(|w| (beside(w, &y) - beside(w, &x).matmul(w)).square().mean(), &tensor(&w), &mine)?;
    println!("{verdict}\n");

    println!("2. The same model and the same dw. Loss: mean(y - x w), used as if it were the squared error\n");
    let verdict = of_w.run_one(|w| (beside(w, &y) - beside(w, &x).matmul(w)).mean(), &tensor(&w), &mine)?;
    println!("{verdict}\n");

    println!(
        "3. Sigmoid layer s = σ(x w + b). Loss: mean((y - s)²). By hand: dw = xᵀ ((y - s) s) / n + (rate / n) w\n"
    );
    let b = array![[0.3]];
    let s = sigmoid(&(x.dot(&w) + &b));
    let mine = tensor(&(x.t().dot(&((&y - &s) * &s)) / n + rate / n * &w));
    let verdict = of_w.run_one(
        |w| {
            let s = (beside(w, &x).matmul(w) + beside(w, &b)).sigmoid();
            (beside(w, &y) - s).square().mean()
        },
        &tensor(&w),
        &mine,
    )?;
    println!("{verdict}\n");

    println!("4. One weight, w x. Loss: mean((y - w x)²). By hand: dw = -2 (y - w x) x, for each example\n");
    let (x1, y1) = (Tensor::from(x.column(0).to_vec()), Tensor::from(y.column(0).to_vec()));
    let each = |(x, y): (&f64, &f64)| -2.0 * (y - 0.7 * x) * x;
    let mine = Tensor::from(x1.as_slice().iter().zip(y1.as_slice()).map(each).collect::<Vec<f64>>());
    let verdict = of_w.run_one(
        |w| (w.tape().constant(&y1) - w * w.tape().constant(&x1)).square().mean(),
        &Tensor::scalar(0.7),
        &mine,
    )?;
    println!("{verdict}\n");

    println!("5. Two sigmoid layers h = σ(x W1), o = σ(h W2). Loss: mean((y - o)²).");
    println!("   By hand, with the error y - o: dW2 = hᵀ error, dW1 = xᵀ (error W2ᵀ), and then W -= rate dW\n");
    let w1 = array![[0.5, -1.0, 0.3], [0.8, 0.2, -0.6], [-0.4, 0.7, 1.1]];
    let w2 = array![[1.2], [-0.7], [0.4]];
    let h = sigmoid(&x.dot(&w1));
    let error = &y - &sigmoid(&h.dot(&w2));
    let mine = [tensor(&x.t().dot(&error.dot(&w2.t()))), tensor(&h.t().dot(&error))];
    let verdict = doctor.names(["W1", "W2"]).run(
        |w| {
            let h = beside(w[0], &x).matmul(w[0]).sigmoid();
            (beside(w[0], &y) - h.matmul(w[1]).sigmoid()).square().mean()
        },
        &[tensor(&w1), tensor(&w2)],
        &mine,
    )?;
    println!("{verdict}");
    Ok(())
}
