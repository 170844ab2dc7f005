//! Tests of the matrix products against a plain triple loop in f64.

use super::*;

trait Number: Vectorised + Into<f64> + PartialEq + std::fmt::Debug {
    const EPSILON: f64;
}
impl Number for f32 {
    const EPSILON: f64 = f32::EPSILON as f64;
}
impl Number for f64 {
    const EPSILON: f64 = f64::EPSILON;
}

/// Numbers in [-1, 1) from a small generator.
fn numbers<T: Number>(count: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| T::of(next())).collect()
}

/// Compares with the triple loop; the bound is that of a sum of `k` products in any order.
fn compare<T: Number>(sizes: [usize; 3], a: View<'_, T>, b: View<'_, T>, accumulate: bool) {
    let [m, n, k] = sizes;
    let before = numbers::<T>(m * n + 3, 7);
    let mut out = before.clone();
    matmul(sizes, a, b, &mut out, accumulate).expect("slices are long enough");
    for i in 0..m {
        for j in 0..n {
            let start = if accumulate { before[i * n + j].into() } else { 0.0 };
            let (mut sum, mut size) = (start, f64::abs(start));
            for l in 0..k {
                let x: f64 = a.data[i * a.strides.0 + l * a.strides.1].into();
                let y: f64 = b.data[l * b.strides.0 + j * b.strides.1].into();
                (sum, size) = (sum + x * y, size + (x * y).abs());
            }
            let bound = (k + 2) as f64 * T::EPSILON * size;
            let found: f64 = out[i * n + j].into();
            assert!((found - sum).abs() <= bound, "{sizes:?} at {i}, {j}: {found} for {sum}");
        }
    }
    assert_eq!(out[m * n..], before[m * n..], "beyond the output");
}

fn four_forms<T: Number>([m, n, k]: [usize; 3]) {
    let (a, b) = (numbers::<T>(m * k, 1), numbers::<T>(k * n, 2));
    for (left, right) in [(false, false), (false, true), (true, false), (true, true)] {
        let a = if left { View::transposed(&a, m) } else { View::rows(&a, k) };
        let b = if right { View::transposed(&b, k) } else { View::rows(&b, n) };
        for accumulate in [false, true] {
            compare([m, n, k], a, b, accumulate);
        }
    }
}

#[test]
fn small_shapes_in_all_forms() {
    for m in [0, 1, 2, 3, 4, 7, 9] {
        for n in [0, 1, 2, 5, 8, 16, 17, 33] {
            for k in [0, 1, 2, 3, 16, 31, 40] {
                four_forms::<f32>([m, n, k]);
                four_forms::<f64>([m, n, k]);
            }
        }
    }
}

#[test]
fn layer_shapes_in_all_forms() {
    for sizes in [
        [128, 10, 128],
        [64, 64, 64],
        [13, 100, 300],
        [1, 128, 784],
        [100, 1, 513],
        [2, 200, 257],
        [31, 130, 700],
        [70, 515, 33],
    ] {
        four_forms::<f32>(sizes);
        four_forms::<f64>(sizes);
    }
}

#[test]
fn any_strides() {
    let data = numbers::<f32>(5000, 3);
    for sizes in [[5, 6, 7], [20, 33, 17], [1, 9, 40], [9, 1, 40], [1, 1, 50]] {
        for a_strides in [(0, 0), (0, 1), (1, 0), (41, 2), (3, 60)] {
            for b_strides in [(0, 0), (0, 1), (1, 0), (40, 2), (3, 65), (1, 1)] {
                let a = View { data: &data, strides: a_strides };
                let b = View { data: &data[1..], strides: b_strides };
                compare(sizes, a, b, false);
            }
        }
    }
}

