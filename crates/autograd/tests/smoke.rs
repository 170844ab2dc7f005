use wengert_autograd::*;
#[test]
fn smoke() -> Result<()> {
    let tape = Tape::new();
    let x = tape.input(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    let w = tape.input(Tensor::from([[0.5, -0.5, 0.1], [0.25, 1.0, 0.2]]));
    let b = tape.input(Tensor::from([0.1, 0.2, 0.3]));
    let h = (x.matmul(w) * 0.1 + b).tanh();
    let loss = (h * h.sigmoid()).mean();
    println!("{}", loss.item()?);
    let [gw, gb] = loss.grad([w, b]);
    println!("{tape}");
    let [gwv, gbv] = tape.eval([gw, gb])?;
    println!("{gwv}\n{gbv}");
    let f = |wv: &Tensor<f64>, bv: &Tensor<f64>| {
        let t = Tape::inference();
        let h = (t.constant(x.value().unwrap()).matmul(t.constant(wv)) * 0.1 + t.constant(bv)).tanh();
        (h * h.sigmoid()).mean().item().unwrap()
    };
    let (wv, bv) = (w.value()?, b.value()?);
    for i in 0..6 {
        let mut p = wv.clone();
        p.as_mut_slice()[i] += 1e-5;
        let mut m = wv.clone();
        m.as_mut_slice()[i] -= 1e-5;
        let d = (f(&p, &bv) - f(&m, &bv)) / 2e-5;
        assert!((d - gwv.as_slice()[i]).abs() < 1e-9, "{d} {}", gwv.as_slice()[i]);
    }
    for i in 0..3 {
        let mut p = bv.clone();
        p.as_mut_slice()[i] += 1e-5;
        let mut m = bv.clone();
        m.as_mut_slice()[i] -= 1e-5;
        let d = (f(&wv, &p) - f(&wv, &m)) / 2e-5;
        assert!((d - gbv.as_slice()[i]).abs() < 1e-9, "{d} {}", gbv.as_slice()[i]);
    }
    let bad = x.matmul(b.reshape([3, 1])).tanh().sum();
    println!("{}", bad.item().unwrap_err());
    Ok(())
}
#[test]
fn registry_values() {
    for op in ops::REGISTRY {
        for s in (op.samples)() {
            let tape = Tape::new();
            let xs: Vec<_> = s.inputs.iter().map(|x| tape.input(x)).collect();
            let y = (s.function)(&xs).value().unwrap();
            let r = (s.reference)(&s.inputs.iter().map(|x| x.view().to_owned()).collect::<Vec<_>>());
            assert_eq!(&y.shape()[..], r.shape(), "{} {}", op.name, s.label);
            for (a, b) in y.as_slice().iter().zip(r.iter()) {
                assert!((a - b).abs() < 1e-12, "{} {} {a} {b}", op.name, s.label);
            }
        }
    }
}

/// The product reads through a transposition, and yet the transposed matrix has its own gradient.
#[test]
fn a_transposed_operand_is_a_target() -> Result<()> {
    let tape = Tape::new();
    let (x, w) = (tape.input(Tensor::from([[1.0, 2.0]])), tape.input(Tensor::from([[3.0, 4.0], [5.0, 6.0]])));
    let turned = w.t();
    let y = x.matmul(turned).sum() + turned.sum();
    let [to_turned, to_w] = y.grad([turned, w]);
    assert_eq!(to_turned.value()?.to_vec(), [2.0, 2.0, 3.0, 3.0]);
    assert_eq!(to_w.value()?.to_vec(), [2.0, 3.0, 2.0, 3.0]);
    Ok(())
}
