//! What is linear along one axis after the other: averages over windows, and the op that interpolation shares.

use super::{AvgPool, PerAxis, Slide, axis_names, check_bins, check_planes, invalid};
use crate::error::Result;
use crate::kernels::number::Element;
use crate::kernels::windows::banded::{self, Band};
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// A matrix along one axis, or its transpose. Over several axes the means and interpolations are products of those along
/// each, so one axis after the other does.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Banded {
    name: &'static str,
    axis: usize,
    band: Band,
    transposed: bool,
}

impl<T: Element> Op<T> for Banded {
    fn name(&self) -> &str {
        self.name
    }

    fn formula(&self, operands: &[String]) -> String {
        let Banded { name, axis, band, transposed } = self;
        let transposed = if *transposed { "_transposed" } else { "" };
        format!("{name}{transposed}({}, axis {axis}, {} places of {})", operands[0], band.output(), band.input())
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        let length = if self.transposed { self.band.input() } else { self.band.output() };
        Ok(crate::ops::slice::with_length(inputs[0], self.axis, length))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], context: &Context<'_>) -> Result<()> {
        let (_, _, inner) = context.shape.around(self.axis);
        match self.transposed {
            false => banded::apply(&self.band, inner, inputs[0].values, output),
            true => banded::transpose(&self.band, inner, inputs[0].values, output),
        }
        Ok(())
    }

    fn flops(&self, inputs: &[&Shape], output: &Shape) -> usize {
        2usize.saturating_mul(inputs[0].volume().max(output.volume()))
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let back = Banded { transposed: !self.transposed, ..self.clone() };
        Pullback::one(call.cotangent.tape.record_shared(back, &[call.cotangent]))
    }
}

impl<'t, T: Element> Var<'t, T> {
    /// The matrices along the last axes, the outermost first; those that change nothing are left out.
    #[track_caller]
    pub(super) fn banded<const N: usize>(
        self,
        name: &'static str,
        bands: impl FnOnce(&Shape) -> Result<[Option<Band>; N]>,
    ) -> Self {
        self.with_shape(name, bands, |x, bands| {
            let first = x.rank() - N;
            bands.into_iter().enumerate().fold(x, |x, (i, band)| match band {
                Some(band) => x.tape.record_shared(Banded { name, axis: first + i, band, transposed: false }, &[x]),
                None => x,
            })
        })
    }
}

/// The mean over windows along each of the last axes, or the mistake.
fn means<const N: usize>(options: &AvgPool<N>, shape: &Shape) -> Result<[Option<Band>; N]> {
    check_planes(shape, N)?;
    let (names, shapes) = (axis_names(N), format!("input {shape}, kernel {:?}", options.kernel));
    let mut bands = [None; N];
    for (i, band) in bands.iter_mut().enumerate() {
        let (kernel, stride, padding) = (options.kernel[i], options.stride[i], options.padding[i]);
        let slide = Slide { kernel, stride, dilation: 1, padding: (padding, padding), ceil: options.ceil };
        let axis = slide.along(shape[shape.len() - N + i], names[i], &shapes)?;
        if padding > kernel / 2 {
            let message = format!("padding {padding} along the {}: {shapes}", names[i]);
            return Err(invalid(message).hint(format!("it is at most half the kernel, {}", kernel / 2)));
        }
        let mean = Band::Mean { axis, end: padding, padding_counts: options.counts_padding };
        *band = (!axis.is_identity()).then_some(mean);
    }
    Ok(bands)
}

/// The mean over windows that cover each of the last axes, or the mistake.
fn covering_means<const N: usize>(output: [usize; N], shape: &Shape) -> Result<[Option<Band>; N]> {
    check_bins(&output, shape)?;
    let lengths = &shape[shape.len() - N..];
    Ok(std::array::from_fn(|i| {
        let (input, output) = (lengths[i], output[i]);
        (input != output).then_some(Band::Covering { input, output })
    }))
}

