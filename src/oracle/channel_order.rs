//! The order in which a layer's channels are stored.

use super::Numbers;
use crate::tensor::Shape;

/// The channels of a layer, dense ones first and otherwise as they come: `[1, channels, 1, 1]` indices, and how many of
/// them are dense.
///
/// The logits are SMSR's channel masks, `[1, channels, layers, 2]`: a channel is dense where the first is greater than
/// the second (section 3.2: a softmax, rounded).
pub fn channel_order(logits: &Numbers, layer: usize) -> (Numbers, usize) {
    let channels = logits.shape().channels;
    assert_eq!(
        logits.shape(),
        Shape::new(1, channels, logits.shape().height, 2),
        "two logits a channel and layer"
    );
    let is_dense = |c: &usize| logits.at(0, *c, layer, 0) > logits.at(0, *c, layer, 1);
    let (dense, sparse): (Vec<usize>, Vec<usize>) = (0..channels).partition(is_dense);
    let order = dense.iter().chain(&sparse).map(|c| *c as f64).collect();
    (Numbers::new(Shape::new(1, channels, 1, 1), order), dense.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Four channels, two layers: dense are 1 and 3, then all but 2, where there is a tie.
        let of_channel =
            [[0.0, 1.0, 3.0, 2.0], [5.0, -5.0, 1.0, 0.0], [2.0, 2.5, 7.0, 7.0], [1.0, 0.0, 9.0, 8.0]];
        let logits = Numbers::new(Shape::new(1, 4, 2, 2), of_channel.concat());
        let (order, dense) = channel_order(&logits, 0);
        assert_eq!(
            (order.shape(), order.values(), dense),
            (Shape::new(1, 4, 1, 1), &[1.0, 3.0, 0.0, 2.0][..], 2)
        );
        let (order, dense) = channel_order(&logits, 1);
        assert_eq!((order.values(), dense), (&[0.0, 1.0, 3.0, 2.0][..], 3));
    }
}
