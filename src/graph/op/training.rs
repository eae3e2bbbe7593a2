//! Operators that only learning needs: losses, sums, and what the gradients of others are made of.

use std::ops::Range;

use super::conv2d::Conv2d;
use super::{Activation, Attention, Kind, Macs, MaxPool, Op, Operator, ResizeKind, Slice, expect};
use crate::error::Error;
use crate::graph::{Backward, Value};
use crate::tensor::Shape;

/// An operator of training graphs. `g` is the gradient that comes in: of the loss with respect to what the operator of
/// the forward pass made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TrainingOperation {
    /// How far two values are apart, one number: 1×1×1×1. Inputs: what was made, and the target.
    Loss(Loss),
    /// `g · ∂loss / ∂made`. Inputs: what was made, the target, g.
    LossGradient(Loss),
    /// The sum over some axes, of which the result has one number.
    Sum(Axes),
    /// Repeats along each axis of which the input has one number, as [`Sum`](Self::Sum) summed.
    Broadcast {
        /// What is made.
        shape: Shape,
    },
    /// Zeros in front of the channels and behind them: the adjoint of [`Slice`](super::Slice).
    PadChannels {
        /// Channels in front.
        before: usize,
        /// Channels behind.
        after: usize,
    },
    /// The filter of Laplacian pyramids (Burt and Adelson, *The Laplacian pyramid as a compact image code*, IEEE
    /// Transactions on Communications 1983): [1 4 6 4 1] / 16 along both axes, edges mirrored as PyTorch's `reflect` does.
    Blur,
    /// Its adjoint. Input: g.
    BlurGradient,
    /// `∂⟨g, conv(x, w)⟩ / ∂w`: `y[o, i, k] = Σ_{n, p} g[n, o, p] · x[n, i, stride · p + k − padding]`, of the group's
    /// channels alone. Inputs: x and g.
    Conv2dWeightGradient(Conv2d),
    /// `g · f′`. Inputs: f's output, or its input where [`Activation::gradient_reads_output`] says so; g; and the slopes of
    /// a PReLU.
    ActivationGradient(Activation),
    /// g at the first largest number of every block, in raster order, as in PyTorch. Inputs: x and g.
    MaxPoolGradient(MaxPool),
    /// The adjoint of [`ResizeTo`](super::ResizeTo), and of [`Resize`](super::Resize) but for the nearest: every number goes
    /// to the pixels that it was made from, by the same weights. Input: g.
    ResizeGradient {
        /// How it was resized.
        kind: ResizeKind,
        /// The height that it was resized from.
        height: usize,
        /// The width.
        width: usize,
    },
    /// With respect to the activations: `(h − mean(h) − x̂ · mean(h · x̂)) / √(variance + epsilon)`, where `h = g · weight`
    /// and x̂ is x normalised; means over channels. Inputs: x, g, the weight.
    LayerNormGradient {
        /// What keeps the quotient finite.
        epsilon: f32,
    },
    /// With respect to queries, keys and values. Inputs: these, g, and for windows the table of biases.
    AttentionGradient(Attention),
    /// With respect to the table of biases. Inputs: queries, keys and values; g; the table.
    AttentionTableGradient(Attention),
    /// Weights of a choice among at most [`CHOICES`](Self::CHOICES) channels, pixel by pixel: none negative, 1 in sum, and
    /// as far from the middle of those that are not zero as the radius asks (Shao et al., *SSN: Learning Sparse Switchable
    /// Normalization via SparsestMax*, CVPR 2019). At a radius of 0 that is sparsemax; at `√((K − 1) / K)` and above only one
    /// of K is left, unless several logits are the largest alike, which stay alike. Inputs: logits, and the radius, one
    /// number, which nothing goes back to.
    Sparsestmax,
    /// With respect to the logits. Inputs: logits, the radius, g.
    SparsestmaxGradient,
}

impl TrainingOperation {
    /// The most channels that [`Sparsestmax`](Self::Sparsestmax) chooses among.
    pub const CHOICES: usize = 16;
}

/// How far two values are apart: the mean over all numbers of a function of their difference d.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Loss {
    /// `|d|`; its gradient at zero is zero.
    L1,
    /// `√(d² + epsilon)` (Charbonnier et al., ICIP 1994; as Lai et al., *LapSRN*, CVPR 2017, equation 2).
    Charbonnier {
        /// What is added under the root: 10⁻¹² in BasicSR, 10⁻⁶ in the paper.
        epsilon: f32,
    },
    /// `d²`.
    MeanSquare,
}

