//! What was found out about a network for one picture and holds for the next: its phases, what engines need for them, and how long
//! they take.

use std::collections::HashMap;
use std::sync::Arc;

use super::PROBE;
use crate::error::Result;
use crate::graph::ReceptiveField;
use crate::models::Model;
use crate::pixels::Depth;
use crate::plan::Phase;
use crate::tensor::Shape;

/// A phase's number (none: the whole network as one) and the size of its windows.
type PhaseKey = (Option<usize>, [usize; 2]);

/// What was found out about a network for one picture and holds for the next.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The phases that were used last.
    phases: Vec<(PhaseKey, Arc<Phase>)>,
    /// All that the network is cut into, for windows of a size that no longer matters.
    cut: Vec<Phase>,
    /// What an engine needs for a phase.
    pub(super) bytes: HashMap<(usize, Option<usize>, Depth), Bytes>,
    /// Seconds that it takes for a pixel of a phase, where several work together.
    paces: HashMap<(usize, Option<usize>), f64>,
}

/// What an engine needs for a phase: for its weights, and for each pixel of its windows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes {
    pub(super) fixed: f64,
    pub(super) a_pixel: f64,
}

impl Known {
    /// How many phases are kept: more than two sizes of picture need.
    const KEPT: usize = 24;

    /// One phase for windows of a size.
    pub(crate) fn phase(
        &mut self,
        model: &Model,
        at: Option<usize>,
        [width, height]: [usize; 2],
    ) -> Result<Arc<Phase>> {
        let key = (at, [width, height]);
        if let Some((_, phase)) = self.phases.iter().find(|(known, _)| *known == key) {
            return Ok(phase.clone());
        }
        let phase = match at {
            None => Phase::whole(model.graph(Shape::new(1, 3, height, width))?),
            Some(at) => self.cut(model)?[at].resized(height, width)?,
        };
        if self.phases.len() == Self::KEPT {
            self.phases.remove(0);
        }
        self.phases.push((key, Arc::new(phase)));
        Ok(self.phases[self.phases.len() - 1].1.clone())
    }

    /// How far a network looks that goes window by window in one phase; `None` if it takes several, something in it
    /// looks at the whole picture, or it takes a border, which windows would get as well.
    pub(crate) fn field(&mut self, model: &Model) -> Result<Option<ReceptiveField>> {
        if model.net().facts().border != [0; 2] {
            return Ok(None);
        }
        let [only] = self.cut(model)? else { return Ok(None) };
        Ok(only.receptive_field().map(|field| field.aligned_to(model.alignment())))
    }

    /// All phases, cut once, so that their weights are the same ones at every size.
    pub(super) fn cut(&mut self, model: &Model) -> Result<&[Phase]> {
        if self.cut.is_empty() {
            let side = PROBE.next_multiple_of(model.alignment());
            self.cut = Phase::all(model.graph(Shape::new(1, 3, side, side))?);
        }
        Ok(&self.cut)
    }

    /// How long engines take for a pixel of a phase, as far as that is known.
    pub(super) fn paces(&self, at: Option<usize>, engines: &[usize]) -> Vec<Option<f64>> {
        engines.iter().map(|engine| self.paces.get(&(*engine, at)).copied()).collect()
    }

    pub(super) fn keep_paces(&mut self, at: Option<usize>, engines: &[usize], paces: &[Option<f64>]) {
        for (engine, pace) in engines.iter().zip(paces) {
            pace.map(|pace| self.paces.insert((*engine, at), pace));
        }
    }
}
