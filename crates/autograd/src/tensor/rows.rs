//! Rows: what lies at one position of the first axis. Data sets are cut into batches by them.

use super::{IndexTensor, Shape, Storage, Tensor};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;

impl<T: Element> Tensor<T> {
    /// A copy of the rows at these positions of the first axis, in this order; a row may be taken more than once.
    ///
    /// # Errors
    /// The tensor is a number, or has no row at one of the positions.
    ///
    /// ```
    /// use wengert_autograd::Tensor;
    /// let table = Tensor::from([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    /// assert_eq!(table.take_rows(&[2, 0])?, Tensor::from([[5.0, 6.0], [1.0, 2.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn take_rows(&self, rows: &[usize]) -> Result<Self> {
        let (shape, row) = gathered(self.shape(), self.len(), rows)?;
        let mut storage = Storage::unspecified(rows.len() * row);
        gather(self.as_slice(), rows, row, storage.make_mut());
        Ok(Tensor { shape, storage })
    }
}

impl IndexTensor {
    /// A copy of the rows at these positions of the first axis, in this order; a row may be taken more than once.
    ///
    /// # Errors
    /// The tensor is a single index, or has no row at one of the positions.
    ///
    /// ```
    /// use wengert_autograd::IndexTensor;
    /// let labels = IndexTensor::from([7, 8, 9]);
    /// assert_eq!(labels.take_rows(&[2, 2, 0])?.as_slice(), [9, 9, 7]);
    /// assert_eq!(
    ///     labels.take_rows(&[3]).unwrap_err().to_string(),
    ///     "take_rows: row 3 of an operand of shape [3]; its rows are 0 to 2",
    /// );
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn take_rows(&self, rows: &[usize]) -> Result<Self> {
        let (shape, row) = gathered(self.shape(), self.len(), rows)?;
        let mut values = vec![0; rows.len() * row];
        gather(self.as_slice(), rows, row, &mut values);
        IndexTensor::from_vec(shape, values)
    }
}

/// The shape of some rows of an operand, and the number of elements in one; every row is there.
fn gathered(shape: &Shape, volume: usize, rows: &[usize]) -> Result<(Shape, usize)> {
    let error = |message: String, hint: String| Err(Error::new(ErrorKind::Index, message).op("take_rows").hint(hint));
    let Some(&count) = shape.first() else {
        return error("an operand of shape [] has no rows".into(), "give it a first axis with reshape".into());
    };
    if let Some(row) = rows.iter().find(|&&row| row >= count) {
        let hint = match count {
            0 => "it has no rows".to_string(),
            _ => format!("its rows are 0 to {}", count - 1),
        };
        return error(format!("row {row} of an operand of shape {shape}"), hint);
    }
    let shape = Shape::collect(std::iter::once(rows.len()).chain(shape[1..].iter().copied()));
    shape.checked_volume().map_err(|error| error.op("take_rows"))?;
    Ok((shape, volume.checked_div(count).unwrap_or(0)))
}

/// Copies rows of `row` elements; `to` has room for all of them.
fn gather<V: Copy>(from: &[V], rows: &[usize], row: usize, to: &mut [V]) {
    match row {
        0 => {}
        1 => to.iter_mut().zip(rows).for_each(|(to, &at)| *to = from[at]),
        _ => {
            to.chunks_exact_mut(row).zip(rows).for_each(|(to, &at)| to.copy_from_slice(&from[at * row..(at + 1) * row]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_any_rank() {
        let cube = Tensor::<f64>::from_fn([3, 2, 2], |i| i as f64);
        let taken = cube.take_rows(&[1, 1, 0]).unwrap();
        assert_eq!(*taken.shape(), [3, 2, 2]);
        assert_eq!(taken.to_vec(), [4.0, 5.0, 6.0, 7.0, 4.0, 5.0, 6.0, 7.0, 0.0, 1.0, 2.0, 3.0]);
        assert_eq!(cube.take_rows(&[]).unwrap().shape().to_string(), "[0, 2, 2]");
    }

    #[test]
    fn no_rows_and_empty_rows() {
        let number = Tensor::<f32>::scalar(1.0);
        let text = number.take_rows(&[]).unwrap_err().to_string();
        assert_eq!(text, "take_rows: an operand of shape [] has no rows; give it a first axis with reshape");
        let none = Tensor::<f32>::zeros([0, 4]);
        assert_eq!(*none.take_rows(&[]).unwrap().shape(), [0, 4]);
        let text = none.take_rows(&[0]).unwrap_err().to_string();
        assert_eq!(text, "take_rows: row 0 of an operand of shape [0, 4]; it has no rows");
        let thin = Tensor::<f32>::zeros([4, 0]);
        assert_eq!(*thin.take_rows(&[3, 0]).unwrap().shape(), [2, 0]);
    }
}
