//! Every mistake is an error that names what went wrong and where; nothing panics, and nothing is silently zero.

use ndarray::{ArrayViewD, ArrayViewMutD};
use wengert::prelude::*;
use wengert::{CustomOp, IndexTensor, Pullback, cat, stack, where_};

use crate::model::Mlp;

/// Compares the text of a mistake, without its place, which must be in this file.
#[track_caller]
fn says<R>(outcome: Result<R>, expected: &str) {
    let Err(error) = outcome else { panic!("no error: {expected}") };
    let location = error.location().unwrap_or_else(|| panic!("no place in the source: {error}"));
    assert!(location.file().ends_with("suite/bad_input.rs"), "{error}");
    let text = error.to_string().replace(&format!(" at {location}"), "");
    // Other lines of this file may be named too.
    let mut parts = text.split("bad_input.rs:");
    let first = parts.next().unwrap_or_default().to_string();
    let rest = parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':'));
    assert_eq!(rest.fold(first, |text, part| text + "bad_input.rs" + part), expected);
}

/// Compares the text of a mistake that lies in no formula.
#[track_caller]
pub(crate) fn tells<R>(outcome: Result<R>, expected: &str) {
    match outcome {
        Err(error) => assert_eq!(error.to_string(), expected),
        Ok(_) => panic!("no error: {expected}"),
    }
}

/// The first mistake of a formula over an input `[2, 3]`, which leaves the formula by every way alike.
#[track_caller]
fn mistake(expected: &str, record: impl for<'t> Fn(&'t Tape, Var<'t>) -> Var<'t>) {
    let tape = Tape::<f32>::new();
    let x = tape.input(Tensor::ones([2, 3]));
    let y = record(&tape, x);
    says(y.value(), expected);
    says(y.tanh().sum().item(), expected);
    says(tape.eval([x, y]), expected);
    says(tape.eval_all(&[x]), expected);
    says(tape.plan([x, y]), expected);
    says(y.sum().backward(), expected);
    says(x.sum().backward(), expected);
    says(y.sum().grad([x])[0].value(), expected);
    says(y.vjp(x, [x])[0].value(), expected);
    says(x.sum().grad([y])[0].value(), expected);
    says(tape.first_error(), expected);
}

#[test]
fn shapes() {
    mistake("matmul: inner dimensions differ: left [2, 3], right [2, 3] (3 vs 2); did you mean right.t()?", |_, x| {
        x.matmul(x)
    });
    mistake("matmul: a number has no rows: left [2, 3], right []; multiply with * instead", |tape, x| {
        x.matmul(tape.scalar(1.0))
    });
    mistake(
        "add: shapes don't broadcast: left [2, 3], right [4]; axis -1 is 3 and 4; axes are aligned \
            at the end, and only axes of length 1 repeat",
        |tape, x| x + tape.constant(Tensor::ones([4])),
    );
    mistake(
        "where_: shapes don't broadcast: first [2, 3], second [2, 3], third [3, 2]; axis -1 is 3 and \
            2; axes are aligned at the end, and only axes of length 1 repeat",
        |tape, x| where_(x, x, tape.constant(Tensor::ones([3, 2]))),
    );
    mistake("reshape: 6 elements of shape [2, 3] do not fit shape [7]", |_, x| x.reshape([7]));
    mistake(
        "cat: shapes don't fit along axis 0: [2, 3], [3, 2]; operand 1 is [3, 2], operand 0 is [2, \
            3]; only axis 0 may differ",
        |_, x| cat(&[x, x.t()], 0),
    );
    mistake(
        "stack: shapes differ: [2, 3], [3, 2]; operand 1 is [3, 2], operand 0 is [2, 3]; did you mean cat?",
        |_, x| stack(&[x, x.t()], 0),
    );
    mistake("cat: no operands to join; the result would have no shape; give one at least", |tape, _| tape.cat(&[], 0));
    mistake(
        "mse: prediction [2, 3] and target [3, 2] have different shapes; a loss does not broadcast; \
            reshape one of them",
        |_, x| loss::mse(x, x.t()),
    );
    mistake(
        "cross_entropy: 2 labels needed for operand [2, 3], got labels of shape [1]; one class \
            number for each example; distributions go to cross_entropy_probabilities",
        |_, x| loss::cross_entropy(x, [0]),
    );
    mistake(
        "vjp: the cotangent has shape [5], the output [2, 3]; \
            the cotangent has the output's shape, or one that broadcasts to it",
        |tape, x| x.vjp(tape.constant(Tensor::ones([5])), [x])[0],
    );
    mistake("rand_uniform: a tensor of shape [18446744073709551615, 2] is too large for memory", |tape, _| {
        tape.rand_uniform([usize::MAX, 2])
    });
    mistake("expand: a tensor of shape [18446744073709551615, 2, 3] is too large for memory", |_, x| {
        x.expand([usize::MAX, 2, 3])
    });
    mistake("update: a parameter of shape [4] can't take shape [2, 3]", |tape, x| {
        tape.update(&Param::buffer(Tensor::zeros([4])), x);
        x
    });
}

