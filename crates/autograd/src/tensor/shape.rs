//! Shapes and axes. Must know no values and no ops.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use smallvec::SmallVec;

use crate::error::{Error, ErrorKind, Result};

/// The length of every axis, outermost first; `[]` is the shape of a number.
///
/// ```
/// use wengert_autograd::Shape;
/// let shape = Shape::from([2, 3]);
/// assert_eq!((shape.len(), shape.volume(), shape.to_string()), (2, 6, "[2, 3]".to_string()));
/// ```
#[derive(Default, Eq)]
pub struct Shape(SmallVec<[usize; 4]>);

impl PartialEq for Shape {
    // Few lengths: faster one by one than by a call that compares memory.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(a, b)| a == b)
    }
}

impl Hash for Shape {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.hash(hasher);
    }
}

impl Clone for Shape {
    // The lengths are copied as they lie, not one by one.
    #[inline]
    fn clone(&self) -> Self {
        Shape(SmallVec::from_slice(&self.0))
    }
}

/// A list of axes.
pub(crate) type Axes = SmallVec<[usize; 4]>;

impl Shape {
    /// The number of elements: the product of the axes, 1 for a number.
    #[inline]
    pub fn volume(&self) -> usize {
        self.0.iter().product()
    }

    /// The same as a new shape of other lengths.
    pub(crate) fn collect(lengths: impl IntoIterator<Item = usize>) -> Self {
        Shape(lengths.into_iter().collect())
    }

    /// The number of elements, or an error where it is beyond what memory can address.
    pub(crate) fn checked_volume(&self) -> Result<usize> {
        let zero = self.0.contains(&0);
        self.0
            .iter()
            .try_fold(1usize, |volume, &length| volume.checked_mul(length).filter(|&v| v <= isize::MAX as usize / 8))
            .or(zero.then_some(0))
            .ok_or_else(|| Error::new(ErrorKind::Shape, format!("a tensor of shape {self} is too large for memory")))
    }

    /// `axis` counted from the front; negative axes count from the end.
    pub(crate) fn axis(&self, axis: isize) -> Result<usize> {
        let rank = self.len() as isize;
        let counted = if axis < 0 { axis.saturating_add(rank) } else { axis };
        if (0..rank).contains(&counted) {
            return Ok(counted as usize);
        }
        let hint = match rank {
            0 => "the operand is a number and has no axes".to_string(),
            1 => "the only axis is 0, or -1 from the end".to_string(),
            _ => format!("axes are 0 to {}, or -1 to -{rank} from the end", rank - 1),
        };
        Err(Error::new(ErrorKind::Axis, format!("axis {axis} of an operand of shape {self}")).hint(hint))
    }

    /// Several axes counted from the front, in ascending order; an axis named twice is an error.
    pub(crate) fn axes(&self, axes: &[isize]) -> Result<Axes> {
        let mut counted = axes.iter().map(|&axis| self.axis(axis)).collect::<Result<Axes>>()?;
        counted.sort_unstable();
        match counted.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(counted),
            Some(pair) => {
                let message = format!("axis {} of an operand of shape {self} is named twice in {axes:?}", pair[0]);
                Err(Error::new(ErrorKind::Axis, message))
            }
        }
    }

    /// The shape with `axes` (ascending) kept as 1, or left out.
    pub(crate) fn reduced(&self, axes: &[usize], keepdim: bool) -> Shape {
        let lengths = self.0.iter().enumerate().filter_map(|(axis, &length)| match axes.contains(&axis) {
            false => Some(length),
            true => keepdim.then_some(1),
        });
        Shape::collect(lengths)
    }

    /// The shape both operands are repeated to, by NumPy's rule: aligned at the last axis, axes of length 1 repeat.
    pub(crate) fn broadcast(&self, other: &Shape) -> Option<Shape> {
        if self == other {
            return Some(self.clone());
        }
        let rank = self.len().max(other.len());
        let at = |shape: &Shape, axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
        (0..rank)
            .map(|axis| match (at(self, axis), at(other, axis)) {
                (a, b) if a == b => Some(a),
                (1, b) => Some(b),
                (a, 1) => Some(a),
                _ => None,
            })
            .collect::<Option<SmallVec<_>>>()
            .map(Shape)
    }

    /// Row-major strides, in elements.
    pub(crate) fn strides(&self) -> SmallVec<[usize; 4]> {
        let mut strides: SmallVec<[usize; 4]> = SmallVec::from_elem(1, self.len());
        for axis in (1..self.len()).rev() {
            strides[axis - 1] = strides[axis].saturating_mul(self[axis]);
        }
        strides
    }

    /// The shape seen as `[outer, length of axis, inner]`.
    pub(crate) fn around(&self, axis: usize) -> (usize, usize, usize) {
        (self[..axis].iter().product(), self[axis], self[axis + 1..].iter().product())
    }
}

impl Deref for Shape {
    type Target = [usize];
    #[inline]
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.as_slice())
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(lengths: [usize; N]) -> Self {
        Shape(SmallVec::from_slice(&lengths))
    }
}

impl From<&[usize]> for Shape {
    fn from(lengths: &[usize]) -> Self {
        Shape(SmallVec::from_slice(lengths))
    }
}

impl From<Vec<usize>> for Shape {
    fn from(lengths: Vec<usize>) -> Self {
        Shape(SmallVec::from_vec(lengths))
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Self {
        shape.clone()
    }
}

impl PartialEq<[usize]> for Shape {
    fn eq(&self, other: &[usize]) -> bool {
        **self == *other
    }
}

impl<const N: usize> PartialEq<[usize; N]> for Shape {
    fn eq(&self, other: &[usize; N]) -> bool {
        **self == *other
    }
}
