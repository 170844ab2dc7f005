//! Orders of elements along one axis, and elements at places that numbers name.

use std::cmp::Ordering;

use super::number::Element;
use super::pool;
use super::scratch::{self, NoMemory, Outcome, Purpose};

/// Elements of output that one thread takes at a time, at least.
const CHUNK: usize = 4096;

/// Ascending, NaN behind everything else.
fn ascending<T: Element>(a: T, b: T) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// The places of the first `k` elements of the middle axis of `[outer, n, inner]` in ascending or descending order, as
/// numbers. Equal elements keep their order; NaN counts as greater than everything else.
///
/// # Errors
/// Memory for a column and its places that cannot be had.
///
/// # Panics
/// `k` is greater than `n`, or the slices have other lengths than `outer n inner` and `outer k inner`.
pub fn places<T: Element>(
    input: &[T],
    [n, k, inner]: [usize; 3],
    descending: bool,
    output: &mut [T],
) -> Result<(), NoMemory> {
    each_slab(input, ([n, k, inner], n), output, |column, places, out| {
        let before = |&a: &usize, &b: &usize| {
            let order = ascending(column[a], column[b]);
            (if descending { order.reverse() } else { order }).then(a.cmp(&b))
        };
        places.iter_mut().enumerate().for_each(|(i, place)| *place = i);
        if k < n {
            places.select_nth_unstable_by(k, before);
        }
        let places = &mut places[..k];
        places.sort_unstable_by(before);
        out.iter_mut().step_by(inner).zip(places.iter()).for_each(|(to, &place)| *to = T::from_usize(place));
    })
}

/// The element that is number `rank` of the middle axis of `[outer, n, inner]` in ascending order; NaN if any is.
///
/// # Errors
/// Memory for a column that cannot be had.
///
/// # Panics
/// As [`places`], with `rank` below `n`.
pub fn ranked<T: Element>(input: &[T], [n, rank, inner]: [usize; 3], output: &mut [T]) -> Result<(), NoMemory> {
    each_slab(input, ([n, 1, inner], 0), output, |column, _, out| {
        out[0] = match column.iter().find(|x| x.is_nan()) {
            Some(&nan) => nan,
            None => *column.select_nth_unstable_by(rank, |&a, &b| ascending(a, b)).1,
        };
    })
}

/// Calls `work` with a copy of each column of `n` elements, `places` numbers to use, and where its `k` results go, `inner`
/// apart.
fn each_slab<T: Element>(
    input: &[T],
    ([n, k, inner], places): ([usize; 3], usize),
    output: &mut [T],
    work: impl Fn(&mut [T], &mut [usize], &mut [T]) + Sync,
) -> Result<(), NoMemory> {
    if output.is_empty() {
        return Ok(());
    }
    let (slab, outcome) = (k * inner, Outcome::default());
    pool::split(output, slab * CHUNK.div_ceil(n * inner), |start, out| {
        let mut columns = |column: &mut [T], places: &mut [usize]| {
            for (i, out) in out.chunks_mut(slab).enumerate() {
                let from = &input[(start / slab + i) * n * inner..][..n * inner];
                for lane in 0..inner {
                    column.iter_mut().zip(from[lane..].iter().step_by(inner)).for_each(|(to, &x)| *to = x);
                    work(column, places, &mut out[lane..]);
                }
            }
        };
        let done = scratch::with(Purpose::Operands, n, |column| {
            scratch::with_places(places, |places| columns(column, places))
        });
        outcome.note(done.flatten());
    });
    outcome.done()
}

/// A place that is no whole number inside its axis: the number, and its position in row-major order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoPlace {
    /// The number.
    pub number: f64,
    /// Its position.
    pub position: usize,
}

/// Calls `visit` with each position of `[outer, k, inner]` numbers and the place in `[outer, n, inner]` that the number
/// names along the middle axis.
fn each_place<T: Element>(
    numbers: &[T],
    [n, k, inner]: [usize; 3],
    mut visit: impl FnMut(usize, usize),
) -> Result<(), NoPlace> {
    for (position, number) in numbers.iter().enumerate() {
        let Some(index) = number.to_usize().filter(|&index| index < n) else {
            return Err(NoPlace { number: number.to_f64(), position });
        };
        visit(position, (position / (k * inner) * n + index) * inner + position % inner);
    }
    Ok(())
}

/// `output[.., j, ..] = input[.., numbers[.., j, ..], ..]` along the middle axes of `[outer, n, inner]` and
/// `[outer, k, inner]`.
///
/// # Errors
/// A number that is no place.
pub fn take<T: Element>(input: &[T], numbers: &[T], lengths: [usize; 3], output: &mut [T]) -> Result<(), NoPlace> {
    each_place(numbers, lengths, |position, place| output[position] = input[place])
}

/// `output[.., numbers[.., j, ..], ..] += input[.., j, ..]`, from zeros: the adjoint of [`take`].
///
/// # Errors
/// A number that is no place.
pub fn put<T: Element>(input: &[T], numbers: &[T], lengths: [usize; 3], output: &mut [T]) -> Result<(), NoPlace> {
    output.fill(T::of(0.0));
    each_place(numbers, lengths, |position, place| output[place] += input[position])
}

#[cfg(test)]
mod tests {
    use super::{NoPlace, places, put, ranked, take};

    #[test]
    fn equal_elements_keep_their_order_and_nan_is_the_greatest() {
        let input = [2.0, f64::NAN, 1.0, 2.0, -0.0, 0.0];
        let run = |k: usize, descending| {
            let mut output = vec![0.0; k];
            places(&input, [6, k, 1], descending, &mut output).unwrap();
            output
        };
        assert_eq!(run(6, false), [4.0, 5.0, 2.0, 0.0, 3.0, 1.0]);
        assert_eq!(run(6, true), [1.0, 0.0, 3.0, 2.0, 4.0, 5.0]);
        assert_eq!(run(3, true), [1.0, 0.0, 3.0]);
        assert_eq!(run(2, false), [4.0, 5.0]);
    }

    #[test]
    fn along_an_inner_axis_and_over_many_rows() {
        let input: Vec<f64> = (0..3 * 5 * 4000).map(|i| (i as f64 * 0.618).fract()).collect();
        let mut order = vec![0.0; input.len()];
        places(&input, [5, 5, 4000], false, &mut order).unwrap();
        let mut sorted = vec![0.0; input.len()];
        take(&input, &order, [5, 5, 4000], &mut sorted).unwrap();
        let mut second = vec![0.0; 3 * 4000];
        ranked(&input, [5, 1, 4000], &mut second).unwrap();
        for outer in 0..3 {
            for lane in 0..4000 {
                let at = |j: usize| sorted[(outer * 5 + j) * 4000 + lane];
                assert!((1..5).all(|j| at(j - 1) <= at(j)));
                assert_eq!(second[outer * 4000 + lane], at(1));
            }
        }
        let mut back = vec![0.0; input.len()];
        put(&sorted, &order, [5, 5, 4000], &mut back).unwrap();
        assert_eq!(back, input);
    }

    #[test]
    fn what_is_no_place_is_refused() {
        let mut output = [0.0; 2];
        for number in [2.0, -1.0, 0.5] {
            let expected = NoPlace { number, position: 1 };
            assert_eq!(take(&[7.0, 8.0], &[0.0, number], [2, 2, 1], &mut output), Err(expected));
        }
        assert!(take(&[7.0, 8.0], &[0.0, f64::NAN], [2, 2, 1], &mut output).is_err());
    }
}
