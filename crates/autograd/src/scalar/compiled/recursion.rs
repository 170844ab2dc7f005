//! Recursions: the body of a loop is recorded once, and replayed for each step.

use super::engine::{expect, run, run_one, sweep};
use super::forward::forward;
use super::fuse::Request;
use super::graph::Graph;
use super::program::{Program, Purpose, build};
use super::reduce::Frontier;
use super::rows::Pair;
use super::slot::{Memory, Slot};
use super::step::{Back, Body};
use super::traced::{self, Traced};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::{Element, Number};

/// The steps of a [`Recursion`]: how many, or a row of data for each, one after the other.
///
/// A count and a slice convert into it.
#[derive(Clone, Copy, Debug)]
pub enum Steps<'a, T> {
    /// So many steps, of a recursion whose rows are empty.
    Count(usize),
    /// One step for each row.
    Rows(&'a [T]),
}

impl<T> From<usize> for Steps<'_, T> {
    fn from(count: usize) -> Self {
        Steps::Count(count)
    }
}

impl<'a, T> From<&'a [T]> for Steps<'a, T> {
    fn from(rows: &'a [T]) -> Self {
        Steps::Rows(rows)
    }
}

impl<'a, T, const N: usize> From<&'a [T; N]> for Steps<'a, T> {
    fn from(rows: &'a [T; N]) -> Self {
        Steps::Rows(rows)
    }
}

impl<'a, T> From<&'a Vec<T>> for Steps<'a, T> {
    fn from(rows: &'a Vec<T>) -> Self {
        Steps::Rows(rows)
    }
}

/// `L(θ, s₀) = Σᵢ f(θ, sᵢ, dᵢ) + h(θ, sₙ)` with `sᵢ₊₁ = g(θ, sᵢ, dᵢ)`: a recursion of fixed structure, of which one step is
/// recorded, once.
///
/// The recording has the size of one step, however many there are. What depends on θ alone is computed once for all steps.
/// The sweep back through a step is recorded too: it starts from the state that was kept, computes again what is cheap
/// (sums and products), and uses what was kept of the rest (quotients, elementary functions). So memory grows with the
/// number of steps by the state and those numbers only. Steps follow each other on one thread; within a step, operations of
/// one kind are vectorised over the state.
///
/// Where only part of a state reaches the end (a few steps along a chain), a [`Compiled`](super::Compiled) of the whole
/// recursion can be faster: it leaves out what nothing reaches.
///
/// A comparison within a step is a guard: where it comes out otherwise, in any step, the replay is an error that names the
/// step and the source line.
///
/// ```
/// use wengert_autograd::scalar::{Recursion, Traced};
/// // y' = -r y by Euler's method in steps of 0.1, and how far y ends from 0.5, squared.
/// let mut end = Recursion::record(
///     &[1.0],
///     &[1.0],
///     &[],
///     |r, y, _| (vec![y[0] - 0.1 * r[0] * y[0]], Traced::from(0.0)),
///     |_, y| (y[0] - 0.5) * (y[0] - 0.5),
/// )?;
/// let (mut by_r, mut by_y) = ([0.0], [0.0]);
/// let value = end.value_and_gradient(&[2.0], &[1.0], 3, [&mut by_r, &mut by_y])?;
/// let y = 0.8f64.powi(3);
/// assert!((value - (y - 0.5).powi(2)).abs() < 1e-15);
/// assert!((by_r[0] - 2.0 * (y - 0.5) * 3.0 * 0.64 * -0.1).abs() < 1e-15);
/// assert!((by_y[0] - 2.0 * (y - 0.5) * y).abs() < 1e-15);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Debug)]
pub struct Recursion<T: Element = f64> {
    parameters: usize,
    state: usize,
    width: usize,
    body: Body<T>,
    /// From θ to what the steps use of it.
    prologue: Program<T>,
    /// From θ and the last state to what is added at the end.
    last: Program<T>,
    plain: Option<Work<T>>,
    dual: Option<Work<Pair<T>>>,
}

/// Memory of one kind of numbers.
#[derive(Debug)]
struct Work<S> {
    prologue: Memory<S>,
    step: Memory<S>,
    /// For the sweep back, and for the one by the zero rule.
    back: [Option<Memory<S>>; 2],
    last: Memory<S>,
    /// A record for each step: the state that it starts from, and what is kept of it.
    records: Vec<S>,
    /// The derivatives by θ and by the state.
    derivatives: [Vec<S>; 2],
    buffer: Vec<S>,
}

