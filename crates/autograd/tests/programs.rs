//! Random programs: what a tape plans, fuses and differentiates, against a naive evaluator that shares nothing with it.
//!
//! `WENGERT_CASES` sets the number of programs of each test.

mod program;

use program::{Program, programs, sum};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use wengert_autograd::check::{Counts, Difference, GradCheck};
use wengert_autograd::{Result, Tape, Tensor, Var};

fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("WENGERT_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn record<'t>(tape: &'t Tape<f64>, inputs: &[Tensor<f64>]) -> Vec<Var<'t, f64>> {
    inputs.iter().map(|input| tape.input(input)).collect()
}

/// Equal up to the rounding of sums in another order.
fn close(a: &[f64], b: &[f64], tolerance: f64) -> std::result::Result<(), TestCaseError> {
    prop_assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1.0f64, |scale, b| scale.max(b.abs()));
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        prop_assert!((a - b).abs() <= tolerance * scale, "element {}: {} and {}", i, a, b);
    }
    Ok(())
}

fn bits(tensors: &[Tensor<f64>]) -> Vec<Vec<u64>> {
    tensors.iter().map(|tensor| tensor.as_slice().iter().map(|value| value.to_bits()).collect()).collect()
}

/// The gradient of the program's weighted sum, by the tape.
fn gradient(program: &Program, inputs: &[Tensor<f64>]) -> Result<Vec<Tensor<f64>>> {
    let tape = Tape::new();
    let x = record(&tape, inputs);
    let loss = program.loss(&tape, &x);
    let gradients: Vec<Var<'_, f64>> = x.iter().map(|&x| loss.grad([x])[0]).collect();
    Ok(tape.eval_all(&gradients)?.to_vec())
}

fn dot(a: &[Tensor<f64>], b: &[Tensor<f64>]) -> f64 {
    let terms = a.iter().zip(b).flat_map(|(a, b)| a.as_slice().iter().zip(b.as_slice()));
    terms.map(|(a, b)| a * b).sum()
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn values_agree_with_the_naive_evaluator(program in programs()) {
        let tape = Tape::new();
        let x = record(&tape, &program.inputs());
        let steps = program.record(&x);
        let last = *steps.last().expect("a program has steps");
        // The last value alone first, so that everything before it is planned and fused as one.
        let expected = program.evaluate(&program.inputs());
        let value = last.value().expect("a value");
        let naive: Vec<f64> = expected[expected.len() - 1].iter().copied().collect();
        close(value.as_slice(), &naive, 1e-12)?;
        let every = tape.eval_all(&steps).expect("values");
        for (value, expected) in every.iter().zip(&expected) {
            prop_assert_eq!(&value.shape()[..], expected.shape());
            let naive: Vec<f64> = expected.iter().copied().collect();
            close(value.as_slice(), &naive, 1e-12)?;
        }
    }

    #[test]
    fn gradients_agree_with_differences_of_the_naive_evaluator(program in programs()) {
        let inputs = program.inputs();
        let gradients = gradient(&program, &inputs).expect("gradients");
        for salt in [1, 2] {
            let direction = program.direction(salt);
            let loss = |x: &[Tensor<f64>]| Ok(vec![sum(&program.evaluate(x))]);
            let numeric = Difference::new().step(0.02).levels(7).along(&inputs, &direction, loss).expect("values")[0];
            let analytic = dot(&gradients, &direction);
            let tolerance = 1e-9 * numeric.value.abs().max(1.0) + 2.0 * numeric.error;
            prop_assert!(numeric.error < 1e-5 * numeric.value.abs().max(1.0), "{:?} is no estimate", numeric);
            prop_assert!((analytic - numeric.value).abs() <= tolerance, "{} and {:?}", analytic, numeric);
        }
    }

    #[test]
    fn the_order_of_asking_changes_no_bit(program in programs()) {
        let inputs = program.inputs();
        let all = |tape: &Tape<f64>, first_loss: bool, separately: bool, whole: bool| {
            let x = record(tape, &inputs);
            let steps = program.record(&x);
            let loss = program.loss(tape, &x);
            if whole {
                tape.eval_all(&steps).expect("values");
            }
            if first_loss {
                loss.value().expect("a loss");
            }
            let mut asked = vec![loss];
            asked.extend(x.iter().map(|&x| loss.grad([x])[0]));
            match separately {
                true => asked.iter().rev().map(|v| v.value().expect("a value")).collect::<Vec<_>>()
                    .into_iter().rev().collect(),
                false => tape.eval_all(&asked).expect("values").to_vec(),
            }
        };
        let at_once: Vec<Tensor<f64>> = all(&Tape::new(), false, false, false);
        let checked = Tape::new();
        checked.check_finite(true);
        for (name, other) in [
            ("loss first", all(&Tape::new(), true, false, false)),
            ("one by one", all(&Tape::new(), false, true, false)),
            ("every step first", all(&Tape::new(), true, true, true)),
            ("not fused", all(&checked, false, false, false)),
        ] {
            prop_assert_eq!(bits(&at_once), bits(&other), "{}", name);
        }
        let backward = {
            let tape = Tape::new();
            let x = record(&tape, &inputs);
            let gradients = program.loss(&tape, &x).backward().expect("gradients");
            x.iter().zip(&inputs).map(|(&x, input)| match gradients.wrt(x) {
                Some(gradient) => gradient.clone(),
                None => Tensor::zeros(input.shape()),
            }).collect::<Vec<_>>()
        };
        prop_assert_eq!(bits(&at_once[1..]), bits(&backward), "backward()");
        let inference = Tape::inference();
        let loss = program.loss(&inference, &record(&inference, &inputs)).value().expect("a loss");
        prop_assert_eq!(bits(&at_once[..1]), bits(&[loss]), "inference");
    }
}