#[test]
fn the_width_of_a_layer_in_a_model() {
    let model = Mlp::new(4, 5, 2, 1);
    let tape = Tape::new();
    let x = tape.input(Tensor::ones([2, 3]));
    let error = tape.scope("classifier", || model.forward(x)).sum().backward().expect_err("a width of 3");
    let location = error.location().expect("a place in the source");
    assert!(location.file().ends_with("suite/model.rs"), "{error}");
    let text = "linear: input [2, 3] does not fit weight [5, 4]: its last axis must have length 4";
    assert_eq!(error.to_string(), format!("{text} at {location} in scope \"classifier.first\""));
    tells(
        Linear::<f32>::from_parts([1.0, 2.0], None),
        "linear: weight [out, in] and bias [out] needed, got weight [2], bias none",
    );
    tells(
        Linear::<f32>::from_parts([[1.0, 2.0]], Some([1.0, 2.0].into())),
        "linear: weight [out, in] and bias [out] needed, got weight [1, 2], bias [2]",
    );
}

#[test]
fn axes_and_ranks() {
    mistake("sum_axes: axis 2 of an operand of shape [2, 3]; axes are 0 to 1, or -1 to -2 from the end", |_, x| {
        x.sum_axes(&[2], false)
    });
    mistake("softmax: axis -3 of an operand of shape [2, 3]; axes are 0 to 1, or -1 to -2 from the end", |_, x| {
        x.softmax(-3)
    });
    mistake("mean_axes: axis 0 of an operand of shape [2, 3] is named twice in [0, 0]", |_, x| {
        x.mean_axes(&[0, 0], false)
    });
    mistake("permute: axis 2 of an operand of shape [2, 3]; axes are 0 to 1, or -1 to -2 from the end", |_, x| {
        x.permute(&[0, 2])
    });
    mistake("transpose: axis 5 of an operand of shape [2, 3]; axes are 0 to 1, or -1 to -2 from the end", |_, x| {
        x.transpose(0, 5)
    });
    mistake(
        "dot: two vectors needed: left [2, 3], right [2, 3]; flatten() makes a vector; matmul takes matrices",
        |_, x| x.dot(x),
    );
    mistake(
        "cross_entropy: an operand of shape [1, 2, 3]; the operand is [examples, classes], or \
            [classes] for one example",
        |_, x| loss::cross_entropy(x.reshape([1, 2, 3]), [0]),
    );
    mistake("softmax: axis 0 of an operand of shape []; the operand is a number and has no axes", |_, x| {
        x.sum().softmax(0)
    });
    mistake("narrow: 2 places from 2 on along axis 1 of shape [2, 3]; the axis has length 3", |_, x| x.narrow(1, 2, 2));
}

