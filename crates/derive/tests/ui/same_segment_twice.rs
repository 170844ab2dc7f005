use wengert_autograd::Param;
use wengert_derive::Module;

#[derive(Module)]
#[module(crate = wengert_autograd)]
struct Model {
    weight: Param,
    #[module(rename = "weight")]
    other: Param,
}

#[derive(Module)]
#[module(crate = wengert_autograd)]
struct Swapped {
    #[module(rename = "weight")]
    other: Param,
    weight: Param,
}

fn main() {}
