//! A plan as text: kernels in order, what was fused, shapes, bytes, flops.

use std::fmt;

use super::plan::{Step, Steps};
use super::select::Tag;
use crate::kernels::number::Element;
use crate::tape::Inner;
use crate::tape::node::Kind;
use crate::tensor::Shape;

/// What would run for some outputs: made by [`Tape::plan`](crate::Tape::plan), without running it.
///
/// ```
/// use wengert_autograd::{Tape, Tensor};
/// let tape = Tape::new();
/// let x = tape.input(Tensor::<f64>::ones([100]));
/// let plan = tape.plan([(x * x + 1.0).tanh().sum()])?;
/// assert_eq!(plan.kernels().len(), 1);                      // one pass, the sum at its end
/// assert_eq!(plan.buffer_bytes(), 0);                       // nothing in between is written
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plan {
    kernels: Vec<PlannedKernel>,
    buffer_bytes: usize,
    result_bytes: usize,
}

/// One kernel of a [`Plan`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlannedKernel {
    /// The formulas that it computes: several where elementwise nodes are fused.
    pub formulas: Vec<String>,
    /// The shape of its output.
    pub shape: Shape,
    /// Arithmetic operations, counting an elementary function as one.
    pub flops: usize,
    /// Bytes read and written.
    pub bytes: usize,
}

impl Plan {
    /// The kernels in the order in which they run.
    pub fn kernels(&self) -> &[PlannedKernel] {
        &self.kernels
    }

    /// Arithmetic operations of all kernels.
    pub fn flops(&self) -> usize {
        self.kernels.iter().map(|kernel| kernel.flops).sum()
    }

    /// Bytes of the buffers between kernels: each is used again as soon as nobody reads it.
    pub fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// Bytes of the results.
    pub fn result_bytes(&self) -> usize {
        self.result_bytes
    }

    pub(crate) fn of<T: Element>(tape: &Inner<T>, ids: &[u32], steps: &Steps) -> Plan {
        let bytes = |lengths: usize| lengths * size_of::<T>();
        Plan {
            kernels: steps.steps.iter().map(|step| describe(tape, ids, steps, step)).collect(),
            buffer_bytes: bytes(steps.buffers.iter().sum()),
            result_bytes: bytes(steps.results.iter().map(|result| result.1).sum()),
        }
    }
}

fn describe<T: Element>(tape: &Inner<T>, ids: &[u32], steps: &Steps, step: &Step) -> PlannedKernel {
    let shapes = &steps.selection.shapes;
    let volume = |node: u32| shapes[node as usize].volume();
    match step {
        Step::Op { node, inputs, .. } => {
            let id = ids[*node as usize];
            let inputs: Vec<&Shape> = inputs.iter().map(|input| &shapes[input.0 as usize]).collect();
            let shape = shapes[*node as usize].clone();
            let flops = match &tape.nodes[id as usize].kind {
                Kind::Op(op) => op.flops(&inputs, &shape),
                _ => 0,
            };
            let read: usize = inputs.iter().map(|shape| shape.volume()).sum();
            let bytes = (read + shape.volume()) * size_of::<T>();
            PlannedKernel { formulas: vec![tape.equation(id)], shape, flops, bytes }
        }
        Step::Fused(fused) => {
            let formula = |&node: &u32| tape.equation(ids[node as usize]);
            let read: usize = fused.loads.iter().map(|load| load.volume).sum();
            let joined: usize = fused.joins.iter().map(|joined| volume(joined.node)).sum();
            let computes = |&&node: &&u32| steps.selection.tags[node as usize] != Tag::Broadcast;
            PlannedKernel {
                formulas: fused.members.iter().map(formula).collect(),
                shape: shapes[fused.node as usize].clone(),
                flops: fused.members.iter().filter(computes).count() * volume(fused.node),
                bytes: (read + fused.stores.len() * fused.volume + joined) * size_of::<T>(),
            }
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, kernel) in self.kernels.iter().enumerate() {
            let PlannedKernel { formulas, shape, flops, bytes } = kernel;
            let count = match formulas.len() {
                1 => String::new(),
                fused => format!("   {fused} fused"),
            };
            writeln!(f, "kernel {i} : {shape}   {flops} flops   {bytes} bytes{count}")?;
            for formula in formulas {
                writeln!(f, "    {formula}")?;
            }
        }
        let Plan { kernels, buffer_bytes, result_bytes } = self;
        let (count, flops) = (kernels.len(), self.flops());
        writeln!(f, "{count} kernels, {flops} flops, {buffer_bytes} bytes of buffers, {result_bytes} bytes of results")
    }
}
