//! Chains of arithmetic on a tile of elements that stays in registers.
//!
//! A row that only adds or multiplies costs less than its loads and stores. A chain therefore runs many such rows on a
//! few registers at a time: each step changes what is in them by an operand from memory, and only what is used later is
//! stored. Every step does to an element exactly what its row does, so a chain changes no bit.

use super::lanes::{LaneKernel, Lanes, Vectorised, launch};
use super::number::Element;

/// Declares the actions, and for the tests the list of them.
macro_rules! actions {
    ($($(#[$text:meta])* $name:ident,)+) => {
        /// What a step does with the tile `t` and its operand `x`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Action {
            $($(#[$text])* $name,)+
        }

        #[cfg(test)]
        const ACTIONS: &[Action] = &[$(Action::$name),+];
    };
}

actions! {
    /// `x`
    Load,
    /// Writes the tile.
    Store,
    /// Adds the tile to sums, which are kept side by side.
    Sum,
    /// Adds `t x` to the sums of the [`Action::Sum`] that comes next, and leaves the tile as it is.
    SumMultiply,
    /// As `SumMultiply`, by the zero rule, where `t` is the cotangent.
    SumScale,
    /// As `SumMultiply`, by the zero rule, where `x` is the cotangent.
    SumScaleBy,
    /// `t + x`
    Add,
    /// `t - x`
    Subtract,
    /// `x - t`
    SubtractFrom,
    /// `t x`
    Multiply,
    /// `t / x`
    Divide,
    /// `x / t`
    DivideInto,
    /// `t x` by the zero rule, where `t` is the cotangent.
    Scale,
    /// `x t` by the zero rule, where `x` is the cotangent.
    ScaleBy,
    /// The greater of `t` and `x`.
    Greater,
    /// The greater of `x` and `t`.
    GreaterBy,
    /// The lesser of `t` and `x`.
    Lesser,
    /// The lesser of `x` and `t`.
    LesserBy,
    /// 1 where `t > x`, else 0.
    Above,
    /// 1 where `x > t`, else 0.
    Below,
    /// `x` where `t` is not 0, else 0.
    Choose,
    /// `t` where `x` is not 0, else 0.
    Keep,
    /// `-t`
    Negate,
    /// `t t`
    Square,
    /// 0 where `t <= 0`, else `t`.
    Positive,
    /// `t` so many times.
    Times,
}

/// Where the operand of a step lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: the step has none.
    None,
    /// In an input, element for element.
    Input(u16),
    /// In an input: its first element, for all.
    Number(u16),
    /// In a register of the pass, a block long.
    Register(u16),
    /// In an output.
    Output(u16),
    /// In sums.
    Sums(u16),
    /// Nowhere: it is this number.
    Count(u32),
}

/// A step as it runs: its operand is a place of the table, or one of the counts.
#[derive(Clone, Copy, Debug)]
struct Step {
    action: Action,
    number: bool,
    operand: u16,
}

/// Arithmetic in the order in which it runs.
#[derive(Clone, Debug)]
pub struct Chain {
    steps: Vec<Step>,
    table: Vec<Place>,
    counts: Vec<f64>,
}

/// Where a place begins, if all that a chain writes lies in one stretch of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// So far from the start of this one of the lists that are only read.
    List(u32, u32),
    /// So far from the start of the memory.
    Memory(u32),
}

/// A chain over as many elements each time, which lie in the same places each time.
#[derive(Clone, Debug)]
pub struct Fixed {
    steps: Vec<Step>,
    /// For each place of the table where it begins, and its elements.
    slots: Vec<(Slot, u32)>,
    counts: Vec<f64>,
    count: usize,
}

impl Fixed {
    /// Runs the chain.
    ///
    /// # Panics
    /// If a list or the memory ends too soon.
    #[inline]
    pub fn run<T: Element>(&self, lists: &[&[T]], memory: &mut [T]) {
        let (start, whole) = (memory.as_mut_ptr(), memory.len());
        let mut table = smallvec::SmallVec::<[*mut T; 32]>::new();
        for &(slot, length) in &self.slots {
            table.push(match slot {
                Slot::List(i, from) => lists[i as usize][from as usize..][..length as usize].as_ptr().cast_mut(),
                Slot::Memory(at) => {
                    assert!(at as usize + length as usize <= whole, "a place ends inside the memory");
                    start.wrapping_add(at as usize)
                }
            });
        }
        launch(Sweep { steps: &self.steps, table: &table, counts: &self.counts, count: self.count });
    }
}

/// What a chain reads and writes: a block of `count` elements.
#[derive(Debug)]
pub struct Block<'a, 'r, 'o, 's, T> {
    /// Whole inputs; the block begins at `low`.
    pub inputs: &'a [&'a [T]],
    /// The first element of the block in the inputs.
    pub low: usize,
    /// Memory of a block each; the block begins at its start.
    pub registers: &'a mut [&'r mut [T]],
    /// Outputs; the block begins at `own`.
    pub outputs: &'a mut [&'o mut [T]],
    /// The first element of the block in the outputs.
    pub own: usize,
    /// [`sums`] numbers for each sum.
    pub sums: &'a mut [&'s mut [T]],
    /// The elements of the block.
    pub count: usize,
}

