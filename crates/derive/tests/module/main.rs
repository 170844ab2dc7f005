//! What `#[derive(Module)]` visits, under which paths, in which order.

mod attributes;
mod generics;
mod kinds;

use wengert_autograd::{Element, Module, Param, Path, Tensor, Visitor, VisitorMut};
use wengert_derive::Module;

/// A parameter that holds one number, to tell parameters apart by.
fn param<T: Element>(value: T) -> Param<T> {
    Param::new(Tensor::from([value]))
}

/// The paths and the numbers that the parameters hold.
fn listed<T: Element>(module: &impl Module<T>) -> Vec<(String, T)> {
    module.named_parameters().into_iter().map(|(path, param)| (path, param.value().as_slice()[0])).collect()
}

/// The paths, after asking that `visit_mut` meets the same parameters in the same order.
fn paths<T: Element>(module: &mut impl Module<T>) -> Vec<String> {
    let seen: Vec<_> = module.named_parameters().into_iter().map(|(path, param)| (path, param.id())).collect();
    let seen_mut: Vec<_> = module.named_parameters_mut().into_iter().map(|(path, param)| (path, param.id())).collect();
    assert_eq!(seen, seen_mut);
    seen.into_iter().map(|(path, _)| path).collect()
}

#[derive(Module, Clone)]
#[module(crate = wengert_autograd)]
struct Linear<T: Element = f32> {
    weight: Param<T>,
    bias: Option<Param<T>>,
}

impl<T: Element> Linear<T> {
    fn new(weight: T, bias: T) -> Self {
        Linear { weight: param(weight), bias: Some(param(bias)) }
    }
}

#[derive(Module, Clone)]
#[module(crate = wengert_autograd)]
struct Mlp {
    hidden: Linear,
    out: Linear,
    #[module(skip)]
    name: String,
}

fn mlp() -> Mlp {
    Mlp { hidden: Linear::new(1.0, 2.0), out: Linear::new(3.0, 4.0), name: "mlp".into() }
}
