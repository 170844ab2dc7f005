//! Parameters and the things made of them: plain owned data. Must know no tape: a formula borrows a parameter's value,
//! it never owns the parameter.

mod state;

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::tensor::{Shape, Tensor};
pub use state::StateDict;

/// The identity of a [`Param`]: gradients go by it. A clone of a parameter has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(u64);

impl ParamId {
    fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        ParamId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What an optimiser may do with a [`Param`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Trained,
    Frozen,
    Buffer,
}

/// A value that a model owns and training changes: plain data with an identity.
///
/// ```
/// use wengert_autograd::{Param, Tensor};
/// let weight = Param::new(Tensor::from([1.0, 2.0]));
/// assert_eq!(weight.value().as_slice(), [1.0, 2.0]);
/// assert_ne!(weight.id(), weight.clone().id());   // a clone is a new parameter
/// ```
#[derive(Debug)]
pub struct Param<T: Element = f32> {
    id: ParamId,
    value: Tensor<T>,
    role: Role,
}

impl<T: Element> Param<T> {
    /// A parameter that training changes.
    pub fn new(value: impl Into<Tensor<T>>) -> Self {
        Param { id: ParamId::fresh(), value: value.into(), role: Role::Trained }
    }

    /// A value that is saved with the model but has no gradient, such as running statistics.
    pub fn buffer(value: impl Into<Tensor<T>>) -> Self {
        Param { role: Role::Buffer, ..Param::new(value) }
    }

    /// The identity that gradients go by.
    pub fn id(&self) -> ParamId {
        self.id
    }

    /// The value.
    pub fn value(&self) -> &Tensor<T> {
        &self.value
    }

    /// The length of every axis.
    pub fn shape(&self) -> &Shape {
        self.value.shape()
    }

    /// Replaces the value by one of the same shape.
    ///
    /// # Errors
    /// The shape is another.
    pub fn set(&mut self, value: impl Into<Tensor<T>>) -> Result<()> {
        let value = value.into();
        if value.shape() != self.shape() {
            let message =
                format!("a parameter of shape {} can't take a value of shape {}", self.shape(), value.shape());
            return Err(Error::new(ErrorKind::Shape, message).op("Param::set"));
        }
        self.value = value;
        Ok(())
    }

    /// The elements for writing, in row-major order; copied first where a tape still holds them.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        self.value.as_mut_slice()
    }

    /// All elements for being rewritten. Where a tape still holds the old ones, they come as a tensor, and the memory is
    /// unspecified: every element is to be written. Otherwise there is no tensor, and the elements are changed in place.
    ///
    /// ```
    /// use wengert_autograd::{Param, Tensor};
    /// let mut weight = Param::new(Tensor::from([1.0, 2.0]));
    /// let before = weight.value().clone();
    /// let (old, new) = weight.rewrite();
    /// if let Some(old) = old {
    ///     new.copy_from_slice(old.as_slice());
    /// }
    /// new.iter_mut().for_each(|value| *value *= 10.0);
    /// assert_eq!(weight.value().as_slice(), [10.0, 20.0]);
    /// assert_eq!(before.as_slice(), [1.0, 2.0]);
    /// ```
    pub fn rewrite(&mut self) -> (Option<Tensor<T>>, &mut [T]) {
        self.value.rewrite()
    }

    /// From now on the parameter has no gradient and optimisers leave it as it is.
    pub fn freeze(&mut self) {
        if self.role == Role::Trained {
            self.role = Role::Frozen;
        }
    }

    /// Takes [`freeze`](Param::freeze) back.
    pub fn unfreeze(&mut self) {
        if self.role == Role::Frozen {
            self.role = Role::Trained;
        }
    }

    /// Whether training changes it: neither frozen nor a buffer.
    pub fn is_trained(&self) -> bool {
        self.role == Role::Trained
    }

    /// Whether it is a buffer: saved, never trained.
    pub fn is_buffer(&self) -> bool {
        self.role == Role::Buffer
    }
}

/// A new parameter with the same value and role.
impl<T: Element> Clone for Param<T> {
    fn clone(&self) -> Self {
        Param { id: ParamId::fresh(), value: self.value.clone(), role: self.role }
    }
}

/// Where a parameter lies in a model: field names and positions joined by dots, as in PyTorch's `state_dict`.
#[derive(Clone, Debug, Default)]
pub struct Path(String);

