//! Recording over the last recording: whatever was recorded before on a thread, a step is what it is on a thread that has
//! recorded nothing. Values, gradients, listings, errors and source lines are compared.

use std::cell::Cell;
use std::rc::Rc;

use ndarray::{ArrayViewD, ArrayViewMutD};
use wengert_autograd::{
    CustomOp, Element, Error, IndexTensor, Param, Pullback, Result, Shape, Tape, Tensor, Var, plan_counters, transform,
};

/// One thing that a step may do otherwise than another.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Plain,
    Number(f64),
    Rows(usize),
    Axis(isize),
    Frozen,
    OtherParameter,
    Training(u64),
    Inference,
    Value(f64),
    CheckFinite(f64),
    Poisoned,
    Strict,
    LossFirst,
    MiddleFirst,
    Updated,
    Scoped,
    OtherLine,
    Labels([usize; 2]),
    TooLargeLabel,
    SameConstantTwice,
    Checkpoint,
    Custom(f64),
    Branch(f64),
    Twice,
    SecondOrder,
    Named,
    Unreached,
    NoGradient,
}

const STEPS: [Step; 39] = [
    Step::Plain,
    Step::Number(2.0),
    Step::Number(3.0),
    Step::Number(-0.0),
    Step::Number(0.0),
    Step::Rows(2),
    Step::Rows(3),
    Step::Axis(0),
    Step::Axis(1),
    Step::Frozen,
    Step::OtherParameter,
    Step::Training(1),
    Step::Training(2),
    Step::Inference,
    Step::Value(0.25),
    Step::Value(f64::NAN),
    Step::CheckFinite(0.5),
    Step::CheckFinite(f64::INFINITY),
    Step::Poisoned,
    Step::Strict,
    Step::LossFirst,
    Step::MiddleFirst,
    Step::Updated,
    Step::Scoped,
    Step::OtherLine,
    Step::Labels([0, 1]),
    Step::Labels([1, 1]),
    Step::TooLargeLabel,
    Step::SameConstantTwice,
    Step::Checkpoint,
    Step::Custom(2.0),
    Step::Custom(3.0),
    Step::Branch(1.0),
    Step::Branch(-1.0),
    Step::Twice,
    Step::SecondOrder,
    Step::Named,
    Step::Unreached,
    Step::NoGradient,
];

#[derive(Debug)]
struct Model {
    weight: Param<f64>,
    frozen: Param<f64>,
    other: Param<f64>,
    mean: Param<f64>,
}

fn model() -> Model {
    let weight = Tensor::from_fn([2, 2], |i| 0.3 * i as f64 - 0.4);
    let mut frozen = Param::new(&weight);
    frozen.freeze();
    let other = Param::new(Tensor::from_fn([2, 2], |i| 0.2 - 0.1 * i as f64));
    Model { weight: Param::new(weight), frozen, other, mean: Param::buffer(Tensor::zeros([2])) }
}

/// Multiplies by a number that is no part of its identity.
#[derive(Debug)]
struct Times(f64);

impl CustomOp<f64> for Times {
    fn name(&self) -> &str {
        "times"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0].clone())
    }
    fn forward(&self, inputs: &[ArrayViewD<'_, f64>], mut out: ArrayViewMutD<'_, f64>) -> Result<()> {
        out.assign(&(&inputs[0] * self.0));
        Ok(())
    }
    fn pullback<'t>(&self, _: &[Var<'t, f64>], _: Var<'t, f64>, cotangent: Var<'t, f64>) -> Pullback<'t, f64> {
        Pullback::one(cotangent * self.0)
    }
}

/// Everything that can be seen of a step, as text.
fn seen(model: &Model, step: Step) -> String {
    let tape = match step {
        Step::Training(seed) => Tape::training(seed),
        Step::Inference => Tape::inference(),
        _ => Tape::new(),
    };
    let mut text = String::new();
    let loss = match recorded(&tape, model, step, &mut text) {
        Ok(loss) => loss,
        Err(error) => return format!("{text}{error}\n{tape}"),
    };
    if step == Step::LossFirst {
        text += &format!("{:?}\n", loss.item().map(f64::to_bits));
    }
    for _ in 0..if step == Step::Twice { 2 } else { 1 } {
        text += &format!("{:?}\n{tape}", tape.plan([loss]).map(|plan| plan.to_string()));
        match loss.backward() {
            Err(error) => text += &format!("{error}\n"),
            Ok(gradients) => {
                for parameter in [&model.weight, &model.frozen, &model.other, &model.mean] {
                    let bits = |tensor: &Tensor<f64>| tensor.as_slice().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                    text += &format!("{:x?} ", gradients.get(parameter).map(bits));
                    text += &format!("{:?}\n", gradients.why_missing(parameter));
                }
                text += &format!("{:?}\n", gradients.updates().map(|update| update.1.to_vec()).collect::<Vec<_>>());
            }
        }
    }
    let after = loss.item();
    text + &format!("{:?}\n{tape}", after.map(f64::to_bits).map_err(|error| error.to_string()))
}

