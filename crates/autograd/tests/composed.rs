//! Mistakes and identities of orders along an axis, sums of products, diagonals and functions of two numbers.

use wengert_autograd::{Result, Tape, Tensor, Var, einsum, fmax, hypot, logaddexp};

fn numbers(shape: &[usize], seed: usize) -> Tensor<f64> {
    Tensor::from_fn(shape, |i| ((i + seed) as f64 * 0.618_033_988_75).fract() * 4.0 - 2.0)
}

/// The mistake of a formula over a `[2, 3]` and a `[3]`.
#[track_caller]
fn mistake(formula: impl for<'t> Fn(Var<'t, f64>, Var<'t, f64>) -> Var<'t, f64>) -> String {
    let tape = Tape::new();
    let (a, b) = (tape.input(numbers(&[2, 3], 0)), tape.input(numbers(&[3], 5)));
    let y = formula(a, b);
    y.value().expect_err("a mistake").to_string()
}

#[test]
fn wrong_equations_are_mistakes_that_say_what_is_wrong() {
    for (equation, part) in [
        ("ij,j->k", "'k' behind the arrow is no axis of any operand"),
        ("ij,j->ii", "'i' stands twice behind the arrow"),
        ("ij->i", "1 terms for 2 operands"),
        ("ij,j,k->i", "3 terms for 2 operands"),
        ("ijk,j->i", "3 labels for the 2 axes of operand 0, [2, 3]"),
        ("i,j->i", "1 labels for the 2 axes of operand 0, [2, 3]"),
        ("ij,i->j", "axes of 'i' have lengths 2 and 3"),
        ("i1,j->i", "'1' is no label"),
        ("ij,j->i->j", "'-' is no label"),
        ("i..j,j->i", "'.' is no label"),
        ("i......j,j->i", "'.' is no label"),
    ] {
        let text = mistake(|a, b| einsum(equation, &[a, b]));
        assert!(text.starts_with("einsum: ") && text.contains(part), "{equation}: {text}");
        assert!(text.contains("tests/composed.rs"), "{equation}: no source line: {text}");
    }
    let nothing: &[Var<'_, f64>] = &[];
    assert!(einsum("->", nothing).value().is_err());
    let (one, other) = (Tape::new(), Tape::new());
    let y = einsum("i,i->", &[one.input(numbers(&[3], 0)), other.input(numbers(&[3], 0))]);
    assert!(y.value().unwrap_err().to_string().contains("two different tapes"));
    let text = mistake(|a, b| einsum("ij,j->i", &[a.reshape([7]), b]));
    assert!(text.starts_with("reshape"), "the first mistake is kept: {text}");
}

#[test]
fn einsum_is_what_it_abbreviates() -> Result<()> {
    let tape = Tape::new();
    let (a, b) = (tape.input(numbers(&[3, 4], 0)), tape.input(numbers(&[4, 2], 9)));
    let m = tape.input(numbers(&[3, 3], 4));
    let pairs = [
        (einsum("ij,jk->ik", &[a, b]), a.matmul(b)),
        (einsum("ij->ji", &[a]), a.t()),
        (einsum("ij->", &[a]), a.sum()),
        (einsum("ii", &[m]), m.trace()),
        (einsum("ii->i", &[m]), m.diag(0)),
        (einsum("ij,ij->ij", &[a, a]), a.square()),
        (einsum("ij,jk,lk->il", &[a, b, a.matmul(b)]), a.matmul(b).matmul(a.matmul(b).t())),
        (einsum("...j->...", &[a]), a.sum_axes(&[1], false)),
        (einsum(" i j , j k ", &[a, b]), a.matmul(b)),
    ];
    for (i, (left, right)) in pairs.into_iter().enumerate() {
        let [x, y] = tape.eval([left, right])?;
        assert_eq!(x.shape(), y.shape(), "pair {i}");
        let worst = x.as_slice().iter().zip(y.as_slice()).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-13, "pair {i}: {worst}");
    }
    Ok(())
}

#[test]
fn a_plain_product_by_einsum_is_one_product() -> Result<()> {
    let tape = Tape::new();
    let (a, b) = (tape.input(numbers(&[3, 4], 0)), tape.input(numbers(&[2, 4], 9)));
    let before = tape.len();
    let _ = einsum("ij,kj->ik", &[a, b]).value()?;
    assert_eq!(tape.len() - before, 2, "a transposition, which the product reads through, and the product: {tape}");
    Ok(())
}

#[test]
fn orders_put_nan_last_and_keep_equal_elements_in_order() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(Tensor::from([2.0, f64::NAN, 1.0, 2.0, f64::NEG_INFINITY]));
    assert_eq!(x.argsort(0, false).value()?.to_vec(), [4.0, 2.0, 0.0, 3.0, 1.0]);
    assert_eq!(x.argsort(0, true).value()?.to_vec(), [1.0, 0.0, 3.0, 2.0, 4.0]);
    assert!(x.median().item()?.is_nan() && x.topk(1, 0).0.sum().item()?.is_nan());
    let (greatest, place) = x.max_with_indices(0, true);
    assert!(greatest.value()?.as_slice()[0].is_nan());
    assert_eq!(place.value()?.to_vec(), [1.0]);
    Ok(())
}

