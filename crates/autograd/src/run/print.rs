//! A plan as text: kernels in order, what was fused, shapes, bytes, flops.

use std::fmt;

use super::plan::{Place, Step, Steps};
use super::select::Tag;
use super::simplify::Simplified;
use crate::error::json;
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
    peak_bytes: usize,
    limit: Option<usize>,
    recomputed: usize,
}

/// One kernel of a [`Plan`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlannedKernel {
    /// The formulas that it computes: several where elementwise nodes are fused. `again` follows where the value was
    /// computed before and not kept.
    pub formulas: Vec<String>,
    /// The shape of its output.
    pub shape: Shape,
    /// Arithmetic operations, counting an elementary function as one.
    pub flops: usize,
    /// Bytes read and written.
    pub bytes: usize,
    /// The formulas that it reads by strides where their operands lie: none of them is computed.
    pub strided: Vec<String>,
    /// Where it writes: `buffer 0`, or `result 0` for what leaves with the results; `again` follows where the buffer held
    /// another value before, `in place` where the kernel itself reads that value, for the last time.
    pub writes: Vec<String>,
}

impl Plan {
    /// The kernels in the order in which they run.
    pub fn kernels(&self) -> &[PlannedKernel] {
        &self.kernels
    }

    /// Arithmetic operations of all kernels.
    pub fn flops(&self) -> usize {
        self.kernels.iter().map(|kernel| kernel.flops).fold(0, usize::saturating_add)
    }

    /// Bytes of the buffers between kernels: each is used again as soon as nobody reads it.
    pub fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// Bytes of the results.
    pub fn result_bytes(&self) -> usize {
        self.result_bytes
    }

    /// Bytes that a run takes at most, besides what is on the tape: buffers, results, and the registers of fused passes.
    /// Not counted are registers of further threads (below 64 KiB each) and what single kernels take while they run:
    /// packed panels of matrix products, unfolded images of convolutions, rows of sorts.
    pub fn peak_bytes(&self) -> usize {
        self.peak_bytes
    }

    /// The memory limit that it was planned for.
    pub fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// How many values are computed again instead of kept, so that the limit is met.
    pub fn recomputed(&self) -> usize {
        self.recomputed
    }

    /// The plan as a JSON object: `kernels` (`formulas`, `shape`, `flops`, `bytes`, `writes`, `strided`), `flops`,
    /// `buffer_bytes`, `result_bytes`, `peak_bytes`, `limit` (or null), `recomputed`.
    ///
    /// ```
    /// use wengert_autograd::{Tape, Tensor};
    /// let tape = Tape::new();
    /// let x = tape.input(Tensor::<f64>::ones([100]));
    /// assert!(tape.plan([x.tanh()])?.to_json().contains(r#""flops":100,"bytes":1600,"writes":["result 0"]"#));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    pub fn to_json(&self) -> String {
        let kernels = self.kernels.iter().map(|kernel| format!("{{{}}}", kernel.json_fields()));
        format!("{{\"kernels\":{},{}}}", json::array(kernels), self.json_fields())
    }

    /// The members of its object after the kernels.
    pub(crate) fn json_fields(&self) -> String {
        let Plan { buffer_bytes, result_bytes, peak_bytes, recomputed, .. } = self;
        let limit = self.limit.map_or("null".to_string(), |limit| limit.to_string());
        format!(
            "\"flops\":{},\"buffer_bytes\":{buffer_bytes},\"result_bytes\":{result_bytes},\
             \"peak_bytes\":{peak_bytes},\"limit\":{limit},\"recomputed\":{recomputed}",
            self.flops()
        )
    }

    pub(crate) fn of<T: Element>(tape: &Inner<T>, ids: &[u32], steps: &Steps) -> Plan {
        let bytes = |lengths: usize| lengths.saturating_mul(size_of::<T>());
        let mut used = vec![false; steps.buffers.len()];
        let simplified = Simplified::of(&steps.selection);
        let described = |step| {
            let strided = strided(steps, &simplified, step).into_iter().map(|node| formula(tape, ids, steps, node));
            PlannedKernel { strided: strided.collect(), ..describe(tape, ids, steps, step, &mut used) }
        };
        Plan {
            kernels: steps.steps.iter().map(described).collect(),
            buffer_bytes: bytes(steps.buffers.iter().copied().fold(0, usize::saturating_add)),
            result_bytes: bytes(steps.results.iter().map(|result| result.1).fold(0, usize::saturating_add)),
            peak_bytes: steps.peak_bytes(size_of::<T>()),
            limit: steps.asked().options.limit.map(|limit| limit.bytes),
            recomputed: steps.steps.iter().flat_map(nodes_of).filter(|&node| is_again(steps, node)).count(),
        }
    }
}

impl PlannedKernel {
    pub(crate) fn json_fields(&self) -> String {
        let strings = |texts: &[String]| json::array(texts.iter().map(|text| json::string(text)));
        format!(
            "\"formulas\":{},\"shape\":{},\"flops\":{},\"bytes\":{},\"writes\":{},\"strided\":{}",
            strings(&self.formulas),
            json::array(self.shape.iter().map(usize::to_string)),
            self.flops,
            self.bytes,
            strings(&self.writes),
            strings(&self.strided),
        )
    }
}

/// The nodes that a step computes.
fn nodes_of(step: &Step) -> Vec<u32> {
    match step {
        Step::Op { node, sum, .. } => [*node].into_iter().chain(*sum).collect(),
        Step::Copy { transposed: true, .. } => Vec::new(),
        Step::Copy { node, .. } => vec![*node],
        Step::Fused(fused) => fused.members.clone(),
    }
}

