//! The checker proved: for every op of the registry, rules broken on purpose must be caught, and the right op be named.

mod mutant;

use std::collections::BTreeMap;
use std::rc::Rc;

use mutant::{Case, Mutant, Mutation};
use wengert_autograd::check::{Cause, GradCheck, GradReport};
use wengert_autograd::ops::REGISTRY;
use wengert_autograd::ops::registry::Registered;
use wengert_autograd::{Tensor, Var};

/// Below this, a mistake is within the tolerances, or close to them.
const SMALLEST: f64 = 1e-6;

/// Samples whose operands come out of other ops say so at the end of their labels.
const THROUGH: [&str; 4] = [", transposed", ", parted", ", repeated", ", twice"];

/// What became of the mutants of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    made: usize,
    caught: usize,
    located: usize,
    /// Mutations that change nothing, as swapping the operands of a sum.
    unchanged: usize,
}

#[derive(Default)]
struct Tally {
    kinds: BTreeMap<&'static str, Counts>,
    /// Ops with the number of their mutants.
    ops: Vec<(&'static str, usize)>,
    controls: usize,
    misses: Vec<String>,
}

/// The mutant between right ops: every operand comes out of a `sinh`, and a curved function follows. Another way leads
/// around it.
fn graph<'t>(case: &Rc<Case>, mutation: Mutation, x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let operands: Vec<Var<'t, f64>> = x.iter().map(|x| x.sinh()).collect();
    let y = x[0].tape().custom(Mutant { case: case.clone(), mutation }, &operands).asinh();
    let around = operands.iter().fold(x[0].tape().scalar(0.0), |sum, &x| sum + x.sin().mean());
    y.exp() * 0.3 + y + around * 0.2
}

fn check(case: &Rc<Case>, mutation: Mutation) -> GradReport {
    let inputs: Vec<Tensor<f64>> = case.sample.inputs.iter().map(|input| input.map_values(f64::asinh)).collect();
    let check = GradCheck::new().order(mutation.order()).fast(true);
    check.report(|x| graph(case, mutation, x), &inputs).unwrap_or_else(|error| panic!("{}: {error}", case.name))
}

impl Tally {
    fn judge(&mut self, case: &Rc<Case>, mutation: Mutation) {
        let report = check(case, mutation);
        let counts = self.kinds.entry(mutation.words()).or_default();
        counts.made += 1;
        let caught = report.mismatches().next().is_some();
        counts.caught += usize::from(caught);
        let operands = match mutation {
            Mutation::Swapped(i) => vec![i, i + 1],
            // What is wrong is a derivative by each operand that the output depends on, whichever contribution it is of.
            Mutation::SecondCotangent(_) => (0..case.sample.inputs.len()).collect(),
            _ => vec![mutation.operand()],
        };
        let located = report.blame.as_ref().is_some_and(|blame| {
            let named = blame.op == case.name && operands.contains(&blame.operand);
            named && (blame.order, blame.cause) == (mutation.order(), Cause::Pullback)
        });
        counts.located += usize::from(located);
        if !caught || !located {
            let label = &case.sample.label;
            self.misses.push(format!(
                "{} ({label}), {mutation:?}, {}: {:?}\n{report}",
                case.name,
                if caught { "caught but not located" } else { "not caught" },
                report.blame,
            ));
        }
    }

