//! A whole training step recorded once: forward, backward, optimiser.

use wengert_autograd::{Batch, Element, Error, ErrorKind, Module, Replay, Result, Tape, Var};

use crate::Optimizer;

/// Recordings of other shapes that are kept.
const MOST_RECORDINGS: usize = 16;

type Loss<M, B, T> = dyn for<'t> Fn(&M, &'t Tape<T>, &B) -> Var<'t, T>;

/// A training step that is recorded once and then replayed: nothing is recorded, hashed, looked up or allocated any more.
/// What comes out is bit for bit that of the ordinary loop
///
/// ```text
/// tape = Tape::new()  (or Tape::training(step), step = 0, 1, 2, ...)
/// optimizer.step(&mut model, &loss(&model, &tape, &batch).backward()?)?
/// ```
///
/// The program has a model and an optimiser of its own, copies of those that it is made with; see
/// [`write_back`](Program::write_back).
///
/// A batch is anything of tensors and indices in a fixed order ([`Batch`]): what the loss passes to `tape.constant`, or
/// uses as labels, is that of the batch of each step. Everything else must be the same in every step: the second step is
/// recorded too and compared with the first, so that a number of the first batch that went into the formula by way of
/// plain Rust code is an error and never a stale value. Decisions by values go through
/// [`Var::decide`](wengert_autograd::Var::decide) and are checked in every step. An op of one's own has no data, or is
/// shared ([`Tape::custom_shared`](wengert_autograd::Tape::custom_shared)): otherwise nobody can tell whether it is the same.
///
/// ```
/// use wengert_autograd::{Param, Tape, Tensor};
/// use wengert_optim::{Optimizer, Program, Sgd};
/// let weight = Param::new(Tensor::from([0.0f64]));
/// let mut program = Program::record(&weight, &Sgd::new(0.1), |weight, tape, (x, y): &(Tensor<f64>, Tensor<f64>)| {
///     (tape.param(weight) * tape.constant(x) - tape.constant(y)).square().mean()
/// })?;
/// let batch = (Tensor::from([1.0, 2.0]), Tensor::from([3.0, 6.0]));
/// assert_eq!(program.step(&batch)?, 22.5);                       // the loss before the step
/// assert_eq!(program.model().value().item()?, 1.5);              // 0 + 0.1 · mean(2 · 3 · 1, 2 · 6 · 2)
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub struct Program<M, B: ?Sized, T: Element = f32> {
    model: M,
    optimizer: Box<dyn Optimizer<T>>,
    loss: Box<Loss<M, B, T>>,
    /// One for each shape of batches that was met; the last used first.
    recordings: Vec<Recording<T>>,
    training: bool,
    rerecord: bool,
    steps: u64,
}

struct Recording<T: Element> {
    replay: Replay<T>,
    /// Whether a second recording was compared with it.
    compared: bool,
}

impl<M: Module<T> + Clone, B: Batch<T> + ?Sized, T: Element> Program<M, B, T> {
    /// A program of a copy of the model and a copy of the optimiser with its state. The step is recorded when the first
    /// batch is there.
    ///
    /// # Errors
    /// The model has no trained parameter.
    pub fn record(
        model: &M,
        optimizer: &(impl Optimizer<T> + Clone + 'static),
        loss: impl for<'t> Fn(&M, &'t Tape<T>, &B) -> Var<'t, T> + 'static,
    ) -> Result<Self> {
        let model = model.clone();
        if !model.parameters().iter().any(|parameter| parameter.is_trained()) {
            return Err(Error::new(ErrorKind::Argument, "the model has no trained parameter").op("Program::record"));
        }
        let (optimizer, loss) = (Box::new(optimizer.clone()), Box::new(loss));
        Ok(Program { model, optimizer, loss, recordings: vec![], training: false, rerecord: false, steps: 0 })
    }

    /// Records on a training tape, whose seed is the number of the step: dropout is on, statistics are the batch's.
    /// Default false.
    pub fn training(self, training: bool) -> Self {
        Program { training, recordings: vec![], ..self }
    }

