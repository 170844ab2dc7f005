//! Convolution and transposed convolution.

use super::options::Padding;
use super::{
    Conv, ConvTranspose, Slide, axis_names, check_images, check_positive, invalid, layout, misfit, noted, three,
};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::kernels::windows::Axis;
use crate::kernels::windows::convolution::{self, Failure, Geometry};
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// Which part of `Σ y (x * w)` is computed from the two others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    /// `y` from `x` and `w`: the convolution.
    Result,
    /// `x` from `y` and `w`: the transposed convolution, and the gradient of the input.
    Input,
    /// `w` from `x` and `y`: the gradient of the weight.
    Weight,
}

/// A convolution over the last `spatial` axes.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Convolution {
    form: Form,
    geometry: Geometry,
    spatial: usize,
}

impl Convolution {
    fn axes(&self) -> &[Axis] {
        &self.geometry.axes[3 - self.spatial..]
    }

    fn of_form(&self, form: Form) -> Self {
        Convolution { form, ..self.clone() }
    }

    fn full_name(form: Form, spatial: usize) -> &'static str {
        match (form, spatial) {
            (Form::Result, 1) => "conv1d",
            (Form::Result, 2) => "conv2d",
            (Form::Result, _) => "conv3d",
            (Form::Input, 1) => "conv_transpose1d",
            (Form::Input, 2) => "conv_transpose2d",
            (Form::Input, _) => "conv_transpose3d",
            (Form::Weight, 1) => "conv1d_weight",
            (Form::Weight, 2) => "conv2d_weight",
            (Form::Weight, _) => "conv3d_weight",
        }
    }
}

impl<T: Element> Op<T> for Convolution {
    fn name(&self) -> &str {
        Convolution::full_name(self.form, self.spatial)
    }

    fn formula(&self, operands: &[String]) -> String {
        let each = |length: fn(&Axis) -> usize| self.axes().iter().map(length);
        let mut text = format!("{}({}", Convolution::full_name(self.form, self.spatial), operands.join(", "));
        text += &noted("stride", each(|axis| axis.stride), 1);
        text += &noted("padding", each(|axis| axis.padding), 0);
        text += &noted("dilation", each(|axis| axis.dilation), 1);
        if self.geometry.groups > 1 {
            text += &format!(", {} groups", self.geometry.groups);
        }
        text + ")"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        let Geometry { groups, inputs: into, outputs: out, .. } = self.geometry;
        let images = |channels: usize, length: fn(&Axis) -> usize| {
            Shape::collect([inputs[0][0], groups * channels].into_iter().chain(self.axes().iter().map(length)))
        };
        Ok(match self.form {
            Form::Result => images(out, |axis| axis.output),
            Form::Input => images(into, |axis| axis.input),
            Form::Weight => {
                Shape::collect([groups * out, into].into_iter().chain(self.axes().iter().map(|axis| axis.kernel)))
            }
        })
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let (a, b, batch) = (inputs[0].values, inputs[1].values, inputs[0].shape[0]);
        let done = match self.form {
            Form::Result => convolution::forward(&self.geometry, batch, a, b, output),
            Form::Input => convolution::to_input(&self.geometry, batch, a, b, output),
            Form::Weight => convolution::to_weight(&self.geometry, batch, a, b, output),
        };
        done.map_err(|failure| match failure {
            // This would be a mistake of the shape rule.
            Failure::TooShort(short) => {
                Error::new(ErrorKind::Shape, "an operand has too few elements").caused_by(short)
            }
            Failure::NoMemory(memory) => memory.into(),
        })
    }

