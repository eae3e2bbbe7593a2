//! Host half of `shaders/peak_copy.wgsl`.

use super::{Dispatch, Kernel, Specialization};

/// The shader.
pub static KERNEL: Kernel = kernel!("peak_copy", PeakCopyParams);

params! {
    /// Twin of the shader's parameters.
    pub struct PeakCopyParams {
        width: u32,
        stride: u32,
    }
}

/// Threads in a row of a copy.
const WIDTH: u32 = 1 << 16;

const FOURS: u32 = 8;

/// Bytes of a row of threads: what is copied is a multiple.
pub const ROW: u64 = 16 * FOURS as u64 * WIDTH as u64;

/// Words of a sample.
pub const SAMPLE: usize = 4 * (FOURS * 64) as usize;

/// Copies so many rows, and adds to each word the place of its four.
///
/// Bindings: input, output.
pub fn dispatch(rows: u32) -> Dispatch {
    launch(PeakCopyParams { width: WIDTH, stride: 1 }, [WIDTH / 64, rows, 1])
}

/// Reads [`SAMPLE`] words, evenly from so many rows, and adds to each the place of its four.
///
/// Bindings: input, output.
pub fn sample(rows: u32) -> Dispatch {
    launch(PeakCopyParams { width: 64, stride: stride(rows) }, [1, 1, 1])
}

fn launch(params: PeakCopyParams, workgroups: [u32; 3]) -> Dispatch {
    KERNEL.dispatch(Specialization::default(), &params, workgroups)
}

/// The last of the four words that a sample's step goes over, so that the last row is seen too.
fn stride(rows: u32) -> u32 {
    rows * FOURS * WIDTH / (SAMPLE as u32 / 4)
}

/// The word of a sample of what held zeros and was copied so often.
pub fn expected(word: usize, rows: u32, copies: u32) -> u32 {
    let at = word as u32 / 4;
    copies.wrapping_mul(stride(rows).wrapping_mul(at)).wrapping_add(at)
}
