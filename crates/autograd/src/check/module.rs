//! The gradient check of a model: every parameter by its path, and a table of what the loss reaches.

use std::fmt;
use std::sync::Arc;

use super::gradcheck::GradCheck;
use super::json;
use super::report::GradReport;
use super::subject::{Subject, guard, own};
use crate::{Element, Error, ErrorKind, Module, Param, Result, Shape, Tape, Tensor, Var};

/// Elements of each parameter that are compared one by one, unless [`GradCheck::elements`] says otherwise.
const SAMPLED: usize = 24;

/// What the loss does with a parameter.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reach {
    /// It has a gradient, of this Euclidean norm.
    Reached(f64),
    /// It has a gradient, and every element is zero: a dead unit, or a product with zero.
    ZeroEverywhere,
    /// It is frozen, or a buffer: it is to have no gradient.
    Frozen,
    /// It has none, and why.
    NotReached(String),
}

/// One line of the coverage table.
#[derive(Clone, Debug, PartialEq)]
pub struct Coverage {
    /// The path of the parameter.
    pub path: String,
    /// Its shape.
    pub shape: Shape,
    /// Elements compared one by one; a random direction covers all of them besides.
    pub compared: usize,
    /// What the loss does with it.
    pub reach: Reach,
}

/// What the check of a model found.
#[derive(Clone, Debug, PartialEq)]
pub struct ModuleReport {
    /// The comparisons; `input` counts the trained parameters in the order of the model.
    pub gradients: GradReport,
    /// Every parameter and buffer, in the order of the model.
    pub coverage: Vec<Coverage>,
    allow_unreached: bool,
}

impl ModuleReport {
    /// Whether every gradient is proved ([`GradReport::is_ok`]), and every trained parameter is reached, unless
    /// [`GradCheck::allow_unreached`] allows otherwise. A gradient of zeros is no failure: the table shows it.
    pub fn is_ok(&self) -> bool {
        self.gradients.is_ok() && (self.allow_unreached || self.unreached().next().is_none())
    }

    /// The trained parameters that the loss does not reach.
    pub fn unreached(&self) -> impl Iterator<Item = &Coverage> {
        self.coverage.iter().filter(|line| matches!(line.reach, Reach::NotReached(_)))
    }

    /// The report itself, or, where it is not ok, its text as an error of kind [`ErrorKind::Check`].
    ///
    /// # Errors
    /// The gradients are not proved, or a trained parameter is not reached.
    pub fn into_result(self) -> Result<Self> {
        match self.is_ok() {
            true => Ok(self),
            false => Err(Error::new(ErrorKind::Check, self.to_string()).op("check::module")),
        }
    }

    /// The report for programs.
    pub fn to_json(&self) -> String {
        let line = |line: &Coverage| {
            let (word, detail) = match &line.reach {
                Reach::Reached(norm) => ("reached", json::number(*norm)),
                Reach::ZeroEverywhere => ("zero everywhere", "0.0".to_string()),
                Reach::Frozen => ("frozen", "null".to_string()),
                Reach::NotReached(why) => ("not reached", json::string(why)),
            };
            let (path, compared) = (json::string(&line.path), line.compared);
            format!("{{\"path\":{path},\"compared\":{compared},\"reach\":\"{word}\",\"detail\":{detail}}}")
        };
        let coverage = json::array(self.coverage.iter().map(line));
        format!("{{\"ok\":{},\"coverage\":{coverage},\"gradients\":{}}}", self.is_ok(), self.gradients.to_json())
    }
}

impl fmt::Display for ModuleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.gradients)?;
        let width = self.coverage.iter().map(|line| line.path.len()).max().unwrap_or(0);
        for Coverage { path, shape, compared, reach } in &self.coverage {
            let shape = shape.to_string();
            write!(f, "\n  {path:<width$}  {shape:<12}  ")?;
            match reach {
                Reach::Reached(norm) => write!(f, "reached, norm {norm:.3e}; {compared} elements and a direction")?,
                Reach::ZeroEverywhere => f.write_str("reached, but the gradient is zero everywhere")?,
                Reach::Frozen => f.write_str("frozen")?,
                Reach::NotReached(why) => write!(f, "not reached: {why}")?,
            }
        }
        Ok(())
    }
}

/// Checks the gradient of a loss by every trained parameter of a model: a random direction of each parameter, and up to
/// 24 of its elements, drawn with a seed.
///
/// A model of f64 is checked exactly. One of f32 can only be run in f32, where differences are good for two or three
/// digits: `atol` 1e-4, `rtol` 2e-3, and what cannot be told is [`Unresolved`](super::Verdict::Unresolved). Layers that
/// are generic over the element type prove more in f64. The loss has to take its parameters by [`Tape::param`].
///
/// # Errors
/// Mistakes of the loss itself, a panic among them; and [`ErrorKind::Check`] where the report is not ok
/// ([`ModuleReport::is_ok`]).
///
/// ```
/// use wengert_autograd::{Param, Tensor, check};
/// let model = (Param::new(Tensor::from([1.0, 2.0])), Param::new(Tensor::from([0.5])));
/// let report = check::module(&model, |model, tape| (tape.param(&model.0) * tape.param(&model.1)).tanh().sum())?;
/// assert_eq!(report.coverage[1].path, "1");
/// assert!(report.gradients.worst() < 1e-9);
///
/// // The second parameter is not used: the report says so.
/// let error = check::module(&model, |model, tape| tape.param(&model.0).exp().sum()).unwrap_err();
/// assert!(error.to_string().contains("not reached: the loss does not take it with tape.param(..)"));
/// # let _: &Tensor<f64> = model.0.value();
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub fn module<T: Element, M: Module<T>>(
    model: &M,
    loss: impl for<'t> Fn(&M, &'t Tape<T>) -> Var<'t, T>,
) -> Result<ModuleReport> {
    GradCheck::new().module(model, loss)
}

