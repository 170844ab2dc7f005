//! Transforms: recomputation, gradients of each example, equations, the diagonal of the Hessian. Against closed forms,
//! finite differences, and the same computation written out.

use wengert_autograd::transform::{
    Implicit, checkpoint, checkpoint_many, fixed_point, grad, hessian, hessian_diagonal, jvp, per_example_grads,
    per_example_grads_of, root,
};
use wengert_autograd::{ErrorKind, Gradients, Param, Tape, Tensor, Var};

/// Numbers without a simple order, in (-1, 1).
fn numbers<const N: usize>(shape: [usize; N], start: usize) -> Tensor<f64> {
    Tensor::from_fn(shape, |i| 2.0 * (((i + start) as f64 * 0.618_033_988_75).fract() - 0.5))
}

fn close(a: &Tensor<f64>, b: &Tensor<f64>, tolerance: f64) {
    assert_eq!(a.shape(), b.shape());
    for (i, (a, b)) in a.as_slice().iter().zip(b.as_slice()).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "element {i}: {a} and {b}");
    }
}

/// `∂f/∂xᵢ` by central differences with one step of Richardson's extrapolation.
fn differences(f: impl Fn(&Tensor<f64>) -> f64, x: &Tensor<f64>, step: f64) -> Tensor<f64> {
    Tensor::from_fn(x.shape(), |i| {
        let at = |h: f64| {
            let mut moved = x.clone();
            moved.as_mut_slice()[i] += h;
            f(&moved)
        };
        let central = |h: f64| (at(h) - at(-h)) / (2.0 * h);
        (4.0 * central(step / 2.0) - central(step)) / 3.0
    })
}

const LAYERS: usize = 64;

/// 64 layers, in 8 blocks that are checkpoints or not.
fn chain<'t>(mut x: Var<'t, f64>, weights: &[Param<f64>], wrap: bool, dropout: f64) -> Var<'t, f64> {
    for block in weights.chunks(8) {
        let layers = |mut x: Var<'t, f64>| {
            for weight in block {
                x = x.matmul(x.tape().param(weight).t()).tanh().dropout(dropout);
            }
            x
        };
        x = if wrap { checkpoint(x, layers) } else { layers(x) };
    }
    x
}

fn weights(width: usize) -> Vec<Param<f64>> {
    (0..LAYERS).map(|layer| Param::new(numbers([width, width], 3 + 100 * layer))).collect()
}

#[test]
fn checkpoints_in_a_deep_chain_save_memory_and_change_no_bit() {
    let weights = weights(16);
    let x0 = numbers([200, 16], 11);
    let run = |wrap: bool| {
        let tape = Tape::training(5);
        let x = tape.input(&x0);
        let loss = chain(x, &weights, wrap, 0.25).square().mean();
        let leaves: Vec<Var<'_, f64>> = weights.iter().map(|weight| tape.param(weight)).collect();
        let [gx, first, last] = loss.grad([x, leaves[0], leaves[LAYERS - 1]]);
        let plan = tape.plan([loss, gx, first, last]).unwrap();
        let bytes = plan.buffer_bytes() + plan.result_bytes();
        let gradients = loss.backward().unwrap();
        let by_weights: Vec<Tensor<f64>> = weights.iter().map(|w| gradients.get(w).unwrap().clone()).collect();
        (bytes, loss.item().unwrap(), gradients.wrt(x).unwrap().clone(), by_weights)
    };
    let (plain, checkpointed) = (run(false), run(true));
    assert_eq!(plain.1.to_bits(), checkpointed.1.to_bits());
    assert!(plain.2 == checkpointed.2 && plain.3 == checkpointed.3);
    // Each of 64 layers keeps its result and its mask; with 8 checkpoints, 8 results, and 8 layers at a time.
    let activation = 200 * 16 * 8;
    println!("activations: {} and {}", plain.0 / activation, checkpointed.0 / activation);
    assert!(plain.0 > 2 * LAYERS * activation, "{} activations", plain.0 / activation);
    assert!(checkpointed.0 < 40 * activation, "{} activations", checkpointed.0 / activation);
}

