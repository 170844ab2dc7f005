//! Structs and enums of each kind, and the fields that they may have.

use wengert_autograd::{Module, Param};
use wengert_derive::Module;

use super::{Linear, listed, mlp, param, paths};

#[test]
fn nested_in_the_order_of_the_fields() {
    let mlp = mlp();
    let expected = [("hidden.weight", 1.0), ("hidden.bias", 2.0), ("out.weight", 3.0), ("out.bias", 4.0)];
    assert_eq!(listed(&mlp), expected.map(|(path, value)| (path.to_string(), value)));
    assert_eq!(mlp.num_parameters(), 4);
    assert_eq!(mlp.name, "mlp");
}

#[test]
fn the_order_is_that_of_the_declaration_not_of_the_names() {
    #[derive(Module)]
    #[module(crate = wengert_autograd)]
    struct Zigzag {
        z: Param,
        a: Param,
        m: Param,
    }
    let mut zigzag = Zigzag { m: param(0.0), a: param(0.0), z: param(0.0) };
    assert_eq!(paths(&mut zigzag), ["z", "a", "m"]);
}

#[test]
fn an_absent_option_has_no_path() {
    let mut linear = Linear { weight: param(1.0_f32), bias: None };
    assert_eq!(paths(&mut linear), ["weight"]);
}

#[test]
fn lists_go_by_position() {
    #[derive(Module)]
    #[module(crate = wengert_autograd)]
    struct Stack<const N: usize> {
        layers: Vec<Linear>,
        heads: [Param; N],
        boxed: Box<Linear>,
    }
    let mut stack = Stack {
        layers: vec![Linear::new(0.0, 0.0), Linear { weight: param(0.0), bias: None }],
        heads: [param(0.0), param(0.0)],
        boxed: Box::new(Linear::new(0.0, 0.0)),
    };
    let expected =
        ["layers.0.weight", "layers.0.bias", "layers.1.weight", "heads.0", "heads.1", "boxed.weight", "boxed.bias"];
    assert_eq!(paths(&mut stack), expected);
}

#[test]
fn tuples_and_tuple_structs_go_by_position() {
    #[derive(Module)]
    #[module(crate = wengert_autograd)]
    struct Pair(Param, #[module(skip)] u8, (Linear, Param));
    let mut pair = Pair(param(0.0), 7, (Linear::new(0.0, 0.0), param(0.0)));
    assert_eq!(paths(&mut pair), ["0", "2.0.weight", "2.0.bias", "2.1"]);
    assert_eq!(pair.1, 7);
}

#[test]
fn unit_structs_hold_nothing() {
    #[derive(Module)]
    #[module(crate = wengert_autograd)]
    struct Relu;
    assert!(paths(&mut Relu).is_empty());
}

#[test]
fn raw_identifiers_lose_their_prefix() {
    #[derive(Module)]
    #[module(crate = wengert_autograd)]
    struct Raw {
        r#type: Param,
    }
    assert_eq!(paths(&mut Raw { r#type: param(0.0) }), ["type"]);
}

#[test]
fn enums_show_the_fields_of_the_variant_they_are() {
    #[derive(Module)]
    #[module(crate = wengert_autograd)]
    enum Layer<M> {
        Linear { weight: Param, bias: Param },
        Other(M, #[module(skip)] u8),
        Inline(#[module(flatten)] Linear),
        Relu,
    }
    let mut layers = vec![
        Layer::Linear { weight: param(0.0), bias: param(0.0) },
        Layer::Other(mlp().out, 3),
        Layer::Inline(mlp().out),
        Layer::Relu,
    ];
    assert_eq!(paths(&mut layers), ["0.weight", "0.bias", "1.0.weight", "1.0.bias", "2.weight", "2.bias"]);
    assert!(matches!(layers[1], Layer::Other(_, 3)));
}

#[test]
fn an_enum_without_variants_is_a_module() {
    #[derive(Module)]
    #[module(crate = wengert_autograd)]
    enum Never {}
    assert!(paths(&mut None::<Never>).is_empty());
}

trait Layer: wengert_autograd::Module {
    fn forward(&self, x: f32) -> f32;
}

impl Layer for Linear {
    fn forward(&self, x: f32) -> f32 {
        self.weight.value().as_slice()[0] * x
    }
}

#[test]
fn boxed_trait_objects() {
    #[derive(Module)]
    #[module(crate = wengert_autograd)]
    struct Sequential<'a> {
        layers: Vec<Box<dyn Layer + Send + 'a>>,
    }
    let mut sequential = Sequential { layers: vec![Box::new(Linear::new(2.0, 0.0)), Box::new(Linear::new(3.0, 0.0))] };
    assert_eq!(paths(&mut sequential), ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]);
    assert_eq!(sequential.layers.iter().fold(1.0, |x, layer| layer.forward(x)), 6.0);
}

#[test]
fn visit_mut_changes_the_values() {
    let mut mlp = mlp();
    for (path, param) in mlp.named_parameters_mut() {
        if path.ends_with("bias") {
            param.as_mut_slice()[0] += 10.0;
        }
    }
    assert_eq!(listed(&mlp).into_iter().map(|(_, value)| value).collect::<Vec<_>>(), [1.0, 12.0, 3.0, 14.0]);
}

#[test]
fn a_clone_has_the_same_paths_and_values_and_other_identities() {
    let (one, two) = (mlp(), mlp());
    let copy = one.clone();
    assert_eq!(listed(&one), listed(&copy));
    assert_eq!(listed(&one), listed(&two));
    for (param, copied) in one.parameters().iter().zip(copy.parameters()) {
        assert_ne!(param.id(), copied.id());
    }
}
