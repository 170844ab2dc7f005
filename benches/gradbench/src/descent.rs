//! The gradient descent of GradBench's two nested evaluations.

use num_traits::Float;

use crate::number::Number;

/// `|x| > 1e-5`; where `x` isn't a number, it isn't far either, and the descent ends.
fn far<T: Number>(x: &[T]) -> bool {
    let x = x.iter().map(|x| x.value());
    Float::sqrt(x.map(|x| x * x).sum::<f64>()) > 1e-5
}

/// A point near `start` at which `objective` is least. The step grows after ten successes and halves at a failure.
pub fn argmin<T: Number, const N: usize>(
    start: &[T; N],
    objective: impl Fn(&[T; N]) -> T,
    mut gradient: impl FnMut(&[T; N]) -> [T; N],
) -> [T; N] {
    let mut x = *start;
    let (mut least, mut slope) = (objective(&x), gradient(&x));
    let (mut step, mut successes) = (1e-5, 0);
    while far(&slope) {
        if successes == 10 {
            (step, successes) = (step * 2.0, 0);
            continue;
        }
        let next = std::array::from_fn(|i| x[i] - slope[i] * T::plain(step));
        let moved: [T; N] = std::array::from_fn(|i| x[i] - next[i]);
        if !far(&moved) {
            break;
        }
        let value = objective(&next);
        if value < least {
            (x, least) = (next, value);
            slope = gradient(&x);
            successes += 1;
        } else {
            (step, successes) = (step / 2.0, 0);
        }
    }
    x
}

/// A point near `start` at which `objective` is greatest.
pub fn argmax<T: Number, const N: usize>(
    start: &[T; N],
    objective: impl Fn(&[T; N]) -> T,
    mut gradient: impl FnMut(&[T; N]) -> [T; N],
) -> [T; N] {
    argmin(start, |x| -objective(x), |x| gradient(x).map(|slope| -slope))
}
