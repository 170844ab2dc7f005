//! Samples of the reductions, and the slow definition that they are compared with.

use ndarray::ArrayD;

use super::registry::{Sample, Text, spread};
use super::samples::widened;
use crate::kernels::number::Element;
use crate::tape::var::Var;

/// Reduces by definition: collects what falls on each place of the result, in row-major order.
pub(super) fn reduced(x: &ArrayD<f64>, axes: &[usize], keepdim: bool, value: impl Fn(&[f64]) -> f64) -> ArrayD<f64> {
    let kept: Vec<usize> = (0..x.ndim()).map(|axis| if axes.contains(&axis) { 1 } else { x.shape()[axis] }).collect();
    let mut collected = ArrayD::from_elem(kept.clone(), Vec::new());
    for (place, &element) in x.indexed_iter() {
        let at: Vec<usize> = (0..x.ndim()).map(|axis| if axes.contains(&axis) { 0 } else { place[axis] }).collect();
        collected[&*at].push(element);
    }
    let shape: Vec<usize> =
        (0..x.ndim()).filter(|axis| keepdim || !axes.contains(axis)).map(|axis| kept[axis]).collect();
    let mut elements = collected.iter().map(|elements| value(elements));
    ArrayD::from_shape_simple_fn(shape, || elements.next().unwrap_or(f64::NAN))
}

/// A reduction of a `Var` over axes.
pub(super) type Reduction<T> = for<'t> fn(Var<'t, T>, &[isize], bool) -> Var<'t, T>;

/// Samples that every reduction over axes has: each kind of list of axes, operands of every rank, also transposed and
/// used twice. Over the axes of `empty` only where something can be made of nothing.
pub(super) fn reduction_samples<T: Element>(
    (low, high): (f64, f64),
    empty: bool,
    function: Reduction<T>,
    value: fn(&[f64]) -> f64,
) -> Vec<Sample<T>> {
    type Case = (&'static [usize], &'static [isize], bool);
    let mut cases: Vec<Case> = vec![
        (&[3], &[0], false),
        (&[2, 3], &[0], false),
        (&[2, 3], &[-1], true),
        (&[2, 3], &[1, 0], false),
        (&[2, 3, 2], &[0, -1], false),
        (&[2, 3, 2], &[1], true),
        (&[2, 1, 3], &[1], false),
        (&[2, 2], &[], false),
        (&[], &[], true),
        (&[0, 3], &[1], false),
    ];
    let empties: [Case; 2] = [(&[2, 0], &[1], false), (&[0], &[0], true)];
    cases.extend(empties.into_iter().filter(|_| empty));
    let counted = |axes: &[isize], rank: usize| -> Vec<usize> {
        axes.iter().map(|axis| axis.rem_euclid(rank as isize) as usize).collect()
    };
    let mut samples: Vec<Sample<T>> = cases
        .into_iter()
        .map(|(shape, axes, keepdim)| {
            Sample::new(
                format!("{shape:?} over {axes:?}, keepdim {keepdim}"),
                [spread(shape, low, high, 4)],
                move |x| function(x[0], axes, keepdim),
                move |x| reduced(&x[0], &counted(axes, x[0].ndim()), keepdim, value),
            )
        })
        .collect();
    samples.push(Sample::new(
        "of a transpose",
        [spread([2, 3], low, high, 4)],
        move |x| function(x[0].t(), &[0], false),
        move |x| reduced(&x[0].t().to_owned(), &[0], false, value),
    ));
    samples.push(Sample::new(
        "with the operand itself",
        [spread([2, 3], low, high, 4)],
        move |x| x[0] * function(x[0], &[1], true),
        move |x| &x[0] * &reduced(&x[0], &[1], true, value),
    ));
    samples
}

/// A sample of a reduction of all elements.
pub(super) fn of_all<T: Element>(
    domain: (f64, f64),
    function: for<'t> fn(Var<'t, T>) -> Var<'t, T>,
    value: fn(&[f64]) -> f64,
) -> Sample<T> {
    let input = spread([2, 3], domain.0, domain.1, 4);
    Sample::new("all", [input], move |x| function(x[0]), move |x| reduced(&x[0], &[0, 1], false, value))
}

