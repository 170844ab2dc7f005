//! Indexing: texts of errors, gradients against finite differences, plans used again for new indices.

use wengert_autograd::{Element, IndexTensor, Result, Shape, Tape, Tensor, Var, ops, plan_counters};

fn indices<const N: usize>(shape: &[usize], values: [usize; N]) -> IndexTensor {
    IndexTensor::from_vec(shape, values.to_vec()).unwrap()
}

/// Numbers in no simple order.
fn numbers(shape: &[usize], start: usize) -> Tensor<f64> {
    Tensor::from_fn(shape, |i| (((i + start) * 37 % 23) as f64 - 11.0) / 7.0)
}

/// Compares first and second derivatives of `sum(f(inputs)^2 weights)` with central differences, input by input.
fn check_gradient(inputs: &[Tensor<f64>], f: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>) {
    fn loss<'t>(y: Var<'t, f64>) -> Var<'t, f64> {
        let weights = y.tape().constant(numbers(&y.shape(), 5));
        (y.square() * weights).sum()
    }
    let gradients = |inputs: &[Tensor<f64>]| -> (f64, Vec<Tensor<f64>>, Vec<Tensor<f64>>) {
        let tape = Tape::new();
        let x: Vec<_> = inputs.iter().map(|input| tape.input(input)).collect();
        let value = loss(f(&x));
        let first: Vec<_> = x.iter().map(|&x| value.grad([x])[0]).collect();
        let second = (0..x.len()).map(|i| loss(first[i]).grad([x[i]])[0].value().unwrap()).collect();
        (value.item().unwrap(), first.iter().map(|g| g.value().unwrap()).collect(), second)
    };
    let (_, first, second) = gradients(inputs);
    let loss_of_gradient = |inputs: &[Tensor<f64>], i: usize| {
        let gradient = &gradients(inputs).1[i];
        let weights = numbers(gradient.shape(), 5);
        gradient.as_slice().iter().zip(weights.as_slice()).map(|(g, w)| g * g * w).sum::<f64>()
    };
    for i in 0..inputs.len() {
        for element in 0..inputs[i].len() {
            let moved = |step: f64| {
                let mut moved = inputs.to_vec();
                moved[i].as_mut_slice()[element] += step;
                moved
            };
            let (up, down) = (moved(1e-4), moved(-1e-4));
            let slope = (gradients(&up).0 - gradients(&down).0) / 2e-4;
            assert!((slope - first[i].as_slice()[element]).abs() < 1e-7, "input {i} element {element}: {slope}");
            let slope = (loss_of_gradient(&up, i) - loss_of_gradient(&down, i)) / 2e-4;
            let given = second[i].as_slice()[element];
            assert!(
                (slope - given).abs() < 1e-6 * slope.abs().max(1.0),
                "2nd, input {i} element {element}: {slope} {given}"
            );
        }
    }
}

#[test]
fn scatter_against_finite_differences() {
    for (shape, axis, index) in [
        (vec![4], 0, indices(&[5], [3, 0, 3, 1, 3])),
        (vec![2, 3], -1, indices(&[2, 4], [2, 0, 2, 2, 1, 1, 0, 1])),
        (vec![3, 2, 2], 0, indices(&[2, 2, 1], [0, 2, 0, 1])),
    ] {
        let inputs = [numbers(&shape, 0), numbers(index.shape(), 9)];
        check_gradient(&inputs, |x| x[0].scatter(axis, &index, x[1]));
        check_gradient(&inputs, |x| x[0].scatter_add(axis, &index, x[1]));
        check_gradient(&inputs[..1], |x| x[0].gather(axis, &index));
        check_gradient(&inputs[..1], |x| x[0].index_select(axis, index.reshape([index.len()]).unwrap()));
        check_gradient(&inputs[..1], |x| x[0].take(&index));
    }
}

