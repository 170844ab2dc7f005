use wengert_derive::Module;

#[derive(Module)]
#[module(crate = wengert_autograd)]
union Model {
    weight: u32,
    bias: f32,
}

fn main() {}
