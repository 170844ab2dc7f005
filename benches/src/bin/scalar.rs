//! Scalar tapes: nanoseconds an operation, recording and sweeping, and the ratio of a gradient to the plain function.
//!
//! `cargo run --release -p wengert-benches --bin scalar [name]`. One thread; each ratio is of two medians of the same run.

use std::hint::black_box;
use std::time::Instant;

use num_traits::Float;
use std::ops::{Add, Mul, Sub};
use wengert::scalar::{Tape, Var, linear_combination, logsumexp};

/// A number of which generic code may also ask for operators with plain numbers.
trait Number: Float + Add<f64, Output = Self> + Sub<f64, Output = Self> + Mul<f64, Output = Self> {}
impl<N: Float + Add<f64, Output = Self> + Sub<f64, Output = Self> + Mul<f64, Output = Self>> Number for N {}

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    println!(
        "{:<22} {:>10} {:>10} {:>8} {:>10} {:>8} {:>8} {:>7} {:>10} {:>7}",
        "objective",
        "operations",
        "primal us",
        "bytes/op",
        "total us",
        "record",
        "sweep",
        "ns/op",
        "other us",
        "ratios"
    );
    for case in cases().into_iter().filter(|case| case.name.contains(&filter)) {
        case.run();
    }
}

struct Case {
    name: &'static str,
    x: Vec<f64>,
    plain: Box<dyn Fn(&[f64]) -> f64>,
    recorded: Box<dyn for<'t> Fn(&[Var<'t>]) -> Var<'t>>,
    /// The same with statements, or as a sum of terms.
    other: Option<Other>,
}

