//! Random numbers that depend only on where they lie: Philox4x32-10 of Salmon, Moraes, Dror and Shaw (2011).
//!
//! The generator is a function from a key and a counter to four words, so element `i` of stream `stream` under
//! `seed` is always the same number, however an array is cut into blocks or spread over threads, and a mask can be
//! made again instead of being kept. Sixteen counters are computed side by side. Within a group of 64 words the word
//! at `p` is output `p / 16` of counter `p % 16` of the group, so that whole registers are stored at once.

use super::dispatch::{self, Kernel};
use super::pool;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// How many counters are computed side by side.
const LANES: usize = 16;

/// The words of a group.
const GROUP: usize = 4 * LANES;

/// How many elements a task fills: a multiple of every group length.
const CHUNK: usize = 16_384;

/// The four words for one counter under one key.
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let out = rounds::<1>(counter.map(|word| [word]), key);
    out.map(|word| word[0])
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // four arrays are indexed
fn rounds<const N: usize>(mut c: [[u32; N]; 4], mut key: [u32; 2]) -> [[u32; N]; 4] {
    for _ in 0..ROUNDS {
        for i in 0..N {
            let a = u64::from(MULTIPLIERS[0]) * u64::from(c[0][i]);
            let b = u64::from(MULTIPLIERS[1]) * u64::from(c[2][i]);
            let (x, y) = (c[1][i], c[3][i]);
            c[0][i] = (b >> 32) as u32 ^ x ^ key[0];
            c[1][i] = b as u32;
            c[2][i] = (a >> 32) as u32 ^ y ^ key[1];
            c[3][i] = a as u32;
        }
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    c
}

/// The words of group `group`.
#[inline(always)]
fn words(seed: u64, stream: u64, group: u64) -> [[u32; LANES]; 4] {
    let first = group.wrapping_mul(LANES as u64);
    // `first` is a multiple of 16, so adding a lane to its low word never carries.
    let low = std::array::from_fn(|lane| (first as u32) | lane as u32);
    let counter = [low, [(first >> 32) as u32; LANES], [stream as u32; LANES], [(stream >> 32) as u32; LANES]];
    rounds(counter, [seed as u32, (seed >> 32) as u32])
}

/// Numbers that can be drawn.
pub trait Draw: Copy + Default + Send + Sync + 'static {
    /// How many numbers of a uniform or normal distribution a group of words gives.
    #[doc(hidden)]
    const PER_GROUP: usize;
    /// Uniform numbers in [0, 1) from a group of words; `out` has `PER_GROUP` elements.
    #[doc(hidden)]
    fn uniform(words: &[[u32; LANES]; 4], out: &mut [Self]);
    /// Normal numbers from a group of words; `out` has `PER_GROUP` elements.
    #[doc(hidden)]
    fn normal(words: &[[u32; LANES]; 4], out: &mut [Self]);
    /// 1 or 0.
    #[doc(hidden)]
    fn bit(bit: bool) -> Self;
}

impl Draw for f32 {
    const PER_GROUP: usize = GROUP;

    #[inline(always)]
    fn uniform(words: &[[u32; LANES]; 4], out: &mut [Self]) {
        for (x, &word) in out.iter_mut().zip(words.as_flattened()) {
            // 24 bits fit the fraction exactly; through i32, which every instruction set converts directly.
            *x = (word >> 8) as i32 as f32 * (1.0 / 16_777_216.0);
        }
    }

    #[inline(always)]
    fn normal(words: &[[u32; LANES]; 4], out: &mut [Self]) {
        let (out, _) = out.as_chunks_mut::<LANES>();
        for pair in 0..2 {
            for i in 0..LANES {
                // In (0, 1]: 31 bits and a half, so that the logarithm is finite and the tail reaches 6.6.
                let u = ((words[2 * pair][i] >> 1) as i32 as f32 + 0.5) * (1.0 / 2_147_483_648.0);
                let v = (words[2 * pair + 1][i] >> 8) as i32 as f32 * (1.0 / 16_777_216.0);
                let radius = (-2.0 * u.ln()).sqrt();
                let (sin, cos) = (v * std::f32::consts::TAU).sin_cos();
                out[2 * pair][i] = radius * cos;
                out[2 * pair + 1][i] = radius * sin;
            }
        }
    }

    #[inline(always)]
    fn bit(bit: bool) -> Self {
        if bit { 1.0 } else { 0.0 }
    }
}

