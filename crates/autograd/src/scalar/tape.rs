//! The scalar tape: who owns the records, and how operations get there. Must know no function by name.

use std::cell::{Cell, RefCell};
use std::panic::Location;

use super::columns::Columns;
use super::handle::{Handle, TapeNumber};
use super::number::Scalar;
use super::var::Var;

/// A record of operations on numbers, for derivatives of what was computed.
///
/// Values are computed at once; what is recorded are partial derivatives: 8 bytes for the operands' places and two
/// numbers, so 24 bytes an operation in `f64`, of one or two operands, and 28 for `a b + c`. Adding a constant records nothing. Statements of up
/// to 16 operands ([`dot`](super::dot), [`sum`](super::sum), ...) take 24 bytes for each two, those of more 8 bytes and 12
/// for each.
///
/// **Zero partials.** An operand whose partial derivative is exactly 0 at the recorded point is not stored, and a result
/// that depends on nothing any more is a constant. That is right for derivatives at this point (of every order, as values
/// that carry derivatives themselves are zero only if those are), it makes much of some tapes vanish, and it is the
/// [zero rule](crate::Real::scaled): `0 · ∞` counts as 0.
///
/// **Limits.** At most 2,147,483,646 records a tape, and 65,535 tapes at the same time. Operators have no way to return an error: where a record can't be numbered, or
/// memory for it can't be had, they panic and say so. A variable of one tape used with one of another is a panic with the
/// source lines of both tapes and of the operator, except where the types exclude it: closures given to the transforms
/// can't use variables from outside.
///
/// ```
/// use wengert_autograd::scalar::Tape;
/// let tape = Tape::new();
/// let (x, y) = (tape.var(2.0), tape.var(3.0));
/// let z = (x * y).sin() + x.exp() / y;
/// assert_eq!(z.value(), 6f64.sin() + 2f64.exp() / 3.0);
/// let adjoints = z.backward();
/// assert!((adjoints.wrt(x) - (3.0 * 6f64.cos() + 2f64.exp() / 3.0)).abs() < 1e-14);
/// ```
pub struct Tape<T: Scalar = f64> {
    pub(super) number: TapeNumber,
    pub(super) columns: Columns<T>,
    pub(super) statements: RefCell<Statements<T>>,
    /// Adjoints of earlier sweeps, to be used again.
    pub(super) spare: Cell<Vec<T>>,
    /// The tape for the terms of sums, to be used again.
    pub(super) inner: Cell<Option<Box<Tape<T>>>>,
    created: &'static Location<'static>,
}

/// Operations of more than two operands: the first two stand in the record, the others here.
pub(super) struct Statements<T> {
    /// The record of each statement, and how many further operands it has.
    pub(super) heads: Vec<[u32; 2]>,
    pub(super) links: Vec<u32>,
    pub(super) partials: Vec<T>,
}

impl<T: Scalar> Tape<T> {
    /// An empty tape.
    #[track_caller]
    pub fn new() -> Self {
        Tape::with_capacity(0)
    }

    /// An empty tape with memory for so many operations and variables.
    ///
    /// # Panics
    /// Where that much memory can't be had.
    ///
    /// ```
    /// let tape = wengert_autograd::scalar::Tape::with_capacity(1000);
    /// let x = tape.var(2.0);
    /// let y = x * x;
    /// assert_eq!((y.value(), y.backward().wrt(x)), (4.0, 4.0));
    /// assert!(tape.capacity() >= 1000);
    /// ```
    #[track_caller]
    pub fn with_capacity(operations: usize) -> Self {
        let number = TapeNumber::new();
        Tape {
            columns: Columns::with_capacity(number.word(), T::of(0.0), operations),
            number,
            statements: RefCell::new(Statements { heads: vec![], links: vec![], partials: vec![] }),
            spare: Cell::new(vec![]),
            inner: Cell::new(None),
            created: Location::caller(),
        }
    }

