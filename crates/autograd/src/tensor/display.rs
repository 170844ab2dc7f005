//! Tensors as text: the values as `ndarray` prints them (long ones shortened), with shape and element type.

use std::fmt;

use super::Tensor;
use crate::kernels::number::Element;

impl<T: Element> fmt::Display for Tensor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.view(), f)?;
        write!(f, " : {} {}", T::NAME, self.shape())
    }
}

impl<T: Element> fmt::Debug for Tensor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
