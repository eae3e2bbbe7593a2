//! Convolutions by cooperative matrices: where they may be, and their dispatches.

use super::choice::Chooser;
use super::draft::Draft;
use super::sum::Part;
use crate::kernel::Pixels;
use crate::kernel::activation::Function;
use crate::kernel::conv2d_cooperative::{self, Conv2dCooperative};
use crate::kernel::conv2d_gather::INPUTS;
use crate::kernel::conv2d_gather_cooperative::{self, Conv2dGatherCooperative};
use crate::kernel::cooperative::{Matrices, Tile};
use crate::kernel::product;
use crate::plan::choices::{Candidate, Class};
use crate::plan::packing::Layout;
use crate::plan::{Algorithm, Buffer, Limits};

/// Input and output channels below which too little of a matrix would be filled.
const INPUTS_AT_LEAST: usize = 16;
const OUTPUTS_AT_LEAST: usize = 8;

impl Chooser<'_> {
    /// The device's matrices, if plans may use them.
    pub(super) fn matrices(&self) -> Option<Matrices> {
        let Limits { cooperative_side, subgroup_lanes, workgroup_bytes, .. } = *self.limits;
        let wanted = match self.options.algorithm {
            Algorithm::Auto => self.options.cooperative,
            Algorithm::Direct | Algorithm::Winograd => false,
            Algorithm::Cooperative => true,
        };
        let matrices = Matrices { side: cooperative_side?, lanes: subgroup_lanes?, workgroup_bytes };
        wanted.then_some(matrices)
    }

    /// Whether a part of a convolution is computed by matrices.
    pub(super) fn by_matrices(&self, part: &Part<'_>) -> bool {
        let (inputs, outputs) = (most_inputs(part), part.outputs());
        let large = inputs >= INPUTS_AT_LEAST && outputs >= OUTPUTS_AT_LEAST;
        (large || self.options.algorithm == Algorithm::Cooperative)
            && !part.sum.exact
            && self.prefers_matrices(self.class(part))
            && match part.sum.epilogue.function {
                Function::Prelu => self.rectangle_tile(part).is_some(), // there the bias has a buffer of its own
                _ => self.gather_tile(part).is_some(),
            }
    }

    /// Whether they are asked for, were measured to be fastest, or may be thought so: on subgroups of eight, software's,
    /// they were measured to lose.
    pub(super) fn prefers_matrices(&self, class: Class) -> bool {
        let measured = self.options.choices.as_deref().map_or(&[][..], |table| table.ranking(class));
        let place = measured.iter().position(|ranked| ranked.candidate == Candidate::Matrices);
        let fastest = place.map_or(self.limits.subgroup_lanes != Some(product::LANES), |place| place == 0);
        fastest || self.options.algorithm == Algorithm::Cooperative
    }

    /// For what has neighbours to look at, and room for a rectangle.
    pub(super) fn rectangle_tile(&self, part: &Part<'_>) -> Option<Tile> {
        let (kernel, inputs) = (part.sum.kernel(), part.inputs(&part.sum.terms[0]));
        if kernel == 1 || part.pixels == Pixels::Listed {
            return None;
        }
        conv2d_cooperative::tiles(self.matrices()?, inputs, part.outputs(), kernel).next()
    }

    /// For a product pixel by pixel.
    pub(super) fn gather_tile(&self, part: &Part<'_>) -> Option<Tile> {
        conv2d_gather_cooperative::tiles(self.matrices()?, most_inputs(part), part.outputs()).next()
    }
}

impl Draft {
    /// Rectangle by rectangle, each with the pixels around it.
    pub(super) fn rectangles_by_matrices(&mut self, part: &Part<'_>, tile: Tile) {
        let sum = part.sum;
        let inputs = part.inputs(&sum.terms[0]);
        let conv = Conv2dCooperative {
            input: sum.x,
            inputs,
            kernel: sum.kernel(),
            channels: part.channels,
            pixels: part.pixels,
            epilogue: sum.epilogue,
            tile,
        };
        let layout = Layout::Cooperative(part.terms(), None, part.channels, tile.order());
        let weight = self.packed(layout);
        let bias = self.bias(sum, part.channels);
        let read = vec![sum.terms[0].input, sum.residual, part.by(), weight, bias];
        self.write(conv.dispatch(), read, part.to, sum.label, sum.output());
    }

    /// A product over all terms, pixel by pixel; of listed pixels `by` is a list of pixels. How many a workgroup makes.
    pub(super) fn gather_by_matrices(&mut self, part: &Part<'_>, tile: Tile) -> usize {
        let sum = part.sum;
        let terms = part.terms();
        let inputs: Vec<usize> = terms.iter().map(|(_, inputs)| *inputs).collect();
        let conv = Conv2dGatherCooperative {
            input: sum.x,
            kernel: sum.kernel(),
            inputs: &inputs,
            channels: part.channels,
            pixels: part.pixels,
            epilogue: sum.epilogue,
            tile,
        };
        let biases = Some(sum.biases.clone());
        let weight = self.packed(Layout::Cooperative(terms, biases, part.channels, tile.order()));
        let mut read = vec![Buffer::Unused; INPUTS];
        read.iter_mut().zip(&sum.terms).for_each(|(to, term)| *to = term.input);
        read.extend([part.by(), sum.residual, weight]);
        self.write(conv.dispatch(), read, part.to, sum.label, sum.output());
        conv2d_gather_cooperative::pixels(&tile) as usize
    }
}

fn most_inputs(part: &Part<'_>) -> usize {
    part.sum.terms.iter().map(|term| term.inputs()).max().unwrap_or(0)
}
