//! The same seed gives the same bits for any number of threads.

use std::sync::Mutex;

use crate::model::Mlp;
use wengert::prelude::*;

/// The number of threads belongs to the process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub(crate) fn bits(tensors: impl IntoIterator<Item = Tensor>) -> Vec<u32> {
    let bits = |tensor: Tensor| tensor.as_slice().iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    tensors.into_iter().flat_map(bits).collect()
}

/// What a computation gives with 1, 2, 3 and 8 threads, which must be the same.
pub(crate) fn with_every_number_of_threads(compute: impl Fn() -> Result<Vec<u32>>) -> Result<()> {
    let _guard = ONE_AT_A_TIME.lock();
    wengert::set_threads(1);
    assert_eq!(wengert::threads(), 1);
    let expected = compute()?;
    assert!(!expected.is_empty());
    for threads in [2, 3, 8] {
        wengert::set_threads(threads);
        assert_eq!(wengert::threads(), threads);
        let found = compute()?;
        let differ = expected.iter().zip(&found).filter(|(a, b)| a != b).count();
        assert_eq!((found.len(), differ), (expected.len(), 0), "values that differ with {threads} threads");
    }
    wengert::set_threads(0);
    Ok(())
}

/// The weights after some steps with dropout.
pub(crate) fn trained(sizes: [usize; 3], batch: usize, steps: u64, seed: u64) -> Result<Vec<u32>> {
    let mut model = Mlp::new(sizes[0], sizes[1], sizes[2], 7).dropout(0.3);
    let mut optimizer = Adam::new(1e-2);
    for step in 0..steps {
        let wave = |i: usize| ((i as u64 * 37 + step * 101) as f32 * 0.01).sin();
        let x = Tensor::from_fn([batch, sizes[0]], wave);
        let labels: Vec<usize> = (0..batch).map(|i| i % sizes[2]).collect();
        let tape = Tape::training(seed + step);
        let loss = loss::cross_entropy(model.forward(tape.constant(&x)), labels);
        optimizer.step(&mut model, &loss.backward()?)?;
    }
    Ok(bits(model.parameters().into_iter().map(|parameter| parameter.value().clone())))
}

#[test]
fn small_models() -> Result<()> {
    with_every_number_of_threads(|| trained([5, 16, 3], 12, 20, 0))
}

#[test]
fn models_whose_products_loops_and_updates_run_in_parallel() -> Result<()> {
    // Activations have 65,536 elements, the second weight as many.
    with_every_number_of_threads(|| trained([64, 256, 10], 256, 20, 3))
}

#[test]
fn the_seed_decides() -> Result<()> {
    let _guard = ONE_AT_A_TIME.lock();
    assert_eq!(trained([5, 16, 3], 12, 3, 1)?, trained([5, 16, 3], 12, 3, 1)?);
    assert_ne!(trained([5, 16, 3], 12, 3, 1)?, trained([5, 16, 3], 12, 3, 2)?);
    Ok(())
}

#[test]
fn reductions_draws_and_elementwise_chains() -> Result<()> {
    with_every_number_of_threads(|| {
        let tape = Tape::<f32>::training(11);
        let x = tape.input(Tensor::from_fn([300, 301], |i| (i as f32 * 0.37).sin() + 1e-3));
        let drawn = tape.randn([300, 301]) + tape.rand_uniform([300, 301]);
        let chain = (x * drawn).tanh().dropout(0.5) + x.exp() / (1.0 + x.square());
        let rows = chain.softmax(-1).sum_axes(&[0], false);
        let columns = chain.matmul(x.t()).logsumexp_axes(&[1], false);
        let total = rows.square().sum() + columns.mean() + chain.var().sqrt();
        let [gx] = total.grad([x]);
        Ok(bits(tape.eval([total, rows, columns, chain, gx])?))
    })
}

#[test]
fn long_reductions_of_every_kind() -> Result<()> {
    with_every_number_of_threads(|| {
        let tape = Tape::<f32>::new();
        let x = tape.input(Tensor::from_fn([100_003], |i| (i as f32 * 0.73).sin()));
        let y = x * x.exp();
        let tall = y.narrow(0, 1, 99_990).reshape([9999, 10]);
        let wide = tall.t().sum_axes(&[0], false).max();
        let all = y.sum() + y.mean() + y.max() * y.min() + y.norm(2.0) + tall.logsumexp().tanh() + wide;
        let [gx] = all.grad([x]);
        Ok(bits(tape.eval([all, tall.sum_axes(&[0], false), tall.var_axes(&[0], 1, false), y.cumsum(0), gx])?))
    })
}

#[test]
fn within_a_memory_limit() -> Result<()> {
    let compute = |limit: Option<usize>| {
        let tape = Tape::<f32>::training(5);
        tape.memory_limit(limit);
        let x = tape.input(Tensor::from_fn([128, 200], |i| (i as f32 * 0.41).cos()));
        let w = tape.input(Tensor::from_fn([200, 200], |i| (i as f32 * 0.23).sin() * 0.1));
        let deep = (0..40).fold(x, |h, _| (h * 2.0).softmax(0));
        let loss = deep.dropout(0.1).matmul(w).square().mean();
        let [gw, gx] = loss.grad([w, x]);
        let peak = tape.plan([loss, gw, gx])?.peak_bytes();
        Ok::<_, Error>((bits(tape.eval([loss, gw, gx])?), peak))
    };
    let (free, peak) = compute(None)?;
    with_every_number_of_threads(|| {
        let (lean, lean_peak) = compute(Some(peak / 3 * 2))?;
        assert!(lean_peak <= peak / 3 * 2);
        // The loss is a sum, which other blocks may group otherwise.
        assert_eq!(lean[1..], free[1..]);
        Ok(lean)
    })
}
