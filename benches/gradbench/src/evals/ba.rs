//! Bundle adjustment: how far points, seen by cameras, lie from where they were found in the pictures.

use std::rc::Rc;

use serde_json::{Value, json};
use wengert::scalar::{Compiled, Tape, Var};

use crate::job::{Job, job};
use crate::json::{self, Result};
use crate::number::Number;
use crate::ways::Way;

/// Numbers of a camera: rotation 3, centre 3, focal length, principal point 2, radial distortion 2.
pub const CAMERA: usize = 11;

/// What one observation depends on: a camera, a point, a weight.
pub const INPUTS: usize = CAMERA + 3 + 1;

/// Cameras, points and observations.
#[derive(Clone, Debug)]
pub struct Ba {
    /// Cameras.
    pub n: usize,
    /// Points.
    pub m: usize,
    /// Observations.
    pub p: usize,
    /// `[n, 11]`.
    pub cameras: Vec<f64>,
    /// `[m, 3]`.
    pub points: Vec<f64>,
    /// `[p]`.
    pub weights: Vec<f64>,
    /// `[p, 2]`.
    pub features: Vec<f64>,
    /// Which camera saw which point.
    pub observations: Vec<[usize; 2]>,
}

/// Two errors an observation, and one a weight.
#[derive(Clone, Debug, Default)]
pub struct Errors {
    /// `[p, 2]`.
    pub reprojection: Vec<f64>,
    /// `[p]`.
    pub weights: Vec<f64>,
}

/// A sparse Jacobian.
#[derive(Clone, Debug, Default)]
pub struct Sparse {
    /// Where the entries are.
    pub pattern: Rc<Pattern>,
    /// The entries.
    pub values: Vec<f64>,
}

/// Where the entries of a sparse matrix are, row after row: row `r` has the entries from `rows[r]` to `rows[r + 1]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pattern {
    /// Where the rows begin, and where the last one ends.
    pub rows: Vec<usize>,
    /// The column of each entry.
    pub columns: Vec<usize>,
}

impl Ba {
    /// From the input of a message, which gives one camera, one point and one observation, to be repeated.
    pub fn parse(input: &Value) -> Result<Ba> {
        let [n, m, p] = ["n", "m", "p"].map(|name| json::size(input, name));
        let (n, m, p) = (n?, m?, p?);
        json::product(&[p, 2 * INPUTS + 1])?;
        json::product(&[n, CAMERA])?;
        json::product(&[m, 3])?;
        if n == 0 || m == 0 || p == 0 {
            return Err("one camera, one point and one observation are needed".into());
        }
        let [camera, point, feature] = ["cam", "x", "feat"].map(|name| json::numbers(input, name));
        let (camera, point, feature) = (camera?, point?, feature?);
        json::expect("cam", camera.len(), CAMERA)?;
        json::expect("x", point.len(), 3)?;
        json::expect("feat", feature.len(), 2)?;
        Ok(Ba {
            n,
            m,
            p,
            cameras: camera.repeat(n),
            points: point.repeat(m),
            weights: vec![json::number(input, "w")?; p],
            features: feature.repeat(p),
            observations: (0..p).map(|i| [i % n, i % m]).collect(),
        })
    }

    /// What observation `i` depends on.
    pub fn inputs(&self, i: usize) -> [f64; INPUTS] {
        let [camera, point] = self.observations[i];
        let mut inputs = [0.0; INPUTS];
        inputs[..CAMERA].copy_from_slice(&self.cameras[camera * CAMERA..][..CAMERA]);
        inputs[CAMERA..CAMERA + 3].copy_from_slice(&self.points[point * 3..][..3]);
        inputs[CAMERA + 3] = self.weights[i];
        inputs
    }

    /// All errors.
    pub fn errors(&self, out: &mut Errors) {
        out.reprojection.clear();
        out.weights.clear();
        for (i, feature) in self.features.chunks(2).enumerate() {
            let inputs = self.inputs(i);
            out.reprojection.extend(reprojection(&inputs, [feature[0], feature[1]]));
            out.weights.push(weight(inputs[CAMERA + 3]));
        }
    }

    /// Where the entries of the Jacobian are: the columns are cameras, points, weights.
    pub fn pattern(&self) -> Pattern {
        let (mut rows, mut columns) = (vec![0], vec![]);
        for (i, &[camera, point]) in self.observations.iter().enumerate() {
            for _ in 0..2 {
                columns.extend(CAMERA * camera..CAMERA * (camera + 1));
                columns.extend((0..3).map(|j| CAMERA * self.n + 3 * point + j));
                columns.push(CAMERA * self.n + 3 * self.m + i);
                rows.push(columns.len());
            }
        }
        for i in 0..self.p {
            columns.push(CAMERA * self.n + 3 * self.m + i);
            rows.push(columns.len());
        }
        Pattern { rows, columns }
    }
}

/// One observation's two errors.
pub fn reprojection<T: Number>(inputs: &[T], feature: [T; 2]) -> [T; 2] {
    let (camera, point) = inputs.split_at(CAMERA);
    let seen = project(camera, point);
    [0, 1].map(|i| (seen[i] - feature[i]) * point[3])
}

/// One weight's error.
pub fn weight<T: Number>(weight: T) -> T {
    T::plain(1.0) - weight * weight
}

fn project<T: Number>(camera: &[T], point: &[T]) -> [T; 2] {
    let apart: [T; 3] = std::array::from_fn(|i| point[i] - camera[3 + i]);
    let seen = rotate([camera[0], camera[1], camera[2]], apart);
    let plane = [seen[0] / seen[2], seen[1] / seen[2]];
    let square = T::square_norm(&plane);
    let stretch = (camera[9] + camera[10] * square) * square + T::plain(1.0);
    [0, 1].map(|i| camera[7 + i].add_product(plane[i] * stretch, camera[6]))
}

