use wengert_autograd::Param;
use wengert_derive::Module;

#[derive(Module)]
#[module(crate = wengert_autograd)]
struct Model {
    #[module(flatten, rename = "a")]
    one: Param,
    #[module(skip, rename = "b")]
    two: Param,
    #[module(skip, flatten)]
    three: Param,
}

fn main() {}
