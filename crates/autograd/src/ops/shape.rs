//! Shape: the same elements at other places.

use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;
use crate::tensor::shape::Axes;

/// The same elements in row-major order under another shape.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Reshape(Shape);

impl<T: Element> Op<T> for Reshape {
    fn name(&self) -> &str {
        "reshape"
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("reshape({}, {})", operands[0], self.0)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        if self.0.checked_volume()? != inputs[0].volume() {
            let message = format!("{} elements of shape {} do not fit shape {}", inputs[0].volume(), inputs[0], self.0);
            return Err(Error::new(ErrorKind::Shape, message));
        }
        Ok(self.0.clone())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        output.copy_from_slice(inputs[0].values);
        Ok(())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        Pullback::one(call.cotangent.reshape(call.inputs[0].shape()))
    }

    fn is_view(&self) -> bool {
        true
    }
}

/// The same value, through which no derivative passes.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Detach;

impl<T: Element> Op<T> for Detach {
    fn name(&self) -> &str {
        "detach"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok(inputs[0].clone())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        output.copy_from_slice(inputs[0].values);
        Ok(())
    }

    fn pullback<'t>(&self, _: &Call<'t, T>) -> Pullback<'t, T> {
        Pullback::new([None])
    }

    fn is_view(&self) -> bool {
        true
    }

    fn is_differentiable(&self) -> bool {
        false
    }
}

/// The elements repeated along new leading axes and axes of length 1.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Expand(Shape);

impl<T: Element> Op<T> for Expand {
    fn name(&self) -> &str {
        "expand"
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("expand({}, {})", operands[0], self.0)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        match inputs[0].broadcast(&self.0) {
            Some(shape) if shape == self.0 => Ok(shape),
            _ => Err(Error::new(ErrorKind::Shape, format!("shape {} can't be repeated to {}", inputs[0], self.0))
                .hint("axes are aligned at the end, and only axes of length 1 repeat")),
        }
    }

    fn run(&self, _: &[Operand<'_, T>], _: &mut [T], _: &Context<'_>) -> Result<()> {
        Err(Error::new(ErrorKind::Argument, "a broadcast is run by the block interpreter"))
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        // The sweep sums over the repeated axes.
        Pullback::one(call.cotangent)
    }

    fn is_broadcast(&self) -> bool {
        true
    }
}

/// Axes in another order.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(super) struct Permute(pub(super) Axes);

impl<T: Element> Op<T> for Permute {
    fn name(&self) -> &str {
        "permute"
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("permute({}, {:?})", operands[0], self.0.as_slice())
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok(Shape::collect(self.0.iter().map(|&axis| inputs[0][axis])))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], context: &Context<'_>) -> Result<()> {
        let strides = inputs[0].shape.strides();
        let strides: Axes = self.0.iter().map(|&axis| strides[axis]).collect();
        crate::kernels::gather::strided(inputs[0].values, context.shape, &strides, 0, output);
        Ok(())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let mut inverse: Axes = self.0.clone();
        for (to, &from) in self.0.iter().enumerate() {
            inverse[from] = to;
        }
        Pullback::one(call.cotangent.tape.record_shared(Permute(inverse), &[call.cotangent]))
    }
}

impl<'t, T: Element> Var<'t, T> {
    /// The same elements under another shape of as many places, in row-major order.
    #[track_caller]
    pub fn reshape(self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        match self.is_poisoned() || self.shape() == shape {
            true => self,
            false => self.tape.record_shared(Reshape(shape), &[self]),
        }
    }

    /// The elements repeated to a larger shape by the rules of broadcasting.
    #[track_caller]
    pub fn expand(self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        match self.is_poisoned() || self.shape() == shape {
            true => self,
            false => self.tape.record_shared(Expand(shape), &[self]),
        }
    }

    /// The same value, cut off from differentiation.
    #[track_caller]
    pub fn detach(self) -> Self {
        self.tape.record_static(&Detach, &[self])
    }

    /// The axes in another order; negative axes count from the end.
    #[track_caller]
    pub fn permute(self, axes: &[isize]) -> Self {
        if self.is_poisoned() {
            return self;
        }
        let shape = self.shape();
        let order = axes.iter().map(|&axis| shape.axis(axis)).collect::<Result<Axes>>();
        let complete = shape.axes(axes).is_ok_and(|sorted| sorted.len() == shape.len());
        match order {
            Ok(order) if complete && order.iter().copied().eq(0..order.len()) => self,
            Ok(order) if complete => self.tape.record_shared(Permute(order), &[self]),
            Ok(_) => self.tape.fail(
                Error::new(ErrorKind::Axis, format!("axes {axes:?} do not name each axis of shape {shape} once"))
                    .op("permute"),
            ),
            Err(error) => self.tape.fail(error.op("permute")),
        }
    }

    /// Two axes exchanged.
    #[track_caller]
    pub fn transpose(self, a: isize, b: isize) -> Self {
        if self.is_poisoned() {
            return self;
        }
        let shape = self.shape();
        match (shape.axis(a), shape.axis(b)) {
            (Ok(a), Ok(b)) if a == b => self,
            (Ok(a), Ok(b)) => {
                let mut order: Axes = (0..shape.len()).collect();
                order.swap(a, b);
                self.tape.record_shared(Permute(order), &[self])
            }
            (Err(error), _) | (_, Err(error)) => self.tape.fail(error.op("transpose")),
        }
    }

    /// The last two axes exchanged: the transpose of a matrix, or of each matrix of a batch. A vector stays as it is.
    #[track_caller]
    pub fn t(self) -> Self {
        match self.rank() {
            0 | 1 => self,
            _ => self.transpose(-2, -1),
        }
    }
}
