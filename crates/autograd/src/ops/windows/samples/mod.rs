//! Samples of the windowed ops, with their definitions written out over `ndarray`, one place after the other.

mod convolution;
mod linear;
mod pooling;

pub(in crate::ops) use convolution::{conv, conv_transpose};
pub(in crate::ops) use linear::{fold, interpolate, unfold, windows};
pub(in crate::ops) use pooling::{adaptive_avg_pool, adaptive_max_pool, avg_pool, max_pool};

use crate::ops::registry::Text;

pub(in crate::ops) const CONV: Text = Text::primitive(
    "y[n, o, j] = Σ x[n, c, j · stride + k · dilation − padding] w[o, c, k] over c and k, in each group",
    "to x: the transposed convolution of g with w; to w: the convolution of x with g",
    "",
);
pub(in crate::ops) const CONV_TRANSPOSE: Text =
    Text::composed("the transpose of conv in its input", "the pullback of conv to its input, as an op", "");
pub(in crate::ops) const MAX_POOL: Text = Text::primitive(
    "the greatest of each window",
    "g to the greatest of its window",
    "ties: the first of the window gets all",
);
pub(in crate::ops) const AVG_POOL: Text =
    Text::primitive("the mean of each window", "g divided by the window's count, added over windows", "");
pub(in crate::ops) const ADAPTIVE_MAX_POOL: Text = Text::primitive(
    "the greatest of each bin; bin i of m over n elements is ⌊i n / m⌋ to ⌈(i + 1) n / m⌉",
    "g to the greatest of its bin",
    "ties: the first of the bin gets all",
);
pub(in crate::ops) const ADAPTIVE_AVG_POOL: Text = Text::primitive(
    "the mean of each bin; bin i of m over n elements is ⌊i n / m⌋ to ⌈(i + 1) n / m⌉",
    "g divided by the bin's count, added over bins",
    "",
);
pub(in crate::ops) const UNFOLD: Text = Text::primitive("the elements of each window as a column", "fold of g", "");
pub(in crate::ops) const FOLD: Text =
    Text::primitive("columns added back to where their windows lie", "unfold of g", "");
pub(in crate::ops) const WINDOWS: Text =
    Text::composed("windows of an axis as a new last axis", "one slice for each place of a window, stacked", "");
pub(in crate::ops) const INTERPOLATE: Text = Text::primitive(
    "nearest: the element at ⌊j n / m⌋; linear: the two neighbours, weighted by their distance",
    "the transposed weights times g",
    "",
);

/// How windows lie along one axis: their elements, and how they move.
#[derive(Clone, Copy, Debug)]
struct Along {
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
}

impl Along {
    /// The places of every window, counted by sliding it until it no longer fits; negative ones and those from the length
    /// on are padding.
    fn places(self, length: usize) -> Vec<Vec<isize>> {
        let (length, padding) = (length as isize, self.padding as isize);
        let mut windows = vec![];
        for start in (-padding..length + padding).step_by(self.stride) {
            let window: Vec<isize> = (0..self.kernel).map(|k| start + (k * self.dilation) as isize).collect();
            if window.iter().all(|&place| place < length + padding) {
                windows.push(window);
            }
        }
        windows
    }
}

/// Every combination of one element of each list, the last changing fastest.
fn combinations<E: Copy>(lists: &[Vec<E>]) -> Vec<Vec<E>> {
    lists.iter().fold(vec![vec![]], |all, list| {
        all.iter().flat_map(|head| list.iter().map(|&e| [&head[..], &[e]].concat())).collect()
    })
}

/// The places inside an array, or none.
fn inside(places: &[isize], lengths: &[usize]) -> Option<Vec<usize>> {
    let each = |(&place, &length): (&isize, &usize)| usize::try_from(place).ok().filter(|&place| place < length);
    places.iter().zip(lengths).map(each).collect()
}
