//! Values → slots. A value holds its slot from the step that first writes it to the last that reads it;
//! then the slot is free for a later value. What the host reads afterwards holds its slot to the end.

use super::{Buffer, Plan, Slot};

/// Renames the plan's slots, one a value as `lower` leaves them, to as few and as small as a greedy choice
/// finds, and sets their sizes.
pub(super) fn assign(plan: &mut Plan) {
    let last_use = last_uses(plan);
    let mut of_value: Vec<Option<Slot>> = vec![None; plan.slots.len()];
    let mut sizes: Vec<u64> = Vec::new();
    let mut free: Vec<Slot> = Vec::new();
    let wanted = std::mem::take(&mut plan.slots);

    for port in plan.inputs() {
        let input = port.slot.0 as usize;
        of_value[input] = Some(take(&mut free, &mut sizes, wanted[input]));
    }
    for at in 0..plan.steps.len() {
        for output in plan.steps[at].outputs() {
            let output = output.0 as usize;
            if of_value[output].is_none() {
                of_value[output] = Some(take(&mut free, &mut sizes, wanted[output]));
            }
        }
        // Only now, so that an output never lies where an input does.
        let mut ended: Vec<Slot> = plan.steps[at].inputs().chain(plan.steps[at].outputs()).collect();
        ended.sort_unstable();
        ended.dedup();
        for value in ended {
            if last_use[value.0 as usize] == at {
                free.extend(of_value[value.0 as usize]);
            }
        }
        let step = &mut plan.steps[at];
        let bound = step.bindings.iter_mut().filter_map(|buffer| match buffer {
            Buffer::Slot(slot) => Some(slot),
            Buffer::Constant(_) | Buffer::Parameter(_) | Buffer::Resident(_) | Buffer::Unused => None,
        });
        for slot in bound.chain(step.indirect.iter_mut().map(|indirect| &mut indirect.slot)) {
            *slot = of_value[slot.0 as usize].expect("a value is made before it is read");
        }
    }
    let Plan { picture, given, output, kept, .. } = plan;
    for port in picture.iter_mut().chain(given).chain([output]).chain(kept) {
        port.slot = of_value[port.slot.0 as usize].expect("every port is a value of the plan");
    }
    plan.slots = sizes;
}

/// The step after which nothing needs a value; past the end for what the host reads.
fn last_uses(plan: &Plan) -> Vec<usize> {
    let mut last = vec![0; plan.slots.len()];
    for (at, step) in plan.steps.iter().enumerate() {
        for value in step.inputs().chain(step.outputs()) {
            last[value.0 as usize] = at;
        }
    }
    for port in plan.outputs() {
        last[port.slot.0 as usize] = usize::MAX;
    }
    last
}

/// The smallest free slot that is large enough, else the largest, made larger, else a new one.
fn take(free: &mut Vec<Slot>, sizes: &mut Vec<u64>, bytes: u64) -> Slot {
    let size = |slot: &Slot| sizes[slot.0 as usize];
    let fitting = free.iter().copied().filter(|slot| size(slot) >= bytes).min_by_key(size);
    match fitting.or_else(|| free.iter().copied().max_by_key(size)) {
        Some(slot) => {
            free.retain(|other| *other != slot);
            sizes[slot.0 as usize] = sizes[slot.0 as usize].max(bytes);
            slot
        }
        None => {
            sizes.push(bytes);
            Slot(sizes.len() as u32 - 1)
        }
    }
}
