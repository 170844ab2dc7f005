//! Copies of matrices that several products read transposed, as the steps of a recurrent network read its weight in the
//! backward pass: transposed once, and not by each product for itself.

use super::place::{Kernel, Placer};
use super::plan::Place;
use super::select::Tag;
use crate::tape::op::Abilities;

/// So many products at least read a copy: making it costs what two or three products save.
const LEAST: usize = 4;

/// A matrix that is transposed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copied {
    pub(crate) node: u32,
    /// The last kernel that reads the copy.
    pub(crate) last: u32,
    /// Where it lies, from the first kernel on that reads it.
    pub(crate) place: Option<Place>,
}

/// Which copy each kernel reads.
#[derive(Debug, Default)]
pub(crate) struct Transposed {
    copies: Vec<Copied>,
    /// Kernels, ascending, and the numbers of copies.
    readers: Vec<(u32, u32)>,
}

impl Transposed {
    /// The copies that are worth it, of matrices that lie as a whole.
    pub(crate) fn of(placer: &Placer<'_>, kernels: &[Kernel]) -> Transposed {
        let (selection, mut transposed) = (placer.selection, Transposed::default());
        // Copies are memory.
        if selection.options.limit.is_some() || selection.options.separate || selection.options.literal {
            return transposed;
        }
        let mut reads = Vec::new();
        for (i, kernel) in kernels.iter().enumerate().filter(|(_, kernel)| !kernel.fused) {
            let node = kernel.nodes[0];
            if let Tag::Op(Abilities { transposes: true, .. }) = selection.tags[node as usize]
                && let [_, matrix] = *selection.inputs(node)
            {
                let columns = selection.shapes[matrix as usize].last().copied();
                reads.push((placer.memory(matrix), columns, i as u32, matrix));
            }
        }
        reads.sort_unstable();
        for alike in reads.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).filter(|alike| alike.len() >= LEAST) {
            let number = transposed.copies.len() as u32;
            transposed.readers.extend(alike.iter().map(|read| (read.2, number)));
            let (node, last) = (alike[0].3, alike[alike.len() - 1].2);
            transposed.copies.push(Copied { node, last, place: None });
        }
        transposed.readers.sort_unstable();
        transposed
    }

    /// The copy that a kernel reads, if it does.
    pub(crate) fn of_kernel(&mut self, index: u32) -> Option<&mut Copied> {
        let place = self.readers.binary_search_by_key(&index, |reader| reader.0).ok()?;
        self.copies.get_mut(self.readers[place].1 as usize)
    }
}