#[test]
fn everything_in_a_checkpoint_is_computed_twice() {
    let weights = weights(8);
    let count = |wrap: bool| {
        let tape = Tape::new();
        let x = tape.input(numbers([5, 8], 1));
        let loss = chain(x, &weights, wrap, 0.0).square().sum();
        let [gx] = loss.grad([x]);
        tape.plan([loss, gx]).unwrap().to_string().matches("= tanh(").count()
    };
    assert_eq!(count(false), LAYERS);
    // The derivative of tanh is a function of its result, so the last one is computed again too.
    assert_eq!(count(true), 2 * LAYERS);
}

#[test]
fn every_order_of_derivative_through_checkpoints() {
    let x0 = numbers([2, 3], 4);
    fn inside<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
        (x.t().matmul(x).sin() * x.sum()).tanh()
    }
    fn twice<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
        let y = checkpoint(x, |x| checkpoint(x * 1.0, inside));
        y.matmul(checkpoint(x, inside)).sum()
    }
    close(&grad(twice, &x0).unwrap(), &grad(written_out, &x0).unwrap(), 1e-14);
    close(&hessian(twice, &x0).unwrap(), &hessian(written_out, &x0).unwrap(), 1e-13);
    let third = |f: for<'t> fn(Var<'t, f64>) -> Var<'t, f64>| {
        let tape = Tape::new();
        let x = tape.input(&x0);
        let [g] = f(x).grad([x]);
        let [h] = g.square().sum().grad([x]);
        let [t] = h.square().sum().grad([x]);
        t.value().unwrap()
    };
    fn written_out<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
        inside(x).matmul(inside(x)).sum()
    }
    close(&third(twice), &third(written_out), 1e-11);
    let direction = numbers([2, 3], 40);
    let pushed = jvp(|x| checkpoint(x, inside), &x0, &direction).unwrap();
    close(&pushed, &jvp(inside, &x0, &direction).unwrap(), 1e-14);
}

#[test]
fn what_a_checkpoint_captures_gets_its_gradient() {
    let (x0, h0, w) = (numbers([3, 2], 1), numbers([2, 3], 9), Param::new(numbers([2, 2], 20)));
    let gradients = |wrap: bool| {
        let tape = Tape::new();
        let (x, h) = (tape.input(&x0), tape.input(&h0));
        let captured = (h * 2.0).t();
        fn inside<'t>(x: Var<'t, f64>, captured: Var<'t, f64>, w: &Param<f64>) -> Var<'t, f64> {
            let w = x.tape().param(w);
            // A transposition that the product reads through, a parameter used in two places, a value of captured ones only.
            (x.matmul(w.t()) + captured.matmul(w)).tanh() * captured.sin() + captured.t().matmul(x).sum()
        }
        let y = if wrap { checkpoint(x, |x| inside(x, captured, &w)) } else { inside(x, captured, &w) };
        // The parameter is used before and after too: nothing is counted twice.
        let loss = (y.matmul(tape.param(&w)) * x.matmul(tape.param(&w))).sum() + captured.sum();
        let gradients = loss.backward().unwrap();
        [gradients.wrt(x).unwrap().clone(), gradients.wrt(h).unwrap().clone(), gradients.get(&w).unwrap().clone()]
    };
    for (a, b) in gradients(true).iter().zip(&gradients(false)) {
        close(a, b, 1e-14);
    }
}

#[test]
fn gradients_taken_inside_a_checkpoint() {
    let x0 = numbers([4], 2);
    fn energy<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
        let [force] = (x.sin() * x).sum().grad([x]);
        (force * x).tanh()
    }
    let expected = grad(|x| energy(x).sum(), &x0).unwrap();
    close(&grad(|x| checkpoint(x, energy).sum(), &x0).unwrap(), &expected, 1e-15);
}

