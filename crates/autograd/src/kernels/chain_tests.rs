use super::*;
use crate::kernels::number::Number;
use Action::*;

/// What a step means, on numbers.
fn meaning<T: Element>(action: Action, t: T, x: T) -> T {
    let scaled = |g: T, d: T| if g == T::ZERO || (d == T::ZERO && !g.is_nan()) { T::ZERO } else { g * d };
    let mask = |yes: bool| if yes { T::ONE } else { T::ZERO };
    match action {
        Load => x,
        Store | Sum | SumMultiply | SumScale | SumScaleBy => t,
        Add => t + x,
        Subtract => t - x,
        SubtractFrom => x - t,
        Multiply => t * x,
        Divide => t / x,
        DivideInto => x / t,
        Scale => scaled(t, x),
        ScaleBy => scaled(x, t),
        Greater => Number::max(t, x),
        GreaterBy => Number::max(x, t),
        Lesser => Number::min(t, x),
        LesserBy => Number::min(x, t),
        Above => mask(t > x),
        Below => mask(x > t),
        Choose => {
            if t != T::ZERO {
                x
            } else {
                T::ZERO
            }
        }
        Keep => {
            if x != T::ZERO {
                t
            } else {
                T::ZERO
            }
        }
        Negate => -t,
        Square => t * t,
        Times => T::of(5.0) * t,
        Positive => {
            if t <= T::ZERO {
                T::ZERO
            } else {
                t
            }
        }
    }
}

/// Numbers of all kinds, every pair of kinds within 144 elements.
fn values<T: Element>(length: usize, stride: usize) -> Vec<T> {
    let kinds = [0.0, -0.0, 1.0, -1.0, 0.3, -2.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 3e-39, -1e30, 7.0];
    (0..length)
        .map(|i| T::of(kinds[i / stride % kinds.len()] * if i >= 144 { 1.0 + i as f64 / 512.0 } else { 1.0 }))
        .collect()
}

/// Runs a chain with the registers of a level.
fn sweep<T: Element, L: Lanes<Scalar = T>>(chain: &Chain, block: &mut Block<'_, '_, '_, '_, T>) {
    let count = block.count;
    let table = chain.table(block);
    struct At<'a, T, L>(Sweep<'a, T>, std::marker::PhantomData<L>);
    impl<T: Element, L: Lanes<Scalar = T>> crate::kernels::dispatch::Kernel for At<'_, T, L> {
        type Output = ();
        #[inline(always)]
        fn run<const FMA: bool>(self) {
            LaneKernel::run::<L, FMA>(self.0);
        }
    }
    let sweep = Sweep { steps: &chain.steps, table: &table, counts: &chain.counts, count };
    crate::kernels::dispatch::run(At::<T, L>(sweep, std::marker::PhantomData));
}

fn same<T: Element>(a: T, b: T) -> bool {
    a.to_bits_u64() == b.to_bits_u64() || (a.is_nan() && b.is_nan())
}

type Runner<T> = fn(&Chain, &mut Block<'_, '_, '_, '_, T>);

fn every_action<T: Element>(run: Runner<T>) {
    let lengths = [0, 1, 7, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257, 300];
    for length in lengths {
        let (first, second) = (values::<T>(length + 3, 1), values::<T>(length + 3, 12));
        let number = [T::of(0.7)];
        let inputs: [&[T]; 3] = [&first, &second, &number];
        let places = [Place::Input(1), Place::Number(2), Place::None, Place::Count(5)];
        let mut tried =
            ACTIONS.iter().filter(|action| matches!(action, Store | Sum | SumMultiply | SumScale | SumScaleBy)).count();
        for (&action, place) in ACTIONS.iter().flat_map(|action| places.map(|place| (action, place))) {
            let steps = [(Load, Place::Input(0)), (action, place), (Store, Place::Output(0))];
            let Some(chain) = Chain::new(&steps) else { continue };
            tried += usize::from(place != Place::Number(2));
            let mut output = vec![T::of(-77.0); length + 5];
            let mut outputs = [&mut output[..]];
            run(
                &chain,
                &mut Block {
                    inputs: &inputs,
                    low: 3,
                    registers: &mut [],
                    outputs: &mut outputs,
                    own: 2,
                    sums: &mut [],
                    count: length,
                },
            );
            for i in 0..length {
                let x = if place == Place::Number(2) { number[0] } else { second[i + 3] };
                let (t, own) = (first[i + 3], output[i + 2]);
                let expected = meaning(action, t, x);
                assert!(same(own, expected), "{action:?} of {t} and {x}: {own}, not {expected}; {i} of {length}");
            }
            assert!(
                output[..2].iter().chain(&output[length + 2..]).all(|&x| x == T::of(-77.0)),
                "{action:?} beyond {length}"
            );
        }
        assert_eq!(tried, ACTIONS.len(), "what only sums or stores has tests of its own");
    }
}

