use wengert_autograd::Param;
use wengert_derive::Module;

#[derive(Module)]
#[module(crate = wengert_autograd)]
struct Model {
    weight: Param<f64>,
}

fn main() {}
