//! Functions of one number, applied to every one.

use super::{Operator, expect};
use crate::tensor::{Parameter, Shape};

/// A pointwise function.
#[derive(Clone, Debug)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x` if positive, otherwise `slope · x`.
    LeakyRelu {
        /// The slope left of zero.
        slope: f32,
    },
    /// Leaky ReLU with a learned slope a channel.
    Prelu {
        /// `[channels]`, or `[1]` for all of them.
        slope: Parameter,
    },
    /// `x · Φ(x)`, by the error function.
    Gelu,
    /// `1 / (1 + e^−x)`.
    Sigmoid,
    /// `x / (1 + e^−x)`.
    Silu,
    /// `(e^x − e^−x) / (e^x + e^−x)`.
    Tanh,
}

impl Operator for Activation {
    fn name(&self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::Prelu { .. } => "prelu",
            Self::Gelu => "gelu",
            Self::Sigmoid => "sigmoid",
            Self::Silu => "silu",
            Self::Tanh => "tanh",
        }
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        if let Self::Prelu { slope } = self {
            let dims = slope.dims();
            expect(dims == [input.channels] || dims == [1], || {
                format!("slopes of [{}] or [1], found {dims:?}", input.channels)
            })?;
        }
        Ok(*input)
    }
}
