//! How operations of every number of operands are recorded, and how tapes are told apart.

use wengert_autograd::scalar::{
    DualVector, Scalar, SparseMatrix, Tape, Var, linear_combination, sparse_jacobian, sum_terms, weighted_dot,
};

/// Whole numbers without a simple order, below `bound`.
fn scattered(seed: usize, bound: usize) -> usize {
    (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) % bound
}

const COEFFICIENTS: [f64; 6] = [0.0, 1.0, -1.0, 2.5, 1.0, 0.5];

fn coefficients(length: usize, seed: usize) -> Vec<f64> {
    (0..length).map(|i| COEFFICIENTS[scattered(31 * seed + i + 1, COEFFICIENTS.len())]).collect()
}

/// Everything that reads records gives the coefficients of `Σ cᵢ xᵢ`, of whatever length, with zeros, ones and constants at
/// any place, and with records before it that are not variables.
#[test]
fn sums_of_every_length() {
    for (length, seed) in (0..21).flat_map(|length| (0..40).map(move |seed| (length, seed))) {
        let mut tape = Tape::new();
        for run in 0..2 {
            tape.clear();
            let c = coefficients(length, seed);
            let leaves = tape.vars(&vec![0.5; length]);
            let operand = |i: usize| match scattered(seed + 7 * i, 4) {
                0 => Var::constant(0.5),
                1 => leaves[i] * 3.0,
                _ => leaves[i],
            };
            let by = |i: usize| match scattered(seed + 7 * i, 4) {
                0 => 0.0,
                1 => 3.0 * c[i],
                _ => c[i],
            };
            let x: Vec<_> = (0..length).map(operand).collect();
            let y = linear_combination(&c, &x) * 2.0;
            let adjoints = y.backward();
            (0..length).for_each(|i| assert_eq!(adjoints.wrt(leaves[i]), 2.0 * by(i), "{length} {seed} {run} {i}"));
            drop(adjoints);
            let lanes = tape.backward_lanes(&[(y, [1.0, 0.0, -2.0])]);
            (0..length).for_each(|i| assert_eq!(lanes.wrt(leaves[i]), [2.0 * by(i), 0.0, -4.0 * by(i)]));
            drop(lanes);
            for (i, &leaf) in leaves.iter().enumerate() {
                let tangents = tape.forward_lanes(&[(leaf, [1.0, 3.0])]);
                assert_eq!(tangents.of(y), [2.0 * by(i), 6.0 * by(i)]);
            }
            // A direction of what was computed comes on top.
            if let Some(i) = (0..length).find(|&i| scattered(seed + 7 * i, 4) == 1) {
                let tangents = tape.forward_lanes(&[(leaves[i], [1.0]), (x[i], [10.0])]);
                assert_eq!(tangents.of(y), [2.0 * by(i) + 20.0 * c[i]]);
            }
        }
    }
}

#[test]
fn products_and_a_summand() {
    for seed in 0..300 {
        let tape = Tape::new();
        let values = [0.0, 1.0, -2.0, 0.5];
        let pick = |k: usize| values[scattered(seed + 1000 * k, 4)];
        let leaves = tape.vars(&[pick(1), pick(2), pick(3)]);
        let x: Vec<_> = leaves
            .iter()
            .enumerate()
            .map(|(k, &x)| if scattered(seed + 77 * k, 3) == 0 { Var::constant(x.value()) } else { x })
            .collect();
        let active = |k: usize| f64::from(u8::from(scattered(seed + 77 * k, 3) != 0));
        // One after the other, so that records with a summand stand beside each other, and one alone.
        let first = x[0].mul_add(x[1], x[2]);
        let y = x[1].mul_add(x[2], first) + x[0].mul_add(x[0], x[0]);
        let [a, b, c] = [x[0].value(), x[1].value(), x[2].value()];
        let expected = [active(0) * (b + 2.0 * a + 1.0), active(1) * (a + c), active(2) * (1.0 + b)];
        let adjoints = y.backward();
        assert_eq!([0, 1, 2].map(|k| adjoints.wrt(leaves[k])), expected, "{seed}");
        // From a record in the middle.
        drop(adjoints);
        let adjoints = first.backward();
        assert_eq!([0, 1, 2].map(|k| adjoints.wrt(leaves[k])), [active(0) * b, active(1) * a, active(2)]);
        drop(adjoints);
        let unit = |k: usize| [0, 1, 2].map(|lane| f64::from(u8::from(lane == k)));
        let tangents = tape.forward_lanes(&[0, 1, 2].map(|k| (leaves[k], unit(k))));
        assert_eq!(tangents.of(y), expected);
    }
}

