//! Branches of recorded functions, and all that an input can have wrong.

use num_traits::{Float, ToPrimitive};
use wengert_autograd::ErrorKind;
use wengert_autograd::scalar::{Compiled, MapReduce, Traced};

fn branch_error(f: &mut Compiled, x: &[f64], line: u32) {
    let mut g = vec![0.0; x.len()];
    let results = [f.value(x).map(drop), f.gradient(x, &mut g), f.gradients(&[x]).map(drop), f.hvp(x, x).map(drop)];
    for result in results {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Branch, "{error}");
        assert!(error.to_string().contains(&format!("{}:{line}:", file!())), "{error} is not on line {line}");
    }
}

#[test]
fn every_comparison_is_a_guard_with_its_line() {
    let two = [1.0, 2.0];
    type Branch = fn(&[Traced]) -> Traced;
    let branches: [(Branch, u32); 8] = [
        (|x| if x[0] < x[1] { x[0] } else { x[1] }, line!()),
        (|x| if x[0] <= x[1] { x[0] } else { x[1] }, line!()),
        (|x| if x[0] > x[1] { x[0] } else { x[1] }, line!()),
        (|x| if x[0] >= x[1] { x[0] } else { x[1] }, line!()),
        (|x| if x[0] < 1.5 { x[0] } else { x[1] }, line!()),
        (|x| if x[0].partial_cmp(&x[1]).is_some_and(|order| order.is_lt()) { x[0] } else { x[1] }, line!()),
        (|x| if x[0] == Traced::from(1.0) { x[0] } else { x[1] }, line!()),
        (|x| if x[0] != Traced::from(1.0) { x[0] } else { x[1] }, line!()),
    ];
    for (function, line) in branches {
        let mut f = Compiled::record(&two, function).unwrap();
        f.value(&two).unwrap();
        branch_error(&mut f, &[3.0, 2.0], line);
        // A failure leaves nothing behind.
        let mut g = [0.0; 2];
        let value = f.value_and_gradient(&two, &mut g).unwrap();
        assert_eq!(value, g[0] * two[0] + g[1] * two[1]);
    }
}

#[test]
fn the_same_side_is_no_error() {
    let mut f = Compiled::record(&[1.0], |x| if x[0] > 0.0 { x[0] * x[0] } else { -x[0] }).unwrap();
    let g = f.gradients(&[[0.5], [7.0], [1e-300]]).unwrap();
    assert_eq!(g.column(0).to_vec(), [1.0, 14.0, 2e-300]);
}

#[test]
fn nan_takes_neither_side() {
    let mut f = Compiled::record(&[1.0], |x| if x[0] > 0.0 { x[0] } else { -x[0] }).unwrap();
    assert_eq!(f.value(&[f64::NAN]).unwrap_err().kind(), ErrorKind::Branch);
    let mut f = Compiled::record(&[f64::NAN], |x| if x[0] > 0.0 { x[0] } else { -x[0] }).unwrap();
    assert!(f.value(&[f64::NAN]).unwrap().is_nan());
    assert_eq!(f.value(&[-1.0]).unwrap(), 1.0);
    assert_eq!(f.value(&[1.0]).unwrap_err().kind(), ErrorKind::Branch);
    // Without a branch NaN goes through.
    let mut f = Compiled::record(&[1.0], |x| x[0] * 2.0).unwrap();
    assert!(f.value(&[f64::NAN]).unwrap().is_nan());
}

#[test]
fn extremes_are_no_branches() {
    fn most<N: Float>(x: &[N]) -> N {
        x.iter().fold(x[0], |most, &x| most.max(x)) - x.iter().fold(x[0], |least, &x| least.min(x)) * x[0].abs()
    }
    for n in [1, 2, 3, 5, 8, 33] {
        let mut f = Compiled::record(&vec![0.5; n], most).unwrap();
        let x: Vec<f64> = (0..n).map(|i| (i as f64 * 0.7 + 0.3).sin()).collect();
        assert_eq!(f.value(&x).unwrap(), most(&x));
        let mut g = vec![0.0; n];
        f.gradient(&x, &mut g).unwrap();
        for i in 0..n {
            let at = |h: f64| {
                let mut moved = x.clone();
                moved[i] += h;
                most(&moved)
            };
            assert!((g[i] - (at(1e-6) - at(-1e-6)) / 2e-6).abs() < 1e-6);
        }
        // `max` of plain numbers leaves NaN out, which is another branch.
        let mut spoiled = x.clone();
        spoiled[n / 2] = f64::NAN;
        assert_eq!(f.value(&spoiled).unwrap_err().kind(), ErrorKind::Branch);
    }
}

