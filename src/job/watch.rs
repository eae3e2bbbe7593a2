//! What a caller sees and says while a picture is under way: how far it is, and that it shall end.
//!
//! Both are looked at between windows and between bands of rows, on whatever thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Says to runs that they shall end; clones say it to the same ones. They end with [`Error::Cancelled`] when the window
/// that is under way is done, and nothing is left of what they made.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

/// How far a run is; clones tell of the same one.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Pixels>);

/// Of all phases.
#[derive(Debug, Default)]
struct Pixels {
    done: AtomicU64,
    all: AtomicU64,
}

impl Cancel {
    /// Ends the runs, those under way and those to come.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether they were to end.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// # Errors
    /// [`Error::Cancelled`] if they were.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

impl Progress {
    /// The share of the work that is done, 0 … 1.
    pub fn share(&self) -> f64 {
        let [done, all] = [&self.0.done, &self.0.all].map(|count| count.load(Ordering::Relaxed));
        (done as f64 / all.max(1) as f64).min(1.0)
    }

    pub(crate) fn begin(&self, pixels: u64) {
        self.0.done.store(0, Ordering::Relaxed);
        self.0.all.store(pixels, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, pixels: u64) {
        self.0.done.fetch_add(pixels, Ordering::Relaxed);
    }
}
