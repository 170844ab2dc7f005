//! interim: a few rows
use super::elementwise::{Zero, apply, row};
use super::real::Real;
use crate::kernels::number::{Element, Number};
use crate::tape::var::Var;

row! {
    Exp(x) = "exp({0})", exp;
    value: x.exp();
    pullback(y, g): [g.scaled(y)];
    derivatives: ["y"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}
row! {
    Ln(x) = "ln({0})", ln;
    value: x.ln();
    pullback(y, g): [g.scaled(x.constant(1.0) / x)];
    derivatives: ["1 / x"];
    domain: [(0.1, 3.0)];
    kinks: [];
}
row! {
    Sqrt(x) = "sqrt({0})", sqrt;
    value: x.sqrt();
    pullback(y, g): [g.scaled(y.constant(0.5) / y)];
    derivatives: ["1 / (2 y)"];
    domain: [(0.1, 3.0)];
    kinks: [];
}
row! {
    Tanh(x) = "tanh({0})", tanh;
    value: x.tanh();
    pullback(y, g): [g.scaled(y.constant(1.0) - y * y)];
    derivatives: ["1 - y^2"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}
row! {
    Greater(a, b) = "{0} > {1}", gt;
    value: if a > b { N::of(1.0) } else { N::of(0.0) };
    pullback(y, g): [Zero, Zero];
    derivatives: ["0", "0"];
    domain: [(-3.0, 3.0), (-3.0, 3.0)];
    kinks: [];
}
row! {
    Select(mask, a, b) = "where({0}, {1}, {2})", where_;
    value: if mask != N::of(0.0) { a } else { b };
    pullback(y, g): [Zero, mask.select(g, g.constant(0.0)), mask.select(g.constant(0.0), g)];
    derivatives: ["0", "1 where mask, else 0", "0 where mask, else 1"];
    domain: [(-1.0, 1.0), (-3.0, 3.0), (-3.0, 3.0)];
    kinks: [0.0];
}
macro_rules! m { ($($f:ident $r:ident),*) => { impl<T: Element> Var<'_, T> { $(
    /// interim
    #[track_caller] pub fn $f(self) -> Self { apply($r, [self]) } )* } } }
m!(square Square, exp Exp, ln Ln, sqrt Sqrt, tanh Tanh);
row! {
    Square(x) = "{0}^2", square;
    value: x * x;
    pullback(y, g): [g.scaled(x.constant(2.0) * x)];
    derivatives: ["2 x"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}
