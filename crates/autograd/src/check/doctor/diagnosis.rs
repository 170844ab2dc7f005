//! The verdict on gradients derived by hand, as data, as text and as JSON.

use std::fmt::{self, Write};

use super::finding::{Finding, fraction};
use crate::check::Estimate;
use crate::{Error, ErrorKind, Result, Shape, Tensor};

/// What is the matter with one gradient, with the numbers beside it.
///
/// `Display` gives the text of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// What the gradient is called: `"dW1"`; empty if it has no name.
    pub name: String,
    /// All that is wrong, together; or that it is right.
    pub findings: Vec<Finding>,
    /// Other explanations, as simple and as exact.
    pub alternatives: Vec<Vec<Finding>>,
    /// The gradient by hand is this many times the true one, where that is all that is wrong.
    pub factor: Option<f64>,
    /// By hand.
    pub mine: Tensor<f64>,
    /// By the tape.
    pub analytic: Tensor<f64>,
    /// By differences, in the order of `analytic`: `None` for elements at which none were taken.
    pub numeric: Vec<Option<Estimate>>,
    /// The positions of wrong elements; of none where the shapes differ.
    pub wrong: Vec<Vec<usize>>,
    /// What else one should know.
    pub notes: Vec<String>,
}

/// Lines of the table, at most.
const MOST_LINES: usize = 6;

impl Diagnosis {
    /// Whether the gradient is right.
    pub fn is_right(&self) -> bool {
        self.findings.iter().all(Finding::is_right)
    }

    /// The diagnosis itself, or, where something is wrong, its text as an error of kind [`ErrorKind::Check`].
    ///
    /// # Errors
    /// The gradient is not right.
    pub fn into_result(self) -> Result<Self> {
        match self.is_right() {
            true => Ok(self),
            false => Err(Error::new(ErrorKind::Check, self.to_string()).op("hand_gradient")),
        }
    }

    /// The name in a sentence.
    fn subject(&self) -> &str {
        if self.name.is_empty() { "your gradient" } else { &self.name }
    }

    fn write_headline(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject();
        match (&self.findings[..], self.factor) {
            ([Finding::Right { worst }], _) => self.write_right(f, *worst),
            ([Finding::Unknown { .. } | Finding::Undefined | Finding::Random | Finding::Empty], _) => {
                write!(f, "{subject}: {}", self.findings[0])
            }
            (findings, Some(factor)) => {
                write!(f, "{subject} is {} the gradient: ", times(factor))?;
                write_list(f, findings)?;
                write_fix(f, &format!("multiply by {}", fraction(1.0 / factor)))
            }
            ([finding], None) => {
                write!(f, "{subject}: {finding}")?;
                write_fix(f, &finding.fix())
            }
            (findings, None) => {
                write!(f, "{subject}: {} mistakes together give exactly this", findings.len())?;
                for (i, finding) in findings.iter().enumerate() {
                    write!(f, "\n  {}. {finding}", i + 1)?;
                    let fix = finding.fix();
                    if !fix.is_empty() {
                        write!(f, "\n     fix: {fix}")?;
                    }
                }
                Ok(())
            }
        }
    }

    fn write_right(&self, f: &mut fmt::Formatter<'_>, worst: f64) -> fmt::Result {
        let elements = if self.mine.len() == 1 { "element" } else { "elements" };
        write!(f, "{} is right: {} {elements} agree with the tape to {worst:.0e}", self.subject(), self.mine.len())?;
        let compared = self.numeric.iter().flatten().count();
        match compared {
            0 => Ok(()),
            all if all == self.mine.len() => f.write_str(", and with differences"),
            some => write!(f, ", and {some} of them with differences"),
        }
    }

