//! Host half of `shaders/mask_compact.wgsl`: a spatial mask → lists of what is active.

use super::{Dispatch, Kernel, Specialization};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("mask_compact", MaskCompactParams);

params! {
    /// Twin of the shader's parameters.
    pub struct MaskCompactParams {
        width: u32,
        height: u32,
        segments: u32,
        bands: u32,
        total: u32,
        fewest: u32,
    }
}

/// Columns that a thread takes, and rows.
const SEGMENT: usize = 32;
const BAND: usize = 4;

/// Words in front of a list's entries.
const HEADER: usize = 2;

/// Bindings: mask, then the lists of tiles, strays and active pixels, which are written.
/// A tile has at least `fewest` active pixels.
pub fn dispatch(mask: Shape, fewest: u32) -> Dispatch {
    let (segments, bands) = (mask.width.div_ceil(SEGMENT), mask.height.div_ceil(BAND));
    let params = MaskCompactParams {
        width: mask.width as u32,
        height: mask.height as u32,
        segments: segments as u32,
        bands: bands as u32,
        total: (mask.batch * segments * bands) as u32,
        fewest,
    };
    KERNEL.dispatch(Specialization::default(), &params, [params.total.div_ceil(64), 1, 1])
}

/// Words of the lists of tiles, strays and active pixels for masks of this shape, when they are full: a multiple
/// of four, as every buffer has.
pub fn list_words(mask: Shape) -> [usize; 3] {
    let tiles = mask.batch * mask.height.div_ceil(BAND) * mask.width.div_ceil(4);
    let pixels = mask.batch * mask.pixels();
    [2 * tiles, pixels, pixels].map(|entries| (HEADER + entries).next_multiple_of(4))
}
