//! The tape as numbered formulas.

use std::fmt;

use super::node::Kind;
use super::{Inner, Tape};
use crate::kernels::number::Element;

/// `%3 = tanh(%2) : [128, 10]   src/main.rs:12:9`, a line for each node.
impl<T: Element> fmt::Display for Tape<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner.borrow();
        for id in 0..inner.nodes.len() as u32 {
            let node = &inner.nodes[id as usize];
            let line = format!("{} : {}", inner.equation(id), node.shape);
            write!(f, "{line:<48}   {}", node.location)?;
            match &*inner.scope_of(id) {
                "" => writeln!(f)?,
                scope => writeln!(f, "   {scope}")?,
            }
        }
        match &inner.error {
            Some(error) => writeln!(f, "error: {error}"),
            None => Ok(()),
        }
    }
}

impl<T: Element> Inner<T> {
    /// `%3 h = tanh(%2)`.
    pub(crate) fn equation(&self, id: u32) -> String {
        match self.names.get(&id) {
            Some(name) => format!("%{id} {name} = {}", self.formula(id)),
            None => format!("%{id} = {}", self.formula(id)),
        }
    }

    /// The right-hand side of a node.
    pub(crate) fn formula(&self, id: u32) -> String {
        let node = &self.nodes[id as usize];
        match &node.kind {
            Kind::Input => "input".to_string(),
            Kind::Constant => "constant".to_string(),
            Kind::Scalar(value) => format!("{value}"),
            Kind::Parameter(_) => "parameter".to_string(),
            Kind::Indices(_) => "indices".to_string(),
            Kind::Op(op) => {
                let operands: Vec<String> = node.inputs.iter().map(|&input| self.operand(input)).collect();
                op.formula(&operands)
            }
        }
    }

    /// The formula of a node written out down to names, leaves, and a depth: `sigmoid([50, 3] @ w + b)`. A constant is
    /// printed as its shape.
    pub(crate) fn written_out(&self, id: u32, depth: usize) -> String {
        let node = &self.nodes[id as usize];
        match &node.kind {
            Kind::Op(op) if depth > 0 => {
                let operands = node.inputs.iter().map(|&input| self.written_inside(input, depth));
                let operands: Vec<String> = operands.collect();
                // The arguments of a call need no brackets.
                let formula = op.formula(&operands);
                match formula.starts_with(&format!("{}(", op.name())) {
                    true => formula,
                    false => op.formula(&operands.iter().map(|operand| bracketed(operand)).collect::<Vec<_>>()),
                }
            }
            Kind::Op(_) => "..".to_string(),
            Kind::Constant => node.shape.to_string(),
            _ => self.formula(id),
        }
    }

    /// The same as an operand: what has a name is called by it.
    fn written_inside(&self, id: u32, depth: usize) -> String {
        self.names.get(&id).map_or_else(|| self.written_out(id, depth - 1), |name| name.to_string())
    }

    /// A node as an operand: numbers are printed as they are.
    fn operand(&self, id: u32) -> String {
        match self.nodes[id as usize].kind {
            Kind::Scalar(value) => format!("{value}"),
            _ => format!("%{id}"),
        }
    }
}

/// In brackets, where a formula has a space outside of any: `(a + b)`, but `sum(a, b)`.
fn bracketed(text: &str) -> String {
    let mut depth = 0;
    let mut apart = text.chars().filter(|letter| {
        depth += i32::from(matches!(letter, '(' | '[')) - i32::from(matches!(letter, ')' | ']'));
        *letter == ' ' && depth == 0
    });
    if apart.next().is_some() { format!("({text})") } else { text.to_string() }
}
