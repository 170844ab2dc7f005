//! Indexing: elements and rows at places that indices name, and their adjoints.
//!
//! `index_select` and `index_add`, `gather` and `scatter_add`, and `scatter` and a `gather` of the last writes are pairs
//! of adjoints: each is the pullback of the other. Indices are operands of their own, so a plan is used again for new
//! ones; they are checked by the kernel, once.

pub(super) mod rows;
pub(super) mod samples;

use super::real::{Entry, Real};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::indexing::{self, Outside, Places};
use crate::kernels::number::Element;
use crate::tape::Tape;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::{IndexTensor, Shape};

/// The mistake of an index beyond its axis.
fn outside(error: Outside, indices: &Shape, bound: String, length: usize, noun: &str) -> Error {
    let position: Vec<usize> =
        indices.strides().iter().zip(indices.iter()).map(|(stride, length)| error.position / stride % length).collect();
    let place = match position.as_slice() {
        [] => String::new(),
        [position] => format!(" at position {position}"),
        position => format!(" at position {position:?}"),
    };
    let hint = match length {
        0 => "there are no elements".to_string(),
        1 => format!("the only {noun} is 0"),
        _ => format!("{} count from 0: 0 to {}", if noun == "label" { "labels" } else { "indices" }, length - 1),
    };
    Error::new(ErrorKind::Index, format!("{noun} {}{place} is outside {bound}", error.index)).hint(hint)
}

/// `axis 1 of length 10 in shape [4, 10]`.
fn axis_bound(axis: usize, shape: &Shape) -> String {
    format!("axis {axis} of length {} in shape {shape}", shape[axis])
}

/// `y[.., i, ..] = x[.., indices[i], ..]`: rows at indices of any shape, which takes the place of the axis.
#[derive(Clone, Debug, PartialEq, Hash)]
struct IndexSelect {
    axis: usize,
    /// Whether the operand is a tensor read as one row: then the op is called `take`.
    flat: bool,
}

impl<T: Element> Op<T> for IndexSelect {
    fn name(&self) -> &str {
        if self.flat { "take" } else { "index_select" }
    }

    fn formula(&self, operands: &[String]) -> String {
        match self.flat {
            true => format!("take({}, {})", operands[0], operands[1]),
            false => format!("index_select({}, axis {}, {})", operands[0], self.axis, operands[1]),
        }
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        let (before, after) = (&inputs[0][..self.axis], &inputs[0][self.axis + 1..]);
        Ok(Shape::collect(before.iter().chain(inputs[1].iter()).chain(after).copied()))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let (outer, length, inner) = inputs[0].shape.around(self.axis);
        indexing::select_rows(inputs[1].indices, [outer, length, inner], inputs[0].values, output).map_err(|error| {
            match self.flat {
                true => {
                    outside(error, inputs[1].shape, format!("the {length} elements of the operand"), length, "index")
                }
                false => outside(error, inputs[1].shape, axis_bound(self.axis, inputs[0].shape), length, "index"),
            }
        })
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let back = IndexAdd { axis: self.axis, shape: call.inputs[0].shape() };
        Pullback::new([Some(call.cotangent.tape.record_shared(back, &[call.inputs[1], call.cotangent])), None])
    }
}

/// `y[.., indices[i], ..] += x[.., i, ..]`, from zeros of a shape.
#[derive(Clone, Debug, PartialEq, Hash)]
struct IndexAdd {
    axis: usize,
    shape: Shape,
}

impl<T: Element> Op<T> for IndexAdd {
    fn name(&self) -> &str {
        "index_add"
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("index_add(zeros {}, axis {}, {}, {})", self.shape, self.axis, operands[0], operands[1])
    }

