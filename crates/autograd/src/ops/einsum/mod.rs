//! Sums of products by Einstein's convention: a composition of diagonals, sums, products of matrices and permutations.

mod equation;
pub(super) mod samples;

use self::equation::{Equation, Label};
use super::join::tape_of;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::tape::var::Var;
use crate::tensor::Shape;

/// The sum of products that an equation describes, by Einstein's convention: `einsum("bij,bjk->bik", &[a, b])` is the
/// product of each matrix of a batch, `y_bik = Σ_j a_bij b_bjk`.
///
/// Each operand has a term of letters, one for each axis; axes of one letter run together. What the arrow's right side
/// does not name is summed over. A letter twice in one term takes the diagonal (`"ii->i"`, and `"ii->"` the trace).
/// `...` stands for any further axes, which broadcast by NumPy's rule; if the right side leaves them out, they are summed
/// over. Without an arrow the right side is `...` and the letters that stand once, in alphabetical order. Blanks don't
/// count. Any number of operands is multiplied from left to right; where another order is cheaper, make it of several
/// calls.
///
/// The derivative is that of the composition, so of every order. Source: A. Einstein, *Die Grundlage der allgemeinen
/// Relativitätstheorie* (1916); the notation is NumPy's.
///
/// # Errors
/// Kept on the tape: an equation that is not one; another number of terms than operands, or of letters than axes;
/// axes of one letter with different lengths.
///
/// ```
/// use wengert_autograd::{Tape, Tensor, einsum};
/// let tape = Tape::new();
/// let a = tape.input(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
/// let b = tape.input(Tensor::from([5.0, 6.0]));
/// let y = einsum("ij,j->i", &[a, b]);
/// assert_eq!(y.value()?.to_vec(), [17.0, 39.0]);
/// let [ga, gb] = y.sum().grad([a, b]);
/// assert_eq!(ga.value()?, Tensor::from([[5.0, 6.0], [5.0, 6.0]]));
/// assert_eq!(gb.value()?.to_vec(), [4.0, 6.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn einsum<'t, T: Element>(equation: &str, operands: &[Var<'t, T>]) -> Var<'t, T> {
    let tape = tape_of(operands);
    if let Some(poisoned) = operands.iter().find(|x| x.is_poisoned()) {
        // Recording finds the operand that was a mistake, and takes it over from another tape.
        return operands[0] * *poisoned;
    }
    let shapes: Vec<Shape> = operands.iter().map(|x| x.shape()).collect();
    match Equation::parse(equation, &shapes) {
        Err(error) => tape.fail(error.op("einsum")),
        Ok(equation) => tape.on_line(std::panic::Location::caller(), || evaluate(&equation, operands, &shapes)),
    }
}

/// A tensor whose axes have labels, each one once.
#[derive(Clone)]
struct Labelled<'t, T: Element> {
    value: Var<'t, T>,
    labels: Vec<Label>,
}

#[track_caller]
fn evaluate<'t, T: Element>(equation: &Equation, operands: &[Var<'t, T>], shapes: &[Shape]) -> Var<'t, T> {
    let mut product: Option<Labelled<'t, T>> = None;
    for (i, &operand) in operands.iter().enumerate() {
        let elsewhere = |label: &Label| {
            equation.output.contains(label)
                || equation.terms.iter().enumerate().any(|(j, t)| j != i && t.contains(label))
        };
        let prepared = prepare(operand, &equation.terms[i], &shapes[i], equation, elsewhere);
        product = Some(match product {
            None => prepared,
            Some(product) => {
                let later = &equation.terms[i + 1..];
                let needed = |label: &Label| equation.output.contains(label) || later.iter().any(|t| t.contains(label));
                multiply(&product, &prepared, equation, needed)
            }
        });
    }
    let Some(Labelled { mut value, mut labels }) = product else { return operands[0] };
    // Further axes that the right side leaves out, and that only repeat in the last operand.
    let left: Vec<isize> =
        (0..labels.len()).filter(|&axis| !equation.output.contains(&labels[axis])).map(|axis| axis as isize).collect();
    if !left.is_empty() {
        value = value.sum_axes(&left, false);
        labels.retain(|label| equation.output.contains(label));
    }
    let order: Vec<isize> = equation.output.iter().filter_map(|label| position(&labels, *label)).collect();
    value.permute(&order)
}

