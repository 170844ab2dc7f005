//! A recording made ready: its programs, with memory for one point, for lanes of points, and for duals.

use std::sync::{Mutex, PoisonError};

use super::backward::backward;
use super::forward::forward;
use super::fuse::Request;
use super::graph::{Graph, NONE, Relation};
use super::program::{Check, Program, Purpose, build};
use super::rows::Pair;
use super::slot::{Memory, Slot};
use super::tangent::Tangents;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::{Element, Number};

/// Points that go through a program together.
pub(super) const LANES: usize = 8;

/// The programs of one recording.
#[derive(Debug)]
pub(super) struct Engine<T: Element> {
    pub(super) inputs: usize,
    /// Of the inputs, so many come first that derivatives are by.
    pub(super) variables: usize,
    pub(super) outputs: usize,
    values: Program<T>,
    pub(super) sweep: Program<T>,
    /// For Jacobians with fewer inputs than outputs.
    forward: Option<Program<T>>,
    one_value: Memory<T>,
    pub(super) one: Option<Memory<T>>,
    pub(super) lanes: Pool<T>,
    tangents: Option<Tangents<T>>,
    pub(super) dual: Option<Memory<Pair<T>>>,
    pub(super) dual_lanes: Option<Memory<Pair<T>>>,
}

impl<T: Element> Engine<T> {
    pub(super) fn new(mut graph: Graph<T>, variables: usize, outputs: &[u32]) -> Self {
        let guards = std::mem::take(&mut graph.guards);
        let inputs = graph.inputs;
        let leaves: Vec<u32> = (0..inputs as u32).collect();
        let active: Vec<bool> = (0..inputs).map(|i| i < variables).collect();
        let request = Request { leaves: &leaves, active: &active, outputs, guards: &guards };
        let values = build(&mut graph, request, Purpose::Value);
        let sweep = build(&mut graph, request, Purpose::Gradient);
        let forward = (variables < outputs.len()).then(|| build(&mut graph, request, Purpose::Tangent));
        let one_value = Memory::new(&values, 1);
        let lanes = Pool::default();
        let outputs = outputs.len();
        Engine {
            inputs,
            variables,
            outputs,
            values,
            sweep,
            forward,
            one_value,
            one: None,
            lanes,
            tangents: None,
            dual: None,
            dual_lanes: None,
        }
    }

    /// Statements of the program, and places that its values take in a run without and with cotangents.
    pub(super) fn size(&self) -> [usize; 3] {
        [self.sweep.statements(), self.values.slots, self.sweep.slots + self.sweep.adjoint_slots]
    }

    /// Values of the outputs.
    pub(super) fn values(&mut self, x: &[T], y: &mut [T]) -> Result<()> {
        expect("input", self.inputs, x.len())?;
        expect("place for outputs", self.outputs, y.len())?;
        let memory = &mut self.one_value;
        memory.values[..x.len()].copy_from_slice(x);
        run_one::<T, 1>(&self.values, memory)?;
        for (y, &[place, _]) in y.iter_mut().zip(&self.values.outputs) {
            *y = memory.value(place)[0];
        }
        Ok(())
    }

    /// Values, and the cotangents of the inputs where the outputs have the cotangents `w`.
    pub(super) fn pull(&mut self, x: &[T], w: &[T], g: &mut [T], mut y: impl FnMut(usize, T)) -> Result<()> {
        expect("input", self.inputs, x.len())?;
        expect("place for derivatives", self.variables, g.len())?;
        expect("cotangent", self.outputs, w.len())?;
        let program = &self.sweep;
        let memory = self.one.get_or_insert_with(|| Memory::new(program, 1));
        memory.values[..x.len()].copy_from_slice(x);
        run_one::<T, 1>(program, memory)?;
        for (i, &[place, _]) in program.outputs.iter().enumerate() {
            y(i, memory.value(place)[0]);
        }
        sweep::<T, 1>(program, memory, |output, lanes| lanes[0] += w[output]);
        let cotangents = &mut memory.adjoints[..g.len()];
        g.copy_from_slice(cotangents);
        cotangents.fill(T::ZERO);
        Ok(())
    }

