//! Code that knows nothing of derivatives, differentiated unchanged: generic functions, and `ndarray`'s matrices.

use ndarray::{Array1, Array2, LinalgScalar, array};
use num_traits::Float;
use wengert::scalar::{Dual, Tape, Var, derivative, grad};

/// A cube root by Newton's iteration: a loop that ends when it is exact enough.
fn cube_root<T: Float>(a: T) -> T {
    let three = T::one() + T::one() + T::one();
    let mut x = a.max(T::one());
    loop {
        let next = x - (x * x * x - a) / (three * x * x);
        if (next - x).abs() <= T::epsilon() * x.abs() {
            return next;
        }
        x = next;
    }
}

/// An integral by Simpson's rule.
fn integral<T: Float>(f: impl Fn(T) -> T, from: T, to: T) -> T {
    let number = |value: usize| T::from(value).expect("every number has small integers");
    let (n, width) = (200, to - from);
    let sum = (0..=n).fold(T::zero(), |sum, i| {
        let weight = if i == 0 || i == n {
            1
        } else if i % 2 == 1 {
            4
        } else {
            2
        };
        sum + number(weight) * f(from + width * number(i) / number(n))
    });
    sum * width / number(3 * n)
}

/// `xᵀ A² x`, with the products of `ndarray`.
fn form<T: LinalgScalar>(a: &Array2<T>, x: &Array1<T>) -> T {
    x.dot(&a.dot(a).dot(x))
}

/// Prints a derivative beside what it must be.
fn check(name: &str, found: f64, expected: f64) {
    println!("{name:42} {found:18.14} {expected:18.14}");
    assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{name}: {found} isn't {expected}");
}

fn main() {
    println!("{:42} {:>18} {:>18}", "", "wengert", "by hand");
    check("the cube root of 27", cube_root(27.0), 3.0);
    check("its derivative, in reverse", grad(|x| cube_root(x[0]), &[27.0])[0], 1.0 / 27.0);
    check("its derivative, in dual numbers", cube_root(Dual::variable(27.0)).derivative, 1.0 / 27.0);
    let third = derivative(|x| derivative(|y| derivative(|z| cube_root(z), y), x), 27.0);
    check("its third derivative, nested", third, 10.0 / 27.0 / 6561.0);

    // d/dt of the integral of exp(t x) sin x from 0 to t: under the integral and by its end.
    let tape = Tape::new();
    let t = tape.var(1.5);
    let area = integral(|x| (t * x).exp() * x.sin(), Var::from(0.0), t);
    check("the value of an integral", area.value(), integral(|x: f64| (1.5 * x).exp() * x.sin(), 0.0, 1.5));
    let under = integral(|x: f64| x * (1.5 * x).exp() * x.sin(), 0.0, 1.5);
    let (found, expected) = (area.backward().wrt(t), under + (1.5f64 * 1.5).exp() * 1.5f64.sin());
    println!("{:42} {found:18.14} {expected:18.14}", "its derivative, under and at the end");
    assert!((found - expected).abs() < 1e-6, "Leibniz's rule must hold, up to the error of Simpson's");

    // ndarray asks for numbers that live as long as the program: so does this tape.
    let tape = Tape::leak(Tape::new());
    let a = array![[2.0, 1.0], [0.5, 3.0]];
    let x = array![1.0, -2.0];
    let (recorded, vector) = (a.mapv(|a| tape.var(a)), x.mapv(|x| tape.var(x)));
    let value = form(&recorded, &vector);
    let adjoints = value.backward();
    check("xᵀ A² x with ndarray", value.value(), form(&a, &x));
    let square = a.dot(&a);
    for i in 0..2 {
        let by_x: f64 = (0..2).map(|j| (square[[i, j]] + square[[j, i]]) * x[j]).sum();
        check(&format!("by x[{i}]: ((A² + (A²)ᵀ) x)[{i}]"), adjoints.wrt(vector[i]), by_x);
    }
    let (left, right) = (a.t().dot(&x), a.dot(&x));
    let by_a = adjoints.wrt(recorded[[0, 1]]);
    check("by A[0, 1]: (x (A x)ᵀ + Aᵀ x xᵀ)[0, 1]", by_a, x[0] * right[1] + left[0] * x[1]);
}
