//! Recorded training steps with ops of a user's own, and what they say of batches and formulas that do not fit.

use std::rc::Rc;

use ndarray::{ArrayViewD, ArrayViewMutD};
use wengert::prelude::*;
use wengert::{CustomOp, Pullback};

use crate::model::Mlp;

/// `y = x³`: an op without data.
#[derive(Debug)]
struct Cube;

impl CustomOp for Cube {
    fn name(&self) -> &str {
        "cube"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0].clone())
    }

    fn forward(&self, inputs: &[ArrayViewD<'_, f32>], mut out: ArrayViewMutD<'_, f32>) -> Result<()> {
        out.zip_mut_with(&inputs[0], |y, x| *y = x * x * x);
        Ok(())
    }

    fn pullback<'t>(&self, inputs: &[Var<'t>], _: Var<'t>, cotangent: Var<'t>) -> Pullback<'t> {
        Pullback::one(cotangent * inputs[0].square() * 3.0)
    }
}

/// `y = a x`: an op with data.
#[derive(Debug)]
struct Times(f32);

impl CustomOp for Times {
    fn name(&self) -> &str {
        "times"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0].clone())
    }

    fn forward(&self, inputs: &[ArrayViewD<'_, f32>], mut out: ArrayViewMutD<'_, f32>) -> Result<()> {
        out.zip_mut_with(&inputs[0], |y, x| *y = self.0 * x);
        Ok(())
    }

    fn pullback<'t>(&self, _: &[Var<'t>], _: Var<'t>, cotangent: Var<'t>) -> Pullback<'t> {
        Pullback::one(cotangent * self.0)
    }
}

fn batch(seed: usize) -> Tensor {
    Tensor::from_fn([6, 4], |i| ((i + 11 * seed) as f32 * 0.7).sin())
}

/// The losses of some steps as an ordinary loop and as a program.
fn both(loss: impl for<'t> Fn(&Mlp, &'t Tape, &Tensor) -> Var<'t> + 'static) -> Result<[Vec<f32>; 2]> {
    let (mut model, mut optimizer) = (Mlp::new(4, 8, 3, 1), Adam::new(1e-2));
    let mut looped = vec![];
    let (first, start) = (model.clone(), optimizer.clone());
    for step in 0..6 {
        let tape = Tape::new();
        let value = loss(&model, &tape, &batch(step));
        optimizer.step(&mut model, &value.backward()?)?;
        looped.push(value.item()?);
    }
    let mut program = Program::record(&first, &start, loss)?;
    let replayed = (0..6).map(|step| program.step(&batch(step))).collect::<Result<Vec<f32>>>()?;
    assert!(looped[5] < looped[0], "it learns: {looped:?}");
    Ok([looped, replayed])
}

#[test]
fn an_op_without_data_replays() -> Result<()> {
    let [looped, replayed] =
        both(|model, tape, x| tape.custom(Cube, &[model.forward(tape.constant(x))]).square().mean())?;
    assert_eq!(looped, replayed);
    Ok(())
}

#[test]
fn an_op_with_data_replays_where_it_is_shared() -> Result<()> {
    let shared: Rc<dyn CustomOp> = Rc::new(Times(0.5));
    let [looped, replayed] =
        both(move |model, tape, x| tape.custom_shared(&shared, &[model.forward(tape.constant(x))]).square().mean())?;
    assert_eq!(looped, replayed);
    let error = both(|model, tape, x| tape.custom(Times(0.5), &[model.forward(tape.constant(x))]).square().mean());
    let error = error.expect_err("it may be another one in every step");
    assert_eq!(error.kind(), ErrorKind::Replay);
    let text = error.to_string();
    assert!(text.contains("the step differs in %") && text.contains(" = times(%"), "{text}");
    assert!(text.contains("suite/programs.rs:") && text.ends_with("record one Rc of it with custom_shared"), "{text}");
    Ok(())
}

/// The mistake of the first step of a program, which must leave the model as it was.
fn mistake(
    optimizer: impl Optimizer + Clone + 'static,
    x: &Tensor,
    loss: impl for<'t> Fn(&Mlp, &'t Tape, &Tensor) -> Var<'t> + 'static,
) -> Error {
    let model = Mlp::new(4, 8, 3, 1);
    let mut program = Program::record(&model, &optimizer, loss).expect("nothing is recorded yet");
    let error = program.step(x).expect_err("a mistake");
    assert_eq!(program.model().state_dict(), model.state_dict(), "{error}");
    assert_eq!(program.steps(), 0);
    error
}

fn squares<'t>(model: &Mlp, tape: &'t Tape, x: &Tensor) -> Var<'t> {
    model.forward(tape.constant(x)).square().mean()
}

#[track_caller]
fn says(error: &Error, kind: ErrorKind, parts: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(parts.iter().all(|part| error.to_string().contains(part)), "{error}");
}

#[test]
fn mistakes_of_a_recorded_step() {
    let error = mistake(Sgd::new(0.1), &Tensor::ones([6, 3]), squares);
    says(&error, ErrorKind::Shape, &["linear: input [6, 3] does not fit weight [8, 4]", "model.rs:", "\"first\""]);
    let error = mistake(Sgd::new(f64::NAN), &batch(0), squares);
    says(&error, ErrorKind::Argument, &["the learning rate is NaN"]);
    let error = mistake(Sgd::new(0.1), &batch(0), |model, tape, x| model.forward(tape.constant(x)));
    says(&error, ErrorKind::Gradient, &["one element needed", "[6, 3]", "suite/programs.rs:"]);
    let error =
        mistake(Sgd::new(0.1), &Tensor::ones([6, 8]), |model, tape, x| model.out.forward(tape.constant(x)).mean());
    says(&error, ErrorKind::Unreached, &["parameter \"first.weight\" has no gradient"]);
    for limit in [0, 1] {
        let error = mistake(Sgd::new(0.1), &batch(0), move |model, tape, x| {
            tape.memory_limit(limit);
            squares(model, tape, x)
        });
        says(&error, ErrorKind::Memory, &["the memory limit is", "model.rs:", "in scope \"first\""]);
    }
}

#[test]
fn batches_that_do_not_fit_a_recorded_step() -> Result<()> {
    let model = Mlp::new(4, 8, 3, 1);
    let mut program = Program::record(&model, &Sgd::new(0.1), squares)?;
    program.step(&batch(0))?;
    let trained = program.model().state_dict();
    for other in [Tensor::ones([5, 4]), Tensor::ones([6, 3]), Tensor::ones([24]), Tensor::ones([0, 4])] {
        let error = program.step(&other).expect_err("another shape");
        says(&error, ErrorKind::Replay, &["[6, 4]", &other.shape().to_string()]);
        assert_eq!(program.model().state_dict(), trained);
    }
    assert!(program.step(&batch(1))?.is_finite(), "it goes on");
    // What is not finite is computed like anything else, and seen in the loss.
    assert!(program.step(&Tensor::full([6, 4], f32::NAN))?.is_nan());
    Ok(())
}
