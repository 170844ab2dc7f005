//! MNIST: the embedded subset, and the full files in a folder; its relatives of the same form are read as well.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wengert_autograd::{Error, ErrorKind, IndexTensor, Result, Tensor};

use crate::dataset::Dataset;
use crate::idx::{Idx, read_idx, refused, wrong};

/// Images, each a row of numbers in `[0, 1]`, and the class of each.
///
/// ```
/// let (_, test): (_, wengert_data::ImageSet) = wengert_data::mnist()?;
/// assert_eq!(*test.inputs().shape(), [1_000, 784]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub type ImageSet = Dataset<Tensor, IndexTensor>;

const SIDE: usize = 28;
const CLASSES: u8 = 10;

macro_rules! embedded {
    ($name:literal) => {
        read_idx(include_bytes!(concat!("../assets/mnist/", $name)).as_slice(), $name)
    };
}

/// A subset of MNIST that is part of the program: 10,000 training and 1,000 test images of handwritten digits, the
/// classes equally frequent and mixed.
///
/// Inputs are `[n, 784]`, rows of 28 x 28 grey levels from 0 (paper) to 1 (ink); targets are the digits. The images are
/// under CC BY-SA 3.0, copyright Yann LeCun and Corinna Cortes; 1.8 MB are added to a program that calls this function.
///
/// # Errors
/// None, unless the crate was built from damaged files.
///
/// ```
/// let (train, test) = wengert_data::mnist()?;
/// assert_eq!((train.len(), test.len()), (10_000, 1_000));
/// assert_eq!(train.targets().as_slice()[..5], [5, 0, 4, 1, 9]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub fn mnist() -> Result<(ImageSet, ImageSet)> {
    let train = images_and_labels(embedded!("train-images-idx3-ubyte.gz")?, embedded!("train-labels-idx1-ubyte.gz")?)?;
    let test = images_and_labels(embedded!("t10k-images-idx3-ubyte.gz")?, embedded!("t10k-labels-idx1-ubyte.gz")?)?;
    Ok((train, test))
}

/// Reads MNIST, or a set of the same form such as Fashion-MNIST and Kuzushiji-MNIST, from files.
///
/// ```
/// let error = wengert_data::Mnist::open("no/such/folder").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "Mnist::open: no/such/folder: no file train-images-idx3-ubyte or train-images.idx3-ubyte, plain or with .gz; \
///      the four files of MNIST have to lie in this folder",
/// );
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Mnist;

impl Mnist {
    /// The training set and the test set in a folder.
    ///
    /// The files have their usual names, `train-images-idx3-ubyte` or `train-images.idx3-ubyte`, and so on, plain or
    /// with `.gz`; where there are several, the first of these.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] where a file is missing or can't be read; [`ErrorKind::Data`] where one is not an IDX file of
    /// 28 x 28 images or of labels below 10, or where there are not as many images as labels.
    ///
    /// ```
    /// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/mnist");
    /// assert_eq!(wengert_data::Mnist::open(folder)?, wengert_data::mnist()?);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn open(folder: impl AsRef<Path>) -> Result<(ImageSet, ImageSet)> {
        let folder = folder.as_ref();
        let read = |set| Mnist::read(find(folder, set, "images", 3)?, find(folder, set, "labels", 1)?);
        Ok((read("train")?, read("t10k")?))
    }

    /// The set in a pair of files, plain or gzip.
    ///
    /// # Errors
    /// As [`open`](Mnist::open).
    ///
    /// ```
    /// let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/mnist");
    /// let images = folder.join("t10k-images-idx3-ubyte.gz");
    /// let test = wengert_data::Mnist::read(images, folder.join("t10k-labels-idx1-ubyte.gz"))?;
    /// assert_eq!(test.len(), 1_000);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn read(images: impl AsRef<Path>, labels: impl AsRef<Path>) -> Result<ImageSet> {
        images_and_labels(Idx::open(images)?, Idx::open(labels)?)
    }
}

/// The file of a set that is there.
fn find(folder: &Path, set: &str, what: &str, rank: usize) -> Result<PathBuf> {
    let names = [format!("{set}-{what}-idx{rank}-ubyte"), format!("{set}-{what}.idx{rank}-ubyte")];
    for name in &names {
        for ending in ["", ".gz"] {
            let path = folder.join(format!("{name}{ending}"));
            match fs::metadata(&path) {
                Ok(found) if found.is_file() => return Ok(path),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(refused(&path.display().to_string(), error)),
            }
        }
    }
    let message = format!("{}: no file {}, plain or with .gz", folder.display(), names.join(" or "));
    Err(Error::new(ErrorKind::Io, message).op("Mnist::open").hint("the four files of MNIST have to lie in this folder"))
}

fn images_and_labels(images: Idx, labels: Idx) -> Result<ImageSet> {
    let (images, labels) = (images.expect_rank(3)?, labels.expect_rank(1)?);
    let count = images.shape()[0];
    if images.shape()[1..] != [SIDE, SIDE] {
        let message = format!("expected images of {SIDE} x {SIDE}, found axes {}", images.shape());
        return Err(wrong(images.name(), message, "other sizes can be read with Idx::open"));
    }
    if labels.as_bytes().len() != count {
        let found = labels.as_bytes().len();
        let message = format!("expected {count} labels, as many as images in {}, found {found}", images.name());
        return Err(wrong(labels.name(), message, "are both files of the same set?"));
    }
    if let Some(at) = labels.as_bytes().iter().position(|&label| label >= CLASSES) {
        let message = format!("expected labels from 0 to 9, found {} at position {at}", labels.as_bytes()[at]);
        return Err(wrong(labels.name(), message, "sets with other classes can be read with Idx::open"));
    }
    let inputs = images.to_tensor(255.0).reshape([count, SIDE * SIDE])?;
    Ok(Dataset::of_rows(inputs, labels.to_indices(), count))
}
