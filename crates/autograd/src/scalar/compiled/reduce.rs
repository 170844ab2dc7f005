//! Sums over rows of data: one row's term is recorded, the data run through it.

use super::backward::backward;
use super::batch::First;
use super::engine::{LANES, Pool, expect, load_points, run, run_one, sweep};
use super::fuse::Request;
use super::graph::{Code, Graph, Guard, NONE};
use super::program::{Program, Purpose, build};
use super::rows::Pair;
use super::slot::{Memory, Slot};
use super::traced::{self, Traced};
use crate::error::{Error, Result};
use crate::kernels::number::{Element, Number};
use crate::kernels::pool;

/// Rows are cut into at most so many parts, each of which is summed by itself; the cuts depend on the number of rows
/// alone.
const PARTS: usize = 16;
/// The least rows of a part.
const LEAST: usize = 8 * LANES;

/// `L(θ) = Σᵢ f(θ, dᵢ)`: a sum over rows of data, of which the term of one row is recorded, once.
///
/// The recording has the size of one term, however many rows there are. What depends on θ alone is found in it and
/// computed once for all rows; its derivative is taken once, of the sum of all cotangents. The rows go through the rest in
/// lanes of 8, on all threads of the pool. The sums have a fixed order: the result is the same for any number of threads.
///
/// ```
/// use wengert_autograd::scalar::MapReduce;
/// // Least squares: the squared residual of one point (t, y) on the line a + b t.
/// let mut loss = MapReduce::record(&[0.0, 0.0], &[1.0, 1.0], |line, row| {
///     let residual = line[0] + line[1] * row[0] - row[1];
///     residual * residual
/// })?;
/// let data = [0.0, 1.0, /**/ 1.0, 3.0, /**/ 2.0, 5.0];       // on the line 1 + 2 t
/// let mut g = [0.0; 2];
/// assert_eq!(loss.value_and_gradient(&[1.0, 1.0], &data, &mut g)?, 5.0);
/// assert_eq!(g, [-6.0, -10.0]);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Debug)]
pub struct MapReduce<T: Element = f64> {
    parameters: usize,
    width: usize,
    /// From θ to what the terms use of it.
    prologue: Program<T>,
    /// From these and one row to its term.
    body: Program<T>,
    values: Program<T>,
    plain: State<T>,
    dual: Option<State<Pair<T>>>,
}

/// Memory of one kind of numbers.
#[derive(Debug)]
struct State<S> {
    prologue: Memory<S>,
    body: Pool<S>,
    values: Pool<S>,
    /// For each part the value and the cotangents of what the terms use of θ.
    parts: Vec<S>,
}

impl<S: Slot> State<S> {
    fn new(prologue: &Program<S::Base>) -> Self {
        let width = 1 + prologue.outputs.len();
        State {
            prologue: Memory::new(prologue, 1),
            body: Pool::default(),
            values: Pool::default(),
            parts: vec![S::NOTHING; PARTS * width],
        }
    }
}

impl<T: Element> MapReduce<T> {
    /// Records the term of one row at the parameters `theta0` and the row `row0`.
    ///
    /// # Errors
    /// Where numbers of two recordings met in one operation.
    pub fn record(
        theta0: &[T],
        row0: &[T],
        term: impl FnOnce(&[Traced<T>], &[Traced<T>]) -> Traced<T>,
    ) -> Result<Self> {
        let inputs = [theta0, row0].concat();
        let (mut graph, outputs) = traced::record(&inputs, |x| vec![term(&x[..theta0.len()], &x[theta0.len()..])])?;
        let (parameters, width) = (theta0.len(), row0.len());
        let Frontier { nodes: frontier, inside, outside } = Frontier::new(&mut graph, parameters, &outputs);
        let theta: Vec<u32> = (0..parameters as u32).collect();
        let all = vec![true; parameters];
        let before = Request { leaves: &theta, active: &all, outputs: &frontier, guards: &outside };
        let mut leaves = frontier.clone();
        leaves.extend(parameters as u32..(parameters + width) as u32);
        let active: Vec<bool> = (0..leaves.len()).map(|i| i < frontier.len()).collect();
        let within = Request { leaves: &leaves, active: &active, outputs: &outputs, guards: &inside };
        let prologue = build(&mut graph, before, Purpose::Gradient);
        let body = build(&mut graph, within, Purpose::Gradient);
        let values = build(&mut graph, within, Purpose::Value);
        let plain = State::new(&prologue);
        Ok(MapReduce { parameters, width, prologue, body, values, plain, dual: None })
    }

    /// How many operations one row takes, and how many are done once for all rows.
    pub fn operations(&self) -> (usize, usize) {
        (self.body.statements(), self.prologue.statements())
    }

    /// `Σᵢ f(θ, dᵢ)`; `rows` holds the rows of the data one after the other.
    ///
    /// # Errors
    /// On wrong lengths, or a row that takes another branch than the recorded one: the error names row and source line.
    pub fn value(&mut self, theta: &[T], rows: &[T]) -> Result<T> {
        let count = self.count(theta, rows)?;
        load(&mut self.plain.prologue, theta, |_, x| x);
        let (shape, programs) = ([count, self.width], [&self.prologue, &self.values]);
        total::<T, false>(&mut self.plain, programs, shape, rows)
    }

