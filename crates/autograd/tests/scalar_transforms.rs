//! Derivatives of functions: transforms, nesting, statements, sums of terms, long recursions.

use std::cell::Cell;

use wengert_autograd::Real;
use wengert_autograd::scalar::{
    Dual, Scalar, Tape, Var, checkpointed_loop, checkpointed_loop_within, derivative, dot, grad, hessian, hvp,
    jacobian, linear_combination, logsumexp, sqnorm, sum, value_and_grad,
};

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * (1.0 + b.abs())
}

/// The gradient of a function of plain numbers by five-point differences.
fn differences(f: impl Fn(&[f64]) -> f64, x: &[f64]) -> Vec<f64> {
    let at = |i: usize, step: f64| {
        let mut x = x.to_vec();
        x[i] += step;
        f(&x)
    };
    let step = 1e-3;
    (0..x.len())
        .map(|i| (8.0 * (at(i, step) - at(i, -step)) - (at(i, 2.0 * step) - at(i, -2.0 * step))) / (12.0 * step))
        .collect()
}

fn wavy<R: Real>(x: &[R]) -> R {
    let product = x[0] * x[1].exp() + (x[2] * x[0]).sin();
    product * product / (x[1] * x[1] + x[2].cosh()) + x[3].tanh() * x[0]
}

const POINT: [f64; 4] = [0.7, -0.4, 1.2, 0.3];

#[test]
fn gradients_equal_differences() {
    let (value, gradient) = value_and_grad(|x| wavy(x), &POINT);
    assert_eq!(value, wavy(&POINT));
    for (a, b) in gradient.iter().zip(differences(wavy::<f64>, &POINT)) {
        assert!(close(*a, b, 1e-9), "{a} {b}");
    }
    assert_eq!(grad(|x| wavy(x), &POINT), gradient);
}

#[test]
fn jacobians_in_both_modes_agree_with_gradients() {
    // More rows than a sweep has lanes, and more columns.
    let rows = |count: usize| {
        let j = jacobian(|x| (0..count).map(|i| wavy(x) * i as f64 + x[i % 4]).collect(), &POINT);
        let gradient = grad(|x| wavy(x), &POINT);
        assert_eq!(j.dim(), (count, 4));
        for ((i, k), &entry) in j.indexed_iter() {
            let expected = gradient[k] * i as f64 + f64::from(u8::from(i % 4 == k));
            assert!(close(entry, expected, 1e-13), "{i} {k}: {entry} {expected}");
        }
    };
    (0..20).for_each(rows);
    let wide = jacobian(|x| vec![sqnorm(x), Var::constant(1.0), x[19]], &[1.5; 20]);
    assert_eq!(wide.row(0).to_vec(), vec![3.0; 20]);
    assert_eq!((wide.row(1).sum(), wide.row(2).sum(), wide[[2, 19]]), (0.0, 1.0, 1.0));
    let tall = jacobian(|x| (0..30).map(|i| x[i % 17] * 2.0).chain([dot(x, x)]).collect(), &[1.5; 17]);
    assert_eq!((tall[[20, 3]], tall[[20, 4]], tall[[30, 16]]), (2.0, 0.0, 3.0));
}

#[test]
fn second_derivatives_equal_differences_of_gradients() {
    let h = hessian(|x| wavy(x), &POINT);
    for j in 0..4 {
        let column = differences(|x| grad(|x| wavy(x), x)[j], &POINT);
        for i in 0..4 {
            assert!(close(h[[i, j]], column[i], 1e-8), "{i} {j}");
            assert!(close(h[[i, j]], h[[j, i]], 1e-12), "{i} {j}");
        }
    }
    let v = [1.0, -2.0, 0.5, 3.0];
    for (i, product) in hvp(|x| wavy(x), &POINT, &v).into_iter().enumerate() {
        assert!(close(product, (0..4).map(|j| h[[i, j]] * v[j]).sum(), 1e-12));
    }
}

