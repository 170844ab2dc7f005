//! Every gradient of every evaluation, in every way, against finite differences of the plain objective.

use serde_json::Value;
use wengert_gradbench::evals::Evaluation;
use wengert_gradbench::evals::ba::{Ba, CAMERA, Errors, INPUTS, Sparse, jacobian_run};
use wengert_gradbench::evals::hello::Hello;
use wengert_gradbench::evals::kmeans::Kmeans;
use wengert_gradbench::evals::particle::Particle;
use wengert_gradbench::evals::saddle::Saddle;
use wengert_gradbench::inputs;
use wengert_gradbench::ways::{Objective, Way};

const WAYS: [Way; 2] = [Way::Record, Way::Replay];

/// All numbers of a value, in the order of the parameters.
fn flat(value: &Value, out: &mut Vec<f64>) {
    match value {
        Value::Number(number) => out.push(number.as_f64().expect("a number")),
        Value::Array(values) => values.iter().for_each(|value| flat(value, out)),
        Value::Object(fields) => {
            for name in ["alpha", "mu", "q", "l"] {
                flat(&fields[name], out);
            }
        }
        _ => panic!("{value} isn't numbers"),
    }
}

fn run(evaluation: Evaluation, function: &str, way: Option<Way>) -> Vec<f64> {
    let mut job = evaluation.job(function, way).expect("a job");
    job.run().expect("a run");
    let first = job.output();
    job.run().expect("another run");
    assert_eq!(first, job.output(), "a second run differs");
    let mut out = vec![];
    flat(&first, &mut out);
    out
}

fn close(a: f64, b: f64, tolerance: f64, what: &str) {
    let apart = (a - b).abs() / f64::max(1.0, a.abs() + b.abs());
    assert!(apart <= tolerance, "{what}: {a} and {b}");
}

/// Compares all ways with each other, and with differences of `functions[0]`, of order four, along every parameter.
fn check(make: impl Fn(&[f64]) -> Evaluation, point: &[f64], functions: [&str; 2], ways: &[Way]) {
    let reference = run(make(point), functions[1], Some(Way::Record));
    assert_eq!(reference.len(), point.len());
    for &way in ways {
        let gradient = run(make(point), functions[1], Some(way));
        assert_eq!(gradient.len(), point.len());
        for (i, (a, b)) in gradient.iter().zip(&reference).enumerate() {
            close(*a, *b, 1e-12, &format!("{way}, entry {i}"));
        }
    }
    assert_eq!(run(make(point), functions[1], None).len(), point.len());
    for i in 0..point.len() {
        let value = |step: f64| {
            let mut moved = point.to_vec();
            moved[i] += step;
            *run(make(&moved), functions[0], None).last().expect("a value")
        };
        let h = 1e-3;
        let difference = (8.0 * (value(h) - value(-h)) - (value(2.0 * h) - value(-2.0 * h))) / (12.0 * h);
        close(reference[i], difference, 1e-8, &format!("difference, entry {i}"));
    }
}

#[test]
fn hello() {
    check(|x| Evaluation::Hello(Hello([x[0]])), &[3.0], ["square", "double"], &WAYS);
}

#[test]
fn gmm() {
    for (d, k, n, m) in [(3, 4, 13, 2), (1, 2, 5, 0), (2, 1, 9, 1)] {
        let gmm = inputs::gmm(d, k, n, m);
        let make = |x: &[f64]| {
            let mut gmm = gmm.clone();
            gmm.parameters = x.to_vec();
            Evaluation::Gmm(gmm)
        };
        check(make, gmm.point(), ["objective", "jacobian"], &[Way::Replay, Way::Tensor]);
    }
}

#[test]
fn lstm() {
    let lstm = inputs::lstm(2, 7, 3);
    let make = |x: &[f64]| {
        let mut lstm = lstm.clone();
        lstm.parameters = x.to_vec();
        Evaluation::Lstm(lstm)
    };
    check(make, &lstm.parameters, ["objective", "jacobian"], &WAYS);
}

#[test]
fn lse() {
    for n in [1, 2, 37] {
        check(
            |x| Evaluation::Lse(wengert_gradbench::evals::lse::Lse(x.to_vec())),
            &inputs::lse(n).0,
            ["primal", "gradient"],
            &WAYS,
        );
    }
}

#[test]
fn det() {
    for ell in [1, 2, 5] {
        let make = |x: &[f64]| Evaluation::Det(wengert_gradbench::evals::det::Det { a: x.to_vec(), ell });
        check(make, &inputs::det(ell).a, ["primal", "gradient"], &WAYS);
    }
}

#[test]
fn llsq() {
    for (n, m) in [(17, 5), (2, 1)] {
        let make = |x: &[f64]| Evaluation::Llsq(wengert_gradbench::evals::llsq::Llsq { x: x.to_vec(), n });
        check(make, &inputs::llsq(n, m).x, ["primal", "gradient"], &WAYS);
    }
}

#[test]
fn ode() {
    for (n, s) in [(6, 3), (1, 1), (4, 10)] {
        let make = |x: &[f64]| Evaluation::Ode(wengert_gradbench::evals::ode::Ode { x: x.to_vec(), s });
        check(make, &inputs::ode(n, s).x, ["primal", "gradient"], &WAYS);
    }
}