#[test]
fn a_number_that_was_read_is_a_guard() {
    let mut f = Compiled::record(&[2.0, 1.0], |x| x[1] * x[0].to_f64().unwrap_or(0.0)).unwrap();
    assert_eq!(f.value(&[2.0, 5.0]).unwrap(), 10.0);
    let error = f.value(&[3.0, 5.0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Branch);
    assert!(error.to_string().starts_with("this input changes the number that was read"), "{error}");
    assert_eq!(f.value(&[f64::NAN, 5.0]).unwrap_err().kind(), ErrorKind::Branch);
    // An index read from an input.
    let table = [1.0, 10.0, 100.0];
    let mut f = Compiled::record(&[1.0], |x| x[0] * table[x[0].to_usize().unwrap_or(0)]).unwrap();
    assert_eq!(f.value(&[1.0]).unwrap(), 10.0);
    assert_eq!(f.value(&[2.0]).unwrap_err().kind(), ErrorKind::Branch);
}

#[test]
fn comparisons_of_constants_guard_nothing() {
    let mut f = Compiled::record(&[1.0], |x| {
        let c = Traced::from(2.0) * 3.0;
        if c > 5.0 { x[0] * c } else { x[0] }
    })
    .unwrap();
    assert_eq!(f.value(&[-4.0]).unwrap(), -24.0);
}

#[test]
fn the_first_row_that_differs_is_named() {
    let mut f = Compiled::record(&[1.0], |x| if x[0] > 0.0 { x[0] } else { -x[0] }).unwrap();
    let points: Vec<[f64; 1]> = (0..200).map(|i| [if i == 93 || i == 150 { -1.0 } else { 1.0 }]).collect();
    let error = f.gradients(&points).unwrap_err().to_string();
    assert!(error.starts_with("point 93: "), "{error}");
    let mut sum = MapReduce::record(&[1.0], &[1.0], |x, d| if d[0] > 0.0 { x[0] * d[0] } else { x[0] }).unwrap();
    let rows: Vec<f64> = points.iter().flatten().copied().collect();
    let error = sum.value(&[1.0], &rows).unwrap_err().to_string();
    assert!(error.starts_with("row 93: "), "{error}");
    // And afterwards all is as before.
    assert_eq!(sum.value(&[3.0], &[1.0; 5]).unwrap(), 15.0);
    let mut g = [0.0];
    sum.gradient(&[3.0], &rows, &mut g).unwrap_err();
    sum.gradient(&[3.0], &[1.0; 5], &mut g).unwrap();
    assert_eq!(g, [5.0]);
    assert_eq!(f.gradients(&[[2.0]]).unwrap()[[0, 0]], 1.0);
}

#[test]
fn recording_again_takes_the_other_branch() {
    let mut f = Compiled::rerecording(&[1.0], |x| if x[0] > 0.0 { x[0] * x[0] } else { -x[0] }).unwrap();
    let mut g = [0.0];
    for (x, value, slope) in [(2.0, 4.0, 4.0), (-2.0, 2.0, -1.0), (3.0, 9.0, 6.0)] {
        assert_eq!(f.value_and_gradient(&[x], &mut g).unwrap(), value);
        assert_eq!(g, [slope]);
    }
    let gradients = f.gradients(&[[1.0], [-1.0], [2.0]]).unwrap();
    assert_eq!(gradients.column(0).to_vec(), [2.0, -1.0, 4.0]);
}

#[test]
fn wrong_lengths_are_errors() {
    let mut f = Compiled::record(&[1.0, 2.0], |x| x[0] * x[1]).unwrap();
    let mut g = [0.0; 2];
    let mistakes = [
        f.value(&[1.0]).map(drop),
        f.value(&[]).map(drop),
        f.gradient(&[1.0; 3], &mut g),
        f.gradient(&[1.0; 2], &mut g[..1]),
        f.values(&[1.0; 2], &mut []),
        f.vjp(&[1.0; 2], &[1.0; 2], &mut g),
        f.jacobian(&[1.0; 1]).map(drop),
        f.hessian(&[1.0; 3]).map(drop),
        f.hvp(&[1.0; 2], &[1.0]).map(drop),
        f.gradients(&[vec![1.0; 2], vec![1.0; 3]]).map(drop),
        f.gradients_into(&[1.0; 3], &mut [0.0], &mut g),
        f.gradients_into(&[1.0; 2], &mut [0.0], &mut g[..1]),
    ];
    for mistake in mistakes {
        assert_eq!(mistake.unwrap_err().kind(), ErrorKind::Shape);
    }
    let mut sum = MapReduce::record(&[1.0], &[1.0, 1.0], |x, d| x[0] * d[0] * d[1]).unwrap();
    for mistake in [sum.value(&[1.0], &[1.0; 3]), sum.value(&[1.0; 2], &[1.0; 2])] {
        assert_eq!(mistake.unwrap_err().kind(), ErrorKind::Shape);
    }
    let mut two = Compiled::record(&[1.0], |x| [x[0], x[0]]).unwrap();
    assert_eq!(two.value(&[1.0]).unwrap_err().kind(), ErrorKind::Gradient);
    assert_eq!(two.gradient(&[1.0], &mut g[..1]).unwrap_err().kind(), ErrorKind::Gradient);
    assert_eq!(two.hessian(&[1.0]).unwrap_err().kind(), ErrorKind::Gradient);
}

#[test]
fn outputs_may_be_inputs_constants_or_nothing() {
    let mut f = Compiled::record(&[1.0, 2.0], |x| vec![x[1], Traced::from(7.0), x[1], x[0] + x[1]]).unwrap();
    let mut y = [0.0; 4];
    f.values(&[3.0, 4.0], &mut y).unwrap();
    assert_eq!(y, [4.0, 7.0, 4.0, 7.0]);
    let expected = ndarray::array![[0.0, 1.0], [0.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
    assert_eq!(f.jacobian(&[3.0, 4.0]).unwrap(), expected);
    let mut g = [0.0; 2];
    f.vjp(&[3.0, 4.0], &[1.0, 10.0, 100.0, 1000.0], &mut g).unwrap();
    assert_eq!(g, [1000.0, 1101.0]);

    let mut constant = Compiled::record(&[1.0], |_| Traced::from(5.0)).unwrap();
    assert_eq!(constant.value_and_gradient(&[2.0], &mut g[..1]).unwrap(), 5.0);
    assert_eq!(g[0], 0.0);
    assert_eq!(constant.hessian(&[2.0]).unwrap()[[0, 0]], 0.0);

    let mut nothing = Compiled::record(&[1.0], |_| Vec::new()).unwrap();
    assert_eq!(nothing.jacobian(&[2.0]).unwrap().shape(), [0, 1]);
    let mut alone = Compiled::<f64>::record(&[], |_| Traced::from(5.0)).unwrap();
    assert_eq!(alone.value_and_gradient(&[], &mut []).unwrap(), 5.0);
    assert_eq!(alone.hessian(&[]).unwrap().shape(), [0, 0]);
    assert_eq!(f.gradients::<[f64; 2]>(&[]).unwrap_err().kind(), ErrorKind::Gradient);
    assert_eq!(constant.gradients::<[f64; 1]>(&[]).unwrap().shape(), [0, 1]);
}

#[test]
fn an_unused_infinity_spoils_nothing() {
    // The cotangent of sqrt is exactly 0: the infinite slope at 0 must not turn it into NaN.
    let mut f = Compiled::record(&[1.0, 1.0], |x| (x[0] * x[1]).sqrt() * Traced::from(0.0) + x[1]).unwrap();
    let mut g = [0.0; 2];
    f.gradient(&[0.0, 3.0], &mut g).unwrap();
    assert_eq!(g, [0.0, 1.0]);
    // The zero rule in arithmetic: 0 times an infinite factor.
    let mut f = Compiled::record(&[1.0, 1.0], |x| (x[0] * x[1]).minimum(x[0])).unwrap();
    f.gradient(&[2.0, f64::INFINITY], &mut g).unwrap();
    assert_eq!(g, [1.0, 0.0]);
    let gradients = f.gradients(&[[2.0, f64::INFINITY], [2.0, 0.25]]).unwrap();
    assert_eq!(gradients, ndarray::array![[1.0, 0.0], [0.25, 2.0]]);
    assert_eq!(f.hvp(&[2.0, f64::INFINITY], &[1.0, 0.0]).unwrap(), [0.0, 0.0]);
}

#[test]
fn two_recordings_do_not_mix() {
    let outer = Compiled::record(&[1.0], |x| {
        let inner = Compiled::record(&[2.0], |y| x[0] * y[0]);
        assert_eq!(inner.unwrap_err().kind(), ErrorKind::Tape);
        // One inside the other is fine where they keep apart.
        let mut inner = Compiled::record(&[2.0], |y| y[0] * y[0]).unwrap();
        x[0] * inner.value(&[3.0]).unwrap()
    });
    assert_eq!(outer.unwrap().value(&[2.0]).unwrap(), 18.0);
}

#[test]
#[should_panic(expected = "after its recording had ended")]
fn a_number_does_not_outlive_its_recording() {
    let mut kept = None;
    Compiled::record(&[1.0], |x| {
        kept = Some(x[0]);
        x[0]
    })
    .unwrap();
    let _ = kept.unwrap() + 1.0;
}

#[test]
fn a_panic_in_the_closure_ends_its_recording() {
    let panics =
        std::panic::catch_unwind(|| Compiled::record(&[1.0], |_| -> Traced { panic!("on purpose") }).map(drop));
    assert!(panics.is_err());
    assert_eq!(Compiled::record(&[1.0], |x| x[0] + 1.0).unwrap().value(&[2.0]).unwrap(), 3.0);
}
