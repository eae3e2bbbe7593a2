//! Host half of `shaders/binary.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::{Shape, channel_groups};

/// The shader.
pub static KERNEL: Kernel = kernel!("binary", BinaryParams);

params! {
    /// Twin of the shader's parameters.
    pub struct BinaryParams {
        width: u32,
        height: u32,
        channels: u32,
        b_picture: u32,
        b_group: u32,
        b_row: u32,
        b_pixel: u32,
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
    /// b.
    Second,
}

/// Bindings: a (any buffer for [`Kind::Second`]), b, residual (or any buffer), output, of a's shape. `b` is repeated along
/// each axis of which it has one.
pub fn dispatch(kind: Kind, a: Shape, b: Shape, residual: bool) -> Dispatch {
    let step = |repeated: bool, elements: usize| if repeated { 0 } else { elements as u32 };
    let params = BinaryParams {
        width: a.width as u32,
        height: a.height as u32,
        channels: a.channels as u32,
        b_picture: step(b.batch == 1, channel_groups(b.channels) * b.pixels()),
        b_group: step(b.channels == 1, b.pixels()),
        b_row: step(b.height == 1, b.width),
        b_pixel: step(b.width == 1, 1),
    };
    let one_channel = b.channels == 1 && a.channels > 1;
    KERNEL.dispatch(
        Specialization::overrides([
            ("KIND", kind as u32),
            ("ONE_CHANNEL", u32::from(one_channel)),
            ("RESIDUAL", u32::from(residual)),
        ]),
        &params,
        planes(a),
    )
}
