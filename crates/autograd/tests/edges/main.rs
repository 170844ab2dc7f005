//! The edges: what value and derivative are at kinks, ties, zeros and infinities, exactly. Each row is one test, and the
//! page `docs/edges.md` is made of the same rows.

#[path = "../written/mod.rs"]
mod written;

use wengert_autograd::{Tape, Tensor, Var};

pub(crate) const INF: f64 = f64::INFINITY;
pub(crate) const NAN: f64 = f64::NAN;

/// 2 to the power `n`.
pub(crate) const fn two(n: i64) -> f64 {
    f64::from_bits(((1023 + n) as u64) << 52)
}

/// One row: a use of ops at a point, the value there, and the gradient of the sum of all results.
pub(crate) struct Edge {
    name: &'static str,
    case: &'static str,
    note: &'static str,
    inputs: &'static [&'static [f64]],
    function: for<'t> fn(&[Var<'t, f64>]) -> Var<'t, f64>,
    value: &'static [f64],
    gradients: &'static [&'static [f64]],
}

/// Rows of one part of the page, and a test for each.
macro_rules! edges {
    ($title:literal; $x:ident; $(
        $name:ident: $case:literal $(, $note:literal)?
        at [$($input:expr),*];
        $function:expr;
        value $value:expr, gradients [$($gradient:expr),*];
    )*) => {
        pub(crate) const TITLE: &str = $title;
        pub(crate) const EDGES: &[$crate::Edge] = &[$($crate::Edge {
            name: stringify!($name),
            case: $case,
            note: concat!($($note)?),
            inputs: &[$($input),*],
            function: |$x| $function,
            value: &$value,
            gradients: &[$($gradient),*],
        }),*];

        $(#[test]
        fn $name() {
            $crate::prove(EDGES, stringify!($name));
        })*
    };
}

mod corners;
mod large;
mod masks;
mod norms;
mod ties;
mod zeros;

/// The parts of the page in their order.
const PARTS: [(&str, &[Edge]); 6] = [
    (corners::TITLE, corners::EDGES),
    (ties::TITLE, ties::EDGES),
    (zeros::TITLE, zeros::EDGES),
    (norms::TITLE, norms::EDGES),
    (masks::TITLE, masks::EDGES),
    (large::TITLE, large::EDGES),
];

/// Equal bit by bit, but for the sign of zero and the bits of NaN.
fn same(found: &[f64], expected: &[f64]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()))
}

/// Value and gradients of one row, exactly.
pub(crate) fn prove(edges: &[Edge], name: &str) {
    let edge = edges.iter().find(|edge| edge.name == name).expect("the row of the test");
    let tape = Tape::new();
    let x: Vec<Var<'_, f64>> = edge.inputs.iter().map(|&input| tape.input(Tensor::from(input))).collect();
    let y = (edge.function)(&x);
    let value = y.value().expect("a value");
    assert!(same(value.as_slice(), edge.value), "{}: value {:?}, not {:?}", edge.case, value.as_slice(), edge.value);
    assert_eq!(edge.gradients.len(), x.len(), "{}: a gradient for each input", edge.case);
    for (i, (&x, &expected)) in x.iter().zip(edge.gradients).enumerate() {
        let [gradient] = y.sum().grad([x]);
        let gradient = gradient.value().expect("a gradient");
        assert!(
            same(gradient.as_slice(), expected),
            "{}: gradient {i} is {:?}, not {expected:?}",
            edge.case,
            gradient.as_slice()
        );
    }
}

/// A number as the page prints it.
fn number(x: f64) -> String {
    let text = match x {
        x if x.is_nan() => "NaN".into(),
        x if x.is_infinite() => {
            if x > 0.0 {
                "∞".into()
            } else {
                "-∞".to_string()
            }
        }
        0.0 => "0".into(),
        std::f64::consts::FRAC_PI_2 => "π/2".into(),
        std::f64::consts::PI => "π".into(),
        std::f64::consts::LN_2 => "ln 2".into(),
        x if x.to_bits() << 12 == 0 && x.log2().abs() > 100.0 => format!("2^{}", x.log2()),
        x if x.abs() >= 1e12 => format!("{x:e}"),
        x => format!("{x}"),
    };
    text.replace('-', "−")
}

fn numbers(x: &[f64]) -> String {
    match x {
        [] => "none".into(),
        x => x.iter().map(|&x| number(x)).collect::<Vec<_>>().join(", "),
    }
}

const HEAD: &str = "\
# Edges

What value and derivative are at kinks, ties, zeros and infinities. The rules behind the choices stand in
[conventions.md](conventions.md#kinks-and-ties). Each row is a test, with exactly these numbers. This page is generated:
`WENGERT_WRITE_DOCS=1 cargo test -p wengert-autograd --test edges` writes it, and the same test fails when it is out of
date.

Derivatives are those of the sum of all results, by each operand in turn, separated by semicolons.

";

#[test]
fn the_page_of_the_edges_is_up_to_date() {
    let mut text = HEAD.to_string();
    for (title, edges) in PARTS {
        text += &format!("## {title}\n\n");
        text += &written::row(&["where", "value", "derivative", "note"]);
        text += &written::row(&["---"; 4]);
        for edge in edges {
            let gradients = edge.gradients.iter().map(|gradient| numbers(gradient)).collect::<Vec<_>>().join("; ");
            text += &written::row(&[edge.case, &numbers(edge.value), &gradients, edge.note]);
        }
        text += "\n";
    }
    written::page("edges.md", &format!("{}\n", text.trim_end()));
}

#[test]
fn there_are_many_rows_and_each_has_its_own_case() {
    let mut cases: Vec<&str> = PARTS.iter().flat_map(|(_, edges)| edges.iter().map(|edge| edge.case)).collect();
    assert!(cases.len() >= 60, "only {} rows", cases.len());
    cases.sort_unstable();
    assert!(cases.windows(2).all(|pair| pair[0] != pair[1]), "a case stands twice");
}
