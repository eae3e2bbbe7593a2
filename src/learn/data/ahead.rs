//! Batches that are ready before they are asked for.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::{Batches, unsupported};
use crate::error::Result;
use crate::learn::Batch;

/// The batches of one step after another, without end ([`Batches::ahead`]).
#[derive(Debug)]
pub struct Ahead {
    ready: Option<Receiver<Batch>>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    pub(super) fn start(batches: Arc<Batches>, first: u64, held: usize) -> Result<Self> {
        let (send, ready) = sync_channel(held);
        // It ends when nobody takes what it makes.
        let work = move || {
            for step in first.. {
                if send.send(batches.batch(step)).is_err() {
                    break;
                }
            }
        };
        let thread = Builder::new().name("batches".to_owned()).spawn(work);
        let thread =
            thread.map_err(|error| unsupported(format!("no thread to make batches ahead: {error}")))?;
        Ok(Self { ready: Some(ready), thread: Some(thread) })
    }
}

impl Iterator for Ahead {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        self.ready.as_ref()?.recv().ok()
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.ready = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
