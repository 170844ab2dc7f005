//! What is permuted, cut out or repeated and then read element by element: against plain indexing, against every op alone,
//! and in the plan.
//!
//! `WENGERT_CASES` sets the number of random programs.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use wengert_autograd::kernels::pool;
use wengert_autograd::{Plan, Result, Tape, Tensor, Var, plan_counters};

/// A change of layout. A narrowing and a slice are drawn twice, so that there are two of the same shape.
#[derive(Clone, Debug)]
enum Change {
    Permute(Vec<usize>),
    /// Axis, the two starts, length.
    Narrow(usize, [usize; 2], usize),
    /// Axis, the two starts, length, step.
    Slice(usize, [usize; 2], usize, usize),
    Reshape(Vec<usize>),
    Expand(Vec<usize>),
    /// Not a change of layout: what follows has a computed operand.
    Tanh,
}

/// Elements at places of the input, and how often tanh was taken of each.
#[derive(Clone, Debug)]
struct Picked {
    shape: Vec<usize>,
    places: Vec<usize>,
    tanhs: usize,
}

/// Every place of a shape in row-major order.
fn places(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![vec![]], |all, &length| {
        all.iter().flat_map(|place| (0..length).map(move |i| [&place[..], &[i]].concat())).collect()
    })
}

impl Picked {
    fn all(shape: &[usize]) -> Self {
        Picked { shape: shape.to_vec(), places: (0..shape.iter().product()).collect(), tanhs: 0 }
    }

    /// Of another shape, each of whose places shows the element at a place of this one.
    fn at(&self, shape: Vec<usize>, from: impl Fn(&[usize]) -> Vec<usize>) -> Self {
        let flat = |place: Vec<usize>| place.iter().zip(&self.shape).fold(0, |flat, (i, length)| flat * length + i);
        let places = places(&shape).iter().map(|place| self.places[flat(from(place))]).collect();
        Picked { shape, places, tanhs: self.tanhs }
    }

    fn changed(&self, change: &Change, which: usize) -> Self {
        let along = |axis: usize, start: usize, length: usize, step: usize| {
            let mut shape = self.shape.clone();
            shape[axis] = length;
            self.at(shape, |place| {
                let mut place = place.to_vec();
                place[axis] = start + step * place[axis];
                place
            })
        };
        match change {
            Change::Permute(order) => self.at(order.iter().map(|&axis| self.shape[axis]).collect(), |place| {
                let mut from = vec![0; place.len()];
                order.iter().zip(place).for_each(|(&axis, &i)| from[axis] = i);
                from
            }),
            Change::Narrow(axis, starts, length) => along(*axis, starts[which], *length, 1),
            Change::Slice(axis, starts, length, step) => along(*axis, starts[which], *length, *step),
            Change::Reshape(shape) => Picked { shape: shape.clone(), ..self.clone() },
            Change::Expand(shape) => {
                let new = shape.len() - self.shape.len();
                self.at(shape.clone(), |place| {
                    place[new..].iter().zip(&self.shape).map(|(&i, &length)| if length == 1 { 0 } else { i }).collect()
                })
            }
            Change::Tanh => Picked { tanhs: self.tanhs + 1, ..self.clone() },
        }
    }
}

fn record<'t>(x: Var<'t, f64>, change: &Change, which: usize) -> Var<'t, f64> {
    let signed = |axis: &usize| *axis as isize;
    match change {
        Change::Permute(order) => x.permute(&order.iter().map(signed).collect::<Vec<_>>()),
        Change::Narrow(axis, starts, length) => x.narrow(signed(axis), starts[which], *length),
        Change::Slice(axis, starts, length, step) => {
            let (start, step) = (signed(&starts[which]), *step);
            x.slice(signed(axis), start..start + signed(&(step * (length - 1))) + 1, step)
        }
        Change::Reshape(shape) => x.reshape(shape.as_slice()),
        Change::Expand(shape) => x.expand(shape.as_slice()),
        Change::Tanh => x.tanh(),
    }
}

/// `(f, f', x)` for tanh taken so many times.
fn tanhs(x: f64, times: usize) -> (f64, f64) {
    (0..times).fold((x, 1.0), |(value, slope), _| (value.tanh(), slope * (1.0 - value.tanh().powi(2))))
}

