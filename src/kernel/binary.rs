//! Host half of `shaders/binary.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("binary", BinaryParams);

params! {
    /// Twin of the shader's parameters.
    pub struct BinaryParams {
        width: u32,
        height: u32,
        channels: u32,
    }
}

/// Which operation.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// a + b.
    Add,
    /// a − b.
    Subtract,
    /// a · b.
    Multiply,
    /// a / b.
    Divide,
}

/// Bindings: a, b, residual (or any buffer), output. `b` has `a`'s shape, or one pixel, or one channel.
pub fn dispatch(kind: Kind, a: Shape, b: Shape, residual: bool) -> Dispatch {
    let params = BinaryParams { width: a.width as u32, height: a.height as u32, channels: a.channels as u32 };
    let broadcast = if b == a {
        0
    } else if b == a.with_size(1, 1) {
        1
    } else {
        2
    };
    KERNEL.dispatch(
        Specialization::overrides([
            ("KIND", kind as u32),
            ("BROADCAST", broadcast),
            ("RESIDUAL", u32::from(residual)),
        ]),
        &params,
        planes(a),
    )
}
