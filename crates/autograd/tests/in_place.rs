//! What a pass writes where it read an operand for the last time: which values lie so, and that no bit changes.

mod values;

use values::{bits, elements};
use wengert_autograd::kernels::pool;
use wengert_autograd::{Plan, PlannedKernel, Result, Tape, Var};

type Formula = for<'t> fn(Var<'t, f64>, Var<'t, f64>) -> Vec<Var<'t, f64>>;

/// An op that no pass takes in, so that its value lies in a buffer.
fn apart(x: Var<'_, f64>) -> Var<'_, f64> {
    x.cumsum(0)
}

/// Two results of one pass, of which the first is written before either operand is read for the last time.
fn both<'t>(a: Var<'t, f64>, b: Var<'t, f64>) -> Vec<Var<'t, f64>> {
    let product = a * b;
    vec![product, (product.tanh() + a) * b]
}

/// The plan for one result or two.
fn planned(tape: &Tape<f64>, outputs: &[Var<'_, f64>]) -> Result<Plan> {
    match *outputs {
        [y] => tape.plan([y]),
        [y, z] => tape.plan([y, z]),
        _ => unreachable!("formulas of one or two results"),
    }
}

/// Where the kernels of a formula write, and the bytes of its buffers.
fn places(formula: Formula) -> Result<(Vec<String>, usize)> {
    let tape = Tape::inference();
    let outputs = formula(tape.input(elements([40, 40], 1)), tape.input(elements([40, 40], 2)));
    let outputs: Vec<_> = outputs.into_iter().map(|output| output.cumsum(1).sum()).collect();
    let plan = planned(&tape, &outputs)?;
    let writes = plan.kernels().iter().flat_map(|kernel| kernel.writes.clone()).collect();
    Ok((writes, plan.buffer_bytes() / (8 * 40 * 40)))
}

fn in_place(formula: Formula) -> Result<usize> {
    Ok(places(formula)?.0.iter().filter(|text| text.ends_with(" in place")).count())
}

#[test]
fn a_pass_writes_over_what_it_reads_for_the_last_time() -> Result<()> {
    let (writes, buffers) = places(|x, _| vec![(apart(x) + 1.0).tanh()])?;
    assert_eq!(writes, ["buffer 0", "buffer 0 in place", "buffer 1", "result 0"]);
    assert_eq!(buffers, 2);
    assert_eq!(in_place(|x, y| both(apart(x), apart(y)))?, 1);
    assert_eq!(in_place(|x, y| vec![apart(x).tanh() * 2.0, apart(y).tanh() * 3.0])?, 2);
    // A row by itself, too, if its operand was read before.
    assert_eq!(
        in_place(|x, _| {
            let a = apart(x) * 2.0;
            vec![(a + 1.0).tanh() * 3.0]
        })?,
        1
    );
    Ok(())
}

#[test]
fn what_is_read_again_stays() -> Result<()> {
    // By another kernel.
    assert_eq!(
        in_place(|x, _| {
            let a = apart(x);
            vec![(a + 1.0).tanh(), apart(a)]
        })?,
        0
    );
    // In the same pass, but in another order.
    assert_eq!(
        in_place(|x, _| {
            let a = apart(x);
            vec![a.tanh() + a.permute(&[1, 0])]
        })?,
        0
    );
    // An operand of the tape.
    assert_eq!(in_place(|x, _| vec![(x + 1.0).tanh()])?, 0);
    // A part of a buffer is not the whole that is written.
    assert_eq!(
        in_place(|x, _| {
            let a = apart(x);
            vec![a.narrow(0, 0, 20) + a.narrow(0, 20, 20)]
        })?,
        0
    );
    Ok(())
}

/// Every formula gives the same bits as each op alone, which writes nothing in place, for whole blocks and parts of them.
#[test]
fn no_bit_changes() -> Result<()> {
    let formulas: [(&str, Formula); 10] = [
        ("chain", |x, y| vec![apart(x) * 2.0 + y]),
        ("row", |x, _| vec![(apart(x) + 1.0).tanh().exp()]),
        ("row of an operand that a chain has read", |x, _| {
            let a = apart(x);
            vec![(a.square() + a).sin() * a]
        }),
        ("one of two operands", |x, y| both(apart(x), apart(y))),
        ("both", |x, y| {
            let (a, b) = (apart(x), apart(y));
            vec![(a - b).exp() * b, b * 3.0]
        }),
        ("rows", |x, _| {
            let a = apart(x);
            vec![a - a.mean_axes(&[-1], true)]
        }),
        ("softmax", |x, y| vec![(apart(x) + y).softmax(-1) * y]),
        ("columns", |x, _| {
            let a = apart(x);
            vec![a * 2.0, a.sum_axes(&[0], false)]
        }),
        ("a sum beside", |x, _| {
            let a = apart(x);
            vec![a.tanh(), (a * a).sum()]
        }),
        ("another order", |x, _| {
            let a = apart(x);
            vec![a.tanh() + a.reshape([a.shape().volume()]).flip(&[0]).reshape(a.shape())]
        }),
    ];
    for shape in [[1, 1], [1, 130], [3, 257], [37, 64], [300, 100]] {
        for (name, formula) in formulas {
            let run = |separate: bool, threads: usize| -> Result<Vec<Vec<u64>>> {
                pool::set_threads(threads);
                let tape = Tape::inference();
                tape.without(separate, false);
                let outputs = formula(tape.input(elements(shape, 1)), tape.input(elements(shape, 2)));
                let last: Vec<_> =
                    outputs.iter().map(|&output| apart(output.reshape([output.shape().volume()]))).collect();
                let values = tape.eval_all(&last);
                pool::set_threads(0);
                Ok(values?.iter().map(bits).collect())
            };
            let alone = run(true, 1)?;
            for threads in [1, 3] {
                // Sums of all elements depend on the blocks in their last bits.
                let same = run(false, threads)?;
                let count = if name == "a sum beside" { 1 } else { same.len() };
                assert_eq!(same[..count], alone[..count], "{name} of {shape:?} on {threads} threads");
            }
        }
    }
    Ok(())
}

/// The gradient of a weight that several steps share.
fn shared<'t>(tape: &'t Tape<f64>, steps: usize, [m, k, n]: [usize; 3]) -> [Var<'t, f64>; 3] {
    let (w, mut x) = (tape.input(elements([k, n], 1)), tape.input(elements([m, k], 2)));
    let first = x;
    let mut loss = tape.scalar(0.0);
    for _ in 0..steps {
        let y = x.matmul(w).tanh();
        loss += y.sum();
        x = x * 0.5 + y.mean_axes(&[1], true);
    }
    let [by_w, by_x] = loss.grad([w, first]);
    [loss, by_w, by_x]
}

#[test]
fn products_are_added_where_the_first_lies() -> Result<()> {
    let tape = Tape::<f64>::new();
    let [_, by_w, _] = shared(&tape, 5, [6, 20, 30]);
    let plan = tape.plan([by_w])?;
    let sums =
        |kernel: &&wengert_autograd::PlannedKernel| kernel.formulas.len() == 2 && kernel.formulas[0].contains("matmul");
    let sums: Vec<_> = plan.kernels().iter().filter(sums).collect();
    assert_eq!(sums.len(), 4);
    // All of them in the result itself.
    assert!(sums.iter().all(|kernel| kernel.writes == ["result 0 in place"]), "{plan}");
    let own = |kernel: &&PlannedKernel| kernel.shape == sums[0].shape;
    assert!(plan.kernels().iter().filter(own).all(|kernel| kernel.writes[0].starts_with("result 0")), "{plan}");
    assert_eq!((sums[0].flops, sums[0].bytes), (2 * 20 * 6 * 30 + 20 * 30, 8 * (20 * 6 + 6 * 30 + 2 * 20 * 30)));
    // As an operand of something else they lie in a buffer.
    let places: Vec<String> =
        tape.plan([by_w.cumsum(0)])?.kernels().iter().flat_map(|kernel| kernel.writes.clone()).collect();
    let in_place = |text: &&String| text.starts_with("buffer") && text.ends_with(" in place");
    assert!(places.iter().filter(in_place).count() >= 4, "{places:?}");
    Ok(())
}

#[test]
fn products_that_are_read_again_stay() -> Result<()> {
    let count = |f: Formula| -> Result<usize> {
        let tape = Tape::inference();
        let outputs = f(tape.input(elements([8, 8], 1)), tape.input(elements([8, 8], 2)));
        let plan = planned(&tape, &outputs)?;
        Ok(plan
            .kernels()
            .iter()
            .filter(|kernel| kernel.formulas.len() == 2 && kernel.formulas[0].contains("matmul"))
            .count())
    };
    assert_eq!(count(|x, y| vec![x.matmul(y) + y.matmul(x)])?, 1);
    // A product that is asked for, or read by something else; a sum with what is no product; two sums.
    assert_eq!(
        count(|x, y| {
            let p = x.matmul(y);
            vec![p + y.matmul(x), p]
        })?,
        0
    );
    assert_eq!(
        count(|x, y| {
            let p = x.matmul(y);
            vec![(p + y.matmul(x)) * p]
        })?,
        0
    );
    assert_eq!(
        count(|x, y| {
            let p = x.matmul(y);
            vec![p + p]
        })?,
        0
    );
    assert_eq!(count(|x, y| vec![x.matmul(y) + x])?, 0);
    assert_eq!(count(|x, y| vec![(x.matmul(y) + y.matmul(x)) + (x.matmul(x) + y.matmul(y))])?, 2);
    // Rows of one number each, repeated.
    assert_eq!(count(|x, y| vec![x.matmul(y) + y.narrow(1, 0, 1).matmul(x.narrow(0, 0, 1).narrow(1, 0, 1))])?, 0);
    Ok(())
}

#[test]
fn no_bit_of_a_sum_of_products_changes() -> Result<()> {
    // Longer sums are added in parts, which would round otherwise: those products stay by themselves.
    for m in [1, 2, 5, 40, 255, 256, 257, 600] {
        for (k, n) in [(1, 1), (3, 4), (20, 33)] {
            for steps in [1, 2, 5] {
                let run = |separate: bool, threads: usize| -> Result<Vec<Vec<u64>>> {
                    pool::set_threads(threads);
                    let tape = Tape::new();
                    tape.without(separate, false);
                    let [_, by_w, by_x] = shared(&tape, steps, [m, k, n]);
                    let values = tape.eval_all(&[by_w.exp(), by_x]);
                    pool::set_threads(0);
                    Ok(values?.iter().map(bits).collect())
                };
                let alone = run(true, 1)?;
                for threads in [1, 3] {
                    assert_eq!(
                        run(false, threads)?,
                        alone,
                        "{steps} steps of [{m}, {k}] by [{k}, {n}], {threads} threads"
                    );
                }
            }
        }
    }
    Ok(())
}
