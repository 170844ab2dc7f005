//! Programs made at random.

mod steps;

use proptest::prelude::*;

pub(crate) use steps::*;

/// Shapes that broadcast to each other, and multiply.
const SHAPES: [&[usize]; 7] = [&[], &[3], &[2, 3], &[3, 2], &[2, 1], &[2, 2, 3], &[1, 3]];

pub(crate) fn programs() -> impl Strategy<Value = Program> {
    let draw = (0u8..24, any::<usize>(), any::<usize>(), any::<usize>()).prop_map(|(kind, a, b, variant)| Draw {
        kind,
        a,
        b,
        variant,
    });
    let inputs = prop::collection::vec((0..SHAPES.len(), any::<u16>()), 1..4);
    (inputs, prop::collection::vec(draw, 5..=40)).prop_map(|(inputs, draws)| {
        let inputs = inputs.iter().map(|&(shape, salt)| numbers(SHAPES[shape], usize::from(salt))).collect();
        Program::read(inputs, &draws, Sizes { shapes: &SHAPES, most: 64 })
    })
}
