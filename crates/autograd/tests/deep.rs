//! Tapes of a million nodes: nothing recurses, and the work grows in proportion.

use wengert_autograd::{Result, Tape, Tensor};

/// Runs on a stack far too small for a call a node.
fn on_a_small_stack<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, work);
        thread.expect("a thread").join().expect("no overflow, no panic")
    })
}

/// `x <- 0.999 x + 0.001`, `links` times; the value and gradient, and the nodes recorded before and after the backward
/// pass.
fn chain(x0: Tensor<f64>, links: usize) -> Result<(f64, Vec<f64>, usize, usize)> {
    let tape = Tape::new();
    let x = tape.input(x0);
    let y = (0..links).fold(x, |x, _| x * 0.999 + 0.001).sum();
    let forward = tape.len();
    let gradients = y.backward()?;
    let gradient = gradients.wrt(x).map_or(vec![], Tensor::to_vec);
    Ok((y.item()?, gradient, forward, tape.len()))
}

fn prove(x0: Tensor<f64>, links: usize) -> (usize, usize) {
    let count = x0.len() as f64;
    let start: f64 = x0.as_slice().iter().sum();
    let (value, gradient, forward, all) = on_a_small_stack(|| chain(x0, links)).expect("a value");
    // x_n = 1 + (x_0 - 1) 0.999^n.
    let decay = 0.999f64.powi(links as i32);
    assert!((value - (count + (start - count) * decay)).abs() < 1e-9 * count, "{value}");
    assert!(gradient.iter().all(|g| (g - decay).abs() <= 1e-9 * decay.max(1e-300)), "{gradient:?} {decay}");
    (forward, all)
}

#[test]
fn a_million_nodes_of_numbers() {
    let (forward, all) = prove(Tensor::scalar(2.0), 500_000);
    assert!(forward > 1_000_000);
    let (tenth, tenth_all) = prove(Tensor::scalar(2.0), 50_000);
    // Every link adds the same number of nodes, forwards and backwards.
    assert_eq!((forward - tenth) % 450_000, 0);
    assert!(all - tenth_all <= 4 * (forward - tenth), "{all} after {forward}");
}

#[test]
fn a_million_nodes_of_small_tensors() {
    let (forward, _) = prove(Tensor::from([[2.0, -1.0], [0.5, 3.0]]), 500_000);
    assert!(forward > 1_000_000);
}

#[test]
fn a_wide_sum_and_a_deep_second_derivative() {
    let links = 20_000;
    let [first, second] = on_a_small_stack(|| {
        let tape = Tape::new();
        let x = tape.input(Tensor::scalar(1.0));
        // y = x^(links + 1) by repeated products, each of which uses x again.
        let y = (0..links).fold(x, |y, _| y * x);
        let [first] = y.grad([x]);
        let [second] = first.grad([x]);
        tape.eval([first, second]).expect("derivatives").map(|value: Tensor<f64>| value.as_slice()[0])
    });
    let n = (links + 1) as f64;
    assert_eq!((first, second), (n, n * (n - 1.0)));
}
