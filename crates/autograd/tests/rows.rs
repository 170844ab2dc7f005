//! Joins of rows that are read again in the pass that computes them: what a normalisation or a softmax by hand is.

mod values;

use values::{bits, elements};
use wengert_autograd::{Result, Tape, Tensor, Var};

fn normalised<'t>(x: Var<'t, f64>, scale: Var<'t, f64>, shift: Var<'t, f64>) -> Var<'t, f64> {
    let deviation = x - x.mean_axes(&[-1], true);
    let variance = deviation.square().mean_axes(&[-1], true);
    deviation / (variance + 1e-5).sqrt() * scale + shift
}

/// Value of a normalisation, and of the gradient of a sum over it, with or without fusion.
fn normalise(shape: [usize; 2], separate: bool) -> Result<Vec<Tensor<f64>>> {
    let tape = Tape::new();
    tape.without(separate, separate);
    let x = tape.input(elements(shape, 1));
    let (scale, shift) = (tape.input(elements([1, shape[1]], 2)), tape.input(elements([1, shape[1]], 3)));
    let y = normalised(x, scale, shift);
    let loss = (y * tape.input(elements(shape, 4))).sum();
    let [gx, gscale, gshift] = loss.grad([x, scale, shift]);
    Ok(tape.eval_all(&[y, gx, gscale, gshift])?.to_vec())
}

#[test]
fn a_normalisation_is_the_same_in_one_pass() -> Result<()> {
    for n in [2, 3, 16, 17, 100, 128, 255, 1000, 1024, 1025] {
        for rows in [1, 2, 3, 7, 8, 9, 63, 130] {
            let (fused, separate) = (normalise([rows, n], false)?, normalise([rows, n], true)?);
            assert_eq!(bits(&fused[0]), bits(&separate[0]), "{rows} rows of {n}");
            for (a, b) in fused.iter().zip(&separate) {
                let most = b.as_slice().iter().fold(1.0f64, |most, b| most.max(b.abs()));
                let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-11 * most;
                assert!(a.as_slice().iter().zip(b.as_slice()).all(near), "{rows} rows of {n}: {a} and {b}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_normalisation_and_its_gradient_are_one_kernel() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(elements([100, 64], 1));
    let (scale, shift) = (tape.input(elements([1, 64], 2)), tape.input(elements([1, 64], 3)));
    let y = normalised(x, scale, shift);
    assert_eq!(tape.plan([y])?.kernels().len(), 1);
    assert_eq!(tape.plan([y])?.buffer_bytes(), 0);
    let loss = y.tanh().sum();
    let [gx, gscale, gshift] = loss.grad([x, scale, shift]);
    assert_eq!(tape.plan([loss, gx, gscale, gshift])?.kernels().len(), 1);
    let shares = x.exp() / x.exp().sum_axes(&[-1], true);
    assert_eq!(tape.plan([shares])?.kernels().len(), 1);
    // Rows that are too long for a block wait for each other.
    let long = tape.input(elements([4, 2000], 1));
    assert_eq!(tape.plan([long / long.sum_axes(&[-1], true)])?.kernels().len(), 2);
    Ok(())
}

/// Results with fusion, which must be those without.
fn check(name: &str, x: &Tensor<f64>, f: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>) -> Result<()> {
    let run = |separate: bool| -> Result<_> {
        let tape = Tape::new();
        tape.without(separate, separate);
        let x = tape.input(x.clone());
        let y = f(x);
        let [gx] = y.square().sum().grad([x]);
        tape.eval([y, gx])
    };
    for (fused, separate) in run(false)?.iter().zip(&run(true)?) {
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * b.abs().max(1.0);
        assert!(fused.as_slice().iter().zip(separate.as_slice()).all(near), "{name}: {fused} and {separate}");
    }
    Ok(())
}

#[test]
fn rows_are_told_from_columns() -> Result<()> {
    let square = elements([5, 5], 1);
    check("sums of rows, along columns", &square, |x| x / (x.sum_axes(&[1], false).square() + 1.0))?;
    check("sums of columns, along rows", &square, |x| x / (x.sum_axes(&[0], true).square() + 1.0))?;
    check("sums of rows, both ways", &square, |x| {
        let sums = x.tanh().sum_axes(&[1], false).sigmoid();
        x * sums + sums.unsqueeze(1) * x
    })?;
    check("one of each row, both ways", &elements([5, 1], 1), |x| {
        let s = x.sigmoid().reshape([5]);
        s.unsqueeze(1) + s
    })?;
    check("of rows of several axes", &elements([6, 20], 1), |x| {
        let x = x.sin().reshape([2, 3, 4, 5]);
        let whole = x.sum_axes(&[2, 3], true).tanh();
        x * whole + x.max_axes(&[-1], true)
    })
}

#[test]
fn what_is_of_rows_meets_what_is_not() -> Result<()> {
    check("repeated along rows, and summed", &elements([4, 1], 1), |x| {
        let share = x.sigmoid() * 0.3;
        share.expand([4, 6]).sum() + share
    })?;
    check("a number for several rows", &elements([4, 6], 1), |x| {
        let wide = x.sin().reshape([2, 2, 6]);
        let few = x.reshape([2, 12]).sum_axes(&[1], true).reshape([2, 1, 1]).tanh();
        let one = few.expand([2, 2, 1]);
        (one - wide) * one
    })?;
    check("repeated, with an axis of length 1 behind", &elements([1, 3], 1), |x| {
        let repeated = x.reshape([3]).tanh().expand([4, 3]).reshape([4, 3, 1]);
        repeated * repeated.sum_axes(&[1, 2], true)
    })?;
    check("a mean of the greatest of each row", &elements([40, 9], 1), |x| {
        let most = x.sin().max_axes(&[1], false);
        most.square().mean() * (x - most.unsqueeze(1)).exp()
    })
}

#[test]
fn a_softmax_is_of_the_pass_around_it() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(elements([100, 64], 1));
    let weights = tape.input(elements([100, 64], 2));
    for function in [Var::softmax, Var::log_softmax] {
        let loss = (function((x * 0.5).tanh(), -1) * weights).sum();
        let [gx] = loss.grad([x]);
        assert_eq!(tape.plan([loss, gx])?.kernels().len(), 1, "{}", tape.plan([loss, gx])?);
        // Alone, by its own kernel; along another axis or of long rows, too.
        assert_eq!(tape.plan([function(x, -1)])?.kernels()[0].formulas.len(), 1);
        assert_eq!(tape.plan([function(x * 0.5, 0)])?.kernels().len(), 2);
    }
    let long = tape.input(elements([3, 1025], 1));
    assert_eq!(tape.plan([(long * 0.5).softmax(-1) + 1.0])?.kernels().len(), 3);
    for n in [1, 2, 10, 63, 64, 65, 1000, 1024, 1025] {
        for rows in [1, 2, 17, 66] {
            let x = elements([rows, n], n);
            let name = format!("{rows} rows of {n}");
            check(&name, &x, |x| (x * 3.0).softmax(-1) * x)?;
            check(&name, &x, |x| {
                let logits = x - x.mean_axes(&[-1], true);
                -(logits.log_softmax(-1) * x.sigmoid()).sum_axes(&[-1], false).mean() * x
            })?;
        }
    }
    Ok(())
}
