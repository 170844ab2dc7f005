//! Tests of the reductions: against plain loops in f64, at every thread count, with special numbers.

use super::*;
use crate::kernels::pool::with_threads;

/// Numbers in [-1, 1) from a small generator.
fn numbers(count: usize) -> Vec<f32> {
    let mut out = vec![0.0; count];
    crate::kernels::philox::fill_uniform(11, 0, &mut out);
    out.iter_mut().for_each(|x| *x = *x * 2.0 - 1.0);
    out
}

const SHAPES: [[usize; 3]; 21] = [
    [0, 3, 4],
    [3, 0, 4],
    [3, 4, 0],
    [1, 1, 1],
    [5, 7, 1],
    [5, 64, 1],
    [4, 1000, 1],
    [3, 1025, 1],
    [2, 70_000, 1],
    [1, 200_001, 1],
    [100, 1000, 1],
    [3000, 30, 1],
    [1, 128, 128],
    [1, 30, 100],
    [2, 700, 85],
    [1, 9000, 10],
    [1, 20_001, 7],
    [40, 50, 60],
    [1, 300, 500],
    [7, 3, 2],
    [1, 20_000, 64],
];

fn middle(data: &[f32], [outer, n, inner]: [usize; 3], each: impl Fn(Vec<f32>) -> f64) -> Vec<f64> {
    let at = |o: usize, j: usize| (0..n).map(|i| data[(o * n + i) * inner + j]).collect();
    (0..outer * inner).map(|x| each(at(x / inner, x % inner))).collect()
}

/// Runs at several thread counts, checks that the bits agree, and returns the result.
fn at_all_threads<R: Copy + Default + Send>(length: usize, body: impl Fn(&mut [R])) -> Vec<R> {
    let results = [1, 2, 3, 8].map(|threads| {
        let mut out = vec![R::default(); length];
        with_threads(threads, || body(&mut out));
        out
    });
    let bytes = |v: &Vec<R>| -> Vec<u8> {
        // SAFETY: the numbers tested here have no padding.
        unsafe { std::slice::from_raw_parts(v.as_ptr().cast(), size_of_val(&v[..])) }.to_vec()
    };
    assert!(results.iter().all(|r| bytes(r) == bytes(&results[0])));
    results.into_iter().next().expect("one per thread count")
}

#[test]
fn sums() {
    for shape in SHAPES {
        let data = numbers(shape.iter().product());
        let wide: Vec<f64> = data.iter().map(|&x| f64::from(x)).collect();
        let length = shape[0] * shape[2];
        let expected = middle(&data, shape, |v| v.iter().map(|&x| f64::from(x)).sum());
        let squares = middle(&data, shape, |v| v.iter().map(|&x| f64::from(x).powi(2)).sum());
        // 16 steps of a run, 6 halvings and the levels of pairs, times the sum of the sizes.
        let factor = 16.0 + 6.0 + (shape[1] as f64 + 1.0).log2();
        let bound = |epsilon: f64| factor * epsilon * (shape[1] as f64 + 1.0);
        let close = |x: f64, y: f64, epsilon| assert!((x - y).abs() <= bound(epsilon), "{shape:?}: {x} {y}");
        for (x, y) in at_all_threads(length, |out| sum(&data, shape, out)).into_iter().zip(&expected) {
            close(f64::from(x), *y, f64::from(f32::EPSILON));
        }
        for (x, y) in at_all_threads(length, |out| sum(&wide, shape, out)).into_iter().zip(&expected) {
            close(x, *y, 2.0 * shape[1] as f64 * f64::EPSILON);
        }
        for (x, y) in at_all_threads(length, |out| sum_of_squares(&data, shape, out)).into_iter().zip(&squares) {
            close(f64::from(x), *y, f64::from(f32::EPSILON));
        }
    }
}

#[test]
fn a_long_sum_is_as_good_as_a_pairwise_one() {
    let data = vec![0.1_f32; 10_000_000];
    for shape in [[1, 10_000_000, 1], [1, 1_000_000, 10], [1, 100_000, 100]] {
        let mut out = vec![0.0; shape[2]];
        sum(&data, shape, &mut out);
        let expected = f64::from(0.1_f32) * shape[1] as f64;
        for x in out {
            assert!((f64::from(x) / expected - 1.0).abs() < 1e-6, "{shape:?}: {x}");
        }
    }
}

