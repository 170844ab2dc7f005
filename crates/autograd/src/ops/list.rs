//! The list: one line for each op.

use super::registry::Registered;

/// The functions of numbers that [`Real`](super::Real) offers, each with its row.
macro_rules! real_methods {
    ($use:ident) => {
        $use! {
            abs() => Abs;
            sign() => Sign;
            square() => Square;
            sqrt() => Sqrt;
            rsqrt() => ReciprocalSqrt;
            cbrt() => Cbrt;
            recip() => Reciprocal;
            pow(exponent) => Power;
            exp() => Exp;
            exp2() => Exp2;
            expm1() => ExpMinusOne;
            ln() => Ln;
            log2() => Log2;
            log10() => Log10;
            ln_1p() => LnOnePlus;
            sin() => Sin;
            cos() => Cos;
            tan() => Tan;
            asin() => Asin;
            acos() => Acos;
            atan() => Atan;
            atan2(other) => Atan2;
            sinh() => Sinh;
            cosh() => Cosh;
            tanh() => Tanh;
            asinh() => Asinh;
            acosh() => Acosh;
            atanh() => Atanh;
            erf() => Erf;
            erfc() => Erfc;
            lgamma() => LogGamma;
            digamma() => Digamma;
            polygamma(order) => Polygamma;
            floor() => Floor;
            ceil() => Ceil;
            round() => Round;
            rem(other) => Remainder;
            lt(other) => Less;
            le(other) => LessEqual;
            gt(other) => Greater;
            ge(other) => GreaterEqual;
            eq(other) => Equal;
            ne(other) => NotEqual;
            maximum(other) => Maximum;
            minimum(other) => Minimum;
            clamp(low, high) => Clamp;
            sigmoid() => Sigmoid;
            relu() => Relu;
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
        Abs 1, Sign 1, Square 1, Sqrt 1, ReciprocalSqrt 1, Cbrt 1, Reciprocal 1, Power 2, Exp 1, Exp2 1,
        ExpMinusOne 1, Ln 1, Log2 1, Log10 1, LnOnePlus 1, Sin 1, Cos 1, Tan 1, Asin 1, Acos 1, Atan 1,
        Atan2 2, Inversion 2, Sinh 1, Cosh 1, Tanh 1, Asinh 1, Acosh 1, Atanh 1, Erf 1, Erfc 1, LogGamma 1,
        Digamma 1, Polygamma 2, Floor 1, Ceil 1, Round 1, Remainder 2, Less 2, LessEqual 2, Greater 2,
        GreaterEqual 2, Equal 2, NotEqual 2, Maximum 2, Minimum 2, Clamp 3, Sigmoid 1, Relu 1, Select 3;
    ops:
        "sum" reduce::sum_samples,
        "matmul" matmul::samples;
}
