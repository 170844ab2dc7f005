//! Hand tracking: how far the vertices of a posed hand lie from measured points.

use serde_json::Value;
use wengert::scalar::{Compiled, Tape, Traced, Var};

use crate::job::{Job, job};
use crate::json::{self, Result};
use crate::number::Number;
use crate::ways::{Gradient, Way};

/// Parameters of a pose: rotation 3, translation 3, five fingers with four angles each.
pub const THETA: usize = 26;

/// A 4 by 4 matrix.
pub type Matrix<T> = [[T; 4]; 4];

/// The first three rows of a [`Matrix`].
pub type Frame<T> = [[T; 4]; 3];

/// Model, measurements and pose.
#[derive(Clone, Debug)]
pub struct Ht {
    /// The bone that each bone hangs on, an earlier one; none for the root.
    pub parents: Vec<Option<usize>>,
    /// Where each bone is, seen from its parent, in the pose at rest.
    pub base_relatives: Vec<Matrix<f64>>,
    /// From the hand at rest to each bone.
    pub inverse_base_absolutes: Vec<Matrix<f64>>,
    /// The vertices at rest, in homogeneous coordinates.
    pub base_positions: Vec<[f64; 4]>,
    /// How much each bone moves each vertex: `[vertices, bones]`.
    pub weights: Vec<f64>,
    /// Vertices of each triangle.
    pub triangles: Vec<[usize; 3]>,
    /// Whether the first coordinate is negated.
    pub mirrored: bool,
    /// Which vertex, or which triangle where there are `us`, belongs to each measurement.
    pub correspondences: Vec<usize>,
    /// The measurements.
    pub points: Vec<[f64; 3]>,
    /// The pose.
    pub theta: Vec<f64>,
    /// Where in its triangle each measurement lies: two numbers each, or none at all.
    pub us: Vec<f64>,
}

fn fixed<const N: usize>(value: &Value, name: &str) -> Result<Vec<[f64; N]>> {
    let (entries, _, columns) = json::matrix(value, name)?;
    if !entries.is_empty() {
        json::expect(&format!("a row of \"{name}\""), columns, N)?;
    }
    Ok(entries.chunks(N).map(|row| std::array::from_fn(|i| row[i])).collect())
}

fn matrices(value: &Value, name: &str) -> Result<Vec<Matrix<f64>>> {
    let matrix = |value: &Value| {
        let (entries, rows, columns) = json::rows(value, name)?;
        if (rows, columns) != (4, 4) {
            return Err(format!("\"{name}\" must hold 4 by 4 matrices"));
        }
        Ok(std::array::from_fn(|i| std::array::from_fn(|j| entries[4 * i + j])))
    };
    json::items(value, name)?.iter().map(matrix).collect()
}

fn indices(values: Vec<i64>, name: &str, bound: usize) -> Result<Vec<usize>> {
    let index = |&i: &i64| usize::try_from(i).ok().filter(|&i| i < bound);
    let all: Option<Vec<usize>> = values.iter().map(index).collect();
    all.ok_or_else(|| format!("an index in \"{name}\" isn't below {bound}"))
}

impl Ht {
    /// From the input of a message.
    pub fn parse(input: &Value) -> Result<Ht> {
        let data = json::field(input, "data")?;
        let model = json::field(data, "model")?;
        let base_positions = fixed(model, "base_positions")?;
        let parents = parents(&json::integers(model, "parents")?)?;
        let mut triangles = vec![];
        for row in json::items(model, "triangles")? {
            let wrapped = serde_json::json!({ "triangles": row });
            let row = indices(json::integers(&wrapped, "triangles")?, "triangles", base_positions.len())?;
            triangles.push(<[usize; 3]>::try_from(row).map_err(|_| "a triangle must have three vertices")?);
        }
        let us: Vec<[f64; 2]> = fixed(input, "us")?;
        let bound = if us.is_empty() { base_positions.len() } else { triangles.len() };
        let mirrored = json::field(model, "is_mirrored")?.as_bool().ok_or("\"is_mirrored\" isn't true or false")?;
        let ht = Ht {
            parents,
            base_relatives: matrices(model, "base_relatives")?,
            inverse_base_absolutes: matrices(model, "inverse_base_absolutes")?,
            base_positions,
            weights: json::matrix(model, "weights")?.0,
            triangles,
            mirrored,
            correspondences: indices(json::integers(data, "correspondences")?, "correspondences", bound)?,
            points: fixed(data, "points")?,
            theta: json::numbers(input, "theta")?,
            us: us.into_flattened(),
        };
        ht.check()?;
        Ok(ht)
    }

