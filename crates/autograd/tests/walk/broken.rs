//! The proof proves something only if it fails for wrong rules: rows with deliberate mistakes, through the same functions
//! as the walk.

use wengert_autograd::kernels::number::Number;
use wengert_autograd::ops::registry::Sample;
use wengert_autograd::ops::{Elementwise, Entry, Formula, Product, Real, Tanh};
use wengert_autograd::{Tensor, Var};

use crate::registry::Proof;

/// Defines a row outside the crate: its value and its contributions.
macro_rules! row {
    ($row:ident($($x:ident),+) $value:expr; ($y:ident, $g:ident) $($contribution:expr),+) => {
        #[derive(Clone, Copy, Debug, Default, PartialEq, Hash)]
        struct $row;

        impl Formula<{ [$(stringify!($x)),+].len() }> for $row {
            fn value<N: Number>([$($x),+]: [N; { [$(stringify!($x)),+].len() }]) -> N {
                $value
            }
        }

        impl Elementwise<{ [$(stringify!($x)),+].len() }> for $row {
            const NAME: &'static str = stringify!($row);
            const TEXT: &'static str = stringify!($row);
            const DERIVATIVES: [&'static str; { [$(stringify!($x)),+].len() }] = [$(stringify!($contribution)),+];
            const DOMAIN: [(f64, f64); { [$(stringify!($x)),+].len() }] = [(-2.0, 2.0); { [$(stringify!($x)),+].len() }];
            const KINKS: &'static [f64] = &[];

            #[allow(unused_variables)]
            fn contribution<R: Real>(
                operand: usize,
                [$($x),+]: [R; { [$(stringify!($x)),+].len() }],
                $y: R,
                $g: R,
            ) -> Option<R> {
                let contributions: Vec<Option<R>> = vec![$($contribution),+];
                contributions[operand]
            }
        }
    };
}

row!(RightTanh(x) x.tanh(); (y, g) Some(g.scaled(y.constant(1.0) - y * y)));
row!(ThousandthOff(x) x.tanh(); (y, g) Some(g.scaled((y.constant(1.0) - y * y) * y.constant(1.001))));
row!(MillionthOff(x) x.tanh(); (y, g) Some(g.scaled((y.constant(1.0) - y * y) * y.constant(1.000_001))));
row!(WrongSign(x) x.tanh(); (y, g) Some(g.scaled(y * y - y.constant(1.0))));
row!(MissingFactor(x) x * x; (y, g) Some(g.scaled(x)));
row!(Missing(x) x.tanh(); (y, g) None);
row!(IgnoresCotangent(x) x.tanh(); (y, g) Some(y.constant(1.0) - y * y));
row!(ReversedCotangent(x) x.tanh(); (y, g) Some(-g.scaled(y * y - y.constant(1.0)) * g));

row!(RightQuotient(a, b) a / (b * b + N::of(1.0));
    (y, g) Some(g.scaled(b.constant(1.0) / (b * b + b.constant(1.0)))),
           Some(g.scaled(-(y + y) * b / (b * b + b.constant(1.0)))));
row!(SwappedOperands(a, b) a * b; (y, g) Some(g.scaled(a)), Some(g.scaled(b)));
row!(OneOperandMissing(a, b) a * b; (y, g) Some(g.scaled(b)), None);
row!(WrongInOneOperand(a, b) a - b; (y, g) Some(g), Some(g));

/// The derivative of [`HiddenHalf`]: right itself, but its own derivative is half of what it should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Hash)]
struct HiddenSlope;
impl Formula<1> for HiddenSlope {
    fn value<N: Number>([x]: [N; 1]) -> N {
        let y = x.tanh();
        N::of(1.0) - y * y
    }
}
impl Elementwise<1> for HiddenSlope {
    const NAME: &'static str = "HiddenSlope";
    const TEXT: &'static str = "1 - tanh({0})^2";
    const DERIVATIVES: [&'static str; 1] = ["- tanh(x) (1 - tanh(x)^2)"];
    const DOMAIN: [(f64, f64); 1] = [(-2.0, 2.0)];
    const KINKS: &'static [f64] = &[];
    fn contribution<R: Real>(_: usize, [x]: [R; 1], y: R, g: R) -> Option<R> {
        Some(g.scaled(-(x.tanh() * y)))
    }
}
row!(HiddenHalf(x) x.tanh(); (y, g) Some(g.scaled(R::apply(HiddenSlope, [x]))));

/// The right first derivative by a value cut off from the tape: what frameworks get wrong in higher orders.
fn frozen<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
    // y = x * slope(x) with the slope detached is no row: as a function, its value is x tanh(x).
    x * x.tanh().detach()
}

fn numbers(shape: &[usize], salt: usize) -> Tensor<f64> {
    let spread = |i: usize| -1.8 + 3.6 * ((i + salt) as f64 * 0.618_033_988_749_894_9 + 0.21).fract();
    Tensor::from_fn(shape, spread)
}

/// What the walk's proof finds, on the patterns of broadcasting.
fn failures<F: Elementwise<A>, const A: usize>() -> Vec<String> {
    let patterns: [[&[usize]; 2]; 4] = [[&[], &[]], [&[3], &[3]], [&[2, 3], &[3]], [&[2, 1], &[1, 2]]];
    let mut proof = Proof::default();
    for shapes in patterns {
        let inputs = (0..A).map(|i| numbers(shapes[i], 10 * i));
        let reference = |x: &[ndarray::ArrayD<f64>]| {
            let full = x.iter().skip(1).fold(&x[0] * 0.0, |sum, x| sum + x * 0.0);
            let x: Vec<_> = x.iter().map(|x| x + &full).collect();
            ndarray::ArrayD::from_shape_fn(full.raw_dim(), |place| F::value(std::array::from_fn(|i| x[i][&place])))
        };
        proof.add(&Sample::new(format!("{shapes:?}"), inputs, |x| apply::<F, A>(x), reference));
    }
    proof.failures
}

/// Records a row as a user does.
fn apply<'t, F: Elementwise<A>, const A: usize>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    match x {
        [x] => x.map(|x| Entry::apply(F::default(), [x; A])),
        [a, b, ..] => a.zip_map(*b, |a, b| Entry::apply(F::default(), std::array::from_fn(|i| [a, b][i]))),
        [] => unreachable!("rows have operands"),
    }
}

