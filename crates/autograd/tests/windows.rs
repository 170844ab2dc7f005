//! Windowed ops: identities, small published examples, exact ties, texts of errors, the same bits for all threads.

use wengert_autograd::kernels::pool;
use wengert_autograd::{
    AvgPool, Conv, ConvTranspose, Element, Error, ErrorKind, Interpolation, MaxPool, Result, Shape, Tape, Tensor,
    Unfold, Var, plan_counters,
};

/// Numbers in no simple order.
fn numbers<T: Element>(shape: impl Into<Shape>, start: usize) -> Tensor<T> {
    Tensor::from_fn(shape, |i| T::of((((i + start) * 37 % 101) as f64 - 50.0) / 40.0))
}

fn dot(a: &Tensor<f64>, b: &Tensor<f64>) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| a * b).sum()
}

fn close(a: &Tensor<f64>, b: &Tensor<f64>) {
    assert_eq!(a.shape(), b.shape());
    let worst =
        a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max);
    assert!(worst < 1e-12, "{worst:e}\n{a}\n{b}");
}

/// The mistake that a formula makes with inputs of some shapes.
fn mistake(shapes: &[&[usize]], formula: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>) -> Error {
    let tape = Tape::new();
    let x: Vec<_> = shapes.iter().map(|&shape| tape.input(Tensor::zeros(shape))).collect();
    formula(&x).value().expect_err("a mistake")
}

fn check(error: &Error, kind: ErrorKind, parts: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    parts.iter().for_each(|part| assert!(text.contains(part), "{part:?} is missing in: {text}"));
}

#[test]
fn a_transposed_convolution_is_the_adjoint_of_the_convolution() -> Result<()> {
    // <conv(x, w), y> = <x, conv_transpose(y, w)>: the layouts of the weight are the same list of numbers.
    for (stride, padding, dilation, groups) in [(1, 0, 1, 1), (2, 1, 1, 1), (1, 2, 2, 2), (3, 1, 2, 2)] {
        let tape = Tape::new();
        let (x, w) = (tape.input(numbers([2, 4, 9, 8], 0)), tape.input(numbers([6, 4 / groups, 3, 2], 7)));
        let conv = x.conv2d(w, Conv::new().stride(stride).padding(padding).dilation(dilation).groups(groups));
        let y = tape.input(numbers(conv.shape(), 3));
        let left = |extent: usize, n: usize| (n + 2 * padding - dilation * (extent - 1) - 1) % stride;
        let options = ConvTranspose::new().stride(stride).padding(padding).dilation(dilation).groups(groups);
        let back = y.conv_transpose2d(w, options.output_padding([left(3, 9), left(2, 8)]));
        let (forward, backward) = (dot(&conv.value()?, &y.value()?), dot(&x.value()?, &back.value()?));
        assert!((forward - backward).abs() < 1e-10 * forward.abs().max(1.0), "{forward} {backward}");
        // The gradient of the input is that transposed convolution, and the gradient of the weight pairs alike.
        let [gx, gw] = conv.vjp(y, [x, w]);
        close(&gx.value()?, &back.value()?);
        assert!((dot(&gw.value()?, &w.value()?) - forward).abs() < 1e-10 * forward.abs().max(1.0));
    }
    Ok(())
}

