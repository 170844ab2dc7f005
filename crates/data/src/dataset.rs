//! Data sets in memory: inputs and targets with as many rows. Must know no file format.

use wengert_autograd as autograd;
use wengert_autograd::{Element, Error, ErrorKind, IndexTensor, Result, Tensor};

use crate::loader::Loader;
use crate::random::permutation;

/// What a data set can be made of: something with rows that can be taken by position.
///
/// ```
/// use wengert_autograd::Tensor;
/// use wengert_data::Rows;
/// let table = Tensor::from([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
/// assert_eq!(table.row_count()?, 3);
/// assert_eq!(Rows::take_rows(&table, &[2, 0])?, Tensor::from([[5.0, 6.0], [1.0, 2.0]]));
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub trait Rows: Sized {
    /// The number of rows.
    ///
    /// # Errors
    /// There are no rows to speak of, as in a single number.
    fn row_count(&self) -> Result<usize>;

    /// A copy of the rows at these positions, in this order; a row may be taken more than once.
    ///
    /// # Errors
    /// There is no row at one of the positions.
    fn take_rows(&self, rows: &[usize]) -> Result<Self>;
}

impl<T: Element> Rows for Tensor<T> {
    fn row_count(&self) -> Result<usize> {
        first_axis(self.shape())
    }

    fn take_rows(&self, rows: &[usize]) -> Result<Self> {
        Tensor::take_rows(self, rows)
    }
}

impl Rows for IndexTensor {
    fn row_count(&self) -> Result<usize> {
        first_axis(self.shape())
    }

    fn take_rows(&self, rows: &[usize]) -> Result<Self> {
        IndexTensor::take_rows(self, rows)
    }
}

fn first_axis(shape: &[usize]) -> Result<usize> {
    shape.first().copied().ok_or_else(|| {
        Error::new(ErrorKind::Shape, "an operand of shape [] has no rows").hint("give it a first axis with reshape")
    })
}

/// Some rows of a [`Dataset`], in the form that a model takes.
///
/// ```
/// let table = wengert_data::xor(4, 0.0, 0);
/// let batch = table.batch(&[1, 2])?;
/// assert_eq!(batch.inputs.as_slice(), [0.0, 1.0, 1.0, 0.0]);
/// assert_eq!(batch.targets.as_slice(), [1, 1]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Batch<X = Tensor, Y = IndexTensor> {
    /// One row an example: what the model is given.
    pub inputs: X,
    /// One row an example: what the model should answer.
    pub targets: Y,
}

impl<T: Element, X: autograd::Batch<T>, Y: autograd::Batch<T>> autograd::Batch<T> for Batch<X, Y> {
    fn parts<'b>(&'b self, visit: &mut dyn FnMut(autograd::Part<'b, T>)) {
        self.inputs.parts(visit);
        self.targets.parts(visit);
    }
}

/// Inputs and targets with as many rows, in memory: `Dataset` has class labels, `Dataset<Tensor, Tensor>` numbers to
/// predict.
///
/// ```
/// use wengert_autograd::{IndexTensor, Tensor};
/// use wengert_data::Dataset;
/// let flowers = Dataset::new(Tensor::from([[1.4, 0.2], [4.7, 1.4], [6.0, 2.5]]), IndexTensor::from([0, 1, 2]))?;
/// assert_eq!(flowers.len(), 3);
/// let line = Dataset::new(Tensor::from([[0.0], [1.0]]), Tensor::from([[1.0], [3.0]]))?;
/// assert_eq!(line.targets().as_slice(), [1.0, 3.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset<X = Tensor, Y = IndexTensor> {
    inputs: X,
    targets: Y,
    len: usize,
}

impl<X: Rows, Y: Rows> Dataset<X, Y> {
    /// A data set of inputs and targets.
    ///
    /// # Errors
    /// Their numbers of rows differ, or one has none to speak of.
    ///
    /// ```
    /// use wengert_autograd::{IndexTensor, Tensor};
    /// let error = wengert_data::Dataset::new(Tensor::from([[1.0], [2.0]]), IndexTensor::from([0])).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "Dataset::new: inputs have 2 rows, targets 1; each input needs one target, along the first axis",
    /// );
    /// ```
    pub fn new(inputs: X, targets: Y) -> Result<Self> {
        let len = inputs.row_count().map_err(|error| error.op("Dataset::new, inputs"))?;
        let found = targets.row_count().map_err(|error| error.op("Dataset::new, targets"))?;
        if len != found {
            let message = format!("inputs have {len} rows, targets {found}");
            return Err(Error::new(ErrorKind::Shape, message)
                .op("Dataset::new")
                .hint("each input needs one target, along the first axis"));
        }
        Ok(Dataset { inputs, targets, len })
    }

