//! One vector register of each instruction set, for the few loops where the compiler does not find the registers
//! by itself (matrix products, reductions). Everything else is plain Rust, vectorised by the compiler.

#[cfg(target_arch = "x86_64")]
use super::dispatch::Level;
use super::dispatch::{self, Kernel};
use super::number::Number;
use super::pointwise::Pointwise;
use std::marker::PhantomData;

/// The operations of a vector register with `WIDTH` numbers.
pub(crate) trait Lanes: Copy + Pointwise {
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
    /// `a * b`.
    fn mul(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The greater of each pair; not a number where either is none.
    fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The lesser of each pair; not a number where either is none.
    fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// Lane `i` of the result is lane `i ^ step`; `step` is a power of two below `WIDTH`.
    fn exchange(v: Self::Vector, step: usize) -> Self::Vector;
    /// Lane `i` of `b` where `i & step` is not 0, else of `a`.
    fn blend(a: Self::Vector, b: Self::Vector, step: usize) -> Self::Vector;
    /// Lane 0.
    fn first(v: Self::Vector) -> Self::Scalar;
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
    /// Loads the lanes of the mask and takes the others from `other`.
    ///
    /// # Safety
    /// As for `load_some`.
    unsafe fn load_or(from: *const Self::Scalar, mask: Self::Mask, other: Self::Vector) -> Self::Vector;
    /// Stores the lanes of the mask.
    ///
    /// # Safety
    /// The machine has the instructions, and `to` is valid for writes of the numbers in the mask.
    unsafe fn store_some(to: *mut Self::Scalar, mask: Self::Mask, v: Self::Vector);
}

/// Joins all lanes with `join`, by halving; `join` must not care about the order of its two operands.
#[inline(always)]
pub(crate) fn across<L: Lanes>(mut v: L::Vector, join: impl Fn(L::Vector, L::Vector) -> L::Vector) -> L::Scalar {
    let mut step = L::WIDTH / 2;
    while step > 0 {
        v = join(v, L::exchange(v, step));
        step /= 2;
    }
    L::first(v)
}

/// Numbers with registers.
pub trait Vectorised: Number {
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

/// A kernel that names its registers.
pub(crate) trait LaneKernel<T> {
    /// The loop; see [`Kernel::run`].
    fn run<L: Lanes<Scalar = T>, const FMA: bool>(self);
}

struct With<K, L>(K, PhantomData<L>);

impl<T, K: LaneKernel<T>, L: Lanes<Scalar = T>> Kernel for With<K, L> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        self.0.run::<L, FMA>();
    }
}

/// Runs a kernel with the widest registers that the machine has.
#[inline]
#[cfg(target_arch = "x86_64")]
pub(crate) fn launch<T: Vectorised, K: LaneKernel<T>>(kernel: K) {
    // Not by `dispatch::run`, which would compile a copy of each for every instruction set.
    match dispatch::level() {
        // SAFETY: `level` returns V4 only where the machine has every feature that `v4` enables.
        Level::V4 => unsafe { dispatch::v4(With::<K, T::V4>(kernel, PhantomData)) },
        // SAFETY: `level` returns V3 only where the machine has every feature that `v3` enables.
        Level::V3 => unsafe { dispatch::v3(With::<K, T::V3>(kernel, PhantomData)) },
        Level::Baseline => With::<K, T::Baseline>(kernel, PhantomData).run::<false>(),
    }
}

