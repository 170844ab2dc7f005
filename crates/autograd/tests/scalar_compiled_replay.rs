//! Replays of random programs against the same formulas computed afresh: on plain numbers, on a tape, and in nested duals.

use num_traits::Float;
use proptest::prelude::*;
use wengert_autograd::kernels::pool;
use wengert_autograd::scalar::{Compiled, Dual, Tape, Traced};

/// One operation on earlier results.
type Step = (u8, usize, usize);

/// A formula for any number type: each step appends a result, the last few are summed.
fn compute<N: Float>(x: &[N], steps: &[Step]) -> N {
    let number = |value: f64| N::from(value).unwrap();
    let mut results = x.to_vec();
    for &(op, i, j) in steps {
        let (a, b) = (results[i % results.len()], results[j % results.len()]);
        results.push(match op % 20 {
            0 => a + b,
            1 => a - b,
            2 | 3 => a * b,
            4 => a / (b * b + N::one()),
            5 => -a,
            6 => a.sin(),
            7 => a.tanh(),
            8 => (a * number(0.25)).tanh().exp(),
            9 => (a * a + N::one()).ln(),
            10 => (a * a + number(0.5)).sqrt(),
            11 => a + number(0.0),
            12 => a * number(1.0),
            13 => a * number(-2.0) * number(1.5),
            14 => number(3.0) - a,
            15 => a - number(3.0) * b,
            16 => a.atan() / number(2.0),
            17 => N::one() / (a * a + number(2.0)),
            18 => a * b + a * a - b * b,
            _ => a.cos() * number(0.0) + b,
        });
        // Values stay of a size at which finite precision says something.
        let last = results.len() - 1;
        if op % 20 <= 3 || op % 20 == 18 {
            results[last] = results[last] / (results[last] * results[last] + N::one()).sqrt();
        }
    }
    results.iter().rev().take(4).fold(N::zero(), |sum, &x| sum + x)
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs())) || (a.is_nan() && b.is_nan())
}

fn gradient_on_tape(x: &[f64], steps: &[Step]) -> (f64, Vec<f64>) {
    let tape = Tape::new();
    let inputs: Vec<_> = x.iter().map(|&x| tape.var(x)).collect();
    let y = compute(&inputs, steps);
    let adjoints = y.backward();
    (y.value(), inputs.iter().map(|&x| adjoints.wrt(x)).collect())
}

fn hessian_in_duals(x: &[f64], steps: &[Step]) -> Vec<f64> {
    let mut hessian = Vec::new();
    for i in 0..x.len() {
        for j in 0..x.len() {
            let seed = |k: usize, value: f64| {
                let inner = Dual::new(value, f64::from(k == i));
                Dual::new(inner, Dual::new(f64::from(k == j), 0.0))
            };
            let inputs: Vec<_> = x.iter().enumerate().map(|(k, &value)| seed(k, value)).collect();
            hessian.push(compute(&inputs, steps).derivative.derivative);
        }
    }
    hessian
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..20_u8, 0..1000_usize, 0..1000_usize), 0..60)
}

fn point() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-2.0..2.0_f64, 3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_replay_is_a_fresh_computation(steps in steps(), x0 in point(), x1 in point()) {
        let mut f = Compiled::record(&x0, |x| compute(x, &steps)).unwrap();
        for x in [&x0, &x1] {
            let (value, expected) = gradient_on_tape(x, &steps);
            let mut g = [0.0; 3];
            prop_assert!(close(f.value(x).unwrap(), compute(x, &steps), 1e-14));
            prop_assert!(close(f.value_and_gradient(x, &mut g).unwrap(), value, 1e-13));
            // Again: the sweep before leaves nothing behind.
            f.gradient(x, &mut g).unwrap();
            for (a, b) in g.iter().zip(&expected) {
                prop_assert!(close(*a, *b, 1e-11), "{a} is not {b}");
            }
        }
    }

    #[test]
    fn hessians_are_those_of_nested_duals(steps in steps(), x0 in point(), x1 in point(), v in point()) {
        let mut f = Compiled::record(&x0, |x| compute(x, &steps)).unwrap();
        let expected = hessian_in_duals(&x1, &steps);
        let hessian = f.hessian(&x1).unwrap();
        for (a, b) in hessian.iter().zip(&expected) {
            prop_assert!(close(*a, *b, 1e-9), "{a} is not {b}");
        }
        let product = f.hvp(&x1, &v).unwrap();
        for i in 0..3 {
            let by_matrix: f64 = (0..3).map(|j| expected[3 * i + j] * v[j]).sum();
            prop_assert!(close(product[i], by_matrix, 1e-9));
        }
    }

    #[test]
    fn lanes_are_single_points(steps in steps(), points in prop::collection::vec(point(), 0..18)) {
        let mut f = Compiled::record(&[0.1, 0.2, 0.3], |x| compute(x, &steps)).unwrap();
        let gradients = f.gradients(&points).unwrap();
        prop_assert_eq!(gradients.shape(), [points.len(), 3]);
        for (row, x) in gradients.outer_iter().zip(&points) {
            let mut g = [0.0; 3];
            f.gradient(x, &mut g).unwrap();
            for (a, b) in row.iter().zip(&g) {
                prop_assert!(close(*a, *b, 1e-13), "{a} is not {b}");
            }
        }
    }

    #[test]
    fn jacobians_both_ways(steps in steps(), x in point(), many in any::<bool>()) {
        // 2 outputs go backwards, 12 forwards.
        let weights: Vec<f64> = (0..if many { 12 } else { 2 }).map(|i| 0.5 + f64::from(i)).collect();
        let mut f = Compiled::record(&[0.1, 0.2, 0.3], |x| {
            let y = compute(x, &steps);
            weights.iter().map(|&w| y * w + x[0]).collect::<Vec<_>>()
        }).unwrap();
        let (_, expected) = gradient_on_tape(&x, &steps);
        let jacobian = f.jacobian(&x).unwrap();
        for (row, w) in jacobian.outer_iter().zip(&weights) {
            for (j, (a, b)) in row.iter().zip(&expected).enumerate() {
                prop_assert!(close(*a, w * b + f64::from(j == 0), 1e-11));
            }
        }
        let (mut g, ones) = ([0.0; 3], vec![1.0; weights.len()]);
        f.vjp(&x, &ones, &mut g).unwrap();
        for (j, a) in g.iter().enumerate() {
            prop_assert!(close(*a, jacobian.column(j).sum(), 1e-12));
        }
    }
}

