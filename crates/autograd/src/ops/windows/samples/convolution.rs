//! Samples of convolutions.

use ndarray::{ArrayD, Dimension};

use super::{Along, combinations, inside};
use crate::kernels::number::Element;
use crate::ops::registry::{Sample, spread};
use crate::ops::windows::{Conv, ConvTranspose};
use crate::tape::var::Var;

/// A use: what it shows, the shapes of input and weight, and the options; `last` is the output padding of a transposed one.
#[derive(Clone, Copy)]
struct Case {
    label: &'static str,
    x: &'static [usize],
    w: &'static [usize],
    stride: &'static [usize],
    padding: &'static [usize],
    dilation: &'static [usize],
    last: &'static [usize],
    groups: usize,
}

/// The defaults over some axes.
const fn case(label: &'static str, x: &'static [usize], w: &'static [usize]) -> Case {
    let (ones, zeros): (&[usize], &[usize]) = match x.len() {
        3 => (&[1], &[0]),
        4 => (&[1, 1], &[0, 0]),
        _ => (&[1, 1, 1], &[0, 0, 0]),
    };
    Case { label, x, w, stride: ones, padding: zeros, dilation: ones, last: zeros, groups: 1 }
}

const CONV: [Case; 20] = [
    case("1d", &[1, 1, 5], &[1, 1, 3]),
    Case { stride: &[2], padding: &[1], ..case("1d, stride and padding, two channels", &[2, 2, 5], &[3, 2, 3]) },
    Case { dilation: &[2], padding: &[2], ..case("1d, dilation", &[1, 2, 4], &[2, 2, 3]) },
    Case { groups: 2, ..case("1d, two groups", &[2, 4, 3], &[2, 2, 2]) },
    Case { groups: 3, ..case("1d, a group for each channel, twice as many out", &[1, 3, 3], &[6, 1, 2]) },
    Case { stride: &[3], ..case("1d, stride beyond the kernel", &[1, 1, 8], &[1, 1, 2]) },
    Case { padding: &[3], ..case("1d, more padding than input", &[1, 1, 2], &[1, 1, 3]) },
    case("2d", &[1, 1, 3, 3], &[1, 1, 2, 2]),
    case("2d, 1 by 1", &[2, 2, 2, 3], &[3, 2, 1, 1]),
    case("2d, kernel as large as the input", &[1, 2, 3, 2], &[2, 2, 3, 2]),
    Case { padding: &[1, 1], ..case("2d, kernel as large as the padded input", &[1, 1, 2, 1], &[2, 1, 4, 3]) },
    Case { stride: &[2, 1], padding: &[1, 0], ..case("2d, own options of each axis", &[2, 1, 4, 3], &[2, 1, 3, 2]) },
    Case { stride: &[2, 2], padding: &[0, 1], ..case("2d, strided 1 by 1", &[1, 2, 3, 3], &[2, 2, 1, 1]) },
    Case { dilation: &[2, 1], stride: &[1, 2], ..case("2d, dilation with stride", &[1, 1, 5, 4], &[1, 1, 2, 3]) },
    Case {
        groups: 2,
        stride: &[2, 2],
        padding: &[1, 1],
        dilation: &[1, 2],
        ..case("2d, everything", &[2, 2, 3, 5], &[4, 1, 2, 2])
    },
    case("2d, a batch of none", &[0, 2, 3, 3], &[2, 2, 2, 2]),
    Case { padding: &[1, 1], ..case("2d, rows without elements", &[1, 1, 2, 0], &[1, 1, 2, 2]) },
    case("3d", &[1, 1, 2, 2, 3], &[1, 1, 2, 1, 2]),
    Case {
        stride: &[1, 2, 1],
        padding: &[1, 0, 1],
        ..case("3d, stride and padding", &[1, 2, 2, 3, 1], &[1, 2, 2, 2, 3])
    },
    Case { groups: 2, dilation: &[1, 1, 2], ..case("3d, groups and dilation", &[1, 2, 1, 2, 3], &[2, 1, 1, 2, 2]) },
];

