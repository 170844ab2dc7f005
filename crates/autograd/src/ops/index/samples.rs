//! Samples of the indexing ops, with their definitions written out over `ndarray`.

use ndarray::{ArrayD, Dimension, IxDyn};

use crate::kernels::number::Element;
use crate::ops::registry::{Sample, Text, spread};
use crate::ops::samples::widened;
use crate::tape::var::Var;
use crate::tensor::{IndexTensor, Shape, Tensor};

/// A use of indices: what it shows, the shape of the operand, the axis, the shape of the indices, the indices.
type Case = (&'static str, &'static [usize], isize, &'static [usize], &'static [usize]);

const PLACES: [Case; 6] = [
    ("one label a row", &[4, 3], 1, &[4, 1], &[2, 0, 1, 1]),
    ("axis 0, places named several times", &[3, 2], 0, &[4, 2], &[0, 2, 1, 1, 2, 2, 0, 2]),
    ("rank 1, axis -1", &[4], -1, &[3], &[3, 0, 3]),
    ("the middle axis of 3", &[2, 3, 2], 1, &[2, 2, 2], &[0, 1, 2, 1, 1, 0, 0, 1]),
    ("axis -2, fewer indices on the other axes", &[3, 4, 2], -2, &[2, 3, 1], &[3, 0, 0, 1, 2, 1]),
    ("no indices", &[2, 3], 1, &[2, 0], &[]),
];

const ROWS: [Case; 7] = [
    ("rows of a matrix", &[4, 3], 0, &[3], &[2, 0, 3]),
    ("columns, one of them twice", &[2, 3], -1, &[4], &[0, 2, 2, 1]),
    ("rank 1", &[5], 0, &[2], &[4, 4]),
    ("the middle axis of 3", &[2, 3, 2], 1, &[4], &[2, 0, 0, 1]),
    ("indices of rank 2", &[4, 2], -2, &[2, 3], &[0, 1, 1, 3, 2, 0]),
    ("one index of rank 0", &[3, 2], 0, &[], &[1]),
    ("no indices", &[2, 3], 1, &[0], &[]),
];

/// The indices of a case, for the op and for the slow reference.
fn indices_of(case: Case) -> (IndexTensor, ArrayD<usize>) {
    let (_, _, _, shape, values) = case;
    let array = ArrayD::from_shape_fn(shape, |place| {
        values[place.slice().iter().zip(shape).fold(0, |flat, (coordinate, length)| flat * length + coordinate)]
    });
    (IndexTensor::from(values).reshape(shape).unwrap_or_else(|_| IndexTensor::from(values)), array)
}

/// The axis of a case, counted from the front.
fn axis_of((_, shape, axis, _, _): Case) -> usize {
    if axis < 0 { shape.len() - axis.unsigned_abs() } else { axis.unsigned_abs() }
}

/// What the docs say of `index_select`.
pub(in crate::ops) const INDEX_SELECT: Text =
    Text::primitive("y[i] = x[indices[i]] along an axis", "g added at the indices, from zeros", "");

/// A sample that reads an operand at indices.
fn reading<T: Element>(
    case: Case,
    function: impl for<'t> Fn(Var<'t, T>, &IndexTensor) -> Var<'t, T> + 'static,
    reference: impl Fn(&ArrayD<f64>, &ArrayD<usize>) -> ArrayD<f64> + 'static,
) -> Sample<T> {
    let ((indices, array), operand) = (indices_of(case), spread(case.1, -2.0, 2.0, 0));
    Sample::new(case.0, [operand], move |x| function(x[0], &indices), move |x| reference(&x[0], &array))
}

/// Samples of `index_select`.
pub(in crate::ops) fn index_select<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let sample = |case: Case| {
            let axis = axis_of(case);
            reading(
                case,
                move |x, indices| x.index_select(case.2, indices),
                move |x, array| {
                    let (before, after) = (&x.shape()[..axis], &x.shape()[axis + 1..]);
                    ArrayD::from_shape_fn([before, array.shape(), after].concat(), |place| {
                        let (before, rest) = place.slice().split_at(axis);
                        let (chosen, after) = rest.split_at(array.ndim());
                        x[&*[before, &[array[chosen]][..], after].concat()]
                    })
                },
            )
        };
        ROWS.into_iter().map(sample).collect()
    })
}

/// What the docs say of `take`.
pub(in crate::ops) const TAKE: Text =
    Text::primitive("y[i] = x[indices[i]] in x read as one row", "g added at the indices, from zeros", "");

