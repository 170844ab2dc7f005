//! One vector register of each instruction set, for the few loops where the compiler does not find the registers
//! by itself (matrix products). Everything else is plain Rust, vectorised by the compiler.

/// The operations of a vector register with `WIDTH` numbers.
pub(crate) trait Lanes: Copy {
    /// The number type.
    type Scalar: Copy + std::ops::Add<Output = Self::Scalar>;
    /// The register.
    type Vector: Copy;
    /// Which of the lanes a partial load or store touches.
    type Mask: Copy;
    /// How many numbers a register holds.
    const WIDTH: usize;
    /// How many registers wide the tile of a matrix product is: what fits beside 6 rows.
    const ACROSS: usize;
    /// How many registers wide it is when there are only one or two rows.
    const WIDE: usize;

    /// All zeros.
    fn zero() -> Self::Vector;
    /// One number in every lane.
    fn splat(x: Self::Scalar) -> Self::Vector;
    /// `a * b + c`, fused where that is one instruction.
    fn mul_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// `a + b`.
    fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The sum of the lanes, by halving.
    fn sum(v: Self::Vector) -> Self::Scalar;
    /// The first `count` lanes (at most `WIDTH`).
    fn mask(count: usize) -> Self::Mask;
    /// Loads all lanes.
    ///
    /// # Safety
    /// The machine has the instructions, and `from` is valid for reads of `WIDTH` numbers.
    unsafe fn load(from: *const Self::Scalar) -> Self::Vector;
    /// Stores all lanes.
    ///
    /// # Safety
    /// The machine has the instructions, and `to` is valid for writes of `WIDTH` numbers.
    unsafe fn store(to: *mut Self::Scalar, v: Self::Vector);
    /// Loads the lanes of the mask; the others are zero.
    ///
    /// # Safety
    /// The machine has the instructions, and `from` is valid for reads of the numbers in the mask.
    unsafe fn load_some(from: *const Self::Scalar, mask: Self::Mask) -> Self::Vector;
    /// Stores the lanes of the mask.
    ///
    /// # Safety
    /// The machine has the instructions, and `to` is valid for writes of the numbers in the mask.
    unsafe fn store_some(to: *mut Self::Scalar, mask: Self::Mask, v: Self::Vector);
}

/// Numbers with registers.
pub trait Vectorised: Copy + Send + Sync + PartialOrd + 'static {
    /// 0.
    const ZERO: Self;
    /// The registers of AVX-512.
    #[doc(hidden)]
    #[allow(private_bounds)]
    type V4: Lanes<Scalar = Self>;
    /// The registers of AVX2 with FMA.
    #[doc(hidden)]
    #[allow(private_bounds)]
    type V3: Lanes<Scalar = Self>;
    /// What every machine of the target has.
    #[doc(hidden)]
    #[allow(private_bounds)]
    type Baseline: Lanes<Scalar = Self>;
}

/// `N` numbers in an array: two or four of them are a register of SSE2 or NEON.
#[derive(Clone, Copy, Debug)]
pub struct Plain<T, const N: usize>([T; N]);

