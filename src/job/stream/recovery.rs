//! What is done after a failure, decided from what has failed before. Each time there is another schedule, for what is left.

use super::{Run, SMALLEST, Tiling};
use crate::error::{Error, Result};
use crate::job::crew::Failed;

/// What was tried and failed.
#[derive(Debug)]
pub(super) struct Recovery {
    /// The engines in use.
    pub(super) at_work: Vec<usize>,
    /// What tiles may have at most, once something failed.
    pub(super) largest: Option<[usize; 2]>,
    /// Whether the engine has failed otherwise than for its size.
    failed: bool,
    /// What began it.
    cause: Option<Error>,
}

impl Recovery {
    /// Nothing has failed yet.
    pub(super) fn new(together: usize) -> Self {
        Self { at_work: (0..together).collect(), largest: None, failed: false, cause: None }
    }
}

impl Run<'_> {
    /// After a failure in tiles of a size: smaller ones, then the other engines at work, then the next engine, then no more.
    pub(super) fn recover(
        &mut self,
        recovery: &mut Recovery,
        tile: [usize; 2],
        Failed { member, error }: Failed,
    ) -> Result<()> {
        let too_large = matches!(error, Error::OutOfMemory(_) | Error::Limits(_));
        if !too_large && !matches!(error, Error::Device(_)) {
            return Err(error);
        }
        let member = member.unwrap_or(0);
        let engine = recovery.at_work[member];
        let error = match self.fall_back(recovery, engine, error) {
            Ok(what) => {
                tracing::warn!("{what}");
                self.known.bytes.retain(|(engine, ..), _| !recovery.at_work.contains(engine));
                return Ok(());
            }
            Err(error) => error,
        };
        let may_shrink = self.budget.tiling != Tiling::Whole && self.can_be_cut()?;
        let (longer, several) = (tile[0].max(tile[1]), recovery.at_work.len() > 1);
        let next = self.together.max(engine + 1);
        if may_shrink
            && longer > SMALLEST
            && (too_large || (!several && !std::mem::replace(&mut recovery.failed, true)))
        {
            tracing::warn!("{error}; tried again in smaller tiles");
            recovery.largest = Some(tile.map(|side| side.min(longer.div_ceil(2))));
        } else if several {
            recovery.at_work.remove(member);
            let names: Vec<String> = recovery.at_work.iter().map(|at| self.engines[*at].name()).collect();
            tracing::warn!("{error}; goes on without it, on {}", names.join(" and "));
        } else if next < self.engines.len() {
            recovery.at_work = vec![next];
            tracing::warn!("{error}; tried again on {}", self.engines[next].name());
            // Not in larger tiles: what lies above the rows that are done may be gone.
            (recovery.failed, recovery.largest) = (false, Some(tile));
        } else {
            let error = recovery.cause.take().unwrap_or(error);
            return Err(if too_large { self.explained(error)? } else { error });
        }
        recovery.cause.get_or_insert(error);
        Ok(())
    }

    /// Has all engines at work do otherwise what one has failed at, lest a seam shows.
    fn fall_back(&mut self, recovery: &Recovery, failed: usize, error: Error) -> Result<String> {
        let what = self.engines[failed].fall_back(error)?;
        for other in recovery.at_work.iter().filter(|other| **other != failed) {
            // One that has nothing that it could do otherwise does it already.
            drop(self.engines[*other].fall_back(Error::Device(what.clone())));
        }
        Ok(what)
    }

    /// Why smaller tiles were no way out of an error, if they were none.
    fn explained(&mut self, error: Error) -> Result<Error> {
        let Some(reason) = self.never_cut()? else { return Ok(error) };
        Ok(match error {
            Error::Limits(text) => Error::Limits(format!("{text}; {reason}")),
            Error::OutOfMemory(text) => Error::OutOfMemory(format!("{text}; {reason}")),
            error => error,
        })
    }
}