#[test]
fn values_that_are_no_single_number() -> Result<()> {
    let tape = Tape::<f32>::new();
    let x = tape.input(Tensor::ones([2, 3]));
    says(x.item(), "item: one element needed, shape [2, 3] has 6; reduce first, for example with mean()");
    says(x.eq(x).item(), "item: one element needed, shape [2, 3] has 6; reduce first, for example with mean()");
    // To ask for the wrong thing is no mistake of the formula.
    assert_eq!(x.sum().item()?, 6.0);
    tells(
        Tensor::<f32>::zeros([0]).item(),
        "item: one element needed, shape [0] has 0; reduce first, for example with mean()",
    );
    tells(Tensor::from_vec([2, 2], vec![1.0f32]), "Tensor::from_vec: 4 values needed for shape [2, 2], got 1");
    tells(
        Tensor::from_vec([usize::MAX, 2], vec![1.0f32]),
        "Tensor::from_vec: a tensor of shape [18446744073709551615, 2] is too large for memory",
    );
    tells(Tensor::from([1.0f32, 2.0]).reshape([3]), "reshape: 2 elements of shape [2] do not fit shape [3]");
    tells(IndexTensor::from_vec([3], vec![1, 2]), "IndexTensor::from_vec: 3 values needed for shape [3], got 2");
    tells(
        Param::new(Tensor::from([1.0f32, 2.0])).set([1.0]),
        "Param::set: a parameter of shape [2] can't take a value of shape [1]",
    );
    assert_eq!(Tensor::from([1.0f32]).get(&[1]), None);
    Ok(())
}

const TAPES: &str = "the operands are recorded on two different tapes; \
    a Var lives on the tape that made it; pass a value over with other.input(x.value()?)";

#[test]
fn two_tapes() {
    let other = Tape::<f32>::new();
    let a = other.input(Tensor::ones([2, 3]));
    let with = |record: &dyn for<'t> Fn(Var<'t>, Var<'t>) -> Var<'t>, expected: &str| {
        let tape = Tape::<f32>::new();
        let y = record(tape.input(Tensor::ones([2, 3])), a);
        says(y.value(), expected);
    };
    with(&|x, a| x + a, &format!("add: {TAPES}"));
    with(&|x, a| x.matmul(a.t()), &format!("matmul: {TAPES}"));
    with(&|x, a| cat(&[x, a], 0), &format!("cat: {TAPES}"));
    with(&|x, a| stack(&[x, a], 0), &format!("cat: {TAPES}"));
    with(&|x, a| where_(x, x, a), &format!("where_: {TAPES}"));
    with(&|x, a| loss::mse(x, a), &format!("sub: {TAPES}"));
    with(&|x, a| x.sum().grad([a])[0], "grad: the output and the targets are recorded on two different tapes");
    with(&|x, a| x.vjp(a, [x])[0], "vjp: the output and the targets are recorded on two different tapes");
    let tape = Tape::<f32>::new();
    let x = tape.input(Tensor::ones([2, 3]));
    says(tape.eval([x, a]), "eval: a value of another tape was asked for");
    says(tape.plan([x, a]), "plan: a value of another tape was asked for");
    assert!(x.value().is_ok(), "asking the wrong tape is no mistake of the formula");
    assert!(a.value().is_ok());
    let mean = Param::buffer(Tensor::ones([2, 3]));
    tape.update(&mean, a);
    says(x.sum().backward(), &format!("update: {TAPES}"));
}

#[test]
fn a_mistake_of_another_tape_is_no_less_one() {
    let other = Tape::<f32>::new();
    let failed = other.input(Tensor::ones([2, 3])).reshape([5]);
    let text = "reshape: 6 elements of shape [2, 3] do not fit shape [5]";
    let with = |record: &dyn for<'t> Fn(Var<'t>, Var<'t>) -> Var<'t>| {
        let tape = Tape::<f32>::new();
        let x = tape.input(Tensor::ones([2, 3]));
        let y = record(x, failed);
        says(y.value(), text);
        says(y.exp().item(), text);
        says(tape.eval([y]), text);
        says(tape.plan([y]), text);
        says(y.sum().backward(), text);
    };
    with(&|x, failed| x + failed);
    with(&|x, failed| failed * x);
    with(&|x, failed| x.sum().grad([failed])[0]);
    with(&|x, failed| x.sum().grad([x, failed])[0]);
    with(&|x, failed| x.vjp(failed, [x])[0]);
    with(&|x, failed| x.tape().custom(Fails("nothing"), &[failed]));
    with(&|x, failed| loss::mse(x, failed));
    with(&|x, failed| cat(&[x, failed], 0));
    let tape = Tape::<f32>::new();
    let x = tape.input(Tensor::ones([2, 3]));
    tape.update(&Param::buffer(Tensor::zeros([2, 3])), failed);
    says(x.sum().backward(), text);
    let tape = Tape::<f32>::new();
    says(tape.eval([failed]), text);
    says(tape.plan([failed]), text);
}