/// Runs a kernel with the registers of the target's baseline.
#[inline]
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn launch<T: Vectorised, K: LaneKernel<T>>(kernel: K) {
    dispatch::run(With::<K, T::Baseline>(kernel, PhantomData));
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
            fn mul(a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| a[i] * b[i])
            }
            #[inline(always)]
            fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector {
                // Where `b` is not a number no comparison holds and `b` is taken.
                std::array::from_fn(|i| if (a[i] > b[i]) | a[i].is_nan() { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|i| if (a[i] < b[i]) | a[i].is_nan() { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn exchange(v: Self::Vector, step: usize) -> Self::Vector {
                std::array::from_fn(|i| v[i ^ step])
            }
            #[inline(always)]
            fn blend(a: Self::Vector, b: Self::Vector, step: usize) -> Self::Vector {
                std::array::from_fn(|i| if i & step == 0 { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn first(v: Self::Vector) -> $t {
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
                // SAFETY: the caller's promise.
                unsafe { Self::load_or(from, mask, Self::zero()) }
            }
            #[inline(always)]
            unsafe fn load_or(from: *const $t, mask: usize, other: Self::Vector) -> Self::Vector {
                let mut v = other;
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
pub(super) mod choice {
    use super::{Plain, Vectorised};

    impl Vectorised for f32 {
        type V4 = Plain<f32, 4>;
        type V3 = Plain<f32, 4>;
        type Baseline = Plain<f32, 4>;
    }
    impl Vectorised for f64 {
        type V4 = Plain<f64, 2>;
        type V3 = Plain<f64, 2>;
        type Baseline = Plain<f64, 2>;
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod choice {
    use super::{Lanes, Plain, Vectorised};
    use std::arch::x86_64::*;

    /// A register of AVX-512.
    #[derive(Clone, Copy, Debug)]
    pub struct Zmm<T>(T);

    /// A register of AVX2.
    #[derive(Clone, Copy, Debug)]
    pub struct Ymm<T>(T);

    impl Vectorised for f32 {
        type V4 = Zmm<f32>;
        type V3 = Ymm<f32>;
        type Baseline = Plain<f32, 4>;
    }
    impl Vectorised for f64 {
        type V4 = Zmm<f64>;
        type V3 = Ymm<f64>;
        type Baseline = Plain<f64, 2>;
    }

    // Functions of a trait by instructions, or by closures over them.
    macro_rules! operations {
        ($($name:ident($($x:ident: $type:ty),*) -> $result:ty = $instruction:expr;)+) => {$(
            #[inline(always)]
            fn $name($($x: $type),*) -> $result {
                // SAFETY: the kernels use these lanes only where the machine has them.
                #[allow(unused_unsafe)]
                unsafe {
                    $instruction($($x),*)
                }
            }
        )+};
    }
    pub(in crate::kernels) use operations;

    // Operations on values only are unsafe where the compiler does not know that the machine has the instruction;
    // these types are private to the kernels, which name them only inside a branch for that instruction set.
    macro_rules! registers {
        ($lanes:ty, $t:ty, $v:ty, $m:ty, $n:expr, $across:expr, $wide:expr, $mask:expr,
         $exchange:expr, $blend:expr, $first:ident, $mul:ident, $max:expr, $min:expr,
         $zero:ident, $splat:ident, $fma:ident, $add:ident, $load:ident, $store:ident, $some:expr, $or:expr, $put:ident) => {
            impl Lanes for $lanes {
                type Scalar = $t;
                type Vector = $v;
                type Mask = $m;
                const WIDTH: usize = $n;
                const ACROSS: usize = $across;
                const WIDE: usize = $wide;

                operations! {
                    zero() -> $v = $zero;
                    splat(x: $t) -> $v = $splat;
                    mul_add(a: $v, b: $v, c: $v) -> $v = $fma;
                    add(a: $v, b: $v) -> $v = $add;
                    mul(a: $v, b: $v) -> $v = $mul;
                    max(a: $v, b: $v) -> $v = $max;
                    min(a: $v, b: $v) -> $v = $min;
                    exchange(v: $v, step: usize) -> $v = $exchange;
                    blend(a: $v, b: $v, step: usize) -> $v = $blend;
                    first(v: $v) -> $t = $first;
                    mask(count: usize) -> $m = $mask;
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
                unsafe fn load_or(from: *const $t, mask: $m, other: $v) -> $v {
                    // SAFETY: as for `load_some`.
                    unsafe { $or(from, mask, other) }
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
        |v, step| match step {
            8 => _mm512_shuffle_f32x4::<0x4E>(v, v),
            4 => _mm512_shuffle_f32x4::<0xB1>(v, v),
            2 => _mm512_permute_ps::<0x4E>(v),
            _ => _mm512_permute_ps::<0xB1>(v),
        },
        |a, b, step| match step {
            8 => _mm512_mask_blend_ps(0xFF00, a, b),
            4 => _mm512_mask_blend_ps(0xF0F0, a, b),
            2 => _mm512_mask_blend_ps(0xCCCC, a, b),
            _ => _mm512_mask_blend_ps(0xAAAA, a, b),
        },
        _mm512_cvtss_f32,
        _mm512_mul_ps,
        // The instruction gives its second operand if either is not a number, so only the first is left to mend.
        |a, b| _mm512_mask_mov_ps(_mm512_max_ps(a, b), _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a), a),
        |a, b| _mm512_mask_mov_ps(_mm512_min_ps(a, b), _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a), a),
        _mm512_setzero_ps,
        _mm512_set1_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        |p, m| _mm512_maskz_loadu_ps(m, p),
        |p, m, v| _mm512_mask_loadu_ps(v, m, p),
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
        |v, step| match step {
            4 => _mm512_shuffle_f64x2::<0x4E>(v, v),
            2 => _mm512_shuffle_f64x2::<0xB1>(v, v),
            _ => _mm512_permute_pd::<0x55>(v),
        },
        |a, b, step| match step {
            4 => _mm512_mask_blend_pd(0xF0, a, b),
            2 => _mm512_mask_blend_pd(0xCC, a, b),
            _ => _mm512_mask_blend_pd(0xAA, a, b),
        },
        _mm512_cvtsd_f64,
        _mm512_mul_pd,
        |a, b| _mm512_mask_mov_pd(_mm512_max_pd(a, b), _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(a, a), a),
        |a, b| _mm512_mask_mov_pd(_mm512_min_pd(a, b), _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(a, a), a),
        _mm512_setzero_pd,
        _mm512_set1_pd,
        _mm512_fmadd_pd,
        _mm512_add_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        |p, m| _mm512_maskz_loadu_pd(m, p),
        |p, m, v| _mm512_mask_loadu_pd(v, m, p),
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
        |v, step| match step {
            4 => _mm256_permute2f128_ps::<1>(v, v),
            2 => _mm256_permute_ps::<0x4E>(v),
            _ => _mm256_permute_ps::<0xB1>(v),
        },
        |a, b, step| match step {
            4 => _mm256_blend_ps::<0xF0>(a, b),
            2 => _mm256_blend_ps::<0xCC>(a, b),
            _ => _mm256_blend_ps::<0xAA>(a, b),
        },
        _mm256_cvtss_f32,
        _mm256_mul_ps,
        |a, b| _mm256_blendv_ps(_mm256_max_ps(a, b), a, _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a)),
        |a, b| _mm256_blendv_ps(_mm256_min_ps(a, b), a, _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a)),
        _mm256_setzero_ps,
        _mm256_set1_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        |p, m| _mm256_maskload_ps(p, m),
        |p, m, v| _mm256_blendv_ps(v, _mm256_maskload_ps(p, m), _mm256_castsi256_ps(m)),
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
        |v, step| match step {
            2 => _mm256_permute2f128_pd::<1>(v, v),
            _ => _mm256_permute_pd::<0x5>(v),
        },
        |a, b, step| match step {
            2 => _mm256_blend_pd::<0xC>(a, b),
            _ => _mm256_blend_pd::<0xA>(a, b),
        },
        _mm256_cvtsd_f64,
        _mm256_mul_pd,
        |a, b| _mm256_blendv_pd(_mm256_max_pd(a, b), a, _mm256_cmp_pd::<_CMP_UNORD_Q>(a, a)),
        |a, b| _mm256_blendv_pd(_mm256_min_pd(a, b), a, _mm256_cmp_pd::<_CMP_UNORD_Q>(a, a)),
        _mm256_setzero_pd,
        _mm256_set1_pd,
        _mm256_fmadd_pd,
        _mm256_add_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        |p, m| _mm256_maskload_pd(p, m),
        |p, m, v| _mm256_blendv_pd(v, _mm256_maskload_pd(p, m), _mm256_castsi256_pd(m)),
        _mm256_maskstore_pd
    );
}
