//! Reverse-mode automatic differentiation, the whole idea, with nothing but `std`.
//!
//! Computing a formula, a *tape* writes down each operation as a *node*: its value, and how fast that value changes
//! with each of its inputs. One walk back over the tape then gives the derivatives of the result by all the inputs.
use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Sub};

/// One recorded operation. Its pullback has, for each input, the node and the local partial d value / d input.
struct Node {
    op: &'static str,
    value: f64,
    pullback: Vec<(usize, f64)>,
}

/// The nodes in the order in which they were computed. All `Var`s share the tape and append to it: hence `RefCell`.
#[derive(Default)]
struct Tape(RefCell<Vec<Node>>);

/// A handle on one node. It is `Copy`, so a formula reads like mathematics, without `&` and `.clone()`.
#[derive(Clone, Copy)]
struct Var<'t> {
    tape: &'t Tape,
    index: usize,
    value: f64,
}

impl Tape {
    /// A number from outside. It has no inputs: the sweep ends here.
    fn leaf(&self, value: f64) -> Var<'_> {
        self.record("leaf", value, &[])
    }

    fn record(&self, op: &'static str, value: f64, inputs: &[(Var, f64)]) -> Var<'_> {
        let pullback = inputs.iter().map(|(input, partial)| (input.index, *partial)).collect();
        let mut nodes = self.0.borrow_mut();
        nodes.push(Node { op, value, pullback });
        Var { tape: self, index: nodes.len() - 1, value }
    }

    fn print(&self, cotangents: &[f64]) {
        for (index, node) in self.0.borrow().iter().enumerate() {
            let inputs: Vec<_> = node.pullback.iter().map(|(input, _)| format!("%{input}")).collect();
            let formula = format!("%{index} = {}({})", node.op, inputs.join(", "));
            println!("{formula:16}  value {:9.6}  cotangent {:9.6}", node.value, cotangents[index]);
        }
    }
}

impl Var<'_> {
    /// The one reverse sweep: for each node its cotangent, d self / d node. Those of the leaves are the gradient.
    ///
    /// Inputs are recorded before what uses them, so the tape is in topological order. Walked backwards, it has all the
    /// uses of a node before the node, whose cotangent is then complete: no recursion, so no formula is too deep.
    fn backward(self) -> Vec<f64> {
        let nodes = self.tape.0.borrow();
        let mut cotangents = vec![0.0; nodes.len()];
        cotangents[self.index] = 1.0; // d self / d self
        for (index, node) in nodes.iter().enumerate().rev() {
            let cotangent = cotangents[index];
            if cotangent == 0.0 {
                continue; // zero passes on exactly zero, even where a partial is infinite
            }
            for (input, partial) in &node.pullback {
                // Along a path, derivatives multiply. Over several paths, one for each use, the effects add: `+=`.
                cotangents[*input] += cotangent * partial;
            }
        }
        cotangents
    }

    fn tanh(self) -> Self {
        self.tape.record("tanh", self.value.tanh(), &[(self, 1.0 - self.value.tanh().powi(2))])
    }
    fn exp(self) -> Self {
        self.tape.record("exp", self.value.exp(), &[(self, self.value.exp())])
    }
    fn sin(self) -> Self {
        self.tape.record("sin", self.value.sin(), &[(self, self.value.cos())])
    }
    fn ln(self) -> Self {
        self.tape.record("ln", self.value.ln(), &[(self, 1.0 / self.value)])
    }
}

/// One line per operator: its value, then its partials by the left and by the right operand.
macro_rules! operator {
    ($trait:ident, $method:ident, |$x:ident, $y:ident| $value:expr, $by_x:expr, $by_y:expr) => {
        impl $trait for Var<'_> {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                let ($x, $y) = (self.value, other.value);
                self.tape.record(stringify!($method), $value, &[(self, $by_x), (other, $by_y)])
            }
        }
    };
}
operator!(Add, add, |x, y| x + y, 1.0, 1.0);
operator!(Sub, sub, |x, y| x - y, 1.0, -1.0);
operator!(Mul, mul, |x, y| x * y, y, x);
operator!(Div, div, |x, y| x / y, 1.0 / y, -x / (y * y));

/// A small formula from the inside (x acts by two paths), and its gradient beside central finite differences.
fn look_inside(x: f64, y: f64) {
    let tape = Tape::default();
    let f = |x, y| {
        let (x, y) = (tape.leaf(x), tape.leaf(y));
        (x * y).sin() + x.exp() / y.ln()
    };
    let cotangents = f(x, y).backward();
    tape.print(&cotangents);
    let dx = (f(x + 1e-5, y).value - f(x - 1e-5, y).value) / 2e-5;
    let dy = (f(x, y + 1e-5).value - f(x, y - 1e-5).value) / 2e-5;
    println!("d/dx: gradient {:.8}, finite difference {dx:.8}", cotangents[0]);
    println!("d/dy: gradient {:.8}, finite difference {dy:.8}", cotangents[1]);
}

/// A 2-4-1 network learns exclusive or by gradient descent.
fn train_xor() {
    const XOR: [([f64; 2], f64); 4] = [([0., 0.], 0.), ([0., 1.], 1.), ([1., 0.], 1.), ([1., 1.], 0.)];
    let mut seed = 1_u32;
    let mut weights: [f64; 17] = std::array::from_fn(|_| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(seed) / f64::from(u32::MAX) * 2.0 - 1.0
    });
    let mut predictions = [0.0; 4];
    for _ in 0..2000 {
        let tape = Tape::default(); // a new one for each step, so no gradient is left over from the last
        let w = weights.map(|weight| tape.leaf(weight));
        let mut loss = tape.leaf(0.0);
        for (([a, b], target), prediction) in XOR.into_iter().zip(&mut predictions) {
            let (a, b) = (tape.leaf(a), tape.leaf(b));
            let mut y = w[16]; // the bias of the output, to which each hidden unit adds its part
            for unit in w[..16].chunks(4) {
                y = y + unit[3] * (unit[0] * a + unit[1] * b + unit[2]).tanh();
            }
            let error = y - tape.leaf(target);
            loss = loss + error * error;
            *prediction = y.value;
        }
        let cotangents = loss.backward();
        weights = std::array::from_fn(|i| weights[i] - 0.05 * cotangents[w[i].index]);
    }
    let solved = XOR.iter().zip(predictions).all(|((_, target), y)| (y - target).abs() < 0.5);
    println!("predictions {predictions:.3?}\nxor solved: {solved}");
}

fn main() {
    look_inside(0.5, 2.0);
    train_xor();
}
