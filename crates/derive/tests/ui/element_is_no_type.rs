use wengert_autograd::Param;
use wengert_derive::Module;

#[derive(Module)]
#[module(crate = wengert_autograd, element = 64)]
struct Number {
    weight: Param,
}

#[derive(Module)]
#[module(crate = wengert_autograd, element = "f64")]
struct Text {
    weight: Param,
}

#[derive(Module)]
#[module(crate = wengert_autograd, element)]
struct Nothing {
    weight: Param,
}

fn main() {}
