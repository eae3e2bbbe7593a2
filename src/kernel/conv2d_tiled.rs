//! Host half of `shaders/conv2d_tiled.wgsl`: the convolution, tap by tap, of every device.

use super::epilogue::Epilogue;
use super::{Channels, Dispatch, Kernel, Pixels, Specialization};
use crate::tensor::{Parameter, Shape, channel_groups};

/// The shader.
pub static KERNEL: Kernel = Kernel {
    constants: &[("KERNEL", 3), ("PIXELS", 4), ("CHANNEL_GROUPS", 2)],
    ..kernel!("conv2d_tiled", Conv2dTiledParams)
};

params! {
    /// Twin of the shader's parameters.
    pub struct Conv2dTiledParams {
        width: u32,
        height: u32,
        input_groups: u32,
        groups: u32,
        first_group: u32,
        output_groups: u32,
        stored_groups: u32,
        output_channels: u32,
        preserved_groups: u32,
        slope: f32,
    }
}

/// What a thread makes, all in registers: four for each pixel and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// Neighbours of a row, 1 to 8; four of listed tiles.
    pub pixels: u32,
    /// Groups of four channels, at most.
    pub groups: usize,
}

impl Tile {
    /// What any device has registers for: 32 of them.
    pub const USUAL: Self = Self { pixels: 4, groups: 2 };
    /// Those that are worth a trial: more products a load of weights, more a load of inputs, more of both, and
    /// neighbouring threads on neighbouring pixels.
    pub const ALL: [Self; 4] = [
        Self::USUAL,
        Self { pixels: 8, groups: 2 },
        Self { pixels: 4, groups: 4 },
        Self { pixels: 2, groups: 4 },
    ];
}

/// Strips of pixels, and rows, that a workgroup makes.
const STRIPS: u32 = 8;
const ROWS: u32 = 8;
/// Listed tiles that it makes.
pub const TILES: usize = 16;

/// A convolution of stride 1 that keeps the size, in one group.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dTiled {
    /// The activations' shape.
    pub input: Shape,
    /// Input channels that are summed: the first ones.
    pub inputs: usize,
    /// The kernel's side, odd.
    pub kernel: usize,
    /// Which of the value's channels are computed.
    pub channels: Channels,
    /// Which pixels are made.
    pub pixels: Pixels,
    /// What follows the sum.
    pub epilogue: Epilogue,
    /// What a thread makes.
    pub tile: Tile,
}

impl Conv2dTiled {
    fn groups_a_thread(&self) -> usize {
        self.channels.groups().min(self.tile.groups)
    }

    /// Bindings: input, residual, mask, list (each of the three: or any buffer), weight, bias, output.
    ///
    /// # Panics
    /// If pixels are listed and a thread makes other than four: a row of a listed tile.
    pub fn dispatch(&self) -> Dispatch {
        assert!(self.pixels != Pixels::Listed || self.tile.pixels == 4, "a row of a listed tile");
        let params = Conv2dTiledParams {
            width: self.input.width as u32,
            height: self.input.height as u32,
            input_groups: channel_groups(self.input.channels) as u32,
            groups: channel_groups(self.inputs) as u32,
            first_group: self.channels.first_group() as u32,
            output_groups: self.channels.groups_of_value() as u32,
            stored_groups: self.channels.groups() as u32,
            output_channels: self.channels.of as u32,
            preserved_groups: self.pixels.preserved_groups(),
            slope: self.epilogue.function.slope(),
        };
        let groups_a_thread = self.groups_a_thread() as u32;
        let Tile { pixels, .. } = self.tile;
        let constants =
            vec![("KERNEL", self.kernel as u32), ("PIXELS", pixels), ("CHANNEL_GROUPS", groups_a_thread)];
        let mut overrides = self.epilogue.overrides().to_vec();
        overrides.extend([self.pixels.listed(), self.pixels.masked()]);
        let blocks = params.stored_groups.div_ceil(groups_a_thread);
        let workgroups = if self.pixels == Pixels::Listed {
            let tiles = self.input.batch * self.input.height.div_ceil(4) * self.input.width.div_ceil(4);
            [tiles.div_ceil(TILES) as u32, 1, blocks]
        } else {
            let rows = params.height.div_ceil(ROWS);
            [params.width.div_ceil(pixels * STRIPS), rows, self.input.batch as u32 * blocks]
        };
        KERNEL.dispatch(Specialization::new(constants, overrides), &params, workgroups)
    }

    /// `[out, in, k, k]` → `[block][input group][ky][kx][input lane][groups a thread]` of four output channels each.
    pub fn pack(&self, weight: &Parameter) -> Vec<f32> {
        let (taps, columns) = (self.kernel * self.kernel, weight.dims()[1]);
        let Channels { start, end, .. } = self.channels;
        let block = 4 * self.groups_a_thread();
        let mut packed = Vec::new();
        for first in (start..end).step_by(block) {
            for group in 0..channel_groups(self.inputs) {
                for tap in 0..taps {
                    for i in 4 * group..4 * group + 4 {
                        packed.extend((first..first + block).map(|o| {
                            let here = i < self.inputs && o < end;
                            if here { weight.values()[(o * columns + i) * taps + tap] } else { 0.0 }
                        }));
                    }
                }
            }
        }
        packed
    }
}

/// A number a channel of the value, zeros for those that are not computed, or have none; then the slopes, if any.
pub fn pack_bias(bias: &[f32], slopes: &[f32], channels: Channels) -> Vec<f32> {
    let mut packed: Vec<f32> = bias.iter().copied().take(channels.end).collect();
    packed.resize(channels.of.next_multiple_of(4), 0.0);
    packed.extend(slopes);
    packed
}
