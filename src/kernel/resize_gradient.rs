//! Host half of `shaders/resize_gradient.wgsl`.

use super::resize_bilinear::ratio;
use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("resize_gradient", ResizeGradientParams);

params! {
    /// Twin of the shader's parameters.
    pub struct ResizeGradientParams {
        width: u32,
        height: u32,
        new_width: u32,
        new_height: u32,
        old_across: u32,
        new_across: u32,
        old_down: u32,
        new_down: u32,
        across: f32,
        down: f32,
    }
}

/// How it was resized, numbered as the shader does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By the pixel that a new one lies in.
    Nearest,
    /// Between the two nearest of each axis.
    Bilinear,
    /// The same, with the outer pixels' centres laid upon each other.
    BilinearCorners,
    /// By Keys' cubic convolution.
    Bicubic,
}

/// Bindings: gradient, output, which has the size that was resized.
pub fn dispatch(kind: Kind, gradient: Shape, output: Shape) -> Dispatch {
    let corners = kind == Kind::BilinearCorners;
    let [old_across, new_across] = ratio(output.width, gradient.width, corners);
    let [old_down, new_down] = ratio(output.height, gradient.height, corners);
    let params = ResizeGradientParams {
        width: output.width as u32,
        height: output.height as u32,
        new_width: gradient.width as u32,
        new_height: gradient.height as u32,
        old_across,
        new_across,
        old_down,
        new_down,
        across: output.width as f32 / gradient.width as f32,
        down: output.height as f32 / gradient.height as f32,
    };
    KERNEL.dispatch(Specialization::overrides([("KIND", kind as u32)]), &params, planes(output))
}
