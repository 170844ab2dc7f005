//! What mistakes in reductions and shapes say.

use wengert_autograd::{Tape, Tensor, Var, cat, stack};

/// The text of a mistake without its place in the source.
fn mistake(record: impl for<'t> Fn(&'t Tape, Var<'t>) -> Var<'t>) -> String {
    let tape = Tape::new();
    let x = tape.input(Tensor::zeros([2, 3]));
    let error = record(&tape, x).tanh().value().expect_err("a mistake");
    let place = format!(" at {}", error.location().expect("a place in the source"));
    assert!(place.contains("reductions_errors.rs"), "{place}");
    error.to_string().replace(&place, "")
}

#[test]
fn axes() {
    let range = "of an operand of shape [2, 3]; axes are 0 to 1, or -1 to -2 from the end";
    assert_eq!(mistake(|_, x| x.sum_axes(&[2], false)), format!("sum_axes: axis 2 {range}"));
    assert_eq!(mistake(|_, x| x.std_axes(&[-3], 1, false)), format!("std_axes: axis -3 {range}"));
    assert_eq!(mistake(|_, x| x.amax(&[5], true)), format!("amax: axis 5 {range}"));
    assert_eq!(mistake(|_, x| x.softmax(2)), format!("softmax: axis 2 {range}"));
    assert_eq!(mistake(|_, x| x.argmin(2, true)), format!("argmin: axis 2 {range}"));
    assert_eq!(mistake(|_, x| x.flip(&[3])), format!("flip: axis 3 {range}"));
    assert_eq!(mistake(|_, x| x.split(&[1, 1], 2)[1]), format!("split: axis 2 {range}"));
    assert_eq!(mistake(|_, x| x.chunk(2, 2)[0]), format!("chunk: axis 2 {range}"));
    assert_eq!(
        mistake(|_, x| x.logsumexp_axes(&[0, -2], false)),
        "logsumexp_axes: axis 0 of an operand of shape [2, 3] is named twice in [0, -2]"
    );
    assert_eq!(
        mistake(|_, x| x.sum().log_softmax(0)),
        "log_softmax: axis 0 of an operand of shape []; the operand is a number and has no axes"
    );
    assert_eq!(
        mistake(|_, x| x.unsqueeze(3)),
        "unsqueeze: axis 3 for the new axis of an operand of shape [2, 3]; it can be 0 to 2, or -1 to -3 from the end"
    );
    assert_eq!(
        mistake(|_, x| x.squeeze_axis(1)),
        "squeeze_axis: axis 1 of shape [2, 3] has length 3; only an axis of length 1 can be left out"
    );
    assert_eq!(
        mistake(|_, x| x.flatten_axes(1, 0)),
        "flatten_axes: axis 1 lies behind axis 0 of shape [2, 3]; name the first axis, then the last"
    );
    assert_eq!(
        mistake(|_, x| x.permute(&[0])),
        "permute: axes [0] do not name each axis of shape [2, 3] once; every axis has to be named, those that stay as well"
    );
}

#[test]
fn nothing_to_choose_from() {
    assert_eq!(
        mistake(|_, x| x.narrow(1, 0, 0).max_axes(&[1], false)),
        "max: axis 1 of an operand of shape [2, 0] has no elements; nothing has no greatest and no least element"
    );
    assert!(
        mistake(|_, x| x.narrow(1, 0, 0).argmin(-1, false)).starts_with("argmin: axis 1 of an operand of shape [2, 0]")
    );
    assert_eq!(mistake(|_, x| x.norm(f64::NAN)), "norm: the power of a norm is NaN; 2 is the Euclidean norm");
    assert_eq!(
        mistake(|tape, _| tape.scalar(1.0).expand([(1 << 24) + 1]).argmax(0, false)),
        "argmax: axis 0 of an operand of shape [16777217] has 16777217 places; f32 counts exactly to 16777216; cast to f64"
    );
}

#[test]
fn shapes() {
    assert_eq!(mistake(|_, x| x.reshape([4])), "reshape: 6 elements of shape [2, 3] do not fit shape [4]");
    let hint = "one length may be -1, and the others must divide the number of elements";
    assert_eq!(
        mistake(|_, x| x.reshape_infer(&[4, -1])),
        format!("reshape_infer: 6 elements of shape [2, 3] do not fit [4, -1]; {hint}")
    );
    assert!(mistake(|_, x| x.reshape_infer(&[-1, -1])).ends_with(hint));
    assert!(mistake(|_, x| x.reshape_infer(&[-1, isize::MAX, isize::MAX])).contains("too large for memory"));
    assert_eq!(
        mistake(|_, x| x.repeat(&[2])),
        "repeat: 1 counts [2] for the 2 axes of shape [2, 3]; \
         give one count for each axis, 1 for an axis that stays; tile() adds those at the front"
    );
    assert!(mistake(|_, x| x.tile(&[usize::MAX])).starts_with("repeat: shape [2, 3] by counts"));
    assert_eq!(
        mistake(|_, x| x.pad(&[(1, 1)], 0.0)),
        "pad: 1 pairs of widths for the 2 axes of shape [2, 3]; give (before, after) for every axis, in order"
    );
    assert!(mistake(|_, x| x.pad(&[(0, usize::MAX), (0, 0)], 0.0)).contains("too large for memory"));
    assert!(mistake(|_, x| x.pad(&[(0, 1 << 61), (0, 1 << 61)], 0.0)).contains("too large for memory"));
    assert_eq!(
        mistake(|_, x| x.dot(x)),
        "dot: two vectors needed: left [2, 3], right [2, 3]; flatten() makes a vector; matmul takes matrices"
    );
    assert_eq!(
        mistake(|_, x| x.flatten().dot(x.narrow(0, 0, 1).flatten())),
        "dot: lengths differ: left [6], right [3] (6 vs 3); outer() takes vectors of any lengths"
    );
    assert!(mistake(|_, x| x.outer(x.flatten())).starts_with("outer: two vectors needed: left [2, 3], right [6]"));
}

