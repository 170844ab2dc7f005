//! The bounds of the impl.

use wengert_autograd::Param;
use wengert_derive::Module;

use super::{mlp, param, paths};

#[derive(Module)]
#[module(crate = wengert_autograd)]
struct Residual<M> {
    inner: M,
}

#[test]
fn generic_over_modules() {
    #[derive(Module)]
    #[module(crate = wengert_autograd)]
    struct Wrapped<M, C> {
        inner: Residual<M>,
        list: Vec<(M, Param)>,
        #[module(skip)]
        config: C,
    }
    fn is_module<M: wengert_autograd::Module>(_: &M) {}

    let mut residual = Residual { inner: mlp() };
    assert_eq!(paths(&mut residual)[0], "inner.hidden.weight");
    let mut wrapped =
        Wrapped { inner: Residual { inner: param(0.0) }, list: vec![(param(0.0), param(0.0))], config: "" };
    is_module(&wrapped);
    assert_eq!(paths(&mut wrapped), ["inner.inner", "list.0.0", "list.0.1"]);
    assert_eq!(wrapped.config, "");
    // A field that is no module takes the impl away, not the struct.
    assert_eq!(Residual { inner: "text" }.inner, "text");
}

#[test]
fn private_types_may_stand_in_public_generic_structs() {
    mod inner {
        use wengert_autograd::Param;
        use wengert_derive::Module;

        #[derive(Module)]
        #[module(crate = wengert_autograd)]
        struct Private<M>(M);

        #[derive(Module)]
        #[module(crate = wengert_autograd)]
        pub(super) struct Public<M> {
            private: Private<M>,
        }

        pub(super) fn make() -> Public<Param> {
            Public { private: Private(super::param(0.0)) }
        }
    }
    assert_eq!(paths(&mut inner::make()), ["private.0"]);
}

#[test]
fn recursive_types() {
    #[derive(Module)]
    #[module(crate = wengert_autograd)]
    struct Node {
        weight: Param,
        children: Vec<Node>,
    }
    #[derive(Module)]
    #[module(crate = wengert_autograd)]
    struct Tree<M> {
        children: Vec<(M, Tree<M>)>,
        next: Option<Box<Self>>,
    }
    let leaf = || Node { weight: param(0.0), children: vec![] };
    let mut node = Node { weight: param(0.0), children: vec![leaf(), leaf()] };
    assert_eq!(paths(&mut node), ["weight", "children.0.weight", "children.1.weight"]);
    let end = || Tree { children: vec![], next: None };
    let mut tree = Tree { children: vec![(param(0.0), end())], next: Some(Box::new(end())) };
    assert_eq!(paths(&mut tree), ["children.0.0"]);
}

macro_rules! declared {
    ($name:ident { $($field:ident: $ty:ty),* }) => {
        #[derive(Module)]
        #[module(crate = wengert_autograd)]
        struct $name<M> { $($field: $ty,)* inner: M }
    };
}

declared!(Declared { weight: Param, list: Vec<Param> });

#[test]
fn types_that_come_out_of_a_macro() {
    let mut declared = Declared { weight: param(0.0), list: vec![param(0.0)], inner: param(0.0) };
    assert_eq!(paths(&mut declared), ["weight", "list.0", "inner"]);
}
