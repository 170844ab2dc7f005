//! Recorded scalar functions, replayed: the time of value and gradient as a multiple of the plain function on f64.
//!
//! `cargo run --release -p wengert-benches --bin compiled`, with a part of a name to choose. The objectives are written
//! once, generically, and their data come from a fixed sequence. Each line is the ratio of medians of one run.

use std::time::Instant;

use num_traits::Float;
use wengert::kernels::pool;
use wengert::scalar::{Compiled, MapReduce};

fn number<N: Float>(value: f64) -> N {
    N::from(value).unwrap_or_else(N::zero)
}

/// Numbers in (-1, 1) in no simple order.
fn spread(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// The logarithm of the likelihood of one point in a mixture of normal distributions.
/// `theta` is alpha k, mu k d, q k d, l k d (d - 1) / 2.
fn gmm_term<N: Float>(d: usize, k: usize, theta: &[N], x: &[N]) -> N {
    let triangle = d * (d - 1) / 2;
    let (alpha, rest) = theta.split_at(k);
    let (mu, rest) = rest.split_at(k * d);
    let (q, l) = rest.split_at(k * d);
    let mut terms = Vec::with_capacity(k);
    let (mut centred, mut scaled) = (vec![N::zero(); d], vec![N::zero(); d]);
    for ik in 0..k {
        let (mu, q, l) = (&mu[ik * d..][..d], &q[ik * d..][..d], &l[ik * triangle..][..triangle]);
        let mut sum_q = N::zero();
        for j in 0..d {
            centred[j] = x[j] - mu[j];
            scaled[j] = q[j].exp() * centred[j];
            sum_q = sum_q + q[j];
        }
        let mut at = 0;
        for i in 0..d {
            for j in i + 1..d {
                scaled[j] = scaled[j] + l[at] * centred[i];
                at += 1;
            }
        }
        let mut square = N::zero();
        for &s in &scaled {
            square = square + s * s;
        }
        terms.push(alpha[ik] + sum_q - square * number(0.5));
    }
    log_sum_exp(&terms)
}

fn log_sum_exp<N: Float>(x: &[N]) -> N {
    let most = x.iter().fold(x[0], |most, &x| most.max(x));
    let sum = x.iter().fold(N::zero(), |sum, &x| sum + (x - most).exp());
    sum.ln() + most
}

/// The sum of the logarithms on plain numbers, with what depends on the parameters alone computed once.
fn gmm_plain(d: usize, k: usize, theta: &[f64], points: &[f64]) -> f64 {
    let triangle = d * (d - 1) / 2;
    let (alpha, rest) = theta.split_at(k);
    let (mu, rest) = rest.split_at(k * d);
    let (q, l) = rest.split_at(k * d);
    let e: Vec<f64> = q.iter().map(|q| q.exp()).collect();
    let sums: Vec<f64> = (0..k).map(|ik| alpha[ik] + q[ik * d..][..d].iter().sum::<f64>()).collect();
    let (mut terms, mut centred, mut scaled) = (vec![0.0; k], vec![0.0; d], vec![0.0; d]);
    let mut total = 0.0;
    for x in points.chunks_exact(d) {
        for ik in 0..k {
            let (mu, e, l) = (&mu[ik * d..][..d], &e[ik * d..][..d], &l[ik * triangle..][..triangle]);
            for j in 0..d {
                centred[j] = x[j] - mu[j];
                scaled[j] = e[j] * centred[j];
            }
            let mut at = 0;
            for i in 0..d {
                for j in i + 1..d {
                    scaled[j] += l[at] * centred[i];
                    at += 1;
                }
            }
            terms[ik] = sums[ik] - 0.5 * scaled.iter().map(|s| s * s).sum::<f64>();
        }
        total += log_sum_exp(&terms);
    }
    total
}

/// The determinant by minors.
fn det<N: Float>(a: &[N], n: usize) -> N {
    fn minor<N: Float>(a: &[N], n: usize, row: usize, columns: &mut Vec<usize>) -> N {
        if columns.len() == 1 {
            return a[row * n + columns[0]];
        }
        let mut sum = N::zero();
        for i in 0..columns.len() {
            let column = columns.remove(i);
            let term = a[row * n + column] * minor(a, n, row + 1, columns);
            columns.insert(i, column);
            sum = if i % 2 == 0 { sum + term } else { sum - term };
        }
        sum
    }
    minor(a, n, 0, &mut (0..n).collect())
}

/// The last component of a chain of linear differential equations at time 2, by Runge's and Kutta's method.
fn ode<N: Float>(x: &[N], steps: usize) -> N {
    let n = x.len();
    let h = number::<N>(2.0 / steps as f64);
    let slope = |y: &[N], k: &mut [N]| {
        k[0] = x[0];
        for i in 1..n {
            k[i] = x[i] * y[i - 1];
        }
    };
    let zero = || vec![N::zero(); n];
    let (mut y, mut k1, mut k2, mut k3, mut k4, mut t) = (zero(), zero(), zero(), zero(), zero(), zero());
    let (half, two, sixth) = (number::<N>(0.5), number::<N>(2.0), number::<N>(1.0 / 6.0));
    for _ in 0..steps {
        slope(&y, &mut k1);
        for i in 0..n {
            t[i] = y[i] + k1[i] * h * half;
        }
        slope(&t, &mut k2);
        for i in 0..n {
            t[i] = y[i] + k2[i] * h * half;
        }
        slope(&t, &mut k3);
        for i in 0..n {
            t[i] = y[i] + k3[i] * h;
        }
        slope(&t, &mut k4);
        for i in 0..n {
            y[i] = y[i] + (k1[i] + k2[i] * two + k3[i] * two + k4[i]) * h * sixth;
        }
    }
    y[n - 1]
}

/// Half the squared residual of a polynomial at `t`, where `s` is wanted.
fn llsq_term<N: Float>(x: &[N], t: N, s: N) -> N {
    let (mut residual, mut power) = (s, N::one());
    for &x in x {
        residual = residual - x * power;
        power = power * t;
    }
    residual * residual * number(0.5)
}

/// A recurrent network, one unit of state and gates for each bit; `theta` is 8 b for each of `l` layers, then 3 b.
fn lstm<N: Float>(l: usize, b: usize, theta: &[N], sequence: &[f64]) -> N {
    let extra = &theta[l * 8 * b..];
    let sigmoid = |x: N| N::one() / (N::one() + (-x).exp());
    let (mut state, mut out) = (vec![number::<N>(0.1); 2 * l * b], vec![N::zero(); b]);
    let mut total = N::zero();
    let count = sequence.len() / b;
    for t in 0..count - 1 {
        for i in 0..b {
            out[i] = extra[i] * number(sequence[t * b + i]);
        }
        for layer in 0..l {
            let p = &theta[8 * b * layer..][..8 * b];
            for i in 0..b {
                let input = if layer == 0 { out[i] } else { state[2 * b * (layer - 1) + i] };
                let (h, c) = (state[2 * b * layer + i], state[2 * b * layer + b + i]);
                let forget = sigmoid(input * p[i] + p[4 * b + i]);
                let ingate = sigmoid(h * p[b + i] + p[5 * b + i]);
                let outgate = sigmoid(input * p[2 * b + i] + p[6 * b + i]);
                let change = (h * p[3 * b + i] + p[7 * b + i]).tanh();
                let cell = c * forget + ingate * change;
                state[2 * b * layer + b + i] = cell;
                state[2 * b * layer + i] = outgate * cell.tanh();
            }
        }
        for i in 0..b {
            out[i] = state[2 * b * (l - 1) + i] * extra[b + i] + extra[2 * b + i];
        }
        let sum = out.iter().fold(number::<N>(2.0), |sum, x| sum + x.exp());
        for i in 0..b {
            total = total + (out[i] - sum.ln()) * number(sequence[(t + 1) * b + i]);
        }
    }
    total * number(-1.0 / ((count - 1) * b) as f64)
}

/// Seconds of each of two tasks: medians of interleaved runs.
fn medians(mut a: impl FnMut(), mut b: impl FnMut()) -> (f64, f64) {
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    while of_a.len() < 7 || (begin.elapsed().as_secs_f64() < 1.0 && of_a.len() < 2001) {
        for (task, times) in [(&mut a as &mut dyn FnMut(), &mut of_a), (&mut b, &mut of_b)] {
            let start = Instant::now();
            task();
            times.push(start.elapsed().as_secs_f64());
        }
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    (median(&mut of_a), median(&mut of_b))
}

fn report(name: &str, detail: String, plain: impl FnMut(), gradient: impl FnMut()) {
    let (plain, gradient) = medians(plain, gradient);
    let ratio = gradient / plain;
    println!("{name:20} plain {:9.1} us   gradient {:9.1} us   ratio {ratio:6.2}   {detail}", plain * 1e6, gradient * 1e6);
}

fn bench_gmm(d: usize, k: usize, n: usize) {
    let theta: Vec<f64> = spread(k + 2 * k * d + k * d * (d - 1) / 2, 1).iter().map(|x| 0.3 * x).collect();
    let points = spread(n * d, 2);
    let Ok(mut loss) = MapReduce::record(&theta, &points[..d], |theta, x| gmm_term(d, k, theta, x)) else { return };
    let mut g = vec![0.0; theta.len()];
    let value = loss.value_and_gradient(&theta, &points, &mut g).unwrap_or(f64::NAN);
    let difference = value - gmm_plain(d, k, &theta, &points);
    let detail = format!("operations a row, once: {:?}; difference {difference:.1e}", loss.operations());
    let plain = || _ = std::hint::black_box(gmm_plain(d, k, std::hint::black_box(&theta), &points));
    report(&format!("gmm {d}_{k}_{n}"), detail, plain, || _ = loss.value_and_gradient(&theta, &points, &mut g));
}

fn bench_compiled(name: &str, x: &[f64], mut plain: impl FnMut(&[f64]) -> f64, f: wengert::Result<Compiled>) {
    let Ok(mut f) = f else { return };
    let mut g = vec![0.0; x.len()];
    let value = f.value_and_gradient(x, &mut g).unwrap_or(f64::NAN);
    let detail = format!("operations: {}; places: {:?}; difference {:.1e}", f.operations(), f.places(), value - plain(x));
    let plain = || _ = std::hint::black_box(plain(std::hint::black_box(x)));
    report(name, detail, plain, || _ = std::hint::black_box(f.value_and_gradient(x, &mut g)));
}

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let chosen = |name: &str| name.contains(&filter);
    pool::set_threads(1);
    if chosen("gmm") {
        bench_gmm(2, 5, 1000);
        bench_gmm(10, 25, 1000);
    }
    if chosen("det") {
        for n in [6, 8] {
            let x = spread(n * n, 3);
            bench_compiled(&format!("det {n}"), &x, |x| det(x, n), Compiled::record(&x, |x| det(x, n)));
        }
    }
    if chosen("lse") {
        let x = spread(10_000, 4);
        bench_compiled("lse 10000", &x, log_sum_exp, Compiled::record(&x, log_sum_exp));
    }
    if chosen("ode") {
        for (n, steps) in [(1000, 10), (1000, 100)] {
            let x = spread(n, 5);
            let f = Compiled::record(&x, |x| ode(x, steps));
            bench_compiled(&format!("ode {n} {steps}"), &x, |x| ode(x, steps), f);
        }
    }
    if chosen("llsq") {
        for n in [128, 4096] {
            let x = spread(128, 6);
            let at = |i: usize| -1.0 + 2.0 * i as f64 / (n as f64 - 1.0);
            let rows: Vec<f64> = (0..n).flat_map(|i| [at(i), at(i).signum()]).collect();
            let Ok(mut loss) = MapReduce::record(&x, &rows[..2], |x, row| llsq_term(x, row[0], row[1])) else { return };
            let mut g = vec![0.0; x.len()];
            let plain = || {
                let sum: f64 = rows.chunks_exact(2).map(|row| llsq_term(std::hint::black_box(&x), row[0], row[1])).sum();
                _ = std::hint::black_box(sum);
            };
            report(&format!("llsq {n} 128"), String::new(), plain, || _ = loss.value_and_gradient(&x, &rows, &mut g));
        }
    }
    if chosen("lstm") {
        let (l, b, count) = (2, 14, 1024);
        let x = spread(8 * l * b + 3 * b, 7);
        let sequence: Vec<f64> = spread(count * b, 8).iter().map(|&x| f64::from(x > 0.0)).collect();
        let f = Compiled::record(&x, |x| lstm(l, b, x, &sequence));
        bench_compiled("lstm 2 1024", &x, |x| lstm(l, b, x, &sequence), f);
    }
}
