//! Models with their losses on a tape, and their gradients by hand on `ndarray`.

use ndarray::{Array2, Axis};
use wengert_autograd::check::{Diagnoses, Diagnosis, HandGradient, hand_gradient, hand_gradients};
use wengert_autograd::{Tensor, Var};

pub(crate) type Matrix = Array2<f64>;

/// Numbers between -1 and 1 in no simple order.
pub(crate) fn matrix(rows: usize, columns: usize, salt: usize) -> Matrix {
    Matrix::from_shape_fn((rows, columns), |(i, j)| {
        -1.0 + 2.0 * ((i * columns + j + 1) as f64 * 0.618_033_988_749_894_9 + salt as f64 * 0.377).fract()
    })
}

pub(crate) fn tensor(matrix: &Matrix) -> Tensor<f64> {
    Tensor::from(matrix.clone())
}

pub(crate) fn sigmoid(z: &Matrix) -> Matrix {
    z.mapv(|z| 1.0 / (1.0 + (-z).exp()))
}

pub(crate) fn constant<'t>(like: Var<'t, f64>, matrix: &Matrix) -> Var<'t, f64> {
    like.tape().constant(tensor(matrix))
}

/// `mean((y - x w)²)`: six examples of three features.
pub(crate) struct Linear {
    pub(crate) x: Matrix,
    pub(crate) y: Matrix,
    pub(crate) w: Matrix,
}

impl Linear {
    pub(crate) fn new(outputs: usize) -> Self {
        Linear { x: matrix(7, 3, 1), y: matrix(7, outputs, 2), w: matrix(3, outputs, 3) }
    }

    pub(crate) fn loss<'t>(&self, w: Var<'t, f64>) -> Var<'t, f64> {
        (constant(w, &self.y) - constant(w, &self.x).matmul(w)).square().mean()
    }

    pub(crate) fn error(&self) -> Matrix {
        &self.y - &self.x.dot(&self.w)
    }

    /// By hand, and right.
    pub(crate) fn gradient(&self) -> Matrix {
        self.x.t().dot(&self.error()) * (-2.0 / self.y.len() as f64)
    }

    pub(crate) fn diagnose(&self, mine: &Matrix) -> Diagnosis {
        hand_gradient(|w| self.loss(w), &tensor(&self.w), &tensor(mine)).expect("a diagnosis")
    }
}

/// `mean((y - sigmoid(x w + b))²)`.
pub(crate) struct Layer {
    pub(crate) x: Matrix,
    pub(crate) y: Matrix,
    pub(crate) w: Matrix,
    pub(crate) b: Matrix,
}

impl Layer {
    pub(crate) fn new() -> Self {
        Layer { x: matrix(7, 3, 4), y: matrix(7, 2, 5), w: matrix(3, 2, 6), b: matrix(1, 2, 7) }
    }

    pub(crate) fn loss<'t>(&self, w: Var<'t, f64>) -> Var<'t, f64> {
        let s = (constant(w, &self.x).matmul(w) + constant(w, &self.b)).sigmoid();
        (constant(w, &self.y) - s).square().mean()
    }

    pub(crate) fn z(&self) -> Matrix {
        self.x.dot(&self.w) + &self.b
    }

    /// `-2/n xᵀ ((y - s) · derivative)`.
    pub(crate) fn gradient_with(&self, derivative: &Matrix) -> Matrix {
        self.x.t().dot(&((&self.y - &sigmoid(&self.z())) * derivative)) * (-2.0 / self.y.len() as f64)
    }

    pub(crate) fn gradient(&self) -> Matrix {
        let s = sigmoid(&self.z());
        self.gradient_with(&(&s * &(1.0 - &s)))
    }

    pub(crate) fn diagnose(&self, mine: &Matrix) -> Diagnosis {
        let doctor = HandGradient::new().learning_rate(0.3).name("W");
        doctor.run_one(|w| self.loss(w), &tensor(&self.w), &tensor(mine)).expect("a diagnosis")
    }
}

/// Two sigmoid layers without offsets, squared error; `w1` and `w2` are the inputs.
pub(crate) struct TwoLayers {
    pub(crate) x: Matrix,
    pub(crate) y: Matrix,
    pub(crate) w1: Matrix,
    pub(crate) w2: Matrix,
}

impl TwoLayers {
    pub(crate) fn new() -> Self {
        TwoLayers { x: matrix(9, 3, 8), y: matrix(9, 2, 9), w1: matrix(3, 4, 10) * 2.0, w2: matrix(4, 2, 11) * 2.0 }
    }

