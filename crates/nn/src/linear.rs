//! The fully connected layer.

use rand::Rng;
use wengert_autograd::{Element, Error, ErrorKind, Param, Shape, Tensor, Var};
use wengert_derive::Module;

use crate::{Layer, init};

/// `y = x Wᵀ + b`: the fully connected layer.
///
/// `x` has the shape `[..., in]`, `y` the shape `[..., out]`; `weight` is `[out, in]`, `bias` is `[out]`.
///
/// Defaults, those of PyTorch: with a bias; weight and bias drawn from `U(-1/√in, 1/√in)`, which is Kaiming's uniform
/// distribution with `a = √5`.
///
/// An input of another width is an error that names the shapes and the scope.
///
/// ```
/// use wengert_autograd::{Tape, Tensor};
/// use wengert_nn::{Layer, Linear};
/// let layer = Linear::from_parts([[1.0, 2.0], [0.0, -1.0]], Some([0.5, 0.0].into()))?;
/// let tape = Tape::new();
/// let x = tape.input([[3.0, 4.0]]);
/// let y = layer.forward(x);
/// assert_eq!(y.value()?.as_slice(), [11.5, -4.0]);
/// let [gx] = y.sum().grad([x]);                     // the column sums of W
/// assert_eq!(gx.value()?.as_slice(), [1.0, 1.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug, Module)]
#[module(crate = wengert_autograd)]
pub struct Linear<T: Element = f32> {
    /// `W`, of shape `[out, in]`.
    pub weight: Param<T>,
    /// `b`, of shape `[out]`.
    pub bias: Option<Param<T>>,
}

impl<T: Element> Linear<T> {
    /// A layer with a bias and PyTorch's initialisation.
    pub fn new(inputs: usize, outputs: usize, rng: &mut (impl Rng + ?Sized)) -> Self {
        Linear::builder(inputs, outputs).build(rng)
    }

    /// A layer with options.
    pub fn builder(inputs: usize, outputs: usize) -> LinearBuilder<T> {
        LinearBuilder { inputs, outputs, bias: true, init: None }
    }

    /// A layer of given values: weight `[out, in]`, bias `[out]`.
    ///
    /// # Errors
    /// The weight is no matrix, or the bias has another length than the weight has rows.
    pub fn from_parts(weight: impl Into<Tensor<T>>, bias: Option<Tensor<T>>) -> wengert_autograd::Result<Self> {
        let weight = weight.into();
        let fits = |bias: &Tensor<T>| bias.shape()[..] == weight.shape()[..1];
        if weight.rank() != 2 || !bias.as_ref().is_none_or(fits) {
            let bias = bias.map_or("none".to_string(), |bias| bias.shape().to_string());
            let message = format!("weight [out, in] and bias [out] needed, got weight {}, bias {bias}", weight.shape());
            return Err(Error::new(ErrorKind::Shape, message).op("linear"));
        }
        Ok(Linear { weight: Param::new(weight), bias: bias.map(Param::new) })
    }

    /// The number of inputs.
    pub fn inputs(&self) -> usize {
        self.weight.shape().last().copied().unwrap_or(0)
    }

    /// The number of outputs.
    pub fn outputs(&self) -> usize {
        self.weight.shape().first().copied().unwrap_or(0)
    }
}

impl<T: Element> Layer<T> for Linear<T> {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let tape = x.tape();
        if tape.first_error().is_ok() && x.shape().last() != self.weight.shape().last() {
            let (shape, weight, inputs) = (x.shape(), self.weight.shape(), self.inputs());
            let message =
                format!("input {shape} does not fit weight {weight}: its last axis must have length {inputs}");
            return tape.fail(Error::new(ErrorKind::Shape, message).op("linear"));
        }
        let product = x.matmul(tape.param(&self.weight).t());
        match &self.bias {
            Some(bias) => product + tape.param(bias),
            None => product,
        }
    }
}

/// How to fill a weight of a shape; see [`init`].
type Init<T> = Box<dyn FnOnce(&Shape, &mut dyn Rng) -> Tensor<T>>;

/// Options of a [`Linear`] layer.
///
/// ```
/// use rand::SeedableRng;
/// use wengert_nn::{Linear, Module, init};
/// let mut rng = rand::rngs::StdRng::seed_from_u64(1);
/// let layer: Linear = Linear::builder(784, 128)
///     .bias(false)
///     .init(|shape, rng| init::kaiming_normal(shape, init::Kaiming::default(), rng))
///     .build(&mut rng);
/// assert_eq!(layer.num_parameters(), 784 * 128);
/// ```
#[must_use]
pub struct LinearBuilder<T: Element = f32> {
    inputs: usize,
    outputs: usize,
    bias: bool,
    init: Option<Init<T>>,
}

impl<T: Element> std::fmt::Debug for LinearBuilder<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LinearBuilder({} to {}, bias {})", self.inputs, self.outputs, self.bias)
    }
}

impl<T: Element> LinearBuilder<T> {
    /// Whether there is a bias. Default true.
    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// How the weight is drawn. Default `U(-1/√in, 1/√in)`. The bias is always drawn from that.
    pub fn init(mut self, init: impl FnOnce(&Shape, &mut dyn Rng) -> Tensor<T> + 'static) -> Self {
        self.init = Some(Box::new(init));
        self
    }

    /// Draws the values: the weight first, then the bias.
    ///
    /// The shape of the weight is that of the initialiser's tensor; one that is not `[out, in]` shows in `forward`.
    pub fn build(self, mut rng: &mut (impl Rng + ?Sized)) -> Linear<T> {
        let bound = match self.inputs {
            0 => 0.0,
            inputs => 1.0 / (inputs as f64).sqrt(),
        };
        let shape = Shape::from([self.outputs, self.inputs]);
        let weight = match self.init {
            Some(init) => init(&shape, &mut rng),
            None => init::uniform(shape, -bound, bound, rng),
        };
        let bias = self.bias.then(|| Param::new(init::uniform([self.outputs], -bound, bound, rng)));
        Linear { weight: Param::new(weight), bias }
    }
}