#[test]
fn every_thread_count_gives_the_same_bits() {
    fn form(t: bool, data: &[f32], r: usize, c: usize) -> View<'_, f32> {
        if t { View::transposed(data, r) } else { View::rows(data, c) }
    }
    for [m, n, k] in [[128, 128, 784], [784, 130, 90], [1, 1000, 784], [1000, 1, 300], [128, 10, 400], [3, 700, 300]] {
        let (a, b) = (numbers::<f32>(m * k, 1), numbers::<f32>(k * n, 2));
        for (left, right) in [(false, false), (false, true), (true, false)] {
            let results = [1, 2, 3, 8].map(|threads| {
                let mut out = vec![0.0; m * n];
                let (a, b) = (form(left, &a, m, k), form(right, &b, k, n));
                pool::with_threads(threads, || matmul([m, n, k], a, b, &mut out, false))
                    .expect("slices are long enough");
                out
            });
            assert!(results.iter().all(|r| *r == results[0]), "{m} {n} {k}");
        }
    }
}

#[test]
fn batches() {
    let (a, b) = (numbers::<f64>(40_000, 1), numbers::<f64>(40_000, 2));
    for (batch, [m, n, k]) in
        [(0, [3, 4, 5]), (1, [3, 4, 5]), (7, [3, 4, 5]), (12, [32, 40, 17]), (5, [1, 9, 20]), (6, [9, 1, 20])]
    {
        for a_batch in [0, m * k, m * k + 3] {
            for b_batch in [0, k * n, 2 * k * n] {
                let (left, right) = (View::rows(&a, k), View::transposed(&b, k));
                let mut out = vec![0.5; batch * m * n];
                matmul_batch(batch, [m, n, k], (left, a_batch), (right, b_batch), &mut out, true).expect("long enough");
                for index in 0..batch {
                    let mut one = vec![0.5; m * n];
                    let left = View::rows(&a[index * a_batch..], k);
                    let right = View::transposed(&b[index * b_batch..], k);
                    matmul([m, n, k], left, right, &mut one, true).expect("long enough");
                    for (x, y) in out[index * m * n..].iter().zip(&one) {
                        assert!((x - y).abs() < 1e-12);
                    }
                }
            }
        }
    }
}

#[test]
fn short_slices_are_errors() {
    let data = [1.0_f32; 20];
    let mut out = [7.0_f32; 20];
    let view = |count: usize, strides| View { data: &data[..count], strides };
    let mut call = |a, b| matmul([2, 3, 4], a, b, &mut out, false).map_err(|e| e.operand);
    assert_eq!(call(view(7, (4, 1)), view(12, (3, 1))), Err("a"));
    assert_eq!(call(view(8, (4, 1)), view(11, (3, 1))), Err("b"));
    assert_eq!(call(view(8, (usize::MAX, 1)), view(12, (3, 1))), Err("a"));
    assert_eq!(call(view(8, (4, 1)), view(12, (usize::MAX / 2, 3))), Err("b"));
    let (a, b) = (view(8, (4, 1)), view(12, (3, 1)));
    assert_eq!(matmul([2, 3, 4], a, b, &mut out[..5], false), Err(TooShort { operand: "out" }));
    assert_eq!(matmul([usize::MAX, 3, 4], a, b, &mut out, false), Err(TooShort { operand: "out" }));
    let batch = matmul_batch(3, [2, 3, 4], (a, 0), (b, 5), &mut out, false);
    assert_eq!(batch, Err(TooShort { operand: "b" }));
    assert_eq!(out, [7.0; 20]);
    assert_eq!(matmul([2, 3, 4], a, b, &mut out, false), Ok(()));
    assert_eq!(out[..7], [4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 7.0]);
}

#[test]
fn not_a_number_spreads_and_padding_does_not() {
    let mut a = vec![1.0_f32; 9 * 20];
    a[3 * 20 + 5] = f32::NAN;
    let b = vec![1.0_f32; 20 * 17];
    let mut out = vec![0.0; 9 * 17];
    matmul([9, 17, 20], View::rows(&a, 20), View::transposed(&b, 20), &mut out, false).expect("long enough");
    for (i, row) in out.chunks(17).enumerate() {
        assert!(row.iter().all(|x| x.is_nan() == (i == 3)));
    }
}
