//! Phases on the CPU engine. It computes a window when it is submitted, on all threads.

use std::sync::Arc;

use super::{Engine, Made, Window};
use crate::control::Cancel;
use crate::cpu;
use crate::error::{Error, Result};
use crate::graph::Parameters;
use crate::pixels::{Depth, Pixels};
use crate::plan::Phase;

/// The CPU engine, which needs no driver.
#[derive(Debug, Default)]
pub struct CpuEngine {
    phase: Option<(Arc<Phase>, Depth)>,
    parameters: Parameters,
    /// What windows leave to later ones.
    buffers: cpu::Buffers,
    /// The window that was computed last, until it is collected.
    made: Option<Made>,
}

impl CpuEngine {
    /// There is always one.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Engine for CpuEngine {
    fn name(&self) -> String {
        "CPU".into()
    }

    fn begin(&mut self, parameters: &Parameters) {
        (self.phase, self.made) = (None, None);
        self.parameters = parameters.clone();
    }

    fn set_parameters(&mut self, parameters: &Parameters) -> Result<()> {
        self.parameters = parameters.clone();
        Ok(())
    }

    fn footprint(&mut self, phase: &Phase, _depth: Depth) -> Result<u64> {
        Ok(4 * cpu::largest_len(&phase.graph, &phase.keep) as u64)
    }

    fn prepare(&mut self, phase: &Arc<Phase>, depth: Depth) -> Result<()> {
        self.made = None;
        self.phase = Some((phase.clone(), depth));
        Ok(())
    }

    fn is_ready(&self) -> bool {
        self.made.is_none()
    }

    fn is_placeless(&self) -> bool {
        true
    }

    fn submit(&mut self, window: Window, cancel: &Cancel) -> Result<()> {
        let Some((phase, depth)) = &self.phase else { return Err(super::unprepared()) };
        let (graph, range) = (&phase.graph, phase.graph.range());
        let Window { picture, given, blocks } = window;
        let picture = picture.map(|picture| picture.to_tensor(range));
        let part = cpu::Part {
            picture: picture.as_ref(),
            given: &given,
            keep: &phase.keep,
            makes_picture: phase.makes_picture,
            cancel,
            blocks: &blocks,
        };
        let (output, kept) = cpu::run_part(graph, &self.parameters, part, &mut self.buffers)?;
        given.into_iter().for_each(|block| blocks.give(block));
        let picture = output.map(|output| Pixels::from_tensor(&output, range, *depth)).transpose()?;
        self.made = Some(Made { picture, kept });
        Ok(())
    }

    fn collect(&mut self, _cancel: &Cancel) -> Result<Made> {
        self.made.take().ok_or_else(|| Error::Unsupported("no window is under way: submit one first".into()))
    }
}
