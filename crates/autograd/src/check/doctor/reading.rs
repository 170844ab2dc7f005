//! Ways to read a gradient whose shape or order of elements is not the input's.

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};

use super::finding::Finding;
use super::problem::largest;
use crate::{Shape, Tensor};

/// Axes beyond this number are not permuted.
const MOST_AXES: usize = 4;

/// A gradient by hand, read in one way.
pub(super) struct Reading {
    /// In the shape of the input; or, with a projection, of what it makes of the input's shape.
    pub(super) values: Vec<f64>,
    pub(super) findings: Vec<Finding>,
    pub(super) cost: u32,
    /// What is done to a true gradient before it is compared.
    projection: Option<Projection>,
}

struct Projection {
    shape: Shape,
    axes: Vec<usize>,
    mean: bool,
    repeated: bool,
}

impl Reading {
    fn new(values: Vec<f64>, findings: Vec<Finding>) -> Self {
        Reading { values, cost: findings.len() as u32, findings, projection: None }
    }

    /// Whether the elements are those of the input, in whatever order.
    pub(super) fn is_whole(&self) -> bool {
        self.projection.is_none()
    }

    /// A candidate for the gradient, as it would look in this reading.
    pub(super) fn project(&self, values: &[f64]) -> Vec<f64> {
        let Some(Projection { shape, axes, mean, repeated }) = &self.projection else { return values.to_vec() };
        let Some(whole) = array(shape, values) else { return values.to_vec() };
        let mut reduced = whole.to_owned();
        for &axis in axes.iter().rev() {
            let count = if *mean { shape[axis] as f64 } else { 1.0 };
            reduced = (reduced.sum_axis(Axis(axis)) / count).insert_axis(Axis(axis));
        }
        match *repeated {
            true => reduced.broadcast(IxDyn(shape)).map(|all| all.iter().copied().collect()).unwrap_or_default(),
            false => reduced.iter().copied().collect(),
        }
    }
}

fn array<'a>(shape: &[usize], values: &'a [f64]) -> Option<ArrayViewD<'a, f64>> {
    ArrayViewD::from_shape(IxDyn(shape), values).ok()
}

/// All readings, the plainest first.
pub(super) fn readings(mine: &Tensor<f64>, shape: &Shape) -> Vec<Reading> {
    let mut all = vec![];
    if mine.shape() == shape {
        all.push(Reading::new(mine.to_vec(), vec![]));
        all.extend(repeated(mine, shape));
    }
    if mine.len() == shape.volume() {
        all.extend(permuted(mine, shape));
        if mine.shape() != shape {
            let finding = Finding::Reshaped { from: mine.shape().clone(), to: shape.clone() };
            all.push(Reading::new(mine.to_vec(), vec![finding]));
        }
    } else {
        all.extend(not_reduced(mine, shape));
        all.extend(reduced(mine, shape));
    }
    // A permutation that moves nothing, and a sum over nothing but one element, say nothing new.
    let mut kept: Vec<Reading> = vec![];
    for reading in all {
        let known = |other: &Reading| other.values == reading.values && other.is_whole() && reading.is_whole();
        if !kept.iter().any(known) {
            kept.push(reading);
        }
    }
    kept
}

/// The elements in the order of permuted axes.
fn permuted(mine: &Tensor<f64>, shape: &Shape) -> Vec<Reading> {
    let rank = shape.len();
    if !(2..=MOST_AXES).contains(&rank) {
        return vec![];
    }
    let mut all = vec![];
    for order in permutations(rank).into_iter().skip(1) {
        let stored: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
        let fits = mine.shape()[..] == stored[..];
        if !fits && mine.shape() != shape {
            continue;
        }
        let back: Vec<usize> = (0..rank).map(|axis| order.iter().position(|&to| to == axis).unwrap_or(axis)).collect();
        let Some(array) = array(&stored, mine.as_slice()) else { continue };
        let values = array.permuted_axes(IxDyn(&back)).iter().copied().collect();
        let finding = match (rank, fits) {
            (2, true) => Finding::Transposed { from: mine.shape().clone(), to: shape.clone() },
            (_, true) => Finding::Permuted { axes: order },
            (_, false) => Finding::Reordered,
        };
        all.push(Reading::new(values, vec![finding]));
    }
    all
}

