//! A plan in words: a line a step, as tests compare it and people read it.

use std::fmt;

use super::{Buffer, Indirect, Piece, Plan, mebibytes};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: u64 = self.slots.iter().sum();
        let inputs: Vec<String> =
            self.picture.iter().chain(&self.given).map(|port| port.shape.to_string()).collect();
        writeln!(
            f,
            "plan {}  {} → {}  {} slots, {:.1} MiB  {} dispatches",
            self.name,
            inputs.join(" "),
            self.output.shape,
            self.slots.len(),
            mebibytes(bytes),
            self.steps.len()
        )?;
        for (at, step) in self.steps.iter().enumerate() {
            let (inputs, outputs) = step.bindings.split_at(step.bindings.len() - step.outputs);
            let all = |buffers: &[Buffer]| buffers.iter().map(describe).collect::<Vec<_>>().join(" ");
            let kernel = format!("{} {}", step.dispatch.kernel.name, step.dispatch.specialization);
            let zeroed = if step.zeroed { "0 " } else { "" };
            let flow = format!("{} → {zeroed}{}", all(inputs), all(outputs));
            let count = match step.indirect {
                Some(Indirect { slot, entry }) => format!("s{}[{entry}]", slot.0),
                None => String::new(),
            };
            let shape = step.shape.to_string();
            writeln!(f, "{at:>4}  {kernel:<64}  {flow:<38}  {count:<8}  {shape:<14}  {}", step.label)?;
        }
        Ok(())
    }
}

fn describe(buffer: &Buffer) -> String {
    match buffer {
        Buffer::Slot(slot) => format!("s{}", slot.0),
        Buffer::Constant(constant) => format!("c{constant}"),
        Buffer::Parameter(parameter) => format!("p{parameter}"),
        Buffer::Resident(Piece { array, offset, .. }) => format!("r{array}+{offset}"),
        Buffer::Unused => "-".into(),
    }
}
