//! What a node may be: the trait that every op implements. Names no op.

use std::any::{Any, TypeId};
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use smallvec::SmallVec;

use super::var::Var;
use crate::error::Result;
use crate::kernels::number::Element;
use crate::tensor::Shape;
use crate::tensor::shape::Axes;

/// An operation on tensors that can be recorded on a tape.
///
/// Everything about an op stands in its implementation: its name, its shape rule, its kernel and its pullback. The
/// pullback is written with the same `Var`s that a user has, so it is itself recorded and can be differentiated again.
pub(crate) trait Op<T: Element>: Identity + Debug {
    /// The name in listings and errors.
    fn name(&self) -> &str;

    /// The printed formula over the printed operands.
    fn formula(&self, operands: &[String]) -> String {
        format!("{}({})", self.name(), operands.join(", "))
    }

    /// The shape of the output.
    ///
    /// # Errors
    /// The operands do not fit together. The tape adds name, source line and scope.
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape>;

    /// Computes every element of the output.
    ///
    /// # Errors
    /// An index outside its axis; most ops cannot fail here.
    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], context: &Context<'_>) -> Result<()>;

    /// The contributions to the cotangents of the inputs.
    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T>;

    /// The scalar function, where the op computes each element from the elements at the same place.
    fn row(&self) -> Option<Row<T>> {
        None
    }

    /// Whether the output is the input's memory under another shape.
    fn is_view(&self) -> bool {
        false
    }

    /// Whether the output repeats the input along new or longer axes, by the rules of broadcasting.
    fn is_broadcast(&self) -> bool {
        false
    }

    /// Where the elements of the output lie in an input of a shape, if the op does nothing but choose and order elements of
    /// its only operand. Asked for only where the output has elements.
    fn layout(&self, _input: &Shape) -> Option<Layout> {
        None
    }

    /// How elements join along which axes, ascending, where the op does only that: it may then run at the end of the pass
    /// that computes the input.
    fn joins(&self) -> Option<(Join, &[usize])> {
        None
    }

    /// The kernel of rows, and their axis, where the op computes each row of the output from the row at the same place of
    /// its only operand: it may then run in the pass that computes the operand.
    fn row_wise(&self) -> Option<(RowWise<T>, usize)> {
        None
    }

    /// Whether the output is the only operand at some places and zero elsewhere.
    fn is_part(&self) -> bool {
        false
    }

    /// The op that adds up the outputs of these ops, all of which are parts and of which this is the first, given their
    /// operands; `None` where they don't fit together.
    fn assembled(&self, _parts: &[&dyn Op<T>]) -> Option<OpRef<T>> {
        None
    }

    /// Arithmetic operations, for the printed plan.
    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> usize {
        output.volume()
    }

    /// What the kernel can do besides, given the shapes of what it reads.
    fn abilities(&self, _inputs: &[&Shape]) -> Abilities {
        Abilities::default()
    }

    /// Whether the kernel is given, in place of this operand, the operand's own first operand: for an op that reads
    /// through a transposition instead of having it computed. Shapes and pullbacks still see the operand itself.
    fn reads_through(&self, _operand: usize) -> bool {
        false
    }

    /// Whether it holds what a user made: it is then dropped with its tape, and what a later tape records is never taken for
    /// it.
    fn is_of_user(&self) -> bool {
        false
    }

    /// Whether derivatives may pass. Where not, the inputs count as not reached.
    fn is_differentiable(&self) -> bool {
        true
    }
}

/// A scalar function compiled to a loop: what the block interpreter runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<T: Element> {
    /// Tells rows apart.
    pub id: TypeId,
    /// Computes a block: every slice has the length of the output.
    pub block: fn(&[&[T]], &mut [T]),
}

/// Where elements lie: the one at place `j` of a shape at `offset + Σ j_k strides_k` in row-major memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Layout {
    /// The place of the first element.
    pub offset: usize,
    /// From one place of each axis to the next.
    pub strides: Axes,
}

/// Computes whole rows of so many elements.
pub(crate) type RowWise<T> = fn(&[T], usize, &mut [T]);

/// What many elements become one by. The joined elements of parts are joined in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Join {
    Sum,
    Greatest,
    Least,
}

