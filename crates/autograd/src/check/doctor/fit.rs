//! Whether a candidate explains a gradient: exactly, on all elements, up to numbers that have a name.

use super::factor::{Factors, Named};
use super::finding::{Finding, Place};
use super::problem::largest;
use super::reading::Reading;

/// What a gradient with a mistake would be.
pub(super) struct Candidate {
    pub(super) form: Form,
    pub(super) findings: Vec<Finding>,
    pub(super) cost: u32,
}

/// How a candidate is made.
pub(super) enum Form {
    /// Known up to a factor.
    Plain(Vec<f64>),
    /// A part of it may have another weight than the rest.
    Part { rest: Vec<f64>, part: Vec<f64>, place: Place, term: String },
}

/// A set of mistakes that gives the gradient.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Explanation {
    pub(super) findings: Vec<Finding>,
    pub(super) cost: u32,
    /// The gradient by hand is this many times the true one, where that is all.
    pub(super) factor: Option<f64>,
}

/// How exactly a fit must agree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tolerance {
    /// Relative to an element.
    pub(super) relative: f64,
    /// The same where there are few elements to tell explanations apart.
    pub(super) relative_of_few: f64,
    /// What share of the largest element counts as the magnitude of a small one.
    pub(super) floor: f64,
    /// What rounding alone may do.
    pub(super) noise: f64,
}

impl Tolerance {
    /// Whether two gradients agree.
    pub(super) fn close(&self, a: &[f64], b: &[f64], relative: f64) -> bool {
        let largest = largest(a).max(largest(b));
        a.iter().zip(b).all(|(&a, &b)| self.close_element(a, b, largest, relative))
    }

    pub(super) fn close_element(&self, a: f64, b: f64, largest: f64, relative: f64) -> bool {
        (a - b).abs() <= relative * (a.abs().max(b.abs()) + self.floor * largest) + self.noise
    }
}

/// A reading that is to be explained.
pub(super) struct Fit<'a> {
    pub(super) reading: &'a Reading,
    pub(super) factors: &'a Factors,
    pub(super) tolerance: Tolerance,
    pub(super) input: &'a [f64],
    /// How many elements there are that say something of their own.
    pub(super) evidence: usize,
}

impl<'a> Fit<'a> {
    pub(super) fn new(reading: &'a Reading, factors: &'a Factors, tolerance: Tolerance, input: &'a [f64]) -> Self {
        Fit { reading, factors, tolerance, input, evidence: evidence(&reading.values) }
    }

    /// All explanations by one candidate.
    pub(super) fn explain(&self, candidate: &Candidate) -> Vec<Explanation> {
        let largest = largest(&self.reading.values);
        if self.evidence == 0 || !largest.is_finite() || self.tolerance.noise > 1e-3 * largest {
            return vec![];
        }
        match &candidate.form {
            Form::Plain(values) => {
                let values = self.reading.project(values);
                let mut all = self.plain(&values, &candidate.findings, candidate.cost);
                all.extend(self.with_extra_term(&values, candidate));
                all
            }
            Form::Part { rest, part, place, term } => {
                let (rest, part) = (self.reading.project(rest), self.reading.project(part));
                let missing = Finding::TermMissing { place: place.clone(), term: term.clone() };
                let mut all = self.plain(&rest, &[missing], candidate.cost);
                all.extend(self.weighted(&rest, &part, candidate, place, term));
                all
            }
        }
    }

    fn relative(&self) -> f64 {
        if self.evidence < 3 { self.tolerance.relative_of_few } else { self.tolerance.relative }
    }

    fn close(&self, values: &[f64]) -> bool {
        self.tolerance.close(&self.reading.values, values, self.relative())
    }

    fn is_truth(&self, findings: &[Finding]) -> bool {
        findings.is_empty()
    }

    /// `mine = factor · values`.
    fn plain(&self, values: &[f64], findings: &[Finding], cost: u32) -> Vec<Explanation> {
        let mine = &self.reading.values;
        let norm = dot(values, values);
        if norm <= 0.0 || !norm.is_finite() {
            return vec![];
        }
        let factor = dot(values, mine) / norm;
        if !self.close(&scaled(values, factor)) {
            return vec![];
        }
        let names = self.factors.name(factor, self.relative());
        let all: Vec<Explanation> = names
            .into_iter()
            .filter(|named| self.close(&scaled(values, named.value)))
            .map(|named| self.explanation(findings, &named, cost))
            .collect();
        let needed = if self.is_truth(findings) { 2 } else { 3 };
        if all.is_empty() && self.evidence >= needed {
            let unknown = Named { value: factor, findings: vec![Finding::Proportional { factor }], cost: 5 };
            return vec![self.explanation(findings, &unknown, cost)];
        }
        all
    }

    fn explanation(&self, findings: &[Finding], named: &Named, cost: u32) -> Explanation {
        let all = [&self.reading.findings[..], findings, &named.findings].concat();
        let factor_only = self.is_truth(findings) && self.reading.findings.is_empty();
        let cost = self.reading.cost + cost + named.cost;
        Explanation { findings: all, cost, factor: factor_only.then_some(named.value) }
    }

