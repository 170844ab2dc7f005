//! What a model or an optimiser is when it is written down: tensors by path. Must know no file format and no tape.

use std::collections::BTreeMap;
use std::collections::btree_map;

use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::module::{Module, Param, Path};
use crate::tensor::{Shape, Tensor};

/// Tensors by path, in alphabetical order: what [`Module::state_dict`] returns and a file holds. The tensors share the
/// memory of the parameters until either changes.
///
/// ```
/// use wengert_autograd::{Module, Param, Tensor};
/// let model = (Param::new(Tensor::from([1.0, 2.0])), Param::new(Tensor::from([0.5])));
/// let dict = model.state_dict();
/// assert_eq!(dict.keys().collect::<Vec<_>>(), ["0", "1"]);
/// assert_eq!(dict.get("0").unwrap().as_slice(), [1.0, 2.0]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct StateDict<T: Element = f32>(BTreeMap<String, Tensor<T>>);

impl<T: Element> StateDict<T> {
    /// No tensors.
    pub fn new() -> Self {
        StateDict(BTreeMap::new())
    }

    /// The tensor of a path.
    pub fn get(&self, path: &str) -> Option<&Tensor<T>> {
        self.0.get(path)
    }

    /// Adds a tensor and returns the one that had the path before.
    pub fn insert(&mut self, path: impl Into<String>, tensor: impl Into<Tensor<T>>) -> Option<Tensor<T>> {
        self.0.insert(path.into(), tensor.into())
    }

    /// Takes a tensor out.
    pub fn remove(&mut self, path: &str) -> Option<Tensor<T>> {
        self.0.remove(path)
    }

    /// Whether there is a tensor of the path.
    pub fn contains_key(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// The number of tensors.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The paths.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The tensors with their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor<T>)> {
        self.0.iter().map(|(path, tensor)| (path.as_str(), tensor))
    }
}

impl<T: Element> Default for StateDict<T> {
    fn default() -> Self {
        StateDict::new()
    }
}

impl<T: Element, P: Into<String>> FromIterator<(P, Tensor<T>)> for StateDict<T> {
    fn from_iter<I: IntoIterator<Item = (P, Tensor<T>)>>(entries: I) -> Self {
        StateDict(entries.into_iter().map(|(path, tensor)| (path.into(), tensor)).collect())
    }
}

impl<T: Element> IntoIterator for StateDict<T> {
    type Item = (String, Tensor<T>);
    type IntoIter = btree_map::IntoIter<String, Tensor<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// What keeps a dict from being loaded, all of it at once.
#[derive(Default)]
struct Differences {
    missing: Vec<String>,
    misshapen: Vec<(String, Shape, Shape)>,
    unexpected: Vec<String>,
}

impl Differences {
    fn into_result(self) -> Result<()> {
        let quoted = |paths: &[String]| paths.iter().map(|path| format!("{path:?}")).collect::<Vec<_>>().join(", ");
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            parts.push(format!("missing: {}", quoted(&self.missing)));
        }
        if !self.unexpected.is_empty() {
            parts.push(format!("unexpected: {}", quoted(&self.unexpected)));
        }
        if !self.misshapen.is_empty() {
            let shapes = self.misshapen.iter();
            let shapes = shapes.map(|(path, needed, given)| format!("{path:?} is {needed} in the model, {given} here"));
            parts.push(format!("shapes differ: {}", shapes.collect::<Vec<_>>().join(", ")));
        }
        match parts.is_empty() {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::State, parts.join("; ")).op("load_state_dict")),
        }
    }
}

/// All parameters and buffers of a model by path.
pub(crate) fn collect<T: Element>(model: &(impl Module<T> + ?Sized)) -> StateDict<T> {
    let mut dict = StateDict::new();
    model.visit(&mut Path::default(), &mut |path, parameter| {
        dict.insert(path, parameter.value());
    });
    dict
}

/// Gives every parameter and buffer the value of its path, or none of them.
pub(crate) fn load<T: Element>(model: &mut (impl Module<T> + ?Sized), dict: &StateDict<T>) -> Result<()> {
    let mut found = Differences::default();
    let mut known: Vec<String> = Vec::new();
    model.visit(&mut Path::default(), &mut |path, parameter: &Param<T>| {
        match dict.get(path) {
            None => found.missing.push(path.to_string()),
            Some(value) if value.shape() != parameter.shape() => {
                found.misshapen.push((path.to_string(), parameter.shape().clone(), value.shape().clone()));
            }
            Some(_) => {}
        }
        known.push(path.to_string());
    });
    known.sort_unstable();
    let unexpected = dict.keys().filter(|&path| known.binary_search_by(|known| known.as_str().cmp(path)).is_err());
    found.unexpected = unexpected.map(str::to_string).collect();
    found.into_result()?;
    let mut outcome = Ok(());
    model.visit_mut(&mut Path::default(), &mut |path, parameter| {
        if let (Some(value), Ok(())) = (dict.get(path), &outcome) {
            outcome = parameter.set(value);
        }
    });
    outcome
}
