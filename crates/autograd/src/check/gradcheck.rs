//! The gradient check of a function of tensors.

use std::sync::Arc;

use super::blame;
use super::checker::{Checker, Settings};
use super::judge::Tolerance;
use super::line::Steps;
use super::report::GradReport;
use super::subject::{Function, Subject};
use crate::{Element, Result, Tensor, Var};

/// Checks the first derivatives of a function of several tensors against differences, element by element, in f64.
///
/// The function may have an output of any shape. Inputs of f32 are checked at the same points in f64. See [`GradCheck`]
/// for tolerances, further orders and what counts as agreement.
///
/// # Errors
/// Mistakes of the function itself, a panic among them; and [`ErrorKind::Check`](crate::ErrorKind::Check) where the
/// gradient is not proved: the text names the op to blame, the input, the element and both numbers.
///
/// ```
/// use wengert_autograd::{Real, Tensor};
/// use wengert_autograd::check::gradcheck;
/// let x = Tensor::from([0.3f32, -0.7]);
/// gradcheck(|x| x[0].map(|v| v.tanh() * v), &[x.clone()])?;
///
/// // detach() hides the second factor, so the tape says x and the differences say 2 x.
/// let error = gradcheck(|x| x[0] * x[0].detach(), &[x]).unwrap_err();
/// assert!(error.to_string().contains("the gradient stops at detach() at "));
/// assert!(error.to_string().contains("input 0, element [1], output 1"));
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub fn gradcheck<T: Element>(
    function: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>,
    inputs: &[Tensor<T>],
) -> Result<GradReport> {
    GradCheck::new().run(function, inputs)
}

/// A gradient check with its tolerances.
///
/// The numeric derivative is Ridders' extrapolation of central differences, with its own error estimate; the two agree
/// where `|analytic - numeric| <= atol + rtol |numeric| + error`. An estimate counts only if its error is at most
/// `1e-5 + 1e-4 |numeric|` (f32: `1e-3 + 2e-2 |numeric|`) and 1000 tolerances, or within the tolerance: else the verdict
/// is [`Unresolved`](super::Verdict::Unresolved). The slopes to both sides are
/// extrapolated too: where they differ, smaller steps are taken down to rounding, so that a kink beside the point is
/// stepped around; at a kink any number between the slopes is right.
///
/// | option | here | PyTorch's `gradcheck` |
/// |---|---|---|
/// | largest step | 0.05, falling by halves to rounding where needed | 1e-6, the only one |
/// | `atol` | 1e-8 (f32: 1e-4) | 1e-5 |
/// | `rtol` | 1e-7 (f32: 2e-3) | 1e-3 |
/// | `nondeterminism` | 0 | 0 |
/// | `fast` | off | off |
/// | `forward` | off | off |
///
/// The tolerances are tighter because the differences are: about 1e-14 instead of 1e-10.
///
/// ```
/// use wengert_autograd::Tensor;
/// use wengert_autograd::check::GradCheck;
/// let report = GradCheck::new().order(2).rtol(1e-8).run(|x| x[0].tanh().sum(), &[Tensor::from([0.5, 1.5])])?;
/// assert!(report.comparisons.iter().any(|comparison| comparison.order == 2));
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradCheck {
    order: usize,
    atol: Option<f64>,
    rtol: Option<f64>,
    step: f64,
    seed: u64,
    fast: bool,
    forward: bool,
    pub(super) elements: Option<usize>,
    nondeterminism: f64,
    pub(super) training: Option<u64>,
    pub(super) allow_unreached: bool,
}

impl Default for GradCheck {
    fn default() -> Self {
        GradCheck {
            order: 1,
            atol: None,
            rtol: None,
            step: 0.05,
            seed: 1,
            fast: false,
            forward: false,
            elements: None,
            nondeterminism: 0.0,
            training: None,
            allow_unreached: false,
        }
    }
}

impl GradCheck {
    /// First order, all elements, `atol` 1e-8, `rtol` 1e-7.
    pub fn new() -> Self {
        GradCheck::default()
    }

    /// Checks derivatives up to this order: those beyond the first of a weighted sum of the outputs. Differences are
    /// those of the gradient one order below, never differences of differences.
    pub fn order(self, order: usize) -> Self {
        GradCheck { order: order.max(1), ..self }
    }

    /// The absolute tolerance.
    pub fn atol(self, atol: f64) -> Self {
        GradCheck { atol: Some(atol), ..self }
    }

    /// The tolerance relative to the numeric derivative.
    pub fn rtol(self, rtol: f64) -> Self {
        GradCheck { rtol: Some(rtol), ..self }
    }

    /// The largest step of the differences, for a point of magnitude up to 1; in proportion to the magnitude beyond.
    pub fn step(self, step: f64) -> Self {
        let step = if step.is_finite() { step.abs().clamp(1e-12, 1e12) } else { 0.05 };
        GradCheck { step, ..self }
    }

    /// The same as [`step`](GradCheck::step).
    pub fn eps(self, eps: f64) -> Self {
        self.step(eps)
    }

    /// The seed of the random weights, directions and samples.
    pub fn seed(self, seed: u64) -> Self {
        GradCheck { seed, ..self }
    }

    /// Compares one random weighted sum of the outputs along one random direction of each input, instead of every
    /// element of the Jacobian. Where that does not pass, every element is compared to explain it.
    pub fn fast(self, fast: bool) -> Self {
        GradCheck { fast, ..self }
    }

