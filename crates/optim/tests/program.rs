//! A replayed step against the ordinary loop, bit by bit, and everything that must not be replayed.

use wengert_autograd::{
    ErrorKind, IndexTensor, Module, Param, Path, Replay, Result, Tape, Tensor, Var, Visitor, VisitorMut,
};
use wengert_optim::{Adam, AdamW, Optimizer, Program, Sgd};

#[derive(Clone, Debug)]
struct Net {
    first: Param<f64>,
    second: Param<f64>,
    mean: Param<f64>,
}

impl Module<f64> for Net {
    fn visit<'m>(&'m self, path: &mut Path, visitor: &mut Visitor<'_, 'm, f64>) {
        path.enter("first", |path| self.first.visit(path, visitor));
        path.enter("second", |path| self.second.visit(path, visitor));
        path.enter("mean", |path| self.mean.visit(path, visitor));
    }

    fn visit_mut<'m>(&'m mut self, path: &mut Path, visitor: &mut VisitorMut<'_, 'm, f64>) {
        path.enter("first", |path| self.first.visit_mut(path, visitor));
        path.enter("second", |path| self.second.visit_mut(path, visitor));
        path.enter("mean", |path| self.mean.visit_mut(path, visitor));
    }
}

fn spread(shape: &[usize], salt: usize) -> Tensor<f64> {
    Tensor::from_fn(shape, |i| 2.0 * ((i + salt) as f64 * 0.618_033_988_749_894_9).fract() - 1.0)
}

fn net() -> Net {
    Net {
        first: Param::new(spread(&[3, 5], 1)),
        second: Param::new(spread(&[5, 4], 20)),
        mean: Param::buffer(Tensor::zeros([3])),
    }
}

type Data = (Tensor<f64>, IndexTensor);

fn batch(rows: usize, salt: usize) -> Data {
    (spread(&[rows, 3], salt), (0..rows).map(|i| (i + salt) % 4).collect::<Vec<usize>>().into())
}

/// Dropout, a running mean and labels: everything that a step can depend on besides numbers.
fn loss<'t>(net: &Net, tape: &'t Tape<f64>, (x, labels): &Data) -> Var<'t, f64> {
    let x = tape.constant(x);
    tape.update(&net.mean, tape.param(&net.mean) * 0.9 + x.mean_axes(&[0], false) * 0.1);
    let hidden = (x.matmul(tape.param(&net.first)) + tape.param(&net.mean).sum()).tanh().dropout(0.25);
    let scores = hidden.matmul(tape.param(&net.second)).log_softmax(-1);
    let labels = labels.reshape([labels.len(), 1]).unwrap();
    -scores.gather(-1, &labels).mean()
}

fn same_as_the_loop(optimizer: impl Optimizer<f64> + Clone + 'static, training: bool) {
    let mut model = net();
    let mut program = Program::record(&model, &optimizer, loss).unwrap().training(training);
    let mut optimizer = optimizer;
    for step in 0..12 {
        let batch = batch(6, 31 * step);
        let tape = if training { Tape::training(step as u64) } else { Tape::new() };
        let expected = loss(&model, &tape, &batch);
        optimizer.step(&mut model, &expected.backward().unwrap()).unwrap();
        assert_eq!(program.step(&batch).unwrap().to_bits(), expected.item().unwrap().to_bits(), "loss of step {step}");
        for ((path, own), (_, replayed)) in model.named_parameters().into_iter().zip(program.model().named_parameters())
        {
            assert_eq!(own.value(), replayed.value(), "{path} after step {step}");
        }
    }
    let mut copy = net();
    program.write_back(&mut copy).unwrap();
    assert_eq!(copy.first.value(), model.first.value());
    assert_eq!(copy.mean.value(), model.mean.value());
    assert_eq!(program.optimizer().state_dict(), optimizer.state_dict());
}

#[test]
fn a_program_is_the_loop_bit_by_bit() {
    same_as_the_loop(Sgd::new(0.1).momentum(0.9), false);
    same_as_the_loop(Adam::new(0.05), true);
    same_as_the_loop(AdamW::new(0.05), true);
}

#[test]
fn the_learning_rate_can_change_between_steps() {
    let mut program = Program::record(&net(), &Sgd::new(0.1), loss).unwrap();
    program.step(&batch(4, 0)).unwrap();
    program.optimizer_mut().set_learning_rate(0.0);
    let before = program.model().first.value().clone();
    program.step(&batch(4, 1)).unwrap();
    assert_eq!(program.model().first.value(), &before);
    assert_eq!(program.steps(), 2);
}

