//! Recursions of which one step is recorded, against the whole recursion on a tape and finite differences.

use num_traits::Float;
use wengert_autograd::scalar::{Compiled, Recursion, Tape, Traced, Var};
use wengert_autograd::{ErrorKind, Real};

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs()))
}

/// A recursion, for any number type.
trait System {
    fn step<N: Float>(theta: &[N], state: &[N], row: &[N]) -> (Vec<N>, N);
    fn last<N: Float>(theta: &[N], state: &[N]) -> N;
}

/// Every kind of operation; `theta` has 3 entries, `state` 3, `row` 2.
struct Mixed;

impl System for Mixed {
    fn step<N: Float>(theta: &[N], state: &[N], row: &[N]) -> (Vec<N>, N) {
        let number = |x: f64| N::from(x).unwrap();
        let shared = (theta[0] * theta[1]).exp();
        let gate = (state[0] * theta[1] + row[0]).tanh();
        let next = vec![
            state[1] + shared * gate - theta[2] * state[0] * number(0.5),
            state[0] / (state[2] * state[2] + number(2.0)),
            (state[2] * row[1] - state[1]).sin() * number(0.75) + state[2] * number(0.25),
        ];
        let term = (next[0] * next[0] + number(1.0)).ln() - gate * state[2];
        (next, term)
    }

    fn last<N: Float>(theta: &[N], state: &[N]) -> N {
        state[0] * state[1] + theta[2] * state[2].cos()
    }
}

/// A chain of equations, long enough to be computed side by side, with boundaries.
struct Chain;

impl System for Chain {
    fn step<N: Float>(theta: &[N], state: &[N], _: &[N]) -> (Vec<N>, N) {
        let number = |x: f64| N::from(x).unwrap();
        let slopes = |y: &[N]| -> Vec<N> {
            let inner = |i: usize| if i == 0 { theta[0] } else { theta[i] * y[i - 1] };
            (0..y.len()).map(inner).collect()
        };
        let first = slopes(state);
        let moved: Vec<N> = state.iter().zip(&first).map(|(&y, &k)| y + k * number(0.05)).collect();
        let second = slopes(&moved);
        let next: Vec<N> = (0..state.len())
            .map(|i| state[i] + first[i] * number(0.03) + second[i] * number(0.07) - moved[i] * number(0.001))
            .collect();
        let term = next[next.len() / 2] * number(0.5);
        (next, term)
    }

    fn last<N: Float>(_: &[N], state: &[N]) -> N {
        state.iter().fold(N::zero(), |sum, &x| sum + x * x)
    }
}

/// The whole recursion on one tape: value, derivatives by θ and by the state.
fn on_tape<F: System>(_: F, [theta, state]: [&[f64]; 2], rows: &[Vec<f64>]) -> (f64, [Vec<f64>; 2]) {
    let tape = Tape::new();
    let (theta, start) = (tape.vars(theta), tape.vars(state));
    let mut state = start.clone();
    let mut value = Var::constant(0.0);
    for row in rows {
        let row: Vec<Var<'_>> = row.iter().map(|&x| Var::constant(x)).collect();
        let (next, term) = F::step(&theta, &state, &row);
        (state, value) = (next, value + term);
    }
    let value = value + F::last(&theta, &state);
    let adjoints = value.backward();
    (value.value(), [&theta, &start].map(|x| x.iter().map(|&x| adjoints.wrt(x)).collect()))
}

const THETA: [f64; 3] = [0.3, -0.8, 0.4];
const START: [f64; 3] = [0.5, -0.25, 1.0];

fn rows(count: usize) -> Vec<Vec<f64>> {
    (0..count).map(|i| vec![(i as f64 * 0.7).sin(), (i as f64 * 0.3).cos()]).collect()
}

fn recorded() -> Recursion {
    Recursion::record(&[1.0; 3], &[0.1, 0.2, 0.3], &[0.0; 2], Mixed::step, Mixed::last).unwrap()
}