    /// The Jacobian, by rows: backwards in lanes of outputs, or forwards in lanes of inputs where these are fewer.
    pub(super) fn jacobian(&mut self, x: &[T], jacobian: &mut [T]) -> Result<()> {
        expect("input", self.inputs, x.len())?;
        expect("place for derivatives", self.variables * self.outputs, jacobian.len())?;
        if self.forward.is_some() {
            return self.forward_jacobian(x, jacobian);
        }
        let (program, variables) = (&self.sweep, self.variables);
        let mut memory = self.lanes.take(program);
        load_all(&mut memory, x, |_, x| x);
        let result = run_one::<T, LANES>(program, &mut memory);
        if result.is_ok() {
            for first in (0..self.outputs).step_by(LANES) {
                sweep::<T, LANES>(program, &mut memory, |output, lanes| {
                    if (first..first + LANES).contains(&output) {
                        lanes[output - first] += T::ONE;
                    }
                });
                for i in 0..variables {
                    let lanes = memory.adjoint(i);
                    for output in first..self.outputs.min(first + LANES) {
                        jacobian[output * variables + i] = lanes[output - first];
                    }
                    lanes.fill(T::ZERO);
                }
            }
        }
        self.lanes.give_back(memory);
        result
    }

    fn forward_jacobian(&mut self, x: &[T], jacobian: &mut [T]) -> Result<()> {
        let variables = self.variables;
        let Some(program) = self.forward.as_ref().filter(|_| variables > 0) else {
            self.one_value.values[..x.len()].copy_from_slice(x);
            return run_one::<T, 1>(&self.values, &mut self.one_value);
        };
        let tangents = self.tangents.get_or_insert_with(|| Tangents::new(program, variables));
        let directions = tangents.directions();
        for first in (0..variables).step_by(directions) {
            tangents.memory.values[..x.len()].copy_from_slice(x);
            for input in 0..variables {
                let tangents = tangents.of_mut(input as u32);
                tangents.iter_mut().enumerate().for_each(|(lane, d)| *d = direction((input, lane), first));
            }
            tangents.run(program);
            if first == 0 {
                guarded(program, &tangents.memory).map_err(|(_, error)| error)?;
            }
            let columns = first..variables.min(first + directions);
            for (row, &[_, place]) in jacobian.chunks_exact_mut(variables).zip(&program.outputs) {
                let row = &mut row[columns.clone()];
                match place {
                    NONE => row.fill(T::ZERO),
                    _ => row.copy_from_slice(&tangents.of(place)[..row.len()]),
                }
            }
        }
        Ok(())
    }

    /// The product of the Hessian with a direction: the sweep in duals.
    pub(super) fn hvp(&mut self, x: &[T], v: &[T], product: &mut [T]) -> Result<()> {
        expect("input", self.inputs, x.len())?;
        expect("entry of the direction", self.variables, v.len())?;
        expect("place for derivatives", self.variables, product.len())?;
        let program = &self.sweep;
        let memory = self.dual.get_or_insert_with(|| Memory::new(program, 1));
        let directions = v.iter().copied().chain(std::iter::repeat(T::ZERO));
        for ((place, &v), d) in memory.values.iter_mut().zip(x).zip(directions) {
            *place = Pair { v, d };
        }
        run_one::<Pair<T>, 1>(program, memory)?;
        sweep::<Pair<T>, 1>(program, memory, |_, lanes| lanes[0].v = T::ONE);
        for (i, product) in product.iter_mut().enumerate() {
            *product = std::mem::replace(&mut memory.adjoint(i)[0], Pair::NOTHING).d;
        }
        Ok(())
    }

    /// The Hessian, `LANES` columns at once.
    pub(super) fn hessian(&mut self, x: &[T], hessian: &mut [T]) -> Result<()> {
        let (program, variables) = (&self.sweep, self.variables);
        expect("input", self.inputs, x.len())?;
        expect("place for derivatives", variables * variables, hessian.len())?;
        let memory = self.dual_lanes.get_or_insert_with(|| Memory::new(program, LANES));
        for first in (0..variables).step_by(LANES) {
            load_all(memory, x, |place, x| Pair { v: x, d: direction(place, first) });
            run_one::<Pair<T>, LANES>(program, memory)?;
            sweep::<Pair<T>, LANES>(program, memory, |_, lanes| lanes.iter_mut().for_each(|lane| lane.v = T::ONE));
            for i in 0..variables {
                let lanes = memory.adjoint(i);
                for column in first..variables.min(first + LANES) {
                    hessian[column * variables + i] = lanes[column - first].d;
                }
                lanes.fill(Pair::NOTHING);
            }
        }
        Ok(())
    }
}

/// Lane `l` moves input `first + l`: 1 there, else 0.
fn direction<T: Element>((input, lane): (usize, usize), first: usize) -> T {
    if input == first + lane { T::ONE } else { T::ZERO }
}

/// One point in all lanes.
fn load_all<S: Slot>(memory: &mut Memory<S>, x: &[S::Base], value: impl Fn((usize, usize), S::Base) -> S) {
    for (input, &x) in x.iter().enumerate() {
        memory.input(input).iter_mut().enumerate().for_each(|(lane, place)| *place = value((input, lane), x));
    }
}

