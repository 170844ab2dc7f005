//! Random numbers as ops without inputs. The seed is the tape's and no part of an op, so a step with another seed has
//! the same structure.

use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::kernels::philox;
use crate::tape::Tape;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// What the numbers are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Hash)]
enum Distribution {
    Uniform,
    Normal,
    /// The bits of the probability of 1, as an f64.
    Bernoulli(u64),
}

/// Numbers of a stream of the tape's seed. Two draws differ in their stream, so they are never one node.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Draw {
    distribution: Distribution,
    shape: Shape,
    stream: u64,
}

impl<T: Element> Op<T> for Draw {
    fn name(&self) -> &str {
        match self.distribution {
            Distribution::Uniform => "rand_uniform",
            Distribution::Normal => "randn",
            Distribution::Bernoulli(_) => "bernoulli",
        }
    }

    fn formula(&self, _: &[String]) -> String {
        match self.distribution {
            Distribution::Uniform => format!("rand_uniform(draw {})", self.stream),
            Distribution::Normal => format!("randn(draw {})", self.stream),
            Distribution::Bernoulli(bits) => format!("bernoulli({}, draw {})", f64::from_bits(bits), self.stream),
        }
    }

    fn shape(&self, _: &[&Shape]) -> Result<Shape> {
        Ok(self.shape.clone())
    }

    fn run(&self, _: &[Operand<'_, T>], output: &mut [T], context: &Context<'_>) -> Result<()> {
        match self.distribution {
            Distribution::Uniform => philox::fill_uniform(context.seed, self.stream, output),
            Distribution::Normal => philox::fill_normal(context.seed, self.stream, output),
            Distribution::Bernoulli(bits) => {
                philox::fill_bernoulli(context.seed, self.stream, f64::from_bits(bits), output);
            }
        }
        Ok(())
    }

    fn pullback<'t>(&self, _: &Call<'t, T>) -> Pullback<'t, T> {
        Pullback::new([])
    }

    fn is_differentiable(&self) -> bool {
        false
    }
}

/// A probability, or the mistake of a number that is none.
fn probability(value: f64, op: &str) -> Result<f64> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(value),
        false => Err(Error::new(ErrorKind::Argument, format!("the probability is {value}"))
            .op(op)
            .hint("a probability lies between 0 and 1")),
    }
}