#[test]
fn a_convolution_is_a_product_with_unfolded_windows() -> Result<()> {
    let tape = Tape::new();
    let (x, w) = (tape.input(numbers([3, 2, 7, 6], 0)), tape.input(numbers([4, 2, 3, 2], 9)));
    let windows = Unfold::new([3, 2]).stride([2, 1]).padding(1).dilation([1, 2]);
    let y = x.conv2d(w, Conv::new().stride([2, 1]).padding(1).dilation([1, 2]));
    let columns = x.unfold(windows);
    let product = w.reshape([4, 12]).matmul(columns).reshape(y.shape());
    close(&y.value()?, &product.value()?);
    let loss = |y: Var<'_, f64>| y.square().sum().grad([x, w]).map(|g| g.value());
    let ([gx, gw], [hx, hw]) = (loss(y), loss(product));
    close(&gx?, &hx?);
    close(&gw?, &hw?);
    // Folding the windows of ones counts in how many windows each place is; a fold is the gradient of an unfold.
    let ones = tape.constant(Tensor::ones([1, 1, 7, 6]));
    let counts = ones.unfold(windows).fold([7, 6], windows).value()?;
    let slow = Tensor::from_fn([1, 1, 7, 6], |i| {
        let along = |place: usize, length: usize, kernel: usize, stride: usize, dilation: usize| {
            let starts = (0..).map(|p| p * stride).take_while(|start| start + dilation * (kernel - 1) < length + 2);
            starts.flat_map(|start| (0..kernel).map(move |k| start + k * dilation)).filter(|&i| i == place + 1).count()
        };
        (along(i / 6, 7, 3, 2, 1) * along(i % 6, 6, 2, 1, 2)) as f64
    });
    assert_eq!(counts, slow);
    Ok(())
}

#[test]
fn layouts_agree_between_one_two_and_three_axes() -> Result<()> {
    let tape = Tape::<f64>::new();
    let (x, w) = (tape.input(numbers([2, 3, 7], 0)), tape.input(numbers([4, 3, 3], 5)));
    let y = x.conv1d(w, Conv::new().stride(2).padding(1)).value()?;
    let (wide, deep) = ([2, 3, 1, 7], [2, 3, 1, 1, 7]);
    let y2 = x.reshape(wide).conv2d(w.reshape([4, 3, 1, 3]), Conv::new().stride([1, 2]).padding([0, 1]));
    let y3 = x.reshape(deep).conv3d(w.reshape([4, 3, 1, 1, 3]), Conv::new().stride([5, 1, 2]).padding([0, 0, 1]));
    assert_eq!((y2.value()?.as_slice(), y3.value()?.as_slice()), (y.as_slice(), y.as_slice()));
    let pooled = x.max_pool1d(3).value()?;
    assert_eq!(x.reshape(wide).max_pool2d([1, 3]).value()?.as_slice(), pooled.as_slice());
    assert_eq!(x.reshape(deep).max_pool3d([1, 1, 3]).value()?.as_slice(), pooled.as_slice());
    Ok(())
}

#[test]
fn published_examples() -> Result<()> {
    // Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016), figure 1.1.
    let tape = Tape::<f64>::new();
    let x = tape.constant(Tensor::from([[[
        [3.0, 3.0, 2.0, 1.0, 0.0],
        [0.0, 0.0, 1.0, 3.0, 1.0],
        [3.0, 1.0, 2.0, 2.0, 3.0],
        [2.0, 0.0, 0.0, 2.0, 2.0],
        [2.0, 0.0, 0.0, 0.0, 1.0],
    ]]]));
    let w = tape.constant(Tensor::from([[[[0.0, 1.0, 2.0], [2.0, 2.0, 0.0], [0.0, 1.0, 2.0]]]]));
    let y = x.conv2d(w, Conv::default()).value()?;
    assert_eq!(y, Tensor::from([[[[12.0, 12.0, 17.0], [10.0, 17.0, 19.0], [9.0, 6.0, 14.0]]]]));
    // Figures 1.5 and 1.6: average and max pooling of the same input, 3 by 3 with stride 1.
    let y = x.max_pool2d(MaxPool::new(3).stride(1)).value()?;
    assert_eq!(y, Tensor::from([[[[3.0, 3.0, 3.0], [3.0, 3.0, 3.0], [3.0, 2.0, 3.0]]]]));
    let y = x.avg_pool2d(AvgPool::new(3).stride(1)).value()?;
    let tenths: Vec<f64> = y.as_slice().iter().map(|y| (y * 10.0).round() / 10.0).collect();
    assert_eq!(tenths, [1.7, 1.7, 1.7, 1.0, 1.2, 1.8, 1.1, 0.8, 1.3]);
    Ok(())
}

