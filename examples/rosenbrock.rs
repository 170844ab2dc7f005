//! The least value of Rosenbrock's function, by gradient descent and by Newton's method: how much a Hessian is worth.

use num_traits::Float;
use wengert::scalar::{hessian, value_and_grad};

/// `Σ 100 (x_{i+1} - x_i²)² + (1 - x_i)²`: a narrow curved valley with its least value 0 at (1, ..., 1).
///
/// Plain Rust: it knows nothing of derivatives.
fn rosenbrock<T: Float>(x: &[T]) -> T {
    let number = |value: f64| T::from(value).expect("every number has constants");
    x.windows(2).fold(T::zero(), |sum, pair| {
        let (apart, short) = (pair[1] - pair[0] * pair[0], T::one() - pair[0]);
        sum + number(100.0) * apart * apart + short * short
    })
}

/// Steps against the gradient, half as long until the value falls enough (Armijo 1966).
fn descend(mut x: Vec<f64>, steps: usize) -> Vec<f64> {
    for _ in 0..steps {
        let (value, gradient) = value_and_grad(|x| rosenbrock(x), &x);
        let square: f64 = gradient.iter().map(|g| g * g).sum();
        let moved = |step: f64| -> Vec<f64> { x.iter().zip(&gradient).map(|(x, g)| x - step * g).collect() };
        let mut step = 1.0;
        while rosenbrock(&moved(step)) > value - 0.5 * step * square && step > 1e-12 {
            step /= 2.0;
        }
        x = moved(step);
    }
    x
}

/// `a x = b` by Gaussian elimination with pivots.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for i in 0..n {
        let pivot = (i..n).max_by(|&j, &k| a[j][i].abs().total_cmp(&a[k][i].abs())).expect("a row is left");
        a.swap(i, pivot);
        b.swap(i, pivot);
        for j in i + 1..n {
            let factor = a[j][i] / a[i][i];
            let (above, below) = a.split_at_mut(j);
            below[0].iter_mut().zip(&above[i]).for_each(|(below, above)| *below -= factor * above);
            b[j] -= factor * b[i];
        }
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|k| a[i][k] * b[k]).sum();
        b[i] = (b[i] - known) / a[i][i];
    }
    b
}

fn main() {
    let start = vec![-1.2, 1.0];
    println!("Rosenbrock's function starts at {:.3}", rosenbrock(&start));

    let descended = descend(start.clone(), 2000);
    println!("gradient descent: {:.1e} after 2000 steps", rosenbrock(&descended));

    let mut x = start;
    for step in 1..=50 {
        let (value, gradient) = value_and_grad(|x| rosenbrock(x), &x);
        let curvature = hessian(|x| rosenbrock(x), &x);
        // Newton's step where it helps; where the valley bends, a shorter one that is closer to the gradient's.
        let moved = |shift: f64| -> Vec<f64> {
            let mut rows: Vec<Vec<f64>> = curvature.outer_iter().map(|row| row.to_vec()).collect();
            (0..x.len()).for_each(|i| rows[i][i] += shift);
            x.iter().zip(solve(rows, gradient.clone())).map(|(x, d)| x - d).collect()
        };
        let shifts = [0.0, 1.0, 10.0, 100.0, 1e3, 1e4];
        let Some(next) = shifts.into_iter().map(moved).find(|next| rosenbrock(next) < value) else { break };
        x = next;
        println!("Newton's method:  {:.1e} after step {step}", rosenbrock(&x));
        if rosenbrock(&x) < 1e-25 {
            break;
        }
    }
    println!("it is least at {x:.6?}");
    assert!(rosenbrock(&x) < 1e-20 && x.iter().all(|x| (x - 1.0).abs() < 1e-8), "Newton's method must arrive");
    assert!(rosenbrock(&descended) > rosenbrock(&x), "and gradient descent be behind");
}
