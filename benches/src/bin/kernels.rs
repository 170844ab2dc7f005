//! Measures the kernels: `cargo run --release -p wengert-benches --bin kernels [gemm|pool|reduce|philox]`.
//! Each figure is the best (median) of many samples on the calling machine.

use std::time::Instant;
use wengert::kernels::gemm::{View, matmul};
use wengert::kernels::{philox, pool, reduce};

/// Best and median seconds of one call.
fn time(mut body: impl FnMut()) -> (f64, f64) {
    let start = Instant::now();
    let mut calls = 0_u32;
    while start.elapsed().as_secs_f64() < 0.02 {
        body();
        calls += 1;
    }
    let each = (calls / 40).max(1);
    let mut samples: Vec<f64> = (0..300)
        .map(|_| {
            let start = Instant::now();
            (0..each).for_each(|_| body());
            start.elapsed().as_secs_f64() / f64::from(each)
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    (samples[0], samples[samples.len() / 2])
}

/// A buffer of ones that starts at a multiple of 64 bytes.
fn buffer<T: Copy + From<i8>>(count: usize) -> &'static mut [T] {
    let data = vec![T::from(1); count + 64].leak();
    let skip = data.as_ptr().align_offset(64);
    &mut data[skip..skip + count]
}

fn gemm_crate<T: 'static + Copy + From<i8>>(sizes: [usize; 3], a: View<'_, T>, b: View<'_, T>, out: &mut [T]) {
    let [m, n, k] = sizes;
    // SAFETY: the views and the output have the sizes given.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.data.as_ptr(),
            a.strides.1 as isize,
            a.strides.0 as isize,
            b.data.as_ptr(),
            b.strides.1 as isize,
            b.strides.0 as isize,
            T::from(0),
            T::from(1),
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

fn product<T>(name: &str, sizes: [usize; 3], left: bool, right: bool)
where
    T: wengert::kernels::gemm::Vectorised + From<i8>,
{
    let [m, n, k] = sizes;
    let (a, b, out) = (buffer::<T>(m * k), buffer::<T>(k * n), buffer::<T>(m * n));
    let a = if left { View::transposed(a, m) } else { View::rows(a, k) };
    let b = if right { View::transposed(b, k) } else { View::rows(b, n) };
    let flops = 2e-9 * (m * n * k) as f64;
    let mut line = format!("{name:32} {m:5}x{k}x{n} {}{}", if left { "T" } else { "-" }, if right { "T" } else { "-" });
    for threads in [1, 2] {
        pool::set_threads(threads);
        let (best, median) = time(|| matmul(sizes, a, b, out, false).expect("sizes fit"));
        line += &format!("  {threads}T {:6.1} ({:6.1})", flops / best, flops / median);
        if threads == 1 {
            line += &format!(" {:8.0} ns", best * 1e9);
        }
    }
    let (best, median) = time(|| gemm_crate(sizes, a, b, out));
    println!("{line}  crate {:6.1} ({:6.1}) {:8.0} ns", flops / best, flops / median, best * 1e9);
}

fn products<T>()
where
    T: wengert::kernels::gemm::Vectorised + From<i8>,
{
    println!("GFLOP/s of {}", std::any::type_name::<T>());
    product::<T>("forward", [128, 128, 784], false, false);
    product::<T>("forward, x W^T", [128, 128, 784], false, true);
    product::<T>("128^3", [128, 128, 128], false, false);
    product::<T>("128^3 A B^T", [128, 128, 128], false, true);
    product::<T>("128^3 A^T B", [128, 128, 128], true, false);
    product::<T>("dW", [784, 128, 128], true, false);
    product::<T>("dX", [128, 784, 128], false, true);
    product::<T>("narrow", [128, 10, 128], false, false);
    product::<T>("narrow dW", [128, 10, 128], true, false);
    product::<T>("k = 10", [128, 128, 10], false, true);
    product::<T>("row * matrix", [1, 128, 784], false, false);
    product::<T>("row * matrix^T", [1, 128, 784], false, true);
    product::<T>("matrix * column", [784, 1, 128], false, false);
    product::<T>("batch 1024", [1024, 128, 784], false, false);
    for size in [1, 4, 8, 16, 32, 64, 256, 512, 1024] {
        product::<T>("square", [size, size, size], false, false);
    }
    product::<T>("square A B^T", [512, 512, 512], false, true);
    product::<T>("square A^T B", [512, 512, 512], true, false);
    product::<T>("square A^T B^T", [512, 512, 512], true, true);
    product::<T>("attention", [64, 64, 32], false, true);
}

fn dispatch() {
    for threads in [2, 3, 8] {
        pool::set_threads(threads);
        for tasks in [2, 16] {
            let (best, median) = time(|| {
                pool::run(tasks, &|i| {
                    std::hint::black_box(i);
                })
            });
            println!("dispatch, {threads} threads, {tasks} tasks: {:.0} ({:.0}) ns", best * 1e9, median * 1e9);
        }
    }
    for us in [1.0, 5.0, 20.0, 200.0] {
        let work = || {
            let start = Instant::now();
            while start.elapsed().as_secs_f64() < us * 1e-6 {
                std::hint::spin_loop();
            }
        };
        pool::set_threads(2);
        let (best, median) = time(|| pool::run(2, &|_| work()));
        println!("two halves of {us} us: {:.2} ({:.2}) us", best * 1e6, median * 1e6);
    }
}

fn rate(name: &str, bytes: usize, unit: usize, mut body: impl FnMut()) {
    let mut line = format!("{name:40}");
    for threads in [1, 2] {
        pool::set_threads(threads);
        let (best, median) = time(&mut body);
        let speed = |seconds: f64| bytes as f64 / seconds * 1e-9;
        line += &format!("  {threads}T {:6.1} ({:6.1}) GB/s {:9.0} ns", speed(best), speed(median), best * 1e9);
        line += &format!(" {:5.2} ns each", best * 1e9 / unit as f64);
    }
    println!("{line}");
}

fn reductions<T: reduce::Real + From<i8>>() {
    let name = std::any::type_name::<T>();
    for shape in [
        [128, 784, 1],
        [128, 128, 1],
        [128, 10, 1],
        [1, 128, 128],
        [1, 128, 10],
        [1, 1_000_000, 1],
        [1, 16_384, 1],
        [1000, 1000, 1],
        [1, 1000, 1000],
        [1, 100_000, 10],
        [64, 784, 32],
        [1, 50_000, 64],
    ] {
        let count = shape.iter().product();
        let (data, out) = (buffer::<T>(count), buffer::<T>(shape[0] * shape[2]));
        let bytes = count * size_of::<T>();
        rate(&format!("sum {name} {shape:?}"), bytes, count, || reduce::sum(data, shape, out));
        rate(&format!("max {name} {shape:?}"), bytes, count, || reduce::max(data, shape, out));
        let mut places = vec![0; shape[0] * shape[2]];
        rate(&format!("argmax {name} {shape:?}"), bytes, count, || reduce::argmax(data, shape, &mut places));
    }
    for [rows, n] in [[128, 10], [1024, 64], [128, 1000]] {
        let (data, out) = (buffer::<T>(rows * n), buffer::<T>(rows * n));
        let bytes = 2 * rows * n * size_of::<T>();
        rate(&format!("softmax {name} {rows} x {n}"), bytes, rows * n, || reduce::softmax(data, n, out));
        rate(&format!("log_softmax {name} {rows} x {n}"), bytes, rows * n, || reduce::log_softmax(data, n, out));
        rate(&format!("logsumexp {name} {rows} x {n}"), bytes, rows * n, || {
            reduce::logsumexp(data, n, &mut out[..rows])
        });
    }
}

fn random<T: philox::Draw + From<i8>>() {
    let name = std::any::type_name::<T>();
    for count in [4096, 100_000] {
        let out = buffer::<T>(count);
        let bytes = count * size_of::<T>();
        rate(&format!("uniform {name} {count}"), bytes, count, || philox::fill_uniform(1, 2, out));
        rate(&format!("normal {name} {count}"), bytes, count, || philox::fill_normal(1, 2, out));
        rate(&format!("bernoulli {name} {count}"), bytes, count, || philox::fill_bernoulli(1, 2, 0.9, out));
    }
}

fn main() {
    let which = std::env::args().nth(1).unwrap_or_default();
    let all = which.is_empty();
    println!("{:?}", wengert::kernels::dispatch::level());
    if all || which == "pool" {
        dispatch();
    }
    if all || which == "gemm" {
        products::<f32>();
        products::<f64>();
    }
    if all || which == "reduce" {
        reductions::<f32>();
        reductions::<f64>();
    }
    if all || which == "philox" {
        random::<f32>();
        random::<f64>();
    }
}
