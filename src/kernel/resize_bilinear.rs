//! Host half of `shaders/resize_bilinear.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("resize_bilinear", ResizeBilinearParams);

params! {
    /// Twin of the shader's parameters.
    pub struct ResizeBilinearParams {
        input_width: u32,
        input_height: u32,
        width: u32,
        height: u32,
        old_width: u32,
        new_width: u32,
        old_height: u32,
        new_height: u32,
    }
}

/// Bindings: input, output. `corners`: the outer pixels' centres are laid upon each other.
pub fn dispatch(input: Shape, output: Shape, corners: bool) -> Dispatch {
    let [old_width, new_width] = ratio(input.width, output.width, corners);
    let [old_height, new_height] = ratio(input.height, output.height, corners);
    let params = ResizeBilinearParams {
        input_width: input.width as u32,
        input_height: input.height as u32,
        width: output.width as u32,
        height: output.height as u32,
        old_width,
        new_width,
        old_height,
        new_height,
    };
    let overrides = Specialization::overrides([("CORNERS", u32::from(corners))]);
    KERNEL.dispatch(overrides, &params, planes(output))
}

/// An old and a new side, or what lies between their outer pixels, in lowest terms.
pub(super) fn ratio(old: usize, new: usize, corners: bool) -> [u32; 2] {
    let [old, new] = if corners { [old - 1, (new - 1).max(1)] } else { [old, new] };
    let divisor = greatest_common_divisor(old, new);
    [old / divisor, new / divisor].map(|side| side as u32)
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
