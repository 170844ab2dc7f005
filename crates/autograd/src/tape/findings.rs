//! What was found out about a recording, for the next one that is equal: how it is differentiated, how it is run. Must not
//! know what that is.

use std::any::Any;

/// Findings of one recording, at most; a further one takes the place of the oldest.
const MOST: usize = 16;

struct Finding {
    /// It speaks of nodes before this one.
    end: usize,
    /// Whether it tells source lines and scopes too.
    located: bool,
    what: Box<dyn Any>,
}

/// Findings about the nodes of a recording. Each is dropped with the first of the nodes it speaks of.
#[derive(Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    /// Where to look next: findings are asked for in the same order again.
    next: usize,
}

impl Findings {
    /// Takes out a finding of a kind that fits.
    pub(crate) fn take<F: Any>(&mut self, fits: impl Fn(&F) -> bool) -> Option<Box<F>> {
        let count = self.list.len();
        let at = |i: usize| if self.next + i < count { self.next + i } else { self.next + i - count };
        let is_it = |&place: &usize| self.list[place].what.downcast_ref().is_some_and(&fits);
        let place = (0..count).map(at).find(is_it)?;
        let Finding { end, located, what } = self.list.remove(place);
        self.next = place;
        match what.downcast() {
            Ok(found) => Some(found),
            Err(what) => {
                self.list.insert(place, Finding { end, located, what });
                None
            }
        }
    }

    /// Puts a finding in, or back.
    pub(crate) fn put<F: Any>(&mut self, end: usize, located: bool, what: Box<F>) {
        if self.list.len() == MOST {
            self.list.remove(0);
        }
        self.next = self.next.min(self.list.len());
        self.list.insert(self.next, Finding { end, located, what });
        self.next += 1;
    }

    /// Nodes from here on are other ones now.
    pub(super) fn forget_from(&mut self, end: usize) {
        self.list.retain(|finding| finding.end <= end);
        self.next = 0;
    }

    /// A node is recorded from another source line, or in another scope.
    #[cold]
    pub(super) fn moved(&mut self, node: usize) {
        self.list.retain(|finding| !finding.located || finding.end <= node);
        self.next = 0;
    }

    /// The recording starts again.
    pub(super) fn rewind(&mut self) {
        self.next = 0;
    }
}
