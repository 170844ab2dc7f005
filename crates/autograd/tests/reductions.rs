//! Reductions and shape operations: every sample to the third derivative, and one exact test for each edge.

use wengert_autograd::ops::REGISTRY;
use wengert_autograd::ops::registry::Sample;
use wengert_autograd::{Error, ErrorKind, Result, Tape, Tensor, Var, cat, stack};

const INFINITY: f64 = f64::INFINITY;

type Function = for<'t> fn(Var<'t, f64>) -> Var<'t, f64>;

const OPS: [&str; 25] = [
    "sum",
    "max",
    "min",
    "argmax",
    "argmin",
    "mean",
    "var",
    "std",
    "norm",
    "prod",
    "any",
    "all",
    "logsumexp",
    "softmax",
    "log_softmax",
    "reshape",
    "expand",
    "permute",
    "flip",
    "roll",
    "slice",
    "pad",
    "cat",
    "dot",
    "share",
];

fn samples() -> impl Iterator<Item = (&'static str, Sample<f64>)> {
    let own = REGISTRY.iter().filter(|op| OPS.contains(&op.name));
    own.flat_map(|op| (op.samples)().into_iter().map(|sample| (op.name, sample)))
}

/// Weights that tell elements apart.
fn weights(shape: &[usize], seed: usize) -> Tensor<f64> {
    Tensor::from_fn(shape, |i| ((i + seed) as f64 * 0.754_877_666).fract() + 0.3)
}

/// A number made of the derivative of the given order, contracted with weights, and its gradient.
fn contracted(sample: &Sample<f64>, inputs: &[Tensor<f64>], order: usize) -> Result<(f64, Vec<Tensor<f64>>)> {
    let tape = Tape::new();
    let x: Vec<Var<'_, f64>> = inputs.iter().map(|x| tape.input(x)).collect();
    let y = (sample.function)(&x);
    let mut number = (y.square() * tape.constant(weights(&y.shape(), 1))).sum();
    for step in 0..order {
        let gradients: Vec<Var<'_, f64>> = x.iter().flat_map(|&x| number.grad([x])).collect();
        let terms = gradients.iter().map(|g| (*g * tape.constant(weights(&g.shape(), 5 + step))).sum());
        number = terms.reduce(|a, b| a + b).expect("an operand");
    }
    let value = number.item()?;
    let gradients = x.iter().flat_map(|&x| number.grad([x])).map(|g| g.value());
    Ok((value, gradients.collect::<Result<_>>()?))
}

#[test]
fn samples_have_the_value_of_the_reference() -> Result<()> {
    let named: Vec<&str> = samples().map(|(name, _)| name).collect();
    assert!(OPS.iter().all(|op| named.contains(op)), "an op without samples");
    for (name, sample) in samples() {
        let tape = Tape::new();
        let x: Vec<_> = sample.inputs.iter().map(|x| tape.input(x)).collect();
        let value = (sample.function)(&x).value()?;
        let expected = (sample.reference)(&sample.inputs.iter().map(|x| x.view().to_owned()).collect::<Vec<_>>());
        assert_eq!(&value.shape()[..], expected.shape(), "{name}: {}", sample.label);
        for (a, b) in value.as_slice().iter().zip(&expected) {
            assert!((a - b).abs() <= 1e-13 * (1.0 + b.abs()), "{name}: {}: {a} for {b}", sample.label);
        }
    }
    Ok(())
}

#[test]
fn samples_in_f32_are_those_in_f64() -> Result<()> {
    for op in REGISTRY.iter().filter(|op| OPS.contains(&op.name)) {
        for (single, double) in (op.samples_f32)().iter().zip((op.samples)()) {
            let (tape, wide) = (Tape::new(), Tape::new());
            let value = (single.function)(&single.inputs.iter().map(|x| tape.input(x)).collect::<Vec<_>>()).value()?;
            let exact = (double.function)(&double.inputs.iter().map(|x| wide.input(x)).collect::<Vec<_>>()).value()?;
            for (a, b) in value.as_slice().iter().zip(exact.as_slice()) {
                assert!(
                    (f64::from(*a) - b).abs() <= 3e-6 * (1.0 + b.abs()),
                    "{}: {}: {a} for {b}",
                    op.name,
                    single.label
                );
            }
        }
    }
    Ok(())
}

