//! The IDX format of MNIST and its relatives: a short header, then unsigned bytes. Must know no data set.
//!
//! Big-endian: two zero bytes, the element type, the number of axes, 32 bits for the length of each axis, then the
//! elements in row-major order. A header is a claim by whoever wrote the file: memory grows only as bytes arrive.

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use wengert_autograd::{Error, ErrorKind, IndexTensor, Result, Shape, Tensor};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const UNSIGNED_BYTE: u8 = 0x08;
const CUT_OFF: &str = "the file is cut off: fetch or write it again";

/// An array of unsigned bytes: the content of an IDX file.
///
/// ```
/// use wengert_data::{Idx, read_idx};
/// let labels = Idx::new([3], vec![5, 0, 4])?;
/// assert_eq!(labels.to_bytes(), [0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]);
/// assert_eq!(read_idx(labels.to_bytes().as_slice(), "labels")?.as_bytes(), [5, 0, 4]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone)]
pub struct Idx {
    name: String,
    shape: Shape,
    bytes: Vec<u8>,
}

/// Reads an IDX file of unsigned bytes, plain or gzip: which one is seen from its first bytes, not from its name.
/// `name` is for error messages.
///
/// At most one byte more than the header promises is unpacked, and memory grows only with what is really there.
///
/// # Errors
/// [`ErrorKind::Data`] where the bytes are not one whole IDX file and nothing else; [`ErrorKind::Io`] where the reader
/// fails.
///
/// ```
/// let error = wengert_data::read_idx([0, 0, 8, 1, 0, 0, 0, 3, 5, 0].as_slice(), "labels").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "read_idx: labels: expected 3 bytes for axes [3], found 2; the file is cut off: fetch or write it again",
/// );
/// ```
pub fn read_idx(mut reader: impl Read, name: &str) -> Result<Idx> {
    let mut first = Vec::new();
    reader.by_ref().take(2).read_to_end(&mut first).map_err(|error| refused(name, error))?;
    let gzip = first == GZIP;
    let whole = Cursor::new(first).chain(reader);
    if gzip {
        Stream { reader: MultiGzDecoder::new(whole), name, gzip }.idx()
    } else {
        Stream { reader: whole, name, gzip }.idx()
    }
}

impl Idx {
    /// An array of a shape over the bytes in row-major order.
    ///
    /// # Errors
    /// The number of bytes is not the shape's, or IDX can't say the shape: more than 255 axes, or an axis beyond 32
    /// bits.
    ///
    /// ```
    /// let error = wengert_data::Idx::new([2, 2], vec![1, 2, 3]).unwrap_err();
    /// assert_eq!(error.to_string(), "Idx::new: 4 bytes needed for shape [2, 2], got 3");
    /// ```
    pub fn new(shape: impl Into<Shape>, bytes: Vec<u8>) -> Result<Self> {
        let shape = shape.into();
        let error = |message| Err(Error::new(ErrorKind::Shape, message).op("Idx::new"));
        if shape.len() > 255 || shape.iter().any(|&length| u32::try_from(length).is_err()) {
            return error(format!("IDX has at most 255 axes of at most 4294967295 each, got shape {shape}"));
        }
        match volume(&shape) {
            Some(needed) if needed == bytes.len() => Ok(Idx { name: "IDX data".into(), shape, bytes }),
            Some(needed) => error(format!("{needed} bytes needed for shape {shape}, got {}", bytes.len())),
            None => error(format!("an array of shape {shape} is too large for memory")),
        }
    }

