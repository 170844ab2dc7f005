//! Users' own ops: values, derivatives of first and second order, errors, plans.

use std::rc::Rc;

use ndarray::{ArrayViewD, ArrayViewMutD, Zip};
use wengert_autograd::{CustomOp, Error, ErrorKind, Pullback, Result, Shape, Tape, Tensor, Var, plan_counters};

/// `yᵢ = Σⱼ xᵢ₊ⱼ kⱼ`: the correlation of a row with a kernel; with `full`, of the row padded with zeros on both sides.
#[derive(Clone, Debug)]
struct Correlate {
    full: bool,
    /// Whether the kernel is read backwards: then it is a convolution.
    backwards: bool,
}

impl Correlate {
    /// `(position in y, in x, in k)` of every product.
    fn products(&self, n: usize, m: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let (pad, count) = if self.full { (m - 1, n + m - 1) } else { (0, n + 1 - m) };
        let backwards = self.backwards;
        (0..count).flat_map(move |i| {
            (0..m).filter_map(move |j| {
                let at = (i + j).checked_sub(pad).filter(|&at| at < n)?;
                Some((i, at, if backwards { m - 1 - j } else { j }))
            })
        })
    }
}

impl CustomOp<f64> for Correlate {
    fn name(&self) -> &str {
        "correlate"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let [x, k] = inputs else { return Err(Error::new(ErrorKind::Argument, "a row and a kernel are needed")) };
        if x.len() != 1 || k.len() != 1 || k[0] == 0 || (!self.full && k[0] > x[0]) {
            return Err(Error::new(ErrorKind::Shape, format!("no kernel of shape {k} fits a row of shape {x}")));
        }
        Ok(Shape::from([if self.full { x[0] + k[0] - 1 } else { x[0] + 1 - k[0] }]))
    }

    fn forward(&self, inputs: &[ArrayViewD<f64>], mut out: ArrayViewMutD<f64>) -> Result<()> {
        out.fill(0.0);
        for (i, at, j) in self.products(inputs[0].len(), inputs[1].len()) {
            out[i] += inputs[0][at] * inputs[1][j];
        }
        Ok(())
    }

    fn pullback<'t>(&self, inputs: &[Var<'t, f64>], _: Var<'t, f64>, g: Var<'t, f64>) -> Pullback<'t, f64> {
        let (x, k, tape) = (inputs[0], inputs[1], g.tape());
        // For y of the correlation without padding: gx is the convolution with padding, gk the correlation of x with g.
        let (short, long) = (Correlate { full: false, backwards: false }, Correlate { full: true, backwards: true });
        match (self.full, self.backwards) {
            (false, false) => Pullback::of([tape.custom(long, &[g, k]), tape.custom(short, &[x, g])]),
            (true, true) => Pullback::of([tape.custom(short.clone(), &[g, k]), tape.custom(short, &[g, x])]),
            _ => Pullback::none(),
        }
    }
}

fn correlate() -> Correlate {
    Correlate { full: false, backwards: false }
}

fn numbers(n: usize, start: usize) -> Tensor<f64> {
    Tensor::from_fn([n], |i| (((i + start) * 37 % 23) as f64 - 11.0) / 7.0)
}

/// A loss over the op, with the first gradients and those of their squares.
fn derivatives(x: &Tensor<f64>, k: &Tensor<f64>) -> Result<[Tensor<f64>; 6]> {
    let tape = Tape::new();
    let (x, k) = (tape.input(x), tape.input(k));
    let loss = tape.custom(correlate(), &[x, k]).tanh().sum();
    let [gx, gk] = loss.grad([x, k]);
    let norm = gx.square().sum() + gk.square().sum();
    let [ggx, ggk] = norm.grad([x, k]);
    tape.eval([loss, gx, gk, norm, ggx, ggk])
}

