//! Every line of the table: programs in which it applies, with and without the rules.

use proptest::prelude::*;

use super::*;
use crate::run::Keep;
use crate::run::select::{Options, Selector};
use crate::tape::Tape;
use crate::tape::var::Var;
use crate::tensor::Tensor;

type Formula = for<'t> fn(Var<'t, f64>, Var<'t, f64>) -> Var<'t, f64>;

/// For each line, in its order, a formula that it simplifies.
fn formulas() -> [Formula; 18] {
    [
        |x, _| x.tape().scalar(1.0) * x,
        |x, _| x * x.tape().scalar(1.0),
        |x, _| x.tape().scalar(0.0) + x,
        |x, _| x + x.tape().scalar(0.0),
        |x, _| x - x.tape().scalar(0.0),
        |x, _| x / x.tape().scalar(1.0),
        |x, _| crate::ops::elementwise::apply(Scaled, [x.tape().scalar(1.0), x]),
        |x, _| crate::ops::elementwise::apply(Scaled, [x, x.tape().scalar(1.0)]),
        |x, _| x.maximum(x),
        |x, _| x.minimum(x),
        |x, y| y.gt(0.0).where_(x, x),
        |x, _| -(-x),
        |x, _| x.abs().abs(),
        |x, _| x.relu().relu(),
        |x, _| x.sign().sign(),
        |x, _| x.floor().floor(),
        |x, _| x.ceil().ceil(),
        |x, y| (x * y).round().round(),
    ]
}

