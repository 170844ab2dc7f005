//! Losses of each element by itself.

use wengert_autograd::{Element, Var};

use super::{Reduction, fits, reduce};

/// A loss of each element: its options with their defaults, and the function with the defaults.
macro_rules! elementwise {
    (
        $(#[doc = $doc:literal])*
        $name:ident $function:ident { $($(#[doc = $field_doc:literal])* $field:ident: $default:literal),* }
        |$options:ident, $prediction:ident, $target:ident| $each:expr
    ) => {
        #[doc = concat!("[`", stringify!($function), "`] with options.")]
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name {
            reduction: Reduction,
            $($field: f64,)*
        }

        impl $name {
            /// The defaults.
            pub fn new() -> Self {
                $name { reduction: Reduction::Mean, $($field: $default,)* }
            }

            /// How the losses become one. Default: their mean.
            pub fn reduction(mut self, reduction: Reduction) -> Self {
                self.reduction = reduction;
                self
            }

            $(
                $(#[doc = $field_doc])*
                pub fn $field(mut self, $field: f64) -> Self {
                    self.$field = $field;
                    self
                }
            )*

            /// Records the loss: of shape `[]`, or that of the operands without a reduction.
            #[track_caller]
            pub fn forward<'t, T: Element>(&self, $prediction: Var<'t, T>, $target: Var<'t, T>) -> Var<'t, T> {
                if let Err(failed) = fits(stringify!($function), $prediction, $target) {
                    return failed;
                }
                let $options = self;
                let each = $each;
                reduce(stringify!($function), each, self.reduction, None)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                $name::new()
            }
        }

        $(#[doc = $doc])*
        ///
        /// # Errors
        /// Kept on the tape: operands of different shapes; the mean of nothing.
        #[track_caller]
        pub fn $function<'t, T: Element>(prediction: Var<'t, T>, target: Var<'t, T>) -> Var<'t, T> {
            $name::new().forward(prediction, target)
        }
    };
}

elementwise! {
    /// `mean((p - t)²)`: the mean square error.
    ///
    /// ```
    /// use wengert_autograd::Tape;
    /// use wengert_nn::loss;
    /// let tape = Tape::new();
    /// let p = tape.input([1.0, 4.0]);
    /// let y = loss::mse(p, tape.constant([3.0, 3.0]));
    /// assert_eq!(y.item()?, 2.5);
    /// let [gp] = y.grad([p]);                           // 2 (p - t) / n
    /// assert_eq!(gp.value()?.as_slice(), [-2.0, 1.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    Mse mse {}
    |_options, prediction, target| (prediction - target).square()
}

elementwise! {
    /// `mean(|p - t|)`; the derivative is 0 where both are equal.
    ///
    /// ```
    /// use wengert_autograd::Tape;
    /// use wengert_nn::loss;
    /// let tape = Tape::new();
    /// let p = tape.input([1.0, 4.0]);
    /// let y = loss::l1(p, tape.constant([3.0, 3.0]));
    /// assert_eq!(y.item()?, 1.5);
    /// let [gp] = y.grad([p]);
    /// assert_eq!(gp.value()?.as_slice(), [-0.5, 0.5]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    L1 l1 {}
    |_options, prediction, target| (prediction - target).abs()
}

elementwise! {
    /// With `d = p - t`, the mean of `d² / 2` where `|d| < delta`, else `delta (|d| - delta / 2)`. Default, that of
    /// PyTorch: delta 1.
    ///
    /// Source: Huber, "Robust estimation of a location parameter", 1964.
    ///
    /// ```
    /// use wengert_autograd::Tape;
    /// use wengert_nn::loss;
    /// let tape = Tape::new();
    /// let p = tape.input([0.5, 3.0]);
    /// let y = loss::huber(p, tape.constant([0.0, 0.0]));
    /// assert_eq!(y.item()?, (0.125 + 2.5) / 2.0);
    /// let [gp] = y.grad([p]);                           // d cut to [-delta, delta], / n
    /// assert_eq!(gp.value()?.as_slice(), [0.25, 0.5]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    Huber huber {
        /// Where the parabola becomes a line. Default 1; not above 0 gives 0 everywhere.
        delta: 1.0
    }
    |options, prediction, target| parabola_and_line(prediction - target, options.delta.max(0.0))
}

elementwise! {
    /// With `d = p - t`, the mean of `d² / (2 beta)` where `|d| < beta`, else `|d| - beta / 2`: [`huber`] with
    /// `delta = beta`, divided by it. Default, that of PyTorch: beta 1.
    ///
    /// Source: Girshick, "Fast R-CNN", 2015.
    ///
    /// ```
    /// use wengert_autograd::Tape;
    /// use wengert_nn::loss::SmoothL1;
    /// let tape = Tape::new();
    /// let p = tape.input([1.0, 3.0]);
    /// let y = SmoothL1::new().beta(2.0).forward(p, tape.constant([0.0, 0.0]));
    /// assert_eq!(y.item()?, (0.25 + 2.0) / 2.0);
    /// let [gp] = y.grad([p]);
    /// assert_eq!(gp.value()?.as_slice(), [0.25, 0.5]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    SmoothL1 smooth_l1 {
        /// Where the parabola becomes a line. Default 1; not above 0 gives [`l1`].
        beta: 1.0
    }
    |options, prediction, target| match options.beta > 0.0 {
        true => parabola_and_line(prediction - target, options.beta) / T::of(options.beta),
        false => (prediction - target).abs(),
    }
}

elementwise! {
    /// `-mean(t ln p + (1 - t) ln(1 - p))`: binary cross-entropy of probabilities `p`. Both logarithms are cut at -100, as
    /// in PyTorch; the derivative is 0 where one is cut. From logits, [`bce_with_logits`] is exact and stable.
    ///
    /// ```
    /// use wengert_autograd::Tape;
    /// use wengert_nn::loss;
    /// let tape = Tape::new();
    /// let p = tape.input([0.5, 0.0]);
    /// let y = loss::bce(p, tape.constant([1.0, 1.0]));
    /// assert_eq!(y.item()?, (2f64.ln() + 100.0) / 2.0);
    /// let [gp] = y.grad([p]);                           // (p - t) / (p (1 - p)) / n
    /// assert_eq!(gp.value()?.as_slice(), [-1.0, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    Bce bce {}
    |_options, prediction, target| {
        let (one, other) = (prediction.ln().clamp(LEAST, f64::INFINITY), (-prediction).ln_1p().clamp(LEAST, f64::INFINITY));
        -(target * one + (-target + T::of(1.0)) * other)
    }
}

elementwise! {
    /// `mean(softplus(-x) t + softplus(x) (1 - t))`: binary cross-entropy of `p = sigmoid(x)`, from the logits `x`. Exact
    /// for logits of any size.
    ///
    /// ```
    /// use wengert_autograd::Tape;
    /// use wengert_nn::loss;
    /// let tape = Tape::new();
    /// let x = tape.input([0.0, 1e4]);
    /// let y = loss::bce_with_logits(x, tape.constant([1.0, 0.0]));
    /// assert_eq!(y.item()?, (2f64.ln() + 1e4) / 2.0);
    /// let [gx] = y.grad([x]);                           // (sigmoid(x) - t) / n
    /// assert_eq!(gx.value()?.as_slice(), [-0.25, 0.5]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    BceWithLogits bce_with_logits {
        /// The factor of the part of positive targets, `softplus(-x) t`. Default 1.
        pos_weight: 1.0
    }
    |options, prediction, target| {
        let positive = prediction.log_sigmoid() * target;
        let negative = (-prediction).log_sigmoid() * (-target + T::of(1.0));
        match options.pos_weight == 1.0 {
            true => -(positive + negative),
            false => -(positive * T::of(options.pos_weight) + negative),
        }
    }
}

elementwise! {
    /// `mean(max(0, 1 - t p))`, for targets -1 and 1; the derivative is 0 where `t p = 1`.
    ///
    /// Source: Cortes and Vapnik, "Support-vector networks", 1995.
    ///
    /// ```
    /// use wengert_autograd::Tape;
    /// use wengert_nn::loss;
    /// let tape = Tape::new();
    /// let p = tape.input([0.5, -3.0]);
    /// let y = loss::hinge(p, tape.constant([1.0, -1.0]));
    /// assert_eq!(y.item()?, 0.25);
    /// let [gp] = y.grad([p]);
    /// assert_eq!(gp.value()?.as_slice(), [-0.5, 0.0]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    Hinge hinge {}
    |_options, prediction, target| (-(target * prediction) + T::of(1.0)).relu()
}

/// The least value of a logarithm in [`bce`].
const LEAST: f64 = -100.0;

/// `d² / 2` where `|d| < joint`, else `joint (|d| - joint / 2)`: with `c` the `d` cut to `[-joint, joint]` that is
/// `c (d - c / 2)`.
#[track_caller]
fn parabola_and_line<'t, T: Element>(d: Var<'t, T>, joint: f64) -> Var<'t, T> {
    let cut = d.clamp(-joint, joint);
    cut * (d - cut * T::of(0.5))
}
