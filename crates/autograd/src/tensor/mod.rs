//! Dense arrays of numbers: values, shapes, indices. Must know no op and no tape.

mod build;
mod display;
mod index;
mod rows;
pub(crate) mod shape;
pub(crate) mod storage;

use ndarray::{Array, ArrayD, ArrayViewD, Dimension, IxDyn};

use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
pub use index::IndexTensor;
pub use shape::Shape;
use storage::Storage;

/// A dense, row-major, immutable array of numbers; a clone shares the memory.
///
/// Arithmetic is not defined on tensors: it is recorded on a [`Tape`](crate::Tape). What needs no derivative is done on
/// [`view`](Tensor::view), an `ndarray` view.
///
/// ```
/// use wengert_autograd::Tensor;
/// let a = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
/// assert_eq!(a.shape().to_string(), "[2, 2]");
/// assert_eq!(a.get(&[1, 0]), Some(3.0));
/// assert_eq!(a.view().sum(), 10.0);
/// ```
#[derive(Clone)]
pub struct Tensor<T: Element = f32> {
    shape: Shape,
    storage: Storage<T>,
}

impl<T: Element> Tensor<T> {
    /// A tensor over memory of the right length.
    pub(crate) fn of_storage(shape: Shape, storage: Storage<T>) -> Self {
        debug_assert_eq!(shape.volume(), storage.len());
        Tensor { shape, storage }
    }

    /// The memory.
    pub(crate) fn storage(&self) -> &Storage<T> {
        &self.storage
    }

    /// The length of every axis.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.storage.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.storage.is_empty()
    }

    /// The elements in row-major order.
    pub fn as_slice(&self) -> &[T] {
        &self.storage
    }

    /// The elements for writing; copied first where another tensor shares them.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        self.storage.make_mut()
    }

    /// All elements for being rewritten: in place, or with the old ones beside recycled memory where another tensor shares
    /// them.
    pub(crate) fn rewrite(&mut self) -> (Option<Self>, &mut [T]) {
        let mut old = None;
        if self.storage.is_shared() {
            let fresh = Storage::unspecified(self.storage.len());
            old = Some(Tensor { shape: self.shape.clone(), storage: std::mem::replace(&mut self.storage, fresh) });
        }
        (old, self.storage.make_mut())
    }

    /// A tensor whose memory is to come.
    pub(crate) fn without_memory(shape: Shape) -> Self {
        Tensor { shape, storage: Storage::default() }
    }

    /// Exchanges the memory: until it is exchanged back, the tensor may be without.
    pub(crate) fn exchange(&mut self, storage: &mut Storage<T>) {
        std::mem::swap(&mut self.storage, storage);
    }

    /// A copy of the elements in row-major order.
    pub fn to_vec(&self) -> Vec<T> {
        self.as_slice().to_vec()
    }

    /// The only element.
    ///
    /// # Errors
    /// There is not exactly one element.
    pub fn item(&self) -> Result<T> {
        match self.as_slice() {
            [value] => Ok(*value),
            _ => Err(Error::new(
                ErrorKind::Shape,
                format!("one element needed, shape {} has {}", self.shape, self.len()),
            )
            .op("item")
            .hint("reduce first, for example with mean()")),
        }
    }

    /// The element at a position, one index an axis; `None` outside.
    pub fn get(&self, position: &[usize]) -> Option<T> {
        if position.len() != self.rank() || position.iter().zip(self.shape.iter()).any(|(i, n)| i >= n) {
            return None;
        }
        let offset: usize = position.iter().zip(self.shape.strides()).map(|(i, stride)| i * stride).sum();
        self.as_slice().get(offset).copied()
    }

    /// The same elements in another shape of as many places.
    ///
    /// # Errors
    /// The shape has another number of places.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        if shape.checked_volume()? != self.len() {
            let message = format!("{} elements of shape {} do not fit shape {shape}", self.len(), self.shape);
            return Err(Error::new(ErrorKind::Shape, message).op("reshape"));
        }
        Ok(Tensor { shape, storage: self.storage.clone() })
    }

    /// The elements rounded to another type.
    pub fn cast<U: Element>(&self) -> Tensor<U> {
        let mut storage = Storage::unspecified(self.len());
        for (to, from) in storage.make_mut().iter_mut().zip(self.as_slice()) {
            *to = U::of(from.to_f64());
        }
        Tensor { shape: self.shape.clone(), storage }
    }

    /// The elements as an `ndarray` view: slicing, iteration and formatting come from there.
    pub fn view(&self) -> ArrayViewD<'_, T> {
        view_of(&self.shape, self.as_slice())
    }

    /// Whether every element is a finite number.
    pub fn is_finite(&self) -> bool {
        self.as_slice().iter().all(|value| value.is_finite())
    }

    /// Each element changed by a function of numbers, without a derivative.
    pub fn map_values(&self, function: impl Fn(T) -> T) -> Self {
        let mut storage = Storage::unspecified(self.len());
        for (to, from) in storage.make_mut().iter_mut().zip(self.as_slice()) {
            *to = function(*from);
        }
        Tensor { shape: self.shape.clone(), storage }
    }
}

/// A slice of the right length as an `ndarray` view.
pub(crate) fn view_of<'a, T: Element>(shape: &[usize], values: &'a [T]) -> ArrayViewD<'a, T> {
    ArrayViewD::from_shape(IxDyn(shape), values)
        .unwrap_or_else(|_| ArrayViewD::from_shape(IxDyn(&[values.len()]), values).expect("one axis always fits"))
}

/// Equal shapes and equal elements.
impl<T: Element> PartialEq for Tensor<T> {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.as_slice() == other.as_slice()
    }
}

impl<T: Element> From<&Tensor<T>> for Tensor<T> {
    fn from(tensor: &Tensor<T>) -> Self {
        tensor.clone()
    }
}

impl<T: Element, D: Dimension> From<Array<T, D>> for Tensor<T> {
    fn from(array: Array<T, D>) -> Self {
        let shape = Shape::from(array.shape());
        match array.as_slice() {
            Some(values) => Tensor { shape, storage: Storage::from_slice(values) },
            None => Tensor { shape, storage: Storage::from_slice(&array.iter().copied().collect::<Vec<_>>()) },
        }
    }
}

impl<T: Element> From<Tensor<T>> for ArrayD<T> {
    fn from(tensor: Tensor<T>) -> Self {
        tensor.view().to_owned()
    }
}
