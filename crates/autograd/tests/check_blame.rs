//! The op to blame: wrong rules in deep graphs are found by name, line, scope and operand.

use std::panic::Location;

use wengert_autograd::check::{Blame, Cause, GradCheck, gradcheck};
use wengert_autograd::ndarray::{ArrayViewD, ArrayViewMutD};
use wengert_autograd::{CustomOp, Pullback, Result, Shape, Tensor, Var};

type Number = fn(f64, f64) -> f64;
type Rule = for<'t> fn(Var<'t, f64>, Var<'t, f64>, Var<'t, f64>, Var<'t, f64>) -> [Option<Var<'t, f64>>; 2];

/// A function of two operands, elementwise: value, and contributions from `a`, `b`, `y` and the cotangent.
#[derive(Clone, Copy)]
struct Wrong {
    name: &'static str,
    /// The operand with the wrong contribution.
    operand: usize,
    value: Number,
    rule: Rule,
}

impl std::fmt::Debug for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl CustomOp<f64> for Wrong {
    fn name(&self) -> &str {
        self.name
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0].clone())
    }

    fn forward(&self, inputs: &[ArrayViewD<f64>], mut out: ArrayViewMutD<f64>) -> Result<()> {
        out.assign(&inputs[0]);
        out.zip_mut_with(&inputs[1], |y, &b| *y = (self.value)(*y, b));
        Ok(())
    }

    fn pullback<'t>(&self, x: &[Var<'t, f64>], y: Var<'t, f64>, g: Var<'t, f64>) -> Pullback<'t, f64> {
        Pullback::new((self.rule)(x[0], x[1], y, g))
    }
}

macro_rules! wrong {
    ($($operand:literal $name:literal: $value:expr => |$a:pat_param, $b:pat_param, $y:pat_param, $g:ident| [$first:expr, $second:expr];)*) => {
        [$(Wrong {
            name: $name,
            operand: $operand,
            value: $value,
            rule: |$a, $b, $y, $g| [Some($first), $second],
        }),*]
    };
}

/// 24 mistakes that people make.
fn rules() -> [Wrong; 24] {
    let mut rules = wrong! {
        0 "sign": |a, b| a.sin() + b => |a, _, _, g| [-(g * a.cos()), Some(g)];
        0 "factor two": |a, b| a * a + b => |a, _, _, g| [g * a, Some(g)];
        0 "a thousandth": |a, b| a.tanh() + b => |_, b, y, g| [g * (1.0 - (y - b).square()) * 1.001, Some(g)];
        0 "a hundredth": |a, b| a.exp() + b => |a, _, _, g| [g * a.exp() * 1.01, Some(g)];
        0 "swapped": |a, b| a * b => |a, _, _, g| [g * a, Some(g * a)];
        1 "operand missing": |a, b| a * b => |_, b, _, g| [g * b, None];
        1 "wrong second": |a, b| a - b => |_, _, _, g| [g, Some(g)];
        0 "forgotten cotangent": |a, b| a.sin() + b => |a, _, _, g| [a.cos() + g * 0.0, Some(g)];
        0 "squared cotangent": |a, b| a.sin() + b => |a, _, _, g| [g * g * a.cos(), Some(g)];
        0 "output for input": |a, b| a.sin() + b => |_, b, y, g| [g * (y - b).cos(), Some(g)];
        0 "constant added": |a, b| a.atan() + b => |a, _, _, g| [g / (1.0 + a.square()) + 1e-3, Some(g)];
        0 "inner derivative": |a, b| (3.0 * a).sin() + b => |a, _, _, g| [g * (3.0 * a).cos(), Some(g)];
        1 "quotient's sign": |a, b| a / (1.0 + b * b) => |a, b, _, g|
            [g / (1.0 + b.square()), Some(g * a * 2.0 * b / (1.0 + b.square()).square())];
        1 "square forgotten": |a, b| a / (2.0 + b.tanh()) => |a, b, _, g|
            [g / (2.0 + b.tanh()), Some(-g * a * (1.0 - b.tanh().square()) / (2.0 + b.tanh()))];
        0 "zero": |a, b| a.cos() + b => |_, _, _, g| [g * 0.0, Some(g)];
        0 "identity": |a, b| a.cos() + b => |_, _, _, g| [g, Some(g)];
        0 "detached": |a, b| a * a * a + b => |a, _, _, g| [g.detach() * 2.9 * a.square(), Some(g)];
        0 "sigmoid without product": |a, b| 1.0 / (1.0 + (-a).exp()) + b => |_, b, y, g| [g * (1.0 - (y - b)), Some(g)];
        0 "mean for sum": |a, b| a + b => |_, _, _, g| [g * 0.5, Some(g)];
        0 "reversed": |a, b| a.exp() + b => |a, _, _, g| [(g * a.exp()).flip(&[0]), Some(g)];
        0 "summed over": |a, b| a + b * b => |_, b, _, g| [g * 0.0 + g.sum(), Some(g * 2.0 * b)];
        0 "one element": |a, b| a.sin() + b => |a, _, _, g|
            [g * a.cos() * (1.0 + 0.01 * a.tape().constant(Tensor::from_fn(a.shape(), |i| f64::from(u8::from(i == 1))))), Some(g)];
        0 "infinite": |a, b| a + b => |_, _, _, g| [g / (g * 0.0), Some(g)];
        1 "both wrong way": |a, b| a + b.sin() => |a, _, _, g| [g, Some(g * a.cos())];
    };
    // `square forgotten` again, by a smooth but small amount.
    rules[13].name = "denominator not squared";
    rules
}