    /// Some rows, in this order.
    ///
    /// # Errors
    /// There is no row at one of the positions.
    ///
    /// ```
    /// let points = wengert_data::xor(4, 0.0, 0);
    /// assert_eq!(points.batch(&[3])?.inputs.as_slice(), [1.0, 1.0]);
    /// let error = points.batch(&[4]).unwrap_err();
    /// assert_eq!(error.to_string(), "take_rows: row 4 of an operand of shape [4, 2]; its rows are 0 to 3");
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn batch(&self, rows: &[usize]) -> Result<Batch<X, Y>> {
        Ok(Batch { inputs: self.inputs.take_rows(rows)?, targets: self.targets.take_rows(rows)? })
    }

    /// Some rows, in this order, as a data set.
    ///
    /// # Errors
    /// There is no row at one of the positions.
    ///
    /// ```
    /// let points = wengert_data::xor(4, 0.0, 0);
    /// assert_eq!(points.select(&[0, 3])?.targets().as_slice(), [0, 0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn select(&self, rows: &[usize]) -> Result<Self> {
        let Batch { inputs, targets } = self.batch(rows)?;
        Ok(Dataset { inputs, targets, len: rows.len() })
    }

    /// Two data sets without a common row: `fraction` of the rows, rounded to the nearest number of them, and the
    /// rest, both in an order drawn from the seed.
    ///
    /// # Errors
    /// The fraction is not between 0 and 1.
    ///
    /// ```
    /// let (train, test) = wengert_data::moons(100, 0.1, 0).split(0.8, 7)?;
    /// assert_eq!((train.len(), test.len()), (80, 20));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn split(&self, fraction: f64, seed: u64) -> Result<(Self, Self)> {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(Error::new(ErrorKind::Argument, format!("a fraction of {fraction}"))
                .op("Dataset::split")
                .hint("the first part's share of the rows is between 0 and 1, for example 0.8"));
        }
        let order = permutation(self.len, seed);
        let first = (self.len as f64 * fraction).round() as usize;
        let (first, second) = order.split_at(first.min(self.len));
        Ok((self.select(first)?, self.select(second)?))
    }
}

impl<X, Y> Dataset<X, Y> {
    /// A data set whose inputs and targets are known to have `len` rows.
    pub(crate) fn of_rows(inputs: X, targets: Y, len: usize) -> Self {
        Dataset { inputs, targets, len }
    }

    /// The number of rows.
    ///
    /// ```
    /// assert_eq!(wengert_data::circles(50, 0.0, 0).len(), 50);
    /// ```
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    ///
    /// ```
    /// assert!(wengert_data::circles(0, 0.0, 0).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All inputs.
    ///
    /// ```
    /// assert_eq!(*wengert_data::moons(50, 0.0, 0).inputs().shape(), [50, 2]);
    /// ```
    pub fn inputs(&self) -> &X {
        &self.inputs
    }

    /// All targets.
    ///
    /// ```
    /// assert_eq!(wengert_data::xor(4, 0.0, 0).targets().as_slice(), [0, 1, 1, 0]);
    /// ```
    pub fn targets(&self) -> &Y {
        &self.targets
    }

    /// The rows in batches of a size; one pass in the order of the rows, unless the [`Loader`] is told otherwise.
    ///
    /// ```
    /// let sizes: Vec<usize> = wengert_data::moons(50, 0.0, 0)
    ///     .loader(20)
    ///     .into_iter()
    ///     .map(|batch| Ok(batch?.targets.len()))
    ///     .collect::<Result<_, wengert_autograd::Error>>()?;
    /// assert_eq!(sizes, [20, 20, 10]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn loader(&self, batch_size: usize) -> Loader<'_, X, Y> {
        Loader::new(self, batch_size)
    }
}
