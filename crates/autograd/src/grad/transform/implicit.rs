//! Functions given by an equation: solved when their value is asked for, differentiated without the way to the solution.
//!
//! The equation's function is recorded once on a tape of its own. The op that solves it runs that tape at one guess after
//! another; its pullback copies the recorded nodes to where they are needed. The adjoint system is an equation too, so its
//! solution is a node of the same kind, and derivatives of every order come from one rule.

mod solver;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::error::{Error, ErrorKind, Result};
use crate::grad::region::{Region, pull_through};
use crate::kernels::number::Element;
use crate::tape::Tape;
use crate::tape::node::Kind;
use crate::tape::op::{Call, Context, Op, Operand, Pullback};
use crate::tape::var::Var;
use crate::tensor::{Shape, Tensor};
use solver::Method;

/// How an equation is solved, and when it counts as solved.
///
/// ```
/// use wengert_autograd::{Tape, Tensor, transform::Implicit};
/// let tape = Tape::new();
/// let a = tape.input(Tensor::scalar(2.0));
/// let x = Implicit::new().tolerance(1e-14).max_iterations(20).root(|x, a| x * x - a, Tensor::scalar(1.0), a);
/// let [g] = x.grad([a]);
/// assert!((x.item()? - 2f64.sqrt()).abs() < 1e-15);
/// assert!((g.item()? - 0.5 / 2f64.sqrt()).abs() < 1e-15);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Implicit {
    tolerance: Option<f64>,
    iterations: Option<usize>,
}

impl Implicit {
    /// The defaults of [`fixed_point`] and [`root`].
    pub fn new() -> Self {
        Implicit::default()
    }

    /// A step counts as small where its norm is at most `tolerance · (1 + |x|)`. By default `ε^(3/4)`, `ε` being the
    /// distance from 1 to the next number: 2e-12 in f64, 6e-6 in f32.
    pub fn tolerance(self, tolerance: f64) -> Self {
        Implicit { tolerance: Some(tolerance), ..self }
    }

    /// The largest number of iterations: by default 1000 for a fixed point and 100 for a root.
    pub fn max_iterations(self, iterations: usize) -> Self {
        Implicit { iterations: Some(iterations), ..self }
    }

    /// [`fixed_point`] with these options.
    #[track_caller]
    pub fn fixed_point<'t, T: Element>(
        self,
        f: impl for<'a> FnOnce(Var<'a, T>, Var<'a, T>) -> Var<'a, T>,
        x0: impl Into<Tensor<T>>,
        theta: Var<'t, T>,
    ) -> Var<'t, T> {
        record(Method::Iterate, self, f, x0.into(), theta)
    }

    /// [`root`] with these options.
    #[track_caller]
    pub fn root<'t, T: Element>(
        self,
        f: impl for<'a> FnOnce(Var<'a, T>, Var<'a, T>) -> Var<'a, T>,
        x0: impl Into<Tensor<T>>,
        theta: Var<'t, T>,
    ) -> Var<'t, T> {
        record(Method::Newton, self, f, x0.into(), theta)
    }
}

/// `x = f(x, θ)`: the fixed point that the iteration `x ← f(x, θ)` from `x0` leads to, as a differentiable function of `θ`.
///
/// `dx/dθ = (I − ∂f/∂x)⁻¹ ∂f/∂θ` at the solution: nothing of the iteration is kept or differentiated. The derivative needs
/// only products with `∂f/∂x`, and one linear system solved by GMRES (exact up to 200 unknowns but for rounding, restarted
/// beyond); see Griewank and Walther, *Evaluating derivatives*, 2008, chapter 15, and Blondel and others, *Efficient and
/// modular implicit differentiation*, 2022. It can be differentiated again.
///
/// It iterates until a step is at most `2e-12 (1 + |x|)` (f32: `6e-6`), then goes on while steps become shorter, for at
/// most 1000 iterations; [`Implicit`] has these as options. The error is then that of the last step times `q / (1 − q)`, if
/// steps shrink by `q`.
///
/// `f` is recorded once, when this is called, on a tape of its own: it may use parameters, which get their gradients, but no
/// `Var` besides its arguments, and it can't decide by values. `x0` is a start, not an argument: no derivative goes there.
///
/// # Errors
/// Kept on the tape: the mistakes that `f` records; a result of another shape than `x0`; a `Var` of another tape, or a value
/// asked for inside `f`. When a value is asked for: no convergence; NaN or infinity on the way; for a derivative, a singular
/// `I − ∂f/∂x`.
///
/// ```
/// use wengert_autograd::{Tape, Tensor, transform::fixed_point};
/// let tape = Tape::new();
/// let a = tape.input(Tensor::scalar(2.0));
/// let x = fixed_point(|x, a| 0.5 * (x + a / x), Tensor::scalar(1.0), a);      // √a, by the method of Heron
/// let [first] = x.grad([a]);
/// let [second] = first.grad([a]);
/// assert!((x.item()? - 2f64.sqrt()).abs() < 1e-14);
/// assert!((first.item()? - 0.5 * 2f64.powf(-0.5)).abs() < 1e-14);
/// assert!((second.item()? + 0.25 * 2f64.powf(-1.5)).abs() < 1e-13);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn fixed_point<'t, T: Element>(
    f: impl for<'a> FnOnce(Var<'a, T>, Var<'a, T>) -> Var<'a, T>,
    x0: impl Into<Tensor<T>>,
    theta: Var<'t, T>,
) -> Var<'t, T> {
    Implicit::new().fixed_point(f, x0, theta)
}

