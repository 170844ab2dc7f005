//! Values, gradients and Hessian-vector products against those of another framework: 20,000 rows by JAX in f64, stored by
//! `generate.py`.

use wengert_autograd::transform::{hvp, value_and_grad};
use wengert_autograd::{Conv, Tensor, Var, einsum, hypot, logaddexp, maximum, minimum};

type Function = for<'t> fn(Var<'t, f64>) -> Var<'t, f64>;

/// Σ cos(i + 1) yᵢ, as in `generate.py`.
fn weighted(y: Var<'_, f64>) -> Var<'_, f64> {
    let weights = Tensor::from_fn([y.shape().volume()], |i| (i as f64 + 1.0).cos());
    (y.flatten() * y.tape().constant(weights)).sum()
}

fn matrix(x: Var<'_, f64>) -> Var<'_, f64> {
    x.reshape([2, 3])
}

/// A number of the point.
fn at(x: Var<'_, f64>, place: usize) -> Var<'_, f64> {
    x.narrow(0, place, 1).reshape([])
}

#[cfg(feature = "linalg")]
fn shifted(x: Var<'_, f64>) -> Var<'_, f64> {
    x.reshape([3, 3]) + x.tape().constant(Tensor::eye(3)) * 4.0
}

macro_rules! functions {
    ($($name:literal => |$x:ident| $body:expr;)*) => {
        &[$(($name, |$x| $body)),*]
    };
}

const ONE: &[(&str, Function)] = functions! {
    "abs" => |x| x.abs();
    "square" => |x| x.square();
    "sqrt" => |x| x.sqrt();
    "rsqrt" => |x| x.rsqrt();
    "cbrt" => |x| x.cbrt();
    "recip" => |x| x.recip();
    "exp" => |x| x.exp();
    "exp2" => |x| x.exp2();
    "expm1" => |x| x.expm1();
    "ln" => |x| x.ln();
    "log2" => |x| x.log2();
    "log10" => |x| x.log10();
    "ln_1p" => |x| x.ln_1p();
    "sin" => |x| x.sin();
    "cos" => |x| x.cos();
    "tan" => |x| x.tan();
    "asin" => |x| x.asin();
    "acos" => |x| x.acos();
    "atan" => |x| x.atan();
    "sinh" => |x| x.sinh();
    "cosh" => |x| x.cosh();
    "tanh" => |x| x.tanh();
    "asinh" => |x| x.asinh();
    "acosh" => |x| x.acosh();
    "atanh" => |x| x.atanh();
    "erf" => |x| x.erf();
    "erfc" => |x| x.erfc();
    "lgamma" => |x| x.lgamma();
    "digamma" => |x| x.digamma();
    "relu" => |x| x.relu();
    "relu6" => |x| x.relu6();
    "leaky_relu" => |x| x.leaky_relu(0.1);
    "elu" => |x| x.elu(1.5);
    "celu" => |x| x.celu(1.5);
    "selu" => |x| x.selu();
    "gelu" => |x| x.gelu();
    "gelu_tanh" => |x| x.gelu_tanh();
    "silu" => |x| x.silu();
    "mish" => |x| x.mish();
    "sigmoid" => |x| x.sigmoid();
    "log_sigmoid" => |x| x.log_sigmoid();
    "softplus" => |x| x.softplus();
    "softsign" => |x| x.softsign();
    "hard_sigmoid" => |x| x.hard_sigmoid();
    "hard_swish" => |x| x.hard_swish();
    "hard_tanh" => |x| x.hard_tanh();
    "tanh_shrink" => |x| x.tanh_shrink();
    "powi_5" => |x| x.powi(5);
    "powf_2_5" => |x| x.powf(2.5);
};

const TWO: &[(&str, Function)] = functions! {
    "add" => |x| at(x, 0) + at(x, 1);
    "sub" => |x| at(x, 0) - at(x, 1);
    "mul" => |x| at(x, 0) * at(x, 1);
    "div" => |x| at(x, 0) / at(x, 1);
    "pow" => |x| at(x, 0).pow(at(x, 1));
    "atan2" => |x| at(x, 0).atan2(at(x, 1));
    "maximum" => |x| maximum(at(x, 0), at(x, 1));
    "minimum" => |x| minimum(at(x, 0), at(x, 1));
    "hypot" => |x| hypot(at(x, 0), at(x, 1));
    "logaddexp" => |x| logaddexp(at(x, 0), at(x, 1));
    "xlogy" => |x| at(x, 0).xlogy(at(x, 1));
    "rem" => |x| at(x, 0).rem(at(x, 1));
};

const TENSORS: &[(&str, Function)] = functions! {
    "sum_axis" => |x| matrix(x).sum_axes(&[0], false).square();
    "mean" => |x| x.mean().powi(3);
    "var" => |x| matrix(x).var_axes(&[1], 0, false);
    "var_corrected" => |x| matrix(x).var_axes(&[1], 1, false);
    "std" => |x| matrix(x).std_axes(&[1], 0, false);
    "prod" => |x| matrix(x).prod_axes(&[1], false);
    "logsumexp" => |x| matrix(x).logsumexp_axes(&[1], false);
    "norm_1" => |x| matrix(x).norm_axes(1.0, &[1], false).square();
    "norm_2" => |x| matrix(x).norm_axes(2.0, &[1], false);
    "norm_3" => |x| matrix(x).norm_axes(3.0, &[1], false);
    "softmax" => |x| matrix(x).softmax(1);
    "log_softmax" => |x| matrix(x).log_softmax(0);
    "cumsum" => |x| matrix(x).cumsum(1).square();
    "cumprod" => |x| matrix(x).cumprod(1);
    "max_axis" => |x| matrix(x).max_axes(&[1], false).square();
    "sort" => |x| matrix(x).sort(1, false).0.square();
    "matmul" => |x| matrix(x.narrow(0, 0, 6)).matmul(x.narrow(0, 6, 6).reshape([3, 2]));
    "einsum" => |x| einsum(
        "ij,kj,ik->j",
        &[matrix(x.narrow(0, 0, 6)), matrix(x.narrow(0, 6, 6)), x.narrow(0, 12, 4).reshape([2, 2])],
    );
    "tril" => |x| x.reshape([3, 3]).tril(-1).square();
    "gather" => |x| x.take(vec![4, 0, 4, 2]).square();
    "where" => |x| x.gt(0.0).where_(x.exp(), x * x);
    "cosine_similarity" => |x| x.narrow(0, 0, 3).cosine_similarity(x.narrow(0, 3, 3), 0);
    "conv1d" => |x| x
        .narrow(0, 0, 6)
        .reshape([1, 1, 6])
        .conv1d(x.narrow(0, 6, 6).reshape([2, 1, 3]), Conv::new().stride(2).padding(1))
        .square();
    "conv2d" => |x| x
        .narrow(0, 0, 16)
        .reshape([1, 1, 4, 4])
        .pad(&[(0, 0), (0, 0), (1, 0), (1, 0)], 0.0)
        .conv2d(x.narrow(0, 16, 4).reshape([1, 1, 2, 2]), Conv::new().dilation([1, 2]));
    "max_pool2d" => |x| x.reshape([1, 1, 4, 4]).max_pool2d(2).square();
    "avg_pool2d" => |x| x.reshape([1, 1, 4, 4]).avg_pool2d(2).square();
};

#[cfg(feature = "linalg")]
const LINALG: &[(&str, Function)] = functions! {
    "det" => |x| shifted(x).det();
    "logdet" => |x| shifted(x).logdet();
    "inv" => |x| shifted(x).inv();
    "solve" => |x| shifted(x.narrow(0, 0, 9)).solve(x.narrow(0, 9, 3));
    "cholesky" => |x| shifted(x).matmul(shifted(x).t()).cholesky();
};
#[cfg(not(feature = "linalg"))]
const LINALG: &[(&str, Function)] = &[];
const OF_LINALG: [&str; 5] = ["det", "logdet", "inv", "solve", "cholesky"];

fn function(name: &str) -> Option<Function> {
    [ONE, TWO, TENSORS, LINALG].into_iter().flatten().find(|known| known.0 == name).map(|known| known.1)
}

/// The largest difference between two lists, relative to the largest number of the row.
fn difference(own: &[f64], other: &[f64], scale: f64) -> f64 {
    assert_eq!(own.len(), other.len());
    own.iter().zip(other).map(|(own, other)| (own - other).abs() / scale).fold(0.0, f64::max)
}

struct Row<'a> {
    x: &'a [f64],
    direction: &'a [f64],
    value: f64,
    gradient: &'a [f64],
    product: &'a [f64],
}

/// The largest differences of value, gradient and Hessian-vector product.
fn compare(function: Function, row: &Row<'_>) -> [f64; 3] {
    let tensor = |values: &[f64]| Tensor::from_vec([values.len()], values.to_vec()).expect("a list of numbers");
    let (x, direction) = (tensor(row.x), tensor(row.direction));
    let (value, gradient) = value_and_grad(|x| weighted(function(x)), &x).expect("a value and a gradient");
    let product = hvp(|x| weighted(function(x)), &x, &direction).expect("a product");
    // A function of one or two numbers is not weighted in the table.
    let weight = if row.x.len() <= 2 { 1f64.cos() } else { 1.0 };
    let scale = |numbers: &[f64]| numbers.iter().fold(1.0f64, |most, number| most.max(number.abs()));
    let own = |numbers: &[f64]| numbers.iter().map(|number| number / weight).collect::<Vec<_>>();
    let size = scale(row.gradient).max(row.value.abs());
    [
        difference(&own(&[value]), &[row.value], scale(&[row.value])),
        difference(&own(gradient.as_slice()), row.gradient, size),
        difference(&own(product.as_slice()), row.product, size.max(scale(row.product))),
    ]
}

#[test]
fn twenty_thousand_rows_agree() {
    let bytes = include_bytes!("vectors.bin");
    let numbers: Vec<f64> = bytes.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect();
    let (mut rest, mut rows, mut worst) = (&numbers[..], 0, vec![]);
    for line in include_str!("vectors.txt").lines().skip(1) {
        let words: Vec<&str> = line.split(' ').collect();
        let (name, n, count): (_, usize, usize) = (words[0], words[1].parse().unwrap(), words[2].parse().unwrap());
        let mut most = [0f64; 3];
        for _ in 0..count {
            let (row, later) = rest.split_at(4 * n + 1);
            rest = later;
            let Some(function) = function(name) else { continue };
            let (x, row) = row.split_at(n);
            let (direction, row) = row.split_at(n);
            let row = Row { x, direction, value: row[0], gradient: &row[1..=n], product: &row[n + 1..] };
            let differences = compare(function, &row);
            most.iter_mut().zip(differences).for_each(|(most, difference)| *most = most.max(difference));
            rows += 1;
        }
        assert!(function(name).is_some() || OF_LINALG.contains(&name), "{name} is not compared");
        worst.push((name, most));
    }
    assert!(rest.is_empty());
    println!("{rows} rows");
    for (name, [value, gradient, product]) in &worst {
        println!("{name:20} value {value:.1e}   gradient {gradient:.1e}   product {product:.1e}");
    }
    assert!(rows >= 19_000, "{rows} rows");
    let apart: Vec<_> =
        worst.iter().filter(|(_, most)| most.iter().any(|&most| most.is_nan() || most > 1e-12)).collect();
    assert!(apart.is_empty(), "{apart:?}");
}

#[test]
fn the_comparison_bites() {
    let row =
        Row { x: &[0.5], direction: &[1.0], value: 0.5f64.sin(), gradient: &[0.5f64.cos()], product: &[-0.5f64.sin()] };
    assert!(compare(|x| x.sin(), &row).iter().all(|&most| most < 1e-15));
    assert!(compare(|x| x.sin() * (1.0 + 1e-11), &row).iter().all(|&most| most > 1e-12));
}
