//! Picks the widest vector instructions of the machine once, at run time.
//!
//! A [`Kernel`] is a loop written in plain Rust and marked `#[inline(always)]`. [`run`] stamps out one copy for
//! AVX-512, one for AVX2 with FMA and one for the baseline of the target, and calls the best that the machine has.

use std::sync::OnceLock;

/// A loop over plain slices that is compiled once for each instruction set.
pub trait Kernel {
    /// What the loop returns.
    type Output;

    /// The loop. `FMA` says whether a fused multiply-add is one instruction here; where it is not, it would be a
    /// slow library call. Mark every implementation and everything it calls `#[inline(always)]`.
    fn run<const FMA: bool>(self) -> Self::Output;
}

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every machine of the target has.
    Baseline,
    /// AVX2 and FMA (x86-64-v3).
    V3,
    /// AVX-512 F, DQ, BW and VL (x86-64-v4).
    V4,
}

/// The level in use: the best of the machine, or what `WENGERT_SIMD` (`baseline`, `v3`, `v4`) allows at most.
#[inline]
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let value = std::env::var_os(VARIABLE).unwrap_or_default();
        let most = match value.to_str() {
            Some("baseline") => Level::Baseline,
            Some("v3") => Level::V3,
            Some("v4" | "") => Level::V4,
            _ => {
                eprintln!("{VARIABLE}={value:?} is not known; baseline, v3 or v4 is the most that may be used");
                Level::V4
            }
        };
        most.min(detect())
    })
}

const VARIABLE: &str = "WENGERT_SIMD";

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    let v3 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("bmi2");
    let v4 = v3
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl");
    match (v3, v4) {
        (_, true) => Level::V4,
        (true, false) => Level::V3,
        (false, false) => Level::Baseline,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Baseline
}

/// Runs a kernel with the widest instructions that the machine has.
#[inline(always)]
#[cfg(target_arch = "x86_64")]
pub fn run<K: Kernel>(kernel: K) -> K::Output {
    match level() {
        // SAFETY: `level` returns V4 only where the machine has every feature that `v4` enables.
        Level::V4 => unsafe { v4(kernel) },
        // SAFETY: `level` returns V3 only where the machine has every feature that `v3` enables.
        Level::V3 => unsafe { v3(kernel) },
        Level::Baseline => kernel.run::<false>(),
    }
}

/// Runs a kernel with the instructions of the target's baseline (on AArch64 that includes NEON and FMA).
#[inline]
#[cfg(not(target_arch = "x86_64"))]
pub fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<{ cfg!(target_arch = "aarch64") }>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi2")]
pub(super) fn v4<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<true>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi2")]
pub(super) fn v3<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<true>()
}
