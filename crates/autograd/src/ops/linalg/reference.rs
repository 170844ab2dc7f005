//! Slow, obvious linear algebra for the samples: nothing of the library that the ops use.

use ndarray::{Array1, Array2, ArrayD, Axis, concatenate, s};

/// Applies a function to each matrix of a batch.
pub(super) fn each(x: &ArrayD<f64>, function: impl Fn(&Array2<f64>) -> ArrayD<f64>) -> ArrayD<f64> {
    let rank = x.ndim();
    let (batch, m, n) = (&x.shape()[..rank - 2], x.shape()[rank - 2], x.shape()[rank - 1]);
    let count: usize = batch.iter().product();
    let of = |matrix: Array2<f64>| function(&matrix);
    // The identity shows the shape of the results where there are none.
    let own = of(Array2::from_shape_fn((m, n), |(i, j)| if i == j { 1.0 } else { 0.0 })).shape().to_vec();
    let flat: Vec<f64> = x.iter().copied().collect();
    let values: Vec<f64> = (0..count)
        .flat_map(|i| {
            let matrix = Array2::from_shape_vec((m, n), flat[i * m * n..(i + 1) * m * n].to_vec());
            of(matrix.unwrap_or_default()).iter().copied().collect::<Vec<f64>>()
        })
        .collect();
    ArrayD::from_shape_vec([batch, &own].concat(), values).unwrap_or_default()
}

/// Gauss-Jordan elimination of `[A | B]` with row exchanges: `A⁻¹ B` and the determinant.
pub(super) fn eliminate(a: &Array2<f64>, b: &Array2<f64>) -> (Array2<f64>, f64) {
    let (n, mut determinant) = (a.nrows(), 1.0);
    let mut rows = concatenate(Axis(1), &[a.view(), b.view()]).unwrap_or_default();
    for column in 0..n {
        let best = (column..n).max_by(|&i, &j| rows[(i, column)].abs().total_cmp(&rows[(j, column)].abs()));
        let best = best.unwrap_or(column);
        if best != column {
            determinant = -determinant;
            for j in 0..rows.ncols() {
                rows.swap((best, j), (column, j));
            }
        }
        let pivot = rows[(column, column)];
        determinant *= pivot;
        let own = rows.row(column).mapv(|x| x / pivot);
        for i in 0..n {
            let factor = rows[(i, column)];
            let reduced = if i == column { own.clone() } else { &rows.row(i) - &(factor * &own) };
            rows.row_mut(i).assign(&reduced);
        }
    }
    (rows.slice(s![.., n..]).to_owned(), determinant)
}

pub(super) fn inverse(a: &Array2<f64>) -> Array2<f64> {
    eliminate(a, &Array2::eye(a.nrows())).0
}

pub(super) fn symmetrised(a: &Array2<f64>) -> Array2<f64> {
    (a + &a.t()) * 0.5
}

/// The Cholesky factor, element by element.
pub(super) fn cholesky(a: &Array2<f64>) -> Array2<f64> {
    let (a, n) = (symmetrised(a), a.nrows());
    let mut l = Array2::zeros((n, n));
    for i in 0..n {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| l[(i, k)] * l[(j, k)]).sum();
            let left: f64 = a[(i, j)] - known;
            l[(i, j)] = if i == j { left.sqrt() } else { left / l[(j, j)] };
        }
    }
    l
}

/// Makes the element of largest absolute value of a vector positive.
fn oriented(vector: Array1<f64>) -> Array1<f64> {
    let largest = vector.iter().copied().fold(0.0f64, |most, x| if x.abs() > most.abs() { x } else { most });
    if largest < 0.0 { -vector } else { vector }
}

/// Eigenvalues, ascending, and eigenvectors of the symmetric part, by Jacobi's rotations.
pub(super) fn eigen(a: &Array2<f64>) -> (Vec<f64>, Array2<f64>) {
    let n = a.nrows();
    let (mut a, mut v) = (symmetrised(a), Array2::<f64>::eye(n));
    for _ in 0..60 {
        for (p, q) in (0..n).flat_map(|p| (p + 1..n).map(move |q| (p, q))) {
            let angle = 0.5 * f64::atan2(2.0 * a[(p, q)], a[(q, q)] - a[(p, p)]);
            let mut turn = Array2::<f64>::eye(n);
            (turn[(p, p)], turn[(q, q)]) = (angle.cos(), angle.cos());
            (turn[(p, q)], turn[(q, p)]) = (angle.sin(), -angle.sin());
            a = turn.t().dot(&a).dot(&turn);
            v = v.dot(&turn);
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[(i, i)].total_cmp(&a[(j, j)]));
    let vectors = Array2::from_shape_fn((n, n), |(i, j)| oriented(v.column(order[j]).to_owned())[i]);
    (order.iter().map(|&i| a[(i, i)]).collect(), vectors)
}

/// Left vectors, singular values, right vectors as columns; by the eigenvalues of `AᵀA`, or of the transpose.
pub(super) fn singular(a: &Array2<f64>) -> (Array2<f64>, Vec<f64>, Array2<f64>) {
    let (m, n) = a.dim();
    if m < n {
        let (v, s, u) = singular(&a.t().to_owned());
        return orient_both(u, s, v);
    }
    let (w, v) = eigen(&a.t().dot(a));
    let s: Vec<f64> = w.iter().rev().map(|w| w.max(0.0).sqrt()).collect();
    let v = Array2::from_shape_fn((n, n), |(i, j)| v[(i, n - 1 - j)]);
    let image = a.dot(&v);
    let u = Array2::from_shape_fn((m, n), |(i, j)| image[(i, j)] / s[j]);
    orient_both(u, s, v)
}

/// Makes the largest element of each left vector positive.
fn orient_both(mut u: Array2<f64>, s: Vec<f64>, mut v: Array2<f64>) -> (Array2<f64>, Vec<f64>, Array2<f64>) {
    for j in 0..s.len() {
        let before = u.column(j).to_owned();
        let after = oriented(before.clone());
        if after != before {
            v.column_mut(j).mapv_inplace(|x| -x);
        }
        u.column_mut(j).assign(&after);
    }
    (u, s, v)
}

/// Gram-Schmidt, every projection taken out twice; the columns beyond the rows are projected only.
pub(super) fn orthogonalise(a: &Array2<f64>) -> (Array2<f64>, Array2<f64>) {
    let (m, n) = a.dim();
    let k = m.min(n);
    let (mut q, mut r) = (Array2::<f64>::zeros((m, k)), Array2::<f64>::zeros((k, n)));
    for j in 0..n {
        let mut rest = a.column(j).to_owned();
        for _ in 0..2 {
            for i in 0..j.min(k) {
                let part = q.column(i).dot(&rest);
                r[(i, j)] += part;
                rest -= &(part * &q.column(i));
            }
        }
        if j < k {
            r[(j, j)] = rest.dot(&rest).sqrt();
            q.column_mut(j).assign(&(&rest / r[(j, j)]));
        }
    }
    (q, r)
}
