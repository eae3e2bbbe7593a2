//! Products by cooperative matrices: what their kernels share. Twin of `shaders/shared/cooperative.wgsl`.
//!
//! Factors are rounded to f16, products and sums are f32.
//!
//! What the tiles rest on is arithmetic, not measurement: no device with matrix units was at hand. Reckoned for a 3×3
//! kernel, matrices of 16 and the largest tile: for one column of the kernel and one chunk of 16 input channels a
//! subgroup loads 4 + 2 matrices of pixels and 3 · 4 of weights, of 512 bytes each, and does 3 · 4 · 4 products of
//! 8192 operations: 43 operations a byte that it loads, 128 a byte of workgroup memory. Were pixels not shared between
//! the rows of the kernel, it would be 32 and 64. A multiprocessor that loads 128 bytes a clock feeds 5400 operations a
//! clock so, and an H100's matrix units do 4096. Sums are 16 matrices, 128 registers of a thread where subgroups are 32
//! wide. 18 × 18 pixels are staged for 16 × 16, 27 % more than are made, and each staged number serves 9 taps × 64
//! outputs. A staged pixel takes 16 bytes more than its channels: eight neighbours then begin in eight different parts
//! of the 128 bytes that the banks serve at once.

use half::f16;

use super::Channels;
use crate::tensor::Parameter;

/// What a device's cooperative matrices are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Matrices {
    /// Their side, 8 or 16.
    pub side: u32,
    /// Threads of a subgroup: a wrong number costs time, and nothing else.
    pub lanes: u32,
    /// Bytes that a workgroup's threads share.
    pub workgroup_bytes: u32,
}

/// Output channels that a workgroup makes at most: as many as networks are wide, so that inputs are staged once.
const CHANNELS: u32 = 64;

/// Rows of matrices a subgroup, rows of subgroups a workgroup, input channels staged at a time: the largest first.
const SIZES: [(u32, u32, u32); 8] =
    [(4, 4, 32), (4, 4, 16), (4, 2, 32), (4, 2, 16), (2, 2, 16), (2, 1, 16), (1, 1, 16), (1, 1, 8)];

/// How a workgroup's subgroups share its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Whose.
    pub matrices: Matrices,
    /// Matrices of pixels that a subgroup makes.
    pub rows: u32,
    /// Matrices of output channels.
    pub columns: u32,
    /// Subgroups beside each other: 16 pixels.
    pub across: u32,
    /// Subgroups one below the other.
    pub down: u32,
    /// Input channels staged at a time.
    pub staged: u32,
}

/// What the order of packed weights depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    side: usize,
    columns: usize,
    staged: usize,
}

impl Tile {
    /// Every tile for so many input and output channels whose `bytes` the device has; the best by reckoning first.
    pub(super) fn all(
        matrices: Matrices,
        inputs: usize,
        outputs: usize,
        bytes: impl Fn(&Self) -> u32,
    ) -> impl Iterator<Item = Self> {
        let side = matrices.side;
        let columns = (outputs as u32).div_ceil(side);
        let columns = columns.div_ceil(columns.div_ceil(CHANNELS / side));
        let tile =
            move |(rows, down, staged)| Self { matrices, rows, columns, across: 16 / side, down, staged };
        let needed = (inputs as u32).next_multiple_of(side.max(16));
        SIZES.into_iter().map(tile).filter(move |tile| {
            tile.staged <= needed && tile.staged % side == 0 && bytes(tile) <= matrices.workgroup_bytes
        })
    }

    /// Sums of one subgroup that a workgroup makes.
    pub(super) fn jobs(&self) -> u32 {
        self.across * self.down
    }

    /// Output channels that a workgroup makes.
    pub(super) fn channels(&self) -> u32 {
        self.columns * self.matrices.side
    }

    /// Bytes of a staged pixel.
    pub(super) fn pixel_bytes(&self) -> u32 {
        2 * (self.staged + 8)
    }

    /// Bytes in which sums are shown.
    pub(super) fn drained_bytes(&self) -> u32 {
        4 * self.jobs() * self.matrices.side * (self.channels() + 4)
    }

    /// What the host puts in front of both kernels.
    pub(super) fn constants(&self, kernel: usize) -> Vec<(&'static str, u32)> {
        vec![
            ("KERNEL", kernel as u32),
            ("SIDE", self.matrices.side),
            ("THREADS", self.jobs() * self.matrices.lanes),
            ("ROWS", self.rows),
            ("COLUMNS", self.columns),
            ("STAGED", self.staged),
        ]
    }

    /// What the order of weights depends on.
    pub fn order(&self) -> Order {
        Order {
            side: self.matrices.side as usize,
            columns: self.columns as usize,
            staged: self.staged as usize,
        }
    }
}

impl Order {
    /// Chunks of input channels, staged ones without a weight included.
    pub(super) fn chunks(&self, inputs: usize) -> usize {
        inputs.next_multiple_of(self.staged) / self.side
    }

    /// Terms with how many inputs of each, `[out, in, k, k]`, as matrices `[block][chunk of a term][tap][column]`;
    /// each has a row an input channel.
    pub(super) fn pack(&self, terms: &[(&Parameter, usize)], channels: Channels) -> Vec<f16> {
        let Self { side, columns, .. } = *self;
        let mut packed = Vec::new();
        for block in (channels.start..channels.end).step_by(columns * side) {
            for (weight, inputs) in terms {
                let (of, taps) = (weight.dims()[1], weight.dims()[2] * weight.dims()[3]);
                for (chunk, tap) in
                    (0..self.chunks(*inputs)).flat_map(|chunk| (0..taps).map(move |tap| (chunk, tap)))
                {
                    for column in (block..block + columns * side).step_by(side) {
                        for i in chunk * side..(chunk + 1) * side {
                            packed.extend((column..column + side).map(|o| {
                                let here = i < *inputs && o < channels.end;
                                f16::from_f32(if here {
                                    weight.values()[(o * of + i) * taps + tap]
                                } else {
                                    0.0
                                })
                            }));
                        }
                    }
                }
            }
        }
        packed
    }
}

/// Two numbers a word, as the device reads them; the words pass for floats, as all constants do.
pub(super) fn words(numbers: &[f16]) -> Vec<f32> {
    let word = |pair: &[f16]| {
        let [low, high] = [0, 1].map(|at| u32::from(pair.get(at).map_or(0, |number| number.to_bits())));
        f32::from_bits(low | high << 16)
    };
    numbers.chunks(2).map(word).collect()
}
