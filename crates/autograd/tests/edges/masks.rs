//! Branches and masks: what is not taken may be anything.

use super::{INF, NAN};
use wengert_autograd::{Tensor, Var};

/// `where_(0, other, x)`
fn untaken<'t>(x: Var<'t, f64>, other: Var<'t, f64>) -> Var<'t, f64> {
    x.ne(x).where_(other, x)
}

edges! { "Branches and masks: what isn't taken is invalid";
    x;
    where_sqrt: "`where_(0, x.sqrt(), x)` at −1.0", "the branch that is taken"
        at [&[-1.0]];
        untaken(x[0], x[0].sqrt());
        value [-1.0], gradients [&[1.0]];
    where_ln: "`where_(0, x.ln(), x)` at 0.0", "the branch that is taken"
        at [&[0.0]];
        untaken(x[0], x[0].ln());
        value [0.0], gradients [&[1.0]];
    where_recip: "`where_(0, x.recip(), x)` at 0.0", "the branch that is taken"
        at [&[0.0]];
        untaken(x[0], x[0].recip());
        value [0.0], gradients [&[1.0]];
    where_asin: "`where_(0, x.asin(), x)` at 2.0", "the branch that is taken"
        at [&[2.0]];
        untaken(x[0], x[0].asin());
        value [2.0], gradients [&[1.0]];
    where_powf: "`where_(0, x.powf(0.5), x)` at −4.0", "the branch that is taken"
        at [&[-4.0]];
        untaken(x[0], x[0].powf(0.5));
        value [-4.0], gradients [&[1.0]];
    where_exp: "`where_(0, x.exp(), x)` at 1000.0", "the branch that is taken"
        at [&[1000.0]];
        untaken(x[0], x[0].exp());
        value [1000.0], gradients [&[1.0]];
    where_rsqrt: "`where_(0, x.rsqrt(), x)` at 0.0", "the branch that is taken"
        at [&[0.0]];
        untaken(x[0], x[0].rsqrt());
        value [0.0], gradients [&[1.0]];
    where_acosh: "`where_(0, x.acosh(), x)` at 0.0", "the branch that is taken"
        at [&[0.0]];
        untaken(x[0], x[0].acosh());
        value [0.0], gradients [&[1.0]];
    where_lgamma: "`where_(0, x.lgamma(), x)` at 0.0", "the branch that is taken"
        at [&[0.0]];
        untaken(x[0], x[0].lgamma());
        value [0.0], gradients [&[1.0]];
    where_quotient: "`where_(y == 0, 0, x / y)` at 0 and 0", "the branch that is taken"
        at [&[0.0], &[0.0]];
        x[1].eq(0.0).where_(0.0, x[0] / x[1]);
        value [0.0], gradients [&[0.0], &[0.0]];
    where_nan: "`where_(x > 0, x, NaN x)` at 3", "the branch that is taken"
        at [&[3.0]];
        x[0].gt(0.0).where_(x[0], x[0] * NAN);
        value [3.0], gradients [&[1.0]];
    where_second_order: "the derivative of `where_(x > 0, x sqrt(x), 0)`, at −1", "first order: exact; its own derivative is NaN, \
            a limit of the zero rule: a NaN cotangent is not hidden. Clamp the operand where the second order is needed"
        at [&[-1.0]];
        {
            let y = x[0].gt(0.0).where_(x[0] * x[0].sqrt(), 0.0);
            y.sum().grad([x[0]])[0]
        };
        value [0.0], gradients [&[NAN]];
    masked_fill: "`masked_fill` of NaN"
        at [&[NAN, 2.0]];
        x[0].masked_fill(x[0].ne(x[0]), 0.0);
        value [0.0, 2.0], gradients [&[0.0, 1.0]];
    masked_root: "`sqrt` of −4 and 4, the first one filled"
        at [&[-4.0, 4.0]];
        x[0].sqrt().masked_fill(x[0].lt(0.0), 0.0);
        value [0.0, 2.0], gradients [&[0.0, 0.25]];
    fmax_nan: "`fmax` of NaN and 1", "NaN counts as missing"
        at [&[NAN], &[1.0]];
        x[0].fmax(x[1]);
        value [1.0], gradients [&[0.0], &[1.0]];
    maximum_nan: "`maximum` of NaN and 1", "NaN is not hidden"
        at [&[NAN], &[1.0]];
        x[0].maximum(x[1]);
        value [NAN], gradients [&[1.0], &[1.0]];
    tril: "the sum of `ln` of a lower triangle of ones, with 0 above"
        at [&[1.0, 0.0, 1.0, 1.0]];
        x[0].reshape([2, 2]).ln().tril(0).sum();
        value [0.0], gradients [&[1.0, 0.0, 1.0, 1.0]];
    narrow: "`ln` of 0 and 1, of which the second is taken"
        at [&[0.0, 1.0]];
        x[0].ln().narrow(0, 1, 1);
        value [0.0], gradients [&[0.0, 1.0]];
    gather_root: "`sqrt` of 0 and 4, of which the second is gathered"
        at [&[0.0, 4.0]];
        x[0].sqrt().gather(0, [1]);
        value [2.0], gradients [&[0.0, 0.25]];
    max_root: "the greatest of `sqrt` of 0 and 4"
        at [&[0.0, 4.0]];
        x[0].sqrt().max();
        value [2.0], gradients [&[0.0, 0.25]];
    clamped_log: "`ln(clamp(x, 1, 2))` at 0"
        at [&[0.0]];
        x[0].clamp(1.0, 2.0).ln();
        value [0.0], gradients [&[0.0]];
    softmax_mask: "the sum of `softmax`, weighted 1 and 2, of 0 and −∞"
        at [&[0.0, -INF]];
        (x[0].softmax(0) * x[0].tape().constant(Tensor::from([1.0, 2.0]))).sum();
        value [1.0], gradients [&[0.0, 0.0]];
    product_with_zero: "`x * 0` at infinity's root: `sqrt(x) * 0 + x` at 0", "zero rule"
        at [&[0.0]];
        x[0].sqrt() * 0.0 + x[0];
        value [0.0], gradients [&[1.0]];
}