/// Another way to write a function, which may use its tape.
type Other = Box<dyn for<'t> Fn(&'t Tape, &[Var<'t>]) -> Var<'t>>;

impl Case {
    fn run(&self) {
        let mut tape = Tape::new();
        let operations = {
            let x = tape.vars(&self.x);
            let before = tape.len();
            black_box((self.recorded)(&x));
            tape.len() - before
        };
        let bytes = tape.bytes() as f64 / tape.len() as f64;
        let mut gradient = vec![];
        let mut rounds = [vec![], vec![], vec![], vec![]];
        let start = Instant::now();
        while rounds[0].len() < 5 || (start.elapsed().as_secs_f64() < 1.5 && rounds[0].len() < 2000) {
            rounds[0].push(seconds(|| drop(black_box((self.plain)(black_box(&self.x))))));
            rounds[1].push(seconds(|| {
                tape.clear();
                let x = tape.vars(&self.x);
                black_box((self.recorded)(&x));
            }));
            rounds[2].push(seconds(|| {
                black_box(tape.value_and_grad(&self.recorded, &self.x, &mut gradient));
            }));
            if let Some(other) = &self.other {
                rounds[3].push(seconds(|| {
                    tape.clear();
                    let x = tape.vars(&self.x);
                    black_box(other(&tape, &x).backward().wrt_all(&x));
                }));
            }
        }
        let [primal, record, total, other] = rounds.map(median);
        println!(
            "{:<22} {operations:>10} {:>10.1} {bytes:>8.1} {:>10.1} {:>8.2} {:>8.2} {:>7.2} {:>10.1} {:>7.2} {:>7.2}",
            self.name,
            primal * 1e6,
            total * 1e6,
            record * 1e9 / operations as f64,
            (total - record) * 1e9 / operations as f64,
            total * 1e9 / operations as f64,
            other * 1e6,
            total / primal,
            other / primal,
        );
    }
}

fn seconds(f: impl FnOnce()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_secs_f64()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Numbers in no simple order.
fn data(n: usize, scale: f64) -> Vec<f64> {
    (0..n).map(|i| scale * ((i as f64 * 12.9898).sin() * 43758.5453).fract()).collect()
}

macro_rules! case {
    ($name:literal, $x:expr, |$v:ident| $body:expr) => {
        case!($name, $x, |$v| $body, None)
    };
    ($name:literal, $x:expr, |$v:ident| $body:expr, $other:expr) => {
        Case {
            name: $name,
            x: $x,
            plain: Box::new(move |$v| $body),
            recorded: Box::new(move |$v| $body),
            other: $other,
        }
    };
}

fn cases() -> Vec<Case> {
    vec![
        gmm_case("gmm 2_5_1000", 2, 5, 1000),
        gmm_case("gmm 10_25_1000", 10, 25, 1000),
        case!("lse 10000", data(10_000, 3.0), |x| lse(x), Some(Box::new(|_, x| logsumexp(x)))),
        case!("lse 640000", data(640_000, 3.0), |x| lse(x), Some(Box::new(|_, x| logsumexp(x)))),
        case!(
            "llsq 128 x 128",
            data(128, 1.0),
            |x| llsq(x, 128),
            Some(Box::new(|tape, x| llsq_statements(tape, x, 128)))
        ),
        case!(
            "llsq 4096 x 128",
            data(128, 1.0),
            |x| llsq(x, 4096),
            Some(Box::new(|tape, x| { llsq_statements(tape, x, 4096) }))
        ),
        case!("det 8", data(64, 1.0), |x| det(x, 8)),
        case!("det 9", data(81, 1.0), |x| det(x, 9)),
        case!("ode 1000 x 10", data(1000, 1.0), |x| ode(x, 10)),
        case!("ode 1000 x 100", data(1000, 1.0), |x| ode(x, 100)),
        lstm_case(),
    ]
}

/// `ln Σ e^xᵢ`, written out.
fn lse<F: Number>(x: &[F]) -> F {
    let largest = x.iter().copied().fold(F::neg_infinity(), |a, b| if b > a { b } else { a });
    x.iter().fold(F::zero(), |sum, &x| sum + (x - largest).exp()).ln() + largest
}

/// A polynomial fitted to the sign function.
fn llsq<F: Number>(x: &[F], n: usize) -> F {
    let terms = (0..n).map(|i| {
        let t = -1.0 + 2.0 * i as f64 / (n as f64 - 1.0);
        let mut power = 1.0;
        let mut residual = F::zero() + sign(t);
        for &coefficient in x {
            residual = residual - coefficient * power;
            power *= t;
        }
        residual * residual
    });
    terms.fold(F::zero(), |sum, term| sum + term) * 0.5
}

fn sign(t: f64) -> f64 {
    if t > 0.0 {
        1.0
    } else if t < 0.0 {
        -1.0
    } else {
        0.0
    }
}

fn llsq_statements<'t>(tape: &'t Tape, x: &[Var<'t>], n: usize) -> Var<'t> {
    let mut powers = vec![0.0; x.len()];
    tape.sum(0..n, x, |i, x| {
        let t = -1.0 + 2.0 * i as f64 / (n as f64 - 1.0);
        let mut power = 1.0;
        for place in &mut powers {
            *place = power;
            power *= t;
        }
        (linear_combination(&powers, x) - sign(t)).powi(2)
    }) * 0.5
}

/// The determinant by minors.
fn det<F: Number>(a: &[F], n: usize) -> F {
    fn minor<F: Number>(a: &[F], n: usize, row: usize, columns: u32) -> F {
        let mut sum = F::zero();
        let mut positive = true;
        let mut rest = columns;
        while rest != 0 {
            let column = rest.trailing_zeros();
            rest &= rest - 1;
            let entry = a[row * n + column as usize];
            if row + 1 == n {
                return entry;
            }
            let term = entry * minor(a, n, row + 1, columns & !(1 << column));
            sum = if positive { sum + term } else { sum - term };
            positive = !positive;
        }
        sum
    }
    minor(a, n, 0, (1 << n) - 1)
}

/// The last of `n` numbers that drive one another, by the classical Runge-Kutta method.
fn ode<F: Number>(x: &[F], steps: usize) -> F {
    let n = x.len();
    let h = 2.0 / steps as f64;
    let slope = |y: &[F], slope: &mut [F]| {
        slope[0] = x[0];
        (1..n).for_each(|i| slope[i] = x[i] * y[i - 1]);
    };
    let zeros = || vec![F::zero(); n];
    let (mut y, mut moved) = (zeros(), zeros());
    let [mut k1, mut k2, mut k3, mut k4] = [(); 4].map(|()| zeros());
    for _ in 0..steps {
        slope(&y, &mut k1);
        (0..n).for_each(|i| moved[i] = y[i] + k1[i] * (h / 2.0));
        slope(&moved, &mut k2);
        (0..n).for_each(|i| moved[i] = y[i] + k2[i] * (h / 2.0));
        slope(&moved, &mut k3);
        (0..n).for_each(|i| moved[i] = y[i] + k3[i] * h);
        slope(&moved, &mut k4);
        (0..n).for_each(|i| y[i] = y[i] + (k1[i] + k2[i] * 2.0 + k3[i] * 2.0 + k4[i]) * (h / 6.0));
    }
    y[n - 1]
}

struct Mixture {
    d: usize,
    k: usize,
    x: Vec<f64>,
}

impl Mixture {
    /// The log-likelihood of a point: what a mixture of Gaussians costs.
    fn point<F: Number>(&self, point: usize, alpha: &[F], mean: &[F], diagonal: &[F], lower: &[F], terms: &mut Vec<F>) {
        let d = self.d;
        let x = &self.x[point * d..][..d];
        terms.clear();
        for k in 0..self.k {
            let (mean, diagonal) = (&mean[k * d..][..d], &diagonal[k * d..][..d]);
            let lower = &lower[k * d * (d - 1) / 2..];
            let mut centred = [F::zero(); 32];
            let mut moved = [F::zero(); 32];
            for j in 0..d {
                centred[j] = mean[j] - x[j];
                moved[j] = diagonal[j] * centred[j];
            }
            let mut place = 0;
            for i in 0..d {
                for j in i + 1..d {
                    moved[j] = moved[j] + lower[place] * centred[i];
                    place += 1;
                }
            }
            let square = moved[..d].iter().skip(1).fold(moved[0] * moved[0], |sum, &z| sum + z * z);
            terms.push(alpha[k] - square * 0.5);
        }
    }

    /// The parameters that all points share: `alpha + Σ q` and `exp q`.
    fn shared<F: Number>(&self, p: &[F]) -> (Vec<F>, Vec<F>) {
        let (d, k) = (self.d, self.k);
        let q = &p[k + k * d..][..k * d];
        let alpha = (0..k).map(|i| q[i * d..][..d].iter().fold(p[i], |sum, &q| sum + q)).collect();
        (alpha, q.iter().map(|q| q.exp()).collect())
    }

    fn loss<F: Number>(&self, p: &[F]) -> F {
        let (d, k) = (self.d, self.k);
        let (alpha, diagonal) = self.shared(p);
        let mut terms = Vec::with_capacity(k);
        (0..self.x.len() / d).fold(F::zero(), |sum, i| {
            self.point(i, &alpha, &p[k..], &diagonal, &p[k + 2 * k * d..], &mut terms);
            sum + lse(&terms)
        })
    }

    /// The same, a point at a time.
    fn local<'t>(&self, tape: &'t Tape, p: &[Var<'t>]) -> Var<'t> {
        let (d, k) = (self.d, self.k);
        let (alpha, diagonal) = self.shared(p);
        let lower = &p[k + 2 * k * d..];
        let parameters = [&alpha, &p[k..k + k * d], &diagonal, lower].concat();
        tape.sum(0..self.x.len() / d, &parameters, |i, p| {
            let mut terms = Vec::with_capacity(k);
            self.point(i, p, &p[k..], &p[k + k * d..], &p[k + 2 * k * d..], &mut terms);
            logsumexp(&terms)
        })
    }
}

fn gmm_case(name: &'static str, d: usize, k: usize, n: usize) -> Case {
    let mixture = || Mixture { d, k, x: data(n * d, 1.0) };
    let (plain, recorded, local) = (mixture(), mixture(), mixture());
    Case {
        name,
        x: data(k + 2 * k * d + k * d * (d - 1) / 2, 0.5),
        plain: Box::new(move |p| plain.loss(p)),
        recorded: Box::new(move |p| recorded.loss(p)),
        other: Some(Box::new(move |tape, p| local.local(tape, p))),
    }
}

/// A recurrent network without matrices: gates of numbers.
fn lstm<F: Number>(layers: usize, width: usize, p: &[F], sequence: &[f64]) -> F {
    let steps = sequence.len() / width;
    let (main, extra) = p.split_at(layers * 8 * width);
    let mut state = vec![F::zero() + 0.1; 2 * layers * width];
    let mut total = F::zero();
    let sigmoid = |x: F| ((-x).exp() + 1.0).recip();
    for t in 0..steps - 1 {
        for layer in 0..layers {
            let p = &main[8 * width * layer..][..8 * width];
            for i in 0..width {
                let input = match layer {
                    0 => extra[i] * sequence[t * width + i],
                    _ => state[2 * width * (layer - 1) + i],
                };
                let (hidden, cell) = (state[2 * width * layer + i], state[2 * width * layer + width + i]);
                let forget = sigmoid(input * p[i] + p[4 * width + i]);
                let update = sigmoid(hidden * p[width + i] + p[5 * width + i]);
                let output = sigmoid(input * p[2 * width + i] + p[6 * width + i]);
                let change = (hidden * p[3 * width + i] + p[7 * width + i]).tanh();
                let next = cell * forget + update * change;
                state[2 * width * layer + width + i] = next;
                state[2 * width * layer + i] = output * next.tanh();
            }
        }
        let top = 2 * width * (layers - 1);
        let out: Vec<F> = (0..width).map(|i| state[top + i] * extra[width + i] + extra[2 * width + i]).collect();
        let lse = (out.iter().fold(F::zero(), |sum, x| sum + x.exp()) + 2.0).ln();
        for (i, &x) in out.iter().enumerate() {
            total = total + (x - lse) * sequence[(t + 1) * width + i];
        }
    }
    total * (-1.0 / ((steps - 1) * width) as f64)
}

fn lstm_case() -> Case {
    let (layers, width, steps) = (2, 14, 1024);
    let sequence = || data(steps * width, 1.0).into_iter().map(|x| f64::from(u8::from(x > 0.0))).collect::<Vec<_>>();
    let (first, second) = (sequence(), sequence());
    Case {
        name: "lstm l=2 c=1024",
        x: data(layers * 8 * width + 3 * width, 0.5),
        plain: Box::new(move |p| lstm(layers, width, p, &first)),
        recorded: Box::new(move |p| lstm(layers, width, p, &second)),
        other: None,
    }
}