    /// Reads a file as [`read_idx`] does.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] with the path where the file can't be read, otherwise as [`read_idx`].
    ///
    /// ```
    /// use wengert_autograd::ErrorKind;
    /// let error = wengert_data::Idx::open("no/such/file").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Io);
    /// assert!(error.to_string().starts_with("read_idx: no/such/file: can't be read: "));
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| refused(&name, error))?;
        read_idx(file, &name)
    }

    /// The array itself where it has this many axes.
    ///
    /// # Errors
    /// It has another number of axes.
    ///
    /// ```
    /// let labels = wengert_data::Idx::new([3], vec![5, 0, 4])?;
    /// assert_eq!(
    ///     labels.expect_rank(3).unwrap_err().to_string(),
    ///     "read_idx: IDX data: expected 3 axes, found 1: [3]; images have 3 axes, labels 1: is it the right file?",
    /// );
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn expect_rank(self, rank: usize) -> Result<Self> {
        if self.shape.len() == rank {
            return Ok(self);
        }
        let axes = if rank == 1 { "axis" } else { "axes" };
        let message = format!("expected {rank} {axes}, found {}: {}", self.shape.len(), self.shape);
        Err(wrong(&self.name, message, "images have 3 axes, labels 1: is it the right file?"))
    }

    /// What the array is called in error messages: the path it was read from.
    ///
    /// ```
    /// let idx = wengert_data::read_idx([0, 0, 8, 1, 0, 0, 0, 0].as_slice(), "nothing")?;
    /// assert_eq!(idx.name(), "nothing");
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The length of every axis.
    ///
    /// ```
    /// assert_eq!(*wengert_data::Idx::new([1, 2], vec![0, 255])?.shape(), [1, 2]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The elements in row-major order.
    ///
    /// ```
    /// assert_eq!(wengert_data::Idx::new([1, 2], vec![0, 255])?.as_bytes(), [0, 255]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The content of the IDX file, not compressed.
    ///
    /// ```
    /// let idx = wengert_data::Idx::new([1, 2], vec![0, 255])?;
    /// assert_eq!(idx.to_bytes(), [0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 255]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut file = vec![0, 0, UNSIGNED_BYTE, self.shape.len() as u8];
        file.extend(self.shape.iter().flat_map(|&length| (length as u32).to_be_bytes()));
        file.extend_from_slice(&self.bytes);
        file
    }

    /// The elements as numbers from 0 to 255, divided by `scale`.
    ///
    /// ```
    /// use wengert_autograd::Tensor;
    /// let image = wengert_data::Idx::new([1, 2], vec![0, 255])?;
    /// assert_eq!(image.to_tensor(255.0), Tensor::from([[0.0, 1.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn to_tensor(&self, scale: f32) -> Tensor {
        Tensor::from_fn(&self.shape, |i| f32::from(self.bytes[i]) / scale)
    }

    /// The elements as labels.
    ///
    /// ```
    /// assert_eq!(wengert_data::Idx::new([3], vec![5, 0, 4])?.to_indices().as_slice(), [5, 0, 4]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn to_indices(&self) -> IndexTensor {
        let labels = IndexTensor::from(self.bytes.iter().map(|&byte| usize::from(byte)).collect::<Vec<_>>());
        labels.reshape(&self.shape).unwrap_or(labels)
    }
}

/// Equal shapes and equal elements, whatever the names.
impl PartialEq for Idx {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.bytes == other.bytes
    }
}

impl fmt::Debug for Idx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idx").field("name", &self.name).field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// An IDX file while it is read.
struct Stream<'a, R> {
    reader: R,
    name: &'a str,
    gzip: bool,
}

