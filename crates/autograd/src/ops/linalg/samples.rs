//! Samples of linear algebra: every result, one matrix and batches, one row and none.

use ndarray::{Array2, ArrayD};

use super::Triangle;
use super::reference::{cholesky, each, eigen, eliminate, inverse, orthogonalise, singular};
use crate::kernels::number::Element;
use crate::ops::join::cat;
use crate::ops::registry::{Sample, Text, spread};
use crate::tape::var::Var;
use crate::tensor::{Shape, Tensor};

pub(in crate::ops) const SOLVE: Text =
    Text::primitive("x = a⁻¹ b", "s = a⁻ᵀ g to b, −s xᵀ to a", "singular a: an error");
pub(in crate::ops) const INV: Text = Text::primitive("y = a⁻¹", "−yᵀ g yᵀ", "singular a: an error");
pub(in crate::ops) const DET: Text =
    Text::primitive("y = det a", "g y a⁻ᵀ", "singular a: the value is 0, the derivative an error");
pub(in crate::ops) const LOGDET: Text =
    Text::primitive("y = ln det a; slogdet: the sign, and ln |det a|", "g a⁻ᵀ", "singular a: an error");
pub(in crate::ops) const TRIANGULAR_SOLVE: Text = Text::primitive(
    "x = a⁻¹ b for a triangular a",
    "s = a⁻ᵀ g to b, the triangle of −s xᵀ to a",
    "a zero on the diagonal: an error",
);
pub(in crate::ops) const CHOLESKY: Text = Text::primitive(
    "y yᵀ = (a + aᵀ) / 2, y lower triangular",
    "the symmetric part of y⁻ᵀ Φ(yᵀ g) y⁻¹, Φ the lower triangle with half its diagonal",
    "not positive definite: an error",
);
pub(in crate::ops) const EIGH: Text = Text::primitive(
    "(a + aᵀ) / 2 = v diag(w) vᵀ, w ascending",
    "v (diag(gw) + (vᵀ gv) / (wⱼ − wᵢ)) vᵀ, the second term off the diagonal",
    "equal eigenvalues: no derivative of the vectors",
);
pub(in crate::ops) const SVD: Text = Text::primitive(
    "a = u diag(s) vᵀ, s descending",
    "u diag(gs) vᵀ, and for the vectors terms divided by sⱼ² − sᵢ²",
    "equal singular values: no derivative of the vectors; zeros: that of one decomposition",
);
pub(in crate::ops) const QR: Text = Text::primitive(
    "a = q r, the diagonal of r not negative",
    "(gq + q c) r⁻ᵀ, c the lower triangle of r grᵀ − gqᵀ q made symmetric",
    "dependent columns: an error",
);

const SQUARE: [&[usize]; 8] = [&[1, 1], &[2, 2], &[3, 3], &[2, 2, 2], &[2, 1, 2, 2], &[0, 0], &[0, 2, 2], &[3, 0, 0]];

/// Numbers of a given size around multiples of the identity; on the diagonal `start`, `start + step` and so on.
fn around<T: Element>(shape: &[usize], size: f64, start: f64, step: f64, salt: usize) -> Tensor<T> {
    let (m, n) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    let noise = spread::<T>(shape, -size, size, salt);
    Tensor::from_fn(shape, |place| {
        let (i, j) = (place / n % m, place % n);
        let diagonal = if i == j { start + step * i as f64 } else { 0.0 };
        T::of(noise.as_slice()[place].to_f64() + diagonal)
    })
}

