//! Host half of `shaders/attention_table_gradient.wgsl`.

use super::attention::{Attention, MACS};
use super::{Dispatch, Kernel};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = Kernel {
    constants: &[("DEPTH", 10), ("THREADS", 32), ("BLOCK", 32), ("ENTRIES", 225)],
    ..kernel!("attention_table_gradient", AttentionTableGradientParams)
};

params! {
    /// Twin of the shader's parameters.
    pub struct AttentionTableGradientParams {
        width: u32,
        height: u32,
        set_width: u32,
        set_height: u32,
        sets_a_row: u32,
        lead_x: u32,
        lead_y: u32,
        sets: u32,
        all_sets: u32,
        sets_a_part: u32,
        first: u32,
        parts: u32,
        entries: u32,
        heads: u32,
        scale: f32,
    }
}

/// Parts that sets are gone through in, at most: what keeps large devices busy, by the heads.
const PARTS: usize = 256;

/// Entries of the table that a workgroup sums, at most: those of a window of 16. Larger windows' pairs are gone through
/// several times.
const ENTRIES: usize = 961;

/// One dispatch, or several that each make some parts, of attention in windows.
///
/// Bindings: input, gradient, bias, output of shape [`parts`].
pub fn dispatches(attention: &Attention) -> Vec<Dispatch> {
    let (grid, made) = (attention.grid(), parts(attention));
    let all_sets = attention.output.batch * grid.sets();
    let sets_a_part = all_sets.div_ceil(made.width);
    let slices = made.batch.div_ceil(ENTRIES);
    let threads = attention.threads();
    let mut specialization = attention.specialization(threads);
    specialization.constants.push(("ENTRIES", made.batch.min(ENTRIES) as u32));
    let macs: u64 = [4, grid.tokens(), grid.tokens(), attention.output.channels, sets_a_part, slices]
        .map(|n| n as u64)
        .iter()
        .product();
    let most = (MACS / macs).clamp(1, made.width as u64) as usize;
    (0..made.width)
        .step_by(most)
        .map(|first| {
            let params = AttentionTableGradientParams {
                width: grid.width as u32,
                height: grid.height as u32,
                set_width: grid.set_width as u32,
                set_height: grid.set_height as u32,
                sets_a_row: grid.sets_a_row() as u32,
                lead_x: grid.lead_x as u32,
                lead_y: grid.lead_y as u32,
                sets: grid.sets() as u32,
                all_sets: all_sets as u32,
                sets_a_part: sets_a_part as u32,
                first: first as u32,
                parts: made.width as u32,
                entries: made.batch as u32,
                heads: attention.heads as u32,
                scale: attention.scale,
            };
            let counts = [most.min(made.width - first), slices, attention.heads];
            KERNEL.dispatch(specialization.clone(), &params, counts.map(|count| count as u32))
        })
        .collect()
}

/// What the dispatches leave: the table's gradient as sums of some sets each, a part a pixel, to be added up.
pub fn parts(attention: &Attention) -> Shape {
    let grid = attention.grid();
    let all_sets = attention.output.batch * grid.sets();
    // As many as there are in wholes of as many sets each.
    let parts = all_sets.div_ceil(all_sets.div_ceil(PARTS));
    let entries = (2 * grid.set_width - 1) * (2 * grid.set_height - 1);
    Shape::new(entries, attention.heads, 1, parts)
}