/// What the docs say of `sum`.
pub(super) const SUM: Text = Text::primitive("y = Σ x over axes", "g, repeated over the axes", "");

/// Samples of `sum`.
pub(super) fn sum_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let sum = |x: &[f64]| x.iter().sum();
        let mut samples = reduction_samples((-2.0, 2.0), true, |x, axes, keepdim| x.sum_axes(axes, keepdim), sum);
        samples.push(of_all((-2.0, 2.0), |x| x.sum(), sum));
        samples
    })
}

fn greatest(x: &[f64]) -> f64 {
    x.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn least(x: &[f64]) -> f64 {
    x.iter().copied().fold(f64::INFINITY, f64::min)
}

/// What the docs say of `max`.
pub(super) const MAX: Text = Text::primitive(
    "y = max x over axes",
    "g to the greatest element, shared equally by ties",
    "where elements tie: shared equally",
);

/// Samples of `max`.
pub(super) fn max_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let mut samples = reduction_samples((-2.0, 2.0), false, |x, axes, keepdim| x.max_axes(axes, keepdim), greatest);
        samples.push(of_all((-2.0, 2.0), |x| x.max(), greatest));
        samples
    })
}

/// What the docs say of `min`.
pub(super) const MIN: Text = Text::primitive(
    "y = min x over axes",
    "g to the least element, shared equally by ties",
    "where elements tie: shared equally",
);

/// Samples of `min`.
pub(super) fn min_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let mut samples = reduction_samples((-2.0, 2.0), false, |x, axes, keepdim| x.amin(axes, keepdim), least);
        samples.push(of_all((-2.0, 2.0), |x| x.min(), least));
        samples
    })
}

/// Where in a list the element is that a rule picks.
fn place_of(x: &[f64], pick: fn(&[f64]) -> f64) -> f64 {
    x.iter().position(|&element| element == pick(x)).map_or(f64::NAN, |place| place as f64)
}

/// Samples of `argmax` and `argmin`.
fn place_samples<T: Element>(
    function: for<'t> fn(Var<'t, T>, isize, bool) -> Var<'t, T>,
    pick: fn(&[f64]) -> f64,
) -> Vec<Sample<T>> {
    let cases: [(&[usize], isize, bool); 6] = [
        (&[4], 0, false),
        (&[1], 0, true),
        (&[2, 3], -1, true),
        (&[3, 2, 2], 0, false),
        (&[1, 2, 1, 3, 2], 3, true),
        (&[0, 3], 1, false),
    ];
    let sample = |(shape, axis, keepdim): (&'static [usize], isize, bool)| {
        let counted = axis.rem_euclid(shape.len() as isize) as usize;
        Sample::new(
            format!("{shape:?} along {axis}, keepdim {keepdim}"),
            [spread(shape, -2.0, 2.0, 4)],
            move |x| function(x[0], axis, keepdim),
            move |x| reduced(&x[0], &[counted], keepdim, |x| place_of(x, pick)),
        )
        .without_derivative()
    };
    widened(&|| cases.into_iter().map(sample).collect())
}

/// What the docs say of `argmax`.
pub(super) const ARGMAX: Text =
    Text::primitive("y = the place of the first greatest element along an axis", "none: it has no derivative", "");

/// Samples of `argmax`.
pub(super) fn argmax_samples<T: Element>() -> Vec<Sample<T>> {
    place_samples(|x, axis, keepdim| x.argmax(axis, keepdim), greatest)
}

/// What the docs say of `argmin`.
pub(super) const ARGMIN: Text =
    Text::primitive("y = the place of the first least element along an axis", "none: it has no derivative", "");

/// Samples of `argmin`.
pub(super) fn argmin_samples<T: Element>() -> Vec<Sample<T>> {
    place_samples(|x, axis, keepdim| x.argmin(axis, keepdim), least)
}