#[test]
fn third_derivatives_by_nesting() {
    // d³/dx³ of exp(2x) sin x = exp(2x) (2 sin x + 11 cos x)
    let x = 0.3f64;
    let expected = (2.0 * x).exp() * (2.0 * x.sin() + 11.0 * x.cos());
    let reverse = derivative(|x| derivative(|y| derivative(|z| (z * 2.0).exp() * z.sin(), y), x), x);
    assert!(close(reverse, expected, 1e-13), "{reverse} {expected}");
    fn one<T: Scalar>(x: T) -> Dual<T> {
        Dual::variable(x)
    }
    let forward = one(one(one(x)));
    let forward = ((forward * 2.0).exp() * forward.sin()).derivative.derivative.derivative;
    assert!(close(forward, expected, 1e-13), "{forward} {expected}");
    // Reverse over forward over forward.
    let mixed = derivative(|x| ((one(one(x)) * 2.0).exp() * one(one(x)).sin()).derivative.derivative, x);
    assert!(close(mixed, expected, 1e-13), "{mixed} {expected}");
}

#[test]
fn a_derivative_in_a_derivative_sees_the_outer_variable_as_a_number() {
    assert_eq!(derivative(|x| x * derivative(|y| x + y, Var::constant(1.0)), 1.0), 1.0);
    assert_eq!(derivative(|x| x * derivative(|y| y * x, x), 3.0), 6.0);
}

#[test]
fn statements_equal_the_loops_they_stand_for() {
    let x: Vec<f64> = (0..17).map(|i| (f64::from(i) * 0.7).sin()).collect();
    let c: Vec<f64> = (0..17).map(|i| (f64::from(i) * 0.3).cos()).collect();
    let tape = Tape::new();
    let v = tape.vars(&x);
    let loops = [
        v.iter().fold(Var::constant(0.0), |s, &x| s + x),
        v.iter().zip(v.iter().skip(1)).fold(Var::constant(0.0), |s, (&x, &y)| s + x * y),
        v.iter().zip(&c).fold(Var::constant(0.0), |s, (&x, &c)| s + x * c),
        v.iter().fold(Var::constant(0.0), |s, &x| s + x * x),
        v.iter().fold(Var::constant(0.0), |s, &x| s + x.exp()).ln(),
        v[0] * v[1] + v[2],
    ];
    let statements = [
        sum(&v),
        dot(&v[..16], &v[1..]),
        linear_combination(&c, &v),
        sqnorm(&v),
        logsumexp(&v),
        v[0].mul_add(v[1], v[2]),
    ];
    for (i, (one, many)) in statements.into_iter().zip(loops).enumerate() {
        assert!(close(one.value(), many.value(), 1e-14), "{i}");
        let (a, b) = (one.backward().wrt_all(&v), many.backward().wrt_all(&v));
        for (a, b) in a.iter().zip(&b) {
            assert!(close(*a, *b, 1e-14), "{i}: {a} {b}");
        }
        let forward = tape.forward_lanes(&[(v[1], [1.0])]);
        assert!(close(forward.of(one)[0], b[1], 1e-14), "{i}");
    }
}

#[test]
fn statements_have_second_derivatives() {
    let x = [0.3, -0.8, 1.1];
    let one = hessian(|x| logsumexp(x) * dot(&x[..2], &x[1..]) + sqnorm(x) * sum(x), &x);
    let many = hessian(
        |x| {
            let lse = (x[0].exp() + x[1].exp() + x[2].exp()).ln();
            let squares = x[0] * x[0] + x[1] * x[1] + x[2] * x[2];
            lse * (x[0] * x[1] + x[1] * x[2]) + squares * (x[0] + x[1] + x[2])
        },
        &x,
    );
    one.iter().zip(&many).for_each(|(a, b)| assert!(close(*a, *b, 1e-13), "{a} {b}"));
    let nested = derivative(|x| derivative(|y| logsumexp(&[y, y * y, Var::constant(x)]), x), 0.4);
    let written = derivative(|x| derivative(|y| (y.exp() + (y * y).exp() + x.exp()).ln(), x), 0.4);
    assert!(close(nested, written, 1e-13), "{nested} {written}");
}

