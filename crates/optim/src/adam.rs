//! Adam, with the weight decay in the gradient or beside it.

use wengert_autograd::kernels::dispatch::{self, Kernel};
use wengert_autograd::{Element, Gradients, Module, Result, StateDict};

use crate::core::{Core, Parts, Rule, not_negative, out_of_range};
use crate::{Optimizer, implement_optimizer};

/// Adam: steps scaled by running means of the gradient and of its square.
///
/// In step `t`, with the gradient `g` and the learning rate `lr`:
///
/// ```text
/// g ← g + weight_decay · p
/// m ← β₁ m + (1 − β₁) g
/// v ← β₂ v + (1 − β₂) g²
/// p ← p − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)
/// ```
///
/// Defaults, those of PyTorch: betas 0.9 and 0.999, ε 1e-8 (added after the correction), weight decay 0 (part of the
/// gradient), no AMSGrad, not maximising. Each parameter counts its own steps.
///
/// Sources: Kingma and Ba, "Adam: a method for stochastic optimization", 2015; AMSGrad: Reddi, Kale and Kumar, "On the
/// convergence of Adam and beyond", 2018.
///
/// ```
/// use wengert_autograd::{Param, Tape, Tensor};
/// use wengert_optim::{Adam, Optimizer};
/// let mut p = Param::new(Tensor::from([2.0, -3.0]));
/// let mut optimizer = Adam::new(0.1);
/// let tape = Tape::new();
/// let grads = tape.param(&p).square().sum().backward()?;
/// optimizer.step(&mut p, &grads)?;                         // the first step has the length lr in every direction
/// assert!((p.value().as_slice()[0] - 1.9f64).abs() < 1e-8);
/// assert!((p.value().as_slice()[1] + 2.9f64).abs() < 1e-8);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Adam<T: Element = f32> {
    core: Core<T>,
    rule: AdamRule,
}

/// Adam with decoupled weight decay: the parameter shrinks by itself, whatever its gradient.
///
/// ```text
/// p ← p · (1 − lr · weight_decay)
/// ```
///
/// comes before the step of [`Adam`], which then has no decay in the gradient. Defaults, those of PyTorch: weight decay
/// 0.01, all else as in [`Adam`].
///
/// Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.
///
/// ```
/// use wengert_autograd::{Param, Tape, Tensor};
/// use wengert_optim::{AdamW, Optimizer};
/// let mut p = Param::new(Tensor::from([2.0]));
/// let tape = Tape::new();
/// let grads = (tape.param(&p) * 0.0).sum().backward()?;    // no gradient to speak of: the decay alone
/// AdamW::new(0.1).step(&mut p, &grads)?;
/// assert!((p.value().item()? - 2.0 * (1.0 - 0.1 * 0.01f64)).abs() < 1e-15);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AdamW<T: Element = f32> {
    core: Core<T>,
    rule: AdamRule,
}

#[derive(Clone, Debug)]
struct AdamRule {
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    decoupled: bool,
    amsgrad: bool,
    maximize: bool,
}

impl AdamRule {
    fn new(weight_decay: f64, decoupled: bool) -> Self {
        AdamRule { betas: (0.9, 0.999), eps: 1e-8, weight_decay, decoupled, amsgrad: false, maximize: false }
    }
}

macro_rules! options {
    ($name:ident, $decay:literal, $decoupled:literal, $decay_doc:literal) => {
        impl<T: Element> $name<T> {
            /// The rule with its defaults.
            pub fn new(learning_rate: f64) -> Self {
                $name { core: Core::new(learning_rate), rule: AdamRule::new($decay, $decoupled) }
            }

            /// How much of the running means of the gradient and of its square is kept. Default 0.9 and 0.999.
            pub fn betas(mut self, first: f64, second: f64) -> Self {
                self.rule.betas = (first, second);
                self
            }

            /// What is added to the root of the mean square. Default 1e-8.
            pub fn eps(mut self, eps: f64) -> Self {
                self.rule.eps = eps;
                self
            }

            #[doc = $decay_doc]
            pub fn weight_decay(mut self, weight_decay: f64) -> Self {
                self.rule.weight_decay = weight_decay;
                self
            }

            /// Whether to divide by the largest mean square so far instead of the present one. Default false.
            pub fn amsgrad(mut self, amsgrad: bool) -> Self {
                self.rule.amsgrad = amsgrad;
                self
            }

            /// Whether to climb instead of to descend. Default false.
            pub fn maximize(mut self, maximize: bool) -> Self {
                self.rule.maximize = maximize;
                self
            }
        }

        implement_optimizer!($name);
    };
}
options!(Adam, 0.0, false, "The factor of the parameter that is added to its gradient. Default 0.");
options!(AdamW, 0.01, true, "How fast a parameter shrinks by itself, as a factor of the learning rate. Default 0.01.");

