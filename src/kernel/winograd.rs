//! Winograd's F(4×4, 3×3) in three dispatches: what their host halves share. Twin of
//! `shaders/shared/winograd.wgsl`, which has the source and the formula.

use super::epilogue::Epilogue;
use super::product::{self, Tile, Weights};
use super::winograd_input::WinogradInputParams;
use super::winograd_multiply_tiled::WinogradMultiplyParams;
use super::winograd_output::WinogradOutputParams;
use super::{Channels, Dispatch, Pixels, Specialization};
use super::{winograd_input, winograd_multiply_subgroup, winograd_multiply_tiled, winograd_output};
use crate::tensor::{Parameter, Shape, channel_groups};

/// Outputs of a tile along an axis, its inputs, and its points of interpolation.
const TILE: usize = 4;
pub const POINTS: usize = 36;

/// Tiles of a chunk at most: what lies between the dispatches is bounded by it.
const CHUNK: usize = 2048;

/// 3×3 convolutions of one input, of stride 1, that keep the size, in one group: their windows and products are made
/// together.
#[derive(Clone, Debug)]
pub struct Winograd {
    /// The activations' shape.
    pub input: Shape,
    /// What a thread makes of the products.
    pub tile: Tile,
    /// What is made.
    pub outputs: Vec<Output>,
}

/// One of the convolutions. If one's pixels are listed, all are.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Which of the value's channels are computed.
    pub channels: Channels,
    /// Which pixels are made.
    pub pixels: Pixels,
    /// What follows the sum.
    pub epilogue: Epilogue,
}

/// A run of tiles that goes through the three dispatches together.
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    /// Its first tile.
    pub first: usize,
    /// Tiles that it has room for.
    pub capacity: usize,
}

impl Winograd {
    /// The bytes, at most, that lie between two of the dispatches, for so many channels.
    pub fn chunk_bytes(channels: usize) -> u64 {
        (16 * POINTS * CHUNK * channel_groups(channels).next_multiple_of(2)) as u64
    }

    /// Tiles of the regular grid: no list is longer.
    pub fn tiles(&self) -> usize {
        self.input.batch * self.input.height.div_ceil(TILE) * self.input.width.div_ceil(TILE)
    }

