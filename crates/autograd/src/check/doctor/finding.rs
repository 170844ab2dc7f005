//! What can be wrong with a gradient derived by hand, as data and in words.

use std::fmt;

use crate::Shape;

/// An operation of the function, and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The operation's name: `"sigmoid"`.
    pub op: String,
    /// Its formula, written out to some depth; a constant is printed as its shape: `"sigmoid(matmul([50, 3], w))"`.
    pub formula: String,
    /// The source file.
    pub file: String,
    /// The line in it, from 1.
    pub line: u32,
    /// The column in the line, from 1.
    pub column: u32,
    /// The scope of the tape; empty for none.
    pub scope: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` at {}:{}:{}", self.formula, self.file, self.line, self.column)?;
        match self.scope.is_empty() {
            true => Ok(()),
            false => write!(f, " in scope \"{}\"", self.scope),
        }
    }
}

/// One thing that is wrong with a gradient, or that it is right.
///
/// `Display` says what is the matter; [`fix`](Finding::fix) says what to do.
///
/// ```
/// use wengert_autograd::Tensor;
/// use wengert_autograd::check::{Finding, hand_gradient};
/// let x = Tensor::from([1.0, 2.0, 4.0, 3.0]);
/// let verdict = hand_gradient(|x| x.powi(3).sum(), &x, &Tensor::from([1.0, 4.0, 16.0, 9.0]))?;   // 3 x²
/// assert!(matches!(&verdict.findings[..], [Finding::FactorMissing { factor, .. }] if *factor == 3.0));
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// All elements agree.
    Right {
        /// The largest difference, relative to the largest element.
        worst: f64,
    },
    /// Agrees to a few digits only.
    Imprecise {
        /// The largest difference, relative to the largest element.
        worst: f64,
    },
    /// It has the opposite sign.
    SignFlipped,
    /// It is too small by a factor.
    FactorMissing {
        /// What to multiply with.
        factor: f64,
        /// What number that is; empty where it is plain.
        meaning: String,
    },
    /// It is too large by a factor.
    FactorExtra {
        /// What to divide by.
        factor: f64,
        /// What number that is; empty where it is plain.
        meaning: String,
    },
    /// It sums over elements of which the function takes the mean.
    SumForMean {
        /// How many elements.
        count: usize,
        /// The mean.
        place: Place,
    },
    /// It takes the mean over elements that the function sums.
    MeanForSum {
        /// How many elements.
        count: usize,
        /// The sum.
        place: Place,
    },
    /// It is a multiple of the gradient, by no factor that is known.
    Proportional {
        /// It is this many times the gradient.
        factor: f64,
    },
    /// It is multiplied by the learning rate: a step, no gradient.
    LearningRate {
        /// The learning rate.
        rate: f64,
    },
    /// Rows and columns are exchanged.
    Transposed {
        /// Its shape.
        from: Shape,
        /// The gradient's shape.
        to: Shape,
    },
    /// The axes are in another order.
    Permuted {
        /// Axis `i` of it is axis `axes[i]` of the gradient.
        axes: Vec<usize>,
    },
    /// The shape is right, the elements are stored in the order of a transposed array.
    Reordered,
    /// The right numbers in another shape.
    Reshaped {
        /// Its shape.
        from: Shape,
        /// The gradient's shape.
        to: Shape,
    },
    /// It has a value for each example, which nobody added up.
    NotReduced {
        /// Its axes that are too many.
        axes: Vec<usize>,
        /// Its shape.
        from: Shape,
        /// The gradient's shape.
        to: Shape,
        /// Whether their mean gives the gradient, or else their sum.
        mean: bool,
    },
    /// It lacks axes of the gradient, over which it is reduced.
    Reduced {
        /// The axes.
        axes: Vec<usize>,
        /// Its shape.
        from: Shape,
        /// The gradient's shape.
        to: Shape,
        /// Whether it is the mean over them, or else the sum.
        mean: bool,
    },
    /// It is the same everywhere along an axis: reduced over it, and repeated.
    Repeated {
        /// The axis.
        axis: usize,
        /// Whether it is the mean over it, or else the sum.
        mean: bool,
    },
    /// The derivative of an operation is left out of the chain rule.
    DerivativeForgotten {
        /// The operation.
        place: Place,
        /// The derivative as a formula over the operand `x` and the value `y`; empty where it isn't one formula.
        derivative: String,
    },
    /// The derivative of an operation is multiplied in twice.
    DerivativeTwice {
        /// The operation.
        place: Place,
        /// The derivative as a formula over the operand `x` and the value `y`.
        derivative: String,
    },
    /// Something else is used in place of an operation's derivative.
    DerivativeReplaced {
        /// The operation.
        place: Place,
        /// The derivative as a formula over the operand `x` and the value `y`.
        derivative: String,
        /// What is used, as such a formula.
        used: String,
    },
    /// The derivative of softmax is taken element by element, its other entries are left out.
    DiagonalOnly {
        /// The softmax.
        place: Place,
    },
    /// A matrix product is pulled back without the transposition.
    NotTransposed {
        /// The product.
        place: Place,
        /// The operand that should be transposed: its formula.
        operand: String,
    },
    /// One way in which the result depends on the input is left out.
    TermMissing {
        /// The operation that joins it with the rest.
        place: Place,
        /// The term: a formula.
        term: String,
    },
    /// One way in which the result depends on the input is counted with another weight.
    TermScaled {
        /// The operation that joins it with the rest.
        place: Place,
        /// The term: a formula.
        term: String,
        /// The weight, where 1 is right.
        factor: f64,
    },
    /// Something is added that the function doesn't have, such as the derivative of a weight decay.
    TermExtra {
        /// What the added multiple of `of` is.
        coefficient: f64,
        /// `"x"` for the input itself, `"sign(x)"` for its signs.
        of: String,
        /// What number the coefficient is; empty if it is none that is known.
        meaning: String,
    },
    /// It is the gradient of another input.
    OtherInput {
        /// Which.
        index: usize,
        /// Its name.
        name: String,
    },
    /// It is the gradient of another function.
    OtherFunction {
        /// The operation that is differentiated as another.
        place: Place,
        /// What the function would have there: `"the square of"`.
        instead: String,
    },
    /// It is the gradient at the point that a step of gradient descent leads to.
    UpdatedPoint {
        /// The learning rate of the step.
        rate: f64,
    },
    /// It is the input after a step of gradient descent.
    UpdatedInput {
        /// The learning rate of the step.
        rate: f64,
    },
    /// Some elements are wrong, all others are right.
    Elements {
        /// The positions.
        positions: Vec<Vec<usize>>,
        /// How many elements there are.
        total: usize,
    },
    /// One row, column or other slice is wrong, all others are right.
    Slice {
        /// The axis.
        axis: usize,
        /// The index along it.
        index: usize,
    },
    /// It is zero everywhere.
    Zero,
    /// Elements of it are infinite or not a number.
    NotFinite {
        /// The positions.
        positions: Vec<Vec<usize>>,
        /// How many elements there are.
        total: usize,
    },
    /// Its shape can't be the gradient's.
    Shapes {
        /// Its shape.
        from: Shape,
        /// The gradient's shape.
        to: Shape,
    },
    /// There are no elements.
    Empty,
    /// The function doesn't depend on the input.
    Unreached,
    /// The true gradient is not finite.
    Undefined,
    /// The function gave two values at one point.
    Random,
    /// The tape's own gradient differs from differences.
    TapeDiffers {
        /// Whether the gradient by hand agrees with the differences.
        by_hand_agrees: bool,
    },
    /// No known mistake gives this gradient.
    Unknown {
        /// The cosine of the angle to the gradient: 1 for the same direction.
        cosine: f64,
        /// Its norm in proportion to the gradient's.
        ratio: f64,
    },
}

