//! The gradient check of a model: every parameter by path, and what the loss reaches.

use wengert_autograd::check::{self, Cause, GradCheck, Reach, Verdict};
use wengert_autograd::{Element, ErrorKind, Module, Param, Path, Tape, Tensor, Var, Visitor, VisitorMut};

/// `tanh(x w + b) v`, of any element type.
struct Mlp<T: Element> {
    hidden: (Param<T>, Param<T>),
    out: Param<T>,
    statistics: Param<T>,
}

impl<T: Element> Module<T> for Mlp<T> {
    fn visit<'m>(&'m self, path: &mut Path, visitor: &mut Visitor<'_, 'm, T>) {
        path.enter("hidden", |path| {
            path.enter("weight", |path| self.hidden.0.visit(path, visitor));
            path.enter("bias", |path| self.hidden.1.visit(path, visitor));
        });
        path.enter("out", |path| self.out.visit(path, visitor));
        path.enter("statistics", |path| self.statistics.visit(path, visitor));
    }

    fn visit_mut<'m>(&'m mut self, path: &mut Path, visitor: &mut VisitorMut<'_, 'm, T>) {
        path.enter("hidden", |path| {
            path.enter("weight", |path| self.hidden.0.visit_mut(path, visitor));
            path.enter("bias", |path| self.hidden.1.visit_mut(path, visitor));
        });
        path.enter("out", |path| self.out.visit_mut(path, visitor));
        path.enter("statistics", |path| self.statistics.visit_mut(path, visitor));
    }
}

fn wave<T: Element>(rows: usize, columns: usize, phase: f64) -> Tensor<T> {
    Tensor::from_fn([rows, columns], |i| T::of((1.7 * i as f64 + phase).sin()))
}

impl<T: Element> Mlp<T> {
    fn new() -> Self {
        Mlp {
            hidden: (Param::new(wave(6, 8, 0.3)), Param::new(wave(1, 8, 1.0))),
            out: Param::new(wave(8, 2, 2.0)),
            statistics: Param::buffer(wave(1, 8, 3.0)),
        }
    }

    fn hidden<'t>(&self, tape: &'t Tape<T>) -> Var<'t, T> {
        let x = tape.constant(wave(5, 6, 4.0));
        x.matmul(tape.param(&self.hidden.0)) + tape.param(&self.hidden.1) - tape.param(&self.statistics)
    }

    fn loss<'t>(&self, tape: &'t Tape<T>) -> Var<'t, T> {
        let y = self.hidden(tape).tanh().matmul(tape.param(&self.out));
        (y - tape.constant(wave(5, 2, 5.0))).square().mean()
    }
}

