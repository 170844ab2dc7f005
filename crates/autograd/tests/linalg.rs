//! Linear algebra at its edges: singular matrices, equal eigenvalues, ranks that are missing, operands that don't fit.
#![cfg(feature = "linalg")]

use wengert_autograd::ops::Triangle;
use wengert_autograd::{Error, ErrorKind, Tape, Tensor, Var};

/// Numbers without a simple order, in (-1, 1).
fn numbers<const N: usize>(shape: [usize; N], start: usize) -> Tensor<f64> {
    Tensor::from_fn(shape, |i| 2.0 * (((i + start) as f64 * 0.618_033_988_75).fract() - 0.5))
}

fn largest(x: Var<'_, f64>) -> f64 {
    x.value().unwrap().as_slice().iter().fold(0.0, |most: f64, x| most.max(x.abs()))
}

/// The mistake that a function of a matrix ends in, with the op that it names.
fn mistake(a: &Tensor<f64>, f: impl for<'t> FnOnce(Var<'t, f64>) -> Var<'t, f64>) -> Error {
    let tape = Tape::new();
    f(tape.input(a)).value().unwrap_err()
}

#[test]
fn singular_matrices_are_named() {
    let second = Tensor::from([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 2.0], [2.0, 4.0]]]);
    for error in [
        mistake(&second, |a| a.inv()),
        mistake(&second, |a| a.solve(a)),
        mistake(&second, |a| a.det().sum().grad([a])[0]),
        mistake(&second, |a| a.logdet().sum().grad([a])[0]),
    ] {
        assert_eq!(error.kind(), ErrorKind::Numeric);
        let text = error.to_string();
        assert!(text.contains("matrix 1 of the batch of 2 is singular"), "{text}");
        assert!(text.contains("linalg.rs") && text.contains("svd()"), "{text}");
    }
    let tape = Tape::new();
    let a = tape.input(&second);
    assert_eq!(a.det().value().unwrap().to_vec(), [1.0, 0.0]);
    let (sign, log) = a.slogdet();
    assert_eq!(sign.value().unwrap().to_vec(), [1.0, 0.0]);
    assert_eq!(log.value().unwrap().to_vec(), [0.0, f64::NEG_INFINITY]);
    let negative = tape.input(Tensor::from([[0.0, 1.0], [1.0, 0.0]]));
    assert!(negative.logdet().item().unwrap().is_nan());
    let text =
        mistake(&Tensor::from([[1.0, 0.0], [1.0, 0.0]]), |a| a.triangular_solve(a, Triangle::lower())).to_string();
    assert!(text.starts_with("triangular_solve: the matrix is singular"), "{text}");
    let text = mistake(&Tensor::from([[1.0, 2.0], [2.0, 1.0]]), |a| a.cholesky()).to_string();
    assert!(text.starts_with("cholesky: the matrix is not positive definite"), "{text}");
}

#[test]
fn large_matrices_are_factored_to_rounding() {
    for (m, n) in [(40, 40), (60, 25), (25, 60)] {
        let tape = Tape::new();
        let a = tape.input(numbers([m, n], 7));
        let k = m.min(n);
        let identity = tape.constant(Tensor::eye(k));
        let (u, s, vt) = a.svd();
        assert!(largest((u * s).matmul(vt) - a) < 1e-12);
        assert!(largest(u.t().matmul(u) - identity) < 1e-12 && largest(vt.matmul(vt.t()) - identity) < 1e-12);
        let s = s.value().unwrap();
        assert!(s.as_slice().windows(2).all(|pair| pair[0] >= pair[1]) && s.as_slice()[k - 1] >= 0.0);
        let (q, r) = a.qr();
        assert!(largest(q.matmul(r) - a) < 1e-12 && largest(q.t().matmul(q) - identity) < 1e-12);
        let gram = a.matmul(a.t()) + tape.constant(Tensor::eye(m));
        let (w, v) = gram.eigh();
        assert!(largest((v * w).matmul(v.t()) - gram) < 1e-11);
        let l = gram.cholesky();
        assert!(largest(l.matmul(l.t()) - gram) < 1e-12);
        assert!(largest(gram.inv().matmul(gram) - tape.constant(Tensor::eye(m))) < 1e-11);
        let difference = gram.logdet().item().unwrap() - w.ln().sum().item().unwrap();
        assert!(difference.abs() < 1e-10);
    }
}

