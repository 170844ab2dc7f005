//! Sums over rows of data, what simplifying saves, and that replays allocate nothing.

use num_traits::Float;
use wengert_autograd::kernels::pool;
use wengert_autograd::scalar::{Compiled, MapReduce, Recursion, Tape, Traced};

mod counting;

/// The logarithm of a mixture of two bell curves at `d`: parameters of their own, a prologue in `exp`, and extremes.
fn term<N: Float>(theta: &[N], d: &[N]) -> N {
    let half = N::from(0.5).unwrap();
    let part = |i: usize| {
        let scaled = (d[0] - theta[i]) * theta[2 + i].exp();
        theta[2 + i] - half * scaled * scaled + d[1] * theta[i]
    };
    let (a, b) = (part(0), part(1));
    let most = a.max(b);
    ((a - most).exp() + (b - most).exp()).ln() + most
}

fn rows(count: usize) -> Vec<f64> {
    (0..2 * count).map(|i| (i as f64 * 0.7).sin() * 2.0).collect()
}

fn by_tape(theta: &[f64], rows: &[f64]) -> (f64, Vec<f64>) {
    let tape = Tape::new();
    let inputs: Vec<_> = theta.iter().map(|&x| tape.var(x)).collect();
    let terms = rows.chunks(2).map(|row| term(&inputs, &[row[0].into(), row[1].into()]));
    let sum = terms.fold(0.0.into(), |sum: wengert_autograd::scalar::Var<'_>, term| sum + term);
    if rows.is_empty() {
        return (0.0, vec![0.0; theta.len()]);
    }
    let adjoints = sum.backward();
    (sum.value(), inputs.iter().map(|&x| adjoints.wrt(x)).collect())
}

const THETA: [f64; 4] = [0.3, -0.8, 0.2, -0.1];

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-11 * (1.0 + b.abs())
}

#[test]
fn a_sum_over_rows_is_the_sum_on_one_tape() {
    let mut sum = MapReduce::record(&[1.0, 2.0, 0.0, 0.0], &[0.5, 0.5], term).unwrap();
    for count in (0..20).chain([63, 64, 65, 200, 1500]) {
        let rows = rows(count);
        let (value, gradient) = by_tape(&THETA, &rows);
        let mut g = [0.0; 4];
        assert!(close(sum.value(&THETA, &rows).unwrap(), value), "{count} rows");
        assert!(close(sum.value_and_gradient(&THETA, &rows, &mut g).unwrap(), value), "{count} rows");
        assert!(g.iter().zip(&gradient).all(|(&a, &b)| close(a, b)), "{count} rows: {g:?}, {gradient:?}");
    }
}

#[test]
fn hessian_products_of_sums_are_differences_of_gradients() {
    let mut sum = MapReduce::record(&THETA, &[0.5, 0.5], term).unwrap();
    let (rows, v) = (rows(100), [0.5, -1.0, 2.0, 0.25]);
    let (mut g, mut product) = ([0.0; 4], [0.0; 4]);
    sum.gradient_and_hvp(&THETA, &rows, &v, &mut g, &mut product).unwrap();
    let (_, gradient) = by_tape(&THETA, &rows);
    assert!(g.iter().zip(&gradient).all(|(&a, &b)| close(a, b)));
    let moved = |h: f64| by_tape(&std::array::from_fn::<_, 4, _>(|i| THETA[i] + h * v[i]), &rows).1;
    let (above, below) = (moved(1e-5), moved(-1e-5));
    for i in 0..4 {
        let difference = (above[i] - below[i]) / 2e-5;
        assert!(
            (product[i] - difference).abs() < 1e-6 * (1.0 + difference.abs()),
            "{} is not {difference}",
            product[i]
        );
    }
}

#[test]
fn what_depends_on_the_parameters_alone_is_computed_once() {
    let mut sum = MapReduce::record(&[1.0], &[1.0], |x, d| x[0].exp().sin().tanh() * d[0]).unwrap();
    assert_eq!(sum.operations(), (1, 3));
    assert!(close(sum.value(&[0.0], &[1.0, 2.0, 3.0]).unwrap(), 6.0 * 1f64.sin().tanh()));
    // A term that no row changes, and one that no parameter does.
    let mut same = MapReduce::record(&[1.0], &[1.0], |x, _| x[0] * x[0]).unwrap();
    let mut g = [0.0];
    assert_eq!(same.value_and_gradient(&[3.0], &[1.0; 10], &mut g).unwrap(), 90.0);
    assert_eq!(g, [60.0]);
    let mut fixed = MapReduce::record(&[1.0], &[1.0], |_, d| d[0] * d[0]).unwrap();
    assert_eq!(fixed.value_and_gradient(&[3.0], &[1.0, 2.0], &mut g).unwrap(), 5.0);
    assert_eq!(g, [0.0]);
}

