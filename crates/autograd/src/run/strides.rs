//! What is read where it lies, by strides: an operand that is permuted or a part of another need not be copied first, if
//! whoever reads it computes element by element.

use super::fuse::is_elementwise;
use super::select::{Selection, Tag};
use crate::tape::op::Layout;
use crate::tensor::Shape;
use crate::tensor::shape::Axes;

/// The elements of a stretch that is worth a copy of its own, for each time that the whole is read.
const SHORT: usize = 16;

/// The axes of a strided operand, without those of length 1, and with those joined that lie as one: their lengths, and the
/// elements from one place to the next.
pub(crate) fn merged(axes: impl IntoIterator<Item = (usize, usize)>) -> (Axes, Axes) {
    let (mut lengths, mut strides) = (Axes::new(), Axes::new());
    for (length, stride) in axes.into_iter().filter(|axis| axis.0 != 1) {
        match (lengths.last_mut(), strides.last_mut()) {
            (Some(outer), Some(outer_stride)) if *outer_stride == stride * length => {
                *outer *= length;
                *outer_stride = stride;
            }
            _ => {
                lengths.push(length);
                strides.push(stride);
            }
        }
    }
    (lengths, strides)
}

impl Layout {
    /// The axes of a shape that lies so, as [`merged`].
    pub(crate) fn merged(&self, shape: &Shape) -> (Axes, Axes) {
        merged(shape.iter().copied().zip(self.strides.iter().copied()))
    }

    /// The elements at the end of a shape that lie side by side.
    pub(crate) fn run(&self, shape: &Shape) -> usize {
        let (lengths, strides) = self.merged(shape);
        match (lengths.last(), strides.last()) {
            (Some(&length), Some(1)) => length,
            _ => 1,
        }
    }

    /// Where those elements lie that lie so in an operand of a shape, which itself lies by a layout.
    fn within(&self, below: &Layout, shape: &Shape) -> Layout {
        // A number of elements of the operand is so many places of each of its axes.
        let apart = |mut elements: usize| {
            let mut sum = 0;
            for axis in (0..shape.len()).rev() {
                sum += elements % shape[axis] * below.strides[axis];
                elements /= shape[axis];
            }
            sum
        };
        let strides = self.strides.iter().map(|&stride| apart(stride)).collect();
        Layout { offset: below.offset + apart(self.offset), strides }
    }

    /// The same elements in the same order under another shape, if their axes are cut and joined only where they lie as one.
    fn reshaped(&self, from: &Shape, to: &Shape) -> Option<Layout> {
        let (lengths, strides) = self.merged(from);
        let mut pieces = lengths.iter().zip(&strides).rev();
        let (mut left, mut stride) = (1, 0);
        let mut own = Axes::from_elem(0, to.len());
        for axis in (0..to.len()).rev().filter(|&axis| to[axis] != 1) {
            if left == 1 {
                (left, stride) = pieces.next().map(|(&length, &stride)| (length, stride))?;
            }
            if left % to[axis] != 0 {
                return None;
            }
            own[axis] = stride;
            left /= to[axis];
            stride *= to[axis];
        }
        Some(Layout { offset: self.offset, strides: own })
    }
}

/// Who reads what.
struct Readers<'a> {
    selection: &'a Selection,
    replaced: &'a [u32],
    needed: &'a [bool],
    /// Whether somebody wants a node's elements side by side.
    whole: Vec<bool>,
    /// The elements of each node that are read by those who can read by strides.
    reads: Vec<usize>,
}

/// Where each node lies that is not computed, but read by strides in the memory of another; and views of such.
pub(crate) fn layouts(selection: &Selection, replaced: &[u32], needed: &[bool]) -> Vec<Option<Layout>> {
    let count = selection.len();
    if selection.layouts.is_empty() {
        return vec![None; count];
    }
    let mut readers = Readers { selection, replaced, needed, whole: vec![false; count], reads: vec![0; count] };
    readers.find();
    // What is found to be wanted whole lies elsewhere than what reads it was told.
    loop {
        let (layouts, is_final) = readers.sweep();
        if is_final {
            return layouts;
        }
    }
}

