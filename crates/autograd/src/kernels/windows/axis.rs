//! Where windows lie along an axis. It must know no values.

/// One axis that a window slides along: element `k` of window `p` lies at `p * stride + k * dilation - padding`.
///
/// Places outside `0..input` are padding. How far the padding reaches at the end follows from the number of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Axis {
    /// The length of the axis.
    pub input: usize,
    /// The elements of a window.
    pub kernel: usize,
    /// The number of windows.
    pub output: usize,
    /// From one window to the next; at least 1.
    pub stride: usize,
    /// From one element of a window to the next; at least 1.
    pub dilation: usize,
    /// How far the first window starts in front of the axis.
    pub padding: usize,
}

impl Axis {
    /// An axis of length 1 with one window of one element.
    pub const UNIT: Axis = Axis { input: 1, kernel: 1, output: 1, stride: 1, dilation: 1, padding: 0 };

    /// Where element `k` of window `p` lies; none in the padding.
    #[inline(always)]
    pub fn place(&self, p: usize, k: usize) -> Option<usize> {
        let place = (p * self.stride + k * self.dilation).checked_sub(self.padding)?;
        (place < self.input).then_some(place)
    }

    /// The windows whose element `k` lies inside the axis: from the first up to the second number.
    #[inline(always)]
    pub fn inside(&self, k: usize) -> (usize, usize) {
        let shift = k * self.dilation;
        let low = self.padding.saturating_sub(shift).div_ceil(self.stride);
        let end = (self.input + self.padding).saturating_sub(shift).div_ceil(self.stride);
        let end = end.min(self.output);
        (low.min(end), end)
    }

    /// Whether each window is one element, and the windows are the axis.
    pub fn is_identity(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == 0 && self.input == self.output
    }

    /// The elements of window `p` inside the axis: the first one's place, how many, and the distance between them.
    #[inline(always)]
    pub(super) fn window(&self, p: usize) -> (usize, usize, usize) {
        let start = p * self.stride;
        let skipped = self.padding.saturating_sub(start).div_ceil(self.dilation);
        let first = start + skipped * self.dilation;
        let left = (self.input + self.padding).saturating_sub(first).div_ceil(self.dilation);
        (first.saturating_sub(self.padding), left.min(self.kernel.saturating_sub(skipped)), self.dilation)
    }
}

/// The windows along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Windows {
    /// All of one length, evenly apart.
    Even(Axis),
    /// `output` windows that together cover the axis: window `p` is `floor(p n / m)..ceil((p + 1) n / m)` for `n` places
    /// and `m` windows.
    Covering {
        /// The length of the axis.
        input: usize,
        /// The number of windows.
        output: usize,
    },
}

impl Windows {
    /// The length of the axis.
    pub fn input(&self) -> usize {
        match self {
            Windows::Even(axis) => axis.input,
            Windows::Covering { input, .. } => *input,
        }
    }

    /// The number of windows.
    pub fn output(&self) -> usize {
        match self {
            Windows::Even(axis) => axis.output,
            Windows::Covering { output, .. } => *output,
        }
    }

    /// The elements of window `p` inside the axis: the first one's place, how many, and the distance between them.
    #[inline(always)]
    pub fn window(&self, p: usize) -> (usize, usize, usize) {
        match *self {
            Windows::Even(axis) => axis.window(p),
            Windows::Covering { input, output } => {
                let (start, end) = covering(input, output, p);
                (start, end - start, 1)
            }
        }
    }
}

/// The ends of window `p` of [`Windows::Covering`].
#[inline(always)]
pub(super) fn covering(input: usize, output: usize, p: usize) -> (usize, usize) {
    // In 128 bits, so that no length overflows; short axes take the short way.
    match input.checked_mul(output) {
        Some(_) => (p * input / output, ((p + 1) * input).div_ceil(output)),
        None => {
            let (n, m, p) = (input as u128, output as u128, p as u128);
            ((p * n / m) as usize, ((p + 1) * n).div_ceil(m) as usize)
        }
    }
}
