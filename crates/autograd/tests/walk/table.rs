//! `docs/ops.md`: every op of the registry, from the registry itself.

use wengert_autograd::ops::REGISTRY;
use wengert_autograd::ops::registry::{Kind, Registered};

use crate::written;

const HEAD: &str = "\
# Ops

Every op of the registry: what it computes, how a cotangent goes back through it, where it is not smooth, and how far it is
proved. This page is generated: `WENGERT_WRITE_DOCS=1 cargo test -p wengert-autograd --features linalg --test walk` writes it, and the same
test fails when it is out of date.

`g` is the cotangent of the result `y`. By the zero rule, an exactly zero `g` stays exactly zero, whatever the derivative.
*Orders* says how many orders of derivative are compared with differences, in f64; the first is compared in f32 as well.
*Samples* counts the uses that are proved, each against a slow reference, with its derivatives, through transposed and reshaped
operands, and against forward differences. What happens at ties, corners, zeros and infinities stands in
[edges.md](edges.md).

";

/// The formula of a row with the names of its operands.
fn formula(op: &Registered) -> String {
    let mut text = op.formula.to_string();
    for (i, operand) in op.operands.iter().enumerate() {
        text = text.replace(&format!("{{{i}}}"), operand);
    }
    text
}

/// What one order of derivative after the other is compared with differences.
fn orders(op: &Registered) -> String {
    match (op.samples)().iter().map(|sample| sample.orders()).max() {
        None | Some(0) => "none".into(),
        Some(1) => "1".into(),
        Some(highest) => format!("1 to {highest}"),
    }
}

fn table(title: &str, column: &str, kind: Kind, cells: impl Fn(&Registered) -> [String; 3]) -> String {
    let mut text = format!("## {title}\n\n");
    text += &written::row(&["op", "value", column, "not smooth", "orders", "samples"]);
    text += &written::row(&["---"; 6]);
    for op in REGISTRY.iter().filter(|op| op.kind == kind) {
        let ([value, pullback, kinks], samples) = (cells(op), (op.samples)().len().to_string());
        text += &written::row(&[&format!("`{}`", op.name), &value, &pullback, &kinks, &orders(op), &samples]);
    }
    text + "\n"
}

fn words(op: &Registered) -> [String; 3] {
    [op.formula.into(), op.pullback.into(), op.kinks_text.into()]
}

#[test]
fn the_page_of_the_ops_is_up_to_date() {
    let row = |op: &Registered| {
        let partials = op.operands.iter().zip(op.derivatives);
        let partials: Vec<String> = partials.map(|(operand, partial)| format!("by {operand}: `{partial}`")).collect();
        let kinks: Vec<String> = op.kinks.iter().map(|kink| format!("{} = {kink}", op.operands[0])).collect();
        [format!("`{}`", formula(op)), partials.join("; "), kinks.join(", ")]
    };
    let rows = table("Functions of numbers, applied to each element", "derivatives", Kind::Row, row);
    let primitives = table("Ops with a pullback of their own", "pullback", Kind::Primitive, words);
    let composed = table("Compositions", "made of", Kind::Composed, words);
    let page = format!("{HEAD}{rows}{primitives}{}\n", composed.trim_end());
    match cfg!(feature = "linalg") {
        true => written::page("ops.md", &page),
        // The page has every op, this build a part of them.
        false => written::part_of_page("ops.md", &page),
    }
}

#[test]
fn every_op_says_what_it_does() {
    for op in REGISTRY.iter().filter(|op| op.kind != Kind::Row) {
        assert!(!op.formula.is_empty() && !op.pullback.is_empty(), "{}: its line in the list needs `=> TEXT`", op.name);
    }
    let mut names: Vec<&str> = REGISTRY.iter().map(|op| op.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "two ops of one name: {names:?}");
}
