//! A part of the channels.

use super::Numbers;

/// `channels` neighbouring channels from `start` on.
pub fn slice(x: &Numbers, start: usize, channels: usize) -> Numbers {
    Numbers::from_fn(x.shape().with_channels(channels), |n, c, row, column| x.at(n, start + c, row, column))
}