fn recorded<'t>(tape: &'t Tape<f64>, model: &Model, step: Step, text: &mut String) -> Result<Var<'t, f64>> {
    let rows = if let Step::Rows(rows) = step { rows } else { 4 };
    let value = match step {
        Step::Value(value) | Step::CheckFinite(value) | Step::Branch(value) => value,
        _ => 0.5,
    };
    tape.check_finite(matches!(step, Step::CheckFinite(_)));
    tape.strict(step == Step::Strict);
    let batch = Tensor::from_fn([rows, 2], |i| if i == 1 { value } else { 0.1 * i as f64 });
    let x = tape.constant(&batch);
    let weight = tape.param(match step {
        Step::Frozen => &model.frozen,
        Step::OtherParameter => &model.other,
        _ => &model.weight,
    });
    let mut y = x.matmul(weight.t()).tanh() * 1.5;
    let other = if step == Step::SameConstantTwice { batch.clone() } else { Tensor::full([rows, 2], 0.5) };
    y += tape.constant(other);
    y = match step {
        Step::Number(number) => (y * number).square(),
        Step::Axis(axis) => y.log_softmax(axis),
        Step::Training(_) => y.dropout(0.5),
        Step::Poisoned => y + tape.constant(Tensor::zeros([7])),
        Step::Scoped => tape.scope("part", || y.square()),
        Step::OtherLine => y.square(),
        Step::Labels(labels) => y.gather(0, &IndexTensor::from_vec([1, 2], labels.to_vec())?),
        Step::TooLargeLabel => y.gather(0, &IndexTensor::from_vec([1, 2], vec![0, 9])?),
        Step::Checkpoint => transform::checkpoint(y, |y| y.exp().sin().square()),
        Step::Custom(factor) => tape.custom(Times(factor), &[y]),
        Step::Branch(_) => match y.sum().gt(0.0).decide()? {
            true => y.square(),
            false => y.exp(),
        },
        Step::Named => y.square().named("squares"),
        _ => y.square(),
    };
    match step {
        Step::Updated => tape.update(&model.mean, y.mean_axes(&[0], false)),
        Step::MiddleFirst => *text += &format!("{:?}\n", y.value()?.to_vec()),
        Step::Unreached => {
            tape.param(&model.mean);
        }
        Step::NoGradient => return Ok(y.detach().mean()),
        _ => {}
    }
    let loss = y.mean();
    match step {
        Step::SecondOrder => Ok(loss.grad([weight])[0].square().sum()),
        _ => Ok(loss),
    }
}

/// On a thread that has recorded nothing.
fn alone(model: &Model, step: Step) -> String {
    std::thread::scope(|scope| scope.spawn(|| seen(model, step)).join().expect("a step"))
}

#[test]
fn every_step_after_every_other_is_what_it_is_alone() {
    let model = model();
    let expected = STEPS.map(|step| alone(&model, step));
    // Steps do differ, so a step that is taken for another is seen.
    for (i, text) in expected.iter().enumerate() {
        let same = expected[..i].iter().position(|other| other == text);
        assert_eq!(same, None, "{:?} is like an earlier one", STEPS[i]);
    }
    for (i, &first) in STEPS.iter().enumerate() {
        for (j, &second) in STEPS.iter().enumerate() {
            for (step, expected) in [(first, &expected[i]), (second, &expected[j]), (second, &expected[j])] {
                assert_eq!(&seen(&model, step), expected, "{step:?} after {first:?} and {second:?}");
            }
        }
    }
}

#[test]
fn a_repeated_step_makes_no_plan() {
    let model = model();
    for step in STEPS {
        seen(&model, step);
        let before = plan_counters();
        seen(&model, step);
        assert_eq!(plan_counters().planned, before.planned, "{step:?}");
    }
}

fn slope<T: Element>(value: f64) -> Result<f64> {
    let tape = Tape::new();
    let x = tape.input(Tensor::scalar(T::of(value)));
    Ok((x * x).backward()?.wrt(x).map_or(f64::NAN, |slope| slope.as_slice()[0].to_f64()))
}

#[test]
fn element_types_and_living_tapes_do_not_meet() -> Result<()> {
    for value in [1.0, 2.0, 3.0] {
        assert_eq!((slope::<f32>(value)?, slope::<f64>(value)?), (2.0 * value, 2.0 * value));
    }
    let make = || Tape::<f64>::new();
    for value in [1.0, 2.0] {
        let (first, second) = (make(), make());
        let (x, y) = (first.input(Tensor::scalar(value)), second.input(Tensor::scalar(10.0 * value)));
        let (a, b) = ((x * x).backward()?, (y * y).backward()?);
        assert_eq!(a.wrt(x).expect("reached").item()?, 2.0 * value);
        assert_eq!(b.wrt(y).expect("reached").item()?, 20.0 * value);
        assert!(a.wrt(y).is_none());
    }
    Ok(())
}

