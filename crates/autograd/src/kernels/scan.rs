//! Running sums along one axis.

use super::number::Element;

/// Running sums along the middle axis of `[outer, n, inner]`, from its start or from its end.
///
/// # Panics
/// The output has another length than the input.
pub fn sums<T: Element>(input: &[T], [n, inner]: [usize; 2], backwards: bool, output: &mut [T]) {
    output.copy_from_slice(input);
    if output.is_empty() {
        return;
    }
    for slab in output.chunks_exact_mut(n * inner) {
        match (inner, backwards) {
            (1, false) => running(slab.iter_mut()),
            (1, true) => running(slab.iter_mut().rev()),
            _ => {
                for step in 1..n {
                    // Whole rows are added to their neighbours, which vectorises.
                    let (from, to) = if backwards { (n - step, n - step - 1) } else { (step - 1, step) };
                    let (low, high) = slab.split_at_mut(from.max(to) * inner);
                    let (low, high) = (&mut low[from.min(to) * inner..][..inner], &mut high[..inner]);
                    let (from, to) = if backwards { (high, low) } else { (low, high) };
                    to.iter_mut().zip(from.iter()).for_each(|(to, &from)| *to += from);
                }
            }
        }
    }
}

fn running<'a, T: Element>(row: impl Iterator<Item = &'a mut T>) {
    let mut total = T::of(0.0);
    for element in row {
        total += *element;
        *element = total;
    }
}

#[cfg(test)]
mod tests {
    use super::sums;

    #[test]
    fn from_either_end_along_any_axis() {
        let input = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let run = |n: usize, inner: usize, backwards| {
            let mut output = [0.0; 8];
            sums(&input, [n, inner], backwards, &mut output);
            output
        };
        assert_eq!(run(8, 1, false), [1.0, 3.0, 6.0, 10.0, 15.0, 21.0, 28.0, 36.0]);
        assert_eq!(run(4, 1, true), [10.0, 9.0, 7.0, 4.0, 26.0, 21.0, 15.0, 8.0]);
        assert_eq!(run(2, 2, false), [1.0, 2.0, 4.0, 6.0, 5.0, 6.0, 12.0, 14.0]);
        assert_eq!(run(4, 2, true), [16.0, 20.0, 15.0, 18.0, 12.0, 14.0, 7.0, 8.0]);
    }
}
