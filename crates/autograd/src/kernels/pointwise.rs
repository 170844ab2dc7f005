//! What chains do to registers besides adding and multiplying: exactly what the rows of the same names do to numbers.

use super::lanes::{Lanes, Plain};

/// Arithmetic and choices on whole registers.
pub(crate) trait Pointwise: Sized {
    /// A yes or no for each lane, or for all of them.
    type Truth: Copy;

    /// `a - b`.
    fn sub(a: <Self as Lanes>::Vector, b: <Self as Lanes>::Vector) -> <Self as Lanes>::Vector
    where
        Self: Lanes;
    /// `a / b`.
    fn div(a: <Self as Lanes>::Vector, b: <Self as Lanes>::Vector) -> <Self as Lanes>::Vector
    where
        Self: Lanes;
    /// `-a`.
    fn negate(a: <Self as Lanes>::Vector) -> <Self as Lanes>::Vector
    where
        Self: Lanes;
    /// 0 where `a <= 0`, else `a`: what is not a number stays.
    fn positive(a: <Self as Lanes>::Vector) -> <Self as Lanes>::Vector
    where
        Self: Lanes;
    /// 1 where `a > b`, else 0.
    fn above(a: <Self as Lanes>::Vector, b: <Self as Lanes>::Vector) -> <Self as Lanes>::Vector
    where
        Self: Lanes;
    /// `a` where `mask` is not 0, else 0.
    fn choose(mask: <Self as Lanes>::Vector, a: <Self as Lanes>::Vector) -> <Self as Lanes>::Vector
    where
        Self: Lanes;
    /// The product of a cotangent and a derivative by the zero rule.
    fn scale(g: <Self as Lanes>::Vector, d: <Self as Lanes>::Vector) -> <Self as Lanes>::Vector
    where
        Self: Lanes;
    /// Where a product is zero or no number: only there can the zero rule say anything else than the product.
    fn suspect(product: <Self as Lanes>::Vector) -> Self::Truth
    where
        Self: Lanes;
    /// No lane.
    fn never() -> Self::Truth;
    /// Either of two.
    fn either(a: Self::Truth, b: Self::Truth) -> Self::Truth;
    /// Whether any lane says yes.
    fn any(a: Self::Truth) -> bool;
}

macro_rules! plain {
    ($t:ty, $n:expr) => {
        impl Pointwise for Plain<$t, $n> {
            type Truth = bool;

            #[inline(always)]
            fn sub(a: [$t; $n], b: [$t; $n]) -> [$t; $n] {
                std::array::from_fn(|i| a[i] - b[i])
            }
            #[inline(always)]
            fn div(a: [$t; $n], b: [$t; $n]) -> [$t; $n] {
                std::array::from_fn(|i| a[i] / b[i])
            }
            #[inline(always)]
            fn negate(a: [$t; $n]) -> [$t; $n] {
                a.map(|a| -a)
            }
            #[inline(always)]
            fn positive(a: [$t; $n]) -> [$t; $n] {
                a.map(|a| if a <= 0.0 { 0.0 } else { a })
            }
            #[inline(always)]
            fn above(a: [$t; $n], b: [$t; $n]) -> [$t; $n] {
                std::array::from_fn(|i| if a[i] > b[i] { 1.0 } else { 0.0 })
            }
            #[inline(always)]
            fn choose(mask: [$t; $n], a: [$t; $n]) -> [$t; $n] {
                std::array::from_fn(|i| if mask[i] != 0.0 { a[i] } else { 0.0 })
            }
            #[inline(always)]
            fn scale(g: [$t; $n], d: [$t; $n]) -> [$t; $n] {
                std::array::from_fn(|i| {
                    let zero = (g[i] == 0.0) | ((d[i] == 0.0) & !g[i].is_nan());
                    if zero { 0.0 } else { g[i] * d[i] }
                })
            }
            #[inline(always)]
            fn suspect(product: [$t; $n]) -> bool {
                product.iter().fold(false, |any, &x| any | (x == 0.0) | x.is_nan())
            }
            #[inline(always)]
            fn never() -> bool {
                false
            }
            #[inline(always)]
            fn either(a: bool, b: bool) -> bool {
                a | b
            }
            #[inline(always)]
            fn any(a: bool) -> bool {
                a
            }
        }
    };
}
plain!(f32, 4);
plain!(f64, 2);

#[cfg(target_arch = "x86_64")]
mod choice {
    use super::super::lanes::choice::{Ymm, Zmm, operations};
    use super::Pointwise;
    use std::arch::x86_64::*;

