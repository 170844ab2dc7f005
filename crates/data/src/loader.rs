//! Batches of a data set, in the order of the rows or a seeded one. Must know no file format.

use std::iter::FusedIterator;

use wengert_autograd::{Error, ErrorKind, IndexTensor, Result, Tensor};

use crate::dataset::{Batch, Dataset, Rows};
use crate::random::permutation;

/// How to go through a [`Dataset`] once: a plain setting that can be copied, kept, and iterated any number of times.
///
/// A seed gives the same order on every machine. For another order in each epoch, add the epoch to the seed.
///
/// ```
/// let train = wengert_data::moons(100, 0.1, 0);
/// for epoch in 0..3 {
///     let mut seen = 0;
///     for batch in train.loader(32).shuffle(7 + epoch).drop_last(true) {
///         let batch = batch?;
///         assert_eq!(*batch.inputs.shape(), [32, 2]);
///         seen += batch.targets.len();
///     }
///     assert_eq!(seen, 96);
/// }
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a loader does nothing until it is iterated"]
pub struct Loader<'a, X = Tensor, Y = IndexTensor> {
    data: &'a Dataset<X, Y>,
    batch_size: usize,
    seed: Option<u64>,
    drop_last: bool,
}

impl<X, Y> Clone for Loader<'_, X, Y> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<X, Y> Copy for Loader<'_, X, Y> {}

impl<'a, X, Y> Loader<'a, X, Y> {
    pub(crate) fn new(data: &'a Dataset<X, Y>, batch_size: usize) -> Self {
        Loader { data, batch_size, seed: None, drop_last: false }
    }

    /// Goes through the rows in the order of [`permutation`] for this seed.
    ///
    /// ```
    /// let data = wengert_data::blobs(10, 0.0, 0);
    /// let mut batches = data.loader(10).shuffle(7).into_iter();
    /// assert_eq!(batches.next().unwrap()?, data.batch(&wengert_data::permutation(10, 7))?);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn shuffle(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Whether rows that don't fill a last batch are left out; they are not, unless asked for.
    ///
    /// ```
    /// let data = wengert_data::blobs(10, 0.0, 0);
    /// assert_eq!(data.loader(4).drop_last(true).into_iter().count(), 2);
    /// assert_eq!(data.loader(4).drop_last(false).into_iter().count(), 3);
    /// ```
    pub fn drop_last(mut self, drop_last: bool) -> Self {
        self.drop_last = drop_last;
        self
    }

    /// The number of batches in a pass; none where the batch size is 0, which is an error once iterated.
    ///
    /// ```
    /// let data = wengert_data::blobs(10, 0.0, 0);
    /// assert_eq!(data.loader(4).num_batches(), 3);
    /// ```
    pub fn num_batches(&self) -> usize {
        match self.batch_size {
            0 => 0,
            size if self.drop_last => self.data.len() / size,
            size => self.data.len().div_ceil(size),
        }
    }
}

impl<'a, X: Rows, Y: Rows> IntoIterator for Loader<'a, X, Y> {
    type Item = Result<Batch<X, Y>>;
    type IntoIter = Batches<'a, X, Y>;

    fn into_iter(self) -> Batches<'a, X, Y> {
        let len = self.data.len();
        Batches {
            data: self.data,
            order: self.seed.map_or_else(|| (0..len).collect(), |seed| permutation(len, seed)),
            batch_size: self.batch_size,
            next: 0,
            left: if self.batch_size == 0 { 1 } else { self.num_batches() },
        }
    }
}

impl<'a, X: Rows, Y: Rows> IntoIterator for &Loader<'a, X, Y> {
    type Item = Result<Batch<X, Y>>;
    type IntoIter = Batches<'a, X, Y>;

    fn into_iter(self) -> Batches<'a, X, Y> {
        (*self).into_iter()
    }
}

/// The batches of one pass of a [`Loader`]; skipping some with `nth` or `skip` copies no rows.
///
/// ```
/// let data = wengert_data::blobs(10, 0.0, 0);
/// let mut batches = data.loader(4).into_iter();
/// assert_eq!(batches.len(), 3);
/// assert_eq!(batches.nth(2).unwrap()?, data.batch(&[8, 9])?);
///
/// let error = data.loader(0).into_iter().next().unwrap().unwrap_err();
/// assert_eq!(error.to_string(), "Loader: a batch size of 0; a batch needs at least one row");
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Debug)]
pub struct Batches<'a, X = Tensor, Y = IndexTensor> {
    data: &'a Dataset<X, Y>,
    order: Vec<usize>,
    batch_size: usize,
    /// The first row, in the order, of the next batch.
    next: usize,
    /// How many items are still to come.
    left: usize,
}

impl<X: Rows, Y: Rows> Iterator for Batches<'_, X, Y> {
    type Item = Result<Batch<X, Y>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        if self.batch_size == 0 {
            let error = Error::new(ErrorKind::Argument, "a batch size of 0").op("Loader");
            return Some(Err(error.hint("a batch needs at least one row")));
        }
        let rest = self.order.get(self.next..).unwrap_or_default();
        let rows = &rest[..self.batch_size.min(rest.len())];
        self.next += rows.len();
        Some(self.data.batch(rows))
    }

    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        let skipped = n.min(self.left);
        self.left -= skipped;
        self.next = self.next.saturating_add(skipped.saturating_mul(self.batch_size));
        self.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<X: Rows, Y: Rows> ExactSizeIterator for Batches<'_, X, Y> {}

impl<X: Rows, Y: Rows> FusedIterator for Batches<'_, X, Y> {}
