//! Later steps of the same structure plan nothing, whatever their data.

use crate::model::Mlp;
use wengert::plan_counters;
use wengert::prelude::*;

/// One training step with data, labels and randomness of its own; how many plans it made and used again.
fn step(model: &mut Mlp, optimizer: &mut Adam, batch: usize, seed: u64) -> Result<(u64, u64)> {
    let before = plan_counters();
    let x = Tensor::from_fn([batch, 6], |i| ((i as u64 + 13 * seed) as f32).sin());
    let labels: Vec<usize> = (0..batch).map(|i| (i + seed as usize) % 3).collect();
    let tape = Tape::training(seed);
    let loss = loss::cross_entropy(model.forward(tape.constant(&x)), labels);
    optimizer.step(model, &loss.backward()?)?;
    let after = plan_counters();
    Ok((after.planned - before.planned, after.reused - before.reused))
}

#[test]
fn a_structure_is_planned_once() -> Result<()> {
    let mut model = Mlp::new(6, 8, 3, 1).dropout(0.2);
    let mut optimizer = Adam::new(1e-2);
    assert_eq!(step(&mut model, &mut optimizer, 10, 0)?, (1, 0));
    for seed in 1..10 {
        assert_eq!(step(&mut model, &mut optimizer, 10, seed)?, (0, 1));
    }
    assert_eq!(step(&mut model, &mut optimizer, 7, 10)?, (1, 0), "another batch size");
    assert_eq!(step(&mut model, &mut optimizer, 7, 11)?, (0, 1));
    assert_eq!(step(&mut model, &mut optimizer, 10, 12)?, (0, 1), "the first plan is still there");
    // Another model of the same structure, with other options of the optimiser.
    let mut other = Mlp::new(6, 8, 3, 2).dropout(0.2);
    assert_eq!(step(&mut other, &mut Adam::new(1e-4), 10, 0)?, (0, 1));
    Ok(())
}

#[test]
fn a_cleared_tape_plans_nothing_again() -> Result<()> {
    let model = Mlp::new(6, 8, 3, 1);
    let mut tape = Tape::new();
    let mut planned = Vec::new();
    for seed in 0..4u32 {
        let before = plan_counters().planned;
        let x = tape.constant(Tensor::full([4, 6], seed as f32 * 0.1));
        model.forward(x).square().mean().backward()?;
        planned.push(plan_counters().planned - before);
        tape.clear();
    }
    assert_eq!(planned, [1, 0, 0, 0]);
    Ok(())
}

#[test]
fn asking_for_the_loss_first_computes_nothing_twice() -> Result<()> {
    let model = Mlp::new(6, 8, 3, 1);
    let run = || {
        let before = plan_counters().planned;
        let tape = Tape::new();
        let loss = model.forward(tape.constant(Tensor::ones([4, 6]))).square().mean();
        let value = loss.item()?;
        let whole = tape.plan([loss])?.flops();
        assert_eq!(whole, 0, "what was computed is kept");
        loss.backward()?;
        assert_eq!(loss.item()?, value);
        Ok::<u64, wengert::Error>(plan_counters().planned - before)
    };
    assert!(run()? > 0);
    assert_eq!(run()?, 0);
    Ok(())
}