#[test]
fn gradients_by_what_is_constant() {
    let hint =
        "constants, frozen parameters and detached values have no gradient; tape.input(..) makes a leaf that has";
    let place = "(recorded at tests/suite/bad_input.rs)";
    mistake(&format!("grad: %1 = constant {place} is not differentiable; {hint}"), |tape, x| {
        let c = tape.constant(Tensor::ones([3]));
        (x * c).sum().grad([c])[0]
    });
    mistake(&format!("grad: %1 d = detach(%0) {place} is not differentiable; {hint}"), |_, x| {
        let d = x.detach().named("d");
        (x * d).sum().grad([x, d])[1]
    });
    mistake(&format!("vjp: %1 = parameter {place} is not differentiable; {hint}"), |tape, x| {
        let mut weight = Param::new(Tensor::ones([3]));
        weight.freeze();
        let w = tape.param(&weight);
        (x * w).vjp(x, [w])[0]
    });
}

#[test]
fn gradients_that_do_not_exist() {
    mistake(
        "grad: one element needed, the output has shape [2, 3]; reduce it first, for example with \
            mean() or sum(), or use vjp with a cotangent",
        |_, x| x.grad([x])[0],
    );
    mistake(
        "grad: %2 = sum(%1, axes [0]) does not depend on %0 = input (recorded at \
            tests/suite/bad_input.rs); was it used in the formula, or cut off by detach() or by an op \
            without a derivative?",
        |tape, x| tape.constant([1.0, 2.0]).sum().grad([x])[0],
    );
    mistake(
        "grad: %2 = sum(%1, axes [0, 1]) does not depend on %0 = input (recorded at \
            tests/suite/bad_input.rs); was it used in the formula, or cut off by detach() or by an op \
            without a derivative?",
        |_, x| x.detach().sum().grad([x])[0],
    );
    mistake(
        "grad: %1 = sum(%0, axes [0, 1]) does not depend on %2 unused = input (recorded at \
            tests/suite/bad_input.rs); was it used in the formula, or cut off by detach() or by an op \
            without a derivative?",
        |tape, x| x.sum().grad([tape.input([1.0]).named("unused")])[0],
    );
    mistake(
        "grad: %3 = sum(%2, axes [0]) does not depend on %0 = input (recorded at \
            tests/suite/bad_input.rs); was it used in the formula, or cut off by detach() or by an op \
            without a derivative?",
        |_, x| x.floor().argmax(0, false).sum().grad([x])[0],
    );
    let tape = Tape::<f32>::new();
    says(
        tape.input(Tensor::ones([2, 3])).backward(),
        "backward: one element needed, the output has shape [2, 3]; reduce it first, for example \
            with mean() or sum(), or use vjp with a cotangent",
    );
    let tape = Tape::<f32>::new();
    says(
        tape.constant([1.0, 2.0]).sum().backward(),
        "backward: the loss depends on no parameter and no input; make leaves with tape.param(..) or \
            tape.input(..); constants and detached values have no gradient",
    );
    let tape = Tape::<f32>::new();
    says(
        tape.input([1.0, 2.0]).detach().sum().backward(),
        "backward: the loss depends on no parameter and no input; make leaves with tape.param(..) or \
            tape.input(..); constants and detached values have no gradient",
    );
    let tape = Tape::<f32>::inference();
    says(
        tape.input([1.0]).backward(),
        "backward: gradients were asked of an inference tape; record on Tape::new() or Tape::training(seed)",
    );
    let tape = Tape::<f32>::inference();
    let x = tape.input([1.0]);
    says(
        x.grad([x])[0].value(),
        "grad: gradients were asked of an inference tape; record on Tape::new() or Tape::training(seed)",
    );
}

