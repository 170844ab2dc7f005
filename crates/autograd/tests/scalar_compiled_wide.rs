//! Jacobians forwards in wide lanes, inputs that are data, and statements of many operands, against the tape.

use num_traits::Float;
use wengert_autograd::scalar::{self, Compiled, MapReduce, Recursion, Scalar, Tape, Traced, Var};

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs())) || (a.is_nan() && b.is_nan())
}

/// More outputs than inputs, by every kind of operation.
fn many<N: Float>(x: &[N], outputs: usize) -> Vec<N> {
    let number = |x: f64| N::from(x).unwrap();
    let n = x.len();
    let at = |i: usize| x[i % n];
    let shared = x.iter().fold(N::zero(), |sum, &x| sum + x * x).sqrt();
    (0..outputs)
        .map(|i| match i % 9 {
            0 => at(i) * at(3 * i + 1) - at(i + 2) * number(0.5) + shared,
            1 => at(i) / (at(i + 1) * at(i + 1) + number(1.5)),
            2 => (at(i) - at(2 * i + 3)).tanh() * shared,
            3 => at(i) + at(i + 1) - at(i + 2) - at(i + 5),
            4 => -(at(i) * number(2.0)).exp() + number(1.0) / shared,
            5 => at(i).atan2(at(i + 1) + number(3.0)),
            6 => number(4.25),
            7 => at(i),
            _ => (0..12).fold(at(i), |sum, k| sum + at(i + k) * at(k) - at(k + 1) * number(0.125)),
        })
        .collect()
}

fn jacobian_on_tape(x: &[f64], outputs: usize) -> Vec<f64> {
    let tape = Tape::new();
    let inputs = tape.vars(x);
    let mut jacobian = Vec::new();
    for y in many(&inputs, outputs) {
        match y.is_constant() {
            true => jacobian.extend(vec![0.0; x.len()]),
            false => {
                let adjoints = y.backward();
                jacobian.extend(inputs.iter().map(|&x| adjoints.wrt(x)));
            }
        }
    }
    jacobian
}

#[test]
fn forward_jacobians_of_any_width() {
    for n in [1, 2, 7, 8, 9, 16, 28, 32, 33, 70] {
        let outputs = 2 * n + 11;
        let start = vec![0.7; n];
        let mut f = Compiled::record(&start, |x| many(x, outputs)).unwrap();
        let x: Vec<f64> = (0..n).map(|i| 0.6 + (i as f64 * 0.9).sin()).collect();
        let expected = jacobian_on_tape(&x, outputs);
        // Twice: the first leaves nothing behind.
        for _ in 0..2 {
            let jacobian = f.jacobian(&x).unwrap();
            for ((row, column), &got) in jacobian.indexed_iter() {
                let expected = expected[row * n + column];
                assert!(close(got, expected, 1e-12), "{n}: [{row}, {column}] is {got}, not {expected}");
            }
        }
    }
}

#[test]
fn forward_jacobians_follow_the_zero_rule_and_the_guards() {
    // The slope of the root at 0 is infinite: along x₁, which it doesn't depend on, nothing comes of it.
    let mut f = Compiled::record(&[1.0, 1.0], |x| vec![x[0].sqrt() + x[1], x[1], x[0]]).unwrap();
    let jacobian = f.jacobian(&[0.0, 2.0]).unwrap();
    assert_eq!(jacobian, ndarray::array![[f64::INFINITY, 1.0], [0.0, 1.0], [1.0, 0.0]]);
    let mut f = Compiled::record(&[1.0], |x| if x[0] > 0.0 { vec![x[0], x[0] * x[0]] } else { vec![x[0]; 2] }).unwrap();
    assert_eq!(f.jacobian(&[3.0]).unwrap(), ndarray::array![[1.0], [6.0]]);
    assert!(f.jacobian(&[-3.0]).unwrap_err().to_string().contains("other branch"));
}