    /// Whether a batch of other shapes, or a decision that comes out otherwise, makes the step be recorded again
    /// instead of being an error. Default false. Recordings of up to 16 shapes are kept.
    pub fn rerecord(self, rerecord: bool) -> Self {
        Program { rerecord, ..self }
    }

    /// One training step. The loss is that before the step.
    ///
    /// # Errors
    /// The model is then unchanged. [`ErrorKind::Replay`]: the batch has other shapes than the first, a decision comes
    /// out otherwise, or the formula depends on the batch by way of plain Rust code. Mistakes of the formula, and what
    /// the optimiser refuses.
    #[track_caller]
    pub fn step(&mut self, batch: &B) -> Result<T> {
        let known = self.recordings.iter().position(|recording| recording.replay.fits(batch));
        match known {
            Some(known) => {
                // The last used is found at once.
                self.recordings[..=known].rotate_right(1);
                self.compare(batch)?;
            }
            None if self.recordings.is_empty() || self.rerecord => self.record_for(batch)?,
            None => {}
        }
        let (seed, mut loss) = (self.steps, self.replayed(batch));
        if self.rerecord && known.is_some() && matches!(&loss, Err(error) if error.kind() == ErrorKind::Replay) {
            self.recordings.remove(0);
            self.record_for(batch)?;
            loss = self.replayed(batch);
        }
        let loss = loss?;
        self.optimizer.step(&mut self.model, self.recordings[0].replay.gradients())?;
        self.steps = seed + 1;
        Ok(loss)
    }

    /// A step with each batch; the losses before the steps.
    ///
    /// # Errors
    /// As [`step`](Program::step): the steps before the mistake are done.
    #[track_caller]
    pub fn run<'b>(&mut self, batches: impl IntoIterator<Item = &'b B>) -> Result<Vec<T>>
    where
        B: 'b,
    {
        let mut losses = vec![];
        for batch in batches {
            losses.push(self.step(batch)?);
        }
        Ok(losses)
    }

    fn replayed(&mut self, batch: &B) -> Result<T> {
        self.recordings[0].replay.run(&self.model, batch, self.steps)
    }

    /// Records the step for the shapes of a batch.
    #[track_caller]
    fn record_for(&mut self, batch: &B) -> Result<()> {
        let replay = self.recorded(batch)?;
        self.recordings.truncate(MOST_RECORDINGS - 1);
        self.recordings.insert(0, Recording { replay, compared: false });
        Ok(())
    }

    #[track_caller]
    fn recorded(&self, batch: &B) -> Result<Replay<T>> {
        let tape = if self.training { Tape::training(self.steps) } else { Tape::new() };
        Replay::record(tape, batch, |tape, batch| {
            let loss = (self.loss)(&self.model, tape, batch);
            tape.first_error().map(|()| loss)
        })
    }

    /// Compares the first recording with one of this batch, once.
    #[track_caller]
    fn compare(&mut self, batch: &B) -> Result<()> {
        if !self.recordings[0].compared {
            let outcome = self.recorded(batch).and_then(|other| self.recordings[0].replay.compare(&other));
            match outcome {
                Err(error) if self.rerecord && error.kind() == ErrorKind::Replay => {
                    self.recordings.remove(0);
                    return self.record_for(batch);
                }
                outcome => outcome?,
            }
            self.recordings[0].compared = true;
        }
        Ok(())
    }
}

impl<M: Module<T>, B: ?Sized, T: Element> Program<M, B, T> {
    /// The model as it is now.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The optimiser as it is now.
    pub fn optimizer(&self) -> &dyn Optimizer<T> {
        &*self.optimizer
    }

    /// The optimiser, for changing the learning rate between steps.
    pub fn optimizer_mut(&mut self) -> &mut dyn Optimizer<T> {
        &mut *self.optimizer
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Gives a model the present values of all parameters and buffers.
    ///
    /// # Errors
    /// [`ErrorKind::State`]: the model is not of the same structure.
    pub fn write_back(&self, model: &mut M) -> Result<()> {
        model.load_state_dict(&self.model.state_dict())
    }
}

impl<M: std::fmt::Debug, B: ?Sized, T: Element> std::fmt::Debug for Program<M, B, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("model", &self.model).field("steps", &self.steps).finish_non_exhaustive()
    }
}
