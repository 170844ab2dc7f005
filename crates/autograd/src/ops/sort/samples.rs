//! Samples of orders along an axis.

use ndarray::ArrayD;

use crate::kernels::number::Element;
use crate::ops::registry::{Sample, Text, spread};
use crate::ops::samples::{along_axis, by_row};

/// The places of the elements in ascending order, by counting how many come before each.
fn order(row: &[f64]) -> Vec<f64> {
    let mut places = vec![0.0; row.len()];
    for (i, x) in row.iter().enumerate() {
        let before = |&(j, y): &(usize, &f64)| y < x || (y == x && j < i);
        places[row.iter().enumerate().filter(before).count()] = i as f64;
    }
    places
}

/// The elements in ascending order.
fn ordered(row: &[f64]) -> Vec<f64> {
    order(row).iter().map(|&place| row[place as usize]).collect()
}

/// What the docs say of `argsort`.
pub(in crate::ops) const ARGSORT: Text =
    Text::primitive("y = the places of the elements in order along an axis, stable", "none: it has no derivative", "");

/// Samples of `argsort`.
pub(in crate::ops) fn argsort<T: Element>() -> Vec<Sample<T>> {
    let slow = |x: &ArrayD<f64>, axis: usize| by_row(x, axis, |row| order(&row));
    let mut samples = along_axis("argsort", (-2.0, 2.0), |x, axis| x.argsort(axis, false), slow);
    // Of equal elements the first comes first, in either direction.
    let ties = || spread([6], 0.0, 3.0, 0).map_values(|x: T| x.floor());
    samples.push(Sample::new(
        "ties, descending",
        [ties()],
        |x| x[0].argsort(0, true),
        |x| by_row(&x[0], 0, |row| order(&row.iter().map(|x| -x).collect::<Vec<_>>())),
    ));
    samples.into_iter().map(Sample::without_derivative).collect()
}

/// What the docs say of `sort`.
pub(in crate::ops) const SORT: Text = Text::composed(
    "y = the elements in order along an axis, stable",
    "argsort, take_along",
    "where elements tie: each keeps its own, in their order",
);

/// Samples of `sort`.
pub(in crate::ops) fn sort<T: Element>() -> Vec<Sample<T>> {
    let slow = |x: &ArrayD<f64>, axis: usize| by_row(x, axis, |row| ordered(&row));
    let reversed = |x: &ArrayD<f64>, axis: usize| by_row(x, axis, |row| ordered(&row).into_iter().rev().collect());
    let mut samples = along_axis("sort", (-2.0, 2.0), |x, axis| x.sort(axis, false).0, slow);
    samples.extend(along_axis("descending", (-2.0, 2.0), |x, axis| x.sort(axis, true).0, reversed));
    samples
}

/// What the docs say of `topk`.
pub(in crate::ops) const TOPK: Text = Text::composed(
    "y = the k greatest elements along an axis, the greatest first",
    "argsort, take_along",
    "where elements tie: the first come first",
);

/// Samples of `topk`.
pub(in crate::ops) fn topk<T: Element>() -> Vec<Sample<T>> {
    let one = |x: &ArrayD<f64>, axis: usize| by_row(x, axis, |row| ordered(&row).into_iter().rev().take(1).collect());
    let most = |x: &ArrayD<f64>, axis: usize| {
        by_row(x, axis, |row| ordered(&row).into_iter().rev().take(row.len() - row.len() / 3).collect())
    };
    let mut samples = along_axis("the greatest", (-2.0, 2.0), |x, axis| x.topk(1, axis).0, one);
    let function: super::super::samples::Along<T> = |x, axis| {
        let n = x.shape().axis(axis).map_or(0, |axis| x.shape()[axis]);
        x.topk(n - n / 3, axis).0
    };
    samples.extend(along_axis("two thirds", (-2.0, 2.0), function, most));
    samples.push(Sample::new(
        "none",
        [spread([2, 3], -2.0, 2.0, 4)],
        |x| x[0].topk(0, 1).0,
        |_| ArrayD::zeros(vec![2, 0]),
    ));
    samples
}

/// What the docs say of `max_with_indices`.
pub(in crate::ops) const MAX_WITH_INDICES: Text = Text::composed(
    "y = the greatest or least element along an axis, and its place",
    "argmax or argmin, take_along",
    "where elements tie: all to the returned place",
);

