//! Programs as data: recorded on a tape, or evaluated naively on `ndarray`.

use ndarray::{ArrayD, Axis, IxDyn, Slice};
use wengert_autograd::{Tape, Tensor, Var};

/// One step; operands are numbers of earlier values, inputs first. Which operand and which variant are drawn large and
/// brought into range when the program is read, so that every draw is a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    pub(crate) kind: u8,
    pub(crate) a: usize,
    pub(crate) b: usize,
    pub(crate) variant: usize,
}

/// The shapes that a program may broadcast to, and the elements of its values at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) shapes: &'static [&'static [usize]],
    pub(crate) most: usize,
}

/// A step that fits its operands.
#[derive(Clone, Debug)]
enum Step {
    Tanh(usize),
    Sigmoid(usize),
    SoftSquare(usize),
    Exp(usize),
    Log(usize),
    Root(usize),
    Negate(usize),
    Scale(usize, f64),
    Add(usize, usize),
    Subtract(usize, usize),
    Multiply(usize, usize),
    Divide(usize, usize),
    MatMul(usize, usize),
    Sum(usize, Vec<usize>, bool),
    Reshape(usize, Vec<usize>),
    Permute(usize, Vec<usize>),
    Expand(usize, Vec<usize>),
    Narrow(usize, usize, usize, usize),
    Cat(usize, usize, usize),
    Max(usize),
    Softmax(usize, usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Program {
    inputs: Vec<Tensor<f64>>,
    steps: Vec<Step>,
}

/// Numbers between -1.5 and 1.5.
pub(crate) fn numbers(shape: &[usize], salt: usize) -> Tensor<f64> {
    Tensor::from_fn(shape, |i| -1.5 + 3.0 * ((i + 1 + salt) as f64 * 0.618_033_988_749_894_9).fract())
}

fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let lengths = (0..rank).map(|axis| match (at(a, axis), at(b, axis)) {
        (a, b) if a == b || b == 1 => Some(a),
        (1, b) => Some(b),
        _ => None,
    });
    lengths.collect()
}

fn product_shape(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let (rows, columns) = (a.len().checked_sub(2)?, b.len().checked_sub(2)?);
    if a[rows + 1] != b[columns] {
        return None;
    }
    let mut shape = broadcast(&a[..rows], &b[..columns])?;
    shape.extend([a[rows], b[columns + 1]]);
    Some(shape)
}

impl Program {
    /// Brings draws into range: a draw that fits nothing is a tanh, which also keeps values small.
    pub(crate) fn read(inputs: Vec<Tensor<f64>>, draws: &[Draw], sizes: Sizes) -> Program {
        let mut shapes: Vec<Vec<usize>> = inputs.iter().map(|input| input.shape().to_vec()).collect();
        let mut steps = vec![];
        for draw in draws {
            // Recent values are preferred, so that programs grow deep as well as wide.
            let recent = |place: usize| shapes.len() - 1 - place % shapes.len().min(6);
            let (a, b) = (recent(draw.a), recent(draw.b));
            let (step, shape) = fitting(draw, a, b, &shapes, sizes).unwrap_or((Step::Tanh(a), shapes[a].clone()));
            steps.push(step);
            shapes.push(shape);
        }
        Program { inputs, steps }
    }

    pub(crate) fn inputs(&self) -> Vec<Tensor<f64>> {
        self.inputs.clone()
    }

    pub(crate) fn direction(&self, salt: usize) -> Vec<Tensor<f64>> {
        self.inputs.iter().enumerate().map(|(i, input)| numbers(input.shape(), 100 * salt + 17 * i)).collect()
    }

