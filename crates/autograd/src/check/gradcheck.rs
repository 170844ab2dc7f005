//! The gradient check: every element of the Jacobian by the tape against Ridders differences.

use super::difference::{Difference, Estimate};
use super::report::{Comparison, GradReport, Verdict};
use crate::{Element, Error, ErrorKind, Result, Shape, Tape, Tensor, Var};

/// Checks the first derivatives of a function of several tensors against differences, element by element, in f64.
///
/// The function may have an output of any shape. Inputs of f32 are checked at the same points in f64. See
/// [`GradCheck`] for tolerances and further orders.
///
/// # Errors
/// Mistakes of the function itself; and [`ErrorKind::Check`] where a derivative differs: the text names the input, the
/// element and both numbers.
///
/// ```
/// use wengert_autograd::{Real, Tensor};
/// use wengert_autograd::check::gradcheck;
/// let x = Tensor::from([0.3f32, -0.7]);
/// gradcheck(|x| x[0].map(|v| v.tanh() * v), &[x.clone()])?;
///
/// // detach() hides the second factor, so the tape says x and the differences say 2 x.
/// let error = gradcheck(|x| x[0] * x[0].detach(), &[x]).unwrap_err();
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
/// `|analytic - numeric| <= atol + rtol |numeric| + error`, `error` being the estimate's own.
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
    atol: f64,
    rtol: f64,
    seed: u64,
    fast: bool,
    difference: Difference,
}

impl Default for GradCheck {
    fn default() -> Self {
        GradCheck { order: 1, atol: 1e-8, rtol: 1e-7, seed: 1, fast: false, difference: Difference::new() }
    }
}

impl GradCheck {
    /// First order, `atol` 1e-8, `rtol` 1e-7.
    pub fn new() -> Self {
        GradCheck::default()
    }

    /// Checks derivatives up to this order: those beyond the first of a weighted sum of the outputs.
    pub fn order(self, order: usize) -> Self {
        GradCheck { order: order.max(1), ..self }
    }

    /// The absolute tolerance.
    pub fn atol(self, atol: f64) -> Self {
        GradCheck { atol, ..self }
    }

    /// The tolerance relative to the numeric derivative.
    pub fn rtol(self, rtol: f64) -> Self {
        GradCheck { rtol, ..self }
    }

    /// The largest step of the differences.
    pub fn step(self, step: f64) -> Self {
        GradCheck { difference: self.difference.step(step), ..self }
    }

    /// The same as [`step`](GradCheck::step).
    pub fn eps(self, eps: f64) -> Self {
        self.step(eps)
    }

    /// The seed of the random weights and directions.
    pub fn seed(self, seed: u64) -> Self {
        GradCheck { seed, ..self }
    }

    /// Compares one random weighted sum of the outputs along one random direction of each input, instead of every
    /// element of the Jacobian.
    pub fn fast(self, fast: bool) -> Self {
        GradCheck { fast, ..self }
    }

    /// Checks, and returns the report, or its text as an error where something differs.
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
    /// Mistakes of the function itself.
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
        let mut report = GradReport { unreached: unreached(&function, &inputs)?, ..GradReport::default() };
        for order in 1..=self.order {
            let job = Job { check: *self, function: &function, order, inputs: &inputs };
            match self.fast {
                true => job.compare_directions(&mut report)?,
                false => job.compare_elements(&mut report)?,
            }
        }
        Ok(report)
    }
}

/// Pseudo-random numbers of magnitude 0.5 to 1.5 and either sign: none is small enough to hide an error, and no two are
/// alike (the fractional parts of multiples of the golden ratio).
fn weights(shape: &Shape, seed: u64) -> Tensor<f64> {
    Tensor::from_fn(shape, |i| {
        let fraction = ((i as f64 + 1.0) * 0.618_033_988_749_894_9 + (seed % 1009) as f64 * 0.754_877_666).fract();
        let magnitude = 0.5 + (fraction * 8.0).fract();
        if fraction < 0.5 { -magnitude } else { magnitude }
    })
}

/// The inputs that the tape says are not reached.
fn unreached(
    function: &impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>,
    inputs: &[Tensor<f64>],
) -> Result<Vec<usize>> {
    let mut found = vec![];
    for input in 0..inputs.len() {
        let tape = Tape::new();
        let x: Vec<Var<'_, f64>> = inputs.iter().map(|input| tape.input(input)).collect();
        let y = function(&x);
        tape.first_error()?;
        let _ = y.vjp(tape.scalar(1.0), [x[input]]);
        match tape.first_error() {
            Err(error) if error.kind() == ErrorKind::Unreached => found.push(input),
            other => other?,
        }
    }
    Ok(found)
}