/// One use of an op: what it does, and the same slowly.
type Use<T> = (&'static str, for<'t> fn(Var<'t, T>) -> Var<'t, T>, fn(&Array2<f64>) -> ArrayD<f64>);

/// Every use with every shape.
fn all<T: Element>(shapes: &[&[usize]], input: impl Fn(&[usize]) -> Tensor<T>, uses: &[Use<T>]) -> Vec<Sample<T>> {
    let samples = uses.iter().flat_map(|&(label, function, reference)| {
        let input = &input;
        shapes.iter().map(move |&shape| {
            let label = format!("{label} of {shape:?}");
            Sample::new(label, [input(shape)], move |x| function(x[0]), move |x| each(&x[0], reference))
        })
    });
    samples.collect()
}

fn number(value: f64) -> ArrayD<f64> {
    ArrayD::from_elem(vec![], value)
}

/// Weights that differ from column to column, as a row.
fn row<T: Element>(like: Var<'_, T>, count: usize) -> Var<'_, T> {
    like.tape.constant(Tensor::from_fn([1, count], |i| T::of(1.0 + 0.75 * i as f64)))
}

fn weighted(columns: &Array2<f64>) -> Array2<f64> {
    Array2::from_shape_fn(columns.dim(), |(i, j)| columns[(i, j)] * (1.0 + 0.75 * j as f64))
}

/// Samples of `solve`, by the shapes of both sides.
pub(in crate::ops) fn solve<T: Element>() -> Vec<Sample<T>> {
    let cases: [(&[usize], &[usize]); 16] = [
        (&[1, 1], &[1]),
        (&[1, 1], &[1, 2]),
        (&[2, 2], &[2]),
        (&[2, 2], &[2, 1]),
        (&[2, 2], &[2, 2]),
        (&[2, 2], &[2, 3]),
        (&[3, 3], &[3]),
        (&[3, 3], &[3, 2]),
        (&[2, 2, 2], &[2, 2, 1]),
        (&[2, 2, 2], &[2, 2]),
        (&[2, 2], &[3, 2, 1]),
        (&[2, 1, 2, 2], &[2, 2, 1]),
        (&[0, 0], &[0, 2]),
        (&[0, 0], &[0]),
        (&[0, 2, 2], &[0, 2, 1]),
        (&[2, 2], &[2, 0]),
    ];
    let samples = cases.into_iter().map(|(a, b)| {
        let inputs = [around(a, 1.0, 3.0, 0.5, 0), spread(b, -1.0, 1.0, 30)];
        Sample::new(format!("{a:?} by {b:?}"), inputs, |x| x[0].solve(x[1]), move |x| slow_solve(&x[0], &x[1]))
    });
    samples.collect()
}

/// The solution for every pair of a batch that broadcasts.
fn slow_solve(a: &ArrayD<f64>, b: &ArrayD<f64>) -> ArrayD<f64> {
    let vector = b.ndim() == 1;
    let b = if vector { b.clone().insert_axis(ndarray::Axis(1)) } else { b.clone() };
    let outer = |x: &ArrayD<f64>| Shape::from(&x.shape()[..x.ndim() - 2]);
    let batch = outer(a).broadcast(&outer(&b)).unwrap_or_default().to_vec();
    let full = |x: &ArrayD<f64>| {
        let shape = [&batch[..], &x.shape()[x.ndim() - 2..]].concat();
        x.broadcast(shape).map(|x| x.to_owned()).unwrap_or_default()
    };
    // Both side by side in one array, so that one walk over the batch sees both.
    let (n, last) = (a.shape()[a.ndim() - 1], batch.len() + 1);
    let joined = ndarray::concatenate(ndarray::Axis(last), &[full(a).view(), full(&b).view()]).unwrap_or_default();
    let x = each(&joined, |both| {
        let (a, b) = both.view().split_at(ndarray::Axis(1), n);
        eliminate(&a.to_owned(), &b.to_owned()).0.into_dyn()
    });
    if vector { x.index_axis_move(ndarray::Axis(x_last(&batch)), 0) } else { x }
}

/// The last axis of a batch of matrices.
fn x_last(batch: &[usize]) -> usize {
    batch.len() + 1
}

/// Samples of `inv`.
pub(in crate::ops) fn inv<T: Element>() -> Vec<Sample<T>> {
    let uses: [Use<T>; 2] = [
        ("inverse", |a| a.inv(), |a| inverse(a).into_dyn()),
        (
            "inverse times the squares of the transpose",
            |a| a.inv().matmul(a.t().square()),
            |a| inverse(a).dot(&a.t().mapv(|x| x * x)).into_dyn(),
        ),
    ];
    all(&SQUARE, |shape| around(shape, 1.0, 3.0, 0.5, 3), &uses)
}

/// Samples of `det`.
pub(in crate::ops) fn det<T: Element>() -> Vec<Sample<T>> {
    let determinant = |a: &Array2<f64>| number(eliminate(a, &Array2::zeros((a.nrows(), 0))).1);
    let uses: [Use<T>; 2] = [
        ("determinant", |a| a.det(), determinant),
        (
            "determinant with rows exchanged",
            |a| a.flip(&[-2]).det(),
            |a| {
                let flipped = a.slice(ndarray::s![..;-1, ..]).to_owned();
                number(eliminate(&flipped, &Array2::zeros((a.nrows(), 0))).1)
            },
        ),
    ];
    all(&SQUARE, |shape| around(shape, 1.0, 2.0, 0.5, 5), &uses)
}

/// Samples of `logdet` and of both parts of `slogdet`.
pub(in crate::ops) fn logdet<T: Element>() -> Vec<Sample<T>> {
    let logarithm = |a: &Array2<f64>| number(eliminate(a, &Array2::zeros((a.nrows(), 0))).1.abs().ln());
    let uses: [Use<T>; 3] = [
        ("logarithm", |a| a.logdet(), logarithm),
        ("logarithm of the absolute value", |a| (-a).slogdet().1, logarithm),
        ("sign times logarithm", |a| a.slogdet().0 * a.slogdet().1, logarithm),
    ];
    all(&SQUARE, |shape| around(shape, 0.8, 2.0, 0.5, 5), &uses)
}

/// Samples of `triangular_solve`: each triangle in each way.
pub(in crate::ops) fn triangular_solve<T: Element>() -> Vec<Sample<T>> {
    let mut samples = vec![];
    for (upper, transpose, unit) in (0..8).map(|bits| (bits & 1 == 1, bits & 2 == 2, bits & 4 == 4)) {
        let mut triangle = if upper { Triangle::upper() } else { Triangle::lower() };
        triangle = if transpose { triangle.transposed() } else { triangle };
        triangle = if unit { triangle.unit() } else { triangle };
        let cases: [(&[usize], &[usize]); 5] = [
            (&[3, 3], &[3, 2]),
            (&[2, 2], &[2]),
            (&[1, 1], &[1, 1]),
            (&[2, 2, 2], &[2, 2, 1]),
            (if upper { &[0, 0] } else { &[0, 2, 2] }, if upper { &[0, 2] } else { &[0, 2, 1] }),
        ];
        for (a, b) in cases {
            let read = move |x: &Array2<f64>| {
                let full = Array2::from_shape_fn(x.dim(), |(i, j)| match (i == j, (i < j) == upper) {
                    (true, _) if unit => 1.0,
                    (true, _) | (false, true) => x[(i, j)],
                    (false, false) => 0.0,
                });
                (if transpose { full.t().to_owned() } else { full }).into_dyn()
            };
            samples.push(Sample::new(
                format!("{triangle:?}: {a:?} by {b:?}"),
                [around(a, 0.8, 2.0, 0.5, 2), spread(b, -1.0, 1.0, 30)],
                move |x| x[0].triangular_solve(x[1], triangle),
                move |x| slow_solve(&each(&x[0], read), &x[1]),
            ));
        }
    }
    samples
}

/// Samples of `cholesky`; the operands aren't symmetric.
pub(in crate::ops) fn cholesky_samples<T: Element>() -> Vec<Sample<T>> {
    let uses: [Use<T>; 2] = [
        ("factor", |a| a.cholesky(), |a| cholesky(a).into_dyn()),
        (
            "factor of the factor times its transpose",
            |a| a.cholesky().matmul(a.t()),
            |a| cholesky(a).dot(&a.t()).into_dyn(),
        ),
    ];
    all(&SQUARE, |shape| around(shape, 0.7, 2.5, 0.5, 8), &uses)
}

/// Samples of `eigh`: values, vectors, and a function of the matrix that uses both.
pub(in crate::ops) fn eigh<T: Element>() -> Vec<Sample<T>> {
    let uses: [Use<T>; 3] = [
        ("values", |a| a.eigh().0, |a| ArrayD::from_shape_vec(vec![a.nrows()], eigen(a).0).unwrap_or_default()),
        ("vectors", |a| a.eigh().1, |a| eigen(a).1.into_dyn()),
        (
            "weighted projections",
            |a| {
                let (w, v) = a.eigh();
                let n = *v.shape().last().unwrap_or(&0);
                (v * (row(v, n) * w.unsqueeze(-2))).matmul(v.t())
            },
            |a| {
                let (w, v) = eigen(a);
                let scaled = Array2::from_shape_fn(v.dim(), |(i, j)| weighted(&v)[(i, j)] * w[j]);
                scaled.dot(&v.t()).into_dyn()
            },
        ),
    ];
    all(&SQUARE, |shape| around(shape, 0.4, -2.0, 2.0, 12), &uses)
}

const ANY: [&[usize]; 10] =
    [&[1, 1], &[2, 2], &[3, 2], &[2, 3], &[4, 1], &[1, 3], &[2, 2, 2], &[0, 0], &[0, 2, 3], &[2, 0, 3]];

/// Samples of `svd`: each result, and all of them together.
pub(in crate::ops) fn svd<T: Element>() -> Vec<Sample<T>> {
    let uses: [Use<T>; 4] = [
        ("left vectors", |a| a.svd().0, |a| singular(a).0.into_dyn()),
        (
            "values",
            |a| a.svd().1,
            |a| {
                let s = singular(a).1;
                ArrayD::from_shape_vec(vec![s.len()], s).unwrap_or_default()
            },
        ),
        ("right vectors", |a| a.svd().2, |a| singular(a).2.t().to_owned().into_dyn()),
        (
            "left times right vectors, weighted",
            |a| {
                let (u, _, vt) = a.svd();
                let k = *u.shape().last().unwrap_or(&0);
                (u * row(u, k)).matmul(vt)
            },
            |a| {
                let (u, _, v) = singular(a);
                weighted(&u).dot(&v.t()).into_dyn()
            },
        ),
    ];
    all(&ANY, |shape| around(shape, 0.4, 4.0, -1.75, 12), &uses)
}

/// Samples of `qr`: each result, and both as one.
pub(in crate::ops) fn qr<T: Element>() -> Vec<Sample<T>> {
    let uses: [Use<T>; 3] = [
        ("Q", |a| a.qr().0, |a| orthogonalise(a).0.into_dyn()),
        ("R", |a| a.qr().1, |a| orthogonalise(a).1.into_dyn()),
        (
            "both",
            |a| cat(&[a.qr().0, a.qr().1], -1),
            |a| {
                let (q, r) = orthogonalise(a);
                ndarray::concatenate(ndarray::Axis(1), &[q.view(), r.view()]).unwrap_or_default().into_dyn()
            },
        ),
    ];
    let wide: [&[usize]; 6] = [&[1, 1], &[2, 2], &[2, 3], &[1, 3], &[2, 2, 2], &[0, 2, 3]];
    let mut samples = all(&ANY, |shape| around(shape, 0.6, 2.0, 0.5, 9), &uses[..2]);
    samples.extend(all(&wide, |shape| around(shape, 0.6, 2.0, 0.5, 9), &uses[2..]));
    samples
}
