//! The one activation layout of the GPU: channels in fours. Twin of `shaders/shared/layout.wgsl`.
//!
//! ```text
//! element(n, c, y, x) = (((n · groups + c / 4) · height + y) · width + x) · 4 + c mod 4
//! groups = ⌈channels / 4⌉
//! ```
//!
//! Neighbouring threads take neighbouring pixels of one channel group, so their loads of four numbers
//! each join into whole cache lines; a group of channels is one plane, so concatenation and splitting
//! at multiples of four move planes. The lanes past the last channel hold zero: every kernel keeps
//! that true, and may rely on it.

use super::{Shape, Tensor};

/// Groups of four channels.
pub const fn channel_groups(channels: usize) -> usize {
    channels.div_ceil(4)
}

/// Numbers that activations of `shape` take on the GPU, empty lanes included.
pub const fn packed_len(shape: Shape) -> usize {
    shape.batch * channel_groups(shape.channels) * shape.pixels() * 4
}

/// N, C, H, W → channels in fours.
pub fn pack(tensor: &Tensor) -> Vec<f32> {
    let shape = tensor.shape();
    let mut packed = vec![0.0; packed_len(shape)];
    for (from, to) in elements(shape) {
        packed[to] = tensor.values()[from];
    }
    packed
}

/// Channels in fours → N, C, H, W.
///
/// # Panics
/// If `packed` is shorter than [`packed_len`].
pub fn unpack(shape: Shape, packed: &[f32]) -> Tensor {
    let mut values = vec![0.0; shape.len()];
    for (to, from) in elements(shape) {
        values[to] = packed[from];
    }
    Tensor::new(shape, values)
}

/// Every element's place in N, C, H, W and in channels of four.
fn elements(shape: Shape) -> impl Iterator<Item = (usize, usize)> {
    let (groups, pixels) = (channel_groups(shape.channels), shape.pixels());
    (0..shape.batch).flat_map(move |n| {
        (0..shape.channels).flat_map(move |c| {
            (0..pixels).map(move |p| {
                let plain = (n * shape.channels + c) * pixels + p;
                (plain, ((n * groups + c / 4) * pixels + p) * 4 + c % 4)
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_channels_take_two_groups_and_leave_three_lanes_zero() {
        let tensor = Tensor::from_fn(Shape::new(1, 5, 1, 2), |_, c, _, x| (10 * c + x) as f32 + 1.0);
        let packed = pack(&tensor);
        #[rustfmt::skip]
        assert_eq!(packed, [
            1.0, 11.0, 21.0, 31.0,  2.0, 12.0, 22.0, 32.0,
            41.0, 0.0, 0.0, 0.0,    42.0, 0.0, 0.0, 0.0,
        ]);
        assert_eq!(unpack(tensor.shape(), &packed), tensor);
    }
}
