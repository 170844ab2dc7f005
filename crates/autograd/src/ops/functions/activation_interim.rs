//! Interim: to be deleted when `ops/activations.rs` is merged.

use super::methods;
use crate::ops::elementwise::row;

row! {
    Sigmoid(x) = "sigmoid({0})", sigmoid;
    value: x.sigmoid();
    pullback(y, g): [g.scaled(y * (y.constant(1.0) - y))];
    derivatives: ["y (1 - y)"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    Relu(x) = "relu({0})", relu;
    value: if x > N::of(0.0) { x } else { N::of(0.0) };
    pullback(y, g): [x.gt(x.constant(0.0)).select(g, g.constant(0.0))];
    derivatives: ["1 where x > 0, else 0"];
    domain: [(-3.0, 3.0)];
    kinks: [0.0];
}

methods! {
    /// Interim.
    sigmoid() => Sigmoid;
    /// Interim.
    relu() => Relu;
}