    fn shape(&self, _: &[&Shape]) -> Result<Shape> {
        Ok(self.shape.clone())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let (outer, length, inner) = self.shape.around(self.axis);
        output.fill(T::of(0.0));
        indexing::add_rows(inputs[0].indices, [outer, length, inner], inputs[1].values, output)
            .map_err(|error| outside(error, inputs[0].shape, axis_bound(self.axis, &self.shape), length, "index"))
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let back = IndexSelect { axis: self.axis, flat: false };
        Pullback::new([None, Some(call.cotangent.tape.record_shared(back, &[call.cotangent, call.inputs[0]]))])
    }
}

/// Whether indices have as many axes as the data, none longer except along the axis.
fn check_places(axis: usize, data: &Shape, indices: &Shape) -> Result<()> {
    let longer = |&other: &usize| other != axis && indices[other] > data[other];
    let error = || {
        let message = format!("indices of shape {indices} do not fit an operand of shape {data}");
        Error::new(ErrorKind::Shape, message)
    };
    if data.len() != indices.len() {
        let row = Shape::collect((0..data.len()).map(|other| if other == axis { 1 } else { data[other] }));
        return Err(match row.volume() == indices.volume() {
            true => error().hint(format!("for one index in each row, reshape the indices to {row}")),
            false => error().hint("indices need as many axes as the operand"),
        });
    }
    match (0..data.len()).find(longer) {
        Some(other) => Err(error().hint(format!(
            "only axis {axis} of the indices may be longer than the operand's; axis {other} is {} and {}",
            indices[other], data[other]
        ))),
        None => Ok(()),
    }
}

/// `y[i, j] = x[i, indices[i, j]]` along an axis.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Gather {
    axis: usize,
    /// Whether only the last of several positions that name a place gets its element, the others zero.
    last: bool,
}

impl<T: Element> Op<T> for Gather {
    fn name(&self) -> &str {
        "gather"
    }

    fn formula(&self, operands: &[String]) -> String {
        let last = if self.last { ", the last of equal places" } else { "" };
        format!("gather({}, axis {}, {}{last})", operands[0], self.axis, operands[1])
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        check_places(self.axis, inputs[0], inputs[1])?;
        Ok(inputs[1].clone())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        let places = places(self.axis, inputs[0].shape, inputs[1]);
        let done = match self.last {
            true => indexing::gather_last(places, inputs[0].values, output)?,
            false => indexing::gather(places, inputs[0].values, output),
        };
        done.map_err(|error| outside_places(error, self.axis, inputs[0].shape, inputs[1].shape))
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let back = Scatter { axis: self.axis, adds: !self.last, zeros: Some(call.inputs[0].shape()) };
        Pullback::new([Some(call.cotangent.tape.record_shared(back, &[call.inputs[1], call.cotangent])), None])
    }
}

fn places<'a, T: Element>(axis: usize, data: &'a Shape, indices: Operand<'a, T>) -> Places<'a> {
    Places { indices: indices.indices, lengths: indices.shape, data, axis }
}

fn outside_places(error: Outside, axis: usize, data: &Shape, indices: &Shape) -> Error {
    outside(error, indices, axis_bound(axis, data), data[axis], "label")
}

/// `y[i, indices[i, j]] = x[i, j]`, or `+=`, along an axis: into a copy of the base, or into zeros.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Scatter {
    axis: usize,
    adds: bool,
    /// The shape of the zeros to write into; without it the first operand is the base.
    zeros: Option<Shape>,
}

impl<T: Element> Op<T> for Scatter {
    fn name(&self) -> &str {
        if self.adds { "scatter_add" } else { "scatter" }
    }

