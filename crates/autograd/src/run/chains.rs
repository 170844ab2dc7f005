//! Which rows are mere arithmetic, and what step of a chain each is.

use std::any::TypeId;

use super::program::Writer;
use super::select::{Number, Tag};
use super::simplify::repeated;
use crate::kernels::chain::{Action, Place};
use crate::ops::{
    Difference, Greater, Less, Maximum, Minimum, Negate, Product, Quotient, Relu, Scaled, Select, Square, Sum2,
};
use crate::tape::op::Join;

/// How a member runs in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Light {
    /// By an action of its row: with its first operand in the machine's registers, with its second, with its only one.
    Row([Option<Action>; 3]),
    /// `where(mask, a, 0)`.
    Choose,
    /// All elements are added.
    Sum,
    /// Only repeated, but wanted outside.
    Copy,
    /// So many times its operand.
    Times(u32),
}

impl Light {
    pub(super) fn actions(self) -> [Option<Action>; 3] {
        match self {
            Light::Row(actions) => actions,
            Light::Choose => [Some(Action::Choose), Some(Action::Keep), None],
            Light::Sum | Light::Copy => [None; 3],
            Light::Times(_) => [None, None, Some(Action::Times)],
        }
    }

    /// The operand of an action that no member is read for.
    pub(super) fn place(self) -> Place {
        if let Light::Times(count) = self { Place::Count(count) } else { Place::None }
    }

    /// The step that only sums the product, with one operand or the other in the machine's registers.
    pub(super) fn weighed(self, place: usize) -> Option<Action> {
        match self.actions()[place]? {
            Action::Multiply => Some(Action::SumMultiply),
            Action::Scale => Some(Action::SumScale),
            Action::ScaleBy => Some(Action::SumScaleBy),
            _ => None,
        }
    }
}

/// `(row, with its first operand in registers, with its second, with its only one)`.
fn table() -> [(TypeId, [Option<Action>; 3]); 12] {
    let two = |first, second| [Some(first), Some(second), None];
    let one = |only| [None, None, Some(only)];
    [
        (TypeId::of::<Sum2>(), two(Action::Add, Action::Add)),
        (TypeId::of::<Difference>(), two(Action::Subtract, Action::SubtractFrom)),
        (TypeId::of::<Product>(), [Some(Action::Multiply), Some(Action::Multiply), Some(Action::Square)]),
        (TypeId::of::<Quotient>(), two(Action::Divide, Action::DivideInto)),
        (TypeId::of::<Scaled>(), two(Action::Scale, Action::ScaleBy)),
        (TypeId::of::<Maximum>(), two(Action::Greater, Action::GreaterBy)),
        (TypeId::of::<Minimum>(), two(Action::Lesser, Action::LesserBy)),
        (TypeId::of::<Greater>(), two(Action::Above, Action::Below)),
        (TypeId::of::<Less>(), two(Action::Below, Action::Above)),
        (TypeId::of::<Negate>(), one(Action::Negate)),
        (TypeId::of::<Square>(), one(Action::Square)),
        (TypeId::of::<Relu>(), one(Action::Positive)),
    ]
}

/// How a member runs in a chain, if it can.
pub(super) fn light(writer: &Writer<'_, '_>, position: usize) -> Option<Light> {
    let (selection, simplified) = (writer.placer.selection, writer.placer.simplified);
    match selection.tags[writer.kernel.nodes[position] as usize] {
        Tag::Broadcast => Some(Light::Copy),
        Tag::Times(count) => Some(Light::Times(count)),
        Tag::Join(Join::Sum, 0, _) if is_whole(writer, position) => Some(Light::Sum),
        Tag::Row(row) if row == TypeId::of::<Select>() => {
            let reads = &writer.reads[position];
            let zero = repeated(selection, &simplified.replaced, reads[2].0) == Tag::Number(Number::Zero);
            (zero && reads[0] != reads[1]).then_some(Light::Choose)
        }
        Tag::Row(row) => table().into_iter().find(|entry| entry.0 == row).map(|entry| Light::Row(entry.1)),
        _ => None,
    }
}

/// Whether a join leaves one element.
fn is_whole(writer: &Writer<'_, '_>, position: usize) -> bool {
    writer.placer.selection.shapes[writer.kernel.nodes[position] as usize].volume() == 1
}