/// Each derivative against central differences of the one before.
#[test]
fn three_derivatives_are_those_of_finite_differences() {
    let step = 1e-5;
    for ((name, sample), order) in samples().filter(|(_, sample)| sample.differentiable).flat_map(|s| {
        let (name, sample) = s;
        let sample = std::rc::Rc::new(sample);
        (0..3).map(move |order| ((name, sample.clone()), order))
    }) {
        let gradients = match contracted(&sample, &sample.inputs, order) {
            Ok((_, gradients)) => gradients,
            // From some order on the derivative of a linear op no longer depends on its operands.
            Err(error) if error.kind() == ErrorKind::Unreached => continue,
            Err(error) => panic!("{name}: {}: order {order}: {error}", sample.label),
        };
        // A difference of a sum loses the digits of its largest terms.
        let elements = gradients.iter().flat_map(|gradient| gradient.as_slice());
        let scale = elements.fold(1.0, |scale: f64, element| scale.max(element.abs()));
        for (operand, gradient) in gradients.iter().enumerate() {
            for place in 0..gradient.len() {
                let at = |shift: f64| {
                    let mut inputs = sample.inputs.clone();
                    inputs[operand].as_mut_slice()[place] += shift;
                    contracted(&sample, &inputs, order).map(|(value, _)| value)
                };
                let difference = (at(step).unwrap() - at(-step).unwrap()) / (2.0 * step);
                let analytic = gradient.as_slice()[place];
                assert!(
                    (difference - analytic).abs() <= 2e-7 * (scale + difference.abs()),
                    "{name}: {}: derivative {} by operand {operand} at {place}: {analytic} for {difference}",
                    sample.label,
                    order + 1
                );
            }
        }
    }
}

/// Value and gradient of the sum of the result.
fn both(x: &[f64], function: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>) -> (Vec<f64>, Vec<f64>) {
    let tape = Tape::new();
    let x = tape.input(Tensor::from_vec([x.len()], x.to_vec()).unwrap());
    let y = function(x);
    let [gx] = y.sum().grad([x]);
    (y.value().unwrap().to_vec(), gx.value().unwrap().to_vec())
}

#[test]
fn ties_share_equally() {
    assert_eq!(both(&[2.0, 1.0, 2.0], |x| x.max()), (vec![2.0], vec![0.5, 0.0, 0.5]));
    assert_eq!(both(&[3.0, 3.0, 3.0, 3.0], |x| x.min_axes(&[0], true)), (vec![3.0], vec![0.25; 4]));
    assert_eq!(both(&[-2.0, 1.0, 2.0], |x| x.norm(INFINITY)), (vec![2.0], vec![-0.5, 0.0, 0.5]));
    assert_eq!(both(&[-INFINITY, -INFINITY], |x| x.amax(&[0], false)), (vec![-INFINITY], vec![0.5, 0.5]));
}

#[test]
fn not_a_number_propagates() {
    let functions: [Function; 5] = [|x| x.max(), |x| x.min(), |x| x.logsumexp(), |x| x.norm(INFINITY), |x| x.sum()];
    for function in functions {
        let (value, _) = both(&[1.0, f64::NAN, 3.0], function);
        assert!(value[0].is_nan());
    }
    let (_, gradient) = both(&[1.0, f64::NAN], |x| x.max());
    assert!(gradient[1].is_nan());
    let tape = Tape::new();
    let x = tape.input(Tensor::from([1.0, f64::NAN, 3.0]));
    assert_eq!((x.argmax(0, false).item().unwrap(), x.any().item().unwrap(), x.all().item().unwrap()), (1.0, 1.0, 1.0));
}