#[test]
fn a_model_of_f64_is_checked_exactly() {
    let report = check::module(&Mlp::<f64>::new(), |model, tape| model.loss(tape)).expect("right");
    assert!(report.gradients.worst() < 1e-10, "{report}");
    // 24 elements of 48, all 8, all 16, and a direction of each.
    assert_eq!(report.gradients.comparisons.len(), 24 + 8 + 16 + 3);
    let text = report.to_string();
    assert!(text.contains(r#"parameter "hidden.weight": 24 of 48 elements, drawn with seed 1"#), "{text}");
    let paths: Vec<&str> = report.coverage.iter().map(|line| line.path.as_str()).collect();
    assert_eq!(paths, ["hidden.weight", "hidden.bias", "out", "statistics"]);
    assert!(report.coverage[..3].iter().all(|line| matches!(line.reach, Reach::Reached(norm) if norm > 0.0)));
    assert_eq!(report.coverage[3].reach, Reach::Frozen);
    assert!(report.to_json().contains(r#"{"path":"hidden.bias","compared":8,"reach":"reached""#));
}

#[test]
fn a_model_of_f32_is_checked_as_far_as_f32_goes() {
    let report = check::module(&Mlp::<f32>::new(), |model, tape| model.loss(tape)).expect("right");
    assert!(report.gradients.worst() < 2e-3, "{report}");
    let wrong = check::module(&Mlp::<f32>::new(), |model, tape| {
        let h = model.hidden(tape);
        (h.tanh() * (h.sigmoid().detach() + 1.0)).matmul(tape.param(&model.out)).square().mean()
    });
    let error = wrong.expect_err("a factor is cut off");
    assert!(error.to_string().contains("the gradient stops at detach()"), "{error}");
}

#[test]
fn the_model_is_left_as_it_was() {
    let model = Mlp::<f64>::new();
    let before = model.state_dict();
    check::module(&model, |model, tape| model.loss(tape)).expect("right");
    assert_eq!(model.state_dict(), before);
}

#[test]
fn what_is_not_reached_and_where_it_was_cut() {
    let model = Mlp::<f64>::new();
    let line = line!() + 2;
    let report = GradCheck::new().module_report(&model, |model, tape| {
        let cut = model.hidden(tape).detach();
        cut.tanh().matmul(tape.param(&model.out)).square().mean()
    });
    let report = report.expect("a report");
    assert!(!report.is_ok());
    let Reach::NotReached(why) = &report.coverage[0].reach else { panic!("{report}") };
    assert!(why.contains("cut off by detach() at") && why.contains(&format!(":{line}:")), "{why}");
    let blame = report.gradients.blame.as_ref().expect("a blame");
    assert_eq!((blame.cause, blame.location.line()), (Cause::Cut, line));
    assert!(report.gradients.mismatches().any(|mismatch| &*mismatch.name == r#"parameter "hidden.bias""#));
    assert!(report.gradients.mismatches().all(|mismatch| &*mismatch.name != r#"parameter "out""#));
}

#[test]
fn unused_parameters_fail_unless_they_are_allowed_or_frozen() {
    let mut model = Mlp::<f64>::new();
    let report = GradCheck::new().module_report(&model, |model, tape| model.hidden(tape).square().mean());
    let report = report.expect("a report");
    assert!(report.gradients.is_ok() && !report.is_ok(), "{report}");
    assert_eq!(report.unreached().map(|line| line.path.as_str()).collect::<Vec<_>>(), ["out"]);
    let error = check::module(&model, |model, tape| model.hidden(tape).square().mean()).expect_err("unused");
    assert_eq!(error.kind(), ErrorKind::Check);
    assert!(error.to_string().contains("not reached: the loss does not take it with tape.param(..)"), "{error}");
    let allowing = GradCheck::new().allow_unreached(true);
    assert!(allowing.module(&model, |model, tape| model.hidden(tape).square().mean()).is_ok());
    model.out.freeze();
    assert!(check::module(&model, |model, tape| model.hidden(tape).square().mean()).is_ok());
}

#[test]
fn a_gradient_of_zeros_is_shown() {
    let model = Mlp::<f64>::new();
    let report = check::module(&model, |model, tape| {
        model.loss(tape) + (model.hidden(tape) - 100.0).relu().sum() + (tape.param(&model.out) * 0.0).sum()
    });
    assert!(report.is_ok());
    let dead = check::module(&model, |model, tape| {
        (model.hidden(tape) - 100.0).relu().sum() + tape.param(&model.out).exp().sum()
    });
    let dead = dead.expect("right, if useless");
    assert_eq!(dead.coverage[0].reach, Reach::ZeroEverywhere);
    assert!(dead.to_string().contains("reached, but the gradient is zero everywhere"), "{dead}");
}

#[test]
fn training_tapes_draw_the_same_numbers_each_time() {
    let model = Mlp::<f64>::new();
    let check = GradCheck::new().training(5).elements(4);
    let report = check.module(&model, |model, tape| {
        assert!(tape.is_training());
        (model.hidden(tape) * tape.rand_uniform([5, 8])).tanh().matmul(tape.param(&model.out)).square().mean()
    });
    report.expect("right");
}

#[test]
fn mistakes_of_the_loss_are_errors() {
    let model = Mlp::<f64>::new();
    let error = check::module(&model, |_, _| panic!("no data")).expect_err("a panic");
    assert!(error.to_string().contains("the function panicked: no data"), "{error}");
    let error = check::module(&model, |model, tape| tape.param(&model.out).matmul(tape.param(&model.out)));
    assert_eq!(error.expect_err("shapes").kind(), ErrorKind::Shape);
    let other = check::module(&model, |_, _| {
        let other: &'static Tape<f64> = Box::leak(Box::new(Tape::new()));
        other.scalar(1.0)
    });
    assert_eq!(other.expect_err("another tape").kind(), ErrorKind::Tape);
    let nothing =
        check::module::<f64, _>(&Vec::<Param<f64>>::new(), |_, tape| tape.scalar(1.0)).expect_err("no parameters");
    assert!(nothing.to_string().contains("nothing was compared"), "{nothing}");
}

#[test]
fn nan_and_kinks_have_their_verdicts() {
    let model = (Param::new(Tensor::from([0.0, 2.0])), Param::new(Tensor::from([-1.0])));
    let report = GradCheck::new()
        .module_report(&model, |model, tape| tape.param(&model.0).relu().sum() + tape.param(&model.1).ln().sum());
    let report = report.expect("a report").gradients;
    assert!(report.comparisons.iter().all(|comparison| matches!(comparison.verdict, Verdict::Unresolved(_))));
    let report =
        check::module(&model, |model, tape| tape.param(&model.0).relu().sum() * tape.param(&model.1).exp().sum());
    assert_eq!(report.expect("a kink is no failure").gradients.counts().kink, 2);
}
