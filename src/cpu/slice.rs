//! A part of the channels.

use super::map::Map;
use crate::graph::Slice;

pub(super) fn slice(op: &Slice, x: &Map, y: &mut Map) {
    let channels = x.shape().channels;
    y.by_unit(|unit, y, _: &mut ()| {
        let pixels = y.chunks_exact_mut(op.channels.max(1)).zip(x.of(unit).chunks_exact(channels));
        pixels.for_each(|(to, from)| to.copy_from_slice(&from[op.start..][..op.channels]));
    });
}
