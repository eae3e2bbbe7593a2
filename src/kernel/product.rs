//! Matrix products held in registers. Twin of `shaders/shared/product.wgsl`.

use crate::tensor::channel_groups;

/// Rows that a workgroup makes: 64 threads of four.
pub const ITEMS: usize = 256;

/// The subgroup's width that handing weights round is written for.
pub const LANES: u32 = 8;

/// How the threads of a product come by its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Weights {
    /// Each loads them from storage.
    Storage,
    /// Each loads an eighth, and subgroups of eight hand them round.
    Broadcast,
}

/// What a thread of a product makes: four rows × some groups of four columns, all in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// How it comes by its weights.
    pub weights: Weights,
    /// Groups of four columns, at most: even, 2 to 16. Each takes sixteen registers.
    pub groups: usize,
}

impl Tile {
    /// What any device has registers for: 64 of them.
    pub const STORAGE: Self = Self { weights: Weights::Storage, groups: 4 };
    /// As many products a load as can be: loads are what software Vulkan pays for.
    pub const BROADCAST: Self = Self { weights: Weights::Broadcast, groups: 16 };
    /// Those that are worth a trial.
    pub const ALL: [Self; 5] = [
        Self { groups: 2, ..Self::STORAGE },
        Self::STORAGE,
        Self { groups: 8, ..Self::STORAGE },
        Self { groups: 8, ..Self::BROADCAST },
        Self::BROADCAST,
    ];

    /// The one for subgroups of such a width, where nothing was measured.
    pub fn usual(subgroup_lanes: Option<u32>) -> Self {
        if subgroup_lanes == Some(LANES) { Self::BROADCAST } else { Self::STORAGE }
    }

    /// Groups of four columns that a thread makes of so many: even, and as few to spare as can be.
    pub(super) fn groups_a_thread(self, groups: usize) -> usize {
        groups.div_ceil(groups.div_ceil(self.groups)).next_multiple_of(2)
    }

    /// Appends the weights of `channels` outputs and of `steps` steps of four inputs each, as
    /// `[block][step][pair of groups][group of the pair][input lane]` of four outputs each. `value` is asked for
    /// output and input, lanes of input groups past the last channel included.
    pub(super) fn pack(
        self,
        packed: &mut Vec<f32>,
        channels: usize,
        steps: usize,
        value: impl Fn(usize, usize) -> f32,
    ) {
        let block = 4 * self.groups_a_thread(channel_groups(channels));
        for first in (0..channels).step_by(block) {
            for step in 0..steps {
                for group in (first..first + block).step_by(4) {
                    for input in 4 * step..4 * step + 4 {
                        let column = |o: usize| if o < channels { value(o, input) } else { 0.0 };
                        packed.extend((group..group + 4).map(column));
                    }
                }
            }
        }
    }
}