#[track_caller]
fn caught<F: Elementwise<A>, const A: usize>(order: &str) {
    let failures = failures::<F, A>();
    assert!(failures.iter().any(|failure| failure.contains(order)), "{} is not caught: {failures:?}", F::NAME);
}

#[test]
fn right_rules_pass() {
    for failures in [failures::<RightTanh, 1>(), failures::<RightQuotient, 2>()] {
        assert!(failures.is_empty(), "{failures:?}");
    }
    assert!(failures::<Tanh, 1>().is_empty());
    assert!(failures::<Product, 2>().is_empty());
}

#[test]
fn wrong_first_derivatives_are_caught() {
    caught::<ThousandthOff, 1>("order 1");
    caught::<MillionthOff, 1>("order 1");
    caught::<WrongSign, 1>("order 1");
    caught::<MissingFactor, 1>("order 1");
    caught::<Missing, 1>("order 1");
    caught::<IgnoresCotangent, 1>("order 1");
    caught::<ReversedCotangent, 1>("order 1");
    caught::<SwappedOperands, 2>("order 1");
    caught::<OneOperandMissing, 2>("order 1");
    caught::<WrongInOneOperand, 2>("order 1");
}

#[test]
fn a_derivative_wrong_in_the_second_order_only_is_caught() {
    let failures = failures::<HiddenHalf, 1>();
    assert!(failures.iter().any(|failure| failure.contains("order 2")), "{failures:?}");
    assert!(!failures.iter().any(|failure| failure.contains("order 1")), "{failures:?}");
}

#[test]
fn a_frozen_factor_is_caught() {
    let mut proof = Proof::default();
    let sample = Sample::new("x tanh(x)", [numbers(&[3], 0)], |x| frozen(x[0]), |x| x[0].mapv(|x| x * x.tanh()));
    proof.add(&sample);
    assert!(proof.failures.iter().any(|failure| failure.contains("order 1")), "{:?}", proof.failures);
}

#[test]
fn wrong_values_and_promises_are_caught() {
    let mut proof = Proof::default();
    let inputs = || [numbers(&[3], 0)];
    proof.add(&Sample::new("value", inputs(), |x| x[0].tanh(), |x| x[0].mapv(|x| x.tanh() * (1.0 + 1e-11))));
    proof.add(&Sample::new("shape", inputs(), |x| x[0].tanh().reshape([1, 3]), |x| x[0].mapv(f64::tanh)));
    proof.add(&Sample::new("promise", inputs(), |x| x[0].square(), |x| x[0].mapv(|x| x * x)).without_derivative());
    for label in ["value", "shape", "promise"] {
        assert!(proof.failures.iter().any(|failure| failure.starts_with(label)), "{label}: {:?}", proof.failures);
    }
}

#[test]
fn a_rounding_too_large_for_f32_is_caught() {
    let low =
        Sample::<f32>::new("f32", [numbers(&[4], 0).cast()], |x| x[0].tanh() * (1.0 + 3e-6), |x| x[0].mapv(f64::tanh));
    let high = Sample::new("f64", [numbers(&[4], 0)], |x| x[0].tanh(), |x| x[0].mapv(f64::tanh));
    assert!(crate::proof::single(&low, &high, 8.0).is_err());
}