#[test]
fn sizes_of_the_guide_to_convolution_arithmetic() {
    // Relationships 1 to 6 and 14 of the guide: input, kernel, stride, padding, output.
    for (n, k, s, p, out) in
        [(4, 3, 1, 0, 2), (5, 4, 1, 2, 6), (5, 3, 1, 1, 5), (5, 3, 1, 2, 7), (5, 3, 2, 0, 2), (6, 3, 2, 1, 3)]
    {
        let tape = Tape::new();
        let x = tape.constant(Tensor::<f64>::zeros([1, 1, n, n]));
        let y = x.conv2d(tape.constant(Tensor::zeros([1, 1, k, k])), Conv::new().stride(s).padding(p));
        assert_eq!(y.shape()[..], [1, 1, out, out]);
        let w = tape.constant(Tensor::zeros([1, 1, k, k]));
        let rest = (n + 2 * p - k) % s;
        let back = y.conv_transpose2d(w, ConvTranspose::new().stride(s).padding(p).output_padding(rest));
        assert_eq!(back.shape()[..], [1, 1, n, n]);
    }
}

#[test]
fn ties_go_to_the_first_and_nan_wins() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(Tensor::<f64>::full([1, 1, 4, 4], 2.0));
    for windows in [MaxPool::new(2), MaxPool::new(2).stride(1), MaxPool::new(3).padding(1), MaxPool::new(3).stride(4)] {
        let (y, places) = x.max_pool2d_with_indices(windows);
        let [gx] = y.sum().grad([x]);
        let (gx, places) = (gx.value()?, places.value()?);
        let mut counted = vec![0.0; 16];
        places.as_slice().iter().for_each(|&place| counted[place as usize] += 1.0);
        assert_eq!(gx.as_slice(), counted);
        assert_eq!(places.as_slice()[0], 0.0, "the first of the first window");
    }
    let [second] = x.max_pool2d(2).sum().grad([x])[0].sum().grad([x]);
    assert_eq!(second.value()?, Tensor::zeros([1, 1, 4, 4]));
    let x = tape.input(Tensor::from([[[1.0, f64::NAN, 7.0, f64::NEG_INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY]]]));
    let (y, places) = x.max_pool1d_with_indices(MaxPool::new(3).padding(1).stride(1));
    assert!(y.value()?.as_slice()[..3].iter().all(|y| y.is_nan()));
    assert_eq!(y.value()?.as_slice()[3..], [7.0, f64::NEG_INFINITY, f64::NEG_INFINITY]);
    // Windows of nothing but minus infinity: the first element, never the padding.
    assert_eq!(places.value()?.as_slice(), [1.0, 1.0, 1.0, 2.0, 3.0, 4.0]);
    let (_, places) = x.narrow(2, 3, 3).max_pool1d_with_indices(MaxPool::new(3).padding(1).stride(1));
    assert_eq!(places.value()?.as_slice(), [0.0, 0.0, 1.0]);
    Ok(())
}

#[test]
fn large_planes_are_searched_in_blocks() -> Result<()> {
    // Wider than a block, taller than a block, and with windows far apart: the values and the places agree.
    for (shape, windows) in [
        ([2, 1, 3, 5000], MaxPool::new([2, 3])),
        ([1, 2, 700, 40], MaxPool::new(3).stride(2).padding(1)),
        ([1, 1, 5, 2100], MaxPool::new([2, 2]).stride([1, 7]).dilation([2, 3])),
        ([1, 1, 90, 95], MaxPool::new(4)),
    ] {
        let tape = Tape::new();
        let x0 = Tensor::from_fn(shape, |i| (i.wrapping_mul(2_654_435_761) % 1_000_003) as f64);
        let x = tape.input(&x0);
        let (y, places) = x.max_pool2d_with_indices(windows);
        let (height, width) = (shape[2], shape[3]);
        let (yv, places) = (y.value()?, places.value()?);
        let plane = yv.len() / (shape[0] * shape[1]);
        for (i, (&value, &place)) in yv.as_slice().iter().zip(places.as_slice()).enumerate() {
            assert_eq!(value, x0.as_slice()[i / plane * height * width + place as usize]);
        }
        // The value again by a different way: the greatest along one axis, then along the other.
        let side = |x: Var<'_, f64>| x.value().map(|x| x.as_slice().iter().sum::<f64>());
        let [gx] = y.sum().grad([x]);
        assert!((dot(&gx.value()?, &x0) - side(y)?).abs() < 1e-3);
    }
    let tape = Tape::new();
    let x = tape.constant(Tensor::from_fn([1, 1, 60, 80], |i| (i * 7919 % 4801) as f64));
    let whole = x.max_pool2d(MaxPool::new([3, 4]).stride([2, 2]));
    let parts = x.max_pool2d(MaxPool::new([3, 1]).stride([2, 1])).max_pool2d(MaxPool::new([1, 4]).stride([1, 2]));
    assert_eq!(whole.value()?, parts.value()?);
    Ok(())
}