#[test]
fn another_shape_is_an_error_or_recorded() {
    let mut program = Program::record(&net(), &Sgd::new(0.1), loss).unwrap();
    program.step(&batch(6, 0)).unwrap();
    let before = program.model().first.value().clone();
    let error = program.step(&batch(5, 0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Replay);
    assert!(error.to_string().contains("part 0 of the batch has shape [5, 3], the recorded one had [6, 3]"), "{error}");
    assert_eq!((program.model().first.value(), program.steps()), (&before, 1));

    let mut program = Program::record(&net(), &Sgd::new(0.1), loss).unwrap().rerecord(true);
    let mut model = net();
    for (step, rows) in [6, 6, 5, 6, 5, 1].into_iter().enumerate() {
        let batch = batch(rows, step);
        let tape = Tape::new();
        let expected = loss(&model, &tape, &batch);
        Sgd::new(0.1).step(&mut model, &expected.backward().unwrap()).unwrap();
        assert_eq!(program.step(&batch).unwrap(), expected.item().unwrap());
    }
    assert_eq!(program.model().second.value(), model.second.value());
}

fn stale<'t>(net: &Net, tape: &'t Tape<f64>, batch: &Data) -> Var<'t, f64> {
    loss(net, tape, batch) * batch.0.as_slice()[0]
}

#[test]
fn a_number_of_the_batch_in_plain_code_is_found() {
    let mut program = Program::record(&net(), &Sgd::new(0.1), stale).unwrap();
    program.step(&batch(4, 0)).unwrap();
    let error = program.step(&batch(4, 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Replay);
    assert!(error.to_string().contains("program.rs"), "{error}");
}

/// Records one branch for batches whose first number is positive, the other for the rest.
fn branching<'t>(net: &Net, tape: &'t Tape<f64>, (x, _): &Data) -> Var<'t, f64> {
    let x = tape.constant(x);
    let y = x.matmul(tape.param(&net.first)).square().mean() + tape.param(&net.second).square().mean();
    match x.get_first().gt(0.0).decide() {
        Ok(true) => y * 2.0,
        Ok(false) => y,
        Err(error) => tape.fail(error),
    }
}

#[test]
fn decisions_are_checked_in_every_step() {
    let (up, down) = (Tensor::from([[0.5, 0.0, 0.0]]), Tensor::from([[-0.5, 0.0, 0.0]]));
    let labels = IndexTensor::from(vec![0]);
    let mut program = Program::record(&net(), &Sgd::new(0.0), branching).unwrap();
    let first = program.step(&(up.clone(), labels.clone())).unwrap();
    assert_eq!(program.step(&(up.clone(), labels.clone())).unwrap(), first);
    let error = program.step(&(down.clone(), labels.clone())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Replay);
    assert!(error.to_string().contains("was true when the step was recorded"), "{error}");

    let mut program = Program::record(&net(), &Sgd::new(0.0), branching).unwrap().rerecord(true);
    assert_eq!(program.step(&(up.clone(), labels.clone())).unwrap(), first);
    assert_eq!(program.step(&(up.clone(), labels.clone())).unwrap(), first);
    assert_eq!(program.step(&(down, labels.clone())).unwrap(), first / 2.0);
    assert_eq!(program.step(&(up, labels)).unwrap(), first);
}

trait First<'t> {
    fn get_first(self) -> Var<'t, f64>;
}

impl<'t> First<'t> for Var<'t, f64> {
    fn get_first(self) -> Var<'t, f64> {
        self.flatten().slice(0, 0..1, 1).reshape([])
    }
}