#[test]
fn parts() {
    assert_eq!(
        mistake(|_, x| x.narrow(-1, 1, 3)),
        "narrow: 3 places from 1 on along axis -1 of shape [2, 3]; the axis has length 3"
    );
    assert!(mistake(|_, x| x.narrow(0, 1, usize::MAX)).starts_with("narrow: "));
    assert_eq!(
        mistake(|_, x| x.slice(1, 1..5, 1)),
        "slice: the range 1..5 along axis 1 of shape [2, 3]; \
         the axis has length 3, negative ends count from its end"
    );
    assert!(mistake(|_, x| x.slice(1, -4.., 1)).starts_with("slice: the range -4.. along"));
    assert!(mistake(|_, x| x.slice(1, ..=7, 1)).starts_with("slice: the range ..=7 along"));
    assert!(mistake(|_, x| x.slice(1, isize::MIN..=isize::MAX, 1)).starts_with("slice: the range"));
    assert!(mistake(|_, x| x.slice(1, 2..=isize::MAX, 1)).starts_with("slice: the range"));
    assert_eq!(
        mistake(|_, x| x.slice(0, .., 0)),
        "slice: a step of 0 along axis 0 of shape [2, 3]; the step is 1 or more"
    );
    assert_eq!(
        mistake(|_, x| x.split(&[1, 1], 1)[1]),
        "split: lengths [1, 1] along axis 1 of shape [2, 3]; the lengths must sum to that of the axis, 3"
    );
    assert_eq!(mistake(|_, x| x.chunk(0, 1)[0]), "chunk: 0 chunks of axis 1 of shape [2, 3]; ask for 1 or more");
}

#[test]
fn joined() {
    assert_eq!(
        mistake(|_, x| cat(&[x, x.t()], 0)),
        "cat: shapes don't fit along axis 0: [2, 3], [3, 2]; operand 1 is [3, 2], operand 0 is [2, 3]; \
         only axis 0 may differ"
    );
    assert!(mistake(|_, x| cat(&[x, x.sum()], -1)).contains("operand 1 is [], operand 0 is [2, 3]"));
    assert!(mistake(|_, x| cat(&[x.sum(), x.sum()], 0)).starts_with("cat: axis 0 of an operand of shape []"));
    assert_eq!(
        mistake(|_, x| stack(&[x, x.t()], 0)),
        "stack: shapes differ: [2, 3], [3, 2]; operand 1 is [3, 2], operand 0 is [2, 3]; did you mean cat?"
    );
    assert!(mistake(|_, x| stack(&[x, x], 4)).starts_with("stack: axis 4 for the new axis"));
    let nothing = "no operands to join; the result would have no shape; give one at least";
    assert_eq!(mistake(|tape, _| tape.cat(&[], 0)), format!("cat: {nothing}"));
    assert_eq!(mistake(|_, _| cat(&[], 0)), format!("cat: {nothing}"));
    // Also where it meets another tape.
    assert_eq!(mistake(|_, x| x + stack(&[], 0)), format!("stack: {nothing}"));
}

#[test]
fn the_first_mistake_stays() {
    let first = "narrow: 9 places from 0 on along axis 0 of shape [2, 3]; the axis has length 2";
    assert_eq!(mistake(|_, x| x.narrow(0, 0, 9).softmax(7).pad(&[], 0.0).chunk(0, 3)[0].prod().std()), first);
    assert_eq!(mistake(|_, x| cat(&[x.narrow(0, 0, 9), x], 5)), first);
    assert_eq!(mistake(|_, x| x.narrow(0, 0, 9).split(&[1, 2], 0)[1].dot(x).norm(2.0).any().t()), first);
}

/// What a method records carries the line of its call, also where it records several nodes.
#[test]
fn source_lines() {
    let tape = Tape::new();
    let x = tape.input(Tensor::<f32>::ones([2, 3]));
    let _ = (x.std(), x.norm_axes(3.0, &[0], true), x.prod(), x.any(), x.roll(1, 0), stack(&[x, x], 0), x.softmax(0));
    let _ = (x.mean_axes(&[0], false), x.repeat(&[2, 2]), x.chunk(2, 1), x.norm(1.0), x.flatten().outer(x.flatten()));
    let listing = tape.to_string();
    assert!(listing.lines().all(|line| line.contains("reductions_errors.rs")), "{listing}");
}
