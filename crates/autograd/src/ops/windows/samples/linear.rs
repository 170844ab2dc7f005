//! Samples of unfolding and interpolation.

use ndarray::{ArrayD, Dimension};

use super::{Along, inside};
use crate::kernels::number::Element;
use crate::ops::registry::{Sample, spread};
use crate::ops::windows::{Interpolation, Unfold};
use crate::tape::var::Var;

/// A use: the shape of the images, kernel, stride, padding, dilation.
type Case = (&'static [usize; 4], [usize; 2], [usize; 2], [usize; 2], [usize; 2]);

const UNFOLD: [Case; 16] = [
    (&[1, 1, 3, 3], [2, 2], [1, 1], [0, 0], [1, 1]),
    (&[2, 1, 3, 4], [2, 3], [1, 1], [0, 0], [1, 1]),
    (&[1, 2, 4, 4], [2, 2], [2, 2], [0, 0], [1, 1]),
    (&[1, 1, 3, 3], [3, 3], [1, 1], [1, 1], [1, 1]),
    (&[1, 1, 5, 3], [2, 2], [1, 1], [0, 0], [2, 1]),
    (&[1, 1, 4, 5], [2, 2], [2, 1], [0, 1], [1, 2]),
    (&[1, 2, 2, 3], [1, 1], [1, 1], [0, 0], [1, 1]),
    (&[1, 1, 3, 4], [1, 1], [2, 2], [0, 0], [1, 1]),
    (&[1, 2, 3, 2], [3, 2], [1, 1], [0, 0], [1, 1]),
    (&[1, 1, 2, 1], [4, 3], [1, 1], [1, 1], [1, 1]),
    (&[1, 1, 2, 2], [2, 2], [3, 3], [2, 2], [1, 1]),
    (&[0, 1, 3, 3], [2, 2], [1, 1], [0, 0], [1, 1]),
    (&[1, 1, 0, 2], [1, 2], [1, 1], [1, 0], [1, 1]),
    (&[3, 1, 1, 4], [1, 2], [1, 3], [0, 0], [1, 1]),
    (&[1, 3, 2, 2], [2, 1], [1, 1], [1, 0], [2, 1]),
    (&[1, 1, 6, 1], [3, 1], [2, 1], [1, 0], [1, 1]),
];

fn label((shape, kernel, stride, padding, dilation): Case) -> String {
    format!("{shape:?}, kernel {kernel:?}, stride {stride:?}, padding {padding:?}, dilation {dilation:?}")
}

fn options((_, kernel, stride, padding, dilation): Case) -> Unfold<2> {
    Unfold::new(kernel).stride(stride).padding(padding).dilation(dilation)
}

/// For each channel, element of the kernel and window: where it comes from, none in the padding.
fn sources((shape, kernel, stride, padding, dilation): Case) -> (Vec<Vec<Option<Vec<usize>>>>, usize) {
    let along = |i: usize| Along { kernel: kernel[i], stride: stride[i], padding: padding[i], dilation: dilation[i] };
    let (rows, columns) = (along(0).places(shape[2]), along(1).places(shape[3]));
    let mut sources = vec![];
    for channel in 0..shape[1] {
        for k in 0..kernel[0] * kernel[1] {
            let place = |p: usize| {
                let row = rows[p / columns.len()][k / kernel[1]];
                let column = columns[p % columns.len()][k % kernel[1]];
                inside(&[row, column], &shape[2..]).map(|at| [&[channel][..], &at].concat())
            };
            sources.push((0..rows.len() * columns.len()).map(place).collect());
        }
    }
    (sources, rows.len() * columns.len())
}

/// Samples of `unfold`.
pub(in crate::ops) fn unfold<T: Element>() -> Vec<Sample<T>> {
    let sample = |case: Case| {
        let value = move |x: &[ArrayD<f64>]| {
            let (sources, windows) = sources(case);
            ArrayD::from_shape_fn(vec![case.0[0], sources.len(), windows], |place| {
                let source = sources[place[1]][place[2]].as_ref();
                source.map_or(0.0, |at| x[0][&*[&[place[0]][..], at].concat()])
            })
        };
        Sample::new(label(case), [spread(*case.0, -2.0, 2.0, 0)], move |x| x[0].unfold(options(case)), value)
    };
    UNFOLD.into_iter().map(sample).collect()
}

/// Samples of `fold`.
pub(in crate::ops) fn fold<T: Element>() -> Vec<Sample<T>> {
    let sample = |case: Case| {
        let (rows, windows) = sources(case);
        let value = move |x: &[ArrayD<f64>]| {
            let mut y = ArrayD::zeros(case.0.to_vec());
            for (place, &element) in x[0].indexed_iter() {
                if let Some(at) = &rows[place[1]][place[2]] {
                    y[&*[&[place[0]][..], at].concat()] += element;
                }
            }
            y
        };
        let [batch, channels, height, width] = *case.0;
        let inputs = [spread([batch, channels * case.1[0] * case.1[1], windows], -2.0, 2.0, 0)];
        Sample::new(label(case), inputs, move |x| x[0].fold([height, width], options(case)), value)
    };
    UNFOLD.into_iter().map(sample).collect()
}

/// Shape, axis, size and step.
const WINDOWS: [(&[usize], isize, usize, usize); 16] = [
    (&[5], 0, 2, 1),
    (&[5], -1, 2, 2),
    (&[5], 0, 5, 1),
    (&[5], 0, 1, 1),
    (&[7], 0, 3, 2),
    (&[6], 0, 2, 3),
    (&[6], 0, 2, 10),
    (&[1], 0, 1, 1),
    (&[2, 4], 1, 2, 1),
    (&[4, 2], 0, 3, 1),
    (&[4, 2], -2, 2, 2),
    (&[0, 4], 1, 2, 1),
    (&[3, 0], 0, 2, 1),
    (&[2, 4, 2], 1, 3, 1),
    (&[2, 1, 3], -1, 2, 1),
    (&[1, 2, 1, 5], 3, 3, 2),
];

/// Samples of `windows`.
pub(in crate::ops) fn windows<T: Element>() -> Vec<Sample<T>> {
    let sample = |(shape, axis, size, step): (&'static [usize], isize, usize, usize)| {
        let value = move |x: &[ArrayD<f64>]| {
            let axis = axis.rem_euclid(shape.len() as isize) as usize;
            let count = (0..).take_while(|p| p * step + size <= shape[axis]).count();
            let mut result = shape.to_vec();
            result[axis] = count;
            result.push(size);
            ArrayD::from_shape_fn(result, |place| {
                let mut at = place.slice()[..shape.len()].to_vec();
                at[axis] = at[axis] * step + place[shape.len()];
                x[0][&*at]
            })
        };
        let label = format!("{shape:?}, axis {axis}, size {size}, step {step}");
        Sample::new(label, [spread(shape, -2.0, 2.0, 0)], move |x| x[0].windows(axis, size, step), value)
    };
    WINDOWS.into_iter().map(sample).collect()
}

/// Shapes and sizes.
const SIZES: [(&[usize], &[usize]); 12] = [
    (&[1, 1, 3], &[6]),
    (&[1, 2, 4], &[3]),
    (&[1, 1, 5], &[2]),
    (&[2, 1, 3], &[3]),
    (&[1, 1, 1], &[4]),
    (&[1, 1, 4], &[1]),
    (&[3], &[7]),
    (&[0, 1, 3], &[2]),
    (&[1, 1, 2, 3], &[4, 6]),
    (&[1, 2, 3, 2], &[2, 5]),
    (&[1, 1, 3, 1], &[1, 3]),
    (&[1, 1, 2, 1, 2], &[3, 2, 3]),
];

/// What an element along one axis is made of, by definition: places and weights.
fn parts(n: usize, m: usize, j: usize, mode: Interpolation) -> Vec<(usize, f64)> {
    let (n, m, j) = (n as f64, m as f64, j as f64);
    let place = match mode {
        Interpolation::Nearest => return vec![((j * n / m + 1e-9).floor() as usize, 1.0)],
        Interpolation::Linear => (j + 0.5) * n / m - 0.5,
        Interpolation::LinearAlignCorners if m == 1.0 => 0.0,
        Interpolation::LinearAlignCorners => j * (n - 1.0) / (m - 1.0),
    };
    // A hat over every place, so that the neighbours get what is left of them.
    let place = place.clamp(0.0, n - 1.0);
    (0..n as usize).map(|i| (i, (1.0 - (place - i as f64).abs()).max(0.0))).collect()
}

fn slow(x: &ArrayD<f64>, size: &[usize], mode: Interpolation) -> ArrayD<f64> {
    let leading = x.ndim() - size.len();
    (0..size.len()).fold(x.clone(), |x, i| {
        let axis = leading + i;
        let mut shape = x.shape().to_vec();
        shape[axis] = size[i];
        ArrayD::from_shape_fn(shape, |place| {
            let each = |(from, weight): (usize, f64)| {
                let mut at = place.clone();
                at[axis] = from;
                weight * x[at]
            };
            parts(x.shape()[axis], size[i], place[axis], mode).into_iter().map(each).sum()
        })
    })
}

fn resized<'t, T: Element>(x: Var<'t, T>, size: &[usize], mode: Interpolation) -> Var<'t, T> {
    match *size {
        [n] => x.interpolate([n], mode),
        [n, m] => x.interpolate([n, m], mode),
        [n, m, k] => x.interpolate([n, m, k], mode),
        _ => x,
    }
}

/// Samples of `interpolate`.
pub(in crate::ops) fn interpolate<T: Element>() -> Vec<Sample<T>> {
    let modes = [Interpolation::Nearest, Interpolation::Linear, Interpolation::LinearAlignCorners];
    let all = modes.into_iter().flat_map(|mode| SIZES.into_iter().map(move |(shape, size)| (mode, shape, size)));
    all.map(|(mode, shape, size)| {
        let label = format!("{mode:?}, {shape:?} to {size:?}");
        let inputs = [spread(shape, -2.0, 2.0, 0)];
        Sample::new(label, inputs, move |x| resized(x[0], size, mode), move |x| slow(&x[0], size, mode))
    })
    .collect()
}