impl Path {
    /// Visits a part of the model one level down.
    pub fn enter(&mut self, segment: impl std::fmt::Display, visit: impl FnOnce(&mut Path)) {
        use std::fmt::Write;
        let length = self.0.len();
        let dot = if length == 0 { "" } else { "." };
        let _ = write!(self.0, "{dot}{segment}");
        visit(self);
        self.0.truncate(length);
    }

    /// As [`enter`](Path::enter), for a name that needs no formatting: every step of training walks the model.
    pub fn enter_field(&mut self, name: &str, visit: impl FnOnce(&mut Path)) {
        let length = self.0.len();
        if length > 0 {
            self.0.push('.');
        }
        self.0.push_str(name);
        visit(self);
        self.0.truncate(length);
    }

    /// As [`enter`](Path::enter), for a position in a list.
    ///
    /// ```
    /// use wengert_autograd::Path;
    /// let mut path = Path::default();
    /// path.enter_field("blocks", |path| path.enter_index(120, |path| assert_eq!(path.as_str(), "blocks.120")));
    /// path.enter_index(0, |path| assert_eq!(path.as_str(), "0"));
    /// ```
    pub fn enter_index(&mut self, mut index: usize, visit: impl FnOnce(&mut Path)) {
        let mut digits = [b'0'; 20];
        let mut first = digits.len();
        while index > 0 || first == digits.len() {
            first -= 1;
            digits[first] += (index % 10) as u8;
            index /= 10;
        }
        self.enter_field(std::str::from_utf8(&digits[first..]).unwrap_or_default(), visit);
    }

    /// The path so far, such as `"encoder.0.weight"`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Is called with the path of each parameter and the parameter.
pub type Visitor<'v, 'm, T> = dyn FnMut(&str, &'m Param<T>) + 'v;

/// Is called with the path of each parameter and the parameter, for changing it.
pub type VisitorMut<'v, 'm, T> = dyn FnMut(&str, &'m mut Param<T>) + 'v;

/// Something that owns parameters: a layer, a model, a list of layers.
///
/// Implemented by `#[derive(Module)]`, field by field; the two `visit` methods are all that it needs.
#[diagnostic::on_unimplemented(
    message = "`{Self}` holds no parameters of type `{T}`, so it is not a module",
    label = "not a module over `{T}`",
    note = "a field that holds no parameters is marked #[module(skip)]; a struct whose parameters are f64 is marked #[module(element = f64)]"
)]
pub trait Module<T: Element = f32> {
    /// Calls the visitor with each parameter, in the order of the fields.
    fn visit<'m>(&'m self, path: &mut Path, visitor: &mut Visitor<'_, 'm, T>);

    /// Calls the visitor with each parameter for changing it, in the order of the fields.
    fn visit_mut<'m>(&'m mut self, path: &mut Path, visitor: &mut VisitorMut<'_, 'm, T>);

    /// All parameters with their paths, buffers included.
    fn named_parameters(&self) -> Vec<(String, &Param<T>)> {
        let mut all = Vec::new();
        self.visit(&mut Path::default(), &mut |path, param| all.push((path.to_string(), param)));
        all
    }

    /// All parameters with their paths, buffers included, for changing them.
    fn named_parameters_mut(&mut self) -> Vec<(String, &mut Param<T>)> {
        let mut all = Vec::new();
        self.visit_mut(&mut Path::default(), &mut |path, param| all.push((path.to_string(), param)));
        all
    }

    /// All parameters that are not buffers.
    fn parameters(&self) -> Vec<&Param<T>> {
        let mut all = Vec::new();
        self.visit(&mut Path::default(), &mut |_, param| all.push(param));
        all.retain(|param| !param.is_buffer());
        all
    }

    /// All parameters that are not buffers, for changing them.
    fn parameters_mut(&mut self) -> Vec<&mut Param<T>> {
        let mut all = Vec::new();
        self.visit_mut(&mut Path::default(), &mut |_, param| all.push(param));
        all.retain(|param| !param.is_buffer());
        all
    }

    /// The number of elements in all parameters that are not buffers.
    fn num_parameters(&self) -> usize {
        self.parameters().iter().map(|param| param.value().len()).sum()
    }

    /// All parameters and buffers by path.
    fn state_dict(&self) -> StateDict<T> {
        state::collect(self)
    }

    /// Gives every parameter and buffer the value of its path. Identities stay as they are, and what is frozen stays
    /// frozen.
    ///
    /// # Errors
    /// [`ErrorKind::State`], with every path that is missing, unexpected or of another shape; the model is then
    /// unchanged.
    ///
    /// ```
    /// use wengert_autograd::{Module, Param, StateDict, Tensor};
    /// let mut model = (Param::new(Tensor::from([1.0, 2.0])), Param::new(Tensor::from([0.5])));
    /// let dict = StateDict::from_iter([("0", Tensor::from([3.0])), ("2", Tensor::from([4.0]))]);
    /// let error = model.load_state_dict(&dict).unwrap_err();
    /// let text = r#"load_state_dict: missing: "1"; unexpected: "2"; shapes differ: "0" is [2] in the model, [1] here"#;
    /// assert_eq!(error.to_string(), text);
    /// ```
    fn load_state_dict(&mut self, dict: &StateDict<T>) -> Result<()> {
        state::load(self, dict)
    }
}