    /// Every step's value on a tape.
    pub(crate) fn record<'t>(&self, inputs: &[Var<'t, f64>]) -> Vec<Var<'t, f64>> {
        let mut values = inputs.to_vec();
        for step in &self.steps {
            values.push(step.record(&values));
        }
        values.split_off(inputs.len())
    }

    /// A weighted sum of the last three values, which also depends on every input.
    pub(crate) fn loss<'t>(&self, tape: &'t Tape<f64>, inputs: &[Var<'t, f64>]) -> Var<'t, f64> {
        let values = self.record(inputs);
        let terms = values.iter().rev().take(3);
        let sum =
            terms.fold(tape.scalar(0.0), |sum, &value| sum + (value * tape.constant(weights(&value.shape()))).sum());
        reaching(sum, inputs)
    }

    /// Every step's value, one element at a time and one step after the other.
    pub(crate) fn evaluate(&self, inputs: &[Tensor<f64>]) -> Vec<ArrayD<f64>> {
        let mut values: Vec<ArrayD<f64>> = inputs.iter().map(|input| input.view().to_owned()).collect();
        for step in &self.steps {
            values.push(step.evaluate(&values));
        }
        values.split_off(inputs.len())
    }
}

fn weights(shape: &[usize]) -> Tensor<f64> {
    numbers(shape, 5)
}

