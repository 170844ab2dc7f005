//! What a pass writes where it read an operand for the last time: which values lie so, and that no bit changes.

use wengert_autograd::kernels::pool;
use wengert_autograd::{Result, Tape, Tensor, Var};

/// Elements between -2 and 2, in both signs.
fn elements(shape: [usize; 2], seed: usize) -> Tensor<f64> {
    Tensor::from_fn(shape, |i| ((i * 7919 + seed * 104_729) % 10_007) as f64 / 2500.0 - 2.0)
}

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

/// Where the kernels of a formula write, and the bytes of its buffers.
fn places(formula: Formula) -> Result<(Vec<String>, usize)> {
    let tape = Tape::inference();
    let outputs = formula(tape.input(elements([40, 40], 1)), tape.input(elements([40, 40], 2)));
    let outputs: Vec<_> = outputs.into_iter().map(|output| output.cumsum(1).sum()).collect();
    let plan = match outputs[..] {
        [y] => tape.plan([y])?,
        [y, z] => tape.plan([y, z])?,
        _ => unreachable!("formulas of one or two results"),
    };
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
                let bits = |value: &Tensor<f64>| value.as_slice().iter().map(|x| x.to_bits()).collect();
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
