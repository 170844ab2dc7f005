//! Samples of pooling.

use ndarray::{ArrayD, Dimension};

use super::{Along, combinations, inside};
use crate::kernels::number::Element;
use crate::ops::registry::Sample;
use crate::ops::windows::{AvgPool, MaxPool};
use crate::tape::var::Var;
use crate::tensor::Tensor;

/// A use: what it shows, the shape of the input, and the options.
#[derive(Clone, Copy)]
struct Case {
    label: &'static str,
    x: &'static [usize],
    kernel: &'static [usize],
    stride: &'static [usize],
    padding: &'static [usize],
    dilation: &'static [usize],
    ceil: bool,
}

/// Windows side by side.
const fn case(label: &'static str, x: &'static [usize], kernel: &'static [usize]) -> Case {
    let (ones, zeros): (&[usize], &[usize]) = match kernel.len() {
        1 => (&[1], &[0]),
        2 => (&[1, 1], &[0, 0]),
        _ => (&[1, 1, 1], &[0, 0, 0]),
    };
    Case { label, x, kernel, stride: kernel, padding: zeros, dilation: ones, ceil: false }
}

const COMMON: [Case; 17] = [
    case("1d", &[1, 1, 6], &[2]),
    case("1d, a rest is left out", &[2, 1, 5], &[2]),
    Case { stride: &[1], ..case("1d, overlapping", &[1, 2, 5], &[3]) },
    Case { stride: &[3], ..case("1d, stride beyond the kernel", &[1, 1, 7], &[2]) },
    Case { padding: &[1], stride: &[2], ..case("1d, padding", &[1, 1, 5], &[3]) },
    Case { ceil: true, ..case("1d, the rest counts", &[1, 1, 5], &[2]) },
    Case { ceil: true, padding: &[1], ..case("1d, the rest with padding", &[1, 1, 6], &[3]) },
    Case { ceil: true, stride: &[3], ..case("1d, a last window would begin behind the end", &[1, 1, 5], &[2]) },
    case("one axis in all", &[6], &[3]),
    case("2d", &[1, 2, 4, 4], &[2, 2]),
    case("2d, 1 by 1", &[1, 1, 2, 3], &[1, 1]),
    case("2d, kernel as large as the input", &[2, 1, 3, 2], &[3, 2]),
    Case { stride: &[1, 2], padding: &[1, 0], ..case("2d, own options of each axis", &[1, 1, 4, 5], &[2, 3]) },
    Case { stride: &[2, 2], padding: &[1, 1], ..case("2d, 3 by 3 with stride 2", &[1, 1, 5, 4], &[3, 3]) },
    case("2d, a batch of none", &[0, 2, 4, 4], &[2, 2]),
    case("3d", &[1, 1, 2, 3, 4], &[2, 1, 2]),
    Case { stride: &[1, 1, 2], padding: &[0, 1, 0], ..case("3d, overlapping, padding", &[1, 1, 2, 2, 5], &[2, 2, 3]) },
];

const DILATED: [Case; 6] = [
    Case { stride: &[1], dilation: &[2], ..case("1d, dilation", &[1, 1, 6], &[2]) },
    Case { stride: &[2], dilation: &[2], padding: &[1], ..case("1d, dilation, padding", &[1, 2, 5], &[3]) },
    Case { dilation: &[2, 1], stride: &[1, 1], ..case("2d, dilation", &[1, 1, 4, 3], &[2, 2]) },
    Case { stride: &[4, 4], padding: &[2, 2], ..case("2d, far apart", &[1, 1, 6, 6], &[5, 4]) },
    Case {
        stride: &[4, 3],
        dilation: &[2, 2],
        padding: &[1, 1],
        ..case("2d, far apart, dilation", &[1, 1, 6, 5], &[2, 2])
    },
    Case { stride: &[3], ceil: true, ..case("1d, dilation where the rest counts", &[1, 1, 6], &[2]) },
];

impl Case {
    /// The windows along each of the last axes.
    fn windows(&self) -> Vec<Vec<Vec<isize>>> {
        let lengths = &self.x[self.x.len() - self.kernel.len()..];
        (0..lengths.len())
            .map(|i| {
                let (stride, padding) = (self.stride[i], self.padding[i]);
                let along = Along { kernel: self.kernel[i], stride, padding, dilation: self.dilation[i] };
                let mut windows = along.places(lengths[i]);
                let next = (windows.len() * stride) as isize - padding as isize;
                let last: Vec<isize> = (0..along.kernel).map(|k| next + (k * along.dilation) as isize).collect();
                // One more window where the last one stops short of the end and the next begins inside.
                let end = (lengths[i] + padding) as isize;
                let reached = windows.last().and_then(|window| window.last()).is_some_and(|&place| place + 1 >= end);
                if self.ceil && !reached && next < lengths[i] as isize {
                    windows.push(last);
                }
                windows
            })
            .collect()
    }
}

