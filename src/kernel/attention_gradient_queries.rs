//! Host half of `shaders/attention_gradient_queries.wgsl`.

use super::attention::{Attention, AttentionParams};
use super::{Dispatch, Kernel};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = Kernel {
    constants: &[("DEPTH", 10), ("THREADS", 32), ("BLOCK", 32)],
    ..kernel!("attention_gradient_queries", AttentionParams)
};

/// What is left of softmaxes for [`attention_gradient_keys`](super::attention_gradient_keys): four numbers of every query.
pub fn softmaxes(attention: &Attention) -> Shape {
    attention.output.with_channels(4 * attention.heads)
}

/// One dispatch, or several that each make a part. `workgroups` is how many an axis takes.
///
/// Bindings: input, gradient, bias (or any buffer), output, [`softmaxes`], which are written too.
pub fn dispatches(attention: &Attention, workgroups: u32) -> Vec<Dispatch> {
    let threads = attention.threads();
    attention.launches(&KERNEL, &attention.specialization(threads), threads, 5, workgroups)
}
