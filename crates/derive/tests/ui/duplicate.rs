use wengert_autograd::Param;
use wengert_derive::Module;

#[derive(Module)]
#[module(crate = wengert_autograd)]
#[module(crate = wengert_autograd)]
struct Model {
    #[module(skip, skip)]
    weight: Param,
    #[module(rename = "a")]
    #[module(rename = "b")]
    bias: Param,
}

fn main() {}
