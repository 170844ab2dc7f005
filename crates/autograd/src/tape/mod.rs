//! Recording: nodes, handles, scopes, the first error. Must know no op and no derivative rule.

mod findings;
mod listing;
pub(crate) mod node;
mod nodes;
pub(crate) mod op;
mod record;
mod recycle;
pub(crate) mod var;

use std::cell::{Cell, RefCell};
use std::hash::BuildHasher;
use std::panic::Location;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashTable;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::error::{Error, Result};
use crate::kernels::number::Element;
use crate::module::ParamId;
use crate::tensor::Tensor;
use findings::Findings;
use nodes::Nodes;
use op::OpRef;
use var::Var;

/// Scopes that a tape still knows after it was cleared, at most.
const MOST_SCOPES: usize = 1 << 10;

/// What a tape is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Recording,
    Training,
    Inference,
}

/// The Wengert list: a record of elementary operations, in the order in which they were written.
///
/// Recording computes nothing: a formula infers shapes and returns at once, and what is asked for is computed as one
/// plan. A tape belongs to one thread; models and tensors belong to everybody.
///
/// ```
/// use wengert_autograd::{Tape, Tensor};
/// let tape = Tape::new();
/// let x = tape.input(Tensor::from([0.5, -0.5]));
/// let y = x.tanh().sum();
/// let [gx] = y.grad([x]);
/// let expected = 1.0 - 0.5f64.tanh().powi(2);
/// assert!((gx.value()?.as_slice()[0] - expected).abs() < 1e-15);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub struct Tape<T: Element = f32> {
    pub(crate) inner: RefCell<Inner<T>>,
    pub(crate) mode: Mode,
    pub(crate) seed: u64,
    /// Tells tapes apart after they are gone.
    pub(crate) serial: u64,
    pub(crate) check_finite: Cell<bool>,
    pub(crate) strict: Cell<bool>,
    /// The bytes that a run may take.
    pub(crate) limit: Cell<Option<usize>>,
    /// Whether plans do without fusion, and without simplification.
    pub(crate) without: Cell<(bool, bool)>,
    /// Whether what is recorded is to be replayed: values may then be asked for by `decide` alone.
    pub(crate) replayed: Cell<bool>,
    /// How often something was computed.
    pub(crate) runs: Cell<u64>,
}

/// A stretch of recording whose values are not left on the tape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checkpoint {
    /// The one around it; 0 for none.
    pub(crate) outer: u32,
    /// Whether it is computed again by a pullback.
    pub(crate) again: bool,
}

pub(crate) struct Inner<T: Element> {
    pub(crate) nodes: Nodes<T>,
    /// The values of leaves, and of what was computed and kept; of nodes ahead, those of numbers.
    pub(crate) values: Vec<Option<Tensor<T>>>,
    /// Numbers and ops by structure, those ahead too: equal ops of equal inputs are one node.
    table: HashTable<u32>,
    /// Constants by the address of their memory.
    constants: HashTable<u32>,
    /// Nodes of indices.
    indices: Vec<u32>,
    /// The first node whose op is a user's own.
    first_of_user: Option<u32>,
    /// What was found out about these nodes, some of them ahead perhaps.
    pub(crate) findings: Findings,
    /// Those that a cleared tape had are known still.
    scopes: Vec<Rc<str>>,
    /// A scope by the hash of the one around it and of its name.
    scope_by_name: FxHashMap<u64, u32>,
    scope: u32,
    pub(crate) names: FxHashMap<u32, Rc<str>>,
    pub(crate) parameters: FxHashMap<ParamId, u32>,
    /// Values that a forward pass wants parameters to take.
    pub(crate) updates: Vec<(ParamId, u32)>,
    /// Conditions that decided what was recorded next, and how.
    pub(crate) decisions: Vec<(u32, bool)>,
    /// Random draws recorded so far: each gets a stream of its own.
    draws: u64,
    error: Option<Error>,
    /// The source line that made the tape: a tape made there again will record much the same.
    made_at: Option<&'static Location<'static>>,
    /// The checkpoint that is recorded now; 0 for none.
    checkpoint: u32,
    pub(crate) checkpoints: Vec<Checkpoint>,
    /// The node whose pullback is being recorded: what is recorded then carries its source line and scope.
    origin: Option<(&'static Location<'static>, u32)>,
}

impl<T: Element> Tape<T> {
    /// A tape that records; layers behave as in evaluation.
    #[track_caller]
    pub fn new() -> Self {
        Tape::with(Mode::Recording, 0)
    }