#[test]
fn masks_are_drawn_again_with_the_same_bits() {
    let x0 = Tensor::<f64>::ones([1000]);
    let tape = Tape::training(9);
    let x = tape.input(&x0);
    let y = checkpoint(x, |x| x.dropout(0.5).square());
    let other = tape.rand_uniform([3]);
    let [gx] = y.sum().grad([x]);
    // y = m², dy/dx = 2 m² with the mask m of 0 and 2.
    let (y, gx) = (y.value().unwrap(), gx.value().unwrap());
    assert!(y.as_slice().iter().zip(gx.as_slice()).all(|(y, g)| 2.0 * y == *g));
    assert!(y.as_slice().contains(&0.0) && y.as_slice().contains(&4.0));
    let plain = Tape::training(9);
    let x = plain.input(&x0);
    assert_eq!(x.dropout(0.5).square().value().unwrap(), y);
    assert_eq!(plain.rand_uniform([3]).value().unwrap(), other.value().unwrap());
}

#[test]
fn checkpoints_of_odd_functions() {
    let tape = Tape::<f64>::new();
    let x = tape.input(numbers([3], 0));
    // The identity, a view, a constant, nothing.
    assert_eq!(checkpoint(x, |x| x).value().unwrap(), x.value().unwrap());
    let [g] = checkpoint(x, |x| x.reshape([3, 1])).sum().grad([x]);
    assert_eq!(g.value().unwrap(), Tensor::ones([3]));
    let seven = checkpoint(x, |x| x.tape().scalar(7.0));
    assert_eq!(seven.item().unwrap(), 7.0);
    let empty = tape.input(Tensor::<f64>::zeros([0, 2]));
    let [g] = checkpoint(empty, |x| x.tanh()).sum().grad([empty]);
    assert_eq!(g.value().unwrap(), Tensor::zeros([0, 2]));
    let both = checkpoint_many(&[x, x], |v| v[0] * v[1]);
    let [g] = both.sum().grad([x]);
    assert_eq!(g.value().unwrap(), (2.0 * x).value().unwrap());
    let none = checkpoint_many(&[], |_| x.tanh());
    assert_eq!(none.value().unwrap(), x.tanh().value().unwrap());
    // In the inference of a model it is the function.
    let inference = Tape::<f64>::inference();
    let x = inference.input(numbers([3], 0));
    assert_eq!(checkpoint(x, |x| x.exp()).value().unwrap(), x.exp().value().unwrap());
}

#[test]
fn mistakes_around_checkpoints() {
    let tape = Tape::<f64>::new();
    let x = tape.input(numbers([3], 0));
    let mut inner = x;
    let y = checkpoint(x, |x| {
        inner = x.tanh();
        inner.square()
    });
    let [g] = y.sum().grad([inner]);
    let error = g.value().unwrap_err().to_string();
    assert!(error.contains("lies inside a checkpoint"), "{error}");

    let tape = Tape::<f64>::new();
    let x = tape.input(numbers([3], 0));
    let error = checkpoint(x, |x| x.reshape([2, 2])).value().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);

    let (tape, other) = (Tape::<f64>::new(), Tape::<f64>::new());
    let (x, z) = (tape.input(numbers([3], 0)), other.input(numbers([3], 0)));
    assert_eq!(checkpoint(x, |_| z).value().unwrap_err().kind(), ErrorKind::Tape);
    let (tape, other) = (Tape::<f64>::new(), Tape::<f64>::new());
    let (x, z) = (tape.input(numbers([3], 0)), other.input(numbers([3], 0)));
    assert_eq!(checkpoint_many(&[x, z], |v| v[0]).value().unwrap_err().kind(), ErrorKind::Tape);
    // The loss does not depend on it: the same error as without.
    let tape = Tape::<f64>::new();
    let (x, z) = (tape.input(numbers([3], 0)), tape.input(numbers([3], 1)));
    let [g] = checkpoint_many(&[x, z], |v| v[0].tanh()).sum().grad([z]);
    assert_eq!(g.value().unwrap_err().kind(), ErrorKind::Unreached);
}