/// 53 random bits as a number in [0, 1).
#[inline(always)]
fn unit(high: u32, low: u32) -> f64 {
    // Two exact conversions of halves instead of one of 64 bits, which AVX2 does not have.
    let (high, low) = ((high >> 5) as i32, (low >> 6) as i32);
    (f64::from(high) * 67_108_864.0 + f64::from(low)) * (1.0 / 9_007_199_254_740_992.0)
}

impl Draw for f64 {
    const PER_GROUP: usize = GROUP / 2;

    #[inline(always)]
    fn uniform(words: &[[u32; LANES]; 4], out: &mut [Self]) {
        for (half, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            for (i, x) in out.iter_mut().enumerate() {
                *x = unit(words[2 * half][i], words[2 * half + 1][i]);
            }
        }
    }

    #[inline(always)]
    fn normal(words: &[[u32; LANES]; 4], out: &mut [Self]) {
        let (out, _) = out.as_chunks_mut::<LANES>();
        for i in 0..LANES {
            let u = 1.0 - unit(words[0][i], words[1][i]);
            let v = unit(words[2][i], words[3][i]);
            let radius = (-2.0 * u.ln()).sqrt();
            let (sin, cos) = (v * std::f64::consts::TAU).sin_cos();
            out[0][i] = radius * cos;
            out[1][i] = radius * sin;
        }
    }

    #[inline(always)]
    fn bit(bit: bool) -> Self {
        if bit { 1.0 } else { 0.0 }
    }
}

/// A distribution: how a group of words becomes numbers.
trait Distribution<T>: Copy + Sync {
    const PER_GROUP: usize;
    fn apply(self, words: &[[u32; LANES]; 4], out: &mut [T]);
}

#[derive(Clone, Copy)]
struct Uniform;

impl<T: Draw> Distribution<T> for Uniform {
    const PER_GROUP: usize = T::PER_GROUP;
    #[inline(always)]
    fn apply(self, words: &[[u32; LANES]; 4], out: &mut [T]) {
        T::uniform(words, out);
    }
}

#[derive(Clone, Copy)]
struct Normal;

impl<T: Draw> Distribution<T> for Normal {
    const PER_GROUP: usize = T::PER_GROUP;
    #[inline(always)]
    fn apply(self, words: &[[u32; LANES]; 4], out: &mut [T]) {
        T::normal(words, out);
    }
}

/// 1 where the word is at most `.0`; nowhere if it is `None`.
#[derive(Clone, Copy)]
struct Bernoulli(Option<u32>);

impl<T: Draw> Distribution<T> for Bernoulli {
    const PER_GROUP: usize = GROUP;
    #[inline(always)]
    fn apply(self, words: &[[u32; LANES]; 4], out: &mut [T]) {
        let Some(most) = self.0 else {
            return out.fill(T::bit(false));
        };
        for (out, words) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(words) {
            for (x, &word) in out.iter_mut().zip(words) {
                *x = T::bit(word <= most);
            }
        }
    }
}

/// Fills `output` with the elements `first..` of a stream.
struct Fill<'a, T, D> {
    seed: u64,
    stream: u64,
    first: u64,
    output: &'a mut [T],
    distribution: D,
}

impl<T: Draw, D: Distribution<T>> Kernel for Fill<'_, T, D> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let length = D::PER_GROUP as u64;
        let (mut group, skip) = (self.first / length, (self.first % length) as usize);
        let mut output = self.output;
        // The parts of groups at both ends go through a buffer.
        let mut buffer = [T::default(); GROUP];
        if skip > 0 {
            let count = (D::PER_GROUP - skip).min(output.len());
            let (head, rest) = output.split_at_mut(count);
            self.distribution.apply(&words(self.seed, self.stream, group), &mut buffer[..D::PER_GROUP]);
            head.copy_from_slice(&buffer[skip..skip + count]);
            (output, group) = (rest, group + 1);
        }
        let mut chunks = output.chunks_exact_mut(D::PER_GROUP);
        for chunk in &mut chunks {
            self.distribution.apply(&words(self.seed, self.stream, group), chunk);
            group += 1;
        }
        let rest = chunks.into_remainder();
        if !rest.is_empty() {
            self.distribution.apply(&words(self.seed, self.stream, group), &mut buffer[..D::PER_GROUP]);
            rest.copy_from_slice(&buffer[..rest.len()]);
        }
    }
}

fn fill<T: Draw>(seed: u64, stream: u64, first: u64, output: &mut [T], distribution: impl Distribution<T>) {
    pool::split(output, CHUNK, |start, output| {
        let first = first + start as u64;
        dispatch::run(Fill { seed, stream, first, output, distribution });
    });
}