/// `f(x, θ) = 0`: the root that Newton's method finds from `x0`, as a differentiable function of `θ`.
///
/// `dx/dθ = −(∂f/∂x)⁻¹ ∂f/∂θ` at the solution, by the theorem of implicit functions; `f(x, θ)` has the shape of `x`. The
/// steps of Newton's method are solved by GMRES from products with `∂f/∂x`, and halved until `|f|` falls (Nocedal and Wright,
/// *Numerical optimization*, 2006, chapter 11). A step of at most `2e-12 (1 + |x|)` (f32: `6e-6`) is the last, and 100 are
/// the most; [`Implicit`] has these as options. At a multiple root `∂f/∂x` is singular, and the derivative infinite.
///
/// What `f` may use, and what is said of derivatives, is as for [`fixed_point`].
///
/// # Errors
/// As [`fixed_point`]; and a singular `∂f/∂x` on the way, or no step along which `|f|` falls.
///
/// ```
/// use wengert_autograd::{Tape, Tensor, transform::root};
/// let tape = Tape::new();
/// let a = tape.input(Tensor::from([1.0, 2.0]));
/// let x = root(|x, a| x.exp() - a, Tensor::from([0.0, 0.0]), a);               // ln a
/// let [g] = x.sum().grad([a]);
/// assert!((x.value()?.as_slice()[1] - 2f64.ln()).abs() < 1e-15);
/// assert!((g.value()?.as_slice()[1] - 0.5).abs() < 1e-15);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[track_caller]
pub fn root<'t, T: Element>(
    f: impl for<'a> FnOnce(Var<'a, T>, Var<'a, T>) -> Var<'a, T>,
    x0: impl Into<Tensor<T>>,
    theta: Var<'t, T>,
) -> Var<'t, T> {
    Implicit::new().root(f, x0, theta)
}

/// Records the op that solves, or keeps the mistake.
#[track_caller]
fn record<'t, T: Element>(
    method: Method,
    options: Implicit,
    f: impl for<'a> FnOnce(Var<'a, T>, Var<'a, T>) -> Var<'a, T>,
    x0: Tensor<T>,
    theta: Var<'t, T>,
) -> Var<'t, T> {
    if theta.is_poisoned() {
        return theta;
    }
    let tape = theta.tape;
    match Equation::of_function(method, f, &x0, theta) {
        Err(error) => tape.fail(error.op(method.name())),
        Ok((equation, used)) => {
            let mut operands: Vec<Var<'t, T>> = if used { vec![theta] } else { vec![] };
            operands.extend(equation.parameters_on(tape));
            tape.record_shared(Solve { equation: Rc::new(equation), options, start: x0 }, &operands)
        }
    }
}

/// A function recorded on a tape of its own: its result is to be zero, or the unknown itself.
struct Equation<T: Element> {
    method: Method,
    tape: Tape<T>,
    unknown: u32,
    /// Leaves that stand for operands.
    leaves: Vec<u32>,
    function: u32,
    /// What is zero at the solution.
    residual: u32,
    /// A direction, and the derivative of the residual along it.
    tangent: u32,
    product: u32,
}

impl<T: Element> fmt::Debug for Equation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Equation").field("method", &self.method).field("tape", &self.tape).finish_non_exhaustive()
    }
}