    /// Every mutation of an op, each on the smallest sample where it changes something.
    fn add(&mut self, op: &Registered) {
        let mut samples = (op.samples)();
        // The same uses through views: what is broken would be the view as well.
        samples.retain(|sample| !THROUGH.iter().any(|through| sample.label.ends_with(through)));
        let mut cases: Vec<Rc<Case>> = samples.into_iter().filter_map(|s| Case::new(op.name, s)).map(Rc::new).collect();
        // The smallest first; those of one element last, on which most mistakes are one.
        cases.sort_by_key(|case| {
            let elements = |input: &Tensor<f64>| input.len();
            let few = case.sample.inputs.iter().map(elements).max() == Some(1);
            (few, case.sample.inputs.iter().map(elements).sum::<usize>() + case.output.iter().product::<usize>())
        });
        let mut proved = vec![None; cases.len()];
        let mut made = 0;
        for kind in Mutation::KINDS {
            for operand in 0..cases.iter().map(|case| case.sample.inputs.len()).max().unwrap_or(0) {
                let mutation = kind(operand);
                let mut fitting = (0..cases.len()).filter(|&i| {
                    let shapes: Vec<&[usize]> = cases[i].sample.inputs.iter().map(|input| &**input.shape()).collect();
                    operand < shapes.len() && mutation.fits(&shapes, &cases[i].output)
                });
                let some = fitting.clone().next().is_some();
                let chosen = fitting.find(|&i| {
                    cases[i].effect(mutation) >= SMALLEST && *proved[i].get_or_insert_with(|| self.control(&cases[i]))
                });
                match chosen {
                    Some(i) => self.judge(&cases[i], mutation),
                    None => self.kinds.entry(mutation.words()).or_default().unchanged += usize::from(some),
                }
                made += usize::from(chosen.is_some());
            }
        }
        self.ops.push((op.name, made));
    }

    /// Whether the op with nothing broken passes: else nothing is proved by what does not.
    fn control(&mut self, case: &Rc<Case>) -> bool {
        let report = check(case, Mutation::Nothing);
        self.controls += 1;
        if report.mismatches().next().is_some() || report.blame.is_some() {
            self.misses.push(format!("{} ({}), accused falsely: {report}", case.name, case.sample.label));
        }
        report.failures().next().is_none()
    }

    fn join(&mut self, other: Tally) {
        for (kind, counts) in other.kinds {
            let sum = self.kinds.entry(kind).or_default();
            sum.made += counts.made;
            sum.caught += counts.caught;
            sum.located += counts.located;
            sum.unchanged += counts.unchanged;
        }
        self.ops.extend(other.ops);
        self.controls += other.controls;
        self.misses.extend(other.misses);
    }

    /// Whether every line of the page's table says what was counted. It counts the ops of linear algebra too.
    fn agrees_with_the_page(&self) -> bool {
        let page = include_str!("../../../../docs/proof.md");
        self.kinds.iter().all(|(kind, Counts { made, caught, located, unchanged })| {
            let line = format!("| {kind} | {made} | {caught} | {located} | {unchanged} |");
            !cfg!(feature = "linalg") || page.contains(&line) || {
                println!("docs/proof.md lacks {line}");
                false
            }
        })
    }

    fn print(&self) {
        println!("| mistake | mutants | caught | op named | changed nothing |\n|---|---|---|---|---|");
        let mut sum = Counts::default();
        for (kind, counts) in &self.kinds {
            let Counts { made, caught, located, unchanged } = counts;
            println!("| {kind} | {made} | {caught} | {located} | {unchanged} |");
            sum.made += made;
            sum.caught += caught;
            sum.located += located;
            sum.unchanged += unchanged;
        }
        let Counts { made, caught, located, unchanged } = sum;
        println!("| together | {made} | {caught} | {located} | {unchanged} |");
        println!("{} ops, {} controls with nothing broken", self.ops.len(), self.controls);
    }
}

/// `WENGERT_OP` checks the ops of one name only.
fn tally() -> Tally {
    let only = std::env::var("WENGERT_OP").ok();
    let half = |which: usize| {
        let mut tally = Tally::default();
        let ops = REGISTRY.iter().filter(|op| only.as_ref().is_none_or(|only| only == op.name));
        ops.skip(which).step_by(2).for_each(|op| tally.add(op));
        tally
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        let mut tally = half(0);
        tally.join(other.join().expect("the other half"));
        tally
    })
}

#[test]
fn every_broken_rule_is_caught_and_the_op_named() {
    let tally = tally();
    tally.print();
    assert!(tally.misses.is_empty(), "{} misses:\n{}", tally.misses.len(), tally.misses.join("\n"));
    assert!(std::env::var_os("WENGERT_OP").is_some() || tally.agrees_with_the_page());
    for (op, made) in &tally.ops {
        // Where the derivative is zero, there are four kinds of mistake for each operand.
        assert!(*made >= 4, "{op}: {made} mutants");
    }
}
