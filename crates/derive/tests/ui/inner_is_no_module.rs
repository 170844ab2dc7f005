use wengert_autograd::Param;
use wengert_derive::Module;

#[derive(Module)]
#[module(crate = wengert_autograd)]
struct Residual<M> {
    inner: M,
    weight: Param,
}

fn is_module(_: impl wengert_autograd::Module) {}

fn use_it(residual: Residual<String>) {
    is_module(residual);
}

fn main() {}
