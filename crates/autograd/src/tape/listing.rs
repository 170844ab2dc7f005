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
                let operands: Vec<String> =
                    node.inputs.iter().map(|&input| self.written_inside(input, depth)).collect();
                op.formula(&operands)
            }
            Kind::Op(_) => "..".to_string(),
            Kind::Constant => node.shape.to_string(),
            _ => self.formula(id),
        }
    }

    /// The same as an operand: what has a name is called by it, and a sum gets brackets.
    fn written_inside(&self, id: u32, depth: usize) -> String {
        if let Some(name) = self.names.get(&id) {
            return name.to_string();
        }
        let text = self.written_out(id, depth - 1);
        // `a + b` is no function call and no single word.
        match text.contains(' ') && !text.ends_with([')', ']']) {
            true => format!("({text})"),
            false => text,
        }
    }

    /// A node as an operand: numbers are printed as they are.
    fn operand(&self, id: u32) -> String {
        match self.nodes[id as usize].kind {
            Kind::Scalar(value) => format!("{value}"),
            _ => format!("%{id}"),
        }
    }
}