fn cross<T: Number>(a: [T; 3], b: [T; 3]) -> [T; 3] {
    let entry = |i: usize, j: usize| (a[i] * b[j]).sub_product(a[j], b[i]);
    [entry(1, 2), entry(2, 0), entry(0, 1)]
}

/// Rodrigues' formula: turns `x` about the axis `turn` by its length.
fn rotate<T: Number>(turn: [T; 3], x: [T; 3]) -> [T; 3] {
    let square = T::square_norm(&turn);
    if square == T::plain(0.0) {
        let moved = cross(turn, x);
        return std::array::from_fn(|i| x[i] + moved[i]);
    }
    let angle = square.sqrt();
    let (sin, cos) = angle.sin_cos();
    let inverse = angle.recip();
    let axis = turn.map(|turn| turn * inverse);
    let across = cross(axis, x);
    let along = T::dot(&axis, &x) * (T::plain(1.0) - cos);
    std::array::from_fn(|i| (x[i] * cos).add_product(across[i], sin).add_product(axis[i], along))
}

/// As the message wants it: the first observation stands for all.
pub fn print_errors(errors: &Errors) -> Value {
    json!({
        "reproj_error": {"elements": errors.reprojection[..2], "repeated": errors.weights.len()},
        "w_err": {"element": errors.weights[0], "repeated": errors.weights.len()},
    })
}

/// As the message wants it: the first 30 and the last of each list.
pub fn print_jacobian(jacobian: &Sparse) -> Value {
    fn ends<N: Copy>(all: &[N]) -> Vec<N> {
        let first = all.iter().take(2 * INPUTS);
        first.chain(all.last()).copied().collect()
    }
    json!({"rows": ends(&jacobian.pattern.rows), "cols": ends(&jacobian.pattern.columns), "vals": ends(&jacobian.values)})
}

/// What writes a sparse Jacobian, again and again.
pub type Jacobian = Box<dyn FnMut(&mut Sparse) -> Result<()>>;

/// The sparse Jacobian.
pub fn jacobian(ba: Ba, way: Option<Way>) -> Result<Box<dyn Job>> {
    Ok(job(jacobian_run(ba, way)?, print_jacobian))
}

/// What writes the Jacobian.
pub fn jacobian_run(ba: Ba, way: Option<Way>) -> Result<Jacobian> {
    match way {
        Some(Way::Tensor) => Err("only gmm has been written for the tensor tape".into()),
        Some(Way::Record) => Ok(recorded(ba)),
        _ => replayed(ba),
    }
}

/// Observations at a time: as many as fit into the nearest cache with their derivatives.
const BLOCK: usize = 128;

/// Records one observation, with its feature as data, and replays it in lanes. Where the entries of the Jacobian are is
/// found once.
fn replayed(ba: Ba) -> Result<Jacobian> {
    const WIDTH: usize = INPUTS + 2;
    let words = |error: wengert::Error| error.to_string();
    let recording = Compiled::rerecording_with_data(&ba.inputs(0), &ba.features[..2], |inputs, feature| {
        reprojection(inputs, [feature[0], feature[1]])
    });
    let mut observation = recording.map_err(words)?;
    let mut weights = Compiled::record(&ba.weights[..1], |x| weight(x[0])).map_err(words)?;
    let pattern = Rc::new(ba.pattern());
    let (mut points, mut values) = (vec![0.0; BLOCK * WIDTH], vec![0.0; ba.p.max(2 * BLOCK)]);
    Ok(Box::new(move |out| {
        out.pattern = Rc::clone(&pattern);
        out.values.resize(2 * INPUTS * ba.p + ba.p, 0.0);
        let (reprojections, of_weights) = out.values.split_at_mut(2 * INPUTS * ba.p);
        for (block, jacobians) in reprojections.chunks_mut(2 * INPUTS * BLOCK).enumerate() {
            let start = block * BLOCK;
            let count = jacobians.len() / (2 * INPUTS);
            for (i, point) in (start..start + count).zip(points.chunks_exact_mut(WIDTH)) {
                point[..INPUTS].copy_from_slice(&ba.inputs(i));
                point[INPUTS..].copy_from_slice(&ba.features[2 * i..][..2]);
            }
            let points = &points[..count * WIDTH];
            observation.jacobians_into(points, &mut values[..2 * count], jacobians).map_err(words)?;
        }
        weights.gradients_into(&ba.weights, &mut values[..ba.p], of_weights).map_err(words)
    }))
}

/// Records one observation after the other, and sweeps back from both errors at once.
fn recorded(ba: Ba) -> Jacobian {
    let mut tape = Tape::new();
    Box::new(move |out| {
        out.pattern = Rc::new(ba.pattern());
        out.values.clear();
        for (i, feature) in ba.features.chunks(2).enumerate() {
            tape.clear();
            let inputs = ba.inputs(i).map(|x| tape.var(x));
            let [x, y] = reprojection::<Var<'_>>(&inputs, [feature[0].into(), feature[1].into()]);
            let adjoints = tape.backward_lanes(&[(x, [1.0, 0.0]), (y, [0.0, 1.0])]);
            let pairs = inputs.map(|x| adjoints.wrt(x));
            out.values.extend(pairs.map(|pair| pair[0]));
            out.values.extend(pairs.map(|pair| pair[1]));
        }
        for &value in &ba.weights {
            tape.clear();
            let x = tape.var(value);
            out.values.push(weight::<Var<'_>>(x).backward().wrt(x));
        }
        Ok(())
    })
}
