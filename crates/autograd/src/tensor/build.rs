//! Constructors of [`Tensor`].

use rand::Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

use super::{Shape, Storage, Tensor};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::kernels::scratch::NoMemory;

impl<T: Element> Tensor<T> {
    /// A tensor of a shape whose elements are computed in row-major order.
    ///
    /// # Panics
    /// The shape has more elements than memory can address, or than the machine has: as with `Vec`, and so for every
    /// constructor that takes a shape and returns no `Result`.
    #[track_caller]
    pub fn from_fn(shape: impl Into<Shape>, mut element: impl FnMut(usize) -> T) -> Self {
        let shape = shape.into();
        let mut storage = match shape.checked_volume().map(Storage::try_unspecified) {
            Ok(Some(storage)) => storage,
            Ok(None) => panic!("the memory for a tensor of shape {shape} cannot be had"),
            Err(error) => panic!("{error}"),
        };
        for (i, value) in storage.make_mut().iter_mut().enumerate() {
            *value = element(i);
        }
        Tensor { shape, storage }
    }

    /// A tensor of a shape over the values in row-major order.
    ///
    /// # Errors
    /// The number of values is not the shape's; memory that cannot be had.
    ///
    /// ```
    /// use wengert_autograd::Tensor;
    /// let error = Tensor::from_vec([2, 2], vec![1.0, 2.0, 3.0]).unwrap_err();
    /// assert_eq!(error.to_string(), "Tensor::from_vec: 4 values needed for shape [2, 2], got 3");
    /// ```
    pub fn from_vec(shape: impl Into<Shape>, values: Vec<T>) -> Result<Self> {
        Tensor::from_slice(shape, &values).map_err(|error| error.op("Tensor::from_vec"))
    }

    /// A tensor of a shape over a copy of the values in row-major order.
    ///
    /// # Errors
    /// The number of values is not the shape's; memory that cannot be had.
    pub fn from_slice(shape: impl Into<Shape>, values: &[T]) -> Result<Self> {
        let shape = shape.into();
        let needed = shape.checked_volume()?;
        if needed != values.len() {
            let message = format!("{needed} values needed for shape {shape}, got {}", values.len());
            return Err(Error::new(ErrorKind::Shape, message));
        }
        let Some(mut storage) = Storage::try_unspecified(needed) else { return Err(NoMemory::of::<T>(needed).into()) };
        storage.make_mut().copy_from_slice(values);
        Ok(Tensor { shape, storage })
    }

    /// The same value everywhere.
    #[track_caller]
    pub fn full(shape: impl Into<Shape>, value: T) -> Self {
        Tensor::from_fn(shape, |_| value)
    }

    /// Zeros.
    #[track_caller]
    pub fn zeros(shape: impl Into<Shape>) -> Self {
        Tensor::full(shape, T::of(0.0))
    }

    /// Ones.
    #[track_caller]
    pub fn ones(shape: impl Into<Shape>) -> Self {
        Tensor::full(shape, T::of(1.0))
    }

    /// A number: a tensor of shape `[]`.
    pub fn scalar(value: T) -> Self {
        Tensor::full([], value)
    }

    /// The identity matrix of `n` rows.
    #[track_caller]
    pub fn eye(n: usize) -> Self {
        Tensor::from_fn([n, n], |i| T::of(if i / n == i % n { 1.0 } else { 0.0 }))
    }

    /// `start, start + step, ...` up to but not including `stop`; empty where the step leads away from `stop`.
    #[track_caller]
    pub fn arange(start: T, stop: T, step: T) -> Self {
        let (start, stop, step) = (start.to_f64(), stop.to_f64(), step.to_f64());
        let count = ((stop - start) / step).ceil();
        let count = if count.is_finite() && count > 0.0 { count as usize } else { 0 };
        Tensor::from_fn([count], |i| T::of(start + step * i as f64))
    }

    /// `count` values from `start` to `stop`, both included, equally far apart.
    #[track_caller]
    pub fn linspace(start: T, stop: T, count: usize) -> Self {
        let (start, stop) = (start.to_f64(), stop.to_f64());
        let last = count.saturating_sub(1).max(1) as f64;
        Tensor::from_fn([count], |i| T::of(start * (1.0 - i as f64 / last) + stop * (i as f64 / last)))
    }

    /// Draws from the normal distribution of mean 0 and variance 1.
    #[track_caller]
    pub fn randn(shape: impl Into<Shape>, rng: &mut (impl Rng + ?Sized)) -> Self {
        Tensor::from_fn(shape, |_| {
            let draw: f64 = StandardNormal.sample(rng);
            T::of(draw)
        })
    }

    /// Draws from the uniform distribution on `[low, high)`.
    #[track_caller]
    pub fn rand_uniform(shape: impl Into<Shape>, low: T, high: T, rng: &mut (impl Rng + ?Sized)) -> Self {
        Tensor::from_fn(shape, |_| {
            let draw: f64 = StandardUniform.sample(rng);
            let value = low + (high - low) * T::of(draw);
            // Rounding to f32 may reach the open end.
            if value < high { value } else { low }
        })
    }
}

impl<T: Element> From<Vec<T>> for Tensor<T> {
    fn from(values: Vec<T>) -> Self {
        Tensor { shape: Shape::from([values.len()]), storage: Storage::from_slice(&values) }
    }
}

impl<T: Element> From<&[T]> for Tensor<T> {
    fn from(values: &[T]) -> Self {
        Tensor { shape: Shape::from([values.len()]), storage: Storage::from_slice(values) }
    }
}

impl<T: Element, const A: usize> From<[T; A]> for Tensor<T> {
    fn from(values: [T; A]) -> Self {
        Tensor::from(values.as_slice())
    }
}

impl<T: Element, const A: usize, const B: usize> From<[[T; B]; A]> for Tensor<T> {
    fn from(values: [[T; B]; A]) -> Self {
        Tensor { shape: Shape::from([A, B]), storage: Storage::from_slice(values.as_flattened()) }
    }
}

impl<T: Element, const A: usize, const B: usize, const C: usize> From<[[[T; C]; B]; A]> for Tensor<T> {
    fn from(values: [[[T; C]; B]; A]) -> Self {
        let flat = values.as_flattened().as_flattened();
        Tensor { shape: Shape::from([A, B, C]), storage: Storage::from_slice(flat) }
    }
}

impl<T: Element, const A: usize, const B: usize, const C: usize, const D: usize> From<[[[[T; D]; C]; B]; A]>
    for Tensor<T>
{
    fn from(values: [[[[T; D]; C]; B]; A]) -> Self {
        let flat = values.as_flattened().as_flattened().as_flattened();
        Tensor { shape: Shape::from([A, B, C, D]), storage: Storage::from_slice(flat) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "a tensor of shape [4294967296, 4294967296] is too large for memory")]
    fn a_shape_whose_volume_wraps_is_refused() {
        Tensor::<f32>::zeros([1 << 32, 1 << 32]);
    }

    #[test]
    fn memory_that_cannot_be_had_is_a_panic_at_the_line_that_asked() {
        let panic = std::panic::catch_unwind(|| Tensor::<f32>::zeros([1 << 50])).expect_err("four petabytes");
        let message = panic.downcast_ref::<String>().expect("a message");
        assert_eq!(message, "the memory for a tensor of shape [1125899906842624] cannot be had");
    }

    #[test]
    fn an_empty_axis_makes_any_shape_empty() {
        assert!(Tensor::<f32>::zeros([1 << 40, 1 << 40, 0]).is_empty());
    }
}