    /// `mine = factor · values + coefficient · x`, or with the signs of `x`.
    fn with_extra_term(&self, values: &[f64], candidate: &Candidate) -> Vec<Explanation> {
        if !self.reading.is_whole() || self.evidence < 2 {
            return vec![];
        }
        let signs: Vec<f64> = self.input.iter().map(|&x| if x == 0.0 { 0.0 } else { x.signum() }).collect();
        let mut all = vec![];
        for (of, extra) in [("the input", self.input), ("the input's signs", &signs)] {
            let Some((factor, coefficient)) = self.two(values, extra) else { continue };
            let itself = of == "the input" && self.is_truth(&candidate.findings) && self.is_one(coefficient);
            if let Some(rate) = self.factors.rate(-factor, 10.0 * self.relative()).filter(|_| itself) {
                let findings = [&self.reading.findings[..], &[Finding::UpdatedInput { rate }]].concat();
                all.push(Explanation { findings, cost: self.reading.cost + 2, factor: None });
                continue;
            }
            for named in self.factors.name(factor, 10.0 * self.relative()) {
                let rest: Vec<f64> =
                    self.reading.values.iter().zip(values).map(|(mine, value)| mine - named.value * value).collect();
                let coefficient = dot(&rest, extra) / dot(extra, extra);
                let meaning = self.factors.coefficient(coefficient, 10.0 * self.relative());
                let enough = if meaning.is_empty() { 3 } else { 2 };
                if self.evidence >= enough && self.close(&sum(values, named.value, extra, coefficient)) {
                    let term = Finding::TermExtra { coefficient, of: of.to_string(), meaning: meaning.clone() };
                    let mut explanation = self.explanation(&candidate.findings, &named, candidate.cost);
                    explanation.findings.push(term);
                    explanation.cost += if meaning.is_empty() { 4 } else { 2 };
                    all.push(Explanation { factor: None, ..explanation });
                }
            }
        }
        all
    }

    fn is_one(&self, number: f64) -> bool {
        (number - 1.0).abs() <= 10.0 * self.relative()
    }

    /// `mine = factor · (rest + weight · part)`.
    fn weighted(
        &self,
        rest: &[f64],
        part: &[f64],
        candidate: &Candidate,
        place: &Place,
        term: &str,
    ) -> Vec<Explanation> {
        let Some((factor, product)) = self.two(rest, part) else { return vec![] };
        let mut all = vec![];
        for named in self.factors.name(factor, 10.0 * self.relative()) {
            let weight = product / named.value;
            let mut weights = self.factors.name(weight, 10.0 * self.relative());
            // Any weight at all is believed only where there is much evidence.
            if weights.is_empty() && self.evidence >= 4 && named.value == 1.0 {
                weights.push(Named { value: weight, findings: vec![], cost: 3 });
            }
            for Named { value: weight, cost, .. } in weights.into_iter().take(1) {
                if weight == 1.0 || !self.close(&sum(rest, named.value, part, named.value * weight)) {
                    continue;
                }
                let finding = Finding::TermScaled { place: place.clone(), term: term.to_string(), factor: weight };
                let mut explanation = self.explanation(&[finding], &named, candidate.cost);
                explanation.cost += cost;
                all.push(explanation);
            }
        }
        all
    }

    /// The least squares of `mine = a · left + b · right`, where it is a fit to which both parts matter.
    fn two(&self, left: &[f64], right: &[f64]) -> Option<(f64, f64)> {
        let mine = &self.reading.values;
        let (ll, lr, rr) = (dot(left, left), dot(left, right), dot(right, right));
        let (lm, rm) = (dot(left, mine), dot(right, mine));
        let determinant = ll * rr - lr * lr;
        if determinant.is_nan() || determinant <= 1e-8 * ll * rr {
            return None;
        }
        let (a, b) = ((lm * rr - rm * lr) / determinant, (rm * ll - lm * lr) / determinant);
        let matters = |factor: f64, part: &[f64]| {
            factor.abs() * largest(part) > 30.0 * (self.relative() * largest(mine) + self.tolerance.noise)
        };
        (matters(a, left) && matters(b, right) && self.close(&sum(left, a, right, b))).then_some((a, b))
    }
}

/// How many different magnitudes there are: what tells explanations apart.
fn evidence(values: &[f64]) -> usize {
    let least = 1e-6 * largest(values);
    let mut magnitudes: Vec<f64> = values.iter().map(|value| value.abs()).filter(|&value| value > least).collect();
    magnitudes.sort_by(f64::total_cmp);
    magnitudes.dedup_by(|a, b| (*a - *b).abs() <= 1e-6 * a.abs().max(b.abs()));
    magnitudes.len()
}

/// Whether `a` is a multiple of `b`, zero included.
pub(super) fn proportional(a: &[f64], b: &[f64]) -> bool {
    let norm = dot(b, b);
    let factor = if norm > 0.0 { dot(a, b) / norm } else { 0.0 };
    let slack = 1e-9 * largest(a);
    a.iter().zip(b).all(|(a, b)| (a - factor * b).abs() <= slack)
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn scaled(values: &[f64], factor: f64) -> Vec<f64> {
    values.iter().map(|value| factor * value).collect()
}

fn sum(left: &[f64], a: f64, right: &[f64], b: f64) -> Vec<f64> {
    left.iter().zip(right).map(|(left, right)| a * left + b * right).collect()
}
