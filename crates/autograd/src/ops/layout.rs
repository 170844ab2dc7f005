//! The same elements in another order: exchanged, turned and shifted axes.

use ndarray::{ArrayD, Axis};

use super::join::cat;
use super::matmul::is_transposition;
use super::registry::{Sample, Text, spread};
use super::samples::widened;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::gather;
use crate::kernels::number::Element;
use crate::tape::op::{Call, Context, Layout, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;
use crate::tensor::shape::Axes;

/// Axes in another order.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(super) struct Permute(pub(super) Axes);

impl Permute {
    /// Those of an input, in the order of the output's axes.
    fn strides(&self, input: &Shape) -> Axes {
        let strides = input.strides();
        self.0.iter().map(|&axis| strides[axis]).collect()
    }
}

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
        gather::copy(inputs[0].values, context.shape, &self.strides(inputs[0].shape), output);
        Ok(())
    }

    fn layout(&self, input: &Shape) -> Option<Layout> {
        Some(Layout { offset: 0, strides: self.strides(input) })
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let mut inverse: Axes = self.0.clone();
        for (to, &from) in self.0.iter().enumerate() {
            inverse[from] = to;
        }
        // A weight read transposed gets its gradient as a product of its own shape, with nothing copied.
        let as_product = is_transposition(&inverse).then(|| call.cotangent.transposed_product()).flatten();
        let permuted = || call.cotangent.tape.record_shared(Permute(inverse), &[call.cotangent]);
        Pullback::one(as_product.unwrap_or_else(permuted))
    }
}

/// One axis turned round.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Flip(usize);

impl<T: Element> Op<T> for Flip {
    fn name(&self) -> &str {
        "flip"
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("flip({}, axis {})", operands[0], self.0)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok(inputs[0].clone())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let (_, n, inner) = inputs[0].shape.around(self.0);
        gather::flip(inputs[0].values, n, inner, output);
        Ok(())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        Pullback::one(call.cotangent.tape.record_shared(self.clone(), &[call.cotangent]))
    }
}

impl<'t, T: Element> Var<'t, T> {
    /// `y[j₀, j₁, ...] = x[i₀, i₁, ...]` with `j_k = i_axes[k]`: axis `k` of the result is axis `axes[k]` of `x`.
    ///
    /// `[2, 3, 4]` by `permute(&[2, 0, 1])` to `[4, 2, 3]`. Negative axes count from the end.
    ///
    /// # Errors
    /// Kept on the tape: an axis is out of range, is missing, or is named twice.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// let y = x.permute(&[1, 0]);
    /// assert_eq!(y.value()?, Tensor::from([[1.0, 3.0], [2.0, 4.0]]));
    /// let [gx] = (y * tape.constant(Tensor::from([[0.0, 7.0], [0.0, 0.0]]))).sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[0.0, 0.0], [7.0, 0.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
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
                    .op("permute")
                    .hint("every axis has to be named, those that stay as well"),
            ),
            Err(error) => self.tape.fail(error.op("permute")),
        }
    }

    /// Two axes exchanged: `[2, 3, 4]` by `transpose(0, -1)` to `[4, 3, 2]`.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// let y = x.transpose(0, -1);
    /// assert_eq!(y.value()?, Tensor::from([[1.0, 3.0], [2.0, 4.0]]));
    /// let [gx] = (y * tape.constant(Tensor::from([[0.0, 7.0], [0.0, 0.0]]))).sum().grad([x]);
    /// assert_eq!(gx.value()?, Tensor::from([[0.0, 0.0], [7.0, 0.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
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

    /// `Aᵀ`: the last two axes exchanged, so the transpose of a matrix or of each matrix of a batch. A vector and a
    /// number stay as they are.
    ///
    /// A product reads a transposed operand in place: `a.t().matmul(b)` copies nothing.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// assert_eq!(x.t().value()?, Tensor::from([[1.0, 3.0], [2.0, 4.0]]));
    /// let [gx] = (x.t() * x).sum().grad([x]);                   // twice the transpose
    /// assert_eq!(gx.value()?, Tensor::from([[2.0, 6.0], [4.0, 8.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn t(self) -> Self {
        match self.rank() {
            0 | 1 => self,
            _ => self.transpose(-2, -1),
        }
    }

    /// `y[.., j, ..] = x[.., n − 1 − j, ..]` along each of the axes: they are turned round. No axes, no change.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range or named twice.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0, 3.0]));
    /// assert_eq!(x.flip(&[0]).value()?.to_vec(), [3.0, 2.0, 1.0]);
    /// let [gx] = (x * x.flip(&[0])).sum().grad([x]);
    /// assert_eq!(gx.value()?.to_vec(), [6.0, 4.0, 2.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn flip(self, axes: &[isize]) -> Self {
        self.with_shape(
            "flip",
            |shape| shape.axes(axes),
            |mut x, axes| {
                for axis in axes {
                    x = x.tape.record_shared(Flip(axis), &[x]);
                }
                x
            },
        )
    }

    /// `y[.., j, ..] = x[.., (j − shift) mod n, ..]`: elements move by `shift` places along an axis, and those that
    /// leave it come in again at its other end.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0, 3.0]));
    /// assert_eq!(x.roll(1, 0).value()?.to_vec(), [3.0, 1.0, 2.0]);
    /// let weights = tape.constant(Tensor::from([10.0, 20.0, 30.0]));
    /// let [gx] = (x.roll(1, 0) * weights).sum().grad([x]);
    /// assert_eq!(gx.value()?.to_vec(), [20.0, 30.0, 10.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn roll(self, shift: isize, axis: isize) -> Self {
        let plan = |shape: &Shape| shape.axis(axis).map(|axis| (axis as isize, shape[axis]));
        self.with_shape("roll", plan, |x, (axis, n)| match shift.checked_rem_euclid(n as isize) {
            None | Some(0) => x,
            Some(shift) => {
                let kept = n - shift as usize;
                cat(&[x.narrow(axis, kept, n - kept), x.narrow(axis, 0, kept)], axis)
            }
        })
    }
}