/// Around the borders of tiles (64 elements of f64, 128 and 256 of others), of runs that are worth reading, and of blocks.
const LENGTHS: [usize; 14] = [1, 1, 2, 3, 5, 15, 16, 17, 33, 64, 127, 129, 257, 1025];

fn shape(random: &mut StdRng) -> Vec<usize> {
    let mut shape = vec![];
    let most = if random.random_range(0..4) == 0 { 40_000 } else { 3000 };
    for _ in 0..random.random_range(1..5) {
        let length = LENGTHS[random.random_range(0..LENGTHS.len())];
        if shape.iter().product::<usize>() * length <= most {
            shape.push(length);
        }
    }
    shape
}

/// A change that fits a shape.
fn change(random: &mut StdRng, shape: &[usize]) -> Change {
    let volume: usize = shape.iter().product();
    let axis = if shape.is_empty() { 0 } else { random.random_range(0..shape.len()) };
    match random.random_range(0..12) {
        0..=3 => {
            let mut order: Vec<usize> = (0..shape.len()).collect();
            for i in (1..shape.len()).rev() {
                order.swap(i, random.random_range(0..=i));
            }
            Change::Permute(order)
        }
        4..=6 if !shape.is_empty() => {
            let length = random.random_range(1..=shape[axis]);
            Change::Narrow(axis, [0, 1].map(|_| random.random_range(0..=shape[axis] - length)), length)
        }
        7 if !shape.is_empty() => {
            let step = random.random_range(1..4);
            let length = random.random_range(1..=shape[axis].div_ceil(step));
            let last = shape[axis] - 1 - (length - 1) * step;
            Change::Slice(axis, [0, 1].map(|_| random.random_range(0..=last)), length, step)
        }
        8 => {
            let divisors: Vec<usize> = (1..=volume.min(64)).filter(|i| volume.is_multiple_of(*i)).collect();
            let first = divisors[random.random_range(0..divisors.len())];
            Change::Reshape(match random.random_range(0..3) {
                0 => vec![first, volume / first],
                1 => vec![volume / first, 1, first],
                _ => vec![volume],
            })
        }
        9 => {
            let mut to = shape.to_vec();
            to.iter_mut().filter(|length| **length == 1).for_each(|length| *length = 3);
            if shape.len() < 4 && volume <= 10_000 {
                to.insert(0, 2);
            }
            let fits = to.iter().product::<usize>() <= 60_000;
            if fits { Change::Expand(to) } else { Change::Reshape(shape.to_vec()) }
        }
        _ => Change::Tanh,
    }
}

/// A random input, changes of it, and after which of them it is also read as it is.
struct Program {
    shape: Vec<usize>,
    changes: Vec<Change>,
    asked: usize,
}

/// `a = y` changed in one way, `b = y` changed in the other, `f = tanh(a) b - a / 2`.
struct Values {
    tensors: Vec<Tensor<f64>>,
    plan: Plan,
}

impl Program {
    fn of(seed: u64) -> Self {
        let random = &mut StdRng::seed_from_u64(seed);
        let shape = shape(random);
        let (mut changes, mut picked) = (vec![], Picked::all(&shape));
        for _ in 0..random.random_range(1..7) {
            let change = change(random, &picked.shape);
            picked = picked.changed(&change, 0);
            changes.push(change);
        }
        let asked = random.random_range(0..3 * changes.len());
        Program { shape, changes, asked }
    }

    fn input(&self) -> Tensor<f64> {
        Tensor::from_fn(self.shape.as_slice(), |i| ((i * i) as f64 * 0.37 + i as f64).sin())
    }

    fn run(&self, set: &dyn Fn(&Tape<f64>)) -> Result<Values> {
        let tape = Tape::new();
        set(&tape);
        let x = tape.input(self.input());
        let all = |which: usize| {
            self.changes.iter().fold(vec![x], |mut all, change| {
                all.push(record(all[all.len() - 1], change, which));
                all
            })
        };
        let (a, b) = (all(0), all(1));
        let f = self.of_two(a[a.len() - 1], b[b.len() - 1]);
        let loss = (f * tape.constant(Tensor::from_fn(f.shape(), weight))).sum();
        let [gradient] = loss.grad([x]);
        let also = a.get(self.asked).copied().unwrap_or(f);
        let plan = tape.plan([f, loss, gradient, also])?;
        Ok(Values { tensors: tape.eval([f, loss, gradient, also])?.to_vec(), plan })
    }