    fn flops(&self, inputs: &[&Shape], _: &Shape) -> usize {
        inputs[0][0].saturating_mul(self.geometry.flops())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let (a, b, g) = (call.inputs[0], call.inputs[1], call.cotangent);
        let record = |form: Form, operands: [Var<'t, T>; 2]| g.tape.record_shared(self.of_form(form), &operands);
        // Each form is linear in both operands, and the transpose of the others.
        let (to_a, to_b) = match self.form {
            Form::Result => ((Form::Input, [g, b]), (Form::Weight, [a, g])),
            Form::Input => ((Form::Result, [g, b]), (Form::Weight, [g, a])),
            Form::Weight => ((Form::Input, [b, g]), (Form::Result, [a, g])),
        };
        let contribution = |wanted: bool, (form, operands)| wanted.then(|| record(form, operands));
        Pullback::new([contribution(call.wanted[0], to_a), contribution(call.wanted[1], to_b)])
    }
}

/// `input [1, 3, 8, 8], weight [4, 2, 3, 3], groups 1`
fn operands(x: &Shape, w: &Shape, groups: usize) -> String {
    let groups = if groups == 1 { String::new() } else { format!(", {groups} groups") };
    format!("input {x}, weight {w}{groups}")
}

/// Checks what is common to both: the number of axes of both operands, and the groups.
fn check_operands(x: &Shape, w: &Shape, spatial: usize, groups: usize, weight: &str) -> Result<()> {
    check_images(x, spatial)?;
    if w.len() != spatial + 2 {
        let message = format!("a weight of shape {w} has {} axes, not {}", w.len(), spatial + 2);
        return Err(misfit(message).hint(format!("its layout is {weight}")));
    }
    if groups == 0 {
        return Err(invalid(format!("no groups for {}", operands(x, w, 1))).hint("there is 1 group or more"));
    }
    for (channels, operand) in [(x[1], "input"), (w[0], "weight")] {
        if channels == 0 || channels % groups != 0 {
            let message = format!("{groups} groups do not divide the {channels} channels of the {operand}");
            let hint = format!(
                "axis 1 of the input and axis 0 of the weight are multiples of the groups: {}",
                operands(x, w, groups)
            );
            return Err(misfit(message).hint(hint));
        }
    }
    Ok(())
}

/// Checks that the unfolded windows of one image can be addressed.
fn check_columns(geometry: Geometry) -> Result<Geometry> {
    let lengths = geometry.axes.iter().flat_map(|axis| [axis.kernel, axis.output]).chain([geometry.inputs]);
    Shape::collect(lengths).checked_volume()?;
    Ok(geometry)
}

/// The sizes of a convolution, or the mistake.
fn geometry<const N: usize>(options: &Conv<N>, x: &Shape, w: &Shape) -> Result<Geometry> {
    let Conv { stride, padding, dilation, groups } = *options;
    let names = axis_names(N);
    check_operands(x, w, N, groups, &format!("[out, in / groups, {}]", names.join(", ")))?;
    if w[1] != x[1] / groups {
        let each = if groups == 1 { String::new() } else { format!(" ({} in each group)", x[1] / groups) };
        let message = format!("the input has {} channels{each}, the weight takes {}", x[1], w[1]);
        return Err(misfit(format!("{message}: {}", operands(x, w, groups))).hint(format!(
            "the layouts are {} and [out, in / groups, {}]",
            layout(N),
            names.join(", ")
        )));
    }
    if padding == Padding::Same && stride != [1; N] {
        let message = format!("padding to the same length with stride {stride:?}");
        return Err(invalid(message).hint("the output is as long as the input only with stride 1"));
    }
    let mut axes = [Axis::UNIT; N];
    for (i, axis) in axes.iter_mut().enumerate() {
        let kernel = w[2 + i];
        let padding = match padding {
            Padding::Each(padding) => (padding[i], padding[i]),
            Padding::Same => {
                let total = kernel.saturating_sub(1).saturating_mul(dilation[i]);
                (total / 2, total - total / 2)
            }
        };
        let slide = Slide { kernel, stride: stride[i], dilation: dilation[i], padding, ceil: false };
        *axis = slide.along(x[2 + i], names[i], &operands(x, w, groups))?;
    }
    check_columns(Geometry { axes: three(&axes, Axis::UNIT), groups, inputs: w[1], outputs: w[0] / groups })
}

/// The sizes of the convolution that a transposed one is the transpose of, or the mistake.
fn transposed_geometry<const N: usize>(options: &ConvTranspose<N>, x: &Shape, w: &Shape) -> Result<Geometry> {
    let groups = options.groups;
    let names = axis_names(N);
    check_operands(x, w, N, groups, &format!("[in, out / groups, {}]", names.join(", ")))?;
    if w[0] != x[1] {
        let message = format!("the input has {} channels, the weight takes {}: {}", x[1], w[0], operands(x, w, groups));
        return Err(misfit(message).hint(format!(
            "the layouts are {} and [in, out / groups, {}]",
            layout(N),
            names.join(", ")
        )));
    }
    let mut axes = [Axis::UNIT; N];
    for (i, axis) in axes.iter_mut().enumerate() {
        *axis = transposed_axis(options, i, [x[2 + i], w[2 + i]], names[i], &operands(x, w, groups))?;
    }
    check_columns(Geometry { axes: three(&axes, Axis::UNIT), groups, inputs: w[1], outputs: w[0] / groups })
}

/// One axis of a transposed convolution: its input are the windows.
fn transposed_axis<const N: usize>(
    options: &ConvTranspose<N>,
    i: usize,
    [windows, kernel]: [usize; 2],
    name: &str,
    shapes: &str,
) -> Result<Axis> {
    let (stride, padding, dilation) = (options.stride[i], options.padding[i], options.dilation[i]);
    let longer = options.output_padding[i];
    check_positive(kernel, stride, dilation, name, shapes)?;
    if windows == 0 {
        return Err(
            misfit(format!("no elements along the {name}: {shapes}")).hint("a transposed convolution takes 1 or more")
        );
    }
    if longer >= stride.max(dilation) {
        let message =
            format!("output padding {longer} along the {name}, with stride {stride} and dilation {dilation}: {shapes}");
        return Err(invalid(message).hint("it is less than the stride or less than the dilation"));
    }
    let whole = (|| {
        let extent = (kernel - 1).checked_mul(dilation)?.checked_add(1)?.checked_add(longer)?;
        let length = (windows - 1).checked_mul(stride)?.checked_add(extent)?;
        Some((length, padding.checked_mul(2)?)).filter(|&(length, cut)| length.max(cut) <= isize::MAX as usize / 8)
    })();
    let Some((length, cut)) = whole else {
        let options = format!("kernel {kernel}, stride {stride}, dilation {dilation} and padding {padding}");
        let message = format!("{options} along the {name}: {shapes}");
        return Err(invalid(message).hint("that is more than memory can address"));
    };
    if length <= cut {
        let message = format!("padding {padding} cuts off all of the {length} places along the {name}: {shapes}");
        return Err(misfit(message).hint("take less padding"));
    }
    Ok(Axis { input: length - cut, kernel, output: windows, stride, dilation, padding })
}

impl<'t, T: Element> Var<'t, T> {
    /// Records a convolution of a form, or keeps the mistake.
    #[track_caller]
    fn convolved(
        self,
        weight: Self,
        form: Form,
        spatial: usize,
        geometry: impl FnOnce(&Shape, &Shape) -> Result<Geometry>,
    ) -> Self {
        let stranger = self.is_poisoned() || weight.is_poisoned() || !std::ptr::eq(self.tape, weight.tape);
        let geometry = match stranger {
            // Recording refuses it and says why, before it asks for the shape.
            true => Ok(Geometry { axes: [Axis::UNIT; 3], groups: 1, inputs: 1, outputs: 1 }),
            false => geometry(&self.shape(), &weight.shape()),
        };
        match geometry {
            Ok(geometry) => self.tape.record_shared(Convolution { form, geometry, spatial }, &[self, weight]),
            Err(error) => self.tape.fail(error.op(Convolution::full_name(form, spatial))),
        }
    }
}

macro_rules! convolutions {
    ($($spatial:literal, $conv:ident, $transpose:ident, $axes:literal, $example:literal, $transpose_example:literal;)*) => {
        impl<'t, T: Element> Var<'t, T> {$(
            #[doc = concat!("`y[n, o, p] = Σ x[n, c, p · stride + k · dilation − padding] w[o, c, k]` over channels `c` and places `k` of the kernel, ", $axes, ".")]
            ///
            /// PyTorch's layouts: input `[batch, channels, ..]`, weight `[out, in / groups, ..]`, result
            /// `[batch, out, ..]`; the kernel is not flipped. Beyond the ends the input is 0. An axis of length `n` becomes
            /// `floor((n + 2 padding − dilation (k − 1) − 1) / stride) + 1`. A bias is added by `+`, one for each channel:
            /// `+ b.reshape([out, 1, ..])`.
            ///
            /// # Errors
            /// Kept on the tape: operands with another number of axes; channels that do not fit the weight or the groups; a
            /// kernel larger than the padded input; a kernel, stride, dilation or groups of 0.
            ///
            /// Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016).
            ///
            /// ```
            #[doc = $example]
            /// # Ok::<(), wengert_autograd::Error>(())
            /// ```
            #[track_caller]
            pub fn $conv(self, weight: Self, options: Conv<$spatial>) -> Self {
                self.convolved(weight, Form::Result, $spatial, |x, w| geometry(&options, x, w))
            }

            #[doc = concat!("The transpose of [`", stringify!($conv), "`](Var::", stringify!($conv), ") with these options as a linear map of its input, ", $axes, ".")]
            ///
            /// `y[n, c, i]` is the sum of `x[n, o, p] w[o, c, k]` over all `(p, k)` with
            /// `p · stride + k · dilation − padding = i`. PyTorch's layouts: input `[batch, in, ..]`, weight
            /// `[in, out / groups, ..]`, result `[batch, out, ..]`. An axis of length `n` becomes
            /// `(n − 1) stride − 2 padding + dilation (k − 1) + output_padding + 1`. A bias is added by `+`.
            ///
            /// # Errors
            /// Kept on the tape: operands with another number of axes; channels that do not fit the weight or the groups;
            /// padding that cuts off everything; output padding that is neither less than the stride nor than the dilation; a
            /// kernel, stride, dilation or groups of 0.
            ///
            /// ```
            #[doc = $transpose_example]
            /// # Ok::<(), wengert_autograd::Error>(())
            /// ```
            #[track_caller]
            pub fn $transpose(self, weight: Self, options: ConvTranspose<$spatial>) -> Self {
                self.convolved(weight, Form::Input, $spatial, |x, w| transposed_geometry(&options, x, w))
            }
        )*}
    };
}

convolutions! {
    1, conv1d, conv_transpose1d, "over one axis",
    "use wengert_autograd::{Conv, Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::from([[[1.0, 2.0, 4.0, 8.0]]]));
let w = tape.input(Tensor::from([[[-1.0, 1.0]]]));
let y = x.conv1d(w, Conv::new());                           // differences
assert_eq!(y.value()?.as_slice(), [1.0, 2.0, 4.0]);
let [gw] = y.sum().grad([w]);
assert_eq!(gw.value()?.as_slice(), [7.0, 14.0]);",
    "use wengert_autograd::{ConvTranspose, Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::from([[[1.0, 2.0]]]));
let w = tape.input(Tensor::from([[[3.0, 5.0]]]));
let y = x.conv_transpose1d(w, ConvTranspose::new());        // the product of 1 + 2z and 3 + 5z
assert_eq!(y.value()?.as_slice(), [3.0, 11.0, 10.0]);
let [gx] = y.sum().grad([x]);
assert_eq!(gx.value()?.as_slice(), [8.0, 8.0]);";
    2, conv2d, conv_transpose2d, "over two axes",
    "use wengert_autograd::{Conv, Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::from([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]]));
let w = tape.input(Tensor::from([[[[1.0, 0.0], [0.0, -1.0]]]]));
let y = x.conv2d(w, Conv::new());
assert_eq!(y.value()?, Tensor::from([[[[-4.0, -4.0], [-4.0, -4.0]]]]));
let [gw] = y.sum().grad([w]);
assert_eq!(gw.value()?, Tensor::from([[[[12.0, 16.0], [24.0, 28.0]]]]));",
    "use wengert_autograd::{ConvTranspose, Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::from([[[[1.0, 2.0]]]]));
let w = tape.input(Tensor::from([[[[1.0, 1.0], [3.0, 3.0]]]]));
let y = x.conv_transpose2d(w, ConvTranspose::new().stride(2));
assert_eq!(y.value()?, Tensor::from([[[[1.0, 1.0, 2.0, 2.0], [3.0, 3.0, 6.0, 6.0]]]]));
let [gx] = y.sum().grad([x]);
assert_eq!(gx.value()?.as_slice(), [8.0, 8.0]);";
    3, conv3d, conv_transpose3d, "over three axes",
    "use wengert_autograd::{Conv, Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::<f64>::ones([1, 2, 3, 3, 3]));
let w = tape.input(Tensor::<f64>::ones([1, 2, 2, 2, 2]));
let y = x.conv3d(w, Conv::new().stride(2));
assert_eq!((y.shape()[..].to_vec(), y.sum().item()?), (vec![1, 1, 1, 1, 1], 16.0));
let [gw] = y.sum().grad([w]);
assert_eq!(gw.value()?, Tensor::ones([1, 2, 2, 2, 2]));",
    "use wengert_autograd::{ConvTranspose, Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::<f64>::ones([1, 1, 2, 1, 1]));
let w = tape.input(Tensor::<f64>::ones([1, 1, 2, 1, 2]));
let y = x.conv_transpose3d(w, ConvTranspose::new());
assert_eq!(y.value()?.as_slice(), [1.0, 1.0, 2.0, 2.0, 1.0, 1.0]);
let [gx] = y.sum().grad([x]);
assert_eq!(gx.value()?.as_slice(), [4.0, 4.0]);";
}