/// A loss as a function of the trained parameters of a model.
struct Loss<'m, T: Element, M, F> {
    model: &'m M,
    parameters: Vec<&'m Param<T>>,
    loss: F,
    training: Option<u64>,
}

impl<T, M, F> Subject<T> for Loss<'_, T, M, F>
where
    T: Element,
    F: for<'t> Fn(&M, &'t Tape<T>) -> Var<'t, T>,
{
    fn tape(&self) -> Tape<T> {
        self.training.map_or_else(Tape::new, Tape::training)
    }

    fn record<'t>(&self, tape: &'t Tape<T>, values: &[Tensor<T>]) -> Result<(Vec<Var<'t, T>>, Var<'t, T>)> {
        // A leaf that is there already is what `tape.param` returns: so the model need not be changed, nor copied.
        let leaves = self.parameters.iter().zip(values).map(|(parameter, value)| tape.bind(parameter, value)).collect();
        let output = (self.loss)(self.model, tape);
        Ok((leaves, own(tape, output)?))
    }
}

impl GradCheck {
    /// As [`module`], with these tolerances, orders and seed. Losses of more than one element are allowed.
    ///
    /// # Errors
    /// As [`module`].
    pub fn module<T: Element, M: Module<T>>(
        &self,
        model: &M,
        loss: impl for<'t> Fn(&M, &'t Tape<T>) -> Var<'t, T>,
    ) -> Result<ModuleReport> {
        self.module_report(model, loss)?.into_result()
    }

    /// As [`module`](GradCheck::module), and returns the report whatever it says.
    ///
    /// # Errors
    /// Mistakes of the loss itself.
    pub fn module_report<T: Element, M: Module<T>>(
        &self,
        model: &M,
        loss: impl for<'t> Fn(&M, &'t Tape<T>) -> Var<'t, T>,
    ) -> Result<ModuleReport> {
        let all = model.named_parameters();
        let parameters: Vec<&Param<T>> = all.iter().map(|entry| entry.1).filter(|entry| entry.is_trained()).collect();
        let subject = Loss { model, parameters, loss, training: self.training };
        self.cover(&subject, &all)
    }

    /// Compiled once for each element type, however many models are checked.
    fn cover<T: Element>(&self, subject: &dyn Subject<T>, all: &[(String, &Param<T>)]) -> Result<ModuleReport> {
        let trained: Vec<&(String, &Param<T>)> = all.iter().filter(|entry| entry.1.is_trained()).collect();
        let values: Vec<Tensor<T>> = trained.iter().map(|entry| entry.1.value().clone()).collect();
        let names: Vec<Arc<str>> = trained.iter().map(|entry| format!("parameter {:?}", entry.0).into()).collect();
        let most = self.elements.unwrap_or(SAMPLED);
        let elements = self.elements(most);
        let mut gradients = elements.check(subject, &values, &names)?;
        elements.along(subject, &values, &names, &mut gradients)?;

        let mut reaches = guard(|| reaches(subject, &values))?.into_iter();
        let mut coverage = vec![];
        for (path, parameter) in all {
            let reach = match parameter.is_trained() {
                true => reaches.next().unwrap_or(Reach::Frozen),
                false => Reach::Frozen,
            };
            let compared = if parameter.is_trained() { parameter.value().len().min(most) } else { 0 };
            coverage.push(Coverage { path: path.clone(), shape: parameter.shape().clone(), compared, reach });
        }
        // The table says it, with the reason.
        gradients.unreached.clear();
        Ok(ModuleReport { gradients, coverage, allow_unreached: self.allow_unreached })
    }
}

/// What the loss does with each parameter.
fn reaches<T: Element>(subject: &dyn Subject<T>, values: &[Tensor<T>]) -> Result<Vec<Reach>> {
    let tape = subject.tape();
    let (leaves, output) = subject.record(&tape, values)?;
    let ones = tape.constant(Tensor::ones(output.shape()));
    let gradients = output.pull_or_zero(ones, &leaves);
    let gradients = tape.eval_all(&gradients)?;
    let reach = |(leaf, gradient): (&Var<'_, T>, &Tensor<T>)| {
        if !output.reaches(*leaf) {
            return Reach::NotReached(why_not(&tape, *leaf, output));
        }
        let norm = gradient.as_slice().iter().map(|value| value.to_f64().powi(2)).sum::<f64>().sqrt();
        if norm == 0.0 { Reach::ZeroEverywhere } else { Reach::Reached(norm) }
    };
    Ok(leaves.iter().zip(&gradients).map(reach).collect())
}

fn why_not<T: Element>(tape: &Tape<T>, leaf: Var<'_, T>, output: Var<'_, T>) -> String {
    match tape.cut(leaf, output) {
        Some(card) => {
            let scope = if card.scope.is_empty() { String::new() } else { format!(" in scope {:?}", card.scope) };
            format!("cut off by {}() at {}{scope}", card.op, card.location)
        }
        None if tape.is_used(leaf) => "it is used, but the loss does not depend on what comes of it".to_string(),
        None => "the loss does not take it with tape.param(..)".to_string(),
    }
}
