//! What the executor computes with: numbers, and pairs of a number and its derivative along one direction.

use std::ops::{Add, Div, Mul, Neg, Sub};

use aligned_vec::AVec;

use super::program::Program;
use super::rows::{Functions, Pair, Row};
use crate::kernels::number::Element;

/// A number of the executor.
pub(super) trait Slot:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Send
    + Sync
    + std::fmt::Debug
    + 'static
{
    type Base: Element;
    /// 0
    const NOTHING: Self;
    /// A number that depends on nothing.
    fn fixed(value: Self::Base) -> Self;
    /// The number itself.
    fn number(self) -> Self::Base;
    /// Whether any part is not a number.
    fn spoiled(self) -> bool;
    /// `self d` by the zero rule: an exactly zero cotangent stays so, an exactly zero derivative passes nothing.
    fn by_zero_rule(self, d: Self) -> Self;
    /// What a row does with such numbers.
    fn functions(row: &Row<Self::Base>) -> &Functions<Self>;
}

impl<T: Element> Slot for T {
    type Base = T;
    const NOTHING: T = T::ZERO;

    #[inline(always)]
    fn fixed(value: T) -> T {
        value
    }
    #[inline(always)]
    fn number(self) -> T {
        self
    }
    #[inline(always)]
    fn spoiled(self) -> bool {
        self.is_nan()
    }
    #[inline(always)]
    fn by_zero_rule(self, d: T) -> T {
        let nothing = (self == T::ZERO) | ((d == T::ZERO) & !self.is_nan());
        T::select(nothing, T::ZERO, self * d)
    }
    fn functions(row: &Row<T>) -> &Functions<T> {
        &row.plain
    }
}

impl<T: Element> Slot for Pair<T> {
    type Base = T;
    const NOTHING: Self = Pair { v: T::ZERO, d: T::ZERO };

    #[inline(always)]
    fn fixed(value: T) -> Self {
        Pair { v: value, d: T::ZERO }
    }
    #[inline(always)]
    fn number(self) -> T {
        self.v
    }
    #[inline(always)]
    fn spoiled(self) -> bool {
        self.v.is_nan() | self.d.is_nan()
    }
    #[inline(always)]
    fn by_zero_rule(self, d: Self) -> Self {
        Pair { v: self.v.by_zero_rule(d.v), d: self.d.by_zero_rule(d.v) + self.v.by_zero_rule(d.d) }
    }
    fn functions(row: &Row<T>) -> &Functions<Self> {
        &row.dual
    }
}

impl<T: Element> Add for Pair<T> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Pair { v: self.v + other.v, d: self.d + other.d }
    }
}

impl<T: Element> Sub for Pair<T> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Pair { v: self.v - other.v, d: self.d - other.d }
    }
}

impl<T: Element> Mul for Pair<T> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Pair { v: self.v * other.v, d: self.d * other.v + self.v * other.d }
    }
}

impl<T: Element> Div for Pair<T> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        let v = self.v / other.v;
        Pair { v, d: (self.d - v * other.d) / other.v }
    }
}

impl<T: Element> Neg for Pair<T> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Pair { v: -self.v, d: -self.d }
    }
}

/// Elements that are worked on together: few enough to stay in the nearest cache.
pub(super) const CHUNK: usize = 256;

/// Buffers for operands that lie apart: three operands and the contributions, or the factors and the start of a few products.
pub(super) const BUFFERS: usize = 5;

/// Values and cotangents of one program in `lanes` lanes. The lanes of a place lie side by side. Between sweeps every
/// cotangent is 0.
#[derive(Clone, Debug)]
pub(super) struct Memory<S> {
    pub(super) lanes: usize,
    pub(super) values: AVec<S>,
    pub(super) adjoints: AVec<S>,
    pub(super) scratch: AVec<S>,
}

impl<S: Slot> Memory<S> {
    pub(super) fn new(program: &Program<S::Base>, lanes: usize) -> Self {
        let mut values = zeros(program.slots * lanes);
        for &(place, value) in &program.constants {
            values[place as usize * lanes..][..lanes].fill(S::fixed(value));
        }
        let adjoints = zeros(program.adjoint_slots * lanes);
        Memory { lanes, values, adjoints, scratch: zeros(BUFFERS * CHUNK) }
    }

    /// The lanes of a value.
    pub(super) fn value(&self, place: u32) -> &[S] {
        &self.values[place as usize * self.lanes..][..self.lanes]
    }

    /// The lanes of an input.
    pub(super) fn input(&mut self, input: usize) -> &mut [S] {
        &mut self.values[input * self.lanes..][..self.lanes]
    }

    /// The lanes of a cotangent.
    pub(super) fn adjoint(&mut self, place: usize) -> &mut [S] {
        &mut self.adjoints[place * self.lanes..][..self.lanes]
    }
}

fn zeros<S: Slot>(count: usize) -> AVec<S> {
    AVec::from_iter(64, std::iter::repeat_n(S::NOTHING, count))
}