/// Asks for elements to be brought near, for reading or writing, where the machine has an instruction for it.
#[inline]
pub fn prefetch<T>(elements: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in elements.chunks((64 / size_of::<T>().max(1)).max(1)) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the instruction is of the baseline, and only a hint.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = elements;
}

/// How many sums are kept side by side: those of the reductions, so that a block is summed in the same order.
#[allow(private_bounds)]
pub const fn sums<T: Element>() -> usize {
    4 * <<T as Vectorised>::V4 as Lanes>::WIDTH
}

/// The registers of a tile where there are 32 of them.
const TALL: usize = 16;

/// The registers of a tile where there are 16, and of what is left over.
const LOW: usize = 4;

/// The elements of the longest tile: blocks of whole tiles leave nothing over.
#[allow(private_bounds)]
pub const fn tile<T: Element>() -> usize {
    TALL * <<T as Vectorised>::V4 as Lanes>::WIDTH
}

impl Chain {
    /// A chain of steps; none where a step writes what is only read, or sums to no sums.
    pub fn new(list: &[(Action, Place)]) -> Option<Chain> {
        let (mut steps, mut table, mut counts) = (Vec::with_capacity(list.len()), Vec::<Place>::new(), Vec::new());
        for (i, &(action, place)) in list.iter().enumerate() {
            let weighed = matches!(action, Action::SumMultiply | Action::SumScale | Action::SumScaleBy);
            if weighed && !list.get(i + 1).is_some_and(|next| next.0 == Action::Sum) {
                return None;
            }
            let fits = match (action, place) {
                (Action::Store, place) => matches!(place, Place::Register(_) | Place::Output(_)),
                (Action::Sum, place) => matches!(place, Place::Sums(_)),
                (Action::Negate | Action::Square | Action::Positive, place) => place == Place::None,
                (Action::Times, place) => matches!(place, Place::Count(_)),
                (_, place) => !matches!(place, Place::None | Place::Sums(_) | Place::Count(_)),
            };
            if !fits {
                return None;
            }
            if let Place::Count(count) = place {
                counts.push(f64::from(count));
                steps.push(Step { action, number: false, operand: u16::try_from(counts.len() - 1).ok()? });
                continue;
            }
            let known = table.iter().position(|&known| known == place);
            let operand = known.unwrap_or_else(|| {
                table.push(place);
                table.len() - 1
            });
            steps.push(Step {
                action,
                number: matches!(place, Place::Number(_)),
                operand: u16::try_from(operand).ok()?,
            });
        }
        Some(Chain { steps, table, counts })
    }