#[test]
fn values_asked_for_while_recording_are_refused() {
    let mut program = Program::record(&net(), &Sgd::new(0.1), |net, tape, batch: &Data| {
        let y = loss(net, tape, batch);
        match y.item() {
            Ok(value) if value > 0.0 => y,
            Ok(_) => y * 2.0,
            Err(error) => tape.fail(error),
        }
    })
    .unwrap();
    let error = program.step(&batch(4, 0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Replay);
    assert!(error.to_string().contains("decide"), "{error}");
}

#[test]
fn one_tensor_twice_in_a_batch_stays_one() {
    type Pair = (Tensor<f64>, Tensor<f64>);
    let mut program = Program::record(&Param::new(spread(&[3], 0)), &Sgd::new(0.1), |weight, tape, (x, y): &Pair| {
        (tape.param(weight) * tape.constant(x) - tape.constant(y)).square().sum()
    })
    .unwrap();
    let x = spread(&[3], 4);
    program.step(&(x.clone(), x.clone())).unwrap();
    program.step(&(x.clone(), x.clone())).unwrap();
    let error = program.step(&(x, spread(&[3], 5))).unwrap_err();
    assert!(error.to_string().contains("parts 0 and 1"), "{error}");
}

#[test]
fn mistakes_come_back() {
    let frozen = {
        let mut parameter = Param::new(spread(&[3], 0));
        parameter.freeze();
        parameter
    };
    type Lone = Tensor<f64>;
    let made = Program::record(&frozen, &Sgd::new(0.1), |p, tape, x: &Lone| (tape.param(p) * tape.constant(x)).sum());
    assert!(made.unwrap_err().to_string().contains("no trained parameter"));

    let weight = Param::new(spread(&[3], 0));
    let mut program =
        Program::record(&weight, &Sgd::new(0.1), |p, tape, x: &Lone| (tape.param(p) * tape.constant(x)).sum()).unwrap();
    let error = program.step(&spread(&[2], 0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);
    assert_eq!(program.steps(), 0);
}

#[test]
fn a_parameter_that_is_frozen_meanwhile_is_found() -> Result<()> {
    let mut weight = Param::new(spread(&[3], 0));
    let x = spread(&[3], 1);
    let mut replay = Replay::record(Tape::new(), &x, |tape, x| Ok((tape.param(&weight) * tape.constant(x)).sum()))?;
    replay.run(&weight, &x, 0)?;
    weight.freeze();
    let error = replay.run(&weight, &x, 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Replay);
    assert!(error.to_string().contains("is frozen now"), "{error}");
    assert!(replay.gradients().is_empty());
    weight.unfreeze();
    replay.run(&weight, &x, 0)?;
    assert_eq!(replay.gradients().get(&weight), Some(&x));
    let other = Param::new(spread(&[3], 0));
    assert!(replay.run(&other, &x, 0).unwrap_err().to_string().contains("are not of this model"));
    Ok(())
}

/// A gradient that is a parameter, two that are one node, one that is a number, an input's, and a loss that is a leaf.
#[test]
fn gradients_that_are_not_computed_are_right_in_every_run() -> Result<()> {
    let mut model = (Param::new(Tensor::scalar(3.0)), Param::new(Tensor::scalar(5.0)));
    let mut product = Replay::record(Tape::new(), &(), |tape, _| Ok(tape.param(&model.0) * tape.param(&model.1)))?;
    let mut sum = Replay::record(Tape::new(), &(), |tape, _| Ok(tape.param(&model.0) + tape.param(&model.1)))?;
    let mut lone = Replay::record(Tape::new(), &(), |tape, _| Ok(tape.param(&model.0)))?;
    for step in 0..4 {
        let (a, b) = (model.0.value().item()?, model.1.value().item()?);
        assert_eq!(product.run(&model, &(), 0)?, a * b);
        assert_eq!(sum.run(&model, &(), 0)?, a + b);
        assert_eq!(lone.run(&model, &(), 0)?, a);
        model.0.as_mut_slice()[0] += 1.0 + f64::from(step);
        model.1.as_mut_slice()[0] *= 2.0;
        let both = |replay: &Replay<f64>| {
            [&model.0, &model.1].map(|p| replay.gradients().get(p).map(|gradient| gradient.as_slice()[0]))
        };
        assert_eq!(both(&product), [Some(b), Some(a)]);
        assert_eq!(both(&sum), [Some(1.0), Some(1.0)]);
        assert_eq!(both(&lone), [Some(1.0), None]);
    }
    Ok(())
}

#[test]
fn gradients_of_a_replay_can_be_kept() -> Result<()> {
    let weight = Param::new(spread(&[4], 0));
    let mut replay = Replay::record(Tape::new(), &spread(&[4], 1), |tape, x| {
        Ok((tape.param(&weight) * tape.constant(x)).square().sum())
    })?;
    let mut kept = vec![];
    for salt in 0..5 {
        let x = spread(&[4], salt);
        replay.run(&weight, &x, 0)?;
        kept.push((x, replay.gradients().clone()));
    }
    for (x, gradients) in kept {
        let tape = Tape::new();
        let expected = (tape.param(&weight) * tape.constant(&x)).square().sum().backward()?;
        assert_eq!(gradients.get(&weight), expected.get(&weight));
    }
    Ok(())
}

#[test]
fn running_batches_is_a_step_with_each() -> Result<()> {
    let batches: Vec<Data> = (0..5).map(|salt| batch(6, salt)).collect();
    let mut by_steps = Program::record(&net(), &Adam::new(0.05), loss)?;
    let expected: Vec<f64> = batches.iter().map(|batch| by_steps.step(batch)).collect::<Result<_>>()?;
    let mut at_once = Program::record(&net(), &Adam::new(0.05), loss)?;
    assert_eq!(at_once.run(&batches)?, expected);
    assert_eq!(at_once.steps(), 5);
    let wrong = [batch(6, 0), batch(5, 1), batch(6, 2)];
    assert_eq!(at_once.run(&wrong).unwrap_err().kind(), ErrorKind::Replay);
    assert_eq!(at_once.steps(), 6, "the steps before the mistake are done");
    Ok(())
}