#[test]
fn the_last_write_wins_and_takes_the_gradient() -> Result<()> {
    let tape = Tape::new();
    let base = tape.input(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    let source = tape.input(Tensor::from([[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]]));
    let y = base.scatter(1, indices(&[2, 3], [0, 0, 1, 1, 1, 1]), source);
    assert_eq!(y.value()?, Tensor::from([[20.0, 30.0], [3.0, 60.0]]));
    let [gb, gs] = (y * tape.constant(Tensor::from([[1.0, 2.0], [3.0, 4.0]]))).sum().grad([base, source]);
    assert_eq!(gb.value()?, Tensor::from([[0.0, 0.0], [3.0, 0.0]]));
    assert_eq!(gs.value()?, Tensor::from([[0.0, 1.0, 2.0], [0.0, 0.0, 4.0]]));
    Ok(())
}

#[test]
fn a_source_is_repeated() -> Result<()> {
    let tape = Tape::new();
    let (base, one) = (tape.input(Tensor::<f64>::zeros([3])), tape.input(Tensor::scalar(1.0)));
    let counts = base.scatter_add(0, [2, 0, 2], one);
    assert_eq!(counts.value()?.as_slice(), [1.0, 0.0, 2.0]);
    assert_eq!(counts.square().sum().grad([one])[0].item()?, 2.0 + 4.0 + 4.0);
    Ok(())
}

#[test]
fn overwritten_infinities_leave_no_trace() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(Tensor::from([0.0, 4.0]));
    let y = x.ln().scatter(0, [0], tape.scalar(0.0));
    let [g] = y.sum().grad([x]);
    assert_eq!(g.value()?.as_slice(), [0.0f64, 0.25]);
    Ok(())
}

fn text<T: Element>(y: Var<'_, T>) -> String {
    let text = y.value().unwrap_err().to_string();
    // The line number is not the point.
    let (before, after) = text.split_once(" at crates").or(text.split_once(" at tests")).expect("a source line");
    format!("{before} @{}", after.find([';', ' ']).map_or("", |end| &after[end..]))
}

