//! Large and infinite numbers.

use super::INF;

edges! { "Large and infinite numbers";
    x;
    logsumexp: "`logsumexp` of 1000 and 0", "no overflow"
        at [&[1000.0, 0.0]];
        x[0].logsumexp();
        value [1000.0], gradients [&[1.0, 0.0]];
    logsumexp_nothing: "`logsumexp` of nothing but −∞", "there is no mass to share"
        at [&[-INF, -INF]];
        x[0].logsumexp();
        value [-INF], gradients [&[0.0, 0.0]];
    logsumexp_one: "`logsumexp` of −∞ and 0"
        at [&[-INF, 0.0]];
        x[0].logsumexp();
        value [0.0], gradients [&[0.0, 1.0]];
    logsumexp_infinite: "`logsumexp` of ∞ and 0"
        at [&[INF, 0.0]];
        x[0].logsumexp();
        value [INF], gradients [&[1.0, 0.0]];
    logsumexp_infinities: "`logsumexp` of ∞, 0 and ∞", "shared equally"
        at [&[INF, 0.0, INF]];
        x[0].logsumexp();
        value [INF], gradients [&[0.5, 0.0, 0.5]];
    logaddexp: "`logaddexp(1000, 0)`", "no overflow"
        at [&[1000.0], &[0.0]];
        x[0].logaddexp(x[1]);
        value [1000.0], gradients [&[1.0], &[0.0]];
    logaddexp_nothing: "`logaddexp(-inf, -inf)`", "there is no mass to share"
        at [&[-INF], &[-INF]];
        x[0].logaddexp(x[1]);
        value [-INF], gradients [&[0.0], &[0.0]];
    logaddexp_infinities: "`logaddexp(inf, inf)`", "shared equally"
        at [&[INF], &[INF]];
        x[0].logaddexp(x[1]);
        value [INF], gradients [&[0.5], &[0.5]];
    logaddexp_mixed: "`logaddexp(inf, -inf)`"
        at [&[INF], &[-INF]];
        x[0].logaddexp(x[1]);
        value [INF], gradients [&[1.0], &[0.0]];
    softmax_large: "`softmax` of 1e4 and 0, the first one", "no overflow"
        at [&[1e4, 0.0]];
        x[0].softmax(0).narrow(0, 0, 1);
        value [1.0], gradients [&[0.0, 0.0]];
    softmax_equal: "`softmax` of 1e4 and 1e4, the first one", "no overflow"
        at [&[1e4, 1e4]];
        x[0].softmax(0).narrow(0, 0, 1);
        value [0.5], gradients [&[0.25, -0.25]];
    softmax_negative: "`softmax` of −1e4 and −1e4, the first one", "no underflow"
        at [&[-1e4, -1e4]];
        x[0].softmax(0).narrow(0, 0, 1);
        value [0.5], gradients [&[0.25, -0.25]];
    log_softmax: "`log_softmax` of 1e4 and 0, the second one", "exact"
        at [&[1e4, 0.0]];
        x[0].log_softmax(0).narrow(0, 1, 1);
        value [-1e4], gradients [&[-1.0, 1.0]];
    cross_entropy_right: "cross entropy of logits ±1e4, the right label", "exact"
        at [&[1e4, -1e4]];
        -x[0].log_softmax(0).gather(0, [0]);
        value [0.0], gradients [&[0.0, 0.0]];
    cross_entropy_wrong: "cross entropy of logits ±1e4, the wrong label", "exact"
        at [&[1e4, -1e4]];
        -x[0].log_softmax(0).gather(0, [1]);
        value [2e4], gradients [&[1.0, -1.0]];
    bce_logits: "binary cross entropy with logits, 1000 and −1000 for label 1", "exact"
        at [&[1000.0, -1000.0]];
        x[0].softplus() - x[0];
        value [0.0, 1000.0], gradients [&[0.0, -1.0]];
    softplus: "`softplus` at 1000 and −1000", "no overflow"
        at [&[1000.0, -1000.0]];
        x[0].softplus();
        value [1000.0, 0.0], gradients [&[1.0, 0.0]];
    sigmoid: "`sigmoid` at 1000 and −1000", "no overflow"
        at [&[1000.0, -1000.0]];
        x[0].sigmoid();
        value [1.0, 0.0], gradients [&[0.0, 0.0]];
    log_sigmoid: "`log_sigmoid` at 1000 and −1000", "no overflow"
        at [&[1000.0, -1000.0]];
        x[0].log_sigmoid();
        value [0.0, -1000.0], gradients [&[0.0, 1.0]];
    tanh: "`tanh` at 1000 and −∞"
        at [&[1000.0, -INF]];
        x[0].tanh();
        value [1.0, -1.0], gradients [&[0.0, 0.0]];
    silu: "`silu` at 1000 and −1000", "no overflow"
        at [&[1000.0, -1000.0]];
        x[0].silu();
        value [1000.0, 0.0], gradients [&[1.0, 0.0]];
    gelu: "`gelu` at 1000 and −1000", "no overflow"
        at [&[1000.0, -1000.0]];
        x[0].gelu();
        value [1000.0, 0.0], gradients [&[1.0, 0.0]];
    gelu_tanh: "`gelu_tanh` at 1000 and −1000", "no overflow"
        at [&[1000.0, -1000.0]];
        x[0].gelu_tanh();
        value [1000.0, 0.0], gradients [&[1.0, 0.0]];
    mish: "`mish` at 1000 and −1000", "no overflow"
        at [&[1000.0, -1000.0]];
        x[0].mish();
        value [1000.0, 0.0], gradients [&[1.0, 0.0]];
    exp: "`exp` at 1000 and −1000"
        at [&[1000.0, -1000.0]];
        x[0].exp();
        value [INF, 0.0], gradients [&[INF, 0.0]];
    erf: "`erf` at ∞ and −∞"
        at [&[INF, -INF]];
        x[0].erf();
        value [1.0, -1.0], gradients [&[0.0, 0.0]];
    atan: "`atan` at ∞"
        at [&[INF]];
        x[0].atan();
        value [std::f64::consts::FRAC_PI_2], gradients [&[0.0]];
}
