//! Convolution pixel by pixel: what its kernels share. Twin of `shaders/shared/gather.wgsl`.

use super::epilogue::Epilogue;
use super::product::{self, Tile, Weights};
use super::{Channels, Dispatch, Kernel, Pixels, Specialization};
use super::{conv2d_compact, conv2d_gather_subgroup, conv2d_gather_tiled};
use crate::tensor::{Parameter, Shape, channel_groups};

params! {
    /// Twin of the shaders' parameters.
    pub struct Conv2dGatherParams {
        width: u32,
        height: u32,
        pixels: u32,
        input_groups: u32,
        groups_0: u32,
        groups_1: u32,
        groups_2: u32,
        groups_3: u32,
        steps: u32,
        bias: u32,
        first_group: u32,
        output_groups: u32,
        stored_groups: u32,
        output_channels: u32,
        preserved_groups: u32,
        slope: f32,
    }
}

/// The side of a workgroup's tile in `conv2d_compact`.
const SIDE: usize = 16;

/// Inputs that one dispatch sums over at most.
pub const INPUTS: usize = 4;

/// A convolution of stride 1 that keeps the size, in one group, summed over one input or, if pointwise, a few.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dGather<'a> {
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
    /// What a thread makes.
    pub tile: Tile,
}

impl Conv2dGather<'_> {
    fn groups(&self) -> impl Iterator<Item = usize> {
        self.inputs.iter().map(|channels| channel_groups(*channels))
    }

    fn steps(&self) -> usize {
        self.groups().sum::<usize>() * self.kernel * self.kernel
    }

    /// Bindings: the four inputs, list or mask (or any buffer), residual (or any buffer), weight, output.
    pub fn dispatch(&self) -> Dispatch {
        let pixels = self.input.batch * self.input.pixels();
        let kernel = match self.tile.weights {
            Weights::Storage => &conv2d_gather_tiled::KERNEL,
            Weights::Broadcast => &conv2d_gather_subgroup::KERNEL,
        };
        self.by(kernel, [pixels.div_ceil(product::ITEMS), 1])
    }

    /// The active pixels of every 16×16, found by the workgroup itself. Bindings as [`Self::dispatch`], with the
    /// mask as list.
    ///
    /// # Panics
    /// If there is more than one input, or the weights are handed round.
    pub fn compact_dispatch(&self) -> Dispatch {
        assert!(
            self.inputs.len() == 1 && self.tile.weights == Weights::Storage,
            "one input, weights from storage"
        );
        let tiles = [self.input.width.div_ceil(SIDE), self.input.batch * self.input.height.div_ceil(SIDE)];
        self.by(&conv2d_compact::KERNEL, tiles)
    }

    fn by(&self, kernel: &'static Kernel, [x, y]: [usize; 2]) -> Dispatch {
        let mut groups = [0; INPUTS];
        groups.iter_mut().zip(self.groups()).for_each(|(to, groups)| *to = groups as u32);
        let [groups_0, groups_1, groups_2, groups_3] = groups;
        let stored_groups = self.channels.groups();
        let groups_a_thread = self.tile.groups_a_thread(stored_groups);
        let blocks = stored_groups.div_ceil(groups_a_thread);
        let pixels = self.input.batch * self.input.pixels();
        let params = Conv2dGatherParams {
            width: self.input.width as u32,
            height: self.input.height as u32,
            pixels: pixels as u32,
            input_groups: channel_groups(self.input.channels) as u32,
            groups_0,
            groups_1,
            groups_2,
            groups_3,
            steps: self.steps() as u32,
            bias: (blocks * self.steps() * 4 * groups_a_thread) as u32,
            first_group: self.channels.first_group() as u32,
            output_groups: self.channels.groups_of_value() as u32,
            stored_groups: stored_groups as u32,
            output_channels: self.channels.of as u32,
            preserved_groups: self.pixels.preserved_groups(),
            slope: self.epilogue.function.slope(),
        };
        let mut overrides = self.epilogue.overrides().to_vec();
        overrides.extend([self.pixels.listed(), self.pixels.masked()]);
        overrides.push(("INPUTS", self.inputs.len() as u32));
        let constants = vec![("KERNEL", self.kernel as u32), ("CHANNEL_GROUPS", groups_a_thread as u32)];
        kernel.dispatch(
            Specialization::new(constants, overrides),
            &params,
            [x, y, blocks].map(|count| count as u32),
        )
    }

    /// Weights `[block][step]` of the inputs in turn, their groups, ky and kx; then biases, then slopes.
    ///
    /// Of `weights`, `[out, in, k, k]`, there is one an input; of `bias` a number an output channel of the value; of
    /// `slopes` one each, padded to whole groups, if the epilogue has such.
    pub fn pack(&self, weights: &[Parameter], bias: &[f32], slopes: &[f32]) -> Vec<f32> {
        let taps = self.kernel * self.kernel;
        // For every step's four input lanes: term, channel and tap.
        let lanes: Vec<(usize, usize, usize)> = (self.groups().enumerate())
            .flat_map(|(term, groups)| {
                (0..groups).flat_map(move |group| {
                    (0..taps).flat_map(move |tap| (0..4).map(move |lane| (term, 4 * group + lane, tap)))
                })
            })
            .collect();
        let mut packed = Vec::new();
        let first = self.channels.start;
        self.tile.pack(&mut packed, self.channels.len(), self.steps(), |o, lane| {
            let (term, channel, tap) = lanes[lane];
            let (weight, channels) = (&weights[term], self.inputs[term]);
            if channel < channels {
                weight.values()[((first + o) * weight.dims()[1] + channel) * taps + tap]
            } else {
                0.0
            }
        });
        packed.extend_from_slice(&bias[first..self.channels.end]);
        packed.resize(packed.len().next_multiple_of(4), 0.0);
        packed.extend(slopes.iter().skip(first).take(4 * self.channels.groups()));
        packed
    }
}