#[test]
fn orders_agree_with_each_other_on_large_operands() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(numbers(&[7, 301, 5], 3));
    let (up, places) = x.sort(1, false);
    let (down, _) = x.sort(1, true);
    let (top, _) = x.topk(40, 1);
    let median = x.median_axis(1, true);
    let [up, turned, again, top, first, median, middle] = tape.eval([
        up,
        down.flip(&[1]),
        x.take_along(1, places),
        top,
        down.narrow(1, 0, 40),
        median,
        up.narrow(1, 150, 1),
    ])?;
    assert_eq!(up, turned);
    assert_eq!(up, again);
    assert_eq!(top, first);
    assert_eq!(median, middle);
    Ok(())
}

#[test]
fn mistakes_of_orders_and_places() -> Result<()> {
    for (text, part) in [
        (mistake(|a, _| a.sort(2, false).0), "sort: axis 2"),
        (mistake(|a, _| a.topk(4, 1).1), "topk: the 4 greatest along axis 1 of shape [2, 3]"),
        (mistake(|a, _| a.median_axis(-3, false)), "median_axis: axis -3"),
        (mistake(|a, _| a.narrow(1, 0, 0).median()), "median: axis 0"),
        (mistake(|a, b| a.take_along(1, b)), "take_along: places of shape [3] do not fit"),
        (mistake(|a, _| a.take_along(1, a.abs().floor() + 7.0)), "is no place on axis 1 of length 3"),
        (mistake(|a, b| a.index_add(0, [0, 1, 2], b.narrow(0, 0, 2))), "index_add: a source of shape [2]"),
        (mistake(|a, b| a.index_add(0, [0, 9], b)), "index 9"),
        (mistake(|_, b| b.tril(0)), "tril: a matrix needed"),
        (mistake(|_, b| b.trace()), "trace: a matrix needed"),
        (mistake(|a, _| a.diagonal(0, 1, -1)), "diagonal: axis 1"),
        (mistake(|a, _| a.reshape([2, 3, 1]).diag(0)), "diag: a vector or a matrix needed"),
        (mistake(|_, b| b.diag(isize::MAX)), "diag: "),
        (mistake(|a, _| a.cumsum(5)), "cumsum: axis 5"),
        (mistake(|a, _| a.cumprod(-4)), "cumprod: axis -4"),
        (mistake(|a, b| a.cosine_similarity(b, 4)), "cosine_similarity: axis 4"),
        (mistake(|a, b| hypot(a, b.narrow(0, 0, 2))), "hypot: shapes don't broadcast"),
    ] {
        assert!(text.contains(part), "{text:?} for {part:?}");
    }
    Ok(())
}

#[test]
fn a_permutation_puts_cotangents_back() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(numbers(&[3, 50], 8));
    let w = tape.constant(numbers(&[3, 50], 77));
    let (sorted, places) = x.sort(1, true);
    let [g] = (sorted * w).sum().grad([x]);
    // What sorting took from a place comes back to it: taking the gradient in the same order gives the weights.
    let [back, w] = tape.eval([g.take_along(1, places), w])?;
    assert_eq!(back, w);
    Ok(())
}

#[test]
fn functions_of_two_numbers_are_stable_over_the_whole_range() -> Result<()> {
    let tape = Tape::new();
    let powers = Tensor::from_fn([41], |i| 2f64.powi(50 * (i as i32 - 20)));
    let x = tape.input(&powers);
    let [length, g] = {
        let y = hypot(x * 3.0, x * 4.0);
        tape.eval([y, y.sum().grad([x])[0]])?
    };
    for ((length, g), x) in length.as_slice().iter().zip(g.as_slice()).zip(powers.as_slice()) {
        assert!((length / x - 5.0).abs() < 1e-14 && (g - 5.0).abs() < 1e-13, "{x}: {length}, {g}");
    }
    for (a, b) in [(0.0, 0.0), (700.0, 710.0), (-800.0, -801.0), (1.0, -1.0), (-1e300, 1e300)] {
        let (a, b) = (tape.input(Tensor::scalar(a)), tape.input(Tensor::scalar(b)));
        let [ga, gb] = logaddexp(a, b).grad([a, b]);
        let [y, stacked, ga, gb] =
            tape.eval([logaddexp(a, b), wengert_autograd::stack(&[a, b], 0).logsumexp(), ga, gb])?;
        assert!((y.item()? - stacked.item()?).abs() <= 1e-15 * y.item()?.abs(), "{y} {stacked}");
        assert!((ga.item()? + gb.item()? - 1.0).abs() < 1e-15, "{ga} {gb}");
    }
    assert!(fmax(x * f64::NAN, f64::NAN).sum().item()?.is_nan());
    Ok(())
}
