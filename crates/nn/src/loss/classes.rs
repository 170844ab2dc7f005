//! Losses of class labels and of distributions over classes.

use wengert_autograd::{Element, ErrorKind, IndexTensor, Shape, Tensor, Var};

use super::{Reduction, fail, fits, reduce};

/// `-mean(log_softmax(x)[label])`: the cross-entropy of logits `x` and class labels.
///
/// `logits` is `[n, classes]` with `n` labels, or `[classes]` with one. Stable for logits of any size. The gradient is
/// `(softmax(x) - one_hot(label)) / n`.
///
/// # Errors
/// Kept on the tape: another number of labels than of examples; a label outside the classes; an empty batch.
///
/// ```
/// use wengert_autograd::Tape;
/// use wengert_nn::loss::cross_entropy;
/// let tape = Tape::new();
/// let logits = tape.input([[0.0, 0.0], [1e4, 0.0]]);
/// let y = cross_entropy(logits, [1, 0]);
/// assert_eq!(y.item()?, 2f64.ln() / 2.0);
/// let [g] = y.grad([logits]);
/// assert_eq!(g.value()?.as_slice(), [0.25, -0.25, 0.0, 0.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn cross_entropy<'t, T: Element>(logits: Var<'t, T>, labels: impl Into<IndexTensor>) -> Var<'t, T> {
    CrossEntropy::new().forward(logits, labels)
}

/// `-mean(p[label])`: the negative log-likelihood, for log-probabilities `p` such as `log_softmax(axis)` gives.
///
/// Shapes and errors as in [`cross_entropy`].
///
/// ```
/// use wengert_autograd::Tape;
/// use wengert_nn::loss::nll;
/// let tape = Tape::new();
/// let p = tape.input([[-0.5, -1.0], [-0.25, -1.5]]);
/// let y = nll(p, [1, 0]);
/// assert_eq!(y.item()?, 0.625);
/// let [g] = y.grad([p]);
/// assert_eq!(g.value()?.as_slice(), [0.0, -0.5, -0.5, 0.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn nll<'t, T: Element>(log_probabilities: Var<'t, T>, labels: impl Into<IndexTensor>) -> Var<'t, T> {
    Nll::new().forward(log_probabilities, labels)
}

/// `-mean over examples(Σ over classes(t log_softmax(x)))`: the cross-entropy of logits `x` and target distributions `t`.
///
/// Both are `[n, classes]`, or both `[classes]`. The gradient by the logits is `(softmax(x) Σt - t) / n`.
///
/// # Errors
/// Kept on the tape: operands of different shapes, or of another rank; an empty batch.
///
/// ```
/// use wengert_autograd::Tape;
/// use wengert_nn::loss::cross_entropy_probabilities;
/// let tape = Tape::new();
/// let x = tape.input([[0.0, 0.0]]);
/// let y = cross_entropy_probabilities(x, tape.constant([[0.75, 0.25]]));
/// assert_eq!(y.item()?, 2f64.ln());
/// let [g] = y.grad([x]);
/// assert_eq!(g.value()?.as_slice(), [-0.25, 0.25]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn cross_entropy_probabilities<'t, T: Element>(logits: Var<'t, T>, target: Var<'t, T>) -> Var<'t, T> {
    CrossEntropyProbabilities::new().forward(logits, target)
}

/// [`cross_entropy_probabilities`] with options.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CrossEntropyProbabilities {
    reduction: Reduction,
}

impl CrossEntropyProbabilities {
    /// The defaults.
    pub fn new() -> Self {
        CrossEntropyProbabilities::default()
    }

    /// How the losses of the examples become one. Default: their mean.
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// Records the loss: of shape `[]`, or `[n]` without a reduction.
    #[track_caller]
    pub fn forward<'t, T: Element>(&self, logits: Var<'t, T>, target: Var<'t, T>) -> Var<'t, T> {
        const NAME: &str = "cross_entropy_probabilities";
        if logits.tape().first_error().is_err() {
            return logits;
        }
        if let Err(failed) = fits(NAME, logits, target) {
            return failed;
        }
        if !matches!(logits.rank(), 1 | 2) {
            return wrong_rank(NAME, logits);
        }
        let each = -(target * logits.log_softmax(-1)).sum_axes(&[-1], false);
        reduce(NAME, each, self.reduction, None)
    }
}

/// [`nll`] with options.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Nll {
    reduction: Reduction,
    weights: Option<Vec<f64>>,
}

impl Nll {
    /// The defaults.
    pub fn new() -> Self {
        Nll::default()
    }

    /// How the losses of the examples become one. Default: their mean.
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// The weight of each class. The mean then is the sum divided by the weights of the labels, as in PyTorch. Default: 1
    /// each.
    pub fn class_weights(mut self, weights: impl Into<Vec<f64>>) -> Self {
        self.weights = Some(weights.into());
        self
    }

    /// Records the loss: of shape `[]`, or `[n]` without a reduction.
    #[track_caller]
    pub fn forward<'t, T: Element>(&self, log_probabilities: Var<'t, T>, labels: impl Into<IndexTensor>) -> Var<'t, T> {
        let labels = labels.into();
        match examples("nll", log_probabilities, &labels, self.weights.as_deref()) {
            Ok(()) => of_labels("nll", log_probabilities, labels, self.weights.as_deref(), 0.0, self.reduction),
            Err(failed) => failed,
        }
    }
}