#[test]
fn values_have_derivatives_where_vectors_have_none() {
    // The identity: every direction is an eigenvector; the sum of all eigenvalues is the trace.
    let tape = Tape::new();
    let a = tape.input(Tensor::<f64>::eye(3));
    let [g] = a.eigh().0.sum().grad([a]);
    assert!(largest(g - tape.constant(Tensor::eye(3))) < 1e-15);
    let (_, s, _) = (3.0 * a).svd();
    let [g] = s.sum().grad([a]);
    assert!(largest(g - 3.0 * tape.constant(Tensor::eye(3))) < 1e-14);
    // Through the vectors there is none, and it shows.
    let [g] = a.eigh().1.sum().grad([a]);
    assert!(!g.value().unwrap().is_finite());
    // Rank 1 of 2: the values keep their derivative.
    let a = tape.input(Tensor::from([[2.0, 0.0], [0.0, 0.0]]));
    let [g] = a.svd().1.narrow(0, 0, 1).sum().grad([a]);
    assert!(largest(g - tape.constant(Tensor::from([[1.0, 0.0], [0.0, 0.0]]))) < 1e-15);
}

#[test]
fn columns_that_depend_on_each_other() {
    let dependent = Tensor::from([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]);
    let tape = Tape::new();
    let a = tape.input(&dependent);
    let (q, r) = a.qr();
    assert!(largest(q.matmul(r) - a) < 1e-14);
    assert_eq!(r.value().unwrap().as_slice()[3], 0.0);
    let [g] = r.sum().grad([a]);
    let text = g.value().unwrap_err().to_string();
    assert!(text.contains("singular") && text.contains("depend on each other"), "{text}");
}

#[test]
fn operands_that_are_not_symmetric_are_symmetrised() {
    let (a0, tape) = (Tensor::from([[4.0, 3.0], [1.0, 10.0]]), Tape::new());
    let (a, s) = (tape.input(&a0), tape.input(Tensor::from([[4.0, 2.0], [2.0, 10.0]])));
    assert_eq!(a.cholesky().value().unwrap(), s.cholesky().value().unwrap());
    assert_eq!(a.eigh().1.value().unwrap(), s.eigh().1.value().unwrap());
    let [g] = (a.cholesky() * tape.constant(numbers([2, 2], 3))).sum().grad([a]);
    let g = g.value().unwrap();
    assert_eq!(g.as_slice()[1], g.as_slice()[2]);
}

#[test]
fn nothing_and_not_a_number() {
    let tape = Tape::<f64>::new();
    let none = tape.input(Tensor::<f64>::zeros([0, 0]));
    assert_eq!(none.det().item().unwrap(), 1.0);
    assert_eq!(none.logdet().item().unwrap(), 0.0);
    let nan = Tensor::from([[1.0, f64::NAN], [0.0, 1.0]]);
    for error in [mistake(&nan, |a| a.eigh().0), mistake(&nan, |a| a.svd().1)] {
        assert!(error.to_string().contains("the matrix holds NaN or infinity"), "{error}");
    }
    assert_eq!(mistake(&nan, |a| a.cholesky()).kind(), ErrorKind::Numeric);
}

#[test]
fn shapes_that_do_not_fit() {
    let wide = numbers([2, 3], 0);
    for (error, op) in [
        (mistake(&wide, |a| a.inv()), "inv"),
        (mistake(&wide, |a| a.det()), "det"),
        (mistake(&wide, |a| a.logdet()), "logdet"),
        (mistake(&wide, |a| a.slogdet().0), "slogdet"),
        (mistake(&wide, |a| a.cholesky()), "cholesky"),
        (mistake(&wide, |a| a.eigh().1), "eigh"),
        (mistake(&wide, |a| a.solve(a)), "solve"),
        (mistake(&wide, |a| a.triangular_solve(a, Triangle::upper())), "triangular_solve"),
        (mistake(&numbers([3], 0), |a| a.svd().1), "svd"),
        (mistake(&numbers([3], 0), |a| a.qr().1), "qr"),
        (mistake(&numbers([2, 2], 0), |a| a.solve(a.tape().scalar(1.0))), "solve"),
        (mistake(&numbers([2, 2], 0), |a| a.solve(a.tape().constant(numbers([3, 2], 0)))), "solve"),
        (mistake(&numbers([3, 2, 2], 0), |a| a.solve(a.tape().constant(numbers([2, 2, 1], 0)))), "solve"),
    ] {
        assert_eq!((error.kind(), error.op_name()), (ErrorKind::Shape, Some(op)), "{error}");
    }
    let (tape, other) = (Tape::<f64>::new(), Tape::<f64>::new());
    let (a, b) = (tape.input(numbers([2, 2], 0)), other.input(numbers([2, 2], 0)));
    assert_eq!(a.solve(b).value().unwrap_err().kind(), ErrorKind::Tape);
}
