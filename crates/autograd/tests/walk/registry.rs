//! The walk over the registry.

use wengert_autograd::ops::REGISTRY;
use wengert_autograd::ops::registry::{Kind, Registered, Sample};

use crate::proof::{self, Verdict};

/// What was proved of one op, and the worst errors.
#[derive(Default)]
pub(crate) struct Proof {
    pub(crate) samples: usize,
    pub(crate) differentiable: usize,
    /// By order, 0 being the value.
    pub(crate) orders: [f64; 4],
    pub(crate) identity: f64,
    pub(crate) views: f64,
    pub(crate) shared: usize,
    pub(crate) single: f64,
    pub(crate) failures: Vec<String>,
}

impl Proof {
    fn note(failures: &mut Vec<String>, worst: &mut f64, label: &str, verdict: Verdict) {
        match verdict {
            Ok(error) => *worst = worst.max(error),
            Err(text) => failures.push(format!("{label}: {text}")),
        }
    }

    /// Proves one sample in f64.
    pub(crate) fn add(&mut self, sample: &Sample<f64>) {
        let Proof { orders, failures, .. } = self;
        let label = &sample.label;
        self.samples += 1;
        Proof::note(failures, &mut orders[0], label, proof::value(sample));
        if !sample.differentiable {
            Proof::note(failures, &mut 0.0, label, proof::refuses(sample));
            return;
        }
        self.differentiable += 1;
        for (order, tolerance) in [(1, 1e-9), (2, 1e-8), (3, 1e-7)] {
            if order <= sample.orders() {
                let verdict = proof::order(&*sample.function, &sample.inputs, order, tolerance);
                Proof::note(failures, &mut orders[order], label, verdict);
            }
        }
        let transposition = proof::transposition(&*sample.function, &sample.inputs);
        Proof::note(failures, &mut self.identity, label, transposition);
        Proof::note(failures, &mut self.views, label, proof::views(&*sample.function, &sample.inputs));
        if let Some(verdict) = proof::shared(sample) {
            self.shared += 1;
            Proof::note(failures, &mut 0.0, label, verdict);
        }
    }

    /// Everything about one op of the registry.
    pub(crate) fn of(op: &Registered) -> Proof {
        let mut proof = Proof::default();
        let samples = (op.samples)();
        if samples.is_empty() {
            proof.failures.push("no samples".into());
        }
        samples.iter().for_each(|sample| proof.add(sample));
        let single = (op.samples_f32)();
        if single.len() != samples.len() {
            proof.failures.push(format!("{} samples in f64, {} in f32", samples.len(), single.len()));
        }
        for (low, high) in single.iter().zip(&samples) {
            let verdict = proof::single(low, high, if op.kind == Kind::Row { 4.0 } else { 8.0 });
            Proof::note(&mut proof.failures, &mut proof.single, &low.label, verdict);
        }
        if op.kind == Kind::Row {
            proof.failures.extend(missing_shapes(&samples));
        }
        proof
    }
}

/// Rows are to be shown on numbers, on one element, and on none.
fn missing_shapes(samples: &[Sample<f64>]) -> Vec<String> {
    let any = |test: &dyn Fn(&[usize]) -> bool| samples.iter().any(|sample| test(sample.inputs[0].shape()));
    let mut missing = vec![];
    for (name, there) in [
        ("of shape []", any(&|shape| shape.is_empty())),
        ("with an axis of length 1", any(&|shape| shape.contains(&1))),
        ("without elements", any(&|shape| shape.contains(&0))),
        ("of several elements", any(&|shape| shape.iter().product::<usize>() > 1)),
    ] {
        if !there {
            missing.push(format!("no sample {name}"));
        }
    }
    missing
}

/// Proves every fourth op of the registry from one on: the parts run side by side.
fn walk(part: usize) {
    let mut failures = vec![];
    let mut table = String::new();
    for op in REGISTRY.iter().skip(part).step_by(4) {
        let proof = Proof::of(op);
        let [value, first, second, third] = proof.orders;
        table += &format!(
            "{:<18} {:>3} {:>3} {:>3}   {value:.0e} {first:.0e} {second:.0e} {third:.0e}   {:.0e} {:.0e}   {:.1}\n",
            op.name, proof.samples, proof.differentiable, proof.shared, proof.identity, proof.views, proof.single
        );
        failures.extend(proof.failures.iter().map(|failure| format!("{}: {failure}", op.name)));
    }
    println!(
        "op: samples, with derivative, same operand twice; worst errors: value, orders 1 to 3, <u, Jv>, views; f32 units\n{table}"
    );
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn the_first_quarter_of_the_registry() {
    walk(0);
}

#[test]
fn the_second_quarter_of_the_registry() {
    walk(1);
}

#[test]
fn the_third_quarter_of_the_registry() {
    walk(2);
}

#[test]
fn the_fourth_quarter_of_the_registry() {
    walk(3);
}

/// A case is one order of derivative, the value being order 0, of one sample in one element type.
#[test]
fn the_walk_is_wide() {
    let mut cases = 0;
    for op in REGISTRY {
        let samples = (op.samples)();
        assert!(samples.len() >= 16, "{}: only {} samples", op.name, samples.len());
        let in_f32 = |sample: &Sample<f64>| if sample.differentiable { 2 } else { 1 };
        cases += samples.iter().map(|sample| 1 + sample.orders() + in_f32(sample)).sum::<usize>();
    }
    println!("{} ops, {cases} cases", REGISTRY.len());
    assert!(cases >= 10_000, "only {cases} cases");
}

#[test]
fn an_op_without_samples_fails() {
    let op = Registered { samples: Vec::new, samples_f32: Vec::new, ..REGISTRY[0] };
    assert!(Proof::of(&op).failures.iter().any(|failure| failure == "no samples"));
}
