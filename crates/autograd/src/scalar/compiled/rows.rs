//! Rows of the registry as functions of blocks: values, and contributions of cotangents, of numbers and of duals.

use std::any::TypeId;
use std::marker::PhantomData;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::symbolic::{self, Pullback};
use crate::kernels::block;
use crate::kernels::dispatch::{self, Kernel};
use crate::kernels::number::{Element, Lane, Number};
use crate::ops::{Elementwise, Formula, Real};

/// A row with its functions, for numbers and for duals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<T: Element> {
    pub(super) id: TypeId,
    pub(super) plain: Functions<T>,
    pub(super) dual: Functions<Pair<T>>,
    pub(super) pullback: Pullback<T>,
}

/// What a row does with blocks of operands; unused operands are empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Functions<S> {
    /// Operands to values.
    pub(super) forward: fn([&[S]; 3], &mut [S]),
    /// Operands, values and cotangents to the contributions to one operand.
    pub(super) reverse: fn(usize, Block<'_, S>, &mut [S]),
}

/// What a pullback needs: operands, values, cotangents, all of one length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a, S> {
    pub(super) x: [&'a [S]; 3],
    pub(super) y: &'a [S],
    pub(super) g: &'a [S],
}

impl<T: Element> Row<T> {
    pub(super) fn new<F: Elementwise<A>, const A: usize>() -> Self {
        Row {
            id: TypeId::of::<F>(),
            plain: Functions { forward: values::<F, T, A>, reverse: contributions::<F, T, A> },
            dual: Functions { forward: dual_values::<F, T, A>, reverse: dual_contributions::<F, T, A> },
            pullback: symbolic::contribution::<F, T, A>,
        }
    }

    /// The value for one operand each, by the same instructions as in a block.
    pub(super) fn value<F: Formula<A>, const A: usize>(x: [T; A]) -> T {
        let mut y = [T::ZERO];
        let x = x.map(|x| [x]);
        block::map::<F, T, A>(std::array::from_fn(|i| x[i].as_slice()), &mut y);
        y[0]
    }
}

/// A number with its derivative along one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Pair<T> {
    pub(super) v: T,
    pub(super) d: T,
}

fn values<F: Formula<A>, T: Element, const A: usize>(x: [&[T]; 3], y: &mut [T]) {
    block::map::<F, T, A>(std::array::from_fn(|i| x[i]), y);
}

/// A lane as the pullbacks of rows see it.
#[derive(Clone, Copy, Debug)]
struct Plain<N>(N);

/// A dual number of lanes. Its derivative of a row is the row's own contribution, with the derivative of the operand in
/// the place of the cotangent: both multiply by the same partial derivative.
#[derive(Clone, Copy, Debug)]
struct Tangent<N> {
    v: N,
    d: N,
}

macro_rules! operators {
    ($($trait:ident $method:ident $row:ident),*) => {$(
        impl<N: Number> $trait for Plain<N> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Plain($trait::$method(self.0, other.0))
            }
        }

        impl<N: Number> $trait for Tangent<N> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self::apply(crate::ops::$row, [self, other])
            }
        }
    )*};
}
operators!(Add add Sum2, Sub sub Difference, Mul mul Product, Div div Quotient);

impl<N: Number> Neg for Plain<N> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Plain(-self.0)
    }
}

impl<N: Number> Neg for Tangent<N> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Tangent { v: -self.v, d: -self.d }
    }
}

impl<N: Number> Real for Plain<N> {
    #[inline(always)]
    fn constant(self, value: f64) -> Self {
        Plain(N::of(value))
    }

    #[inline(always)]
    fn apply<F: Elementwise<A>, const A: usize>(_: F, x: [Self; A]) -> Self {
        let mut operands = [N::ZERO; A];
        let mut k = 0;
        while k < A {
            operands[k] = x[k].0;
            k += 1;
        }
        Plain(F::value(operands))
    }
}

impl<N: Number> Real for Tangent<N> {
    #[inline(always)]
    fn constant(self, value: f64) -> Self {
        Tangent { v: N::of(value), d: N::ZERO }
    }

    #[inline(always)]
    fn apply<F: Elementwise<A>, const A: usize>(_: F, x: [Self; A]) -> Self {
        let mut operands = [Plain(N::ZERO); A];
        let mut numbers = [N::ZERO; A];
        let mut k = 0;
        while k < A {
            operands[k] = Plain(x[k].v);
            numbers[k] = x[k].v;
            k += 1;
        }
        let v = F::value(numbers);
        let mut d = N::ZERO;
        let mut k = 0;
        while k < A {
            if let Some(part) = F::contribution(k, operands, Plain(v), Plain(x[k].d)) {
                d = d + part.0;
            }
            k += 1;
        }
        Tangent { v, d }
    }
}

/// The loop over one block, for the contributions to operand `K`.
struct Pull<'a, F, S, const A: usize> {
    operand: usize,
    block: Block<'a, S>,
    output: &'a mut [S],
    row: PhantomData<F>,
}

fn contributions<F: Elementwise<A>, T: Element, const A: usize>(operand: usize, block: Block<'_, T>, output: &mut [T]) {
    dispatch::run(Pull::<F, T, A> { operand, block, output, row: PhantomData });
}

