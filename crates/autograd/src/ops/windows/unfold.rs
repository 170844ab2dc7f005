//! Windows laid side by side, and added back: im2col and col2im.

use super::{Slide, Unfold, axis_names, check_images, misfit, noted, three};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::kernels::pool;
use crate::kernels::windows::{self, Axis};
use crate::ops::join::stack;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// The windows of images side by side, or its transpose.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Columns {
    axes: [Axis; 3],
    spatial: usize,
    folds: bool,
}

impl Columns {
    fn spatial(&self) -> &[Axis] {
        &self.axes[3 - self.spatial..]
    }

    fn product(&self, length: fn(&Axis) -> usize) -> usize {
        self.axes.iter().map(length).product()
    }

    /// The elements of one channel, and of its columns.
    fn lengths(&self) -> (usize, usize) {
        let windows = self.product(|axis| axis.kernel) * self.product(|axis| axis.output);
        (self.product(|axis| axis.input), windows)
    }
}

impl<T: Element> Op<T> for Columns {
    fn name(&self) -> &str {
        if self.folds { "fold" } else { "unfold" }
    }

    fn formula(&self, operands: &[String]) -> String {
        let each = |length: fn(&Axis) -> usize| self.spatial().iter().map(length);
        let kernel: Vec<usize> = each(|axis| axis.kernel).collect();
        let mut text = format!("{}({}, kernel {kernel:?}", Op::<T>::name(self), operands[0]);
        text += &noted("stride", each(|axis| axis.stride), 1);
        text += &noted("padding", each(|axis| axis.padding), 0);
        text + &noted("dilation", each(|axis| axis.dilation), 1) + ")"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        let kernel = self.product(|axis| axis.kernel);
        let (batch, channels) = (inputs[0][0], inputs[0][1]);
        if self.folds {
            let lengths = self.spatial().iter().map(|axis| axis.input);
            return Ok(Shape::collect([batch, channels / kernel].into_iter().chain(lengths)));
        }
        let rows = channels.checked_mul(kernel).ok_or_else(|| {
            Error::new(ErrorKind::Shape, format!("{channels} channels with windows of {kernel} elements"))
        })?;
        Ok(Shape::collect([batch, rows, self.product(|axis| axis.output)]))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let ((image, columns), x) = (self.lengths(), inputs[0].values);
        let (from, to) = if self.folds { (columns, image) } else { (image, columns) };
        if to == 0 {
            return Ok(());
        }
        pool::split(output, to, |start, output| {
            let x = &x[start / to * from..][..from];
            match self.folds {
                true => windows::fold(&self.axes, 1, x, output),
                false => windows::unfold(&self.axes, 1, x, output),
            }
        });
        Ok(())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let back = Columns { folds: !self.folds, ..self.clone() };
        Pullback::one(call.cotangent.tape.record_shared(back, &[call.cotangent]))
    }
}

/// The windows over an image of a size, or the mistake.
fn columns(options: &Unfold<2>, size: [usize; 2], folds: bool, shapes: &str) -> Result<Columns> {
    let mut axes = [Axis::UNIT; 2];
    for (i, axis) in axes.iter_mut().enumerate() {
        let padding = (options.padding[i], options.padding[i]);
        let (kernel, stride, dilation) = (options.kernel[i], options.stride[i], options.dilation[i]);
        let slide = Slide { kernel, stride, dilation, padding, ceil: false };
        *axis = slide.along(size[i], axis_names(2)[i], shapes)?;
    }
    let columns = Columns { axes: three(&axes, Axis::UNIT), spatial: 2, folds };
    let lengths = axes.iter().flat_map(|axis| [axis.kernel, axis.output, axis.input]);
    Shape::collect(lengths.map(|length| length.max(1))).checked_volume()?;
    Ok(columns)
}

/// The windows that an image was unfolded with, or the mistake.
fn folding(options: &Unfold<2>, size: [usize; 2], shape: &Shape) -> Result<Columns> {
    let shapes = format!("input {shape}, size {size:?}, kernel {:?}", options.kernel);
    if shape.len() != 3 {
        let message = format!("an input of shape {shape} has {} axes, not the 3 of unfolded images", shape.len());
        return Err(misfit(message).hint("its layout is [batch, channels · kernel, windows]"));
    }
    let columns = columns(options, size, true, &shapes)?;
    let (kernel, windows) = (columns.product(|axis| axis.kernel), columns.product(|axis| axis.output));
    if !shape[1].is_multiple_of(kernel) {
        let message = format!("axis 1 is not a multiple of the kernel's {kernel} elements: {shapes}");
        return Err(misfit(message).hint("it has the channels times the elements of the kernel"));
    }
    if shape[2] != windows {
        let message = format!("{} windows along axis 2, where there are {windows}: {shapes}", shape[2]);
        return Err(misfit(message).hint("size and windows are those that were given to unfold"));
    }
    Ok(columns)
}

