//! A plan in words: a line a step, as tests compare it and people read it.

use std::fmt;

use super::{Buffer, Plan, mebibytes};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: u64 = self.slots.iter().sum();
        writeln!(
            f,
            "plan {}  {} → {}  {} slots, {:.1} MiB  {} dispatches",
            self.name,
            self.input.shape,
            self.output.shape,
            self.slots.len(),
            mebibytes(bytes),
            self.steps.len()
        )?;
        for (at, step) in self.steps.iter().enumerate() {
            let (output, inputs) = step.bindings.split_last().expect("a step binds its output");
            let inputs: Vec<String> = inputs.iter().map(describe).collect();
            let kernel = format!("{} {}", step.dispatch.kernel.name, step.dispatch.specialization);
            let flow = format!("{} → {}", inputs.join(" "), describe(output));
            writeln!(f, "{at:>4}  {kernel:<64}  {flow:<30}  {:<14}  {}", step.shape.to_string(), step.label)?;
        }
        Ok(())
    }
}

fn describe(buffer: &Buffer) -> String {
    match buffer {
        Buffer::Slot(slot) => format!("s{}", slot.0),
        Buffer::Constant(constant) => format!("c{constant}"),
    }
}
