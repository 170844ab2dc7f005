//! The attributes, and the element type that goes without one.

use std::marker::PhantomData;

use wengert_autograd::{Element, Param};
use wengert_derive::Module;

use super::{Linear, param, paths};

#[test]
fn rename_and_flatten() {
    #[derive(Module)]
    #[module(crate = wengert_autograd)]
    struct Norm {
        #[module(rename = "gamma")]
        scale: Param,
        #[module(flatten)]
        rest: Linear,
        #[module(flatten)]
        list: Vec<Param>,
        #[module(rename = "tail")]
        list_of_lists: Vec<Vec<Param>>,
    }
    let mut norm = Norm {
        scale: param(0.0),
        rest: Linear::new(0.0, 0.0),
        list: vec![param(0.0)],
        list_of_lists: vec![vec![], vec![param(0.0)]],
    };
    assert_eq!(paths(&mut norm), ["gamma", "weight", "bias", "0", "tail.1.0"]);
}

#[test]
fn the_element_type_is_the_first_parameter_bounded_by_element() {
    #[derive(Module)]
    #[module(crate = wengert_autograd)]
    struct Inline<'a, T: Clone + wengert_autograd::Element> {
        linear: Linear<T>,
        #[module(skip)]
        name: &'a str,
    }
    #[derive(Module)]
    #[module(crate = wengert_autograd)]
    struct Clause<M, T>
    where
        M: Clone,
        T: Element,
    {
        inner: M,
        weight: Param<T>,
    }
    let mut double = Inline { linear: Linear::new(1.0_f64, 2.0), name: "double" };
    assert_eq!(paths::<f64>(&mut double), ["linear.weight", "linear.bias"]);
    assert_eq!(double.name, "double");
    let mut clause = Clause { inner: Linear::new(1.0_f64, 2.0), weight: param(3.0) };
    assert_eq!(paths::<f64>(&mut clause), ["inner.weight", "inner.bias", "weight"]);
}

#[test]
fn the_element_type_can_be_named() {
    #[derive(Module)]
    #[module(crate = wengert_autograd, element = f64)]
    struct Double {
        weight: Param<f64>,
        linear: Linear<f64>,
    }
    #[derive(Module)]
    #[module(crate = wengert_autograd)]
    #[module(element = U)]
    struct Second<T: Element, U: Element> {
        weight: Param<U>,
        #[module(skip)]
        input: PhantomData<T>,
    }
    assert_eq!(
        paths(&mut Double { weight: param(0.0), linear: Linear::new(0.0, 0.0) }),
        ["weight", "linear.weight", "linear.bias"]
    );
    let mut second = Second::<f32, f64> { weight: param(2.5), input: PhantomData };
    assert_eq!(paths::<f64>(&mut second), ["weight"]);
    assert_eq!(second.input, PhantomData);
}

#[test]
fn names_of_the_user_do_not_collide_with_the_code() {
    #[expect(
        non_camel_case_types,
        dead_code,
        reason = "the default element type is the primitive whatever its name means here"
    )]
    struct f32;
    #[derive(Module)]
    #[module(crate = wengert_autograd)]
    struct Names<'m, Path, Visitor> {
        path: Param,
        visitor: Path,
        __0: Visitor,
        #[module(skip)]
        name: &'m str,
    }
    let mut names = Names { path: param(0.0), visitor: param(0.0), __0: param(0.0), name: "" };
    assert_eq!(paths(&mut names), ["path", "visitor", "__0"]);
    assert_eq!(names.name, "");
}

#[test]
fn a_path_may_be_given_from_the_crate_or_the_module() {
    mod own {
        pub(crate) use wengert_autograd::{Module, Path, Visitor, VisitorMut};
    }
    #[derive(Module)]
    #[module(crate = own)]
    struct Local {
        weight: Param,
    }
    #[derive(Module)]
    #[module(crate = ::wengert_autograd)]
    struct Global {
        weight: Param,
    }
    assert_eq!(paths(&mut Local { weight: param(0.0) }), paths(&mut Global { weight: param(0.0) }));
}

#[test]
fn the_path_may_be_the_crate_itself() {
    // The crate's root imports the four names.
    #[derive(Module)]
    #[module(crate = crate)]
    struct Local {
        weight: Param,
    }
    assert_eq!(paths(&mut Local { weight: param(0.0) }), ["weight"]);
}

#[test]
fn a_deprecated_field_warns_where_it_is_used_only() {
    #[derive(Module)]
    #[module(crate = wengert_autograd)]
    struct Aged {
        #[deprecated]
        weight: Param,
    }
    #[expect(deprecated)]
    let mut aged = Aged { weight: param(0.0) };
    assert_eq!(paths(&mut aged), ["weight"]);
}