impl<T: Element> Equation<T> {
    /// Records a user's function; and whether it uses `θ`. Parameters come after `θ`.
    #[track_caller]
    fn of_function(
        method: Method,
        f: impl for<'a> FnOnce(Var<'a, T>, Var<'a, T>) -> Var<'a, T>,
        x0: &Tensor<T>,
        theta: Var<'_, T>,
    ) -> Result<(Self, bool)> {
        let tape = theta.tape.aside();
        let (unknown, leaf) = (tape.input(x0), tape.input(Tensor::zeros(theta.shape())));
        let (runs, ids) = (tape.runs.get(), (unknown.id, leaf.id));
        let y = f(unknown, leaf);
        if y.is_poisoned() {
            y.tape.first_error()?;
        }
        tape.first_error()?;
        if !std::ptr::eq(y.tape, unknown.tape) {
            let message = "the function returns a value of another tape";
            return Err(Error::new(ErrorKind::Tape, message).hint("it is to use its two arguments, and parameters"));
        }
        if tape.runs.get() != runs {
            let message = "the function asked for a value while it was recorded";
            let hint = "it is recorded once, for every guess, so it can't decide by values; where_(..) can";
            return Err(Error::new(ErrorKind::Argument, message).hint(hint));
        }
        if y.shape() != unknown.shape() {
            let message = format!("the function returns shape {}, the start has shape {}", y.shape(), unknown.shape());
            return Err(Error::new(ErrorKind::Shape, message));
        }
        if !tape.inner.borrow().updates.is_empty() {
            let message = "the function asks for a parameter to be updated, which has no meaning here";
            return Err(Error::new(ErrorKind::Argument, message).hint("record it on Tape::new(), as in evaluation"));
        }
        theta.tape.join_draws(&tape);
        let mut leaves = vec![ids.1];
        let mut parameters: Vec<u32> = tape.recorded_parameters().into_iter().map(|(_, node)| node).collect();
        parameters.sort_unstable();
        leaves.extend(parameters);
        let function = y.id;
        let equation = Equation::finish(method, tape, ids.0, leaves, function)?;
        let used = equation.leaves.contains(&ids.1);
        Ok((equation, used))
    }

    /// Records what the solver needs, and leaves out what the function does not use.
    #[track_caller]
    fn finish(method: Method, tape: Tape<T>, unknown: u32, leaves: Vec<u32>, function: u32) -> Result<Self> {
        let (residual, tangent, product) = {
            let (x, f) = (Var { tape: &tape, id: unknown }, Var { tape: &tape, id: function });
            let residual = if method == Method::Iterate { f - x } else { f };
            if !residual.reaches(x) {
                let message = "the function does not depend on the unknown, so nothing determines it";
                return Err(Error::new(ErrorKind::Numeric, message));
            }
            let tangent = tape.input(Tensor::zeros(x.shape()));
            let product = if method == Method::Iterate { residual } else { residual.pushforward(x, tangent) };
            tape.first_error()?;
            (residual.id, tangent.id, product.id)
        };
        let edge = Region::below(&tape, residual, |_| false).edge;
        let leaves = leaves.into_iter().filter(|leaf| edge.binary_search(leaf).is_ok()).collect();
        Ok(Equation { method, tape, unknown, leaves, function, residual, tangent, product })
    }