impl<F: Elementwise<A>, T: Element, const A: usize> Kernel for Pull<'_, F, T, A> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Pull { operand, block, output, .. } = self;
        match (FMA, operand) {
            (true, 0) => pull::<F, T, T::Fused, A, 0>(block, output),
            (true, 1) => pull::<F, T, T::Fused, A, 1>(block, output),
            (true, _) => pull::<F, T, T::Fused, A, 2>(block, output),
            (false, 0) => pull::<F, T, T::Plain, A, 0>(block, output),
            (false, 1) => pull::<F, T, T::Plain, A, 1>(block, output),
            (false, _) => pull::<F, T, T::Plain, A, 2>(block, output),
        }
        if output.iter().map(|y| u32::from(y.is_nan())).sum::<u32>() > 0 {
            pull_again::<F, T, A>(operand, block, output);
        }
    }
}

#[inline(always)]
fn pull<F: Elementwise<A>, T: Element, N: Lane<T>, const A: usize, const K: usize>(
    block: Block<'_, T>,
    output: &mut [T],
) {
    let length = output.len();
    let (y, g) = (&block.y[..length], &block.g[..length]);
    let mut x = [y; A];
    let mut k = 0;
    while k < A {
        x[k] = &block.x[k][..length];
        k += 1;
    }
    let mut i = 0;
    while i < length {
        let mut operands = [Plain(N::ZERO); A];
        let mut k = 0;
        while k < A {
            operands[k] = Plain(N::load(x[k][i]));
            k += 1;
        }
        let part = F::contribution(K, operands, Plain(N::load(y[i])), Plain(N::load(g[i])));
        output[i] = part.map_or(T::ZERO, |part| part.0.store());
        i += 1;
    }
}

/// Computes what came out NaN by the scalar functions, which know sines of huge arguments.
#[cold]
#[inline(never)]
fn pull_again<F: Elementwise<A>, T: Element, const A: usize>(operand: usize, block: Block<'_, T>, output: &mut [T]) {
    for (i, out) in output.iter_mut().enumerate().filter(|(_, out)| out.is_nan()) {
        let x = std::array::from_fn(|k| Plain(block.x[k][i]));
        *out = F::contribution(operand, x, Plain(block.y[i]), Plain(block.g[i])).map_or(T::ZERO, |part| part.0);
    }
}

/// Values and derivatives of a block of duals.
struct Push<'a, F, T: Element, const A: usize> {
    x: [&'a [Pair<T>]; 3],
    output: &'a mut [Pair<T>],
    row: PhantomData<F>,
}

fn dual_values<F: Elementwise<A>, T: Element, const A: usize>(x: [&[Pair<T>]; 3], output: &mut [Pair<T>]) {
    dispatch::run(Push::<F, T, A> { x, output, row: PhantomData });
}

impl<T: Element> Pair<T> {
    #[inline(always)]
    fn lane<N: Lane<T>>(self) -> Tangent<N> {
        Tangent { v: N::load(self.v), d: N::load(self.d) }
    }

    #[inline(always)]
    fn store<N: Lane<T>>(lane: Tangent<N>) -> Self {
        Pair { v: lane.v.store(), d: lane.d.store() }
    }

    #[inline(always)]
    fn nan(self) -> bool {
        self.v.is_nan() | self.d.is_nan()
    }
}

impl<F: Elementwise<A>, T: Element, const A: usize> Kernel for Push<'_, F, T, A> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for i in 0..self.output.len() {
            let value = match FMA {
                true => dual_value::<F, T, T::Fused, A>(self.x, i),
                false => dual_value::<F, T, T::Plain, A>(self.x, i),
            };
            self.output[i] = match value.nan() {
                true => dual_value::<F, T, T, A>(self.x, i),
                false => value,
            };
        }
    }
}

#[inline(always)]
fn dual_value<F: Elementwise<A>, T: Element, N: Lane<T>, const A: usize>(x: [&[Pair<T>]; 3], i: usize) -> Pair<T> {
    Pair::store(Tangent::<N>::apply(F::default(), std::array::from_fn(|k| x[k][i].lane())))
}

fn dual_contributions<F: Elementwise<A>, T: Element, const A: usize>(
    operand: usize,
    block: Block<'_, Pair<T>>,
    output: &mut [Pair<T>],
) {
    dispatch::run(DualPull::<F, T, A>(Pull { operand, block, output, row: PhantomData }));
}

/// The contributions of a block of duals.
struct DualPull<'a, F, T: Element, const A: usize>(Pull<'a, F, Pair<T>, A>);

impl<F: Elementwise<A>, T: Element, const A: usize> Kernel for DualPull<'_, F, T, A> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Pull { operand, block, output, .. } = self.0;
        for (i, out) in output.iter_mut().enumerate() {
            *out = match FMA {
                true => dual_pull::<F, T, T::Fused, A>(operand, block, i),
                false => dual_pull::<F, T, T::Plain, A>(operand, block, i),
            };
            if out.nan() {
                *out = dual_pull::<F, T, T, A>(operand, block, i);
            }
        }
    }
}

#[inline(always)]
fn dual_pull<F: Elementwise<A>, T: Element, N: Lane<T>, const A: usize>(
    operand: usize,
    block: Block<'_, Pair<T>>,
    i: usize,
) -> Pair<T> {
    let x: [Tangent<N>; A] = std::array::from_fn(|k| block.x[k][i].lane());
    let part = F::contribution(operand, x, block.y[i].lane(), block.g[i].lane());
    part.map_or(Pair { v: T::ZERO, d: T::ZERO }, Pair::store)
}
