//! A backward pass that was recorded on the last tape, at the same place after the same nodes, is not recorded again: its
//! nodes are taken up as they are. A pullback sees the nodes, the mode, and whether it is to multiply strictly; all of
//! these are compared. Ops of users are never taken up, so none of their pullbacks is left out.

use std::panic::Location;
use std::rc::Rc;

use smallvec::SmallVec;

use super::gradients::Recorded;
use crate::kernels::number::Element;
use crate::module::ParamId;
use crate::tape::node::Kind;
use crate::tape::var::Var;
use crate::tape::{Mode, Tape};

/// Where and how a loss is differentiated.
#[derive(Debug, PartialEq)]
pub(super) struct Place {
    loss: u32,
    /// The nodes recorded before.
    start: usize,
    mode: Mode,
    strict: bool,
    checkpoint: u32,
    /// The source line, by its address, and the scope of the first node.
    location: *const Location<'static>,
    scope: u32,
    updates: SmallVec<[(ParamId, u32); 4]>,
}

/// A backward pass that lies ahead of every recording that starts in the same way.
struct Swept {
    place: Place,
    /// The nodes recorded after.
    end: usize,
    recorded: Rc<Recorded>,
}

impl Place {
    pub(super) fn of<T: Element>(loss: Var<'_, T>, caller: &'static Location<'static>) -> Self {
        let tape = loss.tape;
        let inner = tape.inner.borrow();
        let (location, scope) = inner.origin(caller);
        Place {
            loss: loss.id,
            start: inner.nodes.len(),
            mode: tape.mode,
            strict: tape.strict.get(),
            checkpoint: inner.checkpoint(),
            location,
            scope,
            updates: inner.updates.iter().copied().collect(),
        }
    }

    /// Takes up the nodes of the pass that was recorded here.
    pub(super) fn recorded_before<T: Element>(&self, tape: &Tape<T>) -> Option<Rc<Recorded>> {
        let inner = &mut *tape.inner.borrow_mut();
        let swept = inner.findings.take(|swept: &Swept| swept.place == *self)?;
        let (end, recorded) = (swept.end, swept.recorded.clone());
        inner.findings.put(end, true, swept);
        inner.follow_to(end);
        Some(recorded)
    }

    /// Keeps the pass just recorded for the next tape, if it is nothing but nodes of ops and numbers.
    pub(super) fn remember<T: Element>(self, tape: &Tape<T>, before: [u64; 6], recorded: &Rc<Recorded>) {
        if tape.marks() != before {
            return;
        }
        let inner = &mut *tape.inner.borrow_mut();
        if inner.nodes[self.start..].iter().all(|node| matches!(node.kind, Kind::Op(_) | Kind::Scalar(_))) {
            let end = inner.nodes.len();
            inner.findings.put(end, true, Box::new(Swept { place: self, end, recorded: recorded.clone() }));
        }
    }
}
