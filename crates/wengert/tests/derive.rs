//! `#[derive(Module)]` and the prelude as a user of the facade has them.

use rand::SeedableRng;
use wengert::prelude::*;

#[derive(Module, Clone, Debug)]
struct Mlp {
    hidden: Linear,
    out: Linear,
    #[module(skip)]
    name: String,
}

impl Mlp {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        self.out.forward(self.hidden.forward(x).relu())
    }
}

#[test]
fn a_step_through_the_facade() -> Result<()> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let mut model = Mlp { hidden: Linear::new(3, 5, &mut rng), out: Linear::new(5, 2, &mut rng), name: "mlp".into() };
    assert_eq!(model.named_parameters()[3].0, "out.bias");
    assert_eq!((model.num_parameters(), model.name.as_str()), (32, "mlp"));
    let before = model.state_dict();
    let mut optimizer = AdamW::new(1e-3);
    let tape = Tape::training(1);
    let loss = loss::cross_entropy(model.forward(tape.constant(Tensor::ones([4, 3]))), [0, 1, 1, 0]);
    let grads = loss.backward()?;
    optimizer.step(&mut model, &grads)?;
    assert_ne!(model.state_dict(), before);
    Ok(())
}

#[test]
fn a_bias_that_is_cut_off_is_named() -> Result<()> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let mut model = Mlp { hidden: Linear::new(3, 5, &mut rng), out: Linear::new(5, 2, &mut rng), name: "mlp".into() };
    let tape = Tape::new();
    let product = model.hidden.forward(tape.constant(Tensor::ones([4, 3]))).matmul(tape.param(&model.out.weight).t());
    let bias = model.out.bias.as_ref().map(|bias| tape.param(bias).detach());
    let y = bias.map_or(product, |bias| product + bias);
    let error = Sgd::new(0.1).step(&mut model, &y.sum().backward()?).unwrap_err().to_string();
    assert!(error.starts_with("parameter \"out.bias\" has no gradient: cut off at "), "{error}");
    assert!(error.contains("derive.rs:"), "{error}");
    Ok(())
}
