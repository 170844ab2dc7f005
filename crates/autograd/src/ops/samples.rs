//! Samples that many ops share: operands of every kind of shape, and reached in every way. Must know no op but those
//! that make a view.

use ndarray::{ArrayD, Axis, Slice as Part};

use super::registry::{Sample, spread};
use crate::kernels::number::Element;
use crate::tape::var::Var;
use crate::tensor::{Shape, Tensor};

/// A function of a tensor along one axis.
pub(super) type Along<T> = for<'t> fn(Var<'t, T>, isize) -> Var<'t, T>;

/// Its slow definition; the axis is counted from the front.
pub(super) type SlowAlong = fn(&ArrayD<f64>, usize) -> ArrayD<f64>;

/// A shape and an axis of it.
const CASES: [(&[usize], isize); 10] = [
    (&[1], 0),
    (&[4], 0),
    (&[7], -1),
    (&[2, 3], -1),
    (&[3, 2], 0),
    (&[3, 1], 1),
    (&[2, 3, 2], 1),
    (&[2, 2, 3], -3),
    (&[1, 2, 1, 3, 2], 3),
    (&[0, 3], 1),
];

/// Samples of a function along an axis: axes of every place and length, ranks 1 to 5, an empty operand, and operands
/// that are a transpose, a part, a repetition and a result that is used twice.
pub(super) fn along_axis<T: Element>(
    name: &str,
    (low, high): (f64, f64),
    function: Along<T>,
    slow: SlowAlong,
) -> Vec<Sample<T>> {
    let sample = |label: String, input: Tensor<T>, axis: isize| {
        Sample::new(
            format!("{name}: {label}"),
            [input],
            move |x| function(x[0], axis),
            move |x| slow(&x[0], axis.rem_euclid(x[0].ndim() as isize) as usize),
        )
    };
    let input = |shape: &[usize], start: usize| spread(shape, low, high, start);
    let mut samples: Vec<Sample<T>> = CASES
        .into_iter()
        .map(|(shape, axis)| sample(format!("{shape:?} along {axis}"), input(shape, 4), axis))
        .collect();
    samples.push(sample("other numbers".into(), input(&[2, 4], 31), 1));
    samples.push(sample("large numbers".into(), input(&[5], 2).map_values(|x| x * T::of(1.5)), 0));
    samples.push(Sample::new(
        format!("{name}: of a transpose"),
        [input(&[2, 3], 4)],
        move |x| function(x[0].t(), 0),
        move |x| slow(&x[0].t().to_owned(), 0),
    ));
    samples.push(Sample::new(
        format!("{name}: of every other column"),
        [input(&[2, 5], 4)],
        move |x| function(x[0].slice(1, .., 2), 1),
        move |x| slow(&x[0].slice_axis(Axis(1), Part::new(0, None, 2)).to_owned(), 1),
    ));
    samples.push(Sample::new(
        format!("{name}: of a repeated row"),
        [input(&[3], 4)],
        move |x| function(x[0].expand([2, 3]), 1),
        move |x| slow(&repeated(&x[0], &[2, 3]), 1),
    ));
    samples.push(Sample::new(
        format!("{name}: the result with itself"),
        [input(&[2, 3], 9)],
        move |x| function(x[0], 1) * function(x[0], -1),
        move |x| slow(&x[0], 1).mapv(|y| y * y),
    ));
    samples
}

/// Repeats by NumPy's rule.
pub(super) fn repeated(x: &ArrayD<f64>, shape: &[usize]) -> ArrayD<f64> {
    x.broadcast(shape).map_or_else(|| ArrayD::zeros(vec![]), |x| x.to_owned())
}

/// Computes each row along an axis from the row; the results may have another length.
pub(super) fn by_row(x: &ArrayD<f64>, axis: usize, row: impl Fn(Vec<f64>) -> Vec<f64>) -> ArrayD<f64> {
    let mut shape = x.shape().to_vec();
    shape[axis] = row(vec![0.0; x.shape()[axis]]).len();
    let mut y = ArrayD::zeros(shape);
    for (from, mut to) in x.lanes(Axis(axis)).into_iter().zip(y.lanes_mut(Axis(axis))) {
        to.iter_mut().zip(row(from.to_vec())).for_each(|(to, value)| *to = value);
    }
    y
}

