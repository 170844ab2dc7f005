//! Max pooling, over windows of one size and over as many windows as are asked for.

use super::{MaxPool, Slide, axis_names, check_planes, invalid, misfit, three};
use crate::error::Result;
use crate::kernels::number::Element;
use crate::kernels::windows::extreme::{self, Planes};
use crate::kernels::windows::{Axis, Windows};
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// Windows over the last `spatial` axes, in which the greatest element is searched.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Pool {
    windows: [Windows; 3],
    spatial: usize,
    /// Whether the windows cover the axes, however long these are.
    adaptive: bool,
}

/// What is done where the greatest element of each window lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    /// `y` is the greatest element.
    Value,
    /// `y` is its place, as a number.
    Place,
    /// `y` is the element of another tensor of the shape of `x` at that place: linear in that.
    Take,
    /// Adds the other operand at that place, to zeros of the shape of `x`: the transpose of `Take`.
    Put,
}

/// One use of a pool: the first operand is the one that is searched.
#[derive(Clone, Debug, PartialEq, Hash)]
struct MaxPooling {
    pool: Pool,
    form: Form,
}

impl Pool {
    fn axes(&self) -> &[Windows] {
        &self.windows[3 - self.spatial..]
    }

    fn name(&self) -> &'static str {
        match (self.adaptive, self.spatial) {
            (false, 1) => "max_pool1d",
            (false, 2) => "max_pool2d",
            (false, _) => "max_pool3d",
            (true, 1) => "adaptive_max_pool1d",
            (true, 2) => "adaptive_max_pool2d",
            (true, _) => "adaptive_max_pool3d",
        }
    }

    /// The windows in words: `, windows [2, 2], stride [1, 1]`.
    fn described(&self) -> String {
        let even = self.axes().iter().filter_map(|windows| match windows {
            Windows::Even(axis) => Some(axis),
            Windows::Covering { .. } => None,
        });
        let each = |length: fn(&Axis) -> usize| even.clone().map(length).collect::<Vec<usize>>();
        match self.adaptive {
            true => String::new(),
            false => format!(", windows {:?}, stride {:?}", each(|axis| axis.kernel), each(|axis| axis.stride)),
        }
    }

    fn output_shape(&self, input: &Shape) -> Shape {
        let leading = &input[..input.len() - self.spatial];
        Shape::collect(leading.iter().copied().chain(self.axes().iter().map(Windows::output)))
    }

    fn planes(&self, input: &Shape) -> Planes<'_> {
        Planes { windows: &self.windows, count: input[..input.len() - self.spatial].iter().product() }
    }
}

impl<T: Element> Op<T> for MaxPooling {
    fn name(&self) -> &str {
        self.pool.name()
    }

    fn formula(&self, operands: &[String]) -> String {
        let (name, windows) = (self.pool.name(), self.pool.described());
        match self.form {
            Form::Value => format!("{name}({}{windows})", operands[0]),
            Form::Place => format!("{name}_indices({}{windows})", operands[0]),
            Form::Take => format!("{name}_take({} where {} is greatest{windows})", operands[1], operands[0]),
            Form::Put => format!("{name}_put({} where {} is greatest{windows})", operands[1], operands[0]),
        }
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        if self.form == Form::Put {
            return Ok(inputs[0].clone());
        }
        let (plane, most) = (self.pool.axes().iter().map(Windows::input).product::<usize>(), 2.0 / T::EPSILON.to_f64());
        if self.form == Form::Place && plane as f64 > most {
            let message = format!("indices of {plane} places, in an input of shape {}", inputs[0]);
            let hint = format!("{} counts exactly to {most}; cast to f64", T::NAME);
            return Err(invalid(message).hint(hint));
        }
        Ok(self.pool.output_shape(inputs[0]))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let (planes, x) = (self.pool.planes(inputs[0].shape), inputs[0].values);
        match self.form {
            Form::Value => extreme::max(planes, x, output),
            Form::Place => extreme::places(planes, x, output),
            Form::Take => extreme::take(planes, x, inputs[1].values, output),
            Form::Put => extreme::put(planes, x, inputs[1].values, output),
        }
        Ok(())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let (x, g) = (call.inputs[0], call.cotangent);
        let record = |form| g.tape.record_shared(MaxPooling { form, pool: self.pool.clone() }, &[x, g]);
        // The place is constant wherever there is a derivative, so nothing passes through the search itself.
        match self.form {
            Form::Value => Pullback::one(record(Form::Put)),
            Form::Place => Pullback::new([None]),
            Form::Take => Pullback::new([None, Some(record(Form::Put))]),
            Form::Put => Pullback::new([None, Some(record(Form::Take))]),
        }
    }