#[test]
fn gradients_of_each_example() {
    let (w, b) = (Param::new(numbers([3], 1)), Param::new(Tensor::scalar(0.3)));
    let (inputs, targets) = (numbers([5, 3], 7), numbers([5], 31));
    fn one_loss<'t>(x: Var<'t, f64>, y: Var<'t, f64>, w: &Param<f64>, b: &Param<f64>) -> Var<'t, f64> {
        (x.dot(x.tape().param(w)).tanh() + x.tape().param(b) - y).square()
    }
    let batch = [inputs.clone(), targets.clone()];
    let each = per_example_grads(|x| one_loss(x[0], x[1], &w, &b), &batch).unwrap();
    assert_eq!(each.len(), 5);
    for (i, gradients) in each.iter().enumerate() {
        let (row, target) = (&inputs.as_slice()[3 * i..3 * i + 3], targets.as_slice()[i]);
        let z: f64 = row.iter().zip(w.value().as_slice()).map(|(x, w)| x * w).sum();
        let outer = 2.0 * (z.tanh() + 0.3 - target);
        let expected = Tensor::from_fn([3], |j| outer * (1.0 - z.tanh().powi(2)) * row[j]);
        close(gradients.get(&w).unwrap(), &expected, 1e-14);
        close(gradients.get(&b).unwrap(), &Tensor::scalar(outer), 1e-14);
    }
    // Their sum is the gradient of the sum.
    let sum = each.into_iter().fold(Gradients::default(), |sum, one| sum + one);
    let tape = Tape::new();
    let x = tape.constant(&inputs);
    let all = (x.matmul(tape.param(&w)).tanh() + tape.param(&b) - tape.constant(&targets)).square().sum();
    close(sum.get(&w).unwrap(), all.backward().unwrap().get(&w).unwrap(), 1e-14);

    let of = per_example_grads_of(
        |p, x| (x[0].dot(p[0]).tanh() + p[1] - x[1]).square(),
        &[w.value().clone(), b.value().clone()],
        &batch,
    );
    let of = of.unwrap();
    assert_eq!(of[0].shape().to_vec(), [5, 3]);
    assert_eq!(of[1].shape().to_vec(), [5]);
    close(&Tensor::from_fn([3], |j| (0..5).map(|i| of[0].as_slice()[3 * i + j]).sum()), sum.get(&w).unwrap(), 1e-14);
}

#[test]
fn examples_that_take_different_branches() {
    let w = Param::new(Tensor::from([2.0, 3.0]));
    fn branch<'t>(x: Var<'t, f64>, w: &Param<f64>) -> Var<'t, f64> {
        let w = x.tape().param(w);
        match x.item().unwrap() > 0.0 {
            true => (w * x).sum(),
            false => w.prod(),
        }
    }
    let each = per_example_grads(|x| branch(x[0], &w), &[Tensor::from([5.0, -5.0])]).unwrap();
    assert_eq!(each[0].get(&w).unwrap().to_vec(), [5.0, 5.0]);
    assert_eq!(each[1].get(&w).unwrap().to_vec(), [3.0, 2.0]);
}

