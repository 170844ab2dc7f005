use wengert_autograd::Param;
use wengert_derive::Module;

#[derive(Module)]
struct Model {
    weight: Param,
}

fn main() {}