#[test]
fn a_recursion_is_the_recursion_on_one_tape() {
    let mut recursion = recorded();
    for count in [0, 1, 2, 3, 10, 57] {
        let rows = rows(count);
        let (value, expected) = on_tape(Mixed, [&THETA, &START], &rows);
        let (mut by_theta, mut by_state) = ([f64::NAN; 3], [f64::NAN; 3]);
        let flat = rows.concat();
        assert!(close(recursion.value(&THETA, &START, &flat).unwrap(), value, 1e-13), "{count} steps");
        // Again: the sweep before leaves nothing behind.
        for _ in 0..2 {
            let places = [&mut by_theta[..], &mut by_state];
            assert!(close(recursion.value_and_gradient(&THETA, &START, &flat, places).unwrap(), value, 1e-13));
            for (got, expected) in by_theta.iter().chain(&by_state).zip(expected.concat()) {
                assert!(close(*got, expected, 1e-11), "{count} steps: {got} is not {expected}");
            }
        }
    }
}

#[test]
fn long_states_are_computed_side_by_side() {
    let n = 200;
    let theta: Vec<f64> = (0..n).map(|i| 0.5 + 0.4 * (i as f64 * 1.1).sin()).collect();
    let start: Vec<f64> = (0..n).map(|i| (i as f64 * 0.37).cos()).collect();
    let mut recursion = Recursion::record(&vec![1.0; n], &vec![0.0; n], &[], Chain::step, Chain::last).unwrap();
    for count in [1, 5, 20] {
        let (value, [by_theta, by_start]) = on_tape(Chain, [&theta, &start], &vec![vec![]; count]);
        let (mut g, mut h) = (vec![0.0; n], vec![0.0; n]);
        assert!(close(recursion.value_and_gradient(&theta, &start, count, [&mut g, &mut h]).unwrap(), value, 1e-12));
        assert!(g.iter().zip(&by_theta).all(|(&a, &b)| close(a, b, 1e-11)), "{count}");
        assert!(h.iter().zip(&by_start).all(|(&a, &b)| close(a, b, 1e-11)), "{count}");
    }
}

#[test]
fn hessian_products_are_differences_of_gradients() {
    let mut recursion = recorded();
    let flat = rows(12).concat();
    let v = [[0.5, -1.0, 2.0], [1.0, 0.25, -0.5]];
    let (mut g, mut product) = ([[0.0; 3]; 2], [[0.0; 3]; 2]);
    let [g0, g1] = &mut g;
    let [p0, p1] = &mut product;
    recursion.gradient_and_hvp(&THETA, &START, &flat, [&v[0], &v[1]], [g0, g1], [p0, p1]).unwrap();
    let mut gradient = |h: f64| {
        let moved = |x: &[f64; 3], v: &[f64; 3]| -> [f64; 3] { std::array::from_fn(|i| x[i] + h * v[i]) };
        let mut g = [[0.0; 3]; 2];
        let [g0, g1] = &mut g;
        let (theta, start) = (moved(&THETA, &v[0]), moved(&START, &v[1]));
        recursion.value_and_gradient(&theta, &start, &flat, [g0, g1]).unwrap();
        g.concat()
    };
    let (at, above, below) = (gradient(0.0), gradient(1e-5), gradient(-1e-5));
    for i in 0..6 {
        assert!(close(g.concat()[i], at[i], 1e-13));
        let difference = (above[i] - below[i]) / 2e-5;
        assert!(close(product.concat()[i], difference, 1e-6), "{} is not {difference}", product.concat()[i]);
    }
}

#[test]
fn states_that_only_move_keep_their_cotangents() {
    // Two entries change places, one stays, one is replaced by a constant, one by the row, one by a parameter.
    let step = |x: &[Traced], s: &[Traced], d: &[Traced]| {
        (vec![s[1], s[0], s[2], Traced::from(2.0), d[0], x[0]], s[3] * s[4] * s[5])
    };
    let end = |_: &[Traced], s: &[Traced]| s[0] * 100.0 + s[1] * 10.0 + s[2];
    let mut f = Recursion::record(&[1.0], &[1.0; 6], &[1.0], step, end).unwrap();
    let (mut by_theta, mut by_state) = ([0.0], [0.0; 6]);
    let start = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let value = f.value_and_gradient(&[7.0], &start, &[11.0, 13.0, 17.0], [&mut by_theta, &mut by_state]).unwrap();
    // Three steps: the two have changed places three times.
    assert_eq!(value, 213.0 + 4.0 * 5.0 * 6.0 + 2.0 * 11.0 * 7.0 + 2.0 * 13.0 * 7.0);
    assert_eq!(by_theta, [2.0 * 11.0 + 2.0 * 13.0]);
    assert_eq!(by_state, [10.0, 100.0, 1.0, 30.0, 24.0, 20.0]);
}

