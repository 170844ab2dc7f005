use wengert_autograd::Param;
use wengert_derive::Module;

#[derive(Module)]
#[module(crate = wengert_autograd)]
struct Model {
    #[module(rename = gamma)]
    bare: Param,
    #[module(rename)]
    alone: Param,
}

fn main() {}
