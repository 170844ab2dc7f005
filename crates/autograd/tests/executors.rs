//! Random programs of all sizes, run in every way: fused and one op at a time, simplified and not, within memory limits, on
//! several threads. What a fuzzer would feed to the same comparison stands in `fuzz/`.
//!
//! `WENGERT_CASES` sets the number of programs.

#[path = "program/bytes.rs"]
mod bytes;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "program/steps.rs"]
mod steps;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use wengert_autograd::kernels::pool;
use wengert_autograd::{Result, Tape, Tensor};

#[test]
fn executors_agree_on_programs_of_random_bytes() {
    let cases = std::env::var("WENGERT_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(1000);
    for seed in 0..cases {
        let mut random = StdRng::seed_from_u64(seed);
        let length = random.random_range(0..160);
        let bytes: Vec<u8> = (0..length).map(|_| random.random()).collect();
        let program = bytes::decode(&bytes);
        if let Err(difference) = bytes::compare(&program) {
            panic!("{difference}, by the program of seed {seed}: {program:?}");
        }
    }
}

#[test]
fn the_comparison_bites() {
    let program = bytes::decode(&[0, 1, 4, 0, 5, 0, 0, 0, 0, 7, 0, 0, 0]);
    let mut naive = program.evaluate(&program.inputs());
    assert_eq!(bytes::compare_with(&program, &naive), Ok(()));
    naive[2][[77]] += 1e-9;
    let difference = bytes::compare_with(&program, &naive).expect_err("another number");
    assert!(difference.starts_with("step 2: element 77 is "), "{difference}");
}

/// A sum is one number up to rounding, whatever is computed beside it and in whatever blocks; and bit for bit on however
/// many threads. Extremes are the same bit for bit.
#[test]
fn a_sum_is_the_same_in_any_company() -> Result<()> {
    for length in [1, 127, 128, 129, 255, 256, 257, 1023, 1025, 16_383, 16_385, 100_003] {
        let x0 = Tensor::<f32>::from_fn([length], |i| (i as f32 * 0.37).sin());
        let company = |others: usize, separate: bool, threads: usize| {
            pool::set_threads(threads);
            let tape = Tape::new();
            tape.without(separate, false);
            let x = tape.input(&x0);
            let y = x.exp() * 0.1 - x.square();
            let mut asked = vec![y.sum(), y.max(), y.min()];
            // Further values of the same pass: more registers and stores, so smaller blocks.
            asked.extend((0..others).map(|k| (y * (k as f32 + 1.5)).tanh() + x));
            let values = tape.eval_all(&asked);
            pool::set_threads(0);
            Ok::<_, wengert_autograd::Error>(values?.iter().take(3).map(Tensor::to_vec).collect::<Vec<_>>())
        };
        let alone = company(0, false, 1)?;
        for (others, separate) in [(0, false), (5, false), (20, false), (0, true)] {
            let here = company(others, separate, 1)?;
            assert_eq!(here[1..], alone[1..], "{length} elements, {others} other values");
            let difference = (here[0][0] - alone[0][0]).abs();
            assert!(difference <= 1e-6 * alone[0][0].abs().max(1.0), "{length} elements, {others}: {difference}");
            for threads in [2, 3, 8] {
                assert_eq!(company(others, separate, threads)?, here, "{length} elements on {threads} threads");
            }
        }
    }
    Ok(())
}