fn permutations(rank: usize) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for _ in 0..rank {
        let longer = |order: &Vec<usize>| {
            let rest = (0..rank).filter(|axis| !order.contains(axis));
            rest.map(|axis| [order.clone(), vec![axis]].concat()).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// Sets of axes longer than 1, without which a shape is another one, axes of length 1 not counted.
fn axes_between(longer: &[usize], shorter: &[usize]) -> Vec<Vec<usize>> {
    let long = |shape: &mut dyn Iterator<Item = usize>| shape.filter(|&n| n != 1).collect::<Vec<_>>();
    let short = long(&mut shorter.iter().copied());
    let mut all = vec![];
    for set in 1u32..1 << longer.len().min(8) {
        let inside = |axis: usize| axis < 8 && set & (1 << axis) != 0;
        let axes: Vec<usize> = (0..longer.len()).filter(|&axis| inside(axis)).collect();
        let rest = long(&mut (0..longer.len()).filter(|&axis| !inside(axis)).map(|axis| longer[axis]));
        if rest == short && axes.iter().all(|&axis| longer[axis] > 1) {
            all.push(axes);
        }
    }
    all
}

/// Axes too many: their sum or mean is to be the gradient.
fn not_reduced(mine: &Tensor<f64>, shape: &Shape) -> Vec<Reading> {
    let mut all = vec![];
    for axes in axes_between(mine.shape(), shape) {
        for mean in [true, false] {
            let whole = Projection { shape: mine.shape().clone(), axes: axes.clone(), mean, repeated: false };
            let reading = Reading { projection: Some(whole), ..Reading::new(vec![], vec![]) };
            let values = reading.project(mine.as_slice());
            let (from, to) = (mine.shape().clone(), shape.clone());
            all.push(Reading::new(values, vec![Finding::NotReduced { axes: axes.clone(), from, to, mean }]));
        }
    }
    all
}

/// Axes too few: the gradient was reduced over them.
fn reduced(mine: &Tensor<f64>, shape: &Shape) -> Vec<Reading> {
    let mut all = vec![];
    for axes in axes_between(shape, mine.shape()) {
        for mean in [true, false] {
            let (from, to) = (mine.shape().clone(), shape.clone());
            let finding = Finding::Reduced { axes: axes.clone(), from, to, mean };
            let projection = Projection { shape: shape.clone(), axes: axes.clone(), mean, repeated: false };
            let plain = Reading::new(mine.to_vec(), vec![finding]);
            all.push(Reading { projection: Some(projection), ..plain });
        }
    }
    all
}

/// The same numbers all along an axis.
fn repeated(mine: &Tensor<f64>, shape: &Shape) -> Vec<Reading> {
    let Some(array) = array(shape, mine.as_slice()) else { return vec![] };
    let slack = 1e-12 * largest(mine.as_slice());
    let mut all = vec![];
    for axis in (0..shape.len()).filter(|&axis| shape[axis] > 1) {
        let first: ArrayD<f64> = array.index_axis(Axis(axis), 0).to_owned();
        let same = |slice: ArrayViewD<'_, f64>| slice.iter().zip(&first).all(|(a, b)| (a - b).abs() <= slack);
        if !array.axis_iter(Axis(axis)).all(same) {
            continue;
        }
        for mean in [true, false] {
            let projection = Projection { shape: shape.clone(), axes: vec![axis], mean, repeated: true };
            let plain = Reading::new(mine.to_vec(), vec![Finding::Repeated { axis, mean }]);
            all.push(Reading { projection: Some(projection), cost: 2, ..plain });
        }
    }
    all
}