#[test]
fn sums_have_the_same_bits_for_any_number_of_threads() {
    let mut sum = MapReduce::record(&THETA, &[0.5, 0.5], term).unwrap();
    let rows = rows(3000);
    let mut results = Vec::new();
    for threads in [1, 2, 5] {
        pool::set_threads(threads);
        let mut g = [0.0; 4];
        let value = sum.value_and_gradient(&THETA, &rows, &mut g).unwrap();
        results.push((value.to_bits(), g.map(f64::to_bits)));
    }
    pool::set_threads(0);
    assert!(results.iter().all(|result| *result == results[0]));
}

#[test]
fn an_infinite_slope_of_no_weight_spoils_no_sum() {
    // At d = 0 the slope of the root is infinite and its cotangent exactly 0.
    let mut sum = MapReduce::record(&[1.0], &[1.0, 1.0], |x, d| (x[0] * d[0]).sqrt() * d[1] + x[0]).unwrap();
    let mut g = [0.0];
    sum.gradient(&[4.0], &[1.0, 1.0, /**/ 0.0, 0.0], &mut g).unwrap();
    assert_eq!(g, [2.25]);
}

#[test]
fn replays_allocate_nothing() {
    fn f<N: Float>(x: &[N]) -> N {
        (x[0] * x[1]).sin() + (x[2] / (x[1] * x[1] + N::one())).exp().ln() * x[0].max(x[2])
    }
    pool::set_threads(1);
    let mut one = Compiled::record(&[1.0, 2.0, 3.0], f).unwrap();
    let mut many = Compiled::record(&[1.0, 2.0, 3.0], |x| vec![f(x), x[0] * x[1], f(x) * x[2], x[1].exp()]).unwrap();
    let mut sum = MapReduce::record(&THETA, &[0.5, 0.5], term).unwrap();
    let step = |x: &[Traced], s: &[Traced], d: &[Traced]| (vec![s[0] * 0.5 + term(x, d)], s[0]);
    let mut steps = Recursion::record(&THETA, &[0.0], &[0.5, 0.5], step, |_, s| s[0].exp()).unwrap();
    let rows = rows(500);
    let (points, mut values, mut gradients) = (vec![0.5; 3 * 100], vec![0.0; 400], vec![0.0; 1200]);
    let (mut g, mut h, mut y) = ([0.0; 12], [0.0; 12], [0.0; 4]);
    let mut all = |x: &[f64]| {
        one.value(x).unwrap();
        one.gradient(x, &mut g[..3]).unwrap();
        one.hvp_into(x, x, &mut g[..3]).unwrap();
        one.hessian_into(x, &mut g[..9]).unwrap();
        one.gradients_into(&points, &mut values[..100], &mut gradients[..300]).unwrap();
        many.values(x, &mut y).unwrap();
        many.vjp(x, &[1.0; 4], &mut g[..3]).unwrap();
        many.jacobian_into(x, &mut g).unwrap();
        many.jacobians_into(&points, &mut values, &mut gradients).unwrap();
        sum.value_and_gradient(&THETA, &rows, &mut g[..4]).unwrap();
        sum.gradient_and_hvp(&THETA, &rows, &THETA, &mut g[..4], &mut h[..4]).unwrap();
        sum.value(&THETA, &rows).unwrap();
        steps.value(&THETA, &[0.1], &rows).unwrap();
        let (g, by_state) = g.split_at_mut(4);
        let (h, of_state) = h.split_at_mut(4);
        steps.value_and_gradient(&THETA, &[0.1], &rows, [g, &mut by_state[..1]]).unwrap();
        let (places, products) = ([g, &mut by_state[..1]], [h, &mut of_state[..1]]);
        steps.gradient_and_hvp(&THETA, &[0.1], &rows, [&THETA, &[1.0]], places, products).unwrap();
    };
    all(&[0.5, 1.0, 2.0]);
    let before = counting::allocations();
    all(&[0.25, -1.0, 3.0]);
    assert_eq!(counting::allocations() - before, 0);
    pool::set_threads(0);
}

#[test]
fn a_sum_takes_memory_for_one_row() {
    // The only memory that a call may take is for lanes, at the first: more rows then allocate no more.
    pool::set_threads(1);
    let mut sum = MapReduce::record(&THETA, &[0.5, 0.5], term).unwrap();
    let (few, many) = (rows(10), rows(20_000));
    let mut g = [0.0; 4];
    sum.gradient(&THETA, &few, &mut g).unwrap();
    let before = counting::allocations();
    sum.gradient(&THETA, &many, &mut g).unwrap();
    assert_eq!(counting::allocations() - before, 0);
    pool::set_threads(0);
}

/// Value and gradient of a formula as recorded, and the number of its operations.
fn measure(
    f: impl FnOnce(&[wengert_autograd::scalar::Traced]) -> wengert_autograd::scalar::Traced,
) -> (f64, [f64; 2], usize) {
    let mut compiled = Compiled::record(&[0.1, 0.2], f).unwrap();
    let mut g = [0.0; 2];
    let value = compiled.value_and_gradient(&[0.7, -1.3], &mut g).unwrap();
    (value, g, compiled.operations())
}