macro_rules! pools {
    ($($spatial:literal, $pool:ident, $adaptive:ident, $axes:literal, $example:literal, $adaptive_example:literal;)*) => {
        impl<'t, T: Element> Var<'t, T> {$(
            #[doc = concat!("`y[.., p] = mean over k of x[.., p · stride + k − padding]`: the mean of each window over ", $axes, ".")]
            ///
            /// The windows are a number or an array, the kernel, or an [`AvgPool`] with more options; the stride is the
            /// kernel unless it is given. Padding counts as zeros, unless `count_include_pad(false)`. All axes in front are
            /// kept.
            ///
            /// # Errors
            /// Kept on the tape: too few axes; a kernel or stride of 0; a kernel larger than the padded input; padding of
            /// more than half the kernel.
            ///
            /// ```
            #[doc = $example]
            /// # Ok::<(), wengert_autograd::Error>(())
            /// ```
            #[track_caller]
            pub fn $pool(self, windows: impl Into<AvgPool<$spatial>>) -> Self {
                let windows = windows.into();
                self.banded(stringify!($pool), |shape| means(&windows, shape))
            }

            #[doc = concat!("The mean of each of `output` windows that together cover ", $axes, ".")]
            ///
            /// Of `n` places and `m` windows, window `p` is `floor(p n / m)..ceil((p + 1) n / m)`, as in PyTorch; neighbours
            /// may overlap. All axes in front are kept.
            ///
            /// # Errors
            /// Kept on the tape: too few axes; an axis without elements; no windows.
            ///
            /// ```
            #[doc = $adaptive_example]
            /// # Ok::<(), wengert_autograd::Error>(())
            /// ```
            #[track_caller]
            pub fn $adaptive(self, output: impl PerAxis<$spatial>) -> Self {
                let output = output.per_axis();
                self.banded(stringify!($adaptive), |shape| covering_means(output, shape))
            }
        )*}
    };
}

pools! {
    1, avg_pool1d, adaptive_avg_pool1d, "the last axis",
    "use wengert_autograd::{Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::from([[[1.0, 3.0, 2.0, 6.0, 9.0]]]));
let y = x.avg_pool1d(2);
assert_eq!(y.value()?.as_slice(), [2.0, 4.0]);
let [gx] = y.square().sum().grad([x]);
assert_eq!(gx.value()?.as_slice(), [2.0, 2.0, 4.0, 4.0, 0.0]);",
    "use wengert_autograd::{Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::from([[[1.0, 3.0, 2.0]]]));
let y = x.adaptive_avg_pool1d(2);                            // places 0 and 1, then 1 and 2
assert_eq!(y.value()?.as_slice(), [2.0, 2.5]);
let [gx] = y.sum().grad([x]);
assert_eq!(gx.value()?.as_slice(), [0.5, 1.0, 0.5]);";
    2, avg_pool2d, adaptive_avg_pool2d, "the last two axes",
    "use wengert_autograd::{Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::from([[[[1.0, 3.0], [4.0, 4.0]]]]));
let y = x.avg_pool2d(2);
assert_eq!(y.value()?.as_slice(), [3.0]);
let [gx] = y.square().sum().grad([x]);
assert_eq!(gx.value()?.as_slice(), [1.5; 4]);",
    "use wengert_autograd::{Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::from([[[[1.0, 3.0], [4.0, 2.0]]]]));
let y = x.adaptive_avg_pool2d([1, 2]);
assert_eq!(y.value()?.as_slice(), [2.5, 2.5]);
let [gx] = y.sum().grad([x]);
assert_eq!(gx.value()?.as_slice(), [0.5; 4]);";
    3, avg_pool3d, adaptive_avg_pool3d, "the last three axes",
    "use wengert_autograd::{Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::from_fn([1, 1, 2, 2, 2], |i| i as f64));
let y = x.avg_pool3d([1, 2, 2]);
assert_eq!(y.value()?.as_slice(), [1.5, 5.5]);
let [gx] = y.sum().grad([x]);
assert_eq!(gx.value()?.as_slice(), [0.25; 8]);",
    "use wengert_autograd::{Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::from_fn([1, 1, 2, 2, 2], |i| i as f64));
let y = x.adaptive_avg_pool3d(1);
assert_eq!(y.value()?.as_slice(), [3.5]);
let [gx] = y.sum().grad([x]);
assert_eq!(gx.value()?.as_slice(), [0.125; 8]);";
}