/// Makes every input reached, with a derivative of zero where the program leaves it out.
pub(crate) fn reaching<'t>(loss: Var<'t, f64>, inputs: &[Var<'t, f64>]) -> Var<'t, f64> {
    inputs.iter().fold(loss, |loss, &x| loss + (x * 0.0).sum())
}

/// The loss of the values of all steps.
pub(crate) fn sum(values: &[ArrayD<f64>]) -> f64 {
    let term = |value: &ArrayD<f64>| {
        value.iter().zip(weights(value.shape()).as_slice()).map(|(value, weight)| value * weight).sum::<f64>()
    };
    values.iter().rev().take(3).map(term).sum()
}

/// The step that a draw asks for, where it fits, with its shape.
fn fitting(draw: &Draw, a: usize, b: usize, shapes: &[Vec<usize>], sizes: Sizes) -> Option<(Step, Vec<usize>)> {
    let (step, shape) = step_of(draw, a, b, shapes, sizes)?;
    let inner = if matches!(step, Step::MatMul(..)) { shapes[a][shapes[a].len() - 1].max(1) } else { 1 };
    (shape.iter().product::<usize>() * inner <= 16 * sizes.most && shape.iter().product::<usize>() <= sizes.most)
        .then_some((step, shape))
}

fn step_of(draw: &Draw, a: usize, b: usize, shapes: &[Vec<usize>], sizes: Sizes) -> Option<(Step, Vec<usize>)> {
    let (left, right) = (&shapes[a], &shapes[b]);
    let same = |step: Step| Some((step, left.clone()));
    let both = |step: Step| Some((step, broadcast(left, right)?));
    let rank = left.len();
    match draw.kind {
        0 => same(Step::Sigmoid(a)),
        1 => same(Step::SoftSquare(a)),
        2 => same(Step::Exp(a)),
        3 => same(Step::Log(a)),
        4 => same(Step::Root(a)),
        5 => same(Step::Negate(a)),
        6 => same(Step::Scale(a, [0.5, -1.0, 1.0, 0.0, 0.3][draw.variant % 5])),
        7..=9 => both(Step::Add(a, b)),
        10 | 11 => both(Step::Subtract(a, b)),
        12..=14 => both(Step::Multiply(a, b)),
        15 => both(Step::Divide(a, b)),
        16 | 17 => Some((Step::MatMul(a, b), product_shape(left, right)?)),
        18 | 19 => {
            let axes: Vec<usize> = (0..rank).filter(|axis| draw.variant >> axis & 1 == 1).collect();
            let keepdim = draw.variant & 64 != 0;
            let lengths = left.iter().enumerate().filter_map(|(axis, &length)| match axes.contains(&axis) {
                true => keepdim.then_some(1),
                false => Some(length),
            });
            Some((Step::Sum(a, axes.clone(), keepdim), lengths.collect()))
        }
        20 => {
            let volume: usize = left.iter().product();
            let shape = match draw.variant % 4 {
                0 => vec![volume],
                1 => vec![1, volume],
                2 => vec![volume, 1],
                _ if volume.is_multiple_of(2) => vec![2, volume / 2],
                _ => vec![volume],
            };
            Some((Step::Reshape(a, shape.clone()), shape))
        }
        21 => {
            let mut order: Vec<usize> = (0..rank).collect();
            order.rotate_left(draw.variant % rank.max(1));
            if draw.variant & 64 != 0 {
                order.reverse();
            }
            let shape = order.iter().map(|&axis| left[axis]).collect();
            Some((Step::Permute(a, order), shape))
        }
        22 => {
            let shape = broadcast(left, sizes.shapes[draw.variant % sizes.shapes.len()])?;
            Some((Step::Expand(a, shape.clone()), shape))
        }
        24.. => beyond_differences(draw, a, b, shapes),
        _ => None,
    }
}

/// Steps that programs have which are not compared with finite differences.
fn beyond_differences(draw: &Draw, a: usize, b: usize, shapes: &[Vec<usize>]) -> Option<(Step, Vec<usize>)> {
    let (left, right) = (&shapes[a], &shapes[b]);
    let axis = draw.variant.checked_rem(left.len());
    let with = |axis: usize, length: usize| {
        let mut shape = left.clone();
        shape[axis] = length;
        shape
    };
    match draw.kind {
        24 | 25 => {
            let axis = axis?;
            let start = left[axis].min(draw.variant / 8 % 3);
            let length = (left[axis] - start).saturating_sub(draw.variant / 32 % 3);
            Some((Step::Narrow(a, axis, start, length), with(axis, length)))
        }
        26 if left == right => Some((Step::Cat(a, b, axis?), with(axis?, 2 * left[axis?]))),
        27 if !left.contains(&0) => Some((Step::Max(a), vec![])),
        28 if !left.contains(&0) => Some((Step::Softmax(a, axis?), left.clone())),
        _ => None,
    }
}

fn signed(axes: &[usize]) -> Vec<isize> {
    axes.iter().map(|&axis| axis as isize).collect()
}

impl Step {
    /// Bounded everywhere: what could grow is put through tanh first.
    fn record<'t>(&self, values: &[Var<'t, f64>]) -> Var<'t, f64> {
        let v = |i: &usize| values[*i];
        match self {
            Step::Tanh(a) => v(a).tanh(),
            Step::Sigmoid(a) => v(a).sigmoid(),
            Step::SoftSquare(a) => v(a).tanh().square(),
            Step::Exp(a) => v(a).tanh().exp(),
            Step::Log(a) => (v(a).tanh() + 1.5).ln(),
            Step::Root(a) => (v(a).sigmoid() + 0.25).sqrt(),
            Step::Negate(a) => -v(a),
            Step::Scale(a, factor) => v(a) * *factor,
            Step::Add(a, b) => (v(a) + v(b)) * 0.5,
            Step::Subtract(a, b) => (v(a) - v(b)) * 0.5,
            Step::Multiply(a, b) => v(a).tanh() * v(b),
            Step::Divide(a, b) => v(a) / (v(b).tanh() + 2.0),
            Step::MatMul(a, b) => v(a).matmul(v(b)).tanh(),
            Step::Sum(a, axes, keepdim) => v(a).sum_axes(&signed(axes), *keepdim).tanh(),
            Step::Reshape(a, shape) => v(a).reshape(shape.as_slice()),
            Step::Permute(a, order) => v(a).permute(&signed(order)),
            Step::Expand(a, shape) => v(a).expand(shape.as_slice()),
            Step::Narrow(a, axis, start, length) => v(a).narrow(*axis as isize, *start, *length),
            Step::Cat(a, b, axis) => wengert_autograd::cat(&[v(a), v(b)], *axis as isize),
            Step::Max(a) => v(a).max(),
            Step::Softmax(a, axis) => v(a).softmax(*axis as isize),
        }
    }

    fn evaluate(&self, values: &[ArrayD<f64>]) -> ArrayD<f64> {
        let v = |i: &usize| &values[*i];
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        match self {
            Step::Tanh(a) => v(a).mapv(f64::tanh),
            Step::Sigmoid(a) => v(a).mapv(sigmoid),
            Step::SoftSquare(a) => v(a).mapv(|x| x.tanh() * x.tanh()),
            Step::Exp(a) => v(a).mapv(|x| x.tanh().exp()),
            Step::Log(a) => v(a).mapv(|x| (x.tanh() + 1.5).ln()),
            Step::Root(a) => v(a).mapv(|x| (sigmoid(x) + 0.25).sqrt()),
            Step::Negate(a) => v(a).mapv(|x| -x),
            Step::Scale(a, factor) => v(a).mapv(|x| x * factor),
            Step::Add(a, b) => pairs(v(a), v(b), |a, b| (a + b) * 0.5),
            Step::Subtract(a, b) => pairs(v(a), v(b), |a, b| (a - b) * 0.5),
            Step::Multiply(a, b) => pairs(v(a), v(b), |a, b| a.tanh() * b),
            Step::Divide(a, b) => pairs(v(a), v(b), |a, b| a / (b.tanh() + 2.0)),
            Step::MatMul(a, b) => product(v(a), v(b)).mapv(f64::tanh),
            Step::Sum(a, axes, keepdim) => {
                let mut sum = v(a).clone();
                for &axis in axes.iter().rev() {
                    sum = sum.sum_axis(Axis(axis));
                    if *keepdim {
                        sum = sum.insert_axis(Axis(axis));
                    }
                }
                sum.mapv(f64::tanh)
            }
            Step::Reshape(a, shape) => {
                let flat = v(a).iter().copied().collect();
                ArrayD::from_shape_vec(IxDyn(shape), flat).expect("as many elements")
            }
            Step::Permute(a, order) => v(a).clone().permuted_axes(IxDyn(order)),
            Step::Expand(a, shape) => v(a).broadcast(IxDyn(shape)).expect("it fits").to_owned(),
            Step::Narrow(a, axis, start, length) => {
                v(a).slice_axis(Axis(*axis), Slice::from(*start..start + length)).to_owned()
            }
            Step::Cat(a, b, axis) => ndarray::concatenate(Axis(*axis), &[v(a).view(), v(b).view()]).expect("they fit"),
            Step::Max(a) => ndarray::arr0(v(a).iter().copied().fold(f64::NEG_INFINITY, f64::max)).into_dyn(),
            Step::Softmax(a, axis) => {
                let mut softmax = v(a).mapv(f64::exp);
                for mut lane in softmax.lanes_mut(Axis(*axis)) {
                    let sum = lane.sum();
                    lane.mapv_inplace(|x| x / sum);
                }
                softmax
            }
        }
    }
}

