//! Fused passes against every op alone, at sizes around the borders of blocks and tiles, and with several threads.

use std::sync::Mutex;

use wengert_autograd::kernels::number::Element;
use wengert_autograd::kernels::pool::set_threads;
use wengert_autograd::{Result, Tape, Tensor, Var};

/// The number of threads is one for the process.
static THREADS: Mutex<()> = Mutex::new(());

/// Between -1.5 and 1.5, with exact zeros among them.
fn numbers<T: Element>(shape: &[usize], salt: usize) -> Tensor<T> {
    Tensor::from_fn(shape, |i| {
        let part = ((i + 1 + 31 * salt) as f64 * 0.618_033_988_749_894_9).fract();
        T::of(if (i + salt) % 11 == 3 { 0.0 } else { -1.5 + 3.0 * part })
    })
}

/// What is computed: outputs over some inputs.
type Formula<T> = for<'t> fn(&[Var<'t, T>]) -> Vec<Var<'t, T>>;

fn run<T: Element>(formula: Formula<T>, inputs: &[Tensor<T>], separately: bool) -> Result<Vec<Tensor<T>>> {
    let tape = Tape::new();
    tape.check_finite(separately);
    let x: Vec<Var<'_, T>> = inputs.iter().map(|input| tape.input(input)).collect();
    Ok(tape.eval_all(&formula(&x))?.to_vec())
}

fn bits<T: Element>(tensors: &[Tensor<T>]) -> Vec<Vec<u64>> {
    tensors.iter().map(|tensor| tensor.as_slice().iter().map(|value| value.to_bits_u64()).collect()).collect()
}

/// Equal up to the rounding of sums in another order, of terms below 4, as many as there are elements for one of `b`.
fn close<T: Element>(a: &Tensor<T>, b: &Tensor<T>, elements: usize, what: &str) {
    assert_eq!(a.shape(), b.shape(), "{what}");
    let b_volume = b.as_slice().len().max(1);
    let scale = b.as_slice().iter().fold(1.0f64, |scale, b| scale.max(b.to_f64().abs()));
    for (i, (a, b)) in a.as_slice().iter().zip(b.as_slice()).enumerate() {
        let difference = (a.to_f64() - b.to_f64()).abs();
        let terms = (elements / b_volume) as f64;
        assert!(
            difference <= T::EPSILON.to_f64() * (64.0 * scale + 4.0 * terms),
            "{what}: element {i} is {a}, not {b}"
        );
    }
}

/// Fused and separate agree, and any number of threads gives the same bits.
fn check<T: Element>(what: &str, formula: Formula<T>, inputs: &[Tensor<T>], exact: bool) -> Result<()> {
    let shapes: Vec<_> = inputs.iter().map(|input| input.shape().to_vec()).collect();
    let what = format!("{what} of {shapes:?} in {}", T::NAME);
    let _own = THREADS.lock().expect("no test panicked");
    set_threads(1);
    let (fused, separate) = (run(formula, inputs, false)?, run(formula, inputs, true)?);
    let elements = inputs[0].as_slice().len();
    if exact {
        assert_eq!(bits(&fused), bits(&separate), "{what}");
    }
    fused.iter().zip(&separate).for_each(|(fused, separate)| close(fused, separate, elements, &what));
    for threads in [2, 3, 8] {
        set_threads(threads);
        assert_eq!(bits(&run(formula, inputs, false)?), bits(&fused), "{what} with {threads} threads");
    }
    set_threads(1);
    Ok(())
}

/// Sizes around tiles of 16 to 256 elements, and around every length that a block may have.
fn sizes() -> Vec<usize> {
    let borders = [16, 32, 64, 128, 256, 384, 512, 768, 1024, 2048, 4096, 16_384, 40_000];
    let mut sizes: Vec<usize> = borders.iter().flat_map(|&size| [size - 1, size, size + 1]).collect();
    sizes.extend([0, 1, 2, 3, 5]);
    sizes
}

