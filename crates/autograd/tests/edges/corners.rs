//! Corners and jumps.

edges! { "Corners and jumps";
    x;
    relu: "`relu` at 0"
        at [&[0.0]];
        x[0].relu();
        value [0.0], gradients [&[0.0]];
    relu6: "`relu6` at 0 and 6"
        at [&[0.0, 6.0]];
        x[0].relu6();
        value [0.0, 6.0], gradients [&[0.0, 0.0]];
    leaky_relu: "`leaky_relu` with slope 0.25, at 0", "the slope of the left side"
        at [&[0.0]];
        x[0].leaky_relu(0.25);
        value [0.0], gradients [&[0.25]];
    elu: "`elu` with alpha 2, at 0", "the slope of the left side"
        at [&[0.0]];
        x[0].elu(2.0);
        value [0.0], gradients [&[2.0]];
    celu: "`celu` with alpha 2, at 0", "smooth there"
        at [&[0.0]];
        x[0].celu(2.0);
        value [0.0], gradients [&[1.0]];
    hard_tanh: "`hard_tanh` at −1 and 1"
        at [&[-1.0, 1.0]];
        x[0].hard_tanh();
        value [-1.0, 1.0], gradients [&[0.0, 0.0]];
    hard_sigmoid: "`hard_sigmoid` at −3 and 3"
        at [&[-3.0, 3.0]];
        x[0].hard_sigmoid();
        value [0.0, 1.0], gradients [&[0.0, 0.0]];
    hard_shrink: "`hard_shrink` with lambda 0.5, at −0.5 and 0.5"
        at [&[-0.5, 0.5]];
        x[0].hard_shrink(0.5);
        value [0.0, 0.0], gradients [&[0.0, 0.0]];
    soft_shrink: "`soft_shrink` with lambda 0.5, at −0.5 and 0.5"
        at [&[-0.5, 0.5]];
        x[0].soft_shrink(0.5);
        value [0.0, 0.0], gradients [&[0.0, 0.0]];
    threshold: "`threshold(0, -1)` at 0"
        at [&[0.0]];
        x[0].threshold(0.0, -1.0);
        value [-1.0], gradients [&[0.0]];
    softsign: "`softsign` at 0", "smooth there"
        at [&[0.0]];
        x[0].softsign();
        value [0.0], gradients [&[1.0]];
    abs: "`abs` at 0"
        at [&[0.0]];
        x[0].abs();
        value [0.0], gradients [&[0.0]];
    absolute_error: "L1 loss `|p - t|` where both are equal"
        at [&[2.0], &[2.0]];
        (x[0] - x[1]).abs();
        value [0.0], gradients [&[0.0], &[0.0]];
    sign: "`sign` at −3, 0 and 2"
        at [&[-3.0, 0.0, 2.0]];
        x[0].sign();
        value [-1.0, 0.0, 1.0], gradients [&[0.0, 0.0, 0.0]];
    floor: "`floor` at 1 and 1.5"
        at [&[1.0, 1.5]];
        x[0].floor();
        value [1.0, 1.0], gradients [&[0.0, 0.0]];
    ceil: "`ceil` at 1 and 1.5"
        at [&[1.0, 1.5]];
        x[0].ceil();
        value [1.0, 2.0], gradients [&[0.0, 0.0]];
    round: "`round` at 0.5, 1.5 and 2.5", "ties to even"
        at [&[0.5, 1.5, 2.5]];
        x[0].round();
        value [0.0, 2.0, 2.0], gradients [&[0.0, 0.0, 0.0]];
    rem: "`rem`: 5 and 2, 4 and 2"
        at [&[5.0, 4.0], &[2.0, 2.0]];
        x[0].rem(x[1]);
        value [1.0, 0.0], gradients [&[1.0, 1.0], &[-2.0, -2.0]];
    clamp: "`clamp(-1, 1)` at its bounds"
        at [&[-1.0, 1.0]];
        x[0].clamp(-1.0, 1.0);
        value [-1.0, 1.0], gradients [&[0.0, 0.0]];
    comparison: "`lt` of two equal numbers"
        at [&[2.0], &[2.0]];
        x[0].lt(x[1]);
        value [0.0], gradients [&[0.0], &[0.0]];
    smooth_l1: "`x²/2` below 1, `|x| - 1/2` above, at the joint", "both sides agree"
        at [&[1.0]];
        x[0].abs().lt(1.0).where_(x[0].square() * 0.5, x[0].abs() - 0.5);
        value [0.5], gradients [&[1.0]];
}
