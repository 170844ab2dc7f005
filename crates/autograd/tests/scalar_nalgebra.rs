//! Matrices of nalgebra over numbers that are differentiated: what asks of a number no more than to be added and multiplied.
#![cfg(feature = "linalg")]

use nalgebra::{ClosedAddAssign, ClosedMulAssign, DMatrix, Matrix2, Vector2, Vector3};
use num_traits::{One, Zero};
use wengert_autograd::scalar::{Dual, DualVector, Tape};

/// `xᵀ A x + xᵀ x`, of which the gradient by x is `(A + Aᵀ) x + 2 x`, and that by A is `x xᵀ`.
fn energy<N>(a: &Matrix2<N>, x: &Vector2<N>) -> N
where
    N: nalgebra::Scalar + Copy + Zero + One + ClosedAddAssign + ClosedMulAssign,
{
    (a * x + x).dot(x)
}

const A: [[f64; 2]; 2] = [[2.0, -1.0], [0.5, 3.0]];
const X: [f64; 2] = [0.7, -1.2];

fn by_hand() -> Vector2<f64> {
    let (a, x) = (Matrix2::new(A[0][0], A[0][1], A[1][0], A[1][1]), Vector2::from(X));
    (a + a.transpose()) * x + 2.0 * x
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-14
}

#[test]
fn dual_numbers_in_a_matrix() {
    let a = Matrix2::new(A[0][0], A[0][1], A[1][0], A[1][1]);
    for i in 0..2 {
        let x = Vector2::from_fn(|row, _| Dual::new(X[row], f64::from(u8::from(row == i))));
        assert!(close(energy(&a.map(Dual::constant), &x).derivative, by_hand()[i]));
    }
    let x = energy(&a.map(DualVector::constant), &DualVector::variables(X).into());
    assert!((0..2).all(|i| close(x.derivatives[i], by_hand()[i])));
}

#[test]
fn variables_of_a_tape_in_a_matrix() {
    // nalgebra asks that numbers outlive everything.
    let tape = Tape::leak(Tape::new());
    let (a, x) = (Matrix2::from_fn(|i, j| tape.var(A[i][j])), Vector2::from_fn(|i, _| tape.var(X[i])));
    let y = energy(&a, &x);
    assert!(close(y.value(), energy(&Matrix2::from_fn(|i, j| A[i][j]), &Vector2::from(X))));
    let adjoints = y.backward();
    for i in 0..2 {
        assert!(close(adjoints.wrt(x[i]), by_hand()[i]));
        assert!((0..2).all(|j| close(adjoints.wrt(a[(i, j)]), X[i] * X[j])));
    }
}

#[test]
fn products_of_other_kinds() {
    let tape = Tape::leak(Tape::new());
    let x = Vector3::from_fn(|i, _| tape.var([1.0, 2.0, 3.0][i]));
    let y = Vector3::new(0.5, -1.0, 4.0).map(|y| tape.var(y));
    // The triple product of x, y and a constant c: its gradient by x is y × c.
    let c = Vector3::new(2.0, 0.0, 1.0);
    let volume = x.cross(&y).dot(&c.map(Into::into));
    let expected = y.map(|y| y.value()).cross(&c);
    assert!((0..3).all(|i| close(volume.backward().wrt(x[i]), expected[i])));
    let large = DMatrix::from_fn(3, 4, |i, j| x[i] * (j as f64)) * DMatrix::from_fn(4, 2, |i, j| y[(i + j) % 3]);
    assert!(close(large.transpose().sum().backward().wrt(x[0]), {
        let column = |j: usize| (0..4).map(|i| i as f64 * y[(i + j) % 3].value()).sum::<f64>();
        column(0) + column(1)
    }));
}