    /// `Σᵢ ∂f(θ, dᵢ)/∂θ` into `g`.
    ///
    /// # Errors
    /// As for [`MapReduce::value`].
    pub fn gradient(&mut self, theta: &[T], rows: &[T], g: &mut [T]) -> Result<()> {
        self.value_and_gradient(theta, rows, g).map(drop)
    }

    /// The sum, and its gradient into `g`.
    ///
    /// # Errors
    /// As for [`MapReduce::value`].
    pub fn value_and_gradient(&mut self, theta: &[T], rows: &[T], g: &mut [T]) -> Result<T> {
        let count = self.count(theta, rows)?;
        expect("place for derivatives", self.parameters, g.len())?;
        load(&mut self.plain.prologue, theta, |_, x| x);
        let (shape, programs) = ([count, self.width], [&self.prologue, &self.body]);
        let value = total::<T, true>(&mut self.plain, programs, shape, rows)?;
        for (i, g) in g.iter_mut().enumerate() {
            *g = std::mem::replace(&mut self.plain.prologue.adjoint(i)[0], T::ZERO);
        }
        Ok(value)
    }

    /// The gradient into `g`, and the product of the Hessian with `v` into `product`: the sweep in dual numbers.
    ///
    /// ```
    /// use wengert_autograd::scalar::MapReduce;
    /// let mut f = MapReduce::record(&[1.0], &[1.0], |x, d| d[0] * x[0] * x[0] * x[0])?;
    /// let (mut g, mut h) = ([0.0], [0.0]);
    /// f.gradient_and_hvp(&[2.0], &[1.0, 10.0], &[1.0], &mut g, &mut h)?;
    /// assert_eq!((g, h), ([132.0], [132.0]));                  // 3 x² and 6 x, times 11
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`MapReduce::value`].
    pub fn gradient_and_hvp(&mut self, theta: &[T], rows: &[T], v: &[T], g: &mut [T], product: &mut [T]) -> Result<()> {
        let count = self.count(theta, rows)?;
        expect("entry of the direction", self.parameters, v.len())?;
        expect("place for derivatives", self.parameters, g.len())?;
        expect("place for derivatives", self.parameters, product.len())?;
        let state = self.dual.get_or_insert_with(|| State::new(&self.prologue));
        load(&mut state.prologue, theta, |i, x| Pair { v: x, d: v[i] });
        let (shape, programs) = ([count, self.width], [&self.prologue, &self.body]);
        total::<Pair<T>, true>(state, programs, shape, rows)?;
        for (i, (g, product)) in g.iter_mut().zip(product).enumerate() {
            let pair = std::mem::replace(&mut state.prologue.adjoint(i)[0], Pair::NOTHING);
            (*g, *product) = (pair.v, pair.d);
        }
        Ok(())
    }

    /// How many rows there are.
    fn count(&self, theta: &[T], rows: &[T]) -> Result<usize> {
        expect("parameter", self.parameters, theta.len())?;
        let count = rows.len() / self.width.max(1);
        expect("number in whole rows", count * self.width, rows.len())?;
        Ok(count)
    }
}

fn load<S: Slot>(memory: &mut Memory<S>, theta: &[S::Base], value: impl Fn(usize, S::Base) -> S) {
    for (i, (place, &x)) in memory.values.iter_mut().zip(theta).enumerate() {
        *place = value(i, x);
    }
}

/// What a recording of one row is divided at.
pub(super) struct Frontier {
    /// The nodes that do not depend on the row and that something which does uses.
    pub(super) nodes: Vec<u32>,
    /// The guards of what depends on the row.
    pub(super) inside: Vec<Guard>,
    /// The other ones.
    pub(super) outside: Vec<Guard>,
}

impl Frontier {
    /// Takes the guards out of the graph, whose first inputs are the parameters.
    pub(super) fn new<T: Element>(graph: &mut Graph<T>, parameters: usize, outputs: &[u32]) -> Self {
        let mut varies: Vec<bool> = vec![false; graph.nodes.len()];
        let mut used = vec![false; graph.nodes.len()];
        for (i, node) in graph.nodes.iter().enumerate() {
            varies[i] = match node.code {
                Code::Input => node.args[0] as usize >= parameters,
                _ => graph.operands(node).iter().any(|&operand| varies[operand as usize]),
            };
        }
        let guards = std::mem::take(&mut graph.guards).into_iter();
        let (inside, outside): (Vec<Guard>, Vec<Guard>) =
            guards.partition(|guard| varies[guard.a as usize] || varies[guard.b as usize]);
        for node in outputs.iter().copied().chain(inside.iter().flat_map(|guard| [guard.a, guard.b])) {
            used[node as usize] = true;
        }
        for i in (0..graph.nodes.len()).rev() {
            if used[i] && varies[i] {
                graph.operands(&graph.nodes[i]).iter().for_each(|&operand| used[operand as usize] = true);
            }
        }
        let constant = |i: usize| graph.nodes[i].code == Code::Constant;
        let nodes = (0..graph.nodes.len()).filter(|&i| used[i] && !varies[i] && !constant(i)).map(|i| i as u32);
        Frontier { nodes: nodes.collect(), inside, outside }
    }
}