    /// The parameters among the leaves, on another tape.
    #[track_caller]
    fn parameters_on<'t>(&self, tape: &'t Tape<T>) -> Vec<Var<'t, T>> {
        let inner = self.tape.inner.borrow();
        let parameter = |&leaf: &u32| {
            let node = &inner.nodes[leaf as usize];
            let Kind::Parameter(id) = node.kind else { return None };
            let value = inner.values[leaf as usize].as_ref()?;
            Some(tape.parameter_leaf(id, value, node.active))
        };
        self.leaves.iter().filter_map(parameter).collect()
    }

    /// Records the residual on another tape, at an unknown and operands; with the nodes recorded.
    #[track_caller]
    fn residual_on<'t>(
        &self,
        tape: &'t Tape<T>,
        unknown: Var<'t, T>,
        operands: &[Var<'t, T>],
    ) -> Option<(Var<'t, T>, Vec<u32>)> {
        let region = Region::below(&self.tape, self.residual, |_| false);
        let mut map: FxHashMap<u32, u32> = FxHashMap::default();
        map.insert(self.unknown, unknown.id);
        map.extend(self.leaves.iter().copied().zip(operands.iter().map(|operand| operand.id)));
        for &leaf in &region.edge {
            if map.contains_key(&leaf) {
                continue;
            }
            let inner = self.tape.inner.borrow();
            let value = inner.values[leaf as usize].clone();
            let copy = match (&inner.nodes[leaf as usize].kind, value) {
                (Kind::Scalar(number), _) => tape.scalar(*number),
                (Kind::Indices(indices), _) => tape.indices(indices.clone()),
                (_, Some(value)) => tape.constant(value),
                (_, None) => return None,
            };
            map.insert(leaf, copy.id);
        }
        let copies = region.copy(&self.tape, tape, &mut map, None)?;
        Some((Var { tape, id: *map.get(&self.residual)? }, copies))
    }

    /// `Jᵀ u + g = 0`, for the cotangent `g` of the solution: the equation of the adjoint `u`, with which of the operands
    /// (solution, operands of this equation, cotangent) it uses.
    #[track_caller]
    fn adjoint(&self, call: &Call<'_, T>) -> Result<(Self, Vec<bool>)> {
        let tape = call.output.tape.aside();
        let leaf = |var: &Var<'_, T>| tape.input(Tensor::zeros(var.shape())).id;
        let unknown = leaf(&call.output);
        let leaves: Vec<u32> =
            std::iter::once(&call.output).chain(&call.inputs).chain([&call.cotangent]).map(leaf).collect();
        let at = |id: u32| Var { tape: &tape, id };
        let operands: Vec<Var<'_, T>> = leaves[1..leaves.len() - 1].iter().map(|&id| at(id)).collect();
        let solution = at(leaves[0]);
        let pulled = match self.residual_on(&tape, solution, &operands) {
            Some((residual, _)) => residual.vjp_or_zero(at(unknown), solution),
            None => return tape.first_error().and(Err(Error::new(ErrorKind::Numeric, "nothing was recorded"))),
        };
        let function = (pulled + at(leaves[leaves.len() - 1])).id;
        tape.first_error()?;
        let equation = Equation::finish(Method::Linear, tape, unknown, leaves.clone(), function)?;
        let used = leaves.iter().map(|leaf| equation.leaves.contains(leaf)).collect();
        Ok((equation, used))
    }
}

/// The solution of an equation.
#[derive(Debug)]
struct Solve<T: Element> {
    equation: Rc<Equation<T>>,
    options: Implicit,
    start: Tensor<T>,
}

impl<T: Element> PartialEq for Solve<T> {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.equation, &other.equation)
    }
}

impl<T: Element> Hash for Solve<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Rc::as_ptr(&self.equation).hash(state);
    }
}

impl<T: Element> Op<T> for Solve<T> {
    fn name(&self) -> &str {
        self.equation.method.name()
    }

    fn shape(&self, _: &[&Shape]) -> Result<Shape> {
        Ok(self.start.shape().clone())
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        for (&leaf, operand) in self.equation.leaves.iter().zip(inputs) {
            let value = Tensor::from_slice(operand.shape, operand.values)?;
            let tape = &self.equation.tape;
            tape.rebind(Var { tape, id: leaf }, value);
        }
        let solution = self.equation.solve(self.options, &self.start)?;
        output.iter_mut().zip(solution).for_each(|(to, from)| *to = T::of(from));
        Ok(())
    }

    fn is_of_user(&self) -> bool {
        true
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let tape = call.output.tape;
        let (equation, used) = match self.equation.adjoint(call) {
            Ok(adjoint) => adjoint,
            Err(error) => return Pullback::new(vec![Some(tape.fail(error.op(self.name()))); call.inputs.len()]),
        };
        let all = std::iter::once(&call.output).chain(&call.inputs).chain([&call.cotangent]);
        let operands: Vec<Var<'t, T>> = all.zip(used).filter(|(_, used)| *used).map(|(var, _)| *var).collect();
        let start = Tensor::zeros(call.output.shape());
        let adjoint = Solve { equation: Rc::new(equation), options: self.options, start };
        let adjoint = tape.record_shared(adjoint, &operands);
        let targets: Vec<u32> =
            call.inputs.iter().zip(&call.wanted).filter(|(_, wanted)| **wanted).map(|(input, _)| input.id).collect();
        let residual = self.equation.residual_on(tape, call.output, &call.inputs);
        let pulled = residual.and_then(|(residual, nodes)| pull_through(residual, adjoint, &nodes, &targets));
        let mut pulled = pulled.unwrap_or_default();
        // Taken out: an operand that is there twice gets it once.
        Pullback::new(call.inputs.iter().map(|input| pulled.remove(&input.id)))
    }
}
