//! Arithmetic: the rows of the operators, and the operators themselves.

use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use super::elementwise::{apply, row};
use super::real::Entry;
use crate::kernels::number::Element;
use crate::tape::node::Kind;
use crate::tape::var::Var;

row! {
    Negate(x) = "-{0}", neg;
    value: -x;
    pullback(y, g): [-g];
    derivatives: ["-1"];
    domain: [(-3.0, 3.0)];
    kinks: [];
}

row! {
    Sum2(a, b) = "{0} + {1}", add;
    value: a + b;
    pullback(y, g): [g, g];
    derivatives: ["1", "1"];
    domain: [(-3.0, 3.0), (-3.0, 3.0)];
    kinks: [];
}

row! {
    Difference(a, b) = "{0} - {1}", sub;
    value: a - b;
    pullback(y, g): [g, -g];
    derivatives: ["1", "-1"];
    domain: [(-3.0, 3.0), (-3.0, 3.0)];
    kinks: [];
}

row! {
    Product(a, b) = "{0} * {1}", mul;
    value: a * b;
    pullback(y, g): [g.scaled(b), g.scaled(a)];
    derivatives: ["b", "a"];
    domain: [(-3.0, 3.0), (-3.0, 3.0)];
    kinks: [];
}

row! {
    Quotient(a, b) = "{0} / {1}", div;
    value: a / b;
    pullback(y, g): [g.scaled(b.constant(1.0) / b), g.scaled(-(y / b))];
    derivatives: ["1 / b", "-y / b"];
    domain: [(-3.0, 3.0), (0.5, 3.0)];
    kinks: [];
}

row! {
    /// Rounded once where that is one instruction.
    ///
    MultiplyAdd(x, a, b) = "{0} * {1} + {2}", mul_add;
    value: x.mul_add(a, b);
    pullback(y, g): [g.scaled(a), g.scaled(x), g];
    derivatives: ["a", "x", "1"];
    domain: [(-3.0, 3.0), (-3.0, 3.0), (-3.0, 3.0)];
    kinks: [];
}

row! {
    /// The zero rule: what pullbacks multiply with. An exactly zero cotangent stays exactly zero whatever the derivative,
    /// and an exactly zero derivative passes nothing of an infinite cotangent.
    Scaled(g, d) = "{0} . {1}", scaled;
    // Without branches, which would keep the loop from being vectorised.
    value: N::select((g == N::of(0.0)) | ((d == N::of(0.0)) & !g.is_nan()), N::of(0.0), g * d);
    pullback(y, h): [h.scaled(d), h.scaled(g)];
    derivatives: ["d", "g"];
    domain: [(0.5, 3.0), (-3.0, 3.0)];
    kinks: [];
}

/// Multiplies a cotangent with a derivative by the zero rule; where the derivative is a known number, plainly.
#[track_caller]
pub(crate) fn scaled<'t, T: Element>(cotangent: Var<'t, T>, derivative: Var<'t, T>) -> Var<'t, T> {
    match derivative.known_number() {
        Some(number) if number == T::of(1.0) => cotangent,
        Some(number) if number == T::of(-1.0) => -cotangent,
        Some(number) if number.is_finite() => fold(cotangent, derivative).unwrap_or(cotangent * derivative),
        _ if cotangent.tape.strict.get() => cotangent * derivative,
        _ if cotangent.known_number() == Some(T::of(1.0)) && derivative.is_finite_one() => derivative,
        _ => apply(Scaled, [cotangent, derivative]),
    }
}

/// The product of two known numbers.
fn fold<'t, T: Element>(a: Var<'t, T>, b: Var<'t, T>) -> Option<Var<'t, T>> {
    Some(a.tape.scalar(a.known_number()? * b.known_number()?))
}

impl<T: Element> Var<'_, T> {
    /// The value, where the node is a number in a formula.
    pub(crate) fn known_number(self) -> Option<T> {
        if self.is_poisoned() {
            return None;
        }
        match self.tape.inner.borrow().nodes[self.id as usize].kind {
            Kind::Scalar(value) => Some(value),
            _ => None,
        }
    }

    /// `1 * d` is `d` whenever the shapes agree.
    fn is_finite_one(self) -> bool {
        self.rank() == 0
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $assign_trait:ident $assign:ident $row:ident $symbol:tt;)*) => {$(
        /// Elementwise, broadcast by NumPy's rule.
        impl<'t, T: Element> $trait for Var<'t, T> {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $method(self, right: Var<'t, T>) -> Var<'t, T> {
                apply($row, [self, right])
            }
        }

        /// Elementwise with a number.
        impl<'t, T: Element> $trait<T> for Var<'t, T> {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $method(self, right: T) -> Var<'t, T> {
                apply($row, [self, self.tape.scalar(right)])
            }
        }

        impl<'t, T: Element> $assign_trait for Var<'t, T> {
            #[track_caller]
            fn $assign(&mut self, right: Var<'t, T>) {
                *self = *self $symbol right;
            }
        }

        impl<'t, T: Element> $assign_trait<T> for Var<'t, T> {
            #[track_caller]
            fn $assign(&mut self, right: T) {
                *self = *self $symbol right;
            }
        }

        impl<'t, T: Element> $trait for Entry<'t, T> {
            type Output = Entry<'t, T>;
            #[track_caller]
            fn $method(self, right: Entry<'t, T>) -> Entry<'t, T> {
                Entry(self.0 $symbol right.0)
            }
        }

        impl<'t, T: Element> $trait<T> for Entry<'t, T> {
            type Output = Entry<'t, T>;
            #[track_caller]
            fn $method(self, right: T) -> Entry<'t, T> {
                Entry(self.0 $symbol right)
            }
        }

        /// A number with each element.
        impl<'t, T: Element> $trait<Var<'t, T>> for f64 {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $method(self, right: Var<'t, T>) -> Var<'t, T> {
                apply($row, [right.tape.scalar(T::of(self)), right])
            }
        }

        impl<'t, T: Element> $trait<Entry<'t, T>> for f64 {
            type Output = Entry<'t, T>;
            #[track_caller]
            fn $method(self, right: Entry<'t, T>) -> Entry<'t, T> {
                Entry(self $symbol right.0)
            }
        }
    )*};
}

operators! {
    Add add AddAssign add_assign Sum2 +;
    Sub sub SubAssign sub_assign Difference -;
    Mul mul MulAssign mul_assign Product *;
    Div div DivAssign div_assign Quotient /;
}

impl<'t, T: Element> Neg for Var<'t, T> {
    type Output = Var<'t, T>;
    #[track_caller]
    fn neg(self) -> Var<'t, T> {
        apply(Negate, [self])
    }
}

impl<'t, T: Element> Neg for Entry<'t, T> {
    type Output = Entry<'t, T>;
    #[track_caller]
    fn neg(self) -> Entry<'t, T> {
        Entry(-self.0)
    }
}