/// The sum over all rows, and with `GRADIENT` the cotangents of θ, which stay in the memory of the prologue.
fn total<S: Slot, const GRADIENT: bool>(
    state: &mut State<S>,
    [prologue, body]: [&Program<S::Base>; 2],
    [count, width]: [usize; 2],
    rows: &[S::Base],
) -> Result<S::Base> {
    run_one::<S, 1>(prologue, &mut state.prologue)?;
    let stride = 1 + prologue.outputs.len();
    let each = count.div_ceil(PARTS).next_multiple_of(LANES).max(LEAST);
    let parts = count.div_ceil(each);
    let State { prologue: theta, body: with, values: without, parts: sums } = state;
    let (memories, theta) = (if GRADIENT { with } else { without }, &*theta);
    let first = First::default();
    pool::split(&mut sums[..parts * stride], stride, |start, sums| {
        let from = start / stride * each;
        let part = Part { prologue, body, theta, width, rows, from, to: count.min(from + each) };
        let mut memory = memories.take(body);
        // A part whose cotangents come out NaN is done again by the zero rule.
        let mut result = part.sum::<GRADIENT, false>(&mut memory, sums);
        if result.is_ok() && sums[1..].iter().any(|sum| sum.spoiled()) {
            result = part.sum::<GRADIENT, true>(&mut memory, sums);
        }
        match result {
            Ok(()) => memories.give_back(memory),
            Err((row, error)) => first.note(row, error),
        }
    });
    first.result("row")?;
    let mut value = S::NOTHING;
    let (head, tail) = state.parts.split_at_mut(stride);
    if parts == 0 {
        head.fill(S::NOTHING);
    }
    for part in tail.chunks_exact(stride).take(parts.saturating_sub(1)) {
        head.iter_mut().zip(part).for_each(|(sum, &part)| *sum = *sum + part);
    }
    value = value + head[0];
    if GRADIENT {
        let cotangents = &head[1..];
        sweep::<S, 1>(prologue, &mut state.prologue, |i, lanes| lanes[0] = lanes[0] + cotangents[i]);
    }
    Ok(value.number())
}

/// The rows `from..to`.
struct Part<'a, S: Slot> {
    prologue: &'a Program<S::Base>,
    body: &'a Program<S::Base>,
    theta: &'a Memory<S>,
    width: usize,
    rows: &'a [S::Base],
    from: usize,
    to: usize,
}

impl<S: Slot> Part<'_, S> {
    /// The sum of the values, then of the cotangents.
    fn sum<const GRADIENT: bool, const ZERO_RULE: bool>(
        &self,
        memory: &mut Memory<S>,
        sums: &mut [S],
    ) -> std::result::Result<(), (usize, Error)> {
        for (i, &[place, _]) in self.prologue.outputs.iter().enumerate() {
            let value = self.theta.value(place)[0];
            memory.input(i).fill(value);
        }
        let mut value = [S::NOTHING; LANES];
        for row in (self.from..self.to).step_by(LANES) {
            let lanes = LANES.min(self.to - row);
            self.load(memory, row, lanes);
            run::<S, LANES>(self.body, memory).map_err(|(lane, error)| (row + lane.min(lanes - 1), error))?;
            let [place, _] = self.body.outputs[0];
            let terms = memory.value(place);
            value.iter_mut().zip(terms).take(lanes).for_each(|(sum, &term)| *sum = *sum + term);
            if GRADIENT {
                self.pull::<ZERO_RULE>(memory, lanes);
            }
        }
        sums[0] = across(&value);
        for (i, sum) in sums[1..].iter_mut().enumerate() {
            let lanes: &mut [S] = if GRADIENT { memory.adjoint(i) } else { &mut [] };
            *sum = across(lanes);
            lanes.fill(S::NOTHING);
        }
        Ok(())
    }

    fn load(&self, memory: &mut Memory<S>, row: usize, lanes: usize) {
        let rows = &self.rows[row * self.width..(row + lanes) * self.width];
        load_points(memory, self.prologue.outputs.len(), self.width, rows);
    }

    /// Adds the cotangents of some rows, which are in the first lanes.
    fn pull<const ZERO_RULE: bool>(&self, memory: &mut Memory<S>, lanes: usize) {
        let [_, place] = self.body.outputs[0];
        if place != NONE {
            let one = S::fixed(<S::Base as Number>::ONE);
            memory.adjoint(place as usize)[..lanes].iter_mut().for_each(|seed| *seed = *seed + one);
            backward::<S, LANES, ZERO_RULE>(self.body, memory);
        }
    }
}

/// The sum of the lanes.
fn across<S: Slot>(lanes: &[S]) -> S {
    lanes.iter().fold(S::NOTHING, |sum, &lane| sum + lane)
}
