//! Functions of numbers that are recorded once and replayed: simplified, many points at a time, with all derivatives.
//!
//! A recording goes through four hands. `graph` keeps each operation once and folds constants, as the closure runs;
//! `fuse` leaves out what nothing reaches and makes chains of additions one statement; `program` orders the statements in
//! runs of equal operations and gives values and cotangents their places; `forward` and `backward` run them, in one lane, in
//! lanes of points, or in duals, and `tangent` forwards in lanes of directions.

mod backward;
mod batch;
mod engine;
mod exponentials;
mod forward;
mod fuse;
mod graph;
mod machine;
mod moves;
mod program;
mod recursion;
mod reduce;
mod rows;
mod slot;
mod statements;
mod step;
mod symbolic;
mod tangent;
mod traced;

use ndarray::Array2;

pub use recursion::{Recursion, Steps};
pub use reduce::MapReduce;
pub use traced::{Plain, Traced};

use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use engine::Engine;

/// What a recorded function returns: one number, or several.
pub trait Outputs<T: Element> {
    /// The numbers.
    fn numbers(self) -> Vec<Traced<T>>;
}

impl<T: Element> Outputs<T> for Traced<T> {
    fn numbers(self) -> Vec<Traced<T>> {
        vec![self]
    }
}

impl<T: Element> Outputs<T> for Vec<Traced<T>> {
    fn numbers(self) -> Vec<Traced<T>> {
        self
    }
}

impl<T: Element, const N: usize> Outputs<T> for [Traced<T>; N] {
    fn numbers(self) -> Vec<Traced<T>> {
        self.to_vec()
    }
}

type Closure<T> = Box<dyn Fn(&[Traced<T>]) -> Vec<Traced<T>> + Send + Sync>;

/// `y = f(x)`, recorded once at one input and replayed at others: values, gradients, Jacobians and Hessians without
/// running the closure again.
///
/// What is recorded is simplified: constants are folded, common subexpressions computed once, what no output needs is
/// left out, chains of sums and products become one operation. A replay gives the same values as the closure, to the last
/// bit where the closure's order of additions is kept, which is always but for `x + 0` at `x = -0`.
///
/// A comparison in the closure is a guard: a replay at an input where it comes out otherwise is an error of kind
/// [`ErrorKind::Branch`] that names its source line, never a wrong number; [`Compiled::rerecording`] runs the closure
/// again there. The methods `maximum`, `minimum`, `abs`, `clamp` and so on are operations, not branches, and guard nothing.
///
/// After the first call of each method, replays allocate nothing.
///
/// ```
/// use wengert_autograd::scalar::Compiled;
/// let mut f = Compiled::record(&[1.0, 1.0], |x| x[0] * x[0] * x[1] + x[1].sin())?;
/// let mut g = [0.0; 2];
/// assert_eq!(f.value_and_gradient(&[3.0, 0.0], &mut g)?, 0.0);
/// assert_eq!(g, [0.0, 10.0]);                               // 2 x y, x² + cos y
/// assert_eq!(f.hvp(&[3.0, 0.0], &[1.0, 0.0])?, [0.0, 6.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
///
/// An input on the other side of a comparison:
///
/// ```
/// use wengert_autograd::scalar::Compiled;
/// let mut f = Compiled::record(&[1.0], |x| if x[0] > 0.0 { x[0] * 2.0 } else { -x[0] })?;
/// assert_eq!(f.value(&[3.0])?, 6.0);
/// let error = f.value(&[-3.0]).unwrap_err().to_string();
/// assert!(error.starts_with("this input takes the other branch of the comparison at "), "{error}");
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub struct Compiled<T: Element = f64> {
    engine: Engine<T>,
    closure: Option<Closure<T>>,
}

impl<T: Element> std::fmt::Debug for Compiled<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [operations, ..] = self.engine.size();
        f.debug_struct("Compiled")
            .field("inputs", &self.engine.inputs)
            .field("outputs", &self.engine.outputs)
            .field("operations", &operations)
            .finish_non_exhaustive()
    }
}

impl<T: Element> Compiled<T> {
    /// Records a function at `x0`. It returns one number or a `Vec` or array of them.
    ///
    /// # Errors
    /// Where numbers of two recordings met in one operation.
    pub fn record<O: Outputs<T>>(x0: &[T], function: impl FnOnce(&[Traced<T>]) -> O) -> Result<Self> {
        let (graph, outputs) = traced::record(x0, |x| function(x).numbers())?;
        Ok(Compiled { engine: Engine::new(graph, x0.len(), &outputs), closure: None })
    }

