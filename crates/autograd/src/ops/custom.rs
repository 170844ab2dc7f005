//! Users' own ops: forward on arrays, pullback on `Var`s, with the rights of a built-in op.

use std::any::{Any, TypeId};
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use ndarray::{ArrayViewD, ArrayViewMutD, IxDyn};
use smallvec::SmallVec;

use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::tape::Tape;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::{Shape, view_of};

/// An operation of one's own: recorded with [`Tape::custom`], printed by its name, differentiated by its pullback.
///
/// A function of numbers applied to each element needs none of this: [`Var::map`] knows its derivative.
///
/// Nothing here can check that `pullback` is the derivative of `forward`; a gradient check can. Shapes and numbers of
/// contributions are checked.
///
/// ```
/// use ndarray::{ArrayViewD, ArrayViewMutD, Zip};
/// use wengert_autograd::{CustomOp, Pullback, Result, Shape, Tape, Tensor, Var};
///
/// /// `y = x / (1 + |x|)`
/// #[derive(Debug)]
/// struct Softsign;
///
/// impl CustomOp<f64> for Softsign {
///     fn name(&self) -> &str {
///         "softsign"
///     }
///     fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
///         Ok(inputs[0].clone())
///     }
///     fn forward(&self, inputs: &[ArrayViewD<f64>], out: ArrayViewMutD<f64>) -> Result<()> {
///         Zip::from(out).and(&inputs[0]).for_each(|y, x| *y = x / (1.0 + x.abs()));
///         Ok(())
///     }
///     fn pullback<'t>(&self, x: &[Var<'t, f64>], y: Var<'t, f64>, cotangent: Var<'t, f64>) -> Pullback<'t, f64> {
///         let shrink = 1.0 - y.square().sqrt();               // 1 - |y|
///         Pullback::one(cotangent * shrink.square())           // (1 - |y|)^2
///     }
/// }
///
/// let tape = Tape::new();
/// let x = tape.input(Tensor::from([1.0, 3.0]));
/// let y = tape.custom(Softsign, &[x]);
/// assert_eq!(y.value()?.as_slice(), [0.5, 0.75]);
/// let [gx] = y.sum().grad([x]);
/// assert_eq!(gx.value()?.as_slice(), [0.25, 0.0625]);
/// assert!(tape.to_string().contains("%1 = softsign(%0) : [2]"));
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub trait CustomOp<T: Element = f32>: Debug {
    /// The name in listings and errors.
    fn name(&self) -> &str;

    /// The shape of the output.
    ///
    /// # Errors
    /// The inputs do not fit together: say how. The tape adds name, source line and scope.
    fn shape(&self, inputs: &[Shape]) -> Result<Shape>;

    /// Computes the output, a row-major array of the shape that [`shape`](CustomOp::shape) gave, from row-major inputs.
    ///
    /// Every element is to be written: until then it is NaN. A result must depend on the inputs and on `self` only:
    /// it may be computed once and kept, or computed again.
    ///
    /// # Errors
    /// Whatever makes the values unusable. Name, source line and scope are added.
    fn forward(&self, inputs: &[ArrayViewD<'_, T>], out: ArrayViewMutD<'_, T>) -> Result<()>;

    /// The contributions to the cotangents of the inputs, written with operators and methods of `Var`, so that they can
    /// be differentiated again; or [`Pullback::none`], which makes differentiating through the op an error.
    ///
    /// A contribution has the shape of its input; or the shape of the output, where the op repeats the input to it by
    /// the rules of broadcasting: then it is summed over the repeated axes.
    fn pullback<'t>(&self, inputs: &[Var<'t, T>], output: Var<'t, T>, cotangent: Var<'t, T>) -> Pullback<'t, T>;
}

/// A user's op as an op of the tape. Users' ops can't be compared: it is the same only if it is the same `Rc`, or of the
/// same type and that type holds no data.
#[derive(Debug)]
struct Custom<T: Element> {
    op: Rc<dyn CustomOp<T>>,
    /// The type, where it holds no data.
    plain: Option<TypeId>,
}

impl<T: Element> PartialEq for Custom<T> {
    fn eq(&self, other: &Self) -> bool {
        match (self.plain, other.plain) {
            (None, None) => Rc::ptr_eq(&self.op, &other.op),
            (own, others) => own == others,
        }
    }
}

