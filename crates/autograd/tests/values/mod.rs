//! Values that several tests compute with.

use wengert_autograd::Tensor;

/// Any elements, in both signs.
pub(crate) fn elements(shape: [usize; 2], seed: usize) -> Tensor<f64> {
    Tensor::from_fn(shape, |i| ((i * 7919 + seed * 104_729) % 10_007) as f64 / 2500.0 - 2.0)
}

/// The elements bit for bit.
pub(crate) fn bits(tensor: &Tensor<f64>) -> Vec<u64> {
    tensor.as_slice().iter().map(|value| value.to_bits()).collect()
}