    fn is_differentiable(&self) -> bool {
        self.form != Form::Place
    }
}

/// Windows of one size over the last axes of a shape, or the mistake.
fn even<const N: usize>(options: &MaxPool<N>, shape: &Shape) -> Result<Pool> {
    check_planes(shape, N)?;
    let (names, shapes) = (axis_names(N), format!("input {shape}, kernel {:?}", options.kernel));
    let mut windows = [Windows::Even(Axis::UNIT); N];
    for (i, windows) in windows.iter_mut().enumerate() {
        let (kernel, dilation, padding) = (options.kernel[i], options.dilation[i], options.padding[i]);
        let stride = options.stride[i];
        let slide = Slide { kernel, stride, dilation, padding: (padding, padding), ceil: options.ceil };
        let axis = slide.along(shape[shape.len() - N + i], names[i], &shapes)?;
        let extent = (kernel - 1) * dilation + 1;
        if padding > extent / 2 {
            let message = format!("padding {padding} along the {}: {shapes}", names[i]);
            return Err(invalid(message).hint(format!("it is at most half the extent of the kernel, {}", extent / 2)));
        }
        if let Some(empty) = (0..axis.output).find(|&p| Windows::Even(axis).window(p).1 == 0) {
            let message = format!("window {empty} along the {} lies in the padding alone: {shapes}", names[i]);
            return Err(misfit(message).hint("take less padding or less dilation"));
        }
        *windows = Windows::Even(axis);
    }
    Ok(Pool { windows: three(&windows, Windows::Even(Axis::UNIT)), spatial: N, adaptive: false })
}

/// Windows that cover the last axes of a shape, or the mistake.
fn covering<const N: usize>(output: [usize; N], shape: &Shape) -> Result<Pool> {
    super::check_bins(&output, shape)?;
    let lengths = &shape[shape.len() - N..];
    let windows: [Windows; N] = std::array::from_fn(|i| Windows::Covering { input: lengths[i], output: output[i] });
    Ok(Pool { windows: three(&windows, Windows::Even(Axis::UNIT)), spatial: N, adaptive: true })
}

impl<'t, T: Element> Var<'t, T> {
    #[track_caller]
    fn pooled(self, form: Form, name: &str, pool: impl FnOnce(&Shape) -> Result<Pool>) -> Self {
        self.with_shape(name, pool, |x, pool| x.tape.record_shared(MaxPooling { pool, form }, &[x]))
    }
}

macro_rules! pools {
    ($($spatial:literal, $pool:ident, $indices:ident, $adaptive:ident, $axes:literal, $example:literal, $adaptive_example:literal;)*) => {
        impl<'t, T: Element> Var<'t, T> {$(
            #[doc = concat!("`y[.., p] = max over k of x[.., p · stride + k · dilation − padding]`: the greatest element of each window over ", $axes, ".")]
            ///
            /// The windows are a number or an array, the kernel, or a [`MaxPool`] with more options; the stride is the kernel
            /// unless it is given. All axes in front are kept. Padding is never the greatest element; NaN always is. The whole
            /// cotangent goes to the first of equal elements, in row-major order.
            ///
            /// # Errors
            /// Kept on the tape: too few axes; a kernel, stride or dilation of 0; a kernel larger than the padded input;
            /// padding of more than half the kernel's extent; a window in the padding alone.
            ///
            /// ```
            #[doc = $example]
            /// # Ok::<(), wengert_autograd::Error>(())
            /// ```
            #[track_caller]
            pub fn $pool(self, windows: impl Into<MaxPool<$spatial>>) -> Self {
                let windows = windows.into();
                self.pooled(Form::Value, stringify!($pool), |shape| even(&windows, shape))
            }

            #[doc = concat!("[`", stringify!($pool), "`](Var::", stringify!($pool), "), and where each greatest element lies in its plane of ", $axes, ".")]
            ///
            /// The indices count the places of the plane in row-major order, as PyTorch's do; they are numbers, and not
            /// differentiable.
            ///
            /// # Errors
            #[doc = concat!("As [`", stringify!($pool), "`](Var::", stringify!($pool), "); and a plane of more places than the element type counts exactly.")]
            ///
            /// ```
            #[doc = concat!("use wengert_autograd::{Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::from_fn([2, 2, 2, 3], |i| i as f64));
let (y, indices) = x.", stringify!($indices), "(1);
assert_eq!(y.value()?, x.value()?);
assert_eq!(indices.value()?.as_slice()[1], 1.0);
let [gx] = y.square().sum().grad([x]);
assert_eq!(gx.value()?.as_slice()[5], 10.0);")]
            /// # Ok::<(), wengert_autograd::Error>(())
            /// ```
            #[track_caller]
            pub fn $indices(self, windows: impl Into<MaxPool<$spatial>>) -> (Self, Self) {
                let windows = windows.into();
                let form = |form| self.pooled(form, stringify!($indices), |shape| even(&windows, shape));
                (form(Form::Value), form(Form::Place))
            }

            #[doc = concat!("The greatest element of each of `output` windows that together cover ", $axes, ".")]
            ///
            /// Of `n` places and `m` windows, window `p` is `floor(p n / m)..ceil((p + 1) n / m)`, as in PyTorch; neighbours
            /// may overlap. All axes in front are kept. Ties as for [`max_pool2d`](Var::max_pool2d).
            ///
            /// # Errors
            /// Kept on the tape: too few axes; an axis without elements; no windows.
            ///
            /// ```
            #[doc = $adaptive_example]
            /// # Ok::<(), wengert_autograd::Error>(())
            /// ```
            #[track_caller]
            pub fn $adaptive(self, output: impl super::PerAxis<$spatial>) -> Self {
                let output = output.per_axis();
                self.pooled(Form::Value, stringify!($adaptive), |shape| covering(output, shape))
            }
        )*}
    };
}