    /// All tiles, chunk by chunk.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk> + use<> {
        let capacity = CHUNK.min(self.tiles().next_multiple_of(product::ITEMS));
        (0..self.tiles()).step_by(capacity).map(move |first| Chunk { first, capacity })
    }

    /// Groups of channels of the outputs before `end`.
    fn groups(&self, end: usize) -> usize {
        self.outputs[..end].iter().map(|output| output.channels.groups()).sum()
    }

    fn groups_a_thread(&self) -> usize {
        self.tile.groups_a_thread(self.groups(self.outputs.len()))
    }

    /// Groups of all outputs, filled up to whole blocks.
    fn product_groups(&self) -> usize {
        self.groups(self.outputs.len()).next_multiple_of(self.groups_a_thread())
    }

    /// The shape of what lies between the first two dispatches.
    pub fn points_shape(&self, chunk: Chunk) -> Shape {
        Shape::new(POINTS, self.input.channels, 1, chunk.capacity)
    }

    /// The shape of what lies between the last two.
    pub fn product_shape(&self, chunk: Chunk) -> Shape {
        Shape::new(POINTS, 4 * self.product_groups(), 1, chunk.capacity)
    }

    /// Bindings: input, list (or any buffer), points.
    pub fn input_dispatch(&self, chunk: Chunk) -> Dispatch {
        let params = WinogradInputParams {
            width: self.input.width as u32,
            height: self.input.height as u32,
            input_groups: channel_groups(self.input.channels) as u32,
            tiles: self.tiles() as u32,
            first: chunk.first as u32,
            capacity: chunk.capacity as u32,
        };
        winograd_input::KERNEL.dispatch(
            Specialization::overrides([self.outputs[0].pixels.listed()]),
            &params,
            [self.tiles_of(chunk).div_ceil(THREADS), params.input_groups, 1],
        )
    }

    /// Bindings: points, list (or any buffer), weight, products.
    pub fn multiply_dispatch(&self, chunk: Chunk) -> Dispatch {
        let kernel = match self.tile.weights {
            Weights::Storage => &winograd_multiply_tiled::KERNEL,
            Weights::Broadcast => &winograd_multiply_subgroup::KERNEL,
        };
        let output_groups = self.product_groups();
        let groups_a_thread = self.groups_a_thread();
        let params = WinogradMultiplyParams {
            input_groups: channel_groups(self.input.channels) as u32,
            output_groups: output_groups as u32,
            tiles: self.tiles() as u32,
            first: chunk.first as u32,
            capacity: chunk.capacity as u32,
        };
        kernel.dispatch(
            Specialization::new(
                vec![("CHANNEL_GROUPS", groups_a_thread as u32)],
                vec![self.outputs[0].pixels.listed()],
            ),
            &params,
            [
                self.tiles_of(chunk).div_ceil(product::ITEMS as u32),
                (output_groups / groups_a_thread) as u32,
                POINTS as u32,
            ],
        )
    }

    /// The last dispatch of one of the outputs. Bindings: products, residual (or any buffer), mask (or any buffer), list (or any buffer), bias, output.
    pub fn output_dispatch(&self, output: usize, chunk: Chunk) -> Dispatch {
        let Output { channels, pixels, epilogue } = self.outputs[output];
        let params = WinogradOutputParams {
            width: self.input.width as u32,
            height: self.input.height as u32,
            input_groups: self.product_groups() as u32,
            input_first: self.groups(output) as u32,
            first_group: channels.first_group() as u32,
            output_groups: channels.groups_of_value() as u32,
            output_channels: channels.of as u32,
            preserved_groups: pixels.preserved_groups(),
            tiles: self.tiles() as u32,
            first: chunk.first as u32,
            capacity: chunk.capacity as u32,
            slope: epilogue.function.slope(),
        };
        let [activation, residual] = epilogue.overrides();
        winograd_output::KERNEL.dispatch(
            Specialization::overrides([activation, residual, pixels.listed(), pixels.masked()]),
            &params,
            [self.tiles_of(chunk).div_ceil(THREADS), channels.groups() as u32, 1],
        )
    }

    fn tiles_of(&self, chunk: Chunk) -> u32 {
        chunk.capacity.min(self.tiles() - chunk.first) as u32
    }

    /// `[out, in, 3, 3]` of each output → the products' weights at every point: what `at_points` makes of a kernel
    /// ([`at_points`]).
    pub fn pack(
        &self,
        weights: &[Parameter],
        at_points: impl Fn(&[f32]) -> [f32; POINTS] + Copy,
    ) -> Vec<f32> {
        let inputs = self.input.channels;
        // For every column of the products the kernels of its output channel, if it has one.
        let columns: Vec<Option<Vec<[f32; POINTS]>>> = (self.outputs.iter().zip(weights))
            .flat_map(|(output, weight)| {
                let Channels { start, end, .. } = output.channels;
                let kernels = move |o: usize| {
                    let own = weight.values()[o * inputs * 9..][..inputs * 9].chunks_exact(9);
                    own.map(at_points).collect()
                };
                (start..start + 4 * output.channels.groups()).map(move |o| (o < end).then(|| kernels(o)))
            })
            .collect();
        let mut packed = Vec::new();
        for point in 0..POINTS {
            self.tile.pack(&mut packed, columns.len(), channel_groups(inputs), |o, i| match &columns[o] {
                Some(kernels) if i < inputs => kernels[i][point],
                _ => 0.0,
            });
        }
        packed
    }
}

/// Threads a workgroup.
const THREADS: u32 = 64;

/// G w Gᵀ of one 3×3 kernel, computed in f64. Its twin is `shaders/winograd_weight.wgsl`.
pub fn at_points(w: &[f32]) -> [f32; POINTS] {
    const G: [[f64; 3]; 6] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    std::array::from_fn(|point| {
        let (i, j) = (point / 6, point % 6);
        (0..9).map(|tap| G[i][tap / 3] * G[j][tap % 3] * f64::from(w[tap])).sum::<f64>() as f32
    })
}
