//! The check of one order: every element of the Jacobian, or one direction of each input, by the tape against differences.

use std::sync::Arc;

use super::judge::{Finding, Tolerance, judge};
use super::line::{Line, Steps};
use super::report::{Comparison, GradReport, Mode, Verdict};
use super::subject::{Subject, guard};
use crate::{Element, Error, ErrorKind, Result, Shape, Tape, Tensor, Var};

/// How a check goes about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) tolerance: Tolerance,
    pub(super) steps: Steps,
    pub(super) seed: u64,
    /// One direction of each input first, all elements only if that does not pass.
    pub(super) fast: bool,
    /// Stay with the directions, whatever they say.
    pub(super) only_fast: bool,
    pub(super) forward: bool,
    /// At most so many elements of each input.
    pub(super) elements: Option<usize>,
    /// One weighted sum of the outputs in place of all of them.
    pub(super) contract: bool,
    /// How far two evaluations may differ.
    pub(super) nondeterminism: f64,
}

/// A subject at a point.
#[derive(Clone, Copy)]
pub(super) struct Checker<'a, T: Element> {
    pub(super) settings: Settings,
    pub(super) subject: &'a dyn Subject<T>,
    pub(super) values: &'a [Tensor<T>],
    pub(super) names: &'a [Arc<str>],
}

/// The leaves of a record, and the functions of them whose first derivatives are compared.
type Record<'t, T> = (Vec<Var<'t, T>>, Vec<Var<'t, T>>);

/// The Jacobian by the tape: for each output, the derivatives by each input; and which inputs are reached.
struct Jacobian<T: Element> {
    rows: Vec<Vec<Tensor<T>>>,
    reached: Vec<bool>,
}

/// One run of everything at the point.
struct Base<T: Element> {
    middle: Vec<f64>,
    jacobian: Jacobian<T>,
    /// Which outputs were not the same twice.
    random: Vec<bool>,
}

/// Pseudo-random numbers of magnitude 0.5 to 1.5 and either sign: none is small enough to hide an error. Sign and magnitude
/// are of a hash, SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, Fast Splittable Pseudorandom Number Generators, 2014): of
/// the multiples of one number, four in a row can add up to nothing, and hide an error that is the same for all.
pub(super) fn weights<T: Element>(shape: &Shape, seed: u64) -> Tensor<T> {
    Tensor::from_fn(shape, |i| {
        let state = seed.wrapping_mul(0xd1b5_4a32_d192_ed03).wrapping_add(i as u64 + 1);
        let mut bits = state.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let magnitude = 0.5 + (bits >> 12) as f64 / (1u64 << 52) as f64;
        T::of(if bits & 1 == 0 { -magnitude } else { magnitude })
    })
}