impl<T: Element> Recursion<T> {
    /// Records one step at the parameters `theta0`, the state `state0` and the row of data `row0` (empty where steps need
    /// none), and what is added at the end.
    ///
    /// `step` returns the next state and the step's term; `last` is given the parameters and the last state. A constant,
    /// `Traced::from(0.0)`, where there is nothing to add.
    ///
    /// # Errors
    /// Where numbers of two recordings met in one operation, or the next state has another length.
    pub fn record(
        theta0: &[T],
        state0: &[T],
        row0: &[T],
        step: impl FnOnce(&[Traced<T>], &[Traced<T>], &[Traced<T>]) -> (Vec<Traced<T>>, Traced<T>),
        last: impl FnOnce(&[Traced<T>], &[Traced<T>]) -> Traced<T>,
    ) -> Result<Self> {
        let (parameters, state, width) = (theta0.len(), state0.len(), row0.len());
        let inputs = [theta0, row0, state0].concat();
        let step = traced::record(&inputs, |x| {
            let (theta, rest) = x.split_at(parameters);
            let (row, state) = rest.split_at(width);
            let (mut next, term) = step(theta, state, row);
            next.push(term);
            next
        })?;
        let inputs = [theta0, state0].concat();
        let last = traced::record(&inputs, |x| vec![last(&x[..parameters], &x[parameters..])])?;
        Self::assemble([parameters, width, state], step, last)
    }

    /// Makes the programs of what was recorded: graphs, with the nodes of their outputs.
    fn assemble(
        [parameters, width, state]: [usize; 3],
        (mut graph, outputs): (Graph<T>, Vec<u32>),
        (mut end, value): (Graph<T>, Vec<u32>),
    ) -> Result<Self> {
        expect("number in the next state", state, outputs.len() - 1)?;
        let Frontier { nodes: frontier, inside, outside } = Frontier::new(&mut graph, parameters, &outputs);
        let leaves: Vec<u32> = (0..(parameters + state) as u32).collect();
        let active = vec![true; parameters + state];
        let (theta, by_theta) = (&leaves[..parameters], &active[..parameters]);
        let before = Request { leaves: theta, active: by_theta, outputs: &frontier, guards: &outside };
        let prologue = build(&mut graph, before, Purpose::Gradient);
        let body = Body::new(graph, frontier, outputs, &inside, [parameters, width]);
        let guards = std::mem::take(&mut end.guards);
        let after = Request { leaves: &leaves, active: &active, outputs: &value, guards: &guards };
        let last = build(&mut end, after, Purpose::Gradient);
        Ok(Recursion { parameters, state, width, body, prologue, last, plain: None, dual: None })
    }

    /// How many operations a step takes forwards and backwards.
    pub fn operations(&self) -> (usize, usize) {
        (self.body.step.statements(), self.body.back[0].as_ref().map_or(0, |back| back.program.statements()))
    }

    /// Numbers that are kept of each step for the sweep back.
    pub fn kept(&self) -> usize {
        self.state + self.body.kept()
    }