    fn of_two<'t>(&self, a: Var<'t, f64>, b: Var<'t, f64>) -> Var<'t, f64> {
        a.tanh() * b - a * 0.5
    }

    /// The values and the gradient of the weighted sum, by indices alone.
    fn plainly(&self) -> (Vec<f64>, Vec<f64>) {
        let input = self.input();
        let x = input.as_slice();
        let picked = [0, 1].map(|which| self.changes.iter().fold(Picked::all(&self.shape), |p, c| p.changed(c, which)));
        let mut gradient = vec![0.0; x.len()];
        let mut values = vec![];
        for (k, (&i, &j)) in picked[0].places.iter().zip(&picked[1].places).enumerate() {
            let ((a, da), (b, db)) = (tanhs(x[i], picked[0].tanhs), tanhs(x[j], picked[1].tanhs));
            let (t, w) = (a.tanh(), weight(k));
            values.push(t * b - a * 0.5);
            gradient[i] += w * ((1.0 - t * t) * b - 0.5) * da;
            gradient[j] += w * t * db;
        }
        (values, gradient)
    }
}

fn weight(i: usize) -> f64 {
    ((i + 3) as f64 * 0.618_033_988_749_894_9).fract() - 0.5
}

fn close(what: &str, a: &[f64], b: &[f64]) {
    assert_eq!(a.len(), b.len(), "{what}");
    let scale = b.iter().fold(1.0f64, |scale, b| scale.max(b.abs()));
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= 1e-12 * scale, "{what}: element {i} is {a}, not {b}");
    }
}

fn bits(tensors: &[Tensor<f64>]) -> Vec<Vec<u64>> {
    tensors.iter().map(|tensor| tensor.as_slice().iter().map(|value| value.to_bits()).collect()).collect()
}

