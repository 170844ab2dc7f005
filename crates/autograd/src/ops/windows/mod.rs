//! Windows that slide over the last axes: convolution, pooling, unfolding, interpolation.
//!
//! A convolution is one op with three forms, each the derivative of the trilinear form `Σ y (x * w)` by one of its parts:
//! the pullback of a form is the two others. Unfolding, averages and interpolation are linear, and their op is a pair of
//! transposes. The place of a maximum is searched again where a pullback needs it, so nothing is kept for it.

mod average;
mod convolution;
mod interpolation;
mod max_pool;
mod options;
pub(super) mod samples;
mod unfold;

pub use options::{AvgPool, Conv, ConvTranspose, Interpolation, MaxPool, PerAxis, Unfold};

use crate::error::{Error, ErrorKind, Result};
use crate::kernels::windows::Axis;
use crate::tensor::Shape;

/// A mistake of shapes.
fn misfit(message: String) -> Error {
    Error::new(ErrorKind::Shape, message)
}

/// A mistake of options.
fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Argument, message)
}

/// The names of the last axes, for errors.
fn axis_names(spatial: usize) -> &'static [&'static str] {
    match spatial {
        1 => &["width"],
        2 => &["height", "width"],
        _ => &["depth", "height", "width"],
    }
}

/// `[batch, channels, height, width]`
fn layout(spatial: usize) -> String {
    format!("[batch, channels, {}]", axis_names(spatial).join(", "))
}

/// Checks that an operand has a batch, channels and the axes that windows slide over.
fn check_images(shape: &Shape, spatial: usize) -> Result<()> {
    if shape.len() == spatial + 2 {
        return Ok(());
    }
    let message =
        format!("an input of shape {shape} has {} axes, not the {} of {}", shape.len(), spatial + 2, layout(spatial));
    Err(match shape.len() == spatial + 1 {
        true => misfit(message).hint("for a batch of one add an axis: x.unsqueeze(0)"),
        false => misfit(message).hint("reshape it first"),
    })
}

/// Checks that an operand has the axes that windows slide over.
fn check_planes(shape: &Shape, spatial: usize) -> Result<()> {
    if shape.len() >= spatial {
        return Ok(());
    }
    let message = format!("an input of shape {shape} has {} axes, windows slide over {spatial}", shape.len());
    Err(misfit(message).hint(format!("the last axes are {}", axis_names(spatial).join(" and "))))
}

/// Checks that windows have elements and move on.
fn check_positive(kernel: usize, stride: usize, dilation: usize, name: &str, shapes: &str) -> Result<()> {
    for (value, what) in [(kernel, "kernel"), (stride, "stride"), (dilation, "dilation")] {
        if value == 0 {
            return Err(
                invalid(format!("a {what} of 0 along the {name}: {shapes}")).hint(format!("a {what} is 1 or more"))
            );
        }
    }
    Ok(())
}

/// How a window slides along one axis, before the length of the axis is known.
#[derive(Clone, Copy, Debug)]
struct Slide {
    kernel: usize,
    stride: usize,
    dilation: usize,
    /// In front of the axis and behind it.
    padding: (usize, usize),
    /// Whether a last window that is cut off counts.
    ceil: bool,
}

impl Slide {
    /// The windows along an axis of a length. `name` is that of the axis, `shapes` names the operands.
    fn along(&self, input: usize, name: &str, shapes: &str) -> Result<Axis> {
        let Slide { kernel, stride, dilation, padding: (front, behind), ceil } = *self;
        check_positive(kernel, stride, dilation, name, shapes)?;
        let extent = (kernel - 1).checked_mul(dilation).and_then(|reach| reach.checked_add(1));
        let padded = input.checked_add(front).and_then(|sum| sum.checked_add(behind));
        let limit = isize::MAX as usize / 8;
        let (Some(extent), Some(padded)) =
            (extent.filter(|&extent| extent <= limit), padded.filter(|&padded| padded <= limit))
        else {
            let message =
                format!("kernel {kernel}, dilation {dilation} and padding {front} along the {name}: {shapes}");
            return Err(invalid(message).hint("that is more than memory can address"));
        };
        if extent > padded {
            let size =
                if dilation == 1 { String::new() } else { format!(", {extent} with its dilation of {dilation}") };
            let message =
                format!("a kernel of {kernel}{size}, against {padded} along the {name}, padding included: {shapes}");
            return Err(misfit(message).hint("take a smaller kernel or more padding"));
        }
        let mut output = (padded - extent) / stride + 1;
        // A last window that is cut off has to begin in front of the padding behind the axis.
        if ceil && !(padded - extent).is_multiple_of(stride) && output.saturating_mul(stride) < input + front {
            output += 1;
        }
        Ok(Axis { input, kernel, output, stride, dilation, padding: front })
    }
}

/// The axes behind others of length 1, to make three.
fn three<A: Copy>(axes: &[A], unit: A) -> [A; 3] {
    let missing = 3 - axes.len();
    std::array::from_fn(|i| if i < missing { unit } else { axes[i - missing] })
}

/// `, stride [2, 1]`, or nothing where all are the default.
fn noted(name: &str, values: impl IntoIterator<Item = usize>, default: usize) -> String {
    let values: Vec<usize> = values.into_iter().collect();
    match values.iter().all(|&value| value == default) {
        true => String::new(),
        false => format!(", {name} {values:?}"),
    }
}

/// Checks that the last axes can be cut into so many windows.
fn check_bins(output: &[usize], shape: &Shape) -> Result<()> {
    check_planes(shape, output.len())?;
    let lengths = &shape[shape.len() - output.len()..];
    for (i, name) in axis_names(output.len()).iter().enumerate() {
        if output[i] == 0 || lengths[i] == 0 {
            let message =
                format!("{} places from {} along the {name} of an input of shape {shape}", output[i], lengths[i]);
            return Err(misfit(message).hint("both are 1 or more"));
        }
    }
    Ok(())
}
