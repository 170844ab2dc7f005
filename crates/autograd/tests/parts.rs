//! A cotangent that comes in slices: put together at once, whatever the slices are and whoever else contributes.

use proptest::prelude::*;
use wengert_autograd::transform::grad;
use wengert_autograd::{Tape, Tensor, Var};

/// The sum of the cubes of slices along an axis, and `whole` times the sum of the fourth powers of all.
fn loss<'t>(x: Var<'t, f64>, axis: isize, slices: &[(usize, usize, usize)], whole: f64) -> Var<'t, f64> {
    let cube = |&(start, count, step): &(usize, usize, usize)| {
        let end = start + (count - 1) * step + 1;
        let part = x.slice(axis, start as isize..end as isize, step);
        (part * part.square()).sum()
    };
    slices.iter().map(cube).fold(x.square().square().sum() * whole, |sum, cube| sum + cube)
}

/// `3 x²` for each slice that an element is in, and `4 whole x³`.
fn expected(x: &Tensor<f64>, axis: usize, slices: &[(usize, usize, usize)], whole: f64) -> Vec<f64> {
    let shape = x.shape();
    let inner: usize = shape[axis + 1..].iter().product();
    let n = shape[axis];
    let gradient = |(i, &x): (usize, &f64)| {
        let place = i / inner % n;
        let inside = |&&(start, count, step): &&(usize, usize, usize)| {
            place >= start && (place - start).is_multiple_of(step) && place < start + count * step
        };
        3.0 * slices.iter().filter(inside).count() as f64 * x * x + 4.0 * whole * x.powi(3)
    };
    x.as_slice().iter().enumerate().map(gradient).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn the_gradient_of_slices(
        shape in (1usize..4, 1usize..7, 1usize..4),
        axis in 0usize..3,
        seeds in prop::collection::vec((0usize..100, 0usize..100, 1usize..4), 0..6),
        whole in prop_oneof![Just(0.0), Just(1.0)],
    ) {
        let shape = [shape.0, shape.1, shape.2];
        let n = shape[axis];
        let slices: Vec<_> = seeds.iter().map(|&(start, count, step)| {
            let start = start % n;
            (start, (count % n + 1).min((n - start).div_ceil(step)), step)
        }).collect();
        let x = Tensor::from_fn(shape, |i| (i as f64 * 0.618).fract() - 0.4);
        let tape = Tape::new();
        let input = tape.input(x.clone());
        let [gradient] = loss(input, axis as isize, &slices, whole).grad([input]);
        for (a, b) in gradient.value().unwrap().as_slice().iter().zip(expected(&x, axis, &slices, whole)) {
            prop_assert!((a - b).abs() < 1e-12, "{a} and {b}: {slices:?}");
        }
    }
}

#[test]
fn a_sequence_cut_into_steps_costs_its_length() {
    let written = |steps: usize| {
        let tape = Tape::<f64>::new();
        let x = tape.input(Tensor::ones([4, steps, 16]));
        let loss = (0..steps).map(|step| x.narrow(1, step, 1).tanh().sum()).reduce(|sum, next| sum + next).unwrap();
        let plan = tape.plan(loss.grad([x])).unwrap();
        plan.kernels().iter().map(|kernel| kernel.shape.volume()).sum::<usize>()
    };
    let (short, long) = (written(16), written(64));
    assert!(long <= 5 * short, "{short} elements for 16 steps, {long} for 64");
}

#[test]
fn parts_of_different_axes_and_lengths_still_add_up() {
    fn f<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
        let square = |x: Var<'t, f64>| x.square().sum();
        square(x.narrow(0, 0, 1)) + square(x.narrow(1, 1, 2)) + square(x.narrow(0, 1, 1))
    }
    let x = Tensor::from([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    let tape = Tape::new();
    assert_eq!(f(tape.constant(x.clone())).item().unwrap(), 91.0 + 4.0 + 9.0 + 25.0 + 36.0);
    assert_eq!(grad(f, &x).unwrap(), Tensor::from([[2.0, 8.0, 12.0], [8.0, 20.0, 24.0]]));
}
