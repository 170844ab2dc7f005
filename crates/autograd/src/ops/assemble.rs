//! Parts of one tensor put together: what a cotangent that comes in slices is.
//!
//! A primitive for speed: each slice's pullback alone would fill a whole tensor with zeros, so that the gradient of a
//! sequence cut into steps would cost the square of its length.

use ndarray::{ArrayD, Axis};
use smallvec::SmallVec;

use super::registry::{Sample, Text, spread};
use super::samples::widened;
use super::slice::{Slice, with_length};
use crate::error::Result;
use crate::kernels::gather;
use crate::kernels::number::Element;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tensor::Shape;

/// `y = Σ pad(xᵢ)`: each operand at its places along an axis of length `n`, zeros elsewhere.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(super) struct Assemble {
    n: usize,
    parts: Vec<Slice>,
}

impl Assemble {
    /// Of at least one part, all along the same axis.
    pub(super) fn of(n: usize, parts: Vec<Slice>) -> Self {
        Assemble { n, parts }
    }

    /// Whether the parts, in this order, lie one behind the other from the first place to the last.
    fn covers<'a>(&self, mut parts: impl Iterator<Item = &'a Slice>) -> bool {
        let mut next = 0;
        parts.all(|part| {
            let follows = part.step == 1 && part.start == next;
            next += part.count;
            follows
        }) && next == self.n
    }
}

impl<T: Element> Op<T> for Assemble {
    fn name(&self) -> &str {
        "assemble"
    }

    fn formula(&self, operands: &[String]) -> String {
        let part = |(part, operand): (&Slice, &String)| format!("{} from {}", operand, part.start);
        let parts: Vec<String> = self.parts.iter().zip(operands).take(3).map(part).collect();
        let more = if operands.len() > 3 { format!(", ... {} in all", operands.len()) } else { String::new() };
        format!("assemble({}{more}, axis {} of {})", parts.join(", "), self.parts[0].axis, self.n)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok(with_length(inputs[0], self.parts[0].axis, self.n))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], context: &Context<'_>) -> Result<()> {
        let each = inputs.iter().zip(&self.parts);
        // A sweep meets the last part first.
        if self.covers(self.parts.iter()) || self.covers(self.parts.iter().rev()) {
            each.for_each(|(input, part)| gather::place(input.values, part.walk(context.shape), output));
        } else {
            output.fill(T::ZERO);
            each.for_each(|(input, part)| gather::add(input.values, part.walk(context.shape), output));
        }
        Ok(())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let part = |(part, &wanted): (&Slice, &bool)| {
            wanted.then(|| call.cotangent.tape.record_shared(part.clone(), &[call.cotangent]))
        };
        Pullback::new(self.parts.iter().zip(&call.wanted).map(part).collect::<SmallVec<[_; 4]>>())
    }
}

/// What the docs say.
pub(super) const ASSEMBLE: Text = Text::primitive(
    "y = the sum of the xᵢ, each at its places along an axis, 0 elsewhere; recorded in backward passes",
    "g at the places",
    "",
);

/// Samples.
pub(super) fn samples<T: Element>() -> Vec<Sample<T>> {
    widened(&|| {
        let sample = |label: &str, shape: &[usize], axis: usize, parts: &'static [(usize, usize, usize)]| {
            let (n, whole) = (shape[axis], Shape::from(shape));
            let slice = move |&(start, step, count): &(usize, usize, usize)| Slice { axis, start, step, count };
            let input = |(i, part): (usize, &(usize, usize, usize))| {
                spread(with_length(&whole, axis, part.2), -2.0, 2.0, 11 + i)
            };
            let inputs: Vec<_> = parts.iter().enumerate().map(input).collect();
            let lengths = shape.to_vec();
            Sample::new(
                label,
                inputs,
                move |x| x[0].tape.record_shared(Assemble::of(n, parts.iter().map(slice).collect()), x),
                move |x| {
                    let mut y = ArrayD::zeros(lengths.clone());
                    for (x, &(start, step, count)) in x.iter().zip(parts) {
                        for (i, x) in x.axis_iter(Axis(axis)).enumerate().take(count) {
                            let mut to = y.index_axis_mut(Axis(axis), start + i * step);
                            to += &x;
                        }
                    }
                    y
                },
            )
        };
        vec![
            sample("two halves", &[4], 0, &[(0, 1, 2), (2, 1, 2)]),
            sample("three parts of the middle axis, the last first", &[2, 6, 2], 1, &[(4, 1, 2), (1, 1, 3), (0, 1, 1)]),
            sample("a gap", &[5], 0, &[(0, 1, 2), (3, 1, 2)]),
            sample("overlapping", &[5, 2], 0, &[(0, 1, 4), (1, 1, 4), (2, 1, 1)]),
            sample("every other place", &[2, 6], 1, &[(0, 2, 3), (1, 2, 3)]),
            sample("nothing in a part", &[3], 0, &[(0, 1, 0), (0, 1, 3)]),
        ]
    })
}