impl<'t, T: Element> Var<'t, T> {
    /// `y[n, c K + k, p] = x[n, c, place k of window p]`: the windows of images side by side, im2col.
    ///
    /// `[batch, channels, height, width]` to `[batch, channels · K, windows]`, where `K` are the elements of the kernel;
    /// elements and windows are in row-major order, as in PyTorch. Beyond the ends the input is 0. A convolution is the
    /// product of the flattened weight and these columns. Along one axis of any tensor see [`windows`](Var::windows).
    ///
    /// # Errors
    /// Kept on the tape: an input with another number of axes; a kernel, stride or dilation of 0; a kernel larger than the
    /// padded input.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor, Unfold};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]]));
    /// let y = x.unfold(Unfold::new(2));
    /// assert_eq!(y.value()?, Tensor::from([[[1.0, 2.0], [2.0, 3.0], [4.0, 5.0], [5.0, 6.0]]]));
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.as_slice(), [1.0, 2.0, 1.0, 1.0, 2.0, 1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn unfold(self, windows: impl Into<Unfold<2>>) -> Self {
        let windows = windows.into();
        let plan = |shape: &Shape| {
            check_images(shape, 2)?;
            let shapes = format!("input {shape}, kernel {:?}", windows.kernel);
            columns(&windows, [shape[2], shape[3]], false, &shapes)
        };
        self.with_shape("unfold", plan, |x, columns| x.tape.record_shared(columns, &[x]))
    }

    /// The transpose of [`unfold`](Var::unfold): every element of an image of a size is the sum of its copies, col2im.
    ///
    /// `[batch, channels · K, windows]` to `[batch, channels, height, width]`.
    ///
    /// # Errors
    /// Kept on the tape: an input with another number of axes, or of another size than `unfold` would give; otherwise as
    /// [`unfold`](Var::unfold).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor, Unfold};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::ones([1, 4, 2]));
    /// let y = x.fold([2, 3], Unfold::new(2));
    /// assert_eq!(y.value()?, Tensor::from([[[[1.0, 2.0, 1.0], [1.0, 2.0, 1.0]]]]));
    /// let [gx] = y.square().sum().grad([x]);
    /// assert_eq!(gx.value()?.as_slice(), [2.0, 4.0, 4.0, 2.0, 2.0, 4.0, 4.0, 2.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn fold(self, size: [usize; 2], windows: impl Into<Unfold<2>>) -> Self {
        let windows = windows.into();
        let plan = |shape: &Shape| folding(&windows, size, shape);
        self.with_shape("fold", plan, |x, columns| x.tape.record_shared(columns, &[x]))
    }

    /// `y[.., p, .., k] = x[.., p · step + k, ..]`: windows of a size along one axis, their elements along a new last axis.
    ///
    /// An axis of length `n` becomes `floor((n − size) / step) + 1`. PyTorch's `Tensor.unfold`.
    ///
    /// # Errors
    /// Kept on the tape: an axis out of range; a size or step of 0; a size beyond the length of the axis.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0, 3.0, 4.0]));
    /// let y = x.windows(0, 2, 1);
    /// assert_eq!(y.value()?, Tensor::from([[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]]));
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.as_slice(), [1.0, 2.0, 2.0, 1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn windows(self, axis: isize, size: usize, step: usize) -> Self {
        let plan = |shape: &Shape| {
            let counted = shape.axis(axis)?;
            let slide = Slide { kernel: size, stride: step, dilation: 1, padding: (0, 0), ceil: false };
            let name = format!("axis {counted}");
            slide.along(shape[counted], &name, &format!("input {shape}, size {size}, step {step}"))
        };
        // A slice for each element of a window: a composition.
        self.with_shape("windows", plan, |x, along| {
            let reach = (along.output - 1) * step + 1;
            let place = |k: usize| x.narrow(axis, k, reach).slice(axis, .., step);
            stack(&(0..size).map(place).collect::<Vec<_>>(), -1)
        })
    }
}