    /// The chain over `count` elements in fixed places; none where it writes to a list.
    pub fn fixed<T: Element>(&self, count: usize, mut slot: impl FnMut(Place) -> Slot) -> Option<Fixed> {
        let elements = u32::try_from(count).ok()?;
        let length = |&place: &Place| match place {
            Place::None | Place::Count(_) => 0,
            Place::Number(_) => 1,
            Place::Sums(_) => sums::<T>() as u32,
            Place::Input(_) | Place::Register(_) | Place::Output(_) => elements,
        };
        let slots: Vec<_> = self.table.iter().map(|place| (slot(*place), length(place))).collect();
        let writes = |step: &&Step| matches!(step.action, Action::Store | Action::Sum);
        let fits = |step: &Step| matches!(slots[step.operand as usize].0, Slot::Memory(_));
        let all = self.steps.iter().filter(writes).all(fits);
        all.then(|| Fixed { steps: self.steps.clone(), slots, counts: self.counts.clone(), count })
    }

    /// Puts other places into the place of those that steps read and write, of the same kind or an output for an input.
    pub fn replace(&mut self, other: impl Fn(Place) -> Place) {
        self.table.iter_mut().for_each(|place| *place = other(*place));
    }

    /// Whether there are no steps.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Runs the chain on a block.
    ///
    /// # Panics
    /// If an operand is missing or shorter than the block.
    pub fn run<T: Element>(&self, block: &mut Block<'_, '_, '_, '_, T>) {
        let table = self.table(block);
        launch(Sweep { steps: &self.steps, table: &table, counts: &self.counts, count: block.count });
    }

    /// Where the block begins in each place.
    fn table<T: Element>(&self, block: &mut Block<'_, '_, '_, '_, T>) -> smallvec::SmallVec<[*mut T; 32]> {
        let count = block.count;
        let mut table = smallvec::SmallVec::<[*mut T; 32]>::new();
        for &place in &self.table {
            table.push(match place {
                Place::None | Place::Count(_) => std::ptr::null_mut(),
                Place::Input(i) => block.inputs[i as usize][block.low..block.low + count].as_ptr().cast_mut(),
                Place::Number(i) => block.inputs[i as usize][..1].as_ptr().cast_mut(),
                Place::Register(i) => block.registers[i as usize][..count].as_mut_ptr(),
                Place::Output(i) => block.outputs[i as usize][block.own..block.own + count].as_mut_ptr(),
                Place::Sums(i) => block.sums[i as usize][..sums::<T>()].as_mut_ptr(),
            });
        }
        table
    }
}

struct Sweep<'a, T> {
    steps: &'a [Step],
    /// Where the block begins in each place; checked to have `count` elements, or what the place says.
    table: &'a [*mut T],
    counts: &'a [f64],
    count: usize,
}

impl<T: Element> LaneKernel<T> for Sweep<'_, T> {
    #[inline(always)]
    fn run<L: Lanes<Scalar = T>, const FMA: bool>(self) {
        // The number of vector registers of the machine is a constant of `L`.
        if L::ACROSS >= 4 { self.tiles::<L, TALL>() } else { self.tiles::<L, LOW>() }
    }
}

// Changes every register of a tile by the operand of a step.
macro_rules! with {
    ([$own:ident $tile:ident $at:ident $masks:ident] $step:ident, |$t:ident, $x:ident| $value:expr) => {{
        // SAFETY: every operand of a step is in the table.
        let from = unsafe { *$own.table.get_unchecked($step.operand as usize) };
        if $step.number {
            // SAFETY: a number has one element.
            let $x = L::splat(unsafe { *from });
            for i in 0..N {
                let $t = $tile[i];
                $tile[i] = $value;
            }
        } else {
            for i in 0..N {
                let from = from.wrapping_add($at + i * L::WIDTH);
                // SAFETY: the caller's promise.
                let $x = unsafe { if PART { L::load_some(from, $masks[i]) } else { L::load(from) } };
                let $t = $tile[i];
                $tile[i] = $value;
            }
        }
    }};
}

