//! Functions of one number, applied to every one.

use std::ops::Range;

use super::{BinaryKind, Kind, Macs, Op, Operator, TrainingOperation, expect};
use crate::error::Error;
use crate::graph::{Backward, Value};
use crate::tensor::Shape;

/// A pointwise function.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x` if positive, otherwise `slope · x`.
    LeakyRelu {
        /// The slope left of zero.
        slope: f32,
    },
    /// Leaky ReLU with a learned slope a channel. Inputs: the activations, then the slopes, 1×C×1×1, or 1×1×1×1 for
    /// all channels.
    Prelu,
    /// `x · Φ(x)`, by the error function.
    Gelu,
    /// `1 / (1 + e^−x)`.
    Sigmoid,
    /// `x / (1 + e^−x)`.
    Silu,
    /// `(e^x − e^−x) / (e^x + e^−x)`.
    Tanh,
}

impl Activation {
    /// Whether the slope at a place follows from the function's output there: a gradient then asks for no more than what
    /// the next operator reads anyway.
    pub fn gradient_reads_output(&self) -> bool {
        match self {
            Self::Relu | Self::Sigmoid | Self::Tanh => true,
            Self::LeakyRelu { slope } => *slope > 0.0,
            Self::Prelu | Self::Gelu | Self::Silu => false,
        }
    }
}

impl Operator for Activation {
    fn name(&self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::Prelu => "prelu",
            Self::Gelu => "gelu",
            Self::Sigmoid => "sigmoid",
            Self::Silu => "silu",
            Self::Tanh => "tanh",
        }
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match (self, inputs) {
            (Self::Prelu, [input, slopes]) => {
                let fits = [input.channels, 1].map(|channels| Shape::new(1, channels, 1, 1)).contains(slopes);
                expect(fits, || {
                    format!("a slope each of {} channels, or one, found {slopes}", input.channels)
                })?;
                Ok(*input)
            }
            (Self::Prelu, _) => Err(format!("two inputs, found {}", inputs.len())),
            (_, [input]) => Ok(*input),
            _ => Err(format!("one input, found {}", inputs.len())),
        }
    }

    fn kind(&self) -> Kind {
        Kind::Pointwise
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
        let (x, g) = (at.inputs()[0], at.gradient());
        let value = if self.gradient_reads_output() { at.output() } else { x };
        let slopes = at.inputs()[1..].to_vec();
        let inputs = [&[value, g], &slopes[..]].concat();
        let mut parts =
            vec![Some(at.training(TrainingOperation::ActivationGradient(self.clone()), &inputs)?)];
        for slopes in slopes {
            let positive = at.append(Op::Activation(Self::Relu), &[x])?;
            let negative = at.binary(BinaryKind::Subtract, x, positive)?;
            let by_slope = at.binary(BinaryKind::Multiply, negative, g)?;
            parts.push(Some(at.sum_to(by_slope, at.shape(slopes))?));
        }
        Ok(parts)
    }
}
