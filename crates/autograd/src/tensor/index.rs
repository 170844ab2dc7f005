//! Whole numbers that name places: labels, positions, permutations.

use std::sync::Arc;

use super::shape::Shape;
use crate::error::{Error, ErrorKind, Result};

/// Integer labels or indices: immutable, cheap to clone.
///
/// ```
/// use wengert_autograd::IndexTensor;
/// let labels = IndexTensor::from(vec![3, 1, 4]);
/// assert_eq!(labels.shape().to_string(), "[3]");
/// assert_eq!(labels.as_slice(), [3, 1, 4]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexTensor {
    shape: Shape,
    values: Arc<[usize]>,
}

impl IndexTensor {
    /// Indices of a shape.
    ///
    /// # Errors
    /// The number of values is not the shape's.
    pub fn from_vec(shape: impl Into<Shape>, values: Vec<usize>) -> Result<Self> {
        let shape = shape.into();
        let needed = shape.checked_volume()?;
        if needed != values.len() {
            let message = format!("{needed} values needed for shape {shape}, got {}", values.len());
            return Err(Error::new(ErrorKind::Shape, message).op("IndexTensor::from_vec"));
        }
        Ok(IndexTensor { shape, values: values.into() })
    }

    /// No indices; allocates nothing.
    pub(crate) fn empty() -> Self {
        IndexTensor { shape: Shape::from([0]), values: Arc::default() }
    }

    /// The length of every axis.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The number of indices.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The indices in row-major order.
    pub fn as_slice(&self) -> &[usize] {
        &self.values
    }

    /// Whether both are the same memory.
    pub(crate) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.values, &other.values)
    }

    /// Takes the values of as many indices and keeps the shape.
    pub(crate) fn refill(&mut self, other: &Self) {
        self.values.clone_from(&other.values);
    }

    /// The same indices in another shape of as many places.
    ///
    /// # Errors
    /// The shape has another number of places.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        if shape.checked_volume()? != self.len() {
            let message = format!("{} indices do not fit shape {shape}", self.len());
            return Err(Error::new(ErrorKind::Shape, message).op("IndexTensor::reshape"));
        }
        Ok(IndexTensor { shape, values: self.values.clone() })
    }
}

impl From<Vec<usize>> for IndexTensor {
    fn from(values: Vec<usize>) -> Self {
        IndexTensor { shape: Shape::from([values.len()]), values: values.into() }
    }
}

impl From<&[usize]> for IndexTensor {
    fn from(values: &[usize]) -> Self {
        IndexTensor::from(values.to_vec())
    }
}

impl From<&Vec<usize>> for IndexTensor {
    fn from(values: &Vec<usize>) -> Self {
        IndexTensor::from(values.as_slice())
    }
}

impl<const N: usize> From<[usize; N]> for IndexTensor {
    fn from(values: [usize; N]) -> Self {
        IndexTensor::from(values.as_slice())
    }
}

impl<const N: usize> From<&[usize; N]> for IndexTensor {
    fn from(values: &[usize; N]) -> Self {
        IndexTensor::from(values.as_slice())
    }
}

impl From<&IndexTensor> for IndexTensor {
    fn from(indices: &IndexTensor) -> Self {
        indices.clone()
    }
}
