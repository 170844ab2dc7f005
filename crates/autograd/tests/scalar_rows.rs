//! Every elementwise row of the registry is the same function on the scalar side as on the tensor side, with the same
//! derivatives; and the same in forward mode.

use wengert_autograd::ops::{Elementwise, REGISTRY, RowVisitor, visit_rows};
use wengert_autograd::scalar::{Dual, DualVector, Scalar, Tape};
use wengert_autograd::{Real, Tensor, Var};

/// Within rounding, or both not a number, or the same infinity.
fn same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-14 * (1.0 + b.abs())
}

/// Points in the domain of a row, and where rules are delicate: zeros, ties, kinks, infinities.
fn points<F: Elementwise<A>, const A: usize>() -> Vec<[f64; A]> {
    let mut points = vec![];
    for k in 0..7 {
        points.push(std::array::from_fn(|i| {
            let (low, high) = F::DOMAIN[i];
            low + (high - low) * ((k + 3 * i) as f64 * 0.618_033_988_749_895 + 0.137).fract()
        }));
    }
    for &edge in F::KINKS.iter().chain(&[0.0, 1.0, -1.0, 30.0, -700.0, f64::INFINITY]) {
        points.push([edge; A]);
        points.push(std::array::from_fn(|i| if i == 0 { edge } else { F::DOMAIN[i].0 }));
        points.push(std::array::from_fn(|i| if i == 0 { F::DOMAIN[i].1 } else { edge }));
    }
    points
}

struct Compare {
    names: Vec<&'static str>,
}

impl RowVisitor for Compare {
    fn visit<F: Elementwise<A>, const A: usize>(&mut self) {
        self.names.push(F::NAME);
        let registered = REGISTRY.iter().find(|op| op.name == F::NAME).expect("a row of the registry");
        // Some use of the row on tensors of rank 0.
        let sample = (registered.samples)().into_iter().find(|sample| sample.inputs.iter().all(|x| x.rank() == 0));
        let sample = sample.expect("a sample with numbers");
        for x in points::<F, A>() {
            let tensors = wengert_autograd::Tape::new();
            let inputs: Vec<Var<'_, f64>> = x.iter().map(|&x| tensors.input(Tensor::scalar(x))).collect();
            let output = (sample.function)(&inputs);
            let expected = output.item().expect("a value");

            let tape = Tape::new();
            let v = tape.vars(&x);
            let y = wengert_autograd::scalar::Var::apply(F::default(), std::array::from_fn(|i| v[i]));
            let adjoints = y.backward().wrt_all(&v);
            assert!(same(y.value(), expected), "{} at {x:?}: {} on numbers, {expected} on tensors", F::NAME, y.value());
            let many = DualVector::<f64, A>::variables(x);
            let many = DualVector::apply(F::default(), many);
            for i in 0..A {
                let [gradient] = output.grad([inputs[i]]);
                let gradient = gradient.item().expect("a gradient");
                assert!(
                    same(adjoints[i], gradient),
                    "{} at {x:?}, by operand {i}: {} on numbers, {gradient} on tensors",
                    F::NAME,
                    adjoints[i]
                );
                let duals = std::array::from_fn(|k| if k == i { Dual::variable(x[k]) } else { Dual::constant(x[k]) });
                let dual = Dual::apply(F::default(), duals);
                assert!(same(dual.derivative, gradient), "{} at {x:?}: {dual:?}, {gradient}", F::NAME);
                assert!(same(many.derivatives[i], gradient), "{} at {x:?}: {many:?}, {gradient}", F::NAME);
            }
        }
    }
}

#[test]
fn every_row_is_the_same_on_numbers_as_on_tensors() {
    let mut compare = Compare { names: vec![] };
    visit_rows(&mut compare);
    let rows: Vec<&str> = REGISTRY.iter().filter(|op| !op.formula.is_empty()).map(|op| op.name).collect();
    assert_eq!(compare.names, rows);
    assert!(rows.len() > 60);
}

/// Second derivatives by all four ways of nesting.
struct Nested;

impl RowVisitor for Nested {
    fn visit<F: Elementwise<A>, const A: usize>(&mut self) {
        fn first<F: Elementwise<A>, T: Scalar, const A: usize>(x: [T; A]) -> Vec<T> {
            let tape = Tape::new();
            let v = tape.vars(&x);
            wengert_autograd::scalar::Var::apply(F::default(), std::array::from_fn(|i| v[i])).backward().wrt_all(&v)
        }
        for x in points::<F, A>().into_iter().take(7) {
            for i in 0..A {
                let duals = std::array::from_fn(|k| Dual::new(x[k], f64::from(u8::from(k == i))));
                let forward_reverse = first::<F, Dual, A>(duals);
                let outer = Tape::new();
                let v = outer.vars(&x);
                let slope = first::<F, _, A>(std::array::from_fn(|k| v[k]))[i];
                let reverse_reverse = slope.backward().wrt_all(&v);
                let slope = Dual::apply(
                    F::default(),
                    std::array::from_fn(|k| if k == i { Dual::variable(v[k]) } else { Dual::constant(v[k]) }),
                );
                let reverse_forward = slope.derivative.backward().wrt_all(&v);
                for k in 0..A {
                    let found = [forward_reverse[k].derivative, reverse_reverse[k], reverse_forward[k]];
                    for way in found {
                        let near = (way - found[0]).abs() <= 1e-12 * (1.0 + way.abs());
                        assert!(near, "{} at {x:?}, by {i} and {k}: {found:?}", F::NAME);
                    }
                    // A difference of first derivatives, five points.
                    let at = |step: f64| {
                        first::<F, f64, A>(std::array::from_fn(|m| if m == k { x[m] + step } else { x[m] }))[i]
                    };
                    let h = 1e-4;
                    let difference = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                    let near = (difference - found[0]).abs() <= 1e-6 * (1.0 + difference.abs());
                    assert!(near, "{} at {x:?}, by {i} and {k}: {found:?} {difference}", F::NAME);
                }
            }
        }
    }
}

#[test]
fn second_derivatives_of_rows_agree_whatever_the_nesting() {
    visit_rows(&mut Nested);
}
