use wengert_autograd::Param;
use wengert_derive::Module;

#[derive(Module)]
#[module(crate = wengert_autograd, skip)]
struct Model {
    #[module(element = f64)]
    weight: Param,
}

#[derive(Module)]
#[module(crate = wengert_autograd)]
enum Either {
    #[module(skip)]
    Left(Param),
    Right(Param),
}

fn main() {}
