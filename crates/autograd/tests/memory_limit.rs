//! Memory limits: what a plan says it takes at most is what it takes, a limit changes no bit, and a limit that cannot be
//! met is an error.

mod counting;

use counting::peak_of_tensors;
use wengert_autograd::kernels::pool::set_threads;
use wengert_autograd::{Conv, ErrorKind, IndexTensor, Param, Replay, Result, Tape, Tensor, Var, plan_counters};

/// What is taken beyond what the plan says: nothing on one thread but the rounding of sizes to 64 bytes.
const OVERHEAD: usize = 4096;

/// The results of a run, the peak that its plan printed, and the peak that was measured.
struct Outcome {
    values: Vec<Tensor<f64>>,
    printed: usize,
    measured: usize,
    recomputed: usize,
    text: String,
}

/// Runs loss and gradient of a formula on a thread of its own, whose lists of freed memory are empty.
fn run(limit: Option<usize>, length: usize, formula: fn(Var<'_, f64>) -> Var<'_, f64>) -> Result<Outcome> {
    set_threads(1);
    let work = move || {
        let tape = Tape::<f64>::training(3);
        tape.memory_limit(limit);
        let x = tape.input(Tensor::from_fn([length], |i| (i as f64 * 0.37).sin()));
        let loss = formula(x);
        let gx = loss.grad([x])[0];
        let plan = tape.plan([loss, gx])?;
        let (gradients, measured) = peak_of_tensors(|| loss.backward());
        let values = vec![loss.value()?, gradients?.wrt(x).expect("a gradient").clone()];
        let measured = usize::try_from(measured).expect("no less than before");
        let (printed, recomputed, text) = (plan.peak_bytes(), plan.recomputed(), plan.to_string());
        Ok(Outcome { values, printed, measured, recomputed, text })
    };
    std::thread::spawn(work).join().expect("no panic")
}

/// Whether all elements are equal but for sums that are grouped in other blocks.
fn agree(a: &[Tensor<f64>], b: &[Tensor<f64>]) -> bool {
    a.iter().zip(b).all(|(a, b)| {
        let scale = b.as_slice().iter().fold(0.0f64, |scale, x| scale.max(x.abs()));
        a.shape() == b.shape() && a.as_slice().iter().zip(b.as_slice()).all(|(a, b)| (a - b).abs() <= 1e-13 * scale)
    })
}

/// Tightens the limit from the free peak down to a share of it, and compares.
fn tighten(length: usize, least: f64, formula: fn(Var<'_, f64>) -> Var<'_, f64>) {
    let free = run(None, length, formula).expect("no limit");
    assert_eq!(free.recomputed, 0);
    let mut share = 1.0;
    while share >= least {
        let limit = (free.printed as f64 * share) as usize;
        let lean = run(Some(limit), length, formula).unwrap_or_else(|error| panic!("{share} of the memory: {error}"));
        assert!(lean.printed <= limit, "{} of {limit}", lean.printed);
        assert!(lean.measured <= lean.printed + OVERHEAD, "{} measured, {} printed", lean.measured, lean.printed);
        assert!(lean.measured + lean.printed / 10 >= lean.printed, "{} of {}", lean.measured, lean.printed);
        assert!(agree(&lean.values, &free.values), "{share} of the memory");
        assert_eq!(lean.recomputed > 0, share < 1.0);
        assert_eq!(lean.text.matches("   again\n").count(), lean.recomputed);
        assert!(lean.text.contains(&format!("limit {limit} bytes: ")), "{}", lean.text);
        share *= 0.7;
    }
}

#[test]
fn a_deep_chain_of_elementwise_functions() {
    // 500 values are read again in the backward pass; a square root of them suffices.
    tighten(3000, 0.15, |x| {
        let mut h = x;
        for _ in 0..500 {
            h = (h * 1.1).sin() + h;
        }
        h.square().sum()
    });
}

#[test]
fn a_deep_chain_of_layers_with_dropout() {
    // The masks are drawn again; through matrix products the search finds nothing better yet.
    tighten(64 * 32, 0.7, |x| {
        let tape = x.tape();
        let mut h = x.reshape([64, 32]);
        for layer in 0..40 {
            let weight = tape.constant(Tensor::from_fn([32, 32], |i| ((i + layer) as f64 * 0.7).sin() * 0.2));
            h = h.matmul(weight).tanh().dropout(0.2).softmax(-1) + h * 0.5;
        }
        h.square().mean()
    });
}

#[test]
fn a_wide_sum_of_many_branches() {
    tighten(4096, 0.5, |x| {
        let branches = (1..60).map(|k| (x * f64::from(k)).sin() * (x + f64::from(k)).exp().softmax(0));
        let total = branches.fold(x.tape().scalar(0.0).expand([4096]), |sum, branch| sum + branch);
        (total * total).sum()
    });
}

#[test]
fn limits_too_low() {
    let tape = Tape::<f64>::new();
    let x = tape.input(Tensor::ones([1000]));
    let y = tape.scope("head", || x.softmax(0));
    for limit in [0, 1, 7999] {
        tape.memory_limit(limit);
        let planned = plan_counters().planned;
        for error in [y.value().unwrap_err(), tape.plan([y]).unwrap_err(), tape.profile([y]).unwrap_err()] {
            assert_eq!((error.kind(), error.op_name()), (ErrorKind::Memory, Some("softmax")));
            let location = error.location().expect("a line");
            let expected = format!(
                "softmax: the least plan that was found needs 8000 bytes, and the memory limit is {limit}; its result of 8000 bytes \
                 is the first that does not fit at {location} in scope \"head\"; raise the limit, or compute with smaller \
                 batches"
            );
            assert_eq!(error.to_string(), expected);
        }
        assert_eq!(plan_counters().planned, planned, "what cannot be planned is not kept");
    }
    tape.memory_limit(8000);
    assert_eq!(y.value().expect("exactly enough").len(), 1000);
    tape.memory_limit(0);
    assert_eq!(x.value().expect("there already").len(), 1000);
    assert_eq!(y.value().expect("there by now").len(), 1000);
    assert_eq!(x.narrow(0, 3, 0).value().expect("nothing needs nothing").len(), 0);
    tape.memory_limit(None);
    assert!(x.exp().value().is_ok());
}

#[test]
fn a_tape_of_another_limit_has_another_plan() -> Result<()> {
    let run = |limit: Option<usize>| {
        let tape = Tape::<f64>::new();
        tape.memory_limit(limit);
        let x = tape.input(Tensor::ones([100]));
        (0..5).fold(x, |y, _| y.cumsum(0)).value()
    };
    assert!(run(Some(100)).is_err());
    let free = run(None)?;
    assert!(run(Some(100)).is_err(), "the free plan is not taken for the tight limit");
    assert_eq!(run(Some(2400))?, free);
    let reused = plan_counters().reused;
    assert_eq!(run(Some(2400))?, free);
    assert_eq!(plan_counters().reused, reused + 1);
    Ok(())
}

/// Ten values, each made of the one before.
fn ten(tape: &Tape<f64>) -> Vec<Var<'_, f64>> {
    let x = tape.input(Tensor::from_fn([1000], |i| i as f64 / 1000.0));
    let values = (0..10).scan(x, |y, _| {
        *y = y.cumsum(0) + x;
        Some(*y)
    });
    values.collect()
}

#[test]
fn values_that_are_not_kept_are_computed_when_they_are_asked_for() -> Result<()> {
    let (lean, free) = (Tape::new(), Tape::new());
    lean.memory_limit(3 * 8000 + 100);
    let (values, expected) = (ten(&lean), ten(&free));
    assert_eq!(values[9].value()?, expected[9].value()?);
    for (value, expected) in values.iter().zip(&expected) {
        assert_eq!(value.value()?, expected.value()?);
    }
    Ok(())
}

#[test]
fn a_replayed_step_keeps_to_the_limit() -> Result<()> {
    let weight = Param::new(Tensor::<f64>::from_fn([500], |i| (i as f64).cos()));
    let record = |limit: Option<usize>| {
        let tape = Tape::<f64>::new();
        tape.memory_limit(limit);
        let batch = Tensor::from_fn([500], |i| (i as f64 * 0.1).sin());
        let mut replay = Replay::record(tape, &batch, |tape, batch| {
            let w = tape.param(&weight);
            Ok((0..60).fold(tape.constant(batch), |h, _| (h * w).sin()).sum())
        })?;
        let loss = replay.run(&weight, &batch, 0)?;
        Ok((loss.to_bits(), replay.gradients().get(&weight).expect("a gradient").clone()))
    };
    let free: (u64, Tensor<f64>) = record(None)?;
    assert_eq!(record(Some(220_000))?, free);
    let error: wengert_autograd::Error = record(Some(1000)).expect_err("the gradient alone is larger");
    assert_eq!(error.kind(), ErrorKind::Memory);
    Ok(())
}

#[test]
fn memory_that_cannot_be_had() -> Result<()> {
    let tape = Tape::<f64>::new();
    let x = tape.input(Tensor::from([2.0]));
    let huge = x.expand([1 << 40, 1 << 19]);
    let planned = tape.plan([huge])?;
    assert!((1 << 62..(1 << 62) + (64 << 10)).contains(&planned.peak_bytes()), "{planned}");
    let error = huge.value().expect_err("more than any machine has");
    assert_eq!((error.kind(), error.op_name()), (ErrorKind::Memory, Some("expand")));
    assert!(error.to_string().starts_with("expand: the 4611686018427387904 bytes that it needs cannot be had at "));
    // No value is stored, but what the parts of the elements join to is too much already.
    let error = huge.sum().value().expect_err("more than any machine has");
    assert_eq!((error.kind(), error.op_name()), (ErrorKind::Memory, Some("sum")));
    // A value between others that fit, and an inner sum of bytes that overflows.
    let between = tape.scope("middle", || huge.softmax(0)).sum() + x;
    let error = between.value().expect_err("more than any machine has");
    assert_eq!(error.kind(), ErrorKind::Memory);
    let error = between.grad([x])[0].value().expect_err("more than any machine has");
    assert_eq!(error.kind(), ErrorKind::Memory);
    let [left, right] = [x.expand([1 << 29, 1 << 30]), x.expand([1 << 30, 1 << 29])];
    let product = left.matmul(right);
    assert!(tape.plan([product, huge.exp()])?.peak_bytes() > 1 << 62);
    assert_eq!(product.value().unwrap_err().kind(), ErrorKind::Memory);
    tape.memory_limit(1 << 20);
    assert_eq!(huge.value().unwrap_err().kind(), ErrorKind::Memory);
    // The tape is as good as before.
    assert_eq!(x.exp().item()?, 2f64.exp());
    let tape = Tape::<f64>::new();
    let error = tape.input(Tensor::from([2.0])).expand([1 << 61]).value().expect_err("beyond what is addressed");
    assert_eq!((error.kind(), error.op_name()), (ErrorKind::Shape, Some("expand")));
    Ok(())
}

#[test]
fn columns_that_cannot_be_had() -> Result<()> {
    // One element and much padding: operands and result are small beside the windows laid side by side.
    let (length, tape) = (1 << 23, Tape::<f32>::new());
    let (x, w) = (tape.input(Tensor::from([2.0]).reshape([1, 1, 1])?), tape.input(Tensor::zeros([1, 1, length])));
    let y = x.conv1d(w, Conv::new().padding(length));
    let error = y.value().expect_err("more than any machine has");
    assert_eq!((error.kind(), error.op_name()), (ErrorKind::Memory, Some("conv1d")));
    assert!(
        error.to_string().starts_with("conv1d: the 281475043819520 bytes that it needs cannot be had at "),
        "{error}"
    );
    // The thread's memory is as good as before.
    let small = tape.input(Tensor::from([3.0, 4.0]).reshape([1, 1, 2])?);
    assert_eq!(x.conv1d(small, Conv::new().padding(1)).value()?.as_slice(), [8.0, 6.0]);
    Ok(())
}

/// A formula, and the op that takes memory of its own for it.
type Taking = (&'static str, fn(Var<'_, f64>) -> Var<'_, f64>);

const TAKING: &[Taking] = &[
    ("argsort", |x| x.argsort(1, true)),
    ("argsort", |x| x.topk(1000, 1).0),
    ("order_statistic", |x| x.median_axis(1, false)),
    ("argmax", |x| x.argmax(0, false)),
    ("softmax", |x| x.softmax(0)),
    ("logsumexp", |x| x.reshape([2, 1 << 15, 2]).logsumexp_axes(&[0, 2], false)),
    ("gather", |x| {
        let places = vec![0; x.shape().volume() / 2];
        let places = IndexTensor::from_vec([1, places.len()], places).expect("as many");
        let source = x.narrow(0, 1, 1);
        x.scatter(0, places, source).sum().grad([x])[0]
    }),
];

#[test]
fn memory_that_an_op_takes_for_itself_and_cannot_have() {
    for &(name, formula) in TAKING {
        let mut errors = 0;
        for skipped in 0.. {
            // A thread of its own, whose lists of freed memory are empty.
            let run = move || {
                let tape = Tape::<f64>::new();
                let x = tape.input(Tensor::from_fn([2, 1 << 16], |i| (i as f64 * 0.618).fract()));
                let y = formula(x);
                let (refused_once, refused) = counting::without_one(skipped, 100_000, || y.value());
                (refused_once, refused, y.value())
            };
            let (done, refused, again) = std::thread::spawn(run).join().expect("no panic");
            let again = again.unwrap_or_else(|error| panic!("as good as before: {error}"));
            match done {
                Ok(value) => assert_eq!(value, again),
                Err(error) => {
                    assert_eq!((error.kind(), error.op_name()), (ErrorKind::Memory, Some(name)), "{error}");
                    assert!(error.to_string().contains("bytes that it needs cannot be had at "), "{error}");
                    errors += 1;
                }
            }
            if !refused {
                break;
            }
        }
        assert!(errors > 0, "{name} takes nothing for itself");
    }
}