#[test]
fn edges_of_statements() {
    let tape = Tape::new();
    assert_eq!(sum::<f64>(&[]).value(), 0.0);
    assert_eq!(logsumexp::<f64>(&[]).value(), f64::NEG_INFINITY);
    let none = tape.vars(&[f64::NEG_INFINITY, f64::NEG_INFINITY]);
    assert_eq!(logsumexp(&none).backward().wrt_all(&none), [0.0, 0.0]);
    let infinite = tape.vars(&[f64::INFINITY, 0.0, f64::INFINITY]);
    assert_eq!(logsumexp(&infinite).backward().wrt_all(&infinite), [0.5, 0.0, 0.5]);
    let nan = tape.vars(&[1.0, f64::NAN]);
    assert!(logsumexp(&nan).value().is_nan());
    let x = tape.var(2.0);
    assert_eq!(dot(&[x, x], &[x, Var::constant(3.0)]).backward().wrt(x), 7.0);
}

#[test]
#[should_panic(expected = "scalar::dot: 1 numbers on the left, 2 on the right")]
fn a_dot_product_of_different_lengths() {
    let tape = Tape::new();
    let x = tape.vars(&[1.0, 2.0]);
    dot(&x[..1], &x);
}

#[test]
fn a_sum_of_terms_is_the_sum_written_out() {
    let tape = Tape::new();
    let p = tape.vars(&POINT);
    let q = [p[0], p[1] * p[1], p[2], p[3].exp()];
    let local = tape.sum(0..50, &q, |i, x| wavy(x) * (i as f64).cos() + x[i % 4]);
    let records = tape.len();
    let global = (0..50).map(|i| wavy(&q) * (i as f64).cos() + q[i % 4]).fold(Var::constant(0.0), |s, y| s + y);
    assert!(tape.len() > records + 100);
    assert!(close(local.value(), global.value(), 1e-13));
    let (a, b) = (local.backward().wrt_all(&p), global.backward().wrt_all(&p));
    a.iter().zip(&b).for_each(|(a, b)| assert!(close(*a, *b, 1e-12), "{a} {b}"));
    assert_eq!(tape.sum(0..0, &q, |_, x| x[0]).value(), 0.0);
    assert_eq!(tape.sum(0..3, &q, |_, _| Var::constant(2.0)).value(), 6.0);
    assert_eq!(tape.sum(0..3, &p, |_, x| x[1]).backward().wrt(p[1]), 3.0);
    // On a tape of duals the sum has second derivatives.
    fn h<'t>(x: &[Var<'t, Dual>]) -> Var<'t, Dual> {
        wavy(x) * 2.0
    }
    let direct = hvp(|x| h(x) + h(x), &POINT, &[1.0; 4]);
    let tape = Tape::new();
    let duals = tape.vars(&POINT.map(Dual::variable));
    let sum = tape.sum(0..2, &duals, |_, x| h(x)).backward().wrt_all(&duals);
    sum.iter().zip(&direct).for_each(|(a, b)| assert!(close(a.derivative, *b, 1e-13)));
}

/// A step of a driven pendulum by the classical Runge-Kutta method.
fn pendulum<R: Real>(i: usize, x: &[R], p: &[R]) -> Vec<R> {
    let h = x[0].constant(0.01);
    let time = x[0].constant(i as f64 * 0.01);
    let slope = |t: R, x: &[R]| [x[1], (p[0] * t).sin() - p[1] * x[0].sin() - p[2] * x[1]];
    let moved = |k: [R; 2], h: R| [x[0] + h * k[0], x[1] + h * k[1]];
    let half = h * h.constant(0.5);
    let k1 = slope(time, x);
    let k2 = slope(time + half, &moved(k1, half));
    let k3 = slope(time + half, &moved(k2, half));
    let k4 = slope(time + h, &moved(k3, h));
    let two = h.constant(2.0);
    let sixth = h / h.constant(6.0);
    (0..2).map(|d| x[d] + sixth * (k1[d] + two * (k2[d] + k3[d]) + k4[d])).collect()
}