#[test]
fn a_convolution_has_derivatives_of_every_order() -> Result<()> {
    let inputs = [numbers(6, 0), numbers(3, 9)];
    let given = derivatives(&inputs[0], &inputs[1])?;
    for i in 0..2 {
        for element in 0..inputs[i].len() {
            let moved = |step: f64| {
                let mut moved = inputs.clone();
                moved[i].as_mut_slice()[element] += step;
                derivatives(&moved[0], &moved[1])
            };
            let (up, down) = (moved(1e-5)?, moved(-1e-5)?);
            for (value, gradient) in [(0, 1 + i), (3, 4 + i)] {
                let slope = (up[value].item()? - down[value].item()?) / 2e-5;
                let given = given[gradient].as_slice()[element];
                assert!((slope - given).abs() < 1e-7, "derivative of {value} by {i}, {element}: {slope} {given}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_plan_is_used_again() -> Result<()> {
    let first = derivatives(&numbers(6, 0), &numbers(3, 9))?;
    let before = plan_counters();
    let second = derivatives(&numbers(6, 4), &numbers(3, 2))?;
    assert_eq!(plan_counters().planned, before.planned);
    assert_ne!(first[4], second[4]);
    Ok(())
}

#[test]
fn only_the_same_op_is_the_same_node() -> Result<()> {
    let tape = Tape::new();
    let (x, k) = (tape.input(numbers(4, 0)), tape.input(numbers(2, 0)));
    let _ = (tape.custom(correlate(), &[x, k]), tape.custom(correlate(), &[x, k]));
    assert_eq!(tape.len(), 4);
    let shared: Rc<dyn CustomOp<f64>> = Rc::new(correlate());
    let (a, b) = (tape.custom_shared(&shared, &[x, k]), tape.custom_shared(&shared, &[x, k]));
    let other = tape.custom_shared(&shared, &[k, k]);
    assert_eq!(tape.len(), 6);
    assert_eq!((a - b).value()?, Tensor::zeros([3]));
    assert_eq!(*other.shape(), [1]);
    Ok(())
}

/// `y = x³`, without data.
#[derive(Debug)]
struct Cube;

/// `y = x⁴`, without data.
#[derive(Debug)]
struct Fourth;

macro_rules! power {
    ($op:ident, $power:literal) => {
        impl CustomOp<f64> for $op {
            fn name(&self) -> &str {
                "power"
            }
            fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
                Ok(inputs[0].clone())
            }
            fn forward(&self, inputs: &[ArrayViewD<f64>], out: ArrayViewMutD<f64>) -> Result<()> {
                Zip::from(out).and(&inputs[0]).for_each(|y, x| *y = x.powi($power));
                Ok(())
            }
            fn pullback<'t>(&self, x: &[Var<'t, f64>], _: Var<'t, f64>, g: Var<'t, f64>) -> Pullback<'t, f64> {
                Pullback::one(f64::from($power) * g * x[0].powi($power - 1))
            }
        }
    };
}
power!(Cube, 3);
power!(Fourth, 4);

#[test]
fn ops_of_a_type_without_data_are_the_same() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input([2.0, 3.0]);
    let (a, b, c) = (tape.custom(Cube, &[x]), tape.custom(Cube, &[x]), tape.custom(Fourth, &[x]));
    assert_eq!(tape.len(), 3);
    let [a, b, c, ga, gc] = tape.eval([a, b, c, a.sum().grad([x])[0], c.sum().grad([x])[0]])?;
    assert_eq!((a.as_slice(), b.as_slice(), c.as_slice()), (&[8.0, 27.0][..], &[8.0, 27.0][..], &[16.0, 81.0][..]));
    assert_eq!((ga.as_slice(), gc.as_slice()), (&[12.0, 27.0][..], &[32.0, 108.0][..]));
    Ok(())
}

#[test]
fn an_op_of_one_own_is_printed_and_blamed() {
    let tape = Tape::new();
    let (x, k) = (tape.input(numbers(2, 0)), tape.input(numbers(2, 0)));
    tape.custom(correlate(), &[x, k]);
    assert!(tape.to_string().contains("%2 = correlate(%0, %1) : [1]"), "{tape}");
    let y = tape.scope("blur", || tape.custom(correlate(), &[x, tape.constant(numbers(3, 0))]).sum());
    let text = y.item().unwrap_err().to_string();
    assert!(text.starts_with("correlate: no kernel of shape [3] fits a row of shape [2] at "), "{text}");
    assert!(text.contains("custom.rs") && text.ends_with("in scope \"blur\""), "{text}");
}