    /// A variable to differentiate by.
    #[inline]
    #[track_caller]
    pub fn var(&self, value: T) -> Var<'_, T> {
        Var::new(value, Handle::leaf(self, self.columns.push_leaves(T::of(0.0), 1)))
    }

    /// Several of them.
    ///
    /// ```
    /// let tape = wengert_autograd::scalar::Tape::new();
    /// let x = tape.vars(&[1.0, 2.0, 3.0]);
    /// let y = x[0] * x[1] * x[2];
    /// assert_eq!(y.value(), 6.0);
    /// assert_eq!(y.backward().wrt_all(&x), [6.0, 3.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn vars(&self, values: &[T]) -> Vec<Var<'_, T>> {
        let first = self.columns.push_leaves(T::of(0.0), values.len());
        (first..).zip(values).map(|(record, &value)| Var::new(value, Handle::leaf(self, record))).collect()
    }

    /// How many operations and variables are recorded.
    pub fn len(&self) -> usize {
        self.columns.len() - 1
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many records there is memory for.
    pub fn capacity(&self) -> usize {
        self.columns.capacity() - 1
    }

    /// The bytes of what is recorded.
    ///
    /// ```
    /// let tape = wengert_autograd::scalar::Tape::new();
    /// let (x, y) = (tape.var(2.0), tape.var(3.0));
    /// let before = tape.bytes();
    /// let z = x * y + 1.0;                              // the sum with a constant takes no record
    /// assert_eq!(tape.bytes() - before, 24);
    /// assert_eq!((z.value(), z.backward().wrt(x)), (7.0, 3.0));
    /// ```
    pub fn bytes(&self) -> usize {
        let statements = self.statements.borrow();
        self.len() * (size_of::<[u32; 2]>() + size_of::<[T; 2]>())
            + self.columns.summed() * size_of::<u32>()
            + statements.heads.len() * size_of::<[u32; 2]>()
            + statements.links.len() * (size_of::<u32>() + size_of::<T>())
    }

    /// Forgets everything and keeps the memory. That no variable survives is proved by the borrow checker:
    ///
    /// ```compile_fail,E0502
    /// let mut tape = wengert_autograd::scalar::Tape::new();
    /// let x = tape.var(2.0);
    /// tape.clear();
    /// let y = x * x;
    /// ```
    pub fn clear(&mut self) {
        self.forget(1);
    }

    /// The same as [`clear`](Self::clear).
    pub fn reset(&mut self) {
        self.clear();
    }

    /// A tape that lives as long as the program, for libraries that ask for `'static` numbers, as `ndarray`'s `dot` does.
    ///
    /// Its memory is never given back.
    ///
    /// ```
    /// use wengert_autograd::{ndarray::array, scalar::Tape};
    /// let tape = Tape::leak(Tape::new());
    /// let x = tape.var(3.0);
    /// let product = array![[x, x * x]].dot(&array![[x], [tape.var(2.0)]]);
    /// assert_eq!(product[[0, 0]].value(), 27.0);                        // x² + 2 x²
    /// assert_eq!(product[[0, 0]].backward().wrt(x), 18.0);
    /// ```
    pub fn leak(tape: Tape<T>) -> &'static Tape<T>
    where
        T: 'static,
    {
        Box::leak(Box::new(tape))
    }

    /// Forgets the records from a place on.
    pub(super) fn forget(&self, place: usize) {
        self.columns.truncate(place);
        let mut statements = self.statements.borrow_mut();
        while statements.heads.last().is_some_and(|&[record, _]| record as usize >= place) {
            let count = statements.heads.pop().map_or(0, |[_, count]| count as usize);
            let len = statements.links.len() - count;
            statements.links.truncate(len);
            statements.partials.truncate(len);
        }
    }

    /// Records an operation of two operands.
    #[inline(always)]
    #[track_caller]
    pub(super) fn binary<'t>(&'t self, value: T, records: [u32; 2], by: [T; 2]) -> Var<'t, T> {
        if by[0].is_exactly(0.0) || by[1].is_exactly(0.0) {
            return self.binary_in_part(value, records, by[0], by[1]);
        }
        self.push(value, records, by)
    }

    /// The same where a partial derivative is exactly 0.
    #[inline(never)]
    #[track_caller]
    fn binary_in_part(&self, value: T, [first, second]: [u32; 2], by_first: T, by_second: T) -> Var<'_, T> {
        let (record, by) = if by_first.is_exactly(0.0) { (second, by_second) } else { (first, by_first) };
        match by.is_exactly(0.0) {
            true => Var::constant(value),
            false => self.push(value, [record, 0], [by, T::of(0.0)]),
        }
    }

    /// The variable of a new record.
    #[inline(always)]
    #[track_caller]
    pub(super) fn push(&self, value: T, records: [u32; 2], by: [T; 2]) -> Var<'_, T> {
        match self.columns.push(records, by) {
            Some(word) => Var::new(value, Handle::of(self, word)),
            None => self.push_growing(value, records, by[0], by[1]),
        }
    }

    // Here and below the value is handed through, so that on the usual way nothing has to be kept over a call. The partials
    // stand alone, as an array would be written to memory in one size and read in another.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn push_growing(&self, value: T, records: [u32; 2], by_first: T, by_second: T) -> Var<'_, T> {
        self.columns.make_room(1);
        let word = self.columns.push(records, [by_first, by_second]).expect("there is room now");
        Var::new(value, Handle::of(self, word))
    }

    /// The variable of a new record with a summand, which is the last of the operands.
    #[inline(always)]
    #[track_caller]
    pub(super) fn push_summed(&self, value: T, records: [u32; 3], by: [T; 2]) -> Var<'_, T> {
        match self.columns.push_summed(records, by) {
            Some(word) => Var::new(value, Handle::of(self, word)),
            None => self.push_summed_growing(value, records, by[0], by[1]),
        }
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn push_summed_growing(&self, value: T, records: [u32; 3], by_first: T, by_second: T) -> Var<'_, T> {
        self.columns.make_room(1);
        let word = self.columns.push_summed(records, [by_first, by_second]).expect("there is room now");
        Var::new(value, Handle::of(self, word))
    }

    /// Stops at a variable of another tape.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(super) fn refuse_mixture(&self, other: &Tape<T>) -> ! {
        panic!(
            "scalar: a variable of the tape made at {} is used with one of the tape made at {}, at {}; take `.value()` of \
             one of them, or use one tape",
            self.created,
            other.created,
            Location::caller()
        );
    }
}

impl<T: Scalar> Default for Tape<T> {
    #[track_caller]
    fn default() -> Self {
        Tape::new()
    }
}

impl<T: Scalar> std::fmt::Debug for Tape<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tape").field("len", &self.len()).field("created", &self.created).finish_non_exhaustive()
    }
}
