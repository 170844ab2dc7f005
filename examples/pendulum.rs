//! The parameters of a differential equation, fitted through its solver: a damped pendulum, watched for ten seconds.

use num_traits::Float;
use wengert::scalar::{Tape, checkpointed_loop, jacobian};

const STEP: f64 = 0.01;

/// `φ'' = -pull sin φ - friction φ'`, as the slope of (φ, φ').
fn slope<T: Float>([angle, speed]: [T; 2], [pull, friction]: [T; 2]) -> [T; 2] {
    [speed, -(pull * angle.sin()) - friction * speed]
}

/// One step of the classical Runge-Kutta method: the solver, generic over its numbers.
fn step<T: Float>(state: [T; 2], parameters: [T; 2]) -> [T; 2] {
    let number = |value: f64| T::from(value).expect("every number has constants");
    let ahead = |slope: [T; 2], h: f64| [0, 1].map(|i| state[i] + number(h) * slope[i]);
    let k1 = slope(state, parameters);
    let k2 = slope(ahead(k1, STEP / 2.0), parameters);
    let k3 = slope(ahead(k2, STEP / 2.0), parameters);
    let k4 = slope(ahead(k3, STEP), parameters);
    [0, 1].map(|i| state[i] + number(STEP / 6.0) * (k1[i] + number(2.0) * (k2[i] + k3[i]) + k4[i]))
}

/// The angle every half second, from a start at rest.
fn swing<T: Float>(parameters: [T; 2]) -> Vec<T> {
    let mut state = [T::from(1.5).expect("a constant"), T::zero()];
    let mut seen = vec![];
    for i in 1..=1000 {
        state = step(state, parameters);
        if i % 50 == 0 {
            seen.push(state[0]);
        }
    }
    seen
}

fn main() -> wengert::Result<()> {
    let truth = [9.81 / 1.2, 0.15];
    let measured: Vec<f64> = swing(truth).iter().enumerate().map(|(i, x)| x + 0.002 * (7.0 * i as f64).sin()).collect();
    let residuals = |p: [f64; 2]| -> Vec<f64> { swing(p).iter().zip(&measured).map(|(x, m)| x - m).collect() };
    let loss = |p: [f64; 2]| residuals(p).iter().map(|r| r * r).sum::<f64>();

    let (mut p, mut damping) = ([7.0, 0.05], 1e-3);
    println!("pull {:.4}  friction {:.4}  error {:.2e}  at the start", p[0], p[1], loss(p));
    for iteration in 1..=20 {
        // The derivatives of all measurements by both parameters, through every step of the solver.
        let slopes = jacobian(|p| swing([p[0], p[1]]), &p);
        let (mut normal, mut right) = ([[0.0; 2]; 2], [0.0; 2]);
        for (row, residual) in slopes.outer_iter().zip(residuals(p)) {
            for i in 0..2 {
                right[i] += row[i] * residual;
                (0..2).for_each(|j| normal[i][j] += row[i] * row[j]);
            }
        }
        // Levenberg and Marquardt: between Newton's step and the gradient's, by success.
        let [[a, b], [c, d]] =
            [[normal[0][0] * (1.0 + damping), normal[0][1]], [normal[1][0], normal[1][1] * (1.0 + damping)]];
        let determinant = a * d - b * c;
        let change = [(d * right[0] - b * right[1]) / determinant, (a * right[1] - c * right[0]) / determinant];
        let next = [p[0] - change[0], p[1] - change[1]];
        if loss(next) < loss(p) {
            (p, damping) = (next, damping / 10.0);
            println!("pull {:.4}  friction {:.4}  error {:.2e}  after step {iteration}", p[0], p[1], loss(p));
        } else {
            damping *= 10.0;
        }
        if change.iter().all(|c| c.abs() < 1e-10) {
            break;
        }
    }
    println!("true {:.4}           {:.4}", truth[0], truth[1]);
    assert!((p[0] - truth[0]).abs() < 5e-3 && (p[1] - truth[1]).abs() < 5e-3, "the fit must find the truth");

    long_run(p)
}

/// 100,000 steps, a thousand seconds: only some states are kept, the others computed again in the sweep.
fn long_run(p: [f64; 2]) -> wengert::Result<()> {
    let steps = 100_000;
    let tape = Tape::new();
    let (start, parameters) = (tape.vars(&[1.5, 0.0]), tape.vars(&[p[0], 1e-4]));
    let end = checkpointed_loop(
        &start,
        &parameters,
        steps,
        |_, s, p| step([s[0], s[1]], [p[0], p[1]]).to_vec(),
        |s, _| s[0],
    )?;
    let by_pull = end.backward().wrt(parameters[0]);

    let whole = Tape::new();
    let pull = whole.var(p[0]);
    let friction = wengert::scalar::Var::from(1e-4);
    let mut state = [1.5.into(), 0.0.into()];
    for _ in 0..steps {
        state = step(state, [pull, friction]);
    }
    let direct = state[0].backward().wrt(pull);
    println!("\nafter {steps} steps the angle is {:.6}; by the pull it changes {by_pull:.6}", end.value());
    println!("recorded as a whole: {} bytes; by checkpoints: {} on this tape", whole.bytes(), tape.bytes());
    assert_eq!(end.value(), state[0].value());
    assert!((by_pull - direct).abs() < 1e-9 * direct.abs().max(1.0), "{by_pull} and {direct} must agree");
    Ok(())
}