    pub(crate) fn loss<'t>(&self, w: &[Var<'t, f64>]) -> Var<'t, f64> {
        let hidden = constant(w[0], &self.x).matmul(w[0]).sigmoid();
        (constant(w[0], &self.y) - hidden.matmul(w[1]).sigmoid()).square().mean()
    }

    /// The gradients by hand; each flag leaves the derivative of a sigmoid in.
    pub(crate) fn gradients(&self, at_output: bool, at_hidden: bool) -> [Matrix; 2] {
        let hidden = sigmoid(&self.x.dot(&self.w1));
        let out = sigmoid(&hidden.dot(&self.w2));
        let mut delta = (&out - &self.y) * (2.0 / self.y.len() as f64);
        if at_output {
            delta = delta * &out * (1.0 - &out);
        }
        let mut below = delta.dot(&self.w2.t());
        if at_hidden {
            below = below * &hidden * (1.0 - &hidden);
        }
        [self.x.t().dot(&below), hidden.t().dot(&delta)]
    }

    pub(crate) fn diagnose(&self, mine: &[Matrix; 2]) -> Diagnoses {
        let inputs = [tensor(&self.w1), tensor(&self.w2)];
        hand_gradients(|w| self.loss(w), &inputs, &mine.each_ref().map(tensor)).expect("a diagnosis")
    }
}

/// Softmax regression: the mean cross entropy of four classes.
pub(crate) struct Classes {
    pub(crate) x: Matrix,
    pub(crate) y: Matrix,
    pub(crate) w: Matrix,
}

impl Classes {
    pub(crate) fn new() -> Self {
        let y = Matrix::from_shape_fn((7, 4), |(i, j)| if (3 * i + 1) % 4 == j { 1.0 } else { 0.0 });
        Classes { x: matrix(7, 3, 12), y, w: matrix(3, 4, 13) }
    }

    pub(crate) fn loss<'t>(&self, w: Var<'t, f64>) -> Var<'t, f64> {
        -(constant(w, &self.y) * constant(w, &self.x).matmul(w).softmax(1).ln()).sum() / 7.0
    }

    pub(crate) fn softmax(&self) -> Matrix {
        let exp = self.x.dot(&self.w).mapv(f64::exp);
        let sums = exp.sum_axis(Axis(1)).insert_axis(Axis(1));
        exp / sums
    }

    pub(crate) fn gradient(&self) -> Matrix {
        self.x.t().dot(&(self.softmax() - &self.y)) / 7.0
    }

    pub(crate) fn diagnose(&self, mine: &Matrix) -> Diagnosis {
        hand_gradient(|w| self.loss(w), &tensor(&self.w), &tensor(mine)).expect("a diagnosis")
    }
}

/// Logistic regression with the cross entropy written out, and a penalty.
pub(crate) struct Logistic {
    pub(crate) x: Matrix,
    pub(crate) y: Matrix,
    pub(crate) w: Matrix,
    pub(crate) penalty: f64,
}

impl Logistic {
    pub(crate) fn new(penalty: f64) -> Self {
        let y = Matrix::from_shape_fn((9, 1), |(i, _)| if i % 3 == 0 { 1.0 } else { 0.0 });
        Logistic { x: matrix(9, 4, 14), y, w: matrix(4, 1, 15), penalty }
    }

    pub(crate) fn loss<'t>(&self, w: Var<'t, f64>) -> Var<'t, f64> {
        let s = constant(w, &self.x).matmul(w).sigmoid();
        let y = constant(w, &self.y);
        let entropy = -(y * s.ln() + (1.0 - y) * (1.0 - s).ln()).mean();
        if self.penalty == 0.0 { entropy } else { entropy + self.penalty * w.square().sum() }
    }

    pub(crate) fn s(&self) -> Matrix {
        sigmoid(&self.x.dot(&self.w))
    }

    /// Without the penalty.
    pub(crate) fn entropy_gradient(&self) -> Matrix {
        self.x.t().dot(&(self.s() - &self.y)) / 9.0
    }

    pub(crate) fn gradient(&self) -> Matrix {
        self.entropy_gradient() + 2.0 * self.penalty * &self.w
    }

    pub(crate) fn diagnose(&self, mine: &Matrix) -> Diagnosis {
        let doctor = HandGradient::new().learning_rate(0.25);
        doctor.run_one(|w| self.loss(w), &tensor(&self.w), &tensor(mine)).expect("a diagnosis")
    }
}