#[test]
fn norms_at_zero() {
    let zero = vec![0.0, 0.0];
    for p in [1.0, 1.5, 2.0, 3.0, INFINITY] {
        let (value, gradient) = both(&zero, |x| x.norm(p));
        assert_eq!(value, [0.0], "{p}");
        if p != INFINITY {
            assert_eq!(gradient, zero, "{p}");
        }
    }
    assert_eq!(both(&zero, |x| x.norm(INFINITY)).1, zero);
    assert_eq!(both(&[0.0, -3.0], |x| x.norm(1.0)), (vec![3.0], vec![0.0, -1.0]));
    assert_eq!(both(&[0.0, -3.0], |x| x.norm(0.0) + 0.0 * x), (vec![1.0, 1.0], vec![0.0, 0.0]));
    assert_eq!(both(&[0.0, 0.0], |x| x.square().sum().sqrt()), (vec![0.0], zero));
}

#[test]
fn a_constant_vector_has_no_spread() {
    let constant = [0.1; 7];
    assert_eq!(both(&constant, |x| x.std()), (vec![0.0], vec![0.0; 7]));
    assert_eq!(both(&constant, |x| x.var()), (vec![0.0], vec![0.0; 7]));
    assert!(both(&[1.0], |x| x.std()).0[0].is_nan());
    // The deviations keep their digits beside a large offset.
    assert_eq!(both(&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 6.0], |x| x.var()).0, [7.0]);
}

#[test]
fn products_through_zeros() {
    assert_eq!(both(&[2.0, 0.0, 3.0, 5.0], |x| x.prod()), (vec![0.0], vec![0.0, 30.0, 0.0, 0.0]));
    assert_eq!(both(&[0.0, 0.0, 3.0], |x| x.prod()), (vec![0.0], vec![0.0; 3]));
    let tape = Tape::new();
    let x = tape.input(Tensor::from([0.0, 0.0, 3.0]));
    let [gx] = x.prod().grad([x]);
    let [ggx] = gx.narrow(0, 0, 1).sum().grad([x]);
    assert_eq!(ggx.value().unwrap().to_vec(), [0.0, 3.0, 0.0]);
}

#[test]
fn reductions_of_nothing() {
    assert_eq!(both(&[], |x| x.sum()), (vec![0.0], vec![]));
    assert_eq!(both(&[], |x| x.prod()), (vec![1.0], vec![]));
    assert!(both(&[], |x| x.mean()).0[0].is_nan());
    assert!(both(&[], |x| x.var()).0[0].is_nan());
    assert_eq!(both(&[], |x| x.norm(2.0)), (vec![0.0], vec![]));
    assert_eq!(both(&[], |x| x.logsumexp()), (vec![-INFINITY], vec![]));
    let tape = Tape::<f64>::new();
    let x = tape.input(Tensor::zeros([0, 2]));
    assert_eq!(x.any_axes(&[0], false).value().unwrap().to_vec(), [0.0, 0.0]);
    assert_eq!(x.all_axes(&[0], false).value().unwrap().to_vec(), [1.0, 1.0]);
}

#[test]
fn exponentials_at_infinities() {
    assert_eq!(both(&[-INFINITY, -INFINITY], |x| x.logsumexp()), (vec![-INFINITY], vec![0.0, 0.0]));
    assert_eq!(both(&[0.0, INFINITY, -INFINITY], |x| x.logsumexp()), (vec![INFINITY], vec![0.0, 1.0, 0.0]));
    assert_eq!(both(&[1000.0, 0.0], |x| x.logsumexp()), (vec![1000.0], vec![1.0, 0.0]));
    assert_eq!(both(&[1e4, 1e4, -INFINITY], |x| x.softmax(0)), (vec![0.5, 0.5, 0.0], vec![0.0; 3]));
    assert_eq!(both(&[1e4, -1e4], |x| x.softmax(0).narrow(0, 0, 1)), (vec![1.0], vec![0.0, 0.0]));
    let (value, gradient) = both(&[0.0, -INFINITY], |x| x.log_softmax(-1).narrow(0, 0, 1));
    assert_eq!((value, gradient), (vec![0.0], vec![0.0, 0.0]));
    // ln(1 + e^-30), where the softmax is nearly 1.
    let (value, _) = both(&[0.0, -30.0], |x| x.log_softmax(0));
    assert!((value[0] + (-30f64).exp().ln_1p()).abs() < 1e-15);
    assert_eq!(both(&[0.0, -1e4], |x| x.log_softmax(0)).0, [0.0, -1e4]);
}

