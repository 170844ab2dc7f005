//! The text of an equation, read and checked against the shapes of the operands.

use super::{differ, wrong};
use crate::error::Result;
use crate::tensor::Shape;

/// The name of an axis: a letter, or a place in `...` counted from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Label {
    Further(std::cmp::Reverse<usize>),
    Letter(char),
}

/// What is multiplied and what remains.
#[derive(Clone, Debug)]
pub(super) struct Equation {
    /// The labels of each operand's axes.
    pub(super) terms: Vec<Vec<Label>>,
    /// The labels of the result's axes, each once.
    pub(super) output: Vec<Label>,
    lengths: Vec<(Label, usize)>,
}

/// The letters before and after `...`; without it all are before, and there is none after.
type Term = (Vec<char>, Option<Vec<char>>);

fn read_term(equation: &str, term: &str) -> Result<Term> {
    let letters = |part: &str| match part.chars().find(|c| !c.is_ascii_alphabetic()) {
        Some(c) => Err(wrong(equation, &format!("{c:?} is no label"))
            .hint("labels are letters; terms are separated by commas, and -> comes before those of the result")),
        None => Ok(part.chars().collect::<Vec<char>>()),
    };
    match term.split_once("...") {
        None => Ok((letters(term)?, None)),
        Some((before, after)) => Ok((letters(before)?, Some(letters(after)?))),
    }
}

/// The labels of a term whose `...` stands for so many axes.
fn labels((before, after): &Term, further: usize) -> Vec<Label> {
    let letter = |&letter: &char| Label::Letter(letter);
    let mut labels: Vec<Label> = before.iter().map(letter).collect();
    if let Some(after) = after {
        labels.extend((0..further).rev().map(|place| Label::Further(std::cmp::Reverse(place))));
        labels.extend(after.iter().map(letter));
    }
    labels
}

/// The labels of one operand's axes.
fn operand_labels(equation: &str, number: usize, term: &Term, shape: &Shape) -> Result<Vec<Label>> {
    let letters = term.0.len() + term.1.as_ref().map_or(0, Vec::len);
    match shape.len().checked_sub(letters) {
        Some(further) if further == 0 || term.1.is_some() => Ok(labels(term, further)),
        _ => {
            let message = format!("{letters} labels for the {} axes of operand {number}, {shape}", shape.len());
            Err(wrong(equation, &message).hint("give a letter for each axis, or ... for those that need none"))
        }
    }
}

impl Equation {
    pub(super) fn parse(equation: &str, shapes: &[Shape]) -> Result<Self> {
        let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = match text.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (&*text, None),
        };
        let written = left.split(',').map(|term| read_term(equation, term)).collect::<Result<Vec<Term>>>()?;
        if written.len() != shapes.len() {
            let message = format!("{} terms for {} operands", written.len(), shapes.len());
            return Err(wrong(equation, &message).hint("give one term for each operand, separated by commas"));
        }
        let terms = written
            .iter()
            .zip(shapes)
            .enumerate()
            .map(|(i, (term, shape))| operand_labels(equation, i, term, shape))
            .collect::<Result<Vec<_>>>()?;
        let lengths = lengths(equation, &terms, shapes)?;
        let output = match right {
            Some(right) => explicit(equation, &read_term(equation, right)?, &lengths)?,
            None => implicit(&terms),
        };
        Ok(Equation { terms, output, lengths })
    }

    /// The length of the axes of a label, after broadcasting.
    pub(super) fn length(&self, label: Label) -> usize {
        self.lengths.iter().find(|(own, _)| *own == label).map_or(1, |&(_, length)| length)
    }
}

/// Each label's length.
fn lengths(equation: &str, terms: &[Vec<Label>], shapes: &[Shape]) -> Result<Vec<(Label, usize)>> {
    let mut lengths: Vec<(Label, usize)> = vec![];
    for (&label, &length) in terms.iter().zip(shapes).flat_map(|(term, shape)| term.iter().zip(shape.iter())) {
        match (lengths.iter_mut().find(|(own, _)| *own == label), label) {
            (None, _) => lengths.push((label, length)),
            (Some((_, known)), _) if *known == length => {}
            (Some((_, known)), Label::Further(_)) if *known == 1 => *known = length,
            (Some(_), Label::Further(_)) if length == 1 => {}
            (Some((_, known)), Label::Letter(letter)) => differ(equation, letter, [*known, length])?,
            (Some((_, known)), Label::Further(_)) => differ(equation, '…', [*known, length])?,
        }
    }
    Ok(lengths)
}

fn explicit(equation: &str, right: &Term, lengths: &[(Label, usize)]) -> Result<Vec<Label>> {
    let further = lengths.iter().filter(|(label, _)| matches!(label, Label::Further(_))).count();
    let output = labels(right, further);
    for (i, label) in output.iter().enumerate() {
        let Label::Letter(letter) = label else { continue };
        if output[..i].contains(label) {
            let hint = "diag() makes a diagonal matrix of a vector";
            return Err(wrong(equation, &format!("{letter:?} stands twice behind the arrow")).hint(hint));
        }
        if !lengths.iter().any(|(own, _)| own == label) {
            let hint = "expand() makes an axis along which a tensor repeats";
            return Err(wrong(equation, &format!("{letter:?} behind the arrow is no axis of any operand")).hint(hint));
        }
    }
    Ok(output)
}

/// The further axes, and what stands once.
fn implicit(terms: &[Vec<Label>]) -> Vec<Label> {
    let all = terms.concat();
    let once =
        |label: &Label| matches!(label, Label::Further(_)) || all.iter().filter(|own| *own == label).count() == 1;
    let mut output: Vec<Label> = all.iter().copied().filter(once).collect();
    output.sort_unstable();
    output.dedup();
    output
}