    // As in `lanes`: these types are named only where the machine has the instructions.
    macro_rules! registers {
        ($lanes:ty, $v:ty, $truth:ty, $sub:ident, $div:ident, $negate:expr, $positive:expr, $above:expr, $choose:expr,
         $scale:expr, $suspect:expr, $never:expr, $either:expr, $any:expr) => {
            impl Pointwise for $lanes {
                type Truth = $truth;

                operations! {
                    sub(a: $v, b: $v) -> $v = $sub;
                    div(a: $v, b: $v) -> $v = $div;
                    negate(a: $v) -> $v = $negate;
                    positive(a: $v) -> $v = $positive;
                    above(a: $v, b: $v) -> $v = $above;
                    choose(mask: $v, a: $v) -> $v = $choose;
                    scale(g: $v, d: $v) -> $v = $scale;
                    suspect(product: $v) -> $truth = $suspect;
                    never() -> $truth = || $never;
                    either(a: $truth, b: $truth) -> $truth = $either;
                    any(a: $truth) -> bool = $any;
                }
            }
        };
    }

    macro_rules! wide {
        ($t:ty, $v:ty, $truth:ty, $zero:ident, $one:expr, $sub:ident, $div:ident, $xor:ident, $sign:expr, $cmp:ident,
         $keep:ident, $mul:ident, $fix:ident, $table:ident) => {
            registers!(
                Zmm<$t>,
                $v,
                $truth,
                $sub,
                $div,
                |a| $xor(a, $sign),
                |a| $keep($cmp::<_CMP_NLE_UQ>(a, $zero()), a),
                |a, b| $keep($cmp::<_CMP_GT_OQ>(a, b), $one),
                |mask, a| $keep($cmp::<_CMP_NEQ_UQ>(mask, $zero()), a),
                |g, d| {
                    // The instruction replaces an element by what a table says of the class of another: 0 where `d` is 0,
                    // then 0 where `g` is 0 and not a number where `g` is none.
                    let by_d = $fix::<0>($mul(g, d), d, $table(0x800));
                    $fix::<0>(by_d, g, $table(0x822))
                },
                |product| $cmp::<_CMP_EQ_UQ>(product, $zero()),
                0,
                |a, b| a | b,
                |a| a != 0
            );
        };
    }
    wide!(
        f32,
        __m512,
        __mmask16,
        _mm512_setzero_ps,
        _mm512_set1_ps(1.0),
        _mm512_sub_ps,
        _mm512_div_ps,
        _mm512_xor_ps,
        _mm512_set1_ps(-0.0),
        _mm512_cmp_ps_mask,
        _mm512_maskz_mov_ps,
        _mm512_mul_ps,
        _mm512_fixupimm_ps,
        _mm512_set1_epi32
    );
    wide!(
        f64,
        __m512d,
        __mmask8,
        _mm512_setzero_pd,
        _mm512_set1_pd(1.0),
        _mm512_sub_pd,
        _mm512_div_pd,
        _mm512_xor_pd,
        _mm512_set1_pd(-0.0),
        _mm512_cmp_pd_mask,
        _mm512_maskz_mov_pd,
        _mm512_mul_pd,
        _mm512_fixupimm_pd,
        _mm512_set1_epi64
    );

    macro_rules! narrow {
        ($t:ty, $v:ty, $zero:ident, $one:expr, $sub:ident, $div:ident, $mul:ident, $xor:ident, $sign:expr, $cmp:ident,
         $and:ident, $or:ident, $andnot:ident, $movemask:ident) => {
            registers!(
                Ymm<$t>,
                $v,
                $v,
                $sub,
                $div,
                |a| $xor(a, $sign),
                |a| $and($cmp::<_CMP_NLE_UQ>(a, $zero()), a),
                |a, b| $and($cmp::<_CMP_GT_OQ>(a, b), $one),
                |mask, a| $and($cmp::<_CMP_NEQ_UQ>(mask, $zero()), a),
                |g, d| {
                    let by_g = $cmp::<_CMP_EQ_OQ>(g, $zero());
                    let by_d = $and($cmp::<_CMP_EQ_OQ>(d, $zero()), $cmp::<_CMP_ORD_Q>(g, g));
                    $andnot($or(by_g, by_d), $mul(g, d))
                },
                |product| $cmp::<_CMP_EQ_UQ>(product, $zero()),
                $zero(),
                |a, b| $or(a, b),
                |a| $movemask(a) != 0
            );
        };
    }
    narrow!(
        f32,
        __m256,
        _mm256_setzero_ps,
        _mm256_set1_ps(1.0),
        _mm256_sub_ps,
        _mm256_div_ps,
        _mm256_mul_ps,
        _mm256_xor_ps,
        _mm256_set1_ps(-0.0),
        _mm256_cmp_ps,
        _mm256_and_ps,
        _mm256_or_ps,
        _mm256_andnot_ps,
        _mm256_movemask_ps
    );
    narrow!(
        f64,
        __m256d,
        _mm256_setzero_pd,
        _mm256_set1_pd(1.0),
        _mm256_sub_pd,
        _mm256_div_pd,
        _mm256_mul_pd,
        _mm256_xor_pd,
        _mm256_set1_pd(-0.0),
        _mm256_cmp_pd,
        _mm256_and_pd,
        _mm256_or_pd,
        _mm256_andnot_pd,
        _mm256_movemask_pd
    );
}