/// A row without any mass is not a number, but doesn't reach what it isn't used for.
#[test]
fn an_unused_masked_row_stays_out_of_gradients() {
    let tape = Tape::new();
    let x = tape.input(Tensor::from([[-INFINITY, -INFINITY], [0.0, 0.0]]));
    let [gx] = x.softmax(1).narrow(0, 1, 1).narrow(1, 0, 1).sum().grad([x]);
    assert_eq!(gx.value().unwrap().to_vec(), [0.0, 0.0, 0.25, -0.25]);
    let [gx] = x.logsumexp_axes(&[1], false).sum().grad([x]);
    let [ggx] = (gx * gx).sum().grad([x]);
    assert_eq!((gx.value().unwrap().to_vec(), ggx.value().unwrap().is_finite()), (vec![0.0, 0.0, 0.5, 0.5], true));
}

/// Inner axes take another way through the kernels than the last one, in stretches of columns.
#[test]
fn long_inner_axes() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(weights(&[2, 3, 7000], 0));
    for (inner, last) in [
        (x.softmax(1), x.transpose(1, 2).softmax(2).transpose(1, 2)),
        (x.log_softmax(0), x.transpose(0, 2).log_softmax(2).transpose(0, 2)),
        (x.logsumexp_axes(&[1], false), x.transpose(1, 2).logsumexp_axes(&[2], false)),
        (x.logsumexp_axes(&[0, 2], false), x.transpose(1, 2).logsumexp_axes(&[0, 1], false)),
    ] {
        let [a, b] = tape.eval([inner, last])?;
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-13;
        assert!(a.shape() == b.shape() && a.as_slice().iter().zip(b.as_slice()).all(near));
    }
    Ok(())
}

#[test]
fn any_all_and_places_pass_no_derivative() {
    let functions: [Function; 3] = [|x| x.any(), |x| x.all_axes(&[0], false), |x| x.argmin(0, false)];
    for function in functions {
        let tape = Tape::new();
        let x = tape.input(Tensor::from([1.0, 2.0]));
        let [gx] = function(x).grad([x]);
        assert_eq!(gx.value().map_err(|error: Error| error.kind()), Err(ErrorKind::Unreached));
    }
}

#[test]
fn joining_and_parting_undo_each_other() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(weights(&[3, 4], 0));
    assert_eq!(cat(&x.split(&[1, 3], 1), 1).value()?, x.value()?);
    assert_eq!(cat(&x.chunk(2, 0), 0).value()?, x.value()?);
    assert_eq!(x.pad(&[(1, 2), (3, 0)], 7.0).slice(0, 1.., 1).slice(0, ..-2, 1).slice(1, 3.., 1).value()?, x.value()?);
    assert_eq!(x.flip(&[0, 1]).flip(&[1, 0]).value()?, x.value()?);
    assert_eq!(x.roll(3, 0).roll(-1, 1).roll(1, 1).value()?, x.value()?);
    let rows = x.chunk(3, 0).into_iter().map(|row| row.squeeze_axis(0)).collect::<Vec<_>>();
    assert_eq!(stack(&rows, 0).value()?, x.value()?);
    assert_eq!(x.chunk(3, 1).iter().map(|part| part.shape()[1]).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(tape.input(Tensor::<f64>::zeros([0])).chunk(4, 0).len(), 1);
    Ok(())
}
