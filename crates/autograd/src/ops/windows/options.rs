//! The options of the windowed ops, with PyTorch's names and defaults.

/// A number for each of `N` axes: one number for all of them, or an array.
///
/// ```
/// use wengert_autograd::PerAxis;
/// let (same, own): ([usize; 2], [usize; 2]) = (3.per_axis(), [2, 1].per_axis());
/// assert_eq!((same, own), ([3, 3], [2, 1]));
/// ```
pub trait PerAxis<const N: usize> {
    /// The number of each axis.
    fn per_axis(self) -> [usize; N];
}

impl<const N: usize> PerAxis<N> for usize {
    fn per_axis(self) -> [usize; N] {
        [self; N]
    }
}

impl<const N: usize> PerAxis<N> for [usize; N] {
    fn per_axis(self) -> [usize; N] {
        self
    }
}

/// How much to add around an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding<const N: usize> {
    Each([usize; N]),
    /// As much as makes the output as long as the input.
    Same,
}

/// Options of a convolution over `N` axes: stride 1, no padding, dilation 1, one group.
///
/// Each option is one number for all axes or an array with a number for each.
///
/// ```
/// use wengert_autograd::{Conv, Tape, Tensor};
/// let tape = Tape::new();
/// let (x, w) = (tape.input(Tensor::<f64>::ones([1, 2, 5, 5])), tape.input(Tensor::ones([4, 1, 3, 3])));
/// let y = x.conv2d(w, Conv::new().stride([2, 1]).padding(1).groups(2));
/// assert_eq!(y.shape()[..], [1, 4, 3, 5]);
/// let [gw] = y.sum().grad([w]);
/// assert_eq!(gw.value()?.get(&[0, 0, 1, 1]), Some(15.0));     // the middle of the kernel meets 3 by 5 places
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv<const N: usize> {
    pub(super) stride: [usize; N],
    pub(super) padding: Padding<N>,
    pub(super) dilation: [usize; N],
    pub(super) groups: usize,
}

impl<const N: usize> Conv<N> {
    /// The defaults.
    pub fn new() -> Self {
        Conv { stride: [1; N], padding: Padding::Each([0; N]), dilation: [1; N], groups: 1 }
    }

    /// From one window to the next; 1 or more.
    pub fn stride(self, stride: impl PerAxis<N>) -> Self {
        Conv { stride: stride.per_axis(), ..self }
    }

    /// Zeros on both sides of each axis.
    pub fn padding(self, padding: impl PerAxis<N>) -> Self {
        Conv { padding: Padding::Each(padding.per_axis()), ..self }
    }

    /// As many zeros as make the output as long as the input; with an odd number of them one more behind than in front.
    /// The stride has to be 1. PyTorch's `padding='same'`.
    pub fn same(self) -> Self {
        Conv { padding: Padding::Same, ..self }
    }

    /// From one element of a window to the next; 1 or more.
    pub fn dilation(self, dilation: impl PerAxis<N>) -> Self {
        Conv { dilation: dilation.per_axis(), ..self }
    }

    /// Cuts the channels into so many groups that do not meet. It divides the channels of input and output.
    pub fn groups(self, groups: usize) -> Self {
        Conv { groups, ..self }
    }
}

impl<const N: usize> Default for Conv<N> {
    fn default() -> Self {
        Conv::new()
    }
}

/// Options of a transposed convolution over `N` axes: stride 1, no padding, no output padding, dilation 1, one group.
///
/// They are those of the convolution that it is the transpose of.
///
/// ```
/// use wengert_autograd::{ConvTranspose, Tape, Tensor};
/// let tape = Tape::new();
/// let (x, w) = (tape.input(Tensor::<f64>::ones([1, 1, 3])), tape.input(Tensor::ones([1, 1, 3])));
/// let y = x.conv_transpose1d(w, ConvTranspose::new().stride(2).padding(1).output_padding(1));
/// assert_eq!(y.value()?.as_slice(), [1.0, 2.0, 1.0, 2.0, 1.0, 1.0]);
/// let [gx] = y.sum().grad([x]);
/// assert_eq!(gx.value()?.as_slice(), [2.0, 3.0, 3.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTranspose<const N: usize> {
    pub(super) stride: [usize; N],
    pub(super) padding: [usize; N],
    pub(super) output_padding: [usize; N],
    pub(super) dilation: [usize; N],
    pub(super) groups: usize,
}

impl<const N: usize> ConvTranspose<N> {
    /// The defaults.
    pub fn new() -> Self {
        ConvTranspose { stride: [1; N], padding: [0; N], output_padding: [0; N], dilation: [1; N], groups: 1 }
    }