impl Finding {
    /// The kind in one word: `"sign_flipped"`.
    pub fn kind(&self) -> String {
        let name = format!("{self:?}");
        let name = name.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
        let mut kind = String::new();
        for letter in name.chars() {
            if letter.is_uppercase() && !kind.is_empty() {
                kind.push('_');
            }
            kind.extend(letter.to_lowercase());
        }
        kind
    }

    /// Whether nothing is wrong.
    pub fn is_right(&self) -> bool {
        matches!(self, Finding::Right { .. })
    }
}

/// A number as a fraction where it is a simple one: `-1/2`.
pub(super) fn fraction(number: f64) -> String {
    for denominator in 1..=1000 {
        let numerator = number * f64::from(denominator);
        let near = numerator.round();
        if near != 0.0 && near.abs() < 1e6 && (numerator - near).abs() < 1e-9 * near.abs() {
            return if denominator == 1 { format!("{near}") } else { format!("{near}/{denominator}") };
        }
    }
    format!("{number:.6}")
}

/// A few positions in words.
pub(super) fn listed(positions: &[Vec<usize>]) -> String {
    let mut words: Vec<String> = positions.iter().take(6).map(|position| format!("{position:?}")).collect();
    if positions.len() > 6 {
        words.push(format!("and {} more", positions.len() - 6));
    }
    words.join(", ")
}
