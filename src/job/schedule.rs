//! What is to be computed of a picture, as data: for every phase its windows, in the order in which their results are taken, and
//! what they read. Made without a device, and printed.
//!
//! A window of a phase needs nothing of the other windows of the phase. Of the phases before it needs what they store in the window's
//! place, and what global pools make of all their windows; so phases come one after the other. What is left after a failure is
//! another schedule, from the first row that is not done.

use std::fmt;

use super::tiles::{Grid, Rect, Tile};
use crate::plan::{Origin, Phase};

/// One phase of a picture.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    /// Its number, unless it is the whole network.
    at: Option<usize>,
    reads: Vec<String>,
    grid: Grid,
    /// Rows above this one are done.
    done: usize,
}

impl Schedule {
    /// What is left of a phase below the rows that are done; `at` is its number, unless it is the whole network.
    pub(crate) fn new(at: Option<usize>, phase: &Phase, grid: Grid, done: usize) -> Self {
        let picture = phase.reads_picture.then(|| "the picture".to_owned());
        let given = phase.given.iter().zip(phase.graph.given()).map(|(given, value)| {
            let name = &phase.graph.node(value).name;
            match given.origin {
                Origin::Stored => name.clone(),
                Origin::Pooled => format!("{name} of all pixels"),
                Origin::Resized { .. } => format!("{name}, resized"),
            }
        });
        Self { at, reads: picture.into_iter().chain(given).collect(), grid, done }
    }

    /// How the picture is cut.
    pub(crate) fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The phase's number, 0 for a network in one.
    pub(crate) fn number(&self) -> usize {
        self.at.unwrap_or(0)
    }

    /// Windows, in order.
    pub(crate) fn tiles(&self) -> impl Iterator<Item = Tile> {
        self.grid.tiles_from(self.done)
    }

    /// How many windows are left, and how many are done.
    pub(crate) fn counts(&self) -> [usize; 2] {
        let left = self.grid.count_from(self.done);
        [left, self.grid.count_from(0) - left]
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([left, done], [width, height]) = (self.counts(), self.grid.window());
        match self.at {
            None => write!(f, "the network")?,
            Some(at) => write!(f, "phase {at}")?,
        }
        writeln!(f, ": {left} windows of {width}x{height}, {done} done; reads {}", self.reads.join(", "))?;
        for (number, Tile { window, kept }) in self.tiles().enumerate() {
            let [kept, window] = [kept, window].map(|Rect { x, y }| format!("columns {x:?}, rows {y:?}"));
            writeln!(f, "{number:5}  keeps {kept}  of {window}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::stream::Known;
    use crate::models::Model;

    /// What is left of a phase of a picture, in tiles of a side.
    fn listing(model: &Model, at: usize, size: [usize; 2], side: usize, done: usize) -> String {
        let mut known = Known::default();
        let phase = known.phase(model, Some(at), size).unwrap();
        let field = phase.receptive_field().unwrap().aligned_to(model.alignment());
        Schedule::new(Some(at), &phase, Grid::new(size, [side; 2], field), done).to_string()
    }

    #[test]
    fn a_schedule_says_what_is_left_and_what_it_reads() {
        let model = Model::builtin("edsrmini-x2").unwrap();
        assert_eq!(
            listing(&model, 0, [200, 130], 100, 65),
            "phase 0: 2 windows of 140x105, 2 done; reads the picture\n    \
             0  keeps columns 0..100, rows 65..130  of columns 0..140, rows 25..130\n    \
             1  keeps columns 100..200, rows 65..130  of columns 60..200, rows 25..130\n"
        );
        let masked = Model::builtin("smsr-x2").unwrap();
        let first = listing(&masked, 1, [64, 64], 64, 0).lines().next().map(str::to_owned);
        let reads = "head.2, body.0.body.collect, body.0.ca.avg_pool of all pixels";
        assert_eq!(first, Some(format!("phase 1: 1 windows of 64x64, 0 done; reads {reads}")));
    }
}
