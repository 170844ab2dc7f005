//! Accuracy of the functions in both widths and for both kinds of lanes.

mod accuracy;
mod gamma;
mod special;
mod tables;

/// What the tests ask of both float types.
pub(super) trait Ulp: Copy + PartialEq {
    /// The error of `value` against `reference`, in units of the last place of the reference; 0 where both are NaN or the
    /// same infinity.
    fn error(value: Self, reference: f64) -> f64;
}

macro_rules! ulp {
    ($float:ident, $digits:expr, $least:expr) => {
        impl Ulp for $float {
            fn error(value: Self, reference: f64) -> f64 {
                let rounded = reference as $float;
                if value == rounded || (value.is_nan() && rounded.is_nan()) {
                    return 0.0;
                }
                // An overflow of the reference is as far off as the next power of two would be.
                let exponent = libm::ilogb(reference.abs().clamp(1e-320, f64::MAX)).max($least);
                let unit = libm::ldexp(1.0, exponent - $digits);
                (f64::from(value) - reference).abs() / unit
            }
        }
    };
}

ulp!(f32, 23, -126);
ulp!(f64, 52, -1022);

/// A spread of arguments: `count` of them from `low` to `high`.
pub(super) fn even(low: f64, high: f64, count: usize) -> Vec<f64> {
    // Multiples of the golden ratio modulo 1 fill the interval without aliasing with powers of two.
    (0..count).map(|i| low + (high - low) * (i as f64 * 0.618_033_988_749_894_9).fract()).collect()
}

/// Arguments of both signs whose sizes go from `2^low` to `2^high`.
pub(super) fn by_size(low: f64, high: f64, count: usize) -> Vec<f64> {
    let sizes = even(low, high, count);
    sizes.iter().enumerate().map(|(i, &e)| if i % 2 == 0 { libm::exp2(e) } else { -libm::exp2(e) }).collect()
}
