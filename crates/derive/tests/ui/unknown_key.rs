use wengert_autograd::Param;
use wengert_derive::Module;

#[derive(Module)]
#[module(crate = wengert_autograd, elem = f64)]
struct Model {
    #[module(skipped)]
    weight: Param,
    #[module(nn::skip)]
    bias: Param,
}

fn main() {}