    /// A tape that records; dropout is on, statistics are the batch's, and randomness is seeded: the same seed gives
    /// the same bits for any number of threads.
    #[track_caller]
    pub fn training(seed: u64) -> Self {
        Tape::with(Mode::Training, seed)
    }

    /// A tape that keeps only what is asked for; gradients are refused with an error.
    #[track_caller]
    pub fn inference() -> Self {
        Tape::with(Mode::Inference, 0)
    }

    /// A tape for a function of its own, with the mode and the seed of this one; its random draws come after this one's.
    #[track_caller]
    pub(crate) fn aside(&self) -> Self {
        let tape = Tape::with(self.mode, self.seed);
        tape.limit.set(self.limit.get());
        tape.inner.borrow_mut().draws = self.inner.borrow().draws;
        tape
    }

    /// Counts the random draws of a tape that was recorded aside.
    pub(crate) fn join_draws(&self, aside: &Self) {
        let draws = aside.inner.borrow().draws;
        self.inner.borrow_mut().draws = draws;
    }

    #[track_caller]
    pub(crate) fn with(mode: Mode, seed: u64) -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        Tape {
            inner: RefCell::new(recycle::take(Location::caller())),
            mode,
            seed,
            serial,
            check_finite: Cell::new(false),
            strict: Cell::new(false),
            limit: Cell::new(None),
            without: Cell::new((false, false)),
            replayed: Cell::new(false),
            runs: Cell::new(0),
        }
    }

    /// Whether layers should behave as in training: dropout on, batch statistics.
    pub fn is_training(&self) -> bool {
        self.mode == Mode::Training
    }

    /// Looks at every computed value from now on: the first NaN or infinity, forwards or backwards, is an error that
    /// names the op and its source line. Costs a pass over each value, and fusion.
    pub fn check_finite(&self, on: bool) {
        self.check_finite.set(on);
    }

    /// The bytes that a run may take from now on, or `None` for as many as it takes: buffers between kernels, results, and
    /// registers. Not counted is what is on the tape already (leaves, and values of earlier runs), and what single kernels
    /// take while they run.
    ///
    /// What a plan takes is known before it runs: [`Plan::peak_bytes`](crate::Plan::peak_bytes). Where that is more than
    /// the limit, values that are not asked for don't stay on the tape, and then values are computed again instead of kept:
    /// elementwise ones first, others after them, those first that free most memory for the least work. The plan says
    /// which. Results are those without a limit, but for sums
    /// that other blocks group otherwise, in their last digits.
    ///
    /// # Errors
    /// Every way to a value, where no plan was found that meets the limit: the bytes needed, the limit, and the op
    /// whose result does not fit.
    ///
    /// ```
    /// use wengert_autograd::{ErrorKind, Result, Tape, Tensor};
    /// fn gradient(limit: Option<usize>) -> Result<Tensor<f64>> {
    ///     let tape = Tape::new();
    ///     tape.memory_limit(limit);
    ///     let x = tape.input(Tensor::from_fn([1000], |i| (i as f64).sin()));
    ///     // The backward pass reads the 50 values of the chain, of 8,000 bytes each, from the last to the first.
    ///     (0..50).fold(x, |y, _| (y * 2.0).softmax(0)).square().sum().grad([x])[0].value()
    /// }
    /// assert_eq!(gradient(Some(250_000))?, gradient(None)?);
    /// assert_eq!(gradient(Some(10_000)).unwrap_err().kind(), ErrorKind::Memory);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn memory_limit(&self, bytes: impl Into<Option<usize>>) {
        self.limit.set(bytes.into());
    }

    /// Plans without fusion or without simplification from now on: for tests of the two.
    #[doc(hidden)]
    pub fn without(&self, fusion: bool, simplification: bool) {
        self.without.set((fusion, simplification));
    }

    /// Multiplies plainly in pullbacks recorded from now on, as PyTorch and JAX do: zero times infinity is NaN.
    ///
    /// Otherwise a contribution whose incoming cotangent is exactly zero is exactly zero, whatever the derivative.
    pub fn strict(&self, on: bool) {
        self.strict.set(on);
    }

    /// Names nodes and errors: what is recorded inside belongs to the scope, scopes inside it are joined by dots.
    pub fn scope<R>(&self, name: &str, record: impl FnOnce() -> R) -> R {
        struct Leave<'a, T: Element>(&'a Tape<T>, u32);
        impl<T: Element> Drop for Leave<'_, T> {
            fn drop(&mut self) {
                self.0.inner.borrow_mut().scope = self.1;
            }
        }
        let _leave = Leave(self, self.inner.borrow_mut().enter(name));
        record()
    }

    /// Records nodes whose values a run does not leave on the tape, unless they are asked for.
    pub(crate) fn in_checkpoint<R>(&self, again: bool, record: impl FnOnce() -> R) -> R {
        struct Leave<'a, T: Element>(&'a Tape<T>, u32);
        impl<T: Element> Drop for Leave<'_, T> {
            fn drop(&mut self) {
                self.0.inner.borrow_mut().checkpoint = self.1;
            }
        }
        let outer = {
            let inner = &mut *self.inner.borrow_mut();
            inner.checkpoints.push(Checkpoint { outer: inner.checkpoint, again });
            std::mem::replace(&mut inner.checkpoint, inner.checkpoints.len() as u32)
        };
        let _leave = Leave(self, outer);
        record()
    }

    /// The number of nodes recorded.
    pub fn len(&self) -> usize {
        self.inner.borrow().nodes.len()
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything recorded, mistakes too, and keeps the memory. No `Var` survives: the borrow checker sees to it.
    ///
    /// ```
    /// let mut tape = wengert_autograd::Tape::<f64>::new();
    /// let y = tape.scalar(2.0).square();
    /// assert_eq!(y.item()?, 4.0);
    /// tape.clear();
    /// assert!(tape.is_empty());
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    ///
    /// The same with a use of `y` afterwards is no program:
    ///
    /// ```compile_fail,E0502
    /// let mut tape = wengert_autograd::Tape::<f64>::new();
    /// let y = tape.scalar(2.0).square();
    /// assert_eq!(y.item()?, 4.0);
    /// tape.clear();
    /// assert_eq!(y.item()?, 4.0);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn clear(&mut self) {
        self.inner.get_mut().clear();
    }

    /// The first mistake made on this tape, if one was.
    ///
    /// # Errors
    /// That mistake.
    pub fn first_error(&self) -> Result<()> {
        self.inner.borrow().error.clone().map_or(Ok(()), Err)
    }

    /// Keeps a mistake, unless one was made before, and returns a handle that leads nowhere: what a layer or a loss
    /// returns whose operands do not fit. The source line and the scope are added.
    ///
    /// ```
    /// use wengert_autograd::{Error, ErrorKind, Tape, Var};
    /// fn half<'t>(x: Var<'t>) -> Var<'t> {
    ///     match x.shape().volume() % 2 {
    ///         0 => x.sum() * 0.5,
    ///         _ => x.tape().fail(Error::new(ErrorKind::Shape, format!("odd: {}", x.shape())).op("half")),
    ///     }
    /// }
    /// let tape = Tape::new();
    /// let error = half(tape.input([1.0, 2.0, 3.0])).exp().item().unwrap_err();
    /// assert!(error.to_string().starts_with("half: odd: [3] at "));
    /// ```
    #[track_caller]
    pub fn fail(&self, error: Error) -> Var<'_, T> {
        let mut inner = self.inner.borrow_mut();
        let (location, scope) = inner.origin(Location::caller());
        inner.keep_error(error, location, scope);
        Var { tape: self, id: var::POISONED }
    }

    /// Records with the source line and scope of a node: what its pullback records belongs to it.
    pub(crate) fn on_behalf_of<R>(&self, node: u32, record: impl FnOnce() -> R) -> R {
        let before = {
            let mut inner = self.inner.borrow_mut();
            let origin = (inner.nodes[node as usize].location, inner.nodes[node as usize].scope);
            inner.origin.replace(origin)
        };
        let recorded = record();
        self.inner.borrow_mut().origin = before;
        recorded
    }

    /// Records with the source line of a caller, which closures lose; within a pullback its node's line stays.
    pub(crate) fn on_line<R>(&self, location: &'static Location<'static>, record: impl FnOnce() -> R) -> R {
        let before = {
            let mut inner = self.inner.borrow_mut();
            let scope = inner.scope;
            let before = inner.origin;
            inner.origin.get_or_insert((location, scope));
            before
        };
        let recorded = record();
        self.inner.borrow_mut().origin = before;
        recorded
    }

    /// Records an op without parameters.
    #[track_caller]
    pub(crate) fn record_static<'t>(&'t self, op: &'static dyn op::Op<T>, inputs: &[Var<'t, T>]) -> Var<'t, T> {
        self.record(OpRef::Static(op), inputs)
    }

    /// Records an op with parameters.
    #[track_caller]
    pub(crate) fn record_shared<'t>(&'t self, op: impl op::Op<T>, inputs: &[Var<'t, T>]) -> Var<'t, T> {
        match self.recorded(&op, inputs) {
            Ok(node) => node,
            Err(hash) => self.record_new(OpRef::Shared(Rc::new(op)), inputs, hash),
        }
    }

    /// What differentiation may change besides adding nodes, as numbers: after recording something, whether it did.
    pub(crate) fn marks(&self) -> [u64; 6] {
        let inner = self.inner.borrow();
        let counts = [inner.checkpoints.len(), inner.names.len(), inner.parameters.len(), inner.updates.len()];
        let [checkpoints, names, parameters, updates] = counts.map(|count| count as u64);
        [checkpoints, names, parameters, updates, inner.decisions.len() as u64, inner.draws]
    }

    /// The stream of the next random draw.
    pub(crate) fn next_draw(&self) -> u64 {
        let mut inner = self.inner.borrow_mut();
        inner.draws += 1;
        inner.draws
    }

    /// Asks for a parameter to take a new value: it comes back with the gradients.
    pub(crate) fn push_update(&self, parameter: ParamId, value: Var<'_, T>) {
        self.inner.borrow_mut().updates.push((parameter, value.id));
    }
}