    /// The numbers, element by element: of wrong elements first.
    fn write_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mine, shape) = (&self.mine, self.analytic.shape());
        if mine.len() != self.analytic.len() {
            return write!(f, "\n  shapes: yours {}, the gradient {shape}", mine.shape());
        }
        let all: Vec<Vec<usize>> = (0..mine.len()).map(|element| position(shape, element)).collect();
        let shown: Vec<usize> = match self.wrong.is_empty() {
            true => (0..mine.len()).take(MOST_LINES).collect(),
            false => {
                let wrong = self.wrong.iter().filter_map(|wrong| all.iter().position(|place| place == wrong));
                wrong.take(MOST_LINES).collect()
            }
        };
        write!(f, "\n  {:>12}  {:>14}  {:>14}  {:>14}", "element", "yours", "the tape", "differences")?;
        for &element in &shown {
            let numeric = match self.numeric.get(element).copied().flatten() {
                Some(estimate) => number(estimate.value),
                None => String::from("-"),
            };
            let (mine, tape) = (number(mine.as_slice()[element]), number(self.analytic.as_slice()[element]));
            write!(f, "\n  {:>12}  {mine:>14}  {tape:>14}  {numeric:>14}", format!("{:?}", all[element]))?;
        }
        match mine.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, "\n  {:>12}", format!("and {more} more")),
        }
    }

    /// The diagnosis as one JSON object: `name`, `right`, `factor`, `findings` (`kind`, `text`, `fix`), `alternatives`,
    /// `shape`, `mine`, `analytic`, `numeric` and its `error`, `notes`. A number that JSON doesn't have is `null`.
    ///
    /// ```
    /// use wengert_autograd::Tensor;
    /// use wengert_autograd::check::hand_gradient;
    /// let verdict = hand_gradient(|x| x.square().sum(), &Tensor::from([1.0, 3.0]), &Tensor::from([-2.0, -6.0]))?;
    /// assert!(verdict.to_json().starts_with(r#"{"name":"","right":false,"factor":-1,"findings":[{"kind":"sign_flipped""#));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn to_json(&self) -> String {
        let findings = |findings: &[Finding]| {
            list(findings.iter().map(|finding| {
                let (kind, text, fix) = (quoted(&finding.kind()), quoted(&finding.to_string()), quoted(&finding.fix()));
                format!(r#"{{"kind":{kind},"text":{text},"fix":{fix}}}"#)
            }))
        };
        let numbers = |tensor: &Tensor<f64>| list(tensor.as_slice().iter().map(|&value| json_number(value)));
        let shape = |shape: &Shape| list(shape.iter().map(ToString::to_string));
        let numeric = |field: fn(&Estimate) -> f64| {
            list(self.numeric.iter().map(|estimate| estimate.as_ref().map_or("null".into(), |e| json_number(field(e)))))
        };
        let fields = [
            ("name", quoted(&self.name)),
            ("right", self.is_right().to_string()),
            ("factor", self.factor.map_or("null".into(), json_number)),
            ("findings", findings(&self.findings)),
            ("alternatives", list(self.alternatives.iter().map(|other| findings(other)))),
            ("shape", shape(self.analytic.shape())),
            ("mine_shape", shape(self.mine.shape())),
            ("mine", numbers(&self.mine)),
            ("analytic", numbers(&self.analytic)),
            ("numeric", numeric(|estimate| estimate.value)),
            ("error", numeric(|estimate| estimate.error)),
            ("notes", list(self.notes.iter().map(|note| quoted(note)))),
        ];
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_headline(f)?;
        for other in &self.alternatives {
            f.write_str("\n  it could as well be: ")?;
            write_list(f, other)?;
        }
        for note in &self.notes {
            write!(f, "\n  note: {note}")?;
        }
        if self.is_right() || self.analytic.is_empty() { Ok(()) } else { self.write_table(f) }
    }
}

/// What is the matter with the gradients of several inputs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Diagnoses {
    /// One for each input, in their order.
    pub inputs: Vec<Diagnosis>,
}

impl Diagnoses {
    /// Whether all gradients are right.
    pub fn is_right(&self) -> bool {
        self.inputs.iter().all(Diagnosis::is_right)
    }

    /// A JSON array of what [`Diagnosis::to_json`] gives.
    pub fn to_json(&self) -> String {
        list(self.inputs.iter().map(Diagnosis::to_json))
    }
}

impl fmt::Display for Diagnoses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnosis) in self.inputs.iter().enumerate() {
            if i > 0 {
                f.write_char('\n')?;
            }
            write!(f, "{diagnosis}")?;
        }
        Ok(())
    }
}

/// The position of an element counted in row-major order.
pub(super) fn position(shape: &Shape, mut element: usize) -> Vec<usize> {
    let mut position = vec![0; shape.len()];
    for (axis, &length) in shape.iter().enumerate().rev() {
        position[axis] = element % length.max(1);
        element /= length.max(1);
    }
    position
}

fn times(factor: f64) -> String {
    let text = fraction(factor);
    if text.contains('/') { format!("{text} of") } else { format!("{text} times") }
}

/// `a, b and c`.
fn write_list(f: &mut fmt::Formatter<'_>, findings: &[Finding]) -> fmt::Result {
    for (i, finding) in findings.iter().enumerate() {
        let join = if i == 0 {
            ""
        } else if i + 1 == findings.len() {
            " and "
        } else {
            ", "
        };
        write!(f, "{join}{finding}")?;
    }
    Ok(())
}

fn write_fix(f: &mut fmt::Formatter<'_>, fix: &str) -> fmt::Result {
    if fix.is_empty() { Ok(()) } else { write!(f, "\n  fix: {fix}") }
}

/// Eight significant digits at most.
fn number(value: f64) -> String {
    match value.abs() {
        magnitude if magnitude != 0.0 && !(1e-3..1e6).contains(&magnitude) => format!("{value:.6e}"),
        _ => format!("{value:.8}"),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn json_number(value: f64) -> String {
    if value.is_finite() { format!("{value}") } else { "null".into() }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if u32::from(control) < 0x20 => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}