/// Fills `output` with uniform numbers in [0, 1): multiples of 2^-24 (f32) or 2^-53 (f64).
pub fn fill_uniform<T: Draw>(seed: u64, stream: u64, output: &mut [T]) {
    fill_uniform_from(seed, stream, 0, output);
}

/// Elements `first..` of what [`fill_uniform`] gives.
pub fn fill_uniform_from<T: Draw>(seed: u64, stream: u64, first: u64, output: &mut [T]) {
    fill(seed, stream, first, output, Uniform);
}

/// Fills `output` with numbers of the normal distribution with mean 0 and variance 1 (Box and Muller's method).
pub fn fill_normal<T: Draw>(seed: u64, stream: u64, output: &mut [T]) {
    fill_normal_from(seed, stream, 0, output);
}

/// Elements `first..` of what [`fill_normal`] gives.
pub fn fill_normal_from<T: Draw>(seed: u64, stream: u64, first: u64, output: &mut [T]) {
    fill(seed, stream, first, output, Normal);
}

/// Fills `output` with 1 (with probability `keep_probability`, to within 2^-32) and 0. The mask is the same for
/// every number type. A probability that is not above 0, or is not a number, gives zeros.
pub fn fill_bernoulli<T: Draw>(seed: u64, stream: u64, keep_probability: f64, output: &mut [T]) {
    fill_bernoulli_from(seed, stream, 0, keep_probability, output);
}

