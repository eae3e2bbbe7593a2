//! Where work is needed.

use super::Numbers;

/// Two logits a pixel → 1 where the second is larger, otherwise 0 (a tie is 0): SMSR's Gumbel-softmax mask (section
/// 3.2) with no noise and a temperature that goes to zero. NaN where a logit is not finite: there is no telling.
pub fn spatial_mask(logits: &Numbers) -> Numbers {
    assert_eq!(logits.shape().channels, 2, "two logits a pixel");
    Numbers::from_fn(logits.shape().with_channels(1), |n, _, y, x| {
        let [off, on] = [0, 1].map(|c| logits.at(n, c, y, x));
        match off.is_finite() && on.is_finite() {
            true => f64::from(u8::from(on > off)),
            false => f64::NAN,
        }
    })
}
