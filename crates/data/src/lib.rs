//! Data sets, file formats and loaders: seeded, reproducible on every machine, and safe on any file.
//!
//! ```
//! let (train, test) = wengert_data::mnist()?;
//! assert_eq!((train.len(), test.len()), (10_000, 1_000));
//! for batch in train.loader(128).shuffle(7).into_iter().take(2) {
//!     let batch = batch?;
//!     assert_eq!(*batch.inputs.shape(), [128, 784]);
//!     assert_eq!(*batch.targets.shape(), [128]);
//! }
//! # Ok::<(), wengert_autograd::Error>(())
//! ```
//!
//! The embedded images are a subset of MNIST under CC BY-SA 3.0; `assets/mnist/NOTICE.txt` has the attribution.

mod dataset;
mod idx;
mod loader;
mod mnist;
mod random;
mod toy;

pub use dataset::{Batch, Dataset, Rows};
pub use idx::{Idx, read_idx};
pub use loader::{Batches, Loader};
pub use mnist::{ImageSet, Mnist, mnist};
pub use random::permutation;
pub use toy::{blobs, circles, linear, moons, sine, spiral, xor};
