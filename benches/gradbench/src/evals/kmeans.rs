//! The cost of a clustering, and Newton's direction: gradient by the diagonal of the Hessian.

use serde_json::Value;
use wengert::scalar::{Dual, Tape, Var};

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

    fn value<T: Number>(&self, centroids: &[T]) -> T {
        let mut distances = vec![T::plain(0.0); centroids.len() / self.d];
        let mut nearest = Vec::with_capacity(self.points.len() / self.d);
        for point in self.points.chunks(self.d) {
            for (distance, centroid) in distances.iter_mut().zip(centroids.chunks(self.d)) {
                *distance = T::square_distance(centroid, point);
            }
            nearest.push(T::least(&distances));
        }
        T::sum(&nearest)
    }
}

/// Newton's direction.
pub fn direction(kmeans: Kmeans, way: Option<Way>) -> Result<Box<dyn Job>> {
    let d = kmeans.d;
    let run = match way {
        Some(Way::Tensor) => return Err("only gmm has been written for the tensor tape".into()),
        _ => recorded(kmeans),
    };
    Ok(job(run, move |out: &Vec<f64>| json::nested(out, d)))
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