#[test]
fn mistakes_in_batches() {
    let w = Param::new(Tensor::from([2.0, 3.0]));
    let with = |batch: &[Tensor<f64>]| per_example_grads(|x| (x[0] * x[0].tape().param(&w)).sum(), batch);
    assert!(with(&[Tensor::zeros([0, 2])]).unwrap().is_empty());
    assert_eq!(with(&[]).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(with(&[Tensor::scalar(1.0)]).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(with(&[Tensor::zeros([2, 2]), Tensor::zeros([3])]).unwrap_err().kind(), ErrorKind::Shape);
    let error = with(&[Tensor::zeros([4, 3])]).unwrap_err().to_string();
    assert!(error.contains("[3]") && error.contains("[2]"), "{error}");
    let free = per_example_grads(|x| x[0].sum(), &[Tensor::<f64>::zeros([4, 3])]).unwrap_err();
    assert_eq!(free.kind(), ErrorKind::Gradient);
    let vector = per_example_grads(|x| x[0] * x[0].tape().param(&w), &[Tensor::zeros([4, 2])]).unwrap_err();
    assert!(vector.to_string().contains("one element needed"), "{vector}");
    let unused = per_example_grads_of(
        |p, x| p[0].dot(x[0]),
        &[Tensor::<f64>::ones([2]), Tensor::ones([2])],
        &[Tensor::ones([1, 2])],
    );
    assert_eq!(unused.unwrap_err().kind(), ErrorKind::Unreached);
    let none =
        per_example_grads_of(|p, x| p[0].dot(x[0]), &[Tensor::<f64>::ones([2])], &[Tensor::ones([0, 2])]).unwrap();
    assert_eq!(none[0].shape().to_vec(), [0, 2]);
}

#[test]
fn the_diagonal_of_the_hessian() {
    let x0 = numbers([2, 3], 5);
    fn f<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
        (x.matmul(x.t()).sin().sum() * x.sum()).tanh()
    }
    let full = hessian(f, &x0).unwrap();
    let diagonal = Tensor::from_fn([2, 3], |i| full.as_slice()[7 * i]);
    close(&hessian_diagonal(f, &x0).unwrap(), &diagonal, 1e-14);
    assert_eq!(hessian_diagonal(|x| x.sum(), &x0).unwrap(), Tensor::zeros([2, 3]));
    assert_eq!(hessian_diagonal(|x| x.sum(), &Tensor::<f64>::zeros([0])).unwrap(), Tensor::zeros([0]));
    assert_eq!(hessian_diagonal(|x| x * x, &x0).unwrap_err().kind(), ErrorKind::Gradient);
}

/// `x = tanh(W x + θ)`, with a contraction `W`.
fn network<'t>(theta: Var<'t, f64>, w: &Param<f64>) -> Var<'t, f64> {
    let solve = Implicit::new().tolerance(1e-14);
    solve.fixed_point(|x, theta| (x.tape().param(w).matmul(x) * 0.3 + theta).tanh(), Tensor::zeros([4]), theta)
}

#[test]
fn fixed_points_and_their_derivatives() {
    let (w, t0) = (Param::new(numbers([4, 4], 3)), numbers([4], 21));
    let weights = numbers([4], 50);
    let value = |t: &Tensor<f64>, w: &Param<f64>| {
        let tape = Tape::new();
        (network(tape.input(t), w) * tape.constant(&weights)).sum().item().unwrap()
    };
    let tape = Tape::new();
    let t = tape.input(&t0);
    let x = network(t, &w);
    // It is a fixed point.
    let again = (tape.param(&w).matmul(x) * 0.3 + t).tanh();
    close(&again.value().unwrap(), &x.value().unwrap(), 1e-14);
    let y = (x * tape.constant(&weights)).sum();
    let [gt, gw] = y.grad([t, tape.param(&w)]);
    close(&gt.value().unwrap(), &differences(|t| value(t, &w), &t0, 1e-2), 1e-8);
    close(&gw.value().unwrap(), &differences(|v| value(&t0, &Param::new(v.clone())), w.value(), 1e-2), 1e-8);
    // Against the iteration itself, differentiated step by step, in first, second and third order.
    let mut steps = t * 0.0;
    for _ in 0..80 {
        steps = (tape.param(&w).matmul(steps) * 0.3 + t).tanh();
    }
    for (order, (a, b)) in orders_of(x, t, &weights).iter().zip(orders_of(steps, t, &weights)).enumerate() {
        close(a, &b, [1e-13, 1e-12, 1e-10][order]);
    }
}

