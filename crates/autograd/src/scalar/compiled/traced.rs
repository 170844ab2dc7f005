//! The number that a recording computes with.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

use num_traits::{Float, FloatConst, FromPrimitive};

use super::graph::{Graph, Guard, NONE, Relation};
use super::rows::Row;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::ops::{Elementwise, MultiplyAdd, Product, Sum2};
use crate::scalar::number::Scalar;
use crate::scalar::traits::{Active, Comparison, number_traits};

/// What can be recorded: [`f32`] and [`f64`].
pub trait Plain: Element + Scalar<Base = Self> + Float + FloatConst + FromPrimitive {}

impl Plain for f32 {}
impl Plain for f64 {}

/// `xᵢ` while a [`Compiled`](super::Compiled) is recorded: a number that notes what is done with it.
///
/// It has the operators and traits of [`scalar::Var`](crate::scalar::Var). A comparison becomes a guard of the recording,
/// and so does a conversion into a plain number (`to_f64` and the like): a replay at an input where it would come out
/// otherwise is an error that names the source line. Numbers that no input reaches are constants and guard nothing.
///
/// The type borrows nothing, so that it fits bounds like `'static`; a recording is found by its number. It stays on its
/// thread.
///
/// # Panics
/// An operation panics when a `Traced` outlives its recording. (`Traced`s of two recordings in one operation are an error
/// of the recording.)
///
/// ```
/// use wengert_autograd::scalar::{Compiled, Traced};
/// fn area(r: Traced) -> Traced {
///     std::f64::consts::PI * r * r
/// }
/// let mut f = Compiled::record(&[1.0], |x| area(x[0]))?;
/// let mut g = [0.0];
/// assert_eq!(f.value_and_gradient(&[2.0], &mut g)?, std::f64::consts::PI * 4.0);
/// assert_eq!(g[0], std::f64::consts::PI * 4.0);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Traced<T: Element = f64> {
    pub(super) value: T,
    /// 0 for a constant.
    recording: u32,
    index: u32,
    /// A recording belongs to one thread.
    thread: PhantomData<*const ()>,
}

/// A graph in the making.
struct Recording<T: Element> {
    graph: Graph<T>,
    /// The first mistake.
    error: Option<Error>,
}

thread_local! {
    /// The recordings of this thread that have not ended, the innermost last.
    static RECORDINGS: RefCell<Vec<(u32, Box<dyn Any>)>> = const { RefCell::new(Vec::new()) };
    static NEXT: Cell<u32> = const { Cell::new(1) };
}

/// Does something with a recording, if it has not ended.
fn with<T: Element, R>(id: u32, task: impl FnOnce(&mut Recording<T>) -> R) -> Option<R> {
    RECORDINGS.with(|recordings| {
        let mut recordings = recordings.borrow_mut();
        let (_, recording) = recordings.iter_mut().rev().find(|(other, _)| *other == id)?;
        recording.downcast_mut::<Recording<T>>().map(task)
    })
}

/// Removes the recording when the closure returns, and when it panics.
struct Session(u32);

impl Drop for Session {
    fn drop(&mut self) {
        // Outside of the borrow: a graph has no destructor of anyone else, but a box is a box.
        let ended = RECORDINGS.with(|recordings| {
            let mut recordings = recordings.borrow_mut();
            let place = recordings.iter().position(|(id, _)| *id == self.0);
            place.map(|place| recordings.remove(place))
        });
        drop(ended);
    }
}

/// Runs a closure on inputs that note what is done with them: the graph, and the nodes of the outputs.
pub(super) fn record<T: Element>(
    x: &[T],
    closure: impl FnOnce(&[Traced<T>]) -> Vec<Traced<T>>,
) -> Result<(Graph<T>, Vec<u32>)> {
    let id = NEXT.with(|next| next.replace(next.get().checked_add(1).unwrap_or(1)));
    let recording = Recording { graph: Graph::<T>::new(x.len()), error: None };
    RECORDINGS.with(|recordings| recordings.borrow_mut().push((id, Box::new(recording))));
    let session = Session(id);
    let traced = |(&value, index)| Traced { value, recording: id, index, thread: PhantomData };
    let inputs: Vec<Traced<T>> = x.iter().zip(0..).map(traced).collect();
    let outputs = closure(&inputs);
    let finished = with::<T, _>(id, |recording| {
        let nodes = outputs.iter().map(|output| recording.node(id, *output, Location::caller()));
        let mut nodes: Vec<u32> = nodes.collect();
        let mut graph = recording.graph.take();
        let mut guards = std::mem::take(&mut graph.guards);
        graph.balance(&mut nodes, &mut guards);
        graph.guards = guards;
        (graph, nodes, recording.error.take())
    });
    drop(session);
    let (graph, nodes, error) = finished.ok_or_else(|| Error::new(ErrorKind::Tape, "the recording is gone"))?;
    match error {
        Some(error) => Err(error),
        None => Ok((graph, nodes)),
    }
}

