//! Weights in the order in which kernels read them, brought there by the device in every run.
//!
//! What packs a network's weights for inference packs numbers here that tell where they are from; the table that
//! `shaders/arrange.wgsl` goes by is read off the result. So there is one description of every order.

use std::collections::HashMap;

use super::packing::Layout;
use super::{Buffer, Constant, Plan, lower};
use crate::error::{Error, Result};
use crate::graph::{ParameterId, Parameters};
use crate::kernel::arrange::{self, Origin, PLACE};
use crate::kernel::winograd::POINTS;
use crate::kernel::winograd_weight;
use crate::tensor::{Parameter, Shape, channel_groups, packed_len};

/// The most numbers of a weight: as many of three values as an f32 counts.
const COUNTED: usize = 1 << 22;

impl Plan {
    /// Puts a step in front of the first reader of each packing, which brings its numbers into their order. `sources` are
    /// where the value behind each parameter lies, and its shape.
    pub(super) fn arrange(&mut self, sources: &[(Buffer, Shape)]) -> Result<()> {
        let draft = lower::Draft {
            steps: Vec::new(),
            slots: std::mem::take(&mut self.slots),
            constants: std::mem::take(&mut self.constants),
            parameters: Vec::new(),
        };
        let packings = std::mem::take(&mut self.parameters);
        let mut arranging = Arranging { sources, draft, tables: HashMap::new() };
        let mut arranged: HashMap<u32, Buffer> = HashMap::new();
        for mut step in std::mem::take(&mut self.steps) {
            for at in 0..step.bindings.len() {
                let Buffer::Parameter(packing) = step.bindings[at] else { continue };
                let buffer = match arranged.get(&packing) {
                    Some(buffer) => *buffer,
                    None => arranging.weight(&packings[packing as usize].layout, &step.label)?,
                };
                arranged.insert(packing, buffer);
                step.bindings[at] = buffer;
            }
            arranging.see(&step);
            arranging.draft.steps.push(step);
        }
        let Arranging { draft, .. } = arranging;
        (self.steps, self.slots, self.constants) = (draft.steps, draft.slots, draft.constants);
        self.drop_unread();
        Ok(())
    }

    /// Drops arrangements that nothing reads: what was made of them is made of what they are made of.
    fn drop_unread(&mut self) {
        let mut read: Vec<Buffer> = self.outputs().map(|port| Buffer::Slot(port.slot)).collect();
        let mut steps = std::mem::take(&mut self.steps);
        steps.reverse();
        steps.retain(|step| {
            let (inputs, outputs) = step.bindings.split_at(step.bindings.len() - step.outputs);
            let kept = step.dispatch.kernel != &arrange::KERNEL || outputs.iter().any(|to| read.contains(to));
            if kept {
                read.extend(inputs.iter().filter(|buffer| matches!(buffer, Buffer::Slot(_))));
            }
            kept
        });
        steps.reverse();
        self.steps = steps;
    }
}

struct Arranging<'a> {
    sources: &'a [(Buffer, Shape)],
    draft: lower::Draft,
    /// Of each value that one arrangement of another made: that one, and the table.
    tables: HashMap<u32, (Buffer, u32)>,
}

