//! The gradient check as users meet it.

use wengert_autograd::check::{Comparison, GradCheck, Verdict, gradcheck};
use wengert_autograd::{ErrorKind, Tensor, assert_close, assert_grad};

#[test]
fn every_element_of_the_jacobian_is_compared() {
    let (a, b) = (Tensor::from([[0.5, -1.0], [0.25, 2.0]]), Tensor::from([[1.0, 0.0, 0.3], [-0.5, 0.75, 0.1]]));
    let report = gradcheck(|x| x[0].matmul(x[1]).tanh(), &[a, b]).expect("right derivatives");
    assert_eq!(report.comparisons.len(), 6 * (4 + 6));
    assert!(report.worst() < 1e-11, "{report}");
}

#[test]
fn a_wrong_derivative_is_named_with_both_numbers() {
    let x = Tensor::from([[1.0, 2.0]]);
    let error = gradcheck(|x| x[1] * 2.0 + x[0] * x[0].detach(), &[x.clone(), x]).expect_err("half of it is cut off");
    assert_eq!(error.kind(), ErrorKind::Check);
    let text = error.to_string();
    assert!(text.contains("input 0, element [0, 1], output 1, order 1: analytic 2, numeric"), "{text}");
    assert!(!text.contains("input 1"), "{text}");
}

#[test]
fn a_kink_at_the_point_is_no_failure_and_one_beside_it_is_stepped_around() {
    let report = gradcheck(|x| x[0].relu(), &[Tensor::from([0.0, 1e-3, -0.02])]).expect("kinks are no failure");
    let kinks: Vec<&Comparison> = report.kinks().collect();
    assert_eq!((kinks.len(), kinks[0].position.as_slice()), (1, &[0][..]));
    let Verdict::Kink { left, right } = kinks[0].verdict else { panic!("a kink") };
    assert_close!([left, right], [0.0, 1.0], rtol = 1e-9);
    assert!(report.to_string().contains("a kink, slopes 0.000000 and 1.000000"), "{report}");
}

#[test]
fn a_number_outside_the_slopes_of_a_kink_is_a_failure() {
    let wrong = gradcheck(
        |x| x[0].relu().detach() - (x[0] - x[0].detach()).relu() - x[0] + x[0].detach(),
        &[Tensor::from([0.0])],
    );
    assert!(wrong.is_err(), "{wrong:?}");
}

#[test]
fn an_input_that_is_not_reached_is_reported() {
    let inputs = [Tensor::from([1.0]), Tensor::from([2.0, 3.0])];
    let report = gradcheck(|x| x[0].exp(), &inputs).expect("zero is right");
    assert_eq!(report.unreached, [1]);
    assert!(report.to_string().contains("input 1 is not reached"), "{report}");
}

#[test]
fn higher_orders_and_random_directions() {
    let inputs = [Tensor::from([0.5f32, 1.5]), Tensor::from([-0.25f32, 1.0])];
    let report = GradCheck::new().order(3).report(|x| (x[0] * x[1]).sigmoid(), &inputs).expect("a report");
    assert!(report.is_ok(), "{report}");
    assert!((1..=3).all(|order| report.comparisons.iter().any(|comparison| comparison.order == order)));
    let fast = GradCheck::new().order(2).fast(true).seed(7).run(|x| (x[0] * x[1]).sigmoid(), &inputs).expect("right");
    assert_eq!(fast.comparisons.len(), 4);
    assert_eq!(report.comparisons.len(), 2 * 4 + 4 * 4 + 4 * 4);
}

#[test]
fn mistakes_of_the_function_come_out_as_they_are() {
    let inputs = [Tensor::from([1.0, 2.0]), Tensor::from([1.0, 2.0, 3.0])];
    assert_eq!(gradcheck(|x| x[0] + x[1], &inputs).expect_err("shapes").kind(), ErrorKind::Shape);
    assert_grad!(|x| x[0].sum() * x[1].sum(), &inputs);
}

#[test]
#[should_panic(expected = "derivatives differ from differences")]
fn the_assertion_stops() {
    assert_grad!(|x| x[0].exp().detach() + x[0], &[Tensor::from([1.0])]);
}