const TRANSPOSED: [Case; 18] = [
    case("1d", &[1, 1, 3], &[1, 1, 3]),
    case("1d, two channels", &[2, 2, 3], &[2, 3, 2]),
    Case { stride: &[2], ..case("1d, stride", &[1, 1, 3], &[1, 1, 3]) },
    Case { stride: &[2], padding: &[1], last: &[1], ..case("1d, output padding", &[1, 2, 3], &[2, 1, 3]) },
    Case { dilation: &[3], last: &[2], ..case("1d, output padding below the dilation", &[1, 1, 2], &[1, 1, 2]) },
    Case { groups: 2, ..case("1d, two groups", &[2, 4, 2], &[4, 1, 2]) },
    Case { stride: &[3], ..case("1d, stride beyond the kernel", &[1, 1, 3], &[1, 1, 2]) },
    case("2d", &[1, 1, 2, 2], &[1, 1, 2, 2]),
    case("2d, 1 by 1", &[2, 2, 2, 1], &[2, 3, 1, 1]),
    Case { stride: &[2, 2], ..case("2d, stride 2 by 2", &[1, 1, 2, 2], &[1, 2, 2, 2]) },
    Case { stride: &[2, 1], padding: &[1, 0], last: &[1, 0], ..case("2d, own options", &[1, 2, 2, 3], &[2, 1, 3, 2]) },
    Case {
        stride: &[2, 2],
        padding: &[1, 1],
        ..case("2d, 3 by 3 with stride and padding", &[1, 1, 3, 2], &[1, 1, 3, 3])
    },
    Case { dilation: &[2, 1], ..case("2d, dilation", &[1, 1, 2, 2], &[1, 1, 2, 2]) },
    Case { groups: 2, stride: &[1, 2], padding: &[0, 1], ..case("2d, everything", &[2, 2, 2, 2], &[2, 2, 2, 3]) },
    case("2d, a batch of none", &[0, 1, 2, 2], &[1, 2, 2, 2]),
    Case { padding: &[1, 1], ..case("2d, nothing but the middle is left", &[1, 1, 1, 1], &[1, 1, 3, 3]) },
    case("3d", &[1, 1, 2, 1, 2], &[1, 1, 2, 2, 1]),
    Case {
        stride: &[2, 1, 2],
        padding: &[1, 0, 0],
        ..case("3d, stride and padding", &[1, 2, 2, 1, 2], &[2, 1, 3, 1, 2])
    },
];

impl Case {
    /// The options of each axis.
    fn along(&self) -> Vec<Along> {
        let each = |i: usize| Along {
            kernel: self.w[i + 2],
            stride: self.stride[i],
            padding: self.padding[i],
            dilation: self.dilation[i],
        };
        (0..self.x.len() - 2).map(each).collect()
    }
}

/// An option as an array.
fn array<const N: usize>(values: &[usize]) -> [usize; N] {
    std::array::from_fn(|i| values[i])
}

fn conv_options<const N: usize>(case: &Case) -> Conv<N> {
    Conv::new()
        .stride(array(case.stride))
        .padding(array(case.padding))
        .dilation(array(case.dilation))
        .groups(case.groups)
}

fn transpose_options<const N: usize>(case: &Case) -> ConvTranspose<N> {
    let options = ConvTranspose::new().stride(array(case.stride)).padding(array(case.padding));
    options.output_padding(array(case.last)).dilation(array(case.dilation)).groups(case.groups)
}

fn convolve<'t, T: Element>(case: &Case, x: Var<'t, T>, w: Var<'t, T>) -> Var<'t, T> {
    match case.x.len() {
        3 => x.conv1d(w, conv_options(case)),
        4 => x.conv2d(w, conv_options(case)),
        _ => x.conv3d(w, conv_options(case)),
    }
}

fn convolve_transposed<'t, T: Element>(case: &Case, x: Var<'t, T>, w: Var<'t, T>) -> Var<'t, T> {
    match case.x.len() {
        3 => x.conv_transpose1d(w, transpose_options(case)),
        4 => x.conv_transpose2d(w, transpose_options(case)),
        _ => x.conv_transpose3d(w, transpose_options(case)),
    }
}