    /// `L(θ, s₀)`.
    ///
    /// # Errors
    /// On wrong lengths, or a step that takes another branch than the recorded one: the error names step and source line.
    pub fn value<'a>(&mut self, theta: &[T], state: &[T], steps: impl Into<Steps<'a, T>>) -> Result<T>
    where
        T: 'a,
    {
        let (count, rows) = self.steps(theta, state, steps.into())?;
        let mut work = self.plain.take().unwrap_or_else(|| self.work());
        let result = self.forward(&mut work, [theta, state], [|_, x| x; 2], (count, rows), 0);
        self.plain = Some(work);
        result
    }

    /// `L(θ, s₀)`, and its derivatives by θ and by s₀ into `gradients`.
    ///
    /// # Errors
    /// As for [`Recursion::value`].
    pub fn value_and_gradient<'a>(
        &mut self,
        theta: &[T],
        state: &[T],
        steps: impl Into<Steps<'a, T>>,
        gradients: [&mut [T]; 2],
    ) -> Result<T>
    where
        T: 'a,
    {
        let steps = self.steps(theta, state, steps.into())?;
        self.room(&gradients)?;
        let mut work = self.plain.take().unwrap_or_else(|| self.work());
        let result = self.gradient(&mut work, [theta, state], [|_, x| x; 2], steps);
        if result.is_ok() {
            for (gradient, derivatives) in gradients.into_iter().zip(&work.derivatives) {
                gradient.copy_from_slice(derivatives);
            }
        }
        self.plain = Some(work);
        result
    }

    /// The gradient, and the product of the Hessian with the direction `v`, each by θ and by s₀: the sweep in dual numbers.
    ///
    /// ```
    /// use wengert_autograd::scalar::{Recursion, Traced};
    /// // s₃ = θ³ s₀
    /// let step = |x: &[Traced], s: &[Traced], _: &[Traced]| (vec![x[0] * s[0]], Traced::from(0.0));
    /// let mut f = Recursion::record(&[1.0], &[1.0], &[], step, |_, s| s[0])?;
    /// let (mut g, mut h) = ([[0.0]; 2], [[0.0]; 2]);
    /// let [g0, g1] = &mut g;
    /// let [h0, h1] = &mut h;
    /// f.gradient_and_hvp(&[2.0], &[5.0], 3, [&[1.0], &[0.0]], [g0, g1], [h0, h1])?;
    /// assert_eq!((g, h), ([[60.0], [8.0]], [[60.0], [12.0]]));         // 3 θ² s₀, θ³; 6 θ s₀, 3 θ²
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Recursion::value`].
    pub fn gradient_and_hvp<'a>(
        &mut self,
        theta: &[T],
        state: &[T],
        steps: impl Into<Steps<'a, T>>,
        v: [&[T]; 2],
        gradients: [&mut [T]; 2],
        products: [&mut [T]; 2],
    ) -> Result<()>
    where
        T: 'a,
    {
        let steps = self.steps(theta, state, steps.into())?;
        expect("entry of the direction", self.parameters, v[0].len())?;
        expect("entry of the direction", self.state, v[1].len())?;
        self.room(&gradients)?;
        self.room(&products)?;
        let mut work = self.dual.take().unwrap_or_else(|| self.work());
        let result =
            self.gradient(&mut work, [theta, state], v.map(|v| move |i: usize, x| Pair { v: x, d: v[i] }), steps);
        if result.is_ok() {
            for ((gradient, product), derivatives) in gradients.into_iter().zip(products).zip(&work.derivatives) {
                for ((gradient, product), pair) in gradient.iter_mut().zip(product).zip(derivatives) {
                    (*gradient, *product) = (pair.v, pair.d);
                }
            }
        }
        self.dual = Some(work);
        result.map(drop)
    }

    fn work<S: Slot<Base = T>>(&self) -> Work<S> {
        Work {
            prologue: Memory::new(&self.prologue, 1),
            step: Memory::new(&self.body.step, 1),
            back: [None, None],
            last: Memory::new(&self.last, 1),
            records: Vec::new(),
            derivatives: [vec![S::NOTHING; self.parameters], vec![S::NOTHING; self.state]],
            buffer: vec![S::NOTHING; self.state + self.body.parts()],
        }
    }

    /// The number of steps, and their rows.
    fn steps<'a>(&self, theta: &[T], state: &[T], steps: Steps<'a, T>) -> Result<(usize, &'a [T])> {
        expect("parameter", self.parameters, theta.len())?;
        expect("number in the state", self.state, state.len())?;
        match (steps, self.width) {
            (Steps::Count(count), 0) => Ok((count, &[])),
            (Steps::Count(_), width) => {
                let what = format!("the steps were recorded with rows of {width} numbers, and given as a count");
                Err(Error::new(ErrorKind::Shape, what).hint("give the rows themselves"))
            }
            (Steps::Rows(rows), width) => {
                let count = rows.len() / width.max(1);
                expect("number in whole rows", count * width, rows.len())?;
                Ok((count, rows))
            }
        }
    }

    fn room(&self, [by_theta, by_state]: &[&mut [T]; 2]) -> Result<()> {
        expect("place for derivatives", self.parameters, by_theta.len())?;
        expect("place for derivatives", self.state, by_state.len())
    }

    /// The value. Each step leaves a record of `stride` numbers; they share one where that is 0.
    fn forward<S: Slot<Base = T>>(
        &self,
        work: &mut Work<S>,
        [theta, state]: [&[T]; 2],
        [of_theta, of_state]: [impl Fn(usize, T) -> S; 2],
        (count, rows): (usize, &[T]),
        stride: usize,
    ) -> Result<T> {
        let too_many = || Error::new(ErrorKind::Numeric, format!("no memory for the states of {count} steps"));
        let length = stride.checked_mul(count).and_then(|all| all.checked_add(self.kept())).ok_or_else(too_many)?;
        if work.records.len() < length {
            work.records.try_reserve_exact(length - work.records.len()).map_err(|error| too_many().caused_by(error))?;
            work.records.resize(length, S::NOTHING);
        }
        for (i, &x) in theta.iter().enumerate() {
            work.prologue.values[i] = of_theta(i, x);
            work.last.values[i] = of_theta(i, x);
        }
        for (i, &x) in state.iter().enumerate() {
            work.records[i] = of_state(i, x);
        }
        run_one::<S, 1>(&self.prologue, &mut work.prologue)?;
        let Body { step, keep, next, .. } = &self.body;
        for (place, &[from, _]) in self.prologue.outputs.iter().enumerate() {
            work.step.values[place] = work.prologue.values[from as usize];
        }
        let (row_at, state_at) = (self.body.parts(), self.body.parts() + self.width);
        let term = step.outputs[self.state][0] as usize;
        let mut value = S::NOTHING;
        for i in 0..count {
            let (before, after) = (i * stride, (i + 1) * stride);
            let row = &rows[i * self.width..][..self.width];
            work.step.values[row_at..state_at].iter_mut().zip(row).for_each(|(place, &x)| *place = S::fixed(x));
            work.step.values[state_at..][..self.state].copy_from_slice(&work.records[before..][..self.state]);
            run::<S, 1>(step, &mut work.step).map_err(|(_, error)| error.op(format!("step {i}")))?;
            if stride > 0 {
                keep.copy(&work.step.values, &mut work.records[before..]);
            }
            next.copy(&work.step.values, &mut work.records[after..]);
            value = value + work.step.values[term];
        }
        let end = &work.records[count * stride..][..self.state];
        work.last.values[self.parameters..][..self.state].copy_from_slice(end);
        run_one::<S, 1>(&self.last, &mut work.last)?;
        let [last, _] = self.last.outputs[0];
        Ok((value + work.last.values[last as usize]).number())
    }

    /// The value, and the derivatives into the memory.
    fn gradient<S: Slot<Base = T>>(
        &mut self,
        work: &mut Work<S>,
        at: [&[T]; 2],
        kinds: [impl Fn(usize, T) -> S; 2],
        steps: (usize, &[T]),
    ) -> Result<T> {
        let value = self.forward(work, at, kinds, steps, self.kept())?;
        let one = S::fixed(<T as Number>::ONE);
        sweep::<S, 1>(&self.last, &mut work.last, |_, lanes| lanes[0] = lanes[0] + one);
        let adjoints = &mut work.last.adjoints[..self.parameters + self.state];
        for (to, from) in work.derivatives.iter_mut().flatten().zip(adjoints) {
            *to = std::mem::replace(from, S::NOTHING);
        }
        // A sweep whose cotangents come out NaN is done again by the zero rule.
        if !self.back(work, steps, false) {
            self.body.make_careful();
            self.back(work, steps, true);
        }
        let cotangents = &work.buffer[self.state..];
        sweep::<S, 1>(&self.prologue, &mut work.prologue, |i, lanes| lanes[0] = lanes[0] + cotangents[i]);
        for (sum, part) in work.derivatives[0].iter_mut().zip(work.prologue.adjoints.iter_mut()) {
            *sum = *sum + std::mem::replace(part, S::NOTHING);
        }
        work.derivatives[1].copy_from_slice(&work.buffer[..self.state]);
        Ok(value)
    }

    /// Sweeps back through all steps; the cotangents of the first state and of θ's parts stay in the buffer. Whether none
    /// of them is NaN.
    fn back<S: Slot<Base = T>>(&self, work: &mut Work<S>, (count, rows): (usize, &[T]), zero_rule: bool) -> bool {
        let Some(Back { program, moves }) = &self.body.back[usize::from(zero_rule)] else { return false };
        let memory = work.back[usize::from(zero_rule)].get_or_insert_with(|| Memory::new(program, 1));
        let (row_at, record_at) = (self.body.parts(), self.body.parts() + self.width);
        let (kept, cotangents) = (self.kept(), work.buffer.len());
        let cotangents = record_at + kept..record_at + kept + cotangents;
        memory.values[..row_at].copy_from_slice(&work.step.values[..row_at]);
        memory.values[cotangents.clone()].fill(S::NOTHING);
        memory.values[cotangents.start..][..self.state].copy_from_slice(&work.derivatives[1]);
        for i in (0..count).rev() {
            let row = &rows[i * self.width..][..self.width];
            memory.values[row_at..record_at].iter_mut().zip(row).for_each(|(place, &x)| *place = S::fixed(x));
            memory.values[record_at..][..kept].copy_from_slice(&work.records[i * kept..][..kept]);
            forward::<S, 1>(program, memory);
            moves.copy(&memory.values, &mut work.buffer);
            memory.values[cotangents.clone()].copy_from_slice(&work.buffer);
        }
        work.buffer.copy_from_slice(&memory.values[cotangents]);
        // Without a branch for each.
        !work.buffer.iter().fold(false, |any, x| any | x.spoiled())
    }
}
