//! Masked convolutions: what is wanted everywhere, then what the mask asks for.
//!
//! ```text
//! A   dense outputs from dense inputs, everywhere
//! B   all outputs from all inputs, at active pixels: over them all (dense), or over lists of them (sparse)
//! ```
//!
//! B overwrites what A wrote there, so that each is a plain convolution. Where nothing is active, sparse outputs
//! hold the zeros that the value began with. Without sparse inputs A and B share no work: A makes the dense
//! outputs and B the others; computed densely B then makes them all, and there is no A.

use super::Lowering;
use super::conv2d::{Sum, winograd};
use crate::graph::{Op, Value};
use crate::kernel::activation::Function;
use crate::kernel::conv2d::Masked;
use crate::kernel::epilogue::Residual;
use crate::kernel::mask_arguments::Over;
use crate::kernel::product::ITEMS;
use crate::kernel::{Channels, Pixels};
use crate::plan::fuse::Group;
use crate::plan::{Buffer, Slot, Sparsity};
use crate::tensor::channel_groups;

/// Threads a workgroup, each with one tile, of Winograd's first and last dispatch.
const TILES_A_WORKGROUP: usize = 64;

/// A masked convolution being lowered.
struct Conv<'a> {
    sum: Sum<'a>,
    mask: Value,
    /// Where the mask lies.
    mask_buffer: Buffer,
    dense_outputs: usize,
    to: Slot,
}

impl Conv<'_> {
    fn has_sparse_inputs(&self) -> bool {
        self.sum.terms.iter().any(|term| term.dense_inputs < term.weight.dims()[1])
    }

    fn channels(&self) -> Channels {
        Channels::all(self.sum.channels())
    }

    fn dense_channels(&self) -> Channels {
        Channels { end: self.dense_outputs, ..self.channels() }
    }

    /// Whether sparse outputs are zero where nothing is computed.
    fn leaves_zeros(&self) -> bool {
        let epilogue = self.sum.epilogue;
        self.dense_outputs == self.sum.channels()
            || (epilogue.residual == Residual::None && epilogue.function != Function::Sigmoid)
    }
}

impl Lowering<'_> {
    pub(super) fn masked_conv2d(&mut self, group: &Group) -> Buffer {
        let node = self.graph.node(group.root);
        let Op::MaskedConv2d(op) = &node.op else { unreachable!("a masked convolution") };
        let (sum, mask) = (self.sum(group), node.inputs[1]);
        let mask_buffer = self.buffers[mask.index()];
        let to = self.value_slot(sum.output());
        let conv = Conv { sum, mask, mask_buffer, dense_outputs: op.dense_outputs, to };
        let sparsity = if conv.leaves_zeros() { self.options.sparsity } else { Sparsity::Dense };
        let begin = self.steps.len();
        match sparsity {
            Sparsity::Dense => self.dense(&conv),
            Sparsity::Sparse => {
                self.always(&conv);
                self.sparse(&conv);
            }
            Sparsity::Auto => {
                self.lists(conv.mask);
                let begin = self.steps.len();
                self.dense(&conv);
                self.only(&conv, begin, Over::WholeDense);
                let begin = self.steps.len();
                self.always(&conv);
                self.only(&conv, begin, Over::WholeSparse);
                self.sparse(&conv);
            }
        }
        if sparsity != Sparsity::Dense && conv.dense_outputs < conv.sum.channels() {
            let first =
                self.steps[begin..].iter_mut().find(|step| step.outputs().any(|slot| slot == conv.to));
            first.expect("some step writes the value").zeroed = true;
        }
        Buffer::Slot(to)
    }

    /// The steps from `begin` on run only if their kind is chosen.
    fn only(&mut self, conv: &Conv<'_>, begin: usize, over: Over) {
        for step in begin..self.steps.len() {
            self.depend(step, conv.mask, over, [0; 3]);
        }
    }

    /// A.
    fn always(&mut self, conv: &Conv<'_>) {
        if conv.dense_outputs > 0 {
            self.everywhere(&conv.sum, true, conv.dense_channels(), conv.to);
        }
    }

    /// Every pixel, then the mask.
    fn dense(&mut self, conv: &Conv<'_>) {
        let (sum, channels) = (&conv.sum, conv.channels());
        if sum.terms.len() > 1 {
            self.always(conv);
            let preserved_groups = channel_groups(channels.of);
            let pixels = Pixels::Masked { dense_outputs: channels.of, preserved_groups };
            let product = self.gather(sum, false, channels, pixels);
            self.write_gather(sum, product, conv.mask_buffer, conv.to);
        } else if self.prefers_winograd(sum, channels) {
            let preserved = if conv.has_sparse_inputs() { conv.dense_outputs } else { 0 };
            let dense_outputs = if preserved > 0 { 0 } else { conv.dense_outputs };
            if preserved > 0 {
                self.always(conv);
            }
            let preserved_groups = channel_groups(preserved);
            let conv2d = winograd(sum, channels, Pixels::Masked { dense_outputs, preserved_groups });
            let weight = self.winograd_weight(sum, &conv2d);
            for chunk in conv2d.chunks() {
                self.winograd(sum, &conv2d, chunk, weight, [conv.mask_buffer; 2], conv.to);
            }
        } else {
            let masked =
                Masked { dense_inputs: sum.terms[0].dense_inputs, dense_outputs: conv.dense_outputs };
            self.tiled(sum, sum.x.channels, channels, Some(masked), conv.mask_buffer, conv.to);
        }
    }

    /// B over lists.
    fn sparse(&mut self, conv: &Conv<'_>) {
        let all = conv.channels();
        let start = if conv.has_sparse_inputs() { 0 } else { conv.dense_outputs / 4 * 4 };
        let channels = Channels { start, ..all };
        if channels.start == channels.end {
            return;
        }
        if self.prefers_winograd(&conv.sum, channels) {
            self.sparse_tiles(conv, channels);
            self.sparse_pixels(conv, channels, Over::Strays);
        } else {
            self.sparse_pixels(conv, channels, Over::Actives);
        }
    }

    fn sparse_tiles(&mut self, conv: &Conv<'_>, channels: Channels) {
        let conv2d = winograd(&conv.sum, channels, Pixels::Listed);
        let weight = self.winograd_weight(&conv.sum, &conv2d);
        let list = self.lists(conv.mask).of(Over::Tiles);
        for chunk in conv2d.chunks() {
            let begin = self.steps.len();
            self.winograd(&conv.sum, &conv2d, chunk, weight, [conv.mask_buffer, list], conv.to);
            for (step, per_workgroup) in (begin..).zip([TILES_A_WORKGROUP, ITEMS, TILES_A_WORKGROUP]) {
                self.depend(step, conv.mask, Over::Tiles, [chunk.first, chunk.capacity, per_workgroup]);
            }
        }
    }

    fn sparse_pixels(&mut self, conv: &Conv<'_>, channels: Channels, over: Over) {
        let list = self.lists(conv.mask).of(over);
        let product = self.gather(&conv.sum, false, channels, Pixels::Listed);
        self.write_gather(&conv.sum, product, list, conv.to);
        let (step, pixels) = (self.steps.len() - 1, conv.sum.x.batch * conv.sum.x.pixels());
        self.depend(step, conv.mask, over, [0, pixels, ITEMS]);
    }
}