impl<T: Element> Rule<T> for AdamRule {
    type Numbers = Numbers<T>;

    fn moments(&self) -> &'static [&'static str] {
        match self.amsgrad {
            false => &["exp_avg", "exp_avg_sq"],
            true => &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
        }
    }

    fn check(&self) -> Result<()> {
        not_negative("eps", self.eps)?;
        not_negative("weight_decay", self.weight_decay)?;
        match [self.betas.0, self.betas.1].into_iter().find(|beta| !(0.0..1.0).contains(beta)) {
            Some(beta) => Err(out_of_range("a beta", beta, "at least 0 and below 1")),
            None => Ok(()),
        }
    }

    fn numbers(&self, learning_rate: f64, steps: u64, _: bool) -> Numbers<T> {
        let correction = |beta: f64| 1.0 - beta.powf(steps as f64);
        let (first, second) = self.betas;
        let coupled = if self.decoupled { 0.0 } else { self.weight_decay };
        Numbers {
            shrink: T::of(if self.decoupled { 1.0 - learning_rate * self.weight_decay } else { 1.0 }),
            decay: T::of(coupled),
            first: T::of(1.0 - first),
            kept: T::of(second),
            second: T::of(1.0 - second),
            root: T::of(correction(second).sqrt()),
            eps: T::of(self.eps),
            step: T::of(learning_rate / correction(first)),
            amsgrad: self.amsgrad,
            maximize: self.maximize,
        }
    }

    fn update(numbers: Numbers<T>, [values, mean, square, largest]: Parts<'_, T>, gradient: &[T]) {
        let update = Update { values, mean, square, gradient, numbers };
        match numbers.amsgrad {
            false => dispatch::run(update),
            true => dispatch::run(UpdateLargest { largest, update }),
        }
    }
}

/// The options as the loops need them.
#[derive(Clone, Copy)]
pub(crate) struct Numbers<T> {
    shrink: T,
    decay: T,
    /// `1 − β₁`
    first: T,
    /// `β₂`
    kept: T,
    /// `1 − β₂`
    second: T,
    /// `√(1 − β₂ᵗ)`
    root: T,
    eps: T,
    /// `lr / (1 − β₁ᵗ)`
    step: T,
    amsgrad: bool,
    maximize: bool,
}

impl<T: Element> Numbers<T> {
    /// The means with this gradient in them.
    #[inline(always)]
    fn means(&self, value: T, gradient: T, mean: T, square: T) -> (T, T) {
        let gradient = if self.maximize { -gradient } else { gradient };
        let gradient = if self.decay == T::of(0.0) { gradient } else { gradient + self.decay * value };
        // The side that is nearer keeps its digits.
        let mean = match self.first < T::of(0.5) {
            true => mean + self.first * (gradient - mean),
            false => gradient - (gradient - mean) * (T::of(1.0) - self.first),
        };
        (mean, square * self.kept + self.second * gradient * gradient)
    }

    /// The value after the step.
    #[inline(always)]
    fn stepped(&self, value: T, mean: T, square: T) -> T {
        value * self.shrink - self.step * mean / (square.sqrt() / self.root + self.eps)
    }
}

struct Update<'a, T> {
    values: &'a mut [T],
    mean: &'a mut [T],
    square: &'a mut [T],
    gradient: &'a [T],
    numbers: Numbers<T>,
}

impl<T: Element> Kernel for Update<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let numbers = self.numbers;
        let means = self.mean.iter_mut().zip(self.square);
        for ((value, (mean, square)), &gradient) in self.values.iter_mut().zip(means).zip(self.gradient) {
            (*mean, *square) = numbers.means(*value * numbers.shrink, gradient, *mean, *square);
            *value = numbers.stepped(*value, *mean, *square);
        }
    }
}

struct UpdateLargest<'a, T> {
    largest: &'a mut [T],
    update: Update<'a, T>,
}

impl<T: Element> Kernel for UpdateLargest<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (numbers, update) = (self.update.numbers, self.update);
        let means = update.mean.iter_mut().zip(update.square).zip(self.largest);
        for ((value, ((mean, square), largest)), &gradient) in update.values.iter_mut().zip(means).zip(update.gradient)
        {
            (*mean, *square) = numbers.means(*value * numbers.shrink, gradient, *mean, *square);
            *largest = (*largest).max(*square);
            *value = numbers.stepped(*value, *mean, *largest);
        }
    }
}
