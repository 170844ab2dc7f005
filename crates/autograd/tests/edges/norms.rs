//! Norms and spreads.

use super::{INF, two};

edges! { "Norms and spreads";
    x;
    norm_zero: "`norm(2)` of the zero vector"
        at [&[0.0, 0.0]];
        x[0].norm(2.0);
        value [0.0], gradients [&[0.0, 0.0]];
    norm_one: "`norm(1)` with an entry 0"
        at [&[0.0, -3.0]];
        x[0].norm(1.0);
        value [3.0], gradients [&[0.0, -1.0]];
    norm_three: "`norm(3)` of the zero vector"
        at [&[0.0, 0.0]];
        x[0].norm(3.0);
        value [0.0], gradients [&[0.0, 0.0]];
    norm_large: "`norm(2)` of (2^600, 0)", "no overflow"
        at [&[two(600), 0.0]];
        x[0].norm(2.0) / two(600);
        value [1.0], gradients [&[two(-600), 0.0]];
    norm_small: "`norm(2)` of (0, 2^-600)", "no underflow"
        at [&[0.0, two(-600)]];
        x[0].norm(2.0) * two(600);
        value [1.0], gradients [&[0.0, two(600)]];
    norm_written_out: "`sqrt(Σ x²)`, written out, of the zero vector", "by the zero rule, see below"
        at [&[0.0, 0.0]];
        x[0].square().sum().sqrt();
        value [0.0], gradients [&[0.0, 0.0]];
    norm_of_one: "`norm(2)` of one number 0"
        at [&[0.0]];
        x[0].norm(2.0);
        value [0.0], gradients [&[0.0]];
    std: "`std` of a constant vector", "by the zero rule, see below"
        at [&[0.1, 0.1, 0.1]];
        x[0].std();
        value [0.0], gradients [&[0.0, 0.0, 0.0]];
    var: "`var` of a constant vector"
        at [&[0.1, 0.1, 0.1]];
        x[0].var();
        value [0.0], gradients [&[0.0, 0.0, 0.0]];
    var_offset: "`var` of 1e15 and 1e15 + 2", "no cancellation"
        at [&[1e15, 1e15 + 2.0]];
        x[0].var();
        value [2.0], gradients [&[-2.0, 2.0]];
    cosine: "`cosine_similarity` with the zero vector"
        at [&[0.0, 0.0], &[3.0, 4.0]];
        x[0].cosine_similarity(x[1], 0);
        value [0.0], gradients [&[0.0, 0.0], &[0.0, 0.0]];
    hypot_large: "`hypot(2^600, 0)`", "no overflow"
        at [&[two(600)], &[0.0]];
        x[0].hypot(x[1]) / two(600);
        value [1.0], gradients [&[two(-600)], &[0.0]];
    hypot_infinite: "`hypot(inf, 1)`", "the limit"
        at [&[INF], &[1.0]];
        x[0].hypot(x[1]);
        value [INF], gradients [&[1.0], &[0.0]];
    distance_to_itself: "the distance `sqrt(Σ (a - b)²)` of equal points"
        at [&[1.0, 2.0], &[1.0, 2.0]];
        (x[0] - x[1]).norm(2.0);
        value [0.0], gradients [&[0.0, 0.0], &[0.0, 0.0]];
}