macro_rules! plain {
    ($t:ty, $n:expr) => {
        impl Lanes for Plain<$t, $n> {
            type Scalar = $t;
            type Vector = [$t; $n];
            type Mask = usize;
            const WIDTH: usize = $n;
            const ACROSS: usize = if cfg!(target_arch = "aarch64") { 4 } else { 2 };
            const WIDE: usize = if cfg!(target_arch = "aarch64") { 8 } else { 4 };

            #[inline(always)]
            fn zero() -> Self::Vector {
                [0.0; $n]
            }
            #[inline(always)]
            fn splat(x: $t) -> Self::Vector {
                [x; $n]
            }
            #[inline(always)]
            fn mul_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
                // Without the instruction a fused multiply-add is a slow library call.
                std::array::from_fn(|i| {
                    if cfg!(target_arch = "aarch64") { a[i].mul_add(b[i], c[i]) } else { a[i] * b[i] + c[i] }
                })
            }
            #[inline(always)]
            fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| a[i] + b[i])
            }
            #[inline(always)]
            fn sum(mut v: Self::Vector) -> $t {
                let mut half = $n / 2;
                while half > 0 {
                    for i in 0..half {
                        v[i] += v[i + half];
                    }
                    half /= 2;
                }
                v[0]
            }
            #[inline(always)]
            fn mask(count: usize) -> usize {
                count
            }
            #[inline(always)]
            unsafe fn load(from: *const $t) -> Self::Vector {
                // SAFETY: the caller's promise; the read needs no alignment beyond that of a number.
                unsafe { from.cast::<Self::Vector>().read_unaligned() }
            }
            #[inline(always)]
            unsafe fn store(to: *mut $t, v: Self::Vector) {
                // SAFETY: as for `load`.
                unsafe { to.cast::<Self::Vector>().write_unaligned(v) }
            }
            #[inline(always)]
            unsafe fn load_some(from: *const $t, mask: usize) -> Self::Vector {
                if mask == $n {
                    // SAFETY: the mask is full, so the caller's promise covers all lanes.
                    return unsafe { Self::load(from) };
                }
                let mut v = Self::zero();
                for (i, x) in v.iter_mut().enumerate().take(mask) {
                    // SAFETY: `i` is in the mask.
                    *x = unsafe { *from.add(i) };
                }
                v
            }
            #[inline(always)]
            unsafe fn store_some(to: *mut $t, mask: usize, v: Self::Vector) {
                for (i, &x) in v.iter().enumerate().take(mask) {
                    // SAFETY: `i` is in the mask.
                    unsafe { *to.add(i) = x };
                }
            }
        }
    };
}
plain!(f32, 4);
plain!(f64, 2);

#[cfg(not(target_arch = "x86_64"))]
mod choice {
    use super::{Plain, Vectorised};

    impl Vectorised for f32 {
        const ZERO: Self = 0.0;
        type V4 = Plain<f32, 4>;
        type V3 = Plain<f32, 4>;
        type Baseline = Plain<f32, 4>;
    }
    impl Vectorised for f64 {
        const ZERO: Self = 0.0;
        type V4 = Plain<f64, 2>;
        type V3 = Plain<f64, 2>;
        type Baseline = Plain<f64, 2>;
    }
}

#[cfg(target_arch = "x86_64")]
mod choice {
    use super::{Lanes, Plain, Vectorised};
    use std::arch::x86_64::*;

    /// A register of AVX-512.
    #[derive(Clone, Copy, Debug)]
    pub struct Zmm<T>(T);

    /// A register of AVX2.
    #[derive(Clone, Copy, Debug)]
    pub struct Ymm<T>(T);

    impl Vectorised for f32 {
        const ZERO: Self = 0.0;
        type V4 = Zmm<f32>;
        type V3 = Ymm<f32>;
        type Baseline = Plain<f32, 4>;
    }
    impl Vectorised for f64 {
        const ZERO: Self = 0.0;
        type V4 = Zmm<f64>;
        type V3 = Ymm<f64>;
        type Baseline = Plain<f64, 2>;
    }