#[test]
fn averages_and_interpolation_keep_what_they_must() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(numbers([2, 3, 6, 10], 0));
    let mean = x.mean_axes(&[-1, -2], false).value()?;
    close(&x.adaptive_avg_pool2d(1).reshape([2, 3]).value()?, &mean);
    close(&x.avg_pool2d([6, 10]).reshape([2, 3]).value()?, &mean);
    close(&x.adaptive_avg_pool2d([3, 5]).value()?, &x.avg_pool2d(2).value()?);
    assert_eq!(x.adaptive_max_pool2d([3, 5]).value()?, x.max_pool2d(2).value()?);
    // An affine function is interpolated exactly, away from the ends; with aligned corners up to the ends.
    let plane = tape.constant(Tensor::from_fn([1, 1, 4, 5], |i| 2.0 * (i / 5) as f64 - (i % 5) as f64));
    let aligned = plane.interpolate([7, 9], Interpolation::LinearAlignCorners).value()?;
    close(&aligned, &Tensor::from_fn([1, 1, 7, 9], |i| (i / 9) as f64 - 0.5 * (i % 9) as f64));
    let linear = plane.interpolate([8, 10], Interpolation::Linear).value()?;
    let inner = Tensor::from_fn([1, 1, 8, 10], |i| {
        let at = |j: usize, n: f64| (j as f64 / 2.0 - 0.25).clamp(0.0, n - 1.0);
        2.0 * at(i / 10, 4.0) - at(i % 10, 5.0)
    });
    close(&linear, &inner);
    // Nearest by a whole factor repeats, and what halves again gives the input back.
    let twice = x.interpolate([12, 20], Interpolation::Nearest);
    close(&twice.avg_pool2d(2).value()?, &x.value()?);
    assert_eq!(twice.interpolate([6, 10], Interpolation::Nearest).value()?, x.value()?);
    Ok(())
}

#[test]
fn bits_do_not_depend_on_threads() -> Result<()> {
    let run = |threads: usize| -> Result<Vec<Tensor<f32>>> {
        pool::set_threads(threads);
        let tape = Tape::new();
        let (x, w) = (tape.input(numbers([19, 4, 12, 11], 0)), tape.input(numbers([6, 2, 3, 3], 4)));
        let y = x.conv2d(w, Conv::new().padding(1).groups(2)).max_pool2d(2).avg_pool2d(2);
        let z = x.interpolate([30, 7], Interpolation::Linear).square().sum();
        let [gx, gw] = (y.square().sum() + z).grad([x, w]);
        Ok(tape.eval_all(&[y, gx, gw])?.into_vec())
    };
    let one = run(1)?;
    for threads in [2, 3, 8] {
        let more = run(threads)?;
        for (a, b) in one.iter().zip(&more) {
            let bits = |x: &Tensor<f32>| x.as_slice().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(a), bits(b), "{threads} threads");
        }
    }
    pool::set_threads(0);
    Ok(())
}

#[test]
fn a_second_step_plans_nothing() -> Result<()> {
    let step = |seed: usize| -> Result<u64> {
        let before = plan_counters().planned;
        let tape = Tape::new();
        let (x, w) = (tape.constant(numbers::<f64>([2, 1, 6, 6], seed)), tape.input(numbers([2, 1, 3, 3], 0)));
        let y = x.conv2d(w, Conv::new().padding(1)).relu().max_pool2d(2);
        y.sum().grad([w])[0].value()?;
        Ok(plan_counters().planned - before)
    };
    assert_eq!([step(0)?, step(1)?, step(2)?], [1, 0, 0]);
    Ok(())
}

