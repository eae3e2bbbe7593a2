//! Normalisation over channels.

use std::ops::Range;

use super::{Kind, Macs, Operator, expect};
use crate::tensor::Shape;

/// Layer normalisation (Ba et al., 2016, equation 4) of every pixel over its channels, as PyTorch's `LayerNorm`
/// of a token:
///
/// `y[c] = (x[c] − mean) / √(variance + epsilon) · weight[c] + bias[c]`, the variance a population's.
///
/// Inputs: the activations, weight and bias, a number a channel each, 1×C×1×1.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNorm {
    /// What keeps the quotient finite.
    pub epsilon: f32,
}

impl Operator for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input, weight, bias] = inputs else {
            return Err(format!("three inputs, found {}", inputs.len()));
        };
        for (what, shape) in [("weight", weight), ("bias", bias)] {
            expect(*shape == Shape::new(1, input.channels, 1, 1), || {
                format!("a {what} of {} channels, found {shape}", input.channels)
            })?;
        }
        Ok(*input)
    }

    fn kind(&self) -> Kind {
        Kind::Mixing
    }

    fn activations(&self, _inputs: usize) -> usize {
        1
    }

    fn scale(&self) -> [usize; 2] {
        [1, 1]
    }

    fn alignment(&self) -> usize {
        1
    }

    fn input_region(&self, input: usize, output: Range<isize>) -> Option<Range<isize>> {
        (input == 0).then_some(output)
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }
}
