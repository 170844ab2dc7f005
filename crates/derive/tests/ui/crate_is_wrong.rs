use wengert_autograd::Param;
use wengert_derive::Module;

#[derive(Module)]
#[module(crate = wengert_elsewhere)]
struct Model {
    weight: Param,
    bias: Param,
}

fn main() {}
