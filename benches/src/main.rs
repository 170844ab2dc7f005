//! interim
use std::time::Instant;
use wengert::prelude::*;
fn time(name: &str, mut f: impl FnMut()) {
    for _ in 0..20 {
        f();
    }
    let mut v = vec![];
    let t0 = Instant::now();
    while t0.elapsed().as_secs_f64() < 2.0 {
        let t = Instant::now();
        f();
        v.push(t.elapsed().as_secs_f64() * 1e6);
    }
    v.sort_by(f64::total_cmp);
    println!("{name}: min {:.2} median {:.2} us", v[0], v[v.len() / 2]);
}
fn main() {
    let n = 1_000_000;
    let x = Tensor::<f32>::from_fn([n], |i| (i as f32 / n as f32) * 4.0 - 2.0);
    let (a, b, c) = (Tensor::scalar(1.1f32), Tensor::scalar(0.3f32), Tensor::scalar(0.7f32));
    let show = std::env::args().any(|a| a == "plan");
    let w6 = |print: bool| {
        let t = Tape::new();
        let (x, a, b, c) = (t.input(&x), t.input(&a), t.input(&b), t.input(&c));
        let y = ((a * x + b).tanh() * (c * x).sigmoid() + (-x * x).exp()).sum();
        if print {
            let [gx, ga, gb, gc] = y.grad([x, a, b, c]);
            println!("{t}\n{}", t.plan([y, gx, ga, gb, gc]).unwrap());
        }
        let g = y.backward().unwrap();
        g.wrt(x).unwrap().len();
    };
    w6(show);
    if std::env::args().any(|a| a == "w6") {
        time("w6", || w6(false));
        return;
    }
    time("w6", || w6(false));
    let mut rng = rand::rng();
    let mk =
        |s: [usize; 2], rng: &mut rand::rngs::ThreadRng| Param::new(Tensor::<f32>::rand_uniform(s, -0.05, 0.05, rng));
    let (w1, w2, w3) = (mk([128, 784], &mut rng), mk([128, 128], &mut rng), mk([10, 128], &mut rng));
    let (b1, b2, b3) = (mk([1, 128], &mut rng), mk([1, 128], &mut rng), mk([1, 10], &mut rng));
    let img = Tensor::<f32>::rand_uniform([128, 784], 0.0, 1.0, &mut rng);
    let onehot = Tensor::<f32>::from_fn([128, 10], |i| if i % 10 == (i / 10) % 10 { 1.0 } else { 0.0 });
    let w1b = |print: bool| {
        let t = Tape::new();
        let x = t.constant(&img);
        let h = (x.matmul(t.param(&w1).t()) + t.param(&b1)).relu();
        let h = (h.matmul(t.param(&w2).t()) + t.param(&b2)).relu();
        let o = h.matmul(t.param(&w3).t()) + t.param(&b3);
        let l = o.exp().sum_axes(&[1], true).ln();
        let loss = -((o - l) * t.constant(&onehot)).sum() / 128.0;
        if print {
            println!("{}", t.plan([loss]).unwrap());
        }
        loss.backward().unwrap();
    };
    w1b(show);
    time("w1 forward+backward", || w1b(false));
    let (v1, v2) = (mk([4, 2], &mut rng), mk([1, 4], &mut rng));
    let (c1, c2) = (mk([1, 4], &mut rng), mk([1, 1], &mut rng));
    let (xi, yi) = (
        Tensor::<f32>::from([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]),
        Tensor::<f32>::from([[0.0], [1.0], [1.0], [0.0]]),
    );
    let w2b = || {
        let t = Tape::new();
        let h = (t.constant(&xi).matmul(t.param(&v1).t()) + t.param(&c1)).sigmoid();
        let o = (h.matmul(t.param(&v2).t()) + t.param(&c2)).sigmoid();
        let loss = (o - t.constant(&yi)).square().mean();
        loss.backward().unwrap();
    };
    time("w2 forward+backward", w2b);
}