/// What is applied in between: smooth, and right.
fn layer<'t>(x: Var<'t, f64>, w: Var<'t, f64>, i: usize) -> Var<'t, f64> {
    match i % 5 {
        // Nothing saturates, so that no contribution falls below the tolerance.
        0 => (x * 0.7 + w).sin() + x * 0.5,
        1 => x.sin() * 0.9 + x,
        2 => x + 0.3 * w.exp().mean(),
        3 => x.softmax(-1) + x * 0.8,
        _ => x.reshape([1, 4]).matmul(w.reshape([4, 1]) * x.reshape([1, 4])).reshape([4]) * 0.2 + x,
    }
}

#[track_caller]
fn at<'t>(op: Wrong, x: Var<'t, f64>, w: Var<'t, f64>) -> (Var<'t, f64>, u32) {
    (x.tape().custom(op, &[x, w]), Location::caller().line())
}

/// A graph of some depth with the op in it, in a scope.
fn graph<'t>(op: Wrong, seed: usize, x: Var<'t, f64>, w: Var<'t, f64>) -> (Var<'t, f64>, u32) {
    let depth = 4 + 2 * seed;
    let place = (seed * 7 + 3) % depth;
    let mut h = x;
    let mut line = 0;
    for i in 0..depth {
        h = layer(h, w, i + seed);
        if i == place {
            (h, line) = x.tape().scope("part", || at(op, h, w));
        }
    }
    (h, line)
}

#[test]
fn wrong_rules_in_deep_graphs_are_located() {
    let inputs = [Tensor::from([0.3, -0.6, 0.9, 0.4]), Tensor::from([0.5, 0.8, -0.4, 1.1])];
    let mut located = 0;
    for op in rules() {
        for seed in 0..10 {
            let line = std::cell::Cell::new(0);
            let report = GradCheck::new().fast(seed % 2 == 1).report(
                |x| {
                    let (y, at) = graph(op, seed, x[0], x[1]);
                    line.set(at);
                    y
                },
                &inputs,
            );
            let report = report.expect("a report");
            assert!(!report.is_ok(), "{} in graph {seed} passes", op.name);
            let Some(blame) = &report.blame else { panic!("{} in graph {seed}: no blame\n{report}", op.name) };
            assert_eq!(blame.op, op.name, "graph {seed}: {report}");
            assert_eq!((blame.operand, blame.order, blame.cause), (op.operand, 1, Cause::Pullback), "{report}");
            assert_eq!((blame.location.line(), blame.scope.as_str()), (line.get(), "part"), "{report}");
            assert!(blame.location.file().ends_with("check_blame.rs"));
            located += 1;
        }
    }
    assert_eq!(located, 24 * 10);
}

#[test]
fn right_rules_are_not_blamed() {
    let inputs = [Tensor::from([0.3, -0.6, 0.9, 0.4]), Tensor::from([0.5, 0.8, -0.4, 1.1])];
    let right = Wrong {
        name: "right",
        operand: 0,
        value: |a, b| a * b.sin(),
        rule: |a, b, _, g| [Some(g * b.sin()), Some(g * a * b.cos())],
    };
    for seed in 0..10 {
        let report = gradcheck(|x| graph(right, seed, x[0], x[1]).0, &inputs).expect("right");
        assert_eq!(report.blame, None);
    }
}