/// Adds nothing to the value, and makes the output depend on every input: an input that is not reached then has the
/// derivative zero, where it would otherwise be a mistake that stops the check.
fn reaching_all<'t>(mut y: Var<'t, f64>, x: &[Var<'t, f64>]) -> Var<'t, f64> {
    for x in x {
        y += (*x * 0.0).sum();
    }
    y
}

/// The check of one order.
struct Job<'a, F> {
    check: GradCheck,
    function: &'a F,
    order: usize,
    inputs: &'a [Tensor<f64>],
}

impl<F: for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>> Job<'_, F> {
    /// The functions whose first derivatives are compared: the function itself, or the gradients one order below.
    fn outputs<'t>(&self, x: &[Var<'t, f64>]) -> Vec<Var<'t, f64>> {
        let mut outputs = vec![reaching_all((self.function)(x), x)];
        for order in 1..self.order {
            let sum = self.weighted_sum(&outputs, x, order);
            outputs = x.iter().map(|&x| sum.grad([x])[0]).collect();
        }
        outputs
    }

    fn weighted_sum<'t>(&self, outputs: &[Var<'t, f64>], x: &[Var<'t, f64>], salt: usize) -> Var<'t, f64> {
        let tape = outputs[0].tape();
        let sum = outputs.iter().enumerate().fold(tape.scalar(0.0), |sum, (i, &output)| {
            let seed = self.check.seed + 31 * salt as u64 + 7 * i as u64;
            sum + (output * tape.constant(weights(&output.shape(), seed))).sum()
        });
        reaching_all(sum, x)
    }

    /// The values of the outputs one after the other, or of their weighted sum.
    fn values(&self, inputs: &[Tensor<f64>]) -> Result<Vec<f64>> {
        let tape = Tape::new();
        let x: Vec<Var<'_, f64>> = inputs.iter().map(|input| tape.input(input)).collect();
        let outputs = self.outputs(&x);
        match self.check.fast {
            true => Ok(vec![self.weighted_sum(&outputs, &x, 0).item()?]),
            false => Ok(tape.eval_all(&outputs)?.iter().flat_map(Tensor::to_vec).collect()),
        }
    }

    /// The Jacobian by the tape: for each element of the outputs, the gradient of each input.
    fn rows(&self) -> Result<Vec<Vec<Tensor<f64>>>> {
        let tape = Tape::new();
        let x: Vec<Var<'_, f64>> = self.inputs.iter().map(|input| tape.input(input)).collect();
        let outputs = self.outputs(&x);
        tape.first_error()?;
        let mut rows = vec![];
        for output in outputs {
            let output = reaching_all(output, &x);
            for element in 0..output.shape().volume() {
                let unit = Tensor::from_fn(output.shape(), |i| if i == element { 1.0 } else { 0.0 });
                let unit = tape.constant(unit);
                let row: Vec<Var<'_, f64>> = x.iter().map(|&x| output.vjp(unit, [x])[0]).collect();
                rows.push(tape.eval_all(&row)?.to_vec());
            }
        }
        Ok(rows)
    }

    /// Every element of the Jacobian.
    fn compare_elements(&self, report: &mut GradReport) -> Result<()> {
        let rows = self.rows()?;
        for (input, tensor) in self.inputs.iter().enumerate() {
            for element in 0..tensor.len() {
                let analytic: Vec<f64> = rows.iter().map(|row| row[input].as_slice()[element]).collect();
                let line = |value: f64| {
                    let mut moved = self.inputs.to_vec();
                    moved[input].as_mut_slice()[element] = value;
                    self.values(&moved)
                };
                let place = Comparison { input, position: position(tensor.shape(), element), ..self.blank() };
                self.compare(&analytic, tensor.as_slice()[element], line, &place, report)?;
            }
        }
        Ok(())
    }

    /// One weighted sum of the outputs, along one direction of each input.
    fn compare_directions(&self, report: &mut GradReport) -> Result<()> {
        let tape = Tape::new();
        let x: Vec<Var<'_, f64>> = self.inputs.iter().map(|input| tape.input(input)).collect();
        let sum = self.weighted_sum(&self.outputs(&x), &x, 0);
        for (input, tensor) in self.inputs.iter().enumerate() {
            let direction = weights(tensor.shape(), self.check.seed + 1000 + input as u64);
            let [gradient] = sum.grad([x[input]]);
            let analytic = (gradient * tape.constant(&direction)).sum().item()?;
            let line = |t: f64| {
                let mut moved = self.inputs.to_vec();
                for (to, along) in moved[input].as_mut_slice().iter_mut().zip(direction.as_slice()) {
                    *to += t * along;
                }
                self.values(&moved)
            };
            self.compare(&[analytic], 0.0, line, &Comparison { input, ..self.blank() }, report)?;
        }
        Ok(())
    }

    fn blank(&self) -> Comparison {
        let (analytic, numeric, error) = (f64::NAN, f64::NAN, f64::NAN);
        let verdict = Verdict::Differs;
        Comparison { order: self.order, input: 0, position: vec![], output: 0, analytic, numeric, error, verdict }
    }

    /// Compares the derivatives of all outputs along one line.
    fn compare(
        &self,
        analytic: &[f64],
        at: f64,
        line: impl Fn(f64) -> Result<Vec<f64>>,
        place: &Comparison,
        report: &mut GradReport,
    ) -> Result<()> {
        let mut numeric = self.check.difference.derivative(at, &line)?;
        if numeric.len() != analytic.len() {
            let message = format!("{} values with the first inputs, {} later", analytic.len(), numeric.len());
            return Err(Error::new(ErrorKind::Check, message).op("gradcheck").hint("is the function deterministic?"));
        }
        let agrees = |analytic: f64, estimate: Estimate| self.agrees(analytic, estimate);
        if analytic.iter().zip(&numeric).any(|(&analytic, &numeric)| !agrees(analytic, numeric)) {
            // A kink within the step spoils the estimate: a small step gets around one that is not at the point itself.
            let close = self.check.difference.step(1e-4).derivative(at, &line)?;
            for ((numeric, close), &analytic) in numeric.iter_mut().zip(close).zip(analytic) {
                if !agrees(analytic, *numeric) && (close.error < numeric.error || agrees(analytic, close)) {
                    *numeric = close;
                }
            }
        }
        let mut slopes = None;
        for (output, (&analytic, &numeric)) in analytic.iter().zip(&numeric).enumerate() {
            let verdict = match agrees(analytic, numeric) {
                true => Verdict::Agrees,
                false => {
                    let slopes = match &mut slopes {
                        Some(slopes) => slopes,
                        empty => empty.insert(one_sided(at, &line)?),
                    };
                    kink(analytic, slopes[output], &self.check).unwrap_or(Verdict::Differs)
                }
            };
            let Estimate { value, error } = numeric;
            report.comparisons.push(Comparison { output, analytic, numeric: value, error, verdict, ..place.clone() });
        }
        Ok(())
    }

    fn agrees(&self, analytic: f64, numeric: Estimate) -> bool {
        let tolerance = self.check.atol + self.check.rtol * numeric.value.abs();
        // An estimate that is itself worth little proves nothing.
        let error = numeric.error.min(1e3 * tolerance);
        (analytic - numeric.value).abs() <= tolerance + error
    }
}

