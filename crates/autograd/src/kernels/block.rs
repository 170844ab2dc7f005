//! Loops that apply a formula to slices, element by element.

use super::dispatch::{self, Kernel};
use super::number::{Element, Lane, Number};

/// A function of `A` numbers, written once for every element type and instruction set.
///
/// Mark `value` and everything it calls `#[inline(always)]`: code that is not inlined is compiled without the vector
/// instructions.
pub trait Formula<const A: usize>: 'static {
    /// Whether NaN results are computed again by the scalar functions: needed where `value` takes the sine, cosine or
    /// tangent of an argument that may be huge, a wasted look at every result elsewhere.
    const RETRIES: bool = true;

    /// The function.
    fn value<N: Number>(x: [N; A]) -> N;
}

/// Whether a text contains another: for constants.
pub const fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    let mut start = 0;
    while start + part.len() <= text.len() {
        let mut same = 0;
        while same < part.len() && text[start + same] == part[same] {
            same += 1;
        }
        if same == part.len() {
            return true;
        }
        start += 1;
    }
    false
}

/// Elements per block: few enough that one NaN costs no second look at many others.
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
#[inline(always)]
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
        let step = if F::RETRIES { BLOCK } else { self.output.len() };
        let mut start = 0;
        while start < self.output.len() {
            let end = self.output.len().min(start + step);
            let output = &mut self.output[start..end];
            let mut inputs = self.inputs;
            let mut k = 0;
            while k < A {
                inputs[k] = &inputs[k][start..end];
                k += 1;
            }
            if FMA {
                each::<F, T, T::Fused, A>(inputs, output)
            } else {
                each::<F, T, T::Plain, A>(inputs, output)
            };
            if F::RETRIES && any_nan(output) {
                again::<F, T, A>(inputs, output);
            }
            start = end;
        }
    }
}

/// Whether any result is NaN: a pass of its own over the block, because in the loop it would keep the loop scalar.
#[inline(always)]
fn any_nan<T: Element>(output: &[T]) -> bool {
    output.iter().map(|y| u32::from(y.is_nan())).sum::<u32>() > 0
}

/// The loop that is vectorised.
#[inline(always)]
fn each<F: Formula<A>, T: Element, N: Lane<T>, const A: usize>(inputs: [&[T]; A], output: &mut [T]) {
    let length = output.len();
    let mut k = 0;
    while k < A {
        assert!(inputs[k].len() >= length, "every input is as long as the output");
        k += 1;
    }
    let mut i = 0;
    while i < length {
        let mut x = [N::ZERO; A];
        let mut k = 0;
        while k < A {
            // SAFETY: `i < length`, and every input has at least `length` elements. With a bounds check left in it, the
            // compiler leaves the last elements of each block to a scalar loop.
            x[k] = N::load(unsafe { *inputs[k].get_unchecked(i) });
            k += 1;
        }
        let y = F::value(x);
        output[i] = y.store();
        i += 1;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Wave;
    impl Formula<2> for Wave {
        #[inline(always)]
        fn value<N: Number>([x, y]: [N; 2]) -> N {
            x.sin() * (-y * y).exp() + N::select(x > y, x, y.tanh())
        }
    }

    fn inputs<T: Element>(length: usize) -> [Vec<T>; 2] {
        let x = |i: usize| (i as f64 * 0.37).sin();
        let mut first: Vec<T> = (0..length).map(|i| T::of(9.0 * x(i))).collect();
        let second = (0..length).map(|i| T::of(2.0 * x(i + 1000))).collect();
        // What the vector loop has to leave to the scalar functions.
        if length > 3 {
            first[length / 2] = T::of(1e7);
            first[length - 1] = T::NAN;
        }
        [first, second]
    }

    fn close<T: Element>(a: T, b: T) -> bool {
        (a.is_nan() && b.is_nan()) || (a - b).to_f64().abs() <= 8.0 * T::EPSILON.to_f64() * (1.0 + b.to_f64().abs())
    }

    fn check<T: Element>(compute: impl Fn([&[T]; 2], &mut [T])) {
        for length in [0, 1, 3, 17, 511, 512, 513, 2000] {
            let [x, y] = inputs::<T>(length);
            let mut output = vec![T::of(0.0); length];
            compute([&x, &y], &mut output);
            for i in 0..length {
                let expected = Wave::value([x[i], y[i]]);
                assert!(close(output[i], expected), "{} of {length}: {} is not {expected}", i, output[i]);
            }
        }
    }

    fn map_at<const FMA: bool, T: Element>(inputs: [&[T]; 2], output: &mut [T]) {
        Map { inputs, output, formula: std::marker::PhantomData::<Wave> }.run::<FMA>();
    }

    #[test]
    fn map_equals_the_scalar_formula_at_every_level() {
        check::<f32>(map::<Wave, f32, 2>);
        check::<f64>(map::<Wave, f64, 2>);
        check::<f32>(map_at::<true, f32>);
        check::<f64>(map_at::<true, f64>);
        check::<f32>(map_at::<false, f32>);
        check::<f64>(map_at::<false, f64>);
    }

    #[test]
    fn map_stops_at_the_shortest_slice() {
        let x = [1.0; 5];
        let y = [0.0; 3];
        let mut output = [-7.0; 4];
        map::<Wave, f64, 2>([&x, &y], &mut output);
        assert!(output[2] != -7.0);
        assert_eq!(output[3], -7.0);
    }

    struct Seven;
    impl Formula<0> for Seven {
        #[inline(always)]
        fn value<N: Number>([]: [N; 0]) -> N {
            N::of(7.0)
        }
    }

    #[test]
    fn map_without_inputs_fills() {
        let mut output = [0f32; 3];
        map::<Seven, f32, 0>([], &mut output);
        assert_eq!(output, [7.0; 3]);
    }
}