impl<T: Element> Inner<T> {
    /// A tape's memory before it has any.
    fn hollow() -> Self {
        Inner {
            nodes: Nodes::new(),
            values: Vec::new(),
            table: HashTable::new(),
            constants: HashTable::new(),
            indices: Vec::new(),
            first_of_user: None,
            findings: Findings::default(),
            scopes: Vec::new(),
            scope_by_name: FxHashMap::default(),
            scope: 0,
            names: FxHashMap::default(),
            parameters: FxHashMap::default(),
            updates: Vec::new(),
            decisions: Vec::new(),
            draws: 0,
            error: None,
            made_at: None,
            checkpoint: 0,
            checkpoints: Vec::new(),
            origin: None,
        }
    }

    fn new(made_at: &'static Location<'static>) -> Self {
        Inner { scopes: vec!["".into()], made_at: Some(made_at), ..Inner::hollow() }
    }

    fn clear(&mut self) {
        self.rewind();
        self.findings.rewind();
        self.scope = 0;
        self.names.clear();
        self.parameters.clear();
        self.updates.clear();
        self.decisions.clear();
        self.draws = 0;
        self.error = None;
        self.checkpoint = 0;
        self.checkpoints.clear();
        self.origin = None;
    }

    /// Enters a scope and returns the one that was left.
    fn enter(&mut self, name: &str) -> u32 {
        let before = self.scope;
        let outer = self.scopes[before as usize].clone();
        let inside = |scope: &str| match outer.is_empty() {
            true => scope == name,
            false => scope.strip_prefix(&*outer).and_then(|rest| rest.strip_prefix('.')) == Some(name),
        };
        let hash = FxBuildHasher.hash_one((before, name));
        let known = self.scope_by_name.get(&hash).filter(|&&known| inside(&self.scopes[known as usize]));
        self.scope = match known {
            Some(&known) => known,
            None => {
                let full = if outer.is_empty() { name.to_string() } else { format!("{outer}.{name}") };
                self.scopes.push(full.into());
                let new = self.scopes.len() as u32 - 1;
                self.scope_by_name.insert(hash, new);
                new
            }
        };
        before
    }

    /// Keeps a mistake, unless one was made before.
    fn keep_error(&mut self, error: Error, location: &'static Location<'static>, scope: u32) {
        let scope = self.scopes[scope as usize].clone();
        self.error.get_or_insert_with(|| error.at(location).scope(&scope));
    }

    /// The checkpoint that is recorded now; 0 for none.
    pub(crate) fn checkpoint(&self) -> u32 {
        self.checkpoint
    }

    /// The source line and scope of what is recorded now.
    pub(crate) fn origin(&self, caller: &'static Location<'static>) -> (&'static Location<'static>, u32) {
        self.origin.unwrap_or((caller, self.scope))
    }

    /// The scope of a node in words; empty for none.
    pub(crate) fn scope_of(&self, node: u32) -> Rc<str> {
        self.scopes[self.nodes[node as usize].scope as usize].clone()
    }
}

impl<T: Element> Drop for Tape<T> {
    fn drop(&mut self) {
        recycle::put(std::mem::replace(self.inner.get_mut(), Inner::hollow()));
    }
}

impl<T: Element> Default for Tape<T> {
    fn default() -> Self {
        Tape::new()
    }
}

impl<T: Element> std::fmt::Debug for Tape<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
