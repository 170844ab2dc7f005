//! Samples of the windowed ops, with their definitions written out over `ndarray`, one place after the other.

mod convolution;
mod linear;
mod pooling;

pub(in crate::ops) use convolution::{conv, conv_transpose};
pub(in crate::ops) use linear::{fold, interpolate, unfold, windows};
pub(in crate::ops) use pooling::{adaptive_avg_pool, adaptive_max_pool, avg_pool, max_pool};

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
