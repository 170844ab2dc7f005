//! Tensors as text: the values as `ndarray` prints them (long ones shortened), with shape and element type. Where one
//! would need many zeros, all are printed with exponents.

use std::fmt;

use super::Tensor;
use crate::kernels::number::Element;

impl<T: Element> fmt::Display for Tensor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As Rust's `{:?}` does for numbers.
        let exponent = |x: &T| x.to_f64() != 0.0 && x.to_f64().is_finite() && !(1e-5..1e16).contains(&x.to_f64().abs());
        match f.precision().is_none() && self.as_slice().iter().any(exponent) {
            true => fmt::LowerExp::fmt(&self.view(), f)?,
            false => fmt::Display::fmt(&self.view(), f)?,
        }
        write!(f, " : {} {}", T::NAME, self.shape())
    }
}

impl<T: Element> fmt::Debug for Tensor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use crate::tensor::Tensor;

    #[test]
    fn numbers_of_many_zeros_have_exponents() {
        let text = |values: &[f32]| Tensor::from(values).to_string();
        assert_eq!(text(&[1.0, -0.0, 1e-4, 1e15]), "[1, -0, 0.0001, 1000000000000000] : f32 [4]");
        assert_eq!(text(&[1.5, 0.0, 1e-30]), "[1.5e0, 0e0, 1e-30] : f32 [3]");
        assert_eq!(text(&[f32::NAN, f32::INFINITY, 1e30]), "[NaN, inf, 1e30] : f32 [3]");
        assert_eq!(text(&[f32::NAN, -f32::INFINITY]), "[NaN, -inf] : f32 [2]");
        assert_eq!(format!("{:.2}", Tensor::from([1e-30, 1.0])), "[0.00, 1.00] : f64 [2]");
    }
}
