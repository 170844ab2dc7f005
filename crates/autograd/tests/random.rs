//! Random ops: the same bits from the same seed, independent streams, moments, dropout.

use std::sync::Mutex;

use wengert_autograd::kernels::pool;
use wengert_autograd::{ErrorKind, Result, Tape, Tensor, plan_counters};

const COUNT: usize = 100_000;

/// The number of threads belongs to the whole process: one test at a time may set it.
static THREADS: Mutex<()> = Mutex::new(());

fn draws(seed: u64) -> Result<[Tensor<f32>; 4]> {
    let tape = Tape::training(seed);
    let x = tape.input(Tensor::ones([COUNT]));
    tape.eval([tape.rand_uniform([COUNT]), tape.randn([COUNT]), tape.bernoulli([COUNT], 0.3), x.dropout(0.4)])
}

#[test]
fn the_same_bits_for_any_number_of_threads() -> Result<()> {
    let _lock = THREADS.lock();
    let before = draws(11)?;
    for threads in [1, 2, 3] {
        pool::set_threads(threads);
        assert_eq!(draws(11)?, before);
    }
    pool::set_threads(0);
    assert!(draws(12)?.iter().zip(&before).all(|(a, b)| a != b));
    Ok(())
}

fn moments(x: &Tensor<f64>) -> (f64, f64) {
    let mean = x.as_slice().iter().sum::<f64>() / x.len() as f64;
    (mean, x.as_slice().iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64)
}

#[test]
fn means_and_variances() -> Result<()> {
    let tape = Tape::<f64>::training(21);
    let values = tape.eval([tape.rand_uniform([COUNT]), tape.randn([COUNT / 10, 10]), tape.bernoulli([COUNT], 0.3)])?;
    // Mean, variance, and the standard deviation of a single (x - mean)^2.
    let expected = [(0.5, 1.0 / 12.0, (1.0f64 / 180.0).sqrt()), (0.0, 1.0, 2f64.sqrt()), (0.3, 0.21, 0.1833)];
    for (value, (mean, variance, spread)) in values.iter().zip(expected) {
        let (got_mean, got_variance) = moments(value);
        let scale = (COUNT as f64).sqrt();
        assert!((got_mean - mean).abs() < 5.0 * f64::sqrt(variance) / scale, "{got_mean} for {mean}");
        assert!((got_variance - variance).abs() < 5.0 * spread / scale, "{got_variance} for {variance}");
    }
    Ok(())
}

#[test]
fn every_draw_is_its_own() -> Result<()> {
    let tape = Tape::<f64>::training(31);
    let [a, b] = [tape.randn([COUNT]), tape.randn([COUNT])];
    assert_eq!(tape.len(), 2);
    let product = (a * b).mean().item()?;
    assert!(product.abs() < 5.0 / (COUNT as f64).sqrt(), "{product}");
    // A value that is computed again is the same.
    let inference = Tape::<f64>::inference();
    let x = inference.randn([4]);
    let doubled = (x * 2.0).value()?;
    assert_eq!(x.value()?.map_values(|value| 2.0 * value), doubled);
    // Outside training the seed is 0.
    assert_eq!(Tape::<f64>::new().randn([4]).value()?, Tape::<f64>::training(0).randn([4]).value()?);
    Ok(())
}

#[test]
fn another_seed_uses_the_plan_again() -> Result<()> {
    let step = |seed| {
        let tape = Tape::training(seed);
        let x = tape.input(Tensor::<f64>::ones([50]));
        let y = (x.dropout(0.5) + tape.randn([50]) * tape.rand_uniform([50])).square().sum();
        y.grad([x])[0].value()
    };
    let first = step(1)?;
    let before = plan_counters();
    assert_ne!(step(2)?, first);
    assert_eq!(step(1)?, first);
    assert_eq!(plan_counters().planned, before.planned);
    Ok(())
}

#[test]
fn dropout_in_training() -> Result<()> {
    let tape = Tape::<f64>::training(41);
    let x = tape.input(Tensor::full([COUNT], 3.0));
    let y = x.dropout(0.2);
    let [g] = y.sum().grad([x]);
    let [y, g] = tape.eval([y, g])?;
    assert!(y.as_slice().iter().zip(g.as_slice()).all(|(y, g)| (y - 3.0 * g).abs() < 1e-14));
    assert!(g.as_slice().iter().all(|&g| g == 0.0 || g == 1.0 / 0.8));
    let (mean, _) = moments(&y);
    assert!((mean - 3.0).abs() < 0.03, "{mean}");
    Ok(())
}

#[test]
fn dropout_at_the_ends() -> Result<()> {
    let x0 = Tensor::from([1.0f64, -2.0]);
    let tape = Tape::training(1);
    let x = tape.input(&x0);
    assert_eq!(x.dropout(0.0).value()?, x0);
    let nothing = x.dropout(1.0);
    assert_eq!(nothing.value()?.as_slice(), [0.0, 0.0]);
    assert_eq!(nothing.square().sum().grad([x])[0].value()?.as_slice(), [0.0, 0.0]);
    for tape in [Tape::new(), Tape::inference()] {
        assert_eq!(tape.input(&x0).dropout(0.5).value()?, x0);
        assert_eq!(tape.input(&x0).dropout(1.0).value()?, x0);
    }
    Ok(())
}

#[test]
fn probabilities_outside() {
    for p in [-0.1, 1.5, f64::NAN] {
        for tape in [Tape::<f32>::new(), Tape::training(1)] {
            let error = tape.input(Tensor::zeros([2])).dropout(p).value().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Argument);
            assert!(error.to_string().starts_with(&format!("dropout: the probability is {p} at ")), "{error}");
            assert!(error.to_string().contains("random.rs"), "{error}");
            assert!(error.to_string().ends_with("; a probability lies between 0 and 1"), "{error}");
        }
        let error = Tape::<f32>::new().bernoulli([2], p).value().unwrap_err();
        assert!(error.to_string().starts_with("bernoulli: the probability is"), "{error}");
    }
    let error = Tape::<f32>::new().randn([usize::MAX, 2]).value().unwrap_err();
    assert!(error.to_string().starts_with("randn: a tensor of shape"), "{error}");
}

#[test]
fn draws_are_constants() {
    let tape = Tape::<f64>::training(1);
    let error = tape.randn([]).backward().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gradient);
}

#[test]
fn draws_are_printed() {
    let tape = Tape::<f64>::training(1);
    let _ = (tape.rand_uniform([2]), tape.bernoulli([2], 0.5));
    let listing = tape.to_string();
    assert!(listing.contains("%0 = rand_uniform(draw 1) : [2]"), "{listing}");
    assert!(listing.contains("%1 = bernoulli(0.5, draw 2) : [2]"), "{listing}");
}
