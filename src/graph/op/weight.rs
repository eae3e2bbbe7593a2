//! Operators of weights: what a network derives from its parameters.

use std::ops::Range;

use super::{BinaryKind, Kind, Macs, Op, Operator, expect};
use crate::error::Error;
use crate::graph::{Backward, Value};
use crate::tensor::Shape;

/// What is done to weights alone, `[out, in, k, k]` as pictures are N×C×H×W. Inference runs none: it is computed when
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
    /// A convolution's weight `[out, in / groups, k, k]` as that of its adjoint, `[in, out / groups, k, k]`: inputs and
    /// outputs of each group in each other's place, the kernel turned by half a circle.
    Flip {
        /// The convolution's groups.
        groups: usize,
    },
    /// What [`Pad`](Self::Pad) added is taken away.
    Crop {
        /// Rows above and below.
        rows: usize,
        /// Columns to the left and to the right.
        columns: usize,
    },
    /// How much more likely each channel is dense than sparse: `x[0, c, layer, 0] − x[0, c, layer, 1]`, 1×C×1×1.
    ChannelLogit {
        /// Which layer.
        layer: usize,
    },
    /// The adjoint of [`ChannelLogit`](Self::ChannelLogit): 1×C×layers×2.
    ChannelLogitGradient {
        /// Which layer.
        layer: usize,
        /// How many there are.
        layers: usize,
    },
}

impl Operator for WeightOperation {
    fn name(&self) -> &'static str {
        match self {
            Self::Norm => "weight_norm",
            Self::Transpose => "transpose",
            Self::Pad { .. } => "pad",
            Self::ChannelOrder { .. } => "channel_order",
            Self::Reorder => "reorder",
            Self::Flip { .. } => "flip",
            Self::Crop { .. } => "crop",
            Self::ChannelLogit { .. } => "channel_logit",
            Self::ChannelLogitGradient { .. } => "channel_logit_gradient",
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
            (Self::Flip { groups }, [x]) => {
                expect(*groups > 0 && x.batch % groups == 0, || {
                    format!("{groups} groups of outputs, found {} outputs", x.batch)
                })?;
                Ok(Shape { batch: x.channels * groups, channels: x.batch / groups, ..*x })
            }
            (Self::Crop { rows, columns }, [x]) => {
                expect(x.height > 2 * rows && x.width > 2 * columns, || {
                    format!("more than {}x{} taps, found {x}", 2 * rows, 2 * columns)
                })?;
                Ok(x.with_size(x.height - 2 * rows, x.width - 2 * columns))
            }
            (Self::ChannelLogitGradient { layer, layers }, [g]) => {
                expect(*g == Shape::new(1, g.channels, 1, 1) && layer < layers, || {
                    format!("a number a channel and a layer below {layers}, found {g} and {layer}")
                })?;
                Ok(g.with_size(*layers, 2))
            }
            (Self::ChannelOrder { layer, .. } | Self::ChannelLogit { layer }, [logits]) => {
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
            Self::Norm | Self::ChannelOrder { .. } | Self::ChannelLogit { .. } => Kind::Mixing,
            _ => Kind::Moving,
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

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        let (x, g) = (at.inputs()[0], at.gradient());
        let made = match self {
            Self::Norm => return norm_gradient(at),
            Self::Transpose => at.append(Op::Weight(Self::Transpose), &[g])?,
            Self::Flip { groups } => at.append(Op::Weight(Self::Flip { groups: *groups }), &[g])?,
            Self::Pad { rows, columns } => {
                at.append(Op::Weight(Self::Crop { rows: *rows, columns: *columns }), &[g])?
            }
            Self::Crop { rows, columns } => {
                at.append(Op::Weight(Self::Pad { rows: *rows, columns: *columns }), &[g])?
            }
            Self::ChannelLogit { layer } => {
                let op = Self::ChannelLogitGradient { layer: *layer, layers: at.shape(x).height };
                at.append(Op::Weight(op), &[g])?
            }
            Self::ChannelLogitGradient { .. } | Self::ChannelOrder { .. } | Self::Reorder => {
                return Err(at.refused());
            }
        };
        Ok(vec![Some(made)])
    }
}

/// With v̂ = v / ‖v‖ for each output: `dg = ⟨dw, v̂⟩`, `dv = g · (dw − ⟨dw, v̂⟩ · v̂) / ‖v‖`.
fn norm_gradient(at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
    let (&[v, magnitudes], g) = (at.inputs(), at.gradient()) else { return Err(at.refused()) };
    let outputs = Shape::new(at.shape(v).batch, 1, 1, 1);
    let turned = at.shape(magnitudes) != outputs; // a number a channel, 1×outputs×1×1
    let turn = |at: &mut Backward<'_>, x| match turned {
        true => at.append(Op::Weight(WeightOperation::Transpose), &[x]),
        false => Ok(x),
    };
    let magnitudes = turn(at, magnitudes)?;
    if at.shape(magnitudes) != outputs {
        return Err(at.refused());
    }
    let one = at.constant(outputs, 1.0)?;
    let unit = at.append(Op::Weight(WeightOperation::Norm), &[v, one])?;
    let product = at.binary(BinaryKind::Multiply, unit, g)?;
    let along = at.sum_to(product, outputs)?;
    let radial = at.binary(BinaryKind::Multiply, unit, along)?;
    let tangential = at.binary(BinaryKind::Subtract, g, radial)?;
    let product = at.binary(BinaryKind::Multiply, unit, v)?;
    let norm = at.sum_to(product, outputs)?;
    let factor = at.binary(BinaryKind::Divide, magnitudes, norm)?;
    let of_directions = at.binary(BinaryKind::Multiply, tangential, factor)?;
    Ok(vec![Some(of_directions), Some(turn(at, along)?)])
}