#[test]
fn each_simplification_keeps_value_and_derivatives() {
    let (x, y) = (0.7_f64, -1.3_f64);
    // A formula, its value, its derivatives, the operations that are left.
    let cases = [
        (measure(|x| x[0] * 1.0), x, [1.0, 0.0], 0),
        (measure(|x| x[0] + 0.0), x, [1.0, 0.0], 0),
        (measure(|x| 0.0 + x[0] - 0.0), x, [1.0, 0.0], 0),
        (measure(|x| x[0] / 1.0), x, [1.0, 0.0], 0),
        (measure(|x| -(-x[0])), x, [1.0, 0.0], 0),
        (measure(|x| x[0] * -1.0), -x, [-1.0, 0.0], 1),
        (measure(|x| x[0] * 3.0 * 2.0), 6.0 * x, [6.0, 0.0], 1),
        (measure(|x| -(x[0] * 3.0)), -3.0 * x, [-3.0, 0.0], 1),
        (measure(|x| (-x[0]) * 3.0), -3.0 * x, [-3.0, 0.0], 1),
        (measure(|x| x[0] / 4.0), x / 4.0, [0.25, 0.0], 1),
        (measure(|x| x[0] - (-x[1])), x + y, [1.0, 1.0], 1),
        (measure(|x| x[0] + (-x[1])), x - y, [1.0, -1.0], 1),
        (measure(|x| (-x[0]) + x[1]), y - x, [-1.0, 1.0], 1),
        (measure(|x| (-x[0]) * (-x[1])), x * y, [y, x], 1),
        (measure(|x| x[0] * x[1] + x[1] * x[0]), 2.0 * x * y, [2.0 * y, 2.0 * x], 2),
        (measure(|x| x[0] + x[1] * x[0] - x[1]), x + x * y - y, [1.0 + y, x - 1.0], 1),
        (measure(|x| x[1] - x[0] * x[0] - x[1] * x[1]), y - x * x - y * y, [-2.0 * x, 1.0 - 2.0 * y], 1),
        (measure(|x| x[0] * x[0] + x[1] * x[1]), x * x + y * y, [2.0 * x, 2.0 * y], 1),
        (measure(|x| x[0] + x[1] - x[0] - x[0]), y - x, [-1.0, 1.0], 1),
        (
            measure(|x| {
                x[0].sin() * 0.0 + {
                    let _ = x[1].exp().ln();
                    x[1]
                }
            }),
            y,
            [0.0, 1.0],
            2,
        ),
    ];
    for (i, ((value, g, operations), expected, derivatives, count)) in cases.into_iter().enumerate() {
        assert!((value - expected).abs() < 1e-15, "case {i}: {value} is not {expected}");
        assert!(
            g.iter().zip(derivatives).all(|(a, b)| (a - b).abs() < 1e-15),
            "case {i}: {g:?} is not {derivatives:?}"
        );
        assert_eq!(operations, count, "case {i}");
    }
}

#[test]
fn a_determinant_by_minors_is_computed_minor_by_minor() {
    fn minor<N: Float>(a: &[N], n: usize, row: usize, columns: &mut Vec<usize>) -> N {
        if row == n {
            return N::one();
        }
        let mut sum = N::zero();
        for i in 0..columns.len() {
            let column = columns.remove(i);
            let term = a[row * n + column] * minor(a, n, row + 1, columns);
            columns.insert(i, column);
            sum = if i % 2 == 0 { sum + term } else { sum - term };
        }
        sum
    }
    let n = 6;
    let a: Vec<f64> = (0..n * n).map(|i| (i as f64 * 1.3).sin()).collect();
    let mut det = Compiled::record(&a, |a| minor(a, n, 0, &mut (0..n).collect())).unwrap();
    // One statement for each set of columns: 6! would be 720 products of 6.
    assert!(det.operations() <= 1 << n);
    assert!((det.value(&a).unwrap() - minor(&a, n, 0, &mut (0..n).collect())).abs() < 1e-14);
    // Jacobi's formula: the gradient of the determinant is its cofactors, so a row of it with the row is the determinant.
    let mut g = vec![0.0; n * n];
    let value = det.value_and_gradient(&a, &mut g).unwrap();
    for row in 0..n {
        let product: f64 = (0..n).map(|j| a[row * n + j] * g[row * n + j]).sum();
        assert!((product - value).abs() < 1e-13);
    }
}

#[test]
fn a_long_recursion_takes_few_places() {
    // 100 000 steps: for values alone, each place is used again.
    let f = Compiled::record(&[0.5], |x| (0..100_000).fold(x[0], |y, _| (y * x[0]).sin() + y)).unwrap();
    assert_eq!(f.operations(), 300_000);
    let (values, _) = f.places();
    assert!(values < 20, "{values} places");
}