impl Readers<'_> {
    fn shape(&self, node: u32) -> &Shape {
        &self.selection.shapes[node as usize]
    }

    /// The operand of a node that has but one.
    fn operand(&self, node: u32) -> u32 {
        self.replaced[self.selection.inputs(node)[0] as usize]
    }

    /// Whether a node takes part at all.
    fn counts(&self, node: u32) -> bool {
        self.needed[node as usize] && self.replaced[node as usize] == node
    }

    fn find(&mut self) {
        for &output in &self.selection.outputs {
            self.whole[self.replaced[output as usize] as usize] = true;
        }
        let selection = self.selection;
        for node in (0..selection.len() as u32).rev() {
            if !self.counts(node) {
                continue;
            }
            let (n, tag, volume) = (node as usize, selection.tags[node as usize], self.shape(node).volume());
            let inputs = selection.inputs(node);
            for (i, &input) in inputs.iter().enumerate().filter(|&(i, input)| !inputs[..i].contains(input)) {
                let operand = self.replaced[input as usize] as usize;
                self.whole[operand] |= match tag {
                    // A view of its first operand may name others, which nobody reads through it.
                    Tag::View | Tag::Strided(_) if i > 0 => true,
                    Tag::View => self.whole[n],
                    Tag::Strided(_) => false,
                    tag => !is_elementwise(tag),
                };
                let reads = match tag {
                    Tag::View | Tag::Strided(_) if !self.whole[n] => self.reads[n],
                    _ => volume,
                };
                self.reads[operand] = self.reads[operand].saturating_add(reads);
            }
        }
    }

    /// The layouts, if nothing more is wanted whole; whether that is so.
    fn sweep(&mut self) -> (Vec<Option<Layout>>, bool) {
        let mut layouts: Vec<Option<Layout>> = vec![None; self.selection.len()];
        let mut is_final = true;
        for node in 0..self.selection.len() as u32 {
            let n = node as usize;
            if !self.counts(node) {
                continue;
            }
            match self.selection.tags[n] {
                Tag::Strided(_) if !self.whole[n] => {
                    let layout = lying(self.selection, self.replaced, &layouts, node);
                    layouts[n] = layout.filter(|layout| self.pays(node, layout));
                }
                Tag::View => {
                    let mut operand = self.operand(node);
                    let Some(below) = &layouts[operand as usize] else { continue };
                    layouts[n] = below.reshaped(self.shape(operand), self.shape(node));
                    if layouts[n].is_none() {
                        while self.selection.tags[operand as usize] == Tag::View {
                            operand = self.operand(operand);
                        }
                        self.whole[operand as usize] = true;
                        is_final = false;
                    }
                }
                _ => {}
            }
        }
        (layouts, is_final)
    }

    /// Whether reading by strides is no more work than copying once: long stretches, or few readers.
    fn pays(&self, node: u32, layout: &Layout) -> bool {
        let volume = self.shape(node).volume();
        let (run, times) = (layout.run(self.shape(node)), self.reads[node as usize].div_ceil(volume));
        run == volume || times <= 1 || run / SHORT >= times
    }
}

/// Where a strided node lies in the memory that its operand lies in.
pub(crate) fn lying(selection: &Selection, replaced: &[u32], layouts: &[Option<Layout>], node: u32) -> Option<Layout> {
    let Tag::Strided(own) = selection.tags[node as usize] else { return None };
    let own = &selection.layouts[own as usize];
    let operand = replaced[selection.inputs(node)[0] as usize] as usize;
    Some(match &layouts[operand] {
        Some(below) => own.within(below, &selection.shapes[operand]),
        None => own.clone(),
    })
}
