//! Sub-pixel rearrangement, both ways.

use super::Numbers;

/// Channels into pixels (Shi et al., ESPCN, CVPR 2016, section 2.2), as PyTorch's `PixelShuffle`:
///
/// `y[c, s·y + i, s·x + j] = x[c·s² + i·s + j, y, x]`
pub fn pixel_shuffle(x: &Numbers, scale: usize) -> Numbers {
    let (s, input) = (scale, x.shape());
    assert!(input.channels % (s * s) == 0, "a multiple of {} channels, found {input}", s * s);
    let shape = input.with_channels(input.channels / (s * s)).with_size(input.height * s, input.width * s);
    Numbers::from_fn(shape, |n, c, row, column| {
        let (i, j) = (row % s, column % s);
        x.at(n, c * s * s + i * s + j, row / s, column / s)
    })
}

/// Pixels into channels, the inverse of [`pixel_shuffle`], as PyTorch's `PixelUnshuffle`:
///
/// `y[c·s² + i·s + j, y, x] = x[c, s·y + i, s·x + j]`
pub fn pixel_unshuffle(x: &Numbers, scale: usize) -> Numbers {
    let (s, input) = (scale, x.shape());
    assert!(input.height % s == 0 && input.width % s == 0, "sides that are multiples of {s}, found {input}");
    let shape = input.with_channels(input.channels * s * s).with_size(input.height / s, input.width / s);
    Numbers::from_fn(shape, |n, c, row, column| {
        let (i, j) = (c / s % s, c % s);
        x.at(n, c / (s * s), s * row + i, s * column + j)
    })
}
