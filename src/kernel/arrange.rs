//! Host half of `shaders/arrange.wgsl`.

use super::{Dispatch, Kernel, Specialization};
use crate::tensor::{Shape, channel_groups, packed_len};

/// The shader.
pub static KERNEL: Kernel = kernel!("arrange", ArrangeParams);

params! {
    /// Twin of the shader's parameters.
    pub struct ArrangeParams {
        fours: u32,
    }
}

/// How many values a dispatch reads.
pub const VALUES: usize = 3;

/// The part of an entry that is the place, and one.
pub const PLACE: u32 = 0x1fff_ffff;

/// What stands for a zero in the table.
pub const ZERO: u32 = 0;

const THREADS: usize = 64;

/// Where a number comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin {
    /// Which of the values.
    pub value: usize,
    /// Its place, N, C, H, W.
    pub at: [usize; 4],
    /// Whether its sign is turned.
    pub negative: bool,
}

impl Origin {
    /// The table's entry, of a value of this shape.
    pub fn entry(&self, shape: Shape) -> u32 {
        let [n, c, y, x] = self.at;
        let plane = n * channel_groups(shape.channels) + c / 4;
        let place = ((plane * shape.height + y) * shape.width + x) * 4 + c % 4;
        u32::from(self.negative) << 31 | (self.value as u32) << 29 | (place as u32 + 1)
    }
}

/// The table for an output of this shape, from where each of its numbers comes.
pub fn table(output: Shape, input: Shape, origin: impl Fn([usize; 4]) -> Option<Origin>) -> Vec<u32> {
    let mut table = vec![ZERO; packed_len(output)];
    for n in 0..output.batch {
        for c in 0..output.channels {
            for y in 0..output.height {
                for x in 0..output.width {
                    let at = [n, c, y, x];
                    let place = Origin { at, ..Origin::default() }.entry(output) - 1;
                    table[place as usize] = origin(at).map_or(ZERO, |origin| origin.entry(input));
                }
            }
        }
    }
    table
}

/// Bindings: the values (any buffer for those that there are not), the table, output. `numbers` is a multiple of four.
pub fn dispatch(numbers: usize) -> Dispatch {
    let params = ArrangeParams { fours: (numbers / 4) as u32 };
    KERNEL.dispatch(Specialization::default(), &params, [numbers.div_ceil(4 * THREADS) as u32, 1, 1])
}
