//! The one source of randomness of the crate: the same seed gives the same numbers on every machine, for ever.
//!
//! That rules out generators and distributions whose values may change from one release to the next, and the
//! platform's own `ln` and `cos`. Must know nothing of tensors.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): every 64-bit seed
/// starts a sequence of its own, neighbouring seeds too.
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    pub(crate) fn new(seed: u64) -> Self {
        SplitMix64(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number below `bound`; the high half of the product, so that none is favoured by more than
    /// `bound / 2^64`.
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Uniform on `[0, 1)`, in steps of 2^-53.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Two independent draws of the normal distribution of mean 0 and variance 1 (Box and Muller, 1958).
    pub(crate) fn normals(&mut self) -> [f64; 2] {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        let (sine, cosine) = libm::sincos(std::f64::consts::TAU * self.uniform());
        [radius * cosine, radius * sine]
    }
}

/// The numbers 0 to `n - 1` in an order that depends on `n` and the seed alone.
///
/// The algorithm is fixed: Fisher and Yates, from the last place to the first, each place `i` changed with the place
/// `(draw * (i + 1)) >> 64`, `draw` the next 64 bits of SplitMix64 started at the seed.
///
/// ```
/// assert_eq!(wengert_data::permutation(10, 42), [8, 3, 6, 5, 4, 0, 9, 2, 1, 7]);
/// ```
pub fn permutation(n: usize, seed: u64) -> Vec<usize> {
    let mut random = SplitMix64::new(seed);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, random.below(i as u64 + 1) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that the published reference program prints for this seed.
    #[test]
    fn published_sequence() {
        let mut random = SplitMix64::new(1_234_567);
        let draws: Vec<u64> = (0..5).map(|_| random.next()).collect();
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(draws, published);
    }

    #[test]
    fn orders_stay_as_they_are() {
        assert_eq!(permutation(10, 0), [4, 9, 2, 5, 1, 7, 6, 0, 3, 8]);
        assert_eq!(permutation(10, 1), [9, 0, 1, 4, 8, 2, 3, 7, 6, 5]);
        assert_eq!(permutation(10, 7), [9, 5, 8, 6, 1, 2, 4, 7, 0, 3]);
        assert_eq!(permutation(1, 7), [0]);
        assert!(permutation(0, 7).is_empty());
    }

    #[test]
    fn every_order_is_as_likely_as_any_other() {
        let mut seen = std::collections::BTreeMap::new();
        for seed in 0..24_000 {
            *seen.entry(permutation(4, seed)).or_insert(0u32) += 1;
        }
        // 24 orders, 1,000 expected of each; five standard deviations are 155.
        assert_eq!(seen.len(), 24);
        assert!(seen.values().all(|&count| count.abs_diff(1_000) < 155), "{seen:?}");
    }

    #[test]
    fn normal_moments() {
        let mut random = SplitMix64::new(3);
        let draws: Vec<f64> = (0..50_000).flat_map(|_| random.normals()).collect();
        let moment = |power: i32| draws.iter().map(|x| x.powi(power)).sum::<f64>() / draws.len() as f64;
        // Five standard errors each.
        assert!(moment(1).abs() < 0.016, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.023, "{}", moment(2));
        assert!(moment(3).abs() < 0.062, "{}", moment(3));
        assert!((moment(4) - 3.0).abs() < 0.16, "{}", moment(4));
    }
}