    fn check(&self) -> Result<()> {
        let (bones, measurements) = (self.parents.len(), self.correspondences.len());
        json::expect("theta", self.theta.len(), THETA)?;
        json::expect("base_relatives", self.base_relatives.len(), bones)?;
        json::expect("inverse_base_absolutes", self.inverse_base_absolutes.len(), bones)?;
        json::expect("weights", self.weights.len(), bones * self.base_positions.len())?;
        json::expect("points", self.points.len(), measurements)?;
        if bones < 21 {
            return Err(format!("five fingers need 21 bones, not {bones}"));
        }
        if self.us.is_empty() { Ok(()) } else { json::expect("us", self.us.len(), 2 * measurements) }
    }

    /// Directions of the dense Jacobian.
    pub fn columns(&self) -> usize {
        if self.us.is_empty() { THETA } else { THETA + 2 }
    }

    /// The three errors of each measurement.
    pub fn errors<T: Number>(&self, theta: &[T], us: &[T]) -> Vec<T> {
        let bones = self.transforms(theta);
        let vertices: Vec<[T; 3]> =
            (0..self.base_positions.len()).map(|vertex| self.skinned(&bones, &theta[3..6], vertex)).collect();
        let mut errors = Vec::with_capacity(3 * self.points.len());
        for (i, (&found, point)) in self.correspondences.iter().zip(&self.points).enumerate() {
            for j in 0..3 {
                let place = if us.is_empty() {
                    vertices[found][j]
                } else {
                    let [a, b, c] = self.triangles[found].map(|vertex| vertices[vertex][j]);
                    let (u, v) = (us[2 * i], us[2 * i + 1]);
                    c.add_product(u, a - c).add_product(v, b - c)
                };
                errors.push(T::plain(point[j]) - place);
            }
        }
        errors
    }

    /// Where the bones move a vertex at rest.
    fn skinned<T: Number>(&self, bones: &[Frame<T>], moved: &[T], vertex: usize) -> [T; 3] {
        let mut place = [moved[0], moved[1], moved[2]];
        let base = self.base_positions[vertex];
        for (bone, &weight) in bones.iter().zip(&self.weights[vertex * bones.len()..]) {
            if weight != 0.0 {
                let [x, y, z, w] = base.map(|base| base * weight);
                for i in 0..3 {
                    let [a, b, c, d] = bone[i];
                    place[i] = T::linear([place[i], a, b, c, d], [1.0, x, y, z, w]);
                }
            }
        }
        place
    }

    /// How each bone moves what it holds, the turn of the whole hand included.
    fn transforms<T: Number>(&self, theta: &[T]) -> Vec<Frame<T>> {
        let mut absolutes: Vec<Matrix<T>> = vec![];
        for (bone, parent) in self.parents.iter().enumerate() {
            let base = self.base_relatives[bone].map(|row| row.map(T::plain));
            let relative = match angles(theta, bone) {
                Some(angles) => product(&base, &euler(angles)),
                None => base,
            };
            absolutes.push(match parent {
                Some(parent) => product(&absolutes[*parent], &relative),
                None => relative,
            });
        }
        let inverses = self.inverse_base_absolutes.iter();
        let turn = angle_axis([theta[0], theta[1], theta[2]]);
        let turn = turn.map(|[x, y, z]| if self.mirrored { [-x, y, z] } else { [x, y, z] });
        let posed = |(absolute, inverse)| {
            let [x, y, z, _] = scaled_product(absolute, inverse);
            turn.map(|row| std::array::from_fn(|j| T::dot(&row, &[x[j], y[j], z[j]])))
        };
        absolutes.iter().zip(inverses).map(posed).collect()
    }
}

fn parents(values: &[i64]) -> Result<Vec<Option<usize>>> {
    let parent = |(bone, &parent): (usize, &i64)| match usize::try_from(parent) {
        Ok(parent) if parent < bone => Ok(Some(parent)),
        Err(_) if parent == -1 => Ok(None),
        _ => Err(format!("bone {bone} can't hang on {parent}")),
    };
    values.iter().enumerate().map(parent).collect()
}

/// What bends a bone: about the first axis, and for the first joint of a finger about the third one too.
///
/// Bone 0 is the wrist, then each finger has four, of which the first doesn't bend; the last is the forearm.
fn angles<T: Number>(theta: &[T], bone: usize) -> Option<[T; 2]> {
    let (finger, joint) = (bone.checked_sub(1)? / 4, (bone - 1) % 4);
    if finger >= 5 || joint == 0 {
        return None;
    }
    let first = 6 + 4 * finger;
    Some(if joint == 1 { [theta[first], theta[first + 1]] } else { [theta[first + joint], T::plain(0.0)] })
}