/// The definition: for every place of the result, the sum over the window and the channels of its group.
fn slow(case: &Case, x: &ArrayD<f64>, w: &ArrayD<f64>) -> ArrayD<f64> {
    let lengths = &x.shape()[2..];
    let windows: Vec<_> = case.along().iter().zip(lengths).map(|(along, &length)| along.places(length)).collect();
    let (out, each) = (w.shape()[0] / case.groups, w.shape()[1]);
    let shape: Vec<usize> = [x.shape()[0], w.shape()[0]].into_iter().chain(windows.iter().map(Vec::len)).collect();
    let taps = combinations(&w.shape()[2..].iter().map(|&k| (0..k).collect()).collect::<Vec<Vec<usize>>>());
    ArrayD::from_shape_fn(shape, |place| {
        let (n, o, p) = (place[0], place[1], &place.slice()[2..]);
        let mut sum = 0.0;
        for c in 0..each {
            for tap in &taps {
                let at: Vec<isize> = (0..p.len()).map(|i| windows[i][p[i]][tap[i]]).collect();
                if let Some(at) = inside(&at, lengths) {
                    let channel = o / out * each + c;
                    sum += x[&*[&[n, channel][..], &at].concat()] * w[&*[&[o, c][..], tap].concat()];
                }
            }
        }
        sum
    })
}

/// The definition: every element of the input stamps the kernel, times itself, on the output.
fn slow_transposed(case: &Case, x: &ArrayD<f64>, w: &ArrayD<f64>) -> ArrayD<f64> {
    let spatial = x.ndim() - 2;
    let length = |i: usize| {
        let along = case.along()[i];
        let stamped = (x.shape()[2 + i] - 1) * along.stride + along.dilation * (along.kernel - 1) + 1;
        stamped + case.last[i] - 2 * along.padding
    };
    let lengths: Vec<usize> = (0..spatial).map(length).collect();
    let (into, each) = (w.shape()[0] / case.groups, w.shape()[1]);
    let mut y = ArrayD::zeros([&[x.shape()[0], each * case.groups][..], &lengths].concat());
    let taps = combinations(&w.shape()[2..].iter().map(|&k| (0..k).collect()).collect::<Vec<Vec<usize>>>());
    for (place, &value) in x.indexed_iter() {
        let (n, channel, p) = (place[0], place[1], &place.slice()[2..]);
        for c in 0..each {
            for tap in &taps {
                let axis = |i: usize| {
                    let along = case.along()[i];
                    (p[i] * along.stride + tap[i] * along.dilation) as isize - along.padding as isize
                };
                if let Some(at) = inside(&(0..spatial).map(axis).collect::<Vec<_>>(), &lengths) {
                    let into = [&[n, channel / into * each + c][..], &at].concat();
                    y[&*into] += value * w[&*[&[channel, c][..], tap].concat()];
                }
            }
        }
    }
    y
}

/// Samples of `conv1d`, `conv2d` and `conv3d`.
pub(in crate::ops) fn conv<T: Element>() -> Vec<Sample<T>> {
    let sample = |case: Case| {
        let inputs = [spread(case.x, -1.0, 1.0, 0), spread(case.w, -1.0, 1.0, 70)];
        Sample::new(case.label, inputs, move |x| convolve(&case, x[0], x[1]), move |x| slow(&case, &x[0], &x[1]))
    };
    let mut samples: Vec<Sample<T>> = CONV.into_iter().map(sample).collect();
    // The same length for even and odd kernels: more padding behind than in front.
    for (label, kernel, front) in [("the same length, odd kernel", 3, 1), ("the same length, even kernel", 4, 1)] {
        let inputs = [spread([1, 1, 5], -1.0, 1.0, 0), spread([1, 1, kernel], -1.0, 1.0, 70)];
        samples.push(Sample::new(
            label,
            inputs,
            |x| x[0].conv1d(x[1], Conv::new().same()),
            move |x| {
                let value = |p: usize, k: usize| (p + k).checked_sub(front).and_then(|i| x[0].get([0, 0, i]));
                ArrayD::from_shape_fn(vec![1, 1, 5], |place| {
                    (0..kernel).map(|k| value(place[2], k).unwrap_or(&0.0) * x[1][[0, 0, k]]).sum()
                })
            },
        ));
    }
    samples
}

/// Samples of `conv_transpose1d`, `conv_transpose2d` and `conv_transpose3d`.
pub(in crate::ops) fn conv_transpose<T: Element>() -> Vec<Sample<T>> {
    let sample = |case: Case| {
        let inputs = [spread(case.x, -1.0, 1.0, 0), spread(case.w, -1.0, 1.0, 70)];
        let value = move |x: &[ArrayD<f64>]| slow_transposed(&case, &x[0], &x[1]);
        Sample::new(case.label, inputs, move |x| convolve_transposed(&case, x[0], x[1]), value)
    };
    TRANSPOSED.into_iter().map(sample).collect()
}
