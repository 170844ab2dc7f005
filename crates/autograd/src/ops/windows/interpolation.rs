//! Interpolation to another size.

use super::{Interpolation, check_bins};
use crate::error::Result;
use crate::kernels::number::Element;
use crate::kernels::windows::banded::Band;
use crate::tape::var::Var;
use crate::tensor::Shape;

/// The interpolation along each of the last axes, or the mistake.
fn bands<const N: usize>(size: [usize; N], mode: Interpolation, shape: &Shape) -> Result<[Option<Band>; N]> {
    check_bins(&size, shape)?;
    let lengths = &shape[shape.len() - N..];
    Ok(std::array::from_fn(|i| {
        let (input, output) = (lengths[i], size[i]);
        let band = match mode {
            Interpolation::Nearest => Band::Nearest { input, output },
            Interpolation::Linear => Band::Linear { input, output, align_corners: false },
            Interpolation::LinearAlignCorners => Band::Linear { input, output, align_corners: true },
        };
        (input != output).then_some(band)
    }))
}

impl<'t, T: Element> Var<'t, T> {
    /// The last axes brought to another size: each place of the output is an element of the input, or lies on the lines
    /// between its neighbours.
    ///
    /// The size has a length for each of the last one, two or three axes, so [`Interpolation::Linear`] is linear, bilinear
    /// or trilinear; all axes in front are kept. Along an axis of `n` elements and `m` outputs, output `j` is, with
    /// [`Interpolation::Nearest`], element `floor(j n / m)`; linear, it is at `(j + 1/2) n / m − 1/2`, never before the
    /// first or behind the last element; with aligned corners at `j (n − 1) / (m − 1)`. There is no smoothing before
    /// an axis gets shorter. PyTorch's `interpolate` with a size.
    ///
    /// # Errors
    /// Kept on the tape: too few axes, or none or more than three lengths; an axis without elements; a length of 0.
    ///
    /// ```
    /// use wengert_autograd::{Interpolation, Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::from([[[[0.0, 1.0], [2.0, 3.0]]]]));
    /// let y = x.interpolate([3, 3], Interpolation::LinearAlignCorners);
    /// assert_eq!(y.value()?, Tensor::from([[[[0.0, 0.5, 1.0], [1.0, 1.5, 2.0], [2.0, 2.5, 3.0]]]]));
    /// let [gx] = y.sum().grad([x]);
    /// assert_eq!(gx.value()?.as_slice(), [2.25; 4]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn interpolate<const N: usize>(self, size: [usize; N], mode: Interpolation) -> Self {
        self.banded("interpolate", |shape| match N {
            1..=3 => bands(size, mode, shape),
            _ => Err(super::misfit(format!("a size {size:?} of {N} axes, for an input of shape {shape}"))
                .hint("there are lengths for the last one, two or three axes")),
        })
    }
}