#[test]
fn formulas_are_printed() {
    let tape = Tape::new();
    let (x, w) = (tape.input(Tensor::<f64>::zeros([1, 4, 6, 6])), tape.input(Tensor::zeros([2, 2, 3, 3])));
    let y = x.conv2d(w, Conv::new().stride([2, 1]).padding(1).groups(2)).max_pool2d([1, 2]).unfold(2);
    assert_eq!(y.shape()[..], [1, 8, 4]);
    let listing = tape.to_string();
    assert!(listing.contains("conv2d(%0, %1, stride [2, 1], padding [1, 1], 2 groups) : [1, 2, 3, 6]"), "{listing}");
    assert!(listing.contains("max_pool2d(%2, windows [1, 2], stride [1, 2]) : [1, 2, 3, 3]"), "{listing}");
    assert!(listing.contains("unfold(%3, kernel [2, 2]) : [1, 8, 4]"), "{listing}");
}

#[test]
fn mistakes_of_convolutions() {
    use ErrorKind::{Argument, Shape};
    let conv = |shapes: [&[usize]; 2], options: Conv<2>| mistake(&shapes, |x| x[0].conv2d(x[1], options));
    let image: &[usize] = &[1, 4, 5, 5];
    let error = conv([&[4, 5, 5], &[2, 4, 3, 3]], Conv::new());
    check(&error, Shape, &["conv2d: an input of shape [4, 5, 5]", "[batch, channels, height, width]", "unsqueeze(0)"]);
    check(&conv([&[4], &[2, 4, 3, 3]], Conv::new()), Shape, &["has 1 axes, not the 4 of"]);
    check(
        &conv([image, &[2, 4, 3]], Conv::new()),
        Shape,
        &["a weight of shape [2, 4, 3]", "[out, in / groups, height, width]"],
    );
    let error = conv([image, &[2, 3, 3, 3]], Conv::new());
    check(&error, Shape, &["4 channels, the weight takes 3", "input [1, 4, 5, 5], weight [2, 3, 3, 3]"]);
    check(
        &conv([image, &[2, 4, 3, 3]], Conv::new().groups(2)),
        Shape,
        &["4 channels (2 in each group), the weight takes 4"],
    );
    check(
        &conv([image, &[2, 4, 3, 3]], Conv::new().groups(3)),
        Shape,
        &["3 groups do not divide the 4 channels of the input"],
    );
    check(
        &conv([image, &[3, 2, 3, 3]], Conv::new().groups(2)),
        Shape,
        &["2 groups do not divide the 3 channels of the weight"],
    );
    check(&conv([image, &[2, 4, 3, 3]], Conv::new().groups(0)), Argument, &["no groups"]);
    let error = conv([image, &[2, 4, 3, 6]], Conv::new());
    check(
        &error,
        Shape,
        &["a kernel of 6, against 5 along the width", "input [1, 4, 5, 5], weight [2, 4, 3, 6]", "padding"],
    );
    let error = conv([image, &[2, 4, 3, 3]], Conv::new().dilation([3, 1]));
    check(&error, Shape, &["a kernel of 3, 7 with its dilation of 3, against 5 along the height"]);
    check(&conv([image, &[2, 4, 3, 3]], Conv::new().stride([1, 0])), Argument, &["a stride of 0 along the width"]);
    check(&conv([image, &[2, 4, 3, 3]], Conv::new().dilation(0)), Argument, &["a dilation of 0 along the height"]);
    check(&conv([image, &[2, 4, 0, 3]], Conv::new()), Argument, &["a kernel of 0 along the height"]);
    check(&conv([image, &[2, 4, 3, 3]], Conv::new().padding(usize::MAX)), Argument, &["more than memory can address"]);
    check(&conv([image, &[2, 4, 3, 3]], Conv::new().padding(1 << 58)), Shape, &["too large for memory"]);
    check(&conv([image, &[2, 4, 3, 3]], Conv::new().dilation(usize::MAX)), Argument, &["more than memory can address"]);
    check(&conv([image, &[2, 4, 3, 3]], Conv::new().same().stride(2)), Argument, &["with stride [2, 2]", "stride 1"]);
    check(&conv([&[1, 0, 5, 5], &[2, 0, 3, 3]], Conv::new()), Shape, &["do not divide the 0 channels"]);
    let error = mistake(&[&[1, 1, 3], &[1, 1, 4]], |x| x[0].conv1d(x[1], Conv::new()));
    check(&error, Shape, &["conv1d: a kernel of 4, against 3 along the width"]);
    let error = mistake(&[&[1, 1, 3, 3, 3], &[1, 1, 4, 1, 1]], |x| x[0].conv3d(x[1], Conv::new()));
    check(&error, Shape, &["conv3d: a kernel of 4, against 3 along the depth"]);
    // No mistake: one window, whatever the stride.
    let tape = Tape::new();
    let (x, w) = (tape.input(Tensor::<f64>::ones([1, 1, 5, 5])), tape.input(Tensor::ones([1, 1, 3, 3])));
    let y = x.conv2d(w, Conv::new().stride(usize::MAX).padding(1));
    assert_eq!(y.value().expect("one window").as_slice(), [4.0]);
}

