//! The doctor: what is wrong with a gradient that was derived by hand, not only that it is.
//!
//! A gradient is held against the tape's and against differences. Where it is wrong, known mistakes are tried on the
//! tape, by breaking one rule or two and sweeping again: the derivative of an activation left out, a term of a sum
//! missing, a product not transposed, the gradient of another input, of another function, or after the update. Each may
//! come with a wrong sign, a constant factor that has a name (2, the number of examples, the learning rate), an added
//! weight decay, and a wrong shape. A mistake is named only if it gives the gradient exactly, on all elements; where two
//! explanations are as simple and as exact, both are named; and where none is, it is said so.
//!
//! ```
//! use wengert_autograd::Tensor;
//! use wengert_autograd::check::hand_gradient;
//! let (x, y) = (Tensor::from([[1.0], [2.0], [4.0], [3.0]]), Tensor::from([[1.0], [0.0], [5.0], [2.0]]));
//! let w = Tensor::from([[0.5, -1.0, 2.0]]);
//! // By hand: xᵀ (y - x w) / n, with n = 12. By the tape -2 xᵀ (y - x w) / n.
//! let mine = Tensor::from([[12.0, 57.0, -33.0].map(|sum: f64| sum / 12.0)]);
//! let verdict = hand_gradient(
//!     |w| (w.tape().constant(&y) - w.tape().constant(&x).matmul(w)).square().mean(),
//!     &w,
//!     &mine,
//! )?;
//! let text = verdict.to_string();
//! assert!(text.starts_with("your gradient is -1/2 of the gradient: the sign is flipped and the factor 2 is missing"));
//! # Ok::<(), wengert_autograd::Error>(())
//! ```

mod diagnosis;
mod evidence;
mod factor;
mod finding;
mod fit;
mod hypotheses;
mod problem;
mod reading;
mod words;

use self::evidence::Support;
use self::factor::Factors;
use self::fit::{Explanation, Fit, Tolerance, dot};
use self::hypotheses::{HYPOTHESES, Suspect};
use self::problem::{Problem, largest};
use self::reading::readings;
use crate::{Element, Error, ErrorKind, Result, Tensor, Var};
use diagnosis::position;
pub use diagnosis::{Diagnoses, Diagnosis};
pub use finding::{Finding, Place};

/// Compares the gradient `mine`, derived by hand, with that of a function of one tensor, and says what is wrong with it.
///
/// The function has a value of one element. Everything is computed in f64.
///
/// # Errors
/// Mistakes of the function itself: shapes that don't fit, a value of more than one element, a panic. Whatever is the
/// matter with the gradient is a [`Finding`], not an error.
///
/// ```
/// use wengert_autograd::Tensor;
/// use wengert_autograd::check::hand_gradient;
/// let x = Tensor::from([0.5, -1.0, 2.0]);
/// let right = x.map_values(|x: f64| 1.0 - x.tanh().powi(2));
/// assert!(hand_gradient(|x| x.tanh().sum(), &x, &right)?.is_right());
///
/// let wrong = hand_gradient(|x| x.tanh().sum(), &x, &Tensor::<f64>::ones([3]))?;
/// assert!(wrong.to_string().contains("the derivative of `tanh(x)` at "));
/// assert!(wrong.to_string().contains("is forgotten"));
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub fn hand_gradient<T: Element, U: Element>(
    function: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>,
    x: &Tensor<T>,
    mine: &Tensor<U>,
) -> Result<Diagnosis> {
    HandGradient::new().run_one(function, x, mine)
}

/// The same for a function of several tensors, with one gradient for each.
///
/// # Errors
/// As [`hand_gradient`]; and where the number of gradients isn't that of inputs.
///
/// ```
/// use wengert_autograd::Tensor;
/// use wengert_autograd::check::{Finding, hand_gradients};
/// let (a, b) = (Tensor::from([1.0, 2.0, 5.0]), Tensor::from([3.0, -4.0, 0.5]));
/// // d(a b)/da is b: here the two are exchanged.
/// let verdict = hand_gradients(|x| (x[0] * x[1]).sum(), &[a.clone(), b.clone()], &[a, b])?;
/// assert!(matches!(&verdict.inputs[0].findings[..], [Finding::OtherInput { index: 1, .. }]));
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub fn hand_gradients<T: Element, U: Element>(
    function: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>,
    inputs: &[Tensor<T>],
    mine: &[Tensor<U>],
) -> Result<Diagnoses> {
    HandGradient::new().run(function, inputs, mine)
}