#[test]
fn layouts_read_by_strides_are_those_of_plain_indices() -> Result<()> {
    let cases = std::env::var("WENGERT_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(400);
    let mut strided = 0;
    for seed in 0..cases {
        let program = Program::of(seed);
        let what = format!("program {seed}, {:?} of {:?}", program.changes, program.shape);
        let here = program.run(&|_| {})?;
        let (values, gradient) = program.plainly();
        close(&what, here.tensors[0].as_slice(), &values);
        close(&what, here.tensors[2].as_slice(), &gradient);
        strided += usize::from(here.plan.kernels().iter().any(|kernel| !kernel.strided.is_empty()));
        for (fusion, simplification) in [(true, false), (false, true), (true, true)] {
            let other = program.run(&|tape| tape.without(fusion, simplification))?;
            assert!(other.plan.kernels().iter().all(|kernel| kernel.strided.is_empty()), "{what}: {}", other.plan);
            for (here, other) in here.tensors.iter().zip(&other.tensors) {
                close(&what, here.as_slice(), other.as_slice());
            }
            assert_eq!(bits(&here.tensors[..1]), bits(&other.tensors[..1]), "{what}");
        }
        for share in [8, 6, 3] {
            let limit = here.plan.peak_bytes() / 10 * share;
            let Ok(other) = program.run(&|tape| tape.memory_limit(limit)) else { continue };
            assert!(other.plan.peak_bytes() <= limit, "{what} within {limit}: {}", other.plan);
            for (here, other) in here.tensors.iter().zip(&other.tensors) {
                close(&what, here.as_slice(), other.as_slice());
            }
        }
        if here.tensors[0].len() > 16_000 {
            for threads in [1, 2, 3, 8] {
                pool::set_threads(threads);
                let other = program.run(&|_| {});
                pool::set_threads(0);
                assert_eq!(bits(&here.tensors), bits(&other?.tensors), "{what} on {threads} threads");
            }
        }
    }
    assert!(strided > cases as usize / 3, "{strided} of {cases} plans read by strides");
    Ok(())
}

fn numbers(shape: &[usize]) -> Tensor<f64> {
    Tensor::from_fn(shape, |i| ((i * i) as f64 * 0.37 + i as f64).sin())
}

/// The ops of each kernel, and of what it reads by strides.
fn ops(plan: &Plan) -> Vec<(Vec<String>, Vec<String>)> {
    let op = |formula: &String| {
        let formula = formula.split(" = ").last().unwrap_or_default();
        formula.split('(').next().unwrap_or_default().to_string()
    };
    let kernel = |formulas: &[String]| formulas.iter().map(op).collect();
    plan.kernels().iter().map(|k| (kernel(&k.formulas), kernel(&k.strided))).collect()
}

fn is_computed(plan: &Plan, op: &str) -> bool {
    ops(plan).iter().any(|kernel| kernel.0.iter().any(|name| name == op))
}

#[test]
fn the_gates_of_a_step_are_not_copied() -> Result<()> {
    let tape = Tape::new();
    let (inputs, state) = (tape.input(numbers(&[3, 8, 256])), tape.input(numbers(&[8, 64])));
    let weights = tape.input(numbers(&[64, 256]));
    let gates = inputs.narrow(0, 1, 1).squeeze() + state.matmul(weights);
    let [i, f, g, o] = [0, 1, 2, 3].map(|gate| gates.narrow(1, gate * 64, 64));
    let cell = f.sigmoid() * state + i.sigmoid() * g.tanh();
    let out = o.sigmoid() * cell.tanh();
    let plan = tape.plan([out, cell])?;
    assert_eq!(plan.kernels().len(), 3, "{plan}");
    assert_eq!(plan.kernels()[1].strided.len(), 1, "{plan}");
    assert_eq!(plan.kernels()[2].strided.len(), 4, "{plan}");
    assert!(!is_computed(&plan, "slice"), "{plan}");
    let text = plan.to_string();
    assert_eq!(text.lines().filter(|line| line.starts_with("    by strides: ")).count(), 5, "{text}");
    assert!(plan.to_json().contains(r#""strided":[""#));
    // Forwards and backwards: only the cotangents of the parts are put together.
    let gradient = tape.plan([out.sum(), out.sum().grad([inputs])[0]])?;
    assert!(!is_computed(&gradient, "slice"), "{gradient}");
    Ok(())
}

#[test]
fn rows_lie_together_and_need_no_register() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(numbers(&[100, 40]));
    let plan = tape.plan([x.narrow(0, 30, 20).tanh()])?;
    assert_eq!(plan.kernels().len(), 1, "{plan}");
    assert_eq!(plan.peak_bytes(), plan.result_bytes(), "{plan}");
    assert_eq!(plan.kernels()[0].bytes, 2 * 8 * 20 * 40, "{plan}");
    // Axes of length 1 move no element.
    let moved = x.reshape([1, 4000]).t();
    let plan = tape.plan([moved.tanh(), moved.sum()])?;
    assert!(!is_computed(&plan, "permute"), "{plan}");
    assert!(plan.kernels().iter().all(|kernel| kernel.strided.is_empty()), "{plan}");
    Ok(())
}

#[test]
fn who_wants_elements_side_by_side_gets_a_copy() -> Result<()> {
    let wants: [for<'t> fn(Var<'t, f64>) -> Var<'t, f64>; 6] = [
        |part| part,
        |part| part.reshape([32, 64]),
        |part| part.sum(),
        |part| part.softmax(1),
        |part| part.matmul(part.t()),
        |part| part.flip(&[0]),
    ];
    for want in wants {
        let tape = Tape::new();
        let part = tape.input(numbers(&[64, 96])).narrow(1, 32, 32);
        let plan = tape.plan([want(part), part.tanh()])?;
        let copies = ops(&plan).iter().filter(|kernel| kernel.0 == ["slice"]).count();
        assert_eq!(copies, 1, "{plan}");
        let [wanted, tanh] = tape.eval([want(part), part.tanh()])?;
        let plainly = Tensor::from_fn([64, 32], |i| numbers(&[64, 96]).as_slice()[i / 32 * 96 + 32 + i % 32]);
        let own = tape.input(&plainly);
        assert_eq!((wanted, tanh), (want(own).value()?, own.tanh().value()?));
    }
    Ok(())
}

#[test]
fn what_is_computed_and_read_elsewhere_by_strides_is_of_an_earlier_pass() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(numbers(&[130, 130]));
    let y = x.tanh();
    let sum = y + y.t();
    let plan = tape.plan([sum])?;
    assert_eq!(ops(&plan)[1].1, ["permute"], "{plan}");
    assert_eq!(plan.kernels().len(), 2, "{plan}");
    let values = y.value()?;
    let expected = |i: usize| values.as_slice()[i] + values.as_slice()[i % 130 * 130 + i / 130];
    assert_eq!(sum.value()?, Tensor::from_fn([130, 130], expected));
    Ok(())
}