/// Elements `first..` of what [`fill_bernoulli`] gives.
pub fn fill_bernoulli_from<T: Draw>(seed: u64, stream: u64, first: u64, keep_probability: f64, output: &mut [T]) {
    // The conversion saturates, so probabilities above 1 are 1 and NaN is 0.
    let below = (keep_probability * 4_294_967_296.0).round() as u64;
    let most = below.min(1 << 32).checked_sub(1).map(|most| most as u32);
    fill(seed, stream, first, output, Bernoulli(most));
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn published_vectors() {
        // The lines of kat_vectors of Random123 for philox4x32 with 10 rounds: zeros, ones, digits of pi.
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn groups_are_the_single_counters() {
        let (seed, stream, group) = (0x1234_5678_9abc_def0, 0x0fed_cba9_8765_4321, (1 << 28) + 5);
        let many = words(seed, stream, group);
        for lane in 0..LANES {
            let at = group * LANES as u64 + lane as u64;
            let counter = [at as u32, (at >> 32) as u32, stream as u32, (stream >> 32) as u32];
            let one = philox4x32(counter, [seed as u32, (seed >> 32) as u32]);
            assert_eq!(one, many.map(|word| word[lane]));
        }
    }

    fn pieces<T: Draw + PartialEq + std::fmt::Debug>(fill: impl Fn(u64, &mut [T])) {
        let mut whole = vec![T::default(); 40_000];
        fill(0, &mut whole);
        for size in [1, 7, 31, 32, 64, 100, 1000, 16_383, 39_999] {
            let mut parts = vec![T::default(); 40_000];
            for (i, part) in parts.chunks_mut(size).enumerate() {
                fill((i * size) as u64, part);
            }
            assert_eq!(parts, whole, "pieces of {size}");
        }
        for threads in [1, 2, 3] {
            let mut again = vec![T::default(); 40_000];
            pool::with_threads(threads, || fill(0, &mut again));
            assert_eq!(again, whole, "{threads} threads");
        }
    }

    #[test]
    fn pieces_and_threads_do_not_matter() {
        pieces::<f32>(|first, out| fill_uniform_from(1, 2, first, out));
        pieces::<f64>(|first, out| fill_uniform_from(1, 2, first, out));
        pieces::<f32>(|first, out| fill_normal_from(1, 2, first, out));
        pieces::<f64>(|first, out| fill_normal_from(1, 2, first, out));
        pieces::<f32>(|first, out| fill_bernoulli_from(1, 2, first, 0.3, out));
        pieces::<f64>(|first, out| fill_bernoulli_from(1, 2, first, 0.3, out));
    }

    const COUNT: usize = 1_000_000;

    fn draw<T: Draw + Into<f64>>(fill: impl Fn(&mut [T])) -> Vec<f64> {
        let mut out = vec![T::default(); COUNT];
        fill(&mut out);
        out.into_iter().map(Into::into).collect()
    }

    fn mean(data: impl Iterator<Item = f64>) -> f64 {
        data.sum::<f64>() / COUNT as f64
    }

    /// Chi-square over `bins` equally likely bins, as distance from its mean in standard deviations.
    fn chi_square(bins: usize, data: impl Iterator<Item = usize>) -> f64 {
        let mut counts = vec![0_u32; bins];
        let mut total = 0.0;
        for bin in data {
            counts[bin] += 1;
            total += 1.0;
        }
        let each = total / bins as f64;
        let sum: f64 = counts.iter().map(|&c| (f64::from(c) - each).powi(2) / each).sum();
        (sum - (bins - 1) as f64) / (2.0 * (bins - 1) as f64).sqrt()
    }

    // Bounds are four standard errors: a right generator fails one such check in 16,000 seeds, and these are fixed.
    fn check_uniform(data: &[f64]) {
        let error = 1.0 / (COUNT as f64).sqrt();
        assert!(data.iter().all(|x| (0.0..1.0).contains(x)));
        assert!((mean(data.iter().copied()) - 0.5).abs() < 4.0 * error * (1.0_f64 / 12.0).sqrt());
        let variance = mean(data.iter().map(|x| (x - 0.5).powi(2)));
        assert!((variance - 1.0 / 12.0).abs() < 4.0 * error * (1.0_f64 / 180.0).sqrt());
        assert!(chi_square(1000, data.iter().map(|x| (x * 1000.0) as usize)).abs() < 4.0);
        // Neighbours, and elements 16 apart (words of one counter), fill the square evenly.
        for apart in [1, 16] {
            let bin = |x: f64| (x * 30.0) as usize;
            let pairs = data.chunks_exact(32).map(|c| bin(c[0]) * 30 + bin(c[apart]));
            assert!(chi_square(900, pairs).abs() < 4.0);
        }
    }

    fn check_normal(data: &[f64]) {
        let error = 1.0 / (COUNT as f64).sqrt();
        let moment = |p: i32| mean(data.iter().map(|x| x.powi(p)));
        // Standard deviations of the powers: sqrt(E x^2p - (E x^p)^2).
        assert!(moment(1).abs() < 4.0 * error);
        assert!((moment(2) - 1.0).abs() < 4.0 * error * 2.0_f64.sqrt());
        assert!(moment(3).abs() < 4.0 * error * 15.0_f64.sqrt());
        assert!((moment(4) - 3.0).abs() < 4.0 * error * 96.0_f64.sqrt());
        let uniform = data.iter().map(|x| 0.5 * libm::erfc(-x / 2.0_f64.sqrt()));
        assert!(chi_square(500, uniform.map(|u| ((u * 500.0) as usize).min(499))).abs() < 4.0);
        let product = mean(data.chunks_exact(32).map(|c| c[0] * c[16])) * 32.0;
        assert!(product.abs() < 4.0 * error * 32.0_f64.sqrt());
    }

    #[test]
    fn uniform_numbers_are_uniform() {
        check_uniform(&draw::<f32>(|out| fill_uniform(3, 1, out)));
        check_uniform(&draw::<f64>(|out| fill_uniform(4, 1, out)));
    }

    #[test]
    fn normal_numbers_are_normal() {
        check_normal(&draw::<f32>(|out| fill_normal(5, 1, out)));
        check_normal(&draw::<f64>(|out| fill_normal(6, 1, out)));
    }

    #[test]
    fn streams_and_seeds_are_unrelated() {
        let base = draw::<f64>(|out| fill_uniform(7, 0, out));
        for (seed, stream) in [(7, 1), (8, 0), (7 << 32, 0), (7, 1 << 32)] {
            let other = draw::<f64>(|out| fill_uniform(seed, stream, out));
            let product = mean(base.iter().zip(&other).map(|(x, y)| (x - 0.5) * (y - 0.5)));
            assert!(product.abs() < 4.0 / 12.0 / (COUNT as f64).sqrt());
        }
    }

    #[test]
    fn masks_have_their_probability() {
        for p in [0.001, 0.1, 0.5, 0.9] {
            let mask = draw::<f32>(|out| fill_bernoulli(9, 1, p, out));
            let spread = (p * (1.0 - p) / COUNT as f64).sqrt();
            assert!((mean(mask.iter().copied()) - p).abs() < 4.0 * spread);
            assert_eq!(mask, draw::<f64>(|out| fill_bernoulli(9, 1, p, out)));
        }
        let all = |p| mean(draw::<f32>(|out| fill_bernoulli(9, 1, p, out)).into_iter());
        assert_eq!([all(-1.0), all(0.0), all(f64::NAN), all(1.0), all(2.0)], [0.0, 0.0, 0.0, 1.0, 1.0]);
    }
}
