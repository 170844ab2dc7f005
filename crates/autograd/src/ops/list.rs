//! The list: one line for each op.

use super::registry::Registered;

/// The functions of numbers that [`Real`](super::Real) offers, each with its row.
macro_rules! real_methods {
    ($use:ident) => {
        $use! {
            square() => Square;
            exp() => Exp;
            tanh() => Tanh;
            ln() => Ln;
            sqrt() => Sqrt;
            gt(other) => Greater;
            select(a, b) => Select;
            relu() => Relu;
            relu6() => Relu6;
            leaky_relu(slope) => LeakyRelu;
            elu(alpha) => Elu;
            celu(alpha) => Celu;
            threshold(threshold, value) => Threshold;
            gelu() => Gelu;
            gelu_tanh() => GeluTanh;
            silu() => Silu;
            mish() => Mish;
            sigmoid() => Sigmoid;
            log_sigmoid() => LogSigmoid;
            softplus() => Softplus;
            softsign() => Softsign;
            tanh_shrink() => TanhShrink;
            hard_sigmoid() => HardSigmoid;
            hard_swish() => HardSwish;
            hard_tanh() => HardTanh;
            hard_shrink(lambda) => HardShrink;
            soft_shrink(lambda) => SoftShrink;
        }
    };
}
pub(crate) use real_methods;

/// Lists rows with their number of operands, and ops with their samples.
macro_rules! registry {
    (rows: $($row:ident $arity:literal),* $(,)?; ops: $($name:literal $($module:ident)::+),* $(,)?;) => {
        /// Every op.
        pub const REGISTRY: &[Registered] = &[
            $(Registered::row::<super::$row, $arity>(),)*
            $(Registered::op($name, super::$($module)::+::<f64>, super::$($module)::+::<f32>),)*
        ];
    };
}

registry! {
    rows:
        Negate 1, Sum2 2, Difference 2, Product 2, Quotient 2, Scaled 2,
        Square 1, Exp 1, Ln 1, Sqrt 1, Tanh 1,
        Relu 1, Relu6 1, LeakyRelu 2, Elu 2, Celu 2, Threshold 3,
        Gelu 1, NormalProbability 1, GeluTanh 1, Silu 1, Mish 1,
        Sigmoid 1, LogSigmoid 1, Softplus 1, Softsign 1, TanhShrink 1,
        HardSigmoid 1, HardSwish 1, HardTanh 1, HardShrink 2, SoftShrink 2,
        Greater 2, Select 3;
    ops:
        "sum" reduce::sum_samples,
        "matmul" matmul::samples,
        "index_select" index::samples::index_select,
        "take" index::samples::take,
        "gather" index::samples::gather,
        "scatter" index::samples::scatter,
        "scatter_add" index::samples::scatter_add,
        "masked_fill" index::samples::masked_fill;
}