#[test]
fn a_cleared_tape_is_recorded_over() -> Result<()> {
    let mut tape = Tape::new();
    let model = model();
    for round in 0..4 {
        let x = tape.constant(Tensor::full([4, 2], round as f64));
        let loss = x.matmul(tape.param(&model.weight)).square().sum();
        let gradients = loss.backward()?;
        let on_its_own = || {
            let tape = Tape::new();
            let x = tape.constant(Tensor::full([4, 2], round as f64));
            let gradients = x.matmul(tape.param(&model.weight)).square().sum().backward()?;
            Ok::<_, Error>(gradients.get(&model.weight).cloned())
        };
        let expected = std::thread::scope(|scope| scope.spawn(on_its_own).join());
        assert_eq!(gradients.get(&model.weight).cloned(), expected.expect("a step")?);
        tape.clear();
    }
    Ok(())
}

#[test]
fn gradients_stay_what_they_are() -> Result<()> {
    let model = model();
    let step = |value: f64| {
        let tape = Tape::new();
        (tape.param(&model.weight) * value).square().sum().backward()
    };
    let first = step(1.0)?;
    let kept = first.get(&model.weight).expect("reached").to_vec();
    let all = [step(2.0)?, step(3.0)?];
    assert_eq!(first.get(&model.weight).expect("reached").to_vec(), kept);
    for (gradients, value) in all.iter().zip([2.0f64, 3.0]) {
        let expected: Vec<f64> = kept.iter().map(|slope| slope * value * value).collect();
        assert_eq!(gradients.get(&model.weight).expect("reached").to_vec(), expected);
    }
    Ok(())
}

/// What an op holds, and how often its pullback was asked for.
#[derive(Debug)]
struct Counted(Rc<Cell<u32>>);

impl CustomOp<f64> for Counted {
    fn name(&self) -> &str {
        "counted"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0].clone())
    }
    fn forward(&self, inputs: &[ArrayViewD<'_, f64>], mut out: ArrayViewMutD<'_, f64>) -> Result<()> {
        out.assign(&inputs[0]);
        Ok(())
    }
    fn pullback<'t>(&self, _: &[Var<'t, f64>], _: Var<'t, f64>, cotangent: Var<'t, f64>) -> Pullback<'t, f64> {
        self.0.set(self.0.get() + 1);
        Pullback::one(cotangent * f64::from(self.0.get()))
    }
}

#[test]
fn a_users_op_is_asked_anew_and_let_go() -> Result<()> {
    let count = Rc::new(Cell::new(0));
    let shared: Rc<dyn CustomOp<f64>> = Rc::new(Counted(count.clone()));
    for round in 1..=6 {
        let tape = Tape::new();
        let x = tape.input(Tensor::from([1.0, 2.0]));
        let y = tape.custom_shared(&shared, &[x.tanh()]).sum();
        let slope = y.backward()?.wrt(x).expect("reached").to_vec();
        let plain = 1.0 - 1f64.tanh().powi(2);
        assert_eq!(count.get(), round);
        assert!((slope[0] - plain * f64::from(round)).abs() < 1e-12, "{slope:?} in round {round}");
        drop(tape);
        assert_eq!(Rc::strong_count(&shared), 1, "a tape that is gone holds no op");
    }
    Ok(())
}

#[test]
fn a_tape_that_is_gone_shares_no_memory() -> Result<()> {
    let mut weight = Param::new(Tensor::from([1.0, 2.0]));
    for _ in 0..4 {
        let tape = Tape::<f64>::new();
        let gradients = tape.param(&weight).square().sum().backward()?;
        drop(tape);
        let place = weight.value().as_slice().as_ptr();
        weight.as_mut_slice()[0] -= 0.1 * gradients.get(&weight).expect("reached").as_slice()[0];
        assert_eq!(weight.value().as_slice().as_ptr(), place, "written in place");
    }
    Ok(())
}

#[test]
#[allow(clippy::redundant_closure, reason = "each closure is a source line of its own")]
fn tapes_of_many_lines_and_long_programs() -> Result<()> {
    // More lines than memory is kept for, in turns, with lengths that differ from round to round.
    for round in 0..3 {
        let tapes: [fn() -> Tape<f64>; 10] = [
            || Tape::new(),
            || Tape::new(),
            || Tape::new(),
            || Tape::new(),
            || Tape::new(),
            || Tape::new(),
            || Tape::new(),
            || Tape::new(),
            || Tape::new(),
            || Tape::new(),
        ];
        for (i, make) in tapes.iter().enumerate() {
            let tape = make();
            let x = tape.input(Tensor::scalar(0.5));
            let length = 1 + (7 * i + 3 * round) % 11;
            let y = (0..length).fold(x, |y, _| y * 1.5);
            let slope = y.backward()?.wrt(x).expect("reached").item()?;
            assert_eq!(slope, 1.5f64.powi(length as i32));
        }
    }
    Ok(())
}
