//! The memory of tapes that are gone, for the tapes to come: a training step that makes its tape anew allocates nothing
//! for it, and is recorded over the step before.

use std::any::Any;
use std::cell::RefCell;
use std::panic::Location;
use std::thread::LocalKey;

use super::Inner;
use crate::kernels::number::Element;

/// Tapes of more nodes give their memory back to the system.
const MOST_NODES: usize = 1 << 18;

/// Tapes that wait on a thread at most.
const MOST_TAPES: usize = 8;

type Waiting<T> = RefCell<Vec<Inner<T>>>;

thread_local! {
    static WAITING_F32: Waiting<f32> = const { RefCell::new(Vec::new()) };
    static WAITING_F64: Waiting<f64> = const { RefCell::new(Vec::new()) };
}

fn waiting<T: Element>() -> Option<&'static LocalKey<Waiting<T>>> {
    let lists: [&'static dyn Any; 2] = [&WAITING_F32, &WAITING_F64];
    lists.into_iter().find_map(|list| list.downcast_ref())
}

/// Memory for a tape that is made at a source line: that of the last tape which was made there, if there was one. Else
/// the oldest, when as many wait as may.
pub(super) fn take<T: Element>(made_at: &'static Location<'static>) -> Inner<T> {
    let chosen = |list: &Waiting<T>| {
        let list = &mut *list.borrow_mut();
        let same = |inner: &Inner<T>| inner.made_at.is_some_and(|place| std::ptr::eq(place, made_at));
        match list.iter().rposition(same) {
            Some(place) => Some(list.remove(place)),
            None if list.len() == MOST_TAPES => {
                let mut oldest = list.remove(0);
                oldest.made_at = Some(made_at);
                Some(oldest)
            }
            None => None,
        }
    };
    let waiting = waiting::<T>().and_then(|key| key.try_with(chosen).ok().flatten());
    waiting.unwrap_or_else(|| Inner::new(made_at))
}

/// Keeps the memory of a tape, unless it is large or others wait already.
pub(super) fn put<T: Element>(mut inner: Inner<T>) {
    if inner.nodes.capacity() > MOST_NODES {
        return;
    }
    inner.clear();
    // At the end of a thread its list may be gone: then the memory is freed.
    let _ = waiting::<T>().map(|key| {
        key.try_with(|list| {
            let mut list = list.borrow_mut();
            if list.len() < MOST_TAPES {
                list.push(inner);
            }
        })
    });
}