/// What a faulty op does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    FailsForward,
    WritesNothing,
    NoPullback,
    TooMany,
    WrongShape,
    Broadcasts,
}

/// `y = x`, with a fault.
#[derive(Debug)]
struct Faulty(Fault);

impl CustomOp<f64> for Faulty {
    fn name(&self) -> &str {
        "faulty"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs.first().cloned().unwrap_or_default())
    }

    fn forward(&self, inputs: &[ArrayViewD<f64>], mut out: ArrayViewMutD<f64>) -> Result<()> {
        match (self.0, inputs) {
            (Fault::FailsForward, _) => Err(Error::new(ErrorKind::Data, "the table is not loaded")),
            (Fault::WritesNothing, _) => Ok(()),
            (_, []) => {
                out.fill(7.0);
                Ok(())
            }
            (_, [x, ..]) => {
                Zip::from(out).and(x).for_each(|y, x| *y = *x);
                Ok(())
            }
        }
    }

    fn pullback<'t>(&self, x: &[Var<'t, f64>], _: Var<'t, f64>, g: Var<'t, f64>) -> Pullback<'t, f64> {
        match self.0 {
            Fault::NoPullback => Pullback::none(),
            Fault::TooMany => Pullback::of([g, g]),
            Fault::WrongShape => Pullback::one(g.sum()),
            Fault::Broadcasts => Pullback::one(g.expand([5, x[0].shape()[0]])),
            _ => Pullback::one(g),
        }
    }
}

#[test]
fn mistakes_name_the_op_and_the_line() {
    let text = |fault: Fault| {
        let tape = Tape::new();
        let x = tape.input(numbers(3, 0));
        let y = tape.custom(Faulty(fault), &[x]);
        let text = match fault {
            Fault::FailsForward => y.value().unwrap_err().to_string(),
            _ => y.sum().grad([x])[0].value().unwrap_err().to_string(),
        };
        assert!(text.contains("custom.rs"), "{text}");
        text
    };
    let starts = [
        (Fault::FailsForward, "faulty: the table is not loaded at"),
        (Fault::NoPullback, "faulty: the op has no pullback, so nothing can be differentiated through it at"),
        (Fault::TooMany, "faulty: its pullback returned 2 contributions for 1 inputs at"),
        (Fault::WrongShape, "faulty: its pullback returned a contribution of shape [] to input 0 of shape [3] at"),
        (Fault::Broadcasts, "faulty: its pullback returned a contribution of shape [5, 3] to input 0 of shape [3] at"),
    ];
    for (fault, start) in starts {
        assert!(text(fault).starts_with(start), "{}", text(fault));
    }
}

#[test]
fn what_is_not_written_is_not_a_number() -> Result<()> {
    let tape = Tape::new();
    let y = tape.custom(Faulty(Fault::WritesNothing), &[tape.input(numbers(3, 0))]);
    assert!(y.value()?.as_slice().iter().all(|value| value.is_nan()));
    let tape = Tape::new();
    tape.check_finite(true);
    let error = tape.custom(Faulty(Fault::WritesNothing), &[tape.input(numbers(3, 0))]).value().unwrap_err();
    assert_eq!((error.kind(), error.op_name()), (ErrorKind::NonFinite, Some("faulty")));
    Ok(())
}

#[test]
fn without_inputs_it_is_a_constant() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(Tensor::scalar(2.0));
    let y = tape.custom(Faulty(Fault::NoPullback), &[]) * x;
    assert_eq!((y.item()?, y.grad([x])[0].item()?), (14.0, 7.0));
    Ok(())
}

#[test]
fn an_op_without_pullback_does_no_harm_where_nothing_is_differentiated() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(numbers(3, 0));
    let y = tape.custom(Faulty(Fault::NoPullback), &[x.detach()]) * x;
    assert_eq!(y.sum().grad([x])[0].value()?, numbers(3, 0));
    Ok(())
}