impl<T: Element> Recording<T> {
    /// The node of an operand.
    fn node(&mut self, id: u32, x: Traced<T>, location: &'static Location<'static>) -> u32 {
        match x.recording {
            0 => self.graph.constant(x.value),
            other if other == id => x.index,
            _ => {
                let error = Error::new(ErrorKind::Tape, "a number of another recording takes part in this one");
                let hint = "give it to the inner function as an input, or record both in one";
                self.error.get_or_insert(error.at(location).hint(hint));
                self.graph.constant(x.value)
            }
        }
    }
}

impl<T: Element> Traced<T> {
    /// The recording among the operands, 0 if all are constants.
    fn common<const A: usize>(operands: &[Self; A]) -> u32 {
        operands.iter().map(|x| x.recording).max().unwrap_or(0)
    }

    /// Records an operation of any number of operands; a constant where all are.
    pub(super) fn record_list(
        operands: &[Self],
        value: T,
        location: &'static Location<'static>,
        make: impl FnOnce(&mut Graph<T>, &[u32]) -> u32,
    ) -> Self {
        let id = operands.iter().map(|x| x.recording).max().unwrap_or(0);
        if id == 0 {
            return Traced { value, recording: 0, index: NONE, thread: PhantomData };
        }
        let index = with::<T, _>(id, |recording| {
            let nodes: Vec<u32> = operands.iter().map(|&x| recording.node(id, x, location)).collect();
            make(&mut recording.graph, &nodes)
        });
        let index = index.unwrap_or_else(|| ended(location));
        Traced { value, recording: id, index, thread: PhantomData }
    }

    #[track_caller]
    fn guard(self, other: Self, relation: Relation, outcome: bool) {
        let id = Self::common(&[self, other]);
        if id == 0 {
            return;
        }
        let location = Location::caller();
        let noted = with::<T, _>(id, |recording| {
            let (a, b) = (recording.node(id, self, location), recording.node(id, other, location));
            recording.graph.guard(Guard { relation, a, b, outcome, location });
        });
        noted.unwrap_or_else(|| ended(location));
    }
}

/// What happens to a number that outlives its recording.
#[cold]
fn ended(location: &Location<'_>) -> ! {
    panic!("a Traced was used at {location} after its recording had ended")
}

impl<T: Plain> Active for Traced<T> {
    type Value = T;

    fn value(self) -> T {
        self.value
    }

    fn passive(value: T) -> Self {
        Traced { value, recording: 0, index: NONE, thread: PhantomData }
    }

    #[track_caller]
    fn row<F: Elementwise<A>, const A: usize>(_: F, operands: [Self; A]) -> Self {
        if TypeId::of::<F>() == TypeId::of::<MultiplyAdd>() {
            // As two operations it can become part of a chain.
            let product = Self::row(Product, [operands[0], operands[1]]);
            return Self::row(Sum2, [product, operands[2]]);
        }
        let value = Row::<T>::value::<F, A>(operands.map(|x| x.value));
        let id = Self::common(&operands);
        if id == 0 {
            return Self::passive(value);
        }
        let location = Location::caller();
        let index = with::<T, _>(id, |recording| {
            let nodes = operands.map(|x| recording.node(id, x, location));
            recording.graph.row::<F, A>(nodes)
        });
        let index = index.unwrap_or_else(|| ended(location));
        Traced { value, recording: id, index, thread: PhantomData }
    }

    #[track_caller]
    fn compare(self, other: Self, comparison: Comparison) -> bool {
        let outcome = comparison.holds(self.value, other.value);
        self.guard(other, Relation::Compared(comparison), outcome);
        outcome
    }

    #[track_caller]
    fn read(self) -> T {
        self.guard(Self::passive(self.value), Relation::Same, true);
        self.value
    }
}

number_traits! { [T: Plain] Traced<T>, T }

macro_rules! methods {
    ($($list:tt)*) => {
        crate::scalar::float::number_methods! { [T: Plain] Traced<T>; $($list)* }
    };
}
crate::ops::list::real_methods!(methods);

/// The value, and whether it depends on an input.
impl<T: Element> fmt::Debug for Traced<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.recording == 0 { "constant" } else { "recorded" };
        write!(f, "Traced({}, {kind})", self.value)
    }
}