impl<T: Element> Hash for Custom<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.plain {
            None => Rc::as_ptr(&self.op).cast::<()>().hash(state),
            Some(plain) => plain.hash(state),
        }
    }
}

impl<T: Element> Op<T> for Custom<T> {
    fn name(&self) -> &str {
        self.op.name()
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        let inputs: SmallVec<[Shape; 4]> = inputs.iter().map(|&shape| shape.clone()).collect();
        self.op.shape(&inputs)
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], context: &Context<'_>) -> Result<()> {
        // The memory may hold values of another node: what the op forgets is to be seen, not to be plausible.
        output.fill(T::NAN);
        let inputs: SmallVec<[ArrayViewD<'_, T>; 4]> =
            inputs.iter().map(|input| view_of(input.shape, input.values)).collect();
        let output = ArrayViewMutD::from_shape(IxDyn(context.shape), output)
            .map_err(|error| Error::new(ErrorKind::Shape, "no array has the shape of the output").caused_by(error))?;
        self.op.forward(&inputs, output)
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let mut pullback = self.op.pullback(&call.inputs, call.output, call.cotangent);
        // The sweep checks numbers of contributions and whether they can be summed to their inputs. What it lets pass
        // for the sake of broadcasting is a mistake where the op does not broadcast.
        for (i, (contribution, &input)) in pullback.0.iter_mut().flatten().zip(&call.inputs).enumerate() {
            if let Some(given) = contribution.filter(|given| call.wanted[i] && !given.is_poisoned()) {
                *contribution = Some(self.checked(i, input, call.output, given));
            }
        }
        pullback
    }

    fn is_of_user(&self) -> bool {
        true
    }
}

impl<T: Element> Custom<T> {
    /// The contribution, or a mistake kept on the tape.
    #[track_caller]
    fn checked<'t>(&self, i: usize, input: Var<'t, T>, output: Var<'t, T>, given: Var<'t, T>) -> Var<'t, T> {
        let (shape, own) = (given.shape(), input.shape());
        if !std::ptr::eq(given.tape, output.tape) {
            let message = format!("its pullback returned a contribution to input {i} that is recorded on another tape");
            return output.tape.fail(Error::new(ErrorKind::Tape, message).op(self.op.name()));
        }
        if shape != own && shape != output.shape() {
            let message = format!("its pullback returned a contribution of shape {shape} to input {i} of shape {own}");
            return output.tape.fail(Error::new(ErrorKind::Gradient, message).op(self.op.name()));
        }
        given
    }
}

impl<T: Element> Tape<T> {
    /// `y = op(inputs)`: records an op of one's own. [`CustomOp`] has an example.
    ///
    /// Ops of one type that holds no data are equal: with the same inputs they are one node. Otherwise each call is a node
    /// of its own, since nobody can tell whether two ops are equal; [`custom_shared`](Tape::custom_shared) says that they
    /// are. A plan is used again for the same structure, so `op` may hold data that changes from step to step; a step
    /// that is recorded once and replayed ([`Replay`](crate::Replay)) needs an op without data, or a shared one. Without
    /// inputs the result is a constant.
    ///
    /// # Errors
    /// Kept on the tape: what [`CustomOp::shape`] returns; inputs of another tape. When it is computed: what
    /// [`CustomOp::forward`] returns. When it is differentiated: [`Pullback::none`]; contributions of a wrong number or
    /// of wrong shapes. All of them name the op and the line of this call.
    #[track_caller]
    pub fn custom<'t>(&'t self, op: impl CustomOp<T> + 'static, inputs: &[Var<'t, T>]) -> Var<'t, T> {
        let plain = (size_of_val(&op) == 0).then(|| op.type_id());
        self.record_shared(Custom { op: Rc::new(op), plain }, inputs)
    }

    /// The same for an op that is used more than once: the same `Rc` with the same inputs is one node, computed once.
    ///
    /// # Errors
    /// As [`custom`](Tape::custom).
    #[track_caller]
    pub fn custom_shared<'t>(&'t self, op: &Rc<dyn CustomOp<T>>, inputs: &[Var<'t, T>]) -> Var<'t, T> {
        self.record_shared(Custom { op: op.clone(), plain: None }, inputs)
    }
}
