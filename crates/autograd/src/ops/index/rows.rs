//! Rows added at places that indices name.

use ndarray::ArrayD;

use super::IndexAdd;
use crate::error::{Error, ErrorKind};
use crate::kernels::number::Element;
use crate::ops::registry::{Sample, Text, spread};
use crate::tape::var::Var;
use crate::tensor::{IndexTensor, Shape};

impl<T: Element> Var<'_, T> {
    /// `y = x`, then `y[.., indices[i], ..] += source[.., i, ..]` along an axis: the rows of the source are added at the
    /// places that the indices name.
    ///
    /// `[5, 3]` along axis 0 with 2 indices takes a source `[2, 3]`; as in [`index_select`](Var::index_select), whose
    /// reverse this is, the indices may have any shape, which takes the place of the axis. A source that broadcasts to that
    /// is repeated. A place may be named several times. The gradient of `x` is the cotangent, that of the source its rows
    /// at the indices. Sums are taken in the order of the indices, so they are the same bits in every run.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range; a source of another shape. When it is computed: an index outside the axis.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0, 3.0]));
    /// let rows = tape.input(Tensor::from([10.0, 20.0]));
    /// let y = x.index_add(0, [2, 2], rows);
    /// assert_eq!(y.value()?.to_vec(), [1.0, 2.0, 33.0]);
    /// let [gr] = y.square().sum().grad([rows]);                  // 2 y[2], twice
    /// assert_eq!(gr.value()?.to_vec(), [66.0, 66.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn index_add(self, axis: isize, indices: impl Into<IndexTensor>, source: Self) -> Self {
        if source.is_poisoned() || !std::ptr::eq(self.tape, source.tape) {
            // Recording finds the mistake.
            return self * source;
        }
        let indices = indices.into();
        let plan = |shape: &Shape| {
            let counted = shape.axis(axis)?;
            let around = (&shape[..counted], &shape[counted + 1..]);
            let needed = Shape::collect(around.0.iter().chain(indices.shape().iter()).chain(around.1).copied());
            match source.shape().broadcast(&needed).filter(|full| *full == needed) {
                Some(needed) => Ok((counted, needed)),
                None => {
                    let message = format!("a source of shape {} does not fit {needed}", source.shape());
                    let hint = format!("the shape of the indices, {}, takes the place of axis {axis}", indices.shape());
                    Err(Error::new(ErrorKind::Shape, message).hint(hint))
                }
            }
        };
        self.with_shape("index_add", plan, |x, (axis, needed)| {
            let indices = x.tape.indices(indices.clone());
            let back = IndexAdd { axis, shape: x.shape() };
            x + x.tape.record_shared(back, &[indices, source.expand(needed)])
        })
    }
}

/// What it shows, the shape of the operand, the axis, the shape of the indices, the indices, the shape of the source.
type Case = (&'static str, &'static [usize], isize, &'static [usize], &'static [usize], &'static [usize]);

const CASES: [Case; 13] = [
    ("rank 1", &[4], 0, &[2], &[3, 0], &[2]),
    ("one place twice", &[4], -1, &[3], &[1, 1, 2], &[3]),
    ("length 1", &[1], 0, &[1], &[0], &[1]),
    ("rows", &[3, 2], 0, &[2], &[2, 0], &[2, 2]),
    ("rows, all at one place", &[3, 2], 0, &[3], &[1, 1, 1], &[3, 2]),
    ("columns", &[2, 3], 1, &[2], &[0, 2], &[2, 2]),
    ("columns of a source that repeats", &[2, 3], -1, &[2], &[0, 0], &[2]),
    ("a number as source", &[2, 3], 0, &[2], &[1, 1], &[]),
    ("the middle axis of 3", &[2, 3, 2], 1, &[2], &[0, 2], &[2, 2, 2]),
    ("indices of rank 2", &[4, 2], 0, &[2, 2], &[0, 1, 1, 3], &[2, 2, 2]),
    ("one index of rank 0", &[3, 2], 0, &[], &[1], &[2]),
    ("rank 5", &[1, 2, 1, 3, 1], 3, &[2], &[2, 1], &[1, 2, 1, 2, 1]),
    ("no indices", &[2, 3], 1, &[0], &[], &[2, 0]),
];

/// Each element of the source added where its index says, one at a time.
fn slow(x: &[ArrayD<f64>], axis: usize, shape: &[usize], indices: &[usize]) -> ArrayD<f64> {
    let mut y = x[0].clone();
    let (before, after) = (&x[0].shape()[..axis], &x[0].shape()[axis + 1..]);
    let source = crate::ops::samples::repeated(&x[1], &[before, shape, after].concat());
    for (place, value) in source.indexed_iter() {
        let place: Vec<usize> = (0..source.ndim()).map(|axis| place[axis]).collect();
        let own = &place[axis..axis + shape.len()];
        let flat = own.iter().zip(shape).fold(0, |flat, (&at, &length)| flat * length + at);
        y[&*[&place[..axis], &[indices[flat]], &place[axis + shape.len()..]].concat()] += value;
    }
    y
}

/// What the docs say of `index_add`.
pub(in crate::ops) const INDEX_ADD: Text = Text::primitive(
    "y = x, then y[indices[i]] += source[i] along an axis",
    "g to x; g at the indices to the source",
    "",
);

/// Samples of `index_add`.
pub(in crate::ops) fn index_add<T: Element>() -> Vec<Sample<T>> {
    let counted = |shape: &[usize], axis: isize| axis.rem_euclid(shape.len() as isize) as usize;
    let input = |shape: &[usize], start| spread(shape, -2.0, 2.0, start);
    let indices_of = |shape: &[usize], values: &[usize]| {
        IndexTensor::from(values).reshape(shape).unwrap_or_else(|_| IndexTensor::from(values))
    };
    let mut samples: Vec<Sample<T>> = CASES
        .into_iter()
        .map(|(label, shape, axis, own, values, source)| {
            let indices = indices_of(own, values);
            Sample::new(
                label,
                [input(shape, 0), input(source, 30)],
                move |x| x[0].index_add(axis, &indices, x[1]),
                move |x| slow(x, counted(shape, axis), own, values),
            )
        })
        .collect();
    samples.push(Sample::new(
        "into a transpose, from a part",
        [input(&[2, 3], 0), input(&[2, 4], 30)],
        |x| x[0].t().index_add(0, [2, 0], x[1].slice(1, .., 2)),
        |x| {
            let part = x[1].slice_axis(ndarray::Axis(1), ndarray::Slice::new(0, None, 2)).to_owned();
            slow(&[x[0].t().to_owned(), part], 0, &[2], &[2, 0])
        },
    ));
    samples.push(Sample::new(
        "into a repeated row",
        [input(&[3], 0), input(&[2, 3], 30)],
        |x| x[0].expand([2, 3]).index_add(0, [1, 1], x[1]),
        |x| slow(&[crate::ops::samples::repeated(&x[0], &[2, 3]), x[1].clone()], 0, &[2], &[1, 1]),
    ));
    samples.push(Sample::new(
        "its own rows, turned round",
        [input(&[3, 2], 0)],
        |x| x[0].index_add(0, [2, 1, 0], x[0]),
        |x| slow(&[x[0].clone(), x[0].clone()], 0, &[3], &[2, 1, 0]),
    ));
    samples
}