// The same by the zero rule: plain products, and where one may break the rule, all again.
macro_rules! scale {
    ([$own:ident $tile:ident $at:ident $masks:ident] $step:ident, $order:expr) => {{
        if L::ACROSS >= 4 {
            with!([$own $tile $at $masks] $step, |t, x| $order(t, x));
            continue;
        }
        let before = $tile;
        let mut suspect = L::never();
        with!([$own $tile $at $masks] $step, |t, x| {
            let product = L::mul(t, x);
            suspect = L::either(suspect, L::suspect(product));
            product
        });
        if L::any(suspect) {
            $tile = before;
            with!([$own $tile $at $masks] $step, |t, x| $order(t, x));
        }
    }};
}

// Adds products with the operand of a step to the sums of the step after it.
macro_rules! weighed {
    ([$own:ident $tile:ident $at:ident $masks:ident] $steps:ident $step:ident, |$t:ident, $x:ident| $value:expr) => {{
        let Some(sum) = $steps.next() else { return };
        // SAFETY: every operand of a step is in the table.
        let from = unsafe { *$own.table.get_unchecked($step.operand as usize) };
        if $step.number {
            // SAFETY: a number has one element; the next step is a sum.
            unsafe {
                let $x = L::splat(*from);
                $own.sum::<L, N, PART>(sum, $at, $masks, |i| {
                    let $t = $tile[i];
                    $value
                });
            }
        } else {
            // SAFETY: the caller's promise; the next step is a sum.
            unsafe {
                $own.sum::<L, N, PART>(sum, $at, $masks, |i| {
                    let from = from.wrapping_add($at + i * L::WIDTH);
                    let $x = if PART { L::load_some(from, $masks[i]) } else { L::load(from) };
                    let $t = $tile[i];
                    $value
                });
            }
        }
    }};
}

