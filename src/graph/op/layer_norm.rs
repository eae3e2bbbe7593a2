//! Normalisation over channels.

use super::{Operator, expect};
use crate::tensor::{Parameter, Shape};

/// Layer normalisation (Ba et al., 2016, equation 4) of every pixel over its channels, as PyTorch's `LayerNorm`
/// of a token:
///
/// `y[c] = (x[c] − mean) / √(variance + epsilon) · weight[c] + bias[c]`, the variance a population's.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    /// `[channels]`.
    pub weight: Parameter,
    /// `[channels]`.
    pub bias: Parameter,
    /// What keeps the quotient finite.
    pub epsilon: f32,
}

impl Operator for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        for (what, parameter) in [("weight", &self.weight), ("bias", &self.bias)] {
            expect(parameter.dims() == [input.channels], || {
                format!("a {what} of [{}], found {:?}", input.channels, parameter.dims())
            })?;
        }
        Ok(*input)
    }
}