/// Samples of each further kind, at most.
const MOST: usize = 4;

/// The samples, and more made of them: with operands that are a transpose, every other element or a repetition of what
/// is stored, and with the result used twice. For functions that are smooth where rows are equal.
pub(super) fn widened<T: Element>(samples: &dyn Fn() -> Vec<Sample<T>>) -> Vec<Sample<T>> {
    let mut all = samples();
    for reached in [Reached::Transposed, Reached::Parted, Reached::Repeated, Reached::Twice] {
        let suits = |sample: &Sample<T>| match reached {
            Reached::Transposed => sample.inputs.iter().any(|input| input.rank() > 1 && !input.is_empty()),
            Reached::Repeated => sample.inputs.iter().any(|input| input.shape().first().is_some_and(|&n| n > 1)),
            Reached::Parted | Reached::Twice => sample.inputs.iter().any(|input| !input.is_empty()),
        };
        all.extend(samples().into_iter().filter(suits).take(MOST).map(|sample| through(sample, reached)));
    }
    all
}

/// A way in which an operand reaches an op, or what becomes of its result.
#[derive(Clone, Copy, Debug)]
enum Reached {
    Transposed,
    Parted,
    Repeated,
    Twice,
}

/// The same use with operands that reach it in another way.
fn through<T: Element>(sample: Sample<T>, reached: Reached) -> Sample<T> {
    let Sample { label, inputs, function, reference, differentiable } = sample;
    let shapes: Vec<Shape> = inputs.iter().map(|input| input.shape().clone()).collect();
    let own = shapes.clone();
    let stored = inputs.iter().map(|input| store(input, reached));
    let made = Sample::new(
        format!("{label}, {}", format!("{reached:?}").to_lowercase()),
        stored,
        move |x| {
            let x: Vec<Var<'_, T>> = x.iter().zip(&shapes).map(|(&x, shape)| restored(x, shape, reached)).collect();
            let y = function(&x);
            if matches!(reached, Reached::Twice) { y * y } else { y }
        },
        move |x| {
            let x: Vec<ArrayD<f64>> = x.iter().zip(&own).map(|(x, shape)| slowly_restored(x, shape, reached)).collect();
            let y = reference(&x);
            if matches!(reached, Reached::Twice) { &y * &y } else { y }
        },
    );
    if differentiable { made } else { made.without_derivative() }
}

/// What is stored of an operand that will be restored from it.
fn store<T: Element>(input: &Tensor<T>, reached: Reached) -> Tensor<T> {
    match reached {
        Reached::Twice => input.clone(),
        Reached::Transposed => Tensor::from(input.view().reversed_axes().to_owned()),
        Reached::Parted => match input.rank() {
            0 => input.clone(),
            rank => {
                // What lies between the elements is not read.
                let mut shape = input.shape().to_vec();
                shape[rank - 1] *= 2;
                let values = input.as_slice();
                Tensor::from_fn(shape, |i| if i % 2 == 0 { values[i / 2] } else { T::of(100.0) })
            }
        },
        Reached::Repeated => match input.shape().first() {
            Some(&n) if n > 1 => {
                let shape = [&[1], &input.shape()[1..]].concat();
                Tensor::from_fn(shape, |i| input.as_slice()[i])
            }
            _ => input.clone(),
        },
    }
}

fn restored<'t, T: Element>(x: Var<'t, T>, shape: &Shape, reached: Reached) -> Var<'t, T> {
    match reached {
        Reached::Twice => x,
        Reached::Transposed => x.permute(&(0..x.rank() as isize).rev().collect::<Vec<_>>()),
        Reached::Parted if shape.is_empty() => x,
        Reached::Parted => x.slice(-1, .., 2),
        Reached::Repeated => x.expand(shape),
    }
}

fn slowly_restored(x: &ArrayD<f64>, shape: &Shape, reached: Reached) -> ArrayD<f64> {
    match reached {
        Reached::Twice => x.clone(),
        Reached::Transposed => x.clone().reversed_axes().as_standard_layout().into_owned(),
        Reached::Parted if shape.is_empty() => x.clone(),
        Reached::Parted => x.slice_axis(Axis(shape.len() - 1), Part::new(0, None, 2)).to_owned(),
        Reached::Repeated => repeated(x, shape),
    }
}
