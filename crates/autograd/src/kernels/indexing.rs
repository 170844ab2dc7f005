//! Reading and writing at places that indices name.
//!
//! Every loop goes through the indices in their order on one thread, so sums are rounded alike in every run and the
//! last of several writes is always the same one. It must know nothing of tensors, ops or tapes.

use std::ops::AddAssign;

use smallvec::SmallVec;

use super::number::Element;
use super::scratch::{self, NoMemory};

/// An index beyond the end of its axis: the index, and its position among the indices in row-major order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outside {
    /// The index.
    pub index: usize,
    /// Its position.
    pub position: usize,
}

/// Indices along one axis of data: the index at a position stands for the position's coordinate on that axis; the other
/// coordinates stay.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The indices in row-major order.
    pub indices: &'a [usize],
    /// The lengths of the axes of the indices: as many axes as the data has, none longer than the data's, except along
    /// `axis`.
    pub lengths: &'a [usize],
    /// The lengths of the axes of the data.
    pub data: &'a [usize],
    /// The axis that the indices choose along.
    pub axis: usize,
}

impl Places<'_> {
    /// Calls `visit` with each position and the place in the data that its index names.
    #[inline(always)]
    fn each(&self, visit: impl FnMut(usize, usize)) -> Result<(), Outside> {
        let agrees = |axis: usize| axis == self.axis || self.lengths[axis] == self.data[axis];
        if (0..self.data.len()).all(agrees) { self.each_of_all(visit) } else { self.each_of_some(visit) }
    }

    /// The same where the indices cover the other axes whole: no coordinates have to be counted.
    #[inline(always)]
    fn each_of_all(&self, mut visit: impl FnMut(usize, usize)) -> Result<(), Outside> {
        let (count, length) = (self.lengths[self.axis], self.data[self.axis]);
        let inner: usize = self.lengths[self.axis + 1..].iter().product();
        let mut position = 0;
        for (outer, slab) in self.indices.chunks((count * inner).max(1)).enumerate() {
            for row in slab.chunks(inner.max(1)) {
                for (k, &index) in row.iter().enumerate() {
                    if index >= length {
                        return Err(Outside { index, position });
                    }
                    visit(position, (outer * length + index) * inner + k);
                    position += 1;
                }
            }
        }
        Ok(())
    }

    /// The same where the indices may cover only the beginning of another axis.
    fn each_of_some(&self, mut visit: impl FnMut(usize, usize)) -> Result<(), Outside> {
        let rank = self.data.len();
        let mut strides = SmallVec::<[usize; 8]>::from_elem(1, rank);
        for axis in (1..rank).rev() {
            strides[axis - 1] = strides[axis] * self.data[axis];
        }
        let mut coordinates = SmallVec::<[usize; 8]>::from_elem(0, rank);
        // The place of the coordinates in the data, the coordinate on `self.axis` left out.
        let mut start = 0;
        for (position, &index) in self.indices.iter().enumerate() {
            if index >= self.data[self.axis] {
                return Err(Outside { index, position });
            }
            visit(position, start + index * strides[self.axis]);
            for axis in (0..rank).rev() {
                let step = if axis == self.axis { 0 } else { strides[axis] };
                coordinates[axis] += 1;
                start += step;
                if coordinates[axis] < self.lengths[axis] {
                    break;
                }
                start -= step * coordinates[axis];
                coordinates[axis] = 0;
            }
        }
        Ok(())
    }
}

/// `output[position] = data[place]`
pub fn gather<T: Copy>(places: Places<'_>, data: &[T], output: &mut [T]) -> Result<(), Outside> {
    places.each(|position, place| output[position] = data[place])
}

/// `output[position] = data[place]` where no later position names the same place, else 0: what [`scatter`] took from
/// each position.
///
/// # Errors
/// Outside, memory for a position of each element that cannot be had; inside, an index beyond its axis.
pub fn gather_last<T: Element>(
    places: Places<'_>,
    data: &[T],
    output: &mut [T],
) -> Result<Result<(), Outside>, NoMemory> {
    scratch::with_places(data.len(), |last| {
        places.each(|position, place| last[place] = position)?;
        places.each(|position, place| {
            output[position] = if last[place] == position { data[place] } else { T::of(0.0) };
        })
    })
}

/// `output[place] = source[position]`, later positions over earlier ones; other places stay.
pub fn scatter<T: Copy>(places: Places<'_>, source: &[T], output: &mut [T]) -> Result<(), Outside> {
    places.each(|position, place| output[place] = source[position])
}

/// `output[place] += source[position]`; other places stay.
pub fn scatter_add<T: Copy + AddAssign>(places: Places<'_>, source: &[T], output: &mut [T]) -> Result<(), Outside> {
    places.each(|position, place| output[place] += source[position])
}

/// Copies whole rows: `output[o, i, k] = data[o, indices[i], k]`, for data of the lengths `[outer, length, inner]`.
pub fn select_rows<T: Copy>(
    indices: &[usize],
    [outer, length, inner]: [usize; 3],
    data: &[T],
    output: &mut [T],
) -> Result<(), Outside> {
    check(indices, length)?;
    if inner == 0 || indices.is_empty() {
        return Ok(());
    }
    for (o, slab) in (0..outer).zip(output.chunks_exact_mut(indices.len() * inner)) {
        let data = &data[o * length * inner..(o + 1) * length * inner];
        if inner == 1 {
            // A call to copy one element would cost more than the element.
            slab.iter_mut().zip(indices).for_each(|(to, &index)| *to = data[index]);
        } else {
            let rows = slab.chunks_exact_mut(inner).zip(indices);
            rows.for_each(|(row, &index)| row.copy_from_slice(&data[index * inner..(index + 1) * inner]));
        }
    }
    Ok(())
}

/// Adds whole rows up: `output[o, indices[i], k] += source[o, i, k]`, for output of the lengths
/// `[outer, length, inner]`.
pub fn add_rows<T: Copy + AddAssign>(
    indices: &[usize],
    [outer, length, inner]: [usize; 3],
    source: &[T],
    output: &mut [T],
) -> Result<(), Outside> {
    check(indices, length)?;
    if inner == 0 || indices.is_empty() {
        return Ok(());
    }
    for (o, slab) in (0..outer).zip(source.chunks_exact(indices.len() * inner)) {
        let output = &mut output[o * length * inner..(o + 1) * length * inner];
        for (row, &index) in slab.chunks_exact(inner).zip(indices) {
            let to = &mut output[index * inner..(index + 1) * inner];
            to.iter_mut().zip(row).for_each(|(to, &from)| *to += from);
        }
    }
    Ok(())
}

/// A row of `classes` elements for each index: 1 at the index, else 0.
pub fn one_hot<T: Element>(indices: &[usize], classes: usize, output: &mut [T]) -> Result<(), Outside> {
    check(indices, classes)?;
    output.fill(T::of(0.0));
    for (row, &index) in output.chunks_exact_mut(classes.max(1)).zip(indices) {
        row[index] = T::of(1.0);
    }
    Ok(())
}

fn check(indices: &[usize], length: usize) -> Result<(), Outside> {
    match indices.iter().position(|&index| index >= length) {
        Some(position) => Err(Outside { index: indices[position], position }),
        None => Ok(()),
    }
}
