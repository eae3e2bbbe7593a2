//! Host half of `shaders/conv2d_pruned.wgsl`: the convolution by a weight that is mostly zero.

use super::epilogue::Epilogue;
use super::{Channels, Dispatch, Kernel, Pixels, Specialization};
use crate::tensor::{Parameter, Shape, channel_groups};

/// The shader.
pub static KERNEL: Kernel = Kernel {
    constants: &[("KERNEL", 3), ("STAGED", 8), ("CHANNEL_GROUPS", 4)],
    ..kernel!("conv2d_pruned", Conv2dPrunedParams)
};

params! {
    /// Twin of the shader's parameters.
    pub struct Conv2dPrunedParams {
        width: u32,
        height: u32,
        input_groups: u32,
        groups: u32,
        first_group: u32,
        output_groups: u32,
        stored_groups: u32,
        output_channels: u32,
        preserved_groups: u32,
        pairs: u32,
        slope: f32,
    }
}

/// Groups of four output channels that a thread makes at most, up to eight: sixteen registers each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// How many.
    pub groups: usize,
}

impl Tile {
    /// What any device has registers for: 64 of them.
    pub const USUAL: Self = Self { groups: 4 };
    /// Those that are worth a trial.
    pub const ALL: [Self; 3] = [Self::USUAL, Self { groups: 2 }, Self { groups: 8 }];
}

/// A workgroup's rows, and the threads in one.
const SIDE: usize = 8;
/// Pixels that a thread makes, of one row.
const PIXELS: usize = 4;

/// The largest kernel: what is staged of a larger one does not fit into the memory that every device's workgroups have.
pub const LARGEST: usize = 7;

/// Input channels that are staged at once, and that a cut of a list is of.
pub const fn staged(kernel: usize) -> usize {
    if kernel <= 3 { 8 } else { 4 }
}

/// The entries of a cut that leaves nothing out.
pub const fn all_entries(kernel: usize) -> usize {
    staged(kernel) * kernel * kernel
}

/// A convolution of stride 1 that keeps the size, in one group, by a weight that is mostly zero.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dPruned {
    /// The activations' shape.
    pub input: Shape,
    /// Input channels that are summed: the first ones.
    pub inputs: usize,
    /// The kernel's side, odd and at most [`LARGEST`].
    pub kernel: usize,
    /// Which of the value's channels are computed.
    pub channels: Channels,
    /// Which pixels are made: they are not listed.
    pub pixels: Pixels,
    /// What follows the sum.
    pub epilogue: Epilogue,
    /// What a thread makes.
    pub tile: Tile,
    /// The room of every cut of a list.
    pub entries: usize,
}

/// What a group of four output channels needs of an input channel under a tap.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    channel: usize,
    tap: usize,
    weights: [f32; 4],
}

impl Conv2dPruned {
    fn pairs(&self) -> usize {
        self.entries.div_ceil(2).max(1)
    }

    fn groups_a_thread(&self) -> usize {
        self.channels.groups().min(self.tile.groups)
    }

    /// Bindings: input, residual, mask (each of the two: or any buffer), places, weight, bias, output.
    ///
    /// # Panics
    /// If pixels are listed, or the kernel is too large.
    pub fn dispatch(&self) -> Dispatch {
        assert!(self.pixels != Pixels::Listed && self.kernel <= LARGEST, "all pixels, of a small kernel");
        let params = Conv2dPrunedParams {
            width: self.input.width as u32,
            height: self.input.height as u32,
            input_groups: channel_groups(self.input.channels) as u32,
            groups: channel_groups(self.inputs) as u32,
            first_group: self.channels.first_group() as u32,
            output_groups: self.channels.groups_of_value() as u32,
            stored_groups: self.channels.groups() as u32,
            output_channels: self.channels.of as u32,
            preserved_groups: self.pixels.preserved_groups(),
            pairs: self.pairs() as u32,
            slope: self.epilogue.function.slope(),
        };
        let groups = self.groups_a_thread();
        let constants = vec![
            ("KERNEL", self.kernel as u32),
            ("STAGED", staged(self.kernel) as u32),
            ("CHANNEL_GROUPS", groups as u32),
        ];
        let mut overrides = self.epilogue.overrides().to_vec();
        overrides.push(self.pixels.masked());
        let blocks = self.channels.groups().div_ceil(groups);
        let columns = self.input.width.div_ceil(PIXELS * SIDE);
        let workgroups = [columns, self.input.height.div_ceil(SIDE), self.input.batch * blocks];
        let workgroups = workgroups.map(|count| count as u32);
        KERNEL.dispatch(Specialization::new(constants, overrides), &params, workgroups)
    }

    /// The longest cut of this part's lists.
    pub fn longest(&self, weight: &Parameter) -> usize {
        self.cuts(weight).map(|cut| cut.len()).max().unwrap_or(0)
    }

    /// `[out, in, k, k]` → `[group][cut][entry]` of four output channels each. What a cut has no room for is left out:
    /// [`Self::longest`] says whether it has.
    pub fn pack(&self, weight: &Parameter) -> Vec<f32> {
        let room = 2 * self.pairs();
        let mut packed = Vec::new();
        for cut in self.cuts(weight) {
            let end = packed.len() + 4 * room;
            packed.extend(cut.iter().take(room).flat_map(|entry| entry.weights));
            packed.resize(end, 0.0);
        }
        packed
    }