fn position(labels: &[Label], label: Label) -> Option<isize> {
    labels.iter().position(|&own| own == label).map(|axis| axis as isize)
}

/// One operand by itself: without axes that only repeat, repeated labels as diagonals, and what nobody else names
/// summed.
#[track_caller]
fn prepare<'t, T: Element>(
    operand: Var<'t, T>,
    term: &[Label],
    shape: &Shape,
    equation: &Equation,
    elsewhere: impl Fn(&Label) -> bool,
) -> Labelled<'t, T> {
    let (mut value, mut labels) = (operand, vec![]);
    let mut kept = vec![];
    for (&label, &length) in term.iter().zip(shape.iter()) {
        if length == equation.length(label) {
            labels.push(label);
            kept.push(length);
        }
    }
    value = value.reshape(kept);
    while let Some((first, second)) = twice(&labels) {
        let label = labels[first];
        value = value.diagonal(0, first as isize, second as isize);
        labels.remove(second);
        labels.remove(first);
        labels.push(label);
    }
    let alone: Vec<isize> =
        (0..labels.len()).filter(|&axis| !elsewhere(&labels[axis])).map(|axis| axis as isize).collect();
    if !alone.is_empty() {
        value = value.sum_axes(&alone, false);
        labels.retain(|label| elsewhere(label));
    }
    Labelled { value, labels }
}

/// Two places with the same label.
fn twice(labels: &[Label]) -> Option<(usize, usize)> {
    (0..labels.len()).find_map(|second| Some((labels[..second].iter().position(|&l| l == labels[second])?, second)))
}

/// The product of two, summed over the labels of both that nobody needs any more.
#[track_caller]
fn multiply<'t, T: Element>(
    a: &Labelled<'t, T>,
    b: &Labelled<'t, T>,
    equation: &Equation,
    needed: impl Fn(&Label) -> bool,
) -> Labelled<'t, T> {
    let both = |label: &&Label| b.labels.contains(label);
    let batch: Vec<Label> = a.labels.iter().filter(both).copied().filter(&needed).collect();
    let inner: Vec<Label> = a.labels.iter().filter(both).copied().filter(|label| !needed(label)).collect();
    let left: Vec<Label> = a.labels.iter().copied().filter(|label| !b.labels.contains(label)).collect();
    let right: Vec<Label> = b.labels.iter().copied().filter(|label| !a.labels.contains(label)).collect();
    let arranged = |x: &Labelled<'t, T>, order: [&[Label]; 3]| {
        let axes: Vec<isize> = order.concat().iter().filter_map(|&label| position(&x.labels, label)).collect();
        x.value.permute(&axes)
    };
    let lengths = |labels: &[Label]| -> Vec<usize> { labels.iter().map(|&label| equation.length(label)).collect() };
    let volume = |labels: &[Label]| lengths(labels).iter().product::<usize>();
    let shape = [lengths(&batch), lengths(&left), lengths(&right)].concat();
    let value = if inner.is_empty() {
        // Nothing is summed: elementwise, so that it can be fused.
        let (ones_left, ones_right) = (vec![1; left.len()], vec![1; right.len()]);
        let a = arranged(a, [&batch, &left, &[]]).reshape([lengths(&batch), lengths(&left), ones_right].concat());
        let b = arranged(b, [&batch, &[], &right]).reshape([lengths(&batch), ones_left, lengths(&right)].concat());
        a * b
    } else {
        let outer = lengths(&batch);
        let of = |sides: [usize; 2]| [outer.clone(), sides.to_vec()].concat();
        let rows = arranged(a, [&batch, &left, &inner]).reshape(of([volume(&left), volume(&inner)]));
        let columns = arranged(b, [&batch, &inner, &right]).reshape(of([volume(&inner), volume(&right)]));
        rows.matmul(columns).reshape(shape)
    };
    Labelled { value, labels: [batch, left, right].concat() }
}

/// The mistake of an equation.
fn wrong(equation: &str, message: &str) -> Error {
    Error::new(ErrorKind::Argument, format!("equation {equation:?}: {message}"))
}

/// The mistake of lengths that differ.
fn differ(equation: &str, label: char, lengths: [usize; 2]) -> Result<()> {
    let message = format!("axes of {label:?} have lengths {} and {}", lengths[0], lengths[1]);
    Err(Error::new(ErrorKind::Shape, format!("equation {equation:?}: {message}"))
        .hint("axes of one letter run together; only those of ... broadcast"))
}