/// Slopes to the left and right of a point at two steps: `[[left, right] near, [left, right] nearer]`.
type Slopes = [[f64; 2]; 2];

fn one_sided(at: f64, line: impl Fn(f64) -> Result<Vec<f64>>) -> Result<Vec<Slopes>> {
    let middle = line(at)?;
    let mut slopes: Vec<Slopes> = vec![[[0.0; 2]; 2]; middle.len()];
    for (nearness, step) in [1e-4, 1e-6].into_iter().enumerate() {
        for (side, point) in [at - step * at.abs().max(1.0), at + step * at.abs().max(1.0)].into_iter().enumerate() {
            for ((slopes, value), middle) in slopes.iter_mut().zip(line(point)?).zip(&middle) {
                // Adding zero turns -0 into 0.
                slopes[nearness][side] = (value - middle) / (point - at) + 0.0;
            }
        }
    }
    Ok(slopes)
}

/// Whether the point is a kink: the gap between the slopes does not shrink with the step, as that of a smooth function
/// does; and whether the analytic number lies between them, as one of its subgradients.
fn kink(analytic: f64, [near, nearer]: Slopes, check: &GradCheck) -> Option<Verdict> {
    let gap = |[left, right]: [f64; 2]| (right - left).abs();
    let [left, right] = nearer;
    let slack = check.atol + check.rtol * left.abs().max(right.abs()) + 1e-6 * gap(nearer).max(1e-3);
    let between = left.min(right) - slack <= analytic && analytic <= left.max(right) + slack;
    let stays = gap(nearer) > 1e-5 * left.abs().max(right.abs()).max(1e-3) && gap(nearer) > 0.5 * gap(near);
    (stays && between).then_some(Verdict::Kink { left, right })
}

/// The position of an element counted in row-major order.
fn position(shape: &Shape, mut element: usize) -> Vec<usize> {
    let mut position = vec![0; shape.len()];
    for (axis, &length) in shape.iter().enumerate().rev() {
        position[axis] = element % length.max(1);
        element /= length.max(1);
    }
    position
}