/// The values of outputs, with or without the rules; and how many nodes run.
fn run(tape: &Tape<f64>, outputs: &[Var<'_, f64>], simplify: bool) -> (Vec<Tensor<f64>>, usize) {
    let ids: Vec<u32> = outputs.iter().map(|output| output.id).collect();
    let mut selector = Selector::default();
    let options = Options { literal: !simplify, ..Options::default() };
    selector.select(&tape.inner.borrow(), &ids, options);
    let simplified = Simplified::of(&selector.selection);
    let count = (0..selector.selection.len() as u32).filter(|&node| simplified.runs(&selector.selection, node)).count();
    tape.without(false, !simplify);
    let values = tape.run_plan(&ids, Keep::Nothing).expect("values");
    (values.into_vec(), count)
}

fn same(a: &[Tensor<f64>], b: &[Tensor<f64>]) -> std::result::Result<(), TestCaseError> {
    for (a, b) in a.iter().zip(b) {
        prop_assert_eq!(a.shape(), b.shape());
        for (a, b) in a.as_slice().iter().zip(b.as_slice()) {
            prop_assert!(a == b || (a.is_nan() && b.is_nan()), "{} and {}", a, b);
        }
    }
    Ok(())
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => -3.0..3.0f64,
        1 => proptest::sample::select(vec![0.0, -0.0, 1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 5e-324, 1e308]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rules_change_no_value_and_no_derivative(
        x in prop::collection::vec(number(), 7),
        y in prop::collection::vec(number(), 7),
        line in 0..18usize,
        other in 0..18usize,
    ) {
        // Alone, and with a second rule that meets its result, among rows that read both.
        let first = formulas()[line];
        let second = formulas()[other];
        for chained in [false, true] {
            let tape = Tape::new();
            let (x, y) = (tape.input(Tensor::from(&x[..])), tape.input(Tensor::from(&y[..])));
            let inner = if chained { second(first(x, y), y) } else { first(x, y) };
            let outer = first(x * y + x, y) * inner;
            // Also where a derivative is zero everywhere, x is reached.
            let loss = (outer * y + x * 0.0).sum();
            let [gx] = loss.grad([x]);
            let [hx] = (gx * y + x * 0.0).sum().grad([x]);
            let outputs = [inner, outer, gx, hx];
            let ((with, fewer), (without, more)) = (run(&tape, &outputs, true), run(&tape, &outputs, false));
            same(&with, &without)?;
            prop_assert!(fewer <= more);
        }
    }
}

/// Each formula is simplified by its own line: one node or more is not run.
#[test]
fn every_line_applies() {
    let rules = rules();
    for (line, formula) in formulas().into_iter().enumerate() {
        let tape = Tape::new();
        let (x, y) = (tape.input([1.5, -2.0]), tape.input([0.5, 3.0]));
        let mut selector = Selector::default();
        let output = formula(x, y);
        selector.select(&tape.inner.borrow(), &[output.id], Options::default());
        let selection = &selector.selection;
        let last = selection.outputs[0];
        assert_eq!(selection.tags[last as usize], Tag::Row(rules[line].0), "line {line} is of another row");
        let replaced: Vec<u32> = (0..selection.len() as u32).collect();
        assert!(applied(selection, &replaced, last, rules[line].1).is_some(), "line {line} does not apply");
    }
}

/// An operand that is repeated to the shape that it has is not copied.
#[test]
fn repeated_to_its_own_shape() {
    let tape = Tape::<f64>::new();
    let x = tape.input([1.0, 2.0]);
    let y = (x * 2.0).expand([2]);
    let (value, count) = run(&tape, &[y], true);
    assert_eq!((value[0].as_slice(), count), (&[2.0, 4.0][..], 1));
}

/// What is computed from nothing but numbers is a number of the plan, which may simplify further.
#[test]
fn numbers_of_numbers() {
    let tape = Tape::<f64>::new();
    let (x, number) = (tape.input([1.5, -2.0]), |value| tape.scalar(value));
    let third = (number(2.0) / number(6.0)).reshape([1]);
    let one = (third * number(3.0)).sqrt();
    let (values, count) = run(&tape, &[x * third, x * one], true);
    assert_eq!((values[0].as_slice(), values[1].as_slice()), (&[0.5, -2.0 / 3.0][..], &[1.5, -2.0][..]));
    assert_eq!(count, 1, "only the product with a third");
    let (values, count) = run(&tape, &[x * third, third, number(0.0) / number(0.0), -number(7.0)], true);
    assert_eq!((values[0].as_slice(), values[1].as_slice()), (&[0.5, -2.0 / 3.0][..], &[1.0 / 3.0][..]));
    assert!(values[2].as_slice()[0].is_nan() && values[3].as_slice() == [-7.0]);
    assert!(values[1].shape().len() == 1 && values[2].shape().is_empty());
    assert_eq!(count, 1, "only the product");
    // What was kept on the tape since then is no number any more, and has the same value.
    assert_eq!(third.value().expect("a value").as_slice(), [1.0 / 3.0]);
    assert_eq!(run(&tape, &[x * third], true).0[0].as_slice(), [0.5, -2.0 / 3.0]);
}

/// A shape with 0 to 3 axes, which of them an operand is repeated along, how many axes it does not have at all, and the axes
/// to sum over.
fn repeated() -> impl Strategy<Value = (Vec<usize>, Vec<bool>, usize, Vec<bool>)> {
    let axis = (1usize..4, any::<bool>(), any::<bool>());
    (prop::collection::vec(axis, 0..4), 0usize..3).prop_map(|(axes, missing)| {
        let part = |get: fn(&(usize, bool, bool)) -> bool| axes.iter().map(get).collect::<Vec<_>>();
        let (repeated, other) = (part(|axis| axis.1), part(|axis| axis.2));
        let missing = repeated.iter().take_while(|&&repeated| repeated).count().min(missing);
        // Mostly just the axes along which it is repeated.
        let summed = if axes.len() == 3 && axes[0].0 == 3 { other } else { repeated.clone() };
        (axes.iter().map(|axis| axis.0).collect(), repeated, missing, summed)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// The sum of a repeated operand, with and without the rule: values, and derivatives to the second order.
    #[test]
    fn sums_of_broadcasts((shape, repeated, missing, summed) in repeated(), keep in any::<bool>()) {
        let own: Vec<usize> = shape.iter().zip(&repeated).map(|(&n, &repeated)| if repeated { 1 } else { n }).collect();
        let own = &own[missing..];
        let values: Vec<f64> = (0..own.iter().product::<usize>()).map(|i| (i as f64 + 0.3).sin()).collect();
        let axes: Vec<isize> = (0..shape.len()).filter(|&axis| summed[axis]).map(|axis| axis as isize).collect();
        let tape = Tape::new();
        let x = tape.input(Tensor::from(&values[..]).reshape(own).expect("a shape"));
        let y = x.square().expand(&shape[..]).sum_axes(&axes, keep).square();
        let [gx] = y.sum().grad([x]);
        let [hx] = gx.square().sum().grad([x]);
        let ((with, fewer), (without, more)) = (run(&tape, &[y, gx, hx], true), run(&tape, &[y, gx, hx], false));
        for (with, without) in with.iter().zip(&without) {
            prop_assert_eq!(with.shape(), without.shape());
            for (a, b) in with.as_slice().iter().zip(without.as_slice()) {
                prop_assert!((a - b).abs() <= 1e-12 * b.abs(), "{} and {}", a, b);
            }
        }
        let applies = shape.iter().zip(&repeated).any(|(&n, &repeated)| repeated && n > 1) && summed == repeated;
        prop_assert!(if applies { fewer < more } else { fewer <= more }, "{} and {} nodes", fewer, more);
    }
}