#[test]
fn a_checkpointed_loop_is_the_loop_bit_for_bit() {
    for steps in [0, 1, 2, 3, 4, 5, 8, 9, 10, 99, 100, 101, 500] {
        let tape = Tape::new();
        let (x, p) = (tape.vars(&[0.3, -0.2]), tape.vars(&[1.1, 4.0, 0.2]));
        let end = checkpointed_loop(&x, &p, steps, |i, x, p| pendulum(i, x, p), |x, p| x[0] * x[1].cos() + p[2])
            .expect("two states");
        let mut state = x.clone();
        (0..steps).for_each(|i| state = pendulum(i, &state, &p));
        let direct = state[0] * state[1].cos() + p[2];
        assert_eq!(end.value(), direct.value());
        let (a, b) =
            (end.backward().wrt_all(&[&x[..], &p].concat()), direct.backward().wrt_all(&[&x[..], &p].concat()));
        assert_eq!(a, b, "{steps}");
    }
}

#[test]
fn a_checkpointed_loop_refuses_a_step_that_loses_states() {
    let tape = Tape::new();
    let x = tape.vars(&[0.3, -0.2]);
    let error = checkpointed_loop(&x, &[], 3, |_, x, _| vec![x[0]], |x, _| x[0]).expect_err("one state is missing");
    assert!(error.to_string().contains("step 0 returns 1 numbers for a state of 2"), "{error}");
}

#[test]
fn a_checkpointed_loop_has_second_derivatives() {
    fn f<'t>(x: Var<'t, Dual>) -> Var<'t, Dual> {
        checkpointed_loop(&[x], &[], 20, |_, x, _| vec![x[0] + x[0].sin() * 0.1], |x, _| x[0]).expect("one state")
    }
    fn g<'t>(x: Var<'t, Dual>) -> Var<'t, Dual> {
        (0..20).fold(x, |x, _| x + x.sin() * 0.1)
    }
    assert!(close(hvp(|x| f(x[0]), &[0.4], &[1.0])[0], hvp(|x| g(x[0]), &[0.4], &[1.0])[0], 1e-13));
}

#[test]
fn bad_numbers_give_numbers() {
    assert!(grad(|x| x[0].powf(0.5), &[-1.0f64])[0].is_nan());
    assert!(grad(|x| x[0] * x[1], &[f64::NAN, 1.0])[1].is_nan());
    assert_eq!(grad(|_| Var::constant(1.0), &[1.0, 2.0]), [0.0, 0.0]);
    assert_eq!(grad(|x| x[1], &[1.0, 2.0]), [0.0, 1.0]);
    assert!(grad(|_| Var::constant(1.0), &[]).is_empty());
    assert_eq!(jacobian(|_| vec![], &[1.0]).dim(), (0, 1));
    assert_eq!(hessian(|_| Var::constant(1.0.into()), &[]).dim(), (0, 0));
}

/// The fewest runs of steps with which `length` steps can be reversed, by trying every place for the next kept state.
fn fewest_runs(length: usize, snapshots: usize, known: &mut Vec<Vec<Option<usize>>>) -> usize {
    if length <= 1 {
        return 0;
    }
    if snapshots == 1 {
        return length * (length - 1) / 2;
    }
    if let Some(runs) = known[length][snapshots] {
        return runs;
    }
    let through = |next, known: &mut _| {
        next + fewest_runs(length - next, snapshots - 1, known) + fewest_runs(next, snapshots, known)
    };
    let runs = (1..length).map(|next| through(next, known)).min().expect("two steps at least");
    known[length][snapshots] = Some(runs);
    runs
}

