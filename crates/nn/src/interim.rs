//! INTERIM: stands in for methods that `Var` is about to have. An inherent method hides the one of the same name here,
//! so the file and the lines that import it go away together.

use wengert_autograd::{Element, IndexTensor, Real, Tensor, Var};

pub(crate) trait Interim<'t, T: Element>: Sized {
    fn var(self) -> Var<'t, T>;

    fn clamp(self, low: f64, high: f64) -> Var<'t, T> {
        self.var().map(|x| {
            let (low, high) = (x.constant(low), x.constant(high));
            let cut = x.gt(high).select(high, x);
            low.gt(cut).select(low, cut)
        })
    }
    fn abs(self) -> Var<'t, T> {
        self.var().map(|x| x.relu() + (-x).relu())
    }
    fn ln_1p(self) -> Var<'t, T> {
        self.var().map(|x| (x + x.constant(1.0)).ln())
    }
    fn softplus(self) -> Var<'t, T> {
        self.var().map(|x| {
            let one = x.constant(1.0);
            x.gt(x.constant(0.0)).select(x + ((-x).exp() + one).ln(), (x.exp() + one).ln())
        })
    }
    fn log_sigmoid(self) -> Var<'t, T> {
        -(-self.var()).softplus()
    }
    fn log_softmax(self, axis: isize) -> Var<'t, T> {
        let x = self.var();
        let (width, shape) = (x.shape().last().copied().unwrap_or(1), x.shape());
        let largest = |values: &[T]| values.iter().fold(T::NEG_INFINITY, |a, &b| if b > a { b } else { a });
        let value = x.value().unwrap_or_else(|_| Tensor::zeros(&shape));
        let rows: Vec<T> = value.as_slice().chunks(width.max(1)).map(largest).collect();
        let largest = x.tape().constant(Tensor::from_fn(&shape, |i| rows[i / width]));
        let shifted = x - largest;
        shifted - shifted.exp().sum_axes(&[axis], true).ln()
    }
    fn softmax(self, axis: isize) -> Var<'t, T> {
        self.log_softmax(axis).exp()
    }
    fn gather(self, axis: isize, indices: impl Into<IndexTensor>) -> Var<'t, T> {
        let (x, indices) = (self.var(), indices.into());
        let width = x.shape().last().copied().unwrap_or(1);
        let mask = Tensor::from_fn(x.shape(), |i| T::of(f64::from(indices.as_slice()[i / width] == i % width)));
        x.tape().constant(mask).zip_map(x, |m, v| m.select(v, v.constant(0.0))).sum_axes(&[axis], true)
    }
    fn dropout(self, p: f64) -> Var<'t, T> {
        let x = self.var();
        let salt = x.tape().len() as u64;
        let mask = Tensor::from_fn(x.shape(), |i| {
            let mut z =
                (i as u64 ^ (salt << 40)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let draw = ((z ^ (z >> 29)) >> 11) as f64 / (1u64 << 53) as f64;
            T::of(if draw < p { 0.0 } else { 1.0 / (1.0 - p) })
        });
        x * x.tape().constant(mask)
    }
    fn relu6(self) -> Var<'t, T> {
        self.clamp(0.0, 6.0)
    }
    fn leaky_relu(self, slope: f64) -> Var<'t, T> {
        self.var().map(|x| x.gt(x.constant(0.0)).select(x, x * x.constant(slope)))
    }
    fn elu(self, alpha: f64) -> Var<'t, T> {
        self.var().map(|x| x.gt(x.constant(0.0)).select(x, (x.exp() - x.constant(1.0)) * x.constant(alpha)))
    }
    fn celu(self, alpha: f64) -> Var<'t, T> {
        let scaled = |x: wengert_autograd::Entry<'t, T>| (x / x.constant(alpha)).exp() - x.constant(1.0);
        self.var().map(|x| x.gt(x.constant(0.0)).select(x, scaled(x) * x.constant(alpha)))
    }
    fn selu(self) -> Var<'t, T> {
        self.elu(1.673_263_242_354_377_2) * T::of(1.050_700_987_355_480_5)
    }
    fn gelu(self) -> Var<'t, T> {
        self.gelu_tanh()
    }
    fn gelu_tanh(self) -> Var<'t, T> {
        self.var().map(|x| {
            let inner = (x + x * x * x * x.constant(0.044_715)) * x.constant((2.0 / std::f64::consts::PI).sqrt());
            x * x.constant(0.5) * (inner.tanh() + x.constant(1.0))
        })
    }
    fn silu(self) -> Var<'t, T> {
        self.var().map(|x| x * x.sigmoid())
    }
    fn mish(self) -> Var<'t, T> {
        let x = self.var();
        x * x.softplus().tanh()
    }
    fn hard_sigmoid(self) -> Var<'t, T> {
        (self.var() / T::of(6.0) + T::of(0.5)).clamp(0.0, 1.0)
    }
    fn hard_swish(self) -> Var<'t, T> {
        let x = self.var();
        x * x.hard_sigmoid()
    }
    fn hard_tanh(self) -> Var<'t, T> {
        self.clamp(-1.0, 1.0)
    }
    fn softsign(self) -> Var<'t, T> {
        let x = self.var();
        x / (x.abs() + T::of(1.0))
    }
    fn hard_shrink(self, lambda: f64) -> Var<'t, T> {
        let x = self.var();
        let far = x.abs();
        x.zip_map(far, |x, far| far.gt(x.constant(lambda)).select(x, x.constant(0.0)))
    }
    fn soft_shrink(self, lambda: f64) -> Var<'t, T> {
        self.var().map(|x| (x - x.constant(lambda)).relu() - (-x - x.constant(lambda)).relu())
    }
    fn tanh_shrink(self) -> Var<'t, T> {
        self.var().map(|x| x - x.tanh())
    }
    fn threshold(self, threshold: f64, value: f64) -> Var<'t, T> {
        self.var().map(|x| x.gt(x.constant(threshold)).select(x, x.constant(value)))
    }
}

impl<'t, T: Element> Interim<'t, T> for Var<'t, T> {
    fn var(self) -> Var<'t, T> {
        self
    }
}