/// Samples of `max_with_indices` and `min_with_indices`.
pub(in crate::ops) fn extremes<T: Element>() -> Vec<Sample<T>> {
    let greatest = |x: &ArrayD<f64>, axis: usize| by_row(x, axis, |row| vec![*ordered(&row).last().unwrap_or(&0.0)]);
    let least = |x: &ArrayD<f64>, axis: usize| by_row(x, axis, |row| vec![*ordered(&row).first().unwrap_or(&0.0)]);
    let mut samples = along_axis("greatest", (-2.0, 2.0), |x, axis| x.max_with_indices(axis, true).0, greatest);
    samples.extend(along_axis("least", (-2.0, 2.0), |x, axis| x.min_with_indices(axis, true).0, least));
    samples.push(Sample::new(
        "without the axis, with the places",
        [spread([2, 3], -2.0, 2.0, 4)],
        |x| {
            let (greatest, places) = x[0].max_with_indices(1, false);
            greatest * (places + T::of(1.0))
        },
        |x| {
            let place = |row: usize| {
                order(&x[0].index_axis(ndarray::Axis(0), row).iter().copied().collect::<Vec<_>>())[2] as usize
            };
            ArrayD::from_shape_fn(vec![2], |at| x[0][[at[0], place(at[0])]] * (place(at[0]) + 1) as f64)
        },
    ));
    samples
}

/// What the docs say of `take_along`.
pub(in crate::ops) const TAKE_ALONG: Text = Text::primitive(
    "y[i, j] = x[i, places[i, j]] along an axis, with computed places",
    "g added at the places, from zeros",
    "",
);

/// Samples of `take_along`: at places in order, named several times, and along axes of another length.
pub(in crate::ops) fn take_along<T: Element>() -> Vec<Sample<T>> {
    // Each element is followed by the first one of its row.
    let function: super::super::samples::Along<T> = |x, axis| {
        let places = x.argsort(axis, false);
        x.take_along(axis, crate::ops::cat(&[places, places * T::of(0.0)], axis))
    };
    let slow = |x: &ArrayD<f64>, axis: usize| {
        by_row(x, axis, |row| {
            let first = row.first().copied().unwrap_or(0.0);
            let repeated = vec![first; row.len()];
            [ordered(&row), repeated].concat()
        })
    };
    along_axis("take_along", (-2.0, 2.0), function, slow)
}

/// What the docs say of `order_statistic`.
pub(in crate::ops) const ORDER_STATISTIC: Text = Text::primitive(
    "y = the element that is number k in ascending order along an axis",
    "g to that element, shared equally by ties",
    "where elements tie: shared equally",
);

/// Samples of the elements that are first and second, and first and last, in order.
pub(in crate::ops) fn order_statistic<T: Element>() -> Vec<Sample<T>> {
    let quarter: super::super::samples::Along<T> = |x, axis| {
        let counted = x.shape().axis(axis).unwrap_or(0);
        let rank = x.shape()[counted] / 4;
        x.tape.record_shared(super::OrderStatistic { axis: counted, rank, keepdim: true }, &[x])
    };
    let slow = |x: &ArrayD<f64>, axis: usize| by_row(x, axis, |row| vec![ordered(&row)[row.len() / 4]]);
    along_axis("quarter", (-2.0, 2.0), quarter, slow)
}

fn median_of(row: &[f64]) -> f64 {
    let (row, n) = (ordered(row), row.len());
    (row[(n - 1) / 2] + row[n / 2]) / 2.0
}

/// What the docs say of `median`.
pub(in crate::ops) const MEDIAN: Text = Text::composed(
    "y = the middle element, or the mean of the two in the middle",
    "order_statistic, sum",
    "where elements tie: shared equally",
);

/// Samples of `median`.
pub(in crate::ops) fn median<T: Element>() -> Vec<Sample<T>> {
    let slow = |x: &ArrayD<f64>, axis: usize| by_row(x, axis, |row| vec![median_of(&row)]);
    let mut samples = along_axis("median", (-2.0, 2.0), |x, axis| x.median_axis(axis, true), slow);
    for shape in [vec![], vec![2, 3], vec![5]] {
        let label = format!("of all of {shape:?}");
        let input = spread(shape.as_slice(), -2.0, 2.0, 4);
        samples.push(Sample::new(
            label,
            [input],
            |x| x[0].median(),
            |x| ArrayD::from_elem(vec![], median_of(&x[0].iter().copied().collect::<Vec<_>>())),
        ));
    }
    samples
}