impl<T: Element> Sweep<'_, T> {
    #[inline(always)]
    fn tiles<L: Lanes<Scalar = T>, const N: usize>(&self) {
        let whole = self.count / (N * L::WIDTH);
        for tile in 0..whole {
            // SAFETY: the tile ends inside the block.
            unsafe { self.tile::<L, N, false>(tile * N * L::WIDTH, [L::mask(0); N]) };
        }
        let mut at = whole * N * L::WIDTH;
        while at < self.count {
            // SAFETY: the lanes of the masks end inside the block.
            at += unsafe { if self.count - at > L::WIDTH { self.part::<L, LOW>(at) } else { self.part::<L, 1>(at) } };
        }
    }

    /// Runs all steps on what is left from `at` on, at most a tile; how much it may have been.
    ///
    /// # Safety
    /// `at` is inside the block.
    #[inline(always)]
    unsafe fn part<L: Lanes<Scalar = T>, const N: usize>(&self, at: usize) -> usize {
        let left = self.count - at;
        let masks = std::array::from_fn(|i| L::mask(left.saturating_sub(i * L::WIDTH).min(L::WIDTH)));
        // SAFETY: the lanes of the masks end inside the block.
        unsafe { self.tile::<L, N, true>(at, masks) };
        N * L::WIDTH
    }

    /// Runs all steps on the tile that begins at `at`; with `PART`, on the lanes of the masks only.
    ///
    /// # Safety
    /// The tile, or the lanes of the masks, lie inside the block.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // index loops of known length become registers
    unsafe fn tile<L: Lanes<Scalar = T>, const N: usize, const PART: bool>(&self, at: usize, masks: [L::Mask; N]) {
        let mut tile = [L::zero(); N];
        let mut steps = self.steps.iter();
        while let Some(step) = steps.next() {
            match step.action {
                Action::Load => with!([self tile at masks] step, |_t, x| x),
                Action::Store => {
                    // SAFETY: every operand of a step is in the table.
                    let to = unsafe { *self.table.get_unchecked(step.operand as usize) };
                    for i in 0..N {
                        let to = to.wrapping_add(at + i * L::WIDTH);
                        // SAFETY: the caller's promise.
                        unsafe { if PART { L::store_some(to, masks[i], tile[i]) } else { L::store(to, tile[i]) } };
                    }
                }
                // SAFETY: every operand of a step is in the table, and the caller's promise.
                Action::Sum => unsafe { self.sum::<L, N, PART>(step, at, masks, |i| tile[i]) },
                Action::SumMultiply => weighed!([self tile at masks] steps step, |t, x| L::mul(t, x)),
                Action::SumScale => weighed!([self tile at masks] steps step, |t, x| L::scale(t, x)),
                Action::SumScaleBy => weighed!([self tile at masks] steps step, |t, x| L::scale(x, t)),
                Action::Add => with!([self tile at masks] step, |t, x| L::add(t, x)),
                Action::Subtract => with!([self tile at masks] step, |t, x| L::sub(t, x)),
                Action::SubtractFrom => with!([self tile at masks] step, |t, x| L::sub(x, t)),
                Action::Multiply => with!([self tile at masks] step, |t, x| L::mul(t, x)),
                Action::Divide => with!([self tile at masks] step, |t, x| L::div(t, x)),
                Action::DivideInto => with!([self tile at masks] step, |t, x| L::div(x, t)),
                Action::Scale => scale!([self tile at masks] step, |t, x| L::scale(t, x)),
                Action::ScaleBy => scale!([self tile at masks] step, |t, x| L::scale(x, t)),
                Action::Greater => with!([self tile at masks] step, |t, x| L::max(t, x)),
                Action::GreaterBy => with!([self tile at masks] step, |t, x| L::max(x, t)),
                Action::Lesser => with!([self tile at masks] step, |t, x| L::min(t, x)),
                Action::LesserBy => with!([self tile at masks] step, |t, x| L::min(x, t)),
                Action::Above => with!([self tile at masks] step, |t, x| L::above(t, x)),
                Action::Below => with!([self tile at masks] step, |t, x| L::above(x, t)),
                Action::Choose => with!([self tile at masks] step, |t, x| L::choose(t, x)),
                Action::Keep => with!([self tile at masks] step, |t, x| L::choose(x, t)),
                // Loops, because `map` on an array is a call.
                Action::Negate => {
                    for i in 0..N {
                        tile[i] = L::negate(tile[i]);
                    }
                }
                Action::Square => {
                    for i in 0..N {
                        tile[i] = L::mul(tile[i], tile[i]);
                    }
                }
                Action::Positive => {
                    for i in 0..N {
                        tile[i] = L::positive(tile[i]);
                    }
                }
                Action::Times => {
                    let count = L::splat(T::of(self.counts[step.operand as usize]));
                    for i in 0..N {
                        tile[i] = L::mul(tile[i], count);
                    }
                }
            }
        }
    }

    /// Adds registers to sums: element `i` of the block to sum `i` modulo their number.
    ///
    /// # Safety
    /// The operand of the step is sums.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // as in `tile`
    unsafe fn sum<L: Lanes<Scalar = T>, const N: usize, const PART: bool>(
        &self,
        step: &Step,
        at: usize,
        masks: [L::Mask; N],
        tile: impl Fn(usize) -> L::Vector,
    ) {
        let (sums, registers) = (self.table[step.operand as usize], sums::<T>() / L::WIDTH);
        let ones = [T::ONE; 16];
        for i in 0..N.min(registers) {
            // SAFETY: the caller's promise; the place is taken modulo the number of sums.
            unsafe {
                let place = sums.add((at + i * L::WIDTH) % (registers * L::WIDTH));
                let mut sum = L::load(place);
                let mut k = i;
                while k < N {
                    let mut x = tile(k);
                    if PART {
                        // The other lanes hold anything.
                        x = L::choose(L::load_some(ones.as_ptr(), masks[k]), x);
                    }
                    sum = L::add(sum, x);
                    k += registers;
                }
                L::store(place, sum);
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
#[path = "chain_tests.rs"]
mod tests;
