//! Data sets that need no file: a few points in the plane, or on a curve, for first models and for pictures.
//!
//! Each depends on its three arguments alone and is the same on every machine. `noise` is the standard deviation of
//! the normal noise added to each coordinate (to the target, where that is a number); its sign is of no account, and
//! noise that is not a finite number gives points that are not.

use std::f64::consts::{PI, TAU};

use wengert_autograd::{IndexTensor, Tensor};

use crate::dataset::Dataset;
use crate::random::{SplitMix64, permutation};

/// The four corners of the unit square in turn, (0, 0), (0, 1), (1, 0), (1, 1), with the label `x xor y`.
///
/// ```
/// let table = wengert_data::xor(4, 0.0, 0);
/// assert_eq!(table.inputs().as_slice(), [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
/// assert_eq!(table.targets().as_slice(), [0, 1, 1, 0]);
/// ```
pub fn xor(n: usize, noise: f64, seed: u64) -> Dataset {
    points((0..n).collect(), noise, seed, |i| {
        let (x, y) = (i / 2 % 2, i % 2);
        ([x as f64, y as f64], x ^ y)
    })
}

/// Two interleaved half circles of radius 1, in a random order: the upper one around (0, 0) with label 0 (half of the
/// points, rounded down), the lower one around (1, 0.5) with label 1. The shape of scikit-learn's `make_moons`.
///
/// ```
/// let moons = wengert_data::moons(200, 0.1, 7);
/// assert_eq!(*moons.inputs().shape(), [200, 2]);
/// assert_eq!(moons.targets().as_slice().iter().sum::<usize>(), 100);
/// ```
pub fn moons(n: usize, noise: f64, seed: u64) -> Dataset {
    halves(n, noise, seed, |label, i, count| {
        let (sine, cosine) = libm::sincos(PI * i as f64 / count.saturating_sub(1).max(1) as f64);
        if label == 0 { [cosine, sine] } else { [1.0 - cosine, 0.5 - sine] }
    })
}

/// Two circles around (0, 0), in a random order: radius 1 with label 0 (half of the points, rounded down), radius 0.8
/// with label 1. The shape of scikit-learn's `make_circles`.
///
/// ```
/// let circles = wengert_data::circles(4, 0.0, 7);
/// for (point, &label) in circles.inputs().as_slice().chunks(2).zip(circles.targets().as_slice()) {
///     let radius = point[0].hypot(point[1]);
///     assert!((radius - if label == 0 { 1.0 } else { 0.8 }).abs() < 1e-6);
/// }
/// ```
pub fn circles(n: usize, noise: f64, seed: u64) -> Dataset {
    halves(n, noise, seed, |label, i, count| {
        let radius = if label == 0 { 1.0 } else { 0.8 };
        polar(radius, TAU * i as f64 / count as f64)
    })
}

/// Two arms of an Archimedean spiral around (0, 0), in a random order: each makes 1.75 turns while its radius grows to
/// 1; label 0 (half of the points, rounded down) is label 1 turned by half a circle.
///
/// ```
/// let spiral = wengert_data::spiral(100, 0.0, 7);
/// assert_eq!(*spiral.inputs().shape(), [100, 2]);
/// assert!(spiral.inputs().as_slice().chunks(2).all(|point| point[0].hypot(point[1]) < 1.000_001));
/// ```
pub fn spiral(n: usize, noise: f64, seed: u64) -> Dataset {
    halves(n, noise, seed, |label, i, count| {
        let radius = (i + 1) as f64 / count as f64;
        polar(radius, 1.75 * TAU * radius + PI * label as f64)
    })
}

/// Three clouds in turn, with labels 0, 1 and 2, whose centres lie on a circle of radius 2 around (0, 0); `noise` is
/// the standard deviation of each cloud.
///
/// ```
/// let blobs = wengert_data::blobs(6, 0.5, 7);
/// assert_eq!(blobs.targets().as_slice(), [0, 1, 2, 0, 1, 2]);
/// ```
pub fn blobs(n: usize, noise: f64, seed: u64) -> Dataset {
    points((0..n).collect(), noise, seed, |i| (polar(2.0, PI / 2.0 + TAU * (i % 3) as f64 / 3.0), i % 3))
}

/// The line `y = 2 x + 1 + noise` at `x` drawn uniformly between -1 and 1; inputs and targets are `[n, 1]`.
///
/// ```
/// let line = wengert_data::linear(50, 0.0, 7);
/// for (x, y) in line.inputs().as_slice().iter().zip(line.targets().as_slice()) {
///     assert!((y - (2.0 * x + 1.0)).abs() < 1e-6);
/// }
/// ```
pub fn linear(n: usize, noise: f64, seed: u64) -> Dataset<Tensor, Tensor> {
    curve(n, noise, seed, 1.0, |x| 2.0 * x + 1.0)
}

/// The curve `y = sin(x) + noise` at `x` drawn uniformly between -pi and pi; inputs and targets are `[n, 1]`.
///
/// ```
/// let sine = wengert_data::sine(50, 0.0, 7);
/// for (x, y) in sine.inputs().as_slice().iter().zip(sine.targets().as_slice()) {
///     assert!((y - x.sin()).abs() < 1e-6);
/// }
/// ```
pub fn sine(n: usize, noise: f64, seed: u64) -> Dataset<Tensor, Tensor> {
    curve(n, noise, seed, PI, libm::sin)
}

fn polar(radius: f64, angle: f64) -> [f64; 2] {
    let (sine, cosine) = libm::sincos(angle);
    [radius * cosine, radius * sine]
}

/// Points of two classes in a random order: `place(label, i, count)` is where point `i` of `count` lies.
fn halves(n: usize, noise: f64, seed: u64, place: impl Fn(usize, usize, usize) -> [f64; 2]) -> Dataset {
    let first = n / 2;
    points(permutation(n, seed), noise, seed, |i| match i.checked_sub(first) {
        None => (place(0, i, first), 0),
        Some(i) => (place(1, i, n - first), 1),
    })
}

/// Points and labels in an order, with noise.
fn points(order: Vec<usize>, noise: f64, seed: u64, place: impl Fn(usize) -> ([f64; 2], usize)) -> Dataset {
    // The order was drawn from the seed itself.
    let mut random = SplitMix64::new(!seed);
    let mut labels = Vec::with_capacity(order.len());
    let mut coordinates = order.iter().flat_map(|&i| {
        let ([x, y], label) = place(i);
        labels.push(label);
        let [a, b] = random.normals();
        [x + noise * a, y + noise * b]
    });
    let inputs = Tensor::from_fn([order.len(), 2], |_| coordinates.next().unwrap_or_default() as f32);
    drop(coordinates);
    Dataset::of_rows(inputs, IndexTensor::from(labels), order.len())
}

/// `y = f(x) + noise` at `x` drawn uniformly between -reach and reach.
fn curve(n: usize, noise: f64, seed: u64, reach: f64, f: impl Fn(f64) -> f64) -> Dataset<Tensor, Tensor> {
    let mut random = SplitMix64::new(seed);
    let mut targets = Vec::with_capacity(n);
    let inputs = Tensor::from_fn([n, 1], |_| {
        let x = reach * (2.0 * random.uniform() - 1.0);
        targets.push((f(x) + noise * random.normals()[0]) as f32);
        x as f32
    });
    let targets = Tensor::from_fn([n, 1], |i| targets[i]);
    Dataset::of_rows(inputs, targets, n)
}
