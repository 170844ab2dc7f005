//! Inputs of the sizes that GradBench uses, from a seeded generator.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::evals::ba::{Ba, CAMERA};
use crate::evals::det::Det;
use crate::evals::gmm::Gmm;
use crate::evals::ht::{Ht, Matrix, THETA};
use crate::evals::kmeans::Kmeans;
use crate::evals::llsq::Llsq;
use crate::evals::lse::Lse;
use crate::evals::lstm::Lstm;
use crate::evals::ode::Ode;

/// Numbers that are the same on every machine.
#[derive(Debug)]
pub struct Source(SmallRng);

impl Source {
    /// Starts anew.
    pub fn new(seed: u64) -> Source {
        Source(SmallRng::seed_from_u64(seed))
    }

    /// Between two numbers.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    /// Many of them.
    pub fn uniforms(&mut self, n: usize, low: f64, high: f64) -> Vec<f64> {
        (0..n).map(|_| self.uniform(low, high)).collect()
    }

    /// Normally distributed (Box and Muller).
    pub fn normals(&mut self, n: usize) -> Vec<f64> {
        let normal = |source: &mut Source| {
            let radius = (-2.0 * (1.0 - source.uniform(0.0, 1.0)).ln()).sqrt();
            radius * source.uniform(0.0, std::f64::consts::TAU).cos()
        };
        (0..n).map(|_| normal(self)).collect()
    }
}

/// A mixture: weights, factors and points normal, means uniform.
pub fn gmm(d: usize, k: usize, n: usize, m: usize) -> Gmm {
    let mut source = Source::new(31337);
    let (alpha, mu) = (source.normals(k), source.uniforms(k * d, 0.0, 1.0));
    let rest = source.normals(k * d + k * d * (d - 1) / 2);
    Gmm { d, k, n, x: source.normals(n * d), m, gamma: 1.0, parameters: [alpha, mu, rest].concat() }
}

/// Cameras that look along the third axis at points in front of them.
pub fn ba(n: usize, m: usize, p: usize) -> Ba {
    let mut source = Source::new(31337);
    let mut cameras = vec![];
    for _ in 0..n {
        cameras.extend(source.uniforms(3, -0.3, 0.3));
        cameras.extend(source.uniforms(3, -1.0, 1.0));
        cameras.push(source.uniform(400.0, 600.0));
        cameras.extend(source.uniforms(2, -5.0, 5.0));
        cameras.extend(source.uniforms(2, -0.1, 0.1));
    }
    assert_eq!(cameras.len(), n * CAMERA);
    let mut points = vec![];
    for _ in 0..m {
        points.extend(source.uniforms(2, -2.0, 2.0));
        points.push(source.uniform(6.0, 12.0));
    }
    let weights = source.uniforms(p, 0.1, 1.0);
    let features = source.uniforms(2 * p, -100.0, 100.0);
    Ba { n, m, p, cameras, points, weights, features, observations: (0..p).map(|i| [i % n, i % m]).collect() }
}

/// A network with small weights and a sequence of random bits.
pub fn lstm(l: usize, c: usize, b: usize) -> Lstm {
    let mut source = Source::new(31337);
    let parameters = source.uniforms(8 * l * b + 3 * b, -0.5, 0.5);
    let state = source.uniforms(2 * l * b, -0.5, 0.5);
    let sequence = source.uniforms(c * b, 0.0, 1.0).into_iter().map(f64::round).collect();
    Lstm { l, c, b, parameters, state, sequence }
}

/// A hand of 22 bones that touches each vertex with four of them.
pub fn ht(vertices: usize, measurements: usize, complicated: bool) -> Ht {
    let mut source = Source::new(31337);
    let bones = 22;
    let parents = (0..bones).map(|bone| match bone {
        0 => None,
        _ if bone == bones - 1 || bone % 4 == 1 => Some(0),
        _ => Some(bone - 1),
    });
    let mut frames = || (0..bones).map(|_| frame(&mut source)).collect();
    let (base_relatives, inverse_base_absolutes) = (frames(), frames());
    let position = |_| [source.uniform(-1.0, 1.0), source.uniform(-1.0, 1.0), source.uniform(-1.0, 1.0), 1.0];
    let base_positions = (0..vertices).map(position).collect();
    let mut weights = vec![0.0; vertices * bones];
    for weights in weights.chunks_mut(bones) {
        for _ in 0..4 {
            weights[source.0.random_range(0..bones)] += 0.25;
        }
    }
    let mut vertex = || source.0.random_range(0..vertices);
    let triangles: Vec<[usize; 3]> = (0..2 * vertices).map(|_| [vertex(), vertex(), vertex()]).collect();
    let bound = if complicated { triangles.len() } else { vertices };
    let correspondences = (0..measurements).map(|_| source.0.random_range(0..bound)).collect();
    let points = source.uniforms(3 * measurements, -1.0, 1.0).as_chunks().0.to_vec();
    let us = if complicated { source.uniforms(2 * measurements, 0.0, 0.5) } else { vec![] };
    let theta = source.uniforms(THETA, -0.5, 0.5);
    Ht {
        parents: parents.collect(),
        base_relatives,
        inverse_base_absolutes,
        base_positions,
        weights,
        triangles,
        mirrored: false,
        correspondences,
        points,
        theta,
        us,
    }
}

/// A rotation about the third axis and a translation.
fn frame(source: &mut Source) -> Matrix<f64> {
    let (sin, cos) = source.uniform(-1.0, 1.0).sin_cos();
    let [x, y, z] = std::array::from_fn(|_| source.uniform(-0.5, 0.5));
    [[cos, -sin, 0.0, x], [sin, cos, 0.0, y], [0.0, 0.0, 1.0, z], [0.0, 0.0, 0.0, 1.0]]
}

/// Points in the unit cube, the first of which are the centroids: none is left without a point.
pub fn kmeans(k: usize, n: usize, d: usize) -> Kmeans {
    let mut source = Source::new(31337);
    let points = source.uniforms(n * d, 0.0, 1.0);
    let centroids = points[..k * d].iter().map(|x| x + 1e-3).collect();
    Kmeans { d, points, centroids }
}

/// Normal numbers.
pub fn lse(n: usize) -> Lse {
    Lse(Source::new(31337).normals(n))
}

/// Rates between 0 and 1.
pub fn ode(n: usize, s: usize) -> Ode {
    Ode { x: Source::new(31337).uniforms(n, 0.0, 1.0), s }
}

/// A matrix with entries between -1 and 1.
pub fn det(ell: usize) -> Det {
    Det { a: Source::new(31337).uniforms(ell * ell, -1.0, 1.0), ell }
}

/// Coefficients between -1 and 1.
pub fn llsq(n: usize, m: usize) -> Llsq {
    Llsq { x: Source::new(31337).uniforms(m, -1.0, 1.0), n }
}
