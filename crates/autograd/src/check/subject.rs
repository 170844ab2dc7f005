//! What is checked: something that can be recorded on a fresh tape at any values of its inputs, as often as one likes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Element, Error, ErrorKind, Result, Tape, Tensor, Var};

/// A function of several tensors, whatever it is made of.
pub(super) trait Subject<T: Element> {
    /// An empty tape to record on.
    fn tape(&self) -> Tape<T> {
        Tape::new()
    }

    /// Records it: its inputs as leaves with the given values, and its output.
    ///
    /// # Errors
    /// Mistakes of the function.
    fn record<'t>(&self, tape: &'t Tape<T>, values: &[Tensor<T>]) -> Result<(Vec<Var<'t, T>>, Var<'t, T>)>;
}

/// A closure over a list of `Var`s.
pub(super) struct Function<F>(pub(super) F);

impl<T: Element, F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>> Subject<T> for Function<F> {
    fn record<'t>(&self, tape: &'t Tape<T>, values: &[Tensor<T>]) -> Result<(Vec<Var<'t, T>>, Var<'t, T>)> {
        let leaves: Vec<Var<'t, T>> = values.iter().map(|value| tape.input(value)).collect();
        let output = (self.0)(&leaves);
        Ok((leaves, own(tape, output)?))
    }
}

/// The output, after the mistakes that stand in the way.
pub(super) fn own<'t, T: Element>(tape: &'t Tape<T>, output: Var<'t, T>) -> Result<Var<'t, T>> {
    tape.first_error()?;
    output.tape().first_error()?;
    if !std::ptr::eq(tape, output.tape()) {
        let message = "the function returned a value of another tape than that of its inputs";
        return Err(Error::new(ErrorKind::Tape, message).op("gradcheck"));
    }
    Ok(output)
}

/// Runs code of the user's: a panic is a mistake like any other.
pub(super) fn guard<R>(work: impl FnOnce() -> Result<R>) -> Result<R> {
    // What the code may have left half done lives on a tape that is dropped with the error.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(Error::new(ErrorKind::Check, format!("the function panicked: {text}")).op("gradcheck"))
    })
}
