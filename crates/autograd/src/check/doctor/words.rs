//! Findings in words: what is the matter, and what to do.

use std::fmt;

use super::finding::{Finding, Place, fraction, listed};

fn axes(axes: &[usize]) -> String {
    match axes {
        [axis] => format!("axis {axis}"),
        _ => format!("axes {axes:?}"),
    }
}

fn with_meaning(meaning: &str) -> String {
    if meaning.is_empty() { String::new() } else { format!(" ({meaning})") }
}

/// `, y (1 - y) with y its value,`.
fn with_derivative(derivative: &str) -> String {
    let mentions = |letter| derivative.split(|c: char| !c.is_alphanumeric()).any(|word| word == letter);
    match (derivative.is_empty(), mentions("y"), mentions("x")) {
        (true, ..) => String::new(),
        (_, true, _) => format!(", {derivative} with y its value,"),
        (_, _, true) => format!(", {derivative} with x its operand,"),
        _ => format!(", {derivative},"),
    }
}

/// A term of a sum, or an operand of something else.
fn way(place: &Place, term: &str) -> String {
    match place.op.as_str() {
        "add" | "sub" => format!("the term `{term}` of the sum {place}"),
        _ => format!("what comes through the operand `{term}` of {place}"),
    }
}

fn reduction(mean: bool) -> &'static str {
    if mean { "mean" } else { "sum" }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Right { .. } => f.write_str("it is right"),
            Finding::Imprecise { worst } => write!(f, "it agrees to {worst:.0e} only"),
            Finding::SignFlipped
            | Finding::FactorMissing { .. }
            | Finding::FactorExtra { .. }
            | Finding::SumForMean { .. }
            | Finding::MeanForSum { .. }
            | Finding::Proportional { .. }
            | Finding::LearningRate { .. } => self.write_factor(f),
            Finding::Transposed { .. }
            | Finding::Permuted { .. }
            | Finding::Reordered
            | Finding::Reshaped { .. }
            | Finding::NotReduced { .. }
            | Finding::Reduced { .. }
            | Finding::Repeated { .. }
            | Finding::Shapes { .. } => self.write_shape(f),
            Finding::Elements { .. }
            | Finding::Slice { .. }
            | Finding::Zero
            | Finding::NotFinite { .. }
            | Finding::Empty
            | Finding::Unreached
            | Finding::Undefined
            | Finding::Random
            | Finding::TapeDiffers { .. }
            | Finding::Unknown { .. } => self.write_elements(f),
            _ => self.write_rule(f),
        }
    }
}