/// Different numbers, 0.5 apart, in no simple order: no difference quotient meets a tie.
fn distinct<T: Element>(shape: &[usize]) -> Tensor<T> {
    let count: usize = shape.iter().product();
    let shares = |step: usize| (2..=step).any(|divisor| step.is_multiple_of(divisor) && count.is_multiple_of(divisor));
    let step = (count * 3 / 8 + 1..).find(|&step| !shares(step)).unwrap_or(1);
    Tensor::from_fn(shape, |i| T::of((i * step % count) as f64 * 0.5 - count as f64 / 4.0))
}

/// The value of each window from its elements (none for padding), by definition.
fn slow(x: &ArrayD<f64>, windows: &[Vec<Vec<isize>>], value: impl Fn(&[Option<f64>], &[isize]) -> f64) -> ArrayD<f64> {
    let leading = x.ndim() - windows.len();
    let lengths = &x.shape()[leading..];
    let shape: Vec<usize> = x.shape()[..leading].iter().copied().chain(windows.iter().map(Vec::len)).collect();
    ArrayD::from_shape_fn(shape, |place| {
        let (front, p) = place.slice().split_at(leading);
        let places: Vec<Vec<isize>> = p.iter().zip(windows).map(|(&p, windows)| windows[p].clone()).collect();
        let all = combinations(&places);
        let at = |places: &Vec<isize>| inside(places, lengths).map(|places| x[&*[front, &places[..]].concat()]);
        let ends: Vec<isize> = places.iter().map(|places| *places.last().unwrap_or(&0)).collect();
        value(&all.iter().map(at).collect::<Vec<_>>(), &ends)
    })
}

fn greatest(elements: &[Option<f64>], _: &[isize]) -> f64 {
    elements.iter().flatten().fold(f64::NEG_INFINITY, |greatest, &x| greatest.max(x))
}

fn mean(elements: &[Option<f64>], _: &[isize]) -> f64 {
    elements.iter().flatten().sum::<f64>() / elements.iter().flatten().count() as f64
}

/// An option as an array.
fn array<const N: usize>(values: &[usize]) -> [usize; N] {
    std::array::from_fn(|i| values[i])
}

fn max_options<const N: usize>(case: &Case) -> MaxPool<N> {
    let options = MaxPool::new(array(case.kernel)).stride(array(case.stride)).padding(array(case.padding));
    options.dilation(array(case.dilation)).ceil_mode(case.ceil)
}

fn avg_options<const N: usize>(case: &Case, counts: bool) -> AvgPool<N> {
    let options = AvgPool::new(array(case.kernel)).stride(array(case.stride)).padding(array(case.padding));
    options.ceil_mode(case.ceil).count_include_pad(counts)
}

fn max_pooled<'t, T: Element>(x: Var<'t, T>, case: &Case) -> Var<'t, T> {
    match case.kernel.len() {
        1 => x.max_pool1d(max_options(case)),
        2 => x.max_pool2d(max_options(case)),
        _ => x.max_pool3d(max_options(case)),
    }
}

fn max_indices<'t, T: Element>(x: Var<'t, T>, case: &Case) -> Var<'t, T> {
    let (_, indices) = match case.kernel.len() {
        1 => x.max_pool1d_with_indices(max_options(case)),
        2 => x.max_pool2d_with_indices(max_options(case)),
        _ => x.max_pool3d_with_indices(max_options(case)),
    };
    indices
}

fn averaged<'t, T: Element>(x: Var<'t, T>, case: &Case, counts: bool) -> Var<'t, T> {
    match case.kernel.len() {
        1 => x.avg_pool1d(avg_options(case, counts)),
        2 => x.avg_pool2d(avg_options(case, counts)),
        _ => x.avg_pool3d(avg_options(case, counts)),
    }
}

/// Samples of `max_pool1d`, `max_pool2d` and `max_pool3d`, and of their indices.
pub(in crate::ops) fn max_pool<T: Element>() -> Vec<Sample<T>> {
    let cases = || COMMON.into_iter().chain(DILATED);
    let values = cases().map(|case| {
        let value = move |x: &[ArrayD<f64>]| slow(&x[0], &case.windows(), greatest);
        Sample::new(case.label, [distinct(case.x)], move |x| max_pooled(x[0], &case), value)
    });
    let indices = cases().map(|case| {
        // All elements differ, so the place is where the plane has the greatest value.
        let value = move |x: &[ArrayD<f64>]| {
            let plane: usize = case.x[case.x.len() - case.kernel.len()..].iter().product();
            let all: Vec<f64> = x[0].iter().copied().collect();
            let place = |y: f64| all.iter().position(|&x| x == y).unwrap_or(0) % plane;
            slow(&x[0], &case.windows(), greatest).mapv(|y| place(y) as f64)
        };
        let label = format!("indices: {}", case.label);
        Sample::new(label, [distinct(case.x)], move |x| max_indices(x[0], &case), value).without_derivative()
    });
    values.chain(indices).collect()
}

