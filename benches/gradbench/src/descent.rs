//! The gradient descent of GradBench's two nested evaluations.

use crate::number::Number;

fn length<T: Number>(x: &[T]) -> T {
    T::square_norm(x).sqrt()
}

/// A point near `start` at which `objective` is least. The step grows after ten successes and halves at a failure.
pub fn argmin<T: Number>(
    start: &[T],
    objective: impl Fn(&[T]) -> T,
    gradient: impl Fn(&[T]) -> Vec<T>,
) -> Vec<T> {
    let mut x = start.to_vec();
    let (mut least, mut slope) = (objective(&x), gradient(&x));
    let (mut step, mut successes) = (1e-5, 0);
    loop {
        if !(length(&slope).value() > 1e-5) {
            return x;
        }
        if successes == 10 {
            (step, successes) = (step * 2.0, 0);
            continue;
        }
        let next: Vec<T> = x.iter().zip(&slope).map(|(&x, &slope)| x - slope * T::plain(step)).collect();
        let moved: Vec<T> = x.iter().zip(&next).map(|(&x, &next)| x - next).collect();
        if !(length(&moved).value() > 1e-5) {
            return x;
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
}

/// A point near `start` at which `objective` is greatest.
pub fn argmax<T: Number>(
    start: &[T],
    objective: impl Fn(&[T]) -> T,
    gradient: impl Fn(&[T]) -> Vec<T>,
) -> Vec<T> {
    argmin(start, |x| -objective(x), |x| gradient(x).into_iter().map(|slope| -slope).collect())
}
