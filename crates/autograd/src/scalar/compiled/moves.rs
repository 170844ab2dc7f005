//! Copies between places, as few ranges as possible.

/// Copies of places to other places.
#[derive(Clone, Debug, Default)]
pub(super) struct Moves {
    /// From, to, how many.
    ranges: Vec<[usize; 3]>,
}

impl Moves {
    /// The copies `(from, to)`.
    pub(super) fn new(pairs: impl Iterator<Item = (usize, usize)>) -> Self {
        let mut ranges: Vec<[usize; 3]> = Vec::new();
        for (from, to) in pairs {
            match ranges.last_mut() {
                Some([start, begin, count]) if *start + *count == from && *begin + *count == to => *count += 1,
                _ => ranges.push([from, to, 1]),
            }
        }
        Moves { ranges }
    }

    /// Copies from one slice to another.
    pub(super) fn copy<S: Copy>(&self, source: &[S], target: &mut [S]) {
        for &[from, to, count] in &self.ranges {
            match count {
                1 => target[to] = source[from],
                _ => target[to..to + count].copy_from_slice(&source[from..from + count]),
            }
        }
    }
}
