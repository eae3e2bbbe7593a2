//! Host half of `shaders/activation.wgsl`, and twin of `shaders/shared/activation.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::{Parameter, Shape};

/// The shader.
pub static KERNEL: Kernel = kernel!("activation", ActivationParams);

params! {
    /// Twin of the shader's parameters.
    pub struct ActivationParams {
        width: u32,
        height: u32,
        channels: u32,
        slope: f32,
    }
}

/// A function of one number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Function {
    /// x.
    #[default]
    Identity,
    /// max(x, 0).
    Relu,
    /// x or slope · x.
    LeakyRelu(f32),
    /// x · Φ(x).
    Gelu,
    /// 1 / (1 + e^−x).
    Sigmoid,
    /// x / (1 + e^−x).
    Silu,
    /// (e^x − e^−x) / (e^x + e^−x).
    Tanh,
    /// x or a slope a channel · x.
    Prelu,
}

impl Function {
    pub(super) fn code(self) -> u32 {
        match self {
            Self::Identity => 0,
            Self::Relu => 1,
            Self::LeakyRelu(_) => 2,
            Self::Gelu => 3,
            Self::Sigmoid => 4,
            Self::Silu => 5,
            Self::Tanh => 6,
            Self::Prelu => 7,
        }
    }

    pub(super) fn slope(self) -> f32 {
        match self {
            Self::LeakyRelu(slope) => slope,
            _ => 0.0,
        }
    }
}

/// Bindings: input, slope a channel as [`pack_slope`] makes it (any buffer, but for [`Function::Prelu`]), output.
pub fn dispatch(shape: Shape, function: Function) -> Dispatch {
    launch(&KERNEL, shape, function)
}

/// A kernel that is specialised to a function.
pub(super) fn launch(kernel: &'static Kernel, shape: Shape, function: Function) -> Dispatch {
    let params = ActivationParams {
        width: shape.width as u32,
        height: shape.height as u32,
        channels: shape.channels as u32,
        slope: function.slope(),
    };
    let overrides = Specialization::overrides([("ACTIVATION", function.code())]);
    kernel.dispatch(overrides, &params, planes(shape))
}

/// A slope a channel, from one a channel or one for all.
pub fn pack_slope(slope: &Parameter, channels: usize) -> Vec<f32> {
    let values = slope.values();
    (0..channels.next_multiple_of(4))
        .map(|c| values.get(c % values.len().max(1)).copied().unwrap_or(0.0))
        .collect()
}