    /// Records `y = f(x, d)`, of which derivatives are wanted by the variables `x` only: none are computed by the data `d`,
    /// and none have a place. The inputs of a replay are the variables, then the data.
    ///
    /// ```
    /// use wengert_autograd::scalar::Compiled;
    /// let mut f = Compiled::record_with_data(&[1.0], &[1.0, 1.0], |x, d| (d[0] * x[0]).exp() * d[1])?;
    /// let mut g = [0.0];                                        // d₀ d₁ e^(d₀ x)
    /// assert_eq!(f.value_and_gradient(&[0.0, /**/ 2.0, 5.0], &mut g)?, 5.0);
    /// assert_eq!(g, [10.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Compiled::record`].
    pub fn record_with_data<O: Outputs<T>>(
        x0: &[T],
        data0: &[T],
        function: impl FnOnce(&[Traced<T>], &[Traced<T>]) -> O,
    ) -> Result<Self> {
        let variables = x0.len();
        let (graph, outputs) = traced::record(&[x0, data0].concat(), |x| {
            let (x, data) = x.split_at(variables);
            function(x, data).numbers()
        })?;
        Ok(Compiled { engine: Engine::new(graph, variables, &outputs), closure: None })
    }

    /// [`Compiled::record`] that keeps the closure and runs it again wherever an input takes another branch. That input's
    /// recording then replaces the former one.
    ///
    /// ```
    /// use wengert_autograd::scalar::Compiled;
    /// let mut f = Compiled::rerecording(&[1.0], |x| if x[0] > 0.0 { x[0] * 2.0 } else { -x[0] })?;
    /// let mut g = [0.0];
    /// assert_eq!(f.value_and_gradient(&[-3.0], &mut g)?, 3.0);
    /// assert_eq!(g, [-1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Compiled::record`].
    pub fn rerecording<O: Outputs<T>>(
        x0: &[T],
        function: impl Fn(&[Traced<T>]) -> O + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::kept(x0, x0.len(), Box::new(move |x| function(x).numbers()))
    }

    /// [`Compiled::rerecording`] for `y = f(x, d)`, with derivatives by `x` only; see [`Compiled::record_with_data`].
    ///
    /// ```
    /// use wengert_autograd::scalar::Compiled;
    /// let mut f = Compiled::rerecording_with_data(&[1.0], &[1.0], |x, d| if d[0] > 0.0 { x[0] * d[0] } else { -x[0] })?;
    /// let mut g = [0.0];
    /// assert_eq!(f.value_and_gradient(&[3.0, -1.0], &mut g)?, -3.0);
    /// assert_eq!(g, [-1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Compiled::record`].
    pub fn rerecording_with_data<O: Outputs<T>>(
        x0: &[T],
        data0: &[T],
        function: impl Fn(&[Traced<T>], &[Traced<T>]) -> O + Send + Sync + 'static,
    ) -> Result<Self> {
        let variables = x0.len();
        let closure = move |x: &[Traced<T>]| function(&x[..variables], &x[variables..]).numbers();
        Self::kept(&[x0, data0].concat(), variables, Box::new(closure))
    }

    fn kept(inputs: &[T], variables: usize, closure: Closure<T>) -> Result<Self> {
        let (graph, outputs) = traced::record(inputs, &closure)?;
        Ok(Compiled { engine: Engine::new(graph, variables, &outputs), closure: Some(closure) })
    }

    /// How many inputs the function has.
    pub fn inputs(&self) -> usize {
        self.engine.inputs
    }

    /// How many of the inputs derivatives are by: all, unless some were declared data.
    pub fn variables(&self) -> usize {
        self.engine.variables
    }

    /// How many outputs it has.
    pub fn outputs(&self) -> usize {
        self.engine.outputs
    }

    /// How many operations a replay runs, after simplifying.
    pub fn operations(&self) -> usize {
        self.engine.size()[0]
    }

    /// Numbers that a replay keeps: for values alone, where places are used again as soon as nothing needs their value,
    /// and for gradients.
    pub fn places(&self) -> (usize, usize) {
        let [_, values, gradient] = self.engine.size();
        (values, gradient)
    }

    /// Runs a task; where the input takes another branch and the closure is there, records again at `x` first.
    fn replay<R>(&mut self, x: &[T], mut task: impl FnMut(&mut Engine<T>) -> Result<R>) -> Result<R> {
        match (task(&mut self.engine), &self.closure) {
            (Err(error), Some(closure)) if error.kind() == ErrorKind::Branch => {
                let (graph, outputs) = traced::record(x, closure)?;
                self.engine = Engine::new(graph, self.engine.variables, &outputs);
                task(&mut self.engine)
            }
            (result, _) => result,
        }
    }

    fn single(&self, what: &str) -> Result<()> {
        match self.engine.outputs {
            1 => Ok(()),
            outputs => Err(Error::new(ErrorKind::Gradient, format!("{what} of a function of {outputs} outputs"))
                .hint("take the Jacobian, or return one number")),
        }
    }

    /// `f(x)`, of a function of one output.
    ///
    /// # Errors
    /// On a wrong number of inputs, another branch, or several outputs.
    pub fn value(&mut self, x: &[T]) -> Result<T> {
        self.single("the value")?;
        let mut y = [T::ZERO];
        self.values(x, &mut y)?;
        Ok(y[0])
    }