/// The sine of the sine and so on of 0.5, with its derivative, and how often a step was run and recorded for them.
struct Sines {
    value: f64,
    slope: f64,
    runs: usize,
    recorded: usize,
}

fn sines(snapshots: usize, steps: usize) -> Sines {
    let (runs, recorded) = (Cell::new(0), Cell::new(0));
    let tape = Tape::new();
    let x = tape.var(0.5);
    let end = checkpointed_loop_within(
        snapshots,
        &[x],
        &[],
        steps,
        |_, x, _| {
            let count = if x[0].is_constant() { &runs } else { &recorded };
            count.set(count.get() + 1);
            vec![x[0].sin()]
        },
        |x, _| x[0],
    );
    let end = end.expect("one state");
    let slope = end.backward().wrt(x);
    Sines { value: end.value(), slope, runs: runs.get(), recorded: recorded.get() }
}

#[test]
fn no_schedule_of_checkpoints_runs_fewer_steps() {
    let known = &mut vec![vec![None; 8]; 62];
    for (snapshots, steps) in (1..8).flat_map(|snapshots| (0..60).map(move |steps| (snapshots, steps))) {
        let tape = Tape::new();
        let x = tape.var(0.5);
        let direct = (0..steps).fold(x, |x, _| x.sin());
        let sines = sines(snapshots, steps);
        assert_eq!((sines.value, sines.slope), (direct.value(), direct.backward().wrt(x)));
        assert_eq!(sines.recorded, steps);
        assert_eq!(sines.runs, fewest_runs(steps + 1, snapshots, known), "{snapshots} {steps}");
    }
}

/// The number of runs that Griewank and Walther state: `r l - (c + r)! / ((c + 1)! (r - 1)!)` for `l` steps.
#[test]
fn checkpoints_of_long_loops_run_as_often_as_stated() {
    for (snapshots, steps, runs) in [
        (8, 12_869, 8 * 12_870 - 11_440),    // 16! / (9! 7!)
        (1000, 501_500, 2 * 501_501 - 1002), // the most steps for two runs each: 1002 · 1001 / 2
        (3, 34, 4 * 35 - 35),                // 7! / (4! 3!)
    ] {
        let sines = sines(snapshots, steps);
        assert!(sines.value > 0.0 && sines.slope > 0.0);
        assert_eq!((sines.runs, sines.recorded), (runs, steps));
    }
}

#[test]
fn checkpoints_that_are_forbidden_and_loops_of_constants() {
    let tape = Tape::new();
    let x = tape.var(2.0);
    let error = checkpointed_loop_within(0, &[x], &[], 3, |_, x, _| x.to_vec(), |x, _| x[0]).expect_err("none");
    assert!(error.to_string().contains("no state may be kept"), "{error}");
    let end =
        checkpointed_loop_within(2, &[Var::constant(2.0)], &[], 5, |_, x, _| vec![x[0] + 1.0], |x, _| x[0] * x[0]);
    let end = end.expect("one state");
    assert_eq!((end.value(), end.is_constant()), (49.0, true));
}

#[test]
fn tanh_is_that_of_the_standard_library() {
    let mut size = 1e-9;
    while size < 30.0 {
        for x in [size, -size] {
            let (y, expected) = (Var::constant(x).tanh().value(), x.tanh());
            // Both err by about one unit in the last place.
            assert!((y - expected).abs() <= 4.0 * f64::EPSILON * expected.abs(), "tanh {x} is {y}, not {expected}");
        }
        size *= 1.0007;
    }
    for x in [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, 5e-324, 800.0] {
        assert_eq!(Var::constant(x).tanh().value().to_bits(), x.tanh().to_bits(), "{x}");
    }
    assert!(Var::constant(f64::NAN).tanh().value().is_nan());
}
