//! The ways to compute a gradient.

use std::fmt;
use std::str::FromStr;

use wengert::scalar::{Compiled, Dual, Scalar, Tape, Traced, Var};

use crate::json::Result;
use crate::number::{Number, Over};

/// A function of many numbers with one result, and the point that it is evaluated at.
pub trait Objective {
    /// The point.
    fn point(&self) -> &[f64];

    /// The function.
    fn value<T: Number>(&self, x: &[T]) -> T;

    /// The gradient with what can be done once done once.
    fn replayed(self) -> Result<Gradient>
    where
        Self: Sized + 'static,
    {
        compiled(self)
    }

    /// The way that has been measured to be the fastest.
    fn fastest(self) -> Result<Gradient>
    where
        Self: Sized + 'static,
    {
        self.replayed()
    }

    /// The gradient on the tensor tape.
    fn tensor(self) -> Result<Gradient>
    where
        Self: Sized + 'static,
    {
        Err("only gmm has been written for the tensor tape".into())
    }
}

/// A function that another differentiation, whose numbers are `T`, wants differentiated.
pub trait Function<T, const N: usize> {
    /// The function, on numbers that may be one level above `T`.
    fn call<U: Over<T>>(&self, x: &[U; N]) -> U;
}

/// Forward or reverse.
pub trait Mode {
    /// What is kept from one gradient to the next.
    type Space<T: Number + Scalar<Base = f64>>: Default;

    /// The gradient of `function` at `x`, in the numbers of the level below.
    fn gradient<T: Number + Scalar<Base = f64>, F: Function<T, N>, const N: usize>(
        space: &mut Self::Space<T>,
        function: &F,
        x: &[T; N],
    ) -> [T; N];
}

/// One dual number's derivative after the other.
#[derive(Clone, Copy, Debug)]
pub struct Forward;

/// One sweep over a tape.
#[derive(Clone, Copy, Debug)]
pub struct Reverse;

impl Mode for Forward {
    type Space<T: Number + Scalar<Base = f64>> = ();

    fn gradient<T: Number + Scalar<Base = f64>, F: Function<T, N>, const N: usize>(
        (): &mut (),
        function: &F,
        x: &[T; N],
    ) -> [T; N] {
        let point =
            |i: usize| std::array::from_fn(|j| if i == j { Dual::variable(x[j]) } else { Dual::constant(x[j]) });
        std::array::from_fn(|i| function.call::<Dual<T>>(&point(i)).derivative)
    }
}

impl Mode for Reverse {
    type Space<T: Number + Scalar<Base = f64>> = Tape<T>;

    fn gradient<T: Number + Scalar<Base = f64>, F: Function<T, N>, const N: usize>(
        tape: &mut Tape<T>,
        function: &F,
        x: &[T; N],
    ) -> [T; N] {
        tape.clear();
        let point = x.map(|x| tape.var(x));
        let adjoints = function.call::<Var<'_, T>>(&point).backward();
        point.map(|x| adjoints.wrt(x))
    }
}

/// What writes a gradient, again and again.
pub type Gradient = Box<dyn FnMut(&mut Vec<f64>) -> Result<()>>;

/// The gradient of `objective`, in the way asked for or in the fastest one.
pub fn gradient<O: Objective + 'static>(objective: O, way: Option<Way>) -> Result<Gradient> {
    match way {
        Some(Way::Record) => Ok(recorded(objective)),
        Some(Way::Tensor) => objective.tensor(),
        Some(Way::Replay) => objective.replayed(),
        None => objective.fastest(),
    }
}

/// Records once, simplified, and replays.
pub fn compiled<O: Objective + 'static>(objective: O) -> Result<Gradient> {
    let recording = Compiled::record(objective.point(), |x| objective.value::<Traced>(x));
    let mut compiled = recording.map_err(|error| error.to_string())?;
    Ok(Box::new(move |out| {
        out.resize(objective.point().len(), 0.0);
        compiled.gradient(std::hint::black_box(objective.point()), out).map_err(|error| error.to_string())
    }))
}

/// Records and sweeps each time, on one tape.
pub fn recorded<O: Objective + 'static>(objective: O) -> Gradient {
    let mut tape = Tape::new();
    Box::new(move |out| {
        tape.clear();
        let x = tape.vars(std::hint::black_box(objective.point()));
        let adjoints = objective.value::<Var<'_>>(&x).backward();
        out.clear();
        out.extend(x.iter().map(|&x| adjoints.wrt(x)));
        Ok(())
    })
}

/// How a gradient is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Everything is recorded and swept each time.
    Record,
    /// What doesn't change from run to run is recorded once, or swept term by term.
    Replay,
    /// On the tensor tape.
    Tensor,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::Record => "record",
            Way::Replay => "replay",
            Way::Tensor => "tensor",
        })
    }
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Way> {
        match text {
            "record" => Ok(Way::Record),
            "replay" => Ok(Way::Replay),
            "tensor" => Ok(Way::Tensor),
            _ => Err(format!("there is no way \"{text}\"; there are record, replay and tensor")),
        }
    }
}
