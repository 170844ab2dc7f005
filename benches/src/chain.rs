//! Value and gradient of a long elementwise chain, and the same as one loop written by hand.

use std::sync::Mutex;

use wengert::kernels::dispatch::{self, Kernel};
use wengert::kernels::lane::{Fma, Plain};
use wengert::kernels::number::Lane;
use wengert::kernels::pool;
use wengert::prelude::*;

use crate::data::{Data, Own};
use crate::measure::Bench;

const LENGTH: usize = 1_000_000;

/// Steps until the gradients are looked at. Other steps read the value alone: adding up a million numbers one after the
/// other takes as long as a third of a step.
const CHECKED: usize = 20;

/// `y = sum(tanh(a x + b) sigmoid(c x) + exp(-x x))` and its gradients. The checked number is
/// `sum |dy/dx| + dy/da + dy/db + dy/dc`.
pub(crate) fn chain(data: &Data, _: bool) -> Result<Bench> {
    let x = data.tensor("w6_x", &[LENGTH], Own::Uniform(-2.0, 2.0))?;
    let factors = data.tensor("w6_abc", &[3], Own::Uniform(-1.5, 1.5))?;
    let [a, b, c] = [0, 1, 2].map(|i| factors.as_slice()[i]);
    let own = x.clone();
    let tensors = [a, b, c].map(Tensor::<f32>::scalar);
    let by_tape = move |step, read| {
        let tape = Tape::new();
        let x = tape.input(&own);
        let [a, b, c] = tensors.each_ref().map(|tensor| tape.input(tensor));
        let y = ((a * x + b).tanh() * (c * x).sigmoid() + (-x.square()).exp()).sum();
        let gradients = y.backward()?;
        let gradient = |input| gradients.wrt(input).map_or(&[][..], |tensor| tensor.as_slice());
        match (step + 1, read) {
            (CHECKED, true) => Ok(checked(gradient(x), [a, b, c].map(|factor| f64::from(gradient(factor)[0])))),
            (_, true) => Ok(f64::from(y.item()?)),
            _ => Ok(0.0),
        }
    };
    let mut gradient = vec![0.0; LENGTH];
    let by_hand = move |step, read| {
        let [y, rest @ ..] = hand_fused(x.as_slice(), [a, b, c], &mut gradient);
        match (step + 1, read) {
            (CHECKED, true) => Ok(checked(&gradient, rest)),
            _ => Ok(y),
        }
    };
    Ok(Bench::new(by_tape, CHECKED).with("hand_fused", false, by_hand))
}

fn checked(gradient: &[f32], rest: [f64; 3]) -> f64 {
    gradient.iter().map(|&value| f64::from(value.abs())).sum::<f64>() + rest.iter().sum::<f64>()
}

/// The value and the gradients by a, b and c; the gradient by x is written.
fn hand_fused(x: &[f32], factors: [f32; 3], gradient: &mut [f32]) -> [f64; 4] {
    let sums = Mutex::new([0.0; 4]);
    let chunk = x.len().div_ceil(pool::threads()).next_multiple_of(LANES);
    pool::split(gradient, chunk, |start, gradient| {
        let own = dispatch::run(Fused { x: &x[start..start + gradient.len()], factors, gradient });
        if let Ok(mut sums) = sums.lock() {
            sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        }
    });
    sums.into_inner().unwrap_or([f64::NAN; 4])
}

/// Elements that are computed side by side.
const LANES: usize = 32;
/// Elements that are summed in f32 before they are added up in f64.
const BLOCK: usize = 64 * LANES;

struct Fused<'a> {
    x: &'a [f32],
    factors: [f32; 3],
    gradient: &'a mut [f32],
}

impl Kernel for Fused<'_> {
    type Output = [f64; 4];

    #[inline(always)]
    fn run<const FMA: bool>(self) -> [f64; 4] {
        if FMA { self.sweep::<Fma<f32>>() } else { self.sweep::<Plain<f32>>() }
    }
}

impl Fused<'_> {
    #[inline(always)]
    fn sweep<L: Lane<f32>>(self) -> [f64; 4] {
        let factors = self.factors.map(L::load);
        let mut totals = [0.0; 4];
        for (x, gradient) in self.x.chunks(BLOCK).zip(self.gradient.chunks_mut(BLOCK)) {
            let mut sums = [[0.0; LANES]; 4];
            let (whole, rest) = x.as_chunks::<LANES>();
            let (whole_gradient, rest_gradient) = gradient.as_chunks_mut::<LANES>();
            for (x, gradient) in whole.iter().zip(whole_gradient) {
                for i in 0..LANES {
                    element::<L>(x[i], factors, &mut gradient[i], sums.each_mut().map(|sum| &mut sum[i]));
                }
            }
            for (i, (x, gradient)) in rest.iter().zip(rest_gradient).enumerate() {
                element::<L>(*x, factors, gradient, sums.each_mut().map(|sum| &mut sum[i]));
            }
            for (total, sum) in totals.iter_mut().zip(sums) {
                *total += f64::from(sum.iter().sum::<f32>());
            }
        }
        totals
    }
}

/// One element: its gradient, and what it adds to the value and to the gradients by a, b and c.
#[inline(always)]
fn element<L: Lane<f32>>(x: f32, [a, b, c]: [L; 3], gradient: &mut f32, [value, by_a, by_b, by_c]: [&mut f32; 4]) {
    let x = L::load(x);
    let tanh = x.mul_add(a, b).tanh();
    let sigmoid = (x * c).sigmoid();
    let bell = (-(x * x)).exp();
    let product = tanh * sigmoid;
    let inner = (L::ONE - tanh * tanh) * sigmoid;
    let outer = product * (L::ONE - sigmoid);
    *gradient = (inner * a + outer * c - L::of(2.0) * x * bell).store();
    *value += (product + bell).store();
    *by_a += (inner * x).store();
    *by_b += inner.store();
    *by_c += (outer * x).store();
}
