//! Attention and its gradients: one dispatch, or several where one would keep a device silent for too long.

use super::Lowering;
use crate::error::{Error, Result};
use crate::graph::{Among, Attention as Op, Conv2d, Graph, Node, Op as AnyOp, TrainingOperation, Value};
use crate::kernel::attention::{Attention, DEPTH, Sets};
use crate::kernel::conv2d_direct::{self, Conv2dDirect};
use crate::kernel::epilogue::Epilogue;
use crate::kernel::global_pool::{Finish, Term};
use crate::kernel::{
    attention_gradient_keys, attention_gradient_queries, attention_table_gradient, channel_attention,
};
use crate::plan::Buffer;
use crate::plan::packing::Layout;
use crate::tensor::Shape;

/// Whether the kernels take the heads of every attention.
pub(in crate::plan) fn check(graph: &Graph) -> Result<()> {
    for (_, node) in graph.values() {
        let (op, made) = match &node.op {
            AnyOp::Attention(op) => (op, node.shape),
            AnyOp::Training(
                TrainingOperation::AttentionGradient(op) | TrainingOperation::AttentionTableGradient(op),
            ) => (op, graph.node(node.inputs[1]).shape),
            _ => continue,
        };
        let depth = made.channels / op.heads;
        if depth > DEPTH {
            return Err(Error::Unsupported(format!(
                "{}: heads of {depth} channels, and on the GPU they have at most {DEPTH}; choose the CPU",
                node.name
            )));
        }
    }
    Ok(())
}

impl Lowering<'_> {
    pub(super) fn attention(
        &mut self,
        op: &Op,
        input: Buffer,
        weights: &[Value],
        output: Shape,
        name: &str,
    ) -> Buffer {
        let (attention, bias) = (attention(op, output), self.biases(weights.first()));
        let to = self.draft.value_slot(output);
        for dispatch in attention.dispatches(self.choice.limits.workgroups, self.choice.limits.subgroup_lanes)
        {
            self.draft.write(dispatch, vec![input, bias], to, name, output);
        }
        Buffer::Slot(to)
    }

    /// Products and norms over all pixels, the shares, and a grouped convolution by them.
    pub(super) fn channel_attention(
        &mut self,
        heads: usize,
        [queries, keys, values]: [Buffer; 3],
        temperature: Value,
        shape: Shape,
        name: &str,
    ) -> Buffer {
        let (channels, depth) = (shape.channels, shape.channels / heads);
        let root = Finish { root: true, ..Finish::NONE };
        let of_keys = Conv2d { groups: heads, ..Conv2d::same(1) };
        let weight = Shape::new(channels, depth, 1, 1);
        let products = self.conv2d_weight_gradient(&of_keys, [shape; 2], vec![keys, queries], weight, name);
        let [query_norms, key_norms] = [queries, keys]
            .map(|read| self.sum_of_pixels(shape, [read, Buffer::Unused], Term::Square, root, name));
        let temperature = self.draft.packed(Layout::Plain(self.weight(temperature).id));
        let read = vec![products, query_norms, key_norms, temperature];
        let shares = channel_attention::shares(channels, depth);
        let shares = self.draft.step(channel_attention::dispatch(channels, depth), read, name, shares);
        let conv = Conv2dDirect {
            input: shape,
            output: shape,
            kernel: 1,
            stride: 1,
            padding: 0,
            groups: heads,
            epilogue: Epilogue::default(),
        };
        let bias = self.numbers(None, channels);
        let read = vec![values, Buffer::Unused, shares, bias];
        self.draft.step(conv2d_direct::dispatch(&conv), read, name, shape)
    }

    /// With respect to queries, which leave what is found of their softmaxes, then to keys and values.
    pub(super) fn attention_gradient(&mut self, op: &Op, root: &Node, read: Vec<Buffer>) -> Buffer {
        let (name, shape) = (&root.name, root.shape);
        let attention = attention(op, self.graph.node(root.inputs[1]).shape);
        let (bias, workgroups) = (self.biases(root.inputs.get(2)), self.choice.limits.workgroups);
        let softmaxes = self.draft.value_slot(attention_gradient_queries::softmaxes(&attention));
        let to = self.draft.value_slot(shape);
        for dispatch in attention_gradient_queries::dispatches(&attention, workgroups) {
            let bindings = vec![read[0], read[1], bias, Buffer::Slot(to)];
            self.draft.write(dispatch, bindings, softmaxes, name, shape).outputs = 2;
        }
        for dispatch in attention_gradient_keys::dispatches(&attention, workgroups) {
            let bindings = vec![read[0], read[1], Buffer::Slot(softmaxes), bias];
            self.draft.write(dispatch, bindings, to, name, shape);
        }
        Buffer::Slot(to)
    }

    /// Sums of some sets each, then the sum of those.
    pub(super) fn attention_table_gradient(&mut self, op: &Op, root: &Node, mut read: Vec<Buffer>) -> Buffer {
        let name = &root.name;
        let attention = attention(op, self.graph.node(root.inputs[1]).shape);
        read.push(self.biases(root.inputs.get(2)));
        let parts = attention_table_gradient::parts(&attention);
        let sums = self.draft.value_slot(parts);
        for dispatch in attention_table_gradient::dispatches(&attention) {
            self.draft.write(dispatch, read.clone(), sums, name, parts);
        }
        self.sum_of_pixels(parts, [Buffer::Slot(sums), Buffer::Unused], Term::Value, Finish::NONE, name)
    }

    /// The table of windows.
    fn biases(&mut self, table: Option<&Value>) -> Buffer {
        table.map_or(Buffer::Unused, |table| self.draft.packed(Layout::Plain(self.weight(*table).id)))
    }
}

fn attention(op: &Op, output: Shape) -> Attention {
    let sets = match op.among {
        Among::Windows { size, shift } => Sets::Windows { size, shift },
        Among::Runs { count } => Sets::Runs { length: (output.pixels() / count).max(1) },
    };
    Attention { output, heads: op.heads, scale: op.scale, sets }
}