    /// `f(x)` into `y`, which has the length of the outputs.
    ///
    /// # Errors
    /// On wrong lengths or another branch.
    pub fn values(&mut self, x: &[T], y: &mut [T]) -> Result<()> {
        self.replay(x, |engine| engine.values(x, y))
    }

    /// `∇f(x)` into `g`, of a function of one output.
    ///
    /// # Errors
    /// On wrong lengths, another branch, or several outputs.
    pub fn gradient(&mut self, x: &[T], g: &mut [T]) -> Result<()> {
        self.value_and_gradient(x, g).map(drop)
    }

    /// `f(x)`, and `∇f(x)` into `g`.
    ///
    /// # Errors
    /// As for [`Compiled::gradient`].
    pub fn value_and_gradient(&mut self, x: &[T], g: &mut [T]) -> Result<T> {
        self.single("the gradient")?;
        let mut value = T::ZERO;
        self.replay(x, |engine| engine.pull(x, &[T::ONE], g, |_, y| value = y))?;
        Ok(value)
    }

    /// `wᵀ J(x)` into `g`: the gradient of the outputs weighted with `w`.
    ///
    /// # Errors
    /// On wrong lengths or another branch.
    pub fn vjp(&mut self, x: &[T], w: &[T], g: &mut [T]) -> Result<()> {
        self.replay(x, |engine| engine.pull(x, w, g, |_, _| ()))
    }

    /// `Jᵢⱼ = ∂yᵢ/∂xⱼ`, a row for each output.
    ///
    /// ```
    /// use wengert_autograd::scalar::Compiled;
    /// let mut f = Compiled::record(&[1.0, 1.0], |x| vec![x[0] * x[1], x[0] + 1.0])?;
    /// let j = f.jacobian(&[2.0, 5.0])?;
    /// assert_eq!(j, ndarray::array![[5.0, 2.0], [1.0, 0.0]]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// On a wrong number of inputs or another branch.
    pub fn jacobian(&mut self, x: &[T]) -> Result<Array2<T>> {
        let mut jacobian = vec![T::ZERO; self.variables() * self.outputs()];
        self.jacobian_into(x, &mut jacobian)?;
        matrix(self.outputs(), self.variables(), jacobian)
    }

    /// The Jacobian, row by row, into a slice: backwards in lanes of 8 outputs, or forwards in lanes of up to 32 inputs
    /// where the inputs are fewer.
    ///
    /// # Errors
    /// On wrong lengths or another branch.
    pub fn jacobian_into(&mut self, x: &[T], jacobian: &mut [T]) -> Result<()> {
        self.replay(x, |engine| engine.jacobian(x, jacobian))
    }

    /// `Hᵢⱼ = ∂²f/∂xᵢ∂xⱼ`, of a function of one output: the backward sweep in dual numbers, 8 columns at once.
    ///
    /// ```
    /// use wengert_autograd::scalar::Compiled;
    /// let mut f = Compiled::record(&[1.0, 1.0], |x| x[0] * x[0] * x[1])?;
    /// assert_eq!(f.hessian(&[3.0, 5.0])?, ndarray::array![[10.0, 6.0], [6.0, 0.0]]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// On a wrong number of inputs, another branch, or several outputs.
    pub fn hessian(&mut self, x: &[T]) -> Result<Array2<T>> {
        let mut hessian = vec![T::ZERO; self.variables() * self.variables()];
        self.hessian_into(x, &mut hessian)?;
        matrix(self.variables(), self.variables(), hessian)
    }

    /// The Hessian, row by row, into a slice.
    ///
    /// # Errors
    /// On wrong lengths, another branch, or several outputs.
    pub fn hessian_into(&mut self, x: &[T], hessian: &mut [T]) -> Result<()> {
        self.single("the Hessian")?;
        self.replay(x, |engine| engine.hessian(x, hessian))
    }

    /// `H(x) v`, for about twice the price of a gradient.
    ///
    /// # Errors
    /// On wrong lengths, another branch, or several outputs.
    pub fn hvp(&mut self, x: &[T], v: &[T]) -> Result<Vec<T>> {
        let mut product = vec![T::ZERO; self.variables()];
        self.hvp_into(x, v, &mut product)?;
        Ok(product)
    }

    /// `H(x) v` into a slice.
    ///
    /// # Errors
    /// As for [`Compiled::hvp`].
    pub fn hvp_into(&mut self, x: &[T], v: &[T], product: &mut [T]) -> Result<()> {
        self.single("the Hessian")?;
        self.replay(x, |engine| engine.hvp(x, v, product))
    }
}

fn matrix<T: Element>(rows: usize, columns: usize, values: Vec<T>) -> Result<Array2<T>> {
    Array2::from_shape_vec((rows, columns), values)
        .map_err(|error| Error::new(ErrorKind::Shape, "the derivatives don't form a matrix").caused_by(error))
}