/// Axes that are summed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axes {
    /// Pictures; outputs of a weight.
    pub batch: bool,
    /// Channels; inputs of a weight.
    pub channels: bool,
    /// Rows and columns.
    pub pixels: bool,
}

impl Axes {
    /// All of them.
    pub const ALL: Self = Self { batch: true, channels: true, pixels: true };
    /// All but channels: what a bias is the sum over.
    pub const BUT_CHANNELS: Self = Self { batch: true, channels: false, pixels: true };
    /// Channels alone.
    pub const CHANNELS: Self = Self { batch: false, channels: true, pixels: false };

    /// The axes along which `to` has one number and `from` more; `None` if one of the pixels' axes is and the other is not.
    pub(crate) fn between(from: Shape, to: Shape) -> Option<Self> {
        let kept = from.height == to.height && from.width == to.width;
        let whole = to.height == 1 && to.width == 1;
        let (batch, channels) = (to.batch != from.batch, to.channels != from.channels);
        (kept || whole).then_some(Self { batch, channels, pixels: !kept })
    }

    fn of(self, shape: Shape) -> Shape {
        let one = |summed: bool, length: usize| if summed { 1 } else { length };
        Shape {
            batch: one(self.batch, shape.batch),
            channels: one(self.channels, shape.channels),
            height: one(self.pixels, shape.height),
            width: one(self.pixels, shape.width),
        }
    }
}

