//! Matrices that several products read transposed are transposed once.

mod values;

use values::{bits, elements};
use wengert_autograd::kernels::pool;
use wengert_autograd::{Result, Tape, Var};

/// A step of a recurrent network, so many times: the gradient reads the weight transposed in each.
fn recurrent<'t>(tape: &'t Tape<f64>, steps: usize, [rows, width]: [usize; 2]) -> [Var<'t, f64>; 2] {
    let (w, start) = (tape.input(elements([width, width], 1)), tape.input(elements([rows, width], 2)));
    let last = (0..steps).fold(start, |state, _| (state.matmul(w) * 0.1).tanh());
    last.square().sum().grad([w, start])
}

/// The formulas of copies that are transposed.
fn copies(tape: &Tape<f64>, outputs: [Var<'_, f64>; 2]) -> Result<Vec<String>> {
    let plan = tape.plan(outputs)?;
    let formulas = plan.kernels().iter().flat_map(|kernel| kernel.formulas.clone());
    Ok(formulas.filter(|text| text.ends_with("for all that read it so")).collect())
}

#[test]
fn a_weight_of_many_steps_is_turned_once() -> Result<()> {
    let tape = Tape::new();
    let gradients = recurrent(&tape, 6, [8, 40]);
    assert_eq!(copies(&tape, gradients)?, ["%0ᵀ, for all that read it so"]);
    Ok(())
}

#[test]
fn a_copy_that_is_not_worth_it_is_not_made() -> Result<()> {
    // Few steps; few rows, for which dot products need no copy; a small weight; a limit of memory.
    for (steps, size) in [(3, [8, 40]), (6, [3, 40]), (6, [8, 20])] {
        let tape = Tape::new();
        let gradients = recurrent(&tape, steps, size);
        assert_eq!(copies(&tape, gradients)?, [""; 0], "{steps} steps of {size:?}");
    }
    let tape = Tape::new();
    tape.memory_limit(1 << 20);
    let gradients = recurrent(&tape, 6, [8, 40]);
    assert_eq!(copies(&tape, gradients)?, [""; 0]);
    Ok(())
}

#[test]
fn no_bit_depends_on_a_copy() -> Result<()> {
    for steps in [3, 4, 9] {
        for size in [[4, 32], [5, 33], [70, 47], [33, 64], [2, 64], [40, 300]] {
            let run = |separate: bool, threads: usize| -> Result<Vec<Vec<u64>>> {
                pool::set_threads(threads);
                let tape = Tape::new();
                tape.without(separate, false);
                let values = tape.eval_all(&recurrent(&tape, steps, size));
                pool::set_threads(0);
                Ok(values?.iter().map(bits).collect())
            };
            let alone = run(true, 1)?;
            for threads in [1, 3] {
                assert_eq!(run(false, threads)?, alone, "{steps} steps of {size:?} on {threads} threads");
            }
        }
    }
    Ok(())
}