/// Samples of `avg_pool1d`, `avg_pool2d` and `avg_pool3d`, with padding that counts and with padding that does not.
pub(in crate::ops) fn avg_pool<T: Element>() -> Vec<Sample<T>> {
    let all = [true, false].into_iter().flat_map(|counts| COMMON.into_iter().map(move |case| (case, counts)));
    all.map(|(case, counts)| {
        let value = move |x: &[ArrayD<f64>]| {
            let lengths: Vec<usize> = x[0].shape()[x[0].ndim() - case.kernel.len()..].to_vec();
            slow(&x[0], &case.windows(), |elements, ends| {
                // What lies behind the padding never counts.
                let kept = |i: usize| {
                    let behind = ends[i] + 1 - (lengths[i] + case.padding[i]) as isize;
                    case.kernel[i] - behind.max(0) as usize
                };
                let count = match counts {
                    true => (0..ends.len()).map(kept).product(),
                    false => elements.iter().flatten().count(),
                };
                elements.iter().flatten().sum::<f64>() / count as f64
            })
        };
        let label = format!("{}, padding counts: {counts}", case.label);
        Sample::new(label, [distinct(case.x)], move |x| averaged(x[0], &case, counts), value)
    })
    .collect()
}

/// Shapes and numbers of windows, over as many of the last axes.
const ADAPTIVE: [(&[usize], &[usize]); 16] = [
    (&[1, 1, 6], &[3]),
    (&[2, 1, 5], &[3]),
    (&[1, 1, 5], &[1]),
    (&[1, 1, 3], &[5]),
    (&[1, 1, 4], &[4]),
    (&[1, 2, 7], &[4]),
    (&[5], &[2]),
    (&[0, 1, 4], &[2]),
    (&[1, 1, 4, 4], &[2, 2]),
    (&[1, 2, 3, 5], &[2, 3]),
    (&[2, 1, 3, 3], &[1, 1]),
    (&[1, 1, 2, 3], &[3, 4]),
    (&[1, 1, 3, 4], &[3, 1]),
    (&[1, 1, 1, 1], &[2, 2]),
    (&[1, 1, 2, 3, 4], &[1, 2, 3]),
    (&[1, 1, 3, 2, 2], &[2, 2, 1]),
];

/// Windows that cover an axis, by their definition in floating point.
fn covering(lengths: &[usize], output: &[usize]) -> Vec<Vec<Vec<isize>>> {
    let axis = |(&n, &m): (&usize, &usize)| -> Vec<Vec<isize>> {
        let edge = |p: usize| p as f64 * n as f64 / m as f64;
        (0..m).map(|p| (edge(p).floor() as isize..(edge(p + 1) - 1e-9).ceil() as isize).collect()).collect()
    };
    lengths.iter().zip(output).map(axis).collect()
}

/// Samples of an adaptive pool.
fn adaptive<T: Element>(
    function: for<'t> fn(Var<'t, T>, &[usize]) -> Var<'t, T>,
    value: fn(&[Option<f64>], &[isize]) -> f64,
) -> Vec<Sample<T>> {
    let sample = |(shape, output): (&'static [usize], &'static [usize])| {
        let reference = move |x: &[ArrayD<f64>]| {
            let lengths = &x[0].shape()[x[0].ndim() - output.len()..];
            slow(&x[0], &covering(lengths, output), value)
        };
        let label = format!("{shape:?} to {output:?}");
        Sample::new(label, [distinct(shape)], move |x| function(x[0], output), reference)
    };
    ADAPTIVE.into_iter().map(sample).collect()
}

/// Samples of `adaptive_max_pool1d`, `adaptive_max_pool2d` and `adaptive_max_pool3d`.
pub(in crate::ops) fn adaptive_max_pool<T: Element>() -> Vec<Sample<T>> {
    adaptive(
        |x, output| match output.len() {
            1 => x.adaptive_max_pool1d(array(output)),
            2 => x.adaptive_max_pool2d(array(output)),
            _ => x.adaptive_max_pool3d(array(output)),
        },
        greatest,
    )
}

/// Samples of `adaptive_avg_pool1d`, `adaptive_avg_pool2d` and `adaptive_avg_pool3d`.
pub(in crate::ops) fn adaptive_avg_pool<T: Element>() -> Vec<Sample<T>> {
    adaptive(
        |x, output| match output.len() {
            1 => x.adaptive_avg_pool1d(array(output)),
            2 => x.adaptive_avg_pool2d(array(output)),
            _ => x.adaptive_avg_pool3d(array(output)),
        },
        mean,
    )
}
