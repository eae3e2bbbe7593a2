//! What a caller sees and says while a picture is under way: how far it is, and that it shall end.
//!
//! Both are looked at on whatever thread: between windows and bands of rows, while a device is waited for, and on the CPU
//! engine within a window. Nothing here waits or calls back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};

/// What a caller has in hand while a picture is under way. Clones have the same in hand.
#[derive(Clone, Debug, Default)]
pub struct Control {
    /// Ends the run.
    pub cancel: Cancel,
    /// Tells how far it is.
    pub progress: Progress,
}

/// Says to runs that they shall end; clones say it to the same ones. They end with [`Error::Cancelled`] within a tenth of a
/// second or, on a device that is slower, one submission, and nothing is left of what they made.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

/// How far a run is; clones tell of the same one.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<State>>);

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Position {
    /// The phase under way, from 0. A network without global pools has one, and so has one whose picture goes in one piece.
    pub phase: usize,
    /// How many phases there are.
    pub phases: usize,
    /// Windows of this phase that are done.
    pub window: usize,
    /// How many windows the phase has: more than before if smaller ones had to be taken.
    pub windows: usize,
    /// The share of the work that is done, 0 … 1.
    pub share: f64,
    /// What is left if it goes on as it went so far; unknown until something is done.
    pub left: Option<Duration>,
}

/// Counts of a run.
#[derive(Debug, Default)]
struct State {
    position: Position,
    /// Pixels of all phases, and of those that are done.
    pixels: u64,
    done: u64,
    clock: Clock,
}

/// The time of a run; none where there is no clock, as in browsers.
#[derive(Debug, Default)]
struct Clock(#[cfg(not(target_arch = "wasm32"))] Option<std::time::Instant>);

impl Clock {
    #[cfg(not(target_arch = "wasm32"))]
    fn started() -> Self {
        Self(Some(std::time::Instant::now()))
    }

    #[cfg(target_arch = "wasm32")]
    fn started() -> Self {
        Self()
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn taken(&self) -> Option<Duration> {
        self.0.map(|begun| begun.elapsed())
    }

    #[cfg(target_arch = "wasm32")]
    fn taken(&self) -> Option<Duration> {
        None
    }
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
    /// Where the run is.
    pub fn position(&self) -> Position {
        let state = self.state();
        let share = (state.done as f64 / state.pixels.max(1) as f64).min(1.0);
        let taken = state.clock.taken().filter(|_| share > 0.0);
        let left = taken.map(|taken| taken.mul_f64(1.0 / share - 1.0));
        Position { share, left, ..state.position }
    }

    /// The share of the work that is done, 0 … 1.
    pub fn share(&self) -> f64 {
        self.position().share
    }

    /// A run of so many phases begins, or begins anew; in all they make so many pixels.
    pub(crate) fn begin(&self, phases: usize, pixels: u64) {
        let position = Position { phases, ..Position::default() };
        *self.state() = State { position, pixels, done: 0, clock: Clock::started() };
    }

    /// Windows of a phase are to come, behind `window` that are done.
    pub(crate) fn enter(&self, phase: usize, window: usize, windows: usize) {
        let mut state = self.state();
        state.position = Position { phase, window, windows, ..state.position };
    }

    /// A window of so many pixels is done.
    pub(crate) fn add(&self, pixels: u64) {
        let mut state = self.state();
        state.done += pixels;
        state.position.window += 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_phases_windows_and_what_is_left() {
        let progress = Progress::default();
        assert_eq!(progress.position(), Position::default());
        progress.begin(2, 400);
        progress.enter(1, 3, 5);
        progress.add(100);
        let position = progress.position();
        assert_eq!((position.phase, position.phases), (1, 2));
        assert_eq!((position.window, position.windows), (4, 5));
        assert_eq!(position.share, 0.25);
        assert!(position.left.is_some());
        progress.add(1000);
        assert_eq!((progress.share(), progress.position().left), (1.0, Some(Duration::ZERO)));
    }
}