#[test]
fn parameters_that_the_loss_does_not_reach() -> Result<()> {
    let mut model = Mlp::new(3, 4, 2, 1);
    let before = model.state_dict();
    let x = Tensor::ones([2, 3]);
    let mut step = |expected: &str, record: &dyn for<'t> Fn(&Mlp, Var<'t>) -> Var<'t>| {
        let tape = Tape::<f32>::new();
        let loss = record(&model, tape.constant(&x)).square().mean();
        let grads = loss.backward()?;
        let outcome = Adam::new(0.1).step(&mut model, &grads);
        let Err(error) = outcome else { panic!("no error: {expected}") };
        let text = error.to_string();
        assert!(text.contains(expected), "{text}");
        assert!(
            text.ends_with("; freeze the parameter, or let the optimiser skip it with allow_missing(true)"),
            "{text}"
        );
        assert_eq!(error.kind(), ErrorKind::Unreached);
        assert_eq!(model.state_dict(), before, "a step that fails changes nothing");
        Ok::<(), Error>(())
    };
    step("parameter \"first.weight\" has no gradient: cut off at ", &|model, x| {
        model.out.forward(model.second.forward(model.first.forward(x).detach()))
    })?;
    step("parameter \"second.weight\" has no gradient: it was not recorded on the tape of the loss", &|model, x| {
        model.out.forward(model.first.forward(x))
    })?;
    step("parameter \"out.weight\" has no gradient: recorded at ", &|model, x| {
        let _unused = model.out.forward(model.second.forward(x.matmul(x.t()).matmul(x.narrow(1, 0, 1)).expand([2, 4])));
        model.second.forward(model.first.forward(x))
    })?;
    Ok(())
}

#[test]
fn labels() {
    mistake("cross_entropy: label 3 at position 1 is outside the 3 classes; classes count from 0", |_, x| {
        loss::cross_entropy(x, [0, 3])
    });
    mistake("nll: label 7 at position 0 is outside the 3 classes; classes count from 0", |_, x| {
        loss::nll(x.log_softmax(-1), [7, 0])
    });
    mistake("cross_entropy: 1 class weights for 3 classes; one weight for each class", |_, x| {
        loss::CrossEntropy::new().class_weights([1.0]).forward(x, [0, 0])
    });
    mistake("cross_entropy: label smoothing is 2, but must be from 0 to 1; PyTorch's default is 0", |_, x| {
        loss::CrossEntropy::new().label_smoothing(2.0).forward(x, [0, 0])
    });
    let tape = Tape::<f32>::new();
    let x = tape.input(Tensor::ones([2, 3]));
    let (line, y) = (line!(), loss::cross_entropy(x, [3, 0]));
    let error = y.item().expect_err("a label outside");
    assert_eq!(error.location().map(|location| location.line()), Some(line));
    // Indices are looked at when they are used.
    let tape = Tape::<f32>::new();
    let x = tape.input(Tensor::ones([2, 3]));
    says(
        x.index_select(0, [5]).value(),
        "index_select: index 5 at position 0 is outside axis 0 of length 2 in shape [2, 3]; indices \
            count from 0: 0 to 1",
    );
    says(
        x.gather(1, IndexTensor::from_vec([2, 1], vec![0, 9]).expect("fits")).sum().backward(),
        "gather: label 9 at position [1, 0] is outside axis 1 of length 3 in shape [2, 3]; labels \
            count from 0: 0 to 2",
    );
    assert!(x.sum().item().is_ok());
}

#[test]
fn empty_batches() {
    mistake(
        "cross_entropy: the mean of no losses; the batch is empty; skip it, or ask for \
            Reduction::Sum, which is then 0",
        |_, x| loss::cross_entropy(x.narrow(0, 0, 0), Vec::new()),
    );
    mistake(
        "mse: the mean of no losses; the batch is empty; skip it, or ask for Reduction::Sum, which is then 0",
        |_, x| loss::mse(x.narrow(0, 0, 0), x.narrow(0, 0, 0)),
    );
    mistake("cross_entropy: label 0 at position 0 is outside the 0 classes; classes count from 0", |_, x| {
        loss::cross_entropy(x.narrow(1, 0, 0), [0, 0])
    });
    mistake(
        "max: axis 0 of an operand of shape [0, 3] has no elements; nothing has no greatest and no least element",
        |_, x| x.narrow(0, 0, 0).max(),
    );
    let sum = loss::CrossEntropy::new().reduction(loss::Reduction::Sum);
    let tape = Tape::<f32>::new();
    let x = tape.input(Tensor::zeros([0, 3]));
    assert_eq!(sum.forward(x, Vec::new()).item().ok(), Some(0.0));
    assert_eq!(sum.forward(x, Vec::new()).grad([x])[0].value().ok(), Some(Tensor::zeros([0, 3])));
    // The mean of nothing by itself.
    assert!(x.mean().item().is_ok_and(f32::is_nan));
}

