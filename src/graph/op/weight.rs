//! Operators of weights: what a network derives from its parameters.

use std::ops::Range;

use super::{Kind, Macs, Operator, expect};
use crate::tensor::Shape;

/// What is done to weights alone, `[out, in, k, k]` as pictures are N×C×H×W. No engine runs it: it is computed when
/// numbers are given to a network, see [`Graph::fold_parameters`](crate::graph::Graph::fold_parameters).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WeightOperation {
    /// Weight normalisation (Salimans and Kingma, NIPS 2016, equation 2): `w[o] = g[o] · v[o] / max(‖v[o]‖, 10⁻¹²)`, the
    /// norm over all but the first axis. Inputs: the directions v, the magnitudes g, a number each.
    Norm,
    /// `y[c, n] = x[n, c]`: outputs and inputs in each other's place.
    Transpose,
    /// Zeros around a kernel, as many on opposite sides, so that kernels of several sizes can be added.
    Pad {
        /// Rows above and below.
        rows: usize,
        /// Columns to the left and to the right.
        columns: usize,
    },
    /// The order of a layer's channels, dense ones first, each kind upwards: their numbers, 1×C×1×1. A channel is dense
    /// if of its two logits `x[0, c, layer, ·]` the first is larger (SMSR, section 3.2: a softmax, rounded).
    ///
    /// How many are dense the graph is made for: numbers that say otherwise do not fit it.
    ChannelOrder {
        /// Which layer.
        layer: usize,
        /// How many channels are dense.
        dense: usize,
    },
    /// `y[o, i] = x[rows[o], columns[i]]`: outputs and inputs, chosen and ordered. Inputs: the weight, then the numbers
    /// of its outputs and of its inputs, 1×N×1×1 each.
    Reorder,
}

impl Operator for WeightOperation {
    fn name(&self) -> &'static str {
        match self {
            Self::Norm => "weight_norm",
            Self::Transpose => "transpose",
            Self::Pad { .. } => "pad",
            Self::ChannelOrder { .. } => "channel_order",
            Self::Reorder => "reorder",
        }
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match (self, inputs) {
            (Self::Norm, [directions, magnitudes]) => {
                let outputs = directions.batch;
                expect(magnitudes.len() == outputs, || {
                    format!("{outputs} magnitudes, one an output, found {magnitudes}")
                })?;
                Ok(*directions)
            }
            (Self::Transpose, [x]) => Ok(Shape { batch: x.channels, channels: x.batch, ..*x }),
            (Self::Pad { rows, columns }, [x]) => Ok(x.with_size(x.height + 2 * rows, x.width + 2 * columns)),
            (Self::ChannelOrder { layer, .. }, [logits]) => {
                expect(logits.batch == 1 && logits.height > *layer && logits.width == 2, || {
                    format!("two logits for each channel of more than {layer} layers, found {logits}")
                })?;
                Ok(logits.with_size(1, 1))
            }
            (Self::Reorder, [weight, rows, columns]) => {
                for numbers in [rows, columns] {
                    expect(*numbers == Shape::new(1, numbers.channels, 1, 1), || {
                        format!("numbers of channels, 1xNx1x1, found {numbers}")
                    })?;
                }
                Ok(Shape { batch: rows.channels, channels: columns.channels, ..*weight })
            }
            _ => Err(format!("another number of inputs, found {}", inputs.len())),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Transpose | Self::Pad { .. } | Self::Reorder => Kind::Moving,
            Self::Norm | Self::ChannelOrder { .. } => Kind::Mixing,
        }
    }

    fn activations(&self, _inputs: usize) -> usize {
        0
    }

    fn scale(&self) -> [usize; 2] {
        [1, 1]
    }

    fn alignment(&self) -> usize {
        1
    }

    fn input_region(&self, _input: usize, _output: Range<isize>) -> Option<Range<isize>> {
        None
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }
}