#[test]
fn terms_that_are_forgotten_leave_nothing() {
    let tape = Tape::new();
    let x = tape.vars(&[1.5, -0.5, 2.0]);
    fn term<'t>(i: usize, x: &[Var<'t>]) -> Var<'t> {
        let sum = linear_combination(&[1.0, 2.0, 1.0], x);
        x[i % 3].mul_add(x[(i + 1) % 3], sum).mul_add(sum, x[2]) * 0.5
    }
    let (y, direct) = (sum_terms(0..10, &x, term), (0..10).map(|i| term(i, &x)).sum::<Var<'_>>());
    let (a, b) = (y.backward().wrt_all(&x), direct.backward().wrt_all(&x));
    assert!((y.value() - direct.value()).abs() < 1e-12 && a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-11));
    let constant = sum_terms(0..3, &[Var::constant(2.0)], |i, x| x[0] * i as f64);
    assert_eq!((constant.value(), constant.is_constant()), (6.0, true));
}

#[test]
fn the_pattern_of_joined_records() {
    let c = [1.0, 0.0, 2.5, 1.0, -1.0, 0.5, 0.0];
    let jacobian: SparseMatrix<f64> = sparse_jacobian(
        |x| vec![linear_combination(&c, x), x[0].mul_add(x[3], x[6]), weighted_dot(&[1.0, -1.0], &x[..2], &x[4..6])],
        &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
    );
    let rows = [
        [1.0, 0.0, 2.5, 1.0, -1.0, 0.5, 0.0],
        [4.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0],
        [5.0, -6.0, 0.0, 0.0, 1.0, -2.0, 0.0],
    ];
    for (i, row) in rows.iter().enumerate() {
        for (j, &entry) in row.iter().enumerate() {
            assert_eq!(jacobian.get(i, j).unwrap_or(0.0), entry);
            assert_eq!(jacobian.get(i, j).is_some(), entry != 0.0);
        }
    }
}

#[test]
fn a_tape_may_move_between_its_uses() {
    let mut tape = Tape::new();
    let slope = |tape: &Tape| {
        let x = tape.var(3.0);
        (x * x).backward().wrt(x)
    };
    assert_eq!(slope(&tape), 6.0);
    tape.clear();
    let moved = Box::new(tape);
    assert_eq!(slope(&moved), 6.0);
    let elsewhere = std::thread::spawn(move || (slope(&moved), moved));
    let (first, back) = elsewhere.join().expect("no panic");
    let mut tapes = vec![*back, Tape::new()];
    assert_eq!((first, slope(&tapes[0]), slope(&tapes[1])), (6.0, 6.0, 6.0));
    tapes.reserve(100);
    tapes.swap(0, 1);
    assert_eq!((slope(&tapes[0]), slope(&tapes[1])), (6.0, 6.0));
}

/// Numbers are given back, also in threads, and nobody gets one that is in use.
#[test]
fn a_hundred_thousand_tapes_one_after_the_other() {
    let kept = Tape::new();
    let x = kept.var(2.0);
    let run = || {
        for i in 0..25_000 {
            let tape = Tape::<DualVector<f64, 2>>::new();
            let y = tape.var(DualVector::new(f64::from(i), [1.0, 2.0]));
            assert_eq!((y * y).backward().wrt(y).derivatives, [2.0, 4.0]);
        }
    };
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(run)).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    assert_eq!((x * x).backward().wrt(x), 4.0);
}
