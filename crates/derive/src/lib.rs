//! `#[derive(Module)]`: finds the parameters of a model, field by field.
//!
//! The derive goes the way of its files: `ast` and `attr` read, `valid` asks whether what is read goes together,
//! `generics` and `expand` write. No phase goes back to an earlier one's work.

mod ast;
mod attr;
mod expand;
mod generics;
mod valid;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Implements `Module`: visits the parameters of each field, in the order of the declaration.
///
/// A field is anything that is a `Module` itself: a parameter, a layer, another model, a `Vec`, `Option`, array, tuple
/// or `Box` of those. Its path is its name, or its position in a tuple struct; dots join the path of a field and the
/// paths inside it.
///
/// ```
/// use wengert_autograd::{Module as _, Param, Tensor};
/// use wengert_derive::Module;
///
/// #[derive(Module)]
/// # #[module(crate = wengert_autograd)]
/// struct Linear {
///     weight: Param,
///     bias: Option<Param>,
/// }
///
/// #[derive(Module)]
/// # #[module(crate = wengert_autograd)]
/// struct Mlp {
///     hidden: Vec<Linear>,
///     out: Linear,
/// }
///
/// let linear = |bias: bool| Linear {
///     weight: Param::new(Tensor::from([1.0, 2.0])),
///     bias: bias.then(|| Param::new(Tensor::from([0.0]))),
/// };
/// let mlp = Mlp { hidden: vec![linear(true), linear(false)], out: linear(true) };
/// let paths: Vec<String> = mlp.named_parameters().into_iter().map(|(path, _)| path).collect();
/// assert_eq!(paths, ["hidden.0.weight", "hidden.0.bias", "hidden.1.weight", "out.weight", "out.bias"]);
/// assert_eq!(mlp.num_parameters(), 8);
/// ```
///
/// Structs of every kind are modules, and enums: an enum shows the fields of the variant that it is, under the names
/// of the fields alone. A union is refused.
///
/// # On a field
///
/// ## `skip`
///
/// Leaves the field out. Its type may be anything.
///
/// ```
/// # use wengert_autograd::{Module as _, Param, Tensor};
/// # use wengert_derive::Module;
/// #[derive(Module)]
/// # #[module(crate = wengert_autograd)]
/// struct Dropout {
///     scale: Param,
///     #[module(skip)]
///     probability: f64,
/// }
///
/// let dropout = Dropout { scale: Param::new(Tensor::from([1.0])), probability: 0.5 };
/// let paths: Vec<String> = dropout.named_parameters().into_iter().map(|(path, _)| path).collect();
/// assert_eq!(paths, ["scale"]);
/// # assert_eq!(dropout.probability, 0.5);
/// ```
///
/// ## `rename = "..."`
///
/// Puts another path segment in the place of the field's name.
///
/// ```
/// # use wengert_autograd::{Module as _, Param, Tensor};
/// # use wengert_derive::Module;
/// #[derive(Module)]
/// # #[module(crate = wengert_autograd)]
/// struct LayerNorm {
///     #[module(rename = "gamma")]
///     scale: Param,
///     #[module(rename = "beta")]
///     shift: Param,
/// }
///
/// let norm = LayerNorm { scale: Param::new(Tensor::from([1.0])), shift: Param::new(Tensor::from([0.0])) };
/// let paths: Vec<String> = norm.named_parameters().into_iter().map(|(path, _)| path).collect();
/// assert_eq!(paths, ["gamma", "beta"]);
/// ```
///
/// ## `flatten`
///
/// Visits the field without a path segment of its own. That the paths inside it differ from those of the other fields
/// is for the struct's author to see to.
///
/// ```
/// # use wengert_autograd::{Module as _, Param, Tensor};
/// # use wengert_derive::Module;
/// #[derive(Module)]
/// # #[module(crate = wengert_autograd)]
/// struct Sequential {
///     #[module(flatten)]
///     layers: Vec<(Param, Param)>,
/// }
///
/// let param = || Param::new(Tensor::from([1.0]));
/// let sequential = Sequential { layers: vec![(param(), param()), (param(), param())] };
/// let paths: Vec<String> = sequential.named_parameters().into_iter().map(|(path, _)| path).collect();
/// assert_eq!(paths, ["0.0", "0.1", "1.0", "1.1"]);
/// ```
///
/// # On the struct or enum
///
/// ## `element = ...`
///
/// The element type: the `T` of `Module<T>`. Without the key it is the first type parameter with a bound that ends in
/// `Element`, and `f32` where there is none.
///
/// ```
/// use wengert_autograd::{Element, Module as _, Param, Tensor};
/// # use wengert_derive::Module;
///
/// #[derive(Module)]
/// # #[module(crate = wengert_autograd)]
/// struct Linear<T: Element> {
///     weight: Param<T>,
/// }
///
/// #[derive(Module)]
/// # #[module(crate = wengert_autograd)]
/// #[module(element = f64)]
/// struct Precise {
///     linear: Linear<f64>,
///     scale: Param<f64>,
/// }
///
/// let param = || Param::new(Tensor::from([1.0_f64]));
/// let precise = Precise { linear: Linear { weight: param() }, scale: param() };
/// let paths: Vec<String> = precise.named_parameters().into_iter().map(|(path, _)| path).collect();
/// assert_eq!(paths, ["linear.weight", "scale"]);
/// ```
///
/// ## `crate = ...`
///
/// Where `Module`, `Path`, `Visitor` and `VisitorMut` are found: a path, without quotes. Without the key it is
/// `::wengert::nn`.
///
/// ```
/// use wengert_autograd::{Module as _, Param, Tensor};
/// # use wengert_derive::Module;
///
/// #[derive(Module)]
/// #[module(crate = wengert_autograd)]
/// struct Scale(Param);
///
/// let scale = Scale(Param::new(Tensor::from([1.0])));
/// let paths: Vec<String> = scale.named_parameters().into_iter().map(|(path, _)| path).collect();
/// assert_eq!(paths, ["0"]);
/// ```
///
/// # Generic models
///
/// Where the type of a field depends on a type parameter that is not the element type, the impl asks that the field's
/// type is a module: here `M: Module`. The struct itself asks for nothing, and a skipped field neither.
///
/// ```
/// # use wengert_autograd::{Module as _, Param, Tensor};
/// # use wengert_derive::Module;
/// #[derive(Module)]
/// # #[module(crate = wengert_autograd)]
/// struct Residual<M> {
///     inner: M,
///     gain: Param,
/// }
///
/// let param = || Param::new(Tensor::from([1.0]));
/// let residual = Residual { inner: vec![param(), param()], gain: param() };
/// let paths: Vec<String> = residual.named_parameters().into_iter().map(|(path, _)| path).collect();
/// assert_eq!(paths, ["inner.0", "inner.1", "gain"]);
/// ```
///
/// A type that holds itself is no cycle: a field that mentions the struct asks only for the parameters beside the
/// mention. Two generic types that hold each other are one that the compiler can't close; there `Module` is
/// implemented by hand.
#[proc_macro_derive(Module, attributes(module))]
pub fn derive_module(input: TokenStream) -> TokenStream {
    let node = parse_macro_input!(input as DeriveInput);
    expand::derive(&node).unwrap_or_else(|error| error.to_compile_error()).into()
}
