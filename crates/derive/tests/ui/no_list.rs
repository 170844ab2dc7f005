use wengert_autograd::Param;
use wengert_derive::Module;

#[derive(Module)]
#[module(crate = wengert_autograd)]
struct Model {
    #[module]
    weight: Param,
    #[module = "skip"]
    bias: Param,
}

fn main() {}
