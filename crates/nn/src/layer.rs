//! What every layer can do. Must know no particular layer.

use wengert_autograd::{Element, Module, Var};

/// A module from one `Var` to one `Var`.
///
/// ```
/// use wengert_nn::{Layer, Module, Param};
/// use wengert_autograd::{Tape, Tensor, Var};
/// #[derive(Module)]
/// # #[module(crate = wengert_autograd)]
/// struct Scale { factor: Param }
/// impl Layer for Scale {
///     fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
///         x * x.tape().param(&self.factor)
///     }
/// }
/// let layer = Scale { factor: Param::new([2.0]) };
/// let tape = Tape::new();
/// let x = tape.input([3.0, 4.0]);
/// let y = layer.forward(x);                         // y = factor x
/// assert_eq!(y.value()?.as_slice(), [6.0, 8.0]);
/// let [gx] = y.sum().grad([x]);
/// assert_eq!(gx.value()?.as_slice(), [2.0, 2.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub trait Layer<T: Element = f32>: Module<T> {
    /// Records the layer's formula on the tape of `x`.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T>;
}

impl<T: Element, L: Layer<T> + ?Sized> Layer<T> for Box<L> {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        (**self).forward(x)
    }
}
