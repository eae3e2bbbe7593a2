//! What the register-tiled convolutions share. Twin of `shaders/shared/conv2d.wgsl`.

use super::epilogue::Epilogue;
use super::{Channels, Dispatch, Kernel, Specialization};
use crate::tensor::{Parameter, Shape, channel_groups};

params! {
    /// Twin of the shaders' parameters.
    pub struct Conv2dParams {
        width: u32,
        height: u32,
        input_groups: u32,
        output_groups: u32,
        stored_groups: u32,
        output_channels: u32,
        dense_outputs: u32,
        dense_groups: u32,
        sparse_begin: u32,
        sparse_groups: u32,
        slope: f32,
    }
}

/// Pixels of a row that a thread makes.
const PIXELS: u32 = 4;
/// Strips of pixels, and rows, that a workgroup makes.
const STRIPS: u32 = 8;
const ROWS: u32 = 8;

/// A convolution of stride 1 that keeps the size, in one group, with a mask or without.
#[derive(Clone, Copy, Debug)]
pub struct Conv2d {
    /// The activations' shape.
    pub input: Shape,
    /// Input channels that are summed: the first ones.
    pub inputs: usize,
    /// Which of the value's channels are computed: the first ones.
    pub channels: Channels,
    /// The kernel's side, odd.
    pub kernel: usize,
    /// Channels that live only where the mask is set.
    pub masked: Option<Masked>,
    /// What follows the sum.
    pub epilogue: Epilogue,
}

/// How many channels, the first ones, live everywhere.
#[derive(Clone, Copy, Debug)]
pub struct Masked {
    /// Of the input.
    pub dense_inputs: usize,
    /// Of the output.
    pub dense_outputs: usize,
}

/// Which groups of four input channels each of the two sums reads.
struct Sums {
    dense: std::ops::Range<usize>,
    sparse: std::ops::Range<usize>,
}

impl Conv2d {
    fn dense_inputs(&self) -> usize {
        self.masked.map_or(self.inputs, |masked| masked.dense_inputs)
    }

    fn sums(&self) -> Sums {
        let dense = self.dense_inputs();
        Sums {
            dense: 0..channel_groups(dense),
            sparse: if dense < self.inputs { dense / 4..channel_groups(self.inputs) } else { 0..0 },
        }
    }

    /// Bindings: input, residual (or any buffer), mask (or any buffer), weight, bias, output.
    pub(super) fn dispatch(&self, kernel: &'static Kernel, groups_a_thread: u32) -> Dispatch {
        let (shape, sums) = (self.input, self.sums());
        let stored_groups = self.channels.groups() as u32;
        let params = Conv2dParams {
            width: shape.width as u32,
            height: shape.height as u32,
            input_groups: channel_groups(shape.channels) as u32,
            output_groups: self.channels.groups_of_value() as u32,
            stored_groups,
            output_channels: self.channels.end as u32,
            dense_outputs: self.masked.map_or(self.channels.end, |masked| masked.dense_outputs) as u32,
            dense_groups: sums.dense.len() as u32,
            sparse_begin: sums.sparse.start as u32,
            sparse_groups: sums.sparse.len() as u32,
            slope: self.epilogue.function.slope(),
        };
        let constants = vec![("KERNEL", self.kernel as u32), ("CHANNEL_GROUPS", groups_a_thread)];
        let mut overrides = self.epilogue.overrides().to_vec();
        overrides.push(("MASKED", u32::from(self.masked.is_some())));
        kernel.dispatch(
            Specialization { constants, overrides },
            &params,
            [
                params.width.div_ceil(PIXELS * STRIPS),
                params.height.div_ceil(ROWS),
                shape.batch as u32 * stored_groups.div_ceil(groups_a_thread),
            ],
        )
    }

    /// `[out, in, k, k]` → `[block][sparse groups, then dense groups][ky][kx][input lane][groups a thread]`
    /// of four output channels each. A group that holds dense and sparse channels comes in both sums, each
    /// time with zeros for the channels of the other.
    pub(super) fn pack(&self, weight: &Parameter, groups_a_thread: u32) -> Vec<f32> {
        let (k, inputs, sums) = (self.kernel, self.inputs, self.sums());
        let (channels, columns) = (self.channels.end, weight.dims()[1]);
        let block = 4 * groups_a_thread as usize;
        let dense = self.dense_inputs();
        let steps: Vec<(usize, std::ops::Range<usize>)> = (sums.sparse.map(|group| (group, dense..inputs)))
            .chain(sums.dense.map(|group| (group, 0..dense)))
            .collect();
        let mut packed = Vec::with_capacity(channels.next_multiple_of(block) * steps.len() * 4 * k * k);
        for first in (0..channels).step_by(block) {
            for (group, wanted) in &steps {
                for tap in 0..k * k {
                    for i in 4 * group..4 * group + 4 {
                        packed.extend((first..first + block).map(|o| {
                            let here = wanted.contains(&i) && o < channels;
                            if here { weight.values()[(o * columns + i) * k * k + tap] } else { 0.0 }
                        }));
                    }
                }
            }
        }
        packed
    }
}

/// A number a channel, zeros for none.
pub fn pack_bias(bias: Option<&Parameter>, channels: usize) -> Vec<f32> {
    let mut packed = bias.map_or_else(Vec::new, |bias| bias.values().to_vec());
    packed.resize(channels.next_multiple_of(4), 0.0);
    packed
}
