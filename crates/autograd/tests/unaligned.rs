//! Kernels on slices that begin anywhere, and end anywhere: the same bits as where memory is aligned, and not an element
//! written beyond.

use wengert_autograd::Element;
use wengert_autograd::kernels::block::{Formula, map};
use wengert_autograd::kernels::gemm::{View, matmul};
use wengert_autograd::kernels::number::Number;
use wengert_autograd::kernels::{gather, reduce, scan};

/// Around the borders of registers (4, 8, 16 numbers), of runs (1024) and of what is split among threads.
const LENGTHS: [usize; 22] = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 1023, 1024, 1025, 66_001];

/// What stands around the part that a kernel may write.
const FENCE: f64 = -77.5;

/// Memory that begins some elements after a multiple of 64 bytes.
struct Slot<T> {
    memory: Vec<T>,
    start: usize,
    length: usize,
}

impl<T: Element> Slot<T> {
    fn new(length: usize, offset: usize) -> Self {
        let memory = vec![T::of(FENCE); length + 64];
        let start = memory.as_ptr().align_offset(64) + offset;
        Slot { memory, start, length }
    }

    fn of(values: &[T], offset: usize) -> Self {
        let mut slot = Slot::new(values.len(), offset);
        slot.get_mut().copy_from_slice(values);
        slot
    }

    fn get(&self) -> &[T] {
        &self.memory[self.start..self.start + self.length]
    }

    fn get_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..self.start + self.length]
    }

    fn bits(&self) -> Vec<u64> {
        self.get().iter().map(|value| value.to_f64().to_bits()).collect()
    }

    fn is_fenced(&self) -> bool {
        let (before, rest) = self.memory.split_at(self.start);
        before.iter().chain(&rest[self.length..]).all(|&value| value == T::of(FENCE))
    }
}

/// Runs a kernel from memory at several offsets to memory at others, and compares bits.
fn anywhere<T: Element>(name: &str, output: impl Fn(usize) -> usize, kernel: impl Fn(&[T], &mut [T])) {
    for length in LENGTHS {
        let values: Vec<T> = (0..length).map(|i| T::of((i as f64 * 0.61).sin() * 3.0)).collect();
        let mut expected = None;
        for (from, to) in [(0, 0), (1, 0), (0, 1), (3, 5), (7, 7), (13, 2), (15, 9)] {
            let (input, mut result) = (Slot::of(&values, from), Slot::new(output(length), to));
            kernel(input.get(), result.get_mut());
            assert!(result.is_fenced(), "{name} of {length} elements of {} writes beyond", T::NAME);
            let expected = expected.get_or_insert_with(|| result.bits());
            assert_eq!(result.bits(), *expected, "{name} of {length} elements of {} from {from} to {to}", T::NAME);
        }
    }
}

struct Mixed;

impl Formula<1> for Mixed {
    #[inline(always)]
    fn value<N: Number>([x]: [N; 1]) -> N {
        x.tanh() * x.exp() + x.sigmoid().ln() - x.sin()
    }
}

/// Rows and columns of the largest square of so many numbers, up to what takes several tiles and threads.
fn side(length: usize) -> usize {
    length.isqrt().min(70)
}

fn kernels<T: Element>() {
    anywhere::<T>("map", |n| n, |x, y| map::<Mixed, T, 1>([x], y));
    anywhere::<T>("sum", |_| 1, |x, y| reduce::sum(x, [1, x.len(), 1], y));
    anywhere::<T>("sum of squares", |_| 1, |x, y| reduce::sum_of_squares(x, [1, x.len(), 1], y));
    anywhere::<T>("max", |_| 1, |x, y| reduce::max(x, [1, x.len(), 1], y));
    anywhere::<T>("rows", |n| n / 3, |x, y| reduce::sum(&x[..x.len() / 3 * 3], [x.len() / 3, 3, 1], y));
    anywhere::<T>("columns", |_| 5, |x, y| reduce::min(&x[..x.len() / 5 * 5], [1, x.len() / 5, 5], y));
    anywhere::<T>(
        "softmax",
        |n| n,
        |x, y| {
            if !x.is_empty() {
                reduce::softmax(x, x.len(), y)
            }
        },
    );
    anywhere::<T>("logsumexp", |n| n / 7, |x, y| reduce::logsumexp(&x[..x.len() / 7 * 7], 7, y));
    anywhere::<T>("log_softmax", |n| n / 9 * 9, |x, y| reduce::log_softmax(&x[..y.len()], 9, y));
    anywhere::<T>("cumsum", |n| n, |x, y| scan::sums(x, [x.len(), 1], false, y));
    anywhere::<T>(
        "product",
        |n| side(n) * side(n),
        |x, y| {
            let n = side(x.len());
            matmul([n; 3], View::rows(x, n), View::transposed(x, n), y, false).expect("long enough");
        },
    );
    anywhere::<T>("flip", |n| n, |x, y| gather::flip(x, x.len(), 1, y));
    anywhere::<T>("transpose", |n| n / 4 * 4, |x, y| gather::transpose(x, 4, 4, x.len() / 4, y));
}

#[test]
fn kernels_of_f32_anywhere() {
    kernels::<f32>();
}

#[test]
fn kernels_of_f64_anywhere() {
    kernels::<f64>();
}