/// What is computed, in both element types: numbers in a formula have its element type.
macro_rules! formulas {
    ($name:ident, $t:ty) => {
        mod $name {
            use wengert_autograd::Var;

            /// Every row that is mere arithmetic, in every position, beside others.
            pub(super) fn arithmetic<'t>(x: &[Var<'t, $t>]) -> Vec<Var<'t, $t>> {
                let (a, b, c) = (x[0], x[1], x[2]);
                let u = (a * b + c) * a - b / (c.square() + 1.5);
                let v = u.maximum(a).minimum(b * 2.0) + (a - u).relu() + (-b).relu();
                let w = a.gt(b).where_(v, 0.0) + a.lt(0.25).where_(u, b) + (u + u) * (v * v) - (c - c);
                let e = (w * 0.1).tanh() * v.sigmoid() + (-u.square()).exp();
                let f = (e + u) * (e - v) / (e * e + 2.0);
                vec![f, u, e.expand(e.shape()) * 3.0, ((f + a).square() + 0.5).sqrt()]
            }

            /// A scalar of a chain and the gradients by everything that it is made of.
            pub(super) fn gradients<'t>(x: &[Var<'t, $t>]) -> Vec<Var<'t, $t>> {
                let (x, a, b) = (x[0], x[1], x[2]);
                let y = ((a * x + b).tanh() * (b * x).sigmoid() + (-x.square()).exp()).sum();
                let [gx, ga, gb] = y.grad([x, a, b]);
                vec![y, gx, ga, gb]
            }

            /// Joins of a chain along axes: the last, the first, one in the middle, all, and several of them of one pass.
            pub(super) fn joins<'t>(x: &[Var<'t, $t>]) -> Vec<Var<'t, $t>> {
                let y = (x[0] * x[1]).tanh() * 2.0 + x[0];
                let axes: &[&[isize]] = match y.shape().len() {
                    2 => &[&[0], &[1], &[0, 1]],
                    _ => &[&[0], &[1], &[2], &[0, 1], &[1, 2], &[0, 2], &[0, 1, 2]],
                };
                let mut outputs = vec![y.square()];
                for axes in axes {
                    outputs.push(y.sum_axes(axes, false));
                    // The mean of nothing is no number.
                    let half = y * 0.5;
                    outputs.push(if y.shape().volume() > 0 {
                        half.mean_axes(axes, true)
                    } else {
                        half.sum_axes(axes, true)
                    });
                }
                outputs
            }

            pub(super) fn extremes<'t>(x: &[Var<'t, $t>]) -> Vec<Var<'t, $t>> {
                let y = (x[0] * x[1]).tanh() * 2.0 + x[0];
                [&[0][..], &[1], &[0, 1]]
                    .iter()
                    .flat_map(|axes| [y.max_axes(axes, false), (y * y).min_axes(axes, true)])
                    .collect()
            }

            /// Rows of one pass joined through views of other shapes.
            pub(super) fn through_views<'t>(x: &[Var<'t, $t>]) -> Vec<Var<'t, $t>> {
                let y = x[0].tanh() * 3.0;
                vec![
                    y.sum_axes(&[1], false),
                    y.reshape([6, 40]).sum_axes(&[1], false),
                    y.reshape([40, 6]).sum_axes(&[0], false),
                    y.reshape([240]).sum(),
                    y.reshape([20, 1, 12]).max_axes(&[2], true),
                ]
            }
        }
    };
}
formulas!(single, f32);
formulas!(double, f64);

#[test]
fn arithmetic_at_every_size() -> Result<()> {
    for size in sizes() {
        let inputs = [numbers::<f32>(&[size], 1), numbers(&[size], 2), numbers(&[1], 3)];
        check("arithmetic", single::arithmetic, &inputs, true)?;
        let inputs = [numbers::<f64>(&[size], 1), numbers(&[size], 2), numbers(&[size], 3)];
        check("arithmetic", double::arithmetic, &inputs, true)?;
    }
    Ok(())
}

#[test]
fn a_chain_with_its_gradients_at_every_size() -> Result<()> {
    for size in sizes() {
        check("gradients", single::gradients, &[numbers::<f32>(&[size], 1), numbers(&[], 2), numbers(&[], 4)], false)?;
        check("gradients", double::gradients, &[numbers::<f64>(&[size], 1), numbers(&[], 2), numbers(&[], 4)], false)?;
    }
    Ok(())
}

#[test]
fn joins_along_axes() -> Result<()> {
    let columns = [1, 2, 3, 10, 64, 128, 255, 256, 257, 1000, 1023, 1024, 1025];
    for rows in [0, 1, 2, 5, 63, 128, 300] {
        for columns in columns {
            let shape = [rows, columns];
            check("joins", single::joins, &[numbers::<f32>(&shape, 1), numbers(&[columns], 2)], false)?;
            check("joins", double::joins, &[numbers::<f64>(&shape, 1), numbers(&[rows, 1], 2)], false)?;
            if rows > 0 {
                check("extremes", single::extremes, &[numbers::<f32>(&shape, 1), numbers(&[columns], 2)], true)?;
                check("extremes", double::extremes, &[numbers::<f64>(&shape, 1), numbers(&[columns], 2)], true)?;
            }
        }
    }
    for shape in [[3, 4, 5], [1, 16, 64], [20, 1, 7], [7, 100, 1], [2, 0, 3], [17, 33, 9], [40, 8, 128]] {
        check("joins", single::joins, &[numbers::<f32>(&shape, 1), numbers(&[shape[2]], 2)], false)?;
        check("joins", double::joins, &[numbers::<f64>(&shape, 1), numbers(&[], 2)], false)?;
    }
    Ok(())
}

#[test]
fn joins_through_views() -> Result<()> {
    check("views", single::through_views, &[numbers::<f32>(&[20, 12], 1)], false)?;
    check("views", double::through_views, &[numbers::<f64>(&[20, 12], 1)], false)
}

#[test]
fn a_join_is_of_the_pass() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(numbers::<f32>(&[128, 100], 1));
    let bias = tape.input(numbers::<f32>(&[100], 2));
    let y = (x + bias).tanh();
    let plan = tape.plan([y.sum_axes(&[0], false), y.sum_axes(&[1], true), y.mean()])?;
    assert_eq!(plan.kernels().len(), 2, "{plan}"); // the mean is a quotient of the sum
    assert_eq!(plan.buffer_bytes() / 4, 1, "{plan}");
    Ok(())
}