#[test]
fn a_replay_has_the_bits_of_the_closure() {
    // Arithmetic only: the closure on plain numbers and the replay round the same way.
    fn polynomial<N: Float>(x: &[N]) -> N {
        let c = |value: f64| N::from(value).unwrap();
        let mut sum = c(0.1);
        for i in 0..40 {
            sum = sum * x[0] - c(0.3) * x[1] * x[1] + x[2] / (x[1] + c(3.0)) + c(f64::from(i));
            sum = sum / (c(1.0) + sum * sum);
        }
        sum
    }
    let mut f = Compiled::record(&[0.0; 3], polynomial).unwrap();
    for i in 0..50 {
        let x = [0.1 * f64::from(i), 1.7 - 0.05 * f64::from(i), (f64::from(i)).sin()];
        assert_eq!(f.value(&x).unwrap().to_bits(), polynomial(&x).to_bits());
    }
}

#[test]
fn wide_runs_and_narrow_ones_agree() {
    // Many equal statements: operands side by side, apart, and the same for all.
    fn f<N: Float>(x: &[N]) -> N {
        let c = |value: f64| N::from(value).unwrap();
        let n = x.len();
        let mut y: Vec<N> = x.iter().map(|&x| x * x).collect();
        for round in 0..4 {
            let old = y.clone();
            for i in 0..n {
                y[i] = old[(i * 7 + round) % n] * x[0] + old[n - 1 - i] / (old[i] * old[i] + c(2.0))
                    - old[i].sin() * c(0.5);
            }
        }
        y.iter().fold(c(0.0), |sum, &y| sum + y * y)
    }
    for n in [1, 2, 7, 8, 9, 31, 300, 700] {
        let x: Vec<f64> = (0..n).map(|i| 0.3 + 0.01 * i as f64).collect();
        let mut compiled = Compiled::record(&vec![0.5; n], f).unwrap();
        let tape = Tape::new();
        let inputs: Vec<_> = x.iter().map(|&x| tape.var(x)).collect();
        let y = f(&inputs);
        let adjoints = y.backward();
        let mut g = vec![0.0; n];
        let value = compiled.value_and_gradient(&x, &mut g).unwrap();
        assert!(close(value, y.value(), 1e-13));
        for (a, &x) in g.iter().zip(&inputs) {
            assert!(close(*a, adjoints.wrt(x), 1e-11), "{n}: {a} is not {}", adjoints.wrt(x));
        }
    }
}

#[test]
fn single_precision() {
    let mut f = Compiled::<f32>::record(&[1.0, 2.0], |x| (x[0] * x[1]).sin() + x[0].exp()).unwrap();
    let mut g = [0.0; 2];
    let value = f.value_and_gradient(&[0.5, 3.0], &mut g).unwrap();
    assert!((value - (1.5_f32.sin() + 0.5_f32.exp())).abs() < 1e-6);
    assert!((g[0] - (3.0 * 1.5_f32.cos() + 0.5_f32.exp())).abs() < 1e-5);
    assert!((g[1] - 0.5 * 1.5_f32.cos()).abs() < 1e-6);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let mut f = Compiled::record(&[1.0, 1.0], |x: &[Traced]| (x[0] * x[1]).sin().exp() / (x[0] * x[0] + 1.0)).unwrap();
    let points: Vec<[f64; 2]> = (0..1003).map(|i| [0.01 * f64::from(i), 2.0 - 0.003 * f64::from(i)]).collect();
    let results: Vec<_> = [1, 2, 3, 8]
        .into_iter()
        .map(|threads| {
            pool::set_threads(threads);
            f.gradients(&points).unwrap()
        })
        .collect();
    pool::set_threads(0);
    assert!(results.iter().all(|result| *result == results[0]));
}
