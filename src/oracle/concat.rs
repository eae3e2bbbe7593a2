//! Concatenation of channels.

use super::Numbers;

/// The channels of every input, one after the other.
pub fn concat(inputs: &[&Numbers]) -> Numbers {
    let first = inputs[0].shape();
    let fits = inputs.iter().all(|input| input.shape().with_channels(0) == first.with_channels(0));
    assert!(fits, "values of one size, as the first, {first}");
    let channels = inputs.iter().map(|input| input.shape().channels).sum();
    // Each channel of the result: its input, and its channel there.
    let origins: Vec<(&Numbers, usize)> =
        inputs.iter().flat_map(|input| (0..input.shape().channels).map(|c| (*input, c))).collect();
    Numbers::from_fn(first.with_channels(channels), |n, c, y, x| {
        let (input, c) = origins[c];
        input.at(n, c, y, x)
    })
}