impl Operator for TrainingOperation {
    fn name(&self) -> &'static str {
        match self {
            Self::Loss(_) => "loss",
            Self::LossGradient(_) => "loss_gradient",
            Self::Sum(_) => "sum",
            Self::Broadcast { .. } => "broadcast",
            Self::PadChannels { .. } => "pad_channels",
            Self::Blur => "blur",
            Self::BlurGradient => "blur_gradient",
            Self::Conv2dWeightGradient(_) => "conv2d_weight_gradient",
            Self::ActivationGradient(_) => "activation_gradient",
            Self::MaxPoolGradient(_) => "max_pool_gradient",
            Self::ResizeGradient { .. } => "resize_gradient",
            Self::LayerNormGradient { .. } => "layer_norm_gradient",
            Self::AttentionGradient(_) => "attention_gradient",
            Self::AttentionTableGradient(_) => "attention_table_gradient",
            Self::Sparsestmax => "sparsestmax",
            Self::SparsestmaxGradient => "sparsestmax_gradient",
        }
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match (self, inputs) {
            (Self::Loss(_), [made, target]) => {
                expect(made == target, || format!("a target of {made}, found {target}"))?;
                expect(made.len() > 0, || "at least one number, found none".into())?;
                Ok(NUMBER)
            }
            (Self::LossGradient(_), [made, target, g]) => {
                expect(made == target && *g == NUMBER, || {
                    format!("a target of {made} and a gradient of one number, found {target} and {g}")
                })?;
                Ok(*made)
            }
            (Self::Sum(axes), [x]) => Ok(axes.of(*x)),
            (Self::Broadcast { shape }, [x]) => {
                let fits = shape.axes().into_iter().zip(x.axes()).all(|(to, from)| from == to || from == 1);
                expect(fits, || format!("{shape}, or 1 along some of its axes, found {x}"))?;
                Ok(*shape)
            }
            (Self::PadChannels { before, after }, [x]) => Ok(x.with_channels(before + x.channels + after)),
            (Self::Blur | Self::BlurGradient, [x]) => {
                expect(x.height.min(x.width) > 2, || format!("sides of at least 3, found {x}"))?;
                Ok(*x)
            }
            (Self::Conv2dWeightGradient(conv), [x, g]) => weight_of(conv, *x, *g),
            (Self::ActivationGradient(activation), [value, g, slopes @ ..]) => {
                expect(value == g, || format!("a gradient of {value}, found {g}"))?;
                activation.infer(&[&[*value], slopes].concat())
            }
            (Self::MaxPoolGradient(pool), [x, g]) => {
                let made = pool.infer(&[*x])?;
                expect(made == *g, || format!("a gradient of {made}, found {g}"))?;
                Ok(*x)
            }
            (Self::ResizeGradient { height, width, .. }, [g]) => {
                expect(height * width > 0, || "at least one pixel, found none".into())?;
                Ok(g.with_size(*height, *width))
            }
            (Self::LayerNormGradient { .. }, [x, g, weight]) => {
                let expected = Shape::new(1, x.channels, 1, 1);
                expect(x == g && *weight == expected, || {
                    format!("a gradient of {x} and a weight of {expected}, found {g} and {weight}")
                })?;
                Ok(*x)
            }
            (Self::AttentionGradient(op), [x, g, table @ ..]) => attended(op, *x, *g, table),
            (Self::AttentionTableGradient(op), [x, g, table]) => {
                attended(op, *x, *g, &[*table])?;
                Ok(*table)
            }
            (Self::Sparsestmax, [x, radius]) => chosen(*x, *radius),
            (Self::SparsestmaxGradient, [x, radius, g]) => {
                expect(x == g, || format!("a gradient of {x}, found {g}"))?;
                chosen(*x, *radius)
            }
            _ => Err(format!("another number of inputs, found {}", inputs.len())),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::ActivationGradient(_) | Self::LossGradient(_) => Kind::Pointwise,
            Self::Broadcast { .. } | Self::PadChannels { .. } | Self::ResizeGradient { .. } => Kind::Moving,
            Self::Loss(_) | Self::Sum(_) | Self::MaxPoolGradient(_) => Kind::Reducing,
            _ => Kind::Mixing,
        }
    }

    fn activations(&self, inputs: usize) -> usize {
        match self {
            Self::ActivationGradient(_)
            | Self::LayerNormGradient { .. }
            | Self::AttentionGradient(_)
            | Self::AttentionTableGradient(_) => inputs.min(2),
            _ => inputs,
        }
    }

    fn scale(&self) -> [usize; 2] {
        [1, 1]
    }

    fn alignment(&self) -> usize {
        1
    }

    /// Training does not cut pictures into tiles.
    fn input_region(&self, _input: usize, _output: Range<isize>) -> Option<Range<isize>> {
        None
    }

    fn macs(&self, inputs: &[Shape], output: Shape) -> Macs {
        let always = match self {
            Self::Conv2dWeightGradient(_) => inputs[1].batch * inputs[1].pixels() * output.len(),
            _ => 0,
        };
        Macs { always: always as u64, masked: 0 }
    }

    /// Of what forward passes are made of; gradients of gradients there are none.
    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        let (x, g) = (at.inputs()[0], at.gradient());
        Ok(match self {
            Self::Loss(loss) => {
                let inputs = [x, at.inputs()[1], g];
                let made = at.training(Self::LossGradient(*loss), &inputs)?;
                let target = if at.needs(1) { Some(at.times(made, -1.0)?) } else { None };
                vec![Some(made), target]
            }
            Self::Sum(_) => vec![Some(at.broadcast(g, at.shape(x))?)],
            Self::Broadcast { .. } => vec![Some(at.sum_to(g, at.shape(x))?)],
            Self::PadChannels { before, .. } => {
                let channels = at.shape(x).channels;
                vec![Some(at.append(Op::Slice(Slice { start: *before, channels }), &[g])?)]
            }
            Self::Blur => vec![Some(at.training(Self::BlurGradient, &[g])?)],
            Self::BlurGradient => vec![Some(at.training(Self::Blur, &[g])?)],
            Self::Sparsestmax => {
                let inputs = [x, at.inputs()[1], g];
                vec![Some(at.training(Self::SparsestmaxGradient, &inputs)?), None]
            }
            _ => return Err(at.refused()),
        })
    }
}

/// One number.
const NUMBER: Shape = Shape::new(1, 1, 1, 1);

/// The shape of the weight by which such a convolution makes what has g's shape.
fn weight_of(conv: &Conv2d, x: Shape, g: Shape) -> Result<Shape, String> {
    let groups = conv.groups.max(1);
    let weight = Shape::new(g.channels, x.channels / groups, conv.kernel, conv.kernel);
    let made = conv.infer(&[x, weight])?;
    expect(made == g, || format!("a gradient of {made}, found {g}"))?;
    Ok(weight)
}

fn attended(op: &Attention, x: Shape, g: Shape, table: &[Shape]) -> Result<Shape, String> {
    let made = op.infer(&[&[x], table].concat())?;
    expect(made == g, || format!("a gradient of {made}, found {g}"))?;
    Ok(x)
}

fn chosen(logits: Shape, radius: Shape) -> Result<Shape, String> {
    expect(logits.channels <= TrainingOperation::CHOICES && radius == NUMBER, || {
        format!(
            "at most {} channels and a radius of one number, found {logits} and {radius}",
            TrainingOperation::CHOICES
        )
    })?;
    Ok(logits)
}
