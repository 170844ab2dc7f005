//! The list: one line for each op.

use super::registry::Registered;

/// The functions of numbers that [`Real`](super::Real) offers, each with its row.
macro_rules! real_methods {
    ($use:ident) => {
        $use! {
            square() => Square;
            exp() => Exp;
            tanh() => Tanh;
            sigmoid() => Sigmoid;
            relu() => Relu;
            ln() => Ln;
            sqrt() => Sqrt;
            gt(other) => Greater;
            select(a, b) => Select;
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
        Sigmoid 1, Relu 1,
        Greater 2, Select 3, Tie 2, Share 2;
    ops:
        "sum" reduce_samples::sum_samples,
        "max" reduce_samples::max_samples,
        "min" reduce_samples::min_samples,
        "argmax" reduce_samples::argmax_samples,
        "argmin" reduce_samples::argmin_samples,
        "mean" statistics::mean_samples,
        "var" statistics::var_samples,
        "std" statistics::std_samples,
        "norm" statistics::norm_samples,
        "prod" statistics::prod_samples,
        "any" statistics::any_samples,
        "all" statistics::all_samples,
        "logsumexp" softmax::logsumexp_samples,
        "softmax" softmax::softmax_samples,
        "log_softmax" softmax::log_softmax_samples,
        "matmul" matmul::samples,
        "reshape" shape::reshape_samples,
        "expand" shape::expand_samples,
        "permute" layout::permute_samples,
        "flip" layout::flip_samples,
        "roll" layout::roll_samples,
        "slice" slice::slice_samples,
        "pad" slice::pad_samples,
        "cat" join::cat_samples,
        "dot" join::vector_samples;
}