/// What the docs say of `permute`.
pub(super) const PERMUTE: Text =
    Text::primitive("y = x with its axes in another order; transpose, t", "g with its axes in the reverse order", "");

/// Samples of `permute`, `transpose` and `t`.
pub(super) fn permute_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let permute = |label: &str, shape: &[usize], order: &'static [isize]| {
            Sample::new(
                label,
                [spread(shape, -2.0, 2.0, 5)],
                move |x| x[0].permute(order),
                move |x| {
                    let rank = x[0].ndim() as isize;
                    let order: Vec<usize> = order.iter().map(|axis| axis.rem_euclid(rank) as usize).collect();
                    x[0].clone().permuted_axes(order)
                },
            )
        };
        let input = |shape: &[usize]| [spread(shape, -2.0, 2.0, 5)];
        vec![
            permute("of three axes", &[2, 3, 4], &[2, 0, 1]),
            permute("negative axes", &[2, 3, 2, 2], &[-1, 1, -4, 2]),
            permute("an empty axis", &[2, 0, 3], &[1, 2, 0]),
            Sample::new("t of a batch", input(&[2, 2, 3]), |x| x[0].t(), |x| x[0].clone().permuted_axes(vec![0, 2, 1])),
            Sample::new("t of a vector", input(&[3]), |x| x[0].t(), |x| x[0].clone()),
            Sample::new("twice", input(&[2, 2]), |x| x[0].t() * x[0], |x| &x[0].t() * &x[0]),
            Sample::new(
                "transpose 0 and -1",
                input(&[2, 3, 2]),
                |x| x[0].transpose(0, -1),
                |x| x[0].clone().permuted_axes(vec![2, 1, 0]),
            ),
        ]
    })
}

/// What the docs say of `flip`.
pub(super) const FLIP: Text = Text::primitive("y[j] = x[n - 1 - j] along axes", "g flipped", "");

/// Samples of `flip`.
pub(super) fn flip_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let flip = |label: &str, shape: &[usize], axes: &'static [isize]| {
            Sample::new(
                label,
                [spread(shape, -2.0, 2.0, 5)],
                move |x| x[0].flip(axes),
                move |x| {
                    let mut flipped = x[0].clone();
                    axes.iter().for_each(|axis| {
                        flipped.invert_axis(Axis(axis.rem_euclid(x[0].ndim() as isize) as usize));
                    });
                    flipped
                },
            )
        };
        vec![
            flip("a vector", &[4], &[0]),
            flip("the first of two axes", &[3, 2], &[0]),
            flip("two axes", &[2, 3, 2], &[-1, 0]),
            flip("an empty axis", &[0, 2], &[0]),
            flip("no axes", &[2], &[]),
            Sample::new(
                "of a transpose, with itself",
                [spread([2, 2], -2.0, 2.0, 5)],
                |x| x[0].t().flip(&[0]) * x[0],
                |x| {
                    let mut flipped = x[0].t().to_owned();
                    flipped.invert_axis(Axis(0));
                    flipped * &x[0]
                },
            ),
        ]
    })
}

/// What the docs say of `roll`.
pub(super) const ROLL: Text = Text::composed("y[j] = x[(j - shift) mod n] along an axis", "narrow, cat", "");

/// Samples of `roll`.
pub(super) fn roll_samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let roll = |label: &str, shape: &[usize], shift: isize, axis: usize| {
            Sample::new(
                label,
                [spread(shape, -2.0, 2.0, 5)],
                move |x| x[0].roll(shift, axis as isize),
                move |x| {
                    let n = x[0].shape()[axis] as isize;
                    ArrayD::from_shape_fn(x[0].raw_dim(), |mut place| {
                        place[axis] = (place[axis] as isize - shift).rem_euclid(n) as usize;
                        x[0][&place]
                    })
                },
            )
        };
        vec![
            roll("forwards", &[5], 2, 0),
            roll("backwards, far", &[2, 3], -7, 1),
            roll("the first axis", &[3, 2], 1, 0),
            roll("not at all", &[3], 3, 0),
            roll("nothing", &[0], 1, 0),
        ]
    })
}
