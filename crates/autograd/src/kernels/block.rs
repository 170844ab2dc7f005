//! Interim block.
use super::number::{Element, Number};
/// A scalar function that the block interpreter can run: from `A` numbers to one.
pub trait Formula<const A: usize>: 'static {
    /// The value, on any kind of number.
    fn value<N: Number>(x: [N; A]) -> N;
}
/// interim
pub fn map<F: Formula<A>, T: Element, const A: usize>(inputs: [&[T]; A], output: &mut [T]) {
    for (i, y) in output.iter_mut().enumerate() {
        *y = F::value(inputs.map(|x| x[i]));
    }
}