/// Newton's direction goes from each centroid to the mean of its points, backwards.
#[test]
fn kmeans() {
    let kmeans = inputs::kmeans(4, 50, 3);
    let mut sums = [0.0; 12];
    let mut counts = [0.0; 4];
    for point in kmeans.points.chunks(3) {
        let distance = |centroid: &[f64]| centroid.iter().zip(point).map(|(c, x)| (c - x) * (c - x)).sum::<f64>();
        let distances: Vec<f64> = kmeans.centroids.chunks(3).map(distance).collect();
        let nearest = (0..4).min_by(|&i, &j| distances[i].total_cmp(&distances[j])).expect("four");
        counts[nearest] += 1.0;
        for (sum, x) in sums[3 * nearest..].iter_mut().zip(point) {
            *sum += x;
        }
    }
    for way in WAYS {
        let direction = run(Evaluation::Kmeans(kmeans.clone()), "dir", Some(way));
        for (i, step) in direction.into_iter().enumerate() {
            close(step, kmeans.centroids[i] - sums[i] / counts[i / 3], 1e-12, "direction");
        }
    }
    let mut gradient = wengert_gradbench::ways::recorded(kmeans.clone());
    let mut slopes = vec![];
    gradient(&mut slopes).expect("a gradient");
    for (i, slope) in slopes.into_iter().enumerate() {
        let value = |step: f64| {
            let mut moved: Kmeans = kmeans.clone();
            moved.centroids[i] += step;
            run(Evaluation::Kmeans(moved), "cost", None)[0]
        };
        close(slope, (value(1e-5) - value(-1e-5)) / 2e-5, 1e-7, "slope");
    }
}

fn ba_errors(ba: &Ba) -> Vec<f64> {
    let mut errors = Errors::default();
    ba.errors(&mut errors);
    [errors.reprojection, errors.weights].concat()
}

#[test]
fn ba() {
    let mut ba = inputs::ba(3, 5, 11);
    ba.cameras[..3].fill(0.0); // the branch without a rotation
    let mut reference = Sparse::default();
    jacobian_run(ba.clone(), Some(Way::Record)).expect("a job")(&mut reference).expect("a run");
    let rows = 3 * ba.p;
    let columns = CAMERA * ba.n + 3 * ba.m + ba.p;
    assert_eq!((reference.pattern.rows.len(), reference.values.len()), (rows + 1, (2 * INPUTS + 1) * ba.p));
    for way in WAYS {
        let mut jacobian = Sparse::default();
        let mut run = jacobian_run(ba.clone(), Some(way)).expect("a job");
        run(&mut jacobian).expect("a run");
        run(&mut jacobian).expect("another run");
        assert_eq!(jacobian.pattern, reference.pattern);
        for (i, (&a, &b)) in jacobian.values.iter().zip(&reference.values).enumerate() {
            close(a, b, 1e-12, &format!("{way}, entry {i}"));
        }
    }
    let mut dense = vec![0.0; rows * columns];
    for row in 0..rows {
        for entry in reference.pattern.rows[row]..reference.pattern.rows[row + 1] {
            dense[row * columns + reference.pattern.columns[entry]] = reference.values[entry];
        }
    }
    for column in 0..columns {
        let moved = |step: f64| {
            let mut ba = ba.clone();
            let (cameras, points) = (ba.cameras.len(), ba.points.len());
            match column {
                c if c < cameras => ba.cameras[c] += step,
                c if c < cameras + points => ba.points[c - cameras] += step,
                c => ba.weights[c - cameras - points] += step,
            }
            ba_errors(&ba)
        };
        // At exactly no rotation the formula without one holds, and the other one around it.
        let h = 1e-5;
        for (row, (up, down)) in moved(h).into_iter().zip(moved(-h)).enumerate() {
            close(dense[row * columns + column], (up - down) / (2.0 * h), 1e-6, &format!("[{row}, {column}]"));
        }
    }
}

#[test]
fn ht() {
    for complicated in [false, true] {
        for mirrored in [false, true] {
            let mut ht = inputs::ht(30, 8, complicated);
            ht.mirrored = mirrored;
            let columns = ht.columns();
            let reference = run(Evaluation::Ht(ht.clone()), "jacobian", Some(Way::Record));
            let replayed = run(Evaluation::Ht(ht.clone()), "jacobian", Some(Way::Replay));
            assert_eq!((reference.len(), replayed.len()), (24 * columns, 24 * columns));
            reference.iter().zip(&replayed).for_each(|(&a, &b)| close(a, b, 1e-12, "replayed"));
            for column in 0..columns {
                let moved = |step: f64| {
                    let mut ht = ht.clone();
                    match (complicated, column) {
                        (true, 0 | 1) => ht.us.iter_mut().skip(column).step_by(2).for_each(|u| *u += step),
                        (true, _) => ht.theta[column - 2] += step,
                        (false, _) => ht.theta[column] += step,
                    }
                    run(Evaluation::Ht(ht), "objective", None)
                };
                for (row, (up, down)) in moved(1e-5).into_iter().zip(moved(-1e-5)).enumerate() {
                    close(reference[row * columns + column], (up - down) / 2e-5, 1e-8, &format!("[{row}, {column}]"));
                }
            }
        }
    }
}

#[test]
fn saddle_in_all_modes() {
    for modes in ["rr", "rf", "fr", "ff"] {
        let found = run(Evaluation::Saddle(Saddle([1.0, 1.0])), modes, None);
        assert_eq!(found.len(), 4);
        found.iter().for_each(|&x| close(x, 8.246324826140356e-06, 1e-12, modes));
    }
}

#[test]
fn particle_in_all_modes() {
    for modes in ["rr", "rf", "fr", "ff"] {
        let found = run(Evaluation::Particle(Particle(0.0)), modes, None);
        close(found[0], 0.2071918746488116, 1e-9, modes);
    }
}