/// The doctor with what it may know: names, the learning rate, tolerances.
///
/// ```
/// use wengert_autograd::Tensor;
/// use wengert_autograd::check::{Finding, HandGradient};
/// let w = Tensor::from([1.0, -2.0, 4.0]);
/// let step = Tensor::from([-0.2, 0.4, -0.8]);                        // -rate · gradient
/// let verdict = HandGradient::new().name("w").learning_rate(0.1).run_one(|w| w.square().sum(), &w, &step)?;
/// assert!(verdict.findings.contains(&Finding::LearningRate { rate: 0.1 }));
/// assert!(verdict.to_string().starts_with("dw is -1/10 of the gradient"));
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HandGradient {
    names: Vec<String>,
    rate: Option<f64>,
    rtol: Option<f64>,
    differences: usize,
}

impl Default for HandGradient {
    fn default() -> Self {
        HandGradient { names: vec![], rate: None, rtol: None, differences: 64 }
    }
}

impl HandGradient {
    /// No names, no learning rate, tolerances by the type of the gradient, differences at 64 elements.
    pub fn new() -> Self {
        HandGradient::default()
    }

    /// Names the next input: `"W1"`, whose gradient is called `dW1`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Names the inputs in their order.
    #[must_use]
    pub fn names<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        HandGradient { names: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// The learning rate of the update, so that it is recognised: in a factor, in the coefficient of a weight decay, in a
    /// gradient taken after the update. Without it the usual ones are tried for the last.
    #[must_use]
    pub fn learning_rate(self, rate: f64) -> Self {
        HandGradient { rate: Some(rate).filter(|rate| rate.is_finite()), ..self }
    }

    /// How exactly an element must agree: 1e-6 for gradients in f64, 1e-3 for those in f32.
    #[must_use]
    pub fn rtol(self, rtol: f64) -> Self {
        HandGradient { rtol: Some(rtol.abs()).filter(|rtol| rtol.is_finite()), ..self }
    }

    /// At how many elements of an input differences are taken, at most; each costs a dozen evaluations or more. Larger
    /// inputs are sampled evenly, and the diagnosis says so.
    #[must_use]
    pub fn differences(self, most: usize) -> Self {
        HandGradient { differences: most, ..self }
    }

    /// Diagnoses the gradient of a function of one tensor.
    ///
    /// # Errors
    /// As [`hand_gradient`].
    pub fn run_one<T: Element, U: Element>(
        &self,
        function: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>,
        x: &Tensor<T>,
        mine: &Tensor<U>,
    ) -> Result<Diagnosis> {
        let inputs = (std::slice::from_ref(x), std::slice::from_ref(mine));
        let diagnoses = self.run(|x: &[Var<'_, f64>]| function(x[0]), inputs.0, inputs.1)?;
        let missing = || Error::new(ErrorKind::Check, "there is no diagnosis").op("hand_gradient");
        diagnoses.inputs.into_iter().next().ok_or_else(missing)
    }

    /// Diagnoses the gradients of a function of several tensors.
    ///
    /// # Errors
    /// As [`hand_gradients`].
    pub fn run<T: Element, U: Element>(
        &self,
        function: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>,
        inputs: &[Tensor<T>],
        mine: &[Tensor<U>],
    ) -> Result<Diagnoses> {
        if inputs.len() != mine.len() {
            let message = format!("{} inputs and {} gradients", inputs.len(), mine.len());
            return Err(Error::new(ErrorKind::Argument, message).op("hand_gradients").hint("one for each input"));
        }
        let inputs: Vec<Tensor<f64>> = inputs.iter().map(Tensor::cast).collect();
        let problem = Problem::new(&function, inputs, self.all_names(mine.len()), self.rate)?;
        let single = U::NAME == "f32";
        let diagnose = |(which, mine): (usize, &Tensor<U>)| self.diagnose(&problem, which, mine.cast(), single);
        Ok(Diagnoses { inputs: mine.iter().enumerate().map(diagnose).collect::<Result<_>>()? })
    }

    /// A name for each input in formulas.
    fn all_names(&self, count: usize) -> Vec<String> {
        let default = |i: usize| if count == 1 { "x".to_string() } else { format!("x{i}") };
        (0..count).map(|i| self.names.get(i).cloned().unwrap_or_else(|| default(i))).collect()
    }

    /// What the gradient of an input is called.
    fn gradient_name(&self, which: usize, count: usize) -> String {
        match (self.names.get(which), count) {
            (Some(name), _) => format!("d{name}"),
            (None, 1) => String::new(),
            (None, _) => format!("dx{which}"),
        }
    }

    fn tolerance(&self, single: bool, noise: f64) -> Tolerance {
        let (relative, relative_of_few, floor): (f64, f64, f64) =
            if single { (1e-3, 1e-5, 1e-2) } else { (1e-6, 1e-8, 1e-3) };
        let relative = self.rtol.unwrap_or(relative);
        Tolerance { relative, relative_of_few: relative_of_few.min(relative), floor, noise }
    }

    fn diagnose(&self, problem: &Problem<'_>, which: usize, mine: Tensor<f64>, single: bool) -> Result<Diagnosis> {
        let analytic = problem.gradients[which].clone();
        let name = self.gradient_name(which, problem.inputs.len());
        let noise = problem.noise(which, single)?;
        let mut visit = Visit { problem, which, tolerance: self.tolerance(single, noise), support: vec![] };
        let mut diagnosis = Diagnosis {
            name,
            findings: vec![],
            alternatives: vec![],
            factor: None,
            mine,
            analytic,
            numeric: vec![],
            wrong: vec![],
            notes: vec![],
        };
        if let Some(finding) = visit.obstacle(&diagnosis)? {
            diagnosis.findings.push(finding);
            return Ok(diagnosis);
        }
        for (estimate, support) in evidence::gather(problem, which, noise, self.differences)? {
            diagnosis.numeric.push(estimate);
            visit.support.push(support);
        }
        visit.note(&mut diagnosis, single);
        visit.judge(&mut diagnosis)?;
        Ok(diagnosis)
    }
}

/// One gradient with the doctor.
struct Visit<'a> {
    problem: &'a Problem<'a>,
    which: usize,
    tolerance: Tolerance,
    /// What differences say, element by element.
    support: Vec<Support>,
}

impl Visit<'_> {
    /// What makes a comparison impossible.
    fn obstacle(&self, diagnosis: &Diagnosis) -> Result<Option<Finding>> {
        let (problem, mine) = (self.problem, &diagnosis.mine);
        let again = problem.value_at(&problem.inputs)?;
        if again.to_bits() != problem.value.to_bits() {
            return Ok(Some(Finding::Random));
        }
        if diagnosis.analytic.is_empty() {
            return Ok(Some(match mine.shape() == diagnosis.analytic.shape() {
                true => Finding::Empty,
                false => Finding::Shapes { from: mine.shape().clone(), to: diagnosis.analytic.shape().clone() },
            }));
        }
        if !mine.is_finite() {
            let bad = mine.as_slice().iter().enumerate().filter(|(_, value)| !value.is_finite());
            let positions = bad.map(|(element, _)| position(mine.shape(), element)).collect();
            return Ok(Some(Finding::NotFinite { positions, total: mine.len() }));
        }
        Ok((!diagnosis.analytic.is_finite() || !problem.value.is_finite()).then_some(Finding::Undefined))
    }

    /// What one should know before reading on.
    fn note(&self, diagnosis: &mut Diagnosis, single: bool) {
        let total = diagnosis.analytic.len();
        let taken = diagnosis.numeric.iter().flatten().count();
        if taken < total {
            diagnosis.notes.push(format!("differences were taken at {taken} of {total} elements"));
        }
        let kinks = self.support.iter().filter(|support| matches!(support, Support::Kink(..))).count();
        if kinks > 0 {
            diagnosis
                .notes
                .push(format!("{kinks} of {total} elements are at a kink, where slopes to both sides differ"));
        }
        if single {
            let relative = self.tolerance.relative;
            diagnosis.notes.push(format!("your gradient is in f32, so it is compared to {relative:.0e} only"));
        }
    }

    /// Which elements are right.
    fn right_elements(&self, diagnosis: &Diagnosis) -> Vec<bool> {
        let (mine, truth) = (diagnosis.mine.as_slice(), diagnosis.analytic.as_slice());
        let largest = largest(truth);
        let pairs = mine.iter().zip(truth).zip(&self.support);
        pairs
            .map(|((&mine, &truth), support)| {
                let at_a_kink = match *support {
                    Support::Kink(left, right) => {
                        let slack = 1e-4 * left.abs().max(right.abs());
                        left.min(right) - slack <= mine && mine <= left.max(right) + slack
                    }
                    _ => false,
                };
                at_a_kink || self.tolerance.close_element(mine, truth, largest, self.tolerance.relative)
            })
            .collect()
    }

    fn judge(&self, diagnosis: &mut Diagnosis) -> Result<()> {
        let (mine, analytic) = (diagnosis.mine.clone(), diagnosis.analytic.clone());
        let worst = mine.as_slice().iter().zip(analytic.as_slice()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let scale = largest(analytic.as_slice());
        let worst = if scale > 0.0 { worst / scale } else { worst };
        let tape_differs = self.support.contains(&Support::Differs);
        let same_shape = mine.shape() == analytic.shape();
        let right = if same_shape { self.right_elements(diagnosis) } else { vec![] };
        if same_shape {
            let wrong = right.iter().enumerate().filter(|(_, right)| !**right);
            diagnosis.wrong = wrong.map(|(element, _)| position(analytic.shape(), element)).collect();
        }
        if tape_differs {
            let agrees = |(mine, numeric): (&f64, &Option<crate::check::Estimate>)| {
                numeric.is_none_or(|numeric| evidence::agrees(*mine, numeric, self.tolerance.noise))
            };
            let by_hand_agrees = same_shape && mine.as_slice().iter().zip(&diagnosis.numeric).all(agrees);
            diagnosis.findings.push(Finding::TapeDiffers { by_hand_agrees });
            return Ok(());
        }
        if same_shape && diagnosis.wrong.is_empty() {
            diagnosis.findings.push(Finding::Right { worst });
            return Ok(());
        }
        let nodes = self.problem.nodes(self.which)?;
        if nodes.is_empty() && scale == 0.0 {
            diagnosis.findings.push(Finding::Unreached);
            return Ok(());
        }
        if largest(mine.as_slice()) == 0.0 && scale > 0.0 {
            diagnosis.findings.push(Finding::Zero);
            return Ok(());
        }
        let suspect = Suspect { problem: self.problem, which: self.which, nodes: &nodes };
        let best = self.explanations(&suspect, &mine)?;
        match best.split_first() {
            Some((first, others)) => {
                diagnosis.findings.clone_from(&first.findings);
                diagnosis.factor = first.factor;
                diagnosis.alternatives = others.iter().map(|other| other.findings.clone()).collect();
            }
            None => self.describe(diagnosis, &right, worst),
        }
        Ok(())
    }

    /// The simplest explanations, all equally simple.
    fn explanations(&self, suspect: &Suspect<'_>, mine: &Tensor<f64>) -> Result<Vec<Explanation>> {
        let input = &self.problem.inputs[self.which];
        let readings = readings(mine, input.shape());
        let factors = Factors::of(self.problem, suspect.nodes)?;
        let fits: Vec<Fit<'_>> =
            readings.iter().map(|reading| Fit::new(reading, &factors, self.tolerance, input.as_slice())).collect();
        let mut best: Vec<Explanation> = vec![];
        for hypothesis in HYPOTHESES {
            if best.first().is_some_and(|best| best.cost < hypothesis.cost) {
                break;
            }
            let candidates = (hypothesis.candidates)(suspect);
            for explanation in fits.iter().flat_map(|fit| candidates.iter().flat_map(|one| fit.explain(one))) {
                keep(&mut best, explanation);
            }
        }
        best.truncate(1 + MOST_ALTERNATIVES);
        Ok(best)
    }

    /// What can be said where no mistake is known that gives this gradient.
    fn describe(&self, diagnosis: &mut Diagnosis, right: &[bool], worst: f64) {
        let (mine, truth) = (diagnosis.mine.as_slice(), diagnosis.analytic.as_slice());
        if mine.len() != truth.len() || right.is_empty() {
            let (from, to) = (diagnosis.mine.shape().clone(), diagnosis.analytic.shape().clone());
            diagnosis.findings.push(Finding::Shapes { from, to });
            return;
        }
        let finding = match few(diagnosis, right) {
            Some(finding) => finding,
            None if worst <= IMPRECISE => Finding::Imprecise { worst },
            None => {
                let (a, b) = (dot(mine, mine).sqrt(), dot(truth, truth).sqrt());
                let cosine = if a > 0.0 && b > 0.0 { dot(mine, truth) / a / b } else { 0.0 };
                Finding::Unknown { cosine, ratio: if b > 0.0 { a / b } else { f64::INFINITY } }
            }
        };
        diagnosis.findings.push(finding);
    }
}

/// Other explanations that are told, at most.
const MOST_ALTERNATIVES: usize = 3;

/// A gradient that differs by no more than this, relative to the largest element, may be right and rounded.
const IMPRECISE: f64 = 1e-3;

/// Keeps an explanation that is as simple as those before, and that alone if it is simpler.
fn keep(best: &mut Vec<Explanation>, explanation: Explanation) {
    match best.first().map(|best| best.cost.cmp(&explanation.cost)) {
        Some(std::cmp::Ordering::Less) => return,
        Some(std::cmp::Ordering::Greater) => best.clear(),
        _ => {}
    }
    if !best.iter().any(|other| other.findings == explanation.findings) {
        best.push(explanation);
    }
}

/// One slice or a few elements that are wrong where all others are right.
fn few(diagnosis: &Diagnosis, right: &[bool]) -> Option<Finding> {
    let (wrong, shape) = (&diagnosis.wrong, diagnosis.analytic.shape());
    let total = right.len();
    for (axis, &length) in shape.iter().enumerate().filter(|(_, length)| **length > 1) {
        let index = wrong.first()?[axis];
        if wrong.len() == total / length && wrong.len() > 1 && wrong.iter().all(|position| position[axis] == index) {
            return Some(Finding::Slice { axis, index });
        }
    }
    let most = (total / 4).max(1);
    (wrong.len() <= most && total >= 3).then(|| Finding::Elements { positions: wrong.clone(), total })
}