impl Arranging<'_> {
    /// Remembers what a step arranges of one value.
    fn see(&mut self, step: &super::Step) {
        if let ([source, Buffer::Unused, Buffer::Unused, Buffer::Constant(table), Buffer::Slot(made)], true) =
            (&step.bindings[..], step.dispatch.kernel == &arrange::KERNEL)
        {
            self.tables.insert(made.0, (*source, *table));
        }
    }

    /// A weight in a kernel's order.
    fn weight(&mut self, layout: &Layout, label: &str) -> Result<Buffer> {
        let mut ids: Vec<ParameterId> = Vec::new();
        for id in layout.ids() {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let shapes: Vec<Shape> = ids.iter().map(|id| self.sources[id.index()].1).collect();
        if ids.len() > arrange::VALUES || shapes.iter().any(|shape| shape.len() >= COUNTED) {
            let reason = format!("{label}: a weight of fewer than {COUNTED} numbers, found more");
            return Err(Error::Unsupported(reason));
        }
        let telling = telling(self.sources.len(), &ids, &shapes)?;
        if let (Layout::Winograd(..), [id]) = (layout, &ids[..]) {
            let mut packed = layout.pack_at_points(&telling, |kernel| [kernel[0]; POINTS]);
            packed.truncate(packed.len() / POINTS);
            return Ok(self.at_points(self.sources[id.index()], &packed, label));
        }
        let mut packed = layout.pack(&telling);
        packed.resize(packed.len().next_multiple_of(4).max(4), 0.0);
        let mut read: Vec<Buffer> = ids.iter().map(|id| self.sources[id.index()].0).collect();
        let mut table: Vec<u32> = packed.iter().map(|number| entry(*number, &shapes)).collect();
        for (value, buffer) in read.iter_mut().enumerate() {
            self.look_through(value as u32, buffer, &mut table);
        }
        if table.iter().all(|entry| *entry == arrange::ZERO) {
            return Ok(self.draft.constant(Constant::Numbers(vec![0.0; table.len()].into())));
        }
        if read.len() == 1 && is_in_order(&table, shapes[0]) {
            return Ok(read[0]);
        }
        let shape = Shape::new(1, 4, 1, table.len() / 4);
        read.resize(arrange::VALUES, Buffer::Unused);
        read.push(self.draft.words(table));
        Ok(self.draft.step(arrange::dispatch(packed.len()), read, label, shape))
    }

    /// A weight at Winograd's points. `told` says of every number of a point which kernel it is of, by its first tap.
    fn at_points(&mut self, (weight, shape): (Buffer, Shape), told: &[f32], label: &str) -> Buffer {
        let table = told.iter().map(|number| entry(*number, &[shape])).collect();
        let made = Shape::new(POINTS, 4, 1, told.len() / 4);
        let read = vec![weight, self.draft.words(table)];
        self.draft.step(winograd_weight::dispatch(told.len()), read, label, made)
    }

    /// Takes a value's place by what it was arranged of.
    fn look_through(&self, value: u32, buffer: &mut Buffer, table: &mut [u32]) {
        let Buffer::Slot(slot) = buffer else { return };
        let Some((source, first)) = self.tables.get(&slot.0) else { return };
        let Constant::Words(first) = &self.draft.constants[*first as usize] else { return };
        for entry in table.iter_mut().filter(|entry| **entry != arrange::ZERO && **entry >> 29 & 3 == value) {
            let behind = first[(*entry & PLACE) as usize - 1];
            let sign = (*entry ^ behind) & 1 << 31;
            *entry = if behind == arrange::ZERO { behind } else { sign | value << 29 | behind & PLACE };
        }
        *buffer = *source;
    }
}

/// Whether numbers stay where they are in a value of this shape; lanes past the last channel hold zeros there too.
fn is_in_order(table: &[u32], shape: Shape) -> bool {
    let channel = |place: usize| place / 4 / shape.pixels() % channel_groups(shape.channels) * 4 + place % 4;
    let stays = |(place, entry): (usize, &u32)| {
        *entry as usize == place + 1 || *entry == arrange::ZERO && channel(place) >= shape.channels
    };
    table.len() <= packed_len(shape) && table.iter().enumerate().all(stays)
}

/// Parameters each of whose numbers says where it is from: of the value `at` the number `n` is `at · COUNTED + n + 1`.
fn telling(count: usize, ids: &[ParameterId], shapes: &[Shape]) -> Result<Parameters> {
    let mut telling = Parameters::new();
    for id in 0..count {
        let numbers = match ids.iter().position(|known| known.index() == id) {
            None => Parameter::new([0, 1, 1, 1], vec![]),
            Some(at) => {
                let told = (0..shapes[at].len()).map(|n| (at * COUNTED + n + 1) as f32);
                Parameter::new(shapes[at].axes(), told.collect::<Vec<f32>>())
            }
        };
        telling.add(format!("weight {id}"), &numbers)?;
    }
    Ok(telling)
}

/// The table's entry for a number that tells where it is from.
fn entry(number: f32, shapes: &[Shape]) -> u32 {
    let Some(told) = (number as usize).checked_sub(1) else { return arrange::ZERO };
    let (value, n) = (told / COUNTED, told % COUNTED);
    let Shape { channels, height, width, .. } = shapes[value];
    let pixels = height * width;
    let at = [n / (channels * pixels), n / pixels % channels, n / width % height, n % width];
    Origin { value, at, negative: false }.entry(shapes[value])
}