impl<T: Element> Tape<T> {
    #[track_caller]
    fn draw(&self, distribution: Distribution, shape: Shape) -> Var<'_, T> {
        let stream = self.next_draw();
        self.record_shared(Draw { distribution, shape, stream }, &[])
    }

    /// `yᵢ ~ U[0, 1)`: independent uniform numbers.
    ///
    /// They are multiples of 2⁻²⁴ (f32) or 2⁻⁵³ (f64), made by Philox4x32-10 (Salmon, Moraes, Dror and Shaw, *Parallel
    /// random numbers: as easy as 1, 2, 3*, 2011) from the tape's seed, which is 0 unless the tape is for training,
    /// and the number of draws recorded before: the same seed gives the same bits for any number of threads, and every
    /// call is a new draw. Not differentiable.
    ///
    /// # Errors
    /// Kept on the tape: a shape that is too large for memory.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let draw = |seed| Tape::<f64>::training(seed).rand_uniform([100]).value();
    /// assert_eq!(draw(7)?, draw(7)?);
    /// assert_ne!(draw(7)?, draw(8)?);
    /// assert!(draw(7)?.as_slice().iter().all(|value| (0.0..1.0).contains(value)));
    ///
    /// let tape = Tape::training(7);
    /// let x = tape.input(Tensor::zeros([100]));
    /// let [gx] = (tape.rand_uniform([100]) * x).sum().grad([x]);       // the numbers themselves
    /// assert_eq!(gx.value()?, draw(7)?);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn rand_uniform(&self, shape: impl Into<Shape>) -> Var<'_, T> {
        self.draw(Distribution::Uniform, shape.into())
    }

    /// `yᵢ ~ N(0, 1)`: independent normal numbers with mean 0 and variance 1, by the method of Box and Muller (1958).
    ///
    /// Seed, streams and errors are those of [`rand_uniform`](Tape::rand_uniform). Not differentiable.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// // The reparameterised draw z = m + s e of a variational autoencoder: dz/dm = 1, dz/ds = e.
    /// let tape = Tape::training(1);
    /// let (m, s) = (tape.input(Tensor::scalar(3.0)), tape.input(Tensor::scalar(0.5)));
    /// let e = tape.randn([]);
    /// let z = m + s * e;
    /// let [gm, gs] = z.grad([m, s]);
    /// assert_eq!((gm.item()?, gs.item()?), (1.0, e.item()?));
    /// assert_eq!(z.item()?, 3.0 + 0.5 * e.item()?);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn randn(&self, shape: impl Into<Shape>) -> Var<'_, T> {
        self.draw(Distribution::Normal, shape.into())
    }

    /// `yᵢ = 1` with a probability (to within 2⁻³²), else 0: independent masks.
    ///
    /// Seed and streams are those of [`rand_uniform`](Tape::rand_uniform); a mask is the same for f32 and f64. Not
    /// differentiable.
    ///
    /// # Errors
    /// Kept on the tape: a probability outside [0, 1]; a shape that is too large for memory.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::training(5);
    /// assert_eq!(tape.bernoulli([2], 1.0).value()?.as_slice(), [1.0, 1.0]);
    /// let x = tape.input(Tensor::from([2.0, 3.0]));
    /// let [gx] = (tape.bernoulli([2], 0.0) * x).sum().grad([x]);
    /// assert_eq!(gx.value()?.as_slice(), [0.0f64, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn bernoulli(&self, shape: impl Into<Shape>, probability: f64) -> Var<'_, T> {
        match self::probability(probability, "bernoulli") {
            Ok(probability) => self.draw(Distribution::Bernoulli(probability.to_bits()), shape.into()),
            Err(error) => self.fail(error),
        }
    }
}

impl<T: Element> Var<'_, T> {
    /// `yᵢ = xᵢ mᵢ / (1 - p)` with `mᵢ = 0` with probability `p`, else 1: on a training tape; elsewhere `y = x`.
    ///
    /// The expected value of `y` is `x` (*Dropout*, Srivastava and others, 2014, in the scaled form of PyTorch). Same
    /// shape as the operand. With `p = 1` all is zero. The mask depends on the tape's seed and the number of draws
    /// recorded before, as for [`rand_uniform`](Tape::rand_uniform); the gradient uses the same mask.
    ///
    /// # Errors
    /// Kept on the tape, whatever it is for: a probability outside [0, 1].
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let x0 = Tensor::from([1.0f64; 8]);
    /// let tape = Tape::training(3);
    /// let x = tape.input(&x0);
    /// let y = x.dropout(0.75);
    /// let [gx] = y.sum().grad([x]);
    /// assert!(y.value()?.as_slice().iter().all(|&value| value == 0.0 || value == 4.0));
    /// assert_eq!(gx.value()?, y.value()?);                             // m / (1 - p), as x is 1
    ///
    /// assert_eq!(Tape::new().input(&x0).dropout(0.75).value()?, x0);   // not in training
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn dropout(self, probability: f64) -> Self {
        if self.is_poisoned() {
            return self;
        }
        let keep = match self::probability(probability, "dropout") {
            Ok(probability) => 1.0 - probability,
            Err(error) => return self.tape.fail(error),
        };
        if !self.tape.is_training() || keep == 1.0 {
            return self;
        }
        // Where nothing is kept the mask alone is zero: 0 / 0 would not be.
        let scale = if keep == 0.0 { 0.0 } else { 1.0 / keep };
        self * (self.tape.bernoulli(self.shape(), keep) * T::of(scale))
    }
}
