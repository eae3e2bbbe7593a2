//! Where work is needed.

use super::map::Map;

pub(super) fn spatial_mask(logits: &Map, mask: &mut Map) {
    mask.by_unit(|unit, mask, _: &mut ()| {
        let logits = logits.of(unit).as_chunks().0;
        mask.iter_mut().zip(logits).for_each(|(mask, [off, on])| {
            *mask = match off.is_finite() && on.is_finite() {
                true => f32::from(u8::from(on > off)),
                false => f32::NAN,
            }
        });
    });
}
