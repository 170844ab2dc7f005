//! Gradient descent with momentum.

use wengert_autograd::kernels::dispatch::{self, Kernel};
use wengert_autograd::{Element, Gradients, Module, Result, StateDict};

use crate::core::{Core, Parts, Rule, not_negative, out_of_range};
use crate::{Optimizer, implement_optimizer};

/// Stochastic gradient descent, with momentum where it is asked for.
///
/// With the gradient `g`, the learning rate `lr`, momentum `m` and dampening `d`:
///
/// ```text
/// g ← g + weight_decay · p
/// b ← g in the first step, m b + (1 − d) g later        only where m ≠ 0
/// p ← p − lr · (b, or with Nesterov g + m b)
/// ```
///
/// Defaults, those of PyTorch: momentum 0, dampening 0, weight decay 0, no Nesterov, not maximising. As there,
/// dampening does not touch the first step.
///
/// Sources: Robbins and Monro, "A stochastic approximation method", 1951; Polyak, "Some methods of speeding up the
/// convergence of iteration methods", 1964; Sutskever and others, "On the importance of initialization and momentum in
/// deep learning", 2013.
///
/// ```
/// use wengert_autograd::{Param, Tape, Tensor};
/// use wengert_optim::{Optimizer, Sgd};
/// let mut p = Param::new(Tensor::from([1.0]));
/// let mut optimizer = Sgd::new(0.1).momentum(0.9);
/// for expected in [0.8, 0.46f64] {                          // b = 2, then 0.9 * 2 + 1.6 = 3.4
///     let tape = Tape::new();
///     let grads = tape.param(&p).square().sum().backward()?;
///     optimizer.step(&mut p, &grads)?;
///     assert!((p.value().item()? - expected).abs() < 1e-15);
/// }
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sgd<T: Element = f32> {
    core: Core<T>,
    rule: SgdRule,
}

#[derive(Clone, Debug, Default)]
struct SgdRule {
    momentum: f64,
    dampening: f64,
    weight_decay: f64,
    nesterov: bool,
    maximize: bool,
}

impl<T: Element> Sgd<T> {
    /// Plain gradient descent.
    pub fn new(learning_rate: f64) -> Self {
        Sgd { core: Core::new(learning_rate), rule: SgdRule::default() }
    }

    /// The share of the last step that is kept. Default 0.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.rule.momentum = momentum;
        self
    }

    /// The share of the gradient that does not enter the momentum. Default 0.
    pub fn dampening(mut self, dampening: f64) -> Self {
        self.rule.dampening = dampening;
        self
    }

    /// The factor of the parameter that is added to its gradient. Default 0.
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.rule.weight_decay = weight_decay;
        self
    }

    /// Nesterov's momentum, which needs a momentum and no dampening. Default false.
    pub fn nesterov(mut self, nesterov: bool) -> Self {
        self.rule.nesterov = nesterov;
        self
    }

    /// Whether to climb instead of to descend. Default false.
    pub fn maximize(mut self, maximize: bool) -> Self {
        self.rule.maximize = maximize;
        self
    }
}

implement_optimizer!(Sgd);

impl<T: Element> Rule<T> for SgdRule {
    type Numbers = Numbers<T>;

    fn moments(&self) -> &'static [&'static str] {
        match self.momentum == 0.0 {
            true => &[],
            false => &["momentum_buffer"],
        }
    }

    fn check(&self) -> Result<()> {
        not_negative("momentum", self.momentum)?;
        not_negative("weight_decay", self.weight_decay)?;
        if !self.dampening.is_finite() {
            return Err(out_of_range("dampening", self.dampening, "a finite number"));
        }
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            return Err(out_of_range("momentum", self.momentum, "above 0, and dampening 0, for Nesterov's momentum"));
        }
        Ok(())
    }

    fn numbers(&self, learning_rate: f64, _: u64, fresh: bool) -> Numbers<T> {
        Numbers {
            rate: T::of(learning_rate),
            momentum: T::of(self.momentum),
            fresh: T::of(1.0 - self.dampening),
            decay: T::of(self.weight_decay),
            first: fresh,
            plain: self.momentum == 0.0,
            nesterov: self.nesterov,
            maximize: self.maximize,
        }
    }

    fn update(numbers: Numbers<T>, [values, buffer, ..]: Parts<'_, T>, gradient: &[T]) {
        match numbers.plain {
            true => dispatch::run(Plain { values, gradient, numbers }),
            false => dispatch::run(Momentum { values, buffer, gradient, numbers }),
        }
    }
}

/// The options as the loops need them.
#[derive(Clone, Copy)]
pub(crate) struct Numbers<T> {
    rate: T,
    momentum: T,
    fresh: T,
    decay: T,
    first: bool,
    plain: bool,
    nesterov: bool,
    maximize: bool,
}

impl<T: Element> Numbers<T> {
    #[inline(always)]
    fn gradient(&self, gradient: T, value: T) -> T {
        let gradient = if self.maximize { -gradient } else { gradient };
        if self.decay == T::of(0.0) { gradient } else { gradient + self.decay * value }
    }
}

struct Plain<'a, T> {
    values: &'a mut [T],
    gradient: &'a [T],
    numbers: Numbers<T>,
}

impl<T: Element> Kernel for Plain<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let numbers = self.numbers;
        for (value, &gradient) in self.values.iter_mut().zip(self.gradient) {
            *value = *value - numbers.rate * numbers.gradient(gradient, *value);
        }
    }
}

struct Momentum<'a, T> {
    values: &'a mut [T],
    buffer: &'a mut [T],
    gradient: &'a [T],
    numbers: Numbers<T>,
}

impl<T: Element> Kernel for Momentum<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let numbers = self.numbers;
        for ((value, buffer), &gradient) in self.values.iter_mut().zip(self.buffer).zip(self.gradient) {
            let gradient = numbers.gradient(gradient, *value);
            let later = numbers.momentum * *buffer + numbers.fresh * gradient;
            *buffer = if numbers.first { gradient } else { later };
            let step = if numbers.nesterov { gradient + numbers.momentum * *buffer } else { *buffer };
            *value = *value - numbers.rate * step;
        }
    }
}
