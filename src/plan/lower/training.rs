//! What only training has: losses, sums, gradients, and weights that are computed in every run.

use super::{Lowering, function};
use crate::graph::{Axes, Conv2d, Loss, Node, ResizeKind, TrainingOperation, WeightOperation};
use crate::kernel::arrange::Origin;
use crate::kernel::binary::Kind;
use crate::kernel::global_pool::{Finish, Term};
use crate::kernel::loss::Distance;
use crate::kernel::resize_gradient::Kind as Interpolation;
use crate::kernel::{self};
use crate::plan::Buffer;
use crate::plan::packing::Layout;
use crate::tensor::{Shape, packed_len};

const _: () =
    assert!(TrainingOperation::CHOICES == kernel::sparsestmax::CHOICES, "a thread has room for them");

impl Lowering<'_> {
    pub(super) fn training(
        &mut self,
        op: &TrainingOperation,
        root: &Node,
        mut read: Vec<Buffer>,
        output: Shape,
    ) -> Buffer {
        let (name, x) = (&root.name, self.graph.node(root.inputs[0]).shape);
        let dispatch = match op {
            TrainingOperation::Loss(loss) => return self.loss(*loss, x, read, name),
            TrainingOperation::LossGradient(loss) => kernel::loss_gradient::dispatch(output, distance(*loss)),
            TrainingOperation::Sum(axes) => return self.sum_over(*axes, x, read[0], name),
            TrainingOperation::Broadcast { .. } => {
                read = vec![Buffer::Unused, read[0], Buffer::Unused];
                kernel::binary::dispatch(Kind::Second, output, x, false)
            }
            TrainingOperation::PadChannels { before, .. } => {
                let to = self.draft.value_slot(output);
                let dispatch = kernel::concat::dispatch(x, output, *before);
                self.draft.write(dispatch, read, to, name, output).zeroed = true;
                return Buffer::Slot(to);
            }
            TrainingOperation::Conv2dWeightGradient(conv) => {
                let g = self.graph.node(root.inputs[1]).shape;
                return self.conv2d_weight_gradient(conv, [x, g], read, output, name);
            }
            TrainingOperation::ActivationGradient(activation) => {
                read.push(match root.inputs.get(2) {
                    Some(slopes) => {
                        let id = self.weight(*slopes).id;
                        self.draft.packed(Layout::Slope(id, x.channels))
                    }
                    None => Buffer::Unused,
                });
                kernel::activation_gradient::dispatch(output, function(activation))
            }
            TrainingOperation::Blur => kernel::blur::dispatch(x, false),
            TrainingOperation::BlurGradient => kernel::blur::dispatch(x, true),
            TrainingOperation::MaxPoolGradient(op) => {
                let blocks = self.graph.node(root.inputs[1]).shape;
                kernel::max_pool_gradient::dispatch(x, blocks, op.size, op.stride)
            }
            TrainingOperation::ResizeGradient { kind, .. } => {
                kernel::resize_gradient::dispatch(interpolation(*kind), x, output)
            }
            TrainingOperation::LayerNormGradient { epsilon } => {
                read.push(self.numbers(root.inputs.get(2), x.channels));
                kernel::layer_norm_gradient::dispatch(x, *epsilon)
            }
            TrainingOperation::Sparsestmax => kernel::sparsestmax::dispatch(x),
            TrainingOperation::SparsestmaxGradient => kernel::sparsestmax_gradient::dispatch(x),
            TrainingOperation::AttentionGradient(op) => return self.attention_gradient(op, root, read),
            TrainingOperation::AttentionTableGradient(op) => {
                return self.attention_table_gradient(op, root, read);
            }
        };
        self.draft.step(dispatch, read, name, output)
    }

    fn loss(&mut self, loss: Loss, x: Shape, read: Vec<Buffer>, name: &str) -> Buffer {
        let partial = kernel::loss::reduced(x);
        let sums = self.draft.step(kernel::loss::dispatch(x, distance(loss)), read, name, partial);
        let mean = Finish { scale: 1.0 / x.len() as f32, root: false };
        self.sum_of_pixels(partial, [sums, Buffer::Unused], Term::Value, mean, name)
    }

    fn sum_over(&mut self, axes: Axes, x: Shape, input: Buffer, name: &str) -> Buffer {
        let (mut shape, mut sum) = (x, input);
        if axes.pixels && shape.pixels() > 1 {
            sum = self.sum_of_pixels(shape, [sum, Buffer::Unused], Term::Value, Finish::NONE, name);
            shape = shape.with_size(1, 1);
        }
        if axes.channels && shape.channels > 1 {
            let dispatch = kernel::sum::over_channels(shape);
            shape = shape.with_channels(1);
            sum = self.draft.step(dispatch, vec![sum], name, shape);
        }
        if axes.batch && shape.batch > 1 {
            let count = shape.batch;
            shape.batch = 1;
            sum = self.draft.step(kernel::sum::over_pictures(shape, count), vec![sum], name, shape);
        }
        sum
    }

    /// Sums of slices, then the sum of those.
    pub(super) fn conv2d_weight_gradient(
        &mut self,
        conv: &Conv2d,
        [x, g]: [Shape; 2],
        read: Vec<Buffer>,
        weight: Shape,
        name: &str,
    ) -> Buffer {
        let (dispatch, slices) = if conv.stride == 1 && conv.groups == 1 {
            use kernel::conv2d_weight_gradient::{dispatch, slices};
            (dispatch(x, g, weight, conv.padding), slices(x, g, weight))
        } else {
            use kernel::conv2d_weight_gradient_direct::{dispatch, slices};
            (dispatch(x, g, weight, conv.stride, conv.padding), slices(g, weight))
        };
        let partial = Shape { batch: slices.count * weight.batch, ..weight };
        let sums = self.draft.step(dispatch, read, name, partial);
        if slices.count == 1 {
            return sums;
        }
        self.draft.step(kernel::sum::over_pictures(weight, slices.count), vec![sums], name, weight)
    }

    pub(super) fn weight_operation(&mut self, op: &WeightOperation, root: &Node, output: Shape) -> Buffer {
        let read: Vec<Buffer> = root.inputs.iter().map(|input| self.buffers[input.index()]).collect();
        let x = self.graph.node(root.inputs[0]).shape;
        let origin = |at| Some(Origin { at, ..Origin::default() });
        let name = &root.name;
        let table = match op {
            WeightOperation::Norm => {
                let magnitudes = self.graph.node(root.inputs[1]).shape;
                return self.draft.step(kernel::weight_norm::dispatch(x, magnitudes), read, name, output);
            }
            WeightOperation::Transpose => {
                kernel::arrange::table(output, x, |[n, c, y, x]| origin([c, n, y, x]))
            }
            WeightOperation::Pad { rows, columns } => {
                kernel::arrange::table(output, x, |[n, c, y, column]| {
                    let (y, column) = (y.checked_sub(*rows)?, column.checked_sub(*columns)?);
                    (y < x.height && column < x.width).then_some(())?;
                    origin([n, c, y, column])
                })
            }
            WeightOperation::Crop { rows, columns } => {
                kernel::arrange::table(output, x, |[n, c, y, x]| origin([n, c, y + rows, x + columns]))
            }
            WeightOperation::Flip { groups } => {
                let (outputs, inputs) = (x.batch / groups, x.channels);
                kernel::arrange::table(output, x, |[i, o, ky, kx]| {
                    let group = i / inputs;
                    origin([group * outputs + o, i % inputs, x.height - 1 - ky, x.width - 1 - kx])
                })
            }
            WeightOperation::ChannelLogit { layer } => {
                let [dense, sparse] = [0, 1].map(|class| {
                    let table =
                        kernel::arrange::table(output, x, |[_, c, _, _]| origin([0, c, *layer, class]));
                    self.arranged(table, read[0], name, output)
                });
                let subtract = kernel::binary::dispatch(Kind::Subtract, output, output, false);
                return self.draft.step(subtract, vec![dense, sparse, Buffer::Unused], name, output);
            }
            WeightOperation::ChannelLogitGradient { layer, .. } => {
                kernel::arrange::table(output, x, |[_, c, l, class]| {
                    let negative = class == 1;
                    (l == *layer).then_some(Origin { at: [0, c, 0, 0], negative, value: 0 })
                })
            }
            WeightOperation::ChannelOrder { .. } | WeightOperation::Reorder => {
                unreachable!("refused before")
            }
        };
        self.arranged(table, read[0], name, output)
    }

    fn arranged(&mut self, table: Vec<u32>, from: Buffer, name: &str, output: Shape) -> Buffer {
        let table = self.draft.words(table);
        let dispatch = kernel::arrange::dispatch(packed_len(output));
        self.draft.step(dispatch, vec![from, Buffer::Unused, Buffer::Unused, table], name, output)
    }
}

fn interpolation(kind: ResizeKind) -> Interpolation {
    match kind {
        ResizeKind::Nearest => Interpolation::Nearest,
        ResizeKind::Bilinear => Interpolation::Bilinear,
        ResizeKind::BilinearCorners => Interpolation::BilinearCorners,
        ResizeKind::Bicubic => Interpolation::Bicubic,
    }
}

fn distance(loss: Loss) -> Distance {
    match loss {
        Loss::L1 => Distance::L1,
        Loss::Charbonnier { epsilon } => Distance::Charbonnier(epsilon),
        Loss::MeanSquare => Distance::MeanSquare,
    }
}
