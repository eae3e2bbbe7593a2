//! Where work is needed.

use super::by_plane;
use crate::tensor::{Shape, Tensor};

pub(super) fn spatial_mask(logits: &Tensor, output: Shape) -> Tensor {
    by_plane(output, |n, _, mask| {
        let (off, on) = (logits.plane(n, 0), logits.plane(n, 1));
        mask.iter_mut().zip(off.iter().zip(on)).for_each(|(mask, (off, on))| {
            *mask = if on > off { 1.0 } else { 0.0 };
        });
    })
}