/// Points of `x.len() / width` numbers in the lanes of the inputs from `first` on; the last one also in lanes that are
/// left over.
pub(super) fn load_points<S: Slot>(memory: &mut Memory<S>, first: usize, width: usize, x: &[S::Base]) {
    let points = x.len() / width.max(1);
    for lane in 0..memory.lanes {
        let point = &x[lane.min(points.saturating_sub(1)) * width..][..width];
        for (i, &x) in point.iter().enumerate() {
            memory.values[(first + i) * LANES + lane] = S::fixed(x);
        }
    }
}

/// Runs a program forwards and looks at its guards.
pub(super) fn run<S: Slot, const L: usize>(
    program: &Program<S::Base>,
    memory: &mut Memory<S>,
) -> std::result::Result<(), (usize, Error)> {
    forward::<S, L>(program, memory);
    guarded(program, memory)
}

/// Looks at the guards of a program that has run.
fn guarded<S: Slot>(program: &Program<S::Base>, memory: &Memory<S>) -> std::result::Result<(), (usize, Error)> {
    // The lane that comes first has the first word, then the comparison that does.
    let numbers = program.numbers.iter().map(|&place| memory.value(place).iter().any(|x| x.number().is_nan()));
    // Without a branch for each, for a maximum over many numbers asks it of every one.
    let spoiled = numbers.fold(false, |any, spoiled| any | spoiled);
    let looked_at = program.checks.len() - if spoiled { 0 } else { program.numbers.len() };
    match program.checks[..looked_at].iter().filter_map(|check| failing(check, memory)).min_by_key(|(_, lane)| *lane) {
        None => Ok(()),
        Some((check, lane)) => Err((lane, branch(check))),
    }
}

/// [`run`] at one point.
pub(super) fn run_one<S: Slot, const L: usize>(program: &Program<S::Base>, memory: &mut Memory<S>) -> Result<()> {
    run::<S, L>(program, memory).map_err(|(_, error)| error)
}

/// The lane in which a comparison comes out otherwise.
#[inline(always)]
fn failing<'a, S: Slot>(check: &'a Check, memory: &Memory<S>) -> Option<(&'a Check, usize)> {
    let lanes = memory.value(check.a).iter().zip(memory.value(check.b));
    let mut same = lanes.map(|(a, b)| check.relation.holds(a.number(), b.number()) == check.outcome);
    same.position(|same| !same).map(|lane| (check, lane))
}

#[cold]
fn branch(check: &Check) -> Error {
    let what = match check.relation {
        Relation::Compared(_) => "this input takes the other branch of the comparison",
        Relation::Same => "this input changes the number that was read",
    };
    Error::new(ErrorKind::Branch, what).at(check.location)
}

/// Takes cotangents down to the inputs, where they stay. `seed` is given the number and the lanes of each output that a
/// derivative flows from.
pub(super) fn sweep<S: Slot, const L: usize>(
    program: &Program<S::Base>,
    memory: &mut Memory<S>,
    seed: impl Fn(usize, &mut [S]),
) {
    let plant = |memory: &mut Memory<S>| {
        for (output, &[_, place]) in program.outputs.iter().enumerate() {
            if place != NONE {
                seed(output, memory.adjoint(place as usize));
            }
        }
    };
    plant(memory);
    backward::<S, L, false>(program, memory);
    let inputs = ..program.inputs * L;
    // Without a branch for each.
    if memory.adjoints[inputs].iter().fold(false, |any, adjoint| any | adjoint.spoiled()) {
        memory.adjoints[inputs].fill(S::NOTHING);
        plant(memory);
        backward::<S, L, true>(program, memory);
    }
}

/// The error of a wrong number of numbers.
pub(super) fn expect(what: &str, expected: usize, given: usize) -> Result<()> {
    match expected == given {
        true => Ok(()),
        false => {
            let s = if expected == 1 { "" } else { "s" };
            let what = match what.split_once(' ') {
                Some((first, rest)) => format!("{first}{s} {rest}"),
                None => format!("{what}{s}"),
            };
            Err(Error::new(ErrorKind::Shape, format!("expected {expected} {what}, given {given}")))
        }
    }
}

/// Memory in lanes that threads take and give back.
#[derive(Debug)]
pub(super) struct Pool<S>(Mutex<Vec<Memory<S>>>);

impl<S> Default for Pool<S> {
    fn default() -> Self {
        Pool(Mutex::new(Vec::new()))
    }
}

impl<S: Slot> Pool<S> {
    pub(super) fn take(&self, program: &Program<S::Base>) -> Memory<S> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| Memory::new(program, LANES))
    }

    pub(super) fn give_back(&self, memory: Memory<S>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }
}
