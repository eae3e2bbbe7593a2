//! Zeros around the channels.

use super::Numbers;

/// So many channels of zeros in front of the others and behind them.
pub fn pad_channels(x: &Numbers, before: usize, after: usize) -> Numbers {
    let shape = x.shape().with_channels(before + x.shape().channels + after);
    Numbers::from_fn(shape, |n, c, row, column| match c.checked_sub(before) {
        Some(c) if c < x.shape().channels => x.at(n, c, row, column),
        _ => 0.0,
    })
}
