//! Masked convolutions: what is wanted everywhere, then what the mask asks for.
//!
//! ```text
//! A   dense outputs from dense inputs, everywhere
//! B   the outputs that A did not finish, from all inputs: everywhere under the mask (dense), or over lists of
//!     active pixels (sparse)
//! ```
//!
//! Each is a plain convolution: where the mask is set B overwrites what A wrote, and where it is not leaves it. With
//! no sparse inputs A finishes the dense outputs, and B makes the others. What neither writes, sparse outputs where
//! the mask is not set, holds the zeros that the value began with.

use super::Lowering;
use super::sum::{Part, Sum};
use crate::graph::{Node, Op, Value};
use crate::kernel::activation::Function;
use crate::kernel::epilogue::Residual;
use crate::kernel::mask_arguments::Over;
use crate::kernel::product::ITEMS;
use crate::kernel::{Channels, Pixels, conv2d_tiled};
use crate::plan::choices::Candidate;
use crate::plan::fuse::Group;
use crate::plan::{Buffer, Slot, Sparsity, Units};
use crate::tensor::channel_groups;

/// Tiles of a workgroup of Winograd's first and last dispatch: one a thread.
const TILES: usize = 64;

impl Lowering<'_> {
    pub(super) fn masked_conv2d(&mut self, group: &Group) -> Buffer {
        let node = self.graph.node(group.root);
        let Op::MaskedConv2d(op) = &node.op else { unreachable!("a masked convolution") };
        let (sum, mask) = (self.sum(group), node.inputs[1]);
        let channels = Channels::all(sum.outputs());
        let begun = self.begun.get(&group.root).copied();
        let to = begun.unwrap_or_else(|| self.draft.value_slot(sum.output()));
        let begin = self.draft.steps.len();
        if begun.is_none() && op.dense_outputs > 0 {
            self.part(&Part {
                sum: &sum,
                dense_inputs: true,
                channels: Channels { end: op.dense_outputs, ..channels },
                pixels: Pixels::All,
                by: None,
                to,
            });
        }
        let start = if sum.has_sparse_inputs() { 0 } else { op.dense_outputs / 4 * 4 };
        if start == channels.end {
            return Buffer::Slot(to);
        }
        let part = Part {
            sum: &sum,
            dense_inputs: false,
            channels: Channels { start, ..channels },
            pixels: Pixels::Masked { preserved_groups: channel_groups(op.dense_outputs) },
            by: Some(self.buffers[mask.index()]),
            to,
        };
        match if leaves_zeros(&sum, op.dense_outputs) {
            self.choice.options.sparsity
        } else {
            Sparsity::Dense
        } {
            Sparsity::Dense => self.part(&part),
            Sparsity::Sparse => self.sparse(&part, mask),
            Sparsity::Auto => {
                self.lists(mask);
                let dense = self.draft.steps.len();
                self.part(&part);
                for step in dense..self.draft.steps.len() {
                    self.depend(step, mask, Over::WholeDense, [0; 3]);
                }
                self.sparse(&part, mask);
            }
        }
        if begun.is_none() && op.dense_outputs < channels.end && self.looks_around(group.end, mask) {
            self.begin_with_zeros(begin, to);
        }
        Buffer::Slot(to)
    }

    /// B over lists.
    fn sparse(&mut self, dense: &Part<'_>, mask: Value) {
        let part = Part { pixels: Pixels::Listed, ..*dense };
        let (units, tiles) = (self.choice.options.units, self.lists(mask).tiles);
        if units == Units::Workgroups && part.sum.terms.len() == 1 {
            self.draft.compact(&Part { by: dense.by, ..part });
            self.depend(self.draft.steps.len() - 1, mask, Over::WholeSparse, [0; 3]);
        } else if units != Units::Tiles && self.choice.by_matrices(&part) {
            self.sparse_pixels(&part, mask, Over::Actives);
        } else if let (Units::Mixed | Units::Tiles, Candidate::Winograd(tile)) =
            (units, self.choice.choose(&part))
        {
            let prepared = self.draft.prepare(vec![Part { by: Some(tiles), ..part }], tile);
            for chunk in prepared.chunks() {
                let begin = self.draft.steps.len();
                self.draft.winograd(&prepared, chunk);
                for (step, per_workgroup) in (begin..).zip([TILES, ITEMS, TILES]) {
                    self.depend(step, mask, Over::Tiles, [chunk.first, chunk.capacity, per_workgroup]);
                }
            }
            if units == Units::Mixed {
                self.sparse_pixels(&part, mask, Over::Strays);
            }
        } else if units == Units::Tiles && part.sum.terms.len() == 1 {
            self.draft.tiled(&Part { by: Some(tiles), ..part }, conv2d_tiled::Tile::USUAL);
            let tiles = part.sum.x.batch * part.sum.x.pixels();
            self.depend(self.draft.steps.len() - 1, mask, Over::Tiles, [0, tiles, conv2d_tiled::TILES]);
        } else {
            self.sparse_pixels(&part, mask, Over::Actives);
        }
    }

    fn sparse_pixels(&mut self, part: &Part<'_>, mask: Value, over: Over) {
        let list = self.lists(mask).of(over);
        let part = Part { by: Some(list), ..*part };
        let a_workgroup = if self.choice.by_matrices(&part) {
            self.gather_by_matrices(&part)
        } else {
            let tile = self.choice.choose_product(&part);
            self.draft.gather(&part, tile);
            ITEMS
        };
        let pixels = part.sum.x.batch * part.sum.x.pixels();
        self.depend(self.draft.steps.len() - 1, mask, over, [0, pixels, a_workgroup]);
    }

    /// Whether anyone reads a value where its mask is not set: all but pointwise convolutions under that mask do.
    fn looks_around(&self, value: Value, mask: Value) -> bool {
        let stays_inside = |node: &Node| match &node.op {
            Op::MaskedConv2d(op) => op.kernel == 1 && node.inputs[..2] == [value, mask],
            _ => false,
        };
        let readers = self.graph.values().filter(|(_, node)| node.inputs.contains(&value));
        self.graph.outputs().iter().any(|output| output.value == value)
            || self.choice.options.keep.contains(&value)
            || !readers.into_iter().all(|(_, node)| stays_inside(node))
    }

    /// Has the first step from `begin` on that writes a value fill it with zeros before, unless all of it is
    /// computed.
    pub(super) fn begin_with_zeros(&mut self, begin: usize, to: Slot) {
        if self.choice.options.sparsity != Sparsity::Dense {
            let first =
                self.draft.steps[begin..].iter_mut().find(|step| step.outputs().any(|slot| slot == to));
            first.expect("some step writes the value").zeroed = true;
        }
    }
}

/// Whether sparse outputs are zero where the mask is not set.
fn leaves_zeros(sum: &Sum<'_>, dense_outputs: usize) -> bool {
    dense_outputs == sum.outputs()
        || (sum.epilogue.residual == Residual::None && sum.epilogue.function != Function::Sigmoid)
}
