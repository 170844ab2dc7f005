//! The greatest of two neighbours, or of two by two, in windows that touch and never overlap: most pools in use.
//!
//! Rows of a plane are short and seldom fill registers. So those of several windows are laid one behind the other first,
//! and what is computed is one long loop over all of them. Each window is looked at once, and every element is written
//! once.

use super::axis::{Axis, Windows};
use crate::kernels::lanes::{LaneKernel, Lanes, Vectorised, launch};
use crate::kernels::number::Element;

/// Elements of rows that are laid one behind the other.
const BLOCK: usize = 1024;

/// The same, and what a register may reach beyond them.
const ROOM: usize = BLOCK + 16;

/// Windows of two columns, and of one row or two, over planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pairs {
    /// The rows of a window.
    height: usize,
    /// The rows and columns of a plane.
    input: [usize; 2],
    /// The windows along both.
    output: [usize; 2],
}

/// Rows of windows that are looked at together.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// The first element.
    place: usize,
    /// The first window.
    window: usize,
    /// The rows of windows, and the elements in a row of each.
    rows: usize,
    width: usize,
}

/// What is done with a block. A trait and not a closure, so that it is compiled for the registers `L`.
trait Visit<T> {
    fn visit<L: Lanes<Scalar = T>>(&mut self, pairs: Pairs, block: Block);
}

/// Visits every block of some planes.
struct Blocks<V> {
    pairs: Pairs,
    planes: usize,
    visitor: V,
}

impl<T, V: Visit<T>> LaneKernel<T> for Blocks<V> {
    #[inline(always)]
    fn run<L: Lanes<Scalar = T>, const FMA: bool>(self) {
        let Blocks { pairs, planes, mut visitor } = self;
        let ([rows, columns], covered) = (pairs.output, 2 * pairs.output[1]);
        let width = covered.min(BLOCK);
        let most = if width < covered { 1 } else { BLOCK / width };
        for plane in 0..planes {
            for row in (0..rows).step_by(most) {
                for column in (0..covered).step_by(width) {
                    let place = (plane * pairs.input[0] + row * pairs.height) * pairs.input[1] + column;
                    let window = (plane * rows + row) * columns + column / 2;
                    let (rows, width) = (most.min(rows - row), width.min(covered - column));
                    visitor.visit::<L>(pairs, Block { place, window, rows, width });
                }
            }
        }
    }
}

impl Pairs {
    /// The windows as pairs, if that is what they are and there are any.
    pub(super) fn of(windows: &[Windows; 3]) -> Option<Self> {
        let [Windows::Even(a), Windows::Even(b), Windows::Even(c)] = windows else { return None };
        let touching =
            |axis: &Axis| axis.padding == 0 && axis.kernel == axis.stride && axis.output * axis.kernel <= axis.input;
        let near = |axis: &Axis| axis.dilation == 1 || axis.kernel == 1;
        let suits =
            a.is_identity() && touching(b) && touching(c) && near(b) && near(c) && b.kernel <= 2 && c.kernel == 2;
        let pairs = Pairs { height: b.kernel, input: [b.input, c.input], output: [b.output, c.output] };
        (suits && pairs.output.iter().all(|&length| length > 0)).then_some(pairs)
    }

    /// The planes in some elements.
    fn planes(&self, elements: usize) -> usize {
        elements / (self.input[0] * self.input[1])
    }

    /// `y = max of x` over each window of some planes.
    pub(super) fn max<T: Element>(self, x: &[T], y: &mut [T]) {
        let visitor = Max { x, y, room: [T::ZERO; ROOM] };
        launch(Blocks { pairs: self, planes: self.planes(x.len()), visitor });
    }

    /// `v = g` at the place of the greatest element of `x` in each window, the first of equal ones; 0 elsewhere.
    pub(super) fn put<T: Element>(self, x: &[T], g: &[T], v: &mut [T]) {
        let planes = self.planes(x.len());
        if self.input != [self.height * self.output[0], 2 * self.output[1]] {
            v.fill(T::ZERO);
        }
        launch(Blocks { pairs: self, planes, visitor: Put { x, g, v, rooms: [[T::ZERO; ROOM]; 2] } });
    }
}

/// Rows in an array: the first of them begins the slice.
struct Rows<'a, T> {
    from: &'a [T],
    count: usize,
    width: usize,
    /// How far they are apart.
    step: usize,
}