#[test]
fn parts_of_a_permutation_are_copied_once_each() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(numbers(&[2, 5, 3 * 4 * 32]));
    let heads = x.reshape([2, 5, 3, 4, 32]).permute(&[2, 0, 3, 1, 4]);
    let [q, k, v] = [0, 1, 2].map(|i| heads.narrow(0, i, 1).reshape([2, 4, 5, 32]));
    let out = q.matmul(k.t()).matmul(v);
    let plan = tape.plan([out])?;
    assert!(!is_computed(&plan, "permute"), "{plan}");
    assert_eq!(
        ops(&plan).iter().filter(|kernel| kernel.0 == ["slice"] && kernel.1 == ["permute"]).count(),
        3,
        "{plan}"
    );
    let alone = Tape::new();
    alone.without(true, true);
    let x = alone.input(numbers(&[2, 5, 3 * 4 * 32]));
    let heads = x.reshape([2, 5, 3, 4, 32]).permute(&[2, 0, 3, 1, 4]);
    let [q, k, v] = [0, 1, 2].map(|i| heads.narrow(0, i, 1).reshape([2, 4, 5, 32]));
    assert_eq!(out.value()?, q.matmul(k.t()).matmul(v).value()?);
    Ok(())
}

#[test]
fn single_elements_that_many_read_are_copied_once() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(numbers(&[60, 70]));
    let often = |turned: Var<'_, f64>, times: usize| {
        let sums = (0..times).map(|i| (turned * (i as f64 + 0.5)).softmax(0)).reduce(|sum, next| sum + next);
        tape.plan([sums.expect("some")])
    };
    assert!(is_computed(&often(x.t(), 3)?, "permute"));
    assert!(!is_computed(&often(x.t(), 1)?, "permute"));
    // Rows of 64 elements are worth reading three times, not ten times.
    let part = tape.input(numbers(&[60, 128])).narrow(1, 64, 64);
    assert!(!is_computed(&often(part, 3)?, "slice"));
    assert!(is_computed(&often(part, 10)?, "slice"));
    Ok(())
}

#[test]
fn other_places_are_another_plan() -> Result<()> {
    let run = |start: usize, step: usize, order: [isize; 2]| {
        let tape = Tape::new();
        let x = tape.input(numbers(&[40, 40]));
        x.permute(&order).slice(1, start as isize.., step).narrow(1, 0, 13).exp().value()
    };
    let mut planned = vec![];
    for (start, step, order) in [(0, 1, [1, 0]), (1, 1, [1, 0]), (0, 2, [1, 0]), (0, 1, [0, 1]), (2, 2, [0, 1])] {
        let before = plan_counters().planned;
        let value = run(start, step, order)?;
        planned.push(plan_counters().planned - before);
        let place = |i: usize, j: usize| if order == [0, 1] { i * 40 + j } else { j * 40 + i };
        let expected = |k: usize| numbers(&[40, 40]).as_slice()[place(k / 13, start + step * (k % 13))].exp();
        let expected = Tensor::from_fn([40, 13], expected);
        close("other places", value.as_slice(), expected.as_slice());
        let before = plan_counters();
        assert_eq!(run(start, step, order)?, value);
        assert_eq!((plan_counters().planned, plan_counters().reused), (before.planned, before.reused + 1));
    }
    assert_eq!(planned, [1; 5]);
    Ok(())
}

#[test]
fn a_limit_is_met_by_copies_of_parts() -> Result<()> {
    let values = |limit: Option<usize>| {
        let tape = Tape::<f64>::inference();
        tape.memory_limit(limit);
        let x = tape.input(numbers(&[1000]));
        let early = x.cumsum(0);
        let late = (0..4).fold(early, |y, _| (y * 0.01).cumsum(0));
        let out = late.narrow(0, 7, 10) * early.narrow(0, 500, 10);
        Ok::<_, wengert_autograd::Error>((tape.plan([out])?, out.value()?))
    };
    let (free, value) = values(None)?;
    assert!(!is_computed(&free, "slice") && free.peak_bytes() > 3 * 8000, "{free}");
    let (tight, same) = values(Some(free.peak_bytes() - 4000))?;
    assert!(is_computed(&tight, "slice") && tight.recomputed() == 0, "{tight}");
    assert_eq!(value, same);
    Ok(())
}
