//! Runs that wait for their turn on a device, cut into submissions.
//!
//! - In order: all sessions of a pool use the same slots, so the parts of a run follow each other, and no other run's come
//!   between.
//! - A few at a time: no more than [`AHEAD`] submissions are on the device at once. Who shares the device draws between
//!   them, and a run that nobody waits for any more is not gone on with.
//! - On an adapter in software that others use too, one submission at a time, and a pause behind each: drivers there hold up
//!   whoever submits until the device has come to what was submitted before (Mesa's llvmpipe does).
//! - Nothing is waited for, except where it says so.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use super::Gpu;
use super::commands::Commands;
use super::flight::Landing;
use super::pace::Speed;
use crate::error::Result;

/// Submissions on the device at once: while it computes one, the next is there already.
pub(super) const AHEAD: usize = 2;

/// How much longer than a submission the pause behind it is, where there is one: most of what others submit then finds the
/// device idle.
const PAUSE: f64 = 2.0;

/// The runs of a pool's sessions.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Submissions that the device has done since somebody looked.
    done: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Waiting {
    parts: VecDeque<Part>,
    /// What is on the device, the oldest first.
    submitted: VecDeque<wgpu::SubmissionIndex>,
    speed: Speed,
    /// When the last submission went, and until when there is a pause.
    went: Option<Instant>,
    pause: Option<Instant>,
}

/// A part of a run: one submission.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) commands: Arc<Commands>,
    pub(super) steps: Range<usize>,
    /// Where the inputs are; for a run's first part.
    pub(super) up: Option<wgpu::Buffer>,
    /// Where the outputs go; for a run's last part.
    pub(super) landing: Option<Landing>,
    /// Gone when nobody waits for the run any more.
    pub(super) run: Weak<()>,
}

impl Queue {
    /// Puts parts behind those that wait, and submits as many as may be on the device.
    pub(super) fn add(&self, gpu: &Gpu, parts: impl IntoIterator<Item = Part>) -> Result<()> {
        self.waiting().parts.extend(parts);
        self.advance(gpu)
    }

    /// Submits as many parts as may be on the device.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device), [`Error::OutOfMemory`](crate::Error::OutOfMemory). The runs that wait never
    /// come then, and whoever waits for one is told.
    pub(super) fn advance(&self, gpu: &Gpu) -> Result<()> {
        let mut waiting = self.waiting();
        let done = self.done.swap(0, Ordering::Relaxed).min(waiting.submitted.len());
        waiting.submitted.drain(..done);
        let ahead = if gpu.holds_up() { waiting.ahead_politely(done) } else { AHEAD };
        while waiting.submitted.len() < ahead
            && let Some(part) = waiting.parts.pop_front()
        {
            if part.run.strong_count() == 0 {
                continue;
            }
            match gpu.guarded(|| self.submit(gpu, part)) {
                Ok(index) => {
                    waiting.submitted.push_back(index);
                    waiting.went = Some(Instant::now());
                }
                Err(error) => {
                    waiting.parts.clear();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn submit(&self, gpu: &Gpu, part: Part) -> wgpu::SubmissionIndex {
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        if let Some(up) = &part.up {
            part.commands.read(&mut encoder, up);
        }
        part.commands.encode(&mut encoder, part.steps);
        if let Some(landing) = &part.landing {
            part.commands.write(&mut encoder, landing.buffer());
        }
        let index = gpu.queue.submit([encoder.finish()]);
        let done = self.done.clone();
        gpu.queue.on_submitted_work_done(move || {
            done.fetch_add(1, Ordering::Relaxed);
        });
        if let Some(landing) = part.landing {
            landing.map();
        }
        index
    }

    /// Waits until the oldest submission is done; where others use the device too, for a moment.
    pub(super) fn rest(&self, gpu: &Gpu) -> Result<()> {
        let oldest = self.waiting().submitted.front().cloned();
        gpu.rest(oldest)?;
        self.advance(gpu)
    }

    /// Waits until every part is submitted.
    pub(super) fn flush(&self, gpu: &Gpu) -> Result<()> {
        self.advance(gpu)?;
        while !self.waiting().parts.is_empty() {
            self.rest(gpu)?;
        }
        Ok(())
    }

    /// Does what must come behind all runs that were begun, and between no others.
    pub(super) fn behind_all<T>(&self, gpu: &Gpu, work: impl FnOnce() -> T) -> Result<T> {
        loop {
            self.flush(gpu)?;
            let waiting = self.waiting();
            if waiting.parts.is_empty() {
                return gpu.guarded(work);
            }
        }
    }

    /// What is known of the device.
    pub(super) fn speed<T>(&self, look: impl FnOnce(&mut Speed) -> T) -> T {
        look(&mut self.waiting().speed)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// How many submissions may be on a device that holds up others; `done` of them came back now.
    fn ahead_politely(&mut self, done: usize) -> usize {
        let now = Instant::now();
        if done > 0
            && let Some(went) = self.went.take()
        {
            self.pause = Some(now + (now - went).mul_f64(PAUSE));
        }
        usize::from(self.pause.is_none_or(|until| until <= now))
    }
}