#[test]
fn data_has_no_derivatives() {
    let function = |x: &[Traced], d: &[Traced]| vec![(x[0] * d[0]).sin() + d[1], x[1] * x[0] * d[1], d[0], x[1]];
    let (x, d) = ([0.5, -0.75], [1.25, 2.0]);
    let both = [&x[..], &d].concat();
    let mut all = Compiled::record(&both, |x| function(&x[..2], &x[2..])).unwrap();
    let expected = all.jacobian(&both).unwrap();
    let expected = expected.slice(ndarray::s![.., ..2]);
    let mut f = Compiled::record_with_data(&[1.0; 2], &[1.0; 2], function).unwrap();
    assert_eq!((f.inputs(), f.variables(), f.outputs()), (4, 2, 4));
    assert_eq!(f.jacobian(&both).unwrap(), expected);
    // Fewer outputs than variables: backwards.
    let one = |x: &[Traced], d: &[Traced]| (x[0] * d[0]).sin() * x[1] + x[0] * x[0] * d[1];
    let mut f = Compiled::record_with_data(&[1.0; 2], &[1.0; 2], one).unwrap();
    let mut all = Compiled::record(&both, |x| one(&x[..2], &x[2..])).unwrap();
    let (mut g, mut expected) = ([0.0; 2], [0.0; 4]);
    all.gradient(&both, &mut expected).unwrap();
    f.gradient(&both, &mut g).unwrap();
    assert_eq!(g, expected[..2]);
    assert_eq!(f.jacobian(&both).unwrap().as_slice().unwrap(), &expected[..2]);
    assert_eq!(f.gradients(&[&both, &both]).unwrap().as_slice().unwrap(), [g, g].concat());
    let hessian = all.hessian(&both).unwrap();
    let (hessian, got) = (hessian.slice(ndarray::s![..2, ..2]), f.hessian(&both).unwrap());
    assert!(got.iter().zip(hessian).all(|(&a, &b)| close(a, b, 1e-15)), "{got} is not {hessian}");
    let product = f.hvp(&both, &[1.0, -2.0]).unwrap();
    assert!((0..2).all(|i| close(product[i], hessian[[i, 0]] - 2.0 * hessian[[i, 1]], 1e-14)));
    assert!(f.gradient(&both, &mut [0.0; 4]).is_err());
    assert!(f.hvp(&both, &[1.0; 4]).is_err());
    let mut again =
        Compiled::rerecording_with_data(&[1.0], &[1.0], |x, d| if d[0] > 0.0 { x[0] } else { -x[0] }).unwrap();
    let mut values = [0.0; 2];
    let mut jacobians = [0.0; 2];
    again.jacobians_into(&[2.0, 1.0, /**/ 3.0, -1.0], &mut values, &mut jacobians).unwrap();
    assert_eq!((values, jacobians), ([2.0, -3.0], [1.0, -1.0]));
}

/// Many numbers to one.
type Reduction<'a, N> = &'a dyn Fn(&[N]) -> N;

