//! Where work is needed.

use super::Numbers;

/// Two logits a pixel → 1 where the second is larger, otherwise 0 (a tie is 0): SMSR's Gumbel-softmax mask (section
/// 3.2) with no noise and a temperature that goes to zero.
pub fn spatial_mask(logits: &Numbers) -> Numbers {
    assert_eq!(logits.shape().channels, 2, "two logits a pixel");
    Numbers::from_fn(logits.shape().with_channels(1), |n, _, y, x| {
        if logits.at(n, 1, y, x) > logits.at(n, 0, y, x) { 1.0 } else { 0.0 }
    })
}
