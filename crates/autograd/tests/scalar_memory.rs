//! What a scalar tape allocates, and how long it may get.

use wengert_autograd::scalar::{Tape, Var, checkpointed_loop};

mod counting;

#[test]
fn a_second_run_allocates_nothing() {
    let mut tape = Tape::new();
    let mut run = || {
        tape.clear();
        let (x, y) = (tape.var(0.7), tape.var(0.2));
        let mut z = x;
        for i in 0..5000 {
            z = (z * y).sin() + x * f64::from(i % 3);
            if i % 100 == 0 {
                z = wengert_autograd::scalar::dot(&[x, y, z], &[y, z, x]).tanh();
            }
        }
        let one = z.backward();
        let first = one.wrt(x);
        drop(one);
        let lanes = tape.backward_lanes(&[(z, [1.0, 2.0, 3.0, 4.0])]);
        (first, lanes.wrt(y))
    };
    let first = run();
    let before = counting::allocations();
    let second = run();
    assert_eq!((counting::allocations() - before, second), (0, first));
}

fn keep(numbers: &[Var<'_>]) {
    std::hint::black_box(numbers);
}

#[test]
fn two_operands_take_24_bytes_and_many_take_12_each() {
    let tape = Tape::new();
    let x = tape.vars(&[0.75; 100]);
    let bytes = |record: &dyn Fn()| {
        let before = tape.bytes();
        record();
        tape.bytes() - before
    };
    assert_eq!(bytes(&|| keep(&[x[0] * x[1]])), 24);
    assert_eq!(bytes(&|| keep(&[x[0].exp()])), 24);
    assert_eq!(bytes(&|| keep(&[x[0] + 1.0, 1.0 + x[0], x[0] - 1.0])), 0);
    assert_eq!(bytes(&|| keep(&[x[0] * 0.0])), 0);
    assert_eq!(bytes(&|| keep(&[wengert_autograd::scalar::sqnorm(&x)])), 8 + 12 * 100);
    assert_eq!(bytes(&|| keep(&[x[0].mul_add(x[1], x[2])])), 28);
    assert_eq!(bytes(&|| keep(&[wengert_autograd::scalar::sqnorm(&x[..9])])), 5 * 24);
}

fn growth<'t>(state: &[Var<'t>], rate: Var<'t>) -> Vec<Var<'t>> {
    vec![state[0] + state[0] * rate * (1.0 - state[0]) * 1e-5]
}

#[test]
fn a_million_checkpointed_steps_take_the_memory_of_some_thousand() {
    let steps = 1_000_000;
    let tape = Tape::new();
    let (x, rate) = (tape.var(0.1), tape.var(1.0));
    let mut end = x;
    let peak = counting::peak(|| {
        let run = checkpointed_loop(&[x], &[rate], steps, |_, x, p| growth(x, p[0]), |x, _| x[0]);
        end = run.expect("one state");
    });
    assert!(peak < 200_000, "{peak} bytes");
    // The logistic equation to t = 10: x = 1 / (1 + 9 exp(-t)), by the rate t x (1 - x).
    let exact = 1.0 / (1.0 + 9.0 * (-10f64).exp());
    let slope = end.backward().wrt(rate);
    assert!((end.value() - exact).abs() < 1e-5 && (slope - 10.0 * exact * (1.0 - exact)).abs() < 1e-5);
}

/// So many steps of a recurrence that can be differentiated by hand: yₙ = Π cᵢ x.
fn long(steps: usize) {
    let tape = Tape::with_capacity(steps + 1);
    let x = tape.var(1.5);
    let mut y = x;
    for i in 0..steps {
        y *= if i % 2 == 0 { 0.5 } else { 2.0 };
    }
    assert_eq!(tape.len(), steps + 1);
    let slope = y.backward().wrt(x);
    assert_eq!(slope, if steps.is_multiple_of(2) { 1.0 } else { 0.5 });
}

#[test]
fn three_million_operations_deep() {
    long(3_000_000);
}

/// Where memory can't be had, the message says how much was asked for and what helps; the tape before it stays good.
#[test]
fn too_much_memory_is_refused_in_words() {
    let refused = |operations: usize| {
        let panic = std::panic::catch_unwind(|| Tape::<f64>::with_capacity(operations)).expect_err("too much");
        panic.downcast_ref::<String>().expect("a message").clone()
    };
    for operations in [usize::MAX, isize::MAX as usize / 16] {
        let message = refused(operations);
        let most = operations.saturating_add(1);
        assert!(message.contains(&format!("no memory for {most} records of 28 bytes")), "{message}");
        assert!(message.contains("Tape::sum") && message.contains("checkpointed_loop"), "{message}");
    }
}

/// 24 bytes a record and 8 an adjoint are written, and no place for summands: 3.2 GB resident, and 400 MB more reserved.
#[test]
#[ignore = "takes 3.2 GB of memory"]
fn a_hundred_million_operations_deep() {
    long(100_000_000);
}
