use wengert_autograd::Param;
use wengert_derive::Module;

#[derive(Module)]
#[module(crate = wengert_autograd)]
struct Model {
    #[module(skip = true)]
    weight: Param,
    #[module(flatten(true))]
    bias: Param,
}

fn main() {}
