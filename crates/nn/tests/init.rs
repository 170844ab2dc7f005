//! Initialisers: bounds and moments.

use rand::SeedableRng;
use rand::rngs::StdRng;
use wengert_autograd::Tensor;
use wengert_nn::init::*;

const SHAPE: [usize; 3] = [200, 50, 4];

/// Whether mean and deviation are as given, within five standard errors of 40,000 draws.
fn moments(values: &Tensor<f64>, mean: f64, deviation: f64) {
    let count = values.len() as f64;
    let own = values.as_slice().iter().sum::<f64>() / count;
    let variance = values.as_slice().iter().map(|value| (value - own).powi(2)).sum::<f64>() / count;
    assert!((own - mean).abs() < 5.0 * deviation / count.sqrt(), "mean {own} {mean}");
    assert!(
        (variance.sqrt() / deviation - 1.0).abs() < 5.0 / (2.0 * count).sqrt(),
        "deviation {} {deviation}",
        variance.sqrt()
    );
}

fn bounded(values: &Tensor<f64>, bound: f64) {
    let largest = values.as_slice().iter().fold(0.0f64, |most, value| most.max(value.abs()));
    assert!(largest <= bound && largest > 0.99 * bound, "{largest} {bound}");
}

#[test]
fn fans_are_pytorchs() {
    assert_eq!(fans(SHAPE), (200, 800));
    assert_eq!(fans([7, 3]), (3, 7));
    assert_eq!(fans([7]), (1, 7));
    assert_eq!(fans([]), (1, 1));
}

#[test]
fn xavier() {
    let mut rng = StdRng::seed_from_u64(1);
    let deviation = 2.0 * (2.0f64 / 1000.0).sqrt();
    let values = xavier_uniform(SHAPE, 2.0, &mut rng);
    bounded(&values, 2.0 * (6.0f64 / 1000.0).sqrt());
    moments(&values, 0.0, deviation);
    moments(&xavier_normal(SHAPE, 2.0, &mut rng), 0.0, deviation);
}

#[test]
fn kaiming() {
    let mut rng = StdRng::seed_from_u64(2);
    let values = kaiming_uniform(SHAPE, Kaiming::default(), &mut rng);
    bounded(&values, (6.0f64 / 200.0).sqrt());
    moments(&values, 0.0, (2.0f64 / 200.0).sqrt());
    let out = Kaiming { fan: Fan::Out, nonlinearity: Nonlinearity::Tanh };
    moments(&kaiming_normal(SHAPE, out, &mut rng), 0.0, 5.0 / 3.0 / 800f64.sqrt());
    let root = Kaiming { nonlinearity: Nonlinearity::LeakyRelu(5f64.sqrt()), ..Kaiming::default() };
    bounded(&kaiming_uniform(SHAPE, root, &mut rng), 1.0 / 200f64.sqrt());
}

#[test]
fn plain_ones() {
    let mut rng = StdRng::seed_from_u64(3);
    moments(&uniform(SHAPE, -1.0, 3.0, &mut rng), 1.0, 4.0 / 12f64.sqrt());
    moments(&normal(SHAPE, 2.0, 0.5, &mut rng), 2.0, 0.5);
    assert_eq!(constant::<f32>([2], 3.0).as_slice(), [3.0, 3.0]);
    assert_eq!((zeros::<f32>([1]).as_slice(), ones::<f32>([1]).as_slice()), (&[0.0][..], &[1.0][..]));
}

#[test]
fn truncated() {
    let mut rng = StdRng::seed_from_u64(4);
    let values = trunc_normal::<f64>(SHAPE, 0.0, 1.0, [-2.0, 2.0], &mut rng);
    bounded(&values, 2.0);
    // The variance of the normal distribution between -2 and 2.
    let variance: f64 = 0.773_741_303_549_923_7;
    moments(&values, 0.0, variance.sqrt());
    let far = trunc_normal::<f64>([3], 0.0, 1.0, [50.0, 51.0], &mut rng);
    assert_eq!(far.as_slice(), [50.0; 3]);
}
