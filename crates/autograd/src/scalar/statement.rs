//! Statements: operations of many operands as one record.

use super::number::Scalar;
use super::tape::{Statements, Tape};
use super::var::Var;

impl<T: Scalar> Tape<T> {
    /// Records an operation of many operands, each with its partial derivative.
    #[inline]
    #[track_caller]
    pub(super) fn statement<'t>(&'t self, value: T, operands: impl Iterator<Item = (u32, T)>) -> Var<'t, T> {
        let zero = T::of(0.0);
        let mut head = [(0, zero); 2];
        let mut count = 0usize;
        let mut statements = self.statements.borrow_mut();
        let Statements { heads, links, partials } = &mut *statements;
        for (operand, by) in operands.filter(|(operand, by)| *operand != 0 && !by.is_exactly(0.0)) {
            match head.get_mut(count) {
                Some(place) => *place = (operand, by),
                None => {
                    links.push(operand);
                    partials.push(by);
                }
            }
            count += 1;
        }
        let [(first, by_first), (second, by_second)] = head;
        match count {
            0 => Var::constant(value),
            1 => self.unary(value, first, by_first),
            _ => {
                let record = self.columns.push([first, second], [by_first, by_second]);
                if count > 2 {
                    heads.push([record, (count - 2) as u32]);
                }
                Var::recorded(value, self, record)
            }
        }
    }
}