#[test]
fn numbers_that_are_not_finite() {
    let run = |expected: &str, values: [f32; 2], record: &dyn for<'t> Fn(Var<'t>) -> Var<'t>| {
        let tape = Tape::<f32>::new();
        tape.check_finite(true);
        let x = tape.input(values).named("x");
        says(tape.scope("layer", || record(x)).backward(), expected);
    };
    run(
        "ln: the first value that is not finite: element 1 of %1 = ln(%0) : [2] is NaN in scope \"layer\"",
        [1.0, -1.0],
        &|x| x.ln().exp().sum(),
    );
    run(
        "div: the first value that is not finite: element 1 of %7 = 0.5 / %1 : [2] is inf in scope \"layer\"",
        [1.0, 0.0],
        &|x| x.sqrt().sum(),
    );
    run("the first value that is not finite: element 1 of %0 x = input : [2] is NaN", [1.0, f32::NAN], &|x| {
        x.tanh().sum()
    });
    run("the first value that is not finite: element 1 of %0 x = input : [2] is inf", [1.0, f32::INFINITY], &|x| {
        x.tanh().sum()
    });
    run(
        "exp: the first value that is not finite: element 1 of %1 = exp(%0) : [2] is inf in scope \"layer\"",
        [1.0, 100.0],
        &|x| x.exp().exp().neg().exp().sum(),
    );
    let tape = Tape::<f32>::new();
    tape.check_finite(true);
    let (line, y) = (line!(), tape.input([0.0]).recip());
    let error = y.tanh().sum().item().expect_err("infinite");
    assert_eq!(error.location().map(|location| location.line()), Some(line));
    // Unasked, NaN is a value like others.
    assert!(Tape::<f32>::new().input([-1.0f32]).ln().sum().item().is_ok_and(f32::is_nan));
}

/// An op that fails in the way that it is told.
#[derive(Debug)]
struct Fails(&'static str);

impl CustomOp for Fails {
    fn name(&self) -> &str {
        "fails"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        match self.0 {
            "shape" => Err(Error::new(ErrorKind::Shape, format!("{} is not to its liking", inputs[0]))),
            _ => Ok(inputs[0].clone()),
        }
    }

    fn forward(&self, _: &[ArrayViewD<'_, f32>], mut out: ArrayViewMutD<'_, f32>) -> Result<()> {
        match self.0 {
            "forward" => Err(Error::new(ErrorKind::Argument, "the values are unusable")),
            "forgets" => Ok(()),
            _ => {
                out.fill(1.0);
                Ok(())
            }
        }
    }

    fn pullback<'t>(&self, inputs: &[Var<'t>], _: Var<'t>, cotangent: Var<'t>) -> Pullback<'t> {
        match self.0 {
            "count" => Pullback::of([cotangent, cotangent]),
            "contribution" => Pullback::one(cotangent.sum_axes(&[1], false)),
            "poisoned" => Pullback::one(inputs[0].reshape([7])),
            "nothing" => Pullback::new([None]),
            _ => Pullback::none(),
        }
    }
}

#[test]
fn ops_of_users() -> Result<()> {
    let backward = |how: &'static str| {
        let tape = Tape::<f32>::new();
        let x = tape.input(Tensor::ones([2, 3]));
        let y = tape.custom(Fails(how), &[x]).sum().backward();
        y.map(|grads| grads.wrt(x).cloned())
    };
    says(backward("shape"), "fails: [2, 3] is not to its liking");
    says(
        backward("forward"),
        "fails: the op has no pullback, so nothing can be differentiated through it; return the \
            contributions from its pullback, or cut it off with detach()",
    );
    says(
        backward("pullback"),
        "fails: the op has no pullback, so nothing can be differentiated through it; return the \
            contributions from its pullback, or cut it off with detach()",
    );
    says(backward("count"), "fails: its pullback returned 2 contributions for 1 inputs");
    says(
        backward("contribution"),
        "fails: its pullback returned a contribution of shape [2] to input 0 of shape [2, 3]",
    );
    says(backward("poisoned"), "reshape: 6 elements of shape [2, 3] do not fit shape [7]");
    assert_eq!(backward("nothing")?, Some(Tensor::zeros([2, 3])), "a derivative of zero is said to be one");
    let tape = Tape::<f32>::new();
    let forgotten = tape.custom(Fails("forgets"), &[tape.input([1.0])]).value()?;
    assert!(forgotten.as_slice()[0].is_nan(), "what an op forgets to write is seen");
    Ok(())
}