fn orders_of<'t>(x: Var<'t, f64>, t: Var<'t, f64>, weights: &Tensor<f64>) -> [Tensor<f64>; 3] {
    let [first] = (x * x.tape().constant(weights)).sum().grad([t]);
    let [second] = (first * x.tape().constant(weights)).sum().grad([t]);
    let [third] = (second * x.tape().constant(weights)).sum().grad([t]);
    x.tape().eval([first, second, third]).unwrap()
}

#[test]
fn roots_and_their_derivatives() {
    // x³ + θ x = 1, in closed form by implicit differentiation of the polynomial.
    let tape = Tape::new();
    let t = tape.input(Tensor::from([0.5, 1.0, 3.0]));
    let x = root(|x, t| x * x * x + t * x - 1.0, Tensor::ones([3]), t);
    let [first] = x.sum().grad([t]);
    let [second] = first.sum().grad([t]);
    let [x, first, second] = tape.eval([x, first, second]).unwrap();
    for i in 0..3 {
        let (x, t): (f64, f64) = (x.as_slice()[i], [0.5, 1.0, 3.0][i]);
        assert!((x * x * x + t * x - 1.0).abs() < 1e-15);
        let slope = 3.0 * x * x + t;
        let d = -x / slope;
        assert!(f64::abs(first.as_slice()[i] - d) < 1e-14);
        let dd = (-d * slope + x * (6.0 * x * d + 1.0)) / (slope * slope);
        assert!(f64::abs(second.as_slice()[i] - dd) < 1e-13);
    }
    // A linear system: x = A⁻¹ b.
    let a = Tensor::from([[3.0, 1.0], [-1.0, 2.0]]);
    let tape = Tape::new();
    let b = tape.input(Tensor::from([5.0, 3.0]));
    let x = root(|x, b| x.tape().constant(&a).matmul(x) - b, Tensor::zeros([2]), b);
    close(&x.value().unwrap(), &Tensor::from([1.0, 2.0]), 1e-15);
    let [g] = x.narrow(0, 0, 1).sum().grad([b]);
    close(&g.value().unwrap(), &Tensor::from([2.0 / 7.0, -1.0 / 7.0]), 1e-15);
}

#[test]
fn in_f32_and_in_functions_of_functions() {
    let tape = Tape::<f32>::new();
    let a = tape.input(Tensor::from([2.0f32, 9.0]));
    let x = fixed_point(|x, a| 0.5 * (x + a / x), Tensor::from([1.0f32, 1.0]), a);
    let [g] = x.sum().grad([a]);
    let (x, g) = (x.value().unwrap(), g.value().unwrap());
    assert!((x.as_slice()[1] - 3.0).abs() < 1e-6 && (g.as_slice()[1] - 1.0 / 6.0).abs() < 1e-7);
    // A root inside a fixed point inside a checkpoint: x = √(√θ + x) / 2.
    let theta = Tensor::scalar(2.0);
    fn nested<'t>(theta: Var<'t, f64>) -> Var<'t, f64> {
        fn half<'t>(x: Var<'t, f64>, theta: Var<'t, f64>) -> Var<'t, f64> {
            let whole = theta.sqrt() + x;
            root(|y, whole| y * y - whole, Tensor::scalar(1.0), whole) * 0.5
        }
        checkpoint(theta, |theta| fixed_point(half, Tensor::scalar(1.0), theta))
    }
    // 4 x² = √θ + x
    fn closed<'t>(theta: Var<'t, f64>) -> Var<'t, f64> {
        (1.0 + (1.0 + 16.0 * theta.sqrt()).sqrt()) / 8.0
    }
    close(&grad(nested, &theta).unwrap(), &grad(closed, &theta).unwrap(), 1e-12);
    close(&hessian(nested, &theta).unwrap(), &hessian(closed, &theta).unwrap(), 1e-11);
    let direction = Tensor::scalar(3.0);
    close(&jvp(nested, &theta, &direction).unwrap(), &jvp(closed, &theta, &direction).unwrap(), 1e-12);
}

