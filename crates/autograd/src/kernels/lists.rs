//! Lists of borrowed things whose memory outlives what they borrow.

/// An empty list, in the memory of another whose elements have the same size: between two uses of a list of references its
/// memory waits as that of a list of `'static` ones. Nothing is allocated.
///
/// ```
/// use wengert_autograd::kernels::lists::emptied;
/// let mut memory: Vec<&'static str> = Vec::with_capacity(10);
/// let place = memory.as_ptr() as usize;
/// for round in 0..3 {
///     let text = round.to_string();
///     let mut list: Vec<&str> = emptied(memory);
///     list.push(&text);
///     memory = emptied(list);
///     assert_eq!(memory.as_ptr() as usize, place);
/// }
/// ```
pub fn emptied<A, B>(mut list: Vec<A>) -> Vec<B> {
    list.clear();
    // Collected in place.
    list.into_iter().filter_map(|_| None).collect()
}
