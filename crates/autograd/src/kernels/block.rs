//! Loops that apply a formula to slices, element by element.

use super::dispatch::{self, Kernel};
use super::number::{Element, Lane, Number};

/// A function of `A` numbers, written once for every element type and instruction set.
///
/// Mark `value` and everything it calls `#[inline(always)]`: code that is not inlined is compiled without the vector
/// instructions.
pub trait Formula<const A: usize>: 'static {
    /// The function.
    fn value<N: Number>(x: [N; A]) -> N;
}

/// Elements per block: few enough that the second look at them finds them in the first cache.
const BLOCK: usize = 512;

/// `output[i] = F(inputs[0][i], inputs[1][i], ...)` for each i that all slices have.
///
/// ```
/// use wengert_autograd::kernels::block::{Formula, map};
/// use wengert_autograd::kernels::number::Number;
///
/// struct Swish;
/// impl Formula<1> for Swish {
///     #[inline(always)]
///     fn value<N: Number>([x]: [N; 1]) -> N {
///         x * x.sigmoid()
///     }
/// }
///
/// let mut y = [0.0; 2];
/// map::<Swish, f64, 1>([&[0.0, 1.0]], &mut y);
/// assert!((y[1] - 0.7310585786300049).abs() < 1e-15);
/// ```
pub fn map<F: Formula<A>, T: Element, const A: usize>(inputs: [&[T]; A], output: &mut [T]) {
    let length = inputs.iter().fold(output.len(), |least, slice| least.min(slice.len()));
    dispatch::run(Map { inputs, output: &mut output[..length], formula: std::marker::PhantomData::<F> });
}

struct Map<'a, F, T, const A: usize> {
    /// Each at least as long as the output.
    inputs: [&'a [T]; A],
    output: &'a mut [T],
    formula: std::marker::PhantomData<F>,
}

impl<F: Formula<A>, T: Element, const A: usize> Kernel for Map<'_, F, T, A> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let mut start = 0;
        while start < self.output.len() {
            let end = self.output.len().min(start + BLOCK);
            let output = &mut self.output[start..end];
            let mut inputs = self.inputs;
            let mut k = 0;
            while k < A {
                inputs[k] = &inputs[k][start..end];
                k += 1;
            }
            if FMA {
                each::<F, T, T::Fused, A>(inputs, output);
            } else {
                each::<F, T, T::Plain, A>(inputs, output);
            }
            if any_nan(output) {
                again::<F, T, A>(inputs, output);
            }
            start = end;
        }
    }
}

/// The loop that is vectorised.
#[inline(always)]
fn each<F: Formula<A>, T: Element, N: Lane<T>, const A: usize>(inputs: [&[T]; A], output: &mut [T]) {
    let length = output.len();
    // Slices cut to the length of the output need no bounds check in the loop.
    let mut cut = inputs;
    let mut k = 0;
    while k < A {
        cut[k] = &inputs[k][..length];
        k += 1;
    }
    let mut i = 0;
    while i < length {
        let mut x = [N::ZERO; A];
        let mut k = 0;
        while k < A {
            x[k] = N::load(cut[k][i]);
            k += 1;
        }
        output[i] = F::value(x).store();
        i += 1;
    }
}

#[inline(always)]
fn any_nan<T: Element>(values: &[T]) -> bool {
    // No early exit: so it is a loop over vectors.
    let mut any = false;
    for &value in values {
        any |= value.is_nan();
    }
    any
}

/// Computes the elements that came out NaN by the scalar functions, which know sines of huge arguments.
#[cold]
#[inline(never)]
fn again<F: Formula<A>, T: Element, const A: usize>(inputs: [&[T]; A], output: &mut [T]) {
    for (i, y) in output.iter_mut().enumerate() {
        if y.is_nan() {
            *y = F::value(inputs.map(|slice| slice[i]));
        }
    }
}