/// A step with a program: the listing, and the bits of the loss and of the gradients.
fn step(program: &Program, loss_first: bool) -> (String, Vec<Vec<u64>>) {
    let tape = Tape::new();
    let x = record(&tape, &program.inputs());
    let loss = program.loss(&tape, &x);
    if loss_first {
        loss.value().expect("a loss");
    }
    let gradients = loss.backward().expect("gradients");
    let mut all = vec![loss.value().expect("a loss")];
    all.extend(x.iter().filter_map(|&x| gradients.wrt(x).cloned()));
    (tape.to_string(), bits(&all))
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn a_program_recorded_over_others_is_what_it_is_alone(first in programs(), second in programs()) {
        let alone = |program: &Program| {
            std::thread::scope(|scope| scope.spawn(|| step(program, false)).join().expect("a step"))
        };
        let expected = [alone(&first), alone(&second)];
        for (i, loss_first) in [(0, false), (0, true), (1, true), (1, false), (0, false), (1, false), (1, false)] {
            prop_assert_eq!(&step([&first, &second][i], loss_first), &expected[i]);
        }
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn hessian_vector_products_agree_with_differences_of_gradients(program in programs()) {
        let inputs = program.inputs();
        let (v, w) = (program.direction(3), program.direction(4));
        let tape = Tape::new();
        let x = record(&tape, &inputs);
        let loss = program.loss(&tape, &x);
        let slope = x.iter().zip(&v).fold(tape.scalar(0.0), |slope, (&x, v)| {
            slope + (loss.grad([x])[0] * tape.constant(v)).sum()
        });
        let slope = program::reaching(slope, &x);
        let products: Vec<Var<'_, f64>> = x.iter().map(|&x| slope.grad([x])[0]).collect();
        let analytic = dot(&tape.eval_all(&products).expect("products"), &w);
        let slope = |x: &[Tensor<f64>]| Ok(vec![dot(&gradient(&program, x)?, &v)]);
        let numeric = Difference::new().step(0.02).levels(7).along(&inputs, &w, slope).expect("gradients")[0];
        let scale = numeric.value.abs().max(1.0);
        prop_assert!(numeric.error < 1e-4 * scale, "{:?} is no estimate", numeric);
        let agrees = (analytic - numeric.value).abs() <= 1e-8 * scale + 2.0 * numeric.error;
        prop_assert!(agrees, "{} and {:?}", analytic, numeric);
    }
}

/// Every program is right, so a check that calls one wrong is wrong itself: one direction of each input, some elements, or
/// the second order.
#[test]
fn right_programs_raise_no_false_alarm() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut counts, mut second, mut alarms) = (Counts::default(), 0, vec![]);
    let count = cases(1000).cases;
    for number in 0..count {
        let program = programs().new_tree(&mut runner).expect("a program").current();
        let check = match number % 8 {
            0 => GradCheck::new().elements(2),
            1 => GradCheck::new().order(2).fast(true),
            _ => GradCheck::new().fast(true),
        };
        second += u32::from(number % 8 == 1);
        let report = check.report(|x| program.loss(x[0].tape(), x), &program.inputs()).expect("a report");
        let Counts { pass, kink, mismatch, unresolved, nondeterministic, not_reached, .. } = report.counts();
        counts.pass += pass;
        counts.kink += kink;
        counts.mismatch += mismatch;
        counts.unresolved += unresolved;
        counts.nondeterministic += nondeterministic;
        counts.not_reached += not_reached;
        if report.failures().next().is_some() || kink > 0 || report.blame.is_some() {
            alarms.push(format!("program {number}: {program:?}\n{report}"));
        }
    }
    println!("{count} right programs, {second} of them to the second order: {counts:?}, {} alarms", alarms.len());
    assert!(alarms.is_empty(), "{} alarms:\n{}", alarms.len(), alarms.join("\n"));
}