impl Finding {
    fn write_factor(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::SignFlipped => f.write_str("the sign is flipped"),
            Finding::FactorMissing { factor, meaning } => {
                write!(f, "the factor {}{} is missing", fraction(*factor), with_meaning(meaning))
            }
            Finding::FactorExtra { factor, meaning } => {
                write!(f, "there is a factor {}{} too many", fraction(*factor), with_meaning(meaning))
            }
            Finding::SumForMean { count, place } => {
                write!(f, "it sums over {count} elements where the function takes their mean: {place}")
            }
            Finding::MeanForSum { count, place } => {
                write!(f, "it takes the mean over {count} elements where the function sums them: {place}")
            }
            Finding::LearningRate { rate } => {
                write!(f, "the learning rate {rate} is multiplied in: this is a step, not the gradient")
            }
            Finding::Proportional { factor } => write!(f, "it is {factor:.6} times what it should be"),
            _ => Ok(()),
        }
    }

    fn write_shape(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Transposed { from, to } if from == to => f.write_str("it is transposed"),
            Finding::Transposed { from, to } => {
                write!(f, "it is transposed: its shape is {from}, the input's is {to}")
            }
            Finding::Permuted { axes } => write!(f, "its axes are in the order {axes:?}"),
            Finding::Reordered => f.write_str("its elements are in column-major order"),
            Finding::Reshaped { from, to } => {
                write!(f, "the numbers stand in shape {from}, the input has shape {to}")
            }
            Finding::NotReduced { axes: over, from, to, mean } => write!(
                f,
                "it is not reduced: its shape is {from}, the input's is {to}; the gradient is its {} over {}",
                reduction(*mean),
                axes(over)
            ),
            Finding::Reduced { axes: over, from, to, mean } => write!(
                f,
                "it is reduced too far: its shape is {from}, the input's is {to}; it is the {} of the gradient over {}",
                reduction(*mean),
                axes(over)
            ),
            Finding::Repeated { axis, mean } => write!(
                f,
                "it is the same all along axis {axis}: the {} of the gradient over this axis, repeated",
                reduction(*mean)
            ),
            Finding::Shapes { from, to } => {
                write!(f, "its shape is {from}, the input's is {to}, and nothing known makes one of the other")
            }
            _ => Ok(()),
        }
    }

    fn write_rule(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::DerivativeForgotten { place, derivative } => {
                write!(f, "the derivative of {place}{} is forgotten", with_derivative(derivative))
            }
            Finding::DerivativeTwice { place, derivative } => {
                write!(f, "the derivative of {place}{} is multiplied in twice", with_derivative(derivative))
            }
            Finding::DerivativeReplaced { place, derivative, used } => {
                write!(f, "the derivative of {place} is {derivative} with y its value, and {used} is used instead")
            }
            Finding::DiagonalOnly { place } => {
                write!(f, "the derivative of {place} is taken as y (1 - y), which leaves out how its elements compete")
            }
            Finding::NotTransposed { place, operand } => {
                write!(f, "the pullback of {place} multiplies with {operand} where its transpose belongs")
            }
            Finding::TermMissing { place, term } => write!(f, "{} is missing", way(place, term)),
            Finding::TermScaled { place, term, factor } if *factor == -1.0 => {
                write!(f, "{} has the wrong sign", way(place, term))
            }
            Finding::TermScaled { place, term, factor } => {
                write!(f, "{} counts {} times", way(place, term), fraction(*factor))
            }
            Finding::TermExtra { coefficient, of, meaning } => {
                let coefficient = format!("{}{}", short(*coefficient), with_meaning(meaning));
                write!(f, "{coefficient} times {of} is added, a term that the function doesn't have")
            }
            Finding::OtherInput { name, .. } => write!(f, "it is the gradient of {name}"),
            Finding::OtherFunction { place, instead } => {
                write!(f, "it is the gradient of another function, one with {instead} {place}")
            }
            Finding::UpdatedPoint { rate } => {
                write!(f, "it is the gradient after the update, a step of learning rate {rate} further")
            }
            Finding::UpdatedInput { rate } => {
                write!(f, "it is the input after the update, x - {} gradient, not the gradient", short(*rate))
            }
            _ => Ok(()),
        }
    }

    fn write_elements(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Elements { positions, total } => {
                let verb = if positions.len() == 1 { "is" } else { "are" };
                write!(f, "{} of {total} elements {verb} wrong: {}", positions.len(), listed(positions))
            }
            Finding::Slice { axis, index } => {
                write!(f, "only index {index} of axis {axis} is wrong, everything else is right")
            }
            Finding::Zero => f.write_str("it is zero everywhere, the gradient is not"),
            Finding::NotFinite { positions, total } => {
                let verb = if positions.len() == 1 { "is" } else { "are" };
                write!(f, "{} of {total} elements {verb} infinite or NaN: {}", positions.len(), listed(positions))
            }
            Finding::Empty => f.write_str("there are no elements to compare"),
            Finding::Unreached => f.write_str("the function doesn't depend on this input: its gradient is zero"),
            Finding::Undefined => f.write_str("the true gradient is infinite or NaN here, so nothing can be said"),
            Finding::Random => f.write_str("the function gave two values at one point, so nothing can be said"),
            Finding::TapeDiffers { by_hand_agrees: true } => {
                f.write_str("it agrees with differences, and the tape's own gradient doesn't")
            }
            Finding::TapeDiffers { by_hand_agrees: false } => {
                f.write_str("the tape's own gradient differs from differences, so the diagnosis may be wrong")
            }
            Finding::Unknown { cosine, ratio } => write!(
                f,
                "no known mistake fits; {}: cosine {cosine:.4}, norm {ratio:.4} times the gradient's",
                direction(*cosine)
            ),
            _ => Ok(()),
        }
    }

    /// What to do about it; empty where nothing is to be done.
    pub fn fix(&self) -> String {
        match self {
            Finding::SignFlipped => "multiply by -1; an error `target - output` has the sign of the descent".into(),
            Finding::FactorMissing { factor, .. } => format!("multiply by {}", fraction(*factor)),
            Finding::FactorExtra { factor, .. } => format!("divide by {}", fraction(*factor)),
            Finding::SumForMean { count, .. } => format!("divide by {count}"),
            Finding::MeanForSum { count, .. } => format!("multiply by {count}"),
            Finding::Proportional { factor } => format!("divide by {factor:.6}, and find out where that comes from"),
            Finding::LearningRate { .. } => "leave the learning rate to the update".into(),
            Finding::Transposed { .. } => "transpose it: for `y = x w`, dw = xᵀ dy and dx = dy wᵀ".into(),
            Finding::Permuted { .. } => "permute the axes back".into(),
            Finding::Reordered => "transpose before flattening".into(),
            Finding::Reshaped { to, .. } => format!("reshape to {to}"),
            Finding::NotReduced { axes: over, mean, .. } => {
                format!("take the {} over {}", reduction(*mean), axes(over))
            }
            Finding::Reduced { axes: over, .. } => format!("don't reduce over {}", axes(over)),
            Finding::Repeated { axis, .. } => format!("don't reduce over axis {axis}"),
            Finding::DerivativeForgotten { derivative, .. } if derivative.is_empty() => "multiply by it there".into(),
            Finding::DerivativeForgotten { derivative, .. } => {
                format!("on the way back, multiply by {derivative} there")
            }
            Finding::DerivativeTwice { .. } => "take one of them out".into(),
            Finding::DerivativeReplaced { derivative, .. } => format!("use {derivative}"),
            Finding::DiagonalOnly { .. } => "dx = y (dy - sum(y dy))".into(),
            Finding::NotTransposed { operand, .. } => format!("transpose {operand}"),
            Finding::TermMissing { .. } => "add the derivative of this term".into(),
            Finding::TermScaled { factor, .. } => format!("divide this part by {}", fraction(*factor)),
            Finding::TermExtra { .. } => "take it out, or add its antiderivative to the function".into(),
            Finding::OtherInput { .. } => "check which gradient belongs to which input".into(),
            Finding::OtherFunction { .. } => "differentiate the function that is computed, or compute the other".into(),
            Finding::UpdatedPoint { .. } => "compute all gradients before the first update".into(),
            Finding::UpdatedInput { .. } => "bring the gradient alone".into(),
            Finding::Zero => "was it ever assigned?".into(),
            Finding::NotFinite { .. } => "look for a division by zero, a logarithm of zero, an overflow".into(),
            Finding::Shapes { to, .. } => format!("a gradient has its input's shape, {to}"),
            Finding::TapeDiffers { .. } => "run gradcheck: detach(), a custom op or a kink may be the reason".into(),
            Finding::Unreached => "is the input used, or cut off by detach()?".into(),
            Finding::Random => "seed what is random".into(),
            Finding::Imprecise { .. } => "was it rounded, or computed by differences or in f32?".into(),
            _ => String::new(),
        }
    }
}

fn direction(cosine: f64) -> &'static str {
    match cosine {
        c if c > 0.99 => "it points nearly the right way",
        c if c > 0.0 => "it points downhill where the gradient does, roughly",
        _ => "it points the wrong way",
    }
}

/// A number to six digits without trailing zeros.
fn short(number: f64) -> String {
    let rounded: f64 = format!("{number:.5e}").parse().unwrap_or(number);
    format!("{rounded}")
}