#[test]
fn probabilities() {
    mistake("dropout: the probability is 1.5; a probability lies between 0 and 1", |_, x| x.dropout(1.5));
    mistake("dropout: the probability is -0.1, but must be from 0 to 1", |_, x| Dropout::new(-0.1).forward(x));
    mistake("dropout: the probability is NaN, but must be from 0 to 1", |_, x| Dropout::new(f64::NAN).forward(x));
    mistake("bernoulli: the probability is NaN; a probability lies between 0 and 1", |tape, _| {
        tape.bernoulli([2], f64::NAN)
    });
}

#[test]
fn the_first_mistake_wins() -> Result<()> {
    mistake("reshape: 6 elements of shape [2, 3] do not fit shape [4]", |_, x| {
        let failed = x.reshape([4]).matmul(x.t());
        (failed + x.sum_axes(&[9], true)).softmax(3).dropout(2.0)
    });
    let model = Mlp::new(3, 4, 2, 1);
    mistake("softmax: axis 4 of an operand of shape [2, 3]; axes are 0 to 1, or -1 to -2 from the end", |_, x| {
        loss::cross_entropy(model.forward(x.softmax(4)), [99])
    });
    mistake("sum_axes: axis 7 of an operand of shape [2, 3]; axes are 0 to 1, or -1 to -2 from the end", |tape, x| {
        let failed = x.sum_axes(&[7], false);
        tape.custom(Fails("shape"), &[failed]);
        loss::mse(failed, x)
    });

    let mut tape = Tape::<f32>::new();
    let x = tape.input([1.0f32, 2.0]);
    says(x.reshape([5]).value(), "reshape: 2 elements of shape [2] do not fit shape [5]");
    assert!(tape.to_string().contains("error: reshape: 2 elements"));
    tape.clear();
    assert!(tape.is_empty() && tape.first_error().is_ok());
    let x = tape.input([1.0f32, 2.0]);
    let y = x.square().sum();
    assert_eq!(y.item()?, 5.0);
    assert_eq!(y.backward()?.wrt(x).map(Tensor::to_vec), Some(vec![2.0, 4.0]));
    Ok(())
}

/// Every method is safe to call after a mistake, whatever shape it expects.
#[test]
fn nothing_panics_after_a_mistake() {
    mistake("reshape: 6 elements of shape [2, 3] do not fit shape [4]", |tape, x| {
        let failed = x.reshape([4]);
        let index = IndexTensor::from([1, 2]);
        let _ =
            [failed.exp(), failed + 1.0, 1.0 / failed, -failed, failed.pow(x), failed.powi(3), failed.clamp(0.0, 1.0)];
        let _ =
            [failed.sum(), failed.mean(), failed.prod(), failed.max(), failed.var(), failed.std(), failed.norm(2.0)];
        let _ = [failed.argmax(3, true), failed.softmax(4), failed.logsumexp_axes(&[1], true)];
        let _ =
            [failed.matmul(x), x.matmul(failed), failed.t(), failed.transpose(3, 4), failed.dot(x), failed.outer(x)];
        let _ = [failed.flatten(), failed.squeeze(), failed.unsqueeze(9), failed.expand([2, 2]), failed.flip(&[4])];
        let _ = [failed.narrow(3, 1, 2), failed.repeat(&[2, 2]), failed.tile(&[2]), failed.permute(&[1, 0])];
        let _ = [failed.split(&[1, 2], 3)[1], failed.chunk(3, 2)[0], cat(&[failed, x], 5), stack(&[x, failed], 5)];
        let _ = [failed.index_select(4, &index), failed.gather(4, &index), failed.dropout(0.5), failed.detach()];
        let _ = [failed.named("failed"), where_(failed, x, x), tape.custom(Fails("shape"), &[failed])];
        let _ = [loss::mse(failed, x), loss::cross_entropy(failed, [0]), loss::bce(x, failed), loss::nll(failed, [5])];
        let _ = (failed.shape(), failed.rank(), format!("{failed:?}"));
        failed
    });
}