/// [`cross_entropy`] with options.
///
/// ```
/// use wengert_autograd::Tape;
/// use wengert_nn::loss::{CrossEntropy, Reduction};
/// let tape = Tape::new();
/// let logits = tape.input([[0.0, 0.0], [0.0, 0.0]]);
/// let loss = CrossEntropy::new().label_smoothing(0.1).reduction(Reduction::Sum).forward(logits, [0, 1]);
/// assert!((loss.item()? - 2.0 * 2f64.ln()).abs() < 1e-15);
/// let [g] = loss.grad([logits]);                    // softmax(x) less 0.95 at the label and 0.05 elsewhere
/// assert!((g.value()?.as_slice()[0] + 0.45).abs() < 1e-15);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CrossEntropy {
    reduction: Reduction,
    smoothing: f64,
    weights: Option<Vec<f64>>,
}

impl CrossEntropy {
    /// The defaults.
    pub fn new() -> Self {
        CrossEntropy::default()
    }

    /// How the losses of the examples become one. Default: their mean.
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// The share of the target that is spread evenly over all classes, from 0 to 1. Default 0.
    ///
    /// Source: Szegedy and others, "Rethinking the inception architecture for computer vision", 2016.
    pub fn label_smoothing(mut self, smoothing: f64) -> Self {
        self.smoothing = smoothing;
        self
    }

    /// The weight of each class. The mean then is the sum divided by the weights of the labels, as in PyTorch. Default: 1
    /// each.
    pub fn class_weights(mut self, weights: impl Into<Vec<f64>>) -> Self {
        self.weights = Some(weights.into());
        self
    }

    /// Records the loss: of shape `[]`, or `[n]` without a reduction.
    #[track_caller]
    pub fn forward<'t, T: Element>(&self, logits: Var<'t, T>, labels: impl Into<IndexTensor>) -> Var<'t, T> {
        const NAME: &str = "cross_entropy";
        let (labels, weights) = (labels.into(), self.weights.as_deref());
        if !(0.0..=1.0).contains(&self.smoothing) {
            let message = format!("label smoothing is {}, but must be from 0 to 1", self.smoothing);
            return fail(logits, NAME, ErrorKind::Argument, message, "PyTorch's default is 0");
        }
        match examples(NAME, logits, &labels, weights) {
            Ok(()) => of_labels(NAME, logits.log_softmax(-1), labels, weights, self.smoothing, self.reduction),
            Err(failed) => failed,
        }
    }
}

#[track_caller]
fn wrong_rank<'t, T: Element>(name: &str, x: Var<'t, T>) -> Var<'t, T> {
    let hint = "the operand is [examples, classes], or [classes] for one example";
    fail(x, name, ErrorKind::Shape, format!("an operand of shape {}", x.shape()), hint)
}

/// Whether the labels and the weights fit the operand.
#[track_caller]
fn examples<'t, T: Element>(
    name: &str,
    x: Var<'t, T>,
    labels: &IndexTensor,
    weights: Option<&[f64]>,
) -> Result<(), Var<'t, T>> {
    if x.tape().first_error().is_err() {
        return Err(x);
    }
    let shape = x.shape();
    let (count, classes) = match shape[..] {
        [classes] => (1, classes),
        [count, classes] => (count, classes),
        _ => return Err(wrong_rank(name, x)),
    };
    if labels.len() != count || labels.shape().len() > 1 {
        let message = format!("{count} labels needed for operand {shape}, got labels of shape {}", labels.shape());
        let hint = "one class number for each example; distributions go to cross_entropy_probabilities";
        return Err(fail(x, name, ErrorKind::Shape, message, hint));
    }
    if let Some((position, label)) = labels.as_slice().iter().enumerate().find(|&(_, &label)| label >= classes) {
        let message = format!("label {label} at position {position} is outside the {classes} classes");
        return Err(fail(x, name, ErrorKind::Index, message, "classes count from 0"));
    }
    match weights.filter(|weights| weights.len() != classes) {
        Some(weights) => {
            let message = format!("{} class weights for {classes} classes", weights.len());
            Err(fail(x, name, ErrorKind::Shape, message, "one weight for each class"))
        }
        None => Ok(()),
    }
}

/// The loss for log-probabilities whose labels fit.
#[track_caller]
fn of_labels<'t, T: Element>(
    name: &str,
    log_probabilities: Var<'t, T>,
    labels: IndexTensor,
    weights: Option<&[f64]>,
    smoothing: f64,
    reduction: Reduction,
) -> Var<'t, T> {
    let (shape, tape) = (log_probabilities.shape(), log_probabilities.tape());
    let weight = |class: usize| weights.map_or(1.0, |weights| weights[class]);
    let of_examples = || labels.as_slice().iter().map(|&label| weight(label));
    let divisor = weights.map(|_| of_examples().sum::<f64>());
    let each = if smoothing > 0.0 {
        // The target as a distribution, times the weights.
        let classes = shape.last().copied().unwrap_or(1);
        let target = Tensor::from_fn(&shape, |i| {
            let (label, class) = (labels.as_slice()[i / classes], i % classes);
            let own = if label == class { 1.0 - smoothing } else { 0.0 };
            T::of(weight(class) * (own + smoothing / classes as f64))
        });
        -(tape.constant(target) * log_probabilities).sum_axes(&[-1], false)
    } else {
        let (places, kept): (Shape, &[usize]) = match shape[..] {
            [count, _] => ([count, 1].into(), &[count]),
            _ => ([1].into(), &[]),
        };
        // The number of labels is the number of places.
        let Ok(places) = labels.reshape(places) else { return log_probabilities };
        let chosen = -log_probabilities.gather(-1, places).reshape(kept);
        match weights {
            Some(_) => {
                let of_examples: Vec<f64> = of_examples().collect();
                chosen * tape.constant(Tensor::from_fn(kept, |i| T::of(of_examples[i])))
            }
            None => chosen,
        }
    };
    reduce(name, each, reduction, divisor)
}