impl<T: Element> Module<T> for Param<T> {
    fn visit<'m>(&'m self, path: &mut Path, visitor: &mut Visitor<'_, 'm, T>) {
        visitor(path.as_str(), self);
    }

    fn visit_mut<'m>(&'m mut self, path: &mut Path, visitor: &mut VisitorMut<'_, 'm, T>) {
        visitor(path.as_str(), self);
    }
}

impl<T: Element, M: Module<T> + ?Sized> Module<T> for Box<M> {
    fn visit<'m>(&'m self, path: &mut Path, visitor: &mut Visitor<'_, 'm, T>) {
        (**self).visit(path, visitor);
    }

    fn visit_mut<'m>(&'m mut self, path: &mut Path, visitor: &mut VisitorMut<'_, 'm, T>) {
        (**self).visit_mut(path, visitor);
    }
}

impl<T: Element, M: Module<T>> Module<T> for Option<M> {
    fn visit<'m>(&'m self, path: &mut Path, visitor: &mut Visitor<'_, 'm, T>) {
        if let Some(module) = self {
            module.visit(path, visitor);
        }
    }

    fn visit_mut<'m>(&'m mut self, path: &mut Path, visitor: &mut VisitorMut<'_, 'm, T>) {
        if let Some(module) = self {
            module.visit_mut(path, visitor);
        }
    }
}

impl<T: Element, M: Module<T>> Module<T> for [M] {
    fn visit<'m>(&'m self, path: &mut Path, visitor: &mut Visitor<'_, 'm, T>) {
        for (i, module) in self.iter().enumerate() {
            path.enter_index(i, |path| module.visit(path, visitor));
        }
    }

    fn visit_mut<'m>(&'m mut self, path: &mut Path, visitor: &mut VisitorMut<'_, 'm, T>) {
        for (i, module) in self.iter_mut().enumerate() {
            path.enter_index(i, |path| module.visit_mut(path, visitor));
        }
    }
}

macro_rules! as_slice {
    ($(($($generics:tt)*) $list:ty;)*) => {$(
        impl<T: Element, M: Module<T>, $($generics)*> Module<T> for $list {
            fn visit<'m>(&'m self, path: &mut Path, visitor: &mut Visitor<'_, 'm, T>) {
                self.as_slice().visit(path, visitor);
            }

            fn visit_mut<'m>(&'m mut self, path: &mut Path, visitor: &mut VisitorMut<'_, 'm, T>) {
                self.as_mut_slice().visit_mut(path, visitor);
            }
        }
    )*};
}
as_slice! { () Vec<M>; (const N: usize) [M; N]; }

macro_rules! tuple {
    ($(($($name:ident $position:tt),+);)*) => {$(
        impl<T: Element, $($name: Module<T>),+> Module<T> for ($($name,)+) {
            fn visit<'m>(&'m self, path: &mut Path, visitor: &mut Visitor<'_, 'm, T>) {
                $(path.enter_index($position, |path| self.$position.visit(path, visitor));)+
            }

            fn visit_mut<'m>(&'m mut self, path: &mut Path, visitor: &mut VisitorMut<'_, 'm, T>) {
                $(path.enter_index($position, |path| self.$position.visit_mut(path, visitor));)+
            }
        }
    )*};
}
tuple! {
    (A 0);
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
    (A 0, B 1, C 2, D 3, E 4);
    (A 0, B 1, C 2, D 3, E 4, F 5);
}