pools! {
    1, max_pool1d, max_pool1d_with_indices, adaptive_max_pool1d, "the last axis",
    "use wengert_autograd::{Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::from([[[1.0, 3.0, 2.0, 2.0]]]));
let y = x.max_pool1d(2);
assert_eq!(y.value()?.as_slice(), [3.0, 2.0]);
let [gx] = y.square().sum().grad([x]);
assert_eq!(gx.value()?.as_slice(), [0.0, 6.0, 4.0, 0.0]);    // the first of the two",
    "use wengert_autograd::{Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::from([[[1.0, 3.0, 2.0]]]));
let y = x.adaptive_max_pool1d(2);                            // places 0 and 1, then 1 and 2
assert_eq!(y.value()?.as_slice(), [3.0, 3.0]);
let [gx] = y.sum().grad([x]);
assert_eq!(gx.value()?.as_slice(), [0.0, 2.0, 0.0]);";
    2, max_pool2d, max_pool2d_with_indices, adaptive_max_pool2d, "the last two axes",
    "use wengert_autograd::{Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::from([[[[1.0, 3.0], [4.0, 2.0]], [[8.0, 7.0], [6.0, 5.0]]]]));
let y = x.max_pool2d(2);
assert_eq!(y.value()?, Tensor::from([[[[4.0]], [[8.0]]]]));
let [gx] = y.sum().grad([x]);
assert_eq!(gx.value()?.as_slice(), [0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0]);",
    "use wengert_autograd::{Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::from([[[[1.0, 3.0], [4.0, 2.0]]]]));
let y = x.adaptive_max_pool2d([1, 2]);
assert_eq!(y.value()?.as_slice(), [4.0, 3.0]);
let [gx] = y.sum().grad([x]);
assert_eq!(gx.value()?.as_slice(), [0.0, 1.0, 1.0, 0.0]);";
    3, max_pool3d, max_pool3d_with_indices, adaptive_max_pool3d, "the last three axes",
    "use wengert_autograd::{Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::from_fn([1, 1, 2, 2, 2], |i| i as f64));
let y = x.max_pool3d([1, 2, 2]);
assert_eq!(y.value()?.as_slice(), [3.0, 7.0]);
let [gx] = y.sum().grad([x]);
assert_eq!(gx.value()?.as_slice(), [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);",
    "use wengert_autograd::{Tape, Tensor};
let tape = Tape::new();
let x = tape.input(Tensor::from_fn([1, 1, 2, 2, 2], |i| i as f64));
let y = x.adaptive_max_pool3d(1);
assert_eq!(y.value()?.as_slice(), [7.0]);
let [gx] = y.sum().grad([x]);
assert_eq!(gx.value()?.as_slice()[6..], [0.0, 1.0]);";
}