/// Axes of length 1 between those that are summed change no order, with the pass before or without.
#[test]
fn sums_over_an_axis_of_one_element_keep_their_order() -> wengert_autograd::Result<()> {
    for (rows, columns) in (2..9).flat_map(|rows| (2..9).map(move |columns| (rows, columns))) {
        let sum = |tape: &Tape<f64>| {
            let x = tape.input(Tensor::from_fn([rows, 1, columns], |i| {
                (i as f64 * 1.3 + 0.4).sin() * 1.7f64.powi(i as i32 % 7)
            }));
            (-x).sum_axes(&[0, 2], true).value()
        };
        let separate = Tape::new();
        separate.without(true, false);
        assert_eq!(bits(&[sum(&Tape::new())?]), bits(&[sum(&separate)?]), "{rows} and {columns}");
    }
    Ok(())
}

/// A view has its operand's memory, so it and what reads it may be of one pass.
#[test]
fn views_within_a_pass() -> wengert_autograd::Result<()> {
    let tape = Tape::new();
    let x = tape.input(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    let double = x * 2.0;
    let by_detach = double.detach() * 3.0 + double;
    let there_and_back = (double + 1.0).reshape([4]).reshape([2, 2]) * 10.0 - double;
    let [a, b, c] = tape.eval([by_detach, there_and_back, double])?;
    assert_eq!(a.as_slice(), [8.0, 16.0, 24.0, 32.0]);
    assert_eq!(b.as_slice(), [28.0, 46.0, 64.0, 82.0f64]);
    assert_eq!(c.as_slice(), [2.0, 4.0, 6.0, 8.0]);
    let inference = Tape::<f64>::inference();
    let double = inference.input([1.0, 2.0]) * 2.0;
    assert_eq!((double.detach() * 3.0 + double).value()?.as_slice(), [8.0, 16.0]);
    Ok(())
}

/// A sum over no axes, or over axes of length 1, is what it sums: fused or not, kept or not, in the same bits.
#[test]
fn sums_of_one_element_keep_the_sign_of_zero() {
    let value = |shape: &[usize], axes: &[isize], fused: bool| {
        let tape = Tape::<f64>::new();
        tape.check_finite(!fused);
        let x = tape.input(Tensor::full(shape, -0.0));
        let y = (x * 2.0).sum_axes(axes, false);
        let values = tape.eval([y, y * 3.0]).expect("values");
        values.map(|value| value.as_slice().iter().map(|value| value.to_bits()).collect::<Vec<_>>())
    };
    for (shape, axes) in [(&[][..], &[][..]), (&[1], &[0]), (&[2, 1, 3], &[1]), (&[1, 4], &[0]), (&[3], &[])] {
        let (fused, alone) = (value(shape, axes, true), value(shape, axes, false));
        assert_eq!(fused, alone, "{shape:?} over {axes:?}");
        assert!(fused.iter().flatten().all(|&bits| bits == (-0.0f64).to_bits()), "{shape:?} over {axes:?}");
    }
}
