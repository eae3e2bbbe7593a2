//! Host half of `shaders/conv2d_gather_cooperative.wgsl`: convolution pixel by pixel by cooperative matrices.

use half::f16;

use super::conv2d_gather::{Conv2dGatherParams, INPUTS};
use super::cooperative::{Matrices, Order, Tile, words};
use super::epilogue::Epilogue;
use super::{Channels, Dispatch, Kernel, Pixels, Specialization};
use crate::device::Feature;
use crate::tensor::{Parameter, Shape, channel_groups};

/// The shader.
pub static KERNEL: Kernel = Kernel {
    constants: &[
        ("KERNEL", 3),
        ("SIDE", 8),
        ("THREADS", 64),
        ("ROWS", 4),
        ("COLUMNS", 8),
        ("STAGED", 16),
        ("JOBS", 8),
    ],
    needs: &[Feature::Subgroups, Feature::F16, Feature::CooperativeMatrices],
    ..kernel!("conv2d_gather_cooperative", Conv2dGatherParams)
};

/// A convolution of stride 1 that keeps the size, in one group, summed over one input or, if pointwise, a few; by
/// matrices of f16.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dGatherCooperative<'a> {
    /// The shape of each input.
    pub input: Shape,
    /// The kernel's side.
    pub kernel: usize,
    /// For each input how many of its channels, the first ones, are summed.
    pub inputs: &'a [usize],
    /// Which of the value's channels are computed.
    pub channels: Channels,
    /// Which pixels are made.
    pub pixels: Pixels,
    /// What follows the sum.
    pub epilogue: Epilogue,
    /// How a workgroup goes about it: one of [`tiles`].
    pub tile: Tile,
}

/// The tiles that the device has memory for, the best by reckoning first; `inputs` of the term that has most.
pub fn tiles(matrices: Matrices, inputs: usize, outputs: usize) -> impl Iterator<Item = Tile> {
    let place = 16; // bytes that say where a pixel is
    Tile::all(matrices, inputs, outputs, move |tile| {
        pixels(tile) * (tile.pixel_bytes() + place) + tile.drained_bytes()
    })
}

/// Pixels that a workgroup makes.
pub fn pixels(tile: &Tile) -> u32 {
    tile.jobs() * tile.rows * tile.matrices.side
}

impl Conv2dGatherCooperative<'_> {
    /// Bindings: the four inputs, list or mask (or any buffer), residual (or any buffer), weight, output.
    pub fn dispatch(&self) -> Dispatch {
        let (kernel, order) = (self.kernel, self.tile.order());
        let mut groups = [0; INPUTS];
        let each = self.inputs.iter().map(|channels| channel_groups(*channels) as u32);
        groups.iter_mut().zip(each).for_each(|(to, groups)| *to = groups);
        let [groups_0, groups_1, groups_2, groups_3] = groups;
        let steps: usize = self.inputs.iter().map(|channels| order.chunks(*channels)).sum();
        let blocks = self.channels.len().div_ceil(self.tile.channels() as usize);
        let matrix = (self.tile.matrices.side * self.tile.channels()) as usize;
        let all_pixels = (self.input.batch * self.input.pixels()) as u32;
        let params = Conv2dGatherParams {
            width: self.input.width as u32,
            height: self.input.height as u32,
            pixels: all_pixels,
            input_groups: channel_groups(self.input.channels) as u32,
            groups_0,
            groups_1,
            groups_2,
            groups_3,
            steps: steps as u32,
            bias: (blocks * steps * kernel * kernel * matrix) as u32,
            first_group: self.channels.first_group() as u32,
            output_groups: self.channels.groups_of_value() as u32,
            stored_groups: self.channels.groups() as u32,
            output_channels: self.channels.of as u32,
            preserved_groups: self.pixels.preserved_groups(),
            slope: self.epilogue.function.slope(),
        };
        let mut constants = self.tile.constants(kernel);
        constants.push(("JOBS", self.tile.jobs()));
        let mut overrides = self.epilogue.overrides().to_vec();
        overrides.extend([self.pixels.listed(), self.pixels.masked()]);
        overrides.push(("INPUTS", self.inputs.len() as u32));
        let workgroups = [all_pixels.div_ceil(pixels(&self.tile)), 1, blocks as u32];
        KERNEL.dispatch(Specialization::new(constants, overrides), &params, workgroups)
    }
}

/// Weights as matrices of f16, two numbers a word; then the bias, four channels rounded to f16 and what that leaves.
pub fn pack(terms: &[(&Parameter, usize)], bias: &[f32], channels: Channels, order: Order) -> Vec<f32> {
    let mut packed = order.pack(terms, channels);
    for four in bias[channels.start..channels.end].chunks(4) {
        let number = |at: usize| four.get(at).copied().unwrap_or(0.0);
        let rounded = [0, 1, 2, 3].map(|at| f16::from_f32(number(at)));
        packed.extend(rounded);
        packed.extend([0, 1, 2, 3].map(|at| f16::from_f32(number(at) - rounded[at].to_f32())));
    }
    words(&packed)
}
