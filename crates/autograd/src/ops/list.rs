//! The list: one line for each op.

use super::registry::{Registered, RowVisitor};

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
            fmax(other) => FMax;
            fmin(other) => FMin;
            hypot(other) => Hypot;
            logaddexp(other) => LogAddExp;
            xlogy(other) => XLogY;
            clamp(low, high) => Clamp;
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

/// The text of an op for the table in the docs.
macro_rules! text {
    () => {
        super::registry::Text::MISSING
    };
    ($($module:ident)::+) => {
        super::$($module)::+
    };
}

/// The entries of the registry.
macro_rules! registered {
    (
        $($row:ident $arity:literal),*;
        $($(#[$when:meta])? $name:literal $($module:ident)::+ $(=> $($text:ident)::+)?),*
    ) => {
        &[
            $(Registered::row::<super::$row, $arity>(),)*
            $($(#[$when])? Registered::op(
                $name,
                super::$($module)::+::<f64>,
                super::$($module)::+::<f32>,
                text!($($($text)::+)?),
            ),)*
        ]
    };
}

/// Lists rows with their number of operands, and ops with their samples and their text for the docs.
macro_rules! registry {
    (
        rows: $($row:ident $arity:literal),* $(,)?;
        ops: $($(#[$when:meta])? $name:literal $($module:ident)::+ $(=> $($text:ident)::+)?),* $(,)?;
    ) => {
        // A build that shares generics instantiates every row once, here, instead of in each crate of tests.
        /// Every op.
        #[cfg(all(debug_assertions, not(test)))]
        pub static REGISTRY: &[Registered] = registered!(
            $($row $arity),*;
            $($(#[$when])? $name $($module)::+ $(=> $($text)::+)?),*
        );
        /// Every op.
        #[cfg(not(all(debug_assertions, not(test))))]
        pub const REGISTRY: &[Registered] = registered!(
            $($row $arity),*;
            $($(#[$when])? $name $($module)::+ $(=> $($text)::+)?),*
        );

        /// Shows every row to a visitor, in the order of [`REGISTRY`].
        pub fn visit_rows(visitor: &mut impl RowVisitor) {
            $(visitor.visit::<super::$row, $arity>();)*
        }
    };
}

registry! {
    rows:
        Negate 1, Sum2 2, Difference 2, Product 2, Quotient 2, MultiplyAdd 3, Scaled 2,
        Abs 1, Sign 1, Square 1, Sqrt 1, ReciprocalSqrt 1, Cbrt 1, Reciprocal 1, Power 2, Exp 1, Exp2 1,
        ExpMinusOne 1, Ln 1, Log2 1, Log10 1, LnOnePlus 1, Sin 1, Cos 1, Tan 1, Asin 1, Acos 1, Atan 1,
        Atan2 2, Inversion 2, Sinh 1, Cosh 1, Tanh 1, Asinh 1, Acosh 1, Atanh 1, Erf 1, Erfc 1, LogGamma 1,
        Digamma 1, Polygamma 2, Floor 1, Ceil 1, Round 1, Remainder 2, TruncatedRemainder 2, Less 2, LessEqual 2, Greater 2,
        GreaterEqual 2, Equal 2, NotEqual 2, Maximum 2, Minimum 2, Clamp 3, Select 3,
        Hypot 2, Direction 2, LogAddExp 2, XLogY 2, FMax 2, FMin 2, PowerOfTwo 2,
        Relu 1, Relu6 1, LeakyRelu 2, Elu 2, Celu 2, Threshold 3,
        Gelu 1, NormalProbability 1, GeluTanh 1, Silu 1, Mish 1,
        Sigmoid 1, LogSigmoid 1, Softplus 1, Softsign 1, TanhShrink 1,
        HardSigmoid 1, HardSwish 1, HardTanh 1, HardShrink 2, SoftShrink 2,
        Share 2;
    ops:
        "sum" reduce_samples::sum_samples => reduce_samples::SUM,
        "max" reduce_samples::max_samples => reduce_samples::MAX,
        "min" reduce_samples::min_samples => reduce_samples::MIN,
        "argmax" reduce_samples::argmax_samples => reduce_samples::ARGMAX,
        "argmin" reduce_samples::argmin_samples => reduce_samples::ARGMIN,
        "mean" statistics::mean_samples => statistics::MEAN,
        "var" statistics::var_samples => statistics::VAR,
        "std" statistics::std_samples => statistics::STD,
        "norm" norm::norm_samples => norm::NORM,
        "prod" statistics::prod_samples => statistics::PROD,
        "any" statistics::any_samples => statistics::ANY,
        "all" statistics::all_samples => statistics::ALL,
        "logsumexp" softmax::logsumexp_samples => softmax::LOGSUMEXP,
        "softmax" softmax::softmax_samples => softmax::SOFTMAX,
        "log_softmax" softmax::log_softmax_samples => softmax::LOG_SOFTMAX,
        "matmul" matmul::samples => matmul::MATMUL,
        "reshape" shape::reshape_samples => shape::RESHAPE,
        "expand" shape::expand_samples => shape::EXPAND,
        "permute" layout::permute_samples => layout::PERMUTE,
        "flip" layout::flip_samples => layout::FLIP,
        "roll" layout::roll_samples => layout::ROLL,
        "slice" slice::slice_samples => slice::SLICE,
        "pad" slice::pad_samples => slice::PAD,
        "assemble" assemble::samples => assemble::ASSEMBLE,
        "cat" join::cat_samples => join::CAT,
        "dot" join::vector_samples => join::DOT,
        "index_select" index::samples::index_select => index::samples::INDEX_SELECT,
        "take" index::samples::take => index::samples::TAKE,
        "gather" index::samples::gather => index::samples::GATHER,
        "scatter" index::samples::scatter => index::samples::SCATTER,
        "scatter_add" index::samples::scatter_add => index::samples::SCATTER_ADD,
        "masked_fill" index::samples::masked_fill => index::samples::MASKED_FILL,
        "index_add" index::rows::index_add => index::rows::INDEX_ADD,
        "cumsum" cumulative::cumsum_samples => cumulative::CUMSUM,
        "cumprod" cumulative::cumprod_samples => cumulative::CUMPROD,
        "argsort" sort::samples::argsort => sort::samples::ARGSORT,
        "take_along" sort::samples::take_along => sort::samples::TAKE_ALONG,
        "sort" sort::samples::sort => sort::samples::SORT,
        "topk" sort::samples::topk => sort::samples::TOPK,
        "max_with_indices" sort::samples::extremes => sort::samples::MAX_WITH_INDICES,
        "order_statistic" sort::samples::order_statistic => sort::samples::ORDER_STATISTIC,
        "median" sort::samples::median => sort::samples::MEDIAN,
        "triangle" diagonal::triangle_samples => diagonal::TRIANGLE,
        "diagonal" diagonal::diagonal_samples => diagonal::DIAGONAL,
        "einsum" einsum::samples::samples => einsum::samples::EINSUM,
        "cosine_similarity" norm::cosine_samples => norm::COSINE_SIMILARITY,
        "conv" windows::samples::conv => windows::samples::CONV,
        "conv_transpose" windows::samples::conv_transpose => windows::samples::CONV_TRANSPOSE,
        "max_pool" windows::samples::max_pool => windows::samples::MAX_POOL,
        "avg_pool" windows::samples::avg_pool => windows::samples::AVG_POOL,
        "adaptive_max_pool" windows::samples::adaptive_max_pool => windows::samples::ADAPTIVE_MAX_POOL,
        "adaptive_avg_pool" windows::samples::adaptive_avg_pool => windows::samples::ADAPTIVE_AVG_POOL,
        "unfold" windows::samples::unfold => windows::samples::UNFOLD,
        "fold" windows::samples::fold => windows::samples::FOLD,
        "windows" windows::samples::windows => windows::samples::WINDOWS,
        "interpolate" windows::samples::interpolate => windows::samples::INTERPOLATE,
        #[cfg(feature = "linalg")] "solve" linalg::samples::solve => linalg::samples::SOLVE,
        #[cfg(feature = "linalg")] "inv" linalg::samples::inv => linalg::samples::INV,
        #[cfg(feature = "linalg")] "det" linalg::samples::det => linalg::samples::DET,
        #[cfg(feature = "linalg")] "logdet" linalg::samples::logdet => linalg::samples::LOGDET,
        #[cfg(feature = "linalg")] "triangular_solve" linalg::samples::triangular_solve => linalg::samples::TRIANGULAR_SOLVE,
        #[cfg(feature = "linalg")] "cholesky" linalg::samples::cholesky_samples => linalg::samples::CHOLESKY,
        #[cfg(feature = "linalg")] "eigh" linalg::samples::eigh => linalg::samples::EIGH,
        #[cfg(feature = "linalg")] "svd" linalg::samples::svd => linalg::samples::SVD,
        #[cfg(feature = "linalg")] "qr" linalg::samples::qr => linalg::samples::QR;
}
