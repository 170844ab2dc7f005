//! Programs out of bytes, and what must be the same however they are run. The fuzz target reads this file too.

use ndarray::ArrayD;
use wengert_autograd::kernels::pool;
use wengert_autograd::{ErrorKind, Tape, Tensor, Var};

use super::steps::{Draw, Program, Sizes, numbers};

/// Empty ones, numbers, and those around the borders of parts (128 elements of f64), blocks (1024) and of what is split
/// among threads (16384).
const SIZES: Sizes = Sizes {
    shapes: &[
        &[],
        &[1],
        &[0],
        &[3],
        &[127],
        &[128],
        &[129],
        &[2, 0],
        &[3, 128],
        &[129, 1],
        &[1, 129],
        &[1023],
        &[1024],
        &[1025],
        &[5, 205],
        &[0, 3],
        &[2, 3, 2],
        &[16385],
        &[128, 129],
        &[2, 8191],
    ],
    most: 17_000,
};

/// The program that some bytes are: any bytes are one.
pub(crate) fn decode(bytes: &[u8]) -> Program {
    let mut bytes = bytes.iter().map(|&byte| usize::from(byte));
    let mut next = || bytes.next().unwrap_or(0);
    let inputs = 1 + next() % 3;
    // Programs of large values are few, so that there is time for many of small ones.
    let shapes = if next() % 8 == 0 { SIZES.shapes.len() } else { SIZES.shapes.len() - 6 };
    let inputs = (0..inputs).map(|_| numbers(SIZES.shapes[next() % shapes], next())).collect();
    let count = 1 + next() % 30;
    let draws: Vec<Draw> =
        (0..count).map(|_| Draw { kind: (next() % 30) as u8, a: next(), b: next(), variant: next() }).collect();
    Program::read(inputs, &draws, SIZES)
}

/// The loss, its gradients, and the value of every step.
struct Values {
    tensors: Vec<Tensor<f64>>,
    /// The bytes that the plan for the loss and its gradients takes.
    peak: usize,
}

fn run(program: &Program, set: &dyn Fn(&Tape<f64>)) -> wengert_autograd::Result<Values> {
    let tape = Tape::new();
    set(&tape);
    let x: Vec<Var<'_, f64>> = program.inputs().iter().map(|input| tape.input(input)).collect();
    let loss = program.loss(&tape, &x);
    let mut asked = vec![loss];
    asked.extend(x.iter().map(|&x| loss.grad([x])[0]));
    let peak = match asked[..] {
        [a, b] => tape.plan([a, b])?.peak_bytes(),
        [a, b, c] => tape.plan([a, b, c])?.peak_bytes(),
        [a, b, c, d] => tape.plan([a, b, c, d])?.peak_bytes(),
        _ => 0,
    };
    let mut tensors = tape.eval_all(&asked)?.to_vec();
    let before = tape.len();
    let steps = program.record(&x);
    assert_eq!(tape.len(), before, "equal nodes are one node");
    tape.memory_limit(None);
    tensors.extend(tape.eval_all(&steps)?);
    Ok(Values { tensors, peak })
}

/// What sums may differ by, relative to the largest element, where they are grouped in other blocks.
const REGROUPED: f64 = 1e-12;

/// Whether every element is the same number, up to a part of the largest one; zeros may differ in their sign.
fn same(name: &str, a: &Values, b: &Values, part: f64) -> Result<(), String> {
    let pairs = a.tensors.iter().zip(&b.tensors).enumerate();
    for (i, (a, b)) in pairs {
        if a.shape() != b.shape() {
            return Err(format!("{name}: value {i} has shape {} and {}", a.shape(), b.shape()));
        }
        let scale = a.as_slice().iter().fold(1.0f64, |scale, x| if x.is_finite() { scale.max(x.abs()) } else { scale });
        let close = |a: f64, b: f64| a == b || (a - b).abs() <= part * scale || (a.is_nan() && b.is_nan());
        let differs = |(&a, &b): (&f64, &f64)| !close(a, b);
        if let Some(place) = a.as_slice().iter().zip(b.as_slice()).position(differs) {
            let (a, b) = (a.as_slice()[place], b.as_slice()[place]);
            return Err(format!("{name}: element {place} of value {i} is {a:e} and {b:e}"));
        }
    }
    Ok(())
}

/// Runs a program in every way.
///
/// # Errors
/// What differs: from the naive evaluator and between executors by more than rounding, between numbers of threads by a bit.
pub(crate) fn compare(program: &Program) -> Result<(), String> {
    compare_with(program, &program.evaluate(&program.inputs()))
}

/// The same with the values of the naive evaluator.
pub(crate) fn compare_with(program: &Program, naive: &[ArrayD<f64>]) -> Result<(), String> {
    let words = |error: wengert_autograd::Error| error.to_string();
    let planned = run(program, &|_| {}).map_err(words)?;
    for (i, (value, naive)) in planned.tensors[1 + program.inputs().len()..].iter().zip(naive).enumerate() {
        if value.shape()[..] != *naive.shape() {
            return Err(format!("step {i} has shape {} and {:?}", value.shape(), naive.shape()));
        }
        let scale = naive.iter().fold(1.0f64, |scale, x| scale.max(x.abs()));
        let far = |(a, b): (&f64, &f64)| !b.is_finite() || (a - b).abs() > 1e-12 * scale || a.is_nan();
        if let Some(place) = value.as_slice().iter().zip(naive).position(far) {
            let naive = naive.iter().nth(place).expect("a place");
            return Err(format!("step {i}: element {place} is {:e}, naively {naive:e}", value.as_slice()[place]));
        }
    }
    for (name, fusion, simplification) in
        [("each op alone", true, false), ("not simplified", false, true), ("each op alone, not simplified", true, true)]
    {
        let other = run(program, &|tape| tape.without(fusion, simplification)).map_err(words)?;
        same(name, &planned, &other, REGROUPED)?;
    }
    for share in [9, 7, 5, 3, 0] {
        let limit = planned.peak / 10 * share;
        match run(program, &|tape| tape.memory_limit(limit)) {
            Ok(other) if other.peak > limit => return Err(format!("{} bytes within {limit}", other.peak)),
            Ok(other) => same(&format!("within {limit} bytes"), &planned, &other, REGROUPED)?,
            Err(error) if error.kind() == ErrorKind::Memory => {}
            Err(error) => return Err(format!("within {limit} bytes: {error}")),
        }
    }
    if planned.tensors.iter().any(|tensor| tensor.len() > 16_000) {
        let before = pool::threads();
        for threads in [1, 2, 3, 8] {
            pool::set_threads(threads);
            let other = run(program, &|_| {});
            pool::set_threads(before);
            same(&format!("on {threads} threads"), &planned, &other.map_err(words)?, 0.0)?;
        }
    }
    Ok(())
}