/// The nodes that a step reads by strides, in the order of the tape.
fn strided(steps: &Steps, simplified: &Simplified, step: &Step) -> Vec<u32> {
    let selection = &steps.selection;
    let mut nodes = Vec::new();
    for node in nodes_of(step) {
        for mut operand in simplified.operands(selection, node) {
            while simplified.is_alias(selection, operand) {
                nodes.extend(Some(operand).filter(|_| selection.tags[operand as usize] != Tag::View));
                operand = simplified.replaced[selection.inputs(operand)[0] as usize];
            }
        }
    }
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// A node and how it is computed.
fn formula<T: Element>(tape: &Inner<T>, ids: &[u32], steps: &Steps, node: u32) -> String {
    let equation = tape.equation(ids[node as usize]);
    if is_again(steps, node) { equation + "   again" } else { equation }
}

/// Whether a node computes a value again that was not kept.
fn is_again(steps: &Steps, node: u32) -> bool {
    steps.lean.as_ref().is_some_and(|lean| lean.again.binary_search(&node).is_ok())
}

fn describe<T: Element>(tape: &Inner<T>, ids: &[u32], steps: &Steps, step: &Step, used: &mut [bool]) -> PlannedKernel {
    let shapes = &steps.selection.shapes;
    let volume = |node: u32| shapes[node as usize].volume();
    let (node, flops, elements) = match step {
        Step::Copy { node, .. } => (*node, 0, volume(*node).saturating_mul(2)),
        Step::Op { node, inputs, sum, .. } => {
            let inputs: Vec<&Shape> = inputs.iter().map(|input| &shapes[input.0 as usize]).collect();
            let flops = match &tape.nodes[ids[*node as usize] as usize].kind {
                Kind::Op(op) => op.flops(&inputs, &shapes[*node as usize]),
                _ => 0,
            };
            let read = inputs.iter().map(|shape| shape.volume()).fold(0, usize::saturating_add);
            let added = sum.map_or(0, volume);
            (*node, flops.saturating_add(added), read.saturating_add(volume(*node)).saturating_add(added))
        }
        Step::Fused(fused) => {
            let read = fused.loads.iter().map(|load| load.volume).fold(0, usize::saturating_add);
            let joined = fused.joins.iter().map(|joined| volume(joined.node)).fold(0, usize::saturating_add);
            let stored =
                fused.stores.iter().map(|store| volume(store.node).saturating_mul(1 + usize::from(store.in_place)));
            let stored = stored.fold(0, usize::saturating_add);
            let flops = fused.members.iter().map(|&node| match steps.selection.tags[node as usize] {
                Tag::Broadcast => 0,
                Tag::Join(..) => fused.volume,
                _ => volume(node),
            });
            let flops = flops.fold(0, usize::saturating_add);
            (fused.node, flops, read.saturating_add(stored).saturating_add(joined))
        }
    };
    let copied = |step: &Step| match step {
        Step::Copy { node, transposed: true, .. } => {
            Some(format!("%{}ᵀ, for all that read it so", ids[*node as usize]))
        }
        _ => None,
    };
    let formulas = nodes_of(step).into_iter().map(|node| formula(tape, ids, steps, node));
    PlannedKernel {
        formulas: formulas.chain(copied(step)).collect(),
        strided: Vec::new(),
        shape: shapes[node as usize].clone(),
        flops,
        bytes: elements.saturating_mul(size_of::<T>()),
        writes: step.written().into_iter().map(|(_, place)| written(step, place, used)).collect(),
    }
}

/// Where a step writes, in words.
fn written(step: &Step, place: Place, used: &mut [bool]) -> String {
    match place {
        Place::Tape(_) => "nothing".to_string(),
        Place::Result(i) if step.in_place(place) => format!("result {i} in place"),
        Place::Result(i) => format!("result {i}"),
        Place::Buffer(i) if step.in_place(place) => format!("buffer {i} in place"),
        Place::Buffer(i) => match std::mem::replace(&mut used[i as usize], true) {
            true => format!("buffer {i} again"),
            false => format!("buffer {i}"),
        },
    }
}

/// So many of something.
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, kernel) in self.kernels.iter().enumerate() {
            let PlannedKernel { formulas, shape, flops, bytes, strided, writes } = kernel;
            let count = match formulas.len() {
                1 => String::new(),
                fused => format!("   {fused} fused"),
            };
            let writes = if writes.is_empty() { String::new() } else { format!("   to {}", writes.join(", ")) };
            writeln!(f, "kernel {i} : {shape}   {flops} flops   {bytes} bytes{count}{writes}")?;
            for formula in strided {
                writeln!(f, "    by strides: {formula}")?;
            }
            for formula in formulas {
                writeln!(f, "    {formula}")?;
            }
        }
        let Plan { kernels, buffer_bytes, result_bytes, peak_bytes, recomputed, .. } = self;
        let (count, flops) = (counted(kernels.len(), "kernel"), self.flops());
        write!(f, "{count}, {flops} flops, {buffer_bytes} bytes of buffers, {result_bytes} bytes of results, ")?;
        writeln!(f, "{peak_bytes} bytes at most")?;
        match (self.limit, recomputed) {
            (None, _) => Ok(()),
            (Some(limit), 0) => writeln!(f, "limit {limit} bytes: no value is computed again"),
            (Some(limit), 1) => writeln!(f, "limit {limit} bytes: 1 value is computed again instead of kept"),
            (Some(limit), count) => {
                writeln!(f, "limit {limit} bytes: {count} values are computed again instead of kept")
            }
        }
    }
}
