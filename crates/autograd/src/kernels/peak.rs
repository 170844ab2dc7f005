//! What the machine can do at most, measured: multiply-adds in registers, and a pass over memory. Beside these, the speed
//! of a kernel means something.

use std::hint::black_box;
use std::sync::Mutex;
use std::time::Instant;

use super::dispatch::{self, Kernel};
use super::lanes::{LaneKernel, Lanes, Vectorised, across, launch};
use super::number::Element;
use super::pool;

/// The bytes over which passes are measured: the caches, and main memory.
const SIZES: [usize; 4] = [24 << 10, 1 << 20, 8 << 20, 64 << 20];

/// Registers that wait for nothing of each other: enough to fill two units of latency four, or five.
const REGISTERS: usize = 12;

/// Multiply-adds in each register.
const ROUNDS: usize = 1 << 14;

/// The most that all threads of the pool reach together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// Arithmetic operations a second; a multiply-add is two.
    pub flops: f64,
    /// `(bytes, bytes a second)`: of passes `a = b + s c` over so many bytes, those read and those written counted.
    pub passes: [(usize, f64); SIZES.len()],
}

impl Peak {
    /// Bytes a second of a pass over some bytes: those of the next larger size that was measured.
    pub fn bandwidth(&self, bytes: usize) -> f64 {
        let fits = self.passes.iter().find(|pass| bytes <= pass.0);
        fits.or(self.passes.last()).map_or(0.0, |pass| pass.1)
    }
}

/// The peak of the machine, measured once in a process for each element type and number of threads; takes some
/// hundredths of a second.
pub fn peak<T: Element>() -> Peak {
    static KNOWN: Mutex<Vec<((usize, usize), Peak)>> = Mutex::new(Vec::new());
    let key = (pool::threads(), size_of::<T>());
    let mut known = KNOWN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some((_, peak)) = known.iter().find(|entry| entry.0 == key) {
        return *peak;
    }
    let peak = Peak { flops: flops::<T>(key.0), passes: SIZES.map(|bytes| (bytes, bandwidth::<T>(bytes, key.0))) };
    known.push((key, peak));
    peak
}

/// The least time of several.
fn least(times: usize, work: impl Fn()) -> f64 {
    let timed = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..times).map(timed).fold(f64::INFINITY, f64::min).max(1e-9)
}

fn flops<T: Element>(threads: usize) -> f64 {
    let sums: Vec<Mutex<T>> = (0..threads).map(|_| Mutex::new(T::of(0.0))).collect();
    let seconds = least(20, || {
        pool::run(threads, &|i| {
            if let Ok(mut sum) = sums[i].lock() {
                launch(MultiplyAdds { sum: &mut *sum });
            }
        });
    });
    black_box(&sums);
    (2 * REGISTERS * ROUNDS * threads) as f64 * lanes::<T>() as f64 / seconds
}

/// The numbers in a register.
fn lanes<T: Vectorised>() -> usize {
    struct Width<'a>(&'a mut usize);
    impl<T> LaneKernel<T> for Width<'_> {
        #[inline(always)]
        fn run<L: Lanes<Scalar = T>, const FMA: bool>(self) {
            *self.0 = L::WIDTH;
        }
    }
    let mut width = 0;
    launch::<T, _>(Width(&mut width));
    width
}

struct MultiplyAdds<'a, T> {
    sum: &'a mut T,
}

impl<T: Element> LaneKernel<T> for MultiplyAdds<'_, T> {
    #[inline(always)]
    fn run<L: Lanes<Scalar = T>, const FMA: bool>(self) {
        let half = L::splat(black_box(T::of(0.5)));
        let mut values = [L::zero(); REGISTERS];
        for _ in 0..ROUNDS {
            for value in &mut values {
                *value = L::mul_add(*value, half, half);
            }
        }
        *self.sum = values.iter().map(|&value| across::<L>(value, L::add)).fold(T::of(0.0), |sum, value| sum + value);
    }
}

fn bandwidth<T: Element>(bytes: usize, threads: usize) -> f64 {
    let length = bytes / 3 / size_of::<T>() / threads;
    let arrays = |_| Mutex::new([1.0, 2.0, 3.0].map(|value| vec![T::of(value); length]));
    let arrays: Vec<_> = (0..threads).map(arrays).collect();
    let passes = (SIZES[1] / bytes).max(1);
    let seconds = least(if bytes > SIZES[2] { 4 } else { 20 }, || {
        pool::run(threads, &|i| {
            if let Ok(mut arrays) = arrays[i].lock() {
                let [a, b, c] = &mut *arrays;
                for _ in 0..passes {
                    dispatch::run(Triad { a: black_box(&mut *a), b, c });
                }
            }
        });
    });
    (3 * length * size_of::<T>() * threads * passes) as f64 / seconds
}

struct Triad<'a, T> {
    a: &'a mut [T],
    b: &'a [T],
    c: &'a [T],
}

impl<T: Element> Kernel for Triad<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let half = T::of(0.5);
        for ((a, &b), &c) in self.a.iter_mut().zip(self.b).zip(self.c) {
            *a = b + half * c;
        }
    }
}
