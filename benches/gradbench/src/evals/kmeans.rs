//! The cost of a clustering, and Newton's direction: gradient by the diagonal of the Hessian.

use serde_json::Value;
use wengert::scalar::{Dual, MapReduce, Tape, Traced, Var};

use crate::job::{Job, job};
use crate::json::{self, Result};
use crate::number::Number;
use crate::ways::{Gradient, Objective, Way};

/// Points and centroids.
#[derive(Clone, Debug)]
pub struct Kmeans {
    /// Dimensions.
    pub d: usize,
    /// `[n, d]`.
    pub points: Vec<f64>,
    /// `[k, d]`.
    pub centroids: Vec<f64>,
}

impl Kmeans {
    /// From the input of a message.
    pub fn parse(input: &Value) -> Result<Kmeans> {
        let (points, _, d) = json::matrix(input, "points")?;
        let (centroids, k, columns) = json::matrix(input, "centroids")?;
        json::expect("a centroid", columns, d)?;
        if d == 0 || k == 0 {
            return Err("one point, one centroid and one dimension are needed".into());
        }
        Ok(Kmeans { d, points, centroids })
    }
}

impl Objective for Kmeans {
    fn point(&self) -> &[f64] {
        &self.centroids
    }

    /// Which centroid is nearest is found among plain numbers: only its distance has a derivative.
    fn value<T: Number>(&self, centroids: &[T]) -> T {
        let places: Vec<f64> = centroids.iter().map(|x| x.value()).collect();
        let mut apart = vec![T::plain(0.0); self.d];
        let mut sum = T::plain(0.0);
        for point in self.points.chunks(self.d) {
            let nearest = nearest(point, &places) * self.d;
            for ((apart, &x), &c) in apart.iter_mut().zip(&centroids[nearest..]).zip(point) {
                *apart = x - T::plain(c);
            }
            sum += T::square_norm(&apart);
        }
        sum
    }
}

/// Which of the centroids is nearest to a point.
fn nearest(point: &[f64], centroids: &[f64]) -> usize {
    let mut least = (f64::INFINITY, 0);
    for (j, centroid) in centroids.chunks(point.len()).enumerate() {
        let distance: f64 = centroid.iter().zip(point).map(|(c, x)| (c - x) * (c - x)).sum();
        if distance < least.0 {
            least = (distance, j);
        }
    }
    least.1
}

/// Newton's direction.
pub fn direction(kmeans: Kmeans, way: Option<Way>) -> Result<Box<dyn Job>> {
    let d = kmeans.d;
    let run = match way {
        Some(Way::Tensor) => return Err("only gmm has been written for the tensor tape".into()),
        Some(Way::Record) => recorded(kmeans),
        _ => replayed(kmeans)?,
    };
    Ok(job(run, move |out: &Vec<f64>| json::nested(out, d)))
}

/// The distance of one point from its centroid is recorded, and replayed for the points of each centroid.
fn replayed(kmeans: Kmeans) -> Result<Gradient> {
    let words = |error: wengert::Error| error.to_string();
    let d = kmeans.d;
    let mut distance = MapReduce::record(&kmeans.centroids[..d], &kmeans.points[..d], |x, point| {
        let apart: Vec<Traced> = x.iter().zip(point).map(|(&x, &c)| x - c).collect();
        Traced::square_norm(&apart)
    })
    .map_err(words)?;
    let mut clusters = vec![vec![]; kmeans.centroids.len() / d];
    let (ones, mut slopes, mut curvatures) = (vec![1.0; d], vec![0.0; d], vec![0.0; d]);
    Ok(Box::new(move |out| {
        clusters.iter_mut().for_each(Vec::clear);
        for point in kmeans.points.chunks(d) {
            clusters[nearest(point, &kmeans.centroids)].extend_from_slice(point);
        }
        out.clear();
        for (centroid, points) in kmeans.centroids.chunks(d).zip(&clusters) {
            distance.gradient_and_hvp(centroid, points, &ones, &mut slopes, &mut curvatures).map_err(words)?;
            out.extend(slopes.iter().zip(&curvatures).map(|(slope, curvature)| slope / curvature));
        }
        Ok(())
    }))
}

/// One sweep over dual numbers. The Hessian is diagonal, so its product with ones is its diagonal.
fn recorded(kmeans: Kmeans) -> Gradient {
    let mut tape = Tape::<Dual>::new();
    Box::new(move |out| {
        tape.clear();
        let x: Vec<_> = kmeans.centroids.iter().map(|&x| tape.var(Dual::variable(x))).collect();
        let adjoints = kmeans.value::<Var<'_, Dual>>(&x).backward();
        out.clear();
        out.extend(x.iter().map(|&x| adjoints.wrt(x)).map(|adjoint| adjoint.value / adjoint.derivative));
        Ok(())
    })
}