    /// Checks forward mode too: the Jacobian-vector product `J v` along a random direction of each input, against
    /// differences, and against the pullback by `<u, J v> = <Jᵀu, v>`, which needs no step and holds to the last digits.
    ///
    /// ```
    /// use wengert_autograd::Tensor;
    /// use wengert_autograd::check::{GradCheck, Mode};
    /// let report = GradCheck::new().forward(true).run(|x| x[0].matmul(x[1]), &[Tensor::eye(2), Tensor::from([1.0, 2.0])])?;
    /// let modes = report.comparisons.iter().filter(|comparison| comparison.mode == Mode::Transposed);
    /// assert_eq!(modes.count(), 2);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn forward(self, forward: bool) -> Self {
        GradCheck { forward, ..self }
    }

    /// Compares at most so many elements of each input, drawn with the seed. The report says which inputs were not
    /// compared in full.
    pub fn elements(self, most: usize) -> Self {
        GradCheck { elements: Some(most.max(1)), ..self }
    }

    /// How far two evaluations at the same point may differ; 0 unless set.
    pub fn nondeterminism(self, tolerance: f64) -> Self {
        GradCheck { nondeterminism: tolerance, ..self }
    }

    /// For [`module`](GradCheck::module): records on a training tape with this seed, the same for every evaluation.
    pub fn training(self, seed: u64) -> Self {
        GradCheck { training: Some(seed), ..self }
    }

    /// For [`module`](GradCheck::module): a trained parameter that the loss does not reach is no failure.
    pub fn allow_unreached(self, allow: bool) -> Self {
        GradCheck { allow_unreached: allow, ..self }
    }

    /// Checks, and returns the report, or its text as an error where the gradient is not proved.
    ///
    /// # Errors
    /// As [`gradcheck`].
    pub fn run<T: Element>(
        &self,
        function: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>,
        inputs: &[Tensor<T>],
    ) -> Result<GradReport> {
        self.report(function, inputs)?.into_result()
    }

    /// Checks, and returns the report whatever it says.
    ///
    /// # Errors
    /// Mistakes of the function itself at the point: what its tape keeps, a panic, another number of outputs each time,
    /// an op without a pullback.
    ///
    /// ```
    /// use wengert_autograd::Tensor;
    /// use wengert_autograd::check::GradCheck;
    /// let report = GradCheck::new().report(|x| x[0].detach() * x[0], &[Tensor::from([3.0])])?;
    /// let failure = report.failures().next().unwrap();
    /// assert_eq!(failure.analytic, 3.0);
    /// assert!((failure.numeric - 6.0).abs() < 1e-10);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn report<T: Element>(
        &self,
        function: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>,
        inputs: &[Tensor<T>],
    ) -> Result<GradReport> {
        let inputs: Vec<Tensor<f64>> = inputs.iter().map(|input| input.cast()).collect();
        let names: Vec<Arc<str>> = (0..inputs.len()).map(|input| format!("input {input}").into()).collect();
        self.check_double(&Function(function), &inputs, &names)
    }

    /// Compiled once, however many functions are checked.
    fn check_double(
        &self,
        subject: &dyn Subject<f64>,
        values: &[Tensor<f64>],
        names: &[Arc<str>],
    ) -> Result<GradReport> {
        self.check(subject, values, names)
    }

    /// Checks a subject at a point, and looks for the op to blame.
    pub(super) fn check<T: Element>(
        &self,
        subject: &dyn Subject<T>,
        values: &[Tensor<T>],
        names: &[Arc<str>],
    ) -> Result<GradReport> {
        let checker = Checker { settings: self.settings::<T>(), subject, values, names };
        let mut report = GradReport::default();
        for order in 1..=self.order {
            checker.check(order, &mut report)?;
        }
        report.blame = blame::find(&checker, &report);
        Ok(report)
    }

    /// The same along one random direction of each input only, added to a report of elements.
    pub(super) fn along<T: Element>(
        &self,
        subject: &dyn Subject<T>,
        values: &[Tensor<T>],
        names: &[Arc<str>],
        report: &mut GradReport,
    ) -> Result<()> {
        let settings = Settings { fast: true, only_fast: true, forward: false, ..self.settings::<T>() };
        let checker = Checker { settings, subject, values, names };
        for order in 1..=self.order {
            checker.check(order, report)?;
        }
        if report.blame.is_none() {
            report.blame = blame::find(&checker, report);
        }
        Ok(())
    }

    pub(super) fn settings<T: Element>(&self) -> Settings {
        let single = size_of::<T>() < size_of::<f64>();
        let (atol, rtol) = if single { (1e-4, 2e-3) } else { (1e-8, 1e-7) };
        let loosest = if single { (1e-3, 2e-2) } else { (1e-5, 1e-4) };
        let tolerance = Tolerance { absolute: self.atol.unwrap_or(atol), relative: self.rtol.unwrap_or(rtol), loosest };
        let epsilon = if single { f64::from(f32::EPSILON) } else { f64::EPSILON };
        Settings {
            tolerance,
            steps: Steps { largest: self.step, epsilon, window: 6 },
            seed: self.seed,
            fast: self.fast,
            only_fast: false,
            forward: self.forward,
            elements: self.elements,
            contract: false,
            nondeterminism: self.nondeterminism,
        }
    }
}