#[test]
fn another_branch_names_its_step() {
    let step = |_: &[Traced], s: &[Traced], d: &[Traced]| {
        let next = if s[0] < 3.0 { s[0] + d[0] } else { s[0] };
        (vec![next], s[0])
    };
    let mut f = Recursion::record(&[], &[0.0], &[1.0], step, |_, s| s[0]).unwrap();
    assert_eq!(f.value(&[], &[0.0], &[1.0; 3]).unwrap(), 6.0);
    let error = f.value(&[], &[0.0], &[1.0; 10]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Branch);
    let text = error.to_string();
    assert!(text.starts_with("step 3: this input takes the other branch of the comparison at"), "{text}");
    assert!(text.contains("scalar_compiled_recursion.rs"), "{text}");
    // An error leaves nothing behind.
    let mut g = [0.0];
    f.value_and_gradient(&[], &[0.0], &[1.0; 3], [&mut [], &mut g]).unwrap();
    assert_eq!(g, [4.0]);
}

#[test]
fn an_infinite_slope_of_no_weight_spoils_nothing() {
    // At 0 the slope of the root is infinite, and its cotangent exactly 0 where the row says so.
    let step = |x: &[Traced], s: &[Traced], d: &[Traced]| (vec![s[0] * 0.5], (x[0] * s[0] * d[0]).sqrt() * d[1] + x[0]);
    let mut f = Recursion::record(&[1.0], &[1.0], &[1.0, 1.0], step, |_, s| s[0]).unwrap();
    let (mut g, mut h) = ([0.0], [0.0]);
    f.value_and_gradient(&[4.0], &[1.0], &[1.0, 1.0, /**/ 0.0, 0.0], [&mut g, &mut h]).unwrap();
    // d/dx (sqrt(4 x s) + x) + x, d/ds (sqrt(x s) + s / 4)
    assert_eq!((g, h), ([2.25], [1.25]));
}

#[test]
fn wrong_lengths_are_errors() {
    let mut f = recorded();
    let mut g = [[0.0; 3]; 2];
    let [g0, g1] = &mut g;
    let kind = |result: wengert_autograd::Result<f64>| result.unwrap_err().kind();
    assert_eq!(kind(f.value(&THETA[..2], &START, &[0.0; 2])), ErrorKind::Shape);
    assert_eq!(kind(f.value(&THETA, &START[..1], &[0.0; 2])), ErrorKind::Shape);
    assert_eq!(kind(f.value(&THETA, &START, &[0.0; 3])), ErrorKind::Shape);
    assert_eq!(kind(f.value(&THETA, &START, 4)), ErrorKind::Shape);
    assert_eq!(kind(f.value_and_gradient(&THETA, &START, &[0.0; 2], [&mut g0[..2], g1])), ErrorKind::Shape);
    let short = |_: &[Traced], s: &[Traced], _: &[Traced]| (s[..1].to_vec(), s[0]);
    assert_eq!(Recursion::record(&[], &[1.0, 2.0], &[], short, |_, s| s[0]).unwrap_err().kind(), ErrorKind::Shape);
    // More steps than memory has room for.
    let mut f = Recursion::record(&[], &[1.0], &[], |_, s, _| (vec![s[0].sin()], s[0]), |_, s| s[0]).unwrap();
    let mut g = [0.0];
    assert!(f.value_and_gradient(&[], &[1.0], usize::MAX / 2, [&mut [], &mut g]).is_err());
}

#[test]
fn a_step_keeps_its_state_and_what_is_dear() {
    // Of the exponential and the two products only the exponential is kept.
    let step = |x: &[Traced], s: &[Traced], _: &[Traced]| (vec![(x[0] * s[0]).exp() * s[0]], Traced::from(0.0));
    let f = Recursion::record(&[1.0], &[1.0], &[], step, |_, s| s[0]).unwrap();
    assert_eq!(f.kept(), 2);
    assert_eq!(f.operations().0, 3);
    // Sums and products are computed again.
    let f = Recursion::record(&[1.0], &[1.0], &[], |x, s, _| (vec![x[0] * s[0] * s[0]], s[0]), |_, s| s[0]).unwrap();
    assert_eq!(f.kept(), 1);
}

