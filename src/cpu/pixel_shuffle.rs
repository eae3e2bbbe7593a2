//! Channels into pixels, and pixels into channels.

use super::map::Map;
use crate::graph::{PixelShuffle, PixelUnshuffle};

pub(super) fn pixel_shuffle(op: &PixelShuffle, x: &Map, y: &mut Map) {
    let (scale, channels) = (op.scale, y.shape().channels);
    y.by_row(|n, row, line| {
        let from = x.row(n, row / scale).chunks_exact(channels * scale * scale);
        for (pixels, from) in line.chunks_exact_mut(channels * scale).zip(from) {
            for (j, pixel) in pixels.chunks_exact_mut(channels).enumerate() {
                let from = from[row % scale * scale + j..].iter().step_by(scale * scale);
                pixel.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        }
    });
}

pub(super) fn pixel_unshuffle(op: &PixelUnshuffle, x: &Map, y: &mut Map) {
    let (scale, channels) = (op.scale, x.shape().channels);
    y.by_row(|n, row, line| {
        for (column, pixel) in line.chunks_exact_mut(channels * scale * scale).enumerate() {
            for i in 0..scale {
                let from = &x.row(n, row * scale + i)[column * scale * channels..][..scale * channels];
                for (j, from) in from.chunks_exact(channels).enumerate() {
                    let to = pixel[i * scale + j..].iter_mut().step_by(scale * scale);
                    to.zip(from).for_each(|(to, from)| *to = *from);
                }
            }
        }
    });
}
