//! The data and initial weights of a workload: from NumPy's files, or numbers of the same shapes.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use wengert::prelude::*;

/// Where the numbers come from.
#[derive(Debug)]
pub(crate) struct Data {
    /// A folder of `.npy` files; none for numbers of our own.
    pub(crate) folder: Option<PathBuf>,
}

/// What numbers of our own are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Own {
    /// Uniform in `[low, high)`.
    Uniform(f32, f32),
    /// The whole numbers below.
    Labels(usize),
}

/// An array that is read from its beginning.
enum Source {
    File(BufReader<File>),
    Own(Box<SmallRng>, Own),
}

impl Data {
    /// An array of numbers.
    pub(crate) fn tensor(&self, name: &str, shape: &[usize], own: Own) -> Result<Tensor> {
        let mut tensors = self.tensors(name, 1, shape, own)?;
        Ok(tensors.remove(0))
    }

    /// The stretches of an array along its first axis: `count` of them, each of this shape.
    pub(crate) fn tensors(&self, name: &str, count: usize, shape: &[usize], own: Own) -> Result<Vec<Tensor>> {
        let mut source = self.open(name, "<f4", count * shape.iter().product::<usize>(), own)?;
        (0..count).map(|_| Tensor::from_vec(shape, source.floats(shape.iter().product())?)).collect()
    }

    /// The stretches of an array of labels: `count` of them, each of this length.
    pub(crate) fn labels(&self, name: &str, count: usize, length: usize, classes: usize) -> Result<Vec<IndexTensor>> {
        let mut source = self.open(name, "<i8", count * length, Own::Labels(classes))?;
        (0..count).map(|_| Ok(source.labels(length)?.into())).collect()
    }

    /// Weight and bias of a layer. The files have the weight as `[in, out]`.
    pub(crate) fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<Linear> {
        let bound = 1.0 / (inputs as f32).sqrt();
        let weight = self.tensor(&format!("{name}_w"), &[inputs, outputs], Own::Uniform(-bound, bound))?;
        let bias = self.tensor(&format!("{name}_b"), &[outputs], Own::Uniform(-bound, bound))?;
        Linear::from_parts(transposed(&weight)?, Some(bias))
    }

    fn open(&self, name: &str, kind: &str, volume: usize, own: Own) -> Result<Source> {
        let Some(folder) = &self.folder else {
            let seed = name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
            return Ok(Source::Own(Box::new(SmallRng::seed_from_u64(seed)), own));
        };
        let path = folder.join(format!("{name}.npy"));
        let wrong = |what: &str| Error::new(ErrorKind::Argument, format!("{}: {what}", path.display())).op("--data");
        let mut file = BufReader::new(File::open(&path).map_err(|error| wrong(&error.to_string()))?);
        let header = header_of(&mut file).ok_or_else(|| wrong("no NumPy file of version 1"))?;
        if !header.contains(kind) || !header.contains("'fortran_order': False") {
            return Err(wrong(&format!("{kind} in rows needed, the header is {header}")));
        }
        match volume_of(&header) {
            Some(found) if found >= volume => Ok(Source::File(file)),
            found => Err(wrong(&format!("{volume} numbers needed, there are {found:?}"))),
        }
    }
}

/// `[n, m]` from `[m, n]`.
pub(crate) fn transposed(matrix: &Tensor) -> Result<Tensor> {
    let (rows, columns) = (matrix.shape()[0], matrix.shape()[1]);
    let values = matrix.as_slice();
    Tensor::from_vec([columns, rows], (0..rows * columns).map(|i| values[i % rows * columns + i / rows]).collect())
}

/// The text before the numbers.
fn header_of(file: &mut impl Read) -> Option<String> {
    let mut start = [0; 10];
    file.read_exact(&mut start).ok()?;
    let length = u16::from_le_bytes([start[8], start[9]]);
    let mut header = vec![0; usize::from(length)];
    file.read_exact(&mut header).ok()?;
    start.starts_with(b"\x93NUMPY\x01").then(|| String::from_utf8_lossy(&header).into_owned())
}

/// The product of the lengths after `'shape': (`.
fn volume_of(header: &str) -> Option<usize> {
    let (_, shape) = header.split_once("'shape': (")?;
    let (shape, _) = shape.split_once(')')?;
    shape
        .split(',')
        .map(str::trim)
        .filter(|length| !length.is_empty())
        .map(|length| length.parse::<usize>().ok())
        .product()
}

impl Source {
    fn floats(&mut self, count: usize) -> Result<Vec<f32>> {
        match self {
            Source::File(file) => numbers(file, count, f32::from_le_bytes),
            Source::Own(rng, Own::Uniform(low, high)) => {
                Ok((0..count).map(|_| rng.random_range(*low..*high)).collect())
            }
            Source::Own(_, Own::Labels(_)) => Ok(vec![]),
        }
    }

    fn labels(&mut self, count: usize) -> Result<Vec<usize>> {
        match self {
            Source::File(file) => {
                Ok(numbers(file, count, i64::from_le_bytes)?.iter().map(|&label| label as usize).collect())
            }
            Source::Own(rng, Own::Labels(classes)) => Ok((0..count).map(|_| rng.random_range(0..*classes)).collect()),
            Source::Own(_, Own::Uniform(..)) => Ok(vec![]),
        }
    }
}

fn numbers<T, const N: usize>(file: &mut impl Read, count: usize, of: fn([u8; N]) -> T) -> Result<Vec<T>> {
    let mut bytes = [0; N];
    (0..count)
        .map(|_| match file.read_exact(&mut bytes) {
            Ok(()) => Ok(of(bytes)),
            Err(error) => Err(Error::new(ErrorKind::Argument, format!("a file of data: {error}")).op("--data")),
        })
        .collect()
}
