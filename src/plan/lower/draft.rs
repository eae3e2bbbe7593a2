//! A plan under way: its steps in order, and what they bind. It knows no graph and makes no choice.

use crate::kernel::Dispatch;
use crate::plan::packing::{Layout, Packing};
use crate::plan::{Buffer, Constant, Slot, Step};
use crate::tensor::{Shape, packed_len};

/// What has been planned so far; every value still has a slot of its own.
#[derive(Debug, Default)]
pub(in crate::plan) struct Draft {
    pub steps: Vec<Step>,
    /// The bytes of each slot.
    pub slots: Vec<u64>,
    pub constants: Vec<Constant>,
    pub parameters: Vec<Packing>,
}

impl Draft {
    /// A dispatch whose output is a value of its own.
    pub(in crate::plan) fn step(
        &mut self,
        dispatch: Dispatch,
        read: Vec<Buffer>,
        label: &str,
        shape: Shape,
    ) -> Buffer {
        let output = self.value_slot(shape);
        self.write(dispatch, read, output, label, shape);
        Buffer::Slot(output)
    }

    /// A dispatch that writes `to`, or a part of it.
    pub(in crate::plan) fn write(
        &mut self,
        dispatch: Dispatch,
        mut bindings: Vec<Buffer>,
        to: Slot,
        label: &str,
        shape: Shape,
    ) -> &mut Step {
        bindings.push(Buffer::Slot(to));
        self.steps.push(Step::new(dispatch, bindings, label, shape));
        self.steps.last_mut().expect("just pushed")
    }

    pub(in crate::plan) fn value_slot(&mut self, shape: Shape) -> Slot {
        self.slot(4 * packed_len(shape) as u64)
    }

    pub(in crate::plan) fn slot(&mut self, bytes: u64) -> Slot {
        self.slots.push(bytes);
        Slot(self.slots.len() as u32 - 1)
    }

    /// Parameters in a kernel's order. Of what was packed before there is one.
    pub(in crate::plan) fn packed(&mut self, layout: Layout) -> Buffer {
        let packing = Packing::new(layout);
        let known = self.parameters.iter().position(|known| *known == packing);
        Buffer::Parameter(known.unwrap_or_else(|| {
            self.parameters.push(packing);
            self.parameters.len() - 1
        }) as u32)
    }

    /// What kernels count with. Of the same words there is one.
    pub(in crate::plan) fn words(&mut self, words: Vec<u32>) -> Buffer {
        let same = |known: &Constant| matches!(known, Constant::Words(known) if **known == *words);
        match self.constants.iter().position(same) {
            Some(known) => Buffer::Constant(known as u32),
            None => self.constant(Constant::Words(words.into())),
        }
    }

    pub(in crate::plan) fn constant(&mut self, constant: Constant) -> Buffer {
        self.constants.push(constant);
        Buffer::Constant(self.constants.len() as u32 - 1)
    }
}
