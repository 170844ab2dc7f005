//! Every elementwise row of the registry is the same function on the scalar side as on the tensor side, with the same
//! derivatives; and the same in forward mode.

use wengert_autograd::ops::registry::{Kind, Registered};
use wengert_autograd::ops::{Elementwise, REGISTRY, RowVisitor, visit_rows};
use wengert_autograd::scalar::{Dual, Tape, Var};
use wengert_autograd::{Real, Tensor};

/// A row on the types of the scalar side.
struct Row {
    name: &'static str,
    domain: Vec<(f64, f64)>,
    kinks: &'static [f64],
    on_vars: for<'t> fn(&[Var<'t>]) -> Var<'t>,
    on_duals: fn(&[Dual]) -> Dual,
    on_tapes_of_duals: for<'t> fn(&[Var<'t, Dual>]) -> Var<'t, Dual>,
}

fn apply<R: Real, F: Elementwise<A>, const A: usize>(x: &[R]) -> R {
    R::apply(F::default(), std::array::from_fn(|i| x[i]))
}

struct Collect(Vec<Row>);

impl RowVisitor for Collect {
    fn visit<F: Elementwise<A>, const A: usize>(&mut self) {
        self.0.push(Row {
            name: F::NAME,
            domain: F::DOMAIN.to_vec(),
            kinks: F::KINKS,
            on_vars: |x| apply::<_, F, A>(x),
            on_duals: |x| apply::<_, F, A>(x),
            on_tapes_of_duals: |x| apply::<_, F, A>(x),
        });
    }
}

fn rows() -> Vec<Row> {
    let mut rows = Collect(vec![]);
    visit_rows(&mut rows);
    rows.0
}

impl Row {
    /// Points in the domain.
    fn inside(&self) -> Vec<Vec<f64>> {
        let place = |k: usize, i: usize| ((k + 3 * i) as f64 * 0.618_033_988_749_895 + 0.137).fract();
        let point = |k: usize| {
            self.domain.iter().enumerate().map(|(i, (low, high))| low + (high - low) * place(k, i)).collect()
        };
        (0..7).map(point).collect()
    }

    /// And where rules are delicate: zeros, ties, kinks, infinities.
    fn delicate(&self) -> Vec<Vec<f64>> {
        let arity = self.domain.len();
        let mut points = vec![];
        for &edge in self.kinks.iter().chain(&[0.0, 1.0, -1.0, 30.0, -700.0, f64::INFINITY]) {
            points.push(vec![edge; arity]);
            points.push((0..arity).map(|i| if i == 0 { edge } else { self.domain[i].0 }).collect());
            points.push((0..arity).map(|i| if i == 0 { self.domain[i].1 } else { edge }).collect());
        }
        points
    }

    fn gradient(&self, x: &[f64]) -> Vec<f64> {
        let tape = Tape::new();
        let v = tape.vars(x);
        (self.on_vars)(&v).backward().wrt_all(&v)
    }
}

/// Within rounding, or both not a number, or the same infinity.
fn same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-14 * (1.0 + b.abs())
}

/// Value and gradient by the tensor side.
fn on_tensors(registered: &Registered, x: &[f64]) -> (f64, Vec<f64>) {
    // Some use of the row on tensors of rank 0.
    let sample = (registered.samples)().into_iter().find(|sample| sample.inputs.iter().all(|x| x.rank() == 0));
    let sample = sample.expect("a sample with numbers");
    let tape = wengert_autograd::Tape::new();
    let inputs: Vec<_> = x.iter().map(|&x| tape.input(Tensor::scalar(x))).collect();
    let output = (sample.function)(&inputs);
    let gradient = |input| output.grad([input])[0].item().expect("a gradient");
    (output.item().expect("a value"), inputs.iter().map(|&input| gradient(input)).collect())
}

#[test]
fn every_row_is_the_same_on_numbers_as_on_tensors() {
    let rows = rows();
    let registered: Vec<&Registered> = REGISTRY.iter().filter(|op| op.kind == Kind::Row).collect();
    assert!(rows.len() > 60 && rows.len() == registered.len());
    let mut wrong = vec![];
    for (row, registered) in rows.iter().zip(registered) {
        assert_eq!(row.name, registered.name);
        for x in row.inside().into_iter().chain(row.delicate()) {
            let (value, gradient) = on_tensors(registered, &x);
            let tape = Tape::new();
            let v = tape.vars(&x);
            let found = (row.on_vars)(&v).value();
            let adjoints = row.gradient(&x);
            let tangent = |i: usize| {
                let dual = |k: usize| Dual::new(x[k], f64::from(u8::from(k == i)));
                (row.on_duals)(&(0..x.len()).map(dual).collect::<Vec<_>>()).derivative
            };
            let tangents: Vec<f64> = (0..x.len()).map(tangent).collect();
            let equal = |found: &[f64]| found.iter().zip(&gradient).all(|(&a, &b)| same(a, b));
            if !(same(found, value) && equal(&adjoints) && equal(&tangents)) {
                let name = row.name;
                wrong.push(format!(
                    "{name} at {x:?}: {found} {adjoints:?} {tangents:?} on numbers, {value} {gradient:?} on tensors"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn second_derivatives_of_rows_are_differences_of_first_ones() {
    for row in rows() {
        for x in row.inside() {
            for k in 0..x.len() {
                // A sweep over a tape of dual numbers.
                let tape = Tape::new();
                let v: Vec<_> = (0..x.len()).map(|m| tape.var(Dual::new(x[m], f64::from(u8::from(m == k))))).collect();
                let found = (row.on_tapes_of_duals)(&v).backward().wrt_all(&v);
                // A difference of first derivatives, five points.
                let at = |step: f64| {
                    let mut x = x.clone();
                    x[k] += step;
                    row.gradient(&x)
                };
                let h = 1e-4;
                let [a, b, c, d] = [at(h), at(-h), at(2.0 * h), at(-2.0 * h)];
                for i in 0..x.len() {
                    let difference = (8.0 * (a[i] - b[i]) - (c[i] - d[i])) / (12.0 * h);
                    let near = (difference - found[i].derivative).abs() <= 1e-6 * (1.0 + difference.abs());
                    assert!(near, "{} at {x:?}, by {i} and {k}: {found:?} {difference}", row.name);
                }
            }
        }
    }
}