/// A use of an op that is a mistake.
type Use = fn(Var<'_, f64>) -> Var<'_, f64>;

#[test]
fn errors_of_shapes() {
    let message = |f: fn(Var<'_, f64>) -> Var<'_, f64>| text(f(Tape::new().input(numbers(&[4, 10], 0))));
    let cases: [(Use, &str); 7] = [
        (
            |x| x.gather(2, [0]),
            "gather: axis 2 of an operand of shape [4, 10] @; axes are 0 to 1, or -1 to -2 from the end",
        ),
        (
            |x| x.gather(1, [1, 2, 3, 4]),
            "gather: indices of shape [4] do not fit an operand of shape [4, 10] @; \
             for one index in each row, reshape the indices to [4, 1]",
        ),
        (
            |x| x.gather(1, [1, 2]),
            "gather: indices of shape [2] do not fit an operand of shape [4, 10] @; \
             indices need as many axes as the operand",
        ),
        (
            |x| x.gather(1, indices(&[5, 1], [0; 5])),
            "gather: indices of shape [5, 1] do not fit an operand of shape [4, 10] @; \
             only axis 1 of the indices may be longer than the operand's; axis 0 is 5 and 4",
        ),
        (
            |x| x.scatter_add(1, indices(&[4, 1], [0; 4]), x),
            "scatter_add: the source of shape [4, 10] does not fit indices of shape [4, 1] @; \
             there is one index for each element of the source",
        ),
        (
            |x| x.scatter(-3, [0], x),
            "scatter: axis -3 of an operand of shape [4, 10] @; axes are 0 to 1, or -1 to -2 from the end",
        ),
        (
            |x| x.sum().index_select(0, [0]),
            "index_select: axis 0 of an operand of shape [] @; the operand is a number and has no axes",
        ),
    ];
    for (f, expected) in cases {
        assert_eq!(message(f), expected);
    }
}

#[test]
fn errors_of_indices() {
    let message = |f: fn(Var<'_, f64>) -> Var<'_, f64>| text(f(Tape::new().input(numbers(&[4, 10], 0))));
    let cases: [(Use, &str); 8] = [
        (
            |x| x.gather(1, indices(&[4, 1], [0, 1, 2, 12])),
            "gather: label 12 at position [3, 0] is outside axis 1 of length 10 in shape [4, 10] @; \
             labels count from 0: 0 to 9",
        ),
        (
            |x| x.gather(1, indices(&[2, 2], [0, 1, 10, 2])),
            "gather: label 10 at position [1, 0] is outside axis 1 of length 10 in shape [4, 10] @; \
             labels count from 0: 0 to 9",
        ),
        (
            |x| x.index_select(0, [1, 4]),
            "index_select: index 4 at position 1 is outside axis 0 of length 4 in shape [4, 10] @; \
             indices count from 0: 0 to 3",
        ),
        (
            |x| x.take(indices(&[], [40])),
            "take: index 40 is outside the 40 elements of the operand @; indices count from 0: 0 to 39",
        ),
        (
            |x| x.sum_axes(&[1], false).scatter(0, [9], x.sum()),
            "scatter: label 9 at position 0 is outside axis 0 of length 4 in shape [4] @; labels count from 0: 0 to 3",
        ),
        (
            |x| x.sum_axes(&[1], false).scatter_add(0, [0, 4], x.sum()),
            "scatter_add: label 4 at position 1 is outside axis 0 of length 4 in shape [4] @; \
             labels count from 0: 0 to 3",
        ),
        (
            |x| x.tape().one_hot([0, 3], 3),
            "one_hot: label 3 at position 1 is outside the 3 classes @; labels count from 0: 0 to 2",
        ),
        (
            |x| x.tape().one_hot([0], 0),
            "one_hot: label 0 at position 0 is outside the 0 classes @; there are no elements",
        ),
    ];
    for (f, expected) in cases {
        assert_eq!(message(f), expected);
    }
    let tape = Tape::<f64>::new();
    let y = tape.scope("encoder", || tape.input(numbers(&[2], 0)).take([2]));
    assert!(y.value().unwrap_err().to_string().contains("indexing.rs"));
    assert!(text(y).contains("in scope \"encoder\""));
}

#[test]
fn a_backward_pass_alone_reports_the_index_too() {
    let tape = Tape::new();
    let x = tape.input(numbers(&[2, 3], 0));
    let [g] = x.index_select(0, [5]).sum().grad([x]);
    assert!(text(g).starts_with("index_add: index 5 at position 0 is outside axis 0 of length 2"));
}

#[test]
fn new_indices_use_the_plan_again() -> Result<()> {
    let step = |labels: [usize; 3]| -> Result<Tensor<f64>> {
        let tape = Tape::new();
        let x = tape.input(numbers(&[3, 4], 0));
        let picked = x.gather(1, IndexTensor::from(labels).reshape([3, 1])?).sum() + x.index_select(0, labels).sum();
        let rows = (tape.one_hot(labels, 4) * x).sum();
        (picked + rows).grad([x])[0].value()
    };
    let first = step([0, 1, 2])?;
    let before = plan_counters();
    let second = step([2, 2, 0])?;
    assert_eq!(plan_counters().planned, before.planned);
    assert_ne!(first, second);
    // 1 from the gather and 1 from the one-hot row at each label; 1 along each selected row.
    assert_eq!(second, Tensor::from([[1.0, 1.0, 3.0, 1.0], [0.0, 0.0, 2.0, 0.0], [4.0, 2.0, 2.0, 2.0]]));
    Ok(())
}

#[test]
fn one_hot_of_batches_and_of_nothing() -> Result<()> {
    let tape = Tape::<f32>::new();
    assert_eq!(tape.one_hot(indices(&[1, 2], [1, 0]), 2).value()?, Tensor::from([[[0.0, 1.0], [1.0, 0.0]]]));
    assert_eq!(tape.one_hot(indices(&[], [1]), 2).value()?.as_slice(), [0.0, 1.0]);
    assert_eq!(*tape.one_hot(Vec::new(), 3).value()?.shape(), Shape::from([0, 3]));
    assert_eq!(*tape.one_hot(Vec::new(), 0).value()?.shape(), Shape::from([0, 0]));
    Ok(())
}

#[test]
fn f32_samples_agree() {
    let names = ["index_select", "take", "gather", "scatter", "scatter_add", "masked_fill"];
    for op in ops::REGISTRY.iter().filter(|op| names.contains(&op.name)) {
        for sample in (op.samples_f32)() {
            let tape = Tape::new();
            let x: Vec<_> = sample.inputs.iter().map(|x| tape.input(x)).collect();
            let value = (sample.function)(&x).value().unwrap();
            let arrays: Vec<_> = sample.inputs.iter().map(|x| x.cast::<f64>().view().to_owned()).collect();
            let expected = (sample.reference)(&arrays);
            assert_eq!(value.shape()[..], *expected.shape(), "{} {}", op.name, sample.label);
            let close = value.as_slice().iter().zip(&expected).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-6);
            assert!(close, "{} {}", op.name, sample.label);
        }
    }
}
