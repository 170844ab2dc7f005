//! Sparse derivatives equal the dense ones, and take few sweeps.

use wengert_autograd::Real;
use wengert_autograd::scalar::{
    DualVector, Scalar, Tape, Var, hessian, jacobian, sparse_hessian, sparse_jacobian, sqnorm,
};

/// Cameras and points as in bundle adjustment: each observation has two rows of 7 entries (3 of the camera, 3
/// of the point, a weight), each weight a row more.
fn observations<R: Real>(x: &[R], cameras: usize, points: usize, pairs: &[(usize, usize)]) -> Vec<R> {
    let (c, rest) = x.split_at(4 * cameras);
    let (p, w) = rest.split_at(3 * points);
    let residuals = pairs.iter().enumerate().flat_map(|(i, &(camera, point))| {
        let (c, p) = (&c[4 * camera..], &p[3 * point..]);
        let (sin, cos) = (c[0].sin(), c[0].cos());
        let (u, v) = (cos * p[0] - sin * p[1] + c[1], sin * p[0] + cos * p[1] + c[2]);
        let depth = p[2] * p[2] + c[3].exp();
        [u * w[i] / depth, v * w[i] / depth]
    });
    residuals.chain(w.iter().map(|&w| w.constant(1.0) - w * w)).collect()
}

#[test]
fn bundle_adjustment() {
    let (cameras, points) = (3, 10);
    let pairs: Vec<(usize, usize)> = (0..24).map(|i| (i % cameras, (i * 7) % points)).collect();
    let x: Vec<f64> = (0..4 * cameras + 3 * points + pairs.len()).map(|i| 0.5 + (i as f64).sin().abs()).collect();
    let sparse = sparse_jacobian(|x| observations(x, cameras, points, &pairs), &x);
    let dense = jacobian(|x| observations(x, cameras, points, &pairs), &x);
    assert_eq!(sparse.shape(), [3 * pairs.len(), x.len()]);
    assert_eq!(sparse.values().len(), 2 * 7 * pairs.len() + pairs.len());
    assert_eq!(sparse.to_dense(0.0), dense);
    let rows = sparse.row_pointers();
    assert_eq!((rows[0], rows[1], rows[rows.len() - 1]), (0, 7, sparse.values().len()));
    for row in rows.windows(2) {
        assert!(sparse.column_indices()[row[0]..row[1]].is_sorted_by(|a, b| a < b));
    }
}

#[test]
fn a_dense_row_is_swept_backwards() {
    let x: Vec<f64> = (1..=50).map(f64::from).collect();
    fn f<'t>(x: &[Var<'t>]) -> Vec<Var<'t>> {
        x.iter().map(|x| x.sin()).chain([sqnorm(x), Var::constant(1.0)]).collect()
    }
    let sparse = sparse_jacobian(f, &x);
    assert_eq!(sparse.values().len(), 100);
    assert_eq!(sparse.to_dense(0.0), jacobian(f, &x));
    let column = sparse_jacobian(|x| x.iter().map(|&y| y * x[0]).collect(), &x);
    assert_eq!(column.to_dense(0.0), jacobian(|x| x.iter().map(|&y| y * x[0]).collect(), &x));
}

#[test]
fn nothing_at_all() {
    let none = sparse_jacobian(|_| vec![], &[1.0]);
    assert_eq!((none.shape(), none.values().len(), none.row_pointers()), ([0, 1], 0, &[0][..]));
    let constant = sparse_jacobian(|_| vec![Var::constant(2.0)], &[1.0]);
    assert_eq!((constant.shape(), constant.get(0, 0), constant.get(7, 7)), ([1, 1], None, None));
    assert_eq!(sparse_hessian(|x| x[0] + x[1], &[1.0, 2.0]).values(), [0.0; 0]);
}

/// Neighbours on a ring, one that all meet, and a few far pairs.
fn energy<R: Real>(x: &[R]) -> R {
    let n = x.len();
    let mut sum = x[0].constant(0.0);
    for i in 1..n {
        sum = sum + (x[i] - x[1 + i % (n - 1)]).powi(4) + x[0] * x[i].sin();
        if i % 5 == 0 {
            sum = sum + (x[i] * x[(i * 3) % n]).exp();
        }
    }
    sum
}

#[test]
fn sparse_hessians_equal_dense_ones() {
    for n in [2, 3, 8, 25] {
        let x: Vec<f64> = (0..n).map(|i| (i as f64 * 1.3).sin()).collect();
        let sparse = sparse_hessian(|x| energy(x), &x);
        let (found, expected) = (sparse.to_dense(0.0), hessian(|x| energy(x), &x));
        for ((i, j), &entry) in expected.indexed_iter() {
            assert!((found[[i, j]] - entry).abs() <= 1e-12 * (1.0 + entry.abs()), "{n}: {i} {j}");
        }
        assert!(n < 25 || sparse.values().len() < n * n / 3);
    }
}

#[test]
fn dual_numbers_with_several_derivatives_give_jacobians() {
    fn f<R: Real>(x: R, y: R, z: R) -> [R; 2] {
        [x * y.sin() + z, (x / z).atan2(y)]
    }
    let point = [0.4, 1.3, -0.7];
    let [x, y, z] = DualVector::variables(point);
    let rows = f(x, y, z);
    let dense = jacobian(|x| f(x[0], x[1], x[2]).to_vec(), &point);
    for (i, row) in rows.iter().enumerate() {
        for (j, derivative) in row.derivatives.iter().enumerate() {
            assert!((derivative - dense[[i, j]]).abs() < 1e-15);
        }
    }
    // As values of a tape: a gradient and several rows of the Hessian by one sweep.
    let tape = Tape::new();
    let v = DualVector::variables(point).map(|x| tape.var(x));
    let y = f(v[0], v[1], v[2])[1] * 2.0;
    let second = hessian(|x| f(x[0], x[1], x[2])[1] * 2.0, &point);
    let adjoints = y.backward();
    for i in 0..3 {
        for j in 0..3 {
            assert!((adjoints.wrt(v[i]).derivatives[j] - second[[i, j]]).abs() < 1e-14);
        }
    }
    assert!(DualVector::<f64, 2>::of(2.0).is_constant());
}