/// The rotation by `x` about the first axis, then by `z` about the third one.
fn euler<T: Number>([x, z]: [T; 2]) -> Matrix<T> {
    let (zero, one) = (T::plain(0.0), T::plain(1.0));
    let ((sx, cx), (sz, cz)) = (x.sin_cos(), z.sin_cos());
    [[cz, -(sz * cx), sz * sx, zero], [sz, cz * cx, -(cz * sx), zero], [zero, sx, cx, zero], [zero, zero, zero, one]]
}

fn product<T: Number>(a: &Matrix<T>, b: &Matrix<T>) -> Matrix<T> {
    a.map(|row| std::array::from_fn(|j| T::dot(&row, &[b[0][j], b[1][j], b[2][j], b[3][j]])))
}

fn scaled_product<T: Number>(a: &Matrix<T>, b: &Matrix<f64>) -> Matrix<T> {
    a.map(|row| std::array::from_fn(|j| T::linear(row, [b[0][j], b[1][j], b[2][j], b[3][j]])))
}

/// The rotation about an axis by its length.
fn angle_axis<T: Number>(axis: [T; 3]) -> [[T; 3]; 3] {
    let norm = T::square_norm(&axis).sqrt();
    let (zero, one) = (T::plain(0.0), T::plain(1.0));
    if norm < T::plain(1e-4) {
        return [[one, zero, zero], [zero, one, zero], [zero, zero, one]];
    }
    let [x, y, z] = axis.map(|axis| axis / norm);
    let (s, c) = norm.sin_cos();
    let rest = one - c;
    let diagonal = |x: T| c.add_product(x * x, rest);
    [
        [diagonal(x), x * y * rest - z * s, x * z * rest + y * s],
        [x * y * rest + z * s, diagonal(y), y * z * rest - x * s],
        [x * z * rest - y * s, z * y * rest + x * s, diagonal(z)],
    ]
}

/// The dense Jacobian: by the `us` of each measurement, which share two columns, then by `theta`.
pub fn jacobian(ht: Ht, way: Option<Way>) -> Result<Box<dyn Job>> {
    let columns = ht.columns();
    let run = match way {
        Some(Way::Tensor) => return Err("only gmm has been written for the tensor tape".into()),
        Some(Way::Record) => recorded(ht),
        _ => replayed(ht)?,
    };
    Ok(job(run, move |out: &Vec<f64>| json::nested(out, columns)))
}

/// Records once; the replay pushes the directions through in lanes. Two further inputs move all the `us` together.
fn replayed(ht: Ht) -> Result<Gradient> {
    let words = |error: wengert::Error| error.to_string();
    let shared = ht.columns() - THETA;
    let point = [&[0.0; 2][..shared], &ht.theta].concat();
    let recording = Compiled::record(&point, |x| {
        let us: Vec<Traced> = ht.us.iter().enumerate().map(|(i, &u)| x[i % 2] + u).collect();
        ht.errors(&x[shared..], &us)
    });
    let mut compiled = recording.map_err(words)?;
    let rows = 3 * ht.points.len();
    Ok(Box::new(move |out| {
        out.resize(rows * point.len(), 0.0);
        compiled.jacobian_into(std::hint::black_box(&point), out).map_err(words)
    }))
}

/// Records, then pushes all directions through the tape at once. No measurement depends on another one's `us`, so all of
/// them move together.
fn recorded(ht: Ht) -> Gradient {
    const LANES: usize = THETA + 2;
    let unit = |lane: usize| -> [f64; LANES] { std::array::from_fn(|i| f64::from(i == lane)) };
    let mut tape = Tape::new();
    Box::new(move |out| {
        tape.clear();
        let (columns, shared) = (ht.columns(), ht.columns() - THETA);
        let theta = tape.vars(&ht.theta);
        let us = tape.vars(&ht.us);
        let errors = ht.errors::<Var<'_>>(&theta, &us);
        let angles = theta.iter().enumerate().map(|(i, &x)| (x, unit(shared + i)));
        let places = us.iter().enumerate().map(|(i, &x)| (x, unit(i % 2)));
        let tangents = tape.forward_lanes(&angles.chain(places).collect::<Vec<_>>());
        out.clear();
        out.reserve(errors.len() * columns);
        for &error in &errors {
            out.extend_from_slice(&tangents.of(error)[..columns]);
        }
        Ok(())
    })
}
