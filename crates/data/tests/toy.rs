//! Generated data sets: where their points lie, and that they stay where they are.

use std::f64::consts::TAU;

use wengert_autograd::Tensor;
use wengert_data::{Dataset, blobs, circles, linear, moons, sine, spiral, xor};

type Classes = fn(usize, f64, u64) -> Dataset;
type Curve = fn(usize, f64, u64) -> Dataset<Tensor, Tensor>;
const CLASSES: [(Classes, usize); 5] = [(xor, 2), (moons, 2), (circles, 2), (spiral, 2), (blobs, 3)];
const CURVES: [Curve; 2] = [linear, sine];

/// Points with their labels.
fn points(data: &Dataset) -> impl Iterator<Item = (f64, f64, usize)> {
    let points = data.inputs().as_slice().chunks(2).map(|point| (f64::from(point[0]), f64::from(point[1])));
    points.zip(data.targets().as_slice()).map(|((x, y), &label)| (x, y, label))
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

#[test]
fn shapes_and_balance() {
    for n in [0, 1, 2, 3, 10, 301] {
        for (set, classes) in CLASSES {
            let data = set(n, 0.1, 7);
            assert_eq!((data.len(), &**data.inputs().shape(), &**data.targets().shape()), (n, &[n, 2][..], &[n][..]));
            assert!(data.inputs().is_finite());
            let count = |class| data.targets().as_slice().iter().filter(|&&label| label == class).count();
            assert_eq!((0..classes).map(count).sum::<usize>(), n);
            assert!((0..classes).all(|class| count(class).abs_diff(n / classes) <= 1));
        }
        for curve in CURVES {
            let data = curve(n, 0.1, 7);
            assert_eq!((&**data.inputs().shape(), &**data.targets().shape()), (&[n, 1][..], &[n, 1][..]));
        }
    }
}

#[test]
fn the_seed_decides() {
    for (set, _) in CLASSES {
        assert_eq!(set(50, 0.1, 7), set(50, 0.1, 7));
        assert_ne!(set(50, 0.1, 7), set(50, 0.1, 8));
    }
    for curve in CURVES {
        assert_eq!(curve(50, 0.1, 7), curve(50, 0.1, 7));
        assert_ne!(curve(50, 0.1, 7), curve(50, 0.1, 8));
    }
}

/// Computed from the documented algorithms by another program; equal to the last bit on every machine.
#[test]
fn points_stay_where_they_are() {
    let moons = moons(4, 0.1, 7);
    let expected = [-0.092874706, 0.4181883, 1.9465123, 0.50433666, 1.0203785, -0.10233746, -1.0536733, -0.04519447];
    assert_eq!(moons.inputs().as_slice(), expected);
    assert_eq!(moons.targets().as_slice(), [1, 1, 0, 0]);
    let sine = sine(2, 0.1, 7);
    assert_eq!(sine.inputs().as_slice(), [-0.6922201, 0.5210664]);
    assert_eq!(sine.targets().as_slice(), [-0.6233092, 0.49819732]);
}

#[test]
fn moons_are_half_circles() {
    for (x, y, label) in points(&moons(301, 0.0, 7)) {
        let (x, y) = if label == 0 { (x, y) } else { (1.0 - x, 0.5 - y) };
        assert!(close(x.hypot(y), 1.0) && y > -1e-6);
    }
    // Both ends of both are there.
    for end in [(1.0, 0.0), (-1.0, 0.0), (0.0, 0.5), (2.0, 0.5)] {
        assert!(points(&moons(301, 0.0, 7)).any(|(x, y, _)| close(x, end.0) && close(y, end.1)), "{end:?}");
    }
}

#[test]
fn circles_are_closed_and_even() {
    let data = circles(9, 0.0, 7);
    for (label, radius, count) in [(0, 1.0, 4), (1, 0.8, 5)] {
        let mut angles: Vec<f64> =
            points(&data).filter(|point| point.2 == label).map(|(x, y, _)| y.atan2(x).rem_euclid(TAU)).collect();
        assert!(points(&data).filter(|point| point.2 == label).all(|(x, y, _)| close(x.hypot(y), radius)));
        angles.sort_by(f64::total_cmp);
        assert!(angles.windows(2).all(|pair| (pair[1] - pair[0] - TAU / f64::from(count)).abs() < 1e-5));
    }
}

#[test]
fn spiral_arms_mirror_each_other() {
    let data = spiral(60, 0.0, 7);
    for (x, y, label) in points(&data) {
        assert!(points(&data).any(|(u, v, other)| other != label && close(x, -u) && close(y, -v)));
    }
}

#[test]
fn blobs_lie_around_their_centres() {
    let clean: Vec<_> = points(&blobs(3, 0.0, 7)).collect();
    for (x, y, label) in &clean {
        assert!(close(x.hypot(*y), 2.0));
        let [(u, v, _), (s, t, _)] = [clean[(label + 1) % 3], clean[(label + 2) % 3]];
        assert!(close((x - u).hypot(y - v), (x - s).hypot(y - t)));
    }
    for (x, y, label) in points(&blobs(3000, 0.2, 7)) {
        let (u, v, _) = clean[label];
        assert!((x - u).hypot(y - v) < 0.2 * 6.0);
    }
}

/// The deviation of noisy points from clean ones is normal noise of the given size.
#[test]
fn noise_has_its_size() {
    for (set, _) in CLASSES {
        let (clean, noisy) = (set(4000, 0.0, 7), set(4000, 0.3, 7));
        assert_eq!(clean.targets(), noisy.targets());
        let pairs = clean.inputs().as_slice().iter().zip(noisy.inputs().as_slice());
        let off: Vec<f64> = pairs.map(|(clean, noisy)| f64::from(noisy - clean)).collect();
        let mean = off.iter().sum::<f64>() / off.len() as f64;
        let deviation = (off.iter().map(|x| x * x).sum::<f64>() / off.len() as f64).sqrt();
        // Five standard errors of 8,000 draws.
        assert!(mean.abs() < 0.017 && (deviation - 0.3).abs() < 0.012, "{mean} {deviation}");
    }
    let data = linear(4000, 0.3, 7);
    let pairs = data.inputs().as_slice().iter().zip(data.targets().as_slice());
    let squares: f64 = pairs.map(|(x, y)| f64::from(y - (2.0 * x + 1.0)).powi(2)).sum();
    assert!(((squares / 4000.0).sqrt() - 0.3).abs() < 0.017);
}

#[test]
fn noise_that_is_no_number_does_no_harm() {
    for noise in [f64::NAN, f64::INFINITY, -0.1, f64::MAX] {
        for (set, _) in CLASSES {
            assert_eq!(set(10, noise, 7).len(), 10);
        }
        for curve in CURVES {
            assert_eq!(curve(10, noise, 7).len(), 10);
        }
    }
}
