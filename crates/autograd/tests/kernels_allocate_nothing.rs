//! After the first call no kernel allocates. This file holds one test, because the count belongs to the process.

use wengert_autograd::kernels::gemm::{View, matmul, matmul_batch};
use wengert_autograd::kernels::{philox, pool, reduce};

mod counting;

#[test]
fn kernels_allocate_nothing() {
    let (a, b) = (vec![1.0_f32; 200_000], vec![1.0_f32; 200_000]);
    let (mut out, mut places) = (vec![0.0_f32; 200_000], vec![0_usize; 1000]);
    pool::set_threads(3);
    let mut all = || {
        pool::run(50, &|i| {
            std::hint::black_box(i);
        });
        for [m, n, k] in [[128, 128, 784], [128, 10, 128], [1, 128, 784], [300, 1, 300], [4, 4, 4]] {
            for (left, right) in [(false, false), (false, true), (true, false), (true, true)] {
                let a = if left { View::transposed(&a, m) } else { View::rows(&a, k) };
                let b = if right { View::transposed(&b, k) } else { View::rows(&b, n) };
                matmul([m, n, k], a, b, &mut out, true).expect("sizes fit");
            }
        }
        let (left, right) = (View::rows(&a, 32), View::transposed(&b, 32));
        matmul_batch(20, [64, 64, 32], (left, 2048), (right, 2048), &mut out, false).expect("fit");
        for [outer, n, inner] in [[1, 200_000, 1], [1000, 200, 1], [1, 20_000, 10], [2, 1000, 100]] {
            let shape = [outer, n, inner];
            let length = outer * inner;
            reduce::sum(&a, shape, &mut out[..length]);
            reduce::max(&a, shape, &mut out[..length]);
            reduce::argmax(&a, shape, &mut places[..length]);
        }
        reduce::softmax(&a, 1000, &mut out);
        reduce::log_softmax(&a, 10, &mut out);
        reduce::logsumexp(&a, 1000, &mut out[..200]);
        philox::fill_uniform(1, 2, &mut out);
        philox::fill_normal(1, 2, &mut out);
        philox::fill_bernoulli(1, 2, 0.5, &mut out);
    };
    all();
    let before = counting::allocations_of_process();
    (0..20).for_each(|_| all());
    assert_eq!(counting::allocations_of_process(), before);
}