#[test]
fn f32_recursions() {
    let step = |x: &[Traced<f32>], s: &[Traced<f32>], _: &[Traced<f32>]| (vec![x[0] * s[0]], Traced::from(0.0));
    let mut f = Recursion::record(&[1.0_f32], &[1.0], &[], step, |_, s| s[0]).unwrap();
    let (mut g, mut h) = ([0.0], [0.0]);
    assert_eq!(f.value_and_gradient(&[2.0], &[5.0], 3, [&mut g, &mut h]).unwrap(), 40.0);
    assert_eq!((g, h), ([60.0], [8.0]));
}

#[test]
fn a_step_is_a_compiled_function_of_its_own() {
    // One step of the recursion and the same function recorded as a whole.
    let mut recursion = recorded();
    let row = [0.3, -0.4];
    let inputs = [&THETA[..], &START].concat();
    let whole = |x: &[Traced]| {
        let row = row.map(Traced::from);
        let (next, term) = Mixed::step(&x[..3], &x[3..], &row);
        term + Mixed::last(&x[..3], &next)
    };
    let mut compiled = Compiled::record(&inputs, whole).unwrap();
    let mut expected = [0.0; 6];
    let value = compiled.value_and_gradient(&inputs, &mut expected).unwrap();
    let mut g = [[0.0; 3]; 2];
    let [g0, g1] = &mut g;
    assert!(close(recursion.value_and_gradient(&THETA, &START, &row, [g0, g1]).unwrap(), value, 1e-15));
    assert!(g.concat().iter().zip(expected).all(|(&a, b)| close(a, b, 1e-13)));
}

/// One step of a formula of the state and the parameter, which the step uses beside it too, against the tape.
fn check_row(
    name: &str,
    recorded: &dyn Fn(Traced, Traced) -> Traced,
    taped: &dyn for<'t> Fn(Var<'t>, Var<'t>) -> Var<'t>,
) {
    for (a, b) in [(0.4, 0.7), (0.7, 0.4), (0.25, -0.3), (0.9, 0.9)] {
        let step = |x: &[Traced], s: &[Traced], _: &[Traced]| (vec![recorded(s[0], x[0]) * s[0] + x[0]], s[0]);
        let mut f = Recursion::record(&[b], &[a], &[], step, |_, s| s[0]).unwrap();
        let mut g = [[0.0]; 2];
        let [g0, g1] = &mut g;
        f.value_and_gradient(&[b], &[a], 1, [g0, g1]).unwrap();
        let tape = Tape::new();
        let (x, s) = (tape.var(b), tape.var(a));
        let adjoints = (taped(s, x) * s + x + s).backward();
        for (got, expected) in g.concat().into_iter().zip([adjoints.wrt(x), adjoints.wrt(s)]) {
            let both_nan = got.is_nan() && expected.is_nan();
            assert!(both_nan || close(got, expected, 1e-12), "{name} at {a}, {b}: {got}, {expected}");
        }
    }
}

#[test]
fn pullbacks_of_every_row_are_recorded() {
    macro_rules! check {
        ($($method:ident($($operand:tt),*))*) => {$(
            check_row(stringify!($method), &|a, b| row!(a, b, $method($($operand),*)), &|a, b| row!(a, b, $method($($operand),*)));
        )*};
    }
    macro_rules! row {
        ($a:ident, $b:ident, $method:ident()) => {{
            _ = $b;
            Real::$method($a)
        }};
        ($a:ident, $b:ident, $method:ident(other)) => {
            Real::$method($a, $b)
        };
        ($a:ident, $b:ident, $method:ident($($number:tt),*)) => {{
            _ = $b;
            Real::$method($a, $(Real::constant($a, $number)),*)
        }};
    }
    check! {
        abs() sign() square() sqrt() rsqrt() cbrt() recip() pow(other) exp() exp2() expm1() ln() log2() log10() ln_1p()
        sin() cos() tan() asin() acos() atan() atan2(other) sinh() cosh() tanh() asinh() atanh() erf() erfc() lgamma()
        digamma() floor() ceil() round() rem(other) lt(other) le(other) gt(other) ge(other) eq(other) ne(other)
        maximum(other) minimum(other) fmax(other) fmin(other) hypot(other) logaddexp(other) xlogy(other) clamp(0.3, 0.8)
        relu() relu6() leaky_relu(0.1) elu(1.5) celu(1.5) threshold(0.5, 2.0) gelu() gelu_tanh() silu() mish() sigmoid()
        log_sigmoid() softplus() softsign() tanh_shrink() hard_sigmoid() hard_swish() hard_tanh() hard_shrink(0.5)
        soft_shrink(0.5)
    }
}
