//! State dicts in files: the safetensors format, which PyTorch and others read and write. Files are not trusted.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};
use wengert_autograd::{Element, Error, ErrorKind, Module, Result, StateDict, Tensor};

/// Writes all parameters and buffers of a model to a safetensors file.
///
/// The file appears at once or not at all: it is written under another name in the same folder, synced, and renamed.
///
/// # Errors
/// [`ErrorKind::Io`]: the operating system refused.
///
/// ```
/// use rand::SeedableRng;
/// use wengert_nn::{self as nn, Linear, Module};
/// let mut rng = rand::rngs::StdRng::seed_from_u64(1);
/// let path = std::env::temp_dir().join(format!("linear-{}.safetensors", std::process::id()));
/// let model: Linear = Linear::new(3, 2, &mut rng);
/// nn::save(&model, &path)?;
/// let mut other = Linear::new(3, 2, &mut rng);
/// nn::load(&mut other, &path)?;
/// assert_eq!(other.state_dict(), model.state_dict());
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub fn save<T: Element>(model: &(impl Module<T> + ?Sized), path: impl AsRef<Path>) -> Result<()> {
    save_state(&model.state_dict(), path)
}

/// Gives all parameters and buffers of a model the values of a safetensors file, or none of them.
///
/// # Errors
/// The model is then unchanged. [`ErrorKind::Io`]: the file can't be read. [`ErrorKind::Data`]: it is no safetensors file,
/// or of another element type. [`ErrorKind::State`]: its paths or shapes are not the model's; all differences are named.
pub fn load<T: Element>(model: &mut (impl Module<T> + ?Sized), path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    model.load_state_dict(&load_state(path)?).map_err(|error| error.hint(format!("the file is {}", path.display())))
}

/// Writes a state dict, of a model or an optimiser, to a safetensors file. See [`save`].
///
/// # Errors
/// As [`save`].
pub fn save_state<T: Element>(dict: &StateDict<T>, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    let bytes = safetensors::serialize(dict.iter().map(|(path, tensor)| (path, Saved(tensor))), Some(metadata));
    let bytes =
        bytes.map_err(|error| Error::new(ErrorKind::Data, "the state dict can't be written").caused_by(error))?;
    write_at_once(path, &bytes).map_err(|error| refused("write", path, error))
}

/// Reads a state dict from a safetensors file.
///
/// # Errors
/// [`ErrorKind::Io`]: the file can't be read. [`ErrorKind::Data`]: it is no safetensors file, or of another element type.
pub fn load_state<T: Element>(path: impl AsRef<Path>) -> Result<StateDict<T>> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|error| refused("read", path, error))?;
    parse(&bytes).map_err(|error| error.hint(format!("the file is {}", path.display())))
}

fn refused(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("can't {what} {}", path.display())).caused_by(error)
}

/// A tensor for the writer.
struct Saved<'a, T: Element>(&'a Tensor<T>);

fn dtype<T: Element>() -> Dtype {
    match size_of::<T>() {
        4 => Dtype::F32,
        _ => Dtype::F64,
    }
}

impl<T: Element> View for Saved<'_, T> {
    fn dtype(&self) -> Dtype {
        dtype::<T>()
    }

    fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        // The bits are zero-extended: in little-endian order the element is the first bytes.
        let bytes = |value: &T| value.to_bits_u64().to_le_bytes().into_iter().take(size_of::<T>());
        Cow::Owned(self.0.as_slice().iter().flat_map(bytes).collect())
    }

    fn data_len(&self) -> usize {
        self.0.len() * size_of::<T>()
    }
}

/// Reads a state dict from the bytes of a safetensors file.
fn parse<T: Element>(bytes: &[u8]) -> Result<StateDict<T>> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| Error::new(ErrorKind::Data, "no safetensors file").caused_by(error))?;
    file.iter().map(|(path, view)| Ok((path.to_string(), tensor(path, &view)?))).collect()
}

fn tensor<T: Element>(path: &str, view: &TensorView<'_>) -> Result<Tensor<T>> {
    if view.dtype() != dtype::<T>() {
        let message = format!("{path:?} holds {:?} elements, {:?} are needed", view.dtype(), dtype::<T>());
        return Err(Error::new(ErrorKind::Data, message));
    }
    let values: Vec<T> = match view.dtype() {
        Dtype::F32 => view.data().as_chunks().0.iter().map(|&bytes| T::of(f32::from_le_bytes(bytes).into())).collect(),
        _ => view.data().as_chunks().0.iter().map(|&bytes| T::of(f64::from_le_bytes(bytes))).collect(),
    };
    Tensor::from_vec(view.shape(), values)
        .map_err(|error| Error::new(ErrorKind::Data, format!("{path:?}")).caused_by(error))
}

/// Writes a file that is complete as soon as it can be seen.
fn write_at_once(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = neighbour(path);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    match written {
        Ok(()) => {
            // The name, too, should survive a loss of power; not every system can promise that.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Err(_) => drop(fs::remove_file(&temporary)),
    }
    written
}

/// A name in the same folder that no other writer uses.
fn neighbour(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