/// Statements of many operands, some of them equal, constant, or results themselves.
fn statements<N: Copy>(
    x: &[N],
    [sum, norm, lse]: [Reduction<'_, N>; 3],
    dot: &dyn Fn(&[N], &[N]) -> N,
    two: N,
) -> Vec<N> {
    let twice = [x, &[two], x].concat();
    vec![
        sum(&twice),
        norm(x),
        lse(&twice),
        dot(&twice, &[&twice[1..], &[x[0]]].concat()),
        lse(&[sum(x), norm(x), x[0]]),
    ]
}

#[test]
fn statements_are_those_of_the_tape() {
    for n in [1, 2, 3, 9, 70, 300] {
        let x: Vec<f64> = (0..n).map(|i| 3.0 * (i as f64 * 1.7).sin()).collect();
        let tape = Tape::new();
        let vars = tape.vars(&x);
        let expected =
            statements(&vars, [&scalar::sum, &scalar::sqnorm, &scalar::logsumexp], &scalar::dot, Var::constant(2.0));
        let recorded = |x: &[Traced]| {
            statements(x, [&Traced::sum, &Traced::sqnorm, &Traced::logsumexp], &Traced::dot, Traced::from(2.0))
        };
        let mut f = Compiled::record(&vec![0.1; n], recorded).unwrap();
        let mut values = [0.0; 5];
        f.values(&x, &mut values).unwrap();
        let jacobian = f.jacobian(&x).unwrap();
        for (i, y) in expected.iter().enumerate() {
            assert!(close(values[i], y.value(), 1e-14), "{n}: {i} is {}, not {}", values[i], y.value());
            let adjoints = y.backward();
            let (mut w, mut g) = ([0.0; 5], vec![0.0; n]);
            w[i] = 1.0;
            f.vjp(&x, &w, &mut g).unwrap();
            for (j, &x) in vars.iter().enumerate() {
                assert!(close(g[j], adjoints.wrt(x), 1e-13), "{n}: {i}, {j}: {} is not {}", g[j], adjoints.wrt(x));
                assert!(close(jacobian[[i, j]], adjoints.wrt(x), 1e-13), "{n}: {i}, {j}");
            }
        }
    }
}

#[test]
fn logsumexp_in_lanes_sums_and_recursions() {
    let x = [0.5, -1.0, 2.0];
    let mut f = Compiled::record(&[0.0; 3], |x| Traced::logsumexp(x) * x[0]).unwrap();
    let points: Vec<[f64; 3]> = (0..11).map(|i| x.map(|x| x * f64::from(i) - 4.0)).collect();
    let gradients = f.gradients(&points).unwrap();
    for (row, point) in gradients.outer_iter().zip(&points) {
        let mut g = [0.0; 3];
        f.gradient(point, &mut g).unwrap();
        assert!(row.iter().zip(g).all(|(&a, b)| close(a, b, 1e-14)));
    }
    let hessian = f.hessian(&x).unwrap();
    let expected = scalar::hessian(|x| scalar::logsumexp(x) * x[0], &x);
    assert!(hessian.iter().zip(&expected).all(|(&a, &b)| close(a, b, 1e-13)), "{hessian} is not {expected:?}");
    // Of rows, and of steps.
    let term = |x: &[Traced], d: &[Traced]| Traced::logsumexp(&[x[0] * d[0], x[1], x[2] + d[0], d[0]]);
    let data: Vec<f64> = (0..30).map(|i| (f64::from(i) * 0.7).cos()).collect();
    let mut rows = MapReduce::record(&x, &[1.0], term).unwrap();
    let step = |x: &[Traced], s: &[Traced], d: &[Traced]| (vec![s[0] + term(x, d)], Traced::from(0.0));
    let mut steps = Recursion::record(&x, &[0.0], &[1.0], step, |_, s| s[0]).unwrap();
    let (mut g, mut h, mut start) = ([0.0; 3], [0.0; 3], [0.0]);
    let value = rows.value_and_gradient(&x, &data, &mut g).unwrap();
    assert!(close(steps.value_and_gradient(&x, &[0.0], &data, [&mut h, &mut start]).unwrap(), value, 1e-14));
    let tape = Tape::new();
    let vars = tape.vars(&x);
    let terms = data.iter().map(|&d| scalar::logsumexp(&[vars[0] * d, vars[1], vars[2] + d, Var::constant(d)]));
    let sum = terms.fold(Var::constant(0.0), |sum, term| sum + term);
    assert!(close(value, sum.value(), 1e-14));
    let adjoints = sum.backward();
    for (i, &x) in vars.iter().enumerate() {
        assert!(close(g[i], adjoints.wrt(x), 1e-13) && close(h[i], adjoints.wrt(x), 1e-13));
    }
}

#[test]
fn logsumexp_of_infinities() {
    let infinity = f64::INFINITY;
    for x in [
        [1.0, -infinity, 0.5],
        [-infinity; 3],
        [infinity, 1.0, infinity],
        [infinity, -infinity, 2.0],
        [f64::NAN, 1.0, 2.0],
        [1e300, -1e300, 0.0],
    ] {
        let tape = Tape::new();
        let vars = tape.vars(&x);
        let y = scalar::logsumexp(&vars);
        let expected: Vec<f64> = match y.is_constant() {
            true => vec![0.0; 3],
            false => {
                let adjoints = y.backward();
                vars.iter().map(|&x| adjoints.wrt(x)).collect()
            }
        };
        let mut f = Compiled::record(&[0.0; 3], |x| Traced::logsumexp(x)).unwrap();
        let mut g = [0.0; 3];
        let value = f.value_and_gradient(&x, &mut g).unwrap();
        assert!(value == y.value() || (value.is_nan() && y.value().is_nan()), "{x:?}: {value} is not {}", y.value());
        assert!(g.iter().zip(&expected).all(|(&a, &b)| close(a, b, 1e-15)), "{x:?}: {g:?} is not {expected:?}");
        let lanes = f.gradients(&[x, [0.0; 3]]).unwrap();
        assert!(lanes.row(0).iter().zip(&expected).all(|(&a, &b)| close(a, b, 1e-15)), "{x:?}: {lanes}");
        assert!(lanes.row(1).iter().all(|&share| close(share, 1.0 / 3.0, 1e-15)));
    }
    let mut none = Compiled::record(&[1.0], |x| vec![Traced::logsumexp(&[]), Traced::sum(&[]), x[0]]).unwrap();
    let mut y = [0.0; 3];
    none.values(&[2.0], &mut y).unwrap();
    assert_eq!(y, [-infinity, 0.0, 2.0]);
}