impl<T: Element> Checker<'_, T> {
    /// Records the function, or the gradients one order below.
    pub(super) fn outputs<'t>(&self, tape: &'t Tape<T>, values: &[Tensor<T>], order: usize) -> Result<Record<'t, T>> {
        let (leaves, output) = self.subject.record(tape, values)?;
        tape.first_error()?;
        let mut outputs = vec![output];
        for level in 1..order {
            let sum = self.weighted_sum(tape, &outputs, level);
            outputs = sum.pull_or_zero(tape.scalar(T::of(1.0)), &leaves);
        }
        if self.settings.contract {
            outputs = vec![self.weighted_sum(tape, &outputs, 0)];
        }
        tape.first_error()?;
        Ok((leaves, outputs))
    }

    fn weighted_sum<'t>(&self, tape: &'t Tape<T>, outputs: &[Var<'t, T>], salt: usize) -> Var<'t, T> {
        let terms = outputs.iter().enumerate().map(|(i, &output)| {
            let seed = self.settings.seed + 31 * salt as u64 + 7 * i as u64;
            (output * tape.constant(weights(&output.shape(), seed))).sum()
        });
        terms.reduce(|sum, term| sum + term).unwrap_or_else(|| tape.scalar(T::of(0.0)))
    }

    /// The values of the outputs one after the other.
    fn evaluate(&self, values: &[Tensor<T>], order: usize) -> Result<Vec<f64>> {
        guard(|| {
            let tape = self.subject.tape();
            let (_, outputs) = self.outputs(&tape, values, order)?;
            let tensors = tape.eval_all(&outputs)?;
            Ok(tensors.iter().flat_map(|tensor| tensor.as_slice().iter().map(|value| value.to_f64())).collect())
        })
    }

    fn jacobian(&self, order: usize) -> Result<Jacobian<T>> {
        guard(|| {
            let tape = self.subject.tape();
            let (leaves, outputs) = self.outputs(&tape, self.values, order)?;
            let mut rows = vec![];
            for output in &outputs {
                rows.extend(output.jacobian_rows(&leaves)?);
            }
            let reached = |&leaf: &Var<'_, T>| outputs.iter().any(|output| output.reaches(leaf));
            Ok(Jacobian { rows, reached: leaves.iter().map(reached).collect() })
        })
    }

    /// Runs everything twice at the point.
    fn base(&self, order: usize) -> Result<Base<T>> {
        let (middle, again) = (self.evaluate(self.values, order)?, self.evaluate(self.values, order)?);
        let (jacobian, second) = (self.jacobian(order)?, self.jacobian(order)?);
        if middle.len() != again.len() || jacobian.rows.len() != middle.len() || second.rows.len() != middle.len() {
            let message = format!("the function returned {} values, then {} for the same inputs", middle.len(), {
                if again.len() == middle.len() { jacobian.rows.len() } else { again.len() }
            });
            return Err(Error::new(ErrorKind::Check, message).op("gradcheck").hint("it is not deterministic"));
        }
        let rows = jacobian.rows.iter().zip(&second.rows);
        let mut random = self.differing(&middle, &again);
        for (random, (row, again)) in random.iter_mut().zip(rows) {
            let pairs = row.iter().zip(again).flat_map(|(a, b)| a.as_slice().iter().zip(b.as_slice()));
            *random |= pairs.into_iter().any(|(a, b)| !self.same(a.to_f64(), b.to_f64()));
        }
        Ok(Base { middle, jacobian, random })
    }

    fn differing(&self, a: &[f64], b: &[f64]) -> Vec<bool> {
        a.iter().zip(b).map(|(&a, &b)| !self.same(a, b)).collect()
    }

    fn same(&self, a: f64, b: f64) -> bool {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= self.settings.nondeterminism
    }

    /// Checks one order.
    ///
    /// # Errors
    /// Mistakes of the function at the point.
    pub(super) fn check(&self, order: usize, report: &mut GradReport) -> Result<()> {
        let first = report.comparisons.len();
        if self.settings.fast {
            let narrow = Checker { settings: Settings { contract: true, ..self.settings }, ..*self };
            let base = narrow.base(order)?;
            narrow.note_what_is_empty(order, &base, report);
            narrow.directions(order, &base, report);
            narrow.look_again(order, &base, &mut report.comparisons[first..])?;
        }
        let passed = |comparison: &Comparison| matches!(comparison.verdict, Verdict::Pass | Verdict::NotReached);
        let unclear = !report.comparisons[first..].iter().all(passed) && !self.settings.only_fast;
        let mut along = vec![];
        if self.settings.fast && unclear {
            along = report.comparisons.split_off(first);
            report.notes.push(format!("order {order}: the random direction did not pass, so elements were compared"));
        }
        if !self.settings.fast || unclear {
            let base = self.base(order)?;
            self.note_what_is_empty(order, &base, report);
            self.elements(order, &base, report);
            self.look_again(order, &base, &mut report.comparisons[first..])?;
        }
        // Elements that were not drawn may hold what the direction saw.
        let mismatch = |comparison: &Comparison| comparison.verdict == Verdict::Mismatch;
        if self.settings.elements.is_some() && !report.comparisons[first..].iter().any(mismatch) {
            report.comparisons.extend(along.into_iter().filter(mismatch));
        }
        if self.settings.forward && order == 1 {
            self.forward(&self.base(order)?, report)?;
        }
        Ok(())
    }

    /// What stayed the same twice in a row may have changed since.
    fn look_again(&self, order: usize, base: &Base<T>, comparisons: &mut [Comparison]) -> Result<()> {
        let last = self.evaluate(self.values, order)?;
        let changed = last.len() != base.middle.len() || self.differing(&base.middle, &last).contains(&true);
        if changed && !base.random.contains(&true) {
            comparisons.iter_mut().for_each(|comparison| comparison.verdict = Verdict::Nondeterministic);
        }
        Ok(())
    }

    /// The analytic number of a comparison.
    pub(super) fn analytic(&self, comparison: &Comparison) -> Result<f64> {
        let contract = self.settings.contract || (comparison.directional && self.settings.fast);
        let same = Checker { settings: Settings { contract, ..self.settings }, ..*self };
        let jacobian = same.jacobian(comparison.order)?;
        let row = &jacobian.rows[comparison.output][comparison.input];
        Ok(match comparison.directional {
            true => dot(row, &self.direction(comparison.input)),
            false => row.get(&comparison.position).map_or(f64::NAN, |value| value.to_f64()),
        })
    }

    fn note_what_is_empty(&self, order: usize, base: &Base<T>, report: &mut GradReport) {
        if order > 1 || !report.notes.is_empty() {
            return;
        }
        let reached = base.jacobian.reached.iter().enumerate().filter(|reached| !reached.1);
        report.unreached = reached.map(|(input, _)| input).collect();
        if base.middle.is_empty() {
            report.notes.push("the output has no elements".to_string());
        }
        for (name, value) in self.names.iter().zip(self.values) {
            if value.is_empty() {
                report.notes.push(format!("{name} has no elements"));
            }
        }
        if self.values.is_empty() {
            report.notes.push("there are no inputs".to_string());
        }
    }

    /// Which elements of an input are compared.
    fn picked(&self, input: usize, report: &mut GradReport, order: usize) -> Vec<usize> {
        let count = self.values[input].len();
        let Some(most) = self.settings.elements.filter(|&most| most < count) else { return (0..count).collect() };
        if order == 1 {
            let seed = self.settings.seed;
            report.notes.push(format!("{}: {most} of {count} elements, drawn with seed {seed}", self.names[input]));
        }
        // The first of a shuffled list (D. E. Knuth, The Art of Computer Programming, volume 2, algorithm P).
        let mut all: Vec<usize> = (0..count).collect();
        let mut state = self.settings.seed ^ (input as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for place in 0..most {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            all.swap(place, place + (state >> 33) as usize % (count - place));
        }
        all.truncate(most);
        all.sort_unstable();
        all
    }

    fn elements(&self, order: usize, base: &Base<T>, report: &mut GradReport) {
        for (input, tensor) in self.values.iter().enumerate() {
            for element in self.picked(input, report, order) {
                let rows = &base.jacobian.rows;
                let analytic: Vec<f64> = rows.iter().map(|row| row[input].as_slice()[element].to_f64()).collect();
                let place = Comparison { position: position(tensor.shape(), element), ..self.blank(order, input) };
                let mut function = |at: f64| {
                    let mut moved = self.values.to_vec();
                    let rounded = T::of(at);
                    moved[input].as_mut_slice()[element] = rounded;
                    Ok((rounded.to_f64(), self.evaluate(&moved, order)?))
                };
                let at = tensor.as_slice()[element].to_f64();
                let line = Line::new(at, &base.middle, self.settings.steps, &mut function);
                self.compare(line, base, &analytic, &place, report);
            }
        }
    }

    /// The direction in which a whole input is moved: in proportion to elements larger than 1.
    fn direction(&self, input: usize) -> Tensor<T> {
        let value = &self.values[input];
        let weights: Tensor<T> = weights(value.shape(), self.settings.seed + 1000 + input as u64);
        Tensor::from_fn(value.shape(), |i| {
            let scale = value.as_slice()[i].to_f64().abs().max(1.0);
            T::of(weights.as_slice()[i].to_f64() * if scale.is_finite() { scale } else { 1.0 })
        })
    }

    fn along(&self, input: usize, direction: &Tensor<T>, t: f64) -> Vec<Tensor<T>> {
        let mut moved = self.values.to_vec();
        for (to, along) in moved[input].as_mut_slice().iter_mut().zip(direction.as_slice()) {
            *to = T::of(to.to_f64() + t * along.to_f64());
        }
        moved
    }

    fn directions(&self, order: usize, base: &Base<T>, report: &mut GradReport) {
        for input in (0..self.values.len()).filter(|&input| !self.values[input].is_empty()) {
            let direction = self.direction(input);
            let analytic: Vec<f64> = base.jacobian.rows.iter().map(|row| dot(&row[input], &direction)).collect();
            let mut function = |t: f64| Ok((t, self.evaluate(&self.along(input, &direction, t), order)?));
            let line = Line::new(0.0, &base.middle, self.settings.steps, &mut function);
            let place = Comparison { directional: true, ..self.blank(order, input) };
            self.compare(line, base, &analytic, &place, report);
        }
    }

    /// The pullback of the pullback along one direction of each input: against differences, and against the pullback by
    /// `<u, J v> = <Jᵀu, v>`.
    fn forward(&self, base: &Base<T>, report: &mut GradReport) -> Result<()> {
        for input in (0..self.values.len()).filter(|&i| base.jacobian.reached[i] && !self.values[i].is_empty()) {
            let direction = self.direction(input);
            let (pushed, cotangent, pulled) = guard(|| self.pushed(input, &direction))?;
            let analytic: Vec<f64> = pushed.as_slice().iter().map(|value| value.to_f64()).collect();
            let place = Comparison { directional: true, mode: Mode::Forward, ..self.blank(1, input) };
            let mut function = |t: f64| Ok((t, self.evaluate(&self.along(input, &direction, t), 1)?));
            let line = Line::new(0.0, &base.middle, self.settings.steps, &mut function);
            self.compare(line, base, &analytic, &place, report);

            let (reverse, forward) = (dot(&pulled, &direction), dot(&pushed, &cotangent));
            let error = 1e3 * self.settings.steps.epsilon * (size(&pulled, &direction) + size(&pushed, &cotangent));
            let verdict = match (reverse - forward).abs() <= error {
                true => Verdict::Pass,
                false => Verdict::Mismatch,
            };
            let mode = Mode::Transposed;
            report.comparisons.push(Comparison {
                mode,
                analytic: reverse,
                numeric: forward,
                error,
                verdict,
                ..place.clone()
            });
        }
        Ok(())
    }

    /// `J v`, a random `u`, and `Jᵀu`.
    fn pushed(&self, input: usize, direction: &Tensor<T>) -> Result<(Tensor<T>, Tensor<T>, Tensor<T>)> {
        let tape = self.subject.tape();
        let (leaves, outputs) = self.outputs(&tape, self.values, 1)?;
        let (output, leaf) = (outputs[0], leaves[input]);
        let seed = tape.input(Tensor::zeros(output.shape()));
        let first = output.pull_or_zero(seed, &[leaf])[0];
        let pushed = first.pull_or_zero(tape.constant(direction), &[seed])[0];
        let cotangent: Tensor<T> = weights(&output.shape(), self.settings.seed + 5);
        let pulled = output.pull_or_zero(tape.constant(&cotangent), &[leaf])[0];
        let [pushed, pulled] = tape.eval([pushed, pulled])?;
        Ok((pushed, cotangent, pulled))
    }

    fn blank(&self, order: usize, input: usize) -> Comparison {
        Comparison {
            order,
            input,
            name: self.names[input].clone(),
            position: vec![],
            directional: false,
            output: 0,
            mode: Mode::Reverse,
            analytic: f64::NAN,
            numeric: f64::NAN,
            error: f64::NAN,
            verdict: Verdict::Mismatch,
        }
    }

    /// Compares the derivatives of all outputs along one line.
    fn compare(
        &self,
        mut line: Line<'_>,
        base: &Base<T>,
        analytic: &[f64],
        place: &Comparison,
        report: &mut GradReport,
    ) {
        for (output, &analytic) in analytic.iter().enumerate() {
            let place = Comparison { output, analytic, ..place.clone() };
            if base.random[output] {
                report.comparisons.push(Comparison { verdict: Verdict::Nondeterministic, ..place });
                continue;
            }
            let Finding { numeric, mut verdict } = judge(&mut line, output, analytic, &self.settings.tolerance);
            if verdict == Verdict::Pass && place.order == 1 && !base.jacobian.reached[place.input] {
                verdict = Verdict::NotReached;
            }
            let (numeric, error) = (numeric.value, numeric.error);
            report.comparisons.push(Comparison { numeric, error, verdict, ..place });
        }
        if let Some(failure) = line.failure {
            let note = format!("beside the point: {failure}");
            if !report.notes.contains(&note) {
                report.notes.push(note);
            }
        }
    }
}

fn dot<T: Element>(a: &Tensor<T>, b: &Tensor<T>) -> f64 {
    a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| a.to_f64() * b.to_f64()).sum()
}

/// The sum of the terms' magnitudes.
fn size<T: Element>(a: &Tensor<T>, b: &Tensor<T>) -> f64 {
    a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| (a.to_f64() * b.to_f64()).abs()).sum()
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