/// The error of a value.
fn error_of(y: Var<'_, f64>) -> wengert_autograd::Error {
    y.value().unwrap_err()
}

#[test]
fn equations_without_a_solution() {
    let tape = Tape::new();
    let a = tape.input(Tensor::scalar(2.0));
    let one = || Tensor::scalar(1.0);
    let error = error_of(fixed_point(|x, a| a - x, Tensor::scalar(0.3), a));
    assert_eq!(error.kind(), ErrorKind::Numeric);
    assert!(error.to_string().starts_with("fixed_point: no convergence in 1000 iterations"), "{error}");
    assert!(error.to_string().contains("transforms.rs"), "{error}");
    let error = error_of(fixed_point(|x, a| a * x * x, Tensor::scalar(9.0), a));
    assert!(error.to_string().contains("NaN or infinity"), "{error}");
    let error = error_of(root(|x, a| x * x + a, one(), a));
    assert_eq!(error.kind(), ErrorKind::Numeric);
    let error = error_of(root(|x, a| x * x - a, Tensor::scalar(0.0), a));
    assert!(error.to_string().contains("the Jacobian is singular after 0 iterations"), "{error}");
    let error = error_of(Implicit::new().max_iterations(2).root(|x, a| x.exp() - a, Tensor::scalar(20.0), a));
    assert!(error.to_string().contains("no convergence in 2 iterations"), "{error}");
    // A solution without a derivative: x = x at x0, whatever θ.
    let x = fixed_point(|x, a| x + (a - 2.0) * x, one(), a);
    assert_eq!(x.item().unwrap(), 1.0);
    let [g] = x.grad([a]);
    let error = error_of(g);
    assert!(error.to_string().contains("singular"), "{error}");
}

#[test]
fn functions_that_are_no_equations() {
    let message = |solve: &dyn for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>| {
        let tape = Tape::new();
        error_of(solve(tape.input(Tensor::from([2.0, 3.0])))).to_string()
    };
    let start = || Tensor::from([1.0, 1.0]);
    let text = message(&|a| fixed_point(|x, a| (x + a).sum(), start(), a));
    assert!(text.contains("returns shape [], the start has shape [2]"), "{text}");
    let text = message(&|a| root(|_, a| a, start(), a));
    assert!(text.contains("does not depend on the unknown"), "{text}");
    let text = message(&|a| fixed_point(|x, _| x.matmul(x.reshape([2, 1]).t()), start(), a));
    assert!(text.starts_with("matmul"), "{text}");
    let decide = |x: Var<'_, f64>| x.sum().item().is_ok();
    let text = message(&|a| fixed_point(|x, a| if decide(x) { x * 0.1 + a } else { x }, start(), a));
    assert!(text.contains("asked for a value"), "{text}");
}

#[test]
fn a_function_without_theta_does_not_reach_it() {
    let tape = Tape::new();
    let a = tape.input(Tensor::scalar(2.0));
    let x = fixed_point(|x, _| x.cos(), Tensor::scalar(1.0), a);
    assert!((x.item().unwrap() - 0.739_085_133_215_160_6f64).abs() < 1e-12);
    let [g] = x.grad([a]);
    assert_eq!(error_of(g).kind(), ErrorKind::Unreached);
    // Of nothing.
    let tape = Tape::new();
    let a = tape.input(Tensor::<f64>::zeros([0]));
    let x = root(|x, a| x - a, Tensor::zeros([0]), a);
    let [g] = x.sum().grad([a]);
    assert_eq!(g.value().unwrap(), Tensor::zeros([0]));
}
