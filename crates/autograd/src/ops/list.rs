//! The list: one line for each op.

/// The functions of numbers that [`Real`](super::Real) offers, each with its row.
macro_rules! real_methods {
    ($use:ident) => {
        $use! {
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
