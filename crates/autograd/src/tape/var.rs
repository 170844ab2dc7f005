//! The handle on a node.

use std::fmt;

use super::Tape;
use crate::kernels::number::Element;
use crate::tensor::Shape;

/// A value recorded on a [`Tape`]: a `Copy` handle on one node.
///
/// Operators and methods record further nodes and never fail: a mistake is kept on the tape, and every way out
/// (`value`, `item`, `backward`, ...) returns it.
///
/// ```
/// use wengert_autograd::{Tape, Tensor};
/// let tape = Tape::new();
/// let x = tape.input(Tensor::from([1.0, 2.0]));
/// let y = (2.0 * x + 1.0).square().sum();          // y = sum((2x + 1)^2)
/// assert_eq!(y.item()?, 9.0 + 25.0);
/// let [gx] = y.grad([x]);                          // dy/dx = 4 (2x + 1)
/// assert_eq!(gx.value()?.as_slice(), [12.0, 20.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub struct Var<'t, T: Element = f32> {
    pub(crate) tape: &'t Tape<T>,
    pub(crate) id: u32,
}

/// The id of what follows from a mistake.
pub(crate) const POISONED: u32 = u32::MAX;

impl<'t, T: Element> Var<'t, T> {
    /// The tape that the value is recorded on.
    pub fn tape(self) -> &'t Tape<T> {
        self.tape
    }

    /// The length of every axis; `[]` where a mistake was made before.
    pub fn shape(self) -> Shape {
        match self.is_poisoned() {
            true => Shape::default(),
            false => self.tape.inner.borrow().nodes[self.id as usize].shape.clone(),
        }
    }

    /// The number of axes.
    pub fn rank(self) -> usize {
        self.shape().len()
    }

    /// Names the node in listings and errors.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let h = tape.input(Tensor::from([1.0])).tanh().named("h");
    /// assert!(tape.to_string().contains("%1 h = tanh(%0) : [1]"));
    /// # let _: f64 = h.sum().item()?;
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn named(self, name: &str) -> Self {
        if !self.is_poisoned() {
            self.tape.inner.borrow_mut().names.insert(self.id, name.into());
        }
        self
    }

    /// Whether a mistake was made on the way to this value.
    pub(crate) fn is_poisoned(self) -> bool {
        self.id == POISONED
    }
}

impl<T: Element> Clone for Var<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Element> Copy for Var<'_, T> {}

impl<T: Element> fmt::Debug for Var<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_poisoned() {
            true => f.write_str("%? (a mistake was made before)"),
            false => write!(f, "%{} : {}", self.id, self.shape()),
        }
    }
}