    fn formula(&self, operands: &[String]) -> String {
        let name = if self.adds { "scatter_add" } else { "scatter" };
        match &self.zeros {
            Some(zeros) => format!("{name}(zeros {zeros}, axis {}, {}, {})", self.axis, operands[0], operands[1]),
            None => format!("{name}({}, axis {}, {}, {})", operands[0], self.axis, operands[1], operands[2]),
        }
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        let (base, rest) = match &self.zeros {
            Some(zeros) => (zeros, inputs),
            None => (inputs[0], &inputs[1..]),
        };
        check_places(self.axis, base, rest[0])?;
        if rest[0] != rest[1] {
            let message = format!("the source of shape {} does not fit indices of shape {}", rest[1], rest[0]);
            return Err(Error::new(ErrorKind::Shape, message).hint("there is one index for each element of the source"));
        }
        Ok(base.clone())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], context: &Context<'_>) -> Result<()> {
        let rest = match self.zeros {
            Some(_) => {
                output.fill(T::of(0.0));
                inputs
            }
            None => {
                output.copy_from_slice(inputs[0].values);
                &inputs[1..]
            }
        };
        let places = places(self.axis, context.shape, rest[0]);
        let done = match self.adds {
            true => indexing::scatter_add(places, rest[1].values, output),
            false => indexing::scatter(places, rest[1].values, output),
        };
        done.map_err(|error| outside_places(error, self.axis, context.shape, rest[0].shape))
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let (g, tape) = (call.cotangent, call.cotangent.tape);
        let gather = Gather { axis: self.axis, last: !self.adds };
        if self.zeros.is_some() {
            return Pullback::new([None, Some(tape.record_shared(gather, &[g, call.inputs[0]]))]);
        }
        let indices = call.inputs[1];
        let to_base = call.wanted[0].then(|| match self.adds {
            true => g,
            // Whatever was overwritten has no part in the output.
            false => {
                let zeros = tape.scalar(T::of(0.0)).expand(indices.shape());
                tape.record_shared(self.clone(), &[g, indices, zeros])
            }
        });
        let to_source = call.wanted[2].then(|| tape.record_shared(gather, &[g, indices]));
        Pullback::new([to_base, None, to_source])
    }
}

/// A row of zeros with a 1 at the label, for each label.
#[derive(Clone, Debug, PartialEq, Hash)]
struct OneHot {
    classes: usize,
}

impl<T: Element> Op<T> for OneHot {
    fn name(&self) -> &str {
        "one_hot"
    }

    fn formula(&self, operands: &[String]) -> String {
        format!("one_hot({}, {} classes)", operands[0], self.classes)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok(Shape::collect(inputs[0].iter().copied().chain([self.classes])))
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        indexing::one_hot(inputs[0].indices, self.classes, output).map_err(|error| {
            outside(error, inputs[0].shape, format!("the {} classes", self.classes), self.classes, "label")
        })
    }

    fn pullback<'t>(&self, _: &Call<'t, T>) -> Pullback<'t, T> {
        Pullback::new([None])
    }

    fn is_differentiable(&self) -> bool {
        false
    }
}

impl<'t, T: Element> Var<'t, T> {
    /// The axis counted from the front; else what is to be returned instead.
    #[track_caller]
    fn counted_axis(self, op: &str, axis: isize) -> Result<usize, Self> {
        match self.is_poisoned() {
            true => Err(self),
            false => self.shape().axis(axis).map_err(|error| self.tape.fail(error.op(op))),
        }
    }