/// Samples of `take`.
pub(in crate::ops) fn take<T: Element>() -> Vec<Sample<T>> {
    let row = |x: &ArrayD<f64>, place: usize| x.iter().nth(place).copied().unwrap_or(f64::NAN);
    let reference = move |x: &ArrayD<f64>, array: &ArrayD<usize>| array.mapv(|place| row(x, place));
    widened(&|| ROWS.into_iter().map(|case| reading(case, |x, indices| x.take(indices), reference)).collect())
}

/// The place that the index at a position names.
fn named(place: &IxDyn, axis: usize, index: usize) -> IxDyn {
    let mut named = place.clone();
    named[axis] = index;
    named
}

/// What the docs say of `gather`.
pub(in crate::ops) const GATHER: Text =
    Text::primitive("y[i, j] = x[i, indices[i, j]] along an axis", "g added at the indices, from zeros", "");

/// Samples of `gather`.
pub(in crate::ops) fn gather<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let sample = |case: Case| {
            let axis = axis_of(case);
            reading(
                case,
                move |x, indices| x.gather(case.2, indices),
                move |x, array| ArrayD::from_shape_fn(array.raw_dim(), |place| x[named(&place, axis, array[&place])]),
            )
        };
        PLACES.into_iter().map(sample).collect()
    })
}

/// Samples of `scatter`, and with sums of `scatter_add`.
fn scattering<T: Element>(adds: bool) -> Vec<Sample<T>> {
    let sample = |case: Case| {
        let ((indices, array), axis) = (indices_of(case), axis_of(case));
        Sample::new(
            case.0,
            [spread(case.1, -2.0, 2.0, 0), spread(case.3, -2.0, 2.0, 30)],
            move |x| match adds {
                true => x[0].scatter_add(case.2, &indices, x[1]),
                false => x[0].scatter(case.2, &indices, x[1]),
            },
            move |x| {
                let mut y = x[0].clone();
                for (place, &index) in array.indexed_iter() {
                    let kept = if adds { y[named(&place, axis, index)] } else { 0.0 };
                    y[named(&place, axis, index)] = kept + x[1][&place];
                }
                y
            },
        )
    };
    PLACES.into_iter().map(sample).collect()
}

/// What the docs say of `scatter`.
pub(in crate::ops) const SCATTER: Text = Text::primitive(
    "y = x, then y[i, indices[i, j]] = source[i, j] along an axis; the last of equal places wins",
    "g to x, 0 where overwritten; g at the indices to the source, 0 to what was overwritten later",
    "",
);

/// Samples of `scatter`.
pub(in crate::ops) fn scatter<T: Element>() -> Vec<Sample<T>> {
    widened(&|| scattering(false))
}

/// What the docs say of `scatter_add`.
pub(in crate::ops) const SCATTER_ADD: Text = Text::primitive(
    "y = x, then y[i, indices[i, j]] += source[i, j] along an axis",
    "g to x; g at the indices to the source",
    "",
);

/// Samples of `scatter_add`.
pub(in crate::ops) fn scatter_add<T: Element>() -> Vec<Sample<T>> {
    widened(&|| scattering(true))
}

/// What the docs say of `masked_fill`.
pub(in crate::ops) const MASKED_FILL: Text = Text::composed("y = value where the mask is not 0, else x", "where_", "");

/// Samples of `masked_fill`.
pub(in crate::ops) fn masked_fill<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let shapes: [(&'static [usize], &'static [usize]); 7] = [
            (&[2, 3], &[2, 3]),
            (&[2, 3], &[3]),
            (&[3], &[2, 1]),
            (&[0, 2], &[2]),
            (&[], &[]),
            (&[1], &[3]),
            (&[1, 2, 1, 2, 1], &[3, 1, 2]),
        ];
        let sample = |(shape, mask): (&'static [usize], &'static [usize])| {
            Sample::new(
                format!("{shape:?} with a mask {mask:?}"),
                [spread(shape, -2.0, 2.0, 0)],
                move |x| {
                    let mask = Tensor::from_fn(mask, |i| T::of((i % 2) as f64));
                    x[0].masked_fill(x[0].tape.constant(mask), T::of(7.0))
                },
                move |x| {
                    let volume: usize = mask.iter().product();
                    let masked =
                        ArrayD::from_shape_vec(mask, (0..volume).map(|i| i % 2 == 1).collect()).unwrap_or_default();
                    let full = Shape::from(shape).broadcast(&Shape::from(mask)).unwrap_or_default();
                    let (x, masked) = (x[0].broadcast(full.to_vec()), masked.broadcast(full.to_vec()));
                    let (Some(x), Some(masked)) = (x, masked) else { return ArrayD::zeros(vec![]) };
                    ArrayD::from_shape_fn(full.to_vec(), |place| if masked[&place] { 7.0 } else { x[&place] })
                },
            )
        };
        shapes.into_iter().map(sample).collect()
    })
}