/// Sums are those of the reduction, bit for bit, for as long as a block is one run of it.
fn sums_in_order<T: Element>(run: Runner<T>) {
    for length in [1, 5, 31, 32, 33, 64, 100, 257, 16 * sums::<T>() - 1, 16 * sums::<T>()] {
        let x: Vec<T> = (0..length).map(|i| T::of(((i + 1) as f64 * 0.618).fract() - 0.3)).collect();
        let chain = Chain::new(&[(Load, Place::Input(0)), (Sum, Place::Sums(1))]).expect("a chain");
        let mut own = vec![T::ZERO; sums::<T>()];
        run(
            &chain,
            &mut Block {
                inputs: &[&x],
                low: 0,
                registers: &mut [],
                outputs: &mut [],
                own: 0,
                sums: &mut [&mut [], &mut own],
                count: length,
            },
        );
        let (mut joined, mut expected) = ([T::ZERO], [T::ZERO]);
        crate::kernels::reduce::sum(&own, [1, own.len(), 1], &mut joined);
        crate::kernels::reduce::sum(&x, [1, length, 1], &mut expected);
        assert!(same(joined[0], expected[0]), "{} is not {}; {length}", joined[0], expected[0]);
    }
}

/// A weighed sum is the sum of what the step before it would have made, and leaves the tile alone.
fn weighed_sums<T: Element>(run: Runner<T>) {
    let pairs = [(SumMultiply, Multiply), (SumScale, Scale), (SumScaleBy, ScaleBy)];
    for length in [1, 16, 33, 100, 256, 257, 16 * sums::<T>()] {
        let number =
            |i: usize| T::of(((i * i + 1) as f64 * 0.618).fract() - if i.is_multiple_of(7) { 0.0 } else { 0.3 });
        let (x, y): (Vec<T>, Vec<T>) = (0..length).map(|i| (number(i), number(3 * i + 1))).unzip();
        for (place, (weighed, plain)) in
            [Place::Input(1), Place::Number(1)].into_iter().flat_map(|p| pairs.map(|q| (p, q)))
        {
            let both = |list: &[(Action, Place)]| {
                let (mut own, mut output) = (vec![T::ZERO; sums::<T>()], vec![T::ZERO; length]);
                run(
                    &Chain::new(list).expect("a chain"),
                    &mut Block {
                        inputs: &[&x, &y],
                        low: 0,
                        registers: &mut [],
                        outputs: &mut [&mut output],
                        own: 0,
                        sums: &mut [&mut own],
                        count: length,
                    },
                );
                (own, output)
            };
            let sum = (Sum, Place::Sums(0));
            let (own, output) = both(&[(Load, Place::Input(0)), (weighed, place), sum, (Store, Place::Output(0))]);
            let (expected, _) = both(&[(Load, Place::Input(0)), (plain, place), sum, (Store, Place::Output(0))]);
            assert!(own.iter().zip(&expected).all(|(&a, &b)| same(a, b)), "{weighed:?} of {length}");
            assert!(output.iter().zip(&x).all(|(&a, &b)| same(a, b)), "{weighed:?} of {length} changes the tile");
        }
    }
}

/// Values that are stored half-way are read again, also in the registers of the pass.
fn stored_half_way<T: Element>(run: Runner<T>) {
    let x: Vec<T> = (0..777).map(|i| T::of(i as f64 / 64.0)).collect();
    let list = [
        (Load, Place::Input(0)),
        (Square, Place::None),
        (Store, Place::Register(0)),
        (Add, Place::Input(0)),
        (Store, Place::Output(0)),
        (Load, Place::Register(0)),
        (Store, Place::Register(0)),
        (Multiply, Place::Output(0)),
        (Store, Place::Output(1)),
    ];
    let chain = Chain::new(&list).expect("a chain");
    let (mut register, mut first, mut second) = (vec![T::ZERO; 777], vec![T::ZERO; 777], vec![T::ZERO; 777]);
    let (mut registers, mut outputs) = ([&mut register[..]], [&mut first[..], &mut second[..]]);
    run(
        &chain,
        &mut Block {
            inputs: &[&x],
            low: 0,
            registers: &mut registers,
            outputs: &mut outputs,
            own: 0,
            sums: &mut [],
            count: 777,
        },
    );
    for (i, &x) in x.iter().enumerate() {
        assert!(same(first[i], x * x + x) && same(second[i], (x * x) * (x * x + x)), "element {i}");
    }
}

