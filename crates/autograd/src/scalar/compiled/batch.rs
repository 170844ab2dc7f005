//! Many points at once: in lanes, and on several threads.

use std::sync::{Mutex, PoisonError};

use ndarray::Array2;

use super::engine::{Engine, LANES, expect, load_points, run, sweep};
use super::{Compiled, matrix};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::number::Element;
use crate::kernels::pool;

/// Points that one thread takes at a time.
const TASK: usize = 8 * LANES;

/// The first error among points, whichever thread found it.
#[derive(Debug, Default)]
pub(super) struct First(Mutex<Option<(usize, Error)>>);

impl First {
    /// Notes the error of a point.
    pub(super) fn note(&self, point: usize, error: Error) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|(other, _)| point < *other) {
            *first = Some((point, error));
        }
    }

    /// The error, with the number of the point.
    pub(super) fn result(self, what: &str) -> Result<()> {
        match self.0.into_inner().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some((point, error)) => Err(error.op(format!("{what} {point}"))),
        }
    }
}

impl<T: Element> Engine<T> {
    /// Values and Jacobians of points that lie one after the other.
    fn jacobians(&self, points: &[T], values: &mut [T], jacobians: &mut [T]) -> Result<()> {
        let (inputs, variables, outputs) = (self.inputs, self.variables, self.outputs);
        let count = values.len().checked_div(outputs).unwrap_or(0);
        let first = First::default();
        pool::split_rows(
            [values, jacobians],
            [outputs, variables * outputs],
            TASK,
            count,
            |start, [values, jacobians]| {
                let end = start + values.len() / outputs;
                let mut memory = self.lanes.take(&self.sweep);
                for point in (start..end).step_by(LANES) {
                    let lanes = LANES.min(end - point);
                    load_points(&mut memory, 0, inputs, &points[point * inputs..(point + lanes) * inputs]);
                    if let Err((lane, error)) = run::<T, LANES>(&self.sweep, &mut memory) {
                        return first.note(point + lane.min(lanes - 1), error);
                    }
                    for output in 0..outputs {
                        for lane in 0..lanes {
                            let place = self.sweep.outputs[output][0];
                            values[(point - start + lane) * outputs + output] = memory.value(place)[lane];
                        }
                        sweep::<T, LANES>(&self.sweep, &mut memory, |other, lanes| {
                            if other == output {
                                lanes.iter_mut().for_each(|lane| *lane += T::ONE);
                            }
                        });
                        for i in 0..variables {
                            let cotangents = memory.adjoint(i);
                            for (lane, &cotangent) in cotangents.iter().enumerate().take(lanes) {
                                jacobians[((point - start + lane) * outputs + output) * variables + i] = cotangent;
                            }
                            cotangents.fill(T::ZERO);
                        }
                    }
                }
                self.lanes.give_back(memory);
            },
        );
        first.result("point")
    }
}

impl<T: Element> Compiled<T> {
    /// `∇f` at many points, a row for each: in lanes of 8 points, on all threads of the pool; the result doesn't depend on
    /// how many there are.
    ///
    /// ```
    /// use wengert_autograd::scalar::Compiled;
    /// let mut f = Compiled::record(&[1.0, 1.0], |x| x[0] * x[1])?;
    /// let g = f.gradients(&[[2.0, 3.0], [4.0, 5.0], [6.0, 7.0]])?;
    /// assert_eq!(g, ndarray::array![[3.0, 2.0], [5.0, 4.0], [7.0, 6.0]]);
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// On a point of a wrong length, one that takes another branch (both name the point), or several outputs.
    pub fn gradients<P: AsRef<[T]>>(&mut self, points: &[P]) -> Result<Array2<T>> {
        let mut flat = Vec::with_capacity(points.len() * self.inputs());
        for (i, point) in points.iter().enumerate() {
            expect("input", self.inputs(), point.as_ref().len()).map_err(|error| error.op(format!("point {i}")))?;
            flat.extend_from_slice(point.as_ref());
        }
        let mut values = vec![T::ZERO; points.len()];
        let mut gradients = vec![T::ZERO; points.len() * self.variables()];
        self.gradients_into(&flat, &mut values, &mut gradients)?;
        matrix(points.len(), self.variables(), gradients)
    }

    /// Values and gradients at points that lie one after the other: point `i` is `points[i n..(i + 1) n]` for `n` inputs,
    /// its value goes to `values[i]`, its gradient to `gradients[i v..(i + 1) v]` for `v` variables, which are all inputs
    /// unless some were declared data.
    ///
    /// # Errors
    /// On wrong lengths, a point that takes another branch, or several outputs.
    pub fn gradients_into(&mut self, points: &[T], values: &mut [T], gradients: &mut [T]) -> Result<()> {
        self.single("the gradient")?;
        self.jacobians_into(points, values, gradients)
    }

    /// Values and Jacobians at points that lie one after the other: for `n` inputs, of which `v` are variables, and `m`
    /// outputs, point `i` is `points[i n..(i + 1) n]`, its values are `values[i m..(i + 1) m]`, and its Jacobian, row by
    /// row, is `jacobians[i m v..(i + 1) m v]`.
    ///
    /// # Errors
    /// On wrong lengths, or a point that takes another branch: both name the point. A function that records again does so
    /// for such points one at a time.
    pub fn jacobians_into(&mut self, points: &[T], values: &mut [T], jacobians: &mut [T]) -> Result<()> {
        let (inputs, variables, outputs) = (self.inputs(), self.variables(), self.outputs());
        // Without inputs or outputs the slice that is left tells how many points there are.
        let count = values.len().checked_div(outputs).unwrap_or(points.len() / inputs.max(1));
        expect("input", count * inputs, points.len())?;
        expect("place for values", count * outputs, values.len())?;
        expect("place for derivatives", count * variables * outputs, jacobians.len())?;
        match self.engine.jacobians(points, values, jacobians) {
            Err(error) if error.kind() == ErrorKind::Branch && self.closure.is_some() => {
                for i in 0..count {
                    let point = &points[i * inputs..(i + 1) * inputs];
                    self.values(point, &mut values[i * outputs..(i + 1) * outputs])?;
                    let width = variables * outputs;
                    self.jacobian_into(point, &mut jacobians[i * width..(i + 1) * width])?;
                }
                Ok(())
            }
            result => result,
        }
    }
}