impl<T: Vectorised> Rows<'_, T> {
    /// Lays the rows one behind the other, or the greater of them and those `below` further on.
    #[inline(always)]
    fn gather<L: Lanes<Scalar = T>>(&self, below: Option<usize>, room: &mut [T; ROOM]) {
        let Rows { from, count, width, step } = *self;
        let last = (count - 1) * step + below.unwrap_or(0) + width;
        assert!(count * width <= BLOCK && last <= from.len() && L::WIDTH <= ROOM - BLOCK);
        for row in 0..count {
            // SAFETY: by the assertion the rows lie inside the array, and the registers, which end at most a width behind
            // the rows in the room, inside the room; `launch` chose registers that the machine has.
            unsafe {
                let (from, to) = (from.as_ptr().add(row * step), room.as_mut_ptr().add(row * width));
                let mut i = 0;
                while i < width {
                    // By a mask throughout: the compiler would call `memcpy`, for a register or two.
                    let mask = L::mask((width - i).min(L::WIDTH));
                    let mut x = L::load_some(from.add(i), mask);
                    if let Some(below) = below {
                        x = L::max(x, L::load_some(from.add(below + i), mask));
                    }
                    // What is stored beyond the row belongs to the next one, which comes later.
                    L::store(to.add(i), x);
                    i += L::WIDTH;
                }
            }
        }
    }
}

/// Writes rows that lie one behind the other to rows that are `step` apart.
#[inline(always)]
fn scatter<L: Lanes>(room: &[L::Scalar; ROOM], (count, width): (usize, usize), to: &mut [L::Scalar], step: usize) {
    assert!(count * width <= BLOCK && (count - 1) * step + width <= to.len() && L::WIDTH <= ROOM - BLOCK);
    for row in 0..count {
        // SAFETY: as in `gather`: what is read beyond a row is still in the room, and is not stored.
        unsafe {
            let (from, to) = (room.as_ptr().add(row * width), to.as_mut_ptr().add(row * step));
            let mut i = 0;
            while i < width {
                L::store_some(to.add(i), L::mask((width - i).min(L::WIDTH)), L::load(from.add(i)));
                i += L::WIDTH;
            }
        }
    }
}

struct Max<'a, T> {
    x: &'a [T],
    y: &'a mut [T],
    room: [T; ROOM],
}

impl<T: Element> Visit<T> for Max<'_, T> {
    #[inline(always)]
    fn visit<L: Lanes<Scalar = T>>(&mut self, pairs: Pairs, block: Block) {
        let Block { place, window, rows, width } = block;
        let columns = pairs.input[1];
        let rows_of = Rows { from: &self.x[place..], count: rows, width, step: pairs.height * columns };
        rows_of.gather::<L>((pairs.height == 2).then_some(columns), &mut self.room);
        let (columns, _) = self.room[..rows * width].as_chunks::<2>();
        let y = &mut self.y[window..][..rows * width / 2];
        y.iter_mut().zip(columns).for_each(|(y, &[a, b])| *y = T::max(a, b));
    }
}

struct Put<'a, T> {
    x: &'a [T],
    g: &'a [T],
    v: &'a mut [T],
    rooms: [[T; ROOM]; 2],
}

/// Whether a later element takes the place of the greatest so far: NaN wins over numbers, and stays.
#[inline(always)]
fn beats<T: Element>(value: T, best: T) -> bool {
    (value > best) | (value.is_nan() & !best.is_nan())
}

impl<T: Element> Visit<T> for Put<'_, T> {
    #[inline(always)]
    fn visit<L: Lanes<Scalar = T>>(&mut self, pairs: Pairs, block: Block) {
        let Block { place, window, rows, width } = block;
        let (columns, length) = (pairs.input[1], rows * width);
        let step = pairs.height * columns;
        let g = &self.g[window..][..length / 2];
        let [upper, lower] = &mut self.rooms;
        Rows { from: &self.x[place..], count: rows, width, step }.gather::<L>(None, upper);
        let (first, _) = upper[..length].as_chunks_mut::<2>();
        if pairs.height == 1 {
            for (first, &g) in first.iter_mut().zip(g) {
                let right = beats(first[1], first[0]);
                *first = [T::select(right, T::ZERO, g), T::select(right, g, T::ZERO)];
            }
            return scatter::<L>(upper, (rows, width), &mut self.v[place..], step);
        }
        Rows { from: &self.x[place + columns..], count: rows, width, step }.gather::<L>(None, lower);
        let (second, _) = lower[..length].as_chunks_mut::<2>();
        for ((first, second), &g) in first.iter_mut().zip(second).zip(g) {
            let ([a, b], [c, d]) = (*first, *second);
            // The greatest of each row, and then of the two: of equal ones the first.
            let (b_wins, d_wins) = (beats(b, a), beats(d, c));
            let below = beats(T::select(d_wins, d, c), T::select(b_wins, b, a));
            let (above, below) = (T::select(below, T::ZERO, g), T::select(below, g, T::ZERO));
            *first = [T::select(b_wins, T::ZERO, above), T::select(b_wins, above, T::ZERO)];
            *second = [T::select(d_wins, T::ZERO, below), T::select(d_wins, below, T::ZERO)];
        }
        scatter::<L>(upper, (rows, width), &mut self.v[place..], step);
        scatter::<L>(lower, (rows, width), &mut self.v[place + columns..], step);
    }
}