    // Operations on values only are unsafe where the compiler does not know that the machine has the instruction;
    // these types are private to the kernels, which name them only inside a branch for that instruction set.
    macro_rules! registers {
        ($lanes:ty, $t:ty, $v:ty, $m:ty, $n:expr, $across:expr, $wide:expr, $mask:expr, $sum:expr,
         $zero:ident, $splat:ident, $fma:ident, $add:ident, $load:ident, $store:ident, $some:expr, $put:expr) => {
            impl Lanes for $lanes {
                type Scalar = $t;
                type Vector = $v;
                type Mask = $m;
                const WIDTH: usize = $n;
                const ACROSS: usize = $across;
                const WIDE: usize = $wide;

                #[inline(always)]
                fn zero() -> $v {
                    // SAFETY: the kernels use these lanes only where the machine has them.
                    unsafe { $zero() }
                }
                #[inline(always)]
                fn splat(x: $t) -> $v {
                    // SAFETY: as for `zero`.
                    unsafe { $splat(x) }
                }
                #[inline(always)]
                fn mul_add(a: $v, b: $v, c: $v) -> $v {
                    // SAFETY: as for `zero`.
                    unsafe { $fma(a, b, c) }
                }
                #[inline(always)]
                fn add(a: $v, b: $v) -> $v {
                    // SAFETY: as for `zero`.
                    unsafe { $add(a, b) }
                }
                #[inline(always)]
                fn sum(v: $v) -> $t {
                    // SAFETY: as for `zero`.
                    unsafe { $sum(v) }
                }
                #[inline(always)]
                fn mask(count: usize) -> $m {
                    // SAFETY: as for `zero`.
                    #[allow(unused_unsafe)]
                    unsafe {
                        $mask(count)
                    }
                }
                #[inline(always)]
                unsafe fn load(from: *const $t) -> $v {
                    // SAFETY: the caller's promise; the instruction needs no alignment.
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn store(to: *mut $t, v: $v) {
                    // SAFETY: the caller's promise; the instruction needs no alignment.
                    unsafe { $store(to, v) }
                }
                #[inline(always)]
                unsafe fn load_some(from: *const $t, mask: $m) -> $v {
                    // SAFETY: the caller's promise; lanes outside the mask are not read.
                    unsafe { $some(from, mask) }
                }
                #[inline(always)]
                unsafe fn store_some(to: *mut $t, mask: $m, v: $v) {
                    // SAFETY: the caller's promise; lanes outside the mask are not written.
                    unsafe { $put(to, mask, v) }
                }
            }
        };
    }

    registers!(
        Zmm<f32>,
        f32,
        __m512,
        __mmask16,
        16,
        4,
        8,
        |count: usize| ((1_u32 << count) - 1) as __mmask16,
        _mm512_reduce_add_ps,
        _mm512_setzero_ps,
        _mm512_set1_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        |p, m| _mm512_maskz_loadu_ps(m, p),
        _mm512_mask_storeu_ps
    );
    registers!(
        Zmm<f64>,
        f64,
        __m512d,
        __mmask8,
        8,
        4,
        8,
        |count: usize| ((1_u32 << count) - 1) as __mmask8,
        _mm512_reduce_add_pd,
        _mm512_setzero_pd,
        _mm512_set1_pd,
        _mm512_fmadd_pd,
        _mm512_add_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        |p, m| _mm512_maskz_loadu_pd(m, p),
        _mm512_mask_storeu_pd
    );
    registers!(
        Ymm<f32>,
        f32,
        __m256,
        __m256i,
        8,
        2,
        4,
        |count: usize| _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)),
        sum_ps,
        _mm256_setzero_ps,
        _mm256_set1_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        |p, m| _mm256_maskload_ps(p, m),
        _mm256_maskstore_ps
    );
    registers!(
        Ymm<f64>,
        f64,
        __m256d,
        __m256i,
        4,
        2,
        4,
        |count: usize| _mm256_cmpgt_epi64(_mm256_set1_epi64x(count as i64), _mm256_setr_epi64x(0, 1, 2, 3)),
        sum_pd,
        _mm256_setzero_pd,
        _mm256_set1_pd,
        _mm256_fmadd_pd,
        _mm256_add_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        |p, m| _mm256_maskload_pd(p, m),
        _mm256_maskstore_pd
    );

    #[inline]
    #[target_feature(enable = "avx2")]
    fn sum_ps(v: __m256) -> f32 {
        let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn sum_pd(v: __m256d) -> f64 {
        let two = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
        _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
    }
}