    /// `y[.., i, ..] = x[.., indices[i], ..]`: the rows of an axis that the indices name, in their order.
    ///
    /// The shape of the indices takes the place of the axis: `n` indices give an axis of length `n` (as in PyTorch), a
    /// batch of sentences `[b, t]` with a table `[words, d]` gives `[b, t, d]`, one index of shape `[]` takes the axis
    /// away. A row may be named several times; its gradient is then the sum. Negative axes count from the end.
    ///
    /// # Errors
    /// Kept on the tape: an axis that the operand does not have. When it is computed: an index outside the axis.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let table = tape.input(Tensor::from([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]));
    /// let words = table.index_select(0, [2, 0, 2]);
    /// assert_eq!(words.value()?, Tensor::from([[5.0, 6.0], [1.0, 2.0], [5.0, 6.0]]));
    /// let [g] = words.sum().grad([table]);
    /// assert_eq!(g.value()?, Tensor::from([[1.0, 1.0], [0.0, 0.0], [2.0, 2.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn index_select(self, axis: isize, indices: impl Into<IndexTensor>) -> Self {
        match self.counted_axis("index_select", axis) {
            Ok(axis) => {
                let indices = self.tape.indices(indices.into());
                self.tape.record_shared(IndexSelect { axis, flat: false }, &[self, indices])
            }
            Err(poisoned) => poisoned,
        }
    }

    /// `y[i] = x[indices[i]]`, where `x` is read as one row of all its elements in row-major order.
    ///
    /// The shape is that of the indices. An element may be named several times; its gradient is then the sum.
    ///
    /// # Errors
    /// When it is computed: an index that is not below the number of elements.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// let y = x.take([3, 0, 3]);
    /// assert_eq!(y.value()?.as_slice(), [4.0, 1.0, 4.0]);
    /// let [g] = y.sum().grad([x]);
    /// assert_eq!(g.value()?, Tensor::from([[1.0, 0.0], [0.0, 2.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn take(self, indices: impl Into<IndexTensor>) -> Self {
        if self.is_poisoned() {
            return self;
        }
        let row = self.reshape([self.shape().volume()]);
        let indices = self.tape.indices(indices.into());
        self.tape.record_shared(IndexSelect { axis: 0, flat: true }, &[row, indices])
    }

    /// `y[i, j] = x[i, indices[i, j]]` for `axis = 1`, and so for any axis: PyTorch's `gather`.
    ///
    /// The shape is that of the indices, which have as many axes as the operand, none longer except along `axis`. For
    /// one label a row, `[n, classes]` is gathered along axis 1 with labels of shape `[n, 1]`. An element may be named
    /// several times; its gradient is then the sum. Negative axes count from the end.
    ///
    /// # Errors
    /// Kept on the tape: an axis that the operand does not have; indices of a shape that does not fit. When it is
    /// computed: an index outside the axis.
    ///
    /// ```
    /// use wengert_autograd::{IndexTensor, Tape, Tensor};
    /// let tape = Tape::new();
    /// let scores = tape.input(Tensor::from([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]]));
    /// let labels = IndexTensor::from_vec([2, 1], vec![1, 0])?;
    /// let right = scores.gather(1, &labels);
    /// assert_eq!(right.value()?, Tensor::from([[0.7], [0.5]]));
    /// let [g] = right.sum().grad([scores]);
    /// assert_eq!(g.value()?, Tensor::from([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn gather(self, axis: isize, indices: impl Into<IndexTensor>) -> Self {
        match self.counted_axis("gather", axis) {
            Ok(axis) => {
                let indices = self.tape.indices(indices.into());
                self.tape.record_shared(Gather { axis, last: false }, &[self, indices])
            }
            Err(poisoned) => poisoned,
        }
    }

    /// `y = x`, then `y[i, indices[i, j]] += source[i, j]` for `axis = 1`, and so for any axis.
    ///
    /// The shape is that of the operand, the base. The indices have as many axes as the base, none longer except along
    /// `axis`; the source has the shape of the indices or repeats to it by the rules of broadcasting. Sums are taken in
    /// the order of the indices, so they are the same bits in every run. The gradient of the base is the cotangent,
    /// that of the source its [`gather`](Var::gather). Negative axes count from the end.
    ///
    /// # Errors
    /// As [`gather`](Var::gather); and, kept on the tape, a source of another shape than the indices.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let (base, source) = (tape.input(Tensor::from([1.0, 2.0, 3.0])), tape.input(Tensor::from([10.0, 20.0])));
    /// let y = base.scatter_add(0, [2, 2], source);
    /// assert_eq!(y.value()?.as_slice(), [1.0, 2.0, 33.0]);
    /// let [g] = y.square().sum().grad([source]);           // 2 y[2], twice
    /// assert_eq!(g.value()?.as_slice(), [66.0, 66.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn scatter_add(self, axis: isize, indices: impl Into<IndexTensor>, source: Self) -> Self {
        self.scattered("scatter_add", axis, indices.into(), source, true)
    }

    /// `y = x`, then `y[i, indices[i, j]] = source[i, j]` for `axis = 1`, and so for any axis.
    ///
    /// Shapes are those of [`scatter_add`](Var::scatter_add). Where several indices name one place, the last of them in
    /// row-major order wins: only its source element gets the gradient of that place, the others and the overwritten
    /// element of the base get zero. (PyTorch leaves the order open, and its gradient is then wrong.)
    ///
    /// # Errors
    /// As [`scatter_add`](Var::scatter_add).
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let (base, source) = (tape.input(Tensor::from([1.0, 2.0, 3.0])), tape.input(Tensor::from([10.0, 20.0])));
    /// let y = base.scatter(0, [2, 2], source);
    /// assert_eq!(y.value()?.as_slice(), [1.0, 2.0, 20.0]);
    /// let [gb, gs] = y.sum().grad([base, source]);
    /// assert_eq!(gb.value()?.as_slice(), [1.0, 1.0, 0.0]);
    /// assert_eq!(gs.value()?.as_slice(), [0.0, 1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn scatter(self, axis: isize, indices: impl Into<IndexTensor>, source: Self) -> Self {
        self.scattered("scatter", axis, indices.into(), source, false)
    }

    #[track_caller]
    fn scattered(self, op: &str, axis: isize, indices: IndexTensor, source: Self, adds: bool) -> Self {
        let axis = match self.counted_axis(op, axis) {
            Ok(axis) => axis,
            Err(poisoned) => return poisoned,
        };
        // A source that can't be repeated is left to the shape rule, which names it.
        let repeats = std::ptr::eq(self.tape, source.tape)
            && source.shape().broadcast(indices.shape()).as_ref() == Some(indices.shape());
        let source = if repeats { source.expand(indices.shape()) } else { source };
        let indices = self.tape.indices(indices);
        self.tape.record_shared(Scatter { axis, adds, zeros: None }, &[self, indices, source])
    }

    /// `yᵢ = value` where the mask is not zero, else `xᵢ`.
    ///
    /// Shapes are broadcast by NumPy's rule. The gradient is zero where the mask is not zero, whatever `x` is there; the
    /// mask has none.
    ///
    /// # Errors
    /// Kept on the tape: shapes that do not broadcast.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([1.0, 2.0, 3.0]));
    /// let mask = tape.constant(Tensor::from([0.0, 1.0, 0.0]));
    /// let y = x.masked_fill(mask, 10.0).square();
    /// assert_eq!(y.value()?.as_slice(), [1.0, 100.0, 9.0]);
    /// let [g] = y.sum().grad([x]);
    /// assert_eq!(g.value()?.as_slice(), [2.0, 0.0, 6.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn masked_fill(self, mask: Self, value: T) -> Self {
        Entry(mask).select(Entry(self.tape.scalar(value)), Entry(self)).0
    }
}

impl<T: Element> Tape<T> {
    /// `y[i, j] = 1` where `j = indices[i]`, else 0: labels as rows of 0 and 1.
    ///
    /// The shape is that of the indices and an axis of length `classes` at the end. Not differentiable. The labels are
    /// an operand, so the next batch of labels reuses the plan.
    ///
    /// # Errors
    /// When it is computed: a label that is not below `classes`.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let rows = tape.one_hot([2, 0], 3);
    /// assert_eq!(rows.value()?, Tensor::from([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]));
    /// let weight = tape.input(Tensor::from([[5.0], [6.0], [7.0]]));
    /// let [g] = rows.matmul(weight).sum().grad([weight]);
    /// assert_eq!(g.value()?, Tensor::from([[1.0], [0.0], [1.0]]));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn one_hot(&self, indices: impl Into<IndexTensor>, classes: usize) -> Var<'_, T> {
        let indices = self.indices(indices.into());
        self.record_shared(OneHot { classes }, &[indices])
    }
}
