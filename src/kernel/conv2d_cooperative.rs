//! Host half of `shaders/conv2d_cooperative.wgsl`: the convolution, tap by tap, by cooperative matrices.

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
        ("ACROSS", 2),
        ("DOWN", 4),
    ],
    needs: &[Feature::Subgroups, Feature::F16, Feature::CooperativeMatrices],
    ..kernel!("conv2d_cooperative", Conv2dCooperativeParams)
};

params! {
    /// Twin of the shader's parameters.
    pub struct Conv2dCooperativeParams {
        width: u32,
        height: u32,
        input_groups: u32,
        groups: u32,
        blocks: u32,
        first_group: u32,
        output_groups: u32,
        stored_groups: u32,
        output_channels: u32,
        preserved_groups: u32,
        slope: f32,
    }
}

/// A convolution of stride 1 that keeps the size, in one group, by matrices of f16.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dCooperative {
    /// The activations' shape.
    pub input: Shape,
    /// Input channels that are summed: the first ones.
    pub inputs: usize,
    /// The kernel's side: 1, 3 or 5.
    pub kernel: usize,
    /// Which of the value's channels are computed.
    pub channels: Channels,
    /// Which pixels are made: all of them, or all under a mask.
    pub pixels: Pixels,
    /// What follows the sum.
    pub epilogue: Epilogue,
    /// How a workgroup goes about it: one of [`tiles`].
    pub tile: Tile,
}

/// The largest kernel whose taps the shader has written out.
const KERNEL_SIDE: usize = 5;

/// The tiles that the device has memory for, the best by reckoning first; none for larger kernels than 5×5.
pub fn tiles(matrices: Matrices, inputs: usize, outputs: usize, kernel: usize) -> impl Iterator<Item = Tile> {
    let tiles = Tile::all(matrices, inputs, outputs, move |tile| {
        let around = kernel as u32 - 1;
        let [wide, high] = pixels(tile).map(|pixels| pixels + around);
        wide * high * tile.pixel_bytes() + tile.drained_bytes()
    });
    tiles.filter(move |_| kernel <= KERNEL_SIDE)
}

/// Columns and rows of a workgroup's pixels.
fn pixels(tile: &Tile) -> [u32; 2] {
    [tile.across * tile.matrices.side, tile.down * tile.rows]
}

impl Conv2dCooperative {
    /// Bindings: input, residual, mask (either: or any buffer), weight, bias, output.
    ///
    /// # Panics
    /// If pixels are listed: `conv2d_gather_cooperative` makes those.
    pub fn dispatch(&self) -> Dispatch {
        assert!(self.pixels != Pixels::Listed, "rectangles of pixels");
        let blocks = (self.channels.len() as u32).div_ceil(self.tile.channels());
        let params = Conv2dCooperativeParams {
            width: self.input.width as u32,
            height: self.input.height as u32,
            input_groups: channel_groups(self.input.channels) as u32,
            groups: channel_groups(self.inputs) as u32,
            blocks,
            first_group: self.channels.first_group() as u32,
            output_groups: self.channels.groups_of_value() as u32,
            stored_groups: self.channels.groups() as u32,
            output_channels: self.channels.of as u32,
            preserved_groups: self.pixels.preserved_groups(),
            slope: self.epilogue.function.slope(),
        };
        let mut constants = self.tile.constants(self.kernel);
        constants.extend([("ACROSS", self.tile.across), ("DOWN", self.tile.down)]);
        let mut overrides = self.epilogue.overrides().to_vec();
        overrides.push(self.pixels.masked());
        let [wide, high] = pixels(&self.tile);
        let workgroups =
            [params.width.div_ceil(wide), params.height.div_ceil(high), self.input.batch as u32 * blocks];
        KERNEL.dispatch(Specialization::new(constants, overrides), &params, workgroups)
    }
}

/// `[out, in, k, k]` as matrices of f16, two numbers a word. The bias is `conv2d_tiled`'s.
pub fn pack(weight: &Parameter, inputs: usize, channels: Channels, order: Order) -> Vec<f32> {
    words(&order.pack(&[(weight, inputs)], channels))
}