#[test]
fn extremes_and_places() {
    for shape in SHAPES {
        let mut data = numbers(shape.iter().product());
        for step in [0, 17, 4001] {
            if step > 0 {
                data.iter_mut().step_by(step).for_each(|x| *x = f32::NAN);
            } else {
                data.iter_mut().for_each(|x| *x = (*x * 50.0).round());
            }
            let length = shape[0] * shape[2];
            let greatest = |v: &[f32]| v.iter().copied().reduce(|a, b| if a > b || a.is_nan() { a } else { b });
            let least = |v: &[f32]| v.iter().copied().reduce(|a, b| if a < b || a.is_nan() { a } else { b });
            let first = |v: &[f32], x: Option<f32>| {
                let x = x.expect("not empty");
                v.iter().position(|&y| x == y || y.is_nan()).expect("present") as f64
            };
            let same = |x: f32, y: &f64| f64::from(x) == *y || (x.is_nan() && y.is_nan());
            let expected = middle(&data, shape, |v| greatest(&v).unwrap_or(f32::NEG_INFINITY).into());
            assert!(
                at_all_threads(length, |out| max(&data, shape, out))
                    .into_iter()
                    .zip(&expected)
                    .all(|(x, y)| same(x, y))
            );
            let expected = middle(&data, shape, |v| least(&v).unwrap_or(f32::INFINITY).into());
            assert!(
                at_all_threads(length, |out| min(&data, shape, out))
                    .into_iter()
                    .zip(&expected)
                    .all(|(x, y)| same(x, y))
            );
            if shape[1] == 0 {
                continue;
            }
            let expected = middle(&data, shape, |v| first(&v, greatest(&v)));
            let found = at_all_threads(length, |out| argmax(&data, shape, out));
            assert!(found.into_iter().zip(&expected).all(|(x, y)| x as f64 == *y));
            let expected = middle(&data, shape, |v| first(&v, least(&v)));
            let found = at_all_threads(length, |out| argmin(&data, shape, out));
            assert!(found.into_iter().zip(&expected).all(|(x, y)| x as f64 == *y));
        }
    }
}

#[test]
#[should_panic(expected = "no greatest")]
fn no_place_in_nothing() {
    argmax::<f32>(&[], [1, 0, 1], &mut [0]);
}

#[test]
fn row_kernels() {
    for (rows, n) in [(0, 5), (3, 1), (4, 3), (128, 10), (7, 100), (3, 1500), (2, 5000), (3000, 9)] {
        let data: Vec<f32> = numbers(rows * n).iter().map(|x| x * 20.0).collect();
        let soft = at_all_threads(rows * n, |out| softmax(&data, n, out));
        let log = at_all_threads(rows * n, |out| log_softmax(&data, n, out));
        let sums = at_all_threads(rows, |out| logsumexp(&data, n, out));
        for (row, x) in data.chunks(n).enumerate() {
            let total: f64 = x.iter().map(|&x| f64::from(x).exp()).sum();
            assert!((f64::from(sums[row]) - total.ln()).abs() < 1e-5);
            for (i, &x) in x.iter().enumerate() {
                // The difference to the greatest, up to 40, is rounded to 24 bits before the exponential.
                let expected = f64::from(x).exp() / total;
                assert!((f64::from(soft[row * n + i]) - expected).abs() < 4e-6 * expected + 1e-30);
                assert!((f64::from(log[row * n + i]) - expected.ln()).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn rows_of_extremes() {
    let (low, high) = (f64::NEG_INFINITY, f64::INFINITY);
    let data = [1000.0, 1000.0, low, 0.0, low, low, high, 0.0, f64::NAN, 0.0];
    let mut out = [0.0; 10];
    let mut sums = [0.0; 5];
    softmax(&data, 2, &mut out);
    assert_eq!(out[..4], [0.5, 0.5, 0.0, 1.0]);
    assert!(out[4..].iter().all(|x| x.is_nan()));
    log_softmax(&data, 2, &mut out);
    assert_eq!(out[..4], [-(2.0_f64.ln()), -(2.0_f64.ln()), low, 0.0]);
    logsumexp(&data, 2, &mut sums);
    assert_eq!(sums[..4], [1000.0 + 2.0_f64.ln(), 0.0, low, high]);
    assert!(sums[4].is_nan());
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let data = numbers(50_000);
    for length in [1, 9, 63, 64, 500, 1024, 1025, 50_000] {
        let data = &data[..length];
        let mut out = [0.0];
        sum(data, [1, length, 1], &mut out);
        let plain = contiguous::<f32, <f32 as Vectorised>::Baseline, Sum>(data);
        assert_eq!(out[0].to_bits(), plain.to_bits());
        sum_of_squares(data, [1, length, 1], &mut out);
        let plain = contiguous::<f32, <f32 as Vectorised>::Baseline, Squares>(data);
        assert_eq!(out[0].to_bits(), plain.to_bits());
    }
}
