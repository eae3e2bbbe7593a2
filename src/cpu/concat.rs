//! Concatenation of channels.

use super::map::Map;

pub(super) fn concat(inputs: &[&Map], y: &mut Map) {
    let channels = y.shape().channels;
    y.by_unit(|unit, y, _: &mut ()| {
        let mut first = 0;
        for input in inputs {
            let width = input.shape().channels;
            let pixels = y.chunks_exact_mut(channels).zip(input.of(unit).chunks_exact(width.max(1)));
            pixels.for_each(|(to, from)| to[first..first + width].copy_from_slice(from));
            first += width;
        }
    });
}
