//! Normalisation over channels.

use std::ops::Range;

use super::{BinaryKind, Kind, Macs, Op, Operator, TrainingOperation, expect};
use crate::error::Error;
use crate::graph::{Backward, Value};
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

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        let (x, weight, g) = (at.inputs()[0], at.inputs()[1], at.gradient());
        let shape = at.shape(weight);
        let op = TrainingOperation::LayerNormGradient { epsilon: self.epsilon };
        let mut parts = vec![Some(at.training(op, &[x, g, weight])?), None, None];
        if at.needs(1) {
            let [one, zero] = [at.constant(shape, 1.0)?, at.constant(shape, 0.0)?];
            let normalised = at.append(Op::LayerNorm(self.clone()), &[x, one, zero])?;
            let product = at.binary(BinaryKind::Multiply, normalised, g)?;
            parts[1] = Some(at.sum_to(product, shape)?);
        }
        if at.needs(2) {
            parts[2] = Some(at.sum_to(g, shape)?);
        }
        Ok(parts)
    }
}