/// `swish` with a pullback that forgets a half.
fn swish() -> Wrong {
    Wrong {
        name: "swish",
        operand: 0,
        value: |a, b| a * a * b,
        rule: |a, b, _, g| [Some(g * a * b), Some(g * a.square())],
    }
}

#[test]
fn the_report_says_what_pullback_and_differences_give() {
    let (one, weight) = (Tensor::from([0.7]), Tensor::from([1.0]));
    let error = gradcheck(|x| (x[0].tape().custom(swish(), x) + 1.0).exp(), &[one, weight]).expect_err("wrong");
    let text = error.to_string();
    assert!(
        text.contains(r#"op "swish" (operand 0) at crates/autograd/tests/check_blame.rs:"#)
            || text.contains("check_blame.rs:"),
        "{text}"
    );
    assert!(text.contains("its pullback gives 0.7, differences of its forward give 1.4"), "{text}");
    assert!(text.contains("input 0, element [0], output 0, order 1"), "{text}");
}

#[test]
fn only_the_wrong_input_of_two_is_listed_and_the_op_is_found_behind_constants() {
    let x = [Tensor::from([0.7, -0.2]), Tensor::from([1.0, 2.0])];
    let report = GradCheck::new()
        .report(|x| x[1].exp() + x[0].tape().custom(swish(), &[x[0], x[0].tape().constant([2.0, 3.0])]), &x)
        .expect("a report");
    assert!(report.mismatches().all(|mismatch| mismatch.input == 0), "{report}");
    assert_eq!(report.blame.expect("a blame").op, "swish");
}

/// A slope whose own pullback is wrong; and a function that uses it.
fn hidden(detached: bool) -> Wrong {
    let rule: Rule = match detached {
        true => |a, _, _, g| [Some(g * a.cos().detach()), Some(g)],
        false => |a, b, _, g| {
            let slope = Wrong {
                name: "slope",
                operand: 0,
                value: |a, _| a.cos(),
                rule: |a, _, _, g| [Some(-0.5 * g * a.sin()), None],
            };
            [Some(g * a.tape().custom(slope, &[a, b])), Some(g)]
        },
    };
    Wrong { name: "hidden", operand: 0, value: |a, b| a.sin() + b, rule }
}

#[test]
fn a_rule_wrong_in_the_second_order_only_is_blamed_with_what_is_wrong_inside() {
    let inputs = [Tensor::from([0.3, -0.6, 0.9, 0.4]), Tensor::from([0.5, 0.8, -0.4, 1.1])];
    for (detached, inner) in [(false, "slope"), (true, "detach")] {
        for seed in 0..5 {
            let report = GradCheck::new()
                .order(2)
                .report(|x| graph(hidden(detached), seed, x[0], x[1]).0, &inputs)
                .expect("a report");
            assert!(report.mismatches().count() > 0, "{report}");
            assert!(report.mismatches().all(|mismatch| mismatch.order == 2), "{report}");
            let Blame { op, operand, order, inner: inside, .. } = report.blame.clone().expect("a blame");
            assert_eq!((op.as_str(), operand, order), ("hidden", 0, 2), "{report}");
            assert_eq!(inside.as_deref(), Some(inner), "{report}");
        }
    }
}

#[test]
fn a_rule_wrong_in_the_derivative_by_its_cotangent_is_blamed() {
    // Right where the cotangent is constant: only what follows makes it depend on the input.
    let rule: Rule = |_, b, _, g| [Some(g.detach() * b), None];
    let cut = Wrong { name: "cut", operand: 0, value: |a, b| a * b, rule };
    let x = [Tensor::from([0.3, -0.6])];
    let check = GradCheck::new().order(2);
    let report = check
        .report(
            |x| {
                let slope = x[0].tape().constant(Tensor::from([1.5, -0.7]));
                x[0].tape().custom(cut, &[x[0].sinh(), slope]).exp()
            },
            &x,
        )
        .expect("a report");
    let blame = report.blame.clone().expect("a blame");
    assert_eq!((blame.op.as_str(), blame.operand, blame.order), ("cut", 0, 2), "{report}");
    assert_eq!(blame.inner.as_deref(), Some("detach"), "{report}");
}

#[test]
fn an_error_that_is_the_same_for_all_elements_is_seen_along_a_direction() {
    // The sum of the cotangent, added: weights that add up to nothing would hide it.
    let rule: Rule = |_, _, _, g| [Some(g + 0.01 * g.sum()), Some(g)];
    let op = Wrong { name: "sum added", operand: 0, value: |a, b| a + b, rule };
    for length in 1..12 {
        for seed in 0..10 {
            let x = [Tensor::full([length], 0.4), Tensor::full([length], 0.7)];
            let check = GradCheck::new().fast(true).seed(seed);
            let report = check.report(|x| x[0].tape().custom(op, x), &x).expect("a report");
            assert_eq!(report.blame.as_ref().map(|blame| blame.operand), Some(0), "{length}, seed {seed}: {report}");
        }
    }
}

#[test]
fn what_a_direction_saw_is_not_lost_with_elements_that_were_not_drawn() {
    let rule: Rule = |a, _, _, g| {
        let one = Tensor::from_fn(a.shape(), |i| f64::from(u8::from(i == 7)));
        [Some(g * (1.0 + a.tape().constant(one))), Some(g)]
    };
    let op = Wrong { name: "one of many", operand: 0, value: |a, b| a + b, rule };
    for seed in 0..10 {
        let x = [Tensor::full([100], 0.4), Tensor::full([100], 0.7)];
        let check = GradCheck::new().fast(true).elements(2).seed(seed);
        let report = check.report(|x| x[0].tape().custom(op, x), &x).expect("a report");
        assert!(!report.is_ok() && report.mismatches().next().is_some(), "seed {seed}: {report}");
        assert_eq!(report.blame.expect("a blame").op, "one of many");
    }
}

#[test]
fn detach_is_named_with_its_line() {
    let x = [Tensor::from([0.3, -0.6])];
    let line = line!() + 1;
    let report = GradCheck::new().report(|x| (x[0].exp() * x[0].tanh().detach()).sin(), &x).expect("a report");
    let blame = report.blame.clone().expect("a blame");
    assert_eq!((blame.op.as_str(), blame.cause, blame.location.line()), ("detach", Cause::Cut, line));
    assert!(report.to_string().contains("the gradient stops at detach() at "), "{report}");
    // Of two, the one that matters: the first is of a value that does not depend on the input.
    let report = GradCheck::new()
        .report(|x| (x[0] - x[0].detach()).detach() * 0.0 + x[0] * x[0].sin().detach(), &x)
        .expect("a report");
    assert!(report.blame.expect("a blame").equation.contains("detach"));
    // Two that only together explain it.
    let both = GradCheck::new().report(|x| x[0] * x[0].sin().detach() * x[0].cos().detach(), &x).expect("a report");
    assert_eq!(both.blame.expect("a blame").cause, Cause::Cut);
    // All of it is cut off: not reached by the tape, and yet the differences are not zero.
    let all = GradCheck::new().report(|x| x[0].exp().detach(), &x).expect("a report");
    assert_eq!(all.unreached, [0]);
    assert_eq!(all.blame.expect("a blame").cause, Cause::Cut);
}

#[test]
fn detach_within_right_operations_is_not_blamed() {
    // The variance shifts by a detached value, and the maximum divides by a detached count.
    let x = [Tensor::from([0.3, -0.6, 0.9, 0.4]), Tensor::from([0.5, 0.8, -0.4, 1.1])];
    let report =
        GradCheck::new().report(|x| (x[0].var() + x[0].max()) * x[0].tape().custom(swish(), x), &x).expect("a report");
    assert_eq!(report.blame.expect("a blame").op, "swish");
}

#[test]
fn a_value_taken_off_the_tape_leaves_nobody_to_blame() {
    let off = |x: Var<'_, f64>| x.item().unwrap_or(f64::NAN);
    let report = GradCheck::new().report(|x| x[0] * off(x[0]), &[Tensor::scalar(2.0)]).expect("a report");
    assert_eq!((report.blame.clone(), report.is_ok()), (None, false));
    assert!(report.to_string().contains("was a value taken off the tape with value() or item()"), "{report}");
}