#[test]
fn mistakes_of_transposed_convolutions() {
    use ErrorKind::{Argument, Shape};
    let back =
        |shapes: [&[usize]; 2], options: ConvTranspose<2>| mistake(&shapes, |x| x[0].conv_transpose2d(x[1], options));
    let (image, weight): (&[usize], &[usize]) = (&[1, 4, 2, 2], &[4, 3, 2, 2]);
    let error = back([image, &[3, 4, 2, 2]], ConvTranspose::new());
    check(
        &error,
        Shape,
        &["conv_transpose2d: the input has 4 channels, the weight takes 3", "[in, out / groups, height, width]"],
    );
    check(&back([image, weight], ConvTranspose::new().groups(3)), Shape, &["3 groups do not divide the 4 channels"]);
    check(&back([image, weight], ConvTranspose::new().padding(2)), Shape, &["padding 2 cuts off all of the 3 places"]);
    check(
        &back([image, weight], ConvTranspose::new().output_padding(1)),
        Argument,
        &["output padding 1 along the height"],
    );
    check(&back([image, weight], ConvTranspose::new().stride(0)), Argument, &["a stride of 0"]);
    check(&back([image, weight], ConvTranspose::new().stride(usize::MAX)), Argument, &["more than memory can address"]);
    check(
        &back([image, weight], ConvTranspose::new().padding(usize::MAX)),
        Argument,
        &["more than memory can address"],
    );
    check(&back([image, weight], ConvTranspose::new().stride(1 << 40)), Shape, &["too large for memory"]);
    check(&back([&[1, 4, 0, 2], weight], ConvTranspose::new()), Shape, &["no elements along the height"]);
    check(&back([&[4, 2, 2], weight], ConvTranspose::new()), Shape, &["unsqueeze(0)"]);
}