/// What a kernel reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand<'a, T: Element> {
    /// The elements in row-major order; empty where the operand is a list of indices.
    pub values: &'a [T],
    /// The indices in row-major order; empty where the operand is a tensor.
    pub indices: &'a [usize],
    /// The length of every axis.
    pub shape: &'a Shape,
}

/// What a kernel can do besides computing its output from its operands as they lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Abilities {
    /// It can add its output to what lies there ([`Context::add`]), each element by one addition.
    pub adds: bool,
    /// It reads the matrices of its second operand transposed, and would rather be given a copy in which they are
    /// ([`Context::transposed`]), if others read the copy too.
    pub transposes: bool,
}

/// What a kernel may know besides its operands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    /// The seed of the tape.
    pub seed: u64,
    /// The shape of the output.
    pub shape: &'a Shape,
    /// Whether the output is added to what lies there. Only where the op says that it can.
    pub add: bool,
    /// Whether the second operand's matrices lie transposed, besides what its shape says. Only where the op asks for it.
    pub transposed: bool,
}

/// What a pullback is given.
#[derive(Clone, Debug)]
pub(crate) struct Call<'t, T: Element> {
    /// The operands.
    pub inputs: SmallVec<[Var<'t, T>; 4]>,
    /// The result.
    pub output: Var<'t, T>,
    /// The cotangent of the result.
    pub cotangent: Var<'t, T>,
    /// Which operands want a contribution; the others are dropped unseen.
    pub wanted: SmallVec<[bool; 4]>,
}

/// The contributions that a pullback returns, one for each input.
///
/// A contribution may have the shape of the output where the op broadcasts: the sweep sums it over the repeated axes.
///
/// ```
/// use wengert_autograd::{Pullback, Tape, Tensor};
/// let tape = Tape::new();
/// let (x, y, cotangent) = (tape.scalar(2.0), tape.scalar(3.0), tape.scalar(1.0));
/// let product = Pullback::of([cotangent * y, cotangent * x]);      // z = x y
/// let mask = Pullback::new([None, Some(cotangent)]);               // the derivative by the first input is zero
/// let closed: Pullback<f64> = Pullback::none();                    // differentiating through the op is an error
/// # let _ = (product, mask, closed, Tensor::scalar(0.0f64));
/// ```
#[derive(Clone, Debug)]
pub struct Pullback<'t, T: Element = f32>(pub(crate) Option<SmallVec<[Option<Var<'t, T>>; 4]>>);

impl<'t, T: Element> Pullback<'t, T> {
    /// One contribution for each input; `None` where the derivative is zero.
    pub fn new(contributions: impl IntoIterator<Item = Option<Var<'t, T>>>) -> Self {
        Pullback(Some(contributions.into_iter().collect()))
    }

    /// A contribution for each input.
    pub fn of<const N: usize>(contributions: [Var<'t, T>; N]) -> Self {
        Pullback::new(contributions.map(Some))
    }

    /// The contribution to the only input.
    pub fn one(contribution: Var<'t, T>) -> Self {
        Pullback::new([Some(contribution)])
    }

    /// The op has no pullback: differentiating through it is an error that names it.
    pub fn none() -> Self {
        Pullback(None)
    }
}

/// Compares and hashes ops behind a `dyn`: equal ops of equal inputs are one node.
pub(crate) trait Identity: Any {
    /// Whether `other` is the same op with the same parameters.
    fn same(&self, other: &dyn Any) -> bool;
    /// Feeds the type and the parameters to a hasher.
    fn feed(&self, hasher: &mut dyn Hasher);
    /// The op as `Any`.
    fn as_any(&self) -> &dyn Any;
}

impl<O: Any + PartialEq + Hash> Identity for O {
    fn same(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<O>().is_some_and(|other| self == other)
    }

    fn feed(&self, mut hasher: &mut dyn Hasher) {
        TypeId::of::<O>().hash(&mut hasher);
        self.hash(&mut hasher);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An op of a node: without parameters it costs nothing, with parameters it is shared.
#[derive(Clone, Debug)]
pub(crate) enum OpRef<T: Element> {
    Static(&'static dyn Op<T>),
    Shared(Rc<dyn Op<T>>),
}

impl<T: Element> std::ops::Deref for OpRef<T> {
    type Target = dyn Op<T>;
    fn deref(&self) -> &(dyn Op<T> + 'static) {
        match self {
            OpRef::Static(op) => *op,
            OpRef::Shared(op) => &**op,
        }
    }
}