    /// Where the entries of [`Self::pack`] lie in what is staged: a word a pair, by its bits.
    pub fn pack_places(&self, weight: &Parameter) -> Vec<f32> {
        let wide = SIDE + self.kernel - 1;
        let place = |entry: &Entry| {
            let channel = entry.channel % staged(self.kernel);
            ((channel * wide + entry.tap / self.kernel) * wide + entry.tap % self.kernel) as u32
        };
        let word = |cut: &[Entry], pair: usize| {
            let [first, second] = [0, 1].map(|at| cut.get(2 * pair + at).map_or(0, place));
            f32::from_bits(first | second << 16)
        };
        self.cuts(weight).flat_map(|cut| (0..self.pairs()).map(move |pair| word(&cut, pair))).collect()
    }

    /// The lists, group by group and cut by cut.
    fn cuts(&self, weight: &Parameter) -> impl Iterator<Item = Vec<Entry>> {
        let Channels { start, end, .. } = self.channels;
        let cut = staged(self.kernel);
        (start..end).step_by(4).flat_map(move |first| {
            (0..self.inputs).step_by(cut).map(move |channel| {
                let last = self.inputs.min(channel + cut);
                entries(weight, self.kernel, first..end.min(first + 4), channel..last)
            })
        })
    }
}

/// The longest cut of a weight's lists, `[out, in, k, k]`, whichever part is made: one that begins with a whole group and
/// the first input. It may stop looking where one is longer than `enough`.
pub fn longest(weight: &Parameter, enough: usize) -> usize {
    let &[out, inputs, kernel, _] = weight.dims() else { return usize::MAX };
    let mut longest = 0;
    for first in (0..out).step_by(4) {
        for channel in (0..inputs).step_by(staged(kernel)) {
            let last = inputs.min(channel + staged(kernel));
            longest = longest.max(entries(weight, kernel, first..out.min(first + 4), channel..last).len());
        }
        if longest > enough {
            break;
        }
    }
    longest
}

/// What outputs need of inputs, in the order in which `conv2d_tiled` sums: by input group, row of the kernel, channel and
/// column.
fn entries(
    weight: &Parameter,
    kernel: usize,
    outputs: std::ops::Range<usize>,
    inputs: std::ops::Range<usize>,
) -> Vec<Entry> {
    let (columns, taps) = (weight.dims()[1], kernel * kernel);
    let mut entries = Vec::new();
    for group in inputs.clone().step_by(4) {
        for ky in 0..kernel {
            for channel in group..inputs.end.min(group + 4) {
                for tap in ky * kernel..(ky + 1) * kernel {
                    let mut weights = [0.0; 4];
                    for (to, o) in weights.iter_mut().zip(outputs.clone()) {
                        *to = weight.values()[(o * columns + channel) * taps + tap];
                    }
                    if weights.iter().any(|weight| *weight != 0.0) {
                        entries.push(Entry { channel, tap, weights });
                    }
                }
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conv(inputs: usize, channels: Channels, entries: usize) -> Conv2dPruned {
        Conv2dPruned {
            input: Shape::new(1, inputs, 5, 7),
            inputs,
            kernel: 1,
            channels,
            pixels: Pixels::All,
            epilogue: Epilogue::default(),
            tile: Tile::USUAL,
            entries,
        }
    }

    #[test]
    fn a_list_has_what_any_of_four_outputs_needs() {
        // Five outputs of ten inputs: two groups, two cuts each.
        let mut values = vec![0.0; 50];
        for (o, i, value) in [(0, 1, 1.0), (3, 1, 2.0), (2, 7, 3.0), (1, 9, 4.0), (4, 0, 5.0)] {
            values[o * 10 + i] = value;
        }
        let weight = Parameter::new([5, 10, 1, 1], values);
        let conv = conv(10, Channels::all(5), 2);
        assert_eq!((conv.longest(&weight), longest(&weight, 8), longest(&weight, 1)), (2, 2, 2));
        let zeros = [0.0; 4];
        let packed = [
            [[1.0, 0.0, 0.0, 2.0], [0.0, 0.0, 3.0, 0.0]], // inputs 1 and 7
            [[0.0, 4.0, 0.0, 0.0], zeros],                // input 9
            [[5.0, 0.0, 0.0, 0.0], zeros],                // the fifth output: input 0
            [zeros, zeros],
        ];
        assert_eq!(conv.pack(&weight), packed.as_flattened().as_flattened());
        // A channel of what is staged is 8×8 elements.
        let places = conv.pack_places(&weight).iter().map(|place| place.to_bits()).collect::<Vec<_>>();
        assert_eq!(places, [64 | (7 * 64) << 16, 64, 0, 0]);
    }

    #[test]
    fn what_has_no_room_is_left_out_and_a_part_is_no_longer_than_the_whole() {
        let weight = Parameter::new([8, 16, 1, 1], vec![1.0; 128]);
        let all = conv(16, Channels::all(8), 4);
        assert_eq!((all.longest(&weight), all.pack(&weight).len()), (8, 2 * 2 * 4 * 4));
        let part = conv(3, Channels { start: 4, end: 7, of: 8 }, 4);
        assert_eq!((part.longest(&weight), part.pack(&weight).len()), (3, 4 * 4));
        assert_eq!(part.pack_places(&weight).len(), 2);
    }

    #[test]
    fn what_is_staged_fits_into_any_workgroup() {
        for kernel in (1..=LARGEST).step_by(2) {
            let side = SIDE + kernel - 1;
            let bytes = side * side * staged(kernel) * 16;
            assert!(bytes <= 16 << 10, "{kernel}x{kernel}: {bytes} bytes");
            assert!(side * side * staged(kernel) <= 1 << 16, "a place has sixteen bits");
        }
    }
}