#[test]
fn mistakes_of_pooling_and_the_others() {
    use ErrorKind::{Argument, Axis, Shape};
    let max = |shape: &[usize], windows: MaxPool<2>| mistake(&[shape], |x| x[0].max_pool2d(windows));
    let avg = |shape: &[usize], windows: AvgPool<2>| mistake(&[shape], |x| x[0].avg_pool2d(windows));
    check(&max(&[3], MaxPool::new(2)), Shape, &["max_pool2d: an input of shape [3] has 1 axes, windows slide over 2"]);
    check(&max(&[1, 3, 3], MaxPool::new(4)), Shape, &["a kernel of 4, against 3 along the height", "input [1, 3, 3]"]);
    check(&max(&[1, 3, 3], MaxPool::new(0)), Argument, &["a kernel of 0"]);
    check(&max(&[1, 3, 3], MaxPool::new(2).stride(0)), Argument, &["a stride of 0"]);
    check(&max(&[1, 3, 3], MaxPool::new(2).padding(2)), Argument, &["padding 2 along the height", "at most half"]);
    check(&max(&[1, 1, 1], MaxPool::new(2).dilation(2).padding(1)), Shape, &["lies in the padding alone"]);
    check(&max(&[1, 3, 0], MaxPool::new(1)), Shape, &["a kernel of 1, against 0 along the width"]);
    check(&avg(&[1, 3, 3], AvgPool::new(4)), Shape, &["avg_pool2d: a kernel of 4, against 3"]);
    check(&avg(&[1, 3, 3], AvgPool::new(2).padding(2)), Argument, &["at most half the kernel, 1"]);
    let error = mistake(&[&[1, 3, 3]], |x| x[0].adaptive_avg_pool2d([0, 1]));
    check(&error, Shape, &["adaptive_avg_pool2d: 0 places from 3 along the height"]);
    check(&mistake(&[&[1, 0]], |x| x[0].adaptive_max_pool1d(2)), Shape, &["2 places from 0 along the width"]);
    check(&mistake(&[&[1, 3]], |x| x[0].interpolate([0], Interpolation::Linear)), Shape, &["interpolate: 0 places"]);
    check(
        &mistake(&[&[1, 3]], |x| x[0].interpolate([2; 4], Interpolation::Linear)),
        Shape,
        &["one, two or three axes"],
    );
    check(&mistake(&[&[3, 3]], |x| x[0].unfold(2)), Shape, &["unfold: an input of shape [3, 3]"]);
    check(&mistake(&[&[1, 1, 3, 3]], |x| x[0].unfold(4)), Shape, &["a kernel of 4, against 3"]);
    check(&mistake(&[&[1, 3]], |x| x[0].fold([2, 2], 2)), Shape, &["not the 3 of unfolded images"]);
    check(&mistake(&[&[1, 3, 4]], |x| x[0].fold([3, 3], 2)), Shape, &["not a multiple of the kernel's 4 elements"]);
    check(&mistake(&[&[1, 4, 3]], |x| x[0].fold([3, 3], 2)), Shape, &["3 windows along axis 2, where there are 4"]);
    check(&mistake(&[&[4]], |x| x[0].windows(1, 2, 1)), Axis, &["windows: axis 1"]);
    check(&mistake(&[&[4]], |x| x[0].windows(0, 5, 1)), Shape, &["windows: a kernel of 5, against 4 along the axis 0"]);
    check(&mistake(&[&[4]], |x| x[0].windows(0, 2, 0)), Argument, &["a stride of 0"]);
}

#[test]
fn mistakes_of_tapes_pass_through() {
    let (one, two) = (Tape::<f64>::new(), Tape::new());
    let (x, w) = (one.input(Tensor::ones([1, 1, 3])), two.input(Tensor::ones([1, 1, 2])));
    check(
        &x.conv1d(w, Conv::new()).value().expect_err("two tapes"),
        ErrorKind::Tape,
        &["conv1d", "two different tapes"],
    );
    let tape = Tape::<f64>::new();
    let bad = tape.input(Tensor::ones([2])).reshape([3]);
    let w = tape.input(Tensor::ones([1, 1, 2]));
    let pooled = bad.max_pool1d(2).avg_pool1d(2).unfold(2).interpolate([2], Interpolation::Nearest);
    check(&pooled.conv1d(w, Conv::new()).value().expect_err("poisoned"), ErrorKind::Shape, &["reshape"]);
}

/// Small whole numbers, so that many are equal, some NaN and some minus infinity.
fn with_ties<T: Element>(shape: [usize; 4]) -> Tensor<T> {
    Tensor::from_fn(shape, |i| match i.wrapping_mul(2_654_435_761) >> 7 & 63 {
        0 => T::of(f64::NAN),
        1..4 => T::of(f64::NEG_INFINITY),
        other => T::of((other % 5) as f64),
    })
}