    /// From one window of the output to the next; 1 or more.
    pub fn stride(self, stride: impl PerAxis<N>) -> Self {
        ConvTranspose { stride: stride.per_axis(), ..self }
    }

    /// How much is cut off from both ends of each axis of the output.
    pub fn padding(self, padding: impl PerAxis<N>) -> Self {
        ConvTranspose { padding: padding.per_axis(), ..self }
    }

    /// How much longer each axis of the output is at its end: a convolution with a stride takes several lengths to one.
    /// Less than the stride or less than the dilation.
    pub fn output_padding(self, output_padding: impl PerAxis<N>) -> Self {
        ConvTranspose { output_padding: output_padding.per_axis(), ..self }
    }

    /// From one element of a window to the next; 1 or more.
    pub fn dilation(self, dilation: impl PerAxis<N>) -> Self {
        ConvTranspose { dilation: dilation.per_axis(), ..self }
    }

    /// Cuts the channels into so many groups that do not meet. It divides the channels of the input.
    pub fn groups(self, groups: usize) -> Self {
        ConvTranspose { groups, ..self }
    }
}

impl<const N: usize> Default for ConvTranspose<N> {
    fn default() -> Self {
        ConvTranspose::new()
    }
}

/// Windows of [`max_pool2d`](crate::Var::max_pool2d): the stride is the kernel unless it is given, no padding,
/// dilation 1.
///
/// One number (`x.max_pool2d(2)`) or an array (`x.max_pool2d([2, 3])`) is a kernel with these defaults.
///
/// ```
/// use wengert_autograd::{MaxPool, Tape, Tensor};
/// let tape = Tape::new();
/// let x = tape.input(Tensor::from([[[1.0, 3.0, 2.0, 4.0]]]));
/// let y = x.max_pool1d(MaxPool::new(3).stride(1).padding(1));
/// assert_eq!(y.value()?.as_slice(), [3.0, 3.0, 4.0, 4.0]);
/// let [gx] = y.sum().grad([x]);
/// assert_eq!(gx.value()?.as_slice(), [0.0, 2.0, 0.0, 2.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool<const N: usize> {
    pub(super) kernel: [usize; N],
    pub(super) stride: [usize; N],
    pub(super) padding: [usize; N],
    pub(super) dilation: [usize; N],
    pub(super) ceil: bool,
}

impl<const N: usize> MaxPool<N> {
    /// Windows of a size, side by side.
    pub fn new(kernel: impl PerAxis<N>) -> Self {
        let kernel = kernel.per_axis();
        MaxPool { kernel, stride: kernel, padding: [0; N], dilation: [1; N], ceil: false }
    }

    /// From one window to the next; 1 or more.
    pub fn stride(self, stride: impl PerAxis<N>) -> Self {
        MaxPool { stride: stride.per_axis(), ..self }
    }

    /// Minus infinity on both sides of each axis; at most half the extent of the kernel.
    pub fn padding(self, padding: impl PerAxis<N>) -> Self {
        MaxPool { padding: padding.per_axis(), ..self }
    }

    /// From one element of a window to the next; 1 or more.
    pub fn dilation(self, dilation: impl PerAxis<N>) -> Self {
        MaxPool { dilation: dilation.per_axis(), ..self }
    }

    /// Whether a last window that is cut off by the end counts (no, unless asked for).
    pub fn ceil_mode(self, ceil: bool) -> Self {
        MaxPool { ceil, ..self }
    }
}

/// Windows of [`avg_pool2d`](crate::Var::avg_pool2d): the stride is the kernel unless it is given, no padding, and
/// padding counts as zeros.
///
/// One number (`x.avg_pool2d(2)`) or an array (`x.avg_pool2d([2, 3])`) is a kernel with these defaults.
///
/// ```
/// use wengert_autograd::{AvgPool, Tape, Tensor};
/// let tape = Tape::new();
/// let x = tape.input(Tensor::from([[[1.0, 2.0, 3.0, 4.0]]]));
/// let windows = AvgPool::new(2).padding(1);
/// assert_eq!(x.avg_pool1d(windows).value()?.as_slice(), [0.5, 2.5, 2.0]);
/// let y = x.avg_pool1d(windows.count_include_pad(false));
/// assert_eq!(y.value()?.as_slice(), [1.0, 2.5, 4.0]);
/// let [gx] = y.sum().grad([x]);
/// assert_eq!(gx.value()?.as_slice(), [1.0, 0.5, 0.5, 1.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPool<const N: usize> {
    pub(super) kernel: [usize; N],
    pub(super) stride: [usize; N],
    pub(super) padding: [usize; N],
    pub(super) ceil: bool,
    pub(super) counts_padding: bool,
}

