//! Functions of numbers, applied to each element: one row each.

mod comparison;
mod exponential;
mod hyperbolic;
mod pairs;
mod power;
mod rounding;
mod special;
mod trigonometric;

pub use comparison::*;
pub use exponential::*;
pub use hyperbolic::*;
pub use pairs::*;
pub use power::*;
pub use rounding::*;
pub use special::*;
pub use trigonometric::*;

use crate::kernels::number::Element;
use crate::tape::Tape;
use crate::tape::var::Var;

/// What may stand beside a [`Var`] as an operand: another `Var` of the same tape, or a number.
///
/// `f64` goes with every element type and is rounded to it, so literals do; `f32` goes with `f32`.
///
/// ```
/// use wengert_autograd::{Tape, Tensor};
/// let tape = Tape::new();
/// let x = tape.input(Tensor::from([-1.0f32, 2.0]));
/// let y = tape.input(Tensor::from([1.0f32, 1.0]));
/// assert_eq!(x.maximum(y).value()?.as_slice(), [1.0, 2.0]);
/// let rectified = x.maximum(0.0);
/// assert_eq!(rectified.value()?.as_slice(), [0.0, 2.0]);
/// let [gx] = rectified.sum().grad([x]);
/// assert_eq!(gx.value()?.as_slice(), [0.0, 1.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub trait IntoVar<'t, T: Element> {
    /// The operand on a tape; a number becomes a constant of shape `[]`.
    #[track_caller]
    fn into_var(self, tape: &'t Tape<T>) -> Var<'t, T>;
}

impl<'t, T: Element> IntoVar<'t, T> for Var<'t, T> {
    fn into_var(self, _: &'t Tape<T>) -> Var<'t, T> {
        self
    }
}

impl<'t, T: Element> IntoVar<'t, T> for f64 {
    #[track_caller]
    fn into_var(self, tape: &'t Tape<T>) -> Var<'t, T> {
        tape.scalar(T::of(self))
    }
}

impl<'t> IntoVar<'t, f32> for f32 {
    #[track_caller]
    fn into_var(self, tape: &'t Tape<f32>) -> Var<'t, f32> {
        tape.scalar(self)
    }
}

/// Methods of `Var` that record a row: their documentation, their name, their further operands, the row.
macro_rules! methods {
    ($($(#[$meta:meta])* $method:ident($($operand:ident),*) => $row:ident;)*) => {
        impl<'t, T: $crate::kernels::number::Element> $crate::tape::var::Var<'t, T> {$(
            $(#[$meta])*
            #[track_caller]
            pub fn $method(self $(, $operand: impl $crate::ops::functions::IntoVar<'t, T>)*) -> Self {
                $crate::ops::elementwise::apply($row, [self $(, $operand.into_var(self.tape))*])
            }
        )*}
    };
}
use methods;