/// Compares pools of windows of `height` by 2 elements with a search of one element after the other.
fn check_pairs<T: Element>(shape: [usize; 4], height: usize) -> Result<()> {
    let x = with_ties::<T>(shape);
    let [planes, rows, columns] = [shape[0] * shape[1], shape[2] / height, shape[3] / 2];
    let (mut values, mut gradient) = (vec![], vec![0.0; x.len()]);
    for window in 0..planes * rows * columns {
        let (plane, row, column) = (window / (rows * columns), window / columns % rows, window % columns);
        let place = |i: usize| (plane * shape[2] + row * height + i / 2) * shape[3] + 2 * column + i % 2;
        let number = |i: usize| x.as_slice()[place(i)].to_f64();
        let first = (0..2 * height).find(|&i| number(i).is_nan()).unwrap_or_else(|| {
            (0..2 * height).find(|&i| (0..2 * height).all(|j| number(i) >= number(j))).expect("a greatest one")
        });
        values.push(number(first));
        gradient[place(first)] = (window % 97 + 1) as f64;
    }
    let tape = Tape::new();
    let x = tape.input(x);
    let y = x.max_pool2d([height, 2]);
    let weights = tape.constant(Tensor::from_fn(y.shape(), |i| T::of((i % 97 + 1) as f64)));
    let same = |a: &Tensor<T>, b: &[f64]| {
        let pairs = a.as_slice().iter().map(|a| a.to_f64()).zip(b);
        assert!(a.len() == b.len() && pairs.clone().all(|(a, &b)| a == b || (a.is_nan() && b.is_nan())), "{shape:?}");
    };
    same(&y.value()?, &values);
    same(&(y * weights).sum().grad([x])[0].value()?, &gradient);
    Ok(())
}

#[test]
fn pools_of_pairs_are_what_a_slow_search_finds() -> Result<()> {
    // Narrower and wider than registers and blocks, with a row and a column left over, and more planes than one task takes.
    for shape in [
        [1, 1, 2, 2],
        [2, 3, 6, 10],
        [1, 2, 7, 5],
        [3, 2, 26, 26],
        [2, 2, 11, 11],
        [1, 1, 3, 2300],
        [1, 1, 1501, 3],
        [20, 3, 34, 33],
    ] {
        for height in [1, 2] {
            check_pairs::<f32>(shape, height)?;
            check_pairs::<f64>(shape, height)?;
        }
    }
    Ok(())
}

#[test]
fn windows_side_by_side_hold_what_they_cover_and_add_up_to_it() -> Result<()> {
    // More channels than are folded together; rows narrower and wider than registers; with padding and without.
    for (shape, padding) in [([2, 11, 9, 13], 0), ([1, 9, 4, 21], 1), ([1, 17, 5, 40], 2), ([3, 1, 8, 3], 0)] {
        let [batch, channels, height, width] = shape;
        let tape = Tape::new();
        let x0 = Tensor::<f32>::from_fn(shape, |i| (i % 1009) as f32);
        let x = tape.input(&x0);
        let columns = x.unfold(Unfold::new(3).padding(padding));
        let [rows, across] = [height + 2 * padding - 2, width + 2 * padding - 2];
        let mut counts = vec![0.0; x0.len()];
        let mut expected = vec![];
        for i in 0..batch * channels * 9 * rows * across {
            let (position, k) = (i % (rows * across), i / (rows * across) % 9);
            let (row, column) = (position / across + k / 3, position % across + k % 3);
            let inside = (padding..height + padding).contains(&row) && (padding..width + padding).contains(&column);
            expected.push(if inside {
                let place = (i / (rows * across * 9) * height + row - padding) * width + column - padding;
                counts[place] += 1.0;
                x0.as_slice()[place]
            } else {
                0.0
            });
        }
        assert_eq!(columns.value()?.as_slice(), expected, "{shape:?}");
        // The transpose gives each element once for each window that it is in.
        let [gx] = (columns.square().sum() * 0.5).grad([x]);
        let products: Vec<f32> = x0.as_slice().iter().zip(&counts).map(|(x, count)| x * count).collect();
        assert_eq!(gx.value()?.as_slice(), products, "{shape:?}");
    }
    Ok(())
}
