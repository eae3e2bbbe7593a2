//! Attention: one dispatch, or several where one would keep a device silent for too long.

use super::Lowering;
use crate::error::{Error, Result};
use crate::graph::{Among, Attention as Op, Graph, Op as AnyOp, Value};
use crate::kernel::attention::{Attention, DEPTH, Sets};
use crate::plan::Buffer;
use crate::plan::packing::Layout;
use crate::tensor::Shape;

/// Whether the kernel takes the heads of every attention.
pub(in crate::plan) fn check(graph: &Graph) -> Result<()> {
    for (_, node) in graph.values() {
        let AnyOp::Attention(op) = &node.op else { continue };
        let depth = node.shape.channels / op.heads;
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
        let (sets, bias) = match &op.among {
            Among::Windows { size, shift } => {
                let bias = self.draft.packed(Layout::Plain(self.weight(weights[0]).id));
                (Sets::Windows { size: *size, shift: *shift }, bias)
            }
            Among::Runs { count } => {
                (Sets::Runs { length: (output.pixels() / count).max(1) }, Buffer::Unused)
            }
        };
        let to = self.draft.value_slot(output);
        let attention = Attention { output, heads: op.heads, scale: op.scale, sets };
        for dispatch in attention.dispatches(self.choice.limits.workgroups, self.choice.limits.subgroup_lanes)
        {
            self.draft.write(dispatch, vec![input, bias], to, name, output);
        }
        Buffer::Slot(to)
    }
}