impl<const N: usize> AvgPool<N> {
    /// Windows of a size, side by side.
    pub fn new(kernel: impl PerAxis<N>) -> Self {
        let kernel = kernel.per_axis();
        AvgPool { kernel, stride: kernel, padding: [0; N], ceil: false, counts_padding: true }
    }

    /// From one window to the next; 1 or more.
    pub fn stride(self, stride: impl PerAxis<N>) -> Self {
        AvgPool { stride: stride.per_axis(), ..self }
    }

    /// Zeros on both sides of each axis; at most half the kernel.
    pub fn padding(self, padding: impl PerAxis<N>) -> Self {
        AvgPool { padding: padding.per_axis(), ..self }
    }

    /// Whether a last window that is cut off by the end counts (no, unless asked for). What lies behind the padding is
    /// never counted.
    pub fn ceil_mode(self, ceil: bool) -> Self {
        AvgPool { ceil, ..self }
    }

    /// Whether the zeros of the padding count in the number that a sum is divided by (yes, unless asked not to).
    pub fn count_include_pad(self, counts_padding: bool) -> Self {
        AvgPool { counts_padding, ..self }
    }
}

/// Windows of [`unfold`](crate::Var::unfold) and [`fold`](crate::Var::fold): stride 1, no padding, dilation 1.
///
/// ```
/// use wengert_autograd::{Tape, Tensor, Unfold};
/// let tape = Tape::new();
/// let x = tape.input(Tensor::from([[[[1.0, 2.0, 3.0]]]]));
/// let y = x.unfold(Unfold::new([1, 2]).stride(1));
/// assert_eq!(y.value()?, Tensor::from([[[1.0, 2.0], [2.0, 3.0]]]));
/// let [gx] = y.sum().grad([x]);
/// assert_eq!(gx.value()?.as_slice(), [1.0, 2.0, 1.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfold<const N: usize> {
    pub(super) kernel: [usize; N],
    pub(super) stride: [usize; N],
    pub(super) padding: [usize; N],
    pub(super) dilation: [usize; N],
}

impl<const N: usize> Unfold<N> {
    /// Windows of a size, one for every place.
    pub fn new(kernel: impl PerAxis<N>) -> Self {
        Unfold { kernel: kernel.per_axis(), stride: [1; N], padding: [0; N], dilation: [1; N] }
    }

    /// From one window to the next; 1 or more.
    pub fn stride(self, stride: impl PerAxis<N>) -> Self {
        Unfold { stride: stride.per_axis(), ..self }
    }

    /// Zeros on both sides of each axis.
    pub fn padding(self, padding: impl PerAxis<N>) -> Self {
        Unfold { padding: padding.per_axis(), ..self }
    }

    /// From one element of a window to the next; 1 or more.
    pub fn dilation(self, dilation: impl PerAxis<N>) -> Self {
        Unfold { dilation: dilation.per_axis(), ..self }
    }
}

macro_rules! from_kernel {
    ($($windows:ident)*) => {$(
        impl<const N: usize> From<usize> for $windows<N> {
            fn from(kernel: usize) -> Self {
                $windows::new(kernel)
            }
        }

        impl<const N: usize> From<[usize; N]> for $windows<N> {
            fn from(kernel: [usize; N]) -> Self {
                $windows::new(kernel)
            }
        }
    )*};
}
from_kernel!(MaxPool AvgPool Unfold);

/// What lies between the elements of an input; see [`interpolate`](crate::Var::interpolate).
///
/// ```
/// use wengert_autograd::{Interpolation, Tape, Tensor};
/// let tape = Tape::new();
/// let x = tape.input(Tensor::from([0.0, 3.0]));
/// assert_eq!(x.interpolate([4], Interpolation::Nearest).value()?.as_slice(), [0.0, 0.0, 3.0, 3.0]);
/// assert_eq!(x.interpolate([4], Interpolation::Linear).value()?.as_slice(), [0.0, 0.75, 2.25, 3.0]);
/// let y = x.interpolate([4], Interpolation::LinearAlignCorners);
/// assert_eq!(y.value()?.as_slice(), [0.0, 1.0, 2.0, 3.0]);
/// let [gx] = y.sum().grad([x]);
/// assert_eq!(gx.value()?.as_slice(), [2.0, 2.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Interpolation {
    /// The element at `floor(j n / m)`.
    #[default]
    Nearest,
    /// On the line between two elements, where an element is a square with its value in the middle: PyTorch's
    /// `align_corners=False`.
    Linear,
    /// On the line between two elements, where the first and the last place of input and output are the same: PyTorch's
    /// `align_corners=True`.
    LinearAlignCorners,
}
