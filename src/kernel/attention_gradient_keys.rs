//! Host half of `shaders/attention_gradient_keys.wgsl`.

use super::attention::{Attention, AttentionParams};
use super::{Dispatch, Kernel};

/// The shader.
pub static KERNEL: Kernel = Kernel {
    constants: &[("DEPTH", 10), ("THREADS", 32), ("BLOCK", 32)],
    ..kernel!("attention_gradient_keys", AttentionParams)
};

/// One dispatch, or several that each make a part. `workgroups` is how many an axis takes.
///
/// Bindings: input, gradient, what [`attention_gradient_queries`](super::attention_gradient_queries) left of softmaxes,
/// bias (or any buffer), output.
pub fn dispatches(attention: &Attention, workgroups: u32) -> Vec<Dispatch> {
    let threads = attention.threads();
    attention.launches(&KERNEL, &attention.specialization(threads), threads, 4, workgroups)
}