impl<R: Read> Stream<'_, R> {
    fn idx(mut self) -> Result<Idx> {
        let lengths = self.header()?;
        let shape = Shape::from(lengths);
        let promised = volume(&shape).ok_or_else(|| {
            let message = format!("expected axes whose product fits into memory, found {shape}");
            wrong(self.name, message, "the header is damaged")
        })?;
        // One more than promised, so that the end is seen, and with it gzip's checksum.
        let bytes = self.take(promised + 1)?;
        let message = |found| format!("expected {promised} bytes for axes {shape}, found {found}");
        if bytes.len() < promised {
            return Err(wrong(self.name, message(bytes.len().to_string()), CUT_OFF));
        }
        if bytes.len() > promised {
            let hint = "the header is damaged, or something else was appended";
            return Err(wrong(self.name, message("more".into()), hint));
        }
        Ok(Idx { name: self.name.into(), shape, bytes })
    }

    /// Reads the header: the length of each axis.
    fn header(&mut self) -> Result<Vec<usize>> {
        let magic = self.take(4)?;
        let [zero, other_zero, element, rank] = *magic.as_slice() else {
            let message = format!("expected an IDX header of at least 4 bytes, found {}", magic.len());
            return Err(wrong(self.name, message, CUT_OFF));
        };
        if [zero, other_zero] != [0, 0] {
            let message = format!("expected an IDX file, which begins [00, 00, 08], found {magic:02x?}");
            return Err(wrong(self.name, message, file_type(&magic)));
        }
        if element != UNSIGNED_BYTE {
            let found = element_type(element);
            let message = format!("expected elements of type 0x08 (unsigned byte), found 0x{element:02x} ({found})");
            return Err(wrong(self.name, message, "convert the array to unsigned bytes before writing it"));
        }
        let promised = 4 * usize::from(rank);
        let lengths = self.take(promised)?;
        if lengths.len() < promised {
            let message = format!("expected {promised} bytes for the lengths of {rank} axes, found {}", lengths.len());
            return Err(wrong(self.name, message, CUT_OFF));
        }
        let big_endian = |length: &[u8]| length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
        Ok(lengths.chunks_exact(4).map(big_endian).collect())
    }

    /// The next bytes, fewer at the end.
    fn take(&mut self, count: usize) -> Result<Vec<u8>> {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        let mut bytes = Vec::new();
        self.reader.by_ref().take(count as u64).read_to_end(&mut bytes).map_err(|error| match error.kind() {
            UnexpectedEof if self.gzip => {
                wrong(self.name, "expected a whole gzip stream, found one that ends early", CUT_OFF)
            }
            InvalidData | InvalidInput if self.gzip => {
                let hint = "the file is damaged, or something else was appended: fetch or write it again";
                wrong(self.name, format!("expected a whole gzip stream, found a damaged one ({error})"), hint)
            }
            _ => refused(self.name, error),
        })?;
        Ok(bytes)
    }
}

/// The product of the axes, `None` where it, or that of the axes that are not 0, is more than memory can address.
fn volume(shape: &[usize]) -> Option<usize> {
    let product = shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length.max(1)))?;
    let product = Some(product).filter(|&product| product <= isize::MAX as usize / 8)?;
    Some(if shape.contains(&0) { 0 } else { product })
}

/// What a file that is not IDX may be.
fn file_type(magic: &[u8]) -> &'static str {
    match magic {
        [b'P', b'K', ..] => "it looks like a zip archive: unpack it first",
        [b'<', ..] => "it looks like a web page: the download went wrong",
        [0x28, 0xb5, 0x2f, 0xfd] => "it looks like zstd: unpack it first",
        [0xfd, b'7', b'z', b'X'] => "it looks like xz: unpack it first",
        [b'B', b'Z', b'h', _] => "it looks like bzip2: unpack it first",
        [0x1f, 0x8b, ..] => "it looks like gzip within gzip: unpack it once",
        _ => "IDX files are read plain or in gzip, other archives must be unpacked first",
    }
}

fn element_type(element: u8) -> &'static str {
    match element {
        0x09 => "signed byte",
        0x0b => "16-bit integer",
        0x0c => "32-bit integer",
        0x0d => "32-bit float",
        0x0e => "64-bit float",
        _ => "none that IDX has",
    }
}

/// A file that is not what it should be.
pub(crate) fn wrong(name: &str, message: impl fmt::Display, hint: &str) -> Error {
    Error::new(ErrorKind::Data, format!("{name}: {message}")).op("read_idx").hint(hint)
}

/// A file that the operating system doesn't give.
pub(crate) fn refused(name: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{name}: can't be read")).op("read_idx").caused_by(error)
}