fn pairs(a: &ArrayD<f64>, b: &ArrayD<f64>, function: impl Fn(f64, f64) -> f64) -> ArrayD<f64> {
    let shape = broadcast(a.shape(), b.shape()).expect("they fit");
    let (a, b) = (a.broadcast(IxDyn(&shape)).expect("it fits"), b.broadcast(IxDyn(&shape)).expect("it fits"));
    ArrayD::from_shape_fn(IxDyn(&shape), |place| function(a[&place], b[&place]))
}

/// The definition, element by element.
fn product(a: &ArrayD<f64>, b: &ArrayD<f64>) -> ArrayD<f64> {
    let shape = product_shape(a.shape(), b.shape()).expect("they fit");
    let (batch, inner) = (&shape[..shape.len() - 2], a.shape()[a.ndim() - 1]);
    let full = |x: &ArrayD<f64>| {
        let lengths = [batch, &x.shape()[x.ndim() - 2..]].concat();
        x.broadcast(IxDyn(&lengths)).expect("it fits").to_owned()
    };
    let (a, b, last) = (full(a), full(b), shape.len() - 2);
    ArrayD::from_shape_fn(IxDyn(&shape), |place| {
        let place: Vec<usize> = (0..shape.len()).map(|axis| place[axis]).collect();
        let at = |i: usize, j: usize| IxDyn(&[&place[..last], &[i, j]].concat());
        (0..inner).map(|k| a[at(place[last], k)] * b[at(k, place[last + 1])]).sum()
    })
}
