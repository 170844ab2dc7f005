//! Rows as ops: recording, broadcasting, running and pulling back any elementwise function.

use std::any::TypeId;
use std::marker::PhantomData;

use smallvec::SmallVec;

use super::real::{Elementwise, Entry, Formula};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::block;
use crate::kernels::number::Element;
use crate::tape::op::{Call, Context, Op, Operand, Pullback, Row};
use crate::tape::var::Var;
use crate::tensor::Shape;

/// A row as an op.
#[derive(Clone, Copy, Debug, PartialEq, Hash)]
struct RowOp<F, const A: usize>(PhantomData<F>);

impl<F: Elementwise<A>, const A: usize> RowOp<F, A> {
    const OP: RowOp<F, A> = RowOp(PhantomData);
}

/// Records a row.
#[track_caller]
pub(crate) fn apply<'t, T: Element, F: Elementwise<A>, const A: usize>(_: F, operands: [Var<'t, T>; A]) -> Var<'t, T> {
    operands[0].tape.record_static(&RowOp::<F, A>::OP, &operands)
}

impl<T: Element, F: Elementwise<A>, const A: usize> Op<T> for RowOp<F, A> {
    fn name(&self) -> &str {
        F::NAME
    }

    fn formula(&self, operands: &[String]) -> String {
        let mut text = F::TEXT.to_string();
        for (i, operand) in operands.iter().enumerate() {
            text = text.replace(&format!("{{{i}}}"), operand);
        }
        text
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape> {
        let mut shape = inputs[0].clone();
        for input in &inputs[1..] {
            shape = shape.broadcast(input).ok_or_else(|| mismatch(inputs))?;
        }
        Ok(shape)
    }

    fn run(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Context<'_>) -> Result<()> {
        // The executor runs rows in blocks; here every operand has the length of the output.
        let blocks: SmallVec<[&[T]; 4]> = inputs.iter().map(|input| input.values).collect();
        block::<T, F, A>(&blocks, output);
        Ok(())
    }

    fn pullback<'t>(&self, call: &Call<'t, T>) -> Pullback<'t, T> {
        let x: [Entry<'t, T>; A] = std::array::from_fn(|i| Entry(call.inputs[i]));
        let (y, g) = (Entry(call.output), Entry(call.cotangent));
        Pullback::new((0..A).map(|i| match call.wanted[i] {
            true => F::contribution(i, x, y, g).map(|contribution| contribution.0),
            false => None,
        }))
    }

    fn row(&self) -> Option<Row<T>> {
        Some(Row { id: TypeId::of::<F>(), block: block::<T, F, A> })
    }
}

/// Runs a row on one block.
fn block<T: Element, F: Formula<A>, const A: usize>(inputs: &[&[T]], output: &mut [T]) {
    block::map::<F, T, A>(std::array::from_fn(|i| inputs[i]), output);
}

/// The mistake of operands that do not broadcast.
pub(crate) fn mismatch(shapes: &[&Shape]) -> Error {
    let names: &[&str] = match shapes.len() {
        2 => &["left", "right"],
        _ => &["first", "second", "third", "fourth"],
    };
    let operands: Vec<String> = shapes.iter().zip(names).map(|(shape, name)| format!("{name} {shape}")).collect();
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let length = |shape: &Shape, axis: usize| shape.len().checked_sub(axis).map_or(1, |i| shape[i]);
    let clash = (1..=rank).find_map(|axis| {
        let mut lengths: Vec<usize> = shapes.iter().map(|shape| length(shape, axis)).filter(|&n| n != 1).collect();
        lengths.dedup();
        (lengths.len() > 1).then(|| format!("axis -{axis} is {} and {}", lengths[0], lengths[1]))
    });
    let message = format!("shapes don't broadcast: {}", operands.join(", "));
    Error::new(ErrorKind::Shape, message)
        .hint(format!("{}; axes are aligned at the end, and only axes of length 1 repeat", clash.unwrap_or_default()))
}

/// Defines rows of the registry: the struct, its value and its derivative.
///
/// ```text
/// row! {
///     Tanh(x) = "tanh({0})", tanh;             struct, operands, printed formula, name
///     value: x.tanh();                         on any Number
///     pullback(y, g): [g.scaled(y.constant(1.0) - y * y)];   one contribution an operand, or None
///     derivatives: ["1 - y^2"];
///     domain: [(-3.0, 3.0)];
///     kinks: [];
/// }
/// ```
macro_rules! row {
    (
        $(#[$meta:meta])*
        $row:ident($($x:ident),+) = $text:literal, $name:ident;
        value: $value:expr;
        pullback($y:ident, $g:ident): [$($contribution:expr),+ $(,)?];
        derivatives: [$($derivative:literal),+ $(,)?];
        domain: [$($domain:expr),+ $(,)?];
        kinks: [$($kink:expr),* $(,)?];
    ) => {
        $(#[$meta])*
        #[doc = concat!("The row of `", stringify!($name), "`.")]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Hash)]
        pub struct $row;

        impl $crate::ops::real::Formula<{ [$(stringify!($x)),+].len() }> for $row {
            const RETRIES: bool = $crate::kernels::block::contains(stringify!($value), "sin()")
                || $crate::kernels::block::contains(stringify!($value), "cos()")
                || $crate::kernels::block::contains(stringify!($value), "tan()");

            #[inline(always)]
            fn value<N: $crate::kernels::number::Number>([$($x),+]: [N; { [$(stringify!($x)),+].len() }]) -> N {
                $value
            }
        }

        impl $crate::ops::real::Elementwise<{ [$(stringify!($x)),+].len() }> for $row {
            const NAME: &'static str = stringify!($name);
            const TEXT: &'static str = $text;
            const OPERANDS: [&'static str; { [$(stringify!($x)),+].len() }] = [$(stringify!($x)),+];
            const DERIVATIVES: [&'static str; { [$(stringify!($x)),+].len() }] = [$($derivative),+];
            const DOMAIN: [(f64, f64); { [$(stringify!($x)),+].len() }] = [$($domain),+];
            const KINKS: &'static [f64] = &[$($kink),*];

            // Inlined, only the wanted operand's expression is left.
            #[inline(always)]
            #[track_caller]
            #[allow(unused_variables, unused_assignments)]
            fn contribution<R: $crate::ops::real::Real>(
                operand: usize,
                [$($x),+]: [R; { [$(stringify!($x)),+].len() }],
                $y: R,
                $g: R,
            ) -> Option<R> {
                let mut position = 0;
                $(
                    if operand == position {
                        return $crate::ops::elementwise::Contribution::<R>::from($contribution).0;
                    }
                    position += 1;
                )+
                None
            }
        }
    };
}
pub(crate) use row;

/// What a row writes for one operand: an expression, or `None`.
pub(crate) struct Contribution<R>(pub(crate) Option<R>);

impl<R: super::real::Real> From<R> for Contribution<R> {
    fn from(contribution: R) -> Self {
        Contribution(Some(contribution))
    }
}

/// The contribution where the derivative is zero everywhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Zero;

impl<R: super::real::Real> From<Zero> for Contribution<R> {
    fn from(_: Zero) -> Self {
        Contribution(None)
    }
}
