use wengert_autograd::Param;
use wengert_derive::Module;

#[derive(Module)]
#[module(crate = wengert_autograd)]
struct Model {
    #[module(rename = "a.b")]
    dotted: Param,
    #[module(rename = "")]
    empty: Param,
}

fn main() {}
