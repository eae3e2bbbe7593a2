//! Matrix products held in registers. Twin of `shaders/shared/product.wgsl`.

/// Rows that a workgroup makes: 64 threads of four.
pub const ITEMS: usize = 256;

/// Groups of four columns that a thread makes: even, at most eight, and as few to spare as can be.
pub(super) fn groups_a_thread(groups: usize) -> usize {
    let blocks = groups.div_ceil(8);
    groups.div_ceil(blocks).next_multiple_of(2)
}

/// Appends the weights of `channels` outputs and of `steps` steps of four inputs each, as `[block][step][pair of groups][group of the pair][input lane]` of four outputs each. `value` is asked
/// for output and input, lanes of input groups past the last channel included.
pub(super) fn pack(
    packed: &mut Vec<f32>,
    channels: usize,
    steps: usize,
    value: impl Fn(usize, usize) -> f32,
) {
    let block = 4 * groups_a_thread(channels.div_ceil(4));
    for first in (0..channels).step_by(block) {
        for step in 0..steps {
            for group in (first..first + block).step_by(4) {
                for input in 4 * step..4 * step + 4 {
                    packed
                        .extend((group..group + 4).map(|o| if o < channels { value(o, input) } else { 0.0 }));
                }
            }
        }
    }
}
