//! The memory behind tensors: 64-byte-aligned, shared, and recycled.
//!
//! A training step frees the same sizes that the next step asks for. Freed buffers therefore wait in a list of their
//! thread, by length: a steady step touches no new memory. Must know nothing of shapes.

use std::any::Any;
use std::cell::RefCell;

use std::ops::Deref;
use std::sync::Arc;
use std::thread::LocalKey;

use aligned_vec::{AVec, ConstAlign};
use rustc_hash::FxHashMap;

use crate::kernels::number::Element;

type Buffer<T> = AVec<T, ConstAlign<64>>;

/// Bytes that wait for reuse on one thread, at most.
const WAITING_BYTES: usize = 64 << 20;

/// Shared values; the last owner hands the memory back for reuse.
pub(crate) struct Storage<T: Element>(Option<Arc<Buffer<T>>>);

struct Waiting<T> {
    by_length: FxHashMap<usize, Vec<Arc<Buffer<T>>>>,
    bytes: usize,
}

impl<T> Waiting<T> {
    fn none() -> Self {
        Waiting { by_length: FxHashMap::default(), bytes: 0 }
    }

    fn new() -> RefCell<Self> {
        RefCell::new(Waiting::none())
    }
}

thread_local! {
    static WAITING_F32: RefCell<Waiting<f32>> = Waiting::new();
    static WAITING_F64: RefCell<Waiting<f64>> = Waiting::new();
}

/// The waiting list of this thread for the element type.
fn waiting<T: Element>() -> Option<&'static LocalKey<RefCell<Waiting<T>>>> {
    let lists: [&'static dyn Any; 2] = [&WAITING_F32, &WAITING_F64];
    lists.into_iter().find_map(|list| list.downcast_ref())
}

impl<T: Element> Storage<T> {
    /// A buffer whose values are unspecified: the caller writes every one.
    ///
    /// # Panics
    /// The memory cannot be had: for constructors that return no `Result`.
    #[track_caller]
    pub(crate) fn unspecified(length: usize) -> Self {
        match Storage::try_unspecified(length) {
            Some(storage) => storage,
            None => panic!("the memory for {length} elements cannot be had"),
        }
    }

    /// The same, or nothing where the memory cannot be had, even when no freed memory waits for reuse.
    pub(crate) fn try_unspecified(length: usize) -> Option<Self> {
        Storage::recycled(length).or_else(|| {
            let mut buffer = Buffer::<T>::new(64);
            if buffer.try_reserve_exact(length).is_err() {
                waiting::<T>()?.with(|list| list.replace(Waiting::none()));
                buffer.try_reserve_exact(length).ok()?;
            }
            buffer.resize(length, T::default());
            Some(Storage::of(buffer))
        })
    }

    fn of(buffer: Buffer<T>) -> Self {
        let mut storage = Storage(Some(Arc::new(buffer)));
        storage.spoil();
        storage
    }

    /// In a debug build, a kernel that forgets an element is then seen.
    fn spoil(&mut self) {
        if cfg!(debug_assertions) {
            self.make_mut().fill(T::of(f64::NAN));
        }
    }

    /// A freed buffer of this length.
    fn recycled(length: usize) -> Option<Self> {
        let recycled = waiting::<T>().and_then(|key| {
            key.with(|list| {
                let list = &mut *list.borrow_mut();
                let buffer = list.by_length.get_mut(&length)?.pop()?;
                list.bytes -= length * size_of::<T>();
                Some(buffer)
            })
        });
        let mut storage = Storage(Some(recycled?));
        storage.spoil();
        Some(storage)
    }

    /// The memory taken out; what is left is empty.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        Storage(self.0.take())
    }

    pub(crate) fn from_slice(values: &[T]) -> Self {
        let mut storage = Storage::unspecified(values.len());
        storage.make_mut().copy_from_slice(values);
        storage
    }

    /// Whether another tensor has the same memory.
    #[inline]
    pub(crate) fn is_shared(&mut self) -> bool {
        // There are no weak owners, and no owner can be added while this one is borrowed for writing.
        self.0.as_ref().is_some_and(|buffer| Arc::strong_count(buffer) > 1)
    }

    /// The values for writing; copied first where another tensor shares them.
    #[inline]
    pub(crate) fn make_mut(&mut self) -> &mut [T] {
        if self.is_shared() {
            *self = Storage::from_slice(self);
        }
        match self.0.as_mut().and_then(Arc::get_mut) {
            Some(buffer) => buffer,
            None => &mut [],
        }
    }

    /// Whether both are the same memory.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// The address, as an identity.
    pub(crate) fn address(&self) -> usize {
        self.0.as_ref().map_or(0, |buffer| Arc::as_ptr(buffer) as usize)
    }
}

impl<T: Element> Default for Storage<T> {
    #[inline]
    fn default() -> Self {
        Storage(None)
    }
}

impl<T: Element> Deref for Storage<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        self.0.as_ref().map_or(&[], |buffer| buffer)
    }
}

impl<T: Element> Clone for Storage<T> {
    #[inline]
    fn clone(&self) -> Self {
        Storage(self.0.clone())
    }
}

impl<T: Element> Drop for Storage<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(buffer) = self.0.take() {
            give_back(buffer);
        }
    }
}

/// Lets go of memory; the last owner puts it on the waiting list.
#[inline(never)]
fn give_back<T: Element>(mut buffer: Arc<Buffer<T>>) {
    let (length, bytes) = (buffer.len(), buffer.len() * size_of::<T>());
    if Arc::get_mut(&mut buffer).is_none() {
        return;
    }
    // At the end of a thread its list may be gone: then the buffer is freed as any other.
    let _ = waiting::<T>().map(|key| {
        key.try_with(|list| {
            let Ok(mut list) = list.try_borrow_mut() else { return };
            if list.bytes + bytes <= WAITING_BYTES {
                list.bytes += bytes;
                list.by_length.entry(length).or_default().push(buffer);
            }
        })
    });
}
