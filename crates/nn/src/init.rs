//! Initialisers: how the values of a weight are drawn. Fans, gains and defaults are PyTorch's.
//!
//! For a weight `[out, in, k...]`, `fan_in = in ∏k` and `fan_out = out ∏k`. A shape with fewer than two axes has no fans in
//! PyTorch; here a vector of `n` elements counts as `[n, 1]` and a number as `[1, 1]`.

use rand::{Rng, RngExt};
use wengert_autograd::{Element, Shape, Tensor};

/// The number of inputs that an output sums over, and of outputs that an input reaches.
///
/// ```
/// assert_eq!(wengert_nn::init::fans([64, 3, 5, 5]), (75, 1600));
/// ```
pub fn fans(shape: impl Into<Shape>) -> (usize, usize) {
    let shape = shape.into();
    let axis = |i: usize| shape.get(i).copied().unwrap_or(1);
    let window: usize = shape.iter().skip(2).product();
    (axis(1).saturating_mul(window), axis(0).saturating_mul(window))
}

/// Which fan keeps its variance: the forward pass's, or the backward pass's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fan {
    /// The inputs of an output: the default.
    #[default]
    In,
    /// The outputs of an input.
    Out,
}

/// What follows a layer, for [`gain`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Nonlinearity {
    /// Nothing.
    Linear,
    /// `sigmoid`
    Sigmoid,
    /// `tanh`
    Tanh,
    /// `relu`
    Relu,
    /// `leaky_relu` with a slope.
    LeakyRelu(f64),
    /// `selu`
    Selu,
}

/// By how much a weight is to be larger because of the function that follows it: 1 for linear and sigmoid, 5/3 for tanh,
/// √2 for relu, `√(2 / (1 + slope²))` for leaky relu, 3/4 for selu.
pub fn gain(nonlinearity: Nonlinearity) -> f64 {
    match nonlinearity {
        Nonlinearity::Linear | Nonlinearity::Sigmoid => 1.0,
        Nonlinearity::Tanh => 5.0 / 3.0,
        Nonlinearity::Relu => std::f64::consts::SQRT_2,
        Nonlinearity::LeakyRelu(slope) => (2.0 / (1.0 + slope * slope)).sqrt(),
        Nonlinearity::Selu => 0.75,
    }
}

/// Options of Kaiming's initialisers. Defaults, those of PyTorch: fan in, leaky relu of slope 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kaiming {
    /// The fan that keeps its variance.
    pub fan: Fan,
    /// What follows.
    pub nonlinearity: Nonlinearity,
}

impl Default for Kaiming {
    fn default() -> Self {
        Kaiming { fan: Fan::In, nonlinearity: Nonlinearity::LeakyRelu(0.0) }
    }
}

impl Kaiming {
    /// `gain / √fan`
    fn deviation(self, shape: &Shape) -> f64 {
        let (fan_in, fan_out) = fans(shape);
        let fan = match self.fan {
            Fan::In => fan_in,
            Fan::Out => fan_out,
        };
        gain(self.nonlinearity) / (fan.max(1) as f64).sqrt()
    }
}

/// `U(low, high)`.
pub fn uniform<T: Element>(shape: impl Into<Shape>, low: f64, high: f64, rng: &mut (impl Rng + ?Sized)) -> Tensor<T> {
    Tensor::rand_uniform(shape, T::of(low), T::of(high), rng)
}

/// `N(mean, deviation²)`.
pub fn normal<T: Element>(
    shape: impl Into<Shape>,
    mean: f64,
    deviation: f64,
    rng: &mut (impl Rng + ?Sized),
) -> Tensor<T> {
    let draws: Tensor<f64> = Tensor::randn(shape, rng);
    draws.map_values(|draw| mean + deviation * draw).cast()
}

/// `N(mean, deviation²)` without what lies outside `[low, high]`: those draws are repeated. PyTorch's defaults: mean 0,
/// deviation 1, low -2, high 2.
///
/// Where the interval is empty, or so far out that 1,000 draws miss it, the nearest bound stands in.
pub fn trunc_normal<T: Element>(
    shape: impl Into<Shape>,
    mean: f64,
    deviation: f64,
    [low, high]: [f64; 2],
    rng: &mut (impl Rng + ?Sized),
) -> Tensor<T> {
    Tensor::from_fn(shape, |_| {
        let mut draw = mean;
        for _ in 0..1_000 {
            let normal: f64 = rng.sample(rand_distr::StandardNormal);
            draw = mean + deviation * normal;
            if (low..=high).contains(&draw) {
                break;
            }
        }
        T::of(draw.min(high).max(low))
    })
}

/// The same value everywhere.
pub fn constant<T: Element>(shape: impl Into<Shape>, value: f64) -> Tensor<T> {
    Tensor::full(shape, T::of(value))
}

/// Zeros.
pub fn zeros<T: Element>(shape: impl Into<Shape>) -> Tensor<T> {
    Tensor::zeros(shape)
}

/// Ones.
pub fn ones<T: Element>(shape: impl Into<Shape>) -> Tensor<T> {
    Tensor::ones(shape)
}

/// `gain √(2 / (fan_in + fan_out))`
fn xavier_deviation(shape: &Shape, gain: f64) -> f64 {
    let (fan_in, fan_out) = fans(shape);
    gain * (2.0 / (fan_in.saturating_add(fan_out)).max(1) as f64).sqrt()
}

/// `U(-a, a)` with `a = gain √(6 / (fan_in + fan_out))`. PyTorch's gain is 1.
///
/// Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
///
/// ```
/// use rand::SeedableRng;
/// use wengert_nn::init;
/// let mut rng = rand::rngs::StdRng::seed_from_u64(1);
/// let weight = init::xavier_uniform::<f64>([20, 10], 1.0, &mut rng);
/// assert!(weight.as_slice().iter().all(|value| value.abs() <= (6.0f64 / 30.0).sqrt()));
/// ```
pub fn xavier_uniform<T: Element>(shape: impl Into<Shape>, gain: f64, rng: &mut (impl Rng + ?Sized)) -> Tensor<T> {
    let shape = shape.into();
    let bound = 3f64.sqrt() * xavier_deviation(&shape, gain);
    uniform(shape, -bound, bound, rng)
}

/// `N(0, s²)` with `s = gain √(2 / (fan_in + fan_out))`. PyTorch's gain is 1. Source: as [`xavier_uniform`].
pub fn xavier_normal<T: Element>(shape: impl Into<Shape>, gain: f64, rng: &mut (impl Rng + ?Sized)) -> Tensor<T> {
    let shape = shape.into();
    let deviation = xavier_deviation(&shape, gain);
    normal(shape, 0.0, deviation, rng)
}

/// `U(-a, a)` with `a = gain √(3 / fan)`.
///
/// Source: He and others, "Delving deep into rectifiers", 2015.
pub fn kaiming_uniform<T: Element>(
    shape: impl Into<Shape>,
    options: Kaiming,
    rng: &mut (impl Rng + ?Sized),
) -> Tensor<T> {
    let shape = shape.into();
    let bound = 3f64.sqrt() * options.deviation(&shape);
    uniform(shape, -bound, bound, rng)
}

/// `N(0, s²)` with `s = gain / √fan`. Source: as [`kaiming_uniform`].
pub fn kaiming_normal<T: Element>(
    shape: impl Into<Shape>,
    options: Kaiming,
    rng: &mut (impl Rng + ?Sized),
) -> Tensor<T> {
    let shape = shape.into();
    let deviation = options.deviation(&shape);
    normal(shape, 0.0, deviation, rng)
}
