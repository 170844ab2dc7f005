//! Which known number a factor is: a sign, a forgotten 2, a number of examples, a learning rate.

use super::finding::{Finding, Place};
use super::hypotheses::RATES;
use super::problem::{Node, Problem};
use crate::Result;

/// A factor explained: its exact value, what is wrong, and how far-fetched that is.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) value: f64,
    pub(super) findings: Vec<Finding>,
    pub(super) cost: u32,
}

/// A number of elements that a factor may be.
#[derive(Clone, Debug)]
struct Size {
    length: usize,
    meaning: String,
    mean: Option<Place>,
    sum: Option<Place>,
}

/// The numbers that a factor of this problem may be.
#[derive(Clone, Debug)]
pub(super) struct Factors {
    sizes: Vec<Size>,
    rate: Option<f64>,
}

/// One part of a factor: its value, what it says, its cost.
type Part = (f64, Option<Finding>, u32);

impl Factors {
    pub(super) fn of(problem: &Problem<'_>, nodes: &[Node]) -> Result<Self> {
        let mut factors = Factors { sizes: vec![], rate: problem.rate };
        for node in nodes.iter().filter(|node| node.place.op == "sum") {
            let count = node.operands[0].shape.volume() / node.shape.volume().max(1);
            // A mean is a sum divided by its number of elements.
            let mean = nodes.iter().find(|user| {
                user.place.op == "div"
                    && user.operands[0].id == node.id
                    && user.operands[1].number == Some(count as f64)
            });
            let size = factors.size(count);
            match (size, mean) {
                (Some(size), Some(mean)) => size.mean = size.mean.take().or(Some(mean.place.clone())),
                (Some(size), None) => size.sum = size.sum.take().or(Some(node.place.clone())),
                (None, _) => {}
            }
        }
        for (shape, words) in problem.shapes()? {
            for (axis, &length) in shape.iter().enumerate() {
                if let Some(size) = factors.size(length).filter(|size| size.meaning.is_empty()) {
                    size.meaning = format!("the length of axis {axis} of {words}");
                }
            }
        }
        Ok(factors)
    }

    /// The entry of a length that can be told from 1.
    fn size(&mut self, length: usize) -> Option<&mut Size> {
        if length < 2 {
            return None;
        }
        let place = self.sizes.iter().position(|size| size.length == length).unwrap_or_else(|| {
            self.sizes.push(Size { length, meaning: String::new(), mean: None, sum: None });
            self.sizes.len() - 1
        });
        self.sizes.get_mut(place)
    }

    /// What a multiple may come from, the simplest first, all equally simple; empty for a number that is none.
    pub(super) fn name(&self, factor: f64, tolerance: f64) -> Vec<Named> {
        let sign = if factor < 0.0 { (-1.0, Some(Finding::SignFlipped), 1) } else { (1.0, None, 0) };
        let mut all: Vec<Named> = vec![];
        for size in &self.size_parts() {
            for two in twos() {
                for rate in &self.rate_parts() {
                    let parts = [&sign, rate, &two, size];
                    let value = parts.iter().map(|part| part.0).product::<f64>();
                    if (factor - value).abs() <= tolerance * value.abs() {
                        let findings = parts.iter().filter_map(|part| part.1.clone()).collect();
                        all.push(Named { value, findings, cost: parts.iter().map(|part| part.2).sum() });
                    }
                }
            }
        }
        let least = all.iter().map(|named| named.cost).min().unwrap_or(0);
        all.retain(|named| named.cost == least);
        all
    }

    /// What an added term's coefficient may be.
    pub(super) fn coefficient(&self, number: f64, tolerance: f64) -> String {
        let Some(rate) = self.rate else { return String::new() };
        let near = |value: f64| (number.abs() - value).abs() <= tolerance * value;
        let of = |size: &&Size| near(rate / size.length as f64);
        match self.sizes.iter().find(of) {
            _ if near(rate) => format!("the learning rate {rate}"),
            Some(size) => format!("the learning rate {rate} divided by {}", size.length),
            None => String::new(),
        }
    }

    /// The learning rate that a number is: the given one, or a usual one where none is given.
    pub(super) fn rate(&self, number: f64, tolerance: f64) -> Option<f64> {
        let known = self.rate.map_or_else(|| RATES.to_vec(), |rate| vec![rate]);
        known.into_iter().find(|rate| (number - rate).abs() <= tolerance * rate)
    }

    fn size_parts(&self) -> Vec<Part> {
        let mut parts = vec![(1.0, None, 0)];
        // A forgotten 2 is a forgotten 2, whatever else has length 2.
        let telling = |size: &&Size| size.length > 2 || size.mean.is_some() || size.sum.is_some();
        for size in self.sizes.iter().filter(telling) {
            let (count, length) = (size.length, size.length as f64);
            let meaning = size.meaning.clone();
            let many = match &size.mean {
                Some(place) => Finding::SumForMean { count, place: place.clone() },
                None => Finding::FactorExtra { factor: length, meaning: meaning.clone() },
            };
            let few = match &size.sum {
                Some(place) => Finding::MeanForSum { count, place: place.clone() },
                None => Finding::FactorMissing { factor: length, meaning },
            };
            parts.extend([(length, Some(many), 1), (1.0 / length, Some(few), 1)]);
        }
        parts
    }

    fn rate_parts(&self) -> Vec<Part> {
        let rate = self.rate.filter(|&rate| rate > 0.0 && rate != 1.0);
        let part = rate.map(|rate| (rate, Some(Finding::LearningRate { rate }), 1));
        std::iter::once((1.0, None, 0)).chain(part).collect()
    }
}

/// Plain small numbers: a forgotten 2 is the commonest.
fn twos() -> Vec<Part> {
    let mut parts: Vec<Part> = vec![(1.0, None, 0)];
    for number in 2..=6 {
        let (factor, cost) = (f64::from(number), if number == 2 { 1 } else { 2 });
        parts.push((factor, Some(Finding::FactorExtra { factor, meaning: String::new() }), cost));
        parts.push((1.0 / factor, Some(Finding::FactorMissing { factor, meaning: String::new() }), cost));
    }
    parts
}