fn at_every_level<T: Element>(test: fn(Runner<T>)) {
    test(|chain, block| chain.run(block));
    test(sweep::<T, T::Baseline>);
    if crate::kernels::dispatch::level() >= crate::kernels::dispatch::Level::V3 {
        test(sweep::<T, T::V3>);
    }
}

#[test]
fn every_action_is_what_it_means() {
    at_every_level::<f32>(every_action);
    at_every_level::<f64>(every_action);
}

#[test]
fn sums_are_those_of_the_reduction() {
    at_every_level::<f32>(sums_in_order);
    at_every_level::<f64>(sums_in_order);
    at_every_level::<f32>(weighed_sums);
    at_every_level::<f64>(weighed_sums);
}

#[test]
fn stores_are_read_again() {
    at_every_level::<f32>(stored_half_way);
    at_every_level::<f64>(stored_half_way);
}

#[test]
fn a_chain_writes_only_what_may_be_written() {
    assert!(Chain::new(&[(Store, Place::Input(0))]).is_none());
    assert!(Chain::new(&[(Store, Place::Number(0))]).is_none());
    assert!(Chain::new(&[(Sum, Place::Register(0))]).is_none());
    assert!(Chain::new(&[(Add, Place::Sums(0))]).is_none());
    assert!(Chain::new(&[(Add, Place::None)]).is_none());
    assert!(Chain::new(&[(Add, Place::Count(2))]).is_none());
    assert!(Chain::new(&[(Times, Place::Input(0))]).is_none());
    assert!(Chain::new(&[(SumScale, Place::Input(0)), (Store, Place::Output(0))]).is_none());
    assert!(Chain::new(&[]).is_some_and(|chain| chain.is_empty()));
}

#[test]
#[should_panic(expected = "out of range")]
fn a_block_beyond_an_input_panics() {
    let chain = Chain::new(&[(Load, Place::Input(0))]).expect("a chain");
    let block = &mut Block {
        inputs: &[&[1.0f32; 4][..]],
        low: 2,
        registers: &mut [],
        outputs: &mut [],
        own: 0,
        sums: &mut [],
        count: 3,
    };
    chain.run(block);
}

/// In fixed places of one memory a chain does what it does on a block.
#[test]
fn fixed_places() {
    let list = [
        (Load, Place::Input(0)),
        (Multiply, Place::Number(1)),
        (Store, Place::Register(0)),
        (SumMultiply, Place::Input(0)),
        (Sum, Place::Sums(0)),
        (Subtract, Place::Register(0)),
        (Add, Place::Input(0)),
        (Store, Place::Output(0)),
    ];
    let chain = Chain::new(&list).expect("a chain");
    for count in [0, 1, 4, 16, 17, 100, 128, 129, 300] {
        let (x, number) = (values::<f32>(count, 5), [0.25]);
        let (mut register, mut output, mut own) = (vec![0.0; count], vec![0.0; count], vec![0.0; sums::<f32>()]);
        chain.run(&mut Block {
            inputs: &[&x, &number],
            low: 0,
            registers: &mut [&mut register],
            outputs: &mut [&mut output],
            own: 0,
            sums: &mut [&mut own],
            count,
        });
        let (at_output, at_sums) = (7, 7 + count);
        let fixed = chain.fixed::<f32>(count, |place| match place {
            Place::Input(i) | Place::Number(i) => Slot::List(i.into(), 0),
            Place::Output(_) => Slot::Memory(at_output as u32),
            Place::Sums(_) => Slot::Memory(at_sums as u32),
            _ => Slot::Memory((at_sums + sums::<f32>()) as u32),
        });
        let mut memory = vec![0.0f32; 7 + 2 * count + sums::<f32>()];
        fixed.expect("it writes to memory").run(&[&x, &number], &mut memory);
        assert!(memory[..7].iter().all(|&x| x == 0.0));
        let expected = [output, own, register].concat();
        assert!(memory[7..].iter().zip(expected).all(|(&a, b)| same(a, b)), "{count} elements");
    }
}

#[test]
fn fixed_places_that_are_only_read_are_not_written() {
    let chain = Chain::new(&[(Load, Place::Input(0)), (Store, Place::Output(0))]).expect("a chain");
    assert!(chain.fixed::<f32>(4, |_| Slot::List(0, 0)).is_none());
}

#[test]
#[should_panic(expected = "inside the memory")]
fn fixed_places_beyond_the_memory_panic() {
    let chain = Chain::new(&[(Load, Place::Input(0)), (Store, Place::Output(0))]).expect("a chain");
    let slot = |place| if place == Place::Input(0) { Slot::List(0, 0) } else { Slot::Memory(1) };
    chain.fixed::<f64>(4, slot).expect("it writes to memory").run(&[&[1.0f64; 4]], &mut [0.0; 4]);
}
